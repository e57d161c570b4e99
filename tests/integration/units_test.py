#!/usr/bin/env python3
"""The unit files: systemd understands them, and they say what the programs need."""

import configparser
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "migration/packaging/systemd"


class MultiValue(dict):
    """Keys of unit files may stand more than once."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def read(name):
    parser = configparser.RawConfigParser(dict_type=MultiValue, strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNITS / name, encoding="utf-8")
    return parser


def values(parser, section, key):
    return str(parser.get(section, key)).splitlines()


class Units(unittest.TestCase):
    def test_systemd_understands_them(self):
        root = Path(tempfile.mkdtemp(prefix="units-"))
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        folder = root / "etc/systemd/system"
        folder.mkdir(parents=True)
        names = sorted(path.name for path in UNITS.iterdir())
        self.assertEqual(names, ["foreman-proxy.service", "foreman-proxy.socket", "smart_proxy_dynflow_core.service"])
        for name in names:
            shutil.copy(UNITS / name, folder)
        # What they start and lean on: empty, but there.
        for program in ("usr/bin/smart-proxy", "usr/bin/smart_proxy_dynflow_core", "bin/kill"):
            path = root / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        shutil.copytree("/lib/systemd/system", root / "lib/systemd/system", symlinks=True)
        (root / "usr/lib").mkdir(parents=True, exist_ok=True)
        (root / "usr/lib/systemd").symlink_to("../../lib/systemd")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", *names],
                              capture_output=True, text=True, check=False)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if any(name in line for name in names)]
        self.assertEqual((ours, done.returncode), ([], 0), done.stdout + done.stderr)

        # A word that systemd does not know is found, or this test proves nothing.
        text = (folder / "foreman-proxy.service").read_text()
        (folder / "foreman-proxy.service").write_text(text.replace("KillMode=mixed", "KillMode=sometimes"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", *names],
                              capture_output=True, text=True, check=False)
        self.assertIn("Failed to parse kill mode", done.stdout + done.stderr)

    def test_they_say_what_the_programs_need(self):
        for name, prefix in (("foreman-proxy.service", "foreman-proxy"), ("smart_proxy_dynflow_core.service", "smart_proxy_dynflow_core")):
            with self.subTest(name):
                unit = read(name)
                one = {key: values(unit, "Service", key) for key in unit["Service"]}
                self.assertEqual(one["Type"], ["notify"])
                self.assertEqual(one["KillMode"], ["mixed"])  # children that outlive a restart are the programs' matter
                self.assertGreaterEqual(int(one["LimitNOFILE"][0]), 65536)
                # More than :shutdown_grace:, the last words and the modules' grace.
                self.assertGreater(int(one["TimeoutStopSec"][0]), 10 + 2 + 15)
                self.assertGreater(int(one["FileDescriptorStoreMax"][0]), 0)
                self.assertIn(f"-/etc/default/{prefix}", one["EnvironmentFile"])
                self.assertNotIn("Conflicts", unit["Unit"])


if __name__ == "__main__":
    unittest.main()
