"""Ports and waiting. Every wait has a deadline and says what it waited for."""

import random
import socket
import time
from pathlib import Path


_chance = random.SystemRandom()  # not the generator that tests seed


def free_port(host="127.0.0.1"):
    """A port on `host` that is this process's until it ends. Where the system leaves room, it is none of those that it gives to clients:
    a server that is down for a while finds its port free again."""
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    end = first_of_clients if first_of_clients > 11000 else 65536
    for _ in range(1000):
        port = _chance.randrange(10000, end)
        if _can_listen(host, port) and _reserve(port):
            return port
    raise OSError(f"no free port on {host}")


def _can_listen(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _reserve(port):
    """Between the tests that run at the same time: a name in the abstract namespace, open until the process ends."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0smart-proxy-dynflow-test-port-{port}")
    except OSError:
        name.close()
        return False
    name.detach()
    return True


def wait_until(condition, what, timeout=20.0, interval=0.02):
    """The first true value of condition(); TimeoutError with `what` when none came in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


def answers(host, port):
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
