"""The judge itself: recorded real answers pass, and whatever is changed in them does not."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service import official
from tests.service.corrections import CORRECTIONS, STATUSES, Correction

RECORDED = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent / "recorded").glob("*.json"))
}
OTHERS: list[object] = ["text", 7, 1.5, True, [], {}, ["text"], {"name": "text"}]
CLOSED = {
    "status",
    "condition",
    "remoteOutcome",
    "jobType",
    "event",
    "oldJobStatus",
    "newJobStatus",
    "transferStatus",
}
"""The names of fields whose words are counted, wherever they stand."""

Place = tuple[str | int, ...]


def judged(name: str, answer: object) -> list[str]:
    known = RECORDED[name]
    body = json.dumps(answer).encode()
    return official.check(known["spec"], known["operation"], known["status"], known["contentType"], body)


def places(value: object, above: Place = ()) -> Iterator[Place]:
    """Every place in an answer that holds something; the texts that are JSON are looked into as well."""
    if value is None:
        return
    yield above
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*above, key))


def at(answer: object, place: Place) -> Any:
    for step in place:
        answer = (json.loads(answer) if isinstance(answer, str) else answer)[step]  # type: ignore[index]
    return answer


def put(answer: Any, place: Place, value: object) -> Any:
    """The answer with another value at this place, texts of JSON written anew."""
    if not place:
        return value
    text = isinstance(answer, str)
    changed = json.loads(answer) if text else copy.copy(answer)
    changed[place[0]] = put(changed[place[0]], place[1:], value)
    return json.dumps(changed) if text else changed


NOTES = ("result", "notes")  # a text once, an object now
PLACES = [
    (name, place)
    for name, known in RECORDED.items()
    for place in places(known["answer"])
    if "notes" not in place[:-1]  # what users write there is theirs
]


def test_recorded_answers_pass() -> None:
    assert set(RECORDED) == {"job", "history", "status", "search"}
    assert len(RECORDED["history"]["answer"]["result"]) == 12
    for name, known in RECORDED.items():
        assert judged(name, known["answer"]) == []


@given(st.sampled_from(PLACES), st.sampled_from(OTHERS))
@settings(max_examples=count(300, 5000), deadline=None)
def test_a_value_of_another_type_anywhere_is_noticed(where: tuple[str, Place], other: object) -> None:
    name, place = where
    answer = RECORDED[name]["answer"]
    assume(type(at(answer, place)) is not type(other))
    assume(place != NOTES or not isinstance(other, dict))
    assert judged(name, put(answer, place, other)), place


@given(
    st.sampled_from([(name, place) for name, place in PLACES if place[-1:] and place[-1] in CLOSED]),
    st.one_of(
        st.text(), st.sampled_from(["DONE", "finished", "FINISHED ", "Finished", "IN_PROGRES", "NONE", "ALL"])
    ),
)
@settings(max_examples=count(300, 5000), deadline=None)
def test_a_word_that_does_not_exist_is_noticed(where: tuple[str, Place], word: str) -> None:
    name, place = where
    answer = RECORDED[name]["answer"]
    assume(word not in STATUSES)
    assume(word != at(answer, place))
    assume(
        word
        not in ("BATCH", "FORK", "success", "ACCEPTED", "STAGED", "IN_PROGRESS", "COMPLETED", "FAILED_OPT")
    )
    assert judged(name, put(answer, place, word)), place


@given(st.sampled_from(PLACES))
@settings(max_examples=count(100, 1000), deadline=None)
def test_null_stands_for_what_is_absent_and_more_is_allowed(where: tuple[str, Place]) -> None:
    name, place = where
    answer = RECORDED[name]["answer"]
    if isinstance(at(answer, place), dict):
        assert judged(name, put(answer, place, {**at(answer, place), "something more": [1]})) == []
    if place and isinstance(at(answer, place[:-1]), dict) and place[-1] != "event" and place != ("status",):
        assert judged(name, put(answer, place, None)) == []


GOOD = json.dumps(RECORDED["status"]["answer"]).encode()
PROBLEM = (
    b'{"result":%s,"status":"%s","message":"KEY text","version":"1","commit":"","build":"","metadata":null}'
)
JOB_404 = PROBLEM % (b'{"name":"no-such-job"}', b"success")
COUNT = PROBLEM % (b'{"changes":1}', b"success")
PLAIN = PROBLEM % (b"null", b"error")


@pytest.mark.parametrize(
    ("operation", "status", "content_type", "body"),
    [
        pytest.param("jobs.getJobStatus", 200, "application/json", GOOD, id="as recorded"),
        pytest.param(
            "jobs.getJobStatus", 404, "application/json", JOB_404, id="unknown job: 404 that says success"
        ),
        pytest.param("jobs.getJobStatus", 401, "application/json", PLAIN, id="no token"),
        pytest.param("jobs.getJobStatus", 413, "application/json", PLAIN, id="a status documented nowhere"),
        pytest.param("apps.lockApp", 501, "application/json", PLAIN, id="not here"),
        pytest.param(
            "jobs.deleteSubscriptions", 200, "application/json", COUNT, id="a count in its envelope"
        ),
        pytest.param("jobs.getJobOutputDownload", 200, "application/octet-stream", b"\0\1", id="a file"),
        pytest.param(
            "jobs.getJobOutputDownload", 200, "application/json", PROBLEM % (b"null", b"success"), id="empty"
        ),
        pytest.param("jobs.getJobOutputDownload", 400, "application/json", PLAIN, id="no file"),
        pytest.param("files.getContents", 200, "application/zip", b"PK", id="a file of any type"),
        pytest.param("files.redeemPostIt", 200, "text/html", b"<p>", id="a postit of any type"),
        pytest.param(
            "tenants.delete_owner", 200, "application/json", PROBLEM % (b"null", b"success"), id="deleted"
        ),
    ],
)
def test_good_answers(operation: str, status: int, content_type: str, body: bytes) -> None:
    assert official.check(*operation.split("."), status, content_type, body) == []


TASK = b'{"uuid":"2510a293-a91d-481c-baf3-4f89a9ed998a","status":"COMPLETED","created":"2025-05-07T22:15:20Z","totalTransfers":1}'


@pytest.mark.parametrize(
    ("operation", "status", "content_type", "body", "said"),
    [
        pytest.param(
            "jobs.getJobStatus", 201, "application/json", GOOD, "undocumented status", id="another success"
        ),
        pytest.param("jobs.getJobStatus", 204, None, b"", "undocumented status", id="nothing at all"),
        pytest.param("jobs.getJobStatus", 200, "text/plain", GOOD, "content type", id="not called JSON"),
        pytest.param(
            "jobs.getJobStatus",
            200,
            "application/json; charset=utf-8",
            GOOD,
            "content type",
            id="with a charset",
        ),
        pytest.param(
            "jobs.getJobStatus", 401, "text/plain", b"no token", "content type", id="a plain refusal"
        ),
        pytest.param(
            "jobs.getJobStatus", 500, "text/html", b"<h1>", "content type", id="a server's own page"
        ),
        pytest.param("jobs.getJobStatus", 200, "application/json", b"[1]", "object", id="no envelope"),
        pytest.param(
            "jobs.getJobStatus", 200, "application/json", b'{"detail":"x"}', "required", id="another object"
        ),
        pytest.param("jobs.getJobStatus", 200, "application/json", b"{", "not JSON", id="cut off"),
        pytest.param(
            "jobs.getJobStatus", 200, "application/json", GOOD.replace(b"null", b"NaN"), "JSON", id="NaN"
        ),
        pytest.param(
            "jobs.getJobStatus", 200, "application/json", GOOD.replace(b"RUN", b"RAN"), "RANNING", id="state"
        ),
        pytest.param(
            "jobs.getJobStatus", 200, "application/json", PLAIN, "in a success", id="a success that failed"
        ),
        pytest.param(
            "jobs.getJobStatus", 404, "application/json", PROBLEM % (b'"x"', b"success"), "'x'", id="no name"
        ),
        pytest.param(
            "jobs.deleteSubscriptions", 200, "application/json", b'{"changes":1}', "required", id="bare count"
        ),
        pytest.param(
            "jobs.getJobOutputDownload",
            200,
            "application/zip",
            b"PK",
            "content type",
            id="an undocumented kind of file",
        ),
        pytest.param(
            "files.getTransferTask",
            200,
            "application/json",
            PROBLEM % (TASK.replace(b"COMPLETED", b"DONE"), b"success"),
            "DONE",
            id="a transfer's state",
        ),
        pytest.param(
            "files.getTransferTask",
            200,
            "application/json",
            PROBLEM % (TASK.replace(b"2510", b"zzzz"), b"success"),
            "uuid",
            id="no uuid",
        ),
        pytest.param(
            "files.getTransferTask",
            200,
            "application/json",
            PROBLEM % (TASK.replace(b"T22", b" 22"), b"success"),
            "date-time",
            id="no time",
        ),
        pytest.param(
            "files.getTransferTask",
            200,
            "application/json",
            PROBLEM % (TASK.replace(b'Transfers":1', b'Transfers":9999999999'), b"success"),
            "int32",
            id="no int32",
        ),
        pytest.param(
            "tenants.get_site",
            200,
            "application/json",
            PROBLEM % (b"{}", b"success"),
            "required",
            id="a site",
        ),
    ],
)
def test_bad_answers(operation: str, status: int, content_type: str | None, body: bytes, said: str) -> None:
    complaints = official.check(*operation.split("."), status, content_type, body)
    assert any(said in each for each in complaints), complaints
    assert all(each.startswith(f"{operation} {status}: ") for each in complaints)


def test_a_good_transfer_task() -> None:
    body = PROBLEM % (TASK, b"success")
    assert official.check("files", "getTransferTask", 200, "application/json", body) == []


def test_an_operation_nobody_knows() -> None:
    with pytest.raises(official.UnknownOperation, match=r"jobs\.fly"):
        official.check("jobs", "fly", 200, "application/json", b"{}")


def test_there_are_161_operations() -> None:
    assert sum(len(official.operations(spec)) for spec in official.SPECS) == 161


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/v3/jobs/list", "jobs.getJobList"),
        ("GET", "/v3/jobs/4dfa35e1-007", "jobs.getJob"),
        ("GET", "/v3/jobs/4dfa35e1-007/", "jobs.getJob"),
        ("get", "/v3/jobs/subscribe/4dfa35e1-007", "jobs.getSubscriptions"),
        ("GET", "/v3/jobs/subscribe/status", "jobs.getSubscriptions"),
        ("DELETE", "/v3/jobs/subscribe/4dfa35e1-007", "jobs.deleteSubscriptions"),
        ("GET", "/v3/jobs/x/output/list", "jobs.getJobOutputList"),
        ("GET", "/v3/jobs/x/output/list//", "jobs.getJobOutputList"),
        ("GET", "/v3/jobs/x/output/download/a/b%20c", "jobs.getJobOutputDownload"),
        ("POST", "/v3/files/ops/sys", "files.mkdir"),
        ("POST", "/v3/files/ops/sys//a", "files.insert"),
        ("GET", "/v3/files/ops/sys", "files.listFiles"),
        ("GET", "/v3/files/utils/linux/facl/sys/a", "files.getFacl"),
        ("GET", "/v3/files/utils/linux/sys/a/b", "files.getStatInfo"),
        ("GET", "/v3/files/postits/redeem/x", "files.redeemPostIt"),
        ("GET", "/v3/apps/a/isEnabled", "apps.isEnabled"),
        ("GET", "/v3/apps/a/1.0", "apps.getApp"),
        ("GET", "/v3/systems/schedulerProfile/p", "systems.getSchedulerProfile"),
        ("PATCH", "/v3/jobs/x/annotations", None),
        ("GET", "/v3/other", None),
        ("PUT", "/v3/jobs/list", None),
    ],
)
def test_which_operation_a_request_is(method: str, path: str, operation: str | None) -> None:
    assert official.match(method, path) == (tuple(operation.split(".")) if operation else None)


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda each: ".".join(each.place[-2:]))
def test_corrections_are_needed(correction: Correction) -> None:
    node: Any = official.raw(correction.spec)
    for step in correction.place:
        node = node.get(step if step in node else f"/v3{step}", {})
    assert node != correction.instead
    assert correction.reason


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = GOOD.replace(b"RUNNING", b"DONE") if "bad" in self.path else GOOD
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_watching_a_session(url: str) -> None:
    with requests.Session() as session:
        watched = official.watch(session)
        assert session.get(f"{url}/v3/jobs/good/status").json()["status"] == "success"
        assert watched.complaints == []
        session.get(f"{url}/v3/jobs/bad/status?a=b")
        session.get(f"{url}/v3/nothing")
    assert len(watched.complaints) == 1
    assert "DONE" in watched.complaints[0]
    assert watched.seen == {("jobs", "getJobStatus", 200): 2}
    assert watched.elsewhere == {("GET", "/v3/nothing"): 1}
    assert watched.succeeded("jobs") == {"getJobStatus"}
