#!/usr/bin/env python3
"""TLS with curl, openssl s_client, nginx and HAProxy: versions, ALPN, resumption, staples, client certificates."""

import re
import subprocess

import authority
import stage

HOST = "localhost"
# How curl ends for its certificate: by when it hears of it, it may be done with the handshake.
REFUSED = (16, 35, 55, 56, 92, 98)


class Peers:
    """Certificates and ports, and nginx and HAProxy on both sides of proxyd."""

    def __init__(self, folder):
        self.folder = folder
        self.signer, self.stranger = authority.Authority(folder), authority.Authority(folder, "stranger")
        self.site = self.signer.issue(HOST)
        self.signer.staple(self.site)
        self.rsa = self.signer.issue("rsa", "rsa")
        self.client = self.signer.issue("client", extensions="extendedKeyUsage = clientAuth\n")
        self.unknown = self.stranger.issue("unknown", extensions="extendedKeyUsage = clientAuth\n")
        names = ("asks", "wants", "nginx", "haproxy", "distrusts", "nginx_server", "haproxy_server", "nginx_front", "haproxy_front")
        self.ports = dict(zip(names, stage.free_ports(len(names))))
        self.started = []

    def proxyd(self, it):
        ports, tls = self.ports, f'certificates: ["{self.site}", "{self.rsa}"], alpn: [h2, http1]'
        app = ", ".join(f'(name: "{one.name}", address: "127.0.0.1:{one.server_port}")' for one in it.origins)
        trusted = f'tls: (ca: "{self.signer.path}", sni: "{HOST}")'
        return f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [
        (name: "web", bind: [(address: "127.0.0.1:{it.web}", tls: ({tls}))], default_backend: "app"),
        (name: "asks", default_backend: "app",
         bind: [(address: "127.0.0.1:{ports['asks']}", tls: ({tls}, client_certs: (ca: "{self.signer.path}")))]),
        (name: "wants", default_backend: "app", bind: [(address: "127.0.0.1:{ports['wants']}",
         tls: ({tls}, client_certs: (ca: "{self.signer.path}", verify: optional)))]),
        (name: "nginx", bind: ["127.0.0.1:{ports['nginx']}"], default_backend: "nginx"),
        (name: "haproxy", bind: ["127.0.0.1:{ports['haproxy']}"], default_backend: "haproxy"),
        (name: "distrusts", bind: ["127.0.0.1:{ports['distrusts']}"], default_backend: "distrusts"),
    ],
    backends: [
        (name: "app", servers: [{app}]),
        (name: "nginx", servers: [(name: "nginx", address: "127.0.0.1:{ports['nginx_server']}", {trusted})]),
        (name: "haproxy", servers: [(name: "haproxy", address: "127.0.0.1:{ports['haproxy_server']}",
         tls: (ca: "{self.signer.path}", sni: "{HOST}", client_cert: "{self.client}"))]),
        (name: "distrusts", servers: [(name: "nginx", address: "127.0.0.1:{ports['nginx_server']}",
         tls: (ca: "{self.stranger.path}", sni: "{HOST}"))]),
    ],
)
"""

    def nginx(self, it):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in kinds)
        return f"""
worker_processes 1; daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
    access_log off; {temporary}
    server {{
        listen 127.0.0.1:{self.ports['nginx_server']} ssl;
        ssl_certificate {self.site}; ssl_certificate_key {self.site}; ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ return 200 "nginx by $ssl_protocol for $ssl_server_name"; }}
    }}
    server {{
        listen 127.0.0.1:{self.ports['nginx_front']};
        location / {{
            proxy_pass https://127.0.0.1:{it.web}; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_ssl_server_name on; proxy_ssl_name {HOST};
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.signer.path};
        }}
    }}
}}
"""

    def haproxy(self, it):
        return f"""
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend server
    bind 127.0.0.1:{self.ports['haproxy_server']} ssl crt {self.site} ca-file {self.signer.path} verify required
    http-request return status 200 content-type text/plain lf-string "haproxy by %[ssl_fc_protocol] for %[ssl_fc_sni] of %[ssl_c_s_dn(cn)]"
frontend front
    bind 127.0.0.1:{self.ports['haproxy_front']}
    default_backend proxyd
backend proxyd
    server proxyd 127.0.0.1:{it.web} ssl verify required ca-file {self.signer.path} sni str({HOST}) verifyhost {HOST} alpn h2,http/1.1
"""

    def start(self, it):
        for tool in ("nginx", "haproxy"):
            path = self.folder / f"{tool}.cfg"
            path.write_text(getattr(self, tool)(it))
            argv = [stage.need("nginx"), "-p", str(self.folder), "-c", str(path)] if tool == "nginx" else \
                [stage.need(stage.HAPROXY), "-db", "-f", str(path)]
            with open(self.folder / f"{tool}.out", "wb") as out:
                self.started.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out))
        for name in ("nginx_server", "haproxy_server", "nginx_front", "haproxy_front"):
            stage.eventually(f"{name} listens", lambda: stage.listens(self.ports[name]))

    def stop(self):
        for one in self.started:
            one.terminate()
            one.wait()


def curl(*words):
    """What it says, or how it ends."""
    argv = [stage.need("curl"), "-sS", "--fail", "--noproxy", "*", "--max-time", "60", *map(str, words)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else done.returncode


def s_client(port, *words, said=""):
    argv = [stage.need("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST, *map(str, words)]
    done = subprocess.run(argv, input=said, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def clients(it, peers):
    url, ca = f"https://{HOST}:{it.web}/", ("--cacert", peers.signer.path)
    told = ("-o", it.folder / "body", "-w", "%{http_version} %{ssl_verify_result} %{num_connects} ")
    for words, version in ((("--http2", "--tlsv1.3"), "2"), (("--http2", "--tls-max", "1.2"), "2"),
                           (("--http1.1", "--tlsv1.3"), "1.1"), (("--http1.1", "--tls-max", "1.2"), "1.1")):
        stage.check(curl(*ca, *words, *told, url) == f"{version} 0 1 ", f"curl {' '.join(words)}")
    stage.check(curl(*ca, *told, url, *told, url, *told, url) == "2 0 1 2 0 0 2 0 0 ", "one connection for three requests")
    together = [word for n in range(50) for word in ("-o", it.folder / f"got{n}", url)]
    curl(*ca, "--parallel", "--parallel-max", "50", *together)
    got = [(it.folder / f"got{n}").read_text().strip() for n in range(50)]
    stage.check(set(got) <= set(stage.SERVERS), f"fifty at once: {got}")
    body = it.folder / "upload"
    body.write_bytes(b"u" * 3_000_000)
    for words in (("--http2",), ("--http1.1", "-H", "Expect:")):
        stage.check(len(curl(*ca, *words, "--data-binary", f"@{body}", url)) == 3_000_000, f"3 MB come back, {words[0]}")
    stage.check(curl("--cacert", peers.stranger.path, url) == 60, "curl does not believe a stranger")

    asks, wants = (f"https://{HOST}:{peers.ports[name]}/" for name in ("asks", "wants"))
    shown, unknown = ("--cert", peers.client), ("--cert", peers.unknown)
    for version in ("1.2", "1.3"):
        tls = (f"--tlsv{version}", "--tls-max", version, *ca)
        for words in ("--http2", "--http1.1"):
            stage.check(isinstance(curl(*tls, words, *shown, asks), str), f"a client's certificate, {version} {words}")
        stage.check(curl(*tls, asks) in REFUSED, f"no certificate where one is required, {version}")
        stage.check(curl(*tls, *unknown, asks) in REFUSED, f"a stranger's certificate, {version}")
        stage.check(isinstance(curl(*tls, wants), str), f"no certificate where none is required, {version}")
        stage.check(curl(*tls, *unknown, wants) in REFUSED, f"a stranger's certificate all the same, {version}")


def openssl(it, peers):
    ca = ("-CAfile", peers.signer.path, "-verify_return_error")
    for words, version in ((("-tls1_2",), "TLSv1.2"), (("-tls1_3",), "TLSv1.3")):
        said = s_client(it.web, *ca, *words)
        stage.check(f"New, {version}" in said and "Verification: OK" in said, said)
        said = s_client(it.web, *ca, *words, "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
        stage.check("Peer signature type: RSA" in said, f"RSA for whom has nothing else: {said}")
    old = s_client(it.web, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    stage.check(re.search("alert (protocol version|handshake failure)", old), f"TLS 1.1 is refused: {old}")
    for word in ("h2", "http/1.1"):
        stage.check(f"ALPN protocol: {word}" in s_client(it.web, "-alpn", word), f"ALPN {word}")
    stage.check("ALPN protocol: h2" in s_client(it.web, "-alpn", "http/1.1,h2"), "our order counts")
    stage.check("No ALPN negotiated" in s_client(it.web), "none where none is offered")
    stage.check("alert no application protocol" in s_client(it.web, "-alpn", "spdy/3"), "nothing in common")
    stage.check("Server Temp Key: X25519" in s_client(it.web, "-groups", "X25519"), "X25519")
    said = s_client(it.web, *ca, "-status")
    stage.check("OCSP Response Status: successful" in said and "Cert Status: good" in said, f"a staple: {said}")

    request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for words in (("-tls1_2",), ("-tls1_3",)):
        session = it.folder / f"session{words[0]}"
        # Tickets of 1.3 come with the answer.
        first = s_client(it.web, *words, "-ign_eof", "-sess_out", session, said=request)
        stage.check("HTTP/1.1 200" in first, first)
        # Twenty, so that each worker has some of them.
        for _ in range(20):
            said = s_client(it.web, *words, "-ign_eof", "-sess_in", session, said=request)
            stage.check("Reused, " in said and "HTTP/1.1 200" in said, f"a session is resumed: {said}")
    key = ("-cert", peers.client, "-key", peers.client)
    asks = peers.ports["asks"]
    stage.check("HTTP/1.1 200" in s_client(asks, *ca, *key, "-ign_eof", said=request), "a client's certificate")
    stage.check(re.search(r"alert (certificate|bad certificate|certificate required|handshake failure)",
                          s_client(asks, *ca, "-ign_eof", said=request)), "the alert says that one is required")


def servers(it, peers):
    url = lambda name: f"http://127.0.0.1:{peers.ports[name]}/"
    stage.check(curl(url("nginx")) == f"nginx by TLSv1.3 for {HOST}", "nginx as a server of TLS")
    stage.check(curl(url("haproxy")) == f"haproxy by TLSv1.3 for {HOST} of client", "HAProxy, which asks for a certificate")
    stage.check(curl(url("distrusts")) == 22, "a server that a stranger vouches for is not believed")
    row = it.rows()[("distrusts", "nginx")]
    stage.check(row["econ"] != "0" and row["hrsp_2xx"] == "0", f"and that is counted: {row}")
    for name in ("nginx_front", "haproxy_front"):
        for _ in range(3):
            stage.check(curl(url(name)).strip() in stage.SERVERS, f"{name} of proxyd")


origins = [stage.Origin(name) for name in stage.SERVERS]
it = stage.Own("proxyd", None, origins)
peers = Peers(it.folder)
it.config = peers.proxyd
with it:
    try:
        peers.start(it)
        clients(it, peers)
        openssl(it, peers)
        servers(it, peers)
    finally:
        peers.stop()
