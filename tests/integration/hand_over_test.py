#!/usr/bin/env python3
"""The mode changes while real SSH jobs run, again and again, also with kill -9 of either side: no job is lost, none runs twice,
Foreman's polls are answered, every callback arrives.

DYNFLOW_HAND_OVER_JOBS and DYNFLOW_HAND_OVER_FLIPS make it longer, DYNFLOW_HAND_OVER_KILLED has more jobs at work when a side is killed.
"""

import json
import os
import random
import shutil
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

from foreman import Foreman
from mode_orders import begin_hand_over, mode_of
from network import free_port, wait_until
from pki import Pki
from programs import CoreService, SmartProxy, wait_for_task
from script_job import Job
from sshd import Sshd

JOBS = int(os.environ.get("DYNFLOW_HAND_OVER_JOBS", "200"))
FLIPS = int(os.environ.get("DYNFLOW_HAND_OVER_FLIPS", "4"))
BATCH = 10
OLD = int(os.environ.get("DYNFLOW_HAND_OVER_KILLED", "15")) * 2 // 3  # launched before the hand-over
FRESH = OLD // 2
# Long enough that the last one starts before the first one ends.
SECONDS = (3 + OLD / 10, 6 + OLD / 10)


class Poller(threading.Thread):
    """What Foreman does while jobs run: bulk states, counts, single documents, each over a connection of its own."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.ids = []
        self.polls = 0
        self.problems = []
        self.unavailable = 0
        self.may_be_unavailable = False  # while a side is dead
        self._lock = threading.Lock()
        self._over = threading.Event()

    def add(self, ids):
        with self._lock:
            self.ids.extend(ids)

    def run(self):
        dice = random.Random(7)
        while not self._over.is_set():
            with self._lock:
                ids = list(self.ids)
            self._poll("POST", "/dynflow/tasks/status", {"task_ids": [*ids, None]}, lambda document, ids=ids: set(document) == set(ids))
            self._poll("GET", "/dynflow/tasks/count?state=running", None, lambda document: document["count"] >= 0)
            if ids:
                one = dice.choice(ids)
                self._poll("GET", f"/dynflow/tasks/{one}/status", None, lambda document, one=one: document["id"] == one)
                few = dice.sample(ids, min(5, len(ids)))
                self._poll("POST", "/dynflow/tasks/statuses", {"task_ids": few}, lambda document, few=few: set(document) == set(few))
            self._over.wait(0.05)

    def _poll(self, method, path, body, is_right):
        try:
            answer = self.client.request(method, path, body)
        except OSError as error:
            if not self.may_be_unavailable:
                self.problems.append(f"{method} {path}: {error}")
            return
        self.polls += 1
        if answer.status == 503 and self.may_be_unavailable:
            self.unavailable += 1
        elif answer.status != 200 or not is_right(answer.json()):
            self.problems.append(f"{method} {path}: {answer.status} {answer.text[:300]}")

    def stop(self):
        self._over.set()
        self.join()


class HandOver(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="handover-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.runs = self.folder / "runs"
        self.runs.touch()
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd", options=("MaxStartups 1000", "LoginGraceTime 300"), log_level="ERROR"))
        self.jobs = {}

    def start_programs(self, external_core, **dynflow):
        self.core = self.enterContext(CoreService(self.folder / "core", self.foreman.url, ssh_key=self.sshd.client_key,
                                                  settings={"database": self.folder / "core.sqlite"}))
        self.proxy = self.enterContext(SmartProxy(
            self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=external_core, core_url=self.core.url,
            dynflow={"database": self.folder / "proxy.sqlite", **dynflow}))

    def mode(self):
        return mode_of(self.proxy.http)

    def order(self, **order):
        return self.proxy.http.post("/dynflow/mode", order)

    def begin(self, external_core):
        document = begin_hand_over(self.proxy.http, external_core)
        self.assertEqual(document["target"], "external" if external_core else "in-process")
        return document

    def wait_until_settled(self, state, timeout=120):
        wait_until(lambda: self.mode()["state"] == state, f"the state {state}", timeout)

    def make_jobs(self, count, seconds):
        jobs = []
        for _ in range(count):
            job = Job(self.sshd, "")
            job.entry["action_input"]["script"] = (
                f"#!/bin/sh\necho {job.plan_id} >> {self.runs}\nsleep {random.uniform(*seconds):.2f}\necho done {job.plan_id}\n")
            jobs.append(job)
        return jobs

    def launch(self, jobs):
        document = {"operation": "ssh", "input": {job.plan_id: job.entry for job in jobs}, "options": {}}
        answer = self.proxy.http.post("/dynflow/tasks/launch", document)
        self.assertEqual(answer.status, 200, answer.text)
        for job in jobs:
            self.assertEqual(answer.json()[job.plan_id], {"result": "success", "task_id": job.plan_id}, answer.text)
            self.jobs[job.plan_id] = job

    def ran(self):
        return Counter(self.runs.read_text(encoding="utf-8").split())

    def check_callbacks(self, jobs, timeout=180):
        wanted = {job.task_id for job in jobs}
        wait_until(lambda: wanted <= {callback.task_id for callback in self.foreman.callbacks()}, "all callbacks", timeout)

    def test_flips_while_jobs_run(self):
        self.start_programs(external_core=True)
        poller = Poller(self.proxy.http)
        poller.start()
        self.addCleanup(poller.stop)
        jobs = self.make_jobs(JOBS, (0.5, 8))
        batches = [jobs[i:i + BATCH] for i in range(0, len(jobs), BATCH)]
        flips = [round((i + 1) * len(batches) / (FLIPS + 1)) for i in range(FLIPS)]
        external = True
        for number, batch in enumerate(batches):
            if number in flips:
                external = not external
                self.begin(external)
            self.launch(batch)
            poller.add([job.plan_id for job in batch])
            # As Foreman does after a timeout: the same launch again, sometimes on the other side of a flip.
            earlier = batches[random.randrange(number + 1)]
            self.launch(random.choice(([earlier[0]], earlier, [*earlier[:2], *batch[:2]])))
        self.check_callbacks(jobs)
        self.wait_until_settled("external" if external else "in-process")
        poller.stop()
        self.assertEqual(poller.problems, [])
        self.assertGreater(poller.polls, 20)
        self.assertEqual(self.ran(), Counter({job.plan_id: 1 for job in jobs}))
        for job in jobs:
            document = wait_for_task(self.proxy.http, job.plan_id)
            self.assertEqual((document["state"], document["result"]), ("stopped", "success"), job.output(document))
        delivered = {callback.task_id: callback.data for callback in self.foreman.callbacks()}
        for job in jobs:
            self.assertEqual(str(delivered[job.task_id]["exit_status"]), "0")
        # Both sides had their share, or this was no test.
        for side in (self.core.http.get("/tasks/count"), self.proxy.http.get("/dynflow/tasks/count")):
            self.assertGreater(side.json()["count"], 0)

    def test_cancel_and_live_output_on_the_old_side(self):
        self.start_programs(external_core=True)
        job = Job(self.sshd, "#!/bin/sh\necho started\nsleep 300\n").launch(self.proxy.http)
        self.assertEqual(self.begin(False)["state"], "hand-over to in-process")
        document = self.mode()
        self.assertIn(job.plan_id, document["sides"]["external"]["task_ids"])
        self.assertEqual(document["blocked_by"], "external")
        wait_until(lambda: any(chunk["output"] == "started\n" for chunk in job.output_now(self.proxy.http).get("result") or []), "output", 30)
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/count?state=running").json()["count"], 1)
        self.assertEqual(self.order(action="finish").status, 409)
        answer = self.proxy.http.post(f"/dynflow/tasks/{job.plan_id}/cancel")
        self.assertEqual(answer.json(), {"task_id": job.plan_id, "canceled_steps_count": 1})
        self.check_callbacks([job])
        self.wait_until_settled("in-process")
        self.proxy.wait_for_log("Mode: hand-over to in-process -> in-process: the old side has nothing left")
        self.assertIn("Mode: begin, external_core false by 127.0.0.1 is granted", self.proxy.logs())
        # Its result can still be fetched.
        self.assertEqual(wait_for_task(self.proxy.http, job.plan_id)["state"], "stopped")

    def test_the_core_service_dies_in_the_middle(self):
        self.start_programs(external_core=True)
        poller = Poller(self.proxy.http)
        poller.start()
        self.addCleanup(poller.stop)
        old = self.make_jobs(OLD, SECONDS)
        self.launch(old)
        poller.add([job.plan_id for job in old])
        wait_until(lambda: len(self.ran()) == len(old), "the jobs to run", 60)
        self.assertEqual(self.begin(False)["state"], "hand-over to in-process")
        poller.may_be_unavailable = True
        self.core.kill()
        fresh = self.make_jobs(FRESH, (0.1, 1))
        # Nobody knows whether the dead side has these: they are not started on a guess.
        document = {"operation": "ssh", "input": {job.plan_id: job.entry for job in fresh}, "options": {}}
        self.assertEqual(self.proxy.http.post("/dynflow/tasks/launch", document).status, 503)
        wait_until(lambda: self.mode()["last_error"] is not None, "the error in the mode's document")
        self.assertEqual(self.mode()["state"], "hand-over to in-process")
        wait_until(lambda: poller.unavailable > 0, "a poll that is refused")
        self.core.start()
        time.sleep(0.2)
        poller.may_be_unavailable = False
        self.launch(fresh)
        poller.add([job.plan_id for job in fresh])
        self.check_callbacks([*old, *fresh])
        self.wait_until_settled("in-process")
        poller.stop()
        self.assertEqual(poller.problems, [])
        self.assertEqual(self.ran(), Counter({job.plan_id: 1 for job in [*old, *fresh]}))

    def test_the_proxy_dies_in_the_middle(self):
        self.start_programs(external_core=False)
        old = self.make_jobs(OLD, SECONDS)
        self.launch(old)
        wait_until(lambda: len(self.ran()) == len(old), "the jobs to run", 60)
        self.assertEqual(self.begin(True)["state"], "hand-over to external")
        fresh = self.make_jobs(FRESH, SECONDS)
        self.launch(fresh)
        self.proxy.kill()
        self.proxy.start()
        # It goes on where it was: what it had itself is told to Foreman, the rest goes on.
        self.proxy.wait_for_log("Mode: hand-over to external since")
        self.launch([*old[:2], *fresh[:2]])
        self.check_callbacks([*old, *fresh])
        self.wait_until_settled("external")
        self.assertEqual(self.ran(), Counter({job.plan_id: 1 for job in [*old, *fresh]}))
        states = self.proxy.http.post("/dynflow/tasks/status", {"task_ids": [*self.jobs, None]}).json()
        self.assertEqual(set(states), set(self.jobs))

    def test_a_setting_that_changed_while_the_proxy_was_down_begins_a_hand_over(self):
        self.start_programs(external_core=True)
        job = self.make_jobs(1, (6, 7))[0]
        self.launch([job])
        self.proxy.stop()
        file = self.proxy.config / "settings.d/dynflow.yml"
        file.write_text(file.read_text().replace(":external_core: true", ":external_core: false"))
        self.proxy.start()
        self.assertEqual(self.mode()["state"], "hand-over to in-process")
        states = self.proxy.http.post("/dynflow/tasks/status", {"task_ids": [job.plan_id]}).json()
        self.assertEqual(states[job.plan_id]["state"], "running")
        self.check_callbacks([job])
        self.wait_until_settled("in-process")
        self.core.stop()
        # Nothing is left to ask the old side for.
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/unknown/status").status, 404)
        self.proxy.restart()
        self.assertEqual(self.mode()["state"], "in-process")


class Orders(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="orders-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_only_trusted_hosts_with_a_certificate_change_the_mode(self):
        pki = Pki(self.folder / "pki")
        nobody = f"http://127.0.0.1:{free_port()}"
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, core_url=nobody, identity=pki.proxy,
                        ca=pki.ca.cert, settings={"trusted_hosts": ["foreman.example.com"]}) as proxy:
            body = {"action": "begin", "external_core": True, "force": True}
            for client in (proxy.https(None, pki.ca.cert), proxy.https(pki.evil, pki.ca.cert), proxy.http):
                for answer in (client.get("/dynflow/mode"), client.post("/dynflow/mode", body)):
                    self.assertEqual(answer.status, 403, answer.text)
            foreman = proxy.https(pki.foreman, pki.ca.cert)
            self.assertEqual(foreman.get("/dynflow/mode").json()["state"], "in-process")
            self.assertEqual(foreman.post("/dynflow/mode", {"action": "begin", "external_core": True}).status, 503)
            self.assertEqual(foreman.post("/dynflow/mode", body).json()["state"], "external")
            proxy.wait_for_log("begin, external_core true (forced) by foreman.example.com (127.0.0.1)")
            saved = json.loads((self.folder / "proxy/state/mode.json").read_text())
            self.assertEqual((saved["state"], saved["external_core"]), ("external", "false"))
            proxy.restart()
            self.assertEqual(foreman.get("/dynflow/mode").json()["state"], "external")


if __name__ == "__main__":
    unittest.main()
