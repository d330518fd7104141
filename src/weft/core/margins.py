"""How much to ask for, over what was used, in figures that a person would choose. PURE."""

from __future__ import annotations

import math

from weft.core.packing import ENDS, MARGIN

MEMORY_MARGIN = 1.25
"""Memory to ask for, over what was used: a peak between two looks goes unseen."""
TIME_MARGIN = 1.5
"""Minutes to ask for, over what was needed: another node, or a busy one, is slower."""
CORES_TOLERANCE = 0.25
"""So much of a core more than a whole number is no further core."""
SMALL_JOB = 15.0
"""Minutes that a job should run at least: its ends take some, and no less is charged."""
USUAL_JOBS = 4
"""Jobs at a time through Tapis, if the study does not say: enough to spread over, and others have their turn."""

_MEMORY_STEP = 500
"""MB"""
_WHOLE_MINUTES = 20
"""Up to so many, minutes go one by one; above, in steps of five."""


def enough_memory(peak: float) -> int:
    """MB to ask for, for cases that need so many bytes."""
    return round_memory(peak * MEMORY_MARGIN)


def round_memory(needed: float) -> int:
    """MB that hold so many bytes, in steps of half a GB."""
    return max(1, math.ceil(needed / 1e6 / _MEMORY_STEP)) * _MEMORY_STEP


def enough_minutes(seconds: float) -> int:
    """Minutes to ask for, for what takes so long."""
    return round_minutes(seconds * TIME_MARGIN / 60)


def enough_job_minutes(seconds: float) -> int:
    """Minutes to ask for, for a job of which all but its ends takes so long: as ``packing`` has it."""
    return round_minutes(seconds / 60 * MARGIN + ENDS)


def round_minutes(minutes: float) -> int:
    """Whole minutes, no fewer than these."""
    whole = max(1, math.ceil(minutes))
    return whole if whole <= _WHOLE_MINUTES else math.ceil(whole / 5) * 5


def enough_cores(used: float) -> int:
    """Cores to ask for, for a case that keeps so many busy."""
    return max(1, math.ceil(used - CORES_TOLERANCE))


def as_size(memory_mb: float) -> str:
    """An amount of memory as a study file has it: "1.5 GB"."""
    return f"{memory_mb / 1000:g} GB"


def in_toml(memory_mb: float) -> str:
    """The same as a TOML string."""
    return f'"{as_size(memory_mb)}"'
