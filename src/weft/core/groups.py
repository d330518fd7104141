"""Jobs together: how long they were in each phase, in all and by app, system, queue, study, week or outcome. PURE.

The median and p90 of a phase are over the jobs that were in it; its share is that of the time of all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.core.jobtable import PHASES, RUNNER_SPANS, seconds_of, uncertain_of
from weft.errors import UsageError
from weft.model import Outcome

if TYPE_CHECKING:
    import polars as pl

WAYS = ("app", "system", "queue", "study", "week", "outcome", "phase")
"""What jobs can be grouped by."""
UNDER_WAY = "under way"
"""The group, by outcome, of jobs that are not over."""
_NO_FAILURE = (Outcome.FINISHED.value, Outcome.CANCELLED.value)
_COLUMNS = {phase.value: seconds_of(phase.value) for phase in PHASES}
_SPANS = {span: seconds_of(span) for span in RUNNER_SPANS}


def totals(jobs: pl.DataFrame) -> pl.DataFrame:
    """One row for each phase that some job was in, then for each span of the runner (``within`` is RUNNING).

    Columns: ``phase``, ``within``, ``jobs`` (that were in it), ``total_s``, ``median_s``, ``p90_s``, ``share`` (of
    the time of all jobs), ``uncertain_s`` (so much of the total may belong to what came next).
    """
    import polars as pl

    late = {uncertain_of(phase): seconds_of(phase.value) for phase in PHASES}
    uncertain = jobs.select(pl.col(name).sum().alias(seconds) for name, seconds in late.items())
    rows = pl.concat(
        jobs.select(
            pl.lit(name).alias("phase"),
            pl.lit("RUNNING" if name in _SPANS else "").alias("within"),
            (pl.col(column) > 0).sum().cast(pl.Int64).alias("jobs"),
            pl.col(column).sum().alias("total_s"),
            *_middle(column, ""),
            pl.lit(uncertain[column][0] if column in uncertain.columns else 0.0, pl.Float64).alias(
                "uncertain_s"
            ),
        )
        for name, column in (_COLUMNS | _SPANS).items()
    )
    whole = rows.filter(pl.col("within") == "")["total_s"].sum()
    share = (pl.col("total_s") / whole).alias("share") if whole else pl.lit(0.0).alias("share")
    return rows.filter(pl.col("jobs") > 0).with_columns(share)


def groups(jobs: pl.DataFrame, by: str) -> pl.DataFrame:
    """One row for each group, the longest first (weeks in their order); by ``phase`` it is ``totals``.

    Columns: ``by`` itself (a week is the date of its Monday, UTC, by when jobs began), ``jobs``, ``failed_share`` (of
    those that are over; cancelled ones have not failed), ``total_s``, ``median_s``, ``p90_s`` of whole jobs, ``su``,
    and of each phase ``<phase>_s``, ``<phase>_median_s``, ``<phase>_p90_s``, ``<phase>_share``. Raises UsageError for
    what is no way to group.
    """
    import polars as pl

    if by not in WAYS:
        raise UsageError(f"jobs cannot be grouped by {by!r}", hint=f"say one of {', '.join(WAYS)}")
    if by == "phase":
        return totals(jobs)
    phases = list(_COLUMNS.values())
    whole = pl.sum_horizontal(pl.col(phases)).alias("whole_s")
    told = jobs.with_columns(whole, _name(by).alias("group"))
    found = told.group_by("group").agg(
        pl.len().cast(pl.Int64).alias("jobs"),
        failed_share().alias("failed_share"),
        pl.col("whole_s").sum().alias("total_s"),
        *_middle("whole_s", ""),
        charged().alias("su"),
        pl.col(phases).sum(),
        *(each for column in phases for each in _middle(column, f"{column[:-2]}_")),
    )
    shares = (
        pl.when(pl.col("total_s") > 0).then(pl.col(column) / pl.col("total_s")).fill_null(0.0)
        for column in phases
    )
    named = [each.alias(f"{column[:-2]}_share") for each, column in zip(shares, phases, strict=True)]
    order = ["group"] if by == "week" else ["total_s", "group"]
    rows = found.with_columns(named).sort(order, descending=[each == "total_s" for each in order])
    return rows.rename({"group": by})


def failed_share() -> pl.Expr:
    """Of the jobs that are over, those that failed; cancelled ones did not."""
    import polars as pl

    over = pl.col("outcome").fill_null("") != ""
    failed = over & ~pl.col("outcome").is_in(_NO_FAILURE)
    return pl.when(over.any()).then(failed.sum() / over.sum())


def charged() -> pl.Expr:
    """SU of all jobs together; null where nobody knows of any."""
    import polars as pl

    return pl.when(pl.col("su").is_not_null().any()).then(pl.col("su").sum())


def _middle(column: str, prefix: str) -> list[pl.Expr]:
    """Median and p90 over the jobs that have any of it; null where none has."""
    import polars as pl

    some = pl.col(column).filter(pl.col(column) > 0)
    p90 = some.quantile(0.9, "linear")
    return [some.median().alias(f"{prefix}median_s"), p90.alias(f"{prefix}p90_s")]


def _name(by: str) -> pl.Expr:
    """Which group a job is in."""
    import polars as pl

    if by == "week":
        began = pl.from_epoch(pl.col("start").cast(pl.Int64), "s")
        return began.dt.truncate("1w").dt.strftime("%Y-%m-%d").fill_null("")
    name = pl.col(by).fill_null("")
    return pl.when(name == "").then(pl.lit(UNDER_WAY)).otherwise(name) if by == "outcome" else name
