"""``weft check``: what it shows, what it mends, and what a run does with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Weft

from weft.api import Study
from weft.cli import check as cli
from weft.cli.run import check_before


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs within this process is in no other test's history."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home/weft"))


def faulty(weft: Weft) -> Path:
    """A study whose program is in no list of inputs, and which starts too many threads."""
    (weft.folder / "case.sh").write_text("echo $1 > out.txt\n")
    file = weft.study("sh case.sh {i}", model='env = { OMP_NUM_THREADS = "64" } # threads')
    file.write_text("# mine\n" + file.read_text())
    return file


def test_a_good_study_is_one_line(weft: Weft) -> None:
    weft.study()
    said = weft.quick("check", code=0)
    assert said.out == "greetings on local: 43 checks: 43 passed\n"
    assert [path.name for path in weft.folder.iterdir()] == ["study.toml"], "nothing is changed"
    every = weft.quick("check", "--all", code=0).out.splitlines()
    assert len(every) >= 44
    assert all(len(line) <= 80 for line in every)


def test_faults_are_told_with_evidence_and_remedy(weft: Weft) -> None:
    faulty(weft)
    said = weft.quick("check", code=5)
    assert said.out.splitlines() == [
        "greetings on local: 43 checks: 1 failed, 1 warned, 41 passed",
        "  FAIL  files that commands name",
        "        `case.sh`: named by `model.command`, but in no list of inputs, so no",
        "        case has it",
        "        remedy: add it to model.inputs",
        "  WARN  threads of a case",
        "        OMP_NUM_THREADS is 64 in model.env, and a case has 1 core",
        "        remedy: give a case as many cores, or leave it out: it is then the",
        "                case's cores",
        "next: `weft check --fix` mends all of it",
    ]


def test_the_next_command_is_of_the_same_place(weft: Weft) -> None:
    faulty(weft)
    assert weft.quick("check", "--on", "local", code=5).out.endswith(
        "next: `weft check --on local --fix` mends all of it\n"
    )


def test_json(weft: Weft) -> None:
    faulty(weft)
    told: dict[str, Any] = weft.quick("check", "--json", code=5).json
    assert (told["format"], told["failed"], told["warned"], told["fixed"]) == (1, 1, 1, [])
    (failed,) = (each for each in told["checks"] if each["verdict"] == "FAIL")
    assert failed["id"] == "unlisted-files"
    assert failed["fixable"] is True
    fixed = weft.quick("check", "--json", "--fix", "--yes", code=0).json
    assert fixed["fixed"] == ["unlisted-files", "threads"]
    assert fixed["failed"] == fixed["warned"] == 0


def test_fix_shows_the_difference_and_asks(weft: Weft) -> None:
    file = faulty(weft)
    before = file.read_text()
    said = weft.quick("check", "--fix", code=4)
    assert "--yes" in said.err
    assert file.read_text() == before
    said = weft.quick("check", "--fix", "--yes", code=0)
    assert '+inputs = ["case.sh"]' in said.out
    assert '-env = { OMP_NUM_THREADS = "64" } # threads' in said.out
    assert '+env = { OMP_NUM_THREADS = "1" } # threads' in said.out
    assert said.out.endswith("43 passed\n")
    after = file.read_text()
    assert after.startswith("# mine\n")
    assert weft.quick("check", "--fix", "--yes", code=0).out == "greetings on local: 43 checks: 43 passed\n"
    assert file.read_text() == after


def test_fix_mends_scripts_in_the_study_folder(weft: Weft) -> None:
    script = weft.folder / "a b.sh"
    script.write_bytes(b"#!/bin/sh\r\necho $1\r\n")
    weft.study("'./a b.sh' {i}", model='inputs = ["a b.sh"]')
    said = weft.quick("check", code=5).out
    assert "line ends" in said
    assert "remedy: chmod -- +x 'a b.sh'" in said
    said = weft.quick("check", str(weft.folder), "--fix", "--yes", code=0)
    assert "end the lines of `a b.sh` with LF, not CR LF\nmake `a b.sh` executable\n" in said.out
    assert script.read_bytes() == b"#!/bin/sh\necho $1\n"
    assert os.access(script, os.X_OK)


def test_the_name_of_a_file_is_no_code(weft: Weft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weft.folder)
    for name in ("-e1etouch pwned;#.sh", "-x.sh", "$(touch pwned).sh"):
        script = weft.folder / name
        script.write_bytes(b"#!/bin/sh\r\necho a\r\n")
        weft.study("./run.sh {i}", model=f'inputs = ["run.sh", "{name}"]')
        (weft.folder / "run.sh").write_text("#!/bin/sh\necho\n")
        weft.quick("check", "--fix", "--yes", code=0)
        assert script.read_bytes() == b"#!/bin/sh\necho a\n"
        script.unlink()
    assert sorted(path.name for path in weft.folder.iterdir()) == ["run.sh", "study.toml"]


def test_a_link_is_told_and_stays_one(weft: Weft) -> None:
    real = weft.folder / "lib/real.sh"
    real.parent.mkdir()
    real.write_bytes(b"#!/bin/sh\r\necho\r\n")
    link = weft.folder / "case.sh"
    link.symlink_to("lib/real.sh")
    weft.study("sh case.sh {i}", model='inputs = ["case.sh"]')
    said = weft.quick("check", "--fix", "--yes", code=0)
    assert f"`case.sh`, a link to {real}, with LF" in said.out
    assert link.is_symlink()
    assert real.read_bytes() == b"#!/bin/sh\necho\n"


def test_what_may_not_be_written_is_told_before_anything_is_changed(
    weft: Weft, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = weft.study("sh case.sh {i}", model='inputs = ["case.sh"]\nenv = { OMP_NUM_THREADS = "64" }')
    script = weft.folder / "case.sh"
    script.write_bytes(b"echo\r\n")
    before = file.read_bytes()
    access = os.access
    for locked in (file, script, weft.folder):
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode, locked=locked: (mode, path) != (os.W_OK, locked) and access(path, mode),
        )
        said = weft.quick("check", "--fix", "--yes", code=1)
        assert "it may not be written" in said.err
        assert "nothing was changed" in said.err
        assert (file.read_bytes(), script.read_bytes()) == (before, b"echo\r\n")
    assert sorted(path.name for path in weft.folder.iterdir()) == ["case.sh", "study.toml"]


def test_a_mistyped_script_stops_a_run(weft: Weft) -> None:
    (weft.folder / "model.py").write_text("print(1)\n")
    weft.study("python3 modle.py {i}", model='inputs = ["model.py"]')
    said = weft.quick("run", code=5).err
    assert "`modle.py`: named by `model.command`, but nowhere there" in said
    assert "did you mean `model.py`?" in said


def test_a_remedy_that_does_not_work_is_told(weft: Weft, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess(["x"], 1, "", "error: no way\n")
    asked: list[Any] = []
    monkeypatch.setattr(cli.subprocess, "run", lambda words, **_: asked.append(words) or done)
    with pytest.raises(cli.WeftError, match=r"`weft store refresh -- 'my/a b.toml'` did not work: no way"):
        cli._run(("store", "refresh", "--", "my/a b.toml"))
    assert asked[-1][4:] == ["store", "refresh", "--", "my/a b.toml"]


def test_a_command_of_weft_imports_nothing_that_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("click.py", "json.py", "weft.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    cli._run(("store", "list", "--json"))
    assert not (tmp_path / "pwned").exists()


def test_a_run_does_not_begin_with_a_failed_check(weft: Weft) -> None:
    faulty(weft)
    for words in (["run"], ["run", "--detach"], ["run", "--json"]):
        said = weft.quick(*words, code=5)
        assert said.out == ""
        assert said.err.startswith("error: study.toml: a check failed (files that commands name): `case.sh`")
        assert "`weft check` tells all and `--fix` mends it; `weft run --no-check` runs it" in said.err
        assert not (weft.folder / ".weft").exists()
    assert "`weft check study.toml` tells" in weft.quick("run", "study.toml", code=5).err


def test_several_failed_checks_are_told_together(weft: Weft) -> None:
    faulty(weft)
    (weft.folder / "b.sh").write_bytes(b"echo\r\n")
    weft.study("sh b.sh; sh case.sh {i}", model='inputs = ["b.sh"]')
    said = weft.quick("run", code=5).err
    assert "2 checks failed\n  files that commands name: `case.sh`" in said
    assert "\n  line ends of scripts: the lines of `b.sh`" in said


def test_a_run_tells_its_first_warnings_and_goes_on(weft: Weft) -> None:
    weft.study("echo {i} > a; echo > /dev/null", model='env = { OMP_NUM_THREADS = "64", API_TOKEN = "x" }')
    file = weft.folder / "study.toml"
    file.write_text(
        file.read_text()
        .replace("attempts = 1", "attempts = 9")
        .replace('keep = ["*.txt"]', 'keep = ["*.txt"]\nchunk = "1 MB"')
    )
    said = weft.quick("run", code=0)
    lines = [line for line in said.err.splitlines() if line.startswith(("warning: ", "and "))]
    assert len(lines) == 4
    assert lines[3] == "and 2 more: `weft check`"
    assert all(len(line) <= 80 for line in lines)
    assert "3 of 3 cases done" in said.out
    assert "warning: " not in weft.quick("run", "--no-check", code=0).err


def test_warnings_are_lines_of_json(weft: Weft) -> None:
    weft.study(model='env = { OMP_NUM_THREADS = "64" }')
    lines = weft.quick("run", "--json", code=0).lines
    assert [(line["id"], line["verdict"]) for line in lines if line["type"] == "check"] == [
        ("threads", "WARN")
    ]
    assert lines[-1]["type"] == "end"


def test_a_detached_run_is_checked_once(weft: Weft) -> None:
    weft.study(model='env = { OMP_NUM_THREADS = "64" }')
    said = weft("run", "--detach", code=7)
    assert said.err.count("warning: ") == 1
    weft.wait_for(lambda: weft.stands()["done"] == 3)
    assert "warning: OMP" not in (weft.folder / ".weft/greetings/controller.log").read_text()


def test_jobs_at_work_are_looked_after_all_the_same(weft: Weft) -> None:
    (weft.folder / "case.sh").write_text(f"until [ -e {weft.folder}/go ]; do sleep 0.05; done\n")
    weft.study("sh case.sh {i}", "[1]", model='inputs = ["case.sh"]')
    process = weft.start("run", "--no-check")
    weft.wait_for(
        lambda: (weft.folder / ".weft/greetings/journal.jsonl").exists() and weft.stands()["active"] > 0
    )
    assert "held" not in weft.quick("run", code=11).err, "another process runs it: that is what is told"
    process.kill()
    process.communicate()
    (weft.folder / "case.sh").write_bytes(b"echo $1\r\n")
    (weft.folder / "go").touch()
    said = weft.quick("run", "--keep", code=0)
    assert "warning: the lines of `case.sh` end as Windows" in said.err
    assert "1 of 1 case done" in said.out


def test_where_nothing_is_to_be_submitted_nothing_is_stopped(
    weft: Weft, monkeypatch: pytest.MonkeyPatch
) -> None:
    weft.study(values="[1]")
    weft.quick("run", code=0)
    full = shutil._ntuple_diskusage(10**12, 10**12 - 10**7, 10**7)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert "warning: 10 MB are free" in weft.quick("run", code=0).err
    weft.study(values="[1, 2]")
    assert "a check failed (room on the disk)" in weft.quick("run", code=5).err


def test_failed_cases_are_to_be_submitted_by_a_retry_alone(
    weft: Weft, monkeypatch: pytest.MonkeyPatch
) -> None:
    weft.study("test {i} -ne 2")
    weft.quick("run", code=3)
    full = shutil._ntuple_diskusage(10**12, 10**12 - 10**7, 10**7)  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: full)
        assert "warning: 10 MB are free" in weft.quick("run", code=3).err
        assert "a check failed (room on the disk)" in weft.quick("retry", code=5).err
        assert "asked to run 1 case again" in weft.quick("retry", "--no-run", code=0).out
    weft.quick("run", code=3)


def test_a_pilot_is_not_asked_for_a_pilot(weft: Weft, capsys: pytest.CaptureFixture[str]) -> None:
    file = weft.study(values="{ range = [0, 1001] }")
    assert "a pilot of a large study" in weft.quick("check", code=0).out
    for pilot in (True, False):
        check_before("run", Study.load(file), "", pilot=pilot, as_json=False)
        assert ("has run yet" in capsys.readouterr().err) is not pilot


def test_there_must_be_a_study(weft: Weft) -> None:
    assert "weft init" in weft.quick("check", code=10).err
