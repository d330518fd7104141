"""Findings about waiting for the service: until it takes a job up, at quotas, set aside, until it notices. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core import waits
from weft.core.findings.alike import Alike, alike, most_at_once
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.figures import limit
from weft.core.findings.measures import column, whole
from weft.core.findings.remedies import as_a_study, fewer_jobs
from weft.core.findings.settings import table
from weft.core.jobtable import seconds_of
from weft.core.quantities import count, duration, share
from weft.model import Phase

if TYPE_CHECKING:
    import polars as pl

PENDING_S = 60.0
"""About 1 s is usual (recorded in May 2025 and August 2026)."""
PROCESSING_S = 30.0
"""1 to 6 s are usual (the same)."""
BLOCKED_S = 60.0
"""A blocked job is tested again no sooner. Source: recovery policies of Tapis Jobs 1.7.1 (October 2024)."""
PAUSED_S = 60.0
"""A shorter pause is not told of."""
LATE_S = 60.0
"""So much may have been noticed late…"""
LATE = 0.15
"""…and so large a part of a job's time, before it is told."""

_SEEN_LATE = ("queued_uncertain_s", "running_uncertain_s", "blocked_uncertain_s")
_TRANSFERS_LATE = ("inputs_unnoticed_s", "archive_unnoticed_s")


def long_pending(scene: Scene) -> Iterator[Finding]:
    """PENDING: submitted, and not taken up yet."""
    yield from _at_the_service(scene, PENDING, Phase.PENDING, PENDING_S, _NO_WORKER)


def long_processing_inputs(scene: Scene) -> Iterator[Finding]:
    """PROCESSING_INPUTS: the request is looked through, and directories are made."""
    yield from _at_the_service(scene, PROCESSING, Phase.PROCESSING_INPUTS, PROCESSING_S, _LOOKS)


_NO_WORKER = (
    "The service starts few jobs at a time and holds a worker for each until it ends: many at once wait."
)
_LOOKS = (
    "The service asks for the app, the systems and every input, and makes the job's directories: it was busy."
)


def _at_the_service(scene: Scene, rule: Rule, phase: Phase, least: float, cause: str) -> Iterator[Finding]:
    import polars as pl

    lost = column(seconds_of(phase.value))
    # In Slurm a job is PENDING while it may not start yet: that is the user's wish, or a rule of the site.
    found = (lost >= least) & (pl.col("backend") != "slurm")
    for group in alike(scene.jobs, found, lost, one=lost.median(), longest=lost.max()):
        usual = waits.phase(scene.normal, group.key, phase)
        longest = f", at most {duration(group['longest'])}" if group.count > 1 else ""
        yield group.finding(
            rule,
            evidence=(
                f"{duration(group['one'])} in {phase.value}{group.median}{longest}",
                f"usual are {duration(usual.likely)}, by {usual.basis}",
            ),
            cause=cause,
            remedies=(fewer_jobs(scene, group),),
        )


def blocked_by_quota(scene: Scene) -> Iterator[Finding]:
    """BLOCKED: more jobs at once than somebody allows."""
    lost = column("blocked_s")
    visits = column("visits_blocked").sum()
    for group in alike(
        scene.jobs, lost >= BLOCKED_S, lost, one=lost.median(), longest=lost.max(), visits=visits
    ):
        most = _at_once(scene, group)
        times = "once" if group["visits"] == 1 else f"{group['visits']:,.0f} times"
        held = f"{duration(group['lost'])} in all, at most {duration(group['longest'])}"
        facts = scene.queues.get((group.system, group.queue))
        taken = (facts and facts.submit) or 0
        there = f"queue {group.queue} takes {count(taken, 'job')} of a user at once" if taken else ""
        yield group.finding(
            BLOCKED,
            evidence=(
                f"{count(group.count, 'job')} BLOCKED {times}, {held}",
                f"{count(most, 'job')} of these at a time got past it",
                there,
            ),
            cause="App, system or queue take only so many jobs at once, of all your apps together. "
            f"A job that is one too many waits, and is tested again every {limit(BLOCKED_S)} at best.",
            remedies=_no_more_than(group, min(most, taken or most)),
            gain_s=BLOCKED_S / 2 * group["visits"],
            basis=f"half of the {limit(BLOCKED_S)} between two tests, for each time; a place was free before",
        )


def _no_more_than(group: Alike, most: int) -> tuple[Remedy, ...]:
    if not group.weft:
        return (as_a_study(group),)
    return (
        Remedy(
            say=f"Send no more than {count(most, 'job')} at once, with more cases each.",
            setting=table("tapis", f"jobs = {most}"),
        ),
        Remedy(say="See which jobs of yours hold the places.", command="weft profile --all --since 1d"),
    )


def _at_once(scene: Scene, group: Alike) -> int:
    """The most jobs of this queue that were past BLOCKED at one time; 1 at least."""
    import polars as pl

    here = scene.jobs.lazy().filter(
        pl.col("system").eq(group.system) & pl.col("queue").eq(group.queue) & (column("running_s") > 0)
    )
    # A quota counts jobs from STAGING_INPUTS on; a job is in BLOCKED before that.
    before = (Phase.PLANNED, Phase.UPLOADING, Phase.PENDING, Phase.PROCESSING_INPUTS, Phase.BLOCKED)
    begins = pl.col("start") + _sum(tuple(seconds_of(phase.value) for phase in before))
    return most_at_once(here, begins)


def paused(scene: Scene) -> Iterator[Finding]:
    """PAUSED: set aside by somebody."""
    lost = column("paused_s")
    for group in alike(scene.jobs, lost >= PAUSED_S, lost, one=lost.median()):
        look = Remedy(say="Ask the site's support who set it aside, with the job's id.")
        if group.weft:
            look = Remedy(
                say="See in the job's story when it was; then ask the site's support why.",
                command=f"weft explain{scene.place} {group.jobs[0]}",
            )
        yield group.finding(
            PAUSED,
            evidence=(f"{duration(group['one'])} in PAUSED{group.median}",),
            cause="An administrator, or the service itself, set the job aside; nothing in its request does that.",
            remedies=(look,),
        )


def noticed_late(scene: Scene) -> Iterator[Finding]:
    """What was over, and nobody knew yet."""
    late = _sum((*_SEEN_LATE, *_TRANSFERS_LATE))
    when = (late >= LATE_S) & (late >= LATE * whole()) & (whole() > 0)
    more = {
        "one": late.median(),
        "whole": whole().median(),
        "transfers": _sum(_TRANSFERS_LATE).median(),
        "ran": column("running_s").median(),
    }
    for group in alike(scene.jobs, when, late, **more):
        known, part = group["transfers"], share(group["one"] / group["whole"])
        passed = f"up to {duration(group['one'])} of {duration(group['whole'])} ({part})"
        yield group.finding(
            LATE_NOTICED,
            evidence=(
                f"{passed} passed unnoticed{group.median}",
                f"{duration(known)} of it after transfers that were over" if known else "",
                f"RUNNING took {duration(group['ran'])}, as the service saw it{group.median}",
            ),
            cause="The service looks at a job every 10 s in its first minute, then every minute, and every 3 min "
            "after 11 min; at a transfer every 30 s after 2 min. What ends between two looks waits for the next.",
            remedies=(fewer_jobs(scene, group),),
        )


def _sum(names: tuple[str, ...]) -> pl.Expr:
    import polars as pl

    return pl.sum_horizontal(*(column(name) for name in names))


_FEWER = "Fewer jobs with more cases each: `jobs` of `[tapis]`."

PENDING = Rule(
    id="long-pending",
    title="Long PENDING",
    severity=Severity.NOTE,
    rule=f"A job was PENDING for {limit(PENDING_S)} or more.",
    remedy=_FEWER,
    find=long_pending,
)
PROCESSING = Rule(
    id="long-processing-inputs",
    title="Long PROCESSING_INPUTS",
    severity=Severity.NOTE,
    rule=f"A job was in PROCESSING_INPUTS for {limit(PROCESSING_S)} or more.",
    remedy=_FEWER,
    find=long_processing_inputs,
)
BLOCKED = Rule(
    id="blocked-by-quota",
    title="BLOCKED by a quota",
    severity=Severity.WASTE,
    rule=f"A job was BLOCKED for {limit(BLOCKED_S)} or more.",
    remedy="Send no more jobs at once than the quota lets through, with more cases each: `jobs` of `[tapis]`.",
    saves=(Part.QUEUE,),
    find=blocked_by_quota,
)
PAUSED = Rule(
    id="paused",
    title="PAUSED",
    severity=Severity.NOTE,
    rule=f"A job was PAUSED for {limit(PAUSED_S)} or more.",
    remedy="`weft explain JOB` says when; the site's support knows why.",
    find=paused,
)
LATE_NOTICED = Rule(
    id="noticed-late",
    title="Noticed late",
    severity=Severity.NOTE,
    rule=f"Up to {limit(LATE_S)} or more of a job, and {share(LATE)} or more of its time, passed "
    "before the service noticed that a phase or a transfer was over.",
    remedy="Fewer, longer jobs: each has one end that must be noticed.",
    find=noticed_late,
)

RULES: tuple[Rule, ...] = (PENDING, PROCESSING, BLOCKED, PAUSED, LATE_NOTICED)
