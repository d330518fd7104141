"""A job that Tapis gave up, or killed as far as it could, is over when nothing of it may run any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.backends.contract import PATIENCE, Place, started
from tests.backends.tapis.test_backend import archived, place, raw, reached, served
from tests.service.conftest import cheap_passwords, signing_key

from weft.backends.tapis.backend import TapisBackend
from weft.backends.tapis.jobs import Jobs
from weft.backends.tapis.signs import LastSigns
from weft.errors import BackendError
from weft.model import Outcome
from weft.tapis.lifecycle import OUTCOMES, may_live
from weft.tapis.paths import Address
from weft.tapis.session import Rejected

__all__ = ["cheap_passwords", "place", "served", "signing_key"]

FOLDER = Address("hpc", "scratch/job")
START, END = b'{"t": "start", "case": "c0"}\n', b'{"t": "end", "outcome": "INTERRUPTED", "at": 1.0}\n'


class Disk:
    """The folder of a job on a system that may not answer, or not let us in."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.problem: Exception | None = None

    def upload(self, source: bytes, system: str, path: str, **_: Any) -> int:
        if self.problem is not None:
            raise self.problem
        self.files[path] = source
        return 0

    def read(self, system: str, path: str, start: int, most: int) -> bytes | None:
        if self.problem is not None:
            raise self.problem
        data = self.files.get(path)
        return None if data is None else data[start : start + most]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def signs(disk: Disk, now: list[float]) -> LastSigns:
    return LastSigns(disk, quiet=120.0, longest=3600.0, clock=lambda: now[0])  # type: ignore[arg-type]


def test_a_job_that_has_not_begun_is_over_once_it_would_stop(signs: LastSigns, disk: Disk) -> None:
    assert not signs.may_live("a", FOLDER)
    assert "scratch/job/stop" in disk.files


def test_a_runner_that_says_its_last_word_is_over(signs: LastSigns, disk: Disk) -> None:
    disk.files["scratch/job/results.jsonl"] = START
    assert signs.may_live("a", FOLDER)
    disk.files["scratch/job/results.jsonl"] += END
    assert not signs.may_live("a", FOLDER)


def test_a_runner_that_was_killed_is_over_when_it_has_been_quiet(
    signs: LastSigns, disk: Disk, now: list[float]
) -> None:
    disk.files["scratch/job/results.jsonl"] = START
    assert signs.may_live("a", FOLDER)
    now[0] += 100
    disk.files["scratch/job/results.jsonl"] += START
    assert signs.may_live("a", FOLDER)
    now[0] += 100
    assert signs.may_live("a", FOLDER), "it was heard of 100 s ago"
    now[0] += 20
    assert not signs.may_live("a", FOLDER)


def test_a_runner_that_cannot_be_asked_is_given_all_its_time(
    signs: LastSigns, disk: Disk, now: list[float]
) -> None:
    disk.problem = Rejected("no", status=403, said="no")
    assert signs.may_live("a", FOLDER)
    now[0] += 3599
    assert signs.may_live("a", FOLDER)
    now[0] += 1
    assert not signs.may_live("a", FOLDER)


def test_a_runner_that_stops_only_between_cases_is_given_all_its_time(
    signs: LastSigns, disk: Disk, now: list[float]
) -> None:
    disk.files["scratch/job/results.jsonl"] = START
    assert signs.may_live("a", FOLDER, heeds=False)
    now[0] += 3599
    assert signs.may_live("a", FOLDER, heeds=False)
    now[0] += 1
    assert not signs.may_live("a", FOLDER, heeds=False)


def test_no_answer_is_no_end(signs: LastSigns, disk: Disk, now: list[float]) -> None:
    disk.problem = BackendError("no answer")
    assert signs.may_live("a", FOLDER)
    now[0] += 10_000
    assert signs.may_live("a", FOLDER)
    disk.problem = None
    assert not signs.may_live("a", FOLDER)


def test_only_what_says_that_processes_ended_is_believed() -> None:
    doubtful = {word for word in OUTCOMES if may_live({"status": "FAILED", "condition": word})}
    assert doubtful == {
        *("CANCELLED_BY_USER", "JOB_LAUNCH_FAILURE", "JOB_DATABASE_ERROR", "JOB_FILES_SERVICE_ERROR"),
        *("JOB_EXECUTION_MONITORING_ERROR", "JOB_EXECUTION_MONITORING_ERROR_TIMEOUT"),
        *("JOB_EXECUTION_MONITORING_TIMEOUT", "JOB_INTERNAL_ERROR", "JOB_QUEUE_MONITORING_ERROR"),
        *("JOB_RECOVERY_FAILURE", "JOB_RECOVERY_TIMEOUT", "JOB_REMOTE_ACCESS_ERROR"),
    }
    assert may_live({"status": "CANCELLED", "condition": "CANCELLED_BY_USER"})
    assert not may_live({"status": "RUNNING"})
    assert not may_live({"status": "FINISHED"})


@pytest.fixture
def given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From now on Tapis says of every job that it has given it up, and does nothing to it."""
    search = Jobs._search
    told = {"status": "FAILED", "condition": "JOB_EXECUTION_MONITORING_TIMEOUT", "lastMessage": "gave up"}

    def changed(self: Jobs, *arguments: Any) -> list[Any]:
        return [{**one, **told} for one in search(self, *arguments)]

    monkeypatch.setattr(Jobs, "_search", changed)
    yield
    monkeypatch.undo()


def test_a_job_that_was_given_up_stops_before_it_counts_as_over(
    place: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    natives = place.start("j1", "true", f"touch '{tmp_path}/up'; sleep 60; touch '{tmp_path}/late'", slots=1)
    started(tmp_path / "up")
    request.getfixturevalue("given_up")
    seen = place.backend.look(natives)["j1"]
    assert (seen.outcome, seen.word) == (None, "FAILED, but what it started may still run")
    assert place.over(natives).outcome is Outcome.TIMED_OUT
    records = place.records(natives)
    assert [one.outcome for one in records if one.t == "case"] == ["FINISHED", "INTERRUPTED"]
    assert records[-1].t == "end"


def test_the_twin_of_a_job_that_was_submitted_twice_is_waited_for(place: Place, tmp_path: Path) -> None:
    packed = place.pack("j1", f"touch '{tmp_path}/up'; until [ -e '{tmp_path}/go' ]; do sleep 0.05; done")
    first, second = (str(place.again().submit([packed])["j1"]) for _ in range(2))
    started(tmp_path / "up")
    end = time.monotonic() + PATIENCE
    while not (idle := [native for native in (first, second) if status(place, native) == "FAILED"]):
        assert time.monotonic() < end
        time.sleep(0.05)
    natives = {"j1": idle[0]}
    assert place.backend.look(natives)["j1"].outcome is None
    (tmp_path / "go").touch()
    place.over(natives)
    where = archived(place, "results.jsonl")
    reached(place).files.delete(where.system, where.path)  # as if it had been cancelled
    assert [one.outcome for one in place.records(natives) if one.t == "case"] == ["FINISHED"]


def status(place: Place, native: str) -> str:
    return str(raw(place).call("jobs.getJob", jobUuid=native)["status"])


def test_records_that_may_not_be_read_are_not_taken_for_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    natives = place.start("j1", "true")
    place.over(natives)

    def refuse(*_: object) -> None:
        raise Rejected("no", status=403, said="no credential")

    with monkeypatch.context() as patched:
        patched.setattr(reached(place).files, "read", refuse)
        with pytest.raises(BackendError, match="no credential"):
            place.records(natives)
    assert place.records(natives)


def test_records_that_were_archived_in_part_are_read_where_the_job_ran(place: Place) -> None:
    natives = place.start("j1", "true", "true", slots=1)
    place.over(natives)
    where = archived(place, "results.jsonl")
    files = reached(place).files
    whole = files.read(where.system, where.path)
    assert whole
    files.upload(whole[: len(whole) // 3], where.system, where.path)
    assert [one.case for one in place.records(natives) if one.t == "case"] == ["c0", "c1"]


def test_only_what_the_runner_calls_its_outputs_is_brought(place: Place) -> None:
    natives = place.start("j1", "echo a")
    place.over(natives)
    place.records(natives)
    files, there = reached(place).files, archived(place, "out-000.zip")
    files.upload(b"not ours", there.system, there.path.replace("000", "of mine"))
    assert place.backend.bring("j1", natives["j1"]).complaint == ""
    assert [path.name for path in place.folder.zips("j1")] == ["out-000.zip"]


def test_a_job_that_is_not_seen_is_cancelled_in_both_ways(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    place.until(natives, lambda seen: seen.word == "RUNNING")
    with monkeypatch.context() as patched:
        patched.setattr(TapisBackend, "look", lambda *_: {})
        place.backend.cancel(natives)
    end = time.monotonic() + PATIENCE
    while status(place, natives["j1"]) != "CANCELLED":
        assert time.monotonic() < end
        time.sleep(0.05)
