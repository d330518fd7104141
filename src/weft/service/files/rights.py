"""Who may do what with the files of a system, and where they are.

Everything about access to files lives here. In this order:

1. The owner of the system may do all with its files, and nobody else may grant or share them.
2. With whom the system is shared, directly or as one for all, may read all its files, unless it is dynamic.
3. When the system's effective user is dynamic (``${apiUserId}``), each acts as himself on the host, and the host tells
   users apart. Here all act as the user who runs the service, so they are told apart by names instead: *a folder that
   bears a user's name belongs to that user*, with all that is below it. The first component of a path that names
   somebody decides, which may be the name of a registered user among the first three, or anywhere the uuid of a job,
   which names the job's owner. For whoever may read such a system,

   - what is his own he may do all with, also make it, and the folders above it that are missing;
   - what is another's is closed: no operation looks into it, be it named, come upon on the way down through a folder
     above it, or reached by a link (``Tree.allows`` sees the path of each place free of links);
   - what is nobody's may be read, and is the system's owner's to change, so that nobody can move or remove a folder
     above another's.

   Jobs obey the same (``of_a_job``): their folders, inputs, images, outputs and archives.
4. A path that is shared with a user, or with all, may be read, and all below it. That user need not see the system.
5. A path granted to a user who may read the system may be read, with MODIFY also changed, and all below it.

What is left is denied; to those who may not even read the system, it does not exist. Paths are those that users write,
cleaned, and a link does not widen what was shared or granted: it is followed within that path only, or to what the
user may use by the third rule.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, Table, delete, insert, select, update

from weft.service import access
from weft.service.access import PUBLIC
from weft.service.answers import Problem
from weft.service.files.tables import files_grants, files_shares
from weft.service.places import Tree, clean, covers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weft.service.server import Service
    from weft.service.systems.model import System

Right = Literal["READ", "MODIFY"]
RIGHTS: tuple[Right, ...] = ("READ", "MODIFY")
NAMED = 3
"""How deep a folder can be that belongs to a user because it bears the name."""
_JOB = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-007")


def reach(
    service: Service, user: str, tenant: str, system_id: str, path: str, need: Right, *, shared_by: str = ""
) -> tuple[System, Tree]:
    """The system and its files, if the user may do this there. ``shared_by`` lends the rights of the system's owner.

    Raises:
        Problem: 404 for a system that is not there (for this user, or disabled), 403 where the right is missing.
    """
    path = clean(path)
    system = _enabled(service, tenant, system_id)
    view = _View()
    if system.owner != user:
        try:
            view = _seen(service, user, system, path, need)
        except Problem:
            if system.owner != shared_by:
                raise
    if service.faults.down(system_id):
        raise Problem(500, f"FILES_HOST_UNREACHABLE The host of system {system_id} does not answer")
    return system, view.of(service.places.tree(system), need)


def of_a_job(
    service: Service, user: str, system: System, path: str, need: Right, *, shared_by: str = ""
) -> Tree:
    """The files of a system for a job of this user, who may use the system, or to whom ``shared_by`` lends it.

    Raises:
        Problem: 403 for a path that is another's on a dynamic system, or to be changed and nobody's.
    """
    tree = service.places.tree(system)
    if not system.is_dynamic or system.owner == user:
        return tree
    with service.database.reading() as connection:
        part = _part(service, connection, user, system)
    if part.allow(clean(path), need):
        return _View(part=part).of(tree, need)
    if system.owner != shared_by:
        raise _denied(system, path, need)
    return tree


class _Part(Struct, frozen=True):
    """What one user may do on a dynamic system that another owns, by the third rule and by shares and grants."""

    user: str
    holder: Callable[[str], str | None]
    """Whose a path is."""
    shared: tuple[str, ...]
    granted: tuple[tuple[str, str], ...]
    """Paths, each with the permission."""

    def allow(self, path: str, need: Right, passing: bool = False) -> bool:
        """May this be done with the path, or, ``passing``, may it be gone through on the way elsewhere?"""
        holder = self.holder(path)
        if holder == self.user or (holder is None and (passing or need == "READ")):
            return True
        lists = passing or need == "READ"
        opened = [each for each, right in self.granted if lists or right == need]
        opened += self.shared if lists else ()
        return any(covers(each, path) or (passing and covers(path, each)) for each in opened)


class _View(Struct, frozen=True):
    """What of a system's files is seen: by default all."""

    within: str = ""
    part: _Part | None = None

    def of(self, tree: Tree, need: Right) -> Tree:
        part = self.part
        tree.within = self.within
        if part is not None:
            tree.allows = lambda path, passing: part.allow(path, need, passing)
        return tree


def _part(service: Service, connection: Connection, user: str, system: System) -> _Part:
    shares = connection.execute(_of(files_shares, system.tenant, system.id))
    grants = connection.execute(_of(files_grants, system.tenant, system.id, user))
    return _Part(
        user,
        _holders(service),
        tuple(row.path for row in shares if row.user in (user, PUBLIC)),
        tuple((row.path, row.permission) for row in grants),
    )


def _holders(service: Service) -> Callable[[str], str | None]:
    """A function that tells whose a path is; None for nobody's."""

    @cache
    def of_job(uuid: str) -> str | None:
        job = service.ledger.get(uuid)
        return None if job is None else job.owner

    def holder(path: str) -> str | None:
        for depth, name in enumerate(path.split("/")):
            if depth < NAMED and service.accounts.find(name) is not None:
                return name
            if _JOB.fullmatch(name) and (owner := of_job(name)) is not None:
                return owner
        return None

    return holder


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


def _seen(service: Service, user: str, system: System, path: str, need: Right) -> _View:
    """What of the system's files this user may reach by this path."""
    with service.database.reading() as connection:
        held = _rights(connection, user, system)
        if held.allow("READ"):
            view = _seen_with_system(service, connection, user, system, path, need, held)
        else:
            shared = shared_at(connection, system.tenant, system.id, user, path)
            if shared is None:
                raise _no_system(system.id)
            view = _View(within=shared) if need == "READ" else None
    if view is None or (view.part is not None and not view.part.allow(path, need)):
        raise _denied(system, path, need)
    return view


def _seen_with_system(
    service: Service,
    connection: Connection,
    user: str,
    system: System,
    path: str,
    need: Right,
    held: access.Rights,
) -> _View | None:
    """The same for one who may read the system's definition."""
    if system.is_dynamic:
        return _View(part=_part(service, connection, user, system))
    if need == "READ" and held.grantor is not None:
        return _View()
    found = [granted_at(connection, system.tenant, system.id, user, path, need)]
    if need == "READ":
        found.insert(0, shared_at(connection, system.tenant, system.id, user, path))
    return next((_View(within=each) for each in found if each is not None), None)


def _denied(system: System, path: str, need: Right) -> Problem:
    return Problem(
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
