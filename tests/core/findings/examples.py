"""For every finding there is, jobs in which it is found, and jobs just below its threshold, in which it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from tests.core.findings import test_archiving as archiving
from tests.core.findings import test_cores as cores
from tests.core.findings import test_environment as environment
from tests.core.findings import test_jobsize as jobsize
from tests.core.findings import test_limits as limits
from tests.core.findings import test_programs as programs
from tests.core.findings import test_requests as requests
from tests.core.findings import test_slots as slots
from tests.core.findings import test_staging as staging
from tests.core.findings import test_unfinished as unfinished
from tests.core.findings import test_waiting as waiting
from tests.core.findings import test_writing as writing
from tests.core.findings.dying import DEAD
from tests.core.findings.test_charging import HALF, SHORT
from tests.core.findings.using import study

from weft.core.findings import environment as of_environment
from weft.core.findings import programs as of_programs
from weft.core.findings import refusals as of_refusals
from weft.core.findings.causes import LEAST_SHARE, Cause

Jobs = Sequence[Mapping[str, Any]]


class Example(Struct, frozen=True):
    """Jobs in which a finding is made, and such as are just below its threshold."""

    found: Jobs
    below: Sequence[Jobs]
    scene: Mapping[str, Any] = {}
    """Other fields of the scene of all of them."""


def _one(job: Mapping[str, Any], *below: Mapping[str, Any], **scene: Any) -> Example:
    """One job, and what a job says otherwise in which it is not found."""
    return Example((job,), [({**job, **but},) for but in below], scene)


def _cause(cause: Cause, job: Mapping[str, Any]) -> Example:
    """From a share of the failed cases on; where only the job itself can show it, not if it ended otherwise."""
    if cause.phases:
        return Example((job,), [({**job, "running_s": 1.0},), ({**job, "outcome": "FINISHED"},)])
    least = round(100 * LEAST_SHARE)
    cases = {"failed_cases": 100, "signs": [cause.signs[0]] * least}
    below = [({**cases, "signs": cases["signs"][1:]},), ({**job, "outcome": "FINISHED"},)]
    return Example((cases,), below)


def _causes() -> dict[str, Example]:
    dead = {name: {**DEAD, "tail": text} for name, text in programs.EXAMPLES.items()}
    jobs = {**environment.EXAMPLES, **dead}
    return {
        cause.id: _cause(cause, jobs[cause.id])
        for cause in (*of_environment.CAUSES, *of_refusals.CAUSES, *of_programs.CAUSES)
    }


def _times() -> dict[str, Example]:
    tables = {**waiting.CASES, **staging.CASES, **archiving.CASES}
    return {rule: Example((above,), [(each,) for each in below]) for rule, (above, below) in tables.items()}


LATE = {"staging_job_s": 90.0}
FAILED = {**DEAD, "word": "FAILED JOB_INVALID_DEFINITION"}
SITE = {**DEAD, "outcome": "INTERRUPTED", "word": "NODE_FAIL"}
CANCELLED = {**DEAD, "outcome": "CANCELLED", "word": "FAILED CANCELLED_BY_USER"}
SILENT = {**DEAD, "word": "exit 3"}
KILLED = {**limits.KILLED, "peak_memory_bytes": None}

EXAMPLES: dict[str, Example] = {
    **_times(),
    **_causes(),
    "same-inputs-staged-again": Example([staging.AGAIN] * 3, [[staging.AGAIN] * 2]),
    "staging-job-slow-at-times": Example([LATE, {}, {}], [[LATE, LATE, {}], [{"staging_job_s": 89.9}, {}, {}]]),
    "least-charge-wasted": Example([SHORT] * 3, [[SHORT] * 2]),
    "mostly-overhead": Example([HALF] * 3, [[{**HALF, "cases_s": 71.0}] * 3]),
    # How jobs and cases end
    "job-timed-out": _one(limits.OUT, {"outcome": "FINISHED"}, {"word": "FAILED SCHEDULER_DEADLINE"}),
    "cases-timed-out": _one(limits.timed_out(1), limits.timed_out(0)),
    "cases-out-of-memory": _one({"oom_cases": 1, "failed_cases": 1}, {"oom_cases": 0}),
    "job-out-of-memory": _one(KILLED, {"outcome": "FAILED"}),
    "job-failed": _one(FAILED, {"word": "FAILED NODE_FAIL"}, {"outcome": "FINISHED"}),
    "job-ended-by-the-site": _one(SITE, {"word": "FAILED CANCELLED_BY_USER"}, {"outcome": "LOST"}),
    "job-cancelled": _one(CANCELLED, {"word": "NODE_FAIL"}),
    "job-failed-without-a-word": _one(SILENT, {"word": "FAILED JOB_INVALID_DEFINITION"}, {"outcome": "INTERRUPTED"}),
    "job-lost": _one({**DEAD, "outcome": "LOST"}, {"outcome": "CANCELLED"}),
    "cases-cut-off": _one({**unfinished.CUT, "in_flight": 1}, {"in_flight": 0}),
    "finished-with-failed-cases": _one(
        {"failed_cases": 40, "signs": ["no-convergence"] * 19}, {"signs": ["no-convergence"] * 20}
    ),
    "finished-without-records": _one({"recorded": 479}, {"recorded": 480}),
    # What was asked for, and what was used of it
    "over-requested-memory": _one(
        {**requests.WIDE, "peak_memory_bytes": 5_999_999_999}, {"peak_memory_bytes": 6_000_000_000}
    ),
    "over-requested-minutes": _one({**requests.LONG, "running_s": 4800.0}, {"running_s": 4801.0}),
    "over-requested-case-minutes": _one(
        {"longest_case_s": 300.0}, {"longest_case_s": 301.0}, study=study(resources={"minutes": 25.0})
    ),
    "over-requested-cores": _one(
        {**cores.IDLE_CORES, "cpu_s": cores.CASE_S * 4}, {"cpu_s": cores.CASE_S * 4.01}
    ),
    "slots-over-cores": _one({**cores.CROWDED, "slots": 49}, {"slots": 48}),
    "threads-over-cores": _one(
        {**cores.THREADED, "cpu_s": 2650.0 * 8 * 1.51}, {"cpu_s": 2650.0 * 8 * 1.5}
    ),
    "cases-wait": _one({"cpu_s": 2650.0 * 23.9}, {"cpu_s": 2650.0 * 24}),
    "empty-nodes": _one(slots.DOUBLE, {"nodes": 1}, {"slots": 49}),
    "node-hardly-used": _one(
        {**slots.PART, "cores": 24, "slots": 24}, {"cores": 25}, {"cases": 24}, queues=slots.QUEUES
    ),
    "idle-slots": _one(
        {**slots.IDLE, "idle_s": 2650.0 * 48 * 0.26}, {"idle_s": 2650.0 * 48 * 0.25}
    ),
    "uneven-end": _one(
        {**slots.UNEVEN, "tail_s": 2650.0 * 48 * 0.21}, {"tail_s": 2650.0 * 48 * 0.2}
    ),
    "fewer-cases-than-slots": Example([{**jobsize.FEW, "cases": 36}] * 4, [[{**jobsize.FEW, "cases": 37}] * 4]),
    "job-near-its-limit": _one({"running_s": 3241.0}, {"running_s": 3240.0}),
    "too-many-cases-in-a-job": _one(jobsize.LARGE, {"cases": 4999}, {"running_s": 21_599.0}),
    # What is read and written
    "large-logs": _one({"printed_bytes": 480 * 10_000_001}, {"printed_bytes": 480 * 10_000_000}),
    "written-and-dropped": _one(
        {**writing.DROPS, "written_bytes": 480 * 50_000_001}, {"written_bytes": 480 * 50_000_000}, {"files_kept": 481}
    ),
    "all-is-kept": _one(
        {**writing.KEEPS, "archive_bytes": 1_000_000_000}, {"archive_bytes": 999_999_999}, {"archiving_s": 59.0}
    ),
    "many-files-on-a-shared-disk": _one(
        {"files_written": 20_000}, {"files_written": 19_999}, study=writing.ON_SCRATCH
    ),
    "busy-shared-disk": _one(
        {"read_bytes": 10_000_000_000, "cases_s": 200.0}, {"cases_s": 201.0}, study=writing.ON_SCRATCH
    ),
    "import-storm": _one({**writing.STORMS, "recorded": 13_250}, {"recorded": 13_249}, study=study()),
    "inputs-read-again": _one(
        {"read_bytes": 100_000_000_000}, {"read_bytes": 99_999_999_999}, study=writing.SHARING
    ),
}  # fmt: skip
"""By the id of the rule."""
