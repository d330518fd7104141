"""How evidence writes a figure."""

from __future__ import annotations

import pytest

from weft.core.findings import figures


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "0 s"),
        (1.24, "1.2 s"),
        (3, "3.0 s"),
        (9.96, "10 s"),
        (46.4, "46 s"),
        (59.6, "1 min 00 s"),
        (215.1, "3 min 35 s"),
        (3599.7, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (86_390, "1 d 00 h"),
        (273_600, "3 d 04 h"),
    ],
)
def test_a_time(time: float, text: str) -> None:
    assert figures.seconds(time) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (2_859_879, "2.9 MB"),
        (150_885_718, "151 MB"),
        (999_700_000, "1.0 GB"),
        (5e18, "5,000 PB"),
    ],
)
def test_a_size(count: float, text: str) -> None:
    assert figures.size(count) == text


def test_counts_and_shares() -> None:
    assert figures.files(1) == "1 file"
    assert figures.files(5069) == "5,069 files"
    assert figures.jobs(0) == "0 jobs"
    assert [figures.share(part) for part in (0, 0.004, 0.07, 0.923, 1)] == [
        "0 %",
        "0.4 %",
        "7 %",
        "92 %",
        "100 %",
    ]


def test_rates_and_service_units() -> None:
    assert figures.rate(5069, 171.7, "files") == "29.5 files/s"
    assert figures.rate(5, 0, "files") == "0 files/s"
    assert [figures.su(units) for units in (0.25, 18.75, 1200)] == ["0.25 SU", "18.8 SU", "1,200 SU"]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.5, "0.5 s"),
        (30, "30 s"),
        (60, "1 min"),
        (90, "90 s"),
        (600, "10 min"),
        (3600, "1 h"),
        (172_800, "48 h"),
    ],
)
def test_a_time_that_somebody_chose(time: float, text: str) -> None:
    assert figures.limit(time) == text
