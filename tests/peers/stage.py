"""What the scripts beside this one play on: three origins, and proxyd or HAProxy in front of them.

Everything is in a temporary folder, on free ports, and is ended by its own process id. A tool that is missing ends
the script with an error: nothing is skipped.
"""

import contextlib
import csv
import http.server
import io
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from free_ports import free_ports  # noqa: E402

PROXYD = os.environ.get("PROXYD_BIN", str(ROOT / "target/release/proxyd"))
LBTOP = os.environ.get("LBTOP_BIN", str(ROOT / "target/release/lbtop"))
HAPROXY = os.environ.get("HAPROXY", "haproxy")
# All of it is on this machine, whatever proxy the environment names for the rest of the world.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
SERVERS = ("app1", "app2", "spare")


def need(tool):
    """The path of a tool, or the end."""
    found = shutil.which(tool)
    if not found:
        sys.exit(f"{tool} is missing")
    return found


def check(fact, message):
    """A fact that must hold."""
    if not fact:
        sys.exit(f"FAILED: {message}")


def eventually(what, poll, limit=60.0):
    """Polls until there is an answer; nothing takes that long unless it fails."""
    end = time.monotonic() + limit
    while True:
        found = poll()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"FAILED: not within {limit} s: {what}")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", port)) == 0


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/download"):
            size = 10 * 2048
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            for _ in range(10):
                time.sleep(0.2)
                self.wfile.write(b"x" * 2048)
            return
        body = f"{self.server.name}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Origin", self.server.name)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Origin(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Answer)
        self.name = name
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class Server:
    """A server that does the same with each connection, on a thread of its own."""

    def __init__(self, act):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.server_port = self.listener.getsockname()[1]
        self.act = act
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        # A proxy that is done with it may reset it.
        with contextlib.suppress(OSError), one:
            self.act(one)

    def shutdown(self):
        self.listener.close()


class Process:
    """An origin that is a process of its own, so that it can be killed as one."""

    def __init__(self, name):
        self.name = name
        # Bound and never listening: while the process is dead the port stays ours, and connecting is refused.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.server_port = self.held.getsockname()[1]
        self.start()

    def start(self):
        argv = [need(PROXYD), "demo-origin", "--name", self.name, "--port", str(self.server_port)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        said = self.process.stdout.readline().decode().strip()
        check(said == f"127.0.0.1:{self.server_port}", f"the origin says {said!r}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    shutdown = kill


class Stage:
    """The running proxy; use it in a `with`."""

    def __init__(self, kind="proxyd", origins=None):
        self.kind = kind
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="px"))
        self.socket = self.folder / "proxyd.sock"
        self.origins = [Origin(name) for name in SERVERS] if origins is None else origins
        self.process = None
        self.web = self.metrics = None
        self.sessions = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, error, *_):
        for name in self.sessions:
            self.tmux("kill-session", "-t", name)
        if self.sessions:
            self.tmux("kill-server")
        self.stop()
        for origin in self.origins:
            origin.shutdown()
        if error:
            print(f"--- log of {self.kind}\n{(self.folder / 'log').read_text()}---", file=sys.stderr)
        shutil.rmtree(self.folder)

    def start(self):
        """Starts the proxy, on the same ports if it ran before."""
        if self.web is None:
            self.web, self.metrics = free_ports(2)
        argv = getattr(self, f"{self.kind}_argv")()
        notify = self.folder / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self.folder / "log", "ab") as log:
            ready.bind(str(notify))
            ready.settimeout(0.1)
            env = {**os.environ, "NOTIFY_SOCKET": str(notify)}
            self.process = subprocess.Popen(
                argv, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            if self.kind == "proxyd":
                def said():
                    check(self.process.poll() is None, (self.folder / "log").read_text())
                    try:
                        return b"READY=1" in ready.recv(4096)
                    except TimeoutError:
                        return False
                eventually("READY=1", said)
        eventually("the socket answers", lambda: self.socket.exists() and "Name: HAProxy" in self.admin("show info"))

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def proxyd_argv(self):
        weights = {"app2": ", weight: 50", "spare": ", backup: true"}
        servers = ", ".join(
            f'(name: "{it.name}", address: "127.0.0.1:{it.server_port}"{weights.get(it.name, "")})' for it in self.origins
        )
        (self.folder / "proxyd.ron").write_text(f"""(
    global: (
        workers: 2,
        sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)],
        metrics: (bind: "127.0.0.1:{self.metrics}"),
    ),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [(name: "web", bind: ["127.0.0.1:{self.web}"], default_backend: "app")],
    backends: [
        (
            name: "app",
            balance: round_robin,
            // The interval is what an answer may take a busy machine as well; what changed is looked at soon.
            check: http(path: "/healthz", interval: "2s", fast_interval: "500ms", down_interval: "500ms", rise: 2, fall: 3),
            servers: [{servers}],
        ),
    ],
)
""")
        return [need(PROXYD), "run", "-f", "proxyd.ron"]

    def haproxy_argv(self):
        weights = {"app1": " weight 100", "app2": " weight 50", "spare": " weight 100 backup"}
        servers = "\n".join(
            f"    server {it.name} 127.0.0.1:{it.server_port} check inter 2s fastinter 500ms downinter 500ms rise 2 fall 3{weights[it.name]}"
            for it in self.origins
        )
        (self.folder / "haproxy.cfg").write_text(f"""
global
    stats socket {self.socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:{self.web}
    default_backend app
frontend metrics
    bind 127.0.0.1:{self.metrics}
    http-request use-service prometheus-exporter if {{ path /metrics }}
backend app
    balance roundrobin
    option httpchk GET /healthz
{servers}
""")
        return [need(HAPROXY), "-db", "-f", "haproxy.cfg"]

    def admin(self, command):
        """One command over a connection of its own; the answer without the empty line that ends it."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(30)
            try:
                one.connect(str(self.socket))
            except OSError:
                return ""
            one.sendall(command.encode() + b"\n")
            answer = b""
            while chunk := one.recv(65536):
                answer += chunk
        return answer.decode().removesuffix("\n")

    def rows(self):
        """`show stat` as rows by (proxy, name)."""
        lines = self.admin("show stat").removeprefix("# ")
        return {(row["pxname"], row["svname"]): row for row in csv.DictReader(io.StringIO(lines))}

    def status(self, server):
        return self.rows()[("app", server)]["status"]

    # tmux: a server of its own, so that nobody's sessions are touched.

    def tmux(self, *words):
        argv = [need("tmux"), "-S", str(self.folder / "tmux.sock"), "-f", "/dev/null", *words]
        return subprocess.run(argv, capture_output=True, text=True).stdout

    def terminal(self, name, command, width=80, height=24):
        """Runs a program in a terminal."""
        self.sessions.append(name)
        shell = f"env TERM=tmux-256color {command}; echo ended with $?; sleep 600"
        self.tmux("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height), shell)
        self.tmux("set-option", "-t", name, "status", "off")
        self.tmux("resize-window", "-t", name, "-x", str(width), "-y", str(height))

    def keys(self, name, *keys):
        self.tmux("send-keys", "-t", name, *keys)

    def screen(self, name):
        return self.tmux("capture-pane", "-p", "-t", name)

    def shows(self, name, *words, limit=60.0):
        """Waits until all the words are on the screen."""
        screen = [""]

        def there():
            screen[0] = self.screen(name)
            return all(word in screen[0] for word in words)

        end = time.monotonic() + limit
        while not there():
            if time.monotonic() > end:
                sys.exit(f"FAILED: {words} not on the screen:\n{screen[0]}")
            time.sleep(0.1)
        return screen[0]


class Own(Stage):
    """A proxy with a configuration of the script's own, made by a function of the stage."""

    def __init__(self, kind, config, origins=()):
        super().__init__(kind, list(origins))
        self.config = config

    def proxyd_argv(self):
        (self.folder / "proxyd.ron").write_text(self.config(self))
        return [need(PROXYD), "run", "-f", "proxyd.ron"]

    def haproxy_argv(self):
        (self.folder / "haproxy.cfg").write_text(self.config(self))
        return [need(HAPROXY), "-db", "-f", "haproxy.cfg"]
