"""How evidence writes a figure: the same words on a terminal, in a report and in JSON. PURE.

Two units at most, rounded to what a reader can use. Rounding comes first, the unit after: never "60 s".
"""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def seconds(time: float) -> str:
    """A time that was measured as "1.2 s", "42 s", "3 min 35 s", "2 h 10 min" or "3 d 04 h"."""
    if round(time, 1) < 10:
        return f"{time:.1f} s" if time else "0 s"
    whole = round(time)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(time / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(time / 3600)
    return f"{hours // 24:,} d {hours % 24:02d} h"


def limit(time: float) -> str:
    """A time that somebody chose, as people say it: "30 s", "90 s", "10 min", "48 h"."""
    for unit, length in (("h", 3600), ("min", 60)):
        if time >= length and time % length == 0:
            return f"{time // length:,.0f} {unit}"
    return f"{time:g} s"


def size(count: float) -> str:
    """Bytes as "512 B", "2.9 MB", "151 MB"; units of 1000."""
    value = float(count)
    for unit in _SIZES[:-1]:
        if round(value) < 1000:
            return f"{_short(value) if unit != 'B' else round(value)} {unit}"
        value /= 1000
    return f"{_short(value)} {_SIZES[-1]}"


def files(count: float) -> str:
    """So many files: "1 file", "5,069 files"."""
    return _count(count, "file")


def jobs(count: float) -> str:
    """So many jobs: "1 job", "40 jobs"."""
    return _count(count, "job")


def cases(count: float) -> str:
    """So many cases: "1 case", "10,740 cases"."""
    return _count(count, "case")


def share(part: float) -> str:
    """A fraction of one as a percentage: "7 %", "0.4 %", "92 %"."""
    percent = 100 * part
    return f"{percent:.1f} %" if 0 < round(percent, 1) < 1 else f"{percent:.0f} %"


def rate(amount: float, time: float, word: str) -> str:
    """So many in so many seconds: "29.5 files/s", "0.9 cases/s"; nothing in no time is "0 files/s"."""
    return f"{_short(amount / time if time > 0 else 0.0)} {word}/s"


def su(units: float) -> str:
    """Service units: "0.25 SU", "18.8 SU", "1,200 SU"."""
    return f"{units:.2f} SU" if abs(units) < 10 else f"{_short(units)} SU"


def _count(count: float, word: str) -> str:
    whole = round(count)
    return f"{whole:,} {word}{'' if whole == 1 else 's'}"


def _short(value: float) -> str:
    """One digit after the point, where there are fewer than three before it."""
    return f"{value:,.0f}" if round(value, 1) >= 100 or value == 0 else f"{value:.1f}"
