"""Go clients: franz-go, sarama, segmentio/kafka-go, confluent-kafka-go."""

from interop import cache
from suites.python import run_program


def run(context):
    for name, module, program in (("go-franz", "github.com/twmb/franz-go", "franz"), ("go-sarama", "github.com/IBM/sarama", "sarama"),
                                  ("go-segmentio", "github.com/segmentio/kafka-go", "segmentio"),
                                  ("go-confluent", "github.com/confluentinc/confluent-kafka-go/v2", "confluent")):
        suite = context.suite(name, module.split("/", 1)[1], cache.VERSIONS["go"][module])
        run_program(suite, [cache.go_program(program)], context, 300)
