"""Combining what is uncertain, without random numbers: evenly likely outcomes, met in fixed orders. PURE."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from weft.core.waits import EIGHTY, Expected

DRAWS = 251
"""Outcomes that are looked at; a prime number, so that every step through them meets all."""
HELD, WISHED = 0.8, 0.95
"""Part of the outcomes that a range holds at least, and if it is not wide then."""
WIDE = 2.0
"""A range is wide if its ends differ by more than this factor."""

_NORMAL = NormalDist()


def outcomes(one: Expected, count: int = DRAWS) -> list[float]:
    """Evenly likely outcomes, from least to most: the logarithm is normal on either side of what is likely.

    They are moved so that their mean is what is likely: else doubt alone would make a sum of many waits longer.
    """
    found = []
    for place in range(count):
        z = normal(place, count) / EIGHTY
        bound = one.high if z > 0 else one.low
        if one.likely > 0 and bound > 0:
            found.append(one.likely * (bound / one.likely) ** abs(z))
        else:
            found.append(max(0.0, one.likely + abs(z) * (bound - one.likely)))
    mean = sum(found) / count
    return [value * one.likely / mean for value in found] if mean and one.likely else found


def normal(place: int, count: int) -> float:
    """Outcome number ``place`` of so many of what is normally distributed around 0, with a standard deviation of 1."""
    return _NORMAL.inv_cdf((place + 0.5) / count)


def place(draw: int, row: int, count: int) -> int:
    """Which outcome of wait number ``row`` this draw takes: each row passes through all, in an order of its own."""
    step = 2 + row * 7919 % (count - 2)
    return (draw * step + row * 104_729) % count


def combined(
    rows: Sequence[Sequence[float]], how: Callable[[list[float]], float] = math.fsum
) -> tuple[float, ...]:
    """Outcomes of what these come to, each given by its own, from least to most; their sum if not said otherwise."""
    found = [
        how([row[place(draw, number, DRAWS)] for number, row in enumerate(rows)]) for draw in range(DRAWS)
    ]
    return tuple(sorted(found))


def range_of(found: Sequence[float], earlier: float = 0.0, later: float = 0.0) -> tuple[float, float, float]:
    """A range of these, and their middle: the middle nineteen of twenty.

    Where these are wide apart: the range that holds most of those that are not wide, or, if that is less than eight of
    ten, the narrowest that holds eight. (Since weft looks only from time to time, outcomes come in clusters.)
    Each of them may turn out shorter by ``earlier`` seconds, and longer by the share ``later``.
    """
    found = sorted(found)
    count, held = len(found), math.ceil(HELD * len(found))
    narrow = [WIDE * (one - earlier) / (1 + later) for one in found]
    first = int((1 - WISHED) / 2 * count)
    last = count - 1 - first
    if found[last] > narrow[first]:
        ends = [bisect.bisect_right(found, most) - 1 for most in narrow]
        first = max(range(count), key=lambda place: ends[place] - place)
        last = ends[first]
        if last - first + 1 < held:
            first = min(range(count - held + 1), key=lambda place: found[place + held - 1] / found[place])
            last = first + held - 1
    likely = min(max(found[count // 2], found[first]), found[last])
    return max(0.0, found[first] - earlier), likely, found[last] * (1 + later)
