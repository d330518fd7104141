"""Taking in an upload: the part ``file`` of a multipart body goes straight to the disk while it arrives.

The body is parsed piece by piece on a thread, so that neither memory nor the event loop feels its size. The file takes
its place only when the whole body has come and is sound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio.to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from weft.service.answers import Problem
from weft.service.files.copying import NewFile
from weft.service.places import Tree

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_CHUNK = 2**20
_LONGEST_HEADERS = 2**14
_PART = b"file"


class Upload:
    """One upload to one place. ``feed`` it the body, then ``finish``; ``close`` it in any case."""

    def __init__(self, tree: Tree, path: str, content_type: str) -> None:
        """Problem 400 when the body is announced as anything but multipart/form-data."""
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Problem(
                400, "FILES_UPLOAD_INVALID The body must be multipart/form-data with a part named 'file'"
            )
        self._tree = tree
        self._path = path
        self._file: NewFile | None = None
        self._open = False  # are the bytes now coming those of the file?
        self._whole = False
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._room = _LONGEST_HEADERS
        self._parser = self._parsing(boundary)

    def _parsing(self, boundary: bytes) -> MultipartParser:
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._part_ends,
            "on_end": self._ends,
        }
        try:
            return MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise Problem(400, f"FILES_UPLOAD_INVALID The multipart body cannot be read: {error}") from error

    def feed(self, data: bytes) -> None:
        """The next bytes of the body; Problem when they are no multipart, or cannot be written."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Problem(400, f"FILES_UPLOAD_INVALID The multipart body is broken: {error}") from error

    def finish(self) -> None:
        """Let the file take its place.

        Raises:
            Problem: 400 when the body ended early or had no part named ``file``.
        """
        if not self._whole:
            raise Problem(400, "FILES_UPLOAD_INVALID The multipart body ended early")
        if self._file is None:
            raise Problem(400, "FILES_UPLOAD_INVALID The multipart body has no part named 'file'")
        self._file.keep()

    def close(self) -> None:
        """Be done with it; what was not finished is gone."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begins(self) -> None:
        self._headers = {}
        self._field = self._value = b""
        self._room = _LONGEST_HEADERS

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += self._counted(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._counted(data[start:end])

    def _counted(self, data: bytes) -> bytes:
        self._room -= len(data)
        if self._room < 0:
            raise Problem(400, "FILES_UPLOAD_INVALID The headers of a part are too long")
        return data

    def _header_ends(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._open = self._file is None and options.get(b"name") == _PART
        if self._open:
            self._file = NewFile(self._tree, self._path)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._open and self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        self._open = False

    def _ends(self) -> None:
        self._whole = True


async def receive(tree: Tree, path: str, content_type: str, body: AsyncIterator[bytes]) -> None:
    """Take in a whole body; nothing of it stays when it breaks off or proves wrong."""
    upload = Upload(tree, path, content_type)
    try:
        held: list[bytes] = []
        size = 0
        async for piece in body:
            held.append(piece)
            size += len(piece)
            if size >= _CHUNK:
                await anyio.to_thread.run_sync(upload.feed, b"".join(held))
                held, size = [], 0
        await anyio.to_thread.run_sync(upload.feed, b"".join(held))
        await anyio.to_thread.run_sync(upload.finish)
    finally:
        upload.close()
