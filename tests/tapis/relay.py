"""A wire between a client and a service that breaks where a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Relay:
    """Passes bytes both ways. ``cuts`` are used up: the answer of each next connection ends after so many bytes.

    ``deaf`` hides the header ``range`` from the service. ``down`` counts the bytes of all answers, ``asked`` holds
    what was sent to the service.
    """

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._to = (host, int(port))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.cuts: list[int] = []
        self.deaf = False
        self.down = 0
        self.asked = b""
        self._open: list[socket.socket] = []

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in [self._door, *self._open]:
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            service = socket.create_connection(self._to)
            self._open += [client, service]
            left = self.cuts.pop(0) if self.cuts else None
            threading.Thread(target=self._up, args=[client, service], daemon=True).start()
            threading.Thread(target=self._back, args=[service, client, left], daemon=True).start()

    def _up(self, client: socket.socket, service: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                self.asked = (self.asked + data)[-100_000:]
                service.sendall(data.replace(b"range: ", b"rang3: ") if self.deaf else data)
        _end(service)

    def _back(self, service: socket.socket, client: socket.socket, left: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := service.recv(65_536):
                data = data if left is None else data[:left]
                self.down += len(data)
                client.sendall(data)
                if left is not None:
                    left -= len(data)
                    if left <= 0:
                        break
        _end(client)
        _end(service)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
