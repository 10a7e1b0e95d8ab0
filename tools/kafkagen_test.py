#!/usr/bin/env python3
"""The committed Kafka messages are what the schema gives, and the generator refuses schemas that make no sense."""

import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import kafkagen  # noqa: E402

SCHEMA = ROOT / "src/protocol/kafka/schema"
GENERATED = ROOT / "src/protocol/kafka/gen"

SMALL = """
api 99 ping 0-3 flex=2
request
  name string
  tries int32 1+ default=-1
  note string?3+
  extra int64 2+ tag=0
response
  parts [part]
    index int32
"""


def generated(schema):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "small.txt").write_text(schema)
        return kafkagen.generate(folder)


class Committed(unittest.TestCase):
    def test_committed_files_are_what_the_schema_gives(self):
        files = kafkagen.generate(SCHEMA)
        self.assertEqual(sorted(files), sorted(p.name for p in GENERATED.iterdir()))
        for name, text in files.items():
            self.assertEqual(text, (GENERATED / name).read_text(), f"{name}: run tools/kafkagen.py")

    def test_check_notices_a_change(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            for name, text in kafkagen.generate(SCHEMA).items():
                (out / name).write_text(text)
            sys.argv = ["kafkagen.py", str(SCHEMA), folder, "--check"]
            self.assertEqual(kafkagen.main(), 0)
            (out / "data.h").write_text((out / "data.h").read_text().replace("int32_t", "int64_t", 1))
            self.assertEqual(kafkagen.main(), 1)


class Generator(unittest.TestCase):
    def test_versions_become_conditions(self):
        visit = generated(SMALL)["small_visit.h"]
        self.assertIn("if (v >= 1) c.field(m.tries);", visit)
        self.assertIn("if (v >= 3) c.field(m.note);\n  else c.required(m.note);", visit)
        self.assertIn("if (v >= 2) t.field(0, m.extra);", visit)
        self.assertIn("c.no_tags();", visit)

    def test_least_sizes_follow_the_versions(self):
        header = generated(SMALL)["small.h"]
        # v0: text 2+2; v1: and int32; v2: compact texts and the tag count
        self.assertIn("return v >= 2 ? 7 : v >= 1 ? 8 : 4;", header)
        self.assertIn("return v >= 2 ? 5 : 4;", header)

    def test_nonsense_is_refused(self):
        for old, new in [("1+ default", "1+ 4+ default"), ("2+ tag=0", "1+ tag=0"), ("int32 1+", "int33 1+"),
                         ("    index", "      index"), ("string\n", "string 5\n")]:
            with self.subTest(new):
                broken = SMALL.replace(old, new, 1)
                if new == "      index":
                    broken += "    other int32\n"
                with self.assertRaises((SystemExit, kafkagen.SchemaError)):
                    generated(broken)


if __name__ == "__main__":
    unittest.main()
