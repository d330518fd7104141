"""The map of a study's cases over two of its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.model import Value
from weft.render.series import NAME, distinct

if TYPE_CHECKING:
    import polars as pl

    from weft.core.analysis import Analysis

SIDE = 40
"""Most columns, and most rows."""
WALL = "weft_wall_s"
"""The column of the results table that the map shows."""


class Cell(Struct, frozen=True, kw_only=True):
    """The cases at one pair of values."""

    x: str
    y: str
    cases: int
    failed: int
    wall_s: float | None
    """Median of those with a record."""


class Heat(Struct, frozen=True, kw_only=True):
    """A map of the cases over two parameters."""

    x: str
    y: str
    columns: Sequence[str]
    """Labels of the values of x, in order."""
    rows: Sequence[str]
    cells: Sequence[Cell]
    left_out: int
    """Values that are not drawn."""


def heat(analysis: Analysis) -> Heat | None:
    """The cases over the two parameters with most values; None where there are no two with several."""
    cases = analysis.cases
    if cases is None or not cases.height:
        return None
    several = [
        name for name, values in analysis.parameters.items() if len(values) > 1 and name in cases.columns
    ]
    if len(several) < 2:
        return None
    x, y = sorted(several, key=lambda name: -len(analysis.parameters[name]))[:2]
    (columns, lost), (rows, more) = _values(analysis.parameters[x]), _values(analysis.parameters[y])
    cells = _cells(cases, x, y, columns, rows)
    return Heat(
        x=x, y=y, columns=[*columns.values()], rows=[*rows.values()], cells=cells, left_out=lost + more
    )


def _values(values: Sequence[Value]) -> tuple[dict[str, str], int]:
    """Labels of their texts in order, evenly thinned to what can be drawn, and how many that left out."""
    numbers = [value for value in values if isinstance(value, int | float)]
    ordered = sorted(numbers) if len(numbers) == len(values) else list(values)
    kept = ordered
    if len(ordered) > SIDE:
        kept = [ordered[round(place * (len(ordered) - 1) / (SIDE - 1))] for place in range(SIDE)]
    return distinct((_text(value) for value in kept), NAME), len(ordered) - len(kept)


def _text(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def _cells(
    cases: pl.DataFrame, x: str, y: str, columns: Mapping[str, str], rows: Mapping[str, str]
) -> list[Cell]:
    import polars as pl

    # By columns, not expressions: in those a parameter's name may have a meaning of its own.
    at = pl.DataFrame(
        {"x": cases[x], "y": cases[y], "failed": cases["status"] == "failed", "wall": cases[WALL]}
    )
    grouped = at.group_by("x", "y").agg(pl.len(), pl.col("failed").sum(), pl.col("wall").median())
    found = []
    for left, right, count, failed, seconds in grouped.iter_rows():
        across, up = columns.get(_text(left)), rows.get(_text(right))
        if across is not None and up is not None:
            found.append(Cell(x=across, y=up, cases=count, failed=failed, wall_s=seconds))
    places = {name: place for place, name in enumerate(columns.values())}
    heights = {name: place for place, name in enumerate(rows.values())}
    return sorted(found, key=lambda cell: (heights[cell.y], places[cell.x]))


def heats(cells: Sequence[Cell], steps: int) -> tuple[list[int | None], list[float]]:
    """The step of each cell, by its wall time, and the edges of the steps: by factors where they span many."""
    known = [cell.wall_s for cell in cells if cell.wall_s is not None and cell.wall_s > 0]
    if not known:
        return [None] * len(cells), []
    low, high = min(known), max(known)
    wide = high / low > 20
    turn = math.log if wide else float
    back = math.exp if wide else float
    first, length = turn(low), turn(high) - turn(low)
    edges = [back(first + length * place / steps) for place in range(steps + 1)]
    found: list[int | None] = []
    for cell in cells:
        if cell.wall_s is None or cell.wall_s <= 0:
            found.append(None)
        else:
            found.append(min(steps - 1, int(steps * (turn(cell.wall_s) - first) / length)) if length else 0)
    return found, edges
