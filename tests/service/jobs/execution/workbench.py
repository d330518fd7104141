"""A bench to run jobs on: one service, one system of this machine, and apps made of a few lines of shell."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import select

from weft.service.jobs import tables
from weft.service.jobs.model import Job, SubmitRequest
from weft.service.jobs.request.merge import Given, merge
from weft.service.jobs.states import TERMINAL, Status
from weft.service.server import Service

OWNER = "ann"
PATIENCE = 60.0
WHOLE_WAY = [
    "PENDING",
    "PROCESSING_INPUTS",
    "STAGING_INPUTS",
    "STAGING_JOB",
    "SUBMITTING_JOB",
    "QUEUED",
    "RUNNING",
    "ARCHIVING",
]


def packed(files: dict[str, str | bytes]) -> bytes:
    """A ZIP of these files, those that end in .sh executable."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
            archive.writestr(info, text)
    return content.getvalue()


class Bench:
    """Jobs without HTTP: submitted by ``submit``, looked at by ``job`` and ``history``."""

    def __init__(self, service: Service, root: Path, **system: Any) -> None:
        self.service = service
        self.root = root
        self.system("here", **system)

    def system(self, name: str, **more: Any) -> None:
        root = self.root / name
        root.mkdir(parents=True, exist_ok=True)
        definition = {
            "id": name,
            "systemType": "LINUX",
            "host": "localhost",
            "defaultAuthnMethod": "PKI_KEYS",
            "effectiveUserId": "${apiUserId}",
            "rootDir": str(root),
            "canExec": True,
            "enableCmdPrefix": True,
            "jobRuntimes": [{"runtimeType": "ZIP"}],
            "jobWorkingDir": "/work",
            **more,
        }
        self.service.systems.register(OWNER, self.service.tenant, definition)

    def batch_system(self, name: str, partition: str = "normal", **queue: Any) -> None:
        self.system(
            name,
            canRunBatch=True,
            batchScheduler="SLURM",
            batchLogicalQueues=[{"name": "q", "hpcQueueName": partition, **queue}],
            batchDefaultLogicalQueue="q",
        )

    def app(
        self, name: str, script: str, *, files: dict[str, str | bytes] | None = None, **more: Any
    ) -> None:
        """An app of one script; its archive lies on the system, unless ``containerImage`` says otherwise."""
        image = self.root / "here" / "images" / f"{name}.zip"
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(packed(files or {"tapisjob_app.sh": f"#!/bin/bash\n{script}\n"}))
        attributes = {"execSystemId": "here", **more.pop("jobAttributes", {})}
        definition = {
            "id": name,
            "version": "1",
            "runtime": "ZIP",
            "containerImage": f"/images/{name}.zip",
            "jobType": "FORK",
            "jobAttributes": attributes,
            **more,
        }
        self.service.apps.register(OWNER, self.service.tenant, definition)

    def submit(self, app: str, *, owner: str = OWNER, **request: Any) -> str:
        wanted = msgspec.convert({"name": "j", "appId": app, "appVersion": "1", **request}, SubmitRequest)
        service, tenant = self.service, self.service.tenant
        definition = service.apps.get(tenant, app, "1")
        assert definition is not None
        system = service.systems.get(
            tenant, request.get("execSystemId") or definition.job_attributes.exec_system_id
        )
        assert system is not None
        archive = service.systems.get(tenant, request.get("archiveSystemId", system.id))
        assert archive is not None
        created = service.clock.now().astimezone(timezone.utc)
        given = Given(
            owner=owner,
            tenant=tenant,
            uuid=f"{uuid4()}-007",
            created=created,
            effective_user=owner,
            host_eval=lambda _system, variable: service.systems.host(system).evaluate(variable, owner),
            has_profile=lambda _name: True,
        )
        job = merge(wanted, definition, system, archive, given)
        service.ledger.add(job, "{}")
        service.worker.wake(job.uuid)
        return job.uuid

    def job(self, uuid: str) -> Job:
        job = self.service.ledger.get(uuid)
        assert job is not None
        return job

    def wait(self, *uuids: str, until: Callable[[Job], bool] = lambda job: job.status in TERMINAL) -> Job:
        """The last of these jobs, when all are as wanted."""
        end = time.monotonic() + PATIENCE
        for uuid in uuids:
            while not until(self.job(uuid)):
                assert time.monotonic() < end, f"still {self.job(uuid).status}: {self.job(uuid).last_message}"
                time.sleep(0.01)
        return self.job(uuids[-1])

    def run(self, app: str, **request: Any) -> Job:
        return self.wait(self.submit(app, **request))

    def state(self, status: Status) -> Callable[[Job], bool]:
        return lambda job: job.status is status

    def entries(self, uuid: str) -> list[dict[str, Any]]:
        columns = tables.events.c
        query = select(tables.events).where(columns.job_uuid == uuid).order_by(columns.id)
        with self.service.database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def statuses(self, uuid: str) -> list[str]:
        return [each["event_detail"] for each in self.entries(uuid) if each["event"] == "JOB_NEW_STATUS"]

    def described(self, uuid: str, event: str) -> dict[str, Any]:
        """The description of the only event of this kind."""
        (found,) = [each for each in self.entries(uuid) if each["event"] == event]
        return {**json.loads(found["description"]), "summary": json.loads(found["transfer_summary"])}

    def exec_dir(self, job: Job) -> Path:
        return self.root / job.exec_system_id / job.exec_system_exec_dir.lstrip("/")

    def output(self, job: Job, name: str = "tapisjob.out") -> Path:
        return self.root / job.exec_system_id / job.exec_system_output_dir.lstrip("/") / name

    def archived(self, job: Job) -> Path:
        return self.root / job.archive_system_id / job.archive_system_dir.lstrip("/")
