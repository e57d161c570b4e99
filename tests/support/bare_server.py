"""A listener on a loopback port (0: a free one) for servers that tests play themselves, with bare sockets."""

import socket
import threading


def requests_on(connection):
    """(head, body) of each request that comes, the bodies with a Content-Length; ends when the client has gone."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(262144)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        length = next((int(field.split(b":")[1]) for field in head.split(b"\r\n") if field.lower().startswith(b"content-length:")), 0)
        while len(data) < length:
            more = connection.recv(262144)
            if not more:
                return
            data += more
        yield head, data[:length]
        data = data[length:]


class BareServer:
    """Hands each connection to `serve()` in a thread of its own and closes it afterwards. What serve() needs is set before
    __init__() is called: clients may come at once."""

    def __init__(self, port=0):
        self._socket = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            self.serve(connection)

    def serve(self, connection):
        raise NotImplementedError

    def stop(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
