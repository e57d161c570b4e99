"""`dynflow-migrate rehearse`, small: both modes run the same jobs, the figures are plausible, and nothing is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

import recorded_sidecar
from network import wait_until
from programs import binary

TIMEOUT = 150


class Page(HTMLParser):
    """Counts elements and notes what would be fetched."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.fetched = []
        self.open = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [value for name, value in attributes if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes another element")


class RehearseTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.folder.chmod(0o755)
        self.temporary.chmod(0o755)

    def command(self, *arguments):
        return [str(binary("dynflow-migrate")), "rehearse", "--root", str(self.folder), *arguments]

    def environment(self, **more):
        return {**os.environ, "TMPDIR": str(self.temporary), **more}

    def processes(self):
        """Command lines of living processes that work in our folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.temporary) in line:
                found.append(line)
        return found

    def check_mode(self, mode, name):
        self.assertGreater(mode["tasks"], 0, name)
        self.assertEqual(mode["succeeded"], mode["tasks"], name)
        self.assertEqual(mode["callbacks"], mode["tasks"], name)
        self.assertGreaterEqual(len(mode["rounds"]), 2, name)
        self.assertGreater(mode["cpu_ms_per_task"], 0, name)
        self.assertGreater(mode["tasks_per_second"], 0, name)
        self.assertLessEqual(mode["launch_ms"]["p50"], mode["launch_ms"]["p95"], name)
        for process in mode["processes"]:
            self.assertGreater(process["after_kib"], 1024, name)
        for when in ("idle", "busy"):
            self.assertGreater(mode["version_ms"][when]["p50"], 0, name)
            self.assertLessEqual(mode["version_ms"][when]["p50"], mode["version_ms"][when]["p99"], name)

    def test_both_modes_run_the_same_jobs(self):
        report = self.folder / "report.html"
        run = subprocess.run(self.command("--hosts", "3", "--jobs", "2", "--duration", "2", "--json", "--html", str(report)),
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
                             env=self.environment(), check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        document = json.loads(run.stdout)
        self.assertEqual([stage["name"] for stage in document["stages"]], ["no-op", "ssh"], document["skipped"])
        for stage in document["stages"]:
            self.assertEqual(sorted(stage["modes"]), ["external", "in-process"])
            for name, mode in stage["modes"].items():
                self.check_mode(mode, f"{stage['name']} {name}")
            rounds = {len(mode["rounds"]) for mode in stage["modes"].values()}
            self.assertEqual(len(rounds), 1, "both modes have as many rounds")
        self.assertEqual([p["name"] for p in document["stages"][0]["modes"]["external"]["processes"]],
                         ["smart_proxy_dynflow_core", "smart-proxy"])
        traffic = document["relay_traffic"]
        self.assertGreater(traffic["launch_bytes"], 100 * traffic["tasks"])
        self.assertGreater(traffic["status_bytes"], 100 * traffic["tasks"])
        self.assertGreater(len(document["verdict"]), 3)
        page = Page()
        page.feed(report.read_text(encoding="utf-8"))
        page.close()
        self.assertEqual([page.open, page.fetched], [[], []])
        self.assertEqual(page.tags.count("polyline"), 4)
        self.assertGreater(page.tags.count("svg"), 10)
        self.assertNotIn("script", page.tags)
        self.assertEqual(list(self.temporary.iterdir()), [], "the folder is gone")
        self.assertEqual(self.processes(), [], "no process is left")

    def test_a_site_with_tls(self):
        settings = self.folder / "etc/foreman-proxy/settings.yml"
        settings.parent.mkdir(parents=True)
        # Its own certificates are not touched: they are not even there.
        settings.write_text("---\n:ssl_certificate: /none/cert.pem\n:ssl_private_key: /none/key.pem\n:ssl_ca_file: /none/ca.pem\n", encoding="ascii")
        run = subprocess.run(self.command("--hosts", "3", "--jobs", "2", "--duration", "1", "--json"), stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=TIMEOUT, env=self.environment(), check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        document = json.loads(run.stdout)
        self.assertIn("TLS everywhere, as at the site, with a throw-away certificate (RSA, 4096 bits)", document["settings"]["notes"])
        for stage in document["stages"]:
            for name, mode in stage["modes"].items():
                self.check_mode(mode, f"{stage['name']} {name}")
        self.assertGreater(document["relay_traffic"]["launch_bytes"], 100 * document["relay_traffic"]["tasks"])
        self.assertEqual(list(self.temporary.iterdir()), [], "the folder is gone, with the key")

    def test_the_ruby_pair_runs_too(self):
        """A sidecar that answers as the Ruby one was recorded to, behind our own proxy."""
        proxy = [f"--ruby-proxy={binary('smart-proxy')} --config-dir"]
        small = ["--hosts", "3", "--jobs", "2", "--duration", "1", "--json"]

        def rehearse(core):
            run = subprocess.run(self.command(*small, *proxy, f"--ruby-core={core}"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=TIMEOUT, env=self.environment(), check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            return json.loads(run.stdout)

        document = rehearse(f"{sys.executable} {recorded_sidecar.__file__}")
        self.assertEqual([sorted(stage["modes"]) for stage in document["stages"]], [["external", "in-process"], ["Ruby pair", "external", "in-process"]],
                         document["skipped"])
        found = document["stages"][1]["modes"]["Ruby pair"]
        self.assertEqual((found["tasks"], found["succeeded"], found["callbacks"], len(found["rounds"])), (6, 6, 6, 1))
        self.assertGreater(found["cpu_ms_per_task"], 0)
        self.assertEqual([process["name"] for process in found["processes"]], ["Ruby smart_proxy_dynflow_core", "Ruby smart-proxy"])
        self.assertTrue(any(sentence.startswith("The Ruby pair:") for sentence in document["verdict"]))
        # One that does not start spoils nothing.
        document = rehearse("/bin/false")
        self.assertEqual(sorted(document["stages"][1]["modes"]), ["external", "in-process"])
        self.assertTrue(any(text.startswith("the Ruby pair: Ruby smart_proxy_dynflow_core ended at once") for text in document["skipped"]), document["skipped"])
        self.assertEqual(self.processes(), [])

    def test_an_interrupt_cleans_up(self):
        process = subprocess.Popen(self.command("--duration", "60"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=self.environment())
        try:
            wait_until(lambda: len([line for line in self.processes() if "smart-proxy" in line]) == 2, "both proxies", 60)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 2, output)
        self.assertIn("interrupted", output)
        self.assertEqual(list(self.temporary.iterdir()), [])
        self.assertEqual(self.processes(), [])

    def test_a_killed_rehearsal_takes_its_processes_with_it(self):
        def start():
            return subprocess.Popen(self.command("--duration", "60"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, env=self.environment())

        process = start()
        wait_until(lambda: len([line for line in self.processes() if "smart-proxy" in line]) == 2, "both proxies", 60)
        process.kill()
        process.wait()
        wait_until(lambda: not self.processes(), "the end of all that it started", 60)
        left = list(self.temporary.iterdir())
        self.assertEqual(len(left), 1)
        other = self.temporary / "dynflow-rehearse.made-just-now"
        other.mkdir()
        again = start()
        try:
            wait_until(lambda: not left[0].exists(), "the next rehearsal to remove what was left", 60)
            again.send_signal(signal.SIGINT)
            again.wait(60)
        finally:
            again.kill()
        self.assertEqual(list(self.temporary.iterdir()), [other], "a folder without a lock is somebody's who is just making it")
        self.assertEqual(self.processes(), [])

    def test_arguments_out_of_range_are_refused(self):
        for arguments, text in ((("--hosts", "0"), "--hosts: expected 1 to"), (("--jobs", "x"), "--jobs: expected a whole number"),
                                (("--ruby-core", "x"), "go together"), (("--ruby-core", " ", "--ruby-proxy", "x"), "expected a command")):
            run = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(run.returncode, 2)
            self.assertIn(text, run.stderr)


if __name__ == "__main__":
    unittest.main()
