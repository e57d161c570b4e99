#!/usr/bin/env python3
"""What every Foreman from 1.22 to 5.0 sends, byte for byte in form: a batch of 100 hosts, bulk states with nulls, counts,
the older one-by-one launch, the keys and versions it reads when it refreshes a proxy. In both modes."""

import re
import shutil
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from programs import CoreService, SmartProxy, wait_for_task
from sshd import Sshd

HOSTS = 100
HEADERS = {"Accept": "application/json", "User-Agent": "rest-client/2.1.0 (linux x86_64) ruby/2.7.6p219",
           "Content-Type": "application/json", "X-Request-Id": "0b5e4f5e-4f51-4a0b-9f4c-3f8f3c1d2e4a",
           "X-Session-Id": "5b1d4b0e-6c55-4f8e-8f4e-2d3b4c5d6e7f",
           "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"}
CLASSES = ("Proxy::RemoteExecution::Ssh::Actions::RunScript", "ForemanRemoteExecutionCore::Actions::RunScript")


def entry(sshd, script, action_class=CLASSES[0]):
    task = str(uuid.uuid4())
    return task, {"action_class": action_class, "action_input": {
        "proxy_operation_name": "ssh", "time_to_pickup": None, "ssh_user": sshd.user, "effective_user": sshd.user,
        "effective_user_method": "sudo", "cleanup_working_dirs": True, "remote_working_dir": "/var/tmp",
        "ssh_port": sshd.port, "hostname": sshd.address, "script": script, "execution_timeout_interval": None,
        "secrets": {"ssh_password": None, "key_passphrase": None, "effective_user_password": ""},
        "use_batch_triggering": True, "use_concurrency_control": False, "first_execution": True,
        "alternative_names": {"fqdn": "h1.example.com"},
        "connection_options": {"retry_interval": 15, "retry_count": 4, "proxy_batch_triggering": True},
        "proxy_url": "https://proxy.example.com:9090", "proxy_action_name": action_class,
        "current_request_id": "0b5e4f5e-4f51-4a0b-9f4c-3f8f3c1d2e4a", "current_timezone": "UTC",
        "current_organization_id": 1, "current_location_id": 2, "callback": {"task_id": task, "step_id": 3}}}


class Requests:
    """The same in both modes; `proxy` is a running proxy."""

    def post(self, path, body=None):
        return self.proxy.http.post(path, body, HEADERS)

    def test_a_batch_of_100_hosts(self):
        self.foreman.clear()
        tasks = {}
        batch = {}
        for number in range(HOSTS):
            plan = str(uuid.uuid4())
            tasks[plan], batch[plan] = entry(self.sshd, f"echo host {number}\n" + "# padding\n" * 2000, CLASSES[number % 2])
        launched = self.post("/dynflow/tasks/launch", {"operation": "ssh", "input": batch, "options": {}})
        self.assertEqual(launched.status, 200, launched.text)
        answer = launched.json()
        parent = answer.pop("parent")["task_id"]
        self.assertEqual(answer, {plan: {"result": "success", "task_id": plan} for plan in batch})
        # A repetition after a lost answer starts nothing twice.
        again = self.post("/dynflow/tasks/launch", {"operation": "ssh", "input": batch, "options": {}}).json()
        self.assertEqual(again, {**answer, "parent": {"result": "success", "task_id": parent}})

        states = self.post("/dynflow/tasks/status", {"task_ids": [*batch, parent, None, str(uuid.uuid4())]})
        self.assertEqual(states.status, 200)
        self.assertEqual(set(states.json()), {*batch, parent})
        for state in states.json().values():
            self.assertIn(state["state"], ("planned", "running", "stopped"))

        callbacks = self.foreman.wait_for(HOSTS, timeout=120)
        self.assertEqual(sorted(callback.task_id for callback in callbacks), sorted(tasks.values()))
        for callback in callbacks:
            self.assertEqual((callback.step_id, callback.data["exit_status"]), (3, 0), callback.data)
        for number, plan in enumerate(batch):
            document = wait_for_task(self.proxy.http, plan)
            self.assertEqual((document["state"], document["result"]), ("stopped", "success"))
            action = next(a for a in document["actions"] if (a.get("input") or {}).get("task_id") == tasks[plan])
            text = "".join(chunk["output"] for chunk in action["output"]["result"])
            self.assertEqual(text, f"host {number}\n")
        self.assertEqual(len(self.foreman.callbacks()), HOSTS)

    def test_counts(self):
        for query, state in (("", "all"), ("?state=running", "running"), ("?state=no-such-state", "no-such-state")):
            answer = self.proxy.http.get("/dynflow/tasks/count" + query, HEADERS)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json()["state"], state)
            self.assertIsInstance(answer.json()["count"], int)

    def test_launch_one_by_one_as_foreman_before_3_1(self):
        task, one = entry(self.sshd, "echo one by one", CLASSES[1])
        answer = self.post("/dynflow/tasks/", {"action_name": one["action_class"], "action_input": one["action_input"]})
        self.assertEqual(answer.status, 200, answer.text)
        document = wait_for_task(self.proxy.http, answer.json()["task_id"])
        self.assertEqual(document["result"], "success")
        self.foreman.wait_for(1, task_id=task)

    def test_cancel_with_an_empty_body(self):
        plan = str(uuid.uuid4())
        _, sleeper = entry(self.sshd, "echo started; sleep 300")
        self.post("/dynflow/tasks/launch", {"operation": "ssh", "input": {plan: sleeper}, "options": {}})

        def is_started():
            answer = self.proxy.http.get(f"/dynflow/tasks/{plan}/status", HEADERS)
            return '"output":"started\\n"' in answer.text

        wait_until(is_started, "live output in the status document")
        answer = self.post(f"/dynflow/tasks/{plan}/cancel")
        self.assertEqual((answer.status, answer.json()), (200, {"task_id": plan, "canceled_steps_count": 1}))
        document = wait_for_task(self.proxy.http, plan)
        self.assertEqual(document["actions"][0]["output"]["exit_status"], 143)
        finished = self.post(f"/dynflow/tasks/{plan}/cancel")
        self.assertEqual((finished.status, finished.json()["canceled_steps_count"]), (200, 0))

    def test_what_a_refresh_of_the_proxy_reads(self):
        version = self.proxy.http.get("/version", HEADERS).json()
        self.assertRegex(version["version"], r"\d+\.\d+\.\d+")
        self.assertIn("dynflow", version["modules"])
        features = self.proxy.http.get("/v2/features", HEADERS).json()
        for name in ("dynflow", "script", "ssh", "logs"):
            self.assertEqual(features[name]["state"], "running", features)
        self.assertIn("ssh", features["dynflow"]["capabilities"])
        key = self.proxy.http.get("/ssh/pubkey", HEADERS)
        self.assertEqual((key.status, key.text), (200, Path(f"{self.key}.pub").read_text(encoding="utf-8")))
        authority = self.proxy.http.get("/ssh/ca_pubkey", HEADERS)
        self.assertEqual((authority.status, authority.text), (200, ""))
        self.assertTrue(re.match(r'\{"info":', self.proxy.http.get("/logs/?from_timestamp=0", HEADERS).text))


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="foreman-requests-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.foreman = cls.enterClassContext(Foreman())
        cls.sshd = cls.enterClassContext(Sshd(cls.folder / "sshd"))
        cls.key = cls.sshd.client_key
        cls.home = {"HOME": str(cls.folder)}


class InProcess(Requests, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.enterClassContext(SmartProxy(
            cls.folder / "proxy", cls.foreman.url, ssh_key=cls.key, external_core=False, environment=cls.home,
            dynflow={"database": cls.folder / "tasks.sqlite"}))


class Relayed(Requests, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        core = cls.enterClassContext(CoreService(
            cls.folder / "core", cls.foreman.url, ssh_key=cls.key, environment=cls.home,
            settings={"database": cls.folder / "tasks.sqlite"}))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, ssh_key=cls.key,
                                                     external_core=True, core_url=core.url))


if __name__ == "__main__":
    unittest.main()
