"""The apps and systems that a user may use: one by its name, or all of them, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weft.core.nearest import did_you_mean
from weft.errors import CheckFailed, WeftError
from weft.tapis.apps import App
from weft.tapis.session import Rejected, Session

PAGE = 200
"""Definitions in one answer."""
_EVERYTHING = "ALL"
"""What is one's own, public, shared, or permitted."""


def apps(session: Session) -> Iterator[App | WeftError]:
    """All apps, each in its latest version, by id; a problem in place of a definition that cannot be read."""
    for definition in _pages(session, "apps.getApps", "allAttributes"):
        try:
            yield App.from_definition(definition)
        except WeftError as problem:
            yield problem


def ids(session: Session, operation: str) -> list[str]:
    """The ids of all apps (``apps.getApps``) or systems (``systems.getSystems``), or none where that is refused."""
    try:
        return [str(each.get("id")) for each in _pages(session, operation, "id")]
    except Rejected:
        return []


def find_app(session: Session, name: str, version: str = "") -> App:
    """One app, in the version that was registered last where none is named.

    Raises:
        CheckFailed: There is none that the user may use, or it is switched off.
    """
    try:
        if version:
            told = session.call("apps.getApp", appId=name, appVersion=version)
        else:
            told = session.call("apps.getAppLatestVersion", appId=name)
    except Rejected as problem:
        raise _no_app(session, name, version, problem) from None
    app = App.from_definition(told)
    if not app.enabled:
        hint = "its owner can switch it on; `weft app list` shows the others"
        raise CheckFailed(f"app {app.id} {app.version} is switched off", where="tapis.app", hint=hint)
    return app


def refused(what: str, setting: str, problem: Rejected) -> CheckFailed:
    """What the user is told where something is there, or may be, and cannot be read."""
    hint = "ask its owner to share it with you" if problem.status == 403 else ""
    return CheckFailed(f"{what} cannot be read: {problem.said}", where=setting, hint=hint)


def _pages(session: Session, operation: str, select: str) -> Iterator[Mapping[str, Any]]:
    skip = 0
    while True:
        page = session.call(
            operation, listType=_EVERYTHING, select=select, orderBy="id(asc)", limit=PAGE, skip=skip
        )
        found = [each for each in page if isinstance(each, Mapping)] if isinstance(page, list) else []
        yield from found
        if len(found) < PAGE:
            return
        skip += PAGE


def _no_app(session: Session, name: str, version: str, problem: Rejected) -> CheckFailed:
    if problem.status not in (400, 404):
        return refused(f"app {name}", "tapis.app", problem)
    latest = _latest(session, name) if version else ""
    if latest:
        hint = f"its latest is {latest}; without this setting the latest is taken"
        return CheckFailed(f"app {name} has no version {version}", where="tapis.version", hint=hint)
    near = did_you_mean(name, ids(session, "apps.getApps"))
    hint = f"{near} (`weft app list` shows all)" if near else "`weft app list` shows what there is"
    return CheckFailed(f"there is no app `{name}` that you may use", where="tapis.app", hint=hint)


def _latest(session: Session, name: str) -> str:
    try:
        return App.from_definition(session.call("apps.getAppLatestVersion", appId=name)).version
    except Rejected:
        return ""
