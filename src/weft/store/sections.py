"""Reading one table of a study file, with a complaint for everything that is not as it should be.

A wrong value is complained about and then taken as absent, so that one reading finds all mistakes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from weft.core.nearest import did_you_mean
from weft.errors import WeftError
from weft.store.complaints import Complaints, Key

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_UNITS = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_size(text: str) -> int:
    """Return bytes: "2 GB" is 2 * 10^9, "2 GiB" is 2 * 2^30.

    Raises:
        WeftError: it is not a number with a unit, or not above 0.
    """
    match = _SIZE.fullmatch(text)
    if not match or match[2].lower() not in _UNITS or float(match[1]) <= 0 or len(match[1]) > 18:
        raise WeftError(
            f'"{text}" is not a size', hint='write a number and a unit: "2 GB", "500 MB", "1 GiB"'
        )
    return math.ceil(float(match[1]) * _UNITS[match[2].lower()])


def kind_of(value: object) -> str:
    """Return what a value of a study file is, in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    return f"a {type(value).__name__}"


class Section:
    """One table of the study file; every method reads one key."""

    def __init__(self, data: object, key: Key, complaints: Complaints, known: Sequence[str]) -> None:
        self.key = key
        self.complaints = complaints
        self.data: Mapping[str, object] = {}
        if isinstance(data, Mapping):
            self.data = data
        elif data is not None:
            self.complaints.add(
                key, f"{kind_of(data)} stands where a table is expected", f"write [{'.'.join(key)}]"
            )
        for name in self.data:
            if name not in known:
                self.complaints.add(
                    (*key, str(name)), f"unknown key `{name}`", did_you_mean(str(name), known)
                )

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def complain(self, name: str, what: str, hint: str = "") -> None:
        """Complain about the value of a key of this table."""
        self.complaints.add((*self.key, name), what, hint)

    def wrong(self, name: str, expected: str, hint: str = "") -> None:
        """Complain that a key has another type of value than it should."""
        self.complain(name, f"{kind_of(self.data[name])} stands where {expected} is expected", hint)

    def text(self, name: str) -> str | None:
        """Read a string that is not empty."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "a string", f'write it in quotes: {name} = "..."')
        elif not value.strip():
            self.complain(name, "it is empty", "leave the key out, or say something")
        elif "\0" in value:
            self.complain(name, "it holds a NUL character", "leave it out")
        else:
            return value
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings; a single string is a list of one."""
        value = self.data.get(name)
        if value is None:
            return ()
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            self.wrong(name, "a list of strings", f'write {name} = ["...", "..."]')
            return ()
        if any(not item.strip() or "\0" in item for item in value):
            self.complain(name, "an entry of the list is empty or holds a NUL character", "remove it")
            return ()
        return tuple(value)

    def integer(self, name: str, least: int) -> int | None:
        """Read a whole number of at least ``least``."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(name, "a whole number", f"write {name} = {max(least, 2)}")
        elif not least <= value < 2**63:
            self.complain(
                name,
                f"{value if abs(value) < 2**63 else 'the number'} is out of range",
                f"give {least} or more",
            )
        else:
            return value
        return None

    def positive(self, name: str) -> float | None:
        """Read a finite number above 0."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            self.wrong(name, "a number", f"write {name} = 5")
        elif not 0 < value < 2**63:
            self.complain(name, "the number is out of range", "give a number above 0")
        else:
            return float(value)
        return None

    def flag(self, name: str) -> bool | None:
        """Read true or false."""
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.wrong(name, "true or false", f"write {name} = true")
        return None

    def table(self, name: str) -> dict[str, object]:
        """Read a table of whatever keys."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(name, "a table", f'write {name} = {{ "NAME" = "value" }}')
            return {}
        return {str(key): one for key, one in value.items()}

    def size(self, name: str) -> int | None:
        """Read a size in bytes, such as "2 GB"."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "a size", f'write a number and a unit in quotes: {name} = "2 GB"')
            return None
        try:
            return parse_size(value)
        except WeftError as problem:
            self.complain(name, problem.what, problem.hint)
            return None

    def one_of(self, name: str, words: Sequence[str]) -> str | None:
        """Read one of a few words."""
        value = self.text(name)
        if value is not None and value not in words:
            self.complain(name, f'"{value}" is not one of the possible words', did_you_mean(value, words))
            return None
        return value
