"""Findings about cores: more asked for than used, more threads than cores, and cases that wait."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.using import found, nothing_known, one, study

from weft.core.findings import cores as of

CASE_S = 2650.0 * 6
IDLE_CORES = {"case_cores": 8, "slots": 6, "case_s": CASE_S, "cpu_s": CASE_S}
"""Six cases of 8 cores at a time; each keeps one of them busy."""
CROWDED = {"slots": 96, "case_s": 2650.0 * 96}
"""96 cases of one core on 48 cores."""
THREADED = {"slots": 8, "case_s": 2650.0 * 8, "cpu_s": 2650.0 * 8 * 4}
"""Each keeps four cores busy, and asked for one."""
WAITING = {"cpu_s": 2650.0 * 12}
"""A quarter of a core."""
READS = {**WAITING, "read_bytes": int(2650 * 48 * 9e6), "written_bytes": int(2650 * 48 * 1e6)}


@pytest.mark.parametrize("rule", of.RULES, ids=lambda rule: rule.id)
def test_nothing_is_found_in_an_ordinary_job_nor_in_one_of_which_nothing_is_known(rule: Any) -> None:
    some = study(model={"env": {"OMP_NUM_THREADS": "1"}})
    for at_hand in (None, some):
        assert found(rule, {}, study=at_hand) == []
        assert found(rule, nothing_known(None), study=at_hand) == []
        assert found(rule, nothing_known(0), study=at_hand) == []


# Too many cores


def test_cores_that_nobody_uses() -> None:
    finding = one(of.OVER_CORES, IDLE_CORES)
    assert finding.evidence == (
        "a case kept 1.0 of its 8 cores busy: 4 h 25 min of CPU time in 4 h 25 min of 480 cases",
    )
    assert finding.remedies[0].setting == "[resources]\ncores = 1"
    assert finding.gain_s == pytest.approx(2650 * 7 / 8)
    assert finding.gain_su == pytest.approx((2700 - 900) / 3600)  # the least charge ends it


@pytest.mark.parametrize(
    "but",
    [
        {"cpu_s": CASE_S * 4.01},
        {"case_s": 599.0, "cpu_s": 599.0},
        {"cpu_s": None},
        {"cpu_s": 0.0},
        {"case_cores": 1, "cpu_s": CASE_S / 4},
        {"kind": "after"},
    ],
)
def test_cores_that_are_used_or_not_measured_are_fine(but: dict[str, Any]) -> None:
    assert found(of.OVER_CORES, {**IDLE_CORES, **but}) == []


def test_half_of_the_cores_is_too_many() -> None:
    assert found(of.OVER_CORES, {**IDLE_CORES, "case_s": 600.0, "cpu_s": 600.0})
    assert found(of.OVER_CORES, {**IDLE_CORES, "case_cores": 2})
    assert (
        one(of.OVER_CORES, {**IDLE_CORES, "cpu_s": CASE_S * 4}).remedies[0].setting
        == "[resources]\ncores = 4"
    )


def test_the_case_that_uses_most_is_to_have_its_cores() -> None:
    finding = one(of.OVER_CORES, IDLE_CORES, {**IDLE_CORES, "cpu_s": CASE_S * 2.3})
    assert finding.remedies[0].setting == "[resources]\ncores = 3"


def test_memory_bounds_what_fewer_cores_gain() -> None:
    assert one(of.OVER_CORES, {**IDLE_CORES, "case_memory_mb": 32_000}).gain_s is None
    assert one(of.OVER_CORES, {**IDLE_CORES, "cores": None}).gain_s is None
    assert one(of.OVER_CORES, {**IDLE_CORES, "case_memory_mb": 16_000}).gain_s == pytest.approx(2650 / 2)


def test_processes_that_start_elsewhere_are_not_counted() -> None:
    mpi = study(model={"command": "ibrun -n 8 OpenSeesMP model.tcl {scale}"})
    assert found(of.OVER_CORES, IDLE_CORES, study=mpi) == []
    assert found(of.CASES_WAIT, WAITING, study=mpi) == []
    assert found(of.OVER_CORES, IDLE_CORES, study=study(model={"command": "python3 brun.py {scale}"}))


def test_other_jobs_are_told_how_their_own_request_says_it() -> None:
    assert one(of.OVER_CORES, {**IDLE_CORES, "study": ""}).remedies[0].setting == '"coresPerNode": 1'
    slurm = one(of.OVER_CORES, {**IDLE_CORES, "study": "", "backend": "slurm"})
    assert slurm.remedies[0].setting == "#SBATCH --cpus-per-task=1"


# Too many at a time


def test_more_slots_than_cores() -> None:
    finding = one(of.SLOTS_OVER, CROWDED)
    assert finding.evidence[0] == "96 cases of 1 core ran at a time on 48 cores"
    assert finding.remedies[0].setting == "[tapis]\nslots = 48"
    assert one(of.SLOTS_OVER, {**CROWDED, "backend": "local"}).remedies[0].setting == "[local]\nslots = 48"
    assert one(of.SLOTS_OVER, {"slots": 7, "case_cores": 8}).remedies[0].setting == "[tapis]\nslots = 6"


@pytest.mark.parametrize(
    "but",
    [
        {"slots": 48},
        {"nodes": 2},  # one process on each core of both
        {"cpu_s": 2650.0 * 48 * 0.79},  # they wait, and so many may
        {"cores": None},
        {"cores": 0},
        {"slots": 1, "case_cores": 49},  # one case that asks for more than there is: nothing runs beside it
        {"recorded": 0},
    ],
)
def test_as_many_slots_as_cores_are_fine(but: dict[str, Any]) -> None:
    assert found(of.SLOTS_OVER, {**CROWDED, **but}) == []


def test_cases_that_take_turns_do_not_wait_for_anything_else() -> None:
    assert found(of.CASES_WAIT, CROWDED) == []
    assert found(of.CASES_WAIT, {**CROWDED, "cpu_s": 2650.0 * 48 * 0.79})
    assert found(of.CASES_WAIT, {**CROWDED, "cores": None})


# Threads


def test_more_threads_than_cores() -> None:
    finding = one(of.THREADS_OVER, THREADED)
    assert finding.evidence == ("a case kept 4.0 cores busy, and had asked for 1",)
    assert [remedy.setting for remedy in finding.remedies] == [
        '[model]\nenv = { OMP_NUM_THREADS = "1" }',
        "[resources]\ncores = 4",
    ]


@pytest.mark.parametrize(
    "but",
    [{"cpu_s": 2650.0 * 8 * 1.5}, {"case_s": 599.0, "cpu_s": 2000.0}, {"cpu_s": None}, {"case_cores": 3}],
)
def test_threads_that_have_cores_are_fine(but: dict[str, Any]) -> None:
    assert found(of.THREADS_OVER, {**THREADED, **but}) == []


def test_a_few_threads_more_than_cores_are_too_many() -> None:
    assert found(of.THREADS_OVER, {**THREADED, "cpu_s": 2650.0 * 8 * 1.51})


def test_threads_that_the_study_itself_gives_are_seen_though_the_cores_are_full() -> None:
    said = study(model={"env": {"OMP_NUM_THREADS": "4", "SOIL": 'a "soft" one\\'}})
    finding = one(of.THREADS_OVER, {}, study=said)
    assert finding.evidence == (
        "[model] env gives each case 4 threads; with 48 cases at a time these are 192 on 48 cores",
    )
    assert finding.remedies[0].setting == (
        '[model]\nenv = { OMP_NUM_THREADS = "1", SOIL = "a \\"soft\\" one\\\\" }'
    )
    assert len(finding.remedies) == 1
    assert found(of.THREADS_OVER, {"slots": 12}, study=said) == []
    assert found(of.THREADS_OVER, {"study": "another"}, study=said) == []
    by_parameter = study(model={"env": {"OMP_NUM_THREADS": "{threads}"}})
    assert found(of.THREADS_OVER, {}, study=by_parameter) == []


# Waiting


def test_cases_that_wait_for_nothing_that_is_read() -> None:
    finding = one(of.CASES_WAIT, WAITING)
    assert finding.evidence[0].startswith("cases kept 25 % of a core busy: 8 h 50 min of CPU time")
    assert finding.cause == of.FOR_OTHERS
    assert finding.remedies[0].setting == "[tapis]\nslots = 192"
    assert finding.gain_s == pytest.approx(2650 * 3 / 4)
    hardly = one(of.CASES_WAIT, {"cpu_s": 2650.0 * 2.4, "cases": 10_000})
    assert hardly.remedies[0].setting == "[tapis]\nslots = 192"  # and no more, however long they wait


@pytest.mark.parametrize("but", [{"cpu_s": 2650.0 * 24}, {"case_s": 599.0, "cpu_s": 10.0}, {"cpu_s": None}])
def test_cases_that_compute_half_of_their_time_are_fine(but: dict[str, Any]) -> None:
    assert found(of.CASES_WAIT, {**WAITING, **but}) == []


def test_memory_bounds_how_many_may_wait() -> None:
    finding = one(of.CASES_WAIT, {**WAITING, "case_memory_mb": 2000})
    assert finding.remedies[0].setting == "[tapis]\nslots = 96"
    full = one(of.CASES_WAIT, {**WAITING, "case_memory_mb": 4000})
    assert (full.remedies[0].setting, full.gain_s) == ("", None)
    unknown = one(of.CASES_WAIT, {**WAITING, "memory_mb": None})
    assert (unknown.remedies[0].setting, unknown.gain_s) == ("", None)


def test_cases_that_wait_for_files() -> None:
    finding = one(of.CASES_WAIT, READS, study=study(model={"workdir": "scratch"}))
    assert finding.cause == of.FOR_FILES
    assert finding.evidence[1] == "they read 1.1 TB and wrote 127 GB, 10 MB a second each"
    assert finding.remedies[0].setting == '[model]\nworkdir = "node"'
    assert finding.gain_s is None
    assert one(of.CASES_WAIT, READS, study=study()).remedies[0].setting == ""
    assert one(of.CASES_WAIT, {**READS, "written_bytes": 0}).cause == of.FOR_OTHERS
    assert one(of.CASES_WAIT, {**READS, "written_bytes": None, "read_bytes": 5}).cause == of.FOR_OTHERS


def test_jobs_that_weft_did_not_launch_become_a_study() -> None:
    assert one(of.CASES_WAIT, {**WAITING, "study": ""}).remedies[0].command == "weft init"
    assert one(of.CASES_WAIT, {**WAITING, "study": "", "backend": "slurm"}).remedies[0].command == "weft init"
