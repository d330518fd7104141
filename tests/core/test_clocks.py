"""The clock of whoever tells of a job, and ours."""

from __future__ import annotations

import pytest

from weft.core.clocks import clock_of
from weft.core.events import HistoryRead
from weft.model import Phase

MADE = 1.7e9
FAST = HistoryRead(
    at=MADE,
    by="tapis",
    job="j",
    phases=[
        (Phase.PENDING, MADE),
        (Phase.SUBMITTING_JOB, MADE + 80.0),
        (Phase.RUNNING, MADE + 84.0),
        (Phase.ENDED, MADE + 200.0),
    ],
)
"""Of a service that runs twenty times as fast: the job was over 10 s after it was made."""


def test_when_the_runner_began_tells_the_pace_more_exactly_than_when_weft_looked() -> None:
    looked = MADE + 13.0
    assert clock_of(FAST, MADE, MADE, looked).pace == pytest.approx(13 / 200)
    assert clock_of(FAST, MADE, MADE, looked, MADE + 4.1).pace == pytest.approx(4.1 / 80)


def test_a_runner_never_stretches_an_account() -> None:
    assert clock_of(FAST, MADE, MADE, MADE + 13.0, MADE + 9.0).pace == pytest.approx(13 / 200)
    assert clock_of(FAST, MADE, MADE, MADE + 13.0, MADE - 1.0).pace == pytest.approx(13 / 200)
    assert clock_of(FAST, MADE, MADE, MADE + 300.0, MADE + 4.1).pace == 1.0
