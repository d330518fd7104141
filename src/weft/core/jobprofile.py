"""Where the time of one job went, and what its cases used: what renderers, tables and findings start from. PURE."""

from __future__ import annotations

from msgspec import Struct

from weft.core.events import Allotment
from weft.core.transfers import TransferProfile
from weft.model import Kind, Outcome


class Span(Struct, frozen=True, kw_only=True, gc=False):
    """A stretch of a job's time; seconds since the epoch."""

    name: str
    start: float
    end: float
    open: bool = False
    """It is not over: ``end`` is the last moment known of."""
    uncertain: float = 0.0
    """So many seconds before ``end`` may it have been over; by Slurm's accounts, as many after it, too."""
    source: str = "weft"
    """Who told of its end: "node" (the runner), "tapis", "slurm", or "weft" itself, by looking."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


class JobProfile(Struct, frozen=True, kw_only=True):
    """One job; times are seconds."""

    id: str
    kind: Kind
    backend: str
    native: str
    host: str
    slots: int
    cases: int
    recorded: int
    """Cases with a record."""
    outcome: Outcome | None
    phases: list[Span]
    """In order; one that the job was in several times is there as often."""
    runner: list[Span]
    """The runner's own spans, within RUNNING."""
    busy_s: float
    """Slot-seconds in cases."""
    idle_s: float
    """Slot-seconds without a case while CASES lasted."""
    tail_s: float
    """The part of them after each slot's last case: the price of an uneven end."""
    transfers: list[TransferProfile] = []
    study: str = ""
    name: str = ""
    """As the service has it, of a job that is no job of a study at hand."""
    given: Allotment = Allotment()
    cores: int = 1
    """What one case may use."""
    memory_mb: int | None = None
    word: str = ""
    """The backend's own for how it ended."""
    why: str = ""
    """Its last message."""
    tail: str = ""
    """The last lines of stderr of its set-up, or of the first case that failed."""
    failed: int = 0
    """Cases whose run failed, of any cause that is their own; those that ran out of time or memory are among them."""
    timed_out: int = 0
    oom: int = 0
    in_flight: int = 0
    """Cases that had started when it ended, and left no record."""
    case_s: float = 0.0
    """Wall time of its cases, one after the other."""
    cpu_s: float = 0.0
    longest_s: float = 0.0
    memory: int = 0
    """The largest peak of any of its cases (of its processes, if nobody told of cases), in bytes; 0: not measured."""
    read: int = 0
    written: int = 0
    printed: int | None = None
    """To standard output and error, with what was not kept of them; None if nobody counted."""
    files: int = 0
    """That its cases wrote; ``read``, ``written`` and ``printed`` are bytes."""
    kept: int = 0
    signs: list[str] = []
    """Ids of the patterns recognised in what failed cases printed, once for each case."""
    pace: float = 1.0
    """Seconds of ours in one of the service's account; 1 where there is none."""
    notes: list[str] = []
    """What is wrong with what is known of it."""

    @property
    def start(self) -> float:
        return self.phases[0].start

    @property
    def end(self) -> float:
        return self.phases[-1].end

    @property
    def useful_s(self) -> float:
        """Seconds in which its cases could run; of a job that has none, in which it could."""
        useful, spans = ("CASES", self.runner) if self.cases else ("RUNNING", self.phases)
        return sum(span.seconds for span in spans if span.name == useful)
