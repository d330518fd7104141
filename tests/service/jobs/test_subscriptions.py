"""Subscriptions: coming and going, and what their receivers get, over real sockets."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.jobs.request import made

from weft.service.apps.model import DeliveryTarget
from weft.service.clock import Clock
from weft.service.jobs import notify
from weft.service.jobs.model import Subscription
from weft.service.jobs.notify import NotAllowed
from weft.service.jobs.states import Event, Status
from weft.service.server import Service

Client = Callable[..., TestClient]


class Receiver:
    """A web server that keeps what is posted to it; ``answers`` are its next statuses, then 200."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[dict[str, str], dict[str, Any]]] = queue.Queue()
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.got.put(({**self.headers, "path": self.path}, body))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def next(self) -> dict[str, Any]:
        return self.got.get(timeout=20)[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PAUSE", 0.01)


def body(address: str, category: str = "ALL", method: str = "WEBHOOK", **more: Any) -> dict[str, Any]:
    target = {"deliveryMethod": method, "deliveryAddress": address}
    return {"eventCategoryFilter": category, "deliveryTargets": [target], **more}


def add(service: Service, **more: Any) -> str:
    job = made.job(**more)
    service.ledger.add(job, "{}")
    return job.uuid


def subscribe(client: TestClient, uuid: str, request: dict[str, Any]) -> str:
    answer = client.post(f"/v3/jobs/subscribe/{uuid}", json=request)
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["result"]["url"]
    return url


def listed(client: TestClient, uuid: str) -> list[dict[str, Any]]:
    subscriptions: list[dict[str, Any]] = client.get(f"/v3/jobs/subscribe/{uuid}").json()["result"]
    return subscriptions


def test_subscriptions_come_and_go(service: Service, client: Client) -> None:
    uuid, speak = add(service), client()
    url = subscribe(speak, uuid, body("ann@example.org", method="EMAIL", description="mine", ttlMinutes=5))
    subscribe(speak, uuid, body("http://127.0.0.1:9/x", "JOB_NEW_STATUS", enabled=False))
    first, second = listed(speak, uuid)
    assert url == f"http://127.0.0.1/v3/jobs/subscribe/{first['uuid']}"
    assert {name: first[name] for name in ("owner", "tenant", "enabled", "ttlMinutes", "description")} == {
        "owner": "ann", "tenant": "local", "enabled": True, "ttlMinutes": 5, "description": "mine"
    }  # fmt: skip
    assert first["name"].startswith(f"jobs~ann~local~{uuid}~")
    assert (first["typeFilter"], second["typeFilter"]) == ("jobs.*.*", "jobs.JOB_NEW_STATUS.*")
    assert (first["subjectFilter"], second["enabled"]) == (uuid, False)
    assert first["deliveryTargets"] == [{"deliveryMethod": "EMAIL", "deliveryAddress": "ann@example.org"}]
    assert first["expiry"] > first["created"] == first["updated"]
    assert speak.delete(f"/v3/jobs/subscribe/{first['uuid']}").json()["result"] == {"changes": 1}
    assert [one["uuid"] for one in listed(speak, uuid)] == [second["uuid"]]
    assert speak.delete(f"/v3/jobs/subscribe/{uuid}").json()["result"] == {"changes": 1}
    assert speak.delete(f"/v3/jobs/subscribe/{uuid}").json()["result"] == {"changes": 0}
    job = service.ledger.get(uuid)
    assert job is not None and (job.watched, job.subscriptions) == (0, [])
    events = speak.get(f"/v3/jobs/{uuid}/history").json()["result"][1:]
    assert [event["eventDetail"] for event in events] == ["ADDED", "ADDED", "REMOVED", "REMOVED"]
    assert json.loads(events[0]["description"])["numSubscriptions"] == 1


def test_nobody_else_subscribes_or_unsubscribes(service: Service, client: Client) -> None:
    uuid, bob = add(service), client("bob")
    subscribe(client(), uuid, body("ann@example.org", method="EMAIL"))
    (one,) = listed(client(), uuid)
    assert bob.post(f"/v3/jobs/subscribe/{uuid}", json=body("b@b", method="EMAIL")).status_code == 403
    for known in (uuid, one["uuid"]):
        assert bob.delete(f"/v3/jobs/subscribe/{known}").status_code == 403
    assert len(listed(client(), uuid)) == 1


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"eventCategoryFilter": "ALL", "deliveryTargets": []},
        body("x"),
        body("nobody", method="EMAIL"),
        body("http://x", "JOB_EVENTS"),
        body("http://x", method="QUEUE"),
        {**body("http://x"), "ttlminutes": 5},
    ],
)
def test_subscriptions_that_mean_nothing_are_refused(
    service: Service, client: Client, request_body: dict[str, Any]
) -> None:
    assert client().post(f"/v3/jobs/subscribe/{add(service)}", json=request_body).status_code == 400


def test_there_are_not_too_many_and_none_of_what_has_ended(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.service.jobs import subscriptions

    monkeypatch.setattr(subscriptions, "MOST", 1)
    uuid, speak = add(service), client()
    subscribe(speak, uuid, body("http://x"))
    assert speak.post(f"/v3/jobs/subscribe/{uuid}", json=body("http://x")).status_code == 400
    ended = add(service, status=Status.FINISHED)
    assert speak.post(f"/v3/jobs/subscribe/{ended}", json=body("http://x")).status_code == 400


def test_expired_ones_are_gone(service: Service, client: Client) -> None:
    uuid, speak = add(service), client()
    subscribe(speak, uuid, body("http://127.0.0.1:9/", ttlMinutes=1))
    assert len(listed(speak, uuid)) == 1
    later = Clock(speed=10_000.0)
    service.clock, before = later, service.clock
    try:
        while later.now().timestamp() - before.now().timestamp() < 70:
            threading.Event().wait(0.001)
        assert listed(speak, uuid) == []
    finally:
        service.clock = before


# What receivers get


def test_a_receiver_gets_the_events_it_wants_in_their_order(
    service: Service, client: Client, receiver: Receiver
) -> None:
    target = DeliveryTarget(delivery_method="WEBHOOK", delivery_address=receiver.url)
    wanted = Subscription(delivery_targets=[target], event_category_filter="JOB_NEW_STATUS")
    uuid = add(service, subscriptions=[wanted])
    line = [Status.PROCESSING_INPUTS, Status.STAGING_INPUTS, Status.CANCELLED]
    for status in line:
        service.ledger.event(uuid, Event.JOB_USER_EVENT, "DEFAULT", "not wanted")
        service.ledger.transition(uuid, status)
    got = [receiver.got.get(timeout=20) for _ in range(4)]
    headers, first = got[0]
    assert (headers["User-Agent"], headers["Content-Type"], headers["path"]) == (
        "Tapis/v3", "application/json", "/hook"
    )  # fmt: skip
    assert [one["event"]["type"] for _, one in got] == [
        f"jobs.JOB_NEW_STATUS.{status.value}" for status in (Status.PENDING, *line)
    ]
    assert [one["event"]["seriesSeqCount"] for _, one in got] == [1, 4, 6, 8]
    assert [one["event"]["deleteSubscriptionsMatchingSubject"] for _, one in got] == [
        False,
        False,
        False,
        True,
    ]
    event = first["event"]
    assert (event["source"], event["subject"], event["seriesId"]) == ("https://tapis.io/jobs", uuid, uuid)
    data = json.loads(event["data"])
    assert (data["jobUuid"], data["newJobStatus"], data["jobOwner"]) == (uuid, "PENDING", "ann")
    assert first["deliveryTarget"] == {"deliveryMethod": "WEBHOOK", "deliveryAddress": receiver.url}
    assert first["subscriptionName"].startswith("jobs~ann~local~")
    assert first["eventUuid"] == event["uuid"] != first["uuid"]
    assert receiver.got.empty()
    assert listed(client(), uuid) == []


def test_a_receiver_that_fails_is_tried_again_and_one_that_refuses_is_not(
    service: Service, client: Client, receiver: Receiver
) -> None:
    uuid = add(service)
    receiver.answers = [500, 503, 200, 404, 302, 500, 500, 500]
    subscribe(client(), uuid, body(receiver.url, "JOB_USER_EVENT"))
    for number in range(5):
        service.ledger.event(uuid, Event.JOB_USER_EVENT, f"N{number}", "")
    seen = [receiver.next()["event"]["type"].rpartition(".")[2] for _ in range(9)]
    assert seen == ["N0", "N0", "N0", "N1", "N2", "N3", "N3", "N3", "N4"]
    assert receiver.got.empty()


def test_disabled_ones_and_e_mail_send_nothing(service: Service, client: Client, receiver: Receiver) -> None:
    uuid, speak = add(service), client()
    subscribe(speak, uuid, body(receiver.url, enabled=False))
    subscribe(speak, uuid, body("ann@example.org", method="EMAIL"))
    subscribe(speak, uuid, body(receiver.url, "JOB_ERROR_MESSAGE"))
    service.ledger.event(uuid, Event.JOB_USER_EVENT, "DEFAULT", "")
    service.ledger.event(uuid, Event.JOB_ERROR_MESSAGE, "FAILED", "")
    assert receiver.next()["event"]["type"] == "jobs.JOB_ERROR_MESSAGE.FAILED"
    assert receiver.got.empty()


def test_a_receiver_that_is_not_there_stops_nothing(
    service: Service, client: Client, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/key-4711"
    uuid = add(service)
    subscribe(client(), uuid, body(nobody))
    subscribe(client(), uuid, body(receiver.url, "JOB_NEW_STATUS"))
    assert service.ledger.transition(uuid, Status.FAILED).status is Status.FAILED
    assert receiver.next()["event"]["type"] == "jobs.JOB_NEW_STATUS.FAILED"
    until = time.monotonic() + 20
    while "not sent to 127.0.0.1" not in caplog.text:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "key-4711" not in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "http://192.0.2.1/x",
        "https://192.0.2.1/x",
        "http://0.0.0.0/x",
        "http://[2001:db8::1]/x",
        "http://169.254.169.254/latest",
        "ftp://127.0.0.1/x",
        "http:///x",
        "file:///etc/passwd",
    ],
)
def test_only_this_machine_is_posted_to(address: str) -> None:
    with pytest.raises(NotAllowed):
        notify.post(address, b"{}", allow_remote=False)


@pytest.mark.parametrize("address", ["http://127.0.0.1:x/", "http://127.0.0.1:99999/", "http://[::1/"])
def test_addresses_that_are_none_are_problems_that_are_expected(address: str) -> None:
    with pytest.raises((OSError, ValueError, OverflowError)):
        notify.post(address, b"{}", allow_remote=False)


def test_the_service_stops_though_much_is_waiting(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PAUSE", 60.0)
    uuid = add(service)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        subscribe(client(), uuid, body(f"http://127.0.0.1:{free.getsockname()[1]}/"))
    for _ in range(5):
        service.ledger.event(uuid, Event.JOB_USER_EVENT, "DEFAULT", "")
    service.ledger.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "weft-notify"]
