"""An idempotent librdkafka producer on a topic that may lose its end: ADDRESS TOPIC SECONDS. One record after the other with its number as value,
one partition. Prints {"acked": [[number, offset], ...], "errors": {what: how often}, "fatal": what or null}."""

import collections
import json
import sys
import time

import confluent_kafka as ck

ADDRESS, TOPIC, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
acked, errors = [], collections.Counter()


def delivered(error, message):
    if error:
        errors[error.name()] += 1
    else:
        acked.append([int(message.value()), message.offset()])


def poll(client, fatal):
    try:
        client.poll(0.05)
    except ck.KafkaException as e:
        fatal.append(e.args[0].name())


def main():
    fatal = []
    client = ck.Producer({"bootstrap.servers": ADDRESS, "enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50, "log_level": 2, "reconnect.backoff.ms": 20,
                          "reconnect.backoff.max.ms": 200, "metadata.recovery.strategy": "none", "message.timeout.ms": 20000, "queue.buffering.max.messages": 2000,
                          "error_cb": lambda e: fatal.append(e.name()) if e.fatal() else None})
    number, end = 0, time.time() + SECONDS
    while time.time() < end and not fatal:
        try:
            client.produce(TOPIC, str(number).encode(), partition=0, on_delivery=delivered)
            number += 1
            client.poll(0)
        except BufferError:
            time.sleep(0.005)
            poll(client, fatal)
        except ck.KafkaException as e:
            fatal.append(e.args[0].name())
    while not fatal and len(client) > 0:
        poll(client, fatal)
    if fatal:
        client.purge()
        client.flush(10)
    print(json.dumps({"acked": acked, "errors": errors, "fatal": fatal[0] if fatal else None}))


main()
