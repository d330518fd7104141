"""Searching: three notations, one meaning, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    select,
)
from sqlalchemy.engine import Dialect, make_url
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.notations import DEPTH_LIMIT, LENGTH_LIMIT, from_list, from_parameters, from_statement
from weft.service.search import (
    ALLOWED,
    CONDITION_LIMIT,
    TEXT_LIMIT,
    VALUE_LIMIT,
    Attribute,
    Condition,
    Every,
    Expression,
    Operator,
    Some,
    Wild,
    condition,
    moment,
)  # fmt: skip

THINGS = Table(
    "things",
    MetaData(),
    Column("key", Integer, primary_key=True),
    Column("name", String),
    Column("port", Integer),
    Column("load", Float),
    Column("enabled", Boolean),
    Column("created", String),
    Column("tags", String),
)
ATTRIBUTES = {
    "name": Attribute(THINGS.c.name),
    "hostPort": Attribute(THINGS.c.port, "number"),
    "load": Attribute(THINGS.c.load, "number"),
    "isEnabled": Attribute(THINGS.c.enabled, "boolean"),
    "created": Attribute(THINGS.c.created, "time"),
    "tags": Attribute(THINGS.c.tags, "list"),
}
POSTGRESQL: Dialect = make_url("postgresql+psycopg://").get_dialect()()
SQLITE: Dialect = make_url("sqlite://").get_dialect()()
Row = dict[str, Any]
TRICKY = ["", "a", "A", "ab", "a%b", "a_b", "a*b", "a!b", "a?b", "[a]", "a\\b", "\\", "'", "''", '"', 'x"', ",", "(", ")",
          "~", "ä", "Ä", "日本", "𝛼", "/", "é", "e\u0301", "-- x", "'; DROP TABLE things; --", "TRUE", "1", "\n", "\x02", "\x03",
          'z",', "x,", '","', "\\\"", "\\\\", "%", "_", "*", "!", "NULL", "a,b"]  # fmt: skip
MOMENTS = ["2026-01-01T00:00:00.000000Z", "2026-05-01T12:30:00.500000Z", "1999-12-31T23:59:59.999999Z"]


@pytest.fixture(scope="module")
def lite() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def real(postgresql_database: str) -> Iterator[Connection]:
    engine = create_engine(postgresql_database)
    THINGS.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def fill(connection: Connection, rows: list[Row]) -> None:
    connection.execute(THINGS.delete())
    if rows:
        connection.execute(
            THINGS.insert(),
            [
                {
                    "key": key,
                    "name": row["name"],
                    "port": row["hostPort"],
                    "load": row["load"],
                    "enabled": row["isEnabled"],
                    "created": row["created"],
                    "tags": None if row["tags"] is None else str(msgspec.json.encode(row["tags"]), "utf-8"),
                }
                for key, row in enumerate(rows)
            ],
        )


def found(connection: Connection, expression: Expression | None) -> list[int]:
    query = select(THINGS.c.key).where(condition(expression, ATTRIBUTES)).order_by(THINGS.c.key)
    return list(connection.execute(query).scalars())


# The same, said in plain Python


def value_of(name: str, text: str) -> Any:
    kind = ATTRIBUTES[name].kind
    if kind == "number":
        return float(text) if re.search(r"[.eE]", text) else int(text)
    if kind == "boolean":
        return text.lower() == "true"
    return moment(name, text) if kind == "time" else text


TESTS: dict[Operator, Callable[[Any, list[Any]], bool]] = {
    Operator.EQ: lambda have, want: have == want[0],
    Operator.NEQ: lambda have, want: have != want[0],
    Operator.GT: lambda have, want: have > want[0],
    Operator.GTE: lambda have, want: have >= want[0],
    Operator.LT: lambda have, want: have < want[0],
    Operator.LTE: lambda have, want: have <= want[0],
    Operator.IN: lambda have, want: have in want,
    Operator.NIN: lambda have, want: have not in want,
    Operator.BETWEEN: lambda have, want: want[0] <= have <= want[1],
    Operator.NBETWEEN: lambda have, want: not want[0] <= have <= want[1],
}


def holds(row: Row, expression: Expression) -> bool:
    if isinstance(expression, Every):
        return all(holds(row, part) for part in expression.parts)
    if isinstance(expression, Some):
        return any(holds(row, part) for part in expression.parts)
    have, operator = row[expression.attribute], expression.operator
    if ATTRIBUTES[expression.attribute].kind == "list":
        meets = bool(set(have or []) & set(expression.values))
        return meets if operator in (Operator.IN, Operator.CONTAINS) else not meets
    if have is None:
        return False
    if operator in (Operator.LIKE, Operator.NLIKE):
        signs = {Wild.MANY: ".*", Wild.ONE: "."}
        pattern = "".join(
            signs[part] if isinstance(part, Wild) else re.escape(part) for part in expression.pattern
        )
        return bool(re.fullmatch(pattern, have, re.DOTALL)) == (operator is Operator.LIKE)
    return TESTS[operator](have, [value_of(expression.attribute, text) for text in expression.values])


# Random rows and random expressions

texts = st.sampled_from(TRICKY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
numbers = st.integers(-5, 5) | st.integers(-(2**31), 2**31 - 1)
floats = st.sampled_from([0.0, 1.5, -2.25, 1e300, 3.0])
moments = st.sampled_from(MOMENTS)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | texts,
            "hostPort": st.none() | numbers,
            "load": st.none() | floats,
            "isEnabled": st.none() | st.booleans(),
            "created": st.none() | moments,
            "tags": st.none() | st.lists(texts, max_size=3),
        }
    ),
    max_size=6,
)
WRITTEN: dict[str, st.SearchStrategy[str]] = {
    "text": texts,
    "list": texts,
    "number": st.one_of(
        numbers.map(str), floats.map(repr), st.sampled_from(["1.5", "-0.5", "3.", ".5", "2e3"])
    ),
    "boolean": st.sampled_from(["true", "False", "TRUE"]),
    "time": moments | st.sampled_from(["2026", "2026-05-01", "2026-05-01T14:30:00.5+02:00", "2000-01Z"]),
}
patterns = st.lists(texts | st.sampled_from(list(Wild)), max_size=5).map(
    lambda parts: tuple(one for part in parts for one in ([part] if isinstance(part, Wild) else part))
)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from(list(ATTRIBUTES)))
    kind = ATTRIBUTES[name].kind
    operator = draw(st.sampled_from(sorted(ALLOWED[kind], key=lambda one: one.value)))
    if operator in (Operator.LIKE, Operator.NLIKE):
        return Condition(name, operator, pattern=draw(patterns))
    least, most = {"in": (1, 4), "between": (2, 2), "contains": (1, 3)}.get(
        operator.value.removeprefix("n"), (1, 1)
    )
    return Condition(name, operator, tuple(draw(st.lists(WRITTEN[kind], min_size=least, max_size=most))))


expressions = st.recursive(
    conditions(),
    lambda inner: st.lists(inner, min_size=2, max_size=3).map(tuple).flatmap(
        lambda parts: st.sampled_from([Every(parts), Some(parts)])
    ),
    max_leaves=6,
)  # fmt: skip
TRIALS = settings(
    max_examples=count(300, 5000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(rows=rows, expression=expressions)
@TRIALS
def test_sqlite_finds_what_python_finds(lite: Connection, rows: list[Row], expression: Expression) -> None:
    fill(lite, rows)
    assert found(lite, expression) == [key for key, row in enumerate(rows) if holds(row, expression)]


@given(rows=rows, expression=expressions)
@settings(TRIALS, max_examples=count(150, 3000))
def test_postgresql_finds_what_python_finds(
    real: Connection, rows: list[Row], expression: Expression
) -> None:
    fill(real, rows)
    assert found(real, expression) == [key for key, row in enumerate(rows) if holds(row, expression)]


@pytest.mark.parametrize("database", ["lite", "real"])
def test_each_tricky_text_is_only_itself(database: str, request: pytest.FixtureRequest) -> None:
    connection: Connection = request.getfixturevalue(database)
    lists = [[one, other] for one in TRICKY for other in ("x", "y,", one)] + [[",", "y"], ['z",', "y"]]
    empty: Row = dict.fromkeys(ATTRIBUTES)
    rows = [{**empty, "name": one, "tags": [one]} for one in TRICKY] + [
        {**empty, "tags": tags} for tags in lists
    ]
    fill(connection, rows)
    for text in TRICKY:
        asked: list[Condition] = [
            Condition("name", Operator.LIKE, pattern=tuple(text)),
            Condition("name", Operator.LIKE, pattern=(Wild.MANY, *text, Wild.MANY)),
            Condition("name", Operator.LIKE, pattern=(*text, Wild.ONE)),
            Condition("name", Operator.LT, (text,)),
            Condition("name", Operator.NBETWEEN, (text, "a")),
            Condition("tags", Operator.CONTAINS, (text,)),
            Condition("tags", Operator.NIN, (text, "y,")),
        ]
        for one in asked:
            assert found(connection, one) == [key for key, row in enumerate(rows) if holds(row, one)], one


# The notations


def escaped(text: str) -> str:
    return re.sub(r"([\\~,()*!])", r"\\\1", text)


def escaped_pattern(condition: Condition) -> str:
    return "".join(part.value if isinstance(part, Wild) else escaped(part) for part in condition.pattern)


def as_value(asked: Condition) -> str:
    return escaped_pattern(asked) if asked.pattern else ",".join(map(escaped, asked.values))


def flat(pattern: tuple[str | Wild, ...]) -> tuple[str | Wild, ...]:
    """Without the repetitions of a wildcard that mean nothing."""
    return tuple(
        part
        for at, part in enumerate(pattern)
        if not (at and part is Wild.MANY and pattern[at - 1] is Wild.MANY)
    )


def normal(expression: Expression) -> Expression:
    if isinstance(expression, Condition):
        return msgspec.structs.replace(expression, pattern=flat(expression.pattern))
    return type(expression)(tuple(normal(part) for part in expression.parts))


written = conditions().filter(lambda one: as_value(one) != "" or one.operator in (Operator.EQ, Operator.NEQ))


@given(st.lists(written, min_size=1, max_size=4))
@TRIALS
def test_conditions_written_as_parameters_are_read_back(asked: list[Condition]) -> None:
    pairs = [(f"{one.attribute}.{one.operator.value}", as_value(one)) for one in asked]
    read = from_parameters([("limit", "3"), *pairs, ("select", "a.b")])
    assert read == (normal(asked[0]) if len(asked) == 1 else normal(Every(tuple(asked))))


@given(st.lists(written, min_size=1, max_size=4))
@TRIALS
def test_conditions_written_as_a_list_are_read_back(asked: list[Condition]) -> None:
    text = "~".join(f"({one.attribute}.{one.operator.value}.{as_value(one)})" for one in asked)
    assert from_list(text) == (normal(asked[0]) if len(asked) == 1 else normal(Every(tuple(asked))))


SIGNS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "nin": "NOT in", "nlike": "not LIKE",
         "nbetween": "NOT BETWEEN"}  # fmt: skip


def as_sql(expression: Expression) -> str:
    if isinstance(expression, (Every, Some)):
        word = " AND " if isinstance(expression, Every) else " or "
        return word.join(f"({as_sql(part)})" for part in expression.parts)
    operator = expression.operator.value
    sign = SIGNS.get(operator, operator)
    if expression.operator in (Operator.LIKE, Operator.NLIKE):
        return f"{expression.attribute} {sign} {quoted(sql_pattern(expression))}"
    values = [quoted(value) for value in expression.values]
    if expression.operator in (Operator.IN, Operator.NIN):
        return f"{expression.attribute} {sign} ({', '.join(values)})"
    return f"{expression.attribute} {sign} {' AND '.join(values)}"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def sql_pattern(asked: Condition) -> str:
    signs = {Wild.MANY: "%", Wild.ONE: "_"}
    return "".join(
        signs[part] if isinstance(part, Wild) else re.sub(r"([\\%_*!])", r"\\\1", part)
        for part in asked.pattern
    )


def in_sql(expression: Expression) -> bool:
    if isinstance(expression, Condition):
        return expression.operator not in (Operator.CONTAINS, Operator.NCONTAINS)
    return all(in_sql(part) for part in expression.parts)


@given(expressions)
@TRIALS
def test_statements_are_read_back(expression: Expression) -> None:
    assume(in_sql(expression))
    assert from_statement([as_sql(expression)]) == normal(expression)


ROW: Row = {
    "name": "open-seas",
    "hostPort": 22,
    "load": 1.5,
    "isEnabled": True,
    "created": MOMENTS[1],
    "tags": ["a", "b,c"],
}


@pytest.mark.parametrize(
    ("pairs", "hits"),
    [
        ([], True),
        ([("name", "open-seas")], True),
        ([("name.eq", "open-Seas")], False),
        ([("NAME.LIKE", "open*")], True),
        ([("name.like", "Open*")], False),
        ([("name.like", "open!seas")], True),
        ([("name.like", "open%")], False),
        ([("name.nlike", "*x*")], True),
        ([("host_port.gte", "22"), ("HostPort.lt", "22.5")], True),
        ([("hostPort.between", "22,23")], True),
        ([("hostPort.nbetween", "22,23")], False),
        ([("hostPort.in", "1,22")], True),
        ([("is_enabled", "TRUE")], True),
        ([("isEnabled.neq", "true")], False),
        ([("created.between", "2026-05,2026-05-02")], True),
        ([("created.gt", "2026-05-01T14:30:00 02:00")], True),  # the plus was not encoded
        ([("created.gt", "2026-05-01T12:30:00.5")], False),
        ([("tags.contains", "b\\,c")], True),
        ([("tags.contains", "b,x")], False),
        ([("tags.in", "x,a")], True),
        ([("tags.ncontains", "a")], False),
        ([("tags.nin", "c")], True),
        ([("name", "x"), ("limit", "1")], False),
        ([("search", "nonsense"), ("orderBy", "x"), ("showDeleted", "true")], True),
    ],
)
def test_parameters(lite: Connection, pairs: list[tuple[str, str]], hits: bool) -> None:
    fill(lite, [ROW])
    assert bool(found(lite, from_parameters(pairs))) is hits


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("", True),
        ("()~( )~()", True),
        ("~", True),
        ("name.like.open*", True),
        ("(name.like.open*)~(isEnabled.eq.true)", True),
        ("(name.like.open*)~(isEnabled.eq.false)", False),
        ("(load.eq.1.5)", True),
        (r"name.neq.a\)b\~c\(", True),
        (r"(tags.contains.b\,c)", True),
    ],
)
def test_lists(lite: Connection, text: str, hits: bool) -> None:
    fill(lite, [ROW])
    assert bool(found(lite, from_list(text))) is hits


@pytest.mark.parametrize(
    ("parts", "hits"),
    [
        ([], True),
        (["(name = 'x' AND hostPort = 22) OR", "(name = 'open-seas' AND host_port < 1024)"], True),
        (["(name = 'x') ", " OR (tags IN ('b,c'))"], True),
        (["name = 'x' or name='open-seas' and hostPort=1"], False),
        (["(name = 'x' or name='open-seas') and hostPort=22"], True),
        (["hostPort between '20' and 22.5 AND load > -1e3"], True),
        (["name LIKE 'open%' AND name LIKE 'open*' AND name LIKE '_pen!seas'"], True),
        ([r"name LIKE 'open\%'"], False),
        (["name NLIKE 'x%' and name not like 'y' and hostPort nin (1, 2)"], True),
        (["isEnabled = TRUE"], True),
        (["created >= '2026-05-01'"], True),
    ],
)
def test_statements(lite: Connection, parts: list[str], hits: bool) -> None:
    fill(lite, [ROW])
    assert bool(found(lite, from_statement(parts))) is hits


# What is refused


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("nmae.eq", "x")], "'nmae' here; the nearest one is name"),
        ([("host_prot", "x")], "the nearest one is hostPort"),
        ([("zzzzzzzz", "x")], "no attribute 'zzzzzzzz' here"),
        ([("name.equals", "x")], "no operator 'equals'"),
        ([("name.contains", "x")], "name (text) does not take contains"),
        ([("hostPort.like", "2*")], "hostPort (number) does not take like"),
        ([("isEnabled.gt", "true")], "isEnabled (boolean) does not take gt"),
        ([("tags.eq", "a")], "tags (list) does not take eq"),
        ([("hostPort", "many")], "hostPort is a number, not 'many'"),
        ([("hostPort", "1e999")], "hostPort is a number"),
        ([("hostPort", "9" * 30)], None),
        ([("hostPort", "9" * 300)], "hostPort is a number"),
        ([("hostPort", "nan")], "hostPort is a number"),
        ([("hostPort", "")], "hostPort is a number"),
        ([("isEnabled", "maybe")], "isEnabled is true or false"),
        ([("created", "yesterday")], "created is a time"),
        ([("created", "2026-02-30")], "there is no time"),
        ([("created", "0001-01-01T00:00+05:00")], "there is no time"),
        ([("name.in", "")], "needs a value"),
        ([("hostPort.between", "1")], "takes two values"),
        ([("hostPort.between", "1,2,3")], "takes two values"),
        ([("name", "a\0b")], "characters that no value can have"),
        ([("name", "\ud800")], "characters that no value can have"),
        ([("name", "x" * (TEXT_LIMIT + 1))], "characters"),
        ([("name.like", "x" * (TEXT_LIMIT + 1))], "characters"),
        ([("name", "x" * (LENGTH_LIMIT + 1))], "characters"),
        ([("name", "x")] * (CONDITION_LIMIT + 1), "conditions"),
        ([("name.in", "," * (VALUE_LIMIT + 1))], "values"),
        ([("tags.in", "," * (CONDITION_LIMIT + 1))], "conditions"),
        ([("name = 'x' OR name", "x")], "no attribute"),
    ],
)
def test_what_is_refused(lite: Connection, pairs: list[tuple[str, str]], words: str | None) -> None:
    if words is None:
        assert found(lite, from_parameters(pairs)) == []
        return
    with pytest.raises(Problem, match=re.escape(words)) as raised:
        condition(from_parameters(pairs), ATTRIBUTES)
    assert raised.value.status == 400
    assert len(raised.value.message) < 400


@pytest.mark.parametrize(
    "text",
    ["(name.eq.x", "name.eq.x)", "name.eq.te)st", "(name.eq.a(b)", "(name.eq.a)~name.eq.b", "(name.eq.a)~)~(name.eq.b)",
     "name.eq.a~name.eq.b", "name.eq", "name", ".eq.x", "(name.in.)", "(hostPort.lt.)", r"(name.eq.x\)", "(", ")"],
)  # fmt: skip
def test_lists_that_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="SEARCH_INVALID"):
        condition(from_list(text), ATTRIBUTES)


@pytest.mark.parametrize(
    "text",
    ["name", "name =", "= 'x'", "name = 'x", "name = \"x\"", "name = x", "name == 'x'", "name = 'x' AND", "name = 'x' name = 'y'",
     "name IS NULL", "name = NULL", "NOT name = 'x'", "name NOT = 'x'", "name NOT NLIKE 'x'", "lower(name) = 'x'", "hostPort + 1 = 2",
     "name IN ()", "name IN 'x'", "name IN ('x' 'y')", "name IN ('x',)", "hostPort BETWEEN 1", "hostPort BETWEEN 1, 2", "(name = 'x'",
     "name = 'x')", "name = 'x'; DELETE", "name = 'x' -- y", "hostPort = 1a", "hostPort = 0x10", "hostPort = 'ten'", "name LIKE",
     "name CONTAINS 'x'", "\0", "name = '\0'", "ſtatus = 1", "name = 'a' UNION SELECT 1", "things.name = 'x'", "hostPort = 1.2.3"],
)  # fmt: skip
def test_statements_that_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="SEARCH_INVALID"):
        condition(from_statement([text]), ATTRIBUTES)


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> str:
        return "(" * depth + "name = 'x'" + ")" * depth

    assert from_statement([nested(DEPTH_LIMIT)]) == Condition("name", Operator.EQ, ("x",))
    with pytest.raises(Problem, match="parentheses"):
        from_statement([nested(DEPTH_LIMIT + 1)])
    with pytest.raises(Problem, match="parentheses"):
        from_statement([nested(LENGTH_LIMIT // 4)])


def test_the_largest_searches_are_answered(lite: Connection) -> None:
    fill(lite, [ROW])
    tags = ",".join(str(number) for number in range(CONDITION_LIMIT))
    assert found(lite, from_parameters([("tags.in", tags)] * 10)) == []
    assert found(lite, from_parameters([("tags.nin", tags)] * 10)) == [0]
    assert found(lite, from_parameters([("name.neq", "x")] * CONDITION_LIMIT)) == [0]
    assert found(lite, from_parameters([("hostPort.in", ",".join(["22"] * VALUE_LIMIT))])) == [0]
    assert found(lite, from_parameters([("name.nlike", "[?" * (TEXT_LIMIT // 2))])) == [0]
    deep = "name = 'x'"
    for _ in range(DEPTH_LIMIT):
        deep = f"({deep} AND name = 'y') OR name <> 'x'"
    assert found(lite, from_statement([deep])) == [0]


@given(
    name=st.sampled_from([*ATTRIBUTES, "name.like", "tags.in", "hostPort.between"]) | texts,
    value=st.text(st.characters()) | texts | st.lists(st.sampled_from([*TRICKY, "name", "AND", "OR", "IN", "(", ")", "'", "="])).map(" ".join),
)  # fmt: skip
@TRIALS
def test_hostile_text_is_a_value_or_refused(lite: Connection, name: str, value: str) -> None:
    fill(lite, [ROW])
    parsers: list[Callable[[], Expression | None]] = [
        lambda: from_parameters([(name, value)]),
        lambda: from_list(f"({name}.eq.{value})"),
        lambda: from_list(value),
        lambda: from_statement([value]),
        lambda: from_statement([f"name = '{value}'"]),
        lambda: from_statement([f"{name} LIKE {value}"]),
    ]
    for parse in parsers:
        try:
            found(lite, parse())
        except Problem as problem:
            assert problem.status == 400
    assert lite.execute(select(THINGS.c.name)).scalars().all() == ["open-seas"]


@given(texts)
@TRIALS
def test_a_hostile_value_is_compared_as_it_is(lite: Connection, value: str) -> None:
    fill(lite, [{**ROW, "name": value}, {**ROW, "name": value + "x"}, {**ROW, "tags": [value]}])
    assert 0 in found(lite, from_parameters([("name", escaped(value))]))
    assert 1 not in found(lite, from_parameters([("name", escaped(value))]))
    assert found(lite, from_statement([f"name = {quoted(value)}"])) == found(
        lite, from_parameters([("name", escaped(value))])
    )
    assert 2 in found(lite, from_statement([f"tags IN ({quoted(value)})"]))


def test_values_are_bound_and_never_text() -> None:
    text = "it's % _ here"
    query = select(THINGS.c.key).where(
        condition(
            from_parameters([("name", text), ("name.like", text), ("tags.in", text), ("name.gt", text)]),
            ATTRIBUTES,
        )
    )
    for dialect in (POSTGRESQL, SQLITE):
        compiled = query.compile(dialect=dialect)
        assert "here" not in str(compiled)
        assert text in compiled.params.values()
    assert 'name COLLATE "C"' in str(query.compile(dialect=POSTGRESQL))
    assert "LIKE" in str(query.compile(dialect=POSTGRESQL))
    assert "GLOB" in str(query.compile(dialect=SQLITE))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("2200", "2200-01-01T00:00:00.000000Z"),
        ("2200Z", "2200-01-01T00:00:00.000000Z"),
        ("2200-06:00", "2200-01-01T06:00:00.000000Z"),
        ("2200-04", "2200-04-01T00:00:00.000000Z"),
        ("2200-04+03:00", "2200-03-31T21:00:00.000000Z"),
        ("2200-04-29-06:00", "2200-04-29T06:00:00.000000Z"),
        ("2200-04-29T14", "2200-04-29T14:00:00.000000Z"),
        ("2200-04-29T14:15+01:00", "2200-04-29T13:15:00.000000Z"),
        ("2200-04-29T14:15:52+05:30", "2200-04-29T08:45:52.000000Z"),
        ("2200-04-29T14:15:52.123-01:00", "2200-04-29T15:15:52.123000Z"),
        ("2200-04-29T14:15:52.123456Z", "2200-04-29T14:15:52.123456Z"),
        ("2200-04-29T14:15:52.123456789Z", "2200-04-29T14:15:52.123456Z"),
        ("0900-01-01T00:00:00.123456-00:00", "0900-01-01T00:00:00.123456Z"),
    ],
)
def test_times(given: str, text: str) -> None:
    assert moment("created", given) == text


@pytest.mark.parametrize(
    "given",
    ["", "1", "123", "123Z", "2200-04-00T14:15:00", "2200-04-32T14:15:00", "2200-13-29", "2200-04-04T14:15:61",
     "2200-04-04T25:15:00", "00-04-04T14:15:00", "22001-04-04", "2200-04-29T14,15:52", "2200-04-29T14:15:523.1Z",
     "2200-04-29T14:15:52+005:30", "2200-04-29X14:15:52Z", "2200-04-29 14:15:52", "2200-04-29T14:15:52+25:00",
     "9999-12-31T23:59-01:00", "２２００", "2200-04-29T14:15:52Z\n"],
)  # fmt: skip
def test_what_is_no_time(given: str) -> None:
    with pytest.raises(Problem) as raised:
        moment("created", given)
    assert raised.value.status == 400
