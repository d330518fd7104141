"""The index of the shared store: what was put where, when, from which local file, and for which studies.

One JSON file per user, service and system below ``home()/"store"``. It is a memory, not the truth: what is really
there is said by a listing, and a lost index costs no more than knowing where things came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from weft.errors import FolderError, WeftError
from weft.home import home

VERSION = 1
PATIENCE = 10.0
"""Seconds to wait for another process that writes the index."""
STALE = 30.0
"""Seconds after which whoever was writing it must have died."""


class File(Struct, frozen=True, array_like=True):
    """A file of an entry; ``path`` is relative to the entry's folder, empty where the entry is the file itself."""

    path: str
    size: int
    sha256: str = ""


class Kept(Struct, frozen=True, kw_only=True):
    """An entry of the store. Times are seconds since the epoch."""

    hash: str
    name: str
    address: str
    files: tuple[File, ...]
    source: str
    """Where it lay on this machine when it was uploaded."""
    uploaded_at: float
    used_at: float
    """When a study was last given it; the best that is known of when a job last read it."""
    seen_at: float
    """When a listing last showed it whole."""
    studies: tuple[str, ...] = ()
    """Folders of the studies that use it."""

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Where(Struct, frozen=True, kw_only=True):
    """Whose store on which system an index is about."""

    base_url: str
    tenant: str
    user: str
    system: str
    root_dir: str

    @property
    def file(self) -> Path:
        """The index file; its name can be read by people, and is that of no other index."""
        whose = f"{self.base_url}\n{self.user}"
        names = re.sub(r"[^A-Za-z0-9.-]", "-", f"{self.tenant}-{self.system}")
        return home() / "store" / f"{names}-{hashlib.sha256(whose.encode()).hexdigest()[:8]}.json"


class _Page(Struct, frozen=True, kw_only=True):
    version: int
    where: Where
    kept: tuple[Kept, ...]


class Book:
    """One index. Safe for several threads and processes: changes are made one after the other, each whole."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.path = where.file

    def read(self) -> dict[str, Kept]:
        """The entries by address; none if there is no index yet, or a damaged one."""
        page = _read(self.path)
        return {kept.address: kept for kept in page.kept} if page else {}

    def change(self, edit: Callable[[dict[str, Kept]], Mapping[str, Kept]]) -> None:
        """Replace the entries by what ``edit`` makes of them; it sees what all others have written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self.path):
                entries = tuple(edit(self.read()).values())
                page = _Page(version=VERSION, where=self.where, kept=entries)
                aside = self.path.with_name(f"{self.path.name}.new")
                aside.write_bytes(msgspec.json.format(msgspec.json.encode(page), indent=1))
                aside.replace(self.path)
        except OSError as error:
            raise FolderError(
                f"the index of the store cannot be written: {error.strerror or error}",
                where=str(self.path),
                hint="make room, or give yourself the right to write there",
            ) from error

    def drop(self, address: str) -> None:
        """Take an entry out."""
        self.change(lambda entries: {key: kept for key, kept in entries.items() if key != address})


def content_hash(files: Iterable[File]) -> str:
    """What the files of an entry are known by: sixteen hexadecimal digits, whatever their order."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda each: each.path):
        digest.update(f"{file.path}\0{file.sha256}\n".encode())
    return digest.hexdigest()[:16]


def books(base_url: str = "") -> list[Book]:
    """Return every index, or those of one service."""
    pages = [_read(path) for path in sorted((home() / "store").glob("*.json"))]
    return [Book(page.where) for page in pages if page and base_url in ("", page.where.base_url)]


def _read(path: Path) -> _Page | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    try:
        page = msgspec.json.decode(data, type=_Page)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if page.version > VERSION:
        raise WeftError(
            "the index of the store was written by a newer weft", where=str(path), hint="update weft"
        )
    return page


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only one who writes the index; what a writer that died left behind is cleared."""
    lock = path.with_name(f"{path.name}.lock")
    until = time.monotonic() + PATIENCE
    while not _taken(lock):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > STALE:
                lock.unlink()
                continue
        if time.monotonic() > until:
            raise WeftError(
                "another process is writing the index of the store",
                where=str(path),
                hint=f"try again; if none is, remove {lock}",
            )
        time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _taken(lock: Path) -> bool:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True
