"""The engine: no-op tasks beside published job queues, and how each figure grows from 1 to 10 to 100 times the work."""

import json
import statistics
import subprocess
import time
from pathlib import Path

from foreman import Foreman
from programs import SmartProxy, binary

from . import peers, tasks
from .launch import batch, post, wait_until_idle
from .measure import milliseconds, percentile

JOBS = 5000
# What is measured in the engine's own process: name, what one of it is, counts.
GROWTH = [
    ("tasks", "no-op task", (1000, 10_000, 100_000)),
    ("events", "event -> run -> suspend", (1000, 10_000, 100_000)),
    ("parallel", "parallel step of one plan", (100, 1000, 10_000)),
    ("output", "line of output on one task", (1000, 10_000, 100_000)),
    ("suspended", "plan that waits", (1000, 10_000, 100_000)),
    ("clean", "row removed by the cleaner", (10_000, 100_000, 1_000_000)),
]


def driver(what, count, database):
    program = Path(binary("smart-proxy")).parents[1] / "tests/engine_driver"
    done = subprocess.run([str(program), what, str(count), str(database)], capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode != 0:
        raise RuntimeError(f"engine_driver {what}: {done.stderr[-400:]}")
    return json.loads(done.stdout)


def row_of(name, durable, runs, base):
    """The median by CPU; `base`: CPU of one job of the row that others are compared with."""
    run = sorted(runs, key=lambda r: r["cpu_seconds"])[len(runs) // 2]
    cpu = run["cpu_seconds"] / run["count"] * 1e6
    best = max(r["count"] / r["seconds"] for r in runs)
    return [name, durable, f"{cpu:.0f}", f"{cpu / base:.2f}", f"{best:.0f}"]


def median_cpu(runs):
    return statistics.median(r["cpu_seconds"] / r["count"] for r in runs) * 1e6


def beside_sqlite_queues(folder, rounds):
    ours_product, ours_engine = "smart-proxy: launch over HTTP to callback over HTTP", "engine as a library"
    safe, soon = "each commit synced", "may lose the last second with the power"
    candidates = {
        ours_product: (safe, lambda file: product(folder / f"proxy-{file.stem}", file)),
        ours_engine: (safe, lambda file: driver("tasks", JOBS, file)),
        "plainjob, synchronous=FULL": (safe, lambda file: peers.run("plainjob-full", JOBS, file)),
        "plainjob, as it comes": (soon, lambda file: peers.run("plainjob", JOBS, file)),
    }
    notes = ["A job of plainjob is stored, taken and marked as done; a task of ours is planned, has steps and a history, and in the first "
             "row Foreman is told."]
    try:
        peers.install()
    except peers.Unreachable as error:
        notes.append(f"Peers skipped: {error}.")
        candidates = {name: value for name, value in candidates.items() if not name.startswith("plainjob")}
    runs = {name: [] for name in candidates}
    for number in range(rounds):
        for index, (name, (_, measure)) in enumerate(candidates.items()):
            runs[name].append(measure(folder / f"{index}-{number}.sqlite"))
    base = median_cpu(runs["plainjob, synchronous=FULL" if len(candidates) > 2 else ours_engine])
    return {"title": f"{JOBS} no-op jobs on a SQLite file, beside plainjob {peers.versions()['plainjob']}",
            "columns": ["what", "promise", "CPU us/job", "x plainjob FULL", "jobs/s"],
            "rows": [row_of(name, candidates[name][0], runs[name], base) for name in candidates], "notes": notes}


def product(folder, database):
    """tasks.measure in the form of the driver's answer."""
    took, _, cpu, lost, _ = tasks.measure(folder.parent, folder.name, database)
    if lost:
        raise RuntimeError(f"{lost} callbacks did not come")
    return {"count": tasks.TASKS, "seconds": took, "cpu_seconds": cpu}


def growth(folder, rounds):
    rows = []
    for what, unit, counts in GROWTH:
        figures = {}
        for number in range(rounds):
            for count in counts:
                database = folder / f"{what}-{number}-{count}.sqlite"
                figures.setdefault(count, []).append(driver(what, count, database))
                for file in folder.glob(f"{what}-*"):
                    file.unlink()
        cpu = [median_cpu(figures[count]) for count in counts]
        memory = [statistics.median(run["memory_kib"] / run["count"] for run in figures[count]) for count in counts]
        best = max(run["count"] / run["seconds"] for run in figures[counts[-1]])
        rows.append([unit, counts[0], *(f"{figure:.1f}" for figure in cpu), f"{cpu[-1] / cpu[0]:.2f}", f"{memory[-1]:.2f}",
                     f"{best:.0f}"])
    return {"title": "Growth on a SQLite file: CPU us for one, when there are 1, 10 and 100 times as many",
            "columns": ["one", "1x is", "1x", "10x", "100x", "100x / 1x", "KiB each at 100x", "a second at 100x"], "rows": rows,
            "notes": ["Constant from left to right is linear. What the process does once, such as loading pages, is in the 1x column."]}


def stored(folder, rounds):
    """Documents and counts while more and more ended tasks are stored."""
    rows = []
    with Foreman() as foreman, SmartProxy(folder / "stored", foreman.url, external_core=False, settings={"log_level": "ERROR"},
                                          dynflow={"database": folder / "stored.sqlite"}) as proxy:
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
                times, before = [], proxy.cpu_seconds()
                repeats = 200 * rounds
                for number in range(repeats):
                    url = path or f"/dynflow/tasks/{kept[number * 7919 % len(kept)]}/status"
                    began = time.monotonic()
                    answer = proxy.http.get(url)
                    times.append(time.monotonic() - began)
                    if answer.status != 200:
                        raise RuntimeError(f"{url}: {answer.status}")
                figures += [f"{(proxy.cpu_seconds() - before) / repeats * 1e6:.0f}", milliseconds(percentile(times, 0.5))]
            rows.append([target, *figures])
    return {"title": "With ended tasks stored in a file, a new connection for each request",
            "columns": ["tasks", "count: CPU us", "p50 ms", "count?state=: CPU us", "p50 ms", "status: CPU us", "p50 ms"], "rows": rows}


def run(folder, rounds):
    yield beside_sqlite_queues(folder, rounds)
    yield growth(folder, rounds)
    yield stored(folder, rounds)
