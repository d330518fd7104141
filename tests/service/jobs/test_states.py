"""The table of transitions, pair by pair: 13 states, 169 pairs."""

from __future__ import annotations

import itertools

import pytest

from weft.service.jobs.states import ACTIVE, COUNTED, TERMINAL, WAITING, Condition, Status, may_follow

COLUMNS = [
    "PENDING",
    "PROCESSING_INPUTS",
    "STAGING_INPUTS",
    "STAGING_JOB",
    "SUBMITTING_JOB",
    "QUEUED",
    "RUNNING",
    "ARCHIVING",
    "BLOCKED",
    "PAUSED",
    "FINISHED",
    "CANCELLED",
    "FAILED",
]
TABLE = {
    # from               PE PI SI SJ SU QU RU AR BL PA FI CA FA
    "PENDING":           "x  x  .  .  .  .  .  .  x  x  .  x  x",
    "PROCESSING_INPUTS": ".  x  x  .  .  .  .  .  x  x  .  x  x",
    "STAGING_INPUTS":    ".  .  x  x  .  .  .  .  x  x  .  x  x",
    "STAGING_JOB":       ".  .  .  x  x  .  .  .  x  x  .  x  x",
    "SUBMITTING_JOB":    ".  .  .  .  x  x  x  .  x  x  .  x  x",
    "QUEUED":            ".  .  .  .  .  x  x  .  x  x  .  x  x",
    "RUNNING":           ".  .  .  .  .  .  x  x  x  x  .  x  x",
    "ARCHIVING":         ".  .  .  .  .  .  .  x  x  x  x  x  x",
    "BLOCKED":           "x  x  x  x  x  x  x  x  .  x  x  x  x",
    "PAUSED":            "x  x  x  x  x  x  x  x  .  .  x  x  x",
    "FINISHED":          ".  .  .  .  .  .  .  .  .  .  .  .  .",
    "CANCELLED":         ".  .  .  .  .  .  .  .  .  .  .  .  .",
    "FAILED":            ".  .  .  .  .  .  .  .  .  .  .  .  .",
}  # fmt: skip
"""Written out by hand from the description of the real state machine, not from ours."""


@pytest.mark.parametrize(("old", "new"), list(itertools.product(COLUMNS, COLUMNS)))
def test_each_pair_is_as_the_real_machine_has_it(old: str, new: str) -> None:
    allowed = TABLE[old].split()[COLUMNS.index(new)] == "x"
    assert may_follow(Status(old), Status(new)) is allowed


@pytest.mark.parametrize("status", Status)
def test_a_job_begins_as_pending_only(status: Status) -> None:
    assert may_follow(None, status) is (status is Status.PENDING)


def test_every_state_is_of_one_kind() -> None:
    assert set(Status) == ACTIVE | WAITING | TERMINAL
    assert len(ACTIVE) + len(WAITING) + len(TERMINAL) == len(COLUMNS) == 13
    assert ACTIVE - {Status.PENDING} == COUNTED


def test_there_are_26_conditions() -> None:
    assert len(Condition) == 26
