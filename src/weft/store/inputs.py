"""The files that a study names: which they are, whether they may be used, and what is in them.

Paths are relative to the study's folder, with forward slashes, and stay inside it: what a job gets must be in
the folder that is shared or archived as the study. Only ``shared`` may lie elsewhere, since it is large.
Contents are known by their SHA-256; a cache remembers it by path, size, time and inode, so that a large file
is read once.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import posixpath
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from weft.core.nearest import did_you_mean
from weft.core.revision import parameter_files
from weft.errors import StudyFileError, WeftError
from weft.model import Study

SKIPPED = frozenset({".weft", ".git", "__pycache__"})
"""Folders that never belong to a study's inputs."""

MOST_FILES = 10_000
MOST_BYTES = 1_000_000_000
"""What inputs may come to: they are packed into every bundle."""

SETTLED_NS = 2_000_000_000
"""A file changed more recently than this may change again without its time showing it."""

_CHUNK = 1 << 20
_CACHE_VERSION = 1


class Folder:
    """The study's folder, asked for files."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.real = self.root.resolve()

    def inputs(self, pattern: str) -> list[str]:
        """Return the files that an entry of ``inputs`` stands for; of a folder, all files below.

        Raises:
            WeftError: there are none, they lie outside, or they are too many.
        """
        files: list[str] = []
        for path in self._matches(pattern):
            self._check_inside(path)
            if (self.root / path).is_dir():
                files += self._below(path, MOST_FILES - len(files))
            else:
                self._check_file(path)
                files.append(path)
        if not files:
            raise WeftError(f"there is no file in `{pattern}`", hint="put one there, or remove the entry")
        return files

    def files(self, pattern: str, shared: tuple[str, ...] = ()) -> list[str]:
        """Return the files that match, in natural order (a2 before a10); what is shared may lie elsewhere.

        Raises:
            WeftError: there are none, or they lie outside.
        """
        files = []
        for path in self._matches(pattern):
            if (self.root / path).is_dir():
                continue
            if not any(path == entry or path.startswith(f"{entry}/") for entry in shared):
                self._check_inside(path)
            self._check_file(path)
            files.append(path)
        if not files:
            raise WeftError(f"no file matches `{pattern}`", hint="a folder's files are matched by folder/*")
        return sorted(files, key=natural)

    def shared(self, pattern: str) -> list[str]:
        """Return the files and folders that an entry of ``shared`` stands for; absolute ones may lie anywhere.

        A ``~`` at its beginning is the user's home.

        Raises:
            WeftError: there are none.
        """
        pattern = posixpath.expanduser(pattern)
        if pattern.startswith("/"):
            path = posixpath.normpath(pattern)
            if not Path(path).exists():
                raise WeftError(f"there is no `{pattern}`", hint="check the path on this machine")
            _check_name(path)
            return [path]
        return self._matches(pattern)

    def _matches(self, pattern: str) -> list[str]:
        path = local_path(pattern)
        if (self.root / path).exists():
            return [path]
        if not glob.has_magic(path):
            raise self._missing(path)
        try:
            found = glob.glob(path, root_dir=self.root, recursive=True)  # noqa: PTH207 - paths stay relative
        except (re.error, ValueError, OSError, RecursionError) as problem:
            raise WeftError(f"`{pattern}` is not a pattern: {problem}", hint="use * and ?") from None
        found = [name for name in found if not SKIPPED.intersection(name.split("/"))]
        if not found:
            raise WeftError(
                f"no file matches `{pattern}`", hint="check the pattern; ** also looks in folders below"
            )
        for name in found:
            _check_name(name)
        return sorted({posixpath.normpath(name) for name in found})

    def _missing(self, path: str) -> WeftError:
        folder, name = posixpath.split(path)
        try:
            there = [entry.name for entry in os.scandir(self.root / folder)]
        except OSError:
            there = []
        hint = did_you_mean(name, [entry for entry in there if entry.isprintable()])
        return WeftError(f"there is no `{path}`", hint=hint or "paths start from the study's folder")

    def _check_inside(self, path: str) -> None:
        real = _real(self.root / path)
        if real != self.real and self.real not in real.parents:
            raise WeftError(
                f"`{path}` is a link that leaves the study's folder",
                hint="copy it into the folder, or list it (or its folder) in `shared`",
            )

    def _check_file(self, path: str) -> None:
        full = self.root / path
        if not full.is_file():
            raise WeftError(f"`{path}` is not a regular file", hint="only files can be given to a job")
        if not os.access(full, os.R_OK):
            raise WeftError(f"`{path}` cannot be read", hint=f"chmod -- +r {shlex.quote(str(full))}")

    def _below(self, folder: str, room: int) -> list[str]:
        """All files below a folder, links followed as long as they stay inside and run in no circle."""
        files: list[str] = []
        waiting: list[tuple[str, frozenset[Path]]] = [(folder, frozenset())]
        while waiting:
            here, above = waiting.pop()
            self._check_inside(here)
            real = _real(self.root / here)
            if real in above:
                raise WeftError(f"`{here}` is a link to a folder around itself", hint="remove the link")
            for name in self._names(here):
                path = posixpath.normpath(f"{here}/{name}")
                _check_name(path)
                if (self.root / path).is_dir():
                    waiting.append((path, above | {real}))
                else:
                    self._check_inside(path)
                    self._check_file(path)
                    files.append(path)
            if len(files) > room:
                raise too_large(f"`{folder}` holds more than {room:,} files")
        return sorted(files)

    def _names(self, folder: str) -> list[str]:
        try:
            return [entry.name for entry in os.scandir(self.root / folder) if entry.name not in SKIPPED]
        except OSError as problem:
            what = f"`{folder}` cannot be read: {problem.strerror}"
            raise WeftError(what, hint="check its permissions") from None


def _real(path: Path) -> Path:
    """Where a path leads; WeftError where links lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise WeftError(
            f"`{path.name}` is a link that leads in a circle", hint="remove it, or let it lead to a file"
        ) from error


def local_path(text: str) -> str:
    """Return a path inside the study's folder in its normal form: no ``.``, no slash at the end.

    Raises:
        WeftError: it is absolute, or leads out of the folder.
    """
    _check_name(text)
    if text.startswith(("/", "~")):
        raise WeftError(
            f"`{text}` is not inside the study's folder",
            hint="copy it there, or give it under `shared`, which may be an absolute path",
        )
    path = posixpath.normpath(text)
    if path == ".." or path.startswith("../"):
        raise WeftError(
            f"`{text}` leaves the study's folder", hint="move the study file up, or copy what it needs"
        )
    return path


def case_name(shared: str) -> str:
    """Return the path at which a shared entry appears in a case's directory."""
    return posixpath.basename(shared) if shared.startswith("/") or "://" in shared else shared


def too_large(what: str) -> WeftError:
    """Return the complaint about inputs that are too many or too large."""
    return WeftError(
        what, hint="list large or many files in `shared`: they are stored once, not in every bundle"
    )


def natural(text: str) -> list[tuple[str, int, str]]:
    """Return a key that sorts as people count: a2 before a10."""
    pieces = re.findall(r"([^0-9]*)([0-9]*)", text)
    return [(word, len(digits.lstrip("0")), digits.lstrip("0")) for word, digits in pieces]


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise WeftError(f"the file name {path!r} is not UTF-8", hint="rename the file") from None
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in path):
        raise WeftError(f"the file name {path!r} holds control characters", hint="rename the file")


# Contents


def digests(study: Study, cache_path: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """Return the SHA-256 of every file that the study names, by its path; files in a shared folder one by one.

    Raises:
        StudyFileError: a file is gone or cannot be read.
    """
    cache = _Cache(Path(cache_path) if cache_path is not None else None)
    found: dict[str, str] = {}
    problems: list[WeftError] = []
    for name, path in _named_files(study):
        try:
            found[name] = cache.digest(path)
        except OSError as problem:
            what = f"`{name}` cannot be read: {problem.strerror}"
            problems.append(
                WeftError(what, where=study.file or "Study(...)", hint="put it back, or remove it")
            )
    if problems:
        raise StudyFileError(problems)
    cache.save()
    return found


def template_texts(study: Study) -> dict[str, str]:
    """Return the text of every template, by its path; one that cannot be read as text is left out."""
    found = {}
    for name in study.model.templates:
        try:
            found[name] = (Path(study.folder) / name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
    return found


def _named_files(study: Study) -> Iterator[tuple[str, Path]]:
    folder = Path(study.folder)
    before = study.before.inputs if study.before is not None else ()
    names = {*study.model.inputs, *study.model.templates, *before, *parameter_files(study)}
    shared: dict[str, Path] = {}
    for entry in study.model.shared:
        if "://" in entry or (entry.startswith("/") and not (folder / entry).exists()):
            continue  # it lies where the study runs: its name is all that is known of it
        if (folder / entry).is_dir():
            shared.update(
                (f"{entry}/{below}", folder / entry / below) for below in _all_below(folder / entry)
            )
        else:
            shared[entry] = folder / entry
    yield from sorted({**{name: folder / name for name in names}, **shared}.items())


def _all_below(folder: Path) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            if (Path(here) / name).is_file():
                yield (Path(here) / name).relative_to(folder).as_posix()


class _Cache:
    """Digests that need not be computed again; losing it costs time, nothing else."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.old = _load(path)
        self.new: dict[str, list[object]] = {}

    def digest(self, path: Path) -> str:
        before = path.stat()
        key = str(path)
        stamp: list[object] = [before.st_size, before.st_mtime_ns, before.st_ino]
        known = self.old.get(key)
        if isinstance(known, list) and known[:3] == stamp and len(known) == 4:
            self.new[key] = known
            return str(known[3])
        started = time.time_ns()
        digest = _sha256(path)
        if started - before.st_mtime_ns > SETTLED_NS:
            self.new[key] = [*stamp, digest]
        return digest

    def save(self) -> None:
        if self.path is None or self.new == self.old:
            return
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            aside.write_text(json.dumps({"version": _CACHE_VERSION, "files": self.new}), encoding="utf-8")
            aside.replace(self.path)
        except OSError:
            aside.unlink(missing_ok=True)


def _load(path: Path | None) -> Mapping[str, object]:
    if path is None:
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    right = isinstance(data, dict) and data.get("version") == _CACHE_VERSION
    files = data.get("files") if right else None
    return files if isinstance(files, dict) else {}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
