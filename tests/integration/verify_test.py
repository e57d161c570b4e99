#!/usr/bin/env python3
"""dynflow-migrate verify and status over real processes: who is let in, a task, a callback, the log; versions, uptime, what waits."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import CALLBACK_PATH, Foreman
from network import wait_until
from pki import Pki
from programs import SmartProxy, binary, test_plugin_folder
from units import Units

UNIT = "foreman-proxy"
NOBODY = "00000000-0000-0000-0000-000000000000"


class Verify(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="verify-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pki = Pki(self.folder / "pki")
        self.services = Units(self.folder / "services")

    def start(self, foreman_url, **more):
        """A proxy as a unit of the service manager that stands in."""
        self.proxy = SmartProxy(self.folder / "proxy", foreman_url, external_core=False, **more)
        self.services.add(UNIT, [str(binary("smart-proxy")), "--config-dir", str(self.proxy.config)], {"DYNFLOW_PLUGIN_PATH": test_plugin_folder()})
        self.addCleanup(self.services.stop, UNIT)
        self.services.start(UNIT)

        def answers():
            try:
                return self.proxy.is_ready()
            except OSError:
                return False
        wait_until(answers, "the proxy", 60)

    def tool(self, *arguments, url=None):
        # The listener of https is on 127.0.0.1, which its certificate names.
        where = ["--proxy-url", url] if url else []
        done = subprocess.run([str(binary("dynflow-migrate")), *arguments, "--json", "--config-dir", str(self.proxy.config), "--core-config-dir",
                               str(self.folder / "none"), *where], capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()})
        document = json.loads(done.stdout)
        self.assertEqual(document["exit_code"], done.returncode)
        return done.returncode, document

    def verdicts(self, *arguments, url=None):
        code, document = self.tool("verify", *arguments, url=url)
        self.assertNotIn("error", document)
        return code, {row["what"]: row for row in document["verdicts"]}

    def test_over_tls(self):
        with Foreman(identity=self.pki.foreman, client_ca=self.pki.ca.cert) as foreman:
            foreman.poison(NOBODY)  # as the real one does with a task that it does not know
            self.start(foreman.url, identity=self.pki.proxy, ca=self.pki.ca.cert, settings={"trusted_hosts": ["proxy.example.com"]})
            code, verdicts = self.verdicts()
            self.assertEqual(code, 0, verdicts)
            for row in verdicts.values():
                self.assertTrue(row["ok"] and row["asked"], row)
            for what in ("the mode is in-process", "the feature dynflow is offered, with launchers", "nobody is let in without a certificate",
                         "a certificate of another authority is refused", "a task's update needs a token or a certificate", "a token is compared", "the console answers", "the console is not shown to nobody",
                         "a task that does nothing is launched and ends well", "Foreman takes callbacks from this proxy", "the log is opened anew on USR1"):
                self.assertIn(what, verdicts)
            self.assertEqual(len([what for what in verdicts if what.startswith("plain HTTP answers beside https://")]), 1)
            asked = [request for request in foreman.received() if request.path == CALLBACK_PATH]
            self.assertEqual([request.json()["callback"]["task_id"] for request in asked], [NOBODY])
            self.assertEqual(asked[0].peer, "proxy.example.com")

            # The log was moved away: after the signal there is a new one.
            log = self.folder / "proxy/program.log"
            log.rename(self.folder / "rolled.log")
            log.touch()
            self.assertEqual(self.verdicts("--no-foreman", "--no-launch")[0], 0)
            _, verdicts = self.verdicts("--no-foreman", "--no-launch")
            self.assertEqual([what for what, row in verdicts.items() if not row["asked"]],
                             ["a task that does nothing is launched and ends well", "Foreman takes callbacks from this proxy"])
            self.assertEqual(len([request for request in foreman.received() if request.path == CALLBACK_PATH]), 1)

    def test_a_console_that_is_open(self):
        self.start("http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert, settings={"trusted_hosts": ["proxy.example.com"]},
                   dynflow={"console_auth": False})
        code, verdicts = self.verdicts("--no-foreman", "--no-launch")
        self.assertEqual(code, 0, verdicts)
        row = verdicts["the console is not shown to nobody"]
        self.assertFalse(row["asked"])
        self.assertRegex(row["detail"], r"dynflow\.yml:\d+: :console_auth: is false")

    def test_a_proxy_that_lets_anybody_in(self):
        """Over plain http nobody is asked for a certificate, and the tool says that it was not looked at."""
        with Foreman() as foreman:
            foreman.poison(NOBODY)
            self.start(foreman.url)
            code, verdicts = self.verdicts(url=self.proxy.http.base_url)
            self.assertEqual(code, 0)
            self.assertFalse(verdicts["nobody is let in without a certificate"]["asked"])

    def test_a_foreman_that_does_not_know_the_proxy(self):
        with Foreman() as foreman:
            self.start(foreman.url)
            foreman.fail_next(1, 403)
            code, verdicts = self.verdicts(url=self.proxy.http.base_url)
            self.assertEqual(code, 2)
            self.assertFalse(verdicts["Foreman takes callbacks from this proxy"]["ok"])
            self.assertIn("403", verdicts["Foreman takes callbacks from this proxy"]["detail"])
        code, verdicts = self.verdicts(url=self.proxy.http.base_url)
        self.assertEqual(code, 2, "nobody answers there")

    def test_status(self):
        with Foreman() as foreman:
            self.start(foreman.url)
            foreman.fail_next(1000, 503)
            plan = str(uuid.uuid4())
            entry = {"action_class": "PeerOps::Noop", "action_input": {"callback": {"task_id": plan, "step_id": 3}}}
            self.assertEqual(self.proxy.http.post("/dynflow/tasks/launch", {"operation": "batch", "input": {plan: entry}, "options": {}}).status, 200)
            wait_until(lambda: "callback_error" in self.proxy.http.get("/dynflow/mode").json()["sides"]["in-process"], "a callback that fails", 60)
            _, document = self.tool("status", url=self.proxy.http.base_url)
            unit = document["units"][UNIT]
            self.assertEqual(unit["pid"], self.services.pid(UNIT))
            self.assertGreaterEqual(unit["uptime_seconds"], 0)
            self.assertLess(unit["uptime_seconds"], 600)
            self.assertIn("version", document["version"])
            own = document["running"]["sides"]["in-process"]
            self.assertEqual(own["undelivered_callbacks"], 1)
            self.assertIn("503", own["callback_error"])
            ports = {row["for"]: row for row in document["listeners"]}
            self.assertEqual((ports["http"]["port"], ports["http"]["pid"]), (self.proxy.port, self.services.pid(UNIT)))
            _, found = self.tool("check", url=self.proxy.http.base_url)
            jobs = [row["seen"] for row in found["findings"] if row["id"] == "C12"]
            self.assertEqual(jobs, ["1 jobs run"])
            foreman.recover()
            wait_until(lambda: self.proxy.http.get("/dynflow/mode").json()["sides"]["in-process"]["undelivered_callbacks"] == 0, "the callback", 60)

    def test_jobs_that_run_are_named(self):
        with Foreman() as foreman:
            self.start(foreman.url)
            plan, task, gate = str(uuid.uuid4()), str(uuid.uuid4()), self.folder / "gate"
            entry = {"action_class": "PeerOps::LocalScript", "action_input": {
                "script": f"while [ ! -e {gate} ]; do sleep 0.1; done", "proxy_operation_name": "ssh", "callback": {"task_id": task, "step_id": 3}}}
            self.assertEqual(self.proxy.http.post("/dynflow/tasks/launch", {"operation": "batch", "input": {plan: entry}, "options": {}}).status, 200)
            code, found = self.tool("check", url=self.proxy.http.base_url)
            jobs = [row["seen"] for row in found["findings"] if row["id"] == "C12"]
            errors = {row["id"] for row in found["findings"] if row["severity"] == "error"}
            self.assertEqual(code, 4 if errors == {"C12"} else 2)
            self.assertRegex(jobs[0], rf"^1 jobs run: {plan} \(ssh, \d+ s, Foreman task {task}\)$")
            gate.touch()
            foreman.wait_for(1, task_id=task)

    def test_who_cannot_be_asked_is_not_taken_for_well(self):
        with Foreman() as foreman:
            self.start(foreman.url)
        self.services.stop(UNIT)
        code, found = self.tool("check", url=self.proxy.http.base_url)
        self.assertNotEqual(code, 0)
        seen = {row["id"]: row["seen"] for row in found["findings"] if row["id"] in ("C12", "C20") and "not known" in row["seen"]}
        self.assertIn("whether jobs run is not known", seen["C12"])
        self.assertIn("Foreman's clock is not known", seen["C20"])
        _, status = self.tool("status", url=self.proxy.http.base_url)
        self.assertIn(self.proxy.http.base_url, status["running_problem"])

    def test_a_clock_that_is_wrong(self):
        with Foreman(clock_lead=90) as foreman:
            self.start(foreman.url)
            _, found = self.tool("check", url=self.proxy.http.base_url)
            seen = [row["seen"] for row in found["findings"] if row["id"] == "C20" and "clock" in row["seen"]]
            self.assertEqual(len(seen), 1)
            self.assertRegex(seen[0], r"Foreman's clock is (8[5-9]|9[0-5]) s ahead of this host's")
        with Foreman(port=foreman.port) as _:
            _, found = self.tool("check", url=self.proxy.http.base_url)
            self.assertEqual([row["seen"] for row in found["findings"] if row["id"] == "C20" and "clock" in row["seen"]], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
