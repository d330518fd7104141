"""Reading tables of cases: CSV, JSON, JSON lines, Parquet, and rows that a Python program gives.

A row is a dictionary, all rows have the same columns, and a cell is a number, a string, true, false or None.
In CSV the type is found cell by cell: 1 is an integer, 1.0 and 1e3 are floats, true and false are what they
say, an empty cell is None, and everything else (also 007) is a string. A table of results of another study is
known by its first two columns, ``case`` and ``status``: only its rows that are done count, unless the
condition asks for the status, and what weft itself wrote into it (``case``, ``status``, ``outcome``,
``weft_...``) does not become a parameter.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.core.nearest import did_you_mean
from weft.core.values import check_value
from weft.errors import StudyFileError, WeftError
from weft.model import Value

Row = dict[str, Value]

ENDINGS = (".csv", ".json", ".jsonl", ".parquet")
MOST_COMPLAINTS = 5
"""Bad rows of a table that are told one by one; the others are likely to be bad in the same way."""

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ZEROS = re.compile(r"[+-]?0[0-9]")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def read_table(path: Path, shown: str) -> list[Row]:
    """Return the rows of a table; ``shown`` is what the user calls it.

    Raises:
        StudyFileError: the table is missing, unreadable, empty, of an unknown kind, or has bad rows.
    """
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise _error(shown, f"a table cannot be read from a {kind or 'file without an ending'}", _KINDS)
    data = _bytes(path, shown)
    if kind == ".parquet":
        return checked_rows(_parquet(data, shown), shown)
    if kind == ".csv" and data.startswith(_RESULTS_BEGIN):
        return checked_rows(_results_csv(path, shown), shown)
    text = _text(data, shown)
    if kind == ".csv":
        return _csv(text, shown)
    records, lines = _json_lines(text, shown) if kind == ".jsonl" else (_json(text, shown), None)
    return checked_rows(records, shown, lines)


_RESULTS_BEGIN = b'"case","status",'
"""So begins a table that weft wrote; in it quotes tell text from numbers."""

_KINDS = "tables end with " + ", ".join(ENDINGS)


def checked_rows(records: Iterable[object], shown: str, lines: Sequence[int] | None = None) -> list[Row]:
    """Return rows that are sound: the same columns in each, and cells that a parameter may have.

    Raises:
        StudyFileError: they are not, or there are none.
    """
    rows: list[Row] = []
    problems = _Problems()
    for number, record in enumerate(records, start=1):
        where = f"{shown}:{lines[number - 1]}" if lines else f"{shown}: row {number}"
        try:
            rows.append(_checked_row(record, rows[0] if rows else None))
        except WeftError as problem:
            problems.add(where, problem)
    problems.raise_all()
    if not rows:
        raise _error(shown, "the table has no rows", "a study needs one case or more")
    if not rows[0]:
        raise _error(shown, "the table has no columns", "give every column a name")
    return rows


def from_python(table: Any) -> list[object]:
    """Return the records of a table made in Python: an iterable of dictionaries, or a polars or pandas data
    frame."""
    if hasattr(table, "to_dicts"):
        return list(table.to_dicts())
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return list(table.to_dict("records"))
    if isinstance(table, (str, bytes, Mapping)) or not isinstance(table, Iterable):
        raise WeftError(
            "`table` is not an iterable of dictionaries", hint='write table = [{"a": 1}, {"a": 2}]'
        )
    return list(table)


def plain(value: object) -> object:
    """Return a number of numpy's as one of Python's, and a path as a string; anything else as it is."""
    if isinstance(value, Path):
        return value.as_posix()
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        return value.item()  # type: ignore[attr-defined]
    return value


class _Problems:
    """Complaints about rows, cut short when there are many."""

    def __init__(self) -> None:
        self.found: list[WeftError] = []
        self.more = 0

    def add(self, where: str, problem: WeftError) -> None:
        if len(self.found) < MOST_COMPLAINTS:
            self.found.append(WeftError(problem.what, where=where, hint=problem.hint))
        else:
            self.more += 1

    def raise_all(self) -> None:
        if not self.found:
            return
        if self.more:
            self.found[-1] = WeftError(
                f"{self.found[-1].what} (and {self.more} rows more like this)",
                where=self.found[-1].where,
                hint=self.found[-1].hint,
            )
        raise StudyFileError(self.found)


def _checked_row(record: object, first: Row | None) -> Row:
    if not isinstance(record, Mapping):
        raise WeftError("the row is not an object with names and values", hint='write {"a": 1, "b": 2}')
    row: Row = {}
    for name, cell in record.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise WeftError(f"{name!r} is not a name for a column", hint="use letters, digits and _")
        try:
            row[name] = check_value(plain(cell))
        except WeftError as problem:
            raise WeftError(f"column `{name}`: {problem.what}", hint=problem.hint) from None
    if first is not None and row.keys() != first.keys():
        missing, extra = sorted(first.keys() - row.keys()), sorted(row.keys() - first.keys())
        what = (
            f"there is no `{missing[0]}`"
            if missing
            else f"there is `{extra[0]}`, which the first row has not"
        )
        raise WeftError(what, hint="every row needs the same columns; null stands for an empty cell")
    return row if first is None else {name: row[name] for name in first}


def _error(where: str, what: str, hint: str = "") -> StudyFileError:
    return StudyFileError([WeftError(what, where=where, hint=hint)])


def _bytes(path: Path, shown: str) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise _error(shown, "the table is not a file", _KINDS)
        return path.read_bytes()
    except FileNotFoundError:
        hint = "check the name; if another study makes it, run that study first"
        raise _error(shown, "there is no such table", hint) from None
    except (OSError, ValueError) as problem:
        raise _error(shown, f"the table cannot be read: {getattr(problem, 'strerror', problem)}") from None


def _text(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        byte = data[problem.start]
        hint = "save it as UTF-8 (in a spreadsheet: export as 'CSV UTF-8')"
        raise _error(f"{shown}:{line}", f"not UTF-8: byte 0x{byte:02x}", hint) from None


def _csv(text: str, shown: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    problems = _Problems()
    rows: list[Row] = []
    try:
        header = _csv_header(next(reader, []), f"{shown}:{max(reader.line_num, 1)}")
        begins = reader.line_num + 1
        for cells in reader:
            where, begins = f"{shown}:{begins}", reader.line_num + 1
            if not cells:
                continue
            try:
                rows.append(_csv_row(cells, header))
            except WeftError as problem:
                problems.add(where, problem)
    except csv.Error as problem:
        raise _error(
            f"{shown}:{reader.line_num}", f"not a CSV table: {problem}", "check its quotes"
        ) from None
    problems.raise_all()
    if not rows:
        raise _error(shown, "the table has no rows", "below the line of names a study needs one case or more")
    return rows


def _csv_header(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not names or not any(names):
        raise _error(where, "the table has no line of names", "the first line names the columns: a,b,c")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise _error(
                where, f"column {number} has no name", "name it, or remove a comma at the line's end"
            )
        if not name.isprintable():
            raise _error(where, f"the name of column {number} has control characters", "rename it")
        if name in seen:
            raise _error(where, f"two columns are called `{name}`", "rename one of them")
        seen.add(name)
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise _error(where, "the columns are not separated by commas", "export it with commas")
    return names


def _csv_row(cells: list[str], header: list[str]) -> Row:
    if len(cells) != len(header):
        what = f"the row has {len(cells)} cells, but there are {len(header)} columns"
        raise WeftError(what, hint="add or remove commas; put text with a comma in double quotes")
    row: Row = {}
    for name, cell in zip(header, cells, strict=True):
        try:
            row[name] = check_value(_cell(cell))
        except WeftError as problem:
            raise WeftError(f"column `{name}`: {problem.what}", hint=problem.hint) from None
    return row


def _cell(text: str) -> Value:
    word = text.strip()
    if not word:
        return None
    if _INTEGER.fullmatch(word) and len(word) < 20:
        return int(word)
    if _FLOAT.fullmatch(word) and not (_ZEROS.match(word) or word.lstrip("+-").isdigit()):
        return float(word)
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    if _NOT_FINITE.fullmatch(word):
        raise WeftError(f"{word} is not a finite number", hint="leave the cell empty, or remove the row")
    return text


def _json(text: str, shown: str) -> list[object]:
    try:
        data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as problem:
        where = f"{shown}:{problem.lineno}:{problem.colno}"
        raise _error(where, f"not JSON: {problem.msg}", "check it, or write it with a program") from None
    except WeftError as problem:
        raise _error(shown, problem.what, problem.hint) from None
    except (ValueError, RecursionError) as problem:
        raise _error(shown, f"not JSON as weft reads it: {problem}") from None
    if not isinstance(data, list):
        raise _error(shown, "the table is not a list of objects", 'write [{"a": 1}, {"a": 2}]')
    return data


def _json_lines(text: str, shown: str) -> tuple[list[object], list[int]]:
    records: list[object] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            records += _json(f"[{line}]", f"{shown}:{number}")
            lines += [number] * (len(records) - len(lines))
    return records, lines


def _no_constant(word: str) -> None:
    raise WeftError(f"{word} is not a finite number", hint="null stands for an empty cell")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WeftError(f"an object has two entries `{twice}`", hint="rename one of them")
    return record


def _parquet(data: bytes, shown: str) -> list[object]:
    try:
        import polars
    except ImportError:
        hint = "pip install polars, or give the table as CSV"
        raise _error(shown, "polars is needed to read Parquet", hint) from None
    try:
        return list(polars.read_parquet(io.BytesIO(data)).to_dicts())
    except Exception as problem:  # whatever is wrong with the file's bytes
        raise _error(shown, f"not a Parquet table: {problem}".split("\n")[0], "write it again") from None


def _results_csv(path: Path, shown: str) -> list[object]:
    from weft.store.resultfile import read_table as read_results

    try:
        return list(read_results(path).to_dicts())
    except WeftError as problem:
        raise _error(shown, problem.what, problem.hint) from None


# Which rows and columns count


def is_results(columns: Sequence[str]) -> bool:
    """Return whether these are the columns of a weft results table."""
    return list(columns[:2]) == ["case", "status"]


def bookkeeping(column: str) -> bool:
    """Return whether weft itself writes this column of a results table, so that no parameter can have its
    name."""
    return column in ("case", "status", "outcome") or column.startswith("weft_")


def select(rows: list[Row], columns: Mapping[str, str] | None, where: str | None) -> list[Row]:
    """Return the rows that fulfil ``where``, with the chosen columns (new name → column) or all that count.

    Raises:
        WeftError: a column does not exist, the condition makes no sense, or no row is left.
    """
    names = list(rows[0])
    results = is_results(names)
    condition = None
    if where is not None:
        from weft.core.expressions import compile_expression

        condition = compile_expression(where, names)
    if results and (condition is None or "status" not in condition.names):
        rows = [row for row in rows if row["status"] == "done"]
    if condition is not None:
        rows = [row for row in rows if condition.holds(row)]
    if not rows:
        hint = "only rows that are done count; has the study run?" if results else "loosen its condition"
        raise WeftError("no row of the table is left", hint=hint)
    if columns is None:
        columns = {name: name for name in names if not (results and bookkeeping(name))}
    for column in columns.values():
        if column not in names:
            raise WeftError(f"the table has no column `{column}`", hint=did_you_mean(column, names))
    return [{new: row[column] for new, column in columns.items()} for row in rows]
