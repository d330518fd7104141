"""The operations on one job: what they answer, to whom, and what they leave in the history."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.jobs.request import made

from weft.service.jobs.states import TERMINAL, Condition, Event, Status
from weft.service.server import Service

Client = Callable[..., TestClient]
NOBODY = "00000000-0000-4000-8000-000000000000-007"


def add(service: Service, **more: Any) -> str:
    job = made.job(**more)
    service.ledger.add(job, json.dumps({"name": job.name, "appId": "tool", "appVersion": "1.0"}))
    return job.uuid


def history(client: TestClient, uuid: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = client.get(f"/v3/jobs/{uuid}/history").json()["result"]
    return events


# Reading


def test_a_job_is_told_in_full(service: Service, client: Client) -> None:
    uuid = add(service, tags=["a"])
    answer = client().get(f"/v3/jobs/{uuid}")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "success")
    assert body["message"] == f"JOBS_RETRIEVED Job {uuid} retrieved."
    assert (body["result"]["uuid"], body["result"]["tags"], body["result"]["status"]) == (
        uuid,
        ["a"],
        "PENDING",
    )
    assert body["metadata"] is None


def test_a_status_has_its_condition(service: Service, client: Client) -> None:
    uuid = add(service)
    assert client().get(f"/v3/jobs/{uuid}/status").json()["result"] == {
        "status": "PENDING",
        "condition": None,
    }
    service.ledger.transition(uuid, Status.FAILED, condition=Condition.JOB_LAUNCH_FAILURE)
    answer = client().get(f"/v3/jobs/{uuid}/status").json()
    assert answer["result"] == {"status": "FAILED", "condition": "JOB_LAUNCH_FAILURE"}
    assert answer["message"] == f"JOBS_STATUS_RETRIEVED Status of the Job {uuid} retrieved."


def test_a_history_comes_in_pages(service: Service, client: Client) -> None:
    uuid = add(service)
    for number in range(120):
        service.ledger.event(uuid, Event.JOB_USER_EVENT, "DEFAULT", str(number))
    speak = client()
    assert len(history(speak, uuid)) == 100
    first = history(speak, uuid)[0]
    assert list(first) == [
        "event",
        "created",
        "eventDetail",
        "description",
        "transferTaskUuid",
        "transferSummary",
    ]
    assert (first["transferSummary"], first["transferTaskUuid"]) == ({}, None)

    def messages(**query: int) -> list[str]:
        events = speak.get(f"/v3/jobs/{uuid}/history", params=query).json()["result"]
        return [json.loads(event["description"])["message"] for event in events]

    assert messages(limit=2, skip=1) == ["0", "1"]
    assert len(messages(limit=-1)) == 121
    assert messages(skip=120) == ["119"]


READ = ["GET /", "GET /status", "GET /history", "GET /share", "GET /output/list", "GET /output/download/x"]
CHANGE = ["POST /cancel", "POST /hide", "POST /unhide"]
BODIES = {
    "POST /share": {"grantee": "eve", "jobResource": ["JOB_HISTORY"], "jobPermission": "READ"},
    "PUT /annotations": {},
    "PATCH /annotation": {},
    "DELETE /share/eve": None,
}
ALL = [*READ, *CHANGE, *BODIES]


def ask(client: TestClient, uuid: str, operation: str) -> Any:
    method, path = operation.split()
    return client.request(method, f"/v3/jobs/{uuid}{path.rstrip('/')}", json=BODIES.get(operation))


@pytest.mark.parametrize("uuid", [NOBODY, "x", "%27%20OR%201=1", "é"])
def test_a_job_that_is_not_there(client: Client, uuid: str) -> None:
    for operation in ALL:
        answer = ask(client(), uuid, operation)
        assert answer.status_code == 404, operation
        body = answer.json()
        assert body["status"] == "success"
        assert body["message"].startswith("TAPIS_NOT_FOUND Job not found: ")
        assert set(body["result"]) == {"name"}
    for operation in ("POST /resubmit", "GET /resubmit_request"):
        answer = ask(client(), uuid, operation)
        assert answer.status_code == 400
        assert answer.json()["message"].startswith("JOBS_JOBRESUBMIT_NOT_FOUND")
    for method in ("GET", "DELETE"):
        assert client().request(method, f"/v3/jobs/subscribe/{uuid}").status_code == 404


def test_another_users_job_is_denied_whatever_is_asked(service: Service, client: Client) -> None:
    for status in (Status.RUNNING, Status.FINISHED):
        uuid = add(service, status=status)
        for operation in (*ALL, "POST /resubmit", "GET /resubmit_request"):
            answer = ask(client("bob"), uuid, operation)
            assert answer.status_code == 403, operation
            assert answer.json()["result"] is None and "first" not in answer.text
        for method in ("GET", "DELETE"):
            assert client("bob").request(method, f"/v3/jobs/subscribe/{uuid}").status_code == 403
        assert len(history(client(), uuid)) == 1
    assert client("bob").get("/v3/jobs/list", params={"listType": "ALL_JOBS"}).json()["result"] == []


def test_another_tenants_job_is_not_there(service: Service, client: Client) -> None:
    uuid = add(service, tenant="other")
    assert client().get(f"/v3/jobs/{uuid}").status_code == 404


# Cancelling, hiding


def test_a_cancel_is_accepted_until_the_job_has_ended(service: Service, client: Client) -> None:
    for status in Status:
        uuid = add(service, status=status)
        answer = client().post(f"/v3/jobs/{uuid}/cancel")
        job = service.ledger.get(uuid)
        assert job is not None
        if status in TERMINAL:
            assert (answer.status_code, answer.json()["result"]) == (409, {"name": uuid})
            assert not job.cancel_asked
        else:
            assert answer.status_code == 200
            assert answer.json()["message"].startswith(
                f"JOBS_JOB_CANCEL_ACCEPTED Request to cancel job {uuid}"
            )
            assert job.cancel_asked


def test_a_body_does_no_harm_where_newer_services_take_one(service: Service, client: Client) -> None:
    assert client().post(f"/v3/jobs/{add(service)}/cancel", json={"reason": "x"}).status_code == 200


def test_a_hidden_job_is_not_there_until_it_is_shown_again(service: Service, client: Client) -> None:
    uuid, speak = add(service, status=Status.FINISHED), client()
    assert speak.post(f"/v3/jobs/{uuid}/hide").json()["message"].startswith("JOBS_JOB_CHANGED_VISIBILITY")
    assert (
        speak.post(f"/v3/jobs/{uuid}/hide").json()["message"]
        == f"JOBS_JOB_VISBILITY Job {uuid} is already hidden."
    )
    for operation in READ:
        assert ask(speak, uuid, operation).status_code == 404
    assert speak.get("/v3/jobs/list").json()["result"] == []
    assert speak.post(f"/v3/jobs/{uuid}/unhide").status_code == 200
    assert speak.post(f"/v3/jobs/{uuid}/unhide").json()["message"].endswith("is already visible.")
    assert speak.get(f"/v3/jobs/{uuid}").status_code == 200
    assert [item["uuid"] for item in speak.get("/v3/jobs/list").json()["result"]] == [uuid]


def test_only_jobs_that_have_ended_are_hidden(service: Service, client: Client) -> None:
    uuid = add(service)
    for operation in ("hide", "unhide"):
        answer = client().post(f"/v3/jobs/{uuid}/{operation}")
        assert (answer.status_code, answer.json()["result"]) == (409, {"name": uuid})
        assert answer.json()["message"].startswith("JOBS_JOB_NOT_IN_TERMINAL_STATE")


# Events of users


def test_anyone_who_knows_a_job_may_send_it_an_event(service: Service, client: Client) -> None:
    uuid = add(service)
    for user, body in (
        ("ann", {"eventData": "half"}),
        ("bob", {"eventData": "done", "eventDetail": "PROGRESS"}),
    ):
        assert client(user).post(f"/v3/jobs/{uuid}/sendEvent", json=body).status_code == 200
    found = [
        (event["event"], event["eventDetail"], json.loads(event["description"])["message"])
        for event in history(client(), uuid)[1:]
    ]
    assert found == [("JOB_USER_EVENT", "DEFAULT", "half"), ("JOB_USER_EVENT", "PROGRESS", "done")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"eventData": ""},
        {"eventData": "x" * 15_361},
        {"eventData": None},
        {"eventData": "x", "more": 1},
        [],
    ],
)
def test_events_without_or_with_too_much_data_are_refused(
    service: Service, client: Client, body: Any
) -> None:
    assert client().post(f"/v3/jobs/{add(service)}/sendEvent", json=body).status_code == 400


def test_no_event_reaches_a_job_that_has_ended(service: Service, client: Client) -> None:
    uuid = add(service, status=Status.FINISHED)
    assert client().post(f"/v3/jobs/{uuid}/sendEvent", json={"eventData": "x"}).status_code == 400
    assert len(history(client(), uuid)) == 1


# Sharing


def share(client: TestClient, uuid: str, *resources: str, grantee: str = "bob") -> Any:
    body = {"grantee": grantee, "jobResource": list(resources), "jobPermission": "READ"}
    return client.post(f"/v3/jobs/{uuid}/share", json=body)


ALLOWED = {
    "JOB_HISTORY": {"GET /", "GET /status", "GET /history"},
    "JOB_RESUBMIT_REQUEST": {"GET /resubmit_request"},
    "JOB_OUTPUT": {"GET /output/list", "GET /output/download/x"},
    "JOB_INPUT": set(),
}


@pytest.mark.parametrize("resource", ALLOWED)
def test_what_is_shared_is_allowed_and_nothing_else(service: Service, client: Client, resource: str) -> None:
    uuid = add(service, status=Status.FINISHED)
    assert share(client(), uuid, resource).status_code == 200
    for operation in (*ALL, "GET /resubmit_request"):
        denied = ask(client("bob"), uuid, operation).status_code == 403
        assert denied is (operation not in ALLOWED[resource]), operation


def test_shares_are_listed_and_ended(service: Service, client: Client) -> None:
    uuid, speak = add(service), client()
    share(speak, uuid, "JOB_HISTORY", "JOB_OUTPUT", "JOB_HISTORY")
    share(speak, uuid, "JOB_HISTORY")
    share(speak, uuid, "JOB_HISTORY", grantee="eve")
    shares = speak.get(f"/v3/jobs/{uuid}/share").json()["result"]
    assert [(one["grantee"], one["jobResource"]) for one in shares] == [
        ("bob", "JOB_HISTORY"), ("bob", "JOB_OUTPUT"), ("eve", "JOB_HISTORY")
    ]  # fmt: skip
    assert {one: shares[0][one] for one in ("tenant", "createdby", "jobUuid", "jobPermission")} == {
        "tenant": "local", "createdby": "ann", "jobUuid": uuid, "jobPermission": "READ"
    }  # fmt: skip
    assert len(speak.get(f"/v3/jobs/{uuid}/share", params={"limit": 1, "skip": 2}).json()["result"]) == 1
    assert speak.delete(f"/v3/jobs/{uuid}/share/bob").status_code == 200
    assert client("bob").get(f"/v3/jobs/{uuid}").status_code == 403
    assert speak.delete(f"/v3/jobs/{uuid}/share/bob").status_code == 200
    assert [event["eventDetail"] for event in history(speak, uuid)[1:]] == [
        "SHARE_JOB_HISTORY_READ",
        "SHARE_JOB_OUTPUT_READ",
        "SHARE_JOB_HISTORY_READ",
        "UNSHARE_JOB_HISTORY_READ",
        "UNSHARE_JOB_OUTPUT_READ",
    ]
    said = json.loads(history(speak, uuid)[1]["description"])
    assert list(said)[:4] == ["resourceType", "shareType", "grantee", "grantor"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"grantee": "bob", "jobResource": [], "jobPermission": "READ"},
        {"grantee": "bob", "jobResource": ["JOB"], "jobPermission": "READ"},
        {"grantee": "bob", "jobResource": ["JOB_HISTORY"], "jobPermission": "WRITE"},
        {"grantee": "", "jobResource": ["JOB_HISTORY"], "jobPermission": "READ"},
        {"grantee": "b b", "jobResource": ["JOB_HISTORY"], "jobPermission": "READ"},
    ],
)
def test_shares_that_mean_nothing_are_refused(service: Service, client: Client, body: dict[str, Any]) -> None:
    assert client().post(f"/v3/jobs/{add(service)}/share", json=body).status_code == 400


# Annotations


def test_annotations_are_replaced_and_patched(service: Service, client: Client) -> None:
    uuid, speak = add(service, tags=["old"], notes='{"old":1}'), client()

    def annotated(method: str, word: str, body: dict[str, Any]) -> tuple[Any, Any]:
        answer = speak.request(method, f"/v3/jobs/{uuid}/{word}", json=body)
        assert answer.status_code == 200 and answer.json()["message"].startswith(
            "JOBS_JOB_ANNOTATION_UPDATED"
        )
        job = speak.get(f"/v3/jobs/{uuid}").json()["result"]
        return json.loads(job["notes"]), job["tags"]

    assert annotated("PATCH", "annotation", {"tags": ["b", "a"]}) == ({"old": 1}, ["a", "b"])
    assert annotated("PATCH", "annotations", {"notes": {}, "tags": []}) == ({"old": 1}, ["a", "b"])
    assert annotated("PATCH", "annotations", {"notes": {"new": 2}}) == ({"new": 2}, ["a", "b"])
    assert annotated("PUT", "annotations", {"tags": ["c"]}) == ({}, ["c"])
    assert annotated("PUT", "annotation", {}) == ({}, [])


@pytest.mark.parametrize(
    "body", [{"tags": ["a", "a"]}, {"tags": "a"}, {"notes": []}, {"more": 1}, {"notes": {"n": "x" * 140_000}}]
)
def test_annotations_that_cannot_be_are_refused(
    service: Service, client: Client, body: dict[str, Any]
) -> None:
    uuid = add(service)
    for method in ("PUT", "PATCH"):
        assert client().request(method, f"/v3/jobs/{uuid}/annotations", json=body).status_code == 400


# Health


def test_health_is_told_to_everybody(client: Client) -> None:
    for path in ("healthcheck", "ready", "readycheck"):
        result = client(None).get(f"/v3/jobs/{path}").json()["result"]
        assert result["databaseAccess"] is True and result["checkNum"] > 0
    assert client(None).get("/v3/jobs/hello").status_code == 200
    assert client(None).get("/v3/jobs/list").status_code == 401
