#!/usr/bin/env python3
"""The comparison sees what it must see, and lets pass what is chance."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from compare import Ids, compare_answers, compare_callbacks  # noqa: E402
from expected import Expected  # noqa: E402
from rest import Response  # noqa: E402

A, B, C = ("aaaaaaaa-0000-4000-8000-00000000000" + digit for digit in "123")


def recorded(body, status=200, content_type="application/json"):
    return {"status": status, "headers": {"content-type": content_type}, "body": {"json": body}}


def answer(body, status=200, content_type="application/json"):
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, [("Content-Type", content_type)], text.encode())


class CompareTest(unittest.TestCase):
    def differences(self, left, right, ids=None, **more):
        return [path for path, _, _ in compare_answers(recorded(left), answer(right), ids or Ids(), **more)]

    def test_same(self):
        document = {"id": A, "state": "stopped", "started_at": "2026-01-01 00:00:00.123", "execution_time": 0.25}
        other = {"id": B, "state": "stopped", "started_at": "2027-01-01 00:00:00.456", "execution_time": 9.5}
        self.assertEqual(self.differences(document, other), [])

    def test_values_and_kinds(self):
        self.assertEqual(self.differences({"a": 1}, {"a": 2}), ["body.a"])
        self.assertEqual(self.differences({"a": 1}, {"a": 1.0}), ["body.a"])
        self.assertEqual(self.differences({"a": None}, {"a": {}}), ["body.a"])
        self.assertEqual(self.differences({"real_time": 0.5}, {"real_time": 0}), ["body.real_time"])
        self.assertEqual(self.differences({"started_at": "2026-01-01 00:00:00.123"}, {"started_at": "now"}),
                         ["body.started_at"])

    def test_keys_and_their_order(self):
        self.assertEqual(self.differences({"a": 1}, {"a": 1, "b": 2}), ["body.b"])
        self.assertEqual(self.differences({"a": 1, "b": 2}, {"b": 2}), ["body.a"])
        self.assertEqual(self.differences({"a": 1, "b": 2}, {"b": 2, "a": 1}), ["body.<order>"])

    def test_ids_are_matched_up(self):
        ids = Ids()
        self.assertEqual(self.differences({"task_id": A}, {"task_id": B}, ids), [])
        self.assertEqual(ids.rewrite(f"/tasks/{A}/status"), f"/tasks/{B}/status")
        self.assertEqual(self.differences({"task_id": A}, {"task_id": C}, ids), ["body.task_id"])
        self.assertEqual(self.differences({A: {"x": 1}}, {B: {"x": 2}}, ids), ["body.<id>.x"])

    def test_a_script_job_is_compared_in_our_shape(self):
        ssh = "Proxy::RemoteExecution::Ssh::Actions::"
        callback = "Proxy::Dynflow::Callback::Action"

        def action(name, number, steps, caller, action_input):
            plan, run, finalize = steps
            return {"class": name, "id": number, "plan_step_id": plan, "run_step_id": run, "finalize_step_id": finalize,
                    "caller_execution_plan_id": None, "caller_action_id": caller, "input": action_input, "output": {}}

        def reference(action_id, step_id):
            return {"data": {"class": "Dynflow::ExecutionPlan::OutputReference", "step_id": step_id, "action_id": action_id}}

        theirs = {"run_flow": ["S", 3, 6], "finalize_flow": ["S", 4], "step_ids": [1, 2, 3, 4, 5, 6], "actions": [
            action(ssh + "RunScript", 1, (1, None, None), None, {}),
            action(ssh + "ScriptRunner", 2, (2, 3, 4), 1, {"hostname": "h"}),
            action(callback, 3, (5, 6, None), 2, reference(2, 3))]}
        ours = {"run_flow": ["S", 2, 5], "finalize_flow": ["S", 3], "step_ids": [1, 2, 3, 4, 5], "actions": [
            action(ssh + "RunScript", 1, (1, 2, 3), None, {"hostname": "h"}),
            action(callback, 2, (4, 5, None), 1, reference(1, 2))]}
        self.assertEqual(self.differences(theirs, ours), ["body.<shape>"])
        self.assertEqual(self.differences(theirs, theirs), [])
        ours["actions"][0]["input"]["hostname"] = "other"
        self.assertEqual(self.differences(theirs, ours), ["body.<shape>", "body.actions.0.input.hostname"])

    def test_what_moves_may_be_missing_while_a_task_runs(self):
        left, right = {"state": "running", "input": {"data": 1}}, {"state": "stopped", "input": {}}
        self.assertEqual(self.differences(left, right), ["body.state", "body.input.data"])
        self.assertEqual(self.differences(left, right, loose=True), [])

    def test_output_may_be_cut_differently(self):
        left = [{"output_type": "stdout", "output": "a\nb\n", "timestamp": 1.5}]
        right = [{"output_type": "stdout", "output": "a\n", "timestamp": 1.5},
                 {"output_type": "stdout", "output": "b\n", "timestamp": 1.6}]
        self.assertEqual(self.differences({"result": left}, {"result": right}), [])
        right[1]["output"] = "c\n"
        self.assertEqual(self.differences({"result": left}, {"result": right}), ["body.result.<stdout>"])
        self.assertEqual(self.differences({"result": left}, {"result": []}), ["body.result.<stdout>"])

    def test_running_tasks_are_compared_loosely(self):
        left = {"state": "running", "label": "X"}
        self.assertEqual(self.differences(left, {"state": "stopped", "label": "X"}, loose=True), [])
        self.assertEqual(self.differences(left, {"state": "running", "label": "Y"}, loose=True), ["body.label"])

    def test_status_type_and_pages(self):
        page = {"status": 500, "headers": {"content-type": "text/html"}, "body": {"html": "KeyError"}}
        paths = [path for path, _, _ in compare_answers(page, answer({"error": "x"}, 404), Ids())]
        self.assertEqual(paths, ["status", "type", "body"])

    def test_cut_paths_in_texts(self):
        self.assertEqual(self.differences({"m": "PATH: not found"}, {"m": "/bin/x: not found"}), [])
        self.assertEqual(self.differences({"m": "PATH: not found"}, {"m": "/bin/x: found"}), ["body.m"])

    def test_callbacks(self):
        entry = {"callback": {"task_id": A, "step_id": 3}, "data": {"exit_status": 0}}
        one = [{"path": "/p", "accept": "a", "content-type": "t", "body": entry}]
        ids = Ids()
        ids.keep(A)
        headers = {"accept": "a", "content-type": "t"}
        self.assertEqual(compare_callbacks(one, [(headers, "/p", entry)], ids), [])
        self.assertEqual(len(compare_callbacks(one, [], ids)), 1)
        self.assertEqual(len(compare_callbacks([], [(headers, "/p", entry)], ids)), 1)
        failed = {**entry, "data": {"exit_status": 1}}
        self.assertEqual([path for path, _, _ in compare_callbacks(one, [(headers, "/p", failed)], ids)],
                         ["callback.body.data.exit_status"])


class ExpectedTest(unittest.TestCase):
    RULES = [{"what": "w", "why": "y", "exchanges": ["launch-*"], "at": ["status"], "recorded": 500, "ours": "4??"}]

    def test_only_what_is_listed(self):
        expected = Expected(self.RULES)
        self.assertEqual(expected.unlisted("core", "modern", "launch-x", [("status", 500, 422)]), [])
        self.assertEqual(len(expected.unlisted("core", "modern", "launch-x", [("status", 500, 200)])), 1)
        self.assertEqual(len(expected.unlisted("core", "modern", "cancel-x", [("status", 500, 422)])), 1)
        self.assertEqual(expected.stale(), [])

    def test_a_rule_that_is_not_met_any_more(self):
        expected = Expected(self.RULES)
        expected.unlisted("core", "modern", "other", [])
        self.assertEqual(expected.stale(), [])
        expected.unlisted("core", "modern", "launch-x", [])
        self.assertEqual(expected.stale(), ["w"])

    def test_rules_without_a_reason_are_refused(self):
        with self.assertRaises(ValueError):
            Expected([{"what": "w", "exchanges": ["*"], "at": ["*"]}])


if __name__ == "__main__":
    unittest.main()
