"""What came after RUNNING."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import pytest
from tests.core.findings.lost import FOREIGN, RECORDED, found, settings, the

from weft.core import waits
from weft.core.findings.transfers import BUNDLED, ZIPPED
from weft.core.normal import Normal

MANY = {"archive_files": 1000, "archive_bytes": 10_000_000, "archive_copying_s": 34.0, "archiving_s": 540.0}
HEAVY = {"archive_bytes": 600_000_000, "archive_copying_s": 600.0, "archiving_s": 640.0}
SLOW = {"archive_bytes": 2_000_000, "archive_copying_s": 30.0, "archiving_s": 540.0}
AGAIN = {"inputs_files": 10, "inputs_bytes": 1_000_000, "archive_files": 12}

CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "many-small-files-archived": (
        MANY,
        [
            {**MANY, "archive_files": 100, "archive_bytes": 1_000_000},
            {**MANY, "archive_copying_s": 29.9},
            {**MANY, "archive_bytes": 1_000_000_000},
            {**MANY, "archiving_s": 539.0},
        ],
    ),
    "archive-filter-moves-file-by-file": (
        {**MANY, "includes": ["*.out"]},
        [{**MANY, "includes": ["*.out"], "archive_files": 100, "archive_bytes": 1_000_000}],
    ),
    "large-archive": (HEAVY, [{**HEAVY, "archive_copying_s": 59.9}, {**HEAVY, "archiving_s": 539.0}]),
    "archive-slow": (SLOW, [{**SLOW, "archive_copying_s": 29.9}, {**SLOW, "archive_bytes": 12_000_000}]),
    "archive-waited": ({"archive_waiting_s": 60.0}, [{"archive_waiting_s": 59.9}]),
    "inputs-archived-again": (
        AGAIN,
        [
            {**AGAIN, "inputs_files": 9},
            {**AGAIN, "archive_files": 9},
            {**AGAIN, "archive_bytes": 999_999},
            {**AGAIN, "includes": ["*.out"]},
            {**AGAIN, "excludes": ["*.tcl"]},
        ],
    ),
    "long-collecting": ({"collecting_s": 180.0}, [{"collecting_s": 179.9}]),
}


@pytest.mark.parametrize("weft", [{}, FOREIGN], ids=["of weft", "foreign"])
@pytest.mark.parametrize("rule", CASES)
def test_it_is_found_from_its_threshold_on(rule: str, weft: dict[str, Any]) -> None:
    above, below = CASES[rule]
    assert the(rule, {**above, **weft}, {}).jobs == ("job-0001",)
    for each in below:
        assert not found(rule, {**each, **weft})


KINDS = ("many-small-files-archived", "archive-filter-moves-file-by-file", "large-archive", "archive-slow")


@pytest.mark.parametrize("rule", KINDS)
def test_a_transfer_is_of_one_kind(rule: str) -> None:
    assert [kind for kind in KINDS if found(kind, CASES[rule][0])] == [rule]


def test_ten_minutes_of_archiving_are_long_however_long_it_ran() -> None:
    day = {**MANY, "running_s": 86_400.0}
    assert found("many-small-files-archived", {**day, "archiving_s": 600.0})
    assert not found("many-small-files-archived", {**day, "archiving_s": 599.0})


def test_the_recorded_job() -> None:
    finding = the("many-small-files-archived", RECORDED)
    assert finding.title == "Many small files archived"
    assert finding.evidence == (
        "5,069 files, 151 MB: 2 min 52 s of 3 min 35 s were copying, 30 files/s, 879 kB/s",
        "before it 11 s of waiting, after it 27 s until the service noticed",
        "ARCHIVING took 3 min 35 s, RUNNING 26 s",
    )
    key = ("opensees-mp-s3", "stampede3", "skx-dev")
    bundled = waits.transfer(Normal(), key, "archive", BUNDLED["archive"], round(ZIPPED * 150_885_718)).likely
    assert finding.gain_s == pytest.approx(11.1 + 171.7 + 27.4 - bundled)
    assert 90 < finding.gain_s < 170
    assert '"archiveFilter": {"includes": ["**results.zip"]' in settings(finding)
    assert the("inputs-archived-again", RECORDED).gain_s == pytest.approx(171.7 * 112 / 5069)


def test_an_app_that_packs_by_itself_is_told_to() -> None:
    finding = the("many-small-files-archived", {**MANY, **FOREIGN, "app": "designsafe-agnostic-app"})
    assert "ZIP_OUTPUT_SWITCH" in settings(finding)


def test_where_a_zip_saves_nothing_it_is_not_told() -> None:
    quick = {**MANY, "archive_waiting_s": 0.0, "archive_unnoticed_s": 0.0, "archive_bytes": 50_000_000}
    assert not found("many-small-files-archived", quick)


def test_as_many_files_or_bytes_as_were_staged_may_be_the_inputs() -> None:
    same = {"inputs_files": 10, "archive_files": 10, "inputs_bytes": 5000, "archive_bytes": 5000}
    assert found("inputs-archived-again", same)
    heavy = {"inputs_files": 1, "inputs_bytes": 10_000_000}
    assert found("inputs-archived-again", heavy)
    assert not found("inputs-archived-again", {**heavy, "inputs_bytes": 9_999_999})


def test_no_pattern_excludes_the_results_with_the_inputs() -> None:
    """Most apps run in the folder of their inputs: what is in it is not all input."""
    (_, exclude) = the("inputs-archived-again", {**AGAIN, **FOREIGN}).remedies
    patterns = json.loads("{" + exclude.setting + "}")["parameterSet"]["archiveFilter"]["excludes"]
    assert not any(fnmatch("inputDirectory/results.out", pattern) for pattern in patterns)


def test_a_job_without_inputs_archives_none_again() -> None:
    assert not found("inputs-archived-again", {**AGAIN, "inputs_files": 0, "inputs_bytes": 20_000_000})


def test_collecting_much_and_collecting_late_are_told_apart() -> None:
    late = the("long-collecting", {"collecting_s": 200.0}, place=" my.toml")
    assert late.remedies[0].command == "weft run my.toml --detach"
    heavy = the("long-collecting", {"collecting_s": 200.0, "archive_bytes": 1_000_000_000})
    assert "[output]" in heavy.remedies[0].setting
    assert "1.0 GB" in heavy.evidence[0]
