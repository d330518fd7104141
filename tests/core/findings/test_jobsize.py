"""Findings about jobs with too few cases, or too many."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.using import found, nothing_known, one, study

from weft.core.findings import jobsize as of
from weft.core.findings.base import QueueFacts

AT = 1_780_000_000.0
FEW = {"cases": 12, "recorded": 12, "start": AT, "end": AT + 3000.0, "idle_s": 2650.0 * 36}
"""12 cases on 48 slots; several such jobs run at the same time."""
NEAR = {"running_s": 3300.0}
"""55 of 60 minutes."""
LARGE = {"cases": 5000, "recorded": 5000, "running_s": 6 * 3600.0, "minutes": 1000.0}


@pytest.mark.parametrize("rule", of.RULES, ids=lambda rule: rule.id)
def test_nothing_is_found_in_an_ordinary_job_nor_in_one_of_which_nothing_is_known(rule: Any) -> None:
    assert found(rule, {}, study=study()) == []
    assert found(rule, nothing_known(None)) == []
    assert found(rule, nothing_known(0)) == []


def test_jobs_that_their_cases_do_not_fill() -> None:
    finding = one(of.FEW_CASES, FEW, FEW, FEW, FEW)
    assert finding.evidence == ("4 jobs had 48 cases for 192 slots: 25 % of them were filled",)
    assert [remedy.setting for remedy in finding.remedies] == ["[tapis]\njobs = 1", "[resources]\ncores = 4"]
    assert finding.gain_su == pytest.approx(0.75 * 3)


def test_one_job_that_its_cases_do_not_fill() -> None:
    finding = one(of.FEW_CASES, {**FEW, "backend": "local"})
    assert [remedy.setting for remedy in finding.remedies] == ["[resources]\ncores = 4"]
    assert finding.gain_su is None


def test_jobs_one_after_the_other_cannot_be_one() -> None:
    later = {**FEW, "start": AT + 3000.0, "end": AT + 6000.0}
    assert len(one(of.FEW_CASES, FEW, later).remedies) == 1


@pytest.mark.parametrize(
    "but",
    [
        {"cases": 37},
        {"cases_s": 59.0},
        {"slots": 1, "cases": 1},
        {"kind": "pilot"},
        {"open": True},
        {"slots": None},
        {"cases": None},
    ],
)
def test_cases_that_fill_their_slots_are_fine(but: dict[str, Any]) -> None:
    assert found(of.FEW_CASES, {**FEW, **but}) == []


def test_three_quarters_of_the_slots_are_few() -> None:
    assert found(of.FEW_CASES, *[{**FEW, "cases": 36}] * 4)
    assert found(of.FEW_CASES, *[{**FEW, "cases": 37}] * 4) == []
    assert found(of.FEW_CASES, {**FEW, "cases_s": 60.0})


def test_slots_that_nothing_can_fill_are_not_told_of() -> None:
    assert found(of.FEW_CASES, {**FEW, "cases": 36}) == []


def test_a_few_cases_that_ran_again_are_fine() -> None:
    assert found(of.FEW_CASES, {}, {}, FEW) == []
    assert found(of.FEW_CASES, {}, FEW)
    assert found(of.FEW_CASES, {}, {}, {}, FEW, FEW) == []


def test_a_job_near_its_limit() -> None:
    finding = one(of.NEAR_ITS_LIMIT, NEAR)
    assert finding.evidence == ("1 job used up to 92 % of the time asked for: 55 min 00 s of 60 min",)
    assert [remedy.setting for remedy in finding.remedies] == ["[tapis]\nminutes = 85", "[tapis]\njobs = 8"]
    short = {("stampede3", "skx"): QueueFacts(system="stampede3", queue="skx", minutes=60.0, submit=6)}
    long = {("stampede3", "skx"): QueueFacts(system="stampede3", queue="skx", minutes=85.0)}
    assert len(one(of.NEAR_ITS_LIMIT, NEAR, queues=long).remedies) == 2
    finding = one(of.NEAR_ITS_LIMIT, NEAR, queues=short, study=study(jobs=5))
    assert [remedy.setting for remedy in finding.remedies] == ["[tapis]\njobs = 6"]
    at_once = {**NEAR, "cases": 48}  # more jobs would change nothing
    assert [each.setting for each in one(of.NEAR_ITS_LIMIT, at_once).remedies] == ["[tapis]\nminutes = 85"]
    assert not found(of.NEAR_ITS_LIMIT, at_once, queues=short)


@pytest.mark.parametrize(
    "but",
    [
        {"running_s": 3240.0},
        {"minutes": None},
        {"minutes": 0.0},
        {"outcome": "TIMED_OUT"},
    ],
)
def test_a_job_with_time_to_spare_is_fine(but: dict[str, Any]) -> None:
    assert found(of.NEAR_ITS_LIMIT, {**NEAR, **but}) == []


def test_jobs_that_weft_did_not_launch_may_be_near_their_minutes_too() -> None:
    foreign = {**NEAR, "study": "", "cases": 0}
    assert one(of.NEAR_ITS_LIMIT, foreign).remedies[0].setting == '"maxMinutes": 85'
    slurm = one(of.NEAR_ITS_LIMIT, {**foreign, "backend": "slurm"})
    assert slurm.remedies[0].setting == "#SBATCH --time=01:25:00"


def test_very_many_cases_in_one_job() -> None:
    finding = one(of.TOO_MANY_CASES, LARGE, study=study(jobs=2))
    assert finding.evidence == ("1 job had up to 5,000 cases and ran up to 6 h 00 min",)
    assert finding.remedies[0].setting == "[tapis]\njobs = 4"


@pytest.mark.parametrize(
    "but", [{"cases": 4999}, {"running_s": 6 * 3600.0 - 1}, {"backend": "local"}, {"cases": None}]
)
def test_fewer_or_quicker_cases_in_one_job_are_fine(but: dict[str, Any]) -> None:
    assert found(of.TOO_MANY_CASES, {**LARGE, **but}) == []
