"""A site of real processes that dynflow-migrate moves from external to in-process and back."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from foreman import Foreman
from mode_orders import mode_of
from network import wait_until
from programs import CoreService, SmartProxy, binary, preload_library, test_plugin_folder
from script_job import Job
from sshd import Sshd
from units import Units

UNIT = "smart_proxy_dynflow_core"


def stopped_at(line, number, command, environment):
    done = subprocess.run(command, env={**environment, "LD_PRELOAD": preload_library("signal_at_line"), "SIGNAL_AT_LINE": line,
                                        "SIGNAL_NUMBER": str(int(number))},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False)
    lines = done.stdout.splitlines()
    if line not in lines:
        raise AssertionError(f"the tool did not come to '{line}': {done.stdout}")
    return [line.removeprefix("step ") for line in lines if line.startswith("step ")], done.returncode, done.stdout


class Moved(unittest.TestCase):
    """Jobs on one host and the tool, for any site. A subclass starts it, and sets `client` (the proxy, as Foreman asks it) and `services`."""

    # The class of a job, as Foreman of the site's time names it.
    job_class = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="migrate-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.runs = self.folder / "runs"
        self.runs.touch()
        self.gate = self.folder / "gate"
        self.sshd = self.enterContext(Sshd(self.folder / "sshd", options=("MaxStartups 1000", "LoginGraceTime 300"), log_level="ERROR"))
        self.jobs = set()

    def command(self, *arguments):
        raise NotImplementedError

    def environment(self):
        return {**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": self.services.program()}

    def run_tool(self, *arguments, expected=0):
        done = subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True, timeout=240, check=False)
        if expected is not None:
            self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def stop_at(self, line, *arguments, number=signal.SIGKILL):
        """Runs the tool, which gets the signal when it has written this line and before it does anything more. Which steps it began, its
        exit status, and all that it said."""
        return stopped_at(line, number, self.command(*arguments), self.environment())

    def kill_at(self, step, *arguments):
        """As it begins the step."""
        began, status, said = self.stop_at(f"step {step}", *arguments)
        self.assertEqual(status, -signal.SIGKILL, f"the tool was not killed at {step}: {said}")
        self.assertLessEqual(len(began), 2, f"steps that are done are not repeated: {began}")

    def kill_at_each(self, steps, *arguments):
        for step in steps:
            self.kill_at(step, *arguments)

    def hold_a_job(self):
        """One that runs until release_jobs()."""
        self.launch(1, (0, 0), before=f"while [ -d {self.folder} ] && [ ! -e {self.gate} ]; do sleep 0.1; done")

    def release_jobs(self):
        self.gate.touch()

    def launch(self, count, seconds, before="true"):
        entries = {}
        for _ in range(count):
            job = Job(self.sshd, "")
            if self.job_class:
                job.entry["action_class"] = self.job_class
            # One id for both, so that callbacks and runs can be compared.
            job.entry["action_input"]["callback"]["task_id"] = job.plan_id
            job.entry["action_input"]["script"] = f"#!/bin/sh\necho {job.plan_id} >> {self.runs}\n{before}\nsleep {random.uniform(*seconds):.2f}\n"
            entries[job.plan_id] = job.entry
        answer = self.client.post("/dynflow/tasks/launch", {"operation": "ssh", "input": entries, "options": {}})
        self.assertEqual(answer.status, 200, answer.text)
        for plan in entries:
            self.assertEqual(answer.json()[plan]["result"], "success", answer.text)
        self.jobs |= set(entries)

    def check_nothing_is_lost(self):
        wait_until(lambda: self.jobs <= {callback.task_id for callback in self.foreman.callbacks()}, "all callbacks", 180)
        callbacks = [callback for callback in self.foreman.callbacks() if callback.task_id in self.jobs]
        self.assertEqual([callback for callback in callbacks if callback.data.get("exit_status") != 0], [], "every job ended well")
        self.assertEqual(Counter(self.runs.read_text(encoding="utf-8").split()), Counter(self.jobs))

    def mode(self):
        return mode_of(self.client)["state"]


class MigratingSite(Moved):
    """A proxy in external mode, its core service under a service manager that stands in, Foreman and a host; and the tool."""

    def setUp(self):
        super().setUp()
        self.foreman = self.enterContext(Foreman())
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
        self.client = self.proxy.http

    def _core_answers(self):
        try:
            return self.core.is_ready()
        except OSError:
            return False

    def command(self, *arguments):
        return [str(binary("dynflow-migrate")), *arguments, "--config-dir", str(self.proxy.config), "--core-config-dir",
                str(self.core.config), "--proxy-url", f"http://127.0.0.1:{self.proxy.port}"]
