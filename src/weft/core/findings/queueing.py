"""Findings about waiting in a queue, and what the request could do without to wait less, or to cost less. PURE.

What a job asked for is compared with what it used, and with the other queues of the system. How long another queue
makes jobs wait is known only from this user's own jobs there: without any, the gain is not told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, QueueFacts, Remedy, Rule, Scene, Severity
from weft.core.findings.figures import limit
from weft.core.findings.measures import column, computing
from weft.core.findings.remedies import job_setting, least_minutes
from weft.core.margins import enough_job_minutes
from weft.core.normal import Baseline
from weft.core.quantities import count, duration

if TYPE_CHECKING:
    import polars as pl

QUEUED_S = 600.0
"""Waiting for less is not told of."""
HALF = 0.5
"""Something asked for can be cut if less than this share of it was used."""


class Needed(Struct, frozen=True, kw_only=True):
    """What the largest of these jobs used, or asked for where nobody knows what it used."""

    minutes: float
    """To ask for: with room."""
    asked_minutes: float
    nodes: int
    asked_nodes: int
    cores: int
    """Of a node."""
    memory_mb: float
    """Of a node."""


class Choice(Struct, frozen=True, kw_only=True):
    """One way to ask for less, and what it gains."""

    remedy: Remedy
    evidence: str
    gain_s: float | None = None
    gain_su: float | None = None
    basis: str = ""


def long_queued(scene: Scene) -> Iterator[Finding]:
    """QUEUED for longer than the job then ran."""
    lost = column("queued_s")
    when = (lost >= QUEUED_S) & (lost >= column("running_s"))
    for group in alike(scene.jobs, when, lost, **_figures()):
        needed = _needed(scene, group)
        choices = [*_other_queues(scene, group, needed), *_shapes(group, needed)]
        best = choices[0] if choices else None
        yield group.finding(
            QUEUED,
            evidence=(
                *_waited(scene, group),
                _asked(group, needed),
                *(choice.evidence for choice in choices),
            ),
            cause="The machine was full, and what asks for more nodes or more time has to wait for a larger gap.",
            remedies=tuple(choice.remedy for choice in choices) or (_let_it_wait(scene, group),),
            gain_s=best.gain_s if best else None,
            gain_su=best.gain_su if best else None,
            basis=best.basis if best else "",
        )


def _figures() -> dict[str, pl.Expr]:
    import polars as pl

    busy = column("busy_s") * column("case_cores") / computing()
    memory = column("peak_memory_bytes") * column("slots") / 1e6
    ended_well = pl.col("outcome").eq("FINISHED")
    return {
        "queued": column("queued_s").median(),
        "running": column("running_s").median(),
        "longest": column("running_s").filter(ended_well).max(),
        "cut_off": pl.col("outcome").eq("TIMED_OUT").sum(),
        "minutes": column("minutes").max(),
        "nodes": column("nodes").max(),
        "cores": column("cores").max(),
        "memory": column("memory_mb").max(),
        "busy": busy.filter((column("busy_s") > 0) & (computing() > 0)).max(),
        "used_mb": memory.max(),
        "rate": column("rate").max(),
        "su": column("su").sum(),
    }


def _needed(scene: Scene, group: Alike) -> Needed:
    asked_minutes, nodes, cores = group["minutes"], max(1, round(group["nodes"])), round(group["cores"])
    minutes = asked_minutes
    if group["longest"] and not group["cut_off"]:
        minutes = max(enough_job_minutes(group["longest"]), least_minutes(scene, group))
        minutes = min(minutes, asked_minutes) if asked_minutes else minutes
    fewer = math.ceil(group["busy"] / cores) if group["busy"] and cores else nodes
    return Needed(
        minutes=minutes,
        asked_minutes=asked_minutes,
        nodes=min(nodes, max(1, fewer)),
        asked_nodes=nodes,
        cores=min(cores, math.ceil(group["busy"])) if group["busy"] else cores,
        memory_mb=group["used_mb"] or group["memory"],
    )


def _waited(scene: Scene, group: Alike) -> tuple[str, str]:
    queued, running = duration(group["queued"]), duration(group["running"])
    told = f"{queued} in QUEUED, {running} in RUNNING{group.median}"
    usual = scene.normal.of(*group.key, "queued_s")
    if usual is None:
        return told, ""
    there = f"{count(usual.count, 'job')} of yours in {group.queue or 'this queue'}"
    within = f"{duration(usual.median)}, nine of ten within {duration(usual.p90)}"
    return told, f"usual for {there}: {within}"


def _asked(group: Alike, needed: Needed) -> str:
    nodes = count(needed.asked_nodes, "node")
    asked = f"{nodes} of {group['cores']:.0f} cores" if group["cores"] else nodes
    minutes = f" for {limit(60 * needed.asked_minutes)}" if needed.asked_minutes else ""
    used = [f"ran at most {duration(group['longest'])}"] if group["longest"] else []
    used += [f"kept {group['busy']:,.0f} cores busy"] if group["busy"] else []
    return f"asked for {asked}{minutes}{'; ' if used else ''}{', '.join(used)}"


def _other_queues(scene: Scene, group: Alike, needed: Needed) -> Iterator[Choice]:
    """The queue that is likely to be the fastest of those that take the job as well, and cost no more."""
    found = []
    for facts in scene.queues.values():
        own = scene.normal.of(group.app, facts.system, facts.queue, "queued_s")
        if (facts.system, facts.queue) == (group.system, group.queue) or not _takes(facts, group, needed):
            continue
        if own.median < HALF * group["queued"] if own else _promises(scene, group, facts):
            found.append(
                (own.median if own else math.inf, facts.minutes or math.inf, facts.queue, facts, own)
            )
    if found:
        *_, facts, known = min(found, key=lambda one: one[:3])
        yield _in_queue(group, needed, facts, known)


def _promises(scene: Scene, group: Alike, facts: QueueFacts) -> bool:
    """Of a queue that nobody has tried: is it on the same system, and for shorter jobs, or much cheaper?"""
    here = scene.queues.get((group.system, group.queue))
    if facts.system != group.system or here is None:
        return False
    shorter = (facts.minutes or math.inf) < (here.minutes or math.inf)
    return shorter or (facts.rate or 0.0) < HALF * group["rate"]


def _takes(facts: QueueFacts, group: Alike, needed: Needed) -> bool:
    """Does the job, as it needs to be, fit into this queue, at no higher price?"""
    limits = (
        (needed.minutes, facts.minutes),
        (needed.nodes, facts.nodes),
        (needed.cores, facts.cores),
        (needed.memory_mb, facts.memory_mb),
    )
    fits = all(most is None or need <= most for need, most in limits)
    return (
        fits
        and bool(needed.minutes)
        and facts.rate is not None
        and facts.rate <= (group["rate"] or facts.rate)
    )


def _in_queue(group: Alike, needed: Needed, facts: QueueFacts, known: Baseline | None) -> Choice:
    asked: dict[str, str | float] = {"system": facts.system} if facts.system != group.system else {}
    asked |= {"queue": facts.queue, "minutes": round(needed.minutes)}
    asked |= {"nodes": needed.nodes} if needed.nodes < needed.asked_nodes else {}
    asked |= {"jobs": facts.run} if facts.run and facts.run < group.count else {}
    longest = f"up to {limit(60 * facts.minutes)}" if facts.minutes else "no limit of time"
    at_once = f", {count(facts.run, 'job')} at once" if facts.run else ""
    waits = f"; your jobs there wait {duration(known.median)}" if known else ""
    cheaper = facts.rate / group["rate"] if facts.rate is not None and group["rate"] else 1.0
    return Choice(
        remedy=Remedy(
            say=f"Send them to the queue {facts.queue} of {facts.system}, which takes jobs of this size.",
            setting=job_setting(group, **asked),
        ),
        evidence=f"queue {facts.queue}: {longest}{at_once}, {facts.rate:g} SU per node-hour (read {facts.seen}){waits}",
        gain_s=max(0.0, group["lost"] - known.median * group.count) if known else None,
        gain_su=group["su"] * (1 - cheaper * needed.nodes / needed.asked_nodes),
        basis=f"your {count(known.count, 'job')} in {facts.queue}" if known else f"rates read {facts.seen}",
    )


def _shapes(group: Alike, needed: Needed) -> Iterator[Choice]:
    """The same queue, with less of what was not used."""
    if 0 < needed.minutes < HALF * needed.asked_minutes:
        yield Choice(
            remedy=Remedy(
                say=f"Ask for {needed.minutes:.0f} min: short jobs fit into gaps before others, and cost no more.",
                setting=job_setting(group, minutes=round(needed.minutes)),
            ),
            evidence="",
        )
    if needed.nodes < needed.asked_nodes:
        yield Choice(
            remedy=Remedy(
                say=f"Ask for {needed.nodes:,} of the {needed.asked_nodes:,} nodes: no more were busy.",
                setting=job_setting(group, nodes=needed.nodes),
            ),
            evidence="",
            gain_su=group["su"] * (1 - needed.nodes / needed.asked_nodes),
            basis=group.own,
        )


def _let_it_wait(scene: Scene, group: Alike) -> Remedy:
    if not group.weft:
        return Remedy(say="Nothing of what was asked for can be cut by these figures: let it wait.")
    return Remedy(
        say="Nothing of what was asked for can be cut by these figures: let the jobs wait without you.",
        command=f"weft run{scene.place} --detach",
    )


QUEUED = Rule(
    id="long-queued",
    title="Long QUEUED for what it asks",
    severity=Severity.WASTE,
    rule=f"A job was QUEUED for {limit(QUEUED_S)} or more, and for no less than it was RUNNING.",
    remedy="A queue that takes such jobs sooner, or fewer `minutes` or `nodes` of `[tapis]`, as the figures allow.",
    saves=(Part.QUEUE,),
    find=long_queued,
)

RULES: tuple[Rule, ...] = (QUEUED,)
