"""The table of jobs as files."""

from __future__ import annotations

import io

import polars as pl
import pytest
from msgspec import structs
from tests.render import analyses

from weft.core.jobtable import schema
from weft.render.tables import csv, jobs_csv, parquet


def test_parquet_is_the_table() -> None:
    analysis = analyses.study(analyses.HOSTILE)
    data = parquet(analysis)
    assert pl.read_parquet(io.BytesIO(data)).equals(analysis.jobs)
    metadata = pl.read_parquet_metadata(io.BytesIO(data))
    assert (metadata["weft_format"], metadata["weft_study"]) == ("1", analyses.HOSTILE)


def test_csv_has_a_line_for_each_job() -> None:
    found = pl.read_csv(csv(analyses.study()))
    assert found.columns == [*schema()]
    assert found["job"].to_list() == [f"portal-ida-k3f9-{number:04d}" for number in (1, 2, 3, 4)]
    assert found["notes"].to_list()[1] == "2 events of its history come twice"


def test_csv_quotes_what_users_write() -> None:
    analysis = analyses.study()
    hostile = 'a "b", c\nd'
    jobs = analysis.jobs.with_columns(
        pl.lit(hostile).alias("why"), pl.lit(["one, two", "three"], dtype=pl.List(pl.String)).alias("signs")
    )
    found = pl.read_csv(csv(structs.replace(analysis, jobs=jobs)))
    assert found["why"].to_list() == [hostile] * 4
    assert found["signs"].to_list() == ["one, two; three"] * 4


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula_to_a_spreadsheet(sign: str) -> None:
    analysis = analyses.study()
    bad = f"{sign}cmd|' /C calc'!A0"
    jobs = analysis.jobs.with_columns(
        pl.lit(bad).alias("name"),
        pl.lit([bad, bad], dtype=pl.List(pl.String)).alias("signs"),
        pl.lit(f"a {bad}").alias("why"),
        pl.lit(-2.5).alias("queued_s"),
        pl.lit(None, dtype=pl.String).alias("tail"),
    )
    found = pl.read_csv(jobs_csv(jobs))
    assert found["name"].to_list() == [f"'{bad}"] * 4
    assert found["signs"].to_list() == [f"'{bad}; {bad}"] * 4
    assert found["why"].to_list() == [f"a {bad}"] * 4
    assert found["queued_s"].to_list() == [-2.5] * 4
    assert found["tail"].null_count() == 4


def test_no_jobs_are_a_table_without_rows() -> None:
    analysis = analyses.study()
    none = structs.replace(analysis, jobs=analysis.jobs.clear())
    assert csv(none).decode().count("\n") == 1
    assert pl.read_parquet(io.BytesIO(parquet(none))).schema == analysis.jobs.schema


def test_the_same_analysis_gives_the_same_bytes() -> None:
    assert csv(analyses.study()) == csv(analyses.study())
    assert parquet(analyses.study()) == parquet(analyses.study())
