"""An HTTP server that answers as a test says: for what a true service would never do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What to answer; ``how`` is ``hang`` (never), ``close`` (at once) or ``short`` (a body that ends too early)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    how: str = ""


def result(value: Any, **envelope: Any) -> Reply:
    """A well-formed answer of success."""
    whole = {"result": value, "status": "success", "message": "OK", "metadata": None, **envelope}
    return Reply(body=json.dumps(whole).encode())


def refusal(status: int, message: str = "REFUSED No", **headers: str) -> Reply:
    body = json.dumps({"result": None, "status": "error", "message": message}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, body, {"Content-Type": "application/json", **named})


class Stub:
    """Answers with ``replies``, one after the other, the last for ever; or with what a function makes of a request."""

    def __init__(self) -> None:
        self.replies: list[Reply] | Callable[[Seen], Reply] = [result({})]
        self.seen: list[Seen] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stub = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def reply(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            if callable(self.replies):
                return self.replies(seen)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def stop(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stub: Stub

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        stub = self.server.stub
        with stub.lock:
            stub.connections += 1

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        self._send(self.server.stub.reply(Seen(self.command, self.path, dict(self.headers), body)))

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _chunks(self) -> bytes:
        body = b""
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size + 2)[:size]
            if not size:
                break
        return body

    def _send(self, reply: Reply) -> None:
        if reply.how == "hang":
            self.server.stub.over.wait()
        if reply.how in ("hang", "close"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + (reply.how == "short")))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = reply.how == "short"
