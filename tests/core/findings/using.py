"""What the tests on the use of what was asked for share: what a rule finds in a scene, and a study to find it in."""

from __future__ import annotations

from typing import Any

from tests.core.findings import lost

from weft.core.findings.base import Finding, Rule
from weft.model import Model, Output, Resources, Study

EMPTY = dict.fromkeys(
    (
        "slots", "case_cores", "case_memory_mb", "cores", "memory_mb", "cases", "recorded", "minutes", "rate",
        "least_minutes", "queued_s", "running_s", "archiving_s", "cases_s", "case_s", "cpu_s", "longest_case_s",
        "busy_s", "idle_s", "tail_s", "su", "peak_memory_bytes", "read_bytes", "written_bytes", "files_written",
        "files_kept", "archive_bytes", "timed_out_cases", "oom_cases",
    )
)  # fmt: skip
"""A job of which nothing was measured."""


def nothing_known(value: int | None) -> dict[str, Any]:
    """A job whose figures are all null, or all 0; its phases, which are never null, are 0 then."""
    zero = ("queued_s", "running_s", "archiving_s", "cases_s")
    return {name: 0 if name in zero else value for name in EMPTY}


def study(
    *,
    name: str = "portal",
    model: dict[str, Any] | None = None,
    resources: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    backend: str = "tapis",
    **settings: Any,
) -> Study:
    """A study; ``settings`` are those of its backend."""
    return Study(
        name=name,
        folder="/study",
        file="study.toml",
        model=Model(**{"command": "python3 portal.py --scale {scale}", **(model or {})}),
        resources=Resources(**(resources or {})),
        output=Output(**(output or {})),
        backend=backend,
        settings={backend: {"app": "opensees-mp-s3", **settings}},
    )


def found(rule: Rule, *said: dict[str, Any], **more: Any) -> list[Finding]:
    """What this rule finds in these jobs; ``more`` are other fields of the scene."""
    return lost.found(rule.id, *said, **more)


def one(rule: Rule, *said: dict[str, Any], **more: Any) -> Finding:
    """The only finding."""
    (finding,) = found(rule, *said, **more)
    return finding
