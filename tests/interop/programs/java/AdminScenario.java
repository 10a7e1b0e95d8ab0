import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.*;

/** Every call of the Java AdminClient that a single broker can answer. */
public class AdminScenario extends Scenario {
    public static void main(String[] args) {
        new AdminScenario(args).define();
    }

    AdminScenario(String[] args) { super(args); }

    void define() {
        test("create_list_describe_delete", this::topics);
        test("create_defaults_and_validate_only", this::defaults);
        test("create_errors", this::createErrors);
        test("create_with_assignment", this::assignment);
        test("describe_and_delete_by_id", this::byId);
        test("create_partitions", this::partitions);
        test("describe_configs", this::configs);
        test("incremental_alter_configs", this::alterConfigs);
        test("config_errors", this::configErrors);
        test("broker_configs", this::brokerConfigs);
        test("delete_records", this::deleteRecords);
        test("list_offsets", this::listOffsets);
        test("describe_cluster", this::cluster);
        test("describe_features", t -> admin.describeFeatures().featureMetadata().get(20, TimeUnit.SECONDS));
        test("describe_log_dirs", this::logDirs);
        test("describe_producers", this::producers);
        test("elect_leaders", this::elect);
        test("partition_reassignments", this::reassign);
        test("groups", this::groups);
        test("group_offsets", this::groupOffsets);
        test("remove_members", this::removeMembers);
        optional("transactions", "transactions (APIs 24-28, 65, 66) are left out", t -> {
            admin.listTransactions().all().get(20, TimeUnit.SECONDS);
        });
        optional("acls", "ACLs (APIs 29-31) are left out", t -> admin.describeAcls(AclBindingFilter.ANY).values().get(20, TimeUnit.SECONDS));
        optional("quotas", "quotas (APIs 48-49) are left out", t -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get(20, TimeUnit.SECONDS));
        optional("scram_credentials", "SASL/TLS is left out (SCRAM credentials, APIs 50-51)",
                t -> admin.describeUserScramCredentials().all().get(20, TimeUnit.SECONDS));
        run();
    }

    TopicDescription describe(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get(20, TimeUnit.SECONDS).get(topic);
    }

    void topics(String topic) throws Exception {
        CreateTopicsResult created = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "5000000"))));
        created.all().get(20, TimeUnit.SECONDS);
        expect(created.numPartitions(topic).get(), 3, "partitions told by the creation");
        expect(created.replicationFactor(topic).get(), 1, "replication told by the creation");
        expect(created.config(topic).get().get("retention.ms").value(), "5000000", "config told by the creation");
        if (created.topicId(topic).get().equals(Uuid.ZERO_UUID)) throw new AssertionError("no topic id");
        if (!admin.listTopics().names().get(20, TimeUnit.SECONDS).contains(topic)) throw new AssertionError("not listed");
        TopicDescription told = describe(topic);
        expect(told.partitions().size(), 3, "partitions");
        for (int i = 0; i < 3; i++) {
            TopicPartitionInfo p = told.partitions().get(i);
            expect(List.of(p.partition(), p.replicas().size(), p.isr().size(), p.leader() != null), List.of(i, 1, 1, true), "partition " + i);
        }
        expect(told.isInternal(), false, "internal");
        expect(told.topicId(), created.topicId(topic).get(), "id");
        admin.deleteTopics(List.of(topic)).all().get(20, TimeUnit.SECONDS);
        until("deleted", 20, () -> !admin.listTopics().names().get(20, TimeUnit.SECONDS).contains(topic));
        fails(UnknownTopicOrPartitionException.class, () -> describe(topic));
        fails(UnknownTopicOrPartitionException.class, () -> admin.deleteTopics(List.of(topic)).all().get(20, TimeUnit.SECONDS));
    }

    void defaults(String topic) throws Exception {
        NewTopic plain = new NewTopic(topic, Optional.empty(), Optional.empty());
        admin.createTopics(List.of(plain), new CreateTopicsOptions().validateOnly(true)).all().get(20, TimeUnit.SECONDS);
        if (admin.listTopics().names().get().contains(topic)) throw new AssertionError("validateOnly created it");
        admin.createTopics(List.of(plain)).all().get(20, TimeUnit.SECONDS);
        until("partitions", 10, () -> admin.listTopics().names().get().contains(topic) && !describe(topic).partitions().isEmpty());
    }

    void createErrors(String topic) throws Exception {
        create(topic, 1);
        fails(TopicExistsException.class, () -> { create(topic, 1); return 0; });
        fails(InvalidTopicException.class, () -> { create("no spaces here", 1); return 0; });
        fails(InvalidTopicException.class, () -> { create("x".repeat(250), 1); return 0; });
        fails(InvalidPartitionsException.class, () -> { create(topic + "-zero", 0); return 0; });
        fails(InvalidConfigurationException.class, () -> { create(topic + "-config", 1, "no.such.name", "1"); return 0; });
        fails(InvalidConfigurationException.class, () -> { create(topic + "-value", 1, "retention.ms", "soon"); return 0; });
        fails(InvalidReplicationFactorException.class,
                () -> admin.createTopics(List.of(new NewTopic(topic + "-rf", 1, (short) 3))).all().get(20, TimeUnit.SECONDS));
        Map<String, KafkaFuture<Void>> both =
                admin.createTopics(List.of(new NewTopic(topic + "-good", 1, (short) 1), new NewTopic(topic, 1, (short) 1))).values();
        both.get(topic + "-good").get(20, TimeUnit.SECONDS);
        fails(TopicExistsException.class, () -> both.get(topic).get(20, TimeUnit.SECONDS));
    }

    int node() throws Exception {
        return admin.describeCluster().nodes().get(20, TimeUnit.SECONDS).iterator().next().id();
    }

    void assignment(String topic) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, Map.of(0, List.of(node()), 1, List.of(node()))))).all().get(20, TimeUnit.SECONDS);
        expect(describe(topic).partitions().size(), 2, "partitions");
        fails(InvalidReplicaAssignmentException.class,
                () -> admin.createTopics(List.of(new NewTopic(topic + "-bad", Map.of(0, List.of(4711))))).all().get(20, TimeUnit.SECONDS));
    }

    void byId(String topic) throws Exception {
        create(topic, 2);
        Uuid id = describe(topic).topicId();
        TopicDescription told =
                admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get(20, TimeUnit.SECONDS).get(id);
        expect(told.name(), topic, "name");
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get(20, TimeUnit.SECONDS);
        until("deleted", 20, () -> !admin.listTopics().names().get(20, TimeUnit.SECONDS).contains(topic));
        fails(UnknownTopicIdException.class, () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get(20, TimeUnit.SECONDS));
        create(topic, 1);
        if (describe(topic).topicId().equals(id)) throw new AssertionError("the new topic has the old id");
    }

    void partitions(String topic) throws Exception {
        create(topic, 2);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get(20, TimeUnit.SECONDS);
        until("five", 10, () -> describe(topic).partitions().size() == 5);
        fails(InvalidPartitionsException.class, () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get(20, TimeUnit.SECONDS));
        fails(UnknownTopicOrPartitionException.class,
                () -> admin.createPartitions(Map.of(topic + "-none", NewPartitions.increaseTo(3))).all().get(20, TimeUnit.SECONDS));
    }

    Config topicConfig(String topic) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(r), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true)).all()
                .get(20, TimeUnit.SECONDS).get(r);
    }

    void configs(String topic) throws Exception {
        create(topic, 1, "cleanup.policy", "compact", "retention.ms", "100000");
        Config told = topicConfig(topic);
        expect(told.get("cleanup.policy").value(), "compact", "cleanup.policy");
        expect(told.get("cleanup.policy").source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "its source");
        expect(told.get("cleanup.policy").type(), ConfigEntry.ConfigType.LIST, "its type");
        expect(told.get("retention.ms").type(), ConfigEntry.ConfigType.LONG, "type of retention.ms");
        expect(told.get("max.message.bytes").value(), "1048588", "a default");
        expect(told.get("max.message.bytes").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG, "source of a default");
        if (told.get("cleanup.policy").synonyms().isEmpty()) throw new AssertionError("no synonyms");
        for (String name : List.of("retention.bytes", "segment.bytes", "message.timestamp.type", "min.insync.replicas", "compression.type"))
            if (told.get(name) == null) throw new AssertionError("no " + name);
        ConfigResource none = new ConfigResource(ConfigResource.Type.TOPIC, topic + "-none");
        fails(UnknownTopicOrPartitionException.class, () -> admin.describeConfigs(List.of(none)).all().get(20, TimeUnit.SECONDS));
    }

    void alter(ConfigResource r, AlterConfigOp.OpType op, String name, String value) throws Exception {
        admin.incrementalAlterConfigs(Map.of(r, List.of(new AlterConfigOp(new ConfigEntry(name, value), op)))).all().get(20, TimeUnit.SECONDS);
    }

    void alterConfigs(String topic) throws Exception {
        create(topic, 1);
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        alter(r, AlterConfigOp.OpType.SET, "retention.ms", "77777");
        alter(r, AlterConfigOp.OpType.SET, "max.message.bytes", "99999");
        expect(topicConfig(topic).get("retention.ms").value(), "77777", "set");
        alter(r, AlterConfigOp.OpType.DELETE, "retention.ms", null);
        expect(topicConfig(topic).get("retention.ms").value(), "604800000", "deleted");
        expect(topicConfig(topic).get("max.message.bytes").value(), "99999", "untouched");
        alter(r, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
        expect(new TreeSet<>(List.of(topicConfig(topic).get("cleanup.policy").value().split(","))), "[compact, delete]", "appended");
        alter(r, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "delete");
        expect(topicConfig(topic).get("cleanup.policy").value(), "compact", "subtracted");
    }

    void configErrors(String topic) throws Exception {
        create(topic, 1);
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        fails(InvalidConfigurationException.class, () -> { alter(r, AlterConfigOp.OpType.SET, "no.such.name", "1"); return 0; });
        fails(InvalidConfigurationException.class, () -> { alter(r, AlterConfigOp.OpType.SET, "retention.ms", "x"); return 0; });
        fails(InvalidConfigurationException.class, () -> { alter(r, AlterConfigOp.OpType.SET, "cleanup.policy", "burn"); return 0; });
        ConfigResource none = new ConfigResource(ConfigResource.Type.TOPIC, topic + "-none");
        fails(UnknownTopicOrPartitionException.class, () -> { alter(none, AlterConfigOp.OpType.SET, "retention.ms", "1"); return 0; });
        AlterConfigsOptions dry = new AlterConfigsOptions().validateOnly(true);
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry("retention.ms", "4242"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(r, List.of(op)), dry).all().get(20, TimeUnit.SECONDS);
        expect(topicConfig(topic).get("retention.ms").value(), "604800000", "validateOnly");
    }

    void brokerConfigs(String topic) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(node()));
        Config told = admin.describeConfigs(List.of(r)).all().get(20, TimeUnit.SECONDS).get(r);
        for (String name : List.of("num.partitions", "default.replication.factor", "auto.create.topics.enable", "message.max.bytes", "log.retention.ms"))
            if (told.get(name) == null) throw new AssertionError("no " + name);
    }

    void deleteRecords(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 10);
        TopicPartition p = new TopicPartition(topic, 0);
        expect(admin.deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(p).get(20, TimeUnit.SECONDS).lowWatermark(), 4, "low");
        fails(org.apache.kafka.common.errors.OffsetOutOfRangeException.class, () -> admin.deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(11))).all().get(20, TimeUnit.SECONDS));
        expect(read2(topic, 6).get(0).offset(), 4, "first record left");
        expect(admin.deleteRecords(Map.of(p, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(p).get(20, TimeUnit.SECONDS).lowWatermark(), 10, "all");
    }

    List<ConsumerRecord<String, String>> read2(String topic, int count) {
        try (KafkaConsumer<String, String> c = consumer()) {
            c.assign(List.of(new TopicPartition(topic, 0)));
            c.seekToBeginning(List.of(new TopicPartition(topic, 0)));
            return take(c, count, 20);
        }
    }

    long offset(String topic, OffsetSpec spec) throws Exception {
        TopicPartition p = new TopicPartition(topic, 0);
        return admin.listOffsets(Map.of(p, spec)).partitionResult(p).get(20, TimeUnit.SECONDS).offset();
    }

    void listOffsets(String topic) throws Exception {
        create(topic, 1);
        expect(List.of(offset(topic, OffsetSpec.earliest()), offset(topic, OffsetSpec.latest())), "[0, 0]", "empty");
        long before = System.currentTimeMillis();
        produce(topic, 0, 0, 10);
        expect(List.of(offset(topic, OffsetSpec.earliest()), offset(topic, OffsetSpec.latest())), "[0, 10]", "ten");
        expect(offset(topic, OffsetSpec.forTimestamp(before - 1000)), 0, "by time");
        expect(offset(topic, OffsetSpec.forTimestamp(before + 600_000)), -1, "later than all");
        if (offset(topic, OffsetSpec.maxTimestamp()) < 0) throw new AssertionError("max timestamp");
        expect(offset(topic, OffsetSpec.earliestLocal()), 0, "earliest local");
        expect(offset(topic, OffsetSpec.latestTiered()), -1, "latest tiered");
        TopicPartition none = new TopicPartition(topic, 7);
        fails(UnknownTopicOrPartitionException.class,
                () -> admin.listOffsets(Map.of(none, OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(3000)).all().get(20, TimeUnit.SECONDS),
                org.apache.kafka.common.errors.TimeoutException.class);
    }

    /** The admin client retries an unknown partition until its time is up; both ends are right. */
    static void fails(Class<? extends Throwable> one, Callable<?> call, Class<? extends Throwable> other) {
        try {
            fails(one, call);
        } catch (AssertionError e) {
            for (Throwable t = e; t != null; t = t.getCause())
                if (other.isInstance(t) || t instanceof org.apache.kafka.common.errors.TimeoutException) return;
            throw e;
        }
    }

    void cluster(String topic) throws Exception {
        DescribeClusterResult told = admin.describeCluster();
        expect(told.nodes().get(20, TimeUnit.SECONDS).size(), 1, "nodes");
        Node node = told.nodes().get().iterator().next();
        expect(node.host() + ":" + node.port(), address, "its address");
        expect(told.controller().get().id(), node.id(), "controller");
        if (told.clusterId().get() == null || told.clusterId().get().isEmpty()) throw new AssertionError("no cluster id");
    }

    void logDirs(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 100);
        int node = node();
        TopicPartition p = new TopicPartition(topic, 0);
        long size = 0, total = 0;
        for (LogDirDescription d : admin.describeLogDirs(List.of(node)).allDescriptions().get(20, TimeUnit.SECONDS).get(node).values()) {
            if (d.replicaInfos().get(p) != null) size = d.replicaInfos().get(p).size();
            total = d.totalBytes().orElse(0);
        }
        if (size < 100) throw new AssertionError("size " + size);
        if (total <= 0) throw new AssertionError("total bytes " + total);
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, node);
        if (admin.describeReplicaLogDirs(List.of(replica)).all().get(20, TimeUnit.SECONDS).get(replica).getCurrentReplicaLogDir() == null)
            throw new AssertionError("no folder of the replica");
    }

    void producers(String topic) throws Exception {
        create(topic, 1);
        produce(topic, 0, 0, 5);
        TopicPartition p = new TopicPartition(topic, 0);
        List<ProducerState> told = admin.describeProducers(List.of(p)).partitionResult(p).get(20, TimeUnit.SECONDS).activeProducers();
        expect(told.size(), 1, "producers");
        expect(told.get(0).lastSequence(), 4, "last sequence");
    }

    void elect(String topic) throws Exception {
        create(topic, 1);
        TopicPartition p = new TopicPartition(topic, 0);
        Map<TopicPartition, Optional<Throwable>> told =
                admin.electLeaders(ElectionType.PREFERRED, Set.of(p)).partitions().get(20, TimeUnit.SECONDS);
        expect(told.get(p).map(Throwable::getClass).orElse(null), ElectionNotNeededException.class, "nothing to elect");
    }

    void reassign(String topic) throws Exception {
        create(topic, 1);
        TopicPartition p = new TopicPartition(topic, 0);
        admin.alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(List.of(node()))))).all().get(20, TimeUnit.SECONDS);
        expect(admin.listPartitionReassignments().reassignments().get(20, TimeUnit.SECONDS).size(), 0, "under way");
        fails(InvalidReplicaAssignmentException.class,
                () -> admin.alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(List.of(4711))))).all().get(20, TimeUnit.SECONDS));
        fails(NoReassignmentInProgressException.class,
                () -> admin.alterPartitionReassignments(Map.of(p, Optional.<NewPartitionReassignment>empty())).all().get(20, TimeUnit.SECONDS));
    }

    void groups(String topic) throws Exception {
        create(topic, 2);
        produce(topic, 0, 0, 5);
        try (KafkaConsumer<String, String> c = consumer("group.id", topic, "client.id", "one", "group.instance.id", "static")) {
            c.subscribe(List.of(topic));
            take(c, 5, 20);
            c.commitSync();
            ConsumerGroupDescription told = admin.describeConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS).get(topic);
            expect(told.members().size(), 1, "members");
            MemberDescription m = told.members().iterator().next();
            expect(List.of(m.clientId(), m.groupInstanceId().get(), m.assignment().topicPartitions().size()), "[one, static, 2]", "member");
            if (!m.host().contains("127.0.0.1")) throw new AssertionError("host " + m.host());
            expect(told.partitionAssignor(), "range", "assignor");
            boolean listed = admin.listConsumerGroups().all().get(20, TimeUnit.SECONDS).stream().anyMatch(g -> g.groupId().equals(topic));
            if (!listed) throw new AssertionError("not listed");
            fails(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS));
            admin.removeMembersFromConsumerGroup(topic, new RemoveMembersFromConsumerGroupOptions()).all().get(20, TimeUnit.SECONDS);
        }
        until("empty", 20, () -> admin.describeConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS).get(topic).members().isEmpty());
        admin.deleteConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS);
        fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(topic)).all().get(20, TimeUnit.SECONDS));
    }

    void groupOffsets(String topic) throws Exception {
        create(topic, 2);
        produce(topic, 0, 0, 5);
        TopicPartition p = new TopicPartition(topic, 0), q = new TopicPartition(topic, 1);
        admin.alterConsumerGroupOffsets(topic, Map.of(p, new OffsetAndMetadata(3, Optional.empty(), "note"), q, new OffsetAndMetadata(0)))
                .all().get(20, TimeUnit.SECONDS);
        Map<TopicPartition, OffsetAndMetadata> told = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get(20, TimeUnit.SECONDS);
        expect(List.of(told.get(p).offset(), told.get(p).metadata(), told.get(q).offset()), "[3, note, 0]", "altered");
        admin.deleteConsumerGroupOffsets(topic, Set.of(q)).all().get(20, TimeUnit.SECONDS);
        told = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get(20, TimeUnit.SECONDS);
        expect(told.keySet(), Set.of(p), "one left");
        try (KafkaConsumer<String, String> c = consumer("group.id", topic)) {
            c.subscribe(List.of(topic));
            expect(take(c, 2, 20).get(0).offset(), 3, "goes on at the altered offset");
            fails(ApiException.class, () -> admin.alterConsumerGroupOffsets(topic, Map.of(p, new OffsetAndMetadata(0))).all().get(20, TimeUnit.SECONDS));
            fails(GroupSubscribedToTopicException.class,
                    () -> admin.deleteConsumerGroupOffsets(topic, Set.of(p)).all().get(20, TimeUnit.SECONDS));
        }
    }

    void removeMembers(String topic) throws Exception {
        create(topic, 1);
        KafkaConsumer<String, String> c = consumer("group.id", topic, "group.instance.id", "gone", "session.timeout.ms", 45000);
        c.subscribe(List.of(topic));
        until("joined", 20, () -> { c.poll(Duration.ofMillis(100)); return !c.assignment().isEmpty(); });
        c.close();
        expect(admin.describeConsumerGroups(List.of(topic)).all().get().get(topic).members().size(), 1, "a static member stays");
        admin.removeMembersFromConsumerGroup(topic, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("gone")))).all()
                .get(20, TimeUnit.SECONDS);
        until("gone", 10, () -> admin.describeConsumerGroups(List.of(topic)).all().get().get(topic).members().isEmpty());
        fails(UnknownMemberIdException.class, () -> admin.removeMembersFromConsumerGroup(topic,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("gone")))).all().get(20, TimeUnit.SECONDS));
    }
}
