"""Python clients, Debian's and the newest: each scenario program runs in the interpreter that holds the client."""

import subprocess

from interop import cache
from interop.result import from_lines

SECONDS = 300


def run(context):
    cache.apt()
    runs = [
        ("python-kafka-debian", "kafka-python (Debian python3-kafka)", cache.debian_version("python3-kafka"), cache.DEBIAN_PYTHON, "kafka_python"),
        ("python-confluent-debian", "confluent-kafka (Debian)",
         f"{cache.debian_version('python3-confluent-kafka')}, librdkafka {cache.debian_version('librdkafka1')}", cache.DEBIAN_PYTHON, "confluent"),
        ("python-kafka", "kafka-python", cache.VERSIONS["pypi"]["kafka-python"], None, "kafka_python"),
        ("python-kafka-ng", "kafka-python-ng", cache.VERSIONS["pypi"]["kafka-python-ng"], None, "kafka_python"),
        ("python-confluent", "confluent-kafka", cache.VERSIONS["pypi"]["confluent-kafka"], None, "confluent"),
        ("python-aiokafka", "aiokafka", cache.VERSIONS["pypi"]["aiokafka"], None, "aio"),
    ]
    package = {"python-kafka": "kafka-python", "python-kafka-ng": "kafka-python-ng", "python-confluent": "confluent-kafka", "python-aiokafka": "aiokafka"}
    for name, client, version, interpreter, program in runs:
        suite = context.suite(name, client, version)
        run_program(suite, [interpreter or cache.python(package[name]), cache.PROGRAMS / "python" / f"{program}.py"], context)


def run_program(suite, command, context, seconds=SECONDS, env=None, cwd=None):
    """Runs a program of ours: ADDRESS PREFIX [TEST]; a program that says nothing, or dies, is a failure."""
    arguments = [context.address, context.topic(suite.name)] + ([suite.only] if suite.only else [])
    process = subprocess.Popen(["nice", *map(str, command), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=cwd)
    try:
        out, err = process.communicate(timeout=seconds)
        ended = f"ended with {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        ended = f"killed after {seconds} s"
    found = from_lines(suite, out)
    if process.returncode != 0 or (found == 0 and not suite.only):
        if not any(t["outcome"] == "failed" for t in suite.tests) or process.returncode < 0:
            suite.add("the program itself", "failed", 0, f"{ended}: {err[-1500:]}")
