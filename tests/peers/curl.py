#!/usr/bin/env python3
"""curl through the proxy: exact alternation, drain with a download in flight, bodies both ways."""

import subprocess
import sys

import stage

with stage.Stage(*sys.argv[1:]) as it:
    curl = stage.need("curl")
    web = f"http://127.0.0.1:{it.web}"

    def got(*words):
        argv = [curl, "-sS", "--fail", "--max-time", "60", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    names = [got(web).strip() for _ in range(12)]
    stage.check(all(sorted(names[n : n + 3]) == ["app1", "app1", "app2"] for n in range(0, 12, 3)), f"two to one: {names}")

    # A download runs on the server that is drained meanwhile.
    downloads = [subprocess.Popen([curl, "-sS", "--fail", f"{web}/download"], stdout=subprocess.PIPE) for _ in range(2)]
    stage.eventually("a download runs on app1", lambda: it.rows()[("app", "app1")]["scur"] != "0")
    it.admin("set server app/app1 state drain")
    names = [got(web).strip() for _ in range(5)]
    stage.check(names == ["app2"] * 5, f"no new request goes to a drained server: {names}")
    for download in downloads:
        body, _ = download.communicate(timeout=60)
        stage.check(download.returncode == 0 and len(body) == 20480, "a download in flight is not cut")
    it.admin("set server app/app1 state ready")
    stage.check("app1" in [got(web).strip() for _ in range(3)], "it is back")

    upload = it.folder / "upload"
    upload.write_bytes(b"u" * 3_000_000)
    stage.check(len(got("--data-binary", f"@{upload}", web)) == 3_000_000, "an upload comes back whole")
    stage.check(
        len(got("-H", "Transfer-Encoding: chunked", "--http1.1", "-X", "GET", web)) > 0, "a chunked request is served"
    )
    stage.check("HTTP/1.1 200" in got("-I", web), "HEAD")
    stage.check(got("--http1.0", web).strip() in stage.SERVERS, "HTTP/1.0")
    stage.check(len(got(web, web, web).split()) == 3, "three over one connection")
