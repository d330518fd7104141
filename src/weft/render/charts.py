"""The charts as Vega-Lite specs. Colours are given by name: CSS variables for a page, a theme's own for a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from weft.core.quantities import count, duration, moment, share
from weft.errors import WeftError
from weft.render import series
from weft.render.casemap import Heat, heats
from weft.render.palette import HEATS, named, word
from weft.render.series import Bars, Part, Path
from weft.render.ticks import log_ticks, ticks

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from weft.core.analysis import Analysis

P = ParamSpec("P")
R = TypeVar("R")

FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
"""Of one width, nearly: labels are measured here, and written by whatever shows the page."""
SIZE = 12
"""Of text, in pixels."""
WIDTH = 880
HALF = 420
_LETTER = 6.9
"""Pixels of a letter of a label, at most, on average."""

Paint = Mapping[str, str]
"""What a colour's name is written as."""
Spec = dict[str, Any]


def altair() -> Any:
    """The package, or what to do when it is missing."""
    try:
        import altair
    except ImportError as problem:
        raise missing(problem) from problem
    return altair


def missing(problem: ImportError) -> WeftError:
    """The extra is not installed."""
    what = f"the report needs the packages altair and vl-convert-python: {problem}"
    return WeftError(what, hint="pip install 'weft[plots]'")


def _unchecked(draw: Callable[P, R]) -> Callable[P, R]:
    """Without altair's checks against the schema of Vega-Lite, which take as long as all else: tests hold it once."""

    @wraps(draw)
    def drawn(*given: P.args, **more: P.kwargs) -> R:
        with altair().utils.schemapi.debug_mode(False):
            return draw(*given, **more)

    return drawn


# Axes


def _axis(marks: Mapping[float, str], **more: Any) -> alt.Axis:
    expression = f"({json.dumps({_key(at): text for at, text in marks.items()})})[datum.value]"
    axis: alt.Axis = altair().Axis(values=list(marks), labelExpr=expression, **more)
    return axis


def _key(value: float) -> str:
    """As JavaScript writes the number."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


# Time


def of_jobs(analysis: Analysis, paint: Paint, width: int = WIDTH) -> tuple[str, Spec]:
    """The jobs in time, and what that shows in a few words.

    Many jobs are drawn as how many were in each phase; jobs with long gaps between them each from its own beginning.
    """
    jobs = analysis.jobs
    if not series.together(jobs):
        parts = series.stacked(jobs)
        drawn = series.GROUPS_DRAWN
        means = (
            f", means of about {jobs.height // drawn:,} jobs each" if jobs.height > series.JOBS_DRAWN else ""
        )
        return f"The jobs, each from its own beginning{means}", stacked(parts, paint, width=width)
    if jobs.height > series.JOBS_DRAWN:
        return "Jobs in each phase, over time", concurrency(*series.concurrency(jobs), paint, width)
    return "The jobs in time" if jobs.height > 1 else "The job in time", timeline(
        *series.parts_of_jobs(analysis), paint, width
    )


@_unchecked
def timeline(phases: Sequence[Part], runner: Sequence[Part], paint: Paint, width: int = WIDTH) -> Spec:
    """A bar for each job in time, cut into its phases; within RUNNING the runner's own spans as a line."""
    low = min(part.start for part in phases)
    high = max(part.end for part in phases)
    order = list(dict.fromkeys(part.row for part in phases))
    since = f"since {moment(low)}"
    return _cut_bars(phases, runner, paint, order, low, high, title=since, width=width)


@_unchecked
def stacked(parts: Sequence[Part], paint: Paint, title: str = "", width: int = WIDTH) -> Spec:
    """A bar for each job (or group of jobs), cut into its phases, each from its own beginning."""
    order = list(dict.fromkeys(part.row for part in parts))
    return _cut_bars(parts, (), paint, order, 0.0, max(part.end for part in parts), title=title, width=width)


@_unchecked
def waited(path: Path, paint: Paint, width: int = WIDTH) -> Spec:
    """One bar: what the wall clock waited for, with a mark above it wherever time was left out."""
    return _cut_bars(path.parts, (), paint, [""], 0.0, path.parts[-1].end, path.pauses, step=46, width=width)


def _cut_bars(
    parts: Sequence[Part], runner: Sequence[Part], paint: Paint, order: Sequence[str], low: float, high: float,
    pauses: Sequence[tuple[float, float]] = (), *, title: str = "", step: int = 0, width: int,
) -> Spec:  # fmt: skip
    """A bar for each row, cut into its parts; ``step`` pixels from one to the next."""
    alt = altair()
    step = step or (30 if len(order) <= 12 else 20 if len(order) <= 30 else 12)
    room = (width - _LETTER * max(map(len, order), default=0)) / max(high - low, 1e-9)
    axis = _axis(ticks(0, high - low), title=title or None, titleAnchor="start", grid=True)
    x = alt.X("start:Q", axis=axis, scale=alt.Scale(domain=[0, high - low], nice=False))
    names = alt.Axis(title=None, labelLimit=220, domain=False, ticks=False, labelPadding=8)
    y = alt.Y("row:N", sort=list(order), axis=names if any(order) else None, scale=alt.Scale(padding=0.14))
    rows = alt.Chart(alt.InlineData(values=[_bar(part, low, room, step, paint) for part in parts]))
    layers = [_cuts(rows, x, y, stroke=paint["page"], strokeWidth=0.6 if step > 12 else 0.3)]
    if runner:
        thin = max(3, step // 7)
        lines = alt.Chart(alt.InlineData(values=[_bar(part, low, room, 0, paint) for part in runner]))
        look = {"height": thin, "yOffset": step * 0.43 - thin / 2 - 1.5, "stroke": paint["page"]}
        layers.append(_cuts(lines, x, y, strokeWidth=0.4, **look))
    if pauses:
        layers.append(_pauses(pauses, x, paint))
    text = rows.transform_filter("datum.label != ''").mark_text(fontSize=SIZE, aria=False)
    layers.append(text.encode(x="middle:Q", y=y, text="label:N", color=alt.Color("ink:N", scale=None)))
    return _finished(alt.layer(*layers), paint, width, step * max(1, len(order)))


def _pauses(pauses: Sequence[tuple[float, float]], x: alt.X, paint: Paint) -> alt.Chart:
    """A small triangle at the top for each; those at the same place are one."""
    rows = [{"start": round(at, 3), "tip": f"left out: {duration(missing)}"} for at, missing in pauses]
    marks = (
        altair()
        .Chart(altair().InlineData(values=rows))
        .mark_point(shape="triangle-down", size=70, filled=True, opacity=1, yOffset=4)
    )
    chart: alt.Chart = marks.encode(
        x=x, y=altair().value(0), color=altair().value(paint["ink"]), description="tip:N"
    )
    return chart


def _cuts(rows: alt.Chart, x: alt.X, y: alt.Y, **look: Any) -> alt.Chart:
    fill = altair().Color("fill:N", scale=None)
    cuts: alt.Chart = rows.mark_bar(**look).encode(x=x, x2="end:Q", y=y, color=fill, description="tip:N")
    return cuts


def _bar(part: Part, low: float, room: float, step: int, paint: Paint) -> dict[str, object]:
    """What is drawn of a stretch; its name only where that fits."""
    long, name = part.end - part.start, named(part.name)
    text = word(part.name)
    fits = step >= 18 and (len(text) + 2) * _LETTER < long * room
    row = f"{part.row}: " if part.row else ""
    tip = part.tip if part.tip.startswith(";") or not part.tip else f"; {part.tip}"
    return {
        "row": part.row,
        "start": round(part.start - low, 3),
        "end": round(part.end - low, 3),
        "middle": round((part.start + part.end) / 2 - low, 3),
        "fill": paint[name],
        "ink": paint[f"on-{name}"],
        "label": text if fits else "",
        "tip": f"{row}{text}, {duration(long)}{tip}",
    }


@_unchecked
def concurrency(
    edges: Sequence[float], jobs: Mapping[str, Sequence[float]], paint: Paint, width: int = WIDTH
) -> Spec:
    """How many jobs were in each phase, over time."""
    alt = altair()
    low = edges[0]
    rows = []
    for order, (name, counts) in enumerate(jobs.items()):
        tip = f"{word(name)}: {max(counts):,.1f} jobs at most, {sum(counts) / len(counts):,.1f} on average"
        common = {"name": name, "order": order, "tip": tip}
        rows += [
            {**common, "at": round(at - low, 1), "jobs": round(number, 3)}
            for at, number in zip(edges, [*counts, counts[-1]], strict=True)
        ]
    fill = alt.Color(
        "name:N", scale=alt.Scale(domain=list(jobs), range=[paint[named(name)] for name in jobs]), legend=None
    )
    axis = _axis(ticks(0, edges[-1] - low), title=f"since {moment(low)}", titleAnchor="start")
    chart = alt.Chart(alt.InlineData(values=rows)).mark_area(interpolate="step-after", line=False)
    chart = chart.encode(
        x=alt.X("at:Q", axis=axis, scale=alt.Scale(domain=[0, edges[-1] - low], nice=False)),
        y=alt.Y("jobs:Q", stack="zero", axis=alt.Axis(title="jobs", grid=True, tickCount=5, format=",d")),
        color=fill,
        order="order:O",
        description="tip:N",
    )
    return _finished(chart, paint, width, 260)


# Amounts


@_unchecked
def totals(found: pl.DataFrame, paint: Paint, width: int = WIDTH) -> Spec:
    """A bar for each phase: its time over all jobs; of ``core/groups.totals``."""
    alt = altair()
    rows = [
        {
            "name": word(name),
            "seconds": seconds,
            "fill": paint[named(name)],
            "text": f"{duration(seconds)}, {share(part)}",
            "tip": f"{word(name)}: {duration(seconds)}",
        }
        for name, seconds, part in found.select("phase", "total_s", "share").iter_rows()
    ]
    names = alt.Axis(title=None, domain=False, ticks=False, labelPadding=8)
    order = [row["name"] for row in rows]
    most = max(found["total_s"])
    whole = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("name:N", sort=order, axis=names, scale=alt.Scale(padding=0.18)),
        x=alt.X("seconds:Q", axis=None, scale=alt.Scale(domain=[0, 1.25 * most], nice=False)),
    )
    bars = whole.mark_bar().encode(color=alt.Color("fill:N", scale=None), description="tip:N")
    text = whole.mark_text(align="left", dx=6, fontSize=SIZE, color=paint["soft"], aria=False).encode(
        text="text:N"
    )
    return _finished(alt.layer(bars, text), paint, width, 24 * len(rows))


@_unchecked
def histogram(bars: Bars, name: str, what: str, paint: Paint, width: int = HALF) -> Spec:
    """How a length of time is spread, with its median and what nine of ten stay within; ``what`` is counted."""
    alt = altair()
    rows = [
        {
            "from": low,
            "to": high,
            "count": number,
            "tip": f"{duration(low)} to {duration(high)}: {count(number, what)}",
        }
        for (low, high), number in zip(pairwise(bars.edges), bars.counts, strict=True)
        if number
    ]
    low, high, most = bars.edges[0], bars.edges[-1], max(bars.counts)
    marks = log_ticks(low, high) if bars.logarithmic else ticks(low, high, most=5)
    scale = alt.Scale(type="log" if bars.logarithmic else "linear", domain=[low, high], nice=False)
    amounts = alt.Axis(title=f"{what}s", values=_steps(most), format=",d", grid=True)
    drawn = alt.Chart(alt.InlineData(values=rows)).mark_rect(stroke=paint["page"], strokeWidth=0.6)
    layers = [
        drawn.encode(
            x=alt.X("from:Q", scale=scale, axis=_axis(marks, title=None, grid=False)),
            x2="to:Q",
            y=alt.Y("count:Q", scale=alt.Scale(domain=[0, 1.28 * most], nice=False), axis=amounts),
            y2=alt.datum(0),
            color=alt.value(paint[named(name)]),
            description="tip:N",
        ),
        *_line(bars.median, "median", "right", most, paint),
        *_line(bars.p90, "90 %", "left", most, paint),
    ]
    return _finished(alt.layer(*layers), paint, width, 150)


def _line(at: float, text: str, align: str, most: float, paint: Paint) -> Iterator[alt.Chart]:
    """An upright line in a histogram, and what it says beside its top."""
    alt = altair()
    one = alt.Chart(alt.InlineData(values=[{"at": at, "text": text, "y": 1.14 * most, "top": 1.22 * most}]))
    rule = one.mark_rule(color=paint["ink"], strokeDash=[3, 3], aria=False)
    yield rule.encode(x="at:Q", y="top:Q", y2=alt.datum(0))
    away = -5 if align == "right" else 5
    words = one.mark_text(align=align, dx=away, fontSize=SIZE, color=paint["ink"], aria=False)
    yield words.encode(x="at:Q", y="y:Q", text="text:N")


def _steps(most: int) -> list[int]:
    """A few whole numbers up to this."""
    step = 1
    while most / step > 4:
        step = step * 2 if str(step)[0] != "2" else step * 5 // 2
    return list(range(0, most + 1, step))


# Cases


@_unchecked
def heat(found: Heat, paint: Paint, width: int = WIDTH) -> Spec:
    """The cases over two parameters: colour by wall time, failed ones marked."""
    alt = altair()
    side = max(15, min(30, 700 // len(found.columns)))
    long = max(map(len, found.columns)) * _LETTER > side
    across = alt.Axis(
        title=series.shortened(found.x, series.NAME),
        labelAngle=-90 if long else 0,
        labelLimit=120,
        domain=False,
        ticks=False,
        labelOverlap=False,
    )
    up = alt.Axis(
        title=series.shortened(found.y, series.NAME),
        labelLimit=180,
        domain=False,
        ticks=False,
        labelOverlap=False,
    )
    tight = alt.Scale(padding=0.05)
    whole = alt.Chart(alt.InlineData(values=list(_squares(found, paint)))).encode(
        x=alt.X("x:N", sort=list(found.columns), axis=across, scale=tight),
        y=alt.Y("y:N", sort=list(reversed(found.rows)), axis=up, scale=tight),
    )
    cells = whole.mark_rect(stroke=paint["page"], strokeWidth=1)
    marks = whole.transform_filter("datum.mark != ''").mark_text(fontSize=13, fontWeight="bold", aria=False)
    layers = [
        cells.encode(color=alt.Color("fill:N", scale=None), description="tip:N"),
        marks.encode(text="mark:N", color=alt.Color("ink:N", scale=None)),
    ]
    used = min(width, 230 + max(side, 18) * len(found.columns))
    return _finished(alt.layer(*layers), paint, used, max(18, side) * len(found.rows))


def _squares(found: Heat, paint: Paint) -> Iterator[dict[str, str]]:
    steps, _ = heats(found.cells, HEATS)
    x, y = (series.shortened(name, series.NAME) for name in (found.x, found.y))
    for cell, step in zip(found.cells, steps, strict=True):
        name = f"heat-{step}" if step is not None else "panel"
        took = f", {duration(cell.wall_s)}{' median' if cell.cases > 1 else ''}" if cell.wall_s else ""
        lost = f", {cell.failed:,} failed" if cell.failed else ""
        yield {
            "x": cell.x,
            "y": cell.y,
            "fill": paint[name],
            "ink": paint["ink"] if step is None else paint[f"on-{name}"],
            "mark": "×" if cell.failed else "",
            "tip": f"{x} = {cell.x}, {y} = {cell.y}: {count(cell.cases, 'case')}{took}{lost}",
        }


# All


def _finished(chart: Any, paint: Paint, width: int, height: float) -> Spec:
    """The chart as a spec, in the look of the house."""
    alt = altair()
    label: dict[str, Any] = {"labelColor": paint["soft"], "labelFontSize": SIZE, "titleColor": paint["soft"]}
    # Not by properties(), which holds each to the schema: that takes as long as all else here.
    chart.width, chart.height = width, height
    chart.autosize = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = chart.configure(
        background="transparent", font=FONT, padding={"left": 2, "top": 4, "right": 10, "bottom": 6}
    )
    chart = chart.configure_view(stroke=None).configure_axis(
        aria=False, domainColor=paint["line"], tickColor=paint["line"], gridColor=paint["line"], gridOpacity=0.7,
        titleFontSize=SIZE, titleFontWeight="normal", titlePadding=8, titleLimit=300, **label,
    )  # fmt: skip
    spec: Spec = chart.to_dict(validate=False)
    return spec
