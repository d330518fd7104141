"""All that is told of a study, or of any jobs: what every renderer is given. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.base import Finding
from weft.core.foretold import Actual, Forecast
from weft.core.profile import Profile
from weft.model import Value

if TYPE_CHECKING:
    import polars as pl

    from weft.core.normal import Drift, Outlier

__all__ = ["Actual", "Analysis", "Forecast", "Waited"]


class Waited(Struct, frozen=True, kw_only=True):
    """A stretch of the critical path: what the wall clock waited for."""

    start: float
    end: float
    job: str
    """Empty where no job was under way."""
    name: str
    """A phase, or CASES and the runner's other spans, which lie within RUNNING."""


class Analysis(Struct, frozen=True, kw_only=True):
    """Where the time went, what that means, and how it compares."""

    title: str
    made: float
    """When, in seconds since the epoch."""
    profile: Profile
    jobs: pl.DataFrame
    """One row for each job (``core/jobtable.py``)."""
    waited: Sequence[Waited] = ()
    """The critical path, in order; where no job was under way for long, as between two runs, it has a gap."""
    findings: Sequence[Finding] = ()
    outliers: Sequence[Outlier] = ()
    drifts: Sequence[Drift] = ()
    actual: Actual | None = None
    """Prediction against fact, of the last run that sent jobs, where there was one; all else is of all runs."""
    cases: pl.DataFrame | None = None
    """Of a study: the results table, one row for each case, with its parameters, status and wall time."""
    parameters: Mapping[str, Sequence[Value]] = {}
    """The study's parameters with their values, for maps of cases over two of them."""
    problems: Sequence[str] = ()
    """Jobs that could not be read, and why."""
