#!/usr/bin/env python3
"""hatop shows every server, and its F10 and F9 keys take one out of service and back."""

import re
import sys

import stage


def lines(screen):
    """Each line of a screen with escape sequences: its text, and whether it is reversed where it begins.

    What holds for a line with text holds on; an empty line says itself what it is.
    """
    found, reverse = [], False
    for line in screen.split("\n"):
        text, first = "", None if line else False
        for part in re.split(r"(\x1b\[[\d;]*m)", line):
            if part.startswith("\x1b"):
                for code in part[2:-1].split(";"):
                    reverse = {"": False, "0": False, "27": False, "7": True}.get(code, reverse)
            elif part:
                first = reverse if first is None else first
                text += part
        found.append((text, reverse if first is None else first))
    return found


with stage.Stage(*sys.argv[1:]) as it:
    hatop = stage.need("hatop")
    it.terminal("hatop", f"{hatop} -s {it.socket}", height=40)
    it.shows("hatop", "HAProxy Version:", ">>> app", *stage.SERVERS, "BACKEND")

    # The cursor is a colour only: the first reversed line below the names of the columns.
    def cursor():
        """Its line and that of app1, or nothing while the screen is drawn."""
        shown = lines(it.tmux("capture-pane", "-e", "-p", "-t", "hatop"))
        names = [at for at, (text, _) in enumerate(shown) if text.startswith("NAME ")]
        app1 = [at for at, (text, _) in enumerate(shown) if text.startswith("app1 ")]
        found = [at for at, (_, reverse) in enumerate(shown) if reverse and names and at > names[0]]
        return (found[0], app1[0]) if found and app1 else None

    while (at := stage.eventually("a cursor", cursor))[0] != at[1]:
        it.keys("hatop", "Down" if at[0] < at[1] else "Up")
        stage.eventually("the cursor moves", lambda: (cursor() or at)[0] != at[0])
    it.keys("hatop", "F10")
    stage.eventually("F10 disables a server", lambda: it.status("app1") == "MAINT")
    it.shows("hatop", "MAINT")
    stage.check(it.status("app2").startswith("UP"), "only the chosen server is disabled")
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
