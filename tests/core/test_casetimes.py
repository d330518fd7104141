"""How long a case takes: by those that ran, by history, by its limit."""

from __future__ import annotations

import pytest
from tests.core import scenes
from tests.core.test_cost import KEY, LIMITS, bundles, history, study, times

from weft.core.casetimes import case_times, work
from weft.core.experience import Experience, experience


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


def test_more_cases_that_ran_leave_less_doubt() -> None:
    few = case_times(study(), [10.0, 20.0], Experience())
    many = case_times(study(), [10.0, 20.0] * 20, Experience())
    assert few is not None
    assert many is not None
    assert many.spread < few.spread / 2


def test_uneven_cases_are_dealt_out_longest_first() -> None:
    job = bundles(4)[0]
    assert work(study(), job, times(10.0, 10.0, 10.0, 30.0), 2) == 30.0
    assert work(study(), job, times(10.0), 2) == 20.0
