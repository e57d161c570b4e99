#!/usr/bin/env python3
"""kill -9 of the real core, at random moments and at each thing it does to its database, on SQLite and PostgreSQL, and power cuts:
whatever was acknowledged is kept, nothing that was recorded runs again, nobody waits for ever.

DYNFLOW_CRASH_ROUNDS: how many kills at random moments (default 8; `tests/run soak` takes 200).
DYNFLOW_CRASH_POINTS: at how many of the points of a database's life to kill (default 12; 0: all of them, as `tests/run soak`).
On PostgreSQL both are a half of that in an ordinary run.
DYNFLOW_CRASH_SEED: repeats a run."""

import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
import unittest
from pathlib import Path

from foreman import Foreman
from postgres import Postgres
from programs import CoreService, preload_library
from sshd import Sshd
from workload import Workload

ROUNDS = int(os.environ.get("DYNFLOW_CRASH_ROUNDS", "8"))
POINTS = int(os.environ.get("DYNFLOW_CRASH_POINTS", "12"))
SEED = int(os.environ.get("DYNFLOW_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
KINDS = ["noop", "noop", "record", "fail", "collect", "collect", "script", "ssh", "sleeper"]


class Crash(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="crash-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.chance = random.Random(SEED)
        self.foreman = self.enterContext(Foreman())


class Server(Postgres):
    """A PostgreSQL that several lives of a core use, one database a life or one for all."""

    def __init__(self, folder):
        folder.parent.chmod(0o755)  # it is another user
        super().__init__(folder)

    def make_database(self, name):
        self.query(f"CREATE DATABASE {name}")
        return self.url(name)

    def let_leases_end(self, name):
        """As if a core that was killed had been gone for longer than its lease: the next one that starts takes up its plans."""
        if self.query("SELECT to_regclass('worlds') IS NOT NULL", name) == [["t"]]:
            self.query("UPDATE worlds SET lease_until = now() - interval '1 second'", name)


class RandomMoments(Crash):
    def setUp(self):
        super().setUp()
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))
        self.database = self.folder / "tasks.sqlite"
        self.rounds = ROUNDS

    def after_kill(self):
        pass

    def check_database(self):
        with sqlite3.connect(self.database) as rows:
            self.assertEqual(rows.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(rows.execute("SELECT name FROM events").fetchall(), [], "events of tasks that ended")
            self.assertEqual(rows.execute("SELECT plan_id, last_error FROM outbox").fetchall(), [])

    def core(self):
        return CoreService(self.folder / "core", self.foreman.url, ssh_key=self.sshd.client_key,
                           settings={"database": self.database, "execution_plan_cleaner_age": 86400},
                           environment={"HOME": str(self.folder)})

    def work_until_gone(self, work, core):
        """Launches and disturbs from two threads until the core is killed under them."""
        gone = threading.Event()

        def launching():
            while not gone.is_set() and work.launch(self.chance.choices(KINDS, k=self.chance.randrange(1, 30))):
                pass

        def disturbing():
            while not gone.is_set() and work.disturb():
                time.sleep(0.001)
        threads = [threading.Thread(target=target) for target in (launching, disturbing)]
        for thread in threads:
            thread.start()
        time.sleep(self.chance.uniform(0.0, 0.8) ** 2)
        core.kill()
        gone.set()
        for thread in threads:
            thread.join()

    def verdict(self, work):
        work.settle()
        wrong = work.check(self.foreman)
        self.assertEqual(wrong[:20], [], f"{len(wrong)} faults among {len(work.tasks)} tasks, seed {SEED}")

    def test_kill_9_at_random_moments(self):
        core = self.core()
        work = Workload(core.http, "", self.folder, self.chance, self.sshd)
        try:
            for _ in range(self.rounds):
                core.start()
                self.work_until_gone(work, core)
                self.after_kill()
            core.start()
            self.verdict(work)
        finally:
            self.assertIn(core.stop(), (0, None))
        self.check_database()
        acknowledged = sum(task.acknowledged for task in work.tasks.values())
        self.assertGreater(acknowledged, self.rounds)
        print(f"{self.rounds} kills, {acknowledged} acknowledged tasks, {sum(work.ran().values())} recorded steps, seed {SEED}")


class RandomMomentsOnPostgres(RandomMoments):
    def setUp(self):
        super().setUp()
        self.server = self.enterContext(Server(self.folder / "postgres"))
        self.database = self.server.make_database("tasks")
        self.rounds = ROUNDS if "DYNFLOW_CRASH_ROUNDS" in os.environ else ROUNDS // 2

    def after_kill(self):
        self.server.let_leases_end("tasks")

    def check_database(self):
        self.assertEqual(self.server.query("SELECT name FROM events", "tasks"), [], "events of tasks that ended")
        self.assertEqual(self.server.query("SELECT plan_id, last_error FROM outbox", "tasks"), [])
        counted = ("SELECT state, sum(count) FROM plan_counts GROUP BY state HAVING sum(count) <> 0 ORDER BY state",
                   "SELECT state, count(*) FROM plans GROUP BY state ORDER BY state")
        self.assertEqual(*(self.server.query(sql, "tasks") for sql in counted))


class EachPoint(Crash):
    """The core is killed by a preloaded library, just before a write, a truncation or a sync of its database, or behind a sync."""

    POWER = (False, True)  # whether it is cut
    POINTS = POINTS

    def core(self, folder, **preload):
        return CoreService(folder / "core", self.foreman.url, environment={"HOME": str(folder), **preload},
                           settings={"database": self.database_of(folder), "execution_plan_cleaner_age": 86400})

    def database_of(self, folder):
        return folder / "tasks.sqlite"

    def watched(self, folder):
        """What the library counts."""
        return {"KILL_POINTS_FILES": str(self.database_of(folder))}

    def after_kill(self, folder):
        pass

    def live(self, folder, at):
        """A short life, the same each time, until the point `at`, or to its end. Returns its workload and how many points it passed."""
        (folder / "synced").mkdir(parents=True)
        core = self.core(folder, LD_PRELOAD=preload_library("kill_points"), **self.watched(folder),
                         KILL_POINTS_COUNT=str(folder / "count"), KILL_POINTS_SYNCED=str(folder / "synced"),
                         **({"KILL_POINTS_AT": str(at)} if at else {}))
        work = Workload(core.http, "", folder, random.Random(SEED))
        try:
            core.start()
        except RuntimeError:
            if at is None or core.is_running():
                raise
        else:
            self.short_life(work)
        core.kill()
        self.after_kill(folder)
        return work, struct.unpack("Q", (folder / "count").read_bytes())[0]

    @staticmethod
    def short_life(work):
        try:
            for kinds in (["noop", "record", "collect"], ["fail", "sleeper", "collect", "script"]):
                if not work.launch(kinds):
                    return
            for _ in range(6):
                if not work.disturb():
                    return
            work.settle()
        except OSError:
            pass

    def cut_power(self, folder):
        """The database becomes what it was when it was synced."""
        for file in folder.glob("tasks.sqlite*"):
            if not file.name.endswith(".lock"):
                file.unlink()
        for file in (folder / "synced").iterdir():
            if not file.name.endswith(".part"):
                shutil.copy(file, folder / file.name)

    def test_every_point(self):
        _, total = self.live(self.folder / "whole", None)
        self.assertGreater(total, 20)
        points = range(1, total + 1)
        if self.POINTS:
            points = sorted(self.chance.sample(points, min(self.POINTS, total)))
        for at in points:
            for power in self.POWER:
                with self.subTest(point=at, of=total, power_is_cut=power, seed=SEED):
                    self.kill_at(self.folder / f"{at}-{power}", at, power)
        print(f"{len(points)} of {total} points, {len(self.POWER)} times each, seed {SEED}")

    def kill_at(self, folder, at, power):
        self.foreman.clear()
        work, _ = self.live(folder, at)
        if power:
            self.cut_power(folder)
        core = self.core(folder)
        work.client = core.http
        with core:
            work.settle()
            wrong = work.check(self.foreman)
            self.assertEqual(wrong[:20], [], f"{len(wrong)} faults among {len(work.tasks)} tasks")
        shutil.rmtree(folder)


class EachPointOnPostgres(EachPoint):
    """Just before each thing that is sent to the server. Its power stays on: what a commit is worth there is its own business."""

    POWER = (False,)
    POINTS = POINTS if "DYNFLOW_CRASH_POINTS" in os.environ else POINTS // 2

    def setUp(self):
        super().setUp()
        self.server = self.enterContext(Server(self.folder / "postgres"))
        self.databases = {}

    def database_of(self, folder):
        if folder not in self.databases:
            self.databases[folder] = self.server.make_database(f"life{len(self.databases)}")
        return self.databases[folder]

    def watched(self, folder):
        return {"KILL_POINTS_SERVER": str(self.server.port)}

    def after_kill(self, folder):
        self.server.let_leases_end(f"life{list(self.databases).index(folder)}")


if __name__ == "__main__":
    unittest.main()
