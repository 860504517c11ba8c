#!/usr/bin/env python3
"""Makes examples/lbtop.svg: lbtop's real screen, at the demo, in tmux, as a picture.

    cargo build --release && python3 tests/peers/picture.py
"""

import html
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from stage import LBTOP, PROXYD, ROOT, eventually, need

COLUMNS, ROWS = 100, 16
CELL, LINE, MARGIN = 8.4, 18, 14
# The sixteen colours of a common dark terminal.
PALETTE = [
    "#1e1e2e", "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#f5c2e7", "#94e2d5", "#cdd6f4",
    "#6c7086", "#f38ba8", "#a6e3a1", "#f9e2af", "#89b4fa", "#f5c2e7", "#94e2d5", "#ffffff",
]  # fmt: skip
PAPER, INK = PALETTE[0], PALETTE[7]


class Pen:
    """What the escape sequences so far ask for."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.ink, self.paper, self.bold, self.dim, self.reverse = INK, PAPER, False, False, False

    def obey(self, codes):
        codes = [int(c or 0) for c in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif code == 7:
                self.reverse = True
            elif code == 27:
                self.reverse = False
            elif 30 <= code <= 37:
                self.ink = PALETTE[code - 30]
            elif 90 <= code <= 97:
                self.ink = PALETTE[code - 82]
            elif 40 <= code <= 47:
                self.paper = PALETTE[code - 40]
            elif code == 39:
                self.ink = INK
            elif code == 49:
                self.paper = PAPER
            elif code in (38, 48) and codes[:1] == [5]:
                colour = PALETTE[codes[1] % 16]
                del codes[:2]
                if code == 38:
                    self.ink = colour
                else:
                    self.paper = colour

    def colours(self):
        return (self.paper, self.ink) if self.reverse else (self.ink, self.paper)


def svg(screen):
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
    ]
    for row, line in enumerate(screen.split("\n")[:ROWS]):
        pen, column, top = Pen(), 0, MARGIN + row * LINE
        for part in re.split(r"(\x1b\[[0-9;]*m)", line):
            if part.startswith("\x1b"):
                pen.obey(part[2:-1])
                continue
            if not part:
                continue
            ink, paper = pen.colours()
            left, length = MARGIN + column * CELL, len(part) * CELL
            column += len(part)
            if paper != PAPER:
                out.append(f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" height="{LINE}" fill="{paper}"/>')
            if part.strip():
                style = ' font-weight="bold"' * pen.bold + ' opacity="0.6"' * pen.dim
                out.append(
                    f'<text x="{left:.1f}" y="{top + 14}" fill="{ink}" textLength="{length:.1f}" xml:space="preserve"'
                    f"{style}>{html.escape(part)}</text>"
                )
    out.append("</svg>\n")
    return "\n".join(out)


def main():
    tmux = [need("tmux"), "-L", "picture", "-f", "/dev/null"]
    folder = tempfile.mkdtemp()
    ports = ["--web-port", "0", "--shop-port", "0", "--metrics-port", "0"]
    demo = subprocess.Popen(
        [PROXYD, "demo", *ports], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    web = next(re.search(r"web\s+http://\S+?:(\d+)/", line)[1] for line in demo.stdout if " web " in line)
    # Something to see: a visitor, a drained server, the flapping one down.
    visitor = subprocess.Popen(
        ["sh", "-c", f"while :; do curl -s http://127.0.0.1:{web}/ > /dev/null; sleep 0.02; done"]
    )
    try:
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        console = f"cd {folder} && TERM=screen-256color {LBTOP} -s ./proxyd.sock"
        subprocess.run([*tmux, "new-session", "-d", *size, console], check=True, env={"LANG": "C.UTF-8", "PATH": "/bin:/usr/bin"})
        shown = lambda: subprocess.run(
            [*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True
        ).stdout
        keys = lambda *keys: subprocess.run([*tmux, "send-keys", *keys], check=True)
        eventually("the console is live", lambda: "LIVE" in shown())
        time.sleep(30)
        keys("j")
        eventually("the flapping server is down", lambda: "DOWN" in shown(), 40)
        keys("/", "app2", "Enter")
        keys("d")
        eventually("the question", lambda: "Drain app/app2" in shown())
        time.sleep(0.3)
        keys("y")
        eventually("the drain", lambda: "DRAIN" in shown())
        keys("Escape")
        keys("Escape")
        keys("g")
        time.sleep(3)
        picture = ROOT / "examples" / "lbtop.svg"
        picture.write_text(svg(shown()))
        print(f"wrote {picture}")
    finally:
        visitor.terminate()
        subprocess.run([*tmux, "kill-session"], check=False)
        demo.send_signal(signal.SIGINT)
        demo.wait(timeout=20)


if __name__ == "__main__":
    main()
