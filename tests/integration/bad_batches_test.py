#!/usr/bin/env python3
"""Record batches that no client should write: refused with the right error, or kept as they are without being opened; then
read, searched by time, and found by the next good record. Memory stays bounded, nothing good is lost."""
import gzip
import pathlib
import sys
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from batches import NOW, batch, record, section  # noqa: E402
from broker import Broker  # noqa: E402
from client import Client  # noqa: E402

OK, CORRUPT, TOO_LARGE, BAD_TIME, OUT_OF_ORDER, OLD_FORMAT, BAD_CODEC, INVALID = 0, 2, 10, 32, 45, 43, 76, 87
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
INT64_MAX, INT64_MIN, INT32_MAX = (1 << 63) - 1, -(1 << 63), (1 << 31) - 1


def squeezed(data, times=1):
    """gzip of `times` times `data`, without holding all of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(data) for _ in range(times)] + [packer.flush()])


class BadBatches(unittest.TestCase):
    def check(self, cases, **config):
        """Each of {name: (batch, error codes that are right)}, then a good record that must get the next offset."""
        with Broker() as b:
            client = Client(b.address)
            client.create("t", **config)
            before, good, wrong = b.resident_kb(), 0, []
            for name, (bad, right) in cases.items():
                error, base = client.try_batch("t", bad)
                if error not in right:
                    wrong.append(f"{name}: error {error}, expected {right}")
                if error == OK:
                    self.assertEqual(good, base, name)
                    good += 1
                self.assertEqual((OK, good), client.try_batch("t", batch(section(b"good"))), name)
                good += 1
            self.assertEqual([], wrong)
            self.read_everywhere(client, good)
            grown_mb = (b.resident_kb() - before) / 1024
            self.assertLess(grown_mb, 150)
            b.stop()
            b.start()
            client = Client(b.address)
            self.read_everywhere(client, good)

    def read_everywhere(self, client, end):
        """Every offset can be asked for, and every time; the end is where it was."""
        for offset in range(end):
            error, high, size = client.fetch("t", offset)
            self.assertEqual((OK, end), (error, high), offset)
            self.assertGreater(size, 0, offset)
        for time in (0, 1, NOW - 1, NOW, NOW + 1, INT64_MAX - 1, INT64_MAX):
            error, _, offset = client.offset_at("t", time)
            self.assertEqual(OK, error, time)
            self.assertLess(offset, end)
        self.assertEqual((OK, -1, end), client.offset_at("t", -1))

    def test_heads_that_lie(self):
        good = batch()
        self.check({
            "wrong checksum": (batch(crc=1), {CORRUPT}),
            "cut by one byte": (good[:-1], {CORRUPT, INVALID}),
            "cut inside of the head": (good[:40], {CORRUPT, INVALID}),
            "one byte more": (good + b"\0", {CORRUPT, INVALID}),
            "two batches": (good + good, {INVALID}),
            "length says more": (batch(length=1000), {CORRUPT, INVALID}),
            "length says less": (batch(length=40), {CORRUPT, INVALID}),
            "negative length": (batch(length=-1), {CORRUPT, INVALID}),
            "huge length": (batch(length=INT32_MAX), {CORRUPT, INVALID}),
            "magic 1": (batch(magic=1), {CORRUPT, INVALID, OLD_FORMAT}),
            "magic 3": (batch(magic=3), {CORRUPT, INVALID, OLD_FORMAT}),
            "no record": (batch(b"", count=0, last_delta=0), {CORRUPT, INVALID}),
            "a negative count": (batch(count=-1, last_delta=-2), {CORRUPT, INVALID}),
            "a huge count": (batch(count=INT32_MAX), {CORRUPT, INVALID}),
            "offsets and count disagree": (batch(count=1, last_delta=7), {CORRUPT, INVALID}),
            "a control batch": (batch(attributes=0x20), {INVALID}),
            "log append time by the client": (batch(attributes=0x08), {INVALID, BAD_TIME}),
            "base offset and epoch of its own": (batch(base_offset=77, leader_epoch=9), {OK}),
        })

    def test_producers_and_sequences(self):
        self.check({
            "an id without an epoch": (batch(producer=5), {INVALID}),
            "an id without a sequence": (batch(producer=5, epoch=0), {INVALID}),
            "a negative sequence": (batch(producer=5, epoch=0, sequence=-7), {INVALID}),
            "transactional without an id": (batch(attributes=0x10), {INVALID}),
            "the largest of all": (batch(producer=INT64_MAX, epoch=32767, sequence=INT32_MAX), {OK}),
            "its wrapped successor": (batch(producer=INT64_MAX, epoch=32767, sequence=0), {OK}),
            "a gap": (batch(producer=INT64_MAX, epoch=32767, sequence=9), {OUT_OF_ORDER}),
        })

    def test_a_retry_is_no_second_record(self):
        with Broker() as b:
            client = Client(b.address)
            client.create("t")
            one = batch(producer=5, epoch=0, sequence=0)
            self.assertEqual([(OK, 0), (OK, 0), (OK, 0)], [client.try_batch("t", one) for _ in range(3)])
            self.assertEqual((OK, -1, 1), client.offset_at("t", -1))

    def test_absurd_times(self):
        self.check({
            "the end of time": (batch(base_time=INT64_MAX, max_time=INT64_MAX), {BAD_TIME}),
            "next year": (batch(base_time=NOW * 2, max_time=NOW * 2), {BAD_TIME}),
            "before time": (batch(base_time=INT64_MIN, max_time=INT64_MIN), {OK, BAD_TIME}),
            "no time": (batch(base_time=-1, max_time=-1), {OK}),
            "1970": (batch(base_time=0, max_time=0), {OK}),
            "deltas that overflow": (batch(record(b"v", time_delta=INT64_MAX), base_time=NOW, max_time=NOW),
                                     {OK, BAD_TIME, CORRUPT, INVALID}),
            "a maximum below the base": (batch(base_time=NOW, max_time=0), {OK, BAD_TIME, INVALID}),
        })

    def test_codecs_on_a_topic_that_is_not_opened(self):
        self.check({
            "codec 5": (batch(attributes=5), {BAD_CODEC, INVALID}),
            "codec 7": (batch(attributes=7), {BAD_CODEC, INVALID}),
            **{f"garbage as codec {codec}": (batch(b"\xff\xfe\xfd" * 30, attributes=codec), {OK, CORRUPT})
               for codec in (GZIP, SNAPPY, LZ4, ZSTD)},
            "a gzip bomb": (batch(squeezed(bytes(1 << 20), 256), attributes=GZIP), {OK}),
            "a gzip bomb that counts": (batch(squeezed(bytes(1 << 20), 256), attributes=GZIP, count=INT32_MAX), {INVALID}),
        })

    def test_records_of_a_topic_that_is_opened(self):
        whole = gzip.compress(section(b"v"))
        lies = {
            "a record without a key": record(b"v"),
            "a record's length says more": record(b"v", b"k", length=100),
            "a record's length says less": record(b"v", b"k", length=3),
            "a negative record length": record(b"v", b"k", length=-5),
            "a key's length says more": b"\x10\0\0\0\x7f" + b"k" * 4,
            "a varint without an end": b"\xff" * 12,
            "headers without an end": record(b"v", b"k", headers=b"\xfe\xff\xff\xff\x0f"),
            "a negative number of headers": record(b"v", b"k", headers=b"\x05"),
            "offsets out of order": record(b"v", b"k", delta=5),
            "a byte behind the records": section(b"v") + b"\0",
            "nothing at all": b"",
        }
        self.check({
            **{name: (batch(text), {CORRUPT, INVALID}) for name, text in lies.items()},
            **{f"{name}, compressed": (batch(gzip.compress(text), attributes=GZIP), {CORRUPT, INVALID})
               for name, text in lies.items()},
            **{f"garbage as codec {codec}": (batch(b"\xff\xfe\xfd" * 30, attributes=codec), {CORRUPT, INVALID})
               for codec in (GZIP, SNAPPY, LZ4, ZSTD)},
            "a cut gzip": (batch(whole[:-9], attributes=GZIP), {CORRUPT, INVALID}),
            "gzip of a wrong checksum": (batch(whole[:-8] + b"\0\0\0\0" + whole[-4:], attributes=GZIP), {CORRUPT, INVALID}),
            "more records than it says": (batch(section(b"a", b"b"), count=1), {CORRUPT, INVALID}),
            "fewer records than it says": (batch(section(b"a"), count=2), {CORRUPT, INVALID}),
            "a gzip bomb": (batch(squeezed(bytes(1 << 20), 512), attributes=GZIP), {CORRUPT, INVALID, TOO_LARGE}),
            "a compressed record": (batch(whole, attributes=GZIP), {OK}),
        }, cleanup_policy="compact")


if __name__ == "__main__":
    broker.main()
