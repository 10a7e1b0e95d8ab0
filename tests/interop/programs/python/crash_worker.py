"""The librdkafka clients of the crash test, one role per process: ROLE ADDRESS FOLDER ARGUMENT. The folder's name is the leg, and the prefix of its topics.

create    creates the topics
producer  writes records "n" with n = 0, 1, 2, ... to each partition of topic LEG-crash until stdin closes; each acknowledgement is a line of `acks`
member    a member of group LEG-crash that commits what it read; each commit is a line of `commits-NAME`
committed prints the committed offsets
verify    reads everything and compares; prints {"troubles": {kind: count}, "problems": [...], ...}, and leaves its counts in `verified`
"""

import hashlib
import json
import sys
import threading
import time
from pathlib import Path

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

ROLE, ADDRESS, WORK, ARGUMENT = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
TOPIC, VERIFIABLE = f"{WORK.name}-crash", f"{WORK.name}-verifiable"
CLOSING = ("has been closed", "closed while send in progress")  # VerifiableProducer's words for what it drops when it is ended
# rebootstrap, the default, forgets a broker that is down and takes a second or more to find it again: longer than some brokers here live
QUICK = {"bootstrap.servers": ADDRESS, "metadata.recovery.strategy": "none", "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "socket.timeout.ms": 5000,
         "log_level": 2}


def create():
    admin = AdminClient({"bootstrap.servers": ADDRESS})
    for future in admin.create_topics([NewTopic(TOPIC, int(ARGUMENT), 1), NewTopic(VERIFIABLE, int(ARGUMENT), 1)]).values():
        future.result(30)
    print("{}")


def stdin_closed():
    event = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), event.set()), daemon=True).start()
    return event


def partitions(topic):
    admin = AdminClient(QUICK)
    return sorted(admin.list_topics(topic, timeout=30).topics[topic].partitions)


def producer():
    stop = stdin_closed()
    acks = open(WORK / "acks", "w", buffering=1 << 16)
    errors = open(WORK / "errors", "w", buffering=1)
    client = ck.Producer({**QUICK, "enable.idempotence": True, "message.timeout.ms": 600000, "linger.ms": 2, "retry.backoff.ms": 20,
                          "retry.backoff.max.ms": 200, "queue.buffering.max.messages": 50000, "batch.num.messages": 100, "compression.type": "lz4"})
    numbers = dict.fromkeys(partitions(TOPIC), 0)

    def delivered(error, message):
        if error:
            errors.write(f"{message.partition()} {message.value().decode().split()[0]} {error}\n")
        else:
            acks.write(f"{message.partition()} {message.value().decode().split()[0]} {message.offset()}\n")

    began, sent, flushed = time.time(), 0, time.time()
    while not stop.is_set():
        if sent > (time.time() - began) * int(ARGUMENT):
            client.poll(0.005)
        else:
            for partition in numbers:
                n = numbers[partition]
                try:
                    client.produce(TOPIC, f"{n} {'x' * (n % 150)}".encode(), partition=partition, on_delivery=delivered)
                except BufferError:
                    client.poll(0.05)
                    break
                numbers[partition] += 1
                sent += 1
            client.poll(0)
        if time.time() - flushed > 0.1:
            acks.flush()
            flushed = time.time()
    left = client.flush(100)
    acks.flush()
    if left:
        errors.write(f"{left} records were never answered\n")


def member():
    stop = stdin_closed()
    log = open(WORK / f"commits-{ARGUMENT}", "w", buffering=1)
    client = ck.Consumer({**QUICK, "group.id": TOPIC, "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000,
                          "heartbeat.interval.ms": 1000, "client.id": ARGUMENT})
    client.subscribe([TOPIC])
    while not stop.is_set():
        messages = [m for m in client.consume(500, 0.1) if not m.error()]
        reached = {}
        for m in messages:
            reached[m.partition()] = m.offset() + 1
        if not reached:
            continue
        for partition, offset in reached.items():
            log.write(f"{partition} {offset} try\n")
        try:
            told = client.commit(offsets=[ck.TopicPartition(TOPIC, p, o) for p, o in reached.items()], asynchronous=False)
        except ck.KafkaException:
            continue
        for t in told:
            if t.error is None:
                log.write(f"{t.partition} {t.offset} ok\n")
    client.close()


def committed():
    client = ck.Consumer({**QUICK, "group.id": TOPIC})
    end = time.time() + 60
    while True:
        try:
            told = client.committed([ck.TopicPartition(TOPIC, p) for p in partitions(TOPIC)], timeout=10)
            break
        except ck.KafkaException:
            if time.time() > end:
                raise
            time.sleep(0.1)
    print(json.dumps({t.partition: t.offset for t in told}))


def read_all(topic):
    """partition → [(offset, value)] up to the ends of now."""
    client = ck.Consumer({**QUICK, "group.id": "verify", "enable.auto.commit": False, "enable.partition.eof": True})
    ends = {}
    for p in partitions(topic):
        low, high = client.get_watermark_offsets(ck.TopicPartition(topic, p), timeout=30)
        assert low == 0, f"{topic}-{p} starts at {low}"
        ends[p] = high
    told = {p: [] for p in ends}
    client.assign([ck.TopicPartition(topic, p, 0) for p in ends])
    left = {p for p, e in ends.items() if e > 0}
    deadline = time.time() + 300
    while left and time.time() < deadline:
        for m in client.consume(10000, 0.5):
            if m.error():
                if m.error().code() == ck.KafkaError._PARTITION_EOF:
                    left.discard(m.partition())
                continue
            told[m.partition()].append((m.offset(), m.value()))
            if m.offset() >= ends[m.partition()] - 1:
                left.discard(m.partition())
    assert not left, f"{topic}: partitions {left} were not read to their ends {ends}"
    client.close()
    return {p: [r for r in told[p] if r[0] < ends[p]] for p in ends}


class Troubles:
    """What is wrong, counted by kind; only the first of each kind in words."""

    def __init__(self):
        self.counts, self.problems = {}, []

    def add(self, kind, text):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= 20:
            self.problems.append(text)


def compare(topic, told, acks, troubles, gapless):
    """acks: [(partition, number, offset)]. Without gapless (VerifiableProducer), a number is of the whole topic, not of its partition."""
    place = {}
    for partition, records in told.items():
        last_offset, last_number = -1, -1
        for offset, value in records:
            number = int(value.split()[0])
            if offset <= last_offset:
                troubles.add("out_of_order", f"{topic}-{partition}: offset {offset} after {last_offset}")
            key = (partition if gapless else None, number)
            if key in place:
                troubles.add("duplicated", f"{topic}: record {number} at {place[key]} and at {partition}@{offset}")
            elif number < last_number:
                troubles.add("out_of_order", f"{topic}-{partition}@{offset}: record {number} after {last_number}")
            if gapless and number > last_number + 1:
                troubles.add("lost", f"{topic}-{partition}@{offset}: record {number} after {last_number}: lost between")
            last_offset, last_number = offset, max(number, last_number)
            place[key] = (partition, offset)
    for partition, number, offset in acks:
        found = place.get((partition if gapless else None, number))
        if found is None:
            troubles.add("lost", f"{topic}-{partition}: record {number} was acknowledged at {offset} and is lost")
        elif found != (partition, offset):
            troubles.add("changed", f"{topic}-{partition}: record {number} was acknowledged at {offset} and is at {found}")


def unchanged(topic, told, troubles):
    """Compares with what the check before this one read, by digest of each prefix; keeps the new digests."""
    file = WORK / f"digest-{topic}"
    old = json.loads(file.read_text()) if file.exists() else {}
    new = {}
    for partition, records in told.items():
        count = old.get(str(partition), [0, None])[0]
        if count and digest(records[:count]) != old[str(partition)][1]:
            troubles.add("changed", f"{topic}-{partition}: the first {count} records have changed")
        new[partition] = [len(records), digest(records)]
    file.write_text(json.dumps(new))


def digest(records):
    h = hashlib.sha256()
    for offset, value in records:
        h.update(f"{offset}:".encode() + value)
    return h.hexdigest()


def verify():
    troubles = Troubles()
    # what was acknowledged is read first, so all of it must be in what is read after
    lines = [line.split() for line in (WORK / "acks").read_text().splitlines()]
    acks = [tuple(map(int, x)) for x in lines if len(x) == 3]
    if ARGUMENT == "running":
        acks = acks[:-1]  # the last line may be half written
    events = []
    for line in (WORK / "verifiable.out").read_text().splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            pass  # the last line may be half written
    verifiable = [(e["partition"], int(e["value"]), e["offset"]) for e in events if e["name"] == "producer_send_success"]
    read = 0
    for topic, known, gapless in ((TOPIC, acks, True), (VERIFIABLE, verifiable, False)):
        told = read_all(topic)
        read += sum(map(len, told.values()))
        compare(topic, told, known, troubles, gapless)
        unchanged(topic, told, troubles)
    for line in (WORK / "errors").read_text().splitlines():
        troubles.add("client_errors", f"librdkafka: {line}")
    for e in events:
        if e["name"] == "producer_send_error" and not any(x in e["message"] for x in CLOSING):
            troubles.add("client_errors", f"VerifiableProducer: {e}")
    committed_now = sum(1 for file in WORK.glob("commits-*") for line in file.read_text().splitlines() if line.endswith(" ok"))
    counts = {"librdkafka_acknowledged": len(acks), "verifiable_acknowledged": len(verifiable), "records_read": read, "offsets_committed": committed_now}
    (WORK / "verified").write_text(json.dumps(counts))
    print(json.dumps({**counts, "troubles": troubles.counts, "problems": troubles.problems}))


{"create": create, "producer": producer, "member": member, "committed": committed, "verify": verify}[ROLE]()
