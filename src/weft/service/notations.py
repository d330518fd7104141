"""The three notations of a search, each parsed into the tree of ``search.py``.

* query parameters: ``status.eq=FINISHED&created.gt=2026-01`` (``from_parameters``);
* a list in one parameter: ``(id.like.open*)~(enabled.eq.true)`` (``from_list``);
* a statement in a body: ``status = 'FINISHED' AND name LIKE 'a%'`` (``from_statement``).

A parser knows nothing of attributes: whether one exists, and what it may be compared with, is found out later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from weft.service.answers import Problem
from weft.service.search import (
    EQUAL,
    MEMBERS,
    PAIRS,
    PATTERNS,
    SEVERAL,
    Condition,
    Every,
    Expression,
    Operator,
    Some,
    Wild,
    refused,
    shown,
)

LENGTH_LIMIT = 65_536
"""Characters of one search."""
DEPTH_LIMIT = 30
"""Parentheses in parentheses."""
RESERVED = frozenset(
    {
        *("pretty", "select", "search", "orderBy", "limit", "skip", "startAfter", "computeTotal", "listType"),
        *("showDeleted", "impersonationId", "hasCredentials", "resourceTenant"),
    }
)
"""Query parameters that are never conditions."""

# The first two notations


def from_parameters(
    pairs: Iterable[tuple[str, str]], reserved: Collection[str] = RESERVED
) -> Expression | None:
    """``attribute.operator=value`` for each query parameter that is not reserved; no operator is ``eq``."""
    found = [(key, value) for key, value in pairs if key not in reserved]
    _check_text("".join(key + value for key, value in found))
    parts: list[Expression] = []
    for key, value in found:
        name, dot, operator = key.rpartition(".")
        parts.append(_written(name, operator, value) if dot else _written(key, "eq", value))
    return _all_of(parts)


def from_list(text: str) -> Expression | None:
    """``(attribute.operator.value)~(…)``; without parentheses when there is one condition only.

    A backslash takes their meaning from ``~ , ( ) * !`` and itself.
    """
    _check_text(text)
    items = [item for item in _split(text, "~") if item.strip()]
    if len(items) == 1 and items[0][0] != "(" and not _closed(items[0]):
        items = [f"({items[0]})"]
    parts: list[Expression] = []
    for item in items:
        if not (item.startswith("(") and len(item) > 1 and _closed(item)):
            raise refused(f"conditions stand in parentheses, with ~ between them; {shown(item)} does not")
        inner = item[1:-1]
        if not inner.strip():
            continue
        if len(_split(inner, "(")) > 1 or len(_split(inner, ")")) > 1:
            raise refused(f"a parenthesis in a value is written with a backslash before it: {shown(item)}")
        attribute, _, rest = inner.partition(".")
        operator, dot, value = rest.partition(".")
        if not dot:
            raise refused(f"a condition is attribute.operator.value, not {shown(inner)}")
        parts.append(_written(attribute, operator, value))
    return _all_of(parts)


def _written(attribute: str, operator: str, value: str) -> Condition:
    """One condition of the first two notations."""
    try:
        asked = Operator(operator.lower())
    except ValueError:
        names = ", ".join(known.value for known in Operator)
        raise refused(f"{shown(attribute)}: there is no operator {shown(operator)}, only {names}") from None
    if value == "" and asked not in EQUAL:
        raise refused(f"{shown(attribute)}.{asked.value} needs a value")
    if asked in PATTERNS:
        return Condition(attribute, asked, pattern=tuple(_pattern(value, "*", "!", r"\~,()*!")))
    given = _split(value, ",") if asked in SEVERAL else [value]
    return Condition(attribute, asked, tuple(_unescaped(one) for one in given))


def _split(text: str, separator: str) -> list[str]:
    """The parts between unescaped separators, their escapes still in them."""
    parts = [""]
    for piece in re.findall(r"\\.|.|\\$", text, re.DOTALL):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _closed(item: str) -> bool:
    """Does it end with a parenthesis that is not escaped?"""
    return _split(item, ")")[-1] == ""


def _unescaped(value: str) -> str:
    return re.sub(r"\\([\\~,()*!])", r"\1", value)


def _pattern(text: str, many: str, one: str, escapable: str) -> Iterator[str | Wild]:
    """The parts of a pattern; several ``many`` in a row are one."""
    last: str | Wild = ""
    for piece in re.findall(r"\\.|.|\\$", text, re.DOTALL):
        if len(piece) == 2 and piece[1] in escapable:
            last = piece[1]
        elif piece in many:
            if last is Wild.MANY:
                continue
            last = Wild.MANY
        else:
            last = Wild.ONE if piece in one else piece
        yield last


# The statement

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])"
    r"|(?P<word>[A-Za-z_$][\w$.]*)|(?P<sign><>|<=|>=|=|<|>|[(),]))",
    re.ASCII,
)
_SIGNS = {
    "=": Operator.EQ,
    "<>": Operator.NEQ,
    "<": Operator.LT,
    "<=": Operator.LTE,
    ">": Operator.GT,
    ">=": Operator.GTE,
}
_WORDS = {word: Operator(word.lower()) for word in ("LIKE", "NLIKE", "BETWEEN", "NBETWEEN", "IN", "NIN")}
_KEYWORDS = frozenset({"AND", "OR", "NOT", "TRUE", "FALSE", *_WORDS})


def from_statement(parts: Sequence[str]) -> Expression | None:
    """The condition that these strings make together, written as in SQL's WHERE.

    There is no NULL, no arithmetic, no NOT before a condition and no function, as in Tapis. LIKE takes the wildcards
    of SQL (``%`` and ``_``) and those of the other notations (``*`` and ``!``), each literal after a backslash.
    """
    text = " ".join(parts)
    _check_text(text)
    if not text.strip():
        return None
    statement = _Statement(text)
    expression = statement.some(0)
    if statement.kind:
        raise statement.unexpected("AND, OR or the end")
    return expression


class _Statement:
    """A parser of one statement: ``kind`` and ``token`` are what stands next; at the end, ``kind`` is empty."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self.kind = self.token = ""
        self._advance()

    def _advance(self) -> str:
        """The token that stood next."""
        taken = self.token
        found = _TOKEN.match(self._text, self._next)
        if found is None:
            rest = self._text[self._next :].strip()
            if rest:
                raise refused(f"the search cannot be read at {shown(rest)}")
            self.kind = self.token = ""
            return taken
        self._next = found.end()
        self.kind, self.token = found.lastgroup or "", found[found.lastgroup or 0]
        if self.kind == "word" and self.token.upper() in _KEYWORDS:
            self.kind, self.token = "key", self.token.upper()
        return taken

    def _takes(self, token: str) -> bool:
        if self.kind not in ("key", "sign") or self.token != token:
            return False
        self._advance()
        return True

    def _expect(self, token: str) -> None:
        if not self._takes(token):
            raise self.unexpected(token)

    def unexpected(self, wanted: str) -> Problem:
        return refused(
            f"the search wants {wanted} instead of {shown(self.token)}"
            if self.kind
            else f"the search ends where it wants {wanted}"
        )

    def some(self, depth: int) -> Expression:
        if depth > DEPTH_LIMIT:
            raise refused(f"the search has more than {DEPTH_LIMIT} parentheses in each other")
        parts = [self._every(depth)]
        while self._takes("OR"):
            parts.append(self._every(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _every(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self._takes("AND"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, depth: int) -> Expression:
        if self._takes("("):
            inner = self.some(depth + 1)
            self._expect(")")
            return inner
        if self.kind != "word":
            raise self.unexpected("the name of an attribute")
        attribute = self._advance()
        operator = self._operator()
        if operator in PATTERNS:
            return Condition(
                attribute, operator, pattern=tuple(_pattern(self._value(), "*%", "!_", r"\*%!_"))
            )
        return Condition(attribute, operator, tuple(self._values(operator)))

    def _operator(self) -> Operator:
        if self.kind == "sign" and self.token in _SIGNS:
            return _SIGNS[self._advance()]
        negated = self._takes("NOT")
        if self.kind == "key" and self.token in _WORDS and not (negated and self.token.startswith("N")):
            word = self._advance()
            return _WORDS["N" + word if negated else word]
        raise self.unexpected("an operator")

    def _values(self, operator: Operator) -> Iterator[str]:
        if operator in MEMBERS:
            self._expect("(")
            yield self._value()
            while self._takes(","):
                yield self._value()
            self._expect(")")
            return
        yield self._value()
        if operator in PAIRS:
            self._expect("AND")
            yield self._value()

    def _value(self) -> str:
        """A literal; what it must be is for the attribute to say, so numbers may stand in quotes, too."""
        if self.kind == "text":
            return self._advance()[1:-1].replace("''", "'")
        if self.kind == "number" or self.token in ("TRUE", "FALSE"):
            return self._advance()
        raise self.unexpected("a value (text stands in single quotes)")


def _all_of(parts: list[Expression]) -> Expression | None:
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _check_text(text: str) -> None:
    if len(text) > LENGTH_LIMIT:
        raise refused(f"the search has more than {LENGTH_LIMIT} characters")
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise refused("the search holds characters that no value can have")
