"""All that is told of a study, or of any jobs: what every renderer is given. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.base import Finding
from weft.core.profile import Profile
from weft.model import Value

if TYPE_CHECKING:
    import polars as pl

    from weft.core.normal import Drift, Outlier


class Waited(Struct, frozen=True, kw_only=True):
    """A stretch of the critical path: what the wall clock waited for."""

    start: float
    end: float
    job: str
    """Empty where no job was under way."""
    name: str
    """A phase, or CASES and the runner's other spans, which lie within RUNNING."""


class Forecast(Struct, frozen=True, kw_only=True):
    """What was predicted before anything was sent: a range that eight of ten such runs stay within."""

    wall_s: tuple[float, float, float]
    """Least, likely, most: from the first submission to the end of the last job."""
    su: tuple[float, float, float] | None
    """The same of what is charged; None where nothing is."""
    node_hours: tuple[float, float, float] | None = None
    """The same, whatever one costs."""
    files: int
    """Files that the service moves, in and out."""
    spans: Mapping[str, float]
    """The likely seconds of one job, by phase."""
    jobs: int
    basis: str
    """What it rests on."""


class Actual(Struct, frozen=True, kw_only=True):
    """What became of a forecast."""

    forecast: Forecast
    wall_s: float
    su: float | None
    files: int
    spans: Mapping[str, float]
    """The median seconds of one job, by phase."""


class Analysis(Struct, frozen=True, kw_only=True):
    """Where the time went, what that means, and how it compares."""

    title: str
    made: float
    """When, in seconds since the epoch."""
    profile: Profile
    jobs: pl.DataFrame
    """One row for each job (``core/jobtable.py``)."""
    waited: Sequence[Waited] = ()
    """The critical path, in order and without gaps."""
    findings: Sequence[Finding] = ()
    outliers: Sequence[Outlier] = ()
    drifts: Sequence[Drift] = ()
    actual: Actual | None = None
    """Prediction against fact, where there was one."""
    cases: pl.DataFrame | None = None
    """Of a study: the results table, one row for each case, with its parameters, status and wall time."""
    parameters: Mapping[str, Sequence[Value]] = {}
    """The study's parameters with their values, for maps of cases over two of them."""
    problems: Sequence[str] = ()
    """Jobs that could not be read, and why."""
