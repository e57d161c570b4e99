#!/usr/bin/env python3
"""Too much of everything: connections, slow ones, floods of launches, long heads, bodies and documents. Others are answered all the
while, and what does not fit is told so at once. And what the programs leave behind or hand on: files, children.

DYNFLOW_SLOW_CLIENTS: how many drip at once (default 1000)."""

import json
import os
import resource
import shutil
import socket
import statistics
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from pki import Pki
from programs import CoreService, SmartProxy, preload_library, wait_for_task

SLOW = int(os.environ.get("DYNFLOW_SLOW_CLIENTS", "1000"))


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def everything(connection):
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except OSError:
        pass
    return data


def exchange(port, data, timeout=30):
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass  # refused in the middle
        return everything(connection)


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="limits-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)


class Connections(Base):
    def test_per_client_and_in_total(self):
        """One address cannot take the places of the others, and nobody more than there are."""
        limits = {"max_connections": 12, "max_connections_per_client": 8, "bind_host": ["*"]}
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", settings=limits) as proxy:
            kept = [self.admitted(proxy.port, "127.0.0.1") for _ in range(8)]
            wait_until(lambda: b" 503 " in exchange(proxy.port, b"GET /version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")[:20], "the limit of one client")
            refused = exchange(proxy.port, b"GET /version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            self.assertIn(b"\r\nRetry-After: 1\r\n", refused)
            for last in (2, 3, 4, 5):
                kept.append(self.admitted(proxy.port, f"127.0.0.{last}"))
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=30, source_address=("127.0.0.9", 0)) as one_more:
                self.assertEqual(status_of(everything(one_more)), 503)
            for connection in kept:
                connection.sendall(b"GET /version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                self.assertEqual(status_of(everything(connection)), 200)
            wait_until(lambda: proxy.http.get("/version").status == 200, "places")

    def admitted(self, port, address):
        """A connection that was answered and is kept; places that others left become free a moment later."""
        def connect():
            connection = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
            connection.sendall(b"GET /version HTTP/1.1\r\nHost: h\r\n\r\n")
            if status_of(connection.recv(65536)) == 200:
                return connection
            connection.close()
            return None
        return self.enterContext(wait_until(connect, f"a connection from {address}"))

    def test_the_core_service_has_them_too(self):
        with CoreService(self.folder / "core", "http://127.0.0.1:1", settings={"max_connections_per_client": 4}) as core:
            kept = [self.enterContext(socket.create_connection(("127.0.0.1", core.port), timeout=30)) for _ in range(4)]
            wait_until(lambda: b" 503 " in exchange(core.port, b"GET /tasks/count HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")[:20], "the limit")
            kept[0].close()
            wait_until(lambda: status_of(exchange(core.port, b"GET /tasks/count HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")) == 200, "a place")


class Sizes(Base):
    def test_heads_bodies_and_documents(self):
        close = b"Host: h\r\nConnection: close\r\n"
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False) as proxy:
            def post(path, body):
                return exchange(proxy.port, b"POST " + path + b" HTTP/1.1\r\n" + close + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

            deep = b'{"operation":"single","input":' + b"[" * 5000 + b"]" * 5000 + b"}"
            many = b'{"task_ids":[' + b",".join(b'"%d"' % n for n in range(2000)) + b"]}"
            for name, answer, wanted in (
                ("a long request line", exchange(proxy.port, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + close + b"\r\n"), 414),
                ("a long field", exchange(proxy.port, b"GET /version HTTP/1.1\r\n" + close + b"X: " + b"a" * 300_000 + b"\r\n\r\n"), 431),
                ("many fields", exchange(proxy.port, b"GET /version HTTP/1.1\r\n" + close + b"X: 1\r\n" * 20_000 + b"\r\n"), 431),
                ("an announced body without end", exchange(proxy.port, b"POST /dynflow/tasks/launch HTTP/1.1\r\n" + close + b"Content-Length: 99999999999\r\n\r\n"), 413),
                ("a number that overflows", exchange(proxy.port, b"POST /dynflow/tasks/launch HTTP/1.1\r\n" + close + b"Content-Length: 99999999999999999999999\r\n\r\n"), 400),
                ("a long list", post(b"/dynflow/tasks/status", b'{"task_ids":["' + b"a" * 5_000_000 + b'"]}'), 413),
                ("too many documents", post(b"/dynflow/tasks/statuses", many), 413),
                ("a deep document", post(b"/dynflow/tasks/launch", deep), 422),
                ("a long report", post(b"/dynflow/tasks/x/update", b'{"step_id":2,"x":"' + b"a" * 17_000_000 + b'"}'), 413),
            ):
                with self.subTest(name):
                    self.assertEqual(status_of(answer), wanted, answer[:300])
                    if wanted in (413, 400, 422) and b"{" in answer:
                        self.assertIn("error", json.loads(answer.split(b"\r\n\r\n", 1)[1]))
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").json()["count"], 0)


class Floods(Base):
    def times_of(self, client, seconds, path="/version"):
        """How long requests take, each on a connection of its own."""
        took = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            self.assertEqual(client.get(path).status, 200)
            took.append(time.monotonic() - began)
            time.sleep(0.01)
        return took

    def drip(self, port, count, heads):
        """Opens connections that say a little and then a byte now and then, until the test is over."""
        connections = []
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.sendall(heads[number % len(heads)])
            connection.setblocking(False)
            connections.append(connection)
        is_over = threading.Event()

        def dripping():
            while not is_over.wait(0.5):
                for connection in connections:
                    try:
                        connection.send(b"a")
                    except OSError:
                        pass
        thread = threading.Thread(target=dripping, daemon=True)
        thread.start()

        def end():
            is_over.set()
            thread.join()
            for connection in connections:
                connection.close()
        self.addCleanup(end)

    def test_slow_drip_clients_harm_nobody(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(hard, 3 * SLOW + 1000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        pki = Pki(self.folder / "pki")
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, identity=pki.proxy, ca=pki.ca.cert,
                                             settings={"log_level": "ERROR"}))
        post = b"POST /dynflow/tasks/launch HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        self.drip(proxy.port, SLOW, [b"G", b"GET /version HTTP/1.1\r\nHost: h\r\nX: ", post + b"Content-Length: 1000\r\n\r\n{",
                                     post + b"Content-Length: 50000000\r\n\r\n{", post + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"])
        self.drip(proxy.https_port, SLOW // 4, [b"\x16\x03\x01\x02\x00\x01"])  # the start of a handshake
        threads = len(list(Path(f"/proc/{proxy.process.pid}/task").iterdir()))
        self.assertLess(threads, 40, "a thread for each of them")
        self.assertGreater(len(self.times_of(proxy.http, 2)), 0)
        for _ in range(5):
            tasks = {str(uuid.uuid4()): {"action_class": "PeerOps::Noop", "action_input": {}}}
            self.assertEqual(proxy.http.post("/dynflow/tasks/launch", {"operation": "batch", "input": tasks, "options": {}}).status, 200)
        self.assertEqual(proxy.https(pki.foreman).get("/v2/features").status, 200)
        if not os.environ.get("DYNFLOW_SANITIZE"):  # whose memory comes on top
            self.assertLess(proxy.memory_kib(), 200 * 1024)

    def test_a_flood_of_launches_is_refused_early_and_holds_up_nothing_else(self):
        """The disk is slow, so that launches pile up; what does not fit hears 503 with Retry-After."""
        database = self.folder / "tasks.sqlite"
        proxy = self.enterContext(SmartProxy(
            self.folder / "proxy", "http://127.0.0.1:1", external_core=False, settings={"log_level": "ERROR"}, dynflow={"database": database},
            environment={"LD_PRELOAD": preload_library("kill_points"), "KILL_POINTS_FILES": str(database), "KILL_POINTS_DELAY": "300"}))
        self.addCleanup(proxy.kill)  # it would write all that waits first, at the pace of its disk
        proxy.http.timeout = 300
        statuses = []
        accepted = []  # how long those took that were
        is_over = threading.Event()

        def launching():
            while not is_over.is_set():
                tasks = {str(uuid.uuid4()): {"action_class": "PeerOps::Collect", "action_input": {}}}
                began = time.monotonic()
                try:
                    answer = proxy.http.post("/dynflow/tasks/launch", {"operation": "batch", "input": tasks, "options": {}})
                except OSError:
                    return  # the end of the test
                if answer.status == 200:
                    accepted.append(time.monotonic() - began)
                statuses.append((answer.status, answer.header("Retry-After")))
                if answer.status == 503:
                    time.sleep(0.2)
        threads = [threading.Thread(target=launching, daemon=True) for _ in range(700)]
        for thread in threads:
            thread.start()
        wait_until(lambda: any(status == 503 for status, _ in statuses), "refusals", 60)
        busy = self.times_of(proxy.http, 3)
        self.assertEqual(proxy.http.get("/dynflow/mode").status, 200)
        is_over.set()
        proxy.kill()
        self.assertEqual({status for status, _ in statuses} - {200, 503}, set())
        self.assertTrue(all(after for status, after in statuses if status == 503))
        # Nobody else waited for the disk.
        self.assertLess(statistics.median(busy), statistics.median(accepted) / 2)


class Hygiene(Base):
    """What is left on disk, and what children get to know."""

    def test_files_are_for_the_service_alone(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        foreman = self.enterContext(Foreman())
        before = set(self.folder.rglob("*"))
        core = self.enterContext(CoreService(self.folder / "core", foreman.url, settings={"database": self.folder / "core-data/core.sqlite"}))
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", foreman.url, external_core=False, core_url=core.url,
                                             dynflow={"database": self.folder / "proxy-data/proxy.sqlite"},
                                             settings={"file_rolling_size": 1, "file_rolling_keep": 2}))
        ours = set(self.folder.rglob("*"))
        made_by_test = {path for path in ours if path.is_relative_to(proxy.config) or path.is_relative_to(core.config) or path.name == "output.log"}
        plan = str(uuid.uuid4())
        entry = {"action_class": "PeerOps::LocalScript", "action_input": {"script": "echo x", "callback": {"task_id": "t", "step_id": 3}}}
        for client, prefix in ((proxy.http, "/dynflow"), (core.http, "")):
            answer = client.post(f"{prefix}/tasks/launch", {"operation": "batch", "input": {plan: entry}, "options": {}})
            self.assertEqual(answer.status, 200, answer.text)
            wait_for_task(client, plan, prefix=prefix)
        self.assertEqual(proxy.http.post("/dynflow/mode", {"action": "begin", "external_core": True}).status, 200)
        proxy.signal(10)  # USR1: the log is opened again
        wait_until(lambda: (proxy.folder / "state/mode.json").exists(), "the mode's file")
        seen = 0
        for path in sorted(self.folder.rglob("*")):
            if path in before or path in made_by_test or path.is_relative_to(proxy.config) or path.is_relative_to(core.config):
                continue
            if path.name in ("output.log", "work", "etc", "state", "core", "proxy", "core-data", "proxy-data") and not path.is_file():
                continue
            if path.name == "output.log":
                continue
            mode = path.stat().st_mode & 0o777
            seen += 1
            with self.subTest(str(path.relative_to(self.folder))):
                self.assertEqual(mode & ~(0o750 if path.is_dir() else 0o640), 0, oct(mode))
        self.assertGreater(seen, 6)
        for folder in ("core-data", "proxy-data"):
            self.assertEqual((self.folder / folder).stat().st_mode & 0o777 & ~0o750, 0, folder)

    def test_a_pid_file_too(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        core = CoreService(self.folder / "core", "http://127.0.0.1:1", settings={"daemonize": True, "pid_file": self.folder / "core.pid"})
        core.start(wait=False)
        self.assertEqual(core.wait(30), 0, core.logs())  # the daemon serves by now
        pid_file = self.folder / "core.pid"
        mode = pid_file.stat().st_mode & 0o777
        os.kill(int(pid_file.read_text(encoding="ascii")), 15)
        wait_until(lambda: not pid_file.exists(), "its end")
        self.assertEqual(mode & ~0o640, 0, oct(mode))

    def test_children_have_a_clean_environment_and_no_descriptors(self):
        script = ("env; echo ==; for fd in /proc/$$/fd/*; do printf '%s ' ${fd##*/}; readlink $fd; done; echo ==; umask; "
                  "cat /proc/$$/status | grep -E 'Sig(Blk|Ign)'")
        planted = {"SECRET_TOKEN": "planted-secret", "LD_PRELOAD_X": "1", "BASH_ENV": "/nonexistent", "DYNFLOW_DB_CONN_STRING": "",
                   "NOTIFY_SOCKET": "/nonexistent", "PYTHONPATH": "/x", "IFS": "x", "LC_ALL": "C.UTF-8"}
        kept_open = self.enterContext(open(self.folder / "open", "w", encoding="ascii"))
        os.set_inheritable(kept_open.fileno(), True)
        with SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, environment=planted) as proxy:
            plan = str(uuid.uuid4())
            entry = {"action_class": "PeerOps::LocalScript", "action_input": {"script": script}}
            self.assertEqual(proxy.http.post("/dynflow/tasks/launch", {"operation": "batch", "input": {plan: entry}, "options": {}}).status, 200)
            document = wait_for_task(proxy.http, plan)
            output = next(action["output"] for action in document["actions"] if action["class"] == "PeerOps::LocalScript")
            environment, descriptors, rest = "".join(piece["output"] for piece in output["result"]).split("==\n")
        names = {line.split("=", 1)[0] for line in environment.splitlines()}
        self.assertEqual({name for name in names if not name.startswith("LC_")} - {"PATH", "HOME", "LANG", "TZ", "USER", "LOGNAME", "PWD", "OLDPWD", "SHLVL", "_"}, set())
        self.assertIn("LC_ALL", names)
        self.assertNotIn("planted-secret", environment)
        opened = dict(line.split(" ", 1) for line in descriptors.splitlines() if " " in line)
        self.assertEqual({fd: where for fd, where in opened.items() if fd not in ("0", "1", "2") and where and not where.startswith("/proc/")}, {})
        self.assertEqual(opened["0"], "/dev/null")
        self.assertTrue(opened["1"].startswith("pipe:"), opened)
        masks = dict(line.split(":\t") for line in rest.splitlines() if ":\t" in line)
        # The C library ignores its own two (32 and 33) in children that it spawns.
        self.assertEqual((int(masks["SigBlk"], 16), int(masks["SigIgn"], 16) & ~(3 << 31)), (0, 0))


if __name__ == "__main__":
    unittest.main()
