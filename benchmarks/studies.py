"""The studies that the benchmarks give to weft, and how weft is called for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import BenchmarkError, run

SHORT = 60.0  # seconds; for commands that should be done at once


def weft(*arguments: str) -> list[str]:
    """Returns the argument list of a weft command with this interpreter."""
    return [sys.executable, "-m", "weft", *arguments]


def missing_weft() -> str | None:
    """Returns why weft cannot be run, or None if it can."""
    try:
        run(weft("--version"), cwd=Path.cwd(), timeout=SHORT)
    except BenchmarkError as problem:
        return f"weft does not run here: {str(problem).splitlines()[-1]}"
    return None


def environment(folder: Path) -> dict[str, str]:
    """Returns an environment whose temporary files lie in ``folder``: one place for every contender."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return os.environ | {"TMPDIR": str(temporary), "WEFT_NODE_DIR": str(temporary)}


def study_of_true(folder: Path, count: int) -> Path:
    """Writes a study of ``count`` cases of the shortest command there is, and returns its file."""
    return _write(folder, 'command = "true {i}"', [f"i = {{ range = [0, {count}] }}"])


def study_of_grid(folder: Path, parameters: dict[str, Sequence[float]]) -> Path:
    """Writes a study over the grid of the given values, and returns its file."""
    command = "true " + " ".join(f"{{{name}}}" for name in parameters)
    return _write(folder, f'command = "{command}"', [f"{name} = {list(v)}" for name, v in parameters.items()])


def _write(folder: Path, model: str, parameters: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.toml"
    lines = ['name = "bench"', "[model]", model, "[parameters]", *parameters, "[run]", 'on = "local"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def journal_of(study: Path) -> Path:
    """Returns where weft keeps the study's journal."""
    return study.parent / ".weft" / "bench" / "journal.jsonl"


def rows_of_results(study: Path) -> int:
    """Returns how many cases weft's results table holds (its CSV form, one line per case and a header)."""
    path = study.parent / ".weft" / "bench" / "results.csv"
    if not path.exists():
        raise BenchmarkError(f"weft run wrote no table at {path}")
    with path.open(encoding="utf-8") as lines:
        return sum(1 for _ in lines) - 1


def cancel(study: Path) -> None:
    """Cancels the study's jobs: they outlive ``weft run`` by design, but not a failed benchmark."""
    try:
        run(weft("cancel", str(study)), cwd=study.parent, env=environment(study.parent), timeout=SHORT)
    except BenchmarkError as problem:
        print(f"  could not cancel the jobs of {study}: {problem}", file=sys.stderr)
