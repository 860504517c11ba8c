#!/usr/bin/env python3
"""proxyd beside nginx and HAProxy on the same origins.

Each case runs in alternating rounds (one after the other, the order turning each round), so that whatever else the
machine does falls on all of them alike. What counts is the processor time of the proxy for one request, since the
load generator and the origins share the machine. Needs wrk, h2load, nginx, haproxy, openssl, curl, taskset and `cargo build --release -p
proxyd -p proxyd-tests --bins`; no root, no fixed port. All of it takes about 25 minutes; `--rounds 1
--seconds 1` takes a minute or two and shows that everything runs.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import secure
from stand import LOAD, ROOT, Failure, Options, Stand, bound, missing_tools, raise_descriptors

OUT = pathlib.Path(__file__).resolve().parent / "out"

# One proxy, two origins: title, port, path, a connection per request.
PLAIN = {
    "66": ("HTTP/1.1 keep-alive, 66 bytes", "http", "/66", False),
    "16k": ("HTTP/1.1 keep-alive, 16 KiB", "http", "/16k", False),
    "1m": ("HTTP/1.1 keep-alive, 1 MiB", "http", "/1m", False),
    "close": ("a connection per request, 66 bytes", "http", "/66", True),
    "tcp": ("TCP mode, 66 bytes", "tcp", "/66", False),
    "tcp1m": ("TCP mode, 1 MiB", "tcp", "/1m", False),
    "ws": ("WebSocket echo, frames of 64 bytes", "ws", None, False),
}
# The same cryptography for all.
SECURE = {
    "tls": "TLS 1.3 keep-alive, 66 bytes",
    "handshake": "a full TLS 1.3 handshake per request, 66 bytes",
    "resumed": "a resumed TLS 1.3 handshake per request, 66 bytes",
    "h2": "HTTP/2 over TLS, 10 streams per connection, 66 bytes",
    "grpc": "gRPC unary over TLS, 10 streams per connection, 66 bytes",
}
CASES = [*PLAIN, "everything", "servers", "memory", "latency", *SECURE, "idle"]
# At most so much of nginx's and HAProxy's processor time.
AIMS = {"tls": (0.95, 0.75), "handshake": (0.70, 0.55), "h2": (0.85, 0.70)}
# And so many bytes: idle connections of TLS as HAProxy's, of HTTP/2 these.
IDLE = 1000
IDLE_H2 = 16_000
STREAMS = 10
MANY = 5000
FRACTIONS = {"a quarter": 0.25, "half": 0.5, "three quarters": 0.75}


class Report:
    """Rows of the table, what was measured, and what went wrong."""

    def __init__(self):
        self.rows, self.raw, self.notes, self.wrong, self.versions = [], {}, [], [], {}

    def row(self, title, cells, ratios):
        self.rows.append((title, cells, ratios))

    def aim(self, case, shares):
        """Says whether the shares of nginx and HAProxy are within what was aimed at."""
        for name, most in zip(("nginx", "HAProxy"), AIMS.get(case, ())):
            if name in shares and float(shares[name]) > most:
                self.notes.append(f"{case}: {shares[name]} of {name}'s processor time, {most} is aimed at")

    def see(self, proxy, case, one):
        if one.get("errors") or not one["requests"]:
            self.wrong.append(f"{proxy.name}, {case}: {one.get('errors') or 'no answer at all'}")
            print("!!! " + self.wrong[-1], flush=True)


def wrk(url, seconds, connections, close=False, threads=2, cpu=None):
    """Requests, requests a second, and what went wrong."""
    # To wrk a slow answer is an error, and a machine may stand still.
    argv = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s"]
    if close:
        argv += ["-H", "Connection: close"]
    done = subprocess.run(bound([*argv, url], cpu), capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode:
        return {"requests": 0, "rate": 0.0, "errors": done.stderr.strip()}
    requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))
    errors = {}
    if found := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout):
        errors = dict(zip(("connect", "read", "write", "timeout"), map(int, found.groups())))
    if found := re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout):
        errors["status"] = int(found.group(1))
    return {"requests": requests, "rate": rate, "errors": {kind: count for kind, count in errors.items() if count}}


def bench_load(words, seconds, cpu=None):
    done = subprocess.run(bound([str(LOAD), *map(str, words)], cpu), capture_output=True, text=True,
                          timeout=seconds + 60)
    if done.returncode:
        return {"requests": 0, "rate": 0.0, "errors": done.stderr.strip()}
    return json.loads(done.stdout)


def cost(proxy, kind, path, seconds, connections, close=False):
    """Microseconds of the proxy's processor time for a request or frame."""
    before = proxy.cpu()
    address = f"127.0.0.1:{proxy.ports[kind]}"
    if kind == "ws":
        one = bench_load(["echo", address, connections, seconds], seconds)
    else:
        one = wrk(f"http://{address}{path}", seconds, connections, close)
    return {**one, "us": (proxy.cpu() - before) / max(one["requests"], 1) * 1e6}


def rounds(report, case, contestants, measure, args):
    """What `measure` says of each, in turn, so many times: a list for each."""
    results = {key: [] for key in contestants}
    keys = list(contestants)
    for key in keys:  # connections to the origins, caches, page faults
        measure(contestants[key], 1)
    for turn in range(args.rounds):
        for key in keys[turn % len(keys):] + keys[: turn % len(keys)]:
            one = measure(contestants[key], args.seconds)
            for _ in range(4):
                # A machine that stands still has not answered anything.
                if one.get("errors") or one["requests"]:
                    break
                one = measure(contestants[key], args.seconds)
            report.see(contestants[key], case, one)
            results[key].append(one)
    return results


def median(results, field):
    return statistics.median(one[field] for one in results)


def ratio(ours, theirs, field):
    """The ratio of each round, then the median: a slow moment of the machine falls on both."""
    pairs = [a[field] / b[field] for a, b in zip(ours, theirs) if b[field]]
    return statistics.median(pairs) if pairs else None


def ratios(results, fields):
    """For each peer, proxyd's share of what it needs."""
    if "proxyd" not in results:
        return {}
    shares = {}
    for name in results:
        if name != "proxyd":
            each = [ratio(results["proxyd"], results[name], field) for field in fields]
            shares[name] = " / ".join("-" if one is None else f"{one:.2f}" for one in each)
    return shares


def stand(folder, args, options, names=None, kind=Stand):
    names = names or [it for it in ("proxyd", "nginx", "HAProxy") if it != "proxyd" or not args.without_proxyd]
    return kind(folder / f"stand{len(list(folder.iterdir()))}", args.proxyd, options, names)


def by_cost(report, case, title, results):
    cells = {name: f"{median(it, 'us'):.1f} µs ({median(it, 'rate'):,.0f}/s)" for name, it in results.items()}
    shares = ratios(results, ["us"])
    report.row(title, cells, shares)
    report.aim(case, shares)
    report.raw[case] = results
    print(f"{case}: " + ", ".join(f"{name} {cell}" for name, cell in cells.items()), flush=True)


def plain(report, folder, args, cases):
    with stand(folder, args, Options()) as here:
        for case in cases:
            title, kind, path, close = PLAIN[case]
            able = {it.name: it for it in here.proxies if kind in it.ports}
            measure = lambda proxy, seconds: cost(proxy, kind, path, seconds, args.connections, close)
            by_cost(report, case, title, rounds(report, case, able, measure, args))


def tls(here, proxy, seconds, connections):
    return wrk(f"https://127.0.0.1:{proxy.ports['tls']}/66", seconds, connections)


def full(here, proxy, seconds, connections):
    return handshakes("handshake", here, proxy, seconds, connections)


def resumed(here, proxy, seconds, connections):
    return handshakes("resume", here, proxy, seconds, connections)


def handshakes(word, here, proxy, seconds, connections):
    """Both ends count the resumed sessions, and none or all have to be."""
    before = secure.resumed(proxy)
    # A thread each.
    clients = min(connections, 16)
    one = bench_load([word, f"127.0.0.1:{proxy.ports['fresh']}", clients, seconds, here.certificate], seconds)
    if one.get("errors"):
        return one
    # A line of a log may come after its answer.
    time.sleep(0.1)
    end = time.monotonic() + 20
    while (server := secure.resumed(proxy) - before) < one["resumed"] and time.monotonic() < end:
        time.sleep(0.05)
    wrong = server if word == "handshake" else one["requests"] - one["resumed"] > clients
    if server != one["resumed"] or wrong:
        one["errors"] = f"of {one['requests']} sessions {one['resumed']} were resumed, {server} by the server's count"
    return one


def h2load(url, seconds, connections, *words):
    """As many requests at once as elsewhere, on fewer connections."""
    connections = max(connections // STREAMS, 2)
    argv = ["h2load", "-t2", f"-c{connections}", f"-m{STREAMS}", f"-D{seconds}", *words, url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60)
    count = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if done.returncode or not count or "Application protocol: h2" not in done.stdout:
        return {"requests": 0, "rate": 0.0, "errors": done.stderr.strip() or done.stdout[-500:]}
    requests, *wrong = map(int, count.groups())
    errors = {kind: n for kind, n in zip(("failed", "errored", "timeout"), wrong) if n}
    return {"requests": requests, "rate": requests / seconds, "errors": errors}


def h2(here, proxy, seconds, connections):
    return h2load(f"https://127.0.0.1:{proxy.ports['tls']}/66", seconds, connections)


def grpc(here, proxy, seconds, connections):
    fields = [word for field in secure.GRPC for word in ("-H", field)]
    words = ["-d", str(here.folder / "grpc/message"), *fields]
    return h2load(f"https://127.0.0.1:{proxy.ports['grpc']}/", seconds, connections, *words)


def h2c(here, proxy, seconds, connections):
    return h2load(f"http://127.0.0.1:{proxy.ports['h2c']}/66", seconds, connections)


LOADS = {"tls": tls, "handshake": full, "resumed": resumed, "h2": h2, "grpc": grpc}


def secured(report, folder, args, cases):
    with stand(folder, args, Options(), kind=secure.Secure) as here:
        able = {it.name: it for it in here.proxies}
        for case in cases:
            def measure(proxy, seconds):
                before = proxy.cpu()
                one = LOADS[case](here, proxy, seconds, args.connections)
                return {**one, "us": (proxy.cpu() - before) / max(one["requests"], 1) * 1e6}

            by_cost(report, case, SECURE[case], rounds(report, case, able, measure, args))


def idle(report, folder, args):
    """Connections that made one request and are idle: HTTP/1.1 over TLS, and HTTP/2 in clear text."""
    count = min(IDLE, args.idle, raise_descriptors() // 2 - 1000)
    for word, port, load, title in (("idle-tls", "tls", tls, "TLS"), ("idle-h2", "h2c", h2c, "HTTP/2")):
        # Of its own, since memory that many connections had once is there for the next.
        with stand(folder, args, Options(), kind=secure.Secure) as here:
            each = {}
            for proxy in here.proxies:
                load(here, proxy, 1, args.connections)
                time.sleep(2)
                start = proxy.memory()
                more = [str(here.certificate)] if port == "tls" else []
                argv = [str(LOAD), word, f"127.0.0.1:{proxy.ports[port]}", str(count), *more]
                client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          text=True)
                said = client.stdout.readline()
                time.sleep(3)
                now = proxy.memory()
                _, wrong = client.communicate(timeout=30)
                if said == "idle\n":
                    each[proxy.name] = [{"each": (now - start) / count}]
                else:
                    report.wrong.append(f"{proxy.name}, {word}: {wrong.strip() or 'the clients ended'}")
                    print("!!! " + report.wrong[-1], flush=True)
        cells = {name: f"{median(it, 'each') / 1000:.1f} kB" for name, it in each.items()}
        report.row(f"memory of an idle {title} connection (of {count:,})", cells, ratios(each, ["each"]))
        report.raw[word] = each
        print(f"{word}: " + ", ".join(f"{name} {cell}" for name, cell in cells.items()), flush=True)
        if {"proxyd", "HAProxy"} <= each.keys():
            ours, most = median(each["proxyd"], "each"), IDLE_H2 if port == "h2c" else median(each["HAProxy"], "each")
            if ours > most:
                report.notes.append(f"{word}: {ours / 1000:.1f} kB a connection, {most / 1000:.1f} are aimed at")


def everything(report, folder, args):
    """No header rules: proxyd has none."""
    with stand(folder, args, Options(everything=True)) as here:
        able = {it.name: it for it in here.proxies}
        measure = lambda proxy, seconds: cost(proxy, "http", "/66", seconds, args.connections)
        results = rounds(report, "everything", able, measure, args)
        time.sleep(1)
        for proxy in here.proxies:
            lines = (proxy.folder / "access.log").read_bytes().count(b"\n")
            asked = sum(one["requests"] for one in results[proxy.name])
            if lines < asked:
                # proxyd drops lines, and counts them, before it delays a request.
                report.notes.append(f"{proxy.name} logged {lines:,} lines for {asked:,} requests")
    by_cost(report, "everything", "66 bytes with access log to a file, timers, health checks", results)


def servers(report, folder, args):
    """One backend of 3 servers, and one of thousands."""
    most = raise_descriptors()
    # Each server may be kept one idle connection by each worker.
    with stand(folder, args, Options(servers=3)) as few, \
            stand(folder, args, Options(servers=MANY, maxconn=min(9000, most // 2 - 1000))) as many:
        able = {(it.name, 3): it for it in few.proxies} | {(it.name, MANY): it for it in many.proxies}
        measure = lambda proxy, seconds: cost(proxy, "http", "/66", seconds, args.connections)
        results = rounds(report, "servers", able, measure, args)
    names = [it.name for it in many.proxies]
    cells = {}
    for name in names:
        growth = ratio(results[name, MANY], results[name, 3], "us")
        cells[name] = f"{median(results[name, MANY], 'us'):.1f} µs (×{growth:.2f})"
    report.row(f"66 bytes, {MANY:,} servers (× of 3 servers)", cells, ratios({it: results[it, MANY] for it in names}, ["us"]))
    report.raw["servers"] = {f"{name} {count}": it for (name, count), it in results.items()}
    print("servers: " + ", ".join(f"{name} {cell}" for name, cell in cells.items()), flush=True)


def settled(proxy, limit, seconds):
    """Its memory, once it is within the limit or time is up."""
    end = time.monotonic() + seconds
    while (now := proxy.memory()) > limit and time.monotonic() < end:
        time.sleep(0.2)
    return now


def memory(report, folder, args):
    """A connection that made one request and is idle; and what is left after all of them asked at once and went."""
    count = min(args.idle, raise_descriptors() // 2 - 1000)
    results = {}
    with stand(folder, args, Options(maxconn=count + 400)) as here:
        for proxy in here.proxies:
            cost(proxy, "http", "/66", 1, args.connections)
            time.sleep(1)
            start = proxy.memory()
            address = f"127.0.0.1:{proxy.ports['http']}"
            client = subprocess.Popen([str(LOAD), "idle", address, str(count)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                idle = burst = None
                if client.stdout.readline() == "idle\n":
                    time.sleep(2)
                    idle = proxy.memory()
                    client.stdin.write("\n")
                    client.stdin.flush()
                    if client.stdout.readline() == "burst\n":
                        burst = proxy.memory()
                client.stdin.close()
                client.wait(30)
                said = client.stderr.read().strip()
            finally:
                if client.poll() is None:
                    client.kill()
                    client.wait()
            if burst is None:
                report.wrong.append(f"{proxy.name}, memory: {said or 'the clients ended'}")
                print("!!! " + report.wrong[-1], flush=True)
                continue
            after = settled(proxy, start * 1.1, args.settle)
            results[proxy.name] = {"each": (idle - start) / count, "start": start, "idle": idle, "burst": burst,
                                   "after": after, "back": after / start}
    single = {name: [it] for name, it in results.items()}
    cells = {name: f"{it['each'] / 1000:.2f} kB" for name, it in results.items()}
    report.row(f"memory of an idle connection (of {count:,})", cells, ratios(single, ["each"]))
    mib = lambda size: f"{size / (1 << 20):.1f}"
    cells = {name: f"{mib(it['start'])} → {mib(it['burst'])} → {mib(it['after'])} MiB (×{it['back']:.2f})"
             for name, it in results.items()}
    report.row("memory before, in and after all of them asking at once", cells, {})
    report.raw["memory"] = results
    for name, it in results.items():
        print(f"memory: {name} {it['each']:.0f} bytes a connection, {cells[name]}", flush=True)


def latency(report, folder, args):
    """At a share of what HAProxy can do at most; the proxy has one processor, everybody else the others."""
    if os.cpu_count() < 2:
        report.notes.append("latency needs two processors")
        return
    rest = "1" if os.cpu_count() == 2 else f"1-{os.cpu_count() - 1}"
    with stand(folder, args, Options(workers=1, pin=("0", rest))) as here:
        haproxy = {"HAProxy": next(it for it in here.proxies if it.name == "HAProxy")}
        url = f"http://127.0.0.1:{haproxy['HAProxy'].ports['http']}/66"
        peaks = rounds(report, "peak", haproxy, lambda _, s: wrk(url, s, args.connections, threads=1, cpu=rest), args)
        peak = median(peaks["HAProxy"], "rate")
        report.raw["peak"] = peaks
        print(f"HAProxy's peak on one processor: {peak:,.0f}/s", flush=True)
        able = {it.name: it for it in here.proxies}
        for word, fraction in FRACTIONS.items():
            rate = peak * fraction

            def measure(proxy, seconds):
                words = ["rate", f"127.0.0.1:{proxy.ports['http']}", args.connections, seconds, rate]
                one = bench_load(words, seconds, rest)
                if one.get("lost"):
                    one["errors"] = f"{one['lost']} requests without an answer"
                return {"p50": 0.0, "p99": 0.0, "p999": 0.0, **one}

            results = rounds(report, "latency", able, measure, args)
            fields = ["p50", "p99", "p999"]
            cells = {name: " / ".join(f"{median(it, field):,.0f}" for field in fields) + " µs"
                     for name, it in results.items()}
            report.row(f"p50 / p99 / p99.9 at {word} of HAProxy's peak ({rate:,.0f}/s)", cells, ratios(results, fields))
            report.raw[f"latency {fraction}"] = results
            print(f"latency at {rate:,.0f}/s: " + ", ".join(f"{name} {it}" for name, it in cells.items()), flush=True)


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def table(report, args):
    """Markdown: what each needs, and proxyd's share of each peer's."""
    names = list(report.versions)
    peers = [name for name in names if name != "proxyd"] if "proxyd" in names else []
    head = ["case"] + [f"{name} {report.versions[name]}" for name in names] + [f"proxyd / {name}" for name in peers]
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["--:"] * (len(head) - 1)) + "|"]
    for title, cells, shares in report.rows:
        row = [title] + [cells.get(name, "-") for name in names] + [shares.get(name, "-") for name in peers]
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", f"Processor time of the proxy per request or frame (and how many a second), median of {args.rounds} "
              f"alternating rounds of {args.seconds} s over {args.connections} connections (wrk, two threads), 2 workers "
              f"each, two nginx origins on the same machine: {machine()}. TLS is 1.3 with X25519, AES-256-GCM and a certificate on "
              f"P-256 for all, HTTP/2 and gRPC from h2load over a tenth of the "
              f"connections; sessions resumed are counted at both ends. Aimed at of nginx "
              f"and HAProxy: {aims()}. Latency counts from the time a request was to be "
              f"sent; there the proxy has one worker on one core, everybody else the other. nginx checks no server but by "
              f"its traffic, and HAProxy's log file is its standard output. Header rules are left out, since proxyd has "
              f"none."]
    return "\n".join(lines)


def aims():
    return ", ".join(f"{case} {' and '.join(f'{it:.2f}' for it in most)}" for case, most in AIMS.items())


def update_readme(text):
    """Puts the table into the README; of a run of some cases, those rows, and the others stay."""
    readme = ROOT / "README.md"
    old = readme.read_text()
    found = re.search(r"<!-- bench -->\n(.*?)\n<!-- /bench -->", old, re.S)
    if not found:
        sys.exit("README.md has no <!-- bench --> ... <!-- /bench -->")
    readme.write_text(old[: found.start(1)] + merged(found[1], text) + old[found.end(1):])


def merged(old, new):
    """The rows of a table and what is below it; a row is known by its first cell."""
    split = lambda text: text.partition("\n\n")
    (known, _, _), (rows, gap, below) = split(old), split(new)
    title = lambda row: re.sub(r"[(\d,]+/s\)", "", row.split("|")[1])
    head, line, *known = known.splitlines()
    now = {title(row): row for row in rows.splitlines()[2:]}
    kept = [row for row in known if title(row) not in now]
    if kept and head != rows.splitlines()[0]:
        sys.exit("the README's table is of other versions: run all cases")
    lines = [head, line, *(now.pop(title(row), row) for row in known), *now.values()] if kept else rows.splitlines()
    if kept:
        below += " Not all rows are of one run, nor of as many rounds."
    return "\n".join(lines) + gap + below


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--idle", type=int, default=9000, help="idle connections, as far as descriptors allow")
    parser.add_argument("--settle", type=int, default=15, help="seconds a proxy has to give memory back")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--proxyd", default=str(ROOT / "target/release/proxyd"), help="the binary, a release build")
    parser.add_argument("--without-proxyd", action="store_true")
    parser.add_argument("--update-readme", action="store_true", help="put the rows of this run between the bench markers")
    args = parser.parse_args()
    if missing := missing_tools():
        sys.exit(f"missing: {', '.join(missing)}")
    args.proxyd = str(pathlib.Path(args.proxyd).resolve())

    raise_descriptors()
    report = Report()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        try:
            with stand(folder, args, Options()) as here:
                report.versions = {it.name: it.version for it in here.proxies}
            print(", ".join(" ".join(it) for it in report.versions.items()), f"on {machine()}", flush=True)
            if cases := [it for it in PLAIN if it in args.only]:
                plain(report, folder, args, cases)
            for case in (everything, servers, memory, latency):
                if case.__name__ in args.only:
                    case(report, folder, args)
            if cases := [it for it in SECURE if it in args.only]:
                secured(report, folder, args, cases)
            if "idle" in args.only:
                idle(report, folder, args)
        except Failure as failure:
            sys.exit(str(failure))

    text = table(report, args)
    print("\n" + text + "\n")
    for note in report.notes:
        print("note: " + note)
    OUT.mkdir(exist_ok=True)
    record = {"machine": machine(), "versions": report.versions, "seconds": args.seconds, "results": report.raw}
    (OUT / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    (OUT / "table.md").write_text(text + "\n")
    print(f"{time.monotonic() - began:.0f} s")
    if report.wrong:
        sys.exit("the numbers above do not count:\n" + "\n".join(report.wrong))
    if args.update_readme:
        update_readme(text)


if __name__ == "__main__":
    main()
