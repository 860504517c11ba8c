"""The stand with TLS and HTTP/2 in front, and an origin that answers gRPC behind."""

import re
import socket
import subprocess

from stand import (HAPROXY, Failure, Program, Stand, free_ports, nginx_argv, nginx_conf, others, proxy_cpu, version_of)

# A message of gRPC: not compressed, its length, what it says. Its answer is of the same kind.
MESSAGE = b"\0\0\0\0\x3d" + b"x" * 61
GRPC = ("content-type: application/grpc", "te: trailers")
# Of one suite, since servers and clients prefer one of two.
SUITE = "TLS_AES_256_GCM_SHA384"
# What a client that leaves it all to the server has to get from each.
AGREED = {"Protocol": "TLSv1.3", "Cipher": SUITE, "Server Temp Key": "X25519, 253 bits",
          "Peer signature type": "ECDSA", "Server public key is": "256 bit"}


class Secure(Stand):
    """HTTP/1.1 and HTTP/2 over TLS on one port, gRPC over TLS, and HTTP/2 in clear text by prior knowledge.

    On a port of their own handshakes are counted: proxyd has a log of them, nginx one of those that are resumed, and
    HAProxy a counter.
    """

    KINDS = ("tls", "fresh", "grpc", "h2c")

    def start_more(self):
        self.certificate = make_certificate(self.folder)
        self.grpc = self.started(start_grpc(self.folder, self.options)).ports["h2c"]

    def start_proxy(self, name, here, ports):
        if name == "proxyd":
            argv = [self.binary, "run", "-f", "proxyd.ron"]
            (here / "proxyd.ron").write_text(self.proxyd(ports))
        elif name == "nginx":
            argv = nginx_argv(here)
            (here / "nginx.conf").write_text(self.nginx(here, ports))
        else:
            argv = [HAPROXY, "-db", "-f", str(here / "haproxy.cfg")]
            (here / "haproxy.cfg").write_text(self.haproxy(here, ports))
        version = version_of(name, self.binary)
        program = Program(name, argv, here, ports, proxy_cpu(self.options), version, answers=self.answers)
        try:
            agree(program)
        except Failure:
            program.end()
            raise
        return program

    def answers(self, kind, port):
        """Whether the right thing is behind this port, in each way that is measured."""
        if kind == "grpc":
            return call_ends_well(f"https://127.0.0.1:{port}/", self.folder / "grpc")
        if kind == "h2c":
            return right(curl("--http2-prior-knowledge", f"http://127.0.0.1:{port}/66"), b"HTTP/2 200")
        url = f"https://127.0.0.1:{port}/66"
        return right(curl("--http1.1", url), b"HTTP/1.1 200") and right(curl("--http2", url), b"HTTP/2 200")

    def proxyd(self, ports):
        servers = ",\n".join(f'(name: "app{n}", address: "127.0.0.1:{port}")' for n, port in enumerate(self.targets, 1))
        tls = (f'tls: (certificates: ["{self.certificate}"], alpn: [h2, http1], min_version: tls13, groups: [x25519], '
               f'suites: [{SUITE}])')
        return f"""(
    global: (
        workers: {self.options.workers}, maxconn: {self.options.maxconn},
        sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)], log: [file("./resumed.log")],
    ),
    defaults: (timeouts: (connect: "5s", client: "60s", server: "60s"), log: off),
    frontends: [
        (name: "web", bind: [(address: "127.0.0.1:{ports['tls']}", {tls})], default_backend: "app"),
        (name: "web_fresh", bind: [(address: "127.0.0.1:{ports['fresh']}", {tls})], default_backend: "app",
         log: (format: "%[ssl_fc_is_resumed]")),
        (name: "web_grpc", bind: [(address: "127.0.0.1:{ports['grpc']}", {tls})], default_backend: "grpc"),
        (name: "web_h2c", bind: ["127.0.0.1:{ports['h2c']}"], default_backend: "app"),
    ],
    backends: [
        (name: "app", servers: [{servers}]),
        (name: "grpc", servers: [(name: "grpc", address: "127.0.0.1:{self.grpc}", http: h2)]),
    ],
)
"""

    def nginx(self, here, ports):
        servers = "".join(f"server 127.0.0.1:{port};\n" for port in self.targets)
        return nginx_conf(here, f"""
http {{
    map $ssl_session_reused $reused {{ default 0; r 1; }}
    log_format reused $ssl_session_reused;
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate};
    ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_conf_command Ciphersuites {SUITE};
    TEMPORARY
    upstream app {{ {servers} keepalive 64; keepalive_requests 1000000000; }}
    upstream grpc {{ server 127.0.0.1:{self.grpc}; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{ports['tls']} ssl http2 backlog=4096 reuseport;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
    server {{
        listen 127.0.0.1:{ports['fresh']} ssl http2 backlog=4096 reuseport;
        access_log {here}/resumed.log reused if=$reused;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
    server {{
        listen 127.0.0.1:{ports['grpc']} ssl http2 backlog=4096 reuseport;
        location / {{ grpc_pass grpc://grpc; }}
    }}
    server {{
        listen 127.0.0.1:{ports['h2c']} http2 backlog=4096 reuseport;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}""", self.options.workers, self.options.maxconn * 2 + 512)

    def haproxy(self, here, ports):
        servers = "\n".join(f"    server app{n} 127.0.0.1:{port}" for n, port in enumerate(self.targets, 1))
        tls = f"ssl crt {self.certificate} alpn h2,http/1.1 ssl-min-ver TLSv1.3 curves X25519 ciphersuites {SUITE}"
        return f"""
global
    nbthread {self.options.workers}
    maxconn {self.options.maxconn}
    stats socket {here}/haproxy.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend web
    bind 127.0.0.1:{ports['tls']} {tls}
    default_backend app
frontend web_fresh
    bind 127.0.0.1:{ports['fresh']} {tls}
    default_backend app
frontend web_grpc
    bind 127.0.0.1:{ports['grpc']} {tls}
    default_backend grpc
frontend web_h2c
    bind 127.0.0.1:{ports['h2c']} proto h2
    default_backend app
backend app
    balance roundrobin
{servers}
backend grpc
    server grpc 127.0.0.1:{self.grpc} proto h2
"""


def openssl(*words):
    done = subprocess.run(["openssl", *words], input="", capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"openssl {words[0]}: {done.stderr}")
    return done.stdout


def make_certificate(folder):
    """A key on P-256 and its certificate, in one file."""
    settings = folder / "openssl.cnf"
    settings.write_text("[req]\ndistinguished_name = name\nx509_extensions = host\n[name]\n[host]\n"
                        "basicConstraints = critical, CA:false\nsubjectAltName = IP:127.0.0.1, DNS:localhost\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-config",
            str(settings), "-subj", "/CN=localhost", "-keyout", str(folder / "key"), "-out", str(folder / "certificate"))
    both = folder / "localhost.pem"
    both.write_text((folder / "certificate").read_text() + (folder / "key").read_text())
    return both


def start_grpc(folder, options):
    """nginx answers each call with a message and the trailers that end it well."""
    here = folder / "grpc"
    here.mkdir()
    (here / "message").write_bytes(MESSAGE)
    port, = free_ports(1)
    # It gives files to GET alone: any other request is answered as if it were one. A mirror is what makes it read the
    # message first; otherwise it would end the stream before, which a client may take for an error.
    (here / "nginx.conf").write_text(nginx_conf(here, f"""
http {{
    access_log off; default_type application/grpc; server_tokens off; etag off;
    keepalive_requests 1000000000; keepalive_timeout 600s; open_file_cache max=10;
    TEMPORARY
    server {{
        listen 127.0.0.1:{port} http2 backlog=4096;
        root {here};
        error_page 405 =200 /message;
        add_trailer grpc-status 0;
        location / {{ mirror /nowhere; try_files /message =404; }}
        location = /nowhere {{ internal; return 204; }}
    }}
}}""", 1, 16384))
    answers = lambda _, port: call_ends_well(f"http://127.0.0.1:{port}/", here)
    return Program("gRPC origin", nginx_argv(here), here, {"h2c": port}, others(options), answers=answers)


def curl(*words):
    """Head and body."""
    return subprocess.run(["curl", "-isSk", "--max-time", "2", *words], capture_output=True).stdout


def right(said, status):
    return said.startswith(status) and said.endswith(b"x" * 66)


def call_ends_well(url, folder):
    """Whether a call has its trailers, which curl does not show."""
    fields = [word for field in GRPC for word in ("-H", field)]
    argv = ["nghttp", "-nv", "-t", "2", "-d", folder / "message", *fields, url]
    return "grpc-status: 0" in subprocess.run(argv, capture_output=True, text=True).stdout


def agree(program):
    """Stops where a proxy would be measured with other cryptography than the others."""
    said = openssl("s_client", "-connect", f"127.0.0.1:{program.ports['tls']}")
    found = {"Protocol": re.search(r"New, (TLSv[\d.]+)", said), "Cipher": re.search(r"Cipher is (\S+)", said)}
    for name in ("Server Temp Key", "Peer signature type"):
        found[name] = re.search(rf"{name}: (.+)", said)
    found["Server public key is"] = re.search(r"Server public key is (.+)", said)
    got = {name: it and it[1] for name, it in found.items()}
    if got != AGREED:
        raise Failure(f"{program.name} does not agree on the cryptography: {got}")


def resumed(program):
    """Sessions that this proxy says it resumed so far."""
    if program.name != "HAProxy":
        return (program.folder / "resumed.log").read_bytes().splitlines().count(b"1" if program.name == "proxyd" else b"r")
    with socket.socket(socket.AF_UNIX) as it:
        it.connect(str(program.folder / "haproxy.sock"))
        it.sendall(b"show stat\n")
        head, *lines = it.makefile().read().removeprefix("# ").splitlines()
    column = head.split(",").index("ssl_reused_sess")
    return sum(int(line.split(",")[column]) for line in lines if line.startswith("web_fresh,FRONTEND,"))
