"""The files of a new app: complete, and a wrapper that does what it says where there is no Tapis, and as Tapis calls it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from weft.service.apps import rules
from weft.service.apps.model import App
from weft.service.asking import checked
from weft.tapis.apps import App as Read
from weft.tapis.families import family_of
from weft.tapis.scaffold import DEFINITION, KINDS, WRAPPER, app_files

BASH = shutil.which("bash") or "/bin/bash"
BODIES = {
    "python": "import sys\nprint(sys.argv[1:])\nsys.exit(int(sys.argv[1]))\n",
    "shell": 'printf \'<%s>\' "$@"\nexit "$1"\n',
    "tcl": "puts $argv\nexit [lindex $argv 0]\n",
}
NEEDS_TCL = pytest.mark.skipif(shutil.which("tclsh") is None, reason="there is no tclsh")
EACH = [pytest.param(kind, marks=NEEDS_TCL if kind == "tcl" else ()) for kind in KINDS]


def write(folder: Path, kind: str, name: str = "my-app") -> Path:
    for path, (text, mode) in app_files(name, kind).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(mode)
    return folder / WRAPPER


def run(wrapper: Path, folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    kept = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(
        [str(wrapper), *words], cwd=folder, env=kept, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [False, True])
def test_everything_is_filled_in(kind: str, batch: bool) -> None:
    files = app_files("my-app", kind, batch=batch)
    assert set(files) == {WRAPPER, DEFINITION, "README.md", f"sample/{KINDS[kind].script}"}
    placeholders = [
        f"@{word}@" for word in ("name", "about", "script", "module", "run", "runner", "job_type", "queue")
    ]
    assert not any(each in text for text, _ in files.values() for each in placeholders)
    definition = json.loads(files[DEFINITION][0])
    assert (definition["id"], definition["jobType"]) == ("my-app", "BATCH" if batch else "FORK")
    assert definition["jobAttributes"]["execSystemLogicalQueue"] == ("normal" if batch else None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_definition_is_one_that_the_service_takes(kind: str) -> None:
    definition = json.loads(app_files("my-app", kind)[DEFINITION][0])
    made: Any = checked({**definition, "containerImage": "tapis://storage/a.zip"}, App)
    assert rules.complaints(made) == []
    read = Read.from_definition(definition)
    slot, inputs = read.slot("Main Script"), read.input("Input Directory")
    told = definition["notes"]["weft"]["family"]
    family = family_of(read, told)
    assert family.runner == ("tcl" if kind == "tcl" else "python") and family.trust_exit_code
    assert slot and slot.mode == "REQUIRED" and inputs and inputs.target == "inputDirectory"


@pytest.mark.parametrize("kind", EACH)
def test_the_sample_runs(tmp_path: Path, kind: str) -> None:
    wrapper = write(tmp_path, kind)
    done = run(wrapper, tmp_path / "sample", KINDS[kind].script, "3.0", inputDirectory=".")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "sample" / "result.json").read_text())
    assert result == pytest.approx({"load": 3.0, "deflection": 0.002})
    assert (tmp_path / "sample" / "tapisjob.exitcode").read_text() == "0\n"


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("code", [0, 1, 7, 139])
def test_the_exit_code_is_passed_on_and_written(tmp_path: Path, kind: str, code: int) -> None:
    """As Tapis starts it: in the execution directory, with directories named from the system's root on."""
    wrapper = write(tmp_path / "app", kind)
    job = tmp_path / "root" / "jobs" / "1 2"
    (job / "out put").mkdir(parents=True)
    (job / "inputDirectory").mkdir()
    script = "a script" + Path(KINDS[kind].script).suffix
    (job / "inputDirectory" / script).write_text(BODIES[kind])
    places = {
        "_tapisSysRootDir": f"{tmp_path}/root/",
        "_tapisExecSystemOutputDir": "/jobs/1 2/out put",
        "_tapisExecSystemInputDir": "/jobs/1 2",
        "inputDirectory": "inputDirectory",
    }
    done = run(wrapper, job, script, str(code), "two words", "*", "$HOME", **places)
    assert done.returncode == code
    assert (job / "out put" / "tapisjob.exitcode").read_text() == f"{code}\n"
    assert all(word in done.stdout for word in ("two words", "*", "$HOME"))
    assert (f"exit code {code}" in done.stderr) == (code != 0)


def test_a_shell_app_also_runs_python(tmp_path: Path) -> None:
    wrapper = write(tmp_path, "shell")
    (tmp_path / "sample" / "x.py").write_text(BODIES["python"])
    assert run(wrapper, tmp_path / "sample", "x.py", "5", inputDirectory=".").returncode == 5


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        ([], {"inputDirectory": "sample"}, "Main Script"),
        (["other.py"], {"inputDirectory": "sample"}, "no script other.py"),
        (["main.py"], {}, "Input Directory"),
        (["main.py"], {"inputDirectory": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, words: list[str], env: dict[str, str], said: str) -> None:
    done = run(write(tmp_path, "python"), tmp_path, *words, **env)
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1] and "my-app: " in done.stderr
    assert (tmp_path / "tapisjob.exitcode").read_text() == "2\n"


@pytest.mark.parametrize("name", ["a", "a.b_c~d-1", "A" * 80])
def test_any_id_may_stand_in_the_files(tmp_path: Path, name: str) -> None:
    wrapper = write(tmp_path, "python", name)
    assert subprocess.run([BASH, "-n", str(wrapper)], check=False).returncode == 0
    assert json.loads((tmp_path / DEFINITION).read_text())["id"] == name
