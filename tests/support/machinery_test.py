#!/usr/bin/env python3
"""The machinery itself: a real sshd lets the right keys in, the stand-in Foreman behaves as the real one, the
certificates are what they claim, settings files are read back by a YAML reader's rules."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from foreman import Foreman
from network import wait_until
from pki import Pki, openssl
from programs import Symbol, to_yaml
from rest import Client
from sshd import Sshd


def ssh(server, key, command, address=None):
    return subprocess.run(
        ["ssh", "-F", "none", "-i", str(key), "-p", str(server.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
         f"{server.user}@{address or server.address}", command],
        capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)


class SshdTest(Folder):
    def test_lets_the_right_keys_in(self):
        with Sshd(self.folder / "sshd", addresses=("127.0.0.1", "127.0.1.7")) as server:
            done = ssh(server, server.client_key, "echo out; exit 3")
            self.assertEqual((done.stdout, done.returncode), ("out\n", 3), server.log_text())
            self.assertEqual(ssh(server, server.client_key, "true", "127.0.1.7").returncode, 0)
            self.assertEqual(ssh(server, server.add_client_key("rsa", "rsa"), "true").returncode, 0)
            self.assertEqual(ssh(server, server.stranger_key(), "true").returncode, 255)
            self.assertIn(str(server.port), server.known_hosts_line())

    def test_stop_ends_the_sessions(self):
        with Sshd(self.folder / "sshd") as server:
            session = subprocess.Popen(
                ["ssh", "-F", "none", "-i", str(server.client_key), "-p", str(server.port), "-o", "BatchMode=yes",
                 "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=QUIET",
                 f"{server.user}@{server.address}", "echo up; sleep 60"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            self.assertEqual(session.stdout.readline(), b"up\n")
            server.stop()
            self.assertNotEqual(session.wait(20), 0)
            session.stdout.close()


class ForemanTest(Folder):
    PATH = "/foreman_tasks/api/tasks/callback"

    @staticmethod
    def entry(task_id, data=None):
        return {"callback": {"task_id": task_id, "step_id": 3}, "data": {"exit_status": 0} if data is None else data}

    def test_takes_callbacks(self):
        with Foreman() as foreman:
            client = Client(foreman.url)
            self.assertEqual(client.post(self.PATH, self.entry("a")).json(), {"message": "processing"})
            self.assertEqual(client.post(self.PATH, {"callbacks": [self.entry("b"), self.entry("c")]}).status, 200)
            self.assertEqual([c.task_id for c in foreman.wait_for(3)], ["a", "b", "c"])
            self.assertEqual(foreman.received()[0].path, self.PATH)
            with self.assertRaises(TimeoutError):
                foreman.wait_for(4, timeout=0.05)

    def test_refuses_what_the_real_one_refuses(self):
        with Foreman() as foreman:
            client = Client(foreman.url)
            self.assertEqual(client.post(self.PATH, self.entry("a"), headers={"Content-Type": "text/plain"}).status, 415)
            wrong_accept = {"Content-Type": "application/json", "Accept": "application/json,version=2"}
            self.assertEqual(client.post(self.PATH, self.entry("a"), headers=wrong_accept).status, 500)
            self.assertEqual(client.post(self.PATH, self.entry("a", data=[])).status, 500)
            self.assertEqual(client.post(self.PATH, "{").status, 400)
            self.assertEqual(client.post("/elsewhere", self.entry("a")).status, 404)
            self.assertEqual(foreman.callbacks(), [])

    def test_misbehaves_when_told(self):
        with Foreman() as foreman:
            client = Client(foreman.url)
            foreman.fail_next(2, status=503)
            statuses = [client.post(self.PATH, self.entry("a")).status for _ in range(3)]
            self.assertEqual(statuses, [503, 503, 200])
            foreman.poison("bad")
            batch = {"callbacks": [self.entry("b"), self.entry("bad"), self.entry("c")]}
            self.assertEqual(client.post(self.PATH, batch).status, 500)
            self.assertEqual([c.task_id for c in foreman.callbacks()], ["a", "b"])
            foreman.refuse()
            with self.assertRaises(OSError):
                client.post(self.PATH, self.entry("d"))
            foreman.accept()
            self.assertEqual(client.post(self.PATH, self.entry("d")).status, 200)

    def test_https_knows_its_client(self):
        pki = Pki(self.folder)
        with Foreman(identity=pki.foreman, client_ca=pki.ca.cert) as foreman:
            client = Client(foreman.url, identity=pki.proxy, ca=pki.ca.cert)
            self.assertEqual(client.post(self.PATH, self.entry("a")).status, 200)
            self.assertEqual(foreman.received()[0].peer, "proxy.example.com")
            with self.assertRaises(OSError):
                Client(foreman.url, ca=pki.ca.cert).post(self.PATH, self.entry("b"))


class PkiTest(Folder):
    def verifies(self, authority, identity):
        try:
            openssl("verify", "-CAfile", authority.cert, identity.cert)
            return True
        except RuntimeError:
            return False

    def test_identities(self):
        pki = Pki(self.folder)
        for identity in (pki.proxy, pki.proxy_ec, pki.foreman, pki.evil):
            self.assertTrue(self.verifies(pki.ca, identity), identity.name)
        for identity in (pki.stranger, pki.expired, pki.self_signed):
            self.assertFalse(self.verifies(pki.ca, identity), identity.name)
        self.assertNotEqual(pki.proxy.serial, pki.foreman.serial)


class SettingsTest(unittest.TestCase):
    def test_upstreams_form(self):
        text = to_yaml({"database": None, "log_level": Symbol("ERROR"), "bind_host": ["*"], "port": 8008, "on": True,
                        "path": Path("/x y")})
        self.assertEqual(text, '---\n:database:\n:log_level: :ERROR\n:bind_host: ["*"]\n:port: 8008\n:on: true\n'
                               ':path: "/x y"\n')


class WaitTest(unittest.TestCase):
    def test_has_a_deadline(self):
        with self.assertRaisesRegex(TimeoutError, "the impossible"):
            wait_until(lambda: False, "the impossible", timeout=0.05)
        self.assertEqual(wait_until(lambda: json.loads("[1]"), "one"), [1])


if __name__ == "__main__":
    unittest.main()
