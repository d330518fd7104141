"""Everything about archiving: what of a job's outputs is transferred, and where to.

The whole output folder goes as one piece, unless filters ask for a choice; then each file chosen is a piece of its
own. The launch files go along when they are wanted and are not among the outputs anyway. Where the archive is the
output folder itself, nothing has to be moved but them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from weft.service.files.transfers import Element
from weft.service.jobs.execution import scripts
from weft.service.jobs.execution.filters import kept
from weft.service.jobs.model import Job


def elements(job: Job, output: Path) -> list[Element]:
    """What is to be transferred; ``output`` is the output folder on this machine.

    Raises:
        BadFilter: An archive filter means nothing, or takes too long.
    """
    wanted = job.parameter_set.archive_filter
    chosen = bool(wanted.includes or wanted.excludes)
    in_place = (job.archive_system_id, job.archive_system_dir) == (
        job.exec_system_id,
        job.exec_system_output_dir,
    )
    found: list[Element] = []
    if not in_place and chosen:
        paths = kept(sorted(files(output)), wanted.includes, wanted.excludes)
        found = [_element(job, job.exec_system_output_dir, path) for path in paths]
    elif not in_place:
        found = [_element(job, job.exec_system_output_dir, "")]
    if wanted.include_launch_files and _apart(job, in_place, chosen):
        names = (scripts.SCRIPT, scripts.ENVIRONMENT)
        found += [_element(job, job.exec_system_exec_dir, name) for name in names]
    return list(dict.fromkeys(found))


def _apart(job: Job, in_place: bool, chosen: bool) -> bool:
    """Do the launch files have to be transferred by themselves?"""
    among_outputs = job.exec_system_exec_dir == job.exec_system_output_dir
    return not among_outputs or (chosen and not in_place)


def _element(job: Job, folder: str, path: str) -> Element:
    return Element(
        url(job.exec_system_id, f"{folder}/{path}".rstrip("/")),
        url(job.archive_system_id, f"{job.archive_system_dir}/{path}".rstrip("/")),
        source_shared_by=lent(job, "SAC_EXEC_SYSTEM_OUTPUT_DIR"),
        destination_shared_by=lent(job, "SAC_ARCHIVE_SYSTEM_DIR"),
    )


def lent(job: Job, what: str) -> str:
    """Who lends his rights to one of the job's folders: the one who shared the app, where the app chose it."""
    return job.shared_app_ctx if what in (job.shared_app_ctx_attribs or ()) else ""


def url(system_id: str, path: str) -> str:
    """The address of a path on a system."""
    return f"tapis://{system_id}/{path.lstrip('/')}"


def files(folder: Path) -> Iterator[str]:
    """The paths of all files below a folder, relative to it; links are not followed."""
    for above, _, names in os.walk(folder):
        relative = os.path.relpath(above, folder)
        for name in names:
            yield name if relative == "." else f"{relative}/{name}"


def size_of(folders: Collection[Path], enough: int) -> int:
    """The bytes of all files below these folders, each counted once; counting stops at ``enough``."""
    total = 0
    todo = [folder for folder in folders if not any(other in folder.parents for other in folders)]
    while todo and total <= enough:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
