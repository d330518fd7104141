"""What the next study should ask for: p95 and a margin, with what ran out taken for more, in lines that parse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from tests.core.findings.using import study
from tests.core.scenes import jobs

from weft.core.margins import enough_cores, enough_memory, enough_minutes
from weft.core.rightsizing import Suggestion, suggest
from weft.model import Retry
from weft.store.studyfile import study_from_python
from weft.store.tomlfile import parse

NO_JOBS = jobs().clear()


def cases(*runs: tuple[str, float | None, float | None, float | None]) -> pl.DataFrame:
    """A results table with these runs: outcome, seconds, CPU seconds, MB."""
    schema = {
        "outcome": pl.String,
        "weft_wall_s": pl.Float64,
        "weft_cpu_s": pl.Float64,
        "weft_memory_mb": pl.Float64,
    }
    return pl.DataFrame(runs, schema=schema, orient="row")


def good(count: int, wall: float = 60.0, cpu: float = 58.0, memory: float | None = 400.0) -> list[Any]:
    return [("FINISHED", wall, cpu, memory)] * count


USUAL = cases(*good(95, memory=410.0), *good(4, wall=90.0), *good(1, wall=200.0, memory=455.0))


def text_of(suggestion: Suggestion) -> str:
    return "\n".join(suggestion.lines)


def taken(suggestion: Suggestion, folder: Path, **tapis: Any) -> Any:
    """The study with these lines, as the study-file reader takes it."""
    sections: dict[str, Any] = {
        "model": {"command": "echo {x}"},
        "parameters": {"x": [1]},
        "run": {"on": "tapis"},
        "tapis": {"app": "opensees-mp-s3", **tapis},
    }
    for name, lines in parse(text_of(suggestion), "suggestion").items():
        sections[name] = {**sections.get(name, {}), **lines}
    return study_from_python(folder=folder, **sections)


def test_the_table_for_the_next_study(tmp_path: Path) -> None:
    suggestion = suggest(study(), NO_JOBS, USUAL)
    assert suggestion.lines == ("[resources]", "cores = 1", 'memory = "1 GB"', "minutes = 2")
    assert suggestion.evidence[:2] == (
        "99 of 100 cases used 410 MB of memory at most, the largest 455 MB",
        "95 of 100 cases took 1 min 00 s at most, the largest 3 min 20 s",
    )
    assert (suggestion.cases, suggestion.command) == (100, "")
    assert taken(suggestion, tmp_path).resources == suggestion.resources


@pytest.mark.parametrize(
    ("peak", "memory_mb"), [(1.0, 500), (400e6, 500), (400.1e6, 1000), (1.6e9, 2000), (12e9, 15_000)]
)
def test_memory_goes_in_steps_of_half_a_gigabyte(peak: float, memory_mb: int) -> None:
    assert enough_memory(peak) == memory_mb


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0.1, 1), (40, 1), (41, 2), (800, 20), (801, 25), (3600, 90)]
)
def test_minutes_are_whole_and_later_in_fives(seconds: float, minutes: int) -> None:
    assert enough_minutes(seconds) == minutes


@pytest.mark.parametrize(("used", "cores"), [(0.01, 1), (1.25, 1), (1.26, 2), (3.9, 4), (7.3, 8)])
def test_a_little_more_than_a_core_is_a_core(used: float, cores: int) -> None:
    assert enough_cores(used) == cores


def test_too_few_cases_are_told_of() -> None:
    for few in (cases(*good(7)), cases(*good(7), *[("FAILED", 60.0, 58.0, 400.0)] * 100)):
        suggestion = suggest(study(), NO_JOBS, few)
        assert suggestion.lines == () and suggestion.resources is None
        (says,) = suggestion.evidence
        assert says.startswith(
            "too little is known: only 7 cases ended well, and 8 are needed; `weft run --pilot 8`"
        )
        assert suggestion.command == "weft run --pilot 8"
    assert suggest(study(), NO_JOBS, cases(*good(8))).lines
    nothing = suggest(None, NO_JOBS, None)
    assert (nothing.lines, nothing.command) == ((), "")
    assert nothing.evidence == ("too little is known: no case has ended well, and 8 are needed",)


def test_what_nobody_measured_is_left_out(tmp_path: Path) -> None:
    suggestion = suggest(
        study(resources={"cores": 3}), NO_JOBS, cases(*good(20, wall=0.2, cpu=0.1, memory=None))
    )
    assert suggestion.lines == ("[resources]", "cores = 3", "minutes = 1")
    assert any(says.startswith("memory was not measured") for says in suggestion.evidence)
    assert any(says.startswith("how many cores a case uses is not known") for says in suggestion.evidence)
    taken(suggestion, tmp_path)
    unknown = [("FINISHED", None, None, None)] * 20
    assert suggest(None, NO_JOBS, cases(*unknown)).lines == ("[resources]", "cores = 1")


def test_a_case_that_ran_out_of_time_needs_more_than_it_had() -> None:
    few = suggest(study(), NO_JOBS, cases(*good(97), *[("TIMED_OUT", 300.0, 290.0, 400.0)] * 3))
    assert "minutes = 2" in few.lines  # 95 of 100 stay within
    assert "3 cases ran out of time after 5 min 00 s, and need more than that" in few.evidence
    many = suggest(study(), NO_JOBS, cases(*good(90), *[("TIMED_OUT", 300.0, 290.0, 400.0)] * 10))
    assert "minutes = 15" in many.lines  # twice the five minutes, and the margin
    assert many.evidence[1] == "90 cases took 10 min 00 s at most"


def test_a_case_that_ran_out_of_memory_needs_more_than_it_had() -> None:
    suggestion = suggest(study(), NO_JOBS, cases(*good(90), *[("OUT_OF_MEMORY", 9.0, 9.0, 2000.0)] * 10))
    assert 'memory = "5 GB"' in suggestion.lines
    assert "10 cases ran out of memory with 2.0 GB, and need more than that" in suggestion.evidence


def test_where_a_case_does_not_run_again_the_largest_counts() -> None:
    once = msgspec.structs.replace(study(), retry=Retry(attempts=1))
    assert suggest(once, NO_JOBS, USUAL).lines == (
        "[resources]",
        "cores = 1",
        'memory = "1 GB"',
        "minutes = 5",
    )
    in_time = msgspec.structs.replace(study(), retry=Retry(on=()))
    assert "minutes = 5" in suggest(in_time, NO_JOBS, USUAL).lines


def test_cores_are_those_that_were_busy() -> None:
    four = suggest(study(resources={"cores": 8}), NO_JOBS, cases(*good(20, cpu=60.0 * 3.8)))
    assert "cores = 4" in four.lines
    assert (
        "a case kept 3.8 cores busy (median), and 95 % of cases at most 3.8; 8 were asked for"
        in four.evidence
    )


# Jobs


def test_more_slots_and_what_they_save(tmp_path: Path) -> None:
    wide = {"case_memory_mb": 12_000, "slots": 16, "cases": 480}
    suggestion = suggest(study(resources={"memory_mb": 12_000}), jobs(wide, wide), USUAL)
    assert suggestion.slots == (16, 48)
    assert suggestion.node_hours == pytest.approx((1.5, 2 * (50 + 2650 / 3) / 3600))
    assert "a node would run 48 cases at a time, where it ran 16" in suggestion.evidence
    assert "the same cases would take 0.52 node-hours, where they took 1.50" in suggestion.evidence
    assert "[tapis]" not in suggestion.lines
    assert suggestion.jobs == 2


def test_what_a_job_asks_for_is_told_where_it_is_worth_changing(tmp_path: Path) -> None:
    said = {"slots": 16, "minutes": 2880.0, "jobs": 8}
    short = {"running_s": 200.0, "cases_s": 180.0, "longest_case_s": 60.0, "slots": 48}
    suggestion = suggest(study(**said), jobs(short), USUAL)
    assert suggestion.lines[4:] == ("", "[tapis]", "slots = 48", "minutes = 5", "jobs = 2")
    found = taken(suggestion, tmp_path, **said).settings["tapis"]
    assert (found["slots"], found["minutes"], found["jobs"]) == (48, 5.0, 2)
    assert suggest(study(), jobs(short), USUAL).lines[4:] == ()
    here = suggest(study(backend="local", slots=16), jobs(short), USUAL)
    assert here.lines[4:] == ("", "[local]", "slots = 48")


def test_slots_beyond_the_cores_are_meant_for_cases_that_wait() -> None:
    many = suggest(study(slots=96), jobs({"slots": 96}), USUAL)
    assert (many.slots, many.lines[4:]) == ((96, 96), ())
    no_room = suggest(study(slots=480), jobs({"slots": 480}), USUAL)
    assert no_room.lines[4:] == ("", "[tapis]", "slots = 192")


def test_a_job_is_never_smaller_than_a_case(tmp_path: Path) -> None:
    small = {"cores": 8, "slots": 2, "cases": 2, "running_s": 100.0, "cases_s": 60.0, "longest_case_s": 60.0}
    large = cases(*good(20, cpu=60.0 * 16, memory=300_000.0))
    suggestion = suggest(study(minutes=2.0), jobs(small), large)
    assert suggestion.lines[-4:] == ("[tapis]", "cores = 16", 'memory = "375 GB"', "minutes = 5")
    found = taken(suggestion, tmp_path)
    assert found.resources.memory_mb == found.settings["tapis"]["memory_mb"] == 375_000


def test_without_a_table_of_cases_each_job_is_taken_by_its_largest() -> None:
    suggestion = suggest(None, jobs(*[{}] * 8), None)
    assert suggestion.lines == ("[resources]", "cores = 1", 'memory = "1.5 GB"', "minutes = 8")
    foreign = {"study": "", "cases": 0, "recorded": 0, "case_s": 0.0, "cpu_s": 0.0, "peak_memory_bytes": None}
    assert suggest(None, jobs(*[{**foreign, "running_s": 100.0}] * 8), None).lines == (
        "[resources]",
        "cores = 1",
        "minutes = 3",
    )
    assert suggest(None, jobs(*[{**foreign, "running_s": 100.0}] * 7), None).lines == ()


def test_steps_before_and_after_say_nothing_of_cases() -> None:
    assert suggest(None, jobs(*[{"kind": "before"}] * 20), None).lines == ()


def test_jobs_of_which_nothing_is_known_change_nothing() -> None:
    unknown = {"cores": None, "memory_mb": None, "slots": None, "minutes": None, "recorded": None}
    suggestion = suggest(study(minutes=10.0), jobs(unknown), USUAL)
    assert (suggestion.slots, suggestion.node_hours) == (None, None)
    assert "[tapis]" not in suggestion.lines
