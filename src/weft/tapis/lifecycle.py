"""The life of a job as Tapis tells it, as our facts: PURE. Everything about what Tapis' words mean lives here.

It reads a job as ``getJob`` gives it, and its history as ``getJobHistory`` does. Both have oddities that it must live
with: descriptions are JSON within JSON; the last event has the end where the submission belongs, so times of the remote
job come from the job alone; a state that was left for BLOCKED comes again; what is not known is null, or an empty
string, or not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import structs

from weft.core import events as ev
from weft.core.events import AnyEvent, Transfer
from weft.model import Kind, Outcome, Phase
from weft.tapis.values import MOST, as_list, as_object, as_text, as_whole, seconds
from weft.tapis.visits import OVER, PHASES, SKEW, Entry, is_over, new_status, oddities, timed, visits

__all__ = ["OVER", "PHASES", "Entry", "is_over", "new_status", "seconds"]

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

_COUNTS = ("nodeCount", "coresPerNode", "memoryMB", "maxMinutes")
"""What a job asks for."""

_INTO: Mapping[str, Literal["inputs", "archive"]] = {
    "JOB_INPUT_TRANSACTION_ID": "inputs",
    "JOB_ARCHIVE_TRANSACTION_ID": "archive",
}


def outcome_of(status: object, condition: object = None, message: object = None) -> Outcome | None:
    """How a job with this status, condition and ``lastMessage`` ended; None while it is not over.

    Where Tapis says no more than that the application failed, the scheduler's word in the message decides. FINISHED
    says nothing about the cases: an app that loses its exit code always gets there.
    """
    word, why = as_text(status), as_text(condition)
    if word not in OVER:
        return None
    if word != "FAILED":
        return Outcome(word)
    known = OUTCOMES.get(why)
    if known is not None and why not in _SAY_LITTLE:
        return known
    found = _REMOTE_STATUS.search(as_text(message))
    return _SCHEDULER_WORDS.get(found[1].upper(), Outcome.FAILED) if found else Outcome.FAILED


def may_live(job: Entry) -> bool:
    """May processes of a job live on that is over for Tapis? (It was given up, or killed, which may not reach all.)"""
    return job.get("status") in ("FAILED", "CANCELLED") and as_text(job.get("condition")) not in ENDED


def account(ours: str, job: Entry, entries: Iterable[Any], *, at: float) -> ev.HistoryRead:
    """The service's account of the job that has this id of ours."""
    all_told = list(entries)
    told = [entry for entry in all_told if isinstance(entry, Mapping)]
    phases, notes = visits(job, told)
    if len(told) < len(all_told):
        notes.append(f"{len(all_told) - len(told):,} of its history's events are none: passed over")
    return ev.HistoryRead(
        at=at,
        by="tapis",
        job=ours,
        phases=phases,
        transfers=transfers_of(told),
        notes=[*notes, *oddities(told)],
    )


def facts_of(job: Entry, entries: Iterable[Entry], *, at: float) -> list[AnyEvent]:
    """All there is to know of a job that weft did not launch, read at this time; its id is the service's.

    For ``profile_of``, together with those of other jobs in the order of time.
    """
    uuid, status = as_text(job.get("uuid")), as_text(job.get("status"))
    history = account(uuid, job, entries, at=at)
    phases = history.phases
    made = phases[0][1] if phases else seconds(job.get("lastUpdated")) or at
    outcome = outcome_of(status, job.get("condition"), job.get("lastMessage"))
    over = max(when for _, when in [*phases, (Phase.PENDING, made)]) if outcome else max(at, made)
    if told_too_much := [name for name in _COUNTS if _too_large(job.get(name))]:
        history.notes.append(f"it cannot have such a {', '.join(told_too_much)}: passed over")
    if phases and phases[-1][1] > at + SKEW:
        history.notes.append("its history is from after it was read: its clock is ahead of ours")
    facts: list[AnyEvent] = [
        ev.JobPlanned(
            at=made,
            by="tapis",
            job=uuid,
            kind=Kind.CASES,
            backend="tapis",
            cases=[],
            revision="",
            cores=as_whole(job.get("coresPerNode")) or 1,
            minutes=as_whole(job.get("maxMinutes")) or None,
            name=as_text(job.get("name")),
            given=allotment_of(job),
        ),
        ev.JobSubmitted(at=made, by="tapis", job=uuid, native=uuid),
        structs.replace(history, at=over),
    ]
    if outcome is None:
        return facts
    word = f"{status} {as_text(job.get('condition'))}".strip()
    why = "" if outcome is Outcome.FINISHED else as_text(job.get("lastMessage"))
    return [
        *facts,
        ev.JobGone(at=over, by="tapis", job=uuid, outcome=outcome, word=word, why=why),
        ev.JobEnded(at=over, by="tapis", job=uuid, outcome=outcome, why=why),
    ]


def _too_large(value: object) -> bool:
    return isinstance(value, int | float) and value > MOST


def allotment_of(job: Entry, rate: float | None = None) -> ev.Allotment:
    """What a job was given to run with, as ``getJob`` tells, or a request that asks for it."""
    archived = as_object(as_object(job.get("parameterSet")).get("archiveFilter"))
    inputs = job.get("fileInputs")
    if isinstance(inputs, str):
        inputs = as_list(inputs)
    batch = job.get("jobType") != "FORK"
    return ev.Allotment(
        app=as_text(job.get("appId")),
        system=as_text(job.get("execSystemId")),
        queue=as_text(job.get("execSystemLogicalQueue")) if batch else "",
        nodes=as_whole(job.get("nodeCount")) or 1,
        cores=as_whole(job.get("coresPerNode")),
        memory_mb=as_whole(job.get("memoryMB")),
        minutes=as_whole(job.get("maxMinutes")),
        rate=rate if batch else None,
        least_minutes=15.0 if batch else 0.0,
        inputs=[url for each in as_list(inputs) if (url := as_text(as_object(each).get("sourceUrl")))],
        includes=[as_text(each) for each in as_list(archived.get("includes"))],
        excludes=[as_text(each) for each in as_list(archived.get("excludes"))],
    )


def transfers_of(entries: Iterable[Entry]) -> list[Transfer]:
    """The transfers of a job in the order in which they were over; of one that is told twice, the last word."""
    found: dict[str, Transfer] = {}
    for at, entry in sorted(timed(entries), key=lambda each: each[0]):
        into = _INTO.get(as_text(entry.get("event")))
        if into is None:
            continue
        summary = as_object(entry.get("transferSummary"))
        said = as_object(entry.get("description"))
        which = (
            entry.get("transferTaskUuid") or summary.get("uuid") or said.get("transactionId") or len(found)
        )
        status = as_text(summary.get("status")) or as_text(entry.get("eventDetail"))
        before = found.pop(str(which), None)
        again = before is not None and before.status == status
        found[str(which)] = Transfer(
            into=into,
            files=as_whole(summary.get("completeTransfers")) or as_whole(summary.get("totalTransfers")),
            bytes=as_whole(summary.get("totalBytesTransferred")),
            asked=seconds(summary.get("created")),
            began=seconds(summary.get("startTime")),
            ended=seconds(summary.get("endTime")),
            noticed=before.noticed if before is not None and again else at,
            status=status,
            why=as_text(summary.get("errorMessage")),
        )
    return list(found.values())


def told_by(entries: Iterable[Entry]) -> dict[str, Any]:
    """What the events tell of their job itself, under the names that ``getJob`` has for it."""
    told = [entry for _, entry in sorted(timed(entries), key=lambda each: each[0])]
    job: dict[str, Any] = {}
    for entry in told:
        said = as_object(entry.get("description"))
        names = {"jobUuid": "uuid", "jobName": "name", "jobOwner": "owner", "condition": "condition"}
        job |= {ours: said[theirs] for theirs, ours in names.items() if as_text(said.get(theirs))}
        if entry.get("event") == "JOB_ERROR_MESSAGE" and as_text(said.get("message")):
            job["lastMessage"] = said["message"]
    words = [word for entry in told if (word := new_status(entry))]
    over = [word for word in words if word in OVER]
    status = (over or words or [""])[-1]
    return {**job, "status": status} if status else job
