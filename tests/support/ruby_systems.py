"""The Ruby systems of the time, when their sources are on the machine: smart-proxy 2.4 with plugin 0.3.0, and the sidecar 0.3.3.

Nothing of theirs is kept in this repository. `tests/conformance/live_ruby --sources` says what belongs where below the folder that
DYNFLOW_RUBY_ROOT names; the gems that they need are Debian 12's.
"""

import os
import shutil
from pathlib import Path

from network import free_port
from programs import Program, Symbol, write_config
from rest import Client

DRIVERS = Path(__file__).resolve().parent / "ruby"
ROOT_VARIABLE = "DYNFLOW_RUBY_ROOT"

# Folder: (repository, tag or commit, what is taken of it).
SOURCES = {
    "smart-proxy": ("theforeman/smart-proxy", "2.4.0"),
    "smart_proxy_dynflow": ("theforeman/smart_proxy_dynflow", "core-v0.3.3"),
    "dynflow": ("Dynflow/dynflow", "v1.4.9"),
    "foreman-tasks-core": ("theforeman/foreman-tasks", "core-v0.3.6"),
    "foreman_remote_execution_core": ("theforeman/foreman_remote_execution", "core-v1.4.8"),
    "smart_proxy_remote_execution_ssh": ("theforeman/smart_proxy_remote_execution_ssh", "v0.3.1"),
    "apipie-params": ("iNecas/apipie-params", "v0.0.5"),
}
PACKAGES = ("ruby", "ruby-algebrick", "ruby-bcrypt-pbkdf", "ruby-concurrent", "ruby-ed25519", "ruby-logging", "ruby-msgpack", "ruby-multi-json",
            "ruby-net-scp", "ruby-net-ssh", "ruby-pg", "ruby-rack", "ruby-rest-client", "ruby-sd-notify", "ruby-sequel", "ruby-sinatra",
            "ruby-sqlite3", "ruby-webrick")


def root():
    """The folder with the sources, or None with nothing there."""
    folder = os.environ.get(ROOT_VARIABLE)
    return Path(folder) if folder else None


def missing(folder):
    """What is not there, as texts; empty when the systems can be started."""
    if folder is None:
        return [f"{ROOT_VARIABLE} is not set"]
    absent = [f"{folder / name}/lib is not there" for name in SOURCES if not (folder / name / "lib").is_dir()]
    return absent if shutil.which("ruby") else [*absent, "ruby is not installed"]


class RubyProgram(Program):
    """One process of theirs. A start takes some seconds."""

    START_TIMEOUT = 90.0

    LIBRARIES = ("smart_proxy_dynflow/lib", "dynflow/lib", "foreman-tasks-core/lib", "foreman_remote_execution_core/lib", "apipie-params/lib")

    def __init__(self, driver, folder, sources, environment=None):
        super().__init__(driver, folder, environment=environment)
        self.sources = Path(sources)

    def own_environment(self):
        return {}

    def command(self):
        paths = [f"-I{self.sources / library}" for library in self.LIBRARIES]
        return ["ruby", "-W0", *paths, str(DRIVERS / f"{self.name}.rb"), str(self.config)]


def ssh_settings(key, folder, **more):
    return {"enabled": True, "ssh_identity_key_file": key, "local_working_dir": Path(folder, "work"), "remote_working_dir": "/var/tmp", **more}


class RubySidecar(RubyProgram):
    """`identity` and `ca`: https with client certificates. The database is in memory unless `settings` says where."""

    def __init__(self, folder, sources, foreman_url, ssh_key, identity=None, ca=None, settings=None, ssh=None, environment=None):
        super().__init__("sidecar", folder, sources, environment)
        self.port = free_port()
        main = {"database": None, "foreman_url": foreman_url, "console_auth": True, "listen": "127.0.0.1", "port": self.port,
                "use_https": identity is not None, "log_file": self.folder / "program.log", "log_level": Symbol("DEBUG")}
        if identity:
            main.update(ssl_ca_file=ca, ssl_certificate=identity.cert, ssl_private_key=identity.key)
        (self.folder / "work").mkdir(exist_ok=True)
        write_config(self.config, {**main, **(settings or {})}, {"remote_execution_ssh": ssh_settings(ssh_key, self.folder, **(ssh or {}))})
        self.url = f"{'https' if identity else 'http'}://127.0.0.1:{self.port}"
        self.http = Client(self.url, identity=identity)

    def is_ready(self):
        return self.http.get("/tasks/operations").status == 200


class RubyProxy(RubyProgram):
    """As SmartProxy of programs.py."""

    LIBRARIES = (*RubyProgram.LIBRARIES, "smart-proxy/lib", "smart-proxy/modules", "smart_proxy_remote_execution_ssh/lib")

    def __init__(self, folder, sources, foreman_url, ssh_key, external_core=None, core_url=None, identity=None, ca=None, settings=None,
                 dynflow=None):
        super().__init__("proxy", folder, sources)
        self.port = free_port()
        self.https_port = free_port() if identity else None
        main = {"settings_directory": self.config / "settings.d", "bind_host": ["127.0.0.1"], "http_port": self.port,
                "foreman_url": foreman_url, "log_file": self.folder / "program.log", "log_level": "DEBUG"}
        if identity:
            main.update(https_port=self.https_port, ssl_certificate=identity.cert, ssl_private_key=identity.key, ssl_ca_file=ca)
        plugin = {"enabled": True, "database": None}
        if external_core is not None:
            plugin["external_core"] = external_core
        if core_url is not None:
            plugin["core_url"] = core_url
        (self.folder / "work").mkdir(exist_ok=True)
        write_config(self.config, {**main, **(settings or {})},
                     {"dynflow": {**plugin, **(dynflow or {})}, "logs": {"enabled": True},
                      "remote_execution_ssh": ssh_settings(ssh_key, self.folder)})
        self.http = Client(f"http://127.0.0.1:{self.port}")

    def https(self, identity=None, ca=None):
        return Client(f"https://127.0.0.1:{self.https_port}", identity=identity, ca=ca)

    def is_ready(self):
        return self.http.get("/version").status == 200
