"""What the wall clock waited for: without gaps but between runs, and by the job that held things up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.critical import FOLLOWS, critical_path, waited_for
from weft.core.jobprofile import JobProfile, Span
from weft.model import Kind, Outcome


def job(
    name: str, *phases: tuple[str, float, float], runner: tuple[tuple[str, float, float], ...] = ()
) -> JobProfile:
    def spans(told: tuple[tuple[str, float, float], ...]) -> list[Span]:
        return [Span(name=each, start=start, end=end) for each, start, end in told]

    return JobProfile(
        id=name,
        kind=Kind.CASES,
        backend="local",
        native="",
        host="",
        slots=1,
        cases=1,
        recorded=1,
        outcome=Outcome.FINISHED,
        phases=spans(phases),
        runner=spans(runner),
        busy_s=0.0,
        idle_s=0.0,
        tail_s=0.0,
    )


def told(*jobs: JobProfile) -> list[tuple[str, str, float, float]]:
    return [(each.job, each.name, each.start, each.end) for each in critical_path(jobs)]


def test_one_job_is_waited_for_all_the_time() -> None:
    assert told(job("a", ("QUEUED", 0, 10), ("RUNNING", 10, 30))) == [
        ("a", "QUEUED", 0, 10),
        ("a", "RUNNING", 10, 30),
    ]


def test_running_is_told_as_what_the_runner_did() -> None:
    one = job("a", ("RUNNING", 0, 30), runner=(("UNPACK", 1, 3), ("CASES", 3, 25)))
    assert told(one) == [
        ("a", "RUNNING", 0, 1),
        ("a", "UNPACK", 1, 3),
        ("a", "CASES", 3, 25),
        ("a", "RUNNING", 25, 30),
    ]


def test_the_last_of_two_beside_each_other_counts() -> None:
    short, long = job("a", ("RUNNING", 0, 10)), job("b", ("QUEUED", 0, 5), ("RUNNING", 5, 20))
    assert [name for name, *_ in told(short, long)] == ["b", "b"]


def test_a_job_that_waited_for_room_follows_the_one_that_made_it() -> None:
    first, second = job("a", ("RUNNING", 0, 10)), job("b", ("RUNNING", 11, 20))
    assert told(first, second) == [("a", "RUNNING", 0, 10), ("", "", 10, 11), ("b", "RUNNING", 11, 20)]


@pytest.mark.parametrize(("pause", "waited"), [(FOLLOWS, {"": FOLLOWS}), (FOLLOWS + 1, {}), (1e6, {})])
def test_time_between_runs_is_nobodys_wait(pause: float, waited: dict[str, float]) -> None:
    first, second = job("a", ("RUNNING", 0, 10)), job("b", ("RUNNING", 10 + pause, 20 + pause))
    assert waited_for(critical_path([first, second])) == {**waited, "RUNNING": 20}


def test_a_job_that_followed_nobody_is_passed_by_for_one_beside_it() -> None:
    early = job("early", ("RUNNING", 0, 1))
    beside = job("beside", ("RUNNING", 0, 1000))
    late = job("late", ("QUEUED", 900, 950), ("RUNNING", 950, 1100))
    assert told(early, beside, late) == [
        ("beside", "RUNNING", 0, 900),
        ("late", "QUEUED", 900, 950),
        ("late", "RUNNING", 950, 1100),
    ]


def test_no_jobs() -> None:
    assert critical_path([]) == []


@given(
    st.lists(
        st.tuples(st.floats(0, 1000), st.floats(0, 500), st.floats(0, 500)).map(
            lambda each: (each[0], each[0] + each[1], each[0] + each[1] + each[2])
        ),
        max_size=12,
    )
)
def test_the_path_runs_from_first_to_last_with_gaps_only_where_no_job_was_for_long(
    times: list[tuple[float, float, float]],
) -> None:
    jobs = [job(f"j{n}", ("QUEUED", a, b), ("RUNNING", b, c)) for n, (a, b, c) in enumerate(times)]
    path = critical_path(jobs)
    alive = [each for each in jobs if each.end > each.start]
    assert bool(path) == bool(alive)
    if path:
        assert path[0].start == min(each.start for each in alive)
        assert path[-1].end == max(each.end for each in alive)
        for one, two in itertools.pairwise(path):
            assert two.start == one.end or two.start > one.end + FOLLOWS
            assert two.start == one.end or not any(
                each.start < two.start and each.end > one.end for each in alive
            )
        assert all(one.end > one.start for one in path)
