#!/usr/bin/env python3
"""Drain: a proxy that takes no launches, in both modes, through restarts; and dynflow-migrate's drain, undrain and apply --drain."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from migrating_site import stopped_at
from network import wait_until
from programs import CoreService, SmartProxy, binary, wait_for_task
from units import Units

UNIT = "smart_proxy_dynflow_core"


def launch(client, script, plan=None):
    plan = plan or str(uuid.uuid4())
    entry = {"action_class": "PeerOps::LocalScript", "action_input": {"script": script, "callback": {"task_id": plan, "step_id": 3}}}
    return plan, client.post("/dynflow/tasks/launch", {"operation": "batch", "input": {plan: entry}, "options": {}})


class Drain(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="drain-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.services = Units(self.folder / "services")

    def start(self, external):
        self.core = None
        core = {}
        if external:
            self.core = self.enterContext(CoreService(self.folder / "core", self.foreman.url))
            core = {"core_url": self.core.url}
        self.proxy = self.enterContext(SmartProxy(self.folder / "proxy", self.foreman.url, external_core=external,
                                                  dynflow={"database": self.folder / "proxy.sqlite"}, **core))

    def command(self, *arguments):
        core = self.core.config if self.core else self.folder / "core/etc"
        return [str(binary("dynflow-migrate")), *arguments, "--config-dir", str(self.proxy.config), "--core-config-dir", str(core),
                "--proxy-url", f"http://127.0.0.1:{self.proxy.port}"]

    def environment(self):
        return {**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()}

    def tool(self, *arguments, expected=0):
        done = subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True, timeout=120, check=False)
        if expected is not None:
            self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def held_job(self):
        """A job that runs until the file is there."""
        gate = self.folder / f"gate-{uuid.uuid4()}"
        plan, answer = launch(self.proxy.http, f"while [ ! -e {gate} ]; do sleep 0.1; done")
        self.assertEqual(answer.status, 200, answer.text)
        return plan, gate

    def drained(self):
        return self.proxy.http.get("/dynflow/mode").json()["drained"]

    def check_drain(self):
        plan, gate = self.held_job()
        self.assertEqual(self.tool("drain", "--noop").stdout.splitlines()[-1], "1 jobs run")
        self.assertIsNone(self.drained())
        told = self.tool("drain", "--timeout", "0", expected=4).stderr
        self.assertIn("1 jobs still run; launches stay refused", told)
        _, refused = launch(self.proxy.http, "true")
        self.assertEqual(refused.status, 503)
        self.assertIsNotNone(refused.header("Retry-After"))
        self.assertIn("drained", refused.json()["error"])
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/count?state=running").status, 503)
        self.assertEqual(self.proxy.http.get(f"/dynflow/tasks/{plan}/status").json()["state"], "running")
        status = json.loads(self.tool("status", "--json", expected=None).stdout)  # a core service without a unit is a contradiction
        self.assertNotEqual(status["exit_code"], 0)
        self.assertIn("drain by 127.0.0.1", status["running"]["drained"]["reason"])
        self.assertIn("ok   tasks are counted", self.tool("verify", "--no-foreman", expected=None).stdout)

        with subprocess.Popen(self.command("drain"), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tool:
            self.assertEqual(tool.stdout.readline().strip(), "0/1 jobs ended")
            tool.send_signal(signal.SIGINT)
            self.assertIn("1 jobs still run", tool.stdout.read())
        self.assertEqual(tool.returncode, 4)
        gate.touch()
        self.tool("drain")
        self.foreman.wait_for(1, task_id=plan)

        since = self.drained()
        self.proxy.restart()
        self.assertEqual(self.drained(), since, "a restart does not take launches again")
        self.tool("undrain", "--noop")
        self.assertEqual(self.drained(), since)
        self.tool("undrain", expected=3)
        self.tool("undrain")
        self.assertIsNone(self.drained())
        plan, answer = launch(self.proxy.http, "true")
        self.assertEqual(answer.status, 200)
        wait_for_task(self.proxy.http, plan)
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/count?state=running").json(), {"count": 0, "state": "running"})

    def test_in_process(self):
        self.start(False)
        self.check_drain()

    def test_external(self):
        self.start(True)
        self.check_drain()
        self.core.kill()
        done = self.tool("drain", "--timeout", "0", expected=4)
        self.assertIn("cannot ask the core service", done.stderr, "what cannot be counted is not taken for nothing")

    def test_the_core_service_itself(self):
        """For one with a Ruby proxy in front; here ours relays."""
        self.core = self.enterContext(CoreService(self.folder / "core", self.foreman.url, settings={"database": self.folder / "core.sqlite"}))
        self.proxy = self.enterContext(SmartProxy(self.folder / "proxy", self.foreman.url, external_core=True, core_url=self.core.url))
        plan, gate = self.held_job()
        self.assertIn("1 jobs still run", self.tool("drain", "--core", "--timeout", "0", expected=4).stderr)
        self.assertIsNone(self.drained(), "the proxy takes launches, the core does not")
        _, refused = launch(self.proxy.http, "true")
        self.assertEqual((refused.status, refused.header("Retry-After")), (503, "30"))
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/count?state=running").status, 503)
        _, again = launch(self.proxy.http, f"while [ ! -e {gate} ]; do sleep 0.1; done", plan)
        self.assertEqual((again.status, again.json()[plan]["result"]), (200, "success"))
        gate.touch()
        self.tool("drain", "--core")
        self.core.restart()
        self.assertEqual(launch(self.core.http, "true")[1].status, 404, "another route")
        self.assertIsNotNone(self.core.http.get("/drain").json()["drained"], "a restart does not take launches again")
        self.tool("undrain", "--core", expected=3)
        self.assertEqual(launch(self.proxy.http, "true")[1].status, 200)
        self.foreman.wait_for(1, task_id=plan)

    def test_what_was_launched_before_is_told_again(self):
        self.start(False)
        plan, gate = self.held_job()
        self.tool("drain", "--timeout", "0", expected=4)
        entry_again, answer = launch(self.proxy.http, f"while [ ! -e {gate} ]; do sleep 0.1; done", plan)
        self.assertEqual((answer.status, answer.json()[entry_again]), (200, {"result": "success", "task_id": plan}))
        gate.touch()
        wait_for_task(self.proxy.http, plan)
        self.tool("drain")

    def test_cancel(self):
        self.start(False)
        plans = [self.held_job()[0] for _ in range(60)]  # more than one document names
        done = self.tool("drain", "--cancel", "--json", expected=3)
        self.assertEqual(json.loads(done.stdout)["running"], 0)
        self.assertGreaterEqual(json.loads(done.stdout)["cancelled"], 60)
        for plan in plans:
            self.assertEqual(self.proxy.http.get(f"/dynflow/tasks/{plan}/status").json()["state"], "stopped")

    def test_apply_drains_by_itself(self):
        self.start(True)
        plan, gate = self.held_job()
        before = (self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8")
        apply = ("apply", "--to", "internal", "--drain")
        self.assertIn("nothing was changed", self.tool(*apply, "0", expected=4).stderr)
        self.assertIsNone(self.drained(), "launches are taken again when nothing comes of it")
        self.assertEqual((self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8"), before)
        with subprocess.Popen(self.command(*apply, "60"), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as tool:
            wait_until(self.drained, "the drain", 60)
            self.assertEqual(launch(self.proxy.http, "true")[1].status, 503)
            gate.touch()
            told = tool.stdout.read()
        self.assertEqual(tool.returncode, 3, told)
        self.assertEqual(self.proxy.http.get("/dynflow/mode").json()["state"], "in-process")
        self.assertIsNone(self.drained())
        self.foreman.wait_for(1, task_id=plan)

    def test_a_change_that_was_killed_takes_launches_again_at_its_end(self):
        self.start(True)
        apply = ("apply", "--to", "internal", "--drain", "60")
        _, status, said = stopped_at("step flip", signal.SIGKILL, self.command(*apply), self.environment())
        self.assertEqual(status, -signal.SIGKILL, said)
        self.assertIsNotNone(self.drained())
        self.tool(*apply, expected=3)
        self.assertIsNone(self.drained())

    def test_a_drain_that_was_killed_ends_with_the_next_change(self):
        self.start(True)
        plan, gate = self.held_job()
        apply = ("apply", "--to", "internal", "--drain", "60")
        _, status, said = stopped_at("0/1 jobs ended", signal.SIGKILL, self.command(*apply), self.environment())
        self.assertEqual(status, -signal.SIGKILL, said)
        self.assertIsNotNone(self.drained())
        gate.touch()
        self.tool(*apply, expected=3)
        self.assertIsNone(self.drained())
        self.foreman.wait_for(1, task_id=plan)

    def test_a_change_that_was_killed_takes_launches_again_when_it_is_taken_back(self):
        self.start(True)
        _, status, said = stopped_at("step wait", signal.SIGKILL, self.command("apply", "--to", "internal", "--drain", "60"), self.environment())
        self.assertEqual(status, -signal.SIGKILL, said)
        self.assertIsNotNone(self.drained())
        self.tool("rollback", expected=3)
        self.assertEqual(self.proxy.http.get("/dynflow/mode").json()["state"], "external")
        self.assertIsNone(self.drained())


if __name__ == "__main__":
    unittest.main(verbosity=2)
