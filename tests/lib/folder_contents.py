"""Everything that a client can see of a broker's data, in a form that two releases can be compared by."""
import base64
import json
import subprocess

from broker import DEADLINE_S, plain_environment


def weir(b, *args, stdin=""):
    """A command of the broker's own binary; gives stdout."""
    done = subprocess.run([b.weir, *map(str, args), "--brokers", b.bootstrap], input=stdin.encode(), capture_output=True,
                          timeout=DEADLINE_S, env=plain_environment())
    assert done.returncode == 0, f"weir {args} ended with {done.returncode}:\n{done.stderr.decode()}"
    return done.stdout.decode()


def told(b, *args):
    return json.loads(weir(b, *args, "-o", "json"))


def _bytes(fields, name):
    """A key or value, as base64: it may be no text, or not there."""
    if fields.get(name + "_base64") is not None:
        return fields[name + "_base64"]
    return None if fields.get(name) is None else base64.b64encode(fields[name].encode()).decode()


def records(b, topic):
    """By partition: [offset, milliseconds, key, value, headers] of every record."""
    out = {}
    for line in weir(b, "sub", topic, "--from", "earliest", "--exit", "-v", "-o", "json").splitlines():
        r = json.loads(line)
        headers = [[h["name"], _bytes(h, "value")] for h in r["headers"]]
        out.setdefault(str(r["partition"]), []).append([r["offset"], r["timestamp_ms"], _bytes(r, "key"), _bytes(r, "value"),
                                                        headers])
    return {partition: sorted(found) for partition, found in out.items()}


def contents(b):
    """Topics with their ids, bounds, settings and records; groups with their commits."""
    out = {"topics": {}, "groups": {}}
    for name in sorted(t["topic"] for t in told(b, "topic", "list")):
        topic = told(b, "topic", "describe", name)[0]
        out["topics"][name] = {
            "id": topic["id"],
            "partitions": [{k: p[k] for k in ("partition", "earliest", "latest")} for p in topic["partitions"]],
            "settings": {s["name"]: s["value"] for s in topic["settings"] if not s["default"]},
            "records": records(b, name)}
    for name in sorted(g["group"] for g in told(b, "group", "list")):
        group = told(b, "group", "describe", name)[0]
        out["groups"][name] = sorted([o["topic"], o["partition"], o["committed"], o["metadata"]] for o in group["offsets"])
    return out
