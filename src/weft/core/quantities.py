"""How a duration, a size, a rate, a count and a moment are written, everywhere.

Two units at most, rounded to what a reader can use, and never "60 s" or "1000 kB": rounding comes first, the
unit after.
"""

from __future__ import annotations

from datetime import datetime

_ENDLESS = 1e15
"""Seconds that nothing takes."""
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float | None) -> str:
    """Seconds as "45 ms", "1.2 s", "42 s", "3 min 05 s", "2 h 10 min" or "3 d 04 h"; else "unknown"."""
    if seconds is None or not abs(seconds) < _ENDLESS:
        return "unknown"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if round(seconds * 1000) < 100:
        return f"{round(seconds * 1000)} ms" if seconds else "0 s"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24:,} d {hours % 24:02d} h"


def size(count: float) -> str:
    """Bytes as "512 B", "1.2 MB", "34 GB"; units of 1000."""
    if count < 0:
        return f"-{size(-count)}"
    value = float(min(count, 1e30))
    last = _SIZES[-1]
    for unit in _SIZES:
        shown = f"{value:.0f}" if unit == "B" or round(value, 1) >= 10 else f"{value:.1f}"
        if float(shown) < 1000 or unit == last:
            return f"{float(shown):,.0f} {unit}" if float(shown) >= 1000 else f"{shown} {unit}"
        value /= 1000
    raise AssertionError  # the last unit takes all


def rate(amount: float, seconds: float) -> str:
    """So many in so long, as "12/s", "3.4/min" or "5.0/h", by the largest that is at least one."""
    if seconds <= 0 or amount <= 0:
        return "0/s"
    per_second = amount / seconds
    for unit, length in (("s", 1), ("min", 60)):
        if round(per_second * length, 1) >= 1:
            return f"{_short(per_second * length)}/{unit}"
    return f"{_short(per_second * 3600)}/h"


def _short(value: float) -> str:
    return f"{value:,.0f}" if round(value, 1) >= 10 else f"{value:.1f}"


def count(number: int, word: str = "") -> str:
    """A whole number with thousands separators; with a word, that many of it: "1 case", "12,000 cases"."""
    if not word:
        return f"{number:,}"
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def share(part: float) -> str:
    """A fraction of one as a percentage: "7 %", "0.4 %", "100 %"."""
    percent = 100 * part
    return f"{percent:.1f} %" if 0 < round(percent, 1) < 1 else f"{percent:.0f} %"


def moment(at: float, now: float | None = None) -> str:
    """Local time as "2026-03-01 10:00:05"; with ``now``, also how long ago that is; "unknown" for what is no date."""
    try:
        text = datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "unknown"
    if now is None:
        return text
    return f"{text} ({duration(now - at)} ago)" if now >= at else f"{text} (in {duration(at - now)})"


def number(value: float) -> str:
    """A measured number with up to six significant digits, and no noise behind them."""
    return f"{value:.6g}"
