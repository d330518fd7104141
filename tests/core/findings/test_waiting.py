"""Waiting for the service and its quotas, and in queues."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from msgspec import structs
from tests.core.findings.lost import FOREIGN, RULES, SKX, found, settings, the, usual
from tests.core.findings.using import study
from tests.core.scenes import jobs

from weft.core.findings.base import QueueFacts, Scene
from weft.model import Continue
from weft.tapis.sites import queue_facts

T = 1_780_000_000.0
LATE = {"running_uncertain_s": 70.0, "start": T, "end": T + 466.0}

CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "long-pending": ({"pending_s": 60.0}, [{"pending_s": 59.9}, {"pending_s": 9e9, "backend": "slurm"}]),
    "long-processing-inputs": ({"processing_inputs_s": 30.0}, [{"processing_inputs_s": 29.9}]),
    "blocked-by-quota": (
        {"blocked_s": 60.0, "visits_blocked": 1},
        [{"blocked_s": 59.9, "visits_blocked": 1}],
    ),
    "paused": ({"paused_s": 60.0}, [{"paused_s": 59.9}]),
    "noticed-late": (
        {**LATE, "running_uncertain_s": 64.0},
        [{**LATE, "running_uncertain_s": 53.9}, {**LATE, "running_uncertain_s": 63.0, "end": T + 470.0}],
    ),
    "long-queued": (
        {"queued_s": 600.0, "running_s": 600.0},
        [{"queued_s": 599.0, "running_s": 500.0}, {"queued_s": 600.0, "running_s": 600.1}],
    ),
}


@pytest.mark.parametrize("weft", [{}, FOREIGN], ids=["of weft", "foreign"])
@pytest.mark.parametrize("rule", CASES)
def test_it_is_found_from_its_threshold_on(rule: str, weft: dict[str, Any]) -> None:
    above, below = CASES[rule]
    assert the(rule, {**above, **weft}, {}).jobs == ("job-0001",)
    for each in below:
        assert not found(rule, {**each, **weft})


def test_two_hours_blocked() -> None:
    """Four jobs, of which two go at a time."""
    first = {"start": T, "end": T + 3600}
    second = {"start": T, "end": T + 7200, "blocked_s": 3600.0, "visits_blocked": 2}
    facts = {("stampede3", "skx"): QueueFacts(system="stampede3", queue="skx", submit=3)}
    never = {**second, "blocked_s": 0.0, "running_s": 0.0, "outcome": "CANCELLED"}
    finding = the("blocked-by-quota", first, first, second, second, never, queues=facts)
    assert finding.jobs == ("job-0003", "job-0004")
    assert finding.evidence == (
        "2 jobs BLOCKED 4 times, 2 h 00 min in all, at most 1 h 00 min",
        "2 jobs of these at a time got past it",
        "queue skx takes 3 jobs of a user at once",
    )
    assert "[tapis]\njobs = 2" in settings(finding)
    assert finding.gain_s == 120.0


def test_what_passed_unnoticed_adds_up() -> None:
    parts = {"inputs_unnoticed_s": 20.0, "archive_unnoticed_s": 20.0, "queued_uncertain_s": 20.0}
    finding = the("noticed-late", {**LATE, **parts, "running_uncertain_s": 10.0})
    assert finding.evidence[:2] == (
        "up to 1 min 10 s of 7 min 46 s (15 %) passed unnoticed",
        "40 s of it after transfers that were over",
    )


def test_a_job_of_unknown_length_is_not_told_late() -> None:
    table = jobs(LATE).with_columns(start=pl.lit(None, pl.Float64), end=pl.lit(None, pl.Float64))
    assert not list(RULES["noticed-late"].find(Scene(jobs=table)))


# Queued

QUEUES = queue_facts()
LONG = {"queued_s": 7200.0, "running_s": 1200.0, "minutes": 1440.0}


def test_short_jobs_are_sent_to_the_queue_for_short_jobs() -> None:
    finding = the("long-queued", LONG, LONG, LONG, queues=QUEUES)
    assert finding.remedies[0].setting == '[tapis]\nqueue = "skx-dev"\nminutes = 30\njobs = 2'
    assert finding.remedies[1].setting == "[tapis]\nminutes = 30"
    assert finding.evidence[0] == "2 h 00 min in QUEUED, 20 min 00 s in RUNNING (median of 3 jobs)"
    assert "asked for 1 node of 48 cores for 24 h; ran at most 20 min 00 s" in finding.evidence[1]
    assert finding.gain_s is None  # how long others wait there, nobody knows


def test_other_jobs_get_the_same_for_their_request() -> None:
    finding = the("long-queued", {**LONG, **FOREIGN}, queues=QUEUES)
    assert finding.remedies[0].setting == '"execSystemLogicalQueue": "skx-dev",\n"maxMinutes": 30'


def test_a_script_gets_the_same_in_its_lines() -> None:
    finding = the("long-queued", {**LONG, **FOREIGN, "backend": "slurm", "app": ""}, queues=QUEUES)
    assert finding.remedies[0].setting == "#SBATCH --partition=skx-dev\n#SBATCH --time=00:30:00"


def test_a_queue_is_no_choice_into_which_the_job_does_not_fit() -> None:
    long = {**LONG, "running_s": 7200.0}
    finding = the("long-queued", long, queues=QUEUES)
    assert "skx-dev" not in settings(finding)
    assert "minutes = 160" in settings(finding)
    assert "skx-dev" not in settings(the("long-queued", {**LONG, "nodes": 17, "busy_s": None}, queues=QUEUES))


def test_a_job_is_never_made_shorter_than_one_case_may_be() -> None:
    at_hand = study(resources={"minutes": 60.0})
    finding = the("long-queued", LONG, queues=QUEUES, study=at_hand)
    assert finding.remedies[0].setting == '[tapis]\nqueue = "skx-dev"\nminutes = 63'
    on_and_on = structs.replace(at_hand, continues=Continue(files=("state.json",)))
    assert "minutes = 30" in settings(the("long-queued", LONG, queues=QUEUES, study=on_and_on))


def test_a_job_that_was_cut_off_needs_the_minutes_that_it_asked_for() -> None:
    cut = {**LONG, "outcome": "TIMED_OUT", "minutes": 20.0}
    assert "minutes" not in settings(the("long-queued", {**LONG, "minutes": 20.0}, cut))


def test_a_queue_that_made_the_user_wait_as_long_is_no_choice() -> None:
    there = ("opensees-mp-s3", "stampede3", "skx-dev")
    slow = usual(7000.0, "queued_s", there)
    assert "skx-dev" not in settings(the("long-queued", LONG, queues=QUEUES, normal=slow))


def test_the_users_own_jobs_tell_what_another_queue_gains() -> None:
    elsewhere = ("opensees-mp-s3", "ls6", "normal")
    fast = usual(200.0, "queued_s", elsewhere, SKX)
    finding = the("long-queued", LONG, queues=QUEUES, normal=fast)
    assert 'system = "ls6"\nqueue = "normal"' in finding.remedies[0].setting
    assert finding.gain_s == pytest.approx(7000.0)
    assert finding.basis == "your 40 jobs in normal"
    assert "usual for 40 jobs of yours in skx: 3 min 20 s, nine of ten within 5 min 00 s" in finding.evidence


def test_nodes_that_were_idle_are_given_back() -> None:
    wide = {**LONG, "nodes": 2, "busy_s": 2650.0 * 40, "su": 1.0, "minutes": 30.0}
    finding = the("long-queued", wide)
    assert finding.remedies[0].setting == "[tapis]\nnodes = 1"
    assert finding.gain_su == pytest.approx(0.5)
    assert "kept 40 cores busy" in finding.evidence[1]


def test_where_nothing_can_be_cut_the_job_waits_alone() -> None:
    finding = the("long-queued", {**LONG, "minutes": 25.0}, place=" my.toml")
    assert finding.remedies[0].command == "weft run my.toml --detach"


def test_an_open_job_in_the_queue_is_seen() -> None:
    waiting = {
        "queued_s": 7200.0,
        "open": True,
        "outcome": "",
        "running_s": 0.0,
        "cases_s": 0.0,
        "busy_s": 0.0,
    }
    assert the("long-queued", waiting, queues=QUEUES).jobs
