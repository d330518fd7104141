from __future__ import annotations

import statistics
from datetime import datetime, timedelta, timezone

import pytest

from weft.service.clock import Clock, Pace, stamp
from weft.service.jobs.states import Status


def test_a_stamp_is_utc_with_microseconds() -> None:
    moment = datetime(2026, 1, 2, 4, 4, 5, 7, tzinfo=timezone(timedelta(hours=1)))
    assert stamp(moment) == "2026-01-02T03:04:05.000007Z"


def test_stamps_of_all_years_sort() -> None:
    assert stamp(datetime(987, 1, 2, tzinfo=timezone.utc)) == "0987-01-02T00:00:00.000000Z"


def test_a_fast_clock_runs_ahead_of_the_real_one_and_waits_less() -> None:
    clock = Clock(speed=10_000)
    before = clock.now()
    while clock.now() == before:
        pass
    assert clock.now() > before
    assert clock.real(60) == pytest.approx(0.006)
    clock.not_before(datetime(2200, 1, 1, tzinfo=timezone.utc))
    assert clock.now().year >= 2200


def test_a_clock_at_normal_speed_shows_the_real_time() -> None:
    assert abs(Clock().now() - datetime.now(timezone.utc)) < timedelta(seconds=5)


def test_a_clock_at_normal_speed_does_not_fall_back_behind_a_fast_one() -> None:
    clock, seen = Clock(), datetime.now(timezone.utc) + timedelta(days=3)
    clock.not_before(seen)
    assert seen <= clock.now() < seen + timedelta(seconds=5)
    clock.not_before(seen - timedelta(days=1))
    assert seen <= clock.now() < seen + timedelta(seconds=5)


def test_instant_waits_for_nothing() -> None:
    pace = Pace("instant")
    assert {pace.phase(status) for status in Status} == {0.0}
    assert pace.transfer(5000, 10**9) == (0.0, 0.0)
    assert [pace.look("quota", n) for n in (0, 100)] == [1.0, 1.0]
    assert pace.look("app", 0) < pace.look("app", 3) <= pace.look("app", 1000) == 1.0


def test_the_pace_of_tapis_has_the_size_and_the_spread_of_recorded_jobs() -> None:
    pace = Pace("tapis", seed=7)
    drawn = [pace.phase(Status.STAGING_JOB) for _ in range(500)]
    assert 21.9 / 1.5 <= min(drawn) < 21.9 < statistics.median(drawn) < 42.3 < max(drawn) <= 42.3 * 1.5
    assert pace.phase(Status.RUNNING) == 0
    assert pace.transfer(0, 0) == (0.0, 0.0)
    waited, copied = pace.transfer(5069, 150_885_718)
    assert 11.1 / 1.5 <= waited <= 15.1 * 1.5
    assert 150_885_718 / 0.88e6 <= copied <= 5069 / 4.1 * 1.5


@pytest.mark.parametrize(
    ("what", "looks", "expected"),
    [
        ("app", 8, [1, 10, 10, 10, 10, 10, 60, 60]),
        ("transfer", 15, [5] * 3 + [10] * 10 + [30] * 2),
        ("quota", 3, [60] * 3),
    ],
)
def test_monitors_look_as_rarely_as_the_real_ones(what, looks, expected) -> None:
    pace = Pace("tapis")
    assert [pace.look(what, n) for n in range(looks)] == expected
    assert pace.look("app", 10_000) == 600
    assert pace.look("transfer", 10_000) == 60
