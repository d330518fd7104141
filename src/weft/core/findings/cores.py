"""How cases use the cores they are given: too many cores, too many threads, or waiting. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core.findings.alike import Alike, alike, total
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.measures import (
    all_cores_busy,
    cores_used,
    measured,
    most,
    of_cases,
    saved,
    saved_su,
    slots_for,
    sums,
    with_slots,
)
from weft.core.findings.remedies import ON_THE_NODE, as_a_study, job_setting, study_of
from weft.core.findings.settings import env_with, launches_elsewhere, table, threads_of
from weft.core.margins import enough_cores
from weft.core.quantities import count, duration, share, size

LEAST_CASE_S = 600.0
"""Seconds of cases, all together, below which their CPU time says little."""
CORES_ROOM = 2.0
"""Cores above so many times those that were busy are too many."""
THREADS_ROOM = 1.5
"""A case that keeps so many times its cores busy has more threads than cores."""
BUSY_LEAST = 0.5
"""A case that keeps less of one core busy waits for something."""
ALL_BUSY = 0.8
"""Cores that are busy for so much of the time are all busy: a case that gets less than a core then waits for them."""
FOR_FILES = "They wait for files."
FOR_OTHERS = "They wait for something else than files: a licence, the network, a lock, or a sleep."
HEAVY_IO = 10e6
"""Bytes that a case reads and writes each second, above which it is taken to wait for them."""
MOST_SLOTS_MORE = 4
"""No more than so many times the slots are proposed for cases that wait."""


# Cores that nobody uses


def over_requested_cores(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    cores = pl.col("case_cores")
    found = (
        of_cases()
        & measured(LEAST_CASE_S)
        & (cores >= 2)
        & (cores >= CORES_ROOM * cores_used())
        & pl.lit(not launches_elsewhere(scene.study))
    )
    for group in alike(
        scene.jobs,
        found,
        pl.col("case_s") * cores - pl.col("cpu_s"),
        **sums("cpu_s", "case_s", "recorded"),
        **most("case_cores"),
        used=cores_used().max(),
    ):
        used = group["cpu_s"] / group["case_s"]
        asked, enough = int(group["most_case_cores"]), enough_cores(group["used"])
        shorter = saved(with_slots(slots_for(enough, pl.col("case_memory_mb"))))
        gain_s, gain_su = total(scene.jobs, found, group, shorter, saved_su(shorter))
        yield group.finding(
            OVER_CORES,
            evidence=[
                (
                    f"a case kept {used:.1f} of its {asked} cores busy: {duration(group['cpu_s'])} of CPU "
                    f"time in {duration(group['case_s'])} of {count(round(group['recorded']), 'case')}"
                )
            ],
            cause="A program uses several cores only if it is written for that; the others stand idle meanwhile.",
            remedies=[_fewer_cores(group, enough)],
            gain_s=gain_s,
            gain_su=gain_su,
        )


def _fewer_cores(group: Alike, enough: int) -> Remedy:
    if group.weft:
        say = "Give each case the cores that it uses; more cases then run at a time."
        return Remedy(say=say, setting=table("resources", f"cores = {enough}"))
    say = "Ask for the cores that it uses; where whole nodes are charged, run several such cases at a time."
    return Remedy(say=say, setting=job_setting(group, cores=enough), command="weft init")


OVER_CORES = Rule(
    id="over-requested-cores",
    title="Cases ask for more cores than they use",
    severity=Severity.WASTE,
    rule=f"Cases ask for at least 2 cores each and keep no more than one in {CORES_ROOM:g} of them busy, on average "
    f"over {LEAST_CASE_S:g} s of cases or more.",
    remedy="Fewer `cores` in `[resources]`.",
    saves=(Part.CASES,),
    find=over_requested_cores,
)


# Threads


def slots_over_cores(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    asked, there = pl.col("slots") * pl.col("case_cores"), pl.col("nodes") * pl.col("cores")
    spare = (pl.col("cpu_s") > 0) & ~all_cores_busy(ALL_BUSY)
    found = of_cases() & (pl.col("slots") > 1) & (there > 0) & (asked > there) & ~spare.fill_null(False)
    figures = {**most("slots", "case_cores", "longest_case_s"), "there": there.max()}
    for group in alike(scene.jobs, found, "cases_s", **figures):
        cores, each = int(group["there"]), int(group["most_case_cores"])
        yield group.finding(
            SLOTS_OVER,
            evidence=[
                f"{group['most_slots']:.0f} cases of {count(each, 'core')} ran at a time on {count(cores, 'core')}",
                f"the longest case took {duration(group['most_longest_case_s'])}",
            ],
            cause="More processes than cores take turns: each is slower, and may meet its time limit for it.",
            remedies=[
                Remedy(
                    say="Run as many cases at a time as there are cores for them.",
                    setting=table(group.backend, f"slots = {max(1, cores // each)}"),
                )
            ],
        )


SLOTS_OVER = Rule(
    id="slots-over-cores",
    title="More cases run at a time than there are cores for",
    severity=Severity.NOTE,
    rule="The slots of a job times the cores of a case are more than the cores of its nodes, and these were all busy "
    f"({share(ALL_BUSY)} of the time), as far as that is known: cases that wait may be more than the cores.",
    remedy="Fewer `slots` in `[tapis]` or `[local]`.",
    find=slots_over_cores,
)


def threads_over_cores(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    cores, threads = pl.col("case_cores"), pl.lit(threads_of(scene.study))
    busy = measured(LEAST_CASE_S) & (cores_used() > THREADS_ROOM * cores)
    told = (threads > cores) & (pl.col("slots") * threads > pl.col("nodes") * pl.col("cores"))
    told &= pl.col("study") == (scene.study.name if scene.study else "")
    found = of_cases() & (busy.fill_null(False) | told.fill_null(False))
    figures = {**most("case_cores", "slots", "cores"), "used": cores_used().fill_nan(0.0).max()}
    for group in alike(scene.jobs, found, pl.col("cpu_s") - pl.col("case_s") * cores, **figures):
        asked, used = int(group["most_case_cores"]), group["used"]
        yield group.finding(
            THREADS_OVER,
            evidence=_threads_evidence(scene, group, asked, used),
            cause="Threads that have no core of their own wait for one another; weft sets OMP_NUM_THREADS and its "
            "kin to the cores of a case, but a program may not ask it, or the study says otherwise.",
            remedies=_fewer_threads(scene, asked, used),
        )


def _threads_evidence(scene: Scene, group: Alike, asked: int, used: float) -> Iterator[str]:
    if used > THREADS_ROOM * asked:
        yield f"a case kept {used:.1f} cores busy, and had asked for {asked}"
    threads = threads_of(scene.study)
    if threads > asked:
        yield (
            f"[model] env gives each case {threads} threads; with {group['most_slots']:.0f} cases at a time these are "
            f"{group['most_slots'] * threads:,.0f} on {count(int(group['most_cores']), 'core')}"
        )


def _fewer_threads(scene: Scene, asked: int, used: float) -> list[Remedy]:
    fewer = Remedy(
        say="Give each case as many threads as it has cores.",
        setting=env_with(scene.study, OMP_NUM_THREADS=str(asked)),
    )
    more = Remedy(
        say="Or ask for the cores that a case uses; fewer cases then run at a time.",
        setting=table("resources", f"cores = {enough_cores(used)}"),
    )
    return [fewer, more] if used > THREADS_ROOM * asked else [fewer]


THREADS_OVER = Rule(
    id="threads-over-cores",
    title="Cases have more threads than cores",
    severity=Severity.NOTE,
    rule=f"Cases keep more than {THREADS_ROOM:g} times the cores busy that they asked for, on average over "
    f"{LEAST_CASE_S:g} s of cases or more; or `model.env` gives them more threads than cores, and with all slots "
    "these are more than the cores of the nodes.",
    remedy="`OMP_NUM_THREADS` in `model.env`, or more `cores` in `[resources]`.",
    find=threads_over_cores,
)


# Waiting


def cases_that_wait(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    elsewhere = launches_elsewhere(scene.study)
    waits = (cores_used() < BUSY_LEAST) & ~all_cores_busy(ALL_BUSY) & pl.lit(not elsewhere)
    found = of_cases() & measured(LEAST_CASE_S) & waits
    figures = {
        **sums("cpu_s", "case_s", "recorded", "read_bytes", "written_bytes"),
        **most("slots", "case_memory_mb", "memory_mb", "peak_memory_bytes"),
    }
    for group in alike(scene.jobs, found, pl.col("case_s") - pl.col("cpu_s"), **figures):
        cpu, wall = group["cpu_s"], group["case_s"]
        moved = group["read_bytes"] + group["written_bytes"]
        heavy = moved / wall >= HEAVY_IO
        slots = int(group["most_slots"])
        then = _slots_for_waiting(group, slots, cpu / wall)
        shorter = saved(with_slots(pl.lit(then)))
        more = not heavy and then > slots
        gain_s, gain_su = total(scene.jobs, found, group, shorter, saved_su(shorter)) if more else (0.0, 0.0)
        yield group.finding(
            CASES_WAIT,
            evidence=[
                (
                    f"cases kept {share(cpu / wall)} of a core busy: {duration(cpu)} of CPU time in "
                    f"{duration(wall)} of {count(round(group['recorded']), 'case')}"
                ),
                (
                    f"they read {size(group['read_bytes'])} and wrote "
                    f"{size(group['written_bytes'])}, {size(moved / wall)} a second each"
                ),
            ],
            cause=FOR_FILES if heavy else FOR_OTHERS,
            remedies=_wait_less(scene, group, heavy=heavy, slots=then),
            gain_s=gain_s,
            gain_su=gain_su,
        )


def _slots_for_waiting(group: Alike, slots: int, busy: float) -> int:
    """Slots with which cases that wait would fill the cores, as far as memory allows."""
    wanted = min(MOST_SLOTS_MORE * slots, int(slots / max(busy, 0.01)))
    limit, memory = group["most_case_memory_mb"], group["most_memory_mb"]
    peak = limit * 1e6 or group["most_peak_memory_bytes"]
    return max(1, min(wanted, int(memory * 1e6 // peak))) if memory and peak else slots


def _wait_less(scene: Scene, group: Alike, *, heavy: bool, slots: int) -> list[Remedy]:
    study = study_of(scene, group)
    if heavy and study is not None and study.model.workdir != "node":
        return [ON_THE_NODE]
    if heavy:
        return [Remedy(say="Read and write less, in larger pieces; record fewer nodes, or fewer steps.")]
    if not group.weft:
        return [as_a_study(group)]
    if slots <= group["most_slots"]:
        return [Remedy(say="See what a case waits for: run one by hand with `time`.")]
    say = "Let more cases run at a time than there are cores: what waits needs none."
    return [Remedy(say=say, setting=table(group.backend, f"slots = {slots}"))]


CASES_WAIT = Rule(
    id="cases-wait",
    title="Cases wait more than they compute",
    severity=Severity.WASTE,
    rule=f"Cases keep less than {share(BUSY_LEAST)} of one core busy, on average over {LEAST_CASE_S:g} s of "
    "cases or more, and not because all cores are busy. They are taken to wait for files if each reads and writes "
    f"{size(HEAVY_IO)} a second or more.",
    remedy='More `slots` than cores; or `workdir = "node"` where they wait for files.',
    saves=(Part.CASES,),
    find=cases_that_wait,
)


RULES: tuple[Rule, ...] = (OVER_CORES, SLOTS_OVER, THREADS_OVER, CASES_WAIT)
