"""Search: what a client looks for, as conditions of a database query.

Everything about the meaning of searches lives here; how they are written, in ``notations.py``, which parses the
three notations of Tapis into the small tree below. ``condition`` alone turns the tree into SQL. What a client wrote
never becomes part of the SQL text: a value is bound, an attribute is looked up in a table of those that may be
searched. The size of a search is bounded, so that none can exceed what a database takes.

SQLite and PostgreSQL give the same answers: text is compared and sorted by code points, LIKE knows upper and lower
case, and an attribute without a value satisfies no condition, not even ``neq``; a list without a value is empty.
A list attribute is a column with a JSON array of strings, as msgspec writes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from enum import Enum
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    String,
    and_,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from weft.service.answers import Problem

CONDITION_LIMIT = 200
"""SQLite takes expressions up to 1,000 deep, and AND or OR of n conditions is n deep there."""
VALUE_LIMIT = 2_000
"""Values in one search; SQLite binds up to 32,766."""
TEXT_LIMIT = 8_192
"""Characters of one value; SQLite takes patterns up to 50,000 bytes."""

Kind = Literal["text", "number", "boolean", "time", "list"]


class Operator(Enum):
    """What may be asked of an attribute; the value is its name in the first two notations."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"
    NIN = "nin"
    LIKE = "like"
    NLIKE = "nlike"
    BETWEEN = "between"
    NBETWEEN = "nbetween"
    CONTAINS = "contains"
    NCONTAINS = "ncontains"


EQUAL = frozenset({Operator.EQ, Operator.NEQ})
ORDERED = EQUAL | {Operator.GT, Operator.GTE, Operator.LT, Operator.LTE}
PAIRS = frozenset({Operator.BETWEEN, Operator.NBETWEEN})
MEMBERS = frozenset({Operator.IN, Operator.NIN})
PATTERNS = frozenset({Operator.LIKE, Operator.NLIKE})
ELEMENTS = frozenset({Operator.CONTAINS, Operator.NCONTAINS})
SEVERAL = PAIRS | MEMBERS | ELEMENTS
ALLOWED: Mapping[Kind, frozenset[Operator]] = {
    "text": ORDERED | PAIRS | MEMBERS | PATTERNS,
    "number": ORDERED | PAIRS | MEMBERS,
    "time": ORDERED | PAIRS | MEMBERS,
    "boolean": EQUAL,
    "list": MEMBERS | ELEMENTS,
}


class Wild(Enum):
    """The wildcards of a pattern."""

    MANY = "*"
    ONE = "!"


Pattern = tuple["str | Wild", ...]


class Condition(Struct, frozen=True):
    """One attribute, one operator; ``values`` as they were written, or ``pattern`` for LIKE and NOT LIKE."""

    attribute: str
    operator: Operator
    values: tuple[str, ...] = ()
    pattern: Pattern = ()


class Every(Struct, frozen=True):
    """All of these (AND)."""

    parts: tuple[Expression, ...]


class Some(Struct, frozen=True):
    """At least one of these (OR)."""

    parts: tuple[Expression, ...]


Expression = Condition | Every | Some


# Attributes and their values


class Attribute(Struct, frozen=True):
    """A column that may be searched and sorted by."""

    column: ColumnElement[Any]
    kind: Kind = "text"

    @property
    def ordered(self) -> ColumnElement[Any]:
        """The column as it is compared and sorted."""
        return Bytewise(self.column) if self.kind == "text" else self.column

    def bound(self, name: str, given: str) -> ColumnElement[Any]:
        """A value to compare the column with, bound; 400 when it is of the wrong kind."""
        if self.kind == "number":
            number = _number(name, given)
            return literal(number, BigInteger() if isinstance(number, int) else Double())
        if self.kind == "boolean":
            if given.lower() not in ("true", "false"):
                raise refused(f"{name} is true or false, not {shown(given)}")
            return literal(given.lower() == "true", Boolean())
        return literal(moment(name, given) if self.kind == "time" else given, String())


def attribute_named(attributes: Mapping[str, Attribute], given: str) -> tuple[str, Attribute]:
    """The attribute and its proper name; ``camelCase`` and ``snake_case`` are the same.

    Raises:
        Problem: 400, with the nearest name that there is.
    """
    if given in attributes:
        return given, attributes[given]
    names = {folded(name): name for name in attributes}
    name = names.get(folded(given))
    if name is None:
        raise unknown(given, attributes)
    return name, attributes[name]


def folded(name: str) -> str:
    """A name without what tells ``camelCase`` from ``snake_case``."""
    return name.replace("_", "").lower()


def unknown(given: str, known: Collection[str]) -> Problem:
    """The answer to the name of an attribute that does not exist."""
    by_fold = {folded(name): name for name in known}
    near = get_close_matches(folded(given[:100]), by_fold, 1, 0.5)
    hint = f"; the nearest one is {by_fold[near[0]]}" if near else ""
    return refused(f"there is no attribute {shown(given)} here{hint}")


def _number(name: str, given: str) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]{1,19}", given) and -(2**63) <= int(given) < 2**63:
        return int(given)
    if re.fullmatch(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?", given):
        number = float(given)
        if math.isfinite(number):
            return number
    raise refused(f"{name} is a number, not {shown(given)}")


_MOMENT = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?)?)?)?"
    r"(?:Z|([-+ ])([0-9]{2}):([0-9]{2}))?"
)


def moment(name: str, given: str) -> str:
    """An ISO-8601 time as the columns hold times; what is left out is its earliest, the zone UTC.

    A blank where the zone's sign belongs is a plus that was not encoded.
    """
    found = _MOMENT.fullmatch(given)
    if found is None:
        raise refused(f"{name} is a time such as 2026-05-01 or 2026-05-01T12:30:00Z, not {shown(given)}")
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    try:
        zone = timezone(
            timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
        )
        micros = int((fraction or "0")[:6].ljust(6, "0"))
        time = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            micros,
            zone,
        ).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise refused(f"{name}: there is no time {shown(given)}") from error
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


# The tree as SQL


def condition(expression: Expression | None, attributes: Mapping[str, Attribute]) -> ColumnElement[bool]:
    """The expression as a condition of a query; True when there is none.

    Raises:
        Problem: 400: an unknown attribute, a value or an operator that does not suit it, or too much of anything.
    """
    if expression is None:
        return true()
    conditions = list(_conditions(expression))
    values = max((len(one.values) for one in conditions if _of_list(one, attributes)), default=0)
    if len(conditions) > CONDITION_LIMIT or values > CONDITION_LIMIT:
        raise refused(f"the search has more than {CONDITION_LIMIT} conditions")
    if sum(len(one.values) for one in conditions) > VALUE_LIMIT:
        raise refused(f"the search has more than {VALUE_LIMIT} values")
    return _compiled(expression, attributes)


def _conditions(expression: Expression) -> Iterator[Condition]:
    if isinstance(expression, Condition):
        yield expression
    else:
        for part in expression.parts:
            yield from _conditions(part)


def _of_list(asked: Condition, attributes: Mapping[str, Attribute]) -> bool:
    return attribute_named(attributes, asked.attribute)[1].kind == "list"


def _compiled(expression: Expression, attributes: Mapping[str, Attribute]) -> ColumnElement[bool]:
    if isinstance(expression, Condition):
        return _compared(expression, *attribute_named(attributes, expression.attribute))
    parts = [_compiled(part, attributes) for part in expression.parts]
    return and_(*parts) if isinstance(expression, Every) else or_(*parts)


def _compared(asked: Condition, name: str, attribute: Attribute) -> ColumnElement[bool]:
    operator = asked.operator
    if operator not in ALLOWED[attribute.kind]:
        allowed = ", ".join(known.value for known in Operator if known in ALLOWED[attribute.kind])
        raise refused(f"{name} ({attribute.kind}) does not take {operator.value}, only {allowed}")
    if operator in PAIRS and len(asked.values) != 2:
        raise refused(f"{name}.{operator.value} takes two values")
    if max(len(asked.pattern), *(len(value) for value in asked.values), 0) > TEXT_LIMIT:
        raise refused(f"{name}: a value has more than {TEXT_LIMIT} characters")
    if operator in PATTERNS:
        matches = _matches(attribute.column, asked.pattern)
        return not_(matches) if operator is Operator.NLIKE else matches
    if attribute.kind == "list":
        within = or_(*(_has_element(attribute.column, value) for value in asked.values))
        return not_(within) if operator in (Operator.NIN, Operator.NCONTAINS) else within
    return _plain(operator, attribute, [attribute.bound(name, value) for value in asked.values])


def _plain(operator: Operator, attribute: Attribute, values: list[ColumnElement[Any]]) -> ColumnElement[bool]:
    # Equality is the same by code points and by language, so it can use any index.
    column, ordered, first = attribute.column, attribute.ordered, values[0]
    if operator in EQUAL:
        return column == first if operator is Operator.EQ else column != first
    if operator in MEMBERS:
        return column.in_(values) if operator is Operator.IN else column.not_in(values)
    if operator in PAIRS:
        within = and_(ordered >= first, ordered <= values[1])
        return within if operator is Operator.BETWEEN else not_(within)
    if operator in (Operator.GT, Operator.GTE):
        return ordered > first if operator is Operator.GT else ordered >= first
    return ordered < first if operator is Operator.LT else ordered <= first


_BACKSLASH, _QUOTE = "\x02", "\x03"
"""Stand for an escaped backslash and quote; JSON never holds them as they are."""


def _has_element(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    r"""Whether a JSON array of strings has this one.

    With escaped backslashes and quotes out of the way, every quote opens or closes a string. The first ``[`` becomes
    ``",``, so that each element has ``","`` before it; then ``","x"`` can be found nowhere but at an element x.
    """
    plain = func.replace(func.coalesce(column, "[]"), "\\\\", _BACKSLASH)
    marked = literal('",', String()) + func.substr(func.replace(plain, '\\"', _QUOTE), 2)
    encoded = str(msgspec.json.encode(value), "utf-8")[1:-1]
    encoded = encoded.replace("\\\\", _BACKSLASH).replace('\\"', _QUOTE)
    return _matches(marked, (Wild.MANY, *f'","{encoded}"', Wild.MANY))


class Bytewise(FunctionElement[str]):
    """A text column compared and sorted by code points, whatever language the database was made for."""

    name = "bytewise"
    inherit_cache = True
    type = String()


class _Matches(FunctionElement[bool]):
    """A text against a pattern: its arguments are the text, the pattern for GLOB and the same for LIKE."""

    name = "matches"
    inherit_cache = True
    type = Boolean()


def _matches(text: ColumnElement[Any], pattern: Pattern) -> ColumnElement[bool]:
    signs = {Wild.MANY: ("*", "%"), Wild.ONE: ("?", "_")}
    glob = "".join(
        signs[part][0] if isinstance(part, Wild) else f"[{part}]" if part in "*?[" else part
        for part in pattern
    )
    like = "".join(
        signs[part][1] if isinstance(part, Wild) else f"/{part}" if part in "%_/" else part
        for part in pattern
    )
    return _Matches(text, literal(glob, String()), literal(like, String()))


@compiles(Bytewise)
def _as_it_is(element: Bytewise, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Bytewise, "postgresql")
def _with_collation(element: Bytewise, compiler: SQLCompiler, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)} COLLATE "C")'


@compiles(_Matches)
def _with_like(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    text, _, like = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({text} LIKE {like} ESCAPE '/')"


@compiles(_Matches, "sqlite")
def _with_glob(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite's LIKE takes upper and lower case for the same.
    text, glob, _ = element.clauses
    return f"({compiler.process(text, **options)} GLOB {compiler.process(glob, **options)})"


def shown(text: str) -> str:
    """What a client wrote, short and in one line."""
    return repr(text if len(text) <= 80 else text[:77] + "…")


def refused(what: str) -> Problem:
    return Problem(400, f"SEARCH_INVALID {what}")
