"""Events to state: the one fold, the table of phases, and the questions about cases and jobs.

Everything that an event may change lives in this file. ``State.apply`` takes one fact at a time, in the order of the
journal; the same facts always give the same state, whether they are replayed or happening. A fact that cannot follow
what is known is refused loudly (``IllegalEvent``) and changes nothing, so a wrong plan can never reach the journal.

How a case stands (waiting, active, done, failed) is never stored: ``State.status`` answers it from the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from weft.core import events as ev
from weft.core.books import STEPS, CaseState, JobState
from weft.core.events import AnyEvent, NodeFact, RunnerFact
from weft.model import Kind, Outcome, Phase, Status, Value

INTERRUPTIONS = 5
"""Times that the site may interrupt one case before it counts as failed."""
CONTINUATIONS = 100
"""Runs in which one case may go on from what the run before left, before it counts as failed."""

_BACKEND_PHASES = frozenset(Phase) - {Phase.PLANNED, Phase.UPLOADING, Phase.COLLECTING, Phase.ENDED}
FOLLOWS: dict[Phase, frozenset[Phase]] = {
    Phase.PLANNED: _BACKEND_PHASES | {Phase.UPLOADING, Phase.COLLECTING, Phase.ENDED},
    Phase.UPLOADING: _BACKEND_PHASES | {Phase.COLLECTING, Phase.ENDED},
    # Watching can miss phases, and BLOCKED or PAUSED jobs go back, so a backend's own phases may follow each other.
    **{phase: _BACKEND_PHASES | {Phase.COLLECTING, Phase.ENDED} for phase in _BACKEND_PHASES},
    Phase.COLLECTING: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset(),
}
"""What may follow what."""

_FINISHED = Outcome.FINISHED
_INTERRUPTED = Outcome.INTERRUPTED
_TIMED_OUT = Outcome.TIMED_OUT
_OUT_OF_MEMORY = Outcome.OUT_OF_MEMORY
_NOTHING_OWN = (Outcome.INTERRUPTED, Outcome.CANCELLED)


class IllegalEvent(ValueError):
    """This fact cannot follow what is known; it has changed nothing."""


class State:
    """All that follows from the journal so far."""

    def __init__(self) -> None:
        self.name = ""
        self.key = ""
        self.home = ""
        """The folder that the last run was in."""
        self.revision = ""
        self.kept: set[str] = set()
        self.recorded: ev.StudyRecorded | None = None
        """The study as it stood at the last run."""
        self.first_digests: dict[str, str] = {}
        """What every input held when it was first seen."""
        self.first_defaults: dict[str, Value] = {}
        """The default of every parameter that ever had one, as it was first given."""
        self.cases: dict[str, CaseState] = {}
        self.steps = {"before": CaseState(), "after": CaseState()}
        self.jobs: dict[str, JobState] = {}
        self.live: dict[str, JobState] = {}
        self.hold: ev.Held | None = None
        self.stopping = False
        self.pilot = 0
        self.predicted: ev.Predicted | None = None
        """What was foretold in this run, and the way of packing that was chosen with it."""
        self.fresh = False
        """Has a case left a record since the step after was last planned?"""
        self.any_success = False
        self.first_failures = 0
        """Cases that failed on their first try; both start anew with a retry or a new revision."""
        self.refusals = 0
        self.refused_at = 0.0
        self.fruitless = 0
        """Jobs in a row that ended without a single record of a case."""
        self.cancelled = ""
        """A job that was cancelled, and not by us, since the last retry or new revision."""
        self._requests: set[str] = set()

    # The fold

    def apply(self, event: AnyEvent) -> None:
        """Take in one fact; IllegalEvent if it cannot follow what is known, and then nothing has changed."""
        _HANDLERS[type(event)](self, event)

    def apply_all(self, facts: Iterable[AnyEvent]) -> None:
        """Take in facts in order."""
        handlers = _HANDLERS
        for event in facts:
            handlers[type(event)](self, event)

    def _opened(self, event: ev.Opened) -> None:
        _require(not self.key, "a journal is opened once")
        self.name, self.key = event.name, event.key

    def _study_recorded(self, event: ev.StudyRecorded) -> None:
        changed = self.recorded is not None and event.revision != self.revision
        self.revision = event.revision
        self.recorded = event
        if changed or event.kept:
            self.kept = set(event.kept)
            self.hold = None  # whatever it was, the study is another now
        if changed and not event.kept:
            # What failed before may not fail now, and what it left to go on from was made by something else.
            self._start_afresh([*self.cases.values(), *self.steps.values()])
            for case in self.cases.values():
                case.carry, case.carried, case.continues = "", 0, 0
        for path, digest in event.digests.items():
            self.first_digests.setdefault(path, digest)
        for name, default in event.defaults.items():
            self.first_defaults.setdefault(name, default)

    def _cases_added(self, event: ev.CasesAdded) -> None:
        cases = self.cases
        for case_id in event.ids:
            known = cases.get(case_id)
            if known is None:
                cases[case_id] = CaseState()
            else:
                known.retired = False

    def _cases_retired(self, event: ev.CasesRetired) -> None:
        unknown = [case_id for case_id in event.ids if case_id not in self.cases]
        _require(not unknown, f"no such cases: {unknown}")
        for case_id in event.ids:
            self.cases[case_id].retired = True

    def _run_started(self, event: ev.RunStarted) -> None:
        self.stopping = False
        self.pilot = event.pilot
        self.predicted = None
        self.key = event.key or self.key
        self.home = event.folder

    def _run_stopped(self, event: ev.RunStopped) -> None:
        """A fact for the profile; what was asked for stands until the next run starts."""

    def _cancel_asked(self, event: ev.CancelAsked) -> None:
        if not self._new_request(event.id):
            return
        self.stopping = self.stopping or event.everything
        for job_id in [*self.live] if event.everything else event.jobs:
            job = self.live.get(job_id)
            if job is None:
                continue
            job.cancel_asked = True
            if not event.everything:
                self._give_up(self.open_cases(job))
        self._give_up(event.cases)

    def _give_up(self, case_ids: Iterable[str]) -> None:
        for case_id in case_ids:
            case = self.cases.get(case_id) or self.steps.get(case_id)
            if case is not None and not self.counts(case):
                case.given_up = True

    def _retry_asked(self, event: ev.RetryAsked) -> None:
        if not self._new_request(event.id):
            return
        named = [self.cases[case_id] for case_id in event.cases if case_id in self.cases]
        self._start_afresh(named if event.cases else [*self.cases.values(), *self.steps.values()])

    def _start_afresh(self, cases: Iterable[CaseState]) -> None:
        """Lift a hold, and give these cases a fresh set of attempts, unless they are done."""
        self.hold = None
        self.any_success = False
        self.first_failures = self.refusals = self.fruitless = 0
        self.cancelled = ""
        for case in cases:
            if self.counts(case):
                continue
            case.given_up = False  # also while the job that was cancelled is still to end
            if not case.job:
                # What was learnt of its needs (timeouts, ooms) stays: the retry starts with more time or memory.
                case.runs = case.interruptions = case.continues = 0

    def has_heard(self, request_id: str) -> bool:
        """Is this request in the books already?"""
        return request_id in self._requests

    def _new_request(self, request_id: str) -> bool:
        if request_id in self._requests:
            return False
        self._requests.add(request_id)
        return True

    def _held(self, event: ev.Held) -> None:
        self.hold = event
        for job in self.live.values():
            job.cancel_asked = job.cancel_asked or event.cancel

    def _job_planned(self, event: ev.JobPlanned) -> None:
        _require(event.job not in self.jobs, f"job {event.job} is planned already")
        pool = self._pool(event.kind)
        try:
            members = [pool[case_id] for case_id in event.cases]
        except KeyError as error:
            raise IllegalEvent(f"no such case: {error.args[0]}") from None
        for case in members:
            if case.job or case.done:
                self._require_free(event, members)
                break
        for case in members:
            case.job = event.job
        if event.kind is Kind.AFTER and self.fresh:
            # An earlier success was for an incomplete table: until there is a new one, the step is still to be done.
            members[0].done, members[0].runs, members[0].interruptions = "", 0, 0
            self.fresh = False
        if event.kind is Kind.PILOT:
            self.pilot = 0
        self.jobs[event.job] = self.live[event.job] = JobState(
            id=event.job,
            kind=event.kind,
            backend=event.backend,
            cases=tuple(event.cases),
            revision=event.revision,
            cores=event.cores,
            memory_mb=event.memory_mb,
            minutes=event.minutes,
            slots=event.slots,
        )

    def _require_free(self, event: ev.JobPlanned, members: list[CaseState]) -> None:
        """No case of a new job is in a live one, or has a success that counts."""
        for case_id, case in zip(event.cases, members, strict=True):
            _require(not case.job, f"case {case_id} is in job {case.job} already")
            _require(event.kind is Kind.AFTER or not self.counts(case), f"case {case_id} is done already")

    def _pool(self, kind: Kind) -> dict[str, CaseState]:
        """Where the cases of a job of this kind are: a step's one pseudo-case is not among the study's."""
        return self.steps if kind is Kind.BEFORE or kind is Kind.AFTER else self.cases

    def _job(self, job_id: str) -> JobState:
        job = self.live.get(job_id)
        if job is None:
            raise IllegalEvent(f"no live job {job_id}")
        return job

    def _move(self, job: JobState, phase: Phase) -> None:
        if phase is not job.phase:
            _require(
                phase in FOLLOWS[job.phase], f"job {job.id}: {phase.value} cannot follow {job.phase.value}"
            )
            job.phase = phase

    def _submit_sent(self, event: ev.JobSubmitSent) -> None:
        job = self._job(event.job)
        _require(not job.native, f"job {job.id} is submitted already")
        self._move(job, Phase.UPLOADING)
        job.sent_at = event.at
        job.not_found_since = job.not_found_at = 0.0

    def _not_found(self, event: ev.JobNotFound) -> None:
        job = self._job(event.job)
        job.not_found_since = job.not_found_since or event.at
        job.not_found_at = event.at

    def _submitted(self, event: ev.JobSubmitted) -> None:
        job = self._job(event.job)
        _require(job.native in ("", event.native), f"job {job.id} has two native ids")
        if job.phase in (Phase.PLANNED, Phase.UPLOADING):
            self._move(job, Phase.PENDING)
        job.native = event.native
        self.refusals = 0

    def _refused(self, event: ev.JobRefused) -> None:
        job = self._job(event.job)
        _require(not job.native, f"job {job.id} was accepted before")
        self.refusals += 1
        self.refused_at = event.at
        self._close(job, Outcome.REFUSED, event.why)

    def _seen(self, event: ev.JobSeen) -> None:
        job = self._job(event.job)
        self._move(job, event.phase)
        job.word = event.word
        job.orphaned = event.orphaned
        job.unseen = 0

    def _unseen(self, event: ev.JobUnseen) -> None:
        job = self._job(event.job)
        if not job.unseen:
            job.unseen_since = event.at
        job.unseen += 1

    def _gone(self, event: ev.JobGone) -> None:
        job = self._job(event.job)
        self._move(job, Phase.COLLECTING)
        job.gone, job.word, job.why = event.outcome, event.word, job.why or event.why

    def _history_read(self, event: ev.HistoryRead) -> None:
        """A fact for the profile."""

    def _cancel_sent(self, event: ev.CancelSent) -> None:
        self._job(event.job).cancel_sent_at = event.at

    def _records_read(self, event: ev.RecordsRead) -> None:
        self._job(event.job).offset = event.offset

    def _job_ended(self, event: ev.JobEnded) -> None:
        job = self._job(event.job)
        for case_id in [*event.failed, *event.in_flight]:
            if self.is_open(job, case_id):
                case = self._pool(job.kind)[case_id]
                case.last = Outcome.FAILED if case_id in event.failed else _INTERRUPTED
                own = _count_failure(job, case, case.last)
                self.first_failures += own and case.runs == 1 and job.kind not in STEPS
                case.job = ""
        for case_id in event.uncarried:
            known = self._pool(job.kind).get(case_id)
            if known is not None and known.carry == job.id:
                known.carry, known.carried = "", 0
            elif known is not None and job.kind in STEPS:
                known.done, known.last = "", _INTERRUPTED
                _count_failure(job, known, _INTERRUPTED)
        if job.gone is Outcome.CANCELLED and not job.cancel_asked and not job.cancel_sent_at:
            self.cancelled = job.id
        if job.native:
            # Only a job that nothing came of counts; when the user stopped it, that says nothing about the job. One
            # that the site cut short while cases ran had begun well; one that failed of itself will fail again.
            begun = bool(event.in_flight) and event.outcome is not Outcome.FAILED
            fruitless = not (job.recorded or begun or job.cancel_asked)
            self.fruitless = self.fruitless + 1 if fruitless else 0
        self._close(job, event.outcome, event.why)

    def _close(self, job: JobState, outcome: Outcome, why: str) -> None:
        pool = self._pool(job.kind)
        for case_id in job.cases:
            case = pool[case_id]
            if case.job == job.id:
                case.job = ""
        job.told = set()
        job.phase, job.outcome = Phase.ENDED, outcome
        job.why = why or job.why
        del self.live[job.id]

    def _case_ended(self, event: ev.CaseEnded) -> None:
        # By far the most frequent fact: replay's cost is this method's.
        case = self.cases.get(event.case)
        if case is None or case.job != event.job:
            self._late_or_of_a_step(event)
            return
        job = self.live[case.job]
        job.recorded += 1
        case.job = ""
        self._take_in(event, job, case)
        self.fresh = True

    def _late_or_of_a_step(self, event: ev.CaseEnded) -> None:
        """The rarer records: told twice, of a job that was closed already, or of a step before or after."""
        job = self.jobs.get(event.job)
        if job is None:
            raise IllegalEvent(f"a record from unknown job {event.job}")
        if not self.is_news(event):
            return
        case = self._pool(job.kind)[event.case]
        if case.job == job.id:
            job.recorded += 1
            case.job = ""
        self._take_in(event, job, case)
        self.fresh = self.fresh or job.kind not in STEPS

    def _take_in(self, event: ev.CaseEnded, job: JobState, case: CaseState) -> None:
        outcome = case.last = event.outcome
        case.wall = event.wall
        if event.carried and outcome is _INTERRUPTED:
            case.continues += 1
            case.carry, case.carried = job.id, event.carried
            return
        if outcome is not _FINISHED:
            own = _count_failure(job, case, outcome)
            self.first_failures += own and case.runs == 1 and job.kind not in STEPS
            return
        case.done = job.revision
        self.any_success = self.any_success or job.kind not in STEPS

    def _runner_ended(self, event: ev.RunnerEnded) -> None:
        job = self._job(event.job)
        job.last_word = event.outcome
        job.why = event.why or job.why

    def _runner_started(self, event: ev.RunnerStarted) -> None:
        self._job(event.job).slots = event.slots
        self._runner_told(event)

    def _runner_told(self, event: RunnerFact) -> None:
        """A fact for the profile: the books only note that it is known."""
        self._job(event.job).told.add(told_key(event))

    def _predicted(self, event: ev.Predicted) -> None:
        self.predicted = event

    # The questions

    def is_news(self, event: AnyEvent) -> bool:
        """Is this record of a node not in the books yet? (They are read in pieces, and once more at the end.)

        Of a job that was closed, only a success counts as news: it came late, and is not lost.
        """
        if not isinstance(event, NodeFact) or event.job not in self.jobs:
            return True
        job = self.jobs[event.job]
        if isinstance(event, ev.CaseEnded):
            if self.is_open(job, event.case):
                return True
            late = job.outcome is not None and event.outcome is _FINISHED and event.case in job.cases
            return late and not self.counts(self._pool(job.kind)[event.case])
        if isinstance(event, ev.RunnerEnded):
            return job.last_word is None
        return told_key(event) not in job.told

    def is_open(self, job: JobState, case_id: str) -> bool:
        """Is the case one of this job's, and without a record yet?"""
        case = self._pool(job.kind).get(case_id)
        return case is not None and case.job == job.id

    def open_cases(self, job: JobState) -> list[str]:
        """The job's cases that have no record yet."""
        return [case_id for case_id in job.cases if self.is_open(job, case_id)]

    def counts(self, case: CaseState) -> bool:
        """Has the case a success that still counts?"""
        return bool(case.done) and (case.done == self.revision or case.done in self.kept)

    def status(self, case: CaseState, attempts: int, retried: frozenset[Outcome]) -> Status:
        """How the case stands, under a rule of so many attempts for these outcomes."""
        if case.done and (case.done == self.revision or case.done in self.kept):
            return Status.DONE
        if case.job:
            return Status.ACTIVE
        if case.given_up or case.interruptions >= INTERRUPTIONS or case.continues >= CONTINUATIONS:
            return Status.FAILED
        if case.runs and case.last is not None and self._spent(case, attempts, retried):
            return Status.FAILED
        return Status.WAITING

    def _spent(self, case: CaseState, attempts: int, retried: frozenset[Outcome]) -> bool:
        if case.last in _NOTHING_OWN:
            return case.runs >= attempts
        if case.last is _FINISHED:
            return False  # a success of a revision that no longer counts
        return case.runs >= attempts or case.last not in retried

    def present(self) -> Iterator[tuple[str, CaseState]]:
        """The cases that the study has now, in the order in which it got them."""
        return ((case_id, case) for case_id, case in self.cases.items() if not case.retired)

    def next_job(self) -> str:
        """The id of the next job to plan."""
        return f"{self.name}-{self.key}-{len(self.jobs) + 1:04d}"

    def old_revisions(self) -> dict[str, int]:
        """Revisions whose successes do not count (yet), with how many present cases each has."""
        found: dict[str, int] = {}
        for _, case in self.present():
            if case.done and not self.counts(case):
                found[case.done] = found.get(case.done, 0) + 1
        return found


def _count_failure(job: JobState, case: CaseState, outcome: Outcome) -> bool:
    """Put a failed run on the case's account, or on the site's; True if it is the case's own."""
    if outcome in _NOTHING_OWN:
        # When the user stopped the job, the site is not to blame.
        case.interruptions += not job.cancel_asked
        return False
    case.runs += 1
    case.timeouts += outcome is _TIMED_OUT
    case.ooms += outcome is _OUT_OF_MEMORY
    return True


def told_key(event: RunnerFact) -> tuple[str, float]:
    """What tells one record of a runner from the next."""
    if isinstance(event, ev.SpanEnded):
        return event.span, event.start
    return type(event).__name__, event.at


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise IllegalEvent(otherwise)


_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    ev.Opened: State._opened,
    ev.StudyRecorded: State._study_recorded,
    ev.CasesAdded: State._cases_added,
    ev.CasesRetired: State._cases_retired,
    ev.RunStarted: State._run_started,
    ev.RunStopped: State._run_stopped,
    ev.CancelAsked: State._cancel_asked,
    ev.RetryAsked: State._retry_asked,
    ev.Held: State._held,
    ev.Predicted: State._predicted,
    ev.JobPlanned: State._job_planned,
    ev.JobSubmitSent: State._submit_sent,
    ev.JobNotFound: State._not_found,
    ev.JobSubmitted: State._submitted,
    ev.JobRefused: State._refused,
    ev.JobSeen: State._seen,
    ev.JobUnseen: State._unseen,
    ev.JobGone: State._gone,
    ev.HistoryRead: State._history_read,
    ev.CancelSent: State._cancel_sent,
    ev.RecordsRead: State._records_read,
    ev.JobEnded: State._job_ended,
    ev.CaseEnded: State._case_ended,
    ev.RunnerEnded: State._runner_ended,
    ev.RunnerStarted: State._runner_started,
    ev.SetupEnded: State._runner_told,
    ev.SpanEnded: State._runner_told,
    ev.FinishEnded: State._runner_told,
}
