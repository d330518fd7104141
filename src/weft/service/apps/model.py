"""An app's definition: every public attribute with its default and its limits.

The limits of single attributes are here; rules between attributes live in ``rules.py``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from weft.service.systems.attributes import (
    ArgDescription,
    Command,
    Definition,
    Description,
    Dir,
    EnvKey,
    EnvVariable,
    InputMode,
    Name,
    Positive,
    QueueName,
    Reference,
    Tag,
    Text,
    Version,
    Whole,
)

JobType = Literal["BATCH", "FORK"]
Runtime = Literal["SINGULARITY", "DOCKER", "ZIP"]
RuntimeOption = Literal["NONE", "SINGULARITY_RUN"]
FileInputMode = Literal["REQUIRED", "OPTIONAL", "FIXED"]
ArchiveMode = Literal["ALWAYS", "SKIP_ON_FAIL", "NEVER"]

Filter = Annotated[str, Meta(min_length=1, max_length=4096)]
Constraint = Annotated[str, Meta(min_length=3, max_length=4096)]
FileName = Annotated[str, Meta(min_length=1, max_length=255)]


class ArgSpec(msgspec.Struct, rename="camel", kw_only=True):
    """One argument of the app, of its container or of the scheduler; `arg` is used verbatim."""

    name: Name
    description: ArgDescription | None = None
    input_mode: InputMode = "INCLUDE_ON_DEMAND"
    arg: Annotated[str, Meta(max_length=65536)] | None = None
    notes: dict[str, Any] = msgspec.field(default_factory=dict)


class ArchiveFilter(msgspec.Struct, rename="camel", kw_only=True):
    """Which outputs are archived: globs, or regular expressions after ``REGEX:``."""

    includes: list[Filter] = msgspec.field(default_factory=list)
    excludes: list[Filter] = msgspec.field(default_factory=list)
    include_launch_files: bool = True


class LogConfig(msgspec.Struct, rename="camel", kw_only=True):
    """The files that take standard output and standard error."""

    stdout_filename: FileName
    stderr_filename: FileName


class ParameterSet(msgspec.Struct, rename="camel", kw_only=True):
    """Everything that a job hands to its app besides files."""

    app_args: list[ArgSpec] = msgspec.field(default_factory=list)
    container_args: list[ArgSpec] = msgspec.field(default_factory=list)
    scheduler_options: list[ArgSpec] = msgspec.field(default_factory=list)
    env_variables: list[EnvVariable] = msgspec.field(default_factory=list)
    archive_filter: ArchiveFilter = msgspec.field(default_factory=ArchiveFilter)
    log_config: LogConfig | None = None


class FileInput(msgspec.Struct, rename="camel", kw_only=True):
    """A file or directory that a job's inputs hold."""

    name: Name
    description: ArgDescription | None = None
    input_mode: FileInputMode = "OPTIONAL"
    env_key: EnvKey | None = None
    auto_mount_local: bool = True
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    source_url: Text | None = None
    target_path: Text


class FileInputArray(msgspec.Struct, rename="camel", kw_only=True):
    """Several files or directories that are put into one directory of a job's inputs."""

    name: Name
    description: ArgDescription | None = None
    input_mode: FileInputMode = "OPTIONAL"
    env_key: EnvKey | None = None
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    source_urls: list[Text] = msgspec.field(default_factory=list)
    target_dir: Text


class DeliveryTarget(msgspec.Struct, rename="camel", kw_only=True):
    """Where a notification goes."""

    delivery_method: Literal["WEBHOOK", "EMAIL"]
    delivery_address: Text


class AppSubscription(msgspec.Struct, rename="camel", kw_only=True):
    """A subscription that every job of the app gets."""

    description: Description | None = None
    enabled: bool = True
    job_event_category_filter: Literal[
        "ALL",
        "JOB_NEW_STATUS",
        "JOB_INPUT_TRANSACTION_ID",
        "JOB_ARCHIVE_TRANSACTION_ID",
        "JOB_ERROR_MESSAGE",
        "JOB_SUBSCRIPTION",
    ]
    ttl_minutes: Whole = 10080
    delivery_targets: Annotated[list[DeliveryTarget], Meta(min_length=1)]


class JobAttributes(msgspec.Struct, rename="camel", kw_only=True):
    """What the app's jobs have unless they ask for something else."""

    description: Description | None = None
    dynamic_exec_system: bool = False
    exec_system_constraints: Annotated[list[Constraint], Meta(min_length=1)] | None = None
    exec_system_id: Reference | None = None
    exec_system_exec_dir: Dir | None = None
    exec_system_input_dir: Dir | None = None
    exec_system_output_dir: Dir | None = None
    dtn_system_input_dir: Dir | None = None
    dtn_system_output_dir: Dir | None = None
    exec_system_logical_queue: QueueName | None = None
    archive_system_id: Reference | None = None
    archive_system_dir: Dir | None = None
    archive_on_app_error: bool = True
    archive_mode: ArchiveMode | None = None
    is_mpi: bool = False
    mpi_cmd: Command | None = None
    cmd_prefix: Command | None = None
    parameter_set: ParameterSet = msgspec.field(default_factory=ParameterSet)
    file_inputs: list[FileInput] = msgspec.field(default_factory=list)
    file_input_arrays: list[FileInputArray] = msgspec.field(default_factory=list)
    node_count: Positive = 1
    cores_per_node: Positive = 1
    memory_mb: Positive = msgspec.field(default=100, name="memoryMB")
    max_minutes: Positive = 10
    subscriptions: list[AppSubscription] = msgspec.field(default_factory=list)
    tags: list[Tag] = msgspec.field(default_factory=list)


class App(Definition, rename="camel", kw_only=True):
    """A version of an app as it is registered; what its owner gives is checked as one, too."""

    version: Version
    version_enabled: bool = True
    locked: bool = False
    runtime: Runtime = "DOCKER"
    runtime_version: Annotated[str, Meta(max_length=128)] | None = None
    runtime_options: list[RuntimeOption] | None = None
    container_image: Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"\S")]
    job_type: JobType | None = None
    max_jobs: Whole = -1
    max_jobs_per_user: Whole = -1
    strict_file_inputs: bool = False
    job_attributes: JobAttributes = msgspec.field(default_factory=JobAttributes)
    shared_app_ctx: str | None = None
    """Who shared the app with the user that asks, where it was shared; filled in by `Apps.visible`."""
