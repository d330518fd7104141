"""The backend protocol: what every way of running jobs must do, and nothing more.

A backend reports and never decides. It takes many jobs per question, returns what it saw, raises ``BackendError``
where it got no answer, and never touches the journal, sleeps on its own account or tries a submission twice.
``tests/backends/contract.py`` is this page as tests; every backend must pass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from weft.core.records import Record
from weft.model import Bundle, Limits, Outcome, Phase


class Packed(Struct, frozen=True, kw_only=True):
    """A job ready to go: its folder holds ``bundle.zip`` and the runner."""

    job: str
    folder: Path
    bundle: Bundle


class Refused(Struct, frozen=True):
    """The backend said no; the job does not exist."""

    why: str


class Seen(Struct, frozen=True, kw_only=True):
    """A job as the backend shows it now; ``outcome`` is set when it is over.

    ``orphaned``: the runner is dead and processes that it started live on, so the job is not over.
    """

    phase: Phase
    orphaned: bool = False
    outcome: Outcome | None = None
    word: str = ""
    why: str = ""


class Collected(Struct, frozen=True, kw_only=True):
    """Records from an offset on, and the offset to go on from."""

    records: list[Record]
    offset: int


class Backend(Protocol):
    """How to speak to one place where jobs run."""

    name: str
    limits: Limits

    def submit(self, jobs: Sequence[Packed]) -> Mapping[str, str | Refused]:
        """Start these jobs; for each of our ids its native id, or why not.

        Raises AnswerLost when jobs may have been created and no answer tells.
        """
        ...

    def find(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """Native ids of those of our job ids that the backend knows, whether they run or are over."""
        ...

    def look(self, natives: Mapping[str, str]) -> Mapping[str, Seen]:
        """How jobs (our id to native id) stand; a job that the answer does not tell of is left out."""
        ...

    def collect(self, job: str, native: str, offset: int) -> Collected:
        """The node's whole records of a job from this byte on; works while the job runs."""
        ...

    def cancel(self, natives: Mapping[str, str]) -> None:
        """Ask for these jobs, and everything that they started, to be stopped; returns when that is accepted."""
        ...
