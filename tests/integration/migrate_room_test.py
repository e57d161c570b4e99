#!/usr/bin/env python3
"""dynflow-migrate on a disk that is full: a tmpfs of a few KiB for each place that it writes to. What was there stays whole, the text names the
file, and with room the same command does its work."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from programs import binary
from ruby_database import RubyDatabase, recorded

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/config"
ERROR, CHANGED = 2, 3
NO_ROOM = "No space left on device"


class Disk:
    """A file system of its own at `place`, with what was there."""

    def __init__(self, place, size):
        self.place = place
        kept = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file() and not path.is_symlink()}
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
        for path, content in kept.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)

    def _mount(self, *arguments):
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"no file system can be mounted here: {done.stderr.strip()}")

    def leave(self, pages):
        """So many pages of 4 KiB are left; None: enough."""
        filler = self.place / "filler"
        filler.unlink(missing_ok=True)
        if pages is None:
            return
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(max(0, file.tell() - pages * 4096))

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


@unittest.skipUnless(os.geteuid() == 0, "only root can mount a file system")
class Room(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="room-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.tree = self.folder / "site"
        shutil.copytree(FIXTURES / "el-2.4-sidecar", self.tree, symlinks=True)
        (self.tree / "var/lib/foreman-proxy").mkdir(parents=True)

    def disk(self, place, size="1m"):
        disk = Disk(place, size)
        self.addCleanup(disk.unmount)
        return disk

    def run_tool(self, *arguments, expected=None, environment=None):
        done = subprocess.run([str(binary("dynflow-migrate")), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, **(environment or {})})
        if expected is not None:
            self.assertEqual(done.returncode, expected, done.stdout + done.stderr)
        return done

    def site(self, *arguments, expected=None):
        return self.run_tool(*arguments, "--root", self.tree, expected=expected)

    def files(self):
        return {str(path.relative_to(self.tree)): path.read_bytes() for path in (self.tree / "etc").rglob("*")
                if path.is_file() and path.suffix != ".bak" and path.name != "filler"}

    def check_place(self, place):
        disk = self.disk(self.tree / place)
        before = self.files()
        self.site("apply", "--to", "internal", expected=CHANGED)
        after = self.files()
        self.site("rollback", expected=CHANGED)
        self.assertEqual(self.files(), before)
        refused = 0
        for pages in range(9):
            with self.subTest(pages=pages):
                disk.leave(pages)
                done = self.site("apply", "--to", "internal")
                if done.returncode == ERROR:
                    refused += 1
                    self.assertIn(NO_ROOM, done.stderr)
                    self.assertIn(str(self.tree / place), done.stderr, "the file is named")
                else:
                    self.assertEqual(done.returncode, CHANGED, done.stderr)
                for path, content in self.files().items():
                    self.assertIn(content, (before.get(path), after.get(path)), f"{path} is whole")
                self.assertEqual([str(path) for path in self.tree.rglob("*.new")], [], "nothing is left beside it")
                disk.leave(None)
                if done.returncode == ERROR:
                    self.site("apply", "--to", "internal", expected=CHANGED)
                self.assertEqual(self.files(), after)
                disk.leave(pages)
                back = self.site("rollback")
                if back.returncode == ERROR:
                    self.assertIn(NO_ROOM, back.stderr)
                disk.leave(None)
                if back.returncode == ERROR:
                    self.site("rollback", expected=CHANGED)
                self.assertEqual(self.files(), before)
        self.assertGreater(refused, 0, "the disk was never full")

    def test_where_the_settings_are(self):
        self.check_place("etc/foreman-proxy")

    def test_where_snapshots_are(self):
        self.check_place("var/lib/foreman-proxy")

    def test_where_drop_ins_are(self):
        self.check_place("etc/systemd/system")

    def test_one_setting(self):
        disk = self.disk(self.tree / "etc/foreman-proxy")
        before = self.files()
        disk.leave(0)
        done = self.site("config", "set", "external_core", "false", expected=ERROR)
        self.assertIn(NO_ROOM, done.stderr)
        self.assertEqual(self.files(), before)
        disk.leave(None)
        self.site("config", "set", "external_core", "false", expected=CHANGED)

    def test_tasks(self):
        """state import: no room for the copy of the source, then none for the target."""
        source = self.folder / "ruby.sqlite"
        database = RubyDatabase(source, 25)
        status, steps = recorded("2.0.0", "tree-success")
        for number in range(100):
            database.add_plan({**status, "id": f"{number:08x}-0000-4000-8000-000000000000"}, steps)
        database.close()
        small, large = self.folder / "small", self.folder / "large"
        for place in (small, large):
            place.mkdir()
        disk = self.disk(small, "16m")
        disk.leave(8)
        command = ("state", "import", "--from", source)
        done = self.run_tool(*command, "--to", large / "target.sqlite", expected=ERROR, environment={"TMPDIR": str(small)})
        self.assertIn(NO_ROOM, done.stderr)
        self.assertEqual(([path.name for path in small.iterdir()], list(large.iterdir())), (["filler"], []), "nothing is left, nothing begun")
        done = self.run_tool(*command, "--to", small / "target.sqlite", expected=ERROR)
        self.assertRegex(done.stderr, "full|No space left")
        disk.leave(None)
        self.run_tool(*command, "--to", small / "target.sqlite", expected=CHANGED)
        self.assertIn("0 plans moved", self.run_tool(*command, "--to", small / "target.sqlite", expected=0).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
