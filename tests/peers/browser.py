#!/usr/bin/env python3
"""Chromium loads a page of 100 objects over one connection of HTTP/2."""

import base64
import hashlib
import re
import subprocess
import threading

import authority
import stage

OBJECTS = 100
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
         "--no-proxy-server", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--hide-scrollbars", "--mute-audio")
# The scripts run one after another before the page is loaded; the last one writes down how all came.
PAGE = (
    "<!doctype html><html><head><link rel=icon href='data:,'><script>window.ran = 0</script>"
    + "".join(f"<script src='/object/{n}.js'></script>" for n in range(OBJECTS))
    + "</head><body><p id=said></p><script>"
    "const all = performance.getEntriesByType('resource').filter(it => it.name.endsWith('.js'));"
    "const by = all.filter(it => it.nextHopProtocol === 'h2').length;"
    "const own = all.filter(it => it.connectEnd > it.connectStart).length;"
    "const page = performance.getEntriesByType('navigation')[0].nextHopProtocol;"
    "document.getElementById('said').textContent = `${window.ran} ran, ${by} by h2, ${own} connected, page by ${page}`;"
    "</script></body></html>"
).encode()


class Page(stage.Answer):
    def do_GET(self):
        script = self.path.startswith("/object/")
        body = b"window.ran += 1; // " + b"x" * 2000 if script else PAGE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


class Site(stage.http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    name = "site"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Page)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


def config(certificate):
    return lambda it: f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s")),
    frontends: [
        (name: "web", bind: [(address: "127.0.0.1:{it.web}", tls: (certificates: ["{certificate}"], alpn: [h2, http1]))],
         default_backend: "app"),
    ],
    backends: [(name: "app", servers: [(name: "site", address: "127.0.0.1:{it.origins[0].server_port}")])],
)
"""


def trusted(certificate):
    """Its key by its hash. A browser that ignores errors connects twice."""
    key = authority.openssl("x509", "-in", certificate, "-pubkey", "-noout")
    der = base64.b64decode("".join(key.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


it = stage.Own("proxyd", None, [Site()])
certificate = authority.Authority(it.folder).issue("localhost")
it.config = config(certificate)
with it:
    argv = [stage.need("chromium"), *FLAGS, f"--ignore-certificate-errors-spki-list={trusted(certificate)}",
            f"--user-data-dir={it.folder}/profile", "--dump-dom", f"https://localhost:{it.web}/"]
    # One that hangs would take its helpers along.
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
                          env={**stage.os.environ, "HOME": str(it.folder)})
    said = re.search(r'id="said">([^<]*)<', done.stdout)
    stage.check(said, f"the page is shown: {done.stdout[-500:]} {done.stderr[-2000:]}")
    stage.check(said[1] == f"{OBJECTS} ran, {OBJECTS} by h2, 0 connected, page by h2", f"all of it came over the page's connection: {said[1]}")
    row = it.rows()[("web", "FRONTEND")]
    stage.check(int(row["hrsp_2xx"]) >= OBJECTS + 1, f"a request each: {row}")
    # It may open one ahead, in case the first is of HTTP/1.1, and not use it.
    stage.check(row["conn_tot"] in ("1", "2"), f"over one connection: {row}")
    print(f"{row['hrsp_2xx']} requests over one of {row['conn_tot']} connections")
