"""Definitions as rows: one table for each kind of them, and how a definition is written to it and read again.

A definition is stored whole, as JSON; its plain attributes stand in columns beside it, for searching and sorting.
A system is one row, an app one row for each version; owner, ``enabled`` and ``deleted`` are the same in all rows of
an id, and ``latest`` marks the row that was created last. A row is never removed: an id stays taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from weft.service.database import REMEMBERED, metadata
from weft.service.search import Attribute, Kind
from weft.service.systems.attributes import Definition

D = TypeVar("D", bound=Definition)

_COLUMNS: Mapping[Kind, Any] = {"text": Text, "number": BigInteger, "boolean": Boolean, "list": Text}
_NEVER_NULL = frozenset(
    {"id", "version", "tenant", "owner", "uuid", "created", "updated", "enabled", "deleted"}
)
_TIMES = frozenset({"created", "updated"})
_NOT_STORED = frozenset({"shared_app_ctx"})


class Shelf(Generic[D]):
    """The table of one kind of definitions; ``key`` are the columns that are unique in a tenant."""

    def __init__(self, name: str, model: type[D], *key: str) -> None:
        self.model = model
        self._plain = dict(_plain(model))
        columns = [
            Column(field, _COLUMNS[kind](), nullable=field not in _NEVER_NULL)
            for field, (_, kind) in self._plain.items()
        ]
        self.table = Table(
            name,
            metadata,
            Column("seq", Integer, primary_key=True, autoincrement=True),
            Column("latest", Boolean, nullable=False),
            *columns,
            Column("definition", Text, nullable=False),
            UniqueConstraint("tenant", *key),
            Index(f"{name}_of_owner", "tenant", "owner", "id"),
            Index(f"{name}_by_time", "tenant", "created"),
            info=REMEMBERED,
        )
        newest = self.table.c.latest
        # Two who create the same id at once cannot both be the latest.
        Index(
            f"{name}_latest",
            self.table.c.tenant,
            self.table.c.id,
            unique=True,
            sqlite_where=newest,
            postgresql_where=newest,
        )
        self.key = key
        self.attributes: dict[str, Attribute] = {
            wire: Attribute(self.table.c[field], "time" if field in _TIMES else kind)
            for field, (wire, kind) in self._plain.items()
        }

    def read(self, row: Row[Any]) -> D:
        """The definition in a row."""
        return msgspec.json.decode(row.definition, type=self.model)

    def find(
        self, connection: Connection, tenant: str, identifier: str, version: str | None = None
    ) -> D | None:
        """A definition, also a deleted one; without a version the one created last."""
        rows = self._rows(tenant, identifier)
        wanted = self.table.c.latest if version is None else self.table.c.version == version
        row = connection.execute(rows.where(wanted)).first()
        return self.read(row) if row is not None else None

    def versions(self, connection: Connection, tenant: str, identifier: str) -> list[D]:
        """All that there is under an id, held against others until the transaction ends; oldest first."""
        rows = self._rows(tenant, identifier).order_by(self.table.c.seq).with_for_update()
        return [self.read(row) for row in connection.execute(rows)]

    def add(self, connection: Connection, definition: D) -> None:
        """Write a new definition; it is the latest of its id."""
        same = (self.table.c.tenant == definition.tenant, self.table.c.id == definition.id)
        connection.execute(update(self.table).where(*same).values(latest=False))
        connection.execute(insert(self.table).values(latest=True, **self._values(definition)))

    def change(self, connection: Connection, definition: D) -> None:
        """Write a definition over the one that has the same key."""
        same = [self.table.c[name] == getattr(definition, name) for name in ("tenant", *self.key)]
        connection.execute(update(self.table).where(*same).values(self._values(definition)))

    def _rows(self, tenant: str, identifier: str) -> Select[Any]:
        table = self.table
        return select(table.c.definition).where(table.c.tenant == tenant, table.c.id == identifier)

    def _values(self, definition: D) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field, (_, kind) in self._plain.items():
            value = getattr(definition, field)
            values[field] = msgspec.json.encode(value).decode() if kind == "list" else value
        return {**values, "definition": msgspec.json.encode(definition).decode()}


def _plain(model: type[Definition]) -> Iterator[tuple[str, tuple[str, Kind]]]:
    """The fields with one value, and the tags: their names, their names for clients, and what they hold."""
    described = inspect.type_info(model)
    assert isinstance(described, inspect.StructType)  # noqa: S101 - models are structures
    for field in described.fields:
        kind = "list" if field.name == "tags" else _kind(field.type)
        if kind is not None and field.name not in _NOT_STORED:
            yield field.name, (field.encode_name, kind)


def _kind(described: inspect.Type) -> Kind | None:
    if isinstance(described, inspect.Metadata):
        return _kind(described.type)
    if isinstance(described, inspect.UnionType):
        kinds = [_kind(each) for each in described.types if not isinstance(each, inspect.NoneType)]
        return kinds[0] if len(kinds) == 1 else None
    if isinstance(described, inspect.StrType | inspect.LiteralType):
        return "text"
    if isinstance(described, inspect.BoolType):
        return "boolean"
    return "number" if isinstance(described, inspect.IntType) else None


def merged(there: Any, given: Any) -> Any:
    """What is there, changed by what is given: structures are merged, lists and ``notes`` replaced."""
    if not (isinstance(there, dict) and isinstance(given, dict)):
        return given
    return {
        **there,
        **{key: value if key == "notes" else merged(there.get(key), value) for key, value in given.items()},
    }
