"""Lists: the pages, the order and the selection of attributes that every list of the service offers.

``Listing`` is what a request asks of a list; ``page`` puts it on a query. A page after the first is found by
``startAfter``, as in Tapis: the value of the first attribute in ``orderBy`` of the last item seen. The page has what
comes strictly after this value, so an index leads to it however far down it is. (Items that share the value with
the last one seen are left out, as in Tapis; order by an attribute whose values differ.) ``skip`` counts items off.
Ties are broken by a unique column, so that the same order is seen by each page.

An item without a value comes after those that have one, or before them when the order is descending, on SQLite as
on PostgreSQL. ``Selection`` is what ``select`` asks of each item.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args

import msgspec.structs
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, String, func, or_, select

from weft.service.asking import Ask
from weft.service.search import Attribute, Bytewise, attribute_named, folded, refused, shown, unknown

PAGE = 100
"""Items on a page when the client does not say."""
ORDER_LIMIT = 10
"""Attributes to sort by."""
_ORDER = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:\(\s*(asc|desc)\s*\))?\s*", re.ASCII | re.IGNORECASE)


class Sorted(Struct, frozen=True):
    """One attribute of an order."""

    name: str
    attribute: Attribute
    descending: bool

    def terms(self) -> ColumnElement[Any]:
        column = self.attribute.ordered
        if not getattr(self.attribute.column, "nullable", True):
            # Not saying where NULLs go lets SQLite use an index.
            return column.desc() if self.descending else column.asc()
        return column.desc().nulls_first() if self.descending else column.asc().nulls_last()

    def after(self, value: ColumnElement[Any]) -> ColumnElement[bool]:
        """What comes strictly after this value."""
        column = self.attribute.ordered
        if self.descending:
            return column < value
        if not getattr(self.attribute.column, "nullable", True):
            return column > value
        return or_(column > value, self.attribute.column.is_(None))


class Listing(Struct, frozen=True):
    """What a request asks of a list: how much of it, and in which order."""

    order: tuple[Sorted, ...]
    limit: int = PAGE
    """As it was given; 0 and less is no limit."""
    skip: int = 0
    start_after: str | None = None
    order_by: str | None = None
    """As it was given."""
    compute_total: bool = False

    @classmethod
    def of(cls, ask: Ask, attributes: Mapping[str, Attribute], default: str = "") -> Listing:
        """The listing of a request; ``default`` is the order when the client gives none.

        Raises:
            Problem: 400: an unknown attribute, or ``startAfter`` without ``orderBy`` or with ``skip``.
        """
        order_by = (ask.text("orderBy") or "").strip() or None
        start_after = ask.text("startAfter") or None
        if start_after is not None and order_by is None:
            raise refused("startAfter needs orderBy: the attribute whose value it is")
        if start_after is not None and ask.text("skip"):
            raise refused("startAfter and skip exclude each other")
        return cls(
            tuple(_order(order_by or default, attributes)),
            ask.number("limit", PAGE),
            max(ask.number("skip", 0), 0),
            start_after,
            order_by,
            ask.flag("computeTotal"),
        )

    def read(
        self, connection: Connection, query: Select[Any], unique: ColumnElement[Any]
    ) -> tuple[Sequence[Row[Any]], dict[str, object]]:
        """The rows of this page, and the list's ``metadata``."""
        rows = connection.execute(self.page(query, unique)).all()
        total = int(connection.execute(self.counting(query)).scalar_one()) if self.compute_total else -1
        return rows, self.metadata(len(rows), total)

    def page(self, query: Select[Any], unique: ColumnElement[Any]) -> Select[Any]:
        """The query, sorted and cut to this page; ``unique`` breaks ties in the direction of the order."""
        query = self._after(query).order_by(*(one.terms() for one in self.order))
        if not any(one.attribute.column is unique for one in self.order):
            tie = Bytewise(unique) if isinstance(unique.type, String) else unique
            query = query.order_by(tie.desc() if self.order and self.order[0].descending else tie.asc())
        if self.limit > 0:
            query = query.limit(self.limit)
        return query.offset(self.skip) if self.skip else query

    def counting(self, query: Select[Any]) -> Select[Any]:
        """How many items there are without a limit, counted from ``startAfter``, as Tapis does."""
        return select(func.count()).select_from(self._after(query).order_by(None).subquery())

    def _after(self, query: Select[Any]) -> Select[Any]:
        if self.start_after is None:
            return query
        first = self.order[0]
        return query.where(first.after(first.attribute.bound(first.name, self.start_after)))

    def metadata(self, count: int, total: int = -1) -> dict[str, object]:
        return {
            "recordCount": count,
            "recordLimit": self.limit,
            "recordsSkipped": self.skip,
            "orderBy": self.order_by,
            "startAfter": self.start_after,
            "totalCount": total,
        }


def _order(given: str, attributes: Mapping[str, Attribute]) -> Iterator[Sorted]:
    parts = [part for part in given.split(",") if part.strip()]
    if len(parts) > ORDER_LIMIT:
        raise refused(f"orderBy takes up to {ORDER_LIMIT} attributes")
    for part in parts:
        found = _ORDER.fullmatch(part)
        if found is None:
            raise refused(f"orderBy is like created(desc),name(asc), not {shown(part)}")
        name, attribute = attribute_named(attributes, found[1])
        if attribute.kind == "list":
            raise refused(f"orderBy: {name} is a list, which has no order")
        yield Sorted(name, attribute, (found[2] or "asc").lower() == "desc")


# Which attributes an item has in the answer


class Selection(Struct, frozen=True):
    """The attributes that a client selected: a tree of names, where no names below one mean all of it."""

    tree: Mapping[str, Any] | None
    """None selects everything."""

    @classmethod
    def of(
        cls, given: str | None, known: Collection[str], *, summary: Sequence[str], always: Sequence[str]
    ) -> Selection:
        """The selection that ``given`` writes: names, ``summaryAttributes``, ``allAttributes``; ``always`` are added.

        ``known`` has every name there is, those of inner structures with dots (``names_of``).

        Raises:
            Problem: 400, naming an attribute that does not exist.
        """
        names = {".".join(map(folded, name.split("."))): name for name in known}
        chosen = [*always]
        for part in (given or "").split(","):
            wanted = part.strip()
            if wanted == "allAttributes":
                return cls(None)
            if wanted == "summaryAttributes":
                chosen += summary
            elif wanted:
                name = names.get(".".join(map(folded, wanted.split("."))))
                if name is None:
                    raise unknown(wanted, known)
                chosen.append(name)
        return cls(_tree(chosen))

    def choose(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with the selected attributes only."""
        return dict(document) if self.tree is None else _pruned(document, self.tree)


def _tree(names: Sequence[str]) -> dict[str, Any]:
    """The names as a tree; shorter ones first, since a whole attribute has all that is in it."""
    tree: dict[str, Any] = {}
    for name in sorted(dict.fromkeys(names), key=lambda one: one.count(".")):
        *path, last = name.split(".")
        branch: dict[str, Any] | None = tree
        for step in path:
            branch = None if branch is None else branch.setdefault(step, {})
        if branch is not None:
            branch.setdefault(last, None)
    return tree


def _pruned(value: Any, tree: Mapping[str, Any] | None) -> Any:
    if tree is None:
        return value
    if isinstance(value, Mapping):
        return {name: _pruned(value[name], below) for name, below in tree.items() if name in value}
    if isinstance(value, list):
        return [_pruned(one, tree) for one in value]
    return value


@cache
def names_of(kind: type[Struct]) -> frozenset[str]:
    """The wire names of a structure's fields, those of the structures within as ``jobAttributes.execSystemId``."""
    return frozenset(_names(kind, ()))


def _names(kind: type[Struct], within: tuple[type[Struct], ...]) -> Iterator[str]:
    if kind in within:  # a structure that may hold its own kind
        return
    for field in msgspec.structs.fields(kind):
        yield field.encode_name
        for inner in _structures(field.type):
            yield from (f"{field.encode_name}.{name}" for name in _names(inner, (*within, kind)))


def _structures(annotation: Any) -> Iterator[type[Struct]]:
    """The structures that a field's type speaks of, itself or as the items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation
    for inner in get_args(annotation):
        yield from _structures(inner)
