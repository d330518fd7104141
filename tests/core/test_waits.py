"""How long phases take: by recorded jobs where the user has none, by his own as soon as there are some."""

from __future__ import annotations

import math

import pytest

from weft.core import waits
from weft.core.normal import Baseline, Normal
from weft.core.waits import Expected, phase, transfer
from weft.model import Phase

KEY = ("opensees-mp-s3", "stampede3", "skx")


def usual(median: float, count: int = 20, wide: float = 1.2) -> Baseline:
    return Baseline(count=count, median=median, p10=median / wide, p90=median * wide, spread=0.1 * median)


def normal(**columns: Baseline) -> Normal:
    return Normal(baselines={KEY: columns})


def test_without_history_the_recorded_job_is_foretold() -> None:
    """112 files (2.86 MB) in took 46.4 s with the time until they were noticed, 5,069 (151 MB) out 210 s."""
    into = transfer(Normal(), KEY, "inputs", 112, 2_860_000)
    out = transfer(Normal(), KEY, "archive", 5069, 150_900_000)
    assert into.low < 46.4 < into.high
    assert into.likely == pytest.approx(46.4, rel=0.25)
    assert out.low < 210.2 < out.high
    assert out.likely == pytest.approx(210.2, rel=0.25)
    assert "recorded" in into.basis


def test_nothing_to_move_takes_no_time() -> None:
    assert transfer(Normal(), KEY, "inputs", 0, 0).high == 0


def test_the_slower_of_many_files_and_many_bytes_counts() -> None:
    few = waits.copying("archive", 3, 88_000_000)
    assert few == pytest.approx(100.0)
    assert waits.copying("archive", 2950, 0) == pytest.approx(100.0)


def test_a_transfer_is_over_when_the_service_looks() -> None:
    """It looks after 5, 10 and 15 s, then every 10 s."""
    arrived = waits.total(waits.arrival(Normal(), KEY, "inputs", 2, 0))
    found = transfer(Normal(), KEY, "inputs", 2, 0)
    assert 5 < arrived.low < 10 < arrived.likely < 15 < arrived.high < 25
    assert (found.low, found.likely, found.high) == (10.0, 15.0, 25.0)
    assert transfer(Normal(), KEY, "inputs", 2, 0, pace=0.1).likely == pytest.approx(
        14.5
    )  # every second, then


def test_own_jobs_count_from_the_second_on() -> None:
    column = {"staging_job_s": usual(12.0, count=1)}
    assert phase(normal(**column), KEY, Phase.STAGING_JOB).likely == 30.0
    column = {"staging_job_s": usual(12.0, count=2)}
    found = phase(normal(**column), KEY, Phase.STAGING_JOB)
    assert found.likely == 12.0
    assert "your 2 ended jobs" in found.basis


def test_few_jobs_leave_more_doubt_than_many() -> None:
    few = phase(normal(staging_job_s=usual(30.0, count=2)), KEY, Phase.STAGING_JOB)
    many = phase(normal(staging_job_s=usual(30.0, count=200)), KEY, Phase.STAGING_JOB)
    assert few.low < many.low < 30.0 < many.high < few.high
    assert many.high == pytest.approx(30.0 * 1.2, rel=0.03)


def test_the_prior_counts_as_much_as_four_jobs() -> None:
    one = usual(10.0, count=4, wide=math.exp(waits.EIGHTY * 0.2))
    expected = math.sqrt((4 * 0.4**2 + 4 * 0.2**2) / 8 * (1 + 1 / 4))
    assert waits.own_spread(one, 0.4) == pytest.approx(expected)


def test_own_transfers_are_scaled_to_what_is_to_be_moved() -> None:
    learnt = normal(
        archive_waiting_s=usual(1.0),
        archive_copying_s=usual(2.0),
        archive_files=usual(100.0),
        archive_bytes=usual(1e6),
    )
    same = transfer(learnt, KEY, "archive", 100, 1_000_000)
    more = transfer(learnt, KEY, "archive", 1000, 1_000_000)
    assert same.likely == 5.0  # 1 + 2 s, and the look after
    assert more.likely == 25.0  # 1 + 20 s
    waiting, copying = waits.arrival(learnt, KEY, "archive", 1000, 1_000_000)
    assert (waiting.likely, copying.likely) == (pytest.approx(1.0), pytest.approx(20.0))


def test_of_a_queue_nobody_knows_before_the_first_job() -> None:
    found = phase(Normal(), KEY, Phase.QUEUED)
    assert found.high / found.low > 100
    assert "guess" in found.basis
    assert phase(Normal(), ("python", "local", ""), Phase.QUEUED).high < 10


def test_what_takes_no_time_is_nothing() -> None:
    zero = Baseline(count=9, median=0.0, p10=0.0, p90=0.0, spread=0.0)
    found = phase(normal(queued_s=zero), KEY, Phase.QUEUED)
    assert (found.low, found.likely, found.high) == (0.0, 0.0, 0.0)
    assert phase(Normal(), KEY, Phase.BLOCKED).high == 0.0


def test_independent_spreads_add_up_as_squares() -> None:
    one = Expected(low=7, likely=10, high=13, basis="a")
    two = Expected(low=16, likely=20, high=24, basis="b")
    found = waits.total([one, two, one])
    assert (found.low, found.likely) == (pytest.approx(40 - math.sqrt(34)), 40)
    assert found.basis == "a; b"
