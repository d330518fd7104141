"""Events to a profile: where the time of every job went, what the cases used, and what was wasted.

What a span is and how waste is counted lives here; every renderer starts from it. One pass, and no list of
events: a study of a million facts takes a few dozen MB.

A job's time is cut, without gaps, into its phases, each from the moment it was first seen. RUNNING begins
when the runner says so, if it was seen only later. The runner's own spans (UNPACK SETUP CASES FINISH PACK) lie
within RUNNING; their times are the node's. A span that is not over ends, for the sums, at the last fact of
the journal, and is marked ``open``. A slot is idle while the job is in CASES and no case runs on it.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from msgspec import Struct

from weft.core import events as ev
from weft.core.books import STEPS
from weft.core.events import AnyEvent
from weft.model import Kind, Outcome, Phase

FORMAT = 1
SLOWEST = 10
"""So many of the longest runs are named."""

_RUNNER_SPANS = ("UNPACK", "SETUP", "CASES", "FINISH", "PACK")


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of a job's time; seconds since the epoch."""

    name: str
    start: float
    end: float
    open: bool = False
    """It is not over: ``end`` is the last moment known of."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


class JobProfile(Struct, frozen=True, kw_only=True):
    """One job; times are seconds."""

    id: str
    kind: Kind
    backend: str
    native: str
    host: str
    slots: int
    cases: int
    recorded: int
    """Cases with a record."""
    outcome: Outcome | None
    phases: list[Span]
    runner: list[Span]
    """The runner's own spans, within RUNNING."""
    busy_s: float
    """Slot-seconds in cases."""
    idle_s: float
    """Slot-seconds without a case while CASES lasted."""
    tail_s: float
    """The part of them after each slot's last case: the price of an uneven end."""

    @property
    def start(self) -> float:
        return self.phases[0].start

    @property
    def end(self) -> float:
        return self.phases[-1].end


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
    """Share of the jobs' time in which no case could run: all but CASES."""
    idle_s: float
    tail_s: float
    spans: dict[str, float]
    """Seconds of all jobs by phase, then by the runner's own spans."""


class Profile(Struct, frozen=True, kw_only=True):
    """Where the time of a study went."""

    name: str
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
    watch = _Watch()
    for event in events:
        handle = _HANDLERS.get(type(event))
        if handle is not None and not watch.fits(event):
            continue
        if event.at > watch.until:
            watch.until = event.at
        if handle is not None:
            handle(watch, event)
    return watch.profile()


class _Job:
    """What is gathered of one job."""

    def __init__(self, event: ev.JobPlanned) -> None:
        self.id, self.kind, self.backend = event.job, event.kind, event.backend
        self.moves: list[tuple[Phase, float]] = [(Phase.PLANNED, event.at)]
        self.count = len(event.cases)
        self.open = set(event.cases)
        self.native = self.host = ""
        self.slots = event.slots or 1
        self.runner_at: float | None = None
        self.spans: dict[tuple[str, float], Span] = {}
        self.outcome: Outcome | None = None
        self.told: ev.RunnerEnded | None = None
        self.busy = 0.0
        self.first_start = float("inf")
        self.slot_ends: dict[int, float] = {}

    def move(self, phase: Phase, at: float) -> None:
        if phase is not self.moves[-1][0]:
            self.moves.append((phase, at))

    def phases(self, until: float) -> list[Span]:
        """The job's time in phases, without gaps."""
        moves = self._with_running()
        spans = []
        start = moves[0][1]
        for place, (phase, _) in enumerate(moves):
            last = place + 1 == len(moves)
            if phase is Phase.ENDED:
                break
            end = max(start, until if last else moves[place + 1][1])
            spans.append(Span(name=phase.value, start=start, end=end, open=last))
            start = end
        return spans

    def _with_running(self) -> list[tuple[Phase, float]]:
        """The moves, with RUNNING from when the runner was at work, even if that was seen late or never."""
        moves = list(self.moves)
        if self.runner_at is None:
            return moves
        known = [phase for phase, _ in moves]
        after = (Phase.ARCHIVING, Phase.COLLECTING, Phase.ENDED)
        if Phase.RUNNING in known:
            place = known.index(Phase.RUNNING)
            moves[place] = (Phase.RUNNING, min(moves[place][1], self.runner_at))
        else:
            place = next((i for i, phase in enumerate(known) if phase in after), len(known))
            at = self.runner_at if place == len(known) else min(self.runner_at, moves[place][1])
            moves.insert(place, (Phase.RUNNING, at))
        return moves

    def runner_spans(self, until: float) -> list[Span]:
        spans = sorted(self.spans.values(), key=lambda span: span.start)
        if self.slot_ends and not any(span.name == "CASES" for span in spans):
            # The runner tells of a span when it is over: this one goes on, or was cut off.
            live = self.outcome is None
            end = until if live else max(self.slot_ends.values())
            spans.append(
                Span(name="CASES", start=self.first_start, end=max(self.first_start, end), open=live)
            )
        return spans

    def idle(self, cases: Span | None) -> tuple[float, float]:
        """Idle slot-seconds while cases ran, and those after each slot's last case."""
        if cases is None:
            return 0.0, 0.0
        idle = self.told.idle if self.told else max(0.0, self.slots * cases.seconds - self.busy)
        if cases.open:
            return idle, 0.0
        ends = [*self.slot_ends.values()]
        ends += [cases.start] * (self.slots - len(ends))
        return idle, min(idle, sum(max(0.0, cases.end - end) for end in ends))

    def profile(self, until: float) -> JobProfile:
        runner = self.runner_spans(until)
        cases = next((span for span in runner if span.name == "CASES"), None)
        idle, tail = self.idle(cases)
        return JobProfile(
            id=self.id,
            kind=self.kind,
            backend=self.backend,
            native=self.native,
            host=self.host,
            slots=self.slots,
            cases=self.count,
            recorded=self.count - len(self.open),
            outcome=self.outcome,
            phases=self.phases(until),
            runner=runner,
            busy_s=self.told.busy if self.told else self.busy,
            idle_s=idle,
            tail_s=tail,
        )


class _Watch:
    """Hears the facts and gathers."""

    def __init__(self) -> None:
        self.until = 0.0
        self.name = ""
        self.jobs: dict[str, _Job] = {}
        self.live = 0
        self.since = 0.0
        self.wall = 0.0
        self.walls = array("d")
        self.cpu = self.unsuccessful = 0.0
        self.memory = 0
        self.slowest: list[tuple[float, str, str, RunUse]] = []
        """A heap; no events in it, since each may hold on to a whole piece of the journal."""

    def fits(self, event: Any) -> bool:
        """Is it of a job that was planned, or plans one that was not?"""
        if isinstance(event, ev.Opened):
            return True
        return (event.job in self.jobs) is not isinstance(event, ev.JobPlanned)

    def opened(self, event: ev.Opened) -> None:
        self.name = event.name

    def planned(self, event: ev.JobPlanned) -> None:
        self.jobs[event.job] = _Job(event)
        if not self.live:
            self.since = event.at
        self.live += 1

    def sent(self, event: ev.JobSubmitSent) -> None:
        self.jobs[event.job].move(Phase.UPLOADING, event.at)

    def submitted(self, event: ev.JobSubmitted) -> None:
        job = self.jobs[event.job]
        job.native = event.native
        if job.moves[-1][0] in (Phase.PLANNED, Phase.UPLOADING):
            job.move(Phase.PENDING, event.at)

    def seen(self, event: ev.JobSeen) -> None:
        self.jobs[event.job].move(event.phase, event.at)

    def gone(self, event: ev.JobGone) -> None:
        self.jobs[event.job].move(Phase.COLLECTING, event.at)

    def refused(self, event: ev.JobRefused) -> None:
        self._close(self.jobs[event.job], Outcome.REFUSED, event.at)

    def ended(self, event: ev.JobEnded) -> None:
        self._close(self.jobs[event.job], event.outcome, event.at)

    def _close(self, job: _Job, outcome: Outcome, at: float) -> None:
        if job.outcome is not None:
            return
        job.move(Phase.ENDED, at)
        job.outcome = outcome
        self.live -= 1
        if not self.live:
            self.wall += at - self.since

    def runner_started(self, event: ev.RunnerStarted) -> None:
        job = self.jobs[event.job]
        job.host, job.slots, job.runner_at = event.host, event.slots, event.at

    def span_ended(self, event: ev.SpanEnded) -> None:
        # By its start, since the node's records may be read twice.
        span = Span(name=event.span, start=event.start, end=max(event.start, event.at))
        self.jobs[event.job].spans[event.span, event.start] = span

    def runner_ended(self, event: ev.RunnerEnded) -> None:
        self.jobs[event.job].told = event

    def case_ended(self, event: ev.CaseEnded) -> None:
        job = self.jobs[event.job]
        if event.case not in job.open:
            return  # told twice
        job.open.remove(event.case)
        job.busy += event.wall
        job.first_start = min(job.first_start, event.start)
        job.slot_ends[event.slot] = max(event.at, job.slot_ends.get(event.slot, 0.0))
        if job.kind in STEPS:
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

    def profile(self) -> Profile:
        jobs = [job.profile(self.until) for job in self.jobs.values()]
        return Profile(
            name=self.name,
            start=jobs[0].start if jobs else self.until,
            end=max((job.end for job in jobs), default=self.until),
            open=self.live > 0,
            totals=self._totals(jobs),
            jobs=jobs,
            slowest=[use for *_, use in sorted(self.slowest, key=lambda each: (-each[0], each[1]))],
        )

    def _totals(self, jobs: list[JobProfile]) -> Totals:
        wall = self.wall + (self.until - self.since if self.live else 0.0)
        case_s = sum(self.walls)
        busy = sum(job.busy_s for job in jobs)
        slot_s = sum(job.slots * (job.end - job.start) for job in jobs)
        spans = _sums(jobs)
        all_s = sum(job.end - job.start for job in jobs)
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
            overhead=_share(max(0.0, all_s - spans.get("CASES", 0.0)), all_s),
            idle_s=sum(job.idle_s for job in jobs),
            tail_s=sum(job.tail_s for job in jobs),
            spans=spans,
        )


def _sums(jobs: list[JobProfile]) -> dict[str, float]:
    """Seconds by name, in the order of a job's life; what never happened is left out."""
    sums = dict.fromkeys([*(phase.value for phase in Phase), *_RUNNER_SPANS], 0.0)
    for job in jobs:
        for span in (*job.phases, *job.runner):
            sums[span.name] = sums.get(span.name, 0.0) + span.seconds
    happened = {span.name for job in jobs for span in (*job.phases, *job.runner)}
    return {name: seconds for name, seconds in sums.items() if name in happened}


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


_HANDLERS: dict[type, Callable[[_Watch, Any], None]] = {
    ev.Opened: _Watch.opened,
    ev.JobPlanned: _Watch.planned,
    ev.JobSubmitSent: _Watch.sent,
    ev.JobSubmitted: _Watch.submitted,
    ev.JobSeen: _Watch.seen,
    ev.JobGone: _Watch.gone,
    ev.JobRefused: _Watch.refused,
    ev.JobEnded: _Watch.ended,
    ev.RunnerStarted: _Watch.runner_started,
    ev.SpanEnded: _Watch.span_ended,
    ev.RunnerEnded: _Watch.runner_ended,
    ev.CaseEnded: _Watch.case_ended,
}
