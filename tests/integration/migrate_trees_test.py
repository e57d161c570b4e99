#!/usr/bin/env python3
"""dynflow-migrate over trees of settings, where nothing runs: every command, there and back, and what installers need."""

import json
import os
import pwd
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from programs import binary

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/config"
TREES = ("el-2.4-sidecar", "el-2.4-sidecar-katello-customcerts", "deb-2.4-inprocess", "el-2.5-inprocess", "el-2.5-forced-external",
         "el-3.0-merged", "el-3.2-core-dropped", "current-30.1-pull-mqtt", "packaged-defaults/rpm-2.5", "packaged-defaults/deb-2.5",
         "packaged-defaults/v0.9.4")


class Trees(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="migrate-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_tool(self, *arguments):
        return subprocess.run([str(binary("dynflow-migrate")), *arguments], capture_output=True, text=True, timeout=60, check=False)

    def test_libraries_are_loaded_in_processes_of_their_own(self):
        self.assertEqual(self.run_tool("plugins", "probe").returncode, 0)
        bad = self.folder / "bad.so"
        bad.write_text("no library", encoding="utf-8")
        done = self.run_tool("plugins", "load", str(bad))
        self.assertEqual(done.returncode, 2)
        self.assertIn("bad.so", done.stderr)
        # That it is there is not enough for C03.
        found = subprocess.run([str(binary("dynflow-migrate")), "check", "--json", "--config-dir", str(self.copy("el-2.4-sidecar") / "etc/foreman-proxy")],
                               capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "DYNFLOW_CORE_LIBRARY": str(bad)})
        seen = [row["seen"] for row in json.loads(found.stdout)["findings"] if row["id"] == "C03"]
        self.assertEqual(len(seen), 1)
        self.assertIn(f"{bad} cannot be loaded", seen[0])

    def copy(self, name):
        tree = self.folder / name.replace("/", "-")
        shutil.copytree(FIXTURES / name, tree, symlinks=True)
        (tree / "etc/foreman-proxy/settings.d").mkdir(parents=True, exist_ok=True)
        return tree

    @staticmethod
    def files(tree):
        return {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file() and "dynflow-migrate" not in str(path)}

    def test_every_tree_is_looked_at_without_a_change(self):
        for name in TREES:
            with self.subTest(name):
                tree = self.copy(name)
                before = self.files(tree)
                for command in (("status",), ("check", "--to", "internal"), ("check", "--to", "external"), ("plan", "--to", "internal"),
                                ("apply", "--to", "internal", "--noop"), ("apply", "--to", "external", "--noop"),
                                ("config", "migrate", "--noop"), ("config", "show"), ("config", "lint"), ("certs", "check")):
                    done = self.run_tool(*command, "--json", "--root", str(tree))
                    self.assertIn(done.returncode, (0, 1, 2), (command, done.stderr))
                    document = json.loads(done.stdout)
                    self.assertEqual(document["exit_code"], done.returncode)
                    self.assertNotIn("error", document, command)
                self.assertEqual(self.files(tree), before)

    def test_every_tree_goes_there_and_back(self):
        for name in TREES:
            with self.subTest(name):
                tree = self.copy(name)
                before = self.files(tree)
                root = ("--root", str(tree))
                first = self.run_tool("apply", "--to", "internal", *root).returncode
                self.assertIn(first, (0, 3))
                self.assertEqual(self.run_tool("apply", "--to", "internal", *root).returncode, 0, "a second time changes nothing")
                if first == 3:
                    self.assertEqual(self.run_tool("rollback", *root).returncode, 3)
                    left = {path: text for path, text in self.files(tree).items() if path.suffix != ".bak"}
                    self.assertEqual(left, before)

    @staticmethod
    def without_room(size):
        """No file grows beyond that many bytes: what a full disk is to a program."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def test_without_room_nothing_is_half_done(self):
        before = self.files(self.copy("el-2.4-sidecar"))
        for size in (0, 60, 200, 500, 900):
            with self.subTest(size):
                shutil.rmtree(self.folder / "el-2.4-sidecar")
                tree = self.copy("el-2.4-sidecar")
                command = [str(binary("dynflow-migrate")), "apply", "--to", "internal", "--root", str(tree)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=lambda limit=size: self.without_room(limit))
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn("cannot write", done.stderr)
                for path, text in self.files(tree).items():
                    if path.suffix != ".bak":
                        self.assertIn(text, (before.get(path), *self.whole_texts(path)), f"{path} is whole")
                self.assertEqual([str(path) for path in tree.rglob("*.??????.new")], [], "nothing is left beside it")
                self.assertEqual(self.run_tool("apply", "--to", "internal", "--root", str(tree)).returncode, 3)
                self.assertEqual(self.run_tool("rollback", "--root", str(tree)).returncode, 3)
                left = {path: text for path, text in self.files(tree).items() if path.suffix != ".bak"}
                self.assertEqual(left, before)

    def whole_texts(self, path):
        """What the file is after the change."""
        if not hasattr(self, "after"):
            tree = self.folder / "after"
            shutil.copytree(FIXTURES / "el-2.4-sidecar", tree, symlinks=True)
            self.run_tool("apply", "--to", "internal", "--root", str(tree))
            self.after = self.files(tree)
        return (self.after.get(path),)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_not_root(self):
        tree = self.copy("el-2.4-sidecar")
        self.folder.chmod(0o755)
        before = self.files(tree)
        nobody = pwd.getpwnam("nobody").pw_uid
        for command in (("apply", "--to", "internal"), ("rollback",), ("config", "set", "external_core", "false")):
            done = subprocess.run([str(binary("dynflow-migrate")), *command, "--root", str(tree)], capture_output=True, text=True, timeout=60,
                                  check=False, user=nobody)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertRegex(done.stderr, r"cannot (make|write|read)|there is no snapshot|Permission denied")
        self.assertEqual(self.files(tree), before)
        self.assertEqual(subprocess.run([str(binary("dynflow-migrate")), "status", "--root", str(tree)], capture_output=True, text=True,
                                        timeout=60, check=False, user=nobody).returncode, self.run_tool("status", "--root", str(tree)).returncode)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_what_may_not_be_looked_at_is_not_taken_for_missing(self):
        self.folder.chmod(0o755)
        nobody = pwd.getpwnam("nobody").pw_uid

        def tool(*arguments):
            done = subprocess.run([str(binary("dynflow-migrate")), *arguments, "--json", "--root", str(tree)], capture_output=True, text=True,
                                  timeout=60, check=False, user=nobody)
            return done.returncode, json.loads(done.stdout)

        for path in ("etc/smart_proxy_dynflow_core", "etc/foreman-proxy/settings.d/dynflow.yml", "etc/sysconfig/smart_proxy_dynflow_core"):
            with self.subTest(path):
                shutil.rmtree(self.folder / "el-2.4-sidecar", ignore_errors=True)
                tree = self.copy("el-2.4-sidecar")
                (tree / path).chmod(0o700)
                code, status = tool("status")
                told = [text for text in status["problems"] + status["settings_warnings"] if "Permission denied" in text]
                self.assertTrue([text for text in told if f"/{path}" in text], status)
                self.assertEqual(code, 1 if "sysconfig" in path else 2)
                _, found = tool("check")
                self.assertEqual({row["mend"] for row in found["findings"] if row["id"] == "C01" and "Permission denied" in row["seen"]}, {"run it as root"})

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_a_folder_of_somebody_else_is_not_trusted(self):
        """The service's user may write beside it: what he put there is no snapshot of ours."""
        tree = self.copy("el-2.4-sidecar")
        place = tree / "var/lib/foreman-proxy/dynflow-migrate"
        self.assertEqual(self.run_tool("apply", "--to", "internal", "--root", str(tree)).returncode, 3)
        before = self.files(tree)
        shutil.chown(place, "nobody")
        for command in (("apply", "--to", "external"), ("rollback",)):
            done = self.run_tool(*command, "--root", str(tree))
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("belongs to somebody else", done.stderr)
        self.assertEqual(self.files(tree), before)
        place.rename(tree / "elsewhere")
        place.symlink_to(tree / "elsewhere")
        shutil.chown(tree / "elsewhere", "root")
        self.assertEqual(self.run_tool("rollback", "--root", str(tree)).returncode, 2)

    def test_a_reader_who_leaves_stops_no_change(self):
        """`dynflow-migrate apply | head`"""
        tree = self.copy("el-2.4-sidecar")
        command = [str(binary("dynflow-migrate")), "apply", "--to", "internal", "--root", str(tree)]
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as nobody:
            done = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("could not be written", done.stderr)
        self.assertIn("nothing to do", subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)

    def test_folders_that_are_not_there(self):
        tree = self.copy("el-2.4-sidecar")
        nowhere = self.folder / "nowhere"
        for arguments, text in ((("--root", str(nowhere)), f"--root: there is no folder {nowhere}"),
                                (("--root", str(tree), "--config-dir", "/etc/foreman-prox"), "--config-dir: there is no folder /etc/foreman-prox")):
            for command in (("status",), ("check",), ("apply", "--to", "internal"), ("config", "migrate"), ("state", "inspect")):
                done = self.run_tool(*command, *arguments)
                self.assertEqual((done.returncode, done.stderr.strip()), (2, f"dynflow-migrate: {text}"), command)
        self.assertFalse(nowhere.exists())

    def test_what_was_not_looked_at_is_not_said_to_be_well(self):
        tree = self.copy("el-2.4-sidecar")
        found = json.loads(self.run_tool("check", "--json", "--root", str(tree)).stdout)
        self.assertEqual(found["skipped"], ["C03", "C06", "C08", "C12", "C15", "C17", "C18", "C20", "C21", "C22"])
        said = self.run_tool("check", "--root", str(tree)).stdout
        self.assertIn("C06 skip  certificates fit: not looked at here\n", said)
        self.assertIn("C02 ok    :external_core:", said)

    def test_addresses_of_the_proxy(self):
        tree = self.copy("el-2.4-sidecar")
        for url in ("proxy.example.com", "http://", "http://localhost:80abc", "http://localhost:0", "http://[::1", "https//x"):
            done = self.run_tool("drain", "--root", str(tree), "--proxy-url", url)
            self.assertEqual((done.returncode, done.stderr.strip()), (2, f"dynflow-migrate: --proxy-url: expected http(s)://host[:port], got '{url}'"))
        for url, address in (("http://[::1]:9", "::1"), ("http://127.0.0.1:9/", "127.0.0.1:9")):
            done = self.run_tool("drain", "--root", str(tree), "--proxy-url", url)
            self.assertEqual(done.returncode, 2)
            self.assertIn(address, done.stderr)
            self.assertNotIn("--proxy-url", done.stderr)

    def test_noop_makes_nothing(self):
        tree = self.copy("el-2.5-inprocess")
        for command in (("rollback", "--noop"), ("cleanup", "--noop")):
            self.run_tool(*command, "--root", str(tree))
            self.assertEqual(list(tree.rglob("dynflow-migrate")), [])
        self.assertEqual(self.run_tool("apply", "--to", "external", "--root", str(tree)).returncode, 3)
        done = self.run_tool("rollback", "--noop", "--json", "--root", str(tree))
        self.assertEqual(done.returncode, 0)
        self.assertEqual([row["step"] for row in json.loads(done.stdout)["actions"]], ["settings", "flip", "wait", "verify", "retire"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_what_cannot_be_removed_is_an_error(self):
        tree = self.copy("el-2.4-sidecar")
        self.folder.chmod(0o755)
        self.assertEqual(self.run_tool("apply", "--to", "internal", "--root", str(tree)).returncode, 3)
        shutil.chown(tree / "var/lib/foreman-proxy", "nobody")
        shutil.rmtree(tree / "var/lib/foreman-proxy/dynflow-migrate")
        done = subprocess.run([str(binary("dynflow-migrate")), "cleanup", "--root", str(tree)], capture_output=True, text=True, timeout=60, check=False,
                              user=pwd.getpwnam("nobody").pw_uid)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("/etc/smart_proxy_dynflow_core/settings.yml: Permission denied", done.stderr)

    def test_a_mask_outlives_its_unit_and_is_cleaned_away(self):
        tree = self.copy("el-2.4-sidecar")
        mask = tree / "etc/systemd/system/smart_proxy_dynflow_core.service"
        unit = tree / "usr/lib/systemd/system/smart_proxy_dynflow_core.service"
        library = tree / "usr/lib64/libdynflow_core.so.1"
        for file in (unit, library):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        self.assertEqual(self.run_tool("apply", "--to", "internal", "--root", str(tree)).returncode, 3)
        mask.symlink_to("/dev/null")
        self.assertEqual(self.run_tool("cleanup", "--root", str(tree)).returncode, 3)
        self.assertTrue(mask.is_symlink(), "the package is still there")
        unit.unlink()
        self.assertEqual(self.run_tool("cleanup", "--root", str(tree)).returncode, 3)
        self.assertFalse(mask.is_symlink())
        self.assertEqual(self.run_tool("cleanup", "--root", str(tree)).returncode, 0)

    def test_limits_of_the_other_unit_come_along_and_go_again(self):
        tree = self.copy("el-2.4-sidecar")
        root = ("--root", str(tree))
        drop_in = tree / "etc/systemd/system/foreman-proxy.service.d/60-dynflow-migrate.conf"
        self.assertIn("+LimitNOFILE=1000000", self.run_tool("plan", "--to", "internal", *root).stdout)
        self.assertFalse(drop_in.exists())
        self.assertEqual(self.run_tool("apply", "--to", "internal", *root).returncode, 3)
        text = drop_in.read_text(encoding="utf-8")
        self.assertIn("[Service]\nLimitNOFILE=1000000\n", text)
        self.assertNotIn("DYNFLOW_DB_CONN_STRING", text, "whose database it is, the settings say")
        found = json.loads(self.run_tool("check", "--json", *root).stdout)["findings"]
        self.assertEqual([row["seen"] for row in found if row["id"] == "C10" and "LimitNOFILE" in row["seen"]], [])
        self.assertEqual(self.run_tool("rollback", *root).returncode, 3)
        self.assertFalse(drop_in.parent.exists())

    def test_packages(self):
        """C17 and C22, with Debian's files and with rpm and apt-cache that stand in."""
        tree = self.copy("el-2.4-sidecar")
        (tree / "usr").mkdir(exist_ok=True)

        def findings(check, **environment):
            done = subprocess.run([str(binary("dynflow-migrate")), "check", "--json", "--root", str(tree)], capture_output=True, text=True,
                                  timeout=60, check=False, env={**os.environ, **environment})
            return [row["seen"] for row in json.loads(done.stdout)["findings"] if row["id"] == check]

        programs = self.folder / "programs"
        programs.mkdir()

        def program(name, text):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (programs / name).chmod(0o755)

        path = {"PATH": f"{programs}:{os.environ['PATH']}"}
        (tree / "var/lib/rpm").mkdir(parents=True)
        (tree / "var/lib/rpm/rpmdb.sqlite").touch()
        program("rpm", f'[ "$2" = "{tree}" ] || exit 3\n' + r"""case "$3" in -qf) printf tfm-rubygem-smart_proxy_dynflow_core ;; *) cat <<'END'
P	tfm-rubygem-smart_proxy_dynflow	0.5.2
P	tfm-rubygem-smart_proxy_dynflow_core	0.3.3
P	tfm-rubygem-smart_proxy_ansible	3.0.1
R	tfm-rubygem-smart_proxy_ansible	tfm-rubygem(smart_proxy_dynflow)	<	0.4
R	tfm-rubygem-smart_proxy_ansible	ruby	>=	2.5
END
esac""")
        program("dnf", 'echo "tfm-rubygem-smart_proxy_dynflow_core-0:0.3.3-1.el7.noarch"')
        seen = findings("C17", **path)
        self.assertIn("tfm-rubygem-smart_proxy_ansible 3.0.1 want a core service, tfm-rubygem-smart_proxy_dynflow 0.5.2 come without one", seen)
        self.assertIn("tfm-rubygem-smart_proxy_dynflow_core 0.3.3 is installed", seen)
        self.assertIn("tfm-rubygem-smart_proxy_ansible needs tfm-rubygem(smart_proxy_dynflow) < 0.4", seen)
        self.assertEqual(len(seen), 3)
        self.assertEqual([text for text in findings("C22", **path) if "repository" in text or "again" in text], [])
        program("dnf", "exit 0")
        self.assertIn("no repository has tfm-rubygem-smart_proxy_dynflow_core", findings("C22", **path)[-1])
        program("rpm", "echo 'rpmdb: cannot open' >&2; exit 1")
        self.assertIn("rpmdb: cannot open", findings("C17", **path)[0])

        (tree / "var/lib/dpkg/info").mkdir(parents=True)
        (tree / "var/lib/dpkg/status").write_text(
            "Package: ruby-smart-proxy-dynflow\nStatus: install ok installed\nVersion: 0.3.0-3\n\n"
            "Package: ruby-smart-proxy-ansible\nStatus: install ok installed\nVersion: 3.0.1-6\nDepends: ruby, ruby-smart-proxy-dynflow-core (<< 0.4.0), foreman-proxy (>= 2)\n\n"
            "Package: ruby-foreman-tasks-core\nStatus: deinstall ok config-files\nVersion: 0.3.6-1\n", encoding="utf-8")
        self.assertEqual(findings("C17"), ["ruby-smart-proxy-ansible needs ruby-smart-proxy-dynflow-core << 0.4.0"])
        versions = json.loads(self.run_tool("status", "--json", "--root", str(tree)).stdout)["packages"]
        self.assertEqual(versions, {"ruby-smart-proxy-ansible": "3.0.1", "ruby-smart-proxy-dynflow": "0.3.0"})
        (tree / "var/lib/dpkg/info/ruby-smart-proxy-dynflow-core.list").write_text("/.\n/lib/systemd/system/smart_proxy_dynflow_core.service\n", encoding="utf-8")
        program("apt-cache", r"""printf 'ruby-smart-proxy-dynflow-core:\n  Version table:\n *** 0.3.3-1 100\n        100 /var/lib/dpkg/status\n'""")
        self.assertIn("no repository has ruby-smart-proxy-dynflow-core", findings("C22", **path)[-1])
        program("apt-cache", r"""printf '  Version table:\n *** 0.3.3-1 500\n        500 http://deb.theforeman.org plugins/2.5 Packages\n        100 /var/lib/dpkg/status\n'""")
        self.assertEqual([text for text in findings("C22", **path) if "repository" in text], [])
        program("apt-cache", "exit 100")
        self.assertIn("cannot be told", findings("C22", **path)[-1])

    def test_capacity_and_databases(self):
        """C04 and C15: what processes hold, and whether the files are there, below a root and with a service manager that stands in."""
        tree = self.copy("el-2.5-forced-external")
        (tree / "usr").mkdir(exist_ok=True)
        manager = self.folder / "systemctl"
        manager.write_text("#!/bin/sh\ncase $* in *smart_proxy*) pid=12 ;; *) pid=11 ;; esac\n"
                           "printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\nMainPID=%s\\n' $pid\n", encoding="utf-8")
        manager.chmod(0o755)

        def findings(check, target="internal"):
            done = subprocess.run([str(binary("dynflow-migrate")), "check", "--json", "--to", target, "--root", str(tree)], capture_output=True,
                                  text=True, timeout=60, check=False, env={**os.environ, "DYNFLOW_MIGRATE_SYSTEMCTL": str(manager)})
            return [row["seen"] for row in json.loads(done.stdout)["findings"] if row["id"] == check]

        def proc(path, text):
            file = tree / "proc" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="ascii")

        proc("11/limits", "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 262144               files\n")
        proc("11/status", "Name:\truby\nVmRSS:\t  409600 kB\n")
        proc("12/status", "Name:\truby\nVmRSS:\t  2097152 kB\n")
        proc("meminfo", "MemTotal:       4000000 kB\nMemAvailable:    1048576 kB\n")
        drop_in = tree / "etc/systemd/system/foreman-proxy.service.d/memory.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text("[Service]\nMemoryMax=2G\n", encoding="ascii")
        seen = findings("C15")
        self.assertEqual(len(seen), 3, seen)
        self.assertIn("may open 1024 files; 4000 jobs at once take up to 13024", seen[0])
        self.assertIn("holds 2048 MiB, and 1024 MiB are left", seen[1])
        self.assertIn("MemoryMax=2G: proxy and core service hold 2448 MiB together", seen[2])
        self.assertEqual(findings("C15", "external"), [])
        proc("11/limits", "Max open files            1000000              1000000              files\n")
        proc("meminfo", "MemAvailable:    9048576 kB\n")
        drop_in.write_text("[Service]\nMemoryMax=4G\n", encoding="ascii")
        self.assertEqual(findings("C15"), [])
        with open(tree / "etc/foreman-proxy/settings.yml", "a", encoding="ascii") as settings:
            settings.write("\n:max_connections: 150\n")
        self.assertRegex(findings("C15")[0], r"^/etc/foreman-proxy/settings\.yml:\d+: :max_connections: 150: the Ruby proxy and its core service took 100 each$")

        config = tree / "etc/foreman-proxy/settings.d/dynflow.yml"
        config.write_text(":enabled: true\n:external_core: true\n:database: /var/lib/none/proxy.sqlite\n", encoding="ascii")
        self.assertIn("there is no folder /var/lib/none", findings("C04")[0])
        (tree / "var/lib/none").mkdir(parents=True)
        self.assertEqual([text for text in findings("C04") if "/var/lib/none" in text], [])

    def test_p2_becomes_p3(self):
        tree = self.copy("el-2.4-sidecar")
        root = ("--root", str(tree))
        self.assertEqual(self.run_tool("cleanup", *root).returncode, 2, "not while the site is external")
        self.assertEqual(self.run_tool("apply", "--to", "internal", *root).returncode, 3)
        self.assertEqual(json.loads(self.run_tool("status", "--json", *root).stdout)["phase"], "P2")
        self.assertEqual(self.run_tool("cleanup", "--noop", *root).returncode, 0)
        self.assertTrue((tree / "etc/smart_proxy_dynflow_core/settings.yml").exists())
        self.assertEqual(self.run_tool("cleanup", *root).returncode, 3)
        self.assertFalse((tree / "etc/smart_proxy_dynflow_core").exists())
        self.assertTrue((tree / "etc/foreman-proxy/settings.d/dynflow.yml").exists(), "the link was removed, not followed")
        self.assertEqual(json.loads(self.run_tool("status", "--json", *root).stdout)["phase"], "P3")

    def test_manual_and_completion(self):
        self.assertIn(".SS apply", self.run_tool("manual").stdout)
        script = self.folder / "completion"
        script.write_text(self.run_tool("completion").stdout, encoding="utf-8")
        shown = subprocess.run(["bash", "-c", f". {script}; COMP_WORDS=(dynflow-migrate apply --to ''); COMP_CWORD=3; _dynflow_migrate; echo ${{COMPREPLY[@]}}"],
                               capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(shown.stdout.split(), ["internal", "external"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
