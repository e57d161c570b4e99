#!/usr/bin/env python3
"""Logs that go to syslog and to the journal, as those who listen there get them: the programs run in a mount namespace whose `/dev/log`
and `/run/systemd/journal/socket` are sockets of this test. Needs the right to make one."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from network import wait_until
from programs import CoreService, SmartProxy, Symbol

LOCAL5 = 21 << 3
ERROR, WARNING, INFO, DEBUG = 3, 4, 6, 7

# $1: a folder with log.sock, journal.sock and an empty dev/. The rest: what to run.
NAMESPACE = """
set -e
folder=$1; shift
mount --make-rprivate /
mount --rbind /dev "$folder/dev"
mount -t tmpfs tmpfs /dev
for name in null zero full random urandom; do touch /dev/$name; mount --bind "$folder/dev/$name" /dev/$name; done
ln -s /proc/self/fd /dev/fd
mkdir /dev/shm
touch /dev/log
mount --bind "$folder/log.sock" /dev/log
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal
touch /run/systemd/journal/socket
mount --bind "$folder/journal.sock" /run/systemd/journal/socket
exec "$@"
"""


def may_have_namespaces():
    return subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True, check=False).returncode == 0


class Listener:
    """A datagram socket that keeps what comes. It reads all the time, but while it `hangs`: the kernel lets few datagrams wait."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.seen = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while self.may_read.wait() and (datagram := self.socket.recv(65536)):
            self.seen.append(datagram)

    @contextlib.contextmanager
    def hangs(self):
        self.may_read.clear()
        yield
        self.may_read.set()

    def records(self):
        return list(self.seen)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


def fields_of(datagram):
    """A record of the journal's protocol whose values have no line ends."""
    return dict(line.split("=", 1) for line in datagram.decode("utf-8").splitlines() if "=" in line)


@unittest.skipUnless(may_have_namespaces(), "needs a mount namespace (root)")
class SystemLog(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="syslog-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "dev").mkdir()
        self.log = Listener(self.folder / "log.sock")
        self.addCleanup(self.log.close)
        self.journal = Listener(self.folder / "journal.sock")
        self.addCleanup(self.journal.close)

    # What a Program wants of its manager.
    def command(self, command):
        return ["unshare", "-m", "sh", "-c", NAMESPACE, "sh", str(self.folder), *command], []

    @staticmethod
    def environment():
        return {}

    def proxy(self, **settings):
        proxy = SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, settings=settings)
        proxy.manager = self
        return self.enterContext(proxy)

    def core(self, **settings):
        core = CoreService(self.folder / "core", "http://127.0.0.1:1", settings=settings)
        core.manager = self
        return self.enterContext(core)

    def test_syslog(self):
        for name, start, path in (("foreman-proxy", self.proxy, "/version"), ("smart_proxy_dynflow_core", self.core, "/tasks/count")):
            with self.subTest(name):
                program = start(log_file="SYSLOG", log_level=Symbol("INFO"), system_logging_pattern="%.8X{request} [%.1l] %m")
                program.http.get(path, headers={"X-Request-Id": "0123456789", "Accept": "*/*"})

                def started(name=name, path=path):
                    return [text for text in map(bytes.decode, self.log.records()) if f"01234567 [I] Started GET {path}" in text and name in text]
                record = wait_until(started, "the record")[0]
                self.assertTrue(record.startswith(f"<{LOCAL5 | INFO}>"), record)
                self.assertIn(f"{name}[{program.process.pid}]: ", record)
                self.assertNotIn("\n", record.rstrip("\n\0"))
                self.assertNotIn("Started GET", program.logs())

    def test_syslog_tells_how_bad_it_is_and_keeps_records_to_a_line(self):
        proxy = self.proxy(log_file="SYSLOG", log_level="DEBUG", trusted_hosts=["nobody.example.com"])
        proxy.http.get("/v2/features", headers={"X-Request-Id": "a"})
        proxy.http.get("/version?x=%0a%0dforged", headers={"X-Request-Id": "b"})
        wait_until(lambda: any(b"forged" in one for one in self.log.records()), "the records")
        by_text = {one.decode().split("]: ", 1)[-1].rstrip("\0"): int(one[1:one.index(b">")]) for one in self.log.records()}
        refusals = [priority for text, priority in by_text.items() if "Untrusted client" in text or "unable to resolve" in text]
        self.assertEqual(set(refusals), {LOCAL5 | ERROR})
        self.assertIn(LOCAL5 | DEBUG, by_text.values())
        self.assertFalse([one for one in self.log.records() if b"\n" in one.rstrip(b"\n\0")])

    def test_journal(self):
        for name, start, path in (("foreman-proxy", self.proxy, "/version"), ("smart_proxy_dynflow_core", self.core, "/tasks/count")):
            with self.subTest(name):
                start(log_file="JOURNAL", log_level=Symbol("INFO"), system_logging_pattern="%m").http.get(path)

                def started(name=name, path=path):
                    return [record for record in map(fields_of, self.journal.records())
                            if record.get("SYSLOG_IDENTIFIER") == name and record.get("MESSAGE", "").startswith(f"Started GET {path}")]
                self.assertEqual(wait_until(started, "the record")[0]["PRIORITY"], str(INFO))

    def test_a_daemon_that_hangs_holds_nobody_up(self):
        # More than the kernel keeps for a reader that does not read.
        requests = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text(encoding="ascii")) + 100
        for target, listener in (("SYSLOG", self.log), ("JOURNAL", self.journal)):
            with self.subTest(target):
                proxy = self.proxy(log_file=target, log_level="INFO")
                with listener.hangs():
                    for number in range(requests):
                        self.assertEqual(proxy.http.get(f"/version?number={number}.").status, 200)
                    self.assertFalse(any(f"number={requests - 1}.".encode() in one for one in listener.records()))

                def started():
                    return [one for one in listener.records() if b"Started GET /version number=" in one]
                wait_until(lambda: len(started()) == requests, "all records")
                for number, record in enumerate(started()):
                    self.assertIn(f"number={number}.".encode(), record)
                with listener.hangs():
                    for number in range(requests):
                        proxy.http.get(f"/version?more={number}.")
                    proxy.stop()  # without waiting for ever

    def test_a_reload_moves_the_log_there_and_back(self):
        proxy = self.proxy()
        settings = proxy.config / "settings.yml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace(f'"{proxy.folder}/program.log"', "SYSLOG"), encoding="utf-8")
        proxy.reload()
        wait_until(lambda: any(b"The settings were read again" in one for one in self.log.records()), "the reload in syslog")
        proxy.http.get("/version?there=1")
        wait_until(lambda: any(b"there=1" in one for one in self.log.records()), "a request in syslog")
        settings.write_text(text, encoding="utf-8")
        proxy.reload()
        proxy.wait_for_log("The settings were read again")
        proxy.http.get("/version?back=1")
        proxy.wait_for_log("back=1")
        self.assertFalse(any(b"back=1" in one for one in self.log.records()))


if __name__ == "__main__":
    unittest.main()
