#!/usr/bin/env python3
"""Every route of docs/openapi.yaml x every kind of client x every place that answers: nobody gets in who should not
(CVE-2018-14643: a relay that forgot to ask). A route without a row in ROUTES fails."""

import base64
import http.client
import json
import re
import socket
import ssl
import unittest

from mode_orders import begin_hand_over, mode_of
from network import wait_until
from pki import folder_with_pki
from programs import ROOT, CoreService, SmartProxy
from rest import JSON_HEADERS, Client

DOCUMENT = ROOT / "docs" / "openapi.yaml"

OPEN = "open"          # for everybody who gets a connection
GUARDED = "guarded"    # a trusted host; over https with a certificate
TOKEN = "token"        # as guarded, or with the task's token

ROUTES = {
    ("GET", "/features"): OPEN,
    ("GET", "/version"): OPEN,
    ("GET", "/ssh/pubkey"): OPEN,
    ("GET", "/ssh/ca_pubkey"): OPEN,
    ("GET", "/v2/features"): GUARDED,
    ("GET", "/logs"): GUARDED,
    ("GET", "/dynflow/mode"): GUARDED,
    ("POST", "/dynflow/mode"): GUARDED,
    ("POST", "/dynflow/tasks/launch"): GUARDED,
    ("POST", "/dynflow/tasks"): GUARDED,
    ("POST", "/dynflow/tasks/status"): GUARDED,
    ("POST", "/dynflow/tasks/statuses"): GUARDED,
    ("GET", "/metrics"): GUARDED,
    ("GET", "/dynflow/metrics"): GUARDED,
    ("GET", "/dynflow/tasks/count"): GUARDED,
    ("GET", "/dynflow/tasks/operations"): GUARDED,
    ("GET", "/dynflow/tasks/unfinished"): GUARDED,
    ("GET", "/dynflow/tasks/{id}/status"): GUARDED,
    ("POST", "/dynflow/tasks/{id}/cancel"): GUARDED,
    ("POST", "/dynflow/tasks/{id}/update"): TOKEN,
    ("POST", "/dynflow/tasks/{id}/done"): TOKEN,
}
# Whatever is below these.
PREFIXES = {"/dynflow/console": GUARDED}
# What openapi.yaml does not list: what is nowhere, and the way to the other side's console.
UNLISTED = [("GET", "/dynflow"), ("GET", "/dynflow/"), ("GET", "/dynflow/nowhere"), ("GET", "/dynflow/console"), ("GET", "/dynflow/console/"),
            ("POST", "/dynflow/console/1/cancel"), ("GET", "/dynflow/legacy/console"), ("POST", "/dynflow/legacy/console/1/resume")]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LAUNCH = {"operation": "batch", "input": {"1": {"action_class": "PeerOps::Noop", "action_input": {}}}, "options": {}}
OTHER_SITE = "The request comes from a page of another site; nothing was changed"
# What browsers say when a page of another site makes them ask: today's, those before, and from a file or a sandbox.
FOREIGN = ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "same-site"},
           {"Origin": "https://evil.example.com"}, {"Origin": "null"})
BODIES = {"/dynflow/tasks/launch": LAUNCH, "/dynflow/tasks": {"action_name": "PeerOps::Noop", "action_input": {}},
          "/dynflow/mode": {"action": "begin", "external_core": True, "force": True}}


def documented():
    """{(method, path): kind}, as the document's `security` says."""
    routes, path, method = {}, None, None
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"^  (/[^:]*):$", line):
            path, method = found[1], None
        elif path and (found := re.match(r"^    (get|post|put|patch|delete):$", line)):
            method = (found[1].upper(), path)
            routes[method] = GUARDED
        elif method and (found := re.match(r"^      security: (.*)$", line)):
            routes[method] = OPEN if found[1] == "[]" else TOKEN
        elif path and re.match(r"^\S", line):
            break
    return routes


def row_of(route):
    for prefix, kind in PREFIXES.items():
        if route[1] == prefix or route[1].startswith(prefix + "/"):
            return kind
    return ROUTES.get(route)


def filled(path):
    return path.replace("{id}", "11111111-2222-3333-4444-555555555555").replace("{", "").replace("}", "")


def is_form(method, path):
    """Forms of the console want a token of their own page, too: a 403 says nothing about who asks."""
    return method == "POST" and "/console" in path


def spellings(path):
    """Ways to write a path that somebody on the way may read as the same."""
    head, tail = path[0], path[1:]
    yield path
    yield path + "/"
    yield path + "?a=b"
    yield "/" + path
    yield path.replace("/", "//")
    yield f"{head}%{ord(tail[0]):02x}{tail[1:]}"
    yield "/".join(part[:-1] + f"%{ord(part[-1]):02X}" if part else "" for part in path.split("/"))
    yield "/." + path
    yield "/version/.." + path
    yield "/version%2f.." + path
    yield path.upper()
    yield path + "/."
    yield path + ";a=b"
    yield path + "%00"
    yield path + "%0d%0aX-Real-IP:1"
    if "/tasks/" in path:
        # What a token opens, behind or in front of it.
        yield path + "/../x/update"
        yield path.replace("/tasks/", "/tasks/x/update/../../")


class Raw:
    """One kept connection; reconnects when the server closes it. Paths go out as they are."""

    def __init__(self, port, identity=None, is_tls=True):
        self.port, self.context = port, None
        if is_tls:
            self.context = Client(f"https://127.0.0.1:{port}", identity=identity).context
        self.connection = None

    def _open(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.connection._validate_path = lambda path: None
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sock = self.context.wrap_socket(plain) if self.context else plain

    def ask(self, method, path, body=None, headers=None):
        """(status, text); (0, "") when the server answers with a closed connection."""
        data = None if body is None else json.dumps(body).encode()
        for is_last in (False, True):
            if self.connection is None:
                self._open()
            try:
                self.connection.request(method, path, body=data, headers={**JSON_HEADERS, **(headers or {})})
                answer = self.connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
                if answer.will_close:
                    self.close()
                return answer.status, text
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
                self.close()
                if is_last:
                    return 0, ""
        return 0, ""

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Base(unittest.TestCase):
    @classmethod
    def prepare(cls):
        cls.folder, cls.pki = folder_with_pki(cls, "matrix-")

    @classmethod
    def start_core(cls):
        cls.core = cls.enterClassContext(CoreService(cls.folder / "core", "http://127.0.0.1:1", identity=cls.pki.proxy, ca=cls.pki.ca.cert))

    def raw(self, *arguments, **options):
        client = Raw(*arguments, **options)
        self.addCleanup(client.close)
        return client

    @classmethod
    def start_proxy(cls, external_core):
        more = {"core_url": cls.core.url} if external_core else {}
        cls.proxy = cls.enterClassContext(SmartProxy(
            cls.folder / "proxy", "http://127.0.0.1:1", external_core=external_core, identity=cls.pki.proxy, ca=cls.pki.ca.cert,
            settings={"trusted_hosts": ["foreman.example.com"], "log_level": "ERROR"}, **more))


class Matrix:
    """What is the same wherever the core is; `proxy` trusts foreman.example.com only."""

    def setUp(self):
        self.foreman = self.raw(self.proxy.https_port, self.pki.foreman)

    def peers(self):
        """Those who get a connection and nothing else."""
        return {"http from a name that is not trusted": self.raw(self.proxy.port, is_tls=False),
                "https without a certificate": self.raw(self.proxy.https_port),
                "https with an untrusted name": self.raw(self.proxy.https_port, self.pki.evil)}

    def routes(self):
        known = {route: row_of(route) for route in documented()}
        return {**{route: GUARDED for route in UNLISTED if route[1].startswith("/dynflow")}, **known}

    def tasks(self):
        """How many tasks there are, on every side that there is."""
        status, text = self.foreman.ask("GET", "/dynflow/tasks/count?state=all")
        self.assertEqual(status, 200, text)
        return json.loads(text)["count"]

    def test_each_route_for_those_who_may_not(self):
        before = self.tasks()
        for peer, client in self.peers().items():
            for (method, path), kind in self.routes().items():
                with self.subTest(f"{peer}: {method} {path}"):
                    status, text = client.ask(method, filled(path), BODIES.get(path, {}))
                    if kind == OPEN:
                        self.assertIn(status, (200, 404), text)
                        continue
                    self.assertEqual(status, 403, text)
                    self.assertNotIn("{}", text[:2])
        self.assertEqual(self.tasks(), before)
        self.assertEqual(self.mode(), self.expected_mode)

    def test_each_route_for_those_who_may(self):
        for (method, path), kind in self.routes().items():
            if (method, path) in (("POST", "/dynflow/mode"), ("POST", "/dynflow/tasks/launch"), ("POST", "/dynflow/tasks")):
                continue  # they would change what the other tests see; who may not is what counts here
            if is_form(method, path):
                continue
            with self.subTest(f"{method} {path}"):
                status, text = self.foreman.ask(method, filled(path), {"step_id": 2} if kind == TOKEN else {})
                self.assertIn(status, (200, 303, 404, 422), text)

    def test_no_connection_for_certificates_that_do_not_verify(self):
        for identity in (self.pki.stranger, self.pki.self_signed, self.pki.expired):
            for port in self.tls_ports():
                with self.subTest(f"{identity.cert.name} {port}"):
                    with self.assertRaises((ssl.SSLError, ConnectionError)):
                        Client(f"https://127.0.0.1:{port}", identity=identity).get("/version")

    def tls_ports(self):
        return (self.proxy.https_port,)

    def test_no_spelling_and_no_method_opens_a_guarded_route(self):
        before = self.tasks()
        guarded = sorted({path for (_, path), kind in self.routes().items() if kind != OPEN})
        for peer, client in self.peers().items():
            for path in guarded:
                for spelling in spellings(filled(path)):
                    for method in METHODS if spelling == filled(path) else ("GET", "POST"):
                        status, text = client.ask(method, spelling, BODIES.get(path, {}) if method not in ("GET", "HEAD") else None)
                        if not (status == 0 or 400 <= status < 500):
                            self.fail(f"{peer}: {method} {spelling}: {status} {text[:200]}")
        self.assertEqual(self.tasks(), before)
        self.assertEqual(self.mode(), self.expected_mode)

    def test_headers_that_claim_to_be_somebody_open_nothing(self):
        der = base64.b64encode(self.pki.foreman.der).decode()
        claims = {"Client-Cert": f":{der}:", "Client_Cert": f":{der}:", "X-Client-Cert": der, "SSL_CLIENT_CERT": der, "SSL-Client-Verify": "SUCCESS",
                  "X-SSL-Client-S-DN": "CN=foreman.example.com", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
                  "Forwarded": 'for="127.0.0.1";proto=http', "X-Real-IP": "127.0.0.1", "Remote-Addr": "127.0.0.1", "Host": "foreman.example.com"}
        for peer, client in self.peers().items():
            for (method, path), kind in self.routes().items():
                if kind == OPEN:
                    continue
                with self.subTest(f"{peer}: {method} {path}"):
                    status, text = client.ask(method, filled(path), BODIES.get(path, {}), claims)
                    self.assertEqual(status, 403, text)

    def test_a_token_that_is_none_opens_nothing(self):
        fields = ("Basic eDp5", "Basic eA==", "Basic eDo=", "Basic Og==", "Bearer x", "Negotiate YII=", "", "Basic")
        for peer, client in self.peers().items():
            for (method, path), kind in self.routes().items():
                for field in fields if kind != OPEN else ():
                    status, text = client.ask(method, filled(path), BODIES.get(path, {}), {"Authorization": field})
                    self.assertEqual(status, 403, f"{peer}: {method} {path} {field}: {text}")

    def test_another_site_changes_nothing_with_a_certificate_that_may(self):
        before = self.tasks()
        for (method, path) in self.routes():
            for fields in FOREIGN if method == "POST" else ():
                with self.subTest(f"{method} {path} {fields}"):
                    status, text = self.foreman.ask(method, filled(path), BODIES.get(path, {}), fields)
                    self.assertEqual((status, json.loads(text)), (403, {"error": OTHER_SITE}))
        self.assertEqual(self.tasks(), before)
        self.assertEqual(self.mode(), self.expected_mode)

    def test_a_page_of_our_own_may(self):
        port = self.proxy.https_port
        for host in (f"127.0.0.1:{port}", f"proxy.example.com:{port}"):
            for fields in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": f"https://{host}"}):
                with self.subTest(f"{host} {fields}"):
                    status, text = self.foreman.ask("POST", "/dynflow/tasks/status", {"task_ids": ["x"]}, {"Host": host, **fields})
                    self.assertEqual((status, text), (200, "{}"))

    def mode(self):
        return mode_of(self.proxy.https(self.pki.foreman))["state"]


class InProcess(Matrix, Base):
    expected_mode = "in-process"

    @classmethod
    def setUpClass(cls):
        cls.prepare()
        cls.start_proxy(external_core=False)


class Relayed(Matrix, Base):
    expected_mode = "external"

    @classmethod
    def setUpClass(cls):
        cls.prepare()
        cls.start_core()
        cls.start_proxy(external_core=True)

    def tls_ports(self):
        return (self.proxy.https_port, self.core.port)


class HandOver(Relayed):
    """Both sides have a task that waits."""

    expected_mode = "hand-over to in-process"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.proxy.https(cls.pki.foreman)
        cls.launch_one(client, "old")
        begin_hand_over(client, external=False)
        cls.launch_one(client, "new")
        wait_until(lambda: mode_of(client)["state"] == cls.expected_mode, "the hand-over")

    @staticmethod
    def launch_one(client, task_id):
        entry = {"action_class": "PeerOps::Collect", "action_input": {}}
        answer = client.post("/dynflow/tasks/launch", {"operation": "batch", "input": {task_id: entry}, "options": {}})
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {answer.text}")


class CoreDirect(Base):
    """The core service's own port: nobody but the proxy, whatever they know."""

    @classmethod
    def setUpClass(cls):
        cls.prepare()
        cls.start_core()

    def routes(self):
        paths = [(method, path[len("/dynflow"):]) for method, path in [*documented(), *UNLISTED]
                 if path.startswith("/dynflow/") and path != "/dynflow/mode"]
        return [(method, path) for method, path in paths if path != "/"]

    def peers(self):
        return {"without a certificate": self.raw(self.core.port), "Foreman": self.raw(self.core.port, self.pki.foreman),
                "another host": self.raw(self.core.port, self.pki.evil)}

    def test_nobody_but_the_proxy(self):
        for peer, client in self.peers().items():
            for method, path in self.routes():
                with self.subTest(f"{peer}: {method} {path}"):
                    status, text = client.ask(method, filled(path), BODIES.get("/dynflow" + path, {}))
                    self.assertEqual(status, 403, text)
                for spelling in spellings(filled(path)):
                    for other in METHODS if spelling == filled(path) else ("GET", "POST"):
                        status, text = client.ask(other, spelling, {} if other not in ("GET", "HEAD") else None)
                        self.assertTrue(status == 0 or 400 <= status < 500, f"{peer}: {other} {spelling}: {status} {text[:200]}")
        self.assertEqual(self.core.http.get("/tasks/count").json()["count"], 0)

    def test_the_proxy(self):
        client = self.raw(self.core.port, self.pki.proxy)
        for method, path in self.routes():
            if is_form(method, path):
                continue
            with self.subTest(f"{method} {path}"):
                self.assertNotEqual(client.ask(method, filled(path), {})[0], 403)

    def test_another_site_changes_nothing_with_a_certificate_that_may(self):
        client = self.raw(self.core.port, self.pki.proxy)
        for method, path in [*self.routes(), ("POST", "/drain")]:
            for fields in FOREIGN if method == "POST" else ():
                with self.subTest(f"{method} {path} {fields}"):
                    status, text = client.ask(method, filled(path), BODIES.get("/dynflow" + path, {"drain": True}), fields)
                    self.assertEqual((status, json.loads(text)), (403, {"error": OTHER_SITE}))
        self.assertEqual(self.core.http.get("/tasks/count").json()["count"], 0)
        # Through the relay we are whatever name the proxy has outside.
        for host, expected in (("proxy.example.com:9090", 200), ("evil.example.com", 403)):
            fields = {"Origin": "https://proxy.example.com:9090", "X-Forwarded-Host": host}
            self.assertEqual(client.ask("POST", "/tasks/status", {"task_ids": ["x"]}, fields)[0], expected)

    def test_no_connection_for_certificates_that_do_not_verify(self):
        for identity in (self.pki.stranger, self.pki.self_signed, self.pki.expired):
            with self.subTest(identity.cert.name), self.assertRaises((ssl.SSLError, ConnectionError)):
                Client(self.core.url, identity=identity).get("/tasks/count")


class Rows(unittest.TestCase):
    def test_each_route_has_a_row_that_says_what_the_document_says(self):
        routes = documented()
        self.assertGreater(len(routes), 15)
        for route, kind in routes.items():
            with self.subTest(route):
                self.assertEqual(row_of(route), kind, f"{route}: {DOCUMENT.name} says {kind}")

    def test_each_row_is_a_route(self):
        self.assertEqual(set(ROUTES) - set(documented()), set())


if __name__ == "__main__":
    unittest.main()
