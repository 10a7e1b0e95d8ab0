"""Runs Java programs of one set of jars."""

import json
import re
import subprocess
import threading

from . import cache

TOOL_SECONDS = 90


class Java:
    def __init__(self, name, address, log="off"):
        self.name, self.address, self.log = name, address, log
        self.path = f"{cache.classes(name)}:{cache.jars(name)}/*"

    def command(self, main, *arguments):
        return ["nice", "java", "-Xmx384m", "-XX:TieredStopAtLevel=1", f"-Dorg.slf4j.simpleLogger.defaultLogLevel={self.log}", "-cp", self.path, main,
                *map(str, arguments)]

    def start(self, main, *arguments, stdin=None, bootstrap=True, seconds=TOOL_SECONDS):
        server = ["--bootstrap-server", self.address]
        given = [*server, *arguments] if bootstrap == "first" else [*arguments, *server] if bootstrap else list(arguments)
        return subprocess.run(self.command(main, *given), input=stdin, capture_output=True, text=True, timeout=seconds)

    def says(self, main, *arguments, **more):
        """All that a tool says, whether it fails or not."""
        done = self.start(main, *arguments, **more)
        return done.stdout + done.stderr

    def __call__(self, main, *arguments, **more):
        """The output of a tool; a tool that fails raises."""
        done = self.start(main, *arguments, **more)
        if done.returncode != 0:
            raise AssertionError(f"{main} {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stdout[-600:]} {done.stderr[-600:]}")
        return done.stdout

    def either(self, three, four):
        return three if self.name == "kafka3" else four

    def create(self, topic, partitions):
        self("org.apache.kafka.tools.TopicCommand", "--create", "--topic", topic, "--partitions", partitions)

    def produce(self, topic, count):
        producer = self.either("kafka.tools.ConsoleProducer", "org.apache.kafka.tools.ConsoleProducer")
        self(producer, "--topic", topic, stdin="".join(f"value {i}\n" for i in range(count)))

    def node(self):
        """The id of the only node."""
        return re.search(r"\(id: (\d+)", self.api_versions())[1]

    def api_versions(self):
        return self(self.either("kafka.admin.BrokerApiVersionsCommand", "org.apache.kafka.tools.BrokerApiVersionsCommand"))


class Background:
    """A Verifiable* program that runs on; its JSON lines are read as they come."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.events = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def assigned(self):
        """Partitions owned now."""
        count = 0
        for e in list(self.events):
            if e["name"] == "partitions_assigned":
                count = len(e["partitions"])
            elif e["name"] == "partitions_revoked":
                count = 0
        return count

    def values(self):
        return [e["value"] for e in list(self.events) if e["name"] == "record_data"]


def background(command):
    return Background(command)


def stop(*programs):
    for p in programs:
        if p.process.poll() is None:
            p.process.terminate()
            try:
                p.process.wait(15)
            except subprocess.TimeoutExpired:
                p.process.kill()
                p.process.wait()
