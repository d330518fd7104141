"""A study file is changed as its owner would change it: nothing else moves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.core.checks import Edit
from weft.errors import FolderError, StudyFileError
from weft.store import studyedit

FILE = """\
# At the top.
name = "s" # the name

[model]   # what runs
command = "m {x}"
inputs = [
    "a.txt", # first
    "b.txt", # second
]

[parameters]
x = [1, 2]   # odd   spacing stays

[resources]
minutes = 5 # of a case
"""


def lines(text: str) -> list[str]:
    return text.splitlines()


def changed(before: str, *edits: Edit) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    after = studyedit.edited(before, edits)
    old, new = lines(before), lines(after)
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_a_value_is_set_where_it_stands() -> None:
    gone, come = changed(FILE, Edit(key=("resources", "minutes"), do="set", value=9))
    assert (gone, come) == (["minutes = 5 # of a case"], ["minutes = 9 # of a case"])


def test_a_key_is_added_to_its_table_and_a_table_to_the_end() -> None:
    gone, come = changed(FILE, Edit(key=("resources", "cores"), do="set", value=2))
    assert (gone, come) == ([], ["cores = 2"])
    after = studyedit.edited(FILE, [Edit(key=("output", "keep"), do="add", value="out.txt")])
    assert after == FILE + '\n[output]\nkeep = ["out.txt"]\n'


def test_items_come_and_go() -> None:
    gone, come = changed(FILE, Edit(key=("model", "inputs"), do="add", value="c.txt"))
    assert gone == []
    assert [line.strip() for line in come] == ['"c.txt",']
    after = studyedit.edited(FILE, [Edit(key=("model", "inputs"), do="drop", value="a.txt")])
    assert '"a.txt"' not in after
    assert '"b.txt", # second' in after
    assert "# At the top." in after
    both = [Edit(key=("model", "inputs"), do="drop", value=name) for name in ("a.txt", "b.txt")]
    assert "inputs" not in studyedit.edited(FILE, both)


def test_a_list_of_one_may_be_a_string() -> None:
    text = '[model]\ncommand = "m"\ninputs = "a.txt"\n'
    add = Edit(key=("model", "inputs"), do="add", value="b.txt")
    assert 'inputs = ["a.txt", "b.txt"]' in studyedit.edited(text, [add])
    drop = Edit(key=("model", "inputs"), do="drop", value="a.txt")
    assert "inputs" not in studyedit.edited(text, [drop])


@pytest.mark.parametrize(
    "edit",
    [
        Edit(key=("resources", "minutes"), do="set", value=5),
        Edit(key=("model", "inputs"), do="add", value="a.txt"),
        Edit(key=("model", "inputs"), do="drop", value="z.txt"),
        Edit(key=("output", "keep"), do="drop", value="z.txt"),
        Edit(key=("output", "chunk"), do="remove"),
        Edit(key=("model", "shared"), do="remove"),
    ],
)
def test_what_is_so_already_stays(edit: Edit) -> None:
    assert studyedit.edited(FILE, [edit]) == FILE


def test_twice_is_once() -> None:
    edits = [
        Edit(key=("model", "env", "OMP_NUM_THREADS"), do="set", value="1"),
        Edit(key=("output", "keep"), do="set", value=("a", "b")),
        Edit(key=("retry", "attempts"), do="set", value=2),
    ]
    once = studyedit.edited(FILE, edits)
    assert studyedit.edited(once, edits) == once


def test_line_ends_and_byte_order_mark_stay() -> None:
    windows = "\ufeff" + FILE.replace("\n", "\r\n")
    after = studyedit.edited(windows, [Edit(key=("model", "shared"), do="add", value="lib")])
    assert after.startswith("\ufeff# At the top.\r\n")
    assert after.count("\n") == after.count("\r\n") == FILE.count("\n") + 1


def study(folder: Path) -> Path:
    file = folder / "study.toml"
    file.write_bytes(FILE.replace("\n", "\r\n").encode())
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("x")
    file.chmod(0o640)
    return file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = study(tmp_path)
    text = studyedit.read_exactly(file)
    studyedit.replace(file, text.replace("minutes = 5", "minutes = 6"))
    assert b"minutes = 6 # of a case\r\n" in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt", "study.toml"]


def test_a_link_to_a_study_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file = study(tmp_path / "real")
    link = tmp_path / "study.toml"
    link.symlink_to(file)
    studyedit.replace(link, studyedit.read_exactly(link).replace("minutes = 5", "minutes = 6"))
    assert link.is_symlink()
    assert "minutes = 6" in file.read_text()


@pytest.mark.parametrize("locked", ["file", "folder", "late"])
def test_what_cannot_be_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    file = study(tmp_path)
    before = file.read_bytes()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if locked == "late":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        closed = file if locked == "file" else tmp_path
        monkeypatch.setattr(os, "access", lambda path, _: path != closed)
    with pytest.raises(FolderError, match=r"permission|may not be written"):
        studyedit.replace(file, studyedit.read_exactly(file).replace("minutes = 5", "minutes = 6"))
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt", "study.toml"]


def test_a_link_that_somebody_laid_beside_it_is_not_followed(tmp_path: Path) -> None:
    file = study(tmp_path)
    before = file.read_bytes()
    (tmp_path / f".weft-{os.getpid()}.aside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="exists"):
        studyedit.replace(file, studyedit.read_exactly(file).replace("minutes = 5", "minutes = 6"))
    assert file.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


def test_what_would_be_no_study_is_not_written(tmp_path: Path) -> None:
    file = study(tmp_path)
    before = file.read_bytes()
    with pytest.raises(StudyFileError, match="as it would be") as problem:
        studyedit.replace(file, "[model]\nnothing = 1\n")
    assert "nothing was changed" in str(problem.value)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt", "study.toml"]
