"""What became of what was foretold."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from tests.core.facts import planned

from weft.core import events as ev
from weft.core.foretold import actual
from weft.core.profile import profile_of
from weft.model import Outcome, Phase

START = 1.7e9


def told(**more: Any) -> list[ev.AnyEvent]:
    predicted = ev.Predicted(
        at=START + 1.0, choice="balanced", at_once=1, most_cases=1, jobs=1, wall_s=(5.0, 9.0, 12.0), **more
    )
    return [
        ev.Opened(at=START + 0.0, format=1, name="s", key="k", weft="0"),
        planned("pilot", "p", at=START + 0.2),
        ev.JobSubmitSent(at=START + 0.3, job="pilot"),
        ev.JobEnded(at=START + 0.9, job="pilot", outcome=Outcome.FINISHED),
        predicted,
        planned("j", "a", at=START + 1.5),
        ev.JobSubmitSent(at=START + 2.0, job="j"),
        ev.JobSubmitted(at=START + 3.0, job="j", native="7"),
        ev.JobEnded(at=START + 12.0, job="j", outcome=Outcome.FINISHED),
    ]


def test_what_became_of_a_prediction_counts_from_the_first_submission_after_it() -> None:
    facts = told(su=(1.0, 1.0, 1.0))
    found = actual(facts, profile_of(facts))
    assert found is not None
    assert found.wall_s == 10.0
    assert found.forecast.wall_s == (5.0, 9.0, 12.0)
    assert found.spans["UPLOADING"] == 1.0
    assert found.su == 0.0  # it never ran


def test_what_was_charged_is_compared_with_what_was_foretold() -> None:
    facts = told(su=(1.0, 1.0, 1.0))
    given = ev.Allotment(nodes=2, rate=3.0, least_minutes=15.0)
    facts = [
        structs.replace(fact, given=given) if isinstance(fact, ev.JobPlanned) else fact for fact in facts
    ]
    facts.insert(-1, ev.JobSeen(at=START + 4.0, job="j", phase=Phase.RUNNING))
    found = actual(facts, profile_of(facts))
    assert found is not None
    assert found.su == 1.5  # a quarter of an hour of two nodes; the pilot is none of what was foretold


def test_of_jobs_under_way_and_without_a_prediction_nothing_is_said() -> None:
    facts = told()
    assert actual(facts[:-1], profile_of(facts[:-1])) is None
    without = [fact for fact in facts if not isinstance(fact, ev.Predicted)]
    assert actual(without, profile_of(without)) is None


def test_of_a_later_run_without_a_prediction_nothing_is_said() -> None:
    again = ev.RunStarted(at=START + 20.0, host="h", pid=1, backend="tapis")
    facts = [*told(), again]
    assert actual(facts, profile_of(facts)) is not None  # it had nothing to submit
    facts += [
        planned("k", "b", at=START + 21.0),
        ev.JobSubmitSent(at=START + 21.5, job="k"),
        ev.JobEnded(at=START + 22.0, job="k", outcome=Outcome.FINISHED),
    ]
    assert actual(facts, profile_of(facts)) is None
