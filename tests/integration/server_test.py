#!/usr/bin/env python3
"""The process itself: start, stop, listeners, configuration, exit codes, what it says and where."""
import ctypes
import fcntl
import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import broker  # noqa: E402
from broker import Broker  # noqa: E402
from client import Client  # noqa: E402

RUNTIME, USAGE, DAMAGED = 1, 2, 3  # exit codes, docs/operations.md


def weir(*args, **options):
    """Runs the binary to its end."""
    env = {**broker.plain_environment(), **options.pop("env", {})}
    return subprocess.run([broker.weir_binary(), *args], capture_output=True, text=True, timeout=broker.DEADLINE_S,
                          env=env, **options)


def listening(pid):
    """(address, port) of every TCP socket that listens in the network namespace of `pid`."""
    found = []
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                address, port = words[1].split(":")
                packed = b"".join(struct.pack("<I", int(address[i:i + 8], 16)) for i in range(0, len(address), 8))
                found.append((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def own_network():
    """In the child, before exec: an empty network namespace with the loopback device up."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


class Life(unittest.TestCase):
    def test_says_its_listeners_then_ready_and_stops_on_sigterm(self):
        with Broker() as b:
            self.assertEqual(["listening kafka %s:%d" % b.address, "ready"], b.lines)
            self.assertNotEqual(0, b.address[1])
            socket.create_connection(b.address).close()
            self.assertEqual(0, b.stop())

    def test_stops_on_sigint(self):
        with Broker() as b:
            b.process.send_signal(signal.SIGINT)
            self.assertEqual(0, b.process.wait(broker.DEADLINE_S))

    def test_stops_with_connections_open(self):
        with Broker() as b:
            sockets = [socket.create_connection(b.address) for _ in range(20)]
            sockets[0].sendall(b"\0\0\0\x50\0")
            self.assertEqual(0, b.stop())
            for s in sockets:
                s.close()

    def test_the_admin_socket_counts_only_who_is_there(self):
        with Broker() as b:
            for _ in range(600):  # more than the cap of connections at a time
                told = b.admin("status")["connections"]
                self.assertEqual((0, 0, 0), (told["now"], told["accepted"], told["refused"]))

    def test_status_tells_the_memory_of_each_pool(self):
        with Broker() as b:
            client = Client(b.address)
            client.create("t")
            client.produce("t", "x" * 10_000)
            with socket.create_connection(b.address) as half:
                before = b.admin("status")["reactors"][0]["memory"]
                self.assertGreater(before["tail"]["bytes"], 10_000)
                self.assertGreaterEqual(before["tail"]["max"], before["tail"]["bytes"])
                half.sendall(struct.pack(">ihh", 90 << 20, 0, 3) + bytes(500_000))

                def held():
                    return b.admin("status")["reactors"][0]["memory"]["connections"]["bytes"]
                broker.until(lambda: held() >= before["connections"]["bytes"] + 500_000, "the half request is kept")
            broker.until(lambda: held() < before["connections"]["bytes"] + 500_000, "its memory is given back")

    def test_the_cache_follows_the_memory_that_is_free_unless_it_has_a_size(self):
        for flags in ((), ("--storage.cache_bytes=8MiB",)):
            with Broker(*flags) as b:
                load = weir("bench", "produce", "--brokers", b.bootstrap, "--topic", "t", "--size", "10000", "--batch", "200000",
                            "--records", "15000", "-o", "json")
                self.assertEqual(0, load.returncode, load.stderr)

                def cache():
                    return b.admin("status")["reactors"][0]["memory"]["cache"]
                if flags:
                    broker.until(lambda: 0 < cache()["bytes"], "something is kept")
                    self.assertEqual(8 << 20, cache()["max"])
                else:
                    broker.until(lambda: cache()["max"] > 64 << 20, "more may be kept than at the start")

    def test_several_listeners(self):
        with Broker("--listen", "kafka=127.0.0.1:0", "--listen", "kafka=[::1]:0", listen=None) as b:
            self.assertEqual(["127.0.0.1", "::1"], [host for _, host, _ in b.listeners])
            for _, host, port in b.listeners:
                socket.create_connection((host, port)).close()

    def test_unconfigured_it_listens_on_loopback_only(self):
        try:
            b = Broker(listen=None, dev=False, preexec=own_network)
            b.start()
        except subprocess.SubprocessError:
            self.skipTest("no right to make a network namespace")
        try:
            found = listening(b.pid)
            self.assertIn(("127.0.0.1", 9092), found)
            self.assertEqual([], [(host, port) for host, port in found if host not in ("127.0.0.1", "::1")])
            self.assertEqual(0, b.stop())
        finally:
            b.discard()

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            with tempfile.TemporaryDirectory() as folder:
                done = weir("server", "--data-dir", folder, "--listen", f"kafka={address}")
        self.assertEqual(RUNTIME, done.returncode)
        self.assertIn(address, done.stderr)
        self.assertNotIn("ready", done.stdout)

    def test_a_data_folder_has_one_broker(self):
        with Broker() as b:
            done = weir("server", "--data-dir", b.data_dir, "--listen", "kafka=127.0.0.1:0")
            self.assertEqual(RUNTIME, done.returncode)
            self.assertIn(b.data_dir, done.stderr)
            socket.create_connection(b.address).close()

    def test_starts_again_after_stop_and_after_kill(self):
        with Broker() as b:
            self.assertEqual(0, b.stop())
            b.start()
            b.kill()
            b.start()
            socket.create_connection(b.address).close()


    def test_a_damaged_data_folder_is_refused_and_not_touched(self):
        with Broker() as b:
            self.assertEqual(0, b.stop())
            facts = pathlib.Path(b.data_dir) / "weir.folder"
            damaged = facts.read_bytes().replace(b"1", b"2", 1)
            facts.write_bytes(damaged)
            with self.assertRaisesRegex(broker.StartFailed, f"exit code {DAMAGED} "):
                b.start()
            b.process.stdout.close()
            self.assertEqual(damaged, facts.read_bytes())


class Configuration(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, text, name="weir.toml"):
        path = pathlib.Path(self.folder.name) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def check(self, text, *args, **options):
        return weir("server", "--check-config", "--config", self.file(text), *args, **options)

    def test_good_configuration(self):
        done = self.check('data_dir = "/tmp/x"\n')
        self.assertEqual(0, done.returncode, done.stderr)

    def test_unknown_key_is_refused_with_the_nearest(self):
        done = self.check('data_dri = "/tmp/x"\n')
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertIn("data_dri", done.stderr)
        self.assertIn("data_dir", done.stderr.replace("data_dri", ""))

    def test_wrong_type_is_refused(self):
        done = self.check("data_dir = 7\n")
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertIn("data_dir", done.stderr)

    def test_broken_toml_is_refused_with_its_line(self):
        done = self.check('\n\ndata_dir = "x\n')
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertRegex(done.stderr, r"\b3\b")

    def test_missing_file_is_refused(self):
        done = weir("server", "--check-config", "--config", self.folder.name + "/none.toml")
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertIn("none.toml", done.stderr)

    def test_conf_d_overlays_the_file(self):
        main = self.file('data_dir = "/tmp/x"\n')
        self.file("data_dri = 1\n", "conf.d/50-site.toml")
        done = weir("server", "--check-config", "--config", main)
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertIn("50-site.toml", done.stderr)

    def test_environment_and_flags_overlay_the_file(self):
        text = '[kafka]\nnum_partitions = 1\n'
        self.assertEqual(0, self.check(text, env={"WEIR_KAFKA_NUM_PARTITIONS": "2"}).returncode)
        wrong = self.check(text, env={"WEIR_KAFKA_NUM_PARTITIONS": "none"})
        self.assertEqual(USAGE, wrong.returncode, wrong.stderr)
        self.assertIn("WEIR_KAFKA_NUM_PARTITIONS", wrong.stderr)
        unknown = self.check(text, env={"WEIR_KAFKA_NUM_PARTITION": "2"})
        self.assertEqual(USAGE, unknown.returncode, unknown.stderr)
        self.assertIn("WEIR_KAFKA_NUM_PARTITIONS", unknown.stderr)

    def test_unknown_flag_is_refused(self):
        done = weir("server", "--data-dri", "/tmp/x")
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertIn("--data-dri", done.stderr)

    def test_a_server_refuses_what_check_config_refuses(self):
        done = weir("server", "--config", self.file("nonsense = 1\n"), "--data-dir", self.folder.name + "/d",
                    "--listen", "kafka=127.0.0.1:0")
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertNotIn("ready", done.stdout)


class Words(unittest.TestCase):
    def test_version_and_help(self):
        version = weir("version")
        self.assertEqual(0, version.returncode)
        self.assertRegex(version.stdout, r"\d+\.\d+\.\d+")
        help_text = weir("--help")
        self.assertEqual(0, help_text.returncode)
        for word in ("server", "topic", "group"):
            self.assertIn(word, help_text.stdout)

    def test_unknown_command(self):
        done = weir("srever")
        self.assertEqual(USAGE, done.returncode, done.stderr)
        self.assertTrue(done.stderr)

    def test_log_as_json(self):
        with Broker("--log.format", "json") as b:
            b.stop()
            lines = [line for line in b.stderr().splitlines() if line]
            self.assertTrue(lines)
            for line in lines:
                self.assertIsInstance(json.loads(line), dict)


if __name__ == "__main__":
    broker.main()
