"""The tables of the report: what its template shows in rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.core.groups import groups, totals
from weft.core.jobtable import PHASES, seconds_of
from weft.core.quantities import count, duration, moment, number, rate, share, size
from weft.render import series
from weft.render.palette import VARIABLES, named, word

if TYPE_CHECKING:
    import polars as pl

    from weft.core.analysis import Analysis
    from weft.core.normal import Baseline

JOBS_LISTED = 200
NOTES_LISTED = 50
UNUSUAL_LISTED = 30
GROUPS_LISTED = 12
LEAST_DRAWN = 0.001
"""The share of a bar that is about a pixel of it."""

Part = dict[str, Any]


def strip(amounts: Mapping[str, float]) -> list[Part]:
    """A bar cut into these, in shares of their sum, but for what nobody would see; what would not fit has no label."""
    whole = sum(amounts.values())
    return [
        {
            "name": named(name),
            "word": word(name),
            "seconds": seconds,
            "percent": round(100 * seconds / whole, 3),
            "wide": 8.2 * len(word(name)) + 24 < 880 * seconds / whole,
        }
        for name, seconds in amounts.items()
        if whole and seconds >= LEAST_DRAWN * whole
    ]


def forecast(analysis: Analysis) -> Part | None:
    """What was predicted beside what came."""
    if analysis.actual is None:
        return None
    actual, said = analysis.actual, analysis.actual.forecast
    rows = [_range("wall time", said.wall_s, actual.wall_s, duration)]
    if said.su is not None and actual.su is not None:
        rows.append(_range("charged", said.su, actual.su, lambda value: f"{value:,.2f} SU"))
    rows.append(_likely("files moved", said.files, actual.files, lambda value: count(round(value))))
    names = [phase.value for phase in PHASES if phase.value in {*said.spans, *actual.spans}]
    likely = [
        _likely(f"{word(name)}, one job", said.spans.get(name), actual.spans.get(name), duration)
        for name in names
    ]
    return {"rows": rows + likely, "basis": said.basis, "jobs": said.jobs}


def _range(what: str, said: tuple[float, float, float], came: float, write: Any) -> Part:
    least, likely, most = said
    end = 1.12 * max(most, came) or 1.0
    places = {
        name: round(100 * value / end, 2)
        for name, value in zip("abcd", (least, likely, most, came), strict=True)
    }
    verdict = "as predicted" if least <= came <= most else "more" if came > most else "less"
    told = f"{write(least)} to {write(most)}, likely {write(likely)}"
    return {"what": what, "said": told, "came": write(came), "verdict": verdict, "places": places}


def _likely(what: str, said: float | None, came: float | None, write: Any) -> Part:
    told, fact = ("–" if value is None else write(value) for value in (said, came))
    verdict = f"{came / said:.1f} ×" if said and came is not None else ""
    return {"what": what, "said": told, "came": fact, "verdict": verdict, "places": None}


def amounts(analysis: Analysis) -> list[Part]:
    """A row for each phase and for each span of the runner."""
    found = totals(analysis.jobs)
    most = max(found["share"], default=0.0) or 1.0
    rows: list[Part] = []
    within: list[Part] = []
    for row in found.iter_rows(named=True):
        shown = {
            **row,
            "name": named(row["phase"]),
            "word": word(row["phase"]),
            "long": round(100 * row["share"] / most, 2),
        }
        (within if row["within"] else rows).append(shown)
    place = next((place for place, row in enumerate(rows) if row["phase"] == "RUNNING"), len(rows) - 1)
    return [*rows[: place + 1], *within, *rows[place + 1 :]]


def transfers(analysis: Analysis) -> list[Part]:
    """What the service moved: inputs, then what was archived."""
    titles = {"inputs": "inputs staged", "archive": "outputs archived"}
    phases = {"inputs": "STAGING_INPUTS", "archive": "ARCHIVING"}
    return [
        {
            "what": titles[each.into],
            "all": each,
            "files_rate": rate(each.files, each.copying_s).replace("/", " files/") if each.copying_s else "–",
            "bytes_rate": f"{size(each.bytes / each.copying_s)}/s" if each.copying_s else "–",
            "phase": phases[each.into],
        }
        for each in series.moved(analysis.jobs)
    ]


def grouped(analysis: Analysis) -> list[Part]:
    """The jobs by app, system, queue, study and week, wherever there are several; the same groups only once."""
    found: list[Part] = []
    for by in ("app", "system", "queue", "study", "week"):
        rows = groups(analysis.jobs, by)
        if rows.height < 2:
            continue
        alike = next((each for each in found if _alike(analysis.jobs, each["by"], by)), None)
        if alike:
            alike["also"].append(by)
            continue
        listed = rows.tail(GROUPS_LISTED) if by == "week" else rows.head(GROUPS_LISTED)
        found.append(
            {
                "by": by,
                "also": [],
                "rows": [_group(row, by) for row in listed.iter_rows(named=True)],
                "more": rows.height - listed.height,
            }
        )
    return found


def _alike(jobs: pl.DataFrame, one: str, other: str) -> bool:
    """Both put the same jobs together."""
    if other not in jobs.columns:
        return False
    names = jobs.select(one, other).fill_null("")
    return names.n_unique() == names[one].n_unique() == names[other].n_unique()


def _group(row: Mapping[str, Any], by: str) -> Part:
    amounts = {phase.value: row[seconds_of(phase.value)] or 0.0 for phase in PHASES}
    name = f"from {row[by]}" if by == "week" else row[by]
    return {**row, "name": name or "–", "strip": strip(amounts)}


def unusual(analysis: Analysis) -> Part | None:
    """What is out of line with what is normal, and what is normal no more."""
    if not analysis.outliers and not analysis.drifts:
        return None
    out = [
        (each.job, _column(each.what), figure(each.what, each.value), _usual(each.what, each.normal))
        for each in analysis.outliers[:UNUSUAL_LISTED]
    ]
    drifts = [
        (
            ", ".join(part for part in (each.app, each.system, each.queue) if part),
            _column(each.what),
            moment(each.since)[:10],
            figure(each.what, each.before.median),
            figure(each.what, each.after.median),
        )
        for each in analysis.drifts[:UNUSUAL_LISTED]
    ]
    more = {"more": len(analysis.outliers) - len(out), "more_drifts": len(analysis.drifts) - len(drifts)}
    return {"outliers": out, "drifts": drifts, **more}


def _usual(column: str, normal: Baseline) -> str:
    low, middle, high = (figure(column, value) for value in (normal.p10, normal.median, normal.p90))
    return f"{middle} (8 in 10: {low} to {high}; {normal.count:,} jobs)"


def _column(column: str) -> str:
    for ending in ("_bytes", "_s"):
        column = column.removesuffix(ending)
    return word(column.upper()) if column.upper() in VARIABLES else column.replace("_", " ")


def figure(column: str, value: float) -> str:
    """The figure of a column, in its unit."""
    if column.endswith("bytes_per_s"):
        return f"{size(value)}/s"
    if column.endswith("_per_s"):
        return f"{value:,.1f}/s"
    if column.endswith("_share"):
        return share(value)
    if column.endswith("_s"):
        return duration(value)
    return size(value) if column.endswith("_bytes") else number(value)


def problems(analysis: Analysis) -> Part | None:
    """What could not be read, and what is odd in what was."""
    import polars as pl

    noted = analysis.jobs.filter(pl.col("notes").list.len() > 0).select("job", "notes").explode("notes")
    if not analysis.problems and not noted.height:
        return None
    return {
        "problems": analysis.problems[:NOTES_LISTED],
        "more_problems": len(analysis.problems) - NOTES_LISTED,
        "notes": list(noted.head(NOTES_LISTED).iter_rows()),
        "more_notes": noted.height - NOTES_LISTED,
    }


def listed(analysis: Analysis) -> Part:
    """The first jobs, one in each row."""
    import polars as pl

    ordered = analysis.jobs.sort("start", "job").head(JOBS_LISTED)
    rows = ordered.with_columns((pl.col("end") - pl.col("start")).alias("lasted"))
    longest = rows["lasted"].max() or 1.0
    where = [name for name in ("app", "system", "queue", "study") if analysis.jobs[name].n_unique() > 1]
    shown = []
    for row in rows.iter_rows(named=True):
        amounts = {phase.value: row[seconds_of(phase.value)] or 0.0 for phase in series.ORDER}
        more = {
            "strip": strip(amounts),
            "long": round(100 * row["lasted"] / longest, 2),
            "end_word": _ending(row),
        }
        shown.append({**row, **more, "where": ", ".join(row[name] for name in where if row[name])})
    return {
        "rows": shown,
        "queued": bool(ordered["queued_s"].sum()),
        "more": analysis.jobs.height - len(shown),
        "where": where,
        "cases": bool(ordered["cases"].sum()),
        "su": bool(ordered["su"].count()),
    }


def _ending(row: Mapping[str, Any]) -> str:
    return "under way" if row["open"] else str(row["outcome"] or "").lower().replace("_", " ")
