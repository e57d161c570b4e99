#!/usr/bin/env python3
"""Names that say nothing, marks without an issue, paths of one machine, and threads that nobody owns."""

import re

import source_tree

EMPTY_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "misc"}
TEXT_SUFFIXES = {".h", ".cc", ".py", ".sh", ".cmake", ".txt", ".md", ".sql", ".yml", ".yaml", ""}
SELF = "tests/lint/banned_names.py"

TYPE_NAME = re.compile(r"^\s*(?:template\s*<.*>\s*)?(?:class|struct|enum class|enum|namespace)\s+(?:\[\[\w+\]\]\s*)?(\w+)")
CAMEL_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
MARK = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
MACHINE_PATH = re.compile(r"/work/(?:main|shared)\b|(?<![\w./])\.\./shared/|/home/[a-z]\w*/")
RAW_THREAD = re.compile(r"\bstd::j?thread\b(?!::hardware_concurrency|::id)")
DETACH = re.compile(r"\.detach\(\)")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\s*\(")


def words_of(name):
    return {word.lower() for part in re.split(r"[_\-.]", name) for word in CAMEL_WORD.findall(part)}


def check_path(path):
    findings = []
    for part in path.parts:
        bad = words_of(part) & EMPTY_NAMES
        # CMake's and Git's own words are not ours to choose.
        if bad and part not in {"CMakeLists.txt"}:
            findings.append(f"{path}:1: a name with '{bad.pop()}' says nothing: name the thing")
    return findings


def check_cpp_line(name, number, line):
    findings = []
    code = source_tree.without_comment(line)
    match = TYPE_NAME.match(code)
    if match and words_of(match.group(1)) & EMPTY_NAMES:
        findings.append(f"{name}:{number}: type {match.group(1)}: the name says nothing")
    if RAW_THREAD.search(code) and not name.startswith(("shared/base/thread.", "tests/")):
        findings.append(f"{name}:{number}: std::thread outside shared/base/thread: use NamedThread")
    if DETACH.search(code):
        findings.append(f"{name}:{number}: threads are joined, never detached")
    if name.startswith("tests/unit/") and SLEEP.search(code):
        findings.append(f"{name}:{number}: unit tests do not sleep: use the virtual clock or a condition")
    return findings


def check(root):
    findings = []
    for path in source_tree.files(root):
        findings += check_path(path)
        name = path.as_posix()
        if path.suffix not in TEXT_SUFFIXES or name == SELF or name == "LICENSE":
            continue
        for number, line in source_tree.lines(root, path):
            if MARK.search(line):
                findings.append(f"{name}:{number}: a mark without an issue: write TODO(#number) or do it")
            if MACHINE_PATH.search(line):
                findings.append(f"{name}:{number}: a path of one machine")
            if path.suffix in source_tree.CPP_SUFFIXES:
                findings += check_cpp_line(name, number, line)
    return findings


CASES = [
    ("a folder", {"shared/util/a.h": "\n"}, "says nothing"),
    ("a file", {"shared/base/string_helpers.h": "\n"}, "says nothing"),
    ("a class", {"shared/base/a.h": "class TaskManager {\n"}, "type TaskManager"),
    ("a mark", {"shared/base/a.cc": "// TODO later\n"}, "mark without an issue"),
    ("a machine's path", {"docs/a.md": "see /home/jane/x\n"}, "path of one machine"),
    ("a raw thread", {"shared/engine/a.cc": "std::thread t(run);\n"}, "use NamedThread"),
    ("a detached thread", {"tests/support/a.cc": "t.detach();\n"}, "never detached"),
    ("a sleep", {"tests/unit/shared/base/a_test.cc": "std::this_thread::sleep_for(1s);\n"}, "do not sleep"),
    ("allowed", {"shared/base/thread.cc": "std::thread t;\n",
                 "shared/net/a.cc": "// TODO(#12) more\nunsigned n = std::thread::hardware_concurrency();\n"}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
