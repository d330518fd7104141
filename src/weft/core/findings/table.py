"""The table of all findings, and the one way to ask for them. PURE."""

from __future__ import annotations

from msgspec import structs

from weft.core.findings import (
    archiving,
    charging,
    cores,
    ended,
    environment,
    jobsize,
    limits,
    programs,
    queueing,
    refusals,
    requests,
    slots,
    staging,
    starting,
    unfinished,
    waiting,
    writing,
)
from weft.core.findings.base import Finding, Rule, Scene, Severity
from weft.core.findings.weighing import weighed

TABLE: tuple[Rule, ...] = (
    *waiting.RULES,
    *staging.RULES,
    *starting.RULES,
    *queueing.RULES,
    *archiving.RULES,
    *charging.RULES,
    *environment.RULES,
    *refusals.RULES,
    *programs.RULES,
    *limits.RULES,
    *ended.RULES,
    *unfinished.RULES,
    *requests.RULES,
    *cores.RULES,
    *slots.RULES,
    *jobsize.RULES,
    *writing.RULES,
)
"""Every finding there is; docs/findings.md is written from it."""

_BY_ID = {rule.id: rule for rule in TABLE}


def find(scene: Scene) -> list[Finding]:
    """All findings, the worst and dearest first; the same for the same scene."""
    # In one piece: of a table in thousands of pieces every rule would take a hundred times as long.
    scene = structs.replace(scene, jobs=scene.jobs.rechunk())
    found = (finding for rule in TABLE for finding in rule.find(scene))
    return weighed((_mended(each) for each in found) if scene.mended else found, _BY_ID)


def _mended(finding: Finding) -> Finding:
    """What failed, and has been done since, is worth knowing only."""
    if finding.severity is not Severity.FAILURE:
        return finding
    evidence = (*finding.evidence, "all cases of the study have been done since")
    return structs.replace(finding, severity=Severity.NOTE, evidence=evidence)
