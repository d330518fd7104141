"""All findings: what holds for every rule."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.conftest import count
from tests.core.findings.examples import EXAMPLES
from tests.core.findings.lost import takes
from tests.core.scenes import ORDINARY, jobs, scene

from weft.core.findings.base import Rule, Scene, Severity
from weft.core.findings.table import TABLE, find
from weft.core.jobtable import schema

RULES = pytest.mark.parametrize("rule", TABLE, ids=[rule.id for rule in TABLE])


def test_every_rule_has_an_example_and_no_example_is_of_none() -> None:
    assert set(EXAMPLES) == {rule.id for rule in TABLE}


@RULES
def test_a_rule_finds_its_example_and_nothing_just_below_its_threshold(rule: Rule) -> None:
    example = EXAMPLES[rule.id]
    assert example.below
    (finding,) = rule.find(scene(*example.found, **example.scene))
    assert (finding.id, finding.title, finding.severity) == (rule.id, rule.title, rule.severity)
    assert finding.evidence and finding.remedies and finding.where and finding.cause.endswith(".")
    for below in example.below:
        assert not list(rule.find(scene(*below, **example.scene)))


def test_ids_and_titles_are_unique() -> None:
    assert len({rule.id for rule in TABLE}) == len(TABLE)
    assert len({rule.title for rule in TABLE}) == len(TABLE)


@RULES
def test_a_rule_is_described(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.rule.endswith(".")
    assert rule.remedy.endswith((".", "`"))
    assert rule.title[0] == rule.title[0].upper()
    assert not rule.title.endswith(".")


@RULES
def test_what_a_failure_cost_is_not_told_as_a_saving(rule: Rule) -> None:
    example = EXAMPLES[rule.id]
    for finding in rule.find(scene(*example.found, **example.scene)):
        assert finding.lost is rule.lost
        if finding.severity is Severity.FAILURE and finding.gain_s is not None:
            assert finding.lost


@RULES
def test_what_a_remedy_sets_makes_a_study(rule: Rule, tmp_path: Path) -> None:
    """Whatever stands in it as an example is there: a folder, a file, an app."""
    for name in ("FOLDER", "tables"):
        (tmp_path / name).mkdir()
    for name in ("model.tcl", "tables/a.csv"):
        (tmp_path / name).write_text("x")
    example = EXAMPLES[rule.id]
    for finding in rule.find(scene(*example.found, **example.scene)):
        for remedy in finding.remedies:
            if remedy.setting.startswith("["):
                takes(remedy.setting, tmp_path)


@RULES
def test_nothing_is_found_in_an_ordinary_job(rule: Rule) -> None:
    assert not list(rule.find(scene()))
    assert not list(rule.find(scene({}, {}, {}, {})))


@RULES
@pytest.mark.parametrize("height", [0, 3])
def test_where_nothing_is_known_nothing_is_found(rule: Rule, height: int) -> None:
    unknown = pl.DataFrame({name: [None] * height for name in schema()}, schema=schema())
    list(rule.find(Scene(jobs=unknown)))
    numbered = unknown.with_columns(job=pl.lit("job"), outcome=pl.lit(""), kind=pl.lit("cases"))
    assert not list(rule.find(Scene(jobs=numbered)))


@RULES
@pytest.mark.parametrize(
    "said",
    [
        {"open": True, "outcome": "", "word": "QUEUED", "running_s": 0.0, "archiving_s": 0.0},
        {"outcome": "FAILED", "word": "FAILED", "running_s": 0.0, "recorded": 0},
    ],
    ids=["open", "failed"],
)
def test_a_job_with_nothing_but_zeros_breaks_no_rule(rule: Rule, said: dict[str, Any]) -> None:
    numbers = {name: 0 for name, kind in schema().items() if kind in (pl.Int64(), pl.Float64())}
    list(rule.find(scene({**numbers, **said})))


FIGURES = [name for name, kind in schema().items() if kind in (pl.Int64(), pl.Float64())]


@pytest.mark.parametrize("seed", range(count(8, 200)))
def test_figures_that_are_not_known_break_no_rule(seed: int) -> None:
    unknown = random.Random(seed).sample(FIGURES, len(FIGURES) // 4)
    table = jobs(
        {"queued_s": 9000.0}, {"archive_files": 5000, "archive_copying_s": 700.0, "archiving_s": 800.0}
    )
    find(Scene(jobs=table.with_columns(pl.lit(None, dtype=schema()[name]).alias(name) for name in unknown)))


def test_the_worst_and_dearest_come_first_and_always_so() -> None:
    many = {"archive_files": 5000, "archive_copying_s": 700.0, "archiving_s": 800.0}
    bad = scene({**ORDINARY, "queued_s": 9000.0, "pending_s": 100.0}, many)
    findings = find(bad)
    order = list(type(findings[0].severity))
    ranks = [order.index(each.severity) for each in findings]
    assert ranks == sorted(ranks)
    assert len(findings) > 2
    assert find(bad) == findings
