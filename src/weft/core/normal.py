"""What is normal: baselines of each phase by app, system and queue, and what is out of line with them. PURE.

Everything about what is unusual lives here. A figure counts only for jobs that it says something of: what comes
before RUNNING for jobs that got there (one cancelled in the queue did not wait to the end); RUNNING and what follows
for jobs that finished and lost at most half of their cases (one that fails at once takes no time), RUNNING only of
jobs that are no bundle of cases, which lasts as long as its cases; transfers for jobs with any; the runner's spans for
jobs with a runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.jobtable import PHASES, RUNNER_SPANS, seconds_of
from weft.model import Outcome, Phase

if TYPE_CHECKING:
    import polars as pl

LEAST = 8
"""So many jobs must have been seen before another one is called unusual."""
SPREADS = 4.0
"""An outlier lies above the median by more than so many robust standard deviations,"""
TIMES = 2.0
"""and is more than so many times the median,"""
SECONDS = 30.0
"""and so many seconds above it: what takes 2 s instead of 1 s is nobody's loss."""
MOST_OUTLIERS = 50
"""So many are told."""

RECENT = 200
"""A change is looked for in so many of the latest jobs of a kind."""
SURE = 4.0
"""It is one if the rank sums of before and after differ by so many standard deviations (chance: 1 in 16,000),"""
CHANGE = 1.5
"""and the medians by so many times,"""
CHANGE_SECONDS = 10.0
"""and by so many seconds,"""
DAYS = 3
"""and there were jobs on so many days before and after: one busy afternoon changes nothing."""

KEY = ("app", "system", "queue")
TO_SD = 1.4826
"""The median distance from the median, times this, is the standard deviation of what is normally distributed."""
P90 = 1.2816
"""So many standard deviations above its median lies the p90 of it."""
_BEFORE = (*PHASES[: PHASES.index(Phase.RUNNING)], Phase.BLOCKED, Phase.PAUSED)
_AFTER = (Phase.RUNNING, Phase.ARCHIVING, Phase.COLLECTING)
_STAGING = (Phase.PROCESSING_INPUTS, Phase.STAGING_INPUTS, Phase.STAGING_JOB)
_USE = ("case_s", "cpu_s", "longest_case_s", "busy_s", "idle_s", "tail_s", "peak_memory_bytes")
AROUND = tuple(seconds_of(span) for span in RUNNER_SPANS if span != "CASES")
"""The columns of what a runner does besides its cases."""
WATCHED = (*(seconds_of(phase.value) for phase in PHASES), *AROUND)
"""The columns in which outliers and changes are looked for; CASES is most of RUNNING."""


class Baseline(Struct, frozen=True, kw_only=True):
    """How one figure (a column of the table of jobs) is usually, over ended jobs of one app, system and queue."""

    count: int
    median: float
    p10: float
    p90: float
    spread: float
    """A robust standard deviation: 1.4826 times the median distance from the median."""


class Outlier(Struct, frozen=True, kw_only=True):
    """A job that is out of line with what is normal for such jobs."""

    job: str
    what: str
    """The column."""
    value: float
    normal: Baseline


class Drift(Struct, frozen=True, kw_only=True):
    """A figure that has changed for such jobs: what was normal before, and what is since."""

    app: str
    system: str
    queue: str
    what: str
    """The column."""
    since: float
    """When it changed, in seconds since the epoch."""
    before: Baseline
    after: Baseline


class Normal(Struct, frozen=True, kw_only=True):
    """Baselines by (app, system, queue), then by column; only what enough jobs tell of.

    Besides the columns of the table of jobs there are ``staging_s`` (PROCESSING_INPUTS to STAGING_JOB), ``wall_s``
    (the whole job), ``overhead_share`` (the part of it that is not CASES, or RUNNING of a job without cases: as in the
    totals of a profile) and, while copying, ``inputs_files_per_s``, ``inputs_bytes_per_s``, ``archive_files_per_s`` and
    ``archive_bytes_per_s``.
    """

    baselines: Mapping[tuple[str, str, str], Mapping[str, Baseline]] = {}

    def of(self, app: str, system: str, queue: str, column: str) -> Baseline | None:
        """What is normal for such jobs; None where too few have been seen."""
        return self.baselines.get((app, system, queue), {}).get(column)


# What is normal


def normal_of(jobs: pl.DataFrame, least: int = LEAST) -> Normal:
    """The baselines of all figures of which at least so many ended jobs tell; jobs under way are passed over."""
    import polars as pl

    figures = _figures()
    told = ended(jobs).select(*_key(), **figures)
    found = told.group_by(KEY).agg(_statistics(pl.col(name)).alias(name) for name in figures)
    baselines: dict[tuple[str, str, str], dict[str, Baseline]] = {}
    for row in found.iter_rows(named=True):
        of_these = {name: Baseline(**row[name]) for name in figures if row[name]["count"] >= least}
        if of_these:
            baselines[row["app"], row["system"], row["queue"]] = of_these
    return Normal(baselines=baselines)


def ended(jobs: pl.DataFrame) -> pl.DataFrame:
    """The jobs that are over."""
    import polars as pl

    return jobs.filter(pl.col("outcome").fill_null("") != "")


def _key() -> list[pl.Expr]:
    import polars as pl

    return [pl.col(name).fill_null("") for name in KEY]


def _statistics(figure: pl.Expr) -> pl.Expr:
    """The fields of a baseline, of what is not null."""
    import polars as pl

    median = figure.median()
    return pl.struct(
        figure.count().alias("count"),
        median.alias("median"),
        figure.quantile(0.1, "linear").alias("p10"),
        figure.quantile(0.9, "linear").alias("p90"),
        ((figure - median).abs().median() * TO_SD).alias("spread"),
    )


def _figures() -> dict[str, pl.Expr]:
    """Every figure, null for jobs of which it says nothing."""
    import polars as pl

    got_there = pl.col("running_s") > 0
    lost = pl.col("failed_cases").fill_null(0) * 2 > pl.col("recorded").fill_null(0)
    well = got_there & (pl.col("outcome") == Outcome.FINISHED.value) & ~lost
    spans = [seconds_of(span) for span in RUNNER_SPANS]
    unbundled = well & ~_is_bundle()
    with_runner = well & pl.any_horizontal(pl.col(spans) > 0)
    wall = pl.col("end") - pl.col("start")
    useful = pl.when(_is_bundle()).then("cases_s").otherwise("running_s")
    rules: dict[str, tuple[pl.Expr, pl.Expr]] = {
        **{seconds_of(phase.value): (got_there, pl.col(seconds_of(phase.value))) for phase in _BEFORE},
        "staging_s": (got_there, pl.sum_horizontal(seconds_of(phase.value) for phase in _STAGING)),
        **{seconds_of(phase.value): (well, pl.col(seconds_of(phase.value))) for phase in _AFTER},
        "wall_s": (well, wall),
        seconds_of(Phase.RUNNING.value): (unbundled, pl.col(seconds_of(Phase.RUNNING.value))),
        "overhead_share": (well & (wall > 0), (1 - useful / wall).clip(0.0)),
        "su": (well, pl.col("su")),
        **{span: (with_runner, pl.col(span)) for span in spans},
        **{name: (well & (pl.col("recorded") > 0), pl.col(name)) for name in _USE},
        **_transfers("inputs", got_there),
        **_transfers("archive", well),
    }
    return {name: pl.when(counts).then(value.cast(pl.Float64)) for name, (counts, value) in rules.items()}


def _is_bundle() -> pl.Expr:
    """Has the job cases? Then it lasts as long as they do."""
    import polars as pl

    return pl.col("cases").fill_null(0) > 0


def _transfers(into: str, counts: pl.Expr) -> dict[str, tuple[pl.Expr, pl.Expr]]:
    import polars as pl

    moved = counts & (pl.col(f"{into}_transfers") > 0)
    plain = ("waiting_s", "copying_s", "unnoticed_s", "files", "bytes")
    copying = pl.col(f"{into}_copying_s")
    return {
        **{f"{into}_{what}": (moved, pl.col(f"{into}_{what}")) for what in plain},
        **{
            f"{into}_{what}_per_s": (moved & (copying > 0), pl.col(f"{into}_{what}") / copying)
            for what in ("files", "bytes")
        },
    }


# What is out of line


def outliers(jobs: pl.DataFrame, normal: Normal) -> list[Outlier]:
    """The jobs and phases that took far longer than is normal, those that lost most first.

    A job under way counts with what it has taken so far. At most ``MOST_OUTLIERS`` are told.
    """
    import polars as pl

    known = {
        key: {name: each for name, each in of_these.items() if name in WATCHED and each.count >= LEAST}
        for key, of_these in normal.baselines.items()
    }
    limits = [dict(zip(KEY, key, strict=True)) | _limits(of_these) for key, of_these in known.items()]
    if not limits or jobs.is_empty():
        return []
    columns = dict.fromkeys(KEY, pl.String()) | {f"limit_{name}": pl.Float64() for name in WATCHED}
    running = pl.when(~_is_bundle()).then("running_s").alias("running_s")
    judged = jobs.with_columns(*_key(), running).join(pl.DataFrame(limits, schema=columns), on=KEY)
    beyond = pl.concat(
        judged.filter(pl.col(name) > pl.col(f"limit_{name}")).select(
            "job", *KEY, pl.lit(name).alias("what"), pl.col(name).cast(pl.Float64).alias("value")
        )
        for name in WATCHED
    )
    found = [
        Outlier(job=job or "", what=what, value=value, normal=known[app, system, queue][what])
        for job, app, system, queue, what, value in beyond.iter_rows()
    ]
    found.sort(key=lambda each: (each.normal.median - each.value, each.job, each.what))
    return found[:MOST_OUTLIERS]


def limit(normal: Baseline) -> float:
    """Above this, a job is out of line.

    Waits have a long tail on one side, which the spread around the median does not tell: the p90 does, and the
    wider of both counts.
    """
    spread = max(normal.spread, (normal.p90 - normal.median) / P90)
    return max(normal.median + SPREADS * spread, TIMES * normal.median, normal.median + SECONDS)


def _limits(baselines: Mapping[str, Baseline]) -> dict[str, Any]:
    return {f"limit_{name}": limit(each) for name, each in baselines.items()}


# What has changed


def drifts(jobs: pl.DataFrame) -> list[Drift]:
    """The phases whose normal has changed lately, those that changed by most seconds first.

    Each possible moment is tried, and the one taken that divides the jobs best by the sum of their ranks
    (Mann and Whitney), which takes no distribution for granted.
    """
    import polars as pl

    figures = _figures()
    latest = ended(jobs).sort("start", "job").with_columns(*_key()).group_by(KEY).tail(RECENT)
    rows = latest.select(*KEY, "start", **{name: figures[name] for name in WATCHED})
    told = rows.unpivot(WATCHED, index=[*KEY, "start"], variable_name="what").drop_nulls(["value", "start"])
    value = pl.col("value")
    some_change = (value.max() - value.min()).over(*KEY, "what") >= CHANGE_SECONDS  # most have none
    divided = _divided(told.filter(some_change))
    if divided.is_empty():
        return []
    sides = divided.group_by(*KEY, "what", "after").agg(
        _statistics(pl.col("value")).alias("normal"),
        pl.col("start").min(),
        (pl.col("start") // 86_400).n_unique().alias("days"),
    )
    return sorted(_changes(sides), key=_most_first)


def _most_first(drift: Drift) -> tuple[float, str, str, str, str]:
    change = abs(drift.after.median - drift.before.median)
    return -change, drift.app, drift.system, drift.queue, drift.what


def _divided(told: pl.DataFrame) -> pl.DataFrame:
    """The figures that changed, with ``after``: does a row stand after the moment that divides them best?"""
    import polars as pl

    kind = [*KEY, "what"]
    count, place = pl.len().over(kind), pl.int_range(pl.len()).over(kind)
    before, ranks = place + 1, pl.col("value").rank("average").cum_sum().over(kind)
    sd = (before * (count - before) * (count + 1) / 12).sqrt()
    scored = told.with_columns(
        place.alias("place"), ((ranks - before * (count + 1) / 2) / sd).abs().alias("score")
    ).with_columns(((before >= LEAST) & (count - before >= LEAST)).alias("possible"))
    sure = scored.filter(pl.col("possible") & (pl.col("score") >= SURE))
    found = scored.join(_best(sure), on=kind)
    # Ranks favour the middle. That there is a change is known by now, so its place is where most of the figures
    # lie on their own side of the mean of both medians: the geometric one, since waits vary by factors.
    old = pl.col("value").filter(pl.col("place") <= pl.col("split")).median().over(kind)
    new = pl.col("value").filter(pl.col("place") > pl.col("split")).median().over(kind)
    is_new = (pl.col("value") > ((old + 1) * (new + 1)).sqrt() - 1) == (new > old)
    fitting = pl.when(is_new).then(-1).otherwise(1).cum_sum().over(kind)
    placed = _best(found.with_columns(fitting.alias("score")).filter("possible"))
    after = (pl.col("place") > pl.col("split")).alias("after")
    return found.drop("split").join(placed, on=kind).with_columns(after)


def _best(scored: pl.DataFrame) -> pl.DataFrame:
    """Of each figure of each kind of job, the place with the highest score."""
    import polars as pl

    best = pl.col("place").get(pl.col("score").arg_max()).alias("split")
    return scored.group_by([*KEY, "what"], maintain_order=True).agg(best)


def _changes(sides: pl.DataFrame) -> Iterator[Drift]:
    """The changes that matter; one row for before and one for after of each."""
    earlier: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in sides.sort(*KEY, "what", "after").iter_rows(named=True):
        names = {name: row[name] for name in (*KEY, "what")}
        place = tuple(names.values())
        if not row["after"]:
            earlier[place] = row
            continue
        old = earlier[place]
        before, after = Baseline(**old["normal"]), Baseline(**row["normal"])
        low, high = sorted((before.median, after.median))
        enough = high >= CHANGE * low and high - low >= CHANGE_SECONDS
        if enough and min(old["days"], row["days"]) >= DAYS:
            yield Drift(**names, since=row["start"], before=before, after=after)
