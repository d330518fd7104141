"""Every problem a user can meet: one sentence, where it is, what to do, and the exit code.

Only ``cli/main.py`` prints these and turns them into an exit status; everything else raises them.
"""

from __future__ import annotations

from collections.abc import Sequence


class Exit:
    """The exit codes of the command line; the same numbers for ever, since scripts depend on them."""

    DONE = 0
    PROBLEM = 1
    USAGE = 2
    FAILED_CASES = 3
    NEEDS_DECISION = 4
    CHECK_FAILED = 5
    HELD = 6
    STILL_RUNNING = 7
    NO_STUDY = 10
    LOCKED = 11
    NOT_LOGGED_IN = 12
    INTERRUPTED = 130


class WeftError(Exception):
    """A problem told to the user: what happened, where, and what to do next."""

    exit_code = Exit.PROBLEM

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  hint: {self.hint}" if self.hint else head


class StudyFileError(WeftError):
    """One or more complaints about a study file or a file that it names; all are told at once."""

    exit_code = Exit.USAGE

    def __init__(self, complaints: Sequence[WeftError]) -> None:
        super().__init__(f"{len(complaints)} complaints" if len(complaints) > 1 else complaints[0].what)
        self.complaints = tuple(complaints)

    def __str__(self) -> str:
        return "\n".join(str(complaint) for complaint in self.complaints)


class UsageError(WeftError):
    """The command line, or a call of the library, asks for something that makes no sense."""

    exit_code = Exit.USAGE


class NeedsDecision(WeftError):
    """The user must choose, and there is no terminal to ask on."""

    exit_code = Exit.NEEDS_DECISION


class NoStudyHere(WeftError):
    """There is no study file, or no record of a study, where the command looked."""

    exit_code = Exit.NO_STUDY


class StudyLocked(WeftError):
    """Another process holds the study's lease."""

    exit_code = Exit.LOCKED


class FolderError(WeftError):
    """The study's folder cannot be read or written: damaged, from a newer weft, disk full, no permission."""


class NotLoggedIn(WeftError):
    """There is no login that the service accepts; what runs there goes on, and is taken up after `weft login`."""

    exit_code = Exit.NOT_LOGGED_IN


class CheckFailed(WeftError):
    """What a job needs is not there or may not be used, seen before anything was sent."""

    exit_code = Exit.CHECK_FAILED


class BackendError(WeftError):
    """A backend could not answer; nothing can be concluded from that about any job."""


class AnswerLost(BackendError):
    """A submission left here and no answer came back: the job may or may not exist."""
