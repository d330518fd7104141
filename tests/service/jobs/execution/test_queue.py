"""Who runs when in the built-in queue: first come, first served, never more cores than there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weft.service.jobs.execution.queue import Queue


def test_nobody_overtakes() -> None:
    queue = Queue(4)
    assert queue.ask("a", 1, 3)
    assert not queue.ask("b", 2, 4)
    assert not queue.ask("c", 3, 1)
    assert queue.ask("a", 1, 3)
    assert queue.leave("a") == ["b"]
    assert queue.ask("b", 2, 4)
    assert queue.leave("b") == ["c"]


def test_one_that_gives_up_lets_the_next_through() -> None:
    queue = Queue(2)
    assert queue.ask("a", 1, 1)
    assert not queue.ask("b", 2, 2)
    assert not queue.ask("c", 3, 1)
    assert queue.leave("b") == ["c"]


def test_the_older_goes_first_whoever_asks_first() -> None:
    queue = Queue(1)
    assert queue.ask("x", 0)
    assert not queue.ask("young", 9)
    assert not queue.ask("old", 1)
    assert queue.leave("x") == ["old"]


def test_those_that_run_after_a_restart_count() -> None:
    queue = Queue(2)
    queue.occupy("a", 5)
    assert not queue.ask("b", 2, 1)
    assert queue.leave("a") == ["b"]


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40))
def test_all_run_in_the_end_and_never_too_many(cores: int, jobs: list[tuple[int, bool]]) -> None:
    queue = Queue(cores)
    running: dict[str, int] = {}
    waiting: list[str] = []
    done = 0
    for order, (size, leave) in enumerate(jobs):
        name = f"j{order}"
        sizes = {f"j{at}": min(max(1, wanted), cores) for at, (wanted, _) in enumerate(jobs)}
        if queue.ask(name, order, size):
            running[name] = sizes[name]
        else:
            waiting.append(name)
        if leave and running:
            ended = min(running)
            del running[ended]
            done += 1
            for started in queue.leave(ended):
                waiting.remove(started)
                running[started] = sizes[started]
        assert sum(running.values()) <= cores
        assert not waiting or running
    while running:
        ended = running.popitem()[0]
        done += 1
        for started in queue.leave(ended):
            waiting.remove(started)
            running[started] = 1
    assert done == len(jobs)
