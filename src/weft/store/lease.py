"""The lease: at most one process writes a study's journal.

A file created exclusively, naming host, process and start time, with its modification time as the heartbeat.
``flock`` is not used, since it does nothing on some NFS and Lustre mounts. On the same machine a holder is dead when
its process is; on another one, when its heartbeat is older than ``STALE`` by the file server's own clock.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import msgspec

from weft.errors import StudyLocked
from weft.schedulers.processes import Process, machine
from weft.store.folder import disk_problem

STALE = 120.0
"""Seconds without a heartbeat after which a holder on another host counts as dead."""
BEAT = 10.0
"""Seconds between heartbeats."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds the lease."""

    host: str
    pid: int
    started: str
    machine: str = ""
    """As ``processes.machine`` tells it; host names alone are not unique (pods, containers)."""


class Lease:
    """Held from ``take`` to ``release``; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        me = Process.of(os.getpid())
        self._me = Holder(socket.gethostname(), os.getpid(), me.started if me else "", machine())
        self._beat_at = 0.0
        self.lost = False
        self._over = threading.Event()

    def __enter__(self) -> Lease:
        self.take()
        self._over.clear()
        threading.Thread(target=self._keep, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.release()

    def _keep(self) -> None:
        """Show that we live also while one thing takes long, such as the transfer of a large file."""
        while not self._over.wait(BEAT) and _read(self.path) == self._me:
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def take(self) -> None:
        """Become the writer; StudyLocked if a live process is."""
        for _ in range(3):
            if self._create(self.path):
                self._beat_at = time.time()
                return
            holder = held_by(self.path)
            if holder is not None:
                raise StudyLocked(
                    f"the study is being run by process {holder.pid} on {holder.host}",
                    where=str(self.path.parent),
                    hint="`weft status` shows how it stands; `weft cancel` stops it",
                )
            self._clear_stale()
        raise StudyLocked("another process took the study up just now", where=str(self.path.parent))

    def _create(self, path: Path) -> bool:
        """Create the file whole or not at all: written aside, then linked to its name, which must be free."""
        aside = self.path.with_name(f"{self.path.name}.{self._me.host}.{self._me.pid}")
        try:
            aside.write_bytes(msgspec.json.encode(self._me))
            try:
                os.link(aside, path)
            finally:
                aside.unlink()
        except FileExistsError:
            return False
        except OSError as error:
            raise disk_problem(error, path) from error
        return True

    def _clear_stale(self) -> None:
        """Remove a dead holder's file; one process at a time, since the next holder's could be taken for it."""
        clearing = self.path.with_name(f"{self.path.name}.clearing")
        if not self._create(clearing):
            if _age(clearing) >= STALE:  # whoever cleared died at it
                clearing.unlink(missing_ok=True)
            return
        try:
            # Only who clears may remove a dead holder's file, so what is read here is what is removed.
            if _is_dead(self.path):
                self.path.unlink()
        finally:
            clearing.unlink(missing_ok=True)

    def beat(self) -> None:
        """Show that we live, every ``BEAT`` seconds; StudyLocked if the lease is ours no longer."""
        if not self.lost and abs(time.time() - self._beat_at) < BEAT:
            return
        self.lost = self.lost or _read(self.path) != self._me
        if self.lost:
            raise StudyLocked("another process took the study over", where=str(self.path.parent))
        with contextlib.suppress(OSError):  # a heartbeat missed is no loss yet
            os.utime(self.path)
        self._beat_at = time.time()

    def release(self) -> None:
        """Let go; harmless when it is not ours."""
        if _read(self.path) == self._me:
            with contextlib.suppress(OSError):
                self.path.unlink()


def held_by(path: Path) -> Holder | None:
    """The live holder of a lease file, if any."""
    holder = _read(path)
    return holder if holder is not None and _lives(holder, path) else None


def _lives(holder: Holder, path: Path) -> bool:
    if holder.machine == machine():
        return Process(holder.pid, holder.started).alive
    return _age(path) < STALE


def _is_dead(path: Path) -> bool:
    """Is there a lease file, and no live process behind it (also where it is damaged)?"""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    try:
        holder = msgspec.json.decode(data, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return not _lives(holder, path)


def _read(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _age(path: Path) -> float:
    """Seconds since the heartbeat, both times by the file server's clock."""
    probe = path.with_name(f"{path.name}.now.{os.getpid()}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now - path.stat().st_mtime
    except OSError:
        return 0.0
