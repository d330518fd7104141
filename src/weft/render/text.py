"""Plain text for a terminal or a log: aligned columns and bars of at most 80 characters, ASCII only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from weft.core.jobtime import JobProfile, Span, TransferProfile
from weft.core.profile import Profile
from weft.core.story import Words
from weft.render.quantities import count, duration, moment, rate, share, size
from weft.store.folder import StudyFolder

WIDTH = 80
JOBS_SHOWN = 12
JOBS_LISTED = 100
PHASES_SHOWN = 5
LEAST_SHARE = 0.01
"""So many phases get a column of their own, and none with less of the time of all jobs."""
NAME_LEAST = 8
"""Where there is less room, a job's name says nothing."""
LATEST_SHOWN = 2
_GAP = "  "


def columns(rows: Sequence[Sequence[str]], right: Iterable[int] = (), indent: str = "") -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell; ``right`` are aligned to the right."""
    if not rows:
        return []
    widths = [max(len(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    to_right = set(right)
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in to_right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + _GAP.join(cells)).rstrip())
    return lines


def printable(text: str) -> str:
    """The text with control characters spelt out: what a model printed must not steer the user's terminal."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else f"\\x{ord(sign):02x}" for sign in text)


def cut(text: str, width: int) -> str:
    """The text on one line, with "..." where it had to be cut to this width."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: max(0, width - 3)] + "..."[:width]


def bar(parts: Mapping[str, float], width: int, whole: float | None = None) -> str:
    """One line of ``width`` characters: each part (a character and its amount) in its share of the whole.

    Shares are rounded at their ends, so the line is as long as the whole for any number of parts; a part may
    be too small to be seen.
    """
    total = whole if whole is not None else sum(parts.values())
    if total <= 0:
        return " " * width
    line, done = "", 0.0
    for character, amount in parts.items():
        done += max(0.0, amount)
        end = min(width, round(width * done / total))
        line += character[0] * (end - len(line))
    return line.ljust(width)


def words(folder: StudyFolder, now: float) -> Words:
    """How stories are written for people: local times with how long ago, and paths of this study."""
    return Words(
        when=lambda at: moment(at, now),
        lasting=duration,
        size=size,
        place=lambda job: _short_path(folder.job(job)),
    )


def _short_path(path: Path) -> str:
    """Relative to the current folder where it lies within it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


# The profile

_MARKS = {
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


def profile_text(profile: Profile, width: int = WIDTH) -> str:
    """Where the time of a study went: totals, spans, jobs, the slowest runs."""
    if not profile.jobs:
        return f"{profile.name or 'study'}: nothing has run yet"
    parts = [_totals(profile), _spans(profile, width), _transfers(profile), _jobs(profile, width)]
    return _sections([*parts, _slowest(profile)], width)


def jobs_text(profile: Profile, width: int = WIDTH) -> str:
    """Where the time of jobs went that are known by their service's account alone."""
    if not profile.jobs:
        return "no jobs"
    return _sections([_shares(profile, width), _spans(profile, width), _transfers(profile)], width)


def _sections(sections: Iterable[list[str]], width: int) -> str:
    return "\n\n".join("\n".join(cut_lines(lines, width)) for lines in sections if lines)


def cut_lines(lines: Iterable[str], width: int) -> Iterator[str]:
    """The same lines, cut to a width; what stands at their left stays."""
    return (line if len(line) <= width else line[: width - 3] + "..." for line in lines)


def _totals(profile: Profile) -> list[str]:
    total = profile.totals
    median, longest = duration(total.median_s), duration(total.longest_s)
    going = " so far" if profile.open else ""
    rows = [
        (
            "wall time",
            f"{duration(total.wall_s)}{going}, {count(total.jobs, 'job')}, {count(total.runs, 'run')}",
        ),
        ("in cases", f"{duration(total.case_s)}, {total.parallelism:.1f} at a time"),
        (
            "",
            f"median {median}, longest {longest}, cpu {duration(total.cpu_s)}",
        ),
        ("efficiency", f"{share(total.efficiency)} of the slots' time was spent in cases"),
        ("overhead", f"{share(total.overhead)} of the jobs' time went by without any case"),
        ("idle slots", f"{duration(total.idle_s)}, of which {duration(total.tail_s)} at the end of jobs"),
    ]
    if total.unsuccessful_s:
        rows.append(("in vain", f"{duration(total.unsuccessful_s)} in runs that did not finish"))
    if total.memory:
        rows.append(("memory", f"{size(total.memory)} at most in one case"))
    return [profile.name, *columns(rows, indent="  ")]


def _spans(profile: Profile, width: int) -> list[str]:
    spans = profile.totals.spans
    longest = max(spans.values(), default=0.0)
    rows = [(_MARKS.get(name, "?"), name, duration(seconds)) for name, seconds in spans.items()]
    lines = columns(rows, right=(2,), indent="  ")
    room = width - max(map(len, lines), default=0) - len(_GAP)
    drawn = [
        f"{line}{_GAP}{bar({_MARKS.get(name, '?'): seconds}, room, longest)}".rstrip()
        for line, (name, seconds) in zip(lines, spans.items(), strict=True)
    ]
    latest = sorted(profile.totals.uncertain.items(), key=lambda each: -each[1])[:LATEST_SHOWN]
    late = ", ".join(f"{duration(much)} in {name}" for name, much in latest)
    told = [f"  told late by up to {late}"] if late else []
    return ["time by span, all jobs together", *drawn, *told]


def _transfers(profile: Profile) -> list[str]:
    rows = [_transfer_row(each) for each in profile.totals.transfers]
    head = ("transfers", "", "files", "size", "waiting", "copying", "", "unnoticed")
    return columns([head, *rows], right=range(1, 8)) if rows else []


def _transfer_row(transfer: TransferProfile) -> tuple[str, ...]:
    return (
        f"  {transfer.into}",
        count(transfer.transfers),
        count(transfer.files),
        size(transfer.bytes),
        duration(transfer.waiting_s),
        duration(transfer.copying_s),
        rate(transfer.files, transfer.copying_s).replace("/", " files/"),
        duration(transfer.unnoticed_s),
    )


# Jobs by the account of their service


def _shares(profile: Profile, width: int) -> list[str]:
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
    head = ("job", "time", *(_SHORT.get(name, name.lower()) for name in wide), "rest", "")
    lines = columns([head, *rows], right=range(1, len(wide) + 3), indent="  ")
    room = width - max(map(len, lines)) - len(_GAP)
    names = ["", *(cut(job.name, room) if room >= NAME_LEAST else "" for job in shown), ""]
    drawn = [f"{line.ljust(width - room)}{name}".rstrip() for line, name in zip(lines, names, strict=True)]
    left = len(profile.jobs) - len(shown)
    more = [f"  and {count(left, 'shorter job')}"] if left else []
    during = duration(profile.totals.wall_s)
    title = f"{count(len(profile.jobs), 'job')} in {during}: share of each phase in per cent"
    return [title, *drawn[:-1], *more, drawn[-1]]


def _share_row(job: JobProfile, wide: Sequence[str]) -> tuple[str, ...]:
    spans: dict[str, float] = {}
    for span in job.phases:
        spans[span.name] = spans.get(span.name, 0.0) + span.seconds
    return (job.id.split("-")[0], duration(job.end - job.start), *_cells(spans, wide), _stands(job))


def _cells(spans: Mapping[str, float], wide: Sequence[str]) -> list[str]:
    """The share of each of these in all, and of the rest; empty for none."""
    whole = sum(spans.values())
    parts = [spans.get(name, 0.0) for name in wide]
    parts.append(max(0.0, whole - sum(parts)))
    return [f"{100 * part / whole:.0f}" if whole and part / whole > 1e-9 else "" for part in parts]


_SHORT = {
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


# The jobs of a study


def _jobs(profile: Profile, width: int) -> list[str]:
    longest = max(job.end - job.start for job in profile.jobs)
    shown = profile.jobs
    if len(shown) > JOBS_SHOWN:
        shown = sorted(shown, key=lambda job: job.start - job.end)[:JOBS_SHOWN]
    rows = [_job_row(job) for job in shown]
    head = ("job", "cases", "slots", "time", "idle", "")
    lines = columns([head, *rows], right=(1, 2, 3, 4), indent="  ")
    room = max(10, width - max(map(len, lines)) - len(_GAP))
    widest = max(map(len, lines))
    drawn = [
        f"{line.ljust(widest)}{_GAP}{job_bar(job, room, longest)}".rstrip()
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
        _stands(job),
    )


def _stands(job: JobProfile) -> str:
    """How the job ended, if not well, or where it is."""
    stands = job.outcome.value if job.outcome else job.phases[-1].name + " now"
    return "" if stands == "FINISHED" else stands


def job_bar(job: JobProfile, width: int, longest: float) -> str:
    """A job's time as one bar: its phases in order, and within RUNNING the runner's own spans."""
    marks = [(_MARKS.get(span.name, "?"), span.start, span.end) for span in job.phases]
    marks += [(_MARKS.get(span.name, "?"), *_within(span, job)) for span in job.runner]
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


def _peak(memory: int) -> str:
    return size(memory) if memory else "-"


def _slowest(profile: Profile) -> list[str]:
    rows = [
        (
            use.case,
            duration(use.wall_s),
            duration(use.cpu_s),
            size(use.memory) if use.memory else "-",
            use.outcome.value,
        )
        for use in profile.slowest
    ]
    head = ("case", "wall", "cpu", "memory", "")
    return ["the longest runs", *columns([head, *rows], right=(1, 2, 3), indent="  ")] if rows else []


# Choosing what fits


def fitting(
    names: Sequence[str], width_of: Callable[[str], int], width: int, gap: int = len(_GAP)
) -> list[str]:
    """The first of these columns that fit in a line, in order; one that is too wide is passed over."""
    chosen, used = [], -gap
    for name in names:
        needed = width_of(name) + gap
        if used + needed <= width:
            chosen.append(name)
            used += needed
    return chosen
