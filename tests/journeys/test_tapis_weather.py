"""Any weather over the real service: whatever fails, and whenever weft is killed, every promise holds.

The seed of a study is that of its nature and its weather; the moments at which things meet are the machine's. A broken
promise tells its seed and its story, and ``WEFT_SEED=n`` plays that study again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.conftest import seeds
from tests.journeys.tapis_weather import Sky, Violation, mortal, run_trial
from tests.service.conftest import cheap_passwords, signing_key, start

from weft.backends.base import Seen
from weft.backends.tapis.backend import TapisBackend
from weft.core import plan as todo
from weft.core.books import JobState
from weft.core.state import State
from weft.errors import BackendError
from weft.model import Limits, Outcome, Phase
from weft.service.faults import Fault

__all__ = ["cheap_passwords", "signing_key"]

AT_ONCE = 6
"""Studies at a time: they mostly wait."""
KINDS = (
    "SIGKILL", "archive deleted", "cancelled by the user", "held", "hidden by the user",
    "killed after a fact", "killed after a request", "killed before a fact", "killed before a request",
    "killed in a fact", "late", "late submit", "late search", "lost", "lost search", "lost submit",
    "other jobs", "request CancelAsked", "request RetryAsked", "slow", "slow submit", "status 429", "status 500",
    "status 502", "status 503", "status 504", "status submit", "status search", "system", "token", "transfer",
)  # fmt: skip
"""Weather that must have happened in a hundred studies; cancel is rarely called, as runners are asked by a file."""


@pytest.fixture
def play(
    tmp_path: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Counter[str]]]:
    """``play(seeds, sky)`` plays these studies, some at a time, and counts their weather."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    monkeypatch.setenv("WEFT_NODE_DIR", str(tmp_path))
    start(tmp_path / "first", signing_key).stop()  # what is made once for all services

    def play(chosen: Any, sky: Sky | None = None) -> Counter[str]:
        happened: Counter[str] = Counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            trials = [pool.submit(run_trial, seed, tmp_path, signing_key, happened, sky) for seed in chosen]
            try:
                for trial in trials:
                    trial.result()
            finally:
                pool.shutdown(cancel_futures=True)
        return happened

    with mortal(monkeypatch):
        yield play


def sky(*rules: Fault) -> Sky:
    return Sky(seconds=2.0, rules=list(rules), crash=0.0, meddling=0.0, asking=0.0, plain=True)


def test_every_promise_holds_in_any_weather_at_the_service(play: Callable[..., Counter[str]]) -> None:
    chosen = seeds(8, 120)
    happened = play(chosen)
    print(f"{len(chosen)} studies, seeds {chosen[0]} to {chosen[-1]}; the weather:")
    for kind, times in sorted(happened.items()):
        print(f"{times:8}  {kind}")
    if len(chosen) >= 100:
        missing = set(KINDS) - set(happened)
        assert not missing, "each kind of weather must have happened"


@pytest.mark.parametrize("first", ["the twin", "the one that is known"])
def test_a_job_that_is_created_twice_runs_once(first: str, play: Callable[..., Counter[str]]) -> None:
    """What `settle` promises does not hold; then the claim keeps one of the two from running any case."""
    submit = "POST /v3/jobs/submit"
    if first == "the twin":
        rules = [Fault("late", submit, left=1, seconds=2.5), Fault("slow", submit, seconds=2.5)]
    else:
        rules = [Fault("late", submit, left=1, seconds=4.0)]
    chosen = seeds(3, 20)
    happened = play(chosen, structs.replace(sky(*rules), seconds=4.0, too_late=True))
    print(f"{len(chosen)} studies, {happened['twin']} jobs created twice")
    assert happened["twin"]
    assert not {"held", "success not recorded", "retry under a clear sky"} & set(happened), "nobody notices"


# Planted faults


def never_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is ever found again by its name."""
    monkeypatch.setattr(TapisBackend, "find", lambda self, jobs: {})


def does_not_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submits again as soon as an unanswered submission is not found."""
    real = todo._unsubmitted

    def hasty(job: JobState, state: State, limits: Limits, now: float) -> Iterator[todo.Action]:
        return real(job, state, structs.replace(limits, settle=0.0), now)

    monkeypatch.setattr(todo, "_unsubmitted", hasty)


def believes_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes a question without an answer for the end of the jobs that it was about."""
    real = TapisBackend.look

    def look(self: TapisBackend, natives: Mapping[str, str]) -> dict[str, Seen]:
        try:
            return real(self, natives)
        except BackendError:
            return {job: Seen(phase=Phase.RUNNING, outcome=Outcome.INTERRUPTED) for job in natives}

    monkeypatch.setattr(TapisBackend, "look", look)


LOST = Fault("lost", where="POST /v3/jobs/submit", chance=0.7)
LATE = Fault("late", where="POST /v3/jobs/submit", chance=0.7, seconds=0.6)
SILENT = Fault("status", where="POST /v3/jobs/search", chance=0.8, status=503)


@pytest.mark.parametrize(
    ("plant", "weather", "promise"),
    [
        pytest.param(never_finds, LOST, "submitted once", id="finds nothing"),
        pytest.param(does_not_settle, LATE, "submitted once", id="does not settle"),
        pytest.param(believes_silence, SILENT, "no overlap", id="believes silence"),
    ],
)
def test_a_planted_fault_is_noticed_at_the_service(
    plant: Callable[[pytest.MonkeyPatch], None],
    weather: Fault,
    promise: str,
    play: Callable[..., Counter[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    for seed in range(30):
        try:
            play([seed], sky(weather))
        except Violation as violation:
            print(f"noticed with seed {seed}: {violation}")
            assert violation.promise == promise
            return
    pytest.fail("30 studies did not notice it")
