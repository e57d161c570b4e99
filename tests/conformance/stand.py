"""What the recorded systems stood in: a Foreman, a host with sshd, certificates; and our programs in one mode."""

import re
import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from foreman import Foreman  # noqa: E402
from pki import Pki  # noqa: E402
from programs import CoreService, SmartProxy  # noqa: E402
from sshd import Sshd  # noqa: E402

# As in the recordings.
RECORDED_HOST = "h001.peer"
RECORDED_ADDRESS = "127.0.0.1:9000"
RECORDED_SSH_PORT = "2222"
RECORDED_REFUSED_PORT = "2299"
REFUSED_LOGIN = "games"


def standing_alone(digits):
    return re.compile(rf"(?<![\w.-]){digits}(?![\w.-])")


class Site:
    """Context manager. `mode`: in_process, external or core."""

    def __init__(self, mode):
        self.mode = mode
        self._folder = None
        self._parts = []
        self.foreman = None
        self.clients = {}
        self.substitutions = []

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        try:
            self._start(folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _enter(self, part):
        part.__enter__()
        self._parts.append(part)
        return part

    def _start(self, folder):
        pki = Pki(folder / "pki")
        self.foreman = self._enter(Foreman())
        sshd = self._enter(Sshd(folder / "sshd", options=(f"DenyUsers {REFUSED_LOGIN}",)))
        # A port where nobody listens, ours for the whole run.
        refused = socket.socket()
        refused.bind(("127.0.0.1", 0))
        self._parts.append(refused)
        peer_ops = {"peerops": {"enabled": True}}
        if self.mode == "core":
            self.program = self._enter(CoreService(folder / "core", self.foreman.url, sshd.client_key, modules=peer_ops))
            self.clients = {None: self.program.http}
        else:
            core = None
            if self.mode == "external":
                core = self._enter(CoreService(folder / "core", self.foreman.url, sshd.client_key, modules=peer_ops))
            self.program = self._enter(SmartProxy(
                folder / "proxy", self.foreman.url, sshd.client_key, external_core=core is not None,
                core_url=core.url if core else None, identity=pki.proxy, ca=pki.ca.cert))
            https = self.program.https
            self.clients = {None: self.program.http, "": https(), "foreman": https(pki.foreman), "evil": https(pki.evil)}
        base = self.program.http
        self.substitutions = [
            (re.compile(re.escape(RECORDED_ADDRESS)), f"{base.host}:{base.port}"),
            (re.compile(re.escape(RECORDED_HOST)), sshd.address),
            (standing_alone(RECORDED_SSH_PORT), str(sshd.port)),
            (standing_alone(RECORDED_REFUSED_PORT), str(refused.getsockname()[1])),
        ]
        if sshd.user != "root":
            self.substitutions.append((re.compile(r'(?<=(?:ssh|ive)_user": ")root'), sshd.user))

    def client(self, client_cert):
        """The client for a recorded identity; None where this mode has no such door."""
        return self.clients.get(client_cert)

    def here(self, text):
        """Recorded text with the addresses, ports and users of this site."""
        for pattern, replacement in self.substitutions:
            text = pattern.sub(replacement, text)
        return text

    def logs(self):
        return "".join(part.logs() for part in self._parts if hasattr(part, "logs"))

    def __exit__(self, *_):
        for part in reversed(self._parts):
            if hasattr(part, "__exit__"):
                part.__exit__(None, None, None)
        self._parts = []
        self._folder.cleanup()
