"""nginx as the peer: answers, TLS answers, and proxy_pass."""

import subprocess
from pathlib import Path

from network import answers, free_port, wait_until


class Nginx:
    """Two workers on a free port. `location` is the body of `location /`. With an identity it speaks TLS as the proxy does: 1.2 and
    1.3, a client certificate of `ca` asked for and not needed."""

    def __init__(self, folder, location, identity=None, ca=None, http=""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        listen = f"127.0.0.1:{self.port}{' ssl' if identity else ''}"
        tls = (f"ssl_certificate {identity.cert}; ssl_certificate_key {identity.key}; ssl_protocols TLSv1.2 TLSv1.3;"
               f"ssl_client_certificate {ca}; ssl_verify_client optional;") if identity else ""
        Path(self.folder, "nginx.conf").write_text(
            f"daemon off; worker_processes 2; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
            "events { worker_connections 2048; }\n"
            f"http {{ access_log off; keepalive_requests 10000000; default_type application/json; {http}\n"
            f"  client_body_temp_path {self.folder}/body; proxy_temp_path {self.folder}/proxy;\n"
            f"  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;\n"
            f"  server {{ listen {listen}; {tls} location / {{ {location} }} }}\n}}\n", encoding="utf-8")
        self.url = f"{'https' if identity else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"),
                                         "-e", str(self.folder / "error.log")], stderr=subprocess.DEVNULL)
        wait_until(lambda: answers("127.0.0.1", self.port), "nginx to answer")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid
