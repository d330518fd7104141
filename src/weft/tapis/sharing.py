"""Sharing what weft made at Tapis with other users: its jobs, and its folder on the storage.

Jobs are shared resource by resource and for reading. What is shared already is left alone, so that sharing again only
adds what is missing. One thing that cannot be shared keeps nothing else from being shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from weft.errors import BackendError, NotLoggedIn, UsageError, WeftError

if TYPE_CHECKING:
    from weft.tapis.session import Session

RESOURCES = ("JOB_HISTORY", "JOB_RESUBMIT_REQUEST", "JOB_OUTPUT", "JOB_INPUT")
"""All that can be shared of a job."""
AT_ONCE = 8
_MOST_SHARES = 1000


class Told(Struct, frozen=True, kw_only=True):
    """What became of one thing for one user."""

    what: str
    """A job's uuid, or the tapis:// address of a folder."""
    user: str
    status: Literal["shared", "already", "unshared", "was not", "may not", "failed"]
    """What "may not" be shared is a folder of a system that another user owns; the jobs can be all the same."""
    problem: str = ""


def check_users(session: Session, users: Iterable[str]) -> list[str]:
    """The users, each once.

    Raises:
        UsageError: One is the user of the session, or nobody.
    """
    from weft.tapis.session import Rejected

    chosen = list(dict.fromkeys(users))
    for user in chosen:
        if user == session.user:
            raise UsageError("these are your own jobs", where=user, hint="name the users to share them with")
        try:
            session.call("authenticator.get_profile", username=user)
        except Rejected as problem:
            if problem.status == 404:
                hint = "users are named as they log in to the portal"
                raise UsageError(f"Tapis knows no user {user!r}", hint=hint) from problem
        except BackendError:
            pass  # not every tenant tells of its users; whether sharing works is seen then
    return chosen


def share(session: Session, jobs: Iterable[str], users: Iterable[str], *, revoke: bool = False) -> list[Told]:
    """Share jobs (by uuid), and the folders that weft keeps them in, with users; or share them no longer.

    Raises NotLoggedIn; everything else is told per job and user.
    """
    wanted, named = list(dict.fromkeys(jobs)), list(users)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda uuid: _job(session, uuid, named, revoke=revoke), wanted))
    folders = dict.fromkeys(folder for _, folder in done if folder is not None)
    told = [each for several, _ in done for each in several]
    return told + [_folder(session, *folder, user, revoke=revoke) for folder in folders for user in named]


def study_folder(job: dict[str, Any]) -> tuple[str, str] | None:
    """The system, and the folder of the whole study on it, of one of weft's jobs: two above where it archives."""
    system, name = job.get("archiveSystemId"), job.get("name")
    parts = str(job.get("archiveSystemDir") or "").strip("/").split("/")
    # The name may be the end of our id, where that was too long for one.
    if not (system and name) or len(parts) < 3 or parts[-1] != "out" or not parts[-2].endswith(str(name)):
        return None
    return str(system), "/".join(parts[:-2])


def _job(
    session: Session, uuid: str, users: list[str], *, revoke: bool
) -> tuple[list[Told], tuple[str, str] | None]:
    """Share one job, and find the folder that it is kept in."""
    try:
        job = session.call("jobs.getJob", jobUuid=uuid)
        shared = _shared(session, uuid)
    except NotLoggedIn:
        raise
    except WeftError as problem:
        return [Told(what=uuid, user=user, status="failed", problem=problem.what) for user in users], None
    told = []
    for user in users:
        there = [name for name in RESOURCES if (user, name) in shared]
        told.append(_unshare(session, uuid, user, there) if revoke else _share(session, uuid, user, there))
    return told, study_folder(job) if isinstance(job, dict) else None


def _shared(session: Session, uuid: str) -> set[tuple[str, str]]:
    answer = session.call("jobs.getJobShare", jobUuid=uuid, limit=_MOST_SHARES)
    items = [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []
    return {(str(item.get("grantee")), str(item.get("jobResource"))) for item in items}


def _share(session: Session, uuid: str, user: str, there: list[str]) -> Told:
    missing = [name for name in RESOURCES if name not in there]
    if not missing:
        return Told(what=uuid, user=user, status="already")
    return _tried(
        Told(what=uuid, user=user, status="shared"),
        session,
        "jobs.shareJob",
        jobUuid=uuid,
        grantee=user,
        jobResource=missing,
        jobPermission="READ",
    )


def _unshare(session: Session, uuid: str, user: str, there: list[str]) -> Told:
    if not there:
        return Told(what=uuid, user=user, status="was not")
    return _tried(
        Told(what=uuid, user=user, status="unshared"),
        session,
        "jobs.deleteJobShare",
        jobUuid=uuid,
        user=user,
    )


def _folder(session: Session, system: str, path: str, user: str, *, revoke: bool) -> Told:
    operation, status = ("files.unSharePath", "unshared") if revoke else ("files.sharePath", "shared")
    told = Told(what=f"tapis://{system}/{path}", user=user, status=status)  # type: ignore[arg-type]
    return _tried(told, session, operation, systemId=system, path=path, users=[user])


def _tried(told: Told, session: Session, operation: str, **arguments: Any) -> Told:
    """What is told if this works; otherwise why not."""
    from weft.tapis.session import Rejected

    try:
        session.call(operation, **arguments)
    except NotLoggedIn:
        raise
    except WeftError as problem:
        denied = isinstance(problem, Rejected) and problem.status == 403 and operation.startswith("files.")
        status: Literal["may not", "failed"] = "may not" if denied else "failed"
        return Told(what=told.what, user=told.user, status=status, problem=problem.what)
    return told
