"""A site as it was when a release of old came out: a tree of tests/fixtures/config, with our programs running from it.

The tree is copied, and of its files only what names the outside is changed, in place: paths get the copy's folder in front, ports are free
ones, Foreman and the core service are on this machine. Certificates lie where the settings name them. The tool works below `--root`; the
copy contains itself under its own path, so that a path in the settings means the same to it and to the programs."""

import os
import re
import shutil
from pathlib import Path

from foreman import Foreman
from migrating_site import UNIT, Moved
from network import free_port, wait_until
from pki import Authority
from programs import Program, binary, test_plugin_folder
from rest import Client
from units import Units

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/config"
CORE_LIBRARY = "usr/lib/x86_64-linux-gnu/libdynflow_core.so.1"
LIBRARIES = binary("smart-proxy").parents[1] / "lib"
OUTSIDE_PATH = re.compile(r"(?<![\w.])/(?=(?:etc|var|opt|usr/share/foreman-proxy)/)")


def value_of(text, key):
    """What stands behind a key that is not commented out, as it is written; None without one."""
    found = re.findall(rf"^:?{key}: *(\S.*?) *$", text, re.MULTILINE)
    return found[-1].strip("'\"") if found else None


class TreeProgram(Program):
    """One of ours that takes its settings from the tree."""

    def __init__(self, name, tree, folder, client, environment):
        super().__init__(name, folder, environment=environment)
        self.config = tree / "etc/foreman-proxy"
        self.client = client

    def is_ready(self):
        return self.client.get("/version").status == 200


class LegacySite(Moved):
    """start(TREE) copies it and starts what ran then: the proxy, and the core service when the proxy relays."""

    def start(self, name, has_core, runs_sidecar, edit=None):
        """`has_core`: the proxy's package for the core is installed; else install_core() does it. `edit`: a function of the text of the
        settings files."""
        self.tree = self.folder / "site"
        shutil.copytree(FIXTURES / name, self.tree, symlinks=True)
        self._make_folders()
        self.port, self.core_port = free_port(), free_port()
        settings = self.tree / "etc/foreman-proxy/settings.yml"
        text = settings.read_text(encoding="utf-8") if settings.exists() else "---\n"
        self.is_tls = value_of(text, "ssl_certificate") is not None
        self._make_certificates(text)
        for path in self._files():
            path.write_text(self._moved(path.read_text(encoding="utf-8")), encoding="utf-8")
        self._complete(settings)
        for path in self._files() if edit else ():
            path.write_bytes(edit(path.read_text(encoding="utf-8")))
        self._place_key()
        if has_core:
            self.install_core()
            self.install_executors()
        self.before = self.files()
        self._start_programs(runs_sidecar)

    def _files(self):
        return [path for path in (self.tree / "etc").rglob("*") if path.is_file() and path.suffix not in (".pem", ".key")]

    def _make_folders(self):
        for folder in ("etc/foreman-proxy/settings.d", "var/lib/foreman-proxy/dynflow", "var/lib/foreman-proxy/ssh", "var/log/foreman-proxy", "var/tmp",
                       "usr/share/foreman-proxy/.ssh", "opt/rex", "home/.ssh", "run", "tmp"):
            (self.tree / folder).mkdir(parents=True, exist_ok=True)
        # The package of the core service made this link.
        link = self.tree / "etc/smart_proxy_dynflow_core/settings.d"
        if link.parent.exists() and not link.is_symlink():
            link.symlink_to("../foreman-proxy/settings.d")
        itself = self.tree / self.tree.relative_to("/")
        itself.parent.mkdir(parents=True, exist_ok=True)
        itself.symlink_to(self.tree)

    def _make_certificates(self, text):
        """One authority for the site and another for Foreman, where the settings name two: each is trusted by both, as such sites have it."""
        self.identity = None
        if not self.is_tls:
            return self._start_foreman(None, None)
        own = Authority(self.folder / "ca")
        other = Authority(self.folder / "foreman-ca") if value_of(text, "foreman_ssl_ca") else own
        bundle = self.folder / "both.pem"
        bundle.write_text("".join(one.cert.read_text(encoding="ascii") for one in dict.fromkeys((own, other))), encoding="ascii")
        name = re.findall(r"(?:proxy|capsule)\.example\.com", text)[0]
        proxy, client = own.issue(name), other.issue(name, file_name="towards-foreman")
        places = {"ssl_ca_file": bundle, "ssl_certificate": proxy.cert, "ssl_private_key": proxy.key,
                  "foreman_ssl_ca": bundle, "foreman_ssl_cert": client.cert, "foreman_ssl_key": client.key}
        for key, source in places.items():
            if value_of(text, key):
                path = self.tree / value_of(text, key).lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, path)
        self.identity = other.issue(re.findall(r":trusted_hosts:\n  - (\S+)", text)[0])
        return self._start_foreman(other.issue("localhost", file_name="foreman-server"), bundle)

    def _start_foreman(self, identity, client_ca):
        self.foreman = self.enterContext(Foreman(identity=identity, client_ca=client_ca))

    def _moved(self, text):
        text = OUTSIDE_PATH.sub(f"{self.tree}/", text)
        text = re.sub(r"^(:?foreman_url: *['\"]?)https?://[^'\"\s]+", rf"\g<1>{self.foreman.url}", text, flags=re.MULTILINE)
        text = re.sub(r"^(:?core_url: *['\"]?https?://)[^'\"\s]+", rf"\g<1>localhost:{self.core_port}", text, flags=re.MULTILINE)
        text = re.sub(r"^(:?port: *)\d+", rf"\g<1>{self.core_port}", text, flags=re.MULTILINE)
        text = re.sub(r"^(:?https_port: *)\d+", rf"\g<1>{self.port}", text, flags=re.MULTILINE)
        return re.sub(r"^(:?http_port: *)\d+", rf"\g<1>{free_port() if self.is_tls else self.port}", text, flags=re.MULTILINE)

    def _complete(self, settings):
        """What everybody had to write to have a site at all, and where this copy keeps what has a default outside."""
        text = settings.read_text(encoding="utf-8") if settings.exists() else "---\n"
        wanted = {"settings_directory": self.tree / "etc/foreman-proxy/settings.d", "foreman_url": self.foreman.url,
                  "log_file": self.tree / "var/log/foreman-proxy/proxy.log", "state_directory": self.tree / "var/lib/foreman-proxy"}
        if not self.is_tls:
            wanted["http_port"] = self.port
        text += "".join(f":{key}: {value}\n" for key, value in wanted.items() if value_of(text, key) is None)
        settings.write_text(text, encoding="utf-8")
        sidecar = self.tree / "etc/smart_proxy_dynflow_core/settings.yml"
        if sidecar.exists():
            with open(sidecar, "a", encoding="utf-8") as file:
                file.write(f"\n:log_file: {self.tree}/var/log/foreman-proxy/smart_proxy_dynflow_core.log\n")

    def _place_key(self):
        module = self.tree / "etc/foreman-proxy/settings.d/remote_execution_ssh.yml"
        wanted = value_of(module.read_text(encoding="utf-8-sig"), "ssh_identity_key_file") if module.exists() else None
        place = Path((wanted or "~/.ssh/id_rsa_foreman_proxy").replace("~", str(self.tree / "home")))
        for suffix in ("", ".pub"):
            shutil.copy(f"{self.sshd.client_key}{suffix}", f"{place}{suffix}")

    def _environment(self, unit):
        """What the unit gives its process."""
        found = {"DYNFLOW_PLUGIN_PATH": test_plugin_folder(), "HOME": str(self.tree / "home"), "DYNFLOW_CORE_LIBRARY": str(self.tree / CORE_LIBRARY)}
        for folder in ("sysconfig", "default"):
            path = self.tree / "etc" / folder / unit
            for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
                if "=" in line and not line.startswith("#"):
                    found.update([line.split("=", 1)])
        return found

    def _start_programs(self, runs_sidecar):
        self.services = Units(self.folder / "services")
        if (self.tree / "etc/smart_proxy_dynflow_core").exists():
            self.services.add(UNIT, self.sidecar_command(), self._environment(UNIT))
            self.addCleanup(self.services.stop, UNIT)
            if runs_sidecar:
                self.services.start(UNIT)
            else:
                self.services.act("disable", UNIT)
        self.url = f"{'https' if self.is_tls else 'http'}://localhost:{self.port}"
        self.client = Client(self.url, identity=self.identity)
        self.proxy = self.enterContext(TreeProgram("smart-proxy", self.tree, self.folder / "proxy", self.client, self._environment("foreman-proxy")))
        if runs_sidecar:
            wait_until(lambda: self.client.get("/dynflow/tasks/operations").status == 200, "the core service behind the proxy", 90)

    def sidecar_command(self):
        return [str(binary(UNIT)), "--config-dir", str(self.tree / "etc/smart_proxy_dynflow_core"), "--no-daemonize"]

    def install_core(self):
        folder = (self.tree / CORE_LIBRARY).parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(CORE_LIBRARY).name).symlink_to(LIBRARIES / Path(CORE_LIBRARY).name)

    def install_executors(self):
        for library in LIBRARIES.glob("foreman_*_core.so"):
            ((self.tree / CORE_LIBRARY).parent / library.name).symlink_to(library)

    def command(self, *arguments):
        return [str(binary("dynflow-migrate")), *arguments, "--root", str(self.tree), "--proxy-url", self.url]

    def files(self):
        """The site's settings, without the copies that the tool keeps beside them."""
        found = {}
        for folder, _, names in os.walk(self.tree / "etc"):
            for path in (Path(folder, name) for name in names if not name.endswith(".bak")):
                found[str(path.relative_to(self.tree))] = path.read_bytes()
        return found
