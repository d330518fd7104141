"""The results table as files: results.csv and results.parquet, and how they are read back.

In a CSV strings are quoted and nothing else is, and an empty field is a missing value, so that the file alone
says which column is text. A Parquet file says the format's version in its metadata, under ``weft_format``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from weft.errors import FolderError
from weft.store.folder import disk_problem

if TYPE_CHECKING:
    import polars

FORMAT = 1
"""Version of the table; a new column keeps it, another meaning of one raises it."""

FIRST = ("case", "status", "outcome")
LAST = {
    "weft_job": "String",
    "weft_revision": "String",
    "weft_runs": "Int64",
    "weft_exit": "Int64",
    "weft_wall_s": "Float64",
    "weft_cpu_s": "Float64",
    "weft_memory_mb": "Float64",
    "weft_why": "String",
}
TYPES = dict.fromkeys(FIRST, "String") | LAST
"""The columns that every table has, and their types: the first ones, then the last."""


def load_polars() -> ModuleType:
    """Import polars, which takes some 0.3 s, only where a table is really wanted."""
    # Login nodes limit how many threads a user may have; the table needs none of polars' parallelism.
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    import polars

    return polars


def csv_bytes(table: polars.DataFrame) -> bytes:
    """The table as CSV (UTF-8): strings quoted, all else bare, missing values empty."""
    pl = load_polars()
    quoted = [
        pl.concat_str(pl.lit('"'), pl.col(name).str.replace_all('"', '""', literal=True), pl.lit('"'))
        if dtype == pl.String
        else pl.col(name)
        for name, dtype in table.schema.items()
    ]
    names = [_quoted(name) for name in table.columns]
    file = io.BytesIO()
    named = [column.alias(name) for column, name in zip(quoted, names, strict=True)]
    table.select(named).write_csv(file, quote_style="never")  # quoted above, and names with it
    return file.getvalue()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def parquet_bytes(table: polars.DataFrame, name: str = "") -> bytes:
    """The table as Parquet; its metadata says the format's version and the study's name."""
    file = io.BytesIO()
    table.write_parquet(file, metadata={"weft_format": str(FORMAT), "weft_study": name})
    return file.getvalue()


def read_table(path: Path) -> polars.DataFrame:
    """A table that weft wrote, ``.parquet`` or ``.csv``, as it was.

    Raises:
        FolderError: it cannot be read, or a newer weft wrote it.
    """
    pl = load_polars()
    try:
        data = path.read_bytes()
        if path.suffix != ".parquet":
            return _read_csv(pl, data)
        _check_format(pl.read_parquet_metadata(io.BytesIO(data)), path)
        table: polars.DataFrame = pl.read_parquet(io.BytesIO(data))
    except OSError as error:
        raise disk_problem(error, path) from error
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        hint = "`weft results --csv FILE` or `--parquet FILE` writes it anew"
        raise FolderError(f"this is no results table: {error}", where=str(path), hint=hint) from error
    return table


def _check_format(metadata: Mapping[str, str], path: Path) -> None:
    version = metadata.get("weft_format", "")
    if version.isdigit() and int(version) > FORMAT:
        what = f"this table was written by a newer weft (format {version}; this one reads {FORMAT})"
        raise FolderError(what, where=str(path), hint="upgrade weft: `pip install --upgrade weft`")


_FIELD = re.compile(r'("(?:[^"]|"")*"|[^,\n]*)([,\n]|\Z)')


def _read_csv(pl: ModuleType, data: bytes) -> polars.DataFrame:
    """Types are told by the quotes, and where a column is empty by what weft puts there."""
    types = {
        name: getattr(pl, TYPES.get(name, "String")) for name in _typed_columns(data.decode("utf-8-sig"))
    }
    table: polars.DataFrame = pl.read_csv(data, schema_overrides=types, infer_schema_length=None)
    return table


def _typed_columns(text: str) -> set[str]:
    """The columns that polars must not guess: those of every table, and text (its first value is quoted)."""
    fields = _FIELD.finditer(text)
    names = []
    for field in fields:
        names.append(field[1][1:-1].replace('""', '"') if field[1].startswith('"') else field[1])
        if field[2] != ",":
            break
    typed = set(names)
    unknown = {place for place, name in enumerate(names) if name not in TYPES}
    place = 0
    for field in fields:
        if not unknown:
            break
        if place in unknown and field[1]:
            unknown.discard(place)
            if not field[1].startswith('"'):
                typed.discard(names[place])
        place = place + 1 if field[2] == "," else 0
    return typed


def write_file(path: Path, data: bytes) -> None:
    """Put these bytes in the file's place at once; FolderError if that fails, and the old file stays."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
