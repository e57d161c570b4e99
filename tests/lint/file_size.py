#!/usr/bin/env python3
"""A file past its limit is two things. Sources 600 lines, headers 300; aim at 400 and 150."""

import source_tree

LIMITS = {".cc": 600, ".h": 300, ".py": 600, ".sh": 400, ".cmake": 300}


def check(root):
    findings = []
    for path in source_tree.files(root, set(LIMITS)):
        count = len(source_tree.lines(root, path))
        if count > LIMITS[path.suffix]:
            findings.append(f"{path}:{count}: {count} lines, the limit is {LIMITS[path.suffix]}: split it")
    return findings


CASES = [
    ("a long source", {"shared/base/a.cc": "//\n" * 601}, "601 lines"),
    ("a long header", {"shared/base/a.h": "//\n" * 301}, "301 lines"),
    ("at the limit", {"shared/base/a.cc": "//\n" * 600, "shared/base/a.h": "//\n" * 300}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
