"""Spring Boot 2.0.5: kafka-clients 1.0.2 and spring-kafka 2.1.10, on a present-day Java."""

from interop import cache
from suites.python import run_program


def run(context):
    suite = context.suite("spring-boot-2.0", "Spring Boot, spring-kafka 2.1.10, kafka-clients 1.0.2", cache.VERSIONS["maven"]["spring"])
    command = ["java", "-Xmx384m", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", f"{cache.classes('spring')}:{cache.jars('spring')}/*", "Experiment"]
    run_program(suite, command, context, 300)
