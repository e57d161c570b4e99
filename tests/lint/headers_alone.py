#!/usr/bin/env python3
"""Every header compiles alone: it includes what it uses, whoever includes it first.

Flags come from the build tree's compile_commands.json (argument 2, or the newest under build/): include
folders and definitions of all its entries together. With ccache only what has changed is compiled again.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import source_tree

PARALLEL = 2
PRODUCT = ("shared", "proxy", "core_service", "migration")
COMPILER = [os.environ.get("CXX", "g++"), "-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror"]


def flags_of(root):
    """Include folders and definitions, in order of appearance, each once."""
    database = None
    if len(sys.argv) > 2:
        database = Path(sys.argv[2], "compile_commands.json")
    else:
        candidates = sorted(root.glob("build/*/compile_commands.json"), key=lambda p: p.stat().st_mtime)
        database = candidates[-1] if candidates else None
    flags = ["-I" + str(root)]
    if database is None or not database.exists():
        return flags
    seen = set(flags)
    for entry in json.loads(database.read_text(encoding="utf-8")):
        words = shlex.split(entry["command"])
        for i, word in enumerate(words):
            if word in ("-isystem", "-I") and i + 1 < len(words):
                flag = word + " " + words[i + 1]
                parts = [word, words[i + 1]]
            elif word.startswith(("-D", "-I")) and len(word) > 2:
                flag = word
                parts = [word]
            else:
                continue
            # A target may give a macro another value: the first one does.
            flag = flag.partition("=")[0] if flag.startswith("-D") else flag
            if flag not in seen and not flag.startswith("-D_FORTIFY_SOURCE"):
                seen.add(flag)
                flags += parts
    return flags


def compile_alone(root, flags, path, folder):
    # A source of its own with a stable name, and an object: what ccache can remember.
    source = Path(folder, path.as_posix().replace("/", "__") + ".cc")
    text = f'#include "{path.as_posix()}"\n'
    if not source.exists() or source.read_text(encoding="utf-8") != text:
        source.write_text(text, encoding="utf-8")
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    done = subprocess.run([*launcher, *COMPILER, *flags, "-c", source.name, "-o", source.name + ".o"],
                          capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode == 0:
        return []
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    return [f"{path}:1: does not compile alone: {errors[0] if errors else done.stderr[:200]}"]


def check(root):
    root = root.resolve()
    flags = flags_of(root)
    headers = [path for path in source_tree.files(root, {".h"}) if path.parts[0] in PRODUCT]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(PARALLEL) as pool:
        folder = temporary
        if len(sys.argv) > 2 and root == Path(sys.argv[1]).resolve():
            # Beside the build, so that the sources keep their names from run to run.
            folder = Path(sys.argv[2], "headers_alone").resolve()
            folder.mkdir(parents=True, exist_ok=True)
        findings = pool.map(lambda path: compile_alone(root, flags, path, folder), headers)
        return [finding for some in findings for finding in some]


CASES = [
    ("a header that leans on its includer", {"shared/base/a.h": "#pragma once\nstd::string name();\n"},
     "does not compile alone"),
    ("a header that stands", {"shared/base/a.h": "#pragma once\n#include <string>\nstd::string name();\n"}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
