#!/usr/bin/env python3
"""The relay in front of cores that we play ourselves with bare sockets: what passes, and what happens when they fail."""

import shutil
import socket
import tempfile
import unittest
from pathlib import Path

from bare_server import BareServer
from network import free_port
from programs import SmartProxy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def read_request(connection):
    """Head lines and body of one request with a length or chunks; None when the other side is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    else:
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
    return lines[0], headers, body


class FakeCore(BareServer):
    """Answers each connection's requests with `answer(request line, headers, body)`: bytes to send; None closes."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        super().__init__()

    def serve(self, connection):
        while True:
            request = read_request(connection)
            if request is None:
                return
            # The proxy's own question about operations is none of the test's.
            if "/tasks/operations" in request[0]:
                connection.sendall(OK)
                continue
            self.requests.append(request)
            answer = self.answer(*request)
            if answer is None:
                return
            connection.sendall(answer)
            if b"\r\nConnection: close" in answer or b"HTTP/1.1" not in answer[:8]:
                return


class Relay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="relay-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.core = FakeCore(lambda *request: cls.reply(*request))
        cls.addClassCleanup(cls.core.stop)
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder, "http://127.0.0.1:1", external_core=True, core_url=cls.core.url))

    def setUp(self):
        self.answers(OK)
        self.core.requests.clear()

    def answers(self, answer):
        type(self).reply = staticmethod(answer if callable(answer) else lambda *_: answer)

    def error_of(self, answer, status):
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertIn(self.core.url, answer.json()["error"])
        return answer.json()["error"]

    # What passes.

    def test_targets_pass_byte_for_byte(self):
        for path, target in (("/dynflow", "/"), ("/dynflow/", "/"), ("/dynflow?a=1", "/?a=1"), ("/dynflow/a/dynflow/b", "/a/dynflow/b"),
                             ("/dynflow/x%20y/%63?q=1&q=2&y[]=1&y[]=2&z=", "/x%20y/%63?q=1&q=2&y[]=1&y[]=2&z=")):
            with self.subTest(path):
                self.core.requests.clear()
                self.assertEqual(self.proxy.http.get(path).status, 200)
                self.assertEqual(self.core.requests[0][0], f"GET {target} HTTP/1.1")

    def test_methods_and_bodies_pass(self):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with self.subTest(method):
                self.core.requests.clear()
                self.proxy.http.request(method, "/dynflow/x?q=1", b'{"a":1}', {"Content-Type": "text/plain"})
                line, headers, body = self.core.requests[0]
                self.assertEqual(line, f"{method} /x?q=1 HTTP/1.1")
                self.assertEqual(headers["content-type"], "text/plain")
                self.assertEqual(body, b'{"a":1}')

    def test_head_passes(self):
        self.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        answer = self.proxy.http.request("HEAD", "/dynflow/x")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Length")), (200, b"", "1234"))
        self.assertEqual(self.core.requests[0][0], "HEAD /x HTTP/1.1")

    def test_headers_tell_who_asks(self):
        self.proxy.http.get("/dynflow/x", {"X-Request-Id": "abcdef01-2345", "X-Session-Id": "s1", "Cookie": "a=b", "Client-Cert": ":Zm9v:",
                                           "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "Connection": "close, X-Gone",
                                           "X-Gone": "1"})
        headers = self.core.requests[0][1]
        host = f"127.0.0.1:{self.proxy.port}"
        self.assertEqual(headers["x-forwarded-for"], host)
        self.assertEqual(headers["forwarded"], f'for="127.0.0.1";host="{host}";proto=http')
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertEqual(headers["x-request-id"], "abcdef01-2345")
        self.assertEqual(headers["x-session-id"], "s1")
        self.assertEqual(headers["cookie"], "a=b")
        self.assertEqual(headers["host"], self.core.url[len("http://"):])
        self.assertNotIn("client-cert", headers)
        self.assertNotIn("x-gone", headers)

    def test_answers_pass_with_their_headers(self):
        self.answers(b"HTTP/1.1 418 Teapot\r\nContent-Type: text/x\r\nSet-Cookie: a=b\r\nX-Core: yes\r\nContent-Length: 3\r\n\r\nabc")
        answer = self.proxy.http.get("/dynflow/x")
        self.assertEqual((answer.status, answer.text), (418, "abc"))
        self.assertEqual(answer.header("Content-Type"), "text/x")
        self.assertEqual(answer.header("Set-Cookie"), "a=b")
        self.assertEqual(answer.header("X-Core"), "yes")
        self.assertRegex(answer.header("Server"), "^foreman-proxy/")

    def test_redirects_stay_below_the_mount(self):
        self.answers(f"HTTP/1.1 302 Found\r\nLocation: {self.core.url}/console/worlds\r\nContent-Length: 0\r\n\r\n".encode())
        answer = self.proxy.http.get("/dynflow/console/status")
        self.assertEqual((answer.status, answer.header("Location")), (302, "/dynflow/console/worlds"))

    def test_big_bodies_stream_both_ways(self):
        size = 5 * 1024 * 1024
        self.answers(lambda line, headers, body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        body = bytes(range(256)) * (size // 256)
        self.assertEqual(self.proxy.http.post("/dynflow/x", body).body, body)

    def test_chunked_answers_pass(self):
        self.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        self.assertEqual(self.proxy.http.get("/dynflow/x").body, b"abcde")

    # What fails.

    def test_nobody_listens(self):
        with SmartProxy(self.folder / "down", "http://127.0.0.1:1", external_core=True,
                        core_url=f"http://127.0.0.1:{free_port()}") as proxy:
            answer = proxy.http.get("/dynflow/tasks/count")
            self.assertEqual(answer.status, 503)
            self.assertRegex(answer.header("Retry-After"), r"^\d+$")
            self.assertIn("cannot be reached", answer.json()["error"])
            self.assertEqual(proxy.http.get("/version").status, 200)

    def test_nonsense_is_502(self):
        for name, answer in (("garbage", b"what?\r\n\r\n"), ("no answer", None), ("bad length", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
                             ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                             ("length and chunks", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")):
            with self.subTest(name):
                self.answers(answer)
                self.error_of(self.proxy.http.post("/dynflow/x", b"{}"), 502)

    def test_a_short_body_that_breaks_off_is_502(self):
        self.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{}")
        self.error_of(self.proxy.http.get("/dynflow/x"), 502)

    def test_a_long_body_that_breaks_off_is_no_whole_answer(self):
        self.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n" + b"x" * 200000)
        with self.assertRaises(Exception) as caught:
            self.proxy.http.get("/dynflow/x")
        self.assertIn(type(caught.exception).__name__, ("IncompleteRead", "ConnectionResetError"))

    def test_a_chunked_body_that_breaks_off_is_no_whole_answer(self):
        self.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n")
        with self.assertRaises(Exception) as caught:
            self.proxy.http.get("/dynflow/x")
        self.assertIn(type(caught.exception).__name__, ("IncompleteRead", "ConnectionResetError"))

    def test_a_post_reaches_the_core_once(self):
        self.answers(None)
        self.assertEqual(self.proxy.http.post("/dynflow/tasks/launch", b"{}").status, 502)
        self.assertEqual(len(self.core.requests), 1)

    def test_no_smuggling_through_the_relay(self):
        smuggled = (b"GET /dynflow/a HTTP/1.1\r\nHost: x\r\nContent-Length: 43\r\n\r\n"
                    b"GET /dynflow/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10) as connection:
            connection.sendall(smuggled)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        self.assertFalse(any("smuggled" in line for line, _, _ in self.core.requests), self.core.requests)


if __name__ == "__main__":
    unittest.main()
