#!/usr/bin/env python3
"""Fail-over under load: what clients notice of a server that fails, with proxyd and with HAProxy.

Three servers, checked every 200 ms; wrk over 64 connections. One of them is killed, hangs, becomes slow, answers 500,
refuses connections, or falls into a black hole; later it is well again. Counted are the requests and those of them that failed,
and timed how long new requests are sent to the server, and how long it waits for the first one afterwards. Both
proxies have the same settings and take turns.

What is judged is waited for: the load goes on until the server is found down, and until it is in use again.

Needs wrk, haproxy and `cargo build --release -p proxyd -p proxyd-tests --bins`. As root each server is in a network
namespace of its own, and the black hole is one; else its port is one that takes no more connections. `--short` is a
minute of it, `--write` makes RESULTS.md.
"""

import argparse
import csv
import dataclasses
import io
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from servers import HERE, NAMES, ROOT, Servers, network_possible
from stand import HAPROXY, Failure, Program, free_ports, raise_descriptors, version_of

FAULTS = {
    "kill": "killed (`kill -9`)",
    "hang": "hangs (`SIGSTOP`)",
    "slow": "answers after 2 s",
    "500": "answers 500",
    "refuse": "refuses connections",
    "black hole": "black hole: packets are dropped",
}
# No GET may be lost with proxyd when a server does this.
LOSSLESS = ("kill", "hang", "refuse")
PROXIES = ("proxyd", "HAProxy")
CONNECTIONS = 64
RESULTS = HERE / "RESULTS.md"

# Seconds in which a server is found down, or is in use again, on any machine.
PATIENCE = 60


@dataclasses.dataclass(frozen=True)
class Settings:
    """Both have these, each in its own words; milliseconds, and seconds of each part."""

    check: int = 200
    # Where something changed.
    soon: int = 200
    connect: int = 500
    server: int = 1000
    queue: int = 5000
    rise: int = 2
    fall: int = 3
    # Before the fault, while it lasts and afterwards.
    times: tuple = (2, 4, 4)


# Nobody is to take a machine that is busy, or stands still for a moment, for a server that is.
SHORT = Settings(check=1000, connect=2000, server=4000, queue=20_000, times=(1, 2, 2))


def proxyd(here, port, servers, binary, settings):
    lines = ",\n            ".join(f'(name: "{it.name}", address: "{it.address}")' for it in servers)
    (here / "proxyd.ron").write_text(f"""(
    global: (workers: 2, sockets: [(path: "./admin.sock", mode: "0600", level: admin)]),
    defaults: (
        timeouts: (connect: "{settings.connect}ms", server: "{settings.server}ms", queue: "{settings.queue}ms", client: "30s"),
        retries: (
            max: 3,
            redispatch: true,
            on: [
                conn_failure, empty_response, junk_response, response_timeout,
                status(500), status(502), status(503), status(504),
            ],
        ),
    ),
    frontends: [(name: "web", bind: ["127.0.0.1:{port}"], default_backend: "app")],
    backends: [
        (
            name: "app",
            balance: round_robin,
            check: http(
                path: "/health", interval: "{settings.check}ms", timeout: "{settings.check}ms",
                fast_interval: "{settings.soon}ms", down_interval: "{settings.soon}ms",
                rise: {settings.rise}, fall: {settings.fall},
            ),
            servers: [
            {lines}
            ],
        ),
    ],
)
""")
    return [binary, "run", "-f", "proxyd.ron"]


def haproxy(here, port, servers, _binary, settings):
    lines = "\n".join(f"    server {it.name} {it.address}" for it in servers)
    (here / "haproxy.cfg").write_text(f"""
global
    nbthread 2
    stats socket {here}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect {settings.connect}ms
    timeout server {settings.server}ms
    timeout queue {settings.queue}ms
    timeout client 30s
    timeout check {settings.check}ms
    retries 3
    option redispatch 1
    retry-on all-retryable-errors
frontend web
    bind 127.0.0.1:{port}
    default_backend app
backend app
    balance roundrobin
    option httpchk GET /health
    default-server check inter {settings.check}ms fastinter {settings.soon}ms downinter {settings.soon}ms rise {settings.rise} fall {settings.fall}
{lines}
""")
    return [HAPROXY, "-db", "-f", str(here / "haproxy.cfg")]


def answers(_, port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def rows(admin):
    """`show stat` of the servers, by name."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(30)
        one.connect(str(admin))
        one.sendall(b"show stat app 4 -1\n")
        said = b""
        while chunk := one.recv(65536):
            said += chunk
    text = said.decode().removeprefix("# ").strip()
    return {row["svname"]: row for row in csv.DictReader(io.StringIO(text))}


class Watch:
    """Looks at one server's counters every few milliseconds."""

    def __init__(self, admin, name):
        self.admin, self.name = admin, name
        self.picks = int(rows(admin)[name]["lbtot"])
        self.last = self.began = time.monotonic()
        self.first = self.down = None

    def look(self):
        row = rows(self.admin)[self.name]
        now, picks = time.monotonic(), int(row["lbtot"])
        if picks > self.picks:
            self.picks, self.last = picks, now
            self.first = self.first or now
        if row["status"].startswith("DOWN") and self.down is None:
            self.down = now

    def until(self, seconds, what):
        """Looks for so long, and on until that holds, if it ever does."""
        while (since := time.monotonic() - self.began) < seconds or not what() and since < PATIENCE:
            self.look()
            time.sleep(0.004)

    def milliseconds(self, at):
        return round((at - self.began) * 1000)


def drill(name, fault, settings, binary):
    """One fault behind one proxy."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="drill"))
    try:
        with Servers() as servers:
            port, = free_ports(1)
            argv = {"proxyd": proxyd, "HAProxy": haproxy}[name](folder, port, servers.all, binary, settings)
            program = Program(name, argv, folder, {"http": port}, answers=answers)
            try:
                return under_load(folder / "admin.sock", port, servers.all[1], fault, settings)
            finally:
                program.end()
    finally:
        shutil.rmtree(folder)


def under_load(admin, port, server, fault, settings):
    before, harmed, healed = settings.times
    if fault in ("hang", "black hole"):
        # What was sent there is given up, and not answered by the one that is well again.
        harmed = max(harmed, settings.server / 1000 + 2)
    end = time.monotonic() + PATIENCE
    while any(not row["status"].startswith("UP") or row["check_status"] != "L7OK" for row in rows(admin).values()):
        if time.monotonic() > end:
            raise Failure(f"the servers do not come up: {rows(admin)}")
        time.sleep(0.05)
    # It is ended before that.
    argv = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{before + 2 * PATIENCE + 30}s", "--timeout", "30s", "-s", str(HERE / "count.lua"),
            f"http://127.0.0.1:{port}/"]
    load = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(before)
        server.harm(fault)
        gone = Watch(admin, server.name)
        gone.until(harmed, lambda: gone.down)
        told, last = gone.down, gone.last
        server.heal(fault)
        back = Watch(admin, server.name)
        back.until(healed, lambda: back.first)
        load.send_signal(signal.SIGINT)
        said, _ = load.communicate(timeout=PATIENCE)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    result = json.loads(said.strip().splitlines()[-1])
    return {
        "fault": fault,
        **result,
        "lost": sum(result["failed"].values()),
        "left_ms": None if told is None else gone.milliseconds(last),
        "back_ms": None if back.first is None or told is None else back.milliseconds(back.first),
    }


def summed(results):
    """Several runs of one fault as one."""
    failed = {}
    for one in results:
        for kind, count in one["failed"].items():
            failed[kind] = failed.get(kind, 0) + count
    span = lambda key: [one[key] for one in results]
    return {
        "requests": sum(span("requests")),
        "lost": sum(span("lost")),
        "failed": failed,
        "left_ms": span("left_ms"),
        "back_ms": span("back_ms"),
        "slowest": max(span("slowest")),
    }


def range_of(values):
    if any(one is None for one in values):
        return "never"
    least, most = min(values), max(values)
    return f"{least} ms" if least == most else f"{least}-{most} ms"


def kinds(failed):
    return ", ".join(f"{count} × {kind}" for kind, count in failed.items())


def table(all_results):
    lines = ["| one of three servers | proxy | requests | failed | of what | still sent to | back in use after | slowest answer |",
             "|---|---|---|---|---|---|---|---|"]
    for fault, text in FAULTS.items():
        for name in PROXIES:
            if (name, fault) in all_results:
                it = summed(all_results[name, fault])
                lines.append(f"| {text} | {name} | {it['requests']:,} | {it['lost']:,} | {kinds(it['failed'])} "
                             f"| {range_of(it['left_ms'])} | {range_of(it['back_ms'])} | {it['slowest']:.0f} ms |")
    return "\n".join(lines) + "\n"


def document(args, all_results, binary):
    it = args.settings
    hole = ("is in a network namespace of its own, whose packets are dropped" if network_possible()
            else "takes no more connections and answers nothing")
    return f"""# Fail-over under load

Written by `tests/drill/run.py --write` on {platform.system()} {platform.release()}, {os.cpu_count()} processors:
proxyd {version_of("proxyd", binary)} and HAProxy {version_of("HAProxy")}, in turn, {"one round" if args.rounds == 1 else f"{args.rounds} rounds"}.

Three servers, a GET of two bytes, wrk over {CONNECTIONS} connections with no pause. After {it.times[0]} s one of the servers fails as the table
says, {it.times[1]} s later it is well again, and the load goes on for {it.times[2]} s. Both proxies have two threads and
the same settings: round robin; HTTP checks every {it.check} ms within {it.check} ms, {it.fall} failed until down, {it.rise} passed until up; {it.connect} ms to connect,
{it.server} ms for the server; 3 retries, always on another server, after everything that can be repeated (HAProxy's
`retry-on all-retryable-errors` and `option redispatch 1`; proxyd's `on` with the same list, and its budget for retries
as it is by default). In the black hole the server {hole}.

*Still sent to* is how long after the fault the last new request went to the server, *back in use after* how long after it was well again the
first one did, both by the proxy's own count of picks (`lbtot`). A failed request is any that wrk did not
get a 200 for.

{table(all_results)}"""


def judge(all_results):
    """What must hold."""
    wrong = []
    for (name, fault), results in all_results.items():
        it = summed(results)
        if name == "proxyd":
            if fault in LOSSLESS and it["lost"]:
                wrong.append(f"{fault}: {it['lost']} of {it['requests']} requests failed: {kinds(it['failed'])}")
            if None in it["left_ms"]:
                wrong.append(f"{fault}: the server was not found down")
            elif None in it["back_ms"]:
                wrong.append(f"{fault}: the server was not used again")
        if not it["requests"]:
            wrong.append(f"{name}, {fault}: no request at all")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of everything, as fast as can be")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="FAULT")
    parser.add_argument("--proxies", nargs="+", choices=PROXIES, default=list(PROXIES))
    parser.add_argument("--write", action="store_true", help="writes RESULTS.md")
    args = parser.parse_args()
    args.settings = SHORT if args.short else Settings()
    binary = os.environ.get("PROXYD_BIN", str(ROOT / "target/release/proxyd"))
    for tool in ("wrk", HAPROXY, binary):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing")
    raise_descriptors()
    all_results = {}
    for turn in range(args.rounds):
        for fault in args.only:
            for name in args.proxies if turn % 2 == 0 else reversed(args.proxies):
                try:
                    one = drill(name, fault, args.settings, binary)
                except Failure as failure:
                    sys.exit(f"FAILED: {failure}")
                all_results.setdefault((name, fault), []).append(one)
                print(f"{name:8} {fault:11} {one['requests']:7} requests, {one['lost']} failed {one['failed'] or ''}, "
                      f"left after {one['left_ms']} ms, back after {one['back_ms']} ms, slowest {one['slowest']} ms", flush=True)
    if args.write:
        RESULTS.write_text(document(args, all_results, binary))
    else:
        print(table(all_results))
    if wrong := judge(all_results):
        sys.exit("FAILED:\n" + "\n".join(wrong))


if __name__ == "__main__":
    # A network of its own, in which those of the servers can be had under fixed addresses.
    if network_possible() and os.environ.get("DRILL_NETWORK") is None:
        os.environ["DRILL_NETWORK"] = "own"
        inside = "ip link set lo up && exec \"$@\""
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", inside, "sh", sys.executable, *sys.argv])
    main()
