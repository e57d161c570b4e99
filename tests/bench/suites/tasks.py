"""Whole no-op tasks: launch, plan, run, durable result, callback received by Foreman."""

import threading
import time

from bare_server import BareServer, requests_on
from programs import SmartProxy

from .launch import batch, post
from .measure import cpu_seconds

TASKS = 5000


class Sink(BareServer):
    """A Foreman that reads callbacks as fast as Python can: counts task ids, answers 200."""

    ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n"
              b'{"message":"processing"}')

    def __init__(self):
        self.count = 0
        self._lock = threading.Lock()
        super().__init__()

    def serve(self, connection):
        for _, body in requests_on(connection):
            with self._lock:
                self.count += body.count(b'"step_id"')
            connection.sendall(self.ANSWER)


def measure(folder, name, database, server_cpu=lambda: 0.0, singles=0):
    """`server_cpu`: what a database server has used so far. Also measures so many tasks that come alone, from the launch to the callback."""
    sink = Sink()
    with SmartProxy(folder / name, sink.url, external_core=False, settings={"log_level": "ERROR"},
                    dynflow={"database": database}) as proxy:
        post(proxy.port, batch(100))  # warm
        while sink.count < 100:
            time.sleep(0.01)
        before, server_before = cpu_seconds(proxy.process.pid), server_cpu()
        began = time.monotonic()
        for _ in range(TASKS // 100):
            post(proxy.port, batch(100))
        accepted = time.monotonic() - began
        deadline = began + 300
        while sink.count < TASKS + 100 and time.monotonic() < deadline:
            time.sleep(0.005)
        took = time.monotonic() - began
        cpu = cpu_seconds(proxy.process.pid) - before
        server = server_cpu() - server_before
        lost = TASKS + 100 - sink.count
        memory = proxy.memory_kib()
        alone = []
        for _ in range(singles):
            before_it, began = sink.count, time.monotonic()
            post(proxy.port, batch(1))
            while sink.count == before_it:
                time.sleep(0.0002)
            alone.append(time.monotonic() - began)
    sink.stop()
    return took, accepted, cpu, lost, memory, server, alone


def run(folder, rounds):
    best = {}
    for number in range(rounds):
        for name, database in (("memory", None), ("file", folder / f"tasks-{number}.sqlite")):
            result = measure(folder, f"{name}-{number}", database)
            if name not in best or result[0] < best[name][0]:
                best[name] = result
    rows = [[name, TASKS, f"{cpu / TASKS * 1e6:.0f}", f"{TASKS / took:.0f}", f"{TASKS / accepted:.0f}", lost,
             f"{memory / 1024:.0f}"] for name, (took, accepted, cpu, lost, memory, *_) in best.items()]
    yield {"title": "Whole no-op tasks, from launch to callback (batches of 100, one client)",
           "columns": ["store", "tasks", "CPU us/task", "tasks/s", "accepted/s", "callbacks lost", "memory MiB"],
           "rows": rows, "notes": ["The client that launches and the sink that counts share the two cores."]}
