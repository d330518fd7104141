"""Definitions, requests and jobs to start from; every part can be another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import event

from weft.service.apps.model import App, ArchiveFilter, LogConfig
from weft.service.asking import checked
from weft.service.database import Database
from weft.service.jobs.model import Job, Parameters, SubmitRequest
from weft.service.jobs.request.merge import Given, merge
from weft.service.systems.model import System

UUID = "0a1b2c3d-0000-4000-8000-00000000abcd-007"
CREATED = datetime(2026, 5, 7, 22, 15, 14, 785522, timezone.utc)
REGISTERED = {"tenant": "local", "uuid": "u", "created": "", "updated": ""}
VARIABLES = {"SCRATCH": "/scratch/00000/ann", "WORK": "/work/00000/ann"}
QUEUE = {"name": "small", "hpcQueueName": "hpc-small"}


def system(**more: Any) -> System:
    """A system that runs processes; with ``canRunBatch`` it has a queue, too."""
    batch = {"batchScheduler": "SLURM", "batchLogicalQueues": [QUEUE], "batchDefaultLogicalQueue": "small"}
    definition = {
        "id": "exec",
        "systemType": "LINUX",
        "host": "exec.example.org",
        "defaultAuthnMethod": "PKI_KEYS",
        "owner": "ann",
        "rootDir": "/",
        "canExec": True,
        "jobWorkingDir": "/work",
        "jobRuntimes": [{"runtimeType": "ZIP"}],
        **REGISTERED,
        **(batch if more.get("canRunBatch") else {}),
        **more,
    }
    return checked(definition, System)


def app(
    parameters: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **attributes: Any
) -> App:
    """A ZIP app with these job attributes; ``more`` are attributes of the app itself."""
    definition = {
        "id": "tool",
        "version": "1.0",
        "owner": "ann",
        "runtime": "ZIP",
        "containerImage": "tapis://exec/tool.zip",
        "jobAttributes": {"execSystemId": "exec", "parameterSet": parameters or {}, **attributes},
        **REGISTERED,
        **(more or {}),
    }
    return checked(definition, App)


def request(parameters: dict[str, Any] | None = None, **more: Any) -> SubmitRequest:
    body = {"name": "first", "appId": "tool", "appVersion": "1.0", **more}
    if parameters is not None:
        body["parameterSet"] = parameters
    return checked(body, SubmitRequest)


def given(**more: Any) -> Given:
    facts: dict[str, Any] = {
        "owner": "ann",
        "tenant": "local",
        "uuid": UUID,
        "created": CREATED,
        "nanoseconds": 177,
        "host_eval": lambda _system, variable: VARIABLES.get(variable),
        "has_profile": lambda name: name == "known",
        **more,
    }
    return Given(**facts)


def merged(
    asked: SubmitRequest | None = None,
    of_app: App | None = None,
    on: System | None = None,
    archive: System | None = None,
    **more: Any,
) -> Job:
    where = on or system()
    return merge(asked or request(), of_app or app(), where, archive or where, given(**more))


def environment(job: Job) -> dict[str, str]:
    return {variable.key: variable.value for variable in job.parameter_set.env_variables}


def job(**more: Any) -> Job:
    """A job as it is when it has just been submitted."""
    facts: dict[str, Any] = {
        "name": "first",
        "owner": "ann",
        "tenant": "local",
        "description": "a job",
        "created": "2026-05-07T22:15:14.785522Z",
        "last_updated": "2026-05-07T22:15:14.785522Z",
        "uuid": f"{uuid4()}-007",
        "app_id": "tool",
        "app_version": "1.0",
        "exec_system_id": "exec",
        "exec_system_exec_dir": "/work/e",
        "exec_system_input_dir": "/work/i",
        "exec_system_output_dir": "/work/o",
        "archive_system_id": "exec",
        "archive_system_dir": "/archive",
        "createdby": "ann",
        "createdby_tenant": "local",
        "job_type": "FORK",
        "parameter_set": Parameters(
            log_config=LogConfig(stdout_filename="tapisjob.out", stderr_filename="tapisjob.out"),
            archive_filter=ArchiveFilter(),
        ),
        **more,
    }
    return Job(**facts)


def replaced(of: Job, **more: Any) -> Job:
    return msgspec.structs.replace(of, **more)


@contextmanager
def explained(database: Database) -> Iterator[list[str]]:
    """The steps of SQLite's plans of all that is asked meanwhile; known when the block is left."""
    asked: list[tuple[str, Any]] = []
    steps: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield steps
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    with database.reading() as connection:
        for statement, parameters in asked:
            steps += [
                str(row[3])
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
