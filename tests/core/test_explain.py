"""What the stories say: why a case runs again or not, and what happened to it, its job and the study."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.facts import Facts, study

from weft.core import events as ev
from weft.core.explain import explain_case, explain_job, explain_study, match
from weft.core.story import Words
from weft.errors import UsageError
from weft.model import Kind, Outcome, Resources, Retry, Step


def story(facts: Facts, case: str = "", **changes: Any) -> str:
    return "\n".join(explain_case(facts.facts, case or facts.ids[0], study(**changes)))


def failing(outcome: Outcome, times: int = 1, **fields: Any) -> Facts:
    facts = Facts()
    for _ in range(times):
        facts.run(facts.ids[0], outcome, **fields)
    return facts


# Does it run again?


def test_a_failure_that_is_not_retried_says_by_which_rule() -> None:
    told = story(failing(Outcome.FAILED, exit=3))
    assert told.startswith("case 000000000000: failed\n  scale=0.5\n")
    assert "failed with exit 3: not retried, since [retry] on does not name exit" in told
    assert "it names time-out, memory" in told
    assert "`weft retry 000000000000` runs it again" in told


def test_attempts_that_are_spent_are_counted() -> None:
    told = story(failing(Outcome.TIMED_OUT, times=2))
    assert "ran out of time: not retried, since 2 of 2 attempts are spent" in told


def test_a_retry_to_come_says_what_changes() -> None:
    told = story(failing(Outcome.TIMED_OUT))
    assert "it runs again, with more time: 1 of 2 attempts are spent, and TIMED_OUT is retried" in told


def test_memory_without_a_limit_is_not_retried() -> None:
    facts = failing(Outcome.OUT_OF_MEMORY)
    assert "sets no limit that could be raised" in story(facts)
    limited = story(facts, resources=Resources(memory_mb=100))
    assert "it runs again, with more memory" in limited


def test_the_retry_rule_of_the_study_is_the_one_that_counts() -> None:
    facts = failing(Outcome.FAILED, exit=1)
    told = story(facts, retry=Retry(on=(Outcome.FAILED,), attempts=3))
    assert "1 of 3 attempts are spent, and FAILED is retried" in told
    assert "it names nothing" in story(facts, retry=Retry(on=()))


def test_a_case_that_is_done_says_by_which_job() -> None:
    facts = Facts()
    job = facts.run(facts.ids[0], kept=3)
    told = story(facts)
    assert told.startswith("case 000000000000: done")
    assert f"job {job} finished it, for the present revision r1" in told
    assert "outputs: 3 files in jobs/frame-ab12-0001" in told
    assert "`weft fetch 000000000000`" in told


def test_a_success_of_an_older_revision_runs_again_unless_kept() -> None:
    facts = Facts()
    facts.run(facts.ids[0])
    facts.revise("r2")
    again = story(facts)
    assert "its success is of revision r1, and the study is at r2" in again
    assert "the study changed: revision r2 (it was r1)" in again
    facts.add(ev.StudyRecorded, revision="r2", source="", kept=["r1"])
    kept = story(facts)
    assert "for the older revision r1, which you chose to keep" in kept


def test_a_case_that_never_ran() -> None:
    assert "it has not run yet" in story(Facts())


def test_a_case_in_a_job_says_where_the_job_is() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    assert f"it is in job {job}, which is RUNNING" in story(facts)


def test_a_case_that_was_cancelled() -> None:
    facts = Facts()
    facts.add(ev.CancelAsked, id="1", cases=facts.ids[:1])
    told = story(facts)
    assert "not run again, since you cancelled it" in told
    assert "you cancelled it" in told.split("story")[1]


def test_interruptions_spend_no_attempt_up_to_a_point() -> None:
    assert "interrupted (1 of 5 times that are borne), which spends no attempt" in story(
        failing(Outcome.INTERRUPTED)
    )
    told = story(failing(Outcome.INTERRUPTED, times=5))
    assert "not run again, since the site interrupted it 5 times" in told


def test_a_retry_asked_for_is_told() -> None:
    facts = failing(Outcome.FAILED)
    facts.add(ev.RetryAsked, id="1")
    told = story(facts)
    assert "it runs again: it has a fresh set of attempts" in told
    assert "`weft retry` asked for" in told
    facts.add(ev.RetryAsked, id="2", cases=facts.ids[1:])
    assert story(facts).count("`weft retry` asked for") == 1


def test_a_hold_is_why_a_case_waits() -> None:
    facts = Facts()
    facts.add(ev.Held, why="the backend refused 3 jobs in a row", hint="mend it, then `weft retry`")
    told = story(facts)
    assert "the study is held: the backend refused 3 jobs in a row\n  hint: mend it" in told
    assert "it waits until the hold is lifted" in told


def test_a_stop_is_why_a_case_waits() -> None:
    facts = Facts()
    facts.add(ev.CancelAsked, id="1", everything=True)
    assert "the study was told to stop" in story(facts)


def test_a_retired_case() -> None:
    facts = Facts()
    facts.add(ev.CasesRetired, ids=facts.ids[:1])
    assert story(facts).startswith("case 000000000000: retired")


def test_without_the_study_weft_s_own_rule_is_supposed() -> None:
    facts = failing(Outcome.FAILED, exit=3)
    assert explain_case(facts.facts, facts.ids[0]) == story(facts).split("\n")


# What happened


def test_the_story_has_the_last_words_and_their_job_only() -> None:
    facts = Facts()
    mine = facts.run(
        facts.ids[0], Outcome.FAILED, exit=1, why="exit 1", tail="Traceback\nValueError: x", signal=None
    )
    other = facts.run(facts.ids[1], tail="not mine")
    told = story(facts)
    assert f"ran 2.0 s in slot 0 of job {mine}: FAILED, exit 1 (cpu 1.0 s, peak 5.0 MB)" in told
    assert "why: exit 1" in told
    assert "  | Traceback" in told
    assert "  | ValueError: x" in told
    assert other not in told
    assert "not mine" not in told


def test_times_are_told_from_the_first_fact_on_by_the_given_words() -> None:
    facts = Facts()
    facts.run(facts.ids[0], kept=1)
    words = Words(
        when=lambda at: f"T{at:.0f}",
        lasting=lambda seconds: f"{seconds:.0f}sec",
        size=lambda count: f"{count}bytes",
        place=lambda job: f"/place/{job}",
    )
    told = "\n".join(explain_case(facts.facts, facts.ids[0], words=words))
    assert "story, from T1700000000" in told
    assert "+0sec  the study has it" in told
    assert "+1sec  job frame-ab12-0001 planned" in told
    assert "peak 5000000bytes" in told
    assert "in /place/frame-ab12-0001" in told


def test_a_run_without_a_record_is_told() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.end(job, Outcome.LOST, in_flight=facts.ids[:1], why="node failed")
    told = story(facts)
    assert f"job {job} closed: LOST: node failed" in told
    assert "it was running then, and left no record: INTERRUPTED" in told


def test_a_step_is_told_like_a_case() -> None:
    facts = Facts()
    job = facts.plan(["before"], kind=Kind.BEFORE)
    facts.ran(job, "before", Outcome.FAILED, exit=2, tail="no mesh")
    facts.end(job)
    facts.add(ev.Held, why="the step 'before' failed")
    told = story(facts, "before", before=Step(command="python3 mesh.py"))
    assert told.startswith("step before: failed\n  $ python3 mesh.py\n")
    assert "failed with exit 2: not retried" in told
    assert "`weft retry` runs it again" in told
    assert "| no mesh" in told
    assert "for the step before" in told


# Jobs and the study


def test_the_story_of_a_job() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.add(ev.JobSeen, job=job, phase=ev.Phase.RUNNING, wait=1)
    changed = dict.fromkeys("ABCDEFGH", "x")
    facts.add(ev.SetupEnded, job=job, exit=0, seconds=1.5, tail="quiet", changed=changed)
    facts.ran(job, facts.ids[0])
    facts.ran(job, facts.ids[1], Outcome.FAILED, tail="case's own")
    facts.add(ev.SpanEnded, job=job, span="CASES", start=facts.now - 4)
    facts.add(ev.RunnerEnded, job=job, outcome=Outcome.FINISHED, exit=0, busy=4.0, idle=1.0)
    facts.end(job)
    told = "\n".join(explain_job(facts.facts, job))
    assert told.startswith(f"job {job}: FINISHED\n  cases: 2; with a record: 1 FINISHED, 1 FAILED\n")
    assert "planned on local: 2 cases, revision r1" in told
    assert "accepted as 4711" in told
    assert told.count("seen RUNNING") == 1
    assert "runner at work on n1: 2 cores, 2 cases at a time" in told
    assert "set-up took 1.5 s, exit 0; it changed A, B, C, D, E, F and 2 more" in told
    assert "quiet" not in told
    assert "CASES took 4.0 s" in told
    assert "slots busy 4.0 s, idle 1.0 s" in told
    assert "case's own" not in told


def test_a_job_whose_setup_failed_shows_its_last_words() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.add(ev.SetupEnded, job=job, exit=1, seconds=0.1, tail="module: not found")
    facts.add(ev.RunnerEnded, job=job, outcome=Outcome.FAILED, exit=67, why="set-up failed")
    facts.end(job, Outcome.FAILED, why="nothing could run")
    told = "\n".join(explain_job(facts.facts, job))
    assert "| module: not found" in told
    assert "why: nothing could run" in told
    assert "runner ended FAILED (exit 67): set-up failed" in told


def test_a_live_job_says_what_is_the_matter() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.add(ev.JobUnseen, job=job)
    assert "no evidence of an end" in "\n".join(explain_job(facts.facts, job))
    facts.add(ev.CancelAsked, id="1", jobs=[job])
    told = "\n".join(explain_job(facts.facts, job))
    assert "it is being stopped" in told
    assert f"you cancelled job {job}" in told


def test_a_study_says_what_led_to_its_hold() -> None:
    facts = Facts()
    for number in range(2):
        facts.add(
            ev.JobPlanned,
            wait=1,
            job=f"j{number}",
            kind=Kind.CASES,
            backend="local",
            cases=facts.ids,
            revision="r1",
        )
        facts.add(ev.JobRefused, wait=1, job=f"j{number}", why="no allocation")
    facts.add(ev.Held, why="refused", hint="ask for an allocation")
    told = "\n".join(explain_study(facts.facts, study()))
    assert told.startswith(
        "study frame: 2 waiting\n  the study is held: refused\n  hint: ask for an allocation"
    )
    assert "job j0 refused: no allocation" in told
    assert "job j1 refused: no allocation" in told
    assert "nothing holds it back" in "\n".join(explain_study(Facts().facts))


@pytest.mark.parametrize("explain", [explain_case, explain_job])
def test_what_does_not_exist_is_told(explain: Any) -> None:
    with pytest.raises(UsageError, match="there is no"):
        explain(Facts().facts, "nothing")


def test_a_story_never_changes_with_how_often_a_phase_is_seen() -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    once = explain_job(facts.facts, job)
    facts.facts.append(msgspec.structs.replace(facts.facts[-2], at=facts.now))
    assert explain_job(facts.facts, job) == once


# Ids


def test_a_prefix_is_enough() -> None:
    ids = ["abc1", "abd2", "frame-ab12-0001", "frame-ab12-0012"]
    assert match(ids, "abc") == "abc1"
    assert match(ids, "abd2") == "abd2"
    assert match(ids, "12") == "frame-ab12-0012"
    assert match([*ids, "abc12"], "abc1") == "abc1"


def test_a_prefix_of_several_lists_them() -> None:
    with pytest.raises(UsageError, match="'ab' may mean 2 things: abc1, abd2"):
        match(["abc1", "abd2"], "ab")
    with pytest.raises(UsageError, match=r"may mean 20 things: .*, …"):
        match([f"a{n}" for n in range(20)], "a")


@pytest.mark.parametrize("prefix", ["", "x", "7"])
def test_a_prefix_of_nothing_is_told(prefix: str) -> None:
    with pytest.raises(UsageError, match="there is no"):
        match(["abc1"], prefix)
