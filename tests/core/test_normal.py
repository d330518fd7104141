"""What is normal, what is out of line with it, and what has changed: on planted examples, and on noise alone."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from tests.conftest import count, seeds
from tests.core.scenes import jobs, scene

from weft.core.jobtable import PHASES, schema, seconds_of
from weft.core.normal import (
    CHANGE_SECONDS,
    DAYS,
    LEAST,
    MOST_OUTLIERS,
    SECONDS,
    SPREADS,
    TIMES,
    WATCHED,
    Baseline,
    Drift,
    drifts,
    limit,
    normal_of,
    outliers,
)

KEY = ("opensees-mp-s3", "stampede3", "skx")
DAY = 86_400.0


def many(number: int, **said: Any) -> list[dict[str, Any]]:
    return [said] * number


def days(*said: dict[str, Any]) -> list[dict[str, Any]]:
    """Three jobs a day."""
    return [
        {"start": 1_780_000_000 + number * DAY / 3, "end": 1e10, **each} for number, each in enumerate(said)
    ]


# What is normal


def test_a_baseline_is_robust() -> None:
    queued = [50.0, 55.0, 60.0, 65.0, 70.0, 60.0, 60.0, 55.0, 65.0, 100_000.0]
    normal = normal_of(jobs(*({"queued_s": seconds} for seconds in queued)))
    found = normal.of(*KEY, "queued_s")
    assert found is not None
    assert (found.count, found.median, found.p10) == (10, 60.0, pytest.approx(54.5))
    assert found.spread == pytest.approx(1.4826 * 5)


def test_too_few_jobs_are_nobodys_normal() -> None:
    assert normal_of(jobs(*many(LEAST - 1))).baselines == {}
    assert normal_of(jobs(*many(LEAST))).of(*KEY, "queued_s") is not None
    assert normal_of(jobs(*many(2)), least=2).of(*KEY, "queued_s") is not None
    assert normal_of(pl.DataFrame(schema=schema())).baselines == {}


def test_every_app_system_and_queue_has_its_own() -> None:
    normal = normal_of(
        jobs(*many(LEAST), *many(LEAST, queue="dev", queued_s=1.0), *many(LEAST, app=None, queue=""))
    )
    assert normal.of(*KEY, "queued_s").median == 60.0  # type: ignore[union-attr]
    assert normal.of(*KEY[:2], "dev", "queued_s").median == 1.0  # type: ignore[union-attr]
    assert set(normal.baselines) == {KEY, (*KEY[:2], "dev"), ("", "stampede3", "")}


@pytest.mark.parametrize(
    ("spoilt", "before", "after"),
    [
        ({"outcome": "FAILED", "running_s": 0.0, "queued_s": 0.0}, False, False),
        ({"outcome": "CANCELLED", "running_s": 0.0, "queued_s": 9.0}, False, False),
        ({"outcome": "FAILED", "running_s": 3.0}, True, False),
        ({"outcome": "TIMED_OUT"}, True, False),
        ({"failed_cases": 241}, True, False),
        ({"failed_cases": 240}, True, True),
        ({"open": True, "outcome": ""}, False, False),
        ({"outcome": None, "open": None}, False, False),
    ],
)
def test_jobs_that_say_nothing_of_a_phase_do_not_count(
    spoilt: dict[str, Any], before: bool, after: bool
) -> None:
    normal = normal_of(jobs(*many(LEAST), spoilt))
    assert normal.of(*KEY, "queued_s").count == LEAST + before  # type: ignore[union-attr]
    assert normal.of(*KEY, "wall_s").count == LEAST + after  # type: ignore[union-attr]
    assert normal.of(*KEY, "archiving_s").count == LEAST + after  # type: ignore[union-attr]


def test_a_bundle_runs_for_as_long_as_its_cases_whatever_others_took() -> None:
    bundles, alone = many(LEAST), many(LEAST, cases=0, recorded=0, app="alone")
    normal = normal_of(jobs(*bundles, *alone))
    assert normal.of(*KEY, "running_s") is None
    assert normal.of("alone", *KEY[1:], "running_s") is not None


def test_figures_that_are_made_of_others() -> None:
    normal = normal_of(
        jobs(*many(LEAST, archive_files=5069, archive_copying_s=171.7, archive_bytes=151_000_000))
    )
    medians = {name: each.median for name, each in normal.baselines[KEY].items()}
    assert medians["archive_files_per_s"] == pytest.approx(29.52, abs=0.01)
    assert medians["archive_bytes_per_s"] == pytest.approx(879_441, abs=1)
    assert medians["staging_s"] == pytest.approx(1.1 + 18 + 30)
    assert medians["wall_s"] == pytest.approx(2830.8)
    assert medians["overhead_share"] == pytest.approx(180.8 / 2830.8)


@pytest.mark.parametrize("said", [{}, {"cases": 0}, {"cases": None}, {"cases_s": 9e9}, {"cases_s": None}])
def test_overhead_is_as_in_a_profile(said: dict[str, Any]) -> None:
    found = normal_of(jobs(*many(LEAST, **said))).of(*KEY, "overhead_share")
    useful = 2700.0 if not said.get("cases", 1) else said.get("cases_s", 2650.0)
    if useful is None:
        assert found is None
    else:
        assert found is not None
        assert found.median == pytest.approx(max(0.0, 1 - useful / 2830.8))


def test_without_transfers_or_a_runner_nothing_is_known_of_them() -> None:
    foreign = {"cases_s": 0.0, "recorded": 0, "inputs_transfers": 0, "archive_transfers": None}
    of_these = normal_of(jobs(*many(LEAST, **foreign))).baselines[KEY]
    assert not {"cases_s", "cpu_s", "inputs_waiting_s", "archive_files_per_s"} & set(of_these)
    assert "staging_inputs_s" in of_these


# What is out of line


def test_a_planted_outlier_is_named() -> None:
    usual = [{"queued_s": 55.0 + number} for number in range(LEAST)]
    table = jobs(*usual, {"job": "late", "queued_s": 7200.0})
    (found,) = outliers(table, normal_of(table))
    assert (found.job, found.what, found.value, found.normal.count) == ("late", "queued_s", 7200.0, LEAST + 1)
    assert outliers(jobs(*usual), normal_of(table)) == []


def test_a_bundle_is_not_out_of_line_for_its_many_cases() -> None:
    """Its app is also used without weft, for jobs of a few minutes."""
    alone = many(LEAST, cases=0, recorded=0, running_s=300.0)
    bundle = {"job": "bundle", "cases": 480, "running_s": 9000.0}
    late = {"job": "late", "cases": None, "running_s": 9000.0}
    table = jobs(*alone, bundle, late)
    assert [(each.job, each.what) for each in outliers(table, normal_of(table))] == [("late", "running_s")]


def baseline(**said: float) -> Baseline:
    return Baseline(**{"count": 40, "median": 100.0, "p10": 90.0, "p90": 112.8, "spread": 10.0, **said})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usual", "bound"),
    [
        (baseline(spread=50.0), 100 + SPREADS * 50),
        (baseline(), TIMES * 100),
        (baseline(median=5.0, p90=5.0, spread=0.0), 5 + SECONDS),
        (baseline(median=0.0, p90=0.0, spread=0.0), SECONDS),
        (baseline(p90=740.8), 100 + SPREADS * 500),
    ],
)
def test_the_bound_of_what_is_usual(usual: Baseline, bound: float) -> None:
    assert limit(usual) == pytest.approx(bound, rel=1e-3)


def test_just_above_the_bound_and_just_below() -> None:
    normal = normal_of(jobs(*many(LEAST)))
    bound = limit(normal.of(*KEY, "queued_s"))  # type: ignore[arg-type]
    assert bound == 120.0
    assert outliers(jobs({"queued_s": bound}), normal) == []
    assert [each.what for each in outliers(jobs({"queued_s": bound + 0.1}), normal)] == ["queued_s"]


def test_the_worst_come_first_and_not_too_many_are_told() -> None:
    normal = normal_of(jobs(*many(LEAST)))
    table = jobs(
        *({"job": f"late-{number}", "archiving_s": 1000.0 + number} for number in range(2 * MOST_OUTLIERS))
    )
    found = outliers(table, normal)
    assert [each.value for each in found[:2]] == [1099.0, 1098.0]
    assert len(found) == MOST_OUTLIERS


def test_nothing_is_out_of_line_where_nothing_is_known() -> None:
    strange = jobs({"queued_s": 1e6, "app": "never seen"}, {"queued_s": None}, {"job": None})
    assert outliers(strange, normal_of(jobs(*many(LEAST)))) == []
    assert outliers(strange, normal_of(strange)) == []
    few = normal_of(jobs(*many(LEAST - 1)), least=2)
    assert outliers(jobs({"queued_s": 1e6}), few) == [], "few are enough for others only"
    assert outliers(pl.DataFrame(schema=schema()), normal_of(jobs(*many(LEAST)))) == []


def test_a_job_under_way_counts_with_what_it_has_taken() -> None:
    late = {"job": "stuck", "open": True, "outcome": "", "running_s": 0.0, "queued_s": 9000.0}
    assert [each.job for each in outliers(jobs(late), normal_of(jobs(*many(LEAST))))] == ["stuck"]


# What has changed


def changed(before: float, after: float, *, counts: tuple[int, int] = (24, 12)) -> list[Drift]:
    chance = random.Random(1)
    seconds = [before * chance.uniform(0.9, 1.1) for _ in range(counts[0])]
    seconds += [after * chance.uniform(0.9, 1.1) for _ in range(counts[1])]
    return drifts(jobs(*days(*({"queued_s": each} for each in seconds))))


def test_a_planted_change_is_named_with_its_time() -> None:
    (found,) = changed(60.0, 600.0)
    assert (found.app, found.system, found.queue, found.what) == (*KEY, "queued_s")
    assert found.since == 1_780_000_000 + 24 * DAY / 3
    assert (found.before.count, found.after.count) == (24, 12)
    assert found.before.median == pytest.approx(60, rel=0.1)
    assert found.after.median == pytest.approx(600, rel=0.1)


@pytest.mark.parametrize("seed", seeds(10, 100))
def test_a_change_in_noise_is_found_where_it_was(seed: int) -> None:
    chance = random.Random(seed)
    old, new = chance.randint(20, 60), chance.randint(10, 60)
    seconds = [60 * chance.lognormvariate(0, 0.3) for _ in range(old)]
    seconds += [600 * chance.lognormvariate(0, 0.3) for _ in range(new)]
    (found,) = drifts(jobs(*days(*({"queued_s": each} for each in seconds))))
    assert (found.before.count, found.after.count) == (old, new)


def test_a_change_for_the_better_is_one_too() -> None:
    assert [each.after.median < each.before.median for each in changed(600.0, 60.0)] == [True]


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (60.0, 80.0, (24, 24)),
        (CHANGE_SECONDS * 0.1, CHANGE_SECONDS * 0.9, (24, 24)),
        (60.0, 600.0, (24, LEAST - 1)),
        (60.0, 600.0, (LEAST, LEAST)),
    ],
    ids=["too little", "too few seconds", "too few since", "too few in all"],
)
def test_what_is_no_change(before: float, after: float, counts: tuple[int, int]) -> None:
    assert changed(before, after, counts=counts) == []


def test_one_busy_afternoon_changes_nothing() -> None:
    usual = days(*many(30, queued_s=60.0))
    busy = [{"start": 1_790_000_000 + 60 * number, "end": 1e10, "queued_s": 7200.0} for number in range(20)]
    assert drifts(jobs(*usual, *busy)) == []
    later = [{**each, "start": each["start"] + DAY * (number % DAYS)} for number, each in enumerate(busy)]
    assert [each.what for each in drifts(jobs(*usual, *later))] == ["queued_s"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = days(*many(20, queued_s=60.0), *many(20, queued_s=600.0))
    shuffled = random.Random(2).sample(rows, len(rows))
    assert drifts(jobs(*shuffled)) == drifts(jobs(*rows)) != []


def test_nothing_has_changed_where_nothing_is_known() -> None:
    assert drifts(pl.DataFrame(schema=schema())) == []
    assert drifts(jobs({"queued_s": None}, {"start": 1.0, "app": None})) == []


def test_an_ordinary_scene_has_neither() -> None:
    table = scene(*many(40)).jobs
    assert outliers(table, normal_of(table)) == []
    assert drifts(table) == []


# Noise alone

PHASE_COLUMNS = [seconds_of(phase.value) for phase in PHASES]


def noise(seed: int, number: int, shape: str) -> pl.DataFrame:
    """Jobs that differ by chance alone: each phase with a middle and a spread of its own."""
    chance = random.Random(f"{seed} {shape}")
    middles = {name: chance.choice((1.0, 20.0, 120.0, 1800.0)) for name in PHASE_COLUMNS}

    def one(middle: float) -> float:
        if shape == "normal":
            return max(0.0, middle * chance.gauss(1, 0.2))
        if shape == "exponential":
            return chance.expovariate(1 / middle)
        return middle * chance.lognormvariate(0, 0.8)

    rows = [{name: one(middle) for name, middle in middles.items()} for _ in range(number)]
    return jobs(*days(*rows))


@pytest.mark.parametrize("shape", ["normal", "exponential", "lognormal"])
def test_noise_is_seldom_taken_for_news(shape: str) -> None:
    false_drifts = false_outliers = tables = judged = 0
    for seed in seeds(12, 100):
        number = random.Random(seed).choice((20, 60, 150))
        table = noise(seed, number, shape)
        tables += 1
        judged += number * len(PHASE_COLUMNS)
        false_drifts += len(drifts(table))
        found = outliers(table, normal_of(table))
        false_outliers += len(found)
    assert false_drifts <= 0.1 * tables, "less than one false change for ten users"
    assert false_outliers <= (0.0005 if shape == "normal" else 0.015) * judged


@pytest.mark.parametrize("seed", seeds(6, 60))
def test_an_outlier_in_noise_is_found(seed: int) -> None:
    table = noise(seed, 60, "normal")
    name = random.Random(seed).choice([each for each in PHASE_COLUMNS if each != "running_s"])
    usual = normal_of(table).of(*KEY, name)
    assert usual is not None
    planted = table.with_columns(
        pl.when(pl.int_range(pl.len()) == 7)
        .then(limit(usual) * 1.2 + usual.p90)
        .otherwise(pl.col(name))
        .alias(name)
    )
    found = outliers(planted, normal_of(planted))
    assert (planted["job"][7], name) in {(each.job, each.what) for each in found}


def test_many_jobs_of_many_kinds() -> None:
    number = count(2_000, 100_000)
    table = jobs({"cases": 0}).select(pl.all().repeat_by(number).explode())
    kinds = pl.int_range(pl.len()) % 50
    table = table.with_columns(app=pl.format("app-{}", kinds), start=pl.int_range(pl.len()) * 600.0)
    normal = normal_of(table)
    assert len(normal.baselines) == 50
    assert set(WATCHED) <= set(normal.baselines["app-7", "stampede3", "skx"]) | set(WATCHED[len(PHASES) :])
    assert outliers(table, normal) == []
    assert drifts(table) == []
