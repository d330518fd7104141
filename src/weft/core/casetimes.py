"""How long the cases of a study take, one by one and dealt out to the slots of a job. PURE."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from weft.core.experience import Experience
from weft.core.quantities import count
from weft.core.waits import EIGHTY, FEW, own
from weft.model import Bundle, Kind, Study

EVENLY = 0.7
"""Cases of a pilot lie evenly spread over the space: their mean is so much surer than that of cases by chance."""
GUESSED = 0.5
"""Part of the time that a case may take that it takes, where nobody knows."""


class CaseTimes(Struct, frozen=True, kw_only=True):
    """How long cases take."""

    walls: tuple[float, ...]
    """Seconds of cases that stand for all."""
    spread: float
    """By how much all may be longer or shorter together: standard deviation of the logarithm."""
    basis: str
    guessed: bool = False
    """Nothing but the limit of a case is known."""

    @property
    def likely(self) -> float:
        return median(self.walls)


def case_times(
    study: Study, walls: Sequence[float], learnt: Experience, *, cases: int = 0
) -> CaseTimes | None:
    """How long this study's cases take: by those that have run, else the user's history, else what they may take.

    ``walls`` are those of the ``cases`` that the study has (0: many) that ran: the fewer, the less sure are all others.
    None where nothing is known: no case has run, no such job is remembered, and no time limit is set.
    """
    if walls:
        return _by_those_that_ran(walls, cases)
    limit = 60 * study.resources.minutes if study.resources.minutes else math.inf
    for name, whose in ((study.name, "this study"), ("", "this app")):
        usual = learnt.case_s.get(name)
        if usual is not None and usual.count >= FEW and (name or _has_app(learnt)):
            seen = own(usual, 0.3 if name else 0.7)
            spread = math.log(seen.high / seen.low) / (2 * EIGHTY) if seen.low > 0 else 0.5
            text = f"the cases of your {usual.count:,} ended jobs of {whose}"
            return CaseTimes(walls=(min(usual.median, limit),), spread=spread, basis=text)
    if math.isinf(limit):
        return None
    text = f"a guess from the {study.resources.minutes:g} min that a case may take"
    return CaseTimes(walls=(GUESSED * limit,), spread=0.5, basis=text, guessed=True)


def _by_those_that_ran(walls: Sequence[float], cases: int) -> CaseTimes:
    mean = sum(walls) / len(walls)
    apart = math.sqrt(sum((wall - mean) ** 2 for wall in walls) / max(1, len(walls) - 1)) / mean or 0.1
    left = math.sqrt(max(0.0, 1 - len(walls) / cases)) if cases else 1.0
    return CaseTimes(
        walls=tuple(walls),
        spread=0.03 + EVENLY * left * apart / math.sqrt(len(walls)),
        basis=f"{count(len(walls), 'case')} that ran",
    )


def _has_app(learnt: Experience) -> bool:
    return any(app for app, _, _ in learnt.normal.baselines)


def work(study: Study, bundle: Bundle, times: CaseTimes, slots: int) -> float:
    """Seconds that the cases of a job take: dealt out to its slots, longest first."""
    if bundle.kind in (Kind.BEFORE, Kind.AFTER):
        step = study.before if bundle.kind is Kind.BEFORE else study.after
        minutes = step.resources.minutes if step else None
        return GUESSED * 60 * minutes if minutes else times.likely
    cases = len(bundle.cases)
    ordered = sorted(times.walls)
    # Evenly spread over those that are known, so that a few stand for many.
    walls = [ordered[int((place + 0.5) / cases * len(ordered))] for place in range(cases)]
    busy = [0.0] * min(slots, cases)
    for wall in reversed(walls):
        heapq.heapreplace(busy, busy[0] + wall)
    return max(busy, default=0.0)
