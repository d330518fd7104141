"""How jobs end: every condition of Tapis and every end state of Slurm, what it means, and what to do. PURE.

One table (``ENDINGS``), from which the rules word what they find: one finding for each ending of jobs that are alike.
They tell of jobs that nothing closer does: not of those that a cause explains (``causes.explained``), and not of
time-outs and memory (``limits.py``), which know by how much. What became of cases is for ``unfinished.py`` to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings import failures, figures, limits, refusals, solvers
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.causes import explained, filled, quote
from weft.core.findings.failed import failed, lost_seconds
from weft.core.findings.together import Together, column, in_study, together
from weft.model import Outcome

if TYPE_CHECKING:
    import polars as pl

CAUSES = (*failures.CAUSES, *refusals.CAUSES, *solvers.CAUSES)


class Whose(str, Enum):
    """Whose doing an ending is, in a sentence."""

    NOBODY = "It is a good end."
    YOURS = "It is the job's own doing: of the program, the request or the app."
    LIMIT = "A limit that the job was given ended it."
    WISH = "Somebody wished it."
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


EXPLAIN = Remedy(
    say="Read the whole story of one of these jobs, and its log.", command="weft explain{place} {job}"
)
_RETRY = Remedy(say="Mend it, then run again what failed.", command="weft retry{place}")
AGAIN = Remedy(
    say="Nothing of a study is lost: its cases run again by themselves. Submit other jobs again.",
    command="weft run{place}",
)
ASK = Remedy(
    say="If it comes again, send the job's id and its last message to the support of the tenant or site."
)
_CHECK = Remedy(say="See what the next job would ask for, before it is sent.", command="weft plan{place}")
STAY = Remedy(
    say="If it happens often, take a queue whose jobs cannot be preempted, or make jobs shorter.",
    setting=in_study('queue = "QUEUE"'),
)
_MINUTES = Remedy(say="Ask for more time.", setting=in_study("minutes = {longer}"))
_MEMORY = Remedy(
    say="Say how much memory a case needs; weft then runs no more at a time than fit.",
    setting=in_study('memory = "4 GB"', table="resources"),
)
_FETCH = Remedy(
    say="What the job left is still in its folder on the execution system: fetch it before it is purged.",
    command="weft explain{place} {job}",
)
_SITE, _YOURS, _LIMIT, _WISH, _NOBODY = Whose.SITE, Whose.YOURS, Whose.LIMIT, Whose.WISH, Whose.NOBODY

_TAPIS = (
    Ending("NORMAL_COMPLETION", "The application ended with exit code 0.", _NOBODY, ()),
    Ending(
        "JOB_REMOTE_OUTCOME_ERROR",
        "The application ended with another exit code than 0.",
        _YOURS,
        (EXPLAIN, _RETRY),
    ),
    Ending(
        "JOB_LAUNCH_FAILURE",
        "The job could not be started on the system: sbatch or the shell refused it.",
        _YOURS,
        (_CHECK, _RETRY),
    ),
    Ending(
        "JOB_INVALID_DEFINITION",
        "The request does not fit the app or the system: a value is missing, unknown or beyond a limit.",
        _YOURS,
        (
            _CHECK,
            Remedy(say="See which slots the app has, and what it fixes.", command="weft app show {app}"),
            _RETRY,
        ),
    ),
    Ending(
        "SCHEDULER_TIMEOUT", "The scheduler ended the job when its time was over.", _LIMIT, (_MINUTES, _RETRY)
    ),
    Ending(
        "SCHEDULER_DEADLINE",
        "The job could not have ended before the deadline that it was given, so the scheduler removed it.",
        _LIMIT,
        (
            Remedy(say="Leave out the scheduler option `--deadline`, or give a later one or fewer minutes."),
            _RETRY,
        ),
    ),
    Ending(
        "JOB_EXECUTION_MONITORING_TIMEOUT",
        "Tapis ended the job, or gave it up, when its minutes were over.",
        _LIMIT,
        (_MINUTES, _RETRY),
    ),
    Ending(
        "SCHEDULER_OUT_OF_MEMORY",
        "The scheduler ended the job as it used more memory than it had.",
        _LIMIT,
        (_MEMORY, _RETRY),
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
            Remedy(
                say="Archive fewer files: weft leaves one ZIP per job.",
                setting=in_study('keep = ["*.out"]', table="output"),
            ),
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
        (Remedy(say="See whether the system is up, and that Tapis can log in to it for you."), AGAIN),
    ),
    Ending(
        "JOB_REMOTE_ACCESS_ERROR",
        "Tapis could not reach the system, or was not let in.",
        _SITE,
        (Remedy(say="See whether the system is up, and that Tapis can log in to it for you."), AGAIN),
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
        (
            Remedy(
                say="Move less: what many jobs read belongs into the store, where it is once.",
                setting=in_study('shared = ["records/"]', table="model"),
            ),
            AGAIN,
        ),
    ),
    Ending(
        "JOB_UNABLE_TO_STAGE_INPUTS",
        "Tapis could not bring the inputs to the system.",
        _SITE,
        (
            Remedy(
                say="See that every input is there and that you may read it.", command="weft check{place}"
            ),
            AGAIN,
        ),
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
    Ending("FAILED", "The batch script ended with another exit code than 0.", _YOURS, (EXPLAIN, _RETRY), "F"),
    Ending("TIMEOUT", "Slurm ended the job when its time was over.", _LIMIT, (_MINUTES, _RETRY), "TO"),
    Ending(
        "OUT_OF_MEMORY",
        "The kernel ended processes, as the job's memory was used up.",
        _LIMIT,
        (_MEMORY, _RETRY),
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
        (Remedy(say="Leave out `--deadline`, or give a later one or fewer minutes."), _RETRY),
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
_WELL_OR_LOST = ("", Outcome.FINISHED.value, Outcome.LOST.value)


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


def job_failed(scene: Scene) -> Iterator[Finding]:
    yield from _ended(scene, FAILED, (Whose.YOURS, Whose.LIMIT))


def job_ended_by_the_site(scene: Scene) -> Iterator[Finding]:
    yield from _ended(scene, BY_THE_SITE, (Whose.SITE,))


def job_cancelled(scene: Scene) -> Iterator[Finding]:
    yield from _ended(scene, CANCELLED, (Whose.WISH,))


def _ended(scene: Scene, rule: Rule, whose: Sequence[Whose]) -> Iterator[Finding]:
    """One finding for each ending of jobs that are alike, of those that are so somebody's doing."""
    import polars as pl

    words = [word for word, ending in ENDINGS.items() if ending.whose in whose]
    left = _left(scene).filter(pl.col("ending").is_in(words))
    wished = Whose.WISH in whose
    for group in together(
        left,
        pl.lit(True),
        lost_seconds(),
        also=pl.col("ending"),
        after=lost_seconds().median(),
        in_flight=column("in_flight").sum(),
        su=column("su").sum(),
        minutes=column("minutes").max(),
    ):
        ending = ENDINGS[group.also]
        yield group.finding(
            rule,
            evidence=(*_evidence(group), quote(left, group)),
            cause=f"{ending.means} {ending.whose.value}",
            remedies=filled(ending.remedies, scene, group),
            gain_s=None if wished else group["lost"],
            gain_su=None if wished else group["su"],
            basis="the time that these jobs took",
        )


def _left(scene: Scene) -> pl.DataFrame:
    """The jobs that did not finish and that nothing closer tells of, with the word of the row of their ``ending``."""
    import polars as pl

    bad = ~pl.col("outcome").fill_null("").is_in(_WELL_OR_LOST) & ~limits.told() & ~explained(CAUSES)
    left = failed(scene).jobs.filter(bad)
    return left.with_columns(pl.lit("").alias("ending") if left.is_empty() else _ending())


def _ending() -> pl.Expr:
    """The word of the row by which each job ended; the words of many jobs are few."""
    import polars as pl

    remote = pl.col("why").fill_null("").str.extract(r'remote status "?([A-Za-z_]+)').fill_null("")
    both = pl.concat_str(pl.col("word").fill_null(""), pl.lit("\n"), remote)
    return both.map_batches(_words_of, return_dtype=pl.String()).alias("ending")


def _words_of(column: pl.Series) -> pl.Series:
    import polars as pl

    unique = column.unique().to_list()
    rows = {both: ending_of(*both.split("\n")) for both in unique}
    words = [row.word if (row := rows[both]) and row.whose is not Whose.NOBODY else "" for both in unique]
    found: pl.Series = column.replace_strict(unique, words, return_dtype=pl.String())
    return found


def _evidence(group: Together) -> Iterator[str]:
    half = ", half of them later" if group.count > 1 else ""
    yield f"{figures.jobs(group.count)} ended by {group.also}, after {figures.seconds(group['after'])}{half}"
    if group["in_flight"]:
        yield f"{group['in_flight']:,.0f} cases that ran then left no record"


def job_failed_without_a_word(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    silent = (pl.col("ending") == "") & (pl.col("outcome") != Outcome.INTERRUPTED.value)
    left = _left(scene).filter(silent)
    for group in together(
        left,
        pl.lit(True),
        lost_seconds(),
        after=lost_seconds().median(),
        none=(column("recorded") == 0).sum(),
    ):
        yield group.finding(
            FAILED_SILENTLY,
            evidence=(
                (
                    f"{figures.jobs(group.count)} failed, {group['none']:,.0f} of them before any case left a record, "
                    f"after {figures.seconds(group['after'])}"
                ),
                quote(left, group),
            ),
            cause="Nothing that it left is a message known here.",
            remedies=filled((EXPLAIN, _RETRY), scene, group),
            gain_s=group["lost"],
            basis="the time that these jobs took",
        )


_RULE = "the condition or state is in the table of endings, and no closer finding explains it."
FAILED = Rule(
    id="job-failed",
    title="Jobs failed",
    severity=Severity.FAILURE,
    rule=f"A job failed by its own doing or by a limit, {_RULE}",
    find=job_failed,
)
BY_THE_SITE = Rule(
    id="job-ended-by-the-site",
    title="The site ended jobs",
    severity=Severity.WASTE,
    rule=f"Tapis, the scheduler or a node ended a job, {_RULE}",
    find=job_ended_by_the_site,
)
CANCELLED = Rule(
    id="job-cancelled",
    title="Jobs were cancelled",
    severity=Severity.NOTE,
    rule=f"Somebody cancelled a job, {_RULE}",
    find=job_cancelled,
)
FAILED_SILENTLY = Rule(
    id="job-failed-without-a-word",
    title="Jobs failed, and what they left says nothing",
    severity=Severity.FAILURE,
    rule="A job failed, its word is in no table, and nothing that it left is a known message.",
    find=job_failed_without_a_word,
)
RULES: tuple[Rule, ...] = (FAILED, BY_THE_SITE, CANCELLED, FAILED_SILENTLY)
