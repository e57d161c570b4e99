#!/usr/bin/env python3
"""Replays recorded exchanges of the Ruby systems against our programs and compares every answer and callback.

    conformance.py --mode in_process|external|core [--recording NAME] [--only GLOB] [--logs]
    conformance.py --check-documents | --write-documents
"""

import argparse
import base64
import fnmatch
import json
import sys
import time
from pathlib import Path

from compare import compare_answers, compare_callbacks, Ids, TOKEN
from expected import Expected, PAGE, page, text_of
from stand import Site

HERE = Path(__file__).resolve().parent

RUNS = {
    "in_process": ["modern", "legacy-inprocess"],
    "external": ["modern", "legacy-external"],
    "core": ["modern"],
}
FINISHED = ("stopped", "paused")
TASK_DEADLINE = 60.0
MOMENT_DEADLINE = 15.0
SILENCE = 1.5


def load(recording):
    exchanges = json.loads((HERE / "recorded" / f"{recording}.json").read_text(encoding="utf-8"))
    for one in exchanges:
        one["name"] = one["name"].split("-", 1)[1]
    return exchanges


class Replay:
    def __init__(self, site, mode, recording, expected):
        self.site = site
        self.mode = mode
        self.recording = recording
        self.expected = expected
        self.ids = Ids()
        self.launched = []  # Foreman's task ids of the last launch
        self.failures = []
        self.replayed = 0

    # From the recording to here.

    def path(self, recorded):
        path = self.ids.rewrite(recorded)
        if self.mode != "core":
            return path
        return path[len("/dynflow"):] if path.startswith("/dynflow/") else None

    def headers(self, recorded):
        headers = dict(recorded)
        scheme, _, secret = headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            plain = base64.b64decode(secret).decode()
            self.learn_password(*plain.partition(":")[::2])
            plain = self.ids.rewrite(plain)
            headers["Authorization"] = "Basic " + base64.b64encode(plain.encode()).decode()
        return headers

    def learn_password(self, recorded_user, recorded_password):
        """The recording client had read some one-time passwords in answers that it did not record."""
        if not TOKEN.fullmatch(recorded_password) or self.ids.knows(recorded_password):
            return
        client, path = self.site.client(None), self.path(f"/dynflow/tasks/{recorded_user}/status")
        self.await_output(client, path)
        answer = client.get(path)
        for action in answer.json().get("actions", []):
            if action["output"].get("otp"):
                self.ids.match(recorded_password, action["output"]["otp"])

    def localized(self, value):
        """A recorded value with our addresses in it."""
        return json.loads(self.site.here(json.dumps(value)))

    # One exchange.

    def play(self, exchange):
        name = exchange["name"]
        if "callbacks" in exchange:
            self.finish(name, self.callbacks(self.localized(exchange["callbacks"])))
            return
        request = exchange["request"]
        client = self.site.client(request["client_cert"])
        path = self.path(request["path"])
        if client is None or path is None:
            return
        body = request["body"]
        if body is not None:
            self.ids.keep(body)
            body = self.site.here(self.ids.rewrite(body)).encode("utf-8")
            if "/launch" in path or path.rstrip("/").endswith("/tasks"):
                self.note_launch(body)
        if path.endswith("/cancel") and exchange["response"]["body"].get("json", {}).get("canceled_steps_count"):
            self.await_output(client, path.replace("/cancel", "/status"))

        def ask():
            return client.request(request["method"], path, body=body, headers=self.headers(request["headers"]))

        self.finish(name, self.settled(name, self.localized(exchange["response"]), ask))

    def note_launch(self, body):
        try:
            text = json.dumps(json.loads(body))
        except ValueError:
            return
        self.launched = []

        def collect(found):
            if "callback" in found:
                self.launched.append(found["callback"]["task_id"])
            return found

        json.loads(text, object_hook=collect)

    def settled(self, name, recorded, ask):
        """Differences of an answer. What is asked about tasks is asked again until the task is as far as it was."""
        is_status = "status" in name and recorded["status"] == 200
        is_running = name.endswith(("-running", "-suspended", "-updated"))
        deadline = time.monotonic() + (TASK_DEADLINE if is_status and not is_running else MOMENT_DEADLINE)
        before = self.ids.snapshot()
        while True:
            answer = ask()
            differences = compare_answers(recorded, answer, self.ids, loose=name.endswith("-running"))
            if not is_status or time.monotonic() > deadline:
                return differences
            if is_running:
                if not self.expected.unlisted(self.mode, self.recording, name, differences, count=False):
                    return differences
            elif self.all_finished(answer):
                return differences
            self.ids.restore(before)
            time.sleep(0.05)

    @staticmethod
    def all_finished(answer):
        try:
            document = answer.json()
        except ValueError:
            return True
        if not isinstance(document, dict):
            return True
        tasks = [document] if "state" in document else [one for one in document.values() if isinstance(one, dict)]
        return all(one.get("state", "stopped") in FINISHED for one in tasks)

    def await_output(self, client, path):
        """Until the task has said something, or waits for an event: the recording client had slept."""
        deadline = time.monotonic() + MOMENT_DEADLINE
        while time.monotonic() < deadline:
            answer = client.get(path)
            if answer.status != 200:
                return
            for action in answer.json().get("actions", []):
                output = action.get("output") or {}
                if output.get("result") or output.get("otp") or "runner_id" in output and "Script" not in action["class"]:
                    return
            time.sleep(0.05)

    def callbacks(self, recorded):
        """Callbacks of the tasks launched last: as many as were recorded; none means silence."""
        wanted = sum(len(one["body"].get("callbacks", [0])) for one in recorded)
        deadline = time.monotonic() + (TASK_DEADLINE if wanted else SILENCE)
        while True:
            received = []
            for one in self.site.foreman.received():
                headers = {key.lower(): value for key, value in one.headers}
                for entry in one.json().get("callbacks", [one.json()]):
                    if entry["callback"]["task_id"] in self.launched:
                        received.append((headers, one.path, entry))
            if (wanted and len(received) >= wanted) or time.monotonic() > deadline:
                return compare_callbacks(recorded, received, self.ids)
            time.sleep(0.05)

    def finish(self, name, differences):
        self.replayed += 1
        for difference in self.expected.unlisted(self.mode, self.recording, name, differences):
            self.failures.append((name, difference))


def shown(value):
    text = "nothing" if value is None else text_of(value)
    return text if len(text) <= 300 else text[:300] + "..."


def run(mode, recording, only, with_logs):
    """True when every difference is listed."""
    expected = Expected()
    with Site(mode) as site:
        replay = Replay(site, mode, recording, expected)
        for exchange in load(recording):
            if fnmatch.fnmatchcase(exchange["name"], only):
                try:
                    replay.play(exchange)
                except OSError as error:
                    replay.failures.append((exchange["name"], ("connection", None, str(error))))
        if with_logs:
            print(site.logs())
    for name, (path, recorded, ours) in replay.failures:
        print(f"{mode} / {recording} / {name}: {path}\n    recorded: {shown(recorded)}\n    ours:     {shown(ours)}")
    stale = expected.stale() if only == "*" else []
    for what in stale:
        print(f"{mode} / {recording}: listed in expected_differences.json, but no longer so: {what}")
    print(f"{mode} / {recording}: {replay.replayed} exchanges, {len(replay.failures)} unlisted difference(s), "
          f"{len(stale)} stale rule(s)", flush=True)
    return not replay.failures and not stale


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=sorted(RUNS))
    parser.add_argument("--recording", help="only this one of the mode's recordings")
    parser.add_argument("--only", default="*", help="only exchanges whose name matches; they may need earlier ones")
    parser.add_argument("--logs", action="store_true", help="print what our programs logged")
    parser.add_argument("--check-documents", action="store_true", help="is docs/compatibility.md made from the list?")
    parser.add_argument("--write-documents", action="store_true", help="make docs/compatibility.md")
    options = parser.parse_args()
    if options.write_documents:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if options.check_documents:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
            print(f"{PAGE.name} is not what the list says: run conformance.py --write-documents")
            return 1
        return 0
    if not options.mode:
        parser.error("--mode, --check-documents or --write-documents")
    recordings = [one for one in RUNS[options.mode] if options.recording in (None, one)]
    results = [run(options.mode, recording, options.only, options.logs) for recording in recordings]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
