#!/usr/bin/env python3
"""What both programs tell Prometheus: exactly in its format, moving with real jobs, cheap with many tasks, for those who may see it."""

import re
import shutil
import sqlite3
import tempfile
import unittest
import uuid
from pathlib import Path

from exposition import Scrape
from foreman import Foreman
from network import wait_until
from pki import Pki
from programs import ROOT, CoreService, SmartProxy, wait_for_task

PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")


def documented_names():
    """Every metric that the page's tables name; `x_a`, `_b` is short for `x_b`-like names that share the beginning."""
    names = set()
    for line in PAGE.splitlines():
        if not line.startswith("| `"):
            continue
        first = None
        for name in re.findall(r"`([a-z_*]+)`", line.split("|")[1]):
            if name.startswith("_"):
                names.add("..." + name)
            else:
                first = name
                names.add(name)
        assert first
    return names


def is_documented(name, names):
    return name in names or name.startswith("process_") or any(short.startswith("...") and name.endswith(short[3:]) for short in names)


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="metrics-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.foreman = cls.enterClassContext(Foreman())

    def launch(self, client, action_class, **action_input):
        plan_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
        entry = {"action_class": action_class, "action_input": {**action_input, "callback": {"task_id": task_id, "step_id": 3}}}
        answer = client.post("/dynflow/tasks/launch", {"operation": "batch", "input": {plan_id: entry}})
        self.assertEqual(answer.status, 200, answer.text)
        return plan_id


class Numbers:
    """The same wherever the core is: `core()` is a look at the core, `proxy` a running proxy."""

    def look(self):
        return Scrape(self.proxy.http.get("/metrics"))

    def test_numbers_move_with_jobs(self):
        before, host = self.core(), self.look()
        wait_for_task(self.proxy.http, self.launch(self.proxy.http, "PeerOps::LocalScript", script="echo hello; sleep 0.2"))
        failed = self.launch(self.proxy.http, "PeerOps::LocalScript", script="exit 3")
        wait_for_task(self.proxy.http, failed)
        self.assertEqual(self.proxy.http.get("/dynflow/tasks/unknown/status").status, 404)
        wait_until(lambda: self.core()("dynflow_callbacks_delivered_total") >= before("dynflow_callbacks_delivered_total") + 2, "both callbacks")
        wait_until(lambda: self.core()("dynflow_callbacks_waiting") == 0, "an empty outbox")
        after, host_after = self.core(), self.look()

        def grown(name, at_least, **labels):
            self.assertGreaterEqual(after(name, **labels) - before(name, **labels), at_least, name)

        grown("dynflow_plans_ended_total", 3, result="success")  # the job and two parents
        grown("dynflow_plans_ended_total", 1, result="error")
        grown("dynflow_plans", 4, state="stopped")
        grown("dynflow_step_duration_seconds_count", 4, phase="Run")
        grown("dynflow_step_duration_seconds_sum", 0.2, phase="Run")
        grown("dynflow_steps_failed_total", 1, phase="Finalize")
        grown("dynflow_store_commit_duration_seconds_count", 3)
        grown("dynflow_store_changes_total", 10)
        self.assertEqual(after("dynflow_callback_oldest_age_seconds"), 0)
        self.assertEqual(after("dynflow_foreman_away"), 0)
        self.assertEqual(after("dynflow_runners", state="running"), 0)
        self.assertGreater(host_after("smart_proxy_http_requests_total", module="dynflow", method="POST", status="200"),
                           host("smart_proxy_http_requests_total", 0, module="dynflow", method="POST", status="200"))
        self.assertGreater(host_after("smart_proxy_http_requests_total", module="dynflow", method="GET", status="404"),
                           host("smart_proxy_http_requests_total", 0, module="dynflow", method="GET", status="404"))
        self.assertGreater(host_after("smart_proxy_http_request_duration_seconds_count", module="dynflow"), 3)
        self.assertGreater(host_after("process_resident_memory_bytes"), 1 << 20)

    def test_jobs_at_work_are_seen(self):
        plan_id = self.launch(self.proxy.http, "PeerOps::LocalScript", script="sleep 300")
        self.addCleanup(self.proxy.http.post, f"/dynflow/tasks/{plan_id}/cancel")
        wait_until(lambda: self.core()("dynflow_runners", state="running") == 1, "the runner")
        now = self.core()
        self.assertEqual(now("dynflow_plans", state="running"), 1)
        self.assertEqual(now("dynflow_active_plans"), 1)
        self.proxy.http.post(f"/dynflow/tasks/{plan_id}/cancel")
        wait_until(lambda: self.core()("dynflow_runners", state="running") == 0, "its end")

    def test_callbacks_that_wait_are_seen(self):
        before = self.core()
        self.foreman.refuse()
        self.addCleanup(self.foreman.accept)
        wait_for_task(self.proxy.http, self.launch(self.proxy.http, "PeerOps::LocalScript", script="true"))
        wait_until(lambda: self.core()("dynflow_callbacks_waiting") >= 1 and self.core()("dynflow_callback_oldest_age_seconds") > 0, "the callback to wait")
        wait_until(lambda: self.core()("dynflow_callbacks_refused_total") + self.core()("dynflow_callback_requests_failed_total") >
                   before("dynflow_callbacks_refused_total") + before("dynflow_callback_requests_failed_total"), "the failure")
        self.foreman.accept()
        wait_until(lambda: self.core()("dynflow_callbacks_waiting") == 0, "its delivery", 60)

    def test_clients_make_up_no_series(self):
        self.look()
        self.proxy.http.request("BREW", "/dynflow/x")
        known = self.look().series()
        for i in range(30):
            self.proxy.http.get(f"/dynflow/tasks/{uuid.uuid4()}/status?{i}")
            self.proxy.http.get(f"/{uuid.uuid4()}")
            self.proxy.http.request(f"BREW{i}", "/dynflow/x")
        self.assertLessEqual(len(self.look().series() - known), 2)  # statuses that were not seen before

    def test_every_metric_is_documented(self):
        names = documented_names()
        told = {**self.look().families, **self.core().families}
        self.assertEqual([name for name in told if not is_documented(name, names)], [])
        for family in told.values():
            self.assertTrue(family.help.endswith("."))

    def test_other_methods_are_none(self):
        for path in ("/metrics", "/dynflow/metrics"):
            self.assertEqual(self.proxy.http.post(path, {}).status, 404)
            self.assertEqual(self.proxy.http.request("HEAD", path).status, 200)


class InProcess(Numbers, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, external_core=False))

    def core(self):
        return self.look()

    def test_the_mode(self):
        now = self.look()
        self.assertEqual(now("smart_proxy_dynflow_mode", mode="in-process"), 1)
        self.assertEqual(now("smart_proxy_dynflow_mode", mode="external"), 0)
        self.assertEqual(set(Scrape(self.proxy.http.get("/dynflow/metrics")).families), {name for name in now.families if name.startswith("dynflow_")})

    def test_names_of_the_page_are_told(self):
        told = set(self.look().families)
        for name in documented_names():
            if name.startswith("dynflow_"):
                self.assertIn(name, told)


class Relayed(Numbers, Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.service = cls.enterClassContext(CoreService(cls.folder / "core", cls.foreman.url))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, external_core=True, core_url=cls.service.url))

    def core(self):
        return Scrape(self.proxy.http.get("/dynflow/metrics"))

    def test_each_program_tells_its_own_limits(self):
        told = {}
        for name, client in (("proxy", self.proxy.http), ("core", self.service.http)):
            look = Scrape(client.get("/metrics"))
            told[name] = (look("smart_proxy_http_workers_max"), look("smart_proxy_http_queue_capacity"))
        self.assertEqual(told, {"proxy": (96, 512), "core": (32, 512)})

    def test_the_core_itself(self):
        now = Scrape(self.service.http.get("/metrics"))
        self.assertEqual(now("dynflow_runners_max"), 4000)
        self.assertGreater(now("smart_proxy_http_requests_total", module="dynflow", method="GET", status="200"), 0)
        self.assertEqual(set(now.families), set(self.core().families))

    def test_the_relay(self):
        before = self.look()
        self.proxy.http.get("/dynflow/tasks/count")
        after = self.look()
        self.assertEqual(after("smart_proxy_dynflow_mode", mode="external"), 1)
        self.assertEqual(after("smart_proxy_relay_request_duration_seconds_count"), before("smart_proxy_relay_request_duration_seconds_count") + 1)
        self.assertEqual(after("smart_proxy_relay_circuit", state="closed"), 1)

    def test_a_core_that_is_away(self):
        proxy = self.enterContext(SmartProxy(self.folder / "lonely", self.foreman.url, external_core=True, core_url="http://127.0.0.1:1"))
        self.assertEqual(proxy.http.get("/dynflow/tasks/count").status, 503)
        now = Scrape(proxy.http.get("/metrics"))
        self.assertEqual(now("smart_proxy_relay_errors_total", kind="unreachable"), 1)
        self.assertEqual(now("smart_proxy_relay_errors_total", kind="timeout"), 0)


class HandOver(Base):
    def test_progress(self):
        core = self.enterContext(CoreService(self.folder / "core", self.foreman.url))
        proxy = self.enterContext(SmartProxy(self.folder / "moving", self.foreman.url, external_core=True, core_url=core.url))
        old = self.launch(proxy.http, "PeerOps::LocalScript", script="sleep 300")
        self.assertEqual(proxy.http.post("/dynflow/mode", {"action": "begin", "external_core": False}).status, 200)
        wait_until(lambda: Scrape(proxy.http.get("/metrics"))("smart_proxy_dynflow_handover_unfinished_tasks", -1) == 1, "the task to be counted")
        now = Scrape(proxy.http.get("/metrics"))
        self.assertEqual(now("smart_proxy_dynflow_mode", mode="hand-over to in-process"), 1)
        self.assertIn("dynflow_plans", now.families)
        self.assertIn("smart_proxy_relay_circuit", now.families)
        proxy.http.post(f"/dynflow/tasks/{old}/cancel")
        wait_until(lambda: Scrape(proxy.http.get("/metrics"))("smart_proxy_dynflow_mode", mode="in-process") == 1, "the end of the hand-over", 60)
        self.assertNotIn("smart_proxy_dynflow_handover_unfinished_tasks", Scrape(proxy.http.get("/metrics")).families)


class Readers(Base):
    def test_metrics_hosts_may_read_and_nothing_else(self):
        pki = Pki(self.folder / "pki")
        settings = {"trusted_hosts": ["foreman.example.com"], "metrics_hosts": ["evil.example.com"]}
        proxy = self.enterContext(SmartProxy(self.folder / "strict", self.foreman.url, external_core=False, identity=pki.proxy, ca=pki.ca.cert, settings=settings))
        Scrape(proxy.https(pki.evil).get("/metrics"))
        Scrape(proxy.https(pki.foreman).get("/metrics"))
        self.assertEqual(proxy.https(pki.evil).get("/dynflow/metrics").status, 403)
        self.assertEqual(proxy.https(pki.evil).get("/dynflow/tasks/count").status, 403)
        self.assertEqual(proxy.https().get("/metrics").status, 403)
        self.assertEqual(proxy.http.get("/metrics").status, 403)
        file = proxy.config / "settings.yml"
        file.write_text(file.read_text(encoding="utf-8").replace("evil.example.com", "another.example.com"), encoding="utf-8")
        proxy.reload()
        proxy.wait_for_log("The settings were read again")
        self.assertEqual(proxy.https(pki.evil).get("/metrics").status, 403)


class Many(Base):
    def test_a_look_is_cheap_with_a_hundred_thousand_plans(self):
        database = self.folder / "many.db"
        options = {"external_core": False, "dynflow": {"database": database}}

        def cost(proxy, rounds=40):
            before = proxy.cpu_seconds()
            for _ in range(rounds):
                now = Scrape(proxy.http.get("/metrics"))
            return (proxy.cpu_seconds() - before) / rounds, now

        with SmartProxy(self.folder / "many", self.foreman.url, **options) as proxy:
            few, _ = cost(proxy)
        with sqlite3.connect(database) as store:
            store.execute("INSERT INTO plans (id, label, state, result, root_plan_step_id, run_flow, finalize_flow, started_at, ended_at, execution_time, real_time,"
                          " history, request_digest, caller_plan_id, resting_since) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                          " SELECT 'plan-' || i, 'x', 'stopped', 'success', 0, '[\"C\"]', '[\"S\"]', 1, 2, 0, 0, '', '', '', 4000000000000000 FROM n")
        store.close()
        with SmartProxy(self.folder / "many", self.foreman.url, **options) as proxy:
            many, now = cost(proxy)
        self.assertEqual(now("dynflow_plans", state="stopped"), 100_000)
        self.assertLess(many, 3 * few + 0.005)


if __name__ == "__main__":
    unittest.main()
