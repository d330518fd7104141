"""Everything about the states of a job: their names, what may follow what, how a job may end.

The table is the law: whatever changes a job's status asks ``may_follow`` first. Source: the state machine of the Tapis
Jobs service, 13 states with 169 pairs.
"""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    PENDING = "PENDING"
    PROCESSING_INPUTS = "PROCESSING_INPUTS"
    STAGING_INPUTS = "STAGING_INPUTS"
    STAGING_JOB = "STAGING_JOB"
    SUBMITTING_JOB = "SUBMITTING_JOB"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    ARCHIVING = "ARCHIVING"
    BLOCKED = "BLOCKED"
    PAUSED = "PAUSED"
    FINISHED = "FINISHED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class RemoteOutcome(str, Enum):
    """How the application itself ended; the last one means that nothing is archived."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    FAILED_SKIP_ARCHIVE = "FAILED_SKIP_ARCHIVE"


class Condition(str, Enum):
    """Why a job ended as it did; null until then."""

    CANCELLED_BY_USER = "CANCELLED_BY_USER"
    JOB_ARCHIVING_FAILED = "JOB_ARCHIVING_FAILED"
    JOB_DATABASE_ERROR = "JOB_DATABASE_ERROR"
    JOB_EXECUTION_MONITORING_ERROR = "JOB_EXECUTION_MONITORING_ERROR"
    JOB_EXECUTION_MONITORING_ERROR_TIMEOUT = "JOB_EXECUTION_MONITORING_ERROR_TIMEOUT"
    JOB_EXECUTION_MONITORING_TIMEOUT = "JOB_EXECUTION_MONITORING_TIMEOUT"
    JOB_FILES_SERVICE_ERROR = "JOB_FILES_SERVICE_ERROR"
    JOB_INTERNAL_ERROR = "JOB_INTERNAL_ERROR"
    JOB_INVALID_DEFINITION = "JOB_INVALID_DEFINITION"
    JOB_LAUNCH_FAILURE = "JOB_LAUNCH_FAILURE"
    JOB_QUEUE_MONITORING_ERROR = "JOB_QUEUE_MONITORING_ERROR"
    JOB_RECOVERY_FAILURE = "JOB_RECOVERY_FAILURE"
    JOB_RECOVERY_TIMEOUT = "JOB_RECOVERY_TIMEOUT"
    JOB_REMOTE_ACCESS_ERROR = "JOB_REMOTE_ACCESS_ERROR"
    JOB_REMOTE_OUTCOME_ERROR = "JOB_REMOTE_OUTCOME_ERROR"
    JOB_UNABLE_TO_STAGE_INPUTS = "JOB_UNABLE_TO_STAGE_INPUTS"
    JOB_UNABLE_TO_STAGE_JOB = "JOB_UNABLE_TO_STAGE_JOB"
    JOB_TRANSFER_FAILED_OR_CANCELLED = "JOB_TRANSFER_FAILED_OR_CANCELLED"
    JOB_TRANSFER_MONITORING_TIMEOUT = "JOB_TRANSFER_MONITORING_TIMEOUT"
    NORMAL_COMPLETION = "NORMAL_COMPLETION"
    SCHEDULER_CANCELLED = "SCHEDULER_CANCELLED"
    SCHEDULER_DEADLINE = "SCHEDULER_DEADLINE"
    SCHEDULER_OUT_OF_MEMORY = "SCHEDULER_OUT_OF_MEMORY"
    SCHEDULER_STOPPED = "SCHEDULER_STOPPED"
    SCHEDULER_TIMEOUT = "SCHEDULER_TIMEOUT"
    SCHEDULER_TERMINATED = "SCHEDULER_TERMINATED"


class Event(str, Enum):
    """What can stand in a job's history."""

    JOB_NEW_STATUS = "JOB_NEW_STATUS"
    JOB_INPUT_TRANSACTION_ID = "JOB_INPUT_TRANSACTION_ID"
    JOB_ARCHIVE_TRANSACTION_ID = "JOB_ARCHIVE_TRANSACTION_ID"
    JOB_SUBSCRIPTION = "JOB_SUBSCRIPTION"
    JOB_SHARE_EVENT = "JOB_SHARE_EVENT"
    JOB_ERROR_MESSAGE = "JOB_ERROR_MESSAGE"
    JOB_USER_EVENT = "JOB_USER_EVENT"


TERMINAL = frozenset({Status.FINISHED, Status.CANCELLED, Status.FAILED})
WAITING = frozenset({Status.BLOCKED, Status.PAUSED})
ACTIVE = frozenset(Status) - TERMINAL - WAITING
COUNTED = ACTIVE - {Status.PENDING}
"""What a quota counts: jobs that wait to begin, blocked ones among them, take no place yet."""

_ONWARD: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PROCESSING_INPUTS}),
    Status.PROCESSING_INPUTS: frozenset({Status.STAGING_INPUTS}),
    Status.STAGING_INPUTS: frozenset({Status.STAGING_JOB}),
    Status.STAGING_JOB: frozenset({Status.SUBMITTING_JOB}),
    Status.SUBMITTING_JOB: frozenset({Status.QUEUED, Status.RUNNING}),
    Status.QUEUED: frozenset({Status.RUNNING}),
    Status.RUNNING: frozenset({Status.ARCHIVING}),
    Status.ARCHIVING: frozenset({Status.FINISHED}),
}
_FROM_EVERY_ACTIVE = WAITING | {Status.FAILED, Status.CANCELLED}

FOLLOWS: dict[Status, frozenset[Status]] = {
    **{state: onward | _FROM_EVERY_ACTIVE | {state} for state, onward in _ONWARD.items()},
    Status.BLOCKED: ACTIVE | {Status.PAUSED} | TERMINAL,
    Status.PAUSED: ACTIVE | TERMINAL,
    **dict.fromkeys(TERMINAL, frozenset()),
}
"""All that may follow each state."""


def may_follow(old: Status | None, new: Status) -> bool:
    """Whether a job may go from ``old`` to ``new``; a job begins (``old`` None) as PENDING only."""
    return new is Status.PENDING if old is None else new in FOLLOWS[old]
