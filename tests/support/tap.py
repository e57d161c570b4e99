"""A wire tap: stands between a client and an HTTP/1.1 server on the loopback and remembers what both say, byte for byte."""

import json
import socket
import threading

from bare_server import BareServer


def _length(head):
    """(body length, chunked) as a head says; length None: until the connection closes."""
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return None, True
    return (int(fields[b"content-length"]) if b"content-length" in fields else None), False


class Stream:
    def __init__(self, connection):
        self.connection = connection
        self.held = b""

    def more(self):
        data = self.connection.recv(65536)
        self.held += data
        return bool(data)

    def take(self, count):
        while len(self.held) < count:
            if not self.more():
                break
        taken, self.held = self.held[:count], self.held[count:]
        return taken

    def until(self, mark):
        while mark not in self.held:
            if not self.more():
                return b""
        end = self.held.index(mark) + len(mark)
        return self.take(end)

    def chunks(self):
        whole = b""
        while True:
            line = self.until(b"\r\n")
            whole += line
            size = int(line.split(b";")[0] or b"0", 16)
            whole += self.take(size + 2) if size else self.until(b"\r\n")
            if not size:
                return whole


def read_message(stream, is_answer, has_body=True):
    """(head, body) with their bytes as sent; (b"", b"") when the other side is gone."""
    head = stream.until(b"\r\n\r\n")
    if not head:
        return b"", b""
    length, chunked = _length(head)
    if chunked:
        return head, stream.chunks()
    if length is None:
        length = 0 if not is_answer or not has_body else 1 << 40
    return head, stream.take(length) if has_body else b""


class Tap(BareServer):
    """Passes everything on to 127.0.0.1:`port`. Threads: any."""

    def __init__(self, port):
        self.target = port
        self._lock = threading.Lock()
        self._exchanges = []
        super().__init__()

    def serve(self, connection):
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            asked, answered = Stream(connection), Stream(server)
            while True:
                head, body = read_message(asked, is_answer=False)
                if not head:
                    return
                server.sendall(head + body)
                answer, text = read_message(answered, is_answer=True, has_body=not head.startswith(b"HEAD "))
                with self._lock:  # before the client can go on
                    self._exchanges.append((head, body, answer, text))
                connection.sendall(answer + text)
                if not answer or b"connection: close" in answer.lower():
                    return

    def exchanges(self):
        """[{request: {line, headers, body}, response: {line, headers, body}}] in the order of the answers. Bodies are text."""
        with self._lock:
            return [{"request": message(head, body), "response": message(answer, text)} for head, body, answer, text in self._exchanges]

    def find(self, start_of_line):
        return [one for one in self.exchanges() if one["request"]["line"].startswith(start_of_line)]


def message(head, body):
    lines = head.decode("latin-1").split("\r\n")
    return {"line": lines[0], "headers": [line for line in lines[1:] if line], "body": body.decode("utf-8", "replace")}


def write(exchanges, path):
    path.write_text(json.dumps(exchanges, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
