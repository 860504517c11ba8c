"""A WebSocket server that says back what it is told."""

import asyncio
import threading

import stage
import websockets

MIB = 1 << 20


async def echo(one, path):
    """A text `close 4001 why` is done, and one that asks for the path is told it."""
    async for said in one:
        if isinstance(said, str) and said.startswith("close "):
            _, code, why = said.split(" ", 2)
            await one.close(int(code), why)
            return
        if said == "path":
            said = path
        await one.send(said)


class Echo:
    """On a thread of its own."""

    def __init__(self):
        self.name = "ws"
        self.loop = asyncio.new_event_loop()
        self.closes = []
        started = threading.Event()

        async def serve():
            async def handler(one, path):
                try:
                    await echo(one, path)
                except websockets.ConnectionClosed:
                    pass
                finally:
                    await one.wait_closed()
                    self.closes.append((one.close_code, one.close_reason))

            self.server = await websockets.serve(handler, "127.0.0.1", 0, max_size=4 * MIB, ping_interval=None)
            self.server_port = self.server.sockets[0].getsockname()[1]
            started.set()

        def run():
            self.loop.run_until_complete(serve())
            self.loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        stage.check(started.wait(10), "the echo server starts")

    def shutdown(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
