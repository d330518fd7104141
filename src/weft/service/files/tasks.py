"""The records of transfers: a task has a parent for each element that was asked for, a parent a child for each file.

Children are written all at once when an element has been listed, and settled in chunks; a transfer of thousands of
files is a few transactions. What has ended is never changed again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, exists, func, insert, select, update

from weft.service.files.listing import shown
from weft.service.files.tables import transfer_children as children
from weft.service.files.tables import transfer_parents as parents
from weft.service.files.tables import transfer_tasks as tasks

if TYPE_CHECKING:
    from weft.service.clock import Clock
    from weft.service.database import Database

ACCEPTED, STAGED, IN_PROGRESS = "ACCEPTED", "STAGED", "IN_PROGRESS"
COMPLETED, FAILED, FAILED_OPT, CANCELLED = "COMPLETED", "FAILED", "FAILED_OPT", "CANCELLED"
UNENDED = (ACCEPTED, STAGED, IN_PROGRESS)

_ENDING = (
    update(children)
    .where(children.c.id == bindparam("child"), children.c.end_time.is_(None))
    .values(
        status=bindparam("to"),
        bytes_transferred=bindparam("bytes"),
        start_time=bindparam("began"),
        end_time=bindparam("ended"),
        error_message=bindparam("error"),
    )
)


class Element(msgspec.Struct, frozen=True):
    """One thing to transfer: URLs of source and destination; ``optional`` may fail without failing the task.

    ``source_shared_by`` and ``destination_shared_by`` name who lends his rights to a system that he owns.
    """

    source: str
    destination: str
    optional: bool = False
    source_shared_by: str = ""
    destination_shared_by: str = ""


class Child(msgspec.Struct, rename="camel"):
    """The transfer of one file or folder."""

    tenant_id: str
    username: str
    source_uri: str = msgspec.field(name="sourceURI")
    destination_uri: str = msgspec.field(name="destinationURI")
    total_bytes: int
    bytes_transferred: int
    task_id: int
    parent_task_id: int
    dir: bool
    uuid: str
    status: str
    created: str
    start_time: str | None
    end_time: str | None
    error_message: str | None
    retries: int = 0


class Parent(msgspec.Struct, rename="camel"):
    """The transfer of one element."""

    tenant_id: str
    username: str
    source_uri: str = msgspec.field(name="sourceURI")
    destination_uri: str = msgspec.field(name="destinationURI")
    total_bytes: int
    bytes_transferred: int
    task_id: int
    optional: bool
    uuid: str
    status: str
    created: str
    start_time: str | None
    end_time: str | None
    error_message: str | None
    children: list[Child] | None = None


class TransferTask(msgspec.Struct, rename="camel"):
    """A transfer as it is answered; the totals and ``parentTasks`` are null where they were not asked for."""

    username: str
    tenant_id: str
    tag: str
    uuid: str
    status: str
    created: str
    start_time: str | None
    end_time: str | None
    error_message: str | None
    estimated_total_bytes: int | None = None
    total_bytes_transferred: int | None = None
    total_transfers: int | None = None
    complete_transfers: int | None = None
    parent_tasks: list[Parent] | None = None


class Tasks:
    """The records of all transfers. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, user: str, tenant: str, elements: Sequence[Element], tag: str) -> str:
        """Record a new task with its parents; returns its uuid."""
        uuid, now = str(uuid4()), self._clock.stamp()
        with self._database.writing() as connection:
            task = insert(tasks).values(
                uuid=uuid, tenant=tenant, username=user, tag=tag, status=ACCEPTED, created=now
            )
            key = connection.execute(task.returning(tasks.c.id)).scalar_one()
            connection.execute(insert(parents), [_parent_row(key, each, now) for each in elements])
        return uuid

    def unended(self) -> list[str]:
        """The tasks that are still to be done, oldest first."""
        with self._database.reading() as connection:
            query = select(tasks.c.uuid).where(tasks.c.status.in_(UNENDED)).order_by(tasks.c.id)
            return list(connection.execute(query).scalars())

    def tagged(self, user: str, tenant: str, tag: str) -> str | None:
        """The user's most recent task with this tag."""
        query = select(tasks.c.uuid).where(
            tasks.c.tenant == tenant, tasks.c.username == user, tasks.c.tag == tag
        )
        with self._database.reading() as connection:
            return connection.execute(query.order_by(tasks.c.id.desc()).limit(1)).scalar()

    def row(self, uuid: str) -> Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(select(tasks).where(tasks.c.uuid == uuid)).first()

    def parents(self, task_id: int) -> Sequence[Row[Any]]:
        """The parents of a task that have not ended, in the order of the request."""
        with self._database.reading() as connection:
            query = select(parents).where(parents.c.task_id == task_id, parents.c.status.in_(UNENDED))
            return connection.execute(query.order_by(parents.c.id)).all()

    def expand(self, found: Sequence[tuple[Row[Any], Sequence[tuple[str, str, int]]]]) -> bool:
        """Record what parents consist of, as (path below the source, kind, bytes); they and their task are STAGED.

        False when the task has ended meanwhile; then nothing is recorded.
        """
        now = self._clock.stamp()
        rows = [
            {
                "task_id": parent.task_id,
                "parent_id": parent.id,
                "status": ACCEPTED,
                "created": now,
                "uuid": str(uuid4()),
                "relative": os.fsencode(path),
                "kind": kind,
                "total_bytes": size,
                "bytes_transferred": 0,
            }
            for parent, parts in found
            for path, kind, size in parts
        ]
        sums = [{"key": parent.id, "sum": sum(part[2] for part in parts)} for parent, parts in found]
        staging = update(parents).where(parents.c.id == bindparam("key"), parents.c.end_time.is_(None))
        with self._database.writing() as connection:
            if found and not _change(connection, tasks, found[0][0].task_id, status=STAGED):
                return False
            if rows:
                connection.execute(insert(children), rows)
            if found:
                connection.execute(staging.values(status=STAGED, total_bytes=bindparam("sum")), sums)
        return True

    def chunk(self, task_id: int, count: int) -> Sequence[Row[Any]]:
        """The next children of a task that are to be done, parent after parent."""
        with self._database.reading() as connection:
            query = select(children).where(children.c.task_id == task_id, children.c.status.in_(UNENDED))
            return connection.execute(query.order_by(children.c.parent_id, children.c.id).limit(count)).all()

    def begin(self, task_id: int, parent_ids: Sequence[int]) -> None:
        """The copying of these parents begins, where it has not begun, and that of their task."""
        now = self._clock.stamp()
        with self._database.writing() as connection:
            for table, keys in ((tasks, [task_id]), (parents, parent_ids)):
                waiting = update(table).where(table.c.id.in_(keys), table.c.status.in_(UNENDED[:2]))
                begun = func.coalesce(table.c.start_time, now)
                connection.execute(waiting.values(status=IN_PROGRESS, start_time=begun))

    def settle(self, done: Sequence[Mapping[str, Any]]) -> None:
        """Record how children ended; parents with none left are COMPLETED.

        The rows have ``child``, ``of`` (its parent), ``to`` (status), ``bytes``, ``began``, ``ended`` and ``error``.
        """
        moved: dict[int, int] = {}
        for each in done:
            moved[each["of"]] = moved.get(each["of"], 0) + each["bytes"]
        adding = update(parents).where(parents.c.id == bindparam("key"))
        adding = adding.values(bytes_transferred=parents.c.bytes_transferred + bindparam("sum"))
        left = select(children.c.id).where(
            children.c.parent_id == parents.c.id, children.c.status.in_(UNENDED)
        )
        failed = select(children.c.id).where(
            children.c.parent_id == parents.c.id, children.c.status.in_((FAILED, FAILED_OPT))
        )
        completing = update(parents).where(
            parents.c.id.in_(list(moved)), parents.c.status == IN_PROGRESS, ~exists(left), ~exists(failed)
        )
        with self._database.writing() as connection:
            connection.execute(_ENDING, [dict(each) for each in done])
            connection.execute(adding, [{"key": key, "sum": size} for key, size in moved.items()])
            connection.execute(completing.values(status=COMPLETED, end_time=self._clock.stamp()))

    def end_parent(self, parent_id: int, status: str, error: str | None = None) -> None:
        """A parent has ended; what is left of its children is not done any more."""
        now = self._clock.stamp()
        with self._database.writing() as connection:
            _change(connection, parents, parent_id, status=status, end_time=now, error_message=error)
            _drop(connection, children, children.c.parent_id == parent_id, now)

    def end(self, task_id: int, status: str, error: str | None = None) -> bool:
        """The task has ended, with all that is left of it; False when it had ended before."""
        now = self._clock.stamp()
        with self._database.writing() as connection:
            if not _change(connection, tasks, task_id, status=status, end_time=now, error_message=error):
                return False
            left = COMPLETED if status == COMPLETED else CANCELLED  # folders without anything in them
            _drop(connection, parents, parents.c.task_id == task_id, now, left)
            _drop(connection, children, children.c.task_id == task_id, now)
            return True

    def totals(self, task_id: int) -> tuple[int, int, int, int]:
        """Children, those that are done, all bytes, and the bytes that are done."""
        with self._database.reading() as connection:
            return _totals(connection, task_id)

    def told(self, row: Row[Any], *, summary: bool = True, details: bool = False) -> TransferTask:
        """A task as it is answered."""
        task = TransferTask(
            row.username,
            row.tenant,
            row.tag,
            row.uuid,
            row.status,
            row.created,
            row.start_time,
            row.end_time,
            row.error_message,
        )
        with self._database.reading() as connection:
            if summary or details:
                files, done, size, moved = _totals(connection, row.id)
                task.total_transfers, task.complete_transfers = files, done
                task.estimated_total_bytes, task.total_bytes_transferred = size, moved
            if details:
                task.parent_tasks = _details(connection, row)
        return task

    def recent(self, user: str, tenant: str, limit: int, offset: int) -> list[TransferTask]:
        """A user's tasks, the most recent ones first, without totals."""
        query = select(tasks).where(tasks.c.tenant == tenant, tasks.c.username == user)
        query = query.order_by(tasks.c.id.desc()).limit(limit).offset(offset)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [self.told(row, summary=False) for row in rows]


def _parent_row(task_id: int, element: Element, now: str) -> dict[str, Any]:
    return {
        "uuid": str(uuid4()),
        "task_id": task_id,
        "source_uri": element.source,
        "destination_uri": element.destination,
        "optional": element.optional,
        "source_shared_by": element.source_shared_by,
        "destination_shared_by": element.destination_shared_by,
        "status": ACCEPTED,
        "total_bytes": 0,
        "bytes_transferred": 0,
        "created": now,
    }


def _change(connection: Connection, table: Any, key: int, **values: Any) -> bool:
    """Change a row that has not ended; False when it has."""
    changing = update(table).where(table.c.id == key, table.c.status.in_(UNENDED)).values(**values)
    return connection.execute(changing).rowcount > 0


def _drop(connection: Connection, table: Any, which: Any, now: str, status: str = CANCELLED) -> None:
    dropping = update(table).where(which, table.c.status.in_(UNENDED))
    connection.execute(dropping.values(status=status, end_time=now))


def _totals(connection: Connection, task_id: int) -> tuple[int, int, int, int]:
    query: Select[Any] = (
        select(
            children.c.status,
            func.count(),
            func.sum(children.c.total_bytes),
            func.sum(children.c.bytes_transferred),
        )
        .where(children.c.task_id == task_id)
        .group_by(children.c.status)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    done = sum(count for status, count, _, _ in rows if status == COMPLETED)
    return (
        sum(row[1] for row in rows),
        done,
        sum(int(row[2]) for row in rows),
        sum(int(row[3]) for row in rows),
    )


def _details(connection: Connection, task: Row[Any]) -> list[Parent]:
    found = {
        row.id: Parent(
            task.tenant,
            task.username,
            row.source_uri,
            row.destination_uri,
            row.total_bytes,
            row.bytes_transferred,
            task.id,
            row.optional,
            row.uuid,
            row.status,
            row.created,
            row.start_time,
            row.end_time,
            row.error_message,
            [],
        )
        for row in connection.execute(
            select(parents).where(parents.c.task_id == task.id).order_by(parents.c.id)
        )
    }
    for row in connection.execute(
        select(children).where(children.c.task_id == task.id).order_by(children.c.id)
    ):
        above = found[row.parent_id]
        listed = above.children = above.children if above.children is not None else []
        listed.append(_child(task, above, row))
    return list(found.values())


def _child(task: Row[Any], parent: Parent, row: Row[Any]) -> Child:
    below = shown(os.fsdecode(row.relative))
    return Child(
        task.tenant,
        task.username,
        _uri(parent.source_uri, below),
        _uri(parent.destination_uri, below),
        row.total_bytes,
        row.bytes_transferred,
        task.id,
        row.parent_id,
        row.kind == "dir",
        row.uuid,
        row.status,
        row.created,
        row.start_time,
        row.end_time,
        row.error_message,
    )


def _uri(uri: str, below: str) -> str:
    return f"{uri.rstrip('/')}/{below}" if below else uri
