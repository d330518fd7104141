"""``weft plan``: what a run will take, the ways to pack it, and what it may cost at most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import Weft

from weft.core import events as ev
from weft.errors import CheckFailed
from weft.foresight import check_cost
from weft.model import Bundle, Charge, Limits
from weft.store import journal

STUDY = """\
name = "frames"
[model]
command = "echo {i}"
[parameters]
i = { range = [1, 12] }
[resources]
minutes = 3
[run]
prefer = "cheapest"
[local]
slots = 4
"""


@pytest.fixture
def frames(weft: Weft) -> Weft:
    (weft.folder / "study.toml").write_text(STUDY)
    return weft


def test_the_ways_are_shown_on_eighty_columns_with_the_one_that_is_taken(frames: Weft) -> None:
    assert "not known before some have run" in frames.quick("plan", code=0).out
    frames("run", "--pilot", "3", code=0)
    (frames.folder / "study.toml").write_text(STUDY.replace("12", "4000"))
    said = frames.quick("plan", "--fastest", code=0).out
    assert "> is taken: fastest" in said
    ways = said[said.index("at once") :].splitlines()[1:4]
    assert [line[:3] for line in ways] == ["  >", "   ", "   "]
    assert "11 cases that ran" in said
    assert all(len(line) <= 80 for line in said.splitlines())


def test_json_has_all_ways_without_their_cases(frames: Weft) -> None:
    told = frames.quick("plan", "--json", code=0).json["ways"]
    assert told["prefer"] == "cheapest"
    assert told["guessed"]
    assert [shape["chosen"] for shape in told["shapes"]].count(True) == 1
    first = told["shapes"][0]
    assert first["forecast"]["wall_s"][0] < first["forecast"]["wall_s"][2]
    assert "bundles" not in first


def test_a_wrong_preference_is_complained_about(frames: Weft) -> None:
    (frames.folder / "study.toml").write_text(STUDY.replace("cheapest", "cheepest"))
    said = frames.quick("plan", code=2)
    assert "run.prefer" in said.err
    assert "cheapest" in said.err


def facts_of(frames: Weft) -> list[ev.AnyEvent]:
    return [*journal.read(next(frames.folder.glob(".weft/frames/journal*")))]


def test_what_was_foretold_is_in_the_journal_before_the_first_job(frames: Weft) -> None:
    frames("run", code=0)
    (frames.folder / "study.toml").write_text(STUDY.replace("12", "20"))
    frames("run", "--balanced", code=0)
    facts = facts_of(frames)
    (place,) = [number for number, fact in enumerate(facts) if isinstance(fact, ev.Predicted)]
    told = facts[place]
    assert isinstance(told, ev.Predicted)
    assert [type(fact) for fact in facts[place:]].count(ev.JobPlanned) == 1
    assert (told.choice, told.jobs) == ("balanced", 1)
    assert "foretold" in frames.quick("explain", code=0).out
    assert "of the last run" in frames.quick("profile", code=0).out


def test_a_guess_that_plan_does_not_tell_is_not_in_the_journal(frames: Weft) -> None:
    """Half of its 3 min a case is supposed to take; it takes no second."""
    frames("run", code=0)
    assert not any(isinstance(fact, ev.Predicted) for fact in facts_of(frames))
    assert "prediction" not in frames.quick("profile", code=0).out


def test_a_pilot_comes_before_what_is_foretold(frames: Weft) -> None:
    frames("run", "--pilot", "2", code=0)
    facts = [*journal.read(next(frames.folder.glob(".weft/frames/journal*")))]
    kinds = [type(fact) for fact in facts]
    assert kinds.count(ev.Predicted) == 1
    assert kinds.index(ev.JobEnded) < kinds.index(ev.Predicted)
    assert "2 cases that ran" in next(fact for fact in facts if isinstance(fact, ev.Predicted)).basis


def test_no_line_is_wider_than_the_screen(frames: Weft) -> None:
    long = frames.folder / ("a folder whose name is as long as some have it" + 20 * "x")
    long.mkdir()
    (long / "study.toml").write_text(STUDY.replace("frames", "unheard-of"))
    said = frames.quick("plan", str(long), code=0).out
    takes = said[said.index("  takes") :].splitlines()[:2]
    assert takes[0] == "  takes     not known before some have run"
    assert "--pilot 4` learns it" in takes[1]


@pytest.mark.parametrize("most", ["nan", "inf", "-1", "0", "1e400", "much"])
def test_a_limit_must_be_a_number(frames: Weft, most: str) -> None:
    assert "--max-su" in frames.quick("plan", f"--max-su={most}", code=2).err
    assert "--max-su" in frames.quick("run", f"--max-su={most}", code=2).err


def test_preferences_that_contradict_each_other_are_refused(frames: Weft) -> None:
    said = frames.quick("plan", "--cheapest", "--fastest", code=2).err
    assert "--cheapest and --fastest cannot be given together" in said


def test_a_limit_where_nothing_is_charged_is_said_to_have_no_effect(frames: Weft) -> None:
    (note,) = [line for line in frames.quick("plan", "--max-su=3", code=0).out.splitlines() if "note" in line]
    assert "no effect: nothing is charged on local" in note
    assert len(note) <= 80
    assert "no effect: nothing is charged on local" in frames("run", "--max-su=3", code=0).err
    assert "no effect" not in frames.quick("plan", code=0).out


# What it may cost at most

BUNDLES = [Bundle(cases=("a",), minutes=30.0), Bundle(cases=("b",), minutes=60.0)]


def charged(**charge: Any) -> Limits:
    return Limits(charge=Charge(**{"nodes": 2, "rate": 2.0, **charge}))


@pytest.fixture
def spec(frames: Weft) -> Callable[[float | None], Any]:
    from weft.api import Study

    return lambda most: Study.load(frames.folder / "study.toml", max_su=most).spec


def test_what_may_cost_more_than_allowed_is_refused(spec: Callable[[float | None], Any]) -> None:
    """Two nodes, 1.5 hours, 2 SU for each hour: 6 SU."""
    check_cost(spec(6.0), None, BUNDLES, charged())
    check_cost(spec(None), None, BUNDLES, charged())
    with pytest.raises(CheckFailed, match=r"may cost 6\.00 SU") as refused:
        check_cost(spec(5.9), None, BUNDLES, charged())
    assert "--max-su" in (refused.value.hint or "")
    assert refused.value.exit_code == 5


def test_where_nothing_is_charged_any_run_is_allowed(spec: Callable[[float | None], Any]) -> None:
    check_cost(spec(0.1), None, BUNDLES, Limits())


def test_of_a_queue_whose_rate_nobody_knows_nothing_can_be_promised(
    spec: Callable[[float | None], Any],
) -> None:
    with pytest.raises(CheckFailed, match="nobody knows"):
        check_cost(spec(100.0), None, BUNDLES, charged(rate=None))


def test_the_cheapest_way_is_named(spec: Callable[[float | None], Any]) -> None:
    from tests.core.test_shapes import CHARGE, found, limits, study

    told = found(study(), 400, limits(charge=CHARGE), wall=120.0)
    with pytest.raises(CheckFailed) as refused:
        check_cost(spec(0.01), told, told.chosen.bundles, limits(charge=CHARGE))
    assert "the cheapest way (" in (refused.value.hint or "")
