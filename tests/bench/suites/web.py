"""Plain and TLS answers of the proxy against nginx, kept connections and a new one for each request."""

from foreman import Foreman
from pki import Pki
from programs import SmartProxy

from .measure import COLUMNS, compare, rows_of
from .nginx import Nginx

ANSWER = """return 200 '{"version":"3.11.0","modules":{"dynflow":"0.9.4","script":"1.0.1","logs":"3.11.0"}}';"""


def run(folder, rounds):
    pki = Pki(folder / "pki")
    with Foreman() as foreman, \
            SmartProxy(folder / "proxy", foreman.url, identity=pki.proxy, ca=pki.ca.cert,
                       settings={"log_level": "ERROR"}) as proxy, \
            Nginx(folder / "nginx", ANSWER) as plain, \
            Nginx(folder / "nginx-tls", ANSWER, identity=pki.proxy, ca=pki.ca.cert) as tls:
        http = {"nginx": (plain.url + "/version", [plain.pid]),
                "smart-proxy": (f"http://127.0.0.1:{proxy.port}/version", [proxy.process.pid])}
        https = {"nginx": (tls.url + "/version", [tls.pid]),
                 "smart-proxy": (f"https://127.0.0.1:{proxy.https_port}/version", [proxy.process.pid])}
        rows = []
        for connections in (1, 16, 128):
            rows += rows_of(compare(http, connections, rounds), connections, "nginx")
        yield {"title": "GET /version, plain, kept connections", "columns": COLUMNS, "rows": rows}
        rows = []
        for connections in (1, 16, 128):
            rows += rows_of(compare(https, connections, rounds), connections, "nginx")
        yield {"title": "GET /version, TLS, kept connections", "columns": COLUMNS, "rows": rows}
        rows = rows_of(compare(https, 16, rounds, headers=["Connection: close"]), 16, "nginx")
        yield {"title": "GET /version, a new TLS connection for each request (what Foreman does)",
               "columns": COLUMNS, "rows": rows}
