"""Who may do what with a job: its owner everything, others what was shared with them.

====================  =====================================================
JOB_HISTORY           to see the job: itself, its status, its history, in lists
JOB_RESUBMIT_REQUEST  to see the request, and to submit it as a job of one's own
JOB_OUTPUT            to list and download its outputs
JOB_INPUT             kept as the real service keeps it; nothing asks for it
====================  =====================================================

A job that is hidden is not there, but for being shown again. Any user of the tenant who knows a job's uuid may send it
an event, as the real service has it: programs within jobs do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, select

from weft.service.answers import SUCCESS, Problem
from weft.service.asking import Ask
from weft.service.jobs.model import Job, JobResource
from weft.service.jobs.tables import jobs, shares

_ALWAYS = ("uuid", "tenant", "owner", "visible")
ALL = tuple(Job.__struct_fields__)
_SHARED = select(shares.c.id).where(
    shares.c.job_uuid == bindparam("wanted"),
    shares.c.grantee == bindparam("user"),
    shares.c.job_resource == bindparam("resource"),
)


def missing(uuid: str) -> Problem:
    """The answer to the uuid of no job; its ``status`` is "success", as the real service has it."""
    return Problem(404, f"TAPIS_NOT_FOUND Job not found: {uuid}", result={"name": uuid}, outcome=SUCCESS)


def denied(ask: Ask, uuid: str, doing: str) -> Problem:
    return Problem(403, f"JOBS_JOB_NOT_AUTHORIZED user {ask.user} may not {doing} job {uuid}")


def job_row(
    ask: Ask,
    doing: str,
    columns: Sequence[str] = (),
    *,
    resource: JobResource | None = None,
    hidden: bool = False,
    everybody: bool = False,
    uuid: str | None = None,
) -> RowMapping:
    """Columns of a job (the one in the path), if the user may do this; ``resource`` is what sharing would allow it.

    Raises:
        Problem: 404 where there is none (or a hidden one, without ``hidden``), 403 where it is another's.
    """
    uuid = ask.path["jobUuid"] if uuid is None else uuid
    with ask.service.database.reading() as connection:
        row = connection.execute(_row(tuple(columns)), {"wanted": uuid}).mappings().one_or_none()
        if row is None or row["tenant"] != ask.tenant:
            raise missing(uuid)
        if row["owner"] != ask.user and not everybody and not _is_shared(connection, ask, uuid, resource):
            raise denied(ask, uuid, doing)
    if not row["visible"] and not hidden:
        raise missing(uuid)
    return row


def _is_shared(connection: Connection, ask: Ask, uuid: str, resource: JobResource | None) -> bool:
    if resource is None:
        return False
    wanted = {"wanted": uuid, "user": ask.user, "resource": resource}
    return connection.execute(_SHARED, wanted).first() is not None


@cache
def _row(columns: tuple[str, ...]) -> Select[Any]:
    names = dict.fromkeys((*_ALWAYS, *columns))
    return select(*(jobs.c[name] for name in names)).where(jobs.c.uuid == bindparam("wanted"))
