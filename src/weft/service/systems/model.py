"""A system's definition, and its scheduler profile: every public attribute with its default and its limits.

The limits of single attributes are here; rules between attributes live in ``rules.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from weft.service.systems.attributes import (
    CALLER,
    INT_MAX,
    Command,
    Definition,
    Description,
    Dir,
    EffectiveUser,
    EnvVariable,
    LoginName,
    Port,
    QueueName,
    Reference,
    Text,
    UserName,
    Whole,
)

SystemType = Literal["LINUX", "S3", "IRODS", "GLOBUS"]
AuthnMethod = Literal["PASSWORD", "PKI_KEYS", "ACCESS_KEY", "TOKEN", "TMS_KEYS", "CERT"]
RuntimeType = Literal["DOCKER", "SINGULARITY", "ZIP"]
SchedulerType = Literal["SLURM", "CONDOR", "PBS", "SGE", "UGE", "TORQUE"]
HiddenOption = Literal["MEM", "PARTITION"]

HostName = Annotated[
    str, Meta(min_length=1, max_length=256, pattern=r"\A[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?\Z")
]

ProfileName = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\A[A-Za-z][A-Za-z0-9._~-]*\Z")]


class JobRuntime(msgspec.Struct, rename="camel", kw_only=True):
    """A runtime that jobs may use on a system."""

    runtime_type: RuntimeType
    version: Text | None = None


class LogicalQueue(msgspec.Struct, rename="camel", kw_only=True):
    """A queue as users see it, with the limits that jobs must keep."""

    name: QueueName
    hpc_queue_name: QueueName
    description: Description | None = None
    max_jobs: Whole = INT_MAX
    max_jobs_per_user: Whole = INT_MAX
    min_node_count: Whole = 1
    max_node_count: Whole = INT_MAX
    min_cores_per_node: Whole = 1
    max_cores_per_node: Whole = INT_MAX
    min_memory_mb: Whole = msgspec.field(default=1, name="minMemoryMB")
    max_memory_mb: Whole = msgspec.field(default=INT_MAX, name="maxMemoryMB")
    min_minutes: Whole = 1
    max_minutes: Whole = INT_MAX


class Capability(msgspec.Struct, rename="camel", kw_only=True):
    """Something that a system offers to jobs."""

    category: Literal["SCHEDULER", "OS", "HARDWARE", "SOFTWARE", "JOB", "CONTAINER", "MISC", "CUSTOM"]
    name: Text
    datatype: Literal["STRING", "INTEGER", "BOOLEAN", "NUMBER", "TIMESTAMP"]
    precedence: Whole = 100
    value: Annotated[str, Meta(max_length=4096)] | None = None


class Credential(msgspec.Struct, rename="camel", kw_only=True):
    """What opens a host for one user. Never answered, never logged: its text says only which parts there are."""

    login_user: LoginName | None = None
    password: Annotated[str, Meta(max_length=65536)] | None = None
    private_key: Annotated[str, Meta(max_length=65536)] | None = None
    public_key: Annotated[str, Meta(max_length=65536)] | None = None
    access_key: Annotated[str, Meta(max_length=65536)] | None = None
    access_secret: Annotated[str, Meta(max_length=65536)] | None = None
    access_token: Annotated[str, Meta(max_length=65536)] | None = None
    refresh_token: Annotated[str, Meta(max_length=65536)] | None = None
    certificate: Annotated[str, Meta(max_length=65536)] | None = None

    def __repr__(self) -> str:
        return f"Credential({', '.join(name for name in self.__struct_fields__ if getattr(self, name) is not None)})"


class System(Definition, rename="camel", kw_only=True):
    """A system as it is registered; what its owner gives is checked as one, too."""

    system_type: SystemType
    host: HostName
    effective_user_id: EffectiveUser = CALLER
    default_authn_method: AuthnMethod
    bucket_name: Annotated[str, Meta(max_length=63)] | None = None
    root_dir: Annotated[str, Meta(max_length=4096)] = "/"
    port: Port = -1
    use_proxy: bool = False
    proxy_host: HostName | None = None
    proxy_port: Port = -1
    dtn_system_id: Reference | None = None
    can_exec: bool
    can_run_batch: bool = False
    enable_cmd_prefix: bool = False
    allow_children: bool = False
    parent_id: Reference | None = None
    mpi_cmd: Command | None = None
    job_runtimes: list[JobRuntime] = msgspec.field(default_factory=list)
    job_working_dir: Dir | None = None
    job_env_variables: list[EnvVariable] = msgspec.field(default_factory=list)
    job_max_jobs: Whole = INT_MAX
    job_max_jobs_per_user: Whole = INT_MAX
    batch_scheduler: SchedulerType | None = None
    batch_logical_queues: list[LogicalQueue] = msgspec.field(default_factory=list)
    batch_default_logical_queue: QueueName | None = None
    batch_scheduler_profile: Reference | None = None
    job_capabilities: list[Capability] = msgspec.field(default_factory=list)

    @property
    def is_dynamic(self) -> bool:
        """Is the effective user whoever asks?"""
        return self.effective_user_id == CALLER

    def effective_user(self, user: str) -> str:
        """The login user on the host when `user` asks, unless a credential maps it to another one."""
        return user if self.is_dynamic else self.effective_user_id

    def queue(self, name: str | None) -> LogicalQueue | None:
        """The logical queue of that name, if the system has it."""
        return next((queue for queue in self.batch_logical_queues if queue.name == name), None)


class ModuleLoad(msgspec.Struct, rename="camel", kw_only=True):
    """One command with the modules to load by it."""

    module_load_command: Text
    modules_to_load: list[Text] = msgspec.field(default_factory=list)


class SchedulerProfile(msgspec.Struct, rename="camel", kw_only=True):
    """A scheduler profile: lines for the batch script, and options to leave out of it."""

    name: ProfileName
    description: Description | None = None
    owner: UserName = CALLER
    module_loads: list[ModuleLoad] = msgspec.field(default_factory=list)
    hidden_options: list[HiddenOption] = msgspec.field(default_factory=list)
    tenant: str = ""
    uuid: str = ""
    created: str = ""
    updated: str = ""
