"""Databases for one measurement each: SQLite files, or databases on a PostgreSQL server of the bench's own."""

import contextlib
import json
import subprocess
from pathlib import Path

from postgres import Postgres

from .measure import TICK, tree


def run_measured(store, command, timeout, cwd=None):
    """A program that says "begun" then a line of JSON with what it measured, and perhaps another with more: all their members in
    one, and the CPU of the store until the first."""
    with subprocess.Popen([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline().strip() != "begun":
                raise RuntimeError(f"{command[0]}: {process.communicate(timeout=timeout)[1][-800:]}")
            before = store.cpu_seconds()
            first = process.stdout.readline()
            server = store.cpu_seconds() - before
            words, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]}: {errors[-800:]}")
    answer = {"server_seconds": server}
    for line in [first, *words.splitlines()]:
        answer.update(json.loads(line))
    return answer


class SqliteFiles:
    name = "a SQLite file"

    def __init__(self, folder):
        self.folder = folder

    @contextlib.contextmanager
    def database(self, name):
        """What `:database:` takes. Removed at the end."""
        yield self.folder / f"{name}.sqlite"
        for file in self.folder.glob(f"{name}.sqlite*"):
            file.unlink()

    @staticmethod
    def cpu_seconds():
        """Of processes that work for the databases."""
        return 0.0


class PostgresServer:
    """A cluster as it comes from initdb, which syncs each commit."""

    name = "PostgreSQL"

    def __init__(self, folder):
        folder.parent.chmod(0o755)  # the server is another user, and the bench's folder ours alone
        folder.parents[1].chmod(0o755)
        self.server = Postgres(folder)
        self.server.start()

    @contextlib.contextmanager
    def database(self, name):
        name = name.replace("-", "_")
        self.server.query(f"CREATE DATABASE {name}")
        self.server.query("CHECKPOINT")
        yield self.server.url(name)
        self.server.query(f"DROP DATABASE {name} WITH (FORCE)")

    def cpu_seconds(self):
        """User and system time of all its processes, those that have ended included."""
        first = int((self.server.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        total = 0
        for pid in tree(first):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(map(int, fields[11:15] if pid == first else fields[11:13]))
        return total / TICK

    def close(self):
        self.server.stop("immediate")
