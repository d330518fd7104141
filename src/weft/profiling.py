"""From any source of facts to an analysis: a study's journal, jobs of a Tapis account, Slurm's accounts, files.

What is normal for the user is looked up in the history of ended jobs, and what is new is remembered there.
"""

from __future__ import annotations

import contextlib
import gc
import heapq
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from weft.core import events as ev
from weft.core.analysis import Analysis
from weft.core.critical import critical_path
from weft.core.events import AnyEvent
from weft.core.profile import Profile, profile_of
from weft.errors import WeftError
from weft.model import Study
from weft.store import journal
from weft.store.folder import StudyFolder, disk_problem

if TYPE_CHECKING:
    import polars as pl

    from weft.tapis.session import Session

_NO_FACT = (msgspec.DecodeError, UnicodeDecodeError)
LINES_TOLD = 5
"""So many lines of a file that could not be read are told of."""


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Nothing here is garbage: collections would only walk what grows, again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_without_collecting()
def of_study(study: Study, folder: StudyFolder, *, place: str = "") -> Analysis:
    """Where the time of a study went, by its journal; ``place`` is how commands name it, with a blank before it."""
    from weft.core.cost import actual
    from weft.store.results import build_table

    profile = profile_of(journal.read(folder.journal))
    found = _remembered(_analysis(study.name, profile, (), study, place))
    return msgspec.structs.replace(
        found,
        waited=critical_path(profile.jobs),
        actual=actual(journal.read(folder.journal), profile),
        cases=build_table(folder.journal, study),
        parameters={name: parameter.values for name, parameter in study.parameters.items()},
    )


@_without_collecting()
def of_tapis(session: Session, uuids: Iterable[str]) -> Analysis:
    """Where the time of these jobs of a Tapis account went; those that cannot be read are told of."""
    from weft.tapis import histories

    found, problems = histories.read_all(session, uuids)
    return _remembered(of_profile(histories.profile(found), [str(problem) for _, problem in problems]))


@_without_collecting()
def of_slurm(ids: Sequence[str], *, since: float | None = None) -> Analysis:
    """Where the time of these jobs went by the accounts of this machine's Slurm; none named: of all of the user's."""
    from weft.schedulers import accounting

    facts, notes = accounting.facts_of(accounting.ask(ids, since=since))
    return _remembered(of_profile(profile_of(facts), notes))


@_without_collecting()
def of_files(paths: Iterable[Path]) -> Analysis:
    """Where the time of the jobs in these files went: journals, histories as Tapis gives them, tables of sacct.

    They may be anybody's, and are not remembered.
    """
    problems: list[str] = []
    facts = heapq.merge(*(_facts(path, problems) for path in paths), key=lambda fact: fact.at)
    profile = profile_of(facts)
    return of_profile(profile, problems)


def of_profile(profile: Profile, problems: Sequence[str] = ()) -> Analysis:
    """The analysis of jobs that are of no study at hand."""
    apps = sorted({job.given.app for job in profile.jobs})
    count = len(profile.jobs)
    of = f" of {apps[0]}" if len(apps) == 1 and apps[0] else ""
    title = profile.name or f"{count:,} job{'' if count == 1 else 's'}{of}"
    return _analysis(title, profile, problems, None, "")


@_without_collecting()
def remember(folder: StudyFolder, known: int = 0) -> list[str]:
    """Put the ended jobs of a study into the user's history; returns a warning if that cannot be.

    Costs nothing where no job has ended since the journal had so many bytes.
    """
    if not _has_ended_jobs(folder.journal, known):
        return []
    from weft.core.jobtable import table
    from weft.store import history

    jobs = profile_of(journal.read(folder.journal)).jobs
    warning = history.remember(table(jobs))
    return [warning] if warning else []


def _has_ended_jobs(path: Path, known: int) -> bool:
    """Does the journal tell of one from this byte on?"""
    with path.open("rb") as file:
        file.seek(known)
        return any(b'"JobEnded"' in line for line in file)


def _analysis(
    title: str, profile: Profile, problems: Sequence[str], study: Study | None, place: str
) -> Analysis:
    from weft.core.findings.base import Scene
    from weft.core.findings.table import find
    from weft.core.jobtable import table
    from weft.core.normal import drifts, normal_of, outliers
    from weft.tapis.sites import queue_facts

    jobs = table(profile.jobs)
    known, warnings = _all_known(jobs)
    usual = normal_of(known)
    scene = Scene(jobs=jobs, normal=usual, queues=queue_facts(), study=study, place=place)
    return Analysis(
        title=title,
        made=time.time(),
        profile=profile,
        jobs=jobs,
        findings=find(scene),
        outliers=outliers(jobs, usual),
        drifts=drifts(known),
        problems=(*problems, *warnings),
    )


def _remembered(found: Analysis) -> Analysis:
    """The same, and its ended jobs are in the user's history; a warning if that cannot be."""
    from weft.store import history

    warning = history.remember(found.jobs)
    return msgspec.structs.replace(found, problems=(*found.problems, warning)) if warning else found


def _all_known(jobs: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """These jobs and those of the user's history, each once; and a warning if there is no history to be read."""
    from weft.store import history

    try:
        with history.History() as past:
            known = past.jobs()
    except WeftError as problem:
        return jobs, [str(problem)]
    return history.together(known, jobs), []


# Files


def _facts(path: Path, problems: list[str]) -> Iterator[AnyEvent]:
    """The facts in a file of any of the known kinds, one after the other; what cannot be read is told of."""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            first = file.readline()
            if _is_fact(first):
                yield from _journaled(path, itertools.chain([first], file), problems)
            else:
                yield from _foreign(path, first + file.read(), problems)
    except OSError as error:
        raise disk_problem(error, path) from error


def _is_fact(line: bytes) -> bool:
    try:
        ev.decode(line)
    except _NO_FACT:
        return False
    return True


def _journaled(path: Path, lines: Iterable[bytes], problems: list[str]) -> Iterator[AnyEvent]:
    broken = 0
    for number, line in enumerate(lines, 1):
        try:
            yield ev.decode(line)
        except _NO_FACT as error:
            broken += 1
            if broken <= LINES_TOLD:
                problems.append(f"{path}:{number}: no fact of a job: {error}")
    if broken > LINES_TOLD:
        problems.append(f"{path}: {broken - LINES_TOLD:,} more lines are none")


def _foreign(path: Path, data: bytes, problems: list[str]) -> list[AnyEvent]:
    from weft.schedulers import accounting
    from weft.tapis import histories

    if data.lstrip()[:1] in (b"[", b"{"):
        found, broken = histories.from_files([path])
        problems += [str(problem) for _, problem in broken]
        return histories.facts(found)
    facts, notes = accounting.facts_of(data.decode(errors="replace"))
    if not facts:
        hint = "give a history as Tapis has it (JSON), what `sacct --parsable2` prints, or a journal.jsonl"
        raise WeftError("the file tells of no job", where=str(path), hint=hint)
    problems += [f"{path}: {note}" for note in notes]
    return facts
