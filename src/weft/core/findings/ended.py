"""Jobs that ended otherwise than well, and that nothing closer tells of: one finding for each ending. PURE.

Closer are the causes that a job shows (``causes.explained``), and time-outs and memory (``limits.py``), which know by
how much. The table of ``endings`` words what is left. What became of cases is for ``unfinished.py`` to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from weft.core.findings import environment, limits, programs, refusals
from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Rule, Scene, Severity
from weft.core.findings.causes import explained, quote
from weft.core.findings.endings import ENDINGS, Whose, ending_of
from weft.core.findings.measures import column, whole
from weft.core.findings.remedies import EXPLAIN, RETRY, filled
from weft.core.quantities import count, duration
from weft.model import Outcome

if TYPE_CHECKING:
    import polars as pl

CAUSES = (*environment.CAUSES, *refusals.CAUSES, *programs.CAUSES)
_WELL_OR_LOST = ("", Outcome.FINISHED.value, Outcome.LOST.value)


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
    for group in alike(
        left,
        pl.lit(True),
        whole(),
        also=pl.col("ending"),
        after=whole().median(),
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
    left = scene.failed.jobs.filter(bad)
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


def _evidence(group: Alike) -> Iterator[str]:
    yield f"{count(group.count, 'job')} ended by {group.also}, after {duration(group['after'])}{group.median}"
    if group["in_flight"]:
        yield f"{count(round(group['in_flight']), 'case')} that ran then left no record"


def job_failed_without_a_word(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    silent = (pl.col("ending") == "") & (pl.col("outcome") != Outcome.INTERRUPTED.value)
    left = _left(scene).filter(silent)
    for group in alike(
        left,
        pl.lit(True),
        whole(),
        after=whole().median(),
        none=(column("recorded") == 0).sum(),
    ):
        yield group.finding(
            FAILED_SILENTLY,
            evidence=(
                (
                    f"{count(group.count, 'job')} failed, {group['none']:,.0f} of them before any case left a record, "
                    f"after {duration(group['after'])}{group.median}"
                ),
                quote(left, group),
            ),
            cause="Nothing that it left is a message known here.",
            remedies=filled((EXPLAIN, RETRY), scene, group),
            gain_s=group["lost"],
            basis="the time that these jobs took",
        )


_RULE = "the condition or state is in the table of endings, and no closer finding explains it."
FAILED = Rule(
    id="job-failed",
    title="Jobs failed",
    severity=Severity.FAILURE,
    rule=f"A job failed by its own doing or by a limit, {_RULE}",
    remedy="That of its ending: the table below says it.",
    lost=True,
    find=job_failed,
)
BY_THE_SITE = Rule(
    id="job-ended-by-the-site",
    title="The site ended jobs",
    severity=Severity.WASTE,
    rule=f"Tapis, the scheduler or a node ended a job, {_RULE}",
    remedy="Nothing of a study is lost but time; what else there is to do, the table of endings says.",
    lost=True,
    find=job_ended_by_the_site,
)
CANCELLED = Rule(
    id="job-cancelled",
    title="Jobs were cancelled",
    severity=Severity.NOTE,
    rule=f"Somebody cancelled a job, {_RULE}",
    remedy="`weft run` runs the cases that are left.",
    find=job_cancelled,
)
FAILED_SILENTLY = Rule(
    id="job-failed-without-a-word",
    title="Jobs failed, and what they left says nothing",
    severity=Severity.FAILURE,
    rule="A job failed, its word is in no table, and nothing that it left is a known message.",
    remedy="`weft explain` tells the whole story of a job; then mend it, and `weft retry`.",
    lost=True,
    find=job_failed_without_a_word,
)
RULES: tuple[Rule, ...] = (FAILED, BY_THE_SITE, CANCELLED, FAILED_SILENTLY)
