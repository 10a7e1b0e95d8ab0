#!/usr/bin/env python3
"""kill -9 under load: the broker is killed and started again and again while real clients write, read and commit.

  crash.py [--disk direct,buffered] [--rounds 200] [--seed S] [--rate N] [--longest SECONDS] [--fresh] [--apache]

Writers: an idempotent librdkafka producer (confluent-kafka) and Kafka's VerifiableProducer. A consumer group of two members reads and commits.
All of them live on through the kills. The rounds are done in legs of 50 over one data folder; each leg has writers, topics and a group of its own.
At the end of each leg, and half-way, everything that the leg wrote is read back and compared with what was acknowledged; at the end of all, every leg again:
  - each acknowledged record is there, once, at the offset that was acknowledged, and each partition is in the order of its writer;
  - nothing that was read back before has changed;
after every restart, a committed offset is not behind the last one whose commit was acknowledged.

A run that was interrupted goes on with its next leg when it is started again with the same --disk and --seed (the leg that was cut short is done anew).
A run of at least 200 rounds against Weir leaves its result in tests/interop/results/crash; all others print it only.
Ends with 1 when anything was lost, duplicated, out of order or changed; the work folder is kept then.
"""

import argparse
import datetime
import fcntl
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interop import brokers, cache, report  # noqa: E402
from interop.java import Java  # noqa: E402
from interop.result import placeless  # noqa: E402

PARTITIONS = 6
WORKER = Path(__file__).resolve().parent / "programs" / "python" / "crash_worker.py"
LEG = 50
CHECK_EVERY = 25
WHOLE = 200  # rounds that a kept result has at least
TROUBLES = ("lost", "duplicated", "out_of_order", "changed", "commits_behind", "client_errors")
VERIFIABLE = """\
retries=2147483647
enable.idempotence=true
delivery.timeout.ms=600000
request.timeout.ms=4000
reconnect.backoff.max.ms=200
retry.backoff.max.ms=200
max.block.ms=600000
"""


class Workers:
    """The clients of one leg, in processes of their own; each leaves what it knows in a file of the leg's folder."""

    def __init__(self, folder, address, rate):
        self.folder, self.address, self.rate = folder, address, rate
        self.python = cache.python("confluent-kafka")
        self.running = []

    def begin(self):
        self.once("create", str(PARTITIONS))
        self.running = [self.start("producer", str(self.rate)), self.start("member", "a"), self.start("member", "b"), self.verifiable()]
        end = time.time() + 60
        while not all(acknowledged(self.folder)):
            if time.time() > end:
                raise RuntimeError(f"nothing was acknowledged within 60 s: {acknowledged(self.folder)}")
            time.sleep(0.1)

    def start(self, role, argument):
        log = open(self.folder / f"{role}-{argument}.log", "wb")
        return subprocess.Popen([self.python, WORKER, role, self.address, str(self.folder), argument], stdin=subprocess.PIPE, stdout=log, stderr=log)

    def verifiable(self):
        config = self.folder / "verifiable.properties"
        config.write_text(VERIFIABLE)  # the tool switches retries off unless it is told otherwise
        java = Java("kafka4", self.address, log="warn")
        command = java.command("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", self.address, "--topic", f"{self.folder.name}-verifiable",
                               "--throughput", self.rate, "--acks", "-1", "--command-config", config)
        return subprocess.Popen(command, stdout=open(self.folder / "verifiable.out", "wb"), stderr=open(self.folder / "verifiable.err", "wb"))

    def dead(self):
        return [i for i, p in enumerate(self.running) if p.poll() is not None]

    def once(self, role, argument=""):
        """Runs a worker that ends by itself; its last line is JSON."""
        done = subprocess.run([self.python, WORKER, role, self.address, str(self.folder), argument], capture_output=True, text=True, timeout=900)
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
                p.wait()


def acknowledged(folder):
    """How many records of both writers are acknowledged so far."""
    acks, verifiable = folder / "acks", folder / "verifiable.out"
    return (acks.read_bytes().count(b"\n") if acks.exists() else 0), (verifiable.read_bytes().count(b"producer_send_success") if verifiable.exists() else 0)


def commits(folder):
    """The last acknowledged commit of each partition."""
    last = {}
    for file in folder.glob("commits-*"):
        for line in file.read_text().splitlines():
            part = line.split()
            if len(part) == 3 and part[2] == "ok":
                last[int(part[0])] = max(last.get(int(part[0]), -1), int(part[1]))
    return last


def make_broker(options, work):
    if options.apache:
        return brokers.Apache(work / "data")
    return brokers.Weir(work / "data", binary=options.binary, flags=[f"--storage.disk={options.disk}", *options.flag])


class Campaign:
    """All rounds over one data folder. What is known after each leg is kept in state.json, so that a later start can go on."""

    def __init__(self, options):
        self.options = options
        self.work = cache.CACHE / f"crash-{'apache' if options.apache else options.disk}-{options.seed}"
        cache.CACHE.mkdir(parents=True, exist_ok=True)
        self.lock = open(cache.CACHE / f".{self.work.name}.lock", "w")  # held until the process ends
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another run with this disk and seed is under way in {self.work}")
        if options.fresh:
            shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.file = self.work / "state.json"
        self.state = {"rounds": 0, "tries": 0, "legs": [], "restarts_ms": [], "seconds": 0, "idle_rounds": 0, "troubles": dict.fromkeys(TROUBLES, 0), "problems": []}
        if self.file.exists():
            self.state = json.loads(self.file.read_text())
            print(f"goes on after {self.state['rounds']} rounds", flush=True)

    def keep(self):
        self.file.write_text(json.dumps(self.state))

    def trouble(self, told):
        for kind, count in told.get("troubles", {}).items():
            self.state["troubles"][kind] += count
        self.state["problems"] += told.get("problems", [])

    def bad(self):
        return bool(self.state["problems"])

    def run(self):
        broker = make_broker(self.options, self.work).start()
        try:
            while self.state["rounds"] < self.options.rounds and not self.bad():
                began = time.time()
                self.leg(broker, min(LEG, self.options.rounds - self.state["rounds"]))
                self.state["seconds"] += time.time() - began
                self.keep()
            for name in self.state["legs"][:-1]:  # the last one was checked just now
                self.trouble(Workers(self.work / name, broker.address, 0).once("verify", "final"))
        finally:
            if broker.alive():
                broker.stop(keep=True)
        return broker.version()

    def leg(self, broker, rounds):
        self.state["tries"] += 1
        name = f"leg{self.state['tries']}"
        self.keep()
        folder = self.work / name
        folder.mkdir()
        rng = random.Random(f"{self.options.seed} {self.state['rounds']}")
        workers = Workers(folder, broker.address, self.options.rate)
        restarts = []
        try:
            workers.begin()
            idle = self.rounds(rng, broker, workers, restarts, rounds)
            workers.finish()
            if not self.bad():
                self.trouble(workers.once("verify", "final"))
        finally:
            workers.kill()
        self.state["legs"].append(name)
        self.state["rounds"] += len(restarts)
        self.state["restarts_ms"] += restarts
        self.state["idle_rounds"] += idle

    def rounds(self, rng, broker, workers, restarts, count):
        """Returns in how many rounds a writer got no acknowledgement."""
        previous, idle = acknowledged(workers.folder), 0
        for number in range(1, count + 1):
            time.sleep(rng.uniform(0.05, self.options.longest))
            before = commits(workers.folder)
            broker.kill()
            broker.start()
            restarts.append(round(broker.ready_seconds * 1000))
            self.check_commits(workers, before, number)
            now = acknowledged(workers.folder)
            idle += now[0] == previous[0] or now[1] == previous[1]
            previous = now
            print(f"{workers.folder.name} round {self.state['rounds'] + number}: {now[0]} and {now[1]} acknowledged, {sum(before.values())} committed, "
                  f"restart {restarts[-1]} ms", flush=True)
            if workers.dead():
                self.trouble({"troubles": {"client_errors": 1}, "problems": [f"round {number}: worker {workers.dead()} ended; see {workers.folder.name}"]})
            if number % CHECK_EVERY == 0 and number < count:
                self.trouble(workers.once("verify", "running"))
            if self.bad():
                break
        return idle

    def check_commits(self, workers, before, number):
        told = workers.once("committed")
        for partition, offset in before.items():
            if told.get(str(partition), -1) < offset:
                self.trouble({"troubles": {"commits_behind": 1}, "problems": [
                    f"round {number}: partition {partition}: commit of {offset} was acknowledged, the broker says {told.get(str(partition))}"]})

    def result(self, version):
        state, restarts = self.state, sorted(self.state["restarts_ms"]) or [0]
        totals = [json.loads((self.work / name / "verified").read_text()) for name in state["legs"] if (self.work / name / "verified").exists()]
        if state["idle_rounds"] > state["rounds"] // 4:
            state["problems"].append(f"{state['idle_rounds']} rounds of {state['rounds']} brought one writer no acknowledgement: the load was not there")
        sums = {key: sum(t[key] for t in totals) for key in ("librdkafka_acknowledged", "verifiable_acknowledged", "records_read", "offsets_committed")}
        return {
            "disk": self.options.disk, "broker": version, "date": datetime.date.today().isoformat(), "seed": self.options.seed, "rounds": state["rounds"],
            "librdkafka": f"confluent-kafka {cache.VERSIONS['pypi']['confluent-kafka']}", "verifiable_producer": cache.VERSIONS["maven"]["kafka4"],
            "rate_per_writer": self.options.rate, "longest_between_kills_s": self.options.longest, **sums, **state["troubles"],
            "restart_ms_median": restarts[len(restarts) // 2], "restart_ms_max": restarts[-1], "restarts_ms": state["restarts_ms"],
            "seconds": round(state["seconds"]), "command": f"tests/interop/crash.py --disk {self.options.disk} --rounds {self.options.rounds} "
            f"--seed {self.options.seed} --rate {self.options.rate} --longest {self.options.longest}", "problems": [placeless(p) for p in state["problems"][:50]],
        }


def one(options):
    print(f"disk {options.disk}, seed {options.seed}, {options.rounds} rounds", flush=True)
    campaign = Campaign(options)
    told = campaign.result(campaign.run())
    text = json.dumps(told, indent=1)
    print(json.dumps({k: v for k, v in told.items() if k != "restarts_ms"}, indent=1), flush=True)
    if not options.apache and told["rounds"] >= WHOLE:
        folder = cache.HERE / "results" / "crash"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{options.disk}.json").write_text(text + "\n")
        report.write("kafka")
    if not told["problems"]:
        shutil.rmtree(campaign.work, ignore_errors=True)
    return bool(told["problems"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--disk", default="direct,buffered", help="direct, buffered or both, separated by a comma")
    parser.add_argument("--rate", type=int, default=2000, help="records per second of each writer")
    parser.add_argument("--longest", type=float, default=1.5, help="seconds between a start and the next kill, at most")
    parser.add_argument("--binary")
    parser.add_argument("--flag", action="append", default=[])
    parser.add_argument("--fresh", action="store_true", help="from the start, whatever an earlier run left")
    parser.add_argument("--apache", action="store_true", help="Apache Kafka instead: shows that the harness itself is right")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that what was started is ended
    bad = 0
    for disk in options.disk.split(","):
        bad += one(argparse.Namespace(**{**vars(options), "disk": disk}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
