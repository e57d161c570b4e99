#!/usr/bin/env python3
"""The README's first command, with what is built: a real job in both modes, and nothing of it stays on the machine."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from programs import ROOT, binary


class Quickstart(unittest.TestCase):
    def run_once(self, *options):
        preset = binary("smart-proxy").parents[1].name
        with tempfile.TemporaryDirectory(prefix="quickstart-test-") as folder:
            state, temporary = Path(folder, "state"), Path(folder, "tmp")
            state.mkdir()
            temporary.mkdir()
            temporary.chmod(0o755)  # sshd looks into it as another user
            Path(folder).chmod(0o755)
            # What a proxy of this machine remembers is not the quickstart's.
            environment = {**os.environ, "STATE_DIRECTORY": str(state), "TMPDIR": str(temporary)}
            done = subprocess.run([ROOT / "proxy/quickstart", "--once", "--no-install", "--no-build", "--preset", preset, *options],
                                  env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("callback received", done.stdout)
            self.assertEqual([*state.iterdir(), *temporary.iterdir()], [])
        return done.stdout

    def test_in_process(self):
        self.assertIn("mode: in-process", self.run_once())

    def test_external(self):
        self.assertIn("mode: external", self.run_once("--external"))


if __name__ == "__main__":
    unittest.main()
