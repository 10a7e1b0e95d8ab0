"""kcat from Debian: what people type first at a new broker."""

import json
import subprocess
import time

from interop import cache

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Kcat:
    def __init__(self, address):
        self.address = address

    def __call__(self, *arguments, stdin=None, timeout=30, ok=True):
        done = subprocess.run(["kcat", "-b", self.address, *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout)
        if ok and done.returncode != 0:
            raise AssertionError(f"kcat {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr.decode()[-800:]}")
        return done.stdout.decode()

    def produce(self, topic, lines, *arguments):
        self("-P", "-t", topic, *arguments, stdin="".join(line + "\n" for line in lines).encode())

    def consume(self, topic, *arguments, partition=0):
        return self("-C", "-t", topic, "-p", partition, "-e", "-q", *arguments).splitlines()


def expect(actual, wanted, what=""):
    if actual != wanted:
        raise AssertionError(f"{what}: expected {str(wanted)[:300]}, got {str(actual)[:300]}")


def codecs(kcat, topic):
    for codec in CODECS:
        lines = [f"{codec} {i} " + "x" * (i % 300) for i in range(500)]
        kcat.produce(f"{topic}-{codec}", lines, "-p", 0, "-z", codec)
        expect(kcat.consume(f"{topic}-{codec}", "-o", "beginning"), lines, codec)


def metadata(kcat, topic):
    kcat.produce(topic, ["one"], "-p", 0)
    told = json.loads(kcat("-L", "-J"))
    expect(len(told["brokers"]), 1, "brokers")
    expect(told["brokers"][0]["name"], kcat.address, "address of the broker")
    mine = [t for t in told["topics"] if t["topic"] == topic]
    expect(len(mine), 1, "topic listed")
    first = mine[0]["partitions"][0]
    expect([first["leader"], len(first["replicas"]), len(first["isrs"])], [told["brokers"][0]["id"], 1, 1], "leader, replicas, in-sync")
    assert "controllerid" in told and told["controllerid"] == told["brokers"][0]["id"], f"controller {told.get('controllerid')}"
    one = json.loads(kcat("-L", "-J", "-t", topic))
    expect([t["topic"] for t in one["topics"]], [topic], "one topic asked for")


def keys_and_headers(kcat, topic):
    kcat.produce(topic, ["k1:v1", "k2:v2", "k3:"], "-p", 0, "-K:", "-Z", "-H", "origin=test", "-H", "n=7")
    told = [json.loads(line) for line in kcat.consume(topic, "-J")]
    expect([(m["key"], m["payload"]) for m in told], [("k1", "v1"), ("k2", "v2"), ("k3", None)], "keys, values, a null value")
    expect(told[0]["headers"], ["origin", "test", "n", "7"], "headers")
    expect([m["offset"] for m in told], [0, 1, 2], "offsets")
    assert all(abs(m["ts"] / 1000 - time.time()) < 120 for m in told), told


def offsets_by_time(kcat, topic):
    kcat.produce(topic, ["a", "b"], "-p", 0)
    time.sleep(0.05)
    middle = int(time.time() * 1000)
    time.sleep(0.05)
    kcat.produce(topic, ["c", "d"], "-p", 0, "-z", "gzip")
    expect(kcat("-Q", "-t", f"{topic}:0:{middle}").strip(), f"{topic} [0] offset 2", "offset for a time")
    expect(kcat("-Q", "-t", f"{topic}:0:-2").strip(), f"{topic} [0] offset 0", "earliest")
    expect(kcat("-Q", "-t", f"{topic}:0:-1").strip(), f"{topic} [0] offset 4", "latest")
    expect(kcat("-Q", "-t", f"{topic}:0:{middle + 600000}").strip(), f"{topic} [0] offset -1", "later than everything")
    expect(kcat.consume(topic, "-o", f"s@{middle}"), ["c", "d"], "consume from a time")


def positions(kcat, topic):
    kcat.produce(topic, [str(i) for i in range(20)], "-p", 0)
    expect(kcat.consume(topic, "-o", 15), ["15", "16", "17", "18", "19"], "absolute")
    expect(kcat.consume(topic, "-o", -3), ["17", "18", "19"], "from the end")
    expect(kcat.consume(topic, "-o", "beginning", "-c", 2), ["0", "1"], "count")
    expect(kcat.consume(topic, "-o", "end"), [], "end")


def offset_out_of_range(kcat, topic):
    kcat.produce(topic, ["a", "b", "c"], "-p", 0)
    expect(kcat.consume(topic, "-o", 1000, "-X", "topic.auto.offset.reset=earliest"), ["a", "b", "c"], "reset to earliest")


def groups(kcat, topic):
    kcat.produce(topic, [str(i) for i in range(10)], "-p", 0)
    arguments = ["-G", f"{topic}-group", "-e", "-q", "-X", "auto.offset.reset=earliest", topic]
    expect(sorted(kcat(*arguments, timeout=60).split(), key=int), [str(i) for i in range(10)], "first time")
    expect(kcat(*arguments, timeout=60).split(), [], "second time")
    kcat.produce(topic, ["10", "11"], "-p", 0)
    expect(kcat(*arguments, timeout=60).split(), ["10", "11"], "goes on")


def partitioned(kcat, topic, address):
    create(address, topic, 4)
    lines = [f"k{i}:{i}" for i in range(200)]
    kcat.produce(topic, lines, "-K:")
    seen = [int(line) for p in range(4) for line in kcat.consume(topic, partition=p)]
    expect(sorted(seen), list(range(200)), "all partitions together")
    counts = [len(kcat.consume(topic, partition=p)) for p in range(4)]
    assert all(counts), f"keys spread over {counts}"


def create(address, topic, partitions):
    """Debian's own Python client makes the topic: kcat cannot."""
    program = ("from confluent_kafka.admin import AdminClient, NewTopic; import sys\n"
               "admin = AdminClient({'bootstrap.servers': sys.argv[1]})\n"
               "[f.result(20) for f in admin.create_topics([NewTopic(sys.argv[2], int(sys.argv[3]), 1)]).values()]")
    subprocess.run([cache.DEBIAN_PYTHON, "-c", program, address, topic, str(partitions)], check=True, timeout=40, capture_output=True)


def acks(kcat, topic):
    for level in ("0", "1", "all"):
        kcat.produce(f"{topic}-{level}", [str(i) for i in range(100)], "-p", 0, "-X", f"acks={level}")
        until = time.time() + 10
        while len(kcat.consume(f"{topic}-{level}")) < 100 and time.time() < until:
            time.sleep(0.2)  # acks=0 says nothing of when
        expect(kcat.consume(f"{topic}-{level}"), [str(i) for i in range(100)], f"acks={level}")


def idempotence(kcat, topic):
    lines = [str(i) for i in range(2000)]
    kcat.produce(topic, lines, "-p", 0, "-X", "enable.idempotence=true", "-X", "batch.num.messages=10")
    expect(kcat.consume(topic), lines, "in order, once")


def large(kcat, topic):
    lines = [c * 900_000 for c in "abc"]
    kcat.produce(topic, lines, "-p", 0)
    expect([len(x) for x in kcat.consume(topic)], [900_000] * 3, "sizes")
    refused = subprocess.run(["kcat", "-b", kcat.address, "-P", "-t", topic, "-p", "0", "-X", "message.max.bytes=4000000"],
                             input=b"z" * 1_500_000 + b"\n", capture_output=True, timeout=60)
    assert b"too large" in refused.stderr.lower() or b"MSG_SIZE" in refused.stderr, f"a record over max.message.bytes: {refused.stderr[-300:]}"
    expect(len(kcat.consume(topic)), 3, "nothing of the refused one")


def unknown_topic(kcat, topic):
    """Consumers ask without auto-creation by default; the topic must not appear."""
    done = subprocess.run(["kcat", "-b", kcat.address, "-C", "-t", topic, "-p", "0", "-e", "-q", "-X", "allow.auto.create.topics=false"],
                          capture_output=True, timeout=60)
    assert done.returncode != 0 and b"nknown" in done.stderr, done.stderr[-300:]
    assert topic not in [t["topic"] for t in json.loads(kcat("-L", "-J"))["topics"]], "the topic appeared"


def run(context):
    cache.apt()
    suite = context.suite("kcat", "kcat (Debian)", f"{cache.debian_version('kcat')}, librdkafka {cache.debian_version('librdkafka1')}")
    kcat = Kcat(context.address)
    simple = [metadata, codecs, keys_and_headers, offsets_by_time, positions, offset_out_of_range, groups, acks, idempotence, large, unknown_topic]
    for test in simple:
        if suite.wants(test.__name__):
            with suite.case(test.__name__):
                test(kcat, context.topic(f"kcat-{test.__name__}"))
    if suite.wants("partitioned"):
        with suite.case("partitioned"):
            partitioned(kcat, context.topic("kcat-partitioned"), context.address)
