#!/usr/bin/env python3
"""What dynflow-migrate needs of systemctl, where no systemd runs: units are JSON files in a folder, their processes real.

As a program: units.py FOLDER VERB [--property=...] UNIT. As a module: Units."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Units:
    """FOLDER/<unit>.json has "command" and "environment"; beside it are the pid and the marks enabled and masked."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, unit, command, environment):
        self._file(unit, "json").write_text(json.dumps({"command": command, "environment": environment}), encoding="utf-8")
        self._file(unit, "enabled").touch()

    def program(self):
        """A script for DYNFLOW_MIGRATE_SYSTEMCTL."""
        script = self.folder / "systemctl"
        if not script.exists():  # else somebody may be running it
            script.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {self.folder} \"$@\"\n", encoding="utf-8")
            script.chmod(0o755)
        return str(script)

    def calls(self):
        log = self.folder / "calls"
        return log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []

    def _file(self, unit, suffix):
        return self.folder / f"{unit}.{suffix}"

    def pid(self, unit):
        """0 when it does not run."""
        try:
            pid = int(self._file(unit, "pid").read_text(encoding="ascii"))
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            return 0 if state == "Z" else pid
        except (OSError, ValueError):
            return 0

    def has(self, unit, mark):
        return self._file(unit, mark).exists()

    def start(self, unit):
        if self.has(unit, "masked"):
            raise SystemExit(f"{unit} is masked")
        if self.pid(unit):
            return
        row = json.loads(self._file(unit, "json").read_text(encoding="utf-8"))
        with open(self._file(unit, "log"), "ab") as log:
            process = subprocess.Popen(row["command"], env={**os.environ, **row["environment"]}, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        self._file(unit, "pid").write_text(str(process.pid), encoding="ascii")

    def stop(self, unit):
        pid = self.pid(unit)
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 30
            while self.pid(unit) and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.pid(unit):
                os.kill(pid, signal.SIGKILL)

    def kill(self, unit):
        os.kill(self.pid(unit), signal.SIGKILL)

    def refuse(self, unit, verb):
        """From now on this verb fails for the unit; None: no more."""
        if verb:
            self._file(unit, "refuses").write_text(verb, encoding="ascii")
        else:
            self._file(unit, "refuses").unlink()

    def act(self, verb, unit):
        if self.has(unit, "refuses") and self._file(unit, "refuses").read_text(encoding="ascii") == verb:
            raise SystemExit(f"{unit} does not want to {verb}")
        with open(self.folder / "calls", "a", encoding="utf-8") as log:
            log.write(f"{verb} {unit}\n")
        if verb in ("stop", "restart"):
            self.stop(unit)
        if verb in ("start", "restart"):
            self.start(unit)
        if verb in ("enable", "mask"):
            self._file(unit, verb + ("d" if verb == "enable" else "ed")).touch()
        if verb in ("disable", "unmask"):
            self._file(unit, {"disable": "enabled", "unmask": "masked"}[verb]).unlink(missing_ok=True)

    def show(self, unit):
        masked, there = self.has(unit, "masked"), self.has(unit, "json")
        pid = self.pid(unit)
        print("LoadState=" + ("masked" if masked else "loaded" if there else "not-found"))
        print("ActiveState=" + ("active" if pid else "inactive"))
        print("UnitFileState=" + ("masked" if masked else "enabled" if self.has(unit, "enabled") else "disabled"))
        print(f"MainPID={pid}")


def main():
    manager = Units(sys.argv[1])
    verb, unit = sys.argv[2], sys.argv[-1].removesuffix(".service") if len(sys.argv) > 3 else ""
    if verb == "show":
        manager.show(unit)
    else:
        manager.act(verb, unit)


if __name__ == "__main__":
    main()
