#!/usr/bin/env python3
"""Restarts under a constant load of new connections, plain and TLS: none is refused or reset, no answer is wrong. The sockets come
from a socket unit, or are kept by the service manager; the test is that manager.

DYNFLOW_RESTARTS makes it longer.
"""

import os
import shutil
import socket
import tempfile
import threading
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from pki import Pki
from programs import CoreService, SmartProxy, wait_for_task
from supervisor import Supervisor, listening_socket

RESTARTS = int(os.environ.get("DYNFLOW_RESTARTS", "20"))


class Load(threading.Thread):
    """New connection after new connection; what went wrong is in `problems`."""

    def __init__(self, client, requests):
        super().__init__(daemon=True)
        self.client = client
        self.requests = requests  # (method, path, body, is_right)
        self.answers = 0
        self.problems = []
        self._over = threading.Event()

    def run(self):
        while not self._over.is_set():
            for method, path, body, is_right in self.requests:
                body = body() if callable(body) else body
                try:
                    answer = self.client.request(method, path, body)
                    if answer.status != 200 or not is_right(answer.json(), body):
                        self.problems.append(f"{method} {path}: {answer.status} {answer.text[:200]}")
                except OSError as error:
                    self.problems.append(f"{method} {path}: {error!r}")
                self.answers += 1

    def stop(self):
        self._over.set()
        self.join()


def has_version(document, _):
    return document["version"].startswith("3.")


def has_count(document, _):
    return document["count"] >= 0


class SeamlessRestart(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="restart-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.pki = Pki(self.folder / "pki")
        self.launched = []

    def proxy(self, **more):
        self.proxy_program = SmartProxy(self.folder / "proxy", self.foreman.url, identity=self.pki.proxy, ca=self.pki.ca.cert, **more)
        return self.proxy_program

    def managed(self, program, sockets, **more):
        folder = program.folder / "manager"
        folder.mkdir()
        manager = self.enterContext(Supervisor(folder, sockets, **more))
        program.manager = manager
        return manager

    def socket_unit(self, proxy):
        return [("http", listening_socket(proxy.port)), ("https", listening_socket(proxy.https_port))]

    def launch(self):
        task = str(uuid.uuid4())
        self.launched.append(task)
        entry = {"action_class": "PeerOps::Noop", "action_input": {"callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}
        return {"operation": "batch", "input": {task: entry}, "options": {}}

    def start_load(self, proxy, threads=2):
        simple = [("GET", "/version", None, has_version), ("GET", "/dynflow/tasks/count?state=running", None, has_count)]
        launches = [("POST", "/dynflow/tasks/launch", self.launch,
                     lambda answer, sent: all(answer[task] == {"result": "success", "task_id": task} for task in sent["input"]))]
        loads = [Load(client, requests) for client in (proxy.http, proxy.https(self.pki.foreman)) for requests in [simple] * threads + [launches]]
        for load in loads:
            load.start()
            self.addCleanup(load.stop)
        return loads

    def check_load(self, loads, at_least):
        wait_until(lambda: all(load.answers > at_least for load in loads), "enough answers", 60)
        for load in loads:
            load.stop()
        self.assertEqual([problem for load in loads for problem in load.problems][:10], [])

    def check_launched(self, proxy):
        """Every launch that was acknowledged is there, and ends."""
        self.assertGreater(len(self.launched), 0)
        for task in self.launched[:: max(1, len(self.launched) // 50)]:
            document = wait_for_task(proxy.http, task)
            self.assertEqual((document["state"], document["result"]), ("stopped", "success"), document)

    def restart(self, program, manager):
        manager.wait_for("READY")  # the first process answers before it says so, and would be counted as the next one
        ready = manager.count("READY")
        self.assertEqual(program.stop(), 0, program.logs()[-2000:])
        program.start(wait=False)
        manager.wait_for("READY", ready + 1)

    def test_restarts_with_sockets_of_a_socket_unit(self):
        proxy = self.proxy(external_core=False, dynflow={"database": self.folder / "proxy.sqlite"})
        manager = self.managed(proxy, self.socket_unit(proxy))
        with proxy:
            loads = self.start_load(proxy)
            for _ in range(RESTARTS):
                before = [load.answers for load in loads]
                self.restart(proxy, manager)
                wait_until(lambda before=before: all(load.answers > then for load, then in zip(loads, before)), "answers of this process")
            self.check_load(loads, RESTARTS)
            self.check_launched(proxy)
        self.assertEqual(manager.count("STOPPING"), RESTARTS + 1)
        self.assertEqual(proxy.logs().count("Smart proxy has launched on 2 socket(s)"), RESTARTS + 1)

    def test_sockets_are_kept_by_the_manager(self):
        proxy = self.proxy(external_core=False, dynflow={"database": self.folder / "proxy.sqlite"})
        manager = self.managed(proxy, [])
        with proxy:
            names = {f"stored-http-127.0.0.1_{proxy.port}", f"stored-https-127.0.0.1_{proxy.https_port}"}
            wait_until(lambda: manager.receive() and set(manager.kept) == names, "the sockets to be kept")
            loads = self.start_load(proxy)
            for _ in range(3):
                self.restart(proxy, manager)
            # The plain listener goes elsewhere: its old socket is given back.
            settings = proxy.config / "settings.yml"
            self.check_load(loads, 3)
            settings.write_text(settings.read_text().replace(f":http_port: {proxy.port}\n", ""))
            self.restart(proxy, manager)
            self.assertEqual(set(manager.kept), {f"stored-https-127.0.0.1_{proxy.https_port}"})
            self.assertEqual(proxy.https(self.pki.foreman).get("/version").status, 200)
            self.assertEqual(proxy.stop(), 0)

    def test_the_next_process_waits_for_the_one_before(self):
        proxy = self.proxy(external_core=False, dynflow={"database": self.folder / "proxy.sqlite"})
        manager = self.managed(proxy, self.socket_unit(proxy))
        proxy.start()
        self.addCleanup(proxy.kill)
        loads = self.start_load(proxy, threads=1)
        for round_ in range(2, 5):
            old = proxy.process
            proxy.start(wait=False)
            self.addCleanup(proxy.process.kill)
            old.terminate()
            self.assertEqual(old.wait(30), 0)
            manager.wait_for("READY", round_)
        self.check_load(loads, 3)
        self.check_launched(proxy)
        self.assertEqual(proxy.stop(), 0)

    def test_a_next_process_that_cannot_start_harms_nobody(self):
        proxy = self.proxy(external_core=False, dynflow={"database": self.folder / "proxy.sqlite"})
        self.managed(proxy, self.socket_unit(proxy))
        with proxy:
            running = proxy.process
            settings = proxy.config / "settings.yml"
            good = settings.read_text()
            settings.write_text(good + ":http_port: many\n")
            proxy.start(wait=False)
            self.assertEqual(proxy.wait(30), 1)
            settings.write_text(good)
            # One that waits for its turn can be told to go.
            proxy.start(wait=False)
            proxy.wait_for_log("still works with")
            proxy.process.terminate()
            self.assertEqual(proxy.wait(30), 0)
            proxy.process = running
            self.assertEqual(proxy.http.get("/version").status, 200)

    def test_the_core_service_behind_the_relay(self):
        core = CoreService(self.folder / "core", self.foreman.url, settings={"database": self.folder / "core.sqlite"})
        manager = self.managed(core, [("http", listening_socket(core.port))])
        proxy = self.proxy(external_core=True, core_url=core.url)
        with core, proxy:
            loads = self.start_load(proxy)
            for _ in range(RESTARTS // 2):
                before = [load.answers for load in loads]
                self.restart(core, manager)
                wait_until(lambda before=before: all(load.answers > then for load, then in zip(loads, before)), "answers through this core")
            self.check_load(loads, RESTARTS // 2)
            self.check_launched(proxy)

    def test_sockets_that_do_not_fit_the_settings(self):
        proxy = self.proxy()
        for name, sockets, wanted in (
                ("another port", lambda: [("http", listening_socket(0))], "which the settings do not want"),
                ("the wrong protocol", lambda: [("https", listening_socket(proxy.port))], "is called https, and the settings want http there")):
            with self.subTest(name):
                (proxy.folder / "manager").mkdir()
                with Supervisor(proxy.folder / "manager", sockets()) as manager:
                    proxy.manager = manager
                    proxy.start(wait=False)
                    self.assertEqual(proxy.wait(30), 1)
                    self.assertIn(wanted, proxy.logs())
                    self.assertEqual(manager.count("READY"), 0)
                shutil.rmtree(proxy.folder / "manager")

    def test_one_socket_for_both_families(self):
        proxy = self.proxy(settings={"bind_host": ["*"]})
        both = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        both.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", proxy.port))
        both.listen(64)
        manager = self.managed(proxy, [("foreman-proxy.socket", both)])
        with proxy:
            manager.wait_for("READY")  # it answers before it says so
            self.assertEqual(manager.count("READY"), 1)
            self.assertIn("launched on 3 socket(s)", proxy.logs())  # this one, and two for https

    def test_what_the_manager_is_told(self):
        proxy = self.proxy()
        manager = self.managed(proxy, self.socket_unit(proxy), watchdog_seconds=1)
        with proxy:
            manager.wait_for("READY")
            manager.wait_for("WATCHDOG", 3)
            proxy.reload()
            manager.wait_for("READY", 2)
            states = [(at, fields) for at, fields in manager.receive() if "READY" in fields or "RELOADING" in fields]
            self.assertEqual([sorted(fields) for _, fields in states], [["READY"], ["MONOTONIC_USEC", "RELOADING"], ["READY"]])
            said = int(states[1][1]["MONOTONIC_USEC"]) / 1e6
            self.assertLessEqual(said, states[1][0])
            self.assertGreaterEqual(said, states[0][0] - 60)
        self.assertEqual(manager.count("STOPPING"), 1)


if __name__ == "__main__":
    unittest.main()
