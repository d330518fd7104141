"""Is all there that a study's jobs need at Tapis? Asked before anything is uploaded, so that nothing is for nothing.

Only what is needed is looked up, and what was learnt is one frozen value that may be kept for as long as nothing of
it changes: an hour rather than a day, since queues and rights do change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from weft.core.nearest import did_you_mean
from weft.errors import CheckFailed
from weft.tapis.apps import App
from weft.tapis.catalogue import find_app, ids, refused
from weft.tapis.families import Family, family_of
from weft.tapis.request import Size, job_type_of, needs_allocation, queue_of, usual_size
from weft.tapis.session import Rejected, Session
from weft.tapis.sites import job_limit
from weft.tapis.systems import Queue, System

TMS = "TMS_KEYS"
"""The way to log in for which Tapis makes the keys itself, when asked."""


class Wants(Struct, frozen=True, kw_only=True):
    """What a study's ``[tapis]`` table names; empty leaves it to the app."""

    app: str
    version: str = ""
    system: str = ""
    queue: str = ""
    type: str = ""
    allocation: str = ""
    storage: str = ""
    """The system that files go to and come back from; empty: the execution system."""
    family: Mapping[str, Any] = {}


class Ready(Struct, frozen=True, kw_only=True):
    """Everything that requests are built from, seen to be there and usable."""

    app: App
    family: Family
    system: System
    storage: System
    job_type: str
    queue: Queue | None
    usual: Size
    """What a job asks for where the study says nothing."""
    max_jobs: int | None
    """Jobs of one user that may be live at once; None: any number."""


def ready(session: Session, wants: Wants) -> Ready:
    """Look at app, systems, credentials, queue and allocation; make the missing keys that Tapis can make.

    Raises:
        CheckFailed: Something is not there or may not be used; says which setting names it.
        WeftError: No study can run in the app.
        NotLoggedIn, BackendError: as ``Session.call``.
    """
    app = find_app(session, wants.app, wants.version)
    family = family_of(app, wants.family)
    system = _exec_system(session, app, wants)
    job_type = job_type_of(app, system, wants.type)
    queue = _queue(app, system, job_type, wants)
    if needs_allocation(system, family, job_type) and not wants.allocation:
        raise CheckFailed(
            f"jobs on {system.id} must name the allocation that pays for them",
            where="tapis.allocation",
            hint='as in: allocation = "ABC-12345"; the portal, or the site, lists your projects',
        )
    _check_credential(session, system, "tapis.system")
    storage = _storage(session, system, wants)
    return Ready(
        app=app,
        family=family,
        system=system,
        storage=storage,
        job_type=job_type,
        queue=queue,
        usual=usual_size(app, family, queue),
        max_jobs=job_limit(system, queue, app),
    )


def _exec_system(session: Session, app: App, wants: Wants) -> System:
    name = wants.system or app.system
    if not name:
        raise CheckFailed(
            f"app {app.id} names no execution system",
            where="tapis.system",
            hint=did_you_mean("", ids(session, "systems.getSystems")),
        )
    system = _system(session, name, "tapis.system")
    if not system.can_exec:
        what = f"system {system.id} is for files: no job can run there"
        raise CheckFailed(
            what, where="tapis.system", hint=f"app {app.id} runs on {app.system}" if app.system else ""
        )
    return system


def _system(session: Session, name: str, setting: str) -> System:
    try:
        system = System.from_definition(session.call("systems.getSystem", systemId=name))
    except Rejected as problem:
        if problem.status not in (400, 404):
            raise refused(f"system {name}", setting, problem) from None
        hint = did_you_mean(name, ids(session, "systems.getSystems"))
        raise CheckFailed(f"there is no system `{name}` that you may use", where=setting, hint=hint) from None
    if not system.enabled:
        what = f"system {system.id} is switched off"
        raise CheckFailed(what, where=setting, hint="its owner, or the site, knows until when")
    return system


def _queue(app: App, system: System, job_type: str, wants: Wants) -> Queue | None:
    if job_type != "BATCH":
        if wants.queue:
            hint = 'leave it out, or say type = "BATCH"'
            raise CheckFailed(f"a {job_type} job has no queue", where="tapis.queue", hint=hint)
        return None
    if not system.can_run_batch:
        what = f"system {system.id} runs no batch jobs"
        raise CheckFailed(what, where="tapis.type", hint='say type = "FORK", or name another system')
    queue = queue_of(app, system, wants.queue)
    if queue is None:
        what = f"system {system.id} has no queue `{wants.queue}`" if wants.queue else "no queue is named"
        hint = did_you_mean(wants.queue, [each.name for each in system.queues])
        raise CheckFailed(what, where="tapis.queue", hint=hint)
    return queue


def _storage(session: Session, system: System, wants: Wants) -> System:
    """The system for files: there, switched on, and with a way in."""
    if wants.storage in ("", system.id):
        return system
    storage = _system(session, wants.storage, "tapis.storage")
    _check_credential(session, storage, "tapis.storage")
    return storage


def _check_credential(session: Session, system: System, setting: str) -> None:
    """See that Tapis can log in there for the user; where everybody acts as one user, that is the owner's matter."""
    if not system.dynamic_user or _is_let_in(session, system):
        return
    why = ""
    if system.authn_method == TMS:
        why = _make_keys(session, system)
        if not why and _is_let_in(session, system):
            return
    raise CheckFailed(
        f"Tapis has no way to log in to {system.id} for {session.user}" + (f": {why}" if why else ""),
        where=setting,
        hint=_way_in(session, system),
    )


def _is_let_in(session: Session, system: System) -> bool:
    try:
        session.call("systems.checkUserCredential", safe=True, systemId=system.id, userName=session.user)
    except Rejected as problem:
        return problem.status == 403  # who may not even ask cannot say
    return True


def _make_keys(session: Session, system: System) -> str:
    """Let Tapis make keys for the user; returns why it would not, or nothing."""
    try:
        session.call(
            "systems.createUserCredential", systemId=system.id, userName=session.user, createTmsKeys=True
        )
    except Rejected as problem:
        return problem.said
    return ""


def _way_in(session: Session, system: System) -> str:
    call = f'client.systems.createUserCredential(systemId="{system.id}", userName="{session.user}", '
    ways = {
        TMS: "createTmsKeys=True)",
        "PASSWORD": "password=...)",
        "PKI_KEYS": "privateKey=..., publicKey=...)",
    }
    if system.authn_method not in ways:
        return "log in to it once in the portal, or ask the site how Tapis may log in for you"
    return f"log in to it once in the portal, or with tapipy: {call}{ways[system.authn_method]}"
