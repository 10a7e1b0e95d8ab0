"""A broker process under test: started on a free port in a folder of its own, stopped or killed, its words kept."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60  # how long anything may take before the test calls it stuck; never a measure of speed


def weir_binary():
    """The binary under test: WEIR_BIN as ctest sets it, else the release build."""
    return os.environ.get("WEIR_BIN") or str(ROOT / "build" / "release" / "weir")


def plain_environment():
    """This process's environment without WEIR_*: those of the test would be configuration to the broker."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}


def until(condition, what):
    """Waits for a condition; the deadline only tells stuck from slow."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


class StartFailed(Exception):
    pass


class Broker:
    """`with Broker() as b: ... b.address` ; the folder outlives restarts and goes away with the object."""

    def __init__(self, *args, weir=None, data_dir=None, dev=True, listen="kafka=127.0.0.1:0", env=None, preexec=None):
        self.weir = weir or weir_binary()
        self.own_folder = None if data_dir else tempfile.mkdtemp(prefix="weir-test-")
        self.data_dir = str(data_dir or pathlib.Path(self.own_folder) / "data")
        reactors = os.environ.get("WEIR_TEST_REACTORS")  # every broker of a run with so many, where the test does not say
        self.args = [*(["--threads.reactors", reactors] if reactors else []), *(["--dev"] if dev else []),
                     "--data-dir", self.data_dir, *(["--listen", listen] if listen else []), *args]
        self.env = {**plain_environment(), **(env or {})}
        self.preexec = preexec
        self.process = None
        self.log_path = str(pathlib.Path(tempfile.gettempdir()) / f"weir-test-{os.getpid()}-{id(self)}.log")
        self.lines = []
        self.listeners = []

    def start(self):
        """Starts and waits for `ready`. Raises StartFailed with the log when the process ends before it."""
        self.lines, self.listeners = [], []
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([self.weir, "server", *self.args], stdout=subprocess.PIPE, stderr=self.log,
                                        env=self.env, preexec_fn=self.preexec)
        timer = threading.Timer(DEADLINE_S, self.process.kill)
        timer.start()
        try:
            for raw in self.process.stdout:
                line = raw.decode().rstrip("\n")
                self.lines.append(line)
                words = line.split()
                if words[:1] == ["listening"]:
                    host, _, port = words[2].rpartition(":")
                    self.listeners.append((words[1], host.strip("[]"), int(port)))
                if line == "ready":
                    return self
        finally:
            timer.cancel()
        raise StartFailed(f"exit code {self.process.wait()} before `ready`\n{self.stderr()}")

    @property
    def address(self):
        return next((host, port) for name, host, port in self.listeners if name == "kafka")

    @property
    def bootstrap(self):
        return "%s:%d" % self.address

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """SIGTERM, then the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the broker did not stop on SIGTERM\n{self.stderr()}") from None
        self._close()
        return code

    def kill(self):
        """kill -9: nothing is flushed by the process; what the kernel holds stays."""
        self.process.kill()
        self.process.wait()
        self._close()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def admin(self, op, **fields):
        """One question over the admin socket, on a connection of its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(DEADLINE_S)
            s.connect(str(pathlib.Path(self.data_dir) / "admin.sock"))
            s.sendall((json.dumps({"op": op, **fields}) + "\n").encode())
            with s.makefile() as lines:
                answer = json.loads(lines.readline())
        assert answer["ok"], answer
        return answer

    def resident_kb(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def stderr(self):
        try:
            return pathlib.Path(self.log_path).read_text(errors="replace")
        except OSError:
            return ""

    def complaints(self):
        """What a sanitizer or an assertion of the broker wrote."""
        marks = ("Sanitizer", "runtime error:", "assertion")
        return [line for line in self.stderr().splitlines() if any(mark in line for mark in marks)]

    def _close(self):
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()

    def discard(self):
        if self.running():
            self.kill()
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)
        if os.path.exists(self.log_path):
            os.unlink(self.log_path)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.discard()
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is not None:
                sys.stderr.write("--- broker log (end)\n" + self.stderr()[-4000:] + "\n---\n")
            elif self.running():
                code = self.stop()
                assert code == 0, f"exit code {code}\n{self.stderr()[-4000:]}"
            if kind is None:
                assert not self.complaints(), "\n".join(self.complaints())
        finally:
            self.discard()


def main():
    """unittest.main with ctest's conventions: no test run is a failure, only skips is exit code 77."""
    program = unittest.main(exit=False, verbosity=2, warnings="ignore")
    result = program.result
    if not result.wasSuccessful() or result.testsRun == 0:
        sys.exit(1)
    sys.exit(77 if len(result.skipped) == result.testsRun else 0)
