"""Short lists that belong to one job: its history, its shares, its subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select

from weft.service.asking import Ask
from weft.service.listing import PAGE, Listing


def page_of(
    ask: Ask, connection: Connection, query: Select[Any]
) -> tuple[Sequence[RowMapping], dict[str, object]]:
    """The rows that ``limit`` and ``skip`` leave, and the list's metadata; a limit of 0 or less is none."""
    listing = Listing((), ask.number("limit", PAGE), max(ask.number("skip", 0), 0))
    if listing.limit > 0:
        query = query.limit(listing.limit)
    rows = connection.execute(query.offset(listing.skip) if listing.skip else query).mappings().all()
    return rows, listing.metadata(len(rows))
