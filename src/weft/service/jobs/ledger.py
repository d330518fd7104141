"""The ledger of jobs: every change of a job goes through here, each in one transaction with the event that tells it.

A change of status is checked against the table of states before it is written, so no history can be illegal whatever
the worker does. Subscribers are told of an event after it is committed, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, func, insert, select, update

from weft.service.clock import stamp
from weft.service.jobs import events as told
from weft.service.jobs import tables, watching
from weft.service.jobs.events import Entry, Transfer
from weft.service.jobs.model import Job
from weft.service.jobs.notify import Heard, Notifier
from weft.service.jobs.states import COUNTED, TERMINAL, Event, Status, may_follow
from weft.service.jobs.tables import job_of, jobs, stored

if TYPE_CHECKING:
    from weft.service.server import Service

_UNFINISHED = tuple(status.value for status in Status if status not in TERMINAL)
_COUNTED = tuple(sorted(status.value for status in COUNTED))

# Statements are built once: building them costs more than running them.
_JOB = select(*(jobs.c[name] for name in Job.__struct_fields__)).where(jobs.c.uuid == bindparam("wanted"))
_JOB_TO_CHANGE = _JOB.with_for_update()
_CHANGE = update(jobs).where(jobs.c.uuid == bindparam("wanted"))
_ADD = insert(jobs)
_ADD_EVENT = insert(tables.events)
_EVENTS_SO_FAR = (
    select(func.count()).select_from(tables.events).where(tables.events.c.job_uuid == bindparam("wanted"))
)
_LATEST = select(tables.events.c.created).order_by(tables.events.c.id.desc()).limit(1)
_OPEN = select(jobs.c.uuid).where(jobs.c.status.in_(_UNFINISHED)).order_by(jobs.c.id)
_COUNTS = (
    select(jobs.c.owner, jobs.c.exec_system_logical_queue, func.count())
    .where(
        jobs.c.status.in_(_COUNTED),
        jobs.c.tenant == bindparam("tenant"),
        jobs.c.exec_system_id == bindparam("system"),
    )
    .group_by(jobs.c.owner, jobs.c.exec_system_logical_queue)
)
_ASK_TO_CANCEL = (
    update(jobs)
    .where(jobs.c.uuid == bindparam("wanted"), jobs.c.status.in_(_UNFINISHED))
    .values(cancel_asked=True)
)


class IllegalTransition(Exception):
    """A job cannot go from its status to the one wanted."""

    def __init__(self, uuid: str, old: Status, new: Status) -> None:
        super().__init__(f"job {uuid} cannot go from {old.value} to {new.value}")
        self.old = old
        self.new = new


class Counts(Struct, frozen=True):
    """How many jobs count against quotas: on the system, in the queue, and of these the owner's."""

    system: int = 0
    system_user: int = 0
    queue: int = 0
    queue_user: int = 0


class Change:
    """A transaction on one job: ``job`` as it stands by now, ``now`` its time, ``heard`` what to tell after it."""

    def __init__(self, connection: Connection, job: Job, now: datetime) -> None:
        self.connection = connection
        self.job = job
        self.moment = now
        self.now = stamp(now)
        self.heard: list[Heard] = []

    def set(self, changes: Mapping[str, object]) -> None:
        """Change attributes, ``last_updated`` with them."""
        changes = {"last_updated": self.now, **changes}
        self.job = msgspec.structs.replace(self.job, **changes)
        self.connection.execute(_CHANGE, {"wanted": self.job.uuid, **stored(changes.items())})

    def write(self, entry: Entry) -> None:
        """Write an event; if the job is watched, it will be told."""
        self.connection.execute(_ADD_EVENT, msgspec.structs.asdict(entry))
        if self.job.watched:
            number = self.connection.execute(_EVENTS_SO_FAR, {"wanted": self.job.uuid}).scalar_one()
            watchers = watching.of_job(self.connection, self.job.uuid, self.now)
            self.heard.append(Heard(self.job, entry, number, watchers))


class Ledger:
    """All jobs; safe to share between threads. Times are those of the service's clock."""

    def __init__(self, service: Service) -> None:
        self._database = service.database
        self._clock = service.clock
        self._notifier = Notifier(service.clock, allow_remote=service.settings.allow_remote_webhooks)

    def stop(self) -> None:
        """Stop telling of events."""
        self._notifier.stop()

    def add(self, job: Job, request: str) -> dict[str, Any]:
        """Write a new job with its first events and subscriptions; its row as it stands then.

        ``request`` is the request's JSON text, kept to submit it again.
        """
        now = self._clock.now()
        new = msgspec.structs.replace(job, watched=len(job.subscriptions))
        fields = ((name, getattr(new, name)) for name in Job.__struct_fields__ if name != "id")
        row = {**stored(fields), "request": request}
        entries = [told.new_status(job, None, created=stamp(now))]
        if job.subscriptions:
            entries.append(
                told.subscribed(
                    job, len(job.subscriptions), added=True, at_submission=True, created=stamp(now)
                )
            )
        with self._database.writing() as connection:
            (row["id"],) = connection.execute(_ADD, row).inserted_primary_key or (0,)
            for each in job.subscriptions:
                watching.add(connection, job, each, now)
            change = Change(connection, new, now)
            for entry in entries:
                change.write(entry)
        self._tell(change.heard)
        return row

    def get(self, uuid: str) -> Job | None:
        """A job, hidden or not."""
        with self._database.reading() as connection:
            row = connection.execute(_JOB, {"wanted": uuid}).mappings().one_or_none()
        return None if row is None else job_of(row)

    @contextmanager
    def changing(self, uuid: str) -> Iterator[Change]:
        """One transaction on a job; its events are told of when it is done.

        Raises:
            KeyError: There is no such job.
        """
        with self._database.writing() as connection:
            row = connection.execute(_JOB_TO_CHANGE, {"wanted": uuid}).mappings().one_or_none()
            if row is None:
                raise KeyError(uuid)
            change = Change(connection, job_of(row), self._clock.now())
            yield change
        self._tell(change.heard)

    def transition(self, uuid: str, status: Status, *, message: str | None = None, **changes: object) -> Job:
        """Bring a job to a status, with whatever else changes, and write the event that says so.

        ``message`` becomes the job's ``lastMessage``. A job that ends gets its time of ending, one that blocks is
        counted.

        Raises:
            IllegalTransition: The status cannot follow the job's present one; nothing is changed.
            KeyError: There is no such job.
        """
        with self.changing(uuid) as change:
            job = change.job
            if not may_follow(job.status, status):
                raise IllegalTransition(uuid, job.status, status)
            facts: dict[str, object] = {
                "last_message": message or f"Setting job status to {status.value}.",
                **({"ended": change.now} if status in TERMINAL else {}),
                **({"blocked_count": job.blocked_count + 1} if status is Status.BLOCKED else {}),
                **changes,
                "status": status,
            }
            change.set(facts)
            change.write(told.new_status(change.job, job.status, created=change.now))
            if status in TERMINAL and job.watched:
                watching.forget(change.connection, uuid)
                change.set({"watched": 0})
        return change.job

    def update(self, uuid: str, **changes: object) -> Job:
        """Change attributes without an event.

        Raises:
            KeyError: There is no such job.
        """
        with self.changing(uuid) as change:
            change.set(changes)
        return change.job

    def event(
        self,
        uuid: str,
        event: Event,
        detail: str,
        message: str,
        *,
        transfer: Transfer | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Write an event that changes nothing.

        Raises:
            KeyError: There is no such job.
        """
        with self.changing(uuid) as change:
            change.write(
                told.entry(
                    change.job, event, detail, message, created=change.now, extra=extra, transfer=transfer
                )
            )

    def ask_to_cancel(self, uuid: str) -> bool:
        """Note that the job is to be cancelled; False if it has ended already."""
        with self._database.writing() as connection:
            return connection.execute(_ASK_TO_CANCEL, {"wanted": uuid}).rowcount > 0

    def latest(self) -> datetime | None:
        """When the last event was written; None when there is none."""
        with self._database.reading() as connection:
            last = connection.execute(_LATEST).scalar_one_or_none()
        return None if last is None else datetime.fromisoformat(last.replace("Z", "+00:00"))

    def unfinished(self) -> list[str]:
        """The uuids of all jobs that have not ended, the oldest first."""
        with self._database.reading() as connection:
            return list(connection.execute(_OPEN).scalars())

    def active_counts(self, tenant: str, system_id: str, queue: str | None, owner: str) -> Counts:
        """How many jobs take a place on a system; one that is pending, blocked or paused takes none."""
        with self._database.reading() as connection:
            rows = connection.execute(_COUNTS, {"tenant": tenant, "system": system_id}).all()
        return Counts(
            system=sum(number for _, _, number in rows),
            system_user=sum(number for who, _, number in rows if who == owner),
            queue=sum(number for _, where, number in rows if queue and where == queue),
            queue_user=sum(
                number for who, where, number in rows if queue and where == queue and who == owner
            ),
        )

    def _tell(self, heard: Sequence[Heard]) -> None:
        for each in heard:
            self._notifier.tell(each)
