"""The backend protocol: what every way of running jobs must do, and nothing more.

A backend reports and never decides. It takes many jobs per question, returns what it saw, raises ``BackendError``
where it got no answer, and never touches the journal, sleeps on its own account or tries a submission twice.
``tests/backends/contract.py`` is this page as tests; every backend must pass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from weft.core.events import Allotment, HistoryRead
from weft.core.records import Record
from weft.model import Bundle, Limits, Node, Outcome, Phase, SharedInput


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


class Brought(Struct, frozen=True, kw_only=True):
    """What came with the outputs of a job."""

    complaint: str = ""
    """What is wrong with them; empty if nothing is."""
    history: HistoryRead | None = None


class Backend(Protocol):
    """How to speak to one place where jobs run."""

    name: str

    @property
    def doubt(self) -> str:
        """Why a job that the backend calls finished may have done nothing; empty where that cannot be."""
        ...

    @property
    def limits(self) -> Limits:
        """What it allows; asked for again in every round."""
        ...

    @property
    def given(self) -> Allotment:
        """What every job is given to run with, but for its time, which is the bundle's."""
        ...

    @property
    def node(self) -> Node:
        """What bundles must know of it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it: what it cannot do for a study, what will soon stand in the way."""
        ...

    def prepare(self) -> None:
        """See, before a run begins, that jobs can be submitted; CheckFailed says what stands in the way."""
        ...

    def share(self, inputs: Sequence[SharedInput]) -> Mapping[str, dict[str, Any]]:
        """See that shared inputs are where jobs find them, and bring what is not; asked before every submission.

        For each name ``path`` (absolute, on the nodes), ``files`` (path below and bytes) and, where one may be given,
        a ``hint`` what to do when the node misses it.
        """
        ...

    def preview(self, jobs: Sequence[Packed]) -> Sequence[Mapping[str, Any]]:
        """Exactly what a submission of these jobs would ask for, one after the other; sends nothing."""
        ...

    def submit(self, jobs: Sequence[Packed]) -> Mapping[str, str | Refused]:
        """Start these jobs; for each of our ids its native id, or why not.

        A job that may have been created, and of which no answer tells, is left out. Raises AnswerLost when that is so
        of all.
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

    def bring(self, job: str, native: str) -> Brought:
        """Bring the outputs of a job that is over into its folder; whole, or told of as a complaint."""
        ...

    def cancel(self, natives: Mapping[str, str]) -> None:
        """Ask for these jobs, and everything that they started, to be stopped; returns when that is accepted."""
        ...
