"""Node clients in plain JavaScript: kafkajs and @platformatic/kafka."""

import os

from interop import cache
from suites.python import run_program


def run(context):
    env = dict(os.environ, WEIR_NODE_MODULES=str(cache.npm() / "node_modules"), NODE_NO_WARNINGS="1", KAFKAJS_NO_PARTITIONER_WARNING="1")
    for name, package, program in (("node-kafkajs", "kafkajs", "kafkajs"), ("node-platformatic", "@platformatic/kafka", "platformatic")):
        suite = context.suite(name, package, cache.VERSIONS["npm"][package])
        run_program(suite, [cache.node(), cache.PROGRAMS / "node" / f"{program}.mjs"], context, 300, env=env)
