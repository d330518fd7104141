"""The history as text and as data: what is usual for the user's jobs, which are out of line, what has changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.core.groups import charged, failed_share
from weft.core.normal import KEY, LEAST, Baseline, Drift, Normal, Outlier, drifts, normal_of, outliers
from weft.core.quantities import count, duration, moment, share
from weft.render.jobstext import span_of
from weft.render.text import NAME_LEAST, WIDTH, columns, cut, cut_lines, on_a_line, squeezed

if TYPE_CHECKING:
    import polars as pl

KINDS_SHOWN = 12
UNUSUAL_SHOWN = 8
"""So many outliers are listed, and so many changes."""
FIGURES = {
    "queued": "queued_s",
    "staging": "staging_s",
    "running": "running_s",
    "archiving": "archiving_s",
    "overhead": "overhead_share",
}
"""What is shown of each kind of job: the head of the column, and its figure."""
_INDENT = "  "


def history_text(jobs: pl.DataFrame, width: int = WIDTH) -> str:
    """What is usual for each app, system and queue, the jobs out of line with it, and what has changed."""
    kinds = _kinds(jobs)
    known = normal_of(jobs, least=1)
    first, last = (moment(at).split()[0] for at in (_begin(jobs, "min"), _begin(jobs, "max")))
    period = f"begun on {first}" if first == last else f"begun from {first} to {last}"
    parts = [[f"{count(len(jobs), 'ended job')}, {period}"]]
    parts += _of_each_kind(kinds[:KINDS_SHOWN], known, width)
    if len(kinds) > KINDS_SHOWN:
        parts.append(
            [f"and {count(len(kinds) - KINDS_SHOWN, 'kind')} of jobs more: --app, --system, --queue choose"]
        )
    starts = dict(zip(jobs["job"], jobs["start"], strict=True))
    parts += [_outliers(outliers(jobs, known), starts, width), _drifts(drifts(jobs), width)]
    if any(kind["jobs"] < LEAST for kind in kinds):
        parts.append([f"Of fewer than {LEAST} jobs of a kind, none is called unusual."])
    return "\n\n".join("\n".join(cut_lines(lines, width)) for lines in parts if lines)


def history_data(jobs: pl.DataFrame) -> dict[str, Any]:
    """The same as data, with every figure of each kind of job."""
    from msgspec import to_builtins

    known = normal_of(jobs, least=1)
    kinds = [
        {**kind, "figures": to_builtins(known.baselines.get(tuple(kind[name] for name in KEY), {}))}
        for kind in _kinds(jobs)
    ]
    return {
        "jobs": len(jobs),
        "first": _begin(jobs, "min"),
        "last": _begin(jobs, "max"),
        "kinds": kinds,
        "outliers": to_builtins(outliers(jobs, known)),
        "drifts": to_builtins(drifts(jobs)),
    }


def _begin(jobs: pl.DataFrame, which: str) -> float:
    return getattr(jobs["start"], which)() or 0.0  # null where nobody knows it


def _kinds(jobs: pl.DataFrame) -> list[dict[str, Any]]:
    """Apps on systems in queues, those with most jobs first."""
    import polars as pl

    found = (
        jobs.with_columns(pl.col(name).fill_null("") for name in KEY)
        .group_by(KEY)
        .agg(pl.len().alias("jobs"), failed_share().alias("failed_share"), charged().alias("su"))
        .sort("jobs", *KEY, descending=[True, False, False, False])
    )
    return found.to_dicts()


def where(app: str, system: str, queue: str) -> str:
    """A kind of job in words: "opensees-mp-s3 on stampede3, queue skx", or "on this machine (login1)"."""
    place = system
    if not app and not queue and system in ("", socket.gethostname()):
        place = f"this machine ({system})" if system else "this machine"
    told = f"{app} on {place}" if app else f"on {place}"
    return on_a_line(f"{told}, queue {queue}" if queue else told)


def _of_each_kind(kinds: Sequence[dict[str, Any]], known: Normal, width: int) -> Iterator[list[str]]:
    """A few lines for each; a figure that is known of none of them has no column."""
    found = [
        {
            name: known.of(kind["app"], kind["system"], kind["queue"], figure)
            for name, figure in FIGURES.items()
        }
        for kind in kinds
    ]
    told = [name for name in FIGURES if any(of_these[name] for of_these in found)]
    for kind, of_these in zip(kinds, found, strict=True):
        yield _kind(kind, {name: of_these[name] for name in told}, width)


def _kind(kind: Mapping[str, Any], found: Mapping[str, Baseline | None], width: int) -> list[str]:
    told = [count(kind["jobs"], "job")]
    if kind["failed_share"]:
        told.append(f"{share(kind['failed_share'])} failed")
    if kind["su"] is not None:
        told.append(f"{kind['su']:,.2f} SU")
    rows = [
        ("", *found),
        ("median", *(_written(name, each.median if each else None) for name, each in found.items())),
        ("p90", *(_written(name, each.p90 if each else None) for name, each in found.items())),
    ]
    figures = f": {', '.join(told)}"
    head = squeezed(where(*(kind[name] for name in KEY)), max(NAME_LEAST, width - len(figures)))
    lines = columns(rows, right=range(1, len(rows[0])), indent=_INDENT)
    return [f"{head}{figures}", *(lines if any(found.values()) else [])]


def _written(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return share(value) if FIGURES[name].endswith("_share") else duration(value)


def _outliers(found: Sequence[Outlier], starts: dict[str, float | None], width: int) -> list[str]:
    rows = [
        (
            each.job,
            span_of(each.what),
            duration(each.value),
            f"usually {duration(each.normal.median)}",
            moment(starts.get(each.job) or 0.0).split()[0],
        )
        for each in found[:UNUSUAL_SHOWN]
    ]
    lines = columns(rows, right=(2,), indent=_INDENT, width=width)
    return [*_title("out of line", len(found)), *lines] if rows else []


def _drifts(found: Sequence[Drift], width: int) -> list[str]:
    lines = [line for each in found[:UNUSUAL_SHOWN] for line in _drift(each, width)]
    return [*_title("changed", len(found)), *lines] if lines else []


def _drift(each: Drift, width: int) -> Iterator[str]:
    yield _INDENT + cut(where(each.app, each.system, each.queue), width - len(_INDENT))
    since = f"since {moment(each.since).split()[0]} ({count(each.after.count, 'job')})"
    now, before = duration(each.after.median), duration(each.before.median)
    yield f"{_INDENT * 2}{span_of(each.what)}  {now} {since}, was {before}"


def _title(text: str, number: int) -> list[str]:
    return [f"{text}, the first {UNUSUAL_SHOWN} of {number:,}" if number > UNUSUAL_SHOWN else text]
