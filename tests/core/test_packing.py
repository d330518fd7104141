"""The size of jobs: every waiting case in one bundle at most, within the limits, and long enough to be run."""

from __future__ import annotations

import random

import pytest
from tests.conftest import seeds

from weft.core.books import CaseState
from weft.core.packing import (
    memory_for,
    minutes_for,
    node_hours,
    pack,
    run_minutes,
    slots_within,
    spread,
    usual_seconds,
)
from weft.model import Charge, Limits, Resources
from weft.node.runner import fits, packing_reserve


def cases(count: int) -> list[tuple[str, CaseState]]:
    return [(f"c{number}", CaseState()) for number in range(count)]


def test_time_and_memory_grow_with_what_was_learnt() -> None:
    needs, limits = Resources(minutes=5.0, memory_mb=1000), Limits()
    assert [minutes_for(CaseState(timeouts=n), needs, limits) for n in range(3)] == [5.0, 10.0, 20.0]
    assert [memory_for(CaseState(ooms=n), needs, limits) for n in range(3)] == [1000, 2000, 4000]


def test_what_is_not_limited_does_not_grow() -> None:
    assert minutes_for(CaseState(timeouts=3), Resources(), Limits(max_minutes=60.0)) is None
    assert memory_for(CaseState(ooms=3), Resources(), Limits(memory_mb=100)) is None


def test_growth_ends_at_what_the_backend_has() -> None:
    limits = Limits(max_minutes=120.0, memory_mb=1500)
    needs = Resources(minutes=100.0, memory_mb=1000)
    assert 100.0 < (minutes_for(CaseState(timeouts=1), needs, limits) or 0) < 120.0
    assert memory_for(CaseState(ooms=1), needs, limits) == 1500


def test_usual_is_the_median_of_what_has_run() -> None:
    assert usual_seconds([CaseState(), CaseState(wall=1.0), CaseState(wall=9.0), CaseState(wall=2.0)]) == 2.0
    assert usual_seconds([CaseState()]) is None


@pytest.mark.parametrize(
    ("count", "chosen"),
    [(1, ["c"]), (2, ["a", "e"]), (3, ["a", "c", "e"]), (5, list("abcde")), (9, list("abcde"))],
)
def test_a_pilot_is_spread_from_the_first_to_the_last(count: int, chosen: list[str]) -> None:
    assert spread(list("abcde"), count) == chosen


def test_cases_of_unlike_memory_do_not_share_a_job() -> None:
    waiting = [("a", CaseState()), ("b", CaseState(ooms=1)), ("c", CaseState())]
    bundles = pack(waiting, Resources(memory_mb=100), Limits(max_jobs=4), jobs=4)
    assert {case: bundle.memory_mb for bundle in bundles for case in bundle.cases} == {
        "a": 100,
        "b": 200,
        "c": 100,
    }


def test_no_job_is_longer_than_the_backend_allows() -> None:
    limits = Limits(max_minutes=60.0, max_cases=1000, slots=4)
    bundles = pack(cases(1000), Resources(minutes=10.0), limits, jobs=3)
    assert len(bundles) == 3
    assert all(len(bundle.cases) == 20 for bundle in bundles), "five rounds of ten minutes on four slots"
    assert all(bundle.minutes is not None and bundle.minutes <= 60.0 for bundle in bundles)


def test_what_was_learnt_makes_better_jobs() -> None:
    limits = Limits(max_minutes=60.0, max_cases=10_000, slots=1)
    (guess,) = pack(cases(1000), Resources(minutes=30.0), limits)
    (known,) = pack(cases(1000), Resources(minutes=30.0), limits, seconds=6.0)
    assert len(guess.cases) == 1
    assert len(known.cases) > 400


def test_packing_keeps_its_promises() -> None:
    for seed in seeds(300, 5000):
        rng = random.Random(seed)
        waiting = [
            (name, CaseState(timeouts=rng.choice([0, 0, 1, 4]), ooms=rng.choice([0, 0, 1])))
            for name, _ in cases(rng.randint(1, 60))
        ]
        needs = Resources(
            minutes=rng.choice([None, 0.1, 5.0, 100.0]),
            memory_mb=rng.choice([None, 500]),
            cores=rng.randint(1, 4),
        )
        limits = Limits(
            max_cases=rng.choice([1, 7, 1000]),
            max_minutes=rng.choice([None, 5.0, 60.0, 2880.0]),
            slots=rng.choice([None, 1, 8]),
            memory_mb=rng.choice([None, 800]),
        )
        jobs, seconds = rng.randint(1, 5), rng.choice([None, 0.5, 600.0])
        bundles = pack(waiting, needs, limits, jobs=jobs, seconds=seconds)
        told = f"seed {seed}"
        assert 1 <= len(bundles) <= jobs, told
        placed = [case for bundle in bundles for case in bundle.cases]
        assert len(placed) == len(set(placed)), told
        assert set(placed) <= {name for name, _ in waiting}, told
        states = dict(waiting)
        for bundle in bundles:
            assert 1 <= len(bundle.cases) <= limits.max_cases, told
            assert {memory_for(states[case], needs, limits) for case in bundle.cases} == {bundle.memory_mb}, (
                told
            )
            assert (bundle.minutes is None) == (limits.max_minutes is None), told
            if bundle.minutes is None or limits.max_minutes is None:
                continue
            assert bundle.minutes <= limits.max_minutes, told
            stop_at = 60 * bundle.minutes - packing_reserve(60 * bundle.minutes)
            for case in bundle.cases:
                minutes = minutes_for(states[case], needs, limits)
                assert minutes is None or fits(20.0, 60 * minutes, stop_at), (
                    f"{told}: {case} would never start"
                )


def test_a_job_is_charged_for_whole_nodes_and_a_quarter_of_an_hour_at_least() -> None:
    assert node_hours(1.0, Charge(nodes=1)) == 0.25
    assert node_hours(90.0, Charge(nodes=4)) == 6.0


def test_slots_are_what_every_bound_leaves_and_at_least_one() -> None:
    needs = Resources(cores=4, memory_mb=1000)
    assert slots_within(needs, None, None, None) is None
    assert slots_within(needs, None, 48, None) == 12
    assert slots_within(needs, None, 48, 3000) == 3
    assert slots_within(needs, 2, 48, 3000) == 2
    assert slots_within(needs, None, 2, None) == 1


def test_a_case_that_goes_on_has_no_limit_where_its_job_is_shorter() -> None:
    short, long = Limits(max_minutes=10.0), Limits(max_minutes=1000.0)
    needs = Resources(minutes=60.0)
    assert run_minutes(CaseState(), needs, short, continues=True) is None
    assert run_minutes(CaseState(), needs, long, continues=True) == 60.0
    assert run_minutes(CaseState(), needs, short, continues=False) == minutes_for(CaseState(), needs, short)
