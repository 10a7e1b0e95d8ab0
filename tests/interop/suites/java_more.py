"""More of Kafka's command line tools: what people do with them after the first day; and those whose APIs the broker leaves out."""

import json
import re
import tempfile
import time
from pathlib import Path

from interop.java import background, stop
from interop.result import Excluded
from suites.kcat import CODECS, expect

CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"


def producer(java):
    return java.either("kafka.tools.ConsoleProducer", "org.apache.kafka.tools.ConsoleProducer")


def console_headers(java, topic, _):
    """Headers, keys and an explicit null through the console tools, and the reader's own columns."""
    java.create(topic, 1)
    reader = java.either("--property", "--reader-property")
    lines = "origin:here,n:7\tk1\tv1\norigin:there\tk2\tNULL\n"
    java(producer(java), "--topic", topic, reader, "parse.key=true", reader, "parse.headers=true", reader, "null.marker=NULL", stdin=lines)
    formatter = java.either("--property", "--formatter-property")
    told = java(CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", 2, "--timeout-ms", 20000, formatter, "print.key=true", formatter,
                "print.headers=true", formatter, "print.offset=true", formatter, "print.partition=true", formatter, "print.timestamp=true")
    rows = [line.split("\t") for line in told.splitlines()]
    expect([r[1:] for r in rows], [["Partition:0", "Offset:0", "origin:here,n:7", "k1", "v1"], ["Partition:0", "Offset:1", "origin:there", "k2", "null"]], "rows")
    assert all(abs(int(r[0].split(":")[1]) / 1000 - time.time()) < 300 for r in rows), rows


def console_codecs(java, topic, _):
    """Each codec that the tool knows, read from a given partition and offset."""
    java.create(topic, 1)
    for codec in CODECS:
        java(producer(java), "--topic", topic, "--compression-codec", codec, stdin="".join(f"{codec} {i}\n" for i in range(50)))
    told = java(CONSUMER, "--topic", topic, "--partition", 0, "--offset", 25, "--max-messages", 225, "--timeout-ms", 20000)
    expect(told.splitlines(), [f"{c} {i}" for c in CODECS for i in range(50)][25:], "from offset 25")


def console_group(java, topic, _):
    """A group of console consumers goes on where the one before it was."""
    java.create(topic, 2)
    for first, last in ((0, 20), (20, 30)):
        java(producer(java), "--topic", topic, stdin="".join(f"{i}\n" for i in range(first, last)))
        told = java(CONSUMER, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", last - first, "--timeout-ms", 20000)
        expect(sorted(map(int, told.split())), list(range(first, last)), "what is new")


def offsets(java, topic):
    """partition → committed offset, as the tool shows it."""
    told = java(GROUPS, "--describe", "--group", topic)
    return {int(r[2]): r[3] for r in (line.split() for line in told.splitlines()) if len(r) > 4 and r[1] == topic}


def reset_offsets(java, topic, _):
    java.create(topic, 2)
    java(producer(java), "--topic", topic, stdin="".join(f"{i}\n" for i in range(40)))
    ends = {int(p): o for _, p, o in (line.split(":") for line in java("org.apache.kafka.tools.GetOffsetShell", "--topic", topic).split())}
    java(CONSUMER, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", 40, "--timeout-ms", 20000)
    reset = [GROUPS, "--reset-offsets", "--group", topic]
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.csv"
        plan.write_text(java(*reset, "--topic", topic, "--to-current", "--export", "--dry-run"))
        assert f'"{topic}",0,' in plan.read_text() or f"{topic},0," in plan.read_text(), plan.read_text()
        java(*reset, "--topic", f"{topic}:0,1", "--to-offset", 1, "--execute")
        expect(offsets(java, topic), {p: min("1", o, key=int) for p, o in ends.items()}, "to an offset")
        java(*reset, "--from-file", plan, "--execute")
        expect(offsets(java, topic), ends, "from the file")
    java(*reset, "--all-topics", "--by-duration", "PT1H", "--execute")
    expect(offsets(java, topic), {0: "0", 1: "0"}, "an hour back")
    java(*reset, "--topic", topic, "--to-latest", "--execute")
    expect(offsets(java, topic), ends, "to the latest")


def active_group(java, topic, _):
    """What the tool shows of members, and refuses while there are any."""
    java.create(topic, 2)
    java.produce(topic, 10)
    member = background(java.command("org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", java.address, "--topic", topic, "--group-id", topic,
                                     "--group-instance-id", "static-one", "--session-timeout", 20000))
    try:
        end = time.time() + 40
        while member.assigned() < 2 and time.time() < end:
            time.sleep(0.2)
        told = java(GROUPS, "--describe", "--group", topic, "--members", "--verbose")
        assert "static-one" in told and re.search(r"[(:]0,1\b", told), told
        assert "Stable" in java(GROUPS, "--describe", "--group", topic, "--state")
        refused = java.says(GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--to-earliest", "--execute")
        assert "inactive" in refused, refused
        refused = java.says(GROUPS, "--delete", "--group", topic)
        assert "NonEmpty" in refused or "not empty" in refused, refused
    finally:
        stop(member)


def topics_by_pattern(java, topic, _):
    tool = "org.apache.kafka.tools.TopicCommand"
    for name in ("a", "b"):
        java(tool, "--create", "--topic", f"{topic}-{name}", "--partitions", 2, "--config", "cleanup.policy=compact")
    told = java(tool, "--describe", "--topic", f"{topic}-.*", "--topics-with-overrides")
    assert f"{topic}-a" in told and f"{topic}-b" in told and "cleanup.policy=compact" in told, told
    java(tool, "--delete", "--topic", f"{topic}-.*")
    end = time.time() + 10
    while topic in java(tool, "--list") and time.time() < end:
        time.sleep(0.2)
    assert topic not in java(tool, "--list"), "deleted"


def config_file(java, topic, _):
    """Names and values that other tools set on every topic they make."""
    java.create(topic, 1)
    tool, entity = "kafka.admin.ConfigCommand", ["--entity-type", "topics", "--entity-name", topic]
    wanted = {"compression.type": "lz4", "segment.bytes": "10485760", "retention.bytes": "1000000", "min.cleanable.dirty.ratio": "0.1",
              "message.timestamp.type": "LogAppendTime", "max.message.bytes": "2000000", "min.insync.replicas": "1", "delete.retention.ms": "1000",
              "segment.ms": "600000", "file.delete.delay.ms": "30000", "flush.messages": "1"}
    with tempfile.NamedTemporaryFile("w", suffix=".properties") as f:
        f.write("".join(f"{k}={v}\n" for k, v in wanted.items()))
        f.flush()
        java(tool, "--alter", *entity, "--add-config-file", f.name)
    told = java(tool, "--describe", *entity)
    missing = [f"{k}={v}" for k, v in wanted.items() if f"{k}={v}" not in told]
    assert not missing, f"not shown: {missing}; told: {told}"


def reassign_plan(java, topic, _):
    """--generate proposes what is; --cancel has nothing to do."""
    plan_and_execute(java, topic)


def reassign_throttle(java, topic, _):
    """A throttle is set, on the topic and on the broker, and taken back."""
    plan_and_execute(java, topic, "--throttle", 10_000_000)


def plan_and_execute(java, topic, *more):
    java.create(topic, 2)
    with tempfile.TemporaryDirectory() as folder:
        wish = Path(folder) / "topics.json"
        wish.write_text(json.dumps({"version": 1, "topics": [{"topic": topic}]}))
        told = java(REASSIGN, "--topics-to-move-json-file", wish, "--broker-list", java.node(), "--generate")
        plan = Path(folder) / "plan.json"
        plan.write_text(re.findall(r"^\{.*\}$", told, re.M)[-1])
        assert "Successfully started" in java(REASSIGN, "--reassignment-json-file", plan, *more, "--execute")
        assert "is completed" in java(REASSIGN, "--reassignment-json-file", plan, "--verify")
        java(REASSIGN, "--reassignment-json-file", plan, "--cancel")
    told = java("kafka.admin.ConfigCommand", "--describe", "--entity-type", "topics", "--entity-name", topic)
    assert "throttled.replicas=" not in told, told


def elect_all(java, topic, _):
    java.create(topic, 3)
    java("org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred", "--all-topic-partitions")


def perf_variants(java, topic, _):
    """The load generator as it is used for comparisons: throttled, compressed, every level of acks."""
    java.create(topic, 2)
    for more in (["acks=all", "compression.type=lz4"], ["acks=1", "linger.ms=10", "batch.size=65536"], ["acks=0", "enable.idempotence=false"]):
        with tempfile.NamedTemporaryFile("w", suffix=".properties") as f:
            f.write(f"bootstrap.servers={java.address}\n" + "".join(m + "\n" for m in more))
            f.flush()
            given = java.either(["--producer.config"], ["--command-config"])
            told = java("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", 5000, "--record-size", 200, "--throughput", 20000,
                        *given, f.name, bootstrap=False)
            assert "5000 records sent" in told, told[-300:]


def streams_reset(java, topic, _):
    """kafka-streams-application-reset: input offsets back to the start, internal topics removed."""
    java.create(topic, 1)
    java.produce(topic, 10)
    java.create(f"{topic}-app-counts-changelog", 1)
    java(CONSUMER, "--topic", topic, "--group", f"{topic}-app", "--from-beginning", "--max-messages", 10, "--timeout-ms", 20000)
    told = java("org.apache.kafka.tools.StreamsResetter", "--application-id", f"{topic}-app", "--input-topics", topic, "--to-earliest", "--force")
    assert f"{topic}-app-counts-changelog" in told, told
    assert f"{topic}-app-counts-changelog" not in java("org.apache.kafka.tools.TopicCommand", "--list"), "internal topic removed"
    told = java(GROUPS, "--describe", "--group", f"{topic}-app")
    assert re.search(rf" {topic} +0 +0 +10 ", told), told


def group_kinds(java, _topic, _):
    """The listings of 4.x by kind of group."""
    if java.name == "kafka3":
        java(GROUPS, "--list", "--type", "classic", "--state")
        return
    java(GROUPS, "--list", "--type", "classic")
    java("org.apache.kafka.tools.GroupsCommand", "--list", "--group-type", "classic")
    java("org.apache.kafka.tools.streams.StreamsGroupCommand", "--list")
    java("org.apache.kafka.tools.consumer.group.ShareGroupCommand", "--list")


LEFT_OUT = {
    "acls": ("ACLs (APIs 29-31) are left out", ["kafka.admin.AclCommand", "org.apache.kafka.tools.AclCommand"], ["--list"]),
    "transactions": ("transactions (APIs 24-28, 65, 66) are left out", ["org.apache.kafka.tools.TransactionsCommand"] * 2, ["list"]),
    "user_quotas": ("quotas (APIs 48-49) are left out", ["kafka.admin.ConfigCommand"] * 2, ["--describe", "--entity-type", "clients"]),
    "delegation_tokens": ("SASL/TLS is left out (delegation tokens, APIs 38-41)", ["org.apache.kafka.tools.DelegationTokenCommand"] * 2,
                          ["--describe", "--command-config", "/dev/null"]),
    "metadata_quorum": ("the KRaft quorum (API 55) is Kafka's own inside: left out", ["org.apache.kafka.tools.MetadataQuorumCommand"] * 2,
                        ["describe", "--status"]),
}


def left_out(name):
    """A tool of a left-out API: excluded only when the client says that the broker does not have the API."""
    reason, tools, arguments = LEFT_OUT[name]

    def test(java, _topic, _context):
        tool = java.either(*tools)
        told = java.says(tool, *arguments, bootstrap="first")
        # Kafka itself refuses tokens on a connection without SASL
        if "UnsupportedVersion" in told or "does not support" in told or "UnsupportedByAuthentication" in told:
            raise Excluded(reason)
        assert "xception" not in told and "Error" not in told, told[-500:]

    test.__name__ = f"tool_{name}"
    return test


TESTS = [console_headers, console_codecs, console_group, reset_offsets, active_group, topics_by_pattern, config_file, reassign_plan, reassign_throttle, elect_all, perf_variants,
         streams_reset, group_kinds, *map(left_out, LEFT_OUT)]
