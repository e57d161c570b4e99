#!/usr/bin/env python3
"""Plays Foreman: launches a script job through the proxy's real API, shows its output as it comes, takes the callback.

Exit status 0 when the job ended with 0 and its callback arrived, else 1. Python's standard library only.
"""

import argparse
import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLBACK_PATH = "/foreman_tasks/api/tasks/callback"

SCRIPT = """#!/bin/sh
echo "Hello from $(hostname), I am $(id -un)"
for i in 1 2 3; do
  echo "step $i of 3"
  sleep 1
done
echo "this line goes to standard error" >&2
echo "done"
"""


def show(text):
    print(text, flush=True)


class Callbacks:
    """What reached us, by Foreman task id. Threads: all methods may be called from any."""

    def __init__(self):
        self._changed = threading.Condition()
        self._data = {}

    def add(self, document):
        entries = document.get("callbacks") or [document]
        with self._changed:
            for entry in entries:
                self._data[entry["callback"]["task_id"]] = entry["data"]
            self._changed.notify_all()

    def wait_for(self, task_id, timeout):
        with self._changed:
            self._changed.wait_for(lambda: task_id in self._data, timeout)
            return self._data.get(task_id)


def serve(port, callbacks):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.split("?")[0].replace("//", "/") != CALLBACK_PATH:
                self.answer(404, {"error": "unknown path"})
                return
            callbacks.add(json.loads(body))
            self.answer(200, {"message": "processing"})

        def answer(self, status, document):
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def request(proxy, method, path, document=None):
    """The answer's JSON. Answers other than 2xx are shown and end the demo."""
    body = json.dumps(document).encode() if document is not None else None
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(proxy + path, body, headers, method=method), timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"  {method} {path} -> {error.code} {error.read().decode(errors='replace')[:400]}")
    except OSError as error:
        sys.exit(f"  {method} {path}: {error}")


def job(options, plan_id, task_id):
    """The document that Foreman sends for one host."""
    return {
        "operation": "ssh",
        "input": {plan_id: {
            "action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript",
            "action_input": {
                "hostname": options.ssh_host, "ssh_port": options.ssh_port, "ssh_user": options.ssh_user,
                "effective_user": options.ssh_user, "effective_user_method": "sudo", "script": SCRIPT,
                "execution_timeout_interval": 60, "first_execution": True, "cleanup_working_dirs": True,
                "remote_working_dir": options.remote_dir, "proxy_operation_name": "ssh",
                "secrets": {"ssh_password": None, "key_passphrase": None, "effective_user_password": None},
                "callback": {"task_id": task_id, "step_id": 3}}}},
        "options": {}}


def output_of(status, task_id):
    """The output of the action that runs our task."""
    for action in status.get("actions") or []:
        if (action.get("input") or {}).get("task_id") == task_id:
            return action.get("output") or {}
    return {}


def follow(options, plan_id, task_id):
    """Shows chunks as they come until the task has ended; its last output."""
    shown = 0
    deadline = time.monotonic() + options.timeout
    while time.monotonic() < deadline:
        status = request(options.proxy, "GET", f"/dynflow/tasks/{plan_id}/status")
        output = output_of(status, task_id)
        for chunk in (output.get("result") or [])[shown:]:
            shown += 1
            for line in chunk["output"].splitlines():
                show(f"  {chunk['output_type']:>6} | {line}")
        if status.get("state") in ("stopped", "paused"):
            return output
        time.sleep(0.3)
    sys.exit(f"  the job did not end within {options.timeout:g} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxy", required=True, help="URL of the proxy")
    parser.add_argument("--port", type=int, required=True, help="where Foreman's callback route listens")
    parser.add_argument("--ssh-host", default="127.0.0.1")
    parser.add_argument("--ssh-port", type=int, required=True)
    parser.add_argument("--ssh-user", required=True)
    parser.add_argument("--remote-dir", default="/var/tmp")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--serve", metavar="FILE", help="make FILE after the job and go on taking callbacks")
    options = parser.parse_args()

    callbacks = Callbacks()
    serve(options.port, callbacks)
    show(f"  features of the proxy: {', '.join(request(options.proxy, 'GET', '/features'))}")

    plan_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    launched = request(options.proxy, "POST", "/dynflow/tasks/launch", job(options, plan_id, task_id))
    show(f"  POST /dynflow/tasks/launch -> {json.dumps(launched.get(plan_id, launched))}")
    output = follow(options, plan_id, task_id)
    show(f"  exit status: {output.get('exit_status')}")

    data = callbacks.wait_for(task_id, 30)
    if data is None:
        sys.exit("  no callback arrived")
    show(f"  callback received: POST {CALLBACK_PATH} with exit_status {data.get('exit_status')} and "
         f"{len(data.get('result') or [])} chunks of output")
    if str(data.get("exit_status")) != "0":
        sys.exit(1)
    if options.serve:
        with open(options.serve, "w", encoding="utf-8"):
            pass
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
