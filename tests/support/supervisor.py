"""What systemd is to a service: passes listening sockets, hears its notifications, keeps the sockets that it asks to keep."""

import array
import os
import socket
import sys
import time
from pathlib import Path

from network import wait_until

# Puts the sockets where sd_listen_fds(3) looks for them, and becomes the program. A shell cannot: LISTEN_PID is its own id.
TRAMPOLINE = """
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 200) for fd in sys.argv[2:2 + count]]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


def listening_socket(port, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen(512)
    return made


class Supervisor:
    """`sockets`: (name, listening socket) of a socket unit."""

    def __init__(self, folder, sockets=(), watchdog_seconds=None):
        self.sockets = list(sockets)
        self.kept = {}  # name: file descriptor; what FDSTORE=1 asked for
        self.messages = []
        self.watchdog_seconds = watchdog_seconds
        path = Path(folder, "notify")
        self._address = str(path)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(self._address)
        self._notify.setblocking(False)

    def close(self):
        self._notify.close()
        for _, one in self.sockets:
            one.close()
        for fd in self.kept.values():
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, command):
        """The command that starts `command` as a service, and the descriptors to pass."""
        fds = self._fds()
        return [sys.executable, "-c", TRAMPOLINE, str(len(fds)), *map(str, fds.values()), *command], list(fds.values())

    def environment(self):
        more = {"NOTIFY_SOCKET": self._address}
        fds = self._fds()
        if fds:
            more.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(name for name, _ in fds))
        if self.watchdog_seconds:
            more["WATCHDOG_USEC"] = str(int(self.watchdog_seconds * 1_000_000))
        return more

    def _fds(self):
        self.receive()
        return {**{(name, number): one.fileno() for number, (name, one) in enumerate(self.sockets)},
                **{(name, 0): fd for name, fd in self.kept.items()}}

    def receive(self):
        """Takes in what has arrived; everything that was said so far."""
        while True:
            try:
                text, ancillary, _, _ = self._notify.recvmsg(4096, socket.CMSG_SPACE(64 * 4))
            except BlockingIOError:
                return self.messages
            fds = array.array("i")
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
            fields = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "FDSTORE" in fields:
                self._forget(fields["FDNAME"])
                self.kept[fields["FDNAME"]] = fds[0]
            if "FDSTOREREMOVE" in fields:
                self._forget(fields["FDNAME"])
            self.messages.append((time.clock_gettime(time.CLOCK_MONOTONIC), fields))

    def _forget(self, name):
        if name in self.kept:
            os.close(self.kept.pop(name))

    def count(self, key, value="1"):
        return sum(1 for _, fields in self.receive() if fields.get(key) == value)

    def wait_for(self, key, count=1, timeout=30.0):
        wait_until(lambda: self.count(key) >= count, f"{key}=1 for the {count}. time", timeout)
