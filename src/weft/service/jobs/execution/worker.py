"""The worker: carries every job through its states, from its row to its end.

A few threads share one agenda: which job is due when. A thread takes the job that is due, does one step of it after
the other (``phases``) until there is something to wait for, and puts it back. Nothing waits within a step, so a few
threads carry thousands of jobs. No job is ever in two threads; who wakes a job that is in one has it looked at again.

All there is to know about a job is in its row. A service that starts takes up every job that has not ended and goes
on from its state. A cancellation is looked for before every step. What goes wrong with a job fails that job, and is
logged where it is our own mistake; only a database that cannot be written makes it wait and be tried again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from weft.service.answers import Problem
from weft.service.apps.model import Runtime
from weft.service.jobs.execution.batch import Batch
from weft.service.jobs.execution.containers import runtime_available
from weft.service.jobs.execution.ending import Stop, failure
from weft.service.jobs.execution.local import Local
from weft.service.jobs.execution.memory import Turn, Visit
from weft.service.jobs.execution.phases import Phases
from weft.service.jobs.execution.processes import Watch
from weft.service.jobs.model import Job
from weft.service.jobs.states import COUNTED, TERMINAL, Condition, Event, RemoteOutcome, Status

if TYPE_CHECKING:
    from weft.service.server import Service

log = logging.getLogger(__name__)

THREADS = 4
_AGAIN = 2.0
"""Seconds before a job is tried again whose row could not be read or written."""
_UNWRITABLE = (OperationalError, InterfaceError, NoConnection)
_STOPPING = 0.05
_LAUNCHED = {Status.SUBMITTING_JOB, Status.QUEUED, Status.RUNNING}
"""The states in which a job may have processes."""


class Agenda:
    """Which job is due when; safe to share between threads."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._heap: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._taken: set[str] = set()
        self._woken: set[str] = set()
        self._number = itertools.count()
        self._closed = False

    def put(self, uuid: str, due: float) -> None:
        """Have the job taken at this time, or earlier if it is due earlier; at once again, if it is taken now."""
        with self._news:
            if uuid in self._taken:
                self._woken.add(uuid)
            elif due < self._due.get(uuid, float("inf")):
                self._push(uuid, due)

    def take(self) -> str | None:
        """The next job that is due, waiting for it; None once the agenda is closed."""
        with self._news:
            while not self._closed:
                now = time.monotonic()
                while self._heap and self._heap[0][0] <= now:
                    due, _, uuid = heapq.heappop(self._heap)
                    if self._due.get(uuid) == due:  # else it was moved
                        del self._due[uuid]
                        self._taken.add(uuid)
                        return uuid
                self._news.wait(self._heap[0][0] - now if self._heap else None)
            return None

    def give_back(self, uuid: str, due: float | None) -> None:
        """A job was dealt with: it is due again then, or never; at once, if it was woken meanwhile."""
        with self._news:
            self._taken.discard(uuid)
            woken = uuid in self._woken
            self._woken.discard(uuid)
            if woken:
                due = time.monotonic()
            if due is not None:
                self._push(uuid, due)

    def close(self) -> bool:
        """Have nothing taken any more; False if it was closed before."""
        with self._news:
            closed, self._closed = self._closed, True
            self._news.notify_all()
        return not closed

    def _push(self, uuid: str, due: float) -> None:
        self._due[uuid] = due
        heapq.heappush(self._heap, (due, next(self._number), uuid))
        self._news.notify()


class Worker:
    """Carries the jobs of one service; ``wake`` may be called from any thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._agenda = Agenda()
        self._watch = Watch(self._process_ended)
        self._local = Local(service, self._watch)
        self._batch = Batch(service, self._local, self.wake)
        self._phases = Phases(service, self._local, self._batch, self.wake)
        self._visits: dict[str, Visit] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"weft-jobs-{number}", daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        """Take up all jobs that have not ended, and begin to work."""
        tokens: set[str] = set()
        for uuid in self._service.ledger.unfinished():
            job = self._service.ledger.get(uuid)
            if job is not None:
                tokens.add(self._take_up(job))
        self._local.keep_only(tokens)
        self._watch.start()
        self._batch.start()
        for thread in self._threads:
            thread.start()

    def _take_up(self, job: Job) -> str:
        """Put a job that was found on the agenda; the token of its launch."""
        visit = self._visits[job.uuid] = Visit(job.status, again=True)
        turn = Turn(self._service, job, visit)
        if job.status in _LAUNCHED and turn.launch.token:
            self._local.occupy(turn)
        self._agenda.put(job.uuid, time.monotonic())
        return turn.launch.token

    def stop(self) -> None:
        """Stop after the steps that are being done; jobs that run go on running. Harmless when done again."""
        if not self._agenda.close():
            return
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._batch.stop_watching()
        self._watch.stop()

    def wake(self, uuid: str) -> None:
        """Look at a job now: it is new, is to be cancelled, or something that it waited for has come."""
        self._agenda.put(uuid, time.monotonic())

    def containers(self) -> tuple[Runtime, ...]:
        """The kinds of containers that can be run here."""
        kinds: tuple[Runtime, ...] = ("SINGULARITY", "DOCKER")
        return tuple(kind for kind in kinds if runtime_available(kind))

    def _process_ended(self, uuid: str) -> None:
        if self._service.pace.instant:  # else it is noticed at the next look
            self.wake(uuid)

    # ---- the threads

    def _work(self) -> None:
        while (uuid := self._agenda.take()) is not None:
            due: float | None = time.monotonic() + _AGAIN
            self._service.courtesy.give_way()
            try:
                due = self._advance(uuid)
            except _UNWRITABLE as error:
                log.error("job %s waits for the database: %s", uuid, error)
            except Exception:
                log.exception("job %s could not be dealt with and is tried again", uuid)
            finally:
                self._agenda.give_back(uuid, due)

    def _advance(self, uuid: str) -> float | None:
        """Do all steps of a job that can be done now; when the next one is due, None after its end."""
        job = self._service.ledger.get(uuid)
        if job is None or job.status in TERMINAL:
            self._visits.pop(uuid, None)
            return None
        turn = Turn(self._service, job, self._visit(job))
        while turn.job.status not in TERMINAL:
            wait = self._step(turn)
            self._visits[uuid] = turn.visit
            if wait > 0:
                turn.visit.due = time.monotonic() + wait
                return turn.visit.due
        self._visits.pop(uuid, None)
        return None

    def _visit(self, job: Job) -> Visit:
        visit = self._visits.get(job.uuid)
        if visit is not None and visit.status is job.status:
            return visit
        # A new job: also before its first step there is a stay.
        visit = Visit(job.status)
        stay = self._service.pace.phase(job.status) if job.status is Status.PENDING else 0.0
        visit.due = time.monotonic() + self._service.clock.real(stay)
        return visit

    def _step(self, turn: Turn) -> float:
        before = turn.job
        try:
            if turn.job.cancel_asked:
                wait = self._cancel(turn)
            elif not self._service.pace.instant and turn.visit.due > time.monotonic():
                return turn.visit.due - time.monotonic()
            else:
                wait = self._phases.step(turn)
        except _UNWRITABLE:
            raise
        except (Stop, Problem, OSError) as error:
            wait = self._fail(turn, *failure(turn.job.status, error))
        except Exception as error:
            log.exception("job %s failed in state %s", turn.job.uuid, turn.job.status.value)
            what = f"JOBS_INTERNAL_ERROR {type(error).__name__} within the service"
            wait = self._fail(turn, Condition.JOB_INTERNAL_ERROR, what)
        if turn.job.status is not before.status:
            self._moved(before, turn)
        return wait

    def _cancel(self, turn: Turn) -> float:
        if not self._phases.stop(turn):
            return _STOPPING
        turn.move(
            Status.CANCELLED, message="Job cancelled by its user.", condition=Condition.CANCELLED_BY_USER
        )
        return 0.0

    def _fail(self, turn: Turn, condition: Condition, message: str) -> float:
        """End a job as failed, whatever it has going ended first."""
        status = turn.job.status
        log.info("job %s failed in state %s: %s", turn.job.uuid, status.value, message)
        if status in _LAUNCHED and not self._stopped(turn):
            return _STOPPING
        extra = {"jobStatus": status.value}
        self._service.ledger.event(turn.job.uuid, Event.JOB_ERROR_MESSAGE, status.value, message, extra=extra)
        outcome = RemoteOutcome.FAILED_SKIP_ARCHIVE if status in _LAUNCHED else turn.job.remote_outcome
        turn.move(Status.FAILED, message=message, condition=condition, remote_outcome=outcome)
        return 0.0

    def _stopped(self, turn: Turn) -> bool:
        """Have the processes of a job that fails end; one that cannot be stopped must not keep it from failing."""
        try:
            return self._phases.stop(turn, now=True)
        except (Stop, Problem, OSError) as error:
            log.warning("job %s may have left processes behind: %s", turn.job.uuid, error)
            return True

    def _moved(self, before: Job, turn: Turn) -> None:
        """After a change of state: let go of what the job has no more use for, and wake those who waited for it."""
        job = turn.job
        if before.status is Status.BLOCKED:
            following = self._phases.lines.leave(job.uuid)
            if following is not None:
                self._put_now(following)
        if job.status is Status.ARCHIVING or job.status in TERMINAL:
            for uuid in self._local.leave(turn):
                self.wake(uuid)
            self._batch.leave(turn)
        if job.status in TERMINAL and before.status in COUNTED and self._service.pace.instant:
            for uuid in self._phases.lines.first((job.tenant, job.exec_system_id)):
                self.wake(uuid)

    def _put_now(self, uuid: str) -> None:
        """Have a blocked job tested at once, whatever the pace: those that can go on together do."""
        visit = self._visits.get(uuid)
        if visit is not None:
            visit.due = 0.0
        self.wake(uuid)
