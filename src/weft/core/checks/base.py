"""What a check is, what it is made on, and what may be done about it. PURE.

A check looks at the study and at the facts about its files, machine and past, and answers with one verdict and the
evidence for it. Facts that nobody could gather are absent, and what is absent is never complained about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from enum import Enum
from typing import Literal

from msgspec import Struct

from weft.model import Limits, Study

Role = Literal["inputs", "shared", "templates", "parameters", "before", "after"]
"""Why the study names a file: the key that it stands under."""
Key = tuple[str, ...]
"""A key of the study file with the tables around it: ``("model", "inputs")``."""


class Verdict(str, Enum):
    """How a check came out."""

    PASS = "PASS"  # noqa: S105  # a verdict
    WARN = "WARN"
    """The study can run; time, space or results may be lost."""
    FAIL = "FAIL"
    """Jobs would fail, or what they do would be worth nothing: a run does not begin."""


class Edit(Struct, frozen=True, kw_only=True):
    """One change of the study file."""

    key: Key
    do: Literal["set", "remove", "add", "drop"]
    """Give the key this value, take it away; add an item to its list, or take one out of it."""
    value: str | int | float | tuple[str, ...] = ""


class Fix(Struct, frozen=True, kw_only=True):
    """What mends it, without a decision by the user: changes of the study file or of scripts, or a command of weft."""

    edits: tuple[Edit, ...] = ()
    unix_lines: tuple[str, ...] = ()
    """Files of the study's folder whose lines are to end as a shell wants them."""
    executable: tuple[str, ...] = ()
    """Files of the study's folder that are to be executable."""
    command: tuple[str, ...] = ()
    """The words after ``weft``: no shell reads them."""


class Answer(Struct, frozen=True, kw_only=True):
    """What one item of the checklist found."""

    verdict: Verdict = Verdict.PASS
    evidence: str = ""
    """One sentence with figures."""
    remedy: str = ""
    """What to do about it."""
    fix: Fix | None = None


class Check(Answer, frozen=True, kw_only=True):
    """One item of the checklist, checked."""

    id: str
    title: str


class File(Struct, frozen=True, kw_only=True):
    """A file that the study names, or that lies in a folder that it names."""

    path: str
    """As a case sees it."""
    role: Role
    entry: str = ""
    """The entry of the study file that it came by, as it stands there."""
    bytes: int = 0
    digest: str = ""
    """Of its content; only where another file is as large."""
    used: float = 0.0
    """When it was last read or changed, in seconds since the epoch; 0 where nobody knows."""
    wrong: str = ""
    """Why it cannot be given to a case: it cannot be read, it is a link to nothing."""


class Script(Struct, frozen=True, kw_only=True):
    """An input that is a script, by what its beginning shows."""

    path: str
    interpreter: str = ""
    """The program that its first line names (``#!``)."""
    found: bool = True
    """Is that program on this machine?"""
    executable: bool = False
    crlf: bool = False
    """Do its lines end as Windows writes them?"""


class Stored(Struct, frozen=True, kw_only=True):
    """A shared input in the store of a Tapis system, as weft remembers it."""

    name: str
    address: str
    idle_days: float
    """Since a study was last given it, or somebody looked and it was whole."""
    purge_days: float
    """After so many the site may remove it."""


class Past(Struct, frozen=True, kw_only=True):
    """What earlier cases took; zeros where nobody knows."""

    cases: int = 0
    """So many that finished tell of it."""
    wall_s: float = 0.0
    """The median."""
    wall_p95_s: float = 0.0
    memory_bytes: int = 0
    """The most that one case used."""
    files: int = 0
    """That a case leaves, the median."""
    kept: int = 0
    """Files that were kept of all of them."""
    output_bytes: float = 0.0
    """Of ZIPs, for one case."""
    long_logs: int = 0
    """Cases that printed more than is kept of a log…"""
    printed_bytes: int = 0
    """…and the most that one case printed; 0 where nobody counted."""


class Machine(Struct, frozen=True, kw_only=True):
    """Where the study lies; for ``on = "local"`` also where it runs."""

    cores: int = 0
    memory_bytes: int = 0
    free_bytes: int = 0
    disk_bytes: int = 0
    """Of the file system with the study's folder."""
    scratch: str = ""
    """``$SCRATCH``."""
    home: str = ""


class Facts(Struct, frozen=True, kw_only=True):
    """All that checks may know besides the study; what could not be learnt is absent."""

    now: float = 0.0
    cases: int = 0
    files: tuple[File, ...] = ()
    paths: Mapping[str, str] = {}
    """What words of commands and values of parameters are, as paths: "file", "folder", "new" (its folder is there),
    "absent"; those that are relative start from the study's folder."""
    beside: tuple[str, ...] = ()
    """Names of the files in the study's folder itself, which a mistyped name may have meant."""
    scripts: tuple[Script, ...] = ()
    texts: Mapping[str, frozenset[str]] = {}
    """Names that templates ask for, by template."""
    stored: tuple[Stored, ...] = ()
    purged: Mapping[str, float] = {}
    """Keys of the study file with an address at which a site removes what is not used for so many days."""
    past: Past = Past()
    machine: Machine = Machine()
    limits: Limits | None = None
    """What the backend allows, where it was asked."""
    cores: int = 0
    """Of a node, where the backend was asked."""
    notes: tuple[str, ...] = ()
    """What the backend had to say."""
    refused: tuple[str, str] | None = None
    """Why the backend does not take the study, and what to do; None where it does, or was not asked."""
    silent: str = ""
    """Why the backend could not be asked."""
    study: str = ""
    """The study as commands name it, with a blank before it; empty in its own folder."""

    def of(self, *roles: Role) -> list[File]:
        """The files that are named under these keys."""
        return [file for file in self.files if file.role in roles]


class Item(Struct, frozen=True, kw_only=True):
    """One row of the checklist."""

    id: str
    title: str
    rule: str
    """When it does not pass, with its thresholds, in one sentence: the docs print it."""
    look: Callable[[Study, Facts], Answer]
    verdicts: tuple[Verdict, ...] = (Verdict.WARN,)
    """What it may say when it does not pass."""
    fixes: bool = False
    """Can it be mended without a decision by the user?"""


def passed(evidence: str = "") -> Answer:
    """Nothing is wrong with it."""
    return Answer(evidence=evidence)


def warn(evidence: str, remedy: str, fix: Fix | None = None) -> Answer:
    """It may cost something."""
    return Answer(verdict=Verdict.WARN, evidence=evidence, remedy=remedy, fix=fix)


def fail(evidence: str, remedy: str, fix: Fix | None = None) -> Answer:
    """It cannot go well."""
    return Answer(verdict=Verdict.FAIL, evidence=evidence, remedy=remedy, fix=fix)


def edits(*changes: Edit) -> Fix | None:
    """A fix by these changes of the study file; None if there are none."""
    return Fix(edits=changes) if changes else None


NAMED = 3
"""So many are named; the rest is counted."""


def named(things: Iterable[str]) -> str:
    """The first of some things, and how many more there are: "`a`, `b`, `c` and 4 more"."""
    every = list(dict.fromkeys(things))
    first = ", ".join(f"`{each}`" for each in every[:NAMED])
    return f"{first} and {len(every) - NAMED:,} more" if len(every) > NAMED else first


def is_or_are(things: Sized) -> str:
    """The verb for so many."""
    return "is" if len(things) == 1 else "are"
