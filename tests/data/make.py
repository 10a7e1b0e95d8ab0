#!/usr/bin/env python3
"""Makes the data folders of a release, for tests/integration/old_folders_test.py: see README.md here.

    tests/data/make.py BINARY NAME    writes NAME-clean.tar.xz and NAME-killed.tar.xz beside this file
"""
import json
import os
import pathlib
import sys
import tarfile
import tempfile


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from broker import Broker, until  # noqa: E402
from client import Client, wire  # noqa: E402
from folder_contents import contents, records, weir  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = ("--threads.reactors", "2", "--storage.shards_per_reactor", "2", "--storage.wal_file_bytes", "4MiB",
            "--storage.clean_interval", "100ms", "--storage.checkpoint_interval", "1h",
            "--kafka.producer_id_expiration", "36500d")
# Nothing may end by itself in the years until the folder is opened.
FOR_EVER = ("--set", "retention.ms=-1")
STAMP = 1_700_000_000_000


def field(answer, pattern):
    found = {}
    wire.match_line(wire.parse(pattern), answer, found)
    return found


def lines(count, what):
    return "".join(f"{what} {i}\n" for i in range(count))


def write_topics(b, client):
    weir(b, "topic", "create", "plain", "-p", 3, *FOR_EVER)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        weir(b, "pub", "plain", "-z", codec, "--timestamp", STAMP, "-H", f"codec={codec}", "--key-separator", " ",
             stdin="".join(f"{codec}{i} value {i}\n" for i in range(20)))
    weir(b, "topic", "create", "large", *FOR_EVER)  # enough at one checkpoint for a data file of its own
    for i in range(8):
        weir(b, "pub", "large", f"{i} " + "a line that is easily compressed. " * 1800, "--timestamp", STAMP + i)
    weir(b, "topic", "create", "small", "-p", 5, *FOR_EVER, "--set", "compression.type=zstd", "--set",
         "message.timestamp.type=LogAppendTime", "--set", "max.message.bytes=100000")
    for p in range(5):
        weir(b, "pub", "small", "-p", p, stdin=lines(3 + p, "small"))
    weir(b, "topic", "create", "trimmed", *FOR_EVER)
    weir(b, "pub", "trimmed", stdin=lines(10, "trimmed"))
    answer = client.call('i16:21 i16:0 i32:CORR str:"me" arr:1 str:"trimmed" arr:1 i32:0 i64:6 i32:30000')
    wire.match_line(wire.parse('i32:0 arr:1 str:"trimmed" arr:1 i32:0 i64:6 i16:0'), answer, {})
    weir(b, "topic", "create", "gone", *FOR_EVER)
    weir(b, "pub", "gone", "nobody sees this again")
    weir(b, "topic", "delete", "gone")


def compact(b):
    weir(b, "topic", "create", "compacted", *FOR_EVER, "--set", "cleanup.policy=compact", "--set",
         "min.cleanable.dirty.ratio=0", "--set", "segment.ms=1000", "--set", "segment.bytes=1048576", "--set",
         "delete.retention.ms=9000000000000")
    for i in range(12):
        weir(b, "pub", "compacted", "--key-separator", "=", stdin="".join(f"k{k}=round {i} " + "x" * 400 + "\n"
                                                                          for k in range(10)))
        b.admin("checkpoint")
    until(lambda: len(records(b, "compacted")["0"]) < 120, "the topic is compacted")


def idempotent(client):
    """A producer's id and what it wrote: sequences 0 to 3 of one partition."""
    answer = client.call('i16:22 i16:0 i32:CORR str:"me" str:null i32:60000')
    found = field(answer, 'i32:0 i16:0 i64:$id i16:$epoch')
    places = [client.try_batch("idempotent", wire.record_batch((b"idempotent %d" % i,), (found["id"], found["epoch"], i)))
              for i in range(4)]
    assert places == [(0, i) for i in range(4)], places
    return {"id": found["id"], "epoch": found["epoch"], "written": 4}


def commits(b, client):
    weir(b, "sub", "plain", "-g", "reader", "--from", "earliest", "-n", "17")
    weir(b, "sub", "small", "-g", "reader", "--from", "earliest", "--exit")
    answer = client.call('i16:8 i16:2 i32:CORR str:"me" str:"noted" i32:-1 str:"" i64:-1 arr:1 str:"large" arr:1 i32:0 i64:3 '
                         'str:"text that goes with it"')
    wire.match_line(wire.parse('arr:1 str:"large" arr:1 i32:0 i16:0'), answer, {})


def join(client):
    """A group of one member in its first generation: what it needs to go on."""
    member = field(client.call('i16:11 i16:1 i32:CORR str:"me" str:"team" i32:1800000 i32:60000 str:"" str:"consumer" arr:1 '
                               'str:"range" i32:4 hex:01020304'),
                   'i16:0 i32:$generation str:"range" str:$leader str:$member *')
    answer = client.call(f'i16:14 i16:1 i32:CORR str:"me" str:"team" i32:{member["generation"]} str:{member["member"]} arr:1 '
                         f'str:{member["member"]} i32:3 hex:0a0b0c')
    wire.match_line(wire.parse('i32:0 i16:0 i32:3 hex:0a0b0c'), answer, {})
    return {"group": "team", "generation": member["generation"], "member": member["member"]}


def pack(folder, expected, to):
    (folder / "expected.json").write_text(json.dumps(expected, sort_keys=True))

    def plain(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        # A reserve is zeros only, and made again.
        return None if pathlib.Path(entry.name).name in ("reserve", "lock", "admin.sock") else entry
    with tarfile.open(to, "w:xz", preset=9) as out:
        for name in sorted(os.listdir(folder)):
            out.add(folder / name, name, filter=plain)
    print(f"{to.name}: {to.stat().st_size} bytes")


def fill(b, killed):
    """Writes everything; gives what has to be found again."""
    client = Client(b.address)
    weir(b, "topic", "create", "idempotent", *FOR_EVER)
    write_topics(b, client)
    compact(b)
    expected = {"producer": idempotent(client)}
    commits(b, client)
    b.admin("checkpoint")
    if killed:  # and some of everything behind the last checkpoint
        weir(b, "pub", "plain", "--timestamp", STAMP + 1, stdin=lines(10, "late"))
        weir(b, "topic", "create", "late", "-p", 4, *FOR_EVER, "--set", "segment.bytes=2000000")
        weir(b, "pub", "late", stdin=lines(20, "late"))
        expected["producer"] = idempotent_more(client, expected["producer"])
        weir(b, "sub", "late", "-g", "late-reader", "--from", "earliest", "--exit")
        weir(b, "topic", "delete", "trimmed")
    expected["member"] = join(client)
    expected.update(contents(b))
    client.close()
    return expected


def make(binary, name, killed):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        b = Broker(*SETTINGS, weir=binary, data_dir=folder / "data")
        try:
            b.start()
            expected = fill(b, killed)
            if killed:
                b.kill()
            else:
                assert b.stop() == 0
            pack(folder / "data", expected, HERE / f"{name}-{'killed' if killed else 'clean'}.tar.xz")
        finally:
            b.discard()


def idempotent_more(client, producer):
    place = client.try_batch("idempotent", wire.record_batch((b"idempotent 4",), (producer["id"], producer["epoch"], 4)))
    assert place == (0, 4), place
    return {**producer, "written": 5}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[1], sys.argv[2], False)
    make(sys.argv[1], sys.argv[2], True)
