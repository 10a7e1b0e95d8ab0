#!/usr/bin/env python3
"""Plays wire scripts against a broker, each in four ways that must come out the same:

  whole      every request in one write
  bytes      every byte in a write of its own
  pipelined  all requests of a connection at once, then all answers (not for scripts that capture values)
  cut        the connection ends after every single byte, by turns with a close and a reset; after each the broker
             must still answer another client

    tests/wire/run.py --weir build/release/weir SCRIPT...      starts a broker of its own
    tests/wire/run.py --address 127.0.0.1:9092 SCRIPT...       uses one that runs
"""
import argparse
import pathlib
import socket
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "lib"))
import broker  # noqa: E402
import wire  # noqa: E402

CUTS_MAX = 400  # of one script; longer scripts are cut at an even stride


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, broker.DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data, by_byte=False):
        try:
            for piece in ([data[i:i + 1] for i in range(len(data))] if by_byte else [data]):
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the broker may close early; whether it should is the next line's business

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.socket.recv(min(count - len(data), 1 << 16))
            except ConnectionResetError:
                piece = b""
            except socket.timeout:
                raise wire.Mismatch(f"no answer within {broker.DEADLINE_S} s") from None
            if not piece:
                raise EOFError(f"closed after {len(data)} of {count} bytes")
            data += piece
        return bytes(data)

    def frame(self):
        try:
            size = struct.unpack(">i", self._exactly(4))[0]
            if not 0 <= size <= wire.MAX_FRAME:
                raise wire.Mismatch(f"an answer of {size} bytes")
            return self._exactly(size)
        except EOFError as error:
            raise wire.Mismatch(f"expected an answer, but the connection was {error}") from None

    def expect_closed(self):
        try:
            data = self._exactly(1)
        except EOFError:
            return
        raise wire.Mismatch(f"expected a close, got a byte {data.hex()}")

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def bytes_of(step, variables):
    data = wire.encode_line(step.tokens, variables)
    return struct.pack(">i", len(data)) + data if step.kind == "frame" else data


def check_answer(step, connection, variables):
    try:
        if step.kind == "closed":
            connection.expect_closed()
        else:
            wire.match_line(step.tokens, connection.frame(), variables)
    except wire.Mismatch as mismatch:
        raise wire.Mismatch(f"line {step.number}: {mismatch}") from None


def play(steps, address, variables, by_byte=False, stop_after=None, reset=False):
    """Runs the steps in order. With `stop_after`, ends the connection after that many sent bytes. Returns bytes sent."""
    connection, sent = Connection(address), 0
    try:
        for step in steps:
            if step.kind == "new":
                connection.close()
                connection = Connection(address)
            elif step.kind in ("frame", "raw"):
                data = bytes_of(step, variables)
                if stop_after is not None and sent + len(data) > stop_after:
                    connection.send(data[:stop_after - sent])
                    connection.close(reset)
                    return stop_after
                connection.send(data, by_byte)
                sent += len(data)
            else:
                check_answer(step, connection, variables)
    finally:
        connection.close()
    return sent


def play_pipelined(steps, address, variables):
    """All that one connection sends goes out first, then its answers are read."""
    groups = [[]]
    for step in steps:
        groups.append([]) if step.kind == "new" else groups[-1].append(step)
    for group in groups:
        connection = Connection(address)
        try:
            connection.send(b"".join(bytes_of(s, variables) for s in group if s.kind in ("frame", "raw")))
            for step in group:
                if step.kind in ("expect", "closed"):
                    check_answer(step, connection, variables)
        finally:
            connection.close()


def still_answers(address):
    """Another client gets its ApiVersions answer."""
    connection = Connection(address)
    try:
        connection.send(struct.pack(">ihhih", 10, 18, 0, 424242, -1))
        answer = connection.frame()
        if struct.unpack(">ih", answer[:6]) != (424242, 0):
            raise wire.Mismatch(f"ApiVersions of a second client: {answer.hex()}")
    finally:
        connection.close()


def captures(steps):
    return any(isinstance(token, wire.Token) and token.capture for step in steps for token in step.tokens)


class Player:
    def __init__(self, address):
        self.address, self.runs = address, 0

    def _variables(self):
        self.runs += 1
        return {"run": f"{self.runs:04d}"}

    def _try(self, mode, function, *args, **options):
        try:
            value = function(*args, **options)
            still_answers(self.address)
            return value
        except (wire.Mismatch, OSError) as error:
            raise wire.Mismatch(f"{mode}: {error}") from None

    def script(self, text):
        """Plays one script in all ways; returns how many times it was played."""
        steps, options = wire.read_script(text)
        if not any(step.kind in ("expect", "closed") for step in steps):
            raise wire.ScriptError("expects nothing")
        before = self.runs
        total = self._try("whole", play, steps, self.address, self._variables())
        if "huge" not in options:
            self._try("bytes", play, steps, self.address, self._variables(), by_byte=True)
        if not captures(steps) and "sequential" not in options:
            self._try("pipelined", play_pipelined, steps, self.address, self._variables())
        for position in range(0, total, max(1, -(-total // CUTS_MAX))):
            self._try(f"cut after {position} of {total} bytes", play, steps, self.address, self._variables(),
                      stop_after=position, reset=position % 2 == 1)
        return self.runs - before


def play_all(address, scripts):
    failed, player = 0, Player(address)
    for path in scripts:
        try:
            print(f"ok     {path.name}: played {player.script(path.read_text())} times", flush=True)
        except (wire.Mismatch, wire.ScriptError) as error:
            failed += 1
            print(f"FAILED {path.name}: {error}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", help="binary to start a broker with")
    parser.add_argument("--address", help="HOST:PORT of a broker that runs")
    parser.add_argument("scripts", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    scripts = options.scripts or sorted(HERE.rglob("*.wire"))
    if options.address:
        host, _, port = options.address.rpartition(":")
        return 1 if play_all((host, int(port)), scripts) else 0
    with broker.Broker(weir=options.weir) as process:
        failed = play_all(process.address, scripts)
        if failed:
            print(process.stderr()[-4000:], file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
