"""A site of a legacy era with the Ruby sidecar of the time: dynflow-migrate there and back, killed at each step, with jobs running."""

import unittest

import ruby_systems
from live_stand import OLD_CLASS, wait_until  # noqa: F401  (puts the folders of the tests on the path)
from legacy_site import LegacySite
from migrating_site import UNIT


class Eras(LegacySite):
    job_class = OLD_CLASS

    def sidecar_command(self):
        sidecar = ruby_systems.RubySidecar(self.folder / "unused", ruby_systems.root(), "http://127.0.0.1:1", self.sshd.client_key)
        sidecar.config = self.tree / "etc/smart_proxy_dynflow_core"
        return sidecar.command()

    def test_el_24(self):
        self.start("el-2.4-sidecar", has_core=True, runs_sidecar=True)
        internal = ("apply", "--to", "internal", "--hand-over")
        self.launch(4, (20, 25))
        steps = ("snapshot", "settings", "flip", "wait")
        for at, _ in enumerate(steps):
            self.kill_at(steps[at:], *internal)
        self.assertNotEqual(self.services.pid(UNIT), 0)
        self.launch(2, (0, 1))
        self.kill_at(("verify", "retire"), *internal)
        self.run_tool(*internal, expected=3)
        self.assertEqual((self.mode(), self.services.pid(UNIT)), ("in-process", 0))
        self.check_nothing_is_lost()
        self.launch(4, (1, 3))
        self.run_tool("rollback", expected=3)
        self.assertEqual((self.mode(), self.files()), ("external", self.before))
        self.launch(1, (0, 1))
        self.check_nothing_is_lost()


if __name__ == "__main__":
    unittest.main()
