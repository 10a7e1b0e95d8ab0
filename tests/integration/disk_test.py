#!/usr/bin/env python3
"""A disk that fills up: writes are refused at the critical mark, everything else goes on, room brings writes back."""
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker, DEADLINE_S  # noqa: E402
from client import Client  # noqa: E402

KAFKA_STORAGE_ERROR = 56
SMALL = ("--storage.ring_bytes", "8MiB", "--storage.wal_file_bytes", "4MiB", "--storage.checkpoint_bytes", "4MiB",
         "--storage.critical_free_bytes", "24MiB", "--storage.resume_free_bytes", "32MiB", "--storage.cache_bytes", "4MiB",
         "--storage.checkpoint_interval", "2s")


class FullDisk(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weir-small-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "weir-test", self.folder], capture_output=True)
        if done.returncode != 0:
            pathlib.Path(self.folder).rmdir()
            self.skipTest("no right to mount a small disk")
        self.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)
        pathlib.Path(self.folder).rmdir()

    def fill(self, client, topic):
        """Produces until the first refusal; the number of records that were taken."""
        value, taken = "x" * 500_000, 0
        while taken < 1000:
            error, base = client.try_produce(topic, value)
            if error != 0:
                self.assertEqual(KAFKA_STORAGE_ERROR, error)
                return taken
            self.assertEqual(taken, base)
            taken += 1
        self.fail("500 MB fit on a disk of 128 MB")

    def test_refuses_writes_serves_reads_and_resumes(self):
        with Broker(*SMALL, data_dir=pathlib.Path(self.folder) / "data") as b:
            client = Client(b.address)
            client.create("full")
            client.create("other")
            taken = self.fill(client, "full")
            self.assertGreater(taken, 20)
            self.assertEqual(KAFKA_STORAGE_ERROR, client.try_produce("other", "y")[0])
            for offset in (0, taken - 1):
                error, high, size = client.fetch("full", offset)
                self.assertEqual((0, taken), (error, high))
                self.assertGreater(size, 500_000)
            self.assertEqual(0, client.commit("g", "full", taken))
            # The same after a kill and a restart on the full disk.
            b.kill()
            b.start()
            client = Client(b.address)
            self.assertEqual((0, taken), client.fetch("full", taken - 1)[:2])
            self.assertEqual(0, client.delete("full"))
            self.until_written(client)

    def until_written(self, client):
        end = time.monotonic() + DEADLINE_S
        while client.try_produce("other", "z")[0] != 0:
            self.assertLess(time.monotonic(), end, "writing never resumed after the topic was deleted")
            time.sleep(0.1)


if __name__ == "__main__":
    broker.main()
