#!/usr/bin/env python3
"""kill -9 under load from an idempotent librdkafka producer: nothing acknowledged lost, nothing twice, order kept. On an async
topic what was acknowledged last may be lost, and nothing else.

WEIR_KILL_ROUNDS sets the rounds (default 4). The seed of the kill times is printed; WEIR_KILL_SEED repeats them.
"""
import os
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker, DEADLINE_S, until  # noqa: E402

ROUNDS = int(os.environ.get("WEIR_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("WEIR_KILL_SEED", str(int(time.time()))))
PARTITIONS = 3


class Load:
    """Numbered messages to each partition, and what was acknowledged of them."""

    def __init__(self, confluent, bootstrap, record_bytes=0, waiting_max=20000):
        self.record_bytes = record_bytes
        self.waiting_max = waiting_max
        self.producer = confluent.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 0,
            "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "queue.buffering.max.messages": 100000})
        self.next = [0] * PARTITIONS
        self.acked = [{} for _ in range(PARTITIONS)]  # number -> offset
        self.errors = []

    def _delivered(self, error, message):
        if error is not None:
            self.errors.append(str(error))
        else:
            self.acked[message.partition()][self.number(message.value())] = message.offset()

    def value(self, number):
        text = b"%d " % number
        return text * (self.record_bytes // len(text)) if self.record_bytes else text

    def number(self, value):
        """The number in a value; -1 when the value is not what was sent."""
        found = int(value[:value.index(b" ")])
        return found if value == self.value(found) else -1

    def send(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for partition in range(PARTITIONS):
                if len(self.producer) < self.waiting_max:
                    self.producer.produce("kill", self.value(self.next[partition]), partition=partition,
                                          on_delivery=self._delivered)
                    self.next[partition] += 1
            self.producer.poll(0)

    def acknowledged(self):
        return sum(len(part) for part in self.acked)


class Kill(unittest.TestCase):
    def setUp(self):
        import confluent_kafka
        import confluent_kafka.admin
        self.ck = confluent_kafka
        print(f"WEIR_KILL_SEED={SEED} WEIR_KILL_ROUNDS={ROUNDS}", flush=True)

    def rounds(self, *args, record_bytes=0, waiting_max=20000):
        chance = random.Random(SEED)
        with Broker(*args) as b:
            b.args[b.args.index("--listen") + 1] = "kafka=%s:%d" % b.address
            admin = self.ck.admin.AdminClient({"bootstrap.servers": b.bootstrap})
            admin.create_topics([self.ck.admin.NewTopic("kill", PARTITIONS, 1)])["kill"].result(DEADLINE_S)
            load = Load(self.ck, b.bootstrap, record_bytes, waiting_max)
            for _ in range(ROUNDS):
                load.send(0.2 + chance.random() * 0.8)
                b.kill()
                load.send(chance.random() * 0.1)
                b.start()
            load.send(0.5)
            self.assertEqual(0, load.producer.flush(DEADLINE_S), "messages that were never answered")
            self.assertEqual([], load.errors[:5])
            self.check(b, load)
            return sum(r["store"]["kept_bytes"] for r in b.admin("status")["reactors"])

    def check(self, b, load):
        """Every partition holds 0, 1, 2, ... once and in order, at the offsets that were acknowledged."""
        self.assertGreater(load.acknowledged(), 0)
        for partition in range(PARTITIONS):
            found = self.read(b, partition, load.number)
            self.assertEqual(list(range(load.next[partition])), [number for _, number in found],
                             f"partition {partition}: lost, doubled or out of order (seed {SEED})")
            at = {number: offset for offset, number in found}
            for number, offset in load.acked[partition].items():
                if offset >= 0:  # librdkafka has no offset for a message that the broker called a duplicate
                    self.assertEqual(at[number], offset)
        print(f"{load.acknowledged()} acknowledged over {ROUNDS} kills, all there once and in order", flush=True)

    def read(self, b, partition, number):
        consumer = self.ck.Consumer({"bootstrap.servers": b.bootstrap, "group.id": "check",
                                     "enable.auto.commit": False, "enable.partition.eof": True})
        consumer.assign([self.ck.TopicPartition("kill", partition, 0)])
        found, end = [], time.monotonic() + DEADLINE_S
        try:
            while time.monotonic() < end:
                for message in consumer.consume(5000, 0.2):
                    if message.error() is None:
                        found.append((message.offset(), number(message.value())))
                    elif message.error().code() == self.ck.KafkaError._PARTITION_EOF:
                        return found
                    else:
                        self.fail(str(message.error()))
            self.fail("the end of the partition was never reached")
        finally:
            consumer.close()

    def test_kill_loop_on_an_async_topic(self):
        chance = random.Random(SEED)
        with Broker() as b:
            b.args[b.args.index("--listen") + 1] = "kafka=%s:%d" % b.address
            admin = self.ck.admin.AdminClient({"bootstrap.servers": b.bootstrap})
            topic = self.ck.admin.NewTopic("kill", PARTITIONS, 1, config={"weir.durability": "async"})
            admin.create_topics([topic])["kill"].result(DEADLINE_S)
            first = [0] * PARTITIONS
            kept = [{} for _ in range(PARTITIONS)]  # number -> offset, of all rounds before
            for _ in range(ROUNDS):
                # A producer of its own each round: what it was told last may be gone, and it would go on behind that.
                load = Load(self.ck, b.bootstrap)
                load.next = list(first)
                until(lambda: load.send(0.05) or load.acknowledged(), "the first acknowledgement")
                load.send(chance.random() * 0.8)
                b.kill()
                load.producer.purge()
                load.producer.flush(DEADLINE_S)
                b.start()
                for partition in range(PARTITIONS):
                    found = {number: offset for offset, number in self.read(b, partition, load.number)}
                    self.assertEqual(sorted(found), list(found), "out of order")
                    self.assertEqual(kept[partition], {n: found[n] for n in kept[partition]}, "changed what was there")
                    there = [n for n in load.acked[partition] if n in found]
                    self.assertEqual(list(load.acked[partition])[:len(there)], there, "lost from the middle")
                    for number in there:
                        self.assertIn(load.acked[partition][number], (found[number], -1))
                    kept[partition] = found
                first = list(load.next)

    def test_kill_loop(self):
        self.rounds()

    def test_kill_loop_on_the_buffered_disk_path(self):
        self.rounds("--storage.disk", "buffered")

    def test_kill_loop_with_three_reactors(self):
        self.rounds("--threads.reactors", "3")

    def test_kill_loop_over_many_checkpoints(self):
        self.rounds("--storage.checkpoint_bytes", "1MiB", "--storage.wal_file_bytes", "4MiB")

    def test_kill_loop_with_records_that_are_written_once(self):
        """Large enough for the WAL's files to be kept as data."""
        kept = self.rounds("--storage.checkpoint_bytes", "24MiB", "--storage.wal_file_bytes", "16MiB",
                           record_bytes=300_000, waiting_max=100)
        self.assertGreater(kept, 0)


if __name__ == "__main__":
    broker.main()
