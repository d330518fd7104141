"""``python -m benchmarks [FIGURE...]``: measures the promised figures and says which limits are missed.

Exit code 0: every limit held; 1: a limit is missed or a figure could not be measured; 2: usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import BenchmarkError, Check, Options, hold_to_two_cores, machine

FIGURES = ["startup", "plan", "replay", "profile", "service", "transfers", "tapis", "throughput", "memory"]
"""In the order in which they are measured: the quick ones first."""
MEMORY = Path("/dev/shm")


def main() -> int:
    """Measures what the command line names, one figure after the other, and returns the exit code."""
    arguments = _parser().parse_args()
    unknown = [name for name in arguments.figures if name not in FIGURES]
    if unknown:
        print(f"unknown figure {', '.join(unknown)}: choose from {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    print(machine())
    broken = 0
    for name in arguments.figures or FIGURES:
        with _temporary(arguments.folder) as folder, _temporary(arguments.cases_in) as cases:
            os.environ["WEFT_HOME"] = str(Path(folder) / "home")  # what is measured is nobody's history
            broken += _measure(name, Options(Path(folder), Path(cases), arguments.quick, arguments.count))
        print()
    print(f"{broken} limit(s) missed or figure(s) not measured" if broken else "no judged limit is missed")
    return 1 if broken else 0


def _measure(name: str, options: Options) -> int:
    """Measures one figure and returns how many of its limits are missed (1 if it could not be measured)."""
    try:
        hold_to_two_cores()
        checks: list[Check] = importlib.import_module(f"benchmarks.{name}").measure(options)
    except BenchmarkError as problem:
        print(f"  NOT MEASURED {name}: {problem}")
        return 1
    for check in checks:
        print(check.line())
    if not options.judged:
        print("  limits are stated for the full counts: with fewer cases they are shown, but not judged")
        return 0
    return sum(check.missed for check in checks)


def _temporary(where: Path | None) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="weft-bench-", dir=where)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures weft.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURES)}; none: all")
    parser.add_argument("--quick", action="store_true", help="smaller counts; limits are not judged")
    parser.add_argument("--count", type=_positive, help="this many cases instead; limits are not judged")
    parser.add_argument("--folder", type=Path, help="where studies are kept (default: as tempfile has it)")
    parser.add_argument(
        "--cases-in",
        type=Path,
        default=MEMORY if MEMORY.is_dir() else None,
        help=f"where cases get their directories (default: {MEMORY}, so that no disk is measured)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
