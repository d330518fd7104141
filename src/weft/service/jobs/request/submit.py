"""Submitting: from a request to a job that the worker has in hand."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, false, true

from weft.service.access import Need
from weft.service.answers import Problem
from weft.service.apps.model import App
from weft.service.asking import Ask
from weft.service.jobs.execution.containers import runtime_available
from weft.service.jobs.model import SubmitRequest
from weft.service.jobs.request import choices
from weft.service.jobs.request.merge import Given, merge
from weft.service.listing import Listing
from weft.service.notations import from_statement
from weft.service.search import condition
from weft.service.systems.model import System

UUID_SUFFIX = "-007"
"""What the uuids of jobs end with."""
TRACKING = "x-tapis-tracking-id"


def submit(ask: Ask, request: SubmitRequest, text: str) -> dict[str, Any]:
    """Make a job of a request and hand it to the worker; the job's row. ``text`` is the request as it was given.

    Raises:
        Problem: 400 or 403: the request makes no job.
    """
    service = ask.service
    _check_caller(ask, request)
    app = _app(ask, request)
    system = _exec_system(ask, request, app)
    archive_id = choices.text(request.archive_system_id, app.job_attributes.archive_system_id) or system.id
    archive = system if archive_id == system.id else _system(ask, archive_id, app, "READ")
    used = {system.id: system, archive.id: archive}

    def host_eval(system_id: str, variable: str) -> str | None:
        where = used.get(system_id) or _system(ask, system_id, app, "READ")
        return service.systems.host(where).evaluate(variable, ask.user)

    job = merge(
        request,
        app,
        system,
        archive,
        Given(
            owner=ask.user,
            tenant=ask.tenant,
            uuid=f"{uuid4()}{UUID_SUFFIX}",
            created=service.clock.now(),
            nanoseconds=time.time_ns() % 1000,
            effective_user=service.systems.login_user(system, ask.user),
            host_eval=host_eval,
            has_profile=lambda name: service.systems.profile(ask.tenant, name) is not None,
            http_sources=service.settings.allow_http_sources,
            tracking_id=(ask.request.headers.get(TRACKING) or "")[:126] or None,
        ),
    )
    row = service.ledger.add(job, text)
    service.worker.wake(job.uuid)
    return row


def _check_caller(ask: Ask, request: SubmitRequest) -> None:
    """Only services may submit for others, and there are none here."""
    owner, tenant = request.owner or ask.user, request.tenant or ask.tenant
    if owner != ask.user or tenant != ask.tenant:
        raise Problem(
            403, f"JOBS_MISMATCHED_OWNER {ask.user}@{ask.tenant} cannot submit jobs for {owner}@{tenant}"
        )


def _app(ask: Ask, request: SubmitRequest) -> App:
    try:
        app = ask.service.apps.visible(
            ask.user, ask.tenant, request.app_id, request.app_version, need="EXECUTE"
        )
    except Problem as problem:
        raise _bad_reference(problem, "TAPIS_APPCLIENT_NOT_FOUND") from problem
    if not runtime_available(app.runtime):
        raise Problem(
            400,
            f"JOBS_RUNTIME_NOT_AVAILABLE app {app.id} needs the runtime {app.runtime}, which is not on this machine",
        )
    return app


def _exec_system(ask: Ask, request: SubmitRequest, app: App) -> System:
    if choices.dynamic(request, app):
        return _chosen(ask, request, app)
    system_id = choices.text(request.exec_system_id, app.job_attributes.exec_system_id)
    if system_id is None:
        raise Problem(
            400, f"TAPIS_JOBS_MISSING_SYSTEM neither the request nor app {app.id} names an execSystemId"
        )
    return _system(ask, system_id, app, "EXECUTE")


def _system(ask: Ask, system_id: str, app: App, need: Need) -> System:
    """A system, by the user's own right or by that of whoever shared an app that names it."""
    attributes = app.job_attributes
    named = system_id in (attributes.exec_system_id, attributes.archive_system_id)
    try:
        return ask.service.systems.visible(
            ask.user, ask.tenant, system_id, need=need, grantor=app.shared_app_ctx if named else None
        )
    except Problem as problem:
        raise _bad_reference(problem, "TAPIS_SYSCLIENT_NOT_FOUND") from problem


def _bad_reference(problem: Problem, key: str) -> Problem:
    """What a request names must be there; the official specification has no 404 for submitting."""
    return Problem(400, f"{key} {problem.message}") if problem.status == 404 else problem


def _chosen(ask: Ask, request: SubmitRequest, app: App) -> System:
    """The first system, by its id, that satisfies the constraints of request and app."""
    systems = ask.service.systems
    wanted = [
        condition(from_statement(constraints), systems.shelf.attributes)
        for constraints in (request.exec_system_constraints, app.job_attributes.exec_system_constraints)
        if constraints
    ]
    table = systems.shelf.table.c
    there = and_(table.enabled == true(), table.deleted == false(), *wanted)
    views, _ = systems.page(ask.user, ask.tenant, "ALL", there, Listing((), limit=0))
    fit = [view.definition for view in views if view.definition.can_exec and view.rights.allow("EXECUTE")]
    if not fit:
        raise Problem(
            400,
            f"JOBS_NO_MATCHING_SYSTEM no system on which {ask.user} may run jobs satisfies the constraints",
        )
    return min(fit, key=lambda system: system.id)
