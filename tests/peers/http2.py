#!/usr/bin/env python3
"""HTTP/2 in clear text: curl and h2load in front, nginx and HAProxy behind, speaking HTTP/2 as well."""

import re
import subprocess

import stage

REQUESTS = 4000


def nginx(folder, plain, multiplexed):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    return f"""
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; {temporary} client_max_body_size 0; keepalive_requests 1000000;
    server {{ listen 127.0.0.1:{plain}; root {folder}; }}
    server {{ listen 127.0.0.1:{multiplexed} http2; root {folder}; add_header x-by $server_protocol; }}
}}
"""


def haproxy(port, to):
    return f"""
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend server
    bind 127.0.0.1:{port} proto h2
    http-response set-header x-by HTTP/%[fc_http_major]
    default_backend app
backend app
    server app 127.0.0.1:{to}
"""


def curl(*words):
    """One request: this one of Debian's cannot make a second over a connection in clear text, whoever serves it."""
    argv = [stage.need("curl"), "-sS", "--noproxy", "*", "--max-time", "60", "--http2-prior-knowledge", *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    stage.check(done.returncode == 0, f"curl ends with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def h2load(url, *words):
    argv = [stage.need("h2load"), "-n", str(REQUESTS), "-c", "8", "-m", "20", "-t", "1", *words, url]
    said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout
    stage.check(f"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said and f"{REQUESTS} 2xx" in said, said)


def front(url, folder):
    stage.check(curl("-w", "%{http_version}", "-o", folder / "body", f"{url}/small") == b"2", "HTTP/2 it is")
    stage.check(curl(f"{url}/large") == (folder / "large").read_bytes(), "5 MB arrive")
    stage.check(b"HTTP/2 200" in curl("-I", f"{url}/small"), "HEAD")
    stage.check(b"HTTP/2 404" in curl("-i", f"{url}/absent"), "404")
    stage.check(curl("-r", "10-19", f"{url}/large") == (folder / "large").read_bytes()[10:20], "a range")
    for words in ((), ("-m1",), ("-m100",)):
        h2load(f"{url}/small", *words)
    h2load(f"{url}/middle")


def config(ports):
    def text(it):
        def pair(name, server, port, more=""):
            return (f'(name: "{name}", bind: ["127.0.0.1:{port}"], default_backend: "{name}"),',
                    f'(name: "{name}", servers: [(name: "{name}", address: "127.0.0.1:{server}"{more})]),')

        h2 = ", http: h2"
        pairs = (pair("app", ports["plain"], it.web), pair("nginx", ports["multiplexed"], ports["nginx"], h2),
                 pair("haproxy", ports["server"], ports["haproxy"], h2),
                 pair("echo", it.origins[0].server_port, ports["echo"]), pair("chain", ports["echo"], ports["chain"], h2))
        fronts, backs = (" ".join(one[n] for one in pairs) for n in (0, 1))
        return f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [{fronts}],
    backends: [{backs}],
)
"""
    return text


names = ("plain", "multiplexed", "server", "nginx", "haproxy", "echo", "chain")
ports = dict(zip(names, stage.free_ports(len(names))))
started = []
with stage.Own("proxyd", config(ports), [stage.Origin("echo")]) as it:
    folder = it.folder
    folder.chmod(0o755)
    for name, size in (("small", 66), ("middle", 40_000), ("large", 5_000_000)):
        (folder / name).write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
        (folder / name).chmod(0o644)
    (folder / "nginx.conf").write_text(nginx(folder, ports["plain"], ports["multiplexed"]))
    (folder / "haproxy.cfg").write_text(haproxy(ports["server"], ports["plain"]))
    try:
        for argv in (("nginx", "-p", folder, "-c", folder / "nginx.conf"), (stage.HAPROXY, "-db", "-f", folder / "haproxy.cfg")):
            with open(folder / f"{argv[0].rpartition('/')[2]}.out", "wb") as out:
                argv = [stage.need(argv[0]), *map(str, argv[1:])]
                started.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
        for name in ("plain", "multiplexed", "server"):
            stage.eventually(f"{name} listens", lambda: stage.listens(ports[name]))
        for port in (it.web, ports["nginx"], ports["haproxy"]):
            front(f"http://127.0.0.1:{port}", folder)
        for name in ("nginx", "haproxy"):
            head = curl("-I", f"http://127.0.0.1:{ports[name]}/small").decode()
            stage.check(re.search(r"x-by: HTTP/2", head), f"{name} is spoken to in HTTP/2: {head}")
        # Up and down, over one proxy and over two that speak HTTP/2 with one another.
        upload = folder / "large"
        for name in ("echo", "chain"):
            url = f"http://127.0.0.1:{ports[name]}/"
            stage.check(curl("--data-binary", f"@{upload}", url) == upload.read_bytes(), f"5 MB come back, {name}")
            stage.check(curl("-d", "", url) == b"", f"an empty body, {name}")
        rows = it.rows()
        for name in ("app", "nginx", "haproxy", "echo", "chain"):
            row = rows[(name, "FRONTEND")]
            stage.check((row["ereq"], row["hrsp_5xx"]) == ("0", "0"), f"nothing goes wrong: {row}")
            row = rows[(name, "BACKEND")]
            stage.check((row["econ"], row["eresp"], row["wretr"]) == ("0", "0", "0"), f"nor behind: {row}")
        asked = sum(int(rows[(name, "FRONTEND")]["hrsp_2xx"]) for name in ("app", "nginx", "haproxy"))
        print(f"{asked} requests, no error")
    finally:
        for one in started:
            one.terminate()
            one.wait()
