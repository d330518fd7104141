"""What was asked for, and what cases and jobs used of it: memory and minutes. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator

from weft.core.findings.alike import Alike, alike, total
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.measures import (
    most,
    most_of_all,
    of_cases,
    saved,
    saved_su,
    slots_for,
    sums,
    with_slots,
)
from weft.core.findings.remedies import job_setting, least_minutes, study_of
from weft.core.findings.settings import table
from weft.core.margins import enough_memory, enough_minutes, in_toml
from weft.core.packing import ENDS
from weft.core.quantities import count, duration, size
from weft.model import Study

LEAST_CASES = 8
"""Cases of a job below which what they used says little."""
MEMORY_ROOM = 2.0
"""A limit of memory above so many times the largest peak is too much."""
MINUTES_ROOM = 3.0
"""Minutes of a job above so many times its run are too many…"""
SPARE_MINUTES = 30.0
"""…if so many of them were not needed…"""
QUEUED_LEAST = 300.0
"""…and it waited so many seconds for its turn."""
CASE_MINUTES_ROOM = 5.0
"""Minutes of a case above so many times the longest are too many…"""
SPARE_CASE_MINUTES = 10.0
"""…if so many of them were not needed."""


# Memory


def over_requested_memory(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    limit, by_cores = pl.col("case_memory_mb"), pl.col("cores") // pl.col("case_cores")
    found = (
        of_cases(least=LEAST_CASES)
        & (pl.col("most") > 0)
        & (limit * 1e6 > MEMORY_ROOM * pl.col("most"))
        & (most_of_all("oom_cases").fill_null(0) == 0)
        & (pl.col("memory_mb") // limit < by_cores)
        & (pl.col("slots") < by_cores)
        & (pl.col("slots") < pl.col("cases"))
    )
    jobs = scene.jobs.with_columns(most_of_all("peak_memory_bytes").alias("most"))
    for group in alike(
        jobs,
        found,
        saved(with_slots(by_cores)),
        **sums("recorded"),
        **most("most", "slots", "case_memory_mb", "memory_mb", "cores", "case_cores"),
    ):
        study = study_of(scene, group)
        enough = enough_memory(group["most_most"])
        then = slots_for(pl.col("case_cores"), enough)
        shorter = saved(with_slots(then))
        gain_s, gain_su = total(jobs, found, group, shorter, saved_su(shorter))
        if (study is not None and _slots_said(study)) or gain_s <= 0:
            continue  # fewer slots are meant, or there would be no more
        yield group.finding(
            OVER_MEMORY,
            evidence=_memory_evidence(group, enough),
            cause="Memory bounds how many cases run at a time, by their limit and not by what they use.",
            remedies=[_less_memory(enough)],
            gain_s=gain_s,
            gain_su=gain_su,
        )


def _slots_said(study: Study) -> bool:
    return bool(study.settings.get(study.backend, {}).get("slots"))


def _less_memory(enough: int) -> Remedy:
    say = "Give each case less memory, so that more of them run at a time."
    return Remedy(say=say, setting=table("resources", f"memory = {in_toml(enough)}"))


def _memory_evidence(group: Alike, enough: int) -> Iterator[str]:
    limit, peak = group["most_case_memory_mb"] * 1e6, group["most_most"]
    cases = count(round(group["recorded"]), "case")
    yield f"the largest of {cases} used {size(peak)} of the {size(limit)} that each may use"
    by_cores = group["most_cores"] // max(1.0, group["most_case_cores"])
    then = min(by_cores, group["most_memory_mb"] // enough)
    yield f"a node ran {group['most_slots']:.0f} cases at a time; it would run {then:.0f}"


OVER_MEMORY = Rule(
    id="over-requested-memory",
    title="Cases ask for more memory than they use, and so too few run at a time",
    severity=Severity.WASTE,
    rule=f"The memory limit of a case is more than {MEMORY_ROOM:g} times the largest peak of {LEAST_CASES} or more "
    "cases, none of which ran out of it, and it is what bounds the slots of the job.",
    remedy="Less `memory` in `[resources]`.",
    saves=(Part.CASES,),
    find=over_requested_memory,
)


# Minutes


def over_requested_minutes(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    asked, longest = pl.col("minutes") * 60, most_of_all("running_s")
    found = (
        (pl.col("queue") != "")
        & (pl.col("outcome") == "FINISHED")
        & (pl.col("running_s") > 0)
        & (asked >= MINUTES_ROOM * longest)
        & (asked - longest >= SPARE_MINUTES * 60)
        & (pl.col("queued_s") >= QUEUED_LEAST)
    )
    figures = {**most("running_s", "minutes", "longest_case_s"), "queued": pl.col("queued_s").median()}
    for group in alike(scene.jobs, found, "queued_s", **figures):
        enough = enough_minutes(group["most_running_s"])
        yield group.finding(
            OVER_MINUTES,
            evidence=[
                (
                    f"{count(group.count, 'job')} asked for {group['most_minutes']:g} min; the longest ran "
                    f"{duration(group['most_running_s'])}"
                ),
                f"they waited {duration(group['queued'])} in the queue (median)",
            ],
            cause="A scheduler fills gaps between large jobs with short ones, and goes by the minutes they ask for.",
            remedies=[_fewer_minutes(scene, group, enough)],
        )


def _fewer_minutes(scene: Scene, group: Alike, enough: int) -> Remedy:
    say = "Ask for the minutes that a job needs, and some to spare."
    if not group.weft:
        return Remedy(say=say, setting=job_setting(group, minutes=enough))
    least, longest, shorter = least_minutes(scene, group), group["most_longest_case_s"], ""
    if least > enough and longest:  # a job is never shorter than one case may be
        case = enough_minutes(longest)
        least = case + math.ceil(ENDS)
        shorter = table("resources", f"minutes = {case}") + "\n\n"
    return Remedy(say=say, setting=shorter + table(group.backend, f"minutes = {max(enough, least)}"))


OVER_MINUTES = Rule(
    id="over-requested-minutes",
    title="Jobs ask for many more minutes than they run",
    severity=Severity.NOTE,
    rule=f"A job that finished had asked for at least {MINUTES_ROOM:g} times as long as the longest such job ran, and "
    f"at least {SPARE_MINUTES:g} min more, and had waited at least {QUEUED_LEAST:g} s in the queue.",
    remedy="Fewer `minutes` in `[tapis]`.",
    find=over_requested_minutes,
)


def over_requested_case_minutes(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    study = scene.study
    if study is None or not study.resources.minutes or study.continues is not None:
        return
    minutes, longest = study.resources.minutes, most_of_all("longest_case_s")
    found = (
        of_cases(least=LEAST_CASES)
        & (pl.col("study") == study.name)
        & (pl.col("minutes") > 0)
        & (longest > 0)
        & (most_of_all("timed_out_cases") == 0)
        & (longest <= (minutes - SPARE_CASE_MINUTES) * 60)
        & (longest * CASE_MINUTES_ROOM <= minutes * 60)
    )
    for group in alike(scene.jobs, found, "longest_case_s", **sums("recorded"), **most("longest_case_s")):
        enough = enough_minutes(group["most_longest_case_s"])
        yield group.finding(
            OVER_CASE_MINUTES,
            evidence=[
                (
                    f"the longest of {count(round(group['recorded']), 'case')} took "
                    f"{duration(group['most_longest_case_s'])}; each may take {minutes:g} min"
                )
            ],
            cause="A case that hangs holds its slot until its limit, a job asks for no less than the limit of one "
            "case, and near its end no case is started that might not fit.",
            remedies=[
                Remedy(
                    say="Let a case take what it needs, and some to spare; one that needs more runs again with "
                    "twice the time.",
                    setting=table("resources", f"minutes = {enough}"),
                )
            ],
        )


OVER_CASE_MINUTES = Rule(
    id="over-requested-case-minutes",
    title="Cases may take much longer than any of them does",
    severity=Severity.NOTE,
    rule=f"The limit of minutes of a case is at least {CASE_MINUTES_ROOM:g} times what the longest of {LEAST_CASES} or "
    f"more cases took, in a job that has a limit itself, and at least {SPARE_CASE_MINUTES:g} min more; none timed out.",
    remedy="Fewer `minutes` in `[resources]`.",
    find=over_requested_case_minutes,
)


RULES: tuple[Rule, ...] = (OVER_MEMORY, OVER_MINUTES, OVER_CASE_MINUTES)
