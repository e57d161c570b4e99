"""The engine on both stores: no-op tasks beside published job queues; and how each figure grows from 1 to 10 to 100 times the work."""

import contextlib
import statistics
import time
from pathlib import Path

from foreman import Foreman
from programs import SmartProxy, binary

from . import peers, tasks
from .launch import batch, post, wait_until_idle
from .measure import milliseconds, percentile
from .stores import PostgresServer, SqliteFiles, run_measured

JOBS = 5000
SINGLES = 50  # jobs that come alone; as many as queue.mjs takes
# What is measured in the engine's own process: name, what one of it is, counts.
GROWTH = [
    ("tasks", "no-op task", (1000, 10_000, 100_000)),
    ("events", "event -> run -> suspend", (1000, 10_000, 100_000)),
    ("parallel", "parallel step of one plan", (1000, 10_000, 100_000)),
    ("output", "line of output on one task", (1000, 10_000, 100_000)),
    ("suspended", "plan that waits", (1000, 10_000, 100_000)),
    ("queued", "plan that waits for a place", (1000, 10_000, 100_000)),
    ("boot", "plan taken up at the start", (500, 5000, 50_000)),
    ("clean", "row removed by the cleaner", (10_000, 100_000, 1_000_000)),
]


def driver(store, what, count, database):
    program = Path(binary("smart-proxy")).parents[1] / "tests/engine_driver"
    return run_measured(store, [program, what, count, database], 1800)


def engine_alone(store, database):
    alone = driver(store, "alone", SINGLES, database)
    return {**driver(store, "tasks", JOBS, database), "alone_ms": alone["alone_ms"], "alone_p99_ms": alone["alone_p99_ms"]}


def product(store, folder, database):
    """tasks.measure in the form of the driver's answer."""
    took, _, cpu, lost, _, server, alone = tasks.measure(folder.parent, folder.name, database, store.cpu_seconds, SINGLES)
    if lost:
        raise RuntimeError(f"{lost} callbacks did not come")
    return {"count": tasks.TASKS, "seconds": took, "cpu_seconds": cpu, "server_seconds": server,
            "alone_ms": milliseconds(percentile(alone, 0.5)), "alone_p99_ms": milliseconds(percentile(alone, 0.99))}


def median_cpu(runs, *parts):
    return statistics.median(sum(run[part] for part in parts) / run["count"] for run in runs) * 1e6


BOTH = ("cpu_seconds", "server_seconds")


def beside(store, queues, folder, rounds):
    """No-op jobs of ours and of `queues` ({name: (promise, queue of queue.mjs)}, the first is what the others are compared with)."""
    safe = "each commit synced"
    peer = next(iter(queues))
    candidates = {
        "smart-proxy: launch over HTTP to callback over HTTP": (safe, lambda name, where: product(store, folder / f"proxy-{name}", where)),
        "engine as a library": (safe, lambda _, where: engine_alone(store, where)),
        **{name: (promise, lambda _, where, queue=queue: peers.run(store, queue, JOBS, where)) for name, (promise, queue) in queues.items()},
    }
    notes = ["A job of the peers is stored, taken and marked as done or removed; a task of ours is planned, has steps and a history, and "
             "in the first row Foreman is told. \"One alone\" is the time from adding one job to a waiting worker to its end; in the "
             "first row from the launch to the callback.",
             "Peers: " + ", ".join(f"{name} {version}" for name, version in peers.versions().items() if name != "node") + "."]
    try:
        peers.install()
    except peers.Unreachable as error:
        notes.append(f"Peers skipped: {error}.")
        peer = None
        candidates = {name: candidates[name] for name in list(candidates)[:2]}
    runs = {name: [] for name in candidates}
    for number in range(rounds):
        for index, (name, (_, measure)) in enumerate(candidates.items()):
            with store.database(f"jobs-{index}-{number}") as database:
                runs[name].append(measure(f"{index}-{number}", database))
    base = median_cpu(runs[peer or "engine as a library"], *BOTH)
    rows = []
    for name, seen in runs.items():
        cpu = median_cpu(seen, *BOTH)
        rows.append([name, candidates[name][0], f"{cpu:.0f}", f"{median_cpu(seen, 'cpu_seconds'):.0f}",
                     f"{median_cpu(seen, 'server_seconds'):.0f}", f"{cpu / base:.2f}",
                     *(f"{statistics.median(float(run[part]) for run in seen):.1f}" for part in ("alone_ms", "alone_p99_ms")),
                     f"{max(run['count'] / run['seconds'] for run in seen):.0f}"])
    return {"title": f"{JOBS} no-op jobs on {store.name}", "notes": notes, "rows": rows,
            "columns": ["what", "promise", "CPU us/job", "of the process", "of the server",
                        f"x {peer or 'engine as a library'}", "one alone, p50 ms", "p99 ms", "jobs/s"]}


def growth(store, rounds):
    rows = []
    for what, unit, counts in GROWTH:
        figures = {count: [] for count in counts}
        for number in range(rounds):
            for count in counts:
                with store.database(f"{what}-{number}-{count}") as database:
                    figures[count].append(driver(store, what, count, database))
        cpu = [median_cpu(figures[count], *BOTH) for count in counts]
        memory = [statistics.median(run["memory_kib"] / run["count"] for run in figures[count]) for count in counts]
        best = max(run["count"] / run["seconds"] for run in figures[counts[-1]])
        rows.append([unit, counts[0], *(f"{figure:.1f}" for figure in cpu), f"{cpu[-1] / cpu[0]:.2f}",
                     f"{median_cpu(figures[counts[-1]], 'server_seconds'):.1f}", f"{memory[-1]:.2f}", f"{best:.0f}"])
    return {"title": f"Growth on {store.name}: CPU us for one, when there are 1, 10 and 100 times as many",
            "columns": ["one", "1x is", "1x", "10x", "100x", "100x / 1x", "of the server at 100x", "KiB each at 100x", "a second at 100x"],
            "rows": rows,
            "notes": ["Constant from left to right is linear. What the process does once, such as loading pages, is in the 1x column."]}


def stored(store, folder, rounds):
    """Documents and counts while more and more ended tasks are stored."""
    rows = []
    with (store.database("stored") as database, Foreman() as foreman,
          SmartProxy(folder / "stored", foreman.url, external_core=False, settings={"log_level": "ERROR"},
                     dynflow={"database": database}) as proxy):
        kept = []
        for target in (1000, 10_000, 100_000):
            while len(kept) < target:
                more = batch(1000)
                for entry in more.values():
                    del entry["action_input"]["callback"]
                post(proxy.port, more)
                kept += more
            wait_until_idle(proxy)
            figures = []
            for path in ("/dynflow/tasks/count", "/dynflow/tasks/count?state=stopped", None):
                times = []
                before, before_server = proxy.cpu_seconds(), store.cpu_seconds()
                repeats = 200 * rounds
                for number in range(repeats):
                    url = path or f"/dynflow/tasks/{kept[number * 7919 % len(kept)]}/status"
                    began = time.monotonic()
                    answer = proxy.http.get(url)
                    times.append(time.monotonic() - began)
                    if answer.status != 200:
                        raise RuntimeError(f"{url}: {answer.status}")
                cpu = proxy.cpu_seconds() - before + store.cpu_seconds() - before_server
                figures += [f"{cpu / repeats * 1e6:.0f}", milliseconds(percentile(times, 0.5)), milliseconds(percentile(times, 0.99))]
            rows.append([target, *figures])
    return {"title": f"With ended tasks stored in {store.name}, a new connection for each request",
            "columns": ["tasks", *(column for what in ("count", "count?state=", "status")
                                   for column in (f"{what}: CPU us", "p50 ms", "p99 ms"))], "rows": rows}


ON_SQLITE = {"plainjob, synchronous=FULL": ("each commit synced", "plainjob-full"),
             "plainjob, as it comes": ("may lose the last second with the power", "plainjob")}
ON_POSTGRES = {"graphile-worker, as it comes": ("each commit synced", "graphile-worker"),
               "graphile-worker, in batches": ("each commit synced", "graphile-worker-batched"),
               "pg-boss, batches of 100": ("each commit synced", "pg-boss")}


def run(folder, rounds):
    """The suite `engine`."""
    yield beside(SqliteFiles(folder), ON_SQLITE, folder, rounds)
    with contextlib.closing(PostgresServer(folder / "postgres")) as server:
        yield beside(server, ON_POSTGRES, folder, rounds)


def run_stores(folder, rounds):
    """The suite `stores`."""
    with contextlib.closing(PostgresServer(folder / "postgres")) as server:
        for store in (SqliteFiles(folder), server):
            yield growth(store, rounds)
            yield stored(store, folder / store.name.split()[-1], rounds)
