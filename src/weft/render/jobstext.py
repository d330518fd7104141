"""The jobs of a profile as lines of text: a bar for each, or the share of each phase in its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.core.jobprofile import JobProfile, Span
from weft.core.profile import Profile
from weft.core.quantities import count, duration
from weft.render.text import GAP, NAME_LEAST, columns, cut

JOBS_SHOWN = 12
BAR_LEAST = 10
"""Characters of the longest bar, at least."""
JOBS_LISTED = 100
PHASES_SHOWN = 5
LEAST_SHARE = 0.01
"""So many phases get a column of their own, and none with less of the time of all jobs."""

MARKS = {
    "PLANNED": "p",
    "UPLOADING": "u",
    "PENDING": "w",
    "PROCESSING_INPUTS": "i",
    "STAGING_INPUTS": "i",
    "STAGING_JOB": "i",
    "SUBMITTING_JOB": "w",
    "QUEUED": "q",
    "RUNNING": "r",
    "ARCHIVING": "a",
    "BLOCKED": "b",
    "PAUSED": "b",
    "COLLECTING": "c",
    "UNPACK": "n",
    "SETUP": "s",
    "CASES": "#",
    "FINISH": "f",
    "PACK": "k",
}
"""The character of each span in a job's bar."""

SHORT = {
    "PLANNED": "plan",
    "UPLOADING": "upl",
    "COLLECTING": "coll",
    "PENDING": "pend",
    "PROCESSING_INPUTS": "proc",
    "STAGING_INPUTS": "input",
    "STAGING_JOB": "stage",
    "SUBMITTING_JOB": "subm",
    "QUEUED": "queue",
    "RUNNING": "run",
    "ARCHIVING": "arch",
    "BLOCKED": "block",
    "PAUSED": "pause",
}
"""Heads of columns."""


def span_of(column: str) -> str:
    """A column of the table of jobs as the phase, or span of the runner, whose seconds it has."""
    return column.removesuffix("_s").upper()


def stands(job: JobProfile) -> str:
    """How the job ended, if not well, or where it is."""
    word = job.outcome.value if job.outcome else job.phases[-1].name + " now"
    return "" if word == "FINISHED" else word


# Jobs that are known by the account of their service alone


def shares(profile: Profile, width: int) -> list[str]:
    """A line per job with the share of each phase in its time, and one for all."""
    spans = profile.totals.spans
    whole = sum(spans.values())
    longest = sorted(spans, key=lambda name: -spans[name])[:PHASES_SHOWN]
    wide = [name for name in spans if name in longest and spans[name] >= LEAST_SHARE * whole]
    shown = profile.jobs
    if len(shown) > JOBS_LISTED:
        shown = sorted(shown, key=lambda job: job.start - job.end)[:JOBS_LISTED]
        shown.sort(key=lambda job: job.start)
    rows = [_share_row(job, wide) for job in shown]
    rows.append(("all", duration(whole), *_cells(spans, wide), ""))
    head = ("job", "time", *(SHORT.get(name, name.lower()) for name in wide), "rest", "")
    lines = columns([head, *rows], right=range(1, len(wide) + 3), indent="  ", width=width)
    room = width - max(map(len, lines)) - len(GAP)
    names = ["", *(cut(job.name, room) if room >= NAME_LEAST else "" for job in shown), ""]
    drawn = [f"{line.ljust(width - room)}{name}".rstrip() for line, name in zip(lines, names, strict=True)]
    left = len(profile.jobs) - len(shown)
    more = [f"  and {count(left, 'shorter job')}"] if left else []
    return ["share of each phase in per cent", *drawn[:-1], *more, drawn[-1]]


def _share_row(job: JobProfile, wide: Sequence[str]) -> tuple[str, ...]:
    spans: dict[str, float] = {}
    for span in job.phases:
        spans[span.name] = spans.get(span.name, 0.0) + span.seconds
    return (job.id.split("-")[0], duration(job.end - job.start), *_cells(spans, wide), stands(job))


def _cells(spans: Mapping[str, float], wide: Sequence[str]) -> list[str]:
    """The share of each of these in all, and of the rest; empty for none."""
    whole = sum(spans.values())
    parts = [spans.get(name, 0.0) for name in wide]
    parts.append(max(0.0, whole - sum(parts)))
    return [f"{100 * part / whole:.0f}" if whole and part / whole > 1e-9 else "" for part in parts]


# The jobs of a study


def bars(profile: Profile, width: int) -> list[str]:
    """A line per job, the longest ones if there are many, with its time as a bar."""
    longest = max(job.end - job.start for job in profile.jobs)
    shown = profile.jobs
    if len(shown) > JOBS_SHOWN:
        shown = sorted(shown, key=lambda job: job.start - job.end)[:JOBS_SHOWN]
    rows = [_job_row(job) for job in shown]
    head = ("job", "cases", "slots", "time", "idle", "")
    lines = columns([head, *rows], right=(1, 2, 3, 4), indent="  ", width=width - len(GAP) - BAR_LEAST)
    room = max(BAR_LEAST, width - max(map(len, lines)) - len(GAP))
    widest = max(map(len, lines))
    drawn = [
        f"{line.ljust(widest)}{GAP}{job_bar(job, room, longest)}".rstrip()
        for line, job in zip(lines[1:], shown, strict=True)
    ]
    left = len(profile.jobs) - len(shown)
    more = [f"  and {count(left, 'shorter job')}"] if left else []
    return ["jobs (bars: time from planned to ended; # cases, r other running)", lines[0], *drawn, *more]


def _job_row(job: JobProfile) -> tuple[str, ...]:
    return (
        job.id,
        count(job.recorded) if job.recorded == job.cases else f"{job.recorded:,}/{job.cases:,}",
        count(job.slots),
        duration(job.end - job.start),
        duration(job.idle_s),
        stands(job),
    )


def job_bar(job: JobProfile, width: int, longest: float) -> str:
    """A job's time as one bar: its phases in order, and within RUNNING the runner's own spans."""
    marks = [(MARKS.get(span.name, "?"), span.start, span.end) for span in job.phases]
    marks += [(MARKS.get(span.name, "?"), *_within(span, job)) for span in job.runner]
    room = max(1, min(width, round(width * (job.end - job.start) / longest))) if longest > 0 else 1
    length = job.end - job.start
    line = [" "] * room
    for mark, start, end in marks:
        if end <= start or length <= 0:
            continue
        first, last = (round(room * (at - job.start) / length) for at in (start, end))
        line[first:last] = mark * (last - first)
    return "".join(line)


def _within(span: Span, job: JobProfile) -> tuple[float, float]:
    """The node's clock may be off: what it tells is drawn within RUNNING."""
    running = next((phase for phase in job.phases if phase.name == "RUNNING"), None)
    low, high = (running.start, running.end) if running else (job.start, job.end)
    return min(max(span.start, low), high), min(max(span.end, low), high)
