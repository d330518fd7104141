"""How cases fill the nodes and slots of a job. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.jobsize import FILLED
from weft.core.findings.measures import KEY, most, of_cases, saved, saved_su, slots_for, sums, with_slots
from weft.core.findings.remedies import ON_THE_NODE, as_a_study, jobs_at_a_time, study_of
from weft.core.findings.settings import table
from weft.core.quantities import count, duration, share

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
    figures = {
        **most("nodes", "cores", "slots"),
        "empty_s": (pl.col("running_s") * empty).sum(),
        "empty_su": (pl.col("su") * empty / pl.col("nodes")).sum(),
    }
    for group in alike(scene.jobs, found, pl.col("running_s") * empty, **figures):
        nodes = int(group["most_nodes"])
        yield group.finding(
            EMPTY_NODES,
            evidence=[
                (
                    f"{count(group.count, 'job')} had {nodes} nodes of {group['most_cores']:.0f} cores and ran "
                    f"{group['most_slots']:.0f} cases at a time: these fit on one"
                ),
                f"{duration(group['empty_s'])} of nodes stood empty",
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
            gain_su=group["empty_su"],
        )


EMPTY_NODES = Rule(
    id="empty-nodes",
    title="Nodes stand empty",
    severity=Severity.WASTE,
    rule="A job of cases has more than one node, and its slots, of which there are at least 2, fit on one. A single "
    "slot is left out: its case may use all nodes by itself.",
    remedy="`nodes = 1` in `[tapis]`, and more `jobs`.",
    saves=(Part.CASES,),
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
    each = pl.col("case_cores"), pl.col("case_memory_mb")
    shorter = saved(with_slots(slots_for(*each, "node_cores", "node_memory_mb")))
    figures = {**sums("running_s"), **most("cores", "node_cores"), "su": _charged().sum()}
    figures |= {"shorter": shorter.sum(), "shorter_su": saved_su(shorter).sum()}
    for group in alike(jobs, found, "running_s", **figures):
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
    asked, node = int(group["most_cores"]), int(group["most_node_cores"])
    evidence = [
        (
            f"{count(group.count, 'job')} asked for {asked} of the {node} cores of a node, and ran "
            f"{duration(group['running_s'])} all together"
        )
    ]
    cause = "The site charges whole nodes, however few of their cores a job asks for."
    if not group.weft:
        return group.finding(
            NODE_HARDLY_USED,
            evidence=[*evidence, f"{node // asked:,} of them fit on a node at a time"],
            cause=cause,
            remedies=[as_a_study(group)],
            gain_su=group["su"] * (1 - 1 / min(group.count, node // asked)),
        )
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
        gain_s=group["shorter"],
        gain_su=group["shorter_su"],
    )


def _charged() -> pl.Expr:
    """SU of a job, by the site's facts where it does not say itself."""
    import polars as pl

    hours = pl.max_horizontal("running_s", pl.col("least_minutes").fill_null(0.0) * 60) / 3600
    return pl.coalesce("su", hours * pl.col("nodes") * pl.coalesce("rate", "node_rate"))


NODE_HARDLY_USED = Rule(
    id="node-hardly-used",
    title="Jobs ask for a small part of a node that is charged whole",
    severity=Severity.WASTE,
    rule=f"A job asks for no more than {share(NODE_SHARE)} of the cores of a node, as the site's facts have "
    "it, though its study had more cases than slots; or there are several such jobs that weft did not launch.",
    remedy="All `cores` of a node in `[tapis]`.",
    saves=(Part.CASES,),
    find=node_hardly_used,
)


# Slots


def idle_slots(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    idle = pl.col("idle_s") - pl.col("tail_s")
    there = pl.col("slots") * pl.col("cases_s")
    found = (
        of_cases() & ~pl.col("open") & (pl.col("cases_s") >= IDLE_LEAST) & (there > 0) & (idle > IDLE * there)
    )
    figures = {
        **sums("case_s", "recorded", "files_written"),
        "idle": idle.sum(),
        "there": there.sum(),
        "cases_s": pl.col("cases_s").median(),
        "shorter": (idle / pl.col("slots")).sum(),
        "su": saved_su(idle / pl.col("slots")).sum(),
    }
    for group in alike(scene.jobs, found, idle, **figures):
        case = group["case_s"] / max(1.0, group["recorded"])
        yield group.finding(
            IDLE_SLOTS,
            evidence=[
                (
                    f"slots were idle for {share(group['idle'] / group['there'])} of "
                    f"{duration(group['cases_s'])} of cases, though there were cases to run"
                ),
                (
                    f"{count(round(group['recorded']), 'case')} took {duration(case)} each, and left "
                    f"{count(round(group['files_written']), 'file')}"
                ),
            ],
            cause=STARTS_ARE_SLOW if case < SHORT_CASE else ENDS_ARE_SLOW,
            remedies=_start_faster(scene, group, case),
            gain_s=group["shorter"],
            gain_su=group["su"],
        )


def _start_faster(scene: Scene, group: Alike, case: float) -> Iterator[Remedy]:
    study = study_of(scene, group)
    if study is not None and study.model.workdir != "node":
        yield ON_THE_NODE
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
    rule=f"While cases ran, for {IDLE_LEAST:g} s or more, slots were idle for more than {share(IDLE)} of "
    "their time; what comes after a slot's last case does not count.",
    remedy='Several points in one case; `workdir = "node"`; fewer files.',
    saves=(Part.CASES,),
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
        & (there > 0)
        & (pl.col("tail_s") > IDLE * there)
        & (pl.col("tail_s") >= TAIL_LEAST * pl.col("slots"))
    )
    even = saved(pl.max_horizontal("longest_case_s", pl.col("busy_s") / pl.col("slots")))
    figures = {
        **sums("tail_s"),
        **most("longest_case_s"),
        "cases_s": pl.col("cases_s").median(),
        "tail": (pl.col("tail_s") / pl.col("slots")).median(),
        "there": there.sum(),
        "even": even.sum(),
        "su": saved_su(even).sum(),
    }
    for group in alike(scene.jobs, found, "tail_s", **figures):
        one = group["most_longest_case_s"] > ONE_CASE * group["cases_s"]
        yield group.finding(
            UNEVEN_END,
            evidence=_uneven_evidence(group),
            cause=ONE_IS_LONG if one else LATE_ARE_LONG,
            remedies=_even_end(scene, group, one=one),
            gain_s=None if one else group["even"],
            gain_su=None if one else group["su"],
        )


def _uneven_evidence(group: Alike) -> Iterator[str]:
    part = share(group["tail_s"] / group["there"])
    yield (
        f"the last cases ran {duration(group['tail'])} longer than an average slot had work{group.median}: "
        f"{part} of the slots' time"
    )
    longest, whole = duration(group["most_longest_case_s"]), duration(group["cases_s"])
    yield f"the longest case took {longest}; all cases of a job, {whole}{group.median}"


STARTS_ARE_SLOW = "To start a case takes about as long as it runs."
ENDS_ARE_SLOW = (
    "Cases end faster than what they leave can be put away, or than directories can be made for others."
)
ONE_IS_LONG = "One long case is what the others wait for."
LATE_ARE_LONG = (
    "Long cases began late: weft starts those first that it knows to be long, by an earlier run, and the others in "
    "their order in the study."
)


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
    rule=f"After their last cases, slots were idle for more than {share(IDLE)} of the time in which cases ran, "
    f"and for {TAIL_LEAST:g} s or more on average.",
    remedy="Long cases first, and more cases in each job: fewer `jobs` in `[tapis]`.",
    saves=(Part.CASES,),
    find=uneven_end,
)


RULES: tuple[Rule, ...] = (EMPTY_NODES, NODE_HARDLY_USED, IDLE_SLOTS, UNEVEN_END)
