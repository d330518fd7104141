"""The rules between the attributes of a system; everything about them lives here."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from weft.service.systems.attributes import NOT_SET, control_characters, repeated, upward, variables
from weft.service.systems.model import LogicalQueue, System

HOST_EVAL = "HOST_EVAL("


def complaints(system: System) -> list[str]:
    """What is wrong with a definition, each beginning with the path of the attribute; empty when nothing is."""
    return [
        *control_characters(msgspec.to_builtins(system)),
        *_root(system),
        *_kind(system),
        *(_execution(system) if system.can_exec else ()),
        *(_batch(system) if system.can_run_batch else ()),
        *_queues(system.batch_logical_queues),
        *variables(system.job_env_variables, "jobEnvVariables"),
        *_unset(system),
    ]


def _root(system: System) -> Iterator[str]:
    yield from upward(system.root_dir, "rootDir")
    yield from upward(system.job_working_dir, "jobWorkingDir")
    if system.system_type in ("LINUX", "IRODS") and not system.root_dir.startswith(("/", HOST_EVAL)):
        yield f"rootDir: must be an absolute path or begin with HOST_EVAL, for the type {system.system_type}"


def _kind(system: System) -> Iterator[str]:
    if system.system_type == "S3" and not system.bucket_name:
        yield "bucketName: a system of the type S3 needs one"
    if system.system_type == "IRODS" and system.port < 1:
        yield "port: a system of the type IRODS needs one"
    if system.can_exec and system.system_type != "LINUX":
        yield f"canExec: a system of the type {system.system_type} cannot execute jobs"
    if system.dtn_system_id and not system.can_exec:
        yield "dtnSystemId: only a system that can execute jobs has one"
    if (
        system.default_authn_method == "CERT"
        and not system.is_dynamic
        and system.effective_user_id != system.owner
    ):
        yield "effectiveUserId: with CERT it is the owner or ${apiUserId}"


def _execution(system: System) -> Iterator[str]:
    if not system.job_working_dir:
        yield "jobWorkingDir: a system that can execute jobs needs one"
    if not system.job_runtimes:
        yield "jobRuntimes: a system that can execute jobs needs at least one"


def _batch(system: System) -> Iterator[str]:
    if not system.batch_scheduler:
        yield "batchScheduler: a system that can run batch jobs needs one"
    if not system.batch_logical_queues:
        yield "batchLogicalQueues: a system that can run batch jobs needs at least one"
    elif not system.batch_default_logical_queue:
        yield "batchDefaultLogicalQueue: a system with several queues needs to name one"
    elif system.queue(system.batch_default_logical_queue) is None:
        yield f"batchDefaultLogicalQueue: {system.batch_default_logical_queue!r} is none of the logical queues"


def _queues(queues: list[LogicalQueue]) -> Iterator[str]:
    yield from repeated([queue.name for queue in queues], "batchLogicalQueues")
    for number, queue in enumerate(queues):
        for least, most, attribute in (
            (queue.min_node_count, queue.max_node_count, "NodeCount"),
            (queue.min_cores_per_node, queue.max_cores_per_node, "CoresPerNode"),
            (queue.min_memory_mb, queue.max_memory_mb, "MemoryMB"),
            (queue.min_minutes, queue.max_minutes, "Minutes"),
        ):
            if 0 <= most < least:  # a negative maximum is none
                yield f"batchLogicalQueues[{number}].min{attribute}: {least} exceeds max{attribute}, which is {most}"


def _unset(system: System) -> Iterator[str]:
    """A variable that jobs must give cannot have a value already."""
    for number, each in enumerate(system.job_env_variables):
        if each.input_mode == "REQUIRED" and each.value not in ("", NOT_SET):
            yield f"jobEnvVariables[{number}].value: a REQUIRED variable of a system must be {NOT_SET}"
