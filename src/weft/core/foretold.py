"""What is foretold of a run before it begins, and what became of it. PURE."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


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
