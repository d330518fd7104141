"""Requests whose every answer is held against the official specifications, and definitions to ask with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.service import official

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
"""Whatever JSON can hold."""


class Judged:
    """One user who asks; answers must be as specified and have the status that is expected."""

    def __init__(self, client: TestClient, user: str) -> None:
        self.client = client
        self.user = user

    def __call__(self, asked: str, body: Any = None, *, expect: int = 200) -> Any:
        """``asked`` is like ``GET /v3/apps``; the result of an expected success, the message of another answer."""
        method, path = asked.split(" ", 1)
        answer = self.client.request(method, path, json=body)
        found = official.match(method, path.split("?")[0])
        assert found is not None, f"{path} is no official operation"
        content_type = answer.headers.get("content-type")
        complaints = official.check(*found, answer.status_code, content_type, answer.content)
        assert not complaints, complaints
        envelope = answer.json()
        assert answer.status_code == expect, envelope
        return envelope["result"] if expect < 300 else envelope["message"]

    def shown(self, asked: str, body: Any = None) -> list[dict[str, Any]]:
        """What a list shows, but for what the service registers itself when it starts."""
        return [each for each in self(asked, body) if each.get("owner") != "weft"]

    def listed(self, asked: str) -> list[str]:
        """The ids in a list."""
        return [each["id"] for each in self.shown(asked)]


@pytest.fixture
def ann(client: Callable[..., TestClient]) -> Judged:
    return Judged(client("ann"), "ann")


@pytest.fixture
def bob(client: Callable[..., TestClient]) -> Judged:
    return Judged(client("bob"), "bob")


def queue(name: str = "normal", **more: Any) -> dict[str, Any]:
    return {"name": name, "hpcQueueName": name, "maxJobs": -1, "maxJobsPerUser": 5, **more}


def storage(name: str = "store", **more: Any) -> dict[str, Any]:
    """A system that only has files."""
    return {
        "id": name,
        "systemType": "LINUX",
        "host": "data.example.org",
        "defaultAuthnMethod": "TMS_KEYS",
        "rootDir": "/",
        "canExec": False,
        **more,
    }


def cluster(name: str = "cluster", **more: Any) -> dict[str, Any]:
    """A system that runs batch jobs."""
    return {
        **storage(name, host="cluster.example.org"),
        "canExec": True,
        "canRunBatch": True,
        "jobWorkingDir": "HOST_EVAL($SCRATCH)/tapis/${JobUUID}",
        "jobRuntimes": [{"runtimeType": "SINGULARITY", "version": None}],
        "batchScheduler": "SLURM",
        "batchLogicalQueues": [queue(), queue("short", maxMinutes=10)],
        "batchDefaultLogicalQueue": "normal",
        **more,
    }


def app(name: str = "solver", version: str = "1.0", **more: Any) -> dict[str, Any]:
    """An app as portals write it: with nulls, and with attributes that only the service can set."""
    return {
        "id": name,
        "version": version,
        "owner": "${apiUserId}",
        "description": "Solves",
        "runtime": "ZIP",
        "runtimeVersion": None,
        "runtimeOptions": None,
        "containerImage": "/apps/solver.zip",
        "jobType": "BATCH",
        "jobAttributes": {
            "execSystemId": "cluster",
            "execSystemLogicalQueue": None,
            "archiveOnAppError": True,
            "parameterSet": {
                "appArgs": [{"name": "Main", "arg": None, "inputMode": "REQUIRED", "notes": {"a": None}}],
                "envVariables": [{"key": "MODE", "value": "fast", "inputMode": "FIXED"}],
                "archiveFilter": {"includes": [], "excludes": ["solver.zip"], "includeLaunchFiles": True},
            },
            "fileInputs": [
                {
                    "name": "Input",
                    "inputMode": "REQUIRED",
                    "sourceUrl": None,
                    "targetPath": "*",
                    "envKey": "input",
                }
            ],
            "maxMinutes": 30,
        },
        "tags": ["portal"],
        "notes": {"icon": None, "label": "Solver"},
        "isPublic": True,
        "uuid": "not mine to choose",
        **more,
    }
