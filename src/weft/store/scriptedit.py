"""Mending scripts: their line ends and the permission to execute them. No shell and no other program takes part."""

from __future__ import annotations

import re
from pathlib import Path

from weft.store.folder import disk_problem
from weft.store.studyedit import put_in_place

_ENDS = re.compile(rb"\r+(\n|\Z)")


def end_lines(file: Path) -> None:
    """End the lines of a script as a shell wants them; a link to it stays a link, and its mode stays.

    Raises:
        FolderError: it cannot be read or written: nothing has changed.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise disk_problem(error, file) from error
    put_in_place(file, _ENDS.sub(rb"\1", data))


def make_executable(file: Path) -> None:
    """Let everyone execute a file who may read it.

    Raises:
        FolderError: its mode cannot be changed.
    """
    try:
        mode = file.stat().st_mode & 0o7777
        file.chmod(mode | (mode & 0o444) >> 2)
    except OSError as error:
        raise disk_problem(error, file) from error
