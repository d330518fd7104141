"""Which family an app is of, what a study may say otherwise, and which apps no study can run in."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from tests.tapis.defined import app

from weft.errors import UsageError, WeftError
from weft.service.starters.apps import apps
from weft.service.starters.facts import Facts
from weft.tapis.apps import App
from weft.tapis.families import TCL_CANNOT, families, family_of


@pytest.mark.parametrize(
    ("name", "family", "runner", "script"),
    [
        ("mp", "opensees-mp-s3", "tcl", "Main Script"),
        ("sp", "opensees-sp-s3", "tcl", "Main Script"),
        ("mp-or-sp", "opensees-s3", "tcl", "Main Script"),
        ("container", "opensees-sp", "tcl", "TCL Script"),
        ("express", "opensees-express", "tcl", "env:tclScript"),
        ("agnostic", "designsafe-agnostic-app", "python", "Main Script"),
        ("python", "python-s3", "python", "Input Script"),
        ("shell", "shell-runner-s3", "shell", "Shell command"),
    ],
)
def test_known_apps(name: str, family: str, runner: str, script: str) -> None:
    found = family_of(app(name))
    assert (found.id, found.runner, found.script, found.known) == (family, runner, script, True)
    assert found.why_finished and found.runner_file == ("runner.tcl" if runner == "tcl" else "runner.py")


def test_the_apps_of_our_own_service() -> None:
    facts = Facts(folder=Path("/srv"), owner="weft", cores=2, memory_mb=1000, python="python3")
    found = {}
    for definition in apps(facts):
        try:
            found[definition["id"]] = family_of(App.from_definition(definition))
        except WeftError:
            continue
    assert {name: family.id for name, family in found.items()} == {
        name: name for name in ("shell-runner", "python", "openseespy")
    }
    assert all(family.trust_exit_code and family.known for family in found.values())


def test_the_script_slot_gets_what_starts_the_runner() -> None:
    assert family_of(app("shell")).starting("runner.py") == "python3 runner.py"
    assert family_of(app("python")).starting("runner.py") == "runner.py"
    assert family_of(app("shell"), {"command": "sh -c {script}"}).starting("x") == "sh -c x"


def test_only_some_start_a_process_for_each_core() -> None:
    assert [
        name for name in ("mp", "sp", "mp-or-sp", "container", "express") if family_of(app(name)).ranks
    ] == [
        "mp",
        "mp-or-sp",
    ]


def test_what_tcl_alone_cannot_is_told() -> None:
    mp, sp, python = family_of(app("mp")), family_of(app("sp")), family_of(app("python"))
    assert mp.limitations == TCL_CANNOT and python.limitations == ()
    assert len(sp.limitations) == len(TCL_CANNOT) + 1
    assert any("time of a case" in sentence for sentence in mp.limitations)


def test_an_unknown_app_is_known_by_its_slots_and_trusted_in_nothing() -> None:
    for name, like in (("agnostic", "openseespy"), ("mp", "opensees-mp-s3"), ("shell", "shell-runner")):
        found = family_of(structs.replace(app(name), id="mine"))
        assert (found.id, found.known, found.trust_exit_code, found.archives_to_owner) == (
            like,
            False,
            False,
            False,
        )
        assert "not known" in found.why_finished and found.can == ()


def test_a_program_that_is_not_offered_is_not_taken_for_granted() -> None:
    found = family_of(structs.replace(app("mp-or-sp"), id="mine"))  # its Main Program offers no python3
    assert (found.id, found.runner) == ("opensees-s3", "tcl")


def test_a_known_id_with_other_slots_is_looked_at_again() -> None:
    found = family_of(structs.replace(app("python"), id="opensees-mp-s3"))
    assert (found.runner, found.known) == ("python", False)


def test_a_slot_for_a_script_is_not_yet_one_for_python() -> None:
    mpm = structs.replace(app("mpm"), id="matter")
    with pytest.raises(WeftError, match="no slot for a script"):
        family_of(mpm)
    assert family_of(structs.replace(mpm, description="A Python program.")).runner == "python"


@pytest.mark.parametrize(
    ("name", "why", "hints"),
    [
        ("greeting", "no slot for a script", ["`Greeting`, `Target`", "`File to modify`", "weft app new"]),
        ("sleeper", "no slot for a script", ["`env:MAIN_CLASS`", "weft app list"]),
        ("mpm", "MPM", ["`Input Script`"]),
    ],
)
def test_apps_without_a_script_are_refused_with_what_they_have(name: str, why: str, hints: list[str]) -> None:
    with pytest.raises(WeftError, match=why) as caught:
        family_of(app(name))
    assert caught.value.where.startswith(f"app {app(name).id}")
    assert all(hint in caught.value.hint for hint in hints)


def test_an_interactive_app_is_refused() -> None:
    with pytest.raises(WeftError, match="session for a person"):
        family_of(structs.replace(app("python"), interactive=True))


def test_an_app_without_the_input_is_refused() -> None:
    bare = structs.replace(
        app("python"), slots=tuple(slot for slot in app("python").slots if slot.name != "Input Directory")
    )
    with pytest.raises(WeftError, match="no input `Input Directory`"):
        family_of(bare)


def test_a_study_may_say_otherwise() -> None:
    found = family_of(app("mp"), {"needs_allocation": False, "ranks": False})
    assert (found.id, found.needs_allocation, found.ranks, found.script) == (
        "opensees-mp-s3",
        False,
        False,
        "Main Script",
    )
    serial = {"runner": "tcl", "program_value": "OpenSeesMP", "ranks": True}
    agnostic = family_of(app("agnostic"), serial)
    assert agnostic.given["Main Program"] == "OpenSeesMP" and agnostic.runner_file == "runner.tcl"


def test_a_study_may_explain_an_app_that_nobody_knows() -> None:
    told = {"script": "Target", "input": "File to modify", "runner": "shell"}
    found = family_of(app("greeting"), told)
    assert (found.script, found.known, found.starting("runner.py")) == ("Target", False, "python3 runner.py")
    with pytest.raises(WeftError, match="no slot `Aim`"):
        family_of(app("greeting"), {**told, "script": "Aim"})


@pytest.mark.parametrize(
    ("told", "where", "hint"),
    [
        ({"scrpit": "x"}, "tapis.family.scrpit", "`script`"),
        ({"known": True}, "tapis.family.known", ""),
        ({"runner": "perl"}, "tapis.family.runner", "runner ="),
        ({"ranks": "yes"}, "tapis.family.ranks", ""),
        ({"program": {"slot": "Main Program"}}, "tapis.family.program", "program_value"),
    ],
)
def test_what_a_study_says_is_checked(told: dict[str, object], where: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        family_of(app("agnostic"), told)
    assert caught.value.where == where and hint in caught.value.hint


def test_the_data_are_whole() -> None:
    names = [family.id for family in families()]
    assert len(set(names)) == len(names)
    for family in families():
        assert family.apps and (family.script or family.refuse)
        assert not family.why_finished.endswith(".") and "\n" not in family.why_finished


def test_an_app_s_own_notes_say_how_it_starts_and_a_study_has_the_last_word() -> None:
    definition = {
        "id": "mine",
        "version": "1",
        "containerImage": "tapis://s/a.zip",
        "notes": {"weft": {"family": {"runner": "tcl", "script": "Model"}}},
        "jobAttributes": {
            "parameterSet": {"appArgs": [{"name": "Model", "inputMode": "REQUIRED"}]},
            "fileInputs": [{"name": "Input Directory", "inputMode": "REQUIRED", "targetPath": "in"}],
        },
    }
    app = App.from_definition(definition)
    assert family_of(app).runner == "tcl"
    assert family_of(app, {"runner": "shell"}).runner == "shell"
