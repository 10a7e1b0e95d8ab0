"""Per-test results of a suite: collected, kept as JSON, never typed by hand."""

import contextlib
import datetime
import json
import re
import time
import traceback

from .cache import HERE, ROOT


SECOND_TRY = "passed only at the second try, alone"  # begins the detail of such a test


def placeless(text):
    """Without the places of the machine that it ran on."""
    return re.sub(r"/tmp/[\w.-]+", "/tmp/…", text.replace(f"{ROOT}/", ""))


class Excluded(Exception):
    """A test that needs an API which this broker leaves out; the reason names the API. It counts as not passed."""


class Suite:
    def __init__(self, name, client, version, command, only=None):
        self.name, self.client, self.version, self.command = name, client, version, command
        self.only = only  # substring of the tests to run, None for all
        self.tests = []
        self.began = time.time()

    def add(self, test, outcome, seconds=0.0, detail=""):
        assert outcome in ("passed", "failed", "excluded"), outcome
        self.tests.append({"test": test, "outcome": outcome, "seconds": round(seconds, 2), "detail": placeless(detail)[-2000:]})
        mark = {"passed": "ok  ", "failed": "FAIL", "excluded": "skip"}[outcome]
        tail = "" if outcome == "passed" else "  " + (detail.strip().splitlines() or [""])[-1][:200]
        print(f"  {mark} {self.name}/{test} ({seconds:.1f} s){tail}", flush=True)

    def wants(self, test):
        return self.only is None or self.only in test

    @contextlib.contextmanager
    def case(self, test):
        """Runs one test of our own; an exception is its failure. Check wants() first to skip the body."""
        began = time.time()
        try:
            yield
        except Excluded as reason:
            self.add(test, "excluded", time.time() - began, str(reason))
        except Exception as error:  # any failure of the client is the result, not an end of the run
            detail = str(error) if isinstance(error, (AssertionError, RuntimeError)) else traceback.format_exc()
            self.add(test, "failed", time.time() - began, detail or traceback.format_exc())
        else:
            self.add(test, "passed", time.time() - began)

    def counts(self):
        return {o: sum(t["outcome"] == o for t in self.tests) for o in ("passed", "failed", "excluded")}

    def save(self, folder, broker):
        folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "suite": self.name, "client": self.client, "version": self.version, "broker": broker, "command": self.command,
            "date": datetime.date.today().isoformat(), "seconds": round(time.time() - self.began, 1),
            "partial": self.only is not None, **self.counts(), "tests": self.tests,
        }
        (folder / f"{self.name}.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def earlier(name):
    """The tests of the kept results of a suite, none when there are none."""
    for file in (HERE / "results").glob(f"*/{name}.json"):
        return json.loads(file.read_text())["tests"]
    return []


def from_lines(suite, text, prefix=""):
    """Takes over the results of a program of ours, which prints one JSON object {"test", "outcome", "seconds", "detail"} per line.

    Returns how many there were; other lines are ignored.
    """
    found = 0
    for line in text.splitlines():
        if not line.startswith('{"test"'):
            continue
        try:
            one = json.loads(line)
        except ValueError:
            continue
        suite.add(prefix + one["test"], one["outcome"], float(one.get("seconds", 0)), one.get("detail", ""))
        found += 1
    return found
