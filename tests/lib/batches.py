"""Kafka record batches, field by field: also such as no client would write. The checksum is right unless it is asked for."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import wire  # noqa: E402

NOW = 1_700_000_000_000


def record(value, key=None, delta=0, time_delta=0, headers=b"\0", length=None, attributes=0):
    body = bytes([attributes]) + wire.varint(time_delta) + wire.varint(delta)
    body += wire.varint(-1) if key is None else wire.varint(len(key)) + key
    body += (wire.varint(-1) if value is None else wire.varint(len(value)) + value) + headers
    return wire.varint(len(body) if length is None else length) + body


def section(*values, key=b"k"):
    return b"".join(record(value, key, delta) for delta, value in enumerate(values))


def batch(records=None, count=1, attributes=0, last_delta=None, base_time=NOW, max_time=NOW, producer=-1, epoch=-1,
          sequence=-1, base_offset=0, leader_epoch=-1, magic=2, length=None, crc=None):
    """`records` is the section behind the head, as it is: compressed or not."""
    records = section(b"v") if records is None else records
    last_delta = count - 1 if last_delta is None else last_delta
    tail = struct.pack(">hiqqqhii", attributes, last_delta, base_time, max_time, producer, epoch, sequence, count) + records
    return struct.pack(">qiib", base_offset, 9 + len(tail) if length is None else length, leader_epoch, magic) + \
        struct.pack(">I", wire.crc32c(tail) if crc is None else crc) + tail
