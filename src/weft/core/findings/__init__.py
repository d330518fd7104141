"""What a profile means: one function for each finding, in one table. PURE."""

from weft.core.findings.base import Finding, Rule, Scene

__all__ = ["TABLE", "find"]

TABLE: tuple[Rule, ...] = ()
"""Every finding there is; docs/findings.md is written from it."""


def find(scene: Scene) -> list[Finding]:
    """All findings, the worst and dearest first; the same for the same scene."""
    found = [finding for rule in TABLE for finding in rule.find(scene)]
    order = list(type(found[0].severity)) if found else []
    return sorted(found, key=lambda each: (order.index(each.severity), -(each.gain_s or 0.0), each.id))
