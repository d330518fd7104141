"""What a profile means: one function for each finding, in one table. PURE."""

from msgspec import structs

from weft.core.findings import (
    archiving,
    charging,
    cores,
    endings,
    failures,
    jobsize,
    limits,
    queueing,
    refusals,
    requests,
    slots,
    solvers,
    staging,
    starting,
    unfinished,
    waiting,
    writing,
)
from weft.core.findings.base import Finding, Rule, Scene

__all__ = ["TABLE", "find"]

TABLE: tuple[Rule, ...] = (
    *waiting.RULES,
    *staging.RULES,
    *starting.RULES,
    *queueing.RULES,
    *archiving.RULES,
    *charging.RULES,
    *failures.RULES,
    *refusals.RULES,
    *solvers.RULES,
    *limits.RULES,
    *endings.RULES,
    *unfinished.RULES,
    *requests.RULES,
    *cores.RULES,
    *slots.RULES,
    *jobsize.RULES,
    *writing.RULES,
)
"""Every finding there is; docs/findings.md is written from it."""


def find(scene: Scene) -> list[Finding]:
    """All findings, the worst and dearest first; the same for the same scene."""
    # In one piece: of a table in thousands of pieces every rule would take a hundred times as long.
    scene = structs.replace(scene, jobs=scene.jobs.rechunk())
    found = [finding for rule in TABLE for finding in rule.find(scene)]
    order = list(type(found[0].severity)) if found else []
    return sorted(found, key=lambda each: (order.index(each.severity), -(each.gain_s or 0.0), each.id))
