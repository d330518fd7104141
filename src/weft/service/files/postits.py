"""Postits: links that let anybody who has one fetch a file or folder, a number of times and until a moment.

Whoever redeems one acts with the rights that its owner has then. Uses are counted by one conditional update, so that
no two requests can share the last one; a use counts once the contents can be opened.
"""

from __future__ import annotations

import mimetypes
import stat
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, delete, insert, or_, select, update
from starlette.responses import Response

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.clock import stamp
from weft.service.files import rights
from weft.service.files.content import file_response, zip_response
from weft.service.files.operations import reached
from weft.service.files.tables import postits
from weft.service.listing import Listing, Selection, names_of
from weft.service.places import clean
from weft.service.search import Attribute

_SECONDS = 2**31 - 1
_USES = 2**31 - 1
_MONTH = 2_592_000
_EVER = "9999-12-31T23:59:59.999999Z"
_SUMMARY = ("id", "owner", "systemId", "path", "allowedUses", "timesUsed", "expiration")
_ATTRIBUTES = {
    "id": Attribute(postits.c.id),
    "postitId": Attribute(postits.c.id),
    "systemId": Attribute(postits.c.system_id),
    "path": Attribute(postits.c.path),
    "owner": Attribute(postits.c.owner),
    "tenantId": Attribute(postits.c.tenant),
    "allowedUses": Attribute(postits.c.allowed_uses, "number"),
    "timesUsed": Attribute(postits.c.times_used, "number"),
    "expiration": Attribute(postits.c.expiration, "time"),
    "created": Attribute(postits.c.created, "time"),
    "updated": Attribute(postits.c.updated, "time"),
}

Uses = Annotated[int, msgspec.Meta(ge=-1, le=_USES)]


class NewPostIt(msgspec.Struct, rename="camel"):
    allowed_uses: Uses = 1
    valid_seconds: Annotated[int, msgspec.Meta(ge=1, le=_SECONDS)] = _MONTH


class ChangedPostIt(msgspec.Struct, rename="camel"):
    allowed_uses: Uses | None = None
    expiration: datetime | None = None
    valid_seconds: Annotated[int, msgspec.Meta(ge=1, le=_SECONDS)] | None = None
    unlimited: bool = False


class PostIt(msgspec.Struct, rename="camel"):
    """A postit as it is answered; the specification and the real service name its id differently, so it has both."""

    id: str
    postit_id: str
    system_id: str
    path: str
    owner: str
    tenant_id: str
    allowed_uses: int
    times_used: int
    jwt_user: str
    jwt_tenant_id: str
    redeem_url: str
    expiration: str
    created: str
    updated: str


class Changes(msgspec.Struct):
    changes: int


def create_post_it(ask: Ask) -> Answer:
    path = clean(ask.path["path"])
    request = ask.body(NewPostIt, empty_as=NewPostIt(), drop_nulls=True)
    system, tree = reached(ask, path, "READ")
    tree.stat(path)
    now = ask.service.clock.now()
    row = {
        "id": str(uuid4()),
        "tenant": ask.tenant,
        "system_id": system.id,
        "path": path,
        "owner": ask.user,
        "allowed_uses": request.allowed_uses,
        "times_used": 0,
        "expiration": _later(now, request.valid_seconds),
        "created": stamp(now),
        "updated": stamp(now),
    }
    with ask.service.database.writing() as connection:
        connection.execute(insert(postits).values(**row))
    return Answer(_shown(ask, _found(ask, str(row["id"]))), "FAPI_POSTITS_OP_COMPLETE The postit is created")


def list_post_its(ask: Ask) -> Answer:
    every = ask.choice("listType", "OWNED", ("OWNED", "ALL")) == "ALL"
    listing = Listing.of(ask, _ATTRIBUTES, "created(desc)")
    selection = Selection.of(
        ask.text("select") or "summaryAttributes", names_of(PostIt), summary=_SUMMARY, always=("postitId",)
    )
    query = select(postits).where(postits.c.tenant == ask.tenant)
    if not (every and ask.service.accounts.is_admin(ask.user)):
        query = query.where(postits.c.owner == ask.user)
    with ask.service.database.reading() as connection:
        rows, metadata = listing.read(connection, query, postits.c.id)
    found = [selection.choose(msgspec.to_builtins(_shown(ask, row))) for row in rows]
    return Answer(found, f"FAPI_POSTITS_LIST_COMPLETE Count: {len(found)}", metadata=metadata)


def get_post_it(ask: Ask) -> Answer:
    return Answer(_shown(ask, _own(ask)), "FAPI_POSTITS_OP_COMPLETE The postit is found")


def update_post_it(ask: Ask) -> Answer:
    request = ask.body(ChangedPostIt, drop_nulls=True)
    row = _own(ask)
    now = ask.service.clock.now()
    changes: dict[str, object] = {"updated": stamp(now)}
    if request.allowed_uses is not None:
        changes["allowed_uses"] = request.allowed_uses
    if request.valid_seconds is not None:
        changes["expiration"] = _later(now, request.valid_seconds)
    if request.expiration is not None:
        changes["expiration"] = _moment(request.expiration)
    if request.unlimited:
        changes.update(allowed_uses=-1, expiration=_EVER)
    with ask.service.database.writing() as connection:
        connection.execute(update(postits).where(postits.c.id == row.id).values(**changes))
    return Answer(_shown(ask, _found(ask, row.id)), "FAPI_POSTITS_OP_COMPLETE The postit is changed")


def delete_post_it(ask: Ask) -> Answer:
    row = _own(ask)
    with ask.service.database.writing() as connection:
        gone = connection.execute(delete(postits).where(postits.c.id == row.id)).rowcount
    return Answer(Changes(gone), "FAPI_POSTITS_DELETE_COMPLETE The postit is deleted")


def redeem_post_it(ask: Ask) -> Response:
    row = _found(ask, ask.path["postitId"])
    system, tree = rights.reach(ask.service, row.owner, row.tenant, row.system_id, row.path, "READ")
    folder = stat.S_ISDIR(tree.stat(row.path).st_mode)
    if folder and ask.text("zip") and not ask.flag("zip"):
        raise Problem(400, f"POSTITS_REDEEM_DIR_NOZIP A directory is given as ZIP only. System: {system.id}")
    kind = "attachment" if ask.flag("download") else "inline"
    if folder or ask.flag("zip"):
        response = zip_response(tree, row.path, kind=kind, media_type="application/zip")
    else:
        guessed = mimetypes.guess_type(row.path)[0] if kind == "inline" else None
        media_type = guessed or "application/octet-stream"
        response = file_response(tree, row.path, kind=kind, media_type=media_type)
    if not _used(ask, row.id):
        raise Problem(400, f"POSTIT_NOT_REDEEMABLE The postit can no longer be redeemed: {row.id}")
    return response


def _used(ask: Ask, key: str) -> bool:
    """Count one use, if one is left."""
    table = postits.c
    left = or_(table.allowed_uses == -1, table.times_used < table.allowed_uses)
    counting = update(postits).where(table.id == key, left, table.expiration > ask.service.clock.stamp())
    with ask.service.database.writing() as connection:
        return connection.execute(counting.values(times_used=table.times_used + 1)).rowcount == 1


def _found(ask: Ask, key: str) -> Row[Any]:
    try:
        key = str(UUID(key))
    except ValueError:
        raise _missing(key) from None
    with ask.service.database.reading() as connection:
        row = connection.execute(select(postits).where(postits.c.id == key)).first()
    if row is None or row.tenant != ask.tenant:
        raise _missing(key)
    return row


def _own(ask: Ask) -> Row[Any]:
    """The postit of the request, for its owner or an administrator."""
    row = _found(ask, ask.path["postitId"])
    if row.owner != ask.user and not ask.service.accounts.is_admin(ask.user):
        raise Problem(403, "POSTIT_NOT_AUTHORIZED The postit belongs to another user")
    return row


def _missing(key: str) -> Problem:
    return Problem(404, f"POSTIT_NOT_FOUND PostIt not found: {key[:80]}")


def _later(now: datetime, seconds: int) -> str:
    return _moment(now + timedelta(seconds=seconds))


def _moment(when: datetime) -> str:
    """A time as it is kept; one without a zone is UTC."""
    try:
        return stamp(when if when.tzinfo else when.replace(tzinfo=timezone.utc))
    except (OverflowError, ValueError):  # at the ends of what a date can say, a zone leads beyond them
        raise Problem(400, "NET_INVALID_JSON_INPUT expiration: the time is out of range") from None


def _shown(ask: Ask, row: Row[Any]) -> PostIt:
    return PostIt(
        id=row.id,
        postit_id=row.id,
        system_id=row.system_id,
        path=row.path,
        owner=row.owner,
        tenant_id=row.tenant,
        allowed_uses=row.allowed_uses,
        times_used=row.times_used,
        jwt_user=row.owner,
        jwt_tenant_id=row.tenant,
        redeem_url=f"{ask.base}/v3/files/postits/redeem/{row.id}",
        expiration=row.expiration,
        created=row.created,
        updated=row.updated,
    )
