"""``weft results``: the table of all cases, on the screen or in a file, also while the study runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.options import study_argument
from weft.errors import Exit

if TYPE_CHECKING:
    from weft.api import Study

STDOUT = "-"


@click.command("results", short_help="Show the table of the cases, or write it to a file.")
@study_argument
@click.option("--csv", metavar="FILE", help="Write CSV to FILE (- is standard output).")
@click.option("--parquet", metavar="FILE", help="Write Parquet to FILE (- is standard output).")
@click.option("--json", "json_file", metavar="FILE", help="Write JSON to FILE (- is standard output).")
@click.option("--failed", is_flag=True, help="Only the cases that failed.")
@click.option("--all", "all_cases", is_flag=True, help="Also cases that are no longer in the study.")
def command(
    study: str, csv: str | None, parquet: str | None, json_file: str | None, failed: bool, all_cases: bool
) -> int:
    """Show one row per case: its status, parameters, what it measured, what it used, why it failed.

    Works while the study runs.
    """
    from weft.api import Study

    loaded = Study.load(study)
    table = loaded.results("polars", all_cases=all_cases)
    if failed:
        table = table.filter(table["status"] == "failed")
    writers = ((csv, _csv), (parquet, _parquet), (json_file, _json))
    wanted = [(file, write) for file, write in writers if file]
    for file, write in wanted:
        _put(file, write, loaded, table)
    if not wanted:
        _show(table)
    return Exit.DONE


def _put(file: str, write: Callable[[Study, Any], bytes], study: Study, table: Any) -> None:
    from weft.core.quantities import count
    from weft.store.resultfile import write_file

    data = write(study, table)
    if file == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    write_file(Path(file), data)
    click.echo(f"{count(len(table), 'case')} written to {file}", err=True)


def _csv(study: Study, table: Any) -> bytes:
    from weft.store.resultfile import csv_bytes

    return csv_bytes(table)


def _parquet(study: Study, table: Any) -> bytes:
    from weft.store.resultfile import parquet_bytes

    return parquet_bytes(table, study.spec.name)


def _json(study: Study, table: Any) -> bytes:
    from weft.render.records import results_json

    return b"".join(results_json(table, study.spec.name))


def _show(table: Any) -> None:
    from weft.render.records import results_text

    click.echo(results_text(table))
