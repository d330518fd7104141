"""All that is wrong with a study file, collected so that the user hears it at once, each with its line.

``Complaints`` collects; ``key_lines`` finds the line on which each key of a TOML text stands, which the
parser in Python's library does not tell. It reads only text that the parser has accepted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence

from weft.errors import StudyFileError, WeftError

MOST = 50
"""Complaints that are told at once; who reads more?"""

Key = tuple[str, ...]


class Complaints:
    """The complaints about one study file, and about files that it names."""

    def __init__(self, label: str, text: str = "") -> None:
        self.label = label
        """What the user calls the file."""
        self._text = text
        self._lines: dict[Key, int] | None = None
        self._found: list[WeftError] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, key: Sequence[str], what: str, hint: str = "") -> None:
        """Complain about the value of a key."""
        self._found.append(WeftError(what, where=self.where(key), hint=hint))

    def add_error(self, error: WeftError) -> None:
        """Take over complaints that know where they are, such as those about a table's rows."""
        self._found += error.complaints if isinstance(error, StudyFileError) else [error]

    def where(self, key: Sequence[str]) -> str:
        """Return ``study.toml:12: model.command``."""
        line = self._line(tuple(key))
        place = f"{self.label}:{line}" if line else self.label
        return f"{place}: {'.'.join(key)}" if key else place

    def raise_all(self) -> None:
        """Raise all complaints as one error, if there are any."""
        if not self._found:
            return
        found = sorted(self._found, key=self._order)[:MOST]
        if len(self._found) > MOST:
            found.append(WeftError(f"and {len(self._found) - MOST} complaints more", where=self.label))
        raise StudyFileError(found)

    def _order(self, complaint: WeftError) -> int:
        """In the order of the file's lines; what is about other files comes last."""
        place = re.match(r"(\d+)", complaint.where[len(self.label) + 1 :])
        if not complaint.where.startswith(self.label):
            return sys.maxsize
        return int(place[1]) if place else 0

    def _line(self, key: Key) -> int | None:
        if self._lines is None:
            self._lines = key_lines(self._text)
        for end in range(len(key), 0, -1):
            if key[:end] in self._lines:
                return self._lines[key[:end]]
        return None


_BLANKS = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""")
_VALUE = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]''', re.DOTALL
)


def key_lines(text: str) -> dict[Key, int]:
    """Return the line on which each table and key of a valid TOML text first stands; keys of inline tables do
    not."""
    lines: dict[Key, int] = {}
    table: Key = ()
    at, counted, line = 0, 0, 1
    while True:
        at = _after(_BLANKS, text, at)
        if at >= len(text):
            return lines
        line, counted = line + text.count("\n", counted, at), at
        brackets = 2 if text.startswith("[[", at) else 1 if text[at] == "[" else 0
        key, at = _dotted_key(text, at + brackets)
        if not key:
            return lines  # not TOML as we know it: better no line than a wrong one
        table, whole = (key, key) if brackets else (table, table + key)
        for end in range(1, len(whole) + 1):
            lines.setdefault(whole[:end], line)
        at = _after_value(text, at + (brackets or 1))


def _dotted_key(text: str, at: int) -> tuple[Key, int]:
    parts: list[str] = []
    while match := _PART.match(text, at):
        bare, quoted, literal = match.groups()
        parts.append(bare or literal or _unescaped(quoted or ""))
        at = match.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    return tuple(parts), at


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _after_value(text: str, at: int) -> int:
    """Return where the line ends on which the value that begins here is complete."""
    depth = 0
    while match := _VALUE.search(text, at):
        at = match.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if match[0] == "\n" and depth <= 0:
            return at
    return len(text)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
