"""The results table of a study: one row per case, made from the journal in one pass.

Everything about what the table says lives here (how it is written down: ``resultfile.py``). It can be made at
any time, also while the study runs, and is the same whenever the journal is the same.

Columns, in order: ``case status outcome``, the parameters, what the cases measured (in the order in
which the names first appear), and what weft knows of the run that the row tells of: ``weft_job``
``weft_revision`` ``weft_runs`` ``weft_exit`` ``weft_wall_s`` ``weft_cpu_s`` ``weft_memory_mb``
``weft_why``. A measured value whose name is taken is called ``<name>_result``. A column holds one type:
booleans, integers, floats (also for a mix of numbers), or strings (for any other mix).

The two files are written by a child process (``write_tables``): polars and the columns would cost a
controller with 100,000 cases more memory than all that it knows of them.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from weft.core.books import CaseState
from weft.core.plan import retried
from weft.core.runs import Run, Runs
from weft.core.state import IllegalEvent
from weft.errors import FolderError, NoStudyHere, UsageError, WeftError
from weft.model import Retry, Space, Status, Study
from weft.store import journal as journal_file
from weft.store.folder import StudyFolder
from weft.store.resultfile import (
    FIRST,
    FORMAT,
    LAST,
    TYPES,
    csv_bytes,
    load_polars,
    parquet_bytes,
    read_table,
    write_file,
)

if TYPE_CHECKING:
    import polars

__all__ = [
    "FORMAT",
    "RETIRED",
    "build_table",
    "csv_bytes",
    "gather",
    "parquet_bytes",
    "read_table",
    "table_of",
    "write_file",
    "write_tables",
    "write_tables_here",
]

RETIRED = "retired"
"""The status of a case that the study no longer has."""


def gather(journal: Path) -> Runs:
    """Read the journal once: the state and the run of each case that counts.

    Raises:
        NoStudyHere: there is no journal, so nothing has run.
        FolderError: it is damaged or written by a newer weft; the line is named.
    """
    if not journal.exists():
        raise NoStudyHere(
            "nothing has run here yet", where=str(journal.parent), hint="`weft run` starts the study"
        )
    runs = Runs()
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage, as in `journal.replay`
    try:
        runs.take_all(journal_file.read(journal))
    except IllegalEvent:
        journal_file.replay(journal)  # meets the same fact, and knows how to tell the line
        raise
    finally:
        if collecting:
            gc.enable()
    return runs


# The table


def build_table(journal: Path, study: Study | None = None, *, all_cases: bool = False) -> polars.DataFrame:
    """One row for each case that the study has now, in the order in which it got them.

    ``study`` gives the retry rule that tells waiting from failed, the order of the parameters and their
    defaults; without one, weft's own do. ``all_cases`` adds the retired ones. Takes about 10 µs a case.

    Raises:
        NoStudyHere, FolderError: as ``gather`` does.
    """
    return table_of(gather(journal), study, all_cases=all_cases)


def table_of(runs: Runs, study: Study | None = None, *, all_cases: bool = False) -> polars.DataFrame:
    """The same for a journal that has been read."""
    pl = load_polars()
    rows = list(runs.cases(retired=all_cases))
    deciding = [runs.deciding(case_id) for case_id, _ in rows]
    fixed = _bookkeeping(runs, study, rows, deciding)
    params = _columns([runs.params.get(case_id, b"") for case_id, _ in rows], _parameter_order(study))
    _fill_defaults(params, study)
    results = _columns([run.result if run is not None else b"" for run in deciding])
    taken = set(TYPES)
    table = {name: _series(pl, name, fixed.pop(name)) for name in FIRST}
    taken = set(TYPES)
    for columns, suffix in ((params, "_parameter"), (results, "_result")):
        for name in list(columns):
            free = _free_name(name, taken, suffix)
            # Popped, since polars has its own copy: both at once would be half of the memory.
            table[free] = _series(pl, free, columns.pop(name))
    table.update((name, _series(pl, name, fixed.pop(name))) for name in LAST)
    made: polars.DataFrame = pl.DataFrame(list(table.values()))
    return made


def _bookkeeping(
    runs: Runs, study: Study | None, rows: list[tuple[str, CaseState]], deciding: list[Run | None]
) -> dict[str, list[Any]]:
    status_of = _status_question(runs, study)
    jobs = runs.state.jobs
    columns: dict[str, list[Any]] = {name: [] for name in TYPES}
    add = [column.append for column in columns.values()]
    for (case_id, case), run in zip(rows, deciding, strict=True):
        status = status_of(case)
        job = run.job if run is not None else case.job
        values = (
            case_id,
            status,
            run.outcome.value if run is not None else None,
            job or None,
            jobs[job].revision if job else None,
            runs.count(case_id),
            run.exit if run is not None else None,
            run.wall if run is not None else None,
            run.cpu if run is not None else None,
            run.memory / 1e6 if run is not None and run.memory else None,
            _why(status, case, run),
        )
        for put, value in zip(add, values, strict=True):
            put(value)
    return columns


def _status_question(runs: Runs, study: Study | None) -> Callable[[CaseState], str]:
    rule = study.retry if study is not None else Retry()
    attempts, outcomes = rule.attempts, retried(study) if study is not None else frozenset(rule.on)
    state = runs.state

    def ask(case: CaseState) -> str:
        return RETIRED if case.retired else state.status(case, attempts, outcomes).value

    return ask


def _why(status: str, case: CaseState, run: Run | None) -> str | None:
    if run is not None and run.why:
        return run.why
    return "cancelled" if status == Status.FAILED.value and case.given_up else None


def _parameter_order(study: Study | None) -> list[str]:
    if study is None:
        return []
    return [*(study.space.table[0] if study.space.table else ()), *study.parameters]


def _fill_defaults(params: dict[str, list[Any]], study: Study | None) -> None:
    """Cases from before a parameter was added stand at its default."""
    if study is None:
        return
    for name, parameter in study.parameters.items():
        if parameter.has_default and name in params:
            params[name] = [parameter.default if value is None else value for value in params[name]]


def _columns(objects: list[bytes], names: Iterable[str] = ()) -> dict[str, list[Any]]:
    """JSON objects (or nothing), one per row, to columns: the given names first, each only if it appears."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    decode = msgspec.json.decode
    count = len(objects)
    for row, raw in enumerate(objects):
        if not raw:
            continue
        for name, value in decode(raw).items():
            column = columns.get(name)
            if not column:
                column = columns[name] = [None] * count
            column[row] = value
    return {name: column for name, column in columns.items() if column}


def _free_name(name: str, taken: set[str], suffix: str) -> str:
    """The name, with as many suffixes as it takes; it is taken from then on."""
    while name in taken:
        name += suffix
    taken.add(name)
    return name


def _series(pl: ModuleType, name: str, values: list[Any]) -> polars.Series:
    if name in TYPES:
        return pl.Series(name, values, dtype=getattr(pl, TYPES[name]))  # type: ignore[no-any-return]
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {bool}:
        dtype = pl.Boolean
    elif kinds == {int} and _fit_int64(values):
        dtype = pl.Int64
    elif kinds and kinds <= {int, float} and _fit_float64(values):
        dtype, values = pl.Float64, [None if value is None else float(value) for value in values]
    else:
        dtype, values = pl.String, [_text(value) for value in values]
    series: polars.Series = pl.Series(name, values, dtype=dtype)
    return series


def _fit_int64(values: list[int | None]) -> bool:
    return all(value is None or -(2**63) <= value < 2**63 for value in values)


def _fit_float64(values: list[int | float | None]) -> bool:
    return all(value is None or abs(value) < 2**1023 for value in values)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


# Its files


def write_tables_here(folder: StudyFolder, study: Study | None) -> None:
    """Write results.parquet and results.csv within this process."""
    table = build_table(folder.journal, study)
    write_file(folder.csv, csv_bytes(table))
    write_file(folder.parquet, parquet_bytes(table, folder.root.name))


def write_tables(folder: StudyFolder, study: Study | None) -> None:
    """Write results.parquet and results.csv from the journal in a child process, and wait for it.

    Raises:
        FolderError: the journal or the disk does not allow it; the old tables then stay.
    """
    light = msgspec.json.encode(study and _light(study))
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    child = subprocess.run(
        [sys.executable, "-m", "weft.store.results", str(folder.base.resolve()), folder.root.name],
        input=light,
        capture_output=True,
        check=False,
        cwd=folder.root,  # not the user's folder: its polars.py, if it has one, is not meant
        env={**os.environ, "PYTHONPATH": path},
    )
    if child.returncode:
        raise _child_problem(child, folder)


def _light(study: Study) -> Study:
    """The study without its values, which may be many: what the table asks of it."""
    parameters = {
        name: msgspec.structs.replace(parameter, values=()) for name, parameter in study.parameters.items()
    }
    return msgspec.structs.replace(
        study, parameters=parameters, space=Space(table=study.space.table[:1]), settings={}
    )


def _child_problem(child: subprocess.CompletedProcess[bytes], folder: StudyFolder) -> FolderError:
    with contextlib.suppress(msgspec.DecodeError):
        told = msgspec.json.decode(child.stdout, type=dict[str, str])
        return FolderError(told["what"], where=told["where"], hint=told["hint"])
    last = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit {child.returncode}"]
    if child.returncode < 0:
        last = [f"killed by {signal.Signals(-child.returncode).name}"]
    hint = "the study's record is complete; `weft results --csv FILE` makes the table again"
    return FolderError(
        f"the results tables could not be written: {last[0]}", where=str(folder.root), hint=hint
    )


def main(arguments: list[str]) -> int:
    """The child's side: the study as JSON on stdin, a problem as JSON on stdout."""
    try:
        if len(arguments) != 2:
            raise UsageError("usage: python -m weft.store.results FOLDER NAME < study.json")
        study = msgspec.json.decode(sys.stdin.buffer.read(), type=Study | None)
        write_tables_here(StudyFolder(*arguments), study)
    except WeftError as error:
        told = {"what": error.what, "where": error.where, "hint": error.hint}
        sys.stdout.write(msgspec.json.encode(told).decode())
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
