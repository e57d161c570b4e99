"""The differences we want: expected_differences.json, and docs/compatibility.md which is made from it.

A rule: {"what", "why", "exchanges": [globs], "at": [globs of paths]} and, to narrow it, "recordings", "modes",
"recorded" and "ours" (globs of the values as JSON text, strings bare). Rules are tried in order; each must be
met at least once in every run that has one of its exchanges, unless it is "sometimes": true (a matter of timing).
"""

import fnmatch
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
RULES = HERE / "expected_differences.json"
PAGE = HERE.parents[1] / "docs/compatibility.md"

HEAD = """# Compatibility

Recorded exchanges with the Ruby systems are replayed against our programs (`tests/run conformance`) and compared
field by field: status, content type, every key and its order, kinds of numbers, texts, callbacks. This page lists
every difference, with the reason. It is made from `tests/conformance/expected_differences.json`; a difference that
is not listed fails the tests, and so does one that is listed and gone. To renew the page:
`tests/conformance/conformance.py --write-documents`.

| recording | system |
| --- | --- |
| modern | smart-proxy 3.11-develop, smart_proxy_dynflow 0.9.4, dynflow 1.9.3, smart_proxy_remote_execution_ssh 1.0.1 |
| legacy-external | smart-proxy 2.4.0, plugin 0.3.0 with `external_core: true`, smart_proxy_dynflow_core 0.3.3 |
| legacy-inprocess | the same with `external_core: false`; only what differs from legacy-external |

| mode of ours | compared with |
| --- | --- |
| in_process: `external_core: false` | modern, legacy-inprocess |
| external: `external_core: true`, relayed to our core service | modern, legacy-external |
| core: our core service asked directly | modern, paths without `/dynflow` |
"""


BEYOND = """
What the recordings do not show, and ours does otherwise:

| difference | upstream | ours | why | tested in |
| --- | --- | --- | --- | --- |
| `/v2/features` is protected | open to everyone | trusted hosts and client certificate, as for `/logs` | It shows settings and states. Foreman asks with its certificate; `/features` and `/version` stay open. | tests/integration/authorization_test.py |
| Cancelling before the runner is there | 200 with no cancelled step, and the job runs to its end | the job never starts | A cancelled job must not run. | tests/unit/shared/runner |
| Secrets in documents | shown and stored as they came | masked in documents | They are passwords. | tests/unit/shared/launcher |
"""


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def any_glob(text, globs):
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs)


class Rule:
    def __init__(self, data):
        unknown = set(data) - {"what", "why", "exchanges", "at", "recordings", "modes", "recorded", "ours", "sometimes"}
        if unknown or not {"what", "why", "exchanges", "at"} <= set(data):
            raise ValueError(f"rule {data.get('what')}: unknown keys {sorted(unknown)}, or what/why/exchanges/at missing")
        self.data = data
        self.hits = 0
        self.chances = 0

    def applies(self, mode, recording, exchange):
        return (mode in self.data.get("modes", [mode]) and recording in self.data.get("recordings", [recording])
                and any_glob(exchange, self.data["exchanges"]))

    def allows(self, difference):
        path, recorded, ours = difference
        for key, value in (("recorded", recorded), ("ours", ours)):
            if key in self.data and not fnmatch.fnmatchcase(text_of(value), text_of(self.data[key])):
                return False
        return any_glob(path, self.data["at"])


class Expected:
    def __init__(self, rules=None):
        data = json.loads(RULES.read_text(encoding="utf-8")) if rules is None else rules
        self.rules = [Rule(one) for one in data]

    def unlisted(self, mode, recording, exchange, differences, count=True):
        """The differences that no rule allows. `count`: this comparison is the final one of the exchange."""
        applicable = [rule for rule in self.rules if rule.applies(mode, recording, exchange)]
        left = []
        met = set()
        for difference in differences:
            rule = next((rule for rule in applicable if rule.allows(difference)), None)
            if rule is None:
                left.append(difference)
            else:
                met.add(rule)
        if count:
            for rule in applicable:
                rule.chances += 1
                rule.hits += rule in met
        return left

    def stale(self):
        """Rules that had a chance in this run and were never met."""
        return [rule.data["what"] for rule in self.rules
                if rule.chances and not rule.hits and not rule.data.get("sometimes")]


def page():
    """The text of docs/compatibility.md."""
    def cell(text):
        return text.replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r")

    lines = [HEAD, "| difference | where | upstream | ours | why |", "| --- | --- | --- | --- | --- |"]
    for rule in Expected().rules:
        data = rule.data
        where = ", ".join(data["exchanges"]) + ": " + ", ".join(f"`{at}`" for at in data["at"])
        scope = [*data.get("recordings", []), *data.get("modes", [])]
        if scope:
            where += f" ({', '.join(scope)})"
        lines.append(f"| {cell(data['what'])} | {cell(where)} | {cell(text_of(data.get('recorded', '')))} "
                     f"| {cell(text_of(data.get('ours', '')))} | {cell(data['why'])} |")
    return "\n".join(lines) + "\n" + BEYOND
