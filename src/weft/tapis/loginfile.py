"""Logins as they lie on disk: ``logins/<host>.json`` in weft's home, for nobody's eyes but the user's."""

from __future__ import annotations

import math
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from weft.errors import FolderError, NotLoggedIn
from weft.home import home

STALE = 100.0
"""Seconds after which whoever was renewing a login counts as dead; longer than one request can take."""


class Login(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One user at one Tapis service, with the tokens that prove it. Times are in seconds since the epoch."""

    base_url: str
    tenant: str
    user: str
    access_token: str
    expires_at: float
    life: float
    """Seconds that the access token was good for when it was new."""
    made_at: float
    """When the user logged in."""
    refresh_token: str = ""
    client_id: str = ""
    client_key: str = ""
    refused: str = ""
    """What the service said when it would not renew the tokens; empty while it does."""

    @property
    def lasts_until(self) -> float:
        """When the user has to log in again, in seconds since the epoch; infinite while it can be renewed."""
        return math.inf if self.refresh_token and not self.refused else self.expires_at

    def __repr__(self) -> str:
        return f"Login({self.user!r} at {self.base_url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("user", self.user), ("base_url", self.base_url)]


def path_of(base_url: str) -> Path:
    return _folder() / (re.sub(r"[^a-z0-9.-]", "_", urlsplit(base_url).netloc.lower()) + ".json")


def paths() -> list[Path]:
    return sorted(_folder().glob("*.json"))


def read(path: Path) -> Login:
    """The login in a file.

    Raises:
        NotLoggedIn: It is not there, damaged, or within reach of other users.
    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            return msgspec.json.decode(file.read(), type=Login)
    except FileNotFoundError:
        raise NotLoggedIn("there is no such login any more", where=str(path), hint="`weft login`") from None
    except OSError as error:
        raise NotLoggedIn(f"the login cannot be read: {error.strerror}", where=str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        hint = "`weft login` makes it anew"
        raise NotLoggedIn("the file of the login is damaged", where=str(path), hint=hint) from None


def _check_private(path: Path, facts: os.stat_result) -> None:
    """Refuse what others can read: mending the mode would hide that the tokens may be known by now."""
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NotLoggedIn(
            "other users of this machine can read the login, and may have done so",
            where=str(path),
            hint="`weft login` gets new tokens; `chmod 600` on it if you know that nobody looked",
        )
    if path.parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotLoggedIn(
            "other users of this machine can put logins of theirs here",
            where=str(path.parent),
            hint="`chmod 700` on it, then `weft login`",
        )


def write(login: Login) -> None:
    """Put a login on disk, whole or not at all."""
    path = path_of(login.base_url)
    aside = path.with_name(f".{_me()}.new")
    try:
        _make_folder(path.parent)
        aside.unlink(missing_ok=True)  # of a process of the same number that was killed
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(login))
            file.flush()
            os.fsync(file.fileno())
            private = not os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if not private:
            raise FolderError(
                "this file system lets every user read every file: no place for a login",
                where=str(path.parent),
                hint="set WEFT_HOME to a folder on another one",
            )
        aside.replace(path)
    except OSError as error:
        raise FolderError(f"the login cannot be saved: {error.strerror}", where=str(path)) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FolderError(f"the login cannot be removed: {error.strerror}", where=str(path)) from error


@contextmanager
def renewing(path: Path, patience: float) -> Iterator[bool]:
    """Try to be the one process that renews a login; yields whether it is this one.

    A file beside it, linked to its name, which must be free: neither ``flock`` nor ``fcntl`` locks work on every
    network file system that homes lie on. Whoever finds it stale and removes it may, once in a blue moon, remove
    that of another who did the same: then two ask for new tokens, one is refused, and finds what the other has saved.
    """
    lock = path.with_suffix(".lock")
    until = time.monotonic() + patience
    while not (ours := _take(lock)) and time.monotonic() < until:
        time.sleep(0.05)
    try:
        yield ours
    finally:
        with suppress(OSError):
            if ours and lock.read_text() == _me():
                lock.unlink()


def _take(lock: Path) -> bool:
    aside = lock.with_name(f".{_me()}.lock")
    try:
        aside.write_text(_me())
        try:
            os.link(aside, lock)
            return True
        except FileExistsError:
            with suppress(FileNotFoundError):  # both times by the file server's clock
                if aside.stat().st_mtime - lock.stat().st_mtime > STALE:
                    lock.unlink()
            return False
        finally:
            aside.unlink()
    except OSError as error:
        what = f"the login cannot be renewed here: {error.strerror}"
        raise FolderError(what, where=str(lock.parent)) from error


def _me() -> str:
    return f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"


def _folder() -> Path:
    return home() / "logins"


def _make_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
