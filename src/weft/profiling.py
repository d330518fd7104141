"""From any source of facts to an analysis: a study's journal, jobs of a Tapis account, Slurm's accounts, files.

What is normal for the user is looked up in the history of ended jobs, and what is new is remembered there.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from weft.core import events as ev
from weft.core.analysis import Analysis
from weft.core.critical import critical_path
from weft.core.events import AnyEvent
from weft.core.profile import Profile, profile_of, profile_of_books
from weft.core.quantities import count
from weft.errors import WeftError
from weft.model import Status, Study
from weft.store import journal
from weft.store.folder import StudyFolder, disk_problem

if TYPE_CHECKING:
    from weft.tapis.session import Session

_NO_FACT = (msgspec.DecodeError, UnicodeDecodeError)
LINES_TOLD = 5
"""So many parts of a file, or jobs of a service, that could not be read are told of."""
FIRST_LINES = 20
"""A journal is known by any of these."""
STDIN = "-"
"""In the place of a file's name."""
_HOLDS = "give a history as Tapis has it (JSON), what `sacct --parsable2` prints, or a journal.jsonl"


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
    from weft.core.foretold import actual
    from weft.store.results import build_table

    profile = profile_of(journal.read(folder.journal))
    cases = build_table(folder.journal, study)
    mended = cases.height > 0 and bool((cases["status"] == Status.DONE.value).all())
    found = _analysis(study.name, profile, keep=True, study=study, place=place, mended=mended)
    return msgspec.structs.replace(
        found,
        waited=critical_path(profile.jobs),
        actual=actual(journal.read(folder.journal), profile),
        cases=cases,
        parameters={name: parameter.values for name, parameter in study.parameters.items()},
    )


@_without_collecting()
def of_tapis(session: Session, uuids: Iterable[str]) -> Analysis:
    """Where the time of these jobs of a Tapis account went; those that cannot be read are told of."""
    from weft.tapis import histories

    found, problems = histories.read_all(session, uuids)
    told = _capped([problem for _, problem in problems], "Tapis")
    return of_profile(histories.profile(found), told, keep=True)


@_without_collecting()
def of_slurm(ids: Sequence[str], *, since: float | None = None) -> Analysis:
    """Where the time of these jobs went by the accounts of this machine's Slurm; none named: of all of the user's."""
    from weft.schedulers import accounting

    asked = time.time()
    facts, notes = accounting.facts_of(accounting.ask(ids, since=since), asked)
    return of_profile(profile_of(facts), _capped([WeftError(note) for note in notes], "sacct"), keep=True)


@_without_collecting()
def of_files(paths: Iterable[Path]) -> Analysis:
    """Where the time of the jobs in these files went: journals, histories as Tapis gives them, tables of sacct.

    ``-`` is standard input. They may be anybody's, and are not remembered. What cannot be read is told of; raises
    WeftError if nothing can be read at all.
    """
    reading = _Reading()
    profile = profile_of_books(reading.books(paths))
    if reading.problems and not reading.told:
        if len(reading.problems) == 1:
            raise reading.problems[0]
        raise WeftError("\n".join(map(str, reading.problems)))
    return of_profile(profile, reading.problems)


def of_profile(profile: Profile, problems: Sequence[WeftError] = (), *, keep: bool = False) -> Analysis:
    """The analysis of jobs that are of no study at hand; with ``keep``, the user's history has them from now on."""
    apps = sorted({job.given.app for job in profile.jobs})
    of = f" of {apps[0]}" if len(apps) == 1 and apps[0] else ""
    title = profile.name or f"{count(len(profile.jobs), 'job')}{of}"
    return _analysis(title, profile, [str(problem) for problem in problems], keep=keep)


@_without_collecting()
def remember(folder: StudyFolder, known: int = 0) -> list[str]:
    """Put the ended jobs of a study into the user's history; returns a warning if that cannot be.

    Costs nothing where no job has ended since the journal had so many bytes. Raises nothing.
    """
    try:
        if not _has_ended_jobs(folder.journal, known):
            return []
        from weft.core.jobtable import columns
        from weft.store import history

        jobs = profile_of(journal.read(folder.journal)).jobs
        warning = history.remember(columns(jobs))
    except Exception as error:
        # The run has done its work: whatever goes wrong here, even by a fault of ours, is worth no more than a word.
        warning = f"the jobs of this run are not in your history: {type(error).__name__}: {error}"
    return [warning] if warning else []


def _has_ended_jobs(path: Path, known: int) -> bool:
    """Does the journal tell of one from this byte on?"""
    with path.open("rb") as file:
        file.seek(known)
        return any(b'"JobEnded"' in line for line in file)


def _analysis(
    title: str, profile: Profile, problems: Sequence[str] = (), *, keep: bool = False, **of_the_study: Any
) -> Analysis:
    """``of_the_study`` are the fields of the scene that only a study has."""
    from weft.core.findings.base import Scene
    from weft.core.findings.table import find
    from weft.core.jobtable import table
    from weft.core.normal import drifts, normal_of, outliers
    from weft.store import history
    from weft.tapis.sites import queue_facts

    jobs = table(profile.jobs)
    known, warning = history.recall(jobs, keep=keep)
    usual = normal_of(known)
    scene = Scene(jobs=jobs, normal=usual, queues=queue_facts(), **of_the_study)
    return Analysis(
        title=title,
        made=time.time(),
        profile=profile,
        jobs=jobs,
        findings=find(scene),
        outliers=outliers(jobs, usual),
        drifts=drifts(known),
        problems=(*problems, *([warning] if warning else ())),
    )


# Files


class _Reading:
    """Files of any of the known kinds, each read once and only forwards: it may be a pipe."""

    def __init__(self) -> None:
        self.problems: list[WeftError] = []
        self.told = False
        """Some file told something, if only that there is nothing."""

    def books(self, paths: Iterable[Path]) -> Iterator[Iterable[AnyEvent]]:
        """The facts in each journal; then those of all other files together, in the order of time."""
        others: list[AnyEvent] = []
        for path in paths:
            with self._telling(path), _opened(path) as file:
                head = list(itertools.islice(file, FIRST_LINES))
                for line in head:
                    if b'"Opened"' in line:
                        journal.refuse_newer(line, _name(path))
                if any(_is_fact(line) for line in head):
                    yield self._journaled(path, itertools.chain(head, file))
                else:
                    others += self._foreign(_name(path), b"".join([*head, *file]))
        yield sorted(others, key=lambda fact: fact.at)

    @contextlib.contextmanager
    def _telling(self, path: Path) -> Iterator[None]:
        """What goes wrong with this file is a problem among others."""
        try:
            yield
        except OSError as error:
            self.problems.append(disk_problem(error, path))
        except WeftError as problem:
            self.problems.append(problem)

    def _journaled(self, path: Path, lines: Iterable[bytes]) -> Iterator[AnyEvent]:
        with self._telling(path):
            yield from self._facts(_name(path), lines)

    def _facts(self, name: str, lines: Iterable[bytes]) -> Iterator[AnyEvent]:
        broken: list[WeftError] = []
        all_broken = 0
        for number, line in enumerate(lines, 1):
            try:
                fact = ev.decode(line)
            except _NO_FACT as error:
                all_broken += 1
                if all_broken <= LINES_TOLD:
                    broken.append(WeftError(f"no fact of a job: {error}", where=f"{name}:{number}"))
                continue
            self.told = True
            yield fact
        self.problems += _capped(broken, name, all_broken)

    def _foreign(self, name: str, data: bytes) -> list[AnyEvent]:
        from weft.schedulers import accounting
        from weft.tapis import histories

        data = _in_utf8(data)
        if data.lstrip()[:1] in (b"[", b"{"):
            found, broken = histories.from_data(data, name)
            self.told = self.told or bool(found) or not broken
            self.problems += _capped([problem for _, problem in broken], name)
            return histories.facts(found)
        facts, notes = accounting.facts_of(data.decode(errors="replace"))
        if not facts:
            why = "; ".join(notes[:1]) or "it is empty, or has no rows"
            more = f"; {len(notes) - 1:,} more lines are none" if len(notes) > 1 else ""
            raise WeftError(f"the file tells of no job: {why}{more}", where=name, hint=_HOLDS)
        self.told = True
        self.problems += _capped([WeftError(note, where=name) for note in notes], name)
        return facts


def _opened(path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if str(path) == STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    return path.open("rb", buffering=1 << 20)


def _name(path: Path) -> str:
    return "stdin" if str(path) in (STDIN, "/dev/stdin") else str(path)


def _is_fact(line: bytes) -> bool:
    try:
        ev.decode(line)
    except _NO_FACT:
        return False
    return True


def _in_utf8(data: bytes) -> bytes:
    """The same without marks of the byte order; what Windows wrote in UTF-16 is recoded."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _capped(problems: Sequence[WeftError], where: str, number: int = 0) -> list[WeftError]:
    """The first of them, each hint once, and how many more there are; ``number`` is of all, where these are not."""
    told: list[WeftError] = []
    for each in problems[:LINES_TOLD]:
        again = each.hint and any(each.hint == before.hint for before in told)
        told.append(WeftError(each.what, where=each.where) if again else each)
    more = max(number, len(problems)) - len(told)
    if more > 0:
        told.append(WeftError(f"{more:,} more could not be read", where=where))
    return told
