#!/usr/bin/python3
"""A WebSocket client and an echo server through proxyd, and through HAProxy in front of proxyd."""

import asyncio

import stage
import websockets
from echo import MIB, Echo


def connect(port, path="/chat?room=1"):
    return websockets.connect(f"ws://127.0.0.1:{port}{path}", max_size=4 * MIB, ping_interval=None, open_timeout=20)


async def one_after_another(port, origin):
    async with connect(port) as one:
        await one.send("path")
        stage.check(await one.recv() == "/chat?room=1", "the target arrives")
        for text in ("hello", "", "grüße", "x" * 70_000):
            await one.send(text)
            stage.check(await one.recv() == text, f"a text of {len(text)} comes back")
        binary = bytes(range(256)) * (MIB // 256)
        await one.send(binary)
        stage.check(await one.recv() == binary, "1 MiB of binary comes back")
        # In pieces, with a ping among them.
        await one.send([b"a" * 1000, b"b" * 1000, b"c"])
        stage.check(await one.recv() == b"a" * 1000 + b"b" * 1000 + b"c", "pieces come back")
        await asyncio.wait_for(await one.ping(b"are you there"), 20)
        # Both ways at once, more than any buffer holds.
        sending = asyncio.gather(*(one.send(binary) for _ in range(8)))
        for _ in range(8):
            stage.check(await one.recv() == binary, "many at once come back")
        await sending
        before = len(origin.closes)
        await one.close(4000, "enough")
    stage.check((one.close_code, one.close_reason) == (4000, "enough"), f"the client's close: {one.close_code}")
    stage.eventually("the server heard the close", lambda: origin.closes[before:] == [(4000, "enough")])
    async with connect(port) as one:
        await one.send("close 4001 of the server")
        await asyncio.wait_for(one.wait_closed(), 20)
    stage.check((one.close_code, one.close_reason) == (4001, "of the server"), f"the server's close: {one.close_code}")


async def fifty_at_once(port):
    open_now, all_open = [0], asyncio.Event()

    async def chat(n):
        async with connect(port) as one:
            open_now[0] += 1
            if open_now[0] == 50:
                all_open.set()
            await asyncio.wait_for(all_open.wait(), 30)
            for turn in range(20):
                await one.send(f"{n} {turn}")
                stage.check(await one.recv() == f"{n} {turn}", "everyone hears its own words")

    await asyncio.gather(*(chat(n) for n in range(50)))


def proxyd_config(it):
    return f"""(
    global: (workers: 2, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    defaults: (timeouts: (connect: "5s", client: "30s", server: "30s", tunnel: "60s")),
    frontends: [(name: "web", bind: ["127.0.0.1:{it.web}"], default_backend: "app")],
    backends: [(name: "app", servers: [(name: "ws", address: "127.0.0.1:{it.origins[0].server_port}")])],
)
"""


def haproxy_config(behind):
    return lambda it: f"""
global
    stats socket {it.socket} mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 60s
frontend web
    bind 127.0.0.1:{it.web}
    default_backend app
backend app
    server proxyd 127.0.0.1:{behind.web}
"""


with stage.Own("proxyd", proxyd_config, [Echo()]) as it, stage.Own("haproxy", haproxy_config(it)) as front:
    for port in (it.web, front.web):
        asyncio.run(one_after_another(port, it.origins[0]))
        asyncio.run(fifty_at_once(port))
    stage.eventually("nobody is connected", lambda: it.rows()[("web", "FRONTEND")]["scur"] == "0")
    row = it.rows()[("app", "ws")]
    stage.check(row["stot"] == "104" and row["hrsp_1xx"] == "104", f"each is a session with 101: {row}")
    stage.check((row["econ"], row["eresp"], row["cli_abrt"], row["srv_abrt"]) == ("0", "0", "0", "0"), f"no error: {row}")
    print("104 WebSockets, no error")
