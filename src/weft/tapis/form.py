"""The body of an upload: a file or bytes in a multipart form, read from its source while it is sent."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from weft.errors import WeftError

_CHUNK = 2**20


class BadSource(WeftError):
    """A file that is to be uploaded cannot be read, or is no longer what it was."""


class Form:
    """A multipart body with one part named ``file``, read while it is sent; its length is known beforehand."""

    def __init__(self, source: Path | bytes, sha256: str) -> None:
        self.source = source
        self._sha256 = sha256
        self.problem: BadSource | None = None
        """Why the body broke off, if it did; an HTTP library may make something else of it."""
        try:
            self.size = len(source) if isinstance(source, bytes) else source.stat().st_size
        except OSError as error:
            raise self._bad(f"it cannot be read: {error.strerror or error}") from error
        cut = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={cut}"
        said = 'Content-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream'
        self._head = f"--{cut}\r\n{said}\r\n\r\n".encode()
        self._tail = f"\r\n--{cut}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body, anew each time.

        The last piece is held back until all is known to be right: a service may keep what came of a body that ends
        early, and what is too short is seen by its size.
        """
        yield self._head
        digest = hashlib.sha256()
        held, read = b"", 0
        for chunk in self._chunks():
            read += len(chunk)
            if read > self.size:
                break
            if self._sha256:
                digest.update(chunk)
            if held:
                yield held
            held = chunk
        if read != self.size or (self._sha256 and digest.hexdigest() != self._sha256):
            raise self._bad("it is no longer what it was", hint="try again when nobody writes it")
        yield held
        yield self._tail

    def _chunks(self) -> Iterator[bytes]:
        if isinstance(self.source, bytes):
            view = self.source
            yield from (view[at : at + _CHUNK] for at in range(0, len(view), _CHUNK))
            return
        try:
            with self.source.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise self._bad(f"it cannot be read: {error.strerror or error}") from error

    def _bad(self, what: str, hint: str = "put it back, or correct its path") -> BadSource:
        name = f"{len(self.source):,} bytes" if isinstance(self.source, bytes) else str(self.source)
        self.problem = BadSource(f"a file to upload is not usable: {what}", where=name, hint=hint)
        return self.problem
