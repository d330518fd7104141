"""What a job is asked to be, attribute by attribute: the request's word, else the app's, the system's, or a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import Struct, UnsetType

from weft.service.answers import Problem
from weft.service.apps.model import App, ArchiveMode, DeliveryTarget, JobType
from weft.service.jobs.model import (
    TTL_DEFAULT,
    TTL_MAX,
    SubmitRequest,
    SubscribeRequest,
    Subscription,
    as_text,
)
from weft.service.jobs.request import limits
from weft.service.jobs.request.limits import Size
from weft.service.systems.model import LogicalQueue, System

T = TypeVar("T")

NODES, CORES, MEMORY_MB, MINUTES = 1, 1, 100, 10
NOTES_MAX = 131_072
"""Bytes of a job's notes."""
TAGS_MAX = 128


class Command(Struct, frozen=True):
    """What stands before the program."""

    is_mpi: bool
    mpi_cmd: str | None
    prefix: str | None


class Archiving(Struct, frozen=True):
    """What is archived; ``named`` if it was said by its newer name."""

    mode: ArchiveMode
    named: bool

    @property
    def on_app_error(self) -> bool:
        return self.mode == "ALWAYS"


def check_available(app: App, system: System, archive_system: System) -> None:
    """Refuse an app or systems that jobs cannot use as they are."""
    if not (app.enabled and app.version_enabled):
        raise Problem(400, f"JOBS_APP_NOT_AVAILABLE app {app.id} version {app.version} is disabled")
    for each in (system, archive_system):
        if not each.enabled:
            raise Problem(400, f"JOBS_SYSTEM_NOT_AVAILABLE system {each.id} is disabled")
    if not system.can_exec:
        raise Problem(400, f"JOBS_INVALID_EXEC_SYSTEM system {system.id} cannot run jobs: canExec is false")
    if not system.job_working_dir or not system.job_runtimes:
        raise Problem(
            400,
            f"JOBS_INVALID_EXEC_SYSTEM system {system.id} cannot run jobs without jobWorkingDir and jobRuntimes",
        )
    if app.runtime == "SINGULARITY" and "SINGULARITY_RUN" not in (app.runtime_options or ()):
        raise Problem(
            400, f"TAPIS_SINGULARITY_OPTION_MISSING app {app.id} has no runtimeOptions SINGULARITY_RUN"
        )


def first(given: T | UnsetType, defined: T) -> T:
    return defined if isinstance(given, UnsetType) else given


def text(*values: str | UnsetType | None) -> str | None:
    """The first text that is not blank."""
    for value in values:
        if isinstance(value, str) and value and not value.isspace():
            return value
    return None


def _number(given: int | UnsetType, defined: int, default: int) -> int:
    number = first(given, defined)
    return number if number > 0 else default


def size(request: SubmitRequest, app: App) -> Size:
    attributes = app.job_attributes
    return Size(
        _number(request.node_count, attributes.node_count, NODES),
        _number(request.cores_per_node, attributes.cores_per_node, CORES),
        _number(request.memory_mb, attributes.memory_mb, MEMORY_MB),
        _number(request.max_minutes, attributes.max_minutes, MINUTES),
    )


def job_type(request: SubmitRequest, app: App, system: System) -> JobType:
    default: JobType = "BATCH" if system.can_run_batch else "FORK"
    chosen = first(request.job_type, app.job_type or default)
    if chosen == "BATCH":
        if not system.can_run_batch:
            raise Problem(
                400,
                f"JOBS_INVALID_JOBTYPE system {system.id} runs no batch jobs: canRunBatch is false",
            )
        if app.runtime == "DOCKER":
            raise Problem(400, "JOBS_INVALID_JOBTYPE Docker containers run as FORK only, not as BATCH")
    return chosen


def queue(request: SubmitRequest, app: App, system: System, kind: JobType) -> LogicalQueue | None:
    """The queue of a batch job; other jobs have none."""
    if kind != "BATCH":
        return None
    attributes = app.job_attributes
    name = text(
        request.exec_system_logical_queue,
        attributes.exec_system_logical_queue,
        system.batch_default_logical_queue,
    )
    if name is None:
        raise Problem(
            400,
            f"JOBS_NO_LOGICAL_QUEUE neither request nor app {app.id} nor system {system.id} names a queue",
        )
    chosen = system.queue(limits.safe(name, "execSystemLogicalQueue"))
    if chosen is None:
        names = ", ".join(each.name for each in system.batch_logical_queues)
        raise Problem(
            400,
            f"JOBS_INVALID_LOGICAL_QUEUE system {system.id} has no queue {name[:80]!r}; it has {names or 'none'}",
        )
    return chosen


def archiving(request: SubmitRequest, app: App) -> Archiving:
    """What is archived; the newer name goes before the older one, the request before the app."""
    attributes = app.job_attributes
    if not isinstance(request.archive_mode, UnsetType):
        return Archiving(request.archive_mode, True)
    if isinstance(request.archive_on_app_error, UnsetType) and attributes.archive_mode is not None:
        return Archiving(attributes.archive_mode, True)
    on_error = first(request.archive_on_app_error, attributes.archive_on_app_error)
    return Archiving("ALWAYS" if on_error else "SKIP_ON_FAIL", False)


def command(request: SubmitRequest, app: App, system: System) -> Command:
    """What stands before the program; MPI and any other prefix exclude each other."""
    attributes = app.job_attributes
    is_mpi = first(request.is_mpi, attributes.is_mpi)
    mpi_cmd = _stripped(text(request.mpi_cmd, attributes.mpi_cmd, system.mpi_cmd))
    prefix = _stripped(text(request.cmd_prefix, attributes.cmd_prefix))
    if is_mpi and mpi_cmd is None:
        raise Problem(
            400, "JOBS_MISSING_MPI_CMD isMpi needs an mpiCmd: of the request, the app or the system"
        )
    if is_mpi and prefix is not None:
        raise Problem(400, "JOBS_MPI_CMD_CONFLICT isMpi and cmdPrefix exclude each other")
    if prefix is not None and not system.enable_cmd_prefix:
        raise Problem(400, f"JOBS_CMD_PREFIX_NOT_ENABLED system {system.id} does not allow a cmdPrefix")
    if mpi_cmd is not None:
        limits.safe(mpi_cmd, "mpiCmd")
    if prefix is not None:
        limits.no_control(prefix, "cmdPrefix")
    return Command(is_mpi, mpi_cmd, prefix)


def dynamic(request: SubmitRequest, app: App) -> bool:
    """Is the execution system to be chosen by what it offers?"""
    return first(request.dynamic_exec_system, app.job_attributes.dynamic_exec_system)


def description(request: SubmitRequest, app: App, owner: str, tenant: str) -> str:
    default = f"{app.id}-{app.version} submitted by {owner}@{tenant}"
    return text(request.description, app.job_attributes.description) or default


def _stripped(value: str | None) -> str | None:
    return None if value is None else value.strip()


def constraints(request: SubmitRequest, app: App) -> list[str] | None:
    merged = [
        *(request.exec_system_constraints or ()),
        *(app.job_attributes.exec_system_constraints or ()),
    ]
    for each in merged:
        limits.no_control(each, "execSystemConstraints")
    return merged or None


def tags(request: SubmitRequest, app: App) -> list[str]:
    merged = sorted({*unique_tags(request.tags or []), *app.job_attributes.tags})
    if len(merged) > TAGS_MAX:
        raise Problem(400, f"JOBS_TOO_MANY_TAGS a job has up to {TAGS_MAX} tags, with those of its app")
    return merged


def unique_tags(given: list[str]) -> list[str]:
    """The tags in alphabetic order, none of them twice."""
    if len(set(given)) != len(given):
        raise Problem(
            400, "NET_INVALID_JSON_INPUT The request is not valid: tags: the same tag is there twice"
        )
    return sorted(given)


def notes(request: SubmitRequest, app: App) -> str:
    return notes_text(first(request.notes, app.notes))


def notes_text(given: Mapping[str, Any]) -> str:
    """A job's notes as JSON text."""
    text = as_text(given)
    if len(text.encode()) > NOTES_MAX:
        raise Problem(400, f"JOBS_NOTES_TOO_LONG notes are larger than {NOTES_MAX} bytes")
    return text


def subscriptions(request: SubmitRequest, app: App) -> list[Subscription]:
    """The request's subscriptions, then the app's."""
    of_app = [
        Subscription(
            enabled=each.enabled,
            ttl_minutes=lifetime(each.ttl_minutes),
            description=each.description,
            delivery_targets=each.delivery_targets,
            event_category_filter=each.job_event_category_filter,
        )
        for each in app.job_attributes.subscriptions
    ]
    return [*(subscription(each) for each in request.subscriptions or ()), *of_app]


def subscription(asked: SubscribeRequest) -> Subscription:
    """What comes of a subscription that a user asks for."""
    for target in asked.delivery_targets:
        limits.no_control(target.delivery_address, "deliveryAddress")
        if target.delivery_method == "WEBHOOK" and not target.delivery_address.startswith(
            ("http://", "https://")
        ):
            raise Problem(
                400,
                "JOBS_INVALID_DELIVERY_TARGET a webhook's deliveryAddress begins with http:// or https://",
            )
        if target.delivery_method == "EMAIL" and "@" not in target.delivery_address:
            raise Problem(400, "JOBS_INVALID_DELIVERY_TARGET an e-mail's deliveryAddress has an @")
    return Subscription(
        enabled=asked.enabled,
        ttl_minutes=lifetime(asked.ttl_minutes),
        description=asked.description or None,
        delivery_targets=[
            DeliveryTarget(delivery_method=each.delivery_method, delivery_address=each.delivery_address)
            for each in asked.delivery_targets
        ],
        event_category_filter=asked.event_category_filter,
    )


def lifetime(minutes: int) -> int:
    """Minutes that a subscription lives."""
    return min(minutes, TTL_MAX) if minutes > 0 else TTL_DEFAULT
