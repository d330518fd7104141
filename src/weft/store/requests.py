"""Requests: what other processes ask of the one writer, as files in a folder that it drains.

A request is written aside and renamed into place, so that the writer sees it whole. It is removed only after it is
in the journal; should the writer die between the two, the request's id makes the second telling harmless.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from weft.core.events import Request, decode_request, encode
from weft.store.folder import disk_problem


def new_id() -> str:
    """A fresh request id, sorting by time."""
    return f"{time.time_ns():020d}-{os.urandom(4).hex()}"


def leave(folder: Path, request: Request) -> None:
    """Leave a request for the writer."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{request.id}"
        aside.write_bytes(encode([request]))
        aside.rename(folder / f"{request.id}.json")
    except OSError as error:
        raise disk_problem(error, folder) from error


def waiting(folder: Path) -> list[tuple[Path, Request | None]]:
    """The requests that wait, oldest first; None in place of one that cannot be understood."""
    found: list[tuple[Path, Request | None]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append((path, decode_request(path.read_bytes())))
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.append((path, None))
        except OSError:
            continue
    return found


def done(paths: list[Path]) -> None:
    """Forget requests that are in the journal now."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_problem(error, path) from error
