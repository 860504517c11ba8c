#!/usr/bin/env python3
"""prometheus-haproxy-exporter reads the socket without one line it cannot parse."""

import re
import subprocess
import sys
import urllib.request

import stage

with stage.Stage(*sys.argv[1:]) as it:
    exporter = stage.need("prometheus-haproxy-exporter")
    (port,) = stage.free_ports(1)
    argv = [exporter, f"--haproxy.scrape-uri=unix:{it.socket}", f"--web.listen-address=127.0.0.1:{port}"]
    with open(it.folder / "exporter.log", "wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{it.web}/", timeout=60).read()

        def scrape():
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read().decode()
            except OSError:
                return None

        stage.eventually("the exporter answers", scrape)
        text = scrape()

        def value(name):
            found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
            stage.check(found, f"{name} is exported")
            return float(found.group(1))

        stage.check(value("haproxy_up") == 1, "haproxy_up")
        stage.check(value("haproxy_exporter_csv_parse_failures_total") == 0, "no parse failures")
        for server in stage.SERVERS:
            stage.check(value(f'haproxy_server_up{{backend="app",server="{server}"}}') == 1, f"{server} is up")
        stage.check(value('haproxy_backend_http_responses_total{backend="app",code="2xx"}') >= 1, "answers are counted")
        stage.check(re.search(r'^haproxy_version_info\{.*\} 1$', text, re.M), "the version is read")
    finally:
        process.terminate()
        process.wait()
