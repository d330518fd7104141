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
        self._lock = threading.Lock()
        self._over = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with stub._lock:
                    stub.connections += 1

            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self._send(stub._reply(Seen(self.command, self.path, dict(self.headers), body)))

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def _send(self, reply: Reply) -> None:
                if reply.how == "hang":
                    stub._over.wait()
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _reply(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            if callable(self.replies):
                return self.replies(seen)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
