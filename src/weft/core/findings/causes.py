"""Causes of failures, each a row of a table: which signs show it, why it is so, and what to do. PURE.

A cause is seen in two ways. A job that failed shows it in what it said last: the service's message and, if no case left
a record, the last lines of its set-up. A job whose cases failed shows it in what the cases printed, which is known as
signs (``core/signs.py``), each once for each case. Either way one finding tells it for all jobs that are alike.

Who is told of what: a sign that a closer one explains is not there (``Sign.unless``); a job that a cause explains is
not told again by the table of endings (``explained``). There is no other order among findings of failures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.failed import BLAMED
from weft.core.findings.measures import column, of_a_case, whole
from weft.core.findings.remedies import filled
from weft.core.quantities import count, duration, share
from weft.core.signs import BY_ID, place_of
from weft.model import Phase

if TYPE_CHECKING:
    import polars as pl

LEAST_SHARE = 0.05
"""A cause that fewer of the failed cases show than this is not told: others come first."""
MOST = 0.5
"""A cause that more of the failed cases show than this is the one to begin with."""
QUOTED = 160
"""Characters of a message that evidence quotes, around what was recognised."""


class Cause(Struct, frozen=True, kw_only=True):
    """One row: a cause of failures that has a remedy of its own."""

    id: str
    title: str
    signs: tuple[str, ...]
    """Any of them shows it."""
    cause: str
    ours: tuple[Remedy, ...]
    """What to do in a study. Settings and commands may leave open what ``filled`` knows, as in ``{place}``."""
    others: tuple[Remedy, ...] = ()
    """The same for jobs that weft did not launch; empty: as in a study."""
    phases: tuple[Phase, ...] = ()
    """Only of jobs that died in one of these; empty: in any, and of cases, too."""
    not_in: tuple[Phase, ...] = ()
    """Not of jobs that died in one of these: another cause tells of them."""
    only_weft: bool = False
    """Its signs mean this only in jobs that run weft's runner."""
    severity: Severity = Severity.FAILURE


def rules_of(causes: Iterable[Cause]) -> tuple[Rule, ...]:
    """A rule for each cause."""
    return tuple(_rule(cause) for cause in causes)


def explained(causes: Iterable[Cause]) -> pl.Expr:
    """Does one of the causes explain how a job ended, of those that ``failed`` tells of?"""
    import polars as pl

    return pl.any_horizontal(_ended_by(cause) for cause in causes)


def quote(jobs: pl.DataFrame, group: Alike, signs: tuple[str, ...] = ()) -> str:
    """What the first job of a group that said something said, around the first of these signs; empty for nothing."""
    import polars as pl

    texts = jobs.filter(pl.col("job").is_in(group.jobs)).select(
        pl.concat_str(pl.col("why").fill_null(""), pl.lit("\n"), pl.col("tail").fill_null("")).alias("text")
    )["text"]
    for text in texts:
        for sign in signs:
            if found := place_of(sign, text):
                return f'"{_around(text, *found)}"'
    lines = [line for text in texts for line in text.split("\n") if line.strip()] if not signs else []
    return f'"{_around(lines[0], 0, 1)}"' if lines else ""


def _around(text: str, start: int, end: int) -> str:
    """The line, or so much of a long one, in which something stands."""
    first = text.rfind("\n", 0, start + 1) + 1
    last = text.find("\n", max(end - 1, first))
    line = text[first : last if last >= 0 else len(text)]
    if len(line) > QUOTED:
        begin = max(0, min(start - first - QUOTED // 4, len(line) - QUOTED))
        line = ("... " if begin else "") + line[begin : begin + QUOTED].strip() + " ..."
    return " ".join(line.split())


def _rule(cause: Cause) -> Rule:
    means = " ".join(BY_ID[sign].means for sign in cause.signs)
    where = _in(cause.phases) or (f" (not{_in(cause.not_in)})" if cause.not_in else "")
    also = "" if cause.phases else f", or at least {share(LEAST_SHARE)} of the failed cases show it"
    rule = Rule(
        id=cause.id,
        title=cause.title,
        severity=cause.severity,
        rule=f"A job failed{where}, and what it said last shows this{also}: {means}",
        remedy=cause.ours[0].say,
        lost=True,
        find=lambda scene: (),
    )
    return structs.replace(rule, find=partial(_find, rule, cause))


def _in(phases: tuple[Phase, ...]) -> str:
    return f" in {' or '.join(phase.value for phase in phases)}" if phases else ""


def _ended_by(cause: Cause) -> pl.Expr:
    """Did a job fail, and say that this was why?"""
    import polars as pl

    dead = pl.col("outcome").is_in(BLAMED)
    if cause.phases:
        dead &= pl.col("died_in").is_in([phase.value for phase in cause.phases])
    if cause.not_in:
        dead &= ~pl.col("died_in").is_in([phase.value for phase in cause.not_in])
    if cause.only_weft:
        dead &= pl.col("study").fill_null("") != ""
    return dead & pl.any_horizontal(pl.col("shown").list.contains(sign) for sign in cause.signs)


def _cases(cause: Cause) -> pl.Expr:
    """How many failed cases of a job show it."""
    import polars as pl

    if cause.phases:
        return pl.lit(0)
    borne = [pl.col("signs").list.count_matches(sign).fill_null(0) for sign in cause.signs]
    return pl.max_horizontal(borne).cast(pl.Int64)


def _find(rule: Rule, cause: Cause, scene: Scene) -> Iterator[Finding]:
    import polars as pl

    of = scene.failed
    if of.signs.isdisjoint(cause.signs):
        return
    jobs = of.jobs.with_columns(_ended_by(cause).alias("dead"), _cases(cause).alias("showing"))
    dead, showing = pl.col("dead"), pl.col("showing")
    all_failed = _failed_cases(jobs)
    for group in alike(
        jobs,
        dead | (showing > 0),
        pl.when(dead).then(whole()).otherwise(showing * of_a_case()),
        dead=dead.sum(),
        after=whole().filter(dead).median(),
        running=(dead & (pl.col("died_in") == Phase.RUNNING.value)).sum(),
        showing=showing.sum(),
        su=column("su").filter(dead).sum(),
        slots=column("slots").max(),
        cores=column("cores").max(),
        minutes=column("minutes").max(),
    ):
        cases = all_failed.get(group.all, 0.0)
        if not group["dead"] and group["showing"] < LEAST_SHARE * cases:
            continue
        yield group.finding(
            rule,
            evidence=(*_evidence(group, cases), quote(jobs, group, cause.signs)),
            cause=cause.cause,
            remedies=filled(cause.ours if group.weft or not cause.others else cause.others, scene, group),
            gain_s=group["lost"],
            gain_su=group["su"],
            basis="the time that was lost by it",
        )


def _failed_cases(jobs: pl.DataFrame) -> dict[tuple[str, ...], float]:
    """How many cases of jobs that are alike failed at all."""
    failed = column("failed_cases")
    groups = alike(jobs, failed > 0, failed)
    return {group.all: group["lost"] for group in groups}


def _evidence(group: Alike, failed: float) -> Iterator[str]:
    if group["dead"]:
        median = " (median)" if group["dead"] > 1 else ""
        ran = f"; {group['running']:,.0f} of them got as far as RUNNING" if group["running"] else ""
        jobs = count(round(group["dead"]), "job")
        yield f"{jobs} failed because of it, after {duration(group['after'])}{median}{ran}"
    if group["showing"]:
        most = failed > 1 and group["showing"] > MOST * failed
        first = ": most of them, so mend this first" if most else ""
        yield f"{group['showing']:,.0f} of {failed:,.0f} failed cases say so{first}"
