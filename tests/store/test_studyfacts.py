"""What is seen of a study's files and its machine, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weft.core.checks import Facts
from weft.core.checks.inputs import BROKEN
from weft.store import studyfacts
from weft.store.folder import StudyFolder
from weft.store.studyfile import load
from weft.tapis.storebook import Book, File, Kept, Where

DAY = 86_400.0


def write(folder: Path, **files: str | bytes) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def seen(folder: Path, model: str = "", rest: str = "", now: float = 1.0) -> Facts:
    text = f"name = 's'\n[model]\ncommand = 'm {{x}}'\n{model}\n[parameters]\nx = [1, 2]\n{rest}\n"
    (folder / "study.toml").write_text(text)
    study = load(folder)
    return studyfacts.facts_of(study, StudyFolder(folder, "s"), 2, now=now)


def test_files_know_their_entry(tmp_path: Path) -> None:
    write(tmp_path, a_dot_txt="a", d__b_dot_txt="bb", e__f__c_dot_txt="ccc", l__x_dot_txt="x")
    model = 'inputs = ["a.txt", "./d", "e/**/*.txt"]\nshared = ["l"]'
    told = {file.path: (file.role, file.entry, file.bytes) for file in seen(tmp_path, model).files}
    assert told == {
        "a.txt": ("inputs", "a.txt", 1),
        "d/b.txt": ("inputs", "./d", 2),
        "e/f/c.txt": ("inputs", "e/**/*.txt", 3),
        "l/x.txt": ("shared", "l", 1),
    }


def test_steps_and_parameters_have_files_too(tmp_path: Path) -> None:
    write(tmp_path, a_dot_AT2="a", m_dot_py="m", t_dot_in="{{ x }}")
    model = 'templates = "t.in"'
    rest = 'r = { files = "*.AT2" }\n[before]\ncommand = "true"\ninputs = "m.py"\n[after]\ncommand = "true"\ninputs = "m.py"'
    told = seen(tmp_path, model + "\nenv = { R = '{r}' }", rest).files
    assert [(file.path, file.role) for file in told] == [
        ("t.in", "templates"),
        ("a.AT2", "parameters"),
        ("m.py", "before"),
        ("m.py", "after"),
    ]


def test_links_to_nothing_and_what_is_never_taken(tmp_path: Path) -> None:
    write(tmp_path, l__a="a", l____pycache____b="b")
    (tmp_path / "l/.git").mkdir()
    (tmp_path / "l/.git/config").write_text("c")
    (tmp_path / "l/gone").symlink_to("nowhere")
    (tmp_path / "l/round").symlink_to(".")
    told = {
        file.path: file.wrong
        for file in seen(tmp_path, 'shared = "l"').files
        if "__pycache__" not in file.path
    }
    assert told["l/gone"] == BROKEN
    assert "l/.git/config" not in told
    assert not [path for path in told if path.startswith("l/round/")]


def test_what_goes_while_it_is_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, l__a="a", l__b="b")
    look = os.stat

    def gone(path: Any, **how: Any) -> os.stat_result:
        if str(path).endswith("/l/a"):
            raise FileNotFoundError(2, "No such file or directory")
        return look(path, **how)

    monkeypatch.setattr(os, "stat", gone)
    told = {file.path: file.wrong for file in studyfacts._below(str(tmp_path / "l"), "l")}
    assert told == {"l/a": "No such file or directory", "l/b": ""}


def test_what_has_gone_since_is_told(tmp_path: Path) -> None:
    write(tmp_path, a="a")
    seen(tmp_path, 'inputs = "a"')
    study = load(tmp_path)
    (tmp_path / "a").unlink()
    (file,) = studyfacts.facts_of(study, StudyFolder(tmp_path, "s"), 2, now=1.0).files
    assert file.wrong == "No such file or directory"


def test_only_equal_files_have_a_digest(tmp_path: Path) -> None:
    same, other = b"x" * 100_000, b"x" * 50_000 + b"y" + b"x" * 49_999
    write(tmp_path, a=same, b=same, c=other, d=b"x" * 99, e=b"x" * 99)
    digests = {file.path: file.digest for file in seen(tmp_path, 'inputs = ["a", "b", "c", "d", "e"]').files}
    assert digests["a"] == digests["b"] != ""
    assert digests["c"] != digests["a"]
    assert digests["d"] == digests["e"] == "", "too small to matter"


def test_a_shared_folder_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    write(tmp_path, far__lib__a=b"z" * 2000, far__lib__b=b"z" * 2000)
    told = seen(tmp_path / "study", f'shared = "{tmp_path}/far/lib"').files
    assert {file.path for file in told} == {"lib/a", "lib/b"}
    assert len({file.digest for file in told} - {""}) == 1


def test_no_more_is_looked_at_than_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studyfacts, "MOST_FILES", 3)
    write(tmp_path, **{f"l__{number}": "x" for number in range(5)})
    assert len(seen(tmp_path, 'shared = "l"').files) == 3


def test_scripts(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_dot_sh=b"#!/bin/sh\r\necho\r\n",
        b_dot_sh="#!/usr/bin/env -S no-such-shell x\n",
        c_dot_py="#!/bin/sh\n",
        d=b"\x7fELF\0\r\n",
    )
    (tmp_path / "d").chmod(0o755)
    told = {each.path: each for each in seen(tmp_path, 'inputs = ["a.sh", "b.sh", "c.py", "d"]').scripts}
    assert sorted(told) == ["a.sh", "b.sh", "d"]
    assert (told["a.sh"].crlf, told["a.sh"].interpreter, told["a.sh"].found) == (True, "/bin/sh", True)
    assert (told["b.sh"].interpreter, told["b.sh"].found) == ("no-such-shell", False)
    assert (told["d"].crlf, told["d"].executable, told["d"].interpreter) == (False, True, "")


def test_what_lies_beside_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="x", b="x", sub__c="x")
    write(tmp_path, **{".hidden": "x"})
    assert seen(tmp_path).beside == ("a", "b", "study.toml")
    monkeypatch.setattr(studyfacts, "MOST_BESIDE", 1)
    assert len(seen(tmp_path).beside) == 1


def test_words_are_looked_at_as_paths(tmp_path: Path) -> None:
    write(tmp_path, a="a", f__b="b")
    text = f"name = 's'\n[model]\ncommand = 'm a ./f/b f/ {tmp_path}/a /no/where/x {tmp_path}/new {{x}}'\n[parameters]\nx = 1\n"
    (tmp_path / "study.toml").write_text(text)
    paths = studyfacts.facts_of(load(tmp_path), StudyFolder(tmp_path, "s"), 1, now=1.0).paths
    assert {name: paths[name] for name in ("a", "f/b", "f", "m")} == {
        "a": "file",
        "f/b": "file",
        "f": "folder",
        "m": "new",
    }
    assert [paths[name] for name in (f"{tmp_path}/a", "/no/where/x", f"{tmp_path}/new")] == [
        "file",
        "absent",
        "new",
    ]


def test_what_lies_in_a_store_that_is_purged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    write(tmp_path, lib__a="a")
    where = Where(
        base_url="https://designsafe.tapis.io",
        tenant="designsafe",
        user="ann",
        system="stampede3",
        root_dir="/",
    )
    kept = Kept(
        hash="0" * 16,
        name="lib",
        address="tapis://stampede3/scratch/ann/0000/lib",
        files=(File("a", 1),),
        source=str(tmp_path / "lib"),
        uploaded_at=DAY,
        used_at=2 * DAY,
        seen_at=DAY,
        studies=(str(tmp_path),),
    )
    work = msgspec.structs.replace(kept, address="tapis://stampede3/work2/ann/0000/lib")
    Book(where).change(lambda _: {each.address: each for each in (kept, work)})
    rest = '[run]\non = "tapis"\n[tapis]\napp = "a"\nstorage = "tapis://frontera/scratch1/ann"\nstore = "tapis://ls6/work/x"'
    found = seen(tmp_path, 'shared = "lib"', rest, now=10 * DAY)
    assert [(each.name, each.idle_days, each.purge_days) for each in found.stored] == [("lib", 8.0, 10.0)]
    assert found.purged == {"tapis.storage": 10.0}


def test_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "/scratch/ann/")
    machine = seen(tmp_path).machine
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.scratch == "/scratch/ann"
    assert 0 < machine.free_bytes <= machine.disk_bytes
