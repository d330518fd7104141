"""Starting weft again, as a process of its own: from wherever the user stands, and without a terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import weft
from weft.errors import Exit, StudyLocked, WeftError
from weft.store.folder import StudyFolder
from weft.store.lease import held_by

_MAIN = (
    "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv.pop(1)]; "
    "from weft.__main__ import main; main()"
)
"""``python -m weft`` would import a ``click.py`` that lies where the user stands; so this leaves that folder out."""


def argv(*words: str) -> list[str]:
    """The command line that is ``weft`` with these words, by the same Python and the same weft as this process."""
    return [sys.executable, "-c", _MAIN, str(Path(weft.__file__).parents[1]), *words]


def detached(folder: StudyFolder, arguments: Sequence[str]) -> int:
    """Start ``weft run`` in a session of its own; returns its process id once it holds the lease, or has ended.

    Raises:
        StudyLocked: another process runs the study.
        WeftError: it ended at once with a problem, which its last words tell.
    """
    holder = held_by(folder.lease)
    if holder is not None:
        raise StudyLocked(
            f"the study is being run by process {holder.pid} on {holder.host}",
            where=str(folder.root),
            hint="`weft status` shows how it stands; `weft cancel` stops it",
        )
    folder.make()
    with folder.log.open("wb") as log:
        child = subprocess.Popen(
            argv("run", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # However slow the machine: it holds the lease at last, or it ends.
    while child.poll() is None and held_by(folder.lease) is None:
        time.sleep(0.05)
    if child.poll() not in (None, Exit.DONE, Exit.FAILED_CASES):
        words = folder.log.read_text(errors="replace").strip().removeprefix("error: ")
        problem = WeftError(words or "the run ended at once, without a word")
        problem.exit_code = child.returncode
        raise problem
    child.returncode = child.returncode or 0  # it goes on without us: nobody is to wait for it
    return child.pid
