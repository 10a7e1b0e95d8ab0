#!/usr/bin/env python3
"""Adds up JUnit reports that ctest wrote and prints one closing line: `N passed, N failed[, N skipped]`.

A report that is missing or empty counts as one failure: a runner that died must not look like success.
"""
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(passed, failed, skipped, names of failed) of one report, counted case by case."""
    try:
        cases = ElementTree.parse(path).getroot().findall(".//testcase")
    except (OSError, ElementTree.ParseError) as error:
        return 0, 1, 0, [f"{path}: no report ({error})"]
    if not cases:
        return 0, 1, 0, [f"{path}: the report holds no test"]
    passed = failed = skipped = 0
    names = []
    for case in cases:
        status = case.get("status")
        if case.find("failure") is not None or case.find("error") is not None or status == "fail":
            failed += 1
            names.append(case.get("name"))
        elif status == "disabled" or skip_was_asked(case):
            skipped += 1
        elif status == "notrun":  # no executable, a missing file: it should have run
            failed += 1
            names.append(case.get("name"))
        else:
            passed += 1
    return passed, failed, skipped, names


def skip_was_asked(case):
    """The test itself said skip (by exit code or by words), as ctest notes it."""
    mark = case.find("skipped")
    return mark is not None and mark.get("message", "").startswith("SKIP_")


def main(paths):
    passed = failed = skipped = 0
    for path in paths:
        p, f, s, names = count(path)
        passed, failed, skipped = passed + p, failed + f, skipped + s
        for name in names:
            print(f"FAILED {name}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
