#!/usr/bin/env python3
"""Clients that Debian packages, unmodified: kcat, python3-kafka, python3-confluent-kafka."""
import pathlib
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker, DEADLINE_S, until  # noqa: E402


def kcat(b, *args, stdin=None):
    done = subprocess.run(["kcat", "-b", b.bootstrap, *args], input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE_S)
    assert done.returncode == 0, f"kcat {args}: {done.stderr}"
    return done.stdout


class Kcat(unittest.TestCase):
    def test_metadata(self):
        with Broker() as b:
            self.assertIn("1 brokers", kcat(b, "-L"))
            self.assertIn(b.bootstrap, kcat(b, "-L"))

    def round_trip(self, codec):
        lines = [f"line {i} {'x' * (i % 50)}" for i in range(2000)]
        with Broker() as b:
            kcat(b, "-P", "-t", "lines", "-z", codec, stdin="\n".join(lines) + "\n")
            self.assertEqual(lines, kcat(b, "-C", "-t", "lines", "-e", "-q").splitlines())
            b.stop()
            b.start()
            self.assertEqual(lines, kcat(b, "-C", "-t", "lines", "-e", "-q").splitlines())

    def test_codec_none(self):
        self.round_trip("none")

    def test_codec_gzip(self):
        self.round_trip("gzip")

    def test_codec_snappy(self):
        self.round_trip("snappy")

    def test_codec_lz4(self):
        self.round_trip("lz4")

    def test_codec_zstd(self):
        self.round_trip("zstd")

    def test_keys_headers_and_tombstones(self):
        with Broker() as b:
            kcat(b, "-P", "-t", "kv", "-K", ":", "-Z", "-H", "a=1", "-H", "b=two", stdin="k1:v1\nk2:\n")
            out = kcat(b, "-C", "-t", "kv", "-e", "-q", "-Z", "-f", "%o %k %s %h\n")
            self.assertEqual(["0 k1 v1 a=1,b=two", "1 k2 NULL a=1,b=two"], out.splitlines())

    def test_offsets(self):
        with Broker() as b:
            kcat(b, "-P", "-t", "o", stdin="".join(f"{i}\n" for i in range(10)))
            self.assertEqual(["3", "4", "5", "6", "7", "8", "9"],
                             kcat(b, "-C", "-t", "o", "-o", "3", "-e", "-q").split())
            self.assertEqual(["8", "9"], kcat(b, "-C", "-t", "o", "-o", "-2", "-e", "-q").split())
            self.assertEqual(["9"], kcat(b, "-C", "-t", "o", "-o", "9", "-c", "1", "-q").split())
            self.assertIn("offset 10", kcat(b, "-Q", "-t", "o:0:-1"))

    def test_offset_by_time(self):
        with Broker() as b:
            kcat(b, "-P", "-t", "times", "-z", "gzip", stdin="a\nb\n")
            stamp = int(kcat(b, "-C", "-t", "times", "-e", "-q", "-f", "%T\n").split()[0])
            self.assertIn("offset 0", kcat(b, "-Q", "-t", f"times:0:{stamp}"))
            self.assertIn("offset -1", kcat(b, "-Q", "-t", f"times:0:{stamp + 3_600_000}"))

    def test_a_waiting_reader_gets_what_comes(self):
        with Broker() as b:
            kcat(b, "-P", "-t", "live", stdin="first\n")
            reader = subprocess.Popen(["kcat", "-b", b.bootstrap, "-C", "-t", "live", "-c", "2", "-q", "-u"],
                                      stdout=subprocess.PIPE, text=True)
            self.assertEqual("first\n", reader.stdout.readline())
            kcat(b, "-P", "-t", "live", stdin="second\n")
            out, _ = reader.communicate(timeout=DEADLINE_S)
            self.assertEqual("second\n", out)

    def test_balanced_group(self):
        with Broker() as b:
            kcat(b, "-P", "-t", "g", stdin="a\nb\nc\n")
            args = ("-G", "readers", "-X", "auto.offset.reset=earliest", "-e", "-q", "g")
            self.assertEqual(["a", "b", "c"], kcat(b, *args).split())
            kcat(b, "-P", "-t", "g", stdin="d\n")
            self.assertEqual(["d"], kcat(b, *args).split())

    def test_one_megabyte(self):
        with Broker() as b:
            text = "m" * 900_000
            kcat(b, "-P", "-t", "big", stdin=text + "\n")
            self.assertEqual(text + "\n", kcat(b, "-C", "-t", "big", "-e", "-q"))


class PythonKafka(unittest.TestCase):
    def setUp(self):
        import kafka
        self.kafka = kafka

    def test_send_and_read(self):
        with Broker() as b:
            producer = self.kafka.KafkaProducer(bootstrap_servers=b.bootstrap, acks="all", compression_type="gzip")
            offsets = [producer.send("t", b"v%d" % i, key=b"k", headers=[("h", b"1")]).get(DEADLINE_S).offset
                       for i in range(20)]
            self.assertEqual(list(range(20)), offsets)
            consumer = self.kafka.KafkaConsumer("t", bootstrap_servers=b.bootstrap, auto_offset_reset="earliest")
            read = [next(consumer) for _ in range(20)]
            self.assertEqual([b"v%d" % i for i in range(20)], [m.value for m in read])
            self.assertEqual([("h", b"1")], read[0].headers)
            consumer.close()
            producer.close()

    def test_group_shares_and_takes_over(self):
        with Broker() as b:
            admin = self.kafka.KafkaAdminClient(bootstrap_servers=b.bootstrap)
            admin.create_topics([self.kafka.admin.NewTopic("work", 4, 1)])
            consumers = [self._consumer(b) for _ in range(2)]
            try:
                self._poll_until(consumers, lambda: sorted(len(c.assignment()) for c in consumers) == [2, 2])
                consumers.pop().close()
                self._poll_until(consumers, lambda: len(consumers[0].assignment()) == 4)
            finally:
                for consumer in consumers:
                    consumer.close()
                admin.close()

    def test_commits_survive_a_restart(self):
        with Broker() as b:
            listen = "%s:%d" % b.address
            producer = self.kafka.KafkaProducer(bootstrap_servers=listen, acks="all")
            for i in range(10):
                producer.send("c", b"%d" % i).get(DEADLINE_S)
            producer.close()
            consumer = self._consumer(b, "c", enable_auto_commit=False)
            self.assertEqual([b"%d" % i for i in range(4)], [next(consumer).value for _ in range(4)])
            consumer.commit()
            consumer.close()
            b.kill()
            b.start()
            consumer = self._consumer(b, "c")
            self.assertEqual(b"4", next(consumer).value)
            consumer.close()

    def _consumer(self, b, topic="work", **options):
        return self.kafka.KafkaConsumer(topic, bootstrap_servers=b.bootstrap, group_id="team",
                                        auto_offset_reset="earliest", **options)

    def _poll_until(self, consumers, condition):
        def poll_all():
            threads = [threading.Thread(target=c.poll, kwargs={"timeout_ms": 200}) for c in consumers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return condition()
        until(poll_all, "the assignment that was waited for")


class Confluent(unittest.TestCase):
    def setUp(self):
        import confluent_kafka
        import confluent_kafka.admin
        self.ck = confluent_kafka

    def test_idempotent_producer_and_consumer(self):
        with Broker() as b:
            done = []
            producer = self.ck.Producer({"bootstrap.servers": b.bootstrap, "enable.idempotence": True})
            for i in range(5000):
                producer.produce("idem", b"%d" % i, partition=0, on_delivery=lambda error, m: done.append((error, m.offset())))
                producer.poll(0)
            self.assertEqual(0, producer.flush(DEADLINE_S))
            self.assertEqual([(None, i) for i in range(5000)], done)
            self.assertEqual([b"%d" % i for i in range(5000)], self._read(b, "idem", 5000))

    def _read(self, b, topic, count):
        consumer = self.ck.Consumer({"bootstrap.servers": b.bootstrap, "group.id": "r", "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        values = []

        def enough():
            for m in consumer.consume(1000, 0.2):
                self.assertIsNone(m.error())
                values.append(m.value())
            return len(values) >= count
        until(enough, f"{count} messages")
        consumer.close()
        return values

    def test_admin(self):
        admin_module = self.ck.admin
        with Broker() as b:
            admin = admin_module.AdminClient({"bootstrap.servers": b.bootstrap})
            topic = admin_module.NewTopic("a", num_partitions=3, replication_factor=1,
                                          config={"retention.ms": "3600000", "cleanup.policy": "compact"})
            admin.create_topics([topic])["a"].result(DEADLINE_S)
            self.assertEqual(3, len(admin.list_topics(timeout=DEADLINE_S).topics["a"].partitions))
            resource = admin_module.ConfigResource(admin_module.ConfigResource.Type.TOPIC, "a")
            configs = list(admin.describe_configs([resource]).values())[0].result(DEADLINE_S)
            self.assertEqual("3600000", configs["retention.ms"].value)
            self.assertEqual("compact", configs["cleanup.policy"].value)
            admin.create_partitions([admin_module.NewPartitions("a", 5)])["a"].result(DEADLINE_S)
            until(lambda: len(admin.list_topics(timeout=DEADLINE_S).topics["a"].partitions) == 5, "five partitions")
            with self.assertRaises(self.ck.KafkaException) as raised:
                admin.create_topics([topic])["a"].result(DEADLINE_S)
            self.assertEqual(self.ck.KafkaError.TOPIC_ALREADY_EXISTS, raised.exception.args[0].code())
            admin.delete_topics(["a"])["a"].result(DEADLINE_S)
            until(lambda: "a" not in admin.list_topics(timeout=DEADLINE_S).topics, "the topic is gone")

    def _configured(self, b, topic, **config):
        admin_module = self.ck.admin
        admin = admin_module.AdminClient({"bootstrap.servers": b.bootstrap})
        names = {name.replace("_", "."): value for name, value in config.items()}
        admin.create_topics([admin_module.NewTopic(topic, 1, 1, config=names)])[topic].result(DEADLINE_S)
        resource = admin_module.ConfigResource(admin_module.ConfigResource.Type.TOPIC, topic)
        shown = list(admin.describe_configs([resource]).values())[0].result(DEADLINE_S)
        self.assertEqual(names, {name: shown[name].value for name in names})

    def test_an_async_topic(self):
        with Broker() as b:
            self._configured(b, "memory", weir_durability="async")
            done = []
            producer = self.ck.Producer({"bootstrap.servers": b.bootstrap, "enable.idempotence": True})
            for i in range(3000):
                producer.produce("memory", b"%d" % i, on_delivery=lambda error, m: done.append((error, m.offset())))
                producer.poll(0)
            self.assertEqual(0, producer.flush(DEADLINE_S))
            self.assertEqual([(None, i) for i in range(3000)], done)
            self.assertEqual([b"%d" % i for i in range(3000)], self._read(b, "memory", 3000))
            b.stop()  # a clean stop loses nothing
            b.start()
            self.assertEqual((0, 3000), self._marks(b, "memory"))

    def _marks(self, b, topic):
        consumer = self.ck.Consumer({"bootstrap.servers": b.bootstrap, "group.id": "marks"})
        marks = consumer.get_watermark_offsets(self.ck.TopicPartition(topic, 0), timeout=DEADLINE_S)
        consumer.close()
        return marks

    def test_a_group_that_committed_what_a_crash_took(self):
        """The commit is behind the end, as after a crash of an async topic: the client resets by its policy."""
        with Broker() as b:
            self._configured(b, "memory", weir_durability="async")
            producer = self.ck.Producer({"bootstrap.servers": b.bootstrap})
            for i in range(10):
                producer.produce("memory", b"%d" % i)
            self.assertEqual(0, producer.flush(DEADLINE_S))
            consumer = self.ck.Consumer({"bootstrap.servers": b.bootstrap, "group.id": "r"})
            consumer.commit(offsets=[self.ck.TopicPartition("memory", 0, 50)], asynchronous=False)
            consumer.close()
            b.kill()
            b.start()
            end = self._marks(b, "memory")[1]
            self.assertLessEqual(end, 10)
            producer = self.ck.Producer({"bootstrap.servers": b.bootstrap})
            producer.produce("memory", b"more")
            self.assertEqual(0, producer.flush(DEADLINE_S))
            self.assertEqual([b"%d" % i for i in range(end)] + [b"more"], self._read(b, "memory", end + 1))

    def test_the_session_goes_on_over_a_restart(self):
        with Broker() as b:
            host, port = b.address
            errors = []
            producer = self.ck.Producer({"bootstrap.servers": b.bootstrap, "enable.idempotence": True,
                                         "reconnect.backoff.max.ms": 200})

            def send(first, last):
                for i in range(first, last):
                    producer.produce("go-on", b"%d" % i, partition=0,
                                     on_delivery=lambda error, m: errors.append(error) if error else None)
                    producer.poll(0)
            send(0, 500)
            self.assertEqual(0, producer.flush(DEADLINE_S))
            b.stop()
            b.args[b.args.index("--listen") + 1] = f"kafka={host}:{port}"
            send(500, 600)
            b.start()
            self.assertEqual(0, producer.flush(DEADLINE_S))
            self.assertEqual([], errors)
            self.assertEqual([b"%d" % i for i in range(600)], self._read(b, "go-on", 600))


if __name__ == "__main__":
    broker.main()
