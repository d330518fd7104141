"""Which files a study has, and what is in them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from weft.errors import StudyFileError, WeftError
from weft.model import Model, Parameter, Step, Study
from weft.store import inputs
from weft.store.inputs import Folder, case_name, digests, local_path, natural


def tree(root: Path, *names: str) -> Folder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return Folder(str(root))


def study(root: Path, *, parameters: Any = None, before: Step | None = None, **model: Any) -> Study:
    return Study(
        name="s",
        folder=str(root),
        file=str(root / "study.toml"),
        model=Model(command="x", **model),
        parameters=parameters or {},
        before=before,
    )


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Which files


def test_a_folder_is_all_files_below_without_wefts_and_gits_own(tmp_path: Path) -> None:
    names = ("a", ".hidden", "d/b", "d/e/c", ".weft/x", "d/__pycache__/y", ".git/z", "d/.git/z")
    folder = tree(tmp_path, *names)
    assert folder.inputs(".") == [".hidden", "a", "d/b", "d/e/c"]
    assert folder.inputs("./d/") == ["d/b", "d/e/c"]


def test_patterns_match_files_and_folders(tmp_path: Path) -> None:
    folder = tree(tmp_path, "a.py", "b.py", "c.txt", "d/x.py", "d/e/y.py")
    assert folder.inputs("*.py") == ["a.py", "b.py"]
    assert sorted(folder.inputs("**/*.py")) == ["a.py", "b.py", "d/e/y.py", "d/x.py"]
    assert folder.inputs("d*") == ["d/e/y.py", "d/x.py"]
    assert folder.files("*") == ["a.py", "b.py", "c.txt"]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_it_exists(tmp_path: Path) -> None:
    assert tree(tmp_path, "a[1].py", "a1.py").inputs("a[1].py") == ["a[1].py"]


def test_files_are_in_natural_order(tmp_path: Path) -> None:
    assert tree(tmp_path, "r10", "r9", "r1", "R2").files("*") == ["R2", "r1", "r9", "r10"]
    assert sorted(["a10", "a9", "b1", "a"], key=natural) == ["a", "a9", "a10", "b1"]


def test_links_may_not_lead_out_except_for_what_is_shared(tmp_path: Path) -> None:
    tree(tmp_path, "out/secret", "in/a")
    folder = Folder(str(tmp_path / "in"))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out" / "secret")
    (tmp_path / "in" / "dir").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "fine").symlink_to("a")
    for pattern in ("link", "dir", "dir/secret", ".", "*"):
        with pytest.raises(WeftError, match="leaves the study's folder") as error:
            folder.inputs(pattern)
        assert "shared" in error.value.hint
    with pytest.raises(WeftError, match="leaves"):
        folder.files("dir/*")
    assert folder.files("dir/*", ("dir",)) == ["dir/secret"]
    assert folder.shared("dir/") == ["dir"]
    assert folder.inputs("fine") == ["fine"]


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path, "d/a")
    (tmp_path / "d" / "again").symlink_to(tmp_path / "d")
    with pytest.raises(WeftError, match="around itself"):
        folder.inputs("d")


def test_the_same_folder_twice_is_no_circle(tmp_path: Path) -> None:
    folder = tree(tmp_path, "d/a")
    (tmp_path / "e").symlink_to("d")
    assert folder.inputs(".") == ["d/a", "e/a"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    words = {
        "pipe": "not a regular file",
        "broken": "there is no",
        ".": "not a regular file",
        "empty": "no file",
    }
    for name, what in words.items():
        with pytest.raises(WeftError, match=what):
            Folder(str(tmp_path)).inputs(name)


def test_the_line_that_makes_a_file_readable_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my model.py").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(WeftError, match=r"`my model\.py` cannot be read") as error:
        Folder(str(tmp_path)).inputs("my model.py")
    assert error.value.hint == f"chmod -- +r '{tmp_path}/my model.py'"


def test_names_that_no_file_should_have(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(WeftError, match="control characters"):
        Folder(str(tmp_path)).inputs(".")
    (tmp_path / "a\nb").unlink()
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("")
    with pytest.raises(WeftError, match="not UTF-8"):
        Folder(str(tmp_path)).inputs("*")


def test_too_many_files_are_refused_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MOST_FILES", 3)
    with pytest.raises(WeftError, match="more than 3 files") as error:
        tree(tmp_path, "a", "b", "c", "d").inputs(".")
    assert "shared" in error.value.hint


def test_the_nearest_file_is_offered(tmp_path: Path) -> None:
    with pytest.raises(WeftError) as error:
        tree(tmp_path, "d/portal.py", "d/x").inputs("d/potral.py")
    assert error.value.hint == "did you mean `portal.py`?"


@pytest.mark.parametrize(
    ("path", "normal"), [("a", "a"), ("./a//b/", "a/b"), ("a/../b", "b"), (".", "."), ("..a", "..a")]
)
def test_paths_have_one_form(path: str, normal: str) -> None:
    assert local_path(path) == normal


@pytest.mark.parametrize("path", ["/a", "~/a", "..", "../a", "a/../../b", "a\0b", "a\nb"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(WeftError) as error:
        local_path(path)
    assert error.value.hint


def test_shared_may_be_absolute_and_then_has_its_last_name(tmp_path: Path) -> None:
    folder = tree(tmp_path, "in/x", "big/records/r1")
    assert folder.shared(f"{tmp_path}/big/records/") == [f"{tmp_path}/big/records"]
    assert case_name(f"{tmp_path}/big/records") == "records"
    assert case_name("big/records") == "big/records"


def test_shared_may_be_in_the_user_s_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree(tmp_path, "in/x", "MyData/r1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder.shared("~/MyData") == [f"{tmp_path}/MyData"]
    with pytest.raises(WeftError, match="not inside"):
        folder.shared("~nobody-of-this-name/x")


# What is in them


def test_every_file_that_a_study_names_has_a_digest(tmp_path: Path) -> None:
    tree(tmp_path, "m.py", "t.in", "big/a", "big/d/b", "one", "r/1", "Makefile", "other", "study.toml")
    one = str(tmp_path / "one")
    made = study(
        tmp_path,
        inputs=("m.py",),
        templates=("t.in",),
        shared=("big", one),
        parameters={"r": Parameter(values=("r/1",), is_file=True), "s": Parameter(values=("other",))},
        before=Step(command="make", inputs=("Makefile",)),
    )
    names = ("m.py", "t.in", "big/a", "big/d/b", "r/1", "Makefile")
    assert digests(made, None) == {**{name: sha(name) for name in names}, one: sha("one")}


def test_a_digest_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "m.py", "n.py")
    made, cache = study(tmp_path, inputs=("m.py", "n.py")), tmp_path / "cache.json"
    for name in ("m.py", "n.py"):
        os.utime(tmp_path / name, ns=(10**18, 10**18))
    read: list[str] = []
    hashed = inputs._sha256

    def counted(path: Path) -> str:
        read.append(path.name)
        return hashed(path)

    monkeypatch.setattr(inputs, "_sha256", counted)
    first = digests(made, cache)
    assert digests(made, cache) == first
    assert read == ["m.py", "n.py"]
    (tmp_path / "m.py").write_text("MMPY")
    os.utime(tmp_path / "m.py", ns=(10**18 + 1, 10**18 + 1))
    assert digests(made, cache)["m.py"] == sha("MMPY")
    assert read == ["m.py", "n.py", "m.py"]


def test_a_file_that_has_just_changed_is_read_again(tmp_path: Path) -> None:
    """Its time may be too coarse to show another change of the same size."""
    tree(tmp_path, "m.py")
    made, cache = study(tmp_path, inputs=("m.py",)), tmp_path / "cache.json"
    stat = (tmp_path / "m.py").stat()
    digests(made, cache)
    (tmp_path / "m.py").write_text("MMPY")
    os.utime(tmp_path / "m.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests(made, cache)["m.py"] == sha("MMPY")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff",
        b'{"version": 99}',
        b'{"version": 1, "files": 3}',
        b'{"version": 1, "files": {"x": 3}}',
    ],
)
def test_a_damaged_cache_is_ignored(tmp_path: Path, content: bytes) -> None:
    tree(tmp_path, "m.py")
    (tmp_path / "cache.json").write_bytes(content)
    assert digests(study(tmp_path, inputs=("m.py",)), tmp_path / "cache.json") == {"m.py": sha("m.py")}


def test_a_cache_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    tree(tmp_path, "m.py")
    os.utime(tmp_path / "m.py", ns=(10**18, 10**18))
    found = digests(study(tmp_path, inputs=("m.py",)), tmp_path / "no" / "such" / "cache.json")
    assert found == {"m.py": sha("m.py")}


def test_files_that_are_gone_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError) as error:
        digests(study(tmp_path, inputs=("m.py", "n.py")), None)
    first, second = error.value.complaints
    assert "`m.py`" in first.what
    assert "`n.py`" in second.what
