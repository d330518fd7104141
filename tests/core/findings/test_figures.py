"""How evidence writes a figure."""

from __future__ import annotations

import pytest

from weft.core.findings import figures


def test_service_units() -> None:
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
