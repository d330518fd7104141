"""Whatever is wrong with the history, a study is planned, run and analysed, and the user is told once what is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.core.scenes import jobs

from weft.api import Study
from weft.store import history
from weft.store.history import History


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history with a job; it is waited for no more than a moment."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    for each in ("WHEN_FORETELLING", "WHEN_REMEMBERING"):
        monkeypatch.setattr(history, each, 0.05)
    assert history.remember(jobs({})) == ""
    return tmp_path / "home" / history.NAME


@pytest.fixture
def study(tmp_path: Path) -> Study:
    file = tmp_path / "study.toml"
    file.write_text('name = "nap"\n[model]\ncommand = "true"\n[resources]\nminutes = 1\n')
    return Study.load(file)


def told(texts: Any) -> list[str]:
    return [text for text in texts if "history" in text]


def test_nothing_is_told_of_a_history_that_is_sound(path: Path, study: Study) -> None:
    assert told(study.plan().notes) == []
    assert study.run().warnings == ()
    assert told(study.analysis().problems) == []


@pytest.mark.parametrize("odd", ["start = 'abc'", "app = x'00ff'", "nodes = 1e30", "start = -62135596800"])
def test_a_row_that_makes_no_sense_stops_nothing(path: Path, study: Study, odd: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE jobs SET {odd}, system = '', queue = ''")
    connection.commit()
    connection.close()
    test_nothing_is_told_of_a_history_that_is_sound(path, study)
    assert study.check() is not None


def test_a_damaged_history_stays_where_it_is_until_there_is_something_to_write(
    path: Path, study: Study
) -> None:
    path.write_bytes(b"no database " * 1000)
    (note,) = told(study.plan().notes)
    assert note.startswith(
        "the history of jobs is damaged (file is not a database), so the prediction does without"
    )
    assert study.check() is not None
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    summary = study.run()
    assert summary.done == 1
    assert len(summary.warnings) == 2
    assert "it is now history.sqlite3.damaged-1" in summary.warnings[1]
    assert told(study.analysis().problems) == []


def test_a_profile_tells_once_what_is_wrong(path: Path, study: Study) -> None:
    study.run()
    path.write_bytes(b"no database " * 1000)
    assert len(told(study.analysis().problems)) == 1
    path.unlink()
    path.mkdir()
    assert len(told(study.analysis().problems)) == 1


def test_a_locked_history_is_waited_for_twice_and_told(path: Path, study: Study) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert len(told(study.plan().notes)) == 1
    before, after = study.run().warnings
    assert before.startswith("the history of jobs is locked, so the prediction does without it; ")
    assert after.startswith("the history of jobs is locked, so these jobs are not in it; ")
    assert len(told(study.analysis().problems)) == 1
    other.close()


def broken(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize(
    "breaks",
    [
        lambda patch: patch.setattr(History, "knows", broken),
        lambda patch: patch.setattr(History, "keep", broken),
        lambda patch: patch.setattr(History, "__init__", broken),
        lambda patch: patch.setattr(history, "remember", broken),
    ],
)
def test_no_fault_of_ours_in_it_stops_a_run(
    path: Path, study: Study, monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None]
) -> None:
    breaks(monkeypatch)
    assert all("a fault of ours" in text for text in told(study.plan().notes))
    summary = study.run()
    assert summary.done == 1
    assert any("ZeroDivisionError: a fault of ours" in text for text in summary.warnings)
