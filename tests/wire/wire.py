"""The language of wire scripts: tokens that become bytes, and patterns that bytes are held against.

A token is `type:value`. Integers are big-endian. See README.md here for the whole language.
"""
import functools
import re
import struct

INTEGERS = {"i8": ">b", "u8": ">B", "i16": ">h", "u16": ">H", "i32": ">i", "u32": ">I", "i64": ">q", "bool": ">?"}
TOKEN = re.compile(r'\s*(?:(?P<contains>contains\{(?P<inner>[^}]*)\})|(?P<rest>\*)|'
                   r'(?P<type>[a-z0-9]+):(?P<value>(?:"(?:\\.|[^"\\])*"|[^\s"])+))')
MAX_FRAME = 64 << 20


class ScriptError(Exception):
    """The script itself is wrong."""


class Mismatch(Exception):
    """The broker did not do what the script says."""


def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


_CRC = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def uvarint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def varint(value):
    return uvarint((value << 1) ^ (value >> 63))


@functools.lru_cache(maxsize=64)
def record_batch(values, producer=(-1, -1, -1), timestamp=1_700_000_000_000):
    """A Kafka record batch, version 2, uncompressed, of records without keys."""
    records = b""
    for delta, value in enumerate(values):
        body = b"\x00" + varint(0) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    tail = struct.pack(">hiqqqhii", 0, len(values) - 1, timestamp, timestamp, *producer, len(values)) + records
    return struct.pack(">qiib", 0, 9 + len(tail), -1, 2) + struct.pack(">I", crc32c(tail)) + tail


class Token:
    """One `type:value`. `value` is None for `*`; `capture` is a name for `$name`."""

    def __init__(self, kind, value):
        self.kind, self.capture = kind, None
        self.wild = value == "*"
        if value.startswith("$"):
            self.capture, self.wild = value[1:], True
        self.value = value

    def encode(self, variables):
        value = str(variables[self.capture]) if self.capture else self.value
        if self.capture and self.capture not in variables:
            raise ScriptError(f"${self.capture} has no value yet")
        return encode(self.kind, expand(value, variables))


def expand(value, variables):
    return re.sub(r"\$\{(\w+)\}", lambda m: str(variables[m.group(1)]), value)


def text_of(value):
    if not (value.startswith('"') and value.endswith('"')):
        raise ScriptError(f"text needs quotes: {value}")
    return value[1:-1].encode().decode("unicode_escape").encode("latin-1")


def texts_of(value):
    return tuple(text_of(part) for part in re.findall(r'"(?:\\.|[^"\\])*"', value))


def encode(kind, value):
    if kind in INTEGERS:
        return struct.pack(INTEGERS[kind], int(value, 0))
    if kind == "uvarint":
        return uvarint(int(value, 0))
    if kind == "varint":
        return varint(int(value, 0))
    if kind in ("hex", "uuid"):
        return bytes.fromhex(value.replace("-", ""))
    if kind == "zero":
        return bytes(int(value, 0))
    if kind == "str":
        return b"\xff\xff" if value == "null" else struct.pack(">h", len(text_of(value))) + text_of(value)
    if kind == "cstr":
        return b"\x00" if value == "null" else uvarint(len(text_of(value)) + 1) + text_of(value)
    if kind == "arr":
        return struct.pack(">i", -1 if value == "null" else int(value, 0))
    if kind == "carr":
        return uvarint(0 if value == "null" else int(value, 0) + 1)
    if kind == "tags":
        return uvarint(int(value, 0))
    if kind in ("batch", "badcrc"):
        data = record_batch(texts_of(value))
        if kind == "badcrc":
            data = data[:-1] + bytes([data[-1] ^ 1])
        return struct.pack(">i", len(data)) + data
    if kind == "ibatch":
        who, *values = texts_of(value)
        data = record_batch(tuple(values), tuple(int(n) for n in who.split(b"/")))
        return struct.pack(">i", len(data)) + data
    if kind == "cbatch":
        data = record_batch(texts_of(value))
        return uvarint(len(data) + 1) + data
    raise ScriptError(f"unknown token type '{kind}'")


def parse(line):
    """The tokens of one line: Token, '*' for the rest of a frame, or ('contains', tokens)."""
    tokens, position = [], 0
    line = line.rstrip()
    while position < len(line):
        match = TOKEN.match(line, position)
        if not match:
            raise ScriptError(f"cannot read: {line[position:]!r}")
        position = match.end()
        if match.group("contains"):
            tokens.append(("contains", parse(match.group("inner"))))
        elif match.group("rest"):
            tokens.append("*")
        else:
            tokens.append(Token(match.group("type"), match.group("value")))
    return tokens


def encode_line(tokens, variables):
    if any(not isinstance(token, Token) or token.value == "*" for token in tokens):
        raise ScriptError("only typed values can be sent")
    return b"".join(token.encode(variables) for token in tokens)


def read_uvarint(data, position):
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
    raise Mismatch("a varint runs past the end of the answer")


def read_value(kind, data, position):
    """(value as the script would write it, next position) for a wildcard or a capture."""
    def need(count):
        if count < 0 or position + count > len(data):
            raise Mismatch(f"{kind} at byte {position} runs past the end of the answer ({len(data)} bytes)")
        return data[position:position + count]
    if kind in INTEGERS:
        size = struct.calcsize(INTEGERS[kind])
        return struct.unpack(INTEGERS[kind], need(size))[0], position + size
    if kind == "arr":
        return struct.unpack(">i", need(4))[0], position + 4
    if kind in ("uvarint", "tags", "carr"):
        value, position = read_uvarint(data, position)
        return value - 1 if kind == "carr" else value, position
    if kind == "uuid":
        return need(16).hex(), position + 16
    if kind == "str":
        size = max(0, struct.unpack(">h", need(2))[0])
        position += 2
        return '"%s"' % need(size).decode(), position + size
    if kind == "cstr":
        size, position = read_uvarint(data, position)
        size = max(0, size - 1)
        return '"%s"' % need(size).decode(), position + size
    raise ScriptError(f"{kind} cannot be a wildcard")


def match_line(tokens, data, variables):
    """Holds one answer (without its size) against a line; raises Mismatch; fills captures."""
    position = 0
    for token in tokens:
        if token == "*":
            return
        if isinstance(token, tuple):
            pattern = b"".join(b".{%d}" % struct.calcsize(INTEGERS[t.kind]) if t.wild
                               else re.escape(t.encode(variables)) for t in token[1])
            if not re.search(pattern, data[position:], re.S):
                raise Mismatch(f"the answer holds no {' '.join(t.kind + ':' + t.value for t in token[1])}: {data.hex()}")
            return
        if token.wild:
            value, position = read_value(token.kind, data, position)
            if token.capture:
                variables[token.capture] = value
            continue
        expected = token.encode(variables)
        found = data[position:position + len(expected)]
        if found != expected:
            raise Mismatch(f"at byte {position}: expected {token.kind}:{token.value} = {expected.hex()}, "
                           f"found {found.hex() or 'nothing'}; the answer was {data.hex()}")
        position += len(expected)
    if position != len(data):
        raise Mismatch(f"{len(data) - position} more bytes than the script says: {data[position:].hex()}")


class Step:
    def __init__(self, number, kind, tokens):
        self.number, self.kind, self.tokens = number, kind, tokens


def read_script(text):
    """Steps of a script: kind is 'frame', 'raw', 'expect', 'closed' or 'new'."""
    steps, options = [], set()
    joined = []
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r'\s#[^"]*$|^#.*$', "", line)
        if not line.strip():
            continue
        if line[0].isspace() and joined:
            joined[-1] = (joined[-1][0], joined[-1][1] + " " + line.strip())
        else:
            joined.append((number, line.strip()))
    for number, line in joined:
        try:
            if line.startswith("option "):
                options |= set(line.split()[1:])
            elif line.startswith(">>"):
                steps.append(Step(number, "raw", parse(line[2:])))
            elif line.startswith(">"):
                steps.append(Step(number, "frame", parse(line[1:])))
            elif line == "< closed":
                steps.append(Step(number, "closed", []))
            elif line.startswith("<"):
                steps.append(Step(number, "expect", parse(line[1:])))
            elif line == "new connection":
                steps.append(Step(number, "new", []))
            else:
                raise ScriptError(f"a line begins with '>', '>>', '<', 'new connection' or 'option': {line}")
        except ScriptError as error:
            raise ScriptError(f"line {number}: {error}") from None
    return steps, options
