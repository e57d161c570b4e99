"""What all lints share: walking the tree, reading files, and the proof that a lint can fail.

A lint is a function `check(root)` that returns its findings as lines "path:line: text", and a list of cases:
small trees with the finding that they must (or must not) give. The cases run first, each time: a lint that
has become blind fails like one that found something.
"""

import os
import sys
import tempfile
from pathlib import Path

# In a worktree of git, ".git" is a file.
SKIPPED = {".git", "build", "__pycache__", ".cache", ".idea", ".vscode"}
CPP_SUFFIXES = {".h", ".cc"}


def files(root, suffixes=None):
    """All files under root as sorted paths relative to it, build trees left out."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in names:
            if name in SKIPPED:
                continue
            path = Path(folder, name)
            if (suffixes is None or path.suffix in suffixes) and not path.is_symlink():
                found.append(path.relative_to(root))
    return sorted(found)


def lines(root, path):
    """(number, text) of every line; bytes that are not UTF-8 are replaced."""
    text = Path(root, path).read_text(encoding="utf-8", errors="replace")
    return list(enumerate(text.splitlines(), 1))


def without_comment(line):
    """The line up to //. Good enough for lints: a // inside a string only hides what follows it."""
    return line.split("//", 1)[0]


def run(check, cases):
    """Proves the lint on its cases, then runs it on the tree. Exits with 0 (clean), 1 (findings) or 2 (blind)."""
    for title, tree, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in tree.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                if text.startswith("#!"):
                    path.chmod(0o755)
            findings = check(Path(folder))
        if expected is None and findings:
            print(f"self-test '{title}': expected nothing, got {findings}")
            sys.exit(2)
        if expected is not None and not any(expected in finding for finding in findings):
            print(f"self-test '{title}': expected '{expected}', got {findings}")
            sys.exit(2)
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    findings = check(root)
    for finding in findings:
        print(finding)
    print(f"{len(findings)} finding(s), {len(cases)} self-tests passed")
    sys.exit(1 if findings else 0)
