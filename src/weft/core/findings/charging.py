"""Findings about what jobs cost besides their cases: the least charge, and time in which no case could run. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, Rule, Scene, Severity
from weft.core.findings.figures import limit, su
from weft.core.findings.measures import column, computing
from weft.core.findings.remedies import fewer_jobs, full_jobs
from weft.core.quantities import count, duration, share

if TYPE_CHECKING:
    import polars as pl

SHORT = 3
"""From so many jobs on that were shorter than the least charge, it is told."""
WASTED = 0.25
"""So large a part of what they were charged must be saved by packing them."""
OVERHEAD = 0.5
"""So large a part of the jobs' time without a case, that it is told."""
OVERHEAD_S = 60.0
"""A job that loses less than this is none of them: on this machine jobs are short, and cost nothing besides."""
COMPUTE_S = 900.0
"""A job through Tapis should compute for so long, that its fixed 100 to 200 s do not count. Source: two recorded jobs
of DesignSafe (May 2025, August 2026)."""


def least_charge_wasted(scene: Scene) -> Iterator[Finding]:
    """Jobs that end before the time that is charged for at least."""
    import polars as pl

    ran, least = column("running_s"), column("least_minutes") * 60
    price = column("nodes") * column("rate") / 3600
    when = pl.col("open").eq(False) & (ran > 0) & (ran < least) & (price > 0)
    unused = (least - ran) * price
    sums = {
        "one": ran.median(),
        "least": least.max(),
        "charged": (least * price).sum(),
        "used": (ran * price).sum(),
        "once": (least * price).max(),
    }
    for group in alike(scene.jobs, when, unused, **sums):
        packed = max(group["used"], group["once"])
        saved = group["charged"] - packed
        if group.count < SHORT or saved < WASTED * group["charged"]:
            continue
        short = f"{count(group.count, 'job')} of {duration(group['one'])}"
        yield group.finding(
            LEAST_CHARGE,
            evidence=(
                f"{short} were charged {limit(group['least'])} each: {su(group['charged'])}",
                f"the time that they ran is worth {su(group['used'])}",
            ),
            cause=f"A job is charged for {limit(group['least'])} at least, however short it is.",
            remedies=(fewer_jobs(scene, group),),
            gain_su=saved,
            basis=f"one after the other in one job they cost {su(packed)}; {group.own}",
        )


def mostly_overhead(scene: Scene) -> Iterator[Finding]:
    """Jobs whose time went into everything but cases."""
    whole, compute = _at_work(), computing()
    lost = whole - compute
    when = (lost >= OVERHEAD_S) & (lost >= OVERHEAD * whole) & (compute < COMPUTE_S) & (compute > 0)
    sums = {
        "whole": whole.sum(),
        "compute": compute.median(),
        "one": lost.median(),
        "cases": column("cases").median(),
    }
    for group in alike(scene.jobs, when, lost, **sums):
        kept = full_jobs(group.count, group.computing_s)
        part = share(group["lost"] / group["whole"])
        yield group.finding(
            MOSTLY_OVERHEAD,
            evidence=(
                f"no case could run for {part} of the time, {duration(group['one'])} of a job{group.median}",
                f"{duration(group['compute'])} of computing{_cases(group)}{group.median}",
            ),
            cause="Staging, starting and archiving take the service minutes for each job, whatever is in it.",
            remedies=(fewer_jobs(scene, group),),
            gain_s=group["lost"] * (group.count - kept) / group.count,
            basis=f"{count(kept, 'job')} instead of {group.count:,}; {group.own}",
        )


def _cases(group: Alike) -> str:
    number = math.ceil(group["cases"])
    return f", {count(number, 'case')}" if number else ""


def _at_work() -> pl.Expr:
    """Seconds of a job in all phases in which it did not wait for its turn."""
    import polars as pl

    from weft.core.jobtable import PHASES, seconds_of
    from weft.model import Phase

    waiting = (Phase.QUEUED, Phase.BLOCKED, Phase.PAUSED)
    return pl.sum_horizontal(*(column(seconds_of(phase.value)) for phase in PHASES if phase not in waiting))


LEAST_CHARGE = Rule(
    id="least-charge-wasted",
    title="The least charge wasted",
    severity=Severity.WASTE,
    rule=f"{SHORT} jobs or more ended before the time that is charged for at least, and one after the other in one job "
    f"they would cost at least {share(WASTED)} less.",
    remedy="Fewer jobs with more cases each: `jobs` of `[tapis]`.",
    find=least_charge_wasted,
)
MOSTLY_OVERHEAD = Rule(
    id="mostly-overhead",
    title="Jobs are mostly overhead",
    severity=Severity.WASTE,
    rule=f"No case could run for {share(OVERHEAD)} or more of a job's time (waiting in queues not counted), "
    f"which is {limit(OVERHEAD_S)} or more, and it computed for less than {limit(COMPUTE_S)}.",
    remedy="More cases in each job: `jobs` of `[tapis]`.",
    saves=(Part.INPUTS, Part.APP, Part.SETUP, Part.ARCHIVE),
    find=mostly_overhead,
)

RULES: tuple[Rule, ...] = (LEAST_CHARGE, MOSTLY_OVERHEAD)
