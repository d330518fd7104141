"""How late it may be told that a phase of a job is over: PURE.

Tapis looks at what it waits for less and less often, and writes the moment at which it looked into a job's history.
So does weft, where no history tells. What is then said of a phase is right at the beginning and may be too long at
the end. Slurm's accounts are in whole seconds. Everything about that lives here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weft.core.looking import GROWTH
from weft.model import Phase

Looks = Sequence[tuple[int, float]]
"""(how many looks, seconds before each); 0 looks: from then on."""

_JOB: Looks = ((1, 1), (5, 10), (10, 60), (100, 180), (100, 300), (0, 600))
_TRANSFER: Looks = ((3, 5), (10, 10), (100, 30), (0, 60))
_QUOTA: Looks = ((0, 60),)

LOOKS: Mapping[str, Mapping[Phase, Looks]] = {
    "tapis": {
        Phase.STAGING_INPUTS: _TRANSFER,
        Phase.QUEUED: _JOB,
        Phase.RUNNING: _JOB,
        Phase.ARCHIVING: _TRANSFER,
        Phase.BLOCKED: _QUOTA,
    }
}
"""By backend and phase. Source: monitors and recovery policies of Tapis Jobs 1.7.1 (October 2024)."""

POLLS: Mapping[str, tuple[float, float]] = {"local": (0.02, 0.25)}
REMOTE_POLLS = (1.0, 60.0)
"""Seconds between weft's own looks at jobs, at first and at most; of backends that are not named above."""

WHOLE_SECOND = 1.0
"""Slurm's accounts cut off fractions: a phase may be as much too long as too short."""


def lateness(backend: str, phase: Phase, seconds: float) -> float:
    """So many seconds before its end may a phase of this length have been over; 0 where nobody had to look for it."""
    looks = LOOKS.get(backend, {}).get(phase)
    return min(_interval(looks, seconds), seconds) if looks else 0.0


def noticed(backend: str, phase: Phase, seconds: float, pace: float = 1.0) -> float:
    """So many seconds after it began is a phase seen to be over, all that it waited for having come after ``seconds``.

    The backend's first look from then on; at once where nobody has to look. ``pace`` is how many seconds of ours are
    one of the backend's.
    """
    looks = LOOKS.get(backend, {}).get(phase)
    if not looks or pace <= 0:
        return seconds
    until, wanted = 0.0, seconds / pace
    for count, interval in looks:
        steps = max(0, math.ceil((wanted - until) / interval))
        if not count or steps <= count:
            return (until + steps * interval) * pace
        until += count * interval
    raise AssertionError  # the last step has no end


def between_looks(backend: str, seconds: float) -> float:
    """The longest pause between weft's own looks at a job, when nothing has happened for so long."""
    first, most = POLLS.get(backend, REMOTE_POLLS)
    # Pauses that grow by a factor add up: each is the first one, and a share of all the waiting so far.
    return min(first + (GROWTH - 1) * seconds, most, seconds)


def _interval(looks: Looks, seconds: float) -> float:
    """The time between two looks, when the waiting has gone on for so long."""
    until = 0.0
    for count, interval in looks:
        until += count * interval
        if not count or seconds <= until:
            return interval
    raise AssertionError  # the last step has no end
