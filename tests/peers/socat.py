#!/usr/bin/env python3
"""socat sees what a program that speaks to HAProxy sees: line ends, pipelining, half-close, prompt mode."""

import subprocess
import sys

import stage

LINES = "show version\nshow version\n"

with stage.Stage(*sys.argv[1:]) as it:
    socat = stage.need("socat")

    def said(text):
        argv = [socat, "-", f"UNIX-CONNECT:{it.socket}"]
        return subprocess.run(argv, input=text.encode(), capture_output=True, timeout=60).stdout.decode()

    # `printf 'show info;show stat\r\n' | socat - proxyd.sock | grep -c ^$`
    both = said("show info;show stat\r\n")
    # HAProxy 2.6 does not give a CR a line of its own; 3.x does, and so does proxyd.
    expected = 3 if it.kind == "proxyd" else 2
    empty = sum(1 for line in both.split("\n")[:-1] if not line)
    stage.check(empty == expected, f"{empty} empty lines, as grep counts them, in an answer that ends {both[-80:]!r}")
    stage.check("Name: HAProxy\n" in both and "# pxname,svname," in both, "both answers are there")

    # Nor does 2.6 stop after the first line.
    answers = 1 if it.kind == "proxyd" else 2
    stage.check(said(LINES).count("\n\n") == answers, f"the first line only: {said(LINES)!r}")
    stage.check(said("prompt\nshow version\nquit\n").startswith("\n> "), "prompt mode")
    stage.check(said("set server app/app1 state drain\n") == "\n", "success is an empty line")
    stage.check(it.status("app1").startswith("DRAIN"), "and it was done")
    stage.check(said("set server app/app1 state ready\n") == "\n", "and back")
    stage.check(said("set server app/nobody state drain\n") == "No such server.\n\n", "an error is a line")
    stage.check(said("nonsense\n").startswith("Unknown command"), "an unknown command is said to be one")
    stage.check(said("show version") == "", "half a line is no command")
