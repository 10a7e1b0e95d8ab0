#!/usr/bin/env python3
"""Every rule of tidy.py has a small tree that breaks it and one that keeps it."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cpp_text  # noqa: E402
import tidy  # noqa: E402
import totals  # noqa: E402

LAYERS = """
base :
platform : base
model : base
storage : base platform model
security : base model
protocol/common : base
protocol/kafka : base protocol/common security/sasl
protocol/mqtt : base protocol/common
server : *
main : server
system : platform/posix server main
"""


def rules_of(files, ratchet=""):
    """The set of rules that a tree of `files` breaks."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {"tools/layers.txt": LAYERS, "tools/ratchet.txt": ratchet, **files}.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {finding[2] for finding in tidy.check(root)[1]}


class Layers(unittest.TestCase):
    def allowed(self, path, include):
        return "layers" not in rules_of({path: f"#include {include}\n"})

    def test_arrows(self):
        self.assertTrue(self.allowed("src/storage/wal.cc", '"base/bytes.h"'))
        self.assertTrue(self.allowed("src/storage/wal.cc", '"storage/format/block.h"'))
        self.assertFalse(self.allowed("src/base/bytes.cc", '"model/message.h"'))
        self.assertFalse(self.allowed("src/storage/wal.cc", '"security/principal.h"'))
        self.assertFalse(self.allowed("src/protocol/kafka/codec.cc", '"protocol/mqtt/codec.h"'))
        self.assertTrue(self.allowed("src/server/wiring.cc", '"protocol/mqtt/codec.h"'))
        self.assertTrue(self.allowed("src/main.cc", '"server/run.h"'))
        self.assertFalse(self.allowed("src/main.cc", '"storage/wal.h"'))

    def test_arrow_into_part_of_a_module(self):
        self.assertTrue(self.allowed("src/protocol/kafka/x.cc", '"security/sasl/plain.h"'))
        self.assertTrue(self.allowed("src/protocol/kafka/x.cc", '"security/sasl.h"'))
        self.assertFalse(self.allowed("src/protocol/kafka/x.cc", '"security/sasles.h"'))
        self.assertFalse(self.allowed("src/protocol/kafka/x.cc", '"security/acl.h"'))

    def test_system_headers(self):
        self.assertFalse(self.allowed("src/storage/wal.cc", "<sys/stat.h>"))
        self.assertFalse(self.allowed("src/model/x.h", "<boost/asio.hpp>"))
        self.assertFalse(self.allowed("src/platform/sim/x.cc", "<thread>"))
        self.assertTrue(self.allowed("src/platform/posix/x.cc", "<fcntl.h>"))
        self.assertTrue(self.allowed("src/server/x.cc", "<boost/asio.hpp>"))
        self.assertTrue(self.allowed("src/storage/wal.cc", "<vector>"))

    def test_unknown_module_and_comment(self):
        self.assertFalse(self.allowed("src/wonder/x.cc", "<vector>"))
        self.assertTrue("layers" not in rules_of({"src/base/x.cc": '// #include "storage/wal.h"\n'}))


class Calls(unittest.TestCase):
    def broken(self, line, path="src/storage/x.cc"):
        return rules_of({path: line + "\n"})

    def test_each_ban(self):
        for line, rule in {
                "auto t = std::chrono::steady_clock::now();": "now",
                "int r = rand();": "random",
                "std::random_device d;": "random",
                "std::mutex m;": "thread",
                "std::thread t;": "thread",
                "FILE* f = fopen(p, m);": "file",
                "int fd = ::open(p, 0);": "file",
                "std::ofstream f;": "file",
                "auto* p = new thing(1);": "new",
                "delete p;": "delete",
                "delete[] p;": "delete",
                "std::unordered_map<session*, int> m;": "pointer-order",
                "std::set<const conn*> m;": "pointer-order",
                "auto f = [this](int a) -> asio::awaitable<void> { co_return; };": "coroutine-lambda",
        }.items():
            self.assertIn(rule, self.broken(line), line)

    def test_innocent_lines(self):
        for line in ["x& operator=(const x&) = delete;", "x(const x&) = delete;", "// new thing, then delete it",
                     'log("new file; rand()");', "auto r = disk.open(path);", "int brand(int);", "new_size = 3;",
                     "::new (place) thing(1);", "result<int> open(path p);", "s.erase(x); int opened = 1;",
                     "std::unordered_map<int, session*> m;", "std::unique_ptr<x> p(new x());",
                     "f = [](void* p) { ::operator delete(p, page); };", "auto f = [](int a) -> asio::awaitable<void> {};"]:
            self.assertEqual(set(), self.broken(line), line)

    def test_system_places_may(self):
        self.assertEqual(set(), self.broken("std::mutex m; int fd = ::open(p, 0);", "src/platform/posix/x.cc"))
        self.assertEqual({"new"}, self.broken("auto* p = new thing;", "src/platform/posix/x.cc"))

    def test_excuse_needs_its_rule_and_a_reason(self):
        self.assertEqual(set(), self.broken("auto* p = new thing;  // tidy-allow(new): the library takes it"))
        self.assertEqual({"new"}, self.broken("auto* p = new thing;  // tidy-allow(new):"))
        self.assertEqual({"new"}, self.broken("auto* p = new thing;  // tidy-allow(delete): because"))


class Sizes(unittest.TestCase):
    LONG = "int f() {\n" + "  g();\n" * 80 + "}\n"

    def test_functions_are_found(self):
        text = ("namespace a {\nstruct s {\n  s(int x) : a_{x}, b_(2) {\n    g();\n  }\n  int f() const { return 1; }\n};\n"
                "const int table[] = {1,\n2};\ntemplate <class T>\nauto h(T t) -> int {\n  if (t) {\n  }\n  return '{';\n}\n"
                "TEST(a, b) {\n}\n}\n")
        self.assertEqual([("s", 3, 3), ("f", 6, 1), ("h", 10, 6), ("TEST", 16, 2)], cpp_text.functions(text))

    def test_limits(self):
        self.assertEqual({"size"}, rules_of({"src/base/x.cc": self.LONG}))
        self.assertEqual({"size"}, rules_of({"src/base/x.cc": "int a;\n" * 601}))
        self.assertEqual(set(), rules_of({"src/base/x.cc": "int a;\n" * 600}))
        self.assertEqual(set(), rules_of({"src/protocol/kafka/gen/x.cc": self.LONG * 20}))
        self.assertEqual({"size"}, rules_of({"src/base/x.cc": "struct s {\n" + self.LONG + "};\n"}))

    def test_labels_do_not_count(self):
        rows = "".join(f"    case refusal::r{i}:\n      return e::r{i};\n" for i in range(60))
        self.assertEqual(set(), rules_of({"src/base/x.cc": "e f(r x) {\n  switch (x) {\n" + rows + "  }\n}\n"}))

    def test_ratchet_only_shrinks(self):
        files = {"src/base/x.cc": self.LONG}
        self.assertEqual(set(), rules_of(files, "function src/base/x.cc f 82\n"))
        self.assertEqual({"size"}, rules_of(files, "function src/base/x.cc f 81\n"))
        self.assertEqual({"ratchet"}, rules_of(files, "function src/base/x.cc f 83\n"))
        self.assertEqual({"ratchet"}, rules_of({}, "file src/base/gone.cc 700\n"))


class Texts(unittest.TestCase):
    def test_headers(self):
        self.assertEqual(set(), rules_of({"src/base/x.h": "// Says it.\n#pragma once\n"}))
        self.assertEqual({"header"}, rules_of({"src/base/x.h": "#pragma once\n"}))
        self.assertEqual({"header"}, rules_of({"src/base/x.h": "// Says it.\n"}))

    def test_todo(self):
        self.assertEqual({"todo"}, rules_of({"src/base/x.cc": "// TODO later\n"}))
        self.assertEqual(set(), rules_of({"src/base/x.cc": "// TODO(#12) later\n"}))

    def test_macros(self):
        self.assertEqual(set(), rules_of({"src/base/x.cc": "#define A 1\n" * 3}))
        self.assertEqual({"macro"}, rules_of({"src/base/x.cc": "#define A 1\n" * 4}))


class Totals(unittest.TestCase):
    def counted(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(text)
            file.flush()
            return totals.count(file.name)[:3]

    def test_counts(self):
        self.assertEqual((1, 1, 1), self.counted(
            '<testsuite><testcase name="a" status="run"/><testcase name="b" status="fail"><failure/></testcase>'
            '<testcase name="c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase></testsuite>'))

    def test_what_could_not_run_is_a_failure(self):
        self.assertEqual((0, 1, 0), self.counted(
            '<testsuite><testcase name="c" status="notrun"><skipped message="Unable to find executable"/></testcase>'
            '</testsuite>'))

    def test_a_dead_runner_is_a_failure(self):
        self.assertEqual((0, 1, 0), self.counted("<testsuite></testsuite>"))
        self.assertEqual((0, 1, 0), self.counted("<testsuite><test"))
        self.assertEqual((0, 1, 0), totals.count("/nonexistent.xml")[:3])


if __name__ == "__main__":
    unittest.main()
