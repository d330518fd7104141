"""A job's phases: who tells of them and how exactly, the service's clock put on ours, transfers cut into their parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.facts import START, Facts

from weft.backends.tapis.place import POLL_FIRST, POLL_MOST
from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.jobprofile import JobProfile
from weft.core.jobtable import table
from weft.core.lateness import POLLS, REMOTE_POLLS, between_looks
from weft.core.profile import profile_of
from weft.core.transfers import TransferProfile
from weft.model import Kind, Limits, Outcome, Phase

PHASES = (
    (Phase.PENDING, 2.0),
    (Phase.STAGING_INPUTS, 4.0),
    (Phase.QUEUED, 34.0),
    (Phase.RUNNING, 44.0),
    (Phase.ARCHIVING, 104.0),
    (Phase.ENDED, 124.0),
)
"""A job that is known to be over at 130."""


def launched(*facts: AnyEvent, backend: str = "tapis") -> JobProfile:
    """Planned at 0, asked for at 1, known at 3, seen running at 50, gone at 130, closed at 132."""
    job = {"job": "j"}
    whole: list[AnyEvent] = [
        ev.JobPlanned(at=START, kind=Kind.CASES, backend=backend, cases=["a"], revision="r", **job),
        ev.JobSubmitSent(at=START + 1, **job),
        ev.JobSubmitted(at=START + 3, by=backend, native="x", **job),
        ev.JobSeen(at=START + 50, by=backend, phase=Phase.RUNNING, **job),
        *facts,
        ev.JobGone(at=START + 130, by=backend, outcome=Outcome.FINISHED, **job),
        ev.JobEnded(at=START + 132, outcome=Outcome.FINISHED, **job),
    ]
    return profile_of(whole).jobs[0]


def account(pace: float = 1.0, ahead: float = 0.0, by: str = "tapis", **more: Any) -> ev.HistoryRead:
    """The service's account, by a clock that runs so much faster than ours and is ahead of it."""
    phases = [(phase, START + 2 + (at - 2) * pace + ahead) for phase, at in PHASES]
    return ev.HistoryRead(at=START + 131, by=by, job="j", phases=phases, **more)


def sources(job: JobProfile) -> dict[str, str]:
    return {span.name: span.source for span in job.phases}


def lengths(job: JobProfile) -> dict[str, float]:
    return {span.name: span.seconds for span in job.phases}


def uncertain(job: JobProfile) -> dict[str, float]:
    return {span.name: span.uncertain for span in job.phases}


# Who tells


def test_each_end_of_a_phase_has_a_source() -> None:
    runner = ev.RunnerStarted(at=START + 43, by="node", job="j", host="n", cores=1, memory=1, slots=1)
    assert sources(launched(runner, account())) == {
        "PLANNED": "weft",
        "UPLOADING": "tapis",
        "PENDING": "tapis",
        "STAGING_INPUTS": "tapis",
        "QUEUED": "node",
        "RUNNING": "tapis",
        "ARCHIVING": "tapis",
        "COLLECTING": "weft",
    }
    assert set(sources(launched()).values()) == {"weft"}


def test_slurm_s_accounts_are_exact_to_a_second() -> None:
    found = uncertain(launched(account(by="slurm"), backend="slurm"))
    assert found["QUEUED"] == found["RUNNING"] == 1
    assert found["PLANNED"] == found["COLLECTING"] == 0


def test_without_an_account_it_is_as_exact_as_weft_looks() -> None:
    found = uncertain(launched(backend="local"))
    assert found["RUNNING"] == found["PENDING"] == POLLS["local"][1]
    found = uncertain(launched(backend="slurm"))
    assert found["RUNNING"] == pytest.approx(1 + 0.3 * 80)
    assert found["PENDING"] == pytest.approx(1 + 0.3 * 47)


def test_the_runner_s_last_word_says_how_long_it_ran_at_least() -> None:
    def ended(at: float) -> ev.RunnerEnded:
        return ev.RunnerEnded(at=START + at, by="node", job="j", outcome=Outcome.FINISHED, exit=0)

    assert uncertain(launched(ended(129.9), backend="local"))["RUNNING"] == pytest.approx(0.1)
    assert uncertain(launched(ended(97), account()))["RUNNING"] == pytest.approx(7)
    # By a clock that is wrong it says nothing.
    assert uncertain(launched(ended(1097), account()))["RUNNING"] == 60
    assert uncertain(launched(ended(-1000), account()))["RUNNING"] == 60


def test_weft_looks_as_the_limits_say() -> None:
    limits = Limits()
    assert POLLS["local"] == (limits.poll_first, limits.poll_most)
    assert REMOTE_POLLS == (POLL_FIRST, POLL_MOST)
    assert between_looks("local", 0.01) == 0.01
    assert between_looks("tapis", 1e6) == POLL_MOST


def test_the_runner_s_spans_are_the_node_s() -> None:
    facts = Facts()
    facts.run(facts.ids[0])
    assert [span.source for span in profile_of(facts.facts).jobs[0].runner] == ["node"]


# The service's clock


def test_an_account_by_a_clock_that_runs_faster_is_shrunk_to_fit() -> None:
    job = launched(account(pace=20))
    plain = launched(account())
    (note,) = job.notes
    assert "scaled to fit" in note
    assert "19.1 times" in note  # 2440 s in 128
    factor = (130 - 2) / 2440
    for name in ("STAGING_INPUTS", "QUEUED", "RUNNING", "ARCHIVING"):
        assert lengths(job)[name] == pytest.approx(lengths(plain)[name] * 20 * factor)
    assert job.end == START + 132
    assert all(first.end == second.start for first, second in pairwise(job.phases))


def test_transfers_and_uncertainty_shrink_with_it() -> None:
    times = {"asked": 5.0, "began": 15.0, "ended": 27.0, "noticed": 31.0}

    def told(pace: float) -> ev.HistoryRead:
        moved = {name: START + 2 + (at - 2) * pace for name, at in times.items()}
        return account(pace, transfers=[ev.Transfer(into="inputs", files=3, **moved)])

    plain, job = launched(told(1)), launched(told(20))
    factor = 20 * (130 - 2) / 2440
    one, other = plain.transfers[0], job.transfers[0]
    assert parts(one) == (1, 10, 12, 4, 3)
    assert other.copying_s == pytest.approx(12 * factor)
    assert other.closing_s == pytest.approx(3 * factor)
    assert uncertain(job)["RUNNING"] == pytest.approx(180 * factor / 20)  # of 1200 s by the service's clock


def test_clocks_that_differ_a_little_are_left_alone() -> None:
    room = 130 - 1
    for pace, scaled in (((room * 1.02 + 1.9) / 122, False), ((room * 1.02 + 2.1) / 122, True)):
        assert bool(launched(account(pace=pace)).notes) is scaled


def test_nothing_is_stretched() -> None:
    job = launched(account(pace=0.01))
    assert job.notes == []
    assert lengths(job)["RUNNING"] == pytest.approx(0.6)


def test_a_job_that_weft_did_not_launch_keeps_its_times() -> None:
    phases = [(phase, START + 1000 * at) for phase, at in PHASES]
    told: list[AnyEvent] = [
        ev.JobPlanned(at=START, by="tapis", job="j", kind=Kind.CASES, backend="tapis", cases=[], revision=""),
        ev.JobSubmitted(at=START, by="tapis", job="j", native="j"),
        ev.HistoryRead(at=START + 5, by="tapis", job="j", phases=phases),
        ev.JobEnded(at=START + 5, by="tapis", job="j", outcome=Outcome.FINISHED),
    ]
    job = profile_of(told).jobs[0]
    assert job.notes == []
    assert lengths(job)["RUNNING"] == 60_000


def test_an_account_that_would_end_after_weft_knew_is_moved_before() -> None:
    job = launched(account(ahead=3600))
    assert job.notes == []
    assert job.phases[-2].end == START + 125  # as long as it was, from when the job was known at the latest
    late = launched(account(pace=128.6 / 122))
    assert late.phases[-2].end == START + 130


# What an account brings besides


def test_use_and_notes_of_an_account() -> None:
    job = launched(account(cpu=77.0, memory=5, notes=["its clock jumped"]))
    assert (job.cpu_s, job.memory, job.notes) == (77, 5, ["its clock jumped"])
    case = ev.CaseEnded(
        at=START + 99, job="j", case="a", outcome=Outcome.FINISHED, start=START + 98, cpu=1.0, memory=2
    )
    job = launched(case, account(cpu=77.0, memory=5))
    assert (job.cpu_s, job.memory) == (1, 2)


def transfer(*times: float, into: Any = "inputs") -> ev.Transfer:
    asked, began, ended, noticed = (START + at if at else 0.0 for at in times)
    return ev.Transfer(into=into, files=1, asked=asked, began=began, ended=ended, noticed=noticed)


def parts(told: TransferProfile) -> tuple[float, ...]:
    return (told.before_s, told.waiting_s, told.copying_s, told.unnoticed_s, told.closing_s)


def test_transfers_one_after_the_other_add_up_to_their_phase() -> None:
    job = launched(account(transfers=[transfer(5, 6, 10, 12), transfer(15, 20, 30, 33)]))
    first, second = job.transfers
    assert (first.before_s, first.closing_s) == (1, 0)
    assert (second.before_s, second.closing_s) == (3, 1)
    assert sum(parts(first)) + sum(parts(second)) == lengths(job)["STAGING_INPUTS"]


@pytest.mark.parametrize("told", [(16, 15, 27, 31), (5, 30, 27, 31), (5, 15, 33, 31), (32, 15, 27, 31)])
def test_a_transfer_told_by_clocks_that_differ_adds_up_all_the_same(told: tuple[float, ...]) -> None:
    job = launched(account(transfers=[transfer(*told)]))
    assert sum(parts(job.transfers[0])) == lengths(job)["STAGING_INPUTS"]


def test_what_a_transfer_claims_beyond_its_phase_is_cut_off() -> None:
    (found,) = launched(account(transfers=[transfer(5, 15, 1e9, 31)])).transfers
    assert found.copying_s == 34 - 15
    (found,) = launched(account(transfers=[transfer(0, 0, 0, 31)])).transfers
    assert parts(found) == (27, 0, 0, 0, 3)
    (found,) = launched(account(transfers=[transfer(505, 515, 520, 521)])).transfers
    assert parts(found) == (0, 10, 5, 1, 0), "at no time in that phase"


def test_an_account_of_nothing_but_an_end() -> None:
    end = ev.HistoryRead(at=START, by="tapis", job="j", phases=[(Phase.ENDED, START)])
    planned = ev.JobPlanned(
        at=START, by="tapis", job="j", kind=Kind.CASES, backend="tapis", cases=[], revision=""
    )
    closed = ev.JobEnded(at=START, by="tapis", job="j", outcome=Outcome.FAILED)
    (job,) = profile_of([planned, end, closed]).jobs
    assert job.phases
    assert job.start == job.end == START


@pytest.mark.parametrize(
    ("told", "printed"), [([], None), ([None, None], None), ([0, None], 0), ([5, 7], 12), ([None, 7], 7)]
)
def test_what_cases_printed_is_summed_where_somebody_counted(
    told: list[int | None], printed: int | None
) -> None:
    ids = [f"c{number}" for number in range(len(told))]
    planned = ev.JobPlanned(at=START, job="j", kind=Kind.CASES, backend="local", cases=ids, revision="r")
    ends = [
        ev.CaseEnded(
            at=START, by="node", job="j", case=case, outcome=Outcome.FINISHED, start=START, printed=each
        )
        for case, each in zip(ids, told, strict=True)
    ]
    (job,) = profile_of([planned, *ends]).jobs
    assert job.printed == printed
    assert table([job])["printed_bytes"].to_list() == [printed]


times = st.floats(START - 5000, START + 5000)


@settings(max_examples=count(60, 1000), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(Phase)), times), max_size=8),
    st.lists(st.tuples(*[st.one_of(st.just(0.0), times)] * 4), max_size=3),
    st.one_of(st.none(), times),
    st.sampled_from(["tapis", "slurm"]),
)
def test_no_account_can_break_the_phases(
    phases: list[tuple[Phase, float]], moved: list[tuple[float, ...]], runner: float | None, by: str
) -> None:
    transfers = [transfer(*times, into="archive") for times in moved]
    told: list[AnyEvent] = [ev.HistoryRead(at=START + 9, by=by, job="j", phases=phases, transfers=transfers)]
    if runner is not None:
        told.append(ev.RunnerStarted(at=runner, by="node", job="j", host="n", cores=1, memory=1, slots=1))
    job = launched(*told)
    assert job.phases
    assert all(first.end == second.start for first, second in pairwise(job.phases))
    assert all(span.seconds >= 0 and span.uncertain >= 0 for span in job.phases)
    for each in job.transfers:
        assert min(parts(each)) >= 0
