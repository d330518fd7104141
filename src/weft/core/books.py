"""The pages of the books: what is known of one case, and of one job.

Only the fold (``state.py``) writes here. The fields are counts and last facts; every judgement on them is a question
asked of the state.
"""

from __future__ import annotations

from msgspec import Struct

from weft.model import Kind, Outcome, Phase

STEPS = {Kind.BEFORE: "before", Kind.AFTER: "after"}
"""The one case of a step's job, by kind; no case of a study can have such an id."""


class CaseState(Struct, gc=False):
    """What is known of one case: counts and last facts, no judgement."""

    runs: int = 0
    """Failed runs of its own making since the last retry asked for: what counts as attempts."""
    interruptions: int = 0
    timeouts: int = 0
    ooms: int = 0
    job: str = ""
    """The live job that has this case, if any."""
    done: str = ""
    """The revision of its last success, if any."""
    last: Outcome | None = None
    wall: float = 0.0
    continues: int = 0
    """Runs that ended unfinished and left something to go on from."""
    carry: str = ""
    """The job whose outputs hold what the next run goes on from, if any."""
    carried: int = 0
    """How many files that is."""
    retired: bool = False
    given_up: bool = False
    """The user cancelled it."""


class JobState(Struct):
    """What is known of one job."""

    id: str
    kind: Kind
    backend: str
    cases: tuple[str, ...]
    revision: str
    cores: int = 1
    memory_mb: int | None = None
    minutes: float | None = None
    slots: int | None = None
    recorded: int = 0
    """Cases with a record."""
    phase: Phase = Phase.PLANNED
    word: str = ""
    native: str = ""
    sent_at: float = 0.0
    not_found_since: float = 0.0
    not_found_at: float = 0.0
    """When the backend first and last said that it knows no such job, since the last submission left."""
    orphaned: bool = False
    """Its runner is dead, but not all that it started."""
    unseen: int = 0
    unseen_since: float = 0.0
    cancel_asked: bool = False
    cancel_sent_at: float = 0.0
    gone: Outcome | None = None
    offset: int = 0
    outcome: Outcome | None = None
    why: str = ""
    last_word: Outcome | None = None
    """The outcome that the runner itself recorded last."""
    told: set[tuple[str, float]] = set()
    """Which of the runner's own records are known (``told_key``); emptied when the job ends."""
