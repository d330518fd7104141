"""A system as its definition tells it: where jobs run or files lie, and the queues with their bounds. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from weft.errors import WeftError
from weft.tapis.apps import limit

CALLER = "${apiUserId}"
"""The effective user of systems on which everybody acts as himself."""


class Queue(Struct, frozen=True, kw_only=True):
    """One queue of a system, by the name that requests use; a limit that is None does not exist."""

    name: str
    hpc_name: str
    """The scheduler's own name of it."""
    description: str = ""
    max_jobs: int | None = None
    max_jobs_per_user: int | None = None
    min_nodes: int = 1
    max_nodes: int | None = None
    min_cores: int = 1
    """Cores of each node."""
    max_cores: int | None = None
    min_memory_mb: int = 1
    """Memory of each node."""
    max_memory_mb: int | None = None
    min_minutes: int = 1
    max_minutes: int | None = None


class System(Struct, frozen=True, kw_only=True):
    """One system, for running jobs or only for files."""

    id: str
    host: str
    root_dir: str = "/"
    description: str = ""
    enabled: bool = True
    can_exec: bool = False
    can_run_batch: bool = False
    scheduler: str = ""
    queues: tuple[Queue, ...] = ()
    default_queue: str | None = None
    job_max_jobs: int | None = None
    job_max_jobs_per_user: int | None = None
    working_dir: str = ""
    effective_user: str = ""
    dynamic_user: bool = False
    """Does everybody act as himself there, and so need a credential of his own?"""
    authn_method: str = ""
    runtimes: tuple[str, ...] = ()
    mpi_command: str = ""
    no_allocation: bool = False
    """Do the notes say that jobs need no allocation?"""

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> System:
        """Read a definition.

        Raises:
            WeftError: a key is missing or has the wrong type.
        """
        try:
            told = msgspec.convert(definition, _Definition)
        except msgspec.ValidationError as problem:
            raise _damaged(definition, str(problem)) from None
        return _system(told)

    def queue(self, name: str) -> Queue | None:
        """The queue of this name."""
        return next((queue for queue in self.queues if queue.name == name), None)


class _Wire(Struct, kw_only=True, rename="camel"):
    """As Tapis writes it; null is what absence is."""


class _Queue(_Wire):
    name: str
    hpc_queue_name: str | None = None
    description: str | None = None
    max_jobs: int | None = None
    max_jobs_per_user: int | None = None
    min_node_count: int | None = None
    max_node_count: int | None = None
    min_cores_per_node: int | None = None
    max_cores_per_node: int | None = None
    min_memory_mb: int | None = msgspec.field(default=None, name="minMemoryMB")
    max_memory_mb: int | None = msgspec.field(default=None, name="maxMemoryMB")
    min_minutes: int | None = None
    max_minutes: int | None = None


class _Runtime(_Wire):
    runtime_type: str


class _Definition(_Wire):
    id: str
    host: str | None = None
    root_dir: str | None = None
    description: str | None = None
    enabled: bool | None = None
    can_exec: bool | None = None
    can_run_batch: bool | None = None
    batch_scheduler: str | None = None
    batch_logical_queues: list[_Queue] | None = None
    batch_default_logical_queue: str | None = None
    job_max_jobs: int | None = None
    job_max_jobs_per_user: int | None = None
    job_working_dir: str | None = None
    job_runtimes: list[_Runtime] | None = None
    effective_user_id: str | None = None
    is_dynamic_effective_user: bool | None = None
    default_authn_method: str | None = None
    mpi_cmd: str | None = None
    notes: dict[str, Any] | str | None = None


def _damaged(definition: object, said: str) -> WeftError:
    what, _, key = said.partition(" - at `$.")
    name = definition.get("id") if isinstance(definition, Mapping) else None
    place = f"system {name}" if isinstance(name, str) else "system"
    return WeftError(
        f"not the definition of a system: {what[:1].lower() + what[1:]}",
        where=f"{place}: {key.rstrip('`')}" if key else place,
        hint="Tapis gives definitions with systems.getSystem",
    )


def _system(told: _Definition) -> System:
    notes = told.notes if isinstance(told.notes, Mapping) else {}
    user = told.effective_user_id or ""
    return System(
        id=told.id,
        host=told.host or "",
        root_dir=told.root_dir or "/",
        description=told.description or "",
        enabled=told.enabled is not False,
        can_exec=bool(told.can_exec),
        can_run_batch=bool(told.can_run_batch),
        scheduler=told.batch_scheduler or "",
        queues=tuple(_queue(each) for each in told.batch_logical_queues or ()),
        default_queue=told.batch_default_logical_queue or None,
        job_max_jobs=limit(told.job_max_jobs),
        job_max_jobs_per_user=limit(told.job_max_jobs_per_user),
        working_dir=told.job_working_dir or "",
        effective_user=user,
        dynamic_user=user == CALLER
        if told.is_dynamic_effective_user is None
        else told.is_dynamic_effective_user,
        authn_method=told.default_authn_method or "",
        runtimes=tuple(each.runtime_type for each in told.job_runtimes or ()),
        mpi_command=told.mpi_cmd or "",
        no_allocation=notes.get("noAllocationRequired") is True,
    )


def _queue(told: _Queue) -> Queue:
    return Queue(
        name=told.name,
        hpc_name=told.hpc_queue_name or told.name,
        description=told.description or "",
        max_jobs=limit(told.max_jobs),
        max_jobs_per_user=limit(told.max_jobs_per_user),
        min_nodes=told.min_node_count or 1,
        max_nodes=limit(told.max_node_count),
        min_cores=told.min_cores_per_node or 1,
        max_cores=limit(told.max_cores_per_node),
        min_memory_mb=told.min_memory_mb or 1,
        max_memory_mb=limit(told.max_memory_mb),
        min_minutes=told.min_minutes or 1,
        max_minutes=limit(told.max_minutes),
    )
