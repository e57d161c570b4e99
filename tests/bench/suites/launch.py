"""POST /dynflow/tasks/launch of 1, 100 and 1,000 no-op tasks: time to the durable answer."""

import http.client
import json
import time
import uuid

from foreman import Foreman
from programs import SmartProxy

from .measure import cpu_seconds, milliseconds, percentile


def batch(count):
    return {str(uuid.uuid4()): {"action_class": "PeerOps::Noop",
                                "action_input": {"hostname": f"host{number}.example.com", "script": "true\n" * 20,
                                                 "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}
            for number in range(count)}


def post(port, tasks):
    body = json.dumps({"operation": "batch", "input": tasks, "options": {}})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.monotonic()
    connection.request("POST", "/dynflow/tasks/launch", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    took = time.monotonic() - began
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"launch: {answer.status} {text[:400]}")
    return took


def run(folder, rounds):
    rows = []
    with Foreman() as foreman:
        stores = {"memory": None, "file": folder / "file.sqlite"}
        proxies = {name: SmartProxy(folder / name, foreman.url, external_core=False, settings={"log_level": "ERROR"},
                                    dynflow={"database": database}) for name, database in stores.items()}
        for proxy in proxies.values():
            proxy.start()
        try:
            for count in (1, 100, 1000):
                times = {name: [] for name in proxies}
                cpu = dict.fromkeys(proxies, 0.0)
                repeats = rounds * (10 if count <= 100 else 3)
                for _ in range(repeats):
                    for name, proxy in proxies.items():
                        tasks = batch(count)
                        before = cpu_seconds(proxy.process.pid)
                        times[name].append(post(proxy.port, tasks))
                        wait_until_idle(proxy)
                        cpu[name] += cpu_seconds(proxy.process.pid) - before
                for name in proxies:
                    rows.append([name, count, f"{cpu[name] / repeats / count * 1e6:.0f}",
                                 milliseconds(percentile(times[name], 0.5)), milliseconds(max(times[name])),
                                 f"{count / percentile(times[name], 0.5):.0f}"])
        finally:
            for proxy in proxies.values():
                proxy.stop()
    yield {"title": "Launch: time to the durable answer",
           "columns": ["store", "tasks", "CPU us/task (whole task)", "p50 ms", "max ms", "tasks/s accepted"],
           "rows": rows}


def wait_until_idle(proxy):
    while True:
        running = proxy.http.get("/dynflow/tasks/count?state=running").json()["count"]
        planned = proxy.http.get("/dynflow/tasks/count?state=planned").json()["count"]
        if running + planned == 0:
            return
        time.sleep(0.02)
