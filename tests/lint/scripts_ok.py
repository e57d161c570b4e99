#!/usr/bin/env python3
"""Every script parses, has an interpreter line where it is executable, and is executable where it has one."""

import os
import subprocess

import source_tree

SHELLS = ("bash", "sh")


def interpreter(first_line):
    """The program of a #! line, /usr/bin/env looked through; None without one."""
    if not first_line.startswith("#!"):
        return None
    words = first_line[2:].split()
    if not words:
        return ""
    name = os.path.basename(words[0])
    return os.path.basename(words[-1]) if name == "env" else name


def syntax_error(program, path, root):
    full = root / path
    if program in SHELLS:
        done = subprocess.run([program, "-n", str(full)], capture_output=True, text=True, check=False)
        return done.stderr.strip().splitlines()[0] if done.returncode != 0 else None
    if program.startswith("python") or path.suffix == ".py":
        try:
            compile(full.read_text(encoding="utf-8"), str(path), "exec")
        except SyntaxError as error:
            return f"line {error.lineno}: {error.msg}"
    return None


def check(root):
    findings = []
    for path in source_tree.files(root):
        full = root / path
        with open(full, "rb") as file:
            first_line = file.readline(200).decode("utf-8", "replace")
        program = interpreter(first_line)
        is_executable = os.access(full, os.X_OK)
        if program is None and path.suffix not in (".py", ".sh"):
            continue
        if program is not None and not is_executable and path.suffix != ".sh":
            findings.append(f"{path}:1: has an interpreter line but is not executable")
        if program is None and is_executable:
            findings.append(f"{path}:1: executable without an interpreter line")
        error = syntax_error(program or ("bash" if path.suffix == ".sh" else "python3"), path, root)
        if error:
            findings.append(f"{path}:1: {error}")
    return findings


CASES = [
    ("broken bash", {"tests/run": "#!/usr/bin/env bash\nif true; then\n"}, "syntax error"),
    ("broken Python", {"tests/a.py": "def f(:\n"}, "line 1"),
    ("sourced library", {"tests/support/environment.sh": "x() { echo; }\n"}, None),
    ("fine", {"tests/run": "#!/bin/sh\nexec true\n"}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
