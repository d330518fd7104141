"""The operations of the Jobs service."""

from __future__ import annotations

from itertools import count
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct
from sqlalchemy import select

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask, checked
from weft.service.jobs import lists, outputs, shares, subscriptions, tables
from weft.service.jobs.annotations import patch_annotations, put_annotations
from weft.service.jobs.events import entry
from weft.service.jobs.model import EVENT_DATA_MAX, SubmitRequest
from weft.service.jobs.pages import page_of
from weft.service.jobs.request.submit import submit
from weft.service.jobs.rights import ALL, job_row
from weft.service.jobs.states import TERMINAL, Event, Status
from weft.service.routes import operation

_CHECKS = count(1)


class UserEvent(Struct, rename="camel", forbid_unknown_fields=True):
    """The body of ``sendEvent``."""

    event_data: Annotated[str, Meta(min_length=1, max_length=EVENT_DATA_MAX)]
    event_detail: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A\S+\Z")] = "DEFAULT"


# Submitting


def submit_job(ask: Ask) -> Answer:
    row = submit(ask, ask.body(SubmitRequest), ask.raw().decode())
    return Answer(tables.shown(row), f"JOBS_CREATED Job {row['uuid']} created.")


def resubmit_job(ask: Ask) -> Answer:
    """Submit the request of a job again; app and systems are as they are now, and so may the new job be another."""
    text = str(_requested(ask, "resubmit"))
    row = submit(ask, checked(msgspec.json.decode(text), SubmitRequest), text)
    return Answer(tables.shown(row), f"JOBS_CREATED Job {row['uuid']} created.")


def get_resubmit_request_json(ask: Ask) -> Answer:
    text = _requested(ask, "see the request of")
    uuid = ask.path["jobUuid"]
    return Answer(Raw(text.encode()), f"JOBS_JOBRESUBMIT_RETRIEVED Request of job {uuid} retrieved.")


def _requested(ask: Ask, doing: str) -> str:
    """The request of the job in the path; of one that is not there, the real service says 400."""
    try:
        return str(job_row(ask, doing, ("request",), resource="JOB_RESUBMIT_REQUEST")["request"])
    except Problem as problem:
        if problem.status != 404:
            raise
        raise Problem(
            400, f"JOBS_JOBRESUBMIT_NOT_FOUND There is no request of job {ask.path['jobUuid']}"
        ) from problem


# Reading


def get_job(ask: Ask) -> Answer:
    row = job_row(ask, "see", ALL, resource="JOB_HISTORY")
    return Answer(tables.shown(row), f"JOBS_RETRIEVED Job {row['uuid']} retrieved.")


def get_job_status(ask: Ask) -> Answer:
    row = job_row(ask, "see the status of", ("status", "condition"), resource="JOB_HISTORY")
    return Answer(
        {"status": row["status"], "condition": row["condition"]},
        f"JOBS_STATUS_RETRIEVED Status of the Job {row['uuid']} retrieved.",
    )


def get_job_history(ask: Ask) -> Answer:
    uuid = job_row(ask, "see the history of", resource="JOB_HISTORY")["uuid"]
    query = select(tables.events).where(tables.events.c.job_uuid == uuid).order_by(tables.events.c.id)
    with ask.service.database.reading() as connection:
        rows, metadata = page_of(ask, connection, query)
    history = [
        {
            "event": row["event"],
            "created": row["created"],
            "eventDetail": row["event_detail"],
            "description": row["description"],
            "transferTaskUuid": row["transfer_task_uuid"],
            "transferSummary": Raw(row["transfer_summary"].encode()),
        }
        for row in rows
    ]
    message = f"JOBS_HISTORY_RETRIEVED Job {uuid} history retrieved for user {ask.user} tenant {ask.tenant}"
    return Answer(history, message, metadata=metadata)


# Changing


def cancel_job(ask: Ask) -> Answer:
    """Ask for the job's end; the worker brings it about."""
    job_row(ask, "cancel")
    uuid = ask.path["jobUuid"]
    if not ask.service.ledger.ask_to_cancel(uuid):
        raise Problem(
            409, f"JOBS_JOB_CANCEL_NOT_ACCEPTED Job {uuid} has ended already", result={"name": uuid}
        )
    ask.service.worker.wake(uuid)
    message = f"JOBS_JOB_CANCEL_ACCEPTED Request to cancel job {uuid} has been accepted."
    return Answer({"message": message}, message)


def hide_job(ask: Ask) -> Answer:
    return _show(ask, "hide", visible=False)


def unhide_job(ask: Ask) -> Answer:
    return _show(ask, "unhide", visible=True)


def _show(ask: Ask, doing: str, *, visible: bool) -> Answer:
    row = job_row(ask, doing, ("status",), hidden=True)
    uuid, word = row["uuid"], "visible" if visible else "hidden"
    if Status(row["status"]) not in TERMINAL:
        raise Problem(
            409,
            f"JOBS_JOB_NOT_IN_TERMINAL_STATE Job {uuid} has not ended: {row['status']}",
            result={"name": uuid},
        )
    if row["visible"] == visible:
        message = f"JOBS_JOB_VISBILITY Job {uuid} is already {word}."
    else:
        ask.service.ledger.update(uuid, visible=visible)
        message = f"JOBS_JOB_CHANGED_VISIBILITY Job {uuid} is now {word}."
    return Answer({"message": message}, message)


def send_event(ask: Ask) -> Answer:
    """Put an event of the caller's own into the history of a job that has not ended."""
    job_row(ask, "send an event to", everybody=True)
    uuid, given = ask.path["jobUuid"], ask.body(UserEvent)
    with ask.service.ledger.changing(uuid) as change:
        job = change.job
        if job.status in TERMINAL:
            raise Problem(400, f"JOBS_JOB_IN_TERMINAL_STATE Job {uuid} has ended: {job.status.value}")
        change.write(
            entry(job, Event.JOB_USER_EVENT, given.event_detail, given.event_data, created=change.now)
        )
    return Answer(None, f"JOBS_USER_EVENT_SENT Event {given.event_detail} sent to job {uuid}.")


# Health


def check_health(ask: Ask) -> Answer:
    return _probe(ask, "TAPIS_HEALTHY")


def ready(ask: Ask) -> Answer:
    return _probe(ask, "TAPIS_READY")


def _probe(ask: Ask, key: str) -> Answer:
    with ask.service.database.reading() as connection:
        connection.execute(select(1))
    probe = {"checkNum": next(_CHECKS), "databaseAccess": True, "tenantsAccess": True, "queueAccess": True}
    return Answer(probe, f"{key} Jobs Service")


def say_hello(ask: Ask) -> Answer:
    return Answer(None, "TAPIS_FOUND hello found: 1 item")


_SPEC = "jobs"
_JOB = "/v3/jobs/{jobUuid}"
_OUTPUT = f"{_JOB}/output"
_SUBSCRIBE = "/v3/jobs/subscribe/{jobUuid}"

OPERATIONS = (
    operation(_SPEC, "checkHealth", "GET", "/v3/jobs/healthcheck", check_health, open_to_all=True),
    operation(_SPEC, "ready", "GET", "/v3/jobs/ready", ready, open_to_all=True),
    operation(_SPEC, "readycheck", "GET", "/v3/jobs/readycheck", ready, open_to_all=True),
    operation(_SPEC, "sayHello", "GET", "/v3/jobs/hello", say_hello, open_to_all=True),
    operation(_SPEC, "submitJob", "POST", "/v3/jobs/submit", submit_job, brief=True),
    operation(_SPEC, "getJobList", "GET", "/v3/jobs/list", lists.get_job_list),
    operation(_SPEC, "getJobSearchList", "GET", "/v3/jobs/search", lists.get_job_search_list),
    operation(
        _SPEC,
        "getJobSearchListByPostSqlStr",
        "POST",
        "/v3/jobs/search",
        lists.get_job_search_list_by_post_sql_str,
    ),
    operation(_SPEC, "getSubscriptions", "GET", _SUBSCRIBE, subscriptions.get_subscriptions),
    operation(_SPEC, "subscribe", "POST", _SUBSCRIBE, subscriptions.subscribe),
    operation(_SPEC, "deleteSubscriptions", "DELETE", _SUBSCRIBE, subscriptions.delete_subscriptions),
    operation(_SPEC, "getJob", "GET", _JOB, get_job),
    operation(_SPEC, "getJobStatus", "GET", f"{_JOB}/status", get_job_status, brief=True),
    operation(_SPEC, "getJobHistory", "GET", f"{_JOB}/history", get_job_history),
    operation(_SPEC, "resubmitJob", "POST", f"{_JOB}/resubmit", resubmit_job),
    operation(_SPEC, "getResubmitRequestJson", "GET", f"{_JOB}/resubmit_request", get_resubmit_request_json),
    operation(_SPEC, "cancelJob", "POST", f"{_JOB}/cancel", cancel_job),
    operation(_SPEC, "hideJob", "POST", f"{_JOB}/hide", hide_job),
    operation(_SPEC, "unhideJob", "POST", f"{_JOB}/unhide", unhide_job),
    operation(_SPEC, "sendEvent", "POST", f"{_JOB}/sendEvent", send_event),
    operation(_SPEC, "getJobShare", "GET", f"{_JOB}/share", shares.get_job_share),
    operation(_SPEC, "shareJob", "POST", f"{_JOB}/share", shares.share_job),
    operation(_SPEC, "deleteJobShare", "DELETE", f"{_JOB}/share/{{user}}", shares.delete_job_share),
    # Clients drop the last segment of a path that says "here".
    operation(_SPEC, "getJobOutputList", "GET", f"{_OUTPUT}/list", outputs.get_job_output_list),
    operation(
        _SPEC, "getJobOutputList", "GET", f"{_OUTPUT}/list/{{outputPath:path}}", outputs.get_job_output_list
    ),
    operation(_SPEC, "getJobOutputDownload", "GET", f"{_OUTPUT}/download", outputs.get_job_output_download),
    operation(
        _SPEC,
        "getJobOutputDownload",
        "GET",
        f"{_OUTPUT}/download/{{outputPath:path}}",
        outputs.get_job_output_download,
    ),
    # The documentation of the real service writes both.
    *(
        operation(_SPEC, name, method, f"{_JOB}/{word}", handler)
        for word in ("annotation", "annotations")
        for name, method, handler in (
            ("putJobAnnotations", "PUT", put_annotations),
            ("patchJobAnnotations", "PATCH", patch_annotations),
        )
    ),
)
