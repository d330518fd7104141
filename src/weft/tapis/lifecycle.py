"""The life of a job as Tapis tells it, as our facts: PURE. Everything about what Tapis' words mean lives here.

It reads a job as ``getJob`` gives it, and its history as ``getJobHistory`` does. Both have oddities that it must live
with: descriptions are JSON within JSON; the last event has the end where the submission belongs, so times of the remote
job come from the job alone; a state that was left for BLOCKED comes again; what is not known is null, or an empty
string, or not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from weft.core import events as ev
from weft.core.events import AnyEvent, Transfer
from weft.model import Kind, Outcome, Phase

Entry = Mapping[str, Any]
"""One event of a history, as the service gives it."""

PHASES: Mapping[str, Phase] = {
    word: Phase(word)
    for word in (
        "PENDING",
        "PROCESSING_INPUTS",
        "STAGING_INPUTS",
        "STAGING_JOB",
        "SUBMITTING_JOB",
        "QUEUED",
        "RUNNING",
        "ARCHIVING",
        "BLOCKED",
        "PAUSED",
    )
}
"""The status of a job that is not over, as a phase."""
OVER = frozenset({"FINISHED", "CANCELLED", "FAILED"})
"""The status of a job that is."""

OUTCOMES: Mapping[str, Outcome] = {
    "NORMAL_COMPLETION": Outcome.FINISHED,
    # What the job itself, or its request, is to blame for.
    "JOB_REMOTE_OUTCOME_ERROR": Outcome.FAILED,
    "JOB_LAUNCH_FAILURE": Outcome.FAILED,
    "JOB_INVALID_DEFINITION": Outcome.FAILED,
    # A limit that was set for it.
    "SCHEDULER_TIMEOUT": Outcome.TIMED_OUT,
    "SCHEDULER_DEADLINE": Outcome.TIMED_OUT,
    "JOB_EXECUTION_MONITORING_TIMEOUT": Outcome.TIMED_OUT,
    "SCHEDULER_OUT_OF_MEMORY": Outcome.OUT_OF_MEMORY,
    # Somebody wanted it.
    "CANCELLED_BY_USER": Outcome.CANCELLED,
    "SCHEDULER_CANCELLED": Outcome.CANCELLED,
    # The site's doing.
    "SCHEDULER_STOPPED": Outcome.INTERRUPTED,
    "SCHEDULER_TERMINATED": Outcome.INTERRUPTED,
    "JOB_ARCHIVING_FAILED": Outcome.INTERRUPTED,
    "JOB_DATABASE_ERROR": Outcome.INTERRUPTED,
    "JOB_EXECUTION_MONITORING_ERROR": Outcome.INTERRUPTED,
    "JOB_EXECUTION_MONITORING_ERROR_TIMEOUT": Outcome.INTERRUPTED,
    "JOB_FILES_SERVICE_ERROR": Outcome.INTERRUPTED,
    "JOB_INTERNAL_ERROR": Outcome.INTERRUPTED,
    "JOB_QUEUE_MONITORING_ERROR": Outcome.INTERRUPTED,
    "JOB_RECOVERY_FAILURE": Outcome.INTERRUPTED,
    "JOB_RECOVERY_TIMEOUT": Outcome.INTERRUPTED,
    "JOB_REMOTE_ACCESS_ERROR": Outcome.INTERRUPTED,
    "JOB_TRANSFER_FAILED_OR_CANCELLED": Outcome.INTERRUPTED,
    "JOB_TRANSFER_MONITORING_TIMEOUT": Outcome.INTERRUPTED,
    "JOB_UNABLE_TO_STAGE_INPUTS": Outcome.INTERRUPTED,
    "JOB_UNABLE_TO_STAGE_JOB": Outcome.INTERRUPTED,
}
"""The condition of a job that failed, as an outcome: all 26 of Tapis Jobs 1.8."""

ENDED = frozenset(
    {
        *("NORMAL_COMPLETION", "JOB_REMOTE_OUTCOME_ERROR", "JOB_ARCHIVING_FAILED"),
        *("SCHEDULER_TIMEOUT", "SCHEDULER_DEADLINE", "SCHEDULER_OUT_OF_MEMORY", "SCHEDULER_CANCELLED"),
        *("SCHEDULER_STOPPED", "SCHEDULER_TERMINATED"),
        *("JOB_INVALID_DEFINITION", "JOB_UNABLE_TO_STAGE_INPUTS", "JOB_UNABLE_TO_STAGE_JOB"),
        *("JOB_TRANSFER_FAILED_OR_CANCELLED", "JOB_TRANSFER_MONITORING_TIMEOUT"),
    }
)
"""Conditions by which the processes of a job that failed have ended, or never were."""

_SAY_LITTLE = ("NORMAL_COMPLETION", "JOB_REMOTE_OUTCOME_ERROR")
"""Conditions of a failed job that leave open who ended it."""
_SCHEDULER_WORDS: Mapping[str, Outcome] = {
    **dict.fromkeys(("TIMEOUT", "TO", "DEADLINE", "DL"), Outcome.TIMED_OUT),
    **dict.fromkeys(("OUT_OF_MEMORY", "OOM"), Outcome.OUT_OF_MEMORY),
    **dict.fromkeys(("CANCELLED", "CA"), Outcome.CANCELLED),
    **dict.fromkeys(("NODE_FAIL", "NF", "BOOT_FAIL", "BF", "PREEMPTED", "PR"), Outcome.INTERRUPTED),
    **dict.fromkeys(("REVOKED", "RV", "STOPPED", "ST", "LAUNCH_FAILED"), Outcome.INTERRUPTED),
}
"""Slurm's states, long and short, that say more than that a job failed."""
_REMOTE_STATUS = re.compile(r'remote status "?([A-Za-z_]+)')

_INTO: Mapping[str, Literal["inputs", "archive"]] = {
    "JOB_INPUT_TRANSACTION_ID": "inputs",
    "JOB_ARCHIVE_TRANSACTION_ID": "archive",
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|([+-]\d\d):?(\d\d))?")


def outcome_of(status: object, condition: object = None, message: object = None) -> Outcome | None:
    """How a job with this status, condition and ``lastMessage`` ended; None while it is not over.

    Where Tapis says no more than that the application failed, the scheduler's word in the message decides. FINISHED
    says nothing about the cases: an app that loses its exit code always gets there.
    """
    word, why = _text(status), _text(condition)
    if word not in OVER:
        return None
    if word != "FAILED":
        return Outcome(word)
    known = OUTCOMES.get(why)
    if known is not None and why not in _SAY_LITTLE:
        return known
    found = _REMOTE_STATUS.search(_text(message))
    return _SCHEDULER_WORDS.get(found[1].upper(), Outcome.FAILED) if found else Outcome.FAILED


def may_live(job: Entry) -> bool:
    """May processes of a job live on that is over for Tapis? (It was given up, or killed, which may not reach all.)"""
    return job.get("status") in ("FAILED", "CANCELLED") and _text(job.get("condition")) not in ENDED


def account(ours: str, job: Entry, entries: Iterable[Entry], *, at: float) -> ev.HistoryRead:
    """The service's account of the job that has this id of ours."""
    told = list(entries)
    return ev.HistoryRead(
        at=at, by="tapis", job=ours, phases=phases_of(job, told), transfers=transfers_of(told)
    )


def facts_of(job: Entry, entries: Iterable[Entry], *, at: float) -> list[AnyEvent]:
    """All there is to know of a job that weft did not launch, read at this time; its id is the service's.

    For ``profile_of``, together with those of other jobs in the order of time.
    """
    uuid, status = _text(job.get("uuid")), _text(job.get("status"))
    told = list(entries)
    phases = phases_of(job, told)
    made = phases[0][1] if phases else seconds(job.get("lastUpdated")) or at
    outcome = outcome_of(status, job.get("condition"), job.get("lastMessage"))
    over = max(when for _, when in [*phases, (Phase.PENDING, made)]) if outcome else max(at, made)
    facts: list[AnyEvent] = [
        ev.JobPlanned(
            at=made,
            by="tapis",
            job=uuid,
            kind=Kind.CASES,
            backend="tapis",
            cases=[],
            revision="",
            cores=_whole(job.get("coresPerNode")) or 1,
            minutes=_whole(job.get("maxMinutes")) or None,
            name=_text(job.get("name")),
            given=allotment_of(job),
        ),
        ev.JobSubmitted(at=made, by="tapis", job=uuid, native=uuid),
        account(uuid, job, told, at=over),
    ]
    if outcome is None:
        return facts
    word = f"{status} {_text(job.get('condition'))}".strip()
    why = "" if outcome is Outcome.FINISHED else _text(job.get("lastMessage"))
    return [
        *facts,
        ev.JobGone(at=over, by="tapis", job=uuid, outcome=outcome, word=word, why=why),
        ev.JobEnded(at=over, by="tapis", job=uuid, outcome=outcome, why=why),
    ]


def allotment_of(job: Entry, rate: float | None = None) -> ev.Allotment:
    """What a job was given to run with, as ``getJob`` tells, or a request that asks for it."""
    archived = _object(_object(job.get("parameterSet")).get("archiveFilter"))
    inputs = job.get("fileInputs")
    if isinstance(inputs, str):
        inputs = _list(inputs)
    batch = job.get("jobType") != "FORK"
    return ev.Allotment(
        app=_text(job.get("appId")),
        system=_text(job.get("execSystemId")),
        queue=_text(job.get("execSystemLogicalQueue")) if batch else "",
        nodes=_whole(job.get("nodeCount")) or 1,
        cores=_whole(job.get("coresPerNode")),
        memory_mb=_whole(job.get("memoryMB")),
        minutes=_whole(job.get("maxMinutes")),
        rate=rate if batch else None,
        least_minutes=15.0 if batch else 0.0,
        inputs=[url for each in _list(inputs) if (url := _text(_object(each).get("sourceUrl")))],
        includes=[_text(each) for each in _list(archived.get("includes"))],
        excludes=[_text(each) for each in _list(archived.get("excludes"))],
    )


def phases_of(job: Entry, entries: Iterable[Entry]) -> list[tuple[Phase, float]]:
    """When a job entered each phase, as often as it did; ENDED last, if it is over.

    It begins when the job was made, which is seconds before its first event.
    """
    visits: list[tuple[Phase, float]] = []
    for at, entry in sorted(_timed(entries), key=lambda each: each[0]):
        word = new_status(entry)
        phase = Phase.ENDED if word in OVER else PHASES.get(word)
        if phase is not None and (not visits or visits[-1][0] is not phase):
            visits.append((phase, at))
        if phase is Phase.ENDED:
            break
    made = seconds(job.get("created"))
    if visits and visits[0][0] is Phase.PENDING:
        visits[0] = (Phase.PENDING, min(made or visits[0][1], visits[0][1]))
    elif made and (not visits or made < visits[0][1]):
        visits.insert(0, (Phase.PENDING, made))
    if is_over(job) and visits and visits[-1][0] is not Phase.ENDED:
        ended = seconds(job.get("ended")) or seconds(job.get("lastUpdated"))
        visits.append((Phase.ENDED, max(ended, visits[-1][1])))
    return visits


def transfers_of(entries: Iterable[Entry]) -> list[Transfer]:
    """The transfers of a job in the order in which they were over; of one that is told twice, the last word."""
    found: dict[Any, Transfer] = {}
    for at, entry in _timed(entries):
        into = _INTO.get(_text(entry.get("event")))
        if into is None:
            continue
        summary = _object(entry.get("transferSummary"))
        said = _object(entry.get("description"))
        which = (
            entry.get("transferTaskUuid") or summary.get("uuid") or said.get("transactionId") or len(found)
        )
        found[str(which)] = Transfer(
            into=into,
            files=_whole(summary.get("completeTransfers")) or _whole(summary.get("totalTransfers")),
            bytes=_whole(summary.get("totalBytesTransferred")),
            asked=seconds(summary.get("created")),
            began=seconds(summary.get("startTime")),
            ended=seconds(summary.get("endTime")),
            noticed=at,
            status=_text(summary.get("status")) or _text(entry.get("eventDetail")),
            why=_text(summary.get("errorMessage")),
        )
    return list(found.values())


def is_over(job: Entry) -> bool:
    return _text(job.get("status")) in OVER


def seconds(text: object) -> float:
    """A time as Tapis writes it (any number of digits, UTC unless it says otherwise) since the epoch; 0 for none."""
    found = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return 0.0
    day, clock, fraction, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{hours or '+00'}:{minutes or '00'}")
        return moment.timestamp() + float(fraction or 0)
    except (ValueError, OverflowError):
        return 0.0


def _timed(entries: Iterable[Entry]) -> Iterable[tuple[float, Entry]]:
    """Each event with its time; without one it says nothing to us."""
    return ((at, entry) for entry in entries if (at := seconds(entry.get("created"))))


def new_status(entry: Entry) -> str:
    """The status that an event says the job has come to; empty for other events."""
    if entry.get("event") != "JOB_NEW_STATUS":
        return ""
    said = _object(entry.get("description"))
    return _text(entry.get("eventDetail")) or _text(said.get("newJobStatus"))


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object, or a text that holds one; anything else is an empty one."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    """A JSON array, or a text that holds one; anything else is an empty one."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int:
    try:
        return max(0, int(value))  # type: ignore[call-overload,no-any-return]  # whatever it is
    except (TypeError, ValueError, OverflowError):
        return 0
