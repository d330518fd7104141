"""Findings about memory and minutes that were asked for and not used."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.using import found, nothing_known, one, study

from weft.core.findings import requests as of
from weft.core.findings.base import Severity

WIDE = {"case_memory_mb": 12_000, "slots": 16, "peak_memory_bytes": 1_000_000_000}
"""16 cases of 12.0 GB fill the 192 GB of the node; they used 1.0 GB."""
LONG = {"minutes": 240.0, "running_s": 1200.0, "queued_s": 900.0}


@pytest.mark.parametrize("rule", of.RULES, ids=lambda rule: rule.id)
def test_nothing_is_found_in_an_ordinary_job_nor_in_one_of_which_nothing_is_known(rule: Any) -> None:
    some = study(resources={"minutes": 10.0, "memory_mb": 2000})
    for at_hand in (None, some):
        assert found(rule, {}, study=at_hand) == []
        assert found(rule, nothing_known(None), study=at_hand) == []
        assert found(rule, nothing_known(0), study=at_hand) == []


# Memory


def test_memory_that_nobody_uses_takes_slots_away() -> None:
    finding = one(of.OVER_MEMORY, WIDE)
    assert finding.severity is Severity.WASTE
    assert finding.evidence[0] == "the largest of 480 cases used 1.0 GB of the 12 GB that each may use"
    assert finding.evidence[1] == "a node ran 16 cases at a time; it would run 48"
    assert finding.remedies[0].setting == '[resources]\nmemory = "1.5 GB"'
    assert finding.gain_s == pytest.approx(2650 * 2 / 3)
    assert finding.gain_su == pytest.approx((2700 - 933.333) / 3600, abs=1e-4)
    assert finding.basis == "what this job did"


def test_the_gain_of_more_slots_ends_at_the_longest_case_and_at_the_least_charge() -> None:
    assert one(of.OVER_MEMORY, {**WIDE, "longest_case_s": 2000.0}).gain_s == pytest.approx(650)
    short = {"running_s": 950.0, "cases_s": 900.0, "longest_case_s": 10.0}
    assert one(of.OVER_MEMORY, {**WIDE, **short}).gain_su == pytest.approx(50 / 3600)


@pytest.mark.parametrize(
    "but",
    [
        {"peak_memory_bytes": 6_000_000_000},  # half of it was used
        {
            "case_memory_mb": 4000,
            "slots": 48,
            "peak_memory_bytes": 100_000_000,
        },  # memory does not bound the slots
        {"slots": 16, "cases": 16, "recorded": 16},  # there were no more to run
        {"oom_cases": 1},
        {"recorded": 7},
        {"kind": "before"},
        {"peak_memory_bytes": None},
        {"peak_memory_bytes": 0},
        {"case_memory_mb": None},
        {"memory_mb": None},
        {"cores": None},
    ],
)
def test_memory_that_is_used_or_bounds_nothing_is_fine(but: dict[str, Any]) -> None:
    assert found(of.OVER_MEMORY, {**WIDE, **but}) == []


def test_memory_just_above_twice_the_peak_is_too_much() -> None:
    assert found(of.OVER_MEMORY, {**WIDE, "recorded": 8})
    assert found(of.OVER_MEMORY, {**WIDE, "peak_memory_bytes": 5_999_999_999})


def test_the_largest_peak_of_all_jobs_of_the_study_counts() -> None:
    other = {**WIDE, "peak_memory_bytes": 9_000_000_000}
    assert found(of.OVER_MEMORY, WIDE, other) == []
    assert one(of.OVER_MEMORY, WIDE, {**other, "study": "slabs"}).where.endswith("study portal")
    assert found(of.OVER_MEMORY, WIDE, {**WIDE, "oom_cases": 1, "recorded": 3}) == []


def test_slots_that_the_study_itself_says_are_meant() -> None:
    assert found(of.OVER_MEMORY, WIDE, study=study(slots=16)) == []
    assert found(of.OVER_MEMORY, WIDE, study=study())


# Minutes of a job


def test_minutes_of_a_job_that_nobody_needs() -> None:
    finding = one(of.OVER_MINUTES, LONG, {**LONG, "running_s": 600.0, "queued_s": 1200.0})
    assert finding.jobs == ("job-0002", "job-0001")
    assert finding.evidence[0] == "2 jobs asked for 240 min; the longest ran 20 min 00 s"
    assert finding.remedies[0].setting == "[tapis]\nminutes = 30"
    assert finding.gain_s is None


@pytest.mark.parametrize(
    "but",
    [
        {"running_s": 4801.0},  # more than a third
        {"minutes": 35.0, "running_s": 301.0},  # less than half an hour to spare
        {"queued_s": 299.0},
        {"queue": ""},
        {"outcome": "TIMED_OUT"},
        {"minutes": None},
        {"running_s": 0.0},
    ],
)
def test_minutes_that_are_needed_or_cost_nothing_are_fine(but: dict[str, Any]) -> None:
    assert found(of.OVER_MINUTES, {**LONG, **but}) == []


def test_just_three_times_the_minutes_are_too_many() -> None:
    assert found(of.OVER_MINUTES, {**LONG, "running_s": 4800.0})
    assert found(of.OVER_MINUTES, {**LONG, "minutes": 35.0, "running_s": 300.0})
    assert found(of.OVER_MINUTES, {**LONG, "queued_s": 300.0})


def test_the_longest_run_of_all_such_jobs_counts() -> None:
    assert found(of.OVER_MINUTES, LONG, {**LONG, "running_s": 9000.0}) == []


def test_a_job_is_never_made_shorter_than_one_case_may_be() -> None:
    wide = one(of.OVER_MINUTES, LONG, study=study(resources={"minutes": 120.0}))
    assert wide.remedies[0].setting == "[resources]\nminutes = 8\n\n[tapis]\nminutes = 30"
    assert one(of.OVER_MINUTES, LONG, study=study(resources={"minutes": 8.0})).remedies[0].setting == (
        "[tapis]\nminutes = 30"
    )


def test_a_job_that_weft_did_not_launch_is_told_how_its_own_request_says_it() -> None:
    foreign = {**LONG, "study": ""}
    assert one(of.OVER_MINUTES, foreign).remedies[0].setting == '"maxMinutes": 30'
    slurm = one(of.OVER_MINUTES, {**foreign, "backend": "slurm", "app": ""})
    assert slurm.remedies[0].setting == "#SBATCH --time=00:30:00"
    assert slurm.where == "stampede3, queue skx"


# Minutes of a case


def test_minutes_of_a_case_that_none_needs() -> None:
    finding = one(of.OVER_CASE_MINUTES, {}, study=study(resources={"minutes": 25.0}))
    assert finding.severity is Severity.NOTE
    assert finding.evidence == ("the longest of 480 cases took 5 min 00 s; each may take 25 min",)
    assert finding.remedies[0].setting == "[resources]\nminutes = 8"
    short = study(resources={"minutes": 12.0})
    assert found(of.OVER_CASE_MINUTES, {"longest_case_s": 120.0, "recorded": 8}, study=short)


@pytest.mark.parametrize(
    ("minutes", "but"),
    [
        (24.9, {}),
        (12.0, {"longest_case_s": 121.0}),  # less than ten minutes to spare
        (25.0, {"timed_out_cases": 1}),
        (25.0, {"recorded": 7}),
        (25.0, {"study": "another"}),
        (25.0, {"longest_case_s": None}),
        (25.0, {"minutes": None}),  # nothing ends but the case
    ],
)
def test_minutes_of_a_case_near_to_what_it_takes_are_fine(minutes: float, but: dict[str, Any]) -> None:
    assert found(of.OVER_CASE_MINUTES, but, study=study(resources={"minutes": minutes})) == []
