"""Starting weft again imports nothing that lies where the user stands."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft import __version__
from weft.api import Study
from weft.errors import StudyLocked, WeftError
from weft.store.selfstart import argv, detached


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules have the names of ours and of others, and leave a trace when they are imported."""
    for name in ("weft.py", "click.py", "json.py", "polars.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_this_weft(traps: Path) -> None:
    done = subprocess.run(argv("--version"), capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (f"weft {__version__}\n", 0), done.stderr
    assert not (traps / "trapped").exists()


def test_it_is_this_weft_also_where_it_is_not_installed(traps: Path) -> None:
    words = argv("--version")
    bare = [words[0], "-S", *words[1:]]  # without site-packages: what is ours is found, click is not
    done = subprocess.run(bare, capture_output=True, text=True, timeout=60, env={}, check=False)
    assert "No module named 'click'" in done.stderr
    assert not (traps / "trapped").exists()


def test_a_study_beside_such_modules_goes_on_by_itself(traps: Path) -> None:
    (traps / "study.toml").write_text('name = "a"\n[model]\ncommand = "echo {i}"\n[parameters]\ni = [1, 2]\n')
    study = Study.load("study.toml")
    study.detach()
    until = time.monotonic() + 30
    while not (study.folder.exists and study.status().settled) and time.monotonic() < until:
        time.sleep(0.05)
    assert study.status().done == 2
    assert not (traps / "trapped").exists()


def test_what_ends_at_once_is_told_in_its_own_words(tmp_path: Path) -> None:
    study = Study(name="a", model={"command": "true"}, folder=tmp_path)
    with pytest.raises(WeftError, match="no option `--nonsense`") as told:
        detached(study.folder, ["--nonsense"])
    assert told.value.exit_code == 2
    assert not str(told.value).startswith("error: ")


def test_one_that_is_being_run_is_left_alone(tmp_path: Path) -> None:
    from weft.store.lease import Lease

    study = Study(name="a", model={"command": "true"}, folder=tmp_path)
    study.folder.make()
    with Lease(study.folder.lease), pytest.raises(StudyLocked, match="is being run by process"):
        detached(study.folder, [])
    assert not study.folder.log.exists()
    assert sys.executable == argv()[0]
