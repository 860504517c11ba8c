#!/usr/bin/env python3
"""The same requests through proxyd and HAProxy, in every mode of persistence cookies: servers see the same `Cookie`
lines, clients get the same `Set-Cookie` and `Cache-Control` lines, byte for byte, each request goes to the same server,
and `%tsc` says the same.

Dates in values are checked for being of this moment and left out. Accepted differences, and only these:

- what is no cookie by RFC 6265: HAProxy ends cookies at a comma too, takes a quote anywhere in a value for the beginning of
  a quoted string, and takes out blanks around each `=`, also of others' cookies;
- the letters of passive mode: HAProxy has none, proxyd says what it found;
- a `;` that is left alone in a line is sent on by HAProxy; in proxyd the line goes away.
"""

import re
import socket
import time

import stage

OPTIONS = {
    "insert": ("insert", "mode: insert"),
    "indirect": ("insert indirect", "indirect: true"),
    "nocache": ("insert nocache", "nocache: true"),
    "postonly": ("insert postonly indirect", "post_only: true, indirect: true"),
    "preserve": ("insert preserve", "preserve: true"),
    "preserve_indirect": ("insert indirect preserve", "indirect: true, preserve: true"),
    "attributes": (
        'insert httponly secure domain .a.example domain b.example attr "SameSite=Lax" attr "X=y z"',
        'httponly: true, secure: true, domain: [".a.example", "b.example"], attr: ["SameSite=Lax", "X=y z"]',
    ),
    "maxidle": ("insert indirect maxidle 1h", 'indirect: true, max_idle: "1h"'),
    "maxlife": ("insert indirect maxlife 1h", 'indirect: true, max_life: "1h"'),
    "both": ("insert maxidle 1h maxlife 8h nocache", 'max_idle: "1h", max_life: "8h", nocache: true'),
    "rewrite": ("rewrite", "mode: rewrite"),
    "prefix": ("prefix", "mode: prefix"),
    "passive": ("", "mode: passive"),
    "passive_indirect": ("indirect", "mode: passive, indirect: true"),
    "passive_preserve": ("indirect preserve", "mode: passive, indirect: true, preserve: true"),
    "dynamic": ("insert dynamic", 'dynamic: true, key: "MyKey"'),
    "exceptions": ("insert indirect", "indirect: true"),
    "tries": ("insert", "mode: insert"),
}
EXTRA = {
    "dynamic": ("dynamic-cookie-key MyKey", ""),
    "exceptions": (
        "ignore-persist if { path_beg /static/ }\n    force-persist if { path /force }",
        'persist: (ignore: [path("/static/*")], force: [path("/force")]),',
    ),
    "tries": ("option persist", "persist: (try_down: true),"),
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def date(ago):
    steps = -(-(int(time.time()) - ago) // 4)
    return "".join(ALPHABET[steps >> 6 * at & 63] for at in (4, 3, 2, 1, 0))


COOKIES = (
    [],
    ["a=b"],
    ["SRV=s1"],
    ["SRV=s2"],
    ["SRV=s3"],
    ["SRV=nobody"],
    ["SRV="],
    ["SRV"],
    ["srv=s2"],
    ["xSRV=s2; SRVx=s2"],
    ["a=b; SRV=s2"],
    ["SRV=s2; a=b"],
    ["a=b; SRV=s2; c=d"],
    ["a=b;SRV=s2;c=d"],
    ["a=b;c=d;SRV=s2"],
    ["SRV=s2; SRV=s1"],
    ["SRV=s1; a=b; SRV=s2; c=d"],
    ["SRV=nobody; SRV=s2"],
    ["SRV=s3; SRV=nobody"],
    ["a=b", "SRV=s2", "c=d"],
    ["SRV=s2", "SRV=s1"],
    ["SRV=s2~x; a=b"],
    ["SRV=s2~x~y"],
    ["SRV=~x"],
    ["SRV=s3~x"],
    ["$Version=1; SRV=s2; $Path=/; a=b; $Path=/"],
    ["$Version=1; SRV=s2; $Path=/"],
    ['a="1;2"; SRV=s2; b="x;SRV=s1"'],
    ["a=b; SRV=s2;"],
    ["a=; SRV=s2; b="],
    ["SRV=s2|FRESH"],
    ["SRV=s2|OLD"],
    ["SRV=s2|FRESH|FRESH"],
    ["SRV=s2|FRESH|OLD"],
    ["SRV=s2|OLD|OLD; a=b"],
    ["SRV=s2|no-date"],
    ["SRV=s2|"],
    ["SRV=s2||OLD"],
    ["SRV=s3|FRESH"],
)
ANSWERS = {
    "/": "",
    "/own": "Set-Cookie: SRV=own; Path=/x\r\n",
    "/cleared": "Set-Cookie: SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT\r\n",
    "/other": "Set-Cookie: a=SRV=b\r\nSet-Cookie: SRV=own\r\nSet-Cookie: SRVx=y\r\n",
    "/etag": "ETag: x\r\n",
    "/public": "Cache-Control: public, max-age=60\r\n",
    "/private": "Cache-Control: private, max-age=60\r\nETag: x\r\n",
    "/stale": "Cache-Control: max-age=0\r\nLast-Modified: x\r\n",
    "/static/a": "",
    "/force": "",
}


class Server(stage.Server):
    """Answers as the target says, and keeps what came."""

    def __init__(self, name):
        self.name = name
        self.seen = {}
        super().__init__(self.answer)

    def answer(self, one):
        with one.makefile("rb") as incoming:
            while line := incoming.readline():
                fields = []
                while field := incoming.readline().rstrip(b"\r\n"):
                    fields.append(field.decode())
                path, _, key = line.split(b" ")[1].decode().partition("?")
                self.seen[key] = [field.partition(":")[2].strip() for field in fields if field.lower().startswith("cookie:")]
                head = f"HTTP/1.1 200 OK\r\nX-Server: {self.name}\r\n{ANSWERS[path]}Content-Length: 0\r\n\r\n"
                one.sendall(head.encode())


class Side:
    """One of the two proxies, with a port for each mode."""

    def __init__(self, kind, servers):
        self.kind = kind
        self.servers = servers
        self.ports = dict(zip(OPTIONS, stage.free_ports(len(OPTIONS))))
        self.stage = stage.Own(kind, self.config)

    def config(self, it):
        return getattr(self, self.kind)(it)

    def haproxy(self, it):
        parts = [
            f"global\n    nbthread 1\n    stats socket {it.socket} mode 600 level admin\n    log stdout format raw local0\n"
            "defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n    log global\n"
            '    log-format "T|%HU|%tsc|%B"\n    option redispatch\n    retries 1\n'
        ]
        for name, (words, _) in OPTIONS.items():
            parts.append(f"listen {name}\n    bind 127.0.0.1:{self.ports[name]}\n    cookie SRV {words}\n    {EXTRA.get(name, ('', ''))[0]}")
            for server, more in zip(self.servers, ("", "weight 0", "disabled")):
                cookie = "" if name == "dynamic" else f"cookie {server.name}"
                parts.append(f"    server {server.name} 127.0.0.1:{server.server_port} {cookie} {more}")
        return "\n".join(parts) + "\n"

    def proxyd(self, _):
        listen = []
        for name, (_, words) in OPTIONS.items():
            servers = []
            for server, more in zip(self.servers, ("", "weight: 0", "")):
                cookie = "" if name == "dynamic" else f'cookie: "{server.name}",'
                servers.append(f'(name: "{server.name}", address: "127.0.0.1:{server.server_port}", {cookie} {more})')
            listen.append(
                f'(name: "{name}", bind: ["127.0.0.1:{self.ports[name]}"], persistence: cookie(name: "SRV", {words}),'
                f' {EXTRA.get(name, ("", ""))[1]} servers: [{", ".join(servers)}])'
            )
        return f"""(
    global: (workers: 1, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)], log: [(target: stdout, framing: raw)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s"), retries: (max: 1), log: (format: "T|%HU|%tsc|%B")),
    listen: [{", ".join(listen)}],
)
"""

    def ready(self):
        if self.kind == "proxyd":
            for name in OPTIONS:
                self.stage.admin(f"set server {name}/s3 state maint")

    def ask(self, mode, method, path, cookies, key):
        """What the client gets, and what the server that got the request saw."""
        lines = "".join(f"Cookie: {cookie}\r\n" for cookie in cookies)
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        with socket.create_connection(("127.0.0.1", self.ports[mode]), timeout=30) as one:
            one.sendall(f"{method} {path}?{key} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}{length}\r\n".encode())
            answer = b""
            while part := one.recv(65536):
                answer += part
        status, *fields = answer.decode().partition("\r\n\r\n")[0].split("\r\n")
        fields = [field.partition(": ")[::2] for field in fields]
        of = lambda wanted: [undated(value) for name, value in fields if name.lower() == wanted]
        server = of("x-server")[0] if of("x-server") else ""
        seen = next((it.seen.get(key) for it in self.servers if it.name == server), None)
        return {
            "status": status.split(" ")[1],
            "server": server,
            "seen": seen,
            "set-cookie": of("set-cookie"),
            "cache-control": of("cache-control"),
        }

    def letters(self, count):
        def all_of_them():
            log = (self.stage.folder / "log").read_text()
            found = dict(re.findall(r"^T\|\S*\?(\d+)\|(\S+?)\|\d+$", log, re.M))
            return found if len(found) == count else None

        return stage.eventually(f"{count} lines of the log", all_of_them)


def undated(value):
    """A value whose dates of this moment are named instead."""
    now = [date(ago) for ago in (-4, 0, 4, 8)]
    return re.sub(r"\|([A-Za-z0-9+/]{5})", lambda found: "|NOW" if found[1] in now else found[0], value)


def main():
    servers = [Server(name) for name in ("s1", "s2", "s3")]
    sides = [Side("haproxy", servers), Side("proxyd", servers)]
    old = date(3 * 24 * 3600)
    with sides[0].stage, sides[1].stage:
        for side in sides:
            side.ready()
        asked, differences = {}, []
        dynamic = [row["cookie"] for (proxy, name), row in sorted(sides[0].stage.rows().items()) if proxy == "dynamic" and name in ("s1", "s2", "s3")]
        stage.check(len(set(dynamic)) == 3, f"dynamic cookies of HAProxy: {dynamic}")
        for mode in OPTIONS:
            for method, path in [("GET", path) for path in ANSWERS] + [("POST", "/"), ("HEAD", "/etag"), ("POST", "/etag")]:
                for cookies in COOKIES:
                    key = str(len(asked))
                    asked[key] = (mode, method, path, cookies)
                    # Both within one step of the dates: what is fresh for one is not old for the other.
                    while True:
                        now = date(0)
                        lines = [cookie.replace("FRESH", now).replace("OLD", old) for cookie in cookies]
                        if mode == "dynamic":
                            for name, value in zip(("s1", "s2", "s3"), dynamic):
                                lines = [line.replace(name, value) for line in lines]
                        answers = []
                        for side in sides:
                            answers.append(side.ask(mode, method, path, lines, key))
                            for server in servers:
                                server.seen.pop(key, None)
                        if date(0) == now:
                            break
                    if answers[0] != answers[1]:
                        differences.append((asked[key], *answers))
        haproxy, proxyd = (side.letters(len(asked)) for side in sides)
        for key, about in asked.items():
            said = haproxy[key], proxyd[key]
            if about[0] == "passive":
                said = said[0][:2], said[1][:2]
            if said[0] != said[1]:
                differences.append((about, *said))
        for about, one, other in differences[:20]:
            print(f"{about}\n    haproxy: {one}\n    proxyd:  {other}")
        stage.check(not differences, f"{len(differences)} of {len(asked)} requests differ")
        print(f"cookies: {len(asked)} requests in {len(OPTIONS)} modes, the same through both")


main()
