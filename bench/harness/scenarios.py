"""What is measured. A scenario gets a broker that runs and gives one JSON object. The loads share one broker per visit, each on
fresh topics that go afterwards; a scenario with `alone` gets a broker and a folder of its own."""

import os
import subprocess
import sys
import time

from harness import generators, measure
from harness.contenders import create_topics, delete_topics

ONE, SMALL, LARGE = 1, 16 << 10, 1_000_000  # 1 MiB of records and a head are over max.message.bytes
BATCH_NAMES = {ONE: "onerecord", SMALL: "16KB", LARGE: "1MB"}
ALL, NO_SYNCED = ("weir", "kafka", "kafka-synced"), ("weir", "kafka")  # reading does not depend on how the broker syncs
FILL_BYTES = 2_500_000_000  # the backlog that consume and catchup read


class Load:
    """A load of `weir bench` on one shape: size of a record, partitions, bytes of a batch."""

    alone = False

    def __init__(self, kind, size, partitions, batch):
        self.kind, self.size, self.partitions, self.batch = kind, size, partitions, batch
        self.contenders = NO_SYNCED if kind in ("consume", "catchup") else ALL
        self.name = f"{kind}-{size}B-{partitions}p-{BATCH_NAMES[batch]}"

    def run(self, contender, seconds):
        broker, topic = contender.broker, self.name
        fresh_topic(broker.address, topic, self.partitions)
        options = {"topic": topic, "size": self.size, "partitions": self.partitions, "quiet": True}
        try:
            if self.kind in ("produce", "both"):
                before = contender.syncs()
                told = watched(broker, lambda: generators.ours(self.kind, broker.address, seconds, warmup=1, batch=self.batch, **options))
                return {**told, "syncs": {"before": before, "after": contender.syncs()}}
            records = FILL_BYTES // (self.size + 10)
            generators.ours("produce", broker.address, 600, records=records, **{**options, "batch": self.batch})
            os.sync()
            cold = self.kind == "catchup" and drop_page_cache(contender)
            told = watched(broker, lambda: generators.ours("consume", broker.address, 120, connections=min(2, self.partitions), to_end=True, **options))
            return {**told, "cold": cold}
        finally:
            delete_topics(broker.address, [topic])


def watched(broker, run):
    with measure.Watch({"broker": broker.pid}, broker.folder) as watch:
        told = run()
    told["watch"] = watch.told
    return told


def fresh_topic(address, name, partitions):
    """A topic whose partitions have all taken a record: the first one makes files, in Kafka with a sync for each partition."""
    create_topics(address, [name], partitions)
    generators.ours("produce", address, 300, records=2 * partitions, topic=name, size=100, partitions=partitions, batch=ONE, quiet=True)
    os.sync()  # what came before is not the next load's to pay
    warm_memory()


def warm_memory(size=5 << 30):
    """A virtual machine may give free memory back to its host, and then pays for each page anew when it is touched: a broker that lives in the page
    cache would be measured by that. What is touched now is there for the next seconds."""
    subprocess.run([sys.executable, "-c", f"b = bytearray(b'1') * {size}"], check=False)


def warm_up(address, seconds=3):
    """The JVM compiles what it runs; all brokers get the same."""
    create_topics(address, ["warm-up"], 4)
    for batch in (ONE, SMALL):
        generators.ours("both", address, seconds, topic="warm-up", size=1024, partitions=4, batch=batch, quiet=True)
    delete_topics(address, ["warm-up"])


def drop_page_cache(contender):
    """A cold backlog: what is on disk must come from there, not from the kernel's memory nor from the broker's own.
    Without the right to do so the result says so."""
    time.sleep(contender.forgets_after_seconds)
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")
    except OSError:
        return False
    return True


class Latency:
    """One record at a time, each after the answer to the last."""

    name, alone, contenders = "latency-roundtrip-1024B", False, ALL

    def run(self, contender, seconds):
        fresh_topic(contender.broker.address, "one", 1)
        before = contender.syncs()
        told = watched(contender.broker, lambda: generators.ours("latency", contender.broker.address, seconds, warmup=1, topic="one", size=1024, quiet=True))
        delete_topics(contender.broker.address, ["one"])
        return {**told, "syncs": {"before": before, "after": contender.syncs()}}


class LatencyAtRate:
    """The latency of the answers at a fixed rate that both hold, against the intended time of each send."""

    alone, contenders = False, NO_SYNCED

    def __init__(self, rate, size, partitions):
        self.rate, self.size, self.partitions = rate, size, partitions
        self.name = f"latency-at-{rate}-{size}B-{partitions}p"

    def run(self, contender, seconds):
        fresh_topic(contender.broker.address, self.name, self.partitions)
        told = watched(contender.broker, lambda: generators.ours("produce", contender.broker.address, max(seconds, 5), warmup=2, topic=self.name, size=self.size,
                                                                 rate=self.rate, partitions=self.partitions, batch=SMALL, quiet=True))
        delete_topics(contender.broker.address, [self.name])
        return told


class LatencyBesideReader:
    """The same while somebody reads a cold backlog as fast as he can, for as long as it is measured."""

    alone, contenders = False, NO_SYNCED
    backlog, backlog_partitions = "cold-backlog", 100

    def __init__(self, rate, size, partitions):
        self.rate, self.size, self.partitions = rate, size, partitions
        self.name = f"latency-at-{rate}-{size}B-{partitions}p-beside-cold-reader"

    def run(self, contender, seconds):
        broker = contender.broker
        old = {"topic": self.backlog, "partitions": self.backlog_partitions}
        fresh_topic(broker.address, self.backlog, self.backlog_partitions)
        generators.ours("produce", broker.address, 600, size=1024, batch=SMALL, records=4 * FILL_BYTES // 1034, quiet=True, **old)
        fresh_topic(broker.address, self.name, self.partitions)
        cold = drop_page_cache(contender)
        reader = generators.start_ours("consume", broker.address, 120, connections=2, to_end=True, **old)
        try:
            told = watched(broker, lambda: generators.ours("produce", broker.address, 3, warmup=1, topic=self.name, size=self.size, rate=self.rate,
                                                           partitions=self.partitions, batch=SMALL, quiet=True))
            told["reader_was_there"] = reader.poll() is None
            told["cold"] = cold
        finally:
            reader.kill()
            reader.communicate()
            delete_topics(broker.address, [self.backlog, self.name])
        return told


class PerfTest:
    """kafka-producer-perf-test: processor time of the broker for each GB, or latency at a rate."""

    alone, contenders = False, NO_SYNCED

    def __init__(self, size, partitions, rate=-1):
        self.size, self.partitions, self.rate = size, partitions, rate
        self.name = f"perftest-{size}B-{partitions}p" + (f"-at-{rate}" if rate > 0 else "")

    def run(self, contender, seconds):
        broker, topic = contender.broker, self.name
        fresh_topic(broker.address, topic, self.partitions)
        records = self.rate * max(seconds, 8) if self.rate > 0 else (400_000 * seconds if self.size <= 200 else 120_000 * seconds)
        told = watched(broker, lambda: generators.perf_test(broker.address, topic, records, self.size, self.rate))
        told["broker_cpu_s_per_gb"] = told["watch"]["broker"]["cpu_seconds"] / (records * self.size / 1e9)
        delete_topics(broker.address, [topic])
        return told


class StartIdle:
    """From an empty folder to ready; memory when nothing happens, and a minute after a load."""

    name, alone, contenders = "start-and-idle", True, NO_SYNCED

    def run(self, contender, seconds):
        broker = contender.broker
        time.sleep(3)
        told = {"ready_ms": broker.ready_seconds * 1000, "idle_rss": measure.memory(broker.pid)[0]}
        create_topics(broker.address, ["load"], 10)
        generators.ours("both", broker.address, seconds, topic="load", size=1024, partitions=10, batch=SMALL, quiet=True)
        told["loaded_rss"] = measure.memory(broker.pid)[0]
        time.sleep(60 if seconds > 4 else 10)
        told["after_load_rss"] = measure.memory(broker.pid)[0]
        return told


class Recovery:
    """Many partitions and much data, kill -9, and the time until it is ready again."""

    alone, contenders = True, ("weir",)

    def __init__(self, partitions, gigabytes):
        self.partitions, self.gigabytes = partitions, gigabytes
        self.name = f"recovery-{partitions}p-{gigabytes}GB"

    def run(self, contender, seconds):
        broker = contender.broker
        began = time.time()
        for i in range(0, self.partitions // 100, 20):
            create_topics(broker.address, [f"many-{i + j}" for j in range(min(20, self.partitions // 100 - i))], 100)
        told = {"create_seconds": time.time() - began}
        time.sleep(3)
        told["partitions_rss"] = measure.memory(broker.pid)[0]
        create_topics(broker.address, ["big"], 10)
        written = 0
        while written < self.gigabytes * 1e9:
            left = (self.gigabytes * 1e9 - written) / 1024
            written += generators.ours("produce", broker.address, 600, topic="big", size=1024, partitions=10, batch=LARGE, records=int(left) + 1, quiet=True)["bytes"]
        told["bytes"] = written
        broker.kill()
        drop_page_cache(contender)
        broker.start()
        told["recovered_ms"] = broker.ready_seconds * 1000
        told["rss_after"] = measure.memory(broker.pid)[0]
        return told


class Sustained:
    """1 KB records for a minute with retention on: the log is turned over several times."""

    name, alone, contenders = "sustained-1024B", True, ("weir",)
    flags = ["--kafka.log_retention_bytes=1GiB", "--storage.clean_interval=1s"]

    def run(self, contender, seconds):
        create_topics(contender.broker.address, ["long"], 10)
        before = contender.syncs()
        told = watched(contender.broker, lambda: generators.ours("produce", contender.broker.address, max(seconds, 60) if seconds > 4 else 10, warmup=2, topic="long",
                                                                 size=1024, partitions=10, batch=LARGE, connections=2, quiet=True))
        return {**told, "syncs": {"before": before, "after": contender.syncs()}}


def quick():
    """A subset that says much in a few minutes."""
    return [Load("produce", 100, 1, SMALL), Load("produce", 100, 100, ONE), Load("produce", 1024, 1, ONE), Load("produce", 1024, 100, SMALL),
            Load("produce", 1024, 10, LARGE), Load("both", 1024, 10, SMALL), Load("catchup", 1024, 10, SMALL), Latency(), LatencyAtRate(50_000, 1024, 10), StartIdle()]


def full():
    shapes = [(size, partitions) for size in (100, 1024) for partitions in (1, 100, 1000)]
    loads = [Load("produce", size, partitions, batch) for size, partitions in shapes for batch in (ONE, SMALL, LARGE)]
    loads += [Load("both", size, partitions, SMALL) for size, partitions in shapes]
    loads += [Load(kind, size, partitions, SMALL) for kind in ("consume", "catchup") for size, partitions in [(100, 100), (1024, 1), (1024, 100), (1024, 1000)]]
    return [*loads, Latency(), LatencyAtRate(20_000, 1024, 10), LatencyAtRate(100_000, 1024, 100), LatencyAtRate(100_000, 100, 100),
            LatencyBesideReader(10_000, 1024, 10), PerfTest(100, 10),
            PerfTest(1024, 10), PerfTest(1024, 10, 20_000), StartIdle(), Recovery(10_000, 20), Sustained()]
