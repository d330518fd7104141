"""The journal: every fact about a study, one JSON line each, only ever appended.

Lines are appended whole, one ``write`` per batch. A kill or a full disk can tear the last line only; readers stop
before it, and the next writer cuts it off: a fact that was not written whole was never acted on. Anything else that
is not an event is damage, and is told with its line.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from weft.core.events import FORMAT, AnyEvent, Opened, decode, encode
from weft.core.state import IllegalEvent, State
from weft.errors import FolderError
from weft.store.folder import disk_problem

_BUFFER = 1 << 20
_NEWLINE = ord("\n")
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError)


class Journal:
    """The one writer's end of the journal."""

    def __init__(self, path: Path) -> None:
        """Open for appending, creating the file if need be, and cut off a torn last line."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self.size = _whole_lines(self._fd)
            os.ftruncate(self._fd, self.size)
        except OSError as error:
            raise disk_problem(error, path) from error

    def append(self, events: Sequence[AnyEvent], *, sync: bool = False) -> None:
        """Append these facts as whole lines, or none of them; ``sync`` waits until the disk has them."""
        data = encode(list(events))
        try:
            written = os.write(self._fd, data)
            if written == len(data) and sync:
                os.fsync(self._fd)
        except OSError as error:
            self._undo(0)
            raise disk_problem(error, self.path) from error
        if written != len(data):
            self._undo(written)
            raise disk_problem(OSError(28, "short write"), self.path)
        self.size += written

    def _undo(self, written: int) -> None:
        """Take back a torn line, if the end of the file is still ours."""
        with contextlib.suppress(OSError):
            if os.fstat(self._fd).st_size == self.size + written:
                os.ftruncate(self._fd, self.size)

    def close(self) -> None:
        os.close(self._fd)


def _whole_lines(fd: int) -> int:
    """Bytes up to and with the last newline."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - 65536)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def read(path: Path) -> Iterator[AnyEvent]:
    """Every fact in the journal, in order; a torn last line is left out.

    Raises FolderError naming the line for one that is damaged, or the version for a journal of a newer weft.
    """
    number = 0
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            for line in file:
                if line[-1] != _NEWLINE:
                    return
                number += 1
                if number == 1:
                    refuse_newer(line, path)
                yield decode(line)
    except _NO_JSON as error:
        raise _damaged(path, number, str(error)) from error
    except OSError as error:
        raise disk_problem(error, path) from error


def replay(path: Path) -> State:
    """The state that follows from the journal; that of an empty journal if there is none.

    Costs two to three times what decoding the lines does. Raises FolderError as ``read`` does, and for a fact that
    cannot follow those before it.
    """
    state = State()
    if not path.exists():
        return state
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage: collections would only walk the growing state again and again
    try:
        state.apply_all(read(path))
    except IllegalEvent as error:
        raise _illegal(path, error) from error
    finally:
        if collecting:
            gc.enable()
    return state


def _illegal(path: Path, error: IllegalEvent) -> FolderError:
    """The complaint about the fact that was refused; its line is found by replaying once more."""
    state = State()
    for number, event in enumerate(read(path), 1):
        try:
            state.apply(event)
        except IllegalEvent:
            return _damaged(path, number, str(error))
    raise error  # it was refused a moment ago: the file has changed under our eyes


class _Head(msgspec.Struct):
    format: int = 0
    weft: str = "?"


def refuse_newer(line: bytes, path: Path | str) -> None:
    """Raises FolderError if this is the first line of a journal of a newer weft."""
    try:
        head = msgspec.json.decode(line, type=_Head)
    except _NO_JSON:
        return
    if head.format > FORMAT:
        raise FolderError(
            f"this study was written by a newer weft ({head.weft}, format {head.format}; this one reads {FORMAT})",
            where=str(path),
            hint="upgrade weft: `pip install --upgrade weft`",
        )


def _damaged(path: Path, number: int, why: str) -> FolderError:
    return FolderError(
        f"the journal is damaged: {why}",
        where=f"{path}:{number}",
        hint="keep a copy of the file, then delete that line; what the jobs recorded is read again from their folders",
    )


def opening(name: str, key: str, version: str, now: float) -> Opened:
    """The first fact of a new journal."""
    return Opened(at=now, format=FORMAT, name=name, key=key, weft=version)
