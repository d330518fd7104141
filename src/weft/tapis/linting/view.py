"""A definition by its parts, and a fault of it. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weft.tapis.linting.finding import Finding, Level
from weft.tapis.linting.lines import Lines, Path


class Fault(NamedTuple):
    """What is wrong at a path of a definition."""

    path: Path
    level: Level
    rule: str
    what: str
    why: str
    remedy: str

    def found(self, file: str, lines: Lines) -> Finding:
        """The same with the file and the line."""
        return Finding(
            file=file,
            line=lines.line(self.path) or 1,
            level=self.level,
            rule=self.rule,
            what=self.what,
            why=self.why,
            remedy=self.remedy,
        )


class View:
    """A definition by its parts; what has the wrong kind counts as absent, since it has been told already."""

    def __init__(self, app: Mapping[str, Any]) -> None:
        self.app = app
        self.job = inside(app.get("jobAttributes"))
        self.parameters = inside(self.job.get("parameterSet"))

    def text(self, key: str) -> str:
        value = self.app[key] if key in self.app else self.job.get(key)
        return value if isinstance(value, str) else ""

    def lists(self) -> Iterator[tuple[Path, str, Sequence[Mapping[str, Any]]]]:
        """The lists of named things: path, the key of the name, entries."""
        job = ("jobAttributes",)
        for kind in ("appArgs", "containerArgs", "schedulerOptions", "envVariables"):
            name = "key" if kind == "envVariables" else "name"
            yield (*job, "parameterSet", kind), name, entries(self.parameters.get(kind))
        for kind in ("fileInputs", "fileInputArrays"):
            yield (*job, kind), "name", entries(self.job.get(kind))

    def filter(self, kind: str) -> list[str]:
        value = inside(self.parameters.get("archiveFilter")).get(kind)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def inside(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> list[Mapping[str, Any]]:
    return [inside(each) for each in value] if isinstance(value, list) else []
