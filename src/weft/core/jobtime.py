"""The time of one job: its phases without gaps, the runner's spans within RUNNING, its transfers. PURE.

A phase lasts from the moment it was first seen to the moment the next one was. What was seen by asking from time to
time gives way to the service's own account, where there is one (``HistoryRead``); weft's own first and last phases
stay. COLLECTING then begins where the account ends, so the time until weft noticed is in it. The service's clock is
not ours: an account that has the job made before weft asked for it, or after weft knew of it, is moved as a whole.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from weft.core import events as ev
from weft.core.lateness import lateness
from weft.core.signs import signs_in
from weft.model import Kind, Outcome, Phase

_BEFORE = (Phase.PLANNED, Phase.UPLOADING)
_AFTER = (Phase.COLLECTING, Phase.ENDED)
_MOVED_IN: dict[Phase, Literal["inputs", "archive"]] = {
    Phase.STAGING_INPUTS: "inputs",
    Phase.ARCHIVING: "archive",
}

_ITS_OWN = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
"""Ends that a case is itself to blame for."""

Move = tuple[Phase, float]
"""A phase, and when it began."""


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of a job's time; seconds since the epoch."""

    name: str
    start: float
    end: float
    open: bool = False
    """It is not over: ``end`` is the last moment known of."""
    uncertain: float = 0.0
    """So many seconds before ``end`` may it have been over, since the service looks only from time to time."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


class TransferProfile(Struct, frozen=True, kw_only=True):
    """One transfer, or all of a kind together; seconds, 0 where the service does not tell."""

    into: str
    """What for: "inputs" or "archive"."""
    transfers: int = 1
    files: int = 0
    bytes: int = 0
    waiting_s: float = 0.0
    """Asked for, and not begun."""
    copying_s: float = 0.0
    unnoticed_s: float = 0.0
    """Over, and the job did not go on yet."""
    files_per_s: float = 0.0
    """While it copied."""
    status: str = ""
    why: str = ""


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
    given: ev.Allotment = ev.Allotment()
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
    """The largest peak of any of its cases, in bytes; 0 where nobody measured it."""
    read: int = 0
    written: int = 0
    files: int = 0
    """That its cases wrote; ``read`` and ``written`` are bytes."""
    kept: int = 0
    signs: list[str] = []
    """Ids of the patterns recognised in what failed cases printed, once for each case."""
    notes: list[str] = []
    """What is wrong with what is known of it."""

    @property
    def start(self) -> float:
        return self.phases[0].start

    @property
    def end(self) -> float:
        return self.phases[-1].end


class JobTime:
    """What is gathered of one job."""

    def __init__(self, event: ev.JobPlanned) -> None:
        self.id, self.kind, self.backend = event.job, event.kind, event.backend
        self.moves: list[Move] = [(Phase.PLANNED, event.at)]
        self.account: ev.HistoryRead | None = None
        self.made_between = (event.at, float("inf"))
        """When we asked for the job, and when we knew that it exists."""
        self.count = len(event.cases)
        self.open = set(event.cases)
        self.native = self.host = ""
        self.slots = event.slots or 1
        self.planned = event
        self.word = self.why = self.tail = ""
        self.ends: dict[Outcome, int] = {}
        self.in_flight = 0
        self.cpu = self.longest = self.case_s = 0.0
        self.memory = self.read = self.written = self.files = self.kept = 0
        self.signs: list[str] = []
        self.notes: list[str] = []
        self.runner_at: float | None = None
        self.spans: dict[tuple[str, float], Span] = {}
        self.outcome: Outcome | None = None
        self.told: ev.RunnerEnded | None = None
        self.busy = 0.0
        self.first_start = float("inf")
        self.slot_ends: dict[int, float] = {}

    # Hearing

    def move(self, phase: Phase, at: float) -> None:
        if phase is not self.moves[-1][0]:
            self.moves.append((phase, at))

    def sent(self, at: float) -> None:
        if self.moves[-1][0] is Phase.PLANNED:
            self.made_between = (at, float("inf"))
        self.move(Phase.UPLOADING, at)

    def submitted(self, native: str, at: float) -> None:
        self.native = native
        self.made_between = (self.made_between[0], at)
        if self.moves[-1][0] in _BEFORE:
            self.move(Phase.PENDING, at)

    def did(self, event: ev.SpanEnded) -> None:
        # By its start, since the node's records may be read twice.
        span = Span(name=event.span, start=event.start, end=max(event.start, event.at))
        self.spans[event.span, event.start] = span

    def ran(self, event: ev.CaseEnded) -> bool:
        """Take in the end of a case; False if it was told before."""
        if event.case not in self.open:
            return False
        self.open.remove(event.case)
        self.busy += event.wall
        self._use(event)
        self.first_start = min(self.first_start, event.start)
        self.slot_ends[event.slot] = max(event.at, self.slot_ends.get(event.slot, 0.0))
        return True

    def _use(self, event: ev.CaseEnded) -> None:
        self.case_s += event.wall
        self.cpu += event.cpu
        self.longest = max(self.longest, event.wall)
        self.memory = max(self.memory, event.memory)
        self.read += event.read
        self.written += event.written
        self.files += event.files
        self.kept += event.kept
        self.ends[event.outcome] = self.ends.get(event.outcome, 0) + 1
        if event.outcome in _ITS_OWN:
            self.tail = self.tail or event.tail or event.why
            self.signs += signs_in(f"{event.why}\n{event.tail}")

    # Telling

    def phases(self, until: float) -> list[Span]:
        """The job's time in phases, without gaps."""
        moves = self._with_running(self._with_account())
        spans = []
        start = moves[0][1]
        for place, (phase, _) in enumerate(moves):
            last = place + 1 == len(moves)
            if phase is Phase.ENDED:
                break
            end = max(start, until if last else moves[place + 1][1])
            late = 0.0 if last else self._late(phase, end - start)
            spans.append(Span(name=phase.value, start=start, end=end, open=last, uncertain=late))
            start = end
        return spans

    def _with_account(self) -> list[Move]:
        """The moves, with the service's account in the place of what was seen of the phases that are its own."""
        if self.account is None or not self.account.phases:
            return list(self.moves)
        told = self._on_our_clock(self.account.phases)
        over = next((at for phase, at in told if phase is Phase.ENDED), None)
        before = [move for move in self.moves if move[0] in _BEFORE]
        after = [move for move in self.moves if move[0] in _AFTER]
        if over is not None:
            closed = self.outcome is not None
            after = [(Phase.COLLECTING, over), *([(Phase.ENDED, max(over, after[-1][1]))] if closed else [])]
        moves = [*before, *(move for move in told if move[0] is not Phase.ENDED), *after]
        # What weft did not do, for a job that it did not launch, takes no time and is no phase.
        return [
            move
            for move, (_, ends) in zip(moves, [*moves[1:], (Phase.ENDED, float("inf"))], strict=True)
            if move[0] not in (*_BEFORE, Phase.COLLECTING) or ends > move[1]
        ]

    def _on_our_clock(self, told: list[Move]) -> list[Move]:
        earliest, latest = self.made_between
        made = told[0][1]
        wrong = min(max(made, earliest), latest) - made
        return [(phase, at + wrong) for phase, at in told]

    def _with_running(self, moves: list[Move]) -> list[Move]:
        """The moves, with RUNNING from when the runner was at work, even if that was seen late or never."""
        if self.runner_at is None:
            return moves
        known = [phase for phase, _ in moves]
        after = (Phase.ARCHIVING, *_AFTER)
        if Phase.RUNNING in known:
            place = known.index(Phase.RUNNING)
            moves[place] = (Phase.RUNNING, min(moves[place][1], self.runner_at))
        else:
            place = next((i for i, phase in enumerate(known) if phase in after), len(known))
            at = self.runner_at if place == len(known) else min(self.runner_at, moves[place][1])
            moves.insert(place, (Phase.RUNNING, at))
        return moves

    def _late(self, phase: Phase, seconds: float) -> float:
        if phase is Phase.QUEUED and self.runner_at is not None:
            return 0.0  # the runner told when it began
        into = _MOVED_IN.get(phase)
        if into and self.account is not None:
            files = [transfer for transfer in self.account.transfers if transfer.into == into]
            if all(transfer.ended for transfer in files):
                return 0.0  # the service told when they had arrived
        return lateness(self.backend, phase, seconds)

    def transfers(self) -> list[TransferProfile]:
        return [_transfer(each) for each in self.account.transfers] if self.account else []

    def runner_spans(self, until: float) -> list[Span]:
        spans = sorted(self.spans.values(), key=lambda span: span.start)
        if self.slot_ends and not any(span.name == "CASES" for span in spans):
            # The runner tells of a span when it is over: this one goes on, or was cut off.
            live = self.outcome is None
            end = until if live else max(self.slot_ends.values())
            spans.append(
                Span(name="CASES", start=self.first_start, end=max(self.first_start, end), open=live)
            )
        return spans

    def idle(self, cases: Span | None) -> tuple[float, float]:
        """Idle slot-seconds while cases ran, and those after each slot's last case."""
        if cases is None:
            return 0.0, 0.0
        idle = self.told.idle if self.told else max(0.0, self.slots * cases.seconds - self.busy)
        if cases.open:
            return idle, 0.0
        ends = [*self.slot_ends.values()]
        ends += [cases.start] * (self.slots - len(ends))
        return idle, min(idle, sum(max(0.0, cases.end - end) for end in ends))

    def profile(self, until: float, study: str = "") -> JobProfile:
        runner = self.runner_spans(until)
        cases = next((span for span in runner if span.name == "CASES"), None)
        idle, tail = self.idle(cases)
        return JobProfile(
            id=self.id,
            kind=self.kind,
            backend=self.backend,
            native=self.native,
            host=self.host,
            slots=self.slots,
            cases=self.count,
            recorded=self.count - len(self.open),
            outcome=self.outcome,
            phases=self.phases(until),
            runner=runner,
            busy_s=self.told.busy if self.told else self.busy,
            idle_s=idle,
            tail_s=tail,
            transfers=self.transfers(),
            study=study,
            name=self.planned.name,
            given=self.planned.given or ev.Allotment(),
            cores=self.planned.cores,
            memory_mb=self.planned.memory_mb,
            word=self.word,
            why=self.why,
            tail=self.tail,
            failed=sum(self.ends.get(outcome, 0) for outcome in _ITS_OWN),
            timed_out=self.ends.get(Outcome.TIMED_OUT, 0),
            oom=self.ends.get(Outcome.OUT_OF_MEMORY, 0),
            in_flight=self.in_flight,
            case_s=self.case_s,
            cpu_s=self.cpu,
            longest_s=self.longest,
            memory=self.memory,
            read=self.read,
            written=self.written,
            files=self.files,
            kept=self.kept,
            signs=self.signs,
            notes=self.notes,
        )


def _transfer(told: ev.Transfer) -> TransferProfile:
    copying = _between(told.began, told.ended)
    return TransferProfile(
        into=told.into,
        files=told.files,
        bytes=told.bytes,
        waiting_s=_between(told.asked, told.began),
        copying_s=copying,
        unnoticed_s=_between(told.ended, told.noticed),
        files_per_s=told.files / copying if copying else 0.0,
        status=told.status,
        why=told.why,
    )


def _between(first: float, last: float) -> float:
    """Seconds from one moment to another; 0 if one of them is not known."""
    return max(0.0, last - first) if first and last else 0.0


def together(transfers: list[TransferProfile]) -> TransferProfile:
    """Transfers of one kind (at least one) as if they were one."""
    first, *rest = (structs.replace(each, status="", why="") for each in transfers)
    for each in rest:
        first = structs.replace(
            first,
            transfers=first.transfers + each.transfers,
            files=first.files + each.files,
            bytes=first.bytes + each.bytes,
            waiting_s=first.waiting_s + each.waiting_s,
            copying_s=first.copying_s + each.copying_s,
            unnoticed_s=first.unnoticed_s + each.unnoticed_s,
        )
    return structs.replace(first, files_per_s=first.files / first.copying_s if first.copying_s else 0.0)
