#!/usr/bin/env python3
"""clang-format on everything, clang-tidy on what changed (or on everything with --all), shellcheck, pyflakes, and tidy.py.

Changed means: differs from the merge base with origin/main or main, staged, unstaged or untracked.
"""
import argparse
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = (".cc", ".h")
GENERATED = "src/protocol/kafka/gen/"
# What does not matter outside of the product: a vector that grows while a test fills it, and the `_` of a benchmark's loop.
NOT_FOR_TESTS = "--checks=-performance-inefficient-vector-operation,-clang-analyzer-deadcode.DeadStores"
TESTS = ("_test.cc", "_bench.cc", "_fuzz.cc")


def git(*args):
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed():
    names = set(git("diff", "--name-only", "HEAD")) | set(git("ls-files", "--others", "--exclude-standard"))
    for base in ("origin/main", "main"):
        names |= set(git("diff", "--name-only", f"{base}...HEAD"))
    return names


def run(title, command):
    print(f"lint: {title}", flush=True)
    return subprocess.run(command, cwd=ROOT).returncode != 0


def clang_tidy(files, build):
    """clang-tidy reads the compile commands of the dev preset; gcc-only warning flags are ignored."""
    if not (build / "compile_commands.json").exists():
        subprocess.run(["cmake", "--preset", "dev", "--log-level=WARNING"], cwd=ROOT, check=True)
    # PRE_TEST discovery and ccache do not matter here; the launcher is dropped by clang-tidy itself.
    command = ["xargs", "-r", "-P", str(os.cpu_count() or 1), "-n", "2", "clang-tidy-14", "-p", str(build), "--quiet",
               "--extra-arg=-Wno-unknown-warning-option"]
    failed = False
    for which, more in ((False, []), (True, [NOT_FOR_TESTS])):
        some = [n for n in files if n.endswith(TESTS) == which]
        done = subprocess.run([*command, *more], cwd=ROOT, input="\n".join(some), text=True)
        failed = failed or done.returncode != 0
    return failed


def pyflakes(files):
    """pyflakes does not know `# noqa`; the lines that carry it are left out here."""
    print(f"lint: pyflakes on {len(files)} files", flush=True)
    done = subprocess.run(["pyflakes3", *files], cwd=ROOT, capture_output=True, text=True)
    found = []
    for line in (done.stdout + done.stderr).splitlines():
        name, _, rest = line.partition(":")
        number = rest.partition(":")[0]
        source = (ROOT / name).read_text().splitlines() if number.isdigit() else []
        if not source or "# noqa" not in source[int(number) - 1]:
            found.append(line)
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="all files, not only changed ones")
    parser.add_argument("--build", default=str(ROOT / "build" / "dev"), help="folder with compile_commands.json")
    options = parser.parse_args()
    everything = [n for n in git("ls-files") if (ROOT / n).exists() and not n.startswith(GENERATED)]
    code = [n for n in everything if n.endswith(SOURCE)]
    failed = []
    if run(f"clang-format on {len(code)} files", ["clang-format-14", "--dry-run", "-Werror", *code]):
        failed.append("clang-format (fix: clang-format-14 -i FILE)")
    wanted = None if options.all else changed()
    sources = [n for n in code if n.endswith(".cc") and n.startswith("src/") and (wanted is None or n in wanted)]
    if sources:
        print(f"lint: clang-tidy on {len(sources)} files", flush=True)
        if clang_tidy(sources, pathlib.Path(options.build)):
            failed.append("clang-tidy")
    scripts = ["dev", ".ci/run"]
    if run("shellcheck", ["shellcheck", *scripts]):
        failed.append("shellcheck")
    if pyflakes([n for n in everything if n.endswith(".py")]):
        failed.append("pyflakes")
    if run("tidy", [sys.executable, "tools/tidy.py"]):
        failed.append("tidy")
    print("lint: " + ("FAILED: " + ", ".join(failed) if failed else "clean"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
