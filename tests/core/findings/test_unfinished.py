"""Findings of cases that were lost, cut off, failed or missing."""

from __future__ import annotations

from typing import Any

from tests.core.findings.dying import DEAD, told
from tests.core.findings.lost import found, settings, the


def test_a_job_that_vanished() -> None:
    lost = {**DEAD, "outcome": "LOST", "word": "", "in_flight": 48}
    finding = the("job-lost", lost, lost)
    assert finding.evidence == ("2 jobs vanished, with 96 cases under way",)
    assert finding.remedies[0].command == "weft run"
    assert not found("job-lost", {**lost, "outcome": "CANCELLED"})
    assert found("job-lost", {**lost, "in_flight": None})


CUT: dict[str, Any] = {"outcome": "INTERRUPTED", "word": "gone", "recorded": 400, "in_flight": 48}


def test_cases_that_were_cut_off_run_again() -> None:
    finding = the("cases-cut-off", CUT)
    assert finding.evidence == ("1 job ended with 48 cases under way; a case takes up to 5 min 00 s",)
    assert "[continue]" in settings(finding)
    assert not found("cases-cut-off", {**CUT, "in_flight": 0})
    assert not found("cases-cut-off", {**CUT, "in_flight": None})
    assert not found("cases-cut-off", {**CUT, "outcome": "FINISHED"})
    assert the("cases-cut-off", {**CUT, "longest_case_s": None}).evidence[0].endswith("under way")
    assert (
        the("cases-cut-off", {**CUT, "in_flight": 1}).evidence[0].startswith("1 job ended with 1 case under")
    )


def test_another_queue_is_worth_a_thought_from_three_times_on() -> None:
    assert 'queue = "QUEUE"' in settings(the("cases-cut-off", CUT, CUT, CUT))
    assert "queue" not in settings(the("cases-cut-off", CUT, CUT, {**CUT, "outcome": "CANCELLED"}))


def test_failed_cases_of_jobs_that_finished() -> None:
    job = {"failed_cases": 40, "tail": "exit 3\nsomething of its own"}
    finding = the("finished-with-failed-cases", job, {**job, "failed_cases": 2, "tail": ""}, {})
    assert finding.evidence == (
        "42 of 960 cases failed in 2 jobs that FINISHED; what 42 of them printed is no message known here",
        '"exit 3"',
    )
    assert list(told(job)) == ["finished-with-failed-cases"]


def test_failures_that_are_known_need_no_finding_besides() -> None:
    job = {"failed_cases": 40, "tail": "", "signs": ["no-convergence"] * 20}
    assert not found("finished-with-failed-cases", job)
    assert found("finished-with-failed-cases", {**job, "signs": ["no-convergence"] * 19})
    assert not found(
        "finished-with-failed-cases", {**job, "signs": [], "timed_out_cases": 30, "oom_cases": 10}
    )
    assert not found("finished-with-failed-cases", {**job, "signs": [], "outcome": "FAILED"})
    assert not found("finished-with-failed-cases", {"failed_cases": None, "signs": None})


def test_a_job_that_finished_and_did_nothing() -> None:
    finding = the("finished-without-records", {"recorded": 0, "why": "no case left a record"})
    assert finding.evidence == (
        "480 of 480 cases left no record, although the job FINISHED",
        "in 1 job no case did",
        '"no case left a record"',
    )
    assert [remedy.command for remedy in finding.remedies] == [
        "weft explain job-0001",
        "weft app show opensees-mp-s3",
        "weft retry",
    ]


def test_a_job_that_finished_and_did_not_do_all() -> None:
    finding = the("finished-without-records", {"recorded": 479})
    assert finding.evidence[0] == "1 of 480 cases left no record, although the job FINISHED"
    assert [remedy.setting for remedy in finding.remedies] == [
        "[tapis]\nminutes = 120",
        "[tapis]\njobs = 8",
        "",
    ]
    assert finding.remedies[-1].command == "weft run"
    assert not found("finished-without-records", {"recorded": 480})
    assert not found("finished-without-records", {"recorded": 0, "cases": 0})
    assert not found("finished-without-records", {"recorded": 0, "cases": None})
