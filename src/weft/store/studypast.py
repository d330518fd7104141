"""What earlier cases of a study took and left: by its journal and its newest outputs, else by the user's history.

A run waits for it, so only the newest part of a long journal is read.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

from weft.core.checks.base import Past
from weft.core.events import CaseEnded, decode
from weft.errors import WeftError
from weft.model import Outcome, Study
from weft.store.folder import StudyFolder

JOURNAL_BYTES = 4_000_000
"""Of the journal's end that are read."""


def past_of(study: Study, folder: StudyFolder) -> Past:
    """What the newest cases of the study took and left."""
    ended = [case for case in _ended(folder.journal) if case.outcome is Outcome.FINISHED and not case.carried]
    if not ended:
        return Past()
    walls = sorted(case.wall for case in ended)
    printed = [case.printed or 0 for case in ended]
    kept, each = _left(folder)
    return Past(
        cases=len(ended),
        wall_s=median(walls),
        wall_p95_s=walls[min(len(walls) - 1, int(0.95 * len(walls)))],
        memory_bytes=max(case.memory for case in ended),
        files=int(median(case.files for case in ended)),
        kept=sum(case.kept for case in ended) if kept is None else kept,
        output_bytes=each,
        long_logs=sum(size > study.output.log_bytes for size in printed),
        printed_bytes=max(printed),
    )


def past_in_history(study: Study) -> Past:
    """What cases of earlier jobs took, by the user's history of studies of this name at this backend."""
    from weft.store.history import WHEN_FORETELLING, History

    with contextlib.suppress(WeftError), History(patience=WHEN_FORETELLING, mends=False) as history:
        if not history.knows(study=study.name, backend=study.backend):
            return Past()
        import polars as pl

        finished = pl.col("recorded") - pl.col("failed_cases").fill_null(0)
        jobs = history.jobs().filter(
            (pl.col("study") == study.name) & (pl.col("backend") == study.backend) & (finished > 0)
        )
        if jobs.is_empty():
            return Past()
        each = pl.col("case_s") / pl.col("recorded")
        wall, longest, memory, cases, kept = jobs.select(
            each.median(),
            pl.col("longest_case_s").quantile(0.95),
            pl.col("peak_memory_bytes").max(),
            finished.sum(),
            pl.col("files_kept").sum(),
        ).row(0)
        return Past(
            cases=cases,
            wall_s=wall or 0.0,
            wall_p95_s=longest or 0.0,
            memory_bytes=memory or 0,
            kept=kept or 0,
        )
    return Past()


def _ended(journal: Path) -> Iterator[CaseEnded]:
    """Ends of cases in the last part of the journal."""
    try:
        with journal.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - JOURNAL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in lines[:-1]:
        if line.startswith(b'{"event":"CaseEnded"'):
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                event = decode(line)
                if isinstance(event, CaseEnded):
                    yield event


def _left(folder: StudyFolder) -> tuple[int | None, float]:
    """Of the newest output ZIP: files besides logs, and its bytes for each case."""
    for job in sorted(_names(folder.jobs), reverse=True)[:3]:
        for path in folder.zips(job)[:1]:
            with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
                entries = [name.partition("/") for name in archive.namelist()]
                kept = sum(name not in ("stdout.txt", "stderr.txt") for _, _, name in entries)
                cases = {case for case, _, _ in entries}
                return kept, path.stat().st_size / len(cases) if cases else 0.0
    return None, 0.0


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
