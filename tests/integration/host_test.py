#!/usr/bin/env python3
"""The proxy's own routes, its start, its signals and its end."""

import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from foreman import Foreman
from network import free_port, wait_until
from pki import Pki
from programs import SmartProxy, binary, write_config

NOT_FOUND = "Requested url was not found"


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="host-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="host-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder, "http://127.0.0.1:1", external_core=False))

    def test_features(self):
        answer = self.proxy.http.get("/features")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        self.assertRegex(answer.header("Server"), r"^foreman-proxy/\d+\.\d+\.\d+")
        names = answer.json()
        self.assertEqual(names, sorted(names))
        self.assertIn("dynflow", names)
        self.assertIn("logs", names)
        self.assertNotIn("script", names)  # its settings do not switch it on

    def test_features_v2(self):
        rows = self.proxy.http.get("/v2/features").json()
        self.assertEqual(list(rows)[0], "dynflow")
        self.assertEqual(list(rows)[-1], "logs")
        self.assertEqual(rows["logs"], {"http_enabled": True, "https_enabled": True, "settings": {}, "state": "running",
                                        "capabilities": []})
        self.assertEqual(rows["dynflow"]["state"], "running")
        self.assertIn("single", rows["dynflow"]["capabilities"])
        self.assertEqual(rows["dynflow"]["capabilities"], sorted(rows["dynflow"]["capabilities"]))
        self.assertEqual(rows["script"], {"http_enabled": False, "https_enabled": False, "settings": {},
                                          "state": "disabled", "capabilities": []})

    def test_version(self):
        document = self.proxy.http.get("/version").json()
        self.assertRegex(document["version"], r"^\d+\.\d+\.\d+")
        self.assertIn("dynflow", document["modules"])
        self.assertNotIn("script", document["modules"])

    def test_unknown_routes_and_methods(self):
        for method, path in (("GET", "/"), ("GET", "/features/"), ("POST", "/version"), ("DELETE", "/logs"),
                             ("OPTIONS", "/version"), ("GET", "/v2"), ("GET", "/dynflow"), ("POST", "/dynflow/tasks/count"),
                             ("GET", "/%64ynflow/tasks/count")):
            with self.subTest(f"{method} {path}"):
                answer = self.proxy.http.request(method, path)
                self.assertEqual((answer.status, answer.text), (404, NOT_FOUND))
                self.assertEqual(answer.header("Content-Type"), "application/json")

    def test_head(self):
        answer = self.proxy.http.request("HEAD", "/version")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.header("Content-Length"), str(len(self.proxy.http.get("/version").body)))

    def test_logs_carry_the_request_id(self):
        self.proxy.http.get("/version", headers={"X-Request-Id": "abcdef01-2345-6789"})
        document = self.proxy.http.get("/logs/").json()
        self.assertEqual({**document["info"], "failed_modules": None},
                         {"size": 2000, "tail_size": 1000, "level": None, "level_tail": 3, "failed_modules": None})
        mine = [row["message"] for row in document["logs"] if row.get("request_id") == "abcdef01"]
        self.assertEqual(mine[0], "Started GET /version ")
        self.assertRegex(mine[1], r"^Finished GET /version with 200 \(\d+\.\d\d ms\)$")
        later = self.proxy.http.get(f"/logs?from_timestamp={time.time() + 3600}").json()
        self.assertEqual(later["logs"], [])


class Ends(Folder):
    def test_term_and_int_end_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                proxy = SmartProxy(self.folder / number.name, "http://127.0.0.1:1").start()
                proxy.signal(number)
                self.assertEqual(proxy.wait(30), 0)

    def test_usr1_opens_the_log_again_and_hup_changes_the_level(self):
        with SmartProxy(self.folder, "http://127.0.0.1:1") as proxy:
            log = self.folder / "program.log"
            proxy.wait_for_log("Smart proxy has launched on 1 socket(s), waiting for requests")
            log.rename(self.folder / "old.log")
            proxy.signal(signal.SIGUSR1)
            wait_until(log.exists, "the new log file")
            settings = proxy.config / "settings.yml"
            settings.write_text(settings.read_text().replace("DEBUG", "ERROR"))
            proxy.reload()
            wait_until(lambda: not self._logs_requests(proxy, log), "the level to change")
            self.assertTrue(proxy.is_running())

    def _logs_requests(self, proxy, log):
        before = len(log.read_text())
        proxy.http.get("/version")
        return len(log.read_text()) > before

    def test_a_renewed_certificate_serves_after_hup(self):
        pki = Pki(self.folder / "pki")
        live = self.folder / "live"
        live.mkdir()

        def install(identity):
            shutil.copy(identity.cert, live / "cert.pem")
            shutil.copy(identity.key, live / "key.pem")

        install(pki.proxy)
        files = {"ssl_certificate": live / "cert.pem", "ssl_private_key": live / "key.pem"}
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", identity=pki.proxy, ca=pki.ca.cert, settings=files) as proxy:
            def served():
                text = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.https_port}"],
                                      stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
                return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=text, capture_output=True,
                                      check=True).stdout
            first = served()
            install(pki.proxy_ec)
            proxy.reload()
            wait_until(lambda: served() != first, "the new certificate")


class StartFails(Folder):
    def fails(self, settings, modules=None):
        """The line on standard output."""
        config = self.folder / "etc"
        main = settings
        if isinstance(settings, dict):
            main = {"settings_directory": config / "settings.d", "bind_host": ["127.0.0.1"], "http_port": free_port(),
                    "log_file": self.folder / "program.log", **settings}
        write_config(config, main, modules or {})
        done = subprocess.run([str(binary("smart-proxy")), "--config-dir", str(config)], capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        lines = [line for line in done.stdout.splitlines() if line.startswith("Errors detected on startup")]
        self.assertEqual(len(lines), 1, done.stdout)
        self.assertTrue(lines[0].startswith("Errors detected on startup, see log for details. Exiting: "))
        return lines[0]

    def test_no_listener(self):
        self.assertIn("Both http and https are disabled, unable to start.", self.fails({"http_port": None}))

    def test_port_in_use(self):
        with Foreman() as taken:
            self.assertIn("in use", self.fails({"http_port": int(taken.url.rsplit(":", 1)[1].strip("/"))}))

    def test_missing_key_file(self):
        pki = Pki(self.folder / "pki")
        line = self.fails({"ssl_certificate": pki.proxy.cert, "ssl_private_key": "/nonexistent/key.pem",
                           "ssl_ca_file": pki.ca.cert, "https_port": free_port()})
        self.assertIn("/nonexistent/key.pem", line)

    def test_settings_mistakes_name_file_line_and_key(self):
        dynflow = {"enabled": True}
        for name, settings, modules, wanted in (
                ("wrong type", {"http_port": "many"}, None, (r"settings\.yml:\d+", "http_port")),
                ("external_core is text", {}, {"dynflow": {**dynflow, "external_core": "false"}},
                 (r"dynflow\.yml:\d+", "external_core")),
                ("external_core is a number", {}, {"dynflow": {**dynflow, "external_core": 1}},
                 (r"dynflow\.yml:\d+", "external_core")),
                ("core_url is no URL", {}, {"dynflow": {**dynflow, "core_url": "localhost:8008"}},
                 (r"dynflow\.yml:\d+", "core_url")),
                ("broken YAML", "---\n:http_port: [1\n", None, (r"settings\.yml:\d+",)),
                ("empty file", "", None, (r"settings\.yml",))):
            with self.subTest(name):
                line = self.fails(settings, modules)
                for pattern in wanted:
                    self.assertRegex(line, pattern)

    def test_no_settings_at_all(self):
        done = subprocess.run([str(binary("smart-proxy")), "--config-dir", str(self.folder / "nowhere")],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("settings.yml", done.stdout)

    def test_version_and_help(self):
        for option, text in (("--version", "smart-proxy"), ("--help", "--config-dir")):
            done = subprocess.run([str(binary("smart-proxy")), option], capture_output=True, text=True, timeout=30, check=True)
            self.assertIn(text, done.stdout)


if __name__ == "__main__":
    unittest.main()
