#!/usr/bin/env python3
"""Runs unmodified clients against the broker and keeps their per-test results.

  run.py kafka                         all suites, each against a Weir that it starts, two at a time (--jobs N)
  run.py kafka --only kcat,java4       these suites; --test NAME: only tests with NAME in theirs
  run.py kafka --apache                the same against Apache Kafka, the reference that every scenario passes first
  run.py kafka --broker HOST:PORT      against a broker that runs already
  run.py kafka --list                  the suites
  run.py kafka --report                only write docs/compatibility.md from the results that are there

A whole suite run against Weir leaves its results in tests/interop/results/kafka and the table in docs/compatibility.md; all other runs
leave theirs in .cache/interop. The exit code is 1 when a test failed.
"""

import argparse
import concurrent.futures
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interop import brokers, cache, report  # noqa: E402
from interop.result import Suite  # noqa: E402

# what a user is likeliest to have first
SUITES = {
    "kcat": "suites.kcat", "python": "suites.python", "java4": "suites.java", "java3": "suites.java", "librdkafka": "suites.librdkafka",
    "streams": "suites.streams", "connect": "suites.connect", "spring": "suites.spring", "node": "suites.node", "go": "suites.go", "rust": "suites.rust",
    "librdkafka-local": "suites.librdkafka",
}
# the long ones begin first, so that the end is not one suite alone
LONG = ["librdkafka", "java4", "java3", "librdkafka-local"]
SUITE_SECONDS = {"librdkafka": 1500, "librdkafka-local": 1200}
USUAL_SECONDS = 900


class TimeOver(BaseException):
    """The suite's time is over; no `except Exception` of a test may take it."""


class Context:
    """What a suite gets: the address, names that nobody used before, and where its results go."""

    def __init__(self, broker, options, name):
        self.broker, self.options, self.name = broker, options, name
        self.address = broker.address
        self.suites = []

    def topic(self, stem):
        return f"{stem.replace('_', '-')}-{uuid.uuid4().hex[:8]}"

    def suite(self, name, client, version):
        command = f"./dev conformance kafka --only {self.name}"
        print(f"{name}: {client} {version}", flush=True)
        self.suites.append(Suite(name, client, version, command, self.options.test))
        return self.suites[-1]

    @contextlib.contextmanager
    def another(self, auto_create=True, flags=()):
        """The address of one more broker, with other settings."""
        second = start_broker(self.options, self.name, auto_create, flags)
        try:
            yield second.address
        finally:
            second.stop()


def start_broker(options, suite, auto_create=True, more=()):
    if options.broker:
        return brokers.Given(options.broker)
    if options.apache:
        return brokers.Apache(properties=[f"auto.create.topics.enable={str(auto_create).lower()}", *APACHE_EXTRA]).start()
    flags = [*WEIR_FLAGS, *SUITE_FLAGS.get(suite, []), *options.flag, *more, *([] if auto_create else NO_AUTO_CREATE)]
    return brokers.Weir(binary=options.binary, flags=flags).start()


# the clients' own test beds have an authorizer that allows everything
APACHE_EXTRA = ["num.partitions=4", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS",
                "allow.everyone.if.no.acl.found=true"]
WEIR_FLAGS = ["--kafka.num_partitions=4"]
# written for three brokers, of which one takes what there is
SUITE_FLAGS = {"librdkafka": ["--kafka.clamp_replication_factor=true"]}
NO_AUTO_CREATE = ["--kafka.auto_create_topics=false"]


def results_folder(options):
    whole = not (options.apache or options.broker or options.test)
    if whole:
        return cache.HERE / "results" / options.protocol
    return cache.CACHE / ("results-apache" if options.apache else "results-other")


def run_suite(name, options):
    """A broker of its own for each suite, so that one suite's leftovers cannot disturb another."""
    signal.signal(signal.SIGTERM, time_over)
    broker = start_broker(options, name)
    context = Context(broker, options, name)
    try:
        importlib.import_module(SUITES[name]).run(context)
    except (Exception, TimeOver):  # the suite itself broke: that is a failure of the run, shown as such
        target = context.suites[-1] if context.suites else context.suite(name, name, "")
        target.add("the suite itself", "failed", 0, traceback.format_exc())
        traceback.print_exc()
    died = not broker.alive()
    broker.stop(keep=died)
    if died and context.suites:
        context.suites[-1].add("the broker lives", "failed", 0, f"the broker ended with {broker.process.returncode}; its log: {broker.log}")
    label = broker.version() if hasattr(broker, "version") else options.broker
    for suite in context.suites:
        suite.save(results_folder(options), label)
        print(f"{suite.name}: {suite.counts()['passed']} passed, {suite.counts()['failed']} failed, {suite.counts()['excluded']} excluded", flush=True)
    forget_others(context, results_folder(options))
    return sum(suite.counts()["failed"] for suite in context.suites)


def forget_others(context, folder):
    """Results that an earlier run of the same command left and this one did not renew: its time was over before, or the suite is no more."""
    for file in folder.glob("*.json") if folder.name == context.options.protocol else []:
        kept = json.loads(file.read_text())
        if kept["command"].endswith(f" --only {context.name}") and kept["suite"] not in [s.name for s in context.suites]:
            file.unlink()


def time_over(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise TimeOver("not done in the time that the suite has")


def run_apart(name, arguments):
    """A suite in a process of its own: it is ended when its time is over, with all that it started. Returns what failed: a suite's name or nothing."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments, "--only", name, "--here"]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code = process.wait(SUITE_SECONDS.get(name, USUAL_SECONDS))
    except subprocess.TimeoutExpired:
        print(f"{name}: its time is over", flush=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        code = 1
    with contextlib.suppress(ProcessLookupError):  # what a suite left behind
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return [] if code == 0 else [name]


def run_apart_all(names, options):
    arguments = [options.protocol, *(["--test", options.test] if options.test else []), *(["--broker", options.broker] if options.broker else []),
                 *(["--apache"] if options.apache else []), *(["--binary", options.binary] if options.binary else []),
                 *[f"--flag={flag}" for flag in options.flag]]
    order = [n for n in LONG if n in names] + [n for n in names if n not in LONG]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        return [name for failed in pool.map(lambda n: run_apart(n, arguments), order) for name in failed]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=["kafka"])
    parser.add_argument("--only", help="suites, separated by commas")
    parser.add_argument("--test", help="only tests with this in their name")
    parser.add_argument("--broker", metavar="HOST:PORT")
    parser.add_argument("--apache", action="store_true")
    parser.add_argument("--binary", help="the weir binary (build/release/weir)")
    parser.add_argument("--flag", action="append", default=[], help="one more flag for weir server; repeatable")
    parser.add_argument("--jobs", type=int, default=2, help="suites at a time (2)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one suite in this process
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    if options.report:
        print(report.write(options.protocol)[0])
        return 0
    names = options.only.split(",") if options.only else list(SUITES)
    unknown = [n for n in names if n not in SUITES]
    if unknown:
        parser.error(f"no suite {unknown[0]}; there are: {', '.join(SUITES)}")
    if options.here:
        return 1 if sum(run_suite(name, options) for name in names) else 0
    began = time.time()
    failed = run_apart_all(names, options)
    print(f"{len(names)} suites in {time.time() - began:.0f} s" + (f"; not all passed in: {', '.join(failed)}" if failed else "; nothing failed"))
    if not (options.apache or options.broker or options.test):
        target, totals = report.write(options.protocol)
        print(f"all that is kept: {totals['passed']} passed, {totals['failed']} failed, {totals['excluded']} excluded; written: {target.relative_to(cache.ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
