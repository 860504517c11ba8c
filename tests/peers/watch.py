#!/usr/bin/env python3
"""A watcher rebuilt from the stream equals `show stat`, whatever happened in between."""

import json
import random
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

import stage

OPERATIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
AGES = {"lastchg": "changed_at_ms", "lastsess": "lastsess_at_ms", "downtime": "down_ms"}
KINDS = {"0": "f/{pxname}", "1": "b/{pxname}", "2": "s/{pxname}/{svname}", "3": "l/{pxname}/{svname}"}


class Watcher:
    """Keeps the state that the stream tells of."""

    def __init__(self, path, words):
        self.rows, self.info, self.next = {}, {}, {}
        self.synced = False
        self.counts = {}
        self.lock = threading.Condition()
        self.go = threading.Event()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.sendall(f"watch {words}\n".encode())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        self.go.wait()
        for line in self.socket.makefile("rb"):
            stage.check(len(line) <= 64 << 10, "a line is longer than 64 KiB")
            if line.strip():
                with self.lock:
                    self.apply(json.loads(line))
                    self.lock.notify_all()

    def apply(self, line):
        kind = line["kind"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind in ("hello", "gap", "gone"):
            self.synced, self.next, self.info = False, {}, {}
        elif kind == "row":
            self.next[line["id"]] = dict(line["row"])
        elif kind == "info":
            self.info.update(line["info"])
        elif kind == "sync":
            self.synced, self.rows = True, self.next
        elif kind == "delta":
            for key in line.get("del", []):
                self.rows.pop(key, None)
            for key, fields in line.get("rows", {}).items():
                row = self.rows.setdefault(key, {})
                for name, value in fields.items():
                    if value is None:
                        row.pop(name, None)
                    else:
                        row[name] = value
            for name, value in line.get("info", {}).items():
                self.info[name] = value

    def beat(self):
        """Waits for two more deltas, so that what is true now is in them."""
        with self.lock:
            target = self.counts.get("delta", 0) + 2
            self.lock.wait_for(lambda: self.synced and self.counts.get("delta", 0) >= target, 30)

    def close(self):
        self.socket.close()


def difference(watcher, it):
    """What the stream and `show stat` disagree on, in words."""
    with watcher.lock:
        mine = {key: dict(row) for key, row in watcher.rows.items()}
    now = time.time()
    theirs = {KINDS[row["type"]].format(**row): row for row in it.rows().values()}
    wrong = [f"ids {sorted(set(mine) ^ set(theirs))}"] if set(mine) != set(theirs) else []
    for key in set(mine) & set(theirs):
        for name, cell in theirs[key].items():
            if not name or name == "-":
                continue
            if name not in AGES:
                told = mine[key].get(name, "")
                if str(told) != cell:
                    wrong.append(f"{key} {name}: stream {told!r}, show stat {cell!r}")
                continue
            told = mine[key].get(AGES[name])
            if name == "lastsess" and cell in ("", "-1"):
                near = told is None
            elif cell == "" or told is None:
                near = cell == "" and told is None
            elif name == "downtime":
                down = theirs[key]["status"].startswith(("DOWN", "MAINT"))
                extra = now - mine[key]["changed_at_ms"] / 1000 if down else 0
                near = abs(told / 1000 + extra - int(cell)) <= 2
            else:
                near = abs(now - told / 1000 - int(cell)) <= 2
            if not near:
                wrong.append(f"{key} {name}: stream {told!r}, show stat {cell!r}")
    return wrong


def agree(watcher, it):
    """Rates fall and checks run while we look: they agree at some moment, soon."""
    end = time.monotonic() + 60
    while True:
        watcher.beat()
        wrong = difference(watcher, it)
        if not wrong:
            return
        stage.check(time.monotonic() < end, "the stream and `show stat` differ:\n" + "\n".join(wrong))


def operate(it, chance):
    """One random operation."""
    server = f"app/{chance.choice(stage.SERVERS)}"
    commands = [
        (lambda: f"set server {server} state {chance.choice(('ready', 'drain', 'maint'))}"),
        (lambda: f"{chance.choice(('enable', 'disable'))} server {server}"),
        (lambda: f"{chance.choice(('enable', 'disable'))} health {server}"),
        (lambda: f"set server {server} health {chance.choice(('up', 'down', 'stopping'))}"),
        (lambda: f"set weight {server} {chance.randrange(257)}"),
        (lambda: f"set weight {server} {chance.randrange(101)}%"),
        (lambda: f"set server {server} addr 127.0.0.1 port {chance.choice(it.origins).server_port}"),
        (lambda: f"set maxconn frontend web {chance.randrange(100, 1000)}"),
        (lambda: "clear counters"),
        None,
        None,
    ]
    choice = chance.choice(commands)
    if choice is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{it.web}/", timeout=30).read()
        except urllib.error.HTTPError:
            pass  # no server is left: that is a counter as well
        return
    command = choice()
    answer = it.admin(command)
    fine = answer == "" or answer.startswith(("IP changed", "port changed", "nothing changed", "no need to change"))
    fine = fine or "port" in answer and "addr" in command
    stage.check(fine, f"{command}: {answer!r}")


with stage.Stage() as it:
    chance = random.Random(4711)
    watcher, slow = Watcher(it.socket, "every 100ms"), Watcher(it.socket, "every 100ms")
    watcher.go.set()
    agree(watcher, it)
    for number in range(OPERATIONS):
        operate(it, chance)
        if number % 1000 == 999:
            agree(watcher, it)
    agree(watcher, it)
    slow.go.set()
    agree(slow, it)
    for command in ("set weight app/app1 100", "set server app/app1 state drain", "set server app/app1 state maint"):
        it.admin(command)
    stage.eventually("events arrive", lambda: watcher.counts.get("event", 0) >= 3)
    watcher.close()
    slow.close()
    print(f"{OPERATIONS} operations; lines read: {watcher.counts}, by a slow reader: {slow.counts}")
