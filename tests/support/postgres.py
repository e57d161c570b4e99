"""A PostgreSQL server of the test's own: a cluster in a folder, on a free loopback port, that syncs to the disk as one in production does.

Works as root (the server then runs as the user postgres, or nobody) and as an ordinary user. Needs the package postgresql.
"""

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from network import free_port, wait_until


def program(name):
    """Debian keeps the server's programs out of the PATH. The newest version counts."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    found = next((folder / name for folder in folders if (folder / name).exists()), None)
    path = found or shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"no {name}: install the package postgresql")
    return str(path)


def unprivileged_user():
    """Who runs the server, which refuses to be root; None: whoever we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise KeyError("neither a user postgres nor nobody")


class Postgres:
    """`folder` must be reachable for the user who runs the server. `settings`: lines of postgresql.conf that win."""

    def __init__(self, folder, settings=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.port = free_port("127.0.0.1")
        self.is_running = False
        self._user = unprivileged_user()
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "--pgdata", str(self.data), "--username", "dynflow", "--auth", "trust", "--encoding", "UTF8",
                  "--locale", "C.UTF-8", "--no-sync")
        lines = ["listen_addresses = '127.0.0.1'", f"port = {self.port}", "unix_socket_directories = ''",
                 "max_connections = 100", *settings]
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def _run(self, name, *arguments):
        """Runs one of the server's programs as its owner."""
        identity = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        with open(self.folder / f"{name}.log", "ab") as words:
            subprocess.run([program(name), *arguments], check=True, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
                           cwd=self.folder, timeout=120, **identity)

    def start(self):
        self._run("pg_ctl", "--pgdata", str(self.data), "--log", str(self.log), "--wait", "start")
        self.is_running = True

    def stop(self, mode="fast"):
        """"fast" cuts connections and writes everything; "immediate" is as good as a crash."""
        self._run("pg_ctl", "--pgdata", str(self.data), "--mode", mode, "--wait", "stop")
        self.is_running = False

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill(self):
        """kill -9 of the server's first process. Returns when the others, which notice it, have ended too."""
        pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        os.kill(pid, signal.SIGKILL)
        self.is_running = False
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the end of the server", 30)

    def url(self, database="postgres", port=None, schema=None):
        """What `:database:` takes. `port`: of a proxy in between."""
        options = f"&options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://dynflow@127.0.0.1:{port or self.port}/{database}?sslmode=disable{options}"

    def query(self, sql, database="postgres", schema=None):
        """The rows of a statement, each a list of texts."""
        answer = subprocess.run([program("psql"), "--no-psqlrc", "--no-align", "--tuples-only", "--field-separator", "\x1f",
                                 "--set", "ON_ERROR_STOP=1", "--command", sql, self.url(database, schema=schema)],
                                check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return [line.split("\x1f") for line in answer.stdout.splitlines()]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.is_running:
            self.stop("immediate")


class CuttingProxy:
    """A TCP proxy in front of a server; `cut()` resets all connections that go through it."""

    def __init__(self, server_port):
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs = set()
        self._threads = []
        self._is_running = True
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self):
        while self._is_running:
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port), timeout=5)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            thread = threading.Thread(target=self._carry, args=(pair,))
            self._threads.append(thread)
            thread.start()

    def _carry(self, pair):
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        try:
            while self._is_running:
                for source in select.select(pair, [], [], 0.05)[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    other[source].sendall(data)
        except (OSError, ValueError):
            return  # cut, or the peer is gone
        finally:
            with self._lock:
                self._pairs.discard(pair)
            for one in pair:
                one.close()

    def cut(self):
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # gone already

    def close(self):
        self._is_running = False
        self._acceptor.join()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
