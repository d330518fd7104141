"""From a request, an app and its systems to a job: all rules of a submission that need nothing but these.

An attribute is the request's if it gives one, else the app's, else the system's, else a default (``choices``). The
order in which things are settled matters, since later ones may speak of earlier ones by macro: numbers and ids, the
name, the directories (``directories``), the logs, then everything else (``inputs``, ``parameters``). Nothing here
touches a file, a clock or the database. What is wrong is a 400 that begins with the real service's key for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from weft.service.answers import Problem
from weft.service.apps.model import App, JobType
from weft.service.apps.rules import ZIP_SAVE
from weft.service.clock import stamp
from weft.service.jobs.model import Arg, Env, Job, Parameters, ParametersGiven, SubmitRequest
from weft.service.jobs.request import choices, limits, parameters
from weft.service.jobs.request.choices import Archiving
from weft.service.jobs.request.directories import Places
from weft.service.jobs.request.inputs import Sharing, merged_arrays, merged_inputs, variables_of
from weft.service.jobs.request.limits import Size
from weft.service.jobs.request.macros import HostEval, Macros, set_times
from weft.service.systems.model import LogicalQueue, System

NAME_MAX = 255
"""Characters of a job's name with its macros replaced: folders bear it, and indexes hold it."""


class Given(Struct, frozen=True, kw_only=True):
    """What a submission knows besides request and definitions."""

    owner: str
    tenant: str
    uuid: str
    created: datetime
    nanoseconds: int = 0
    """What ``created`` is too coarse for, 0 to 999."""
    effective_user: str = ""
    """The user on the execution system's host; as the system says when empty."""
    host_eval: HostEval
    has_profile: Callable[[str], bool]
    """Is there a scheduler profile of that name?"""
    tracking_id: str | None = None
    http_sources: bool = True
    """May inputs come from the web?"""


def merge(request: SubmitRequest, app: App, system: System, archive_system: System, given: Given) -> Job:
    """The job that comes of a request.

    Raises:
        Problem: 400: the request, or what it asks of app and systems, makes no job.
    """
    choices.check_available(app, system, archive_system)
    job_type = choices.job_type(request, app, system)
    queue = choices.queue(request, app, system, job_type)
    size = choices.size(request, app)
    if queue is not None:
        limits.queue_limits(queue, system.id, given.uuid, size)
    archiving = choices.archiving(request, app)
    command = choices.command(request, app, system)

    macros = Macros(given.host_eval)
    _set_ids(macros, request, app, system, archive_system, given)
    _set_choices(macros, size, queue, archiving)
    set_times(macros, given.created, given.nanoseconds)
    name = limits.no_control(macros.soft(request.name), "name")
    if len(name) > NAME_MAX:
        raise Problem(400, f"JOBS_NAME_TOO_LONG name: with its macros it has more than {NAME_MAX} characters")
    macros.set("JobName", name)
    places = Places(request, app, system, archive_system, macros)
    directories = places.settle()
    shared = places.shared()
    sharing = Sharing.of(app, shared)
    inputs = merged_inputs(request.file_inputs or (), app, sharing, http=given.http_sources)
    expanded, folders = merged_arrays(request.file_input_arrays or (), app, sharing, http=given.http_sources)
    files = [*variables_of(inputs), *folders]
    created = stamp(given.created)
    return Job(
        name=name,
        owner=given.owner,
        tenant=given.tenant,
        description=macros.soft(choices.description(request, app, given.owner, given.tenant)),
        created=created,
        last_updated=created,
        last_message="Job created",
        uuid=given.uuid,
        app_id=app.id,
        app_version=app.version,
        archive_on_app_error=archiving.on_app_error,
        archive_mode=archiving.mode,
        dynamic_exec_system=choices.dynamic(request, app),
        exec_system_id=system.id,
        exec_system_exec_dir=directories.exec_dir,
        exec_system_input_dir=directories.input_dir,
        exec_system_output_dir=directories.output_dir,
        exec_system_logical_queue=queue.name if queue else None,
        archive_system_id=archive_system.id,
        archive_system_dir=directories.archive_dir,
        dtn_system_id=directories.dtn_system_id,
        dtn_system_input_dir=directories.dtn_input_dir,
        dtn_system_output_dir=directories.dtn_output_dir,
        node_count=size.nodes,
        cores_per_node=size.cores,
        memory_mb=size.memory,
        max_minutes=size.minutes,
        file_inputs=[*inputs, *expanded],
        parameter_set=_parameters(request, app, system, given, macros, job_type, files),
        exec_system_constraints=choices.constraints(request, app),
        subscriptions=choices.subscriptions(request, app),
        createdby=given.owner,
        createdby_tenant=given.tenant,
        tags=choices.tags(request, app),
        job_type=job_type,
        is_mpi=command.is_mpi,
        mpi_cmd=command.mpi_cmd,
        cmd_prefix=command.prefix,
        shared_app_ctx=app.shared_app_ctx or "",
        shared_app_ctx_attribs=shared or None,
        notes=choices.notes(request, app),
        tracking_id=given.tracking_id,
    )


def _set_ids(
    macros: Macros, request: SubmitRequest, app: App, system: System, archive_system: System, given: Given
) -> None:
    macros.set("JobUUID", given.uuid)
    macros.set("Tenant", given.tenant)
    macros.set("JobOwner", given.owner)
    effective_user = given.effective_user or system.effective_user(given.owner)
    macros.set("EffectiveUserId", limits.safe(effective_user, "effectiveUserId"))
    macros.set("AppId", app.id)
    macros.set("AppVersion", app.version)
    macros.set("ExecSystemId", system.id)
    macros.set("ArchiveSystemId", archive_system.id)
    macros.set("DynamicExecSystem", choices.dynamic(request, app))
    macros.set("SysRootDir", system.root_dir)
    macros.set("SysHost", system.host)
    macros.set("SysBucketName", system.bucket_name)
    macros.set("SysBatchScheduler", system.batch_scheduler)


def _set_choices(macros: Macros, size: Size, queue: LogicalQueue | None, archiving: Archiving) -> None:
    macros.set("Nodes", size.nodes)
    macros.set("CoresPerNode", size.cores)
    macros.set("MemoryMB", size.memory)
    macros.set("MaxMinutes", size.minutes)
    macros.set("ArchiveOnAppError", archiving.on_app_error)
    macros.set("ArchiveMode", archiving.mode if archiving.named else None)
    if queue is not None:
        macros.set("ExecSystemLogicalQueue", queue.name)
        macros.set("ExecSystemHPCQueue", queue.hpc_queue_name)


def _parameters(
    request: SubmitRequest,
    app: App,
    system: System,
    given: Given,
    macros: Macros,
    job_type: JobType,
    files: Sequence[Env],
) -> Parameters:
    asked = request.parameter_set or ParametersGiven()
    defined = app.job_attributes.parameter_set
    log = parameters.merged_log(asked.log_config, defined.log_config)
    log.stdout_filename = _log_file(macros.soft(log.stdout_filename), "stdoutFilename")
    log.stderr_filename = _log_file(macros.soft(log.stderr_filename), "stderrFilename")
    macros.set("StdoutFilename", log.stdout_filename)
    macros.set("StderrFilename", log.stderr_filename)
    app_args = parameters.merged_args(asked.app_args or (), defined.app_args, "appArgs")
    container_args = parameters.merged_args(
        asked.container_args or (), defined.container_args, "containerArgs"
    )
    options = parameters.merged_args(
        asked.scheduler_options or (), defined.scheduler_options, "schedulerOptions"
    )
    options = parameters.with_profile(options, system.batch_scheduler_profile)
    options = parameters.settled(options, macros, "schedulerOptions")
    _check_options(options, given, job_type)
    _check_container_args(container_args, app)
    return Parameters(
        app_args=parameters.settled(app_args, macros, "appArgs"),
        log_config=log,
        env_variables=_environment(request, app, system, macros, files),
        archive_filter=parameters.merged_filter(asked.archive_filter, defined.archive_filter, macros),
        container_args=parameters.settled(container_args, macros, "containerArgs"),
        scheduler_options=options,
    )


def _log_file(name: str, place: str) -> str:
    """A path below the output directory, even if it begins with a slash."""
    path = limits.directory(limits.safe(name, place), place).lstrip("/")
    if not path:
        raise Problem(400, f"TAPIS_PROHIBITED_DIR_PATTERN {place} names no file: {name[:80]!a}")
    return path


def _environment(
    request: SubmitRequest, app: App, system: System, macros: Macros, files: Sequence[Env]
) -> list[Env]:
    """All variables of the job: the users', those of the inputs, and the service's own."""
    asked = request.parameter_set or ParametersGiven()
    variables = parameters.merged_env(
        asked.env_variables or (), app.job_attributes.parameter_set.env_variables, system.job_env_variables
    )
    known = {variable.key for variable in variables}
    for variable in files:
        if variable.key in known:
            raise parameters.duplicate_env(variable.description or "an input", variable.key)
        known.add(variable.key)
    own = [Env(key=key, value=value) for key, value in macros.environment()]
    return parameters.in_order([*variables, *files, *own])


def _check_options(options: Sequence[Arg], given: Given, job_type: JobType) -> None:
    for each in options:
        name, value = limits.option(each.arg)
        if job_type == "BATCH":
            limits.scheduler_option(each.arg)
        if name == limits.PROFILE and not value:
            raise Problem(400, f"JOBS_SCHEDULER_PROFILE_NO_NAME {limits.PROFILE} needs the name of a profile")
        if name == limits.PROFILE and not given.has_profile(value):
            raise Problem(
                400, f"JOBS_SCHEDULER_PROFILE_NOT_FOUND there is no scheduler profile {value[:80]!r}"
            )


def _check_container_args(args: Sequence[Arg], app: App) -> None:
    """The one container argument of a ZIP is for ZIPs only."""
    for each in args:
        if (app.runtime == "ZIP") != (each.arg.strip() == ZIP_SAVE):
            raise Problem(
                400,
                f"JOBS_CONTAINER_UNSUPPORTED_ARG runtime {app.runtime} does not take containerArgs {each.arg[:80]!r}",
            )
