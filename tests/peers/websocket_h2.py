#!/usr/bin/python3
"""A WebSocket client over HTTP/2 (RFC 8441), by way of python-h2, to a server of HTTP/1.1."""

import collections
import socket
import struct

import h2.connection
import h2.events
import h2.settings
import stage
from echo import MIB, Echo

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Client:
    """One connection; what streams are sent waits here until somebody asks for it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()
        self.answers, self.ended = {}, set()
        self.data = collections.defaultdict(bytearray)
        self.flush()
        while not self.connection.remote_settings.enable_connect_protocol:
            self.hear()

    def flush(self):
        self.socket.sendall(self.connection.data_to_send())

    def hear(self):
        block = self.socket.recv(65536)
        stage.check(block, "the connection stays open")
        for event in self.connection.receive_data(block):
            match event:
                case h2.events.ResponseReceived():
                    self.answers[event.stream_id] = {bytes(name).decode(): bytes(value).decode() for name, value in
                                                     ((n if isinstance(n, bytes) else n.encode(),
                                                       v if isinstance(v, bytes) else v.encode()) for n, v in event.headers)}
                case h2.events.DataReceived():
                    self.data[event.stream_id] += event.data
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded() | h2.events.StreamReset():
                    self.ended.add(event.stream_id)
                case h2.events.ConnectionTerminated():
                    stage.check(False, f"the connection ends: {event}")
        self.flush()

    def open(self, path):
        """A stream and the answer to it."""
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path),
            (":authority", "peers"), ("sec-websocket-version", "13"), ("origin", "http://peers"),
        ])
        self.flush()
        while stream not in self.answers:
            self.hear()
        return stream, self.answers[stream]

    def send(self, stream, kind, payload, last=True):
        mask = b"\x37\xfa\x21\x3d"
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size) if size < 1 << 16 else \
            b"\xff" + struct.pack("!Q", size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        left = bytes([kind | (0x80 if last else 0)]) + length + mask + masked
        while left:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if room <= 0:
                self.hear()
                continue
            self.connection.send_data(stream, left[:room])
            left = left[room:]
            self.flush()

    def take(self, stream, count):
        while len(self.data[stream]) < count:
            stage.check(stream not in self.ended, f"stream {stream} stays open")
            self.hear()
        taken = bytes(self.data[stream][:count])
        del self.data[stream][:count]
        return taken

    def frame(self, stream):
        first, size = self.take(stream, 2)
        stage.check(size < 0x80, "a server does not mask")
        if size >= 126:
            size, = struct.unpack("!H" if size == 126 else "!Q", self.take(stream, 2 if size == 126 else 8))
        return first & 0x80 != 0, first & 0xf, self.take(stream, size)

    def message(self, stream):
        whole, kind = b"", None
        while True:
            last, now, payload = self.frame(stream)
            if now >= CLOSE:
                return now, payload
            kind = kind or now
            whole += payload
            if last:
                return kind, whole

    def end(self, stream):
        """The close of both sides, then the end of the stream."""
        self.connection.end_stream(stream)
        self.flush()
        while stream not in self.ended:
            self.hear()


def config(it):
    return f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s", tunnel: "60s")),
    frontends: [(name: "web", bind: ["127.0.0.1:{it.web}"], default_backend: "app")],
    backends: [(name: "app", servers: [(name: "ws", address: "127.0.0.1:{it.origins[0].server_port}")])],
)
"""


with stage.Own("proxyd", config, [Echo()]) as it:
    client = Client(it.web)
    stream, answer = client.open("/chat?room=1")
    stage.check(answer[":status"] == "200", f"a tunnel is opened: {answer}")
    stage.check("sec-websocket-accept" not in answer and "upgrade" not in answer, f"nothing of HTTP/1.1: {answer}")
    client.send(stream, TEXT, b"path")
    stage.check(client.message(stream) == (TEXT, b"/chat?room=1"), "the target arrives")
    for text in ("hello", "", "grüße", "x" * 70_000):
        client.send(stream, TEXT, text.encode())
        stage.check(client.message(stream) == (TEXT, text.encode()), f"a text of {len(text)} comes back")
    binary = bytes(range(256)) * (MIB // 256)
    client.send(stream, BINARY, binary)
    stage.check(client.message(stream) == (BINARY, binary), "1 MiB of binary comes back")
    client.send(stream, TEXT, b"a" * 1000, last=False)
    client.send(stream, PING, b"are you there")
    stage.check(client.message(stream) == (PONG, b"are you there"), "a ping among pieces is answered")
    client.send(stream, 0, b"b")
    stage.check(client.message(stream) == (TEXT, b"a" * 1000 + b"b"), "pieces come back")

    # Others on the same connection, all of them open at once.
    others = [client.open(f"/chat?room={n}")[0] for n in range(20)]
    for turn in range(10):
        for n in others:
            client.send(n, TEXT, f"{n} {turn}".encode())
        for n in others:
            stage.check(client.message(n) == (TEXT, f"{n} {turn}".encode()), "everyone hears its own words")
    for n in others:
        client.send(n, CLOSE, struct.pack("!H", 1000))
        stage.check(client.message(n) == (CLOSE, struct.pack("!H", 1000)), "a close is answered")
        client.end(n)

    closes = it.origins[0].closes
    stage.eventually("the server heard them", lambda: closes == [(1000, "")] * 20)
    client.send(stream, CLOSE, struct.pack("!H", 4000) + b"enough")
    stage.check(client.message(stream)[0] == CLOSE, "a close is answered")
    client.end(stream)
    stage.eventually("the server heard the close", lambda: closes[20:] == [(4000, "enough")])
    stream, _ = client.open("/")
    client.send(stream, TEXT, b"close 4001 of the server")
    stage.check(client.message(stream) == (CLOSE, struct.pack("!H", 4001) + b"of the server"), "the server closes")
    client.send(stream, CLOSE, struct.pack("!H", 4001))
    client.end(stream)

    stage.eventually("that close is over", lambda: len(closes) == 22)

    # A tunnel that is let go without a close is over at the server as well.
    stream, _ = client.open("/")
    client.connection.reset_stream(stream)
    client.flush()
    stage.eventually("the server sees the end", lambda: len(closes) == 23)
    client.socket.close()
    stage.eventually("nobody is connected", lambda: it.rows()[("web", "FRONTEND")]["scur"] == "0")
    row = it.rows()[("app", "ws")]
    stage.check(row["stot"] == "23" and (row["econ"], row["eresp"]) == ("0", "0"), f"23 tunnels, no error: {row}")
    print("23 WebSockets over one connection of HTTP/2")
