#!/usr/bin/env python3
"""Data folders of earlier releases (tests/data): opened by this build, every record, offset, setting and commit is there."""
import json
import os
import pathlib
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from broker import Broker, ROOT, main  # noqa: E402
from client import Client, wire  # noqa: E402
from folder_contents import contents, weir  # noqa: E402

DATA = ROOT / "tests" / "data"
os.environ.pop("WEIR_TEST_REACTORS", None)  # the folders say how many they have
# Nothing is cleaned while it is looked at, and no producer is too old.
SETTINGS = ("--storage.clean_interval", "1h", "--kafka.producer_id_expiration", "36500d", "--storage.wal_file_bytes", "4MiB")


class OldFolders(unittest.TestCase):
    maxDiff = None

    def open_all(self, kind):
        found = sorted(DATA.glob(f"*-{kind}.tar.xz"))
        self.assertTrue(found)
        for archive in found:
            with self.subTest(archive.name), tempfile.TemporaryDirectory() as place:
                folder = pathlib.Path(place) / "data"
                with tarfile.open(archive) as packed:
                    packed.extractall(folder)
                expected = json.loads((folder / "expected.json").read_text())
                self.look(folder, expected, kind)

    def look(self, folder, expected, kind):
        producer, member = expected.pop("producer"), expected.pop("member")
        with Broker(*SETTINGS, data_dir=folder) as b:
            replayed = kind == "killed"
            (self.assertRegex if replayed else self.assertNotRegex)(b.stderr(), r"[1-9]\d* records replayed")
            self.assertEqual(expected, contents(b))
            client = Client(b.address)
            self.member_goes_on(client, member)
            self.producer_goes_on(client, producer)
            end = next(p["latest"] for p in expected["topics"]["plain"]["partitions"] if p["partition"] == 0)
            self.assertEqual(end, client.produce("plain", "one more"))
            client.close()
        # And once more, from what this build has made of it.
        with Broker(*SETTINGS, data_dir=folder) as b:
            after = contents(b)
            plain = after["topics"]["plain"]["records"]["0"]
            self.assertEqual(expected["topics"]["plain"]["records"]["0"], plain[:-1])
            self.assertEqual(producer["written"] + 1, len(after["topics"]["idempotent"]["records"]["0"]))
            self.assertEqual(expected["groups"], after["groups"])
            same = set(after["topics"]) - {"plain", "idempotent"}
            self.assertEqual({t: expected["topics"][t] for t in same}, {t: after["topics"][t] for t in same})
            weir(b, "topic", "create", "new")

    def member_goes_on(self, client, member):
        """In its generation, without a rebalance."""
        answer = client.call(f'i16:12 i16:0 i32:CORR str:"me" str:"{member["group"]}" i32:{member["generation"]} '
                             f'str:{member["member"]}')
        wire.match_line(wire.parse("i16:0"), answer, {})

    def producer_goes_on(self, client, producer):
        """Its last batch sent again is not written again; the next one is."""
        def batch(sequence):
            return wire.record_batch((b"idempotent %d" % sequence,), (producer["id"], producer["epoch"], sequence))
        last = producer["written"] - 1
        self.assertEqual((0, last), client.try_batch("idempotent", batch(last)))
        self.assertEqual((0, last + 1), client.try_batch("idempotent", batch(last + 1)))
        self.assertEqual(45, client.try_batch("idempotent", batch(last + 5))[0], "OUT_OF_ORDER_SEQUENCE_NUMBER")

    def test_stopped_cleanly(self):
        self.open_all("clean")

    def test_killed_with_a_write_ahead_log_to_replay(self):
        self.open_all("killed")


if __name__ == "__main__":
    main()
