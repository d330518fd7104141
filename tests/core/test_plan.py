"""Decisions as data: given these facts, planning says to do that, and nothing else."""

from __future__ import annotations

import copy

import pytest
from msgspec import Raw, structs
from tests.core.facts import case, ended, opened, planned, submitted, whole

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.plan import (
    FRUITLESS,
    REFUSALS,
    Action,
    Cancel,
    CloseAsLost,
    Collect,
    Find,
    Hold,
    Submit,
    plan,
    retried,
    settled,
    status_of,
)
from weft.core.state import INTERRUPTIONS, State
from weft.model import Bundle, Kind, Limits, Model, Outcome, Phase, Resources, Retry, Status, Step, Study

LIMITS = Limits(
    max_jobs=2, max_cases=10, settle=2.0, lost_answers=3, lost_after=5.0, cancel_again=10.0, backoff=1.0
)
BASE = Study(
    name="s",
    folder="/s",
    file="",
    model=Model(command="true"),
    resources=Resources(minutes=5.0, memory_mb=1000),
)
NOW = 1000.0


def study(**changes: object) -> Study:
    return structs.replace(BASE, **changes)


def given(*facts: AnyEvent | list[AnyEvent], cases: str = "ab") -> State:
    state = opened(*cases)
    for fact in facts:
        state.apply_all(fact if isinstance(fact, list) else [fact])
    return state


def decided(state: State, spec: Study = BASE, limits: Limits = LIMITS, now: float = NOW) -> list[Action]:
    before = copy.deepcopy(vars(state))
    actions = plan(spec, state, limits, now)
    assert vars(state) == before, "planning changes nothing"
    assert plan(spec, state, limits, now) == actions, "planning remembers nothing"
    return actions


def bundles(state: State, spec: Study = BASE, limits: Limits = LIMITS, now: float = NOW) -> list[Bundle]:
    """The new jobs, where nothing else is to be done."""
    actions = decided(state, spec, limits, now)
    assert all(isinstance(action, Submit) and not action.job for action in actions), actions
    return [action.bundle for action in actions if isinstance(action, Submit)]


def kinds(state: State, spec: Study = BASE, limits: Limits = LIMITS) -> list[Kind]:
    return [bundle.kind for bundle in bundles(state, spec, limits)]


# New work


def test_waiting_cases_are_dealt_out_over_the_jobs_that_may_live() -> None:
    assert [bundle.cases for bundle in bundles(given())] == [("a",), ("b",)]
    assert [bundle.cases for bundle in bundles(given(), limits=structs.replace(LIMITS, max_jobs=1))] == [
        ("a", "b")
    ]


def test_no_more_jobs_than_may_live() -> None:
    limits = structs.replace(LIMITS, max_cases=1)
    assert len(bundles(given(submitted("i", "a"), cases="abcd"), limits=limits)) == 1
    assert decided(given(submitted("i", "a"), submitted("j", "b"), cases="abcd"), limits=limits) == []


def test_a_case_in_a_live_job_is_not_planned_again() -> None:
    assert [bundle.cases for bundle in bundles(given(submitted("i", "a")))] == [("b",)]


def test_done_cases_and_retired_ones_are_left_alone() -> None:
    state = given(whole("i", "a"), ev.CasesRetired(at=9.0, ids=["b"]))
    assert decided(state) == []
    assert settled(BASE, state)


# Retry


def test_a_case_that_timed_out_gets_more_minutes() -> None:
    limits = structs.replace(LIMITS, max_minutes=600.0)
    (first, _) = bundles(given(), limits=limits)
    (again, _) = bundles(given(whole("i", "a", outcome=Outcome.TIMED_OUT)), limits=limits)
    assert again.cases == ("a",)
    assert first.minutes is not None
    assert again.minutes is not None
    assert again.minutes >= 10.0 > 5.0


def test_a_case_out_of_memory_gets_more_of_it() -> None:
    found = {
        bundle.cases: bundle.memory_mb
        for bundle in bundles(given(whole("i", "a", outcome=Outcome.OUT_OF_MEMORY)))
    }
    assert found == {("a",): 2000, ("b",): 1000}


def test_without_an_enforced_limit_there_is_no_more_memory_to_give() -> None:
    spec = study(resources=Resources(minutes=5.0))
    state = given(whole("i", "a", outcome=Outcome.OUT_OF_MEMORY), cases="a")
    assert retried(spec) == {Outcome.TIMED_OUT}
    assert decided(state, spec) == []
    assert status_of(spec, state, state.cases["a"]) is Status.FAILED


def test_a_plain_failure_is_not_tried_again_unless_the_study_says_so() -> None:
    state = given(whole("i", "a", outcome=Outcome.FAILED), cases="a")
    assert decided(state) == []
    again = study(retry=Retry(on=(Outcome.FAILED,)))
    assert [bundle.cases for bundle in bundles(state, again)] == [("a",)]


def test_attempts_are_counted() -> None:
    state = given(
        whole("i", "a", outcome=Outcome.TIMED_OUT), whole("j", "a", outcome=Outcome.TIMED_OUT), cases="a"
    )
    assert decided(state) == []
    assert settled(BASE, state)
    assert bundles(state, study(retry=Retry(attempts=3)))


def test_interruptions_are_no_attempts_and_end_at_their_own_cap() -> None:
    spec = study(retry=Retry(attempts=1))
    state = given(cases="a")
    for number in range(INTERRUPTIONS):
        assert bundles(state, spec), f"after {number} interruptions"
        state.apply_all(
            [*submitted(f"j{number}", "a"), case(f"j{number}", "a", Outcome.INTERRUPTED), ended(f"j{number}")]
        )
    assert decided(state, spec) == []
    state.apply(ev.RetryAsked(at=50.0, id="1"))
    assert bundles(state, spec), "a retry lifts the cap"


# Refusals


def refused(*jobs: str) -> list[AnyEvent]:
    return [fact for job in jobs for fact in (planned(job, "a"), ev.JobRefused(at=NOW, job=job, why="quota"))]


def test_after_a_refusal_there_is_a_pause_that_doubles() -> None:
    assert decided(given(refused("i")), now=NOW + 0.9) == []
    assert bundles(given(refused("i")), now=NOW + 1.0)
    assert decided(given(refused("i", "j")), now=NOW + 1.9) == []
    assert bundles(given(refused("i", "j")), now=NOW + 2.0)


def test_refusals_in_a_row_lead_to_a_hold_that_says_why() -> None:
    state = given(refused(*(f"j{number}" for number in range(REFUSALS))))
    (hold,) = decided(state, now=NOW + 100.0)
    assert isinstance(hold, Hold)
    assert "3 jobs in a row: quota" in hold.why
    assert "weft retry" in hold.hint
    assert not hold.cancel


def test_a_hold_is_said_once_and_nothing_new_starts_until_it_is_lifted() -> None:
    state = given(ev.Held(at=1.0, why="w"))
    assert decided(state) == []
    assert settled(BASE, state)
    state.apply(ev.RetryAsked(at=2.0, id="1"))
    assert bundles(state)


# Fruitless jobs


def no_fruit(job: str, outcome: Outcome) -> list[AnyEvent]:
    return [*submitted(job, "a"), ev.JobEnded(at=2.0, job=job, outcome=outcome, why="set-up failed")]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.FINISHED])
def test_a_job_that_ends_by_itself_before_any_case_is_not_repeated(outcome: Outcome) -> None:
    (hold,) = decided(given(no_fruit("i", outcome)))
    assert isinstance(hold, Hold)
    assert f"job i ended {outcome.value} before any case ran: set-up failed" in hold.why
    assert "weft explain i" in hold.hint


def test_jobs_that_the_site_ends_are_repeated_a_few_times() -> None:
    state = given()
    for number in range(FRUITLESS):
        assert bundles(state), f"after {number}"
        state.apply_all(no_fruit(f"j{number}", Outcome.LOST))
    (hold,) = decided(state)
    assert isinstance(hold, Hold)


def test_jobs_that_were_never_submitted_hold_nothing() -> None:
    state = given()
    for number in range(FRUITLESS + 1):
        state.apply_all([planned(f"j{number}", "a"), ended(f"j{number}", Outcome.CANCELLED)])
    assert bundles(state)


# The first cases all fail


def test_when_the_first_cases_all_fail_what_runs_is_stopped() -> None:
    spec = study(retry=Retry(stop_after=2))
    state = given(whole("i", "a", outcome=Outcome.FAILED), cases="abcd")
    assert bundles(state, spec)
    state.apply_all([*submitted("j", "b", "c"), case("j", "b", Outcome.FAILED)])
    (hold,) = decided(state, spec)
    assert isinstance(hold, Hold)
    assert hold.cancel
    assert "the first 2 cases all failed" in hold.why
    state.apply(ev.Held(at=NOW, why=hold.why, hint=hold.hint, cancel=True))
    assert decided(state, spec) == [Cancel("j")]
    assert not settled(spec, state)


def test_one_success_is_enough_to_go_on() -> None:
    state = given(whole("i", "a"), whole("j", "b", "c", outcome=Outcome.FAILED), cases="abcd")
    assert bundles(state, study(retry=Retry(stop_after=2)))


def test_stop_after_zero_never_holds() -> None:
    state = given(whole("i", "a", "b", "c", outcome=Outcome.FAILED), cases="abcd")
    assert bundles(state, study(retry=Retry(stop_after=0)))


# Steps

STEPS = study(before=Step(command="mesh"), after=Step(command="plot"))


def test_the_step_before_comes_first_and_alone() -> None:
    assert kinds(given(), STEPS) == [Kind.BEFORE]
    assert decided(given(submitted("i", "before", kind=Kind.BEFORE)), STEPS) == []


def test_cases_wait_until_the_job_of_the_step_before_is_closed() -> None:
    state = given(submitted("i", "before", kind=Kind.BEFORE), case("i", "before"))
    assert decided(state, STEPS) == [], "its record is there, what it leaves is not yet"
    state.apply(ended("i"))
    assert kinds(state, STEPS) == [Kind.CASES, Kind.CASES]


@pytest.mark.parametrize(("name", "kind"), [("before", Kind.BEFORE), ("after", Kind.AFTER)])
def test_a_failed_step_holds_the_study(name: str, kind: Kind) -> None:
    state = given(whole("h", "before", kind=Kind.BEFORE) if name == "after" else [], whole("i", "a", "b"))
    state.apply_all(whole("j", name, kind=kind, outcome=Outcome.FAILED))
    (hold,) = decided(state, STEPS)
    assert isinstance(hold, Hold)
    assert hold.why == f"the step '{name}' failed"
    state.apply(ev.RetryAsked(at=NOW, id="1"))
    assert kinds(state, STEPS) == [kind]


def test_the_step_after_comes_last_and_again_when_there_is_more_to_see() -> None:
    state = given(whole("h", "before", kind=Kind.BEFORE), whole("i", "a"), submitted("j", "b"))
    assert decided(state, STEPS) == [], "a job still runs"
    state.apply_all([case("j", "b", Outcome.FAILED), ended("j")])
    assert kinds(state, STEPS) == [Kind.AFTER]
    state.apply_all(whole("k", "after", kind=Kind.AFTER))
    assert settled(STEPS, state)
    state.apply(ev.CasesAdded(at=9.0, ids=["c"], params=[Raw(b"{}")]))
    assert kinds(state, STEPS) == [Kind.CASES]
    state.apply_all(whole("l", "c"))
    assert kinds(state, STEPS) == [Kind.AFTER]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.LOST, Outcome.INTERRUPTED])
def test_a_second_step_after_that_came_to_nothing_is_repeated(outcome: Outcome) -> None:
    state = given(
        whole("h", "before", kind=Kind.BEFORE), whole("i", "a"), whole("j", "after", kind=Kind.AFTER)
    )
    state.apply_all(whole("k", "b"))
    if outcome is Outcome.REFUSED:
        state.apply_all([planned("l", "after", kind=Kind.AFTER), ev.JobRefused(at=9.0, job="l", why="")])
    else:
        state.apply_all([*submitted("l", "after", kind=Kind.AFTER), ended("l", outcome)])
    assert not settled(STEPS, state)
    assert kinds(state, STEPS) == [Kind.AFTER]


def test_a_second_step_after_that_failed_holds() -> None:
    state = given(
        whole("h", "before", kind=Kind.BEFORE), whole("i", "a"), whole("j", "after", kind=Kind.AFTER)
    )
    state.apply_all([*whole("k", "b"), *whole("l", "after", kind=Kind.AFTER, outcome=Outcome.FAILED)])
    (hold,) = decided(state, STEPS)
    assert isinstance(hold, Hold)


@pytest.mark.parametrize("minutes", [0.1, 1.0, 5.0, 60.0, 1000.0])
def test_a_job_lasts_long_enough_for_its_step_to_be_started(minutes: float) -> None:
    from weft.node.runner import fits, packing_reserve

    spec = study(before=Step(command="mesh", resources=Resources(minutes=minutes)))
    assert bundles(given(), spec)[0].minutes is None, "a backend without a limit ends no job by itself"
    (bundle,) = bundles(given(), spec, structs.replace(LIMITS, max_minutes=2880.0))
    assert bundle.minutes is not None
    stop_at = 60 * bundle.minutes - packing_reserve(60 * bundle.minutes)
    assert fits(30.0, 60 * minutes, stop_at), "half a minute may go by before it starts"


# Pilot


def test_a_pilot_is_spread_over_the_space_and_runs_alone() -> None:
    state = given(ev.RunStarted(at=1.0, host="h", pid=1, backend="local", pilot=3), cases="abcdefghi")
    (bundle,) = bundles(state)
    assert (bundle.kind, bundle.cases) == (Kind.PILOT, ("a", "e", "i"))
    state.apply_all(submitted("j", "a", "e", "i", kind=Kind.PILOT))
    assert decided(state) == []
    state.apply_all([*(case("j", name) for name in "aei"), ended("j")])
    assert {name for bundle in bundles(state) for name in bundle.cases} == set("bcdfgh")


def test_a_pilot_of_more_cases_than_wait_is_none() -> None:
    state = given(ev.RunStarted(at=1.0, host="h", pid=1, backend="local", pilot=5))
    assert kinds(state) == [Kind.CASES, Kind.CASES]


# One live job


def test_a_job_that_is_over_is_collected_first_of_all() -> None:
    state = given(submitted("i", "a", "b"), ev.JobGone(at=2.0, job="i", outcome=Outcome.FAILED))
    assert decided(state) == [Collect("i")]


def test_a_planned_job_that_was_never_sent_is_sent() -> None:
    (action,) = decided(given(planned("i", "a", "b")))
    assert isinstance(action, Submit)
    assert (action.job, action.bundle.cases) == ("i", ("a", "b"))


SENT = [planned("i", "a", "b"), ev.JobSubmitSent(at=NOW, job="i")]


def test_an_unanswered_submission_is_looked_for_until_it_has_settled() -> None:
    """``settle`` counts from the first answer: the submission may have left as late as that."""
    state = given(SENT)
    assert decided(state, now=NOW + 100.0) == [Find("i")]
    state.apply(ev.JobNotFound(at=NOW + 100.0, job="i"))
    assert decided(state, now=NOW + 200.0) == [Find("i")]
    state.apply(ev.JobNotFound(at=NOW + 101.9, job="i"))
    assert decided(state, now=NOW + 200.0) == [Find("i")]
    state.apply(ev.JobNotFound(at=NOW + 102.1, job="i"))
    (action,) = decided(state, now=NOW + 200.0)
    assert isinstance(action, Submit)
    assert action.job == "i"


def test_a_second_submission_has_to_settle_as_the_first_did() -> None:
    state = given(
        SENT, [ev.JobNotFound(at=at, job="i") for at in (NOW, NOW + 3)], ev.JobSubmitSent(at=NOW + 4, job="i")
    )
    assert decided(state, now=NOW + 10.0) == [Find("i")]


UNWANTED = {
    "revision": [ev.StudyRecorded(at=2.0, revision="r2", source="")],
    "cancelled": [ev.CancelAsked(at=2.0, id="1", jobs=["i"])],
    "stopping": [ev.CancelAsked(at=2.0, id="1", everything=True)],
    "held": [ev.Held(at=2.0, why="w")],
    "retired": [ev.CasesRetired(at=2.0, ids=["b"])],
}


@pytest.mark.parametrize("why", UNWANTED)
def test_a_planned_job_that_is_not_wanted_any_more_is_dropped(why: str) -> None:
    action = decided(given(planned("i", "a", "b"), UNWANTED[why]))[0]
    assert action == CloseAsLost("i", Outcome.CANCELLED, "it was never submitted")


@pytest.mark.parametrize("why", UNWANTED)
def test_but_one_that_may_exist_is_looked_for_first(why: str) -> None:
    state = given(SENT, UNWANTED[why])
    assert decided(state, now=NOW + 100.0)[0] == Find("i")
    state.apply_all([ev.JobNotFound(at=NOW + late, job="i") for late in (0.0, 3.0)])
    assert decided(state, now=NOW + 100.0)[0] == CloseAsLost(
        "i", Outcome.CANCELLED, "its submission never arrived"
    )


def unseen(*at: float) -> list[AnyEvent]:
    return [ev.JobUnseen(at=NOW + late, job="i") for late in at]


RUNS = [*submitted("i", "a", "b"), ev.JobSeen(at=2.0, job="i", phase=Phase.RUNNING)]


@pytest.mark.parametrize(("absences", "now"), [((0.0, 1.0), 100.0), ((0.0, 1.0, 2.0, 3.0), 4.9)])
def test_few_absences_or_a_short_time_mean_nothing(absences: tuple[float, ...], now: float) -> None:
    assert decided(given(RUNS, unseen(*absences)), now=NOW + now) == []


def test_a_job_absent_for_long_is_cancelled_and_only_then_closed() -> None:
    state = given(RUNS, unseen(0.0, 1.0, 5.0))
    assert decided(state, now=NOW + 5.0) == [Cancel("i")]
    state.apply(ev.CancelSent(at=NOW + 6.0, job="i"))
    assert decided(state, now=NOW + 7.9) == []
    (close,) = decided(state, now=NOW + 8.0)
    assert isinstance(close, CloseAsLost)
    assert (close.job, close.outcome) == ("i", Outcome.LOST)


def test_a_cancel_from_before_it_vanished_does_not_count() -> None:
    state = given(RUNS, ev.CancelSent(at=NOW - 1.0, job="i"), unseen(0.0, 1.0, 5.0))
    assert decided(state, now=NOW + 5.0) == [Cancel("i")]


def test_a_job_that_comes_back_is_not_lost() -> None:
    seen = ev.JobSeen(at=NOW + 6.0, job="i", phase=Phase.RUNNING)
    assert decided(given(RUNS, unseen(0.0, 1.0, 5.0), seen), now=NOW + 100.0) == []


def test_a_lost_job_that_the_user_stopped_is_called_cancelled() -> None:
    asked = ev.CancelAsked(at=NOW, id="1", jobs=["i"])
    state = given(RUNS, asked, unseen(0.0, 1.0, 5.0), ev.CancelSent(at=NOW + 6.0, job="i"))
    (close,) = decided(state, now=NOW + 100.0)
    assert isinstance(close, CloseAsLost)
    assert close.outcome is Outcome.CANCELLED


@pytest.mark.parametrize(
    "fact",
    [
        ev.CancelAsked(at=2.0, id="1", jobs=["i"]),
        ev.CancelAsked(at=2.0, id="1", everything=True),
        ev.Held(at=2.0, why="w", cancel=True),
        ev.JobSeen(at=2.0, job="i", phase=Phase.RUNNING, orphaned=True),
    ],
)
def test_what_is_to_stop_is_cancelled_and_again_after_a_while(fact: AnyEvent) -> None:
    state = given(RUNS, fact)
    assert decided(state) == [Cancel("i")]
    state.apply(ev.CancelSent(at=NOW, job="i"))
    assert decided(state, now=NOW + 9.9) == []
    assert decided(state, now=NOW + 10.0) == [Cancel("i")]


# Settled


def test_a_study_is_settled_only_when_no_job_lives() -> None:
    state = given(submitted("i", "a", "b"), ev.CancelAsked(at=2.0, id="1", everything=True))
    assert not settled(BASE, state)
    state.apply(ended("i", Outcome.CANCELLED))
    assert settled(BASE, state)
    state.apply(ev.RunStarted(at=9.0, host="h", pid=2, backend="local"))
    assert not settled(BASE, state)


def test_a_case_goes_on_only_when_its_job_has_ended() -> None:
    carried = ev.CaseEnded(
        at=3.0, by="node", job="j", case="a", outcome=Outcome.INTERRUPTED, start=2.0, carried=1
    )
    state = given(submitted("j", "a", "b"), carried)
    assert decided(state) == [], "what it goes on from is brought when its job ends"
    state.apply_all([case("j", "b"), ended("j")])
    assert [action.bundle.cases for action in decided(state) if isinstance(action, Submit)] == [("a",)]
