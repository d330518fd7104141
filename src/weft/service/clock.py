"""What time it is in the service, and how long things artificially take.

With pace ``instant`` nothing is waited for that need not be: events come as they happen. With pace ``tapis`` the waits
of the real service are drawn from the phases of recorded jobs, and monitors look as rarely as the real ones do.
``speed`` divides the artificial waits; the service's own clock then runs that many times faster, so that histories
show the waits in full. What the job itself takes is real and is therefore shown ``speed`` times longer.
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta, timezone
from typing import Literal

from weft.service.jobs.states import Status
from weft.service.settings import PaceName

Look = Literal["app", "transfer", "quota"]

_PHASES: dict[Status, tuple[float, ...]] = {
    Status.PENDING: (1.0, 0.9),
    Status.PROCESSING_INPUTS: (1.1, 5.9),
    Status.STAGING_JOB: (42.3, 21.9),
    Status.SUBMITTING_JOB: (0.7, 0.6),
    Status.QUEUED: (2.2, 1.9),
}
"""Seconds seen in two recorded jobs of DesignSafe (May 2025 and August 2026)."""
_SPREAD = 1.5
"""What is drawn lies between the smallest seen divided by this, and the largest times this, evenly on a log scale."""

_TRANSFER_QUEUE = (11.1, 15.1)
"""Seconds a transfer waited before it began, in the first of these jobs."""
_FILES_PER_SECOND = (4.1, 29.5)
_BYTES_PER_SECOND = 0.88e6
"""Rates of the same transfers: 112 files of 2.9 MB, and 5069 files of 151 MB."""

_STEPS: dict[Look, tuple[tuple[int, float], ...]] = {
    "app": ((1, 1), (5, 10), (10, 60), (100, 180), (100, 300), (0, 600)),
    "transfer": ((3, 5), (10, 10), (100, 30), (0, 60)),
    "quota": ((0, 60),),
}
"""(how many looks, seconds before each) of the real monitors; 0 looks = from then on."""
_INSTANT: dict[Look, tuple[float, float]] = {"app": (0.05, 1.0), "transfer": (0.02, 0.5), "quota": (1.0, 1.0)}
"""First and longest interval where events are told as they happen: only what no event tells is looked for."""


class Clock:
    """Service time: starts as the real time and runs ``speed`` times faster."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = datetime.now(timezone.utc)
        self._mark = time.monotonic()
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        if self.speed == 1.0:
            return datetime.now(timezone.utc) + self._ahead
        return self._began + self._ahead + timedelta(seconds=(time.monotonic() - self._mark) * self.speed)

    def stamp(self) -> str:
        return stamp(self.now())

    def real(self, seconds: float) -> float:
        """Seconds to really wait for so many seconds of service time."""
        return seconds / self.speed

    def not_before(self, moment: datetime) -> None:
        """Go on no earlier than this: a service that ran fast and starts again must not fall back in time."""
        self._ahead += max(moment - self.now(), timedelta(0))


def stamp(moment: datetime) -> str:
    """A time as every answer writes it; the years are always of four digits, so that the texts sort."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Pace:
    """Artificial waits in seconds of service time; all zero for ``instant``. Safe to share between threads."""

    def __init__(self, name: PaceName = "instant", seed: int | None = None) -> None:
        self.instant = name == "instant"
        self._random = random.Random(seed)  # noqa: S311 - spread of waits, no secret

    def phase(self, status: Status) -> float:
        """How much longer than its work a phase takes."""
        seen = _PHASES.get(status)
        return 0.0 if self.instant or not seen else self._drawn(min(seen), max(seen))

    def transfer(self, files: int, size: int) -> tuple[float, float]:
        """How long a transfer waits before it begins, and how long it then copies ``size`` bytes."""
        if self.instant or not files:
            return 0.0, 0.0
        rate = self._drawn(*_FILES_PER_SECOND)
        return self._drawn(*_TRANSFER_QUEUE), max(files / rate, size / _BYTES_PER_SECOND)

    def look(self, what: Look, count: int) -> float:
        """How long before look number ``count`` (from 0) at something that is waited for."""
        if self.instant:
            first, longest = _INSTANT[what]
            return min(longest, first * 2.0 ** min(count, 30))
        for looks, interval in _STEPS[what]:
            if not looks or count < looks:
                return float(interval)
            count -= looks
        return float(_STEPS[what][-1][1])

    def _drawn(self, least: float, most: float) -> float:
        low, high = least / _SPREAD, most * _SPREAD
        return float(low * (high / low) ** self._random.random())
