"""How instant weft feels: `weft --version` and `weft status` against an interpreter that does nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import studies
from benchmarks.measure import BenchmarkError, Check, Options, interleaved, run, seconds_of, table

CASES, QUICK_CASES = 1_000, 100
ROUNDS, QUICK_ROUNDS = 15, 5
BASE, VERSION, STATUS = "python -c ''", "weft --version", "weft status"
LIMIT_VERSION, LIMIT_STATUS = 6.0, 15.0
RUN_TIMEOUT = 300.0


def measure(options: Options) -> list[Check]:
    """Runs a study to have something to ask about, then times the three commands in turn."""
    count = options.choose(CASES, QUICK_CASES)
    print(f"startup: `weft status` asked about a finished study of {count} cases")
    missing = studies.missing_weft()
    if missing is not None:
        raise BenchmarkError(missing)
    study = studies.study_of_true(options.folder / "startup", count)
    try:
        environment = studies.environment(options.cases)
        run(studies.weft("run", str(study)), cwd=study.parent, env=environment, timeout=RUN_TIMEOUT)
    except BaseException:
        studies.cancel(study)
        raise
    commands = {
        BASE: [sys.executable, "-c", ""],
        VERSION: [_program(), "--version"],
        STATUS: [_program(), "status", str(study)],
    }
    result = interleaved(
        BASE,
        {name: _timed(argv, study.parent) for name, argv in commands.items()},
        QUICK_ROUNDS if options.quick else ROUNDS,
    )
    print(table(["command", "ratio", "range"], result.rows(list(commands))))
    return [
        Check("weft --version to an empty interpreter", result.ratio(VERSION), LIMIT_VERSION),
        Check("weft status to an empty interpreter", result.ratio(STATUS), LIMIT_STATUS),
    ]


def _timed(argv: list[str], cwd: Path) -> Callable[[], float]:
    return lambda: seconds_of(lambda: run(argv, cwd=cwd, timeout=studies.SHORT))


def _program() -> str:
    """Returns the installed command beside this interpreter: what a user types."""
    path = Path(sys.executable).with_name("weft")
    if not path.exists():
        raise BenchmarkError(f"no command at {path}: install the package, e.g. pip install -e .")
    return str(path)
