"""Jobs together: totals by phase, and by app, system, queue, study, week and outcome."""

from __future__ import annotations

import polars as pl
import pytest
from tests.core.scenes import PHASE_COLUMNS, jobs

from weft.core.groups import UNDER_WAY, WAYS, groups, totals
from weft.core.jobtable import schema
from weft.errors import UsageError

MONDAY = 1_772_409_600.0
"""2026-03-02 00:00 UTC."""
EMPTY = pl.DataFrame(schema=schema())


def test_totals_of_every_phase_that_a_job_was_in() -> None:
    found = totals(jobs({"queued_s": 10.0}, {"queued_s": 30.0}, {"queued_s": 0.0}, {"queued_s": None}))
    rows = {row["phase"]: row for row in found.to_dicts()}
    assert list(rows)[:3] == ["PENDING", "PROCESSING_INPUTS", "STAGING_INPUTS"]
    assert "BLOCKED" not in rows
    queued = rows["QUEUED"]
    assert (queued["jobs"], queued["total_s"], queued["median_s"], queued["within"]) == (2, 40.0, 20.0, "")
    assert queued["p90_s"] == pytest.approx(28.0)
    assert rows["CASES"]["within"] == "RUNNING"
    shares = found.filter(pl.col("within") == "")["share"]
    assert shares.sum() == pytest.approx(1.0)
    assert rows["CASES"]["share"] < rows["RUNNING"]["share"]


def test_what_is_uncertain_is_summed() -> None:
    found = totals(jobs({"running_uncertain_s": 60.0}, {"running_uncertain_s": 30.0}))
    assert found.filter(pl.col("phase") == "RUNNING")["uncertain_s"].item() == 90.0
    assert found.filter(pl.col("phase") == "CASES")["uncertain_s"].item() == 0.0


def test_groups_of_an_app() -> None:
    table = jobs(
        {"app": "a", "queued_s": 10.0, "su": 1.0},
        {"app": "a", "queued_s": 30.0, "su": None, "outcome": "TIMED_OUT"},
        {"app": "a", "outcome": "CANCELLED"},
        {"app": "a", "open": True, "outcome": ""},
        {"app": "b", "running_s": 1e6, "su": None},
        {"app": None},
    )
    found = groups(table, "app")
    assert found["app"].to_list() == ["b", "a", ""], "the longest first"
    row = found.filter(pl.col("app") == "a").to_dicts()[0]
    assert row["jobs"] == 4
    assert row["failed_share"] == pytest.approx(1 / 3), "of those that are over"
    assert row["queued_s"] == 160.0
    assert row["queued_median_s"] == 45.0
    assert row["su"] == 1.0 + 0.75 * 2
    assert row["total_s"] == pytest.approx(sum(row[name] for name in PHASE_COLUMNS))
    assert sum(row[name.removesuffix("_s") + "_share"] for name in PHASE_COLUMNS) == pytest.approx(1.0)
    assert found.filter(pl.col("app") == "b")["su"].item() is None


def test_a_group_without_time_or_ends_has_no_shares() -> None:
    nothing = dict.fromkeys(PHASE_COLUMNS, 0.0)
    (row,) = groups(
        jobs({**nothing, "start": 1.0, "end": 1.0, "outcome": None, "open": True}), "queue"
    ).to_dicts()
    assert (row["failed_share"], row["total_s"], row["median_s"], row["running_share"]) == (
        None,
        0.0,
        None,
        0.0,
    )


def test_weeks_begin_on_monday_and_stand_in_their_order() -> None:
    starts = [MONDAY, MONDAY - 1, MONDAY + 7 * 86_400 - 1, MONDAY + 7 * 86_400]
    found = groups(
        jobs(*({"start": start, "end": start + 9e9 * (start == MONDAY)} for start in starts)), "week"
    )
    assert found["week"].to_list() == ["2026-02-23", "2026-03-02", "2026-03-09"]
    assert found["jobs"].to_list() == [1, 2, 1]


def test_outcomes() -> None:
    found = groups(jobs({}, {"outcome": "LOST"}, {"open": True, "outcome": ""}, {"outcome": None}), "outcome")
    assert dict(zip(found["outcome"], found["jobs"], strict=True)) == {"FINISHED": 1, "LOST": 1, UNDER_WAY: 2}


@pytest.mark.parametrize("by", WAYS)
def test_every_way_works_and_is_the_same_for_the_same(by: str) -> None:
    table = jobs(*({"app": f"app-{number % 3}"} for number in range(30)))
    assert groups(table, by).equals(groups(table, by))
    assert groups(table, by)["jobs"].sum() >= 30
    assert groups(EMPTY, by).is_empty()
    assert set(groups(EMPTY, by).columns) == set(groups(table, by).columns)


def test_totals_of_nothing() -> None:
    assert totals(EMPTY).is_empty()


def test_another_way_is_refused() -> None:
    with pytest.raises(UsageError, match="colour") as refused:
        groups(EMPTY, "colour")
    assert "week" in refused.value.hint
