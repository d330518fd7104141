"""The jobs that did not end well, and what they said last: ``Scene.failed``, for all rules of failures. PURE.

Messages are read by Python, but only those of jobs that failed, and each once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.measures import column
from weft.core.jobtable import PHASES, seconds_of
from weft.core.signs import signs_in
from weft.model import Outcome, Phase

if TYPE_CHECKING:
    import polars as pl

BLAMED = tuple(outcome.value for outcome in (Outcome.FAILED, Outcome.REFUSED, Outcome.INTERRUPTED))
"""Outcomes whose cause may be in what a job said last; the others say themselves what they are."""
_WELL = ("", Outcome.FINISHED.value)
_DIED_IN = tuple(phase for phase in PHASES if phase not in (Phase.COLLECTING, Phase.BLOCKED, Phase.PAUSED))


class Failed(Struct, frozen=True):
    """The jobs that did not finish, or of which a case failed."""

    jobs: pl.DataFrame
    """With two more columns. ``shown``: the signs of what a job said last, if its outcome is one that is ``BLAMED``.
    ``died_in``: the last phase, in the order of a job's life, that it was in; empty where it was in none."""
    signs: frozenset[str]
    """All that any of them, or of their cases, shows."""


def look(jobs: pl.DataFrame) -> Failed:
    """What of these jobs did not end well."""
    import polars as pl

    bad = ~pl.col("outcome").fill_null("").is_in(_WELL) | (column("failed_cases") > 0)
    found = jobs.filter(bad).with_columns(_died_in(), _said().alias("said"))
    said = found["said"].unique()
    signs = pl.Series("shown", [signs_in(text) for text in said], dtype=pl.List(pl.String))
    every = pl.concat([signs, found["signs"]]).explode().drop_nulls().unique()
    found = found.join(pl.DataFrame([said, signs]), on="said", how="left", maintain_order="left")
    return Failed(found, frozenset(every))


def _died_in() -> pl.Expr:
    import polars as pl

    last = pl.coalesce(
        pl.when(column(seconds_of(phase.value)) > 0).then(pl.lit(phase.value)) for phase in reversed(_DIED_IN)
    )
    return last.fill_null("").alias("died_in")


def _said() -> pl.Expr:
    """What a job said last: of one that left records, ``tail`` is a case's and none of it."""
    import polars as pl

    tail = pl.when(column("recorded") == 0).then(pl.col("tail").fill_null("")).otherwise(pl.lit(""))
    said = pl.concat_str(pl.col("why").fill_null(""), pl.lit("\n"), tail)
    return pl.when(pl.col("outcome").is_in(BLAMED)).then(said).otherwise(pl.lit(""))
