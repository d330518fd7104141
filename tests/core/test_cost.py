"""What a run will take and cost: the arithmetic, and what it makes of history."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import scenes
from tests.core.facts import planned

from weft.core import cost
from weft.core import events as ev
from weft.core.cost import CaseTimes, case_times, predict
from weft.core.events import Allotment
from weft.core.experience import Experience, around_most, experience
from weft.core.looking import Looks
from weft.core.profile import profile_of
from weft.model import Bundle, Charge, Kind, Limits, Model, Outcome, Resources, Step, Study

KEY = ("opensees-mp-s3", "stampede3", "")
GIVEN = Allotment(app=KEY[0], system=KEY[1], queue=KEY[2], cores=48)
LIMITS = Limits(max_jobs=4, slots=48, poll_first=1.0, poll_most=60.0)


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


# How long a case takes


def test_cases_that_ran_tell_more_than_history_and_history_more_than_a_limit() -> None:
    learnt = history(3, case_s=480 * 90.0)
    assert case_times(study(5), [10.0, 11.0], learnt).walls == (10.0, 11.0)  # type: ignore[union-attr]
    by_history = case_times(study(5), [], learnt)
    assert by_history is not None
    assert by_history.likely == pytest.approx(90.0)
    assert "3 ended jobs" in by_history.basis
    by_limit = case_times(study(5), [], Experience())
    assert by_limit is not None
    assert by_limit.guessed
    assert by_limit.likely == 150.0


def test_the_same_study_teaches_more_than_others_of_its_app() -> None:
    rows = scenes.jobs(
        *({"study": "s", "queue": "", "case_s": 480 * 20.0} for _ in range(2)),
        *({"study": "other", "queue": "", "case_s": 480 * 200.0} for _ in range(5)),
    )
    found = case_times(study(), [], experience(rows, KEY, LIMITS))
    assert found is not None
    assert found.likely == pytest.approx(20.0)


def test_without_anything_to_go_by_nothing_is_foretold() -> None:
    assert case_times(study(), [], Experience()) is None


def test_one_job_of_history_is_none() -> None:
    assert history(1).around is None
    assert history(2).around is not None


def test_more_cases_that_ran_leave_less_doubt() -> None:
    few = case_times(study(), [10.0, 20.0], Experience())
    many = case_times(study(), [10.0, 20.0] * 20, Experience())
    assert few is not None
    assert many is not None
    assert many.spread < few.spread / 2


# What history teaches


def test_what_running_takes_around_the_cases_is_learnt_as_a_share() -> None:
    most = around_most("tapis", 2650.0)
    learnt = history(4, running_s=2650.0 + most / 4, collecting_s=90.0)
    assert learnt.around is not None
    assert learnt.around.median == pytest.approx(0.25)


def test_until_weft_looked_is_no_time_to_bring_outputs() -> None:
    over = 2772.8  # an ordinary job without COLLECTING
    unnoticed = Looks(LIMITS).next(over) - over
    learnt = history(3, collecting_s=unnoticed + 3.0)
    assert learnt.bringing is not None
    assert learnt.bringing.median == pytest.approx(3.0, abs=0.01)


def test_jobs_of_other_apps_and_unpacked_ones_do_not_count() -> None:
    rows = scenes.jobs(
        *({"queue": "", "staging_job_s": 5.0} for _ in range(3)),
        *({"queue": "", "study": "", "staging_job_s": 500.0} for _ in range(9)),
        *({"queue": "icx", "staging_job_s": 500.0} for _ in range(9)),
    )
    found = experience(rows, KEY, LIMITS).normal.of(*KEY, "staging_job_s")
    assert found is not None
    assert (found.count, found.median) == (3, 5.0)


# Looking


def test_weft_looks_ever_more_rarely() -> None:
    looks = Looks(Limits(poll_first=1.0, poll_most=2.0))
    seen = [looks.next(seconds) for seconds in (0.0, 1.0, 1.1, 2.4, 50.0)]
    assert seen[:4] == pytest.approx([1.0, 1.0, 2.3, 3.99])
    assert 50.0 <= seen[-1] < 52.0
    assert looks.next(seen[-1] + 0.01) == pytest.approx(seen[-1] + 2.0)


# The range


def test_more_of_anything_takes_longer() -> None:
    often = Limits(max_jobs=4, slots=48, poll_first=1.0, poll_most=1.0)

    def likely(jobs: list[Bundle], limits: Limits = often, **more: Any) -> float:
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
    learnt = history(6, running_s=2660.0, collecting_s=30.0, uploading_s=1.0)
    given = predict(study(), bundles(480), LIMITS, learnt, GIVEN, times(spread=0.03)).wall_s
    guessed = predict(study(), bundles(480), LIMITS, Experience(), GIVEN, times(spread=0.03)).wall_s
    assert given[2] / given[0] < 1.6
    assert guessed[2] / guessed[0] > given[2] / given[0]


def test_the_same_is_foretold_every_time() -> None:
    told = [predict(study(), bundles(48, 7), LIMITS, Experience(), GIVEN, times()) for _ in range(2)]
    assert told[0] == told[1]


def test_steps_before_and_after_come_one_by_one() -> None:
    step = Step(command="x", resources=Resources(minutes=10))
    with_step = study(before=step)
    jobs = [Bundle(cases=("before",), kind=Kind.BEFORE), *bundles(48)]
    alone = predict(study(), bundles(48), LIMITS, Experience(), GIVEN, times()).wall_s[1]
    assert predict(with_step, jobs, LIMITS, Experience(), GIVEN, times()).wall_s[1] > alone + 300


def test_uneven_cases_are_dealt_out_longest_first() -> None:
    job = bundles(4)[0]
    assert cost._work(study(), job, times(10.0, 10.0, 10.0, 30.0), 2) == 30.0
    assert cost._work(study(), job, times(10.0), 2) == 20.0


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


# What became of it


def told(**more: Any) -> list[ev.AnyEvent]:
    predicted = ev.Predicted(
        at=1.0, choice="balanced", at_once=1, most_cases=1, jobs=1, wall_s=(5.0, 9.0, 12.0), **more
    )
    return [
        ev.Opened(at=0.0, format=1, name="s", key="k", weft="0"),
        planned("pilot", "p", at=0.2),
        ev.JobSubmitSent(at=0.3, job="pilot"),
        ev.JobEnded(at=0.9, job="pilot", outcome=Outcome.FINISHED),
        predicted,
        planned("j", "a", at=1.5),
        ev.JobSubmitSent(at=2.0, job="j"),
        ev.JobSubmitted(at=3.0, job="j", native="7"),
        ev.JobEnded(at=12.0, job="j", outcome=Outcome.FINISHED),
    ]


def test_what_became_of_a_prediction_counts_from_the_first_submission_after_it() -> None:
    facts = told(su=(1.0, 1.0, 1.0))
    found = cost.actual(facts, profile_of(facts))
    assert found is not None
    assert found.wall_s == 10.0
    assert found.forecast.wall_s == (5.0, 9.0, 12.0)
    assert found.spans["UPLOADING"] == 1.0


def test_of_jobs_under_way_and_without_a_prediction_nothing_is_said() -> None:
    facts = told()
    assert cost.actual(facts[:-1], profile_of(facts[:-1])) is None
    without = [fact for fact in facts if not isinstance(fact, ev.Predicted)]
    assert cost.actual(without, profile_of(without)) is None


def test_a_range_is_not_wide_where_eight_of_ten_allow_it() -> None:
    even = [10.0 + place / 10 for place in range(140)]  # 10 to 24
    least, likely, most = cost._range(even)
    assert most <= 2 * least
    assert least <= likely <= most
    assert sum(least <= value <= most for value in even) >= 112
    held = [1.0] * 5 + [100.0] * 90 + [1000.0] * 5
    assert cost._range(held)[0] == 100.0
    apart = [1.0] * 50 + [100.0] * 50
    assert cost._range(apart)[2] / cost._range(apart)[0] > 50
