"""The register of systems: everything about one system that other parts of the service ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection

from weft.service.access import Need
from weft.service.answers import Problem
from weft.service.asking import checked
from weft.service.database import Memory
from weft.service.definitions import Shelf
from weft.service.register import Given, Register, Surroundings, View, Words
from weft.service.systems import children, rules
from weft.service.systems.attributes import CALLER
from weft.service.systems.credentials import Credentials, Held
from weft.service.systems.credentials import complaints as complaints_about
from weft.service.systems.hosts import Host
from weft.service.systems.model import Credential, SchedulerProfile, System
from weft.service.systems.profiles import Profiles

SHELF = Shelf("systems", System, "id")
_HOST_EVAL = re.compile(r"/?HOST_EVAL\(\s*\$?([A-Za-z_][A-Za-z0-9_]*)\s*\)(.*)")


class Systems(Register[System]):
    """All systems, their credentials, their hosts and the scheduler profiles. Safe to share between threads."""

    words: ClassVar[Words] = Words(
        kind="system",
        title="System",
        api="SYSAPI",
        library="SYSLIB",
        fixed=frozenset(
            (
                "id",
                "systemType",
                "owner",
                "enabled",
                "bucketName",
                "rootDir",
                "canExec",
                "parentId",
                "authnCredential",
                "tenant",
                "uuid",
                "deleted",
                "created",
                "updated",
            )
        ),
        kept_by_put=frozenset({"effectiveUserId"}),
        reserved=frozenset(
            (
                "healthcheck",
                "readycheck",
                "search",
                "match",
                "credential",
                "perms",
                "schedulerprofile",
                "share",
                "share_public",
                "unshare",
                "unshare_public",
            )
        ),
        grant="MODIFY",  # the official list of operations has no word for it
    )

    def __init__(self, service: Surroundings) -> None:
        super().__init__(service, SHELF)
        self.folder: Path = service.folder
        self.credentials = Credentials(service.folder)
        self.profiles = Profiles(service.database, service.clock)
        self._there: Memory[System | None] = Memory(service.database)
        self._visible: Memory[System] = Memory(service.database)
        self._logins: Memory[str] = Memory(service.database)

    # For other parts of the service

    def get(self, tenant: str, system_id: str) -> System | None:
        """The system of that id, whoever asks; None where there is none, or a deleted one. Not to be changed."""

        def found() -> System | None:
            with self.database.reading() as connection:
                system = self.shelf.find(connection, tenant, system_id)
            return None if system is None or system.deleted else system

        return self._there.recall((tenant, system_id), found)

    def visible(
        self, user: str, tenant: str, system_id: str, need: Need = "READ", *, grantor: str | None = None
    ) -> System:
        """The system as far as a user may use it; ``grantor`` lends his rights, as the one who shared an app does.

        It is not to be changed.

        Raises:
            Problem: 404 where there is none that the user may read, 403 where this may not be done.
        """
        try:
            return self._visible_to(user, tenant, system_id, need)
        except Problem:
            if grantor is None or need == "MODIFY":
                raise
        return self._visible_to(grantor, tenant, system_id, need)

    def _visible_to(self, user: str, tenant: str, system_id: str, need: Need) -> System:
        def found() -> System:
            with self.database.reading() as connection:
                return self.held(connection, user, tenant, system_id, need=need, doing=need.lower())[0]

        return self._visible.recall((user, tenant, system_id, need), found)

    def host(self, system: System) -> Host:
        """The system's host as it is here."""
        return Host.of(system.host, self.folder)

    def login_user(self, system: System, user: str) -> str:
        """The user on the host when `user` asks: a static one, the one a credential names, or the same."""

        def found() -> str:
            with self.database.reading() as connection:
                return self.credentials.login_user(connection, system, user)

        return self._logins.recall((system.tenant, system.id, user), found)

    def profile(self, tenant: str, name: str) -> SchedulerProfile | None:
        """The scheduler profile of that name."""
        return self.profiles.find(tenant, name)

    def usable(self, system: System, user: str, method: str | None = None) -> bool | None:
        """Can the host be reached when `user` asks? None when no credential is registered that could serve.

        A host that is this machine can always be reached.
        """
        return self.usable_by(system, system.effective_user(user), method)

    def usable_by(self, system: System, target: str, method: str | None = None) -> bool | None:
        """The same with the credential of one target: a Tapis user where the system is dynamic, else a login user."""
        if not self.host(system).stand_in:
            return True
        with self.database.reading() as connection:
            return self.credentials.serves(connection, system, target, method or system.default_authn_method)

    def answered(self, user: str, views: Sequence[View[System]]) -> list[dict[str, Any]]:
        """Systems as they are answered: their attributes, and what depends on who asks."""
        with self.database.reading() as connection:
            held = self.credentials.held(connection, [view.definition for view in views], user)
        return [_answered(view, held.get(view.definition.id), user) for view in views]

    # What systems add to the life of a definition

    def complaints(self, definition: System) -> list[str]:
        return rules.complaints(definition)

    def register(
        self,
        user: str,
        tenant: str,
        given: Given,
        *,
        also: Callable[[Connection, System], None] = lambda _connection, _definition: None,
        parent: str | None = None,
    ) -> System:
        """As every register does; a static system may bring its credential, and a child has a parent."""
        plain = {**given, "parentId": parent}
        credential = _brought(given)
        if credential is None:
            if rules.HOST_EVAL in str(given.get("rootDir")):
                raise _invalid("rootDir: HOST_EVAL needs authnCredential")
            return super().register(user, tenant, plain, also=also)

        def keeping(connection: Connection, system: System) -> None:
            target, now = system.effective_user_id, self.clock.stamp()
            self.credentials.keep(connection, system, target, credential, now)
            also(connection, system)

        return super().register(user, tenant, plain, also=keeping)

    def settled(self, definition: System) -> System:
        """The owner is named, and an only queue is the default one."""
        effective, queues = definition.effective_user_id, definition.batch_logical_queues
        default = definition.batch_default_logical_queue
        if definition.can_run_batch and default is None and len(queues) == 1:
            default = queues[0].name
        if effective == "${owner}" and definition.owner != CALLER:  # not before the owner is known
            effective = definition.owner
        return msgspec.structs.replace(
            definition, effective_user_id=effective, batch_default_logical_queue=default
        )

    def completed(self, definition: System) -> System:
        """Variables that mean something when the system is created are filled in."""
        values = {CALLER: definition.owner, "${owner}": definition.owner, "${tenant}": definition.tenant}

        def filled(text: str) -> str:
            for variable, value in values.items():
                text = text.replace(variable, value)
            return text

        system = msgspec.structs.replace(
            definition,
            bucket_name=filled(definition.bucket_name or "") or None,
            root_dir=filled(definition.root_dir),
            job_working_dir=filled(definition.job_working_dir or "") or None,
        )
        return msgspec.structs.replace(system, root_dir=self._evaluated(self.settled(system)))

    def _evaluated(self, system: System) -> str:
        """The root directory, with what HOST_EVAL finds on the host."""
        if rules.HOST_EVAL not in system.root_dir:
            return system.root_dir
        found = _HOST_EVAL.fullmatch(system.root_dir)
        if found is None or system.system_type != "LINUX" or system.is_dynamic:
            raise _invalid(
                "rootDir: HOST_EVAL($VARIABLE) stands once, at the beginning, on a LINUX system with a static user"
            )
        value = self.host(system).evaluate(found[1], system.effective_user_id)
        if not value:
            raise _invalid(f"rootDir: {found[1]} is not set on {system.host}")
        return "/" + (value + found[2]).lstrip("/")

    def check_change(self, definition: System, doing: str, change: Given) -> None:
        """A child has few attributes of its own."""
        if definition.parent_id and doing == "put":
            raise Problem(400, f"SYSLIB_CHILD_PUT_NOT_ALLOWED PUT is not for child systems: {definition.id}")
        children.check_patch(definition, change)

    def changed(self, connection: Connection, before: System, after: System) -> None:
        """Children follow their parent, which must stay while it has any."""
        if before.allow_children:
            children.follow(self, connection, before, after)


class _Brought(msgspec.Struct, rename="camel"):
    authn_credential: Credential


def _answered(view: View[System], held: Held | None, user: str) -> dict[str, Any]:
    system = view.definition
    login = held.login_user if held else None
    return {
        **msgspec.to_builtins(system),
        "effectiveUserId": (system.is_dynamic and login) or system.effective_user(user),
        "authnCredential": None,
        "jobRuntimes": msgspec.to_builtins(system.job_runtimes)
        or None,  # an empty list is none, to the specification
        "hasCredentials": held is not None and system.default_authn_method in held.methods,
        "isPublic": view.sharing.public,
        "isDynamicEffectiveUser": system.is_dynamic,
        "sharedWithUsers": view.sharing.users,
    }


def _brought(given: Given) -> Credential | None:
    """The credential that comes with the definition of a system whose user is static."""
    if given.get("authnCredential") is None:
        return None
    plain = {"authnCredential": given["authnCredential"]}
    credential = checked(plain, _Brought, drop_nulls=True).authn_credential
    wrong = complaints_about(credential)
    if given.get("effectiveUserId", CALLER) in (CALLER, None):
        wrong.append("cannot be given where effectiveUserId is dynamic")
    if credential.login_user:
        wrong.append("loginUser: cannot be given where effectiveUserId is static")
    if wrong:
        raise _invalid(f"authnCredential: {'; '.join(wrong)}")
    return credential


def _invalid(what: str) -> Problem:
    return Problem(400, f"SYSLIB_CREATE_INVALID_ERRORLIST The definition of the system is not valid: {what}")
