"""Slurm through its commands: text in, facts out. It reports, it decides nothing.

*Whom to ask.* The controller keeps ended jobs for a while (MinJobAge, five minutes unless a site says otherwise), and
``squeue --states=all`` shows them with their exit codes: one question for all jobs. Only what squeue does not know is
looked up in the accounts, by one ``sacct``. The accounts lag seconds behind the controller, so they never overrule it.
Where a site keeps no accounts there is nobody else to ask: ``scontrol show job`` reads what squeue reads.

*Silence is not evidence.* A job that nobody knows is missing from the answer: it is unseen, not ended. A command that
fails, or says nothing in time, raises BackendError: nothing can be concluded about any job. When only the accounts
fail, the jobs that the controller knows are told, and the others are UNKNOWN.

*Submitting.* ``sbatch`` says no (``Refused``), cannot reach the controller (BackendError: there is no job), or leaves
its answer open (``AnswerLost``: there may be one, ``find`` it by its comment). It is never repeated from here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from weft.errors import AnswerLost, BackendError
from weft.schedulers.slurmtext import (
    SACCT,
    SINFO,
    SQUEUE,
    STATES,
    Partition,
    Seen,
    State,
    answers,
    parse_comments,
    parse_sacct,
    parse_sbatch,
    parse_sinfo,
    parse_squeue,
)

__all__ = ["COMMANDS", "STATES", "Partition", "Refused", "Seen", "Slurm", "State"]

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
"""What must be there; ``sacct`` may be missing."""


class Refused(BackendError):
    """Slurm has said no to a submission: there is no job, and the same submission may never be accepted."""


_AT_ONCE = 5000  # ids in one question: the kernel takes 128 KiB in one argument
_COMMENT = re.compile(r"[ -~]{1,1000}")

# What sbatch says when the controller may have taken the job all the same …
_OPEN = re.compile(
    r"timed out|receive failure|Zero Bytes were transmitted|Unexpected message received|reset by peer", re.I
)
# … and when it certainly did not see it.
_UNREACHABLE = re.compile(
    r"Unable to contact|connection (failure|refused)|Unable to resolve|configuration (source|file)"
    r"|Munge encode failed|Protocol authentication error|temporarily (unable|unavailable)|in standby mode",
    re.I,
)
_NOT_THERE = re.compile(r"Invalid job id specified", re.I)
_GONE = re.compile(r"Invalid job id|already completing|already completed|already finished", re.I)
_NO_ACCOUNTS = re.compile(r"accounting storage is disabled", re.I)


class Slurm:
    """The Slurm that an environment points to: ``PATH`` says which commands, ``SLURM_CONF`` which cluster.

    Every command is given ``timeout`` seconds. All methods may be called from several threads.
    """

    def __init__(self, environment: Mapping[str, str], *, timeout: float = 60.0) -> None:
        self.environment = dict(environment)
        self.timeout = timeout

    def available(self) -> bool:
        """Are the commands there, and does the controller answer?"""
        if any(self._path(name) is None for name in COMMANDS):
            return False
        try:
            self.partitions()
        except BackendError:
            return False
        return True

    def partitions(self) -> tuple[Partition, ...]:
        """The partitions that this user may see."""
        return parse_sinfo(self._ask("sinfo", "--noheader", f"--format={SINFO}"))

    def submit(
        self, script: Path, cwd: Path, *, comment: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """Hand in a script to be run in ``cwd``; the job's id.

        ``environment`` is the job's (that of the commands, unless given), ``comment`` what ``find`` knows it by: up to
        1000 printable ASCII characters (ValueError), since that is what the accounts keep. Raises Refused, AnswerLost
        (there may be a job), or BackendError (there is none).
        """
        command = ["sbatch", "--parsable", f"--comment={_findable(comment)}", str(Path(script).absolute())]
        if not cwd.is_dir():
            raise BackendError("there is no such folder to run a job in", where=str(cwd))
        try:
            done = self._run(command, dict(environment or self.environment), cwd)
        except subprocess.TimeoutExpired:
            raise AnswerLost(f"sbatch said nothing for {self.timeout:g} s") from None
        if done.returncode:
            raise _no_job(done)
        if job := parse_sbatch(done.stdout):
            return job
        raise AnswerLost(f"sbatch ended well but named no job: {_short(done.stdout + done.stderr)}")

    def look(self, ids: Iterable[str]) -> dict[str, Seen]:
        """What is known about each of these jobs; the unseen are missing. Ids are ``12`` or, in arrays, ``12_3``.

        An element of an array that was cancelled alone before it began is unseen: Slurm keeps no record of it.
        """
        asked = _each_once(ids)
        found: dict[str, Seen] = {}
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            seen = answers(part, parse_squeue(self._squeue(part)))
            unseen = [job for job in part if job not in seen]
            found |= seen | self._accounts(unseen)
        return found

    def find(self, comment: str) -> str | None:
        """The job of this user that was submitted with this comment in the last week; None if there is none.

        Just after a lost answer, None may be too early: a controller under load creates the job later.
        """
        wanted = _findable(comment)
        user = f"--user={os.getuid()}"
        text = self._ask("squeue", "--noheader", "--states=all", user, "--format=%F|%k")
        if job := parse_comments(text).get(wanted):
            return job
        # Up to now would leave out what ended within this very second.
        window = ("--starttime=now-7days", "--endtime=now+1days")
        text = self._sacct(user, *window, "--format=JobID,Comment") or ""
        return parse_comments(text).get(wanted)

    def cancel(self, ids: Iterable[str]) -> None:
        """Ask for the end of these jobs; those that have ended, or never were, are no error."""
        asked = _each_once(ids)
        for start in range(0, len(asked), _AT_ONCE):
            done = self._answer("scancel", *asked[start : start + _AT_ONCE])
            told = [line for line in done.stderr.splitlines() if line.strip() and not _GONE.search(line)]
            if told or (done.returncode and not done.stderr):
                raise _failure(done)

    def _squeue(self, ids: Sequence[str]) -> str:
        widths = ",".join(f"{name}:{width}" for name, width in SQUEUE.items())
        question = ["squeue", "--noheader", "--states=all", "--array", f"--Format={widths}"]
        done = self._answer(*question, f"--jobs={','.join(ids)}")
        # Asked for a single job that it does not know, squeue fails; of several, it shows the others.
        if done.returncode and not _NOT_THERE.search(done.stderr):
            raise _failure(done)
        return done.stdout

    def _accounts(self, ids: Sequence[str]) -> dict[str, Seen]:
        """What the accounts know of these; all are UNKNOWN if the accounts do not answer."""
        if not ids:
            return {}
        try:
            text = self._sacct(f"--jobs={','.join(ids)}", f"--format={','.join(SACCT)}") or ""
        except BackendError as problem:
            return {job: Seen(job, State.UNKNOWN, "", reason=problem.what) for job in ids}
        return answers(ids, parse_sacct(text))

    def _sacct(self, *options: str) -> str | None:
        """What sacct prints; None where no accounts are kept."""
        if self._path("sacct") is None:
            return None
        done = self._answer("sacct", "--noheader", "--parsable2", "--allocations", *options)
        if _NO_ACCOUNTS.search(done.stderr):
            return None
        if done.returncode:
            raise _failure(done)
        return done.stdout

    def _ask(self, *command: str) -> str:
        done = self._answer(*command)
        if done.returncode:
            raise _failure(done)
        return done.stdout

    def _answer(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a question; what the user has set for his own eyes (formats, sorting, filters) does not count."""
        own = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(("SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_"))
        }
        # Times as seconds since the epoch; lists of array elements not cut off.
        own |= {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
        try:
            return self._run(command, own)
        except subprocess.TimeoutExpired:
            raise BackendError(f"{command[0]} said nothing for {self.timeout:g} s") from None

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        program = self._path(command[0])
        if program is None:
            raise BackendError(f"there is no {command[0]} here", hint="use weft on a login node of a cluster")
        try:
            return subprocess.run(
                [program, *command[1:]],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout,
                check=False,
            )
        except OSError as error:
            raise BackendError(f"{command[0]} could not be started: {error.strerror}") from None

    def _path(self, command: str) -> str | None:
        return shutil.which(command, path=self.environment.get("PATH", os.defpath))


def _each_once(ids: Iterable[str]) -> list[str]:
    """The ids without repetitions; ValueError for what is none, since some are written into a list of options."""
    asked = list(dict.fromkeys(ids))
    if strange := [job for job in asked if not re.fullmatch(r"[0-9]+(_[0-9]+)?", job)]:
        raise ValueError(f"no job ids of Slurm: {strange[:3]}")
    return asked


def _findable(comment: str) -> str:
    """The same comment; ValueError if Slurm would not keep it, or show it for jobs that have none."""
    if not _COMMENT.fullmatch(comment) or comment == "(null)":
        raise ValueError("a job's comment is 1 to 1000 printable ASCII characters")
    return comment


def _no_job(done: subprocess.CompletedProcess[str]) -> BackendError:
    """Which of the three it is when sbatch has failed."""
    if done.returncode < 0 or _OPEN.search(done.stderr):
        return AnswerLost(_failure(done).what)
    if _UNREACHABLE.search(done.stderr):
        return _failure(done)
    return Refused(f"Slurm refused the job: {_short(done.stderr or done.stdout)}")


def _failure(done: subprocess.CompletedProcess[str]) -> BackendError:
    name = Path(done.args[0]).name
    return BackendError(f"{name} failed (exit code {done.returncode}): {_short(done.stderr or done.stdout)}")


def _short(text: str) -> str:
    """What a command said, as one line."""
    return " ".join(text.split())[:2000] or "it said nothing"
