#!/usr/bin/env python3
"""Who is let in: every kind of client at every kind of route, in both modes, and at the core service itself."""

import base64
import ssl
import unittest

from pki import folder_with_pki
from programs import CoreService, SmartProxy
from rest import JSON_HEADERS, Client

NO_CERTIFICATE = "No client SSL certificate supplied"
UNEXPECTED_SERIAL = "SSL certificate with unexpected serial supplied"
BAD_TOKEN = '{"error":"Invalid username or password supplied"}'


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def client_cert(identity):
    """The field of RFC 9440."""
    return f":{base64.b64encode(identity.der).decode()}:"


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.pki = folder_with_pki(cls, "auth-")

    @classmethod
    def proxy_with(cls, name, **options):
        return cls.enterClassContext(SmartProxy(cls.folder / name, "http://127.0.0.1:1", identity=cls.pki.proxy,
                                                ca=cls.pki.ca.cert, **options))

    def assert_refused(self, answer, text):
        self.assertEqual((answer.status, answer.text), (403, text))


class Rules:
    """The same for both modes; `proxy` has no trusted hosts, `strict` trusts foreman.example.com only."""

    PROTECTED = (("GET", "/v2/features"), ("GET", "/logs/"), ("GET", "/dynflow/tasks/count"), ("GET", "/dynflow/console/"),
                 ("POST", "/dynflow/tasks/launch"), ("POST", "/dynflow/tasks/x/cancel"), ("POST", "/dynflow/tasks/x/update"),
                 ("POST", "/dynflow/tasks/x/done"))

    def test_open_routes_are_open(self):
        for path in ("/features", "/version"):
            self.assertEqual(self.proxy.https().get(path).status, 200)
            self.assertEqual(self.strict.https(self.pki.evil).get(path).status, 200)

    def test_without_a_certificate_nothing_else_opens(self):
        for method, path in self.PROTECTED:
            with self.subTest(f"{method} {path}"):
                self.assert_refused(self.proxy.https().request(method, path, b"{}"), NO_CERTIFICATE)
                self.assert_refused(self.strict.https().request(method, path, b"{}"), "could not read client cert from environment")

    def test_any_certificate_of_the_authority_opens_without_trusted_hosts(self):
        self.assertEqual(self.proxy.https(self.pki.evil).get("/dynflow/tasks/count").status, 200)
        self.assertEqual(self.proxy.https(self.pki.foreman).get("/v2/features").status, 200)

    def test_trusted_hosts_decide_by_name(self):
        self.assertEqual(self.strict.https(self.pki.foreman).get("/dynflow/tasks/count").status, 200)
        for method, path in self.PROTECTED:
            with self.subTest(f"{method} {path}"):
                answer = self.strict.https(self.pki.evil).request(method, path, b"{}")
                self.assertEqual(answer.status, 403)
                self.assertIn("Untrusted client evil.example.com attempted to access /", answer.text)
        answer = self.strict.https(self.pki.evil).get("/dynflow/tasks/count")
        self.assertEqual(answer.text, "Untrusted client evil.example.com attempted to access /tasks/count. "
                                      "Check :trusted_hosts: in settings.yml")

    def test_plain_http_from_an_untrusted_name_is_refused(self):
        for method, path in self.PROTECTED:
            with self.subTest(f"{method} {path}"):
                self.assertEqual(self.strict.http.request(method, path, b"{}").status, 403)

    def test_certificates_that_do_not_verify_get_no_connection(self):
        for identity in (self.pki.stranger, self.pki.self_signed, self.pki.expired):
            with self.subTest(identity.name):
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    self.proxy.https(identity).get("/version")

    def test_a_wrong_token_opens_nothing(self):
        for headers in (basic("x:wrong"), basic("x"), basic("x:"), basic("y:z"), {"Authorization": "Bearer x"},
                        {"Authorization": ""}):
            for action in ("update", "done"):
                with self.subTest(f"{headers} {action}"):
                    self.assert_refused(self.proxy.https().post(f"/dynflow/tasks/x/{action}", {"step_id": 2}, headers), BAD_TOKEN)

    def test_a_token_cannot_be_taken_away_on_the_way(self):
        headers = {**basic("x:wrong"), "Connection": "close, Authorization"}
        for name, client in (("https", self.proxy.https()), ("http of an untrusted host", self.strict.http)):
            for action in ("update", "done"):
                with self.subTest(f"{name} {action}"):
                    self.assert_refused(client.post(f"/dynflow/tasks/x/{action}", {"step_id": 2}, headers), BAD_TOKEN)

    def test_a_token_opens_no_other_route(self):
        for path in ("/dynflow/tasks/x/cancel", "/dynflow/tasks/x/update/..", "/dynflow/tasks/launch"):
            with self.subTest(path):
                answer = self.proxy.https().post(path, {}, basic("x:y"))
                self.assert_refused(answer, NO_CERTIFICATE)


class InProcess(Rules, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.proxy_with("open", external_core=False)
        cls.strict = cls.proxy_with("strict", external_core=False, settings={"trusted_hosts": ["FOREMAN.example.com"]})


class Relayed(Rules, Base):
    """Through https to a core that checks the serial number."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.core = CoreService(cls.folder / "core", "http://127.0.0.1:1", identity=cls.pki.proxy, ca=cls.pki.ca.cert)
        cls.enterClassContext(cls.core)
        url = cls.core.url
        cls.proxy = cls.proxy_with("open", external_core=True, core_url=url)
        cls.strict = cls.proxy_with("strict", external_core=True, core_url=url, settings={"trusted_hosts": ["foreman.example.com"]})

    def test_the_core_itself_takes_its_proxy_only(self):
        self.assertEqual(self.core.http.get("/tasks/count").status, 200)
        for identity, text in ((None, NO_CERTIFICATE), (self.pki.foreman, UNEXPECTED_SERIAL)):
            client = Client(self.core.url, identity=identity)
            for method, path in (("GET", "/tasks/count"), ("POST", "/tasks/launch"), ("POST", "/tasks/x/update")):
                with self.subTest(f"{text} {path}"):
                    self.assert_refused(client.request(method, path, b"{}"), '{"error":"%s"}' % text)

    def test_the_core_knows_for_whom_the_proxy_asks(self):
        self.assertEqual(self.strict.https(self.pki.foreman).post("/dynflow/tasks/ask-1/cancel").status, 404)
        self.core.wait_for_log("POST /tasks/ask-1/cancel by foreman.example.com (127.0.0.1)")
        self.assertEqual(self.proxy.http.post("/dynflow/tasks/ask-2/cancel").status, 404)
        self.core.wait_for_log("POST /tasks/ask-2/cancel by 127.0.0.1")

    def test_forged_client_certificates_are_nobody(self):
        forged = {**JSON_HEADERS, "Client-Cert": client_cert(self.pki.foreman), "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"}
        for identity, text in ((None, NO_CERTIFICATE), (self.pki.evil, UNEXPECTED_SERIAL), (self.pki.foreman, UNEXPECTED_SERIAL)):
            for path in ("/tasks/x/update", "/tasks/x/done", "/tasks/x/cancel", "/tasks/launch"):
                with self.subTest(f"{text} {path}"):
                    answer = Client(self.core.url, identity=identity).request("POST", path, b"{}", forged)
                    self.assert_refused(answer, '{"error":"%s"}' % text)
        # Through the relay, too, what a client says of itself is nothing.
        self.assert_refused(self.strict.https(self.pki.evil).request("POST", "/dynflow/tasks/x/cancel", b"", forged),
                            "Untrusted client evil.example.com attempted to access /tasks/x/cancel. Check :trusted_hosts: in settings.yml")
        self.proxy.https(self.pki.evil).request("POST", "/dynflow/tasks/forged/cancel", b"", forged)
        self.core.wait_for_log("POST /tasks/forged/cancel by evil.example.com (127.0.0.1)")

    def test_the_core_lets_no_client_in_that_its_proxy_forgot_to_ask(self):
        passed_on = {**JSON_HEADERS, "X-Forwarded-Proto": "https"}
        for path in ("/tasks/launch", "/tasks/x/update", "/tasks/x/cancel"):
            with self.subTest(path):
                self.assert_refused(self.core.http.post(path, {}, passed_on), '{"error":"%s"}' % NO_CERTIFICATE)
                broken = self.core.http.post(path, {}, {**passed_on, "Client-Cert": ":Zm9v:"})
                self.assert_refused(broken, '{"error":"The proxy\'s Client-Cert field holds no certificate"}')
        self.assertEqual(self.core.http.post("/tasks/x/update", {"step_id": 2}, {**passed_on, "Client-Cert": client_cert(self.pki.evil)}).status, 200)


class Pinned(Base):
    """A core that knows its proxy by name or key, and one without TLS."""

    def start_core(self, name, **settings):
        return self.enterContext(CoreService(self.folder / name, "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert,
                                             settings=settings))

    def check(self, core):
        """foreman.example.com plays the proxy."""
        self.assertEqual(Client(core.url, identity=self.pki.foreman).get("/tasks/count").status, 200)
        for identity in (self.pki.evil, self.pki.other_proxy):
            self.assert_refused(Client(core.url, identity=identity).get("/tasks/count"),
                                '{"error":"SSL certificate of another client than the proxy supplied"}')
        self.assert_refused(Client(core.url).get("/tasks/count"), '{"error":"%s"}' % NO_CERTIFICATE)

    # The program's own questions are asked with its own certificate, whose name is among those that are let in.
    def test_by_name(self):
        self.check(self.start_core("names", proxy_names=["Foreman.example.com", "proxy.example.com"]))

    def test_by_key_and_after_a_reload_by_another(self):
        core = self.start_core("keys", proxy_keys=[self.pki.foreman.key_pin, self.pki.proxy.key_pin])
        self.check(core)
        text = (core.config / "settings.yml").read_text(encoding="utf-8")
        (core.config / "settings.yml").write_text(text.replace(self.pki.foreman.key_pin, self.pki.evil.key_pin), encoding="utf-8")
        core.reload()
        core.wait_for_log("The settings were read again")
        self.assertEqual(Client(core.url, identity=self.pki.foreman).get("/tasks/count").status, 403)
        self.assertEqual(Client(core.url, identity=self.pki.evil).get("/tasks/count").status, 200)

    def test_plain_http_believes_nobody(self):
        core = self.enterContext(CoreService(self.folder / "plain", "http://127.0.0.1:1", settings={"proxy_names": ["proxy.example.com"]}))
        core.wait_for_log(":proxy_names: and :proxy_keys: keep nobody out")
        claims = {**JSON_HEADERS, "Client-Cert": client_cert(self.pki.foreman), "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"}
        self.assertEqual(core.http.post("/tasks/plain/cancel", {}, claims).status, 404)
        core.wait_for_log("POST /tasks/plain/cancel by 127.0.0.1")
        self.assertNotIn("foreman.example.com", core.logs())

    def test_a_pin_that_is_none_stops_the_start(self):
        core = CoreService(self.folder / "wrong", "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert,
                           settings={"proxy_keys": ["sha256//x"]})
        with self.assertRaisesRegex(RuntimeError, "proxy_keys: must be keys like sha256//BASE64"):
            core.start()


if __name__ == "__main__":
    unittest.main()
