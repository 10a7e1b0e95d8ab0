"""The brokers that are compared, each started afresh with its data on the same disk."""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from interop import brokers, cache  # noqa: E402, F401
from interop.java import Java  # noqa: E402

BUFFERS = ["socket.send.buffer.bytes=-1", "socket.receive.buffer.bytes=-1"]  # the system's, which grow; 100 KiB are small for loopback
FLUSHES = "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs"


class Weir:
    name, durability = "weir", "sync: each answer waits until its records are on disk"
    forgets_after_seconds = 17  # the store's own cache of recent data goes within some seconds after ten quiet ones

    def __init__(self, folder, flags=()):
        self.broker = brokers.Weir(folder, flags=flags)

    def start(self):
        self.broker.start()
        return self

    def syncs(self):
        """The broker's own counters; what proves that answers waited for the disk."""
        done = subprocess.run([self.broker.binary, "status", "--data-dir", str(self.broker.folder), "-o", "json"], capture_output=True, text=True)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return {"error": (done.stdout + done.stderr)[-300:]}


class Kafka:
    """Apache Kafka as it comes: what it acknowledges is in the page cache, not on disk."""

    name, durability, properties = "kafka", "none: answers do not wait for the disk (Kafka's default)", []
    forgets_after_seconds = 0

    def __init__(self, folder, flags=()):
        self.jmx = brokers.free_port()
        jvm = ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
        self.remote = [f"-Dcom.sun.management.jmxremote.port={self.jmx}", f"-Dcom.sun.management.jmxremote.rmi.port={self.jmx}",
                       "-Dcom.sun.management.jmxremote.authenticate=false", "-Dcom.sun.management.jmxremote.ssl=false",
                       "-Dcom.sun.management.jmxremote.local.only=true", "-Djava.rmi.server.hostname=127.0.0.1", "-Dcom.sun.management.jmxremote.host=127.0.0.1"]
        self.broker = brokers.Apache(folder, properties=["num.network.threads=3", "num.io.threads=8", *BUFFERS, *self.properties], jvm=jvm)

    def start(self):
        # the formatting step is a process of its own, before this; only the server gets the management port
        plain, self.broker.java = self.broker.java, self.java_with_management
        self.plain = plain
        self.broker.start()
        return self

    def java_with_management(self, main, *arguments):
        command = self.plain(main, *arguments)
        return command if main != "kafka.Kafka" else [command[0], *self.remote, *command[1:]]

    def syncs(self):
        """How often the log was flushed, from its management bean."""
        told = Java("kafka4", self.broker.address)("org.apache.kafka.tools.JmxTool", "--jmx-url",
                                                   f"service:jmx:rmi:///jndi/rmi://127.0.0.1:{self.jmx}/jmxrmi", "--object-name", FLUSHES,
                                                   "--attributes", "Count", "--one-time", "--report-format", "properties", bootstrap=False)
        counts = [line.rpartition("=")[2] for line in told.splitlines() if ":Count=" in line]
        return {"log_flushes": int(counts[0]) if counts else 0}


class KafkaSynced(Kafka):
    name, durability, properties = "kafka-synced", "sync: flush.messages=1", ["log.flush.interval.messages=1"]


CONTENDERS = {c.name: c for c in (Weir, Kafka, KafkaSynced)}


def topic_command(action, address, names, *options):
    """With our own command line, which speaks to all brokers alike."""
    done = subprocess.run([brokers.weir_binary(), "topic", action, "--brokers", address, *options, *names], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"topic {action} {' '.join(names)}: {done.stderr[-400:]}")


def create_topics(address, names, partitions):
    """Waits until each partition tells its end."""
    topic_command("create", address, names, "--partitions", str(partitions), "--replication", "1")
    until = time.time() + 120
    for name in names:
        while True:
            done = subprocess.run([brokers.weir_binary(), "topic", "describe", "--brokers", address, "-o", "json", name], capture_output=True, text=True, timeout=300)
            if done.returncode == 0 and done.stdout.count('"latest":0') >= partitions:
                break
            if time.time() > until:
                raise RuntimeError(f"topic {name} does not become ready: {done.stdout[-200:]} {done.stderr[-200:]}")
            time.sleep(0.2)


def delete_topics(address, names):
    topic_command("delete", address, names)
