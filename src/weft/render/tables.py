"""The table of jobs as a file: CSV or Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft.core.analysis import Analysis


def csv(analysis: Analysis) -> bytes:
    """One line for each job (UTF-8): strings quoted, all else bare, unknown figures empty; lists joined by ``; ``."""
    import polars as pl

    from weft.store.resultfile import csv_bytes

    lists = [name for name, kind in analysis.jobs.schema.items() if isinstance(kind, pl.List)]
    return csv_bytes(analysis.jobs.with_columns(pl.col(lists).list.join("; ")))


def parquet(analysis: Analysis) -> bytes:
    """One row for each job, with the types of ``core/jobtable.py``; its metadata says the format's version."""
    from weft.store.resultfile import parquet_bytes

    return parquet_bytes(analysis.jobs, analysis.title)
