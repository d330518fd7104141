"""When a job that Tapis gave up, or killed, is really over: its records tell, or their silence.

Tapis gives up a job that it cannot watch any longer and leaves its processes alone, and what it kills of a job that it
started itself are the children of one process, not theirs. So where its word does not mean that all has ended
(``lifecycle.may_live``), the runner is asked to stop, which it also heeds if it has yet to begin.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from weft.core.records import parse
from weft.errors import BackendError
from weft.tapis.files import Files
from weft.tapis.paths import Address
from weft.tapis.session import Rejected

PIECE = 8_000_000
RECORDS, STOP = "results.jsonl", "stop"
"""Names in the folder of a job; the runner stops when it finds the last."""


class _Signs(Struct):
    """What a job has shown of itself since it was asked to stop."""

    asked: bool
    since: float
    """When its records last grew."""
    offset: int = 0


class LastSigns:
    """Looks for signs of life; ``quiet`` is how long there must be none from a runner that was asked to stop.

    One that cannot be asked is given ``longest``, the time that a job may take. Both are seconds.
    """

    def __init__(
        self, files: Files, *, quiet: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = files
        self._quiet, self._longest = quiet, longest
        self._clock = clock
        self._signs: dict[str, _Signs] = {}

    def may_live(self, native: str, folder: Address, *, heeds: bool = True) -> bool:
        """May something of this job, whose folder this is, still run? Without an answer nobody knows.

        Without ``heeds`` it lets the case end that it is at, and is given as long as one that cannot be asked.
        """
        try:
            signs = self._signs.get(native)
            if signs is None:
                signs = self._signs[native] = _Signs(asked=self._ask(folder), since=self._clock())
            return not self._has_ended(signs, folder / RECORDS, self._quiet if heeds else self._longest)
        except BackendError:
            return True

    def _ask(self, folder: Address) -> bool:
        try:
            self._files.upload(b"", folder.system, (folder / STOP).path, verify=False)
        except Rejected:
            return False
        return True

    def _has_ended(self, signs: _Signs, where: Address, quiet: float) -> bool:
        try:
            data = self._files.read(where.system, where.path, signs.offset, PIECE)
        except Rejected:
            data = b""
        if data is None and not signs.offset and signs.asked:
            return True  # it has not begun, and when it does, it stops
        records, taken = parse(data or b"")
        if any(record.t == "end" for record in records):
            return True
        if taken:
            signs.offset, signs.since = signs.offset + taken, self._clock()
        return self._clock() - signs.since >= (quiet if signs.asked else self._longest)
