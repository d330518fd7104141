"""What became of cases that did not end well: lost, cut off, failed or missing in jobs that FINISHED. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.causes import quote
from weft.core.findings.measures import column, whole
from weft.core.findings.remedies import (
    AGAIN,
    ASK,
    CHECKPOINT,
    EXPLAIN,
    MORE_TIME,
    RESULTS,
    RETRY,
    STAY,
    filled,
    more_jobs,
)
from weft.core.quantities import count, duration, share
from weft.model import Outcome

MOST_KNOWN = 0.5
"""Of cases that failed, the share that known messages must explain so that they need no finding besides."""
OFTEN = 3
"""Interruptions in jobs that are alike from which on another queue is worth a thought."""


def job_lost(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    lost = pl.col("outcome") == Outcome.LOST.value
    for group in alike(scene.jobs, lost, whole(), in_flight=column("in_flight").sum()):
        yield group.finding(
            LOST,
            evidence=(
                f"{count(group.count, 'job')} vanished, with {count(round(group['in_flight']), 'case')} under way",
            ),
            cause="The backend did not tell of them for several answers in a row, so they were cancelled and closed.",
            remedies=filled((AGAIN, ASK), scene, group),
            gain_s=group["lost"],
            basis="the time that these jobs took",
        )


def cases_cut_off(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    ends = (Outcome.INTERRUPTED.value, Outcome.LOST.value, Outcome.CANCELLED.value, Outcome.TIMED_OUT.value)
    cut = pl.col("outcome").is_in(ends) & (column("in_flight") > 0)
    longest = column("longest_case_s").max()
    interrupted = (pl.col("outcome") == Outcome.INTERRUPTED.value).sum()
    for group in alike(scene.jobs, cut, column("in_flight"), longest=longest, interrupted=interrupted):
        usual = f"; a case takes up to {duration(group['longest'])}" if group["longest"] else ""
        cases, jobs = count(round(group["lost"]), "case"), count(group.count, "job")
        stay = (STAY,) if group["interrupted"] >= OFTEN else ()
        yield group.finding(
            CUT_OFF,
            evidence=(f"{jobs} ended with {cases} under way{usual}",),
            cause="A job's end takes with it the cases that run then; those that have ended are kept.",
            remedies=filled((AGAIN, *stay, CHECKPOINT), scene, group),
        )


def finished_with_failed_cases(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    failed = column("failed_cases")
    limited = column("timed_out_cases") + column("oom_cases")
    unknown = failed - limited - pl.col("signs").list.len().fill_null(0).cast(pl.Int64)
    finished = pl.col("outcome") == Outcome.FINISHED.value
    for group in alike(
        scene.jobs,
        finished & (failed > limited) & (unknown > (1 - MOST_KNOWN) * failed),
        failed,
        unknown=unknown.sum(),
        recorded=column("recorded").sum(),
    ):
        yield group.finding(
            FAILED_CASES,
            evidence=(
                (
                    f"{group['lost']:,.0f} of {group['recorded']:,.0f} cases failed in {count(group.count, 'job')} "
                    f"that FINISHED; what {group['unknown']:,.0f} of them printed is no message known here"
                ),
                quote(scene.jobs, group),
            ),
            cause="FINISHED says that the cases have run; how each ended, only their records tell.",
            remedies=filled((RESULTS, RETRY), scene, group),
        )


def finished_without_records(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    missing = column("cases") - column("recorded")
    finished = pl.col("outcome") == Outcome.FINISHED.value
    for group in alike(
        scene.jobs,
        finished & (missing > 0),
        missing,
        cases=column("cases").sum(),
        none=(column("recorded") == 0).sum(),
        left=(column("recorded") > 0).sum(),
        minutes=column("minutes").max(),
    ):
        yield group.finding(
            NO_RECORDS,
            evidence=(
                f"{group['lost']:,.0f} of {group['cases']:,.0f} cases left no record, although the job FINISHED",
                f"in {count(round(group['none']), 'job')} no case did" if group["none"] else "",
                quote(scene.jobs, group),
            ),
            cause="The app lost the exit code of what it ran, or the job's time was over before its last cases.",
            remedies=filled(_without_records(group, scene), scene, group),
        )


def _without_records(group: Alike, scene: Scene) -> Iterator[Remedy]:
    if group["none"]:
        yield EXPLAIN
        yield Remedy(say="See whether the app can be trusted with exit codes.", command="weft app show {app}")
    if group["left"]:
        yield MORE_TIME
        if group.backend == "tapis":
            yield more_jobs(scene, group)
    yield Remedy(
        say="Run again what is left.", command="weft run{place}" if group["left"] else "weft retry{place}"
    )


LOST = Rule(
    id="job-lost",
    title="Jobs vanished",
    severity=Severity.WASTE,
    rule="A job was closed as LOST.",
    remedy="Its cases run again by themselves; if it comes again, ask the site's support.",
    lost=True,
    find=job_lost,
)
CUT_OFF = Rule(
    id="cases-cut-off",
    title="Cases were cut off by the end of their job",
    severity=Severity.NOTE,
    rule="Cases had started and left no record when their job was interrupted, lost, cancelled, or out of time; "
    f"another queue is advised from {OFTEN} interruptions on.",
    remedy="They run again by themselves; `[continue]` lets long ones go on from a checkpoint.",
    find=cases_cut_off,
)
FAILED_CASES = Rule(
    id="finished-with-failed-cases",
    title="Jobs FINISHED, and cases in them failed",
    severity=Severity.FAILURE,
    rule="Cases failed in a job that FINISHED, not by their limits, and known messages explain less than "
    f"{share(MOST_KNOWN)} of them.",
    remedy="`weft results` shows which cases failed, and why; `weft retry` runs them again.",
    find=finished_with_failed_cases,
)
NO_RECORDS = Rule(
    id="finished-without-records",
    title="Jobs FINISHED, and cases in them left no record",
    severity=Severity.FAILURE,
    rule="A job FINISHED, and fewer cases left a record than it had.",
    remedy="`weft explain` tells the story of the job; more `minutes` of `[tapis]` where its time was over.",
    find=finished_without_records,
)

RULES: tuple[Rule, ...] = (LOST, CUT_OFF, FAILED_CASES, NO_RECORDS)
