"""The table that ``sacct --parsable2`` prints, of Slurm 14 to 25, as rows with values. Pure text.

The columns are those that its header names, in any order. A value that is not there, or cannot be read, is None. Source
of the forms: the manual of sacct, section Job Accounting Fields.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone

from msgspec import Struct

from weft.core.clocks import LONGEST, plausible

_ID = re.compile(r"(\d+(?:_(?:\d+|\[[^\]]*\]))?(?:\+\d+)?)(?:\.(.+))?")
"""A job (an element of an array, some that wait, a part of a heterogeneous job), and perhaps a step of it."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?\s?(?:(Z)|([+-])(\d\d):?(\d\d))?")
_WORDS = re.compile(r"\w+")
_EPOCH = re.compile(r"\d{1,12}(\.\d+)?")
_SPAN = re.compile(r"(?:(\d{1,9})-)?(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9}(?:\.\d+)?)")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)([KMGTP]?)(?:i?B)?([nc]?)", re.IGNORECASE)
_DIGITS = 9
_UNKNOWN = ("0", "unknown", "none", "n/a", "invalid")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


class Row(Struct, frozen=True):
    """One row: of a job, or of a step of it."""

    line: int
    job: str
    step: str
    cells: Mapping[str, str]
    """By the name of the column in small letters."""

    def text(self, *names: str) -> str:
        """The first of these columns that says something."""
        return next((cell for name in names if (cell := self.cells.get(name.lower(), ""))), "")

    def time(self, name: str) -> float | None:
        """Seconds since the epoch."""
        return time_in(self.text(name))

    def strange(self, name: str) -> bool:
        """Does it say something as a time that is none, or cannot be?"""
        text = self.text(name)
        return bool(text) and text.lower() not in _UNKNOWN and time_in(text) is None

    def span(self, *names: str) -> float | None:
        """Seconds."""
        return span_in(self.text(*names))

    def size(self, name: str) -> int | None:
        """Bytes."""
        found = _SIZE.fullmatch(self.text(name))
        return round(float(found[1]) * _UNITS[found[2].upper()]) if found else None

    def whole(self, *names: str) -> int | None:
        """The first of these columns that has a number above 0, such as ``48`` or ``1.5K``."""
        for name in names:
            found = _SIZE.fullmatch(self.text(name))
            thousands = {"": 1, "K": 1000, "M": 1_000_000}.get(found[2].upper()) if found else None
            if found and thousands and (number := round(float(found[1]) * thousands)) > 0:
                return number
        return None

    def minutes(self) -> float:
        """The limit of a job's time; 0 for none."""
        raw = self.text("TimelimitRaw")
        if raw.isdecimal() and len(raw) <= _DIGITS:
            return float(raw)
        return (self.span("Timelimit") or 0.0) / 60

    def memory(self, nodes: int, cpus: int) -> int:
        """What was asked for on each node, in bytes; 0 for no limit.

        Until version 21.05 it is told by node ("4Gn") or processor ("4Gc"), then for all nodes together.
        """
        found, size = _SIZE.fullmatch(self.text("ReqMem")), self.size("ReqMem")
        if not found or not size:
            return 0
        if found[3].lower() == "n":
            return size
        return -(-size * cpus // nodes) if found[3].lower() == "c" else -(-size // nodes)


def rows(text: str) -> Iterator[Row | str]:
    """The rows of a table, or of several one after the other; in the place of what is none, a sentence why."""
    columns: list[str] = []
    padded = ""
    for number, line in enumerate(
        text.split("\n"), 1
    ):  # not splitlines: names have what breaks lines elsewhere
        cells = [cell.strip() for cell in line.strip("\ufeff\r").split("|")]
        names = [cell.lower() for cell in cells]
        if (
            {"jobid", "jobidraw"} & {*names}
            and len(cells) > 1
            and not any(cell[:1].isdigit() for cell in cells)
        ):
            columns = names
        elif not columns and len(cells) == 1 and {"jobid", "jobidraw"} & {*_WORDS.findall(names[0])}:
            padded = padded or line
        elif columns and line.strip():
            yield _row(number, columns, cells)
    if not columns and padded:
        how = "commas" if "," in padded else "blanks"
        yield f"its columns are not separated by bars but by {how}: let `sacct --parsable2` print it"
    elif not columns:
        yield "this is no table of `sacct --parsable2`: no line names its columns, JobID|State|... and so on"


def _row(number: int, columns: list[str], cells: list[str]) -> Row | str:
    while len(cells) > len(columns) and not cells[-1]:
        cells = cells[:-1]
    surplus = len(cells) - len(columns)
    if surplus > 0 and "jobname" in columns:  # a name may have bars in it
        place = columns.index("jobname")
        cells = [*cells[:place], "|".join(cells[place : place + surplus + 1]), *cells[place + surplus + 1 :]]
    if columns[-1] == "" and len(cells) == len(columns) - 1:
        cells = [*cells, ""]
    if len(cells) != len(columns):
        return f"line {number} has {len(cells)} columns instead of {len(columns)}: passed over"
    told = dict(zip(columns, cells, strict=True))
    ids = [told.get("jobid", ""), told.get("jobidraw", "")]
    found = _ID.fullmatch(ids[0]) or _ID.fullmatch(ids[1])
    if found is None:
        return f"line {number}: {(ids[0] or ids[1])[:40]!r} is no job's id: passed over"
    return Row(number, found[1], found[2] or "", told)


def time_in(text: str) -> float | None:
    """Seconds since the epoch from the same, or from a date and time, of this machine's zone unless it says another.

    None for what is no time, or cannot be one (``core/clocks.py``).
    """
    at = float(text) if _EPOCH.fullmatch(text) else _date(text)
    return at if at is not None and plausible(at) else None


def _date(text: str) -> float | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, utc, sign, hours, minutes = found.groups()
    try:
        if not utc and not sign:
            whole = time.mktime(time.strptime(f"{day}T{clock}", "%Y-%m-%dT%H:%M:%S"))
        else:
            east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            zone = timezone(-east if sign == "-" else east)
            whole = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None
    return whole + float(fraction or 0)


def span_in(text: str) -> float | None:
    """Seconds from ``[days-][hours:]minutes:seconds``, or from a number of them; None for what nothing takes."""
    seconds = float(text) if re.fullmatch(r"\d{1,12}(\.\d+)?", text) else _clock(text)
    return seconds if seconds is not None and seconds <= LONGEST else None


def _clock(text: str) -> float | None:
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups()[:3])
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(found[4])
