"""The register of apps: versions of each, of which the one created last is what is meant when none is named."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection

from weft.service.access import Need, rights
from weft.service.answers import Problem
from weft.service.apps import rules
from weft.service.apps.model import App
from weft.service.database import Memory
from weft.service.definitions import Shelf
from weft.service.register import Given, Register, Surroundings, View, Words

SHELF = Shelf("apps", App, "id", "version")
RESERVED_VERSIONS = frozenset({"isenabled", "history", "enable", "disable", "delete", "undelete"})
"""Versions that would be taken for a part of a path."""


class Apps(Register[App]):
    """All apps. Safe to share between threads."""

    words: ClassVar[Words] = Words(
        kind="app",
        title="App",
        api="APPAPI",
        library="APPLIB",
        fixed=frozenset(
            (
                "id",
                "version",
                "owner",
                "enabled",
                "versionEnabled",
                "locked",
                "sharedAppCtx",
                "isPublic",
                "sharedWithUsers",
                "tenant",
                "uuid",
                "deleted",
                "created",
                "updated",
            )
        ),
        kept_by_put=frozenset(),
        reserved=frozenset(
            (
                "healthcheck",
                "readycheck",
                "search",
                "perms",
                "share",
                "share_public",
                "unshare",
                "unshare_public",
            )
        ),
        grant="GRANT_PERMS",
    )

    def __init__(self, service: Surroundings) -> None:
        super().__init__(service, SHELF)
        self._visible: Memory[App] = Memory(service.database)

    # For other parts of the service

    def get(self, tenant: str, app_id: str, version: str | None = None) -> App | None:
        """The app of that id, whoever asks; None where there is none, or a deleted one."""
        with self.database.reading() as connection:
            app = self.shelf.find(connection, tenant, app_id, version)
        return None if app is None or app.deleted else app

    def visible(
        self, user: str, tenant: str, app_id: str, version: str | None = None, need: Need = "READ"
    ) -> App:
        """The app as far as a user may use it, with who shared it; without a version the one created last.

        It is not to be changed.

        Raises:
            Problem: 404 where there is none that the user may read, 403 where this may not be done.
        """

        def found() -> App:
            with self.database.reading() as connection:
                app, held = self.held(
                    connection, user, tenant, app_id, version, need=need, doing=need.lower()
                )
            return msgspec.structs.replace(app, shared_app_ctx=held.grantor)

        return self._visible.recall((user, tenant, app_id, version, need), found)

    # What apps add to the life of a definition

    def complaints(self, definition: App) -> list[str]:
        return rules.complaints(definition)

    def completed(self, definition: App) -> App:
        if definition.version.lower() in RESERVED_VERSIONS:
            raise Problem(400, f"APPAPI_CREATE_RESERVED version: {definition.version} is reserved")
        return msgspec.structs.replace(definition, shared_app_ctx=None)

    def placed(self, connection: Connection, definition: App, user: str) -> App:
        """A further version takes over what all versions share."""
        versions = self.shelf.versions(connection, definition.tenant, definition.id)
        if not versions:
            return definition
        last = versions[-1]
        held = rights(connection, self.thing(last.tenant, last.id), last.owner, user)
        if held.allow("READ") and not held.owner:
            raise self.denied(definition.id, "create")
        if not held.owner or last.deleted or any(each.version == definition.version for each in versions):
            raise self.taken(definition)
        return msgspec.structs.replace(definition, enabled=last.enabled)

    def check_change(self, definition: App, doing: str, change: Given) -> None:
        """A locked version stays as it is."""
        if definition.locked:
            what = f"App version is locked. App: {definition.id} Version: {definition.version} Operation: {doing}"
            raise Problem(403, f"APPLIB_UNAUTH_LOCKED {what}")

    def mark(
        self, user: str, tenant: str, app_id: str, version: str, operation: str, **values: object
    ) -> int:
        """Set attributes of one version, as ``locked``; returns how many changes that was, 1 or 0.

        Raises:
            Problem: As ``held``.
        """
        with self.changing(user, tenant, app_id, version, doing=operation.lower()) as (connection, there):
            if all(getattr(there, name) == value for name, value in values.items()):
                return 0
            self.shelf.change(
                connection, msgspec.structs.replace(there, updated=self.clock.stamp(), **values)
            )
            self.record(connection, user, there, operation, values)
        return 1


def answered(view: View[App]) -> dict[str, Any]:
    """An app as it is answered: its attributes, and what depends on who asks."""
    return {
        **msgspec.to_builtins(view.definition),
        "isPublic": view.sharing.public,
        "sharedAppCtx": view.rights.grantor,
        "sharedWithUsers": view.sharing.users,
    }
