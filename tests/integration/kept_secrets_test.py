#!/usr/bin/env python3
"""`:secrets_key_file:`: passwords of jobs that wait for their turn outlive a kill -9, on SQLite and on PostgreSQL, and are in the database
as nobody can read them. With the wrong key, or without one, Foreman is told at once."""

import base64
import contextlib
import os
import shutil
import sqlite3
import tempfile
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from postgres import Postgres
from programs import CoreService, SmartProxy, wait_for_task
from sshd import Sshd, lock_key

WAITING = 3


def a_key():
    return base64.b64encode(os.urandom(32)).decode() + "\n"


class KeptSecrets(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kept-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))
        # Without it nobody can log in: a job that succeeds had it.
        self.passphrase = f"plant-{uuid.uuid4().hex}"
        self.ssh_key = lock_key(self.sshd.client_key, self.folder / "key", self.passphrase)
        self.key_file = self.folder / "secrets.key"
        self.write_key(a_key())
        self.marker = self.folder / "ran"
        self.prepare_database()

    def prepare_database(self):
        self.database = self.folder / "tasks.sqlite"

    def after_kill(self):
        pass

    def rows(self):
        """The sealed texts in the database."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return [row[0] for row in database.execute("SELECT sealed FROM secrets")]

    def stored_bytes(self):
        return b"".join(file.read_bytes() for file in self.folder.glob("tasks.sqlite*"))

    def write_key(self, text, mode=0o600):
        self.key_file.write_text(text, encoding="ascii")
        self.key_file.chmod(mode)

    def core(self, **settings):
        core = CoreService(self.folder / "core", self.foreman.url, ssh_key=self.ssh_key, environment={"HOME": str(self.folder)},
                           settings={"database": self.database, "max_running_runners": 1, "secrets_key_file": self.key_file, **settings})
        self.addCleanup(core.kill)  # when a test has failed before it stopped it
        return core

    def launch(self, core):
        """A job that runs, and WAITING that wait behind it. Their ids."""
        def entry(script):
            return {"action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "action_input": {
                "hostname": self.sshd.address, "ssh_port": self.sshd.port, "ssh_user": self.sshd.user, "script": script,
                "effective_user": None, "secrets": {"key_passphrase": self.passphrase},
                "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}
        first = str(uuid.uuid4())
        plans = [str(uuid.uuid4()) for _ in range(WAITING)]
        began = self.folder / f"began-{first}"
        for batch in ({first: entry(f"touch {began}; exec sleep 600")},
                      {plan: entry(f"echo {plan} >> {self.marker}") for plan in plans}):
            answer = core.http.post("/tasks/launch", {"operation": "ssh", "options": {}, "input": batch})
            self.assertEqual(answer.status, 200, answer.text)
            wait_until(began.exists, "the first job to begin")
        return first, plans

    def kill(self, core):
        core.kill()
        self.after_kill()

    def ended(self, core, plan):
        document = wait_for_task(core.http, plan, prefix="")
        text = "".join(chunk["output"] for action in document["actions"] for chunk in action["output"].get("result") or [])
        return document["result"], text

    def check_all_gone(self, core):
        wait_until(lambda: not self.rows(), "the secrets of jobs that ended to be removed")
        self.assertEqual(core.stop(), 0)

    def test_a_restart_goes_on_with_the_jobs_that_wait(self):
        core = self.core().start()
        first, plans = self.launch(core)
        self.assertEqual(len(self.rows()), WAITING + 1)
        self.assertNotIn(self.passphrase.encode(), self.stored_bytes())
        self.kill(core)
        # A new key for what comes, the old one for what is there.
        self.write_key(a_key() + self.key_file.read_text(encoding="ascii"), mode=0o640)
        core.start()
        self.assertEqual(self.ended(core, first), ("error", "The proxy was restarted while the job ran; how it ended is not known"))
        for plan in plans:
            self.assertEqual(self.ended(core, plan)[0], "success", core.logs()[-3000:])
        self.assertEqual(sorted(self.marker.read_text(encoding="ascii").split()), sorted(plans), "each ran once")
        self.check_all_gone(core)

    def test_the_wrong_key_is_told(self):
        core = self.core().start()
        _, plans = self.launch(core)
        name = self.rows()[0].split(".")[0]
        self.kill(core)
        self.write_key(a_key())
        core.start()
        for plan in plans:
            result, text = self.ended(core, plan)
            self.assertEqual(result, "error")
            self.assertIn(f"its passwords cannot be read: they were sealed with key {name}, which is not in {self.key_file}", text)
        self.assertIn("cannot be read", core.logs())
        self.assertFalse(self.marker.exists())
        self.check_all_gone(core)

    def test_without_a_key_file_they_are_in_memory_only(self):
        core = self.core(secrets_key_file=None).start()
        _, plans = self.launch(core)
        self.assertEqual(self.rows(), [])
        self.kill(core)
        core.start()
        for plan in plans:
            result, text = self.ended(core, plan)
            self.assertEqual(result, "error")
            self.assertIn("kept in memory only", text)
        self.assertFalse(self.marker.exists())
        self.assertEqual(core.stop(), 0)


class KeptSecretsOnPostgres(KeptSecrets):
    def prepare_database(self):
        self.folder.chmod(0o755)  # the server is another user
        self.server = self.enterContext(Postgres(self.folder / "postgres"))
        self.server.query("CREATE DATABASE tasks")
        self.database = self.server.url("tasks")

    def after_kill(self):
        self.server.query("UPDATE worlds SET lease_until = now() - interval '1 second'", "tasks")

    def rows(self):
        return [row[0] for row in self.server.query("SELECT sealed FROM secrets", "tasks")]

    def stored_bytes(self):
        self.server.query("CHECKPOINT")
        return b"".join(file.read_bytes() for file in self.server.data.rglob("*") if file.is_file())


class KeyFiles(unittest.TestCase):
    """Key files that are refused: the programs say why, and what stands in the file nowhere."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kept-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.key_file = self.folder / "secrets.key"

    def test_the_core_service_does_not_start(self):
        cases = [(a_key(), 0o644, "has mode 0644: a key file has to be 0600, or 0640 at most"),
                 ("plant-no-key\n", 0o600, f"{self.key_file}:1: not a key"), (None, 0, "No such file or directory")]
        for text, mode, expected in cases:
            with self.subTest(expected):
                self.key_file.unlink(missing_ok=True)
                if text is not None:
                    self.key_file.write_text(text, encoding="ascii")
                    self.key_file.chmod(mode)
                core = CoreService(self.folder / "core", "http://127.0.0.1:1", settings={"secrets_key_file": self.key_file})
                with self.assertRaises(RuntimeError) as failure:
                    core.start()
                self.assertIn(expected, str(failure.exception))
                self.assertIn(":secrets_key_file:", str(failure.exception))
                self.assertNotIn("plant", str(failure.exception))

    def test_the_feature_of_the_proxy_fails(self):
        self.key_file.write_text(a_key(), encoding="ascii")
        self.key_file.chmod(0o644)
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False,
                        dynflow={"secrets_key_file": self.key_file}) as proxy:
            self.assertEqual(proxy.http.get("/v2/features").json()["dynflow"]["state"], "failed")
            self.assertIn("a key file has to be 0600", proxy.logs())


if __name__ == "__main__":
    unittest.main()
