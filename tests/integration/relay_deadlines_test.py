#!/usr/bin/env python3
"""How long the relay waits for a core, what it sends twice and what never, and cores whose certificate is not theirs."""

import shutil
import socket
import ssl
import tempfile
import threading
import time
import unittest
from pathlib import Path

from bare_server import BareServer, requests_on
from network import wait_until
from pki import Pki
from programs import CoreService, SmartProxy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class SlowCore(BareServer):
    """Answers its requests with `behave(connection, request line)`; keeps the request lines."""

    def __init__(self):
        self.lines = []
        self.is_over = threading.Event()
        self.behave = lambda connection, line: connection.sendall(OK)
        super().__init__()

    def serve(self, connection):
        for head, _ in requests_on(connection):
            line = head.split(b"\r\n")[0].decode()
            if "/tasks/operations" in line:
                connection.sendall(OK)
                continue
            self.lines.append(line)
            if self.behave(connection, line) == "close":
                return

    def drip(self, pieces, pause=0.2):
        """A behaviour: a piece now and then, for ever."""
        def behave(connection, _line):
            try:
                connection.sendall(pieces[0])
                while not self.is_over.wait(pause):
                    connection.sendall(pieces[1])
            except OSError:
                pass  # the proxy had enough of it
            return "close"
        self.behave = behave

    def silence(self):
        self.behave = lambda connection, line: self.is_over.wait(60) and "close"


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="deadlines-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)


class Deadlines(Base):
    def setUp(self):
        super().setUp()
        self.core = self.enterContext(SlowCore())
        self.addCleanup(self.core.is_over.set)

    def proxy(self, **dynflow):
        return self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=True, core_url=self.core.url, dynflow=dynflow))

    def gateway_timeout(self, answer):
        self.assertEqual(answer.status, 504, answer.text)
        self.assertIn(f"The Dynflow core at {self.core.url} did not answer in time", answer.json()["error"])

    def test_a_get_is_asked_twice_and_a_launch_never(self):
        proxy = self.proxy(core_timeout=4, core_try_timeout=1)
        self.core.silence()
        self.gateway_timeout(proxy.http.get("/dynflow/tasks/count"))
        self.assertEqual(self.core.lines, ["GET /tasks/count HTTP/1.1"] * 2)
        self.core.lines.clear()
        self.gateway_timeout(proxy.http.post("/dynflow/tasks/launch", {}))
        self.assertEqual(self.core.lines, ["POST /tasks/launch HTTP/1.1"])

    def test_the_second_try_answers(self):
        proxy = self.proxy(core_timeout=30, core_try_timeout=1)

        def behave(connection, _line):
            if len(self.core.lines) == 1:
                return self.core.is_over.wait(60) and "close"
            return connection.sendall(OK)
        self.core.behave = behave
        self.assertEqual(proxy.http.get("/dynflow/tasks/x/status").status, 200)
        self.assertEqual(len(self.core.lines), 2)
        proxy.wait_for_log("it is asked once more")

    def test_without_a_try_timeout_nothing_is_asked_twice(self):
        proxy = self.proxy(core_timeout=2, core_try_timeout=0)
        self.core.silence()
        self.gateway_timeout(proxy.http.get("/dynflow/tasks/count"))
        self.assertEqual(len(self.core.lines), 1)

    def test_a_launch_that_the_core_took_is_not_sent_again(self):
        """However the connection ends once the request was sent: Foreman decides, by the ids."""
        proxy = self.proxy()
        self.core.behave = lambda connection, line: "close"
        for _ in range(3):
            self.core.lines.clear()
            self.assertEqual(proxy.http.post("/dynflow/tasks/launch", {}).status, 502)
            self.assertEqual(len(self.core.lines), 1)

    def test_a_launch_goes_out_on_another_connection_when_its_own_was_closed_before(self):
        proxy = self.proxy()
        is_closed = threading.Event()

        def behave(connection, _line):
            connection.sendall(OK)
            connection.shutdown(socket.SHUT_RDWR)  # without having said so
            is_closed.set()
            return "close"
        self.core.behave = behave
        for _ in range(5):
            is_closed.clear()
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 200)
            is_closed.wait(30)
            self.core.lines.clear()
            self.assertEqual(proxy.http.post("/dynflow/tasks/launch", {}).status, 200)
            self.assertEqual(self.core.lines, ["POST /tasks/launch HTTP/1.1"])

    def test_cores_that_drip(self):
        """Its head, a short body, a long body: each ends at the deadline, and others are answered meanwhile."""
        proxy = self.proxy(core_timeout=2, core_try_timeout=0)
        self.core.drip((b"HTTP/1.1 200 OK\r\nX: ", b"a"))
        self.gateway_timeout(proxy.http.get("/dynflow/tasks/count"))
        self.core.drip((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"a"))
        self.gateway_timeout(proxy.http.get("/dynflow/tasks/count"))
        self.core.drip((b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"a" * 100_000, b"a"))
        with self.assertRaises(Exception) as caught:
            proxy.http.get("/dynflow/tasks/count")
        self.assertIn(type(caught.exception).__name__, ("IncompleteRead", "ConnectionResetError"))
        self.assertEqual(proxy.http.get("/version").status, 200)

    def test_many_that_wait_for_a_core_leave_the_proxy_answering(self):
        proxy = self.proxy(core_timeout=6, core_try_timeout=0)
        self.core.silence()
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(proxy.http.get("/dynflow/tasks/count").status)) for _ in range(150)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(self.core.lines) >= 60, "requests at the core", 30)
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(proxy.http.get("/version").status, 200)
        self.assertLess(time.monotonic() - began, 5)  # far from the 6 s that the others wait
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(statuses), {503, 504})


class Certificates(Base):
    def setUp(self):
        super().setUp()
        self.pki = Pki(self.folder / "pki")

    def proxy_of(self, url, name="proxy", **settings):
        return self.enterContext(SmartProxy(self.folder / name, "http://127.0.0.1:1", external_core=True, core_url=url, identity=self.pki.proxy,
                                            ca=self.pki.ca.cert, settings=settings))

    def unreachable(self, answer, why):
        self.assertEqual(answer.status, 503, answer.text)
        self.assertRegex(answer.json()["error"], why)

    def test_a_core_that_is_another(self):
        """Its authority, its name, its time: the request does not leave the proxy."""
        for name, identity, why in (("authority", self.pki.stranger, "certificate verify failed.*(unable to get|self.signed)"),
                                    ("self-signed", self.pki.self_signed, "certificate verify failed.*self.signed"),
                                    ("expired", self.pki.expired, "certificate verify failed.*expired"),
                                    ("name", self.pki.ca.issue("elsewhere.example.com", alternative_names=("DNS:elsewhere.example.com",)),
                                     "certificate verify failed.*mismatch")):
            with self.subTest(name):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(str(identity.cert), str(identity.key))
                said = []

                class Server(BareServer):
                    def serve(self, connection, context=context, said=said):
                        try:
                            with context.wrap_socket(connection, server_side=True) as secure:
                                said.append(secure.recv(65536))
                        except OSError:
                            pass
                with Server() as server:
                    proxy = self.proxy_of(server.url.replace("http:", "https:"), name)
                    self.unreachable(proxy.https(self.pki.foreman).post("/dynflow/tasks/launch", {"input": {"secret": "x"}}), why)
                    self.assertEqual([data for data in said if data], [])

    def test_a_core_that_does_not_know_the_proxy(self):
        core = self.enterContext(CoreService(self.folder / "core", "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert))
        proxy = self.proxy_of(core.url, foreman_ssl_cert=self.pki.evil.cert, foreman_ssl_key=self.pki.evil.key)
        answer = proxy.https(self.pki.foreman).get("/dynflow/tasks/count")
        self.assertEqual(answer.status, 403)
        self.assertEqual(answer.json(), {"error": "SSL certificate with unexpected serial supplied"})
        proxy.wait_for_log("does not let this proxy in: status 403")

    def test_plain_text_where_tls_should_be_and_the_other_way_round(self):
        class Plain(BareServer):
            def serve(self, connection):
                connection.recv(65536)
                connection.sendall(OK)
        with Plain() as plain:
            self.unreachable(self.proxy_of(plain.url.replace("http:", "https:")).https(self.pki.foreman).get("/dynflow/tasks/count"), "wrong version|record|TLS|SSL")
        core = self.enterContext(CoreService(self.folder / "core", "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert))
        answer = self.proxy_of(core.url.replace("https:", "http:"), "second").https(self.pki.foreman).get("/dynflow/tasks/count")
        self.assertIn(answer.status, (502, 503))


if __name__ == "__main__":
    unittest.main()
