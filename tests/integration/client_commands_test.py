#!/usr/bin/env python3
"""weir topic, group, pub, sub, tail, peek and bench against a broker, as a user types them."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker, DEADLINE_S  # noqa: E402
from client import Client, wire  # noqa: E402
from proxy import Proxy  # noqa: E402


def weir(b, *args, stdin="", code=0):
    """Runs a command; gives (stdout, stderr)."""
    done = subprocess.run([broker.weir_binary(), *map(str, args), "--brokers", b.bootstrap], input=stdin.encode(),
                          capture_output=True, timeout=DEADLINE_S, env=broker.plain_environment())
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"weir {args} ended with {done.returncode}:\n{out}\n{err}"
    return out, err


def read_json(b, *args):
    return json.loads(weir(b, *args, "-o", "json")[0])


def read_lines(b, *args):
    return [json.loads(line) for line in weir(b, *args, "-o", "json")[0].splitlines()]


class Topics(unittest.TestCase):
    def test_topic_life(self):
        with Broker() as b:
            weir(b, "topic", "create", "a", "-p", 3, "--set", "retention.ms=60000")
            weir(b, "topic", "create", "a", code=1)
            weir(b, "topic", "create", "a", "--if-not-exists")
            weir(b, "topic", "create", "ghost", "--dry-run")
            self.assertEqual([("a", 3)], [(t["topic"], t["partitions"]) for t in read_json(b, "topic", "list")])
            weir(b, "topic", "alter", "a", "-p", 5, "--unset", "retention.ms", "--set", "max.message.bytes=1000")
            told = read_json(b, "topic", "describe", "a")[0]
            self.assertEqual(5, len(told["partitions"]))
            own = {s["name"]: s["value"] for s in told["settings"] if not s["default"]}
            self.assertEqual({"max.message.bytes": "1000"}, own)
            weir(b, "topic", "alter", "a", code=2)
            weir(b, "topic", "alter", "a", "-p", 2, code=1)
            weir(b, "topic", "delete", "a")
            self.assertEqual([], read_json(b, "topic", "list"))
            _, said = weir(b, "topic", "describe", "a", code=1)
            self.assertIn("UNKNOWN_TOPIC_OR_PARTITION", said)

    def test_a_broker_that_leaves_out_what_it_was_asked_for_is_named(self):
        nothing = b"\0" + struct.pack(">i", 0) + b"\1\0"  # a flexible ListOffsets answer without topics
        with Broker() as b, Proxy(b.address, api_key=2, answer=nothing) as between:
            weir(b, "topic", "create", "t", "-p", 2)
            _, said = weir(between, "topic", "describe", "t", code=1)
            self.assertIn("t partition 0: the broker's answer leaves it out", said)
            self.assertGreater(between.asked, 0)

    def test_nobody_there(self):
        done = subprocess.run([broker.weir_binary(), "topic", "list", "-b", "127.0.0.1:1"], capture_output=True, text=True,
                              timeout=DEADLINE_S)
        self.assertEqual(1, done.returncode)
        self.assertIn("weir doctor", done.stderr)


class Records(unittest.TestCase):
    def test_published_records_are_read_as_they_were(self):
        with Broker() as b, tempfile.NamedTemporaryFile() as f:
            f.write(b"\xff\x00binary\n")
            f.flush()
            weir(b, "topic", "create", "t")
            weir(b, "pub", "t", "-p", 0, "-H", "h=1", "-H", "h=2", "--key-separator", ":", stdin="plain\nk:with key\n\n")
            for codec in ("gzip", "snappy", "lz4", "zstd"):
                weir(b, "pub", "t", f"by {codec}", "-z", codec, "-p", 0)
            weir(b, "pub", "t", "--file", f.name, "-k", "file", "-p", 0)
            seen = read_lines(b, "sub", "t", "--from", "earliest", "--exit")
            self.assertEqual(["plain", "with key", "", "by gzip", "by snappy", "by lz4", "by zstd", None],
                             [r.get("value") for r in seen])
            self.assertEqual([None, "k", None, None, None, None, None, "file"], [r["key"] for r in seen])
            self.assertEqual([{"name": "h", "value": "1"}, {"name": "h", "value": "2"}], seen[0]["headers"])
            self.assertEqual("/wBiaW5hcnkK", seen[-1]["value_base64"])
            self.assertEqual(list(range(8)), [r["offset"] for r in seen])

    def test_keys_go_where_java_clients_send_them(self):
        with Broker() as b:
            weir(b, "topic", "create", "t", "-p", 7)
            weir(b, "pub", "t", "--key-separator", "=", stdin="21=a\nfoobar=b\n")
            places = {r["key"]: r["partition"] for r in read_lines(b, "sub", "t", "--from", "earliest", "--exit")}
            # murmur2 of the key without its sign bit, modulo 7
            self.assertEqual({"21": (-973932308 & 0x7fffffff) % 7, "foobar": (-790332482 & 0x7fffffff) % 7}, places)

    def test_tail_and_peek(self):
        with Broker() as b:
            weir(b, "topic", "create", "t", "-p", 2)
            for i in range(6):
                weir(b, "pub", "t", f"r{i}", "-p", i % 2, "--timestamp", 1_700_000_000_000 + i * 1000)
            self.assertEqual("r3\nr4\nr5\n", weir(b, "tail", "t", "-n", 3)[0])
            self.assertEqual("", weir(b, "tail", "t", "-n", 0)[0])
            self.assertEqual("r2", read_lines(b, "peek", "t", "-p", 0, "--from", 1)[0]["value"])
            self.assertEqual(["r4"], [r["value"] for r in read_lines(b, "peek", "t", "-p", 0, "-n", 9, "--from", "@1700000003000")])
            self.assertEqual("", weir(b, "peek", "t", "--from", "latest")[0])
            self.assertEqual([], read_json(b, "group", "list"), "peek leaves nothing behind")
            weir(b, "peek", "t", "-p", 2, code=1)


class Groups(unittest.TestCase):
    def test_sub_goes_on_where_its_group_was(self):
        with Broker() as b:
            weir(b, "topic", "create", "t")
            weir(b, "pub", "t", "one", "two")
            self.assertEqual("one\ntwo\n", weir(b, "sub", "t", "-g", "g", "--from", "earliest", "--exit")[0])
            weir(b, "pub", "t", "three")
            self.assertEqual("three\n", weir(b, "sub", "t", "-g", "g", "--from", "earliest", "--exit")[0])

    def test_sub_says_so_when_what_its_group_committed_is_gone(self):
        with Broker() as b:
            weir(b, "topic", "create", "t")
            weir(b, "pub", "t", stdin="".join(f"{i}\n" for i in range(10)))
            weir(b, "sub", "t", "-g", "g", "--from", "earliest", "-n", 2)
            weir(b, "sub", "t", "-g", "h", "--from", "earliest", "-n", 2)
            client = Client(b.address)
            answer = client.call('i16:21 i16:0 i32:CORR str:"me" arr:1 str:"t" arr:1 i32:0 i64:7 i32:30000')
            wire.match_line(wire.parse('i32:0 arr:1 str:"t" arr:1 i32:0 i64:7 i16:0'), answer, {})
            client.close()
            seen, said = weir(b, "sub", "t", "-g", "g", "--exit")
            self.assertEqual("7\n8\n9\n", seen)
            self.assertIn("group g committed 2 in t partition 0, which has 7 to 10: goes on at 7", said)
            self.assertEqual(("", ""), weir(b, "sub", "t", "-g", "g", "--exit"))
            # Who says where to begin begins there.
            seen, said = weir(b, "sub", "t", "-g", "h", "--from", "9", "--exit")
            self.assertEqual("9\n", seen)
            self.assertIn("goes on at 9", said)
            # And a topic that was made anew is shorter than what was committed. Its offsets went with it.
            weir(b, "topic", "delete", "t")
            weir(b, "topic", "create", "t")
            self.assertEqual(("", ""), weir(b, "sub", "t", "-g", "g", "--exit"))

    def test_reset_previews_then_does(self):
        with Broker() as b:
            weir(b, "topic", "create", "t", "-p", 1)
            for i in range(10):
                weir(b, "pub", "t", f"r{i}", "--timestamp", 1_700_000_000_000 + i * 1000)
            weir(b, "sub", "t", "-g", "g", "--from", "earliest", "--exit")

            def committed():
                return read_json(b, "group", "describe", "g")[0]["offsets"][0]["committed"]

            self.assertEqual(10, committed())
            told, said = weir(b, "group", "reset", "g", "--to-earliest", "-o", "json")
            self.assertEqual([0], [row["new"] for row in json.loads(told)])
            self.assertIn("--execute", said)
            self.assertEqual(10, committed(), "a preview changes nothing")
            for how, where in ((["--to-offset", 4], 4), (["--shift-by", -3], 1), (["--to-time", "1700000006500"], 7),
                               (["--to-time", "2033-01-01"], 10), (["--to-offset", 999], 10), (["--to-earliest"], 0),
                               (["--to-latest"], 10)):
                weir(b, "group", "reset", "g", *how, "--execute")
                self.assertEqual(where, committed(), how)
            weir(b, "group", "reset", "g", code=2)
            weir(b, "group", "reset", "g", "--to-latest", "--to-earliest", code=2)
            weir(b, "group", "reset", "nobody", "--to-latest", code=1)
            weir(b, "group", "delete", "g")
            weir(b, "group", "delete", "g", code=1)
            self.assertEqual([], read_json(b, "group", "list"))


class Bench(unittest.TestCase):
    def test_produce_counts_what_is_there(self):
        with Broker() as b:
            told = read_json(b, "bench", "produce", "--records", 5000, "--size", 100, "--batch", 1000, "-p", 4, "-c", 2, "-q")
            self.assertEqual(0, told["errors"])
            self.assertEqual(b.pid, told["broker_pid"])
            self.assertGreater(told["broker_rss_bytes"], 1 << 20)
            self.assertGreaterEqual(told["p999_us"], told["p50_us"])
            parts = read_json(b, "topic", "describe", "weir-bench")[0]["partitions"]
            there = sum(p["latest"] for p in parts)
            self.assertGreaterEqual(there, 5000)
            self.assertEqual(4, len([p for p in parts if p["latest"] > 0]), "all partitions got some")
            several = read_json(b, "bench", "consume", "-p", 4, "--to-end", "--seconds", 60, "--in-flight", 2, "-q")
            self.assertEqual(several["records"], 5000, several)
            read = read_json(b, "bench", "consume", "-p", 4, "--to-end", "--seconds", 60, "-q")
            self.assertEqual((there, 0), (read["records"], read["errors"]))

    def test_both_and_latency_follow_every_record(self):
        with Broker() as b:
            told = read_json(b, "bench", "both", "--seconds", 1, "--rate", 2000, "--size", 100, "-q")
            self.assertEqual(0, told["errors"])
            self.assertGreater(told["consumed_records"], 0)
            self.assertGreaterEqual(told["e2e_max_us"], told["e2e_p50_us"])
            told = read_json(b, "bench", "latency", "--seconds", 1, "--size", 64, "-q")
            self.assertEqual(told["records"], told["requests"], "one record at a time")

    def test_a_broker_that_cannot_keep_up_shows_in_the_latency(self):
        with Broker() as b:
            told = read_json(b, "bench", "produce", "--seconds", 1, "--rate", 50_000_000, "--batch", 1, "--in-flight", 1, "-q")
            self.assertGreater(told["unsent"], 0)
            self.assertGreater(told["p50_us"], 100_000, "counted from when they were due, not from when they were sent")

    def test_errors_are_errors(self):
        with Broker() as b:
            weir(b, "topic", "create", "small", "--set", "max.message.bytes=500")
            out, _ = weir(b, "bench", "produce", "-t", "small", "--size", 1000, "--batch", 1, "--seconds", 0.2, "-q", "-o", "json", code=1)
            told = json.loads(out)
            self.assertGreater(told["errors"], 0)
            self.assertEqual(0, told["records"])
            self.assertIn("MESSAGE_TOO_LARGE", told["first_error"])


if __name__ == "__main__":
    broker.main()
