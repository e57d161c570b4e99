"""Job queues that others published, run by tests/bench/peers/queue.mjs. Installed with npm into a cache folder at the first use."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .stores import run_measured

SOURCE = Path(__file__).resolve().parents[1] / "peers"


class Unreachable(RuntimeError):
    """The peers cannot be installed here; the text says why, in one line."""


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/tmp"), ".cache")
    return Path(base, "dynflow-bench-peers")


def install():
    """The folder with the peers and their own Node. Touches the network only when package.json has changed."""
    folder = cache()
    wanted = (SOURCE / "package.json").read_text(encoding="utf-8")
    installed = folder / "installed.json"
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return folder
    if shutil.which("npm") is None:
        raise Unreachable("there is no npm")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(wanted, encoding="utf-8")
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, capture_output=True,
                              text=True, check=False, timeout=600, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise Unreachable("npm install did not end within 10 minutes") from error
    if done.returncode != 0:
        raise Unreachable("npm install: " + " ".join((done.stderr or done.stdout).split())[:200])
    installed.write_text(wanted, encoding="utf-8")
    return folder


def run(store, queue, count, where):
    """What the peer measured of itself: {"count", "seconds", "cpu_seconds", "alone_ms"}, and "server_seconds" of the store."""
    folder = install()
    return run_measured(store, [folder / "node_modules/.bin/node", SOURCE / "queue.mjs", queue, count, where], 600, folder)


def versions():
    """{"plainjob": "0.0.14", ...}"""
    return json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))["dependencies"]
