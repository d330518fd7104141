"""Everything about paths: what a path on a system is on this machine, and that nothing ever leaves the system's root.

A path is treated in two steps. ``clean`` looks at its text only: slashes doubled and dots are dropped, ``..``, control
characters and names no file system takes are refused. What is found below a folder may have control characters in its
name, since jobs leave what they like; such names are none to ask for, but go along with their folder. ``Tree`` then
walks the rest from an open descriptor of the root, one component after the other, each opened relative to the one
before it and never through a symbolic link. A link that is met is read and its target walked in the same way: one that
stays below the root is followed, one that leads above it is refused, and so is an absolute one unless it begins with
the root itself. What is done in the end (open, make, rename, remove) is done relative to the last descriptor and
without following a link. So whatever is swapped into the tree meanwhile, a path never leads out of it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from weft.service.answers import Problem
from weft.service.systems.hosts import Host

if TYPE_CHECKING:
    from weft.service.server import Service

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_NAME = 255
LONGEST_PATH = 4096
MOST_LINKS = 40

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# To pass through a folder takes the right to search it, not to list it.
_PASSAGE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Allowing = Callable[[str, bool], bool]
"""May this place be used, or (True) at least be passed through? It is told by its own path, free of links."""

_STATUSES = {
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.EROFS: 403,
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.EFBIG: 507,
}


class Rooted(Protocol):
    """What is asked of a system's definition here."""

    @property
    def host(self) -> str: ...
    @property
    def root_dir(self) -> str | None: ...


def clean(path: str) -> str:
    """The path as ``a/b/c``, relative to the root; empty for the root itself.

    Raises:
        Problem: 400 for ``..``, control characters, text that is no file name, or names too long.
    """
    if _CONTROL.search(path):
        raise Problem(400, f"FILES_PATH_INVALID A path must not contain control characters: {_shown(path)}")
    return tidy(path)


def tidy(path: str) -> str:
    """As ``clean``, for a path that was found below one that is clean: control characters may be in it."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Problem(400, f"FILES_PATH_INVALID A path must not contain '..': {_shown(path)}")
    if "\0" in path:
        raise Problem(400, f"FILES_PATH_INVALID A path must not contain control characters: {_shown(path)}")
    try:
        sizes = [len(os.fsencode(part)) for part in parts]
    except UnicodeEncodeError:
        raise Problem(400, "FILES_PATH_INVALID A path must be valid Unicode text") from None
    if max(sizes, default=0) > LONGEST_NAME or sum(sizes) + len(sizes) > LONGEST_PATH:
        raise Problem(
            400,
            f"FILES_PATH_INVALID Names may have {LONGEST_NAME} bytes, paths {LONGEST_PATH}: {_shown(path)}",
        )
    return "/".join(parts)


def covers(above: str, path: str) -> bool:
    """Is the path this one or below it? Both are clean."""
    return not above or path == above or path.startswith(f"{above}/")


def _shown(path: str) -> str:
    return ascii(path[:80])


def refusal(error: OSError, path: str) -> Problem:
    """What the file system said, as an answer: 404, 403, 507 for a full disk, 400 for all else."""
    status = _STATUSES.get(error.errno or 0, 400)
    if status == 507:
        return Problem(507, f"TAPIS_NO_SPACE No space left to write: {path or '/'}")
    if status == 404:
        return Problem(404, f"FILES_PATH_NOT_FOUND Path not found: {path or '/'}")
    return Problem(status, f"FILES_PATH_REFUSED {error.strerror or error}: {path or '/'}")


def _leads_out(path: str) -> Problem:
    return Problem(
        403, f"FILES_PATH_LEADS_OUT A symbolic link leads out of the system's root directory: {path}"
    )


class Spot:
    """A place in a tree: an open folder and a name in it; ``.`` when the folder is the place itself.

    ``path`` is the place's own path below the root, free of links. ``missing`` tells that there is nothing yet, and
    ``beyond`` how many of the path's folders are missing, too. Use as a context manager.
    """

    def __init__(self, folder: int, name: str, path: str, missing: bool, beyond: int) -> None:
        self.folder = folder
        self.name = name
        self.path = path
        self.missing = missing
        self.beyond = beyond

    def __enter__(self) -> Spot:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.folder)

    def stat(self) -> os.stat_result:
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def open(self, flags: int, mode: int = 0o666) -> int:
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.folder)


class Tree:
    """A folder and all that is below it; paths are relative to it and come through ``tidy``.

    ``within`` is a part of it that links must not leave, for those who may see only that part. ``allows`` refuses
    single places to those who share the tree with others, by whatever path they are reached.
    """

    def __init__(self, root: Path, within: str = "", allows: Allowing | None = None) -> None:
        self.root = root
        self.within = within
        self.allows = allows

    @contextmanager
    def spot(self, path: str, *, follow: bool = True) -> Iterator[Spot]:
        """The place of this path, there or not; ``follow`` also a link at its end.

        Raises:
            Problem: The path leads out (403), in circles (400), or through what is no folder (404). What the body of
                the ``with`` meets at the file system (OSError) becomes a Problem, too.
        """
        with self._spot(path, follow) as place:
            yield place

    @contextmanager
    def _spot(self, path: str, follow: bool, passing: bool = False) -> Iterator[Spot]:
        path = tidy(path)
        try:
            walk = _Walk(self.root, path, self.allows)
            with walk.go(follow) as place:
                if walk.links and not covers(self.within, place.path):
                    raise Problem(
                        403, f"FILES_NOT_AUTHORIZED A symbolic link leads to what is not shared: {path}"
                    )
                walk.check(place.path, passing)
                yield place
        except OSError as error:
            raise refusal(error, path) from error

    def real(self, path: str, *, follow: bool = True) -> Path:
        """The path on this machine, free of links below the root; it need not exist."""
        with self.spot(path, follow=follow) as place:
            return Path(os.path.realpath(self.root), place.path)

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result:
        """Facts about what is there; Problem 404 when nothing is."""
        with self.spot(path, follow=follow) as place:
            return place.stat()

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """An open descriptor of a folder, for listing and for names relative to it."""
        with self.spot(path) as place:
            opened = place.open(FOLDER)
            try:
                yield opened
            finally:
                os.close(opened)

    def reading(self, path: str) -> tuple[int, os.stat_result]:
        """A regular file, open for reading, and its facts; the caller closes it.

        Raises:
            Problem: Nothing there (404), or no regular file (400).
        """
        with self.spot(path) as place:
            opened = place.open(os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would wait for ever
            facts = os.fstat(opened)
            if stat.S_ISREG(facts.st_mode):
                return opened, facts
            os.close(opened)
        raise Problem(400, f"FILES_NOT_A_FILE This is no regular file: {path or '/'}")

    def make(self, path: str, mode: int = 0o777) -> None:
        """Make a folder and those above it; one that is there is fine."""
        self.make_above(path, mode)
        self._make(tidy(path), mode)

    def make_above(self, path: str, mode: int = 0o777, *, follow: bool = True) -> None:
        """Make the folders above a path, unless the path itself must not be used."""
        if self._has_folder(path, follow):
            return
        above = tidy(path).split("/")[:-1]
        for depth in range(1, len(above) + 1):
            self._make("/".join(above[:depth]), mode, passing=True)

    def _make(self, path: str, mode: int, passing: bool = False) -> None:
        with self._spot(path, True, passing) as place:
            if place.missing:
                _make(place, mode)
            elif not stat.S_ISDIR(place.stat().st_mode):
                raise Problem(400, f"FILES_NOT_A_FOLDER There is a file at: {path}")

    @contextmanager
    def target(self, path: str) -> Iterator[Spot]:
        """The place to write something to: the folders above it are made, a link at its end is followed."""
        self.make_above(path)
        with self.spot(path) as place:
            yield place

    def _has_folder(self, path: str, follow: bool) -> bool:
        """Is there a folder that this path would lie in?"""
        try:
            with self.spot(path, follow=follow) as place:
                return not place.beyond
        except Problem as problem:
            if problem.status == 404:
                return False
            raise


def _make(place: Spot, mode: int) -> None:
    try:
        os.mkdir(place.name, mode, dir_fd=place.folder)
    except FileExistsError:
        if not stat.S_ISDIR(place.stat().st_mode):
            raise


class _Walk:
    """One walk along a path: what is done, what is still to do, and the folder it has come to."""

    def __init__(self, root: Path, path: str, allows: Allowing | None) -> None:
        self.root = root
        self.path = path
        self.allows = allows
        self.done: list[str] = []
        self.todo = path.split("/")[::-1] if path else []
        self.links = 0
        self.at = os.open(root, _PASSAGE & ~os.O_NOFOLLOW)

    def go(self, follow: bool) -> Spot:
        try:
            return self._go(follow)
        except BaseException:
            os.close(self.at)
            raise

    def check(self, place: str, passing: bool) -> None:
        if self.allows is not None and not self.allows(place, passing):
            raise Problem(403, f"FILES_NOT_AUTHORIZED Permission is missing. Path: {self.path or '/'}")

    def _go(self, follow: bool) -> Spot:
        while self.todo:
            name = self.todo.pop()
            if name == "..":
                self._up()
                continue
            try:
                mode = os.stat(name, dir_fd=self.at, follow_symlinks=False).st_mode
            except FileNotFoundError:
                return self._nothing(name)
            if stat.S_ISLNK(mode) and (self.todo or follow):
                self._through(name)
            elif self.todo:
                self._down(name)
            else:
                return Spot(self.at, name, "/".join([*self.done, name]), missing=False, beyond=0)
        return Spot(self.at, ".", "/".join(self.done), missing=False, beyond=0)

    def _down(self, name: str) -> None:
        self._move_to(os.open(name, _PASSAGE, dir_fd=self.at))
        self.done.append(name)

    def _move_to(self, descriptor: int) -> None:
        os.close(self.at)
        self.at = descriptor

    def _up(self) -> None:
        """To the folder above, by walking down to it again: ``..`` of one that was moved away may be anything."""
        if not self.done:
            if self.root == Path("/"):  # where `..` is the root itself
                return
            raise _leads_out(self.path)
        self.check("/".join(self.done), passing=True)
        again = self.done[:-1]
        self._to_root()
        for name in again:
            self._down(name)

    def _to_root(self) -> None:
        self._move_to(os.open(self.root, _PASSAGE & ~os.O_NOFOLLOW))
        self.done = []

    def _through(self, name: str) -> None:
        """Put the target of a link in its place."""
        self.check("/".join([*self.done, name]), passing=True)
        self.links += 1
        if self.links > MOST_LINKS:
            raise Problem(400, f"FILES_PATH_INVALID Symbolic links lead in circles: {self.path}")
        try:
            target = os.readlink(name, dir_fd=self.at)
        except OSError as error:
            if error.errno == errno.EINVAL:  # a link no more: look again
                self.todo.append(name)
                return
            raise
        parts = [part for part in target.split("/") if part not in ("", ".")]
        if target.startswith("/"):
            parts = self._below_root(parts)
            self._to_root()
        self.todo.extend(reversed(parts))

    def _below_root(self, parts: Sequence[str]) -> list[str]:
        for root in (self.root, Path(os.path.realpath(self.root))):
            above = root.parts[1:]
            if tuple(parts[: len(above)]) == above:
                return list(parts[len(above) :])
        raise _leads_out(self.path)

    def _nothing(self, name: str) -> Spot:
        """A place where nothing is; folders above it may be missing, too."""
        rest = [name, *reversed(self.todo)]
        if ".." in rest:  # only in the target of a link
            raise Problem(404, f"FILES_PATH_NOT_FOUND Path not found: {self.path}")
        return Spot(self.at, name, "/".join([*self.done, *rest]), missing=True, beyond=len(self.todo))


class Places:
    """Where the files of systems are on this machine."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def tree(self, system: Rooted) -> Tree:
        """The files of a system; its root directory is made when it is first needed."""
        return Tree(self.root(system))

    def root(self, system: Rooted) -> Path:
        """The system's root directory on this machine, made when it is first needed."""
        try:
            host = Tree(Host.of(system.host, self._service.folder).folder())
        except ValueError as error:
            raise Problem(400, f"FILES_HOST_INVALID {error}") from error
        below = clean(system.root_dir or "/")
        if host.root != Path("/"):
            host.root.mkdir(parents=True, exist_ok=True)
            host.make(below)
            return host.real(below)
        root = Path("/", below)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, str(root)) from error
        return root

    def real(self, system: Rooted, path: str) -> Path:
        """A path on a system as a path on this machine, confined to the system's root; it need not exist."""
        return self.tree(system).real(path)
