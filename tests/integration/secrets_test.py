#!/usr/bin/env python3
"""Secrets of a launch are planted and then searched for, everywhere that others look: documents, statuses, logs at DEBUG, bytes of the
database, environment and arguments of child processes, what Foreman is told, and the memory of our programs once the job has ended."""

import os
import shutil
import tempfile
import threading
import unittest
import uuid
from pathlib import Path

import memory
from foreman import Foreman
from network import wait_until
from pki import Pki
from programs import CoreService, SmartProxy, wait_for_task
from sshd import Sshd, lock_key


def descendants(pid):
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for text in child.read_text(encoding="ascii").split():
                yield int(text)
                yield from descendants(int(text))
        except OSError:
            continue


class Secrets(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="secrets-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd"))
        self.proxy = self.enterContext(SmartProxy(
            self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=False,
            environment={"HOME": str(self.folder)}, dynflow={"database": self.folder / "tasks.sqlite"}))
        # Random, so that the needle is in no program text and in no earlier run's file.
        self.planted = {name: f"plant-{name}-{uuid.uuid4().hex}" for name in
                        ("ssh_password", "key_passphrase", "effective_user_password", "sudo_password", "otp")}

    def launch(self, script):
        plan, task = str(uuid.uuid4()), str(uuid.uuid4())
        inner = {name: self.planted[name] for name in ("ssh_password", "key_passphrase", "effective_user_password")}
        answer = self.proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "options": {}, "input": {plan: {
            "action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "action_input": {
                "hostname": self.sshd.address, "ssh_port": self.sshd.port, "ssh_user": self.sshd.user, "script": script,
                "effective_user": None, "secrets": inner, "sudo_password": self.planted["sudo_password"],
                "otp": self.planted["otp"], "callback": {"task_id": task, "step_id": 3}}}}})
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual(self.found_in(answer.body), [])
        return plan, task, answer.json()["parent"]["task_id"]

    def found_in(self, data):
        return [name for name, secret in self.planted.items() if secret.encode() in data]

    def files(self):
        for file in self.folder.rglob("*"):
            if file.is_file():
                yield file, file.read_bytes()

    def test_nothing_is_shown_or_written(self):
        seen = []
        stop = threading.Event()

        def watch_children():
            while not stop.wait(0.002):
                for pid in descendants(self.proxy.process.pid):
                    for name in ("environ", "cmdline"):
                        try:
                            seen.extend((name, found) for found in self.found_in(Path(f"/proc/{pid}/{name}").read_bytes()))
                        except OSError:
                            continue
        watcher = threading.Thread(target=watch_children)
        watcher.start()
        plan, task, parent = self.launch("echo began; sleep 1; echo done")
        during = [self.proxy.http.get(f"/dynflow/tasks/{plan}/status").body for _ in range(5)]
        document = wait_for_task(self.proxy.http, plan)
        told = self.foreman.wait_for(1, task_id=task)
        stop.set()
        watcher.join()
        self.assertEqual(document["result"], "success")
        self.assertEqual(seen, [], "a child process shows it")
        ids = {"task_ids": [plan, parent]}
        answers = [*during, str(told).encode(), *(request.body for request in self.foreman.received()),
                   *(self.proxy.http.post(f"/dynflow/tasks/{route}", ids).body for route in ("status", "statuses")),
                   *(self.proxy.http.get(f"/dynflow/tasks/{i}/status").body for i in ids["task_ids"]),
                   self.proxy.http.get("/logs").body, self.proxy.http.get(f"/dynflow/console/{plan}").body]
        self.assertIn(b"[FILTERED]", answers[-3])
        for answer in answers:
            self.assertEqual(self.found_in(answer), [], answer[:400])
        for file, data in self.files():
            self.assertEqual(self.found_in(data), [], file)
        self.assertEqual(self.proxy.stop(), 0)
        for file, data in self.files():
            self.assertEqual(self.found_in(data), [], file)


@unittest.skipIf(os.environ.get("DYNFLOW_SANITIZE"), "a sanitizer has memory of its own, terabytes of it, and keeps what was freed")
class Memory(unittest.TestCase):
    """What a core dump would show. While the job runs its secrets are there; docs/secrets.md says where."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="secrets-"))
        self.folder.chmod(0o755)  # the user of the host looks into it
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.sshd = self.enterContext(Sshd(self.folder / "sshd", passwords=True))
        # Long texts are on the heap, short ones wherever their object is.
        self.planted = {f"{size}_{name}": f"plant-{name}-{uuid.uuid4().hex}"[-length:] for size, length in (("long", 99), ("short", 13))
                        for name in ("ssh_password", "key_passphrase", "effective_user_password", "sudo_password", "otp")}
        self.keys = {size: lock_key(self.sshd.client_key, self.folder / f"key-{size}", self.planted[f"{size}_key_passphrase"])
                     for size in ("long", "short")}

    def run_job(self, size, http, programs):
        """The server does not take the password, then the key is used. Two jobs at once: the second finds the key decrypted."""
        secret = {name.removeprefix(f"{size}_"): text for name, text in self.planted.items() if name.startswith(size)}
        plans = [str(uuid.uuid4()) for _ in range(2)]
        searched = self.folder / f"{size}-searched"
        answer = http.post("/dynflow/tasks/launch", {"operation": "ssh", "options": {}, "input": {plan: {
            "action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "action_input": {
                "hostname": self.sshd.address, "ssh_port": self.sshd.port, "ssh_user": self.sshd.user, "script": f"until test -e {searched}; do sleep 0.1; done",
                "effective_user": None, "secrets": {name: secret[name] for name in ("ssh_password", "key_passphrase", "effective_user_password")},
                "sudo_password": secret["sudo_password"], "otp": secret["otp"],
                "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}} for plan in plans}})
        self.assertEqual(answer.status, 200, answer.text)
        during = {name for program in programs for name in memory.search(program.process.pid, self.planted)}
        self.assertIn(f"{size}_ssh_password", during, "the search finds nothing at all")
        searched.touch()
        for plan in plans:
            self.assertEqual(wait_for_task(http, plan)["result"], "success")
        after = {}

        def is_clean():
            after.clear()
            after.update({program.name: found for program in programs if (found := memory.search(program.process.pid, self.planted))})
            return not after
        try:
            wait_until(is_clean, "secrets to be gone from memory", 20)
        except TimeoutError:
            self.fail(f"left in memory: {after}")

    def test_of_the_proxy_that_runs_jobs(self):
        pki = Pki(self.folder / "pki")
        for size, key in self.keys.items():
            with self.subTest(size), SmartProxy(
                    self.folder / f"proxy-{size}", self.foreman.url, ssh_key=key, external_core=False, identity=pki.proxy, ca=pki.ca.cert,
                    environment={"HOME": str(self.folder)}, dynflow={"database": self.folder / f"{size}.sqlite"}) as proxy:
                self.run_job(size, proxy.https(pki.foreman), [proxy])

    def test_of_the_proxy_and_its_core_service(self):
        for size, key in self.keys.items():
            with (self.subTest(size), CoreService(self.folder / f"core-{size}", self.foreman.url, ssh_key=key,
                                                  environment={"HOME": str(self.folder)}) as core,
                  SmartProxy(self.folder / f"relay-{size}", self.foreman.url, external_core=True, core_url=core.url) as proxy):
                self.run_job(size, proxy.http, [proxy, core])


if __name__ == "__main__":
    unittest.main()
