"""What is measured. A scenario takes a contender's class and a fresh folder and returns one JSON object; it starts and stops the broker itself."""

import subprocess
import time

from harness import generators, measure
from harness.contenders import create_topics

ONE, SMALL, LARGE = 1, 16 << 10, 1_000_000  # 1 MiB of records and a head are over max.message.bytes
BATCH_NAMES = {ONE: "one record", SMALL: "16 KB", LARGE: "1 MB"}


class Load:
    """A load of `weir bench` on one shape: size of a record, partitions, bytes of a batch."""

    def __init__(self, kind, size, partitions, batch):
        self.kind, self.size, self.partitions, self.batch = kind, size, partitions, batch
        self.name = f"{kind}-{size}B-{partitions}p-{BATCH_NAMES[batch].replace(' ', '')}"

    def options(self, topic):
        # batches that are large need many in flight no more than batches that are small: five requests each, as the Java producer has it
        return {"topic": topic, "size": self.size, "partitions": self.partitions, "batch": self.batch, "quiet": True}

    def run(self, contender, seconds):
        broker = contender.broker
        warm_up(broker.address)
        create_topics(broker.address, ["load"], self.partitions)
        before = contender.syncs()
        if self.kind == "produce":
            told = watched(broker, lambda: generators.ours("produce", broker.address, seconds, warmup=1, **self.options("load")))
        elif self.kind == "both":
            told = watched(broker, lambda: generators.ours("both", broker.address, seconds, warmup=1, **self.options("load")))
        else:
            filled = generators.ours("produce", broker.address, seconds, **{**self.options("load"), "batch": max(self.batch, SMALL)})
            if self.kind == "catchup":
                drop_page_cache()
            # one fetch at a time on each of two connections: a fetch that waits at the end of its partitions would hold up those behind it
            wanted = {**self.options("load"), "connections": min(2, self.partitions), "in_flight": 1}
            del wanted["batch"]
            told = watched(broker, lambda: generators.ours("consume", broker.address, seconds * 4, **wanted, to_end=True))
            told["filled_records"] = filled["records"]
        told["syncs"] = {"before": before, "after": contender.syncs()}
        return told


def watched(broker, run):
    with measure.Watch({"broker": broker.pid}, broker.folder) as watch:
        told = run()
    told["watch"] = watch.told
    return told


def warm_up(address, seconds=3):
    """The JVM compiles what it runs; both brokers get the same."""
    create_topics(address, ["warm-up"], 4)
    generators.ours("both", address, seconds, topic="warm-up", size=1024, partitions=4, batch=SMALL, quiet=True)


def drop_page_cache():
    """A cold backlog: what is on disk must come from there. Without the right to do so the figure says so."""
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")
    except OSError:
        return False
    return True


class Latency:
    """One record at a time, each after the answer to the last."""

    name = "latency-roundtrip-1024B"

    def run(self, contender, seconds):
        warm_up(contender.broker.address)
        create_topics(contender.broker.address, ["one"], 1)
        before = contender.syncs()
        told = watched(contender.broker, lambda: generators.ours("latency", contender.broker.address, seconds, warmup=1, topic="one", size=1024, quiet=True))
        return {**told, "syncs": {"before": before, "after": contender.syncs()}}


class LatencyAtRate:
    """The latency at a fixed rate that both can hold."""

    def __init__(self, rate, size, partitions):
        self.rate, self.size, self.partitions = rate, size, partitions
        self.name = f"latency-at-{rate}-{size}B-{partitions}p"

    def run(self, contender, seconds):
        warm_up(contender.broker.address)
        create_topics(contender.broker.address, ["rate"], self.partitions)
        return watched(contender.broker, lambda: generators.ours("both", contender.broker.address, seconds, warmup=2, topic="rate", size=self.size, rate=self.rate,
                                                                 partitions=self.partitions, batch=SMALL, quiet=True))


class PerfTest:
    """kafka-producer-perf-test: processor time of the broker for each GB, or latency at a rate."""

    def __init__(self, size, partitions, rate=-1):
        self.size, self.partitions, self.rate = size, partitions, rate
        self.name = f"perftest-{size}B-{partitions}p" + (f"-at-{rate}" if rate > 0 else "")

    def run(self, contender, seconds):
        broker = contender.broker
        create_topics(broker.address, ["warm", "perf"], self.partitions)
        time.sleep(1)
        generators.perf_test(broker.address, "warm", 200_000, self.size)
        records = self.rate * seconds if self.rate > 0 else (200_000 * seconds if self.size <= 200 else 60_000 * seconds)
        told = watched(broker, lambda: generators.perf_test(broker.address, "perf", records, self.size, self.rate))
        told["broker_cpu_s_per_gb"] = told["watch"]["broker"]["cpu_seconds"] / (records * self.size / 1e9)
        return told


class StartIdle:
    """From an empty folder to ready; memory when nothing happens, and a minute after a load."""

    name = "start-and-idle"

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

    def __init__(self, partitions, gigabytes):
        self.partitions, self.gigabytes = partitions, gigabytes
        self.name = f"recovery-{partitions}p-{gigabytes}GB"

    def run(self, contender, seconds):
        broker = contender.broker
        began = time.time()
        create_topics(broker.address, [f"many-{i}" for i in range(self.partitions // 100)], 100)
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
        drop_page_cache()
        broker.start()
        told["recovered_ms"] = broker.ready_seconds * 1000
        told["rss_after"] = measure.memory(broker.pid)[0]
        return told


class Sustained:
    """1 KB records for a minute with retention on: the log is turned over several times."""

    name = "sustained-1024B"
    flags = ["--kafka.log_retention_bytes=1GiB", "--storage.clean_interval=1s"]

    def run(self, contender, seconds):
        create_topics(contender.broker.address, ["long"], 10)
        before = contender.syncs()
        told = watched(contender.broker, lambda: generators.ours("produce", contender.broker.address, max(seconds, 60) if seconds > 4 else 10, warmup=2, topic="long",
                                                                 size=1024, partitions=10, batch=LARGE, quiet=True))
        return {**told, "syncs": {"before": before, "after": contender.syncs()}}


def quick():
    """A subset that says much in under ten minutes."""
    return [Load("produce", 100, 1, SMALL), Load("produce", 100, 100, ONE), Load("produce", 1024, 1, ONE), Load("produce", 1024, 100, SMALL),
            Load("produce", 1024, 10, LARGE), Load("both", 1024, 10, SMALL), Load("catchup", 1024, 10, SMALL), Latency(), StartIdle()]


def full():
    loads = [Load(kind, size, partitions, batch) for kind in ("produce", "both") for size in (100, 1024) for partitions in (1, 100, 1000)
             for batch in (ONE, SMALL, LARGE)]
    loads += [Load(kind, size, partitions, SMALL) for kind in ("consume", "catchup") for size in (100, 1024) for partitions in (1, 100, 1000)]
    return [*loads, Latency(), LatencyAtRate(20_000, 1024, 10), LatencyAtRate(50_000, 100, 100), PerfTest(100, 10), PerfTest(1024, 10),
            PerfTest(1024, 10, 20_000), StartIdle(), Recovery(10_000, 20), Sustained()]
