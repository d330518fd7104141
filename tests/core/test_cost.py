"""What a run will take and cost: the arithmetic, and what it makes of history."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import scenes

from weft.core.casetimes import CaseTimes
from weft.core.cost import predict
from weft.core.events import Allotment
from weft.core.experience import Experience, experience
from weft.model import Bundle, Charge, Kind, Limits, Model, Resources, Step, Study

KEY = ("opensees-mp-s3", "stampede3", "")
GIVEN = Allotment(app=KEY[0], system=KEY[1], queue=KEY[2], cores=48)
LIMITS = Limits(max_jobs=4, slots=48, poll_first=1.0, poll_most=60.0)
OFTEN = Limits(max_jobs=4, slots=48, poll_first=1.0, poll_most=1.0)


def study(minutes: float | None = None, **more: Any) -> Study:
    given = {"name": "s", "backend": "tapis", **more}
    return Study(
        folder="/x", file="", model=Model(command="x"), resources=Resources(minutes=minutes), **given
    )


def times(*walls: float, spread: float = 0.0) -> CaseTimes:
    return CaseTimes(walls=walls or (60.0,), spread=spread, basis="b")


def bundles(*sizes: int) -> list[Bundle]:
    return [Bundle(cases=tuple(f"{job}-{i}" for i in range(size))) for job, size in enumerate(sizes)]


def history(count: int, **said: Any) -> Experience:
    rows = scenes.jobs(*({"study": f"s{n}", "queue": "", "queued_s": 2.0, **said} for n in range(count)))
    return experience(rows, KEY, LIMITS)


def test_more_of_anything_takes_longer() -> None:

    def likely(jobs: list[Bundle], limits: Limits = OFTEN, **more: Any) -> float:
        return predict(study(), jobs, limits, Experience(), GIVEN, times(**more)).wall_s[1]

    one = likely(bundles(48))
    assert likely(bundles(96)) == pytest.approx(one + 60, rel=0.1)
    assert one < likely(bundles(48, 48)) < one + 30  # side by side
    narrow = Limits(max_jobs=1, slots=48, poll_first=1.0, poll_most=1.0)
    assert likely(bundles(48, 48), narrow) > 1.6 * one


def test_a_range_has_its_order_and_widens_with_doubt() -> None:
    sure = predict(study(), bundles(480), LIMITS, Experience(), GIVEN, times()).wall_s
    unsure = predict(study(), bundles(480), LIMITS, Experience(), GIVEN, times(spread=0.4)).wall_s
    assert sure[0] < sure[1] < sure[2]
    assert unsure[2] - unsure[0] > 1.5 * (sure[2] - sure[0])


def test_history_makes_the_range_narrow() -> None:
    learnt = history(20, collecting_s=30.0, uploading_s=1.0)
    given = predict(study(), bundles(48), OFTEN, learnt, GIVEN, times()).wall_s
    guessed = predict(study(), bundles(48), OFTEN, Experience(), GIVEN, times()).wall_s
    assert given[2] / given[0] < 1.5
    assert guessed[2] - guessed[0] > given[2] - given[0]


def test_cases_that_end_between_the_same_two_looks_take_the_same() -> None:
    """Tapis looks 51 and 111 s after RUNNING began, then every 3 min."""

    def running(seconds: float, learnt: Experience) -> float:
        return predict(study(), bundles(48), OFTEN, learnt, GIVEN, times(seconds)).spans["RUNNING"]

    known = Experience()
    assert running(60.0, known) == running(100.0, known) == 111.0
    assert running(120.0, known) == 171.0
    fast = Experience(pace=0.05)
    assert running(3.1, fast) == running(5.06, fast) == pytest.approx(5.55)
    assert running(100.0, Experience(prompt=True)) < 102.0


def test_what_is_foretold_of_a_run_ends_with_the_services_look() -> None:
    """Whether they take 60 s or 100 s: the run is over at the same time."""
    one, other = (
        predict(study(), bundles(48), OFTEN, Experience(), GIVEN, times(wall)) for wall in (60, 100)
    )
    assert one.wall_s == other.wall_s


def test_the_same_is_foretold_every_time() -> None:
    told = [predict(study(), bundles(48, 7), LIMITS, Experience(), GIVEN, times()) for _ in range(2)]
    assert told[0] == told[1]


def test_steps_before_and_after_come_one_by_one() -> None:
    step = Step(command="x", resources=Resources(minutes=10))
    with_step = study(before=step)
    jobs = [Bundle(cases=("before",), kind=Kind.BEFORE), *bundles(48)]
    alone = predict(study(), bundles(48), LIMITS, Experience(), GIVEN, times()).wall_s[1]
    assert predict(with_step, jobs, LIMITS, Experience(), GIVEN, times()).wall_s[1] > alone + 300


def test_a_job_is_charged_for_at_least_a_quarter_of_an_hour() -> None:
    charge = Charge(nodes=2, rate=3.0, least_minutes=15)
    limits = Limits(max_jobs=4, slots=48, charge=charge)
    found = predict(study(), bundles(48, 48), limits, Experience(), GIVEN, times(60.0))
    assert found.su == (3.0, 3.0, 3.0)  # 2 jobs, 2 nodes, a quarter of an hour, 3 SU
    assert found.node_hours == (1.0, 1.0, 1.0)
    free = predict(study(), bundles(48), LIMITS, Experience(), GIVEN, times())
    assert free.su is None


def test_files_are_moved_by_a_service_only() -> None:
    assert predict(study(), bundles(48, 48), LIMITS, Experience(), GIVEN, times()).files == 10
    here = predict(study(backend="local"), bundles(4), LIMITS, Experience(), Allotment(cores=2), times(2.0))
    assert here.files == 0
    assert set(here.spans) == {"RUNNING", "COLLECTING"}
    assert here.wall_s[1] < 15
