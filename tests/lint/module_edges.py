#!/usr/bin/env python3
"""A module includes its own files and, transitively, the modules its edges lead to; nothing else.

Checked against the table below: every include of a project header, every DEPENDS of a dynflow_module() in CMake,
and the table of docs/architecture.md.
"""

import re

import source_tree

LOW = ["base", "metrics", "log", "json", "settings", "net", "daemon", "http"]

EDGES = {
    "base": [],
    "metrics": ["base"],
    "log": ["base"],
    "json": ["base"],
    "settings": ["log"],
    "net": ["log"],
    "daemon": ["net"],
    "process": ["log"],
    "http": ["net", "metrics"],
    "persistence": ["json", "log", "metrics"],
    "persistence/sqlite": ["persistence"],
    "persistence/postgres": ["persistence"],
    "engine": ["persistence"],
    "runner": ["engine", "process", "net"],
    "launcher": ["engine", "net"],
    "callback": ["http", "engine"],
    "api": ["http", "launcher", "engine"],
    # context.h hands the registries to plugins of the same build; plugin_api.h alone needs nothing.
    "plugin": ["base", "settings", "engine", "runner", "launcher"],
    "core": LOW + ["process", "persistence", "persistence/sqlite", "persistence/postgres", "engine", "runner", "launcher", "callback",
                   "api", "plugin"],
    # Built as plugins: they see the public headers only.
    "executors/remote_execution": ["base", "json", "log", "settings", "net", "process", "engine", "runner",
                                   "launcher", "plugin"],
    "proxy": ["core", "plugin"],
    "core_service": ["core", "plugin"],
    "migration": ["core"],
}

# A backend is part of its module's CMake target, but nobody below `core` may name it.
BACKENDS = {"persistence/sqlite": "persistence"}

PROGRAMS = ("proxy", "core_service", "migration")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
MODULE_CALL = re.compile(r"dynflow_module\(\s*(\w+)(.*?)\)", re.DOTALL)
DOCUMENT = "docs/architecture.md"
TABLE_ROW = re.compile(r"^\| `([\w/]+)` \| ([^|]*) \|", re.MULTILINE)
KEYWORDS = {"SOURCES", "LIBRARIES", "PRIVATE_LIBRARIES"}


def module_of(path):
    """The module that a path from the root belongs to; None for what is no module's (tests, docs)."""
    parts = path.split("/")
    if parts[0] in PROGRAMS:
        return parts[0]
    if parts[0] != "shared" or len(parts) < 3:
        return None
    two = "/".join(parts[1:3])
    return two if two in EDGES else parts[1]


def reachable(module):
    seen = set()
    todo = [module]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(EDGES[current])
    return seen


def check_include(module, path, number, quote, target):
    if quote == "<":
        return [f"{path}:{number}: project header {target} included with <>"] if module_of(target) else []
    if target.startswith("tests/"):
        return [f"{path}:{number}: product code includes {target}"]
    if "/" not in target or target.startswith("."):
        return [f"{path}:{number}: include {target} by its path from the root"]
    other = module_of(target)
    if other is None:
        return [f"{path}:{number}: {target} belongs to no module"]
    if other not in EDGES:
        return [f"{path}:{number}: {other} is not in the module table"]
    if other not in reachable(module):
        return [f"{path}:{number}: {module} may not include {target}: no edge {module} -> {other}"]
    return []


def check_sources(root):
    findings = []
    for path in source_tree.files(root, source_tree.CPP_SUFFIXES):
        name = path.as_posix()
        module = module_of(name)
        if module is None:
            continue
        if module not in EDGES:
            findings.append(f"{name}:1: {module} is not in the module table")
            continue
        for number, line in source_tree.lines(root, path):
            match = INCLUDE.match(line)
            if match:
                findings += check_include(module, name, number, match.group(1), match.group(2))
    return findings


def check_cmake(root):
    findings = []
    for path in source_tree.files(root):
        if path.name != "CMakeLists.txt" or module_of(path.as_posix()) is None:
            continue
        for module, arguments in MODULE_CALL.findall(root.joinpath(path).read_text(encoding="utf-8")):
            in_depends = False
            for word in arguments.split():
                if word == "DEPENDS":
                    in_depends = True
                elif word in KEYWORDS:
                    in_depends = False
                elif in_depends:
                    home = module_of(path.as_posix())
                    home = BACKENDS.get(home, home)
                    # A program is several targets: proxy_host, proxy_dynflow.
                    target = next((one for one in PROGRAMS if word.startswith(one + "_")), word)
                    target = target.replace("_", "/") if target.replace("_", "/") in EDGES else target
                    if home in EDGES and target not in reachable(home):
                        findings.append(f"{path}:1: {module} depends on {word}: no edge {home} -> {word}")
    return findings


def check_document(root):
    path = root / DOCUMENT
    if not path.exists():
        return []
    section = path.read_text(encoding="utf-8").partition("## Modules and edges")[2].partition("\n## ")[0]
    table = {module: set(re.findall(r"[\w/]+", edges))
             for module, edges in TABLE_ROW.findall(section)}
    findings = [f"{DOCUMENT}:1: the table lacks {module}" for module in EDGES if module not in table]
    for module, edges in table.items():
        wanted = set(EDGES.get(module, ["?"])) or {"nothing"}
        if edges != wanted and edges != {"all", "of", "shared"}:
            findings.append(f"{DOCUMENT}:1: the table's edges of {module} are {sorted(edges)}, not {sorted(wanted)}")
    return findings


def check(root):
    return check_sources(root) + check_cmake(root) + check_document(root)


CASES = [
    ("an edge against the table", {"shared/engine/a.cc": '#include "shared/http/head.h"\n'},
     "no edge engine -> http"),
    ("a backend named by the engine", {"shared/engine/a.cc": '#include "shared/persistence/sqlite/store.h"\n'},
     "no edge engine -> persistence/sqlite"),
    ("shared reaches for a program", {"shared/core/a.cc": '#include "proxy/host/listener.h"\n'},
     "no edge core -> proxy"),
    ("one program in the other", {"proxy/a.cc": '#include "core_service/settings.h"\n'},
     "no edge proxy -> core_service"),
    ("product includes tests", {"shared/base/a.h": '#include "tests/support/x.h"\n'}, "product code includes"),
    ("include without a path", {"shared/base/a.cc": '#include "a.h"\n'}, "by its path from the root"),
    ("an executor and the callbacks", {"shared/executors/remote_execution/a.cc": '#include "shared/callback/outbox.h"\n'},
     "no edge executors/remote_execution -> callback"),
    ("a CMake edge", {"shared/engine/CMakeLists.txt": "dynflow_module(engine\n  DEPENDS persistence http\n  SOURCES a.cc)\n"},
     "engine depends on http"),
    ("the document tells something else", {"docs/architecture.md": "## Modules and edges\n| `log` | net | lines |\n"},
     "the table's edges of log"),
    ("transitive edges are fine", {"shared/api/a.cc": '#include "shared/base/result.h"\n#include <vector>\n'}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
