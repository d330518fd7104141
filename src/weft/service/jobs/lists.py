"""Lists of jobs and both searches: whose jobs, which of them, in which order, with which attributes.

The jobs of one user are found by indexes that begin with the user, whatever the order. Jobs that others share are
looked for only when there are any, so that asking for all jobs costs no more than asking for one's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select, true

from weft.service.answers import Answer
from weft.service.asking import Ask
from weft.service.jobs import tables
from weft.service.jobs.model import Job
from weft.service.jobs.tables import jobs, shares
from weft.service.listing import Listing, Selection
from weft.service.notations import from_parameters, from_statement
from weft.service.search import Attribute, Expression, Kind, condition

LIST_TYPES = ("MY_JOBS", "SHARED_JOBS", "ALL_JOBS")
SUMMARY = (
    "uuid",
    "name",
    "owner",
    "appId",
    "created",
    "status",
    "condition",
    "remoteStarted",
    "ended",
    "tenant",
    "execSystemId",
    "archiveSystemId",
    "appVersion",
    "lastUpdated",
)
"""What an item of a list has."""
DEFAULT_ORDER = "lastUpdated"
"""Ascending, as in the real service."""
_TIMES = (
    "created",
    "ended",
    "lastUpdated",
    "remoteSubmitted",
    "remoteStarted",
    "remoteEnded",
    "remoteLastStatusCheck",
)
_LISTS = ("tags", "sharedAppCtxAttribs")
_HINTS = get_type_hints(Job)


class SearchBody(msgspec.Struct):
    """The body of a search: strings that make one statement together."""

    search: list[str] = []


def _kind(name: str, wire: str) -> Kind:
    if wire in _TIMES:
        return "time"
    if wire in _LISTS:
        return "list"
    kinds: dict[Any, Kind] = {int: "number", bool: "boolean"}
    return kinds.get(_HINTS[name], "text")


ATTRIBUTES = {wire: Attribute(jobs.c[name], _kind(name, wire)) for name, wire in tables.ATTRIBUTES.items()}


def get_job_list(ask: Ask) -> Answer:
    return _page(ask, None, SUMMARY, f"JOBS_LIST_RETRIEVED Jobs list for the user {ask.user} retrieved.")


def get_job_search_list(ask: Ask) -> Answer:
    return _search(ask, from_parameters(ask.query()))


def get_job_search_list_by_post_sql_str(ask: Ask) -> Answer:
    return _search(ask, from_statement(ask.body(SearchBody, empty_as=SearchBody()).search))


def _search(ask: Ask, expression: Expression | None) -> Answer:
    given = ask.text("select") or "summaryAttributes"
    selection = Selection.of(given, tuple(tables.ATTRIBUTES.values()), summary=SUMMARY, always=("uuid",))
    names = None if selection.tree is None else tuple(selection.tree)
    whose = f"for the user {ask.user} in the tenant {ask.tenant}"
    answer = _page(
        ask, expression, names, f"JOBS_SEARCH_RESULT_LIST_RETRIEVED Jobs search list {whose} retrieved."
    )
    if answer.result:
        return answer
    return msgspec.structs.replace(
        answer, message=f"JOBS_SEARCH_NO_JOBS_FOUND No Jobs found satisfying the search criteria {whose}"
    )


def _page(ask: Ask, expression: Expression | None, names: tuple[str, ...] | None, message: str) -> Answer:
    listing = Listing.of(ask, ATTRIBUTES, DEFAULT_ORDER)
    list_type = ask.choice("listType", "MY_JOBS", LIST_TYPES)
    wanted = condition(expression, ATTRIBUTES)
    columns = [jobs.c[name] for name, wire in tables.ATTRIBUTES.items() if names is None or wire in names]
    with ask.service.database.reading() as connection:
        whose = _whose(connection, ask, list_type)
        query = select(*columns).where(whose if expression is None else and_(whose, wanted))
        rows, metadata = _read(listing, connection, query)
    return Answer([tables.shown(row._mapping, names) for row in rows], message, metadata=metadata)


def _read(
    listing: Listing, connection: Connection, query: Select[Any]
) -> tuple[Sequence[Row[Any]], dict[str, object]]:
    """The rows of a page, and the list's metadata.

    What comes after a value in an ascending order are the greater values and then the jobs without one. As one
    condition no index leads to it, so it is asked for in two steps; mostly the first one fills the page.
    """
    first = listing.order[0]
    if listing.start_after is None or first.descending or not first.attribute.column.nullable:
        return listing.read(connection, query, jobs.c.id)
    rest = msgspec.structs.replace(listing, start_after=None, compute_total=False)
    value = first.attribute.bound(first.name, listing.start_after)
    rows = list(rest.read(connection, query.where(first.attribute.ordered > value), jobs.c.id)[0])
    if rest.limit <= 0 or len(rows) < rest.limit:
        rest = msgspec.structs.replace(rest, limit=rest.limit - len(rows) if rest.limit > 0 else 0)
        rows += rest.read(connection, query.where(first.attribute.column.is_(None)), jobs.c.id)[0]
    total = -1
    if listing.compute_total:
        total = int(connection.execute(listing.counting(query)).scalar_one())
    return rows, listing.metadata(len(rows), total)


def _whose(connection: Connection, ask: Ask, list_type: str) -> ColumnElement[bool]:
    """The condition for the jobs that a list is about, hidden ones left out."""
    there = and_(jobs.c.tenant == ask.tenant, jobs.c.visible == true())
    own = and_(there, jobs.c.owner == ask.user)
    if list_type == "MY_JOBS":
        return own
    mine = select(shares.c.job_uuid).where(
        shares.c.tenant == ask.tenant, shares.c.grantee == ask.user, shares.c.job_resource == "JOB_HISTORY"
    )
    if list_type == "SHARED_JOBS":
        return and_(there, jobs.c.uuid.in_(mine))
    if connection.execute(mine.limit(1)).first() is None:
        return own
    return and_(there, or_(jobs.c.owner == ask.user, jobs.c.uuid.in_(mine)))
