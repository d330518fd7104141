"""Findings about nodes that are hardly used, idle slots and uneven ends."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.using import found, nothing_known, one, study

from weft.core.findings import slots as of
from weft.core.findings.base import QueueFacts

QUEUES = {
    ("stampede3", "skx"): QueueFacts(system="stampede3", queue="skx", cores=48, memory_mb=192_000, rate=1.0)
}
DOUBLE = {"nodes": 2}
PART = {"cores": 12, "slots": 12, "case_s": 2650.0 * 12, "cpu_s": 2600.0 * 12}
"""A job that asked for 12 of the 48 cores of a node."""
FOREIGN = {
    "study": "", "cases": 0, "recorded": 0, "slots": 1, "case_cores": 1, "cores": 1, "running_s": 60.0,
    "cases_s": 0.0, "case_s": 0.0, "cpu_s": 0.0, "longest_case_s": 0.0, "rate": None, "su": None,
}  # fmt: skip
"""A job that weft did not launch: one core for a minute."""
IDLE = {"idle_s": 2650.0 * 48 * 0.3, "tail_s": 2650.0 * 48 * 0.05}
UNEVEN = {"idle_s": 2650.0 * 48 * 0.4, "tail_s": 2650.0 * 48 * 0.4, "busy_s": 2650.0 * 48 * 0.6}


@pytest.mark.parametrize("rule", of.RULES, ids=lambda rule: rule.id)
def test_nothing_is_found_in_an_ordinary_job_nor_in_one_of_which_nothing_is_known(rule: Any) -> None:
    for queues in ({}, QUEUES):
        assert found(rule, {}, study=study(), queues=queues) == []
        assert found(rule, nothing_known(None), queues=queues) == []
        assert found(rule, nothing_known(0), queues=queues) == []


# Nodes


def test_nodes_that_no_case_can_reach() -> None:
    finding = one(of.EMPTY_NODES, {"nodes": 2, "su": 1.5}, study=study(jobs=3))
    assert finding.evidence == (
        "1 job had 2 nodes of 48 cores and ran 48 cases at a time: these fit on one",
        "45 min 00 s of nodes stood empty",
    )
    assert finding.remedies[0].setting == "[tapis]\nnodes = 1\njobs = 6"
    assert finding.gain_su == pytest.approx(0.75)
    assert one(of.EMPTY_NODES, {"nodes": 3, "su": None}).gain_su is None


@pytest.mark.parametrize(
    "but",
    [
        {"nodes": 1},
        {"slots": 96},  # one process on each core of both
        {"slots": 1},  # a solver that uses both
        {"slots": 25, "case_cores": 2},
        {"cores": None},
        {"recorded": 0},
    ],
)
def test_nodes_that_are_used_are_fine(but: dict[str, Any]) -> None:
    assert found(of.EMPTY_NODES, {"nodes": 2, **but}) == []


def test_a_part_of_a_node() -> None:
    finding = one(of.NODE_HARDLY_USED, PART, queues=QUEUES)
    assert finding.evidence == (
        "1 job asked for 12 of the 48 cores of a node, and ran 45 min 00 s all together",
    )
    assert finding.remedies[0].setting == "[tapis]\ncores = 48"
    assert finding.gain_s == pytest.approx(2650 * 3 / 4)
    assert one(of.NODE_HARDLY_USED, {**PART, "case_memory_mb": 16_000}, queues=QUEUES).gain_s is None


@pytest.mark.parametrize(
    "but",
    [
        {"cores": 25, "slots": 25},
        {"cases": 12, "recorded": 12},
        {"nodes": 2},
        {"queue": "unheard-of"},
        {"cores": None},
    ],
)
def test_most_of_a_node_or_all_that_is_needed_is_fine(but: dict[str, Any]) -> None:
    assert found(of.NODE_HARDLY_USED, {**PART, **but}, queues=QUEUES) == []


def test_half_of_a_node_is_hardly_all_of_it() -> None:
    assert found(of.NODE_HARDLY_USED, {**PART, "cores": 24, "slots": 24}, queues=QUEUES)


def test_many_small_jobs_that_weft_did_not_launch_could_share_a_node() -> None:
    finding = one(of.NODE_HARDLY_USED, *[FOREIGN] * 4, queues=QUEUES)
    assert finding.evidence[0].startswith("4 jobs asked for 1 of the 48 cores")
    assert finding.remedies[0].command == "weft init"
    assert finding.evidence[1] == "48 of them fit on a node at a time"
    assert finding.gain_su == pytest.approx(0.75)  # three of four times 15 minutes
    assert found(of.NODE_HARDLY_USED, FOREIGN, FOREIGN, queues=QUEUES)
    assert found(of.NODE_HARDLY_USED, FOREIGN, queues=QUEUES) == []
    never = {**FOREIGN, "running_s": 0.0}
    assert found(of.NODE_HARDLY_USED, never, never, queues=QUEUES) == []


# Slots


def test_slots_that_are_idle_between_long_cases() -> None:
    finding = one(of.IDLE_SLOTS, IDLE)
    assert finding.evidence == (
        "slots were idle for 25 % of 44 min 10 s of cases, though there were cases to run",
        "480 cases took 4 min 25 s each, and left 0 files",
    )
    assert finding.cause == of.ENDS_ARE_SLOW
    assert finding.gain_s == pytest.approx(2650 / 4)
    assert finding.gain_su == pytest.approx(2650 / 4 / 3600)


def test_a_minute_of_idle_slots_is_told() -> None:
    assert found(of.IDLE_SLOTS, {"cases_s": 60.0, "idle_s": 60.0 * 48 * 0.21})


def test_slots_that_are_idle_since_cases_are_short() -> None:
    short = {**IDLE, "cases": 300_000, "recorded": 300_000}
    finding = one(of.IDLE_SLOTS, short)
    assert finding.cause == of.STARTS_ARE_SLOW
    assert len(finding.remedies) == 1
    one_second = {"case_s": 480.0, "recorded": 480}
    assert one(of.IDLE_SLOTS, {**IDLE, **one_second}).cause == of.ENDS_ARE_SLOW
    assert one(of.IDLE_SLOTS, {**IDLE, **one_second, "case_s": 479.0}).cause == of.STARTS_ARE_SLOW
    with_disk = one(of.IDLE_SLOTS, short, study=study(model={"workdir": "job"}))
    assert with_disk.remedies[0].setting == '[model]\nworkdir = "node"'


@pytest.mark.parametrize(
    "but",
    [
        {"idle_s": 2650.0 * 48 * 0.25},  # a fifth, but for the end
        {"cases_s": 59.0, "idle_s": 59.0 * 48 * 0.9, "tail_s": 0.0},
        {"open": True},
        {"slots": None},
        {"idle_s": None},
        {"recorded": 0},
    ],
)
def test_slots_that_are_hardly_idle_are_fine(but: dict[str, Any]) -> None:
    assert found(of.IDLE_SLOTS, {**IDLE, **but}) == []


# The end


def test_an_uneven_end_that_order_would_mend() -> None:
    finding = one(of.UNEVEN_END, UNEVEN, UNEVEN, study=study(jobs=5))
    assert finding.evidence[0] == (
        "the last cases ran 17 min 40 s longer than an average slot had work (median of 2 jobs): "
        "40 % of the slots' time"
    )
    assert finding.cause == of.LATE_ARE_LONG
    assert finding.remedies[0].say.startswith("List the values first")
    assert finding.remedies[1].setting == "[tapis]\njobs = 3"
    assert finding.gain_s == pytest.approx(2 * 2650 * 0.4)


def test_an_uneven_end_for_one_case() -> None:
    one_case = {**UNEVEN, "longest_case_s": 2000.0}
    finding = one(of.UNEVEN_END, one_case, one_case)
    assert finding.cause == of.ONE_IS_LONG
    assert finding.remedies[0].setting == "[tapis]\njobs = 2"
    assert finding.remedies[1].say.startswith("Split the longest")
    assert finding.gain_s is None
    assert one(of.UNEVEN_END, {**one_case, "backend": "local"}).remedies[0].say.startswith("Split")


def test_so_much_of_an_end_is_told() -> None:
    assert found(of.UNEVEN_END, {"cases_s": 200.0, "tail_s": 120.0 * 48, "busy_s": 80.0 * 48})
    half = {**UNEVEN, "longest_case_s": 1325.0}
    assert one(of.UNEVEN_END, half).cause == of.LATE_ARE_LONG
    assert one(of.UNEVEN_END, {**half, "longest_case_s": 1326.0}).cause == of.ONE_IS_LONG


def test_no_slots_are_neither_idle_nor_uneven() -> None:
    assert found(of.UNEVEN_END, {**UNEVEN, "slots": 0}) == []
    assert found(of.IDLE_SLOTS, {**IDLE, "slots": 0}) == []


def test_what_the_longest_case_takes_cannot_be_saved() -> None:
    assert one(of.UNEVEN_END, {**UNEVEN, "longest_case_s": 1325.0, "busy_s": 1e4}).gain_s == pytest.approx(
        1325
    )


@pytest.mark.parametrize(
    "but",
    [
        {"tail_s": 2650.0 * 48 * 0.2},
        {"cases_s": 200.0, "tail_s": 119.0 * 48},
        {"cases": 36, "recorded": 36},  # too few for the slots: another finding
        {"open": True},
        {"kind": "pilot"},
        {"tail_s": None},
        {"slots": None},
    ],
)
def test_an_end_that_costs_little_is_fine(but: dict[str, Any]) -> None:
    assert found(of.UNEVEN_END, {**UNEVEN, **but}) == []
