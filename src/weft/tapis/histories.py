"""What Tapis tells of a job that is under way or over, as our facts: everything about its job histories lives here.

The first part is PURE: a job (as ``getJob`` gives it) and its history (as ``getJobHistory`` does) to phases, transfers
and outcome. Both have oddities that it must live with: descriptions are JSON within JSON; the last event has the end
where the submission belongs, so that times of the remote job come from the job alone; a state that was left for
BLOCKED comes again; what is not known is null, or an empty string, or not there.

The second part asks the service. The history of a job that is over does not change, so it is kept for ever.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct, structs

from weft.core import events as ev
from weft.core.events import AnyEvent, Transfer
from weft.core.profile import Profile, profile_of
from weft.errors import BackendError, NotLoggedIn, WeftError
from weft.home import home
from weft.model import Kind, Outcome, Phase

if TYPE_CHECKING:
    from weft.tapis.session import Session

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

_APP_OR_SCHEDULER = "JOB_REMOTE_OUTCOME_ERROR"
OUTCOMES: Mapping[str, Outcome] = {
    "NORMAL_COMPLETION": Outcome.FINISHED,
    # What the job itself, or its request, is to blame for.
    _APP_OR_SCHEDULER: Outcome.FAILED,
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


# What is told, as facts


def outcome_of(status: str, condition: str | None = None, message: str | None = None) -> Outcome | None:
    """How a job with this status, condition and ``lastMessage`` ended; None while it is not over.

    Where Tapis says no more than that the application failed, the scheduler's word in the message decides. FINISHED
    says nothing about the cases: an app that loses its exit code always gets there.
    """
    if status not in OVER:
        return None
    if status != "FAILED":
        return Outcome(status)
    outcome = OUTCOMES.get(condition or "", Outcome.FAILED)
    if outcome not in (Outcome.FAILED, Outcome.FINISHED) or condition in (
        "JOB_LAUNCH_FAILURE",
        "JOB_INVALID_DEFINITION",
    ):
        return outcome
    found = _REMOTE_STATUS.search(message or "")
    return _SCHEDULER_WORDS.get(found[1].upper(), Outcome.FAILED) if found else Outcome.FAILED


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
    uuid, status = str(job.get("uuid") or ""), str(job.get("status") or "")
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
            memory_mb=_whole(job.get("memoryMB")) or None,
            minutes=_whole(job.get("maxMinutes")) or None,
        ),
        ev.JobSubmitted(at=made, by="tapis", job=uuid, native=uuid),
        account(uuid, job, told, at=over),
    ]
    if outcome is None:
        return facts
    word = f"{status} {job.get('condition') or ''}".strip()
    why = "" if outcome is Outcome.FINISHED else str(job.get("lastMessage") or "")
    return [
        *facts,
        ev.JobGone(at=over, by="tapis", job=uuid, outcome=outcome, word=word, why=why),
        ev.JobEnded(at=over, by="tapis", job=uuid, outcome=outcome, why=why),
    ]


def phases_of(job: Entry, entries: Iterable[Entry]) -> list[tuple[Phase, float]]:
    """When a job entered each phase, as often as it did; ENDED last, if it is over.

    It begins when the job was made, which is seconds before its first event.
    """
    visits: list[tuple[Phase, float]] = []
    for at, entry in sorted(_timed(entries), key=lambda each: each[0]):
        word = _new_status(entry)
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
    if job.get("status") in OVER and visits and visits[-1][0] is not Phase.ENDED:
        ended = seconds(job.get("ended")) or seconds(job.get("lastUpdated"))
        visits.append((Phase.ENDED, max(ended, visits[-1][1])))
    return visits


def transfers_of(entries: Iterable[Entry]) -> list[Transfer]:
    """The transfers of a job in the order in which they were over; of one that is told twice, the last word."""
    found: dict[Any, Transfer] = {}
    for at, entry in _timed(entries):
        into = _INTO.get(str(entry.get("event")))
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
            status=str(summary.get("status") or entry.get("eventDetail") or ""),
            why=str(summary.get("errorMessage") or ""),
        )
    return list(found.values())


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
    """Each event once, with its time; without a time it says nothing to us."""
    known = set()
    for entry in entries:
        at = seconds(entry.get("created"))
        key = (at, str(entry))
        if at and key not in known:
            known.add(key)
            yield at, entry


def _new_status(entry: Entry) -> str:
    if entry.get("event") != "JOB_NEW_STATUS":
        return ""
    word = entry.get("eventDetail") or _object(entry.get("description")).get("newJobStatus")
    return str(word or "")


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object, or a text that holds one; anything else is an empty one."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int:
    try:
        return max(0, int(value))  # type: ignore[call-overload,no-any-return]  # whatever it is
    except (TypeError, ValueError, OverflowError):
        return 0


# Reading

FORMAT = 1
PAGE = 100
"""Events that are asked for at once: what the service gives when it is not told."""
FOUND_AT_ONCE = 1000
READERS = 8
"""Jobs that are read at once."""
_UUID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")


class History(Struct, frozen=True, kw_only=True):
    """A job and its history as the service gave them."""

    job: dict[str, Any]
    entries: list[dict[str, Any]]
    read_at: float
    format: int = FORMAT

    @property
    def uuid(self) -> str:
        return str(self.job.get("uuid") or "")

    @property
    def final(self) -> bool:
        """The job is over, and its last event was read: nothing more will come."""
        return self.job.get("status") in OVER and _tells_the_end(self.entries)


def read(session: Session, uuid: str) -> History:
    """The history of a job, from the disk if it was read when the job was over.

    Raises WeftError that names the job if there is none (or it is hidden, or another's), BackendError if the service
    does not answer or answers nonsense.
    """
    if not _UUID.fullmatch(uuid):
        hint = "a uuid looks like 4dfa35e1-15cd-48fd-a090-f348544dee1f-007; the portal shows it with a job's details"
        raise WeftError(f"{uuid!r} is no job's uuid", hint=hint)
    file = home() / "histories" / re.sub(r"[^\w.-]", "_", session.tenant) / f"{uuid}.json"
    kept = _kept(file, uuid)
    if kept is not None:
        return kept
    job = _job(session, uuid)
    entries = _entries(session, uuid)
    if _tells_the_end(entries) and job.get("status") not in OVER:
        job = _job(session, uuid)  # it ended between the two questions
    history = History(job=job, entries=entries, read_at=time.time())
    if history.final:
        _keep(file, history)
    return history


def read_all(session: Session, uuids: Iterable[str]) -> tuple[list[History], list[tuple[str, WeftError]]]:
    """The histories of these jobs, and why there is none of some of them; raises NotLoggedIn."""

    def one(uuid: str) -> History | WeftError:
        try:
            return read(session, uuid)
        except NotLoggedIn:
            raise
        except WeftError as problem:
            return problem

    wanted = list(dict.fromkeys(uuids))
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(zip(wanted, pool.map(one, wanted), strict=True))
    found = [answer for _, answer in answers if isinstance(answer, History)]
    return found, [(uuid, answer) for uuid, answer in answers if isinstance(answer, WeftError)]


def find(session: Session, *, app: str = "", since: float | None = None) -> list[str]:
    """The uuids of the account's jobs, oldest first: of one app (``*`` stands for anything), made since a time."""
    query = {}
    if app:
        query["appId.like" if "*" in app else "appId.eq"] = app
    if since is not None:
        query["created.gte"] = datetime.fromtimestamp(since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, None] = {}
    while True:
        page = session.call(
            "jobs.getJobSearchList",
            query=query,
            limit=FOUND_AT_ONCE,
            skip=len(found),
            orderBy="created(asc)",
            select="uuid",
        )
        uuids = [str(item["uuid"]) for item in _objects(page, "a search of jobs") if item.get("uuid")]
        before = len(found)
        found.update(dict.fromkeys(uuids))
        if len(uuids) < FOUND_AT_ONCE or len(found) == before:
            return list(found)


def profile(histories: Iterable[History]) -> Profile:
    """Where the time of these jobs went."""
    known = {history.uuid: history for history in histories}
    facts = [
        fact
        for history in known.values()
        for fact in facts_of(history.job, history.entries, at=history.read_at)
    ]
    found = profile_of(sorted(facts, key=lambda fact: fact.at))
    jobs = [
        structs.replace(
            each,
            name=str(known[each.id].job.get("name") or ""),
            app=str(known[each.id].job.get("appId") or ""),
            system=str(known[each.id].job.get("execSystemId") or ""),
        )
        for each in found.jobs
    ]
    return structs.replace(found, jobs=jobs)


def _job(session: Session, uuid: str) -> dict[str, Any]:
    from weft.tapis.session import Rejected

    try:
        job = session.call("jobs.getJob", jobUuid=uuid)
    except Rejected as problem:
        if problem.status == 404:
            hint = "`weft profile --all` finds your jobs; one that was hidden in the portal must be shown there again"
            raise WeftError(f"Tapis knows no job {uuid}", hint=hint) from problem
        if problem.status == 403:
            hint = "its owner can share it with you: `weft share`, or in the portal"
            raise WeftError(f"job {uuid} is another user's", hint=hint) from problem
        raise
    if not isinstance(job, dict) or job.get("uuid") != uuid or not isinstance(job.get("status"), str):
        raise _nonsense(f"job {uuid}")
    return job


def _entries(session: Session, uuid: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    page: list[dict[str, Any]] = []
    while True:
        last = page
        answer = session.call("jobs.getJobHistory", jobUuid=uuid, limit=PAGE, skip=len(entries))
        page = _objects(answer, f"the history of job {uuid}")
        if page == last:  # it does not heed where to go on
            return entries
        entries += page
        if len(page) < PAGE:
            return entries


def _objects(answer: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise _nonsense(what)
    return answer


def _nonsense(what: str) -> BackendError:
    return BackendError(f"Tapis answered what makes no sense as {what}", hint="try again later")


def _tells_the_end(entries: Iterable[Entry]) -> bool:
    return any(_new_status(entry) in OVER for entry in entries)


def _kept(file: Path, uuid: str) -> History | None:
    """What was kept of a job; None for nothing, or nothing that can be used."""
    try:
        history = msgspec.json.decode(file.read_bytes(), type=History)
    except (OSError, ValueError):
        return None
    return history if history.uuid == uuid and history.final and history.format == FORMAT else None


def _keep(file: Path, history: History) -> None:
    """Keep a history; where that cannot be, it is read again the next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as whole:
            whole.write(msgspec.json.encode(history))
        os.replace(name, file)
    except OSError:
        pass
