"""The processes of this machine: which one is meant, is it alive, what did it start.

A pid alone names nothing, since pids are used again: a process is its pid *and* its start time, on one boot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_PROC = Path("/proc")


class Process(Struct, frozen=True):
    """One process: ``started`` is its start time in the system's own words, comparable only for equality."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this pid now; None if there is none or it is only waiting to be reaped."""
        started = _started(pid)
        return cls(pid, started) if started else None

    @property
    def alive(self) -> bool:
        return bool(self.started) and _started(self.pid) == self.started

    @property
    def of_this_boot(self) -> bool:
        return self.started.endswith(f"-{_boot()}")

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> Process:
        """The inverse of ``str``."""
        pid, _, started = text.partition(":")
        return cls(int(pid), started)


def machine() -> str:
    """The machine, boot and pid namespace that this process sees: where these agree, pids mean the same."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return " ".join((socket.gethostname(), _boot(), namespace))


def _started(pid: int) -> str:
    """Start time of a live process; empty if there is none (a zombie is none)."""
    if not _PROC.is_dir():
        return _started_by_ps(pid)
    fields = _stat(pid)
    return "" if not fields or fields[0] in "ZX" else f"{fields[19]}-{_boot()}"


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (the name before it may hold spaces and parentheses)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text[text.rfind(")") + 2 :].split()


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""


def _started_by_ps(pid: int) -> str:
    """The same without /proc (macOS)."""
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return "" if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip().replace(" ", "-")


def members(session: int, marker: str) -> list[int]:
    """Live processes of this session, or carrying ``marker`` (``NAME=value``) in their first environment.

    The marker finds those that left the session; it costs a walk over all processes. Empty without /proc.
    """
    return [pid for pid in _pids() if _belongs(pid, session, marker.encode())]


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        for entry in os.scandir(_PROC):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                yield int(entry.name)


def _belongs(pid: int, session: int, marker: bytes) -> bool:
    fields = _stat(pid)
    if not fields or fields[0] in "ZX":
        return False
    if session and int(fields[3]) == session:
        return True
    try:
        return marker in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have gone meanwhile."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
