"""Findings about what cases read, write and leave, and on which disk."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.using import found, nothing_known, one, study

from weft.core.findings import writing as of
from weft.model import Study

ON_SCRATCH = study(model={"workdir": "scratch"})
SHARING = study(model={"shared": ("records", "soil", "a", "b")})
PRINTS = {"printed_bytes": 480 * 20_000_000}
DROPS = {"written_bytes": 480 * 60_000_000, "files_written": 4800, "files_kept": 480}
KEEPS = {"files_written": 4800, "files_kept": 5760, "archive_bytes": 12_000_000_000, "archiving_s": 240.0}
LITTERS = {"files_written": 480_000}
BUSY = {"read_bytes": 100_000_000_000, "written_bytes": 50_000_000_000}
STORMS = {"recorded": 20_000, "case_s": 2650.0 * 40, "read_bytes": 20_000 * 6_000_000}
READS = {"read_bytes": 480 * 250_000_000}


@pytest.mark.parametrize("rule", of.RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize(
    "at_hand", [None, study(), ON_SCRATCH, SHARING], ids=["none", "node", "scratch", "shared"]
)
def test_nothing_is_found_in_an_ordinary_job_nor_in_one_of_which_nothing_is_known(
    rule: Any, at_hand: Study | None
) -> None:
    assert found(rule, {}, study=at_hand) == []
    assert found(rule, nothing_known(None), study=at_hand) == []
    assert found(rule, nothing_known(0), study=at_hand) == []


# Logs and outputs


def test_cases_that_print_a_lot() -> None:
    finding = one(of.LARGE_LOGS, PRINTS)
    assert finding.evidence == ("480 cases printed 9.6 GB, 20 MB each",)
    assert finding.remedies[1].setting == '[output]\nlog = "100 kB"'
    assert found(of.LARGE_LOGS, {**PRINTS, "printed_bytes": 8 * 10_000_001, "recorded": 8})


@pytest.mark.parametrize(
    "but",
    [
        {"printed_bytes": 480 * 10_000_000},
        {"recorded": 7},
        {"printed_bytes": None},
    ],
)
def test_cases_that_print_little_are_fine(but: dict[str, Any]) -> None:
    assert found(of.LARGE_LOGS, {**PRINTS, **but}) == []


def test_what_is_written_and_dropped() -> None:
    assert found(of.DROPPED, {**DROPS, "written_bytes": 480 * 50_000_001})
    assert found(of.DROPPED, {**DROPS, "files_written": 0, "files_kept": 0}) == []  # printed: another finding
    assert one(of.DROPPED, DROPS).evidence == (
        "480 cases wrote 29 GB, 60 MB each",
        "480 of 4,800 files were kept",
    )


@pytest.mark.parametrize(
    "but", [{"written_bytes": 480 * 50_000_000}, {"files_kept": 481}, {"recorded": 7}, {"files_kept": None}]
)
def test_what_is_kept_or_small_is_fine(but: dict[str, Any]) -> None:
    assert found(of.DROPPED, {**DROPS, **but}) == []


def test_all_is_kept() -> None:
    least = {"files_kept": 4320 + 960, "archive_bytes": 1_000_000_000, "archiving_s": 60.0}
    assert found(of.ALL_KEPT_RULE, {**KEEPS, **least})
    assert found(of.ALL_KEPT_RULE, {**KEEPS, "files_written": 0, "files_kept": 960}) == []  # nothing but logs
    finding = one(of.ALL_KEPT_RULE, KEEPS, study=study(output={"keep": ("**",)}))
    assert finding.evidence == (
        "12 GB of 480 cases were archived, 25 MB each, in 4 min 00 s",
        '5,760 files were kept, logs among them; cases wrote 4,800; `output.keep` is ["**"]',
    )


@pytest.mark.parametrize(
    "but",
    [
        {"files_kept": 4320 + 959},
        {"archive_bytes": 999_999_999},
        {"archiving_s": 59.0},
        {"recorded": 7},
        {"archive_bytes": None},
        {"files_written": None},
    ],
)
def test_a_part_that_is_kept_or_archived_in_no_time_is_fine(but: dict[str, Any]) -> None:
    assert found(of.ALL_KEPT_RULE, {**KEEPS, **but}) == []


# Shared disks


def test_many_files_on_a_disk_that_all_share() -> None:
    finding = one(of.MANY_FILES, LITTERS, study=ON_SCRATCH)
    assert finding.evidence == (
        '480 cases wrote 480,000 files, 1,000 each, to a disk that all share: workdir = "scratch"',
    )
    assert finding.remedies[0].setting == '[model]\nworkdir = "node"'


@pytest.mark.parametrize(
    ("files", "cases", "many"),
    [(480_000, 480, True), (20_000, 480, True), (19_999, 480, False), (8000, 8, True), (7999, 8, False)],
)
def test_so_many_files_are_many(files: int, cases: int, many: bool) -> None:
    said = {"files_written": files, "recorded": cases}
    assert bool(found(of.MANY_FILES, said, study=ON_SCRATCH)) is many


@pytest.mark.parametrize("rule", [of.MANY_FILES, of.BUSY_SHARED_DISK], ids=lambda rule: rule.id)
def test_what_happens_on_a_disk_of_ones_own_is_fine(rule: Any) -> None:
    both = {**LITTERS, **BUSY}
    assert found(rule, both, study=ON_SCRATCH)
    assert found(rule, both, study=study()) == []
    assert found(rule, both) == []
    assert found(rule, {**both, "backend": "local"}, study=ON_SCRATCH) == []
    assert found(rule, {**both, "study": "another"}, study=ON_SCRATCH) == []
    assert found(rule, {**both, "files_written": None, "read_bytes": None}, study=ON_SCRATCH) == []


def test_a_shared_disk_that_is_kept_busy() -> None:
    least = {"read_bytes": 10_000_000_000, "written_bytes": 0, "cases_s": 200.0}
    assert found(of.BUSY_SHARED_DISK, least, study=ON_SCRATCH)
    finding = one(of.BUSY_SHARED_DISK, BUSY, study=ON_SCRATCH)
    assert finding.evidence[0] == (
        "cases read 100 GB and wrote 50 GB in 44 min 10 s of 1 job: 57 MB a second for each job"
    )


@pytest.mark.parametrize(
    "but",
    [{"read_bytes": 82_000_000_000}, {"read_bytes": 9_000_000_000, "written_bytes": 0, "cases_s": 10.0}],
)
def test_a_shared_disk_that_is_hardly_used_is_fine(but: dict[str, Any]) -> None:
    assert found(of.BUSY_SHARED_DISK, {**BUSY, **but}, study=ON_SCRATCH) == []


# Reading


def test_an_import_storm() -> None:
    least = {"recorded": 13_250, "case_s": 13_250 * 9.9, "read_bytes": 13_250 * 5_000_000}
    assert found(of.IMPORT_STORM, least, study=study())
    finding = one(of.IMPORT_STORM, STORMS, study=study())
    assert finding.evidence == (
        "up to 7.5 Python processes began each second, and 48 at once, in each of 1 job",
        "each read 6.0 MB and took 5.3 s",
    )
    assert finding.remedies[1].setting == "[tapis]\nslots = 24"


@pytest.mark.parametrize(
    "but",
    [
        {"recorded": 13_249, "case_s": 13_249.0},  # five a second, and 100 slots
        {"case_s": 20_000 * 10.0},
        {"read_bytes": 20_000 * 4_999_999},
        {"backend": "local"},
        {"study": "another"},
        {"read_bytes": None},
        {"cases_s": 0.0},
    ],
)
def test_starts_that_nobody_feels_are_fine(but: dict[str, Any]) -> None:
    assert found(of.IMPORT_STORM, {**STORMS, **but}, study=study()) == []


def test_only_python_imports() -> None:
    assert found(of.IMPORT_STORM, STORMS) == []
    assert found(of.IMPORT_STORM, STORMS, study=study(model={"command": "OpenSees model.tcl {scale}"})) == []


@pytest.mark.parametrize(("slots", "stormy"), [(100, True), (99, False)])
def test_many_that_start_at_once_are_a_storm_however_long_they_take(slots: int, stormy: bool) -> None:
    said = {"slots": slots, "read_bytes": 480 * 6_000_000}
    assert bool(found(of.IMPORT_STORM, said, study=study())) is stormy


def test_inputs_that_every_case_reads() -> None:
    assert found(of.READ_AGAIN_RULE, {"read_bytes": 100_000_000_000, "recorded": 1000}, study=SHARING)
    finding = one(of.READ_AGAIN_RULE, READS, study=SHARING)
    assert finding.evidence == (
        "480 cases read 120 GB, 250 MB each",
        "shared inputs, which are read where they lie: records, soil, a and others",
    )


@pytest.mark.parametrize(
    "but",
    [
        {"read_bytes": 99_999_999_999},
        {"recorded": 1300},
        {"backend": "local"},
        {"study": "another"},
        {"read_bytes": None},
    ],
)
def test_inputs_that_are_small_or_near_are_fine(but: dict[str, Any]) -> None:
    assert found(of.READ_AGAIN_RULE, {**READS, **but}, study=SHARING) == []
    assert found(of.READ_AGAIN_RULE, READS, study=study()) == []
