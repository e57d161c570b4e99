#!/usr/bin/env python3
"""Three core services on one PostgreSQL: any of them answers for every task, and what a dead or hung one worked on is taken over,
once. Leases are 60 s, so this takes somewhat more than a minute."""

import collections
import shutil
import signal
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from postgres import Postgres
from programs import CoreService

TASKS = 20  # on each core


class SeveralCores(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="cores-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.server = self.enterContext(Postgres(self.folder / "postgres"))
        self.cores = [self.enterContext(CoreService(self.folder / f"core{number}", self.foreman.url,
                                                    settings={"database": self.server.url()}))
                      for number in range(3)]
        self.evidence = self.folder / "ran"

    def post(self, core, path, document):
        """503 is an honest answer while a core joins again or its database restarts; the same may then be sent again."""
        def taken():
            answer = core.http.post(path, document)
            self.assertIn(answer.status, (200, 503), answer.text)
            return answer if answer.status == 200 else None
        return wait_until(taken, f"{path} to be taken", 60, 0.1)

    def launch(self, core, action_class, count=TASKS, **more):
        entries = {str(uuid.uuid4()): {"action_class": action_class,
                                       "action_input": {"callback": {"task_id": str(uuid.uuid4()), "step_id": 3}, **more}}
                   for _ in range(count)}
        self.post(core, "/tasks/launch", {"operation": "batch", "input": entries, "options": {}})
        return {plan: entry["action_input"]["callback"]["task_id"] for plan, entry in entries.items()}

    def states(self, core, plans):
        known = self.post(core, "/tasks/status", {"task_ids": list(plans)}).json()
        return {plan: (known[plan]["state"], known[plan]["result"]) for plan in plans}

    def wait_for_states(self, core, plans, *wanted, timeout=60):
        wait_until(lambda: set(self.states(core, plans).values()) <= set(wanted), f"all plans to be {wanted}", timeout, 0.2)

    def end(self, core, plan):
        self.post(core, f"/tasks/{plan}/done", {"step_id": 2, "token": str(uuid.uuid4()), "exit_code": 0})

    def callbacks(self):
        return collections.Counter(callback.task_id for callback in self.foreman.callbacks())

    def test_any_core_answers_for_every_task(self):
        first, second, third = self.cores
        waiting = self.launch(first, "PeerOps::Collect")
        for core in self.cores:
            self.wait_for_states(core, waiting, ("running", "pending"))
        cancelled, *others = waiting
        answer = third.http.post(f"/tasks/{cancelled}/cancel", None)
        self.assertEqual((answer.status, answer.json()["canceled_steps_count"]), (200, 1))
        for plan in others:
            self.end(second, plan)
        self.wait_for_states(third, others, ("stopped", "success"))
        self.assertEqual({state for state, _ in self.states(second, [cancelled]).values()}, {"stopped"})
        self.foreman.wait_for(len(waiting))
        self.assertEqual(self.callbacks(), dict.fromkeys(waiting.values(), 1))

    def test_a_dead_and_a_hung_core_lose_their_plans_to_the_third(self):
        dead, hung, living = self.cores
        plans = {}
        for core in self.cores:
            plans.update(self.launch(core, "PeerOps::Collect"))
        ran = self.launch(dead, "PeerOps::Record", file=str(self.evidence), before=0)
        self.wait_for_states(living, plans, ("running", "pending"))
        self.wait_for_states(living, ran, ("stopped", "success"))
        dead.kill()
        hung.signal(signal.SIGSTOP)
        self.addCleanup(hung.signal, signal.SIGCONT)

        # Events for the plans of cores that do not answer are taken, and wait for the one that takes the plans over.
        for plan in plans:
            self.end(living, plan)
        self.wait_for_states(living, plans, ("stopped", "success"), timeout=150)
        hung.signal(signal.SIGCONT)
        hung.wait_for_log("was declared dead by another one", 60)
        again = self.launch(hung, "PeerOps::Record", file=str(self.evidence), before=0)
        self.wait_for_states(living, again, ("stopped", "success"))
        everything = {**plans, **ran, **again}
        wait_until(lambda: self.callbacks().keys() >= set(everything.values()), "all callbacks", 120)
        lines = self.evidence.read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(lines), len(set(lines)), "a step ran twice")
        self.assertEqual(len(lines), len(ran) + len(again))

    def test_the_database_restarts_and_nothing_is_lost(self):
        plans = {}
        for round_number in range(3):
            for core in self.cores:
                plans.update(self.launch(core, "PeerOps::Collect", 5))
            self.server.restart("fast" if round_number % 2 else "immediate")
        self.wait_for_states(self.cores[0], plans, ("running", "pending"))
        for number, plan in enumerate(plans):
            self.end(self.cores[number % 3], plan)
        self.wait_for_states(self.cores[1], plans, ("stopped", "success"))
        wait_until(lambda: self.callbacks().keys() >= set(plans.values()), "all callbacks", 60)


if __name__ == "__main__":
    unittest.main()
