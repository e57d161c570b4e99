#!/usr/bin/env python3
"""TLS of both programs as the openssl and curl commands see it: chains with intermediate authorities, EC keys, versions, ciphers,
renewal while they run."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from network import wait_until
from pki import Identity, Pki
from programs import CoreService, SmartProxy
from rest import Client


def s_client(port, *options):
    """What `openssl s_client` says of one connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def cipher_of(text):
    """(version, cipher) of s_client's words; None when there was no connection."""
    found = re.search(r"^New, (TLSv[\d.]+), Cipher is (\S+)$", text, re.MULTILINE)
    version = re.search(r"^\s*Protocol\s*: (\S+)$", text, re.MULTILINE)
    return ((version or found)[1], found[2]) if found else None


def curl(url, *options):
    """(exit status, HTTP status) of curl."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *map(str, options), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, int(done.stdout or 0)


class Tls:
    """The same for both programs. `start(identity, ca, **settings)` gives (program, port, a path that needs a certificate)."""

    @classmethod
    def setUpClass(cls):
        cls.pki_folder = Path(tempfile.mkdtemp(prefix="tls-pki-"))
        cls.addClassCleanup(shutil.rmtree, cls.pki_folder, ignore_errors=True)
        cls.pki = Pki(cls.pki_folder)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tls-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_chains_with_intermediates(self):
        """Both sides know the root only and send what is between."""
        server = self.pki.intermediate.chained(self.pki.intermediate.issue("proxy.example.com"))
        client = self.pki.intermediate.chained(self.pki.intermediate.issue("client.example.com"))
        program, port, path = self.start(server, self.pki.ca.cert, foreman_ssl_cert=client.cert, foreman_ssl_key=client.key)
        text = s_client(port, "-CAfile", self.pki.ca.cert, "-verify_return_error", "-cert", client.cert, "-key", client.key, "-cert_chain", client.cert)
        self.assertIn("Verify return code: 0 (ok)", text)
        self.assertRegex(text, r"depth=2 .*Test CA")
        shown = ["--cacert", self.pki.ca.cert, "--resolve", f"localhost:{port}:127.0.0.1", "--cert", client.cert, "--key", client.key]
        self.assertEqual(curl(f"https://localhost:{port}{path}", *shown), (0, 200))
        # Without the intermediate nobody can know the client.
        alone = self.folder / "alone.pem"
        alone.write_text(client.cert.read_text(encoding="ascii").split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n", encoding="ascii")
        shown[shown.index(client.cert)] = alone
        status, _ = curl(f"https://localhost:{port}{path}", *shown)
        self.assertNotEqual(status, 0)
        self.assertTrue(program.is_running())

    def test_a_chain_without_its_intermediate_is_noticed_by_clients(self):
        leaf = self.pki.intermediate.issue("proxy.example.com", file_name="leaf")
        _, port, _ = self.start(leaf, self.pki.ca.cert)
        status, _ = curl(f"https://localhost:{port}/", "--cacert", self.pki.ca.cert)
        self.assertEqual(status, 60)  # the server's certificate cannot be verified

    def test_ec_keys(self):
        _, port, path = self.start(self.pki.proxy_ec, self.pki.ca.cert)
        for version, cipher in (("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384")):
            with self.subTest(cipher):
                self.assertEqual(cipher_of(s_client(port, version, "-cipher", cipher)), ("TLSv1.2", cipher))
        self.assertEqual(cipher_of(s_client(port, "-tls1_3"))[0], "TLSv1.3")
        self.assertIn(cipher_of(s_client(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")), (None, ("TLSv1.2", "(NONE)")))
        ec_client = self.pki.proxy_ec
        self.assertEqual(curl(f"https://localhost:{port}{path}", "--cacert", self.pki.ca.cert, "--cert", ec_client.cert, "--key", ec_client.key), (0, 200))

    def test_versions_and_ciphers(self):
        def connects(port, *options):
            found = cipher_of(s_client(port, *options))
            return found is not None and found[1] not in ("(NONE)", "0000")

        _, port, _ = self.start(self.pki.proxy, self.pki.ca.cert)
        for old in ("-tls1", "-tls1_1"):
            self.assertFalse(connects(port, old, "-cipher", "DEFAULT@SECLEVEL=0"), old)
        self.assertTrue(connects(port, "-tls1_2"))
        self.assertTrue(connects(port, "-tls1_3"))
        for weak in ("DES-CBC3-SHA", "RC4-SHA", "NULL-SHA256", "ADH-AES128-SHA256", "PSK-AES128-CBC-SHA"):
            self.assertFalse(connects(port, "-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0"), weak)
        # Its own order, not the client's.
        self.assertEqual(cipher_of(s_client(port, "-tls1_2", "-cipher", "AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384"))[1], "ECDHE-RSA-AES256-GCM-SHA384")

        _, port, _ = self.start(self.pki.proxy, self.pki.ca.cert, tls_disabled_versions=["1.2"])
        self.assertFalse(connects(port, "-tls1_2"))
        self.assertTrue(connects(port, "-tls1_3"))
        _, port, _ = self.start(self.pki.proxy, self.pki.ca.cert, tls_disabled_versions=["1.3"], ssl_disabled_ciphers=["ECDHE-RSA-AES256-GCM-SHA384"])
        self.assertFalse(connects(port, "-tls1_3"))
        self.assertFalse(connects(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"))
        self.assertTrue(connects(port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"))

    def test_no_renegotiation(self):
        _, port, _ = self.start(self.pki.proxy, self.pki.ca.cert)
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"]
        done = subprocess.run(command, input="R\n", capture_output=True, text=True, timeout=60, check=False)
        self.assertRegex(done.stdout + done.stderr, "no renegotiation|renegotiation (is )?(not|disabled)")

    def test_renewal_while_it_runs(self):
        """Another certificate of another authority and another kind of key; the old connection lives on."""
        live = self.folder / "live"
        live.mkdir()
        identity = Identity("proxy.example.com", live / "cert.pem", live / "key.pem")

        def install(source):
            shutil.copy(source.cert, identity.cert)
            shutil.copy(source.key, identity.key)

        install(self.pki.proxy)
        program, port, _ = self.start(identity, self.pki.ca.cert)
        kept = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.enterContext(kept)
        self.addCleanup(kept.kill)
        request = b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n"
        kept.stdin.write(request)
        kept.stdin.flush()
        self.assertTrue(kept.stdout.readline().startswith(b"HTTP/1.1 "))
        install(self.pki.proxy_ec)
        program.reload()

        def serial():
            shown = s_client(port)
            pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", shown, re.DOTALL)
            return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem[0], capture_output=True, text=True,
                                  check=True).stdout.strip().split("=")[1]
        wait_until(lambda: serial() == self.pki.proxy_ec.serial, "the new certificate")
        kept.stdin.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        kept.stdin.flush()
        self.assertIn(b"HTTP/1.1 ", kept.stdout.read())


class Proxy(Tls, unittest.TestCase):
    def start(self, identity, ca, **settings):
        name = f"proxy{len(list(self.folder.iterdir()))}"
        program = self.enterContext(SmartProxy(self.folder / name, "http://127.0.0.1:1", identity=identity, ca=ca, settings=settings))
        return program, program.https_port, "/v2/features"


class Core(Tls, unittest.TestCase):
    def start(self, identity, ca, **settings):
        name = f"core{len(list(self.folder.iterdir()))}"
        program = CoreService(self.folder / name, "http://127.0.0.1:1", identity=identity, ca=ca,
                              settings={"proxy_names": ["client.example.com", "proxy.example.com"], **settings})
        program.http = Client(program.url, identity=self.pki.proxy)
        return self.enterContext(program), program.port, "/tasks/count"


if __name__ == "__main__":
    unittest.main()
