import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

/** The Java producer and consumer with their defaults, and with the settings that change what goes over the wire. */
public class ClientScenario extends Scenario {
    public static void main(String[] args) {
        new ClientScenario(args).define();
    }

    ClientScenario(String[] args) { super(args); }

    void define() {
        test("defaults", this::defaults);
        test("codecs", this::codecs);
        test("keys_headers_timestamps", this::headers);
        test("auto_created_topic", this::autoCreated);
        test("idempotent_many_partitions", this::idempotent);
        test("acks", this::acks);
        test("record_too_large", this::tooLarge);
        test("compacted_needs_key", this::compactedNeedsKey);
        test("log_append_time", this::appendTime);
        test("offsets_for_times", this::times);
        test("seek_pause_resume", this::seek);
        test("offset_out_of_range", this::outOfRange);
        test("read_committed", this::readCommitted);
        test("commit_and_resume", this::resume);
        test("rebalance_range", t -> rebalance(t, "org.apache.kafka.clients.consumer.RangeAssignor"));
        test("rebalance_cooperative", t -> rebalance(t, "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
        test("static_member_returns", this::staticMember);
        test("session_timeout_evicts", this::evicted);
        test("stale_commit_refused", this::staleCommit);
        test("pattern_subscription", this::pattern);
        test("fetch_wakes_at_once", this::wakes);
        test("fetch_limits", this::limits);
        test("topic_recreated", this::recreated);
        test("many_partitions", this::many);
        optional("transactions", "transactions (APIs 24-28) are left out", this::transaction);
        optional("consumer_protocol", "KIP-848 (APIs 68-69) is left out", this::consumerProtocol);
        run();
    }

    void defaults(String topic) throws Exception {
        create(topic, 3);
        produce(topic, 1, 0, 1000);
        List<ConsumerRecord<String, String>> told = read(topic, 1, 1000);
        for (int i = 0; i < 1000; i++) expect(told.get(i).offset() + ":" + told.get(i).value(), i + ":" + i, "record " + i);
    }

    void codecs(String topic) throws Exception {
        String[] names = {"none", "gzip", "snappy", "lz4", "zstd"};
        create(topic, names.length);
        for (int p = 0; p < names.length; p++) {
            produce(topic, p, 0, 2000, "compression.type", names[p], "linger.ms", 20);
            List<ConsumerRecord<String, String>> told = read(topic, p, 2000);
            for (int i = 0; i < 2000; i++) expect(told.get(i).value(), i, names[p]);
        }
    }

    void headers(String topic) throws Exception {
        create(topic, 1);
        try (KafkaProducer<String, String> p = producer()) {
            p.send(new ProducerRecord<>(topic, 0, 1600000000123L, "k", "v",
                    List.of(new RecordHeader("a", "1".getBytes()), new RecordHeader("a", (byte[]) null)))).get();
            p.send(new ProducerRecord<>(topic, 0, "tombstone", null)).get();
        }
        List<ConsumerRecord<String, String>> told = read(topic, 0, 2);
        expect(told.get(0).key() + told.get(0).value() + told.get(0).timestamp(), "kv1600000000123", "first");
        expect(told.get(0).headers().toArray().length + "" + told.get(0).headers().toArray()[1].value(), "2null", "headers");
        expect(told.get(1).value(), null, "tombstone");
    }

    void autoCreated(String topic) throws Exception {
        try (KafkaProducer<String, String> p = producer()) {
            expect(p.send(new ProducerRecord<>(topic, "k", "v")).get(20, TimeUnit.SECONDS).offset(), 0, "offset");
        }
        try (KafkaConsumer<String, String> c = consumer("allow.auto.create.topics", false)) {
            c.partitionsFor(topic + "-none", Duration.ofSeconds(3));
        } catch (org.apache.kafka.common.errors.TimeoutException | UnknownTopicOrPartitionException e) {
            // both are right for a topic that is not there
        }
        if (admin.listTopics().names().get().contains(topic + "-none")) throw new AssertionError("created by a consumer that forbade it");
    }

    void idempotent(String topic) throws Exception {
        create(topic, 20);
        try (KafkaProducer<String, String> p = producer("enable.idempotence", true, "batch.size", 200, "linger.ms", 0)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 20000; i++) sent.add(p.send(new ProducerRecord<>(topic, i % 20, null, String.valueOf(i / 20))));
            for (int i = 0; i < 20000; i++) expect(sent.get(i).get(30, TimeUnit.SECONDS).offset(), i / 20, "offset");
        }
        List<ConsumerRecord<String, String>> told = read(topic, 19, 1000);
        for (int i = 0; i < 1000; i++) expect(told.get(i).value(), i, "order");
    }

    void acks(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 10, "acks", "1", "enable.idempotence", false);
        produce(topic, 0, 10, 20, "acks", "all", "enable.idempotence", false);
        try (KafkaProducer<String, String> p = producer("acks", "0", "enable.idempotence", false)) {
            for (int i = 20; i < 30; i++) expect(p.send(new ProducerRecord<>(topic, 0, null, "" + i)).get().offset(), -1, "acks=0 knows no offset");
        }
        read(topic, 0, 30);
    }

    void tooLarge(String topic) throws Exception {
        create(topic, 1, "max.message.bytes", "10000");
        try (KafkaProducer<String, String> p = producer()) {
            fails(RecordTooLargeException.class, () -> p.send(new ProducerRecord<>(topic, 0, null, "x".repeat(20000))).get());
            expect(p.send(new ProducerRecord<>(topic, 0, null, "fits")).get(20, TimeUnit.SECONDS).offset(), 0, "the next one");
        }
    }

    void compactedNeedsKey(String topic) throws Exception {
        create(topic, 1, "cleanup.policy", "compact");
        try (KafkaProducer<String, String> p = producer()) {
            fails(InvalidRecordException.class, () -> p.send(new ProducerRecord<>(topic, 0, null, "v")).get());
            p.send(new ProducerRecord<>(topic, 0, "k", "v")).get();
        }
    }

    void appendTime(String topic) throws Exception {
        create(topic, 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        try (KafkaProducer<String, String> p = producer("compression.type", "lz4")) {
            if (p.send(new ProducerRecord<>(topic, 0, 1000L, "k", "v")).get().timestamp() < before) throw new AssertionError("timestamp of the answer");
        }
        ConsumerRecord<String, String> told = read(topic, 0, 1).get(0);
        expect(told.timestampType(), TimestampType.LOG_APPEND_TIME, "type");
        if (told.timestamp() < before) throw new AssertionError("timestamp " + told.timestamp());
    }

    void times(String topic) throws Exception {
        create(topic, 1);
        // An hour ago: what is older than its topic's retention may be gone before it is asked for.
        long first = (System.currentTimeMillis() / 1000 - 3600) * 1000;
        try (KafkaProducer<String, String> p = producer("compression.type", "zstd", "linger.ms", 50)) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>(topic, 0, first + i * 1000L, null, "" + i));
            p.flush();
        }
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer()) {
            OffsetAndTimestamp told = c.offsetsForTimes(Map.of(p, first + 41_500)).get(p);
            expect(told.offset() + ":" + told.timestamp(), "42:" + (first + 42_000), "inside a compressed batch");
            expect(c.offsetsForTimes(Map.of(p, first + 1_000_000)).get(p), null, "later than everything");
            expect(c.beginningOffsets(List.of(p)).get(p) + "," + c.endOffsets(List.of(p)).get(p), "0,100", "watermarks");
        }
    }

    void seek(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 50);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("max.poll.records", 10)) {
            c.assign(List.of(p));
            take(c, 10, 20);
            c.seek(p, 45);
            expect(take(c, 5, 20).get(0).value(), 45, "after seek");
            c.pause(List.of(p));
            produce(topic, 0, 50, 51);
            expect(c.poll(Duration.ofMillis(1000)).count(), 0, "paused");
            c.resume(List.of(p));
            expect(take(c, 1, 20).get(0).value(), 50, "resumed");
            c.seekToBeginning(List.of(p));
            expect(take(c, 10, 20).get(0).value(), 0, "beginning");
            c.seekToEnd(List.of(p));
            expect(c.position(p), 51, "end");
        }
    }

    void outOfRange(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 5);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("auto.offset.reset", "none")) {
            c.assign(List.of(p));
            c.seek(p, 100);
            fails(org.apache.kafka.clients.consumer.OffsetOutOfRangeException.class, () -> { for (int i = 0; i < 20; i++) c.poll(Duration.ofMillis(200)); return 0; });
        }
        try (KafkaConsumer<String, String> c = consumer("auto.offset.reset", "earliest")) {
            c.assign(List.of(p));
            c.seek(p, 100);
            expect(take(c, 5, 20).get(0).offset(), 0, "reset");
        }
    }

    void readCommitted(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 100);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("isolation.level", "read_committed")) {
            c.assign(List.of(p));
            take(c, 100, 20);
            expect(c.endOffsets(List.of(p)).get(p), 100, "last stable offset");
        }
    }

    void resume(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 20);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("group.id", topic)) {
            c.subscribe(List.of(topic));
            take(c, 20, 20);
            c.commitSync(Map.of(p, new OffsetAndMetadata(7, Optional.of(0), "seven")));
        }
        try (KafkaConsumer<String, String> c = consumer("group.id", topic)) {
            OffsetAndMetadata told = c.committed(Set.of(p)).get(p);
            expect(told.offset() + told.metadata() + told.leaderEpoch().orElse(-1), "7seven0", "committed");
            c.subscribe(List.of(topic));
            expect(take(c, 13, 20).get(0).value(), 7, "goes on");
        }
        try (KafkaConsumer<String, String> c = consumer("group.id", topic + "-other")) {
            expect(c.committed(Set.of(p)).get(p), null, "a second group knows nothing of it");
        }
    }

    /** A consumer in a thread of its own; everything it reads is committed and goes to `seen`. */
    final class Member extends Thread {
        final KafkaConsumer<String, String> consumer;
        final Collection<String> seen;
        volatile Set<Integer> owned = Set.of();
        volatile boolean stop;
        volatile Throwable failure;

        Member(String topic, Collection<String> seen, Object... pairs) {
            Map<String, Object> all = config("group.id", topic, "session.timeout.ms", 6000, "heartbeat.interval.ms", 500);
            all.putAll(config(pairs));
            consumer = consumer(all.entrySet().stream().flatMap(e -> Stream.of(e.getKey(), e.getValue())).toArray());
            this.seen = seen;
            consumer.subscribe(List.of(topic));
            start();
        }

        public void run() {
            try {
                while (!stop) {
                    for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) seen.add(r.value());
                    owned = consumer.assignment().stream().map(TopicPartition::partition).collect(Collectors.toSet());
                    try {
                        consumer.commitSync();
                    } catch (RebalanceInProgressException | CommitFailedException e) {
                        // the next poll joins again
                    }
                }
                consumer.close();
            } catch (Throwable e) {
                failure = e;
            }
        }

        void end() throws Exception {
            stop = true;
            join(30000);
            if (failure != null) throw new AssertionError("member: " + failure, failure);
        }
    }

    void rebalance(String topic, String assignor) throws Exception {
        create(topic, 4);
        Collection<String> seen = new ConcurrentLinkedQueue<>();
        Object[] config = {"partition.assignment.strategy", assignor};
        Member a = new Member(topic, seen, config);
        until("the first member has all", 30, () -> a.owned.size() == 4);
        Member b = new Member(topic, seen, config);
        until("two and two", 30, () -> a.owned.size() == 2 && b.owned.size() == 2 && Collections.disjoint(a.owned, b.owned));
        for (int p = 0; p < 4; p++) produce(topic, p, p * 100, p * 100 + 25);
        until("all read", 30, () -> seen.size() >= 100);
        b.end();
        until("takes over", 30, () -> a.owned.size() == 4);
        produce(topic, 3, 1000, 1001);
        until("reads what the other had", 30, () -> seen.contains("1000"));
        a.end();
        expect(new TreeSet<>(seen).size() + " of " + seen.size(), "101 of 101", "each once");
    }

    void staticMember(String topic) throws Exception {
        create(topic, 2);
        Collection<String> seen = new ConcurrentLinkedQueue<>();
        Member a = new Member(topic, seen, "group.instance.id", "one", "session.timeout.ms", 20000);
        until("assigned", 20, () -> a.owned.size() == 2);
        int before = generation(topic);
        a.end();
        Member again = new Member(topic, seen, "group.instance.id", "one", "session.timeout.ms", 20000);
        until("back at once", 8, () -> again.owned.size() == 2);
        expect(generation(topic), before, "no rebalance: generation");
        Member fencing = new Member(topic, seen, "group.instance.id", "one", "session.timeout.ms", 20000);
        until("the older one is fenced", 20, () -> again.failure instanceof FencedInstanceIdException);
        fencing.end();
    }

    int generation(String topic) throws Exception {
        return admin.describeConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS).get(topic).members().size();
    }

    void evicted(String topic) throws Exception {
        create(topic, 2);
        KafkaConsumer<String, String> silent = consumer("group.id", topic, "max.poll.interval.ms", 6000, "session.timeout.ms", 6000);
        silent.subscribe(List.of(topic));
        until("assigned", 20, () -> { silent.poll(Duration.ofMillis(100)); return silent.assignment().size() == 2; });
        Member other = new Member(topic, new ConcurrentLinkedQueue<>());
        until("the silent one lost its share", 40, () -> other.owned.size() == 2);
        fails(CommitFailedException.class, () -> { silent.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0))); return 0; });
        silent.close(Duration.ofSeconds(1));
        other.end();
    }

    void staleCommit(String topic) throws Exception {
        create(topic, 1);
        Member active = new Member(topic, new ConcurrentLinkedQueue<>());
        until("assigned", 20, () -> active.owned.size() == 1);
        try (KafkaConsumer<String, String> alone = consumer("group.id", topic)) {
            alone.assign(List.of(new TopicPartition(topic, 0)));
            fails(CommitFailedException.class, () -> { alone.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0))); return 0; });
        }
        active.end();
    }

    void pattern(String topic) throws Exception {
        create(topic + "-a", 1);
        produce(topic + "-a", 0, 0, 5);
        try (KafkaConsumer<String, String> c = consumer("group.id", topic, "metadata.max.age.ms", 500)) {
            c.subscribe(Pattern.compile(topic + "-.*"));
            take(c, 5, 20);
            c.commitSync();
            create(topic + "-b", 1);
            produce(topic + "-b", 0, 5, 10);
            take(c, 5, 30);
        }
    }

    void wakes(String topic) throws Exception {
        create(topic, 1);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("fetch.max.wait.ms", 8000)) {
            c.assign(List.of(p));
            c.poll(Duration.ofMillis(500));
            ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor();
            later.schedule(() -> { produce(topic, 0, 0, 1); return 0; }, 1, TimeUnit.SECONDS);
            long began = System.nanoTime();
            take(c, 1, 20);
            later.shutdown();
            if (System.nanoTime() - began > 5_000_000_000L) throw new AssertionError("woke after " + (System.nanoTime() - began) / 1e9 + " s");
        }
    }

    void limits(String topic) throws Exception {
        create(topic, 4);
        String large = "x".repeat(100_000);
        try (KafkaProducer<String, String> p = producer("linger.ms", 0, "batch.size", 1000)) {
            for (int i = 0; i < 40; i++) p.send(new ProducerRecord<>(topic, i % 4, null, large));
        }
        try (KafkaConsumer<String, String> c = consumer("fetch.max.bytes", 50_000, "max.partition.fetch.bytes", 1000)) {
            c.assign(IntStream.range(0, 4).mapToObj(i -> new TopicPartition(topic, i)).collect(Collectors.toList()));
            take(c, 40, 30);
        }
    }

    void recreated(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 20);
        TopicPartition p = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> c = consumer("metadata.max.age.ms", 500)) {
            c.assign(List.of(p));
            take(c, 20, 20);
            admin.deleteTopics(List.of(topic)).all().get(20, TimeUnit.SECONDS);
            until("deleted", 20, () -> !admin.listTopics().names().get().contains(topic));
            create(topic, 1);
            produce(topic, 0, 100, 103);
            expect(take(c, 3, 40).get(0).offset(), 0, "reads the new topic from its start");
        }
    }

    void many(String topic) throws Exception {
        create(topic, 200);
        try (KafkaProducer<String, String> p = producer("linger.ms", 5)) {
            for (int i = 0; i < 10000; i++) p.send(new ProducerRecord<>(topic, i % 200, null, "" + i));
        }
        try (KafkaConsumer<String, String> c = consumer("group.id", topic)) {
            c.subscribe(List.of(topic));
            Set<String> values = take(c, 10000, 40).stream().map(ConsumerRecord::value).collect(Collectors.toSet());
            expect(values.size(), 10000, "distinct");
            c.commitSync();
            expect(c.committed(c.assignment()).size(), 200, "committed");
        }
    }

    void transaction(String topic) throws Exception {
        if (admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version") == null)
            throw new Excluded("transactions (APIs 24-28) are left out");
        create(topic, 1);
        try (KafkaProducer<String, String> p = producer("transactional.id", topic, "max.block.ms", 10000)) {
            p.initTransactions();
            p.beginTransaction();
            p.send(new ProducerRecord<>(topic, 0, null, "v"));
            p.commitTransaction();
        }
    }

    void consumerProtocol(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 5);
        try (KafkaConsumer<String, String> c = consumer("group.id", topic, "group.protocol", "consumer")) {
            c.subscribe(List.of(topic));
            take(c, 5, 20);
        }
    }
}
