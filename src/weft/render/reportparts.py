"""The parts of the report: what the template shows of an analysis. A part that would be empty is None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.core.critical import waited_for
from weft.core.groups import totals
from weft.core.jobtable import PHASES, RUNNER_SPANS
from weft.core.quantities import count, duration, moment
from weft.render import casemap, charts, gains, plots, series
from weft.render.palette import HEATS, VARIABLES, named, word
from weft.render.reportrows import (
    Part,
    amounts,
    forecast,
    grouped,
    listed,
    problems,
    strip,
    transfers,
    unusual,
)

if TYPE_CHECKING:
    import polars as pl

    from weft.core.analysis import Analysis

CONCERNED_LISTED = 5
WAITED_LISTED = 8
LEAST_NAMED = 0.01
"""The share of time from which a phase is one of the largest parts of what went by."""
LEAST_SEEN = 0.003
"""The share of time below which a phase needs no explanation of its colour."""


def drawn(spec: charts.Spec, name: str) -> Any:
    """The chart as SVG that a template takes as it is."""
    from markupsafe import Markup

    return Markup(plots.svg(spec, name))  # noqa: S704  # vega has escaped every text and attribute in it


def key(amounts: Mapping[str, float], *, lines: bool = False) -> list[Part]:
    """What the colours mean, in the order of a job's life; without those too short to be seen.

    ``lines``: the runner's spans are drawn as thin lines.
    """
    whole = sum(amounts.values())
    there = {name for name, seconds in amounts.items() if seconds >= LEAST_SEEN * whole}
    order = [*(phase.value for phase in PHASES), *RUNNER_SPANS]
    known = [name for name in order if name in there]
    return [
        {"name": named(name), "word": word(name), "line": lines and name in RUNNER_SPANS} for name in known
    ]


def headline(analysis: Analysis) -> Part:
    """What this is of, in figures; the jobs' time as one bar."""
    jobs, profile = analysis.jobs, analysis.profile
    cases = analysis.cases.height if analysis.cases is not None else int(jobs["cases"].sum() or 0)
    failed = int((analysis.cases["status"] == "failed").sum()) if analysis.cases is not None else 0
    su = jobs["su"].sum() if jobs["su"].count() else None
    lasted = "wall time" if series.together(jobs) else "some job under way"
    facts = [
        (lasted, duration(series.wall(jobs)) + (" so far" if profile.open else "")),
        ("jobs", count(jobs.height)),
    ]
    facts += [("cases", count(cases))] if cases else []
    facts += [("failed cases", count(failed))] if failed else []
    facts += [("charged", f"{su:,.2f} SU" if su < 100 else f"{su:,.0f} SU")] if su is not None else []
    found = totals(jobs)
    amounts = dict(found.filter(found["within"] == "").select("phase", "total_s").iter_rows())
    beside = found.filter(~found["phase"].is_in(["RUNNING", "CASES"]) & (found["share"] >= LEAST_NAMED))
    largest = beside.sort("share", descending=True).head(2)
    return {
        "when": _when(jobs),
        "facts": facts,
        "overhead": profile.totals.overhead if profile.totals.jobs else None,
        "without": "any case running" if cases else "the app running",
        "mostly": [(word(name), part) for name, part in largest.select("phase", "share").iter_rows()],
        "strip": strip(amounts),
        "key": key(amounts),
    }


def _when(jobs: pl.DataFrame) -> str:
    if not jobs.height:
        return ""
    first, last = moment(jobs["start"].min()), moment(jobs["end"].max())  # type: ignore[arg-type]
    return f"{first} to {last[11:] if first[:10] == last[:10] else last}"


def findings(analysis: Analysis) -> list[Part]:
    """Each with its gain in words, and with the first of its jobs."""
    found = []
    for each in analysis.findings:
        worth = " and ".join(gains.amounts(each))
        listed, more = each.jobs[:CONCERNED_LISTED], len(each.jobs) - CONCERNED_LISTED
        found.append(
            {
                "finding": each,
                "severity": each.severity.value,
                "gain": f"{gains.verb(each)} about {worth}" if worth else "",
                "jobs": listed,
                "more": more,
            }
        )
    return found


def waited(analysis: Analysis) -> Part | None:
    """The critical path as one bar, and what it consists of."""
    if not analysis.waited:
        return None
    amounts = waited_for(analysis.waited)
    rows = [(word(name), named(name), seconds) for name, seconds in amounts.items() if seconds >= 0.5]
    path = series.path(analysis.waited)
    return {
        "chart": drawn(charts.waited(path, VARIABLES), "waited"),
        "pauses": len(path.pauses),
        "left_out": sum(missing for _, missing in path.pauses),
        "key": key(amounts),
        "rows": rows[:WAITED_LISTED],
        "whole": sum(amounts.values()) or 1.0,
        "jobs": len({each.job for each in analysis.waited if each.job}),
        "binned": len(analysis.waited) > series.STRETCHES,
    }


def timeline(analysis: Analysis) -> Part | None:
    """The jobs in time; None where they lie too far apart."""
    if not series.together(analysis.jobs):
        return None
    said, spec = charts.of_jobs(analysis, VARIABLES)
    found = totals(analysis.jobs)
    if analysis.jobs.height > series.JOBS_DRAWN or not analysis.profile.jobs:
        found = found.filter(found["within"] == "")
    amounts = dict(found.select("phase", "total_s").iter_rows())
    return {"title": said, "chart": drawn(spec, "timeline"), "key": key(amounts, lines=True)}


def stacked(analysis: Analysis) -> Part | None:
    """The phases of each job, or of groups of jobs."""
    jobs = analysis.jobs
    if jobs.height < 2:
        return None
    together = jobs.height > series.JOBS_DRAWN
    longest = series.together(jobs) and not together
    parts = series.stacked(jobs, longest=longest)
    if not parts:
        return None
    amounts: dict[str, float] = {}
    for part in parts:
        amounts[part.name] = amounts.get(part.name, 0.0) + part.end - part.start
    chart = drawn(charts.stacked(parts, VARIABLES, title="from the job's beginning"), "stacked")
    return {"chart": chart, "key": key(amounts), "groups": together, "longest": longest}


def spreads(analysis: Analysis) -> list[Part]:
    """Histograms of what differs from job to job, and from case to case."""
    jobs, found = analysis.jobs, []
    wanted = [
        ("Wait in the queue", "QUEUED", "queued_s"),
        ("Running", "RUNNING", "running_s"),
        ("Archiving", "ARCHIVING", "archiving_s"),
    ]
    for title, name, column in wanted:
        bars = series.bars(jobs[column])
        if bars is not None:
            found.append(
                {
                    "title": title,
                    "bars": bars,
                    "chart": drawn(charts.histogram(bars, name, "job", VARIABLES), column),
                }
            )
    if analysis.cases is not None and casemap.WALL in analysis.cases.columns:
        bars = series.bars(analysis.cases[casemap.WALL])
        if bars is not None:
            chart = drawn(charts.histogram(bars, "CASES", "case", VARIABLES), "cases")
            found.append({"title": "Wall time of a case", "bars": bars, "chart": chart})
    return found


def cases(analysis: Analysis) -> Part | None:
    """The map of cases."""
    found = casemap.heat(analysis)
    if found is None:
        return None
    spec = charts.heat(found, VARIABLES)
    _, edges = casemap.heats(found.cells, HEATS)
    return {
        "heat": found,
        "width": spec["width"],
        "chart": drawn(spec, "heat"),
        "failed": sum(cell.failed for cell in found.cells),
        "several": any(cell.cases > 1 for cell in found.cells),
        "from": duration(edges[0]) if edges else "",
        "to": duration(edges[-1]) if edges else "",
        "steps": range(HEATS),
    }


def all_parts(analysis: Analysis) -> Part:
    """All of them by name, in the order in which they are shown."""
    makers = {
        "findings": findings, "forecast": forecast, "waited": waited, "timeline": timeline, "stacked": stacked,
        "amounts": amounts, "transfers": transfers, "spreads": spreads, "cases": cases, "grouped": grouped,
        "unusual": unusual, "problems": problems,
    }  # fmt: skip
    if not analysis.jobs.height:
        return {**dict.fromkeys(makers), "problems": problems(analysis), "headline": None, "listed": None}
    made: Part = {name: make(analysis) for name, make in makers.items()}
    return {"headline": headline(analysis), **made, "listed": listed(analysis)}
