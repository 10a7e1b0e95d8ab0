#!/usr/bin/env python3
"""Runs unmodified clients against the broker and keeps their per-test results.

  run.py kafka                         all suites against a Weir that it starts
  run.py kafka --only kcat,java4       these suites; --test NAME: only tests with NAME in theirs
  run.py kafka --apache                the same against Apache Kafka, the reference that every scenario passes first
  run.py kafka --broker HOST:PORT      against a broker that runs already
  run.py kafka --list                  the suites
  run.py kafka --report                only write docs/compatibility.md from the results that are there

A whole suite run against Weir leaves its results in tests/interop/results/kafka and the table in docs/compatibility.md; all other runs
leave theirs in .cache/interop. The exit code is 1 when a test failed.
"""

import argparse
import contextlib
import importlib
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
    "streams": "suites.streams", "connect": "suites.connect", "spring": "suites.spring", "node": "suites.node", "go": "suites.go",
}


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
    def another(self, auto_create):
        """The address of a second broker, which creates no topics by itself."""
        second = start_broker(self.options, self.name, auto_create)
        try:
            yield second.address
        finally:
            second.stop()


def start_broker(options, suite, auto_create=True):
    if options.broker:
        return brokers.Given(options.broker)
    if options.apache:
        return brokers.Apache(properties=[f"auto.create.topics.enable={str(auto_create).lower()}", *APACHE_EXTRA]).start()
    flags = [*WEIR_FLAGS, *SUITE_FLAGS.get(suite, []), *options.flag, *([] if auto_create else NO_AUTO_CREATE)]
    return brokers.Weir(binary=options.binary, flags=flags).start()


# the clients' own test beds have an authorizer that allows everything
APACHE_EXTRA = ["num.partitions=4", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS",
                "allow.everyone.if.no.acl.found=true"]
WEIR_FLAGS = ["--kafka.num_partitions=4"]
# written for three brokers; one takes what there is
SUITE_FLAGS = {"librdkafka": ["--kafka.clamp_replication_factor=true"]}
NO_AUTO_CREATE = ["--kafka.auto_create_topics=false"]


def results_folder(options):
    whole = not (options.apache or options.broker or options.test)
    if whole:
        return cache.HERE / "results" / options.protocol
    return cache.CACHE / ("results-apache" if options.apache else "results-other")


def run_suite(name, options):
    """A broker of its own for each suite, so that one suite's leftovers cannot disturb another."""
    broker = start_broker(options, name)
    context = Context(broker, options, name)
    try:
        importlib.import_module(SUITES[name]).run(context)
    except Exception:  # the suite itself broke: that is a failure of the run, shown as such
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
    return context.suites


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=["kafka"])
    parser.add_argument("--only", help="suites, separated by commas")
    parser.add_argument("--test", help="only tests with this in their name")
    parser.add_argument("--broker", metavar="HOST:PORT")
    parser.add_argument("--apache", action="store_true")
    parser.add_argument("--binary", help="the weir binary (build/release/weir)")
    parser.add_argument("--flag", action="append", default=[], help="one more flag for weir server; repeatable")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    if options.report:
        print(report.write(options.protocol))
        return 0
    names = options.only.split(",") if options.only else list(SUITES)
    unknown = [n for n in names if n not in SUITES]
    if unknown:
        parser.error(f"no suite {unknown[0]}; there are: {', '.join(SUITES)}")
    began = time.time()
    done = [suite for name in names for suite in run_suite(name, options)]
    totals = {o: sum(s.counts()[o] for s in done) for o in ("passed", "failed", "excluded")}
    print(f"{len(done)} suites in {time.time() - began:.0f} s: {totals['passed']} passed, {totals['failed']} failed, {totals['excluded']} excluded")
    if not (options.apache or options.broker or options.test):
        print("written:", report.write(options.protocol))
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
