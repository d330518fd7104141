"""The library's verbs, as a notebook uses them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import pytest

import weft
from weft.errors import CheckFailed, NeedsDecision, NoStudyHere, StudyLocked, UsageError

SQUARE = 'echo {i} | awk \'{print "{\\"square\\": " $1 * $1 "}"}\' > result.json; [ {i} -lt 4 ]'


def squares(folder: Path, count: int = 3, command: str = SQUARE) -> weft.Study:
    return weft.Study(
        name="squares",
        folder=folder,
        model={"command": command, "result": "result.json"},
        parameters={"i": {"range": [0, count]}},
    )


def test_a_study_in_a_few_lines(tmp_path: Path) -> None:
    study = squares(tmp_path)
    planned = study.plan()
    assert (planned.total, planned.todo, len(planned.new)) == (3, 3, 3)
    summary = study.run()
    assert (summary.done, summary.failed, summary.settled) == (3, 0, True)
    table = study.results("polars")
    assert table["square"].to_list() == [0, 1, 4]
    assert study.status().done == 3
    assert study.profile().totals.runs == 3


def test_it_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    async def notebook() -> int:
        return squares(tmp_path).run().done

    assert asyncio.run(notebook()) == 3


def test_a_table_may_be_any_rows(tmp_path: Path) -> None:
    rows = ({"i": number} for number in (2, 3))
    study = weft.Study(
        name="rows", folder=tmp_path, model={"command": SQUARE, "result": "result.json"}, table=rows
    )
    study.run()
    assert study.results("polars")["square"].to_list() == [4, 9]
    with pytest.raises(UsageError, match="no step 'before'"):
        study.explain("before")


def test_looking_before_anything_ran(tmp_path: Path) -> None:
    study = squares(tmp_path)
    for look in (study.status, study.results, study.profile, study.explain):
        with pytest.raises(NoStudyHere):
            look()


def test_a_change_is_asked_about_and_the_answer_is_taken(tmp_path: Path) -> None:
    squares(tmp_path).run()
    changed = squares(tmp_path, command=SQUARE.replace("$1 * $1", "$1 * $1 * $1"))
    question = changed.plan().question
    assert question is not None
    assert question.results == 3
    with pytest.raises(NeedsDecision):
        changed.run()
    with pytest.raises(UsageError):
        changed.run(decide="perhaps")
    assert changed.run(decide=lambda asked: asked.choices[1]).done == 3
    assert changed.results("polars")["square"].to_list() == [0, 1, 4]


def test_news_come_while_it_runs_and_a_second_writer_is_refused(tmp_path: Path) -> None:
    study = squares(tmp_path, command="sleep 0.2; " + SQUARE)
    seen: list[int] = []
    refused: list[str] = []

    def watch(summary: weft.Summary, news: object) -> None:
        seen.append(summary.done)
        if not refused:
            with pytest.raises(StudyLocked) as problem:
                squares(tmp_path).run()
            refused.append(str(problem.value))

    study.run(watch=watch)
    assert seen[-1] == 3
    assert "is being run by process" in refused[0]


def test_cancel_from_elsewhere_stops_a_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    study = squares(tmp_path, command=f"[ -e '{tmp_path}/go' ] || sleep 60; " + SQUARE)
    ended: list[weft.Summary] = []
    running = threading.Thread(target=lambda: ended.append(study.run()))
    running.start()
    deadline = time.monotonic() + 30
    while not (study.folder.exists and study.status().active) and time.monotonic() < deadline:
        time.sleep(0.05)
    squares(tmp_path, command=f"[ -e '{tmp_path}/go' ] || sleep 60; " + SQUARE).cancel()
    running.join(30)
    assert ended[0].waiting == 3
    (tmp_path / "go").touch()
    assert study.run().done == 3


def test_failed_cases_are_retried_on_request_only(tmp_path: Path) -> None:
    study = squares(tmp_path, 5, f"[ -e '{tmp_path}/mended' ] || [ {{i}} != 1 ] && " + SQUARE)
    summary = study.run()
    assert (summary.done, summary.failed) == (3, 2)
    (tmp_path / "mended").touch()
    assert study.run().failed == 2
    assert study.retry().failed == 1  # i = 4 fails by nature


@pytest.mark.parametrize("name", weft.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(weft, name).__doc__


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Studdy'"):
        weft.Studdy  # noqa: B018


def test_results_as_a_pandas_table(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed (pip install 'weft[pandas]')")
    study = squares(tmp_path, 5)
    study.run()
    frame = study.results()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["square"].tolist() == [0, 1, 4, 9, 16]
    assert frame["status"].tolist() == ["done"] * 4 + ["failed"]


def test_a_missing_pandas_is_told_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = squares(tmp_path)
    study.run()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(weft.WeftError, match=r"weft\[pandas\]"):
        study.results()


def test_a_pilot_of_fewer_than_no_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="-3"):
        squares(tmp_path).run(pilot=-3)


def test_a_run_does_not_begin_with_a_failed_check(tmp_path: Path) -> None:
    (tmp_path / "case.sh").write_text("echo {}> result.json\n")
    study = squares(tmp_path, command="sh case.sh {i}")
    with pytest.raises(CheckFailed, match=r"a check failed \(files that commands name\): `case.sh`") as told:
        study.run()
    assert told.value.hint.endswith("; `check()` tells all; `run(check=False)` runs it all the same")
    assert not study.folder.exists
    assert study.run(check=False).failed == 3
    assert study.run().failed == 3, "nothing would be submitted, so nothing is in the way"


def test_a_retry_does_not_begin_with_a_failed_check(tmp_path: Path) -> None:
    study = squares(tmp_path, 5)
    assert study.run().failed == 1
    (tmp_path / "case.sh").write_text("echo {}> result.json\n")
    broken = squares(tmp_path, 5, "sh case.sh {i}")
    assert broken.submits(retry=True)
    with pytest.raises(CheckFailed, match="files that commands name") as told:
        broken.retry(decide="keep")
    assert told.value.hint.endswith("; `check()` tells all; `retry(check=False)` runs it all the same")
    assert broken.retry(run=False).failed == 1, "what is only noted is checked when it is run"
    assert broken.retry(check=False, decide="keep").failed == 1


def test_a_step_that_failed_is_submitted_by_a_retry_alone(tmp_path: Path) -> None:
    study = weft.Study(
        name="a", folder=tmp_path, model={"command": "true"}, parameters={}, after={"command": "false"}
    )
    assert study.submits()
    assert study.run().hold
    assert not study.submits()
    assert study.submits(retry=True)


def test_a_retry_waits_for_the_studies_before_it(tmp_path: Path) -> None:
    def chained(*before: str) -> weft.Study:
        return weft.Study(
            name="second",
            folder=tmp_path,
            model={"command": "false"},
            parameters={},
            before={"studies": before},
        )

    first = '[model]\ncommand = "echo {i}"\n[parameters]\ni = [1]\n'
    (tmp_path / "first.toml").write_text(first)
    weft.Study.load(tmp_path / "first.toml").run()
    study = chained("first.toml")
    assert study.run().failed == 1
    (tmp_path / "first.toml").write_text(first.replace("[1]", "[1, 2]"))
    with pytest.raises(weft.WeftError, match="which comes before this one, is not complete"):
        study.retry()


def test_a_kind_of_table_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"polar\b") as caught:
        squares(tmp_path).results("polar")
    assert "pandas" in caught.value.hint and "polars" in caught.value.hint


def test_a_plain_string_is_one_name(tmp_path: Path) -> None:
    study = weft.Study(
        name="squares",
        folder=tmp_path,
        model={"command": SQUARE + " && echo done", "result": "result.json"},
        parameters={"i": {"range": [0, 5]}},
        output={"keep": ["result.json"]},
    )
    study.run()
    first, *_, last = study.cases
    fetched = study.fetch(first, tmp_path / "to", "result.json")
    assert [str(path.relative_to(tmp_path / "to")) for path in fetched] == [f"{first}/result.json"]
    assert study.retry(last, run=False).failed == 1
    for refused in (study.retry, study.cancel, lambda name: study.cancel(cases=name)):
        with pytest.raises(UsageError, match="nothing"):
            refused("nothing")


def test_who_asks_for_it_is_told_of_the_end(tmp_path: Path) -> None:
    study = weft.Study(
        name="told",
        model={"command": "[ {i} != 1 ]"},
        parameters={"i": [0, 1]},
        folder=tmp_path,
        notify={"command": f"cat > '{tmp_path}/notice.json'", "mail": "not an address @"},
    )
    summary = study.run()
    told = json.loads((tmp_path / "notice.json").read_text())
    assert (told["study"], told["outcome"], told["done"], told["failed"]) == ("told", "failed cases", 1, 1)
    assert [warning for warning in summary.warnings if "mail" in warning]


def test_exactly_what_would_be_sent_is_told(tmp_path: Path) -> None:
    study = weft.Study(name="sent", model={"command": "true"}, parameters={}, folder=tmp_path)
    (request,) = study.requests()
    assert request["argv"][-1].endswith("/jobs/sent-new-0001")
    assert not study.folder.exists
