"""dynflow-migrate moves a site from the Ruby sidecar to in-process and back, with jobs running."""

import json
import os
import random
import shutil
import subprocess
import unittest
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from foreman import Foreman
from live_stand import Live, launch, wait_until
from mode_orders import mode_of
from programs import SmartProxy, binary
from ruby_systems import RubySidecar
from units import Units

UNIT = "smart_proxy_dynflow_core"


class Migrate(Live):
    def setUp(self):
        self.place = Path(mkdtemp(prefix="migrate-", dir=self.folder))
        self.place.chmod(0o755)
        self.runs = self.place / "runs"
        self.runs.touch()
        self.foreman = self.enterContext(Foreman())
        self.sidecar = RubySidecar(self.place / "sidecar", self.sources, self.foreman.url, self.sshd.client_key,
                                   settings={"database": self.place / "sidecar.sqlite"})
        self.services = Units(self.place / "services")
        self.services.add(UNIT, self.sidecar.command(), {})
        self.addCleanup(self.services.stop, UNIT)
        self.services.start(UNIT)
        wait_until(self._answers, "the sidecar", 90)
        self.proxy = self.enterContext(SmartProxy(
            self.place / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=True, core_url=self.sidecar.url,
            dynflow={"database": self.place / "proxy.sqlite"}))
        self.all = []

    def _answers(self):
        try:
            return self.sidecar.is_ready()
        except OSError:
            return False

    def run_tool(self, *arguments, expected=0):
        command = [str(binary("dynflow-migrate")), *arguments, "--config-dir", str(self.proxy.config), "--core-config-dir",
                   str(self.sidecar.config), "--proxy-url", f"http://127.0.0.1:{self.proxy.port}"]
        done = subprocess.run(command, env={**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()}, capture_output=True,
                              text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def launch(self, count, seconds):
        jobs = []
        for _ in range(count):
            job = self.job("")
            job.entry["action_input"]["script"] = f"#!/bin/sh\necho {job.task_id} >> {self.runs}\nsleep {random.uniform(*seconds):.2f}\n"
            jobs.append(job)
        launch(self.proxy.http, jobs)
        self.all += jobs
        return jobs

    def check_nothing_is_lost(self):
        for job in self.all:
            self.assertEqual(self.delivered(job).data["exit_status"], 0)
        self.assertEqual(Counter(self.runs.read_text(encoding="utf-8").split()), Counter(job.task_id for job in self.all))

    def mode(self):
        return mode_of(self.proxy.http)["state"]

    def test_to_internal_by_hand_over_and_back(self):
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P1")
        # One folder of settings for both, as the installer of the time made it.
        shutil.rmtree(self.sidecar.config / "settings.d")
        (self.sidecar.config / "settings.d").symlink_to(self.proxy.config / "settings.d")
        findings = json.loads(self.run_tool("check", "--to", "internal", "--json", expected=1).stdout)["findings"]
        self.assertEqual({row["severity"] for row in findings}, {"warning"}, findings)
        self.launch(8, (4, 8))
        self.assertIn("jobs run", self.run_tool("apply", "--to", "internal", expected=4).stderr)
        self.run_tool("apply", "--to", "internal", "--hand-over", expected=3)
        self.assertEqual(self.mode(), "in-process")
        self.assertEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "masked"))
        self.run_tool("verify")
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P2")
        self.launch(8, (2, 4))
        self.run_tool("rollback", expected=3)
        self.assertEqual(self.mode(), "external")
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.launch(2, (0, 1))
        self.check_nothing_is_lost()

    def test_drained(self):
        self.launch(4, (3, 5))
        self.run_tool("apply", "--to", "internal", "--drain", "60", expected=3)
        self.assertEqual(self.mode(), "in-process")
        self.assertEqual(self.services.pid(UNIT), 0)
        self.check_nothing_is_lost()


if __name__ == "__main__":
    unittest.main()
