"""The table of endings: every condition of Tapis and every end state of Slurm, and what is found of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.findings.dying import DEAD, told
from tests.core.findings.lost import FOREIGN, found, the
from tests.core.test_signs import APP_FAILURE

from weft.core.findings.base import Finding
from weft.core.findings.endings import ENDINGS, Ending, Whose, ending_of
from weft.model import Outcome
from weft.schedulers.slurmtext import STATES, State
from weft.tapis.lifecycle import OUTCOMES

END_STATES = [
    word for word, state in STATES.items() if state.ended or state in (State.STOPPED, State.UNKNOWN)
]
"""Words of Slurm after which a job is over, or Tapis takes it to be."""

OF_SLURM = {
    State.FINISHED: Outcome.FINISHED,
    State.FAILED: Outcome.FAILED,
    State.TIMED_OUT: Outcome.TIMED_OUT,
    State.DEADLINE: Outcome.TIMED_OUT,
    State.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
    State.CANCELLED: Outcome.CANCELLED,
}
"""Any other is the site's doing."""

DOING = {
    Outcome.FINISHED: (Whose.NOBODY,),
    Outcome.FAILED: (Whose.YOURS,),
    Outcome.TIMED_OUT: (Whose.LIMIT,),
    Outcome.OUT_OF_MEMORY: (Whose.LIMIT,),
    Outcome.CANCELLED: (Whose.WISH,),
    Outcome.INTERRUPTED: (Whose.SITE,),
}
RULE = {
    Whose.YOURS: "job-failed",
    Whose.LIMIT: "job-failed",
    Whose.SITE: "job-ended-by-the-site",
    Whose.WISH: "job-cancelled",
}


def one(findings: dict[str, list[Finding]]) -> Finding:
    (finding,) = (each for those in findings.values() for each in those)
    return finding


def test_no_condition_of_tapis_and_no_end_state_of_slurm_is_missing() -> None:
    assert set(OUTCOMES) <= set(ENDINGS)
    for word in END_STATES:
        assert ending_of(word) is not None, word
    words = {ending.word for ending in ENDINGS.values()}
    assert words == set(OUTCOMES) | {word for word in END_STATES if word in words}
    assert len(OUTCOMES) == 26


@pytest.mark.parametrize("word", ENDINGS)
def test_a_row_says_what_it_means_and_what_to_do(word: str) -> None:
    ending = ENDINGS[word]
    assert ending.means.endswith(".")
    assert bool(ending.remedies) is (ending.whose is not Whose.NOBODY)


@pytest.mark.parametrize("condition", OUTCOMES)
def test_whose_doing_it_is_agrees_with_the_outcome(condition: str) -> None:
    assert ENDINGS[condition].whose in DOING[OUTCOMES[condition]]


@pytest.mark.parametrize("word", END_STATES)
def test_whose_doing_a_state_is_agrees_with_the_scheduler(word: str) -> None:
    ending = ending_of(word)
    assert ending is not None
    assert ending.whose in DOING[OF_SLURM.get(STATES[word], Outcome.INTERRUPTED)]


@pytest.mark.parametrize("condition", [each for each in OUTCOMES if each != "NORMAL_COMPLETION"])
@pytest.mark.parametrize("form", ["FAILED {}", "FAILED, {}"], ids=["history", "look"])
def test_every_condition_makes_one_finding(condition: str, form: str) -> None:
    job = {**DEAD, "outcome": OUTCOMES[condition].value, "word": form.format(condition)}
    finding = one(told(job, {}))
    if OUTCOMES[condition] in (Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY) and "DEADLINE" not in condition:
        assert finding.id in ("job-timed-out", "job-out-of-memory")
        return
    assert finding.id == RULE[ENDINGS[condition].whose]
    assert finding.evidence[0] == f"1 job ended by {condition}, after 1 min 55 s"
    assert finding.cause.startswith(ENDINGS[condition].means)


@pytest.mark.parametrize("word", [word for word in END_STATES if STATES[word] is not State.FINISHED])
def test_every_end_state_makes_one_finding(word: str) -> None:
    outcome = OF_SLURM.get(STATES[word], Outcome.INTERRUPTED)
    assert one(told({**DEAD, "outcome": outcome.value, "word": word}, {})).remedies


def test_a_good_end_is_none() -> None:
    for word in ("FINISHED NORMAL_COMPLETION", "COMPLETED", "FINISHED"):
        assert not told({"word": word})


@pytest.mark.parametrize(
    ("word", "remote", "is_"),
    [
        ("CANCELLED by 1000", "", "CANCELLED"),
        ("CANCELLED CANCELLED_BY_USER", "", "CANCELLED_BY_USER"),
        ("OUT_OF_ME+", "", "OUT_OF_MEMORY"),
        ("NODE_FAIL", "", "NODE_FAIL"),
        ("FAILED JOB_REMOTE_OUTCOME_ERROR", "NODE_FAIL", "NODE_FAIL"),
        ("FAILED JOB_REMOTE_OUTCOME_ERROR", "FAILED", "FAILED"),
        ("FAILED JOB_REMOTE_OUTCOME_ERROR", "", "JOB_REMOTE_OUTCOME_ERROR"),
        ("FAILED SCHEDULER_TERMINATED", "FAILED", "SCHEDULER_TERMINATED"),
        ("FAILED JOB_OF_NEXT_YEAR", "", "FAILED"),
    ],
)
def test_words_are_read_as_they_are_written(word: str, remote: str, is_: str) -> None:
    assert ending_of(word, remote) == ENDINGS[is_]


@pytest.mark.parametrize("word", ["", "exit 67", "gone", "C+", "hidden", "LOST"])
def test_what_is_no_word_of_a_service_is_in_no_table(word: str) -> None:
    assert ending_of(word) is None


def ended(word: str, **said: Any) -> dict[str, Any]:
    return {**DEAD, "outcome": "INTERRUPTED", "word": word, **said}


def test_one_finding_for_each_ending_of_jobs_that_are_alike() -> None:
    node, internal = ended("NODE_FAIL", in_flight=48), ended("FAILED JOB_INTERNAL_ERROR", why="boom")
    findings = found(
        "job-ended-by-the-site", node, node, internal, {**node, **FOREIGN}, {**node, "queue": "icx"}
    )
    assert len(findings) == 4
    first = next(each for each in findings if len(each.jobs) == 2)
    assert first.evidence == (
        "2 jobs ended by NODE_FAIL, after 1 min 55 s (median of 2 jobs)",
        "96 cases that ran then left no record",
    )
    assert first.gain_s == pytest.approx(2 * 114.8)


def test_the_last_message_is_evidence() -> None:
    assert (
        the("job-ended-by-the-site", ended("FAILED JOB_INTERNAL_ERROR", why="boom")).evidence[1] == '"boom"'
    )


def test_the_schedulers_word_in_the_message_counts() -> None:
    why = APP_FAILURE.format("0:0").replace('"FAILED"', '"PREEMPTED"')
    finding = the("job-ended-by-the-site", ended("FAILED JOB_REMOTE_OUTCOME_ERROR", why=why))
    assert finding.evidence[0].startswith("1 job ended by PREEMPTED")


def test_a_cause_that_explains_it_keeps_the_table_silent() -> None:
    ended_so = ended("FAILED JOB_UNABLE_TO_STAGE_JOB", why="No space left on device")
    assert not found("job-ended-by-the-site", ended_so)
    assert found("job-ended-by-the-site", {**ended_so, "why": "something else"})


def test_a_job_that_was_cancelled_gains_nothing() -> None:
    finding = the("job-cancelled", {**DEAD, "outcome": "CANCELLED", "word": "CANCELLED CANCELLED_BY_USER"})
    assert finding.gain_s is None
    assert finding.cause.endswith("Somebody asked for it.")


def test_a_job_whose_word_is_in_no_table_failed_without_one() -> None:
    job = {**DEAD, "word": "exit 70", "why": "its runner ended with exit code 70"}
    finding = the("job-failed-without-a-word", job, {**job, "recorded": 3})
    assert finding.evidence == (
        "2 jobs failed, 1 of them before any case left a record, after 1 min 55 s (median of 2 jobs)",
        '"its runner ended with exit code 70"',
    )
    assert not found("job-failed-without-a-word", {**job, "word": "FAILED"})
    assert not found("job-failed-without-a-word", {**job, "tail": "No space left on device"})
    assert not found("job-failed-without-a-word", {**job, "outcome": "FINISHED"})
    assert list(told({**job, "why": "", "word": ""})) == ["job-failed-without-a-word"]


def test_the_table_is_data() -> None:
    assert all(isinstance(ending, Ending) and ending.word == word for word, ending in ENDINGS.items())
