#!/usr/bin/env python3
"""The same traffic through proxyd and HAProxy: their access logs say the same, field by field.

Dates and ports are checked for their form and left out. Timers are compared by whether they ran out, and by whether they
were quick or as slow as a server here can be. Accepted differences, and only these:

- bytes of HTTP: HAProxy counts what messages take in its memory, and nothing of a refused request; proxyd counts bytes on
  the wire. So `%B` of proxyd is held to what the client got instead, where nothing broke off, and `%U` of HTTP is
  not compared: proxyd counts what it sent to servers, the head as it makes it and every try;
- the status of a client that closes without a word: HAProxy has 400 though it sends nothing, proxyd -1;
- the idle time (`%Ti`) of a request of which no byte came: HAProxy has 0, proxyd -1, for it did not end;
- the source (`%bi`, `%bp`) of a connection that did not come about: HAProxy names it, proxyd has none;
- a client gone while it waits for a server: proxyd has CH, as the manual (8.5) says; HAProxy has CD. It has
  `abortonclose` here, or it would not even look;
- a client that stops in its body: proxyd has cH and 408 when the client's time is over, as the manual says; HAProxy 2.6
  waits on and has sH and 504.

What differs is played again, since a machine that stands still makes anybody slow, or late: what differs each time is wrong.
"""

import concurrent.futures
import re
import socket
import struct
import time

import stage

SLOW = 1.2
TRIES = 5
OWN = (
    "%{+Q}f|%ft|%b|%s|%si:%sp|%bi:%bp|%ci:%cp|%fi:%fp|%ST|%HM|%HU|%HP|%HQ|%HV|%{+X}ci|%CC|%CS|%ID|%{+Q}ID|%%"
    "|%{+Q}r|%{+E}r|%hr|%hs|%lc|%ts|%tsc|%Th|%Ti|%TR|%Tq|%Tw|%Tc|%Tr|%Ta|%Td|%Tt|%Tu|%sslv|%sslc|%ac|%fc|%bc|%sc|%rc|%sq|%bq"
    "|[%t]|[%tr]|%T|%Tl|%trg|%trl|%Ts|%U|%B"
)
OWN_TCP = "%f|%b|%s|%si:%sp|%bi:%bp|%ci:%cp|%ts|%Tw|%Tc|%Td|%Tt|%ac|%fc|%bc|%sc|%rc|%sq|%bq|[%t]|%T|%U|%B"


def answers(one):
    one.settimeout(60)
    incoming = one.makefile("rb")
    while line := incoming.readline():
        target = line.split(b" ")[1].split(b"?")[0]
        length = 0
        while (field := incoming.readline().strip().lower()) != b"":
            if field.startswith(b"content-length:"):
                length = int(field.split(b":")[1])
        incoming.read(length)
        if target == b"/never":
            incoming.read(1)
            return
        if target == b"/hangs-up":
            return
        if target == b"/garbage":
            one.sendall(b"garbage\r\n\r\n")
            return
        if target == b"/breaks":
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            return
        if target == b"/stalls":
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            incoming.read(1)
            return
        if target == b"/endless":
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while True:
                one.sendall(b"x" * 65536)
        if target == b"/slow":
            time.sleep(SLOW)
        if target == b"/slow-body":
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            time.sleep(SLOW)
            one.sendall(b"body")
            continue
        if target == b"/chunks":
            one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
            continue
        status = b"404 Not Found" if target == b"/missing" else b"200 OK"
        body = b"" if line.startswith(b"HEAD") else b"body"
        one.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\n" + body)


def echoes(one):
    while data := one.recv(65536):
        if data == b"hang up":
            return
        one.sendall(data)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.got = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def asks(self, method, target, fields="", body=b"", close=True):
        last = "Connection: close\r\n" if close else ""
        return self.send(f"{method} {target} HTTP/1.1\r\nHost: test\r\n{last}{fields}\r\n".encode() + body)

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reads(self, size=1 << 30):
        start = self.got
        while self.got - start < size and (data := self.socket.recv(min(size - self.got + start, 65536))):
            self.got += len(data)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def whole(method, target, fields="", body=b""):
    return lambda client: client.asks(method, target, fields, body).reads()


def raw(data, end=False):
    def do(client):
        client.send(data)
        if end:
            client.end()
        client.reads()
    return do


def two_requests(client):
    client.asks("GET", "/first", close=False).reads(len(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"))
    time.sleep(SLOW)
    client.asks("GET", "/second").reads()


def resets_while_waiting(client):
    client.asks("GET", "/never")
    time.sleep(0.2)
    client.reset()


def resets_while_reading(client):
    client.asks("GET", "/endless").reads(100_000)
    client.reset()


# Name, frontend, what the client does, lines, and whether the bytes are anyone's guess.
HTTP = [
    ("200", whole("GET", "/path?query=1"), 1, False),
    ("404", whole("GET", "/missing"), 1, False),
    ("POST with a body", whole("POST", "/post", "Content-Length: 5\r\n", b"12345"), 1, False),
    ("HEAD", whole("HEAD", "/head"), 1, False),
    ("an answer in chunks", whole("GET", "/chunks"), 1, False),
    ("an odd target", whole("GET", '/"quoted"/a]b\\c'), 1, False),
    ("HTTP/1.0", raw(b"GET /ten HTTP/1.0\r\n\r\n"), 1, False),
    ("two requests, some time between them", two_requests, 2, False),
    ("a slow answer", whole("GET", "/slow"), 1, False),
    ("a slow body", whole("GET", "/slow-body"), 1, False),
    ("a refused request", raw(b"GET / FOO\r\n\r\n"), 1, True),
    ("a refused field", raw(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 1, True),
    ("half a head, and an end", raw(b"GET / HTTP/1.1\r\nHost", end=True), 1, True),
    ("half a head, and nothing", raw(b"GET / HTTP/1.1\r\nHost"), 1, True),
    ("not a word", raw(b""), 1, True),
    ("an end without a word", raw(b"", end=True), 1, True),
    ("a client gone while it waits", resets_while_waiting, 1, True),
    ("a client gone while it reads", resets_while_reading, 1, True),
    ("half a body", raw(b"POST /post HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc"), 1, True),
    ("a server that hangs up", whole("GET", "/hangs-up"), 1, True),
    ("garbage", whole("GET", "/garbage"), 1, True),
    ("a server that breaks off", whole("GET", "/breaks"), 1, True),
    ("a server that stalls", whole("GET", "/stalls"), 1, True),
    ("a server that never answers", whole("GET", "/never"), 1, True),
]
DEAD = [("nobody listens", whole("GET", "/"), 1, True)]
TCP = [
    ("a session", raw(b"12345", end=True), 1, False),
    ("a session the server ends", raw(b"hang up"), 1, True),
    ("a session nobody ends", raw(b"12345"), 1, False),
    ("a session the client resets", lambda client: (client.send(b"12345").reads(5), client.reset()), 1, True),
]
DEAD_TCP = [("nobody listens", raw(b"12345"), 1, True)]
# What was sent is not what arrived.
BROKEN = ("a client gone while it reads", "a session the client resets")
# Frontend, backend, mode, format, cases.
FRONTENDS = [
    ("web", "app", "http", "httplog", HTTP),
    ("own", "app", "http", OWN, HTTP),
    ("dead", "gone", "http", "httplog", DEAD),
    ("dead-own", "gone", "http", OWN, DEAD),
    ("tcp", "echo", "tcp", "tcplog", TCP),
    ("tcp-own", "echo", "tcp", OWN_TCP, TCP),
    ("tcp-dead", "gone-tcp", "tcp", "tcplog", DEAD_TCP),
]
HTTPLOG = (
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %{+Q}r"
)
TCPLOG = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"


def proxyd_config(it):
    frontends = ", ".join(
        f'(name: "{name}", mode: {mode}, bind: ["127.0.0.1:{it.ports[name]}"], default_backend: "{backend}", '
        f"log: (format: {quoted(form)}))"
        for name, backend, mode, form, _ in FRONTENDS
    )
    backends = ", ".join(
        f'(name: "{name}", mode: {mode}, servers: [(name: "{name}1", address: "127.0.0.1:{port}")])'
        for name, mode, port in it.backends
    )
    return f"""(
    global: (
        workers: 1,
        sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)],
        log: [(target: syslog("127.0.0.1:{it.log_port}"), length: 4096)],
    ),
    defaults: (
        timeouts: (connect: "2s", client: "2s", server: "3s", http_request: "2s", http_keep_alive: "5s"),
        retries: (max: 1, on: [conn_failure]),
        abort_on_close: true,
    ),
    frontends: [{frontends}],
    backends: [{backends}],
)
"""


def quoted(form):
    return form if form in ("httplog", "tcplog") else '"' + form.replace('"', '\\"') + '"'


def haproxy_config(it):
    def form(text):
        return f"option {text}" if text in ("httplog", "tcplog") else f'log-format {text}'

    frontends = "\n".join(
        f"frontend {name}\n    mode {mode}\n    bind 127.0.0.1:{it.ports[name]}\n    {form(text)}\n"
        f"    default_backend {backend}"
        for name, backend, mode, text, _ in FRONTENDS
    )
    backends = "\n".join(
        f"backend {name}\n    mode {mode}\n    server {name}1 127.0.0.1:{port}" for name, mode, port in it.backends
    )
    return f"""
global
    stats socket {it.socket} mode 600 level admin
    nbthread 1
    log 127.0.0.1:{it.log_port} len 4096 local0
defaults
    log global
    retries 1
    timeout connect 2s
    timeout client 2s
    timeout server 3s
    option abortonclose
    timeout http-request 2s
    timeout http-keep-alive 5s
{frontends}
{backends}
"""


def fields(form, line):
    """Names of the variables, each with what stands in the line for it."""
    form = {"httplog": HTTPLOG, "tcplog": TCPLOG}.get(form, form)
    names, pattern = [], ""
    for text, flags, name in re.findall(r"([^%]+)|%(?:\{([^}]*)\})?(\w+|%)", form):
        if text:
            # What is captured is nothing, and blanks around nothing are one.
            pattern += re.escape(text)
        elif name == "%":
            pattern += "%"
        else:
            names.append(f"{name}{flags}")
            pattern += '("[^"]*"|.*?)'
    found = re.fullmatch(pattern, line)
    stage.check(found, f"not of the form {form}: {line}")
    return list(zip(names, found.groups()))


DATES = {
    "t": r"\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d\.\d{3}",
    "T": r"\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d [+]0000",
    "Tl": r"\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d [+-]\d{4}",
    "Ts": r"\d{10}",
}
DATES |= {"tr": DATES["t"], "trg": DATES["T"], "trl": DATES["Tl"]}
TIMERS = {"Th", "Ti", "TR", "Tq", "Tw", "Tc", "Tr", "Ta", "Td", "Tt", "Tu"}


def masked(name, value, form, guess):
    if name in DATES:
        stage.check(re.fullmatch(DATES[name], value), f"{name} is {value!r}")
        return "date"
    if name in ("cp", "bp", "fp", "sp"):
        return "port" if re.fullmatch(r"[1-9]\d*", value) else value
    if name in TIMERS and value != "-1":
        stage.check(re.fullmatch(r"\d+", value), f"{name} is {value!r}")
        return "slow" if int(value) >= 1000 * SLOW * 0.75 else "quick"
    if name in ("B", "U") and (guess or form in ("httplog", OWN)):
        return "bytes"
    return value


def play(kind, only):
    """Every line, by frontend and case: of all cases, or of those that are left."""
    http, echo = stage.Server(answers), stage.Server(echoes)
    names = [name for name, *_ in FRONTENDS]
    said, got = {}, {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        log.bind(("127.0.0.1", 0))
        log.settimeout(60)
        it = stage.Own(kind, {"proxyd": proxyd_config, "haproxy": haproxy_config}[kind], [http, echo])
        it.log_port = log.getsockname()[1]
        it.ports = dict(zip(names, stage.free_ports(len(names))))
        nobody = dead.getsockname()[1]
        it.backends = [
            ("app", "http", http.server_port),
            ("echo", "tcp", echo.server_port),
            ("gone", "http", nobody),
            ("gone-tcp", "tcp", nobody),
        ]

        def line():
            while True:
                text = log.recv(65536).decode().rstrip("\n")
                text = re.sub(r"^<\d+>\w+ +\d+ [\d:]+ (\S+ )?\w+\[\d+\]: ", "", text)
                if not text.startswith("Proxy "):
                    return text

        with it:
            for name, _, _, form, cases in FRONTENDS:
                for case, do, count, _ in cases:
                    if only is not None and (name, case) not in only:
                        continue
                    stage.eventually("nobody is connected", lambda: "CurrConns: 0\n" in it.admin("show info"))
                    with Client(it.ports[name]) as client:
                        try:
                            do(client)
                        except ConnectionError:
                            pass
                        try:
                            said[name, case] = [line() for _ in range(count)]
                        except TimeoutError:
                            stage.check(False, f"{kind} has no line for {name}, {case}")
                        got[name, case] = client.got
    return said, got


# Differences that are meant, beside those of bytes: case, fields, what proxyd has and what HAProxy.
ACCEPTED = [
    ("an end without a word", ("ST",), "-1", "400"),
    ("an end without a word", ("Ti",), "-1", "quick"),
    ("not a word", ("Ti",), "-1", "quick"),
    ("nobody listens", ("bi",), "-", "127.0.0.1"),
    ("nobody listens", ("bp",), "-", "port"),
    ("a client gone while it waits", ("ts", "tsc"), "CH", "CD"),
    ("half a body", ("ts", "tsc"), "cH", "sH"),
    ("half a body", ("ST",), "408", "504"),
]


def accepted(case, field, our, their):
    if field == "tsc":
        our, their = our.removesuffix("--"), their.removesuffix("--")
    return any(
        (case, our, their) == (it, one, other) and field in names for it, names, one, other in ACCEPTED
    )


def differences(only):
    """What is wrong with each case that is played, and how many lines and fields were compared."""
    with concurrent.futures.ThreadPoolExecutor() as threads:
        (ours, got), (theirs, _) = threads.map(lambda kind: play(kind, only), ("proxyd", "haproxy"))
    wrong, compared = {}, 0
    for name, _, _, form, cases in FRONTENDS:
        for case, _, _, guess in cases:
            if (name, case) not in ours:
                continue
            found = []
            for our, their in zip(ours[name, case], theirs[name, case]):
                for (field, one), (_, other) in zip(fields(form, our), fields(form, their)):
                    a, b = masked(field, one, form, guess), masked(field, other, form, guess)
                    compared += 1
                    if a != b and not accepted(case, field, a, b):
                        found.append(f"{name}, {case}: %{field} is {one}, HAProxy has {other}\n  {our}\n  {their}")
            sent = sum(int(dict(fields(form, line))["B"]) for line in ours[name, case])
            if case not in BROKEN and sent != got[name, case]:
                found.append(f"{name}, {case}: %B is {sent}, the client got {got[name, case]}")
            if found:
                wrong[name, case] = found
    return wrong, sum(map(len, ours.values())), compared


if __name__ == "__main__":
    wrong, lines, compared = differences(None)
    for _ in range(TRIES - 1):
        if wrong:
            print(f"once more: {', '.join(f'{case} of {name}' for name, case in wrong)}")
            wrong, *_ = differences(wrong)
    stage.check(not wrong, "\n".join(line for found in wrong.values() for line in found))
    print(f"{compared} fields of {lines} lines say the same")
