"""A job as a row of the history: what of it is kept, which row it is, and how two tellings of one job are joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from weft.core.jobtable import INTO, schema
from weft.core.secrets import masked
from weft.store.resultfile import load_polars

if TYPE_CHECKING:
    import polars

TEXT_KEPT = 300
"""Characters of a message that are kept."""
LISTED = 20
"""Entries of a list that are kept."""
LARGEST = 2.0**53
"""No figure of a job is larger, and sums of such figures are still exact."""
LATEST = 4_102_444_800.0
"""No job begins or ends later: it is the year 2100."""
_MESSAGES = ("why", "word")
_USER, _QUERY = r"//[^/@]*@", r"[?#].*$"
"""What an address may have besides the place: a user with a password, a query with a token."""


def to_keep(jobs: polars.DataFrame) -> polars.DataFrame:
    """What is kept of those that are over, with the key of each."""
    pl = load_polars()
    over = jobs.filter(pl.col("outcome").fill_null("") != "")
    told = over.select(
        pl.col(name) if name in over.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema().items()
    )
    short = pl.element().str.head(TEXT_KEPT)
    place = pl.element().str.replace(_USER, "//").str.replace(_QUERY, "")
    addresses = pl.col("sources").list.eval(place)
    messages = [_without_secrets(told[name]) for name in (*_MESSAGES, "tail")]
    lists = [name for name, kind in schema().items() if isinstance(kind, pl.List)]
    kept: polars.DataFrame = (
        told.with_columns(addresses, *messages)
        .select(
            known_by().alias("key"),
            pl.col("*").exclude(*_MESSAGES, "tail", *lists),
            *(pl.col(name).str.head(TEXT_KEPT) for name in _MESSAGES),
            pl.col("tail").str.tail(TEXT_KEPT),
            *(pl.col(name).list.head(LISTED).list.eval(short) for name in lists),
        )
        .select("key", *schema())
    )
    return kept


def _without_secrets(texts: polars.Series) -> polars.Series:
    """Each text once, since jobs often say the same."""
    found = {text: text and masked(text) for text in texts.unique()}
    return texts.replace_strict(found, return_dtype=texts.dtype) if len(texts) else texts


def known_by() -> polars.Expr:
    """By which a job is known, whoever tells of it: the service's id of it where that is its alone for ever."""
    pl = load_polars()
    backend, native, system, job = (
        pl.col(name).fill_null("") for name in ("backend", "native", "system", "job")
    )
    known = (
        pl.when((backend == "tapis") & (native != ""))
        .then(native)
        .when((backend == "slurm") & (native != ""))
        .then(pl.format("{}/{}", system, native))  # each cluster counts for itself
        .otherwise(job)
    )
    key: polars.Expr = pl.format("{}/{}", backend, known)
    return key


def rows(part: polars.DataFrame) -> list[tuple[Any, ...]]:
    """The rows as the database takes them."""
    pl = load_polars()
    encode = msgspec.json.encode
    lists = [
        pl.Series(
            each.name,
            [value if value is None else encode(value).decode() for value in each.to_list()],
            pl.String,
        )
        for each in part.iter_columns()
        if isinstance(each.dtype, pl.List)
    ]
    rows: list[tuple[Any, ...]] = part.with_columns(lists).rows()
    return rows


def insert() -> str:
    """The statement that keeps one row, or brings it up to date.

    The row that knows of cases wins, else the new one; it takes from the other what it lacks. Phases are never mixed:
    each telling of them is one whole.
    """
    names = ["key", *schema()]
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
        for place in _odd(values, types[name])
    }
    fitting = [row for place, row in enumerate(found) if place not in odd] if odd else found
    if not fitting:
        return pl.DataFrame(schema=types), len(found)
    kinds = {name: _stored(types[name]) for name in names}
    stored = pl.DataFrame(fitting, schema=kinds, orient="row").filter(_sensible(names))
    lists = {name: _lists(stored[name]) for name in names if isinstance(types[name], pl.List)}
    made: polars.DataFrame = stored.with_columns(**lists).select(
        pl.col(name).cast(kind) if name in names else pl.lit(None, kind).alias(name)
        for name, kind in types.items()
    )
    return made, len(found) - len(made)


def _odd(values: tuple[Any, ...], kind: Any) -> Iterator[int]:
    """The places of values that are of no type that this column has."""
    pl = load_polars()
    types: dict[Any, set[type]] = {pl.String(): {str}, pl.Float64(): {float, int}}
    known = types.get(_stored(kind), {int}) | {type(None)}
    if not known.issuperset(map(type, values)):
        yield from (place for place, value in enumerate(values) if type(value) not in known)
    if isinstance(kind, pl.List):
        wrong = {text for text in set(values) if type(text) is str and text and _list(text) is None}
        yield from (place for place, text in enumerate(values) if text in wrong) if wrong else ()


def _sensible(names: list[str]) -> polars.Expr:
    """Is every figure of a row one that a job may have? What nobody knows may be anything."""
    pl = load_polars()
    types = schema()
    bounds = {"start": (0.0, LATEST), "end": (0.0, LATEST), "open": (0, 1)}
    figures = [name for name in names if _stored(types[name]) != pl.String()]
    within = (pl.col(name).is_between(*bounds.get(name, (-LARGEST, LARGEST))) for name in figures)
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


def _stored(kind: Any) -> Any:
    """The type that a column has in the database."""
    pl = load_polars()
    return {pl.Boolean(): pl.Int64()}.get(kind, pl.String() if isinstance(kind, pl.List) else kind)


def affinity(kind: Any) -> str:
    """The type of a column as the database says it."""
    pl = load_polars()
    return {pl.String(): "TEXT", pl.Float64(): "REAL"}.get(_stored(kind), "INTEGER")


def quoted(names: list[str]) -> str:
    """Columns as a statement lists them."""
    return ", ".join(f'"{name}"' for name in names)
