"""Events to a profile: where the time of every job went, what the cases used, and what was wasted.

What a span is and how waste is counted lives here; every renderer starts from it. One pass, and no list of
events: a study of a million facts takes a few dozen MB.

A job's time is cut, without gaps, into its phases (``jobtime.py``). RUNNING begins when the runner says so, if it
was seen only later. The runner's own spans (UNPACK SETUP CASES FINISH PACK) lie within RUNNING; their times are the
node's. A slot is idle while the job is in CASES and no case runs on it.

What is not over ends, for the sums, at the last moment that is known of its job, and is marked ``open``: of a job that
is known by an account of it, when that was read; of any other, the last fact of the same book (a study's journal, say).

A time that cannot be (``clocks.py``) is taken as that of the fact before, which the job's notes say.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from msgspec import Struct, structs

from weft.core import events as ev
from weft.core.books import STEPS
from weft.core.clocks import EARLIEST, LATEST, LONGEST, plausible
from weft.core.events import AnyEvent
from weft.core.jobprofile import JobProfile
from weft.core.jobtable import RUNNER_SPANS
from weft.core.jobtime import JobTime
from weft.core.transfers import TransferProfile, together
from weft.model import Outcome, Phase

FORMAT = 1
SLOWEST = 10
"""So many of the longest runs are named."""


class RunUse(Struct, frozen=True, kw_only=True):
    """What one run of one case used."""

    case: str
    job: str
    outcome: Outcome
    wall_s: float
    cpu_s: float
    memory: int
    """Peak of the process tree, in bytes."""


class Totals(Struct, frozen=True, kw_only=True):
    """The study as a whole; steps before and after count as jobs, not as cases."""

    wall_s: float
    """Time in which at least one job was under way."""
    jobs: int
    runs: int
    """Runs of cases that left a record."""
    case_s: float
    """Wall time of all these runs."""
    cpu_s: float
    unsuccessful_s: float
    """Wall time of the runs that did not finish."""
    median_s: float
    longest_s: float
    memory: int
    """The largest peak of any run, in bytes."""
    slot_s: float
    """Slot-seconds of all jobs, from planned to ended."""
    parallelism: float
    """Cases at a time, on average over ``wall_s``."""
    efficiency: float
    """Share of ``slot_s`` that was spent in cases."""
    overhead: float
    """Share of the jobs' time in which no case could run: all but CASES, or RUNNING of a job without cases."""
    idle_s: float
    tail_s: float
    spans: dict[str, float]
    """Seconds of all jobs by phase, then by the runner's own spans."""
    uncertain: dict[str, float] = {}
    """So much of them may belong to what came next, since the service looks only from time to time."""
    transfers: list[TransferProfile] = []
    """All transfers of each kind together."""


class Profile(Struct, frozen=True, kw_only=True):
    """Where the time of a study went."""

    name: str
    """The study's; empty if there is none, or more than one."""
    start: float
    end: float
    open: bool
    """A job is still under way."""
    totals: Totals
    jobs: list[JobProfile]
    slowest: list[RunUse]
    format: int = FORMAT


def profile_of(events: Iterable[AnyEvent]) -> Profile:
    """The profile that follows from these facts, in one pass; all zeros when nothing has run.

    Facts that cannot follow those before them (of a job that was never planned, say) are passed over.
    """
    return profile_of_books([events])


def profile_of_books(books: Iterable[Iterable[AnyEvent]]) -> Profile:
    """The profile of all jobs of several books, such as journals; each book is read when the one before it is."""
    watch = _Watch()
    for book in books:
        _read(book, watch)
    return watch.profile()


def _read(events: Iterable[AnyEvent], watch: _Watch) -> None:
    jobs, until = watch.jobs, 0.0
    for event in events:
        at = event.at
        if not EARLIEST <= at <= LATEST:
            if not until:
                continue
            at = until
            event = watch.mended(event, at)  # it stands for the other
        kind = type(event)
        hear = _OF_A_JOB.get(kind)
        if hear is not None:
            job = jobs.get(event.job)  # type: ignore[union-attr]  # these have one
            if job is None:
                continue
            hear(job, event)
        elif (note := _OF_THEM_ALL.get(kind)) is not None:
            job = jobs.get(event.job)  # type: ignore[union-attr]  # and these
            if (job is None) is not (kind is ev.JobPlanned):
                continue
            note(watch, job, event)
        elif kind is ev.Opened:
            watch.opened(event.name)  # type: ignore[union-attr]
        if at > until:
            until = at
    watch.book_read(until)


class _Watch:
    """Hears the facts and gathers."""

    def __init__(self) -> None:
        self.end = 0.0
        """The latest time in the books that were read."""
        self.name = ""
        self.names: set[str] = set()
        self.jobs: dict[str, JobTime] = {}
        self.live: dict[str, JobTime] = {}
        """Not over yet, and of this book."""
        self.open = False
        self.odd: Counter[str] = Counter()
        """Facts of each job with a time that cannot be."""
        self.walls = array("d")
        self.cpu = self.unsuccessful = 0.0
        self.memory = 0
        self.slowest: list[tuple[float, str, str, RunUse]] = []
        """A heap; no events in it, since each may hold on to a whole piece of the journal."""

    def opened(self, name: str) -> None:
        self.name = name
        self.names.add(name)

    def planned(self, _: None, event: ev.JobPlanned) -> None:
        self.jobs[event.job] = self.live[event.job] = JobTime(event, self.name)

    def refused(self, job: JobTime, event: ev.JobRefused) -> None:
        job.why = event.why
        self._close(job, Outcome.REFUSED, event.at)

    def ended(self, job: JobTime, event: ev.JobEnded) -> None:
        job.why, job.in_flight = job.why or event.why, len(event.in_flight)
        self._close(job, event.outcome, event.at)

    def _close(self, job: JobTime, outcome: Outcome, at: float) -> None:
        if job.outcome is not None:
            return
        job.move(Phase.ENDED, at)
        job.outcome = outcome
        self.live.pop(job.id, None)

    def case_ended(self, job: JobTime, event: ev.CaseEnded) -> None:
        if not (0.0 <= event.wall <= LONGEST and 0.0 <= event.cpu <= LONGEST and plausible(event.start)):
            self.odd[job.id] += 1
            event = _measured(event)
        if not job.ran(event) or job.kind in STEPS:
            return
        self.walls.append(event.wall)
        self.cpu += event.cpu
        self.memory = max(self.memory, event.memory)
        if event.outcome is not Outcome.FINISHED:
            self.unsuccessful += event.wall
        if len(self.slowest) < SLOWEST or event.wall > self.slowest[0][0]:
            heapq.heappush(self.slowest, (event.wall, event.case, event.job, _use(event)))
            if len(self.slowest) > SLOWEST:
                heapq.heappop(self.slowest)

    def mended(self, event: AnyEvent, at: float) -> AnyEvent:
        """The fact, whose own time cannot be, at this one."""
        self.odd[getattr(event, "job", "")] += 1
        return structs.replace(event, at=at)

    def book_read(self, until: float) -> None:
        """There are no more facts in this book; the last was at this time."""
        for job in self.live.values():
            job.until = until
        self.open = self.open or bool(self.live)
        self.live.clear()
        self.end = max(self.end, until)

    def profile(self) -> Profile:
        for each, count in self.odd.items():
            if each in self.jobs:
                self.jobs[each].notes.append(
                    f"{count:,} of its facts have times or figures that cannot be: mended"
                )
        # What was gathered of a job is given up as its profile is made: there may be very many.
        jobs = [self.jobs.pop(each).profile() for each in [*self.jobs]]
        return Profile(
            name=self.name if len(self.names) == 1 else "",
            start=min((job.start for job in jobs), default=self.end),
            end=max((job.end for job in jobs), default=self.end),
            open=self.open,
            totals=self._totals(jobs),
            jobs=jobs,
            slowest=[use for *_, use in sorted(self.slowest, key=lambda each: (-each[0], each[1]))],
        )

    def _totals(self, jobs: list[JobProfile]) -> Totals:
        times = [(job.start, job.end) for job in jobs]
        wall = _covered(times)
        case_s = sum(self.walls)
        busy = sum(job.busy_s for job in jobs)
        slot_s = sum(job.slots * (end - start) for job, (start, end) in zip(jobs, times, strict=True))
        spans = _sums(jobs)
        all_s = sum(end - start for start, end in times)
        return Totals(
            wall_s=wall,
            jobs=len(jobs),
            runs=len(self.walls),
            case_s=case_s,
            cpu_s=self.cpu,
            unsuccessful_s=self.unsuccessful,
            median_s=median(self.walls) if self.walls else 0.0,
            longest_s=max(self.walls, default=0.0),
            memory=self.memory,
            slot_s=slot_s,
            parallelism=_share(case_s, wall),
            efficiency=_share(busy, slot_s),
            overhead=_share(max(0.0, all_s - sum(job.useful_s for job in jobs)), all_s),
            idle_s=sum(job.idle_s for job in jobs),
            tail_s=sum(job.tail_s for job in jobs),
            spans=spans,
            uncertain=_uncertain(jobs),
            transfers=_transfers(jobs),
        )


def _covered(times: list[tuple[float, float]]) -> float:
    """Seconds that at least one of these stretches of time covers."""
    covered = 0.0
    until = float("-inf")
    for start, end in sorted(times):
        if end > until:
            covered += end - max(start, until)
            until = end
    return covered


def _measured(event: ev.CaseEnded) -> ev.CaseEnded:
    """What a run used, without what nobody can have measured."""
    wall, cpu = (each if 0.0 <= each <= LONGEST else 0.0 for each in (event.wall, event.cpu))
    start = event.start if plausible(event.start) else event.at - wall
    return structs.replace(event, start=start, wall=wall, cpu=cpu)


def _sums(jobs: list[JobProfile]) -> dict[str, float]:
    """Seconds by name, in the order of a job's life; what never happened is left out."""
    sums = dict.fromkeys([*(phase.value for phase in Phase), *RUNNER_SPANS], 0.0)
    for job in jobs:
        for span in (*job.phases, *job.runner):
            sums[span.name] = sums.get(span.name, 0.0) + span.seconds
    happened = {span.name for job in jobs for span in (*job.phases, *job.runner)}
    return {name: seconds for name, seconds in sums.items() if name in happened}


def _uncertain(jobs: list[JobProfile]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for job in jobs:
        for span in job.phases:
            if span.uncertain:
                sums[span.name] = sums.get(span.name, 0.0) + span.uncertain
    return sums


def _transfers(jobs: list[JobProfile]) -> list[TransferProfile]:
    kinds: dict[str, list[TransferProfile]] = {"inputs": [], "archive": []}
    for job in jobs:
        for transfer in job.transfers:
            kinds[transfer.into].append(transfer)
    return [together(transfers) for transfers in kinds.values() if transfers]


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _use(event: ev.CaseEnded) -> RunUse:
    return RunUse(
        case=event.case,
        job=event.job,
        outcome=event.outcome,
        wall_s=event.wall,
        cpu_s=event.cpu,
        memory=event.memory,
    )


_OF_A_JOB: dict[type, Callable[[Any, Any], None]] = {
    ev.JobSubmitSent: JobTime.sent,
    ev.JobSubmitted: JobTime.submitted,
    ev.JobSeen: JobTime.seen,
    ev.JobGone: JobTime.gone,
    ev.HistoryRead: JobTime.account_read,
    ev.RunnerStarted: JobTime.runner_started,
    ev.SetupEnded: JobTime.setup_ended,
    ev.SpanEnded: JobTime.span_ended,
    ev.RunnerEnded: JobTime.runner_ended,
}
"""What a job hears of itself."""
_OF_THEM_ALL: dict[type, Callable[[_Watch, Any, Any], None]] = {
    ev.JobPlanned: _Watch.planned,
    ev.JobRefused: _Watch.refused,
    ev.JobEnded: _Watch.ended,
    ev.CaseEnded: _Watch.case_ended,
}
"""What counts for all of them together."""
