"""Records the wire between the Ruby proxy and the Ruby sidecar: requests and answers, no code and no pages of theirs."""

import re
import shutil
import tempfile
from pathlib import Path

from foreman import Foreman
from live_stand import Job, launch, text_of, wait_until
from rest import Client
from ruby_systems import SOURCES, RubyProxy, RubySidecar
from sshd import Sshd
from tap import Tap, write

TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
LINK = re.compile(r'(?:href|action)="(https?://[^"]+)"')


class Recorder:
    def __init__(self, tap):
        self.tap = tap
        self.named = []

    def take(self, name, send, line=None):
        """The exchange that `send()` makes; `line`: how it starts, where others may come in between."""
        before = len(self.tap.exchanges())
        send()
        made = [one for one in self.tap.exchanges()[before:] if line is None or one["request"]["line"].startswith(line)]
        exchange = made[-1]
        body = exchange["response"]["body"]
        if "<html" in body[:600].lower():
            title = TITLE.search(body)
            links = sorted(set(LINK.findall(body)))
            exchange["response"]["page"] = {"title": title.group(1) if title else "", "links": links[:8]}
            exchange["response"]["body"] = ""
        self.named.append({"name": name, **exchange})


def record(sources, path):
    """Runs the Ruby pair and writes what went over the wire to the file `path`."""
    folder = Path(tempfile.mkdtemp(prefix="record-"))
    folder.chmod(0o755)
    try:
        with Foreman() as foreman, Sshd(folder / "sshd") as sshd, \
                RubySidecar(folder / "core", sources, foreman.url, sshd.client_key) as core, Tap(core.port) as tap, \
                RubyProxy(folder / "proxy", sources, foreman.url, sshd.client_key, external_core=True, core_url=tap.url) as proxy:
            rows = exchanges(Recorder(tap), proxy.http, Client(tap.url), foreman, sshd)
            write({"systems": {name: ref for name, (_, ref) in SOURCES.items()}, "exchanges": rows}, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exchanges(recorder, relayed, direct, foreman, sshd):
    take = recorder.take
    take("operations", lambda: relayed.get("/dynflow/tasks/operations"))
    take("count", lambda: relayed.get("/dynflow/tasks/count"))
    job = Job(sshd, "#!/bin/sh\necho begun\nsleep 300\n")
    take("launch", lambda: launch(relayed, [job]))
    status = f"/dynflow/tasks/{job.plan_id}/status"
    wait_until(lambda: "begun" in text_of(job.output_of(relayed.get(status).json())), "output", 30)
    take("status-running", lambda: relayed.get(status))
    take("states-running", lambda: relayed.post("/dynflow/tasks/status", {"task_ids": [job.plan_id, "nobody", None]}))
    take("count-running", lambda: relayed.get("/dynflow/tasks/count?state=running"))
    take("cancel", lambda: relayed.post(f"/dynflow/tasks/{job.plan_id}/cancel"))
    foreman.wait_for(1, job.task_id)
    wait_until(lambda: relayed.get(status).json()["state"] == "stopped", "the end", 30)
    take("status-cancelled", lambda: relayed.get(status))
    take("cancel-again", lambda: relayed.post(f"/dynflow/tasks/{job.plan_id}/cancel"))
    jobs = [Job(sshd, "#!/bin/sh\necho done\n") for _ in range(2)]
    take("launch-two", lambda: launch(relayed, jobs))
    for one in jobs:
        foreman.wait_for(1, one.task_id)
    status = f"/dynflow/tasks/{jobs[0].plan_id}/status"
    wait_until(lambda: relayed.get(status).json()["state"] == "stopped", "the end", 30)
    take("status-stopped", lambda: relayed.get(status))
    take("states-stopped", lambda: relayed.post("/dynflow/tasks/status", {"task_ids": [one.plan_id for one in jobs]}))
    take("states-none", lambda: relayed.post("/dynflow/tasks/status", {"task_ids": []}))
    take("status-unknown", lambda: relayed.get("/dynflow/tasks/nobody/status"))
    take("launch-unknown-operation", lambda: relayed.post("/dynflow/tasks/launch", {"operation": "nope", "input": {}}))
    take("update-without-token", lambda: relayed.post(f"/dynflow/tasks/{job.plan_id}/update", {"step_id": 2}))
    wrong = {"Content-Type": "application/json", "Authorization": "Basic bm9ib2R5Ondyb25n"}
    take("update-with-wrong-token", lambda: relayed.post(f"/dynflow/tasks/{job.plan_id}/update", {"step_id": 2}, wrong))
    take("console", lambda: relayed.get("/dynflow/console"))
    # What the Ruby proxy never sends, and our proxy does.
    outside = {"X-Forwarded-For": "proxy.example.com:8443", "X-Forwarded-Host": "proxy.example.com:8443", "X-Forwarded-Port": "8443",
               "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/dynflow"}
    take("console-from-outside", lambda: direct.get("/console", outside))
    take("console-redirect", lambda: direct.get("/console/status", outside))
    take("statuses", lambda: direct.post("/tasks/statuses", {"task_ids": [job.plan_id]}))
    take("unfinished", lambda: direct.get("/tasks/unfinished?limit=50"))
    take("empty-forwarded-host", lambda: direct.get("/tasks/count", {"X-Forwarded-Host": ""}))
    take("head", lambda: direct.request("HEAD", "/tasks/count"), "HEAD")
    take("no-json", lambda: relayed.post("/dynflow/tasks/launch", b"{"))
    take("cancel-unknown", lambda: relayed.post("/dynflow/tasks/nobody/cancel"))
    names = {job.task_id: "callback-cancelled", jobs[0].task_id: "callback-stopped"}
    callbacks = [{"name": names[one.json()["callback"]["task_id"]], "request": {"line": f"{one.method} {one.path} HTTP/1.1", "headers": [f"{key}: {value}" for key, value in one.headers],
                                                  "body": one.body.decode("utf-8")}} for one in foreman.received()
                 if one.json()["callback"]["task_id"] in names]
    return [*recorder.named, *callbacks]
