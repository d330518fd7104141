"""What the registers of systems and of apps have in common: what may happen to a definition.

Everything about the life of a definition lives here: it is created, patched, replaced, enabled and disabled, deleted
and brought back, given away, granted and shared. Each change is one transaction that looks, checks who asks
(``access``), writes the definition (``definitions``) and what was done to it (``history``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.exc import IntegrityError

from weft.service import access, history
from weft.service.access import Need, Rights, Sharing, Thing
from weft.service.answers import Problem
from weft.service.asking import checked, without_nulls
from weft.service.clock import Clock
from weft.service.database import Database
from weft.service.definitions import Shelf, merged
from weft.service.listing import Listing
from weft.service.systems.attributes import CALLER, Definition

D = TypeVar("D", bound=Definition)
Given = Mapping[str, Any]

COMPLAINTS = 20
"""How many complaints about a definition are told at once."""


class Surroundings(Protocol):
    """What a register needs of the service."""

    @property
    def folder(self) -> Path: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...


class Words(Struct, frozen=True):
    """How a register speaks of what it holds, and which of its attributes and ids are special."""

    kind: str
    title: str
    api: str
    library: str
    fixed: frozenset[str]
    """Attributes that PATCH refuses and PUT ignores, by their names for clients."""
    kept_by_put: frozenset[str]
    """Further attributes that PUT ignores."""
    reserved: frozenset[str]
    """Ids that would be taken for a part of a path."""
    grant: str
    """How the history calls it when permissions are granted."""


class View(Struct, Generic[D], frozen=True):
    """A definition as one user sees it."""

    definition: D
    rights: Rights
    sharing: Sharing


class Register(Generic[D]):
    """All definitions of one kind. Safe to share between threads."""

    words: ClassVar[Words]

    def __init__(self, service: Surroundings, shelf: Shelf[D]) -> None:
        self.database = service.database
        self.clock = service.clock
        self.shelf = shelf

    # What a kind of definition adds

    def complaints(self, definition: D) -> list[str]:
        """What is wrong between the attributes of a definition, each with the path of the attribute."""
        raise NotImplementedError

    def completed(self, definition: D) -> D:
        """The definition with what is filled in once, when it is created."""
        return definition

    def settled(self, definition: D) -> D:
        """The definition with what is filled in whenever it is written."""
        return definition

    def placed(self, connection: Connection, definition: D, user: str) -> D:
        """A new definition as it fits to what is there; Problem where it does not."""
        if self.shelf.find(connection, definition.tenant, definition.id) is not None:
            raise self.taken(definition)
        return definition

    def check_change(self, definition: D, doing: str, change: Given) -> None:
        """Raise a Problem where a definition may not be changed like this, by PATCH or PUT."""

    def changed(self, connection: Connection, before: D, after: D) -> None:
        """What follows from a change, in its transaction; a Problem undoes it."""

    # Answers

    def thing(self, tenant: str, identifier: str) -> Thing:
        return Thing(self.words.kind, tenant, identifier)

    def missing(self, identifier: str, version: str | None = None) -> Problem:
        """The answer to who asks for what does not exist, or may not know that it does."""
        what = identifier if version is None else f"{identifier} version: {version}"
        return Problem(404, f"{self.words.api}_NOT_FOUND Record not found. {self.words.title}: {what}")

    def denied(self, identifier: str, doing: str) -> Problem:
        """The answer to who knows a definition but may not do this with it."""
        what = f"Permission denied. {self.words.title}: {identifier} Operation: {doing}"
        return Problem(403, f"{self.words.library}_UNAUTH {what}")

    def taken(self, definition: D) -> Problem:
        """The answer to who wants to create what is there."""
        key = f"{self.words.api}_{self.words.title[:3].upper()}_EXISTS"
        return Problem(409, f"{key} {self.words.title} already exists. {self.words.title}: {definition.id}")

    def check(self, definition: D) -> None:
        """Raise a Problem, 400, with what is wrong between the attributes."""
        complaints = self.complaints(definition)
        if complaints:
            what = f"The definition of {self.words.kind} {definition.id} is not valid:"
            raise Problem(
                400,
                f"{self.words.library}_CREATE_INVALID_ERRORLIST {what} {'; '.join(complaints[:COMPLAINTS])}",
            )

    # Reading

    def held(
        self,
        connection: Connection,
        user: str,
        tenant: str,
        identifier: str,
        version: str | None = None,
        *,
        need: Need = "READ",
        doing: str = "read",
        deleted: bool = False,
    ) -> tuple[D, Rights]:
        """A definition and what the user may do with it; with ``deleted`` its owner reaches it though it is deleted.

        Raises:
            Problem: 404 where there is none that the user may read, 403 where this may not be done.
        """
        missing = self.missing(identifier, version)
        definition = self.shelf.find(connection, tenant, identifier, version)
        if definition is None:
            raise missing
        rights = access.rights(connection, self.thing(tenant, identifier), definition.owner, user)
        if definition.deleted and not (deleted and rights.owner):
            raise missing
        access.check(rights, need, missing=missing, denied=self.denied(identifier, doing))
        return definition, rights

    def view(
        self, user: str, tenant: str, identifier: str, version: str | None = None, *, need: Need = "READ"
    ) -> View[D]:
        """A definition as a user sees it; Problem as ``held``."""
        with self.database.reading() as connection:
            definition, rights = self.held(
                connection, user, tenant, identifier, version, need=need, doing=need.lower()
            )
            return View(definition, rights, access.sharing(connection, self.thing(tenant, identifier)))

    def page(
        self, user: str, tenant: str, list_type: str, wanted: ColumnElement[bool], listing: Listing
    ) -> tuple[list[View[D]], dict[str, object]]:
        """What a list shows to a user, and the list's metadata."""
        table, kind = self.shelf.table, self.words.kind
        query = select(table.c.seq, table.c.definition).where(
            access.listed(list_type, table, kind, tenant, user), wanted
        )
        with self.database.reading() as connection:
            rows, about = listing.read(connection, query, table.c.seq)
            found = [self.shelf.read(row) for row in rows]
            sharings = access.sharings(connection, kind, tenant, sorted({each.id for each in found}))
            owners = {each.id: each.owner for each in found}
            rights = access.rights_to_all(connection, kind, tenant, owners, user)
        return [View(each, rights[each.id], sharings[each.id]) for each in found], about

    def history(self, user: str, tenant: str, identifier: str) -> Sequence[history.Item]:
        """What was done to a definition; Problem as ``held``."""
        with self.database.reading() as connection:
            self.held(connection, user, tenant, identifier, deleted=True)
            return history.entries(connection, self.words.kind, tenant, identifier)

    # Creating and changing

    def register(
        self,
        user: str,
        tenant: str,
        given: Given,
        *,
        also: Callable[[Connection, D], None] = lambda _connection, _definition: None,
    ) -> D:
        """Create a definition; nulls in what is given count as absent, and ``also`` is done in the transaction.

        Raises:
            Problem: 400 naming what is wrong, 403 for another owner, 409 when it exists.
        """
        now = self.clock.stamp()
        definition = self.settled(checked(given, self.shelf.model, drop_nulls=True))
        self.check(definition)
        if definition.id.lower() in self.words.reserved:
            raise Problem(400, f"{self.words.api}_CREATE_RESERVED id: {definition.id} is reserved")
        if definition.owner not in (CALLER, user):
            raise self.denied(definition.id, f"create for {definition.owner}")
        definition = msgspec.structs.replace(
            definition,
            owner=user,
            tenant=tenant,
            uuid=str(uuid.uuid4()),
            deleted=False,
            created=now,
            updated=now,
        )
        definition = self.settled(self.completed(definition))
        self.check(definition)
        try:
            with self.database.writing() as connection:
                definition = self.placed(connection, definition, user)
                self.shelf.add(connection, definition)
                self.record(connection, user, definition, "CREATE", self._known(given))
                also(connection, definition)
        except IntegrityError as error:  # another process of the same database was faster
            raise self.taken(definition) from error
        return definition

    def patch(self, user: str, tenant: str, identifier: str, version: str | None, given: Given) -> D:
        """Change the attributes that are given: structures are merged, lists replaced.

        Raises:
            Problem: As ``held``; 400 naming what is wrong, or an attribute that cannot be changed this way.
        """
        refused = sorted(self.words.fixed & given.keys())
        if refused:
            raise Problem(
                400, f"NET_INVALID_JSON_INPUT The request is not valid: {refused[0]}: PATCH cannot change it"
            )
        change = without_nulls(given)
        return self._change(
            user, tenant, identifier, version, lambda there: merged(there, change), change, "patch"
        )

    def put(self, user: str, tenant: str, identifier: str, version: str | None, given: Given) -> D:
        """Replace all attributes that can be changed: what is not given gets its default.

        Raises:
            Problem: As ``held``; 400 naming what is wrong.
        """
        kept = self.words.fixed | self.words.kept_by_put
        change = {key: value for key, value in without_nulls(given).items() if key not in kept}

        def replaced(there: dict[str, Any]) -> dict[str, Any]:
            return {**{key: value for key, value in there.items() if key in kept}, **change}

        return self._change(user, tenant, identifier, version, replaced, change, "put")

    def _change(
        self,
        user: str,
        tenant: str,
        identifier: str,
        version: str | None,
        changed: Callable[[dict[str, Any]], dict[str, Any]],
        change: Given,
        doing: str,
    ) -> D:
        with self.changing(user, tenant, identifier, version, need="MODIFY", doing=doing) as (
            connection,
            there,
        ):
            self.check_change(there, doing, change)
            plain = without_nulls(msgspec.to_builtins(there))
            definition = self.settled(checked(changed(plain), self.shelf.model))
            self.check(definition)
            self._write(connection, there, msgspec.structs.replace(definition, updated=self.clock.stamp()))
            self.record(connection, user, definition, "MODIFY", self._known(change))
        return definition

    @contextmanager
    def changing(
        self,
        user: str,
        tenant: str,
        identifier: str,
        version: str | None = None,
        *,
        need: Need = "OWN",
        doing: str,
        deleted: bool = False,
    ) -> Iterator[tuple[Connection, D]]:
        """A transaction that changes a definition; nobody else changes it meanwhile. Problem as ``held``."""
        with self.database.writing() as connection:
            self.shelf.versions(connection, tenant, identifier)
            there, _ = self.held(
                connection, user, tenant, identifier, version, need=need, doing=doing, deleted=deleted
            )
            yield connection, there

    def switch(self, user: str, tenant: str, identifier: str, operation: str, **values: object) -> int:
        """Set attributes that all versions share, as ``enabled``; returns how many changes that was, 1 or 0.

        Raises:
            Problem: As ``held``.
        """
        doing, deleted = operation.lower(), "deleted" in values
        with self.changing(user, tenant, identifier, doing=doing, deleted=deleted) as (connection, there):
            if all(getattr(there, name) == value for name, value in values.items()):
                return 0
            for each in self.shelf.versions(connection, tenant, identifier):
                changed = msgspec.structs.replace(each, updated=self.clock.stamp(), **values)
                self._write(connection, each, changed)
            self.record(connection, user, there, operation, values, all_versions=True)
        return 1

    def _known(self, given: Given) -> dict[str, Any]:
        """What is given for attributes that there are; all else is dropped, secrets among it."""
        names = {field.encode_name for field in msgspec.structs.fields(self.shelf.model)}
        return {key: value for key, value in without_nulls(given).items() if key in names}

    def _write(self, connection: Connection, before: D, after: D) -> None:
        self.shelf.change(connection, after)
        self.changed(connection, before, after)

    def record(
        self,
        connection: Connection,
        user: str,
        definition: D,
        operation: str,
        data: object,
        *,
        all_versions: bool = False,
    ) -> None:
        """Write what was done to the history."""
        version = "" if all_versions else getattr(definition, "version", "")
        history.record(
            connection,
            history.Change(
                kind=self.words.kind,
                tenant=definition.tenant,
                id=definition.id,
                user=user,
                operation=operation,
                created=self.clock.stamp(),
                version=version,
                data=data,
            ),
        )
