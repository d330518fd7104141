"""Everything about the archives that ZIP apps come in: checked first, unpacked after, then the executable is found.

Nothing of an archive is written before all of its table of contents has been looked at. Refused are absolute names,
names with ``..``, devices and pipes, links that lead out, entries below a link, and archives that grow beyond measure:
too many entries, too many bytes, or far more bytes than they have packed. A link may begin with ``..`` but not hold
one later on: since nothing lies below a link, each link can then be judged by its text alone.

An app is unpacked for each of its jobs, thousands of times perhaps; small ones are kept in memory.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from msgspec import Struct

from weft.service.places import Tree

SCRIPT = "tapisjob_app.sh"
MANIFEST = "tapisjob.manifest"
_KEY = "tapisjob_executable="

MOST_ENTRIES = 100_000
MOST_BYTES = 16 << 30
MOST_RATIO = 300
"""Unpacked to packed bytes; counts only beyond ``HARMLESS``, since text of one kind packs far better than this."""
HARMLESS = 64 << 20
FORKING = threading.Lock()
"""Held while a process is forked and has not yet begun its program. Until then it has every file open that is open
here, and a file that is open for writing cannot be executed ("Text file busy")."""


def executable_from_now() -> None:
    """To be called after a file that may be executed was closed: nobody who was forked meanwhile has it open still."""
    with FORKING:
        pass


_SMALL = 1 << 20
_KEPT = 32
_LONGEST_MANIFEST = 1 << 16

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,  # an encrypted entry
    ValueError,
    UnicodeError,
)


class BadImage(ValueError):
    """An archive that cannot be an app, or that must not be unpacked; the text says why."""


class Entry(Struct, frozen=True):
    """One entry of an archive: ``link`` is the target of a symbolic link, ``size`` in bytes, ``index`` its place."""

    index: int
    name: str
    size: int
    mode: int
    folder: bool = False
    link: str | None = None


class _Archive(Struct, frozen=True):
    """An opened archive: what is in it, and how an entry is read."""

    entries: list[Entry]
    read: Callable[[Entry], IO[bytes]]


class Images:
    """Unpacks apps; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, list[tuple[Entry, bytes]]] = OrderedDict()
        self._lock = threading.Lock()

    def unpack(self, image: Path, folder: Path) -> None:
        """Put what is in the archive into an existing folder, replacing what is there.

        Raises:
            BadImage: The archive is none, is damaged, or must not be unpacked; nothing was written for it.
            Problem: Something in the folder leads out of it.
            OSError: The archive or the folder cannot be read or written; a full disk among it.
        """
        key = _identity(image)
        with self._lock:
            contents = self._kept.get(key)
        if contents is None:
            contents = self._read(image, folder)
            if contents is None:
                return
            with self._lock:
                self._kept[key] = contents
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        tree = Tree(folder)
        for entry, data in contents:
            _write(tree, entry, BytesIO(data))

    def _read(self, image: Path, folder: Path) -> list[tuple[Entry, bytes]] | None:
        """The contents of a small archive; a larger one is unpacked straight away (None)."""
        try:
            with _opened(image) as archive:
                entries = checked(archive.entries, image.stat().st_size)
                if sum(entry.size for entry in entries) <= _SMALL:
                    return [(entry, _bytes(archive, entry)) for entry in entries]
                tree = Tree(folder)
                for entry in entries:
                    with archive.read(entry) as source:
                        _write(tree, entry, source)
        except _BROKEN as error:
            raise error if isinstance(error, BadImage) else BadImage(f"it is damaged: {error}") from error
        return None


def checked(entries: Sequence[Entry], packed: int) -> Sequence[Entry]:
    """The entries, all found harmless; ``packed`` is the size of the archive in bytes.

    Raises:
        BadImage: What is wrong with the first that is not.
    """
    _check_measure(len(entries), sum(entry.size for entry in entries), packed)
    links = {posixpath.normpath(entry.name) for entry in entries if entry.link is not None}
    for entry in entries:
        _check_name(entry.name, links)
        if entry.link is not None:
            _check_link(entry.name, entry.link)
    return entries


def _check_measure(count: int, total: int, packed: int) -> None:
    if count > MOST_ENTRIES:
        raise BadImage(f"it has more than {MOST_ENTRIES} entries")
    if total > MOST_BYTES:
        raise BadImage(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
    if total > max(HARMLESS, packed * MOST_RATIO):
        raise BadImage(f"it unpacks to {total} bytes or more, over {MOST_RATIO} times its size")


def _check_name(name: str, links: set[str]) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise BadImage(f"it has an entry that leads out: {name!r}")
    above = [part for part in parts if part not in ("", ".")][:-1]
    if links and any("/".join(above[:depth]) in links for depth in range(1, len(above) + 1)):
        raise BadImage(f"it has an entry below a link: {name!r}")


def _check_link(name: str, target: str) -> None:
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    depth = posixpath.normpath(name).count("/")
    if target.startswith("/") or "\0" in target or ".." in parts[ups:] or ups > depth:
        raise BadImage(f"it has a link that may lead out: {name!r} to {target!r}")


@contextmanager
def _opened(image: Path) -> Iterator[_Archive]:
    if image.name.lower().endswith(".zip"):
        with zipfile.ZipFile(image) as packed:
            infos = packed.infolist()
            entries = [_of_zip(packed, at, info) for at, info in enumerate(infos)]
            yield _Archive(entries, lambda entry: packed.open(infos[entry.index]))
    else:
        with tarfile.open(image, "r:*") as tape:
            members = list(_members(tape, image.stat().st_size))
            entries = [_of_tar(at, member) for at, member in enumerate(members)]
            yield _Archive(entries, lambda entry: tape.extractfile(members[entry.index]) or BytesIO())


def _of_zip(packed: zipfile.ZipFile, at: int, info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        if info.file_size > 4096:
            raise BadImage(f"it has a link of {info.file_size} bytes: {info.filename!r}")
        return Entry(at, info.filename, 0, 0o777, link=packed.read(info).decode())
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadImage(f"it has an entry that is neither file, folder nor link: {info.filename!r}")
    return Entry(at, info.filename, info.file_size, (mode & 0o777) or 0o644, folder=info.is_dir())


def _members(tape: tarfile.TarFile, packed: int) -> Iterator[tarfile.TarInfo]:
    """The members of a tar file, stopping before the reading of an absurd one takes for ever."""
    total = 0
    for count, member in enumerate(tape, 1):
        total += member.size
        _check_measure(count, total, packed)
        yield member


def _of_tar(at: int, member: tarfile.TarInfo) -> Entry:
    mode = member.mode & 0o777
    if member.issym():
        return Entry(at, member.name, 0, 0o777, link=member.linkname)
    if member.isdir():
        return Entry(at, member.name, 0, mode, folder=True)
    if member.isreg() or member.islnk():  # a hard link becomes a copy of what it names, an earlier entry
        return Entry(at, member.name, member.size, mode or 0o644)
    raise BadImage(f"it has an entry that is neither file, folder nor link: {member.name!r}")


def _bytes(archive: _Archive, entry: Entry) -> bytes:
    if entry.folder or entry.link is not None:
        return b""
    with archive.read(entry) as source:
        return source.read(_SMALL + 1)[:_SMALL]


def _write(tree: Tree, entry: Entry, source: IO[bytes]) -> None:
    if entry.folder:
        tree.make(entry.name)
        return
    above, _, name = entry.name.strip("/").rpartition("/")
    if above:
        tree.make(above)
    with tree.spot(f"{above}/{name}", follow=False) as place:
        if not place.missing:
            os.unlink(place.name, dir_fd=place.folder)
        if entry.link is not None:
            os.symlink(entry.link, place.name, dir_fd=place.folder)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(place.open(flags, entry.mode | 0o600), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    executable_from_now()


def _identity(path: Path) -> Hashable:
    """What tells one archive from another: the content of a small one, since each job may have a copy of its own."""
    facts = path.stat()
    if facts.st_size <= _SMALL:
        return path.suffix, hashlib.sha256(path.read_bytes()).digest()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def executable(folder: Path) -> str:
    """The app's executable, relative to the folder it was unpacked into; it is made executable.

    Raises:
        BadImage: There is none, or the manifest names one that is not there.
    """
    name = SCRIPT if (folder / SCRIPT).is_file() else _of_manifest(folder / MANIFEST)
    path = Tree(folder).real(name)
    if not path.is_file():
        raise BadImage(f"the executable that its {MANIFEST} names is not there: {name!r}")
    path.chmod(path.stat().st_mode | 0o110)
    return name


def _of_manifest(path: Path) -> str:
    if path.is_file() and path.stat().st_size <= _LONGEST_MANIFEST:
        for line in path.read_text(errors="replace").splitlines():
            key, _, value = line.strip().partition(_KEY)
            if not key and value.strip():
                return value.strip().strip("\"'").removeprefix("./")
    raise BadImage(f"it has neither {SCRIPT} nor a {MANIFEST} with {_KEY}")
