"""What `weft plan` of 100,000 cases costs, against Python hashing and JSON-dumping the same parameters."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks import studies
from benchmarks.measure import (
    BenchmarkError,
    Check,
    Options,
    in_fresh_process,
    interleaved,
    run,
    seconds_of,
    table,
)

CASES, QUICK_CASES = 100_000, 10_000
ROUNDS, QUICK_ROUNDS = 5, 2
BASE, WEFT = "sha256 and json.dumps", "weft plan"
LIMIT = 10.0
TIMEOUT = 300.0  # seconds


def parameters(count: int) -> dict[str, Sequence[float]]:
    """Returns a grid of ``count`` cases (a multiple of 100): a number per record, a scale and a damping."""
    return {
        "record": range(count // 100),
        "scale": [round(0.25 * step, 2) for step in range(1, 21)],
        "damping": [0.01, 0.02, 0.03, 0.05, 0.07],
    }


def hash_and_dump(count: str) -> None:
    """The yardstick: every case of the grid as canonical JSON, and its hash."""
    grid = parameters(int(count))
    names = list(grid)
    for values in itertools.product(*grid.values()):
        case = dict(zip(names, values, strict=True))
        hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()


def measure(options: Options) -> list[Check]:
    """Times both in turn: weft as a user calls it, start-up included; the yardstick without its start-up."""
    count = max(100, options.choose(CASES, QUICK_CASES) // 100 * 100)
    print(f"plan: a study of {count} cases with 3 parameters")
    study = studies.study_of_grid(options.folder / "plan", parameters(count))
    missing = studies.missing_weft()
    if missing is not None:
        raise BenchmarkError(missing)
    _see_that_it_plans(study, count)
    contenders = {
        BASE: lambda: in_fresh_process("benchmarks.plan", "hash_and_dump", str(count), timeout=TIMEOUT),
        WEFT: lambda: seconds_of(lambda: _plan(study)),
    }
    result = interleaved(BASE, contenders, QUICK_ROUNDS if options.quick else ROUNDS)
    print(table(["contender", "ratio", "range"], result.rows([BASE, WEFT])))
    print(result.warning(), end="")
    return [Check("weft plan to hashing and dumping", result.ratio(WEFT), LIMIT)]


def _plan(study: Path) -> str:
    return run(studies.weft("plan", str(study)), cwd=study.parent, timeout=TIMEOUT)


def _see_that_it_plans(study: Path, count: int) -> None:
    """Raises BenchmarkError if the plan does not name the number of cases: it would not be a plan of them."""
    said = _plan(study)
    if str(count) not in said.replace(",", ""):
        raise BenchmarkError(f"weft plan does not speak of {count} cases:\n{said[:500]}")
