"""An analysis as data: what ``weft profile --json`` prints."""

from __future__ import annotations

from typing import Any

from msgspec import structs, to_builtins

from weft.core.analysis import Analysis
from weft.core.groups import totals


def analysis_data(analysis: Analysis) -> dict[str, Any]:
    """The profile itself, and beside it what it means; the results table is no part of it."""
    return {
        **to_builtins(structs.asdict(analysis.profile)),
        "title": analysis.title,
        "phases": totals(analysis.jobs).to_dicts(),
        "findings": to_builtins(list(analysis.findings)),
        "waited": to_builtins(list(analysis.waited)),
        "outliers": to_builtins(list(analysis.outliers)),
        "drifts": to_builtins(list(analysis.drifts)),
        "actual": to_builtins(analysis.actual),
        "problems": list(analysis.problems),
    }
