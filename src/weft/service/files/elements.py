"""The elements of a transfer: what each consists of, and how its parts are copied.

A folder is copied with all that is in it, 20 levels deep and up to 10,000 entries, as in the real service. Links count
as what they lead to below the root of their system; those that lead elsewhere, to nothing, or to a folder they lie in
are made again as links. Pipes, sockets and devices are passed over.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from sqlalchemy import Row

from weft.service.answers import Problem
from weft.service.files.copying import Check, NewFile, copy_file, copy_link
from weft.service.files.rights import Right, reach
from weft.service.files.walking import DEEPEST, Found, join, walk
from weft.service.places import Tree, clean

if TYPE_CHECKING:
    from weft.service.server import Service

MOST_FILES = 10_000
"""In one element; the real service's limit."""
_CHUNK = 2**20
_PATIENCE = 60


def located(uri: str) -> tuple[str, str]:
    """System and path of a ``tapis://system/path`` URL.

    Raises:
        Problem: 400 for any other URL.
    """
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise Problem(
            400, f"FILES_TXFR_URI_INVALID A URL must be valid Unicode text: {uri[:200]!a}"
        ) from None
    scheme, separator, rest = uri.partition("://")
    system, _, path = rest.partition("/")
    if scheme.lower() != "tapis" or not separator or not system:
        raise Problem(400, f"FILES_TXFR_URI_INVALID A URL here is tapis://system/path, not {uri[:200]!r}")
    return system, clean(path)


def from_the_web(service: Service, url: str) -> bool:
    """Is it an http(s) URL?

    Raises:
        Problem: 400 where the service does not copy from these.
    """
    if not url.lower().startswith(("http://", "https://")):
        return False
    if not service.settings.allow_http_sources:
        raise Problem(400, "FILES_TXFR_SRC_NOTSUPPORTED This service does not copy from http(s) URLs")
    return True


class Elements:
    """The elements of one task: a task may have thousands on the same systems, so what was reached is kept."""

    def __init__(self, service: Service, task: Row[Any]) -> None:
        self._service = service
        self._task = task
        self._known: dict[tuple[str, Right, str], Tree] = {}

    def listed(self, parent: Row[Any]) -> list[tuple[str, str, int]]:
        """What an element consists of: paths below its source, each with its kind (file, dir, link, web) and bytes.

        The target folder of a folder is made, since there may be nothing in it.

        Raises:
            Problem: The user may not read or write there (403), nothing is there (404), or it is too much (400).
        """
        if from_the_web(self._service, parent.source_uri):
            return [("", "web", 0)]
        path, tree = self._source(parent)
        top = Found(path, tree.stat(path))
        if top.is_file:
            return [("", "file", top.facts.st_size)]
        if not top.is_folder:
            raise Problem(400, f"FILES_NOT_A_FILE This is no regular file: {path}")
        found = list(islice(walk(tree, path, deepest=DEEPEST, follow=True), MOST_FILES + 1))
        if len(found) > MOST_FILES:
            raise Problem(
                400, f"FILES_TXFR_PARENT_ERROR_TOO_MANY_FILES More than {MOST_FILES} in {parent.source_uri}"
            )
        to, target = self._target(parent)
        target.make(to)
        below = len(path) + 1 if path else 0
        return [(each.path[below:], kind, _size(each)) for each in found if (kind := _kind(each))]

    def copier(self, parent: Row[Any], check: Check) -> Callable[[Row[Any]], int]:
        """A function that copies one child of this parent and returns its bytes.

        Raises:
            Problem: The user may not read the source or write the destination.
        """
        to, target = self._target(parent)
        web = from_the_web(self._service, parent.source_uri)
        path, source = ("", target) if web else self._source(parent)

        def copy(row: Row[Any]) -> int:
            check(0)
            relative = os.fsdecode(row.relative)
            here, there = _below(path, relative), _below(to, relative)
            if row.kind == "file":
                return copy_file(source, here, target, there, check)
            if row.kind == "web":
                return _download(parent.source_uri, target, there, check)
            if row.kind == "link":
                copy_link(source, here, target, there)
            else:
                target.make(there)
            return 0

        return copy

    def _source(self, parent: Row[Any]) -> tuple[str, Tree]:
        return self._reached(parent.source_uri, "READ", parent.source_shared_by)

    def _target(self, parent: Row[Any]) -> tuple[str, Tree]:
        return self._reached(parent.destination_uri, "MODIFY", parent.destination_shared_by)

    def _reached(self, uri: str, need: Right, shared_by: str) -> tuple[str, Tree]:
        system, path = located(uri)
        key = (system, need, shared_by)
        tree = self._known.get(key)
        if tree is None:
            task = self._task
            _, tree = reach(
                self._service, task.username, task.tenant, system, path, need, shared_by=shared_by
            )
            if not tree.within and tree.allows is None:  # else the right is one to this path only
                self._known[key] = tree
        return path, tree


def _kind(found: Found) -> str:
    return "dir" if found.is_folder else "link" if found.is_link else "file" if found.is_file else ""


def _size(found: Found) -> int:
    return found.facts.st_size if found.is_file else 0


def _below(path: str, relative: str) -> str:
    return join(path, relative) if relative else path


def _download(url: str, target: Tree, path: str, check: Check) -> int:
    size = 0
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as response, NewFile(target, path) as new:  # noqa: S310 - http(s)
            # Not read: that waits for the whole chunk, so a trickle would let no cancellation through.
            while data := response.read1(_CHUNK):
                new.write(data)
                size += len(data)
                check(len(data))
            if response.length:  # http.client itself takes a body that breaks off for a whole one
                raise IncompleteRead(b"", response.length)
            new.keep()
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise Problem(400, f"FILES_TXFR_SRC_FAILED {url[:200]}: {error}") from error
    return size
