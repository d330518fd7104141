"""Time and memory that did not suffice: of jobs and of their cases, by how much, and what would have. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, QueueFacts, Remedy, Rule, Scene, Severity
from weft.core.findings.measures import column, of_a_case, whole
from weft.core.findings.remedies import (
    ATTEMPTS,
    CHECKPOINT,
    MORE_TIME,
    RETRY,
    filled,
    job_setting,
    more_jobs,
    said_of_jobs,
    study_of,
)
from weft.core.findings.settings import table
from weft.core.margins import MEMORY_MARGIN, enough_job_minutes, in_toml, round_memory, round_minutes
from weft.core.packing import ENDS, GROWTH, MARGIN
from weft.core.quantities import count, duration, size
from weft.model import Outcome

if TYPE_CHECKING:
    import polars as pl

USABLE = 0.9
"""The share of a node's memory that cases can have."""


def told() -> pl.Expr:
    """Is this a job of which the rules of this module tell how it ended?"""
    import polars as pl

    return _timed_out() | (pl.col("outcome") == Outcome.OUT_OF_MEMORY.value)


def _timed_out() -> pl.Expr:
    """A deadline is none of its own time: more minutes would not help."""
    import polars as pl

    deadline = pl.col("word").fill_null("").str.contains(r"DEADLINE|\bDL\b")
    deadline |= pl.col("why").fill_null("").str.contains(r'remote status "?(?:DEADLINE|DL)\b')
    return (pl.col("outcome") == Outcome.TIMED_OUT.value) & ~deadline


# Time


def job_timed_out(scene: Scene) -> Iterator[Finding]:
    cases, recorded = column("cases"), column("recorded")
    rounds = ((cases - recorded) / column("slots").clip(1)).ceil()
    measured = (recorded > 0) & (column("longest_case_s") > 0)
    for group in alike(
        scene.jobs,
        _timed_out(),
        whole() * (1 - recorded / cases.clip(1)),
        asked=column("minutes").max(),
        ran=column("running_s").max(),
        cases=cases.sum(),
        left=(cases - recorded).sum(),
        more=(rounds * column("longest_case_s")).filter(measured).max(),
    ):
        minutes, how = _minutes(group, scene)
        asked = (
            f"{group['asked']:,.0f} min asked for" if group["asked"] else "it is not known what was asked for"
        )
        left = f"; {group['left']:,.0f} of {group['cases']:,.0f} cases were left" if group["cases"] else ""
        yield group.finding(
            JOB_TIMED_OUT,
            evidence=(
                f"{count(group.count, 'job')} ran for up to {duration(group['ran'])}, {asked}{left}",
                how,
            ),
            cause="What was in the job took longer than the time that it had asked for.",
            remedies=filled(_more_time(group, minutes, scene), scene, group),
            gain_s=group["lost"],
            basis="the time that these jobs took, less the share of their cases that had ended",
        )


def _minutes(group: Alike, scene: Scene) -> tuple[int, str]:
    """What such a job should ask for, 0 where nobody can tell, and what that rests on."""
    usual = scene.normal.of(*group.key, "running_s")
    if group["more"]:
        minutes = enough_job_minutes(group["ran"] + group["more"])
        how = f"what was left would have taken up to {duration(group['more'])} more, by its longest case"
    elif usual is not None and usual.p90 / 60 * MARGIN > group["asked"]:
        minutes = round_minutes(usual.p90 / 60 * MARGIN)
        how = f"nine of ten of your {usual.count:,} jobs like these ran for at most {duration(usual.p90)}"
    else:
        minutes = math.ceil(group["asked"] * GROWTH)
        how = (
            "by how much it was too short, nobody can tell: twice the time is a first try" if minutes else ""
        )
    return minutes, how


def _more_time(group: Alike, minutes: int, scene: Scene) -> Iterator[Remedy]:
    most = _queue(group, scene).minutes
    within = min(minutes, int(most)) if most else minutes
    if within > group["asked"]:
        yield Remedy(say=MORE_TIME.say, setting=job_setting(group, minutes=within))
    if most and minutes > most and group.weft:
        yield more_jobs(scene, group)
        yield CHECKPOINT
    elif most and minutes > most:
        yield Remedy(say=f"Put less into one job: queue {group.queue} gives {most:,.0f} min at most.")
    if group.weft:
        yield RETRY


def cases_timed_out(scene: Scene) -> Iterator[Finding]:
    out = column("timed_out_cases")
    for group in alike(
        scene.jobs,
        out > 0,
        out * column("longest_case_s") / column("slots").clip(1),
        out=out.sum(),
        recorded=column("recorded").sum(),
        longest=column("longest_case_s").max(),
    ):
        study = study_of(scene, group)
        limit = study.resources.minutes if study else None
        minutes = math.ceil((limit or group["longest"] / 60) * GROWTH)
        stood = f"their limit of {limit:g} min" if limit else "their limit of time"
        yield group.finding(
            CASES_TIMED_OUT,
            evidence=(
                (
                    f"{group['out']:,.0f} of {group['recorded']:,.0f} cases met {stood}; "
                    f"the longest run took {duration(group['longest'])}"
                ),
            ),
            cause="They needed more than `resources.minutes` gives a case, or never came to an end.",
            remedies=filled(_longer_cases(minutes, group, scene), scene, group),
            gain_s=group["lost"],
            basis="the time that these cases took, on the slots of their jobs",
        )


def _longer_cases(minutes: int, group: Alike, scene: Scene) -> Iterator[Remedy]:
    most, needed = _queue(group, scene).minutes, math.ceil(minutes + ENDS)
    fits = not most or needed <= most
    if not fits:
        yield CHECKPOINT
    elif minutes:
        # A study whose cases may take longer than its jobs fails its own check.
        job = said_of_jobs(scene, group).get("minutes") or needed
        longer = "\n\n" + table(group.backend, f"minutes = {needed}") if job < needed else ""
        yield Remedy(
            say=f"Give a case {GROWTH:g} times the time.",
            setting=table("resources", f"minutes = {minutes}") + longer,
        )
    yield ATTEMPTS
    if fits:
        yield CHECKPOINT
    yield RETRY


# Memory


def cases_out_of_memory(scene: Scene) -> Iterator[Finding]:
    oom = column("oom_cases")
    for group in alike(
        scene.jobs,
        oom > 0,
        oom * of_a_case(),
        oom=oom.sum(),
        recorded=column("recorded").sum(),
        limit=column("case_memory_mb").max() * 1e6,
        peak=column("peak_memory_bytes").max(),
        node=column("memory_mb").max() * 1e6,
        slots=column("slots").max(),
    ):
        needed = max(group["limit"] * GROWTH, group["peak"] * MEMORY_MARGIN)
        limit = f" of {size(group['limit'])}" if group["limit"] else ""
        peak = f"; the largest used {size(group['peak'])}" if group["peak"] else ""
        yield group.finding(
            CASES_OUT_OF_MEMORY,
            evidence=(
                f"{group['oom']:,.0f} of {group['recorded']:,.0f} cases met their limit{limit}{peak}",
                _on_the_node(group, needed),
            ),
            cause="They used more memory than `resources.memory` gives a case.",
            remedies=filled(_more_memory(group, needed, scene), scene, group),
            gain_s=group["lost"],
            basis="the mean time of a case for each of them, on the slots of their jobs",
        )


def _on_the_node(group: Alike, needed: float) -> str:
    if not (group["node"] and needed):
        return ""
    fit = int(group["node"] * USABLE / needed)
    return (
        f"with {size(needed)} each, {fit:,} at a time fit into a node of {size(group['node'])}, "
        f"where {group['slots']:,.0f} ran"
    )


def _more_memory(group: Alike, needed: float, scene: Scene) -> Iterator[Remedy]:
    fits = not group["node"] or needed <= group["node"] * USABLE
    if needed and fits:
        yield Remedy(
            say="Give a case more memory: no more run at a time than fit.",
            setting=_memory(needed),
        )
    else:
        yield _larger_nodes(group, scene)
    yield ATTEMPTS
    yield RETRY


def _memory(needed: float) -> str:
    return table("resources", f"memory = {in_toml(round_memory(needed))}")


def job_out_of_memory(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    for group in alike(
        scene.jobs,
        pl.col("outcome") == Outcome.OUT_OF_MEMORY.value,
        whole(),
        peak=column("peak_memory_bytes").max(),
        node=column("memory_mb").max() * 1e6,
        slots=column("slots").max(),
        cores=column("cores").max(),
        su=column("su").sum(),
    ):
        yield group.finding(
            JOB_OUT_OF_MEMORY,
            evidence=(
                (
                    f"{count(group.count, 'job')} ended for want of memory, "
                    f"after {duration(group['lost'] / group.count)} on average"
                ),
                _together(group),
            ),
            cause="All that ran on a node together used more memory than the job had there.",
            remedies=filled(_less_at_a_time(group, scene), scene, group),
            gain_s=group["lost"],
            gain_su=group["su"],
            basis="the time that these jobs took",
        )


def _together(group: Alike) -> str:
    together = group["slots"] * group["peak"]
    if not together:
        return ""
    cases = count(round(group["slots"]), "case")
    node = f", and a node has {size(group['node'])}" if group["node"] else ""
    return f"{cases} at a time of up to {size(group['peak'])} are {size(together)}{node}"


def _less_at_a_time(group: Alike, scene: Scene) -> Iterator[Remedy]:
    slots, needed = int(group["slots"]), group["peak"] * MEMORY_MARGIN
    fit = int(group["node"] * USABLE / needed) if needed and group["node"] else slots
    fewer = fit if 0 < fit < slots else slots // 2
    if group.weft and needed:
        yield Remedy(
            say="Say what a case needs: weft then runs no more at a time than fit.",
            setting=_memory(needed),
        )
    if group.weft and fewer:
        yield Remedy(say="Let fewer cases run at a time.", setting=table("tapis", f"slots = {fewer}"))
    if not group.weft and group["cores"] > 1:
        yield Remedy(
            say="Run fewer processes on each node.",
            setting=job_setting(group, cores=int(group["cores"]) // 2),
        )
    yield _larger_nodes(group, scene)
    if group.weft:
        yield RETRY


def _larger_nodes(group: Alike, scene: Scene) -> Remedy:
    """Another queue of the same system: the one whose nodes have the least memory above these, if one is known."""
    larger = [
        facts
        for (system, _), facts in scene.queues.items()
        if system == group.system and (facts.memory_mb or 0) * 1e6 > max(group["node"], 1.0)
    ]
    best = min(larger, key=lambda facts: facts.memory_mb or 0, default=None)
    if group.backend == "local":
        return Remedy(say="Have a case use less memory, or run it on a machine that has more.")
    if best is None:
        return Remedy(say="Take a queue whose nodes have more memory, or have a case use less.")
    return Remedy(
        say=f"Take queue {best.queue}, whose nodes have {size((best.memory_mb or 0) * 1e6)}.",
        setting=job_setting(group, queue=best.queue),
    )


def _queue(group: Alike, scene: Scene) -> QueueFacts:
    nothing = QueueFacts(system=group.system, queue=group.queue)
    return scene.queues.get((group.system, group.queue), nothing)


JOB_TIMED_OUT = Rule(
    id="job-timed-out",
    title="Jobs ran out of time",
    severity=Severity.FAILURE,
    rule="A job was ended when its time was over (not by a deadline of the scheduler).",
    remedy="More `minutes` of `[tapis]`; where the queue gives no more, more `jobs`, or `[continue]`.",
    lost=True,
    find=job_timed_out,
)
CASES_TIMED_OUT = Rule(
    id="cases-timed-out",
    title="Cases ran out of time",
    severity=Severity.FAILURE,
    rule="The runner ended cases at their limit of `resources.minutes`.",
    remedy="More `minutes` of `[resources]`, or `[retry]`, which doubles them.",
    lost=True,
    find=cases_timed_out,
)
CASES_OUT_OF_MEMORY = Rule(
    id="cases-out-of-memory",
    title="Cases ran out of memory",
    severity=Severity.FAILURE,
    rule="The runner ended cases at their limit of `resources.memory`.",
    remedy="More `memory` of `[resources]`, or `[retry]`, which doubles it.",
    lost=True,
    find=cases_out_of_memory,
)
JOB_OUT_OF_MEMORY = Rule(
    id="job-out-of-memory",
    title="Jobs ran out of memory",
    severity=Severity.FAILURE,
    rule="A job was ended as the memory of a node, or what it had asked for of it, was used up.",
    remedy="`memory` of `[resources]` says what a case needs; fewer `slots`, or larger nodes.",
    lost=True,
    find=job_out_of_memory,
)

RULES: tuple[Rule, ...] = (JOB_TIMED_OUT, CASES_TIMED_OUT, CASES_OUT_OF_MEMORY, JOB_OUT_OF_MEMORY)
