"""What a finding is worth, in words: the same in the terminal and in the report."""

from __future__ import annotations

from weft.core.findings.base import Finding
from weft.core.quantities import duration

LEAST_S = 1.0
LEAST_SU = 0.01
"""Less is not worth a word."""


def verb(finding: Finding) -> str:
    """What was lost no remedy brings back; nor is anything saved where there is none."""
    return "would save" if finding.remedies and not finding.lost else "cost"


def amounts(finding: Finding) -> list[str]:
    """The time, and the service units; empty where nobody can tell."""
    told = [duration(finding.gain_s)] if finding.gain_s and finding.gain_s >= LEAST_S else []
    if finding.gain_su and finding.gain_su >= LEAST_SU:
        told.append(f"{finding.gain_su:,.2f} SU")
    return told
