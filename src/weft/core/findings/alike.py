"""Jobs that are alike, in which the same was found: what one finding tells of. PURE.

Jobs are alike if they are of one study (or of none), backend, app, system and queue: then one remedy, which is a line
of that study's file or of a request, helps all of them. No rule looks at single rows: polars filters and adds up all
jobs in one go, and what rules loop over are the few groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.base import Finding, Remedy, Rule
from weft.core.findings.fitting import fitting
from weft.core.findings.measures import KEY, computing, known_key, whole

if TYPE_CHECKING:
    import polars as pl

NAMED = 20
"""So many jobs of a group are named, those that lost most."""


class Alike(Struct, frozen=True, kw_only=True):
    """Jobs in which the same was found, with their figures added up."""

    study: str
    """Empty for jobs that weft did not launch."""
    backend: str
    app: str
    system: str
    queue: str
    also: str
    """What else they have in common, where a rule asked for it."""
    jobs: tuple[str, ...]
    """The ids of those that lost most, in that order."""
    count: int
    computing_s: float
    """Of all of them."""
    time_s: float
    """Of all of them, from begin to end."""
    figures: Mapping[str, float]
    """Finite; 0 for one that is not known."""

    def __getitem__(self, name: str) -> float:
        return self.figures[name]

    @property
    def weft(self) -> bool:
        """Are they jobs of a study?"""
        return self.study != ""

    @property
    def all(self) -> tuple[str, ...]:
        """What ``KEY`` is for them."""
        return self.study, self.backend, self.app, self.system, self.queue

    @property
    def key(self) -> tuple[str, str, str]:
        """What baselines go by."""
        return self.app, self.system, self.queue

    @property
    def where(self) -> str:
        """As in "opensees-mp-s3 on stampede3, queue skx, study portal", as far as it is known."""
        place = " on ".join(word for word in (self.app, self.system) if word)
        more = (self.queue and f"queue {self.queue}", self.study and f"study {self.study}")
        return ", ".join(word for word in (place, *more) if word)

    @property
    def median(self) -> str:
        """What a sentence on medians ends with; nothing for a single job."""
        return f" (median of {self.count:,} jobs)" if self.count > 1 else ""

    @property
    def own(self) -> str:
        """What a gain rests on that follows from these jobs alone."""
        return "what this job did" if self.count == 1 else f"what these {self.count:,} jobs did"

    def finding(
        self,
        rule: Rule,
        *,
        evidence: Iterable[str],
        cause: str,
        remedies: Iterable[Remedy],
        gain_s: float | None = None,
        gain_su: float | None = None,
        basis: str = "",
    ) -> Finding:
        """What a rule found in them; evidence that is empty is left out, and a gain of nothing is none.

        No gain is larger than the time of these jobs. Where it is not said otherwise, it rests on what they did.
        """
        gain_s = min(gain_s or 0.0, self.time_s)
        gained = gain_s > 0 or (gain_su or 0.0) > 0
        return Finding(
            id=rule.id,
            title=rule.title,
            severity=rule.severity,
            jobs=self.jobs,
            where=self.where,
            evidence=tuple(sentence for sentence in evidence if sentence),
            cause=cause,
            remedies=fitting(remedies, weft=self.weft, backend=self.backend, app=self.app),
            gain_s=gain_s if gain_s > 0 else None,
            gain_su=gain_su if gain_su and gain_su > 0 else None,
            basis=(basis or self.own) if gained else "",
            lost=rule.lost,
            time_s=self.time_s,
        )


def alike(
    jobs: pl.DataFrame,
    when: pl.Expr,
    lost: str | pl.Expr,
    *,
    also: pl.Expr | None = None,
    **figures: pl.Expr,
) -> Iterator[Alike]:
    """Those jobs of which ``when`` holds (null is no), those that are alike together, with figures of each group.

    ``lost`` says how much a job lost: jobs and groups come in that order, and its sum is a figure, too.
    """
    import polars as pl

    lost = (pl.col(lost) if isinstance(lost, str) else lost).cast(pl.Float64).fill_null(0.0)
    sums = {**figures, "lost": lost.sum(), "computing_s": computing().sum(), "time_s": whole().sum()}
    found = (
        jobs.lazy()
        .filter(when)
        .group_by(*known_key(), (pl.lit("") if also is None else also).alias("also"), maintain_order=True)
        .agg(
            pl.col("job").sort_by(lost, descending=True, maintain_order=True).head(NAMED).alias("jobs"),
            pl.len().alias("count"),
            **{name: each.cast(pl.Float64) for name, each in sums.items()},
        )
        .sort("lost", descending=True, maintain_order=True)
        .collect()
    )
    for row in found.iter_rows(named=True):
        values = {name: _finite(row[name]) for name in sums}
        yield Alike(
            **{name: row[name] for name in (*KEY, "also", "count")},
            jobs=tuple(row["jobs"]),
            computing_s=values.pop("computing_s"),
            time_s=values.pop("time_s"),
            figures=values,
        )


def rows(jobs: pl.DataFrame, when: pl.Expr, group: Alike) -> pl.LazyFrame:
    """The rows of a group."""
    import polars as pl

    same = (key.eq(value) for key, value in zip(known_key(), group.all, strict=True))
    return jobs.lazy().filter(when & pl.all_horizontal(same))


def total(jobs: pl.DataFrame, when: pl.Expr, group: Alike, *figures: pl.Expr) -> tuple[float, ...]:
    """Sums over the rows of a group, of figures that hang on other figures of that group."""
    import polars as pl

    sums = [each.cast(pl.Float64).sum().alias(str(place)) for place, each in enumerate(figures)]
    return tuple(_finite(value) for value in rows(jobs, when, group).select(sums).collect().row(0))


def most_at_once(jobs: pl.LazyFrame, begins: pl.Expr) -> int:
    """The most of these jobs that were under way at one time, each from ``begins`` to its end; 1 at least."""
    import polars as pl

    steps = [jobs.select(at=begins, by=pl.lit(1)), jobs.select(at=pl.col("end"), by=pl.lit(-1))]
    found = pl.concat(steps).drop_nulls().sort("at", "by").select(pl.col("by").cum_sum().max()).collect()
    return max(1, found.item() or 1)


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
