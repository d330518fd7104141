"""When weft looks at its jobs: soon after it did something, then ever more rarely. PURE."""

from __future__ import annotations

import bisect

from weft.model import Limits

GROWTH = 1.3
"""Each pause between two looks is so many times the one before, up to ``Limits.poll_most``."""


class Looks:
    """The moments of weft's looks, in seconds since it last submitted, collected or stopped something."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.poll_most
        self._moments: list[float] = []
        pause, at = min(limits.poll_first, self._most), 0.0
        while pause < self._most:
            at += pause
            self._moments.append(at)
            pause = min(pause * GROWTH, self._most)
        self._moments.append(at + self._most)

    def next(self, seconds: float) -> float:
        """The first look at or after this moment."""
        last = self._moments[-1]
        if seconds <= last:
            return self._moments[bisect.bisect_left(self._moments, seconds)]
        return last + -(-(seconds - last) // self._most) * self._most

    def since(self, seconds: float) -> float:
        """How long before this moment the last look was."""
        last = self._moments[-1]
        if seconds >= last:
            return (seconds - last) % self._most
        place = bisect.bisect_right(self._moments, seconds) - 1
        return seconds - self._moments[place] if place >= 0 else seconds
