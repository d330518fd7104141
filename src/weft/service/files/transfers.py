"""Transfers: copying files from system to system in the background.

A transfer is a list of steps that hand back how long to wait before the next one: list each element, wait as the
pace wants it, copy chunk by chunk. A few threads take the transfers in turns, one step each, so that a large one does
not hold up the small ones. What has been done is in the database after each chunk; after a restart, steps that were
not recorded are done again, which is harmless since files appear whole or not at all.

An element that fails ends its transfer, unless it is optional. What an element consists of, and how it is copied, is
said in ``elements``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from weft.service.answers import Problem
from weft.service.database import UNREACHABLE
from weft.service.files.elements import Elements, from_the_web, located
from weft.service.files.tasks import (
    ACCEPTED,
    CANCELLED,
    COMPLETED,
    FAILED,
    FAILED_OPT,
    IN_PROGRESS,
    UNENDED,
    Element,
    Tasks,
    TransferTask,
)

if TYPE_CHECKING:
    from weft.service.server import Service

__all__ = ["Element", "TransferTask", "Transfers"]

THREADS = 3
_CHUNK = 200
_CHUNK_PACED = 20
_LISTED = 1000
_STEP = 0.5
"""Seconds that one step may take; a file that has begun is copied to its end."""
_AGAIN = 2.0
"""Seconds until a step is tried again when the database could not be written."""

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Copying ends here: the transfer was cancelled, or the service stops."""


class _Failed(Exception):
    """The transfer as a whole has failed, and that is recorded."""


class _Run:
    """A transfer in this process."""

    def __init__(self, uuid: str) -> None:
        self.uuid = uuid
        self.steps: Iterator[float] = iter(())
        self.ready_at = 0.0
        self.cancelled = False
        self.moving = 0
        """Bytes copied and not yet recorded."""


class Transfers:
    """All transfers of one service. Safe to share between threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.tasks = Tasks(service.database, service.clock)
        self._runs: dict[str, _Run] = {}
        self._queue: deque[_Run] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._done: dict[str, Callable[[str], None]] = {}

    def start_up(self) -> None:
        """Take up what had not ended, and begin to work."""
        for uuid in self.tasks.unended():
            self._enqueue(uuid)
        for number in range(THREADS):
            thread = threading.Thread(target=self._work, name=f"transfers-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop between two files, or within a large one; the transfers are taken up at the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def start(
        self,
        user: str,
        tenant: str,
        elements: Sequence[Element],
        tag: str = "",
        done: Callable[[str], None] | None = None,
    ) -> str:
        """Begin a transfer and return its uuid; ``done`` is called with it when it has ended.

        ``done`` is called from one of the threads that copy, and not after a restart. What the user may not read or
        write fails in the transfer, not here.

        Raises:
            Problem: 400 for no elements, or URLs that nothing can be copied from or to.
        """
        if not elements:
            raise Problem(400, "FILES_TXFR_SVC_NO_ELEMENTS A transfer has at least one element")
        for element in elements:
            located(element.destination)
            if not from_the_web(self._service, element.source):
                located(element.source)
        uuid = self.tasks.add(user, tenant, elements, tag)
        if done is not None:
            self._done[uuid] = done
        self._enqueue(uuid)
        return uuid

    def get(self, uuid: str) -> TransferTask | None:
        """The transfer as it stands, with its totals."""
        row = self.tasks.row(uuid)
        return None if row is None else self.shown(row)

    def shown(self, row: Row[Any], *, details: bool = False) -> TransferTask:
        """A task's row as it is answered, with what is being copied right now."""
        task = self.tasks.told(row, details=details)
        run = self._runs.get(row.uuid)
        if run is not None and task.total_bytes_transferred is not None and task.status == IN_PROGRESS:
            task.total_bytes_transferred += run.moving
        return task

    def cancel(self, uuid: str) -> bool:
        """End a transfer; what was copied stays. False when it had ended, or there is none."""
        row = self.tasks.row(uuid)
        if row is None or not self.tasks.end(row.id, CANCELLED):
            return False
        with self._wake:
            run = self._runs.get(uuid)
            if run is not None:
                run.cancelled = True
                self._wake.notify_all()
        return True

    # The threads: each takes the transfer whose turn it is and does one step of it.

    def _enqueue(self, uuid: str) -> None:
        run = _Run(uuid)
        run.steps = self._steps(run)
        with self._wake:
            self._runs[uuid] = run
            self._queue.append(run)
            self._wake.notify()

    def _work(self) -> None:
        while (run := self._next()) is not None:
            self._service.courtesy.give_way()
            wait = self._advance(run)
            with self._wake:
                if wait is not None:
                    run.ready_at = time.monotonic() + wait
                    self._queue.append(run)
                    self._wake.notify()
                    continue
                self._runs.pop(run.uuid, None)
                done = None if self._stopping else self._done.pop(run.uuid, None)
            if done is not None:
                self._tell(done, run.uuid)

    def _tell(self, done: Callable[[str], None], uuid: str) -> None:
        try:
            done(uuid)
        except Exception:
            log.exception("what was to follow transfer %s failed", uuid)

    def _next(self) -> _Run | None:
        with self._wake:
            while not self._stopping:
                now = time.monotonic()
                for run in self._queue:
                    if run.cancelled or run.ready_at <= now:
                        self._queue.remove(run)
                        return run
                self._wake.wait(min((run.ready_at - now for run in self._queue), default=None))
            return None

    def _advance(self, run: _Run) -> float | None:
        """Do one step; returns the seconds until the next one, None after the last."""
        try:
            return None if run.cancelled else next(run.steps, None)
        except (_Stopped, _Failed):
            return None
        except UNREACHABLE as error:
            log.error("transfer %s waits for the database: %s", run.uuid, error)
            run.steps = self._steps(run)
            return _AGAIN
        except Exception:
            log.exception("transfer %s failed", run.uuid)
            run.steps = self._given_up(run.uuid)
            return 0.0

    def _given_up(self, uuid: str) -> Iterator[float]:
        """The only step of a transfer that met an error of the service itself."""
        row = self.tasks.row(uuid)
        if row is not None:
            self.tasks.end(
                row.id, FAILED, "FILES_TXFR_SVC_ERR An error within the service; its log tells more"
            )
        yield from ()

    # The steps of one transfer.

    def _steps(self, run: _Run) -> Iterator[float]:
        task = self.tasks.row(run.uuid)
        if task is None or task.status not in UNENDED:
            return
        parts = Elements(self._service, task)
        yield from self._listed(task, parts)
        files, _, size, _ = self.tasks.totals(task.id)
        waiting, lasting = self._service.pace.transfer(files, size)
        if task.status != IN_PROGRESS and waiting:
            yield self._service.clock.real(waiting)
        yield from self._copied(run, task, parts, _Schedule(files, self._service.clock.real(lasting)))
        self.tasks.end(task.id, COMPLETED)

    def _listed(self, task: Row[Any], parts: Elements) -> Iterator[float]:
        """List the elements that have not been, many of them in one transaction."""
        held: list[tuple[Row[Any], list[tuple[str, str, int]]]] = []
        until = time.monotonic() + _STEP
        for parent in self.tasks.parents(task.id):
            if parent.status != ACCEPTED:
                continue
            try:
                held.append((parent, parts.listed(parent)))
            except Problem as problem:
                self._failed(task, parent, problem)
            if time.monotonic() > until or sum(len(each) for _, each in held) > _LISTED:
                self._recorded(held)
                held = []
                yield 0.0
                until = time.monotonic() + _STEP
        self._recorded(held)

    def _recorded(self, listed: Sequence[tuple[Row[Any], Sequence[tuple[str, str, int]]]]) -> None:
        if not self.tasks.expand(listed):
            raise _Stopped  # it was cancelled meanwhile

    def _copied(self, run: _Run, task: Row[Any], parts: Elements, schedule: _Schedule) -> Iterator[float]:
        """Copy all that is listed, chunk by chunk."""
        parents = {parent.id: parent for parent in self.tasks.parents(task.id)}
        copiers: dict[int, Callable[[Row[Any]], int]] = {}

        def check(size: int) -> None:
            run.moving += size
            if run.cancelled or self._stopping:
                raise _Stopped

        def copy(row: Row[Any]) -> int:
            if row.parent_id not in copiers:
                parent = parents[row.parent_id]
                if self._service.faults.transfer_fails(parent.source_uri):
                    raise Problem(
                        500, f"FILES_TXFR_SVC_ERR The transfer was made to fail: {parent.source_uri}"
                    )
                copiers.clear()
                copiers[row.parent_id] = parts.copier(parent, check)
            return copiers[row.parent_id](row)

        self.tasks.begin(task.id, [])
        while rows := self.tasks.chunk(task.id, _CHUNK_PACED if schedule.seconds else _CHUNK):
            self.tasks.begin(task.id, list({row.parent_id for row in rows}))
            done, failure = self._chunk(rows, copy, parents)
            self.tasks.settle(done)
            run.moving = 0
            if failure is not None:
                self._failed(task, parents[done[-1]["of"]], failure)
            yield schedule.rest(len(done))

    def _chunk(
        self, rows: Sequence[Row[Any]], copy: Callable[[Row[Any]], int], parents: Mapping[int, Row[Any]]
    ) -> tuple[list[dict[str, Any]], Problem | None]:
        """Copy some children, until one fails or half a second is over; how they ended, and what failed."""
        done: list[dict[str, Any]] = []
        until = time.monotonic() + _STEP
        for row in rows:
            one = {"child": row.id, "of": row.parent_id, "began": self._service.clock.stamp()}
            failure = None
            try:
                one |= {"to": COMPLETED, "bytes": copy(row), "error": None}
            except Problem as problem:
                failure = problem
                status = FAILED_OPT if parents[row.parent_id].optional else FAILED
                one |= {"to": status, "bytes": 0, "error": problem.message}
            done.append({**one, "ended": self._service.clock.stamp()})
            if failure is not None or time.monotonic() > until:
                return done, failure
        return done, None

    def _failed(self, task: Row[Any], parent: Row[Any], problem: Problem) -> None:
        """End a parent, and its task with it unless the parent is optional."""
        self.tasks.end_parent(parent.id, FAILED_OPT if parent.optional else FAILED, problem.message)
        if not parent.optional:
            self.tasks.end(task.id, FAILED, problem.message)
            raise _Failed from problem


class _Schedule:
    """Spreads the copying over the seconds that it is to take."""

    def __init__(self, files: int, seconds: float) -> None:
        self.seconds = seconds
        self._each = seconds / max(files, 1)
        self._due = time.monotonic()

    def rest(self, done: int) -> float:
        """How long to wait after so many more files."""
        self._due += done * self._each
        return max(0.0, self._due - time.monotonic())
