"""Tables of jobs for tests of what is found in them: an ordinary job through Tapis, with what a test says otherwise."""

from __future__ import annotations

from typing import Any

import polars as pl

from weft.core.findings.base import Scene
from weft.core.jobtable import schema

ORDINARY: dict[str, Any] = {
    "backend": "tapis",
    "kind": "cases",
    "study": "portal",
    "app": "opensees-mp-s3",
    "system": "stampede3",
    "queue": "skx",
    "open": False,
    "outcome": "FINISHED",
    "word": "FINISHED",
    "nodes": 1,
    "cores": 48,
    "memory_mb": 192_000,
    "slots": 48,
    "case_cores": 1,
    "cases": 480,
    "recorded": 480,
    "minutes": 60.0,
    "rate": 1.0,
    "least_minutes": 15.0,
    "pending_s": 1.0,
    "processing_inputs_s": 1.1,
    "staging_inputs_s": 18.0,
    "staging_job_s": 30.0,
    "submitting_job_s": 0.7,
    "queued_s": 60.0,
    "running_s": 2700.0,
    "archiving_s": 20.0,
    "cases_s": 2650.0,
    "case_s": 2650.0 * 48,
    "cpu_s": 2600.0 * 48,
    "longest_case_s": 300.0,
    "busy_s": 2650.0 * 48,
    "inputs_transfers": 1,
    "inputs_files": 2,
    "inputs_bytes": 2_000_000,
    "inputs_waiting_s": 11.0,
    "inputs_copying_s": 1.0,
    "inputs_unnoticed_s": 3.0,
    "archive_transfers": 1,
    "archive_files": 3,
    "archive_bytes": 50_000_000,
    "archive_waiting_s": 11.0,
    "archive_copying_s": 2.0,
    "archive_unnoticed_s": 3.0,
    "peak_memory_bytes": 900_000_000,
    "su": 0.75,
}
"""Nothing is found in such a job."""


def jobs(*said: dict[str, Any]) -> pl.DataFrame:
    """A table with one row for each of these, ``ORDINARY`` but for what they say; columns must exist."""
    columns = schema()
    rows = []
    for number, each in enumerate(said, 1):
        unknown = {*each, *ORDINARY} - columns.keys()
        assert not unknown, f"no such columns: {sorted(unknown)}"
        numbers = {name: 0 for name, kind in columns.items() if kind in (pl.Int64(), pl.Float64())}
        texts = {name: "" for name, kind in columns.items() if kind == pl.String()}
        lists: dict[str, Any] = {name: [] for name, kind in columns.items() if isinstance(kind, pl.List)}
        row = {**numbers, **texts, **lists, **ORDINARY, "job": f"job-{number:04d}", **each}
        start = row["start"] or 1_780_000_000.0 + 3600 * number
        phases = sum(row[name] or 0.0 for name in PHASE_COLUMNS)
        rows.append({**row, "start": start, "end": row["end"] or start + phases})
    return pl.DataFrame(rows, schema=columns)


def _phase_columns() -> list[str]:
    from weft.core.jobtable import PHASES, seconds_of

    return [seconds_of(phase.value) for phase in PHASES]


PHASE_COLUMNS = _phase_columns()


def scene(*said: dict[str, Any], **more: Any) -> Scene:
    """What rules are given for these jobs; ``more`` are other fields of the scene."""
    return Scene(jobs=jobs(*(said or ({},))), **more)
