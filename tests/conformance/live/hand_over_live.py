"""The proxy hands over from the Ruby sidecar to itself and back while jobs run."""

import contextlib
import random
import signal
import unittest
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from foreman import Foreman
from live_stand import FINISHED, Live, launch, text_of, wait_until
from mode_orders import begin_hand_over, mode_of
from programs import SmartProxy
from rest import Client
from ruby_systems import RubySidecar


class HandOver(Live):
    DATABASE = None  # of the sidecar
    LENGTH = 1.0     # of jobs, so that they still run when everything was asked

    def setUp(self):
        self.place = Path(mkdtemp(prefix="hand-over-", dir=self.folder))
        self.place.chmod(0o755)
        self.foreman = self.enterContext(Foreman())
        self.runs = self.place / "runs"
        self.runs.touch()
        database = self.place / "sidecar.sqlite" if self.DATABASE else None
        self.sidecar = self.enterContext(RubySidecar(self.place / "sidecar", self.sources, self.foreman.url, self.sshd.client_key,
                                                     settings={"database": database}))
        self.proxy = self.enterContext(SmartProxy(
            self.place / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=True, core_url=self.sidecar.url,
            dynflow={"database": self.place / "proxy.sqlite"}))
        self.client = self.proxy.http
        wait_until(lambda: self.client.get("/dynflow/tasks/operations").status == 200, "the relay")

    def jobs(self, count, seconds):
        made = []
        for _ in range(count):
            job = self.job("")
            job.entry["action_input"]["script"] = f"#!/bin/sh\necho {job.task_id} >> {self.runs}\necho begun\nsleep {self.LENGTH * random.uniform(*seconds):.2f}\necho over\n"
            made.append(job)
        return made

    def started(self, jobs):
        wait_until(lambda: {job.task_id for job in jobs} <= set(self.runs.read_text(encoding="utf-8").split()), "the jobs to run", 60)

    def has_lost_plans(self):
        """A Ruby sidecar that finds its SQLite file locked for five seconds loses the plan that it is at: it pauses, or runs for ever, whatever its job does."""
        return self.DATABASE and "database is locked" in self.sidecar.logs()

    def check_over(self, job):
        if not self.has_lost_plans():
            self.assertEqual(self.finished(self.client, job)["state"], "stopped")

    def wait_for_mode(self, state, seconds):
        try:
            wait_until(lambda: mode_of(self.client)["state"] == state, f"the mode {state}", seconds * self.LENGTH)
        except TimeoutError:
            if not self.has_lost_plans():
                raise
            # What runs for ever an administrator gives up.
            self.assertEqual(self.client.post("/dynflow/mode", {"action": "finish", "force": True}).status, 200)
            self.assertEqual(mode_of(self.client)["state"], state)

    def check_all(self, jobs):
        for job in jobs:
            self.assertEqual(self.delivered(job).data["exit_status"], 0)
        self.assertEqual(Counter(self.runs.read_text(encoding="utf-8").split()), Counter({job.task_id: 1 for job in jobs}))
        self.assertEqual(Counter(callback.task_id for callback in self.foreman.callbacks()), Counter({job.task_id: 1 for job in jobs}))

    def test_there_and_back_with_running_jobs(self):
        old = self.jobs(6, (8, 10))
        first_answer = launch(self.client, old)
        self.started(old)
        document = begin_hand_over(self.client, False)
        self.assertEqual(document["state"], "hand-over to in-process")
        self.assertEqual(document["sides"]["external"]["unfinished_tasks"], len(old) + 1, "and its plan of the launch")
        self.assertEqual(set(document["sides"]["external"]["task_ids"]), {job.plan_id for job in old})
        self.assertEqual(document["blocked_by"], "external")
        # What Foreman sends again starts nothing, and is answered as the first time.
        self.assertEqual(launch(self.client, old), first_answer)
        fresh = self.jobs(4, (6, 8))
        launch(self.client, fresh)
        self.started(fresh)
        wait_until(lambda: self.client.get("/dynflow/tasks/count?state=running").json() == {"count": 11, "state": "running"}, "the sum of both sides")
        ids = [job.plan_id for job in [*old, *fresh]]
        states = self.client.post("/dynflow/tasks/status", {"task_ids": [*ids, "nobody", None]}).json()
        self.assertEqual(states, {one: {"state": "running", "result": "pending"} for one in ids})
        documents = self.client.post("/dynflow/tasks/statuses", {"task_ids": ids}).json()
        self.assertEqual(set(documents), set(ids))
        for job in [*old, *fresh]:
            wait_until(lambda job=job: "begun\n" in text_of(job.output_of(self.document(self.client, job))), "live output of both sides", 60)
        cancelled = self.client.post(f"/dynflow/tasks/{old[0].plan_id}/cancel").json()
        self.assertEqual(cancelled, {"task_id": old[0].plan_id, "canceled_steps_count": 1})
        self.assertEqual(self.delivered(old[0]).data["exit_status"], "TERM")
        self.assertEqual(self.client.get("/dynflow/legacy/console").status, 200)
        self.wait_for_mode("in-process", 60)
        for job in old[1:]:
            self.assertEqual(self.delivered(job).data["exit_status"], 0)
            self.check_over(job)

        # Back, with jobs of ours.
        again = self.jobs(5, (6, 8))
        launch(self.client, again)
        self.started(again)
        self.assertEqual(begin_hand_over(self.client, True)["state"], "hand-over to external")
        self.assertEqual(launch(self.client, again)[again[0].task_id]["task_id"], again[0].plan_id)
        last = self.jobs(3, (1, 2))
        launch(self.client, last)
        for job in last:
            self.assertNotEqual(job.plan_id, job.task_id, "the Ruby core makes ids of its own")
        ids = [job.plan_id for job in [*again, *last]]
        self.assertEqual(set(self.client.post("/dynflow/tasks/status", {"task_ids": ids}).json()), set(ids))
        self.wait_for_mode("external", 60)
        for job in [*fresh, *again, *last]:
            self.assertEqual(self.delivered(job).data["exit_status"], 0)
            self.check_over(job)
        everything = [*old, *fresh, *again, *last]
        self.assertEqual(Counter(self.runs.read_text(encoding="utf-8").split()), Counter({job.task_id: 1 for job in everything}))
        self.assertEqual(Counter(callback.task_id for callback in self.foreman.callbacks()), Counter({job.task_id: 1 for job in everything}))

    def test_a_restart_of_the_proxy_in_the_middle(self):
        old = self.jobs(4, (9, 11))
        launch(self.client, old)
        self.started(old)
        begin_hand_over(self.client, False)
        self.proxy.kill()
        self.proxy.start()
        self.assertEqual(mode_of(self.client)["state"], "hand-over to in-process")
        states = self.client.post("/dynflow/tasks/status", {"task_ids": [job.plan_id for job in old]}).json()
        if not self.has_lost_plans():
            self.assertEqual({row["state"] for row in states.values()}, {"running"})
        self.assertEqual(set(states), {job.plan_id for job in old})
        self.wait_for_mode("in-process", 60)
        self.check_all(old)

    def test_the_sidecar_is_away_for_a_while(self):
        """SIGSTOP: it answers nothing, and loses nothing."""
        old = self.jobs(2, (6, 7))
        launch(self.client, old)
        self.started(old)
        begin_hand_over(self.client, False)
        self.sidecar.signal(signal.SIGSTOP)
        try:
            # Shorter than a minute: a sidecar that was away for longer takes itself for dead, and runs its jobs a second time.
            with contextlib.suppress(TimeoutError):
                answer = Client(f"http://127.0.0.1:{self.proxy.port}", timeout=20.0).post("/dynflow/tasks/status", {"task_ids": [old[0].plan_id]})
                self.assertIn(answer.status, (503, 504))
            self.assertEqual(mode_of(self.client)["state"], "hand-over to in-process")
        finally:
            self.sidecar.signal(signal.SIGCONT)
        self.wait_for_mode("in-process", 90)
        self.check_all(old)


class HandOverWithDatabase(HandOver):
    """The sidecar keeps its tasks in a file, as installed. Then it is slow."""
    DATABASE = True
    LENGTH = 4.0

    def test_the_sidecar_dies_and_comes_back(self):
        old = self.jobs(3, (15, 16))
        launch(self.client, old)
        self.started(old)
        begin_hand_over(self.client, False)
        self.sidecar.kill()
        answer = self.client.post("/dynflow/tasks/status", {"task_ids": [old[0].plan_id]})
        self.assertEqual(answer.status, 503, answer.text)
        self.assertEqual(self.client.get("/dynflow/tasks/count?state=running").status, 200)
        self.sidecar.start()
        # It tells Foreman that they failed, as it always did.
        for job in old:
            self.assertEqual(self.delivered(job).data["exit_status"], "EXCEPTION")
        self.wait_for_mode("in-process", 60)
        for job in old if not self.has_lost_plans() else ():
            self.assertIn(self.document(self.client, job)["state"], FINISHED)


if __name__ == "__main__":
    unittest.main()
