"""`dynflow-migrate rehearse` runs the Ruby pair beside our two modes: named by options, and found where packages put it."""

import json
import shutil
import subprocess
import unittest

from live_stand import Live
from programs import binary
from ruby_systems import DRIVERS, RubyProxy, RubySidecar


class Rehearse(Live):
    def rehearse(self, *arguments):
        done = subprocess.run([str(binary("dynflow-migrate")), "rehearse", "--hosts", "5", "--jobs", "2", "--duration", "2", "--json", *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        document = json.loads(done.stdout)
        found = document["stages"][1]["modes"].get("Ruby pair")
        self.assertIsNotNone(found, document["skipped"])
        self.assertEqual((found["tasks"], found["succeeded"], found["callbacks"]), (10, 10, 10))
        # What it is all about.
        ours = document["stages"][1]["modes"]["in-process"]
        self.assertGreater(found["cpu_ms_per_task"], 2 * ours["cpu_ms_per_task"])
        print("\n" + next(sentence for sentence in document["verdict"] if sentence.startswith("The Ruby pair")))
        return document

    def libraries(self, program):
        return [f"{self.sources / library}" for library in program.LIBRARIES]

    def test_named_by_options(self):
        self.rehearse("--root", str(self.folder), *self.options())

    def test_with_tls(self):
        settings = self.folder / "tls/etc/foreman-proxy/settings.yml"
        settings.parent.mkdir(parents=True)
        settings.write_text("---\n:ssl_certificate: /none/cert.pem\n:ssl_private_key: /none/key.pem\n:ssl_ca_file: /none/ca.pem\n", encoding="ascii")
        document = self.rehearse("--root", str(self.folder / "tls"), *self.options())
        self.assertIn("TLS everywhere", document["settings"]["notes"][0])

    def options(self):
        commands = {}
        for option, driver, program in (("--ruby-proxy", "proxy", RubyProxy), ("--ruby-core", "sidecar", RubySidecar)):
            commands[option] = " ".join(["ruby", "-W0", *(f"-I{library}" for library in self.libraries(program)), str(DRIVERS / f"{driver}.rb")])
        return [f"{option}={command}" for option, command in commands.items()]

    def test_found_as_packages_install_it(self):
        root = self.folder / "installed"
        share = root / "usr/share/foreman-proxy"
        for part in ("bin", "lib", "modules"):
            shutil.copytree(self.sources / "smart-proxy" / part, share / part)
        shutil.copy(self.sources / "smart-proxy/VERSION", share)
        # Packages bring a Gemfile.in, and bundler_ext to read it and bundler.d.
        (share / "Gemfile.in").touch()
        (share / "lib/bundler_ext.rb").write_text(
            f"$LOAD_PATH.concat({self.libraries(RubyProxy)!r})\n"
            "module BundlerExt\n  def self.system_require(*)\n    require 'smart_proxy_dynflow'\n    require 'smart_proxy_remote_execution_ssh'\n  end\nend\n",
            encoding="utf-8")
        core = root / "usr/bin/smart_proxy_dynflow_core"
        core.parent.mkdir(parents=True)
        core.write_text(f"#!/usr/bin/env ruby\n$LOAD_PATH.concat({self.libraries(RubySidecar)!r})\n"
                        f"ARGV.replace([ARGV.last])\nload '{DRIVERS / 'sidecar.rb'}'\n", encoding="utf-8")
        core.chmod(0o755)
        self.rehearse("--root", str(root))


if __name__ == "__main__":
    unittest.main()
