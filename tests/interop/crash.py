#!/usr/bin/env python3
"""kill -9 under load: the broker is killed and started again and again while real clients write, read and commit.

  crash.py [--rounds N] [--seed S] [--disk direct|buffered] [--rate N] [--apache] [--keep]

Writers: an idempotent librdkafka producer (confluent-kafka) and Kafka's VerifiableProducer. A consumer group of two members reads and commits.
At the end, and after every 25 rounds, everything is read back and compared with what was acknowledged:
  - each acknowledged record is there, once, at the offset that was acknowledged, and each partition is in the order of its writer;
  - nothing that was read back before has changed;
after every restart, a committed offset is not behind the last one whose commit was acknowledged.
Ends with 1 when anything was lost, duplicated, out of order or changed.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interop import brokers, cache  # noqa: E402
from interop.java import Java  # noqa: E402

PARTITIONS = 6
WORKER = Path(__file__).resolve().parent / "programs" / "python" / "crash_worker.py"
CHECK_EVERY = 25


class Workers:
    """The clients, in processes of their own; each leaves what it knows in a file of the work folder."""

    def __init__(self, work, address, rate):
        self.work, self.address = work, address
        self.python = cache.python("confluent-kafka")
        self.running = [self.start("producer", str(rate)), self.start("member", "a"), self.start("member", "b"), self.verifiable(rate)]

    def start(self, role, argument):
        log = open(self.work / f"{role}-{argument}.log", "wb")
        return subprocess.Popen([self.python, WORKER, role, self.address, str(self.work), argument], stdin=subprocess.PIPE, stdout=log, stderr=log)

    def verifiable(self, rate):
        config = self.work / "verifiable.properties"
        # the tool switches retries off unless it is told otherwise
        config.write_text("retries=2147483647\nenable.idempotence=true\ndelivery.timeout.ms=600000\nrequest.timeout.ms=4000\nreconnect.backoff.max.ms=200\nretry.backoff.max.ms=200\nmax.block.ms=600000\n")
        java = Java("kafka4", self.address, log="warn")
        command = java.command("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", self.address, "--topic", "verifiable", "--throughput", rate,
                               "--acks", "-1", "--command-config", config)
        return subprocess.Popen(command, stdout=open(self.work / "verifiable.out", "wb"), stderr=open(self.work / "verifiable.err", "wb"))

    def dead(self):
        return [i for i, p in enumerate(self.running) if p.poll() is not None]

    def once(self, role, argument=""):
        """Runs a worker that ends by itself; its last line is JSON."""
        done = subprocess.run([self.python, WORKER, role, self.address, str(self.work), argument], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"{role}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def finish(self):
        """The writers send what they still have and end; the readers end."""
        producer, *members, verifiable = self.running
        for p in (producer, *members):
            p.stdin.close()
        verifiable.terminate()
        for p in self.running:
            try:
                p.wait(120)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def kill(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()


def acknowledged(work):
    """How many records of both writers are acknowledged so far."""
    acks = work / "acks"
    verifiable = (work / "verifiable.out").read_bytes().count(b"producer_send_success")
    return (acks.read_bytes().count(b"\n") if acks.exists() else 0), verifiable


def commits(work):
    """The last acknowledged commit of each partition."""
    last = {}
    for file in work.glob("commits-*"):
        for line in file.read_text().splitlines():
            part = line.split()
            if len(part) == 3 and part[2] == "ok":
                last[int(part[0])] = max(last.get(int(part[0]), -1), int(part[1]))
    return last


def make_broker(options, folder):
    if options.apache:
        return brokers.Apache(folder / "data")
    return brokers.Weir(folder / "data", binary=options.binary, flags=[f"--storage.disk={options.disk}", *options.flag])


def check_commits(workers, before, problems, round_number):
    told = workers.once("committed")
    for partition, offset in before.items():
        if told.get(str(partition), -1) < offset:
            problems.append(f"round {round_number}: partition {partition}: commit of {offset} was acknowledged, the broker says {told.get(str(partition))}")


def run_rounds(options, rng, broker, workers, problems, restarts):
    previous = acknowledged(workers.work)
    idle = 0
    for number in range(1, options.rounds + 1):
        time.sleep(rng.uniform(0.05, options.longest))
        before = commits(workers.work)
        broker.kill()
        broker.start()
        restarts.append(broker.ready_seconds)
        check_commits(workers, before, problems, number)
        now = acknowledged(workers.work)
        idle += now == previous
        print(f"round {number}: {now[0]} and {now[1]} acknowledged, {sum(before.values())} committed, restart {broker.ready_seconds * 1000:.0f} ms", flush=True)
        previous = now
        if workers.dead():
            problems.append(f"round {number}: worker {workers.dead()} ended; see {workers.work}")
            return
        if number % CHECK_EVERY == 0:
            problems.extend(workers.once("verify", "running")["problems"])
        if problems:
            return
    if idle > options.rounds // 4:
        problems.append(f"{idle} rounds of {options.rounds} brought no acknowledgement: the load was not there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--disk", choices=["direct", "buffered", "auto"], default="auto")
    parser.add_argument("--rate", type=int, default=4000, help="records per second of each writer")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds between a start and the next kill, at most")
    parser.add_argument("--binary")
    parser.add_argument("--flag", action="append", default=[])
    parser.add_argument("--apache", action="store_true", help="Apache Kafka instead: shows that the harness itself is right")
    parser.add_argument("--keep", action="store_true", help="keep the work folder")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    work = Path(tempfile.mkdtemp(prefix="weir-crash-"))
    broker = make_broker(options, work).start()
    began, problems, restarts, told = time.time(), [], [], {}
    print(f"seed {options.seed}, {options.rounds} rounds, disk {options.disk}, work folder {work}", flush=True)
    workers = None
    try:
        subprocess.run([cache.python("confluent-kafka"), WORKER, "create", broker.address, str(work), str(PARTITIONS)], check=True, timeout=60)
        workers = Workers(work, broker.address, options.rate)
        time.sleep(3)
        run_rounds(options, rng, broker, workers, problems, restarts)
        workers.finish()
        told = workers.once("verify", "final")
        problems.extend(told.pop("problems"))
    finally:
        if workers:
            workers.kill()
        if broker.alive():
            broker.stop(keep=True)
    summary = {"rounds": len(restarts), "seed": options.seed, "disk": options.disk, "broker": broker.version(), "seconds": round(time.time() - began),
               "restart_ms_median": round(sorted(restarts)[len(restarts) // 2] * 1000), "restart_ms_max": round(max(restarts) * 1000), **told,
               "problems": problems[:50]}
    print(json.dumps(summary, indent=1))
    if not options.keep and not problems:
        subprocess.run(["rm", "-rf", str(work)])
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
