"""The operations that systems and apps have in common: their state, lists, permissions, sharing and history.

Both official specifications have them under the same names but for one word (``enableSystem``, ``enableApp``), so one
table makes them for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, and_, not_, true

from weft.service import access
from weft.service.access import PERMISSIONS, PUBLIC
from weft.service.answers import Answer, Problem
from weft.service.asking import Ask
from weft.service.listing import Listing, Selection, names_of
from weft.service.notations import from_list, from_parameters, from_statement
from weft.service.register import Register, View
from weft.service.routes import Operation, operation
from weft.service.search import Expression, condition
from weft.service.systems.attributes import LoginName

Registers = Callable[[Ask], Register[Any]]


class PermissionsGiven(msgspec.Struct):
    """The body that grants or revokes."""

    permissions: Annotated[list[str], msgspec.Meta(min_length=1)]


class UsersGiven(msgspec.Struct):
    """The body that shares or shares no longer."""

    users: Annotated[list[LoginName], msgspec.Meta(min_length=1, max_length=1000)]


class SearchGiven(msgspec.Struct):
    """The body of a search."""

    search: Annotated[list[str], msgspec.Meta(min_length=1)]


class Common:
    """The handlers for one kind of definition."""

    def __init__(self, spec: str, word: str, of: Registers) -> None:
        self.spec = spec
        self.word = word
        self.of = of
        self.key = f"{word.lower()}Id"

    def id(self, ask: Ask) -> str:
        return ask.path[self.key]

    def operations(self) -> tuple[Operation, ...]:
        """The table, literal paths before those with parameters."""
        spec, word, base = self.spec, self.word, f"/v3/{self.spec}"
        one = f"{base}/{{{self.key}}}"
        perms = f"{base}/perms/{{{self.key}}}/user/{{userName}}"
        return (
            operation(spec, "healthCheck", "GET", f"{base}/healthcheck", self.health, open_to_all=True),
            operation(spec, "readyCheck", "GET", f"{base}/readycheck", self.ready, open_to_all=True),
            operation(spec, "getUserPerms", "GET", perms, self.permissions),
            operation(spec, "grantUserPerms", "POST", perms, self.grant),
            operation(spec, "revokeUserPerms", "POST", f"{perms}/revoke", self.revoke),
            operation(spec, "revokeUserPerm", "DELETE", f"{perms}/{{permission}}", self.revoke_one),
            operation(spec, "getShareInfo", "GET", f"{base}/share/{{{self.key}}}", self.share_info),
            operation(spec, f"share{word}", "POST", f"{base}/share/{{{self.key}}}", self.share),
            operation(
                spec, f"share{word}Public", "POST", f"{base}/share_public/{{{self.key}}}", self.share_public
            ),
            operation(spec, f"unShare{word}", "POST", f"{base}/unshare/{{{self.key}}}", self.unshare),
            operation(
                spec,
                f"unShare{word}Public",
                "POST",
                f"{base}/unshare_public/{{{self.key}}}",
                self.unshare_public,
            ),
            operation(spec, f"enable{word}", "POST", f"{one}/enable", self.switching("ENABLE", enabled=True)),
            operation(
                spec, f"disable{word}", "POST", f"{one}/disable", self.switching("DISABLE", enabled=False)
            ),
            operation(spec, f"delete{word}", "POST", f"{one}/delete", self.switching("DELETE", deleted=True)),
            operation(
                spec, f"undelete{word}", "POST", f"{one}/undelete", self.switching("UNDELETE", deleted=False)
            ),
            operation(
                spec, f"change{word}Owner", "POST", f"{one}/changeOwner/{{userName}}", self.change_owner
            ),
            operation(spec, "getHistory", "GET", f"{one}/history", self.history),
        )

    # State and history

    def health(self, _ask: Ask) -> Answer:
        return Answer({}, f"TAPIS_HEALTHY Health check received. Service: {self.spec}")

    def ready(self, ask: Ask) -> Answer:
        with self.of(ask).database.reading() as connection:
            connection.execute(self.of(ask).shelf.table.select().limit(0))
        return Answer({}, f"TAPIS_READY Ready check passed. Service: {self.spec}")

    def switching(self, doing: str, **values: object) -> Callable[[Ask], Answer]:
        """The handler that sets attributes which all versions share."""

        def handler(ask: Ask) -> Answer:
            changes = self.of(ask).switch(ask.user, ask.tenant, self.id(ask), doing, **values)
            return self.updated(ask, doing, changes)

        return handler

    def updated(self, ask: Ask, doing: str, changes: int) -> Answer:
        what = f"{self.word} updated. {self.word}: {self.id(ask)} Operation: {doing.lower()}"
        return Answer({"changes": changes}, f"{self.of(ask).words.api}_UPDATED {what}")

    def change_owner(self, ask: Ask) -> Answer:
        changes = self.of(ask).switch(
            ask.user, ask.tenant, self.id(ask), "CHANGE_OWNER", owner=user_named(ask)
        )
        return self.updated(ask, "CHANGE_OWNER", changes)

    def history(self, ask: Ask) -> Answer:
        items = self.of(ask).history(ask.user, ask.tenant, self.id(ask))
        return Answer(items, f"TAPIS_FOUND {self.word}History found: {self.id(ask)}")

    # Permissions

    def permissions(self, ask: Ask) -> Answer:
        """Everybody may ask for his own; the owner for anyone's."""
        register, target = self.of(ask), user_named(ask)
        with register.database.reading() as connection:
            need: access.Need = "READ" if target == ask.user else "OWN"
            there, _ = register.held(
                connection, ask.user, ask.tenant, self.id(ask), need=need, doing="getPerms"
            )
            names = access.granted_to(connection, register.thing(ask.tenant, there.id), target)
        names = sorted(PERMISSIONS) if target == there.owner else names
        return Answer({"names": names}, f"TAPIS_FOUND {self.word} permissions found: {len(names)} items")

    def grant(self, ask: Ask) -> Answer:
        register, target, wanted = self.of(ask), user_named(ask), self._wanted(ask)
        with register.changing(ask.user, ask.tenant, self.id(ask), doing="grantPerms") as (connection, there):
            new = access.grant(connection, register.thing(ask.tenant, there.id), target, wanted)
            data = {"user": target, "permissionsGranted": sorted(new)}
            register.record(connection, ask.user, there, register.words.grant, data, all_versions=True)
        what = (
            f"Permissions granted for {self.word}: {there.id} User: {target} Permissions: {', '.join(wanted)}"
        )
        return Answer(None, f"{register.words.api}_PERMS_GRANTED {what}")

    def revoke(self, ask: Ask) -> Answer:
        return self._revoke(ask, self._wanted(ask))

    def revoke_one(self, ask: Ask) -> Answer:
        return self._revoke(ask, self._known([ask.path["permission"]]))

    def _revoke(self, ask: Ask, unwanted: list[str]) -> Answer:
        """The owner may revoke anyone's permissions; others give up their own."""
        register, target = self.of(ask), user_named(ask)
        need: access.Need = "READ" if target == ask.user else "OWN"
        with register.changing(ask.user, ask.tenant, self.id(ask), need=need, doing="revokePerms") as held:
            connection, there = held
            gone = access.revoke(connection, register.thing(ask.tenant, there.id), target, unwanted)
            data = {"user": target, "permissionsRevoked": sorted(gone)}
            register.record(connection, ask.user, there, "REVOKE_PERMS", data, all_versions=True)
        what = f"Permissions revoked for {self.word}: {there.id} User: {target} Permissions: {', '.join(unwanted)}"
        return Answer(None, f"{register.words.api}_PERMS_REVOKED {what}")

    def _wanted(self, ask: Ask) -> list[str]:
        return self._known(ask.body(PermissionsGiven, drop_nulls=True).permissions)

    def _known(self, permissions: Iterable[str]) -> list[str]:
        found = sorted({permission.upper() for permission in permissions})
        for permission in found:
            if permission not in PERMISSIONS:
                what = f"permissions: {permission[:80]!r} is none of {', '.join(PERMISSIONS)}"
                raise Problem(400, f"{self.word[:3].upper()}API_PERMS_ENUM_ERROR {what}")
        return found

    # Sharing

    def share_info(self, ask: Ask) -> Answer:
        register = self.of(ask)
        with register.database.reading() as connection:
            there, _ = register.held(connection, ask.user, ask.tenant, self.id(ask))
            thing = register.thing(ask.tenant, there.id)
            found, records = access.sharing(connection, thing), access.records(connection, thing)
        result = {"public": found.public, "userList": found.users, "shareRecords": records}
        return Answer(result, f"TAPIS_FOUND {self.word}Share found: {there.id}")

    def share(self, ask: Ask) -> Answer:
        return self._share(ask, ask.body(UsersGiven, drop_nulls=True).users)

    def share_public(self, ask: Ask) -> Answer:
        return self._share(ask, [PUBLIC])

    def unshare(self, ask: Ask) -> Answer:
        return self._unshare(ask, ask.body(UsersGiven, drop_nulls=True).users)

    def unshare_public(self, ask: Ask) -> Answer:
        return self._unshare(ask, [PUBLIC])

    def _share(self, ask: Ask, grantees: list[str]) -> Answer:
        register = self.of(ask)
        with register.changing(ask.user, ask.tenant, self.id(ask), doing="share") as (connection, there):
            thing, now = register.thing(ask.tenant, there.id), register.clock.stamp()
            new = access.share(connection, thing, ask.user, grantees, now)
            data = {"sharedWith": sorted(new)}
            register.record(connection, ask.user, there, "MODIFY", data, all_versions=True)
        return Answer(None, self._shared(ask, "share"))

    def _unshare(self, ask: Ask, grantees: list[str]) -> Answer:
        register = self.of(ask)
        with register.changing(ask.user, ask.tenant, self.id(ask), doing="unshare") as (connection, there):
            access.unshare(connection, register.thing(ask.tenant, there.id), grantees)
            data = {"unsharedWith": sorted(grantees)}
            register.record(connection, ask.user, there, "MODIFY", data, all_versions=True)
        return Answer(None, self._shared(ask, "unshare"))

    def _shared(self, ask: Ask, doing: str) -> str:
        what = f"{self.word} updated. {self.word}: {self.id(ask)} Operation: {doing}"
        return f"{self.of(ask).words.api}_UPDATED {what}"

    # Lists

    def listed(
        self,
        ask: Ask,
        expression: Expression | None,
        *,
        summary: tuple[str, ...],
        extra: Mapping[str, object],
        answered: Callable[[Ask, list[View[Any]]], list[dict[str, Any]]],
        further: ColumnElement[bool] | None = None,
        list_type: str = "OWNED",
    ) -> Answer:
        """A list of what the user may see; ``extra`` are attributes that are answered but not stored."""
        register = self.of(ask)
        refuse_service_parameters(ask, register)
        selection = self.selection(ask, "summaryAttributes", summary, extra)
        table, attributes = register.shelf.table, register.shelf.attributes
        wanted = [condition(expression, attributes), true() if further is None else further]
        if not ask.flag("showDeleted"):
            wanted.append(not_(table.c.deleted))
        list_type = ask.choice("listType", list_type, access.LIST_TYPES)
        listing = Listing.of(ask, attributes)
        views, about = register.page(ask.user, ask.tenant, list_type, and_(*wanted), listing)
        chosen = [selection.choose(each) for each in answered(ask, views)]
        return Answer(chosen, f"TAPIS_FOUND {self.word}s found: {len(chosen)} items", metadata=about)

    def selection(
        self, ask: Ask, default: str, summary: tuple[str, ...], extra: Mapping[str, object]
    ) -> Selection:
        """The attributes that ``select`` asks for."""
        model: type[msgspec.Struct] = self.of(ask).shelf.model
        known = names_of(model) | extra.keys()
        return Selection.of(ask.text("select") or default, known, summary=summary, always=())


def searched(ask: Ask) -> Expression | None:
    """What the query parameter ``search`` looks for."""
    given = ask.text("search")
    return from_list(given) if given else None


def searched_by_parameters(ask: Ask) -> Expression | None:
    """What the query parameters look for that are not for anything else."""
    return from_parameters(ask.query())


def searched_by_body(ask: Ask) -> Expression | None:
    """What the statement in the body looks for."""
    return from_statement(ask.body(SearchGiven).search)


def refuse_service_parameters(ask: Ask, register: Register[Any]) -> None:
    """Speaking for another user or another tenant is for services, and no user is one.

    Raises:
        Problem: 403.
    """
    for name in ("impersonationId", "resourceTenant", "sharedAppCtx"):
        if ask.text(name):
            what = f"Authorization denied. Only authorized services may use {name}."
            raise Problem(403, f"{register.words.library}_UNAUTH_{name.upper()} {what}")


def user_named(ask: Ask) -> str:
    """The user that the path names.

    Raises:
        Problem: 400 where no user can have the name.
    """
    try:
        return msgspec.convert(ask.path["userName"], LoginName)
    except msgspec.ValidationError as error:
        raise Problem(400, f"TAPIS_INVALID_PARAMETER userName: {ask.path['userName'][:80]!r}") from error
