"""The history of definitions: who did what to a system or an app, and when.

Everything about it lives here. It is written in the transaction that makes the change, and never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Index, Integer, String, Table, Text, insert, select

from weft.service.database import metadata

definition_history = Table(
    "definition_history",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("id", String(80), nullable=False),
    Column("version", String(64), nullable=False, server_default=""),
    Column("user", String(64), nullable=False),
    Column("operation", String(32), nullable=False),
    Column("data", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Index("definition_history_of", "tenant", "kind", "id"),
)


class Item(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """One entry as it is answered; `description` is JSON text."""

    jwt_tenant: str
    jwt_user: str
    obo_tenant: str
    obo_user: str
    operation: str
    description: str
    created: str
    app_version: str | msgspec.UnsetType | None = msgspec.UNSET


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one definition."""

    kind: str
    tenant: str
    id: str
    user: str
    operation: str
    created: str
    version: str = ""
    data: Any = {}


def record(connection: Connection, change: Change) -> None:
    """Write one entry, in the transaction of the change itself."""
    values = msgspec.structs.asdict(change)
    values["data"] = msgspec.json.encode(change.data).decode()
    connection.execute(insert(definition_history).values(values))


def entries(connection: Connection, kind: str, tenant: str, identifier: str) -> Sequence[Item]:
    """All entries of one definition, oldest first."""
    table = definition_history
    rows = connection.execute(
        select(table)
        .where(table.c.tenant == tenant, table.c.kind == kind, table.c.id == identifier)
        .order_by(table.c.seq)
    )
    return [
        Item(
            jwt_tenant=tenant,
            jwt_user=row.user,
            obo_tenant=tenant,
            obo_user=row.user,
            operation=row.operation,
            description=row.data,
            created=row.created,
            app_version=(row.version or None) if kind == "app" else msgspec.UNSET,
        )
        for row in rows
    ]
