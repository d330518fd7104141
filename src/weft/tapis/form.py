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
        try:
            self.size = len(source) if isinstance(source, bytes) else source.stat().st_size
        except OSError as error:
            raise _unreadable(source, error) from error
        cut = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={cut}"
        said = 'Content-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream'
        self._head = f"--{cut}\r\n{said}\r\n\r\n".encode()
        self._tail = f"\r\n--{cut}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        digest = hashlib.sha256()
        sent = 0
        for chunk in self._chunks():
            sent += len(chunk)
            if sent > self.size:
                break
            if self._sha256:
                digest.update(chunk)
            yield chunk
        # A body without its end is none, so that what is wrong does not take its place.
        if sent != self.size or (self._sha256 and digest.hexdigest() != self._sha256):
            name = f"{self.size:,} bytes" if isinstance(self.source, bytes) else str(self.source)
            raise BadSource(
                "the file is no longer what it was", where=name, hint="try again when it is finished"
            )
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
            raise _unreadable(self.source, error) from error


def _unreadable(source: Path | bytes, error: OSError) -> BadSource:
    what = f"a file to upload cannot be read: {error.strerror or error}"
    return BadSource(what, where=str(source), hint="put it back, or correct its path")
