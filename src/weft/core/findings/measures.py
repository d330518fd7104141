"""Figures of jobs as polars expressions: what several rules ask of a row of the table of jobs. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

KEY = ("study", "backend", "app", "system", "queue")
"""What jobs that are alike have in common."""


def column(name: str) -> pl.Expr:
    """A figure, 0 where nobody measured it."""
    import polars as pl

    return pl.col(name).fill_null(0)


def known_key() -> Iterator[pl.Expr]:
    """The columns of ``KEY``, empty where nobody knows."""
    import polars as pl

    return (pl.col(name).fill_null("") for name in KEY)


def whole() -> pl.Expr:
    """Seconds from a job's begin to its end; 0 where one of them is not known."""
    import polars as pl

    return (pl.col("end") - pl.col("start")).fill_null(0).clip(0)


def computing() -> pl.Expr:
    """Seconds in which cases could run: in CASES, or in RUNNING where nobody tells of cases."""
    import polars as pl

    cases = column("cases_s")
    return pl.when(cases > 0).then(cases).otherwise(column("running_s"))


def of_a_case() -> pl.Expr:
    """Seconds of a job that one of its cases takes, on average, as others run beside it."""
    return column("case_s") / column("recorded").clip(1) / column("slots").clip(1)


def of_cases(*, least: int = 1) -> pl.Expr:
    """Is it a job of cases (or a pilot), of which so many left a record?"""
    import polars as pl

    return pl.col("kind").is_in(["cases", "pilot"]) & (pl.col("recorded") >= least)


def cores_used() -> pl.Expr:
    """Cores that a case kept busy, on average over all cases of a job."""
    import polars as pl

    return pl.col("cpu_s") / pl.col("case_s")


def measured(case_s: float) -> pl.Expr:
    """Is the CPU time of its cases known, for so many seconds of cases at least?"""
    import polars as pl

    return (pl.col("case_s") >= case_s) & (pl.col("cpu_s") > 0)


def most_of_all(name: str) -> pl.Expr:
    """The largest of a column over all jobs that are alike, whether something was found in them or not."""
    import polars as pl

    return pl.col(name).max().over(*KEY)


def all_cores_busy(share: float) -> pl.Expr:
    """Were the cores of a job busy for so large a share of the time, so that cases took turns?"""
    import polars as pl

    there = pl.col("nodes") * pl.col("cores") * pl.col("cases_s")
    return ((there > 0) & (pl.col("cpu_s") >= share * there)).fill_null(value=False)


# What another number of slots would come to


def slots_for(
    case_cores: pl.Expr | int,
    case_memory_mb: pl.Expr | int,
    cores: str = "cores",
    memory_mb: str = "memory_mb",
) -> pl.Expr:
    """Cases at a time on a node that has so much, as ``packing.slots_within`` has it; null if that is not known."""
    import polars as pl

    limit = pl.lit(case_memory_mb) if isinstance(case_memory_mb, int) else case_memory_mb
    by_cores = pl.col(cores) // case_cores
    by_memory = pl.when((limit > 0) & (pl.col(memory_mb) > 0)).then(pl.col(memory_mb) // limit)
    return pl.when(by_cores > 0).then(pl.min_horizontal(by_cores, by_memory).clip(lower_bound=1))


def with_slots(slots: pl.Expr) -> pl.Expr:
    """Seconds that a job's cases would have taken with so many slots: never less than the longest of them."""
    import polars as pl

    usable = pl.max_horizontal(pl.min_horizontal(slots, "cases"), "slots")
    shorter = pl.max_horizontal("longest_case_s", pl.col("cases_s") * pl.col("slots") / usable)
    return pl.when(slots.is_not_null() & (usable > 0)).then(shorter).otherwise("cases_s")


def saved(cases_s: pl.Expr) -> pl.Expr:
    """Seconds saved if a job's cases take only so long."""
    import polars as pl

    return (pl.col("cases_s") - cases_s).clip(lower_bound=0.0)


def saved_su(seconds: pl.Expr) -> pl.Expr:
    """SU saved if a job runs so many seconds less; null where it is not charged."""
    import polars as pl

    least = pl.col("least_minutes").fill_null(0.0) * 60
    now = pl.max_horizontal("running_s", least)
    then = pl.max_horizontal(pl.col("running_s") - seconds, least)
    return (now - then) / 3600 * pl.col("nodes") * pl.col("rate")


# Figures of jobs that are alike


def sums(*names: str) -> dict[str, pl.Expr]:
    """The sum of each of these columns, by its name."""
    import polars as pl

    return {name: pl.col(name).sum() for name in names}


def most(*names: str) -> dict[str, pl.Expr]:
    """The largest of each of these columns, as in ``most_slots``."""
    import polars as pl

    return {f"most_{name}": pl.col(name).max() for name in names}
