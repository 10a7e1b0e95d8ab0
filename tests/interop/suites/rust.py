"""Rust clients: rdkafka (with the librdkafka that it bundles) and rskafka (none)."""

from interop import cache
from suites.python import run_program


def run(context):
    for name in ("rdkafka", "rskafka"):
        suite = context.suite(f"rust-{name}", f"{name} (Rust)", cache.VERSIONS["cargo"][name])
        run_program(suite, [cache.rust_program(name)], context, 300)
