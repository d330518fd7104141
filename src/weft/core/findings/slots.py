"""How cases fill the nodes and slots of a job. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings import figures
from weft.core.findings.alike import (
    KEY,
    Alike,
    alike,
    as_study,
    jobs_at_a_time,
    of_cases,
    saved,
    saved_su,
    slots_for,
    study_of,
    with_slots,
)
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.jobsize import FILLED
from weft.core.findings.settings import table

if TYPE_CHECKING:
    import polars as pl

NODE_SHARE = 0.5
"""A job that asks for no more than so much of a node's cores leaves most of it empty."""
SEVERAL = 2
"""So many jobs that weft did not launch could share a node."""
IDLE = 0.2
"""Of the slots' time while cases ran; more is idle."""
IDLE_LEAST = 60.0
"""Seconds of cases below which idle slots cost nothing…"""
TAIL_LEAST = 120.0
"""…and seconds that an average slot is idle at the end, below which an uneven end does not."""
SHORT_CASE = 1.0
"""Seconds; to start such a case takes about as long as it runs."""
ONE_CASE = 0.5
"""A case that takes more than so much of the time of all of them is what they wait for."""


# Nodes


def empty_nodes(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    asked = pl.col("slots") * pl.col("case_cores")
    several = (pl.col("nodes") > 1) & (pl.col("slots") > 1) & (pl.col("backend") != "local")
    found = of_cases() & several & (asked <= pl.col("cores"))
    empty = pl.col("nodes") - 1
    for group in alike(scene.jobs, found, pl.col("running_s") * empty):
        nodes = int(group.max("nodes"))
        yield group.finding(
            EMPTY_NODES,
            evidence=[
                (
                    f"{figures.jobs(group.count)} had {nodes} nodes of {group.max('cores'):.0f} cores and ran "
                    f"{group.max('slots'):.0f} cases at a time: these fit on one"
                ),
                f"{figures.seconds(group.sum(pl.col('running_s') * empty))} of nodes stood empty",
            ],
            cause="The runner in Python runs cases on the first node of a job only.",
            remedies=[
                Remedy(
                    say="Ask for one node, and for more jobs at a time.",
                    setting=table(
                        group.backend, "nodes = 1", f"jobs = {jobs_at_a_time(scene, group) * nodes}"
                    ),
                )
            ],
            gain_su=group.sum(pl.col("su") * empty / pl.col("nodes")),
        )


EMPTY_NODES = Rule(
    id="empty-nodes",
    title="Nodes stand empty",
    severity=Severity.WASTE,
    rule="A job of cases has more than one node, and its slots, of which there are at least 2, fit on one. A single "
    "slot is left out: its case may use all nodes by itself.",
    remedy="`nodes = 1` in `[tapis]`, and more `jobs`.",
    find=empty_nodes,
)


def node_hardly_used(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    jobs = _with_nodes(scene)
    cores, node = pl.col("cores"), pl.col("node_cores")
    little = (cores > 0) & (cores <= NODE_SHARE * node) & (pl.col("nodes") == 1)
    more_to_run = of_cases() & (pl.col("study") != "") & (pl.col("cases") > pl.col("slots"))
    several = (pl.col("study") == "") & (pl.len().over(*KEY) >= SEVERAL)
    found = little & (pl.col("running_s") > 0) & (more_to_run | several)
    more = ["node_cores", "node_memory_mb", "node_rate"]
    for group in alike(jobs, found, "running_s", more=more):
        yield _node_finding(group)


def _with_nodes(scene: Scene) -> pl.DataFrame:
    """The jobs, with what a node of their queue has; null where that is not known."""
    import polars as pl

    schema = {
        "system": pl.String(),
        "queue": pl.String(),
        "node_cores": pl.Int64(),
        "node_memory_mb": pl.Int64(),
        "node_rate": pl.Float64(),
    }
    rows = [
        (*key, queue.cores, queue.memory_mb, queue.rate) for key, queue in scene.queues.items() if queue.cores
    ]
    nodes = pl.DataFrame(rows, schema=schema, orient="row")
    return scene.jobs.join(nodes, on=["system", "queue"], how="left", maintain_order="left")


def _node_finding(group: Alike) -> Finding:
    import polars as pl

    asked, node = int(group.max("cores")), int(group.max("node_cores"))
    evidence = [
        (
            f"{figures.jobs(group.count)} asked for {asked} of the {node} cores of a node, and ran "
            f"{figures.seconds(group.sum('running_s'))} all together"
        )
    ]
    cause = "The site charges whole nodes, however few of their cores a job asks for."
    if not group.study:
        return group.finding(
            NODE_HARDLY_USED,
            evidence=evidence,
            cause=cause,
            remedies=[as_study(group, f"{node // asked} of them run at a time on one node")],
            gain_su=_shared_node(group, node // asked),
        )
    each = pl.col("case_cores"), pl.col("case_memory_mb")
    shorter = saved(with_slots(slots_for(*each, "node_cores", "node_memory_mb")))
    return group.finding(
        NODE_HARDLY_USED,
        evidence=evidence,
        cause=cause,
        remedies=[
            Remedy(
                say="Ask for the whole node, so that more cases run at a time.",
                setting=table(group.backend, f"cores = {node}"),
            )
        ],
        gain_s=group.sum(shorter),
        gain_su=group.sum(saved_su(shorter)),
    )


def _shared_node(group: Alike, fit: int) -> float:
    """SU saved if jobs share a node, so many of them at a time."""
    import polars as pl

    hours = pl.max_horizontal("running_s", pl.col("least_minutes").fill_null(0.0) * 60) / 3600
    su = pl.coalesce("su", hours * pl.col("nodes") * pl.coalesce("rate", "node_rate"))
    return group.sum(su) * (1 - 1 / min(group.count, fit))


NODE_HARDLY_USED = Rule(
    id="node-hardly-used",
    title="Jobs ask for a small part of a node that is charged whole",
    severity=Severity.WASTE,
    rule=f"A job asks for no more than {figures.share(NODE_SHARE)} of the cores of a node, as the site's facts have "
    "it, though its study had more cases than slots; or there are several such jobs that weft did not launch.",
    remedy="All `cores` of a node in `[tapis]`.",
    find=node_hardly_used,
)


# Slots


def idle_slots(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    idle = pl.col("idle_s") - pl.col("tail_s")
    there = pl.col("slots") * pl.col("cases_s")
    found = of_cases() & ~pl.col("open") & (pl.col("cases_s") >= IDLE_LEAST) & (idle > IDLE * there)
    for group in alike(scene.jobs, found, idle):
        case = group.sum("case_s") / max(1.0, group.sum("recorded"))
        shorter = idle / pl.col("slots")
        yield group.finding(
            IDLE_SLOTS,
            evidence=[
                (
                    f"slots were idle for {figures.share(group.sum(idle) / group.sum(there))} of "
                    f"{figures.seconds(group.median('cases_s'))} of cases, though there were cases to run"
                ),
                (
                    f"{figures.cases(group.sum('recorded'))} took {figures.seconds(case)} each, and left "
                    f"{figures.files(group.sum('files_written'))}"
                ),
            ],
            cause=STARTS_ARE_SLOW if case < SHORT_CASE else ENDS_ARE_SLOW,
            remedies=_start_faster(scene, group, case),
            gain_s=group.sum(shorter),
            gain_su=group.sum(saved_su(shorter)),
        )


def _start_faster(scene: Scene, group: Alike, case: float) -> Iterator[Remedy]:
    study = study_of(scene, group)
    if study is not None and study.model.workdir != "node":
        yield Remedy(say="Run cases on the node's own disk.", setting=table("model", 'workdir = "node"'))
    if case < SHORT_CASE:
        yield Remedy(
            say="Let one case compute several points: a loop in the model over values that now are parameters."
        )
    else:
        yield Remedy(say="Write fewer files in each case, and keep fewer of them: `output.keep`.")


IDLE_SLOTS = Rule(
    id="idle-slots",
    title="Slots are idle although cases wait",
    severity=Severity.WASTE,
    rule=f"While cases ran, for {IDLE_LEAST:g} s or more, slots were idle for more than {figures.share(IDLE)} of "
    "their time; what comes after a slot's last case does not count.",
    remedy='Several points in one case; `workdir = "node"`; fewer files.',
    find=idle_slots,
)


def uneven_end(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    there = pl.col("slots") * pl.col("cases_s")
    found = (
        of_cases()
        & (pl.col("kind") == "cases")
        & ~pl.col("open")
        & (pl.col("cases") > FILLED * pl.col("slots"))
        & (pl.col("tail_s") > IDLE * there)
        & (pl.col("tail_s") >= TAIL_LEAST * pl.col("slots"))
    )
    for group in alike(scene.jobs, found, "tail_s"):
        tail = pl.col("tail_s") / pl.col("slots")
        one = group.max("longest_case_s") > ONE_CASE * group.median("cases_s")
        even = saved(pl.max_horizontal("longest_case_s", pl.col("busy_s") / pl.col("slots")))
        yield group.finding(
            UNEVEN_END,
            evidence=[
                (
                    f"the last cases ran {figures.seconds(group.median(tail))} longer than an average slot had work "
                    f"(median of {figures.jobs(group.count)}): {figures.share(group.sum('tail_s') / group.sum(there))} "
                    "of the slots' time"
                ),
                (
                    f"the longest case took {figures.seconds(group.max('longest_case_s'))}; all cases of a job, "
                    f"{figures.seconds(group.median('cases_s'))} (median)"
                ),
            ],
            cause=ONE_IS_LONG if one else LATE_ARE_LONG,
            remedies=_even_end(scene, group, one=one),
            gain_s=None if one else group.sum(even),
            gain_su=None if one else group.sum(saved_su(even)),
        )


STARTS_ARE_SLOW = "To start a case takes about as long as it runs."
ENDS_ARE_SLOW = (
    "Cases end faster than what they leave can be put away, or than directories can be made for others."
)
ONE_IS_LONG = "One long case is what the others wait for."
LATE_ARE_LONG = """Long cases began late: weft starts those first that it knows to be long, by an earlier run, and the \
others in their order in the study."""


def _even_end(scene: Scene, group: Alike, *, one: bool) -> Iterator[Remedy]:
    jobs = jobs_at_a_time(scene, group)
    more = "Put more cases into one job, so that there is work beside the long ones."
    order = Remedy(say="List the values first with which cases take long: these then start first.")
    if not one:
        yield order
    if group.backend != "local" and group.count > 1 and jobs > 1:
        yield Remedy(say=more, setting=table(group.backend, f"jobs = {math.ceil(jobs / 2)}"))
    if one:
        yield Remedy(
            say="Split the longest cases, or give them a study of their own, with more cores for each of them."
        )
        yield order


UNEVEN_END = Rule(
    id="uneven-end",
    title="Slots wait for the last cases of a job",
    severity=Severity.WASTE,
    rule=f"After their last cases, slots were idle for more than {figures.share(IDLE)} of the time in which cases ran, "
    f"and for {TAIL_LEAST:g} s or more on average.",
    remedy="Long cases first, and more cases in each job: fewer `jobs` in `[tapis]`.",
    find=uneven_end,
)


RULES: tuple[Rule, ...] = (EMPTY_NODES, NODE_HARDLY_USED, IDLE_SLOTS, UNEVEN_END)
