"""How jobs end: every condition of Tapis and every end state of Slurm, what it means, and what to do, as data. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from weft.core.findings.base import Remedy
from weft.core.findings.remedies import (
    AGAIN,
    ASK,
    CASE_MEMORY,
    CHECK,
    EXPLAIN,
    KEEP_LESS,
    MORE_TIME,
    PLAN,
    RETRY,
    SHARED,
    STAY,
)


class Whose(str, Enum):
    """Whose doing an ending is, in a sentence."""

    NOBODY = "It is a good end."
    YOURS = "It is the job's own doing: of the program, the request or the app."
    LIMIT = "A limit that the job was given ended it."
    WISH = "Somebody asked for it."
    SITE = "It is the site's doing: of Tapis, the scheduler, a node or the network."


class Ending(Struct, frozen=True):
    """One row of the table."""

    word: str
    means: str
    """One sentence."""
    whose: Whose
    remedies: tuple[Remedy, ...]
    short: str = ""
    """Slurm's compact word for the same."""


_FETCH = Remedy(say="Save what the job left in its folder on the execution system, before that is purged.")
_SYSTEM_UP = Remedy(say="See whether the system is up, and that Tapis can log in to it for you.")
_SITE, _YOURS, _LIMIT, _WISH, _NOBODY = Whose.SITE, Whose.YOURS, Whose.LIMIT, Whose.WISH, Whose.NOBODY

_TAPIS = (
    Ending("NORMAL_COMPLETION", "The application ended with exit code 0.", _NOBODY, ()),
    Ending(
        "JOB_REMOTE_OUTCOME_ERROR",
        "The application ended with another exit code than 0.",
        _YOURS,
        (EXPLAIN, RETRY),
    ),
    Ending(
        "JOB_LAUNCH_FAILURE",
        "The job could not be started on the system: sbatch or the shell refused it.",
        _YOURS,
        (PLAN, RETRY),
    ),
    Ending(
        "JOB_INVALID_DEFINITION",
        "The request does not fit the app or the system: a value is missing, unknown or beyond a limit.",
        _YOURS,
        (
            PLAN,
            Remedy(say="See which slots the app has, and what it fixes.", command="weft app show {app}"),
            RETRY,
        ),
    ),
    Ending(
        "SCHEDULER_TIMEOUT", "The scheduler ended the job when its time was over.", _LIMIT, (MORE_TIME, RETRY)
    ),
    Ending(
        "SCHEDULER_DEADLINE",
        "The job could not have ended before the deadline that it was given, so the scheduler removed it.",
        _LIMIT,
        (
            Remedy(say="Leave out the scheduler option `--deadline`, or give a later one or fewer minutes."),
            RETRY,
        ),
    ),
    Ending(
        "JOB_EXECUTION_MONITORING_TIMEOUT",
        "Tapis ended the job, or gave it up, when its minutes were over.",
        _LIMIT,
        (MORE_TIME, RETRY),
    ),
    Ending(
        "SCHEDULER_OUT_OF_MEMORY",
        "The scheduler ended the job as it used more memory than it had.",
        _LIMIT,
        (CASE_MEMORY, RETRY),
    ),
    Ending(
        "CANCELLED_BY_USER",
        "Somebody cancelled the job, by weft, in the portal or through Tapis.",
        _WISH,
        (AGAIN,),
    ),
    Ending(
        "SCHEDULER_CANCELLED",
        "The job was cancelled in the scheduler, by scancel or by an administrator.",
        _WISH,
        (Remedy(say="If it was not you, ask the site: administrators cancel what harms others."), AGAIN),
    ),
    Ending("SCHEDULER_STOPPED", "The scheduler stopped the job's processes.", _SITE, (AGAIN, ASK)),
    Ending(
        "SCHEDULER_TERMINATED",
        "The scheduler ended the job: a node failed, or a job of higher priority took its nodes.",
        _SITE,
        (AGAIN, STAY),
    ),
    Ending(
        "JOB_ARCHIVING_FAILED",
        "The job ran, and Tapis could not bring its outputs to the archive.",
        _SITE,
        (
            _FETCH,
            Remedy(say="See that the archive's place exists, is yours to write, and has room."),
            KEEP_LESS,
        ),
    ),
    Ending("JOB_DATABASE_ERROR", "Tapis' own database failed.", _SITE, (AGAIN, ASK)),
    Ending(
        "JOB_EXECUTION_MONITORING_ERROR",
        "Tapis could not watch the job any more; its processes may have gone on.",
        _SITE,
        (_FETCH, AGAIN, ASK),
    ),
    Ending(
        "JOB_EXECUTION_MONITORING_ERROR_TIMEOUT",
        "For too long Tapis could not see how the job stood; its processes may have gone on.",
        _SITE,
        (_FETCH, AGAIN, ASK),
    ),
    Ending("JOB_FILES_SERVICE_ERROR", "The Files service of Tapis failed.", _SITE, (AGAIN, ASK)),
    Ending("JOB_INTERNAL_ERROR", "Tapis failed within.", _SITE, (AGAIN, ASK)),
    Ending(
        "JOB_QUEUE_MONITORING_ERROR",
        "Tapis could not watch the job in the queue any more; it may run all the same.",
        _SITE,
        (_FETCH, AGAIN, ASK),
    ),
    Ending(
        "JOB_RECOVERY_FAILURE",
        "The job was BLOCKED, and Tapis could not take it up again.",
        _SITE,
        (AGAIN, ASK),
    ),
    Ending(
        "JOB_RECOVERY_TIMEOUT",
        "The job was BLOCKED for longer than Tapis waits: the system was away, or did not let it in.",
        _SITE,
        (_SYSTEM_UP, AGAIN),
    ),
    Ending(
        "JOB_REMOTE_ACCESS_ERROR",
        "Tapis could not reach the system, or was not let in.",
        _SITE,
        (_SYSTEM_UP, AGAIN),
    ),
    Ending(
        "JOB_TRANSFER_FAILED_OR_CANCELLED",
        "A transfer of the job's files failed, or was cancelled.",
        _SITE,
        (
            Remedy(
                say="See that every input is there; one ZIP fails less often than many files, and weft sends one.",
                command="weft check{place}",
            ),
            AGAIN,
        ),
    ),
    Ending(
        "JOB_TRANSFER_MONITORING_TIMEOUT",
        "A transfer of the job's files took longer than Tapis waits.",
        _SITE,
        (SHARED, AGAIN),
    ),
    Ending(
        "JOB_UNABLE_TO_STAGE_INPUTS",
        "Tapis could not bring the inputs to the system.",
        _SITE,
        (CHECK, AGAIN),
    ),
    Ending(
        "JOB_UNABLE_TO_STAGE_JOB",
        "Tapis could not bring the app, or the job's own scripts, to the system.",
        _SITE,
        (
            Remedy(
                say="See that the app's archive is there, and that home and scratch have room.",
                command="weft app show {app}",
            ),
            AGAIN,
        ),
    ),
)
_SLURM = (
    Ending("COMPLETED", "The batch script ended with exit code 0.", _NOBODY, (), "CD"),
    Ending("FAILED", "The batch script ended with another exit code than 0.", _YOURS, (EXPLAIN, RETRY), "F"),
    Ending("TIMEOUT", "Slurm ended the job when its time was over.", _LIMIT, (MORE_TIME, RETRY), "TO"),
    Ending(
        "OUT_OF_MEMORY",
        "The kernel ended processes, as the job's memory was used up.",
        _LIMIT,
        (CASE_MEMORY, RETRY),
        "OOM",
    ),
    Ending("CANCELLED", "Somebody cancelled the job: you, or an administrator.", _WISH, (AGAIN,), "CA"),
    Ending("NODE_FAIL", "A node of the job failed.", _SITE, (AGAIN, ASK), "NF"),
    Ending("BOOT_FAIL", "A node of the job could not be started.", _SITE, (AGAIN, ASK), "BF"),
    Ending("LAUNCH_FAILED", "Slurm could not start the job on its nodes.", _SITE, (AGAIN, ASK), "LF"),
    Ending("RECONFIG_FAIL", "A node could not be made ready for the job.", _SITE, (AGAIN, ASK), "RC"),
    Ending("PREEMPTED", "A job of higher priority took the nodes.", _SITE, (AGAIN, STAY), "PR"),
    Ending(
        "DEADLINE",
        "The job could not have ended before the deadline that it was given, so Slurm removed it.",
        _LIMIT,
        (Remedy(say="Leave out `--deadline`, or give a later one or fewer minutes."), RETRY),
        "DL",
    ),
    Ending("REVOKED", "Another cluster of the federation has started the job.", _SITE, (AGAIN,), "RV"),
    Ending("STOPPED", "The job's processes were stopped, and hold their nodes.", _SITE, (AGAIN, ASK), "ST"),
)

ENDINGS: Mapping[str, Ending] = {ending.word: ending for ending in (*_TAPIS, *_SLURM)}
"""By word. Sources: the condition codes of Tapis Jobs 1.8; JOB STATE CODES in the manuals of squeue and sacct."""

_BY_WORD = {**{ending.short: ending for ending in _SLURM}, **ENDINGS}
_UPPER = re.compile(r"[A-Z][A-Z_]*\+?")
_SAY_LITTLE = ("NORMAL_COMPLETION", "JOB_REMOTE_OUTCOME_ERROR", "FAILED")


def ending_of(word: str, remote: str = "") -> Ending | None:
    """The row for a backend's own word for how a job ended; None for a word that is in no table.

    As in "FAILED JOB_LAUNCH_FAILURE", "FAILED, JOB_LAUNCH_FAILURE", "CANCELLED by 1000", "OUT_OF_ME+". Of
    several the last that is known counts, as it says more; ``remote`` is the scheduler's word within Tapis' message,
    which counts where Tapis says no more than that the application failed.
    """
    known = [ending for part in _UPPER.findall(word) if (ending := _row(part))]
    found = known[-1] if known else None
    if found is None or found.word in _SAY_LITTLE:
        return _row(remote.upper()) or found
    return found


def _row(word: str) -> Ending | None:
    if word.endswith("+"):
        begun = [ending for ending in _SLURM if ending.word.startswith(word[:-1])]
        return begun[0] if len(begun) == 1 else None
    return _BY_WORD.get(word)
