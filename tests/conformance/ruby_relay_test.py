#!/usr/bin/env python3
"""Our core service behind the Ruby proxy's relay: the requests that the Ruby plugin was recorded to send, byte for byte but for ids, ports
and lengths, and the same answers as the Ruby core gave to it."""

import json
import re
import shutil
import socket
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from foreman import Foreman  # noqa: E402
from network import wait_until  # noqa: E402
from programs import CoreService  # noqa: E402
from recorded_sidecar import recorded  # noqa: E402
from sshd import Sshd  # noqa: E402

# Ruby: 500 with a page of its debugger. Ours says what is wrong.
BETTER = {"no-json": 400, "cancel-unknown": 404}


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    def json(self):
        return json.loads(self.body)


class RubyRelay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="ruby-relay-"))
        cls.folder.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.foreman = cls.enterClassContext(Foreman())
        cls.sshd = cls.enterClassContext(Sshd(cls.folder / "sshd"))
        cls.core = cls.enterClassContext(CoreService(cls.folder / "core", cls.foreman.url, cls.sshd.client_key))
        cls.exchanges = recorded()

    def setUp(self):
        self.ids = {}  # recorded: here

    def here(self, text):
        for recorded_id, ours in self.ids.items():
            text = text.replace(recorded_id, ours)
        text = re.sub(r'"ssh_port": \d+', f'"ssh_port": {self.sshd.port}', text)
        return text.replace('"ssh_user": "root"', f'"ssh_user": "{self.sshd.user}"')

    def send(self, name):
        """The recorded request; the connection has to end with the answer, as the Ruby relay asks for."""
        request = self.exchanges[name]["request"]
        body = self.here(request["body"]).encode("utf-8")
        lines = [self.here(request["line"])]
        for line in request["headers"]:
            field = line.partition(":")[0].lower()
            lines.append({"host": f"Host: 127.0.0.1:{self.core.port}", "content-length": f"Content-Length: {len(body)}"}.get(field, line))
        with socket.create_connection(("127.0.0.1", self.core.port), timeout=20) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            data = b""
            while more := connection.recv(65536):
                data += more
        answer = Answer(data)
        self.assertEqual(int(answer.headers["content-length"]), len(answer.body), name)
        return answer

    def expected(self, name):
        response = self.exchanges[name]["response"]
        content_type = next(line for line in response["headers"] if line.startswith("Content-Type"))
        return int(response["line"].split()[1]), content_type.partition(": ")[2], self.here(response["body"])

    def check_same(self, name):
        answer = self.send(name)
        status, content_type, body = self.expected(name)
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, content_type), (name, answer.body))
        if body:
            self.assertEqual(answer.json(), json.loads(body), name)
        else:
            self.assertEqual(answer.body, b"", name)
        return answer

    def launch(self, name):
        answer = self.send(name)
        status, content_type, body = self.expected(name)
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, content_type), answer.body)
        before = json.loads(body)
        rows = answer.json()
        self.assertEqual({key: {**row, "task_id": None} for key, row in rows.items() if key != "parent"},
                         {key: {**row, "task_id": None} for key, row in before.items()})
        self.ids.update({before[key]["task_id"]: rows[key]["task_id"] for key in before})

    def check_document(self, name, state, result):
        answer = wait_until(lambda: (found := self.send(name)).json()["state"] == state and found, f"{name}: {state}")
        document, before = answer.json(), json.loads(self.expected(name)[2])
        self.assertEqual((document["id"], document["result"]), (before["id"], result))
        self.assertLessEqual(set(before), set(document))
        for ours, theirs in zip(document["actions"], before["actions"]):
            self.assertLessEqual(set(theirs), set(ours))
            self.assertLessEqual(set(theirs["output"]), set(ours["output"]) | {"runner_id"})
        action = before["actions"][0]
        self.assertEqual(document["actions"][0]["input"]["task_id"], action["input"]["task_id"])
        return document["actions"][0]

    def test_questions_without_tasks(self):
        for name in ("states-none", "status-unknown", "launch-unknown-operation"):
            self.check_same(name)
        self.assertLessEqual({"ssh"}, set(self.send("operations").json()))
        self.assertEqual(set(self.send("count").json()), {"count", "state"})
        for name, status in BETTER.items():
            answer = self.send(name)
            self.assertEqual(answer.status, status, answer.body)
            self.assertIn("error", answer.json())

    def test_a_browser_behind_the_relay_gets_pages(self):
        answer = self.send("console")
        self.assertEqual((answer.status, answer.headers["content-type"].lower().replace(" ", "")), (200, "text/html;charset=utf-8"))

    def test_a_job_that_is_cancelled(self):
        self.launch("launch")
        wait_until(lambda: self.send("status-running").json()["actions"][0]["output"].get("result"), "live output")
        action = self.check_document("status-running", "running", "pending")
        self.assertEqual(action["output"]["result"][0]["output"], "begun\n")
        # The relay is told the proxy's own name by what the Ruby one calls X-Forwarded-For: where hosts report to.
        told = next(line for line in self.exchanges["launch"]["request"]["headers"] if line.startswith("X-Forwarded-For"))
        self.assertEqual(action["input"]["callback_host"].removeprefix("http://"), told.partition(": ")[2])
        self.check_same("states-running")
        self.assertEqual(self.send("count-running").json(), {"count": 1, "state": "running"})
        self.assertEqual(self.send("update-without-token").status, 200)
        self.assertEqual(self.send("update-with-wrong-token").status, 403)
        self.check_same("cancel")
        self.check_document("status-cancelled", "stopped", "error")
        self.check_same("cancel-again")
        self.check_callback("callback-cancelled")

    def test_a_batch(self):
        self.launch("launch-two")
        action = self.check_document("status-stopped", "stopped", "success")
        self.assertEqual(action["output"]["exit_status"], 0)
        wait_until(lambda: all(row["state"] == "stopped" for row in self.send("states-stopped").json().values()), "both ends")
        self.check_same("states-stopped")

    def check_callback(self, name):
        """Foreman is told the same as by the Ruby core."""
        recorded_request = self.exchanges[name]["request"]
        before = json.loads(recorded_request["body"])
        self.foreman.wait_for(1, before["callback"]["task_id"])
        request = next(one for one in self.foreman.received() if before["callback"]["task_id"].encode() in one.body)
        document = request.json()
        self.assertEqual(document["callback"], before["callback"])
        self.assertLessEqual(set(before["data"]) - {"runner_id"}, set(document["data"]))
        self.assertEqual(request.path.rstrip("?"), recorded_request["line"].split()[1])


if __name__ == "__main__":
    unittest.main()
