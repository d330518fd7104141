"""What a finding is, what it is found in, and what every rule is given. PURE.

A rule looks at all jobs at once: ``Scene.jobs`` has one row for each (the columns are in ``core/jobtable.py``). It
filters them with polars and tells one finding for all jobs that one remedy would help, not one for each job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.failed import Failed, look
from weft.core.findings.measures import KEY, computing, known_key
from weft.core.normal import Normal
from weft.model import Study

if TYPE_CHECKING:
    import polars as pl


class Severity(str, Enum):
    """What a finding costs, worst first."""

    FAILURE = "failure"
    """Jobs or cases are lost by it."""
    WASTE = "waste"
    """Time or SU are, that a remedy would save."""
    NOTE = "note"
    """Worth knowing; nothing need be done."""


class Part(str, Enum):
    """A part of a job's time that a remedy saves of; two remedies for the same part do not save it twice."""

    INPUTS = "inputs"
    APP = "app"
    QUEUE = "queue"
    SETUP = "setup"
    """What the runner does before its first case."""
    CASES = "cases"
    ARCHIVE = "archive"
    ALL = "all"


class Remedy(Struct, frozen=True, kw_only=True):
    """One thing to do about it."""

    say: str
    """An order in one sentence: "Bundle what each case leaves into one ZIP per job."."""
    setting: str = ""
    """The lines of a study file, or of a job's request, that do it, verbatim."""
    command: str = ""
    """The command that does it, verbatim."""


class Finding(Struct, frozen=True, kw_only=True):
    """A pattern that was recognised: how one sees it, why it is so, what to do, and what that would gain."""

    id: str
    """Of its rule, as the docs list it: ``many-small-files-archived``."""
    title: str
    severity: Severity
    jobs: tuple[str, ...]
    """The jobs concerned, those that lost most first."""
    where: str = ""
    """What they have in common: "opensees-mp-s3 on stampede3, queue skx"."""
    evidence: tuple[str, ...]
    """Sentences with figures, the most telling one first."""
    cause: str
    """One sentence."""
    remedies: tuple[Remedy, ...] = ()
    """The best one first."""
    gain_s: float | None = None
    """Seconds, over all jobs concerned, that the first remedy would save, or that were ``lost``; None where nobody can
    tell."""
    gain_su: float | None = None
    basis: str = ""
    """What the gain rests on: "your 40 ended jobs like these", or "figures of a recorded job (May 2025)"."""
    lost: bool = False
    """Is the gain what it has cost? That time is gone, whatever is done: a remedy saves the like of it from now on."""
    time_s: float = 0.0
    """Seconds that all jobs concerned took, from begin to end; no gain is larger."""


class QueueFacts(Struct, frozen=True, kw_only=True):
    """What is known of one queue of one system: from its definition and the site's own rules."""

    system: str
    queue: str
    nodes: int | None = None
    """Most nodes of one job."""
    cores: int | None = None
    """Of a node."""
    memory_mb: int | None = None
    """Of a node."""
    minutes: float | None = None
    """Longest wall time of one job."""
    rate: float | None = None
    """SU for one node-hour."""
    submit: int | None = None
    """Jobs of one user that it takes at once."""
    run: int | None = None
    """How many of them run at once."""
    seen: str = ""
    """When the figures were read."""


class Scene(Struct, frozen=True, kw_only=True, dict=True):
    """All that rules may look at."""

    jobs: pl.DataFrame
    normal: Normal = Normal()
    """What is normal for this user, by the history of ended jobs; may be empty."""
    queues: Mapping[tuple[str, str], QueueFacts] = {}
    """By system and queue."""
    study: Study | None = None
    """The study whose jobs these are; None for jobs of several, or of none."""
    place: str = ""
    """The study as commands name it, with a blank before it (`` my/study.toml``); empty in its own folder."""

    mended: bool = False
    """Every case of the study is done by now, whatever became of it before."""

    @cached_property
    def failed(self) -> Failed:
        """The jobs that did not end well, and what they said: messages are read once for all rules."""
        return look(self.jobs)

    @cached_property
    def sizes(self) -> Mapping[tuple[str, ...], tuple[int, float]]:
        """How many jobs are alike (by ``KEY``), and for how many seconds all of them computed."""
        import polars as pl

        rows = self.jobs.group_by(*known_key()).agg(pl.len(), computing().sum().alias("computing"))
        return {row[: len(KEY)]: (row[-2], row[-1]) for row in rows.iter_rows()}


class Rule(Struct, frozen=True, kw_only=True):
    """One row of the table of findings."""

    id: str
    title: str
    severity: Severity
    rule: str
    """When it is found, with its thresholds, in one sentence: the docs print it."""
    remedy: str
    """What to do about it, in one sentence: the docs print it."""
    saves: tuple[Part, ...] = (Part.ALL,)
    """What its gain is a part of."""
    lost: bool = False
    """As ``Finding.lost``."""
    find: Callable[[Scene], Iterable[Finding]]
