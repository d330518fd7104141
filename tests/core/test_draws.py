"""Combining what is uncertain."""

from __future__ import annotations

import pytest

from weft.core.draws import DRAWS, combined, outcomes, place, range_of
from weft.core.waits import Expected


def test_outcomes_have_the_mean_and_the_range_of_what_is_expected() -> None:
    found = outcomes(Expected(low=8.0, likely=10.0, high=12.5, basis=""))
    assert found == sorted(found)
    assert sum(found) / len(found) == pytest.approx(10.0)
    assert sum(8.0 <= one <= 12.5 for one in found) / len(found) == pytest.approx(0.8, abs=0.03)


def test_every_row_meets_all_its_outcomes_in_an_order_of_its_own() -> None:
    orders = [[place(draw, row, DRAWS) for draw in range(DRAWS)] for row in range(5)]
    assert all(sorted(order) == list(range(DRAWS)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5


def test_a_sum_of_many_is_relatively_surer_than_one() -> None:
    one = outcomes(Expected(low=5.0, likely=10.0, high=20.0, basis=""))
    many = combined([one] * 9)
    assert sum(many) / len(many) == pytest.approx(90.0)
    tenth = len(many) // 10
    assert many[-tenth] / many[tenth] < 0.6 * one[-tenth] / one[tenth]
    assert max(combined([one, one], max)) == one[-1]


def test_a_range_is_not_wide_where_eight_of_ten_allow_it() -> None:
    even = [10.0 + place / 10 for place in range(140)]  # 10 to 24
    least, likely, most = range_of(even)
    assert most <= 2 * least
    assert least <= likely <= most
    assert sum(least <= value <= most for value in even) >= 112
    held = [1.0] * 5 + [100.0] * 90 + [1000.0] * 5
    assert range_of(held)[0] == 100.0
    apart = [1.0] * 50 + [100.0] * 50
    assert range_of(apart)[2] / range_of(apart)[0] > 50


def test_a_range_leaves_room_for_what_comes_a_little_sooner_or_later() -> None:
    even = [10.0 + place / 10 for place in range(140)]
    least, _, most = range_of(even, 0.1, 0.02)
    assert most <= 2 * least
    assert range_of([10.0] * 9, 0.1, 0.02) == pytest.approx((9.9, 10.0, 10.2))
