"""Child systems: another root directory and user on a system that somebody else describes.

A child has its parent's attributes but for a few of its own, and whatever changes in the parent changes in it, until
it is unlinked. A parent with children can neither be deleted nor forbid them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, UnsetType
from sqlalchemy import Connection, not_, select

from weft.service.answers import Problem
from weft.service.register import Register
from weft.service.systems.attributes import EffectiveUser, Id
from weft.service.systems.model import System

Systems = Register[System]

OWN = frozenset(
    {"id", "effective_user_id", "root_dir", "owner", "enabled", "allow_children", "parent_id"}
    | {"tenant", "uuid", "deleted", "created", "updated"}
)
"""Attributes that a child does not take from its parent."""


class NewChild(msgspec.Struct, rename="camel"):
    """The body that creates a child."""

    effective_user_id: EffectiveUser
    root_dir: Annotated[str, Meta(min_length=1, max_length=4096)]
    id: Id | UnsetType = msgspec.UNSET
    owner: str | UnsetType = msgspec.UNSET
    enabled: bool = True


class Unlinked(msgspec.Struct, rename="camel"):
    """The body that unlinks some children."""

    child_system_ids: list[Id] = msgspec.field(default_factory=list)


def inherited(parent: System) -> dict[str, Any]:
    """The attributes that a child takes from its parent."""
    return {name: getattr(parent, name) for name in parent.__struct_fields__ if name not in OWN}


def described(parent: System, user: str, given: NewChild) -> dict[str, Any]:
    """The definition of a new child.

    Raises:
        Problem: 400 where the parent allows none.
    """
    if not parent.allow_children or parent.parent_id:
        what = f"System does not allow creating a child system. System: {parent.id}"
        raise Problem(400, f"SYSLIB_CHILD_NOT_PERMITTED {what}")
    named = {"id": f"{parent.id}-{user}", **msgspec.to_builtins(given)}
    return {**msgspec.to_builtins(parent), "allowChildren": False, "owner": user, **named}


def of(systems: Systems, connection: Connection, parent: System) -> list[System]:
    """The children of a system that are not deleted, held against others until the transaction ends."""
    table = systems.shelf.table
    rows = connection.execute(
        select(table.c.definition)
        .where(table.c.tenant == parent.tenant, table.c.parent_id == parent.id, not_(table.c.deleted))
        .order_by(table.c.seq)
        .with_for_update()
    )
    return [systems.shelf.read(row) for row in rows]


def follow(systems: Systems, connection: Connection, before: System, after: System) -> None:
    """Change the children as their parent has changed.

    Raises:
        Problem: 400 where the change would leave them without a parent.
    """
    found = of(systems, connection, before)
    if found and (after.deleted or not after.allow_children):
        what = f"A system with children can neither be deleted nor disallow them. System: {before.id}"
        raise Problem(400, f"SYSLIB_CHILD_HAS_CHILD_ERROR {what}")
    for child in found:
        systems.shelf.change(connection, msgspec.structs.replace(child, **inherited(after)))


def check_patch(child: System, given: Mapping[str, Any]) -> None:
    """Raise a Problem where a patch is about more than a child has of its own."""
    refused = sorted(given.keys() - {"effectiveUserId"})
    if child.parent_id and refused:
        what = f"{refused[0]}: belongs to the parent of the child system {child.id}, {child.parent_id}"
        raise Problem(400, f"NET_INVALID_JSON_INPUT The request is not valid: {what}")


def unlink(systems: Systems, user: str, tenant: str, child_id: str) -> int:
    """Make a child a system of its own; returns how many changes that was, 1 or 0."""
    with systems.changing(user, tenant, child_id, doing="unlink") as (connection, child):
        if child.parent_id is None:
            return 0
        _unlink(systems, connection, user, child)
    return 1


def unlink_some(systems: Systems, user: str, tenant: str, parent_id: str, ids: list[str] | None) -> int:
    """Make children of one's own system systems of their own, all of them without ``ids``; returns how many.

    Raises:
        Problem: 404 for an id that is no child of this system.
    """
    with systems.changing(user, tenant, parent_id, doing="unlink") as (connection, parent):
        children = {child.id: child for child in of(systems, connection, parent)}
        for identifier in ids or ():
            if identifier not in children:
                what = f"Child system not found. ParentSystemId: {parent_id} ChildSystemId: {identifier}"
                raise Problem(404, f"SYSLIB_CHILD_CHILD_NOT_FOUND {what}")
        chosen = list(children.values()) if ids is None else [children[each] for each in dict.fromkeys(ids)]
        for child in chosen:
            _unlink(systems, connection, user, child)
    return len(chosen)


def _unlink(systems: Systems, connection: Connection, user: str, child: System) -> None:
    alone = msgspec.structs.replace(child, parent_id=None, updated=systems.clock.stamp())
    systems.shelf.change(connection, alone)
    systems.record(connection, user, alone, "MODIFY", {"unlinkedFrom": child.parent_id})
