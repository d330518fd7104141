"""The results table as files: results.csv and results.parquet, and how they are read back.

In a CSV strings are quoted and nothing else is, and an empty field is a missing value, so that the file alone
says which column is text. A Parquet file says the format's version in its metadata, under ``weft_format``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
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
    # By columns, not expressions: in those a name like "*" has a meaning of its own.
    columns = [
        '"' + each.str.replace_all('"', '""', literal=True) + '"' if each.dtype == pl.String else each
        for each in table.iter_columns()
    ]
    named = [each.alias(_quoted(name)) for each, name in zip(columns, table.columns, strict=True)]
    file = io.BytesIO()
    pl.DataFrame(named).write_csv(file, quote_style="never")  # quoted above, and names with it
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
    text = data.decode("utf-8-sig")
    fields = _FIELD.finditer(text)
    names, rows = [], len(text)
    for field in fields:
        names.append(_bare(field[1]).replace('""', '"'))
        if field[2] != ",":
            rows = field.end()
            break
    places = _typed_places(names, fields)
    # Read without the header: polars leaves the quotes in it as they stand.
    columns = [f"column_{place + 1}" for place in range(len(names))]
    types = {columns[place]: getattr(pl, TYPES.get(names[place], "String")) for place in places}
    table: polars.DataFrame = pl.read_csv(
        text[rows:].encode(),
        has_header=False,
        raise_if_empty=False,
        new_columns=columns,
        schema_overrides=types,
        infer_schema_length=None,
    )
    if not table.columns:
        return pl.DataFrame(schema={name: getattr(pl, TYPES.get(name, "String")) for name in names})  # type: ignore[no-any-return]
    table.columns = names
    return table


def _bare(text: str) -> str:
    return text[1:-1] if text.startswith('"') else text


def _typed_places(names: Sequence[str], fields: Iterator[re.Match[str]]) -> set[int]:
    """The columns that polars must not guess: those of every table, and text (its first value is quoted)."""
    typed = set(range(len(names)))
    unknown = {place for place, name in enumerate(names) if name not in TYPES}
    place = 0
    for field in fields:
        if not unknown:
            break
        if place in unknown and field[1]:
            unknown.discard(place)
            if not field[1].startswith('"'):
                typed.discard(place)
        place = place + 1 if field[2] == "," else 0
    return typed


def write_file(path: Path, data: bytes) -> None:
    """Put these bytes in the file's place at once; FolderError if that fails, and the old file stays.

    Where a link lies, the file that it points to is replaced. What is no regular file (a pipe, /dev/stdout) is
    written into.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise disk_problem(error, path) from error


def _replace(path: Path, data: bytes) -> None:
    # A name that nobody can foresee, and "x", so that no link laid there is followed. (tempfile would make a
    # file that is closed to others, whatever the umask says.)
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
