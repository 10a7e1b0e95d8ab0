#!/usr/bin/env python3
"""What idempotent producers do when an `async` topic lost its end: the broker is killed under load and started again with the disk of 0.3 s before, the producers
live on.

  async_tail.py [--rounds 10] [--seed S]

Clients: librdkafka (confluent-kafka) and Kafka's VerifiableProducer, one partition each. Told for each: in how many rounds answered records were lost, how many, whether
the producer went on by itself, what errors it saw. Ends with 1 when what async promises is broken: what is left of a partition has a gap, a record twice
that was answered once, or another order than the producer's; or when no round lost anything, since then nothing was shown.
"""

import argparse
import collections
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interop import brokers, cache  # noqa: E402
from interop.java import Java  # noqa: E402

SECONDS = 5
WORKER = Path(__file__).resolve().parent / "programs" / "python" / "async_tail_worker.py"
VERIFIABLE = "enable.idempotence=true\nretries=2147483647\ndelivery.timeout.ms=20000\nrequest.timeout.ms=4000\nreconnect.backoff.max.ms=200\nlinger.ms=1\n"


def librdkafka(broker, topic, folder):
    return subprocess.Popen([cache.python("confluent-kafka"), WORKER, broker.address, topic, str(SECONDS)], stdout=open(folder / "out", "wb"),
                            stderr=open(folder / "err", "wb"))


def told_by_librdkafka(folder):
    lines = (folder / "out").read_text().splitlines()
    if not lines:
        raise RuntimeError((folder / "err").read_text()[-2000:])
    told = json.loads(lines[-1])
    return [tuple(a) for a in told["acked"]], collections.Counter(told["errors"]), told["fatal"]


def verifiable(broker, topic, folder):
    (folder / "properties").write_text(VERIFIABLE)
    command = Java("kafka4", broker.address, log="warn").command("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", broker.address, "--topic", topic,
                                                                 "--acks", "-1", "--command-config", folder / "properties")
    return subprocess.Popen(command, stdout=open(folder / "out", "wb"), stderr=open(folder / "err", "wb"))


def told_by_verifiable(folder):
    acked, errors = [], collections.Counter()
    for line in (folder / "out").read_text().splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("name") == "producer_send_success":
            acked.append((int(told["value"]), told["offset"]))
        elif told.get("name") == "producer_send_error":
            errors[told["exception"].rsplit(".", 1)[-1] + ": " + told["message"][:80]] += 1
    return acked, errors, None


CLIENTS = {"librdkafka": (librdkafka, told_by_librdkafka), "VerifiableProducer": (verifiable, told_by_verifiable)}


def read_back(broker, topic):
    """[(offset, number)] of the topic, by the command line."""
    done = subprocess.run([broker.binary, "sub", topic, "--from", "earliest", "--exit", "-o", "json", "-b", broker.address], capture_output=True, text=True, timeout=120, check=True)
    return [(r["offset"], int(r["value"])) for r in map(json.loads, done.stdout.splitlines())]


def lose_the_end(broker):
    """The disk as it was a moment before the kill: kill -9 alone loses nothing that the kernel was given."""
    before = broker.folder.with_name("before")
    broker.process.send_signal(signal.SIGSTOP)
    shutil.copytree(broker.folder, before, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    broker.process.send_signal(signal.SIGCONT)
    time.sleep(0.3)
    broker.kill()
    shutil.rmtree(broker.folder)
    before.rename(broker.folder)


def round_of(broker, name, number, rng, folder):
    topic = f"{name}-{number}"
    subprocess.run([broker.binary, "topic", "create", topic, "--set", "weir.durability=async", "-b", broker.address], check=True, capture_output=True)
    start, told_by = CLIENTS[name]
    process = start(broker, topic, folder)
    end = time.time() + 30
    while b"producer_send_success" not in (folder / "out").read_bytes() and name != "librdkafka":
        assert time.time() < end and process.poll() is None, "nothing was answered"
        time.sleep(0.05)
    time.sleep(rng.uniform(1, 2))
    lose_the_end(broker)
    broker.start()
    time.sleep(SECONDS)
    if name != "librdkafka":
        process.terminate()
    process.wait(60)
    acked, errors, fatal = told_by(folder)
    kept = read_back(broker, topic)
    where = {n: o for o, n in reversed(kept)}
    lost = [n for n, _ in acked if n not in where]
    numbers = [n for _, n in kept]
    problems = []
    if [o for o, _ in kept] != list(range(len(kept))):
        problems.append("the offsets that are left have a gap")
    if numbers != sorted(numbers):
        problems.append("another order than the producer's")
    if len(numbers) != len(set(numbers)):
        problems.append(f"{len(numbers) - len(set(numbers))} records twice")
    went_on = bool(lost) and max(n for n, _ in acked) > max(lost)
    return {"answered": len(acked), "lost": len(lost), "went_on": went_on, "errors": dict(errors), "fatal": fatal, "problems": problems}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}")
    bad, lost = 0, 0
    with tempfile.TemporaryDirectory() as work:
        broker = brokers.Weir(Path(work) / "data").start()
        try:
            for name in CLIENTS:
                for number in range(options.rounds):
                    folder = Path(work) / f"{name}-{number}"
                    folder.mkdir()
                    told = round_of(broker, name, number, rng, folder)
                    bad += len(told["problems"])
                    lost += told["lost"]
                    print(name, number, json.dumps(told), flush=True)
        finally:
            broker.stop(keep=True)
    if lost == 0:
        print("no round lost anything: nothing is shown")
    return 1 if bad or lost == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
