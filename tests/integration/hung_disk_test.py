#!/usr/bin/env python3
"""A log file on a disk that hangs: a file system of its own that is frozen, so that every write to it waits. Needs the right to mount one."""

import os
import shutil
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from network import wait_until
from programs import CoreService, SmartProxy, wait_for_task

REQUESTS = 30
# Whatever becomes of this test, the disk goes on.
LONGEST = 120


def quietly(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Disk:
    """`folder`: where it is mounted."""

    def __init__(self, folder):
        self.folder = folder / "disk"
        self.folder.mkdir()
        self.image = folder / "image"
        with open(self.image, "wb") as image:
            image.truncate(16 * 1024 * 1024)
        self.guard = None

    def mount(self):
        """False: it is not possible here."""
        if os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not shutil.which("fsfreeze"):
            return False
        return quietly("mkfs.ext4", "-q", str(self.image)).returncode == 0 and \
            quietly("mount", "-o", "loop", str(self.image), str(self.folder)).returncode == 0

    def unmount(self):
        self.go_on()
        quietly("umount", str(self.folder))

    def hang(self):
        self.guard = subprocess.Popen(["sh", "-c", 'sleep "$1"; fsfreeze --unfreeze "$2"', "sh", str(LONGEST), str(self.folder)],
                                      start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["fsfreeze", "--freeze", str(self.folder)], check=True)

    def go_on(self):
        quietly("fsfreeze", "--unfreeze", str(self.folder))
        if self.guard:
            os.killpg(self.guard.pid, 9)
            self.guard.wait()
            self.guard = None


def threads_at_the_disk(process):
    """How many threads wait where no signal reaches them."""
    states = [task.joinpath("stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] for task in Path(f"/proc/{process.pid}/task").iterdir()]
    return states.count("D")


class HungDisk(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hung-disk-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk = Disk(self.folder)
        if not self.disk.mount():
            self.skipTest("no file system can be mounted and frozen here")
        self.addCleanup(self.disk.unmount)
        self.log = self.disk.folder / "program.log"

    def check(self, program, path, launch, prefix):
        first = []
        self.disk.hang()
        held_up = threading.Thread(target=lambda: first.append(program.http.get(f"{path}?first").status))
        held_up.start()
        wait_until(lambda: threads_at_the_disk(program.process) > 0, "a thread that waits for the disk")
        for number in range(REQUESTS):
            self.assertEqual(program.http.get(f"{path}?{number}").status, 200)
        launched = program.http.post(launch, {"operation": "single", "input": {"action_class": "PeerOps::Noop", "action_input": {}}})
        self.assertEqual(launched.status, 200, launched.text)
        wait_for_task(program.http, launched.json()["task_id"], prefix=prefix)
        wait_until(lambda: threads_at_the_disk(program.process) == 1, "all others to go on")
        self.assertEqual(first, [])
        self.disk.go_on()
        held_up.join()
        self.assertEqual(first, [200])
        program.stop()
        text = self.log.read_text(encoding="utf-8")
        places = [text.find(f"Started GET {path} {query}\n") for query in ("first", *range(REQUESTS))]
        self.assertNotIn(-1, places)
        self.assertEqual(places, sorted(places))

    def test_the_proxy_answers_and_loses_no_line(self):
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, settings={"log_file": self.log}))
        self.check(proxy, "/version", "/dynflow/tasks/launch", "/dynflow")

    def test_the_core_service_answers_and_loses_no_line(self):
        core = self.enterContext(CoreService(self.folder / "core", "http://127.0.0.1:1", settings={"log_file": self.log}))
        self.check(core, "/tasks/count", "/tasks/launch", "")


if __name__ == "__main__":
    unittest.main()
