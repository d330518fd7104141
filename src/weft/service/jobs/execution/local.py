"""How jobs are executed on this machine itself: FORK jobs as processes, batch jobs through the built-in queue.

Both are launched in the same way (``launch``) and watched in the same way. They differ in when a place is asked for
(while submitting, or while queued), in what a limit of time means, and in how gently the end comes: FORK processes are
killed, batch jobs get SIGTERM first, as under Slurm.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weft.schedulers.processes import Process
from weft.service.answers import Problem
from weft.service.jobs.execution import containers, ending, scripts, surroundings
from weft.service.jobs.execution.ending import TIMEOUT, End, Stop
from weft.service.jobs.execution.launch import MARKER, Launches, Record, new_token
from weft.service.jobs.execution.memory import Turn
from weft.service.jobs.execution.processes import Watch, sweep
from weft.service.jobs.execution.queue import Queue
from weft.service.jobs.model import Job
from weft.service.jobs.states import Condition, Status
from weft.service.starters.ready import commands
from weft.service.systems.model import System

if TYPE_CHECKING:
    from weft.service.server import Service

TOKEN = "_weft_launch"  # noqa: S105 - no secret
"""The variable that tells what is launched its token."""
STARTING, STARTING_MOST = 0.01, 0.25
"""Seconds before the first look at what has just been launched; then twice as long each time, up to the second."""
PATIENCE = 10.0
"""Seconds after which a holder that has made its file and written nothing into it counts as dead."""
GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL of a batch job: Slurm's KillWait."""
_STOPPING = 0.1
_NO_PLACE = 1.0
"""Seconds between looks at whether the processes have ended, and at whether a place is free: one is told of that."""
_LONGEST_CODE = 32


class Local:
    """The jobs that are processes of this machine; safe to share between threads."""

    def __init__(self, service: Service, watch: Watch) -> None:
        self._service = service
        self._watch = watch
        self._launches = Launches(service.folder / "launches")
        self._pids: dict[str, int] = {}
        """Token → pid of the holder, of launches by this run of the service."""
        self._processes = Queue(service.settings.processes)
        self._queue = Queue(len(os.sched_getaffinity(0)))
        self.commands: Path = commands(service.folder)

    def occupy(self, turn: Turn) -> None:
        """Count a job that may be running, after a restart."""
        if turn.launch.way == "fork":
            self._processes.occupy(turn.job.uuid)
        elif turn.launch.way == "queue":
            self._queue.occupy(turn.job.uuid, cores(turn.job))

    def keep_only(self, tokens: set[str]) -> None:
        """Remove what was left behind by launches of jobs that have ended."""
        self._launches.keep_only(tokens)

    def leave(self, turn: Turn) -> list[str]:
        """The job needs its place no longer; those that may go on because of it."""
        self._drop(turn.launch.token)
        return [*self._processes.leave(turn.job.uuid), *self._queue.leave(turn.job.uuid)]

    def forget(self, turn: Turn) -> None:
        """Launch anew: what was launched before has ended, and came to nothing."""
        self._drop(turn.launch.token)
        turn.note(token="")

    def _drop(self, token: str) -> None:
        if token:
            self._launches.forget(token)
            self._watch.forget(self._pids.pop(token, 0))

    # ---- the states

    def submit(self, turn: Turn, system: System) -> float:
        """SUBMITTING_JOB of a FORK job: it is started, and moves on to QUEUED."""
        job = turn.job
        if not self._processes.ask(job.uuid, job.id):
            return _NO_PLACE
        docker = turn.launch.runtime == "DOCKER"
        found = self.launched(turn, _docker(job) if docker else (), system)
        if isinstance(found, float):
            return found
        native = self._container(job, system) if docker else str(found.pid or "")
        if not native and found.code is not None:
            raise self._not_launched(turn)
        if not native and not found.over:
            return _starting(turn)
        # A holder that has told nothing more was killed by the job.
        native = native or str(found.holder and found.holder.pid)
        turn.move(Status.QUEUED, remote_job_id=native, remote_submitted=self._service.clock.stamp())
        return 0.0

    def submit_to_queue(self, turn: Turn) -> float:
        """SUBMITTING_JOB of a batch job: it gets its number and moves on to QUEUED."""
        number = str(turn.job.id)
        stamp = self._service.clock.stamp()
        turn.move(Status.QUEUED, noted={"way": "queue"}, remote_job_id=number, remote_submitted=stamp)
        return 0.0

    def queued(self, turn: Turn, system: System) -> float:
        """QUEUED: a FORK job runs already; a batch job is started when it has a place. Moves on to RUNNING."""
        job = turn.job
        if turn.launch.way == "queue":
            if not self._queue.ask(job.uuid, job.id, cores(job)):
                return _NO_PLACE
            found = self.launched(turn, (f"./{scripts.SCRIPT}",), system)
            if isinstance(found, float):
                return found
        turn.move(Status.RUNNING, noted={"begun": time.time()}, remote_started=self._service.clock.stamp())
        return 0.0

    def running(self, turn: Turn, system: System) -> End | float:
        """RUNNING: the application's end, or how long at most it may be left alone.

        Raises:
            Stop: Its record is lost, or its time is over.
        """
        job, launch = turn.job, turn.launch
        record = self._launches.look(launch.token)
        holder = record.holder if record else None
        if record is None or holder is None:
            raise Stop("JOBS_MONITOR_ERROR The record of the job's launch is lost")
        if record.over:
            record = self._launches.look(launch.token) or record  # its last line may have come meanwhile
            sweep(holder, _marker(job))
            overdue = launch.way == "queue" and turn.visit.stopping
            return End("0:15", TIMEOUT) if overdue else self._end(turn, holder, record.code, system)
        left = launch.begun + job.max_minutes * 60 - time.time()
        if left > 0:
            self._watch.other(job.uuid, holder)
            return left
        if self.stop(turn) and launch.way == "fork":
            raise Stop(
                f"JOBS_MONITOR_TIMEOUT The application ran longer than its {job.max_minutes} minutes and was killed",
                Condition.JOB_EXECUTION_MONITORING_TIMEOUT,
            )
        return _STOPPING

    def never(self, turn: Turn) -> bool:
        """Whether nothing has been launched, and nothing will be."""
        token = turn.launch.token
        return not token or self._void(token)

    def over(self, turn: Turn) -> bool:
        """Whether what was launched has ended, or will never begin."""
        record = self._launches.look(turn.launch.token)
        if record is None or (record.holder is None and not record.void):  # it has made its file this instant
            return time.monotonic() - turn.visit.since > PATIENCE
        return record.void or record.over

    def stop(self, turn: Turn, *, now: bool = False) -> bool:
        """Have the job's processes end; False while that takes time, and is to be asked again."""
        job, token = turn.job, turn.launch.token
        if self.never(turn):
            return True
        record = self._launches.look(token)
        if record is None or record.holder is None:  # it has made its file this instant
            return time.monotonic() - turn.visit.since > PATIENCE
        gentle = turn.launch.way == "queue" and not now and not record.over
        if gentle and self._asked_gently(turn, record.holder):
            return False
        if turn.launch.runtime == "DOCKER":
            containers.remove(job.uuid)
        sweep(record.holder, _marker(job))
        return True

    def _asked_gently(self, turn: Turn, holder: Process) -> bool:
        """Whether the processes still have time to end by themselves, after SIGTERM."""
        if not turn.visit.stopping:
            turn.visit.stopping = time.monotonic()
            sweep(holder, _marker(turn.job), signal.SIGTERM)
        return time.monotonic() - turn.visit.stopping < GRACE

    # ---- launching

    def launched(
        self, turn: Turn, command: Sequence[str], system: System, more: Mapping[str, str] | None = None
    ) -> Record | float:
        """The record of the job's launch, which is made here unless it has been; or how long to wait for it.

        Raises:
            Stop: It cannot be launched.
        """
        token = turn.launch.token
        if not token or self._void(token):
            return self._launch(turn, command, system, more or {})
        record = self._launches.look(token)
        if record is not None and record.holder is not None:
            return record
        pid = self._pids.get(token)
        gone = pid is not None and self._watch.code(pid) is not None
        # From its launch on: before it, the job may have waited for long in a queue.
        if not gone and time.monotonic() - (turn.visit.launched or turn.visit.since) < PATIENCE:
            return _starting(turn)
        record = self._launches.look(token)
        if record is not None and record.holder is not None:
            return record
        if not self._launches.void(token):
            return _starting(turn)  # its holder has come this very moment
        raise self._not_launched(turn)

    def _void(self, token: str) -> bool:
        """Whether nothing has been started under this token, and nothing will be."""
        if token in self._pids:
            return False
        record = self._launches.look(token)
        return self._launches.void(token) if record is None else record.void

    def _launch(self, turn: Turn, command: Sequence[str], system: System, more: Mapping[str, str]) -> float:
        token, job, queued = new_token(), turn.job, turn.launch.way == "queue"
        tree = self._service.places.tree(system)
        folder = tree.real(job.exec_system_exec_dir)
        around = {**surroundings.environment(self._service, self.commands, job, system), **more}
        output = None
        if queued:
            around |= surroundings.of_batch(job)
            output = surroundings.output_of_script(job, folder, tree.real(job.exec_system_output_dir))
        around[TOKEN] = token
        turn.note(token=token)
        try:
            child = self._launches.start(token, folder, around, command, output)
        except (OSError, ValueError) as error:
            self._launches.void(token)
            raise Stop(
                f"JOBS_LAUNCH No process could be started: {error}", Condition.JOB_LAUNCH_FAILURE
            ) from error
        self._pids[token] = child.pid
        turn.visit.launched = time.monotonic()
        self._watch.child(job.uuid, child)
        return STARTING

    def said(self, turn: Turn) -> str:
        """What the job's script, or the command that submitted it, had to say."""
        return self._launches.said(turn.launch.token)

    def _not_launched(self, turn: Turn) -> Stop:
        said = self.said(turn)
        why = f"JOBS_LAUNCH The job's script could not be started{': ' if said else ''}{said}"
        return Stop(why, Condition.JOB_LAUNCH_FAILURE)

    def _container(self, job: Job, system: System) -> str:
        """The id of the job's container, once it is there."""
        path = self._service.places.real(system, f"{job.exec_system_exec_dir}/{job.uuid}.cid")
        return path.read_text().strip()[:64] if path.is_file() else ""

    # ---- ending

    def _end(self, turn: Turn, holder: Process, code: int | None, system: System) -> End:
        """How the application ended, by the rule that the service was told to follow."""
        if code is None:  # the holder was killed, by the job itself perhaps
            seen = self._watch.code(holder.pid)
            code = 128 - seen if seen is not None and seen < 0 else 128 + signal.SIGKILL
        if turn.launch.way == "queue":
            return ending.of_batch(code)
        if self._service.settings.fork_exit == "real" or turn.launch.runtime == "DOCKER":
            return ending.of_code(code)
        return ending.of_code(self._told_code(turn.job, system))

    def _told_code(self, job: Job, system: System) -> int:
        """The number in the file that the application may have left; without one it has ended well."""
        try:
            opened, _ = self._service.places.tree(system).reading(
                f"{job.exec_system_output_dir}/{scripts.EXIT_CODE}"
            )
            with os.fdopen(opened, "rb") as file:
                return int(file.read(_LONGEST_CODE).strip())
        except (OSError, ValueError, Problem):
            return 0


def cores(job: Job) -> int:
    return job.node_count * job.cores_per_node


def _marker(job: Job) -> str:
    return f"{MARKER}={job.uuid}"


def _docker(job: Job) -> Sequence[str]:
    """Starts the job's script, which leaves a container behind, and ends as that one does."""
    wait = f"code=$(docker wait {job.uuid}) && docker rm --force {job.uuid} && exit $code"
    return "/bin/bash", "-c", f"./{scripts.SCRIPT} && {wait}"


def _starting(turn: Turn) -> float:
    turn.visit.looks += 1
    return float(min(STARTING * 2 ** min(turn.visit.looks, 10), STARTING_MOST))
