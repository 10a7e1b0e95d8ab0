#!/usr/bin/env python3
"""Three reactors with everything going on at once: the run for the thread sanitizer, and a check that nothing is lost between
reactors. WEIR_REACTORS_SECONDS sets how long the load goes on (default 3)."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import traceback
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker, DEADLINE_S  # noqa: E402
from client import Client  # noqa: E402

SECONDS = int(os.environ.get("WEIR_REACTORS_SECONDS", "3"))
PARTITIONS = 8
# Small enough that checkpoints, recycled WAL files and merges happen while the load goes on.
SMALL = ("--threads.reactors", "3", "--storage.ring_bytes", "8MiB", "--storage.wal_file_bytes", "4MiB",
         "--storage.checkpoint_bytes", "2MiB", "--storage.checkpoint_interval", "1s")


def start_weir(b, *args):
    """A command of the command line beside the test."""
    return subprocess.Popen([broker.weir_binary(), *map(str, args), "--brokers", b.bootstrap], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=broker.plain_environment())


def finished(process):
    out, err = process.communicate(timeout=SECONDS + DEADLINE_S)
    assert process.returncode == 0, f"{process.args} ended with {process.returncode}\n{out}\n{err}"
    return out


class Until(threading.Thread):
    """Does something again and again until stopped; what it raised fails the test."""

    def __init__(self, what, *args):
        super().__init__(daemon=True)
        self.what, self.args, self.stopping, self.error, self.count = what, args, threading.Event(), None, 0
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.what(*self.args, self.count)
                self.count += 1
        except Exception:  # handed to the test by stop()
            self.error = traceback.format_exc()

    def stop(self):
        self.stopping.set()
        self.join(DEADLINE_S)
        assert self.error is None, self.error
        assert self.count > 0, f"{self.what.__name__} never ran"


class Churn:
    """What goes on beside the load, each on its own connection."""

    def __init__(self, b):
        self.b, self.client = b, Client(b.address)

    def questions(self, number):
        status = self.b.admin("status")
        assert len(status["reactors"]) == 3, status
        self.b.admin("connections")
        if number % 10 == 9:
            self.b.admin("checkpoint")

    def topics(self, number):
        name = f"passing-{number}"
        self.client.create(name)
        self.client.produce(name, "x")
        assert self.client.delete(name) == 0

    def connections(self, number):
        peers = [socket.create_connection(self.b.address) for _ in range(10)]
        for i, s in enumerate(peers):
            s.sendall(b"\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff"[:4 + i + number % 2])
        for s in peers:
            s.close()


class Group:
    """Members of one consumer group, over all partitions; they come and go."""

    def __init__(self, b, topic):
        import confluent_kafka
        self.ck, self.b, self.topic, self.read = confluent_kafka, b, topic, 0

    def member(self, _number):
        consumer = self.ck.Consumer({"bootstrap.servers": self.b.bootstrap, "group.id": "team",
                                     "auto.offset.reset": "earliest", "session.timeout.ms": 10000})
        consumer.subscribe([self.topic])
        for _ in range(8):
            for message in consumer.consume(2000, 0.25):
                assert message.error() is None, message.error()
                self.read += 1
        consumer.close()


class Reactors(unittest.TestCase):
    def everything_at_once(self, b):
        """Load from several connections, and all of the above. The number of records that were acknowledged."""
        churn, group = Churn(b), Group(b, "weir-bench")
        subprocess.run([broker.weir_binary(), "topic", "create", "weir-bench", "-p", str(PARTITIONS), "--if-not-exists",
                        "--brokers", b.bootstrap], check=True, capture_output=True, env=broker.plain_environment())
        beside = [Until(churn.questions), Until(churn.topics), Until(churn.connections), Until(group.member),
                  Until(group.member)]
        loads = [start_weir(b, "bench", "produce", "-p", PARTITIONS, "-c", 4, "-s", 200, "-n", SECONDS, "--batch", batch,
                            "--rate", 20000, "-q", "-o", "json") for batch in (1, 4000)]
        loads.append(start_weir(b, "bench", "consume", "-p", PARTITIONS, "-c", 3, "-n", SECONDS, "-q", "-o", "json"))
        told = [json.loads(finished(load)) for load in loads]
        # A member that comes or goes starts a rebalance; on a slow machine they get to reading when the load is over.
        broker.until(lambda: group.read > 0, "the group reads")
        for thread in beside:
            thread.stop()
        self.assertGreater(told[2]["records"], 0)
        return told[0]["records"] + told[1]["records"]

    def count(self, b):
        out = finished(start_weir(b, "topic", "describe", "weir-bench", "-o", "json"))
        return sum(p["latest"] - p["earliest"] for p in json.loads(out)[0]["partitions"])

    def test_load_groups_topics_and_questions_at_once(self):
        with Broker(*SMALL) as b:
            self.assertGreaterEqual(self.count_after(b), 1)

    def count_after(self, b):
        acknowledged = self.everything_at_once(b)
        there = self.count(b)
        self.assertGreaterEqual(there, acknowledged)
        self.assertEqual(0, b.stop(), b.stderr()[-4000:])
        b.start()
        self.assertEqual(there, self.count(b))
        return there

    def test_killed_under_load(self):
        with Broker(*SMALL) as b:
            before = self.everything_at_once(b)
            load = start_weir(b, "bench", "produce", "-p", PARTITIONS, "-c", 4, "-s", 200, "-n", 60, "-q")
            self.until_grown(b, before)
            b.kill()
            load.communicate(timeout=DEADLINE_S)
            self.assertNotEqual(0, load.returncode)
            b.start()
            self.assertGreaterEqual(self.count(b), before)

    def until_grown(self, b, before):
        for _ in range(1000):
            if self.count(b) > before:
                return
        self.fail("the load does not get in")


if __name__ == "__main__":
    broker.main()
