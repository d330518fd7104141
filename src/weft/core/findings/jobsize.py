"""How many cases a job has: too few for its slots, or so many that it hardly ends in time. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings import figures
from weft.core.findings.alike import KEY, Alike, alike, jobs_at_a_time, of_cases
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.settings import table
from weft.core.margins import enough_minutes

if TYPE_CHECKING:
    pass

FILLED = 0.75
"""Cases are too few if they fill no more than so many of the slots."""
CASES_LEAST = 60.0
"""Seconds of cases below which empty slots cost nothing."""
MOST_JOBS = 0.5
"""Too few cases are told of where so many of the jobs have too few: not where a few cases ran again."""
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
    share = few.cast(pl.Float64).sum().over(*KEY) / of_study.cast(pl.Float64).sum().over(*KEY)
    found = few & (share >= MOST_JOBS) & (pl.col("cases_s") >= CASES_LEAST)
    for group in alike(scene.jobs, found, pl.col("idle_s")):
        cases, slots = group.sum("cases"), group.max("slots")
        needed = math.ceil(cases / slots)
        fewer = _jobs_at_once(group) > needed
        remedies = [*_fill_slots(group, needed if fewer else 0)]
        if not remedies:
            continue
        yield group.finding(
            FEW_CASES,
            evidence=[
                (
                    f"{figures.jobs(group.count)} had {figures.cases(cases)} for "
                    f"{group.sum('slots'):,.0f} slots: {figures.share(cases / group.sum('slots'))} of them were filled"
                )
            ],
            cause="A slot without a case is a core that does nothing, and nodes are charged whole.",
            remedies=remedies,
            gain_su=group.sum("su") * (1 - needed / group.count) if fewer else None,
        )


def _jobs_at_once(group: Alike) -> int:
    """The most jobs of them that were under way at the same time."""
    starts, ends = sorted(group.jobs["start"]), sorted(group.jobs["end"])
    most = over = 0
    for number, start in enumerate(starts, 1):
        while over < len(ends) and ends[over] <= start:
            over += 1
        most = max(most, number - over)
    return most


def _fill_slots(group: Alike, needed: int) -> Iterator[Remedy]:
    if needed and group.backend != "local":
        say = "Spread the cases over fewer jobs, so that each is full."
        yield Remedy(say=say, setting=table(group.backend, f"jobs = {needed}"))
    cores = int(group.max("case_cores") * group.max("slots") // max(1.0, group.max("cases")))
    if cores > group.max("case_cores"):
        say = "Give each case more cores, if the model can use them."
        yield Remedy(say=say, setting=f"[resources]\ncores = {cores}")


FEW_CASES = Rule(
    id="fewer-cases-than-slots",
    title="Jobs have fewer cases than slots",
    severity=Severity.NOTE,
    rule=f"Cases fill no more than {figures.share(FILLED)} of a job's slots, in at least {figures.share(MOST_JOBS)} "
    f"of such jobs, and ran for {CASES_LEAST:g} s or more.",
    remedy="Fewer `jobs` in `[tapis]`, or more `cores` in `[resources]`.",
    find=fewer_cases_than_slots,
)


def job_near_its_minutes(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    asked = pl.col("minutes") * 60
    found = (
        (pl.col("outcome") == "FINISHED")
        & (asked > 0)
        & (pl.col("running_s") > NEAR_MINUTES * asked)
        & ((pl.col("study") == "") | (pl.col("cases") > pl.col("slots")))
    )
    for group in alike(scene.jobs, found, pl.col("running_s") / asked):
        running, share = group.max("running_s"), figures.share(group.max("lost"))
        yield group.finding(
            NEAR_ITS_MINUTES,
            evidence=[
                (
                    f"{figures.jobs(group.count)} used up to {share} of the time asked for: {figures.seconds(running)} "
                    f"of {group.max('minutes'):g} min"
                )
            ],
            cause="On a slower node it would not be over in time, and what is lost then runs again.",
            remedies=_more_minutes(scene, group, enough_minutes(running)),
        )


def _more_minutes(scene: Scene, group: Alike, minutes: int) -> Iterator[Remedy]:
    queue = scene.queues.get((group.system, group.queue))
    allowed = queue is None or not queue.minutes or minutes <= queue.minutes
    say = "Ask for more minutes."
    if not group.study:
        slurm = group.backend == "slurm"
        time = f"#SBATCH --time={minutes // 60:02d}:{minutes % 60:02d}:00"
        if allowed:
            yield Remedy(say=say, setting=time if slurm else f'"maxMinutes": {minutes}')
        return
    if group.backend == "local":
        return
    if allowed:
        yield Remedy(say=say, setting=table(group.backend, f"minutes = {minutes}"))
    yield _more_jobs(scene, group)


def _more_jobs(scene: Scene, group: Alike) -> Remedy:
    queue = scene.queues.get((group.system, group.queue))
    jobs = min(2 * jobs_at_a_time(scene, group), (queue.submit if queue else None) or 1000)
    say = "Spread the cases over more jobs."
    return Remedy(say=say, setting=table(group.backend, f"jobs = {jobs}"))


NEAR_ITS_MINUTES = Rule(
    id="job-near-its-minutes",
    title="Jobs hardly end in time",
    severity=Severity.NOTE,
    rule=f"A job finished after more than {figures.share(NEAR_MINUTES)} of the minutes it had asked for.",
    remedy="More `minutes` or more `jobs` in `[tapis]`.",
    find=job_near_its_minutes,
)


def too_many_cases_in_a_job(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    found = (of_cases() & (pl.col("cases") >= MANY_CASES) & (pl.col("running_s") >= MANY_HOURS * 3600)) & (
        pl.col("backend") != "local"
    )
    for group in alike(scene.jobs, found, "running_s"):
        yield group.finding(
            TOO_MANY_CASES,
            evidence=[
                (
                    f"{figures.jobs(group.count)} had up to {figures.cases(group.max('cases'))} and ran up to "
                    f"{figures.seconds(group.max('running_s'))}"
                )
            ],
            cause="What a job keeps is archived when it ends: if its node fails before, the outputs of all its cases "
            "are lost.",
            remedies=[_more_jobs(scene, group)],
        )


TOO_MANY_CASES = Rule(
    id="too-many-cases-in-a-job",
    title="A single job holds a lot of the study",
    severity=Severity.NOTE,
    rule=f"A job has {MANY_CASES:,} cases or more and runs {MANY_HOURS:g} h or longer.",
    remedy="More `jobs` in `[tapis]`.",
    find=too_many_cases_in_a_job,
)


RULES: tuple[Rule, ...] = (FEW_CASES, NEAR_ITS_MINUTES, TOO_MANY_CASES)
