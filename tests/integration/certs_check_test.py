#!/usr/bin/env python3
"""dynflow-migrate certs check over real certificates: one flaw a time, in each of the pairs, with the command that mends it."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from pki import Identity, Pki, openssl
from programs import binary, write_config

NAME = "proxy.example.com"
SERVER, FOREMAN = "Foreman to proxy", "proxy to Foreman"
CORE_FOREMAN = "core service to Foreman"
CORE_SERVER, CORE_CLIENT = "proxy to core service: the core's certificate", "proxy to core service: the proxy's certificate"


class Issuer:
    """An authority, or one below it, that makes certificates with flaws."""

    def __init__(self, folder, name, above=None, days=300, key=("-newkey", "rsa:2048")):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        extensions = self.folder / "ca.ext"
        extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n", encoding="utf-8")
        request = self.folder / "ca.csr"
        openssl("req", "-new", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", self.key, "-out", request)
        signer = ["-signkey", self.key] if above is None else ["-CA", above.cert, "-CAkey", above.key, "-CAcreateserial"]
        openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", extensions, "-out", self.cert)

    def issue(self, stem, names=(NAME,), usage="serverAuth,clientAuth", days=300, key=("-newkey", "rsa:2048"), digest="-sha256", subject=NAME):
        cert, key_file = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        request, extensions = self.folder / f"{stem}.csr", self.folder / f"{stem}.ext"
        lines = ["basicConstraints=CA:FALSE"]
        if usage:
            lines.append(f"extendedKeyUsage={usage}")
        if names:
            lines.append("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        extensions.write_text("\n".join(lines) + "\n", encoding="utf-8")
        openssl("req", "-new", *key, "-nodes", "-subj", f"/CN={subject}", "-keyout", key_file, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", digest, "-days", days,
                "-extfile", extensions, "-out", cert)
        return Identity(stem, cert, key_file)

    def revocations(self, *revoked, days=30):
        """A list that holds these certificates."""
        index, config, crl = self.folder / "index.txt", self.folder / "crl.cnf", self.folder / "crl.pem"
        index.write_text("", encoding="ascii")
        config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\n", encoding="utf-8")
        common = ("ca", "-config", config, "-keyfile", self.key, "-cert", self.cert)
        for identity in revoked:
            openssl(*common, "-revoke", identity.cert)
        openssl(*common, "-gencrl", *(("-crldays", days) if days > 0 else ("-crlsec", 1)), "-out", crl)
        return crl


class CertsCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="certs-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.folder.chmod(0o755)
        cls.ca = Issuer(cls.folder / "ca", "Site CA")
        cls.good = cls.ca.issue("good")
        cls.other = Issuer(cls.folder / "other", "Other CA")

    def setUp(self):
        self.config = self.folder / self.id().rsplit(".", 1)[1]

    def tool(self, *arguments):
        return subprocess.run([str(binary("dynflow-migrate")), "certs", "check", "--config-dir", str(self.config / "proxy"),
                               "--core-config-dir", str(self.config / "core"), *arguments], capture_output=True, text=True, timeout=60, check=False)

    def check(self, *arguments, server=None, client=None, core=None, core_client=None, ca=None, foreman_ca=None, core_ca=None, core_url=None):
        """Exit code and the pairs by name; what is not given is good."""
        server, core = server or self.good, core or self.good
        client, core_client = client or self.good, core_client or client or self.good
        ca = ca or self.ca.cert
        write_config(self.config / "proxy", {
            "settings_directory": self.config / "proxy/settings.d", "foreman_url": "https://foreman.example.com",
            "ssl_certificate": server.cert, "ssl_private_key": server.key, "ssl_ca_file": ca,
            "foreman_ssl_cert": client.cert, "foreman_ssl_key": client.key, "foreman_ssl_ca": foreman_ca or ca},
            {"dynflow": {"enabled": True, "external_core": True, "core_url": core_url or f"https://{NAME}:8008"}})
        write_config(self.config / "core", {
            "use_https": True, "foreman_url": "https://foreman.example.com", "ssl_certificate": core.cert, "ssl_private_key": core.key,
            "ssl_ca_file": core_ca or ca, "foreman_ssl_cert": core_client.cert, "foreman_ssl_key": core_client.key}, {})
        registered = () if "--registered-as" in arguments else ("--registered-as", NAME)
        done = self.tool("--json", *registered, *arguments)
        document = json.loads(done.stdout)
        self.assertEqual(document["exit_code"], done.returncode)
        self.assertNotIn("error", document)
        return done.returncode, {pair["pair"]: pair for pair in document["pairs"]}

    def only(self, found, text, mend, *names):
        """These pairs have the one flaw, the others none."""
        code, pairs = found
        self.assertEqual(code, 2)
        for name, pair in pairs.items():
            if name not in names:
                self.assertEqual(pair["flaws"], [], name)
                continue
            self.assertEqual(len(pair["flaws"]), 1, pair)
            self.assertIn(text, pair["flaws"][0]["what"])
            self.assertIn(mend, pair["flaws"][0]["mend"])

    def test_all_is_well(self):
        code, pairs = self.check()
        self.assertEqual(sorted(pairs), sorted([SERVER, FOREMAN, CORE_FOREMAN, CORE_SERVER, CORE_CLIENT]))
        for pair in pairs.values():
            self.assertEqual((pair["flaws"], pair["hints"]), ([], []), pair)
        self.assertEqual(code, 0)
        self.assertRegex(pairs[FOREMAN]["setting"], r"settings.yml:\d+$")

    def test_names_of_the_listener(self):
        star = self.ca.issue("star", names=("*.example.com",))
        self.assertEqual(self.check(server=star, client=star)[0], 0, "a star stands for one label")
        deep = self.ca.issue("deep", names=("*.com",))
        self.only(self.check(server=deep), f"is not for '{NAME}', only for *.com", f"subjectAltName=DNS:{NAME}", SERVER)
        # With alternative names the CN does not count.
        elsewhere = self.ca.issue("elsewhere", names=("a.example.com", "b.example.com"))
        self.only(self.check(server=elsewhere), "only for a.example.com, b.example.com", "subjectAltName", SERVER)
        plain = self.ca.issue("plain", names=())
        self.assertEqual(self.check(server=plain, client=plain)[0], 0, "without them it does")
        self.only(self.check(core_url="https://127.0.0.1:8008"), "is not for '127.0.0.1'", "subjectAltName", CORE_SERVER)

    def test_foreman_looks_for_the_proxy_by_name(self):
        client = self.ca.issue("client", names=("client.example.com",))
        self.only(self.check(client=client), "Foreman takes it for client.example.com, and the proxy is registered as " + NAME,
                  "trusted_hosts", FOREMAN, CORE_FOREMAN)
        code, _ = self.check("--registered-as", "client.example.com", client=client, server=client)
        self.assertEqual(code, 0)

    def test_who_signed_it(self):
        foreign = self.other.issue("foreign")
        self.only(self.check(server=foreign), "the issuer of /CN=proxy.example.com is missing: /CN=Other CA", "INTERMEDIATE.pem", SERVER)
        # Foreman's own certificate comes from elsewhere: its CA file is not the one that the proxy's certificates are from, and need not be.
        code, pairs = self.check(foreman_ca=self.other.cert, core=self.other.issue("core"))
        self.assertEqual((code, pairs[FOREMAN]["ca"]), (0, str(self.ca.cert)))
        # The relay verifies the core service with foreman_ssl_ca alone.
        self.only(self.check(foreman_ca=self.other.cert), "is missing: /CN=Site CA", "", CORE_SERVER)
        self.only(self.check(core_ca=self.other.cert), "is missing: /CN=Site CA", "", CORE_CLIENT)
        alone = self.folder / "alone.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "300", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                "-keyout", self.folder / "alone.key", "-out", alone)
        self.only(self.check(server=Identity("alone", alone, self.folder / "alone.key")), "self-signed certificate", "openssl verify -CAfile", SERVER)

    def test_an_intermediate_belongs_to_the_certificate(self):
        middle = Issuer(self.folder / "middle", "Middle CA", above=self.ca)
        below = middle.issue("below")
        self.only(self.check(server=below), "is missing: /CN=Middle CA", f"cat INTERMEDIATE.pem >> {below.cert}", SERVER)
        whole = self.folder / "whole.pem"
        whole.write_text(below.cert.read_text(encoding="ascii") + middle.cert.read_text(encoding="ascii"), encoding="ascii")
        self.assertEqual(self.check(server=Identity("whole", whole, below.key))[0], 0)
        bundle = self.folder / "bundle.pem"
        bundle.write_text(self.ca.cert.read_text(encoding="ascii") + middle.cert.read_text(encoding="ascii"), encoding="ascii")
        self.assertEqual(self.check(server=below, ca=bundle)[0], 0)

    def test_dates(self):
        code, pairs = self.check(server=self.ca.issue("soon", days=10))
        self.assertEqual(code, 1)
        self.assertIn("the certificate expires within 30 days", pairs[SERVER]["hints"][0]["what"])
        self.assertIn("openssl x509 -noout -subject -dates", pairs[SERVER]["hints"][0]["mend"])
        self.only(self.check(server=self.ca.issue("over", days=-1)), "the certificate has expired", "-dates", SERVER)
        short = Issuer(self.folder / "short", "Short CA", days=10)
        code, pairs = self.check(server=short.issue("long"), ca=short.cert, client=short.issue("long2"), core=short.issue("long3"))
        self.assertEqual(code, 1)
        self.assertIn("its issuer /CN=Short CA expires within 30 days", pairs[SERVER]["hints"][0]["what"])
        past = Issuer(self.folder / "past", "Past CA", days=-1)
        _, pairs = self.check(server=past.issue("p"), ca=past.cert)
        self.assertIn("/CN=Past CA: certificate has expired", pairs[SERVER]["flaws"][0]["what"])

    def test_purpose(self):
        server_only = self.ca.issue("server_only", usage="serverAuth")
        client_only = self.ca.issue("client_only", usage="clientAuth")
        self.assertEqual(self.check(server=server_only, core=server_only, client=client_only)[0], 0)
        self.only(self.check(server=client_only), "does not allow a TLS server", "extendedKeyUsage=serverAuth", SERVER)
        self.only(self.check(client=server_only), "does not allow a TLS client", "extendedKeyUsage=clientAuth", FOREMAN, CORE_FOREMAN, CORE_CLIENT)

    def test_keys(self):
        mixed = Identity("mixed", self.good.cert, self.other.key)
        self.only(self.check(server=mixed), "is not that of the certificate", "openssl pkey -pubout", SERVER)
        locked = self.folder / "locked.key"
        openssl("pkey", "-in", self.good.key, "-aes128", "-passout", "pass:hunter2", "-out", locked)
        self.only(self.check(server=Identity("locked", self.good.cert, locked)), "cannot be read", "without a passphrase", SERVER)
        self.only(self.check(server=Identity("gone", self.folder / "gone.pem", self.good.key)), "gone.pem cannot be read", "ls -lL", SERVER)
        _, pairs = self.check(ca=self.folder / "gone-ca.pem")
        self.assertIn("gone-ca.pem cannot be read", pairs[SERVER]["flaws"][0]["what"])

    def test_weak_ones(self):
        self.only(self.check(server=self.ca.issue("small", key=("-newkey", "rsa:1024"))), "weak: RSA with 1024 bits", "rsa:4096", SERVER)
        curve = self.ca.issue("curve", key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"))
        self.only(self.check(server=curve), "weak: ", "rsa:4096", SERVER)
        self.only(self.check(server=self.ca.issue("sha1", digest="-sha1")), "its signature is weak: SHA1", "-sha256", SERVER)
        weak = Issuer(self.folder / "weak", "Weak CA", key=("-newkey", "rsa:1024"))
        _, pairs = self.check(server=weak.issue("w"), ca=weak.cert)
        self.assertIn("/CN=Weak CA: CA certificate key too weak", pairs[SERVER]["flaws"][0]["what"])

    def test_revocations(self):
        crl = self.ca.revocations(self.ca.issue("somebody"))
        self.assertEqual(self.check("--crl", str(crl))[0], 0)
        gone = self.ca.issue("revoked")
        crl = self.ca.revocations(gone)
        self.only(self.check("--crl", str(crl), client=gone), "certificate revoked", f"openssl crl -noout -text -in {crl}", FOREMAN, CORE_FOREMAN)
        stale = self.ca.revocations(days=0)
        shutil.copy(stale, self.folder / "stale.pem")
        subprocess.run(["sleep", "2"], check=True)  # its one second has to be over
        code, pairs = self.check("--crl", str(self.folder / "stale.pem"))
        self.assertEqual((code, pairs[FOREMAN]["flaws"]), (1, []))
        self.assertIn("is out of date", pairs[FOREMAN]["hints"][0]["what"])
        self.only(self.check("--crl", str(self.folder / "none.pem")), "none.pem cannot be read", "ls -lL", FOREMAN, CORE_FOREMAN)

    def test_the_core_service_knows_one_serial_number(self):
        second = self.ca.issue("second")
        self.only(self.check(core_client=second), "the core service accepts serial", "config set foreman_ssl_cert", CORE_CLIENT)

    @unittest.skipUnless(os.geteuid() == 0, "files of others are made by root")
    def test_the_service_has_to_read_them(self):
        shutil.chown(self.good.key, group="nogroup")
        self.good.key.chmod(0o640)
        closed = Identity("closed", self.good.cert, self.folder / "closed.key")
        shutil.copy(self.good.key, closed.key)
        closed.key.chmod(0o600)
        self.only(self.check("--user", "nobody", server=closed), "closed.key is not readable by nobody", "chgrp nobody", SERVER)
        self.assertEqual(self.check(server=closed)[0], 0, "root reads it")
        shutil.chown(closed.key, group="nogroup")
        closed.key.chmod(0o640)
        self.assertEqual(self.check("--user", "nobody", server=closed)[0], 0)
        hidden = self.folder / "hidden"
        hidden.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.good.cert, hidden / "c.pem")
        self.only(self.check("--user", "nobody", server=Identity("hidden", hidden / "c.pem", self.good.key)), "may not be entered by nobody", "sudo -u nobody", SERVER)
        self.assertEqual(self.tool("--user", "no-such-user").returncode, 2)

    def test_a_key_that_everybody_may_read(self):
        opened = Identity("opened", self.good.cert, self.folder / "opened.key")
        shutil.copy(self.good.key, opened.key)
        opened.key.chmod(0o644)
        code, pairs = self.check(server=opened)
        self.assertEqual(code, 1)
        self.assertIn("everybody may read the key", pairs[SERVER]["hints"][0]["what"])
        self.assertIn("chmod 0640", pairs[SERVER]["hints"][0]["mend"])

    def test_as_text(self):
        self.check(server=self.ca.issue("text", days=-1))
        told = self.tool("--registered-as", NAME)
        self.assertIn("FAIL Foreman to proxy", told.stdout)
        self.assertIn("         mend: openssl x509 -noout -subject -dates", told.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
