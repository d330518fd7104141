"""An analysis as text for a terminal: findings first, then where the time went.

Lines have at most 80 characters, but for settings and commands, which are to be copied.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from weft.core.analysis import Analysis
from weft.core.critical import waited_for
from weft.core.profile import Totals
from weft.core.quantities import count, duration, rate, share, size
from weft.core.transfers import TransferProfile
from weft.render import gains
from weft.render.jobstext import LEAST_SHARE, MARKS, SHORT, bars, shares, span_of
from weft.render.text import GAP, WIDTH, bar, columns, cut, cut_lines, on_a_line, printable

if TYPE_CHECKING:
    import polars as pl

    from weft.core.findings.base import Finding, Remedy

FINDINGS_SHOWN = 8
EVIDENCE_SHOWN = 3
GROUP_PHASES = 3
UNUSUAL_SHOWN = 5
"""So many jobs that are out of line, and so many changes."""
WAITED_SHOWN = 6
NOTES_SHOWN = 5
_INDENT = "  "
_DEEPER = "      "

Style = Callable[[str, str], str]
"""Colours a text for what it is: "title", "failure", "waste", "note" or "code"."""


def plain(text: str, kind: str) -> str:
    """As it is."""
    return text


def analysis_text(analysis: Analysis, width: int = WIDTH, style: Style = plain) -> str:
    """Where the time went, and what that means."""
    profile = analysis.profile
    if not profile.jobs:
        return f"{analysis.title}: nothing has run yet" if profile.name else "no jobs"
    of_cases = bool(profile.totals.runs)
    sections = [
        _headline(analysis, of_cases),
        _forecast(analysis),
        _phases(analysis, width),
        _waited(analysis, width),
        _transfers(profile.totals),
        bars(profile, width) if of_cases else shares(profile, width),
        _slowest(analysis),
        _unusual(analysis, width),
        _notes(analysis),
    ]
    told = [[*cut_lines(lines, width)] for lines in sections if lines]
    told[1:1] = _findings(analysis, width, style)  # not cut: they fit, and their colours are letters, too
    return "\n\n".join("\n".join([style(title, "title"), *lines]) for title, *lines in told)


def _headline(analysis: Analysis, of_cases: bool) -> list[str]:
    total, profile = analysis.profile.totals, analysis.profile
    going = " so far" if profile.open else ""
    jobs = count(total.jobs, "job")
    su = analysis.jobs["su"].sum() if analysis.jobs["su"].null_count() < analysis.jobs.height else None
    rows = [("wall time", f"{duration(total.wall_s)}{going}, {jobs}")]
    if of_cases:
        median, longest = duration(total.median_s), duration(total.longest_s)
        rows[0] = ("wall time", f"{rows[0][1]}, {count(total.runs, 'run')}")
        rows += [
            ("in cases", f"{duration(total.case_s)}, {total.parallelism:.1f} at a time"),
            ("", f"median {median}, longest {longest}, cpu {duration(total.cpu_s)}"),
            ("efficiency", f"{share(total.efficiency)} of the slots' time was spent in cases"),
        ]
    without = "any case" if of_cases else "the app running"
    rows.append(("overhead", f"{share(total.overhead)} of the jobs' time went by without {without}"))
    if total.idle_s:
        rows.append(
            ("idle slots", f"{duration(total.idle_s)}, of which {duration(total.tail_s)} at the end of jobs")
        )
    if total.unsuccessful_s:
        rows.append(("in vain", f"{duration(total.unsuccessful_s)} in runs that did not finish"))
    if total.memory:
        rows.append(("memory", f"{size(total.memory)} at most in one case"))
    if su is not None:
        rows.append(("charged", f"about {su:,.2f} SU"))
    return [on_a_line(analysis.title), *columns(rows, indent=_INDENT)]


# What it means


def _findings(analysis: Analysis, width: int, style: Style) -> list[list[str]]:
    """One section, or none."""
    found = analysis.findings
    lines = ["findings"]
    told: set[Remedy] = set()
    for finding in found[:FINDINGS_SHOWN]:
        lines += _finding(finding, told, width, style)
    left = len(found) - FINDINGS_SHOWN
    if left > 0:
        lines.append(f"{_INDENT}and {left} more: `--json` and the report (`-o report.html`) have them all")
    return [lines] if found else []


def _finding(finding: Finding, told: set[Remedy], width: int, style: Style) -> Iterator[str]:
    severity = finding.severity.value
    worth = ", ".join(gains.amounts(finding))
    gain = f"{gains.verb(finding)} {worth}" if worth else ""
    line = f"{_INDENT}{severity:7}  {cut(finding.title, width - 12 - len(gain))}"
    yield style(line, severity) + (f"{gain:>{width - len(line)}}" if gain else "")
    for text in (finding.where, *finding.evidence[:EVIDENCE_SHOWN], finding.cause):
        yield from _wrapped(text, width)
    for remedy in finding.remedies[:1]:
        yield from _remedy(remedy, width, style, again=remedy in told)
        told.add(remedy)


def _remedy(remedy: Remedy, width: int, style: Style, *, again: bool) -> Iterator[str]:
    """What to do; its settings and commands are to be copied, so they are never cut."""
    yield from _wrapped(f"{remedy.say} (as above)" if again else remedy.say, width, first="   -> ")
    commands = [f"$ {line}" for line in remedy.command.splitlines()]
    code = [] if again else [*remedy.setting.splitlines(), *commands]
    for line in code:
        if line.strip():
            yield style(f"{_DEEPER}   {printable(line)}", "code")


def _wrapped(text: str, width: int, first: str = _DEEPER) -> Iterable[str]:
    """Sentences may be longer than a line: they go on below."""
    if not text:
        return []
    return textwrap.wrap(
        printable(text), width, initial_indent=first, subsequent_indent=_DEEPER, break_on_hyphens=False
    )


def _forecast(analysis: Analysis) -> list[str]:
    actual = analysis.actual
    if actual is None:
        return []
    least, likely, most = actual.forecast.wall_s
    rows = [
        (
            "wall time",
            f"{duration(least)} to {duration(most)}, likely {duration(likely)}",
            duration(actual.wall_s),
        )
    ]
    if actual.forecast.su is not None and actual.su is not None:
        low, _, high = actual.forecast.su
        rows.append(("charged", f"{low:,.2f} to {high:,.2f} SU", f"{actual.su:,.2f} SU"))
    rows.append(("files moved", count(actual.forecast.files), count(actual.files)))
    return [
        "prediction and fact, of the last run",
        *columns([("", "predicted", "was"), *rows], indent=_INDENT),
    ]


# Where the time went


def groups_text(groups: pl.DataFrame, by: str, width: int = WIDTH) -> str:
    """A line for each group of jobs: how many, how long, how many failed, and the phases that took longest."""
    if by == "phase":
        return "\n".join(cut_lines(_phase_lines(groups, width), width))
    if not groups.height:
        return "no jobs"
    names = [name for name in groups.columns if name.endswith("_share") and name != "failed_share"]
    means = {name: float(str(groups[name].mean() or 0.0)) for name in names}
    some = [name for name in names if means[name] >= LEAST_SHARE]
    wide = sorted(some, key=lambda name: -means[name])[:GROUP_PHASES]
    rows = [
        (
            row[by] or "-",
            count(row["jobs"]),
            share(row["failed_share"]) if row["failed_share"] is not None else "",
            duration(row["median_s"]),
            duration(row["p90_s"]),
            f"{row['su']:,.2f}" if row["su"] is not None else "",
            *(share(row[name]) for name in wide),
        )
        for row in groups.to_dicts()
    ]
    short = [SHORT.get(name.removesuffix("_share").upper(), name.removesuffix("_share")) for name in wide]
    head = (by, "jobs", "failed", "median", "p90", "SU", *short)
    return "\n".join(cut_lines(columns([head, *rows], right=range(1, len(head)), width=width), width))


def _phases(analysis: Analysis, width: int) -> list[str]:
    from weft.core.groups import totals

    return ["time by phase", *_phase_lines(totals(analysis.jobs), width)]


def _phase_lines(found: pl.DataFrame, width: int) -> list[str]:
    rows = [
        (
            MARKS.get(row["phase"], "?"),
            row["phase"],
            duration(row["total_s"]),
            share(row["share"]) if row["share"] is not None else "",
            duration(row["median_s"]),
            duration(row["p90_s"]),
            f"+-{duration(row['uncertain_s'])}" if row["uncertain_s"] else "",
        )
        for row in found.to_dicts()
    ]
    head = ("", "", "total", "share", "median", "p90", "unsure")
    lines = columns([head, *rows], right=(2, 3, 4, 5, 6), indent=_INDENT)
    room = width - max(map(len, lines)) - len(GAP)
    if room < 8:
        return lines
    seconds = found["total_s"].to_list()
    widest = max(map(len, lines))
    drawn = [
        f"{line.ljust(widest)}{GAP}{bar({row[0]: amount}, room, max(seconds))}".rstrip()
        for line, row, amount in zip(lines[1:], rows, seconds, strict=True)
    ]
    return [lines[0], *drawn]


def _waited(analysis: Analysis, width: int) -> list[str]:
    sums = waited_for(analysis.waited)
    whole = sum(sums.values())
    if not whole:
        return []
    shown = dict(list(sums.items())[:WAITED_SHOWN])
    left = whole - sum(shown.values())
    named = [*((name or "(no job under way)", seconds) for name, seconds in shown.items())]
    named += [("all else", left)] if len(sums) > len(shown) else []
    rows = [(name, duration(seconds), share(seconds / whole)) for name, seconds in named]
    lines = columns(rows, right=(1, 2), indent=_INDENT)
    room = max(8, width - max(map(len, lines)) - len(GAP))
    strip = bar(_marked(sums), room, whole)
    return ["what the wall clock waited for", *lines, f"{_INDENT}{strip.rstrip()}"]


def _marked(sums: Mapping[str, float]) -> dict[str, float]:
    marks: dict[str, float] = {}
    for name, seconds in sums.items():
        mark = MARKS.get(name, ".")
        marks[mark] = marks.get(mark, 0.0) + seconds
    return marks


def _transfers(total: Totals) -> list[str]:
    rows = [_transfer_row(each) for each in total.transfers]
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


def _slowest(analysis: Analysis) -> list[str]:
    rows = [
        (
            use.case,
            duration(use.wall_s),
            duration(use.cpu_s),
            size(use.memory) if use.memory else "-",
            use.outcome.value,
        )
        for use in analysis.profile.slowest
    ]
    head = ("case", "wall", "cpu", "memory", "")
    return ["the longest runs", *columns([head, *rows], right=(1, 2, 3), indent=_INDENT)] if rows else []


def _unusual(analysis: Analysis, width: int) -> list[str]:
    outliers, drifts = analysis.outliers[:UNUSUAL_SHOWN], analysis.drifts[:UNUSUAL_SHOWN]
    rows = [
        (each.job, span_of(each.what), duration(each.value), f"usually {duration(each.normal.median)}")
        for each in outliers
    ]
    rows += [
        (
            each.app or each.system,
            span_of(each.what),
            duration(each.after.median),
            f"was {duration(each.before.median)}",
        )
        for each in drifts
    ]
    if not rows:
        return []
    left = len(analysis.outliers) + len(analysis.drifts) - len(rows)
    more = [f"{_INDENT}and {left:,} more: `--json` has all"] if left else []
    return ["out of line", *columns(rows, right=(2,), indent=_INDENT, width=width), *more]


def _notes(analysis: Analysis) -> list[str]:
    """What was wrong with the data, one line for each job, and what could not be read at all."""
    noted = [f"{job.id}: {note}" for job in analysis.profile.jobs for note in job.notes[:1]]
    first = (text.partition("\n")[0] for text in (*analysis.problems, *noted))  # hints are said elsewhere
    lines = [f"{_INDENT}{printable(text)}" for text in first]
    left = len(lines) - NOTES_SHOWN
    more = [f"{_INDENT}and {left} more"] if left > 0 else []
    return ["notes", *lines[:NOTES_SHOWN], *more] if lines else []
