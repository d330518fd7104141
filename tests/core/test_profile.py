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
from weft.core.profile import SLOWEST, JobProfile, Profile, profile_of
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
        yield ev.JobPlanned(at=0, job="j", kind=Kind.CASES, backend="local", cases=ids, revision="r1")
        for number, case in enumerate(ids):
            # Long last words, as a failing study has them: kept, they would be 40 MB.
            yield ev.CaseEnded(
                at=number,
                job="j",
                case=case,
                outcome=Outcome.FAILED,
                start=number,
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
