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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.backends.base import Backend, Collected, Packed, Refused, Seen
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.books import JobState
from weft.core.events import AnyEvent
from weft.core.records import Record, in_flight, to_events
from weft.core.state import State
from weft.errors import AnswerLost, BackendError
from weft.model import Bundle, Case, Kind, Outcome, Study
from weft.store import requests
from weft.store.bundle import BundleWriter
from weft.store.folder import StudyFolder
from weft.store.journal import Journal
from weft.store.lease import Lease

Watch = Callable[[State, Sequence[AnyEvent]], None]
"""Called with the state and the facts that are new, after each round that had any."""


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
        self._bundles = BundleWriter(study, folder, cases, backend.limits)
        self._news: list[AnyEvent] = []
        self._perform: Mapping[type, Callable[[Any], None]] = {
            todo.Submit: self._submit,
            todo.Find: self._find_again,
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
            pause = self.backend.limits.poll_first if acted else pause * 1.3
            pause = min(pause, self.backend.limits.poll_most)
            self._sleep(pause)

    def round(self, *, submit: bool = True) -> bool:
        """One turn of the loop; True if anything was done that may soon lead to more (asking again does not)."""
        if self._lease is not None:
            self._lease.beat()
        self.drain_requests()
        self._observe()
        acted = False
        for action in todo.plan(self.study, self.state, self.backend.limits, self._clock()):
            if isinstance(action, todo.Submit) and not submit:
                continue
            acted = acted or not isinstance(action, todo.Find)
            # No answer is no evidence: the next round plans the action again.
            with contextlib.suppress(BackendError):
                self._perform[type(action)](action)
        news, self._news = self._news, []
        if news and self._watch is not None:
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

    # Observing

    def _observe(self) -> None:
        ready = {job.id: job.native for job in self.state.live.values() if todo.ready_phase(job)}
        if not ready:
            return
        try:
            seen = self.backend.look(ready)
        except BackendError:
            return
        for job_id, native in ready.items():
            self._note(self.state.live[job_id], seen.get(job_id))
            self._read_on(self.state.live[job_id], native)

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
        if job.gone is not None:
            return
        try:
            collected = self.backend.collect(job.id, native, job.offset)
        except BackendError:
            return
        if collected.offset != job.offset:
            self._take_in(job, collected.records, collected.offset)

    def _take_in(self, job: JobState, records: Sequence[Record], offset: int) -> None:
        """Journal what is new in these records, and how far they were read."""
        facts = [fact for fact in to_events(job.id, records) if self.state.is_news(fact)]
        self.record(*facts, ev.RecordsRead(at=self._clock(), job=job.id, offset=offset))

    # Performing

    def _job(self, job_id: str) -> JobState:
        return self.state.live[job_id]

    def _submit(self, action: todo.Submit) -> None:
        """Write the intention, look, then act."""
        changed = self._changed_inputs()
        if changed:
            # What was hashed when the run began is not what would run now.
            hint = "`weft run` again says what to do about it (or put it back, then `weft retry`)"
            self.record(ev.Held(at=self._clock(), why=f"{changed} changed while the study ran", hint=hint))
            return
        job = self._job(action.job) if action.job else self._planned(action.bundle)
        if self._find(job):
            return
        folder = self._bundles.write(job, self.state)
        self.record(ev.JobSubmitSent(at=self._clock(), job=job.id), sync=True)
        packed = Packed(job=job.id, folder=folder, bundle=action.bundle)
        try:
            answer = self.backend.submit([packed])[job.id]
        except AnswerLost:
            return
        now = self._clock()
        if isinstance(answer, Refused):
            self.record(ev.JobRefused(at=now, by=self.backend.name, job=job.id, why=answer.why), sync=True)
        else:
            self.record(ev.JobSubmitted(at=now, by=self.backend.name, job=job.id, native=answer), sync=True)

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
            ),
            sync=True,
        )
        return self._job(job_id)

    def _find_again(self, action: todo.Find) -> None:
        self._find(self._job(action.job))

    def _find(self, job: JobState) -> bool:
        """Ask the backend for our id, and note its answer."""
        asked = self._clock()  # an answer tells how things stood when it was asked for, however late it comes
        native = self.backend.find([job.id]).get(job.id)
        if native is None:
            self.record(ev.JobNotFound(at=asked, by=self.backend.name, job=job.id))
            return False
        self.record(
            ev.JobSubmitted(at=self._clock(), by=self.backend.name, job=job.id, native=native), sync=True
        )
        return True

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
        """Read all records once more from the start, then close the job."""
        collected: Collected = self.backend.collect(job.id, job.native, 0)
        self._take_in(job, collected.records, collected.offset)
        if job.last_word is not None and outcome is not Outcome.LOST:
            outcome = job.last_word  # the runner's own word outweighs what the backend could see of it
        if job.cancel_asked and outcome is not Outcome.FINISHED:
            outcome = Outcome.CANCELLED
        began = in_flight(collected.records)
        if job.kind is Kind.BEFORE and self.state.counts(self.state.steps["before"]):
            self._unpack_before(job.id)
        self.record(
            ev.JobEnded(at=self._clock(), job=job.id, outcome=outcome, why=why, in_flight=began), sync=True
        )
