"""Who may do what with a definition: its owner, by permissions granted, by sharing.

Everything about it lives here, for systems and apps alike.

===========  ==========================================================
may READ     the owner; who was granted READ or MODIFY; whom it is shared with, or all when it is public
may EXECUTE  the owner; who was granted EXECUTE; whom it is shared with, or all when it is public
may MODIFY   the owner; who was granted MODIFY
the rest     (delete, grant, share, give away …) the owner alone
===========  ==========================================================

What a user may not read does not exist for that user. Granting MODIFY grants READ; revoking READ revokes MODIFY.
Grants and shares belong to the id: to all versions of an app, and whoever owns it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    and_,
    delete,
    insert,
    not_,
    or_,
    select,
    true,
)

from weft.service.answers import Problem
from weft.service.database import REMEMBERED, metadata

Need = Literal["READ", "EXECUTE", "MODIFY", "OWN"]
PERMISSIONS = ("READ", "MODIFY", "EXECUTE")
PUBLIC = "~public"
"""Stands for everybody as the one with whom something is shared; no user may have this name."""
FEW = 500
"""Ids that are looked for by name rather than by reading all there is."""
LIST_TYPES = ("OWNED", "SHARED_PUBLIC", "SHARED_DIRECT", "READ_PERM", "MINE", "ALL")

grants = Table(
    "grants",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("id", String(80), nullable=False),
    Column("user", String(64), nullable=False),
    Column("permission", String(16), nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "id", "user", "permission"),
    Index("grants_of_user", "tenant", "kind", "user"),
    info=REMEMBERED,
)
shares = Table(
    "shares",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("id", String(80), nullable=False),
    Column("grantee", String(64), nullable=False),
    Column("grantor", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    PrimaryKeyConstraint("tenant", "kind", "id", "grantee"),
    Index("shares_with_user", "tenant", "kind", "grantee"),
    info=REMEMBERED,
)


class Thing(Struct, frozen=True):
    """What access is about: one system, or one app with all its versions."""

    kind: str
    tenant: str
    id: str

    def among(self, table: Table) -> ColumnElement[bool]:
        """The condition for this thing's rows of a table."""
        return and_(table.c.tenant == self.tenant, table.c.kind == self.kind, table.c.id == self.id)


class Rights(Struct, frozen=True):
    """What one user may do with one thing."""

    owner: bool = False
    granted: frozenset[str] = frozenset()
    grantor: str | None = None
    """Who shared it with this user or with all."""

    def allow(self, need: Need) -> bool:
        """Is it allowed, by any of the ways?"""
        if self.owner:
            return True
        if need == "OWN":
            return False
        if need == "READ" and "MODIFY" in self.granted:
            return True
        return need in self.granted or (need != "MODIFY" and self.grantor is not None)


class Sharing(Struct, frozen=True):
    """With whom one thing is shared."""

    public: bool
    users: Sequence[str]


def rights(connection: Connection, thing: Thing, owner: str, user: str) -> Rights:
    """What `user` may do with something that `owner` owns."""
    if user == owner:
        return Rights(owner=True)
    return rights_to_all(connection, thing.kind, thing.tenant, {thing.id: owner}, user)[thing.id]


def rights_to_all(
    connection: Connection, kind: str, tenant: str, owners: Mapping[str, str], user: str
) -> dict[str, Rights]:
    """What `user` may do with several things, by two queries; ``owners`` has the owner of each id."""
    ids = sorted(owners)
    granted: dict[str, set[str]] = {identifier: set() for identifier in ids}
    for identifier, permission in connection.execute(
        select(grants.c.id, grants.c.permission).where(
            grants.c.tenant == tenant, grants.c.kind == kind, grants.c.user == user, one_of(grants.c.id, ids)
        )
    ):
        granted.setdefault(identifier, set()).add(permission)
    found = connection.execute(
        select(shares.c.id, shares.c.grantor, shares.c.grantee).where(
            shares.c.tenant == tenant,
            shares.c.kind == kind,
            shares.c.grantee.in_((user, PUBLIC)),
            one_of(shares.c.id, ids),
        )
    ).all()
    grantors = {row.id: row.grantor for row in sorted(found, key=lambda row: bool(row.grantee != PUBLIC))}
    return {
        identifier: Rights(owner=True)
        if owner == user
        else Rights(granted=frozenset(granted[identifier]), grantor=grantors.get(identifier))
        for identifier, owner in owners.items()
    }


def check(held: Rights, need: Need, *, missing: Problem, denied: Problem) -> None:
    """Let pass who may do it.

    Raises:
        Problem: `missing` to those who may not even read it, `denied` to the others.
    """
    if not held.allow("READ"):
        raise missing
    if not held.allow(need):
        raise denied


def granted_to(connection: Connection, thing: Thing, user: str) -> list[str]:
    """The permissions granted to a user, in alphabetic order."""
    found = connection.execute(
        select(grants.c.permission)
        .where(thing.among(grants), grants.c.user == user)
        .order_by(grants.c.permission)
    )
    return list(found.scalars())


def grant(connection: Connection, thing: Thing, user: str, permissions: Iterable[str]) -> set[str]:
    """Grant permissions to a user; returns those that are new."""
    wanted = set(permissions)
    if "MODIFY" in wanted:
        wanted.add("READ")
    new = wanted - set(granted_to(connection, thing, user))
    for permission in sorted(new):
        connection.execute(
            insert(grants).values(
                tenant=thing.tenant, kind=thing.kind, id=thing.id, user=user, permission=permission
            )
        )
    return new


def revoke(connection: Connection, thing: Thing, user: str, permissions: Iterable[str]) -> set[str]:
    """Take permissions from a user; returns those that were there."""
    unwanted = set(permissions)
    if "READ" in unwanted:
        unwanted.add("MODIFY")
    held = unwanted & set(granted_to(connection, thing, user))
    connection.execute(
        delete(grants).where(
            thing.among(grants), grants.c.user == user, grants.c.permission.in_(sorted(held))
        )
    )
    return held


def share(
    connection: Connection, thing: Thing, grantor: str, grantees: Iterable[str], created: str
) -> set[str]:
    """Share a thing with users, or with `PUBLIC`; returns those with whom it was not shared before."""
    wanted = set(grantees)
    there = set(
        connection.execute(
            select(shares.c.grantee).where(thing.among(shares), shares.c.grantee.in_(sorted(wanted)))
        ).scalars()
    )
    for grantee in sorted(wanted - there):
        connection.execute(
            insert(shares).values(
                tenant=thing.tenant,
                kind=thing.kind,
                id=thing.id,
                grantee=grantee,
                grantor=grantor,
                created=created,
            )
        )
    return wanted - there


def unshare(connection: Connection, thing: Thing, grantees: Iterable[str]) -> int:
    """Share a thing no longer with these; returns with how many of them it was."""
    gone = connection.execute(
        delete(shares).where(thing.among(shares), shares.c.grantee.in_(sorted(set(grantees))))
    )
    return gone.rowcount


def sharing(connection: Connection, thing: Thing) -> Sharing:
    """With whom a thing is shared."""
    return sharings(connection, thing.kind, thing.tenant, [thing.id])[thing.id]


def sharings(connection: Connection, kind: str, tenant: str, ids: Sequence[str]) -> dict[str, Sharing]:
    """With whom each of several things is shared, by one query."""
    found: dict[str, list[str]] = {identifier: [] for identifier in ids}
    rows = connection.execute(
        select(shares.c.id, shares.c.grantee)
        .where(shares.c.tenant == tenant, shares.c.kind == kind, one_of(shares.c.id, ids))
        .order_by(shares.c.grantee)
    )
    for identifier, grantee in rows:
        found.setdefault(identifier, []).append(grantee)
    return {
        identifier: Sharing(PUBLIC in grantees, [each for each in grantees if each != PUBLIC])
        for identifier, grantees in found.items()
    }


def one_of(column: ColumnElement[str], wanted: Collection[str]) -> ColumnElement[bool]:
    """The condition for a few values; for many, none, since a database takes only so many."""
    return column.in_(sorted(wanted)) if len(wanted) <= FEW else true()


def records(connection: Connection, thing: Thing) -> list[dict[str, str | None]]:
    """One record for each share of a thing, as the Security Kernel of Tapis words it."""
    rows = connection.execute(
        select(shares).where(thing.among(shares)).order_by(shares.c.created, shares.c.grantee)
    )
    return [
        {
            "tenant": row.tenant,
            "grantor": row.grantor,
            "grantee": row.grantee,
            "resourceType": row.kind,
            "resourceId1": row.id,
            "resourceId2": None,
            "privilege": privilege,
            "created": row.created,
            "createdBy": row.grantor,
            "createdByTenant": row.tenant,
        }
        for row in rows
        for privilege in ("READ", "EXECUTE")
    ]


def listed(list_type: str, table: Table, kind: str, tenant: str, user: str) -> ColumnElement[bool]:
    """The condition for the rows of a table of definitions that a kind of list shows to a user."""

    def shared_with(grantee: str) -> ColumnElement[bool]:
        mine = select(shares.c.id).where(
            shares.c.tenant == tenant, shares.c.kind == kind, shares.c.grantee == grantee
        )
        return table.c.id.in_(mine)

    owned = table.c.owner == user
    public, direct = shared_with(PUBLIC), shared_with(user)
    readable = table.c.id.in_(
        select(grants.c.id).where(
            grants.c.tenant == tenant,
            grants.c.kind == kind,
            grants.c.user == user,
            grants.c.permission.in_(("READ", "MODIFY")),
        )
    )
    conditions = {
        "OWNED": owned,
        "SHARED_PUBLIC": public,
        "SHARED_DIRECT": and_(direct, not_(public)),
        "READ_PERM": readable,
        "MINE": or_(owned, and_(direct, not_(public))),
        "ALL": or_(owned, readable, direct, public),
    }
    return and_(table.c.tenant == tenant, conditions[list_type])
