"""What the live runs have in common: a Foreman, a host, and pairs of a proxy and a core of which one is Ruby's."""

import os
import shutil
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "integration")]

import ruby_systems  # noqa: E402
from foreman import Foreman  # noqa: E402
from network import wait_until  # noqa: E402
from pki import Pki  # noqa: E402
from sshd import Sshd  # noqa: E402

# As Foreman before foreman_remote_execution 4.6 names it, and since.
OLD_CLASS = "ForemanRemoteExecutionCore::Actions::RunScript"
NEW_CLASS = "Proxy::RemoteExecution::Ssh::Actions::RunScript"
FINISHED = ("stopped", "paused")


class Job:
    """One host's script, as a Foreman of the time sends it. `task_id`: Foreman's; `plan_id`: the core's, after launch()."""

    def __init__(self, sshd, script, action_class=OLD_CLASS):
        self.task_id = str(uuid.uuid4())
        self.plan_id = None
        self.entry = {"action_class": action_class, "action_input": {
            "ssh_user": sshd.user, "effective_user": None, "effective_user_method": "sudo", "ssh_port": sshd.port, "hostname": sshd.address,
            "script": script, "execution_timeout_interval": None, "secrets": {}, "use_batch_triggering": True, "use_concurrency_control": False,
            "proxy_operation_name": "ssh", "callback": {"task_id": self.task_id, "step_id": 3}}}

    def output_of(self, document):
        for action in document["actions"]:
            if (action.get("input") or {}).get("task_id") == self.task_id:
                return action.get("output") or {}
        return {}


def text_of(output):
    """Lines as a terminal shows them: the Ruby core gives what comes from its pseudo-terminal as it is."""
    return "".join(chunk["output"] for chunk in output.get("result") or []).replace("\r\n", "\n")


def launch(client, jobs, operation="ssh"):
    """Sends one launch; every job learns its id."""
    document = {"operation": operation, "input": {job.task_id: job.entry for job in jobs}, "options": {}}
    answer = client.post("/dynflow/tasks/launch", document)
    assert answer.status == 200, answer.text
    for job in jobs:
        row = answer.json()[job.task_id]
        assert row["result"] == "success", answer.text
        job.plan_id = row["task_id"]
    return answer.json()


class Live(unittest.TestCase):
    """Folder, sources, Foreman and sshd of a class of tests."""

    @classmethod
    def setUpClass(cls):
        absent = ruby_systems.missing(ruby_systems.root())
        if absent:
            raise unittest.SkipTest("the Ruby systems are not here: " + "; ".join(absent))
        cls.sources = ruby_systems.root()
        cls.folder = Path(tempfile.mkdtemp(prefix="live-"))
        cls.folder.chmod(0o755)
        if not os.environ.get("DYNFLOW_KEEP"):
            cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.foreman = cls.enterClassContext(Foreman())
        cls.sshd = cls.enterClassContext(Sshd(cls.folder / "sshd"))
        cls.pki = Pki(cls.folder / "pki")

    def job(self, script, **more):
        return Job(self.sshd, "#!/bin/sh\n" + script, **more)

    def document(self, client, job):
        """While a core hangs its proxy says 503, and Foreman asks again: the Ruby sidecar does hang with its database in a file."""
        answer = wait_until(lambda: (found := client.get(f"/dynflow/tasks/{job.plan_id}/status")).status != 503 and found, "the core", 60)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json()

    def finished(self, client, job, timeout=60):
        return wait_until(lambda: (found := self.document(client, job))["state"] in FINISHED and found, f"the end of {job.plan_id}", timeout)

    def delivered(self, job, timeout=60):
        return self.foreman.wait_for(1, task_id=job.task_id, timeout=timeout)[0]
