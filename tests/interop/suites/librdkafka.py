"""librdkafka's own test runner, in full: each number of its table in a process of its own, so that one crash or hang costs one number.

INTEROP_LIBRDKAFKA=quick is the runner's own -Q: less data, fewer repetitions, no slow subtests; for a quick look only.
"""

import concurrent.futures
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from interop import cache
from interop.result import SECOND_TRY, earlier

AT_ONCE = int(os.environ.get("WEIR_INTEROP_JOBS", "4"))  # most of them wait most of the time
JOB_SECONDS = 900
SECOND_TRY_SECONDS = 120
QUICK = os.environ.get("INTEROP_LIBRDKAFKA", "full") == "quick"

# tests of what the broker leaves out; they are not run, and count as not passed
EXCLUDED = {
    r"0098_consumer_txn|0103_transactions$|0129_fetch_aborted_msgs": "transactions (APIs 24-28) are left out",
    r"0097_ssl_verify$|0126_oauthbearer_oidc|0135_sasl_credentials|0142_reauthentication": "SASL/TLS is left out",
    r"0101_fetch_from_follower": "one node only: it wants three brokers in racks",
    r"0115_producer_auth|0119_consumer_auth|0109_auto_create_topics": "ACLs (APIs 29-31) are left out",
    r"01[789]\d_share_consumer.*": "share groups (APIs 76-79) are left out",
    r"0028_long_topicnames|0047_partial_buf_tmout": "librdkafka's own known issue, left out by its runner; against Apache Kafka it fails in the same way",
    r"8000_idle|8001_fetch_from_follower_mock_manual": "nothing that a machine could judge: the runner's own table marks it as manual",
}
# tests of several APIs, run by their subtests: one that is left out must not hide the others
SPLIT = {
    "0055_producer_latency": "0055-producer_latency.c",
    "0061_consumer_lag": "0061-consumer_lag.cpp",
    "0081_admin": "0081-admin.c",
    "0137_barrier_batch_consume": "0137-barrier_batch_consume.c",
}
EXCLUDED_SUBTESTS = {
    r"Acls": "ACLs (APIs 29-31) are left out",
    r"with_authorized_ops": "SASL/TLS is left out (operations that a user is authorized for)",
    r"DescribeConfigs_groups|IncrementalAlterConfigs": "KIP-848 is left out (configurations of its groups)",
    r"UserScramCredentials": "SASL/TLS is left out (SCRAM credentials, APIs 50-51)",
    r"control_msgs|^transactions| with transactions": "transactions (APIs 24-28) are left out",
}
# a scenario of the runner, or a test, that wants a broker with other settings: Kafka's cleaner looks for compaction every 15 s, and this test waits 20 s for it
BEDS = {"noautocreate": {"auto_create": False}, "0077_compaction": {"flags": ["--storage.clean_interval=2s"]}}
ALONE = ("0055_producer_latency", "0038_performance")  # they measure time; not beside others


class Test:
    """One row of the runner's table."""

    def __init__(self, entry):
        self.name = entry.split(",")[0].strip()
        self.number = self.name.split("_")[0]
        self.local = "TEST_F_LOCAL" in entry  # needs no broker: unit tests and tests against librdkafka's own mock
        self.manual = "TEST_F_MANUAL" in entry
        self.known_issue = bool(re.search(r"TEST_F_KNOWN_ISSUE\b", entry))  # the runner leaves it out unless -k asks for it
        scenario = re.search(r'\.scenario\s*=\s*"([^"]+)"', entry)
        self.scenario = (scenario[1] if scenario else "default").split(",")[0]


def table(folder):
    text = (folder / "test.c").read_text()
    text = text[text.index("struct test tests[] = {"):]
    text = text[:text.index("{NULL}};")]
    return [Test(entry) for entry in re.split(r"\b_TEST\(", text)[1:]]


def excluded(name, patterns=None):
    for pattern, reason in (patterns or EXCLUDED).items():
        if re.search(pattern, name):
            return reason
    return None


def kafka_home():
    """Two tests call Kafka's own kafka-topics.sh under KAFKA_PATH; this one runs the Java tool from the registry."""
    script = cache.CACHE / "kafka-home" / "bin" / "kafka-topics.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    text = f'#!/bin/sh\nexec java -Xmx128m -cp "{cache.jars("kafka4")}/*" org.apache.kafka.tools.TopicCommand "$@"\n'
    if not script.exists() or script.read_text() != text:
        script.write_text(text)
        script.chmod(0o755)
    return script.parent.parent


class Job:
    """The tests that the runner takes in one go: it chooses by number and by flags."""

    def __init__(self, tests, subtest=None):
        self.tests, self.subtest = tests, subtest
        first = tests[0]
        self.number, self.scenario = first.number, first.scenario
        self.flags = ["-l" if first.local else "-L"] + (["-k"] if first.known_issue else [])
        self.names = [f"{t.name}/{subtest}" if subtest else t.name for t in tests]

    def run(self, folder, address):
        """[(name, outcome, seconds, detail)]"""
        began = time.time()
        with tempfile.TemporaryDirectory(prefix="rdkafka-") as work:
            text, report, code = self.execute(folder, address, Path(work))
        (logs() / f"{self.names[0].replace('/', '-')}.log").write_text(text[-3_000_000:])
        plain = re.sub(r"\x1b(\[[0-9;]*m|\(B)", "", text)
        return [(name, *judge(test, self.subtest, report, plain, code, time.time() - began)) for name, test in zip(self.names, self.tests)]

    def execute(self, folder, address, work):
        conf, report, output = work / "test.conf", work / "report.json", work / "output"
        conf.write_text(f"bootstrap.servers={address}\ntest.topic.random=true\ntest.timeout.multiplier=2\n")
        env = dict(os.environ, TESTS=self.number, RDKAFKA_TEST_CONF=str(conf), TEST_REPORT=str(report), TEST_KAFKA_VERSION="4.2.0",
                   LD_LIBRARY_PATH=f"{folder.parent / 'src'}:{folder.parent / 'src-cpp'}", BROKERS=address, KAFKA_PATH=str(kafka_home()))
        env.pop("CI", None)  # the runner leaves more out when it sees this one
        if self.subtest:
            env["SUBTESTS"] = self.subtest + ":" if self.subtest.startswith("do_test") else self.subtest
        command = [folder / "test-runner", "-p1", "-r", *self.flags, "-s", self.scenario] + (["-Q"] if QUICK else [])
        with open(output, "wb") as out:
            process = subprocess.Popen(["nice", *command], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
            try:
                process.wait(JOB_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        states = {}
        if report.exists():
            states = json.loads(re.sub(r",\s*([}\]])", r"\1", report.read_text())).get("tests", {})
        return output.read_text(errors="replace"), states, process.returncode


def logs():
    folder = cache.CACHE / "librdkafka-logs"
    folder.mkdir(exist_ok=True)
    return folder


def judge(test, subtest, report, plain, code, seconds):
    """(outcome, seconds, detail) of one test from the runner's report and its closing table."""
    state, seconds = report.get(test.name, {}).get("state"), report.get(test.name, {}).get("duration", seconds)
    row = re.search(r"^\|\s*" + re.escape(test.name) + r"\s+\|[^|]*\|[^|]*\|[ \t]*([^\n]*(?:\n(?!\|)[^\n]+)?)", plain, re.M)
    told = row[1].strip() if row else ""
    if state == "PASSED" and code == 0:
        # a test of subtests passes too when it did none of them
        if subtest and not re.search(rf"\[ [^\n]*{re.escape(subtest)}[^\n]*: PASS ", plain):
            why = re.search(rf"\[ [^\n]*{re.escape(subtest)}[^\n]*: SKIP: ([^\n]*) \]", plain)
            return "excluded", seconds, "skipped by the runner itself: " + (why[1].strip() if why else "not called for this broker and mode")
        return "passed", seconds, ""
    if state == "SKIPPED":
        why = re.search(r"^\[" + re.escape(test.name[:20]) + r"[^\n]*SKIPPING TEST: ([^\n]*)", plain, re.M)
        return "excluded", seconds, "skipped by the runner itself: " + (re.sub(r"\[\d{4}_.*", "", why[1]).strip() if why else told or "no reason given")
    failure = re.findall(r"### Test \"?" + re.escape(test.name) + r".*failed at ([^\n]*)\n?(.*)", plain)
    if told or failure:
        return "failed", seconds, told or " ".join(failure[0]).strip()
    return "failed", seconds, f"state {state}, exit code {code}, last line: {plain.strip().splitlines()[-1:]}"


def jobs(folder, tests):
    """What is wanted, grouped as the runner chooses it."""
    groups = {}
    for test in tests:
        groups.setdefault((test.number, test.local, test.known_issue, test.scenario), []).append(test)
    return [Job(g, s) for g in groups.values() for s in (subtests(folder, g[0].name) if g[0].name in SPLIT else [None])]


def subtests(folder, name):
    """0055 and 0061 have one function for all of their subtests, told apart by their titles; the others have functions, some of which only help."""
    if name.startswith("0061"):
        return ["Test consumer lag with transactions", "Test consumer lag without transactions"]
    text = (folder / SPLIT[name]).read_text()
    if name.startswith("0055"):
        return re.findall(r'\{"([^"]+)",\s*\{(?:"linger.ms"|NULL)', re.sub(r"/\*.*?\*/", "", text))
    functions = re.split(r"^(?:static void )?(?=do_test_\w+\()", text, flags=re.M)[1:]
    return sorted({re.match(r"\w+", f)[0] for f in functions if re.search(r"\bSUB_TEST(_QUICK)?\(", f[:f.index("\n}")])})


def longest_first(found, name):
    """By the times of the last run, so that the longest does not begin last."""
    known = {t["test"]: t["seconds"] for t in earlier(name)}
    return sorted(found, key=lambda j: -sum(known.get(n, 20) for n in j.names))


def run_all(context, suite, folder, wanted):
    with contextlib.ExitStack() as brokers:
        address = {None: context.address}
        for bed, settings in BEDS.items():
            if any(bed_of(j) == bed for j in wanted):
                address[bed] = brokers.enter_context(context.another(**settings))
        again = []
        beside, alone = [j for j in wanted if j.tests[0].name not in ALONE], [j for j in wanted if j.tests[0].name in ALONE]
        pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        try:
            running = [pool.submit(lambda j=j: (j, j.run(folder, address[bed_of(j)]))) for j in longest_first(beside, suite.name)]
            for done in concurrent.futures.as_completed(running):
                again += settle(suite, done.result(), second_try=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # when the suite's time is over, what was not begun is not
        for job in alone:
            again += settle(suite, (job, job.run(folder, address[bed_of(job)])), second_try=True)
        for job, first in again:
            settle(suite, (job, job.run(folder, address[bed_of(job)])), second_try=False, first=first)


def settle(suite, done, second_try, first=None):
    """Takes over the results of a job. Many tests have bounds of some hundred milliseconds, and two suites share the machine: a short job that failed is
    tried once more, alone. What passes only then says so."""
    job, results = done
    failed = [r for r in results if r[1] == "failed"]
    if failed and second_try and sum(r[2] for r in results) < SECOND_TRY_SECONDS:
        return [(job, failed[0][3])]
    for name, outcome, seconds, detail in results:
        suite.add(name, outcome, seconds, f"{SECOND_TRY}: {first}" if first is not None and outcome == "passed" else detail)
    return []


def bed_of(job):
    return job.scenario if job.scenario in BEDS else job.tests[0].name if job.tests[0].name in BEDS else None


def run(context):
    """Two suites: the tests that talk to the broker, and those that run against librdkafka's own mock in the same process."""
    folder = cache.librdkafka_tests()
    kafka_home()
    local = context.name.endswith("-local")
    version = f"{cache.librdkafka_version()} (in @confluentinc/kafka-javascript {cache.VERSIONS['npm']['@confluentinc/kafka-javascript']})"
    what = "its unit and mock tests, which never talk to the broker" if local else "all tests that need a broker"
    suite = context.suite(context.name, f"librdkafka's own test runner, {what}, {'quick' if QUICK else 'full'} mode", version)
    wanted = []
    for job in jobs(folder, [t for t in table(folder) if t.local == local]):
        reason = left_out(job, context.options.apache)
        for name in [n for n in job.names if suite.wants(n)] if reason else []:
            suite.add(name, "excluded", 0, reason)
        if not reason and any(suite.wants(n) for n in job.names):
            wanted.append(job)
    run_all(context, suite, folder, wanted)


def left_out(job, everything):
    """Why a job is not run, if it is not; a reference broker has everything but what is manual."""
    if job.tests[0].manual:
        return excluded(job.tests[0].name) or "the runner's own table marks it as manual"
    if everything or job.tests[0].local:
        return None
    return excluded(job.subtest, EXCLUDED_SUBTESTS) if job.subtest else excluded(job.tests[0].name)
