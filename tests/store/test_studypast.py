"""What earlier cases tell: of the journal, of the newest outputs, and of the user's history."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.core.scenes import jobs
from tests.store.test_studyfacts import seen

from weft.core import events as ev
from weft.model import Outcome
from weft.store import studyfacts, studypast
from weft.store.folder import StudyFolder
from weft.store.history import History
from weft.store.studyfile import load
from weft.store.studypast import past_in_history


def ended(case: str, wall: float, **said: Any) -> ev.CaseEnded:
    usual: dict[str, Any] = {"outcome": Outcome.FINISHED, "memory": 1000, "files": 2, "kept": 3}
    return ev.CaseEnded(at=2.0, by="node", job="s-k-0001", case=case, start=1.0, wall=wall, **(usual | said))


def past(folder: Path, *cases: ev.CaseEnded, kept: str = "") -> Any:
    place = StudyFolder(folder, "s")
    place.make()
    place.job("s-k-0001").mkdir(exist_ok=True)
    place.journal.write_bytes(ev.encode([*cases]) + b'{"event":"CaseEnded","torn')
    if kept:
        with zipfile.ZipFile(place.job("s-k-0001") / "out-000.zip", "w") as archive:
            archive.writestr("a/stdout.txt", kept)
            archive.writestr("a/out.txt", "x")
    return seen(folder).past


def test_the_past_is_what_finished_cases_took(tmp_path: Path) -> None:
    found = past(
        tmp_path,
        *(ended(str(number), float(number)) for number in range(1, 101)),
        ended("x", 1e6, outcome=Outcome.TIMED_OUT, memory=10**9),
        ended("y", 1e6, carried=1),
    )
    assert (found.cases, found.wall_s, found.wall_p95_s, found.memory_bytes) == (100, 50.5, 96.0, 1000)
    assert (found.files, found.kept, found.output_bytes) == (2, 300, 0.0)


def test_cases_tell_how_much_they_printed(tmp_path: Path) -> None:
    untold, little, much = (
        ended("a", 1.0),
        ended("b", 1.0, printed=2_000_000),
        ended("c", 1.0, printed=2_000_001),
    )
    found = past(tmp_path, untold, little, much)
    assert (found.long_logs, found.printed_bytes) == (1, 2_000_001)
    found = past(tmp_path, untold)
    assert (found.long_logs, found.printed_bytes) == (0, 0)


def test_the_newest_outputs_tell_what_was_kept(tmp_path: Path) -> None:
    found = past(tmp_path, ended("a", 1.0), kept="l" * 2_000)
    assert found.kept == 1, "a log is no file to keep"
    assert found.output_bytes > 2_000


def test_only_the_end_of_a_long_journal_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studypast, "JOURNAL_BYTES", 600)
    assert 0 < past(tmp_path, *(ended(str(number), 1.0) for number in range(100))).cases < 5


def test_no_past_and_outputs_that_are_damaged(tmp_path: Path) -> None:
    assert seen(tmp_path).past.cases == 0
    place = StudyFolder(tmp_path, "s")
    place.make()
    place.job("s-k-0001").mkdir()
    (place.job("s-k-0001") / "out-000.zip").write_bytes(b"no ZIP")
    found = past(tmp_path, ended("a", 1.0))
    assert (found.kept, found.output_bytes) == (3, 0.0), "the journal tells, with the logs"


def test_the_history_tells_where_the_study_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    seen(tmp_path)
    study = load(tmp_path)
    assert past_in_history(study).cases == 0
    said = {
        "study": "s",
        "backend": "local",
        "recorded": 4,
        "case_s": 40.0,
        "peak_memory_bytes": 7,
        "files_kept": 4,
    }
    failed = {**said, "failed_cases": 4, "case_s": 4000.0, "peak_memory_bytes": 9}
    with History() as history:
        history.keep(jobs({"job": "c", **failed}))
    assert past_in_history(study).cases == 0, "what failed tells nothing"
    with History() as history:
        history.keep(
            jobs({"job": "a", **said, "longest_case_s": 12.0}, {"job": "b", **said, "study": "other"})
        )
    found = studyfacts.facts_of(study, StudyFolder(tmp_path, "s"), 2, now=1.0, history=True).past
    assert (found.cases, found.wall_s, found.wall_p95_s, found.memory_bytes) == (4, 10.0, 12.0, 7)
