"""How late a service may tell that a phase of a job is over: PURE.

Tapis looks at what it waits for less and less often, and writes the moment at which it looked into a job's history.
What it then says of a phase is right at the beginning and may be too long at the end. Everything about that lives here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def lateness(backend: str, phase: Phase, seconds: float) -> float:
    """So many seconds before its end may a phase of this length have been over; 0 where nobody had to look for it."""
    looks = LOOKS.get(backend, {}).get(phase)
    return min(_interval(looks, seconds), seconds) if looks else 0.0


def _interval(looks: Looks, seconds: float) -> float:
    """The time between two looks, when the waiting has gone on for so long."""
    until = 0.0
    for count, interval in looks:
        until += count * interval
        if not count or seconds <= until:
            return interval
    raise AssertionError  # the last step has no end
