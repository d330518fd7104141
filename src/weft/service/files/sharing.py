"""The operations on permissions and shares of paths."""

from __future__ import annotations

from typing import Annotated

import msgspec

from weft.service.access import PUBLIC
from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.files import rights
from weft.service.places import clean
from weft.service.systems.attributes import UserName
from weft.service.systems.model import System


class PermissionRequest(msgspec.Struct):
    username: UserName
    permission: rights.Right


class ShareRequest(msgspec.Struct):
    users: Annotated[list[UserName], msgspec.Meta(min_length=1, max_length=1000)]


class FilePermission(msgspec.Struct, rename="camel", frozen=True):
    """What a user was granted on a path; ``permission`` is null for nothing."""

    tenant_id: str
    username: str
    system_id: str
    path: str
    permission: rights.Right | None


class UserShareInfo(msgspec.Struct, frozen=True):
    """The share that makes a path readable for one user."""

    username: str
    path: str


class ShareInfo(msgspec.Struct, rename="camel", frozen=True):
    """With whom a path is shared, and by the share of which path above it."""

    is_public: bool
    is_public_path: str | None
    user_set: list[str]
    user_share_info_set: list[UserShareInfo]


def _owned(ask: Ask) -> tuple[System, str]:
    """The system and path of a request by the owner of the system."""
    system = rights.owned(ask.service, ask.user, ask.tenant, ask.path["systemId"])
    return system, clean(ask.path["path"])


def get_permissions(ask: Ask) -> Answer:
    path = clean(ask.path["path"])
    username = ask.text("username") or ask.user
    system = rights.readable(ask.service, ask.user, ask.tenant, ask.path["systemId"])
    if username != ask.user and ask.user != system.owner:
        raise Problem(403, "FILES_PERM_NOT_AUTH Only the owner of a system may see what others were granted")
    with ask.service.database.reading() as connection:
        held = rights.permission(connection, ask.tenant, system.id, username, path)
    found = FilePermission(ask.tenant, username, system.id, path or "/", held)
    return Answer(
        found, f"FAPI_PERM_FOUND Permission {held} of {username}. System: {system.id} Path: {path or '/'}"
    )


def grant_permissions(ask: Ask) -> Answer:
    system, path = _owned(ask)
    request = ask.body(PermissionRequest)
    with ask.service.database.writing() as connection:
        rights.grant(connection, ask.tenant, system.id, request.username, path, request.permission)
    found = FilePermission(ask.tenant, request.username, system.id, path or "/", request.permission)
    return Answer(found, f"FAPI_PERM_GRANTED {request.permission} to {request.username}. System: {system.id}")


def delete_permissions(ask: Ask) -> Answer:
    system, path = _owned(ask)
    username = ask.text("username")
    if not username:
        raise Problem(400, "FILES_PERM_INVALID The parameter username is required")
    with ask.service.database.writing() as connection:
        rights.revoke(connection, ask.tenant, system.id, username, path)
    return Answer(message=f"FAPI_PERM_REVOKED Permissions of {username} revoked. System: {system.id}")


def get_share_info(ask: Ask) -> Answer:
    path = clean(ask.path["path"])
    system, _ = rights.reach(ask.service, ask.user, ask.tenant, ask.path["systemId"], path, "READ")
    with ask.service.database.reading() as connection:
        rows = rights.shares_of(connection, ask.tenant, system.id, path)
    public = [f"/{row.path}" for row in rows if row.user == PUBLIC]
    shown = [row for row in rows if row.user != PUBLIC and ask.user in (system.owner, row.user)]
    users = sorted({row.user for row in shown})
    found = ShareInfo(
        bool(public),
        public[0] if public else None,
        users,
        [UserShareInfo(row.user, f"/{row.path}") for row in shown],
    )
    return Answer(found, f"FAPI_SHARE_FOUND Share information found. System: {system.id} Path: {path or '/'}")


def share_path(ask: Ask) -> Answer:
    return _share(ask, ask.body(ShareRequest).users)


def share_path_public(ask: Ask) -> Answer:
    return _share(ask, [PUBLIC])


def _share(ask: Ask, users: list[str]) -> Answer:
    system, path = _owned(ask)
    with ask.service.database.writing() as connection:
        rights.share(connection, ask.tenant, system.id, users, path, ask.user)
    return Answer(message=f"FAPI_SHARE_UPDATED The path is shared. System: {system.id} Path: {path or '/'}")


def un_share_path(ask: Ask) -> Answer:
    return _unshare(ask, ask.body(ShareRequest).users)


def un_share_path_public(ask: Ask) -> Answer:
    return _unshare(ask, [PUBLIC])


def _unshare(ask: Ask, users: list[str]) -> Answer:
    system, path = _owned(ask)
    with ask.service.database.writing() as connection:
        rights.unshare(connection, ask.tenant, system.id, users, path)
    return Answer(
        message=f"FAPI_SHARE_UPDATED The path is not shared. System: {system.id} Path: {path or '/'}"
    )


def un_share_path_all(ask: Ask) -> Answer:
    system, path = _owned(ask)
    recurse = ask.flag("recurse")
    with ask.service.database.writing() as connection:
        rights.unshare_all(connection, ask.tenant, system.id, path, below=recurse)
    return Answer(message=f"FAPI_SHARE_DEL_ALL All shares removed. System: {system.id} Path: {path or '/'}")
