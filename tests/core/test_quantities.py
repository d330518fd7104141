"""How quantities are written, also where rounding carries into the next unit."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.quantities import count, duration, moment, number, rate, share, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (0.0453, "45 ms"),
        (0.0996, "0.1 s"),
        (1.24, "1.2 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7_800, "2 h 10 min"),
        (86_399, "1 d 00 h"),
        (3 * 86_400 + 4 * 3600, "3 d 04 h"),
        (-1.5, "-1.5 s"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0.0001, 1e9))
def test_a_duration_never_has_a_full_unit_too_many(seconds: float) -> None:
    assert re.fullmatch(
        r"\d\d? ms|\d\.\d s|[1-5]?\d s|[1-5]?\d min [0-5]\d s|[12]?\d h [0-5]\d min|[\d,]+ d [0-2]\d h",
        duration(seconds),
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1_000, "1.0 kB"),
        (1_240_000, "1.2 MB"),
        (9_960_000, "10 MB"),
        (999_960_000, "1.0 GB"),
        (34 * 10**9, "34 GB"),
        (12_345 * 10**15, "12,345 PB"),
        (-5, "-5 B"),
    ],
)
def test_sizes(amount: float, text: str) -> None:
    assert size(amount) == text


@given(st.floats(0, 1e17))
def test_a_size_has_at_most_three_digits(amount: float) -> None:
    assert re.fullmatch(r"\d{1,3} B|(\d\.\d|\d{2,3}) [kMGTP]B", size(amount))


@pytest.mark.parametrize(
    ("amount", "seconds", "text"),
    [
        (36, 3, "12/s"),
        (5_000, 1, "5,000/s"),
        (1, 20, "3.0/min"),
        (5, 3600, "5.0/h"),
        (1, 0, "0/s"),
        (0, 1, "0/s"),
    ],
)
def test_rates(amount: float, seconds: float, text: str) -> None:
    assert rate(amount, seconds) == text


def test_counts_shares_and_numbers() -> None:
    assert count(1_234_567) == "1,234,567"
    assert [count(n, "case") for n in (0, 1, 2_000)] == ["0 cases", "1 case", "2,000 cases"]
    assert [share(part) for part in (0, 0.0004, 0.004, 0.071, 1)] == ["0 %", "0 %", "0.4 %", "7 %", "100 %"]
    assert [number(value) for value in (0.1 + 0.2, 1e-9, 123456789.0)] == ["0.3", "1e-09", "1.23457e+08"]


def test_a_moment_says_how_long_ago_it_is() -> None:
    text = moment(1_700_000_000)
    assert re.fullmatch(r"2023-11-1[45] \d\d:\d\d:20", text)
    assert moment(1_700_000_000, 1_700_000_185) == f"{text} (3 min 05 s ago)"
    assert moment(1_700_000_000, 1_699_999_990) == f"{text} (in 10 s)"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1e308, 1e308, 1e18])
def test_what_is_no_time_is_unknown(wrong: float) -> None:
    assert moment(wrong) == "unknown"
    assert moment(wrong, 1_700_000_000).startswith("unknown")
    assert duration(wrong)


def test_figures_without_end_are_written_all_the_same() -> None:
    assert duration(float("nan")) == duration(float("inf")) == "unknown"
    assert size(10**400).endswith(" PB")
