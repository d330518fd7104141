"""The nouns of weft: frozen values without behaviour.

Everything here is made by ``store/studyfile.py`` (from a file) or ``api.py`` (from Python) and read by the rest.
Times are seconds since the epoch, durations are minutes where a user writes them and seconds elsewhere, memory is
in bytes unless the name says ``_mb``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

Value = bool | int | float | str | None
"""A parameter's value: what TOML, CSV and JSON scalars have in common (a file is its path, as a string)."""

Params = Mapping[str, Value]


class Phase(str, Enum):
    """Where a job is in its life: the Tapis life cycle, framed by weft's own first and last steps."""

    PLANNED = "PLANNED"
    UPLOADING = "UPLOADING"
    PENDING = "PENDING"
    PROCESSING_INPUTS = "PROCESSING_INPUTS"
    STAGING_INPUTS = "STAGING_INPUTS"
    STAGING_JOB = "STAGING_JOB"
    SUBMITTING_JOB = "SUBMITTING_JOB"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    ARCHIVING = "ARCHIVING"
    BLOCKED = "BLOCKED"
    PAUSED = "PAUSED"
    COLLECTING = "COLLECTING"
    ENDED = "ENDED"


class Outcome(str, Enum):
    """How a job, or one run of a case, ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CANCELLED = "CANCELLED"
    REFUSED = "REFUSED"
    INTERRUPTED = "INTERRUPTED"
    LOST = "LOST"


class Kind(str, Enum):
    """What a job is for: the study's cases, a pilot of a few of them, or a step before or after."""

    CASES = "cases"
    PILOT = "pilot"
    BEFORE = "before"
    AFTER = "after"


class Status(str, Enum):
    """The answer to "how does this case stand?"; asked of the state, never stored."""

    WAITING = "waiting"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


class Resources(Struct, frozen=True, kw_only=True):
    """What one case may use."""

    cores: int = 1
    memory_mb: int | None = None
    """Enforced limit for the process tree of one case, in MB (10^6 bytes); None is no limit."""
    minutes: float | None = None
    """Enforced wall time limit of one case; None is no limit."""


class Model(Struct, frozen=True, kw_only=True):
    """What runs for each case, and what it needs and leaves."""

    command: str
    """A /bin/sh line with ``{parameter}`` placeholders."""
    inputs: tuple[str, ...] = ()
    """Files (relative to the study's folder; folders and globs are already resolved) in every case's directory."""
    shared: tuple[str, ...] = ()
    """Files or folders, large and common, visible in every case's directory; folders end without a slash."""
    templates: tuple[str, ...] = ()
    """Jinja2 templates, rendered per case; less an ending such as ``.in``, their names are those of the results."""
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    """Environment of every case; values may hold ``{parameter}`` placeholders."""
    workdir: str = "node"
    expect: tuple[str, ...] = ()
    result: str | None = None
    finish: str | None = None


class Output(Struct, frozen=True, kw_only=True):
    """What is archived of a case besides its record."""

    keep: tuple[str, ...] = ()
    chunk_bytes: int = 2_000_000_000
    log_bytes: int = 2_000_000
    """stdout and stderr of a case above this size keep their head and tail."""


class Parameter(Struct, frozen=True, kw_only=True):
    """One dimension of the parameter space, with its values spelt out."""

    values: tuple[Value, ...]
    default: Value = None
    has_default: bool = False
    """With a default, cases at the default keep the id that they had before the parameter was added."""
    is_file: bool = False
    """The values are paths of input files, relative to the study's folder."""


class Space(Struct, frozen=True, kw_only=True):
    """How the parameters combine into cases."""

    table: tuple[Params, ...] = ()
    """Rows that are crossed with the parameters; every row has the same keys."""
    table_name: str = ""
    zip: tuple[tuple[str, ...], ...] = ()
    where: str | None = None


RETRY_WORDS = {
    "time-out": Outcome.TIMED_OUT,
    "memory": Outcome.OUT_OF_MEMORY,
    "exit": Outcome.FAILED,
}
"""How a study file names the ends of a case that may be tried again."""


class Retry(Struct, frozen=True, kw_only=True):
    """When a case may run again by itself."""

    attempts: int = 2
    """Runs that a case may spend; interruptions by the site spend none."""
    on: tuple[Outcome, ...] = (Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
    stop_after: int = 20
    """Hold when this many cases have ended and every one failed; 0 never holds."""


class Step(Struct, frozen=True, kw_only=True):
    """A command that runs once, before the cases or after them."""

    command: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """Patterns; of a step before: the files that every case then finds in its directory; of one after: what is kept."""
    resources: Resources = Resources()


class Continue(Struct, frozen=True, kw_only=True):
    """How a case that needs longer than a job may last goes on in the next one."""

    files: tuple[str, ...]
    """Patterns of what it leaves, and finds again in its directory, to go on from."""
    exit: int | None = None
    """The exit code that says "not finished yet"; None: only the end of the job's time cuts a case off."""


PREFERENCES = ("balanced", "cheapest", "fastest")
"""By what the way to pack jobs may be chosen."""


class Study(Struct, frozen=True, kw_only=True):
    """A validated study: the user's file with globs, tables and ranges resolved."""

    name: str
    folder: str
    """Absolute path of the folder that relative paths start from."""
    file: str
    """Path of the study file as the user gave it; empty for a study made in Python."""
    source: str = ""
    """The study file's text as it was read."""
    model: Model
    parameters: Mapping[str, Parameter] = {}
    space: Space = Space()
    output: Output = Output()
    before: Step | None = None
    before_studies: tuple[str, ...] = ()
    """Study files (relative to the folder) that must be complete before this one starts."""
    after: Step | None = None
    resources: Resources = Resources()
    retry: Retry = Retry()
    continues: Continue | None = None
    notify: Mapping[str, str | bool] = {}
    """Who is told when a run is over, by way (``desktop``, ``mail``, ``command``, ``webhook``)."""
    backend: str = "local"
    prefer: str = "balanced"
    """Which of the possible ways to pack jobs is taken: "balanced", "cheapest" or "fastest"."""
    max_su: float | None = None
    """Service units that a run may be expected to cost at most; None is any."""
    settings: Mapping[str, Mapping[str, Any]] = {}
    """The backends' own tables, by name (``[local]`` …)."""


class Case(Struct, frozen=True, gc=False):
    """One point of the parameter space; the id depends on the parameters alone."""

    id: str
    params: Params


class Bundle(Struct, frozen=True, kw_only=True):
    """The cases that one job will run, and what the job asks for."""

    cases: tuple[str, ...]
    kind: Kind = Kind.CASES
    cores: int = 1
    memory_mb: int | None = None
    minutes: float | None = None
    """Wall time limit of the job; None where the backend has no limit."""
    slots: int | None = None
    """Cases at a time; None leaves it to the runner."""


class SharedInput(Struct, frozen=True, kw_only=True):
    """A shared input of a study: one file, or a folder with all that is below it."""

    name: str
    """Where a case finds it, in its directory."""
    source: str
    """An absolute path of this machine; or an address or path of the backend's own side, as the study gives it."""
    files: tuple[tuple[str, int, str], ...] = ()
    """Each file's path below (empty for a file itself), bytes and SHA-256; none where it is not of this machine."""


class Node(Struct, frozen=True, kw_only=True):
    """What a bundle must say so that it can run where the backend brings it."""

    runner: str = "runner.py"
    """Which of the runners starts the cases."""
    claims: str = ""
    """A folder that all nodes see, in which a job is claimed by the first runner that starts it; empty for none."""
    ranks: int | None = None
    """Processes that will run the runner together; None where there is one."""


class Charge(Struct, frozen=True, kw_only=True):
    """What the site charges for a job: whole nodes, from when it runs, and never less than for some minutes."""

    nodes: int = 1
    rate: float | None = None
    """Service units (SU) for one node-hour; None where that is not known."""
    least_minutes: float = 15.0


class Limits(Struct, frozen=True, kw_only=True):
    """What a backend allows and how fast it can be trusted; data that the plan decides by.

    Times are seconds. Figures come from the backend's settings and the site's facts, never from the plan.
    """

    max_jobs: int = 1
    """Jobs of this study that may be live at once."""
    batch: int = 1
    """Jobs that one submission takes."""
    max_cases: int = 10_000
    """Cases in one job."""
    max_minutes: float | None = None
    """Longest wall time of a job; None is no limit."""
    slots: int | None = None
    """Cases that one job runs at a time, where that is known before it starts."""
    memory_mb: int | None = None
    """Most memory that one case may ask for."""
    settle: float = 2.0
    """How long after an unanswered submission the job may still appear."""
    lost_answers: int = 3
    """Answers in a row without a job before its absence is believed…"""
    lost_after: float = 5.0
    """…and how long these must span."""
    cancel_again: float = 10.0
    """How long after an accepted cancel it is sent again, if the job is still there."""
    backoff: float = 1.0
    """First pause after a refusal; doubles with each further one."""
    poll_first: float = 0.02
    poll_most: float = 0.25
    read_every: float = 0.0
    """How often the records of a running job may be read…"""
    reads: int | None = None
    """…and of how many jobs between two looks; None is no limit."""
    charge: Charge | None = None
