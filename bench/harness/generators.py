"""Load: our own generator, the same for every broker, and Kafka's producer-perf-test."""

import json
import re
import subprocess

from harness.contenders import Java, cache


class Failed(Exception):
    pass


def command_of(kind, address, seconds, options):
    command = [binary(), "bench", kind, "--brokers", address, "--seconds", seconds, "-o", "json"]
    for name, value in options.items():
        if value is True:
            command.append(f"--{name.replace('_', '-')}")
        elif value is not None:
            command += [f"--{name.replace('_', '-')}", value]
    return [str(each) for each in command]


def ours(kind, address, seconds, **options):
    """`weir bench KIND`; returns its JSON object."""
    command = command_of(kind, address, seconds, options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 6 + 120)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-600:]}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def binary():
    import os
    return os.environ.get("WEIR_BINARY", str(cache.ROOT / "build" / "release" / "weir"))


def start_ours(kind, address, seconds, **options):
    """The same in the background."""
    return subprocess.Popen(command_of(kind, address, seconds, options), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


SUMMARY = re.compile(r"(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\), ([\d.]+) ms avg latency, ([\d.]+) ms max latency, "
                     r"([\d.]+) ms 50th, ([\d.]+) ms 95th, ([\d.]+) ms 99th, ([\d.]+) ms 99.9th")


def perf_test(address, topic, records, size, rate=-1, **props):
    """kafka-producer-perf-test; its last line in our words."""
    given = [f"{k}={v}" for k, v in {"bootstrap.servers": address, **props}.items()]
    command = ["java", "-Xms512m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", Java("kafka4", address).path,
               "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(records), "--record-size", str(size),
               "--throughput", str(rate), "--bootstrap-server", address, "--command-property", *given[1:], "acks=all"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [SUMMARY.search(line) for line in done.stdout.splitlines()]
    last = [m for m in lines if m]
    if done.returncode != 0 or not last:
        raise Failed(f"kafka-producer-perf-test: {done.stdout[-300:]} {done.stderr[-300:]}")
    n, rate_told, mb, average, most, p50, p95, p99, p999 = map(float, last[-1].groups())
    return {"records": n, "rate": rate_told, "mb_per_second": mb, "average_ms": average, "max_ms": most, "p50_us": p50 * 1000, "p95_us": p95 * 1000,
            "p99_us": p99 * 1000, "p999_us": p999 * 1000}
