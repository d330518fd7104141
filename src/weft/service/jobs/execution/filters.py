"""Everything about archive filters: which of a job's outputs are archived.

A pattern is a glob in Java's manner, matched against the whole path relative to the output folder: ``*`` and ``?`` stay
within one folder, ``**`` does not, ``[a-z]`` and ``[!a-z]`` are sets, ``{a,b}`` are alternatives that cannot be nested,
a backslash makes the next character ordinary. What follows ``REGEX:`` is a regular expression, matched in full.
Excludes go first, then includes; without includes, all the rest is kept.

Patterns are the users' own, and some take practically for ever to match. Those that might are matched by a process of
their own that has ``PATIENCE`` seconds, so that nobody's pattern stops the service.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

REGEX = "REGEX:"
PATIENCE = 10.0
"""Seconds that the matching of one job's outputs may take where it could take for ever."""
_HARMLESS = 2e6
"""Steps that the matching of one path may need at worst to be done by the service itself."""
_MATCHER = """\
import json, re, sys
patterns, paths = json.load(sys.stdin)
patterns = [re.compile(pattern) for pattern in patterns]
json.dump([[bool(pattern.fullmatch(path)) for path in paths] for pattern in patterns], sys.stdout)
"""


class BadFilter(ValueError):
    """A pattern that means nothing, or that takes too long to match."""


def kept(paths: Sequence[str], includes: Sequence[str], excludes: Sequence[str]) -> list[str]:
    """The paths (relative to the output folder, no leading slash) that the filters leave, in their order.

    Raises:
        BadFilter: A pattern that means nothing, or that takes too long to match.
    """
    patterns = [*excludes, *includes]
    matches = _matched([as_regex(pattern) for pattern in patterns], patterns, paths)
    out, into = matches[: len(excludes)], matches[len(excludes) :]
    return [
        path
        for at, path in enumerate(paths)
        if not any(hit[at] for hit in out) and (not into or any(hit[at] for hit in into))
    ]


def as_regex(pattern: str) -> str:
    """The pattern as a regular expression of Python, for a match in full.

    Raises:
        BadFilter: The pattern means nothing.
    """
    text = pattern[len(REGEX) :] if pattern.startswith(REGEX) else _Glob(pattern).regex()
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadFilter(f"the archive filter {pattern!r} is no valid pattern: {error}") from error
    return text


def _matched(regexes: Sequence[str], patterns: Sequence[str], paths: Sequence[str]) -> list[list[bool]]:
    longest = max(map(len, paths), default=0)
    if all(_steps(pattern, longest) <= _HARMLESS for pattern in patterns):
        compiled = [re.compile(regex) for regex in regexes]
        return [[bool(regex.fullmatch(path)) for path in paths] for regex in compiled]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCHER],
            input=json.dumps([regexes, paths]).encode(),
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise BadFilter(
            f"the archive filters {', '.join(patterns)} took longer than {PATIENCE:g} s"
        ) from error
    found: list[list[bool]] = json.loads(done.stdout)
    return found


def _steps(pattern: str, longest: int) -> float:
    """How many steps the matching of one path can take at worst; each free part may multiply them."""
    if pattern.startswith(REGEX):
        return float("inf")
    free = len(re.findall(r"\*+|\{", pattern))
    return float(max(longest, 1)) ** free if free < 8 else float("inf")


class _Glob:
    """One glob on its way to a regular expression."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.grouped = False

    def regex(self) -> str:
        parts: list[str] = []
        while self.at < len(self.pattern):
            parts.append(self._next())
        if self.grouped:
            raise self._bad("a '{' without its '}'")
        return "(?s:" + "".join(parts) + ")"

    def _next(self) -> str:
        character = self._take()
        if character == "*":
            return self._star()
        if character == "?":
            return "[^/]"
        if character == "[":
            return self._set()
        if character == "\\":
            if self.at == len(self.pattern):
                raise self._bad("a backslash at its end")
            return re.escape(self._take())
        return self._group(character)

    def _take(self) -> str:
        self.at += 1
        return self.pattern[self.at - 1]

    def _star(self) -> str:
        if self.pattern[self.at : self.at + 1] != "*":
            return "[^/]*"
        while self.pattern[self.at : self.at + 1] == "*":
            self.at += 1
        return ".*"

    def _group(self, character: str) -> str:
        if character == "{":
            if self.grouped:
                raise self._bad("a '{' within braces")
            self.grouped = True
            return "(?:"
        if self.grouped and character == ",":
            return "|"
        if self.grouped and character == "}":
            self.grouped = False
            return ")"
        return re.escape(character)

    def _set(self) -> str:
        negated = self.pattern[self.at : self.at + 1] == "!"
        self.at += negated
        end = self.pattern.find("]", self.at)
        inside = self.pattern[self.at : end]
        if end < 0 or not inside:
            raise self._bad("a '[' without its ']'")
        if "/" in inside:
            raise self._bad("a '/' in a set")
        self.at = end + 1
        # Everything but the hyphen of a range stands for itself.
        ranges = re.findall(r"(?s)(.)-(.)|(.)", inside)
        text = "".join(
            f"{re.escape(low)}-{re.escape(high)}" if low else re.escape(one) for low, high, one in ranges
        )
        return f"(?!/)[{'^' if negated else ''}{text}]"

    def _bad(self, why: str) -> BadFilter:
        return BadFilter(f"the archive filter {self.pattern!r} has {why}")
