#!/usr/bin/env python3
"""Settings of the host as they show outside: addresses, TLS, where the log goes."""

import shutil
import socket
import ssl
import tempfile
import unittest
from pathlib import Path

from network import answers
from pki import folder_with_pki
from programs import SmartProxy


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class HostSettings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        _, cls.pki = folder_with_pki(cls, "settings-pki-")

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="settings-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.count = 0

    def proxy(self, tls=False, **settings):
        self.count += 1
        identity = {"identity": self.pki.proxy, "ca": self.pki.ca.cert} if tls else {}
        return SmartProxy(self.folder / str(self.count), "http://127.0.0.1:1", settings=settings, **identity)

    def test_bind_host(self):
        v6 = has_ipv6()
        for name, value, wanted in (("a star", "*", {"127.0.0.1": True, "::1": v6}),
                                    ("a scalar", "127.0.0.1", {"127.0.0.1": True, "127.0.0.2": False, "::1": False}),
                                    ("a list", ["127.0.0.1", "127.0.0.2"], {"127.0.0.1": True, "127.0.0.2": True, "127.0.0.3": False})):
            with self.subTest(name), self.proxy(bind_host=value) as proxy:
                self.assertEqual({host: answers(host, proxy.port) for host in wanted}, wanted)
        if v6:
            with self.subTest("IPv6 only"):
                proxy = self.proxy(bind_host=["::1"])
                proxy.http.host = "::1"
                with proxy:
                    self.assertFalse(answers("127.0.0.1", proxy.port))
                    self.assertEqual(proxy.http.get("/version").status, 200)

    def handshake(self, proxy, version, ciphers=None):
        """(version, cipher) of a connection, or None when it was refused."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        try:
            with socket.create_connection(("127.0.0.1", proxy.https_port), timeout=20) as plain:
                with context.wrap_socket(plain) as connection:
                    return connection.version(), connection.cipher()[0]
        except (ssl.SSLError, ConnectionError):
            return None

    def test_versions_and_ciphers(self):
        two, three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        strong, weak = "ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"
        with self.proxy(tls=True) as proxy:
            self.assertEqual(self.handshake(proxy, two, f"{weak}:{strong}"), ("TLSv1.2", strong))  # the server's order
            self.assertEqual(self.handshake(proxy, two, weak), ("TLSv1.2", weak))
            self.assertEqual(self.handshake(proxy, three)[0], "TLSv1.3")
        with self.proxy(tls=True, ssl_disabled_ciphers=[weak, strong]) as proxy:
            self.assertIsNone(self.handshake(proxy, two, weak))
            self.assertIsNone(self.handshake(proxy, two, strong))
            self.assertEqual(self.handshake(proxy, two, "ECDHE-RSA-AES128-GCM-SHA256")[0], "TLSv1.2")
        for versions in ([1.2, "9"], ["1.2", 9]):  # floats, texts and integers
            with self.subTest(versions), self.proxy(tls=True, tls_disabled_versions=versions) as proxy:
                self.assertIsNone(self.handshake(proxy, two))
                self.assertEqual(self.handshake(proxy, three)[0], "TLSv1.3")
                self.assertIn("[I] TLSv1.2 will be disabled.", proxy.logs())
                self.assertIn("[W] TLSv9 was not found.", proxy.logs())

    def test_where_the_log_goes(self):
        for target in ("STDOUT", "stdout"):
            with self.subTest(target), self.proxy(log_file=target, file_logging_pattern="%.1l|%.8X{request}|%m") as proxy:
                proxy.http.get("/version", headers={"X-Request-Id": "0123456789"})
                proxy.wait_for_log("I|01234567|Started GET /version")
                self.assertFalse((proxy.folder / target).exists())
        if not Path("/run/systemd/journal/socket").exists():
            with self.subTest("no journal"), self.proxy(log_file="JOURNALD") as proxy:
                self.assertIn("[W] Journald is not available on this platform. Falling back to STDOUT.", proxy.output.read_text())
        with self.subTest("a file that cannot be"), self.proxy(log_file="/nonexistent/proxy.log") as proxy:
            self.assertIn("[W] Log file /nonexistent/proxy.log cannot be opened. Falling back to STDOUT: ", proxy.output.read_text())

    def test_the_log_rolls(self):
        with self.proxy(file_rolling_size=1, file_rolling_keep=2) as proxy:
            log = proxy.folder / "program.log"
            # What the process finds there counts: the next record makes it roll.
            log.write_bytes(b"x" * (1024 * 1024 + 1) + b"\n")
            proxy.restart()
            rolled = list(proxy.folder.glob("program.2*.log"))
            self.assertEqual(len(rolled), 1)
            self.assertGreater(rolled[0].stat().st_size, 1024 * 1024)
            self.assertLess(log.stat().st_size, 1024 * 1024)
            self.assertEqual(log.stat().st_mode & 0o777, 0o640)

    def test_sizes_of_the_log_buffer(self):
        with self.proxy(log_buffer=3, log_buffer_errors=2) as proxy:
            for _ in range(5):
                proxy.http.get("/version")
            document = proxy.http.get("/logs/").json()
            self.assertEqual((document["info"]["size"], document["info"]["tail_size"]), (3, 2))
            self.assertLessEqual(len(document["logs"]), 5)
            last = document["logs"][-1]["timestamp"]
            later = [row["timestamp"] for row in proxy.http.get(f"/logs/?from_timestamp={last}").json()["logs"]]
            self.assertGreater(len(later), 0)
            self.assertGreaterEqual(min(later), last)
            self.assertGreaterEqual(len(proxy.http.get("/logs/?from_timestamp=yesterday").json()["logs"]), 3)

    def test_a_debug_log_tells_the_settings(self):
        with self.proxy() as proxy:
            self.assertRegex(proxy.logs(), r"\[D\] 'dynflow' settings: 'enabled': true, .*'console_auth': true \(default\)")
            self.assertIn("[D] 'dynflow' ports: 'http': true, 'https': true", proxy.logs())
            self.assertIn("[D] 'ansible' ports: 'http': false, 'https': false", proxy.logs())

    def test_a_feature_without_what_it_stands_on_is_failed(self):
        modules = {"dynflow": {"enabled": False}, "ansible": {"enabled": "https"}}
        with SmartProxy(self.folder / "requires", "http://127.0.0.1:1", modules=modules) as proxy:
            rows = proxy.http.get("/v2/features").json()
            self.assertEqual((rows["dynflow"]["state"], rows["ansible"]["state"], rows["script"]["state"]), ("disabled", "failed", "disabled"))
            self.assertEqual((rows["ansible"]["http_enabled"], rows["ansible"]["https_enabled"]), (False, False))
            self.assertEqual(proxy.http.get("/features").json(), ["logs"])
            self.assert_disabled(proxy, {"ansible": "'dynflow' required by 'ansible' could not be found."})

    def test_a_trace_tells_headers_and_short_bodies_without_secrets(self):
        environment = {"FOREMAN_PROXY_TRACE": "1", "FOREMAN_LOG_MAX_BODY_SIZE": "200"}
        launch = {"operation": "batch", "options": {}, "input": {"1": {"action_class": "PeerOps::Noop", "action_input": {"ssh_password": "hunter2"}}}}
        with SmartProxy(self.folder / "trace", "http://127.0.0.1:1", external_core=False, environment=environment) as proxy:
            proxy.http.get("/version", {"Accept": "a/b", "X-Request-Id": "first", "Authorization": "Basic aHVudGVyMw=="})
            self.assertIn("first [D] Headers: {", proxy.logs())
            self.assertIn('"HTTP_ACCEPT"=>"a/b", "HTTP_X_REQUEST_ID"=>"first", "HTTP_AUTHORIZATION"=>"[hidden]"}', proxy.logs())
            answer = proxy.http.post("/dynflow/tasks/launch", launch)
            self.assertEqual((answer.status, answer.json()["1"]["result"]), (200, "success"))
            self.assertIn('"ssh_password":"[hidden]"', proxy.logs())
            launch["input"] = {"2": {"action_class": "PeerOps::Noop", "action_input": {"padding": "planted-7" * 30}}}
            self.assertEqual(proxy.http.post("/dynflow/tasks/launch", launch).json()["2"]["result"], "success")
            self.assertIn("[D] Body: [filtered out]", proxy.logs())
            for hidden in ("hunter2", "aHVudGVyMw", "planted-7"):
                self.assertNotIn(hidden, proxy.logs())
        with self.proxy() as proxy:
            proxy.http.post("/dynflow/tasks/status", {"task_ids": []})
            self.assertNotIn("Headers: ", proxy.logs())

    def assert_disabled(self, proxy, reasons):
        """The modules that failed before they were tried, in /logs and in the log."""
        told = {name: f"Disabling all modules in the group ['{name}'] due to a failure in one of them: {why}" for name, why in reasons.items()}
        self.assertEqual(proxy.http.get("/logs/").json()["info"]["failed_modules"], told)
        for text in told.values():
            self.assertIn(f"[E] {text}\n", proxy.logs())

    def test_a_feature_whose_settings_lack_a_value_is_failed_and_the_rest_runs(self):
        modules = {"dynflow": {"enabled": True, "console_auth": None}, "ansible": {"enabled": True}}
        with SmartProxy(self.folder / "lacks", "http://127.0.0.1:1", modules=modules) as proxy:
            rows = proxy.http.get("/v2/features").json()
            self.assertEqual({name: rows[name]["state"] for name in ("dynflow", "ansible", "script", "logs")},
                             {"dynflow": "failed", "ansible": "failed", "script": "disabled", "logs": "running"})
            self.assertEqual((rows["dynflow"]["http_enabled"], rows["dynflow"]["https_enabled"]), (False, False))
            self.assertEqual(proxy.http.get("/features").json(), ["logs"])
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 404)
            file = proxy.config / "settings.d/dynflow.yml"
            self.assert_disabled(proxy, {"dynflow": f"Parameter 'console_auth' is expected to have a non-empty value ({file}:3)",
                                         "ansible": "'dynflow' required by 'ansible' could not be found."})

    def test_an_executor_whose_settings_lack_a_value_is_failed_and_dynflow_runs(self):
        modules = {"remote_execution_ssh": {"enabled": True, "ssh_user": ""}, "ansible": {"enabled": False, "ansible_environment_file": None}}
        with SmartProxy(self.folder / "lacks", "http://127.0.0.1:1", external_core=False, modules=modules) as proxy:
            rows = proxy.http.get("/v2/features").json()
            self.assertEqual({name: rows[name]["state"] for name in ("dynflow", "script", "ssh", "ansible")},
                             {"dynflow": "running", "script": "failed", "ssh": "failed", "ansible": "disabled"})
            self.assertNotIn("ssh", proxy.http.get("/dynflow/tasks/operations").json())
            why = f"Parameter 'ssh_user' is expected to have a non-empty value ({proxy.config / 'settings.d/remote_execution_ssh.yml'}:3)"
            self.assert_disabled(proxy, {"script": why, "ssh": why})

    def test_one_state_folder_has_one_proxy(self):
        with self.proxy() as first:
            second = self.proxy(state_directory=first.folder / "state").start(wait=False)
            self.assertEqual(second.wait(30), 1)
            self.assertIn(f"process {first.process.pid} works with {first.folder / 'state'}", second.logs())
            self.assertEqual(first.http.get("/version").status, 200)

    def test_a_state_folder_that_cannot_be_locked_stops_nobody(self):
        proxy = self.proxy()
        target = self.folder / "not ours"
        target.touch()
        (proxy.folder / "state/smart-proxy.lock").symlink_to(target)
        with proxy:
            self.assertRegex(proxy.logs(), r"\[E\] Another process that works with .* would not be noticed: cannot open")
        self.assertEqual(target.read_bytes(), b"")  # nothing follows a link that somebody laid


if __name__ == "__main__":
    unittest.main()
