"""Reading definitions of apps: what they say, what nulls mean, and what is said of damaged ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.tapis.defined import APPS, app, definition, without_nulls

from weft.errors import WeftError
from weft.tapis.apps import App, Kind, Mode


def test_facts_of_an_app() -> None:
    mp = app("mp")
    assert (mp.id, mp.version, mp.runtime, mp.job_type, mp.label) == (
        "opensees-mp-s3",
        "latest",
        "ZIP",
        "BATCH",
        "OpenSeesMP",
    )
    assert (mp.system, mp.queue, mp.archive_system) == ("cluster", "wide", "cluster")
    assert (mp.nodes, mp.cores_per_node, mp.memory_mb, mp.minutes) == (2, 48, 192_000, 120)
    assert mp.strict_inputs and mp.enabled and not mp.is_mpi and not mp.interactive
    assert mp.max_jobs is None and mp.max_jobs_per_user is None


def test_slots_stand_in_the_order_of_the_command_line() -> None:
    args = app("agnostic").of(Kind.ARG)
    assert [slot.name for slot in args] == ["Main Program", "Main Script", "UseMPI", "CommandLine Arguments"]
    assert [slot.mode for slot in args] == [Mode.REQUIRED] * 3 + [Mode.INCLUDE_ON_DEMAND]
    assert [slot.value for slot in args] == ["python3", None, "False", None]


def test_choices_in_all_their_forms() -> None:
    everything, agnostic, python = app("everything"), app("agnostic"), app("python")
    assert everything.slot("Model").choices == ("fine", "coarse")  # an object, and a plain value
    assert agnostic.slot("UseMPI").choices == ("True", "False")  # notes that are JSON in a string
    assert python.slot("env:USE_MPI").choices == ("True", "False")
    assert agnostic.slot("Main Script").choices == ()


def test_variables_and_arguments_of_one_name_are_two() -> None:
    express = app("express")
    assert express.slot("tclScript") is None
    slot = express.slot("env:tclScript")
    assert slot.kind is Kind.ENV and slot.mode is Mode.REQUIRED and slot.value is None
    assert app("python").slot("env:UNZIP_INPUTS").value is None  # declared, and not set


def test_inputs() -> None:
    everything = app("everything")
    assert [(slot.kind, slot.name, slot.target) for slot in everything.of(Kind.INPUT, Kind.ARRAY)] == [
        (Kind.INPUT, "Input Directory", "deep/below/"),
        (Kind.INPUT, "Licence", "licence"),
        (Kind.INPUT, "Mesh", "mesh"),
        (Kind.ARRAY, "Records", "records"),
    ]
    assert everything.input("Licence").value == "tapis://storage/licence"
    assert app("sleeper").of(Kind.INPUT)[0].name == ""
    assert app("sleeper").of(Kind.INPUT)[0].mode is Mode.OPTIONAL


def test_what_is_not_said_has_the_defaults_of_tapis() -> None:
    bare = App.from_definition({"id": "bare", "version": "1"})
    assert (bare.runtime, bare.nodes, bare.cores_per_node, bare.memory_mb, bare.minutes) == (
        "DOCKER",
        1,
        1,
        100,
        10,
    )
    assert bare.slots == () and bare.log == "tapisjob.out" and bare.archives_failures
    everything = app("everything")
    assert everything.slot("Trace").mode is Mode.INCLUDE_ON_DEMAND
    assert app("sleeper").slot("env:MAIN_CLASS").mode is Mode.INCLUDE_BY_DEFAULT
    assert (everything.log, everything.dynamic_system, everything.label) == ("run.log", True, "All of it")
    assert (everything.max_jobs, everything.max_jobs_per_user) == (None, 7)


@pytest.mark.parametrize("name", APPS)
def test_null_is_absence(name: str) -> None:
    told = definition(f"app-{name}")
    assert App.from_definition(without_nulls(told)) == App.from_definition(told)


@pytest.mark.parametrize("key", ["enabled", "versionEnabled"])
def test_a_version_that_is_switched_off_is_off(key: str) -> None:
    assert not App.from_definition({**definition("app-mp"), key: False}).enabled


def test_notes_that_are_a_remark_are_no_notes() -> None:
    assert App.from_definition({**definition("app-mp"), "notes": "ask Ann"}).label == ""
    assert App.from_definition({**definition("app-mp"), "notes": '["a"]'}).label == ""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values of a definition."""
    if path:
        yield path
    for key, each in value.items() if isinstance(value, dict) else ():
        yield from places(each, (*path, key))
    for number, each in enumerate(value if isinstance(value, list) else ()):
        yield from places(each, (*path, number))


def with_damage(told: Any, path: tuple[Any, ...]) -> Any:
    broken = holder = copy.deepcopy(told)
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = 1.5  # nothing in a definition is such a number
    return broken


def test_damage_anywhere_is_told_with_its_key() -> None:
    told_of = 0
    for name in ("agnostic", "everything", "express", "container"):
        told = definition(f"app-{name}")
        for path in places(told):
            try:
                read = App.from_definition(with_damage(told, path))
            except WeftError as problem:
                assert str(path[-1]) in problem.where, path
                told_of += 1
            else:  # a key that says nothing here
                assert read == app(name) or "enum_values" in path, path
    assert told_of > 180


@pytest.mark.parametrize("told", [None, [], "app", 3, {}, {"id": "a"}, {"version": "1"}])
def test_what_is_no_definition_at_all(told: Any) -> None:
    with pytest.raises(WeftError) as caught:
        App.from_definition(told, "app.json")
    assert caught.value.where.startswith("app.json") and caught.value.hint


def test_definitions_are_read_from_json_as_it_is() -> None:
    assert json.loads(json.dumps(definition("app-mp"))) == definition("app-mp")
    with pytest.raises(WeftError) as caught:
        App.from_definition({**definition("app-mp"), "jobAttributes": {"nodeCount": "2"}})
    assert caught.value.where == "app opensees-mp-s3: jobAttributes.nodeCount"
    assert "int" in caught.value.what
