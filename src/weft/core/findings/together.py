"""Jobs that lost time in the same way, added up: of one app, system and queue, all of weft or none. PURE.

Where time went concerns every job, so rules about it never look at single rows: polars filters and adds up all jobs in
one go, and what they loop over are the few groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings import figures as figure
from weft.core.findings import settings
from weft.core.findings.base import Finding, Remedy, Rule
from weft.core.findings.settings import table
from weft.core.packing import ENDS, MARGIN

if TYPE_CHECKING:
    import polars as pl

NAMED = 20
"""So many jobs of a group are named, those that lost most."""
FULL_S = 1800.0
"""A job that computes for so long is worth what it costs besides: an empty one takes the service 100 to 200 s."""

_KEY = ("backend", "app", "system", "queue")


class Together(Struct, frozen=True, kw_only=True):
    """Jobs in which the same was found, with their figures added up."""

    backend: str
    app: str
    system: str
    queue: str
    weft: bool
    """They are jobs of studies; else weft did not launch them."""
    also: str
    """What else they have in common, where a rule asked for it."""
    jobs: tuple[str, ...]
    """The ids of those that lost most, in that order."""
    count: int
    computing_s: float
    """Of all of them."""
    figures: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.figures[name]

    @property
    def key(self) -> tuple[str, str, str]:
        """What baselines go by."""
        return self.app, self.system, self.queue

    @property
    def where(self) -> str:
        """As in "opensees-mp-s3 on stampede3, queue skx"; empty where nothing of it is known."""
        place = " on ".join(word for word in (self.app, self.system) if word)
        return ", ".join(word for word in (place, self.queue and f"queue {self.queue}") if word)

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
        evidence: tuple[str, ...],
        cause: str,
        remedies: tuple[Remedy, ...],
        gain_s: float | None = None,
        gain_su: float | None = None,
        basis: str = "",
    ) -> Finding:
        """What a rule found in them; evidence that is empty is left out, and a gain of nothing is none."""
        return Finding(
            id=rule.id,
            title=rule.title,
            severity=rule.severity,
            jobs=self.jobs,
            where=self.where,
            evidence=tuple(sentence for sentence in evidence if sentence),
            cause=cause,
            remedies=remedies,
            gain_s=gain_s or None,
            gain_su=gain_su or None,
            basis=basis if gain_s or gain_su else "",
        )


def column(name: str) -> pl.Expr:
    """A figure of the table of jobs, 0 where nobody measured it."""
    import polars as pl

    return pl.col(name).fill_null(0)


def together(
    jobs: pl.DataFrame, when: pl.Expr, lost: pl.Expr, *, also: pl.Expr | None = None, **figures: pl.Expr
) -> Iterator[Together]:
    """Those jobs of which ``when`` holds, with figures of each group; 0 for one that is not known.

    ``lost`` says how much a job lost: jobs and groups come in that order.
    """
    import polars as pl

    keys = [
        *(pl.col(name).fill_null("") for name in _KEY),
        (pl.col("study").fill_null("") != "").alias("weft"),
    ]
    grouped = (
        jobs.lazy()
        .filter(when)
        .group_by(*keys, (pl.lit("") if also is None else also).alias("also"), maintain_order=True)
        .agg(
            pl.col("job").sort_by(lost, descending=True, maintain_order=True).head(NAMED).alias("jobs"),
            pl.len().alias("count"),
            lost.sum().cast(pl.Float64).alias("lost"),
            computing().sum().cast(pl.Float64).alias("computing_s"),
            **{name: figure.cast(pl.Float64).fill_null(0.0) for name, figure in figures.items()},
        )
        .sort("lost", descending=True, maintain_order=True)
        .collect()
    )
    for row in grouped.iter_rows(named=True):
        yield Together(
            **{name: row[name] for name in (*_KEY, "weft", "also", "count", "computing_s")},
            jobs=tuple(row["jobs"]),
            figures={name: row[name] for name in (*figures, "lost")},
        )


def computing() -> pl.Expr:
    """Seconds of a job in which cases could run: in CASES, or in RUNNING where nobody tells of cases."""
    import polars as pl

    cases = column("cases_s")
    return pl.when(cases > 0).then(cases).otherwise(column("running_s"))


def as_a_study(app: str, gain: str) -> Remedy:
    """How jobs that weft did not launch get what weft does by itself."""
    name = app or "APP"
    return Remedy(
        say=f"Run the cases as a study of weft: {gain}. `weft app show {name}` prints the table [tapis] for it.",
        setting=table("run", 'on = "tapis"') + "\n\n" + table("tapis", f'app = "{name}"'),
        command="weft init",
    )


def in_study(*lines: str, table: str = "tapis") -> str:
    """Lines of one table of a study file, [tapis] if it is not said which."""
    return settings.table(table, *lines)


def fewer_jobs(group: Together) -> Remedy:
    """How the same cases go in fewer jobs, as few as compute for ``FULL_S`` each."""
    if not group.weft:
        return as_a_study(group.app, "many cases share one job")
    count = full_jobs(group)
    if count == group.count or group.backend != "tapis":
        return Remedy(say="Put more cases into each job: whatever a job waits for, it waits for once.")
    minutes = math.ceil(group.computing_s / count / 60 * MARGIN + ENDS)
    return Remedy(
        say=f"Put more cases into each job: {figure.jobs(count)} would do, and take about {minutes} min each.",
        setting=table("tapis", f"jobs = {count}", f"minutes = {minutes}"),
    )


def full_jobs(group: Together) -> int:
    """So many jobs, one after the other's cases, would each compute for about ``FULL_S``; never more than there are."""
    return min(group.count, max(1, round(group.computing_s / FULL_S)))
