#!/usr/bin/env python3
"""Every route is in docs/openapi.yaml, and every route there is in the sources."""

import re

import source_tree

DOCUMENT = "docs/openapi.yaml"
# (folder, prefix of its routes): routes as `add("GET", "/path"` of a router.
ROUTERS = [("shared/api", "/dynflow")]
# Routes that are compared by hand: `request.path == "/path"`, each for GET.
BY_HAND = ("proxy/host", "proxy/script")
# Handlers of one path: the file and the path; methods as `request.method == "GET"`.
ONE_PATH = [("proxy/dynflow/mode_routes.cc", "/dynflow/mode"), ("shared/core/core.cc", "/dynflow/metrics")]

ADDED = re.compile(r'\badd\("([A-Z]+)",\s*"([^"]+)"')
COMPARED = re.compile(r'request\.path == "([^"]+)"')
METHOD = re.compile(r'request\.method == "([A-Z]+)"')
PARAMETER = re.compile(r":(\w+)")
PATH_LINE = re.compile(r"^  (/[^:]*):$")
METHOD_LINE = re.compile(r"^    (get|post|put|patch|delete):$")


def in_sources(root):
    """{(method, path): where}."""
    found = {}
    for path in source_tree.files(root, {".cc"}):
        name = path.as_posix()
        text = root.joinpath(path).read_text(encoding="utf-8")
        for folder, prefix in ROUTERS:
            if name.startswith(folder + "/"):
                for method, pattern in ADDED.findall(text):
                    found[(method, prefix + PARAMETER.sub(r"{\1}", pattern))] = name
        if name.startswith(BY_HAND):
            for route in COMPARED.findall(text):
                found[("GET", route.rstrip("/"))] = name
        for file, route in ONE_PATH:
            if name == file:
                found.update({(method, route): name for method in METHOD.findall(text) if method != "HEAD"})
    return found


def in_document(root):
    """{(method, path): line number}."""
    found = {}
    path = None
    if root.joinpath(DOCUMENT).exists():
        for number, line in source_tree.lines(root, DOCUMENT):
            if match := PATH_LINE.match(line):
                path = match[1]
            elif path and (match := METHOD_LINE.match(line)):
                found[(match[1].upper(), path)] = number
    return found


def check(root):
    routes = in_sources(root)
    documented = in_document(root)
    return [f"{where}:1: {method} {path} is not in {DOCUMENT}" for (method, path), where in sorted(routes.items())
            if (method, path) not in documented] + \
           [f"{DOCUMENT}:{number}: {method} {path} is no route" for (method, path), number in sorted(documented.items())
            if (method, path) not in routes]


ROUTER = 'add("GET", "/tasks/:id/status", &Api::status);\n'
PAGE = "paths:\n  /dynflow/tasks/{id}/status:\n    get:\n"
CASES = [
    ("a route without a page", {"shared/api/api.cc": ROUTER}, "GET /dynflow/tasks/{id}/status is not in"),
    ("a page without a route", {DOCUMENT: PAGE}, "is no route"),
    ("another method", {"shared/api/api.cc": ROUTER, DOCUMENT: PAGE.replace("get", "post")}, "is no route"),
    ("a compared path", {"proxy/host/host.cc": 'if (request.path == "/new") {}\n'}, "GET /new is not in"),
    ("an order of the mode", {"proxy/dynflow/mode_routes.cc": 'if (request.method == "POST") {}\n'}, "POST /dynflow/mode is not in"),
    ("all there", {"shared/api/api.cc": ROUTER, DOCUMENT: PAGE}, None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
