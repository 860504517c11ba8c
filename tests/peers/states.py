#!/usr/bin/env python3
"""The same commands to proxyd and HAProxy: `show stat` and `show servers state` say the same of every server and backend
before them and behind each, and a client's cookie leads to the same server.

Only `downtime` may differ, into which this version of HAProxy counts draining.
"""

import contextlib
import http.client
import socketserver
import threading
import time

import stage

COLUMNS = """status weight uweight act bck chkfail chkdown throttle tracked check_status check_code check_rise check_fall check_health check_desc
agent_status agent_code agent_rise agent_fall agent_health agent_desc algo cookie mode""".split()
SERVERS = ("plain", "checked", "zero", "gone", "tracker", "agented", "sick", "told", "slow", "spare")
COMMANDS = (
    "set weight app/plain 0",
    "set weight app/checked 0",
    "set server app/checked state drain",
    "set weight app/checked 1",
    "set weight app/checked 0",
    "set server app/checked state ready",
    "set server app/checked state maint",
    "set server app/checked state ready",
    "set weight app/checked 100%",
    "set server app/checked health stopping",
    "set server app/checked health up",
    # Its agent goes on saying that it is up, and no check does.
    "disable health app/agented",
    "set server app/agented health stopping",
    "set weight app/tracker 0",
    "set weight app/gone 0",
    "set weight app/zero 7",
    "set weight app/zero 0%",
    "set server app/plain health stopping",
    "set server app/plain health down",
    "set server app/plain health stopping",
    "set server app/plain health up",
    "set server app/agented health up",
    "enable health app/agented",
    "set server fixed/weighed state maint",
    "set server fixed/weighed state ready",
    "set server fixed/unwell state maint",
    "set server fixed/unwell state ready",
    "set weight app/agented 0",
    "set server app/agented state drain",
    "set server app/told state maint",
    "set server app/told state ready",
    "set server app/slow state maint",
    "set server app/slow state ready",
    "set weight app/slow 0",
    "set weight app/slow 50%",
    "set weight app/spare 0",
    "set weight one/only 0",
    "set server one/only health down",
    "set weight one/only 100%",
    "set server one/only health up",
)
# Seldom where all is well, so that a busy machine has the time that one of them may take: a failure is counted.
CHECKED = "inter 10s fastinter 100ms downinter 100ms"
# What they change of how long a server has been as it is: nothing, where it is down before and behind it.
AGED = (
    "set server app/gone state maint",
    "set server app/plain health down",
    "set server app/plain state maint",
    "set server app/plain state ready",
    "set server app/checked state maint",
    "set server app/checked state ready",
)
# Seconds between them, so that it shows.
AGING = 3
# In seconds, how long a look at an age may take that is to say when it was so.
LOOK = 0.3


class Agent(socketserver.ThreadingTCPServer):
    """Says the same to whoever asks."""

    request_queue_size = 128

    def __init__(self, words):
        super().__init__(("127.0.0.1", 0), Answer)
        self.words = words
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        # Who asked may have gone.
        with contextlib.suppress(OSError):
            self.request.sendall(self.server.words)


class Side:
    def __init__(self, kind, origin, agents, nobody):
        self.kind = kind
        self.origin, self.nobody = origin, nobody
        self.agent, self.damning, self.weighing = (agent.server_address[1] for agent in agents)
        self.port = stage.free_ports(1)[0]
        self.stage = stage.Own(kind, getattr(self, kind))

    def haproxy(self, it):
        at = f"127.0.0.1:{self.origin}"
        return f"""global
    nbthread 1
    stats socket {it.socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    default-server weight 100
frontend web
    bind 127.0.0.1:{self.port}
    default_backend app
backend app
    cookie SRV insert
    server plain {at} cookie plain
    server checked {at} cookie checked check {CHECKED}
    server zero {at} cookie zero check {CHECKED} weight 0
    server gone 127.0.0.1:{self.nobody} cookie gone check {CHECKED}
    server tracker {at} cookie tracker track app/checked
    server agented {at} cookie agented check {CHECKED} agent-check agent-port {self.agent} agent-inter 100ms
    server sick 127.0.0.1:{self.nobody} cookie sick check {CHECKED} agent-check agent-port {self.agent} agent-inter 100ms
    server told {at} cookie told check {CHECKED} agent-check agent-port {self.damning} agent-inter 100ms
    server slow {at} cookie slow slowstart 1h
    server spare {at} cookie spare check {CHECKED} backup
backend one
    server only {at}
backend fixed
    balance static-rr
    server weighed {at} agent-check agent-port {self.weighing} agent-inter 100ms
    server unwell {at} agent-check agent-port {self.damning} agent-inter 100ms
"""

    def proxyd(self, _):
        at = f"127.0.0.1:{self.origin}"
        return f"""(
    global: (workers: 1, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [(name: "web", bind: ["127.0.0.1:{self.port}"], default_backend: "app")],
    backends: [
        (
            name: "app",
            persistence: cookie(name: "SRV"),
            // The timeout of HAProxy's is its interval, or that to connect.
            check: tcp(interval: "10s", fast_interval: "100ms", down_interval: "100ms", timeout: "5s"),
            servers: [
                (name: "plain", address: "{at}", cookie: "plain", check: none),
                (name: "checked", address: "{at}", cookie: "checked"),
                (name: "zero", address: "{at}", cookie: "zero", weight: 0),
                (name: "gone", address: "127.0.0.1:{self.nobody}", cookie: "gone"),
                (name: "tracker", address: "{at}", cookie: "tracker", track: "app/checked"),
                (name: "agented", address: "{at}", cookie: "agented", agent: (port: {self.agent}, interval: "100ms")),
                (name: "sick", address: "127.0.0.1:{self.nobody}", cookie: "sick", agent: (port: {self.agent}, interval: "100ms")),
                (name: "told", address: "{at}", cookie: "told", agent: (port: {self.damning}, interval: "100ms")),
                (name: "slow", address: "{at}", cookie: "slow", check: none, slow_start: "1h"),
                (name: "spare", address: "{at}", cookie: "spare", backup: true),
            ],
        ),
        (name: "one", servers: [(name: "only", address: "{at}")]),
        (
            name: "fixed",
            balance: static_rr,
            servers: [
                (name: "weighed", address: "{at}", agent: (port: {self.weighing}, interval: "100ms")),
                (name: "unwell", address: "{at}", agent: (port: {self.damning}, interval: "100ms")),
            ],
        ),
    ],
)
"""

    def says(self):
        """What it shows of each server and backend, but for what only time or traffic makes."""
        said = {}
        for (proxy, name), row in self.stage.rows().items():
            if proxy != "web":
                said[f"{proxy}/{name}"] = [(column, (row[column] or "").removeprefix("* ")) for column in COLUMNS]
        for line in self.stage.admin("show servers state").splitlines()[2:]:
            words = line.split(" ")
            path = f"{words[1]}/{words[3]}"
            # A number of a proxy, the time since a change, and whether a check is on its way just now.
            words[0], words[9], words[13], words[14] = "", "", int(words[13]) & ~1, int(words[14]) & ~1
            said[f"{path} state"] = words
        return said

    def age(self, server):
        """When that was, and how long the server had been as it was."""
        while True:
            begun = time.monotonic()
            lasted = int(self.stage.rows()[tuple(server.split("/"))]["lastchg"])
            if time.monotonic() - begun < LOOK:
                return begun, lasted

    def reaches(self, name):
        """Whether a client that belongs to a server gets there: it is given no other cookie."""
        one = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        one.request("GET", "/", headers={"Cookie": f"SRV={name}"})
        answer = one.getresponse()
        answer.read()
        one.close()
        return answer.status, answer.getheader("Set-Cookie") is None


def main():
    origin = stage.Origin("origin")
    agents = Agent(b"up\n"), Agent(b"down\n"), Agent(b"25%\n")
    nobody = stage.free_ports(1)[0]
    sides = [Side(kind, origin.server_port, agents, nobody) for kind in ("haproxy", "proxyd")]
    haproxy, proxyd = sides
    with haproxy.stage, proxyd.stage:
        last, reached = ({}, {}), []

        def agree():
            nonlocal last
            last = haproxy.says(), proxyd.says()
            return last[0] == last[1]

        def reach_the_same(name):
            # What an agent says of a server that has just come back may be yet to come on one side.
            reached[:] = [side.reaches(name) for side in sides]
            return reached[0] == reached[1]

        def both(what):
            try:
                stage.eventually(f"both say the same {what}", agree)
            except SystemExit:
                for of in sorted(last[0].keys() | last[1].keys()):
                    if last[0].get(of) != last[1].get(of):
                        print(f"{of}\n    haproxy: {last[0].get(of)}\n    proxyd:  {last[1].get(of)}")
                raise

        both("at first")
        for command in COMMANDS:
            answers = [side.stage.admin(command) for side in sides]
            stage.check(answers[0].strip() == answers[1].strip(), f"{command}: {answers}")
            both(f"behind {command}")
            for name in SERVERS:
                try:
                    stage.eventually(f"clients of {name} are at the same behind {command}", lambda: reach_the_same(name))
                except SystemExit:
                    print(f"{name}: {reached}")
                    raise
        for command in AGED:
            time.sleep(AGING)
            server = command.split()[2]
            before = [side.age(server) for side in sides]
            for side in sides:
                side.stage.admin(command)
            both(f"behind {command}")
            after = [side.age(server) for side in sides]
            # Whole seconds are one off at most.
            anew = [new - old < now - then - 1.5 for (then, old), (now, new) in zip(before, after)]
            stage.check(anew[0] == anew[1], f"{command}: {anew}, from {before} to {after}")
        print(f"states: the same behind {len(COMMANDS + AGED)} commands, of {len(last[0])} lines")
    for agent in agents:
        agent.shutdown()
    origin.shutdown()


main()
