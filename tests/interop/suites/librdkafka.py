"""librdkafka's own test runner: each of its tests that needs a broker in a process of its own, so that one crash or hang costs one test."""

import concurrent.futures
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from interop import cache

AT_ONCE = int(os.environ.get("WEIR_INTEROP_JOBS", "3"))
TEST_SECONDS = 400
QUICK = os.environ.get("INTEROP_LIBRDKAFKA", "quick") != "full"  # the runner's own -Q: less data, fewer repetitions, no slow subtests

# tests of what the broker leaves out; they are not run, and count as not passed
EXCLUDED = {
    r"0098_consumer_txn|0103_transactions|0129_fetch_aborted_msgs": "transactions (APIs 24-28) are left out",
    r"0097_ssl_verify|0126_oauthbearer_oidc|0135_sasl_credentials|0142_reauthentication": "SASL/TLS is left out",
    r"0115_producer_auth|0119_consumer_auth|0109_auto_create_topics": "ACLs (APIs 29-31) are left out",
    r"01[78]\d_share_consumer.*": "share groups (APIs 76-79) are left out",
}
# subtests of 0081_admin, likewise
EXCLUDED_ADMIN = {
    r"Acls|AclBinding": "ACLs (APIs 29-31) are left out",
    r"DescribeConfigs_groups": "KIP-848 is left out (configurations of its groups)",
    r"UserScramCredentials": "SASL/TLS is left out (SCRAM credentials, APIs 50-51)",
}


def table(folder):
    """(name, flags, scenario) of each test, read from the runner's own table."""
    text = (folder / "test.c").read_text()
    text = text[text.index("struct test tests[] = {"):]
    text = text[:text.index("{NULL}};")]
    found = []
    for entry in re.split(r"\b_TEST\(", text)[1:]:
        name = entry.split(",")[0].strip()
        scenario = re.search(r'\.scenario\s*=\s*"([^"]+)"', entry)
        found.append((name, entry, scenario[1] if scenario else "default"))
    return found


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


def run_one(folder, address, name, scenario, subtest=None):
    """Runs one test; returns (outcome, seconds, detail)."""
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="rdkafka-") as work:
        conf = Path(work) / "test.conf"
        conf.write_text(f"bootstrap.servers={address}\ntest.topic.random=true\ntest.timeout.multiplier=1.5\n")
        report = Path(work) / "report.json"
        env = dict(os.environ, TESTS=name, RDKAFKA_TEST_CONF=str(conf), TEST_REPORT=str(report), TEST_KAFKA_VERSION="4.2.0",
                   LD_LIBRARY_PATH=f"{folder.parent / 'src'}:{folder.parent / 'src-cpp'}", BROKERS=address, KAFKA_PATH=str(kafka_home()))
        if subtest:
            env["SUBTESTS"] = subtest
        command = [folder / "test-runner", "-p1", "-r", "-L", "-s", scenario.split(",")[0]] + (["-Q"] if QUICK else [])
        output = Path(work) / "output"
        with open(output, "wb") as out:
            process = subprocess.Popen(["nice", *command], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
            try:
                process.wait(TEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        seconds = time.time() - began
        text = output.read_text(errors="replace")
        keep(name + (f"-{subtest.rstrip(':')}" if subtest else ""), text)
        return (*judge(name, report, text, process.returncode), seconds)


def keep(name, text):
    folder = cache.CACHE / "librdkafka-logs"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.log").write_text(text[-3_000_000:])


def judge(name, report, text, code):
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    state = None
    if report.exists():
        tests = json.loads(re.sub(r",\s*([}\]])", r"\1", report.read_text())).get("tests", {})
        state = tests.get(name, {}).get("state")
    if state == "PASSED" and code == 0:
        return "passed", ""
    if state == "SKIPPED":
        why = re.findall(r"(?:SKIPPING TEST|SKIP[A-Z]*)[:,]?\s*(.*)", plain)
        return "excluded", "skipped by the runner itself: " + (why[0].strip() if why else "no reason given")
    why = [line for line in plain.splitlines() if "Test failed" in line or "TEST FAILURE" in line or "### Test" in line and "failed" in line]
    failure = re.findall(r"### Test \"?" + re.escape(name) + r".*failed at ([^\n]*)\n?(.*)", plain)
    detail = " ".join(failure[0]) if failure else (why[-1] if why else f"state {state}, exit code {code}, last line: {plain.strip().splitlines()[-1:]}")
    return "failed", detail.strip()


def run(context):
    folder = cache.librdkafka_tests()
    kafka_home()
    version = f"{cache.librdkafka_version()} (in @confluentinc/kafka-javascript {cache.VERSIONS['npm']['@confluentinc/kafka-javascript']})"
    mode = "quick mode" if QUICK else "full mode"
    suite = context.suite("librdkafka", f"librdkafka's own test runner, all tests that need a broker, {mode}", version)
    wanted = []
    for name, flags, scenario in table(folder):
        if "TEST_F_LOCAL" in flags or "TEST_F_MANUAL" in flags or not suite.wants(name):
            continue
        if excluded(name) and not context.options.apache:
            suite.add(name, "excluded", 0, excluded(name))
        elif scenario != "noautocreate":
            wanted.append((name, scenario))
    run_all(context, suite, folder, wanted)
    second = [(n, s) for n, f, s in table(folder) if s == "noautocreate" and suite.wants(n) and "TEST_F_LOCAL" not in f]
    if second:
        with context.another(auto_create=False) as address:
            run_all(context, suite, folder, second, address)


def run_all(context, suite, folder, wanted, address=None):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run_one, folder, address or context.address, n, s): n for n, s in wanted if n != "0081_admin"}
        for done in concurrent.futures.as_completed(running):
            outcome, detail, seconds = done.result()
            suite.add(running[done], outcome, seconds, detail)
    if any(n == "0081_admin" for n, _ in wanted):
        admin(context, suite, folder)


def admin(context, suite, folder):
    """0081_admin holds some thirty tests of different APIs; one that is left out must not hide the others."""
    source = (folder / "0081-admin.c").read_text()
    names = sorted(set(re.findall(r"^static void (do_test_\w+)\(", source, re.M)))
    for name in names:
        reason = excluded(name, EXCLUDED_ADMIN)
        if reason and not context.options.apache:
            suite.add(f"0081_admin/{name}", "excluded", 0, reason)
            continue
        outcome, detail, seconds = run_one(folder, context.address, "0081_admin", "default", name + ":")
        suite.add(f"0081_admin/{name}", outcome, seconds, detail)
