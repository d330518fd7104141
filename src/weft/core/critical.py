"""The critical path: what the wall clock of a study waited for, moment by moment. PURE.

Seen from the end: the last job to end was waited for since it was planned. It was planned when it was because the job
that ended last before that had made room for it (or had shown that it was needed); and so on, back to the start. Where
no job had ended just before, one that was under way then is followed instead. What lies between is weft's own time, in
which nothing was under way. Longer pauses, as between two runs, are nobody's wait, and are left out: the path has a
hole there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from weft.core.analysis import Waited
from weft.core.jobprofile import JobProfile, Span
from weft.model import Phase

FOLLOWS = 120.0
"""A job that is planned so many seconds after the end of another, or sooner, was waiting for it."""


def critical_path(jobs: Sequence[JobProfile]) -> list[Waited]:
    """What was waited for, in order, from the start of the first job to the end of the last.

    A gap is longer than ``FOLLOWS``, and no job was under way in it.
    """
    by_end = sorted((job for job in jobs if job.end > job.start), key=lambda job: job.end)
    if not by_end:
        return []
    by_start = sorted(by_end, key=lambda job: job.start)
    ends = [job.end for job in by_end]
    first = by_start[0].start
    path: list[Waited] = []
    until = ends[-1]
    while until > first:
        latest = bisect_right(ends, until) - 1
        before = by_end[latest] if latest >= 0 else None
        if before is None or until - before.end > FOLLOWS:
            beside = _under_way(by_start, until)
            before = beside or before
        assert before is not None  # noqa: S101  # the first job started before this moment
        if before.end < until:
            if until - before.end <= FOLLOWS:
                path.append(Waited(start=before.end, end=until, job="", name=""))
            until = before.end
        path += reversed([*_clipped(before, until)])
        until = before.start
    return path[::-1]


def _under_way(by_start: Sequence[JobProfile], at: float) -> JobProfile | None:
    """The job that had been under way for longest at this moment; None if there was none."""
    return next((job for job in by_start if job.start < at < job.end), None)


def _clipped(job: JobProfile, until: float) -> Iterator[Waited]:
    """The job's spans up to this moment; RUNNING as the runner's own, where it told of them."""
    for span in job.phases:
        if span.start >= until:
            return
        parts = _within(span, job.runner) if span.name == Phase.RUNNING.value else [span]
        for part in parts:
            end = min(part.end, until)
            if end > part.start:
                yield Waited(start=part.start, end=end, job=job.id, name=part.name)


def _within(running: Span, spans: Sequence[Span]) -> Iterator[Span]:
    """RUNNING cut into the runner's spans; what lies between them stays RUNNING."""
    at = running.start
    for span in spans:
        start, end = max(at, span.start), min(running.end, span.end)
        if end <= start:
            continue
        if start > at:
            yield Span(name=running.name, start=at, end=start)
        yield Span(name=span.name, start=start, end=end)
        at = end
    if running.end > at:
        yield Span(name=running.name, start=at, end=running.end)


def waited_for(path: Sequence[Waited]) -> dict[str, float]:
    """Seconds by name, longest first; empty is weft's own time."""
    sums: dict[str, float] = {}
    for each in path:
        sums[each.name] = sums.get(each.name, 0.0) + each.end - each.start
    return dict(sorted(sums.items(), key=lambda pair: -pair[1]))
