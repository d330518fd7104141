"""Lists: pages that together are the whole, in one order, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, create_engine, select
from starlette.requests import Request
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.asking import Ask
from weft.service.listing import ORDER_LIMIT, Listing, Selection, names_of
from weft.service.search import Attribute

ITEMS = Table(
    "items",
    MetaData(),
    Column("uuid", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("size", Integer),
    Column("created", String, nullable=False),
    Column("tags", String),
    Index("items_by_creation", "owner", "created", "uuid"),
)
ATTRIBUTES = {
    "uuid": Attribute(ITEMS.c.uuid),
    "name": Attribute(ITEMS.c.name),
    "itemSize": Attribute(ITEMS.c.size, "number"),
    "created": Attribute(ITEMS.c.created, "time"),
    "tags": Attribute(ITEMS.c.tags, "list"),
}
ALL = select(ITEMS.c.uuid, ITEMS.c.name, ITEMS.c.size, ITEMS.c.created)


def ask(**query: object) -> Ask:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http", "path_params": {}}
    request = Request({**scope, "query_string": urlencode(query).encode()})
    service: Any = None
    return Ask(service, request, user="ada", tenant="dev")


def listing(**query: object) -> Listing:
    return Listing.of(ask(**query), ATTRIBUTES)


def stamp(number: int) -> str:
    return f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.{number // 3600:06}Z"


def fill(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(ITEMS.delete())
    if rows:
        connection.execute(ITEMS.insert(), [{"owner": "ada", **row} for row in rows])


def opened(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    ITEMS.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def lite() -> Iterator[Connection]:
    yield from opened("sqlite://")


@pytest.fixture
def real(postgresql_database: str) -> Iterator[Connection]:
    yield from opened(postgresql_database)


words = st.sampled_from(["a", "B", "b", "Ä", "z", "_", "", "a-b", "ab"]) | st.text("aB-é'%", max_size=3)
tables = st.lists(
    st.tuples(words, st.none() | st.integers(-3, 3), st.integers(0, 5)), min_size=1, max_size=12
).map(
    lambda rows: [
        {"uuid": f"u{number * 7 % 13:02}", "name": name, "size": size, "created": stamp(created)}
        for number, (name, size, created) in enumerate(rows)
    ]
)
orders = st.lists(
    st.tuples(st.sampled_from(["name", "itemSize", "created", "uuid"]), st.booleans()), min_size=0, max_size=3
)
COLUMNS = {"name": "name", "itemSize": "size", "created": "created", "uuid": "uuid"}
TRIALS = settings(
    max_examples=count(150, 3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def sorted_plainly(rows: list[dict[str, Any]], order: list[tuple[str, bool]]) -> list[str]:
    """The order as it should be; Python sorts stably, so the least important comes first."""
    result = sorted(rows, key=lambda row: row["uuid"], reverse=bool(order and order[0][1]))
    for name, descending in reversed(order):

        def key(row: dict[str, Any], at: str = COLUMNS[name]) -> tuple[bool, Any]:
            return row[at] is None, row[at] or (0 if at == "size" else "")

        result.sort(key=key, reverse=descending)
    return [row["uuid"] for row in result]


def written(order: list[tuple[str, bool]]) -> str:
    return ",".join(f"{name}(desc)" if descending else name for name, descending in order)


def pages_by_skipping(connection: Connection, order: str, limit: int) -> list[str]:
    seen: list[str] = []
    while True:
        one = listing(orderBy=order, limit=limit, skip=len(seen))
        rows, metadata = one.read(connection, ALL, ITEMS.c.uuid)
        assert metadata["recordCount"] == len(rows) <= limit
        if not rows:
            return seen
        seen += [row.uuid for row in rows]


def pages_by_value(connection: Connection, order: str, limit: int, column: str) -> list[str]:
    seen: list[str] = []
    last: dict[str, Any] = {}
    while True:
        one = listing(orderBy=order, limit=limit, **last)
        rows, _ = one.read(connection, ALL, ITEMS.c.uuid)
        if not rows:
            return seen
        seen += [row.uuid for row in rows]
        last = {"startAfter": getattr(rows[-1], column)}


def check_pages(
    connection: Connection, rows: list[dict[str, Any]], order: list[tuple[str, bool]], limit: int
) -> None:
    fill(connection, rows)
    assert pages_by_skipping(connection, written(order), limit) == sorted_plainly(rows, order)
    for descending in (False, True):
        unique = [("uuid", descending), *order]
        assert pages_by_value(connection, written(unique), limit, "uuid") == sorted_plainly(rows, unique)


@given(tables, orders, st.integers(1, 5))
@TRIALS
def test_pages_together_are_the_whole_on_sqlite(
    lite: Connection, rows: list[dict[str, Any]], order: list[tuple[str, bool]], limit: int
) -> None:
    check_pages(lite, rows, order, limit)


@given(tables, orders, st.integers(1, 5))
@settings(TRIALS, max_examples=count(60, 1500))
def test_pages_together_are_the_whole_on_postgresql(
    real: Connection, rows: list[dict[str, Any]], order: list[tuple[str, bool]], limit: int
) -> None:
    check_pages(real, rows, order, limit)


@given(tables, orders.filter(bool), st.data())
@TRIALS
def test_start_after_is_strictly_after_a_value(
    lite: Connection, rows: list[dict[str, Any]], order: list[tuple[str, bool]], data: st.DataObject
) -> None:
    fill(lite, rows)
    column = COLUMNS[order[0][0]]
    values = [str(row[column]) for row in rows if row[column] is not None and row[column] != ""]
    if not values:
        return
    value = data.draw(st.sampled_from(values))
    page, metadata = listing(orderBy=written(order), startAfter=value, computeTotal=True, limit=-1).read(
        lite, ALL, ITEMS.c.uuid
    )
    whole = sorted_plainly(rows, order)
    last = max(
        at
        for at, uuid in enumerate(whole)
        if next(str(r[column]) for r in rows if r["uuid"] == uuid) == value
    )
    assert [row.uuid for row in page] == whole[last + 1 :]
    assert metadata["totalCount"] == len(whole) - last - 1


def test_metadata_is_exactly_that_of_tapis(lite: Connection) -> None:
    fill(lite, [{"uuid": f"u{n}", "name": "n", "size": n, "created": stamp(n)} for n in range(7)])
    rows, metadata = listing(limit=2, skip=3, orderBy="created(desc)", computeTotal="true").read(
        lite, ALL, ITEMS.c.uuid
    )
    assert [row.size for row in rows] == [3, 2]
    assert metadata == {
        "recordCount": 2,
        "recordLimit": 2,
        "recordsSkipped": 3,
        "orderBy": "created(desc)",
        "startAfter": None,
        "totalCount": 7,
    }
    assert listing().read(lite, ALL, ITEMS.c.uuid)[1] == {
        "recordCount": 7,
        "recordLimit": 100,
        "recordsSkipped": 0,
        "orderBy": None,
        "startAfter": None,
        "totalCount": -1,
    }


@pytest.mark.parametrize(
    ("query", "hits"),
    [({}, 100), ({"limit": 0}, 120), ({"limit": -1}, 120), ({"limit": -7}, 120), ({"limit": 5}, 5), ({"limit": ""}, 100),
     ({"limit": -1, "skip": 100}, 20), ({"limit": 50, "skip": 100}, 20), ({"skip": 500}, 0), ({"skip": -1}, 100),
     ({"limit": 2**31 - 1}, 120), ({"pretty": "true"}, 100), ({"pretty": "x"}, 100)],
)  # fmt: skip
def test_how_many(lite: Connection, query: dict[str, object], hits: int) -> None:
    fill(lite, [{"uuid": f"u{n:03}", "name": "n", "size": n, "created": stamp(n)} for n in range(120)])
    assert len(listing(**query).read(lite, ALL, ITEMS.c.uuid)[0]) == hits


def test_the_default_order_is_used_when_none_is_asked_for(lite: Connection) -> None:
    fill(lite, [{"uuid": f"u{n}", "name": "n", "size": -n, "created": stamp(n)} for n in range(4)])
    rows, metadata = Listing.of(ask(), ATTRIBUTES, "created(desc)").read(lite, ALL, ITEMS.c.uuid)
    assert [row.uuid for row in rows] == ["u3", "u2", "u1", "u0"]
    assert metadata["orderBy"] is None
    assert [
        row.uuid
        for row in Listing.of(ask(orderBy="uuid"), ATTRIBUTES, "created(desc)").read(lite, ALL, ITEMS.c.uuid)[
            0
        ]
    ] == ["u0", "u1", "u2", "u3"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"startAfter": "x"}, "needs orderBy"),
        ({"startAfter": "x", "orderBy": "name", "skip": 1}, "exclude each other"),
        ({"startAfter": "x", "orderBy": "itemSize"}, "itemSize is a number"),
        ({"startAfter": "x", "orderBy": "created"}, "created is a time"),
        ({"orderBy": "craeted"}, "the nearest one is created"),
        ({"orderBy": "tags"}, "tags is a list"),
        ({"orderBy": "name(up)"}, "orderBy is like"),
        ({"orderBy": "name desc"}, "orderBy is like"),
        ({"orderBy": "name; DROP TABLE items"}, "orderBy is like"),
        ({"orderBy": ",".join(["name"] * (ORDER_LIMIT + 1))}, "orderBy takes up to"),
        ({"limit": "many"}, "limit must be a whole number"),
        ({"limit": "9" * 40}, "limit must be a whole number"),
        ({"computeTotal": "perhaps"}, "computeTotal"),
    ],
)
def test_what_is_refused(query: dict[str, object], words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        listing(**query).page(ALL, ITEMS.c.uuid)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "order", ["created(desc)", " Created ( DESC ) , item_size(asc),", "created(Desc),NAME"]
)
def test_orders_are_read(order: str) -> None:
    first = listing(orderBy=order).order[0]
    assert (first.name, first.descending) == ("created", True)


def test_a_page_far_down_is_found_by_an_index(lite: Connection) -> None:
    mine = ALL.where(ITEMS.c.owner == "ada")
    for order in ("created", "created(desc)"):
        page = listing(orderBy=order, startAfter=stamp(3), limit=10).page(mine, ITEMS.c.uuid)
        text = str(page.compile(lite, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(row[3] for row in lite.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
        sign = ">" if order == "created" else "<"
        assert f"INDEX items_by_creation (owner=? AND created{sign}?)" in plan
        assert "TEMP B-TREE" not in plan


# Selecting attributes


class Argument(Struct, rename="camel"):
    arg_name: str
    value: str = ""


class Settings(Struct, rename="camel"):
    exec_system_id: str = ""
    app_args: list[Argument] | None = None


class Thing(Struct, rename="camel"):
    id: str
    app_version: str = ""
    job_attributes: Settings | None = None
    parent: Thing | None = None


DOCUMENT = {
    "id": "a",
    "appVersion": "1",
    "jobAttributes": {
        "execSystemId": "e",
        "appArgs": [{"argName": "x", "value": "1"}, {"argName": "y", "value": "2"}],
    },
    "parent": None,
}


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (None, {"id": "a"}),
        ("allAttributes", DOCUMENT),
        ("id,allAttributes", DOCUMENT),
        ("summaryAttributes", {"id": "a", "appVersion": "1"}),
        ("summaryAttributes,parent", {"id": "a", "appVersion": "1", "parent": None}),
        ("app_version, ,", {"id": "a", "appVersion": "1"}),
        ("jobAttributes.execSystemId", {"id": "a", "jobAttributes": {"execSystemId": "e"}}),
        ("jobAttributes.execSystemId,jobAttributes", {"id": "a", "jobAttributes": DOCUMENT["jobAttributes"]}),
        (
            "job_attributes.app_args.arg_name",
            {"id": "a", "jobAttributes": {"appArgs": [{"argName": "x"}, {"argName": "y"}]}},
        ),
        ("parent", {"id": "a", "parent": None}),
    ],
)
def test_selecting(given: str | None, chosen: dict[str, Any]) -> None:
    selection = Selection.of(given, names_of(Thing), summary=["id", "appVersion"], always=["id"])
    assert selection.choose(DOCUMENT) == chosen


@pytest.mark.parametrize(
    ("given", "near"), [("appVersio", "appVersion"), ("jobAttributes.nope", ""), ("zzz", ""), ("a'b", "")]
)
def test_selecting_what_is_not_there(given: str, near: str) -> None:
    with pytest.raises(Problem, match=near or "no attribute") as raised:
        Selection.of(given, names_of(Thing), summary=["id"], always=["id"])
    assert raised.value.status == 400


@given(st.text(max_size=40))
@TRIALS
def test_any_selection_is_made_or_refused(given: str) -> None:
    try:
        selection = Selection.of(given, names_of(Thing), summary=["id"], always=["id"])
    except Problem as problem:
        assert problem.status == 400
    else:
        assert selection.choose(DOCUMENT)["id"] == "a"


def test_a_structure_in_itself_ends() -> None:
    assert names_of(Thing) >= {"jobAttributes.appArgs.argName", "parent"}
    assert not any(name.startswith("parent.") for name in names_of(Thing))
