"""What is measured: the origins, and each proxy in front of them with the same configuration in its own words."""

import dataclasses
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from free_ports import free_ports  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
LOAD = ROOT / "target/release/bench-load"
HAPROXY = os.environ.get("HAPROXY", "haproxy")
# All of it is on this machine, whatever proxy the environment names for the rest of the world.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
STREAM_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
SIZES = {"66": 66, "16k": 16 << 10, "1m": 1 << 20}


@dataclasses.dataclass
class Options:
    workers: int = 2
    # Clients at once.
    maxconn: int = 4096
    # Servers of the backend; they lead to the two origins in turn.
    servers: int = 2
    # Access log to a file with timers, and health checks.
    everything: bool = False
    # Processor the proxy is bound to, and those of all others.
    pin: tuple = None


class Failure(Exception):
    """A program that does not come up."""


def raise_descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def bound(argv, cpu):
    return argv if cpu is None else ["taskset", "-c", str(cpu), *argv]


def answers_plainly(_, port):
    """Whether there are 66 bytes behind this port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/66", timeout=2) as answer:
            return len(answer.read()) == SIZES["66"]
    except OSError:
        return False


class Program:
    """One program with its ports by kind; ended by its own process id."""

    def __init__(self, name, argv, folder, ports, cpu=None, version=None, out=None, answers=None):
        self.name, self.version, self.ports, self.folder = name, version, ports, folder
        self.answers = answers or answers_plainly
        self.log = open(folder / "log", "wb")
        out = open(out, "wb") if out else self.log
        argv = bound(argv, cpu)
        self.process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=self.log)
        try:
            for kind in ports:
                self.wait(kind)
        except Failure:
            self.end()
            raise

    def wait(self, kind):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}:\n{self.said()}")
            if self.answers(kind, self.ports[kind]):
                return
            time.sleep(0.05)
        raise Failure(f"{self.name} does not answer {kind} on port {self.ports[kind]}:\n{self.said()}")

    def said(self):
        """The end of its log."""
        return pathlib.Path(self.log.name).read_text()[-2000:]

    def pids(self):
        """Itself and its descendants."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return found

    def cpu(self):
        """Seconds of user and system time so far."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def memory(self):
        """Resident bytes; what several of its processes share is counted once."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Stand:
    """Origins, and the proxies in front of them. Ends them all."""

    KINDS = ("http", "tcp", "ws")

    def __init__(self, folder, binary, options, names=("proxyd", "nginx", "HAProxy")):
        folder.mkdir(parents=True)
        os.chmod(folder, 0o755)
        self.folder, self.binary, self.options = folder, binary, options
        self.programs, self.proxies = [], []
        try:
            files = [self.started(start_origin(folder, number, options)).ports["http"] for number in (1, 2)]
            self.targets = [files[number % 2] for number in range(options.servers)]
            self.start_more()
            for name in names:
                here = folder / name
                here.mkdir()
                ports = dict(zip(self.KINDS, free_ports(len(self.KINDS))))
                self.proxies.append(self.started(self.start_proxy(name, here, ports)))
        except BaseException:
            self.end()
            raise

    def start_more(self):
        """An origin that echoes WebSocket frames."""
        self.echo = self.started(start_echo(self.folder, self.options)).ports["ws"]

    def start_proxy(self, name, here, ports):
        if name == "proxyd":
            return start_proxyd(here, ports, self.targets, self.echo, self.binary, self.options)
        start = start_nginx if name == "nginx" else start_haproxy
        return start(here, ports, self.targets, self.echo, self.options)

    def started(self, program):
        self.programs.append(program)
        return program

    def end(self):
        for program in reversed(self.programs):
            program.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def others(options):
    return options.pin[1] if options.pin else None


def proxy_cpu(options):
    return options.pin[0] if options.pin else None


def nginx_conf(folder, body, workers, connections):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return f"""
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
{body.replace("TEMPORARY", temporary)}
"""


def nginx_argv(folder):
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def start_origin(folder, number, options):
    here = folder / f"origin{number}"
    here.mkdir()
    for name, size in SIZES.items():
        (here / name).write_bytes(b"x" * size)
    port, = free_ports(1)
    (here / "nginx.conf").write_text(nginx_conf(here, f"""
http {{
    access_log off; default_type text/plain; server_tokens off; sendfile on; tcp_nopush on;
    keepalive_requests 1000000000; keepalive_timeout 600s; open_file_cache max=10;
    TEMPORARY
    server {{ listen 127.0.0.1:{port} backlog=4096; root {here}; }}
}}""", 1, 16384))
    return Program(f"origin {number}", nginx_argv(here), here, {"http": port}, others(options))


def start_echo(folder, options):
    here = folder / "echo"
    here.mkdir()
    if not LOAD.exists():
        raise Failure(f"{LOAD} is missing: cargo build --release -p proxyd-tests --bins")
    program = Program("echo origin", [str(LOAD), "origin"], here, {}, others(options), out=here / "port")
    end = time.monotonic() + 60
    while not (said := (here / "port").read_text()).endswith("\n"):
        if program.process.poll() is not None or time.monotonic() > end:
            program.end()
            raise Failure(f"the echo origin does not say its port:\n{program.said()}")
        time.sleep(0.01)
    program.ports["ws"] = int(said)
    return program


def start_nginx(here, ports, targets, echo, options):
    servers = "".join(f"server 127.0.0.1:{port};\n" for port in targets)
    stream = ""
    if STREAM_MODULE.exists():
        stream = (f"stream {{ upstream app {{ {servers} }} "
                  f"server {{ listen 127.0.0.1:{ports['tcp']} backlog=4096 reuseport; proxy_pass app; }} }}")
    else:
        del ports["tcp"]
    log = "access_log off;"
    if options.everything:
        # Its checks are the traffic itself; it has no others in this edition.
        log = f"""log_format timed '$remote_addr [$time_local] "$request" $status $body_bytes_sent $upstream_addr '
            '$request_time $upstream_connect_time $upstream_header_time $upstream_response_time';
        access_log {here}/access.log timed;"""
    text = nginx_conf(here, f"""
http {{
    {log} keepalive_requests 1000000000; keepalive_timeout 600s;
    TEMPORARY
    proxy_max_temp_file_size 0;
    upstream app {{ {servers} keepalive 64; keepalive_requests 1000000000; }}
    upstream echo {{ server 127.0.0.1:{echo}; }}
    server {{
        listen 127.0.0.1:{ports['http']} backlog=4096 reuseport;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
    server {{
        listen 127.0.0.1:{ports['ws']} backlog=4096 reuseport;
        location / {{
            proxy_pass http://echo; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
        }}
    }}
}}
{stream}""", options.workers, options.maxconn * 2 + 512)
    if stream:
        text = f"load_module {STREAM_MODULE};\n" + text
    (here / "nginx.conf").write_text(text)
    return Program("nginx", nginx_argv(here), here, ports, proxy_cpu(options), version_of("nginx"))


def version_of(name, binary=None):
    if name == "nginx":
        return subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]
    if name == "HAProxy":
        return subprocess.run([HAPROXY, "-v"], capture_output=True, text=True).stdout.split()[2]
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.split()
    return said[1] if len(said) > 1 else "unknown"


def start_haproxy(here, ports, targets, echo, options):
    check = " check inter 1s" if options.everything else ""
    servers = "\n".join(f"    server app{n} 127.0.0.1:{port}{check}" for n, port in enumerate(targets, 1))
    # It has no files: its log goes to standard output, and that to one.
    log = "    log stdout format raw local0\n" if options.everything else ""
    logs = "    log global\n    option httplog\n" if options.everything else ""
    checks = "    option httpchk GET /66\n" if options.everything else ""
    (here / "haproxy.cfg").write_text(f"""
global
    nbthread {options.workers}
    maxconn {options.maxconn}
    tune.pool-low-fd-ratio 80
    tune.pool-high-fd-ratio 90
{log}defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend web
    mode http
{logs}    bind 127.0.0.1:{ports['http']}
    default_backend app
backend app
    mode http
    balance roundrobin
{checks}{servers}
frontend web_tcp
    mode tcp
    bind 127.0.0.1:{ports['tcp']}
    default_backend app_tcp
backend app_tcp
    mode tcp
    balance roundrobin
{servers}
frontend web_ws
    mode http
    bind 127.0.0.1:{ports['ws']}
    default_backend echo
backend echo
    mode http
    server echo 127.0.0.1:{echo}
""")
    argv = [HAPROXY, "-db", "-f", str(here / "haproxy.cfg")]
    out = here / "access.log" if options.everything else None
    return Program("HAProxy", argv, here, ports, proxy_cpu(options), version_of("HAProxy"), out)


def start_proxyd(here, ports, targets, echo, binary, options):
    servers = ",\n".join(f'(name: "app{n}", address: "127.0.0.1:{port}")' for n, port in enumerate(targets, 1))
    check = 'check: http(path: "/66", interval: "1s"),' if options.everything else ""
    log = 'log: [file("./access.log")],' if options.everything else ""
    (here / "proxyd.ron").write_text(f"""(
    global: (
        workers: {options.workers}, maxconn: {options.maxconn}, {log}
        sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)],
    ),
    defaults: (timeouts: (connect: "5s", client: "60s", server: "60s")),
    frontends: [
        (name: "web", bind: ["127.0.0.1:{ports['http']}"], default_backend: "app"),
        (name: "web_tcp", mode: tcp, bind: ["127.0.0.1:{ports['tcp']}"], default_backend: "app_tcp"),
        (name: "web_ws", bind: ["127.0.0.1:{ports['ws']}"], default_backend: "echo"),
    ],
    backends: [
        (name: "app", {check} servers: [{servers}]),
        (name: "app_tcp", mode: tcp, servers: [{servers}]),
        (name: "echo", servers: [(name: "echo", address: "127.0.0.1:{echo}")]),
    ],
)
""")
    argv = [binary, "run", "-f", "proxyd.ron"]
    return Program("proxyd", argv, here, ports, proxy_cpu(options), version_of("proxyd", binary))


def missing_tools():
    return [tool for tool in ("wrk", "h2load", "nghttp", "nginx", HAPROXY, "taskset", "openssl", "curl") if not shutil.which(tool)]
