import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;

/** Kafka Streams, at-least-once: a repartition topic, a changelog topic, restoring, and a second instance that takes over. */
public class StreamsScenario extends Scenario {
    public static void main(String[] args) {
        new StreamsScenario(args).define();
    }

    StreamsScenario(String[] args) { super(args); }

    void define() {
        test("word_count", this::wordCount);
        test("restore_and_take_over", this::restore);
        test("windowed_join", this::join);
        optional("exactly_once", "transactions (APIs 24-28) are left out", this::exactlyOnce);
        run();
    }

    Properties config(String id, String folder) throws Exception {
        Properties p = new Properties();
        p.put("application.id", id);
        p.put("bootstrap.servers", address);
        p.put("default.key.serde", Serdes.StringSerde.class);
        p.put("default.value.serde", Serdes.StringSerde.class);
        p.put("commit.interval.ms", 200);
        p.put("statestore.cache.max.bytes", 0);
        p.put("state.dir", Files.createTempDirectory(folder).toString());
        p.put("consumer.session.timeout.ms", 6000);
        p.put("num.stream.threads", 1);
        return p;
    }

    Topology words(String topic) {
        StreamsBuilder b = new StreamsBuilder();
        b.<String, String>stream(topic + "-in").flatMapValues(v -> Arrays.asList(v.split(" "))).groupBy((k, w) -> w)
                .count(Materialized.as("counts")).toStream().to(topic + "-out", Produced.with(Serdes.String(), Serdes.Long()));
        return b.build();
    }

    void send(String topic, String... lines) throws Exception {
        try (KafkaProducer<String, String> p = producer()) {
            for (String line : lines) p.send(new ProducerRecord<>(topic, line.substring(0, 1), line)).get(20, TimeUnit.SECONDS);
        }
    }

    Map<String, Long> latest(String topic) {
        Map<String, Object> c = new HashMap<>(Map.of("bootstrap.servers", address, "auto.offset.reset", "earliest"));
        Map<String, Long> counts = new TreeMap<>();
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(c, new StringDeserializer(), new LongDeserializer())) {
            List<org.apache.kafka.common.TopicPartition> all = consumer.partitionsFor(topic).stream()
                    .map(p -> new org.apache.kafka.common.TopicPartition(topic, p.partition())).collect(Collectors.toList());
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<org.apache.kafka.common.TopicPartition, Long> ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
                for (ConsumerRecord<String, Long> r : consumer.poll(java.time.Duration.ofMillis(200))) counts.put(r.key(), r.value());
        }
        return counts;
    }

    void wordCount(String topic) throws Exception {
        create(topic + "-in", 2);
        create(topic + "-out", 2);
        try (KafkaStreams s = new KafkaStreams(words(topic), config(topic, "streams"))) {
            s.start();
            send(topic + "-in", "a b c", "a b", "a");
            until("counted", 60, () -> latest(topic + "-out").equals(Map.of("a", 3L, "b", 2L, "c", 1L)));
            Set<String> names = admin.listTopics().names().get(20, TimeUnit.SECONDS);
            for (String internal : List.of("-counts-changelog", "-counts-repartition"))
                if (!names.contains(topic + internal)) throw new AssertionError("no " + internal + " in " + names);
        }
        org.apache.kafka.common.config.ConfigResource r =
                new org.apache.kafka.common.config.ConfigResource(org.apache.kafka.common.config.ConfigResource.Type.TOPIC, topic + "-counts-changelog");
        expect(admin.describeConfigs(List.of(r)).all().get().get(r).get("cleanup.policy").value(), "compact", "changelog");
    }

    void restore(String topic) throws Exception {
        create(topic + "-in", 2);
        create(topic + "-out", 2);
        try (KafkaStreams s = new KafkaStreams(words(topic), config(topic, "one"))) {
            s.start();
            send(topic + "-in", "x y", "x");
            until("counted", 60, () -> latest(topic + "-out").equals(Map.of("x", 2L, "y", 1L)));
        }
        // another state folder: all of it comes back from the changelog
        KafkaStreams second = new KafkaStreams(words(topic), config(topic, "two"));
        KafkaStreams third = new KafkaStreams(words(topic), config(topic, "three"));
        second.start();
        third.start();
        until("both run", 60, () -> second.state() == KafkaStreams.State.RUNNING && third.state() == KafkaStreams.State.RUNNING);
        send(topic + "-in", "x y z");
        until("goes on", 60, () -> latest(topic + "-out").equals(Map.of("x", 3L, "y", 2L, "z", 1L)));
        third.close();
        send(topic + "-in", "x", "y", "z");
        until("takes over", 60, () -> latest(topic + "-out").equals(Map.of("x", 4L, "y", 3L, "z", 2L)));
        second.close();
    }

    void join(String topic) throws Exception {
        create(topic + "-l", 2);
        create(topic + "-r", 2);
        create(topic + "-out", 1);
        StreamsBuilder b = new StreamsBuilder();
        KStream<String, String> left = b.stream(topic + "-l"), right = b.stream(topic + "-r");
        left.join(right, (l, r) -> (long) (l.length() + r.length()), JoinWindows.ofTimeDifferenceWithNoGrace(java.time.Duration.ofMinutes(5)))
                .to(topic + "-out", Produced.with(Serdes.String(), Serdes.Long()));
        try (KafkaStreams s = new KafkaStreams(b.build(), config(topic, "join"))) {
            s.start();
            send(topic + "-l", "aa", "bbb");
            send(topic + "-r", "a", "b");
            until("joined", 60, () -> latest(topic + "-out").equals(Map.of("a", 3L, "b", 4L)));
        }
    }

    void exactlyOnce(String topic) throws Exception {
        if (admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version") == null) {
            // a broker that does not have the APIs makes the client retry for ever: ask first
            throw new Excluded("transactions (APIs 24-28) are left out");
        }
        create(topic + "-in", 1);
        create(topic + "-out", 1);
        Properties p = config(topic, "eos");
        p.put("processing.guarantee", "exactly_once_v2");
        try (KafkaStreams s = new KafkaStreams(words(topic), p)) {
            s.start();
            send(topic + "-in", "a a");
            until("counted", 60, () -> latest(topic + "-out").equals(Map.of("a", 2L)));
        }
    }
}
