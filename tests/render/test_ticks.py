"""Ticks of an axis of time: few, even, and said as people say lengths of time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from weft.render.ticks import log_ticks, ticks


@given(st.floats(0, 1e5), st.floats(1e-2, 1e8))
def test_ticks_are_few_even_and_inside(low: float, length: float) -> None:
    found = [*ticks(low, low + length)]
    assert len(found) <= 9
    assert all(low - 1e-6 * length <= at <= (low + length) * (1 + 1e-9) for at in found)
    assert len({round((b - a) / length, 4) for a, b in pairwise(found)}) <= 1


def test_ticks_are_lengths_of_time() -> None:
    assert [*ticks(0, 6069).values()] == [
        "0",
        "15 min",
        "30 min",
        "45 min",
        "1 h",
        "1 h 15 min",
        "1 h 30 min",
    ]
    assert [*ticks(0, 8.6).values()] == ["0", "2 s", "4 s", "6 s", "8 s"]
    assert [*log_ticks(5, 5000).values()] == ["10 s", "1 min", "10 min", "1 h"]
