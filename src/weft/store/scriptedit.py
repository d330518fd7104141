"""Mending scripts: their line ends and the permission to execute them. No shell and no other program takes part."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from weft.store.folder import disk_problem
from weft.store.studyedit import must_be_writable

_ENDS = re.compile(rb"\r+(\n|\Z)")


def end_lines(file: Path) -> None:
    """End the lines of a script as a shell wants them; a link to it stays a link, and its mode stays.

    Raises:
        FolderError: it cannot be written: nothing has changed.
    """
    must_be_writable(file)
    real = file.resolve()
    aside = real.with_name(f".weft-{os.getpid()}.aside")
    try:
        with aside.open("xb") as opened:
            opened.write(_ENDS.sub(rb"\1", real.read_bytes()))
            opened.flush()
            os.fsync(opened.fileno())
        shutil.copymode(real, aside)
        aside.replace(real)
    except FileExistsError as error:
        raise disk_problem(error, aside) from error
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise disk_problem(error, file) from error


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
