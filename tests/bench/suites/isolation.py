"""How long `GET /version` and `/features` take while jobs run: in-process, and with the jobs in the core service.

Foreman's way: a new connection for each request, one every 10 ms. Candidates and loads alternate in one run."""

import http.client
import json
import os
import threading
import time
import uuid

from foreman import Foreman
from programs import CoreService, SmartProxy

from .measure import cpu_seconds, going_first, percentile

EVERY = 0.01
# Figures of the Ruby proxies on a quiet machine of 2 cores: idle, and while a batch of 1,000 jobs ran (one request every 20 ms).
RUBY = [("Ruby, in-process (smart_proxy_dynflow 0.9.4)", "idle", 4.52, 13.75, 19.8),
        ("Ruby, in-process (smart_proxy_dynflow 0.9.4)", "batch of 1,000 jobs", 32.17, 106.25, 294.0),
        ("Ruby, core service (0.3.3)", "idle", 3.84, 13.22, 17.8),
        ("Ruby, core service (0.3.3)", "batch of 1,000 jobs", 4.31, 14.78, 43.9)]


class Watch(threading.Thread):
    """Asks both paths in turn until stop(); seconds of each answer."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.took = []
        self.failed = 0
        self._over = threading.Event()

    def run(self):
        paths = ("/version", "/features")
        number = 0
        while not self._over.is_set():
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", paths[number % 2])
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status != 200
                connection.close()
            except OSError:
                self.failed += 1
            took = time.monotonic() - began
            self.took.append(took)
            number += 1
            self._over.wait(max(0.0, EVERY - took))

    def stop(self):
        self._over.set()
        self.join()


def launch(port, prefix, entries):
    body = json.dumps({"operation": "batch", "input": entries, "options": {}})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", f"{prefix}/tasks/launch", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"launch: {answer.status} {text[:300]}")


def count_of(port, prefix, state):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"{prefix}/tasks/count?state={state}")
    number = json.loads(connection.getresponse().read())["count"]
    connection.close()
    return number


def run_jobs(port, count, entry):
    """Launches `count` jobs in batches of 1,000 and waits until none runs."""
    for begin in range(0, count, 1000):
        launch(port, "/dynflow", {str(uuid.uuid4()): entry for _ in range(min(1000, count - begin))})
    while count_of(port, "/dynflow", "all") != count_of(port, "/dynflow", "stopped"):
        time.sleep(0.05)


def script(text):
    return {"action_class": "PeerOps::LocalScript", "action_input": {"script": text, "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}


NOOP = {"action_class": "PeerOps::Noop", "action_input": {"callback": {"task_id": "t", "step_id": 3}}}
LOADS = {
    "idle": lambda port: time.sleep(3),
    "1,000 jobs (a child process each)": lambda port: run_jobs(port, 1000, script("echo x")),
    "10,000 jobs (a child process each)": lambda port: run_jobs(port, 10_000, script("echo x")),
    "no-op tasks without pause, 5 s": lambda port: without_pause(port, 5),
    "4 runners that only compute, 5 s": lambda port: run_jobs(port, 4, script("end=$(($(date +%s)+5)); while [ $(date +%s) -lt $end ]; do i=0; "
                                                                            "while [ $i -lt 20000 ]; do i=$((i+1)); done; done")),
}


def without_pause(port, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run_jobs(port, 1000, NOOP)


def run(folder, rounds):
    quiet = {"log_level": "ERROR"}
    rows = []
    with Foreman() as foreman, \
            CoreService(folder / "core", foreman.url, settings={"database": folder / "core.sqlite", **quiet}) as core, \
            SmartProxy(folder / "outside", foreman.url, external_core=True, core_url=core.url, settings=quiet) as outside, \
            SmartProxy(folder / "inside", foreman.url, external_core=False, settings=quiet, dynflow={"database": folder / "inside.sqlite"}) as inside:
        candidates = {"in-process": (inside, [inside.process.pid]), "core service": (outside, [outside.process.pid, core.process.pid])}
        with going_first(os.getpid(), *(pid for _, pids in candidates.values() for pid in pids)) as is_first:
            seen = {}
            for number in range(rounds):
                for load, work in LOADS.items():
                    if number > 0 and load.startswith("10,000"):
                        continue  # once is enough, it has a thousand samples
                    for name, (proxy, pids) in candidates.items():
                        watch = Watch(proxy.port)
                        before = cpu_seconds(*pids)
                        watch.start()
                        work(proxy.port)
                        watch.stop()
                        took, failed, cpu = seen.setdefault((name, load), ([], [], []))
                        took += watch.took
                        failed.append(watch.failed)
                        cpu.append(cpu_seconds(*pids) - before)
        idle = {name: [percentile(seen[name, "idle"][0], share) for share in (0.5, 0.99)] for name in candidates}
        for load in LOADS:
            for name in candidates:
                took, failed, cpu = seen[name, load]
                half, most = percentile(took, 0.5), percentile(took, 0.99)
                rows.append([name, load, len(took), *(f"{value * 1000:.2f}" for value in (half, most, max(took))),
                             f"{half / idle[name][0]:.1f}", f"{most / idle[name][1]:.1f}", sum(failed), f"{sum(cpu):.1f}"])
    for name, load, half, most, longest in RUBY:
        rows.append([name, load, "", f"{half:.2f}", f"{most:.2f}", f"{longest:.1f}", "", "", "", ""])
    yield {"title": "GET /version and /features while jobs run, a new connection each",
           "columns": ["mode", "meanwhile", "requests", "p50 ms", "p99 ms", "max ms", "p50 x idle", "p99 x idle", "failed", "CPU s of the programs"],
           "rows": rows, "notes": ["The Ruby rows are constants from an earlier, quiet machine.",
                                    "The programs and this client went before other sessions on the machine." if is_first else
                                    "The programs shared the machine with whatever else ran."]}
