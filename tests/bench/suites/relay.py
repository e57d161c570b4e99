"""GET /dynflow/tasks/count: through our relay, through nginx proxy_pass, and straight from the core."""

from foreman import Foreman
from programs import CoreService, SmartProxy

from .measure import COLUMNS, compare, rows_of
from .nginx import Nginx


def run(folder, rounds):
    quiet = {"log_level": "ERROR"}
    with Foreman() as foreman, CoreService(folder / "core", foreman.url, settings=quiet) as core:
        upstream = f"upstream core {{ server 127.0.0.1:{core.port}; keepalive 64; }}"
        to_core = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://core;'
        with SmartProxy(folder / "proxy", foreman.url, external_core=True, core_url=core.url,
                        settings=quiet) as proxy, \
                SmartProxy(folder / "inside", foreman.url, external_core=False, settings=quiet) as inside, \
                Nginx(folder / "nginx", to_core, http=upstream) as nginx:
            candidates = {
                "nginx proxy_pass": (nginx.url + "/tasks/count", [nginx.pid]),
                "smart-proxy, relay": (f"http://127.0.0.1:{proxy.port}/dynflow/tasks/count", [proxy.process.pid]),
                "smart-proxy, in-process": (f"http://127.0.0.1:{inside.port}/dynflow/tasks/count",
                                            [inside.process.pid]),
                "core, direct": (core.url + "/tasks/count", [core.process.pid]),
            }
            rows = []
            for connections in (1, 16, 128):
                rows += rows_of(compare(candidates, connections, rounds), connections, "nginx proxy_pass")
            yield {"title": "GET /dynflow/tasks/count through a relay", "columns": COLUMNS, "rows": rows,
                   "notes": ["CPU is that of the row's own process; the core behind a relay is not counted in it."]}
