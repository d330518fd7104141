"""How long each phase of a job takes: from the user's own jobs where there are some, else from what was recorded. PURE.

The site figures stand here once, as data. With history the centre is the median of the user's own jobs of the same
app, system and queue; its spread is theirs, widened by the site's as long as they are few: the site's spread counts
as much as that of ``PRIOR`` jobs. A range holds eight times of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from weft.core.jobtable import seconds_of
from weft.core.lateness import noticed
from weft.core.normal import P90, Baseline, Normal
from weft.core.transfers import DURING
from weft.model import Phase

Key = tuple[str, str, str]
"""App, system, queue."""
Into = Literal["inputs", "archive"]

FEW = 2
"""Ended jobs from which on the user's own history counts."""
PRIOR = 4
"""Jobs of his own that the spread of the site figures counts as much as."""
WIDEST = 0.8
"""Largest spread (of the logarithm) that is supposed of jobs of which some have been seen: queues differ that much."""
EIGHTY = P90
"""Standard deviations on each side that hold eight of ten."""


class Expected(Struct, frozen=True, kw_only=True):
    """Seconds: eight times of ten between ``low`` and ``high``."""

    low: float
    likely: float
    high: float
    basis: str
    """What it rests on, in words."""


class Figure(Struct, frozen=True, kw_only=True):
    """What was recorded of one wait, in seconds; where nobody measured it, a guess that says so."""

    low: float
    likely: float
    high: float


SEEN = "recorded jobs at TACC (May 2025, August 2026)"
PHASES: Mapping[Phase, Figure] = {
    Phase.PENDING: Figure(low=0.7, likely=1.0, high=1.5),
    Phase.PROCESSING_INPUTS: Figure(low=0.9, likely=2.5, high=7.0),
    Phase.STAGING_JOB: Figure(low=18.0, likely=30.0, high=50.0),
    Phase.SUBMITTING_JOB: Figure(low=0.5, likely=0.65, high=0.9),
}
"""Phases without a transfer, source: the events of two recorded jobs of DesignSafe; likely is the middle of both."""
STARTED = Figure(low=1.5, likely=2.0, high=4.0)
"""QUEUED where there is no queue, source: the same."""
WAITED = Figure(low=2.0, likely=60.0, high=3600.0)
"""QUEUED in a queue: nobody can tell before the first job; the recorded ones waited 2 s, others wait for hours."""

TRANSFER_WAIT = Figure(low=8.0, likely=13.0, high=21.0)
"""Before a transfer begins; 11.1 and 15.1 s were seen."""
FILES_PER_S: Mapping[Into, float] = {"inputs": 4.1, "archive": 29.5}
BYTES_PER_S = 0.88e6
"""While copying, source: 112 files (2.9 MB) in 27.2 s in, 5,069 files (151 MB) in 171.7 s out, May 2025."""
COPY_SPREAD = math.log(1.6)
"""Standard deviation of the logarithm of how long copying takes: other systems are slower, other hours better."""


def phase(normal: Normal, key: Key, phase: Phase, *, prior: float | None = None) -> Expected:
    """How long such a job is in this phase; of a phase that nothing is known of, 0 seconds.

    ``prior`` is the spread (of the logarithm) to suppose while there are few jobs, instead of the site figures'.
    """
    figure = _figure(phase, key)
    usual = normal.of(*key, seconds_of(phase.value))
    if usual is None or usual.count < FEW:
        return Expected(low=figure.low, likely=figure.likely, high=figure.high, basis=_basis(phase, key))
    return own(usual, min(spread_of(figure), WIDEST) if prior is None else prior)


def transfer(normal: Normal, key: Key, into: Into, files: int, size: int, pace: float = 1.0) -> Expected:
    """How long the service takes to bring so many files (``size`` in bytes): waiting, copying, until it looks."""
    if not files:
        return Expected(low=0.0, likely=0.0, high=0.0, basis="nothing is moved")
    arrived = total(arrival(normal, key, into, files, size))
    low, likely, high = (
        noticed("tapis", DURING[into], seconds, pace)
        for seconds in (arrived.low, arrived.likely, arrived.high)
    )
    return Expected(low=low, likely=likely, high=high, basis=arrived.basis)


def arrival(normal: Normal, key: Key, into: Into, files: int, size: int) -> tuple[Expected, Expected]:
    """How long so many files wait until they are copied, and how long that takes."""
    waiting = normal.of(*key, f"{into}_waiting_s")
    if waiting is None or waiting.count < FEW:
        return _wait(), _copy(into, files, size)
    return own(waiting, spread_of(TRANSFER_WAIT)), _own_copy(normal, key, into, files, size)


def copying(into: Into, files: int, size: int) -> float:
    """Seconds to copy so many files by the site figures; the slower of what their number and their bytes need."""
    return max(files / FILES_PER_S[into], size / BYTES_PER_S)


def total(parts: Iterable[Expected]) -> Expected:
    """One after the other: the likely times add up, the distances to the bounds as those of independent things do."""
    parts = list(parts)
    likely = sum(part.likely for part in parts)
    below = math.hypot(*(part.likely - part.low for part in parts))
    above = math.hypot(*(part.high - part.likely for part in parts))
    said = dict.fromkeys(part.basis for part in parts if part.high > 0 and part.basis)
    return Expected(
        low=max(0.0, likely - below), likely=likely, high=likely + above, basis="; ".join(said) or "nothing"
    )


def _figure(phase: Phase, key: Key) -> Figure:
    if phase is Phase.QUEUED:
        return WAITED if key[2] else STARTED
    return PHASES.get(phase, Figure(low=0.0, likely=0.0, high=0.0))


def _basis(phase: Phase, key: Key) -> str:
    if phase is Phase.QUEUED and key[2]:
        return f"a guess: no job of yours has waited in {key[2]} yet"
    return f"figures of {SEEN}"


def spread_of(figure: Figure) -> float:
    """Standard deviation of the logarithm."""
    return math.log(figure.high / figure.low) / (2 * EIGHTY) if figure.low > 0 else 0.0


def own(usual: Baseline, prior: float) -> Expected:
    """By the user's own jobs; ``prior`` is the spread (of the logarithm) that counts while they are few."""
    jobs = f"your {usual.count:,} ended jobs like these"
    if usual.median <= 0:
        return Expected(low=0.0, likely=0.0, high=max(0.0, usual.p90), basis=jobs)
    spread = own_spread(usual, prior)
    return Expected(
        low=usual.median * math.exp(-EIGHTY * spread),
        likely=usual.median,
        high=usual.median * math.exp(EIGHTY * spread),
        basis=jobs,
    )


def own_spread(usual: Baseline, prior: float) -> float:
    """Spread of the logarithm of the next job's figure, whose median (above 0) is known from so many jobs.

    The mean of both variances, weighted with the number of jobs; that the median itself may be off adds one part in
    ``count``.
    """
    low, high = max(usual.p10, usual.median / 100), max(usual.p90, usual.median)
    seen = math.log(high / low) / (2 * EIGHTY)
    variance = (PRIOR * prior**2 + usual.count * seen**2) / (PRIOR + usual.count)
    return math.sqrt(variance * (1 + 1 / usual.count))


def _wait() -> Expected:
    figure = TRANSFER_WAIT
    return Expected(low=figure.low, likely=figure.likely, high=figure.high, basis=f"figures of {SEEN}")


def _copy(into: Into, files: int, size: int) -> Expected:
    likely = copying(into, files, size)
    return Expected(
        low=likely * math.exp(-EIGHTY * COPY_SPREAD),
        likely=likely,
        high=likely * math.exp(EIGHTY * COPY_SPREAD),
        basis=f"figures of {SEEN}",
    )


def _own_copy(normal: Normal, key: Key, into: Into, files: int, size: int) -> Expected:
    """By the user's own transfers: so many times as long as the site figures say, for theirs and so for these."""
    took, moved, heavy = (normal.of(*key, f"{into}_{what}") for what in ("copying_s", "files", "bytes"))
    usual = copying(into, round(moved.median), round(heavy.median)) if moved and heavy else 0.0
    if took is None or not took.median or not usual:
        return _copy(into, files, size)
    expected = own(took, COPY_SPREAD)
    factor = copying(into, files, size) / usual
    return Expected(
        low=expected.low * factor,
        likely=expected.likely * factor,
        high=expected.high * factor,
        basis=expected.basis,
    )
