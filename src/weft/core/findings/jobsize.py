"""How many cases a job has: too few for its slots, or so many that it hardly ends in time. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator

from weft.core.findings.alike import Alike, alike, most_at_once, rows
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.measures import KEY, most, of_cases, sums
from weft.core.findings.remedies import MORE_TIME, job_setting, more_jobs
from weft.core.findings.settings import table
from weft.core.margins import enough_minutes
from weft.core.quantities import count, duration, share

FILLED = 0.75
"""Cases are too few if they fill no more than so many of the slots."""
CASES_LEAST = 60.0
"""Seconds of cases below which empty slots cost nothing."""
MOST_JOBS = 0.5
"""Too few cases are told of where so many of the jobs have too few: not where a few cases ran again."""
CORES_USED = 0.5
"""Cases that keep less of their cores busy have no use for more."""
NEAR_MINUTES = 0.9
"""A job that runs more than so much of its minutes may not end in time when next it runs."""
MANY_CASES = 5000
"""So many cases in one job…"""
MANY_HOURS = 6.0
"""…that runs so long are a lot to lose."""


def fewer_cases_than_slots(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    of_study = (pl.col("kind") == "cases") & ~pl.col("open") & (pl.col("cases") > 0)
    few = of_study & (pl.col("slots") > 1) & (pl.col("cases") <= FILLED * pl.col("slots"))
    short = few.cast(pl.Float64).sum().over(*KEY) / of_study.cast(pl.Float64).sum().over(*KEY)
    found = few & (short >= MOST_JOBS) & (pl.col("cases_s") >= CASES_LEAST)
    figures = {
        **sums("cases", "slots", "su"),
        **most("slots", "cases", "case_cores"),
        "used": pl.col("cpu_s").sum() / pl.col("case_s").sum(),
    }
    for group in alike(scene.jobs, found, "idle_s", **figures):
        cases, slots = group["cases"], group["most_slots"]
        needed = math.ceil(cases / slots)
        fewer = most_at_once(rows(scene.jobs, found, group), pl.col("start")) > needed
        remedies = [*_fill_slots(group, needed if fewer else 0)]
        if not remedies:
            continue
        yield group.finding(
            FEW_CASES,
            evidence=[
                (
                    f"{count(group.count, 'job')} had {count(round(cases), 'case')} for "
                    f"{group['slots']:,.0f} slots: {share(cases / group['slots'])} of them were filled"
                )
            ],
            cause="A slot without a case is a core that does nothing, and nodes are charged whole.",
            remedies=remedies,
            gain_su=group["su"] * (1 - needed / group.count) if fewer else None,
        )


def _fill_slots(group: Alike, needed: int) -> Iterator[Remedy]:
    if needed and group.backend != "local":
        say = "Spread the cases over fewer jobs, so that each is full."
        yield Remedy(say=say, setting=table(group.backend, f"jobs = {needed}"))
    cores = int(group["most_case_cores"] * group["most_slots"] // max(1.0, group["most_cases"]))
    idle = 0 < group["used"] < CORES_USED * group["most_case_cores"]
    if cores > group["most_case_cores"] and not idle:
        say = "Give each case more cores, if the model can use them."
        yield Remedy(say=say, setting=table("resources", f"cores = {cores}"))


FEW_CASES = Rule(
    id="fewer-cases-than-slots",
    title="Jobs have fewer cases than slots",
    severity=Severity.NOTE,
    rule=f"Cases fill no more than {share(FILLED)} of a job's slots, in at least {share(MOST_JOBS)} "
    f"of such jobs, and ran for {CASES_LEAST:g} s or more.",
    remedy="Fewer `jobs` in `[tapis]`, or more `cores` in `[resources]`.",
    saves=(Part.CASES,),
    find=fewer_cases_than_slots,
)


def job_near_its_limit(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    asked = pl.col("minutes") * 60
    found = (pl.col("outcome") == "FINISHED") & (asked > 0) & (pl.col("running_s") > NEAR_MINUTES * asked)
    figures = {**most("running_s", "minutes", "cases", "slots"), "used": (pl.col("running_s") / asked).max()}
    for group in alike(scene.jobs, found, pl.col("running_s") / asked, **figures):
        running = group["most_running_s"]
        remedies = [*_more_minutes(scene, group, enough_minutes(running))]
        if not remedies:
            continue
        yield group.finding(
            NEAR_ITS_LIMIT,
            evidence=[
                (
                    f"{count(group.count, 'job')} used up to {share(group['used'])} of the time asked for: "
                    f"{duration(running)} of {group['most_minutes']:g} min"
                )
            ],
            cause="On a slower node it would not be over in time, and what is lost then runs again.",
            remedies=remedies,
        )


def _more_minutes(scene: Scene, group: Alike, minutes: int) -> Iterator[Remedy]:
    queue = scene.queues.get((group.system, group.queue))
    allowed = queue is None or not queue.minutes or minutes <= queue.minutes
    if allowed and (not group.weft or group.backend == "tapis"):
        yield Remedy(say=MORE_TIME.say, setting=job_setting(group, minutes=minutes))
    if group.backend == "tapis" and group.weft and group["most_cases"] > group["most_slots"]:
        yield more_jobs(scene, group)


NEAR_ITS_LIMIT = Rule(
    id="job-near-its-limit",
    title="Jobs hardly end in time",
    severity=Severity.NOTE,
    rule=f"A job finished after more than {share(NEAR_MINUTES)} of the minutes it had asked for.",
    remedy="More `minutes` or more `jobs` in `[tapis]`.",
    find=job_near_its_limit,
)


def too_many_cases_in_a_job(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    found = (
        of_cases()
        & (pl.col("cases") >= MANY_CASES)
        & (pl.col("running_s") >= MANY_HOURS * 3600)
        & (pl.col("backend") != "local")
    )
    for group in alike(scene.jobs, found, "running_s", **most("cases", "running_s")):
        yield group.finding(
            TOO_MANY_CASES,
            evidence=[
                (
                    f"{count(group.count, 'job')} had up to {count(round(group['most_cases']), 'case')} and ran up to "
                    f"{duration(group['most_running_s'])}"
                )
            ],
            cause="What a job keeps is archived when it ends: if its node fails before, the outputs of all its cases "
            "are lost.",
            remedies=[more_jobs(scene, group)],
        )


TOO_MANY_CASES = Rule(
    id="too-many-cases-in-a-job",
    title="A single job holds a lot of the study",
    severity=Severity.NOTE,
    rule=f"A job has {MANY_CASES:,} cases or more and runs {MANY_HOURS:g} h or longer.",
    remedy="More `jobs` in `[tapis]`.",
    find=too_many_cases_in_a_job,
)


RULES: tuple[Rule, ...] = (FEW_CASES, NEAR_ITS_LIMIT, TOO_MANY_CASES)
