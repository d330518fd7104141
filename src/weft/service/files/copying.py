"""Changing what is there: writing whole files, copying, moving, removing.

A file is never seen half-written: it is written without a name (or, where the file system cannot do that, beside its
place) and takes its place at once. Contents are copied by the fastest means there is: as a clone that shares its
blocks, within the kernel, or through memory.

Source: ``ioctl_ficlone(2)``, ``copy_file_range(2)``, ``open(2)`` about O_TMPFILE.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from weft.service.answers import Problem
from weft.service.files.walking import Found, join, walk
from weft.service.places import FOLDER, Spot, Tree, clean, refusal, tidy

_FICLONE = 0x40049409
_CHUNK = 2**20
_KERNEL_CHUNK = 2**25
_NO_SUCH_MEANS = {
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ETXTBSY, errno.EBADF, errno.EPERM, errno.ENOTTY,
    errno.EISDIR,
}  # fmt: skip

Check = Callable[[int], None]
"""Told after each piece how many bytes were written; stops the copying by raising."""


class NewFile:
    """A file that is being written; it appears when it is kept. Use as a context manager.

    The folders above it are made; what is at its place is replaced, unless that is a folder.
    """

    def __init__(self, tree: Tree, path: str, mode: int = 0o666) -> None:
        self.path = tidy(path)
        self._mode = mode
        self._temporary = f".{secrets.token_hex(8)}.part"
        self._named = False
        self._stack = ExitStack()
        self._place = self._stack.enter_context(tree.target(self.path))
        try:
            self.descriptor = self._open()
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(os.close, self.descriptor)

    def _open(self) -> int:
        _refuse_folder(self._place, self.path)
        try:
            return os.open(".", os.O_TMPFILE | os.O_RDWR, self._mode, dir_fd=self._place.folder)
        except (OSError, AttributeError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_SUCH_MEANS | {errno.ENOENT}:
                raise refusal(error, self.path) from error
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            opened = os.open(self._temporary, flags, self._mode, dir_fd=self._place.folder)
        except OSError as error:
            raise refusal(error, self.path) from error
        self._named = True
        return opened

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it; Problem when the disk is full."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError as error:
            raise refusal(error, self.path) from error

    def keep(self) -> None:
        """Let it take its place."""
        folder = self._place.folder
        try:
            if not self._named:
                os.link(
                    f"/proc/self/fd/{self.descriptor}",
                    self._temporary,
                    dst_dir_fd=folder,
                    follow_symlinks=True,
                )
                self._named = True
            os.replace(self._temporary, self._place.name, src_dir_fd=folder, dst_dir_fd=folder)
            self._named = False
        except OSError as error:
            raise refusal(error, self.path) from error

    def close(self) -> None:
        """Be done with it; what was not kept is gone."""
        with self._stack:
            if self._named:
                self._named = False
                os.unlink(self._temporary, dir_fd=self._place.folder)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, OSError):
            raise refusal(error, self.path) from error


def _refuse_folder(place: Spot, path: str) -> None:
    if place.name == "." or (not place.missing and stat.S_ISDIR(place.stat().st_mode)):
        raise Problem(400, f"FILES_IS_A_FOLDER There is a directory at: {path or '/'}")


def copy_contents(source: int, target: int, check: Check = lambda size: None) -> int:
    """Copy one open file into another, empty one; returns the number of bytes."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _NO_SUCH_MEANS:
            raise
    else:
        size = os.fstat(target).st_size
        check(size)
        return size
    return _copy_within_kernel(source, target, check)


def _copy_within_kernel(source: int, target: int, check: Check) -> int:
    size = 0
    try:
        while moved := os.copy_file_range(source, target, _KERNEL_CHUNK):
            size += moved
            check(moved)
    except OSError as error:
        if error.errno not in _NO_SUCH_MEANS:
            raise
    while data := os.read(source, _CHUNK):  # files that tell no size, and file systems that know no other way
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(target, rest) :]
        size += len(data)
        check(len(data))
    return size


def copy_file(source: Tree, path: str, target: Tree, to: str, check: Check = lambda size: None) -> int:
    """Copy a regular file from one tree to another; returns its bytes."""
    opened, facts = source.reading(path)
    try:
        with NewFile(target, to, stat.S_IMODE(facts.st_mode) & 0o777) as new:
            size = copy_contents(opened, new.descriptor, check)
            new.keep()
            return size
    finally:
        os.close(opened)


def copy_link(source: Tree, path: str, target: Tree, to: str) -> None:
    """Make the same link in another tree, wherever it leads."""
    with source.spot(path, follow=False) as place:
        leads_to = os.readlink(place.name, dir_fd=place.folder)
    temporary = f".{secrets.token_hex(8)}.part"
    target.make_above(to, follow=False)
    with target.spot(to, follow=False) as place:
        _refuse_folder(place, to)
        os.symlink(leads_to, temporary, dir_fd=place.folder)
        os.replace(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)


def copy(source: Tree, path: str, target: Tree, to: str) -> str:
    """Copy as ``cp -r`` does: into the target if that is a folder, links as links. Returns where it is now.

    Source and target are the same tree, perhaps with different parts to keep within; likewise for ``move``.
    """
    path, to, found = _checked(source, path, target, to)
    _copy_one(source, found, target, to)
    if found.is_folder:
        for each in walk(source, path):
            _copy_one(source, each, target, to + each.path[len(path) :])
    return to


def _copy_one(source: Tree, found: Found, target: Tree, to: str) -> None:
    """Copy a file, a link, or a folder without what is in it; pipes, sockets and devices are passed over."""
    if found.is_folder:
        target.make(to)
    elif found.is_link:
        copy_link(source, found.path, target, to)
    elif found.is_file:
        copy_file(source, found.path, target, to)


def move(source: Tree, path: str, target: Tree, to: str) -> str:
    """Move as ``mv`` does: into the target if that is a folder, replacing a file. Returns where it is now."""
    path, to, _ = _checked(source, path, target, to)
    target.make_above(to, follow=False)
    with source.spot(path, follow=False) as old, target.spot(to, follow=False) as new:
        try:
            os.rename(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder)
            return to
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    copy(source, path, target, to)
    remove(source, path)
    return to


def _checked(source: Tree, path: str, target: Tree, to: str) -> tuple[str, str, Found]:
    """Source and target paths, cleaned, the latter with the name it gets in a folder; and what the source is."""
    path, to = clean(path), clean(to)
    if not path:
        raise Problem(400, "FILES_ROOT_REFUSED The root directory of a system cannot be moved or copied")
    found = Found(path, source.stat(path, follow=False))
    with target.spot(to) as place:
        if not place.missing and stat.S_ISDIR(place.stat().st_mode):
            to = join(to, path.rpartition("/")[2])
        elif not place.missing and found.is_folder:
            raise Problem(400, f"FILES_NOT_A_FOLDER There is a file at: {to}")
    old, new = source.real(path, follow=False), target.real(to, follow=False)
    if old == new or (found.is_folder and new.is_relative_to(old)):
        raise Problem(
            400, f"FILES_SRC_DST_SAME A path cannot be moved or copied to itself or into itself: {path}"
        )
    if old.is_relative_to(new):
        raise Problem(400, f"FILES_IS_A_FOLDER There is a directory at: {to}")
    return path, to, found


def remove(tree: Tree, path: str) -> None:
    """Remove a file, a link (never what it leads to), or a folder with all that is in it.

    Raises:
        Problem: Nothing there (404), the root itself (400), or no right to.
    """
    path = clean(path)
    if not path:
        raise Problem(400, "FILES_ROOT_REFUSED The root directory of a system cannot be deleted")
    with tree.spot(path, follow=False) as place:
        if not stat.S_ISDIR(place.stat().st_mode):
            os.unlink(place.name, dir_fd=place.folder)
            return
        top = place.open(FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(place.name, dir_fd=place.folder)


def _empty(top: int) -> None:
    """Remove all that is in an open folder: files on the way down, folders on the way up."""
    todo: list[list[str]] = [[]]
    folders: list[list[str]] = []
    while todo:
        parts = todo.pop()
        folders.append(parts)
        opened = _below(top, parts)
        try:
            for entry in list(os.scandir(opened)):
                if entry.is_dir(follow_symlinks=False):
                    todo.append([*parts, entry.name])
                else:
                    os.unlink(entry.name, dir_fd=opened)
        finally:
            os.close(opened)
    for *above, name in reversed(folders[1:]):
        opened = _below(top, above)
        try:
            os.rmdir(name, dir_fd=opened)
        finally:
            os.close(opened)


def _below(top: int, parts: list[str]) -> int:
    """A folder below an open one, opened without following links."""
    opened = os.open(".", FOLDER, dir_fd=top)
    for name in parts:
        try:
            deeper = os.open(name, FOLDER, dir_fd=opened)
        finally:
            os.close(opened)
        opened = deeper
    return opened
