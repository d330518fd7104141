from __future__ import annotations

import pytest

from weft.service import courtesy
from weft.service.courtesy import PATIENCE, QUIET, Courtesy


class World:
    """Time that passes only by sleeping; each request is answered from one moment to another."""

    def __init__(self, requests: list[tuple[float, float]]) -> None:
        self.now = 100.0
        self.manners = Courtesy()
        self.open = [(100 + begin, 100 + end, self.manners.answering()) for begin, end in requests]
        self.under_way = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        moments = {moment for begin, end, _ in self.open for moment in (begin, end)}
        for moment in sorted(each for each in moments if self.now < each <= until):
            self.now = moment
            for begin, end, request in self.open:
                if begin == moment:
                    request.__enter__()
                if end == moment:
                    request.__exit__(None, None, None)
        self.now = until

    def waited(self, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr(courtesy, "time", self)
        self.sleep(0.001)
        begin = self.now
        self.manners.give_way()
        return self.now - begin


def test_nobody_waits_where_nobody_asks(monkeypatch) -> None:
    assert World([]).waited(monkeypatch) == 0


def test_a_request_is_waited_for(monkeypatch) -> None:
    assert 0.1 <= World([(0.001, 0.1)]).waited(monkeypatch) <= 0.1 + 3 * QUIET


def test_a_burst_is_let_through(monkeypatch) -> None:
    burst = [(0.001 + 0.02 * n, 0.018 + 0.02 * n) for n in range(10)]
    assert World(burst).waited(monkeypatch) >= 0.19


def test_work_goes_on_however_much_is_asked(monkeypatch) -> None:
    assert World([(0.001, 1e6)]).waited(monkeypatch) == pytest.approx(PATIENCE, abs=2 * QUIET)
