"""Where there is no study, or none that can be read."""

from __future__ import annotations

import pytest

WITH_STUDY = [
    ["plan"],
    ["run"],
    ["run", "--detach"],
    ["status"],
    ["status", "--watch"],
    ["results"],
    ["explain", "before"],
    ["retry"],
    ["cancel"],
    ["fetch", "--all"],
    ["profile"],
]


@pytest.mark.parametrize("words", WITH_STUDY, ids=" ".join)
def test_an_empty_folder_has_no_study(weft, words):
    answer = weft.quick(*words, code=10)
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "\n  hint: " in answer.err
    assert "weft init" in answer.err
    assert list(weft.folder.iterdir()) == []


@pytest.mark.parametrize("words", WITH_STUDY[3:], ids=" ".join)
def test_a_study_that_never_ran_has_no_record(weft, words):
    weft.study()
    answer = weft.quick(*words, code=10)
    assert answer.out == ""
    assert "weft run" in answer.err
    assert [path.name for path in weft.folder.iterdir()] == ["study.toml"]


@pytest.mark.parametrize("words", [["plan"], ["run"], ["status"]], ids=" ".join)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'name = "x"\n[model]\ncomand = "true"\n', "study.toml:3"),
        (b"name = \n", "study.toml:1"),
        (b'name = "gr\xfc\xdfe"\n', "study.toml"),
        (b"", "study.toml"),
    ],
    ids=["unknown key", "no TOML", "no UTF-8", "empty"],
)
def test_a_study_that_cannot_be_read_is_told_with_its_place(weft, words, content, said):
    (weft.folder / "study.toml").write_bytes(content)
    answer = weft.quick(*words)
    assert answer.code in (1, 2)
    assert answer.out == ""
    assert said in answer.err
    assert answer.err.startswith("error: ")


def test_every_complaint_about_a_study_is_told(weft):
    (weft.folder / "study.toml").write_text('name = "x"\n[model]\ncomand = "true"\nwordkir = "job"\n')
    answer = weft.quick("plan", code=2)
    assert answer.err.count("error: ") >= 2
    assert "`command`" in answer.err
    assert "`workdir`" in answer.err


def test_a_folder_in_place_of_the_study(weft):
    (weft.folder / "study.toml").mkdir()
    answer = weft.quick("plan")
    assert answer.code in (1, 2, 10)
    assert answer.err.startswith("error: ")


@pytest.mark.parametrize("name", ["absent.toml", "absent/", "study.txt"])
def test_a_study_that_is_not_there(weft, name):
    answer = weft.quick("status", name, code=10)
    assert name.rstrip("/") in answer.err


def test_a_backend_that_does_not_exist(weft):
    weft.study()
    answer = weft.quick("run", "--on", "lokal", code=2)
    assert "local" in answer.err


def test_init_refuses_to_overwrite(weft):
    weft.study("echo mine {i}")
    mine = (weft.folder / "study.toml").read_text()
    answer = weft.quick("init", "--template", "shell", code=1)
    assert answer.out == ""
    assert "there is already a study.toml" in answer.err
    assert (weft.folder / "study.toml").read_text() == mine
    assert [path.name for path in weft.folder.iterdir()] == ["study.toml"]


def test_init_into_a_file(weft):
    (weft.folder / "notes").write_text("mine")
    answer = weft.quick("init", "notes", code=2)
    assert "hint: name a folder" in answer.err
