#!/usr/bin/env python3
"""HUP takes over what may change while the proxy runs, all or nothing; TERM finishes what is under way."""

import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from bare_server import BareServer
from foreman import Foreman
from mode_orders import mode_of
from network import free_port, wait_until
from pki import Pki, folder_with_pki
from programs import CoreService, SmartProxy


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="reload-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def edit(self, program, old, new, file="settings.yml"):
        path = program.config / file
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def reload(self, program, outcome="The settings were read again"):
        """HUP; returns what the log says about it, when that has come to its end."""
        before = len(program.logs())
        program.reload()
        wait_until(lambda: outcome in program.logs()[before:], f"'{outcome}' in the log")
        return program.logs()[before:]


class Reload(Base):
    @classmethod
    def setUpClass(cls):
        _, cls.pki = folder_with_pki(cls, "reload-pki-")

    def start(self, **more):
        return self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert, **more))

    def test_trusted_hosts(self):
        proxy = self.start(settings={"trusted_hosts": ["foreman.example.com"]})
        foreman, evil = proxy.https(self.pki.foreman), proxy.https(self.pki.evil)
        self.assertEqual((foreman.get("/v2/features").status, evil.get("/v2/features").status), (200, 403))
        self.edit(proxy, '["foreman.example.com"]', '["evil.example.com"]')
        self.reload(proxy)
        self.assertEqual((foreman.get("/v2/features").status, evil.get("/v2/features").status), (403, 200))
        self.assertEqual(foreman.get("/dynflow/tasks/count").status, 403)  # its modules' rules, too

    def test_half_written_settings_change_nothing(self):
        proxy = self.start(settings={"trusted_hosts": ["foreman.example.com"]})
        settings = proxy.config / "settings.yml"
        good = settings.read_text()
        for name, file, text, wanted in (
                ("cut in the middle", "settings.yml", good[:good.index("trusted_hosts") + 18], r"settings\.yml:\d+"),
                ("empty", "settings.yml", "", r"settings\.yml"),
                ("a wrong type", "settings.yml", good.replace('["foreman.example.com"]', '["evil.example.com"]') + ":forward_verify: 3\n",
                 r"settings\.yml:\d+: :forward_verify:"),
                ("external_core is text", "settings.d/dynflow.yml", "---\n:enabled: true\n:external_core: \"false\"\n",
                 r"dynflow\.yml:3: :external_core:"),
                ("a pattern without sense", "settings.yml", good + ":file_logging_pattern: '%Q'\n", r"pattern"),
                ("a value is missing", "settings.d/dynflow.yml", "---\n:enabled: true\n:console_auth:\n",
                 r"Parameter 'console_auth' is expected to have a non-empty value \(.*dynflow\.yml:3\)"),
                ("core_url is none", "settings.d/dynflow.yml", "---\n:enabled: true\n:core_url: nowhere\n", r"dynflow\.yml:3: :core_url:")):
            with self.subTest(name):
                path = proxy.config / file
                before = path.read_text()
                path.write_text(text)
                told = self.reload(proxy, "The old settings stay: ")
                self.assertRegex(told, r"\[E\] The old settings stay: .*" + wanted)
                self.assertEqual(proxy.https(self.pki.evil).get("/v2/features").status, 403)
                self.assertEqual(proxy.https(self.pki.foreman).get("/v2/features").status, 200)
                path.write_text(before)
        self.reload(proxy)

    def test_a_module_that_failed_at_the_start_holds_up_nothing(self):
        proxy = self.start(external_core=False, settings={"trusted_hosts": ["foreman.example.com"]},
                           modules={"remote_execution_ssh": {"enabled": True, "ssh_user": ""}})
        self.assertEqual(proxy.https(self.pki.evil).get("/v2/features").status, 403)
        self.edit(proxy, "foreman.example.com", "evil.example.com")
        self.reload(proxy)
        self.assertEqual(proxy.https(self.pki.evil).get("/v2/features").status, 200)
        # Another one that would fail does.
        self.edit(proxy, ":external_core: false", ":external_core: false\n:console_auth:", "settings.d/dynflow.yml")
        self.assertRegex(self.reload(proxy, "The old settings stay: "), "Parameter 'console_auth' is expected to have a non-empty value")

    def served(self, proxy):
        text = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.https_port}"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False).stdout
        return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=text, capture_output=True, text=True, check=True).stdout.strip().split("=")[1]

    def test_certificates(self):
        proxy = self.start()
        live = proxy.config / "settings.yml"
        self.assertEqual(self.served(proxy), self.pki.proxy.serial)
        good = live.read_text()

        def use(cert, key):
            live.write_text(good.replace(str(self.pki.proxy.cert), str(cert)).replace(str(self.pki.proxy.key), str(key)))

        broken = self.folder / "broken.pem"
        broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
        for name, cert, key, wanted in (("expired", self.pki.expired.cert, self.pki.expired.key, "has expired"),
                                        ("broken", broken, self.pki.proxy.key, "broken.pem"),
                                        ("missing", self.folder / "gone.pem", self.pki.proxy.key, "gone.pem"),
                                        ("not a pair", self.pki.proxy_ec.cert, self.pki.proxy.key, "key")):
            with self.subTest(name):
                use(cert, key)
                told = self.reload(proxy)
                self.assertRegex(told, r"\[E\] The old certificate stays: .*" + wanted)
                self.assertEqual(self.served(proxy), self.pki.proxy.serial)
        use(self.pki.proxy_ec.cert, self.pki.proxy_ec.key)
        self.reload(proxy)
        self.assertEqual(self.served(proxy), self.pki.proxy_ec.serial)
        self.assertEqual(proxy.https(self.pki.foreman).get("/v2/features").status, 200)

    def test_what_waits_for_the_next_start_is_named(self):
        proxy = self.start()
        settings = proxy.config / "settings.yml"
        settings.write_text(settings.read_text().replace(f":http_port: {proxy.port}", f":http_port: {free_port()}")
                            + ":log_buffer: 77\n")
        self.edit(proxy, ":enabled: true", ":enabled: true\n:console_auth: false", "settings.d/dynflow.yml")
        told = self.reload(proxy)
        for file, key in (("settings.yml", "http_port"), ("settings.yml", "log_buffer"), ("dynflow.yml", "console_auth")):
            self.assertRegex(told, file.replace(".", r"\.") + rf":\d+: the change of :{key}: takes effect at the next start")
        self.assertNotIn(":log_level:", told)
        self.assertEqual(proxy.http.get("/version").status, 200)

    def test_the_log_goes_elsewhere(self):
        proxy = self.start()
        elsewhere = self.folder / "elsewhere.log"
        self.edit(proxy, str(proxy.folder / "program.log"), str(elsewhere))
        self.edit(proxy, '"DEBUG"', '"INFO"')
        proxy.reload()
        wait_until(lambda: elsewhere.exists() and "The settings were read again" in elsewhere.read_text(), "the new log")
        proxy.http.get("/version")
        wait_until(lambda: "Finished GET /version" in elsewhere.read_text(), "the request in it")
        self.assertNotIn("[D]", elsewhere.read_text())
        # A folder that is not there: standard output, and it goes on.
        self.edit(proxy, str(elsewhere), "/nonexistent/proxy.log")
        proxy.reload()
        wait_until(lambda: "Falling back to STDOUT" in proxy.output.read_text(), "the fall-back")
        self.assertEqual(proxy.http.get("/version").status, 200)

    def test_the_identity_towards_the_core_is_renewed(self):
        live = self.folder / "live"
        live.mkdir()

        def install(identity):
            for source, name in ((identity.cert, "cert.pem"), (identity.key, "key.pem")):
                shutil.copy(source, live / f"{name}.new")
                (live / f"{name}.new").rename(live / name)

        install(self.pki.proxy)
        own = {"ssl_certificate": live / "cert.pem", "ssl_private_key": live / "key.pem"}
        core = self.enterContext(CoreService(self.folder / "core", "http://127.0.0.1:1", identity=self.pki.proxy, ca=self.pki.ca.cert, settings=own))
        proxy = self.start(external_core=True, core_url=core.url.replace("127.0.0.1", "localhost"), settings=own)
        self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 200)  # leaves a connection in the pool
        install(self.pki.proxy_ec)
        self.reload(proxy)
        self.reload(core)
        # Within a second the connections from before are given up.
        wait_until(lambda: proxy.http.get("/dynflow/tasks/count").status == 200, "the core to know the proxy again", 30)
        for _ in range(5):
            self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 200)


class Mode(Base):
    def test_external_core_is_followed_both_ways(self):
        foreman = self.enterContext(Foreman())
        core = CoreService(self.folder / "core", foreman.url)
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", foreman.url, external_core=False, core_url=core.url))
        self.assertEqual(mode_of(proxy.http)["state"], "in-process")
        self.edit(proxy, ":external_core: false", ":external_core: true", "settings.d/dynflow.yml")
        # Nobody is there: the mode stays, and the next reload tries again.
        told = self.reload(proxy)
        self.assertIn("[E] The mode stays, external_core: true cannot be followed: ", told)
        self.assertEqual(mode_of(proxy.http)["target"], "in-process")
        with core:
            self.reload(proxy)
            wait_until(lambda: mode_of(proxy.http)["state"] == "external", "the mode external")
            self.assertEqual(mode_of(proxy.http)["setting"], "true")
            self.edit(proxy, ":external_core: true\n", "", "settings.d/dynflow.yml")
            told = self.reload(proxy)
            self.assertIn("external_core is unset in the settings now", told)
            wait_until(lambda: mode_of(proxy.http)["state"] == "in-process", "the mode in-process")
            # A mode that was asked for by the endpoint is not undone by a reload that changes nothing.
            answer = proxy.http.post("/dynflow/mode", {"action": "begin", "external_core": True})
            self.assertEqual(answer.status, 200, answer.text)
            self.assertNotIn("Mode: ", self.reload(proxy).replace("Mode: begin", ""))
            self.assertEqual(mode_of(proxy.http)["target"], "external")

    def test_the_endpoint_reloads_as_hup_does(self):
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False))
        self.edit(proxy, ":log_level: \"DEBUG\"", ":log_level: \"INFO\"")
        answer = proxy.http.post("/dynflow/mode", {"action": "reload"})
        self.assertEqual((answer.status, answer.json()["state"]), (202, "in-process"))
        proxy.wait_for_log("[I] The settings were read again")
        self.assertIn("Mode: reload by 127.0.0.1", proxy.logs())
        self.edit(proxy, ":log_level: \"INFO\"", ":log_level: [broken")
        self.assertEqual(proxy.http.post("/dynflow/mode", {"action": "reload"}).status, 202)
        proxy.wait_for_log("[E] The old settings stay: ")

    def test_the_port_of_the_core_is_somebody_elses(self):
        pages = {b"a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
                 b"no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n", b"nothing": b""}
        for name, answer in pages.items():
            with self.subTest(name), OtherServer(answer) as other:
                folder = self.folder / name.decode().replace(" ", "_")
                with SmartProxy(folder, "http://127.0.0.1:1", external_core=False, core_url=f"http://127.0.0.1:{other.port}") as proxy:
                    self.edit(proxy, ":external_core: false", ":external_core: true", "settings.d/dynflow.yml")
                    told = self.reload(proxy)
                    self.assertRegex(told, r"\[E\] The mode stays, external_core: true cannot be followed: external cannot take jobs now: .+")
                    self.assertEqual(mode_of(proxy.http)["state"], "in-process")
                    self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 200)
                    refused = proxy.http.post("/dynflow/mode", {"action": "begin", "external_core": True})
                    self.assertEqual(refused.status, 503, refused.text)

    def test_a_core_that_cannot_be_loaded(self):
        foreman = self.enterContext(Foreman())
        core = self.enterContext(CoreService(self.folder / "core", foreman.url))
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", foreman.url, external_core=True, core_url=core.url,
                                             environment={"DYNFLOW_CORE_LIBRARY": "/nonexistent/libdynflow_core.so.1"}))
        self.edit(proxy, ":external_core: true", ":external_core: false", "settings.d/dynflow.yml")
        self.assertRegex(self.reload(proxy), r"\[E\] The mode stays: .*/nonexistent/libdynflow_core\.so\.1")
        self.assertEqual(mode_of(proxy.http)["state"], "external")
        self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 200)

    def test_a_module_that_failed_waits_for_the_next_start_and_says_so(self):
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=False, core_url="http://127.0.0.1:1",
                                             environment={"DYNFLOW_CORE_LIBRARY": "/nonexistent/libdynflow_core.so.1"}))
        self.assertEqual(proxy.http.get("/v2/features").json()["dynflow"]["state"], "failed")
        self.edit(proxy, ":external_core: false", ":external_core: true", "settings.d/dynflow.yml")
        self.assertIn("external_core is true in the settings now, and dynflow is failed: that takes effect at the next start", self.reload(proxy))

    def test_a_core_that_begins_reads_what_the_settings_say_by_then(self):
        foreman = self.enterContext(Foreman())
        core = self.enterContext(CoreService(self.folder / "core", foreman.url))
        first, second = self.folder / "first.sqlite", self.folder / "second.sqlite"
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", foreman.url, external_core=True, core_url=core.url, dynflow={"database": first}))
        self.edit(proxy, str(first), str(second), "settings.d/dynflow.yml")
        begin = {"action": "begin", "external_core": False}
        module = proxy.config / "settings.d/dynflow.yml"
        good = module.read_text()
        module.write_text(good + ":core_timeout: soon\n")
        refused = proxy.http.post("/dynflow/mode", begin)
        self.assertEqual(refused.status, 503, refused.text)
        self.assertRegex(refused.json()["error"], r"dynflow\.yml:\d+: :core_timeout:")
        self.assertEqual(mode_of(proxy.http)["state"], "external")
        module.write_text(good)
        answer = proxy.http.post("/dynflow/mode", begin)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertEqual((first.exists(), second.exists()), (False, True))

    def test_a_way_to_a_core_service_goes_where_the_settings_say_by_then(self):
        foreman = self.enterContext(Foreman())
        before = self.enterContext(CoreService(self.folder / "before", foreman.url))
        core = self.enterContext(CoreService(self.folder / "core", foreman.url))
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", foreman.url, external_core=False, core_url=before.url))
        self.edit(proxy, before.url, core.url, "settings.d/dynflow.yml")
        self.edit(proxy, ":external_core: false", ":external_core: true", "settings.d/dynflow.yml")
        self.reload(proxy)
        wait_until(lambda: mode_of(proxy.http)["state"] == "external", "the mode external")
        launched = proxy.http.post("/dynflow/tasks/launch", {"operation": "single", "input": {"action_class": "PeerOps::Noop", "action_input": {}}})
        self.assertEqual(launched.status, 200, launched.text)
        counts = [side.http.get("/tasks/count").json()["count"] for side in (before, core)]
        self.assertEqual(counts, [0, 1])

    def test_what_the_next_change_of_the_mode_takes_over_is_told_so(self):
        proxy = self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=True, core_url="http://127.0.0.1:1",
                                             dynflow={"database": self.folder / "first.sqlite"}))
        self.edit(proxy, "first.sqlite", "second.sqlite", "settings.d/dynflow.yml")
        self.edit(proxy, ":enabled: true", ":enabled: true\n:console_auth: false", "settings.d/dynflow.yml")
        told = self.reload(proxy)
        start = "takes effect at the next start"
        self.assertRegex(told, rf"the change of :database: {start}, or when a change of the mode brings in anew the side that it is about\n")
        self.assertRegex(told, rf"the change of :console_auth: {start}\n")


class Core(Base):
    def test_the_core_service_reloads_as_the_proxy_does(self):
        pki = Pki(self.folder / "pki")
        core = self.enterContext(CoreService(self.folder / "core", "http://127.0.0.1:1", identity=pki.proxy, ca=pki.ca.cert))
        settings = core.config / "settings.yml"
        good = settings.read_text()

        def answers():
            self.assertEqual(core.http.get("/tasks/count").status, 200)

        settings.write_text(good[:good.index("log_level")] + ":log_level: [")
        self.assertRegex(self.reload(core, "The old settings stay: "), r"\[E\] The old settings stay: .*settings\.yml:\d+")
        answers()
        for wrong, wanted in ((good.replace(str(pki.proxy.cert), str(pki.expired.cert)).replace(str(pki.proxy.key), str(pki.expired.key)), "has expired"),
                              (good.replace(str(pki.proxy.key), "/nonexistent.key"), "/nonexistent\\.key")):
            settings.write_text(wrong)
            self.assertRegex(self.reload(core), r"\[E\] The old certificates stay: .*" + wanted)
            answers()
        settings.write_text(good.replace(f":port: {core.port}", f":port: {free_port()}").replace(":log_level: :DEBUG", ":log_level: :WARN"))
        told = self.reload(core, "takes effect at the next start")
        self.assertRegex(told, r"settings\.yml:\d+: the change of :port: takes effect at the next start")
        before = len(core.logs())
        answers()
        self.assertNotIn("[I]", core.logs()[before:])


class OtherServer(BareServer):
    """Something that listens where a core should be: says `answer` to whatever comes, and closes."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def serve(self, connection):
        self.respond(connection.recv(65536), connection)

    def respond(self, _, connection):
        connection.sendall(self.answer)


class HungCore(OtherServer):
    """Lets questions for the number of tasks wait until it is told to go."""

    def __init__(self):
        self.asked = threading.Event()
        self.go = threading.Event()
        super().__init__(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"count\":7}")

    def respond(self, head, connection):
        if b"/tasks/count" in head:
            self.asked.set()
            self.go.wait(60)
        super().respond(head, connection)

    def stop(self):
        self.go.set()
        super().stop()


class Ends(Base):
    def ask(self, proxy):
        """A request that waits for the core, in a thread; its answer comes into the list."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(proxy.http.get("/dynflow/tasks/count")), daemon=True)
        thread.start()
        return thread, answers

    def start(self, core, grace):
        return self.enterContext(SmartProxy(self.folder / "proxy", "http://127.0.0.1:1", external_core=True,
                                            core_url=f"http://127.0.0.1:{core.port}", settings={"shutdown_grace": grace}))

    def test_what_is_under_way_is_finished_and_latecomers_are_told(self):
        with HungCore() as core:
            proxy = self.start(core, 60)
            thread, answers = self.ask(proxy)
            self.assertTrue(core.asked.wait(30))
            proxy.signal(signal.SIGTERM)
            proxy.wait_for_log("Shutting down: no new requests")

            def refused():
                late = proxy.http.get("/version")
                return late if late.status == 503 else None
            late = wait_until(refused, "a latecomer's answer")
            self.assertEqual((late.header("Retry-After"), late.header("Connection")), ("1", "close"))
            self.assertIn("stopping", late.json()["error"])
            core.go.set()
            thread.join(30)
            self.assertEqual((answers[0].status, answers[0].json()), (200, {"count": 7}))
            self.assertEqual(proxy.wait(30), 0)

    def test_what_takes_longer_gets_503(self):
        with HungCore() as core:
            proxy = self.start(core, 1)
            thread, answers = self.ask(proxy)
            self.assertTrue(core.asked.wait(30))
            self.assertEqual(proxy.stop(), 0)
            thread.join(30)
            self.assertEqual(answers[0].status, 503, answers[0].text)
            self.assertIn("error", answers[0].json())


if __name__ == "__main__":
    unittest.main()
