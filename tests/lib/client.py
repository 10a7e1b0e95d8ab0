"""A small Kafka client for tests: a few calls, one connection, every answer checked field by field."""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))
import run  # noqa: E402
import wire  # noqa: E402


class Client:
    """A well-behaved client of a few calls, on one connection."""

    def __init__(self, address):
        self.connection, self.correlation = run.Connection(address), 0

    def call(self, line, tail=b""):
        """Sends the request of `line` and `tail`; returns the answer behind its correlation id."""
        self.correlation += 1
        body = wire.encode_line(wire.parse(line.replace("CORR", str(self.correlation))), {}) + tail
        self.connection.send(struct.pack(">i", len(body)) + body)
        answer = self.connection.frame()
        assert struct.unpack(">i", answer[:4])[0] == self.correlation, answer.hex()
        return answer[4:]

    def create(self, topic, **config):
        """With `config` as topic configuration, underscores for dots."""
        configs = " ".join(f'str:"{name.replace("_", ".")}" str:"{value}"' for name, value in config.items())
        answer = self.call(f'i16:19 i16:2 i32:CORR str:"me" arr:1 str:"{topic}" i32:1 i16:1 arr:0 arr:{len(config)} '
                           f'{configs} i32:30000 bool:0')
        wire.match_line(wire.parse(f'i32:0 arr:1 str:"{topic}" i16:0 str:null'), answer, {})

    def try_produce(self, topic, value):
        """(error code, offset)"""
        return self.try_batch(topic, wire.record_batch((value.encode(),)))

    def try_batch(self, topic, batch):
        """(error code, offset) of these bytes as the partition's records."""
        answer = self.call(f'i16:0 i16:7 i32:CORR str:"me" str:null i16:-1 i32:5000 arr:1 str:"{topic}" arr:1 i32:0 '
                           f'i32:{len(batch)}', batch)
        found = {}
        wire.match_line(wire.parse(f'arr:1 str:"{topic}" arr:1 i32:0 i16:$error i64:$base *'), answer, found)
        return found["error"], found["base"]

    def produce(self, topic, value):
        """The offset that the record got, durably."""
        error, base = self.try_produce(topic, value)
        assert error == 0, f"produce to {topic}: error {error}"
        return base

    def fetch(self, topic, offset):
        """(error code, high watermark, bytes of records)"""
        answer = self.call(f'i16:1 i16:4 i32:CORR str:"me" i32:-1 i32:0 i32:1 i32:1000000 i8:0 arr:1 str:"{topic}" arr:1 '
                           f'i32:0 i64:{offset} i32:1000000')
        found = {}
        wire.match_line(wire.parse(f'i32:0 arr:1 str:"{topic}" arr:1 i32:0 i16:$error i64:$high i64:* arr:* i32:$size *'),
                        answer, found)
        return found["error"], found["high"], found["size"]

    def offset_at(self, topic, timestamp):
        """(error code, timestamp, offset) of ListOffsets version 1; -1 is the end, -2 the start."""
        answer = self.call(f'i16:2 i16:1 i32:CORR str:"me" i32:-1 arr:1 str:"{topic}" arr:1 i32:0 i64:{timestamp}')
        found = {}
        wire.match_line(wire.parse(f'arr:1 str:"{topic}" arr:1 i32:0 i16:$error i64:$time i64:$offset'), answer, found)
        return found["error"], found["time"], found["offset"]

    def commit(self, group, topic, offset):
        """The error code of a commit from outside of a group (OffsetCommit version 2)."""
        answer = self.call(f'i16:8 i16:2 i32:CORR str:"me" str:"{group}" i32:-1 str:"" i64:-1 arr:1 str:"{topic}" arr:1 '
                           f'i32:0 i64:{offset} str:""')
        found = {}
        wire.match_line(wire.parse(f'arr:1 str:"{topic}" arr:1 i32:0 i16:$error'), answer, found)
        return found["error"]

    def delete(self, topic):
        """The error code of DeleteTopics version 1."""
        answer = self.call(f'i16:20 i16:1 i32:CORR str:"me" arr:1 str:"{topic}" i32:30000')
        found = {}
        wire.match_line(wire.parse(f'i32:0 arr:1 str:"{topic}" i16:$error'), answer, found)
        return found["error"]

    def close(self):
        self.connection.close()
