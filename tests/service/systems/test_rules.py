"""What a definition of a system may not be, and with which attribute's name it is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service.systems.judged import JSON, cluster, queue, storage

from weft.service.answers import Problem
from weft.service.asking import checked
from weft.service.definitions import merged
from weft.service.systems.attributes import control_characters
from weft.service.systems.model import System
from weft.service.systems.rules import complaints


def _queues(*queues: dict[str, Any]) -> dict[str, Any]:
    return cluster(batchLogicalQueues=[queue(), *queues])


def _environment(*variables: dict[str, Any]) -> dict[str, Any]:
    return cluster(jobEnvVariables=list(variables))


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (storage(""), "id"),
        (storage("-a"), "id"),
        (storage("a/b"), "id"),
        (storage("a\n"), "id"),
        (storage("a" * 81), "id"),
        ({**storage(), "id": None}, "id"),
        (storage(systemType="WINDOWS"), "systemType"),
        (storage(host=""), "host"),
        (storage(host="a/../b"), "host"),
        (storage(host=".."), "host"),
        (storage(host="h" * 257), "host"),
        (storage(defaultAuthnMethod=None), "defaultAuthnMethod"),
        (storage(canExec="yes"), "canExec"),
        (storage(rootDir="home"), "rootDir"),
        (storage(rootDir=""), "rootDir"),
        (storage(rootDir="/a/../b"), "rootDir"),
        (storage(effectiveUserId="../root"), "effectiveUserId"),
        (storage(effectiveUserId="${someone}"), "effectiveUserId"),
        (storage(port=70000), "port"),
        (storage(description="x" * 2049), "description"),
        (storage(tags=["x" * 129]), "tags[0]"),
        (storage(tags=["a\tb"]), "tags[0]"),
        (storage(systemType="S3"), "bucketName"),
        (storage(systemType="IRODS"), "port"),
        (storage(dtnSystemId="x"), "dtnSystemId"),
        (storage(defaultAuthnMethod="CERT", effectiveUserId="x", owner="ann"), "effectiveUserId"),
        (cluster(systemType="S3", bucketName="b"), "canExec"),
        (cluster(jobWorkingDir=None), "jobWorkingDir"),
        (cluster(jobWorkingDir="a/.."), "jobWorkingDir"),
        (cluster(jobRuntimes=[]), "jobRuntimes"),
        (cluster(jobRuntimes=[{"runtimeType": "PODMAN"}]), "jobRuntimes[0].runtimeType"),
        (cluster(batchScheduler=None), "batchScheduler"),
        (cluster(batchScheduler="LSF"), "batchScheduler"),
        (cluster(batchLogicalQueues=[]), "batchLogicalQueues"),
        (cluster(batchDefaultLogicalQueue=None), "batchDefaultLogicalQueue"),
        (cluster(batchDefaultLogicalQueue="none"), "batchDefaultLogicalQueue"),
        (_queues(queue()), "batchLogicalQueues[1].name"),
        (_queues({"name": "x"}), "batchLogicalQueues[1].hpcQueueName"),
        (_queues(queue("x", minNodeCount=5, maxNodeCount=4)), "batchLogicalQueues[1].minNodeCount"),
        (_queues(queue("x", minMemoryMB=5, maxMemoryMB=4)), "batchLogicalQueues[1].minMemoryMB"),
        (_queues(queue("x", maxMinutes=2**31)), "batchLogicalQueues[1].maxMinutes"),
        (_environment({"key": "1A"}), "jobEnvVariables[0].key"),
        (_environment({"key": "_tapisA"}), "jobEnvVariables[0].key"),
        (_environment({"key": "A"}, {"key": "A"}), "jobEnvVariables[1].key"),
        (_environment({"key": "A", "value": "a\nb"}), "jobEnvVariables[0].value"),
        (_environment({"key": "A", "value": "x", "inputMode": "REQUIRED"}), "jobEnvVariables[0].value"),
        (
            _environment({"key": "A", "value": "!tapis_not_set", "inputMode": "FIXED"}),
            "jobEnvVariables[0].value",
        ),
        (cluster(jobCapabilities=[{"category": "OS", "name": "x"}]), "jobCapabilities[0].datatype"),
    ],
)
def test_a_refusal_names_the_attribute(definition: dict[str, Any], path: str) -> None:
    assert any(told.startswith(f"{path}:") for told in _told(definition)), _told(definition)


def _told(definition: dict[str, Any]) -> list[str]:
    try:
        return complaints(checked(definition, System, drop_nulls=True))
    except Problem as problem:
        return [problem.message.partition("not valid: ")[2]]


@pytest.mark.parametrize(
    "definition",
    [
        storage(),
        cluster(),
        storage(host="LOCALHOST"),
        storage(host="10.0.0.1"),
        storage(systemType="S3", bucketName="b", rootDir=""),
        storage(systemType="IRODS", port=1247),
        _queues(queue("x", minNodeCount=5, maxNodeCount=-1)),
        _environment({"key": "A", "value": "!tapis_not_set", "inputMode": "REQUIRED"}, {"key": "B"}),
        storage(description="two\nlines", notes={"text": "two\nlines"}),
    ],
)
def test_what_is_right_is_not_refused(definition: dict[str, Any]) -> None:
    assert _told(definition) == []


@settings(max_examples=count(200, 5000), deadline=None)
@given(st.sampled_from([storage(), cluster()]), st.data())
def test_whatever_stands_in_an_attribute_is_taken_or_refused(
    definition: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([field.encode_name for field in msgspec.structs.fields(System)]))
    told = _told({**definition, name: data.draw(JSON)})
    assert all(told)


@settings(max_examples=count(100, 2000), deadline=None)
@given(JSON, JSON)
def test_merging_gives_what_is_given_precedence(there: Any, change: Any) -> None:
    found = merged(there, change)
    assert merged(found, change) == found
    if not (isinstance(there, dict) and isinstance(change, dict)):
        assert found == change
    else:
        assert found.keys() == there.keys() | change.keys()


@given(JSON)
def test_control_characters_are_found_wherever_they_are(value: Any) -> None:
    found = list(control_characters({"a": value}))
    assert bool(found) == _has_control(value)


def _has_control(value: Any) -> bool:
    if isinstance(value, str):
        return any(ord(each) < 32 or 127 <= ord(each) < 160 for each in value)
    if isinstance(value, dict):
        return _has_control([each for key, each in value.items() if key not in ("description", "notes")])
    return isinstance(value, list) and any(map(_has_control, value))
