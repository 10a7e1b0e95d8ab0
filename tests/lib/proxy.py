"""A man in the middle who answers one kind of request himself: for answers that no broker of ours gives."""
import socket
import struct
import threading


class Proxy:
    """Passes frames of one connection at a time on to `address`; requests of `api_key` get `answer` (what follows the
    correlation id) instead. `with Proxy(...) as p: ... p.bootstrap`."""

    def __init__(self, address, api_key, answer):
        self.address, self.api_key, self.answer = address, api_key, answer
        self.asked = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.bootstrap = "127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.create_connection(self.address) as broker:
                self._serve(client, broker)

    def _serve(self, client, broker):
        """One request after the other: the command line does not send a second one before the answer."""
        while frame := read_frame(client):
            if struct.unpack(">h", frame[:2])[0] == self.api_key:
                self.asked += 1
                told = frame[4:8] + self.answer
            else:
                write_frame(broker, frame)
                told = read_frame(broker)
            write_frame(client, told)


def read_frame(s):
    size = read_bytes(s, 4)
    return read_bytes(s, struct.unpack(">i", size)[0]) if size else b""


def read_bytes(s, count):
    got = b""
    while len(got) < count:
        more = s.recv(count - len(got))
        if not more:
            return b""
        got += more
    return got


def write_frame(s, frame):
    s.sendall(struct.pack(">i", len(frame)) + frame)
