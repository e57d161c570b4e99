#!/usr/bin/env python3
"""A stand-in for the Ruby sidecar: it answers as one was recorded to (tests/conformance/recorded_wire), head for head and
document for document, with the ids and times of what it was asked. Its jobs do nothing but last; then it calls Foreman back.

As a program: recorded_sidecar.py CONFIG_DIR, whose settings.yml names port and Foreman as the Ruby sidecar's does.
"""

import copy
import json
import re
import signal
import sys
import threading
import time
import urllib.request
import uuid
from pathlib import Path

from bare_server import BareServer
from tap import Stream, read_message

RECORDED = Path(__file__).resolve().parents[1] / "conformance/recorded_wire/ruby_pair.json"
DURATION = re.compile(r"sleep ([0-9.]+)")


def recorded():
    """Exchanges by name."""
    return {one["name"]: one for one in json.loads(RECORDED.read_text(encoding="utf-8"))["exchanges"]}


def answer_bytes(exchange, body, text=None):
    """The recorded answer with another body; `text`: of a page."""
    response = exchange["response"]
    data = (text if text is not None else body).encode("utf-8")
    lines = [response["line"]]
    lines += [f"Content-Length: {len(data)}" if line.startswith("Content-Length:") else line for line in response["headers"]]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Task:
    def __init__(self, key, entry, parent):
        self.id = str(uuid.uuid4())  # of its own making, as the Ruby one's
        self.key = key
        self.entry = entry
        self.parent = parent
        self.ends = time.monotonic() + sum(float(number) for number in DURATION.findall(entry["action_input"]["script"]))
        self.status = "running"  # the recorded documents' names: running, stopped, cancelled


class RecordedSidecar(BareServer):
    """Threads: all methods may be called from any."""

    def __init__(self, foreman_url, port=0):
        self.foreman_url = foreman_url
        self.exchanges = recorded()
        self.tasks = {}
        self.requests = []  # (request line, headers, body)
        self._lock = threading.Condition()
        self._is_over = False
        threading.Thread(target=self._run, daemon=True).start()
        super().__init__(port)

    def stop(self):
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        super().stop()

    # Jobs.

    def _run(self):
        while True:
            with self._lock:
                if self._is_over:
                    return
                now = time.monotonic()
                ended = [task for task in self.tasks.values() if task.status == "running" and task.ends <= now]
                if not ended:
                    self._lock.wait(0.05)
                    continue
            for task in ended:
                self._end(task, "stopped")

    def _end(self, task, status):
        """The plan ends when Foreman has answered, as the recorded one's."""
        document = self._document(task, status)
        output = document["actions"][0]["output"]
        example = self.exchanges[f"callback-{status}"]["request"]
        headers = dict(line.split(": ", 1) for line in example["headers"] if not line.startswith(("Content-Length", "Host", "Connection")))
        body = dump({"callback": task.entry["action_input"]["callback"], "data": output}).encode("utf-8")
        path = example["line"].split()[1]
        urllib.request.urlopen(urllib.request.Request(self.foreman_url + path, body, headers), timeout=30).read()
        with self._lock:
            task.status = status

    def _document(self, task, status):
        document = json.loads(self.exchanges[f"status-{status}"]["response"]["body"])
        example = copy.deepcopy(document["actions"][0]["input"])
        recorded_id = document["id"]
        document = json.loads(json.dumps(document).replace(recorded_id, task.id))
        given = {name: value for name, value in task.entry["action_input"].items() if name != "callback"}
        added = {name: example[name] for name in ("callback_host", "current_request_id")}
        callback = task.entry["action_input"]["callback"]
        document["actions"][0]["input"] = {**given, **added, "task_id": callback["task_id"]}
        document["actions"][1]["input"]["callback"] = callback
        return document

    # Requests.

    def serve(self, connection):
        stream = Stream(connection)
        while True:
            head, body = read_message(stream, is_answer=False)
            if not head:
                return
            lines = head.decode("latin-1").split("\r\n")
            with self._lock:
                self.requests.append((lines[0], lines[1:-2], body.decode("utf-8", "replace")))
            method, target, _ = lines[0].split(" ")
            answer = self.answer(method, *target.partition("?")[::2], lines[1:], body)
            if method == "HEAD":
                answer = answer[:answer.index(b"\r\n\r\n") + 4]
            connection.sendall(answer)
            if b"\r\nconnection: close" in head.lower() or b"\r\nConnection: close" in answer:
                return

    def _as(self, name, body=None):
        exchange = self.exchanges[name]
        return answer_bytes(exchange, exchange["response"]["body"] if body is None else body)

    def answer(self, method, path, query, headers, body):
        if any(line.lower().rstrip() == "x-forwarded-host:" for line in headers):
            return self._as("empty-forwarded-host")
        if path.startswith("/console"):
            return self._console(path, headers)
        parts = path.strip("/").split("/")
        if method == "POST" and path == "/tasks/launch":
            return self._launch(json.loads(body))
        if method == "POST" and path == "/tasks/status":
            return self._states(json.loads(body))
        if path == "/tasks/count":
            return self._count(query)
        if path == "/tasks/operations":
            return self._as("operations")
        if len(parts) == 3 and parts[2] == "status":
            task = self.tasks.get(parts[1])
            return self._as("status-unknown") if task is None else self._as(f"status-{task.status}", dump(self._document(task, task.status)))
        if len(parts) == 3 and parts[2] == "cancel":
            return self._cancel(parts[1])
        return self._as("statuses" if method == "POST" else "unfinished")

    def _launch(self, document):
        if document["operation"] != "ssh":
            return self._as("launch-unknown-operation", dump({"error": f"Unknown operation '{document['operation']}' requested."}))
        parent = str(uuid.uuid4())
        made = [Task(key, entry, parent) for key, entry in document["input"].items()]
        with self._lock:
            self.tasks.update((task.id, task) for task in made)
        return self._as("launch", dump({task.key: {"result": "success", "task_id": task.id} for task in made}))

    def _states(self, document):
        result = {"running": "pending", "stopped": "success", "cancelled": "error"}
        with self._lock:
            known = [self.tasks[one] for one in document.get("task_ids", []) if one in self.tasks]
            rows = {task.id: {"state": "running" if task.status == "running" else "stopped", "result": result[task.status]} for task in known}
        return self._as("states-running", dump(rows))

    def _count(self, query):
        state = query.removeprefix("state=")
        with self._lock:
            running = [task for task in self.tasks.values() if task.status == "running"]
            counts = {"": len(self.tasks) + len({task.parent for task in self.tasks.values()}),
                      "running": len(running) + len({task.parent for task in running})}
            counts["stopped"] = counts[""] - counts["running"]
        return self._as("count-running", dump({"count": counts.get(state, 0), "state": state or "all"}))

    def _cancel(self, plan_id):
        task = self.tasks.get(plan_id)
        if task is None:
            return self._as("cancel-unknown")
        is_running = task.status == "running"
        if is_running:
            threading.Thread(target=self._end, args=(task, "cancelled"), daemon=True).start()
        return self._as("cancel", dump({"task_id": plan_id, "canceled_steps_count": int(is_running)}))

    def _console(self, path, headers):
        """A page of ours with links as the recorded one has them: with the host it was told, and without its mount."""
        told = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
        exchange = self.exchanges["console-redirect" if path == "/console/status" else "console-from-outside"]
        exchange = json.loads(json.dumps(exchange).replace("https://proxy.example.com:8443",
                                                           f"{told.get('x-forwarded-proto', 'http')}://{told.get('x-forwarded-host') or told['host']}"))
        if path == "/console/status":
            return answer_bytes(exchange, "")
        links = exchange["response"]["page"]["links"]
        return answer_bytes(exchange, "", "<html>" + "".join(f'<a href="{link}">x</a>' for link in links) + "</html>")


def main():
    settings = dict(re.findall(r"^:(\w+): *(.*?) *$", Path(sys.argv[1], "settings.yml").read_text(encoding="utf-8"), re.MULTILINE))
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with RecordedSidecar(settings["foreman_url"].strip('"'), int(settings["port"])):
        over.wait()


if __name__ == "__main__":
    main()
