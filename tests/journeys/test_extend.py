"""Running twice, extending, retrying, and changing what results depend on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.journeys.place import Place

STUDY = """\
name = "study"
[model]
command = "sh model.sh {{a}} {{params}}"
inputs = ["model.sh"]
env = {{ LOG = "{log}" }}
[parameters]
a = [1, 2, 3]
"""
MODEL = 'echo "$1" >> "$LOG"\n[ "$1" != 2 ] || [ -e "$LOG.mended" ]\n'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, STUDY.format(log=tmp_path / "log"), model__sh=MODEL)


def test_the_second_run_runs_nothing(place: Place) -> None:
    place.weft("run", code=3)
    assert place.log() == ["1", "2", "3"]
    place.weft("run", code=3)
    assert place.log() == ["1", "2", "3"]


def test_a_new_value_runs_alone(place: Place) -> None:
    place.weft("run", code=3)
    place.edit("study.toml", "[1, 2, 3]", "[1, 5, 2, 3]")
    place.weft("run", code=3)
    assert place.log() == ["1", "2", "3", "5"]
    assert [row["a"] for row in place.table()] == [1, 2, 3, 5]


def test_a_new_row_of_a_table_runs_alone(tmp_path: Path) -> None:
    study = STUDY.format(log=tmp_path / "log").replace(
        "[parameters]\na = [1, 2, 3]", '[space]\ntable = "a.csv"'
    )
    place = Place(tmp_path, study, model__sh=MODEL, a__csv="a\n1\n3\n")
    place.weft("run")
    place.write("a.csv", "a\n1\n4\n3\n")
    place.weft("run")
    assert place.log() == ["1", "3", "4"]


def test_a_new_parameter_with_a_default_runs_only_its_other_values(place: Place) -> None:
    place.weft("run", code=3)
    place.edit("study.toml", "a = [1, 2, 3]", "a = [1, 2, 3]\nb = { values = [0, 1], default = 0 }")
    place.weft("run", code=3)
    assert place.log() == ["1", "1", "2", "2", "3", "3"]


def test_a_new_parameter_with_a_default_may_stand_in_the_command(place: Place) -> None:
    place.weft("run", code=3)
    place.edit("study.toml", "a = [1, 2, 3]", "a = [1, 2, 3]\nb = { values = [0, 1], default = 0 }")
    place.edit("study.toml", "sh model.sh {a} {params}", "sh model.sh {a} {params} --b {b}")
    place.weft("run", code=3)
    assert place.log() == ["1", "1", "2", "2", "3", "3"]


def test_a_new_file_of_a_parameter_runs_alone(tmp_path: Path) -> None:
    study = f"""\
name = "study"
[model]
command = 'cat {{record}} >> "$LOG"'
shared = ["records/"]
env = {{ LOG = "{tmp_path / "log"}" }}
[parameters]
record = {{ files = "records/*.txt" }}
"""
    place = Place(tmp_path, study)
    place.write("records/a.txt", "a\n")
    place.write("records/b.txt", "b\n")
    place.weft("run")
    place.write("records/c.txt", "c\n")
    place.weft("run")
    assert place.log() == ["a", "b", "c"]
    place.write("records/a.txt", "A\n")
    place.weft("run", code=4)
    assert "records/a.txt" in place.errors
    assert place.log() == ["a", "b", "c"]


def test_retry_runs_only_what_failed(place: Place) -> None:
    place.weft("run", code=3)
    place.write("log.mended", "")
    place.weft("retry")
    assert place.log() == ["1", "2", "2", "3"]
    place.weft("retry")
    assert place.log() == ["1", "2", "2", "3"]


@pytest.mark.parametrize("change", ["command", "input"])
def test_a_change_of_what_results_depend_on_asks(place: Place, change: str) -> None:
    place.weft("run", code=3)
    if change == "command":
        place.edit("study.toml", "sh model.sh {a}", "sh ./model.sh {a}")
    else:
        place.edit("model.sh", "echo", "printf '%s\\n'")
    place.weft("run", code=4)
    assert ("model.sh" if change == "input" else "command") in place.errors
    assert "hint:" in place.errors
    assert place.log() == ["1", "2", "3"]

    place.weft("run", "--keep", code=3)
    assert place.log() == ["1", "2", "3"]
    place.weft("run", code=3)  # decided once, not asked again
    assert place.log() == ["1", "2", "3"]


def test_rerun_runs_everything_again(place: Place) -> None:
    place.weft("run", code=3)
    place.edit("model.sh", "[ ", "true || [ ")
    place.weft("run", "--rerun")
    assert place.log() == ["1", "1", "2", "2", "3", "3"]
    assert len({row["weft_revision"] for row in place.table()}) == 1


def test_a_value_taken_away_leaves_the_table_and_comes_back_with_its_result(place: Place) -> None:
    place.weft("run", code=3)
    place.edit("study.toml", "[1, 2, 3]", "[1]")
    place.weft("run")
    assert [row["a"] for row in place.table()] == [1]
    place.edit("study.toml", "[1]", "[1, 2, 3]")
    place.weft("run", code=3)
    assert place.log() == ["1", "2", "3"]
    assert [row["a"] for row in place.table()] == [1, 2, 3]


def test_a_default_may_not_change(place: Place) -> None:
    place.edit("study.toml", "a = [1, 2, 3]", "a = [1, 3]\nb = { values = [0, 1], default = 0 }")
    place.weft("run")
    place.edit("study.toml", "default = 0", "default = 1")
    place.weft("run", code=2)
    assert "default" in place.errors
    assert place.log() == ["1", "1", "3", "3"]


def test_the_plan_says_what_the_run_will_do_after_a_mended_command(tmp_path: Path) -> None:
    study = STUDY.format(log=tmp_path / "log")
    place = Place(tmp_path, study, model__sh='echo "$1" >> "$LOG"; exit 4\n')
    place.weft("run", code=3)
    place.write("model.sh", 'echo "$1" >> "$LOG"\n')
    assert "3 to run" in place.weft("plan")
    place.weft("run")
    assert place.log() == ["1", "1", "2", "2", "3", "3"]


def test_an_input_that_changes_while_the_study_runs_holds_it(tmp_path: Path) -> None:
    study = STUDY.format(log=tmp_path / "log")
    place = Place(tmp_path, study, model__sh='echo "$1" >> "$LOG"; echo "# edited" >> "$HERE/model.sh"\n')
    place.edit("study.toml", "env = {", f'env = {{ HERE = "{tmp_path}", ')
    place.weft("run", "--pilot", "1", code=6)
    assert place.log() == ["2"]
    assert "model.sh changed while the study ran" in place.weft("status")
    place.weft("run", code=4)
    place.weft("run", "--keep")
    assert place.log() == ["1", "2", "3"]


def test_a_copied_study_has_job_ids_of_its_own(place: Place, tmp_path: Path) -> None:
    place.weft("run", code=3)
    copied = tmp_path.parent / f"{tmp_path.name}-copy"
    shutil.copytree(tmp_path, copied)
    other = Place(copied, (tmp_path / "study.toml").read_text())
    for one in (place, other):
        one.edit("study.toml", "[1, 2, 3]", "[1, 2, 3, 4]")
        one.weft("run", code=3)
    jobs = [{path.name for path in one.folder.jobs.iterdir()} for one in (place, other)]
    assert len(jobs[0] & jobs[1]) == 1  # the job from before the copy
