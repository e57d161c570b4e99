#!/usr/bin/env python3
"""The console in a real browser, in-process and through the relay: pages answer, buttons work, nothing that a task brings is run, other sites
cannot press buttons."""

import shutil
import sqlite3
import tempfile
import threading
import unittest
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from browser import Browser
from network import wait_until
from programs import CoreService, SmartProxy, wait_for_task

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\"'><svg onload=document.title='owned'>"
PLANTED = "planted-9c1d"
OUTSIDE = "proxy.example.com"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def launch(client, action_class, prefix="/dynflow", **action_input):
    plan_id = str(uuid.uuid4())
    answer = client.post(f"{prefix}/tasks/launch", {"operation": "batch", "input": {plan_id: {"action_class": action_class, "action_input": action_input}}})
    assert answer.status == 200, answer.text
    return plan_id


class AnotherSite:
    """A web page that sends a form to the proxy as soon as somebody looks at it."""

    def __init__(self, target):
        page = f"<form method=post action='{target}'><input name=token value=1-0></form><script>document.forms[0].submit()</script>".encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="console-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.browser = cls.enterClassContext(Browser(hosts=[OUTSIDE, "evil.example.com"]))


class Console:
    """The same in both modes; `proxy` is a running proxy, `core` who has the database, `database` its file."""

    @property
    def console(self):
        return f"http://127.0.0.1:{self.proxy.port}/dynflow/console"

    def suspended(self):
        plan_id = launch(self.proxy.http, "PeerOps::LocalScript", script=f"echo '{EVIL.replace(chr(39), '')}'; sleep 300", task_name=EVIL,
                         ssh_password=PLANTED, inventory={"vars": {"ansible_become_pass": PLANTED}}, secrets={"key": PLANTED})
        self.addCleanup(self.proxy.http.post, f"/dynflow/tasks/{plan_id}/cancel")
        wait_until(lambda: "<script>" in self.proxy.http.get(f"/dynflow/tasks/{plan_id}/status").text, "output of the job")
        return plan_id

    def state(self, plan_id):
        return self.proxy.http.get(f"/dynflow/tasks/{plan_id}/status").json()["state"]

    def test_list_and_detail_in_a_browser(self):
        """[X05]"""
        plan_id = self.suspended()
        for start in (self.console, self.console + "/"):
            self.browser.open(start)
            self.assertIn("PeerOps::LocalScript", self.browser.text())
            self.browser.click(f"a[href$='{plan_id}']")
            self.assertEqual(self.browser.evaluate("location.pathname"), f"/dynflow/console/{plan_id}")
            self.assertIn("document.title='owned'", self.browser.text())
            self.browser.click("header a:last-of-type")
            self.assertIn("Queues", self.browser.text())
            self.browser.click("header a")
            self.assertIn("PeerOps::LocalScript", self.browser.text())

    def test_nothing_that_a_task_brings_is_run_or_told(self):
        plan_id = self.suspended()
        self.browser.requests()
        self.browser.messages.clear()
        pages = ["?filter=1", f"/{plan_id}", f"/{plan_id}/actions/1", "/worlds", f"?label={quote(EVIL)}", f"/{quote(EVIL, safe='')}",
                 f"/{plan_id}?notice={quote(EVIL)}"]
        for page in pages:
            with self.subTest(page):
                self.browser.open(self.console + page)
                self.assertNotEqual(self.browser.evaluate("document.title"), "owned")
                self.assertEqual(self.browser.evaluate("document.querySelectorAll('script, img, svg, [onerror], [onload]').length"), 0)
                self.assertNotIn(PLANTED, self.browser.html())
                self.assertEqual(self.browser.evaluate("getComputedStyle(document.querySelector('header')).display"), "flex")  # our style counts
        own = f"http://127.0.0.1:{self.proxy.port}/"
        self.assertEqual([url for url in self.browser.requests() if not url.startswith(own)], [])
        for page in (f"/{plan_id}.json", f"/{plan_id}/actions/1.json"):
            self.assertNotIn(PLANTED, self.proxy.http.get("/dynflow/console" + page).text)
        self.assertEqual([message for message in self.browser.messages if "script" in message.lower() or "style" in message.lower()], [])

    def test_a_button_cancels(self):
        plan_id = self.suspended()
        self.browser.open(f"{self.console}/{plan_id}")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('meta[http-equiv=refresh]').length"), 1)
        self.browser.click("form[action$='/cancel'] button")
        self.assertEqual(self.browser.evaluate("location.pathname"), f"/dynflow/console/{plan_id}")
        self.assertIn("The cancel event has been propagated", self.browser.text())
        wait_for_task(self.proxy.http, plan_id)
        self.browser.open(f"{self.console}/{plan_id}")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('meta[http-equiv=refresh], form[action$=cancel]').length"), 0)

    def test_a_button_resumes_and_skips(self):
        plan_id = launch(self.proxy.http, "PeerOps::Boom")
        wait_for_task(self.proxy.http, plan_id)
        self.assertEqual(self.state(plan_id), "paused")
        # The name of a host, for which browsers say less about where a request comes from.
        self.browser.open(f"http://{OUTSIDE}:{self.proxy.port}/dynflow/console/{plan_id}")
        self.assertIn("RuntimeError: boom", self.browser.text())
        self.browser.click("form[action$='/resume'] button")
        self.assertIn("The execution was resumed", self.browser.text())
        wait_until(lambda: self.proxy.http.get(f"/dynflow/console/{plan_id}.json").json()["execution_history"][-1]["name"] == "pause execution" and
                   self.state(plan_id) == "paused", "the plan to pause again")
        self.browser.open(f"{self.console}/{plan_id}").click("form[action$='/skip/2'] button")
        self.assertIn("The step will be skipped", self.browser.text())
        self.browser.click("form[action$='/resume'] button")
        document = wait_for_task(self.proxy.http, plan_id, states=("stopped",))
        self.assertEqual(document["result"], "warning")

    def test_another_site_cannot_press_buttons_or_give_orders(self):
        plan_id = self.suspended()
        self.browser.open(f"{self.console}/{plan_id}")
        outside = f"http://{OUTSIDE}:{self.proxy.port}/dynflow"
        # A button of the console, and an order of the API, which takes whatever body there is.
        for target, host in ((f"{self.console}/{plan_id}/halt", "127.0.0.1"), (f"{outside}/console/{plan_id}/halt", "evil.example.com"),
                             (f"{outside}/tasks/{plan_id}/cancel", "evil.example.com")):
            with AnotherSite(target) as site:
                self.browser.open(site.url.replace("127.0.0.1", host))
                wait_until(lambda: "nothing was changed" in (self.browser.text() or ""), "the refusal")
        self.assertEqual(self.state(plan_id), "running")
        token = self.browser.open(f"{self.console}/{plan_id}").evaluate("document.querySelector('input[name=token]').value")
        # The token alone is not enough: it is that of the browser's session.
        answer = self.proxy.http.post(f"/dynflow/console/{plan_id}/halt", f"token={token}", headers=FORM)
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.state(plan_id), "running")

    def test_programs_get_json(self):
        plan_id = launch(self.proxy.http, "PeerOps::Noop")
        wait_for_task(self.proxy.http, plan_id)
        listed = self.proxy.http.get(f"/dynflow/console?id={plan_id}").json()
        self.assertEqual([plan["id"] for plan in listed["execution_plans"]], [plan_id])
        self.assertGreaterEqual(listed["counts"]["stopped"], 1)
        answer = self.proxy.http.post(f"/dynflow/console/{plan_id}/resume", {})
        self.assertEqual((answer.status, answer.json()), (409, {"error": "The execution has to be paused to be able to resume"}))
        self.assertEqual(self.proxy.http.get("/dynflow/console/unknown").status, 404)
        self.assertEqual(self.proxy.http.get("/dynflow/console?state=bogus").status, 400)
        self.assertEqual(self.proxy.http.get("/dynflow/legacy/console").status, 404)

    def test_the_look_on_a_phone(self):
        self.suspended()
        self.browser.open(self.console)
        self.browser.call("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=True)
        self.addCleanup(self.browser.call, "Emulation.clearDeviceMetricsOverride")
        self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), 360)
        self.assertEqual(self.browser.evaluate("getComputedStyle(document.querySelector('td.wide')).display"), "none")


class InProcess(Console, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", "http://127.0.0.1:1", external_core=False))


class Relayed(Console, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.core = cls.enterClassContext(CoreService(cls.folder / "core", "http://127.0.0.1:1"))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", "http://127.0.0.1:1", external_core=True, core_url=cls.core.url))

    def test_the_core_itself(self):
        plan_id = launch(self.proxy.http, "PeerOps::Noop")
        wait_for_task(self.proxy.http, plan_id)
        self.browser.open(f"{self.core.url}/console?filter=1").click(f"a[href$='{plan_id}']")
        self.assertEqual(self.browser.evaluate("location.pathname"), f"/console/{plan_id}")


class HandOver(Base):
    def test_the_console_of_the_other_side(self):
        core = self.enterContext(CoreService(self.folder / "other-core", "http://127.0.0.1:1"))
        proxy = self.enterContext(SmartProxy(self.folder / "moving", "http://127.0.0.1:1", external_core=True, core_url=core.url))
        old = launch(proxy.http, "PeerOps::LocalScript", script="sleep 300")
        self.assertEqual(proxy.http.post("/dynflow/mode", {"action": "begin", "external_core": False}).status, 200)
        new = launch(proxy.http, "PeerOps::LocalScript", script="sleep 300")
        own, legacy = (f"http://127.0.0.1:{proxy.port}/dynflow/{path}" for path in ("console", "legacy/console"))
        for console, mine, others in ((own, new, old), (legacy, old, new)):
            self.browser.open(console).click(f"a[href$='{mine}']")
            self.assertNotIn(others, self.browser.html())
            self.browser.click("form[action$='/halt'] button")
            self.assertIn("The execution was halted", self.browser.text())
            self.assertTrue(self.browser.evaluate("location.href").startswith(f"{console}/{mine}"))


class OpenConsole(unittest.TestCase):
    def test_console_auth_false_opens_the_console_and_nothing_else(self):
        folder = Path(tempfile.mkdtemp(prefix="console-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        core = self.enterContext(CoreService(folder / "core", "http://127.0.0.1:1"))
        for name, options in (("own", {"external_core": False}), ("relay", {"external_core": True, "core_url": core.url})):
            with self.subTest(name):
                closed = {"trusted_hosts": ["foreman.example.com"]}
                with SmartProxy(folder / name, "http://127.0.0.1:1", settings=closed, dynflow={"console_auth": False}, **options) as proxy:
                    self.assertEqual(proxy.http.get("/dynflow/console").status, 200)
                    self.assertEqual(proxy.http.get("/dynflow/console/worlds").status, 200)
                    self.assertIn(":console_auth: is false", proxy.logs())
                    for path in ("/dynflow/tasks/count", "/dynflow/console/../tasks/count", "/dynflow/console/%2e%2e/tasks/count", "/dynflow/console/.%2e/tasks/count",
                                 "/dynflow/console//../tasks/count", "/dynflow/%63onsole", "/dynflow/mode"):
                        self.assertEqual(proxy.http.get(path).status, 403, path)


class Large(Base):
    COUNT = 100_000

    def test_a_hundred_thousand_plans(self):
        """Pages of a long list cost the same wherever they are."""
        database = self.folder / "large.db"
        options = {"external_core": False, "dynflow": {"database": database}}
        with SmartProxy(self.folder / "large", "http://127.0.0.1:1", **options) as proxy:
            launch(proxy.http, "PeerOps::Noop")
        with sqlite3.connect(database) as store:
            store.execute("INSERT INTO plans (id, label, state, result, root_plan_step_id, run_flow, finalize_flow, started_at, ended_at, execution_time, real_time,"
                          " history, request_digest, caller_plan_id, resting_since) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                          " SELECT 'plan-' || i, 'Label ' || (i % 7), 'stopped', CASE i % 1000 WHEN 0 THEN 'error' ELSE 'success' END, 0, '[\"C\"]', '[\"S\"]',"
                          " 1790000000000000 + i, 1790000000000000 + 2 * i, i / 1000.0, i / 500.0, '', '', '', 4000000000000000 FROM n", (self.COUNT,))
        store.close()
        with SmartProxy(self.folder / "large", "http://127.0.0.1:1", **options) as proxy:
            def page(query):
                answer = proxy.http.get("/dynflow/console.json" + query)
                self.assertEqual(answer.status, 200, answer.text)
                return answer.json()
            first = page("?filter=1")
            self.assertEqual(first["counts"]["stopped"], self.COUNT + 2)
            self.assertEqual(first["execution_plans"][0]["id"], f"plan-{self.COUNT}")
            middle = page(f"?filter=1&after={self.COUNT // 2}")
            self.assertEqual(len(middle["execution_plans"]), 50)
            def cost(query, rounds=40):
                before = proxy.cpu_seconds()
                for _ in range(rounds):
                    page(query)
                return (proxy.cpu_seconds() - before) / rounds
            few, far = cost("?filter=1"), cost("?filter=1&after=100")
            self.assertLess(far, 3 * few + 0.005, "the last page costs more than the first one")
            for query in ("?result=error", "?order_by=started_at&filter=1&desc=true", "?label=Label+3&order_by=label"):
                self.assertEqual(len(page(query)["execution_plans"]), 50)


if __name__ == "__main__":
    unittest.main()
