#!/usr/bin/env python3
"""Links in documents lead somewhere; every decision is in the list of decisions; every package that the documents and
scripts install comes from the one list."""

import re

import source_tree

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
DECISIONS = "docs/decisions"
INSTALL = re.compile(r"\bapt(?:-get)?\b[^\n|#]*\binstall\s+(?!-)[a-z]")


def check(root):
    findings = []
    decisions = set()
    for path in source_tree.files(root):
        name = path.as_posix()
        if path.suffix == ".md":
            text = FENCE.sub("", root.joinpath(path).read_text(encoding="utf-8"))
            for target in LINK.findall(text):
                target = target.split("#")[0]
                if target and "://" not in target and not root.joinpath(path.parent, target).exists():
                    findings.append(f"{name}:1: link to {target}, which does not exist")
            if re.fullmatch(DECISIONS + r"/\d{4}-.*\.md", name):
                decisions.add(path.name)
        if path.suffix in (".sh", ".md", "") and name != "LICENSE":
            for number, line in source_tree.lines(root, path):
                if INSTALL.search(line):
                    findings.append(f"{name}:{number}: packages belong into tests/support/packages.txt")
    index = root / DECISIONS / "README.md"
    listed = index.read_text(encoding="utf-8") if index.exists() else ""
    for decision in sorted(decisions):
        if f"({decision})" not in listed:
            findings.append(f"{DECISIONS}/{decision}:1: is not in {DECISIONS}/README.md")
    return findings


CASES = [
    ("a dead link", {"docs/a.md": "see [b](b.md)\n"}, "does not exist"),
    ("an unlisted decision", {"docs/decisions/0001-x.md": "# x\n", "docs/decisions/README.md": "none\n"},
     "is not in docs/decisions/README.md"),
    ("packages of its own", {"proxy/quickstart": "#!/bin/sh\napt-get -y install nginx\n"}, "packages.txt"),
    ("fine", {"README.md": "[a](docs/a.md#x), [w](https://example.com)\n", "docs/a.md": "```\n[no](link.md)\n```\n"}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
