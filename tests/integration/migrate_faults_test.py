#!/usr/bin/env python3
"""What goes wrong while dynflow-migrate moves a site: two operators, a proxy that is down, a service that does not stop, a core service
that dies in the middle; and what --force does."""

import fcntl
import json
import os
import signal
import subprocess

import side_by_side
from migrating_site import UNIT, MigratingSite
from network import wait_until


class Faults(MigratingSite):
    def test_two_operators_and_a_proxy_that_is_down(self):
        place = self.folder / "proxy/state/dynflow-migrate"
        place.mkdir()
        with open(place / "lock", "w+", encoding="utf-8") as lock:
            lock.write("pid 1, jane")
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("pid 1, jane", self.run_tool("apply", "--to", "internal", "--hand-over", expected=2).stderr)
        self.proxy.stop()
        tool = subprocess.Popen(self.command("apply", "--to", "internal", "--hand-over"), env=self.environment(), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        with tool:
            for line in tool.stdout:
                if "trying again" in line:
                    break
            tool.send_signal(signal.SIGINT)
            self.assertIn("interrupted", tool.stdout.read())
        self.assertEqual(tool.returncode, 2)
        self.assertNotEqual(self.services.pid(UNIT), 0, "nothing is stopped when the proxy cannot be asked")
        self.proxy.start()
        self.run_tool("apply", "--to", "internal", "--hand-over", expected=3)
        self.assertEqual(self.mode(), "in-process")

    def test_a_service_that_refuses_to_stop(self):
        self.services.refuse(UNIT, "stop")
        done = self.run_tool("apply", "--to", "internal", expected=2)
        self.assertIn("retire: ", done.stderr)
        self.assertIn(f"{UNIT} does not want to stop", done.stderr)
        self.assertEqual(self.mode(), "in-process", "what was done before stays done")
        again = self.run_tool("apply", "--to", "internal", expected=2)
        self.assertEqual([line for line in again.stdout.splitlines() if line.startswith("step")], ["step retire"])
        self.services.refuse(UNIT, None)
        self.run_tool("apply", "--to", "internal", expected=3)
        self.assertEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "masked"))

    def test_a_core_service_that_dies_in_a_hand_over(self):
        self.launch(3, (1000, 1001))
        with subprocess.Popen(self.command("apply", "--to", "internal", "--hand-over"), env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as tool:
            for line in tool.stdout:
                if line == "step wait\n":
                    break
            self.services.kill(UNIT)
            for line in tool.stdout:
                if "cannot be asked" in line:
                    break
            else:
                self.fail("the tool does not say that the core service is gone")
            self.assertIn(f"start {UNIT}", line)
            # Its jobs are told to be lost by the core itself, when it is back.
            self.services.start(UNIT)
            told = tool.stdout.read()
        self.assertEqual(tool.returncode, 3, told)
        self.assertEqual(self.mode(), "in-process")
        wait_until(lambda: self.jobs <= {callback.task_id for callback in self.foreman.callbacks()}, "the end of every job", 120)

    def test_a_core_service_that_is_not_there_and_a_proxy_that_lets_nobody_in(self):
        apply = ("apply", "--to", "internal", "--hand-over")
        self.run_tool(*apply, expected=3)
        self.services.act("unmask", UNIT)
        unit = self.folder / f"services/{UNIT}.json"
        unit.rename(self.folder / "unit")
        self.assertIn("install its package first", self.run_tool("apply", "--to", "external", expected=2).stderr)
        self.assertIn("nothing to do", self.run_tool(*apply).stdout, "nothing was begun")
        (self.folder / "unit").rename(unit)
        self.proxy.stop()
        with open(self.proxy.config / "settings.yml", "a", encoding="utf-8") as settings:
            settings.write("\n:trusted_hosts: [somebody.example.com]\n")
        self.proxy.start(wait=False)
        refused = self.run_tool("apply", "--to", "external", "--force", expected=2)
        self.assertIn("does not let this program in; this host has to be among its :trusted_hosts:", refused.stderr)

    def test_a_port_of_somebody_else(self):
        self.assertEqual(self.contradictions(), [])
        settings = self.core.config / "settings.yml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace(f":port: {self.core.port}", f":port: {self.foreman.port}"), encoding="utf-8")
        found = self.contradictions()
        self.assertEqual([row["name"] for row in found], ["port-of-another"])
        self.assertRegex(found[0]["text"], rf"runs \(pid {self.services.pid(UNIT)}\), and its port {self.foreman.port} belongs to python\S* \(pid {os.getpid()}\)")

    def contradictions(self):
        return json.loads(self.run_tool("status", "--json", expected=None).stdout)["mixtures"]

    def test_a_rollback_leaves_the_unit_as_it_was(self):
        self.services.act("disable", UNIT)
        self.run_tool("apply", "--to", "internal", expected=3)
        self.run_tool("rollback", expected=3)
        self.assertEqual((self.services.pid(UNIT) != 0, self.services.has(UNIT, "enabled"), self.services.has(UNIT, "masked")), (True, False, False))
        self.run_tool("apply", "--to", "internal", expected=3)
        self.services.act("unmask", UNIT)
        self.run_tool("apply", "--to", "external", expected=3)
        self.assertTrue(self.services.has(UNIT, "enabled"))
        self.run_tool("rollback", expected=3)
        self.assertEqual((self.services.pid(UNIT), self.services.has(UNIT, "enabled"), self.services.has(UNIT, "masked")), (0, False, False))

    def test_a_core_service_that_would_start_with_the_next_boot(self):
        apply = ("apply", "--to", "internal", "--hand-over")
        self.run_tool(*apply, expected=3)
        for verb in ("unmask", "enable"):
            self.services.act(verb, UNIT)
        self.run_tool(*apply, expected=3)
        self.assertEqual((self.services.has(UNIT, "enabled"), self.services.has(UNIT, "masked")), (False, True))
        self.assertIn("nothing to do", self.run_tool(*apply).stdout)

    def test_force_leaves_what_runs(self):
        self.hold_a_job()
        self.run_tool("apply", "--to", "internal", expected=4)
        self.run_tool("apply", "--to", "internal", "--force", expected=3)
        self.assertEqual(self.foreman.callbacks(), [], "it did not wait")
        self.assertEqual(self.mode(), "in-process")
        self.assertEqual(self.services.pid(UNIT), 0)
        self.hold_a_job()
        self.run_tool("rollback", "--force", expected=3)
        self.assertEqual(self.mode(), "external")
        self.assertIn("--hand-over, --drain and --force: one of them", self.run_tool("apply", "--to", "external", "--force", "--hand-over", expected=2).stderr)


if __name__ == "__main__":
    side_by_side.main(workers=4)
