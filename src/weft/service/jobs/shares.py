"""Sharing a job with another user of the tenant, resource by resource."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from sqlalchemy import RowMapping, Select, delete, insert, select

from weft.service.answers import Answer
from weft.service.asking import Ask
from weft.service.jobs.events import entry
from weft.service.jobs.ledger import Change
from weft.service.jobs.model import JobResource
from weft.service.jobs.pages import page_of
from weft.service.jobs.rights import job_row
from weft.service.jobs.states import Event
from weft.service.jobs.tables import shares


class ShareRequest(Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``shareJob``."""

    grantee: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A\S+\Z")]
    job_resource: Annotated[list[JobResource], Meta(min_length=1, max_length=16)]
    job_permission: Literal["READ"]


def get_job_share(ask: Ask) -> Answer:
    job_row(ask, "see the shares of")
    uuid = ask.path["jobUuid"]
    query = select(shares).where(shares.c.job_uuid == uuid).order_by(shares.c.id)
    with ask.service.database.reading() as connection:
        rows, metadata = page_of(ask, connection, query)
    message = f"JOBS_JOB_SHARE_INFO_RETRIEVED Shares of job {uuid} retrieved."
    return Answer([_shown(row) for row in rows], message, metadata=metadata)


def share_job(ask: Ask) -> Answer:
    """Share; what is shared already stays as it is."""
    job_row(ask, "share")
    uuid, request = ask.path["jobUuid"], ask.body(ShareRequest)
    with ask.service.ledger.changing(uuid) as change:
        there = set(change.connection.execute(_resources(uuid, request.grantee)).scalars())
        for resource in dict.fromkeys(request.job_resource):
            if resource not in there:
                _add(change, ask, request, resource)
                _write(change, ask, request.grantee, resource, shared=True)
    message = f"JOBS_JOB_SHARED Job {uuid} is shared with {request.grantee}."
    return Answer({"message": message}, message)


def delete_job_share(ask: Ask) -> Answer:
    """Share nothing of the job with a user any more."""
    job_row(ask, "unshare")
    uuid, grantee = ask.path["jobUuid"], ask.path["user"]
    with ask.service.ledger.changing(uuid) as change:
        there = list(change.connection.execute(_resources(uuid, grantee)).scalars())
        change.connection.execute(
            delete(shares).where(shares.c.job_uuid == uuid, shares.c.grantee == grantee)
        )
        for resource in there:
            _write(change, ask, grantee, resource, shared=False)
    message = f"JOBS_JOB_UNSHARED {len(there)} resource(s) of job {uuid} are no longer shared with {grantee}."
    return Answer({"message": message}, message)


def _resources(uuid: str, grantee: str) -> Select[Any]:
    """What of a job is shared with a user."""
    return select(shares.c.job_resource).where(shares.c.job_uuid == uuid, shares.c.grantee == grantee)


def _add(change: Change, ask: Ask, request: ShareRequest, resource: JobResource) -> None:
    row = {
        "job_uuid": change.job.uuid,
        "tenant": ask.tenant,
        "createdby": ask.user,
        "grantee": request.grantee,
        "job_resource": resource,
        "job_permission": request.job_permission,
        "created": change.now,
    }
    change.connection.execute(insert(shares), row)


def _write(change: Change, ask: Ask, grantee: str, resource: str, *, shared: bool) -> None:
    word = "SHARE" if shared else "UNSHARE"
    extra = {"resourceType": resource, "shareType": word, "grantee": grantee, "grantor": ask.user}
    message = f"A job resource has been {'shared' if shared else 'unshared'}."
    detail = f"{word}_{resource}_READ"
    change.write(entry(change.job, Event.JOB_SHARE_EVENT, detail, message, created=change.now, extra=extra))


def _shown(row: RowMapping) -> dict[str, object]:
    return {
        "tenant": row["tenant"],
        "createdby": row["createdby"],
        "jobUuid": row["job_uuid"],
        "grantee": row["grantee"],
        "jobResource": row["job_resource"],
        "jobPermission": row["job_permission"],
        "created": row["created"],
    }
