#!/usr/bin/env python3
"""nginx and HAProxy with the PROXY protocol: as servers behind proxyd, and as what stands in front of it."""

import http.server
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import stage

CLIENT = "127.0.0.77"
STREAM = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
VERSIONS = ("v1", "v2", "(version: v2, tlvs: [authority, unique_id, crc32c])")


def get(port):
    """The body for a client with an address of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(CLIENT, 0)) as it:
        it.sendall(b"GET / HTTP/1.1\r\nHost: peers\r\nConnection: close\r\n\r\n")
        answer = b""
        while block := it.recv(65536):
            answer += block
    return answer.decode(errors="replace").partition("\r\n\r\n")[2].strip()


class Witness(http.server.BaseHTTPRequestHandler):
    """Says whom proxyd names as the client."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.headers.get("X-Forwarded-For", "nobody").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def nginx(folder, taking, sending, to):
    return f"""
{f"load_module {STREAM};" if STREAM.exists() else ""}
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
stream {{ server {{ listen 127.0.0.1:{sending}; proxy_protocol on; proxy_pass 127.0.0.1:{to}; }} }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{taking} proxy_protocol;
        set_real_ip_from 127.0.0.0/8;
        real_ip_header proxy_protocol;
        location / {{ return 200 $remote_addr; }}
    }}
}}
"""


def haproxy(taking, sending, to):
    fronts = "".join(
        f"""
listen {word}
    bind 127.0.0.1:{port}
    mode {"tcp" if word.endswith("tcp") else "http"}
    server proxyd 127.0.0.1:{to} {settings}
"""
        for word, (port, settings) in sending.items()
    )
    return f"""
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend taking
    mode http
    bind 127.0.0.1:{taking} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src]"
{fronts}"""


def proxyd(folder, servers, fronts, accepting, witness):
    listens = "".join(
        f'(name: "l{at}", mode: {mode}, bind: ["127.0.0.1:{port}"], check: tcp,'
        f' servers: [(name: "s", address: "127.0.0.1:{servers[server]}", send_proxy: {version})]),\n'
        for at, ((server, version, mode), port) in enumerate(fronts.items())
    )
    return f"""(
    global: (sockets: [(path: "{folder}/proxyd.sock")]),
    defaults: (forward_headers: [x_forwarded_for]),
    listen: [
        {listens}
        (
            name: "accepting", mode: http,
            bind: [(address: "127.0.0.1:{accepting}", accept_proxy: true)], trusted: ["127.0.0.0/8"],
            servers: [(name: "witness", address: "127.0.0.1:{witness}")],
        ),
    ],
)"""


def main(folder, processes):
    def start(name, text, argv, *ports):
        (folder / name).write_text(text)
        log = open(folder / f"{name}.log", "w")
        processes.append(subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log))
        for port in ports:
            stage.eventually(f"{name} listens on {port}", lambda port=port: stage.listens(port))

    witness = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Witness)
    threading.Thread(target=witness.serve_forever, daemon=True).start()
    servers = dict(zip(("nginx", "haproxy"), stage.free_ports(2)))
    accepting, from_nginx = stage.free_ports(2)
    sending = {
        word: (stage.free_ports(1)[0], settings)
        for word, settings in (
            ("v1", "send-proxy"),
            ("v2", "send-proxy-v2"),
            ("v2-options", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
            ("v2-tcp", "send-proxy-v2"),
            ("checked", "send-proxy-v2 check check-send-proxy inter 5s fastinter 200ms downinter 200ms"),
        )
    }
    fronts = {(s, v, m): stage.free_ports(1)[0] for s in servers for v in VERSIONS for m in ("http", "tcp")}

    text = nginx(folder, servers["nginx"], from_nginx, accepting)
    start("nginx.conf", text, [stage.need("nginx"), "-p", folder, "-c", folder / "nginx.conf"], servers["nginx"])
    text = haproxy(servers["haproxy"], sending, accepting)
    argv = [stage.need(stage.HAPROXY), "-db", "-f", folder / "haproxy.cfg"]
    start("haproxy.cfg", text, argv, servers["haproxy"], *(port for port, _ in sending.values()))
    text = proxyd(folder, servers, fronts, accepting, witness.server_port)
    argv = [stage.need(stage.PROXYD), "run", "-f", folder / "proxyd.ron"]
    start("proxyd.ron", text, argv, accepting, *fronts.values())

    for (server, version, mode), port in fronts.items():
        for _ in range(2):
            said = get(port)
            stage.check(said == CLIENT, f"{server} is told by {version} in mode {mode}: {said!r}")
    # HAProxy's checks say that the connection is its own; until they passed it answers for itself.
    stage.eventually("HAProxy's checks pass", lambda: get(sending["checked"][0]) == CLIENT)
    for word, (port, _) in sending.items():
        said = get(port)
        stage.check(said == CLIENT, f"proxyd is told by HAProxy with {word}: {said!r}")
    said = get(from_nginx)
    stage.check(said == CLIENT, f"proxyd is told by nginx: {said!r}")


if __name__ == "__main__":
    folder, processes = pathlib.Path(tempfile.mkdtemp(prefix="px")), []
    try:
        main(folder, processes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
