"""How evidence writes what ``core/quantities.py`` does not: a time that somebody chose, and service units. PURE."""

from __future__ import annotations


def limit(time: float) -> str:
    """A time that somebody chose, as people say it: "30 s", "90 s", "10 min", "48 h"; a measured one has two units."""
    for unit, length in (("h", 3600), ("min", 60)):
        if time >= length and time % length == 0:
            return f"{time // length:,.0f} {unit}"
    return f"{time:g} s"


def su(units: float) -> str:
    """Service units: "0.25 SU", "18.8 SU", "1,200 SU"."""
    if abs(units) < 10:
        return f"{units:.2f} SU"
    return f"{units:,.1f} SU" if abs(units) < 100 else f"{units:,.0f} SU"
