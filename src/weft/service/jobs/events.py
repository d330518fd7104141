"""What an entry of a job's history says: its words and its ``description``, a JSON text, as the real service writes it.

Every description ends with the job's name, uuid and owner and a message; what stands before depends on the event.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from weft.service.jobs.model import Job, as_text
from weft.service.jobs.states import TERMINAL, Event, Status

NO_TRANSFER = "{}"
"""The ``transferSummary`` of an event that is not about a transfer."""
FINAL_MESSAGE = "FINAL_MESSAGE"


class Entry(Struct, frozen=True):
    """One event as it is stored; ``description`` and ``transfer_summary`` are JSON texts."""

    job_uuid: str
    event: str
    created: str
    event_detail: str
    description: str
    transfer_task_uuid: str | None = None
    transfer_summary: str = NO_TRANSFER


class Transfer(Struct, frozen=True):
    """The transfer an event is about; ``summary`` is its totals and times, as answers show them."""

    uuid: str
    summary: Mapping[str, object]


def entry(
    job: Job,
    event: Event,
    detail: str,
    message: str,
    *,
    created: str,
    extra: Mapping[str, object] | None = None,
    transfer: Transfer | None = None,
) -> Entry:
    """An event of a job."""
    description = {
        **(extra or {}),
        "jobName": job.name,
        "jobUuid": job.uuid,
        "jobOwner": job.owner,
        "message": message,
    }
    return Entry(
        job.uuid,
        event.value,
        created,
        detail,
        as_text(description),
        transfer.uuid if transfer else None,
        as_text(transfer.summary) if transfer else NO_TRANSFER,
    )


def new_status(job: Job, old: Status | None, *, created: str) -> Entry:
    """The event that the job has come from ``old`` to its status."""
    message = f"The job has transitioned to a new status: {job.status.value}."
    if old is not None:
        message += f" The previous job status was {old.value}."
    extra: dict[str, object] = {"newJobStatus": job.status.value, "oldJobStatus": old.value if old else None}
    if job.status in TERMINAL:
        extra |= final_facts(job)
    return entry(job, Event.JOB_NEW_STATUS, job.status.value, message, created=created, extra=extra)


def final_facts(job: Job) -> dict[str, object]:
    """How the job ended, as its last events tell it.

    The real service puts the time of the end where the time of the submission belongs, and leaves the other two null;
    whoever reads histories must be able to live with that. The job itself has all three right.
    """
    return {
        "blockedCount": job.blocked_count,
        "condition": job.condition.value if job.condition else None,
        "remoteJobId": job.remote_job_id,
        "remoteJobId2": job.remote_job_id2,
        "remoteOutcome": job.remote_outcome.value if job.remote_outcome else None,
        "remoteResultInfo": job.remote_result_info,
        "remoteQueue": job.remote_queue,
        "remoteSubmitted": job.remote_ended,
        "remoteStarted": None,
        "remoteEnded": None,
    }


def subscribed(job: Job, number: int, *, added: bool, at_submission: bool = False, created: str) -> Entry:
    """The event that subscriptions came or went."""
    what = f"{number} subscription(s) {'created' if added else 'removed'}"
    if at_submission:
        what += " with job submission"
    return entry(
        job,
        Event.JOB_SUBSCRIPTION,
        "ADDED" if added else "REMOVED",
        f"A change to the job's subscriptions has occurred.  {what}.",
        created=created,
        extra={"action": "added" if added else "removed", "numSubscriptions": number},
    )
