"""Throw-away certificates made with the openssl command: trusted, other name, other authority, expired,
self-signed; RSA and EC keys."""

import base64
import hashlib
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

KEY_OPTIONS = {
    "rsa": ["-newkey", "rsa:2048"],
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
}


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as PEM files."""
    name: str
    cert: Path
    key: Path

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text(encoding="ascii"))

    @property
    def key_pin(self):
        """As `curl --pinnedpubkey` wants it."""
        public = self.cert.with_suffix(".pub")
        public.write_text(openssl("x509", "-in", self.cert, "-pubkey", "-noout"), encoding="ascii")
        der = base64.b64decode("".join(public.read_text(encoding="ascii").split("\n")[1:-2]))
        return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()

    @property
    def serial(self):
        return openssl("x509", "-in", self.cert, "-noout", "-serial").strip().split("=")[1]


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, name="Test CA", key="rsa"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        openssl("req", "-x509", *KEY_OPTIONS[key], "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-keyout", self._key, "-out", self.cert)

    def issue(self, name, key="rsa", days=30, alternative_names=("DNS:localhost", "IP:127.0.0.1"), file_name=None):
        """A certificate for `name`, good for server and client. days < 0: expired already."""
        stem = file_name or name.replace("*", "star")
        cert, key_file = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        request, extensions = self.folder / f"{stem}.csr", self.folder / f"{stem}.ext"
        names = ",".join([f"DNS:{name}", *alternative_names])
        extensions.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
                              f"subjectAltName={names}\n", encoding="utf-8")
        openssl("req", "-new", *KEY_OPTIONS[key], "-nodes", "-subj", f"/CN={name}", "-keyout", key_file, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", cert)
        return Identity(name, cert, key_file)

    def intermediate(self, folder, name="Test intermediate CA", key="rsa"):
        """An authority that this one signed."""
        made = Authority.__new__(Authority)
        made.folder = Path(folder)
        made.folder.mkdir(parents=True, exist_ok=True)
        made.cert, made._key = made.folder / "ca.pem", made.folder / "ca.key"
        request, extensions = made.folder / "ca.csr", made.folder / "ca.ext"
        extensions.write_text("basicConstraints=critical,CA:TRUE,pathlen:0\n", encoding="utf-8")
        openssl("req", "-new", *KEY_OPTIONS[key], "-nodes", "-subj", f"/CN={name}", "-keyout", made._key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-CAcreateserial", "-days", "30",
                "-extfile", extensions, "-out", made.cert)
        return made

    def chained(self, identity):
        """A certificate of this authority with the authority's own behind it."""
        chain = identity.cert.with_name(f"{identity.cert.stem}-chain.pem")
        chain.write_text(identity.cert.read_text(encoding="ascii") + self.cert.read_text(encoding="ascii"), encoding="ascii")
        return Identity(identity.name, chain, identity.key)


def self_signed(folder, name="self.example.com", key="rsa"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cert, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", *KEY_OPTIONS[key], "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName=DNS:{name}", "-keyout", key_file, "-out", cert)
    return Identity(name, cert, key_file)


class Pki:
    """The identities that tests of authentication need; each is made when first asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self._made = {}

    def _once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def ca(self):
        return self._once("ca", lambda: Authority(self.folder / "ca"))

    @property
    def intermediate(self):
        return self._once("intermediate", lambda: self.ca.intermediate(self.folder / "intermediate"))

    @property
    def other_ca(self):
        return self._once("other_ca", lambda: Authority(self.folder / "other_ca", "Other CA"))

    @property
    def proxy(self):
        """The proxy's own server and client certificate."""
        return self._once("proxy", lambda: self.ca.issue("proxy.example.com"))

    @property
    def proxy_ec(self):
        return self._once("proxy_ec", lambda: self.ca.issue("proxy.example.com", key="ec", file_name="proxy_ec"))

    @property
    def foreman(self):
        return self._once("foreman", lambda: self.ca.issue("foreman.example.com"))

    @property
    def evil(self):
        """Signed by the trusted authority, but nobody we know."""
        return self._once("evil", lambda: self.ca.issue("evil.example.com"))

    @property
    def stranger(self):
        """Foreman's name, signed by another authority."""
        return self._once("stranger", lambda: self.other_ca.issue("foreman.example.com"))

    @property
    def other_proxy(self):
        """Another proxy of the same authority."""
        return self._once("other_proxy", lambda: self.ca.issue("proxy2.example.com"))

    @property
    def expired(self):
        return self._once("expired", lambda: self.ca.issue("foreman.example.com", days=-1, file_name="expired"))

    @property
    def self_signed(self):
        return self._once("self_signed", lambda: self_signed(self.folder / "self"))


def folder_with_pki(case, prefix):
    """A folder for a class of tests that is gone with it, and a Pki below it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    case.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder, Pki(folder / "pki")
