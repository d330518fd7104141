"""From the facts of one job to its time: phases without gaps, the runner's spans within RUNNING, transfers. PURE.

A phase lasts from the moment it was first seen to the moment the next one was. What was seen by asking from time to
time gives way to the service's own account, where there is one (``HistoryRead``), put on our clock (``clocks.py``);
weft's own first and last phases stay. COLLECTING then begins where the account ends, so the time until weft noticed
is in it.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import structs

from weft.core import events as ev
from weft.core.clocks import LONGEST, SLACK_S, Clock, believed, clock_of, on_our_clock, plausible
from weft.core.jobprofile import JobProfile, Span
from weft.core.lateness import WHOLE_SECOND, between_looks, lateness
from weft.core.secrets import masked, masked_address
from weft.core.signs import signs_in
from weft.core.transfers import MOVED_IN, TransferProfile, profiles
from weft.model import Outcome, Phase

_BEFORE = (Phase.PLANNED, Phase.UPLOADING)
_AFTER = (Phase.COLLECTING, Phase.ENDED)
_OUR_DOING = (*_BEFORE, Phase.COLLECTING)
"""Phases that weft itself ends, and need not look for."""

_ITS_OWN = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY)
"""Ends that a case is itself to blame for."""


class Move(NamedTuple):
    """A phase, when it began, and who told so."""

    phase: Phase
    at: float
    source: str


class JobTime:
    """What is gathered of one job."""

    # There may be a hundred thousand at a time.
    __slots__ = (
        *("account", "asked_for", "backend", "busy", "case_s", "count", "cpu", "ends"),
        *("files", "first_start", "host", "id", "in_flight", "kept", "kind", "longest"),
        *("made_between", "memory", "moves", "native", "notes", "open", "outcome", "planned"),
        *("printed", "read", "runner_at", "signs", "slot_ends", "slots", "spans", "study"),
        *("tail", "told", "until", "why", "word", "written"),
    )

    def __init__(self, event: ev.JobPlanned, study: str = "") -> None:
        self.study = study
        self.until = event.at
        """The last moment that is known of it, while it is not over and nobody gave an account of it."""
        self.id, self.kind, self.backend = event.job, event.kind, event.backend
        self.moves = [Move(Phase.PLANNED, event.at, event.by)]
        self.account: ev.HistoryRead | None = None
        self.made_between = (event.at, float("inf"))
        """When we asked for the job, and when we knew that it exists."""
        self.asked_for = False
        """weft launched it: nothing that it did was before that."""
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
        self.printed: int | None = None
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
        if phase is not self.moves[-1].phase:
            self.moves.append(Move(phase, at, self.planned.by))

    def sent(self, event: ev.JobSubmitSent) -> None:
        self.asked_for = True
        if self.moves[-1].phase is Phase.PLANNED:
            self.made_between = (event.at, float("inf"))
        self.move(Phase.UPLOADING, event.at)

    def submitted(self, event: ev.JobSubmitted) -> None:
        self.native = event.native
        self.made_between = (self.made_between[0], event.at)
        if self.moves[-1].phase in _BEFORE:
            self.move(Phase.PENDING, event.at)

    def seen(self, event: ev.JobSeen) -> None:
        if event.phase is not self.moves[-1].phase:  # as ``move``, without the call: most facts are such
            self.moves.append(Move(event.phase, event.at, self.planned.by))

    def account_read(self, event: ev.HistoryRead) -> None:
        self.account = believed(event)

    def gone(self, event: ev.JobGone) -> None:
        self.move(Phase.COLLECTING, event.at)
        self.word = event.word
        self.why = self.why or event.why  # the runner knows better than who started it

    def runner_started(self, event: ev.RunnerStarted) -> None:
        self.host, self.slots, self.runner_at = event.host, event.slots, event.at

    def setup_ended(self, event: ev.SetupEnded) -> None:
        if event.exit:
            self.tail = event.tail

    def runner_ended(self, event: ev.RunnerEnded) -> None:
        if 0.0 <= event.busy <= LONGEST and 0.0 <= event.idle <= LONGEST:
            self.told = event
        self.why = event.why or self.why

    def span_ended(self, event: ev.SpanEnded) -> None:
        # By its start, since the node's records may be read twice.
        start = event.start if plausible(event.start) else event.at
        self.spans[event.span, start] = Span(
            name=event.span, start=start, end=max(start, event.at), source="node"
        )

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
        if event.printed is not None:
            self.printed = (self.printed or 0) + event.printed
        self.files += event.files
        self.kept += event.kept
        self.ends[event.outcome] = self.ends.get(event.outcome, 0) + 1
        if event.outcome in _ITS_OWN:
            self.tail = self.tail or event.tail or event.why
            self.signs += signs_in(f"{event.why}\n{event.tail}")

    # Telling

    def clock(self) -> Clock:
        """The clock of the service's account."""
        if self.account is None or not self.account.phases:
            return Clock()
        over = next((move.at for move in self.moves if move.phase in _AFTER), float("inf"))
        over = over if self.asked_for else float("inf")
        return clock_of(self.account, *self.made_between, over, self.runner_at)

    def last_known(self) -> float:
        """Until when it is known what it did, if it is not over: of a job of others', when they told of it."""
        return self.until if self.account is None or self.asked_for else self.account.at

    def phases(self, until: float, clock: Clock) -> list[Span]:
        """The job's time in phases, without gaps; notes a clock that goes back."""
        moves = self._with_running(self._with_account(clock))
        spans = []
        start = moves[0].at
        back = 0.0
        for move, following in zip(moves, [*moves[1:], None], strict=True):
            if move.phase is Phase.ENDED:
                break
            end = following.at if following else max(start, until)
            if end < start:
                back, end = max(back, start - end), start
            source = following.source if following else move.source
            late = self._late(move.phase, start, end, source, clock.pace) if following else 0.0
            spans.append(
                Span(
                    name=move.phase.value,
                    start=start,
                    end=end,
                    open=not following,
                    uncertain=late,
                    source=source,
                )
            )
            start = end
        if back > SLACK_S:
            self.notes.append(
                f"the clock goes back by {back:,.0f} s: how long it was in each phase is not certain"
            )
        return spans

    def _with_account(self, clock: Clock) -> list[Move]:
        """The moves, with the service's account in the place of what was seen of the phases that are its own."""
        if self.account is None or not self.account.phases:
            return list(self.moves)
        by = self.account.by
        ours = clock.ours
        told = [Move(phase, ours(at), by) for phase, at in self.account.phases]
        over = next((move.at for move in told if move.phase is Phase.ENDED), None)
        before = [move for move in self.moves if move.phase in _BEFORE]
        after = [move for move in self.moves if move.phase in _AFTER]
        if over is not None:
            ended = after[-1] if self.outcome is not None else None
            after = [Move(Phase.COLLECTING, over, by)]
            if ended:
                after.append(ended._replace(at=max(over, ended.at)))
        moves = [*before, *(move for move in told if move.phase is not Phase.ENDED), *after]
        # What weft did not do, for a job that it did not launch, takes no time and is no phase.
        ends = [*(move.at for move in moves[1:]), float("inf")]
        kept = [
            move
            for move, end in zip(moves, ends, strict=True)
            if move.phase not in _OUR_DOING or end > move.at
        ]
        if any(move.phase is not Phase.ENDED for move in kept):
            return kept
        if self.asked_for:
            return moves
        return [moves[0]._replace(phase=Phase.PENDING), *kept]  # nothing else is told of it

    def _with_running(self, moves: list[Move]) -> list[Move]:
        """The moves, with RUNNING from when the runner was at work, even if that was seen late or never."""
        if self.runner_at is None:
            return moves
        known = [move.phase for move in moves]
        after = (Phase.ARCHIVING, *_AFTER)
        if Phase.RUNNING in known:
            place = known.index(Phase.RUNNING)
            if self.runner_at <= moves[place].at:
                moves[place] = Move(Phase.RUNNING, self.runner_at, "node")
        else:
            place = next((i for i, phase in enumerate(known) if phase in after), len(known))
            at = self.runner_at if place == len(known) else min(self.runner_at, moves[place].at)
            moves.insert(place, Move(Phase.RUNNING, at, "node"))
        return moves

    def _late(self, phase: Phase, start: float, end: float, source: str, pace: float) -> float:
        """So many seconds before its end may a phase have been over, of which this source told."""
        if phase in _OUR_DOING or source == "node":
            return 0.0
        if source == "slurm":
            return WHOLE_SECOND
        late, seconds = 0.0, end - start
        if pace and not self._arrivals_are_told(phase):
            late = lateness(self.backend, phase, seconds / pace) * pace
        if source == "weft":
            late += between_looks(self.backend, seconds)
        if phase is Phase.RUNNING and self.told is not None and start <= self.told.at <= end:
            late = min(late, end - self.told.at)  # until its last word, the runner was at work
        return min(late, seconds)

    def _arrivals_are_told(self, phase: Phase) -> bool:
        """Did the service tell when the files had arrived that it moved in this phase?"""
        into = MOVED_IN.get(phase)
        if into is None or self.account is None:
            return False
        return all(transfer.ended for transfer in self.account.transfers if transfer.into == into)

    def transfers(self, phases: list[Span], clock: Clock) -> list[TransferProfile]:
        if self.account is None or not self.account.transfers:
            return []
        visits: dict[str, list[tuple[float, float]]] = {}
        for span in phases:
            into = MOVED_IN.get(Phase(span.name))
            if into and not span.open:
                visits.setdefault(into, []).append((span.start, span.end))
        return profiles(on_our_clock(self.account, clock).transfers, visits)

    def runner_spans(self, until: float) -> list[Span]:
        spans = sorted(self.spans.values(), key=lambda span: span.start)
        if self.slot_ends and not any(span.name == "CASES" for span in spans):
            # The runner tells of a span when it is over: this one goes on, or was cut off.
            live = self.outcome is None
            end = until if live else max(self.slot_ends.values())
            end = max(self.first_start, end)
            spans.append(Span(name="CASES", start=self.first_start, end=end, open=live, source="node"))
        return spans

    def idle(self, cases: Span | None) -> tuple[float, float]:
        """Idle slot-seconds while cases ran, and those after each slot's last case."""
        if cases is None:
            return 0.0, 0.0
        idle = self.told.idle if self.told else max(0.0, self.slots * cases.seconds - self.busy)
        if cases.open:
            return idle, 0.0
        never = max(0, self.slots - len(self.slot_ends)) * cases.seconds
        return idle, min(idle, never + sum(max(0.0, cases.end - end) for end in self.slot_ends.values()))

    def profile(self) -> JobProfile:
        until = self.last_known()
        runner = self.runner_spans(until)
        cases = next((span for span in runner if span.name == "CASES"), None)
        idle, tail = self.idle(cases)
        clock = self.clock()
        phases = self.phases(until, clock)
        account = self.account
        untold = account if account is not None and not self.ends else None
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
            phases=phases,
            runner=runner,
            busy_s=self.told.busy if self.told else self.busy,
            idle_s=idle,
            tail_s=tail,
            transfers=self.transfers(phases, clock),
            study=self.study,
            name=self.planned.name,
            given=_without_secrets(self.planned.given) if self.planned.given else ev.Allotment(),
            cores=self.planned.cores,
            memory_mb=self.planned.memory_mb,
            word=self.word,
            why=masked(self.why),
            tail=masked(self.tail),
            failed=sum(self.ends.get(outcome, 0) for outcome in _ITS_OWN),
            timed_out=self.ends.get(Outcome.TIMED_OUT, 0),
            oom=self.ends.get(Outcome.OUT_OF_MEMORY, 0),
            in_flight=self.in_flight,
            case_s=self.case_s,
            cpu_s=untold.cpu if untold else self.cpu,
            longest_s=self.longest,
            memory=untold.memory if untold else self.memory,
            read=self.read,
            written=self.written,
            printed=self.printed,
            files=self.files,
            kept=self.kept,
            signs=self.signs,
            pace=clock.pace,
            notes=[*self.notes, *(account.notes if account else ()), *([clock.note] if clock.note else ())],
        )


def _without_secrets(given: ev.Allotment) -> ev.Allotment:
    inputs = [masked_address(url) for url in given.inputs]
    return given if inputs == given.inputs else structs.replace(given, inputs=inputs)
