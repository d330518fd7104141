"""What a definition of an app may not be, and with which attribute's name it is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service.systems.judged import JSON, app

from weft.service.answers import Problem
from weft.service.apps.model import App, JobAttributes
from weft.service.apps.rules import complaints
from weft.service.asking import checked


def _attributes(**values: Any) -> dict[str, Any]:
    return app(jobAttributes=values)


def _parameters(**values: Any) -> dict[str, Any]:
    return _attributes(parameterSet=values)


def _input(**values: Any) -> dict[str, Any]:
    return _attributes(fileInputs=[{"name": "first", "targetPath": "a"}, {"targetPath": "*", **values}])


INPUT = "jobAttributes.fileInputs[1]"
PARAMETERS = "jobAttributes.parameterSet"


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (app(""), "id"),
        (app("a b"), "id"),
        (app("a" * 81), "id"),
        (app("_a"), "id"),
        (app(version=" "), "version"),
        (app(version="v" * 65), "version"),
        ({**app(), "containerImage": None}, "containerImage"),
        (app(containerImage=" "), "containerImage"),
        (app(containerImage="solver.zip"), "containerImage"),
        (app(description="x" * 2049), "description"),
        (app(runtime="PODMAN"), "runtime"),
        (app(runtime="SINGULARITY"), "runtimeOptions"),
        (app(jobType="ARRAY"), "jobType"),
        (app(maxJobs="many"), "maxJobs"),
        (app(maxJobs=2**40), "maxJobs"),
        (app(tags=["a", 1]), "tags[1]"),
        (app(notes=[]), "notes"),
        (app(tags=["a\u0007"]), "tags[0]"),
        (_attributes(nodeCount=0), "jobAttributes.nodeCount"),
        (_attributes(memoryMB=1.5), "jobAttributes.memoryMB"),
        (_attributes(execSystemId="x" * 81), "jobAttributes.execSystemId"),
        (_attributes(dynamicExecSystem=True), "jobAttributes.execSystemConstraints"),
        (_attributes(isMpi=True, cmdPrefix="time"), "jobAttributes.cmdPrefix"),
        (_attributes(mpiCmd="m" * 127), "jobAttributes.mpiCmd"),
        (_attributes(archiveMode="SOMETIMES"), "jobAttributes.archiveMode"),
        (
            _attributes(subscriptions=[{"deliveryTargets": []}]),
            "jobAttributes.subscriptions[0].deliveryTargets",
        ),
        (_input(), f"{INPUT}.name"),
        (_input(name=None), f"{INPUT}.name"),
        (_input(name=""), f"{INPUT}.name"),
        (_input(name="  "), f"{INPUT}.name"),
        (_input(name="n" * 81), f"{INPUT}.name"),
        (_input(name="first"), f"{INPUT}.name"),
        (_input(name="b", targetPath=None), f"{INPUT}.targetPath"),
        (_input(name="b", targetPath="../x"), f"{INPUT}.targetPath"),
        (_input(name="b", sourceUrl="some/file"), f"{INPUT}.sourceUrl"),
        (_input(name="b", inputMode="FIXED"), f"{INPUT}.sourceUrl"),
        (_input(name="b", inputMode="MAYBE"), f"{INPUT}.inputMode"),
        (_input(name="b", envKey="1a"), f"{INPUT}.envKey"),
        (_input(name="b", envKey="_tapisX"), f"{INPUT}.envKey"),
        (_attributes(fileInputArrays=[{"name": "a"}]), "jobAttributes.fileInputArrays[0].targetDir"),
        (
            _attributes(fileInputArrays=[{"name": "a", "targetDir": "d", "sourceUrls": ["x"]}]),
            "jobAttributes.fileInputArrays[0].sourceUrls[0]",
        ),
        (_parameters(appArgs=[{"arg": "x"}]), f"{PARAMETERS}.appArgs[0].name"),
        (_parameters(appArgs=[{"name": "a"}, {"name": "a"}]), f"{PARAMETERS}.appArgs[1].name"),
        (
            _parameters(schedulerOptions=[{"name": "a", "inputMode": "FIXED"}]),
            f"{PARAMETERS}.schedulerOptions[0].arg",
        ),
        (_parameters(containerArgs=[{"name": "a", "arg": "--bind x"}]), f"{PARAMETERS}.containerArgs[0].arg"),
        (_parameters(envVariables=[{"key": "a b"}]), f"{PARAMETERS}.envVariables[0].key"),
        (_parameters(envVariables=[{"key": "_tapisX"}]), f"{PARAMETERS}.envVariables[0].key"),
        (_parameters(envVariables=[{"key": "A"}, {"key": "A"}]), f"{PARAMETERS}.envVariables[1].key"),
        (
            _parameters(envVariables=[{"key": "A", "inputMode": "FIXED", "value": "!tapis_not_set"}]),
            f"{PARAMETERS}.envVariables[0].value",
        ),
        (_parameters(envVariables=[{"key": "A", "value": "a\nb"}]), f"{PARAMETERS}.envVariables[0].value"),
        (_parameters(logConfig={"stdoutFilename": "a"}), f"{PARAMETERS}.logConfig.stderrFilename"),
        (
            _parameters(logConfig={"stdoutFilename": "a", "stderrFilename": "b/c"}),
            f"{PARAMETERS}.logConfig.stderrFilename",
        ),
        (_parameters(archiveFilter={"includes": [""]}), f"{PARAMETERS}.archiveFilter.includes[0]"),
    ],
)
def test_a_refusal_names_the_attribute(definition: dict[str, Any], path: str) -> None:
    assert any(told.startswith(f"{path}:") for told in _told(definition)), _told(definition)


def _told(definition: dict[str, Any]) -> list[str]:
    try:
        return complaints(checked(definition, App, drop_nulls=True))
    except Problem as problem:
        return [problem.message.partition("not valid: ")[2]]


@pytest.mark.parametrize(
    "definition",
    [
        app(),
        app("1", "1~b_2.0-x"),
        app(runtime="DOCKER", containerImage="registry/image:1"),
        app(runtime="SINGULARITY", runtimeOptions=["SINGULARITY_RUN"], containerImage="docker://debian"),
        app(containerImage="HTTPS://host/a.zip"),
        _attributes(isMpi=True, mpiCmd="ibrun"),
        _attributes(dynamicExecSystem=True, execSystemConstraints=["a = 1"]),
        _parameters(containerArgs=[{"name": "save", "arg": "--tapis-zip-save"}]),
        _parameters(envVariables=[{"key": "PATH", "value": "$PATH", "inputMode": "FIXED"}]),
        _parameters(appArgs=[{"name": "a", "inputMode": "FIXED", "arg": "x"}, {"name": "b"}]),
        _input(name="b", sourceUrl="tapis://store/a b", inputMode="FIXED"),
        _attributes(fileInputArrays=[{"name": "a", "targetDir": "*", "sourceUrls": None}]),
    ],
)
def test_what_is_right_is_not_refused(definition: dict[str, Any]) -> None:
    assert _told(definition) == []


@settings(max_examples=count(200, 5000), deadline=None)
@given(st.data())
def test_whatever_stands_in_an_attribute_is_taken_or_refused(data: st.DataObject) -> None:
    whole = data.draw(st.booleans())
    kind: type[msgspec.Struct] = App if whole else JobAttributes
    name = data.draw(st.sampled_from([field.encode_name for field in msgspec.structs.fields(kind)]))
    change = {name: data.draw(JSON)}
    assert all(_told({**app(), **change} if whole else _attributes(**change)))
