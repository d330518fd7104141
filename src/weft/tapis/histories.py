"""Jobs and their histories, asked of Tapis (one job, several, or all that match) or read from a file that holds what
it once told; and where their time went.

What they mean is in ``lifecycle.py``. The history of a job that is over does not change, so it is kept for ever.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from weft.core.clocks import plausible
from weft.core.events import AnyEvent
from weft.core.profile import Profile, profile_of
from weft.errors import BackendError, NotLoggedIn, WeftError
from weft.home import home
from weft.tapis.lifecycle import (
    OVER,
    PHASES,
    Entry,
    account,
    facts_of,
    is_over,
    new_status,
    outcome_of,
    told_by,
)
from weft.tapis.values import seconds

if TYPE_CHECKING:
    from weft.tapis.session import Session

__all__ = [
    "PHASES",
    "History",
    "account",
    "facts",
    "find",
    "from_data",
    "from_file",
    "from_files",
    "outcome_of",
    "profile",
    "read",
    "read_all",
]

FORMAT = 1
PAGE = 100
"""Events that are asked for at once: what the service gives when it is not told."""
FOUND_AT_ONCE = 1000
READERS = 8
"""Jobs that are read at once."""
GIVE_UP = 8
"""After so many questions in a row to which no answer came, the service is asked no more."""
_UUID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{7,63}")

_REFUSALS = {
    403: ("it is another user's", "its owner can share it with you: `weft share`, or in the portal"),
    404: (
        "Tapis knows no such job",
        "`weft profile --all` finds your jobs; one that was hidden in the portal must be shown there again",
    ),
}


_HOLDS = (
    'it must hold what getJobHistory gave, or {"job": ..., "history": [...]}, or several of these in a list or one'
    " on each line"
)


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
    file = _file(session, uuid)
    kept = _kept(file, uuid)
    if kept is not None:
        return kept
    job = _job(session, uuid)
    entries = _entries(session, uuid, over=is_over(job))
    if _tells_the_end(entries) and not is_over(job):
        job = _job(session, uuid)  # it ended between the two questions
    history = History(job=job, entries=entries, read_at=time.time())
    if history.final:
        _keep(file, history)
    return history


def read_all(session: Session, uuids: Iterable[str]) -> tuple[list[History], list[tuple[str, WeftError]]]:
    """The histories of these jobs, and why there is none of some of them; raises NotLoggedIn.

    Of a service that has stopped answering, what is on the disk is all there is; one problem, of the first job that it
    did not tell of, then says so for all.
    """
    asking = _Asking(session)
    wanted = list(dict.fromkeys(uuids))
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(zip(wanted, pool.map(asking.about, wanted), strict=True))
    found = [answer for _, answer in answers if isinstance(answer, History)]
    problems = [(uuid, answer) for uuid, answer in answers if isinstance(answer, WeftError)]
    if not asking.given_up:
        return found, problems
    silent = [(uuid, problem) for uuid, problem in problems if isinstance(problem, BackendError)]
    told = [each for each in problems if not isinstance(each[1], BackendError)]
    uuid, first = next((each for each in silent if each[1] is not _NOT_ASKED), silent[0])
    what = f"Tapis does not answer any more: {len(silent):,} of {len(wanted):,} jobs could not be read ({first.what})"
    return found, [(uuid, BackendError(what, hint=first.hint)), *told]


_NOT_ASKED = BackendError("it was not asked for")


class _Asking:
    """Asks about jobs, from several threads, for as long as answers come."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.in_vain = 0
        """Questions in a row. Threads may miscount, which does not matter."""

    @property
    def given_up(self) -> bool:
        return self.in_vain >= GIVE_UP

    def about(self, uuid: str) -> History | WeftError:
        if self.given_up:
            return (_kept(_file(self.session, uuid), uuid) if _UUID.fullmatch(uuid) else None) or _NOT_ASKED
        try:
            history = read(self.session, uuid)
        except NotLoggedIn:
            raise
        except BackendError as problem:
            self.in_vain += 1
            return problem
        except WeftError as problem:
            return problem
        if not self.given_up:
            self.in_vain = 0
        return history


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


def from_files(paths: Iterable[Path]) -> tuple[list[History], list[tuple[str, WeftError]]]:
    """The histories that these files hold, and what in them could not be read: where, and why."""
    found: list[History] = []
    problems: list[tuple[str, WeftError]] = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = WeftError(f"it cannot be read: {error.strerror}", where=str(path))
            problems.append((str(path), problem))
            continue
        held, broken = from_data(data, str(path))
        found += held
        problems += broken
    return found, problems


def from_data(data: bytes, where: str) -> tuple[list[History], list[tuple[str, WeftError]]]:
    """The histories that the contents of a file hold, and what in them could not be read: where, and why."""
    found: list[History] = []
    problems: list[tuple[str, WeftError]] = []
    try:
        for history in _recorded(data, where):
            if isinstance(history, History):
                found.append(history)
            else:
                problems.append((history.where, history))
    except WeftError as problem:
        problems.append((where, problem))
    return found, problems


def from_file(path: Path) -> list[History]:
    """The histories that a file holds, as ``getJobHistory`` once gave them.

    It holds a list of events, bare or within the service's whole answer, ``{"job": ..., "history": [...]}`` with what
    ``getJob`` gave, or several of these, in a list or one on each line. What it does not say of a job is taken from the
    events. Raises WeftError that names the file and the place in it.
    """
    found, problems = from_files([path])
    if problems:
        raise problems[0][1]
    return found


def facts(histories: Iterable[History]) -> list[AnyEvent]:
    """All that these histories tell, in the order of time; of a job that is there twice, the last."""
    known = {history.uuid: history for history in histories}
    told = [
        fact
        for history in known.values()
        for fact in facts_of(history.job, history.entries, at=history.read_at)
    ]
    return sorted(told, key=lambda fact: fact.at)


def profile(histories: Iterable[History]) -> Profile:
    """Where the time of these jobs went."""
    return profile_of(facts(histories))


def _recorded(data: bytes, file: str) -> Iterator[History | WeftError]:
    """What a file holds; in the place of what is no history, why not."""
    parts = list(_parts(data, file))
    if parts and all(isinstance(part, dict) and "event" in part for _, part in parts):
        parts = [("", [part for _, part in parts])]
    for number, (place, part) in enumerate(parts, 1):
        where = f"{file}: {place}" if place else file
        stem = Path(file).stem
        name = stem if len(parts) == 1 else f"{stem}-{number}"
        if isinstance(part, WeftError):
            yield WeftError(part.what, where=where, hint=_HOLDS)
        else:
            yield _one(part, where, name)


def _parts(data: bytes, file: str) -> Iterator[tuple[str, Any]]:
    """The values of a file, with their places in it."""
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or isinstance(_value(lines[0][1]), WeftError):
            raise WeftError(f"it is no JSON: {error}", where=file, hint=_HOLDS) from None
        yield from ((f"line {number}", _value(line)) for number, line in lines)
        return
    if isinstance(whole, dict) and "result" in whole:
        whole = whole["result"]
    if isinstance(whole, list) and not any(isinstance(each, dict) and "event" in each for each in whole):
        yield from ((f"item {number}", each) for number, each in enumerate(whole, 1))
    else:
        yield "", whole


def _value(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return WeftError(f"it is no JSON: {error}")


def _one(part: Any, where: str, name: str) -> History | WeftError:
    """One history as it may be written; ``name`` is that of a job which nobody names."""
    given = part if isinstance(part, dict) else {"history": part}
    entries = given.get("history", given.get("entries", given.get("result")))
    job = given.get("job") or {}
    if isinstance(entries, dict):
        entries = entries.get("result")
    if not isinstance(entries, list) or not isinstance(job, dict) or not (job or entries):
        return WeftError("there is no history of a job", where=where, hint=_HOLDS)
    entries = [entry for entry in entries if isinstance(entry, dict)]
    known = {key: value for key, value in job.items() if value not in (None, "")}
    job = {"uuid": name, **told_by(entries), **known}
    times = [seconds(each.get("created")) for each in (*entries, job)]
    if not any((*times, seconds(job.get("ended")), seconds(job.get("lastUpdated")))):
        return WeftError("there is no time in it, or none that can be", where=where, hint=_HOLDS)
    read_at = given.get("read_at")
    if not isinstance(read_at, float) or not plausible(read_at):
        read_at = max(times)
    return History(job=job, entries=entries, read_at=read_at)


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


def _entries(session: Session, uuid: str, *, over: bool) -> list[dict[str, Any]]:
    """All events of a job; of one that is ``over``, a short page is the last only if it tells the end."""
    entries: list[dict[str, Any]] = []
    page: list[dict[str, Any]] = []
    while True:
        last = page
        answer = _asked(session, uuid, "jobs.getJobHistory", limit=PAGE, skip=len(entries))
        page = _objects(answer, f"the history of job {uuid}")
        if page == last:  # it does not heed where to go on
            return entries
        entries += page
        if len(page) < PAGE and (not page or not over or _tells_the_end(entries)):
            return entries


def _objects(answer: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise _nonsense(what)
    return answer


def _nonsense(what: str) -> BackendError:
    return BackendError(f"Tapis answered what makes no sense as {what}", hint="try again later")


def _tells_the_end(entries: Iterable[Entry]) -> bool:
    return any(new_status(entry) in OVER for entry in entries)


def _file(session: Session, uuid: str) -> Path:
    return home() / "histories" / re.sub(r"[^\w.-]", "_", session.tenant) / f"{uuid}.json"


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
