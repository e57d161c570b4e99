#!/usr/bin/env python3
"""Our proxy in front of a Ruby sidecar that answers as recorded: the relay, the hand-over there and back, and dynflow-migrate, with jobs
running on both sides. The live form is tests/conformance/live_ruby."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import recorded_sidecar
from foreman import Foreman
from mode_orders import begin_hand_over, mode_of
from network import free_port, wait_until
from programs import SmartProxy, binary, write_config
from recorded_sidecar import RecordedSidecar
from sshd import Sshd
from units import Units

from modes_test import Job

UNIT = "smart_proxy_dynflow_core"


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ruby-sidecar-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))

    def start_proxy(self, core_url):
        self.proxy = self.enterContext(SmartProxy(self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=True,
                                                  core_url=core_url, dynflow={"database": self.folder / "proxy.sqlite"}))
        self.client = self.proxy.http

    def jobs(self, count, seconds):
        return [Job(self.sshd, f"#!/bin/sh\necho begun\nsleep {seconds}\n") for _ in range(count)]

    def launch(self, jobs):
        """As Foreman of the time: keys are its own ids, the core's come with the answer."""
        document = {"operation": "ssh", "input": {job.task_id: job.entry for job in jobs}, "options": {}}
        answer = self.client.post("/dynflow/tasks/launch", document)
        self.assertEqual(answer.status, 200, answer.text)
        for job in jobs:
            self.assertEqual(answer.json()[job.task_id]["result"], "success", answer.text)
            job.plan_id = answer.json()[job.task_id]["task_id"]
        return answer.json()

    def check_callbacks(self, jobs):
        for job in jobs:
            self.assertEqual(len(self.foreman.wait_for(1, job.task_id)), 1)


class InFrontOfTheRubySidecar(Base):
    def setUp(self):
        super().setUp()
        self.sidecar = RecordedSidecar(self.foreman.url)
        self.addCleanup(self.sidecar.stop)
        self.start_proxy(self.sidecar.url)

    def same(self, method, path, body=None):
        """The sidecar's answer reaches the client as it is."""
        ours = self.client.request(method, f"/dynflow{path}", body)
        theirs = type(self.client)(self.sidecar.url).request(method, path, body)
        self.assertEqual((ours.status, ours.header("Content-Type"), ours.body), (theirs.status, theirs.header("Content-Type"), theirs.body))
        return ours

    def test_answers_pass_as_they_are(self):
        job, = self.jobs(1, 30)
        self.launch([job])
        self.assertNotEqual(job.plan_id, job.task_id)
        for path in ("/tasks/operations", "/tasks/count", "/tasks/count?state=running", f"/tasks/{job.plan_id}/status", "/tasks/nobody/status"):
            self.same("GET", path)
        self.same("POST", "/tasks/status", {"task_ids": [job.plan_id, "nobody", None]})
        self.same("POST", "/tasks/launch", {"operation": "nope", "input": {}})
        self.assertEqual(self.same("POST", "/tasks/nobody/cancel").status, 500)
        self.assertEqual(self.client.request("HEAD", "/dynflow/tasks/count").status, 200)
        document = self.same("GET", f"/tasks/{job.plan_id}/status").json()
        self.assertEqual(document["actions"][0]["input"]["task_id"], job.task_id)
        self.assertEqual(self.client.post(f"/dynflow/tasks/{job.plan_id}/cancel").json(), {"task_id": job.plan_id, "canceled_steps_count": 1})
        self.assertEqual(self.foreman.wait_for(1, job.task_id)[0].data["exit_status"], "TERM")
        wait_until(lambda: "ssh" in self.client.get("/v2/features").json()["dynflow"]["capabilities"], "the capability")

    def test_hosts_report_to_the_proxy(self):
        self.launch(self.jobs(1, 0))
        line, headers, _ = next(one for one in self.sidecar.requests if "/tasks/launch" in one[0])
        self.assertEqual(line, "POST /tasks/launch HTTP/1.1")
        self.assertIn(f"X-Forwarded-For: 127.0.0.1:{self.proxy.port}", headers)

    def test_links_of_the_console_lead_back_through_the_proxy(self):
        page = self.client.get("/dynflow/console")
        self.assertEqual(page.status, 200)
        self.assertNotIn(self.sidecar.url, page.text)
        self.assertNotIn(f":{self.proxy.port}/console", page.text)
        self.assertEqual(page.text.count('href="/dynflow/console/'), page.text.count("href="))
        answer = self.client.get("/dynflow/console/status")
        self.assertEqual((answer.status, answer.header("Location")), (302, "/dynflow/console/worlds"))

    def test_there_and_back_with_running_jobs(self):
        old = self.jobs(4, 6)
        first = self.launch(old)
        document = begin_hand_over(self.client, False)
        self.assertEqual((document["state"], document["blocked_by"]), ("hand-over to in-process", "external"))
        # Its own plan for the batch is one more.
        self.assertEqual(document["sides"]["external"]["unfinished_tasks"], 5)
        self.assertEqual(set(document["sides"]["external"]["task_ids"]), {job.plan_id for job in old})
        self.assertEqual(self.launch(old), first, "what Foreman sends again starts nothing")
        self.assertEqual(len(self.sidecar.tasks), 4)
        fresh = self.jobs(3, 4)
        self.launch(fresh)
        wait_until(lambda: self.client.get("/dynflow/tasks/count?state=running").json() == {"count": 8, "state": "running"}, "the sum of both sides")
        ids = [job.plan_id for job in [*old, *fresh]]
        states = self.client.post("/dynflow/tasks/status", {"task_ids": [*ids, "nobody", None]}).json()
        self.assertEqual(states, {one: {"state": "running", "result": "pending"} for one in ids})
        documents = self.client.post("/dynflow/tasks/statuses", {"task_ids": ids}).json()
        self.assertEqual({one: row["id"] for one, row in documents.items()}, {one: one for one in ids})
        # Each document is of its own side's form.
        self.assertIsInstance(documents[old[0].plan_id]["run_flow"], dict)
        self.assertIsInstance(documents[fresh[0].plan_id]["run_flow"], list)
        self.assertEqual(self.client.post(f"/dynflow/tasks/{old[0].plan_id}/cancel").json(),
                         {"task_id": old[0].plan_id, "canceled_steps_count": 1})
        self.assertIn("/dynflow/legacy/console/", self.client.get("/dynflow/legacy/console").text)
        wait_until(lambda: mode_of(self.client)["state"] == "in-process", "the end of the hand-over", 60)
        self.assertEqual(self.client.get(f"/dynflow/tasks/{old[1].plan_id}/status").json()["state"], "stopped")

        again = self.jobs(3, 4)
        self.launch(again)
        self.assertEqual(begin_hand_over(self.client, True)["state"], "hand-over to external")
        self.assertEqual({job.task_id: row["task_id"] for job, row in zip(again, self.launch(again).values())}, {job.task_id: job.plan_id for job in again})
        last = self.jobs(2, 1)
        self.launch(last)
        self.assertEqual(len(self.sidecar.tasks), 6)
        ids = [job.plan_id for job in [*again, *last]]
        self.assertEqual(set(self.client.post("/dynflow/tasks/status", {"task_ids": ids}).json()), set(ids))
        wait_until(lambda: mode_of(self.client)["state"] == "external", "the end of the way back", 60)
        everything = [*old, *fresh, *again, *last]
        self.check_callbacks(everything)
        self.assertEqual(len(self.foreman.callbacks()), len(everything))


class Migrate(Base):
    def setUp(self):
        super().setUp()
        self.core_config = self.folder / "core"
        port = free_port()
        write_config(self.core_config, {"foreman_url": self.foreman.url, "listen": "127.0.0.1", "port": port, "use_https": False}, {})
        self.services = Units(self.folder / "services")
        self.services.add(UNIT, [sys.executable, recorded_sidecar.__file__, str(self.core_config)], {})
        self.addCleanup(self.services.stop, UNIT)
        self.services.start(UNIT)
        self.start_proxy(f"http://127.0.0.1:{port}")
        wait_until(lambda: self.client.get("/dynflow/tasks/operations").status == 200, "the sidecar")

    def run_tool(self, *arguments, expected=0):
        command = [str(binary("dynflow-migrate")), *arguments, "--config-dir", str(self.proxy.config), "--core-config-dir",
                   str(self.core_config), "--proxy-url", f"http://127.0.0.1:{self.proxy.port}"]
        done = subprocess.run(command, env={**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()}, capture_output=True,
                              text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def test_to_internal_by_hand_over_and_back(self):
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P1")
        old = self.jobs(5, 4)
        self.launch(old)
        self.assertIn("jobs run", self.run_tool("apply", "--to", "internal", expected=4).stderr)
        self.run_tool("apply", "--to", "internal", "--hand-over", expected=3)
        self.assertEqual(mode_of(self.client)["state"], "in-process")
        self.check_callbacks(old)
        self.assertEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "masked"))
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P2")
        fresh = self.jobs(3, 2)
        self.launch(fresh)
        self.run_tool("rollback", expected=3)
        self.assertEqual(mode_of(self.client)["state"], "external")
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.check_callbacks(fresh)

    def test_drained(self):
        jobs = self.jobs(2, 3)
        self.launch(jobs)
        self.run_tool("apply", "--to", "internal", "--drain", "60", expected=3)
        self.assertEqual(mode_of(self.client)["state"], "in-process")
        self.check_callbacks(jobs)


if __name__ == "__main__":
    unittest.main()
