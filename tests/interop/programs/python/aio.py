"""Scenarios of aiokafka."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from scenario import ADDRESS, CODECS, expect, run


async def create(topic, partitions=1):
    admin = AIOKafkaAdminClient(bootstrap_servers=ADDRESS)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def produce(topic, values, partition=0, **config):
    client = AIOKafkaProducer(bootstrap_servers=ADDRESS, **config)
    await client.start()
    try:
        futures = [await client.send(topic, v, partition=partition) for v in values]
        return [(await f).offset for f in futures]
    finally:
        await client.stop()


def consumer(*topics, **config):
    return AIOKafkaConsumer(*topics, bootstrap_servers=ADDRESS, **{"auto_offset_reset": "earliest", "enable_auto_commit": False, **config})


async def take(client, count, seconds=30):
    taken, end = [], time.time() + seconds
    while len(taken) < count and time.time() < end:
        for batch in (await client.getmany(timeout_ms=200)).values():
            taken.extend(batch)
    expect(len(taken), count, "records")
    return taken


async def read(topic, count, partition=0):
    client = consumer()
    await client.start()
    client.assign([TopicPartition(topic, partition)])
    client.seek(TopicPartition(topic, partition), 0)
    try:
        return await take(client, count)
    finally:
        await client.stop()


async def codecs_async(topic):
    await create(topic, len(CODECS))
    for partition, codec in enumerate(CODECS):
        values = [f"{codec}-{i}-{'y' * (i % 200)}".encode() for i in range(500)]
        told = await produce(topic, values, partition, compression_type=None if codec == "none" else codec, linger_ms=20)
        expect(told, list(range(500)), f"offsets, {codec}")
        expect([m.value for m in await read(topic, 500, partition)], values, codec)


async def headers_async(topic):
    await create(topic)
    client = AIOKafkaProducer(bootstrap_servers=ADDRESS)
    await client.start()
    await client.send_and_wait(topic, b"v", key=b"k", headers=[("a", b"1"), ("a", b"2")], timestamp_ms=1600000000123)
    await client.send_and_wait(topic, None, key=b"tombstone")
    await client.stop()
    one, two = await read(topic, 2)
    expect([one.key, one.value, list(one.headers), one.timestamp], [b"k", b"v", [("a", b"1"), ("a", b"2")], 1600000000123], "first")
    expect([two.key, two.value], [b"tombstone", None], "second")


async def idempotent_async(topic):
    await create(topic)
    told = await produce(topic, [str(i).encode() for i in range(2000)], enable_idempotence=True, max_batch_size=500)
    expect(told, list(range(2000)), "offsets")
    expect([int(m.value) for m in await read(topic, 2000)], list(range(2000)), "order")


# An hour ago: what is older than its topic's retention may be gone before it is asked for.
FIRST_MS = (int(time.time()) - 3600) * 1000


async def times_async(topic):
    await create(topic)
    client = AIOKafkaProducer(bootstrap_servers=ADDRESS, compression_type="gzip", linger_ms=50)
    await client.start()
    futures = [await client.send(topic, str(i).encode(), partition=0, timestamp_ms=FIRST_MS + i * 1000) for i in range(100)]
    await asyncio.gather(*futures)
    await client.stop()
    reader = consumer()
    await reader.start()
    partition = TopicPartition(topic, 0)
    expect((await reader.offsets_for_times({partition: FIRST_MS + 41_500}))[partition].offset, 42, "inside a compressed batch")
    expect((await reader.end_offsets([partition]))[partition], 100, "end")
    await reader.stop()


async def resume_async(topic):
    await create(topic)
    await produce(topic, [str(i).encode() for i in range(20)])
    partition = TopicPartition(topic, 0)
    first = consumer(topic, group_id=topic)
    await first.start()
    await take(first, 20)
    await first.commit({partition: 7})
    await first.stop()
    second = consumer(topic, group_id=topic)
    await second.start()
    expect(int((await take(second, 13))[0].value), 7, "goes on")
    await second.commit()
    expect(await second.committed(partition), 20, "committed")
    await second.stop()


async def rebalance_async(topic):
    await create(topic, 4)
    seen = []

    async def member(stop):
        client = members[stop]
        while not stop.is_set():
            for batch in (await client.getmany(timeout_ms=100)).values():
                seen.extend(int(m.value) for m in batch)
                await client.commit()
        await client.stop()

    async def settled(sizes):
        end = time.time() + 30
        while time.time() < end:
            if sorted(len(c.assignment()) for c in members.values()) == sizes:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not {sizes}: {[c.assignment() for c in members.values()]}")

    members = {}

    async def join():
        stop = asyncio.Event()
        members[stop] = consumer(topic, group_id=topic, session_timeout_ms=6000, heartbeat_interval_ms=500)
        await members[stop].start()
        return stop, asyncio.ensure_future(member(stop))

    one, first = await join()
    await settled([4])
    two, second = await join()
    await settled([2, 2])
    for p in range(4):
        await produce(topic, [str(p * 100 + i).encode() for i in range(25)], p)
    end = time.time() + 20
    while len(seen) < 100 and time.time() < end:
        await asyncio.sleep(0.1)
    two.set()
    await second
    del members[two]
    await settled([4])
    one.set()
    await first
    expect(sorted(seen), sorted(p * 100 + i for p in range(4) for i in range(25)), "each once")


def codecs(topic):
    asyncio.run(codecs_async(topic))


def keys_headers_timestamps(topic):
    asyncio.run(headers_async(topic))


def idempotent(topic):
    asyncio.run(idempotent_async(topic))


def offsets_for_times(topic):
    asyncio.run(times_async(topic))


def commit_and_resume(topic):
    asyncio.run(resume_async(topic))


def rebalance(topic):
    asyncio.run(rebalance_async(topic))


run([codecs, keys_headers_timestamps, idempotent, offsets_for_times, commit_and_resume, rebalance])
