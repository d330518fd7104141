"""The operations on transfers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Row

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.files.transfers import Element

MOST_ELEMENTS = 1000
Uri = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]


class ElementRequest(msgspec.Struct, rename="camel"):
    source_uri: Uri = msgspec.field(name="sourceURI")
    destination_uri: Uri = msgspec.field(name="destinationURI")
    optional: bool = False
    transfer_type: (
        Literal["TRANSFER", "SERVICE_MOVE_DIRECTORY_CONTENTS", "SERVICE_MOVE_FILE_OR_DIRECTORY"] | None
    ) = None
    src_shared_ctx: str | None = None
    dest_shared_ctx: str | None = None


class TransferRequest(msgspec.Struct):
    elements: Annotated[list[ElementRequest], msgspec.Meta(min_length=1, max_length=MOST_ELEMENTS)]
    tag: Annotated[str, msgspec.Meta(max_length=1024)] | None = None


def create_transfer_task(ask: Ask) -> Answer:
    request = ask.body(TransferRequest)
    for each in request.elements:
        if each.src_shared_ctx or each.dest_shared_ctx:
            raise Problem(
                403, "FILES_UNAUTH_SHAREDCTX_TXFR Only services may use srcSharedCtx and destSharedCtx"
            )
        if each.transfer_type not in (None, "TRANSFER"):
            raise Problem(400, f"FILES_TXFR_TYPE_NOTSUPPORTED {each.transfer_type} is for services only")
    transfers = ask.service.transfers
    uuid = transfers.start(
        ask.user,
        ask.tenant,
        [Element(each.source_uri, each.destination_uri, each.optional) for each in request.elements],
        request.tag or "",
    )
    task = transfers.get(uuid)
    return Answer(task, f"FAPI_TXFR_CREATED Transfer task created. TaskTag: {request.tag} TaskUUID: {uuid}")


def get_recent_transfer_tasks(ask: Ask) -> Answer:
    limit = ask.number("limit", 1000, least=0, most=1000)
    found = ask.service.transfers.tasks.recent(ask.user, ask.tenant, limit, ask.number("offset", 0, least=0))
    return Answer(found, f"TAPIS_FOUND Files found: {len(found)} transfer tasks")


def get_transfer_task(ask: Ask) -> Answer:
    transfers = ask.service.transfers
    row = _own(ask)
    task = transfers.shown(row) if ask.flag("includeSummary") else transfers.tasks.told(row, summary=False)
    return Answer(task, f"TAPIS_FOUND TransferTask found: {row.uuid}")


def get_transfer_task_details(ask: Ask) -> Answer:
    row = _own(ask)
    return Answer(
        ask.service.transfers.shown(row, details=True), f"TAPIS_FOUND TransferTaskDetails found: {row.uuid}"
    )


def cancel_transfer_task(ask: Ask) -> Answer:
    row = _own(ask)
    ask.service.transfers.cancel(row.uuid)  # one that has ended stays as it is, as in the real service
    return Answer(message=f"FAPI_TXFR_CANCELLED Transfer task cancelled. TaskUUID: {row.uuid}")


def _own(ask: Ask) -> Row[Any]:
    """The task of the request, for the user who asked for it."""
    if ask.text("impersonationId"):
        raise Problem(403, "FILES_UNAUTH_IMPERSONATE_TXFR Only services may use impersonationId")
    key = ask.path["transferTaskId"]
    try:
        key = str(UUID(key))
    except ValueError:
        raise Problem(400, f"FILES_TXFR_INVALID This is no id of a transfer task: {key[:80]!r}") from None
    row = ask.service.transfers.tasks.row(key)
    if row is None or row.tenant != ask.tenant or row.username != ask.user:
        raise Problem(404, f"FILES_TXFR_SVC_NOT_FOUND Task not found: {key}")
    return row
