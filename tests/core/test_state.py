"""The fold: what each fact changes, which facts are refused, and that a refusal changes nothing."""

from __future__ import annotations

import copy
import random
from itertools import product

import pytest
from msgspec import Raw
from tests.conftest import seeds
from tests.core.facts import EVERY, case, ended, opened, planned, submitted, whole

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.state import CONTINUATIONS, FOLLOWS, INTERRUPTIONS, IllegalEvent, State, told_key
from weft.model import Kind, Outcome, Phase, Status

ON = frozenset({Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY})


def after(*facts: AnyEvent | list[AnyEvent], cases: tuple[str, ...] = ("a", "b")) -> State:
    """The state of a small study after these facts."""
    state = opened(*cases)
    for fact in facts:
        state.apply_all(fact if isinstance(fact, list) else [fact])
    return state


def status(state: State, case_id: str, attempts: int = 2) -> Status:
    return state.status(state.cases[case_id], attempts, ON)


# A case's status


def test_a_case_waits_is_active_and_is_done_by_its_own_record() -> None:
    state = after()
    assert status(state, "a") is Status.WAITING
    state.apply_all(submitted("j", "a"))
    assert status(state, "a") is Status.ACTIVE
    state.apply(case("j", "a"))
    assert status(state, "a") is Status.DONE
    assert state.cases["a"].done == "r"


def test_a_job_that_finished_makes_no_case_done() -> None:
    state = after(submitted("j", "a"), ev.JobGone(at=2.0, job="j", outcome=Outcome.FINISHED), ended("j"))
    assert status(state, "a") is Status.WAITING


@pytest.mark.parametrize(
    ("outcome", "attempts", "expected"),
    [
        (Outcome.FAILED, 2, Status.FAILED),
        (Outcome.TIMED_OUT, 2, Status.WAITING),
        (Outcome.TIMED_OUT, 1, Status.FAILED),
        (Outcome.OUT_OF_MEMORY, 2, Status.WAITING),
        (Outcome.INTERRUPTED, 1, Status.WAITING),
        (Outcome.CANCELLED, 1, Status.WAITING),
    ],
)
def test_how_a_case_stands_after_one_bad_run(outcome: Outcome, attempts: int, expected: Status) -> None:
    assert status(after(whole("j", "a", outcome=outcome)), "a", attempts) is expected


def test_interruptions_have_their_own_cap_and_spend_no_attempt() -> None:
    state = after()
    for number in range(INTERRUPTIONS):
        assert status(state, "a", 1) is Status.WAITING
        state.apply_all([*submitted(f"j{number}", "a"), ended(f"j{number}", Outcome.LOST, in_flight=["a"])])
    assert status(state, "a", 1) is Status.FAILED
    assert state.cases["a"].runs == 0


def test_what_the_user_stopped_is_nobodys_fault() -> None:
    state = after(submitted("j", "a"), ev.CancelAsked(at=2.0, id="1", everything=True))
    state.apply_all([case("j", "a", Outcome.INTERRUPTED), ended("j", Outcome.CANCELLED)])
    assert state.cases["a"].interruptions == 0
    assert state.fruitless == 0
    assert status(state, "a") is Status.WAITING


def test_a_success_of_an_old_revision_counts_only_if_kept() -> None:
    state = after(whole("j", "a"), ev.StudyRecorded(at=9.0, revision="r2", source=""))
    assert status(state, "a") is Status.WAITING
    assert state.old_revisions() == {"r": 1}
    state.apply(ev.StudyRecorded(at=9.0, revision="r2", source="", kept=["r"]))
    assert status(state, "a") is Status.DONE
    assert state.old_revisions() == {}


def test_a_job_of_an_old_revision_gives_an_old_success() -> None:
    state = after(
        submitted("j", "a"), ev.StudyRecorded(at=1.5, revision="r2", source=""), case("j", "a"), ended("j")
    )
    assert state.cases["a"].done == "r"
    assert status(state, "a") is Status.WAITING


def test_a_record_told_twice_counts_once() -> None:
    state = after(submitted("j", "a"), case("j", "a", Outcome.TIMED_OUT), case("j", "a", Outcome.TIMED_OUT))
    assert state.cases["a"].runs == 1
    assert state.cases["a"].timeouts == 1


def test_a_success_found_after_its_job_was_closed_is_taken() -> None:
    state = after(submitted("j", "a"), ended("j", Outcome.LOST), case("j", "a"))
    assert status(state, "a") is Status.DONE


def test_a_success_of_a_case_that_the_job_never_had_is_not() -> None:
    state = after(submitted("j", "a"), ended("j", Outcome.LOST), case("j", "b"))
    assert status(state, "b") is Status.WAITING


# Requests


def test_a_given_up_case_has_failed_until_it_is_retried() -> None:
    state = after(ev.CancelAsked(at=1.0, id="1", cases=["a"]))
    assert status(state, "a") is Status.FAILED
    assert status(state, "b") is Status.WAITING
    state.apply(ev.RetryAsked(at=2.0, id="2", cases=["a"]))
    assert status(state, "a") is Status.WAITING


def test_cancelling_a_job_gives_up_what_it_has_not_done() -> None:
    state = after(
        submitted("j", "a", "b"), case("j", "a"), ev.CancelAsked(at=2.0, id="1", jobs=["j"]), ended("j")
    )
    assert state.jobs["j"].cancel_asked
    assert (status(state, "a"), status(state, "b")) == (Status.DONE, Status.FAILED)


def test_an_old_success_does_not_keep_a_case_from_being_given_up() -> None:
    state = after(whole("i", "a"), ev.StudyRecorded(at=9.0, revision="r2", source=""))
    state.apply_all(submitted("j", "a", revision="r2"))
    state.apply_all([ev.CancelAsked(at=9.0, id="1", jobs=["j"]), ended("j", Outcome.CANCELLED)])
    assert status(state, "a") is Status.FAILED


def test_cancelling_the_job_of_a_step_gives_the_step_up() -> None:
    state = after(submitted("j", "before", kind=Kind.BEFORE), ev.CancelAsked(at=2.0, id="1", jobs=["j"]))
    state.apply(ended("j", Outcome.CANCELLED))
    assert state.status(state.steps["before"], 2, ON) is Status.FAILED


def test_stopping_everything_gives_nothing_up_and_ends_with_the_next_run() -> None:
    state = after(submitted("j", "a"), ev.CancelAsked(at=2.0, id="1", everything=True), ended("j"))
    assert state.stopping
    assert status(state, "a") is Status.WAITING
    state.apply(ev.RunStarted(at=4.0, host="h", pid=2, backend="local"))
    assert not state.stopping


def test_a_request_told_twice_is_one() -> None:
    state = after(ev.CancelAsked(at=1.0, id="1", cases=["a"]), ev.RetryAsked(at=2.0, id="2"))
    state.apply(ev.CancelAsked(at=1.0, id="1", cases=["a"]))
    assert status(state, "a") is Status.WAITING


def test_a_retry_lifts_the_hold_and_leaves_what_was_learnt() -> None:
    state = after(whole("j", "a", "b", outcome=Outcome.TIMED_OUT), ev.Held(at=9.0, why="w"))
    state.apply(ev.RetryAsked(at=10.0, id="1"))
    assert state.hold is None
    assert (state.cases["a"].runs, state.cases["a"].timeouts) == (0, 1)
    assert (state.first_failures, state.refusals, state.fruitless) == (0, 0, 0)


def test_a_retry_leaves_done_and_active_cases_alone() -> None:
    state = after(whole("i", "a"), submitted("j", "b"))
    before = copy.deepcopy(state.cases)
    state.apply(ev.RetryAsked(at=10.0, id="1"))
    assert state.cases == before


def test_a_retry_is_heard_while_the_cancelled_job_is_still_ending() -> None:
    state = after(
        submitted("j", "a"), ev.CancelAsked(at=2.0, id="1", jobs=["j"]), ev.RetryAsked(at=3.0, id="2")
    )
    state.apply(ended("j", Outcome.CANCELLED))
    assert status(state, "a") is Status.WAITING


def test_a_retry_of_unknown_cases_retries_none() -> None:
    state = after(whole("j", "a", outcome=Outcome.FAILED), ev.RetryAsked(at=9.0, id="1", cases=["zz"]))
    assert status(state, "a") is Status.FAILED


def test_a_hold_with_cancel_stops_the_live_jobs() -> None:
    state = after(submitted("j", "a"), ev.Held(at=2.0, why="w", cancel=True))
    assert state.live["j"].cancel_asked


# Jobs


def test_a_refused_job_frees_its_cases() -> None:
    state = after(
        planned("j", "a"), ev.JobSubmitSent(at=1.0, job="j"), ev.JobRefused(at=2.0, job="j", why="no")
    )
    assert (state.refusals, state.refused_at) == (1, 2.0)
    assert state.jobs["j"].outcome is Outcome.REFUSED
    assert not state.live
    assert status(state, "a") is Status.WAITING


def test_an_accepted_job_ends_the_row_of_refusals() -> None:
    state = after(planned("j", "a"), ev.JobRefused(at=2.0, job="j", why="no"), submitted("k", "a"))
    assert state.refusals == 0


def test_absences_are_counted_from_the_first_and_forgotten_when_seen() -> None:
    state = after(submitted("j", "a"), [ev.JobUnseen(at=at, job="j") for at in (5.0, 6.0)])
    assert (state.live["j"].unseen, state.live["j"].unseen_since) == (2, 5.0)
    state.apply(ev.JobSeen(at=7.0, job="j", phase=Phase.RUNNING))
    assert state.live["j"].unseen == 0
    state.apply(ev.JobUnseen(at=8.0, job="j"))
    assert (state.live["j"].unseen, state.live["j"].unseen_since) == (1, 8.0)


def test_not_found_counts_from_the_first_answer_after_the_sending() -> None:
    state = after(planned("j", "a"), ev.JobNotFound(at=1.0, job="j"), ev.JobSubmitSent(at=2.0, job="j"))
    assert (state.live["j"].not_found_since, state.live["j"].not_found_at) == (0.0, 0.0)
    state.apply_all([ev.JobNotFound(at=5.0, job="j"), ev.JobNotFound(at=6.0, job="j")])
    assert (state.live["j"].not_found_since, state.live["j"].not_found_at) == (5.0, 6.0)


def test_only_jobs_that_existed_and_did_nothing_are_fruitless() -> None:
    state = after(planned("i", "a"), ended("i", Outcome.CANCELLED))
    assert state.fruitless == 0
    state.apply_all([*submitted("j", "a"), ended("j", Outcome.LOST)])
    assert state.fruitless == 1
    state.apply_all(whole("k", "a", outcome=Outcome.TIMED_OUT))
    assert state.fruitless == 0


def test_a_planned_step_after_is_to_be_done_again_when_there_is_more_to_see() -> None:
    state = after(whole("i", "a"), whole("j", "after", kind=Kind.AFTER))
    assert state.counts(state.steps["after"])
    assert not state.fresh
    state.apply_all(whole("k", "b"))
    assert state.fresh
    state.apply_all([planned("l", "after", kind=Kind.AFTER), ended("l", Outcome.CANCELLED)])
    assert not state.counts(state.steps["after"])


def test_retired_cases_are_not_present_and_come_back() -> None:
    state = after(ev.CasesRetired(at=1.0, ids=["a"]))
    assert [case_id for case_id, _ in state.present()] == ["b"]
    state.apply(ev.CasesAdded(at=2.0, ids=["a"], params=[Raw(b"{}")]))
    assert [case_id for case_id, _ in state.present()] == ["a", "b"]


def test_job_ids_go_on() -> None:
    state = after(whole("s-k-0001", "a"))
    assert state.next_job() == "s-k-0002"


def test_what_the_runner_told_is_known_until_the_job_ends() -> None:
    span = ev.SpanEnded(at=2.0, job="j", span="SETUP", start=1.0)
    state = after(submitted("j", "a"), span)
    assert state.live["j"].told == {told_key(span)}
    state.apply(ended("j"))
    assert state.jobs["j"].told == set()


# What is refused


@pytest.mark.parametrize(("here", "there"), list(product(Phase, Phase)))
def test_the_table_of_phases_is_the_law(here: Phase, there: Phase) -> None:
    state = after(planned("j", "a"))
    state.live["j"].phase = here
    seen = ev.JobSeen(at=2.0, job="j", phase=there, word="w")
    if here is there or there in FOLLOWS[here]:
        state.apply(seen)
        assert state.live["j"].phase is there
    else:
        before = copy.deepcopy(vars(state))
        with pytest.raises(IllegalEvent, match=f"{there.value} cannot follow {here.value}"):
            state.apply(seen)
        assert vars(state) == before


BACKENDS = set(Phase) - {Phase.PLANNED, Phase.UPLOADING, Phase.COLLECTING, Phase.ENDED}


def test_the_table_says_what_it_should() -> None:
    assert FOLLOWS[Phase.ENDED] == set()
    assert FOLLOWS[Phase.COLLECTING] == {Phase.ENDED}
    for phase in BACKENDS:
        assert FOLLOWS[phase] == BACKENDS | {Phase.COLLECTING, Phase.ENDED}
    for phase in Phase:
        assert Phase.PLANNED not in FOLLOWS[phase], "nothing goes back to the plan"


@pytest.mark.parametrize(
    "refused",
    [
        ev.Opened(at=1.0, format=1, name="s", key="k", weft="0"),
        planned("j", "b"),
        planned("k", "a"),
        planned("k", "b", "a"),
        planned("k", "done"),
        planned("k", "nowhere"),
        planned("k", "b", kind=Kind.AFTER),
        planned("k", "before"),
        ev.CasesRetired(at=1.0, ids=["b", "nowhere"]),
        ev.JobSubmitSent(at=1.0, job="j"),
        ev.JobSubmitted(at=1.0, job="j", native="another"),
        ev.JobRefused(at=1.0, job="j", why="w"),
        ev.JobSeen(at=1.0, job="j", phase=Phase.PLANNED),
        ev.JobSeen(at=1.0, job="nowhere", phase=Phase.RUNNING),
        ev.JobUnseen(at=1.0, job="old"),
        ev.JobNotFound(at=1.0, job="old"),
        ev.CancelSent(at=1.0, job="old"),
        ended("old"),
        case("nowhere", "a"),
        case("nowhere", "nowhere"),
        ev.RecordsRead(at=1.0, job="nowhere", offset=1),
        ev.SpanEnded(at=1.0, job="nowhere", span="PACK", start=0.0),
        ev.RunnerStarted(at=1.0, job="old", host="h", cores=1, memory=1, slots=1),
        ev.RunnerEnded(at=1.0, job="old", outcome=Outcome.FAILED, exit=1),
        ev.JobGone(at=1.0, job="old", outcome=Outcome.FAILED),
    ],
    ids=lambda event: f"{type(event).__name__}-{getattr(event, 'job', '')}-{getattr(event, 'cases', '')}",
)
def test_a_fact_that_cannot_follow_is_refused_and_changes_nothing(refused: AnyEvent) -> None:
    state = after(whole("old", "done"), submitted("j", "a"), cases=("a", "b", "done"))
    before = copy.deepcopy(vars(state))
    with pytest.raises(IllegalEvent):
        state.apply(refused)
    assert vars(state) == before


def random_fact(rng: random.Random) -> AnyEvent:
    """Any fact about a few jobs and cases, likely or not."""
    job, case_id = (
        rng.choice(["j", "k", "l", "nowhere"]),
        rng.choice(["a", "b", "nowhere", "before", "after"]),
    )
    outcome, phase, at = rng.choice(list(Outcome)), rng.choice(list(Phase)), rng.uniform(1.0, 9.0)
    return rng.choice(
        [
            *EVERY,
            planned(job, case_id, kind=rng.choice(list(Kind)), revision=rng.choice(["r", "q"])),
            planned(job, "a", "b"),
            ev.JobSubmitSent(at=at, job=job),
            ev.JobSubmitted(at=at, job=job, native=rng.choice(["1", "2"])),
            ev.JobRefused(at=at, job=job, why=""),
            ev.JobSeen(at=at, job=job, phase=phase, orphaned=rng.random() < 0.2),
            ev.JobUnseen(at=at, job=job),
            ev.JobGone(at=at, job=job, outcome=outcome),
            case(job, case_id, outcome),
            ended(job, outcome, in_flight=[case_id]),
            ev.CasesRetired(at=at, ids=["a", case_id]),
            ev.RetryAsked(at=at, id=str(rng.random())),
            ev.CancelAsked(at=at, id=str(rng.random()), jobs=[job], cases=[case_id]),
        ]
    )


def test_whatever_comes_is_taken_whole_or_not_at_all() -> None:
    taken = refused = 0
    chosen = seeds(150, 3000)
    for seed in chosen:
        rng = random.Random(seed)
        state = opened("a", "b")
        for _ in range(40):
            fact = random_fact(rng)
            before = copy.deepcopy(vars(state))
            try:
                state.apply(fact)
                taken += 1
            except IllegalEvent:
                refused += 1
                assert vars(state) == before, f"seed {seed}: {fact}"
            check_sound(state, seed)
    assert min(taken, refused) > 3 * len(chosen)


def check_sound(state: State, seed: int) -> None:
    """What must be true of any state, whatever facts led to it."""
    assert set(state.live) == {job.id for job in state.jobs.values() if job.outcome is None}, f"seed {seed}"
    holders = [(case_id, job.id) for job in state.live.values() for case_id in state.open_cases(job)]
    assert len({case_id for case_id, _ in holders}) == len(holders), f"seed {seed}: a case in two live jobs"
    known = {**state.cases, **state.steps}
    for case_id, found in known.items():
        assert found.job == dict(holders).get(case_id, ""), f"seed {seed}: {case_id}"


def test_replaying_gives_the_same_state() -> None:
    facts: list[AnyEvent] = [
        *submitted("j", "a", "b"),
        case("j", "a"),
        ended("j", Outcome.LOST, in_flight=["b"]),
    ]
    one, other = opened("a", "b"), opened("a", "b")
    one.apply_all(facts)
    for fact in facts:
        other.apply(fact)
    assert vars(one) == vars(other)


# Going on from what an earlier run left


def carried(job: str, case_id: str, at: float = 3.0) -> AnyEvent:
    return ev.CaseEnded(
        at=at, by="node", job=job, case=case_id, outcome=Outcome.INTERRUPTED, start=at - 1, carried=2
    )


def test_a_run_that_is_to_be_continued_spends_no_attempt() -> None:
    state = after(submitted("j", "a"), carried("j", "a"), ended("j"))
    case_a = state.cases["a"]
    assert status(state, "a", attempts=1) is Status.WAITING
    assert (case_a.runs, case_a.interruptions, case_a.continues, case_a.carry) == (0, 0, 1, "j")


def test_continuations_have_an_end() -> None:
    state = after()
    for number in range(CONTINUATIONS):
        assert status(state, "a") is Status.WAITING
        job = f"j{number}"
        state.apply_all([*submitted(job, "a"), carried(job, "a"), ended(job)])
    assert status(state, "a") is Status.FAILED
    state.apply(ev.RetryAsked(at=9.0, id="r1"))
    assert status(state, "a") is Status.WAITING
    assert state.cases["a"].carry == f"j{CONTINUATIONS - 1}", "a retry goes on, too"


def test_a_new_revision_starts_from_the_beginning() -> None:
    state = after(submitted("j", "a"), carried("j", "a"), ended("j"))
    state.apply(ev.StudyRecorded(at=5.0, revision="other", source=""))
    assert (state.cases["a"].carry, state.cases["a"].continues) == ("", 0)


# Jobs that are to blame


def test_cases_of_a_job_that_did_nothing_and_said_finished_have_failed() -> None:
    state = after(
        submitted("j", "a", "b"),
        ev.JobEnded(at=3.0, job="j", outcome=Outcome.FAILED, why="w", failed=["a", "b"]),
    )
    assert [status(state, name) for name in "ab"] == [Status.FAILED, Status.FAILED]
    assert state.first_failures == 2
    assert state.fruitless == 1


def test_a_cancellation_that_is_not_ours_is_remembered_until_a_retry() -> None:
    gone = ev.JobGone(at=2.0, job="j", outcome=Outcome.CANCELLED)
    asked = ev.CancelAsked(at=1.5, id="c1", jobs=["j"])
    assert after(submitted("j", "a"), asked, gone, ended("j")).cancelled == ""
    state = after(submitted("j", "a"), gone, ended("j"))
    assert state.cancelled == "j"
    state.apply(ev.RetryAsked(at=9.0, id="r1"))
    assert state.cancelled == ""


def test_a_case_whose_checkpoint_is_lost_begins_anew() -> None:
    lost = ev.JobEnded(at=4.0, job="j", outcome=Outcome.CANCELLED, uncarried=["a"])
    state = after(submitted("j", "a"), carried("j", "a"), lost)
    assert status(state, "a") is Status.WAITING
    assert (state.cases["a"].carry, state.cases["a"].carried, state.cases["a"].continues) == ("", 0, 1)
