"""What charts are drawn from: jobs brought down to a few hundred marks, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.jobtable import INTO, PHASES, seconds_of
from weft.model import Phase
from weft.render.text import squeezed

if TYPE_CHECKING:
    import polars as pl

    from weft.core.analysis import Analysis, Waited

JOBS_DRAWN = 60
"""More jobs than these are drawn together."""
GROUPS_DRAWN = 24
"""In so many groups, where not in time."""
CLOSE = 0.25
"""Jobs that were under way for less of the time than this share are not drawn on one axis."""
TIME_BINS = 300
BARS = 28
"""Of a histogram, at most."""
FEW = 5
"""Fewer values make no histogram."""
SAME = 1e-6
"""Nor do values that differ by no more than this share."""
STRETCHES = 120
"""Of the critical path, drawn."""
PAUSE = 1.0
"""Seconds that are missing from the critical path; less is not worth a mark."""
NAME = 40
"""Letters of a name where it is said of a mark."""

ORDER = (
    *PHASES[: PHASES.index(Phase.STAGING_INPUTS)],
    Phase.BLOCKED,
    Phase.PAUSED,
    *PHASES[PHASES.index(Phase.STAGING_INPUTS) : PHASES.index(Phase.BLOCKED)],
    Phase.COLLECTING,
)
"""As a job goes through them; where it was blocked is not in the table, so that is drawn where it mostly happens."""


class Part(Struct, frozen=True, kw_only=True):
    """A stretch of a bar."""

    row: str
    name: str
    """A phase, or a span of the runner."""
    start: float
    end: float
    tip: str = ""
    """What is said of it beyond its name and length."""


class Path(Struct, frozen=True, kw_only=True):
    """The critical path as one bar that begins at 0; what is not part of it takes no room."""

    parts: Sequence[Part]
    pauses: Sequence[tuple[float, float]]
    """Where time was left out, and how long."""


class Bars(Struct, frozen=True, kw_only=True):
    """A histogram: one more edge than counts."""

    edges: Sequence[float]
    counts: Sequence[int]
    median: float
    p90: float
    logarithmic: bool
    """Edges grow by a factor."""


class Moved(Struct, frozen=True, kw_only=True):
    """All transfers of a kind."""

    into: str
    jobs: int
    transfers: int
    files: int
    bytes: int
    waiting_s: float
    copying_s: float
    unnoticed_s: float


# Jobs


def labels(jobs: pl.DataFrame, width: int = 24) -> dict[str, str]:
    """Short names of these jobs by id, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for job, name in jobs.select("job", "name").iter_rows():
        label = shortened(name or job, width)
        if label in taken:
            label = f"{shortened(name or job, width - 10)} {job[:8]}"
        while label in taken:
            label += "'"
        taken.add(label)
        found[job] = label
    return found


def distinct(texts: Iterable[str], width: int) -> dict[str, str]:
    """Short labels of these texts, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in texts:
        label = shortened(text, width)
        while text not in found and label in taken:
            label += "'"
        found.setdefault(text, label)
        taken.add(label)
    return found


def shortened(text: str, width: int) -> str:
    """The text with its middle left out where it is longer than this, for what need not be ASCII."""
    return squeezed(text, width, "…")


def wall(jobs: pl.DataFrame) -> float:
    """Seconds in which at least one job was under way."""
    import polars as pl

    ordered = jobs.select("start", "end").drop_nulls().sort("start")
    before = pl.col("end").cum_max().shift(1)
    gaps = (pl.col("start") - before).clip(lower_bound=0).sum()
    return ordered.select(pl.col("end").max() - pl.col("start").min() - gaps).item() or 0.0


def together(jobs: pl.DataFrame) -> bool:
    """The jobs lie close enough in time for one axis."""
    import polars as pl

    whole = jobs.select(pl.col("end").max() - pl.col("start").min()).item() or 0.0
    return bool(whole > 0 and wall(jobs) >= CLOSE * whole)


def parts_of_jobs(analysis: Analysis) -> tuple[list[Part], list[Part]]:
    """The phases of the jobs in time, and the runner's spans within RUNNING."""
    if len(analysis.profile.jobs) != analysis.jobs.height:
        return [part for row in _by_start(analysis.jobs) for part in _row_parts(row, row["start"])], []
    phases, runner = [], []
    names = labels(analysis.jobs)
    for job in sorted(analysis.profile.jobs, key=lambda each: (each.start, each.id)):
        row = names[job.id]
        for span in job.phases:
            tip = ("; not over" if span.open else "") + (_uncertain(span.uncertain))
            phases.append(Part(row=row, name=span.name, start=span.start, end=span.end, tip=tip))
        running = [span for span in job.phases if span.name == Phase.RUNNING.value]
        low, high = (running[0].start, running[-1].end) if running else (job.start, job.end)
        for span in job.runner:
            start, end = (min(max(at, low), high) for at in (span.start, span.end))
            runner.append(Part(row=row, name=span.name, start=start, end=end))
    return [part for part in phases if part.end > part.start], [
        each for each in runner if each.end > each.start
    ]


def _uncertain(seconds: float) -> str:
    return f"; told up to {seconds:.0f} s late" if seconds >= 1 else ""


def _by_start(jobs: pl.DataFrame) -> Iterator[dict[str, object]]:
    names = labels(jobs)
    columns = ["job", "start", *(seconds_of(phase.value) for phase in PHASES)]
    for row in jobs.select(columns).sort("start", "job").iter_rows(named=True):
        yield {**row, "label": names[row["job"]]}


def _lasted(row: Mapping[str, object]) -> float:
    return sum(part.end - part.start for part in _row_parts(row, 0.0))


def _row_parts(row: Mapping[str, object], start: object) -> Iterator[Part]:
    """One after the other."""
    at = float(start)  # type: ignore[arg-type]
    for phase in ORDER:
        seconds = float(row[seconds_of(phase.value)] or 0.0)  # type: ignore[arg-type]
        if seconds > 0:
            yield Part(row=str(row["label"]), name=phase.value, start=at, end=at + seconds)
            at += seconds


def stacked(jobs: pl.DataFrame, *, longest: bool = False) -> list[Part]:
    """Each job's seconds by phase, from 0, in the order in which they began, or the longest first.

    Of more jobs than can be drawn: the means of those that began one after the other.
    """
    if jobs.height <= JOBS_DRAWN:
        ordered = sorted(_by_start(jobs), key=_lasted, reverse=True) if longest else _by_start(jobs)
        return [part for row in ordered for part in _row_parts(row, 0.0)]
    import polars as pl

    columns = [seconds_of(phase.value) for phase in PHASES]
    group = (pl.int_range(pl.len()) * GROUPS_DRAWN) // pl.len()
    numbered = jobs.sort("start", "job").with_columns(
        group.alias("group"), pl.int_range(1, pl.len() + 1).alias("nth")
    )
    means = numbered.group_by("group", maintain_order=True).agg(
        pl.col(columns).fill_null(0.0).mean(),
        pl.col("nth").min().alias("first"),
        pl.col("nth").max().alias("last"),
    )
    rows = ({**row, "label": f"{row['first']:,}–{row['last']:,}"} for row in means.iter_rows(named=True))
    return [part for row in rows for part in _row_parts(row, 0.0)]


def concurrency(jobs: pl.DataFrame, bins: int = TIME_BINS) -> tuple[list[float], dict[str, list[float]]]:
    """The edges of so many stretches of time, and how many jobs were in each phase, on average over each."""
    import polars as pl

    columns = [seconds_of(phase.value) for phase in ORDER]
    known = jobs.select("start", *columns).drop_nulls("start").fill_null(0.0)
    reach = known.select(
        pl.col("start").min().alias("low"), (pl.sum_horizontal("start", *columns)).max().alias("high")
    )
    low, high = reach.row(0)
    edges = [low + (high - low) * place / bins for place in range(bins + 1)]
    found: dict[str, list[float]] = {}
    begin = known["start"]
    for phase, column in zip(ORDER, columns, strict=True):
        end = begin + known[column]
        if known[column].max():
            inside = [
                one - other for one, other in zip(_passed(begin, edges), _passed(end, edges), strict=True)
            ]
            found[phase.value] = [
                max(0.0, (inside[place + 1] - inside[place]) * bins / (high - low)) for place in range(bins)
            ]
        begin = end
    return edges, found


def _passed(moments: pl.Series, edges: Sequence[float]) -> list[float]:
    """For each edge the seconds since all the moments before it, added up."""
    import polars as pl

    # From the first edge: sums of seconds since the epoch would lose the fractions.
    ordered = (moments - edges[0]).sort()
    places = ordered.search_sorted(pl.Series([edge - edges[0] for edge in edges]), side="right").to_list()
    added = pl.concat([pl.Series([0.0]), ordered.cum_sum()]).gather(places).to_list()
    return [
        place * (edge - edges[0]) - total for place, edge, total in zip(places, edges, added, strict=True)
    ]


def moved(jobs: pl.DataFrame) -> list[Moved]:
    """What the service transferred, of each kind."""
    found = []
    for into in INTO:
        names = ("transfers", "files", "bytes", "waiting_s", "copying_s", "unnoticed_s")
        some = jobs.filter(jobs[f"{into}_transfers"] > 0)
        if some.height:
            sums: dict[str, Any] = {name: some[f"{into}_{name}"].sum() for name in names}
            found.append(Moved(into=into, jobs=some.height, **sums))
    return found


# The critical path


def path(waited: Sequence[Waited]) -> Path:
    """The critical path in at most ``STRETCHES`` parts; of a longer one, what was waited for most in each step."""
    parts: list[Part] = []
    pauses: list[tuple[float, float]] = []
    at = 0.0
    for before, each in pairwise([None, *waited]):
        assert each is not None  # noqa: S101  # only what is before the first is none
        missing = each.start - before.end if before else 0.0
        if missing >= PAUSE:
            pauses.append((at, missing))
        name, tip = (each.name, shortened(each.job, NAME)) if each.job else ("OTHER", "")
        parts.append(Part(row="", name=name, start=at, end=at + each.end - each.start, tip=tip))
        at = parts[-1].end
    return Path(parts=parts if len(parts) <= STRETCHES else _steps(parts), pauses=pauses)


def _steps(parts: Sequence[Part]) -> list[Part]:
    """These, which follow each other, in steps of the same length, each by what is most of it."""
    step = parts[-1].end / STRETCHES
    bins: list[dict[str, float]] = [{} for _ in range(STRETCHES)]
    for part in parts:
        first = min(STRETCHES - 1, int(part.start / step)) if step else 0
        last = min(STRETCHES - 1, int(part.end / step)) if step else 0
        for place in range(first, last + 1):
            inside = min(part.end, (place + 1) * step) - max(part.start, place * step)
            bins[place][part.name] = bins[place].get(part.name, 0.0) + inside
    most = [max(found, key=lambda name: found[name]) if found else "OTHER" for found in bins]
    return list(_joined(most, step))


def _joined(names: Sequence[str], step: float) -> Iterator[Part]:
    first = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[first]:
            yield Part(row="", name=names[first], start=first * step, end=place * step)
            first = place


# Distributions


def bars(values: pl.Series, count: int = BARS) -> Bars | None:
    """The histogram of the positive ones; None where they do not differ. By factors where they span many."""
    import polars as pl

    some = values.cast(pl.Float64).drop_nulls().drop_nans()
    some = some.filter(some > 0)
    low, high = float(some.min() or 0.0), float(some.max() or 0.0)
    if some.len() < FEW or high - low <= SAME * high:
        return None
    p5, median, p90 = (float(some.quantile(part, "linear") or 0.0) for part in (0.05, 0.5, 0.9))
    logarithmic = high / max(low, p5) > 50
    count = max(5, min(count, some.len() // 2 + 4))
    if logarithmic:
        low = max(low, high / 1e6)
        edges = [low * (high / low) ** (place / count) for place in range(count + 1)]
    else:
        edges = [low + (high - low) * place / count for place in range(count + 1)]
    below = some.sort().search_sorted(pl.Series(edges[1:-1]), side="left").to_list()
    ends = [0, *below, some.len()]
    counts = [last - first for first, last in pairwise(ends)]
    return Bars(edges=edges, counts=counts, median=median, p90=p90, logarithmic=logarithmic)
