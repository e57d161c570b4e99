"""`dynflow-migrate state` takes over what a real Ruby sidecar left in its database."""

import json
import os
import socket
import sqlite3
import subprocess
import unittest
from pathlib import Path
from tempfile import mkdtemp

from foreman import Foreman
from live_stand import FINISHED, Live, launch, text_of, wait_until
from programs import SmartProxy, binary
from rest import Client
from ruby_systems import DRIVERS, RubySidecar

RECORD_VARIABLE = "DYNFLOW_RECORD_DATABASE"


class State(Live):
    def setUp(self):
        self.place = Path(mkdtemp(prefix="state-", dir=self.folder))
        self.place.chmod(0o755)
        self.foreman = self.enterContext(Foreman())
        self.target = self.place / "ours.sqlite"

    def database(self):
        return self.place / "ruby.sqlite"

    def adapter(self):
        """The database as Dynflow's adapter names it."""
        return f"sqlite:///{self.place}/ruby.sqlite"

    def state(self, *arguments, expected):
        done = subprocess.run([str(binary("dynflow-migrate")), "state", *map(str, arguments), "--json"], capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def delay(self, sidecar, rows):
        libraries = sidecar.command()[:-2]
        done = subprocess.run([*libraries, str(DRIVERS / "delay.rb"), self.adapter(), json.dumps(rows)], capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_what_a_killed_sidecar_had(self):
        settings = {"database": self.place / "ruby.sqlite"}
        sidecar = self.enterContext(RubySidecar(self.place / "sidecar", self.sources, self.foreman.url, self.sshd.client_key, settings=settings))
        client = Client(sidecar.url)
        # The relay's prefix is not there: this is the core itself.
        client.get = lambda path, headers=None, get=client.get: get(path.removeprefix("/dynflow"), headers)
        client.post = lambda path, body=None, headers=None, post=client.post: post(path.removeprefix("/dynflow"), body, headers)
        done, failed = self.job("echo finished\n"), self.job("exit 7\n")
        launch(client, [done, failed])
        for job in (done, failed):
            self.finished(client, job)
        self.foreman.refuse()
        paused = self.job("echo nobody hears\n")
        launch(client, [paused])
        self.assertEqual(self.finished(client, paused)["state"], "paused")
        self.foreman.accept()
        running = self.job("echo going on\nsleep 300\n")
        running.entry["action_input"]["secrets"] = {"ssh_password": "geheim"}
        launch(client, [running])
        wait_until(lambda: text_of(running.output_of(self.document(client, running))) != "", "output", 30)
        before = {job.plan_id: self.document(client, job) for job in (done, failed, paused, running)}
        used = self.state("import", "--from", self.database(), "--to", self.target, expected=4)
        self.assertTrue(used)
        sidecar.kill()
        late, soon, locked = self.job("echo late\n"), self.job("echo soon\n"), self.job("echo locked\n")
        locked.entry["action_input"]["secrets"] = {"ssh_password": "geheim"}
        waiting, due, secret = self.delay(sidecar, [{"start_at": start_at, "input": job.entry["action_input"]}
                                                    for start_at, job in ((3600, late), (5, soon), (3600, locked))])
        self.foreman.clear()
        if path := os.environ.get(RECORD_VARIABLE):
            self.record(Path(path), {"done": done, "failed": failed, "paused": paused, "running": running, "late": late, "soon": soon, "secret": locked},
                        {"late": waiting, "soon": due, "secret": secret}, before)

        # The heartbeat of a dead process is still fresh; passwords are not taken along.
        refused = wait_until(lambda: self.inspect_at_rest(), "the sidecar's world to look dead", 90, 1)
        self.assertEqual([row["id"] for row in refused], [secret], refused)
        self.assertEqual(self.state("import", "--from", self.database(), "--to", self.target, expected=2)["refused"], refused)
        self.assertGreaterEqual(self.state("import", "--from", self.database(), "--to", self.target, "--skip-refused", expected=1)["moved"], 6)
        self.assertNotIn(b"geheim", self.target.read_bytes())
        with SmartProxy(self.place / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=False,
                        dynflow={"database": self.target}) as proxy:
            ours = proxy.http
            for job, result in ((done, "success"), (failed, "error")):
                document = self.document(ours, job)
                self.assertEqual((document["state"], document["result"]), ("stopped", result))
                self.assertEqual(job.output_of(document), job.output_of(before[job.plan_id]))
                self.assertEqual((document["started_at"], document["ended_at"]), tuple(before[job.plan_id][key] for key in ("started_at", "ended_at")))
            self.assertEqual(self.document(ours, paused)["state"], "paused")
            self.assertEqual(self.delivered(running).data["exit_status"], "EXCEPTION")
            document = wait_until(lambda: (found := self.document(ours, running))["state"] in FINISHED and found, "the end")
            self.assertIn("going on", text_of(running.output_of(document)))
            # Its time came while nobody was there.
            self.assertIn("soon\n", text_of(self.delivered(soon).data))
            self.assertEqual(ours.get(f"/dynflow/tasks/{due}/status").json()["result"], "success")
            self.assertEqual(ours.get(f"/dynflow/tasks/{waiting}/status").json()["state"], "scheduled")

    def record(self, path, jobs, delayed, documents):
        """The database as SQL, and what the sidecar said about its tasks, for tests/run."""
        database = sqlite3.connect(self.database())
        lines = [line.replace(socket.gethostname(), "sidecar.example.com") for line in database.iterdump()]
        database.close()  # what has the file open is taken for its user
        rows = {name: {"plan": delayed.get(name) or job.plan_id, "foreman": job.task_id, "document": documents.get(job.plan_id)}
                for name, job in jobs.items()}
        path.write_text(json.dumps({"sql": lines, "tasks": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def inspect_at_rest(self):
        """What cannot be moved, once nothing speaks for a living source."""
        done = subprocess.run([str(binary("dynflow-migrate")), "state", "inspect", "--from", str(self.database()), "--json"],
                              capture_output=True, text=True, timeout=120, check=False)
        seen = json.loads(done.stdout)
        return seen["refused"] if not seen["signs_of_life"] else None


if __name__ == "__main__":
    unittest.main()
