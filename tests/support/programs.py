"""Our programs, started from configuration trees in upstream's form, on free ports, in a folder of their own."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from network import free_port, wait_until
from rest import Client

ROOT = Path(__file__).resolve().parents[2]

# The one place that knows how a process is told where to find more plugins than those beside its library.
PLUGIN_PATH_VARIABLE = "DYNFLOW_PLUGIN_PATH"


class Symbol(str):
    """A Ruby symbol in YAML: Symbol("ERROR") is written as :ERROR."""


def binary(name):
    """The path of one of our programs: in DYNFLOW_BIN_DIR (set by ctest), else in the newest build."""
    folder = os.environ.get("DYNFLOW_BIN_DIR")
    candidates = [Path(folder, name).resolve()] if folder else ROOT.glob(f"build/*/bin/{name}")
    found = sorted((path for path in candidates if path.exists()), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{name} is not built: run tests/run, or set DYNFLOW_BIN_DIR")
    return found[-1]


def test_plugin_folder():
    """Where the test plugins of the build are."""
    return os.environ.get("DYNFLOW_TEST_PLUGIN_DIR") or str(binary("smart-proxy").parents[1] / "tests/plugins")


def preload_library(name):
    """The path of a library of tests/support for LD_PRELOAD."""
    folder = os.environ.get("DYNFLOW_TEST_PRELOAD_DIR") or binary("smart-proxy").parents[1] / "tests/preload"
    return str(Path(folder, f"{name}.so").resolve(strict=True))


def to_yaml(settings):
    """A settings file as the installer writes it: keys with a colon, nothing for nil."""
    def scalar(value):
        if isinstance(value, Symbol):
            return f":{value}"
        if value is None:
            return ""
        if isinstance(value, (bool, int, float, list)):
            return json.dumps(value)
        return json.dumps(str(value))

    return "---\n" + "".join(f":{key}: {scalar(value)}".rstrip() + "\n" for key, value in settings.items())


def write_config(folder, settings, modules):
    """FOLDER/settings.yml and FOLDER/settings.d/<module>.yml; values that are text are written as they are."""
    folder = Path(folder)
    (folder / "settings.d").mkdir(parents=True, exist_ok=True)
    files = {"settings.yml": settings, **{f"settings.d/{name}.yml": content for name, content in modules.items()}}
    for name, content in files.items():
        (folder / name).write_text(content if isinstance(content, str) else to_yaml(content), encoding="utf-8")


class Program:
    """One process of ours with its configuration and logs. Starting waits until it answers."""

    START_TIMEOUT = 30.0
    STOP_TIMEOUT = 30.0

    def __init__(self, name, folder, arguments=(), environment=None):
        self.name = name
        self.folder = Path(folder)
        self.config = self.folder / "etc"
        self.output = self.folder / "output.log"
        self.arguments = list(arguments)
        self.environment = {**self.own_environment(), **(environment or {})}
        self.process = None
        self.manager = None  # a supervisor.Supervisor that starts it
        self.folder.mkdir(parents=True, exist_ok=True)

    def is_ready(self):
        raise NotImplementedError

    def own_environment(self):
        return {PLUGIN_PATH_VARIABLE: test_plugin_folder()}

    def command(self):
        return [str(binary(self.name)), "--config-dir", str(self.config), *self.arguments]

    def start(self, wait=True):
        command = self.command()
        environment = {**os.environ, **self.environment}
        fds = []
        if self.manager:
            command, fds = self.manager.command(command)
            environment.update(self.manager.environment())
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=environment, start_new_session=True, pass_fds=fds)
        if wait:
            try:
                wait_until(self._answers, f"{self.name} to answer", self.START_TIMEOUT)
            except Exception as error:
                self.kill()
                raise RuntimeError(f"{self.name} did not start: {error}\n{self.logs()[-4000:]}") from error
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"it ended with {self.process.returncode}")
        try:
            return self.is_ready()
        except OSError:
            return False

    def stop(self):
        """SIGTERM; the exit status. A program that does not end in time is killed, and that is an error."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.wait(self.STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise TimeoutError(f"{self.name} did not end on SIGTERM\n{self.logs()[-4000:]}") from error

    def wait(self, timeout):
        status = self.process.wait(timeout)
        self.process = None
        return status

    def kill(self):
        """kill -9: what a crash is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def reload(self):
        self.signal(signal.SIGHUP)

    def signal(self, number):
        self.process.send_signal(number)

    def restart(self):
        self.stop()
        return self.start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def memory_kib(self):
        """Resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def cpu_seconds(self):
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def logs(self):
        """Everything it wrote: standard output and error, then the log file."""
        texts = []
        for path in (self.output, self.folder / "program.log"):
            if path.exists():
                texts.append(path.read_text(encoding="utf-8", errors="replace"))
        return "".join(texts)

    def wait_for_log(self, text, timeout=20.0):
        wait_until(lambda: text in self.logs(), f"'{text}' in the log of {self.name}", timeout)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.is_running():
            self.stop()


def ssh_settings(key, folder, **more):
    return {"enabled": True, "ssh_identity_key_file": key, "local_working_dir": Path(folder, "work"),
            "remote_working_dir": "/var/tmp", "cockpit_integration": False, "mode": Symbol("ssh"), **more}


class SmartProxy(Program):
    """`external_core`: True, False or None (left out). `identity` and `ca`: with them there is an https listener.
    `settings`, `dynflow` and `modules` add to or replace what stands in the files."""

    def __init__(self, folder, foreman_url, ssh_key=None, external_core=None, core_url=None, identity=None, ca=None,
                 settings=None, dynflow=None, modules=None, environment=None):
        super().__init__("smart-proxy", folder, environment=environment)
        self.port = free_port()
        self.https_port = free_port() if identity else None
        main = {"settings_directory": self.config / "settings.d", "bind_host": ["127.0.0.1"], "http_port": self.port,
                "foreman_url": foreman_url, "log_file": self.folder / "program.log", "log_level": "DEBUG",
                "state_directory": self.folder / "state"}
        (self.folder / "state").mkdir(exist_ok=True)
        if identity:
            main.update(https_port=self.https_port, ssl_certificate=identity.cert, ssl_private_key=identity.key,
                        ssl_ca_file=ca)
        plugin = {"enabled": True, "database": None}
        if external_core is not None:
            plugin["external_core"] = external_core
        if core_url is not None:
            plugin["core_url"] = core_url
        files = {"dynflow": {**plugin, **(dynflow or {})}, "logs": {"enabled": True}, "peerops": {"enabled": True}}
        if ssh_key:
            files["remote_execution_ssh"] = ssh_settings(ssh_key, self.folder)
        (self.folder / "work").mkdir(exist_ok=True)
        write_config(self.config, {**main, **(settings or {})}, {**files, **(modules or {})})
        self.http = Client(f"http://127.0.0.1:{self.port}")

    def https(self, identity=None, ca=None):
        """A client of the https listener that shows `identity`."""
        return Client(f"https://127.0.0.1:{self.https_port}", identity=identity, ca=ca)

    def is_ready(self):
        return self.http.get("/version").status == 200


class CoreService(Program):
    """The standalone core, plain http unless an identity is given."""

    def __init__(self, folder, foreman_url, ssh_key=None, identity=None, ca=None, settings=None, modules=None,
                 environment=None):
        super().__init__("smart_proxy_dynflow_core", folder, environment=environment)
        self.port = free_port()
        main = {"database": None, "foreman_url": foreman_url, "console_auth": True, "listen": "127.0.0.1",
                "port": self.port, "use_https": identity is not None, "log_file": self.folder / "program.log",
                "log_level": Symbol("DEBUG")}
        if identity:
            main.update(ssl_ca_file=ca, ssl_certificate=identity.cert, ssl_private_key=identity.key)
        files = {}
        if ssh_key:
            files["remote_execution_ssh"] = ssh_settings(ssh_key, self.folder)
        (self.folder / "work").mkdir(exist_ok=True)
        write_config(self.config, {**main, **(settings or {})}, {**files, **(modules or {})})
        self.url = f"{'https' if identity else 'http'}://127.0.0.1:{self.port}"
        self.http = Client(self.url, identity=identity)

    def is_ready(self):
        return self.http.get("/tasks/operations").status == 200


def wait_for_task(client, task_id, prefix="/dynflow", states=("stopped", "paused"), timeout=60.0):
    """The status document of a task once it is in one of `states`."""
    deadline = time.monotonic() + timeout
    while True:
        answer = client.get(f"{prefix}/tasks/{task_id}/status")
        if answer.status == 200 and answer.json().get("state") in states:
            return answer.json()
        if time.monotonic() > deadline:
            raise TimeoutError(f"task {task_id} after {timeout:g} s: {answer.status} {answer.text[:400]}")
        time.sleep(0.05)
