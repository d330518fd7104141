"""What a profile of 100,000 jobs costs: to what polars needs to read the same file and group it once."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.manyjobs import EVENTS_PER_JOB
from benchmarks.measure import Check, Options, in_fresh_process, interleaved, repository, run, table

JOBS, QUICK_JOBS = 100_000, 5_000
ROUNDS, QUICK_ROUNDS = 3, 1
BASE, WEFT = "polars reads and groups once", "weft profile, with findings"
LIMIT, LIMIT_MB, LIMIT_REPORT_MB = 10.0, 1000.0, 5.0
TIMEOUT = 600.0  # seconds


def measure(options: Options) -> list[Check]:
    """Writes the facts once and times both ways through them in turn, each in a fresh process."""
    jobs = options.choose(JOBS, QUICK_JOBS)
    print(f"profile: {jobs:,} jobs with {EVENTS_PER_JOB * jobs:,} events")
    path, report = str(options.folder / "facts.ndjson"), options.folder / "report.html"
    in_fresh_process("benchmarks.manyjobs", "write", path, str(jobs), timeout=TIMEOUT)
    contenders = {
        BASE: lambda: in_fresh_process("benchmarks.manyjobs", "group_by_polars", path, timeout=TIMEOUT),
        WEFT: lambda: in_fresh_process("benchmarks.manyjobs", "analyse", path, timeout=TIMEOUT),
    }
    result = interleaved(BASE, contenders, QUICK_ROUNDS if options.quick else ROUNDS)
    print(table(["contender", "ratio", "range"], result.rows([BASE, WEFT])))
    print(result.warning(), end="")
    in_fresh_process("benchmarks.manyjobs", "report", path, str(report), timeout=TIMEOUT)
    return [
        Check("profile of many jobs to polars grouping them once", result.ratio(WEFT), LIMIT),
        Check("peak memory of that profile", _peak(path), LIMIT_MB, unit="MB"),
        Check("size of the HTML report", report.stat().st_size / 1e6, LIMIT_REPORT_MB, unit="MB"),
    ]


def _peak(path: str) -> float:
    code = "import sys; from benchmarks.manyjobs import peak; peak(sys.argv[1])"
    told = run([sys.executable, "-c", code, path], cwd=Path(repository()), timeout=TIMEOUT)
    return float(told.split()[-1])
