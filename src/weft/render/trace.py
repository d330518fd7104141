"""A trace of the jobs for Perfetto (ui.perfetto.dev) or chrome://tracing: the Chrome trace event format, as JSON.

Each job is a track: the job, in it its phases, in these the runner's spans and what was transferred. Counters say how
many jobs were in each phase and how many cases ran. Times are microseconds since the first job began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from weft.core.jobprofile import JobProfile, Span
from weft.core.transfers import DURING
from weft.model import Phase
from weft.render.palette import word

if TYPE_CHECKING:
    from weft.core.analysis import Analysis

JOBS_TRACED = 2000
"""Jobs with a track of their own; counters are of these."""
_JOBS, _COUNTERS = 1, 2
"""Processes, as the format calls groups of tracks."""

Event = dict[str, Any]


def trace(analysis: Analysis) -> bytes:
    """The trace, ordered by time; of more jobs than ``JOBS_TRACED`` the first, which its notes and its title say."""
    jobs = sorted(analysis.profile.jobs, key=lambda job: (job.start, job.id))
    drawn, every = jobs[:JOBS_TRACED], analysis.jobs.height
    left = "" if len(drawn) == every else f" (the first {len(drawn):,} of {every:,} jobs)"
    start = drawn[0].start if drawn else 0.0
    named = [
        _named("process_name", _JOBS, 0, analysis.title + left),
        _named("process_name", _COUNTERS, 0, "counters"),
    ]
    slices: list[Event] = []
    for track, job in enumerate(drawn, 1):
        named += [_named("thread_name", _JOBS, track, job.name or job.id), _sorted(track)]
        slices += _job(job, track, start)
    slices += _phases(drawn, start)
    slices += _cases(drawn, start)
    slices.sort(key=lambda event: (event["ts"], -event.get("dur", 0)))  # what holds others goes before them
    notes = {"study": analysis.title, "jobs": f"{len(drawn):,} of {every:,}", "start": start}
    document = {"traceEvents": [*named, *slices], "displayTimeUnit": "ms", "otherData": notes}
    return msgspec.json.encode(document)


def _named(what: str, process: int, track: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "ts": 0, "args": {"name": name}}


def _sorted(track: int) -> Event:
    return {
        "ph": "M", "name": "thread_sort_index", "pid": _JOBS, "tid": track, "ts": 0, "args": {"sort_index": track},
    }  # fmt: skip


def _micro(at: float, start: float) -> int:
    return round((at - start) * 1e6)


def _slice(name: str, kind: str, track: int, first: int, last: int, **args: object) -> Event:
    place = {"pid": _JOBS, "tid": track, "ts": first, "dur": last - first}
    return {"ph": "X", "name": name, "cat": kind, **place, "args": args}


def _job(job: JobProfile, track: int, start: float) -> Iterator[Event]:
    """The job with all that lies within it."""
    ended = job.outcome.value if job.outcome else "under way"
    args = {"job": job.id, "native": job.native, "ended": ended, "cases": job.cases, "host": job.host}
    yield _slice(job.name or job.id, "job", track, _micro(job.start, start), _micro(job.end, start), **args)
    for span in job.phases:
        more = {"uncertain_s": span.uncertain} if span.uncertain else {}
        more |= {"open": True} if span.open else {}
        yield _slice(span.name, "phase", track, _micro(span.start, start), _micro(span.end, start), **more)
    running = [span for span in job.phases if span.name == Phase.RUNNING.value]
    if running:
        yield from _runner(job.runner, running, track, start)
    for phase in job.phases:
        yield from _transfers(job, phase, track, start)


def _runner(spans: Iterable[Span], running: list[Span], track: int, start: float) -> Iterator[Event]:
    """The runner's spans, kept within RUNNING and apart: the node's clock is not ours."""
    low, high = _micro(running[0].start, start), _micro(running[0].end, start)
    for span in sorted(spans, key=lambda each: each.start):
        first, last = (min(max(_micro(at, start), low), high) for at in (span.start, span.end))
        yield _slice(span.name, "runner", track, first, last)
        low = max(low, last)


def _transfers(job: JobProfile, phase: Span, track: int, start: float) -> Iterator[Event]:
    """How long each step of the job's transfers took, in the phase that they were made in.

    When a step began is not known, only its length: the steps follow each other from the beginning of the phase.
    """
    first = next(span for span in job.phases if span.name == phase.name)
    if first is not phase:
        return
    at, last = _micro(phase.start, start), _micro(phase.end, start)
    for each in job.transfers:
        if DURING.get(each.into) != phase.name:
            continue
        args = {"files": each.files, "bytes": each.bytes}
        for name, seconds in (
            ("waiting", each.waiting_s),
            ("copying", each.copying_s),
            ("until noticed", each.unnoticed_s),
        ):
            end = min(last, at + round(1e6 * seconds))
            if end > at:
                yield _slice(f"{each.into}: {name}", "transfer", track, at, end, **args)
                at = end


def _phases(jobs: Iterable[JobProfile], start: float) -> Iterator[Event]:
    """How many jobs are in each phase, whenever that changes."""
    changes: list[tuple[int, str, int]] = []
    for job in jobs:
        for span in job.phases:
            changes += [(_micro(span.start, start), span.name, 1), (_micro(span.end, start), span.name, -1)]
    counts = dict.fromkeys(
        (phase.value for phase in Phase if any(name == phase.value for _, name, _ in changes)), 0
    )
    changes.sort()
    for place, (at, name, step) in enumerate(changes):
        counts[name] += step
        if place + 1 == len(changes) or changes[place + 1][0] > at:
            yield _counter("jobs by phase", at, {word(each): number for each, number in counts.items()})


def _cases(jobs: Iterable[JobProfile], start: float) -> Iterator[Event]:
    """How many cases run: of each job as many as on average, while it is in CASES."""
    changes: dict[int, float] = {}
    for job in jobs:
        for span in job.runner:
            if span.name == "CASES" and span.seconds > 0:
                busy = min(float(job.slots), job.busy_s / span.seconds)
                for at, step in ((span.start, busy), (span.end, -busy)):
                    changes[_micro(at, start)] = changes.get(_micro(at, start), 0.0) + step
    running = 0.0
    for at in sorted(changes):
        running += changes[at]
        yield _counter("cases running", at, {"cases": abs(round(running, 3))})


def _counter(name: str, at: int, values: dict[str, float] | dict[str, int]) -> Event:
    return {"ph": "C", "name": name, "pid": _COUNTERS, "tid": 0, "ts": at, "args": values}
