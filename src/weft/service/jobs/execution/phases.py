"""The work of each state of a job, as steps: one file says what is done in which state, and what follows.

A step takes a job in its present state, does some of the work of that state, and either moves the job on or says how
many (real) seconds it may be left alone. It never waits itself. Whatever a step does can be done again, since the
service may be killed at any instant and then finds nothing but the job's row: folders that are there are fine, a
transfer is looked for before it is started, a launch is claimed (``launch``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.service.files.transfers import Element
from weft.service.jobs.execution import archive, ending
from weft.service.jobs.execution.batch import Batch
from weft.service.jobs.execution.ending import End, Stop
from weft.service.jobs.execution.filters import BadFilter
from weft.service.jobs.execution.local import Local
from weft.service.jobs.execution.memory import Turn, Way
from weft.service.jobs.execution.quotas import Lines, limits, reached
from weft.service.jobs.execution.staging import Staging
from weft.service.jobs.execution.transactions import Kind, Transactions
from weft.service.jobs.states import Condition, RemoteOutcome, Status
from weft.service.systems.model import System

if TYPE_CHECKING:
    from weft.service.server import Service

_TOLD = 1.0
"""Seconds between looks at a transfer whose end is told anyway."""
_SLOWER = 20
"""The outputs of a job are measured at most for one part in this of the time."""


class Phases:
    """What is done in each state; safe to share between threads, as long as each job is in one of them only."""

    def __init__(self, service: Service, local: Local, batch: Batch, wake: Callable[[str], None]) -> None:
        self._service = service
        self._local = local
        self._batch = batch
        self._staging = Staging(service)
        self._transactions = Transactions(service, wake)
        self._beginning = threading.Lock()
        """Held from the counting of jobs to the change that counts, or two would take the last place."""
        self.lines = Lines()
        self._steps: dict[Status, Callable[[Turn], float]] = {
            Status.PENDING: self._pending,
            Status.BLOCKED: self._blocked,
            Status.PAUSED: lambda _turn: 3600.0,
            Status.PROCESSING_INPUTS: self._processing_inputs,
            Status.STAGING_INPUTS: self._staging_inputs,
            Status.STAGING_JOB: self._staging_job,
            Status.SUBMITTING_JOB: self._submitting_job,
            Status.QUEUED: self._queued,
            Status.RUNNING: self._running,
            Status.ARCHIVING: self._archiving,
        }

    def step(self, turn: Turn) -> float:
        """Do the next step; the seconds until the one after it, at most.

        Raises:
            Stop, Problem, OSError: The job cannot go on.
        """
        return self._steps[turn.job.status](turn)

    # ---- beginning

    def _pending(self, turn: Turn) -> float:
        with self._beginning:
            why = self._kept_back(turn)
            if why is None:
                turn.move(Status.PROCESSING_INPUTS)
                return self._stay(Status.PROCESSING_INPUTS)
            turn.move(Status.BLOCKED, message=why, noted={"blocked": Status.PENDING})
        return self._blocked_for(turn)

    def _blocked(self, turn: Turn) -> float:
        """Go back to where the job was blocked, if what blocked it is over."""
        with self._beginning:
            if self._kept_back(turn) is not None:
                return self._blocked_for(turn)
            back = turn.launch.blocked or Status.PENDING
            turn.move(back, noted={"blocked": None})
            if back is Status.PENDING:  # its place must not be taken by another meanwhile
                turn.move(Status.PROCESSING_INPUTS)
        return 0.0

    def _blocked_for(self, turn: Turn) -> float:
        first = self.lines.enter(turn.job)
        turn.visit.looks += 1
        # The first of its line looks; the others are woken in their turn.
        return self._real(self._service.pace.look("quota", turn.visit.looks - 1)) if first else 3600.0

    def _kept_back(self, turn: Turn) -> str | None:
        """Why the job cannot begin yet, in words."""
        job = turn.job
        app, system = turn.app, turn.system
        if not (app.enabled and app.version_enabled):
            return f"JOBS_APP_NOT_AVAILABLE The app {app.id} {app.version} is disabled."
        for each in (system, turn.archive):
            if not each.enabled:
                return f"JOBS_SYSTEM_NOT_AVAILABLE The system {each.id} is disabled."
            if self._service.faults.down(each.id):
                return f"JOBS_SYSTEM_NOT_AVAILABLE The system {each.id} does not answer."
        if job.status is Status.BLOCKED and (turn.launch.blocked or Status.PENDING) is not Status.PENDING:
            return None
        allowed = limits(app, system, job.exec_system_logical_queue)
        if not allowed:
            return None
        counts = self._service.ledger.active_counts(
            job.tenant, job.exec_system_id, job.exec_system_logical_queue, job.owner
        )
        return reached(job, allowed, counts)

    # ---- preparing

    def _processing_inputs(self, turn: Turn) -> float:
        self._staging.folders(turn.job, turn.system, turn.archive)
        turn.move(Status.STAGING_INPUTS)
        return 0.0

    def _staging_inputs(self, turn: Turn) -> float:
        waiting = self._transferred(turn, "input", lambda: self._staging.inputs(turn.job))
        if waiting is not None:
            return waiting
        turn.move(Status.STAGING_JOB)
        return self._stay(Status.STAGING_JOB)

    def _staging_job(self, turn: Turn) -> float:
        app, system = turn.app, turn.system
        image = self._staging.image(turn.job, app)
        waiting = self._transferred(turn, "stage_app", lambda: [image] if image else [])
        if waiting is not None:
            return waiting
        self._staging.files(turn.job, app, system)
        turn.move(Status.SUBMITTING_JOB, noted={"way": self._way(turn, system), "runtime": app.runtime})
        self._staging.tidy(turn.job, app, system)
        return self._stay(Status.SUBMITTING_JOB)

    def _way(self, turn: Turn, system: System) -> Way:
        if turn.job.job_type == "FORK":
            return "fork"
        queue = system.queue(turn.job.exec_system_logical_queue)
        stand_in = self._service.systems.host(system).stand_in
        return "slurm" if queue and not stand_in and self._batch.has(queue.hpc_queue_name) else "queue"

    def _transferred(self, turn: Turn, kind: Kind, what: Callable[[], list[Element]]) -> float | None:
        """None when the transfer of this kind is done, or nothing is to be transferred; else how long to wait.

        Raises:
            Stop: It failed.
        """
        uuid = self._transactions.of(turn, kind, what)
        if uuid is None or self._transactions.done(turn, kind, uuid):
            return None
        turn.visit.looks += 1
        look = self._real(self._service.pace.look("transfer", turn.visit.looks - 1))
        told = self._service.pace.instant and not turn.visit.again
        return max(look, _TOLD) if told else look

    # ---- executing

    def _submitting_job(self, turn: Turn) -> float:
        way, system = turn.launch.way, turn.system
        if way == "fork":
            waiting = self._local.submit(turn, system)
        elif way == "slurm":
            waiting = self._batch.submit(turn, system)
        else:
            waiting = self._local.submit_to_queue(turn)
        return waiting or self._stay(Status.QUEUED)

    def _queued(self, turn: Turn) -> float:
        if turn.launch.way != "slurm":
            return self._local.queued(turn, turn.system)
        waiting = self._batch.queued(turn)
        return min(waiting, self._look(turn)) if waiting else 0.0

    def _running(self, turn: Turn) -> float:
        found = (
            self._batch.running(turn)
            if turn.launch.way == "slurm"
            else self._local.running(turn, turn.system)
        )
        if isinstance(found, End):
            turn.move(
                Status.ARCHIVING,
                noted={"word": found.word},
                remote_outcome=ending.outcome(turn.job, found),
                remote_result_info=found.info,
                remote_ended=self._service.clock.stamp(),
                remote_last_status_check=self._service.clock.stamp(),
                remote_checks_success=turn.job.remote_checks_success + turn.visit.looks + 1,
            )
            return 0.0
        return min(found, self._look(turn), self._measured(turn))

    def _look(self, turn: Turn) -> float:
        turn.visit.looks += 1
        return self._real(self._service.pace.look("app", turn.visit.looks - 1))

    def _measured(self, turn: Turn) -> float:
        """How long until the job's outputs are to be measured again.

        Raises:
            Stop: They have grown past the limit, and the job was killed.
        """
        limit, now = self._service.settings.output_limit, time.monotonic()
        if not limit:
            return 3600.0
        if now < turn.visit.measure:
            return turn.visit.measure - now
        tree = self._service.places.tree(turn.system)
        job = turn.job
        size = archive.size_of(
            {tree.real(path) for path in (job.exec_system_exec_dir, job.exec_system_output_dir)}, limit
        )
        if size > limit:
            self.stop(turn, now=True)
            raise Stop(
                f"JOBS_OUTPUT_LIMIT The job's files grew past the limit of {limit} bytes, and it was killed",
                Condition.JOB_EXECUTION_MONITORING_ERROR,
            )
        turn.visit.measure = now + max(1.0, _SLOWER * (time.monotonic() - now))
        return turn.visit.measure - now

    def stop(self, turn: Turn, *, now: bool = False) -> bool:
        """End whatever the job has going, transfers and processes; False while that takes time: ask again."""
        if turn.job.status in (Status.STAGING_INPUTS, Status.STAGING_JOB, Status.ARCHIVING):
            self._transactions.cancel(turn)
        if turn.launch.way == "slurm":
            return self._batch.stop(turn)
        return self._local.stop(turn, now=now)

    # ---- after it

    def _archiving(self, turn: Turn) -> float:
        job = turn.job
        skip = job.remote_outcome is RemoteOutcome.FAILED_SKIP_ARCHIVE or job.archive_mode == "NEVER"
        waiting = None if skip else self._transferred(turn, "archive", lambda: self._outputs(turn))
        if waiting is not None:
            return waiting
        status, condition, message = ending.closing(turn.job, turn.launch.word)
        turn.move(status, message=message, condition=condition)
        return 0.0

    def _outputs(self, turn: Turn) -> list[Element]:
        output = self._service.places.real(turn.system, turn.job.exec_system_output_dir)
        try:
            return archive.elements(turn.job, output)
        except BadFilter as error:
            raise Stop(f"JOBS_ARCHIVE_FILTER {error}") from error

    # ---- what is needed everywhere

    def _stay(self, status: Status) -> float:
        """How long a job artificially stays in a state before the work of it is done."""
        return self._real(self._service.pace.phase(status))

    def _real(self, seconds: float) -> float:
        return self._service.clock.real(seconds)
