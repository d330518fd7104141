"""Who asks goes first: the work behind steps back for a moment while requests are answered.

All threads of the service share one interpreter, so a burst of submissions and the carrying of the jobs that it has
begun would slow each other down; and someone waits for the one, nobody for the other. A step of a job, or a piece of a
transfer, therefore begins only when nothing is being answered and nothing has been for a few milliseconds, but at the
latest after five seconds: however much is asked, the jobs go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = 0.005
"""Seconds after the last answer that count as quiet."""
PATIENCE = 5.0
"""Seconds after which a step begins all the same."""


class Courtesy:
    """What is being answered, and waiting until nothing is. Requests are noted by one thread, any may wait."""

    def __init__(self) -> None:
        self._answering = 0
        self._answered = 0.0

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Note that a request is being answered."""
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self._answered = time.monotonic()

    def give_way(self) -> None:
        """Wait for a quiet moment, five seconds at most."""
        latest = time.monotonic() + PATIENCE
        while (now := time.monotonic()) < latest and (self._answering or now - self._answered < QUIET):
            time.sleep(QUIET)
