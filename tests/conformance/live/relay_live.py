"""One side of the relay is ours, the other Ruby's: the same things are asked of both pairs."""

import re
import unittest
from urllib.parse import urljoin

from live_stand import NEW_CLASS, Live, launch, text_of, wait_until
from programs import CoreService, SmartProxy
from ruby_systems import RubyProxy, RubySidecar


class Pair:
    """`proxy`: the one in front; `client`: of somebody who may ask. Classes say which is whose."""

    PLANS_OF_A_LAUNCH = 1  # that run while one job of it runs, beside the job's own

    def test_features(self):
        features = self.client.get("/features").json()
        self.assertLessEqual({"dynflow", "ssh"}, set(features))
        row = self.client.get("/v2/features").json()["dynflow"]
        self.assertEqual(row["state"], "running")
        self.assertIn("ssh", self.client.get("/dynflow/tasks/operations").json())

    def test_a_job_alone(self):
        job = self.job("echo hello\necho oops >&2\n")
        launch(self.client, [job])
        document = self.finished(self.client, job)
        self.assertEqual((document["state"], document["result"]), ("stopped", "success"), document)
        delivered = self.delivered(job)
        for output in (job.output_of(document), delivered.data):
            self.assertEqual(output["exit_status"], 0)
            self.assertIn("hello\n", text_of(output))
            self.assertIn("oops\n", text_of(output))
        self.assertEqual(delivered.step_id, 3)

    def test_a_batch(self):
        jobs = [self.job(f"echo number {number}\n") for number in range(8)]
        launch(self.client, jobs)
        self.assertEqual(len({job.plan_id for job in jobs}), 8)
        for number, job in enumerate(jobs):
            self.assertIn(f"number {number}\n", text_of(self.delivered(job).data))
        ids = [job.plan_id for job in jobs]
        states = self.client.post("/dynflow/tasks/status", {"task_ids": [*ids, "unknown", None]}).json()
        self.assertEqual(set(states), set(ids))
        for job in jobs:
            self.assertEqual(self.finished(self.client, job)["result"], "success")

    def test_a_script_that_fails(self):
        job = self.job("exit 3\n")
        launch(self.client, [job])
        self.assertEqual(self.delivered(job).data["exit_status"], 3)
        self.assertEqual(self.finished(self.client, job)["result"], "error")

    def test_live_output_counts_and_cancel(self):
        wait_until(lambda: self.client.get("/dynflow/tasks/count?state=running").json()["count"] == 0, "the end of all jobs")
        job = self.job("echo started\nsleep 300\necho never\n")
        launch(self.client, [job])
        wait_until(lambda: "started\n" in text_of(job.output_of(self.document(self.client, job))), "live output", 30)
        self.assertEqual(self.client.get("/dynflow/tasks/count?state=running").json(), {"count": 1 + self.PLANS_OF_A_LAUNCH, "state": "running"})
        states = self.client.post("/dynflow/tasks/status", {"task_ids": [job.plan_id]}).json()
        self.assertEqual(states, {job.plan_id: {"state": "running", "result": "pending"}})
        answer = self.client.post(f"/dynflow/tasks/{job.plan_id}/cancel")
        self.assertEqual(answer.json(), {"task_id": job.plan_id, "canceled_steps_count": 1})
        output = self.delivered(job).data
        self.assertNotEqual(output["exit_status"], 0)
        self.assertNotIn("never", text_of(output))
        self.finished(self.client, job)
        self.assertEqual(self.client.post(f"/dynflow/tasks/{job.plan_id}/cancel").json(), {"task_id": job.plan_id, "canceled_steps_count": 0})

    def test_what_nobody_knows(self):
        answer = self.client.get("/dynflow/tasks/unknown/status")
        self.assertEqual((answer.status, answer.json()), (404, {}))
        answer = self.client.post("/dynflow/tasks/launch", {"operation": "nope", "input": {}})
        self.assertEqual((answer.status, answer.json()), (404, {"error": "Unknown operation 'nope' requested."}))
        self.assertEqual(self.client.get("/dynflow/tasks/count?state=bogus").json(), {"count": 0, "state": "bogus"})
        self.assertEqual(self.client.post("/dynflow/tasks/status", {"task_ids": []}).json(), {})

    def test_request_ids_reach_the_core(self):
        self.client.get("/dynflow/tasks/count", {"X-Request-Id": "5eed1234-0000-0000-0000-000000000000"})
        self.core.wait_for_log("5eed1234")


class Plain:
    @classmethod
    def identity(cls):
        """Of the core; None: it speaks plain HTTP."""
        return None

    @classmethod
    def client_of_proxy(cls):
        return cls.proxy.http


class Certificates:
    """On both ways, as the installer of the time sets them up: one certificate for the proxy and its core."""

    @classmethod
    def identity(cls):
        return cls.pki.proxy

    @classmethod
    def client_of_proxy(cls):
        return cls.proxy.https(cls.pki.foreman)


class RubyPair(Pair, Live):
    """The measure: both sides are Ruby's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.core = cls.enterClassContext(RubySidecar(cls.folder / "core", cls.sources, cls.foreman.url, cls.sshd.client_key))
        cls.proxy = cls.enterClassContext(RubyProxy(cls.folder / "proxy", cls.sources, cls.foreman.url, cls.sshd.client_key, external_core=True,
                                                    core_url=cls.core.url))
        cls.client = cls.proxy.http


class OurProxyRubySidecar(Plain, Pair, Live):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        identity = cls.identity()
        cls.core = cls.enterClassContext(RubySidecar(cls.folder / "core", cls.sources, cls.foreman.url, cls.sshd.client_key,
                                                     identity=identity, ca=cls.pki.ca.cert))
        cls.proxy = cls.enterClassContext(SmartProxy(cls.folder / "proxy", cls.foreman.url, ssh_key=cls.sshd.client_key, external_core=True,
                                                     core_url=cls.core.url, identity=cls.pki.proxy, ca=cls.pki.ca.cert))
        cls.client = cls.client_of_proxy()

    def test_capabilities_are_those_of_the_core(self):
        wait_until(lambda: "ssh" in self.client.get("/v2/features").json()["dynflow"]["capabilities"], "the capability")

    def test_the_console_is_usable_from_outside(self):
        job = self.job("echo for the console\n")
        launch(self.client, [job])
        self.finished(self.client, job)
        for path, text in (("/dynflow/console", "Dynflow Console"), (f"/dynflow/console/{job.plan_id}", "for the console"),
                           ("/dynflow/console?filters[state][]=stopped", "stopped"), ("/dynflow/console/worlds", "List of worlds")):
            page = self.client.get(path)
            self.assertEqual(page.status, 200, page.text[:400])
            self.assertIn(text, page.text)
            links = [link for link in re.findall(r'(?:href|action|src)="([^"#]+)"', page.text) if not link.startswith("javascript:")]
            self.assertGreater(len(links), 5)
            for link in links:
                self.assertTrue(link.startswith("/dynflow/console/"), link)
            for link in set(links):
                if not re.search("resume|cancel|skip|ping|execute|check|status", link):
                    self.assertEqual(self.client.get(link.replace("&amp;", "&")).status, 200, link)
        answer = self.client.get("/dynflow/console/status")
        self.assertEqual((answer.status, answer.header("Location")), (302, "/dynflow/console/worlds"))


class OurProxyRubySidecarTls(Certificates, OurProxyRubySidecar):
    def test_strangers_stay_outside(self):
        for path in ("/dynflow/tasks/count", "/dynflow/console", "/dynflow/mode"):
            self.assertEqual(self.proxy.https().get(path).status, 403)
        # The core itself takes nobody but its proxy.
        self.assertEqual(type(self.core.http)(self.core.url, identity=self.pki.evil).get("/tasks/count").status, 403)


class HostsReportThroughUs(Live):
    """The sidecar runs scripts detached, and hosts tell their output and end to the proxy, with a password for their task."""

    def test_updates_from_the_host_reach_the_sidecar(self):
        with RubySidecar(self.folder / "core", self.sources, self.foreman.url, self.sshd.client_key, ssh={"async_ssh": True}) as core, \
                SmartProxy(self.folder / "proxy", self.foreman.url, ssh_key=self.sshd.client_key, external_core=True, core_url=core.url) as proxy:
            # The next look by the sidecar itself is a minute away.
            job = self.job("$CONTROL_SCRIPT manual-mode\necho from the host | $CONTROL_SCRIPT update\n$CONTROL_SCRIPT finish 4\n")
            launch(proxy.http, [job])
            data = self.delivered(job, timeout=40).data
            self.assertIn("from the host\n", text_of(data))
            self.assertEqual(data["exit_status"], 4)
            self.assertIn(f"POST /dynflow/tasks/{job.plan_id}/done", proxy.logs())


class RubyProxyOurCore(Plain, Pair, Live):
    PLANS_OF_A_LAUNCH = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        identity = cls.identity()
        cls.core = cls.enterClassContext(CoreService(cls.folder / "core", cls.foreman.url, cls.sshd.client_key, identity=identity, ca=cls.pki.ca.cert))
        cls.proxy = cls.enterClassContext(RubyProxy(cls.folder / "proxy", cls.sources, cls.foreman.url, cls.sshd.client_key, external_core=True,
                                                    core_url=cls.core.url, identity=cls.pki.proxy, ca=cls.pki.ca.cert))
        cls.client = cls.client_of_proxy()

    def test_the_class_name_of_later_foremans(self):
        job = self.job("echo new name\n", action_class=NEW_CLASS)
        launch(self.client, [job])
        self.assertIn("new name\n", text_of(self.delivered(job).data))

    def test_the_console(self):
        job = self.job("echo for the console\n")
        launch(self.client, [job])
        self.finished(self.client, job)
        for path, text in (("/dynflow/console", "Dynflow"), (f"/dynflow/console/{job.plan_id}", "for the console"), ("/dynflow/console/worlds", "Worlds")):
            page = self.client.get(path, {"Accept": "text/html"})
            self.assertEqual((page.status, page.header("Content-Type").lower().replace(" ", "")), (200, "text/html;charset=utf-8"), page.text[:200])
            self.assertIn(text, page.text)
            links = set(re.findall(r'href="([^"#]+)"', page.text))
            self.assertGreater(len(links), 1)
            for link in links:
                answer = self.client.get(urljoin(path, link.replace("&amp;", "&")))
                self.assertEqual(answer.status, 200, (path, link))

    def press_cancel(self, token=None):
        """The answer to the console's button, pressed with the token of its page or with another one."""
        job = self.job("sleep 100\n")
        launch(self.client, [job])
        path = f"/dynflow/console/{job.plan_id}"
        form = wait_until(lambda: re.search(r'action="([^"]+/cancel)".*?name="token" value="([^"]*)"', self.client.get(path).text, re.DOTALL), "the button", 30)
        answer = self.client.request("POST", urljoin(path, form.group(1)), f"token={token or form.group(2)}",
                                     {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example.com"})
        state = self.document(self.client, job)["state"]
        self.client.post(f"/dynflow/tasks/{job.plan_id}/cancel")
        self.delivered(job)
        return answer.status, state

    def test_buttons_of_the_console(self):
        self.assertEqual(self.press_cancel()[0], 303 if self.core.url.startswith("https") else 403)
        self.assertEqual(self.press_cancel("made-up"), (403, "running"))

    def test_statuses_in_bulk(self):
        job = self.job("echo many\n")
        launch(self.client, [job])
        self.finished(self.client, job)
        documents = self.client.post("/dynflow/tasks/statuses", {"task_ids": [job.plan_id]}).json()
        self.assertIn("many\n", text_of(job.output_of(documents[job.plan_id])))


class RubyProxyOurCoreTls(Certificates, RubyProxyOurCore):
    def test_strangers_stay_outside(self):
        self.assertEqual(self.proxy.https().get("/dynflow/tasks/count").status, 403)
        self.assertEqual(type(self.core.http)(self.core.url, identity=self.pki.evil).get("/tasks/count").status, 403)


if __name__ == "__main__":
    unittest.main()
