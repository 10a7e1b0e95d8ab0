"""The Java clients and tools of one Kafka release, 4.x (java4) or 3.x (java3): the tools as people call them, and programs of ours."""

import json
import re
import signal
import tempfile
import time

from interop import cache
from interop.java import Java, background, stop
from suites import java_more
from suites.kcat import expect
from suites.python import run_program


def run(context):
    name = "kafka4" if context.name == "java4" else "kafka3"
    version = cache.VERSIONS["maven"][name]
    java = Java(name, context.address)
    for program, what in (("AdminScenario", "admin"), ("ClientScenario", "clients")):
        suite = context.suite(f"{context.name}-{what}", f"kafka-clients, our {what} program", version)
        run_program(suite, java.command(program), context, 600)
    suite = context.suite(f"{context.name}-tools", "Kafka's command line tools", version)
    tests = [topics, configs, console, consumer_groups, get_offsets, delete_records, log_dirs, api_versions, cluster_id, perf, latency, verifiable,
             verifiable_group, compatibility, leader_election, reassign, features, other_tools, *java_more.TESTS]
    for test in tests:
        if suite.wants(test.__name__):
            with suite.case(test.__name__):
                test(java, context.topic(f"{context.name}-{test.__name__}"), context)


def topics(java, topic, _):
    tool = "org.apache.kafka.tools.TopicCommand"
    java(tool, "--create", "--topic", topic, "--partitions", 3, "--replication-factor", 1, "--config", "retention.ms=3600000")
    assert topic in java(tool, "--list").split(), "listed"
    told = java(tool, "--describe", "--topic", topic)
    assert "PartitionCount: 3" in told and "ReplicationFactor: 1" in told and "retention.ms=3600000" in told, told
    assert re.search(r"TopicId: (?!AAAAAAAAAAAAAAAAAAAAAA)\S{22}", told), told
    java(tool, "--alter", "--topic", topic, "--partitions", 6)
    assert "PartitionCount: 6" in java(tool, "--describe", "--topic", topic)
    assert topic not in java(tool, "--describe", "--under-replicated-partitions")
    java(tool, "--create", "--topic", topic, "--if-not-exists")
    java(tool, "--delete", "--topic", topic)
    time.sleep(1)
    assert topic not in java(tool, "--list").split(), "deleted"


def configs(java, topic, _):
    tool = "kafka.admin.ConfigCommand"
    java.create(topic, 1)
    entity = ["--entity-type", "topics", "--entity-name", topic]
    java(tool, "--alter", *entity, "--add-config", "retention.ms=1234567,cleanup.policy=[compact,delete]")
    told = java(tool, "--describe", *entity)
    assert "retention.ms=1234567" in told and "cleanup.policy=compact,delete" in told, told
    java(tool, "--alter", *entity, "--delete-config", "retention.ms")
    assert "retention.ms=1234567" not in java(tool, "--describe", *entity)
    assert "max.message.bytes=1048588" in java(tool, "--describe", "--all", *entity)
    assert "num.partitions" in java(tool, "--describe", "--all", "--entity-type", "brokers", "--entity-name", java.node())


def console(java, topic, _):
    java.create(topic, 1)
    producer = "kafka.tools.ConsoleProducer" if java.name == "kafka3" else "org.apache.kafka.tools.ConsoleProducer"
    lines = "".join(f"key{i}\tvalue {i}\n" for i in range(100))
    java(producer, "--topic", topic, *java.either(["--property"], ["--reader-property"]), "parse.key=true", "--compression-codec", "zstd", stdin=lines)
    told = java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--max-messages", 100, "--timeout-ms", 20000,
                *java.either(["--property"], ["--formatter-property"]), "print.key=true")
    expect(told, lines, "what was typed comes out")


GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def consumer_groups(java, topic, _):
    java.create(topic, 1)
    java.produce(topic, 50)
    java("org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--max-messages", 50, "--timeout-ms", 20000, "--group", topic)
    assert topic in java(GROUPS, "--list").split(), "listed"
    told = java(GROUPS, "--describe", "--group", topic)
    expect(totals(told, topic), (50, 50), "committed and end offsets")
    assert "Empty" in java(GROUPS, "--describe", "--group", topic, "--state"), "state"
    preview = java(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--dry-run")
    assert preview.count(topic) >= 2, preview
    expect(totals(java(GROUPS, "--describe", "--group", topic), topic), (50, 50), "a dry run changes nothing")
    java(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--execute")
    expect(totals(java(GROUPS, "--describe", "--group", topic), topic), (0, 50), "to the earliest")
    java(GROUPS, "--reset-offsets", "--group", topic, "--all-topics", "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    java(GROUPS, "--reset-offsets", "--group", topic, "--topic", f"{topic}:0", "--shift-by", 3, "--execute")
    expect(totals(java(GROUPS, "--describe", "--group", topic), topic)[0], 3, "shifted")
    java(GROUPS, "--delete-offsets", "--group", topic, "--topic", topic)
    java(GROUPS, "--delete", "--group", topic)
    assert topic not in java(GROUPS, "--list").split(), "deleted"


def totals(table, topic):
    rows = [line.split() for line in table.splitlines() if f" {topic} " in line]
    return sum(int(r[3]) for r in rows), sum(int(r[4]) for r in rows)


def get_offsets(java, topic, _):
    java.create(topic, 1)
    java.produce(topic, 20)
    tool = "org.apache.kafka.tools.GetOffsetShell"
    for when, wanted in (("-1", 20), ("-2", 0), ("latest", 20), ("earliest", 0), ("1000", 0), ("earliest-local", 0)):
        expect(java(tool, "--topic", topic, "--time", when).strip(), f"{topic}:0:{wanted}", when)
    assert int(java(tool, "--topic", topic, "--time", "max-timestamp").strip().split(":")[2]) >= 0


def delete_records(java, topic, _):
    java.create(topic, 1)
    java.produce(topic, 20)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 12}]}, f)
        f.flush()
        told = java("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", f.name)
    assert "low_watermark: 12" in told, told
    expect(java("org.apache.kafka.tools.GetOffsetShell", "--topic", topic, "--time", "-2").strip(), f"{topic}:0:12", "earliest")


def log_dirs(java, topic, _):
    java.create(topic, 1)
    java.produce(topic, 20)
    told = java("org.apache.kafka.tools.LogDirsCommand", "--describe", "--topic-list", topic)
    found = [p for b in json.loads(told[told.index("{"):])["brokers"] for d in b["logDirs"] for p in d["partitions"]]
    expect([p["partition"] for p in found], [f"{topic}-0"], "partitions")
    assert found[0]["size"] > 0, found


def api_versions(java, topic, _):
    told = java.api_versions()
    assert "Produce(0): 0 to" in told.replace("(0): 3", "(0): 0") and "Fetch(1): 4 to" in told, told[:400]
    assert java.address in told, told[:100]


def cluster_id(java, topic, _):
    told = java("org.apache.kafka.tools.ClusterTool", "cluster-id")
    assert re.search(r"Cluster ID: \S+", told), told


def perf(java, topic, _):
    java.create(topic, 3)
    props = ["--producer-props", f"bootstrap.servers={java.address}"] if java.name == "kafka3" else ["--bootstrap-server", java.address]
    told = java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", 200000, "--record-size", 100, "--throughput", -1, *props,
                bootstrap=False)
    assert "200000 records sent" in told, told[-300:]
    count = "--messages" if java.name == "kafka3" else "--num-records"
    told = java("org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, count, 200000, "--timeout", 30000)
    row = told.strip().splitlines()[-1].split(", ")
    expect(int(row[4]), 200000, "consumed")


def latency(java, topic, _):
    java.create(topic, 1)
    told = java("org.apache.kafka.tools.EndToEndLatency", java.address, topic, 500, "all", 100, bootstrap=False)
    assert "Percentiles" in told and "Avg latency" in told, told[-300:]


def verifiable(java, topic, _):
    java.create(topic, 3)
    told = java("org.apache.kafka.tools.VerifiableProducer", "--topic", topic, "--max-messages", 5000, "--acks", -1)
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    acked = {e["value"] for e in events if e["name"] == "producer_send_success"}
    expect(len(acked), 5000, "acknowledged")
    expect([e for e in events if e["name"] == "producer_send_error"], [], "errors")
    told = java("org.apache.kafka.tools.VerifiableConsumer", "--topic", topic, "--group-id", topic, "--max-messages", 5000, "--verbose")
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    read = [e["value"] for e in events if e["name"] == "record_data"]
    expect((len(read), set(read) == acked), (5000, True), "read what was acknowledged, once")


def verifiable_group(java, topic, _):
    """Two members share; one ends by SIGTERM, the other goes on with everything."""
    java.create(topic, 4)
    command = java.command("org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", java.address, "--topic", topic, "--group-id", topic,
                           "--verbose", "--session-timeout", 6000)
    one, two = background(command), background(command)
    try:
        until(lambda: one.assigned() == 2 and two.assigned() == 2, 40, "two and two")
        java("org.apache.kafka.tools.VerifiableProducer", "--topic", topic, "--max-messages", 2000)
        until(lambda: len(one.values() + two.values()) >= 2000, 30, "all read")
        two.process.send_signal(signal.SIGTERM)
        until(lambda: one.assigned() == 4, 30, "takes over")
        java("org.apache.kafka.tools.VerifiableProducer", "--topic", topic, "--max-messages", 2000, "--value-prefix", 7)
        until(lambda: len([v for v in one.values() if v.startswith("7.")]) >= 2000, 30, "reads all")
        values = one.values() + two.values()
        expect((len(values), len(set(values))), (4000, 4000), "each once")
    finally:
        stop(one, two)


def until(check, seconds, what):
    end = time.time() + seconds
    while time.time() < end:
        if check():
            return
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def compatibility(java, topic, context):
    java("org.apache.kafka.tools.TopicCommand", "--delete", "--if-exists", "--topic", "newtopic")  # the tool's own, left by an earlier run
    acls = "True" if context.options.apache else "False"
    told = java("org.apache.kafka.tools.ClientCompatibilityTest", "--topic", topic, "--offsets-for-times-supported", "True", "--cluster-id-supported", "True",
                "--expect-record-too-large-exception", "False", "--num-cluster-nodes", 1, "--create-topics-supported", "True",
                "--describe-acls-supported", acls, "--describe-configs-supported", "True", "--idempotent-producer-supported", "True")
    assert "SUCCESS" in told or "xception" not in told, told[-1000:]


def leader_election(java, topic, _):
    java.create(topic, 1)
    told = java("org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred", "--topic", topic, "--partition", 0)
    assert "Valid replica already elected" in told, told


def reassign(java, topic, _):
    java.create(topic, 1)
    plan = {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [int(java.node())]}]}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(plan, f)
        f.flush()
        tool = ["org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--reassignment-json-file", f.name]
        assert "Successfully started" in java(*tool, "--execute")
        assert "is completed" in java(*tool, "--verify")
    assert "No partition reassignments" in java("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "--list")


def features(java, topic, _):
    java("org.apache.kafka.tools.FeatureCommand", "describe", bootstrap="first")


def other_tools(java, topic, _):
    """Tools that read everything there is."""
    java.create(topic, 2)
    java.produce(topic, 10)
    if java.name != "kafka3":
        assert "group" in java("org.apache.kafka.tools.GroupsCommand", "--list").lower()
    told = java(GROUPS, "--describe", "--all-groups", "--members", "--verbose")
    assert "Error" not in told, told
