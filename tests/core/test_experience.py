"""What the user's ended jobs teach about the next ones."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core import scenes
from tests.core.test_cost import KEY, LIMITS, history

from weft.core.experience import experience
from weft.core.looking import Looks

AFTER_CASES = {"unpack_s": 1.0, "setup_s": 0.0, "finish_s": 0.5, "pack_s": 0.5}
CASES = 100.0
"""With the 2 s of the runner: Tapis looks after 51 and 111 s."""


def jobs(**said: Any) -> Any:
    return history(4, cases_s=CASES, **AFTER_CASES, **{"running_s": 111.2, "pace": 1.0, **said})


def test_one_job_of_history_is_none() -> None:
    assert history(1).around is None
    assert history(2).around is not None


def test_the_services_looks_are_not_learnt_but_what_comes_before_them_is() -> None:
    learnt = jobs()
    assert learnt.around is not None
    assert learnt.around.median == pytest.approx(2.0)
    assert learnt.starting is not None
    assert learnt.starting.median == 0.0
    assert not learnt.prompt


def test_what_runs_on_after_a_look_must_have_begun_late() -> None:
    """Seen to be over at 291 s, not at 231 s yet, though cases and runner tell of 102 s."""
    learnt = jobs(running_s=295.0)
    assert learnt.starting is not None
    assert learnt.starting.median == pytest.approx(0.98 * 295.0 - 60.0 - 102.0)


def test_a_service_that_tells_at_once_is_known_by_its_jobs() -> None:
    learnt = jobs(running_s=104.0)
    assert learnt.prompt
    assert learnt.starting is not None
    assert learnt.starting.median == 0.0


def test_the_pace_is_that_of_the_jobs_that_were_shrunk_least_wrongly() -> None:
    paces = [0.06, 0.051, 0.05, 0.07, 0.055, 0.052]
    rows = scenes.jobs(*({"study": f"s{n}", "queue": "", "pace": pace} for n, pace in enumerate(paces)))
    assert 0.05 <= experience(rows, KEY, LIMITS).pace <= 0.052
    untold = scenes.jobs(*({"study": f"s{n}", "queue": "", "pace": None} for n in range(3)))
    assert experience(untold, KEY, LIMITS).pace == 1.0


def test_until_weft_looked_is_no_time_to_bring_outputs() -> None:
    over = 2772.8  # an ordinary job without COLLECTING
    unnoticed = Looks(LIMITS).next(over) - over
    learnt = history(3, collecting_s=unnoticed + 3.0)
    assert learnt.bringing is not None
    assert learnt.bringing.median == pytest.approx(3.0, abs=0.01)


def test_jobs_of_other_apps_and_unpacked_ones_do_not_count() -> None:
    rows = scenes.jobs(
        *({"queue": "", "staging_job_s": 5.0} for _ in range(3)),
        *({"queue": "", "study": "", "staging_job_s": 500.0} for _ in range(9)),
        *({"queue": "icx", "staging_job_s": 500.0} for _ in range(9)),
    )
    found = experience(rows, KEY, LIMITS).normal.of(*KEY, "staging_job_s")
    assert found is not None
    assert (found.count, found.median) == (3, 5.0)
