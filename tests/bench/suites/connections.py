"""What 1,000 connections cost that are kept and say nothing, or drip a byte now and then: memory, threads, CPU, and other requests."""

import resource
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from foreman import Foreman
from programs import SmartProxy

from .isolation import Watch
from .measure import cpu_seconds, milliseconds, percentile, tree
from .nginx import Nginx
from .web import ANSWER

COUNT = 1000
SECONDS = 3
REQUEST = b"GET /version HTTP/1.1\r\nHost: h\r\n"


def memory_kib(pid):
    """Resident memory that belongs to the processes alone, of the whole tree."""
    total = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1])
    return total


def threads(pid):
    return sum(len(list(Path(f"/proc/{one}/task").iterdir())) for one in tree(pid))


class Crowd:
    """COUNT connections; `drips`: their heads never end, a byte comes every half second, else each has had an answer."""

    def __init__(self, port, drips):
        self.connections = []
        for _ in range(COUNT):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            self.connections.append(connection)
            connection.sendall(REQUEST + (b"X: " if drips else b"\r\n"))
            if not drips and not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("no answer")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._drip if drips else self._is_over.wait, daemon=True)
        self._thread.start()

    def _drip(self):
        while not self._is_over.wait(0.5):
            for connection in self.connections:
                connection.send(b"a")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        for connection in self.connections:
            connection.close()


def watched(port, pid):
    """Of other requests meanwhile: p50, p99, failed ones; CPU for each, of all that the program does."""
    before = cpu_seconds(pid)
    watch = Watch(port)
    watch.start()
    time.sleep(SECONDS)
    watch.stop()
    return [milliseconds(percentile(watch.took, 0.5)), milliseconds(percentile(watch.took, 0.99)), watch.failed,
            f"{(cpu_seconds(pid) - before) / SECONDS * 100:.1f}"]


def run(folder, rounds):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * COUNT), hard))
    rows = {}
    for number in range(rounds):
        with ExitStack() as stack:
            foreman = stack.enter_context(Foreman())
            nginx = stack.enter_context(Nginx(folder / f"nginx{number}", ANSWER))
            proxy = stack.enter_context(SmartProxy(folder / f"proxy{number}", foreman.url, settings={"log_level": "ERROR"}))
            for name, port, pid in (("nginx", nginx.port, nginx.pid), ("smart-proxy", proxy.port, proxy.process.pid)):
                rows[name, "none"] = [0, threads(pid), *watched(port, pid)]
                for what, drips in ((f"{COUNT:,} kept, idle", False), (f"{COUNT:,} that drip", True)):
                    alone = memory_kib(pid)
                    with Crowd(port, drips):
                        grown = (memory_kib(pid) - alone) / COUNT
                        rows[name, what] = [f"{grown:.1f}", threads(pid), *watched(port, pid)]
                    time.sleep(0.5)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield {"title": "Other connections, and GET /version and /features meanwhile",
           "columns": ["what", "other connections", "KiB each", "threads", "p50 ms", "p99 ms", "failed", "CPU % of one core"],
           "rows": [[name, what, *row] for (name, what), row in rows.items()],
           "notes": ["The last of the rounds. A request every 10 ms, each on a connection of its own. KiB: memory of the program alone, above what "
                     "it had before; what it has from before may be used again."]}
