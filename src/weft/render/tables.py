"""The table of jobs as a file: CSV or Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from weft.core.analysis import Analysis

_FORMULA = r"^([=+\-@\t\r])"
"""How a cell begins that a spreadsheet would compute."""


def csv(analysis: Analysis) -> bytes:
    """The jobs as ``jobs_csv`` writes them."""
    return jobs_csv(analysis.jobs)


def jobs_csv(jobs: pl.DataFrame) -> bytes:
    """One line for each job (UTF-8): strings quoted, all else bare, unknown figures empty; lists joined by ``; ``.

    Text that a spreadsheet would compute has an apostrophe before it.
    """
    import polars as pl

    from weft.store.resultfile import csv_bytes

    lists = [name for name, kind in jobs.schema.items() if isinstance(kind, pl.List)]
    flat = jobs.with_columns(pl.col(lists).list.join("; "))
    return csv_bytes(flat.with_columns(pl.col(pl.String).str.replace(_FORMULA, "'${1}")))


def parquet(analysis: Analysis) -> bytes:
    """One row for each job, with the types of ``core/jobtable.py``; its metadata says the format's version."""
    from weft.store.resultfile import parquet_bytes

    return parquet_bytes(analysis.jobs, analysis.title)
