"""When a service looks at what it waits for."""

from __future__ import annotations

import pytest

from weft.core.lateness import LOOKS, lateness, noticed
from weft.model import Phase


@pytest.mark.parametrize("phase", list(LOOKS["tapis"]))
def test_the_looks_are_those_of_the_table(phase: Phase) -> None:
    """Counted one by one."""
    looks, at = [], 0.0
    for count, interval in LOOKS["tapis"][phase]:
        for _ in range(count or 20):
            at += interval
            looks.append(at)
    for before, look in zip([0.0, *looks], looks, strict=False):
        assert noticed("tapis", phase, look) == look
        assert noticed("tapis", phase, (before + look) / 2) == look
        assert noticed("tapis", phase, (before + look) / 40, 0.05) == pytest.approx(look / 20)
        assert look - before == lateness("tapis", phase, look)


def test_what_nobody_has_to_look_for_is_known_at_once() -> None:
    assert noticed("tapis", Phase.STAGING_JOB, 3.3) == 3.3
    assert noticed("local", Phase.RUNNING, 3.3) == 3.3
    assert noticed("tapis", Phase.RUNNING, 3.3, 0.0) == 3.3
    assert noticed("tapis", Phase.RUNNING, 0.0) == 0.0
