#!/usr/bin/python3
"""Checks of real servers: PostgreSQL, MariaDB, Redis, an SMTP sink and gRPC's health protocol, each seen up, seen down when it is stopped, and up again."""

import concurrent.futures
import glob
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import grpc
import stage

OPTIONS = [("grpc.so_reuseport", 0)]


class Service:
    """A server in a folder of its own, run by somebody without rights where this is root."""

    def __init__(self, name, user=None):
        self.name = name
        self.user = user if user and os.geteuid() == 0 else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="peer"))
        if self.user:
            shutil.chown(self.folder, self.user)
        (self.server_port,) = stage.free_ports(1)
        self.process = None
        self.prepare()
        self.start()

    def prepare(self):
        pass

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.argv(), cwd=self.folder, user=self.user, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        stage.eventually(f"{self.name} listens", lambda: self.process.poll() is not None or stage.listens(self.server_port), 60)
        stage.check(self.process.poll() is None, (self.folder / "log").read_text(errors="replace"))

    def run(self, *argv):
        done = subprocess.run(argv, cwd=self.folder, user=self.user, capture_output=True, text=True)
        stage.check(done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}")

    def kill(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def shutdown(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)


class Postgres(Service):
    def prepare(self):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        stage.check(found, "postgresql is missing")
        self.bin = pathlib.Path(found[-1])
        self.run(str(self.bin / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "--auth=scram-sha-256", "--no-sync",
                 f"--pwfile={self.password()}")

    def password(self):
        path = self.folder / "password"
        path.write_text("secret\n")
        if self.user:
            shutil.chown(path, self.user)
        return path

    def argv(self):
        return [str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.server_port),
                "-k", str(self.folder)]

    def kill(self):
        # Without waiting for anybody.
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


class Maria(Service):
    def prepare(self):
        self.run(stage.need("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data",
                 "--auth-root-authentication-method=normal", "--skip-test-db")

    def argv(self):
        return [stage.need("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", "--bind-address=127.0.0.1",
                f"--port={self.server_port}", f"--socket={self.folder}/sock", f"--pid-file={self.folder}/pid"]


class Redis(Service):
    def __init__(self, name, *more):
        self.more = more
        super().__init__(name)

    def argv(self):
        return [stage.need("redis-server"), "--bind", "127.0.0.1", "--port", str(self.server_port), "--save", "", *self.more]


class Smtp(Service):
    def argv(self):
        return [sys.executable, "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Sink", "-l", f"127.0.0.1:{self.server_port}"]


def varint_field(number, value):
    return bytes([number << 3, value])


class Health:
    """grpc.health.v1.Health by gRPC's own server; the messages are written by hand."""

    name = "grpc"

    def __init__(self):
        (self.server_port,) = stage.free_ports(1)
        self.state = {b"": 1, b"app": 1}
        self.start()

    def start(self):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=OPTIONS)
        handlers = {"Check": grpc.unary_unary_rpc_method_handler(self.answer)}
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)])
        stage.check(self.server.add_insecure_port(f"127.0.0.1:{self.server_port}"), "the port is taken")
        self.server.start()

    def answer(self, message, context):
        service = message[2:] if message else b""
        if service not in self.state:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return varint_field(1, self.state[service])

    def kill(self):
        self.server.stop(None).wait()

    shutdown = kill


def config(it):
    def backend(name, check, port):
        return f"""        (
            name: "{name}", mode: tcp, check: {check},
            servers: [(name: "{name}", address: "127.0.0.1:{port}")],
        ),
"""

    # Time enough for whoever is busy: who is left in the middle of a check complains.
    times = 'interval: "5s", fast_interval: "300ms", down_interval: "300ms", rise: 1, fall: 1'
    ports = {origin.name: origin.server_port for origin in it.origins}
    backends = "".join(
        backend(name, check.replace("TIMES", times), ports[origin]) for name, origin, check in CHECKS
    )
    return f"""(
    global: (workers: 1, sockets: [(path: "./proxyd.sock", mode: "0600", level: admin)]),
    frontends: [(name: "web", mode: tcp, bind: ["127.0.0.1:{it.web}"], default_backend: "postgres")],
    backends: [
{backends}    ],
)
"""


# Backend, its server, what is asked.
CHECKS = [
    ("postgres", "postgres", 'postgres(user: "proxyd", database: "postgres", TIMES)'),
    ("mysql", "mysql", "mysql(TIMES)"),
    ("mysql_user", "mysql", 'mysql(user: "root", TIMES)'),
    ("redis", "redis", "redis(TIMES)"),
    ("redis_script", "redis", r'script(steps: [connect, send("PING\r\n"), expect("+PONG"), send("ECHO x\r\n"), expect(regex("^.1\r\nx"))], TIMES)'),
    ("smtp", "smtp", 'smtp(helo: "checks.example", TIMES)'),
    ("grpc", "grpc", "grpc(TIMES)"),
    ("grpc_service", "grpc", 'grpc(service: "app", TIMES)'),
]
# The same servers asked for what they do not have.
REFUSED = [
    ("redis_locked", "redis_locked", "redis(TIMES)", "L7STS", "NOAUTH"),
    ("mysql_nobody", "mysql", 'mysql(user: "nobody_here", TIMES)', "L7STS", "Access denied"),
    ("grpc_unknown", "grpc", 'grpc(service: "other", TIMES)', "L7STS", "NOT_FOUND: unknown service"),
    ("postgres_as_redis", "postgres", "redis(TIMES)", None, ""),
    ("redis_as_smtp", "redis", "smtp(TIMES)", None, ""),
    ("smtp_as_postgres", "smtp", 'postgres(user: "x", TIMES)', None, ""),
]
CHECKS += [(name, origin, check) for name, origin, check, *_ in REFUSED]


def main():
    services = [
        Postgres("postgres", "postgres"),
        Maria("mysql", "mysql"),
        Redis("redis"),
        Redis("redis_locked", "--requirepass", "secret"),
        Smtp("smtp"),
        Health(),
    ]
    by_name = {service.name: service for service in services}
    refused = {name for name, *_ in REFUSED}
    with stage.Own("proxyd", config, services) as it:
        def row(name):
            return it.rows()[(name, name)]

        def is_up(name):
            found = row(name)
            return found["status"] == "UP" and found["check_status"].lstrip("* ") == "L7OK"

        for name, origin, _ in CHECKS:
            if name not in refused:
                stage.eventually(f"{name} is up: {row(name)}", lambda name=name: is_up(name))
                print(f"{name}: up, {row(name)['last_chk']!r}")
        for name, _, _, status, words in REFUSED:
            stage.eventually(f"{name} is down", lambda name=name: row(name)["status"] == "DOWN")
            if status:
                stage.eventually(f"{name} says why: {row(name)}", lambda name=name, status=status, words=words: (
                    row(name)["check_status"].lstrip("* ") == status and words in row(name)["last_chk"]))
            print(f"{name}: down, {row(name)['check_status']} {row(name)['last_chk']!r}")
        # A server that says that it is not well is believed.
        by_name["grpc"].state[b"app"] = 2
        stage.eventually("the service is down", lambda: row("grpc_service")["status"] == "DOWN")
        stage.eventually("it says so", lambda: row("grpc_service")["last_chk"] == "NOT_SERVING")
        stage.eventually("the server as a whole is well", lambda: is_up("grpc"))
        by_name["grpc"].state[b"app"] = 1
        stage.eventually("and up again", lambda: is_up("grpc_service"))
        for service in services:
            names = [name for name, origin, _ in CHECKS if origin == service.name and name not in refused]
            service.kill()
            for name in names:
                stage.eventually(f"{name} is down: {row(name)}", lambda name=name: row(name)["status"] == "DOWN")
                print(f"{name}: down when stopped, {row(name)['check_status']}")
            service.start()
            for name in names:
                stage.eventually(f"{name} is up again: {row(name)}", lambda name=name: is_up(name))
        # Nobody was made to complain.
        log = (by_name["postgres"].folder / "log").read_text(errors="replace")
        stage.check("reset by peer" not in log, log[-2000:])
    print("checks: all as they should be")


main()
