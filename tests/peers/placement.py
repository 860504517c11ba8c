#!/usr/bin/env python3
"""HAProxy and proxyd with the same servers, weights and algorithms: the same keys go to the same servers, 10,000 of each
kind of hashing and fewer of each function, with one server down as well.

`placement.py --record FILE` writes some of HAProxy's answers down, for the unit tests; HAProxy 3.0 and newer knows more of
the cases.
"""

import dataclasses
import random
import re
import socket
import subprocess
import sys

import stage

KEYS = 10_000
CLIENTS = 2_000
# Of HTTP/2, which names the whole URI.
STREAMS = 100
RECORDED = 32
# One request behind the other, so many at a time.
BATCH = 40
EVEN = (1,) * 5
UNEVEN = (1, 2, 3, 5, 8, 10, 7, 1, 1, 4, 6, 9)
MULTIPLES = (100, 50, 150, 0, 25)


@dataclasses.dataclass
class Case:
    """An algorithm in both languages, and what it is asked with."""

    name: str
    ours: str
    haproxy: str
    weights: tuple
    keys: str = "paths"
    server: str = ""
    since: tuple = (2, 6)
    count: int = KEYS
    down: bool = False
    # Each server is at an address of its own.
    hosts: bool = False

    def host(self, n):
        return f"127.0.0.{n if self.hosts else 1}"


MAP = "map-based"
RING = "consistent"


def kinds(ours, haproxy, weights, **more):
    """The same by a map and by a ring, each function and both ways to spread."""
    for ring in (False, True):
        for function in ("sdbm", "djb2", "wt6", "crc32"):
            for avalanche in (False, True):
                kind = RING if ring else MAP
                name = f"{ours[0]}-{kind}-{function}{'-avalanche' if avalanche else ''}"
                settings = [f"kind: {kind.replace('-', '_')}", f"function: {function}"]
                settings += ["avalanche: true"] * avalanche
                words = f"{ours[0]}({', '.join([*ours[1:], *settings])})"
                lines = f"balance {haproxy}\n    hash-type {kind} {function}{' avalanche' if avalanche else ''}"
                count = KEYS if function == "sdbm" else KEYS // 4
                yield Case(name, words, lines, weights, count=count, **more)


def plain(name, ours, haproxy, kind=RING, weights=UNEVEN, function="sdbm avalanche", **more):
    return Case(name, ours, f"balance {haproxy}\n    hash-type {kind} {function}".rstrip(), weights, **more)


CASES = [
    *kinds(("uri",), "uri", UNEVEN),
    plain("uri-even", "uri", "uri", MAP, EVEN, "sdbm"),
    plain("uri-multiples", "uri", "uri", MAP, MULTIPLES, "sdbm"),
    plain("uri-map-down", "uri", "uri", MAP, UNEVEN, "sdbm", down=True),
    plain("uri-multiples-down", "uri", "uri", MAP, MULTIPLES, "sdbm", down=True),
    plain("uri-ring-down", "uri(kind: consistent, avalanche: true)", "uri", down=True),
    plain("uri-whole", "uri(whole: true, length: 12, kind: consistent, avalanche: true)", "uri whole len 12"),
    plain("uri-depth", "uri(depth: 1, kind: consistent, avalanche: true)", "uri depth 1"),
    plain("uri-absolute", "uri(kind: consistent, avalanche: true)", "uri", keys="absolute"),
    plain("uri-absolute-path", "uri(path_only: true, kind: consistent, avalanche: true)", "uri path-only", keys="absolute"),
    plain("uri-streams", "uri(kind: consistent, avalanche: true)", "uri", keys="streams", count=STREAMS),
    plain("url-param", 'url_param(name: "id", kind: consistent, function: sdbm)', "url_param id", function="sdbm"),
    plain("header", 'header(name: "X-User", kind: consistent, avalanche: true)', "hdr(X-User)", keys="headers"),
    plain("expression", 'hash(key: "req.hdr(x-user),lower,sdbm", kind: consistent, function: sdbm)',
          "hash req.hdr(x-user),lower,sdbm", function="sdbm", keys="headers"),
    plain("cookie", 'cookie(name: "session", kind: consistent, avalanche: true)', "hash req.cook(session)", keys="cookies"),
    plain("source-map", "source", "source", MAP, UNEVEN, "sdbm", keys="clients", count=CLIENTS),
    plain("source-ring", "source(kind: consistent, avalanche: true)", "source", keys="clients", count=CLIENTS),
    # Each with its own defaults.
    plain("uri-bare", "uri(kind: consistent)", "uri", function=""),
    plain("source-bare", "source(kind: consistent)", "source", function="", keys="clients", count=CLIENTS),
    plain("mask", 'hash(key: "src,ipmask(24,48)", kind: consistent, avalanche: true)', "hash src,ipmask(24,48)",
          keys="clients", count=CLIENTS),
    plain("number", 'hash(key: "url_param(n)", kind: consistent, function: none)', "hash url_param(n)", function="none",
          since=(3, 0)),
    plain("ring-by-address", "uri(kind: consistent, avalanche: true, hash_key: addr_port)", "uri",
          server=" hash-key addr-port", since=(3, 0)),
    plain("ring-by-host", "uri(kind: consistent, avalanche: true, hash_key: addr)", "uri", server=" hash-key addr",
          weights=(1, 2, 3), hosts=True, since=(3, 0)),
]


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def keys(case):
    """What the case is asked with: a target and fields, or for clients what stands in front of the request."""
    chance = random.Random(case.name)
    for n in range(case.count):
        token = f"{chance.getrandbits(40):x}"
        match case.keys:
            case "paths":
                yield f"/dir{n % 97}/{token}/page-{n}?n={chance.getrandbits(34)}&id={token[::-1]}&x=1", ""
            case "streams":
                yield f"/{token}/page-{n}?n={n}", ""
            case "absolute":
                yield f"http://peers/dir{n % 97}/{token}?n={n}", ""
            case "headers":
                yield "/", f"X-User: User-{token}\r\n"
            case "cookies":
                yield "/", f"Cookie: a=1; session={token}; b=2\r\n"
            case "clients" if n % 3:
                yield "/", f"PROXY TCP4 {address(chance.getrandbits(24))} 127.0.0.1 {1024 + n} 80\r\n"
            case "clients":
                words = ":".join(f"{chance.getrandbits(16):x}" for _ in range(6))
                yield "/", f"PROXY TCP6 2001:db8:{words} ::1 {1024 + n} 80\r\n"


def request(target, fields):
    return f"GET {target} HTTP/1.1\r\nHost: peers\r\n{fields}\r\n".encode()


def streams(port, case):
    """The same by HTTP/2."""
    argv = [stage.need("curl"), "-sS", "--noproxy", "*", "--http2-prior-knowledge", "-H", "Host: peers"]
    answers = []
    for target, _ in keys(case):
        done = subprocess.run([*argv, f"http://127.0.0.1:{port}{target}"], capture_output=True, text=True, timeout=60)
        stage.check(done.returncode == 0, f"{case.name}: {done.stderr}")
        answers.append(int(done.stdout))
    return answers


ANSWER = re.compile(rb"\r\n\r\n(\d+)\n")


def ask(port, case):
    """The ports that answered, key by key."""
    if case.keys == "streams":
        return streams(port, case)
    answers = []
    if case.keys == "clients":
        for target, header in keys(case):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
                one.sendall(header.encode() + request(target, "Connection: close\r\n"))
                answer = b""
                while chunk := one.recv(65536):
                    answer += chunk
            found = ANSWER.findall(answer)
            stage.check(len(found) == 1, f"{case.name}: {answer!r}")
            answers += found
        return [int(port) for port in answers]
    requests = [request(*key) for key in keys(case)]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        for start in range(0, len(requests), BATCH):
            batch = requests[start : start + BATCH]
            one.sendall(b"".join(batch))
            answer, count = b"", 0
            while count < len(batch):
                chunk = one.recv(1 << 18)
                stage.check(chunk, f"{case.name}: the connection ended")
                answer += chunk
                count = len(ANSWER.findall(answer))
            answers += ANSWER.findall(answer)
    return [int(port) for port in answers]


def preface(stage_):
    """What both of HAProxy's configurations begin with."""
    return f"""
global
    stats socket {stage_.socket} mode 600 level admin
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


def origins(stage_, ports):
    """HAProxy again, which answers with the port that was asked."""
    binds = "\n".join(f"    bind {host}:{port}" for n, port in enumerate(ports, 1) for host in sorted({"127.0.0.1", f"127.0.0.{n}"}))
    return f"""{preface(stage_)}frontend origins
{binds}
    http-request return status 200 content-type text/plain lf-string "%[dst_port]\\n"
"""


def haproxy(stage_, cases, fronts, ports):
    sections = []
    for case, front in zip(cases, fronts):
        accept = {"clients": " accept-proxy", "streams": " proto h2"}.get(case.keys, "")
        servers = "\n".join(
            f"    server s{n} {case.host(n)}:{port} weight {weight}{case.server}"
            for n, (port, weight) in enumerate(zip(ports, case.weights), 1)
        )
        sections.append(f"""
listen {case.name}
    bind 127.0.0.1:{front}{accept}
    {case.haproxy}
{servers}
""")
    return f"""{preface(stage_)}    http-reuse always
{"".join(sections)}"""


def ours(stage_, cases, fronts, ports):
    sections = []
    for case, front in zip(cases, fronts):
        bind = f'"127.0.0.1:{front}"'
        if case.keys == "clients":
            bind = f"(address: {bind}, accept_proxy: true)"
        servers = ", ".join(
            f'(name: "s{n}", address: "{case.host(n)}:{port}", weight: {weight})'
            for n, (port, weight) in enumerate(zip(ports, case.weights), 1)
        )
        sections.append(f'(name: "{case.name}", bind: [{bind}], balance: {case.ours}, servers: [{servers}]),')
    listen = "\n        ".join(sections)
    return f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    listen: [
        {listen}
    ],
)
"""


def version():
    words = subprocess.run([stage.need(stage.HAPROXY), "-v"], capture_output=True, text=True).stdout
    return tuple(int(part) for part in re.search(r"version (\d+)\.(\d+)", words).groups())


def take_down(proxy, case):
    """The heaviest server is out."""
    heaviest = 1 + max(range(len(case.weights)), key=lambda n: case.weights[n])
    proxy.admin(f"set server {case.name}/s{heaviest} state maint")
    stage.eventually("it is out", lambda: proxy.rows()[(case.name, f"s{heaviest}")]["status"].startswith("MAINT"))
    return heaviest


def record(file, cases, ports, placed):
    with open(file, "w", encoding="ascii") as out:
        out.write(f"# Where HAProxy {'.'.join(map(str, version()))} placed keys; written by tests/peers/placement.py --record.\n")
        for case in [case for case in cases if case.keys not in ("streams", "absolute")]:
            out.write(f"\ncase {case.name}\nbalance {case.ours}\n")
            for n, (port, weight) in enumerate(zip(ports, case.weights), 1):
                out.write(f"server s{n} {case.host(n)}:{port} {weight}\n")
            if case.down:
                out.write(f"down s{1 + max(range(len(case.weights)), key=lambda n: case.weights[n])}\n")
            for (target, field), port in list(zip(keys(case), placed[case.name]))[:RECORDED]:
                out.write(f"key s{1 + ports.index(port)} {target} {field.strip()}".rstrip() + "\n")


def main():
    cases = [case for case in CASES if version() >= case.since]
    ports = stage.free_ports(max(len(case.weights) for case in CASES))
    fronts = stage.free_ports(2 * len(cases))
    recording = sys.argv[2] if sys.argv[1:2] == ["--record"] else None
    placed = {}
    with stage.Own("haproxy", lambda it: origins(it, ports)):
        with stage.Own("haproxy", lambda it: haproxy(it, cases, fronts[: len(cases)], ports)) as theirs:
            for case, front in zip(cases, fronts):
                if case.down:
                    take_down(theirs, case)
                placed[case.name] = ask(front, case)
        if recording:
            return record(recording, cases, ports, placed)
        with stage.Own("proxyd", lambda it: ours(it, cases, fronts[len(cases) :], ports)) as proxyd:
            for case, front in zip(cases, fronts[len(cases) :]):
                down = take_down(proxyd, case) if case.down else None
                answers = ask(front, case)
                pairs = zip(keys(case), placed[case.name], answers)
                differ = [f"{key}: s{1 + ports.index(a)}, s{1 + ports.index(b)}" for key, a, b in pairs if a != b]
                stage.check(not differ, f"{case.name}: {len(differ)} of {case.count} differ: {differ[:3]}")
                used = {ports.index(port) for port in answers}
                expected = {n for n, weight in enumerate(case.weights) if weight and n + 1 != down}
                # Of few keys the lightest may get none.
                fits = used <= expected if case.count == STREAMS else used == expected
                stage.check(fits, f"{case.name}: {used} got requests, not {expected}")
    print(f"{sum(case.count for case in cases)} keys of {len(cases)} cases are where HAProxy has them")


if __name__ == "__main__":
    main()
