#!/usr/bin/env python3
"""The house rules that a machine can check. Runs as the test `tidy`; needs only the standard library.

    tools/tidy.py [--root DIR]      prints `path:line: rule: what is wrong`, exit 1 when anything is

One line may be excused where it stands, with its reason:   // tidy-allow(rule): why
Files and functions that were too long before a rule came stand in tools/ratchet.txt; that list may only shrink.
"""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cpp_text  # noqa: E402

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
MACROS_MAX = 3
SOURCE = (".cc", ".h")
TEXT = (".cc", ".h", ".py", ".sh", ".cmake", ".txt", ".toml", ".yaml")
GENERATED = "src/protocol/kafka/gen/"
TREES = ("src", "tests", "bench", "tools", "cmake", "examples")

SYSTEM_HEADER = re.compile(
    r"<(boost/(asio|beast)\b.*|sys/.*|netinet/.*|arpa/.*|net/.*|linux/.*|unistd\.h|fcntl\.h|liburing\.h|poll\.h|"
    r"pthread\.h|signal\.h|csignal|dirent\.h|netdb\.h|termios\.h|time\.h|thread|mutex|shared_mutex|"
    r"condition_variable|fstream|filesystem|future|random)>")

# (rule, pattern, advice); checked on code without comments and literals, outside of the system places.
BANNED = [
    ("now", re.compile(r"\b\w+_clock::now\b|\b(clock_gettime|gettimeofday)\s*\(|\btime\s*\(\s*(nullptr|NULL|0)\s*\)"),
     "time comes in through weir::clock"),
    ("random", re.compile(r"\bs?rand\s*\(|\brandom_device\b|\bmt19937|\bgetrandom\s*\("),
     "randomness comes in through weir::rng"),
    ("thread", re.compile(r"\bstd::(j?thread|(shared_|recursive_|timed_)*mutex|condition_variable|lock_guard|"
                          r"unique_lock|scoped_lock|async)\b|\bpthread_\w+|\b(sleep_for|sleep_until|usleep)\b"),
     "core objects have one owner reactor; crossing is executor::send"),
    ("file", re.compile(r"\bfopen\s*\(|(?<![\w>])::(open|openat|unlink|rename|read|write|fsync|fdatasync)\s*\(|"
                        r"\bstd::(if|of|f)stream\b|\bstd::filesystem\b"),
     "files are reached through platform/disk.h"),
    ("environment", re.compile(r"\bgetenv\s*\("), "the environment is read by server, cli and tests"),
]
BANNED_EVERYWHERE = [
    ("new", re.compile(r"^(?!.*\bunique_ptr<).*(?<![\w.])new\s+[A-Za-z_:]|(?<![\w.])new\s*\(\s*std::nothrow"), "use make_unique, or hand it to a unique_ptr in the same line"),
    ("delete", re.compile(r"(?<!operator )(?<![=\w.])\bdelete\b\s*(\[\s*\])?\s*[A-Za-z_(*]"), "an owner deletes"),
    ("pointer-order", re.compile(r"\bstd::(unordered_)?(map|set|multimap|multiset)<\s*(const\s+)?[\w:]+(\s+const)?\s*\*"),
     "the order of addresses is not repeatable: key by an id"),
    ("coroutine-lambda", re.compile(r"\[[^\[\]\s][^\[\]]*\]\s*\([^()]*\)\s*(mutable\s*)?(noexcept\s*)?->\s*"
                                    r"[\w:]*awaitable\b"),
     "a coroutine lambda must not capture: its frame outlives the lambda; pass values as arguments"),
]
ALLOW = re.compile(r"//\s*tidy-allow\(([\w-]+)\):\s*\S")


class Tree:
    """The files below `root`, read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = {}
        for tree in TREES:
            for path in sorted((self.root / tree).rglob("*")):
                name = path.relative_to(self.root).as_posix()
                if path.is_file() and (path.suffix in TEXT or path.name == "CMakeLists.txt") \
                        and "__pycache__" not in name and "/corpus/" not in name and not name.startswith("tests/interop/work"):
                    try:
                        self.files[name] = path.read_text(encoding="utf-8")
                    except UnicodeDecodeError:
                        pass

    def sources(self, under=""):
        return {n: t for n, t in self.files.items()
                if n.endswith(SOURCE) and n.startswith(under) and not n.startswith(GENERATED)}


def read_layers(text):
    layers = {}
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if line:
            left, right = line.split(":", 1)
            layers[left.strip()] = right.split()
    return layers


def module_of(path, layers):
    """The longest module name that `path` (relative to src/) lies in, 'main' for files right in src/."""
    parts = path.split("/")
    for length in range(len(parts) - 1, 0, -1):
        name = "/".join(parts[:length])
        if name in layers:
            return name
    return "main" if len(parts) == 1 else None


def arrow_allowed(included, source_module, layers):
    target = module_of(included, layers)
    if target == source_module:
        return True
    for allowed in layers[source_module]:
        if allowed == "*" or allowed == target:
            return True
        if allowed not in layers and re.match(re.escape(allowed) + r"(/|_|\.|$)", included):
            return True
    return False


def in_system_place(path, layers):
    relative = path[len("src/"):]
    return any(relative.startswith(place + "/") or (place == "main" and "/" not in relative)
               for place in layers.get("system", []))


def check_layers(tree, layers):
    for name, text in tree.files.items():
        if not (name.startswith("src/") and name.endswith(SOURCE)):
            continue
        module = module_of(name[4:], layers)
        if module is None:
            yield name, 1, "layers", "lies in no module of tools/layers.txt"
            continue
        exempt = in_system_place(name, layers) or name.endswith("_bench.cc")
        for number, line in enumerate(cpp_text.blank(text, keep_strings=True).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', line)
            if not match:
                continue
            if match.group(1) and not arrow_allowed(match.group(1), module, layers):
                yield name, number, "layers", f"{module} may not include {match.group(1)}"
            if match.group(2) and not exempt and SYSTEM_HEADER.fullmatch(match.group(2)):
                yield name, number, "layers", f"{match.group(2)} belongs to {', '.join(layers['system'])} only"


def check_calls(tree, layers):
    for name, text in tree.sources().items():
        outside = name.startswith(("tests/integration/", "tests/interop/", "tests/fuzz/", "bench/")) or name.endswith("_bench.cc")
        outside = outside or (name.startswith("src/") and in_system_place(name, layers))
        rules = BANNED_EVERYWHERE + ([] if outside else BANNED)
        original = text.splitlines()
        for number, line in enumerate(cpp_text.blank(text).splitlines(), 1):
            if line.lstrip().startswith("#"):
                continue
            for rule, pattern, advice in rules:
                if rule == "environment" and name.startswith("tests/"):
                    continue
                if pattern.search(line) and rule not in allowed_rules(original, number):
                    yield name, number, rule, advice


def allowed_rules(lines, number):
    """Rules that line `number` (or the comment line above it) excuses with a reason."""
    near = [lines[number - 1]] + ([lines[number - 2]] if number > 1 and lines[number - 2].lstrip().startswith("//") else [])
    return {m.group(1) for line in near for m in ALLOW.finditer(line)}


def read_ratchet(text):
    entries = {}
    for line in text.splitlines():
        line = line.split("#", 1)[0].split()
        if line:
            entries[tuple(line[:-1])] = int(line[-1])
    return entries


def check_sizes(tree, ratchet):
    too_long = {}
    for name, text in tree.files.items():
        if name.startswith(GENERATED) or not name.endswith((".cc", ".h", ".py")):
            continue
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            too_long[("file", name)] = (1, lines)
        if name.endswith(SOURCE):
            for function, first, length in cpp_text.functions(text):
                if length > FUNCTION_LINES_MAX:
                    key = ("function", name, function)
                    too_long[key] = max(too_long.get(key, (0, 0)), (first, length), key=lambda pair: pair[1])
    for key, (line, length) in sorted(too_long.items()):
        listed = ratchet.get(key)
        limit = FILE_LINES_MAX if key[0] == "file" else FUNCTION_LINES_MAX
        what = " ".join(key[2:] or key[:1])
        if listed is None:
            yield key[1], line, "size", f"{what} has {length} lines, the limit is {limit}"
        elif length > listed:
            yield key[1], line, "size", f"{what} grew from {listed} to {length} lines"
        elif length < listed:
            yield key[1], line, "ratchet", f"{what} shrank to {length}: lower its entry in tools/ratchet.txt"
    for key in sorted(set(ratchet) - set(too_long)):
        yield key[1], 1, "ratchet", f"{' '.join(key)} is short now: remove its entry from tools/ratchet.txt"


def check_texts(tree):
    macros = []
    for name, text in tree.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line) and "tidy" not in name:
                yield name, number, "todo", "write TODO(#issue) or do it"
            if name.endswith(SOURCE) and name.startswith("src/") and not name.startswith(GENERATED) \
                    and re.match(r"\s*#\s*define\b", line):
                macros.append((name, number))
        if name.endswith(".h") and not name.startswith(GENERATED):
            if not text.startswith("//"):
                yield name, 1, "header", "a header begins with a comment that says what it promises"
            if "#pragma once" not in text:
                yield name, 1, "header", "needs #pragma once"
    for name, number in macros[MACROS_MAX:]:
        yield name, number, "macro", f"{len(macros)} macros in src, at most {MACROS_MAX}: use the language"


def check(root):
    tree = Tree(root)
    tools = pathlib.Path(root) / "tools"
    layers = read_layers((tools / "layers.txt").read_text())
    ratchet_file = tools / "ratchet.txt"
    ratchet = read_ratchet(ratchet_file.read_text()) if ratchet_file.exists() else {}
    findings = []
    findings += check_layers(tree, layers)
    findings += check_calls(tree, layers)
    findings += check_sizes(tree, ratchet)
    findings += check_texts(tree)
    return tree, findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parent.parent)
    tree, findings = check(parser.parse_args().root)
    for name, line, rule, text in findings:
        print(f"{name}:{line}: {rule}: {text}")
    print(f"tidy: {len(tree.files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
