#!/usr/bin/env python3
"""Which folder may include which library. A library has one owner, so that replacing it or its next hole is
one folder's business."""

import re

import source_tree

OWNERS = [
    # (pattern of the included name, folders that may include it)
    (r"httplib\.h$", ["shared/http/"]),
    (r"openssl/", ["shared/net/"]),
    (r"nlohmann/", ["shared/json/"]),
    (r"yaml-cpp/", ["shared/settings/"]),
    (r"spdlog/", ["shared/log/"]),
    (r"sqlite3\.h$", ["shared/persistence/sqlite/"]),
    (r"libpq-fe\.h$|postgresql/", ["shared/persistence/postgres/"]),
    (r"libssh/", ["shared/executors/remote_execution/"]),
    (r"mosquitto\.h$", ["shared/executors/remote_execution/"]),
    (r"prometheus/", ["shared/api/"]),
    (r"CLI/", ["proxy/", "core_service/", "migration/"]),
    (r"systemd/", ["shared/daemon/"]),
    (r"catch2/", []),
]
# Tests of an owner may look at the library too; the machinery for black-box tests and benchmarks may use any.
FREE = ("tests/support/", "tests/bench/", "tests/fuzz/", "tests/integration/")

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def may_include(path, owners, library):
    if path.startswith(FREE) or (library == "catch2/" and path.startswith("tests/")):
        return True
    return any(path.startswith((owner, "tests/unit/" + owner)) for owner in owners)


def check(root):
    findings = []
    for path in source_tree.files(root, source_tree.CPP_SUFFIXES):
        name = path.as_posix()
        for number, line in source_tree.lines(root, path):
            match = INCLUDE.match(line)
            if match:
                target = match.group(1)
                for pattern, owners in OWNERS:
                    if re.match(pattern, target) and not may_include(name, owners, pattern):
                        findings.append(f"{name}:{number}: {target} belongs to {' '.join(owners) or 'tests/'}")
                if target == "regex" and path.suffix == ".h":
                    findings.append(f"{name}:{number}: <regex> costs seconds per includer: keep it out of headers")
            if "fmt::runtime" in source_tree.without_comment(line):
                findings.append(f"{name}:{number}: fmt::runtime: format strings are checked when compiling")
    return findings


CASES = [
    ("a library outside its owner", {"shared/api/a.cc": "#include <httplib.h>\n"}, "belongs to shared/http/"),
    ("OpenSSL in http", {"shared/http/a.cc": "#include <openssl/ssl.h>\n"}, "belongs to shared/net/"),
    ("Catch in the product", {"shared/base/a.cc": "#include <catch2/catch.hpp>\n"}, "belongs to tests/"),
    ("unchecked format string", {"shared/log/a.cc": 'fmt::format(fmt::runtime(text), 1);\n'}, "fmt::runtime"),
    ("regex in a header", {"shared/settings/a.h": "#include <regex>\n"}, "<regex>"),
    ("owners and their tests", {"shared/http/a.cc": "#include <httplib.h>\n",
                                "tests/unit/shared/net/tls_test.cc": "#include <openssl/ssl.h>\n#include <catch2/catch.hpp>\n"},
     None),
]

if __name__ == "__main__":
    source_tree.run(check, CASES)
