"""Findings of time and memory that did not suffice, and by how much."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.core.findings.dying import DEAD, told
from tests.core.findings.lost import FOREIGN, SKX, found, settings, the, usual
from tests.core.test_signs import APP_FAILURE

from weft.core.findings.base import QueueFacts
from weft.model import Model, Resources, Study

OUT: dict[str, Any] = {
    "outcome": "TIMED_OUT", "word": "FAILED SCHEDULER_TIMEOUT", "running_s": 3600.0, "recorded": 400,
}  # fmt: skip
"""A job of an hour that has done 400 of its 480 cases, 48 at a time, of up to 5 minutes."""

STUDY = Study(name="portal", folder="/x", file="", model=Model(command="x"), resources=Resources(minutes=5))


def queue(**facts: Any) -> dict[str, Any]:
    return {"queues": {SKX[1:]: QueueFacts(system="stampede3", queue="skx", **facts)}}


# Time


def test_a_job_that_ran_out_of_time_is_told_how_much_it_needed() -> None:
    finding = the("job-timed-out", OUT)
    assert finding.evidence == (
        "1 job ran for up to 1 h 00 min, 60 min asked for; 80 of 480 cases were left",
        "what was left would have taken up to 10 min 00 s more, by its longest case",
    )
    assert settings(finding).startswith(
        "[tapis]\nminutes = 95"
    )  # 70 min, a margin of 1.3, and 3 for both ends
    assert finding.gain_s == pytest.approx(3731 * 80 / 480, rel=0.01)


def test_of_a_job_without_records_history_tells() -> None:
    foreign = {**OUT, **FOREIGN, "cases": 0, "recorded": 0}
    finding = the("job-timed-out", foreign, normal=usual(3000.0, "running_s", SKX))
    assert finding.evidence[1] == "nine of ten of your 40 jobs like these ran for at most 1 h 15 min"
    assert settings(finding) == '"maxMinutes": 100'
    guess = the("job-timed-out", foreign, normal=usual(1000.0, "running_s", SKX))
    assert guess.evidence[1].startswith("by how much it was too short, nobody can tell")
    assert settings(guess) == '"maxMinutes": 120'


def test_no_more_is_asked_for_than_the_queue_gives() -> None:
    assert "minutes = 80" in settings(the("job-timed-out", OUT, **queue(minutes=80.0)))
    full = settings(the("job-timed-out", OUT, **queue(minutes=60.0)))
    assert "minutes" not in full
    assert "jobs = 8" in full
    assert "[continue]" in full
    assert "minutes = 95" in settings(the("job-timed-out", OUT, **queue(minutes=95.0)))


def test_a_time_out_whose_limit_nobody_knows() -> None:
    unknown = {**OUT, "minutes": None, "slots": None, "recorded": None, "cases": None, "longest_case_s": None}
    assert "it is not known what was asked for" in the("job-timed-out", unknown).evidence[0]


def test_a_deadline_is_no_time_out() -> None:
    assert list(told({**OUT, "word": "FAILED SCHEDULER_DEADLINE"})) == ["job-failed"]
    why = APP_FAILURE.format("0:0").replace('"FAILED"', '"DEADLINE"')
    assert not found("job-timed-out", {**OUT, "word": "FAILED JOB_REMOTE_OUTCOME_ERROR", "why": why})
    assert not found("job-timed-out", {**OUT, "outcome": "FINISHED"})


def timed_out(number: int) -> dict[str, Any]:
    return {"timed_out_cases": number, "failed_cases": number}


def test_cases_that_ran_out_of_time_get_more() -> None:
    finding = the("cases-timed-out", timed_out(12), study=STUDY)
    assert finding.evidence == ("12 of 480 cases met their limit of 5 min; the longest run took 5 min 00 s",)
    assert finding.remedies[0].setting == "[resources]\nminutes = 10"
    assert "[retry]" in finding.remedies[1].setting
    assert finding.gain_s == pytest.approx(12 * 300 / 48)
    assert "minutes = 10" in settings(the("cases-timed-out", timed_out(1)))
    assert not found("cases-timed-out", timed_out(0))
    assert not found("cases-timed-out", {"timed_out_cases": None})


def test_cases_that_need_more_than_a_job_are_to_be_continued() -> None:
    finding = the("cases-timed-out", timed_out(12), study=STUDY, **queue(minutes=12.0))
    assert finding.remedies[0].setting == '[continue]\nfiles = ["state.json"]'
    assert "[resources]" not in settings(finding)
    assert "[resources]" in settings(
        the("cases-timed-out", timed_out(12), study=STUDY, **queue(minutes=13.0))
    )


def test_a_job_gets_the_time_that_one_of_its_cases_may_take() -> None:
    """A study whose cases may take longer than its jobs fails its own check."""
    narrow = structs.replace(STUDY, backend="tapis", settings={"tapis": {"minutes": 12.0}})
    finding = the("cases-timed-out", timed_out(12), study=narrow)
    assert finding.remedies[0].setting == "[resources]\nminutes = 10\n\n[tapis]\nminutes = 13"
    wide = structs.replace(narrow, settings={"tapis": {"minutes": 13.0}})
    assert (
        the("cases-timed-out", timed_out(12), study=wide).remedies[0].setting == "[resources]\nminutes = 10"
    )


def test_minutes_of_another_study_are_not_told() -> None:
    other = structs.replace(STUDY, name="slabs")
    assert "their limit of time" in the("cases-timed-out", timed_out(12), study=other).evidence[0]


# Memory


def test_cases_that_ran_out_of_memory_get_more() -> None:
    job = {"oom_cases": 3, "failed_cases": 3, "case_memory_mb": 2000, "peak_memory_bytes": 2_100_000_000}
    finding = the("cases-out-of-memory", job)
    assert finding.evidence == (
        "3 of 480 cases met their limit of 2.0 GB; the largest used 2.1 GB",
        "with 4.0 GB each, 43 at a time fit into a node of 192 GB, where 48 ran",
    )
    assert finding.remedies[0].setting == '[resources]\nmemory = "4 GB"'
    assert not found("cases-out-of-memory", {**job, "oom_cases": 0})
    bare = {**job, "case_memory_mb": None, "memory_mb": None, "peak_memory_bytes": None, "slots": None}
    assert the("cases-out-of-memory", bare).evidence == ("3 of 480 cases met their limit",)


def test_a_case_larger_than_a_node_needs_larger_nodes() -> None:
    job = {"oom_cases": 3, "case_memory_mb": 90_000, "peak_memory_bytes": 95_000_000_000}
    large = {("stampede3", "nvdimm"): QueueFacts(system="stampede3", queue="nvdimm", memory_mb=4_000_000)}
    assert 'queue = "nvdimm"' in settings(the("cases-out-of-memory", job, queues=large))
    assert "[resources]" not in settings(the("cases-out-of-memory", job))
    assert the("cases-out-of-memory", job).remedies[0].say.startswith("Take a queue")
    here = the("cases-out-of-memory", {**job, "backend": "local", "queue": ""})
    assert here.remedies[0].say == "Have a case use less memory, or run it on a machine that has more."
    job["case_memory_mb"] = 86_000
    job["peak_memory_bytes"] = 87_000_000_000
    assert '[resources]\nmemory = "172 GB"' in settings(the("cases-out-of-memory", job, queues=large))


KILLED = {**DEAD, "outcome": "OUT_OF_MEMORY", "word": "FAILED SCHEDULER_OUT_OF_MEMORY", "running_s": 600.0}


def test_a_job_that_ran_out_of_memory_runs_fewer_cases_at_a_time() -> None:
    finding = the("job-out-of-memory", {**KILLED, "peak_memory_bytes": 5_000_000_000})
    assert finding.evidence[1] == "48 cases at a time of up to 5.0 GB are 240 GB, and a node has 192 GB"
    assert '[resources]\nmemory = "6.5 GB"' in settings(finding)
    assert "slots = 27" in settings(finding)


def test_without_a_peak_half_of_the_cases_is_a_first_try() -> None:
    finding = the("job-out-of-memory", {**KILLED, "peak_memory_bytes": None})
    assert finding.evidence == ("1 job ended for want of memory, after 11 min 51 s on average",)
    assert "slots = 24" in settings(finding)
    foreign = the("job-out-of-memory", {**KILLED, **FOREIGN, "peak_memory_bytes": None})
    assert '"coresPerNode": 24' in settings(foreign)
    assert "[tapis]" not in settings(foreign)
    assert not found("job-out-of-memory", {**KILLED, "outcome": "FAILED"})


def test_one_case_that_needs_the_node_needs_a_larger_one() -> None:
    large = {
        ("stampede3", name): QueueFacts(system="stampede3", queue=name, memory_mb=memory)
        for name, memory in (("skx", 192_000), ("icx", 256_000), ("nvdimm", 4_000_000))
    }
    finding = the(
        "job-out-of-memory", {**KILLED, "slots": 1, "peak_memory_bytes": 190_000_000_000}, queues=large
    )
    assert "slots" not in settings(finding)
    assert 'queue = "icx"' in settings(finding)
