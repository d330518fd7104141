"""``weft app list`` and ``weft app show``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Weft
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key
from tests.tapis.defined import APPS, FOLDER, app, definition, system, without_nulls

from weft.store.studyfile import load
from weft.tapis import login
from weft.tapis.families import family_of
from weft.tapis.request import Wanted, build

STUDY = 'name = "pasted"\nmodel.command = "echo {i}"\nparameters.i = [1, 2]'

try:
    import tomllib
except ImportError:
    import tomli as tomllib

__all__ = ["cheap_passwords", "served", "signing_key"]


@pytest.fixture
def at_tapis(weft: Weft, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weft]:
    """The command line of ann, who is logged in."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    login.log_in(served.url, "ann", PASSWORD)
    yield weft
    served.service.faults.use([])


def test_the_apps_that_a_study_can_use(at_tapis: Weft) -> None:
    said = at_tapis.quick("app", "list", code=0)
    lines = said.out.splitlines()
    assert lines[0].split() == ["id", "version", "runtime", "type", "system", "runner"]
    assert {line.split()[0] for line in lines[1:-1]} >= {"openseespy", "python", "shell-runner"}
    assert "hello" not in said.out and "1 app that no study can run in" in lines[-1]
    assert max(map(len, lines)) <= 80
    everything = at_tapis.quick("app", "list", "--all", code=0).out
    assert "hello" in everything and "--all shows" not in everything


def test_searching(at_tapis: Weft) -> None:
    assert [
        line.split()[0] for line in at_tapis.quick("app", "list", "--search", "opensees").out.splitlines()
    ] == [
        "id",
        "openseespy",
    ]
    assert "no app speaks of 'ansys'" in at_tapis.quick("app", "list", "--search", "ansys", code=0).out


def test_the_list_as_data(at_tapis: Weft) -> None:
    said = at_tapis.quick("app", "list", "--json", code=0).json
    found = {each["id"]: each for each in said["apps"]}
    assert said["format"] == 1 and said["unreadable"] == []
    assert found["shell-runner"]["runner"] == "shell" and found["python"]["system"] == "local"


def test_not_logged_in(weft: Weft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "nobody"))
    assert weft.quick("app", "list").code == 12
    assert weft.quick("app", "show", "python").code == 12


def test_one_app_in_words(at_tapis: Weft) -> None:
    said = at_tapis.quick("app", "show", "openseespy", code=0).out
    assert said.startswith("openseespy 1.0: OpenSeesPy\n")
    for told in (
        "FORK on local; runtime ZIP",
        "* argument Main Script: required",
        "* argument UseMPI: required, False; one of True, False",
        "* input Input Directory: required",
        "`runner.py` goes into `Main Script`",
        'app = "openseespy"\nversion = "1.0"\nsystem = "local"\ntype = "FORK"',
        '# storage = "tapis://',
    ):
        assert told in said, told
    assert max(map(len, said.splitlines())) <= 80
    assert at_tapis.quick("app", "show", "openseespy", "1.0", code=0).out == said


def test_an_app_that_is_not_there(at_tapis: Weft) -> None:
    said = at_tapis.quick("app", "show", "opensespy", code=5)
    assert "did you mean `openseespy`?" in said.err
    assert "its latest is 1.0" in at_tapis.quick("app", "show", "python", "7", code=5).err


def test_an_app_that_no_study_can_run_in(at_tapis: Weft) -> None:
    said = at_tapis.quick("app", "show", "hello", code=0).out
    assert "argument Greeting" in said and "no study can run in it" in said and "`weft app new`" in said
    assert "[tapis]\n" not in said


def test_what_an_app_cannot_is_told(weft: Weft) -> None:
    said = weft.quick("app", "show", str(FOLDER / "app-mp.json"), code=0).out
    assert "it cannot limit the time of a case" in said and "if [ ! $? ]" in said
    assert "every core runs one process" in said and "nodes = 2\ncores = 48" in said
    express = weft.quick("app", "show", str(FOLDER / "app-express.json"), code=0).out
    assert "standard input" in express and "allocation" not in express


@pytest.mark.parametrize("name", APPS)
def test_the_table_fits_the_app(weft: Weft, name: str) -> None:
    """What is told to paste into a study makes a request, once what it asks for is filled in."""
    said = weft.quick("app", "show", str(FOLDER / f"app-{name}.json"), "--json", code=0).json
    if said["table"] is None:
        assert said["why_not"] and said["family"] is None
        return
    (weft.folder / "study.toml").write_text(f"{STUDY}\n{said['table']}")
    assert load(weft.folder).backend == "tapis"
    study = tomllib.loads(said["table"])
    told = study["tapis"]
    assert study["run"] == {"on": "tapis"} and told["app"] == app(name).id and told["minutes"]
    request = build(
        app(name),
        system("vm" if told.get("type", "FORK") == "FORK" else "cluster"),
        family_of(app(name)),
        Wanted(
            name="a",
            input="tapis://storage/in",
            script=said["family"]["runner"],
            archive_system="storage",
            archive_dir="/out",
            job_type=told.get("type"),
            queue=told.get("queue"),
            minutes=told["minutes"],
            allocation="ABC-1",
            args=told.get("args", {}),
            env=told.get("env", {}),
            inputs=dict.fromkeys(told.get("inputs", {}), "tapis://storage/filled/in"),
        ),
    )
    assert request["appId"] == told["app"]


def test_who_pays_is_asked_where_somebody_does(weft: Weft) -> None:
    told = definition("app-mp")
    told["jobAttributes"]["execSystemId"] = "stampede3"
    (weft.folder / "app.json").write_text(json.dumps(told))
    assert 'allocation = "..."' in weft.quick("app", "show", "app.json", code=0).out


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (None, 2, "no such file"),
        ("{", 1, "not JSON"),
        ("[]", 1, "not the definition of an app"),
        ('{"id": "a"}', 1, "version"),
        ('{"id": "a", "version": "1", "jobAttributes": {"nodeCount": "2"}}', 1, "jobAttributes.nodeCount"),
    ],
)
def test_files_that_are_no_definition(weft: Weft, text: str | None, code: int, told: str) -> None:
    if text is not None:
        (weft.folder / "app.json").write_text(text)
    said = weft.quick("app", "show", "app.json", code=code)
    assert told in said.err and "app.json" in said.err and "hint:" in said.err
    assert "one version" in weft.quick("app", "show", "app.json", "1", code=2).err


def test_a_damaged_definition_does_not_spoil_the_list(
    at_tapis: Weft, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.tapis import catalogue

    good: dict[str, Any] = without_nulls(definition("app-python"))
    pages = [good, {**good, "id": "torn", "jobAttributes": []}]
    monkeypatch.setattr(catalogue, "_pages", lambda *_: pages)
    said = at_tapis.quick("app", "list", code=0)
    assert "python-s3" in said.out and "left out: app torn: jobAttributes" in said.err


def test_commands_of_the_group(weft: Weft) -> None:
    said = weft.quick("app", "lst")
    assert said.code == 2 and "did you mean `list`?" in said.err
