"""The ledger: every change with its event, in one transaction, by the table of states."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.conftest import count
from tests.service.jobs.request import made

from weft.service.apps.model import DeliveryTarget
from weft.service.clock import Clock
from weft.service.database import Database
from weft.service.jobs import tables, watching
from weft.service.jobs.events import Transfer
from weft.service.jobs.ledger import Counts, IllegalTransition, Ledger
from weft.service.jobs.model import Job, Subscription
from weft.service.jobs.states import Condition, Event, RemoteOutcome, Status, may_follow


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_file = request.param == "sqlite"
    url = (
        f"sqlite:///{tmp_path / 'jobs.sqlite'}" if is_file else request.getfixturevalue("postgresql_database")
    )
    made = Database(url)
    made.create()
    yield made
    made.close()


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    made = open_ledger(database)
    yield made
    made.stop()


def open_ledger(database: Database) -> Ledger:
    service: Any = SimpleNamespace(
        database=database, clock=Clock(), settings=SimpleNamespace(allow_remote_webhooks=False)
    )
    return Ledger(service)


def added(ledger: Ledger, **more: Any) -> str:
    job = made.job(**more)
    ledger.add(job, "{}")
    return job.uuid


def history(database: Database, uuid: str) -> list[dict[str, Any]]:
    query = select(tables.events).where(tables.events.c.job_uuid == uuid).order_by(tables.events.c.id)
    with database.reading() as connection:
        return [
            {**row, "description": json.loads(row["description"])}
            for row in connection.execute(query).mappings()
        ]


def subscription(category: Any = "ALL") -> Subscription:
    target = DeliveryTarget(delivery_method="EMAIL", delivery_address="ann@example.org")
    return Subscription(delivery_targets=[target], event_category_filter=category)


def test_a_job_comes_back_as_it_was_added(ledger: Ledger) -> None:
    job = made.job(
        tags=["a"], exec_system_constraints=["x = 1"], shared_app_ctx_attribs=["SAC_EXEC_SYSTEM_ID"]
    )
    row = ledger.add(job, '{"name": "first"}')
    assert row["id"] == 1 and row["request"] == '{"name": "first"}'
    assert ledger.get(job.uuid) == made.replaced(job, id=1)
    assert ledger.get("nobody") is None


def test_the_first_event_is_pending_and_comes_after_nothing(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger)
    (event,) = history(database, uuid)
    assert (event["event"], event["event_detail"]) == ("JOB_NEW_STATUS", "PENDING")
    assert (event["transfer_summary"], event["transfer_task_uuid"]) == ("{}", None)
    assert list(event["description"].items()) == [
        ("newJobStatus", "PENDING"),
        ("oldJobStatus", None),
        ("jobName", "first"),
        ("jobUuid", uuid),
        ("jobOwner", "ann"),
        ("message", "The job has transitioned to a new status: PENDING."),
    ]


def test_subscriptions_begin_with_the_job_and_end_with_it(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger, subscriptions=[subscription(), subscription("JOB_NEW_STATUS")])
    event = history(database, uuid)[1]
    assert (event["event"], event["event_detail"]) == ("JOB_SUBSCRIPTION", "ADDED")
    assert event["description"]["message"] == (
        "A change to the job's subscriptions has occurred.  2 subscription(s) created with job submission."
    )
    assert (event["description"]["action"], event["description"]["numSubscriptions"]) == ("added", 2)
    with database.reading() as connection:
        assert len(watching.of_job(connection, uuid, "2000")) == 2
    job = ledger.transition(uuid, Status.CANCELLED, condition=Condition.CANCELLED_BY_USER)
    assert (job.watched, len(job.subscriptions)) == (0, 2)
    with database.reading() as connection:
        assert watching.of_job(connection, uuid, "2000") == []


LINE = [
    Status.PROCESSING_INPUTS,
    Status.STAGING_INPUTS,
    Status.STAGING_JOB,
    Status.SUBMITTING_JOB,
    Status.QUEUED,
    Status.RUNNING,
    Status.ARCHIVING,
]


def test_a_whole_life_has_one_event_per_status(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger)
    for status in LINE:
        assert ledger.transition(uuid, status).status is status
    job = ledger.transition(
        uuid,
        Status.FINISHED,
        condition=Condition.NORMAL_COMPLETION,
        remote_outcome=RemoteOutcome.FINISHED,
        remote_job_id="17",
        remote_result_info="0",
        remote_submitted="2026-01-01T00:00:00.000001Z",
        remote_ended="2026-01-01T00:00:00.000003Z",
    )
    assert job == ledger.get(uuid)
    assert job.last_message == "Setting job status to FINISHED."
    assert job.ended is not None and job.ended == job.last_updated >= job.created
    events = history(database, uuid)
    assert [event["event_detail"] for event in events] == [
        "PENDING",
        *(one.value for one in LINE),
        "FINISHED",
    ]
    for before, after in pairwise(events):
        said = after["description"]
        assert (
            said["oldJobStatus"] == before["event_detail"] and said["newJobStatus"] == after["event_detail"]
        )
        assert said["message"].endswith(f"The previous job status was {before['event_detail']}.")
        assert before["created"] <= after["created"]
    last = events[-1]["description"]
    # The time of the end stands where that of the submission belongs: as the real service has it.
    assert {name: last[name] for name in list(last)[2:11]} == {
        "blockedCount": 0,
        "condition": "NORMAL_COMPLETION",
        "remoteJobId": "17",
        "remoteJobId2": None,
        "remoteOutcome": "FINISHED",
        "remoteResultInfo": "0",
        "remoteQueue": None,
        "remoteSubmitted": "2026-01-01T00:00:00.000003Z",
        "remoteStarted": None,
    }
    assert "blockedCount" not in events[-2]["description"]


@pytest.mark.parametrize("old", Status, ids=lambda one: one.value)
def test_no_transition_but_those_of_the_table(ledger: Ledger, database: Database, old: Status) -> None:
    for new in Status:
        uuid = added(ledger, status=old)
        before = ledger.get(uuid)
        if may_follow(old, new):
            assert ledger.transition(uuid, new).status is new
            assert len(history(database, uuid)) == 2
        else:
            with pytest.raises(IllegalTransition):
                ledger.transition(uuid, new, remote_job_id="1")
            assert ledger.get(uuid) == before
            assert len(history(database, uuid)) == 1


def test_blocking_is_counted(ledger: Ledger) -> None:
    uuid = added(ledger)
    for _ in range(3):
        job = ledger.transition(uuid, Status.BLOCKED, message="quota")
        ledger.transition(uuid, Status.PENDING)
    assert (job.blocked_count, job.last_message) == (3, "quota")


def test_changes_without_an_event(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger)
    job = ledger.update(uuid, launch='{"token":"t"}', remote_checks_success=4, tags=["x"])
    assert (job.launch, job.remote_checks_success, job.tags) == ('{"token":"t"}', 4, ["x"])
    assert ledger.get(uuid) == job
    assert len(history(database, uuid)) == 1


def test_an_event_may_be_about_a_transfer(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger)
    summary = {"uuid": "t", "status": "COMPLETED", "totalTransfers": 2}
    ledger.event(
        uuid,
        Event.JOB_INPUT_TRANSACTION_ID,
        "COMPLETED",
        "done",
        transfer=Transfer("t", summary),
        extra={"transferStatus": "COMPLETED", "transactionId": "t"},
    )
    event = history(database, uuid)[-1]
    assert (event["transfer_task_uuid"], json.loads(event["transfer_summary"])) == ("t", summary)
    assert list(event["description"]) == [
        "transferStatus",
        "transactionId",
        "jobName",
        "jobUuid",
        "jobOwner",
        "message",
    ]


def test_what_is_not_there_cannot_be_changed(ledger: Ledger) -> None:
    for change in (
        lambda: ledger.update("nobody", launch="x"),
        lambda: ledger.transition("nobody", Status.FAILED),
        lambda: ledger.event("nobody", Event.JOB_USER_EVENT, "d", "m"),
    ):
        with pytest.raises(KeyError):
            change()
    assert not ledger.ask_to_cancel("nobody")


def test_only_jobs_that_have_not_ended_can_be_cancelled(ledger: Ledger) -> None:
    first, second = added(ledger), added(ledger)
    assert ledger.ask_to_cancel(first)
    job = ledger.get(first)
    assert job is not None and job.cancel_asked
    ledger.transition(second, Status.FAILED)
    assert not ledger.ask_to_cancel(second)


def test_the_unfinished_are_told_oldest_first(ledger: Ledger) -> None:
    uuids = [added(ledger) for _ in range(5)]
    ledger.transition(uuids[1], Status.CANCELLED)
    ledger.transition(uuids[0], Status.BLOCKED)
    assert ledger.unfinished() == [uuids[0], *uuids[2:]]


def test_quotas_count_what_takes_a_place(ledger: Ledger) -> None:
    for status in Status:
        added(ledger, status=status, exec_system_logical_queue="q")
    added(ledger, status=Status.RUNNING, owner="bob", exec_system_logical_queue="q")
    added(ledger, status=Status.RUNNING, exec_system_logical_queue="r")
    added(ledger, status=Status.RUNNING, exec_system_id="other")
    added(ledger, status=Status.RUNNING, tenant="other")
    assert ledger.active_counts("local", "exec", "q", "ann") == Counts(9, 8, 8, 7)
    assert ledger.active_counts("local", "exec", None, "bob") == Counts(9, 1, 0, 0)
    assert ledger.active_counts("local", "nowhere", None, "ann") == Counts()


def test_the_latest_event_is_known_after_a_restart(ledger: Ledger, database: Database) -> None:
    assert ledger.latest() is None
    uuid = added(ledger)
    last = open_ledger(database).latest()
    assert last is not None
    assert (
        last.isoformat(timespec="microseconds").replace("+00:00", "Z")
        == history(database, uuid)[0]["created"]
    )


def test_a_job_and_its_first_events_are_written_together_or_not_at_all(
    ledger: Ledger, database: Database
) -> None:
    job = made.job()
    ledger.add(job, "{}")
    with pytest.raises(IntegrityError):
        ledger.add(job, "{}")
    assert len(history(database, job.uuid)) == 1


def test_threads_that_race_for_a_transition_leave_a_legal_history(ledger: Ledger, database: Database) -> None:
    uuids = [added(ledger) for _ in range(count(3, 30))]
    refused: list[IllegalTransition] = []

    def race() -> None:
        for uuid in uuids:
            for status in (*LINE, Status.FINISHED):
                try:
                    ledger.transition(uuid, status)
                except IllegalTransition as problem:
                    refused.append(problem)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for uuid in uuids:
        states = [Status(event["event_detail"]) for event in history(database, uuid)]
        assert all(may_follow(old, new) for old, new in pairwise(states))
        assert states[-1] is Status.FINISHED
    assert refused


def test_every_attribute_of_a_job_is_a_column() -> None:
    assert {column.name for column in tables.jobs.columns} == {*Job.__struct_fields__, "request"}


# PostgreSQL's plans depend on how much there is.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_the_worker_asks_needs_no_scan_of_all_jobs(ledger: Ledger, database: Database) -> None:
    uuid = added(ledger)
    with made.explained(database) as steps:
        ledger.unfinished()
        ledger.active_counts("local", "exec", "q", "ann")
        ledger.get(uuid)
        ledger.ask_to_cancel(uuid)
        ledger.transition(uuid, Status.PROCESSING_INPUTS)
        ledger.latest()
    assert len(steps) >= 6
    assert not [step for step in steps if step.startswith("SCAN jobs")]
