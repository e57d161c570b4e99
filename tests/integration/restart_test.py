#!/usr/bin/env python3
"""kill -9 and restarts with a database file: Foreman hears the truth about every task, nothing runs twice, nothing secret was
written down."""

import shutil
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from programs import SmartProxy, wait_for_task
from sshd import Sshd

PASSWORD = "planted-secret-7f3a"


class Restart(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="restart-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))
        self.proxy = self.enterContext(SmartProxy(
            self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=False,
            environment={"HOME": str(self.folder)}, dynflow={"database": self.folder / "tasks.sqlite"}))

    def launch(self, script):
        plan, task = str(uuid.uuid4()), str(uuid.uuid4())
        entry = {"action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "action_input": {
            "hostname": self.sshd.address, "ssh_port": self.sshd.port, "ssh_user": self.sshd.user, "script": script,
            "effective_user": None, "secrets": {"ssh_password": PASSWORD}, "callback": {"task_id": task, "step_id": 3}}}
        answer = self.proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "input": {plan: entry}, "options": {}})
        self.assertEqual(answer.status, 200, answer.text)
        return plan, task, entry

    def test_a_job_that_ran_at_the_crash_is_reported_and_not_run_again(self):
        marker = self.folder / "runs"
        plan, task, entry = self.launch(f"echo run >> {marker}; echo began; sleep 60")
        wait_until(lambda: '"output":"began\\n"' in self.proxy.http.get(f"/dynflow/tasks/{plan}/status").text,
                   "the job's first output")
        self.proxy.kill()
        self.proxy.start()
        callback = self.foreman.wait_for(1, task_id=task)[0]
        self.assertEqual(callback.data["exit_status"], "EXCEPTION")
        self.assertEqual(callback.data["result"][0]["output"], "began\n")
        self.assertIn("restarted", callback.data["result"][1]["output"])
        document = wait_for_task(self.proxy.http, plan)
        self.assertEqual((document["state"], document["result"]), ("stopped", "error"))
        # The same launch again starts nothing: the task is known.
        again = self.proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "input": {plan: entry}, "options": {}})
        self.assertEqual(again.json()[plan], {"result": "success", "task_id": plan})
        self.assertEqual(marker.read_text(encoding="utf-8"), "run\n")

    def test_callbacks_wait_for_foreman_through_a_crash(self):
        self.foreman.refuse()
        plan, task, _ = self.launch("echo done")
        self.assertEqual(wait_for_task(self.proxy.http, plan)["result"], "success")
        self.proxy.kill()
        self.foreman.accept()
        self.proxy.start()
        callback = self.foreman.wait_for(1, task_id=task)[0]
        self.assertEqual((callback.data["exit_status"], callback.data["result"][0]["output"]), (0, "done\n"))

    def test_passwords_are_nowhere_on_disk_and_in_no_document(self):
        plan, _, _ = self.launch("echo done")
        document = wait_for_task(self.proxy.http, plan)
        parent = self.proxy.http.get(f"/dynflow/tasks/{document['actions'][0]['caller_execution_plan_id']}/status")
        self.assertIn("[FILTERED]", parent.text)
        for text in (str(document), parent.text, self.proxy.logs()):
            self.assertNotIn(PASSWORD, text)
        self.proxy.stop()
        files = [*self.folder.glob("tasks.sqlite*"), *(self.folder / "proxy").rglob("*")]
        for file in files:
            if file.is_file():
                self.assertNotIn(PASSWORD.encode(), file.read_bytes(), file)


if __name__ == "__main__":
    unittest.main()
