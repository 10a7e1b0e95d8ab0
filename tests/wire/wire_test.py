#!/usr/bin/env python3
"""The wire language and its player, tested against a small honest server and against servers that misbehave."""
import pathlib
import re
import socketserver
import struct
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "lib"))
import broker  # noqa: E402
import run  # noqa: E402
import wire  # noqa: E402


class Echo(socketserver.BaseRequestHandler):
    """Answers every frame with its correlation id, error 0 and the rest; closes on API 999; never on others."""

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.request.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def handle(self):
        try:
            while True:
                frame = self.exactly(struct.unpack(">i", self.exactly(4))[0])
                if frame[:2] == struct.pack(">h", 999):
                    return
                self.answer(frame)
        except (EOFError, OSError):
            pass

    def answer(self, frame):
        body = frame[4:8] + b"\0\0" + frame[10:]
        self.request.sendall(struct.pack(">i", len(body)) + body)


class Babbler(Echo):
    """Sends one byte too many in answer to API 77."""

    def answer(self, frame):
        body = frame[4:8] + b"\0\0" + frame[10:] + (b"!" if frame[:2] == struct.pack(">h", 77) else b"")
        self.request.sendall(struct.pack(">i", len(body)) + body)


class Fragile(Echo):
    """Stops listening to everybody once a connection ends inside a frame."""
    broken = False

    def handle(self):
        try:
            while not Fragile.broken:
                head = self.request.recv(4, 0x100)  # wait for all
                if not head:
                    return
                size = struct.unpack(">i", head)[0] if len(head) == 4 else -1
                frame = self.request.recv(size, 0x100) if size >= 0 else b""
                if len(frame) != size:
                    Fragile.broken = True
                    return
                self.answer(frame)
        except OSError:
            Fragile.broken = True


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Play(unittest.TestCase):
    def played(self, handler, script):
        with Server(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                return run.Player(server.server_address).script(script)
            finally:
                server.shutdown()

    GOOD = '> i16:77 i16:0 i32:5 str:"x"\n< i32:5 i16:0 hex:78\n'

    def test_an_honest_server_passes_in_every_way(self):
        # whole, bytes, pipelined and one cut per sent byte
        self.assertEqual(3 + 4 + 11, self.played(Echo, self.GOOD))

    def test_a_close_is_seen(self):
        self.played(Echo, "> i16:999 i16:0 i32:5\n< closed\n")

    def test_a_missing_close_is_seen(self):
        with self.assertRaises(wire.Mismatch):
            self.played(Echo, '> i16:77 i16:0 i32:5 str:""\n< closed\n')

    def test_an_unexpected_close_is_seen(self):
        with self.assertRaisesRegex(wire.Mismatch, "line 2.*closed"):
            self.played(Echo, "> i16:999 i16:0 i32:5\n< i32:5 *\n")

    def test_a_byte_too_many_is_seen(self):
        with self.assertRaisesRegex(wire.Mismatch, "1 more bytes"):
            self.played(Babbler, self.GOOD)

    def test_a_server_that_breaks_when_cut_is_seen(self):
        Fragile.broken = False
        with self.assertRaisesRegex(wire.Mismatch, "cut after"):
            self.played(Fragile, self.GOOD)

    def test_a_script_must_expect_something(self):
        with self.assertRaises(wire.ScriptError):
            self.played(Echo, "> i16:77\n")


class Language(unittest.TestCase):
    def encoded(self, line, **variables):
        return wire.encode_line(wire.parse(line), variables).hex()

    def test_tokens(self):
        self.assertEqual("0012ffff00000007", self.encoded("i16:18 i16:-1 i32:7"))
        self.assertEqual("000161ffff", self.encoded('str:"a" str:null'))
        self.assertEqual("026100", self.encoded('cstr:"a" cstr:null'))
        self.assertEqual("00000002" "03" "00", self.encoded("arr:2 carr:2 tags:0"))
        self.assertEqual("ac02" "0000", self.encoded("uvarint:300 zero:2"))
        self.assertEqual("0003" "782d39", self.encoded('str:"x-${run}"', run=9))
        self.assertEqual("00020a22", self.encoded(r'str:"\n\""'))

    def test_crc32c(self):
        self.assertEqual(0xE3069283, wire.crc32c(b"123456789"))

    def test_batch(self):
        batch = wire.record_batch((b"a", b"b"))
        self.assertEqual(len(batch) - 12, struct.unpack(">i", batch[8:12])[0])
        self.assertEqual(wire.crc32c(batch[21:]), struct.unpack(">I", batch[17:21])[0])
        self.assertEqual(2, struct.unpack(">i", batch[57:61])[0])

    def match(self, line, hexadecimal, **variables):
        wire.match_line(wire.parse(line), bytes.fromhex(hexadecimal), variables)
        return variables

    def test_matching(self):
        self.match('i16:* str:* uvarint:5 *', "0001" "000161" "05" "99")
        self.match("i16:35 contains{i16:18 i16:0 i16:*}", "0023" "00000001" "001200000004")
        self.assertEqual({"id": "0102" * 8}, self.match("uuid:$id", "0102" * 8))
        for line, data in [("i16:1", "0002"), ("i16:1", "000100"), ("i16:1", "00"), ("i16:*", "00"), ("str:*", "0005"),
                           ("contains{i16:18 i16:0}", "00120001"), ("uvarint:*", "ff")]:
            with self.assertRaises(wire.Mismatch, msg=line):
                self.match(line, data)

    def test_script(self):
        steps, options = wire.read_script('# c\noption huge\n> i8:1 # why\n   i8:2\n< closed\nnew connection\n< *\n')
        self.assertEqual(["frame", "closed", "new", "expect"], [step.kind for step in steps])
        self.assertEqual({"huge"}, options)
        self.assertEqual(2, len(steps[0].tokens))
        for wrong in ("? i8:1", "> i8=1", "hello"):
            with self.assertRaises(wire.ScriptError):
                wire.read_script(wrong)

    def test_all_committed_scripts_can_be_read(self):
        for path in HERE.rglob("*.wire"):
            steps, _ = wire.read_script(path.read_text())
            self.assertTrue(steps, path)


class Traps(unittest.TestCase):
    def test_each_trap_has_the_tests_that_its_page_names(self):
        root = HERE.parent.parent
        text = (root / "docs/traps.md").read_text()
        rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
        self.assertEqual(list(range(1, 26)), [int(row.split("|")[1]) for row in rows])
        tests = {f"{suite}.{name}" for source in (root / "src").rglob("*_test.cc")
                 for suite, name in re.findall(r"^TEST(?:_F)?\((\w+), (\w+)\)", source.read_text(), re.M)}
        for row in rows:
            names = re.findall(r"`([\w-]+\.wire|\w+\.\w+)`", row.split("|")[3])
            self.assertTrue(names or "not yet" in row, row)
            for name in names:
                there = (HERE / "kafka" / name).exists() if name.endswith(".wire") else name in tests
                self.assertTrue(there, f"there is no test {name}")


if __name__ == "__main__":
    broker.main()
