#!/usr/bin/env python3
"""dynflow-migrate over real processes: P0 to P2 with 200 running jobs, the tool killed at each step; and back."""

import json
import signal
import unittest

from migrating_site import UNIT, MigratingSite

JOBS = 200


class Migration(MigratingSite):
    def test_to_in_process_with_running_jobs_killed_at_each_step_and_back(self):
        before = (self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8")
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P1")
        self.launch(JOBS, (4, 12))
        self.hold_a_job()
        apply = ("apply", "--to", "internal")
        self.assertIn("jobs run", self.run_tool(*apply, expected=4).stderr)
        self.assertIn("+:external_core: false", self.run_tool(*apply, "--noop").stdout)
        self.assertEqual((self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8"), before)
        self.kill_at_each(("snapshot", "settings", "flip", "wait"), *apply, "--hand-over")
        self.assertEqual(self.services.calls(), [], "nothing is stopped while jobs run")
        self.launch(5, (0, 1))
        self.release_jobs()
        self.kill_at_each(("verify", "retire"), *apply, "--hand-over")
        for verb in ("disable", "stop", "mask"):
            began, status, said = self.stop_at(f"  {verb} {UNIT}", *apply, "--hand-over")
            self.assertEqual((began, status), (["retire"], -signal.SIGKILL), said)
        self.run_tool(*apply, "--hand-over", expected=3)
        self.assertEqual(self.mode(), "in-process")
        self.assertEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "masked"))
        self.assertFalse(self.services.has(UNIT, "enabled"))
        self.check_nothing_is_lost()
        self.assertIn("nothing to do", self.run_tool(*apply, "--hand-over").stdout)
        self.run_tool("verify")
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P2")

        self.launch(20, (1, 3))
        self.kill_at_each(("start", "settings", "flip", "wait", "verify"), "rollback")
        self.run_tool("rollback", expected=3)
        self.assertEqual(self.mode(), "external")
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "enabled"))
        self.assertEqual((self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8"), before)
        self.launch(2, (0, 1))
        self.check_nothing_is_lost()


if __name__ == "__main__":
    unittest.main(verbosity=2)
