"""The processes of jobs: who tells when one has ended, and how all that belong to a job are found and signalled.

One thread waits for all of them at once. The kernel tells the end of any process, child or not, through a descriptor of
it. A process that was started by an earlier run of the service is watched in the same way, once its start time shows
that it is the one that is meant. Our own children are also taken off the kernel's hands. Where the kernel has no such
descriptors nothing is told, and whoever waits has to look from time to time, as he should anyway.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable

from weft.schedulers.processes import Process, send

_REAPING = 0.5
"""Seconds between looks at children that cannot be watched."""
_SWEEPS = 5


class Watch:
    """Waits for processes, each under the name of its job; ``ended`` is called with it, from the thread."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._codes: dict[int, int] = {}
        self._names: dict[int, tuple[str, int]] = {}
        self._watched: set[str] = set()
        self._poll = select.epoll()
        self._wake, self._waker = os.pipe()
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="weft-processes", daemon=True)
        self._stopping = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; the processes go on."""
        self._stopping = True
        os.write(self._waker, b".")
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            for descriptor in self._names:
                os.close(descriptor)
            self._names.clear()
            for child in self._children.values():
                child.returncode = child.poll() or 0  # ours no longer: whoever looks next finds it by its pid
            self._children.clear()
        self._poll.close()
        os.close(self._wake)
        os.close(self._waker)

    def child(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """Watch a child of ours."""
        with self._lock:
            self._children[child.pid] = child
        self._open(name, child.pid)

    def other(self, name: str, process: Process) -> None:
        """Watch any process; one that is watched already is not watched twice, one that has ended is told of."""
        with self._lock:
            if name in self._watched:
                return
        if not self._open(name, process.pid, process):
            return
        if not process.alive:
            self._ended(name)

    def code(self, pid: int) -> int | None:
        """How a child of ours ended: its exit code, negative for a signal; None if it runs or is none of ours."""
        with self._lock:
            child = self._children.get(pid)
            return self._codes.get(pid) if child is None else child.poll()

    def forget(self, pid: int) -> None:
        with self._lock:
            self._codes.pop(pid, None)

    def _open(self, name: str, pid: int, process: Process | None = None) -> bool:
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):
            return process is not None
        if process is not None and not process.alive:  # the descriptor may be another process's
            os.close(descriptor)
            return True
        with self._lock:
            self._names[descriptor] = (name, pid)
            self._watched.add(name)
        self._poll.register(descriptor, select.EPOLLIN)
        return True

    def _run(self) -> None:
        while not self._stopping:
            for descriptor, _ in self._poll.poll(_REAPING):
                if descriptor != self._wake:
                    self._take(descriptor)
            self._reap()

    def _take(self, descriptor: int) -> None:
        with self._lock:
            name, pid = self._names.pop(descriptor)
            self._watched.discard(name)
            with contextlib.suppress(OSError):
                self._poll.unregister(descriptor)
            os.close(descriptor)
            self._reaped(pid)
        self._ended(name)

    def _reap(self) -> None:
        with self._lock:
            for pid in list(self._children):
                self._reaped(pid)

    def _reaped(self, pid: int) -> None:
        child = self._children.get(pid)
        if child is not None and child.poll() is not None:
            self._codes[pid] = child.returncode
            del self._children[pid]


def sweep(holder: Process, marker: str, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal all processes of a job: those of the session that ``holder`` leads or led, and those that left it.

    The latter are known by ``marker`` (``NAME=value``) in their first environment. SIGKILL goes to the holder and its
    child, the job's script, too, and again to what was forked meanwhile; any other signal spares these two, so that the
    script ends as its last command does. Each round is one walk over all processes, since nothing else finds those
    that have cut every tie; what is older than the holder is passed over quickly.
    """
    for _ in range(_SWEEPS if number == signal.SIGKILL else 1):
        # A session's number is not given away while it has members, but once it has none.
        known = Process.of(holder.pid)
        session = holder.pid if holder.of_this_boot and known in (None, holder) else 0
        born = int(holder.started.partition("-")[0]) if holder.of_this_boot else 0
        spared = 0 if number == signal.SIGKILL else holder.pid
        found = [pid for pid in _pids() if _belongs(pid, session, born, marker.encode(), spared)]
        for pid in found:
            send(pid, number)
        if not found:
            break


def _pids() -> list[int]:
    own = os.getpid()
    with os.scandir("/proc") as entries:
        return [pid for each in entries if each.name.isdigit() and (pid := int(each.name)) != own]


def _belongs(pid: int, session: int, born: int, marker: bytes, spared: int) -> bool:
    """Is this live process of that session, or does it carry the marker?

    ``born`` is the earliest start time; ``spared`` a process that does not count, nor do its children.
    """
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(b")") + 2 :].split(b" ", 20)
    if len(fields) < 20 or fields[0] in b"ZX" or int(fields[19]) < born:
        return False
    if spared and spared in (pid, int(fields[1])):
        return False
    if session and int(fields[3]) == session:
        return True
    return marker in _read(f"/proc/{pid}/environ").split(b"\0")


def _read(path: str) -> bytes:
    """A file of /proc; empty if its process is gone, or somebody else's."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = part = os.read(opened, 1 << 16)
        while len(part) == 1 << 16:
            part = os.read(opened, 1 << 16)
            data += part
        return data
    except OSError:
        return b""
    finally:
        os.close(opened)
