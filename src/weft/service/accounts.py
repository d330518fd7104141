"""The users: a file in the state folder, with salted scrypt hashes of their passwords.

``weft serve user add`` writes the file while a service may be running, so it is read again whenever it has changed.
The parameters of scrypt are among those that OWASP advises (N = 2^15, r = 8, p = 3: 32 MiB and about a third of a
second), written beside each hash so that they can grow.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
import threading
from pathlib import Path

import msgspec
from msgspec import Struct

from weft.errors import UsageError, WeftError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COST = (2**15, 8, 3)
_MEMORY = 64 * 2**20
_AT_ONCE = threading.Semaphore(2)
"""Logins checked at the same time: each takes 32 MiB while it lasts."""


class User(Struct, frozen=True):
    """What is kept of a user; ``password`` is the hash with its salt and parameters. The first is ``admin``."""

    password: str
    name: str = ""
    email: str = ""
    admin: bool = False


class Accounts:
    """The users of one service."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._users: dict[str, User] = {}
        self._seen: tuple[int, int] | None = None

    def names(self) -> list[str]:
        return sorted(self._read())

    def first(self) -> str | None:
        """The user who was there before all others."""
        return next((name for name, user in self._read().items() if user.admin), None)

    def find(self, name: str) -> User | None:
        return self._read().get(name)

    def is_admin(self, name: str) -> bool:
        """May this user do what concerns the whole service?"""
        user = self.find(name)
        return user is not None and user.admin

    def add(self, name: str, password: str, *, full_name: str = "", email: str = "") -> None:
        """Add a user, or give one a new password.

        Raises:
            UsageError: The name cannot be a user's, or the password is too short.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a user",
                hint="letters, digits, dots, dashes and underscores, at most 64, beginning with a letter or digit",
            )
        if len(password) < 8:
            raise UsageError("the password is too short", hint="take at least 8 characters")
        users = self._read()
        admin = users[name].admin if name in users else not users
        self._write({**users, name: User(_hashed(password), full_name, email, admin)})

    def admits(self, name: str, password: str) -> bool:
        """Whether this is the user's password; takes as long for names that do not exist."""
        user = self._read().get(name)
        return _matches(user.password if user else _NOBODY, password) and user is not None

    def _read(self) -> dict[str, User]:
        try:
            facts = self.file.stat()
            if self._seen != (facts.st_mtime_ns, facts.st_ino):
                self._users = msgspec.json.decode(self.file.read_bytes(), type=dict[str, User])
                self._seen = (facts.st_mtime_ns, facts.st_ino)
        except FileNotFoundError:
            self._users = {}
        except msgspec.MsgspecError as error:
            raise WeftError(
                f"the file of users is damaged: {error}",
                where=str(self.file),
                hint="mend it, or remove it and add the users again with `weft serve user add`",
            ) from error
        return self._users

    def _write(self, users: dict[str, User]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_secret(self.file, msgspec.json.format(msgspec.json.encode(users)))
        self._seen = None


def write_secret(file: Path, content: bytes) -> None:
    """Put a file in place as a whole, readable by its owner only."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    with os.fdopen(number, "wb") as stream:
        stream.write(content)
    Path(name).replace(file)


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(16)
    cost, block, parallel = _COST
    return f"scrypt${cost}${block}${parallel}${salt.hex()}${_derived(password, salt, _COST).hex()}"


def _matches(stored: str, password: str) -> bool:
    kind, cost, block, parallel, salt, key = stored.split("$")
    derived = _derived(password, bytes.fromhex(salt), (int(cost), int(block), int(parallel)))
    return kind == "scrypt" and hmac.compare_digest(derived, bytes.fromhex(key))


def _derived(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    with _AT_ONCE:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32
        )


_NOBODY = f"scrypt${_COST[0]}${_COST[1]}${_COST[2]}${'00' * 16}${'00' * 32}"
