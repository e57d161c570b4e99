"""A real sshd on a free loopback port, with its own configuration, host keys and client keys in a folder.

Works as root (any user of the machine can be logged in to) and as an ordinary user (only that user can).
"""

import getpass
import os
import shutil
import signal
import subprocess
from pathlib import Path

from network import answers, free_port, wait_until

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def make_key(path, kind="ed25519", passphrase=""):
    """A key pair at `path` and `path`.pub; kinds: ed25519, rsa, ecdsa."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["-b", "3072"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", passphrase, "-C", "test", "-f", str(path)],
                   check=True, stdin=subprocess.DEVNULL)
    return path


def lock_key(key, path, passphrase):
    """A copy of a key pair at `path` and `path`.pub that opens with the passphrase."""
    for suffix in ("", ".pub"):
        shutil.copy(f"{key}{suffix}", f"{path}{suffix}")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


def account_is_locked(user):
    """sshd without PAM refuses accounts whose password field starts with '!'. False where we may not look."""
    try:
        lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.split(":")[:1] == [user] and line.split(":")[1].startswith("!") for line in lines)


class Sshd:
    """`addresses`: where it listens, all on the same port (127.0.1.x are as good as hosts of their own).
    `options`: sshd_config lines that come first and so win."""

    def __init__(self, folder, addresses=("127.0.0.1",), options=(), log_level="VERBOSE", passwords=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # sshd reads authorized_keys as the user who logs in
        self.addresses = list(addresses)
        self.address = self.addresses[0]
        self.port = free_port(self.address)
        self.user = getpass.getuser()
        self.log = self.folder / "sshd.log"
        self.host_key = make_key(self.folder / "host_ed25519")
        self._host_rsa = make_key(self.folder / "host_rsa", "rsa")
        self.keys = self.folder / "keys"
        self.keys.mkdir(mode=0o700)
        self.client_key = make_key(self.keys / "id_ed25519")
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorized_keys.touch(0o644)
        self.authorize(self.client_key)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.home.chmod(0o777)
        self._config = self.folder / "sshd_config"
        self._config.write_text(self._text(options, log_level, passwords), encoding="utf-8")
        self._process = None

    def _text(self, options, log_level, passwords):
        use_pam = os.getuid() == 0 and account_is_locked(self.user)
        lines = [
            *options,
            f"Port {self.port}",
            *[f"ListenAddress {address}" for address in self.addresses],
            f"HostKey {self.host_key}",
            f"HostKey {self._host_rsa}",
            f"PidFile {self.folder / 'sshd.pid'}",
            f"AuthorizedKeysFile {self.authorized_keys}",
            f"UsePAM {'yes' if use_pam else 'no'}",
            f"PasswordAuthentication {'yes' if passwords else 'no'}",
            "KbdInteractiveAuthentication no",
            "PubkeyAuthentication yes",
            "PermitRootLogin yes",
            "PermitUserEnvironment yes",
            "StrictModes no",
            "MaxStartups 4096:30:8192",
            "MaxSessions 1024",
            "MaxAuthTries 20",
            "LoginGraceTime 120",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            # The start files of whoever runs the tests are none of our business: this one's home is empty.
            f"SetEnv HOME={self.home}",
            "Subsystem sftp internal-sftp",
            f"LogLevel {log_level}",
        ]
        return "\n".join(lines) + "\n"

    # Keys.

    def authorize(self, private_key, options=""):
        """Lets the key in, as every user; `options` as in authorized_keys (command="...", from=...)."""
        public = Path(f"{private_key}.pub").read_text(encoding="utf-8")
        with open(self.authorized_keys, "a", encoding="utf-8") as file:
            file.write(f"{options} {public}".lstrip())

    def add_client_key(self, name, kind="ed25519", passphrase=""):
        """Another key that is let in."""
        key = make_key(self.keys / name, kind, passphrase)
        self.authorize(key)
        return key

    def stranger_key(self, name="stranger"):
        """A key that is not let in."""
        return make_key(self.keys / name)

    def known_hosts_line(self, address=None):
        public = Path(f"{self.host_key}.pub").read_text(encoding="utf-8").split()
        return f"[{address or self.address}]:{self.port} {public[0]} {public[1]}\n"

    # Life.

    def start(self):
        if self._process is not None:
            return self
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(self._config)], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(self._is_up, f"sshd on {self.address}:{self.port}")
        except Exception as error:
            self.stop()
            raise RuntimeError(f"sshd did not start: {error}\n{self.log.read_text(errors='replace')}") from error
        return self

    def _is_up(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with {self._process.returncode}")
        return all(answers(address, self.port) for address in self.addresses)

    def stop(self):
        """Ends the listener and, with it, every session of it."""
        if self._process is None:
            return
        sessions = self._session_groups()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        for group in sessions:
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                pass

    def _session_groups(self):
        """Process groups of the sessions: children of the listener, each of which sshd makes a session leader."""
        try:
            text = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        groups = set()
        for child in text.split():
            try:
                groups.add(os.getpgid(int(child)))
            except OSError:
                pass
        return groups - {self._process.pid, os.getpgrp()}

    def log_text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
