"""The results table for the screen and as JSON: what fits, and everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from weft.core.quantities import count, number
from weft.render.text import WIDTH, columns, cut, fitting
from weft.store.resultfile import FIRST, FORMAT, LAST

if TYPE_CHECKING:
    import polars

ROWS_SHOWN = 20
WIDEST = 24
"""Characters that a cell may take on the screen."""


def results_text(table: polars.DataFrame, *, width: int = WIDTH, rows: int = ROWS_SHOWN) -> str:
    """The table's first rows, with the columns that fit the width; the last lines tell what is not shown."""
    if not len(table):
        return "no cases"
    head = table.head(rows)
    differing, constant = _sorted_out(table)
    cells = {name: [_cell(value) for value in head[name].to_list()] for name in differing}
    widths = {name: max(len(cut(name, WIDEST)), *map(len, texts)) for name, texts in cells.items()}
    chosen = fitting(_by_use(differing), widths.__getitem__, width)
    shown = [name for name in table.columns if name in chosen]
    lines = columns(
        [[cut(name, WIDEST) for name in shown], *zip(*(cells[name] for name in shown), strict=True)],
        right=[place for place, name in enumerate(shown) if table.schema[name].is_numeric()],
    )
    hidden = [name for name in differing if name not in chosen]
    return "\n".join([*lines, *_left_out(table, constant, hidden, len(table) - len(head), width)])


def _sorted_out(table: polars.DataFrame) -> tuple[list[str], dict[str, str]]:
    """The columns worth showing, and what the others have in every row."""
    differing: list[str] = []
    constant: dict[str, str] = {}
    for name in table.columns:
        if name in FIRST[:2] or table[name].n_unique() > 1:
            differing.append(name)
        else:
            constant[name] = _cell(table[name][0])
    return differing, {name: text for name, text in constant.items() if text and name not in LAST}


def _by_use(names: Sequence[str]) -> list[str]:
    """Columns by how much a reader misses them: case and status, parameters and results, then weft's own."""
    own = [name for name in names if name in LAST or name == "outcome"]
    first = [name for name in names if name in FIRST[:2]]
    liked = sorted(own, key=lambda name: (name not in ("weft_why", "weft_wall_s"), name))
    return [*first, *(name for name in names if name not in own and name not in first), *liked]


def _left_out(
    table: polars.DataFrame, constant: dict[str, str], hidden: list[str], rows: int, width: int
) -> Iterator[str]:
    if constant:
        same = ", ".join(f"{name} = {text}" for name, text in constant.items())
        yield cut(f"the same in every row: {same}", width)
    if rows:
        yield f"not shown: {count(rows, 'row')} of {count(len(table))}"
    if hidden:
        yield cut(f"not shown: {count(len(hidden), 'column')}: {', '.join(hidden)}", width)
    if rows or hidden:
        yield "`weft results --csv FILE` writes all of it"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(value) if isinstance(value, float) else cut(str(value), WIDEST)


def results_json(table: polars.DataFrame, name: str = "") -> Iterator[bytes]:
    """One JSON document in pieces: the format's version, the columns, and a row per line."""
    head = {"format": FORMAT, "name": name, "columns": table.columns}
    yield msgspec.json.encode(head)[:-1] + b',"rows":['
    encode = msgspec.json.encode
    before = b"\n"
    for row in table.iter_rows(named=True):
        yield before + encode(row)
        before = b",\n"
    yield b"\n]}\n"
