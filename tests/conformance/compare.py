"""Compares a recorded answer with ours: field by field, key order and number kinds included, while ids are matched
up, and times and durations only have to be of the same kind.

A difference is a (path, recorded, ours) triple. Paths are dotted: `status`, `type`, `body.actions.0.input.script`;
an id that is a key is written <id>, what is missing on one side is None there.
"""

import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKEN = re.compile(UUID.pattern + r"|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")  # ids and one-time passwords
DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}")
# Places in recordings where their maker cut out a path of the recording machine.
CUT_PATH = "PATH"

# The action that newer Ruby proxies plan below RunScript.
SCRIPT_RUNNER = "Proxy::RemoteExecution::Ssh::Actions::ScriptRunner"

VOLATILE_NUMBERS = {"timestamp", "exit_status_timestamp", "execution_time", "real_time", "time"}
MISSING = None


class Ids:
    """What became of each recorded id: found by matching answers, used to rewrite the requests after them."""

    def __init__(self):
        self._ours = {}

    def keep(self, text):
        """Ids that the client chose are the same in the replay."""
        for token in TOKEN.findall(text or ""):
            self._ours.setdefault(token, token)

    def match(self, recorded, ours):
        """Whether our id may stand for the recorded one; remembers the first that does."""
        return self._ours.setdefault(recorded, ours) == ours

    def knows(self, recorded):
        return recorded in self._ours

    def rewrite(self, text):
        return TOKEN.sub(lambda found: self._ours.get(found.group(0), found.group(0)), text)

    def snapshot(self):
        return dict(self._ours)

    def restore(self, snapshot):
        self._ours = dict(snapshot)


def fold_plan(document):
    """The recorded plan of a script job in the shape that ours has: the ScriptRunner action below RunScript, which
    only planned it, becomes RunScript itself, and the numbers behind it move up by one."""
    planner, runner, *others = document["actions"]

    def moved(number):
        return number and max(number - 1, 1)

    def moved_flow(flow):
        return [moved_flow(one) for one in flow] if isinstance(flow, list) else flow if isinstance(flow, str) else moved(flow)

    def moved_action(action):
        numbers = ("id", "plan_step_id", "run_step_id", "finalize_step_id", "caller_action_id")
        action = {key: moved(value) if key in numbers else value for key, value in action.items()}
        data = action["input"].get("data")
        if isinstance(data, dict) and data.get("class") == "Dynflow::ExecutionPlan::OutputReference":
            data = {key: moved(value) if key in ("step_id", "action_id") else value for key, value in data.items()}
            action["input"] = {**action["input"], "data": data}
        return action

    callers = {key: planner[key] for key in ("caller_execution_plan_id", "caller_action_id")}
    root = {**moved_action(runner), "class": planner["class"], **callers}
    return {**document, "run_flow": moved_flow(document["run_flow"]), "finalize_flow": moved_flow(document["finalize_flow"]),
            "step_ids": sorted({moved(step) for step in document["step_ids"]}),
            "actions": [root, *(moved_action(action) for action in others)]}


def is_script_job(value):
    """A recorded plan of RunScript with a ScriptRunner action below it."""
    classes = [one.get("class") for one in value.get("actions", []) if isinstance(one, dict)]
    return len(classes) > 1 and classes[1] == SCRIPT_RUNNER


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "float", str: "text", list: "list", dict: "map", type(None): "null"}[type(value)]


def output_by_type(chunks):
    """The text of each output type. How it was cut into chunks, and how two types interleave, is chance."""
    texts = {}
    for chunk in chunks:
        texts[chunk["output_type"]] = texts.get(chunk["output_type"], "") + chunk["output"]
    return dict(sorted(texts.items()))


def is_output(value):
    return isinstance(value, list) and bool(value) and all(
        isinstance(chunk, dict) and isinstance(chunk.get("output"), str) and "output_type" in chunk for chunk in value)


# History entries that upstream does not have; its own are all there.
OUR_HISTORY = re.compile(r"cancel requested|halt|step \d+ skipped")


class Comparison:
    def __init__(self, ids, loose=False):
        """`loose`: the recorded moment cannot be met again (a task while it runs): what moves is not compared."""
        self._ids = ids
        self._loose = loose
        self.differences = []

    def _differ(self, path, recorded, ours):
        self.differences.append((path, recorded, ours))

    def _moves(self, path):
        return self._loose and re.fullmatch(
            r"body\.(.*\.)?(state|result|ended_at|execution_time|real_time|execution_history|output|data)", path)

    def value(self, path, recorded, ours):
        name = path.rsplit(".", 1)[-1]
        if self._moves(path):
            return
        if name in VOLATILE_NUMBERS and isinstance(recorded, (int, float)):
            if kind(recorded) != kind(ours):
                self._differ(path, recorded, ours)
        elif is_output(recorded) and (is_output(ours) or ours == []):
            self._output(path, recorded, ours)
        elif kind(recorded) != kind(ours):
            self._differ(path, recorded, ours)
        elif isinstance(recorded, dict):
            self._map(path, recorded, ours)
        elif isinstance(recorded, list):
            if name == "execution_history":
                ours = [entry for entry in ours if not OUR_HISTORY.fullmatch(entry["name"])]
            self._list(path, recorded, ours)
        elif isinstance(recorded, str):
            if not self._text(recorded, ours):
                self._differ(path, recorded, ours)
        elif name == "count" and recorded > 0:
            pass  # counts what came before
        elif recorded != ours:
            self._differ(path, recorded, ours)

    def _text(self, recorded, ours):
        if DATE.fullmatch(recorded):
            return bool(DATE.fullmatch(ours))
        recorded_parts, our_parts = TOKEN.split(recorded), TOKEN.split(ours)
        if len(recorded_parts) != len(our_parts):
            return False
        for left, right in zip(recorded_parts, our_parts):
            pattern = re.escape(left).replace(CUT_PATH, r"\S+")
            if not re.fullmatch(pattern, right, re.DOTALL):
                return False
        return all(self._ids.match(a, b) for a, b in zip(TOKEN.findall(recorded), TOKEN.findall(ours)))

    def _output(self, path, recorded, ours):
        expected_keys = set(recorded[0])
        for chunk in ours:
            if set(chunk) - {"id"} != expected_keys - {"id"}:
                self._differ(path + ".<chunk>", sorted(expected_keys), sorted(chunk))
                return
        left, right = output_by_type(recorded), output_by_type(ours)
        for output_type in sorted(left.keys() | right.keys()):
            a, b = left.get(output_type), right.get(output_type)
            place = f"{path}.<{output_type}>"
            if a is not None and b is not None and "\r\n" in a and "\r" not in b:
                self._differ(f"{place}.<line ends>", "\r\n", "\n")
                a = a.replace("\r\n", "\n")
            if a is None or b is None or not self._text(a, b):
                self._differ(place, a, b)

    def _map(self, path, recorded, ours):
        if is_script_job(recorded) and not is_script_job(ours):
            classes = [[action["class"] for action in one["actions"]] for one in (recorded, ours)]
            self._differ(path + ".<shape>", *(" > ".join(one) for one in classes))
            recorded = fold_plan(recorded)
        # A key that is an id stands for the key that became of it.
        by_recorded = {}
        for key in recorded:
            other = self._ids.rewrite(key)
            by_recorded[key] = key if key in ours else other
        shown = {key: f"{path}.{'<id>' if TOKEN.fullmatch(key) else key}" for key in (*recorded, *ours)}
        for key, other in by_recorded.items():
            if other in ours:
                self.value(shown[key], recorded[key], ours[other])
            elif not self._moves(shown[key]):
                self._differ(shown[key], recorded[key], MISSING)
        for key in ours:
            if key not in by_recorded.values() and not self._moves(shown[key]):
                self._differ(shown[key], MISSING, ours[key])
        in_order = [other for other in by_recorded.values() if other in ours]
        common = [key for key in ours if key in set(in_order)]
        if in_order != common and not all(TOKEN.fullmatch(key) for key in common):
            self._differ(f"{path}.<order>", in_order, common)

    def _list(self, path, recorded, ours):
        if path.endswith(".logs"):
            self._logs(path, ours)
            return
        if path == "body" and all(isinstance(one, str) for one in recorded + ours):
            for gone in [one for one in recorded if one not in ours]:
                self._differ(f"{path}.{gone}", gone, MISSING)
            for new in [one for one in ours if one not in recorded]:
                self._differ(f"{path}.{new}", MISSING, new)
            common = [one for one in recorded if one in ours]
            if common != [one for one in ours if one in recorded]:
                self._differ(f"{path}.<order>", recorded, ours)
            return
        if len(recorded) != len(ours):
            self._differ(path + ".<length>", len(recorded), len(ours))
        for i, (left, right) in enumerate(zip(recorded, ours)):
            self.value(f"{path}.{i}", left, right)

    def _logs(self, path, ours):
        """Log records are never the same; their form is."""
        for record in ours:
            keys = [key for key in ("timestamp", "level", "message", "backtrace", "request_id") if key in record]
            if list(record) != keys or len(keys) < 3 or not isinstance(record["timestamp"], float):
                self._differ(path + ".<form>", "timestamp level message [backtrace] [request_id]", record)
                return


def body_kind(body):
    return next(iter(body))


def our_body(text):
    """The same classes of body as in the recordings."""
    if "<html" in text[:400].lower():
        return {"html": ""}
    if text[:1] in ("{", "["):
        try:
            return {"json": json.loads(text)}
        except ValueError:
            pass
    return {"text": text}


def compare_answers(recorded, answer, ids, loose=False):
    """`recorded`: {"status", "headers", "body"} of a recording; `answer`: a rest.Response."""
    comparison = Comparison(ids, loose)
    if recorded["status"] != answer.status:
        comparison.differences.append(("status", recorded["status"], answer.status))
    for name, path in (("content-type", "type"), ("location", "location")):
        if recorded["headers"].get(name) != answer.header(name):
            comparison.differences.append((path, recorded["headers"].get(name), answer.header(name)))
    left, right = recorded["body"], our_body(answer.text)
    if body_kind(left) == "cut":
        if body_kind(right) != "json":
            comparison.differences.append(("body", "JSON", body_kind(right)))
    elif body_kind(left) != body_kind(right):
        comparison.differences.append(("body", left[body_kind(left)], right[body_kind(right)]))
    elif body_kind(left) == "json":
        comparison.value("body", left["json"], right["json"])
    elif body_kind(left) == "text" and not comparison._text(left["text"], right["text"]):
        comparison.differences.append(("body", left["text"], right["text"]))
    return comparison.differences


def compare_callbacks(recorded, received, ids):
    """`recorded`: callbacks of a recording; `received`: [(rest-like headers as dict, path, entry)] of ours, where
    entry is {"callback", "data"}."""
    comparison = Comparison(ids)
    ours = {entry["callback"]["task_id"]: (headers, path, entry) for headers, path, entry in received}
    for one in recorded:
        for entry in one["body"].get("callbacks", [one["body"]]):
            task_id = ids.rewrite(entry["callback"]["task_id"])
            if task_id not in ours:
                comparison.differences.append(("callback", entry, MISSING))
                continue
            headers, path, our_entry = ours.pop(task_id)
            for name in ("accept", "content-type"):
                if one.get(name) != headers.get(name):
                    comparison.differences.append((f"callback.{name}", one.get(name), headers.get(name)))
            if one["path"] != path:
                comparison.differences.append(("callback.path", one["path"], path))
            comparison.value("callback.body", entry, our_entry)
    for _, _, entry in ours.values():
        comparison.differences.append(("callback", MISSING, entry))
    return comparison.differences
