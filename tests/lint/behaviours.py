#!/usr/bin/env python3
"""docs/behaviours.md shows each behaviour of tests/behaviours.txt with the tests that carry its id, and what the file says about
open ones is true. `behaviours.py ROOT BUILD --write` makes the document and takes away marks that are not true any more."""

import re
import sys
from pathlib import Path

import source_tree

DATA = "tests/behaviours.txt"
DOCUMENT = "docs/behaviours.md"
COMMAND = "run tests/lint/behaviours.py . . --write"
ENTRY = re.compile(r"^([A-PR-Z]\d{2}|Q\d{1,2}) (?:\[(open|no: [^\]]+)\] )?(\S.*)$")
CASE = re.compile(r'TEST_CASE(?:_METHOD)?\(\s*(?:\w+\s*,\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+),\s*"((?:\[[^\]"]*\])+)"\s*\)')
# A row of a table of tests, such as those of the suite that every store runs.
ROW = re.compile(r'\{\s*((?:"(?:[^"\\]|\\.)*"\s*)+),\s*"((?:\[[^\]"]*\])+)"\s*,\s*\w+\s*\}')
PYTHON = re.compile(r'def (test_\w+)\([^)]*\):\s*\n\s*(?:f|r)?"""(.*?)"""', re.DOTALL)
TAG = re.compile(r"\[([A-PR-Z]\d{2}|Q\d{1,2})\]")

HEAD = """# Behaviours

What the tests of Dynflow 2.0.0 pin about its engine, and the tests here that show the same; and the defects of that engine (Q), with what
happens here instead. Made by `tests/lint/behaviours.py` from
`tests/behaviours.txt` and the ids that tests carry; do not edit.
"""


def read_entries(root):
    """[(group, [(id, mark, text)])], findings."""
    groups, findings, seen = [], [], set()
    for number, line in source_tree.lines(root, DATA):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("== "):
            groups.append((line[3:].strip(), []))
            continue
        match = ENTRY.match(line)
        if not match or not groups:
            findings.append(f"{DATA}:{number}: not an entry")
        elif match.group(1) in seen:
            findings.append(f"{DATA}:{number}: {match.group(1)} is there twice")
        else:
            seen.add(match.group(1))
            groups[-1][1].append((match.group(1), match.group(2) or "", match.group(3)))
    return groups, findings


def read_tests(root):
    """id -> [(file, name of the test)]"""
    found = {}
    for path in source_tree.files(Path(root, "tests"), {".cc", ".py"}):
        if path.parts[0] == "lint":
            continue
        text = Path(root, "tests", path).read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".cc":
            tests = [("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', name)), tags) for name, tags in CASE.findall(text) + ROW.findall(text)]
        else:
            tests = PYTHON.findall(text)
        for name, tags in tests:
            for tag in TAG.findall(tags):
                found.setdefault(tag, []).append((f"tests/{path.as_posix()}", name))
    return found


def document(groups, tests):
    lines = [HEAD]
    entries = [entry for _, group in groups for entry in group]
    shown = sum(1 for name, _, _ in entries if name in tests)
    excluded = sum(1 for _, mark, _ in entries if mark.startswith("no: "))
    opened = sum(1 for _, mark, _ in entries if mark == "open")
    lines.append(f"{len(entries)} behaviours: {shown} shown by tests, {excluded} that do not apply, {opened} open.\n")
    for title, group in groups:
        lines.append(f"## {title}\n\n| id | behaviour | tests |\n| --- | --- | --- |")
        for name, mark, text in group:
            where = [f"[{test}](../{path})" for path, test in sorted(tests.get(name, []))]
            if mark.startswith("no: "):
                where = [f"does not apply: {mark[4:]}"]
            lines.append(f"| {name} | {text} | {'<br>'.join(where) or 'open'} |")
        lines.append("")
    return "\n".join(lines)


def check(root):
    root = Path(root)
    if not (root / DATA).exists():
        return []
    groups, findings = read_entries(root)
    tests = read_tests(root)
    known = set()
    for _, group in groups:
        for name, mark, _ in group:
            known.add(name)
            if name in tests and mark == "open":
                findings.append(f"{DATA}:1: {name} is marked open and has a test: {COMMAND}")
            elif name in tests and mark:
                findings.append(f"{DATA}:1: {name} is said not to apply and has a test")
            elif name not in tests and not mark:
                findings.append(f"{DATA}:1: {name} has no test")
    for name in sorted(set(tests) - known):
        findings.append(f"{tests[name][0][0]}:1: [{name}] is no id of {DATA}")
    path = root / DOCUMENT
    if not path.exists() or path.read_text(encoding="utf-8") != document(groups, tests):
        findings.append(f"{DOCUMENT}:1: is not what it would be made to: {COMMAND}")
    return findings


def write(root):
    tests = read_tests(root)
    kept = []
    for line in (root / DATA).read_text(encoding="utf-8").splitlines():
        match = ENTRY.match(line)
        if match and match.group(2) == "open" and match.group(1) in tests:
            line = f"{match.group(1)} {match.group(3)}"
        kept.append(line)
    (root / DATA).write_text("\n".join(kept) + "\n", encoding="utf-8")
    (root / DOCUMENT).write_text(document(read_entries(root)[0], tests), encoding="utf-8")


SMALL = "== Group\nP01 one\nP02 [open] two\nP03 [no: never] three\n"
TEST = 'TEST_CASE("shows "\n          "it", "[x][P01]") {\n'


def small_tree(data=SMALL, test=TEST):
    """A tree whose document fits."""
    tree = {DATA: data, "tests/unit/a_test.cc": test}
    groups = [("Group", [(m.group(1), m.group(2) or "", m.group(3)) for m in map(ENTRY.match, data.splitlines()[1:]) if m])]
    tests = {tag: [("tests/unit/a_test.cc", "shows it")] for tag in TAG.findall(test)}
    tree[DOCUMENT] = document(groups, tests)
    return tree


CASES = [
    ("all is well", small_tree(), None),
    ("a behaviour without a test", small_tree(test="// nothing\n"), "P01 has no test"),
    ("open, and it has a test", small_tree(test=TEST.replace("[P01]", "[P01][P02]")), "P02 is marked open"),
    ("does not apply, and it has a test", small_tree(test=TEST.replace("[P01]", "[P01][P03]")), "P03 is said not to apply"),
    ("an id that nobody knows", small_tree(test=TEST.replace("[P01]", "[P01][P99]")), "[P99] is no id"),
    ("a line that is no entry", small_tree(data=SMALL + "what is this\n"), "not an entry"),
    ("a stale document", {**small_tree(), DOCUMENT: "old\n"}, "is not what it would be made to"),
    ("an id in Python", {**small_tree(), "tests/integration/b_test.py": 'def test_b(self):\n    """Says so. [P98]"""\n'},
     "[P98] is no id"),
]

if __name__ == "__main__":
    if "--write" in sys.argv:
        write(Path(sys.argv[1]))
    else:
        source_tree.run(check, CASES)
