#!/usr/bin/env python3
"""Peers that misbehave: the broker answers everybody else, keeps its memory bounded and loses nothing."""
import os
import pathlib
import random
import resource
import socket
import struct
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "lib"))
sys.path.insert(0, str(TESTS / "wire"))
import broker  # noqa: E402
import run  # noqa: E402
import wire  # noqa: E402
from broker import Broker, DEADLINE_S  # noqa: E402
from client import Client  # noqa: E402

CONNECTIONS = int(os.environ.get("WEIR_ABUSE_CONNECTIONS", "10000"))


def raise_file_limit(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, count)
    if wanted > hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, PermissionError):
            return False
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


class Abuse(unittest.TestCase):
    def served(self, b, client, topic, numbers):
        """A good client's records get the next offsets, one by one; a new client is answered too."""
        for number in numbers:
            self.assertEqual(number, client.produce(topic, f"v{number}"))
        run.still_answers(b.address)

    def test_slow_loris(self):
        with Broker() as b:
            good = Client(b.address)
            good.create("t")
            slow = [socket.create_connection(b.address) for _ in range(300)]
            for i, s in enumerate(slow):
                s.sendall(b"\x00\x00\x00\x40\x00\x12"[:i % 6 + 1])
            self.served(b, good, "t", range(0, 50))
            for s in slow[::2]:
                s.sendall(b"\x00")
            self.served(b, good, "t", range(50, 100))
            for s in slow:
                s.close()

    def test_slow_connections_are_closed_by_their_deadlines(self):
        """Silent, and half a request: closed by name of the limit; one between requests stays."""
        with Broker("--limits.first_frame", "1s", "--limits.frame_progress", "1s") as b:
            good = Client(b.address)
            good.create("t")
            silent, half = run.Connection(b.address), run.Connection(b.address)
            half.send(struct.pack(">ihhih", 10, 18, 0, 1, -1))
            half.frame()
            half.send(b"\0\0\0\x50\0\x12")
            silent.expect_closed()
            half.expect_closed()
            self.served(b, good, "t", range(10))

    def test_half_open_and_resets(self):
        with Broker() as b:
            good = Client(b.address)
            good.create("t")
            batch = wire.encode_line(wire.parse(
                'i16:0 i16:3 i32:1 str:"x" str:null i16:-1 i32:1000 arr:1 str:"t2" arr:1 i32:0 batch:"lost"'), {})
            for i in range(300):
                s = run.Connection(b.address)
                s.send(struct.pack(">i", len(batch)) + batch[:i % len(batch)])
                if i % 3 == 0:
                    s.socket.shutdown(socket.SHUT_WR)
                s.close(reset=i % 3 == 1)
            self.served(b, good, "t", range(50))

    def test_a_peer_that_never_reads(self):
        """Requests with large answers, none of which is read: the broker stops reading that peer, memory is bounded."""
        with Broker() as b:
            good = Client(b.address)
            good.create("t")
            value = "x" * 100_000
            for _ in range(20):
                good.produce("t", value)
            before = b.resident_kb()
            fetch = wire.encode_line(wire.parse(
                'i16:1 i16:4 i32:1 str:"x" i32:-1 i32:0 i32:1 i32:50000000 i8:0 arr:1 str:"t" arr:1 i32:0 i64:0 '
                'i32:50000000'), {})
            frame = struct.pack(">i", len(fetch)) + fetch
            peers = []
            for _ in range(8):
                s = socket.create_connection(b.address)
                s.setblocking(False)
                try:
                    for _ in range(2000):  # 2000 answers of 2 MB each, if anybody took them
                        s.send(frame)
                except BlockingIOError:
                    pass
                peers.append(s)
            self.served(b, good, "t", range(20, 60))
            grown_mb = (b.resident_kb() - before) / 1024
            print(f"grew by {grown_mb:.0f} MB for 8 peers that do not read", flush=True)
            self.assertLess(grown_mb, 300)
            for s in peers:
                s.close()

    def test_garbage(self):
        chance = random.Random(7)
        with Broker() as b:
            good = Client(b.address)
            good.create("t")
            for i in range(400):
                s = run.Connection(b.address)
                junk = chance.randbytes(chance.randrange(1, 3000))
                if i % 2:  # a believable size and a known API in front
                    junk = struct.pack(">ihh", len(junk) + 4, chance.randrange(0, 70), chance.randrange(0, 14)) + junk
                s.send(junk)
                s.close(reset=i % 4 == 0)
            self.served(b, good, "t", range(50))

    def test_oversize_frames_cost_no_memory(self):
        with Broker() as b:
            good = Client(b.address)
            good.create("t")
            before = b.resident_kb()
            held = []
            for _ in range(100):  # each declares 90 MB, which is allowed, and sends nothing of it
                s = run.Connection(b.address)
                s.send(struct.pack(">ihh", 90 << 20, 0, 3))
                held.append(s)
            for _ in range(100):
                s = run.Connection(b.address)
                s.send(struct.pack(">i", 0x7FFFFFFF))
                s.expect_closed()
                s.close()
            self.served(b, good, "t", range(50))
            grown_mb = (b.resident_kb() - before) / 1024
            print(f"grew by {grown_mb:.0f} MB for 100 declared frames of 90 MB", flush=True)
            self.assertLess(grown_mb, 200)
            for s in held:
                s.close()

    def test_requests_that_arrive_together_share_one_pool(self):
        """Twenty connections send 29 of 30 MiB each; those that find no room are not read, and good clients go on."""
        with Broker("--limits.receive_bytes", "64MiB") as b:
            good = Client(b.address)
            good.create("t")
            before = b.resident_kb()

            def pool():
                all_pools = [r["memory"]["receive"] for r in b.admin("status")["reactors"]]
                return {k: sum(p[k] for p in all_pools) for k in ("bytes", "max", "waiting")}
            frame = memoryview(struct.pack(">ihh", 30 << 20, 0, 3) + bytes(29 << 20))
            hogs = []  # [socket, bytes sent]
            for _ in range(20 * len(b.admin("status")["reactors"])):
                s = socket.create_connection(b.address)
                s.setblocking(False)
                hogs.append([s, 0])
            while pool()["waiting"] < len(hogs) / 2:
                for hog in hogs:
                    try:
                        hog[1] += hog[0].send(frame[hog[1]:])
                    except BlockingIOError:
                        continue
            self.served(b, good, "t", range(50))
            seen = pool()
            self.assertGreater(seen["waiting"], 0)
            self.assertLessEqual(seen["bytes"], seen["max"])
            grown_mb = (b.resident_kb() - before) / 1024
            print(f"grew by {grown_mb:.0f} MB, {seen['waiting']} connections wait", flush=True)
            self.assertLess(grown_mb, 1.5 * seen["max"] / (1 << 20))
            for s, _ in hogs:
                s.close()
            broker.until(lambda: pool()["waiting"] == 0 and pool()["bytes"] < 1 << 20, "the room is given back")
            good.produce("t", "x" * 900_000)

    def test_ten_thousand_connections(self):
        if not raise_file_limit(CONNECTIONS + 500):
            self.skipTest("the file limit cannot be raised")
        with Broker(preexec=lambda: raise_file_limit(CONNECTIONS + 500)) as b:
            good = Client(b.address)
            good.create("t")
            before = b.resident_kb()
            request = struct.pack(">ihhih", 10, 18, 0, 1, -1)
            crowd = []
            for _ in range(CONNECTIONS):
                s = socket.create_connection(b.address, DEADLINE_S)
                s.sendall(request)
                crowd.append(s)
            for s in crowd:
                self.assertTrue(s.recv(4))
            self.served(b, good, "t", range(100))
            grown_mb = (b.resident_kb() - before) / 1024
            print(f"{len(crowd)} connections grew it by {grown_mb:.0f} MB", flush=True)
            self.assertLess(grown_mb * 1024 / len(crowd), 64, "more than 64 KB for an idle connection")
            for s in crowd:
                s.close()
            self.served(b, good, "t", range(100, 150))


if __name__ == "__main__":
    broker.main()
