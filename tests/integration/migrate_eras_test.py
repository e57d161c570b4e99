#!/usr/bin/env python3
"""dynflow-migrate on a site of each legacy era, over real processes with jobs running, the tool killed at each step."""

import json
import os
import unittest

import side_by_side
from legacy_site import LegacySite
from migrating_site import UNIT

JOBS = int(os.environ.get("DYNFLOW_MIGRATE_JOBS", "6"))
LENGTH = (3, 5) if JOBS < 20 else (4, 12)
OLD_CLASS = "ForemanRemoteExecutionCore::Actions::RunScript"


def with_windows_lines(text):
    return text.replace("\n", "\r\n").encode()


class Eras(LegacySite):
    def phase(self):
        return json.loads(self.run_tool("status", "--json", expected=None).stdout)["phase"]

    def change(self, steps, *command):
        """Kills the tool at each of the steps, then lets it finish."""
        self.kill_at_each(steps, *command)
        self.run_tool(*command, expected=3)

    def check_in_process(self):
        self.assertEqual(self.mode(), "in-process")
        self.assertEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "masked"))
        self.check_nothing_is_lost()

    def from_the_sidecar(self, tree, phase, edit=None):
        """There with jobs on the old side, back with jobs on the new one, there again, and the sidecar is cleaned away."""
        self.job_class = OLD_CLASS
        self.start(tree, has_core=False, runs_sidecar=True, edit=edit)
        self.assertEqual(self.phase(), phase)
        self.launch(JOBS, LENGTH)
        self.hold_a_job()
        internal = ("apply", "--to", "internal", "--hand-over")
        self.assertIn("not installed", self.run_tool(*internal, expected=2).stderr)
        self.install_core()
        refused = self.run_tool(*internal, expected=2).stderr
        self.assertIn("jobs of ssh run now, and foreman_remote_execution_core.so is not installed beside", refused)
        self.assertEqual(self.files(), self.before)
        self.install_executors()
        self.kill_at_each(("snapshot", "settings", "flip", "wait"), *internal)
        self.assertNotEqual(self.services.pid(UNIT), 0, "nothing is stopped while jobs run")
        self.launch(3, (0, 1))
        self.release_jobs()
        self.change(("verify", "retire"), *internal)
        self.check_in_process()
        self.run_tool("verify")
        self.assertEqual(self.phase(), "P2")

        self.launch(JOBS, (1, 3))
        self.change(("start", "settings", "flip", "wait", "verify"), "rollback")
        self.assertEqual(self.mode(), "external")
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.assertEqual(self.files(), self.before)
        self.launch(2, (0, 1))
        self.check_nothing_is_lost()

        self.run_tool(*internal, expected=3)
        self.run_tool("cleanup", expected=3)
        self.assertEqual(self.phase(), "P3")
        self.proxy.restart()
        self.launch(2, (0, 1))
        self.check_in_process()

    def test_el_24_sidecar(self):
        self.from_the_sidecar("el-2.4-sidecar", "P0")

    def test_el_24_katello_with_two_authorities(self):
        self.from_the_sidecar("el-2.4-sidecar-katello-customcerts", "P0")

    def test_el_25_forced_external_with_windows_lines(self):
        self.from_the_sidecar("el-2.5-forced-external", "P0", edit=with_windows_lines)

    def test_rpm_25_without_an_installer(self):
        self.from_the_sidecar("packaged-defaults/rpm-2.5", "D-unset")

    def is_written(self):
        module = self.tree / "etc/foreman-proxy/settings.d/dynflow.yml"
        return module.exists() and "\n:external_core: false" in module.read_text(encoding="utf-8")

    def in_process_already(self, tree, phase, job_class):
        """The key may have to be written; nothing else happens, and jobs do not notice. Back again, too."""
        self.job_class = job_class
        self.start(tree, has_core=True, runs_sidecar=False)
        self.assertEqual((self.mode(), self.phase()), ("in-process", phase))
        self.launch(JOBS, (2, 4))
        command = ("apply", "--to", "internal", "--hand-over")
        if not self.is_written():
            self.change(("snapshot", "settings", "flip", "wait", "verify", "retire"), *command)
            self.launch(2, (1, 2))
        self.assertIn("nothing to do", self.run_tool(*command).stdout)
        self.assertEqual(self.mode(), "in-process")
        if self.files() != self.before:
            self.run_tool("rollback", expected=3)
        self.assertEqual((self.mode(), self.files()), ("in-process", self.before))
        self.check_nothing_is_lost()
        self.assertEqual({call for call in self.services.calls() if call.strip() != "daemon-reload"}, set(), "no unit is touched")

    def test_deb_24(self):
        self.in_process_already("deb-2.4-inprocess", "D-unset", OLD_CLASS)

    def test_el_30_merged(self):
        self.in_process_already("el-3.0-merged", "P3", None)

    def test_el_32_core_dropped(self):
        self.in_process_already("el-3.2-core-dropped", "P3", None)

    def test_gem_without_an_installer(self):
        self.in_process_already("packaged-defaults/v0.9.4", "P3", None)

    def test_el_25_in_process_goes_to_the_sidecar_and_back(self):
        self.job_class = OLD_CLASS
        self.start("el-2.5-inprocess", has_core=True, runs_sidecar=False)
        self.assertEqual((self.mode(), self.phase()), ("in-process", "P2"))
        self.launch(JOBS, LENGTH)
        # What only the sidecar's file said comes along; nothing else happens.
        self.change(("snapshot", "settings", "flip", "wait", "verify", "retire"), "apply", "--to", "internal", "--hand-over")
        before = self.files()
        external = ("apply", "--to", "external", "--hand-over")
        self.kill_at_each(("snapshot", "start", "settings", "flip", "wait"), *external)
        self.launch(JOBS, (1, 3))
        self.change(("verify",), *external)
        self.assertEqual(self.mode(), "external")
        self.assertEqual(self.phase(), "P1")
        self.change(("settings", "flip", "wait", "verify", "retire"), "rollback")
        self.assertEqual(self.files(), before)
        self.check_in_process()


if __name__ == "__main__":
    side_by_side.main(workers=4)
