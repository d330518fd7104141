"""``weft app new``, ``check`` and ``deploy`` as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Weft
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key

from weft.tapis import login

__all__ = ["cheap_passwords", "served", "signing_key"]

FAULTY = '#!/bin/bash\nOpenSees "$1"\nif [ ! $? ]; then\n  exit 1\nfi\n'


@pytest.fixture
def at_tapis(weft: Weft, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weft]:
    """The command line of ann, who is logged in."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    login.log_in(served.url, "ann", PASSWORD)
    yield weft
    served.service.faults.use([])


def test_a_new_app_has_no_faults(weft: Weft) -> None:
    said = weft("app", "new", "my-app", "--kind", "shell", code=0)
    assert "tapisjob_app.sh" in said.out and "weft app check my-app" in said.out
    made = {path.relative_to(weft.folder).as_posix() for path in weft.folder.rglob("*") if path.is_file()}
    names = ("README.md", "app.json", "sample/main.sh", "tapisjob_app.sh")
    assert made >= {f"my-app/{name}" for name in names}
    assert (weft.folder / "my-app" / "tapisjob_app.sh").stat().st_mode & 0o100
    assert weft("app", "check", "my-app", code=0).out == "no faults found\n"


def test_options_of_a_new_app(weft: Weft) -> None:
    weft.quick("app", "new", "queued", "--batch", "--folder", "some where", code=0)
    definition = json.loads((weft.folder / "some where" / "app.json").read_text())
    assert (definition["id"], definition["jobType"]) == ("queued", "BATCH")
    assert weft.quick("app", "check", "some where", code=0)


def test_nothing_is_overwritten(weft: Weft) -> None:
    (weft.folder / "mine").mkdir()
    (weft.folder / "mine" / "app.json").write_text("{}")
    said = weft.quick("app", "new", "mine", code=1)
    assert "already a app.json" in said.err and "hint:" in said.err
    assert [path.name for path in (weft.folder / "mine").iterdir()] == ["app.json"]
    (weft.folder / "file").write_text("")
    assert "not a folder" in weft.quick("app", "new", "file", code=2).err


@pytest.mark.parametrize("name", ["my app", "a/b", "-", "ü", "a" * 81, ""])
def test_names_that_no_app_can_have(weft: Weft, name: str) -> None:
    assert "cannot be the id" in weft.quick("app", "new", "--", name, code=2).err


def test_faults_are_told_with_place_reason_and_remedy(weft: Weft) -> None:
    weft.quick("app", "new", "bad", code=0)
    (weft.folder / "bad" / "tapisjob_app.sh").write_text(FAULTY)
    said = weft.quick("app", "check", "bad", code=5)
    assert "bad/tapisjob_app.sh:3: error: `[ ! $? ]` is never true [never-true]" in said.out
    assert "  why: " in said.out and "  remedy: " in said.out
    assert said.out.splitlines()[-1] == "2 errors, 0 warnings"
    told = weft.quick("app", "check", "bad", "--json", code=5).json
    assert (told["errors"], told["warnings"]) == (2, 0)
    assert {each["rule"] for each in told["findings"]} == {"never-true", "no-exit-code"}
    assert {each["file"] for each in told["findings"]} == {"bad/tapisjob_app.sh"}


def test_warnings_are_no_reason_to_fail(weft: Weft) -> None:
    weft.quick("app", "new", "untidy", code=0)
    (weft.folder / "untidy" / "tapisjob_app.sh").chmod(0o644)
    said = weft.quick("app", "check", "untidy", code=0)
    assert said.out.splitlines()[-1] == "0 errors, 1 warning"


def test_one_file_can_be_checked(weft: Weft) -> None:
    weft.quick("app", "new", "one", code=0)
    assert weft.quick("app", "check", "one/app.json", code=0).out == "no faults found\n"
    assert weft.quick("app", "check", "one/tapisjob_app.sh", code=0).out == "no faults found\n"
    (weft.folder / "alone.json").write_text((weft.folder / "one" / "app.json").read_text())
    assert "containerImage" in weft.quick("app", "check", "alone.json", code=5).out
    (weft.folder / "wrapper.sh").write_text(FAULTY)
    assert "wrapper.sh:3: error" in weft.quick("app", "check", "wrapper.sh", code=5).out
    (weft.folder / "wrapper.sh").write_text("#!/bin/bash\nif run x; then\n")
    assert (
        "wrapper.sh:3: error: bash cannot read this" in weft.quick("app", "check", "wrapper.sh", code=5).out
    )
    (weft.folder / "binary").write_bytes(bytes(range(256)) * 10)
    weft.quick("app", "check", "binary")


def test_what_cannot_be_checked(weft: Weft) -> None:
    assert "hint:" in weft.quick("app", "check", "nowhere", code=1).err
    assert "no app.json" in weft.quick("app", "check", code=1).err


def test_deploying(at_tapis: Weft) -> None:
    at_tapis.quick("app", "new", "mine", code=0)
    said = at_tapis.quick("app", "deploy", "mine", code=0)
    assert "mine 1.0: registered\n" in said.out
    assert "archive: tapis://storage/ann/weft/apps/mine-1.0-" in said.out
    assert 'app = "mine"' in said.out and said.err == ""
    assert "nothing to do" in at_tapis.quick("app", "deploy", "mine", code=0).out
    told = at_tapis.quick("app", "deploy", "mine", "--version", "2", "--json", code=0).json
    assert (told["id"], told["version"], told["state"]) == ("mine", "2", "created")
    said = at_tapis.quick("app", "deploy", "mine", "--share", "bob", "--share", "weft", code=0)
    assert "shared with: bob, weft" in said.out and "warning:" in said.err
    (at_tapis.folder / "mine" / "more").write_text("x")
    assert "--replace" in at_tapis.quick("app", "deploy", "mine", code=5).err
    assert "mine 1.0: replaced" in at_tapis.quick("app", "deploy", "mine", "--replace", code=0).out


def test_errors_stop_a_deployment(at_tapis: Weft) -> None:
    at_tapis.quick("app", "new", "stopped", code=0)
    (at_tapis.folder / "stopped" / "tapisjob_app.sh").write_text(FAULTY)
    said = at_tapis.quick("app", "deploy", "stopped", code=5)
    assert "never true" in said.err and "nothing was uploaded" in said.err and "--force" in said.err
    assert "registered" in at_tapis.quick("app", "deploy", "stopped", "--force", code=0).out


def test_deploying_needs_a_login_and_an_app(
    weft: Weft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "nobody"))
    assert "no app.json" in weft.quick("app", "deploy", code=1).err
    weft.quick("app", "new", "mine", code=0)
    assert "weft login" in weft.quick("app", "deploy", "mine", code=12).err
