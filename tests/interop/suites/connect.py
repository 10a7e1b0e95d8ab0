"""Kafka Connect: standalone and distributed worker with the file source and sink; no exactly-once."""

import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from interop import brokers, cache
from interop.java import Java
from suites.java import until
from suites.kcat import Kcat, expect

WORKER = """\
bootstrap.servers={address}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.flush.interval.ms=500
listeners=HTTP://127.0.0.1:{port}
{more}
"""
STANDALONE = "offset.storage.file.filename={folder}/offsets"
DISTRIBUTED = """\
group.id={topic}-workers
config.storage.topic={topic}-configs
offset.storage.topic={topic}-offsets
status.storage.topic={topic}-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
session.timeout.ms=6000
scheduled.rebalance.max.delay.ms=2000
heartbeat.interval.ms=1000
"""


def source(folder, topic):
    return {"name": "source", "connector.class": "FileStreamSource", "tasks.max": "1", "file": f"{folder}/in.txt", "topic": topic}


def sink(folder, topic):
    return {"name": "sink", "connector.class": "FileStreamSink", "tasks.max": "1", "file": f"{folder}/out.txt", "topics": topic}


def properties(path, values):
    path.write_text("".join(f"{k}={v}\n" for k, v in values.items()))
    return path


def start(java, main, *arguments):
    command = [a.replace("defaultLogLevel=off", "defaultLogLevel=warn") for a in map(str, java.command(main, *arguments))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def append(folder, lines):
    with open(folder / "in.txt", "a") as f:
        f.write("".join(line + "\n" for line in lines))


def written(folder):
    out = folder / "out.txt"
    return out.read_text().splitlines() if out.exists() else []


def standalone(java, topic, folder):
    worker = folder / "worker.properties"
    worker.write_text(WORKER.format(address=java.address, port=brokers.free_port(), more=STANDALONE.format(folder=folder)))
    files = [properties(folder / "source.properties", source(folder, topic)), properties(folder / "sink.properties", sink(folder, topic))]
    append(folder, [f"line {i}" for i in range(50)])
    process = start(java, "org.apache.kafka.connect.cli.ConnectStandalone", worker, *files)
    try:
        until(lambda: len(written(folder)) >= 50, 60, "fifty lines came through")
        append(folder, ["more"])
        until(lambda: len(written(folder)) >= 51, 30, "a line that is added comes through")
    finally:
        end(process)
    expect(written(folder), [f"line {i}" for i in range(50)] + ["more"], "the sink's file")
    # a new worker goes on where the old one was: the source by its own file, the sink by its group's offsets
    append(folder, ["after"])
    process = start(java, "org.apache.kafka.connect.cli.ConnectStandalone", worker, *files)
    try:
        until(lambda: "after" in written(folder), 60, "goes on")
    finally:
        end(process)
    expect(written(folder)[50:], ["more", "after"], "nothing twice")


def rest(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body is not None else None,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or "null")


def distributed(java, topic, folder):
    ports = [brokers.free_port(), brokers.free_port()]
    workers = []
    for port in ports:
        config = folder / f"worker-{port}.properties"
        config.write_text(WORKER.format(address=java.address, port=port, more=DISTRIBUTED.format(topic=topic)))
        workers.append(start(java, "org.apache.kafka.connect.cli.ConnectDistributed", config))
    try:
        until(lambda: answers(ports[0]) and answers(ports[1]), 90, "both workers are up")
        for connector in (source(folder, topic), sink(folder, topic)):
            rest(ports[0], "/connectors", {"name": connector.pop("name"), "config": connector})
        append(folder, [f"line {i}" for i in range(50)])
        until(lambda: len(written(folder)) >= 50, 90, "fifty lines came through")
        listed = Kcat(java.address)("-L")
        for kind in ("configs", "offsets", "status"):
            assert f'"{topic}-{kind}"' in listed, f"no topic {kind}"
        end(workers[1])
        append(folder, ["after"])
        until(lambda: "after" in written(folder), 90, "one worker goes on with everything")
        expect(rest(ports[0], "/connectors/source/status")["connector"]["state"], "RUNNING", "state")
    finally:
        for w in workers:
            if w.poll() is None:
                end(w)
    expect(sorted(set(written(folder))), sorted([f"line {i}" for i in range(50)] + ["after"]), "the sink's file")


def answers(port):
    try:
        rest(port, "/connectors")
        return True
    except OSError:
        return False


def run(context):
    suite = context.suite("connect", "Kafka Connect, file source and sink", cache.VERSIONS["maven"]["kafka4"])
    java = Java("kafka4", context.address)
    for test in (standalone, distributed):
        if suite.wants(test.__name__):
            with suite.case(test.__name__), tempfile.TemporaryDirectory(prefix="connect-") as folder:
                test(java, context.topic(f"connect-{test.__name__}"), Path(folder))
