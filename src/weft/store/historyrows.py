"""A job as a row of the history: what of it is kept, which row it is, and how two tellings of one job are joined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from weft.core.clocks import LATEST
from weft.core.jobtable import INTO, KINDS, MOST, schema
from weft.core.secrets import masked
from weft.store.resultfile import load_polars

if TYPE_CHECKING:
    import polars

TEXT_KEPT = 300
"""Characters of a message that are kept."""
LISTED = 20
"""Entries of a list that are kept."""
_MESSAGES = {"why": slice(TEXT_KEPT), "word": slice(TEXT_KEPT), "tail": slice(-TEXT_KEPT, None)}
"""Messages, and what is kept of each."""
_USER_OR_QUERY = re.compile(r"(?<=//)[^/@]*@|[?#].*$")
"""What an address may have besides the place: a user with a password, a query with a token."""

Columns = Mapping[str, Sequence[Any]]
"""The table of jobs as ``core/jobtable.columns`` gives it; a column that is not there is null."""
KNOWN_BY = ("backend", "native", "system", "job")
"""The columns that tell which job it is."""


def to_keep(told: Columns) -> list[tuple[Any, ...]]:
    """The rows of those jobs that are over, as the database takes them: the key of each, then ``KINDS``."""
    over = [place for place, outcome in enumerate(told["outcome"]) if outcome]
    kept: dict[str, list[Any]] = {
        name: [told[name][place] for place in over] if name in told else [None] * len(over) for name in KINDS
    }
    keys = list(map(known_by, *(kept[name] for name in KNOWN_BY)))
    for name, kind in KINDS.items():
        if name in _MESSAGES:
            kept[name] = _without_secrets(kept[name], _MESSAGES[name])
        elif kind is list:
            kept[name] = [value if value is None else _listed(name, value) for value in kept[name]]
    return list(zip(keys, *kept.values(), strict=True))


def _without_secrets(texts: Sequence[str | None], part: slice) -> list[str | None]:
    """This part of each text; each is masked once, since jobs often say the same."""
    found = {text: text and masked(text)[part] for text in set(texts)}
    return [found[text] for text in texts]


def _listed(name: str, texts: Sequence[str]) -> str:
    """The beginning of a list, as JSON."""
    first = texts[:LISTED]
    if name == "sources":
        first = [_USER_OR_QUERY.sub("", text) for text in first]
    return msgspec.json.encode([text[:TEXT_KEPT] for text in first]).decode()


def known_by(backend: str | None, native: str | None, system: str | None, job: str | None) -> str:
    """By which a job is known, whoever tells of it: the service's id of it where that is its alone for ever."""
    known = job or ""
    if native and backend == "tapis":
        known = native
    elif native and backend == "slurm":
        known = f"{system or ''}/{native}"  # each cluster counts for itself
    return f"{backend or ''}/{known}"


def insert() -> str:
    """The statement that keeps one row, or brings it up to date.

    The row that knows of cases wins, else the new one; it takes from the other what it lacks. Phases are never mixed:
    each telling of them is one whole.
    """
    names = ["key", *KINDS]
    wins = "(COALESCE(excluded.cases, 0) > 0 OR COALESCE(jobs.cases, 0) = 0)"
    changes = ", ".join(
        f'"{name}" = CASE WHEN {wins} THEN {_either(name, "excluded", "jobs")}'
        f" ELSE {_either(name, 'jobs', 'excluded')} END"
        for name in names[1:]
    )
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO jobs ({quoted(names)}) VALUES ({marks})"  # noqa: S608  # names are ours
        f' ON CONFLICT("key") DO UPDATE SET {changes}'
    )


def _either(name: str, first: str, second: str) -> str:
    """The first row's value, or that of the second where the first does not know."""
    one, other = f'{first}."{name}"', f'{second}."{name}"'
    into = next((into for into in INTO if name.startswith(f"{into}_")), "")
    if into:
        moved = f'{first}."{into}_transfers"'
        return f"CASE WHEN {moved} > 0 THEN {one} ELSE COALESCE({other}, {one}) END"
    return f"COALESCE(NULLIF(NULLIF({one}, ''), '[]'), {other}, {one})"


def table(names: list[str], found: list[tuple[Any, ...]]) -> tuple[polars.DataFrame, int]:
    """Rows of the database, with these columns, as the table that they were, and how many were left out.

    The other columns are null. Left out are rows that do not fit: anyone may write to the file, and SQLite takes
    anything anywhere.
    """
    pl = load_polars()
    types = schema()
    odd = {
        place
        for name, values in zip(names, zip(*found, strict=True), strict=False)
        for place in _odd(values, KINDS[name])
    }
    fitting = [row for place, row in enumerate(found) if place not in odd] if odd else found
    if not fitting:
        return pl.DataFrame(schema=types), len(found)
    kinds = {name: _STORED[KINDS[name]] for name in names}
    stored = pl.DataFrame(fitting, schema=kinds, orient="row").filter(_sensible(names))
    lists = {name: _lists(stored[name]) for name in names if KINDS[name] is list}
    made: polars.DataFrame = stored.with_columns(**lists).select(
        pl.col(name).cast(kind) if name in names else pl.lit(None, kind).alias(name)
        for name, kind in types.items()
    )
    return made, len(found) - len(made)


def _odd(values: tuple[Any, ...], kind: type) -> Iterator[int]:
    """The places of values that are of no type that this column has."""
    stored = _STORED[kind]
    known = {stored, type(None), *({int} if stored is float else ())}
    if not known.issuperset(map(type, values)):
        yield from (place for place, value in enumerate(values) if type(value) not in known)
    if kind is list:
        wrong = {text for text in set(values) if type(text) is str and text and _list(text) is None}
        yield from (place for place, text in enumerate(values) if text in wrong) if wrong else ()


def _sensible(names: list[str]) -> polars.Expr:
    """Is every figure of a row one that a job may have? What nobody knows may be anything."""
    pl = load_polars()
    bounds = {"start": (0.0, LATEST), "end": (0.0, LATEST), "open": (0, 1)}
    figures = [name for name in names if _STORED[KINDS[name]] is not str]
    within = (pl.col(name).is_between(*bounds.get(name, (-MOST, MOST))) for name in figures)
    fit: polars.Expr = pl.all_horizontal(True, *(each.fill_null(True) for each in within))
    return fit


def _lists(texts: polars.Series) -> polars.Series:
    """Made once for each text, since polars takes its time for lists, and most are empty."""
    place = {text: number for number, text in enumerate(texts.unique())}
    once: polars.Series = load_polars().Series(texts.name, map(_list, place), schema()[texts.name])
    return once.gather([place[text] for text in texts.to_list()])


def _list(text: str | None) -> list[str] | None:
    """None for what is no list."""
    try:
        return msgspec.json.decode(text, type=list[str]) if text else None
    except (msgspec.DecodeError, UnicodeError):
        return None


_STORED: Mapping[type, type] = {str: str, list: str, float: float, int: int, bool: int}
"""What the database holds for what a column holds."""


def affinity(kind: type) -> str:
    """The type of a column as the database says it."""
    return {str: "TEXT", float: "REAL", int: "INTEGER"}[_STORED[kind]]


def quoted(names: list[str]) -> str:
    """Columns as a statement lists them."""
    return ", ".join(f'"{name}"' for name in names)
