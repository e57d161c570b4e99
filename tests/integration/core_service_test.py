#!/usr/bin/env python3
"""The standalone core's command line, its start, its background process and its end."""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from network import free_port, wait_until
from pki import Pki
from programs import CoreService, binary, write_config
from rest import Client


class CoreServiceStart(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="core-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.config = self.folder / "etc"
        self.port = free_port()

    def settings(self, **more):
        return {"database": None, "listen": "127.0.0.1", "port": self.port, "foreman_url": "http://127.0.0.1:1",
                "log_file": self.folder / "core.log", "log_level": "INFO", **more}

    def run_core(self, *arguments):
        return subprocess.run([str(binary("smart_proxy_dynflow_core")), "--config-dir", str(self.config), *arguments],
                              capture_output=True, text=True, timeout=60, check=False)

    def fails(self, *arguments):
        """The one line on standard error."""
        done = self.run_core(*arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("smart_proxy_dynflow_core: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def test_settings_mistakes_name_file_line_and_key(self):
        for settings, key in ((self.settings(port="many"), "port"), (self.settings(use_https="perhaps"), "use_https"),
                              (self.settings(use_https=True), "ssl_certificate")):
            with self.subTest(key):
                write_config(self.config, settings, {})
                line = self.fails()
                self.assertRegex(line, r"settings\.yml:\d+")
                self.assertIn(key, line)

    def test_port_in_use(self):
        with CoreService(self.folder / "first", "http://127.0.0.1:1") as first:
            write_config(self.config, self.settings(port=first.port), {})
            self.assertIn("in use", self.fails())

    def test_certificate_of_the_proxy_is_missing(self):
        pki = Pki(self.folder / "pki")
        write_config(self.config, self.settings(use_https=True, ssl_certificate=pki.proxy.cert, ssl_private_key=pki.proxy.key,
                                                ssl_ca_file=pki.ca.cert, foreman_ssl_cert="/nonexistent.pem"), {})
        self.assertIn("/nonexistent.pem", self.fails())

    def test_help_and_version(self):
        self.assertIn("--one-config", self.run_core("--help").stdout)
        self.assertIn("smart_proxy_dynflow_core", self.run_core("--version").stdout)

    def test_background_process_with_pid_file(self):
        write_config(self.config, self.settings(), {})
        pid_file = self.folder / "core.pid"
        done = self.run_core("-d", "-p", str(pid_file))
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = int(pid_file.read_text())
        self.addCleanup(self.end, pid)
        # The process in the foreground ends when the other one answers.
        self.assertEqual(Client(f"http://127.0.0.1:{self.port}").get("/tasks/count").status, 200)
        self.assertIn(f"A server is already running. Check {pid_file}", self.fails("-d", "-p", str(pid_file)))
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists(), "the pid file to go", 30)
        self.assertIn("Finished shutting down", (self.folder / "core.log").read_text())

    def end(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_failed_background_start_is_told(self):
        write_config(self.config, self.settings(database="/nonexistent/folder/x.sqlite", listen="192.0.2.1"), {})
        self.fails("-d", "-p", str(self.folder / "core.pid"))
        self.assertFalse((self.folder / "core.pid").exists())

    def test_int_ends_it_well(self):
        core = CoreService(self.folder / "int", "http://127.0.0.1:1").start()
        core.signal(signal.SIGINT)
        self.assertEqual(core.wait(30), 0)
        self.assertIn("Finished shutting down", core.logs())


if __name__ == "__main__":
    unittest.main()
