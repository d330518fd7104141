"""What came before a job was queued, and between that and its first case."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.lost import FOREIGN, RECORDED, SKX, found, settings, the, usual
from tests.core.findings.using import study

from weft.core import waits
from weft.core.findings.transfers import BUNDLED, ZIPPED
from weft.core.normal import Normal

MANY = {"inputs_files": 100, "inputs_bytes": 1_000_000, "inputs_copying_s": 30.0}
HEAVY = {"inputs_bytes": 60_000_000, "inputs_copying_s": 60.0}
SLOW = {"inputs_bytes": 2_000_000, "inputs_copying_s": 30.0}

CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "inputs-staged-file-by-file": (
        MANY,
        [
            {**MANY, "inputs_files": 20},
            {**MANY, "inputs_copying_s": 9.9},
            {**MANY, "inputs_bytes": 100_000_000},
        ],
    ),
    "large-inputs": (HEAVY, [{**HEAVY, "inputs_copying_s": 59.9}, {**HEAVY, "inputs_bytes": 23_900_000}]),
    "inputs-from-a-slow-source": (
        SLOW,
        [{**SLOW, "inputs_copying_s": 29.9}, {**SLOW, "inputs_bytes": 12_000_000}, {**SLOW, "inputs_files": 0}],
    ),
    "inputs-waited": ({"inputs_waiting_s": 60.0}, [{"inputs_waiting_s": 59.9}]),
    "long-uploading": ({"uploading_s": 60.0}, [{"uploading_s": 59.9}]),
    "app-slow-to-stage": ({"staging_job_s": 90.0}, [{"staging_job_s": 89.9}]),
    "slow-unpack": ({"unpack_s": 30.0}, [{"unpack_s": 29.9}]),
    "slow-setup": ({"setup_s": 60.0}, [{"setup_s": 59.9}]),
}  # fmt: skip


@pytest.mark.parametrize("weft", [{}, FOREIGN], ids=["of weft", "foreign"])
@pytest.mark.parametrize("rule", CASES)
def test_it_is_found_from_its_threshold_on(rule: str, weft: dict[str, Any]) -> None:
    above, below = CASES[rule]
    finding = the(rule, {**above, **weft}, {})
    assert finding.jobs == ("job-0001",) if rule != "app-slow-to-stage" else finding.jobs
    for each in below:
        assert not found(rule, {**each, **weft})


KINDS = ("inputs-staged-file-by-file", "large-inputs", "inputs-from-a-slow-source")


@pytest.mark.parametrize("rule", KINDS)
def test_a_transfer_is_of_one_kind(rule: str) -> None:
    assert [kind for kind in KINDS if found(kind, CASES[rule][0])] == [rule]


def test_the_recorded_job() -> None:
    finding = the("inputs-staged-file-by-file", RECORDED)
    assert finding.title == "Inputs staged file by file"
    assert finding.where == "opensees-mp-s3 on stampede3, queue skx-dev"
    assert finding.evidence[0] == "112 files, 2.9 MB: 27 s of 46 s were copying, 4.1 files/s, 105 kB/s"
    assert finding.evidence[1] == "before it 15 s of waiting, after it 3.9 s until the service noticed"
    key = ("opensees-mp-s3", "stampede3", "skx-dev")
    bundled = waits.transfer(Normal(), key, "inputs", BUNDLED["inputs"], round(ZIPPED * 2_859_879)).likely
    assert finding.gain_s == pytest.approx(15.1 + 27.2 + 3.9 - bundled)
    assert 20 < finding.gain_s < 40
    assert "recorded" in finding.basis
    assert 'app = "opensees-mp-s3"' in settings(finding)


def test_jobs_alike_are_one_finding_that_names_those_that_lost_most() -> None:
    many = [{**MANY, "inputs_copying_s": 30.0 + number} for number in range(30)]
    others = [{**MANY, "app": "python-s3"}, {**MANY, **FOREIGN}]
    first, *rest = found("inputs-staged-file-by-file", *many, *others)
    assert len(first.jobs) == 20
    assert first.jobs[0] == "job-0030"
    assert "median of 30 jobs" in first.evidence[0]
    assert sorted((len(each.jobs), each.where.split()[0]) for each in rest) == [
        (1, "opensees-mp-s3"),
        (1, "python-s3"),
    ]


def test_ten_seconds_of_copying_are_worth_telling() -> None:
    busy = {**MANY, "inputs_waiting_s": 40.0}
    assert found("inputs-staged-file-by-file", {**busy, "inputs_copying_s": 10.0})
    assert not found("inputs-staged-file-by-file", {**busy, "inputs_copying_s": 9.9})


def test_where_bundling_saves_nothing_it_is_not_told() -> None:
    """By the user's own transfers, even one file takes as long."""
    normal = usual(60.0, "inputs_waiting_s", SKX)
    assert not found("inputs-staged-file-by-file", {**MANY, "inputs_waiting_s": 15.0}, normal=normal)


def test_what_is_usual_is_told() -> None:
    finding = the("inputs-from-a-slow-source", SLOW, normal=usual(2.0, "inputs_copying_s", SKX))
    assert "usually 2.0 s (40 jobs of yours like these)" in finding.evidence


def test_an_app_that_unpacks_by_itself_is_told_what_to_unpack() -> None:
    finding = the("inputs-staged-file-by-file", {**MANY, **FOREIGN, "app": "designsafe-agnostic-app"})
    assert "UNZIP_FILES_LIST" in settings(finding)


# The same inputs again

SOURCE = "tapis://designsafe.storage.default/ann/motions"
AGAIN = {**FOREIGN, "sources": [SOURCE], "inputs_copying_s": 30.0, "inputs_bytes": 20_000_000}


def test_the_same_inputs_again() -> None:
    finding = the("same-inputs-staged-again", AGAIN, AGAIN, AGAIN, {})
    assert finding.jobs == ("job-0001", "job-0002", "job-0003")
    assert finding.evidence[0].startswith(f"3 jobs were staged from {SOURCE}, for 2 min")
    assert "tapis://stampede3/" in settings(finding)
    assert finding.gain_s is not None
    assert 0 < finding.gain_s < 3 * 44


@pytest.mark.parametrize(
    "jobs",
    [
        (AGAIN, AGAIN),
        (AGAIN, AGAIN, {**AGAIN, "sources": ["tapis://elsewhere/x"]}),
        ({**AGAIN, "sources": []},) * 3,
        ({**AGAIN, "sources": None},) * 3,
        ({**AGAIN, "inputs_copying_s": 5.0},) * 3,
        ({**AGAIN, "inputs_copying_s": 0.0, "inputs_waiting_s": 0.0, "inputs_unnoticed_s": 0.0},) * 3,
    ],
    ids=["two", "elsewhere", "none", "unknown", "soon done", "nothing moved"],
)
def test_not_the_same_inputs_again(jobs: tuple[dict[str, Any], ...]) -> None:
    assert not found("same-inputs-staged-again", *jobs)


# STAGING_JOB


def test_an_app_that_is_always_slow_is_told_apart_from_a_busy_service() -> None:
    slow = {"staging_job_s": 120.0}
    assert the("app-slow-to-stage", slow, slow, {}).jobs == ("job-0001", "job-0002")
    assert not found("staging-job-slow-at-times", slow, slow, {})
    assert the("staging-job-slow-at-times", slow, {}, {}).jobs == ("job-0001",)
    assert not found("app-slow-to-stage", slow, {}, {})
    assert not found("staging-job-slow-at-times", {"staging_job_s": 89.9}, {}, {})


def test_the_gain_of_a_smaller_app_goes_by_other_apps() -> None:
    finding = the("app-slow-to-stage", {"staging_job_s": 120.0}, normal=usual(120.0, "staging_job_s", SKX))
    assert finding.gain_s == pytest.approx(90.0)


def test_jobs_that_never_came_so_far_tell_nothing_of_an_app() -> None:
    never = {"staging_job_s": 0.0, "running_s": 0.0, "outcome": "FAILED"}
    assert found("app-slow-to-stage", {"staging_job_s": 120.0}, never, never)


# The runner's own spans


def test_what_the_runner_does_before_its_cases_costs_su() -> None:
    finding = the("slow-setup", {"setup_s": 365.0, "nodes": 2, "rate": 2.0})
    assert finding.gain_s == pytest.approx(360.0)
    assert finding.gain_su == pytest.approx(0.4)
    assert the("slow-unpack", {"unpack_s": 360.0, "rate": None}).gain_su is None


def test_below_the_least_charge_it_costs_none() -> None:
    assert the("slow-setup", {"setup_s": 365.0, "running_s": 600.0}).gain_su is None


def test_fewer_jobs_are_as_many_as_can_be_filled() -> None:
    short = {"setup_s": 60.0, "cases_s": 180.0}
    assert "jobs = 2\nminutes = 45" in settings(the("slow-setup", *[short] * 20))
    long = study(resources={"minutes": 60.0})
    assert "jobs = 2\nminutes = 63" in settings(the("slow-setup", *[short] * 20, study=long))


def test_on_this_machine_no_setting_of_tapis_helps() -> None:
    here = {"backend": "local", "app": "", "system": "", "queue": "", "setup_s": 60.0, "cases_s": 180.0}
    assert "[tapis]" not in settings(the("slow-setup", *[here] * 20))
