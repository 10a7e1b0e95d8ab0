"""Scenarios of kafka-python: works with Debian's 2.0.2 and the newest."""

import threading
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError

from scenario import ADDRESS, expect, run, until

NEW = int(kafka.__version__.split(".")[0]) >= 3
CODECS = ["gzip", "snappy", "lz4", "zstd"] if NEW else ["gzip"]  # Debian's release comes without the other codecs' libraries
COMMON = {"bootstrap_servers": ADDRESS} if NEW else {"bootstrap_servers": ADDRESS, "api_version_auto_timeout_ms": 5000}
ADMIN = KafkaAdminClient(**COMMON)


def create(topic, partitions=1, configs=None):
    ADMIN.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)] if not NEW or configs else [NewTopic(topic, partitions, 1)])


def produce(topic, values, partition=0, key=None, **config):
    client = KafkaProducer(**COMMON, **config)
    futures = [client.send(topic, v, key=key, partition=partition) for v in values]
    client.flush(30)
    told = [f.get(10).offset for f in futures]
    client.close()
    return told


def consumer(*topics, **config):
    return KafkaConsumer(*topics, **{**COMMON, "auto_offset_reset": "earliest", "enable_auto_commit": False, **config})


def take(client, count, seconds=30):
    taken, end = [], time.time() + seconds
    while len(taken) < count and time.time() < end:
        for batch in client.poll(200).values():
            taken.extend(batch)
    expect(len(taken), count, "records")
    return taken


def read(topic, count, partition=0):
    client = consumer()
    client.assign([TopicPartition(topic, partition)])
    client.seek(TopicPartition(topic, partition), 0)
    taken = take(client, count)
    client.close()
    return taken


def broker_version(topic):
    """The client guesses the broker's release from the advertised versions. Debian's knows 2.5 by an ACL API, which may be left out."""
    client = KafkaProducer(**COMMON)
    guessed = client.config["api_version"]
    client.close()
    assert guessed is not None and tuple(guessed) >= ((4, 0, 0) if NEW else (2, 4, 0)), f"guessed {guessed}"


def create_describe_delete(topic):
    create(topic, 3)
    client = consumer()
    until(lambda: client.partitions_for_topic(topic) == {0, 1, 2}, what="three partitions")
    try:
        create(topic)
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    ADMIN.create_partitions({topic: NewPartitions(5)})
    other = consumer()
    expect(other.partitions_for_topic(topic), {0, 1, 2, 3, 4}, "five partitions")
    ADMIN.delete_topics([topic])
    until(lambda: topic not in consumer().topics(), what="deleted")


def codecs(topic):
    create(topic, len(CODECS) + 1)
    for partition, codec in enumerate([None] + CODECS):
        values = [f"{codec}-{i}-{'y' * (i % 200)}".encode() for i in range(500)]
        expect(produce(topic, values, partition, compression_type=codec, linger_ms=20), list(range(500)), f"offsets, {codec}")
        expect([m.value for m in read(topic, 500, partition)], values, str(codec))


def keys_headers_timestamps(topic):
    create(topic)
    client = KafkaProducer(**COMMON)
    client.send(topic, b"v", key=b"k", headers=[("a", b"1"), ("a", b"2")], timestamp_ms=1600000000123, partition=0)
    client.send(topic, None, key=b"tombstone", partition=0)
    client.flush(20)
    one, two = read(topic, 2)
    expect([one.key, one.value, list(one.headers), one.timestamp], [b"k", b"v", [("a", b"1"), ("a", b"2")], 1600000000123], "first")
    expect([two.key, two.value], [b"tombstone", None], "second")
    client.close()


def acks_levels(topic):
    create(topic)
    for level in (1, "all"):
        produce(topic, [b"x"] * 10, acks=level)
    client = KafkaProducer(**COMMON, acks=0)
    for _ in range(10):
        client.send(topic, b"x", partition=0)
    client.flush(20)
    read(topic, 30)
    client.close()


# An hour ago: what is older than its topic's retention may be gone before it is asked for.
FIRST_MS = (int(time.time()) - 3600) * 1000


def offsets_for_times(topic):
    create(topic)
    client = KafkaProducer(**COMMON, compression_type="gzip", linger_ms=50)
    for i in range(100):
        client.send(topic, str(i).encode(), partition=0, timestamp_ms=FIRST_MS + i * 1000)
    client.flush(20)
    reader = consumer()
    partition = TopicPartition(topic, 0)
    expect(reader.offsets_for_times({partition: FIRST_MS + 41_500})[partition].offset, 42, "inside a compressed batch")
    expect(reader.offsets_for_times({partition: FIRST_MS + 1_000_000})[partition], None, "later than everything")
    expect([reader.beginning_offsets([partition])[partition], reader.end_offsets([partition])[partition]], [0, 100], "watermarks")


def commit_and_resume(topic):
    create(topic)
    produce(topic, [str(i).encode() for i in range(20)])
    partition = TopicPartition(topic, 0)
    first = consumer(topic, group_id=topic)
    take(first, 20)
    first.commit({partition: offset(7)})
    first.close()
    second = consumer(topic, group_id=topic)
    expect(int(take(second, 13)[0].value), 7, "goes on")
    second.commit()
    expect(second.committed(partition), 20, "committed")
    second.close()


def offset(value):
    import inspect
    fields = len(inspect.signature(kafka.structs.OffsetAndMetadata).parameters)
    return kafka.structs.OffsetAndMetadata(*([value, "note", -1][:fields]))


def rebalance(topic):
    create(topic, 4)
    stop = {"a": threading.Event(), "b": threading.Event()}
    owned, seen = {"a": set(), "b": set()}, []

    def member(name):
        client = consumer(topic, group_id=topic, session_timeout_ms=6000, heartbeat_interval_ms=500)
        while not stop[name].is_set():
            for batch in client.poll(100).values():
                seen.extend(int(m.value) for m in batch)
                client.commit()
            owned[name] = {p.partition for p in client.assignment()}
        client.close()
        owned[name] = set()

    threads = {n: threading.Thread(target=member, args=(n,), daemon=True) for n in stop}
    threads["a"].start()
    until(lambda: owned["a"] == {0, 1, 2, 3}, what="the first member has all")
    threads["b"].start()
    until(lambda: len(owned["a"]) == 2 and len(owned["b"]) == 2 and not owned["a"] & owned["b"], 30, "two and two")
    for p in range(4):
        produce(topic, [str(p * 100 + i).encode() for i in range(25)], p)
    until(lambda: len(seen) >= 100, what="all read")
    stop["b"].set()
    threads["b"].join()
    until(lambda: owned["a"] == {0, 1, 2, 3}, 30, "takes over")
    stop["a"].set()
    threads["a"].join()
    expect(sorted(seen), sorted(p * 100 + i for p in range(4) for i in range(25)), "each once")


def long_poll_wakes(topic):
    """A waiting fetch is answered when data comes, not when its time is up."""
    create(topic)
    client = consumer(fetch_max_wait_ms=8000)
    client.assign([TopicPartition(topic, 0)])
    client.seek_to_end()
    client.poll(300)
    timer = threading.Timer(1.0, lambda: produce(topic, [b"late"]))
    timer.start()
    began = time.time()
    take(client, 1)
    assert time.time() - began < 5, f"woke after {time.time() - began:.1f} s"
    client.close()


def idempotent(topic):
    create(topic)
    told = produce(topic, [str(i).encode() for i in range(2000)], enable_idempotence=True, acks="all", batch_size=500)
    expect(told, list(range(2000)), "offsets")
    expect([int(m.value) for m in read(topic, 2000)], list(range(2000)), "order")


def groups_admin(topic):
    create(topic)
    produce(topic, [b"x"] * 5)
    client = consumer(topic, group_id=topic)
    take(client, 5)
    client.commit()
    listed = ADMIN.list_groups() if hasattr(ADMIN, "list_groups") else ADMIN.list_consumer_groups()
    assert topic in str(listed), listed
    partition = TopicPartition(topic, 0)
    if hasattr(ADMIN, "list_consumer_group_offsets"):
        assert "offset=5" in str(ADMIN.list_consumer_group_offsets(topic)), ADMIN.list_consumer_group_offsets(topic)
    expect(client.committed(partition), 5, "committed")
    client.close()


TESTS = [broker_version, create_describe_delete, codecs, keys_headers_timestamps, acks_levels, offsets_for_times, commit_and_resume, rebalance,
         long_poll_wakes, groups_admin]
if NEW:  # Debian's release has no idempotent producer
    TESTS.append(idempotent)
run(TESTS)
