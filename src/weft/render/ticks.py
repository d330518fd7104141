"""Where an axis of time has its ticks, and what they say."""

from __future__ import annotations

_NICE = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(86_400 * days for days in (1, 2, 7, 14, 28, 84, 182, 365)),
)
"""Seconds between two ticks."""


def ticks(low: float, high: float, most: int = 8) -> dict[float, str]:
    """Ticks from 0 on within these seconds, with their labels."""
    step = next((each for each in _NICE if (high - low) / each <= most), float(_NICE[-1]))
    while (high - low) / step > most:
        step *= 2
    first, last = int(-(-low // step)), int(high // step)
    return {place * step: _tick(place * step) for place in range(first, last + 1)}


def log_ticks(low: float, high: float) -> dict[float, str]:
    """Ticks of a logarithmic axis: as people say lengths of time."""
    said = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000)
    return {float(each): _tick(each) for each in said if low <= each <= high}


def _tick(seconds: float) -> str:
    """Without the parts that are none: "2 h", "1 h 30 min"."""
    if seconds == 0:
        return "0"
    left, found = seconds, []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if left >= length:
            found.append(f"{int(left // length)} {unit}")
            left -= length * (left // length)
    if left or not found:
        found.append(f"{left:.3g} s")
    return " ".join(found)
