"""Where the official specifications are not taken by their word, each with its reason.

Recorded real answers contradict them, or they contradict themselves; and much that they call any text is one of a few
words. A schema here may have the keyword ``json``: a text that holds JSON, of that schema.
"""

from __future__ import annotations

from typing import Any, NamedTuple

JSON = "application/json"

STATUSES = [
    *("PENDING", "PROCESSING_INPUTS", "STAGING_INPUTS", "STAGING_JOB", "SUBMITTING_JOB", "QUEUED", "RUNNING"),
    *("ARCHIVING", "BLOCKED", "PAUSED", "FINISHED", "CANCELLED", "FAILED"),
]
TRANSFER_EVENTS = ["JOB_INPUT_TRANSACTION_ID", "JOB_ARCHIVE_TRANSACTION_ID"]
EVENTS = [
    *("JOB_NEW_STATUS", "JOB_SUBSCRIPTION", "JOB_SHARE_EVENT", "JOB_ERROR_MESSAGE", "JOB_USER_EVENT"),
    *TRANSFER_EVENTS,
]

_JOB = "#/components/schemas/Job/properties/"
_STATUS = {"$ref": f"{_JOB}status"}
_CONDITION = {"$ref": f"{_JOB}condition"}
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_FLAG = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}
_TIME_OR_BLANK = {"anyOf": [_TIME, {"type": "string", "enum": [""]}]}
_TRANSFER_STATUS = {
    "type": "string",
    "enum": ["ACCEPTED", "STAGED", "IN_PROGRESS", "COMPLETED", "CANCELLED", "FAILED", "FAILED_OPT", "PAUSED"],
}
_EVENT_TEXT = {
    "type": "object",
    "required": ["jobName", "jobUuid", "jobOwner", "message"],
    "properties": {
        **dict.fromkeys(["jobName", "jobUuid", "jobOwner", "message", "action", "transactionId"], _TEXT),
        **dict.fromkeys(["numSubscriptions", "blockedCount"], _NUMBER),
        **dict.fromkeys(["newJobStatus", "oldJobStatus", "jobStatus"], _STATUS),
        **dict.fromkeys(["remoteSubmitted", "remoteStarted", "remoteEnded"], _TEXT),
        **dict.fromkeys(["remoteJobId", "remoteJobId2", "remoteResultInfo", "remoteQueue"], _TEXT),
        "condition": _CONDITION,
        "remoteOutcome": {"$ref": f"{_JOB}remoteOutcome"},
        "transferStatus": _TRANSFER_STATUS,
    },
}
_TRANSFER_SUMMARY = {
    "type": "object",
    "properties": {
        **dict.fromkeys(["completeTransfers", "totalTransfers"], _NUMBER),
        **dict.fromkeys(["estimatedTotalBytes", "totalBytesTransferred"], _NUMBER),
        **dict.fromkeys(["created", "startTime", "endTime"], _TIME_OR_BLANK),
        "uuid": {"type": "string", "format": "uuid"},
        "errorMessage": _TEXT,
        "status": _TRANSFER_STATUS,
    },
}
_ARGUMENTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            **dict.fromkeys(["name", "description", "arg", "key", "value", "notes"], _TEXT),
            "include": _FLAG,
        },
    },
}
_PARAMETERS = {
    "type": "object",
    "properties": {
        **dict.fromkeys(["appArgs", "containerArgs", "schedulerOptions", "envVariables"], _ARGUMENTS),
        "archiveFilter": {"$ref": "#/components/schemas/IncludeExcludeFilter"},
        "logConfig": {"$ref": "#/components/schemas/LogConfig"},
    },
}
_INPUTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            **dict.fromkeys(["name", "description", "envKey", "sourceUrl", "targetPath", "notes"], _TEXT),
            **dict.fromkeys(["optional", "autoMountLocal"], _FLAG),
        },
    },
}
_SUBSCRIPTIONS = {
    "type": "array",
    "items": {
        "allOf": [{"$ref": "#/components/schemas/ReqSubscribe"}],
        "properties": {"ttlMinutes": _NUMBER},
    },
}
_LIST_METADATA = {
    "type": "object",
    "properties": {
        **dict.fromkeys(["recordCount", "recordLimit", "recordsSkipped", "totalCount"], _NUMBER),
        **dict.fromkeys(["orderBy", "startAfter"], _TEXT),
    },
}


class Correction(NamedTuple):
    """``instead`` replaces what stands at ``place`` of a specification, or is added there."""

    spec: str
    place: tuple[str, ...]
    instead: Any
    reason: str


def _schema(name: str, field: str) -> tuple[str, ...]:
    return ("components", "schemas", name, "properties", field)


def _ok(path: str, method: str) -> tuple[str, ...]:
    return ("paths", path, method, "responses", "200", "content")


CORRECTIONS = (
    Correction("jobs", _schema("Job", "isMpi"), _FLAG, "recorded as isMpi; the specification says mpi"),
    Correction("jobs", _schema("Job", "notes"), {"type": ["string", "object"]}, "an object since Jobs 1.9.1"),
    Correction("jobs", _schema("Job", "fileInputs"), {**_TEXT, "json": _INPUTS}, "recorded: a JSON text"),
    Correction(
        "jobs", _schema("Job", "parameterSet"), {**_TEXT, "json": _PARAMETERS}, "recorded: a JSON text"
    ),
    Correction(
        "jobs", _schema("Job", "subscriptions"), {**_TEXT, "json": _SUBSCRIPTIONS}, "recorded: a JSON text"
    ),
    Correction("jobs", _schema("JobStatusDisplay", "status"), _STATUS, "any text; only the 13 states exist"),
    Correction(
        "jobs", _schema("JobStatusDisplay", "condition"), _CONDITION, "any text; only the 26 codes exist"
    ),
    Correction(
        "jobs",
        ("components", "schemas", "JobHistoryDisplayDTO", "if"),
        {"required": ["event"], "properties": {"event": {"enum": ["JOB_NEW_STATUS"]}}},
        "recorded: a new status is told in the detail",
    ),
    Correction(
        "jobs",
        ("components", "schemas", "JobHistoryDisplayDTO", "then"),
        {"required": ["eventDetail"], "properties": {"eventDetail": _STATUS}},
        "any text; only the 13 states exist",
    ),
    Correction(
        "jobs",
        ("components", "schemas", "JobHistoryDisplayDTO", "else"),
        {
            "if": {"properties": {"event": {"enum": TRANSFER_EVENTS}}},
            "then": {"properties": {"eventDetail": _TRANSFER_STATUS}},
        },
        "recorded: the detail of a transfer's event is the state of the transfer",
    ),
    Correction(
        "jobs",
        _schema("JobHistoryDisplayDTO", "event"),
        {"type": "string", "enum": EVENTS},
        "any text; only 7 exist",
    ),
    Correction(
        "jobs",
        _schema("JobHistoryDisplayDTO", "description"),
        {**_TEXT, "json": _EVENT_TEXT},
        "recorded: a JSON text",
    ),
    Correction(
        "jobs",
        _schema("JobHistoryDisplayDTO", "transferSummary"),
        _TRANSFER_SUMMARY,
        "recorded, not specified",
    ),
    Correction(
        "jobs", ("components", "schemas", "ResultMetadata"), _LIST_METADATA, "recorded with these fields"
    ),
    Correction(
        "jobs",
        _ok("/jobs/subscribe/{uuid}", "delete"),
        {
            JSON: {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/RespBasic"}],
                    "properties": {"result": {"$ref": "#/components/schemas/ResultChangeCount"}},
                }
            }
        },
        "the count is specified without its envelope",
    ),
    Correction(
        "jobs",
        (*_ok("/jobs/{jobUuid}/output/download/{outputPath}", "get"), JSON),
        {"schema": {"$ref": "#/components/schemas/RespBasic"}},
        "an empty folder is answered in JSON",
    ),
    Correction(
        "files",
        (*_ok("/v3/files/utils/linux/{systemId}/{path}", "post"), JSON),
        {"schema": {"$ref": "#/components/schemas/NativeLinuxOpResponse"}},
        "the result is named in place of its envelope, which is specified and used nowhere",
    ),
    Correction(
        "files",
        (*_schema("NativeLinuxGetFaclResponse", "result"), "type"),
        "array",
        "has items, but does not say that it is an array",
    ),
)
"""Where the specifications are not taken by their word."""

ENVELOPE = {
    "type": "object",
    "required": ["result", "status", "message", "version", "commit", "build", "metadata"],
    "properties": {
        "status": {"type": "string", "enum": ["success", "error"]},
        "message": _TEXT,
        "version": _TEXT,
        "commit": _TEXT,
        "build": _TEXT,
        "metadata": _LIST_METADATA,
    },
}
"""What every JSON answer is; absent values are null, never missing."""
