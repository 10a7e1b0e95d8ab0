#!/usr/bin/env python3
"""Weir side by side with Apache Kafka on this machine, with the same load generator.

  run.py kafka                     everything: five runs, order alternating; about an hour
  run.py kafka --quick             a subset, one run, in a few minutes
  run.py kafka --list              the scenarios
  run.py kafka --only NAME         scenarios with NAME in theirs (repeatable)
  run.py kafka --runs N --seconds S --contenders weir,kafka,kafka-synced
  run.py kafka --report            only write docs/benchmarks.md from the results that are there

Apache Kafka comes from Maven Central and runs as one node (KRaft, combined), default unsynced and with flush.messages=1. In each run each
broker starts afresh with its data on the same disk, is warmed up and gets all scenarios, each on fresh topics; the order of the brokers turns
from run to run. Raw results: bench/results/.
"""

import argparse
import datetime
import json
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import measure, report, scenarios  # noqa: E402
from harness.contenders import CONTENDERS, ROOT  # noqa: E402

RESULTS = ROOT / "bench" / "results"


class Visit:
    """One contender with a fresh broker, from its start to its end."""

    def __init__(self, name, folder, flags=()):
        self.data = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=folder))
        self.name, self.contender = name, CONTENDERS[name](self.data / "data", flags)

    def __enter__(self):
        self.contender.start()
        return self

    def __exit__(self, *_):
        if self.contender.broker.alive():
            self.contender.broker.stop(keep=True)
        shutil.rmtree(self.data, ignore_errors=True)

    def run(self, scenario, seconds):
        began = time.time()
        told = {"contender": self.name, "durability": self.contender.durability}
        try:
            told["version"] = self.contender.broker.version()
            told.update(scenario.run(self.contender, seconds))
            if told.get("rate", 0) is None:
                raise RuntimeError("no answer came within the time of the measurement")
        except Exception as error:  # one failure must not end the night's run; it is kept as the result
            told["error"] = f"{type(error).__name__}: {error}"[-800:]
            traceback.print_exc()
        told["wall_seconds"] = round(time.time() - began, 1)
        return told


def line(scenario, number, told):
    if "error" in told:
        what = "FAILED " + told["error"].splitlines()[-1][:150]
    elif "rate" in told:
        what = f"{told['rate']:,.0f}/s, p50 {told.get('p50_us') or 0:,.0f} us, p99 {told.get('p99_us') or 0:,.0f} us"
    else:
        what = ", ".join(f"{k} {v:,.0f}" for k, v in told.items() if isinstance(v, (int, float)) and k != "wall_seconds")
    print(f"{scenario.name} run {number} {told['contender']}: {what}", flush=True)


def measure_all(chosen, options):
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    target = RESULTS / f"kafka-{stamp}{'-quick' if options.quick else ''}.json"
    RESULTS.mkdir(exist_ok=True)
    whole = {"date": datetime.date.today().isoformat(), "machine": measure.machine(), "runs": options.runs, "seconds": options.seconds,
             "command": "./dev bench " + " ".join(sys.argv[1:]), "scenarios": {}}
    names = options.contenders.split(",")

    def keep(scenario, number, told):
        whole["scenarios"].setdefault(scenario.name, []).append({"run": number, **told})
        line(scenario, number, told)
        # The record speaks of the project alone: no place of the machine.
        target.write_text(json.dumps(whole, indent=1).replace(f"{ROOT}/", "") + "\n")

    shared = [s for s in chosen if not s.alone]
    for number in range(options.runs):
        for name in names[number % len(names):] + names[:number % len(names)]:
            if name == "kafka-synced" and number >= options.runs_synced:
                continue
            mine = [s for s in shared if name in s.contenders]
            if mine:
                with Visit(name, options.folder) as visit:
                    scenarios.warm_up(visit.contender.broker.address)
                    for scenario in mine:
                        keep(scenario, number, visit.run(scenario, options.seconds))
            for scenario in chosen:
                if scenario.alone and name in scenario.contenders and number < options.runs_alone:
                    with Visit(name, options.folder, getattr(scenario, "flags", ())) as visit:
                        keep(scenario, number, visit.run(scenario, options.seconds))
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", nargs="?", choices=["kafka"], default="kafka")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--runs-alone", type=int, default=1, help="runs of the scenarios that need a broker of their own (start, recovery, sustained)")
    parser.add_argument("--runs-synced", type=int, default=1000, help="runs of the broker that syncs each message, which takes its time")
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--contenders", default="weir,kafka,kafka-synced")
    parser.add_argument("--folder", default=str(ROOT / ".cache"), help="where the data folders go: the disk that is measured")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.seconds = options.seconds or (4 if options.quick else 10)
    chosen = scenarios.quick() if options.quick else scenarios.full()
    chosen = [s for s in chosen if not options.only or any(o in s.name for o in options.only)]
    if options.list:
        print("\n".join(s.name for s in chosen))
        return 0
    if not options.report:
        Path(options.folder).mkdir(exist_ok=True)
        with measure.PlainLoopback():
            print("written:", measure_all(chosen, options))
    print("written:", report.write(RESULTS, ROOT / "docs" / "benchmarks.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
