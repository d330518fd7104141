"""What a user asks for, and what a job is: the request of a submission and the job that comes of it.

A request is strict: a key that is not known, or a null where the real service takes none, is a mistake that is told.
A job carries its inputs, parameters and subscriptions as structures; in answers they are JSON *strings*, as the real
service gives them (``tables.shown``). Attributes below the line that says so are the service's own and never answered.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from weft.service.apps.model import ArchiveFilter, ArchiveMode, DeliveryTarget, Filter, JobType, LogConfig
from weft.service.jobs.states import Condition, RemoteOutcome, Status
from weft.service.systems.attributes import INT_MAX

EventFilter = Literal[
    "JOB_NEW_STATUS",
    "JOB_INPUT_TRANSACTION_ID",
    "JOB_ARCHIVE_TRANSACTION_ID",
    "JOB_SUBSCRIPTION",
    "JOB_SHARE_EVENT",
    "JOB_ERROR_MESSAGE",
    "JOB_USER_EVENT",
    "ALL",
]
JobResource = Literal["JOB_HISTORY", "JOB_RESUBMIT_REQUEST", "JOB_OUTPUT", "JOB_INPUT"]

TTL_DEFAULT = 10_080
TTL_MAX = 40_320
"""Minutes a subscription lives: one week, and four at most."""
EVENT_DATA_MAX = 16_384 - 1024
"""Characters of a user's event."""

_Name = Annotated[str, Meta(min_length=1, max_length=80)]
_Id = Annotated[str, Meta(min_length=1, max_length=80)]
_Description = Annotated[str, Meta(min_length=1, max_length=2048)]
_ArgDescription = Annotated[str, Meta(max_length=8096)]
_Dir = Annotated[str, Meta(min_length=1, max_length=4096)]
_Text = Annotated[str, Meta(max_length=65536)]
_Url = Annotated[str, Meta(max_length=4096)]
_Whole = Annotated[int, Meta(ge=-INT_MAX - 1, le=INT_MAX)]
_Notes = dict[str, Any]
_Key = Annotated[str, Meta(min_length=1, max_length=256)]

Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=128)]


class _Strict(Struct, rename="camel", forbid_unknown_fields=True):
    """A part of a request."""


class ArgGiven(_Strict, kw_only=True):
    """An argument of the app, its container or the scheduler, or what to change of the app's one of that name."""

    name: _Name | UnsetType = UNSET
    description: _ArgDescription | UnsetType = UNSET
    include: bool | UnsetType = UNSET
    arg: _Text
    notes: _Notes | UnsetType = UNSET


class EnvGiven(_Strict, kw_only=True):
    key: _Key
    value: _Text | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    include: bool | UnsetType = UNSET
    notes: _Notes | UnsetType = UNSET


class FilterGiven(_Strict, kw_only=True):
    includes: list[Filter] | UnsetType = UNSET
    excludes: list[Filter] | UnsetType = UNSET
    include_launch_files: bool | UnsetType = UNSET


class LogGiven(_Strict, kw_only=True):
    stdout_filename: Annotated[str, Meta(min_length=1, max_length=255)]
    stderr_filename: Annotated[str, Meta(min_length=1, max_length=255)]


class ParametersGiven(_Strict, kw_only=True):
    app_args: list[ArgGiven] | UnsetType = UNSET
    container_args: list[ArgGiven] | UnsetType = UNSET
    scheduler_options: list[ArgGiven] | UnsetType = UNSET
    env_variables: list[EnvGiven] | UnsetType = UNSET
    archive_filter: FilterGiven | UnsetType = UNSET
    log_config: LogGiven | UnsetType = UNSET


class InputGiven(_Strict, kw_only=True):
    """A file or folder to be put below the job's input directory."""

    name: _Name | UnsetType = UNSET
    description: _ArgDescription | UnsetType = UNSET
    env_key: _Key | UnsetType = UNSET
    auto_mount_local: bool | UnsetType = UNSET
    source_url: _Url | UnsetType = UNSET
    target_path: _Dir | UnsetType = UNSET
    notes: _Notes | UnsetType = UNSET


class InputArrayGiven(_Strict, kw_only=True):
    name: _Name | UnsetType = UNSET
    description: _ArgDescription | UnsetType = UNSET
    env_key: _Key | UnsetType = UNSET
    source_urls: list[_Url] | UnsetType | None = UNSET
    target_dir: _Dir | UnsetType = UNSET
    notes: _Notes | UnsetType = UNSET


class TargetGiven(_Strict, kw_only=True):
    delivery_method: Literal["WEBHOOK", "EMAIL"]
    delivery_address: Annotated[str, Meta(min_length=1, max_length=2048)]


class SubscribeRequest(_Strict, kw_only=True):
    """Whom to tell about which events of a job."""

    description: _Description | UnsetType = UNSET
    enabled: bool = True
    ttl_minutes: _Whole = TTL_DEFAULT
    event_category_filter: EventFilter
    delivery_targets: Annotated[list[TargetGiven], Meta(min_length=1, max_length=16)]


class SubmitRequest(_Strict, kw_only=True):
    """The body of ``submitJob``; what is not given comes from the app, the system, or the defaults in ``merge``."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
    owner: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    tenant: Annotated[str, Meta(min_length=1, max_length=24)] | UnsetType = UNSET
    description: _Description | UnsetType = UNSET
    app_id: _Id
    app_version: Annotated[str, Meta(min_length=1, max_length=64)]
    job_type: JobType | UnsetType = UNSET
    archive_on_app_error: bool | UnsetType = UNSET
    archive_mode: ArchiveMode | UnsetType = UNSET
    dynamic_exec_system: bool | UnsetType = UNSET
    exec_system_id: _Id | UnsetType = UNSET
    exec_system_exec_dir: _Dir | UnsetType = UNSET
    exec_system_input_dir: _Dir | UnsetType = UNSET
    exec_system_output_dir: _Dir | UnsetType = UNSET
    exec_system_logical_queue: _Id | UnsetType = UNSET
    archive_system_id: _Id | UnsetType = UNSET
    archive_system_dir: _Dir | UnsetType = UNSET
    dtn_system_input_dir: _Dir | UnsetType = UNSET
    dtn_system_output_dir: _Dir | UnsetType = UNSET
    node_count: _Whole | UnsetType = UNSET
    cores_per_node: _Whole | UnsetType = UNSET
    memory_mb: _Whole | UnsetType = msgspec.field(default=UNSET, name="memoryMB")
    max_minutes: _Whole | UnsetType = UNSET
    file_inputs: list[InputGiven] | UnsetType = UNSET
    file_input_arrays: list[InputArrayGiven] | UnsetType = UNSET
    parameter_set: ParametersGiven | UnsetType = UNSET
    exec_system_constraints: list[Annotated[str, Meta(max_length=4096)]] | UnsetType = UNSET
    subscriptions: list[SubscribeRequest] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    is_mpi: bool | UnsetType = UNSET
    mpi_cmd: Annotated[str, Meta(max_length=126)] | UnsetType | None = UNSET
    cmd_prefix: Annotated[str, Meta(max_length=1024)] | UnsetType | None = UNSET
    notes: _Notes | UnsetType = UNSET


class Arg(Struct, rename="camel", frozen=True, kw_only=True):
    """An argument as the job has it: ``arg`` is used verbatim, ``notes`` is JSON text."""

    arg: str
    name: str | None = None
    notes: str | None = None
    include: bool | None = None
    description: str | None = None


class Env(Struct, rename="camel", frozen=True, kw_only=True):
    """An environment variable of the job; the list of them is in the order in which they are set."""

    key: str
    notes: str | None = None
    value: str = ""
    include: bool | None = None
    description: str | None = None


class Parameters(Struct, rename="camel", frozen=True, kw_only=True):
    """The job's parameter set: everything settled, all macros replaced."""

    app_args: list[Arg] = []
    log_config: LogConfig
    env_variables: list[Env] = []
    archive_filter: ArchiveFilter
    container_args: list[Arg] = []
    scheduler_options: list[Arg] = []


class Input(Struct, rename="camel", frozen=True, kw_only=True):
    """A file or folder to stage: ``target_path`` is relative to the job's input directory."""

    name: str | None = None
    notes: str | None = None
    env_key: str | None = None
    optional: bool = False
    source_url: str
    target_path: str
    description: str | None = None
    auto_mount_local: bool = True
    src_shared_app_ctx: str = ""
    dest_shared_app_ctx: str = ""


class Subscription(Struct, rename="camel", frozen=True, kw_only=True):
    """A subscription as the job's definition keeps it; the living ones are in a table of their own."""

    enabled: bool = True
    ttl_minutes: int = TTL_DEFAULT
    description: str | None = None
    delivery_targets: list[DeliveryTarget]
    event_category_filter: EventFilter


class Job(Struct, rename="camel", frozen=True, kw_only=True):
    """A job. Times are text (``2026-01-02T03:04:05.123456Z``), directories are below the root of their system."""

    id: int = 0
    name: str
    owner: str
    tenant: str
    description: str
    status: Status = Status.PENDING
    condition: Condition | None = None
    last_message: str | None = None
    created: str
    ended: str | None = None
    last_updated: str
    uuid: str
    app_id: str
    app_version: str
    archive_on_app_error: bool = True
    dynamic_exec_system: bool = False
    exec_system_id: str
    exec_system_exec_dir: str
    exec_system_input_dir: str
    exec_system_output_dir: str
    exec_system_logical_queue: str | None = None
    archive_system_id: str
    archive_system_dir: str
    dtn_system_id: str | None = None
    dtn_system_input_dir: str | None = None
    dtn_system_output_dir: str | None = None
    node_count: int = 1
    cores_per_node: int = 1
    memory_mb: int = msgspec.field(default=100, name="memoryMB")
    max_minutes: int = 10
    file_inputs: list[Input] = []
    parameter_set: Parameters
    exec_system_constraints: list[str] | None = None
    subscriptions: list[Subscription] = []
    blocked_count: int = 0
    remote_job_id: str | None = None
    remote_job_id2: str | None = None
    remote_outcome: RemoteOutcome | None = None
    remote_result_info: str | None = None
    remote_queue: str | None = None
    remote_submitted: str | None = None
    remote_started: str | None = None
    remote_ended: str | None = None
    remote_submit_retries: int = 0
    remote_checks_success: int = 0
    remote_checks_failed: int = 0
    remote_last_status_check: str | None = None
    input_transaction_id: str | None = None
    input_correlation_id: str | None = None
    archive_transaction_id: str | None = None
    archive_correlation_id: str | None = None
    stage_app_transaction_id: str | None = None
    stage_app_correlation_id: str | None = None
    dtn_input_transaction_id: str | None = None
    dtn_input_correlation_id: str | None = None
    dtn_output_transaction_id: str | None = None
    dtn_output_correlation_id: str | None = None
    tapis_queue: str = "tapis.jobq.submit.DefaultQueue"
    visible: bool = True
    createdby: str
    createdby_tenant: str
    tags: list[str] = []
    job_type: JobType
    is_mpi: bool = False
    mpi_cmd: str | None = None
    cmd_prefix: str | None = None
    shared_app_ctx: str = ""
    shared_app_ctx_attribs: list[str] | None = None
    tracking_id: str | None = None
    notes: str = "{}"
    # ---- the service's own from here on
    archive_mode: ArchiveMode = "ALWAYS"
    launch: str = ""
    """What the worker must remember about the launch, as JSON."""
    cancel_asked: bool = False
    watched: int = 0
    """How many living subscriptions there are."""


PRIVATE = frozenset({"archive_mode", "launch", "cancel_asked", "watched"})
"""Attributes of a job that no answer shows."""


def as_text(value: object) -> str:
    """Any structure as JSON text."""
    return msgspec.json.encode(value).decode()
