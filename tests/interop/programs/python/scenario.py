"""What the scenario programs share: one JSON line per test on stdout."""

import json
import sys
import time
import traceback

ADDRESS = sys.argv[1]
PREFIX = sys.argv[2]
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Excluded(Exception):
    pass


def report(test, outcome, began, detail=""):
    print(json.dumps({"test": test, "outcome": outcome, "seconds": round(time.time() - began, 2), "detail": detail}), flush=True)


def run(tests):
    failed = 0
    for test in tests:
        name = test.__name__
        if ONLY not in name:
            continue
        began = time.time()
        try:
            test(f"{PREFIX}-{name.replace('_', '-')}")
            report(name, "passed", began)
        except Excluded as reason:
            report(name, "excluded", began, str(reason))
        except Exception as error:
            failed += 1
            report(name, "failed", began, traceback.format_exc()[-1500:] if not isinstance(error, AssertionError) else f"AssertionError: {error}")
    sys.exit(1 if failed else 0)


def expect(actual, wanted, what=""):
    assert actual == wanted, f"{what}: expected {str(wanted)[:300]}, got {str(actual)[:300]}"


def until(check, seconds=20, what=""):
    """Waits for something that the broker does in its own time."""
    end = time.time() + seconds
    while time.time() < end:
        if check():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")
