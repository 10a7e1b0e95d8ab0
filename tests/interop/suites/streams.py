"""Kafka Streams."""

from interop import cache
from interop.java import Java
from suites.python import run_program


def run(context):
    suite = context.suite("streams", "Kafka Streams, our program", cache.VERSIONS["maven"]["kafka4"])
    run_program(suite, Java("kafka4", context.address).command("StreamsScenario"), context, 400)
