#!/usr/bin/env python3
"""Instructions proxyd needs for one request, against the recorded number.

Wall time wavers; instructions hardly do. proxyd (release, one worker) runs under callgrind and answers N and then
2N requests over one keep-alive connection with 66-byte answers; the difference over N is one request, whatever
starting and stopping cost. `--update` records the result as the new baseline.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASELINE = HERE / "instructions.json"
TOLERANCE = 0.03
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n" + b"x" * 66
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


def serve(listener):
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
                    connection.sendall(ANSWER)


def exchange(address, count):
    """Sends `count` requests, each after the answer to the one before."""
    with socket.create_connection(address, timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count):
            client.sendall(REQUEST)
            answer = b""
            while not (b"\r\n\r\n" in answer and len(answer.partition(b"\r\n\r\n")[2]) >= 66):
                chunk = client.recv(65536)
                if not chunk:
                    sys.exit(f"closed after {number} answers")
                answer += chunk
            if not answer.startswith(b"HTTP/1.1 200"):
                sys.exit(f"answer {answer[:80]!r}")


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


def instructions(binary, requests):
    """What one whole run with so many requests took."""
    with tempfile.TemporaryDirectory(prefix="ir") as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = pathlib.Path(name)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        (folder / "proxyd.ron").write_text(f"""(
    global: (workers: 1, maxconn: 100, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    frontends: [(name: "web", bind: ["127.0.0.1:0"], default_backend: "app")],
    backends: [(name: "app", servers: [(name: "app1", address: "127.0.0.1:{port}")])],
)
""")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        notify.settimeout(1)
        argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", binary, "run", "-f", "proxyd.ron"]
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
            exchange((host, int(number)), requests)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            notify.close()
        found = re.search(r"^(?:totals|summary): (\d+)", (folder / "out").read_text(), re.M)
        return int(found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxyd", default=str(ROOT / "target/release/proxyd"), help="the binary, a release build")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--update", action="store_true", help="record the result")
    args = parser.parse_args()
    once, twice = instructions(args.proxyd, args.requests), instructions(args.proxyd, 2 * args.requests)
    found = round((twice - once) / args.requests)
    print(f"{found:,} instructions per request (HTTP/1.1 keep-alive, 66 bytes)")
    if args.update:
        BASELINE.write_text(json.dumps({"per_request": found}) + "\n")
        return
    if not BASELINE.exists():
        sys.exit(f"no baseline: run {pathlib.Path(__file__).name} --update")
    known = json.loads(BASELINE.read_text())["per_request"]
    change = found / known - 1
    print(f"recorded: {known:,}; change {change:+.1%}, {TOLERANCE:.0%} is allowed")
    if change > TOLERANCE:
        sys.exit("more than recorded: make it cheaper, or record it with --update and say why in the commit")
    if change < -TOLERANCE:
        print("less than recorded: record it with --update, so that it stays")


if __name__ == "__main__":
    main()
