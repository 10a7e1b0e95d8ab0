"""Starts and stops the broker under test: Weir, Apache Kafka as the reference, or one that already listens. Loopback only."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache

READY_SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, seconds, process):
    until = time.time() + seconds
    while time.time() < until:
        if process.poll() is not None:
            raise RuntimeError(f"broker ended with {process.returncode} before it listened")
        with socket.socket() as s:
            s.settimeout(1)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


class Given:
    """A broker that somebody else started."""

    name = "given"

    def __init__(self, address):
        self.address = address

    def start(self):
        return self

    def stop(self, keep=False):
        pass

    def alive(self):
        return True


class Process:
    """What the two brokers that we start have in common: a data folder, a log, a pid."""

    def __init__(self, folder=None, port=None):
        self.own_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix=f"{self.name}-interop-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.process = None
        self.log = self.folder.parent / (self.folder.name + ".log")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, keep=False):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.own_folder and not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.log.unlink(missing_ok=True)


def clean_environment():
    """Without our own WEIR_ variables: the server takes each of that name as a key of its configuration."""
    return {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")}


def weir_binary():
    return Path(os.environ.get("WEIR_BINARY", cache.ROOT / "build" / "release" / "weir"))


class Weir(Process):
    name = "weir"

    def __init__(self, folder=None, port=None, binary=None, flags=(), env=None):
        super().__init__(folder, port)
        self.binary = Path(binary or weir_binary())
        self.flags, self.env = list(flags), dict(env or {})
        self.ready_seconds = None

    def start(self):
        if not self.binary.exists():
            raise RuntimeError(f"{self.binary} is missing: ./dev build makes it")
        command = [self.binary, "server", "--data-dir", self.folder, "--listen", f"kafka=127.0.0.1:{self.port or 0}", *self.flags]
        began = time.time()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**clean_environment(), **self.env}, text=True)
        for line in self.process.stdout:
            listening = re.match(r"listening kafka \S*:(\d+)", line)
            if listening:
                self.port = int(listening[1])
            if line.strip() == "ready":
                self.ready_seconds = time.time() - began
                return self
        self.process.wait()
        raise RuntimeError(f"weir ended with {self.process.returncode} before it was ready; see {self.log}:\n"
                           + self.log.read_text(errors="replace")[-1500:])

    def version(self):
        done = subprocess.run([self.binary, "version"], capture_output=True, text=True)
        return " ".join((done.stdout.strip().splitlines() or ["weir"])[0].split())


APACHE_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=500
{extra}
"""


class Apache(Process):
    """Apache Kafka, one node, KRaft combined mode."""

    name = "apache"

    def __init__(self, folder=None, port=None, properties=(), jvm=("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")):
        super().__init__(folder, port)
        self.properties, self.jvm = list(properties), list(jvm)
        self.ready_seconds = None

    def java(self, main, *arguments):
        return ["java", *self.jvm, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{cache.jars('kafka4')}/*", main, *arguments]

    def start(self):
        config = self.folder / "server.properties"
        if not config.exists():
            self.port = self.port or free_port()
            config.write_text(APACHE_PROPERTIES.format(port=self.port, controller=free_port(), folder=self.folder, extra="\n".join(self.properties)))
            cache.run(self.java("kafka.tools.StorageTool", "format", "--standalone", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", config))
        began = time.time()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka", config), stdout=log, stderr=log)
        wait_port(self.port, READY_SECONDS, self.process)
        self.ready_seconds = time.time() - began
        return self

    def version(self):
        return f"Apache Kafka {cache.VERSIONS['maven']['kafka4']}"
