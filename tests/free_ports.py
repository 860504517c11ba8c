"""Ports for programs that cannot choose one themselves.

HAProxy shares its ports (SO_REUSEPORT): one that is given twice fails nowhere, and connections go to either listener. So
none is. Linux gives outgoing connections ports from 32768 on, so these stand below.
"""

import itertools
import os
import socket

FIRST, LAST = 10_000, 32_767
# As many a process has to itself, while it holds the first of them.
BLOCK = 256


def held(port):
    """The port, bound and not listening, or nothing."""
    it = socket.socket()
    try:
        it.bind(("127.0.0.1", port))
        return it
    except OSError:
        it.close()
        return None


def is_free(port):
    it = held(port)
    if it:
        it.close()
    return it is not None


def own():
    """Every port of this process's own, each once."""
    holders = []
    blocks = range(FIRST, LAST - BLOCK, BLOCK)
    for n in range(len(blocks)):
        first = blocks[(os.getpid() + n) % len(blocks)]
        if holder := held(first):
            holders.append(holder)
            yield from range(first + 1, first + BLOCK)


OWN = own()


def free_ports(count):
    """Ports nobody has, and that nobody was given."""
    ports = list(itertools.islice(filter(is_free, OWN), count))
    if len(ports) < count:
        raise RuntimeError("no port is free")
    return ports
