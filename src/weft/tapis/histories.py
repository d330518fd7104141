"""Jobs and their histories, asked of Tapis: one job, several, or all that match; and where their time went.

What they mean is in ``lifecycle.py``. The history of a job that is over does not change, so it is kept for ever.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from weft.core.profile import Profile, profile_of
from weft.errors import BackendError, NotLoggedIn, WeftError
from weft.home import home
from weft.tapis.lifecycle import OVER, PHASES, Entry, account, facts_of, is_over, new_status, outcome_of

if TYPE_CHECKING:
    from weft.tapis.session import Session

__all__ = ["PHASES", "History", "account", "find", "outcome_of", "profile", "read", "read_all"]

FORMAT = 1
PAGE = 100
"""Events that are asked for at once: what the service gives when it is not told."""
FOUND_AT_ONCE = 1000
READERS = 8
"""Jobs that are read at once."""
_UUID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")

_REFUSALS = {
    403: ("it is another user's", "its owner can share it with you: `weft share`, or in the portal"),
    404: (
        "Tapis knows no such job",
        "`weft profile --all` finds your jobs; one that was hidden in the portal must be shown there again",
    ),
}


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
        return is_over(self.job) and _tells_the_end(self.entries)


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
    if _tells_the_end(entries) and not is_over(job):
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
    return profile_of(sorted(facts, key=lambda fact: fact.at))


def _job(session: Session, uuid: str) -> dict[str, Any]:
    job = _asked(session, uuid, "jobs.getJob")
    if not isinstance(job, dict) or job.get("uuid") != uuid or not isinstance(job.get("status"), str):
        raise _nonsense(f"job {uuid}")
    return job


def _asked(session: Session, uuid: str, operation: str, **arguments: Any) -> Any:
    """What the service answers; its refusal, or its silence, names the job."""
    from weft.tapis.session import Rejected

    try:
        return session.call(operation, jobUuid=uuid, **arguments)
    except Rejected as problem:
        what, hint = _REFUSALS.get(problem.status, (problem.what, problem.hint))
        raise WeftError(what, where=f"job {uuid}", hint=hint) from problem
    except BackendError as problem:
        raise BackendError(problem.what, where=f"job {uuid}", hint=problem.hint) from problem


def _entries(session: Session, uuid: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    page: list[dict[str, Any]] = []
    while True:
        last = page
        answer = _asked(session, uuid, "jobs.getJobHistory", limit=PAGE, skip=len(entries))
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
    return any(new_status(entry) in OVER for entry in entries)


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
        Path(name).replace(file)
    except OSError:
        pass
