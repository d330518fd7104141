"""What is normal: baselines of each phase by app, system and queue, and what is out of line with them. PURE."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


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
    """Baselines by (app, system, queue), then by column; only what enough jobs tell of."""

    baselines: Mapping[tuple[str, str, str], Mapping[str, Baseline]] = {}

    def of(self, app: str, system: str, queue: str, column: str) -> Baseline | None:
        """What is normal for such jobs; None where too few have been seen."""
        return self.baselines.get((app, system, queue), {}).get(column)
