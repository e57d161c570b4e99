#!/usr/bin/env python3
"""dynflow-migrate over real processes: P0 to P2 with 200 running jobs, the tool killed at each step; and back."""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

from foreman import Foreman
from modes_test import Job
from network import wait_until
from programs import CoreService, SmartProxy, binary, test_plugin_folder
from sshd import Sshd
from units import Units

JOBS = 200
UNIT = "smart_proxy_dynflow_core"
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/config"
TREES = ("el-2.4-sidecar", "el-2.4-sidecar-katello-customcerts", "deb-2.4-inprocess", "el-2.5-inprocess", "el-2.5-forced-external",
         "el-3.0-merged", "el-3.2-core-dropped", "current-30.1-pull-mqtt", "packaged-defaults/rpm-2.5", "packaged-defaults/deb-2.5",
         "packaged-defaults/v0.9.4")


class Migration(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="migrate-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.runs = self.folder / "runs"
        self.runs.touch()
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd", options=("MaxStartups 1000", "LoginGraceTime 300"), log_level="ERROR"))
        self.core = CoreService(self.folder / "core", self.foreman.url, ssh_key=self.sshd.client_key,
                                settings={"database": self.folder / "core.sqlite"})
        self.services = Units(self.folder / "services")
        self.services.add(UNIT, [str(binary(UNIT)), "--config-dir", str(self.core.config)], {"DYNFLOW_PLUGIN_PATH": test_plugin_folder()})
        self.addCleanup(self.services.stop, UNIT)
        self.services.start(UNIT)
        wait_until(self._core_answers, "the core service", 60)
        self.proxy = self.enterContext(SmartProxy(
            self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=True, core_url=self.core.url,
            dynflow={"database": self.folder / "proxy.sqlite"}))
        self.jobs = set()

    def _core_answers(self):
        try:
            return self.core.is_ready()
        except OSError:
            return False

    def command(self, *arguments):
        return [str(binary("dynflow-migrate")), *arguments, "--config-dir", str(self.proxy.config), "--core-config-dir",
                str(self.core.config), "--proxy-url", f"http://127.0.0.1:{self.proxy.port}"]

    def environment(self):
        return {**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()}

    def run_tool(self, *arguments, expected=0):
        done = subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def kill_at(self, steps, *arguments):
        """Runs the tool and kills it as it begins the first of the steps; which steps it began. When an earlier kill came after the
        end of that step, a later one is met."""
        began = []
        with subprocess.Popen(self.command(*arguments), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as tool:
            for line in tool.stdout:
                word, _, step = line.strip().partition(" ")
                if word == "step":
                    began.append(step)
                    if step in steps:
                        tool.send_signal(signal.SIGKILL)
                        break
        self.assertEqual(tool.returncode, -signal.SIGKILL, f"the tool was not killed at {steps}")
        return began

    def launch(self, count, seconds):
        entries = {}
        for _ in range(count):
            job = Job(self.sshd, "")
            # One id for both, so that callbacks and runs can be compared.
            job.entry["action_input"]["callback"]["task_id"] = job.plan_id
            job.entry["action_input"]["script"] = f"#!/bin/sh\necho {job.plan_id} >> {self.runs}\nsleep {random.uniform(*seconds):.2f}\n"
            entries[job.plan_id] = job.entry
        answer = self.proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "input": entries, "options": {}})
        self.assertEqual(answer.status, 200, answer.text)
        for plan in entries:
            self.assertEqual(answer.json()[plan]["result"], "success", answer.text)
        self.jobs |= set(entries)

    def check_nothing_is_lost(self):
        wait_until(lambda: self.jobs <= {callback.task_id for callback in self.foreman.callbacks()}, "all callbacks", 180)
        self.assertEqual(Counter(self.runs.read_text(encoding="utf-8").split()), Counter(self.jobs))

    def mode(self):
        return self.proxy.http.get("/dynflow/mode").json()["state"]

    def test_to_in_process_with_running_jobs_killed_at_each_step_and_back(self):
        before = (self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8")
        self.assertEqual(json.loads(self.run_tool("status", "--json").stdout)["phase"], "P1")
        self.launch(JOBS, (4, 12))
        apply = ("apply", "--to", "internal")
        self.assertIn("jobs run", self.run_tool(*apply, expected=4).stderr)
        self.assertIn("+:external_core: false", self.run_tool(*apply, "--noop").stdout)
        self.assertEqual((self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8"), before)
        steps = ("snapshot", "settings", "flip", "wait")
        for at, _ in enumerate(steps):
            began = self.kill_at(steps[at:], *apply, "--hand-over")
            self.assertLessEqual(len(began), 2, f"steps that are done are not repeated: {began}")
        self.assertEqual(self.services.calls(), [], "nothing is stopped while jobs run")
        self.launch(5, (0, 1))
        for steps in (("verify", "retire"), ("retire",)):
            self.kill_at(steps, *apply, "--hand-over")
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
        steps = ("start", "settings", "flip", "wait", "verify")
        for at, _ in enumerate(steps):
            self.kill_at(steps[at:], "rollback")
        self.run_tool("rollback", expected=3)
        self.assertEqual(self.mode(), "external")
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.assertTrue(self.services.has(UNIT, "enabled"))
        self.assertEqual((self.proxy.config / "settings.d/dynflow.yml").read_text(encoding="utf-8"), before)
        self.launch(2, (0, 1))
        self.check_nothing_is_lost()

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
                if line == "step flip\n":
                    break
            time.sleep(1)
            tool.send_signal(signal.SIGINT)
            self.assertIn("interrupted", tool.stdout.read())
        self.assertEqual(tool.returncode, 2)
        self.assertNotEqual(self.services.pid(UNIT), 0, "nothing is stopped when the proxy cannot be asked")
        self.proxy.start()
        self.run_tool("apply", "--to", "internal", "--hand-over", expected=3)
        self.assertEqual(self.mode(), "in-process")


class WithoutServices(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="migrate-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_tool(self, *arguments):
        return subprocess.run([str(binary("dynflow-migrate")), *arguments], capture_output=True, text=True, timeout=60, check=False)

    def test_libraries_are_loaded_in_processes_of_their_own(self):
        self.assertEqual(self.run_tool("plugins", "probe").returncode, 0)
        bad = self.folder / "bad.so"
        bad.write_text("no library", encoding="utf-8")
        done = self.run_tool("plugins", "load", str(bad))
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.so", done.stderr)

    def copy(self, name):
        tree = self.folder / name.replace("/", "-")
        shutil.copytree(FIXTURES / name, tree, symlinks=True)
        (tree / "etc/foreman-proxy/settings.d").mkdir(parents=True, exist_ok=True)
        return tree

    @staticmethod
    def files(tree):
        return {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file() and "dynflow-migrate" not in str(path)}

    def test_every_tree_is_looked_at_without_a_change(self):
        for name in TREES:
            with self.subTest(name):
                tree = self.copy(name)
                before = self.files(tree)
                for command in (("status",), ("check", "--to", "internal"), ("check", "--to", "external"), ("plan", "--to", "internal"),
                                ("apply", "--to", "internal", "--noop"), ("apply", "--to", "external", "--noop"),
                                ("config", "migrate", "--noop"), ("config", "show"), ("config", "lint"), ("certs", "check")):
                    done = self.run_tool(*command, "--json", "--root", str(tree))
                    self.assertIn(done.returncode, (0, 1, 2), (command, done.stderr))
                    document = json.loads(done.stdout)
                    self.assertEqual(document["exit_code"], done.returncode)
                    self.assertNotIn("error", document, command)
                self.assertEqual(self.files(tree), before)

    def test_every_tree_goes_there_and_back(self):
        for name in TREES:
            with self.subTest(name):
                tree = self.copy(name)
                before = self.files(tree)
                root = ("--root", str(tree))
                first = self.run_tool("apply", "--to", "internal", *root).returncode
                self.assertIn(first, (0, 3))
                self.assertEqual(self.run_tool("apply", "--to", "internal", *root).returncode, 0, "a second time changes nothing")
                if first == 3:
                    self.assertEqual(self.run_tool("rollback", *root).returncode, 3)
                    left = {path: text for path, text in self.files(tree).items() if path.suffix != ".bak"}
                    self.assertEqual(left, before)

    def test_p2_becomes_p3(self):
        tree = self.copy("el-2.4-sidecar")
        root = ("--root", str(tree))
        self.assertEqual(self.run_tool("cleanup", *root).returncode, 2, "not while the site is external")
        self.assertEqual(self.run_tool("apply", "--to", "internal", *root).returncode, 3)
        self.assertEqual(json.loads(self.run_tool("status", "--json", *root).stdout)["phase"], "P2")
        self.assertEqual(self.run_tool("cleanup", "--noop", *root).returncode, 0)
        self.assertTrue((tree / "etc/smart_proxy_dynflow_core/settings.yml").exists())
        self.assertEqual(self.run_tool("cleanup", *root).returncode, 3)
        self.assertFalse((tree / "etc/smart_proxy_dynflow_core").exists())
        self.assertTrue((tree / "etc/foreman-proxy/settings.d/dynflow.yml").exists(), "the link was removed, not followed")
        self.assertEqual(json.loads(self.run_tool("status", "--json", *root).stdout)["phase"], "P3")

    def test_manual_and_completion(self):
        self.assertIn(".SS apply", self.run_tool("manual").stdout)
        script = self.folder / "completion"
        script.write_text(self.run_tool("completion").stdout, encoding="utf-8")
        shown = subprocess.run(["bash", "-c", f". {script}; COMP_WORDS=(dynflow-migrate apply --to ''); COMP_CWORD=3; _dynflow_migrate; echo ${{COMPREPLY[@]}}"],
                               capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(shown.stdout.split(), ["internal", "external"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
