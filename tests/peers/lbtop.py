#!/usr/bin/env python3
"""lbtop in a terminal of 80x24: drain, undo, the daemon killed and started again; on proxyd and on HAProxy."""

import json
import signal
import subprocess
import sys
import time

import stage


def once(it, *words):
    argv = [stage.need(stage.LBTOP), "-s", str(it.socket), "--once", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def confirm(it):
    """Answers a question, after the time in which keys typed ahead are dropped."""
    time.sleep(0.5)
    it.keys("lbtop", "y")


def play(kind):
    with stage.Stage(kind) as it:
        it.terminal("lbtop", f"{stage.need(stage.LBTOP)} -s {it.socket}")
        screen = it.shows("lbtop", *stage.SERVERS, "UP")
        lines = screen.rstrip("\n").split("\n")
        stage.check(len(lines) <= 24 and all(len(line) <= 80 for line in lines), f"it fits:\n{screen}")

        it.keys("lbtop", "/", "app1", "Enter")
        it.keys("lbtop", "d")
        it.shows("lbtop", "set server app/app1 state drain")
        stage.check(it.status("app1").startswith("UP"), "nothing is sent before it is confirmed")
        confirm(it)
        stage.eventually("app1 drains", lambda: it.status("app1").startswith("DRAIN"))
        it.shows("lbtop", "DRAIN")

        it.keys("lbtop", "z")
        it.shows("lbtop", "set server app/app1 state ready")
        confirm(it)
        stage.eventually("app1 is back", lambda: it.status("app1").startswith("UP"))

        it.stop(signal.SIGKILL)
        it.shows("lbtop", "LOST")
        it.keys("lbtop", "d")
        time.sleep(0.3)
        it.start()
        stage.eventually("it goes on", lambda: "LOST" not in it.screen("lbtop"))
        it.shows("lbtop", "app1", "UP")
        stage.check(it.status("app1").startswith("UP"), "what was typed at a lost daemon is not sent later")

        it.tmux("resize-window", "-t", "lbtop", "-x", "40", "-y", "10")
        time.sleep(0.5)
        it.tmux("resize-window", "-t", "lbtop", "-x", "120", "-y", "40")
        it.shows("lbtop", "app1", "UP")

        # Read by itself: together with what follows it would be another key.
        it.keys("lbtop", "Escape")
        it.shows("lbtop", "app/app2", "app/spare")
        it.keys("lbtop", "q")
        it.shows("lbtop", "ended with 0")

        table = once(it, "--format", "table")
        stage.check(all(name in table.stdout for name in stage.SERVERS), f"--once: {table}")
        stage.check(json.loads(once(it, "--format", "json").stdout), "--once --format json")
        stage.check(once(it, "--format", "csv").stdout.count("app") >= 3, "--once --format csv")
        stage.eventually("all have been checked and --once ends with 0", lambda: once(it).returncode == 0)
        it.admin("set server app/app1 state maint")
        it.stop()
        stage.check(once(it).returncode == 3, "exit status when nobody answers")


for one in sys.argv[1:] or ("proxyd", "haproxy"):
    play(one)
