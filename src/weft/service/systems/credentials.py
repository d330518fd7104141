"""Credentials: what opens a system's host for a user.

Everything about them lives here. They are stored encrypted, with a key in the state folder that its owner alone may
read; they are never answered and never logged. Hosts here need none: a host that is this machine is always open,
a stand-in is open to whoever registered a credential of the right kind, as the real host would be.

A credential belongs to the Tapis user where the system's effective user is dynamic, else to the login user.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    case,
    delete,
    exists,
    insert,
    select,
)

from weft.errors import WeftError
from weft.service.access import one_of
from weft.service.accounts import write_secret
from weft.service.database import REMEMBERED, metadata
from weft.service.systems.attributes import CALLER
from weft.service.systems.model import AuthnMethod, Credential, System

credentials = Table(
    "credentials",
    metadata,
    Column("tenant", String(64), nullable=False),
    Column("system", String(80), nullable=False),
    Column("target", String(64), nullable=False),
    Column("dynamic", Boolean, nullable=False),
    Column("login_user", String(64), nullable=True),
    Column("methods", String(120), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("created", String(32), nullable=False),
    PrimaryKeyConstraint("tenant", "system", "target", "dynamic"),
    info=REMEMBERED,
)

_PARTS: tuple[tuple[AuthnMethod, tuple[str, ...]], ...] = (
    ("PASSWORD", ("password",)),
    ("PKI_KEYS", ("public_key", "private_key")),
    ("ACCESS_KEY", ("access_key", "access_secret")),
    ("TOKEN", ("access_token",)),
    ("CERT", ("certificate",)),
)


class Seal:
    """Encrypts and opens what must stay secret; the key is made when it is first needed.

    Raises:
        WeftError: There is a key already, and it is damaged.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._turn = threading.Lock()
        self._box: Fernet | None = None
        try:
            if file.exists():
                self._key()
        except ValueError as error:
            raise WeftError(
                f"the key of the credentials cannot be read: {error}",
                where=str(file),
                hint="put a copy of it back; or remove it, and give the credentials again",
            ) from error

    def close(self, secret: bytes) -> str:
        return self._key().encrypt(secret).decode()

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None when it was with another key."""
        try:
            return self._key().decrypt(sealed.encode())
        except InvalidToken:
            return None

    def _key(self) -> Fernet:
        with self._turn:
            if self._box is None:
                if not self.file.exists():
                    write_secret(self.file, Fernet.generate_key())
                self._box = Fernet(self.file.read_bytes())
            return self._box


def complaints(credential: Credential) -> list[str]:
    """What is wrong with a credential, each with the path of the attribute."""
    found = []
    for _, parts in _PARTS:
        given = [part for part in parts if getattr(credential, part)]
        if given and len(given) < len(parts):
            missing = next(part for part in parts if part not in given)
            found.append(f"{_wire(missing)}: is needed beside {_wire(given[0])}")
    if credential.private_key and "OPENSSH PRIVATE KEY" in credential.private_key:
        found.append(
            "privateKey: holds OPENSSH and cannot be used; make it with ssh-keygen -t rsa -b 4096 -m PEM"
        )
    return found


def methods(credential: Credential, *, tms: bool = False) -> Sequence[AuthnMethod]:
    """The ways to log in that a credential serves."""
    found = [method for method, parts in _PARTS if all(getattr(credential, part) for part in parts)]
    return [*found, "TMS_KEYS"] if tms else found


class Held(msgspec.Struct, frozen=True):
    """What may be told of a credential."""

    login_user: str | None
    methods: Sequence[str]


class Credentials:
    """The credentials of all systems."""

    def __init__(self, folder: Path) -> None:
        self._seal = Seal(folder / "credentials.key")

    def keep(
        self,
        connection: Connection,
        system: System,
        target: str,
        credential: Credential,
        created: str,
        *,
        tms: bool = False,
    ) -> None:
        """Store a credential in the place of an older one; with ``tms`` keys of a Trust Manager belong to it."""
        self.remove(connection, system, target)
        connection.execute(
            insert(credentials).values(
                tenant=system.tenant,
                system=system.id,
                target=target,
                dynamic=system.is_dynamic,
                login_user=credential.login_user,
                methods=",".join(methods(credential, tms=tms)),
                sealed=self._seal.close(msgspec.json.encode(credential)),
                created=created,
            )
        )

    def remove(self, connection: Connection, system: System, target: str) -> bool:
        """Forget a credential; was there one?"""
        return connection.execute(delete(credentials).where(_of(system, target))).rowcount > 0

    def serves(self, connection: Connection, system: System, target: str, method: str) -> bool | None:
        """Is there a credential that can be used for this way to log in? None when there is no such one."""
        row = connection.execute(select(credentials).where(_of(system, target))).first()
        if row is None or method not in row.methods.split(","):
            return None
        return self._seal.open(row.sealed) is not None

    def told(self, connection: Connection, system: System, target: str) -> Held | None:
        """What may be told of one credential."""
        row = connection.execute(select(credentials).where(_of(system, target))).first()
        return None if row is None else Held(row.login_user, row.methods.split(","))

    def held(self, connection: Connection, systems: Sequence[System], user: str) -> dict[str, Held]:
        """What is registered for each of several systems for when `user` asks; by one query."""
        wanted = {(each.id, each.is_dynamic, each.effective_user(user)) for each in systems}
        table = credentials.c
        rows = connection.execute(
            select(table.system, table.dynamic, table.target, table.login_user, table.methods).where(
                table.tenant.in_({each.tenant for each in systems}),
                one_of(table.target, {target for _, _, target in wanted}),
            )
        )
        return {
            row.system: Held(row.login_user, row.methods.split(","))
            for row in rows
            if (row.system, row.dynamic, row.target) in wanted
        }

    def login_user(self, connection: Connection, system: System, user: str) -> str:
        """The user on the host when `user` asks."""
        if not system.is_dynamic:
            return system.effective_user_id
        mapped = connection.execute(select(credentials.c.login_user).where(_of(system, user))).scalar()
        return mapped or user


def registered(systems: Table, user: str) -> ColumnElement[bool]:
    """The condition for systems of a query for which the user has a credential of the default kind."""
    target = case((systems.c.effective_user_id == CALLER, user), else_=systems.c.effective_user_id)
    return exists().where(
        and_(
            credentials.c.tenant == systems.c.tenant,
            credentials.c.system == systems.c.id,
            credentials.c.target == target,
            credentials.c.dynamic == (systems.c.effective_user_id == CALLER),
            credentials.c.methods.contains(systems.c.default_authn_method),
        )
    )


def _of(system: System, target: str) -> ColumnElement[bool]:
    table = credentials.c
    return and_(
        table.tenant == system.tenant,
        table.system == system.id,
        table.target == target,
        table.dynamic == system.is_dynamic,
    )


def _wire(part: str) -> str:
    head, *rest = part.split("_")
    return head + "".join(word.capitalize() for word in rest)
