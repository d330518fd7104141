"""What jobs cost besides their cases."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.lost import FOREIGN, RECORDED, found, settings, the

SHORT = {"running_s": 60.0, "cases_s": 50.0, "su": 0.25}


@pytest.mark.parametrize("weft", [{}, FOREIGN], ids=["of weft", "foreign"])
def test_75_jobs_of_a_minute(weft: dict[str, Any]) -> None:
    finding = the("least-charge-wasted", *[{**SHORT, **weft}] * 75)
    assert finding.gain_su == pytest.approx(18.75 - 1.25)
    assert finding.gain_s is None
    assert finding.evidence == (
        "75 jobs of 1 min 00 s were charged 15 min each: 18.8 SU",
        "the time that they ran is worth 1.25 SU",
    )


def test_one_job_is_charged_the_least_all_the_same() -> None:
    assert the("least-charge-wasted", *[SHORT] * 3).gain_su == pytest.approx(0.5)


@pytest.mark.parametrize(
    "jobs",
    [
        [SHORT] * 2,
        [{**SHORT, "running_s": 680.0}] * 3,
        [{**SHORT, "running_s": 900.0}] * 9,
        [{**SHORT, "rate": None}] * 9,
        [{**SHORT, "least_minutes": None}] * 9,
        [{**SHORT, "open": True, "outcome": ""}] * 9,
        [{**SHORT, "running_s": 0.0}] * 9,
    ],
    ids=["two", "nearly full", "full", "free", "no least", "open", "never ran"],
)
def test_no_charge_is_wasted(jobs: list[dict[str, Any]]) -> None:
    assert not found("least-charge-wasted", *jobs)


HALF = {"running_s": 71.0, "cases_s": 70.9}
"""70.8 s before and after RUNNING and 0.1 s within it are 70.9 s without a case."""


def test_half_of_the_time_without_a_case() -> None:
    finding = the("mostly-overhead", *[HALF] * 30)
    assert finding.jobs[0] == "job-0001"
    assert finding.evidence[0].startswith("no case could run for 50 % of the time, 1 min 11 s of a job")
    assert "jobs = 1" in settings(finding)
    assert finding.gain_s == pytest.approx(70.9 * 29, rel=0.01)


@pytest.mark.parametrize(
    "job",
    [
        {**HALF, "cases_s": 71.0},
        {**HALF, "staging_job_s": 18.0, "archiving_s": 0.0, "cases_s": 51.0},
        {"staging_job_s": 3000.0, "running_s": 900.0, "cases_s": 900.0},
        {**HALF, "queued_s": 9000.0, "cases_s": 71.0},
        {"running_s": 0.0, "cases_s": 0.0, "outcome": "FAILED"},
    ],
    ids=["just above half", "hardly a minute", "enough to do", "queued", "never ran"],
)
def test_not_mostly_overhead(job: dict[str, Any]) -> None:
    assert not found("mostly-overhead", job)


def test_the_recorded_job() -> None:
    finding = the("mostly-overhead", RECORDED)
    assert "92 %" in finding.evidence[0]
    assert finding.gain_s is None  # it is one job
