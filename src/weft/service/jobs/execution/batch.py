"""How batch jobs are executed by the machine's Slurm.

``sbatch`` is launched as a job's processes are (``launch``): by a holder that claims the launch first and notes how it
ended. So it runs exactly once, though the service may be killed before, while or after it runs. If its own answer is
lost all the same, the job is found by the launch's token, which is its comment. What becomes of the jobs is asked for
all of them at once, by one thread; a job's steps only read what it has seen last.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.errors import BackendError
from weft.schedulers.slurm import Slurm
from weft.schedulers.slurmtext import Seen, State, parse_sbatch
from weft.service.jobs.execution import scripts
from weft.service.jobs.execution.ending import COMPLETED, FAILED, End, Stop
from weft.service.jobs.execution.local import TOKEN, Local
from weft.service.jobs.execution.memory import Turn
from weft.service.jobs.states import Condition, Status
from weft.service.systems.model import System

if TYPE_CHECKING:
    from weft.service.server import Service

log = logging.getLogger(__name__)

_OWN = re.compile(r"SLURM_CONF|SLURM_JWT|LD_LIBRARY_PATH|PATH|HOME|LANG|TZ|MUNGE_.*")
"""The service's own variables that the commands of Slurm may need."""
_PATIENCE = 30.0
_REMEMBERED = 60.0
_LOOK = 0.5
_LONGEST_LOOK = 30.0
_SETTLE = 15.0
"""Seconds for which a job whose submission failed is looked for: the controller may create it late."""
_SUBMITTING = 0.05
_TRIES = 5
_TRY_AGAIN = re.compile(
    r"unable to contact|connection (failure|refused)|timed out|temporarily|try again", re.I
)
UNSEEN = 300.0
"""Seconds after which a job that Slurm no longer knows has ended in some unknown way."""
MUTE = 3600.0
"""Seconds of failing questions after which watching is given up, as in the real service."""


class Batch:
    """The jobs that are in Slurm; safe to share between threads."""

    def __init__(self, service: Service, local: Local, wake: Callable[[str], None]) -> None:
        self._service = service
        self._local = local
        self._wake = wake
        self._slurm = Slurm(
            {name: value for name, value in os.environ.items() if _OWN.fullmatch(name)}, timeout=_PATIENCE
        )
        self._lock = threading.Lock()
        self._partitions: tuple[float, frozenset[str]] | None = None
        self._followed: dict[str, str] = {}
        self._seen: dict[str, Seen] = {}
        self._failing_since = 0.0
        self._looked = 0.0
        self._news = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="weft-slurm", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop_watching(self) -> None:
        """Ask no more; the jobs go on."""
        self._end.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def has(self, partition: str) -> bool:
        """Is there a Slurm to be used, with this partition?"""
        if self._service.settings.slurm is False:
            return False
        known = self._partitions
        if known is None or time.monotonic() - known[0] > _REMEMBERED:
            known = self._partitions = (time.monotonic(), self._names(known))
        return partition in known[1]

    def _names(self, known: tuple[float, frozenset[str]] | None) -> frozenset[str]:
        try:
            return frozenset(each.name for each in self._slurm.partitions())
        except BackendError:  # it has not lost them because it does not answer now
            return known[1] if known else frozenset()

    # ---- the states

    def submit(self, turn: Turn, system: System) -> float:
        """SUBMITTING_JOB: the script is given to sbatch, and the job moves on to QUEUED."""
        command = ("/bin/sh", "-c", f'exec sbatch --parsable --comment="${TOKEN}" ./{scripts.SCRIPT}')
        own = {
            name: value
            for name, value in self._slurm.environment.items()
            if name.startswith(("SLURM", "MUNGE"))
        }
        found = self._local.launched(turn, command, system, own)
        if isinstance(found, float):
            return found
        if not found.over:
            return _SUBMITTING
        said = self._local.said(turn)
        number = parse_sbatch(said) if found.code == 0 else ""
        if not number:
            try:
                number = self._slurm.find(turn.launch.token) or ""
            except BackendError as error:
                return self._unasked(turn, error)
        if not number:
            return self._again(turn, said)
        turn.move(Status.QUEUED, remote_job_id=number, remote_submitted=self._service.clock.stamp())
        return 0.0

    def _unasked(self, turn: Turn, error: BackendError) -> float:
        """A question that failed has not been answered with no: whether there is a job is as open as before.

        Raises:
            Stop: It has failed for an hour.
        """
        log.warning("job %s: %s", turn.job.uuid, error.what)
        turn.visit.silent = 0.0
        if time.monotonic() - turn.visit.since > MUTE:
            raise Stop("JOBS_LAUNCH Slurm has not answered for an hour", Condition.JOB_LAUNCH_FAILURE)
        return 1.0

    def _again(self, turn: Turn, said: str) -> float:
        """After a submission that failed: wait for a job that may come late, then try again, or give up."""
        unclear = not said or _TRY_AGAIN.search(said)
        if unclear and not turn.visit.silent:
            turn.visit.silent = time.monotonic()
        if unclear and time.monotonic() - turn.visit.silent < _SETTLE:
            return 1.0
        if unclear and turn.job.remote_submit_retries < _TRIES:
            turn.visit.silent = 0.0
            self._local.forget(turn)
            turn.update(remote_submit_retries=turn.job.remote_submit_retries + 1)
            return 1.0
        raise Stop(f"JOBS_LAUNCH Slurm did not take the job: {said}", Condition.JOB_LAUNCH_FAILURE)

    def queued(self, turn: Turn) -> float:
        """QUEUED: until the job runs, or has run."""
        seen = self._told(turn)
        if seen is None or seen.state in (State.QUEUED, State.UNKNOWN):
            return _LONGEST_LOOK
        turn.move(Status.RUNNING, noted={"begun": time.time()}, remote_started=self._service.clock.stamp())
        return 0.0

    def running(self, turn: Turn) -> End | float:
        """RUNNING: the end of the job, or how long at most it may be left alone."""
        seen = self._told(turn)
        if seen is None or not seen.state.ended:
            return _LONGEST_LOOK
        word = (seen.native.split() or [FAILED])[0].rstrip("+")
        return End(seen.exit or "0:0", COMPLETED if seen.state is State.FINISHED else word)

    def _told(self, turn: Turn) -> Seen | None:
        """What was last seen of the job.

        Raises:
            Stop: Nothing for too long.
        """
        number = str(turn.job.remote_job_id)
        with self._lock:
            if number not in self._followed:
                self._followed[number] = turn.job.uuid
                self._news.set()
            seen, failing, looked = self._seen.get(number), self._failing_since, self._looked
        now = time.monotonic()
        if failing and now - failing > MUTE:
            raise Stop("JOBS_MONITOR_ERROR Slurm has not answered for an hour")
        if seen is not None or failing or looked < turn.visit.since:
            turn.visit.silent = 0.0
        elif not turn.visit.silent:
            turn.visit.silent = now
        elif now - turn.visit.silent > UNSEEN:
            raise Stop(f"JOBS_MONITOR_ERROR Slurm does not know the job {number} any more")
        return seen

    def stop(self, turn: Turn) -> bool:
        """Have the job end; False while that takes time, and is to be asked again."""
        number = turn.job.remote_job_id
        if number is None:
            if self._local.never(turn):
                return True
            if not self._local.over(turn):  # sbatch is running: what it makes can be cancelled in a moment
                return False
        try:
            if number is None:
                number = parse_sbatch(self._local.said(turn)) or self._slurm.find(turn.launch.token)
            if number:
                self._slurm.cancel([number])
        except BackendError as error:
            log.warning("job %s: %s", turn.job.uuid, error.what)
            return False
        return True

    def leave(self, turn: Turn) -> None:
        """The job need not be watched any more."""
        with self._lock:
            self._followed.pop(str(turn.job.remote_job_id), None)
            self._seen.pop(str(turn.job.remote_job_id), None)

    # ---- the thread

    def _watch(self) -> None:
        while not self._end.is_set():
            with self._lock:
                followed = dict(self._followed)
            try:
                if followed:
                    self._ask(followed)
            except Exception:  # without this thread no job would ever end
                log.exception("what Slurm said could not be dealt with")
            self._news.wait(self._interval() if followed else None)
            self._news.clear()
            self._end.wait(_LOOK / 2)  # several that come at once are one question

    def _interval(self) -> float:
        pace = self._service.pace
        if pace.instant:
            return _LOOK
        return max(_LOOK, min(self._service.clock.real(pace.look("app", 1)), _LONGEST_LOOK))

    def _ask(self, followed: dict[str, str]) -> None:
        began = time.monotonic()
        try:
            found = self._slurm.look(followed)
        except BackendError as error:
            log.warning("Slurm cannot be asked: %s", error.what)
            with self._lock:
                self._failing_since = self._failing_since or began
            return
        with self._lock:
            changed = [number for number in found if self._seen.get(number) != found[number]]
            self._seen |= {number: seen for number, seen in found.items() if number in self._followed}
            self._failing_since, self._looked = 0.0, began
        if self._service.pace.instant:
            for number in changed:
                self._wake(followed[number])
