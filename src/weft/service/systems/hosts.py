"""What a system's host is here: this machine itself, or a stand-in for a machine that is elsewhere.

Everything about hosts lives here. Loopback names and this machine's own name mean this machine: its files are the real
ones. Any other host is a stand-in: its file system is a folder of the service, and `$HOME`, `$WORK` and `$SCRATCH`
lie in it where a large centre has them. A stand-in's paths exist in two views: the host's (``/scratch/00000/ann``),
which users see and write in definitions, and the real one below ``Host.folder()``, which processes need.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from msgspec import Struct

_LOOPBACK = frozenset({"localhost", "localhost.localdomain", "127.0.0.1", "::1"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
_HOST = re.compile(r"[a-z0-9][a-z0-9._:-]*")
_OF_A_LOGIN = (
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "TMPDIR",
    "LANG",
    "TZ",
    "WORK",
    "SCRATCH",
    "STOCKYARD",
)
"""What is told of this machine's environment: the service's own may hold secrets, so nothing else is."""
_FOLDERS = {"HOME": "/home/{user}", "WORK": "/work/00000/{user}", "SCRATCH": "/scratch/00000/{user}"}
_PLACES = {**_FOLDERS, "STOCKYARD": "/work/00000/{user}"}


class Host(Struct, frozen=True):
    """The host of a system, by name; ``hosts`` is where stand-ins have their file systems."""

    name: str
    hosts: Path

    @classmethod
    def of(cls, name: str, state: Path) -> Host:
        """The host of that name, with the service's state folder.

        Raises:
            ValueError: The name cannot be one of a host.
        """
        lower = name.lower()
        if not _HOST.fullmatch(lower):
            raise ValueError(f"{name!r} is no name of a host")
        return cls(lower, state / "hosts")

    @property
    def stand_in(self) -> bool:
        """Is the host not this machine?"""
        return self.name not in _LOOPBACK and self.name != socket.gethostname().lower()

    def folder(self) -> Path:
        """What ``/`` of the host really is."""
        return self.hosts / self.name if self.stand_in else Path("/")

    def evaluate(self, variable: str, user: str) -> str | None:
        """The value of an environment variable as `user` would see it on the host; None where it is not set."""
        if not _VARIABLE.fullmatch(variable):
            return None
        if not self.stand_in:
            return self._of_this_machine().get(variable)
        if variable in ("USER", "LOGNAME"):
            return user
        return _PLACES[variable].format(user=_checked(user)) if variable in _PLACES else None

    def environment(self, user: str) -> dict[str, str]:
        """The variables for processes of `user` on the host, with real paths; a stand-in's folders are made."""
        environment = self._of_this_machine()
        if not self.stand_in:
            return environment
        for variable, place in _PLACES.items():
            path = self.folder() / place.format(user=_checked(user)).lstrip("/")
            path.mkdir(parents=True, exist_ok=True)
            environment[variable] = str(path)
        return {**environment, "USER": user, "LOGNAME": user}

    @staticmethod
    def _of_this_machine() -> dict[str, str]:
        return {name: os.environ[name] for name in _OF_A_LOGIN if name in os.environ}


def _checked(user: str) -> str:
    """The name, fit to be the name of a folder."""
    if not _USER.fullmatch(user):
        raise ValueError(f"{user!r} is no name of a user on a host")
    return user
