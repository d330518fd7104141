"""What tests of findings share: finding by one rule, and whether a remedy can be done as it is told."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from tests.core.scenes import scene

from weft.cli.main import weft
from weft.core.findings.base import Finding, Remedy
from weft.core.findings.table import TABLE
from weft.core.normal import Baseline, Normal
from weft.store import studyfile
from weft.store.tomlfile import parse

RULES = {rule.id: rule for rule in TABLE}

FOREIGN: dict[str, Any] = {"study": ""}
"""A job that weft did not launch."""

RECORDED: dict[str, Any] = {
    **FOREIGN,
    "queue": "skx-dev", "nodes": 2, "minutes": 100.0, "slots": 1, "cases": 0, "recorded": 0,
    "staging_inputs_s": 46.4, "staging_job_s": 42.3, "queued_s": 2.2, "running_s": 25.8, "archiving_s": 215.1,
    "cases_s": 0.0, "case_s": 0.0, "cpu_s": 0.0, "longest_case_s": 0.0, "busy_s": 0.0,
    "inputs_files": 112, "inputs_bytes": 2_859_879,
    "inputs_waiting_s": 15.1, "inputs_copying_s": 27.2, "inputs_unnoticed_s": 3.9,
    "archive_files": 5069, "archive_bytes": 150_885_718,
    "archive_waiting_s": 11.1, "archive_copying_s": 171.7, "archive_unnoticed_s": 27.4,
}  # fmt: skip
"""The job of May 2025 that is on record: a thousand pushovers, each leaving five files."""


OF_A_REQUEST = {
    *("appId", "appVersion", "execSystemId", "execSystemLogicalQueue", "nodeCount", "coresPerNode"),
    *("maxMinutes", "archiveSystemId", "archiveSystemDir", "fileInputs", "parameterSet"),
    "containerImage",  # of the app's definition
}
"""What Tapis takes at the top of a job's request, of what remedies name…"""
OF_PARAMETERS = {"appArgs", "containerArgs", "schedulerOptions", "envVariables", "archiveFilter"}
"""…and below its ``parameterSet``."""


def found(rule: str, *jobs: dict[str, Any], **more: Any) -> list[Finding]:
    """What one rule finds in these jobs; every finding agrees with its rule, and its remedies can be done."""
    findings = list(RULES[rule].find(scene(*jobs, **more)))
    for each in findings:
        assert (each.id, each.title, each.severity) == (rule, RULES[rule].title, RULES[rule].severity)
        assert each.jobs and each.where and each.remedies and each.cause.endswith(".")
        assert each.evidence and all(each.evidence)
        assert bool(each.basis) == (each.gain_s is not None or each.gain_su is not None)
        for remedy in each.remedies:
            doable(remedy)
    return findings


def the(rule: str, *jobs: dict[str, Any], **more: Any) -> Finding:
    (finding,) = found(rule, *jobs, **more)
    return finding


def settings(finding: Finding) -> str:
    """All that its remedies have one write."""
    return "\n".join(remedy.setting for remedy in finding.remedies)


def doable(remedy: Remedy) -> None:
    """A setting has keys that a study file knows, or is part of a request; a command of weft exists, and its options."""
    if remedy.setting.startswith("["):
        for name, table in parse(remedy.setting, "remedy").items():
            assert set(table) <= set(studyfile._SECTIONS[name]), remedy.setting
    elif remedy.setting and not remedy.setting.startswith("#SBATCH --"):
        asked = json.loads("{" + remedy.setting + "}")
        assert set(asked) <= OF_A_REQUEST, remedy.setting
        assert set(asked.get("parameterSet", {})) <= OF_PARAMETERS, remedy.setting
    words = shlex.split(remedy.command)
    if words and words[0] == "weft":
        command, *rest = _command(words[1:])
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in rest if word.startswith("-")} <= known, remedy.command


def takes(setting: str, folder: Path) -> None:
    """A study with these lines loads."""
    sections: dict[str, Any] = {
        "model": {"command": "python3 portal.py"},
        "parameters": {"x": [1, 2]},
        "run": {"on": "tapis"},
        "tapis": {"app": "opensees-mp-s3"},
    }
    for name, lines in parse(setting, "remedy").items():
        sections[name] = {**sections.get(name, {}), **lines}
    sections["model"]["command"] += " {x}"
    sections["model"].get("env", {}).pop("A", None)  # it has a placeholder of a parameter that is not here
    studyfile.study_from_python(folder=folder, **sections)


def _command(words: list[str]) -> Iterator[Any]:
    """The command that these words name, and the words that follow it."""
    found: click.Command = weft
    while isinstance(found, click.Group):
        inner = found.get_command(click.Context(found), words[0])
        assert inner is not None, words
        found, words = inner, words[1:]
    yield found
    yield from words


def usual(median: float, column: str, *keys: tuple[str, str, str], count: int = 40) -> Normal:
    """A history in which one figure has this median for such jobs."""
    known = Baseline(count=count, median=median, p10=0.8 * median, p90=1.5 * median, spread=0.1 * median)
    return Normal(baselines={key: {column: known} for key in keys})


SKX = ("opensees-mp-s3", "stampede3", "skx")
