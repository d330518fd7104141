"""Everything about quotas: when a job may begin, and which of the blocked ones may next.

A limit is tested while a job is PENDING, against the jobs of the whole tenant that take a place on the execution
system. The app's own limits count the same jobs, whichever app they are of: that is how the real service does it.
Zero, negative and absent limits mean none.

Blocked jobs wait in lines: those of one owner, app, system and queue meet the same limits, so only the first of each
line is tested again, and when it may go on the next is. Thousands of blocked jobs then cost as much as one.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable

from msgspec import Struct

from weft.service.apps.model import App
from weft.service.jobs.ledger import Counts
from weft.service.jobs.model import Job
from weft.service.systems.attributes import INT_MAX
from weft.service.systems.model import System

Place = tuple[str, str]
"""Tenant and execution system: where a place gets free."""


class Limits(Struct, frozen=True):
    """How many jobs may take a place at most; None for no limit."""

    system: int | None = None
    system_user: int | None = None
    queue: int | None = None
    queue_user: int | None = None

    def __bool__(self) -> bool:
        return any(
            limit is not None for limit in (self.system, self.system_user, self.queue, self.queue_user)
        )


def limits(app: App, system: System, queue_name: str | None) -> Limits:
    queue = system.queue(queue_name)
    return Limits(
        _least(app.max_jobs, system.job_max_jobs),
        _least(app.max_jobs_per_user, system.job_max_jobs_per_user),
        _least(queue.max_jobs) if queue else None,
        _least(queue.max_jobs_per_user) if queue else None,
    )


def _least(*given: int | None) -> int | None:
    return min((limit for limit in given if limit is not None and 0 < limit < INT_MAX), default=None)


def reached(job: Job, allowed: Limits, counts: Counts) -> str | None:
    """Which limit keeps the job from beginning, in words; None when none does."""
    system, queue, owner = job.exec_system_id, job.exec_system_logical_queue, job.owner
    for limit, count, what in (
        (allowed.system, counts.system, f"on system {system}"),
        (allowed.system_user, counts.system_user, f"of user {owner} on system {system}"),
        (allowed.queue, counts.queue, f"in queue {queue} of system {system}"),
        (allowed.queue_user, counts.queue_user, f"of user {owner} in queue {queue} of system {system}"),
    ):
        if limit is not None and count >= limit:
            return f"JOBS_QUOTA_EXCEEDED There are {count} active jobs {what}, and {limit} are allowed."
    return None


class Lines:
    """The lines of blocked jobs; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[str | None, ...], list[tuple[int, str]]] = {}
        self._line_of: dict[str, tuple[str | None, ...]] = {}

    def enter(self, job: Job) -> bool:
        """Put the job into its line, where it is not in it yet; whether it is the first there."""
        line = _line(job)
        with self._lock:
            waiting = self._lines.setdefault(line, [])
            if job.uuid not in self._line_of:
                bisect.insort(waiting, (job.id, job.uuid))
                self._line_of[job.uuid] = line
            return waiting[0][1] == job.uuid

    def leave(self, uuid: str) -> str | None:
        """Take a job out, if it is in a line; the one to be tested next because of it."""
        with self._lock:
            line = self._line_of.pop(uuid, None)
            if line is None:
                return None
            waiting = self._lines[line]
            first = waiting[0][1] == uuid
            waiting[:] = [entry for entry in waiting if entry[1] != uuid]
            if not waiting:
                del self._lines[line]
                return None
            return waiting[0][1] if first else None

    def first(self, place: Place) -> Iterable[str]:
        """The first of each line for a place, the oldest job first."""
        with self._lock:
            heads = sorted(waiting[0] for line, waiting in self._lines.items() if line[:2] == place)
        return [uuid for _, uuid in heads]


def _line(job: Job) -> tuple[str | None, ...]:
    return (
        job.tenant,
        job.exec_system_id,
        job.exec_system_logical_queue,
        job.owner,
        job.app_id,
        job.app_version,
    )
