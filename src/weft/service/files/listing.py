"""Listing: what the files and folders of a system look like to its users."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice

import msgspec

from weft.service.files.matching import Pattern
from weft.service.files.walking import DEEPEST, Found, entries, walk
from weft.service.places import Tree, clean

_BATCH = 500
_TYPES = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "dir"), (stat.S_ISLNK, "symbolic_link"))


class FileInfo(msgspec.Struct, rename="camel", frozen=True):
    """One entry of a listing; ``path`` is relative to the root, ``owner`` and ``group`` are numbers as text."""

    mime_type: str | None
    type: str
    owner: str
    group: str
    native_permissions: str
    url: str
    last_modified: str
    name: str
    path: str
    size: int


def listing(
    tree: Tree,
    system_id: str,
    path: str,
    *,
    limit: int = 1000,
    offset: int = 0,
    recurse: bool = False,
    pattern: str | None = None,
) -> list[FileInfo]:
    """The entries of a folder, or of all folders below it down to 20 levels; a file is listed as itself.

    Sorted by path. ``pattern`` chooses by name, then ``offset`` and ``limit`` count.

    Raises:
        Problem: Nothing there (404), or a pattern that is none (400).
    """
    path = clean(path)
    facts = tree.stat(path)
    with Pattern(pattern) as wanted:
        if not stat.S_ISDIR(facts.st_mode):
            found: Iterable[Found] = [Found(path, facts)]
        else:
            found = walk(tree, path, deepest=DEEPEST) if recurse else entries(tree, path)
        chosen = islice(_matching(found, wanted), offset, offset + limit)
        return [described(each, system_id) for each in chosen]


def _matching(found: Iterable[Found], wanted: Pattern) -> Iterator[Found]:
    rest = iter(found)
    while batch := list(islice(rest, _BATCH)):
        names = [each.path.rpartition("/")[2] for each in batch]
        for each, fits in zip(batch, wanted.matches(names), strict=True):
            if fits:
                yield each


def described(found: Found, system_id: str) -> FileInfo:
    """A file as the service tells of it."""
    path = shown(found.path)
    name = path.rpartition("/")[2] or "/"
    facts = found.facts
    return FileInfo(
        mime_type=mimetypes.guess_type(name)[0] if found.is_file else None,
        type=next((word for test, word in _TYPES if test(facts.st_mode)), "other"),
        owner=str(facts.st_uid),
        group=str(facts.st_gid),
        native_permissions=stat.filemode(facts.st_mode & 0o777)[1:],
        url=f"tapis://{system_id}/{path}",
        last_modified=moment(facts.st_mtime).strftime("%Y-%m-%dT%H:%M:%SZ"),
        name=name,
        path=path,
        size=facts.st_size,
    )


def shown(path: str) -> str:
    """A path as text that every answer can carry; bytes that are no UTF-8 become question marks in diamonds."""
    return os.fsencode(path).decode("utf-8", "replace")


def moment(seconds: float) -> datetime:
    """A file's time; clipped to what a date can say, since files may bear any time."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), 253402300799.0), timezone.utc)
