#!/usr/bin/env python3
"""promtool parses /metrics and finds nothing there that it does not find in HAProxy's own exporter."""

import re
import subprocess
import sys
import urllib.request

import stage


def findings(kind):
    """Lines of `promtool check metrics`, and the text it read."""
    with stage.Stage(kind) as it:
        for _ in range(3):
            urllib.request.urlopen(f"http://127.0.0.1:{it.web}/", timeout=60).read()
        url = f"http://127.0.0.1:{it.metrics}/metrics"
        with urllib.request.urlopen(url, timeout=60) as answer:
            text = answer.read()
            stage.check(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), "the content type")
        argv = [stage.need("promtool"), "check", "metrics"]
        done = subprocess.run(argv, input=text, capture_output=True)
        # 0: nothing found; 3: findings of style; anything else: not parsed.
        stage.check(done.returncode in (0, 3), f"{kind} is not parsed: {done.stderr.decode()}")
        found = {line for line in done.stderr.decode().splitlines() if line}
        return found, text.decode()


def names(text):
    return set(re.findall(r"^# TYPE (\S+)", text, re.M))


# What promtool says of the exporter of HAProxy 3.5, which Debian's does not have in full.
KNOWN = {
    'haproxy_process_failed_resolutions counter metrics should have "_total" suffix',
    'haproxy_process_patterns_added_total non-counter metrics should not have "_total" suffix',
    'haproxy_process_patterns_freed_total non-counter metrics should not have "_total" suffix',
    'haproxy_process_total_warnings counter metrics should have "_total" suffix',
}

ours, text = findings("proxyd")
theirs, _ = findings("haproxy")
unknown = ours - theirs - KNOWN
stage.check(not unknown, "promtool finds what it does not find in HAProxy:\n" + "\n".join(sorted(unknown)))
stage.check("proxyd_build_info{" in text, "proxyd_build_info")
missing = {
    "haproxy_frontend_http_requests_total", "haproxy_backend_active_servers", "haproxy_server_status",
    "haproxy_server_weight", "haproxy_process_current_connections",
} - names(text)
stage.check(not missing, f"missing {missing}")
