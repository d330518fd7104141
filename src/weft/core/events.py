"""Everything that can happen to a study: one class per fact, and its form on disk.

Facts are appended to the journal and never edited; all else is derived from them. Each fact has its time (``at``,
seconds since the epoch, as told by whoever saw it) and, unless it is weft itself, who says so (``by``). The words
of a backend are kept verbatim next to what they were taken to mean.

Version rule: a new optional field or a new class keeps ``FORMAT``; anything that an older weft would misread
raises it. Old formats open for ever: the classes below only ever gain fields with defaults.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from weft.model import Kind, Outcome, Phase, Value

FORMAT = 1
EMPTY_OBJECT = Raw(b"{}")


class Event(
    Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="event", tag=lambda name: name
):
    """The base of every fact."""

    at: float
    by: str = "weft"


# The study


class Opened(Event, frozen=True, kw_only=True, gc=False):
    """The journal's first line: its format, and the key that makes this study's job ids unique."""

    format: int
    name: str
    key: str
    weft: str


class StudyRecorded(Event, frozen=True, kw_only=True, gc=False):
    """The study as it stood when a run began: enough to tell what ran, and to repeat it.

    With a new revision, ``kept`` are the older ones whose results still count; none: every case starts afresh.
    """

    revision: str
    source: str
    kept: list[str] = []
    digests: dict[str, str] = {}
    """Content hash of every input, by path."""
    defaults: dict[str, Value] = {}
    """The parameters that have a default, with it."""


class CasesAdded(Event, frozen=True, kw_only=True, gc=False):
    """Cases that the study has from now on; their ids, and their parameters as JSON objects."""

    ids: list[str]
    params: list[Raw]


class CasesRetired(Event, frozen=True, kw_only=True, gc=False):
    """Cases that the study file no longer has; their records stay."""

    ids: list[str]


class RunStarted(Event, frozen=True, kw_only=True, gc=False):
    """A controller took the study up; ``pilot`` is how many cases it was asked to try first.

    In another ``folder`` than before (a copy, perhaps), job ids get a new ``key``, so that they stay unique.
    """

    host: str
    pid: int
    backend: str
    pilot: int = 0
    folder: str = ""
    key: str = ""


class RunStopped(Event, frozen=True, kw_only=True, gc=False):
    """The controller let go of the study of its own will."""

    why: str


# What the user asked for while a run may be going on. ``id`` makes asking twice the same as asking once.


class CancelAsked(Event, frozen=True, kw_only=True, gc=False):
    """Jobs to stop and cases to give up; ``everything`` stops all jobs and leaves the cases for a later run."""

    id: str
    jobs: list[str] = []
    cases: list[str] = []
    everything: bool = False


class RetryAsked(Event, frozen=True, kw_only=True, gc=False):
    """Failed cases (none named: all of them) get a fresh set of attempts, and a hold is lifted."""

    id: str
    cases: list[str] = []


class Held(Event, frozen=True, kw_only=True, gc=False):
    """Nothing new is submitted until the user has seen why; with ``cancel``, the live jobs are stopped as well."""

    why: str
    hint: str = ""
    cancel: bool = False


class Predicted(Event, frozen=True, kw_only=True, gc=False):
    """How the jobs to come are packed, and what they will take: told before the first of them is submitted."""

    choice: str
    """By which rule this way of packing was chosen: "balanced", "cheapest" or "fastest"."""
    at_once: int
    """Jobs that are live at once, at most."""
    most_cases: int
    """Cases in one job, at most."""
    slots: int | None = None
    """Cases at a time; None leaves it to the backend and the runner."""
    jobs: int
    wall_s: tuple[float, float, float]
    """Seconds, least, likely and most: from the first submission to the end of the last job."""
    su: tuple[float, float, float] | None = None
    """Service units, likewise; None where nothing is charged, or nobody knows the rate."""
    files: int = 0
    """That the service moves."""
    spans: dict[str, float] = {}
    """Likely seconds of one job, by phase."""
    basis: str = ""
    """What it rests on."""


# The life of a job


class Allotment(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a job was given to run with, as its backend tells it; what is not known is empty, or 0."""

    app: str = ""
    """What Tapis starts for it."""
    system: str = ""
    """The machine."""
    queue: str = ""
    """By the backend's name of it; empty where jobs run without one."""
    nodes: int = 1
    """Whole nodes."""
    cores: int = 0
    """Of each node."""
    memory_mb: int = 0
    """Of each node."""
    minutes: float = 0.0
    """Wall time limit of the job."""
    rate: float | None = None
    """Service units (SU) for one node-hour; None where nothing is charged, or the rate is not known."""
    least_minutes: float = 0.0
    """What is charged for at least."""
    inputs: list[str] = []
    """Addresses from which the service stages inputs."""
    includes: list[str] = []
    excludes: list[str] = []
    """Patterns by which the service chooses what to archive."""


class JobPlanned(Event, frozen=True, kw_only=True, gc=False):
    """The intention: these cases are this job's, whatever happens next."""

    job: str
    kind: Kind
    backend: str
    cases: list[str]
    revision: str
    cores: int = 1
    memory_mb: int | None = None
    minutes: float | None = None
    slots: int | None = None
    name: str = ""
    """What the service calls it, of a job that is not weft's."""
    given: Allotment | None = None


class JobSubmitSent(Event, frozen=True, kw_only=True, gc=False):
    """A submission is about to leave; from here on the job may exist."""

    job: str


class JobNotFound(Event, frozen=True, kw_only=True, gc=False):
    """The backend was asked for our id and knew no such job."""

    job: str


class JobSubmitted(Event, frozen=True, kw_only=True, gc=False):
    """The job exists, and this is the backend's own id for it."""

    job: str
    native: str


class JobRefused(Event, frozen=True, kw_only=True, gc=False):
    """The backend said no: the job does not exist."""

    job: str
    why: str


class JobSeen(Event, frozen=True, kw_only=True, gc=False):
    """The job was seen in a phase; ``word`` is the backend's own.

    ``orphaned``: its runner is dead, and processes that it started live on.
    """

    job: str
    phase: Phase
    word: str = ""
    orphaned: bool = False


class JobUnseen(Event, frozen=True, kw_only=True, gc=False):
    """An answer came and the job was not in it: no evidence of an end."""

    job: str


class JobGone(Event, frozen=True, kw_only=True, gc=False):
    """The backend says that the job is over; what its cases did is for the node's records to tell."""

    job: str
    outcome: Outcome
    word: str = ""
    why: str = ""


class Transfer(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One transfer of a job's files by the service; seconds since the epoch, 0 where it is not told."""

    into: Literal["inputs", "archive"]
    files: int = 0
    bytes: int = 0
    asked: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    noticed: float = 0.0
    """When the job went on: up to a minute after the end, since the service looks only from time to time."""
    status: str = ""
    why: str = ""


class HistoryRead(Event, frozen=True, kw_only=True, gc=False):
    """The service's own account of a job that is over: when it entered each phase, and what was transferred.

    It is more exact than what was seen by asking from time to time, and takes its place in a profile.
    """

    job: str
    phases: list[tuple[Phase, float]]
    transfers: list[Transfer] = []
    cpu: float = 0.0
    """Processor seconds of all its processes; 0 where it is not told."""
    memory: int = 0
    """Peak of its largest process, in bytes; 0 where it is not told."""
    notes: list[str] = []
    """What is wrong with the account, a sentence each."""


class CancelSent(Event, frozen=True, kw_only=True, gc=False):
    """The backend accepted a request to stop the job."""

    job: str


class RecordsRead(Event, frozen=True, kw_only=True, gc=False):
    """The node's records of this job are known up to this byte."""

    job: str
    offset: int


class JobEnded(Event, frozen=True, kw_only=True, gc=False):
    """The job is closed: all that its node recorded has been read. ``in_flight`` had started and left no record.

    ``failed`` are cases that the job is to blame for: it says that it ended well, and they left no record. What the
    ``uncarried`` were to go on from is lost with its outputs, or what the step before was to leave: they begin anew.
    """

    job: str
    outcome: Outcome
    why: str = ""
    in_flight: list[str] = []
    failed: list[str] = []
    uncarried: list[str] = []


# What the node says


class RunnerStarted(Event, frozen=True, kw_only=True, gc=False):
    """The runner is at work."""

    job: str
    host: str
    cores: int
    memory: int
    slots: int
    python: str = ""
    note: str = ""


class SetupEnded(Event, frozen=True, kw_only=True, gc=False):
    """The set-up lines ran; ``changed`` is what they did to the environment."""

    job: str
    exit: int
    seconds: float
    tail: str = ""
    changed: dict[str, str] = {}
    loaded: list[str] = []
    """The modules that were loaded then."""


class CaseEnded(Event, frozen=True, kw_only=True, gc=False):
    """One run of one case, as the node recorded it: the only truth about a case. ``memory`` 0: not known."""

    job: str
    case: str
    outcome: Outcome
    start: float
    exit: int | None = None
    signal: int | None = None
    slot: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    read: int = 0
    written: int = 0
    printed: int | None = None
    """Bytes of its standard output and error, with what was not kept of them; None if nobody counted."""
    files: int = 0
    kept: int = 0
    carried: int = 0
    """Files that it left for its next run, which goes on from them: the run was not its last."""
    why: str = ""
    tail: str = ""
    result: Raw = EMPTY_OBJECT


class SpanEnded(Event, frozen=True, kw_only=True, gc=False):
    """The runner's own time: UNPACK, SETUP, CASES, FINISH or PACK, from ``start`` to ``at``."""

    job: str
    span: str
    start: float


class FinishEnded(Event, frozen=True, kw_only=True, gc=False):
    """The finish command ran."""

    job: str
    exit: int
    seconds: float
    tail: str = ""


class RunnerEnded(Event, frozen=True, kw_only=True, gc=False):
    """The runner's last word: ``busy`` and ``idle`` are slot-seconds while cases ran."""

    job: str
    outcome: Outcome
    exit: int
    why: str = ""
    slots: int = 1
    busy: float = 0.0
    idle: float = 0.0


AnyEvent = (
    Opened
    | StudyRecorded
    | CasesAdded
    | CasesRetired
    | RunStarted
    | RunStopped
    | CancelAsked
    | RetryAsked
    | Held
    | Predicted
    | JobPlanned
    | JobSubmitSent
    | JobNotFound
    | JobSubmitted
    | JobRefused
    | JobSeen
    | JobUnseen
    | JobGone
    | HistoryRead
    | CancelSent
    | RecordsRead
    | JobEnded
    | RunnerStarted
    | SetupEnded
    | CaseEnded
    | SpanEnded
    | FinishEnded
    | RunnerEnded
)

RunnerFact = RunnerStarted | SetupEnded | SpanEnded | FinishEnded
"""What a runner says of itself rather than of a case."""

NodeFact = RunnerFact | CaseEnded | RunnerEnded
"""What comes from a node's records."""

Request = CancelAsked | RetryAsked
"""The facts that other processes may leave for the writer."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)
_request_decoder = msgspec.json.Decoder(Request)

decode = _decoder.decode
"""One journal line (bytes, with or without its newline) to its event; msgspec.DecodeError if it is none."""

decode_request = _request_decoder.decode
"""The same for a request file."""


def encode(events: list[AnyEvent]) -> bytes:
    """Whole journal lines for these events, each with its newline."""
    return _encoder.encode_lines(events)
