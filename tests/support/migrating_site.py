"""A site of real processes that dynflow-migrate moves from external to in-process and back."""

import fcntl
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
from programs import CoreService, SmartProxy, binary, test_plugin_folder
from script_job import Job
from sshd import Sshd
from units import Units

UNIT = "smart_proxy_dynflow_core"


def line_by_line_pipe():
    """Its writer is never ahead of its reader by more than a line: it keeps each write by itself, and has room for one."""
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


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

    def stop_at(self, steps, *arguments, number=signal.SIGKILL):
        """Runs the tool and sends it the signal as it begins the first of the steps. When an earlier stop came after the end of that
        step, a later one is met. Which steps it began, its exit status, and what it said afterwards."""
        began = []
        reader, writer = line_by_line_pipe()
        with open(reader, encoding="utf-8") as output:
            with subprocess.Popen(self.command(*arguments), env=self.environment(), stdout=writer, stderr=subprocess.STDOUT) as tool:
                os.close(writer)
                said = ""
                for line in output:
                    word, _, step = line.strip().partition(" ")
                    if word == "step":
                        began.append(step)
                        if step in steps:
                            tool.send_signal(number)
                            break
                    said += line
                said += output.read()
        return began, tool.returncode, said

    def kill_at(self, steps, *arguments):
        began, status, said = self.stop_at(steps, *arguments)
        self.assertEqual(status, -signal.SIGKILL, f"the tool was not killed at {steps}: {said}")
        return began

    def launch(self, count, seconds):
        entries = {}
        for _ in range(count):
            job = Job(self.sshd, "")
            if self.job_class:
                job.entry["action_class"] = self.job_class
            # One id for both, so that callbacks and runs can be compared.
            job.entry["action_input"]["callback"]["task_id"] = job.plan_id
            job.entry["action_input"]["script"] = f"#!/bin/sh\necho {job.plan_id} >> {self.runs}\nsleep {random.uniform(*seconds):.2f}\n"
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
