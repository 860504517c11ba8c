#!/usr/bin/env python3
"""The same commands and the same traffic to proxyd's stick tables and HAProxy's: the same answers, byte for byte.

Left out of the comparison: addresses of entries, what is left of their time but for where it began, bytes of heads that each proxy
writes in its own way. Accepted differences, and only these:

- HAProxy 2.6 has no `ptr`, no element of an array by its number, no `shard=`, and its usage texts say so;
- what is no address is no key of a table of addresses, an IPv4 address is one of a table of IPv6 addresses, an IPv6 address
  one of a table of IPv4 ones where it holds one, and whoever is at level user clears no table: so it is in newer HAProxys, and not in 2.6;
- `set table` on a table without a key empties it in HAProxy; in proxyd it is refused.
"""

import re
import socket
import subprocess

import stage

RATES = "gpc0_rate conn_rate sess_rate http_req_rate http_err_rate bytes_in_rate bytes_out_rate gpc1_rate http_fail_rate".split()
COUNTS = (
    "server_id gpt0 gpc0 conn_cnt conn_cur sess_cnt http_req_cnt http_err_cnt bytes_in_cnt bytes_out_cnt gpc1 server_key http_fail_cnt"
).split()
COMMANDS = """
show table
set table st_all key 10.0.0.1 data.gpc0 5 data.http_req_rate 7
set table st_all key 10.0.0.2 data.gpc0 9 data.bytes_in_cnt 9999999999 data.server_id 3
set table st_all key 10.0.0.3
show table st_all
show table st_all key 10.0.0.1
show table st_all key 9.9.9.9
show table st_all data.gpc0 gt 5
show table st_all data.gpc0 ge 5
show table st_all data.gpc0 lt 5
show table st_all data.gpc0 le 5 data.http_req_rate gt 0
show table st_all data.gpc0 ne 5 data.gpc0 ne 9
show table st_all data.bytes_in_cnt eq 9999999999
show table st_all data.gpc0 lt -1
clear table st_all key 10.0.0.3
clear table st_all key 10.0.0.99
show table
clear table st_all data.gpc0 eq 9
show table st_all
clear table st_all
show table
set table st_arr key 7
set table st_arr key -1
set table st_arr key 4294967295
show table st_arr
set table st_arr key x
set table st_str key a\\ b=c data.conn_cur 1
set table st_str key a-key-of-more-than-twenty-bytes data.conn_cur 2
set table st_str key a-key-of-more-than-twenty-apples data.conn_cur 3
show table st_str
set table st_v6 key 2001:DB8::1
set table st_v6 key host
show table st_v6
set table st_bin key ab
show table st_bin key x
clear table st_bin key x
show table nope
set table nope key 1
clear table nope
set table st_all key
show table st_all key
set table st_all key 1.2.3.4 gpc0 1
set table st_all key 1.2.3.4 data.gpc9 1
set table st_all key 1.2.3.4 data.gpc 1
set table st_all key 1.2.3.4 data.gpc0
set table st_all key 1.2.3.4 data.gpc0 x
set table st_all data.gpc0 eq 1
show table st_all data.x eq 1
show table st_all data.gpc eq 1
show table st_all data.gpc0 is 1
show table st_all data.gpc0 eq
clear table st_all data.gpc0 eq x
show table st_all data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 data.gpc0 eq 1 more
clear table st_all
set table st_two key 1
set table st_two key 2
set table st_two key 3
show table st_two
""".strip().splitlines()
LOWER = ["show table", "show table st_two", "show table st_two key 3", "set table st_two key 1", "clear table st_two key 3", "clear table nope"]


class Side:
    """One of the two proxies."""

    def __init__(self, kind, origins):
        self.kind = kind
        self.origins = origins
        self.port = stage.free_ports(1)[0]
        self.stage = stage.Own(kind, self.config)

    def config(self, it):
        return getattr(self, self.kind)(it)

    def haproxy(self, it):
        store = ",".join(COUNTS + [f"{name}(10m)" for name in RATES])
        servers = "\n".join(f"    server {one.name} 127.0.0.1:{one.server_port}" for one in self.origins)
        return f"""
global
    nbthread 1
    stats socket {it.socket} mode 600 level admin
    stats socket {it.folder}/operator.sock mode 600 level operator
    stats socket {it.folder}/user.sock mode 600 level user
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
backend st_all
    stick-table type ip size 1000 expire 10m store {store}
backend st_arr
    stick-table type integer size 1000 expire 10m store gpt(2),gpc(2),gpc_rate(2,10s)
backend st_str
    stick-table type string len 20 size 1000 store conn_cur
backend st_v6
    stick-table type ipv6 size 10 expire 50s
backend st_bin
    stick-table type binary len 4 size 10
backend st_two
    stick-table type integer size 2 nopurge
backend st_use
    stick-table type string len 20 size 1000 expire 10m
backend st_src
    stick-table type ip size 1000 expire 10m store {store}
frontend web
    bind 127.0.0.1:{self.port}
    tcp-request connection track-sc0 src table st_src
    default_backend app
backend app
    stick on req.hdr(x-user) table st_use
{servers}
"""

    def proxyd(self, it):
        store = ", ".join(COUNTS + [f'{name}("10m")' for name in RATES])
        servers = ", ".join(f'(name: "{one.name}", address: "127.0.0.1:{one.server_port}")' for one in self.origins)
        return f"""(
    global: (workers: 1, sockets: [
        (path: "./proxyd.sock", mode: "0600", level: admin),
        (path: "./operator.sock", mode: "0600", level: operator),
        (path: "./user.sock", mode: "0600", level: user),
    ]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    tables: [
        (name: "st_all", key: ip, entries: 1000, expire: "10m", store: [{store}]),
        (name: "st_arr", key: integer, entries: 1000, expire: "10m", store: [gpt(2), gpc(2), gpc_rate(2, "10s")]),
        (name: "st_str", key: string(20), entries: 1000, store: [conn_cur]),
        (name: "st_v6", key: ipv6, entries: 10, expire: "50s"),
        (name: "st_bin", key: binary(4), entries: 10),
        (name: "st_two", key: integer, entries: 2, no_purge: true),
        (name: "st_use", key: string(20), entries: 1000, expire: "10m"),
        (name: "st_src", key: ip, entries: 1000, expire: "10m", store: [{store}]),
    ],
    frontends: [(
        name: "web", bind: ["127.0.0.1:{self.port}"], default_backend: "app", track: [(key: "src", table: "st_src")],
    )],
    backends: [(name: "app", stick: [on(key: "req.hdr(x-user)", table: "st_use")], servers: [{servers}])],
)
"""

    def command(self, line, level=None):
        path = self.stage.socket if level is None else self.stage.folder / f"{level}.sock"
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(30)
            one.connect(str(path))
            one.sendall(line.encode() + b"\n")
            answer = b""
            while part := one.recv(65536):
                answer += part
        return plain(answer.decode())

    def ask(self, path, user, kept=None):
        line = f"GET {path} HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n"
        one = kept or socket.create_connection(("127.0.0.1", self.port), timeout=30)
        one.sendall(line.encode())
        with one.makefile("rb") as answer:
            status, length, origin = answer.readline().split()[1].decode(), 0, None
            while field := answer.readline().strip().decode().lower():
                name, _, value = field.partition(":")
                length = int(value) if name == "content-length" else length
                origin = value.strip() if name == "x-origin" else origin
            answer.read(length)
        if kept is None:
            one.close()
        return status, origin


def plain(text):
    """Without what is not the same by nature; entries in the order of their keys."""
    text = re.sub(r"^0x[0-9a-f]+:", "0x:", text, flags=re.M).replace(" shard=0", "")
    # Each time is a multiple of this and has just begun: neither passes one while the other does not.
    text = re.sub(r" exp=(\d+)", lambda left: f" exp={-(-int(left[1]) // 50_000) * 50}s", text)
    entries = sorted(line for line in text.splitlines(True) if line.startswith("0x:"))
    return "".join(entries.pop(0) if line.startswith("0x:") else line for line in text.splitlines(True))


def traffic(side):
    """Where clients went, and what is known of them."""
    went = [side.ask("/", user) for user in ("anna", "bert", "carl", "anna", "bert", "carl", "anna")]
    homes = {user: side.ask("/", user)[1] for user in ("anna", "bert", "carl")}
    side.command(f"set server app/{homes['anna']} state drain")
    went.append(side.ask("/", "anna"))
    side.command(f"set server app/{homes['anna']} state maint")
    second = side.ask("/", "anna")
    stage.check(second[0] == "200" and second[1] != homes["anna"], f"{side.kind}: anna is still at {second}")
    side.command(f"set server app/{homes['anna']} state ready")
    went.append(("back", side.ask("/", "anna") == second))
    stage.check(side.ask("/", "bert")[1] == homes["bert"], f"{side.kind}: bert has moved")
    known = re.sub(r"server_key=\w+|server_id=\d+", "", side.command("show table st_use"))
    with socket.create_connection(("127.0.0.1", side.port)) as kept:
        for _ in range(3):
            side.ask("/", "kept", kept)
        stage.eventually("the others are gone", lambda: " conn_cur=1 " in side.command("show table st_src"))
        counted = side.command("show table st_src")
    with socket.create_connection(("127.0.0.1", side.port)) as bad:
        bad.sendall(b"NONSENSE\r\n\r\n")
        stage.check(b" 400 " in bad.recv(100), "nonsense is refused")
    stage.eventually("all are gone", lambda: " conn_cur=0 " in side.command("show table st_src"))
    after = side.command("show table st_src")
    for name in ("server_id", "server_key"):
        counted, after = (re.sub(rf"{name}=\S+", "", text) for text in (counted, after))
    # Heads are written in other words.
    return went, known, *(re.sub(r"(bytes_(in|out)_\w+(\(\d+\))?)=\d+", r"\1=", text) for text in (counted, after))


def pool(haproxy):
    """Bytes that an entry takes in HAProxy."""
    line = next(line for line in haproxy.command("show pools").splitlines() if "Pool sticktables" in line)
    return int(re.search(r"\((\d+) bytes\)", line)[1])


def main():
    origins = [stage.Origin(name) for name in ("s1", "s2", "s3")]
    sides = [Side("haproxy", origins), Side("proxyd", origins)]
    differences = []
    with sides[0].stage, sides[1].stage:
        for line in COMMANDS:
            answers = [side.command(line) for side in sides]
            if answers[0] != answers[1]:
                differences.append((line, *answers))
        for level in ("user", "operator"):
            for line in LOWER:
                answers = [side.command(line, level) for side in sides]
                if answers[0] != answers[1]:
                    differences.append((f"{line} at level {level}", *answers))
        seen = [traffic(side) for side in sides]
        for what, ours, theirs in zip(("went", "known", "counted", "after"), seen[1], seen[0]):
            if ours != theirs:
                differences.append((what, theirs, ours))
        print(f"an entry of HAProxy's takes {pool(sides[0])} bytes")
    for about, haproxy, proxyd in differences:
        print(f"--- {about}\nHAProxy: {haproxy!r}\nproxyd:  {proxyd!r}")
    stage.check(not differences, f"{len(differences)} answers differ")
    version = subprocess.run([stage.HAPROXY, "-v"], capture_output=True, text=True, check=True).stdout.split()[2]
    print(f"{len(COMMANDS) + 2 * len(LOWER)} commands and a morning's traffic: as HAProxy {version}")


if __name__ == "__main__":
    main()
