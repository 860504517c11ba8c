#!/usr/bin/env python3
"""wrk over 64 connections sees no error while one of three servers is killed, and it returns by itself."""

import re
import signal
import subprocess
import sys

import stage

# It is ended before that.
SECONDS = 240

with stage.Stage(*sys.argv[1:], origins=[stage.Process(name) for name in ("one", "two", "three")]) as it:
    wrk = stage.need("wrk")
    # To wrk a slow answer is an error, and a machine may stand still.
    argv = [wrk, "-t2", "-c64", f"-d{SECONDS}s", "--timeout", "30s", f"http://127.0.0.1:{it.web}/"]
    load = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def served(name):
        return int(it.rows()[("app", name)]["hrsp_2xx"])

    stage.eventually("two is in use", lambda: served("two") > 100)
    it.origins[1].kill()
    stage.eventually("two is down", lambda: it.status("two").startswith("DOWN"))
    before = served("two")
    it.origins[1].start()
    stage.eventually("two is up again", lambda: it.status("two").startswith("UP"))
    stage.eventually("two is used again", lambda: served("two") > before + 100)
    stage.check(load.poll() is None, "all of that happened under load")

    load.send_signal(signal.SIGINT)
    text, _ = load.communicate(timeout=60)
    done = int(re.search(r"(\d+) requests in", text).group(1))
    stage.check(load.returncode == 0 and done > 1000, text)
    stage.check("Socket errors" not in text and "Non-2xx" not in text, f"a client sees an error:\n{text}")
    print(f"{done} requests, no error")
