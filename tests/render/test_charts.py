"""What charts show: the right amounts, in few marks, by names of colours."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import altair
import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.render import analyses

from weft.core.analysis import Analysis, Waited
from weft.core.groups import totals
from weft.render import casemap, charts, series
from weft.render.palette import LIGHT, VARIABLES


def rows(spec: charts.Spec, layer: int = 0) -> list[dict[str, Any]]:
    """What is drawn in a layer."""
    data = (spec["layer"][layer] if "layer" in spec else spec).get("data") or spec["data"]
    name = data.get("name")
    found: list[dict[str, Any]] = spec["datasets"][name] if name else data["values"]
    return found


# Jobs in time


def test_jobs_in_time_have_a_bar_each_cut_into_phases() -> None:
    analysis = analyses.study()
    title, spec = charts.of_jobs(analysis, VARIABLES)
    assert title == "The jobs in time"
    bars = rows(spec)
    assert len({bar["row"] for bar in bars}) == 4
    assert {bar["fill"] for bar in bars} <= {f"var(--{phase})" for phase in VARIABLES}
    running = next(bar for bar in bars if bar["fill"] == "var(--RUNNING)")
    assert running["end"] - running["start"] == pytest.approx(2700)
    assert running["tip"] == "portal-ida-k3f9-0001: running, 45 min 00 s"
    assert {line["fill"] for line in rows(spec, 1)} == {
        f"var(--{span})" for span in ("UNPACK", "SETUP", "CASES", "FINISH", "PACK")
    }


def test_what_is_uncertain_or_open_is_said() -> None:
    analysis = analyses.study()
    job = analysis.profile.jobs[0]
    job = structs.replace(job, phases=[*job.phases[:-1], structs.replace(job.phases[-1], open=True)])
    changed = structs.replace(
        analysis, profile=structs.replace(analysis.profile, jobs=[job]), jobs=analysis.jobs.head(1)
    )
    tips = [bar["tip"] for bar in rows(charts.of_jobs(changed, LIGHT)[1])]
    assert any(tip.endswith("queued, 5 min 00 s; told up to 20 s late") for tip in tips)
    assert any(tip.endswith("collecting, 22 s; not over") for tip in tips)


def test_jobs_of_months_are_drawn_each_from_its_own_beginning() -> None:
    title, spec = charts.of_jobs(analyses.foreign(), LIGHT)
    assert title == "The jobs, each from its own beginning"
    assert len({bar["row"] for bar in rows(spec)}) == 60


def test_many_jobs_are_counted_by_phase() -> None:
    analysis = analyses.great(5000)
    title, spec = charts.of_jobs(analysis, LIGHT)
    assert title == "Jobs in each phase, over time"
    assert len(rows(spec)) <= 14 * (series.TIME_BINS + 1)


def test_no_job_time_is_lost_when_jobs_are_counted() -> None:
    jobs = analyses.great(2000).jobs
    edges, found = series.concurrency(jobs)
    step = (edges[-1] - edges[0]) / series.TIME_BINS
    for phase, column in (("QUEUED", "queued_s"), ("RUNNING", "running_s"), ("ARCHIVING", "archiving_s")):
        assert sum(found[phase]) * step == pytest.approx(jobs[column].sum(), rel=1e-6)
    assert "BLOCKED" not in found


@pytest.mark.parametrize("number", [1, 2])
def test_few_jobs_can_be_counted_too(number: int) -> None:
    edges, found = series.concurrency(analyses.great(number).jobs)
    assert len(edges) == series.TIME_BINS + 1
    assert max(max(counts) for counts in found.values()) == pytest.approx(number, rel=0.2)


def test_groups_of_jobs_have_their_means() -> None:
    jobs = analyses.great(5000).jobs
    parts = series.stacked(jobs)
    names = list(dict.fromkeys(part.row for part in parts))
    assert len(names) == series.GROUPS_DRAWN
    assert names[0] == "1–209"
    first = next(part for part in parts if part.name == "RUNNING")
    assert first.end - first.start == pytest.approx(jobs.sort("start").head(209)["running_s"].mean())


def test_the_longest_job_comes_first() -> None:
    parts = series.stacked(analyses.study().jobs, longest=True)
    assert parts[0].row == "portal-ida-k3f9-0003"


def test_no_two_jobs_share_a_label() -> None:
    jobs = analyses.foreign().jobs.with_columns(
        pl.lit("the same name of a job that is rather long").alias("name")
    )
    found = series.labels(jobs)
    assert len(set(found.values())) == jobs.height
    assert series.shortened("abcdefghij", 5) == "ab…ij"
    assert series.shortened("abc", 5) == "abc"


# The critical path


def test_a_long_critical_path_is_drawn_in_steps() -> None:
    path = [
        Waited(
            start=10.0 * place,
            end=10.0 * (place + 1),
            job=f"j{place}",
            name="RUNNING" if place % 10 else "QUEUED",
        )
        for place in range(5000)
    ]
    found = series.path(path).parts
    assert len(found) <= series.STRETCHES
    assert (found[0].start, found[-1].end) == (0, pytest.approx(50_000))
    assert {part.name for part in found} == {"RUNNING"}


def test_time_without_a_job_is_named() -> None:
    path = [Waited(start=0, end=5, job="a", name="RUNNING"), Waited(start=5, end=9, job="", name="")]
    tips = [bar["tip"] for bar in rows(charts.waited(series.path(path), LIGHT))]
    assert tips == ["running, 5.0 s; a", "no job under way, 4.0 s"]


@given(
    st.lists(
        st.tuples(st.floats(0.01, 1e5), st.sampled_from([0.0, 0.0, 0.0, 0.2, 3.0, 40_000.0])),
        min_size=1,
        max_size=300,
    )
)
def test_time_between_runs_takes_no_room(stretches: list[tuple[float, float]]) -> None:
    waited, at = [], 1e6
    for seconds, missing in stretches:
        waited.append(Waited(start=at, end=at + seconds, job="a", name="RUNNING"))
        at += seconds + missing
    found = series.path(waited)
    assert found.parts[0].start == 0
    assert all(one.end == pytest.approx(other.start) for one, other in pairwise(found.parts))
    assert found.parts[-1].end == pytest.approx(sum(each.end - each.start for each in waited))
    missing = [each for _, each in stretches[:-1] if each >= series.PAUSE]
    assert [each for _, each in found.pauses] == pytest.approx(missing)


def test_where_time_was_left_out_there_is_a_mark() -> None:
    waited = [
        Waited(start=0, end=50, job="a", name="RUNNING"),
        Waited(start=40_050, end=40_080, job="b", name="RUNNING"),
    ]
    spec = charts.waited(series.path(waited), LIGHT)
    assert [(bar["start"], bar["end"]) for bar in rows(spec)] == [(0, 50), (50, 80)]
    assert rows(spec, 1) == [{"start": 50, "tip": "left out: 11 h 07 min"}]
    assert "left out" not in json.dumps(charts.waited(series.path(waited[:1]), LIGHT))


# Distributions


@given(st.lists(st.floats(1e-3, 1e7), min_size=5, max_size=200))
def test_a_histogram_counts_everything_once(values: list[float]) -> None:
    found = series.bars(pl.Series(values))
    if found is None:
        assert max(values) - min(values) <= series.SAME * max(values)
    else:
        assert sum(found.counts) == len(values)
        assert len(found.edges) == len(found.counts) + 1
        assert all(a < b for a, b in pairwise(found.edges))


def test_a_histogram_needs_something_to_tell() -> None:
    assert series.bars(pl.Series([1.0, 2.0])) is None
    assert series.bars(pl.Series([3.0] * 50)) is None
    assert series.bars(pl.Series([None, 0.0, 0.0], dtype=pl.Float64)) is None


def test_lengths_that_span_much_are_drawn_by_factors() -> None:
    found = series.bars(pl.Series([1.0, 10.0, 100.0, 1000.0, 5000.0]))
    assert found is not None
    assert found.logarithmic
    spec = charts.histogram(found, "QUEUED", "job", LIGHT)
    assert spec["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"


# Cases


def test_the_map_is_of_the_two_parameters_with_most_values() -> None:
    found = casemap.heat(analyses.study())
    assert found is not None
    assert (found.x, found.y) == ("scale", "record")
    assert (len(found.columns), len(found.rows), len(found.cells)) == (40, 25, 1000)
    marked = [row for row in rows(charts.heat(found, LIGHT)) if row["mark"]]
    assert len(marked) == sum(cell.failed for cell in found.cells) > 0
    assert all(row["tip"].endswith(", 1 failed") for row in marked)


def test_a_map_needs_two_parameters() -> None:
    analysis = analyses.study()
    assert casemap.heat(structs.replace(analysis, parameters={"scale": [1.0, 2.0]})) is None
    assert casemap.heat(structs.replace(analysis, cases=None)) is None


def test_a_map_of_many_values_is_thinned() -> None:
    values = [float(place) for place in range(500)]
    cases = pl.DataFrame(
        {"a": values * 2, "b": [0] * 500 + [1] * 500, "status": ["done"] * 1000, "weft_wall_s": values * 2}
    )
    analysis = structs.replace(analyses.study(), cases=cases, parameters={"a": values, "b": [0, 1]})
    found = casemap.heat(analysis)
    assert found is not None
    assert (len(found.columns), found.left_out) == (casemap.SIDE, 500 - casemap.SIDE)
    assert (found.columns[0], found.columns[-1]) == ("0", "499")
    assert len(found.cells) == 2 * casemap.SIDE


def test_long_values_have_short_labels_and_no_two_alike() -> None:
    """What draws them needs minutes for a few words of thousands of letters."""
    values = [f"{'a' * 3000}{place}{'b' * 3000}" for place in range(4)]
    cases = pl.DataFrame({"a": values, "b": values, "status": "done", "weft_wall_s": 1.0})
    found = casemap.heat(
        structs.replace(analyses.study(), cases=cases, parameters={"a": values, "b": values})
    )
    assert found is not None
    assert len(found.cells) == len({cell.x for cell in found.cells}) == 4
    assert max(map(len, found.columns)) < 50


def test_cases_at_the_same_place_are_one_cell() -> None:
    cases = pl.DataFrame(
        {
            "a": [1, 1, 2],
            "b": ["x", "x", "y"],
            "status": ["done", "failed", "waiting"],
            "weft_wall_s": [10.0, 30.0, None],
        }
    )
    found = casemap.heat(
        structs.replace(analyses.study(), cases=cases, parameters={"a": [1, 2], "b": ["x", "y"]})
    )
    assert found is not None
    assert [(cell.cases, cell.failed, cell.wall_s) for cell in found.cells] == [(2, 1, 20.0), (1, 0, None)]
    assert rows(charts.heat(found, VARIABLES))[1]["fill"] == "var(--panel)"


def test_heat_steps_cover_all() -> None:
    found = casemap.heat(analyses.study())
    assert found is not None
    steps, edges = casemap.heats(found.cells, 7)
    assert {step for step in steps if step is not None} == set(range(7))
    assert edges[0] == min(cell.wall_s or math.inf for cell in found.cells)


def pausing(analysis: Analysis) -> series.Path:
    """Its critical path, with a night in it."""
    night = [structs.replace(each, start=each.start + 4e4, end=each.end + 4e4) for each in analysis.waited]
    return series.path([*analysis.waited, *night])


def specs() -> dict[str, charts.Spec]:
    """One of each kind of chart."""
    study, great = analyses.study(), analyses.great(500)
    spread, cases = series.bars(great.jobs["queued_s"]), casemap.heat(study)
    assert spread is not None
    assert cases is not None
    return {
        "timeline": charts.of_jobs(study, LIGHT)[1],
        "stacked": charts.stacked(series.stacked(great.jobs), LIGHT),
        "waited": charts.waited(pausing(study), LIGHT),
        "concurrency": charts.of_jobs(great, LIGHT)[1],
        "totals": charts.totals(totals(study.jobs), LIGHT),
        "histogram": charts.histogram(spread, "QUEUED", "job", LIGHT),
        "heat": charts.heat(cases, LIGHT),
    }


def check(spec: charts.Spec) -> None:
    """Hold it to the schema of Vega-Lite; of the data one row is enough."""
    few = {name: data[:1] for name, data in spec["datasets"].items()}
    schema = {"$ref": "#/definitions/TopLevelSpec"}
    altair.utils.schemapi.validate_jsonschema(
        {**spec, "datasets": few}, schema, rootschema=altair.load_schema()
    )


def test_every_spec_is_vega_lite() -> None:
    """The charts are made without this check, for speed."""
    for spec in specs().values():
        json.dumps(spec)
        check(spec)


def test_what_is_no_vega_lite_would_be_noticed() -> None:
    spec = charts.totals(totals(analyses.study().jobs), LIGHT)
    with pytest.raises(jsonschema.ValidationError, match="wide enough"):
        check({**spec, "width": "wide enough"})
