"""Which names a listing's ``pattern`` wants: a wildcard pattern (``*`` and ``?``) or, after ``regex:``, an expression.

Wildcards are compared in a time that grows with the lengths only. An expression may run for ever on a short name, so
it runs in a process of its own that is ended when its time is up. Source: the Files service matches names only, and
expressions anywhere in the name.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from weft.service.answers import Problem

_PREFIX = "regex:"
_LONGEST = 512
SECONDS = 5.0
"""What one listing may spend on its expression."""

_WORKER = """
import json, re, sys
wanted = re.compile(json.loads(sys.stdin.readline())).search
for line in sys.stdin:
    print(json.dumps([bool(wanted(name)) for name in json.loads(line)]), flush=True)
"""


class Pattern:
    """Tells which names match. Use as a context manager: an expression has its process."""

    def __init__(self, pattern: str | None) -> None:
        """Problem 400 for an expression that is none or too long."""
        self._glob = pattern or None
        self._expression: str | None = None
        self._worker: subprocess.Popen[str] | None = None
        if len(pattern or "") > _LONGEST:
            raise Problem(400, f"FILES_PATTERN_INVALID A pattern may have {_LONGEST} characters")
        if pattern and pattern[: len(_PREFIX)].lower() == _PREFIX:
            self._glob, self._expression = None, pattern[len(_PREFIX) :]
            try:
                re.compile(self._expression)
            except (re.error, OverflowError, RecursionError) as error:
                raise Problem(400, f"FILES_PATTERN_INVALID No regular expression: {error}") from error

    def __enter__(self) -> Pattern:
        if self._expression is not None:
            self._worker = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._timer = threading.Timer(SECONDS, self._worker.kill)
            self._timer.daemon = True
            self._timer.start()
            self._say(self._expression)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._timer.cancel()
            self._worker.kill()
            self._worker.communicate()

    def matches(self, names: Sequence[str]) -> list[bool]:
        """For each name, whether it matches; Problem 400 when an expression takes too long."""
        if self._worker is None:
            return [self._glob is None or wildcard(self._glob, name) for name in names]
        self._say(list(names))
        assert self._worker.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        told = self._worker.stdout.readline()
        if not told:
            raise Problem(400, "FILES_PATTERN_INVALID The regular expression takes too long; make it simpler")
        return [bool(each) for each in json.loads(told)]

    def _say(self, what: object) -> None:
        assert self._worker is not None  # noqa: S101 - for the type checker: asked only with a process
        assert self._worker.stdin is not None  # noqa: S101 - likewise
        try:
            self._worker.stdin.write(json.dumps(what) + "\n")
            self._worker.stdin.flush()
        except BrokenPipeError:
            pass  # its time was up: reading will tell


def wildcard(pattern: str, name: str) -> bool:
    """Does the name match, where ``*`` stands for any characters and ``?`` for any one?"""
    at = here = 0
    star, mark = -1, 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[here]):
            at += 1
            here += 1
        elif star >= 0:  # let the last star stand for one more
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")
