"""Giving out contents: whole files, parts of them, and folders as ZIP, always as streams of bounded memory.

The header ``range`` has two languages. ``bytes=a-b`` is HTTP's: first and last byte, answered with 206. ``a,b`` is
Tapis's: the real service skips ``a`` bytes and gives ``b`` of them (its specification calls them min and max, and it
refuses a > b), answered with 200. ``more: n`` gives the n-th page of 1024 bytes of a text.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import quote

from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from weft.service.answers import Problem
from weft.service.files.listing import moment, shown
from weft.service.files.walking import Found, walk
from weft.service.places import Tree, clean

if TYPE_CHECKING:
    from typing_extensions import Buffer

_CHUNK = 2**18
_PAGE = 1024
_HTTP = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)
_TAPIS = re.compile(r"\s*([0-9]{1,18})\s*,\s*([0-9]{1,18})\s*")
_BINARY = "application/octet-stream"
_TEXT = "text/plain"


class Part(Struct, frozen=True):
    """What of a file is asked for: ``size`` bytes from ``start`` on; ``http`` when it was asked in HTTP's words."""

    start: int
    size: int
    http: bool = False


def part(headers: Mapping[str, str], size: int) -> Part | None:
    """The part of a file of ``size`` bytes that the headers ask for; None for all of it.

    Raises:
        Problem: 400 for headers that make no sense, 416 for a part beyond the end in HTTP's words.
    """
    asked = headers.get("range")
    if asked is not None:
        return (
            _in_tapis_words(asked, size) if "," in asked and "=" not in asked else _in_http_words(asked, size)
        )
    page = headers.get("more")
    if page is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", page) or int(page) < 1:
        raise Problem(
            400, f"FILES_MORE_INVALID The header more is the number of a page, from 1: {page[:40]!r}"
        )
    return _within((int(page) - 1) * _PAGE, _PAGE, size)


def _in_tapis_words(asked: str, size: int) -> Part:
    found = _TAPIS.fullmatch(asked)
    if not found or int(found[1]) > int(found[2]):
        raise Problem(400, f"FILES_RANGE_INVALID The header range is min,max with min <= max: {asked[:40]!r}")
    return _within(int(found[1]), int(found[2]), size)


def _in_http_words(asked: str, size: int) -> Part | None:
    found = _HTTP.fullmatch(asked)
    if found is None and re.match(r"\s*bytes\s*=", asked, re.IGNORECASE):
        return None  # several ranges: HTTP allows to give the whole file instead
    if found is None or not (found[1] or found[2]):
        raise Problem(
            400, f"FILES_RANGE_INVALID The header range is min,max or bytes=first-last: {asked[:40]!r}"
        )
    if not found[1]:
        last = min(int(found[2]), size)
        start, end = size - last, size - 1
    else:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if start > end:
        raise Problem(416, f"FILES_RANGE_INVALID The file has {size} bytes: {asked[:40]!r}")
    return Part(start, end - start + 1, http=True)


def _within(start: int, count: int, size: int) -> Part:
    start = min(start, size)
    return Part(start, min(count, size - start))


def content(tree: Tree, path: str, headers: Mapping[str, str], *, zipped: bool) -> Response:
    """The answer to a request for contents.

    Raises:
        Problem: Nothing there (404), a folder without ``zipped`` (400), or headers that make no sense.
    """
    if zipped:
        return zip_response(tree, path)
    if stat.S_ISDIR(tree.stat(path).st_mode):
        raise Problem(
            400, f"FILES_CONT_DIR_NOZIP A directory must be downloaded with zip=true: {clean(path) or '/'}"
        )
    opened, facts = tree.reading(path)
    try:
        asked = part(headers, facts.st_size)
    except BaseException:
        os.close(opened)
        raise
    name = _name(path)
    sent = {"content-disposition": disposition("attachment", name), "cache-control": "max-age=3600"}
    if asked is None:
        whole = Part(0, facts.st_size)
        return _streamed(opened, whole, {**sent, "accept-ranges": "bytes"}, _BINARY)
    if asked.http:
        last = asked.start + asked.size - 1
        sent["content-range"] = f"bytes {asked.start}-{last}/{facts.st_size}"
        return _streamed(opened, asked, sent, _BINARY, status=206)
    if "range" not in headers:
        sent["content-disposition"] = "inline"
    return _streamed(opened, asked, sent, _TEXT)


def file_response(tree: Tree, path: str, *, kind: str, media_type: str) -> Response:
    """A whole file; ``kind`` says how a browser shows it: "attachment" or "inline"."""
    opened, facts = tree.reading(path)
    headers = {"content-disposition": disposition(kind, _name(path)), "cache-control": "max-age=3600"}
    return _streamed(opened, Part(0, facts.st_size), headers, media_type)


def _streamed(
    opened: int, asked: Part, headers: dict[str, str], media_type: str, status: int = 200
) -> Response:
    headers["content-length"] = str(asked.size)
    return StreamingResponse(_pieces(opened, asked), status, headers, media_type)


class _pieces(Iterator[bytes]):
    """The bytes of an open file, piece by piece; closes it in the end, and when nobody wants it any more.

    A file that shrinks meanwhile ends early, which the client sees by the length it was told; one that grows is cut.
    """

    def __init__(self, opened: int, asked: Part) -> None:
        self.file = os.fdopen(opened, "rb", buffering=0)
        self.file.seek(asked.start)
        self.rest = asked.size

    def __next__(self) -> bytes:
        data = self.file.read(min(_CHUNK, self.rest)) if self.rest else b""
        if not data:
            self.file.close()
            raise StopIteration
        self.rest -= len(data)
        return data

    def __del__(self) -> None:
        self.file.close()


def _name(path: str) -> str:
    return clean(path).rpartition("/")[2] or "systemRoot"


def disposition(kind: str, name: str) -> str:
    """The header that names a download; names that are not plain ASCII are given in both of HTTP's ways."""
    name = shown(name)
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    return f'{kind}; filename="{plain}"' + (
        "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    )


def zip_response(tree: Tree, path: str, *, kind: str = "attachment", media_type: str = _BINARY) -> Response:
    """A file or a folder as a ZIP that is made while it is sent."""
    path = clean(path)
    if not path and tree.root == Path("/"):
        raise Problem(400, "FILES_CONT_NOZIP All files of a machine cannot be downloaded at once")
    top = Found(path, tree.stat(path))
    name = os.path.splitext(_name(path))[0] + ".zip"  # noqa: PTH122 - a name, not a path
    headers = {"content-disposition": disposition(kind, name)}
    return StreamingResponse(zip_stream(tree, top), 200, headers, media_type)


class _Outlet(io.RawIOBase):
    """What the ZIP is written to: holds the bytes until they are taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        piece = bytes(data)
        self.held.append(piece)
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        data, self.held, self.size = b"".join(self.held), [], 0
        return data


def zip_stream(tree: Tree, top: Found) -> Iterator[bytes]:
    """The pieces of a ZIP of a file, or of a folder and all below it, named from the folder above it on.

    Links count as what they lead to within the root; those that lead elsewhere are left out, as are pipes and devices.
    """
    outlet = _Outlet()
    above = len(top.path) - len(top.path.rpartition("/")[2])
    file = cast("IO[bytes]", outlet)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=zlib.Z_BEST_SPEED) as archive:
        for found in walk(tree, top.path, follow=True) if top.is_folder else [top]:
            for _ in _packed(archive, tree, found, found.path[above:]):
                if outlet.size >= _CHUNK:
                    yield outlet.take()
    yield outlet.take()


def _packed(archive: zipfile.ZipFile, tree: Tree, found: Found, name: str) -> Iterator[None]:
    """Put one entry into the archive, stopping after each piece of it."""
    if not (found.is_folder or found.is_file):
        return
    when = max(moment(found.facts.st_mtime).timetuple()[:6], (1980, 1, 1, 0, 0, 0))
    entry = zipfile.ZipInfo(shown(name) + "/" * found.is_folder, min(when, (2107, 12, 31, 23, 59, 58)))
    entry.external_attr = (found.facts.st_mode & 0xFFFF) << 16
    if found.is_folder:
        archive.writestr(entry, b"")
        yield
        return
    try:
        opened, _ = tree.reading(found.path)
    except Problem as problem:
        if problem.status == 404:  # gone meanwhile
            return
        raise
    entry.compress_type = zipfile.ZIP_DEFLATED
    with os.fdopen(opened, "rb") as file, archive.open(entry, "w", force_zip64=True) as packed:
        while data := file.read(_CHUNK):
            packed.write(data)
            yield
    yield
