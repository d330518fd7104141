"""Jobs on this machine: each is a runner in a session of its own, so it outlives the controller.

A job is found again by its ``runner.pid`` (pid *and* start time), or, before that is written, by the job's mark in
the environment of a process. It is over only when neither the runner nor anything that it started lives.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weft.backends.base import Brought, Collected, Packed, Refused, Seen
from weft.core.events import Allotment
from weft.core.packing import slots_within
from weft.core.records import parse
from weft.errors import BackendError, WeftError
from weft.model import Limits, Node, Outcome, Phase, Resources, SharedInput, Value
from weft.schedulers.processes import Process, members, send
from weft.store.folder import StudyFolder

_TERMINATED = {143, -15, -9, 137}
"""Exit codes of a runner that something else put an end to."""


_PATIENCE = 6
"""Requests to stop that a runner is sent before it is killed: it may be hung, or packing for long."""


class _PidFile(msgspec.Struct):
    pid: int
    start_ticks: int | None = None
    boot_id: str | None = None
    host: str = ""


_ANY_NEEDS = Resources()


class LocalBackend:
    """Runs jobs as processes of this machine."""

    name = "local"
    doubt = ""
    node = Node()
    notes: tuple[str, ...] = ()

    def __init__(
        self, folder: StudyFolder, settings: Mapping[str, Value], needs: Resources = _ANY_NEEDS
    ) -> None:
        self._folder = folder
        self._exit_codes: dict[str, int] = {}
        self._asked_to_stop: dict[str, int] = {}
        memory = settings.get("memory_mb")
        self.limits = Limits(
            max_jobs=1,
            max_cases=10_000,
            slots=slots_within(
                needs, *(_int(settings.get(name)) for name in ("slots", "cores", "memory_mb"))
            ),
            memory_mb=_int(memory) or _physical_memory_mb(),
            settle=5.0,
        )

    @property
    def given(self) -> Allotment:
        return Allotment(
            system=socket.gethostname(),
            cores=len(os.sched_getaffinity(0)),
            memory_mb=_physical_memory_mb() or 0,
        )

    def prepare(self) -> None:
        """This machine is always there."""

    def share(self, inputs: Sequence[SharedInput]) -> dict[str, dict[str, Any]]:
        return {
            one.name: {"path": one.source, "files": [[rel, size] for rel, size, _ in one.files]}
            for one in inputs
        }

    def preview(self, jobs: Sequence[Packed]) -> list[dict[str, Any]]:
        return [{"argv": _argv(packed)} for packed in jobs]

    def submit(self, jobs: Sequence[Packed]) -> dict[str, str | Refused]:
        return {job.job: self._start(job) for job in jobs}

    def _start(self, packed: Packed) -> str | Refused:
        log = str(self._folder.runner_log(packed.job))
        try:
            pid = os.posix_spawn(
                sys.executable,
                _argv(packed),
                _environment(packed.job),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            return Refused(f"cannot start a process: {error.strerror}")
        return str(Process.of(pid) or Process(pid, "gone"))

    def find(self, jobs: Sequence[str]) -> dict[str, str]:
        found = {}
        for job in jobs:
            process = self._recorded(job)
            if process is None:
                marked = members(0, _mark(job))
                process = Process.of(marked[0]) if marked else None
            if process is not None:
                found[job] = str(process)
        return found

    def _recorded(self, job: str) -> Process | None:
        """The process that the runner itself wrote down; it may be dead."""
        try:
            noted = msgspec.json.decode(self._folder.runner_pid(job).read_bytes(), type=_PidFile)
        except (OSError, msgspec.DecodeError):
            return None
        if noted.host and noted.host != socket.gethostname() and not self._said_its_end(job):
            raise WeftError(
                f"job {job} was started on {noted.host}, and from here nobody can tell whether it still runs",
                where=str(self._folder.root),
                hint=f"go on with `weft run` on {noted.host}, or stop it there with `weft cancel`",
            )
        return Process(noted.pid, f"{noted.start_ticks}-{(noted.boot_id or '')[:8]}")

    def _said_its_end(self, job: str) -> bool:
        with contextlib.suppress(OSError), self._folder.records(job).open("rb") as file:
            return any(record.t == "end" for record in parse(file.read())[0])
        return False

    def look(self, natives: Mapping[str, str]) -> dict[str, Seen]:
        return {job: self._stand(job, native) for job, native in natives.items()}

    def _stand(self, job: str, native: str) -> Seen:
        process = self._recorded(job) or Process.parse(native)
        if process.alive:
            return Seen(phase=Phase.RUNNING, word="running")
        if _left_behind(process, job):
            return Seen(phase=Phase.RUNNING, word="runner died, its processes live", orphaned=True)
        self._reap(Process.parse(native).pid, job)
        self._sweep(job)
        return _ended(self._exit_codes.get(job))

    def _reap(self, pid: int, job: str) -> None:
        """Take note of the exit code of a runner that this process started."""
        with contextlib.suppress(ChildProcessError):
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                self._exit_codes[job] = os.waitstatus_to_exitcode(status)

    def _sweep(self, job: str) -> None:
        """Remove the work directory that a killed runner left (one that ended by itself left none)."""
        with contextlib.suppress(OSError), self._folder.records(job).open("rb") as file:
            for record in parse(file.read(65536))[0]:
                if record.t == "runner" and self._is_work_of(job, Path(record.work)):
                    shutil.rmtree(record.work, ignore_errors=True)

    def _is_work_of(self, job: str, work: Path) -> bool:
        """Is this a directory that a runner of ours made for this job? (A record alone is no licence to delete.)"""
        named = work.name.startswith(f"weft-{job}") or work == self._folder.job(job) / "work"
        return named and work.is_dir() and not work.is_symlink() and work.stat().st_uid == os.getuid()

    def collect(self, job: str, native: str, offset: int) -> Collected:
        try:
            with self._folder.records(job).open("rb") as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return Collected(records=[], offset=offset)
        except OSError as error:
            raise BackendError(f"cannot read the records of job {job}: {error.strerror}") from error
        records, taken = parse(data)
        return Collected(records=records, offset=offset + taken)

    def bring(self, job: str, native: str) -> Brought:
        return Brought()  # the runner has put them into the folder

    def cancel(self, natives: Mapping[str, str]) -> None:
        for job, native in natives.items():
            process = self._recorded(job) or Process.parse(native)
            self._asked_to_stop[job] = self._asked_to_stop.get(job, 0) + 1
            if process.alive and self._asked_to_stop[job] <= _PATIENCE:
                send(process.pid, signal.SIGTERM)
                continue
            if process.alive:
                send(process.pid, signal.SIGKILL)
            for pid in _left_behind(process, job):
                send(pid, signal.SIGKILL)


def _argv(packed: Packed) -> list[str]:
    return [sys.executable, f"{packed.folder}/runner.py", str(packed.folder)]


def _left_behind(runner: Process, job: str) -> list[int]:
    """What a dead runner's session still holds, and whatever else carries the job's mark."""
    # A session's id is not given to a new process while the session has members: if it was, ours is empty. Of an
    # earlier boot nothing is left, and its numbers mean others now.
    ours = Process.of(runner.pid) is None and runner.of_this_boot
    return members(runner.pid if ours else 0, _mark(job))


def _mark(job: str) -> str:
    return f"WEFT_JOB={job}"


def _environment(job: str) -> dict[str, str]:
    """The user's environment, with this interpreter's programs first: ``python3`` means the one that runs weft."""
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{path}", "WEFT_JOB": job}


def _ended(exit_code: int | None) -> Seen:
    if exit_code is None or exit_code in _TERMINATED:
        return Seen(phase=Phase.RUNNING, outcome=Outcome.INTERRUPTED, word="gone", why="its runner was ended")
    outcome = Outcome.FINISHED if exit_code == 0 else Outcome.FAILED
    why = "" if exit_code == 0 else f"its runner ended with exit code {exit_code}"
    return Seen(phase=Phase.RUNNING, outcome=outcome, word=f"exit {exit_code}", why=why)


def _int(value: Value) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _physical_memory_mb() -> int | None:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return None
