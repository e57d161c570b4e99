#!/usr/bin/env python3
"""What `cmake --install` gives to others: links, headers, CMake package, pkg-config file; and the example plugin, built
with nothing else and loaded by the core."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foreman import Foreman
from network import wait_until
from programs import PLUGIN_PATH_VARIABLE, ROOT, CoreService, binary, wait_for_task

BUILD = binary("smart_proxy_dynflow_core").parents[1]
PREFIX = BUILD / "tests/package"
EXAMPLE = ROOT / "docs/examples/plugin"


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=1200, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def setUpModule():
    shutil.rmtree(PREFIX, ignore_errors=True)
    for component in ("core", "development"):
        run("cmake", "--install", BUILD, "--prefix", PREFIX, "--component", component)


class Installed(unittest.TestCase):
    def test_libraries_have_versioned_links(self):
        for name in ("dynflow_base", "dynflow_core"):
            link = next(PREFIX.rglob(f"lib{name}.so"))
            self.assertEqual(os.readlink(link), f"lib{name}.so.1")
            real = os.readlink(link.with_name(f"lib{name}.so.1"))
            self.assertRegex(real, rf"^lib{name}\.so\.1\.\d+\.\d+$")
            dynamic = run("readelf", "-d", link)
            self.assertIn(f"soname: [lib{name}.so.1]", dynamic)
            self.assertNotIn(str(BUILD), dynamic)

    def test_nothing_installed_knows_the_source_tree(self):
        for path in (PREFIX / "lib").rglob("*.cmake"):
            self.assertNotIn(str(ROOT), path.read_text(encoding="utf-8"), path)

    def test_headers_compile_alone(self):
        """With the flags of the pkg-config file and nothing of this tree."""
        config = next(PREFIX.rglob("dynflow-core.pc"))
        environment = {**os.environ, "PKG_CONFIG_PATH": str(config.parent)}
        flags = shlex.split(run("pkg-config", "--cflags", "dynflow-core", env=environment))
        root = PREFIX / "include/dynflow_core"
        headers = sorted(root.rglob("*.h"))
        self.assertGreater(len(headers), 30)

        def compile_alone(header):
            done = subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *flags,
                                   "-include", str(header), "-x", "c++", "/dev/null"],
                                  capture_output=True, text=True, check=False, cwd="/")
            return "" if done.returncode == 0 else f"{header.relative_to(root)}: {done.stderr[:500]}"

        with ThreadPoolExecutor(2) as pool:
            self.assertEqual([text for text in pool.map(compile_alone, headers) if text], [])


class MigrationTool(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run("cmake", "--install", BUILD, "--prefix", PREFIX, "--component", "migration")
        cls.tool = PREFIX / "sbin/dynflow-migrate"

    def test_everything_is_in_its_place(self):
        self.assertTrue(os.access(self.tool, os.X_OK))
        self.assertTrue((PREFIX / "share/man/man8/dynflow-migrate.8").is_file())
        self.assertTrue((PREFIX / "share/bash-completion/completions/dynflow-migrate").is_file())

    def test_the_manual_page(self):
        page = PREFIX / "share/man/man8/dynflow-migrate.8"
        # groff's warnings are about what would be shown wrong.
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(page)], capture_output=True, text=True, check=True, timeout=60)
        self.assertEqual(done.stderr, "")
        shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)  # bold, in either way
        shown = " ".join(shown.split())
        for words in ("move a Smart Proxy", "--to internal|external", "--hand-over", "undrain", "certs check", "rehearse", "EXIT STATUS", "Refused because jobs run"):
            self.assertIn(words, shown.replace("\u2010", "-").replace("\u2212", "-"))

    def complete(self, *words):
        """What bash offers for the last of the words, with the file as a shell loads it."""
        line = " ".join(f"'{word}'" for word in ("dynflow-migrate", *words))
        script = (f"set -eu; . {PREFIX}/share/bash-completion/completions/dynflow-migrate; complete -p dynflow-migrate > /dev/null; "
                  f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _dynflow_migrate; echo ${{COMPREPLY[@]}}")
        return subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=20, check=True).stdout.split()

    def test_the_completion(self):
        first = self.complete("")
        for word in ("status", "check", "apply", "drain", "undrain", "config", "certs", "state", "rehearse"):
            self.assertIn(word, first)
        self.assertEqual(self.complete("und"), ["undrain"])
        self.assertEqual(sorted(self.complete("config", "")), ["get", "lint", "migrate", "set", "show"])
        self.assertEqual(self.complete("apply", "--to", ""), ["internal", "external"])
        self.assertEqual(self.complete("check", "--to", "m"), ["merged"])
        self.assertIn("--registered-as", self.complete("certs", "check", "--"))
        self.assertIn("--json", self.complete("drain", "--"))


class ExamplePlugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.build = PREFIX / "example"
        # Not from within the tree, as anybody who writes a plugin.
        source = PREFIX / "example_source"
        shutil.copytree(EXAMPLE, source)
        run("cmake", "-S", source, "-B", cls.build, f"-DCMAKE_PREFIX_PATH={PREFIX}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo")
        run("cmake", "--build", cls.build)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="plugin-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.foreman = self.enterContext(Foreman())
        self.core = self.enterContext(CoreService(self.folder / "core", self.foreman.url,
                                                  environment={PLUGIN_PATH_VARIABLE: str(self.build)}))

    def launch(self, action_class, **action_input):
        plan, task = str(uuid.uuid4()), str(uuid.uuid4())
        entry = {"action_class": action_class, "action_input": {**action_input, "callback": {"task_id": task, "step_id": 5}}}
        answer = self.core.http.post("/tasks/launch", {"operation": "example", "input": {plan: entry}, "options": {}})
        self.assertEqual(answer.status, 200, answer.text)
        return plan, task

    def count(self, plan, name):
        return self.core.http.get(f"/tasks/{plan}/status").json()["actions"][0]["output"].get(name)

    def test_an_action_that_polls_reports_to_foreman(self):
        self.assertIn("example", self.core.http.get("/tasks/operations").json())
        path = self.folder / "file"
        plan, task = self.launch("Example::WaitForFile", path=str(path))
        wait_until(lambda: self.count(plan, "poll_attempts"), "the first poll")
        path.write_text("here\n", encoding="utf-8")
        callback = self.foreman.wait_for(1, task_id=task)[0]
        self.assertEqual((callback.step_id, callback.data["exit_status"], callback.data["result"][0]["output"]), (5, 0, "here\n"))
        self.assertEqual(wait_for_task(self.core.http, plan, prefix="")["result"], "success")

    def test_sub_plans_with_a_limit(self):
        paths = [self.folder / name for name in ("a", "b", "c")]
        plan, task = self.launch("Example::WaitForFiles", paths=[str(path) for path in paths], at_once=1)
        for number, path in enumerate(paths, 1):
            wait_until(lambda wanted=number: self.count(plan, "planned_count") == wanted, f"sub-plan {number}")
            path.write_text("x", encoding="utf-8")
        callback = self.foreman.wait_for(1, task_id=task)[0]
        self.assertEqual((callback.data["exit_status"], callback.data["success_count"]), (0, 3))
        self.assertEqual(wait_for_task(self.core.http, plan, prefix="")["result"], "success")

    def test_errors_of_the_plugin_are_errors_of_the_task(self):
        plan, task = str(uuid.uuid4()), str(uuid.uuid4())
        entry = {"action_class": "Example::WaitForFile", "action_input": {"callback": {"task_id": task, "step_id": 5}}}
        answer = self.core.http.post("/tasks/launch", {"operation": "example", "input": {plan: entry}, "options": {}})
        self.assertEqual(answer.json()[plan]["result"], "error", answer.text)
        empty = self.folder / "empty"
        empty.touch()
        plan, _ = self.launch("Example::WaitForFile", path=str(empty))
        document = wait_for_task(self.core.http, plan, prefix="")
        self.assertEqual((document["state"], document["result"]), ("paused", "error"))


if __name__ == "__main__":
    unittest.main()
