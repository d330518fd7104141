"""Everything about how a job ends: what the end of its application means for its outcome, condition and last message.

An application ends with a code, and under a scheduler with a word, too. From both follow ``remoteOutcome`` and
``remoteResultInfo``; after archiving they decide between FINISHED and FAILED. What goes wrong before or around the
application is a ``Stop``: the job is FAILED at once.
"""

from __future__ import annotations

from msgspec import Struct

from weft.service.answers import Problem, legible
from weft.service.jobs.model import Job
from weft.service.jobs.states import Condition, RemoteOutcome, Status

COMPLETED, FAILED, TIMEOUT = "COMPLETED", "FAILED", "TIMEOUT"
"""Words of the schedulers that processes end with as well."""

_CONDITIONS = {
    "TIMEOUT": Condition.SCHEDULER_TIMEOUT,
    "OUT_OF_MEMORY": Condition.SCHEDULER_OUT_OF_MEMORY,
    "DEADLINE": Condition.SCHEDULER_DEADLINE,
    "CANCELLED": Condition.SCHEDULER_CANCELLED,
    "STOPPED": Condition.SCHEDULER_STOPPED,
    "NODE_FAIL": Condition.SCHEDULER_TERMINATED,
    "BOOT_FAIL": Condition.SCHEDULER_TERMINATED,
    "PREEMPTED": Condition.SCHEDULER_TERMINATED,
}
"""What a scheduler's last word about a job means; any other is the application's own doing."""

_WHERE = {
    Status.PROCESSING_INPUTS: Condition.JOB_FILES_SERVICE_ERROR,
    Status.STAGING_INPUTS: Condition.JOB_UNABLE_TO_STAGE_INPUTS,
    Status.STAGING_JOB: Condition.JOB_UNABLE_TO_STAGE_JOB,
    Status.SUBMITTING_JOB: Condition.JOB_LAUNCH_FAILURE,
    Status.QUEUED: Condition.JOB_QUEUE_MONITORING_ERROR,
    Status.RUNNING: Condition.JOB_EXECUTION_MONITORING_ERROR,
    Status.ARCHIVING: Condition.JOB_ARCHIVING_FAILED,
}
"""What a failure is called by the state in which it happens."""


class Stop(Exception):
    """The job cannot go on; ``condition`` is that of its state unless given."""

    def __init__(self, message: str, condition: Condition | None = None) -> None:
        super().__init__(message)
        self.message = legible(message)
        self.condition = condition


class End(Struct, frozen=True):
    """How an application ended: ``info`` as answers tell it, ``word`` in the scheduler's language."""

    info: str
    word: str

    @property
    def well(self) -> bool:
        return self.word == COMPLETED


def of_code(code: int) -> End:
    """The end of a process with this exit code; the number alone is told."""
    return End(str(code), FAILED if code else COMPLETED)


def of_batch(code: int) -> End:
    """The end of a batch script, told as Slurm does: ``code:signal``."""
    info = f"0:{code - 128}" if code > 128 else f"{code}:0"
    return End(info, FAILED if code else COMPLETED)


def outcome(job: Job, end: End) -> RemoteOutcome:
    if end.well:
        return RemoteOutcome.FINISHED
    keeps = job.archive_mode == "ALWAYS"
    return RemoteOutcome.FAILED if keeps else RemoteOutcome.FAILED_SKIP_ARCHIVE


def closing(job: Job, word: str) -> tuple[Status, Condition, str | None]:
    """Status, condition and last message of a job after ARCHIVING; ``word`` is its end in the scheduler's language."""
    if job.remote_outcome in (None, RemoteOutcome.FINISHED):
        return Status.FINISHED, Condition.NORMAL_COMPLETION, None
    message = (
        f"JOBS_USER_APP_FAILURE The user application ({job.remote_job_id}) ended with remote status "
        f'"{word or FAILED}" and returned exit code: {job.remote_result_info}.'
    )
    return Status.FAILED, _CONDITIONS.get(word, Condition.JOB_REMOTE_OUTCOME_ERROR), message


def failure(status: Status, error: Stop | Problem | OSError) -> tuple[Condition, str]:
    """Condition and last message of a job that fails in this state."""
    condition = _WHERE.get(status, Condition.JOB_INTERNAL_ERROR)
    if isinstance(error, Stop):
        return error.condition or condition, error.message
    if isinstance(error, Problem):
        return condition, error.message
    what = f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)
    return condition, legible(f"{condition.value} {what}")
