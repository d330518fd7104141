"""What the profile makes of events: spans without gaps, slots busy and idle, totals."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from tests.facts import START, Facts

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.jobprofile import JobProfile
from weft.core.jobtable import table
from weft.core.lateness import lateness
from weft.core.profile import SLOWEST, Profile, profile_of, profile_of_books
from weft.core.transfers import together
from weft.model import Kind, Outcome, Phase


def spans(job: JobProfile) -> list[tuple[str, float, float]]:
    return [(span.name, span.start - START, span.end - START) for span in job.phases]


def whole_job() -> Facts:
    """Planned at 1, sent 2, accepted 3, runs from 4; slot 0 has cases of 4 s and 2 s, slot 1 one of 3 s."""
    facts = Facts([{"scale": scale} for scale in (1, 2, 3)])
    a, b, c = facts.ids
    job = facts.plan(facts.ids)
    begun = facts.now
    node = {"by": "node", "job": job}
    facts.add(ev.SpanEnded, span="UNPACK", start=begun, **node)
    facts.ran(job, a, wall=4.0)
    facts.now -= 1
    facts.add(
        ev.CaseEnded, case=b, outcome=Outcome.FAILED, start=begun, slot=1, wall=3.0, cpu=3.0, memory=9, **node
    )
    facts.now += 1
    facts.ran(job, c, wall=2.0)
    facts.add(ev.SpanEnded, span="CASES", start=begun, **node)
    facts.now += 0.5
    facts.add(ev.SpanEnded, span="PACK", start=facts.now - 0.5, **node)
    facts.end(job)
    return facts


def test_a_job_s_time_is_cut_into_phases_without_gaps() -> None:
    job = profile_of(whole_job().facts).jobs[0]
    assert spans(job) == [
        ("PLANNED", 1, 2),
        ("UPLOADING", 2, 3),
        ("PENDING", 3, 4),
        ("RUNNING", 4, 11.5),
        ("COLLECTING", 11.5, 12.5),
    ]
    assert not any(span.open for span in job.phases)
    assert [(span.name, span.seconds) for span in job.runner] == [("UNPACK", 0), ("CASES", 6), ("PACK", 0.5)]
    assert (job.native, job.host, job.slots, job.cases, job.recorded) == ("4711", "n1", 2, 3, 3)


def test_slots_are_busy_idle_and_idle_at_the_end() -> None:
    job = profile_of(whole_job().facts).jobs[0]
    assert job.busy_s == 9
    assert job.idle_s == 2 * 6 - 9
    assert job.tail_s == 3  # slot 1, from its only case's end on


def test_a_slot_that_never_had_a_case_is_idle_to_the_end() -> None:
    facts = Facts()
    job = facts.plan(facts.ids[:1], slots=3)
    facts.ran(job, facts.ids[0], wall=2.0)
    facts.end(job)
    found = profile_of(facts.facts).jobs[0]
    assert (found.busy_s, found.idle_s, found.tail_s) == (2, 4, 4)


def test_the_runner_s_own_word_on_its_slots_counts() -> None:
    facts = whole_job()
    facts.facts.insert(
        -2,
        ev.RunnerEnded(
            at=facts.now, job="frame-ab12-0001", outcome=Outcome.FINISHED, exit=0, busy=9.5, idle=2.5
        ),
    )
    job = profile_of(facts.facts).jobs[0]
    assert (job.busy_s, job.idle_s, job.tail_s) == (9.5, 2.5, 2.5)


def test_totals() -> None:
    total = profile_of(whole_job().facts).totals
    assert (total.wall_s, total.jobs, total.runs) == (11.5, 1, 3)
    assert (total.case_s, total.cpu_s, total.unsuccessful_s) == (9, 6, 3)
    assert (total.median_s, total.longest_s, total.memory) == (3, 4, 5_000_000)
    assert total.slot_s == 23
    assert total.parallelism == pytest.approx(9 / 11.5)
    assert total.efficiency == pytest.approx(9 / 23)
    assert total.overhead == pytest.approx(5.5 / 11.5)
    assert list(total.spans) == [
        "PLANNED",
        "UPLOADING",
        "PENDING",
        "RUNNING",
        "COLLECTING",
        "UNPACK",
        "CASES",
        "PACK",
    ]
    assert total.spans["RUNNING"] == 7.5


def test_time_between_jobs_is_no_wall_time() -> None:
    facts = Facts()
    facts.run(facts.ids[0])
    facts.now += 86_400
    facts.run(facts.ids[1])
    total = profile_of(facts.facts).totals
    assert total.wall_s == total.slot_s / 2 == 14


def test_what_is_not_over_is_marked_and_lasts_until_the_last_fact() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.ran(job, facts.ids[0], wall=3.0)
    found = profile_of(facts.facts)
    assert found.open
    assert found.totals.wall_s == 6
    assert found.jobs[0].outcome is None
    assert [(span.name, span.open) for span in found.jobs[0].phases][-1] == ("RUNNING", True)
    assert [(span.name, span.seconds, span.open) for span in found.jobs[0].runner] == [("CASES", 3, True)]
    assert found.jobs[0].tail_s == 0


def open_job(job: str, at: float, *more: AnyEvent) -> list[AnyEvent]:
    planned = ev.JobPlanned(at=at, job=job, kind=Kind.CASES, backend="tapis", cases=[], revision="")
    return [planned, ev.JobSeen(at=at + 1, job=job, phase=Phase.RUNNING), *more]


def test_what_is_not_over_lasts_until_the_last_fact_of_its_book() -> None:
    first = open_job("a", START, ev.JobUnseen(at=START + 5, job="a"))
    second = open_job("b", START + 1e7, ev.JobUnseen(at=START + 1e7 + 7, job="b"))
    for books in ([first, second], [second, first]):
        found = profile_of_books(books)
        assert found.open
        assert {job.id: job.end - job.start for job in found.jobs} == {"a": 5, "b": 7}
        assert found.totals.wall_s == 12


def test_a_job_that_is_known_by_an_account_lasts_until_that_was_read() -> None:
    account = ev.HistoryRead(at=START + 60, by="slurm", job="a", phases=[(Phase.RUNNING, START)])
    found = profile_of([*open_job("a", START, account), *open_job("b", START + 1e7)])
    assert [job.end - job.start for job in found.jobs] == [60, 1]
    sent = ev.JobSubmitSent(at=START, job="a")
    found = profile_of([*open_job("a", START, sent, account), ev.JobUnseen(at=START + 90, job="a")])
    assert found.jobs[0].end == START + 90  # weft is at it still


def test_jobs_have_the_name_of_their_study() -> None:
    books = []
    for name in ("one", "two"):
        opened = ev.Opened(at=START, format=1, name=name, key="k", weft="0")
        books.append([opened, *open_job(name, START)])
    found = profile_of_books(books)
    assert (found.name, [job.study for job in found.jobs]) == ("", ["one", "two"])
    assert profile_of(books[1]).name == "two"


# Times that cannot be


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e308, -1e308, 0.0, 86_400.0, 7.3e9])
def test_a_time_that_cannot_be_is_that_of_the_fact_before(wrong: float) -> None:
    facts = whole_job()
    for place in range(1, len(facts.facts)):
        told = [*facts.facts]
        told[place] = msgspec.structs.replace(told[place], at=wrong)
        found = profile_of(told)
        (job,) = found.jobs
        assert START <= job.start <= job.end <= facts.now
        assert found.end == job.end
        assert bool(job.notes) is hasattr(told[place], "job")
        table([job])
    assert profile_of([msgspec.structs.replace(fact, at=wrong) for fact in facts.facts]).jobs == []


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e308, -1e308])
@pytest.mark.parametrize(
    ("kind", "name"),
    [(ev.CaseEnded, "start"), (ev.CaseEnded, "wall"), (ev.CaseEnded, "cpu"), (ev.SpanEnded, "start")],
)
def test_no_figure_of_the_node_can_break_a_profile(kind: type, name: str, wrong: float) -> None:
    facts = whole_job()
    told = [
        msgspec.structs.replace(fact, **{name: wrong}) if isinstance(fact, kind) else fact
        for fact in facts.facts
    ]
    found = profile_of(told)
    (job,) = found.jobs
    assert all(0 <= span.seconds <= 100 for span in (*job.phases, *job.runner))
    assert 0 <= found.totals.case_s <= 100
    assert 0 <= found.totals.cpu_s <= 100


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e308, -1.0])
@pytest.mark.parametrize("name", ["busy", "idle"])
def test_a_last_word_of_the_runner_that_cannot_be_is_none(name: str, wrong: float) -> None:
    facts = whole_job()
    expected = profile_of(facts.facts)
    said = {"busy": 9.5, "idle": 2.5, name: wrong}
    last = ev.RunnerEnded(at=facts.now - 1, job="frame-ab12-0001", outcome=Outcome.FINISHED, exit=0, **said)
    assert profile_of([*facts.facts[:-2], last, *facts.facts[-2:]]) == expected


def test_times_of_an_account_that_cannot_be_are_passed_over() -> None:
    moved = ev.Transfer(into="archive", files=2**70, bytes=-(2**70), asked=1e308, noticed=START + 100)
    account = ev.HistoryRead(
        at=START + 131, by="tapis", job="j", transfers=[moved, moved],
        phases=[(Phase.PENDING, -1e308), (Phase.RUNNING, START + 10), (Phase.ARCHIVING, 1e12), (Phase.ENDED, START + 120)],
    )  # fmt: skip
    job = at_a_service(account)
    assert [span.name for span in job.phases] == ["PLANNED", "UPLOADING", "RUNNING", "COLLECTING"]
    assert any("cannot be" in note for note in job.notes)
    assert table([job])["archive_files"].to_list() == [2**53]


def test_a_clock_that_goes_back_is_noted_and_nothing_takes_less_than_no_time() -> None:
    facts = whole_job()
    back = [msgspec.structs.replace(fact, at=START - 1000 * place) for place, fact in enumerate(facts.facts)]
    found = profile_of(back)
    assert found.totals.wall_s == 0
    assert all(span.seconds >= 0 for span in found.jobs[0].phases)
    assert any("the clock goes back" in note for note in found.jobs[0].notes)
    assert profile_of(facts.facts).jobs[0].notes == []


def test_counts_that_fit_nowhere_do_no_harm() -> None:
    given = ev.Allotment(nodes=10**30, cores=10**30, memory_mb=-(10**30), rate=1.0)
    planned = ev.JobPlanned(
        at=START, job="j", kind=Kind.CASES, backend="x", cases=[], revision="", slots=10**18, given=given
    )
    ran = ev.JobSeen(at=START + 1, job="j", phase=Phase.RUNNING)
    ended = ev.JobEnded(at=START + 9, job="j", outcome=Outcome.FINISHED)
    row = table(profile_of([planned, ran, ended]).jobs).row(0, named=True)
    assert (row["nodes"], row["cores"], row["memory_mb"]) == (2**53, 2**53, -(2**53))


def test_secrets_in_last_words_are_masked() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    said = "at https://ann:hunter22@host/x"
    facts.ran(job, facts.ids[0], Outcome.FAILED, tail=said)
    facts.end(job, Outcome.FAILED, why=said)
    (found,) = profile_of(facts.facts).jobs
    assert found.why == found.tail == "at https://ann:***@host/x"


def test_secrets_of_a_service_are_masked_too() -> None:
    failed = ev.Transfer(into="inputs", noticed=START + 5, why="no https://ann:hunter22@host/x")
    account = ev.HistoryRead(
        at=START + 9, by="tapis", job="j", phases=[(Phase.PENDING, START)], transfers=[failed]
    )
    given = ev.Allotment(
        inputs=["https://ann:hunter22@host/a?token=s3cret", "tapis://storage/ann/mesh-2026.zip"]
    )
    planned = ev.JobPlanned(
        at=START, by="tapis", job="j", kind=Kind.CASES, backend="tapis", cases=[], revision="", given=given
    )
    (found,) = profile_of([planned, account]).jobs
    assert found.transfers[0].why == "no https://ann:***@host/x"
    assert found.given.inputs == ["https://ann:***@host/a?token=***", "tapis://storage/ann/mesh-2026.zip"]
    assert table([found])["sources"].to_list() == [found.given.inputs]


def test_running_that_was_seen_late_or_never_begins_with_the_runner() -> None:
    for seen in (True, False):
        facts = whole_job()
        kept = [fact for fact in facts.facts if seen or not isinstance(fact, ev.JobSeen)]
        late = [
            msgspec.structs.replace(fact, at=fact.at + 2) if isinstance(fact, ev.JobSeen) else fact
            for fact in kept
        ]
        assert ("RUNNING", 4, 11.5) in spans(profile_of(late).jobs[0])


def test_a_runner_with_a_wrong_clock_leaves_no_gap_and_no_overlap() -> None:
    for wrong in (-1000, 1000):
        facts = whole_job()
        moved = [
            msgspec.structs.replace(fact, at=fact.at + wrong) if isinstance(fact, ev.RunnerStarted) else fact
            for fact in facts.facts
        ]
        found = spans(profile_of(moved).jobs[0])
        assert all(end == start for (_, _, end), (_, start, _) in pairwise(found))
        assert all(start <= end for _, start, end in found)


def test_a_refused_job_ends() -> None:
    facts = Facts()
    fields = {"kind": Kind.CASES, "backend": "local", "cases": facts.ids, "revision": "r1"}
    facts.add(ev.JobPlanned, job="j", **fields)
    facts.add(ev.JobRefused, job="j", why="no", wait=2)
    found = profile_of(facts.facts)
    assert not found.open
    assert found.jobs[0].outcome is Outcome.REFUSED
    assert [(span.name, span.seconds) for span in found.jobs[0].phases] == [("PLANNED", 2)]


def test_phases_of_a_backend_are_told_apart() -> None:
    facts = Facts()
    facts.add(ev.JobPlanned, job="j", kind=Kind.CASES, backend="tapis", cases=facts.ids, revision="r1")
    facts.add(ev.JobSubmitSent, job="j", wait=1)
    facts.add(ev.JobSubmitted, job="j", native="x", wait=1)
    for phase in (Phase.STAGING_INPUTS, Phase.QUEUED, Phase.QUEUED, Phase.RUNNING, Phase.ARCHIVING):
        facts.add(ev.JobSeen, job="j", phase=phase, wait=1)
    facts.end("j")
    names = [span.name for span in profile_of(facts.facts).jobs[0].phases]
    assert names == [
        "PLANNED", "UPLOADING", "PENDING", "STAGING_INPUTS", "QUEUED", "RUNNING", "ARCHIVING", "COLLECTING"
    ]  # fmt: skip


def test_records_that_are_told_twice_count_once() -> None:
    facts = whole_job()
    expected = profile_of(facts.facts)
    twice: list[AnyEvent] = []
    for fact in facts.facts:
        twice += [fact] * (1 + isinstance(fact, (ev.CaseEnded, ev.SpanEnded, ev.RunnerStarted, ev.JobSeen)))
    assert profile_of(twice) == expected


def test_a_step_is_a_job_and_no_case() -> None:
    facts = Facts()
    job = facts.plan(["before"], kind=Kind.BEFORE)
    facts.ran(job, "before", wall=5.0)
    facts.end(job)
    found = profile_of(facts.facts)
    assert (found.totals.runs, found.totals.case_s, found.totals.jobs) == (0, 0, 1)
    assert found.jobs[0].busy_s == 5


def test_the_slowest_runs_longest_first() -> None:
    facts = Facts([{"scale": number} for number in range(SLOWEST + 5)])
    job = facts.plan(facts.ids)
    for number, case in enumerate(facts.ids):
        facts.ran(job, case, wall=float(1 + number % 12))
    found = profile_of(facts.facts)
    assert [use.wall_s for use in found.slowest] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert found.slowest[0].case == facts.ids[11]


def test_nothing_has_run() -> None:
    found = profile_of(Facts().facts)
    assert (found.jobs, found.totals.wall_s, found.totals.efficiency) == ([], 0, 0)
    assert profile_of([]).totals.runs == 0


def test_it_goes_through_json() -> None:
    found = profile_of(whole_job().facts)
    data = msgspec.json.encode(found)
    assert msgspec.json.decode(data, type=Profile) == found
    assert msgspec.json.decode(data)["format"] == 1


def test_events_are_not_kept() -> None:
    ids = [f"{number:012x}" for number in range(20_000)]

    def facts() -> Iterator[AnyEvent]:
        yield ev.JobPlanned(at=START, job="j", kind=Kind.CASES, backend="local", cases=ids, revision="r1")
        for number, case in enumerate(ids):
            # Long last words, as a failing study has them: kept, they would be 40 MB.
            yield ev.CaseEnded(
                at=START + number,
                job="j",
                case=case,
                outcome=Outcome.FAILED,
                start=START + number,
                wall=1.0,
                tail=str(number) * 500,
            )

    tracemalloc.start()
    try:
        profile_of(facts())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000


def test_facts_that_cannot_follow_are_passed_over() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.ran(job, facts.ids[0])
    expected = profile_of(facts.facts)
    stray = Facts()
    stray.now = facts.now
    stray.ran(stray.plan(stray.ids), stray.ids[0])
    stray.add(ev.JobRefused, job=job, why="no")
    stray.add(ev.SpanEnded, span="CASES", start=0.0, job=job)
    stray.add(ev.RunnerEnded, job=job, outcome=Outcome.FINISHED, exit=0)
    stray.end(job)
    unknown = [
        msgspec.structs.replace(fact, job="unknown")
        for fact in stray.facts
        if hasattr(fact, "job") and not isinstance(fact, ev.JobPlanned)
    ]
    assert profile_of([*facts.facts, *unknown]) == expected
    planned_twice = next(fact for fact in facts.facts if isinstance(fact, ev.JobPlanned))
    assert profile_of([*facts.facts, planned_twice]) == expected


# Jobs of a service that tells by itself


def at_a_service(account: ev.HistoryRead | None, *, runner: bool = False) -> JobProfile:
    """Planned at 0, asked for at 1, known at 3, seen running at 40, gone at 130, closed at 132."""
    job = {"job": "j"}
    facts: list[AnyEvent] = [
        ev.JobPlanned(at=START, kind=Kind.CASES, backend="tapis", cases=["a"], revision="r", **job),
        ev.JobSubmitSent(at=START + 1, **job),
        ev.JobSubmitted(at=START + 3, native="x", **job),
        ev.JobSeen(at=START + 40, phase=Phase.RUNNING, **job),
        ev.JobGone(at=START + 130, outcome=Outcome.FINISHED, **job),
        ev.JobEnded(at=START + 132, outcome=Outcome.FINISHED, **job),
    ]
    if runner:
        facts.insert(
            4, ev.RunnerStarted(at=START + 12, by="node", host="n1", cores=1, memory=1, slots=1, **job)
        )
    return profile_of([*facts, *([account] if account else [])]).jobs[0]


def told(
    *phases: tuple[Phase, float], moved: float = 0.0, transfers: list[ev.Transfer] | None = None
) -> ev.HistoryRead:
    return ev.HistoryRead(
        at=START + 131,
        by="tapis",
        job="j",
        phases=[(phase, START + at + moved) for phase, at in phases],
        transfers=transfers or [],
    )


ACCOUNT = (
    (Phase.PENDING, 2.0),
    (Phase.STAGING_INPUTS, 4.0),
    (Phase.BLOCKED, 6.0),
    (Phase.STAGING_INPUTS, 10.0),
    (Phase.QUEUED, 11.0),
    (Phase.RUNNING, 21.0),
    (Phase.ARCHIVING, 111.0),
    (Phase.ENDED, 121.0),
)


def test_the_service_s_account_takes_the_place_of_what_was_seen() -> None:
    assert spans(at_a_service(None)) == [
        ("PLANNED", 0, 1),
        ("UPLOADING", 1, 3),
        ("PENDING", 3, 40),
        ("RUNNING", 40, 130),
        ("COLLECTING", 130, 132),
    ]
    assert spans(at_a_service(told(*ACCOUNT))) == [
        ("PLANNED", 0, 1),
        ("UPLOADING", 1, 2),
        ("PENDING", 2, 4),
        ("STAGING_INPUTS", 4, 6),
        ("BLOCKED", 6, 10),
        ("STAGING_INPUTS", 10, 11),
        ("QUEUED", 11, 21),
        ("RUNNING", 21, 111),
        ("ARCHIVING", 111, 121),
        ("COLLECTING", 121, 132),
    ]


def test_an_account_that_does_not_tell_the_end_leaves_it_to_weft() -> None:
    found = spans(at_a_service(told(*ACCOUNT[:-1])))
    assert found[-2:] == [("ARCHIVING", 111, 130), ("COLLECTING", 130, 132)]
    assert spans(at_a_service(told())) == spans(at_a_service(None))


@pytest.mark.parametrize(("wrong", "begins"), [(-3600.0, 1), (3600.0, 3), (0.5, 2.5)])
def test_a_service_with_a_wrong_clock_is_moved_to_ours(wrong: float, begins: float) -> None:
    found = spans(at_a_service(told(*ACCOUNT, moved=wrong)))
    lengths = [(name, end - start) for name, start, end in found if name in {phase for phase, _ in ACCOUNT}]
    assert lengths == [(first[0], last[1] - first[1]) for first, last in pairwise(ACCOUNT)]
    pending = next(span for span in found if span[0] == "PENDING")
    assert pending == ("PENDING", begins, begins + 2)
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(found))
    assert found[-1][2] == 132


def test_a_job_that_was_asked_for_again_may_be_of_the_first_time() -> None:
    """The answer to the first request was lost: the job was made then, and found after the second."""
    job = {"job": "j"}
    facts: list[AnyEvent] = [
        ev.JobPlanned(at=START, kind=Kind.CASES, backend="tapis", cases=["a"], revision="r", **job),
        ev.JobSubmitSent(at=START + 1, **job),
        ev.JobNotFound(at=START + 50, **job),
        ev.JobSubmitSent(at=START + 60, **job),
        ev.JobSubmitted(at=START + 61, native="x", **job),
        ev.JobEnded(at=START + 132, outcome=Outcome.FINISHED, **job),
    ]
    found = spans(profile_of([*facts, told(*ACCOUNT)]).jobs[0])
    assert ("PENDING", 2, 4) in found


def test_a_service_whose_clock_runs_faster_leaves_no_gap() -> None:
    found = spans(at_a_service(told(*((phase, 30 * at) for phase, at in ACCOUNT))))
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(found))
    assert all(start <= end for _, start, end in found)


def test_the_end_of_a_phase_is_as_uncertain_as_the_service_looks_rarely() -> None:
    def late(job: JobProfile) -> dict[str, float]:
        return {span.name: span.uncertain for span in job.phases if span.uncertain}

    files = ev.Transfer(into="archive", files=1, noticed=START + 120)
    assert late(at_a_service(told(*ACCOUNT, transfers=[files]))) == {
        "QUEUED": 10,
        "RUNNING": 60,
        "BLOCKED": 4,  # looked at every 60 s, but no longer than it lasted
        "ARCHIVING": 5,
    }
    files = msgspec.structs.replace(files, ended=START + 115)
    assert "ARCHIVING" not in late(at_a_service(told(*ACCOUNT, transfers=[files])))
    assert "QUEUED" not in late(at_a_service(told(*ACCOUNT), runner=True))
    # Tapis' own looks, and weft's after them.
    assert late(at_a_service(None)) == {"PENDING": pytest.approx(12.1), "RUNNING": 60 + 28}


@pytest.mark.parametrize(
    ("phase", "seconds", "uncertain"),
    [
        (Phase.RUNNING, 0.5, 0.5),
        (Phase.RUNNING, 1, 1),
        (Phase.RUNNING, 20, 10),
        (Phase.RUNNING, 51, 10),
        (Phase.RUNNING, 61, 60),
        (Phase.RUNNING, 652, 180),
        (Phase.QUEUED, 18_652, 300),
        (Phase.QUEUED, 48_652, 600),
        (Phase.QUEUED, 1e7, 600),
        (Phase.STAGING_INPUTS, 15, 5),
        (Phase.ARCHIVING, 115, 10),
        (Phase.ARCHIVING, 116, 30),
        (Phase.ARCHIVING, 3116, 60),
        (Phase.BLOCKED, 100, 60),
        (Phase.STAGING_JOB, 100, 0),
        (Phase.PENDING, 100, 0),
    ],
)
def test_how_late_tapis_tells(phase: Phase, seconds: float, uncertain: float) -> None:
    assert lateness("tapis", phase, seconds) == uncertain
    assert lateness("local", phase, seconds) == 0


def test_a_phase_that_goes_on_is_not_uncertain() -> None:
    planned = ev.JobPlanned(at=START + 1, job="j", kind=Kind.CASES, backend="tapis", cases=[], revision="")
    seen = ev.JobSeen(at=START + 2, job="j", phase=Phase.RUNNING)
    found = profile_of([planned, seen, ev.JobUnseen(at=START + 500, job="j")])
    assert found.jobs[0].phases[-1].uncertain == 0
    assert found.totals.uncertain == {}


def test_transfers_are_told_by_job_and_together() -> None:
    one = ev.Transfer(
        into="inputs",
        files=30,
        bytes=10,
        asked=START + 100,
        began=START + 110,
        ended=START + 125,
        noticed=START + 127,
        status="COMPLETED",
    )
    unknown = ev.Transfer(into="inputs", files=5, noticed=START + 500)
    job = at_a_service(told(*ACCOUNT, transfers=[one, unknown]))
    first, second = job.transfers
    assert (first.waiting_s, first.copying_s, first.unnoticed_s, first.files_per_s) == (10, 15, 2, 2)
    assert (second.waiting_s, second.copying_s, second.unnoticed_s, second.files_per_s) == (0, 0, 0, 0)
    assert first.status == "COMPLETED"
    both = together([first, second])
    assert (both.transfers, both.files, both.bytes, both.waiting_s) == (2, 35, 10, 10)
    assert both.files_per_s == pytest.approx(35 / 15)


def test_a_job_without_cases_divides_by_nothing() -> None:
    facts: list[AnyEvent] = [
        ev.JobPlanned(at=START, job="j", kind=Kind.CASES, backend="tapis", cases=[], revision=""),
        ev.JobSubmitted(at=START, job="j", native="j"),
        ev.HistoryRead(at=START, job="j", phases=[(Phase.PENDING, START), (Phase.ENDED, START)]),
        ev.JobEnded(at=START, job="j", outcome=Outcome.FAILED),
    ]
    found = profile_of(facts)
    assert (found.totals.efficiency, found.totals.overhead, found.totals.wall_s) == (0, 0, 0)
    assert spans(found.jobs[0]) == [("PENDING", 0, 0)]


def test_a_profile_written_before_there_were_accounts_is_read() -> None:
    data = msgspec.json.decode(msgspec.json.encode(profile_of(whole_job().facts)))
    for name in ("uncertain", "transfers"):
        del data["totals"][name]
    for job in data["jobs"]:
        for name in ("transfers", "name", "given"):
            del job[name]
        for span in [*job["phases"], *job["runner"]]:
            del span["uncertain"]
    assert msgspec.convert(data, Profile).totals.spans == profile_of(whole_job().facts).totals.spans
