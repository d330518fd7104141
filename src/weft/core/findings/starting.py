"""Findings about what comes between staged inputs and the first case: the app, unpacking, set-up. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core import waits
from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.figures import limit
from weft.core.findings.measures import column
from weft.core.findings.remedies import ON_THE_NODE, SHARED, VENV, fewer_jobs, filled
from weft.core.normal import Normal
from weft.core.quantities import duration, share
from weft.model import Phase

if TYPE_CHECKING:
    import polars as pl

STAGING_JOB_S = 90.0
"""Twice what is usual at TACC: 22 and 42 s were recorded (May 2025, August 2026)."""
ALWAYS = 0.5
"""If so large a share of an app's jobs is slow in STAGING_JOB, it is the app's doing."""
UNPACK_S = 30.0
"""Unpacking a bundle for less is not told of; a thousand small files take a second."""
SETUP_S = 60.0
"""Set-up for less is not told of."""
SETUP_LEFT_S = 5.0
"""What a set-up still takes that only activates what is there."""


def app_slow_to_stage(scene: Scene) -> Iterator[Finding]:
    """STAGING_JOB that is long for most jobs of an app."""
    yield from _staging_job(scene, APP_SLOW, most=True)


def staging_job_slow_at_times(scene: Scene) -> Iterator[Finding]:
    """STAGING_JOB that is long for some jobs of an app, and not for others."""
    yield from _staging_job(scene, SLOW_AT_TIMES, most=False)


def _staging_job(scene: Scene, rule: Rule, *, most: bool) -> Iterator[Finding]:
    import polars as pl

    lost = column("staging_job_s")
    slow = lost >= STAGING_JOB_S
    jobs = scene.jobs.with_columns(always=(slow.sum() / (lost > 0).sum()).over("app", "system") >= ALWAYS)
    for group in alike(jobs, slow & (pl.col("always") == most), lost, one=lost.median(), all=lost.sum()):
        # What is usual for an app that is always slow is no measure of what it could be.
        usual = waits.phase(Normal() if most else scene.normal, group.key, Phase.STAGING_JOB)
        yield group.finding(
            rule,
            evidence=(
                f"{duration(group['one'])} in STAGING_JOB{group.median}",
                f"usual are {duration(usual.likely)}, by {usual.basis}",
            ),
            cause=_APP if most else _BUSY,
            remedies=(*([_smaller_app(group)] if most else []), fewer_jobs(scene, group)),
            gain_s=max(0.0, group["all"] - group.count * usual.likely) if most else None,
            basis=usual.basis,
        )


_APP = "The service brings the app's archive or container image to the system and unpacks it there, for each job anew."
_BUSY = (
    "It is not the app, which is staged faster at other times: the service, or the system's disks, were busy."
)


def _smaller_app(group: Alike) -> Remedy:
    return Remedy(
        say="If the app is yours, let it name an image that lies on the system, not one that is brought there.",
        setting=f'"containerImage": "/work2/NUMBER/USER/{group.app or "APP"}.zip"',
        command=f"weft app show {group.app}" if group.app else "",
    )


def slow_unpack(scene: Scene) -> Iterator[Finding]:
    """The runner's UNPACK."""
    lost = column("unpack_s")
    for group in alike(scene.jobs, lost >= UNPACK_S, lost, **_runner_span("unpack_s")):
        yield group.finding(
            SLOW_UNPACK,
            evidence=(_of_running(group, "unpacking"),),
            cause="Every job unpacks all of model.inputs onto the node before its first case starts, and slots wait.",
            remedies=(
                SHARED,
                ON_THE_NODE,
            ),
            gain_s=group["all"],
            gain_su=group["su"],
            basis=group.own,
        )


def slow_setup(scene: Scene) -> Iterator[Finding]:
    """The runner's SETUP."""
    lost = column("setup_s")
    for group in alike(scene.jobs, lost >= SETUP_S, lost, **_runner_span("setup_s")):
        left = 1 - SETUP_LEFT_S * group.count / group["all"]
        yield group.finding(
            SLOW_SETUP,
            evidence=(_of_running(group, "set-up"),),
            cause="The lines of model.setup run in every job before its first case, and all slots of the node wait.",
            remedies=filled((VENV, fewer_jobs(scene, group)), scene, group),
            gain_s=group["all"] * left,
            gain_su=group["su"] * left,
            basis=f"{group.own}; to activate takes {limit(SETUP_LEFT_S)}",
        )


def _runner_span(name: str) -> dict[str, pl.Expr]:
    """The figures of a group about one of the runner's spans; what it cost counts only above the least charge."""
    import polars as pl

    above = pl.min_horizontal(column(name), column("running_s") - 60 * column("least_minutes")).clip(0)
    return {
        "one": column(name).median(),
        "all": column(name).sum(),
        "running": column("running_s").median(),
        "su": (above / 3600 * column("nodes") * column("rate")).sum(),
    }


def _of_running(group: Alike, what: str) -> str:
    running = duration(group["running"])
    return f"{duration(group['one'])} of {running} in RUNNING were {what}{group.median}"


APP_SLOW = Rule(
    id="app-slow-to-stage",
    title="The app is slow to stage",
    severity=Severity.WASTE,
    rule=f"STAGING_JOB took {limit(STAGING_JOB_S)} or more in {share(ALWAYS)} or more of "
    "the app's jobs on the system.",
    remedy="A smaller archive, or an image that lies on the system; fewer jobs with more cases each.",
    saves=(Part.APP,),
    find=app_slow_to_stage,
)
SLOW_AT_TIMES = Rule(
    id="staging-job-slow-at-times",
    title="STAGING_JOB slow at times",
    severity=Severity.NOTE,
    rule=f"STAGING_JOB took {limit(STAGING_JOB_S)} or more in fewer than {share(ALWAYS)} of "
    "the app's jobs on the system.",
    remedy="Fewer jobs with more cases each; nothing else can be done about a busy service.",
    find=staging_job_slow_at_times,
)
SLOW_UNPACK = Rule(
    id="slow-unpack",
    title="Slow unpacking",
    severity=Severity.WASTE,
    rule=f"The runner unpacked its bundle for {limit(UNPACK_S)} or more.",
    remedy="Name what is large, or many files, in `shared` instead of `inputs`.",
    saves=(Part.SETUP,),
    find=slow_unpack,
)
SLOW_SETUP = Rule(
    id="slow-setup",
    title="Slow set-up",
    severity=Severity.WASTE,
    rule=f"The lines of `model.setup` ran for {limit(SETUP_S)} or more.",
    remedy="Install once into Work, and only activate it in `setup`.",
    saves=(Part.SETUP,),
    find=slow_setup,
)

RULES: tuple[Rule, ...] = (APP_SLOW, SLOW_AT_TIMES, SLOW_UNPACK, SLOW_SETUP)
