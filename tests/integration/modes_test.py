#!/usr/bin/env python3
"""Where jobs run: the setting external_core, and a real script job over SSH from launch to callback in both modes."""

import shutil
import tempfile
import unittest
from pathlib import Path

from foreman import Foreman
from network import free_port, wait_until
from pki import Pki
from programs import CoreService, SmartProxy, wait_for_task
from script_job import Job, text_of
from sshd import Sshd

NO_CORE = {"DYNFLOW_CORE_LIBRARY": "/nonexistent/libdynflow_core.so.1"}


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="modes-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.foreman = cls.enterClassContext(Foreman())


class ScriptJobs:
    """The same in both modes; `proxy` is a running proxy."""

    def test_a_job_from_launch_to_callback(self):
        job = Job(self.sshd, "#!/bin/sh\necho hello\necho oops >&2\n").launch(self.proxy.http)
        document = wait_for_task(self.proxy.http, job.plan_id)
        self.assertEqual((document["state"], document["result"]), ("stopped", "success"))
        output = job.output(document)
        self.assertEqual(str(output["exit_status"]), "0")
        self.assertIn("hello\n", text_of(output))
        self.assertIn("oops\n", text_of(output))
        delivered = self.foreman.wait_for(1, task_id=job.task_id)
        self.assertEqual(len(delivered), 1)
        self.assertEqual(str(delivered[0].data["exit_status"]), "0")
        self.assertIn("hello\n", text_of(delivered[0].data))

    def test_a_failing_script_keeps_its_exit_status(self):
        job = Job(self.sshd, "#!/bin/sh\nexit 3\n").launch(self.proxy.http)
        document = wait_for_task(self.proxy.http, job.plan_id)
        self.assertEqual((document["state"], document["result"]), ("stopped", "error"))
        self.assertEqual(str(job.output(document)["exit_status"]), "3")
        self.foreman.wait_for(1, task_id=job.task_id)

    def test_live_output_then_cancel(self):
        job = Job(self.sshd, "#!/bin/sh\necho started\nsleep 300\necho never\n").launch(self.proxy.http)
        wait_until(lambda: "started" in text_of(job.output_now(self.proxy.http)), "output of a running job", 30)
        states = self.proxy.http.post("/dynflow/tasks/status", {"task_ids": [job.plan_id, "unknown", None]}).json()
        self.assertEqual(states, {job.plan_id: {"state": "running", "result": "pending"}})
        answer = self.proxy.http.post(f"/dynflow/tasks/{job.plan_id}/cancel")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json()["task_id"], job.plan_id)
        self.assertEqual(answer.json()["canceled_steps_count"], 1)
        document = wait_for_task(self.proxy.http, job.plan_id)
        self.assertNotEqual(str(job.output(document)["exit_status"]), "0")
        self.assertNotIn("never", text_of(job.output(document)))
        self.foreman.wait_for(1, task_id=job.task_id)

    def test_counts_and_operations(self):
        self.assertIn("ssh", self.proxy.http.get("/dynflow/tasks/operations").json())
        answer = self.proxy.http.get("/dynflow/tasks/count?state=bogus")
        self.assertEqual(answer.json(), {"count": 0, "state": "bogus"})

    def test_features_of_the_executor(self):
        wait_until(lambda: "ssh" in self.proxy.http.get("/v2/features").json()["dynflow"]["capabilities"], "the capability")
        rows = self.proxy.http.get("/v2/features").json()
        self.assertEqual(rows["script"]["state"], "running")
        self.assertEqual(rows["ssh"]["state"], "running")
        self.assertLessEqual({"dynflow", "logs", "script", "ssh"}, set(self.proxy.http.get("/features").json()))

    def test_errors_are_the_same_documents(self):
        answer = self.proxy.http.get("/dynflow/tasks/unknown/status")
        self.assertEqual((answer.status, answer.json()), (404, {}))
        answer = self.proxy.http.post("/dynflow/tasks/launch", {"operation": "nope", "input": {}})
        self.assertEqual((answer.status, answer.json()), (404, {"error": "Unknown operation 'nope' requested."}))
        answer = self.proxy.http.post("/dynflow/tasks/launch", "not JSON")
        self.assertEqual(answer.status, 400)
        self.assertIn("error", answer.json())


class InProcess(ScriptJobs, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = cls.enterClassContext(Sshd(cls.folder / "sshd"))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, ssh_key=cls.sshd.client_key,
                                                     external_core=False))


class External(ScriptJobs, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = cls.enterClassContext(Sshd(cls.folder / "sshd"))
        cls.core = cls.enterClassContext(CoreService(cls.folder / "core", cls.foreman.url, ssh_key=cls.sshd.client_key))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, ssh_key=cls.sshd.client_key,
                                                     external_core=True, core_url=cls.core.url))

    def test_the_core_has_the_same_routes_without_prefix(self):
        self.assertEqual(self.core.http.get("/tasks/count").json()["state"], "all")
        self.assertEqual(self.core.http.get("/dynflow/tasks/count").status, 404)


class ExternalOverTls(Base):
    def test_a_job(self):
        pki = Pki(self.folder / "pki")
        with Sshd(self.folder / "sshd") as sshd, \
                CoreService(self.folder / "core", self.foreman.url, ssh_key=sshd.client_key, identity=pki.proxy,
                            ca=pki.ca.cert) as core, \
                SmartProxy(self.folder / "proxy", self.foreman.url, ssh_key=sshd.client_key, external_core=True,
                           core_url=core.url, identity=pki.proxy, ca=pki.ca.cert) as proxy:
            client = proxy.https(pki.foreman, pki.ca.cert)
            job = Job(sshd, "#!/bin/sh\necho over tls\n").launch(client)
            self.assertIn("over tls\n", text_of(job.output(wait_for_task(client, job.plan_id))))


class Decision(Base):
    def dynflow_row(self, proxy):
        return proxy.http.get("/v2/features").json()["dynflow"]

    def test_false_without_the_core_library_is_a_failed_feature(self):
        with SmartProxy(self.folder / "false", self.foreman.url, external_core=False, environment=NO_CORE) as proxy:
            self.assertEqual(self.dynflow_row(proxy)["state"], "failed")
            self.assertEqual(self.dynflow_row(proxy)["capabilities"], [])
            self.assertNotIn("dynflow", proxy.http.get("/features").json())
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 404)
            failed = proxy.http.get("/logs/").json()["info"]["failed_modules"]
            self.assertIn("external_core is false", failed["dynflow"])
            self.assertIn("Disabling all modules in the group ['dynflow'", proxy.logs())

    def test_absent_without_the_core_library_relays(self):
        with SmartProxy(self.folder / "absent", self.foreman.url, environment=NO_CORE,
                        core_url=f"http://127.0.0.1:{free_port()}") as proxy:
            self.assertEqual(self.dynflow_row(proxy)["state"], "running")
            answer = proxy.http.get("/dynflow/tasks/count")
            self.assertEqual(answer.status, 503)
            self.assertIsNotNone(answer.header("Retry-After"))

    def test_absent_with_the_core_library_runs_in_process(self):
        with SmartProxy(self.folder / "loadable", self.foreman.url) as proxy:
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").json(), {"count": 0, "state": "all"})

    def test_true_relays_although_the_core_is_there(self):
        with SmartProxy(self.folder / "true", self.foreman.url, external_core=True,
                        core_url=f"http://127.0.0.1:{free_port()}") as proxy:
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 503)

    def test_disabled_is_not_served(self):
        with SmartProxy(self.folder / "off", self.foreman.url, dynflow={"enabled": False}) as proxy:
            self.assertEqual(self.dynflow_row(proxy)["state"], "disabled")
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 404)

    def test_enabled_for_https_only(self):
        with SmartProxy(self.folder / "https", self.foreman.url, dynflow={"enabled": "https"}) as proxy:
            row = self.dynflow_row(proxy)
            self.assertEqual((row["http_enabled"], row["https_enabled"], row["state"]), (False, True, "running"))
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 404)

    def test_an_executor_without_its_key_is_failed_and_the_rest_runs(self):
        key = self.folder / "no-such-key"
        with SmartProxy(self.folder / "keyless", self.foreman.url, ssh_key=key, external_core=False) as proxy:
            rows = proxy.http.get("/v2/features").json()
            self.assertEqual(rows["dynflow"]["state"], "running")
            self.assertNotIn("ssh", proxy.http.get("/dynflow/tasks/operations").json())
            failed = proxy.http.get("/logs/").json()["info"]["failed_modules"]
            features = proxy.http.get("/features").json()
            for name in ("script", "ssh"):
                self.assertEqual(rows[name]["state"], "failed")
                self.assertEqual(rows[name]["capabilities"], [])
                self.assertNotIn(name, features)
                self.assertIn(f"SSH private key file {key} doesn't exist", failed[name])

    def test_the_environment_chooses_the_database(self):
        file = self.folder / "environment.sqlite"
        with SmartProxy(self.folder / "sqlite", self.foreman.url, external_core=False,
                        environment={"DYNFLOW_DB_CONN_STRING": f"sqlite://{file}"}) as proxy:
            self.assertEqual(self.dynflow_row(proxy)["state"], "running")
            self.assertTrue(file.exists())
        with SmartProxy(self.folder / "postgresql", self.foreman.url, external_core=False,
                        environment={"DYNFLOW_DB_CONN_STRING": "postgresql://user:hunter2@127.0.0.1:1/dynflow"}) as proxy:
            self.assertEqual(self.dynflow_row(proxy)["state"], "failed")
            failed = proxy.http.get("/logs/").json()["info"]["failed_modules"]
            self.assertIn("PostgreSQL: connection to server at", failed["dynflow"])
            self.assertNotIn("hunter2", proxy.logs())


if __name__ == "__main__":
    unittest.main()
