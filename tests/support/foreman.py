#!/usr/bin/env python3
"""A stand-in for Foreman: takes callbacks as the real one does, records them, and misbehaves when told.

As a program it prints each callback as a line of JSON:  foreman.py [--port N]
"""

import argparse
import json
import socketserver
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLBACK_PATH = "/foreman_tasks/api/tasks/callback"


@dataclass(frozen=True)
class Received:
    """One request that reached us, whatever we answered."""
    time: float
    method: str
    path: str
    headers: list
    body: bytes
    status: int
    peer: str  # common name of the client certificate, or ""

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Callback:
    """One delivered entry: what Foreman would hand to the task."""
    task_id: str
    step_id: int
    data: dict


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # without HTTPServer's look-up of our own name
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass  # a client that went away is the client's business


class Foreman:
    """Starts on `port` (0: any) and serves until stop(). Threads: all methods may be called from any."""

    def __init__(self, port=0, identity=None, client_ca=None, on_callback=None, clock_lead=0.0):
        self._clock_lead = clock_lead  # seconds that its clock is ahead of ours
        self._lock = threading.Condition()
        self._received = []
        self._callbacks = []
        self._failures = []
        self._poisoned = set()
        self._delay = 0.0
        self._on_callback = on_callback
        self._context = None
        if identity is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(str(identity.cert), str(identity.key))
            if client_ca is not None:
                self._context.load_verify_locations(str(client_ca))
                self._context.verify_mode = ssl.CERT_REQUIRED
        self._server = None
        self.port = port
        self.accept()

    # Being there, or not.

    def accept(self):
        """Listens (again, after refuse()) on the same port."""
        if self._server is not None:
            return
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True,
                                                            do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="foreman", daemon=True).start()

    def refuse(self):
        """Stops listening: connections are refused until accept()."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def stop(self):
        self.refuse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    # Faults.

    def fail_next(self, count=1, status=500):
        """The next `count` requests are answered with `status` and have no effect."""
        with self._lock:
            self._failures.extend([status] * count)

    def recover(self):
        """What was left of fail_next() is forgotten."""
        with self._lock:
            self._failures.clear()

    def delay(self, seconds):
        """Every answer waits that long first."""
        with self._lock:
            self._delay = seconds

    def poison(self, *task_ids):
        """Entries for these tasks are answered with 500, and the rest of their batch is dropped: as Foreman does
        with a task it does not know. Entries before them in the batch are delivered."""
        with self._lock:
            self._poisoned.update(task_ids)

    # What came.

    def received(self):
        with self._lock:
            return list(self._received)

    def callbacks(self, task_id=None):
        """Delivered entries, in order; those of one task when given."""
        with self._lock:
            return [c for c in self._callbacks if task_id is None or c.task_id == task_id]

    def clear(self):
        with self._lock:
            self._received.clear()
            self._callbacks.clear()

    def wait_for(self, count=1, task_id=None, timeout=30.0):
        """The delivered entries once there are `count` of them; TimeoutError otherwise."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while True:
                found = [c for c in self._callbacks if task_id is None or c.task_id == task_id]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or not self._lock.wait(left):
                    raise TimeoutError(f"{len(found)} of {count} callbacks after {timeout:g} s"
                                       + (f" for task {task_id}" if task_id else ""))

    # Taking a request, with the rules of Foreman's controller.

    def _take(self, headers, path, body):
        """Status for a request; delivers what is to be delivered. Called with the lock held."""
        if self._failures:
            return self._failures.pop(0)
        if path.split("?")[0] != CALLBACK_PATH:
            return 404
        if not (headers.get("Content-Type") or "").startswith("application/json"):
            return 415
        # Not a MIME type for Rails 6 and later: the request never reaches the controller.
        if (headers.get("Accept") or "") == "application/json,version=2":
            return 500
        try:
            document = json.loads(body)
            entries = document["callbacks"] if "callbacks" in document else [document]
        except (ValueError, TypeError):
            return 400
        for entry in entries:
            callback = entry.get("callback")
            if not isinstance(callback, dict) or not isinstance(entry.get("data"), dict):
                return 500
            if callback.get("task_id") in self._poisoned:
                return 500
            delivered = Callback(callback["task_id"], callback["step_id"], entry["data"])
            self._callbacks.append(delivered)
            if self._on_callback:
                self._on_callback(delivered)
        return 200

    def _handler(self):
        foreman = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                certificate = getattr(self.connection, "getpeercert", dict)() or {}
                names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
                with foreman._lock:
                    delay = foreman._delay
                if delay:
                    time.sleep(delay)
                with foreman._lock:
                    status = foreman._take(self.headers, self.path, body)
                    foreman._received.append(Received(time.time(), self.command, self.path, self.headers.items(), body,
                                                      status, names[0] if names else ""))
                    foreman._lock.notify_all()
                answer = b'{"message":"processing"}' if status == 200 else b'{"error":{"message":"as told"}}'
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def date_time_string(self, timestamp=None):
                return super().date_time_string((time.time() if timestamp is None else timestamp) + foreman._clock_lead)

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, *_):
                pass

        return Handler


def main():
    parser = argparse.ArgumentParser(description="A stand-in Foreman: prints the callbacks it gets as lines of JSON.")
    parser.add_argument("--port", type=int, default=3000)
    options = parser.parse_args()

    def show(callback):
        print(json.dumps({"task_id": callback.task_id, "step_id": callback.step_id, "data": callback.data}), flush=True)

    with Foreman(port=options.port, on_callback=show) as foreman:
        print(json.dumps({"listening": foreman.url}), flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
