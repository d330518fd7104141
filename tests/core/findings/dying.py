"""What tests of findings about failures share: jobs that died, and which rules of failures find something in them."""

from __future__ import annotations

from typing import Any

from tests.core.findings.lost import doable
from tests.core.scenes import scene

from weft.core.findings import ended, environment, limits, programs, refusals, unfinished
from weft.core.findings.base import Finding

DEAD: dict[str, Any] = {
    "outcome": "FAILED", "word": "FAILED JOB_REMOTE_OUTCOME_ERROR", "recorded": 0,
    "archiving_s": 0.0, "cases_s": 0.0, "case_s": 0.0, "cpu_s": 0.0, "longest_case_s": 0.0, "busy_s": 0.0, "su": None,
    "running_s": 4.0, "archive_transfers": 0, "archive_files": 0, "archive_copying_s": 0.0,
}  # fmt: skip
"""A job that failed seconds after it began to run, before any case left a record."""

STAGING: dict[str, Any] = {
    **DEAD, "staging_job_s": 0.0, "submitting_job_s": 0.0, "queued_s": 0.0, "running_s": 0.0,
}  # fmt: skip
"""One that died while its inputs were staged."""

REFUSED: dict[str, Any] = {**DEAD, "word": "FAILED JOB_LAUNCH_FAILURE", "queued_s": 0.0, "running_s": 0.0}
"""One that the batch system did not take."""

OURS = [
    rule for module in (environment, refusals, programs, limits, ended, unfinished) for rule in module.RULES
]
"""The rules of failures."""


def told(*jobs: dict[str, Any], **more: Any) -> dict[str, list[Finding]]:
    """All that the rules of failures find in these jobs, by rule; remedies can be done."""
    one = scene(*jobs, **more)
    every = {rule.id: list(rule.find(one)) for rule in OURS}
    found = {rule: findings for rule, findings in every.items() if findings}
    for finding in (each for findings in found.values() for each in findings):
        assert finding.jobs and finding.evidence and finding.remedies
        for remedy in finding.remedies:
            doable(remedy)
    return found
