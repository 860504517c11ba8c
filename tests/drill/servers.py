"""Three servers that can be harmed: processes of `drill-origin`, each in a network of its own where that can be had."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "bench"))

from stand import Failure  # noqa: E402

NAMES = ("app1", "app2", "app3")


def origin_binary():
    """The release build, else the debug build: what it needs of the processor is the same for all."""
    told = os.environ.get("DRILL_ORIGIN_BIN")
    built = [ROOT / "target" / kind / "drill-origin" for kind in ("release", "debug")]
    for path in [pathlib.Path(told)] if told else built:
        if path.exists():
            return str(path)
    raise Failure("drill-origin is missing: cargo build --release -p proxyd-tests --bins")


def network_possible():
    """Whether networks can be made: root, with the tools and the kernel for it."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "unshare", "nsenter")):
        return False
    tried = ["unshare", "--net", "ip", "link", "add", "drill0", "type", "veth", "peer", "name", "drill1"]
    return subprocess.run(tried, capture_output=True).returncode == 0


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(argv)}: {done.stderr.strip()}")


class Network:
    """A network namespace with one wire to ours, held by a process that sleeps."""

    def __init__(self, number):
        self.ours, self.address = f"10.219.{number}.1", f"10.219.{number}.2"
        self.wire = f"drill{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.pid = str(self.holder.pid)
        end = time.monotonic() + 60
        while os.readlink(f"/proc/{self.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            if time.monotonic() > end:
                raise Failure("no network of its own for a server")
            time.sleep(0.01)
        run("ip", "link", "add", self.wire, "type", "veth", "peer", "name", "eth0", "netns", self.pid)
        run("ip", "address", "add", f"{self.ours}/30", "dev", self.wire)
        run("ip", "link", "set", self.wire, "up")
        for words in (["link", "set", "lo", "up"], ["address", "add", f"{self.address}/30", "dev", "eth0"],
                      ["link", "set", "eth0", "up"]):
            run(*self.inside("ip", *words))
        # What comes from where nothing could be sent back to is dropped as well.
        run(*self.inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter"))

    def inside(self, *argv):
        return ["nsenter", "--target", self.pid, "--net", *argv]

    def black_hole(self, on):
        run(*self.inside("ip", "route", "add" if on else "delete", "blackhole", f"{self.ours}/32"))

    def end(self):
        # With its holder the wire would go a while later.
        subprocess.run(["ip", "link", "delete", self.wire], capture_output=True)
        self.holder.kill()
        self.holder.wait()


class Server:
    """One server: a process that is killed, stopped or told to misbehave, and made well again."""

    def __init__(self, name, network=None):
        self.name, self.network, self.held = name, network, None
        if network:
            self.address = f"{network.address}:8080"
        else:
            # Bound and never listening: while the process is dead nobody else gets the port.
            self.held = socket.socket()
            self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.held.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % self.held.getsockname()[1]
        self.start()

    def start(self):
        argv = [origin_binary(), self.address]
        if self.network:
            argv = self.network.inside(*argv)
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answered(self.address)

    def answered(self, expected):
        said = self.process.stdout.readline().strip()
        if said != expected:
            raise Failure(f"{self.name} says {said!r} instead of {expected!r}")

    def order(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        self.answered(word)

    def harm(self, how):
        if how == "kill":
            self.process.kill()
            self.process.wait()
        elif how == "hang":
            self.process.send_signal(signal.SIGSTOP)
        elif how == "black hole" and self.network:
            self.network.black_hole(True)
        else:
            self.order({"slow": "slow", "500": "fail", "refuse": "refuse", "black hole": "mute"}[how])

    def heal(self, how):
        if how == "kill":
            self.start()
        elif how == "hang":
            self.process.send_signal(signal.SIGCONT)
        elif how == "black hole" and self.network:
            self.network.black_hole(False)
        else:
            self.order("well")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.held:
            self.held.close()


class Servers:
    """All of them, ended together."""

    def __init__(self):
        self.networks, self.all = [], []
        in_networks = network_possible()
        try:
            for number, name in enumerate(NAMES, 1):
                network = None
                if in_networks:
                    network = Network(number)
                    self.networks.append(network)
                self.all.append(Server(name, network))
        except BaseException:
            self.end()
            raise

    def end(self):
        for one in [*self.all, *self.networks]:
            one.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
