#!/usr/bin/env python3
"""kill -9 of the real core, at random moments and at each thing it does to its database, and power cuts: whatever was acknowledged is
kept, nothing that was recorded runs again, nobody waits for ever.

DYNFLOW_CRASH_ROUNDS: how many kills at random moments (default 8; `tests/run soak` takes 200).
DYNFLOW_CRASH_POINTS: at how many of the points of a database's life to kill (default 12; 0: all of them, as `tests/run soak`).
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


class RandomMoments(Crash):
    def setUp(self):
        super().setUp()
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))
        self.database = self.folder / "tasks.sqlite"

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
            for _ in range(ROUNDS):
                core.start()
                self.work_until_gone(work, core)
            core.start()
            self.verdict(work)
        finally:
            self.assertIn(core.stop(), (0, None))
        with sqlite3.connect(self.database) as rows:
            self.assertEqual(rows.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(rows.execute("SELECT name FROM events").fetchall(), [], "events of tasks that ended")
            self.assertEqual(rows.execute("SELECT plan_id, last_error FROM outbox").fetchall(), [])
        acknowledged = sum(task.acknowledged for task in work.tasks.values())
        self.assertGreater(acknowledged, ROUNDS)
        print(f"{ROUNDS} kills, {acknowledged} acknowledged tasks, {sum(work.ran().values())} recorded steps, seed {SEED}")


class EachPoint(Crash):
    """The core is killed by a preloaded library, just before a write, a truncation or a sync of its database, or behind a sync."""

    def core(self, folder, **preload):
        return CoreService(folder / "core", self.foreman.url, environment={"HOME": str(folder), **preload},
                           settings={"database": folder / "tasks.sqlite", "execution_plan_cleaner_age": 86400})

    def live(self, folder, at):
        """A short life, the same each time, until the point `at`, or to its end. Returns its workload and how many points it passed."""
        (folder / "synced").mkdir(parents=True)
        core = self.core(folder, LD_PRELOAD=preload_library("kill_points"), KILL_POINTS_FILES=str(folder / "tasks.sqlite"),
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
        if POINTS:
            points = sorted(self.chance.sample(points, min(POINTS, total)))
        for at in points:
            for power in (False, True):
                with self.subTest(point=at, of=total, power_is_cut=power, seed=SEED):
                    self.kill_at(self.folder / f"{at}-{power}", at, power)
        print(f"{len(points)} of {total} points, each with and without power, seed {SEED}")

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


if __name__ == "__main__":
    unittest.main()
