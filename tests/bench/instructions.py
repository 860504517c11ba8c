#!/usr/bin/env python3
"""Instructions proxyd needs for one request and for one pick, against the recorded numbers.

Wall time wavers; instructions hardly do. proxyd (release, one worker) runs under callgrind and answers N and then
2N requests with 66-byte answers; the difference over N is one request, whatever starting and stopping cost. The
control side's thread is left out: what it does each second has nothing to do with requests. Picks
are counted in the same way, in a program that does nothing else (`proxyd/benches/picks.rs`). Requests are made on one
processor: whether an answer is there already when proxyd looks for it would change the count otherwise. `--update`
records the results as the new baseline.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from secure import make_certificate

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASELINE = HERE / "instructions.json"
TOLERANCE = 0.03
# Who closes first, and how much of a record is seen at once, is not ours to say.
TOLERANCES = {"connection": 0.1, "tls": 0.15}
# A pick reads what was prepared, however many servers there are and workers pick. (`first` looks at each full server
# on its way; here none is full.)
FLAT = 0.02
# least_conn compares up to 64 servers, and eight of more.
TWICE = 1.0
COUNTS = (3, 100, 5000)
ALGORITHMS = {
    "round_robin": (FLAT, COUNTS),
    "static_rr": (FLAT, COUNTS),
    "first": (FLAT, COUNTS),
    "random": (FLAT, COUNTS),
    "least_latency": (FLAT, COUNTS),
    "least_conn": (TWICE, (3, 64, 100, 5000)),
    "uri": (FLAT, COUNTS),
    "uri(kind: maglev)": (FLAT, COUNTS),
    "uri(kind: consistent)": (FLAT, COUNTS),
}
WORKERS = (1, 2)
# What may happen every 20 ms: the largest lineup there is, of 5,000 servers that all differ.
LINEUP = 5000
BODY = b"x" * 66
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n" + BODY
CLOSED = b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\nConnection: close\r\n\r\n" + BODY
GET = b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
# Of HTTP/2: frames, and the same request with nothing that stays in a table.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 7, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4
FIELDS = b"\x82\x86\x84\x01\x04test\x0f\x2b\x05bench\x0f\x04\x03*/*"
LAST_GET = GET[:-2] + b"Connection: close\r\n\r\n"


class Kind:
    """A way to make requests."""

    def __init__(self, title, each_connects=False, mode="http", servers=1, server_closes=False, log=False, tls=False, h2=False):
        self.title, self.each_connects, self.mode = title, each_connects, mode
        self.servers, self.server_closes, self.log = servers, server_closes, log
        self.tls, self.h2 = tls, h2


KINDS = {
    "per_request": Kind("HTTP/1.1 keep-alive, 66 bytes"),
    "logged": Kind("the same with an access log", log=True),
    "connection": Kind("a connection per request", each_connects=True),
    "tls": Kind("keep-alive over TLS 1.3", tls=True),
    "h2": Kind("a stream of HTTP/2, one after another", h2=True),
    "tcp": Kind("TCP mode, a request and its answer", mode="tcp"),
    "servers_3": Kind("a server's connection per request, 3 servers", servers=3, server_closes=True),
    "servers_5000": Kind("the same, 5,000 servers", servers=5000, server_closes=True),
}


def serve(listener, closes):
    """An origin for one connection at a time; ends when its listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
                while b"\r\n\r\n" in received:
                    received = received.partition(b"\r\n\r\n")[2]
                    connection.sendall(CLOSED if closes else KEPT)
                if closes:
                    break


def connected(address):
    client = socket.create_connection(address, timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def secured(client):
    context = ssl.create_default_context()
    # It is about what a request takes, and not about whom it goes to.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context.wrap_socket(client)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def streams(address, count):
    """As many requests of HTTP/2 over one connection, each after the answer to the one before."""
    with connected(address) as client:
        # All the room for answers, at once.
        client.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big")))
        received, at = client.makefile("rb"), b""
        for number in range(count):
            client.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, FIELDS))
            while True:
                head = received.read(9)
                if len(head) < 9:
                    sys.exit(f"closed after {number} answers")
                payload, kind, flags = received.read(int.from_bytes(head[:3], "big")), head[3], head[4]
                if kind == SETTINGS and not flags & ACK:
                    client.sendall(frame(SETTINGS, ACK, 0))
                elif kind == GOAWAY:
                    sys.exit(f"GOAWAY after {number} answers: {payload!r}")
                elif kind == DATA:
                    at += payload
                if kind in (DATA, HEADERS) and flags & END_STREAM:
                    break
            if at != BODY:
                sys.exit(f"answer {at[:80]!r}")
            at = b""


def exchange(address, kind, count):
    """Sends `count` requests, each after the answer to the one before."""
    if kind.h2:
        streams(address, count)
        return
    client = None
    for number in range(count):
        client = client or (secured(connected(address)) if kind.tls else connected(address))
        client.sendall(LAST_GET if kind.each_connects else GET)
        answer = b""
        while not (b"\r\n\r\n" in answer and len(answer.partition(b"\r\n\r\n")[2]) >= len(BODY)):
            chunk = client.recv(65536)
            if not chunk:
                sys.exit(f"closed after {number} answers")
            answer += chunk
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"answer {answer[:80]!r}")
        if kind.each_connects:
            while client.recv(65536):
                pass
            client.close()
            client = None
    if client:
        client.close()


def ready(notify, process, folder):
    """Waits until proxyd says so; ends with its log when it has ended instead."""
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        try:
            if b"READY=1" in notify.recv(4096):
                return
        except TimeoutError:
            pass
    sys.exit("proxyd does not come up under valgrind:\n" + (folder / "log").read_text())


def total(out):
    found = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M)
    return int(found.group(1))


def configure(folder, kind, port):
    log = 'log: [file("./access.log")],' if kind.log else ""
    servers = ",\n".join(f'(name: "app{n}", address: "127.0.0.1:{port}")' for n in range(kind.servers))
    tls = f', tls: (certificates: ["{make_certificate(folder)}"])' if kind.tls else ""
    (folder / "proxyd.ron").write_text(f"""(
    global: (
        workers: 1, maxconn: 100, {log}
        sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)],
    ),
    defaults: (mode: {kind.mode}),
    frontends: [(name: "web", bind: [(address: "127.0.0.1:0"{tls})], default_backend: "app")],
    backends: [(name: "app", servers: [{servers}])],
)
""")


def whole_run(binary, kind, requests):
    """What one whole run with so many requests took."""
    with tempfile.TemporaryDirectory(prefix="ir") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = pathlib.Path(name)
        threading.Thread(target=serve, args=(listener, kind.server_closes), daemon=True).start()
        configure(folder, kind, listener.getsockname()[1])
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        notify.settimeout(1)
        argv = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/out",
                binary, "run", "-f", "proxyd.ron"]
        log = open(folder / "log", "wb")
        env = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        process = subprocess.Popen(argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            ready(notify, process, folder)
            with socket.socket(socket.AF_UNIX) as admin:
                admin.connect(str(folder / "proxyd.sock"))
                admin.sendall(b"show listeners\n")
                text = admin.makefile().read()
            line = next(it.split() for it in text.splitlines() if it.startswith("web "))
            host, _, number = line[2].rpartition(":")
            exchange((host, int(number)), kind, requests)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            notify.close()
        # Without the first thread, the control side's: what it does each second depends on how long all of it takes.
        threads = {int(out.name.removeprefix("out-")): out for out in folder.glob("out-*")}
        return sum(total(out) for number, out in threads.items() if number > 1)


def picks_program():
    argv = ["cargo", "build", "-q", "--release", "-p", "proxyd", "--example", "picks", "--message-format=json"]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(it["executable"] for it in messages if it.get("target", {}).get("name") == "picks" and it["executable"])


def each(program, count, *words, share=1):
    """Instructions of one time, in a program that does it `count` times."""
    with tempfile.TemporaryDirectory(prefix="ir") as name:
        out = pathlib.Path(name) / "out"
        runs = []
        for number in (count, 2 * count):
            argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, *words[:2], str(number), *words[2:]]
            subprocess.run(argv, check=True, capture_output=True)
            runs.append(total(out))
    return round((runs[1] - runs[0]) / count / share)


def picks(program, algorithm, servers, workers=1):
    """Instructions of one pick."""
    # To begin with many servers takes more, and wavers as hash tables are seeded: more picks outweigh it.
    count = 20_000 if servers < 1000 else 100_000
    return each(program, count, algorithm, str(servers), str(workers), share=workers)


def request(args, kind):
    """Instructions of one request."""
    once, twice = (whole_run(args.proxyd, kind, n * args.requests) for n in (1, 2))
    return round((twice - once) / args.requests)


def key(algorithm, servers, workers):
    return f"{algorithm}_{servers}" + (f"_by_{workers}" if workers > 1 else "")


def all_picks(program):
    """All of them; nobody waits for anybody here, so that each processor may count its own."""
    cases = [(algorithm, servers, workers) for algorithm, (_, counts) in ALGORITHMS.items() for workers in WORKERS for servers in counts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = list(pool.map(lambda case: picks(program, *case), cases))
    found = {key(*case): count for case, count in zip(cases, counted)}
    for algorithm, (_, counts) in ALGORITHMS.items():
        for workers in WORKERS:
            cells = ", ".join(f"{found[key(algorithm, servers, workers)]} of {servers:,} servers" for servers in counts)
            print(f"        a pick with {algorithm} by {workers}: {cells}", flush=True)
    return found


def uneven(found):
    """Algorithms whose picks depend on how many servers or workers there are."""
    for algorithm, (allowed, counts) in ALGORITHMS.items():
        counted = [found[key(algorithm, servers, workers)] for workers in WORKERS for servers in counts]
        if max(counted) > min(counted) * (1 + allowed):
            yield f"a pick with {algorithm} depends on the number of servers or workers: {counted}"


def measure(args):
    found = {}
    program = picks_program()
    picked = all_picks(program)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for word, kind in KINDS.items():
        found[word] = request(args, kind)
        print(f"{found[word]:>7,} {kind.title}", flush=True)
    found.update(picked)
    found[f"lineup_{LINEUP}"] = each(program, 4, "lineup", str(LINEUP))
    print(f"{found[f'lineup_{LINEUP}']:>7,} to prepare picks of {LINEUP:,} servers that all differ", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxyd", default=str(ROOT / "target/release/proxyd"), help="the binary, a release build")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--update", action="store_true", help="record the results")
    parser.add_argument("--only", nargs="+", choices=[*KINDS, "picks"], metavar="KIND",
                        help="show these, and compare nothing but picks with each other")
    args = parser.parse_args()
    args.proxyd = str(pathlib.Path(args.proxyd).resolve())
    if args.only:
        for word in args.only:
            if word == "picks":
                wrong = list(uneven(all_picks(picks_program())))
                if wrong:
                    sys.exit("\n".join(wrong))
            else:
                print(f"{request(args, KINDS[word]):>7,} {KINDS[word].title}", flush=True)
        return
    found = measure(args)
    if wrong := list(uneven(found)):
        sys.exit("\n".join(wrong))
    if args.update:
        BASELINE.write_text(json.dumps(found, indent=1) + "\n")
        return
    if not BASELINE.exists():
        sys.exit(f"no baseline: run {pathlib.Path(__file__).name} --update")
    recorded = json.loads(BASELINE.read_text())
    worse = []
    for word in found.keys() | recorded.keys():
        known, now = recorded.get(word), found.get(word)
        tolerance = TOLERANCES.get(word, TOLERANCE)
        if known is None or now is None:
            worse.append(f"{word}: {known} recorded, {now} found: record it with --update")
        elif now > known * (1 + tolerance):
            worse.append(f"{word}: {known:,} recorded, {now:,} now ({now / known - 1:+.1%}, {tolerance:.0%} is allowed)")
        elif now < known * (1 - tolerance):
            print(f"{word}: {now:,} is less than {known:,}: record it with --update, so that it stays")
    if worse:
        sys.exit("\n".join(["more than recorded: make it cheaper, or record it with --update and say why in the commit",
                            *worse]))


if __name__ == "__main__":
    main()
