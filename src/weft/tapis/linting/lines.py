"""Where in a JSON text each value stands. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

Path = tuple[str | int, ...]
"""Keys and numbers on the way to a value."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n', re.DOTALL)

_DEEPEST = 50
"""Levels; no definition has so many, and what lies deeper is not looked for."""


class Lines(Struct, frozen=True):
    """``repeated`` are keys that an object has twice; the second counts."""

    of: Mapping[Path, int]
    repeated: tuple[tuple[Path, int], ...]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it that is there; 0 if nothing is."""
        while path and path not in self.of:
            path = path[:-1]
        return self.of.get(path, 0)


def lines_of(text: str) -> Lines:
    """Find the lines of all values of a JSON text that is valid; of another, of some."""
    found: dict[Path, int] = {}
    repeated: list[tuple[Path, int]] = []
    path: list[str | int] = []
    line, key = 1, ""
    for mark in _TOKEN.findall(text):
        here = tuple(path) if len(path) <= _DEEPEST else ()
        if mark == "\n":
            line += 1
        elif mark in "{[":
            found.setdefault(here, line)
            path.append("" if mark == "{" else 0)
        elif mark in "}]":
            path[-1:] = []
        elif mark == "," and path:
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else ""
        elif mark == ":" and here:
            path[-1] = key
            here = (*here[:-1], key)
            if here in found:
                repeated.append((here, line))
            found[here] = line
        else:
            if here and isinstance(here[-1], int):
                found.setdefault(here, line)
            key = _unquoted(mark)
            line += mark.count("\n")
    return Lines(found, tuple(repeated))


def _unquoted(token: str) -> str:
    return token[1:-1] if token.startswith('"') else token
