"""The operations of the Apps service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.service.answers import Answer
from weft.service.apps.model import App
from weft.service.apps.register import Apps, answered
from weft.service.asking import Ask
from weft.service.register import View
from weft.service.register_routes import (
    Common,
    refuse_service_parameters,
    searched,
    searched_by_body,
    searched_by_parameters,
)
from weft.service.routes import operation
from weft.service.search import Condition, Expression

SUMMARY = ("id", "version", "owner")
EXTRA = {"isPublic": False, "sharedWithUsers": []}
"""Attributes of an answer that are no part of the definition."""


def _apps(ask: Ask) -> Apps:
    return ask.service.apps


common = Common("apps", "App", _apps)


def create_app_version(ask: Ask) -> Answer:
    app = _apps(ask).register(ask.user, ask.tenant, ask.body(dict[str, Any]))
    url = f"{ask.base}/v3/apps/{app.id}/{app.version}"
    return Answer({"url": url}, f"APPAPI_CREATED New app created. App: {app.id} Version: {app.version}", 201)


def get_app_latest_version(ask: Ask) -> Answer:
    return _one(ask, None)


def get_app(ask: Ask) -> Answer:
    return _one(ask, ask.path["appVersion"])


def _one(ask: Ask, version: str | None) -> Answer:
    refuse_service_parameters(ask, _apps(ask))
    selection = common.selection(ask, "allAttributes", SUMMARY, EXTRA)
    executing = ask.flag("requireExecPerm")
    view = _apps(ask).view(
        ask.user, ask.tenant, ask.path["appId"], version, need="EXECUTE" if executing else "READ"
    )
    return Answer(selection.choose(answered(view)), f"TAPIS_FOUND App found: {view.definition.id}")


def patch_app(ask: Ask) -> Answer:
    return _changed(ask, _apps(ask).patch)


def put_app(ask: Ask) -> Answer:
    return _changed(ask, _apps(ask).put)


def _changed(ask: Ask, change: Callable[..., App]) -> Answer:
    given = ask.body(dict[str, Any])
    app = change(ask.user, ask.tenant, ask.path["appId"], ask.path["appVersion"], given)
    url = f"{ask.base}/v3/apps/{app.id}/{app.version}"
    return Answer({"url": url}, f"APPAPI_UPDATED App updated. App: {app.id} Version: {app.version}")


def is_enabled(ask: Ask) -> Answer:
    """With a version, both the app and this version must be enabled."""
    version = ask.text("version") or None
    app = _apps(ask).visible(ask.user, ask.tenant, ask.path["appId"], version)
    enabled = app.enabled and (version is None or app.version_enabled)
    return Answer({"aBool": enabled}, f"TAPIS_FOUND App found: {app.id}")


def _marking(doing: str, **values: object) -> Callable[[Ask], Answer]:
    def handler(ask: Ask) -> Answer:
        changes = _apps(ask).mark(
            ask.user, ask.tenant, ask.path["appId"], ask.path["appVersion"], doing, **values
        )
        return common.updated(ask, doing, changes)

    return handler


def get_apps(ask: Ask) -> Answer:
    return _list(ask, searched(ask))


def search_apps_query_parameters(ask: Ask) -> Answer:
    return _list(ask, searched_by_parameters(ask))


def search_apps_request_body(ask: Ask) -> Answer:
    return _list(ask, searched_by_body(ask))


def _list(ask: Ask, expression: Expression | None) -> Answer:
    """A list of latest versions, unless the search asks for versions itself."""
    latest = None if _speaks_of_versions(expression) else _apps(ask).shelf.table.c.latest
    return common.listed(ask, expression, summary=SUMMARY, extra=EXTRA, answered=_answered, further=latest)


def _answered(_ask: Ask, views: list[View[App]]) -> list[dict[str, Any]]:
    return [answered(view) for view in views]


def _speaks_of_versions(expression: Expression | None) -> bool:
    if expression is None:
        return False
    if isinstance(expression, Condition):
        return expression.attribute.lower() == "version"
    return any(_speaks_of_versions(part) for part in expression.parts)


_ONE = "/v3/apps/{appId}"
_VERSION = "/v3/apps/{appId}/{appVersion}"

OPERATIONS = (
    operation("apps", "getApps", "GET", "/v3/apps", get_apps),
    operation("apps", "createAppVersion", "POST", "/v3/apps", create_app_version),
    operation("apps", "searchAppsQueryParameters", "GET", "/v3/apps/search", search_apps_query_parameters),
    operation("apps", "searchAppsRequestBody", "POST", "/v3/apps/search", search_apps_request_body),
    operation("apps", "isEnabled", "GET", f"{_ONE}/isEnabled", is_enabled),
    *common.operations(),
    operation(
        "apps", "enableAppVersion", "POST", f"{_VERSION}/enable", _marking("ENABLE", version_enabled=True)
    ),
    operation(
        "apps", "disableAppVersion", "POST", f"{_VERSION}/disable", _marking("DISABLE", version_enabled=False)
    ),
    operation("apps", "lockApp", "POST", f"{_VERSION}/lock", _marking("LOCK", locked=True)),
    operation("apps", "unlockApp", "POST", f"{_VERSION}/unlock", _marking("UNLOCK", locked=False)),
    operation("apps", "getAppLatestVersion", "GET", _ONE, get_app_latest_version),
    operation("apps", "getApp", "GET", _VERSION, get_app),
    operation("apps", "patchApp", "PATCH", _VERSION, patch_app),
    operation("apps", "putApp", "PUT", _VERSION, put_app),
)
