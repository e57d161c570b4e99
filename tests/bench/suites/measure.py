"""What every suite measures with: CPU of process trees, wrk, percentiles."""

import os
import re
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and all its descendants."""
    pids = [pid]
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for text in child.read_text(encoding="ascii").split():
                pids += tree(int(text))
        except OSError:
            pass
    return pids


def cpu_seconds(*pids):
    """User and system time of the processes and their living descendants."""
    total = 0
    for pid in {p for root in pids for p in tree(root)}:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


@contextmanager
def going_first(*pids):
    """For latencies on a machine that is not quiet: puts the sessions of these processes before those of others, where the kernel groups
    processes by session and lets us, and back at the end. Within a session nothing changes. Yields whether it could be done."""
    before = {}
    try:
        for pid in pids:
            group = Path(f"/proc/{pid}/autogroup")
            before[group] = group.read_text(encoding="ascii").split()[-1]
            group.write_text("-20", encoding="ascii")
    except OSError:
        yield False
    else:
        yield True
    finally:
        for group, niceness in before.items():
            with suppress(OSError):
                group.write_text(niceness, encoding="ascii")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds(seconds):
    return f"{seconds * 1000:.2f}"


class Load:
    """One run of wrk: requests, requests per second, latencies in seconds, errors."""

    UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

    def __init__(self, url, connections, seconds, headers=()):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        for header in headers:
            command += ["-H", header]
        self.text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
        self.requests = int(self._find(r"(\d+) requests in"))
        self.per_second = float(self._find(r"Requests/sec:\s+([\d.]+)"))
        self.p50 = self._time(r"\s50%\s+([\d.]+)(us|ms|s)")
        self.p99 = self._time(r"\s99%\s+([\d.]+)(us|ms|s)")
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", self.text)
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", self.text)
        self.errors = (int(failed.group(1)) if failed else 0) + (sum(map(int, sockets.groups())) if sockets else 0)

    def _find(self, pattern):
        found = re.search(pattern, self.text)
        if not found:
            raise RuntimeError(f"wrk said:\n{self.text}")
        return found.group(1)

    def _time(self, pattern):
        number, unit = re.search(pattern, self.text).groups()
        return float(number) * self.UNITS[unit]


def compare(candidates, connections, rounds, seconds=2, headers=()):
    """candidates: {name: (url, pids)}. Rounds alternate over them. {name: {cpu_us, p50, p99, per_second, errors}}:
    the median round by CPU, the best round by throughput."""
    seen = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, (url, pids) in candidates.items():
            before = cpu_seconds(*pids)
            load = Load(url, connections, seconds, headers)
            seen[name].append(((cpu_seconds(*pids) - before) / load.requests * 1e6, load))
            time.sleep(0.1)
    results = {}
    for name, runs in seen.items():
        runs.sort(key=lambda run: run[0])
        cpu, _ = runs[len(runs) // 2]
        best = max((load for _, load in runs), key=lambda load: load.per_second)
        results[name] = {"cpu_us": cpu, "p50": best.p50, "p99": best.p99, "per_second": best.per_second,
                         "errors": sum(load.errors for _, load in runs)}
    return results


def rows_of(results, connections, peer):
    """Table rows, with the ratio of CPU to the peer's."""
    base = results[peer]["cpu_us"]
    return [[name, connections, f"{r['cpu_us']:.1f}", f"{r['cpu_us'] / base:.2f}", milliseconds(r["p50"]),
             milliseconds(r["p99"]), f"{r['per_second']:.0f}", r["errors"]] for name, r in results.items()]


COLUMNS = ["what", "connections", "CPU us/request", "x peer", "p50 ms", "p99 ms", "requests/s", "errors"]
