"""The operations of the Systems service; those on credentials are in ``credential_routes``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from sqlalchemy import not_

from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.notations import from_statement
from weft.service.register_routes import (
    Common,
    refuse_service_parameters,
    searched,
    searched_by_body,
    searched_by_parameters,
)
from weft.service.routes import operation
from weft.service.search import Expression
from weft.service.systems import children, credential_routes, profiles
from weft.service.systems.attributes import EnvKey
from weft.service.systems.credentials import registered
from weft.service.systems.model import System
from weft.service.systems.register import Systems

SUMMARY = (
    "id",
    "systemType",
    "owner",
    "host",
    "effectiveUserId",
    "defaultAuthnMethod",
    "canExec",
    "parentId",
)
EXTRA = dict.fromkeys(
    ("authnCredential", "hasCredentials", "isPublic", "isDynamicEffectiveUser", "sharedWithUsers")
)
"""Attributes of an answer that are no part of the definition."""


def _systems(ask: Ask) -> Systems:
    return ask.service.systems


common = Common("systems", "System", _systems)


class MatchGiven(msgspec.Struct):
    """The body that asks for systems which satisfy constraints."""

    match: Annotated[list[str], msgspec.Meta(min_length=1)]


def create_system(ask: Ask) -> Answer:
    ask.flag("skipCredentialCheck")
    return _created(ask, _systems(ask).register(ask.user, ask.tenant, ask.body(dict[str, Any])))


def create_child_system(ask: Ask) -> Answer:
    """Whoever may read a system may make a child of it, where it allows children."""
    given = ask.body(children.NewChild, drop_nulls=True)
    systems = _systems(ask)
    parent = systems.visible(ask.user, ask.tenant, ask.path["parentId"])
    plain = children.described(parent, ask.user, given)
    return _created(ask, systems.register(ask.user, ask.tenant, plain, parent=parent.id))


def _created(ask: Ask, system: System) -> Answer:
    url = f"{ask.base}/v3/systems/{system.id}"
    return Answer({"url": url}, f"SYSAPI_CREATED New system created. System: {system.id}", 201)


def get_system(ask: Ask) -> Answer:
    systems, system_id = _systems(ask), ask.path["systemId"]
    refuse_service_parameters(ask, systems)
    credential_routes.method_named(ask)
    if ask.flag("returnCredentials"):
        raise Problem(403, "SYSLIB_UNAUTH_GETCRED Only authorized services may retrieve credentials.")
    selection = common.selection(ask, "allAttributes", SUMMARY, EXTRA)
    executing = ask.flag("requireExecPerm")
    view = systems.view(ask.user, ask.tenant, system_id, need="EXECUTE" if executing else "READ")
    if executing and not view.definition.can_exec:
        raise Problem(403, f"SYSLIB_NOTEXEC Exec perm requested for non-exec system. System: {system_id}")
    found = selection.choose(systems.answered(ask.user, [view])[0])
    return Answer(found, f"TAPIS_FOUND System found: {system_id}")


def patch_system(ask: Ask) -> Answer:
    return _changed(ask, _systems(ask).patch)


def put_system(ask: Ask) -> Answer:
    ask.flag("skipCredentialCheck")
    return _changed(ask, _systems(ask).put)


def _changed(ask: Ask, change: Callable[..., System]) -> Answer:
    system = change(ask.user, ask.tenant, ask.path["systemId"], None, ask.body(dict[str, Any]))
    url = f"{ask.base}/v3/systems/{system.id}"
    return Answer({"url": url}, f"SYSAPI_UPDATED System updated. System: {system.id}")


def is_enabled(ask: Ask) -> Answer:
    system = _systems(ask).visible(ask.user, ask.tenant, ask.path["systemId"])
    return Answer({"aBool": system.enabled}, f"TAPIS_FOUND System found: {system.id}")


def host_eval(ask: Ask) -> Answer:
    """An environment variable as the effective user sees it on the host."""
    systems = _systems(ask)
    try:
        name = msgspec.convert(ask.path["envVarName"], EnvKey)
    except msgspec.ValidationError as error:
        raise Problem(400, "SYSLIB_HOST_EVAL_INVALID_ENV_VAR envVarName is no name of a variable") from error
    system = systems.visible(ask.user, ask.tenant, ask.path["systemId"])
    value = systems.host(system).evaluate(name, systems.login_user(system, ask.user))
    if value is None:
        what = f"Unable to resolve environment variable on host. System: {system.id} Env var: {name}"
        raise Problem(400, f"SYSLIB_HOST_EVAL_RESOLVE_EMPTY {what}")
    return Answer({"name": value}, f"TAPIS_FOUND HostEval found: {name}")


def unlink_from_parent(ask: Ask) -> Answer:
    changes = children.unlink(_systems(ask), ask.user, ask.tenant, ask.path["childSystemId"])
    return Answer({"changes": changes}, "SYSAPI_UPDATED System updated. Operation: unlinkFromParent")


def unlink_children(ask: Ask) -> Answer:
    everyone = ask.flag("all")
    given = ask.body(children.Unlinked, empty_as=children.Unlinked(), drop_nulls=True)
    if everyone == bool(given.child_system_ids):
        raise Problem(400, "NET_INVALID_JSON_INPUT childSystemIds: give some, or all=true, and not both")
    ids = None if everyone else given.child_system_ids
    changes = children.unlink_some(_systems(ask), ask.user, ask.tenant, ask.path["parentSystemId"], ids)
    return Answer({"changes": changes}, "SYSAPI_UPDATED System updated. Operation: unlinkChildren")


# Lists


def get_systems(ask: Ask) -> Answer:
    return _list(ask, searched(ask))


def search_systems_query_parameters(ask: Ask) -> Answer:
    return _list(ask, searched_by_parameters(ask))


def search_systems_request_body(ask: Ask) -> Answer:
    return _list(ask, searched_by_body(ask))


def match_constraints(ask: Ask) -> Answer:
    """Systems that satisfy a condition, among all that the user may see."""
    return _list(ask, from_statement(ask.body(MatchGiven).match), "ALL")


def _list(ask: Ask, expression: Expression | None, list_type: str = "OWNED") -> Answer:
    further = None
    if ask.text("hasCredentials"):
        having = registered(_systems(ask).shelf.table, ask.user)
        further = having if ask.flag("hasCredentials") else not_(having)
    return common.listed(
        ask,
        expression,
        summary=SUMMARY,
        extra=EXTRA,
        answered=lambda ask, views: _systems(ask).answered(ask.user, views),
        further=further,
        list_type=list_type,
    )


# Scheduler profiles


def get_scheduler_profiles(ask: Ask) -> Answer:
    found = _systems(ask).profiles.all(ask.tenant)
    return Answer(found, f"TAPIS_FOUND SchedulerProfiles found: {len(found)} items")


def create_scheduler_profile(ask: Ask) -> Answer:
    profile = _systems(ask).profiles.register(ask.user, ask.tenant, ask.body(dict[str, Any]))
    url = f"{ask.base}/v3/systems/schedulerProfile/{profile.name}"
    return Answer(
        {"url": url}, f"SYSAPI_PRF_CREATED New scheduler profile created. Profile: {profile.name}", 201
    )


def get_scheduler_profile(ask: Ask) -> Answer:
    name = ask.path["name"]
    profile = _systems(ask).profiles.find(ask.tenant, name)
    if profile is None:
        raise profiles.missing(name)
    return Answer(profile, f"TAPIS_FOUND SchedulerProfile found: {name}")


def delete_scheduler_profile(ask: Ask) -> Answer:
    changes = _systems(ask).profiles.remove(ask.user, ask.tenant, ask.path["name"])
    return Answer(
        {"changes": changes}, f"SYSAPI_PRF_DELETED Scheduler profile deleted. Profile: {ask.path['name']}"
    )


_ONE = "/v3/systems/{systemId}"
_PROFILES = "/v3/systems/schedulerProfile"

OPERATIONS = (
    operation("systems", "getSystems", "GET", "/v3/systems", get_systems),
    operation("systems", "createSystem", "POST", "/v3/systems", create_system),
    operation(
        "systems",
        "searchSystemsQueryParameters",
        "GET",
        "/v3/systems/search",
        search_systems_query_parameters,
    ),
    operation(
        "systems", "searchSystemsRequestBody", "POST", "/v3/systems/search", search_systems_request_body
    ),
    operation("systems", "matchConstraints", "POST", "/v3/systems/match/constraints", match_constraints),
    operation("systems", "getSchedulerProfiles", "GET", _PROFILES, get_scheduler_profiles),
    operation("systems", "createSchedulerProfile", "POST", _PROFILES, create_scheduler_profile),
    operation("systems", "getSchedulerProfile", "GET", f"{_PROFILES}/{{name}}", get_scheduler_profile),
    operation(
        "systems", "deleteSchedulerProfile", "DELETE", f"{_PROFILES}/{{name}}", delete_scheduler_profile
    ),
    *credential_routes.OPERATIONS,
    operation(
        "systems",
        "createChildSystem",
        "POST",
        "/v3/systems/{parentId}/createChildSystem",
        create_child_system,
    ),
    operation(
        "systems",
        "unlinkFromParent",
        "POST",
        "/v3/systems/{childSystemId}/unlinkFromParent",
        unlink_from_parent,
    ),
    operation(
        "systems", "unlinkChildren", "POST", "/v3/systems/{parentSystemId}/unlinkChildren", unlink_children
    ),
    *common.operations(),
    operation("systems", "isEnabled", "GET", f"{_ONE}/isEnabled", is_enabled),
    operation("systems", "hostEval", "GET", f"{_ONE}/hostEval/{{envVarName}}", host_eval),
    operation("systems", "getSystem", "GET", _ONE, get_system),
    operation("systems", "patchSystem", "PATCH", _ONE, patch_system),
    operation("systems", "putSystem", "PUT", _ONE, put_system),
)
