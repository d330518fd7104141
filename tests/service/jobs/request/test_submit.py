"""Submitting through the API: what it takes, what it refuses, who may, and submitting again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from weft.service.server import Service

Client = Callable[..., TestClient]
LEAST = {"name": "first", "appId": "tool", "appVersion": "1.0"}


@pytest.fixture
def place(service: Service, client: Client, tmp_path: Path) -> TestClient:
    """Ann, with a system ``here`` and an app ``tool`` that runs on it."""
    speak = client()
    system = {
        "id": "here",
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PKI_KEYS",
        "effectiveUserId": "${apiUserId}",
        "rootDir": str(tmp_path / "root"),
        "canExec": True,
        "jobWorkingDir": "jobs/${JobUUID}",
        "jobRuntimes": [{"runtimeType": "ZIP"}],
    }
    (tmp_path / "root").mkdir()
    made(speak.post("/v3/systems", json=system))
    made(speak.post("/v3/systems", json={**system, "id": "store", "canExec": False, "jobRuntimes": []}))
    app = {
        "version": "1.0",
        "runtime": "ZIP",
        "containerImage": "/none.zip",
        "jobAttributes": {"execSystemId": "here"},
    }
    made(speak.post("/v3/apps", json={"id": "tool", **app}))
    made(
        speak.post("/v3/apps", json={"id": "boxed", **app, "runtime": "DOCKER", "containerImage": "busybox"})
    )
    return speak


def made(answer: Any) -> None:
    assert answer.status_code < 300, answer.text


def submit(speak: TestClient, **more: Any) -> Any:
    return speak.post("/v3/jobs/submit", json={**LEAST, **more})


def test_a_submission_answers_the_whole_job(place: TestClient) -> None:
    answer = submit(place, notes={"a": 1})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "success")
    job = body["result"]
    assert body["message"] == f"JOBS_CREATED Job {job['uuid']} created."
    assert job["uuid"].endswith("-007") and job["id"] > 0
    assert (job["status"], job["owner"], job["execSystemExecDir"]) == (
        "PENDING", "ann", f"/jobs/{job['uuid']}/jobs/{job['uuid']}"
    )  # fmt: skip
    stored = place.get(f"/v3/jobs/{job['uuid']}").json()["result"]
    assert {name for name in job if job[name] != stored[name]} <= CHANGES_BY_ITSELF
    assert stored.keys() == job.keys()


CHANGES_BY_ITSELF = {
    "status",
    "condition",
    "lastMessage",
    "lastUpdated",
    "ended",
    "remoteOutcome",
    "stageAppTransactionId",
    "stageAppCorrelationId",
    "inputTransactionId",
    "inputCorrelationId",
}


def test_the_clients_tracking_id_is_kept(place: TestClient) -> None:
    answer = place.post("/v3/jobs/submit", json=LEAST, headers={"X-Tapis-Tracking-ID": "portal.1"})
    assert answer.json()["result"]["trackingId"] == "portal.1"


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"appId": "nothing"}, 400, "TAPIS_APPCLIENT_NOT_FOUND"),
    ({"appVersion": "2"}, 400, "TAPIS_APPCLIENT_NOT_FOUND"),
    ({"execSystemId": "nowhere"}, 400, "TAPIS_SYSCLIENT_NOT_FOUND"),
    ({"archiveSystemId": "nowhere"}, 400, "TAPIS_SYSCLIENT_NOT_FOUND"),
    ({"execSystemId": "store"}, 400, "JOBS_INVALID_EXEC_SYSTEM"),
    ({"owner": "bob"}, 403, "JOBS_MISMATCHED_OWNER"),
    ({"tenant": "other"}, 403, "JOBS_MISMATCHED_OWNER"),
    ({"execSystemExecDir": "${Nothing}"}, 400, "JOBS_UNRESOLVED_MACRO"),
    ({"execSystemExecDir": "../x"}, 400, "TAPIS_PROHIBITED_DIR_PATTERN"),
    ({"jobType": "BATCH"}, 400, "JOBS_INVALID_JOBTYPE"),
    ({"more": 1}, 400, "NET_INVALID_JSON_INPUT"),
    ({"name": None}, 400, "NET_INVALID_JSON_INPUT"),
    ({"fileInputs": [{"sourceUrl": "https://example.org/x"}]}, 400, "FILES_HTTP_NOT_ALLOWED"),
    ({"dynamicExecSystem": True, "execSystemConstraints": ["id = 'none'"]}, 400, "JOBS_NO_MATCHING_SYSTEM"),
    ({"dynamicExecSystem": True, "execSystemConstraints": ["id ="]}, 400, "SEARCH_INVALID"),
]


@pytest.mark.parametrize(("more", "status", "key"), REFUSED)
def test_what_makes_no_job_is_refused(
    service: Service, place: TestClient, more: dict[str, Any], status: int, key: str
) -> None:
    answer = submit(place, **more)
    assert (answer.status_code, answer.json()["message"].split()[0]) == (status, key)
    assert answer.json()["status"] == "error"
    assert place.get("/v3/jobs/list").json()["result"] == []
    assert service.ledger.unfinished() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"name": "\\u0000"}', b"\xff", b"[" * 10_000]
)
def test_what_is_no_request_is_refused(place: TestClient, body: bytes) -> None:
    answer = place.post("/v3/jobs/submit", content=body)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_a_runtime_that_is_not_here_is_refused_in_words(
    place: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    from weft.service.jobs.execution import containers

    containers._answers.cache_clear()
    answer = submit(place, appId="boxed")
    containers._answers.cache_clear()
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(
        "JOBS_RUNTIME_NOT_AVAILABLE app boxed needs the runtime DOCKER"
    )


def test_disabled_things_run_nothing(place: TestClient) -> None:
    made(place.post("/v3/systems/here/disable"))
    assert submit(place).json()["message"].startswith("JOBS_SYSTEM_NOT_AVAILABLE")
    made(place.post("/v3/systems/here/enable"))
    made(place.post("/v3/apps/tool/disable"))
    assert submit(place).json()["message"].startswith("JOBS_APP_NOT_AVAILABLE")


def test_a_dynamic_system_is_chosen_by_what_it_offers(place: TestClient) -> None:
    answer = submit(place, dynamicExecSystem=True, execSystemConstraints=["host =", "'localhost'"])
    assert (answer.status_code, answer.json()["result"]["execSystemId"]) == (200, "here")
    assert answer.json()["result"]["dynamicExecSystem"] is True


def test_a_system_that_was_deleted_is_not_chosen(place: TestClient) -> None:
    wanted = {"dynamicExecSystem": True, "execSystemConstraints": ["id = 'here'"]}
    made(submit(place, **wanted))
    made(place.post("/v3/systems/here/delete"))
    assert submit(place, **wanted).json()["message"].startswith("JOBS_NO_MATCHING_SYSTEM")


def test_others_run_an_app_only_when_it_is_shared(place: TestClient, client: Client) -> None:
    bob = client("bob")
    assert submit(bob).json()["message"].startswith("TAPIS_APPCLIENT_NOT_FOUND")
    made(place.post("/v3/apps/share/tool", json={"users": ["bob"]}))
    answer = submit(bob)
    # The system that the shared app names is lent with it.
    assert answer.status_code == 200
    job = answer.json()["result"]
    assert (job["owner"], job["sharedAppCtx"]) == ("bob", "ann")
    assert job["sharedAppCtxAttribs"][0] == "SAC_EXEC_SYSTEM_ID"
    assert place.get(f"/v3/jobs/{job['uuid']}").status_code == 403
    assert submit(bob, archiveSystemId="store").status_code == 400


def test_a_request_is_kept_and_submitted_again(place: TestClient) -> None:
    asked = {
        **LEAST,
        "name": "again ${JobUUID}"[:64],
        "tags": ["x"],
        "parameterSet": {"appArgs": [{"arg": "1"}]},
    }
    first = place.post("/v3/jobs/submit", json=asked).json()["result"]
    kept = place.get(f"/v3/jobs/{first['uuid']}/resubmit_request").json()
    assert kept["result"] == asked
    answer = place.post(f"/v3/jobs/{first['uuid']}/resubmit")
    second = answer.json()["result"]
    assert (answer.status_code, second["tags"]) == (200, ["x"])
    assert second["uuid"] != first["uuid"] and second["name"] == f"again {second['uuid']}"
    assert place.get(f"/v3/jobs/{second['uuid']}/resubmit_request").json()["result"] == asked


def test_submitting_again_is_subject_to_what_has_changed(place: TestClient) -> None:
    uuid = submit(place).json()["result"]["uuid"]
    made(place.post("/v3/apps/tool/disable"))
    assert place.post(f"/v3/jobs/{uuid}/resubmit").status_code == 400


def test_a_shared_request_is_submitted_as_a_job_of_ones_own(place: TestClient, client: Client) -> None:
    uuid = submit(place).json()["result"]["uuid"]
    body = {"grantee": "bob", "jobResource": ["JOB_RESUBMIT_REQUEST"], "jobPermission": "READ"}
    made(place.post(f"/v3/jobs/{uuid}/share", json=body))
    bob = client("bob")
    assert bob.post(f"/v3/jobs/{uuid}/resubmit").status_code == 400  # the app is not shared
    made(place.post("/v3/apps/share/tool", json={"users": ["bob"]}))
    assert bob.post(f"/v3/jobs/{uuid}/resubmit").json()["result"]["owner"] == "bob"


def test_host_eval_asks_the_host(place: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "/scratch/of/ann")
    job = submit(place, execSystemExecDir="HOST_EVAL($SCRATCH)/x").json()["result"]
    assert job["execSystemExecDir"] == "/scratch/of/ann/x"
    assert submit(place, execSystemExecDir="HOST_EVAL($NO_SUCH_VARIABLE)").status_code == 400


def test_the_effective_user_is_who_the_system_says(place: TestClient) -> None:
    job = submit(place).json()["result"]
    variables = {each["key"]: each["value"] for each in json.loads(job["parameterSet"])["envVariables"]}
    assert variables["_tapisEffectiveUserId"] == "ann"
    assert variables["_tapisSysHost"] == "localhost"
