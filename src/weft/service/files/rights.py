"""Who may do what with the files of a system, and where they are.

Everything about access to files lives here. In this order:

1. The owner of the system may do all with its files, and nobody else may grant or share them.
2. With whom the system is shared, directly or as one for all, may read all its files.
3. When the system's effective user is dynamic (``${apiUserId}``), whoever may read the system may do all with its
   files. On a real host each would act as himself there, and the host would tell them apart. Here all act as the user
   who runs the service, and such a system is a place that its users share. What has to be kept apart belongs on
   systems of its own.
4. A path that is shared with a user, or with all, may be read, and all below it. That user need not see the system.
5. A path granted to a user who may read the system may be read, with MODIFY also changed, and all below it.

What is left is denied; to those who may not even read the system, it does not exist. Paths are those that users write,
cleaned, and a link does not widen what was shared or granted: it is followed within that path only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, Row, Select, Table, delete, insert, select, update

from weft.service import access
from weft.service.access import PUBLIC
from weft.service.answers import Problem
from weft.service.files.tables import files_grants, files_shares
from weft.service.places import Tree, clean, covers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weft.service.server import Service
    from weft.service.systems.model import System

Right = Literal["READ", "MODIFY"]
RIGHTS: tuple[Right, ...] = ("READ", "MODIFY")


def reach(
    service: Service, user: str, tenant: str, system_id: str, path: str, need: Right, *, shared_by: str = ""
) -> tuple[System, Tree]:
    """The system and its files, if the user may do this there. ``shared_by`` lends the rights of the system's owner.

    Raises:
        Problem: 404 for a system that is not there (for this user, or disabled), 403 where the right is missing.
    """
    path = clean(path)
    system = _enabled(service, tenant, system_id)
    own = system.owner in (user, shared_by)
    within = "" if own else _seen(service, user, system, path, need)
    if service.faults.down(system_id):
        raise Problem(500, f"FILES_HOST_UNREACHABLE The host of system {system_id} does not answer")
    tree = service.places.tree(system)
    tree.within = within
    return system, tree


def owned(service: Service, user: str, tenant: str, system_id: str) -> System:
    """The system, if the user owns it.

    Raises:
        Problem: 404 for a system that is not there for this user, 403 for one that is.
    """
    system = readable(service, user, tenant, system_id)
    if system.owner != user:
        raise Problem(403, f"FILES_NOT_AUTHORIZED Only the owner of system {system_id} may do this")
    return system


def readable(service: Service, user: str, tenant: str, system_id: str) -> System:
    """The system, if the user may read its definition; Problem 404 otherwise."""
    system = _enabled(service, tenant, system_id)
    if system.owner != user:
        with service.database.reading() as connection:
            if not _rights(connection, user, system).allow("READ"):
                raise _no_system(system_id)
    return system


def _enabled(service: Service, tenant: str, system_id: str) -> System:
    system = service.systems.get(tenant, system_id)
    if system is None or not system.enabled:
        raise _no_system(system_id)
    return system


def _seen(service: Service, user: str, system: System, path: str, need: Right) -> str:
    """The part of the system's files that this user may reach by this path: empty for all of them."""
    with service.database.reading() as connection:
        held = _rights(connection, user, system)
        readable = held.allow("READ")
        if (need == "READ" and held.grantor is not None) or (readable and system.is_dynamic):
            return ""
        shared = shared_at(connection, system.tenant, system.id, user, path)
        if shared is not None and (need == "READ" or system.is_dynamic):
            return shared
        granted = granted_at(connection, system.tenant, system.id, user, path, need)
    if readable and granted is not None:
        return granted
    if not readable and shared is None:
        raise _no_system(system.id)
    raise Problem(
        403, f"FILES_NOT_AUTHORIZED Permission {need} is missing. System: {system.id} Path: {path or '/'}"
    )


def _rights(connection: Connection, user: str, system: System) -> access.Rights:
    return access.rights(connection, access.Thing("system", system.tenant, system.id), system.owner, user)


def _no_system(system_id: str) -> Problem:
    return Problem(404, f"FILES_SYSTEM_NOT_FOUND System not found or not enabled: {system_id}")


def granted_at(
    connection: Connection, tenant: str, system_id: str, user: str, path: str, need: Right
) -> str | None:
    """The highest path on which the user was granted the permission and that covers this one."""
    rows = connection.execute(_of(files_grants, tenant, system_id, user))
    return _highest(row.path for row in rows if covers(row.path, path) and row.permission in (need, "MODIFY"))


def permission(connection: Connection, tenant: str, system_id: str, user: str, path: str) -> Right | None:
    """The best permission that the user was granted on the path or above it."""
    held = [
        need for need in RIGHTS if granted_at(connection, tenant, system_id, user, path, need) is not None
    ]
    return held[-1] if held else None


def shared_at(connection: Connection, tenant: str, system_id: str, user: str, path: str) -> str | None:
    """The highest path that is shared with the user or with all and that covers this one."""
    rows = shares_of(connection, tenant, system_id, path)
    return _highest(row.path for row in rows if row.user in (user, PUBLIC))


def _highest(paths: Iterable[str]) -> str | None:
    return min(paths, key=len, default=None)


def shares_of(connection: Connection, tenant: str, system_id: str, path: str) -> list[Row[Any]]:
    """The shares that make the path readable, the nearest ones first."""
    found = [
        row for row in connection.execute(_of(files_shares, tenant, system_id)) if covers(row.path, path)
    ]
    return sorted(found, key=lambda row: (-len(row.path), row.user))


def grant(
    connection: Connection, tenant: str, system_id: str, user: str, path: str, permission: Right
) -> None:
    """Grant a permission on a path, in place of another one that was granted on the same path."""
    revoke(connection, tenant, system_id, user, path)
    connection.execute(
        insert(files_grants).values(
            tenant=tenant, system_id=system_id, user=user, path=path, permission=permission
        )
    )


def revoke(connection: Connection, tenant: str, system_id: str, user: str, path: str) -> None:
    """Take back what was granted to a user on exactly this path."""
    _drop(connection, files_grants, tenant, system_id, path, user=user)


def share(
    connection: Connection, tenant: str, system_id: str, users: list[str], path: str, grantor: str
) -> None:
    """Share a path with users, or with ``PUBLIC``; sharing it twice is no error."""
    for user in users:
        unshare(connection, tenant, system_id, [user], path)
        connection.execute(
            insert(files_shares).values(
                tenant=tenant, system_id=system_id, user=user, path=path, grantor=grantor
            )
        )


def unshare(connection: Connection, tenant: str, system_id: str, users: list[str], path: str) -> None:
    """Share exactly this path no longer with these users."""
    for user in users:
        _drop(connection, files_shares, tenant, system_id, path, user=user)


def unshare_all(connection: Connection, tenant: str, system_id: str, path: str, *, below: bool) -> None:
    """Share a path with nobody any more; ``below`` also what lies below it."""
    _drop(connection, files_shares, tenant, system_id, path, below=below)


def forget(connection: Connection, tenant: str, system_id: str, path: str) -> None:
    """Drop all grants and shares of a path that was deleted, and of all below it."""
    for table in (files_grants, files_shares):
        _drop(connection, table, tenant, system_id, path, below=True)


def rename(connection: Connection, tenant: str, system_id: str, old: str, new: str) -> None:
    """Let grants and shares move with what was moved."""
    for table in (files_grants, files_shares):
        for row in connection.execute(_of(table, tenant, system_id)).all():
            if covers(old, row.path):
                moved = new + row.path[len(old) :]
                connection.execute(update(table).where(table.c.id == row.id).values(path=moved))


def _of(table: Table, tenant: str, system_id: str, user: str | None = None) -> Select[Any]:
    query = select(table).where(table.c.tenant == tenant, table.c.system_id == system_id)
    return query if user is None else query.where(table.c.user == user)


def _drop(
    connection: Connection,
    table: Table,
    tenant: str,
    system_id: str,
    path: str,
    *,
    user: str | None = None,
    below: bool = False,
) -> None:
    for row in connection.execute(_of(table, tenant, system_id, user)).all():
        if row.path == path or (below and covers(path, row.path)):
            connection.execute(delete(table).where(table.c.id == row.id))
