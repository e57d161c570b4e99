"""A small HTTP client that behaves like Foreman's: a new connection for every request, client certificates, JSON."""

import http.client
import json
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

JSON_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Response:
    status: int
    headers: list  # (name, value) in the order of the wire
    body: bytes

    def header(self, name):
        """The first value of a header, or None."""
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)


class Client:
    """`identity`: a pki.Identity to show; `ca`: a file to verify the server with (none: not verified)."""

    def __init__(self, base_url, identity=None, ca=None, timeout=60.0):
        parts = urlsplit(base_url)
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.timeout = timeout
        self.context = None
        if self.scheme == "https":
            self.context = ssl.create_default_context(cafile=str(ca) if ca else None)
            self.context.check_hostname = False
            if ca is None:
                self.context.verify_mode = ssl.CERT_NONE
            if identity is not None:
                self.context.load_cert_chain(str(identity.cert), str(identity.key))

    @property
    def base_url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def _connection(self):
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.context)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def request(self, method, path, body=None, headers=None):
        """`body`: bytes or text as they are, anything else as JSON. Sends exactly `headers`, or JSON_HEADERS."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8")
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=JSON_HEADERS if headers is None else headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        # An empty POST says so, as rest-client does.
        return self.request("POST", path, body=b"" if body is None else body, headers=headers)
