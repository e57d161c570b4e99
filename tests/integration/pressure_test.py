#!/usr/bin/env python3
"""More than fits: output without end, a queue longer than memory should notice, a disk that cannot follow.

DYNFLOW_PRESSURE_MB: how much output one task writes (default 60; `tests/run soak` takes 1000).
DYNFLOW_PRESSURE_TASKS: how many tasks wait at once (default 5000; `tests/run soak` takes 100000)."""

import os
import shutil
import tempfile
import threading
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from programs import CoreService, preload_library
from sshd import Sshd

MEGABYTES = int(os.environ.get("DYNFLOW_PRESSURE_MB", "60"))
TASKS = int(os.environ.get("DYNFLOW_PRESSURE_TASKS", "5000"))
MIB = 1024  # in KiB
HELD_MEGABYTES = 150
RESIDENT = 50_000  # plans in memory, WorldOptions::max_resident_plans


class Pressure(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pressure-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.database = self.folder / "tasks.sqlite"

    def core(self, environment=None, ssh_key=None, **settings):
        return self.enterContext(CoreService(self.folder / "core", self.foreman.url, ssh_key=ssh_key, environment=environment,
                                             settings={"database": self.database, "log_level": "ERROR", **settings}))

    @staticmethod
    def entries(count, action_class, **more):
        return {str(uuid.uuid4()): {"action_class": action_class, "action_input": dict(more)} for _ in range(count)}

    @staticmethod
    def launch(core, entries):
        return core.http.post("/tasks/launch", {"operation": "batch", "input": entries, "options": {}})

    def write_output(self, core, megabytes, action_class="PeerOps::LocalScript", **more):
        """Runs a script that writes so much; its plan and the most memory that was seen, in KiB above that at rest."""
        at_rest = core.memory_kib()
        entries = self.entries(1, action_class, script=f"yes 0123456789abcdef0123456789abcde | head -c {megabytes}000000", **more)
        self.assertEqual(self.launch(core, entries).status, 200)
        plan = next(iter(entries))
        most = 0

        def ended():
            nonlocal most
            most = max(most, core.memory_kib() - at_rest)
            state = core.http.post("/tasks/status", {"task_ids": [plan]}).json()[plan]
            return state["state"] == "stopped" and state["result"]
        self.assertEqual(wait_until(ended, "the end of the output", 600), "success")
        return plan, most

    def test_output_goes_to_the_disk_not_to_memory(self):
        core = self.core(max_output_bytes=0)
        _, most = self.write_output(core, MEGABYTES)
        on_disk = sum(file.stat().st_size for file in self.folder.glob("tasks.sqlite*"))
        self.assertGreater(on_disk, MEGABYTES * 1_000_000)
        # What waits to be written is bounded, however much comes.
        self.assertLess(most, 160 * MIB)

    def test_output_waits_for_a_slow_disk(self):
        """The script is held up, here and on a host: what it has said would not fit into memory otherwise."""
        sshd = self.enterContext(Sshd(self.folder / "sshd"))
        core = self.core(environment={"LD_PRELOAD": preload_library("kill_points"), "KILL_POINTS_FILES": str(self.database),
                                      "KILL_POINTS_DELAY": "100", "HOME": str(self.folder)}, ssh_key=sshd.client_key, max_output_bytes=0)
        self.addCleanup(core.kill)
        ssh = {"action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "hostname": sshd.address, "ssh_port": sshd.port,
               "ssh_user": sshd.user, "effective_user": None}
        for where, more in (("here", {}), ("on a host", ssh)):
            with self.subTest(where):
                _, most = self.write_output(core, HELD_MEGABYTES, **more)
                self.assertLess(most, HELD_MEGABYTES / 2 * MIB)

    def test_output_is_cut_at_the_cap_with_a_mark(self):
        cap = 1_000_000
        core = self.core(max_output_bytes=cap)
        plan, most = self.write_output(core, MEGABYTES, callback={"task_id": "t", "step_id": 3})
        self.assertLess(most, 64 * MIB)
        told = self.foreman.wait_for(1, task_id="t")[0].data
        shown = next(action["output"] for action in core.http.get(f"/tasks/{plan}/status").json()["actions"]
                     if action["class"] == "PeerOps::LocalScript")
        for output in (told, shown):
            self.assertEqual(output["exit_status"], 0)
            *pieces, mark = output["result"]
            self.assertIn(f"longer than {cap} bytes", mark["output"])
            self.assertLessEqual(sum(len(piece["output"]) for piece in pieces), cap)
            self.assertGreater(sum(len(piece["output"]) for piece in pieces), cap // 2)

    def test_waiting_tasks_cost_kilobytes(self):
        core = self.core(max_running_runners=1)
        at_rest = core.memory_kib()
        waiting = 0
        while waiting < TASKS:
            answer = self.launch(core, self.entries(500, "PeerOps::LocalScript", script="exec sleep 3600"))
            self.assertEqual(answer.status, 200, answer.text)
            waiting += 500
        # A launch is answered when it is stored; that its plans run is stored right after, of as many as are in memory at once.
        resident = min(waiting, RESIDENT)
        wait_until(lambda: core.http.get("/tasks/count?state=running").json()["count"] == resident, "the plans to run", 300)
        self.assertEqual(core.http.get("/tasks/count?state=planned").json()["count"], waiting - resident)
        # 11 KiB each were seen, all of the plan's image; what this holds against is growth with a script, a thread, a buffer.
        self.assertLess((core.memory_kib() - at_rest) / waiting, 20)
        core.kill()  # nobody waits for an hour

    def test_a_slow_disk_refuses_launches_before_anything_is_stored(self):
        core = self.core(environment={"LD_PRELOAD": preload_library("kill_points"), "KILL_POINTS_FILES": str(self.database),
                                      "KILL_POINTS_DELAY": "700"})
        self.addCleanup(core.kill)  # it would write all that waits first, at the pace of its disk
        core.http.timeout = 300
        answers = []
        was_refused = threading.Event()

        def launching():
            while not was_refused.is_set() and len(answers) < 100:
                entries = self.entries(800, "PeerOps::Collect")
                answer = self.launch(core, entries)
                answers.append((answer, list(entries)))
                if answer.status != 200:
                    was_refused.set()
        threads = [threading.Thread(target=launching) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(was_refused.is_set())
        for answer, plans in answers:
            known = core.http.post("/tasks/status", {"task_ids": plans}).json()
            if answer.status == 200:
                self.assertEqual(len(known), len(plans))
            else:
                self.assertEqual(answer.status, 503, answer.text)
                self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
                self.assertEqual(known, {})


if __name__ == "__main__":
    unittest.main()
