"""Short lists that belong to one job: its history, its shares, its subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select

from weft.service.asking import Ask

LIMIT = 100


def page_of(
    ask: Ask, connection: Connection, query: Select[Any]
) -> tuple[Sequence[RowMapping], dict[str, object]]:
    """The rows that ``limit`` and ``skip`` leave, and the list's metadata; a limit of 0 or less is none."""
    limit, skip = ask.number("limit", LIMIT), max(ask.number("skip", 0), 0)
    if limit > 0:
        query = query.limit(limit)
    rows = connection.execute(query.offset(skip) if skip else query).mappings().all()
    return rows, {
        "recordCount": len(rows),
        "recordLimit": limit,
        "recordsSkipped": skip,
        "orderBy": None,
        "startAfter": None,
        "totalCount": -1,
    }
