"""What is foretold before the first job is sent, and what is refused then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from tests.core import scenes
from tests.core.facts import submitted
from tests.core.test_shapes import CHARGE, GIVEN, limits, state, study

from weft import api, foresight
from weft.core import events as ev
from weft.core.experience import Experience
from weft.core.plan import plan
from weft.core.state import State
from weft.errors import CheckFailed
from weft.foresight import Foresight, remembered
from weft.model import Limits, Study
from weft.store import history

ONE_BY_ONE = limits(charge=CHARGE, max_jobs=1, max_cases=10)
"""A job may last ten hours, and nobody knows how long it will: it may cost 10 SU."""


def foresight_of(of: Study, bounds: Limits = ONE_BY_ONE) -> Foresight:
    backend: Any = SimpleNamespace(limits=bounds, given=GIVEN)
    return Foresight(of, backend, [])


def test_a_limit_is_for_all_that_is_to_come_and_not_for_the_first_jobs_alone() -> None:
    def tell(most: float) -> Any:
        of, books = study(None, max_su=most), state(30)
        return foresight_of(of)(books, plan(of, books, ONE_BY_ONE, 1.0))

    assert tell(30.0) is None
    with pytest.raises(CheckFailed, match=r"30\.00 SU") as refused:
        tell(29.0)
    assert refused.value.exit_code == 5


def test_while_a_job_is_under_way_a_run_is_held_instead_of_refused() -> None:
    of, books = study(None, max_su=9.0), state(30)
    actions = plan(of, books, ONE_BY_ONE, 1.0)
    books.apply_all(submitted("j", "c0"))
    held = foresight_of(of)(books, actions)
    assert isinstance(held, ev.Held)
    assert "may cost 30.00 SU" in held.why
    assert "weft retry" in held.hint


def test_a_pilot_may_cost_no_more_either_and_what_follows_is_held() -> None:
    def piloted() -> State:
        books = state(30)
        books.apply(ev.RunStarted(at=0.5, host="h", pid=1, backend="tapis", pilot=2))
        return books

    for most, refused in ((9.0, True), (10.0, False)):
        of, books = study(None, max_su=most), piloted()
        tell = foresight_of(of)
        pilot = plan(of, books, ONE_BY_ONE, 1.0)
        if refused:
            with pytest.raises(CheckFailed, match=r"10\.00 SU"):
                tell(books, pilot)
            continue
        assert tell(books, pilot) is None
        books = state(30)
        assert isinstance(tell(books, plan(of, books, ONE_BY_ONE, 2.0)), ev.Held)


def test_a_refused_run_leaves_the_study_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "study.toml"
    file.write_text('name = "nap"\n[model]\ncommand = "true"\n')
    nap = api.Study.load(file, max_su=1.0)

    def too_dear(*_: object) -> NoReturn:
        raise CheckFailed("this run may cost 2 SU")

    with monkeypatch.context() as patch:
        patch.setattr(foresight, "check_cost", too_dear)
        with pytest.raises(CheckFailed):
            nap.run(check=False)
    assert (nap.status().hold, nap.status().waiting, nap.profile().jobs) == ("", 1, [])
    assert nap.run(check=False).done == 1


def test_a_run_is_foretold_once() -> None:
    of, books, bounds = study(), state(8), limits()
    tell = foresight_of(of, bounds)
    actions = plan(of, books, bounds, 1.0)
    assert tell(books, []) is None
    assert isinstance(tell(books, actions), ev.Predicted)
    assert tell(books, actions) is None


def test_a_history_without_such_jobs_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remembered(GIVEN, limits()) == (Experience(), "")
    assert history.remember(scenes.jobs({"system": "frontera"}, {"queue": None}, {"app": ""})) == ""
    monkeypatch.setattr(foresight, "experience", lambda *_: pytest.fail("there is nothing to learn from"))
    assert remembered(GIVEN, limits()) == (Experience(), "")


def test_what_jobs_like_these_took_is_learnt() -> None:
    assert history.remember(scenes.jobs({"job": "a"}, {"job": "b"}, {"job": "c", "queue": "icx"})) == ""
    learnt, warning = remembered(GIVEN, limits())
    assert warning == ""
    usual = learnt.normal.of("opensees-mp-s3", "stampede3", "skx", "queued_s")
    assert usual is not None
    assert usual.count == 2
