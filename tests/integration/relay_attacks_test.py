#!/usr/bin/env python3
"""Bytes that two HTTP parsers may read differently, from the client and from the core: whatever comes in, the core gets whole,
plain requests and nothing else, and the client gets one answer a request. Also cores that hang or are something else."""

import re
import shutil
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

from bare_server import BareServer
from network import wait_until
from programs import SmartProxy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HIDDEN = b"GET /dynflow/hidden HTTP/1.1\r\nHost: h\r\n\r\n"
REQUEST_LINE = re.compile(rb"[A-Z]+ /[\x21-\x7e]* HTTP/1\.1")
FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\x21-\xff\t ]*")


class Malformed(Exception):
    pass


def read_strictly(stream):
    """One request as (method, target, headers, body), None at the end; Malformed when two parsers could differ about it."""
    line = stream.readline()
    if not line:
        return None
    if not line.endswith(b"\r\n") or not REQUEST_LINE.fullmatch(line[:-2]):
        raise Malformed(line)
    headers = []
    while (field := stream.readline()) != b"\r\n":
        if not field.endswith(b"\r\n") or not FIELD.fullmatch(field[:-2]) or b"\0" in field:
            raise Malformed(field)
        name, value = field[:-2].split(b": ", 1)
        headers.append((name.lower().decode(), value.decode("latin-1")))
    names = [name for name, _ in headers]
    for name in ("host", "content-length", "transfer-encoding"):
        if names.count(name) > 1:
            raise Malformed(headers)
    if "content-length" in names and "transfer-encoding" in names or "host" not in names:
        raise Malformed(headers)
    fields = dict(headers)
    body = b""
    if fields.get("transfer-encoding"):
        if fields["transfer-encoding"] != "chunked":
            raise Malformed(headers)
        while True:
            size = stream.readline()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,8}\r\n", size):
                raise Malformed(size)
            piece = stream.read(int(size, 16))
            if stream.read(2) != b"\r\n":
                raise Malformed(piece)
            if not piece:
                break
            body += piece
    else:
        length = fields.get("content-length", "0")
        if not length.isdigit():
            raise Malformed(headers)
        body = stream.read(int(length))
    method, target, _ = line.split(b" ")
    return method.decode(), target.decode("latin-1"), fields, body


class StrictCore(BareServer):
    """Answers OK, or what `reply` says, to every request but the proxy's own question, which gets `operations`."""

    def __init__(self):
        self.requests = []
        self.malformed = []
        self.reply = OK
        self.operations = OK
        self.hangs = threading.Event()
        self.asked = 0
        super().__init__()

    def serve(self, connection):
        with connection.makefile("rb") as stream:
            while True:
                try:
                    request = read_strictly(stream)
                except Malformed as error:
                    self.malformed.append(repr(error))
                    return
                except OSError:
                    return
                if request is None:
                    return
                while self.hangs.is_set():
                    time.sleep(0.02)
                is_question = request[1] == "/tasks/operations"
                if is_question:
                    self.asked += 1
                else:
                    self.requests.append(request)
                try:
                    connection.sendall(self.operations if is_question else self.reply)
                except OSError:
                    return


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="attacks-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.core = StrictCore()
        cls.addClassCleanup(cls.core.stop)
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder, "http://127.0.0.1:1", external_core=True, core_url=cls.core.url))

    def setUp(self):
        self.core.reply = OK
        self.core.requests.clear()
        self.core.malformed.clear()

    def exchange(self, data):
        """All that the proxy sends back until it closes."""
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=30) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answer = b""
            try:
                while more := connection.recv(65536):
                    answer += more
            except ConnectionResetError:
                pass
            return answer

    def statuses(self, answer):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]

    def check_clean(self):
        self.assertEqual(self.core.malformed, [])
        self.assertFalse([request for request in self.core.requests if "hidden" in request[1]], self.core.requests)

    def test_ambiguous_requests_are_refused(self):
        post = b"POST /dynflow/x HTTP/1.1\r\nHost: h\r\n"
        chunks = b"0\r\n\r\n"
        cases = {
            "CL.TE": post + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % (len(chunks) + len(HIDDEN)) + chunks + HIDDEN,
            "TE.CL": post + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",
            "TE.TE": post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks + HIDDEN,
            "TE twice": post + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunks + HIDDEN,
            "TE unknown": post + b"Transfer-Encoding: xchunked\r\n\r\n" + chunks + HIDDEN,
            "TE with a vertical tab": post + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunks + HIDDEN,
            "TE with white space before the colon": post + b"Transfer-Encoding : chunked\r\n\r\n" + chunks + HIDDEN,
            "obs-fold": post + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks + HIDDEN,
            "obs-fold of a length": post + b"X: a\r\n Content-Length: 40\r\n\r\n" + HIDDEN,
            "bare LF ends a field": post + b"X: a\nTransfer-Encoding: chunked\r\n\r\n" + chunks + HIDDEN,
            "bare CR in a field": post + b"X: a\rTransfer-Encoding: chunked\r\n\r\n" + chunks + HIDDEN,
            "two lengths": post + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "list of lengths": post + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "signed length": post + b"Content-Length: +%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "negative length": post + b"Content-Length: -1\r\n\r\n" + HIDDEN,
            "length in hex": post + b"Content-Length: 0x10\r\n\r\n" + HIDDEN,
            "length too great": post + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
            "white space before a colon": post + b"Content-Length : %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            "white space before a name": b"POST /dynflow/x HTTP/1.1\r\n Host: h\r\n\r\n" + HIDDEN,
            "NUL in a field": post + b"X: a\0b\r\n\r\n" + HIDDEN,
            "NUL in a target": b"GET /dynflow/x\0y HTTP/1.1\r\nHost: h\r\n\r\n" + HIDDEN,
            "space in a target": b"GET /dynflow/x HTTP/1.1 y HTTP/1.1\r\nHost: h\r\n\r\n" + HIDDEN,
            "two hosts": b"GET /dynflow/x HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + HIDDEN,
            "no host": b"GET /dynflow/x HTTP/1.1\r\n\r\n" + HIDDEN,
            "chunked in HTTP/1.0": b"POST /dynflow/x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + HIDDEN,
            "another version": b"GET /dynflow/x HTTP/1.10\r\nHost: h\r\n\r\n" + HIDDEN,
            "CONNECT": b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + HIDDEN,
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.core.requests.clear()
                statuses = self.statuses(self.exchange(data))
                self.assertEqual(len(statuses), 1, statuses)
                self.assertTrue(400 <= statuses[0] <= 505 and statuses[0] not in (500, 502, 503, 504), statuses)
                self.assertEqual(self.core.requests, [])
                self.check_clean()

    def test_bad_chunks_never_become_a_whole_request(self):
        head = b"POST /dynflow/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        for name, chunks in {
            "size too great": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", "size that wraps": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
            "size with a sign": b"+3\r\nabc\r\n0\r\n\r\n", "size with 0x": b"0x3\r\nabc\r\n0\r\n\r\n", "no size": b"\r\nabc\r\n0\r\n\r\n",
            "bare LF": b"3\nabc\r\n0\r\n\r\n", "bare LF after the data": b"3\r\nabc\n0\r\n\r\n", "data too long": b"3\r\nabcd\r\n0\r\n\r\n",
            "LF in an extension": b"3;a=\nb\r\nabc\r\n0\r\n\r\n", "NUL in an extension": b"3;a=\0\r\nabc\r\n0\r\n\r\n",
            "an endless extension": b"3;" + b"a" * 100000 + b"\r\nabc\r\n0\r\n\r\n", "end is missing": b"3\r\nabc\r\n",
        }.items():
            with self.subTest(name):
                self.core.requests.clear()
                statuses = self.statuses(self.exchange(head + chunks + HIDDEN))
                self.assertLessEqual(len(statuses), 1)
                self.assertNotIn(200, statuses)
                self.assertEqual(self.core.requests, [])
                self.assertFalse([text for text in self.core.malformed if "hidden" in text], self.core.malformed)

    def test_what_is_forwarded_is_one_plain_request(self):
        post = b"POST /dynflow/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        for name, (data, target, body) in {
            "a request in a body": (post + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, "/x", HIDDEN),
            "a request in a chunk": (post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n", "/x", HIDDEN),
            "an extension": (post + b"Transfer-Encoding: chunked\r\n\r\n3;a=b;c=\"d\"\r\nabc\r\n0\r\n\r\n", "/x", b"abc"),
            "trailers": (post + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\nClient-Cert: x\r\n\r\n", "/x", b"abc"),
            "the end of the request": (post + b"Content-Length: 3\r\n\r\nabc" + HIDDEN, "/x", b"abc"),
            "fields that Connection names": (post.replace(b"close", b"close, Content-Length, Transfer-Encoding, Host") +
                                             b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, "/x", HIDDEN),
            "encoded line ends": (b"GET /dynflow/x%0d%0aHost:%20evil%0d%0a%0d%0aGET%20/y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                  "/x%0d%0aHost:%20evil%0d%0a%0d%0aGET%20/y", b""),
            "encoded line ends in a field": (post + b"X: a%0d%0aY: b\r\nContent-Length: 0\r\n\r\n", "/x", b""),
        }.items():
            with self.subTest(name):
                self.core.requests.clear()
                self.assertEqual(self.statuses(self.exchange(data)), [200])
                self.assertEqual(len(self.core.requests), 1)
                _, got_target, headers, got_body = self.core.requests[0]
                self.assertEqual((got_target, got_body), (target, body))
                self.assertEqual(headers["host"], self.core.url[len("http://"):])
                self.assertNotIn("y", headers)
                self.assertNotIn("client-cert", headers)
                self.check_clean()

    def test_absolute_form_and_encoded_nul_pass_plainly_or_not_at_all(self):
        for target in (b"http://h/dynflow/x", b"http://evil/dynflow/x", b"https://h:1/dynflow/x", b"/dynflow/%00", b"/dynflow/x%00.json",
                       b"//evil/dynflow/x", b"/dynflow//evil/x", b"/dynflow/../version", b"/dynflow/%2e%2e/version", b"/dynflow\\x"):
            with self.subTest(target):
                self.core.requests.clear()
                statuses = self.statuses(self.exchange(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
                self.assertEqual(len(statuses), 1)
                self.assertEqual(len(self.core.requests), 1 if statuses[0] == 200 else 0, statuses)
                for request in self.core.requests:
                    self.assertEqual(request[2]["host"], self.core.url[len("http://"):])
                self.check_clean()

    def test_an_upgrade_is_not_passed_on(self):
        upgrade = (b"GET /dynflow/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
        close = b"GET /dynflow/y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        self.assertEqual(self.statuses(self.exchange(upgrade + close)), [200, 200])
        self.assertEqual([request[1] for request in self.core.requests], ["/x", "/y"])
        self.assertFalse({"upgrade", "http2-settings", "connection"} & set(self.core.requests[0][2]))
        self.core.reply = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + OK
        self.assertNotIn(101, self.statuses(self.exchange(close)))
        self.check_clean()

    def test_the_core_cannot_split_answers(self):
        ask = b"GET /dynflow/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        evil = b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil"
        for name, reply in {
            "bare LF": b"HTTP/1.1 200 OK\r\nX: a\nX-Evil: 1\r\nContent-Length: 0\r\n\r\n", "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n",
            "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", "fold": b"HTTP/1.1 200 OK\r\nX: a\r\n X-Evil: 1\r\nContent-Length: 0\r\n\r\n",
            "white space": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 99\r\n\r\n" + evil,
            "chunks and a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n" + evil,
            "a status of words": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
            "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 200000,
        }.items():
            with self.subTest(name):
                self.core.reply = reply
                answer = self.exchange(ask)
                self.assertEqual(self.statuses(answer), [502], answer[:300])
                self.assertNotIn(b"X-Evil", answer)
                self.assertIn(b'"error"', answer)

    def test_a_second_answer_is_nobodys(self):
        self.core.reply = OK + b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil"
        for _ in range(20):
            answer = self.proxy.http.get("/dynflow/x")
            if answer.status == 200:
                self.assertEqual((answer.text, answer.header("X-Evil")), ("{}", None))
            else:
                self.assertEqual(answer.status, 502)


class BadCores(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="badcores-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.core = StrictCore()
        self.addCleanup(self.core.stop)
        self.addCleanup(self.core.hangs.clear)
        self.proxy = self.enterContext(SmartProxy(self.folder, "http://127.0.0.1:1", external_core=True, core_url=self.core.url))
        self.assertEqual(self.proxy.http.get("/dynflow/x").status, 200)

    def test_a_hung_core_does_not_hold_requests_up(self):
        self.core.hangs.set()
        late = []
        waiting = threading.Thread(target=lambda: late.append(self.proxy.http.get("/dynflow/slow").status))
        waiting.start()
        self.proxy.wait_for_log("does not answer: requests for it are refused until it does", timeout=60)
        for _ in range(50):
            answer = self.proxy.http.get("/dynflow/x")
            self.assertEqual(answer.status, 503)
            self.assertRegex(answer.header("Retry-After"), r"^\d+$")
            self.assertIn(self.core.url, answer.json()["error"])
        self.assertEqual(self.proxy.http.get("/version").status, 200)
        self.assertEqual([request[1] for request in self.core.requests], ["/x"])
        self.core.hangs.clear()
        wait_until(lambda: self.proxy.http.get("/dynflow/x").status == 200, "requests to pass again", 60)
        waiting.join(60)
        self.assertEqual(late, [200])

    def test_one_slow_route_shuts_nothing_out(self):
        slow = threading.Event()
        core_reply, self.core.reply = self.core.reply, b""  # says nothing, and goes on reading
        waiting = threading.Thread(target=lambda: (self.proxy.http.get("/dynflow/slow"), slow.set()), daemon=True)
        asked = self.core.asked
        waiting.start()
        wait_until(lambda: self.core.asked > asked, "the proxy to look whether the core lives", 60)
        self.core.reply = core_reply
        self.assertEqual(self.proxy.http.get("/dynflow/x").status, 200)
        self.assertNotIn("requests for it are refused", self.proxy.logs())

    def test_another_program_at_the_port(self):
        page = b"<html>It works!</html>"
        self.core.operations = self.core.reply = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page
        with SmartProxy(self.folder / "second", "http://127.0.0.1:1", external_core=True, core_url=self.core.url) as proxy:
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 404)
            self.assertEqual(proxy.http.get("/version").status, 200)
            proxy.wait_for_log("is no Dynflow core")


if __name__ == "__main__":
    unittest.main()
