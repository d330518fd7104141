"""Drive, observe, perform: the one loop, by the one writer of a study's journal.

Each round drains the requests of other processes, asks the backend how the live jobs stand (observe), lets the pure
core decide what to do (``core/plan.py``) and does it (perform). Every fact goes through ``record``: it is checked
against the state, then written, and only then acted upon. The loop may be killed between any two statements; the
next one takes up from the journal.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import structs

from weft.backends.base import Backend, Collected, Packed, Refused, Seen
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.books import STEPS, JobState
from weft.core.events import AnyEvent
from weft.core.looking import GROWTH
from weft.core.records import Record, in_flight, to_events
from weft.core.state import State
from weft.errors import AnswerLost, BackendError
from weft.model import Bundle, Case, Kind, Outcome, Phase, Study
from weft.store import requests
from weft.store.archive import is_short, uncarried
from weft.store.bundle import BundleWriter
from weft.store.folder import StudyFolder
from weft.store.journal import Journal
from weft.store.lease import Lease

Watch = Callable[[State, Sequence[AnyEvent]], None]
"""Called with the state and the facts that are new, after each round that had any."""
Foresee = Callable[[State, Sequence[todo.Action]], AnyEvent | None]
"""Called with what is about to be done; a fact that it returns is recorded, and the plan made anew."""


class Engine:
    """The loop of one study; made by ``writer.py`` once the lease is held and the journal replayed."""

    def __init__(
        self,
        study: Study,
        cases: Mapping[str, Case],
        folder: StudyFolder,
        state: State,
        journal: Journal,
        backend: Backend,
        *,
        lease: Lease | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        write_table: Callable[[], None] = lambda: None,
        unpack_before: Callable[[str], object] = lambda job: None,
        changed_inputs: Callable[[], str] = lambda: "",
        watch: Watch | None = None,
        foresee: Foresee = lambda state, actions: None,
    ) -> None:
        self.study = study
        self.cases = cases
        self.folder = folder
        self.state = state
        self.backend = backend
        self._journal = journal
        self._lease = lease
        self._clock = clock
        self._sleep = sleep
        self._write_table = write_table
        self._unpack_before = unpack_before
        self._changed_inputs = changed_inputs
        self._watch = watch
        self._foresee = foresee
        self._bundles = BundleWriter(study, folder, cases, backend.limits, backend.node, backend.share)
        self._provide = self._bundles.provide
        self._news: list[AnyEvent] = []
        self.trouble = ""
        """Why the backend gave no answer in the last round; empty if it gave all that were asked for."""
        self._read_at: dict[str, float] = {}
        self._perform: Mapping[type, Callable[[Any], None]] = {
            todo.Collect: self._collect,
            todo.Cancel: self._cancel,
            todo.CloseAsLost: self._close,
            todo.Hold: lambda action: self.record(
                ev.Held(at=self._clock(), why=action.why, hint=action.hint, cancel=action.cancel)
            ),
        }

    # Recording

    def record(self, *events: AnyEvent, sync: bool = False) -> None:
        """Check facts against the state and write them to the journal; whoever acts on them does so after this.

        Raises StudyLocked, and writes nothing, where the lease was lost while something took very long.
        """
        if self._lease is not None:
            self._lease.beat()
        self.state.apply_all(events)
        self._journal.append(events, sync=sync)
        self._news += events

    def close(self) -> None:
        """Close the journal; the engine is of no use any more."""
        self._journal.close()

    # The loop

    def drive(self, *, submit: bool = True) -> None:
        """Go on until the study is settled (done, held or stopped).

        Without ``submit``, nothing new is started, and only jobs that are to be stopped are waited for.
        """
        pause = self.backend.limits.poll_first
        while True:
            acted = self.round(submit=submit)
            stopping = any(job.cancel_asked for job in self.state.live.values())
            over = todo.settled(self.study, self.state) or (not submit and not stopping)
            if over and not requests.waiting(self.folder.requests):
                return
            pause = self.backend.limits.poll_first if acted else pause * GROWTH
            pause = min(pause, self.backend.limits.poll_most)
            self._sleep(pause)

    def round(self, *, submit: bool = True) -> bool:
        """One turn of the loop; True if anything was done that may soon lead to more (asking again does not)."""
        if self._lease is not None:
            self._lease.beat()
        self.drain_requests()
        self.trouble = ""
        self._observe()
        limits = self.backend.limits
        actions = todo.plan(self.study, self.state, limits, self._clock())
        if not submit:
            actions = [action for action in actions if not isinstance(action, todo.Submit)]
        told = self._foresee(self.state, actions)
        if told is not None:
            self.record(told)
            actions = todo.plan(self.study, self.state, limits, self._clock())  # as was chosen
        acted = False
        for together in _batches(actions, limits.batch):
            # No answer is no evidence: the next round plans the action again.
            try:
                self._perform_all(together)
                acted = acted or not isinstance(together[0], todo.Find)
            except BackendError as problem:
                self._silent(problem)
        news, self._news = self._news, []
        if (news or self.trouble) and self._watch is not None:
            self._watch(self.state, news)
        return acted

    def drain_requests(self, until: float = math.inf) -> None:
        """Take what other processes asked for (before that moment) into the journal."""
        found = [
            (path, request)
            for path, request in requests.waiting(self.folder.requests)
            if request is None or request.at < until
        ]
        new = [
            request for _, request in found if request is not None and not self.state.has_heard(request.id)
        ]
        if new:
            self.record(*new, sync=True)
        if found:
            requests.done([path for path, _ in found])

    def _silent(self, problem: BackendError) -> None:
        """Keep why the backend gave no answer, for whoever wonders why nothing happens."""
        self.trouble = problem.what

    # Observing

    def _observe(self) -> None:
        ready = {job.id: job.native for job in self.state.live.values() if todo.ready_phase(job)}
        if not ready:
            return
        try:
            seen = self.backend.look(ready)
        except BackendError as problem:
            self._silent(problem)
            return
        for job_id in ready:
            self._note(self.state.live[job_id], seen.get(job_id))
        for job in self._to_read(ready):
            self._read_on(job, ready[job.id])

    def _to_read(self, ready: Mapping[str, str]) -> list[JobState]:
        """The jobs whose records are to be read now: those that were not read for longest, as the limits allow."""
        limits, now = self.backend.limits, self._clock()
        running = (self.state.live[job_id] for job_id in ready)
        due = [
            job
            for job in running
            if job.gone is None
            and (not limits.read_every or job.phase is Phase.RUNNING)
            and now - self._read_at.get(job.id, -math.inf) >= limits.read_every
        ]
        due.sort(key=lambda job: self._read_at.get(job.id, -math.inf))
        due = due[: limits.reads]
        self._read_at.update((job.id, now) for job in due)
        return due

    def _note(self, job: JobState, seen: Seen | None) -> None:
        now = self._clock()
        if seen is None:
            self.record(ev.JobUnseen(at=now, job=job.id))
        elif seen.outcome is not None:
            self.record(
                ev.JobGone(
                    at=now,
                    by=self.backend.name,
                    job=job.id,
                    outcome=seen.outcome,
                    word=seen.word,
                    why=seen.why,
                )
            )
        elif job.unseen or (job.phase, job.word, job.orphaned) != (seen.phase, seen.word, seen.orphaned):
            self.record(
                ev.JobSeen(
                    at=now,
                    by=self.backend.name,
                    job=job.id,
                    phase=seen.phase,
                    word=seen.word,
                    orphaned=seen.orphaned,
                )
            )

    def _read_on(self, job: JobState, native: str) -> None:
        """Take in the records that a running job has written since the last look."""
        try:
            collected = self.backend.collect(job.id, native, job.offset)
        except BackendError as problem:
            self._silent(problem)
            return
        if collected.offset != job.offset:
            self._take_in(job, collected.records, collected.offset)

    def _take_in(self, job: JobState, records: Sequence[Record], offset: int) -> None:
        """Journal what is new in these records, and how far they were read."""
        facts = [fact for fact in to_events(job.id, records) if self.state.is_news(fact)]
        self.record(*facts, ev.RecordsRead(at=self._clock(), job=job.id, offset=offset))

    # Performing

    def _perform_all(self, actions: Sequence[todo.Action]) -> None:
        """Do what is to be done next: one action, or several of the kinds that go together."""
        submits = [action for action in actions if isinstance(action, todo.Submit)]
        finds = [action for action in actions if isinstance(action, todo.Find)]
        if submits:
            self._submit(submits)
        elif finds:
            self._find_again(finds)
        else:
            for action in actions:
                self._perform[type(action)](action)

    def _job(self, job_id: str) -> JobState:
        return self.state.live[job_id]

    def _submit(self, actions: Sequence[todo.Submit]) -> None:
        """Write the intention, look, then act; for as many jobs at once as the backend takes."""
        changed = self._changed_inputs()
        if changed:
            # What was hashed when the run began is not what would run now.
            hint = "`weft run` again says what to do about it (or put it back, then `weft retry`)"
            self.record(ev.Held(at=self._clock(), why=f"{changed} changed while the study ran", hint=hint))
            return
        self._provide()  # before any job is planned, which could only be left behind without them
        jobs = [self._job(one.job) if one.job else self._planned(one.bundle) for one in actions]
        found = self._find(jobs)
        bundles = {job.id: one.bundle for job, one in zip(jobs, actions, strict=True) if job.id not in found}
        packed = [
            Packed(job=job_id, folder=self._bundles.write(self._job(job_id), self.state), bundle=bundle)
            for job_id, bundle in bundles.items()
        ]
        if not packed:
            return
        self.record(*(ev.JobSubmitSent(at=self._clock(), job=job_id) for job_id in bundles), sync=True)
        with contextlib.suppress(AnswerLost):
            self._answered(self.backend.submit(packed))

    def _answered(self, answers: Mapping[str, str | Refused]) -> None:
        """Note what became of a submission; of a job that no answer tells of, nothing is known."""
        now, by = self._clock(), self.backend.name
        facts: list[AnyEvent] = [
            ev.JobRefused(at=now, by=by, job=job_id, why=answer.why)
            if isinstance(answer, Refused)
            else ev.JobSubmitted(at=now, by=by, job=job_id, native=answer)
            for job_id, answer in answers.items()
        ]
        if facts:
            self.record(*facts, sync=True)

    def _planned(self, bundle: Bundle) -> JobState:
        job_id = self.state.next_job()
        if bundle.kind is Kind.AFTER:
            self._write_table()
        self.record(
            ev.JobPlanned(
                at=self._clock(),
                job=job_id,
                kind=bundle.kind,
                backend=self.backend.name,
                cases=list(bundle.cases),
                revision=self.state.revision,
                cores=bundle.cores,
                memory_mb=bundle.memory_mb,
                minutes=bundle.minutes,
                slots=bundle.slots,
                given=structs.replace(self.backend.given, minutes=bundle.minutes or 0.0),
            ),
            sync=True,
        )
        return self._job(job_id)

    def _find_again(self, actions: Sequence[todo.Find]) -> None:
        self._find([self._job(action.job) for action in actions])

    def _find(self, jobs: Sequence[JobState]) -> Mapping[str, str]:
        """Ask the backend for our ids, and note its answer."""
        asked = self._clock()  # an answer tells how things stood when it was asked for, however late it comes
        natives = self.backend.find([job.id for job in jobs])
        by = self.backend.name
        missing = [ev.JobNotFound(at=asked, by=by, job=job.id) for job in jobs if job.id not in natives]
        now = self._clock()
        there = [
            ev.JobSubmitted(at=now, by=by, job=job_id, native=native) for job_id, native in natives.items()
        ]
        self.record(*missing, *there, sync=bool(there))
        return natives

    def _cancel(self, action: todo.Cancel) -> None:
        job = self._job(action.job)
        self.backend.cancel({job.id: job.native})
        self.record(ev.CancelSent(at=self._clock(), by=self.backend.name, job=job.id))

    def _collect(self, action: todo.Collect) -> None:
        job = self._job(action.job)
        self._finish(job, job.gone or Outcome.FINISHED)

    def _close(self, action: todo.CloseAsLost) -> None:
        job = self._job(action.job)
        if job.native:
            self._finish(job, action.outcome, action.why)
        else:
            self.record(ev.JobEnded(at=self._clock(), job=job.id, outcome=action.outcome, why=action.why))

    def _finish(self, job: JobState, outcome: Outcome, why: str = "") -> None:
        """Read all records once more from the start, bring the outputs, then close the job."""
        collected: Collected = self.backend.collect(job.id, job.native, 0)
        self._take_in(job, collected.records, collected.offset)
        brought = self.backend.bring(job.id, job.native)
        began = in_flight(collected.records)
        to_blame: list[str] = []
        by_itself = outcome in (Outcome.FINISHED, Outcome.FAILED)
        if job.last_word is None and by_itself and self.state.open_cases(job):
            to_blame, told = self._unsaid(job, outcome, began)
            outcome, why = Outcome.FAILED, told or why
        elif job.last_word is not None and outcome is not Outcome.LOST:
            outcome = job.last_word  # the runner's own word outweighs what the backend could see of it
        if job.cancel_asked and outcome is not Outcome.FINISHED:
            outcome = Outcome.CANCELLED
        uncarried, lost = self._lost(job, collected.records)
        ended = ev.JobEnded(
            at=self._clock(),
            job=job.id,
            outcome=outcome,
            why="; ".join(part for part in (why, brought.complaint, lost) if part),
            in_flight=[case_id for case_id in began if case_id not in to_blame],
            failed=to_blame,
            uncarried=uncarried,
        )
        self.record(*([brought.history] if brought.history else []), ended, sync=True)

    def _lost(self, job: JobState, records: Sequence[Record]) -> tuple[list[str], str]:
        """Who was to leave what is not, or not whole, in the outputs that were brought, and what that means."""
        if job.kind is Kind.BEFORE and self.state.counts(self.state.steps["before"]):
            kept = max((record.kept for record in records), default=0)
            if is_short(self.folder, job.id, kept):
                return ["before"], "what it left is lost: it runs again"
            self._unpack_before(job.id)
        cases = self._uncarried(job)
        return (
            cases,
            f"what {len(cases)} of its cases were to go on from is lost: they begin anew" if cases else "",
        )

    def _uncarried(self, job: JobState) -> list[str]:
        """Cases that were to go on from what is not, or not whole, in the outputs that were brought."""
        if job.kind in STEPS:
            return []
        known = ((case_id, self.state.cases[case_id]) for case_id in job.cases)
        wanted = {case_id: case.carried for case_id, case in known if case.carry == job.id}
        return uncarried(self.folder, job.id, wanted) if wanted else []

    def _unsaid(self, job: JobState, outcome: Outcome, began: Sequence[str]) -> tuple[list[str], str]:
        """A job that ended by itself while its runner never said so: which cases are to blame, and what is told.

        The one case that was running took the runner down with it. Of a job that did nothing, and yet is said to have
        finished, all cases have failed: what it did not do this time it will not do the next.
        """
        says = f"{self.backend.name} says {outcome.value}" + (f" ({job.word})" if job.word else "")
        doubt = f": {self.backend.doubt}" if self.backend.doubt and outcome is Outcome.FINISHED else ""
        if len(began) == 1:
            return list(began), f"{says}, but the job came to an end while this case ran{doubt}"
        if outcome is not Outcome.FINISHED:
            return [], ""
        nothing = not began and not job.recorded
        told = f"{says}, but {'no case left a record' if nothing else 'its records do not tell of an end'}{doubt}"
        return (self.state.open_cases(job) if nothing else []), told


def _batches(actions: Sequence[todo.Action], most: int) -> Iterator[list[todo.Action]]:
    """The actions in their order: submissions in a row so many together, questions in a row all together."""
    for kind, group in groupby(actions, type):
        together = list(group)
        size = most if kind is todo.Submit else len(together) if kind is todo.Find else 1
        for start in range(0, len(together), size):
            yield together[start : start + size]
