#!/usr/bin/env python3
"""Ctrl-C and its like at any moment of dynflow-migrate: it says so, ends with 2, frees its lock, and the same command goes on."""

import fcntl
import os
import random
import signal
import subprocess
import time
import unittest

import side_by_side
from migrating_site import UNIT, MigratingSite, stopped_at
from network import wait_until
from programs import binary
from ruby_database import RubyDatabase, recorded

ROUNDS = int(os.environ.get("DYNFLOW_INTERRUPTS", "6"))
ERROR, CHANGED, JOBS_RUN = 2, 3, 4
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts(MigratingSite):
    def lock_is_free(self):
        with open(self.folder / "proxy/state/dynflow-migrate/lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def interrupt_at_each(self, steps, last, *command):
        """`last` is ended before anybody is asked: an interrupt comes too late there."""
        for at, step in enumerate(steps):
            with self.subTest(step):
                began, status, said = self.stop_at(f"step {step}", *command, number=SIGNALS[at % len(SIGNALS)])
                self.assertEqual(status, CHANGED if step == last else ERROR, said)
                if step != last:
                    self.assertIn("interrupted", said)
                    self.assertIn("the same command", said)
                self.assertLessEqual(len(began), 2, f"steps that are done are not repeated: {began}")
                self.lock_is_free()

    def test_at_each_step_there_and_back(self):
        self.launch(4, (5, 6))
        self.hold_a_job()
        apply = ("apply", "--to", "internal", "--hand-over")
        self.interrupt_at_each(("snapshot", "settings", "flip", "wait"), None, *apply)
        self.assertEqual(self.services.calls(), [], "nothing is stopped while jobs run")
        self.release_jobs()
        wait_until(lambda: self.mode() == "in-process", "the end of the jobs of before", 120)
        self.interrupt_at_each(("verify", "retire"), "retire", *apply)
        self.assertIn("nothing to do", self.run_tool(*apply).stdout)
        self.launch(4, (3, 4))
        self.interrupt_at_each(("start", "settings", "flip", "wait"), None, "rollback")
        self.interrupt_at_each(("verify",), "verify", "rollback")
        self.assertEqual(self.mode(), "external")
        self.check_nothing_is_lost()

    def test_at_any_moment(self):
        """Also while it reads, writes, or waits for an answer."""
        moments = random.Random(7)
        for at in range(ROUNDS):
            command = ("apply", "--to", ("internal", "external")[at % 2], "--hand-over")
            for _ in range(2):
                self.at_a_moment(moments.uniform(0.01, 0.4), SIGNALS[at % len(SIGNALS)], *command)
            self.run_tool(*command, expected=None)
            self.assertIn("nothing to do", self.run_tool(*command).stdout)
            self.assertEqual(self.mode(), ("in-process", "external")[at % 2])
        self.launch(1, (0, 1))
        self.check_nothing_is_lost()

    def at_a_moment(self, seconds, number, *command):
        with subprocess.Popen(self.command(*command), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tool:
            time.sleep(seconds)
            tool.send_signal(number)
            said = tool.stdout.read()
        if "interrupted" in said:
            self.assertEqual(tool.returncode, ERROR, said)
        else:
            # Too early for a word, or too late.
            self.assertIn(tool.returncode, (-number, 0, CHANGED), said)
            self.assertTrue(tool.returncode >= 0 or "step" not in said, said)
        if (self.folder / "proxy/state/dynflow-migrate/lock").exists():
            self.lock_is_free()

    def test_while_it_waits_for_jobs_to_end(self):
        self.hold_a_job()
        apply = ("apply", "--to", "internal", "--drain", "60")
        with subprocess.Popen(self.command(*apply), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tool:
            self.assertIn("jobs ended", tool.stdout.readline())
            self.assertIsNotNone(self.client.get("/dynflow/mode").json()["drained"])
            tool.send_signal(signal.SIGINT)
            self.assertIn("jobs still run; nothing was changed", tool.stdout.read())
        self.assertEqual(tool.returncode, JOBS_RUN)
        self.assertIsNone(self.client.get("/dynflow/mode").json()["drained"], "launches are taken again")
        self.lock_is_free()
        self.release_jobs()
        self.run_tool(*apply, expected=CHANGED)
        self.assertEqual((self.mode(), self.services.pid(UNIT)), ("in-process", 0))
        self.check_nothing_is_lost()

    def test_state_import(self):
        source, target = self.folder / "ruby.sqlite", self.folder / "target.sqlite"
        database = RubyDatabase(source, 25)
        status, steps = recorded("2.0.0", "tree-success")
        plans = 1000
        for number in range(plans):
            database.add_plan({**status, "id": f"{number:08x}-0000-4000-8000-000000000000"}, steps)
        database.close()
        temporary = self.folder / "temporary"
        temporary.mkdir()
        command = [str(binary("dynflow-migrate")), "state", "import", "--from", str(source), "--to", str(target)]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        for at, line in enumerate((f"1/{plans} plans looked at", f"{plans // 2}/{plans} plans looked at", f"{plans // 5}/{plans} plans written",
                                   f"{plans // 5 * 2}/{plans} plans written")):
            with self.subTest(line):
                _, status, said = stopped_at(line, SIGNALS[at % len(SIGNALS)], command, environment)
                self.assertEqual(status, ERROR, said)
                self.assertIn("interrupted", said)
                self.assertEqual(list(temporary.iterdir()), [], "the copy of the source goes away")
        moments = random.Random(7)
        for at in range(ROUNDS):
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tool:
                time.sleep(moments.uniform(0.02, 0.3))
                tool.send_signal(SIGNALS[at % len(SIGNALS)])
                said = tool.stdout.read()
            if "interrupted" in said:
                self.assertEqual(tool.returncode, ERROR, said)
            else:
                # Too early for a word, or too late.
                self.assertIn(tool.returncode, (0, CHANGED, -SIGNALS[at % len(SIGNALS)]), said)
            if tool.returncode >= 0:
                self.assertEqual(list(temporary.iterdir()), [], "the copy of the source goes away")
            if tool.returncode in (0, CHANGED):
                target.unlink()
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        self.assertIn(done.returncode, (0, CHANGED), done.stderr)
        self.assertIn(f"{plans} were there already", subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout)


if __name__ == "__main__":
    side_by_side.main(workers=4)
