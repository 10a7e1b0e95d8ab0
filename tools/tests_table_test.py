#!/usr/bin/env python3
"""tests/README.md names only tests that exist."""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "README.md"


def missing(text):
    """The `file` and `file: case` of the text that are not there."""
    out = []
    for name, case in re.findall(r"`((?:wire|integration)/[\w/.-]+\.(?:wire|py))(?:: (\w+))?`", text):
        file = ROOT / "tests" / name
        if not file.exists() or (case and f"def {case}(" not in file.read_text()):
            out.append(f"{name}: {case}" if case else name)
    unit = re.findall(r"`([A-Za-z]\w*\.[A-Z]\w*)`", text)
    return out + sorted(set(unit) - unit_tests())


def unit_tests():
    """`Suite.Case` of every unit test."""
    names = re.compile(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", re.MULTILINE)
    return {f"{suite}.{case}" for file in ROOT.glob("src/**/*_test.cc") for suite, case in names.findall(file.read_text())}


class Table(unittest.TestCase):
    def test_names_in_the_table_exist(self):
        text = TABLE.read_text()
        self.assertGreater(len(re.findall(r"test_\w+`", text)), 5)
        self.assertEqual([], missing(text))

    def test_a_missing_one_is_noticed(self):
        self.assertEqual(["wire/kafka/nobody.wire", "integration/abuse_test.py: test_nobody", "KafkaSession.Nobody"],
                         missing("`wire/kafka/nobody.wire`, `integration/abuse_test.py: test_nobody`, "
                                 "`integration/abuse_test.py: test_garbage`, `KafkaSession.Nobody`, "
                                 "`KafkaSession.AnswersLeaveInTheOrderOfTheRequests`"))


if __name__ == "__main__":
    sys.exit(unittest.main())
