"""The transfers of a job: its inputs, its app, its outputs. Each is started once, watched, and told of in the history.

The transfer's id is kept in the job. A service that was killed between starting the transfer and keeping its id finds
it again by its tag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import msgspec
from sqlalchemy import select

from weft.service.files.tasks import COMPLETED, UNENDED
from weft.service.files.transfers import Element, TransferTask
from weft.service.jobs import tables
from weft.service.jobs.events import Transfer
from weft.service.jobs.execution.ending import Stop
from weft.service.jobs.execution.memory import Turn
from weft.service.jobs.model import Job
from weft.service.jobs.states import Condition, Event

if TYPE_CHECKING:
    from weft.service.server import Service

Kind = Literal["input", "stage_app", "archive"]

_EVENTS: dict[Kind, tuple[Event, str, str]] = {
    "input": (Event.JOB_INPUT_TRANSACTION_ID, "stage job input files", "staging"),
    "archive": (Event.JOB_ARCHIVE_TRANSACTION_ID, "archive job output files", "archiving"),
}
"""The event that tells of a transfer's end, and its words; the transfer of an app is not told of."""
_CONDITIONS: dict[Kind, Condition] = {
    "input": Condition.JOB_TRANSFER_FAILED_OR_CANCELLED,
    "stage_app": Condition.JOB_TRANSFER_FAILED_OR_CANCELLED,
    "archive": Condition.JOB_ARCHIVING_FAILED,
}


class Transactions:
    """``wake`` is called with a job's uuid when one of its transfers has ended."""

    def __init__(self, service: Service, wake: Callable[[str], None]) -> None:
        self._service = service
        self._wake = wake

    def of(self, turn: Turn, kind: Kind, what: Callable[[], list[Element]]) -> str | None:
        """The transfer of this kind, started if it has not been; None when there is nothing to transfer.

        Raises:
            Problem: It cannot be started.
        """
        job = turn.job
        kept: str | None = getattr(job, f"{kind}_transaction_id")
        if kept is not None:
            return kept
        elements = what()
        if not elements:
            return None
        tag = f"{job.uuid} {kind}"
        uuid = self._service.transfers.tasks.tagged(job.owner, job.tenant, tag) if turn.visit.again else None
        if uuid is None:
            uuid = self._service.transfers.start(job.owner, job.tenant, elements, tag, self._done(job.uuid))
        turn.update(**{f"{kind}_transaction_id": uuid, f"{kind}_correlation_id": str(uuid4())})
        return uuid

    def _done(self, job: str) -> Callable[[str], None] | None:
        """With the pace of Tapis the end of a transfer is noticed at the next look, not told."""
        return (lambda _uuid: self._wake(job)) if self._service.pace.instant else None

    def done(self, turn: Turn, kind: Kind, uuid: str) -> bool:
        """Whether the transfer is complete; its end is written into the history.

        Raises:
            Stop: It failed, was cancelled, or is not known.
        """
        row = self._service.transfers.tasks.row(uuid)
        if row is not None and row.status in UNENDED:
            return False
        task = self._service.transfers.get(uuid)
        if task is None:
            raise Stop(f"FILES_TXFR_NOT_FOUND There is no transfer {uuid}", _CONDITIONS[kind])
        if kind in _EVENTS and not (turn.visit.again and self._told(turn.job, uuid)):
            self._tell(turn.job, kind, task)
        if task.status == COMPLETED:
            return True
        why = task.error_message or "nothing is known of why"
        raise Stop(
            f"JOBS_TRANSFER_{task.status} Transfer {uuid} ended as {task.status}: {why}", _CONDITIONS[kind]
        )

    def cancel(self, turn: Turn) -> None:
        """End the transfers of a job that are under way."""
        job = turn.job
        for uuid in (job.input_transaction_id, job.stage_app_transaction_id, job.archive_transaction_id):
            if uuid is not None:
                self._service.transfers.cancel(uuid)

    def _tell(self, job: Job, kind: Kind, task: TransferTask) -> None:
        event, what, word = _EVENTS[kind]
        self._service.ledger.event(
            job.uuid,
            event,
            task.status,
            f"A request to {what} has been submitted. Files service {word} transaction {task.uuid} in state "
            f"{task.status} for job {job.uuid} in tenant {job.tenant}.",
            transfer=Transfer(task.uuid, _summary(task)),
            extra={"transferStatus": task.status, "transactionId": task.uuid},
        )

    def _told(self, job: Job, uuid: str) -> bool:
        """Is the transfer's end in the history already?"""
        columns = tables.events.c
        query = select(columns.id).where(columns.job_uuid == job.uuid, columns.transfer_task_uuid == uuid)
        with self._service.database.reading() as connection:
            return connection.execute(query.limit(1)).first() is not None


_SHOWN = (
    "uuid",
    "status",
    "estimated_total_bytes",
    "total_bytes_transferred",
    "complete_transfers",
    "total_transfers",
    "created",
    "start_time",
    "end_time",
    "error_message",
)
_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(TransferTask)}


def _summary(task: TransferTask) -> dict[str, object]:
    """As the real service tells of it: times that are missing are empty, and both counts of bytes are the same."""
    found = {_WIRE[name]: getattr(task, name) for name in _SHOWN}
    found["estimatedTotalBytes"] = found["totalBytesTransferred"]
    return {
        name: "" if value is None and name in ("startTime", "endTime") else value
        for name, value in found.items()
    }
