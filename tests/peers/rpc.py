#!/usr/bin/python3
"""A gRPC client and a gRPC server, proxyd between them: streams both ways, trailers, errors, deadlines, cancelling."""

import concurrent.futures
import os
import queue
import threading
import time

import authority
import grpc
import stage

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]
SERVICE = "peers.Echo"


class Server:
    name = "grpc"

    def __init__(self):
        self.waiting, self.cancelled = queue.Queue(), queue.Queue()
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=80)
        self.server = grpc.server(self.pool, options=OPTIONS)
        methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Many": grpc.unary_stream_rpc_method_handler(self.many),
            "Sum": grpc.stream_unary_rpc_method_handler(self.sum),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "FailLate": grpc.unary_stream_rpc_method_handler(self.fail_late),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Tick": grpc.unary_stream_rpc_method_handler(self.tick),
        }
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
        self.server_port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def unary(self, message, context):
        told = dict(context.invocation_metadata())
        if "x-asked" in told:
            context.send_initial_metadata([("x-first", told["x-asked"]), ("x-first-bin", told["x-asked-bin"])])
            context.set_trailing_metadata([("x-last", "over"), ("x-last-bin", b"\x00\xff")])
        return message

    def many(self, message, _):
        for n in range(int(message)):
            yield b"%d" % n

    def sum(self, messages, _):
        return b"%d" % sum(map(len, messages))

    def talk(self, messages, _):
        yield from messages

    def fail(self, _, context):
        context.set_trailing_metadata([("x-why", "because")])
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: grüße\n50 %")

    def fail_late(self, _, context):
        yield b"one"
        context.abort(grpc.StatusCode.DATA_LOSS, "half of it is gone")

    def wait(self, message, context):
        over = threading.Event()
        context.add_callback(over.set)
        self.waiting.put(message)
        over.wait(60)
        self.cancelled.put((message, context.is_active()))
        return message

    def tick(self, message, context):
        context.add_callback(lambda: self.cancelled.put((message, context.is_active())))
        while True:
            yield message
            time.sleep(0.02)

    def shutdown(self):
        self.server.stop(None)


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    stage.check(False, "the call fails")


def calls(channel, server):
    def method(kind, name):
        return getattr(channel, kind)(f"/{SERVICE}/{name}")

    unary = method("unary_unary", "Unary")
    stage.check(unary(b"hello", timeout=60) == b"hello", "unary")
    stage.check(unary(b"", timeout=60) == b"", "an empty message")
    large = os.urandom(3_000_000)
    stage.check(unary(large, timeout=60) == large, "a large message comes back")

    asked = [("x-asked", "a, b"), ("x-asked-bin", bytes(range(256)))]
    answer, call = unary.with_call(b"meta", metadata=asked, timeout=60)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    stage.check((first["x-first"], first["x-first-bin"]) == ("a, b", bytes(range(256))), f"metadata before: {first}")
    stage.check((last["x-last"], last["x-last-bin"]) == ("over", b"\x00\xff"), f"metadata after: {last}")

    got = list(method("unary_stream", "Many")(b"2000", timeout=60))
    stage.check(got == [b"%d" % n for n in range(2000)], "a stream of the server's")
    stage.check(list(method("unary_stream", "Many")(b"0", timeout=60)) == [], "one without a message")
    sizes = [b"x" * n for n in range(1000)]
    stage.check(method("stream_unary", "Sum")(iter(sizes), timeout=60) == b"499500", "a stream of the client's")

    # Each word waits for the answer to the one before: nothing may be held back.
    words, answers = queue.Queue(), []
    talk = method("stream_stream", "Talk")(iter(words.get, None), timeout=60)
    for n in range(200):
        words.put(b"%d" % n)
        answers.append(next(talk))
    words.put(None)
    stage.check(answers == [b"%d" % n for n in range(200)] and list(talk) == [], "streams both ways, in turn")
    blocks = [os.urandom(60_000) for _ in range(100)]
    stage.check(list(method("stream_stream", "Talk")(iter(blocks), timeout=60)) == blocks, "6 MB both ways at once")

    error = failure(lambda: method("unary_unary", "Fail")(b"", timeout=60))
    stage.check(error.code() == grpc.StatusCode.NOT_FOUND and error.details() == "no such thing: grüße\n50 %", f"{error}")
    stage.check(dict(error.trailing_metadata())["x-why"] == "because", "metadata of an error")
    late = method("unary_stream", "FailLate")(b"", timeout=60)
    stage.check(next(late) == b"one", "a message before an error")
    error = failure(lambda: next(late))
    stage.check(error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "half of it is gone", f"{error}")
    error = failure(lambda: method("unary_unary", "Nothing")(b"", timeout=60))
    stage.check(error.code() == grpc.StatusCode.UNIMPLEMENTED, f"a method that is not there: {error}")

    # Time enough for a busy machine to bring it to the server.
    error = failure(lambda: method("unary_unary", "Wait")(b"deadline", timeout=4))
    stage.check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, f"a deadline: {error}")
    stage.check(server.waiting.get(timeout=30) == b"deadline", "the server has the call")
    stage.check(server.cancelled.get(timeout=30) == (b"deadline", False), "the server hears of it")
    call = method("unary_unary", "Wait").future(b"cancel", timeout=60)
    stage.check(server.waiting.get(timeout=30) == b"cancel", "the server has this one, too")
    call.cancel()
    stage.check(server.cancelled.get(timeout=30) == (b"cancel", False), "the server hears of a call that is cancelled")
    ticks = method("unary_stream", "Tick")(b"tick", timeout=60)
    stage.check([next(ticks) for _ in range(5)] == [b"tick"] * 5, "a stream without an end")
    ticks.cancel()
    stage.check(server.cancelled.get(timeout=30) == (b"tick", False), "the server hears of a stream that is cancelled")

    together = [unary.future(b"%d" % n, timeout=60) for n in range(300)]
    stage.check([one.result() for one in together] == [b"%d" % n for n in range(300)], "300 at once")


def config(certificate, tls):
    return lambda it: f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [
        (name: "web", bind: ["127.0.0.1:{it.web}"], default_backend: "app"),
        (name: "secure", bind: [(address: "127.0.0.1:{tls}", tls: (certificates: ["{certificate}"], alpn: [h2]))],
         default_backend: "app"),
    ],
    backends: [(name: "app", servers: [(name: "grpc", address: "127.0.0.1:{it.origins[0].server_port}", http: h2)])],
)
"""


server = Server()
tls, = stage.free_ports(1)
it = stage.Own("proxyd", None, [server])
signer = authority.Authority(it.folder)
it.config = config(signer.issue("localhost"), tls)
with it:
    with grpc.insecure_channel(f"127.0.0.1:{it.web}", OPTIONS) as channel:
        calls(channel, server)
    credentials = grpc.ssl_channel_credentials(signer.path.read_bytes())
    with grpc.secure_channel(f"localhost:{tls}", credentials, OPTIONS) as channel:
        calls(channel, server)
    stage.eventually("no call is left", lambda: it.rows()[("app", "grpc")]["scur"] == "0")
    rows = it.rows()
    for name in ("web", "secure"):
        row = rows[(name, "FRONTEND")]
        stage.check(row["hrsp_5xx"] == "0" and row["ereq"] == "0", f"nothing goes wrong: {row}")
        stage.check(int(row["hrsp_2xx"]) > 310, f"each call is a request: {row}")
    # Without a server a call fails in gRPC's own words.
    server.server.stop(None).wait()
    with grpc.insecure_channel(f"127.0.0.1:{it.web}", OPTIONS) as channel:
        error = failure(lambda: channel.unary_unary(f"/{SERVICE}/Unary")(b"", timeout=60))
        stage.check(error.code() == grpc.StatusCode.UNAVAILABLE, f"no server: {error}")
    print("calls in clear text and over TLS")
