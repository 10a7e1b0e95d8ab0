"""Scenarios of confluent-kafka (librdkafka): works with Debian's 1.7 and the newest."""

import threading
import time

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from scenario import ADDRESS, CODECS, expect, run, until

ADMIN = AdminClient({"bootstrap.servers": ADDRESS})


def create(topic, partitions=1, **config):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(20)


def producer(**config):
    return ck.Producer({"bootstrap.servers": ADDRESS, **config})


def produce(topic, values, partition=0, client=None, **config):
    """Returns the offsets that were acknowledged, in the order of the reports."""
    client = client or producer(**config)
    told = []
    for value in values:
        client.produce(topic, value, partition=partition, on_delivery=lambda e, m: told.append(e or m.offset()))
        client.poll(0)
    expect(client.flush(30), 0, "left in the queue")
    return told


def consumer(group, **config):
    return ck.Consumer({"bootstrap.servers": ADDRESS, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


def take(client, count, seconds=30):
    taken, end = [], time.time() + seconds
    while len(taken) < count and time.time() < end:
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            if message.error().code() in (ck.KafkaError._PARTITION_EOF, ck.KafkaError.UNKNOWN_TOPIC_OR_PART):
                continue
            raise AssertionError(str(message.error()))
        taken.append(message)
    expect(len(taken), count, "messages")
    return taken


def read(topic, count, partition=0, offset=0):
    client = consumer("reader")
    client.assign([ck.TopicPartition(topic, partition, offset)])
    taken = take(client, count)
    client.close()
    return taken


def create_describe_delete(topic):
    create(topic, 3)
    told = ADMIN.list_topics(topic, timeout=10).topics[topic]
    expect(sorted(told.partitions), [0, 1, 2], "partitions")
    try:
        create(topic)
        raise AssertionError("created twice")
    except ck.KafkaException as error:
        expect(error.args[0].code(), ck.KafkaError.TOPIC_ALREADY_EXISTS, "a second creation")
    for future in ADMIN.create_partitions([NewPartitions(topic, 5)]).values():
        future.result(20)
    until(lambda: len(ADMIN.list_topics(topic, timeout=10).topics[topic].partitions) == 5, what="five partitions")
    for future in ADMIN.delete_topics([topic]).values():
        future.result(20)
    until(lambda: topic not in ADMIN.list_topics(timeout=10).topics, what="deleted")


def invalid_topic(topic):
    for name, wanted in (("bad name!", ck.KafkaError.TOPIC_EXCEPTION), ("x" * 250, ck.KafkaError.TOPIC_EXCEPTION)):
        try:
            create(name)
            raise AssertionError(f"created {name}")
        except ck.KafkaException as error:
            expect(error.args[0].code(), wanted, name[:20])
    try:
        create(topic, 0)
        raise AssertionError("created with 0 partitions")
    except (ck.KafkaException, ValueError):
        pass


def configs(topic):
    create(topic, 1, **{"retention.ms": "123456789"})
    resource = ConfigResource("topic", topic)
    told = list(ADMIN.describe_configs([resource]).values())[0].result(20)
    expect(told["retention.ms"].value, "123456789", "retention.ms")
    expect(told["cleanup.policy"].value, "delete", "cleanup.policy")
    for future in ADMIN.alter_configs([ConfigResource("topic", topic, set_config={"max.message.bytes": "54321"})]).values():
        future.result(20)
    told = list(ADMIN.describe_configs([resource]).values())[0].result(20)
    expect(told["max.message.bytes"].value, "54321", "after AlterConfigs")
    expect(told["retention.ms"].value, "604800000", "AlterConfigs sets all others back")
    broker = ConfigResource("broker", str(list(ADMIN.list_topics(timeout=10).brokers)[0]))
    told = list(ADMIN.describe_configs([broker]).values())[0].result(20)
    assert int(told["num.partitions"].value) >= 1, "num.partitions"


def codecs(topic):
    create(topic, len(CODECS))
    for partition, codec in enumerate(CODECS):
        values = [f"{codec}-{i}-{'y' * (i % 200)}".encode() for i in range(1000)]
        expect(produce(topic, values, partition, **{"compression.type": codec, "linger.ms": 20}), list(range(1000)), f"offsets, {codec}")
        expect([m.value() for m in read(topic, 1000, partition)], values, codec)


def keys_headers_timestamps(topic):
    create(topic)
    client = producer()
    client.produce(topic, b"v", b"k", headers=[("a", b"1"), ("b", None), ("a", b"2")], timestamp=1600000000123)
    client.produce(topic, None, b"tombstone")
    client.produce(topic, b"", b"")
    expect(client.flush(20), 0, "left")
    one, two, three = read(topic, 3)
    expect([one.key(), one.value(), one.headers(), one.timestamp()], [b"k", b"v", [("a", b"1"), ("b", None), ("a", b"2")], (1, 1600000000123)], "first")
    expect([two.key(), two.value(), two.headers()], [b"tombstone", None, None], "second")
    expect([three.key(), three.value()], [b"", b""], "third")


def idempotent(topic):
    create(topic, 2)
    for partition in (0, 1):
        told = produce(topic, [str(i).encode() for i in range(5000)], partition, **{"enable.idempotence": True, "batch.num.messages": 50})
        expect(told, list(range(5000)), "offsets")
    expect([int(m.value()) for m in read(topic, 5000, 1)], list(range(5000)), "order")


def acks_levels(topic):
    create(topic)
    for level in (1, -1):
        produce(topic, [b"x"] * 10, acks=level)
    produce(topic, [b"x"] * 10, acks=0)
    read(topic, 30)


# An hour ago: what is older than its topic's retention may be gone before it is asked for.
FIRST_MS = (int(time.time()) - 3600) * 1000


def offsets_for_times(topic):
    create(topic)
    client = producer(**{"compression.type": "lz4", "linger.ms": 50})
    for i in range(100):
        client.produce(topic, str(i).encode(), partition=0, timestamp=FIRST_MS + i * 1000)
    client.flush(20)
    reader = consumer("times")
    told = reader.offsets_for_times([ck.TopicPartition(topic, 0, FIRST_MS + 41_500)], timeout=10)
    expect(told[0].offset, 42, "inside a compressed batch")
    expect(reader.get_watermark_offsets(ck.TopicPartition(topic, 0), timeout=10), (0, 100), "watermarks")
    told = reader.offsets_for_times([ck.TopicPartition(topic, 0, FIRST_MS + 1_000_000)], timeout=10)
    expect(told[0].offset, -1, "later than everything")
    reader.close()


def commit_and_resume(topic):
    create(topic)
    produce(topic, [str(i).encode() for i in range(20)])
    first = consumer(topic)
    first.subscribe([topic])
    taken = take(first, 20)
    first.commit(offsets=[ck.TopicPartition(topic, 0, 7)], asynchronous=False)
    expect(int(taken[-1].value()), 19, "last")
    first.close()
    second = consumer(topic)
    expect(second.committed([ck.TopicPartition(topic, 0)], timeout=10)[0].offset, 7, "committed")
    second.subscribe([topic])
    expect(int(take(second, 13)[0].value()), 7, "goes on")
    second.commit(asynchronous=False)
    second.close()
    third = consumer(topic)
    expect(third.committed([ck.TopicPartition(topic, 0)], timeout=10)[0].offset, 20, "committed at the end")
    third.close()


def rebalance(topic, **config):
    """A second member joins, takes its share, leaves again; everything is read, nothing is lost."""
    create(topic, 4)
    owners = {"a": set(), "b": set()}
    stop = {"a": threading.Event(), "b": threading.Event()}
    seen = []
    cooperative = "partition.assignment.strategy" in config

    def member(name):
        client = consumer(topic, **{"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **config})

        def assigned(c, partitions):
            owners[name] |= {p.partition for p in partitions}
            (c.incremental_assign if cooperative else c.assign)(partitions)

        def revoked(c, partitions):
            owners[name] -= {p.partition for p in partitions}
            (c.incremental_unassign(partitions) if cooperative else c.unassign())

        client.subscribe([topic], on_assign=assigned, on_revoke=revoked)
        while not stop[name].is_set():
            message = client.poll(0.1)
            if message is not None and not message.error():
                seen.append(int(message.value()))
                client.commit(message, asynchronous=False)
        client.close()

    threads = {name: threading.Thread(target=member, args=(name,)) for name in owners}
    threads["a"].start()
    try:
        until(lambda: owners["a"] == {0, 1, 2, 3}, what="the first member has all")
        threads["b"].start()
        until(lambda: len(owners["a"]) == 2 and len(owners["b"]) == 2 and not owners["a"] & owners["b"], 30, f"two and two: {owners}")
        for partition in range(4):
            produce(topic, [str(partition * 100 + i).encode() for i in range(25)], partition)
        until(lambda: len(seen) >= 100, what="all read")
        stop["b"].set()
        threads["b"].join()
        until(lambda: owners["a"] == {0, 1, 2, 3}, 30, "takes over")
        produce(topic, [b"1000"], 3)
        until(lambda: 1000 in seen, what="reads what the other had")
        expect(sorted(seen), sorted([p * 100 + i for p in range(4) for i in range(25)] + [1000]), "each once")
    finally:
        for name, event in stop.items():
            event.set()
            if threads[name].ident:
                threads[name].join()


def rebalance_eager(topic):
    rebalance(topic)


def rebalance_cooperative(topic):
    rebalance(topic, **{"partition.assignment.strategy": "cooperative-sticky"})


def static_membership(topic):
    create(topic, 2)
    config = {"group.instance.id": "one", "session.timeout.ms": 10000}
    events = []
    first = consumer(topic, **config)
    first.subscribe([topic], on_assign=lambda c, p: events.append(sorted(x.partition for x in p)))
    until(lambda: first.poll(0.1) or events, what="assigned")
    first.close()
    events.clear()
    second = consumer(topic, **config)
    second.subscribe([topic], on_assign=lambda c, p: events.append(sorted(x.partition for x in p)))
    until(lambda: second.poll(0.1) or events, 5, what="the same member is back without waiting for a timeout")
    expect(events[0], [0, 1], "its partitions")
    second.close()


def list_groups(topic):
    create(topic)
    produce(topic, [b"x"])
    client = consumer(topic, **{"client.id": "lister"})
    client.subscribe([topic])
    take(client, 1)
    told = [g for g in ADMIN.list_groups(timeout=10) if g.id == topic]
    expect([g.state for g in told], ["Stable"], "state")
    expect([(m.client_id) for m in told[0].members], ["lister"], "members")
    client.close()


def group_admin(topic):
    create(topic)
    produce(topic, [b"x"] * 5)
    client = consumer(topic)
    client.subscribe([topic])
    take(client, 5)
    client.commit(asynchronous=False)
    told = ADMIN.describe_consumer_groups([topic])[topic].result(20)
    expect((told.state.name, len(told.members)), ("STABLE", 1), "described")
    assert topic in [g.group_id for g in ADMIN.list_consumer_groups().result(20).valid], "listed"
    request = ck.ConsumerGroupTopicPartitions(topic, [ck.TopicPartition(topic, 0)])
    offsets = ADMIN.list_consumer_group_offsets([request])[topic].result(20)
    expect(offsets.topic_partitions[0].offset, 5, "offset")
    client.close()
    change = ck.ConsumerGroupTopicPartitions(topic, [ck.TopicPartition(topic, 0, 2)])
    ADMIN.alter_consumer_group_offsets([change])[topic].result(20)
    offsets = ADMIN.list_consumer_group_offsets([request])[topic].result(20)
    expect(offsets.topic_partitions[0].offset, 2, "altered")
    ADMIN.delete_consumer_groups([topic])[topic].result(20)
    assert topic not in [g.group_id for g in ADMIN.list_consumer_groups().result(20).valid], "deleted"


def records_admin(topic):
    create(topic)
    produce(topic, [str(i).encode() for i in range(10)])
    low = list(ADMIN.delete_records([ck.TopicPartition(topic, 0, 4)]).values())[0].result(20)
    expect(low.low_watermark, 4, "low watermark")
    from confluent_kafka.admin import OffsetSpec
    told = list(ADMIN.list_offsets({ck.TopicPartition(topic, 0): OffsetSpec.earliest()}).values())[0].result(20)
    expect(told.offset, 4, "earliest")
    cluster = ADMIN.describe_cluster().result(20)
    expect(len(cluster.nodes), 1, "nodes")
    topics = ADMIN.describe_topics(ck.TopicCollection([topic]))[topic].result(20)
    expect([len(topics.partitions), topics.topic_id is not None], [1, True], "described")


def seek_pause_resume(topic):
    create(topic)
    produce(topic, [str(i).encode() for i in range(30)])
    client = consumer(topic)
    client.assign([ck.TopicPartition(topic, 0, 0)])
    take(client, 10)
    client.seek(ck.TopicPartition(topic, 0, 25))
    expect([int(m.value()) for m in take(client, 5)], [25, 26, 27, 28, 29], "after seek")
    client.pause([ck.TopicPartition(topic, 0)])
    produce(topic, [b"30"])
    assert client.poll(1.0) is None, "paused"
    client.resume([ck.TopicPartition(topic, 0)])
    expect(int(take(client, 1)[0].value()), 30, "resumed")
    client.close()


TESTS = [create_describe_delete, invalid_topic, configs, codecs, keys_headers_timestamps, idempotent, acks_levels, offsets_for_times, commit_and_resume,
         rebalance_eager, rebalance_cooperative, static_membership, list_groups, seek_pause_resume]
if hasattr(ADMIN, "list_offsets"):  # Debian's release does not have these calls
    TESTS += [group_admin, records_admin]
run(TESTS)
