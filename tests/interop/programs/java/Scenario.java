import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.*;

/** What the Java programs share: named tests, one JSON line each, and short forms of the clients. */
class Scenario {
    interface Body { void run(String topic) throws Exception; }

    static final class Excluded extends Exception {
        Excluded(String reason) { super(reason); }
    }

    final String address;
    final String prefix;
    final String only;
    final Map<String, Body> tests = new LinkedHashMap<>();
    final Admin admin;

    Scenario(String[] args) {
        address = args[0];
        prefix = args[1];
        only = args.length > 2 ? args[2] : "";
        Properties p = new Properties();
        p.put("bootstrap.servers", address);
        p.put("default.api.timeout.ms", "20000");
        p.put("request.timeout.ms", "15000");
        admin = Admin.create(p);
    }

    void test(String name, Body body) { tests.put(name, body); }

    /** A test of an API that a broker may leave out: unsupported means excluded, with the reason given. */
    void optional(String name, String reason, Body body) {
        test(name, topic -> {
            try {
                body.run(topic);
            } catch (Exception e) {
                for (Throwable t = e; t != null; t = t.getCause())
                    if (t instanceof UnsupportedVersionException) throw new Excluded(reason);
                throw e;
            }
        });
    }

    void run() {
        int failed = 0;
        for (Map.Entry<String, Body> test : tests.entrySet()) {
            if (!test.getKey().contains(only)) continue;
            long began = System.nanoTime();
            String outcome = "passed", detail = "";
            try {
                test.getValue().run(prefix + "-" + test.getKey().replace('_', '-'));
            } catch (Excluded e) {
                outcome = "excluded";
                detail = e.getMessage();
            } catch (Throwable e) {
                outcome = "failed";
                failed++;
                StringWriter text = new StringWriter();
                e.printStackTrace(new PrintWriter(text));
                detail = text + "\n" + e;
            }
            System.out.printf(Locale.ROOT, "{\"test\": \"%s\", \"outcome\": \"%s\", \"seconds\": %.2f, \"detail\": \"%s\"}%n", test.getKey(), outcome,
                    (System.nanoTime() - began) / 1e9, escape(detail));
            System.out.flush();
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    static String escape(String s) {
        return s.substring(Math.max(0, s.length() - 1500)).replace("\\", "\\\\").replace("\"", "'").replace("\n", "\\n").replace("\t", " ").replace("\r", "");
    }

    static void expect(Object actual, Object wanted, String what) {
        if (!Objects.equals(String.valueOf(actual), String.valueOf(wanted)))
            throw new AssertionError(what + ": expected " + wanted + ", got " + actual);
    }

    static <T extends Throwable> T fails(Class<T> wanted, Callable<?> call) {
        Object result;
        try {
            result = call.call();
        } catch (Throwable e) {
            for (Throwable t = e; t != null; t = t.getCause())
                if (wanted.isInstance(t)) return wanted.cast(t);
            throw new AssertionError("expected " + wanted.getSimpleName() + ", got " + e, e);
        }
        throw new AssertionError("expected " + wanted.getSimpleName() + ", got " + result);
    }

    static void until(String what, int seconds, Callable<Boolean> check) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (System.nanoTime() < end) {
            if (check.call()) return;
            Thread.sleep(100);
        }
        throw new AssertionError("not within " + seconds + " s: " + what);
    }

    static Map<String, Object> config(Object... pairs) {
        Map<String, Object> m = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) m.put((String) pairs[i], pairs[i + 1]);
        return m;
    }

    void create(String topic, int partitions, String... pairs) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) configs.put(pairs[i], pairs[i + 1]);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get(20, TimeUnit.SECONDS);
        settled(topic, partitions);
    }

    /** The reference broker answers a creation before every partition takes requests, and its producer then stalls. */
    void settled(String topic, int partitions) throws Exception {
        until("leaders of " + topic, 20, () -> {
            try {
                TopicDescription told = admin.describeTopics(List.of(topic)).allTopicNames().get(20, TimeUnit.SECONDS).get(topic);
                if (told.partitions().size() != partitions || told.partitions().stream().anyMatch(p -> p.leader() == null || p.leader().isEmpty()))
                    return false;
                Map<TopicPartition, OffsetSpec> all = new HashMap<>();
                for (int p = 0; p < partitions; p++) all.put(new TopicPartition(topic, p), OffsetSpec.latest());
                admin.listOffsets(all).all().get(20, TimeUnit.SECONDS);
                return true;
            } catch (ExecutionException e) {
                if (e.getCause() instanceof UnknownTopicOrPartitionException) return false;
                throw e;
            }
        });
    }

    KafkaProducer<String, String> producer(Object... pairs) {
        Map<String, Object> p = config("bootstrap.servers", address, "delivery.timeout.ms", 30000, "request.timeout.ms", 10000);
        p.putAll(config(pairs));
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(Object... pairs) {
        Map<String, Object> p = config("bootstrap.servers", address, "auto.offset.reset", "earliest", "enable.auto.commit", false);
        p.putAll(config(pairs));
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    void produce(String topic, int partition, int from, int to, Object... pairs) throws Exception {
        try (KafkaProducer<String, String> producer = producer(pairs)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = from; i < to; i++) sent.add(producer.send(new ProducerRecord<>(topic, partition, null, String.valueOf(i))));
            for (Future<RecordMetadata> f : sent) f.get(30, TimeUnit.SECONDS);
        }
    }

    static List<ConsumerRecord<String, String>> take(Consumer<String, String> consumer, int count, int seconds) {
        List<ConsumerRecord<String, String>> taken = new ArrayList<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (taken.size() < count && System.nanoTime() < end)
            for (ConsumerRecord<String, String> r : consumer.poll(java.time.Duration.ofMillis(200))) taken.add(r);
        expect(taken.size(), count, "records");
        return taken;
    }

    List<ConsumerRecord<String, String>> read(String topic, int partition, int count) {
        try (KafkaConsumer<String, String> c = consumer()) {
            c.assign(List.of(new TopicPartition(topic, partition)));
            c.seek(new TopicPartition(topic, partition), 0);
            return take(c, count, 30);
        }
    }
}
