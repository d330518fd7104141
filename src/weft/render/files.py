"""An analysis as a file, of the kind that its name asks for."""

from __future__ import annotations

from pathlib import Path

from weft.core.analysis import Analysis
from weft.errors import UsageError

KINDS = (".trace.json", ".html", ".png", ".svg", ".csv", ".parquet", ".json")
"""A report, pictures, the table of jobs, all as data; ``.trace.json`` is for Perfetto."""


def kind_of(path: Path) -> str:
    """The kind of file that a name asks for; raises UsageError for what is none."""
    kind = next((ending for ending in KINDS if path.name.lower().endswith(ending)), "")
    if not kind:
        hint = f"end its name in {', '.join(KINDS)}"
        raise UsageError("the name of the file does not tell what it is to be", where=str(path), hint=hint)
    return kind


def rendered(analysis: Analysis, kind: str) -> bytes:
    """What such a file holds; raises WeftError where a package that draws is missing."""
    if kind == ".html":
        from weft.render.html import html

        return html(analysis).encode()
    if kind in (".png", ".svg"):
        from weft.render.plots import picture

        return picture(analysis, "png" if kind == ".png" else "svg")
    if kind == ".trace.json":
        from weft.render.trace import trace

        return trace(analysis)
    if kind == ".json":
        import json

        from weft.render.profiledata import analysis_data

        return json.dumps(analysis_data(analysis)).encode()
    from weft.render.tables import csv, parquet

    return csv(analysis) if kind == ".csv" else parquet(analysis)
