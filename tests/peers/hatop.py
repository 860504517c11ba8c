#!/usr/bin/env python3
"""hatop shows every server, and its F10 and F9 keys take one out of service and back."""

import sys
import time

import stage

with stage.Stage(*sys.argv[1:]) as it:
    hatop = stage.need("hatop")
    it.terminal("hatop", f"{hatop} -s {it.socket}", height=40)
    it.shows("hatop", "HAProxy Version:", ">>> app", *stage.SERVERS, "BACKEND")

    # The cursor is a colour only: go down until the key for `disable` meets a server.
    def disabled():
        it.keys("hatop", "Down", "F10")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            if it.status("app1") == "MAINT":
                return True
            time.sleep(0.05)
        return False

    stage.eventually("F10 disables a server", disabled, limit=40)
    it.shows("hatop", "MAINT")
    stage.check(it.status("app2") == "UP", "only the chosen server is disabled")
    it.keys("hatop", "F9")
    stage.eventually("F9 enables it again", lambda: it.status("app1").startswith("UP"))
    it.keys("hatop", "F7")
    stage.eventually("F7 adds one to its weight", lambda: it.rows()[("app", "app1")]["weight"] == "101")
    it.keys("hatop", "F4")
    stage.eventually("F4 takes its weight back", lambda: it.rows()[("app", "app1")]["weight"] == "100")
    # Its other screens read other columns.
    for screen in "234":
        it.keys("hatop", screen)
        it.shows("hatop", *stage.SERVERS)
    it.keys("hatop", "q")
    it.shows("hatop", "ended with 0")
