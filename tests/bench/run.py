#!/usr/bin/env python3
"""proxyd beside nginx and HAProxy on the same two origins.

Each case runs in alternating rounds (one after the other, the order turning each round), so that whatever else the
machine does falls on all of them alike. What counts is the processor time of the proxy for one request, since the
load generator and the origins share the machine. Needs wrk, nginx and haproxy; no root, no fixed port.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = HERE / "out"
TICK = os.sysconf("SC_CLK_TCK")
WORKERS = 2

CASES = {
    "66": ("HTTP/1.1 keep-alive, 66 bytes", "http", "/66", False),
    "16k": ("HTTP/1.1 keep-alive, 16 KiB", "http", "/16k", False),
    "1m": ("HTTP/1.1 keep-alive, 1 MiB", "http", "/1m", False),
    "close": ("a connection per request, 66 bytes", "http", "/66", True),
    "tcp": ("TCP mode, 66 bytes", "tcp", "/66", False),
}
SIZES = {"66": 66, "16k": 16 << 10, "1m": 1 << 20}


def free_ports(count):
    """Ports nobody listens on now; held together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Proxy:
    """One program with its listeners for HTTP and TCP; ended by its own process id."""

    def __init__(self, name, argv, version, http, tcp, cwd, log):
        self.name, self.version, self.http, self.tcp = name, version, http, tcp
        self.log = open(log, "wb")
        self.process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        for port in filter(None, (http, tcp)):
            self.wait(port)

    def wait(self, port):
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}:\n{pathlib.Path(self.log.name).read_text()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/66", timeout=2) as answer:
                    if len(answer.read()) == SIZES["66"]:
                        return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{self.name} does not answer on port {port}:\n{pathlib.Path(self.log.name).read_text()}")

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

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def nginx_conf(folder, body, workers):
    return f"""
worker_processes {workers};
daemon off;
master_process on;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
{body}
"""


def temp_paths(folder):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)


def start_origin(folder, port, number):
    here = folder / f"origin{number}"
    here.mkdir()
    for name, size in SIZES.items():
        (here / name).write_bytes(b"x" * size)
    conf = nginx_conf(here, f"""
http {{
    access_log off; default_type text/plain; server_tokens off; sendfile on; tcp_nopush on;
    keepalive_requests 1000000000; keepalive_timeout 600s; open_file_cache max=10;
    {temp_paths(here)}
    server {{ listen 127.0.0.1:{port} backlog=4096; root {here}; }}
}}""", 1)
    (here / "nginx.conf").write_text(conf)
    os.chmod(folder, 0o755)
    argv = ["nginx", "-p", str(here), "-e", "stderr", "-c", str(here / "nginx.conf")]
    return Proxy(f"origin {number}", argv, None, port, None, here, here / "log")


def start_nginx(folder, origins):
    here = folder / "nginx"
    here.mkdir()
    servers = "".join(f"server 127.0.0.1:{port};" for port in origins)
    http, tcp = free_ports(2)
    stream = ""
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if module.exists():
        stream = f"stream {{ upstream app {{ {servers} }} server {{ listen 127.0.0.1:{tcp} backlog=4096 reuseport; proxy_pass app; }} }}"
    conf = nginx_conf(here, f"""
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    {temp_paths(here)}
    proxy_max_temp_file_size 0;
    upstream app {{ {servers} keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{http} backlog=4096 reuseport;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
{stream}""", WORKERS)
    if stream:
        conf = f"load_module {module};\n" + conf
    (here / "nginx.conf").write_text(conf)
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().rpartition("/")[2]
    argv = ["nginx", "-p", str(here), "-e", "stderr", "-c", str(here / "nginx.conf")]
    return Proxy("nginx", argv, version, http, tcp if stream else None, here, here / "log")


def start_haproxy(folder, origins):
    here = folder / "haproxy"
    here.mkdir()
    binary = os.environ.get("HAPROXY", "haproxy")
    http, tcp = free_ports(2)
    servers = "\n".join(f"    server app{n} 127.0.0.1:{port}" for n, port in enumerate(origins, 1))
    (here / "haproxy.cfg").write_text(f"""
global
    nbthread {WORKERS}
    maxconn 4096
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    mode http
    bind 127.0.0.1:{http}
    default_backend app
backend app
    mode http
    balance roundrobin
{servers}
frontend web_tcp
    mode tcp
    bind 127.0.0.1:{tcp}
    default_backend app_tcp
backend app_tcp
    mode tcp
    balance roundrobin
{servers}
""")
    first = subprocess.run([binary, "-v"], capture_output=True, text=True).stdout.split("\n")[0]
    version = first.split()[2]
    return Proxy("HAProxy", [binary, "-db", "-f", str(here / "haproxy.cfg")], version, http, tcp, here, here / "log")


def start_proxyd(folder, origins, binary):
    here = folder / "proxyd"
    here.mkdir()
    http, tcp = free_ports(2)
    servers = ", ".join(f'(name: "app{n}", address: "127.0.0.1:{port}")' for n, port in enumerate(origins, 1))
    (here / "proxyd.ron").write_text(f"""(
    global: (workers: {WORKERS}, maxconn: 4096, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [
        (name: "web", bind: ["127.0.0.1:{http}"], default_backend: "app"),
        (name: "web_tcp", mode: tcp, bind: ["127.0.0.1:{tcp}"], default_backend: "app_tcp"),
    ],
    backends: [
        (name: "app", servers: [{servers}]),
        (name: "app_tcp", mode: tcp, servers: [{servers}]),
    ],
)
""")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.split()
    version = said[1] if len(said) > 1 else "unknown"
    return Proxy("proxyd", [binary, "run", "-f", "proxyd.ron"], version, http, tcp, here, here / "log")


def wrk(url, seconds, connections, close):
    """Requests, requests a second, and what went wrong."""
    argv = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s"]
    if close:
        argv += ["-H", "Connection: close"]
    text = subprocess.run([*argv, url], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text).group(1))
    errors = {}
    if found := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        errors = dict(zip(("connect", "read", "write", "timeout"), map(int, found.groups())))
    if found := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        errors["status"] = int(found.group(1))
    return requests, rate, {kind: count for kind, count in errors.items() if count}


def measure(proxy, case, seconds, connections):
    _, mode, path, close = CASES[case]
    port = proxy.http if mode == "http" else proxy.tcp
    before = proxy.cpu()
    requests, rate, errors = wrk(f"http://127.0.0.1:{port}{path}", seconds, connections, close)
    used = proxy.cpu() - before
    return {"us": used / max(requests, 1) * 1e6, "rate": rate, "requests": requests, "errors": errors}


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def table(proxies, results, args):
    """Markdown: processor time of each, and proxyd's share of each peer's."""
    ours = next((it for it in proxies if it.name == "proxyd"), None)
    peers = [it for it in proxies if it is not ours]
    head = ["case"] + [f"{it.name} {it.version}" for it in proxies]
    head += [f"proxyd / {it.name}" for it in peers] if ours else []
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|"]
    for case in args.cases:
        cells = [CASES[case][0]]
        medians = {}
        for proxy in proxies:
            rounds = results[case].get(proxy.name)
            if not rounds:
                cells.append("-")
                continue
            medians[proxy.name] = statistics.median(it["us"] for it in rounds)
            rate = statistics.median(it["rate"] for it in rounds)
            cells.append(f"{medians[proxy.name]:.1f} µs ({rate:,.0f}/s)")
        if ours:
            for peer in peers:
                known = peer.name in medians and ours.name in medians
                # The ratio of each round, then the median: a slow moment of the machine falls on both.
                ratios = known and [
                    a["us"] / b["us"] for a, b in zip(results[case][ours.name], results[case][peer.name]) if b["us"]
                ]
                cells.append(f"{statistics.median(ratios):.2f}" if ratios else "-")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"Processor time of the proxy per request (and requests per second), median of {args.rounds} alternating "
              f"rounds of {args.seconds} s, `wrk -t2 -c{args.connections}`, {WORKERS} workers each, two nginx origins "
              f"on the same machine: {machine()}."]
    return "\n".join(lines)


def update_readme(text):
    readme = ROOT / "README.md"
    old = readme.read_text()
    new, count = re.subn(r"(<!-- bench -->\n).*?(\n<!-- /bench -->)", lambda it: it[1] + text + it[2], old, flags=re.S)
    if count != 1:
        sys.exit("README.md has no <!-- bench --> ... <!-- /bench -->")
    readme.write_text(new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--proxyd", default=str(ROOT / "target/release/proxyd"), help="the binary, a release build")
    parser.add_argument("--without-proxyd", action="store_true")
    parser.add_argument("--update-readme", action="store_true", help="replace the table between the bench markers")
    args = parser.parse_args()
    for tool in ("wrk", "nginx", os.environ.get("HAPROXY", "haproxy")):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing")

    started = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = pathlib.Path(name)
        try:
            origins = free_ports(2)
            for number, port in enumerate(origins, 1):
                started.append(start_origin(folder, port, number))
            proxies = []
            if not args.without_proxyd:
                proxies.append(start_proxyd(folder, origins, args.proxyd))
                started.append(proxies[-1])
            for start in (start_nginx, start_haproxy):
                proxies.append(start(folder, origins))
                started.append(proxies[-1])
            print(", ".join(f"{it.name} {it.version}" for it in proxies), f"on {machine()}", flush=True)

            results = {}
            for case in args.cases:
                results[case] = {}
                able = [it for it in proxies if CASES[case][1] == "http" or it.tcp]
                for proxy in able:  # connections to the origins, caches, page faults
                    measure(proxy, case, 1, args.connections)
                for turn in range(args.rounds):
                    for proxy in able[turn % len(able):] + able[: turn % len(able)]:
                        one = measure(proxy, case, args.seconds, args.connections)
                        results[case].setdefault(proxy.name, []).append(one)
                        if one["errors"] or not one["requests"]:
                            failed = True
                            print(f"!!! {proxy.name}, {case}: {one['errors'] or 'no answer at all'}", flush=True)
                summary = (f"{it.name} {statistics.median(one['us'] for one in results[case][it.name]):.1f} us" for it in able)
                print(f"{case}: " + ", ".join(summary), flush=True)
        finally:
            for one in reversed(started):
                one.end()

    text = table(proxies, results, args)
    print("\n" + text)
    OUT.mkdir(exist_ok=True)
    versions = {it.name: it.version for it in proxies}
    record = {"machine": machine(), "versions": versions, "seconds": args.seconds, "results": results}
    (OUT / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    (OUT / "table.md").write_text(text + "\n")
    if failed:
        sys.exit("there were errors: the numbers above do not count")
    if args.update_readme:
        update_readme(text)


if __name__ == "__main__":
    main()
