"""When weft looks at its jobs."""

from __future__ import annotations

import pytest

from weft.core.looking import Looks
from weft.model import Limits


def test_weft_looks_ever_more_rarely() -> None:
    looks = Looks(Limits(poll_first=1.0, poll_most=2.0))
    seen = [looks.next(seconds) for seconds in (0.0, 1.0, 1.1, 2.4, 50.0)]
    assert seen[:4] == pytest.approx([1.0, 1.0, 2.3, 3.99])
    assert 50.0 <= seen[-1] < 52.0
    assert looks.next(seen[-1] + 0.01) == pytest.approx(seen[-1] + 2.0)


@pytest.mark.parametrize("seconds", [0.0, 0.9, 1.0, 1.1, 2.3, 3.0, 50.0])
def test_the_last_look_was_no_later_than_now_and_the_next_is_no_earlier(seconds: float) -> None:
    looks = Looks(Limits(poll_first=1.0, poll_most=2.0))
    last = seconds - looks.since(seconds)
    assert last <= seconds <= looks.next(seconds)
    assert last == 0.0 or looks.next(last) == pytest.approx(last)
    assert looks.next(last + 0.001) >= seconds
