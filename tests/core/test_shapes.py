"""The ways to pack: which there are, and which one is taken."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.facts import opened

from weft.core import events as ev
from weft.core.events import Allotment
from weft.core.experience import Experience
from weft.core.packing import within
from weft.core.plan import Submit, plan
from weft.core.shapes import Ways, predicted, ways
from weft.core.state import State
from weft.model import Charge, Limits, Model, Resources, Study

GIVEN = Allotment(app="opensees-mp-s3", system="stampede3", queue="skx", cores=4)
CHARGE = Charge(nodes=1, rate=1.0, least_minutes=15.0)


def limits(**more: Any) -> Limits:
    given = {"max_jobs": 8, "slots": 4, "max_minutes": 600.0, "poll_first": 1.0, "poll_most": 60.0, **more}
    return Limits(**given)


def study(minutes: float | None = 2.0, **more: Any) -> Study:
    given = {"name": "s", "backend": "tapis", **more}
    return Study(
        folder="/x", file="", model=Model(command="x"), resources=Resources(minutes=minutes), **given
    )


def state(cases: int, *, wall: float = 0.0) -> State:
    """So many cases to run, after one that took so long."""
    made = opened(*(f"c{number}" for number in range(cases)))
    if wall:
        made.cases["c0"].wall, made.cases["c0"].done = wall, "r"
    return made


def found(of: Study, cases: int, bounds: Limits, *, wall: float = 0.0, given: Allotment = GIVEN) -> Ways:
    told = ways(of, state(cases, wall=wall), bounds, Experience(), given)
    assert told is not None
    return told


def test_there_are_three_to_five_ways_within_the_limits() -> None:
    for cases in (8, 40, 1000):
        for most in (2, 3, 8, 50):
            told = found(study(), cases, limits(max_jobs=most))
            assert 3 <= len(told.shapes) <= 5
            assert all(shape.at_once <= most and shape.slots == 4 for shape in told.shapes)
            assert all(sum(len(one.cases) for one in shape.bundles) == cases for shape in told.shapes)
            assert len({shape.jobs for shape in told.shapes}) == len(told.shapes)


def test_one_case_can_be_packed_in_one_way() -> None:
    assert len(found(study(), 1, limits()).shapes) == 1


def test_without_an_idea_of_a_cases_time_there_is_nothing_to_choose_from() -> None:
    assert ways(study(None), state(9), limits(), Experience(), GIVEN) is None
    assert ways(study(), state(0), limits(), Experience(), GIVEN) is None


def test_balanced_is_what_the_limits_allow_where_nothing_is_charged() -> None:
    assert found(study(), 80, limits(), wall=60.0).chosen.at_once == 8


def test_balanced_takes_fewer_jobs_where_they_are_as_fast_and_cost_less() -> None:
    """A hundred cases of a second fit into one job of a quarter of an hour, which is charged anyway."""
    ways = found(study(), 100, limits(charge=CHARGE), wall=1.0)
    told, most = ways.chosen, max(ways.shapes, key=lambda shape: (shape.at_once, -shape.jobs))
    assert told.at_once < most.at_once == 8
    assert told.forecast.wall_s[1] <= most.forecast.wall_s[1]
    assert told.cost <= 0.9 * most.cost
    cheap = found(study(prefer="cheapest"), 100, limits(charge=CHARGE), wall=1.0).chosen
    assert (cheap.at_once, cheap.forecast.su) == (1, (0.25, 0.25, 0.25))


def test_what_nobody_knows_the_cost_of_costs_the_same() -> None:
    """Each further job is one more to wait for: for a second of work they are not worth it."""
    ways = found(study(), 8, limits(), wall=1.0)
    usual = max(ways.shapes, key=lambda shape: (shape.at_once, -shape.jobs)).forecast.wall_s[1]
    best = min(shape.forecast.wall_s[1] for shape in ways.shapes)
    assert best < 0.9 * usual
    assert ways.chosen.forecast.wall_s[1] == best


def test_a_guess_that_is_not_told_decides_nothing() -> None:
    for prefer in ("cheapest", "fastest", "balanced"):
        ways = found(study(backend="local", prefer=prefer), 20, limits(max_jobs=1), given=Allotment(cores=8))
        assert ways.guessed
        assert not ways.told
        assert ways.chosen.slots == 4
    assert found(study(), 20, limits()).told  # what the service takes is worth telling


def test_balanced_never_goes_by_a_guess() -> None:
    told = found(study(0.1), 100, limits(charge=CHARGE))
    assert told.guessed
    assert told.chosen.at_once == 8


def test_fastest_and_cheapest_are_what_they_say() -> None:
    fast = found(study(prefer="fastest"), 400, limits(charge=CHARGE), wall=120.0)
    cheap = found(study(prefer="cheapest"), 400, limits(charge=CHARGE), wall=120.0)
    assert fast.chosen.forecast.wall_s[1] == min(shape.forecast.wall_s[1] for shape in fast.shapes)
    assert cheap.chosen.cost == min(shape.cost for shape in cheap.shapes)
    assert fast.chosen.forecast.wall_s[1] < cheap.chosen.forecast.wall_s[1]


def test_on_this_machine_a_way_leaves_a_part_of_it_free() -> None:
    told = found(study(backend="local"), 20, limits(max_jobs=1, slots=None), given=Allotment(cores=8))
    assert {shape.slots for shape in told.shapes} == {None, 4, 2}
    assert told.chosen.slots is None


@pytest.mark.parametrize("prefer", ["cheapest", "fastest", "balanced"])
def test_what_is_submitted_is_what_was_chosen(prefer: str) -> None:
    of, bounds = study(prefer=prefer), limits(charge=CHARGE)
    books = state(100, wall=5.0)
    told = ways(of, books, bounds, Experience(), GIVEN)
    assert told is not None
    books.apply(predicted(told, 1.0))
    actions = plan(of, books, bounds, 2.0)
    submitted = [action.bundle for action in actions if isinstance(action, Submit)]
    assert submitted == [*told.chosen.bundles]


def test_the_next_run_chooses_anew() -> None:
    books = state(10)
    books.apply(
        ev.Predicted(at=1.0, choice="cheapest", at_once=1, most_cases=3, jobs=4, wall_s=(1.0, 2.0, 3.0))
    )
    assert within(limits(), books.predicted).max_cases == 3
    books.apply(ev.RunStarted(at=2.0, host="h", pid=1, backend="tapis"))
    assert within(limits(), books.predicted) == limits()
