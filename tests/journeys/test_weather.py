"""In any weather: no job is submitted twice, no case overlaps with itself or runs after its success, every study
settles, and what the journal says is what the controller knew.

Each seed is one random study under one random sky (``weather.py``), driven by the real engine, plan, state and
journal. A failing seed prints its story; ``WEFT_SEED=n pytest tests/journeys/test_weather.py`` tells it again. The
second half plants faults in the controller, each of which this very test must notice.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.conftest import count, seeds
from tests.journeys.weather import Bundles, Crash, Nature, Sky, StormyJournal, Violation, World
from weft.backends.base import Refused
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.state import JobState, State
from weft.engine import Engine, extend, run_started
from weft.errors import BackendError, FolderError
from weft.model import Case, Kind, Limits, Model, Outcome, Phase, Resources, Retry, Status, Step, Study
from weft.store import journal, requests
from weft.store.bundle import BundleWriter
from weft.store.folder import StudyFolder

MOST_SESSIONS = 400


@pytest.fixture
def memory_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that lives in memory where there is such a thing: these tests sync thousands of small writes."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="weft-weather-", dir=shared))
    yield folder
    shutil.rmtree(folder)


class Trial:
    """One random study under one random sky, and its user."""

    def __init__(self, seed: int, base: Path, engine: type[Engine] = Engine) -> None:
        self.rng = rng = random.Random(seed)
        self.engine_type = engine
        self.folder = StudyFolder(base / str(seed), "weather")
        self.folder.make()
        self.limits = random_limits(rng)
        self.study = random_study(rng, str(self.folder.base))
        self.all_cases = {f"c{i}": Case(f"c{i}", {"i": i}) for i in range(rng.randint(1, 12))}
        self.cases = dict(self.all_cases)
        natures = {case_id: random_nature(rng, self.study.resources) for case_id in self.all_cases}
        natures |= {step: Nature(seconds=0.5, fails=rng.choice([0, 0, 0, 1])) for step in ("before", "after")}
        self.world = World(rng, self.limits, Sky.of(rng), natures)
        self.world.needs_unpacking = self.study.before is not None
        self.pilot = rng.choice([0, 0, 0, 1, 3])
        self.revision = "r1"
        self._schedule_requests(rng.choice([0, 0, 1, 3]))

    # The user

    def _schedule_requests(self, many: int) -> None:
        self.asked = 0
        self.to_ask = many
        for _ in range(many):
            self.world.after(self.rng.uniform(0.0, 60.0), self._ask)

    def _ask(self) -> None:
        """The user asks for something, with or without a controller there to hear it."""
        self.asked += 1
        rng, at, name = self.rng, self.world.now, f"{self.asked:06d}"
        jobs = rng.sample(sorted(self.world.loads), min(1, len(self.world.loads)))
        cases = rng.sample(sorted(self.cases), min(2, len(self.cases)))
        request: ev.Request = rng.choice(
            [
                ev.RetryAsked(at=at, id=name),
                ev.RetryAsked(at=at, id=name, cases=cases),
                ev.CancelAsked(at=at, id=name, jobs=jobs),
                ev.CancelAsked(at=at, id=name, cases=cases),
                ev.CancelAsked(at=at, id=name, everything=True),
            ]
        )
        self.world.note(f"request {type(request).__name__}", str(request))
        requests.leave(self.folder.requests, request)

    def _edit_study(self) -> None:
        """Between two runs the user may change the command, or add and remove cases."""
        if self.world.chance(0.1):
            self.revision = f"r{int(self.revision[1:]) + 1}"
            self.world.note("new revision", self.revision)
        if self.world.chance(0.15):
            keep = self.rng.sample(sorted(self.all_cases), self.rng.randint(1, len(self.all_cases)))
            self.cases = {case_id: case for case_id, case in self.all_cases.items() if case_id in keep}
            self.world.note("cases changed", str(keep))

    # The controller's lives

    def live(self) -> State:
        """Run the study to its end, through crash after crash; the state that it ends in."""
        for _ in range(MOST_SESSIONS):
            state = self._session()
            if state is None:
                self.world.pass_time(self.rng.choice([0.0, 0.5, self.limits.settle / 2, 30.0]))
                self._edit_study()
            elif self.asked < self.to_ask:
                self.world.pass_time(5.0)
            elif not state.stopping and not state.live and not requests.waiting(self.folder.requests):
                return state
        raise Violation("settles", f"not settled after {MOST_SESSIONS} runs")

    def _session(self) -> State | None:
        """One life of the controller: None if it ended in a crash."""
        state = journal.replay(self.folder.journal)
        self.world.closed = {job.id for job in state.jobs.values() if job.outcome is not None}
        book = StormyJournal(self.folder.journal, self.world)
        self.world.tell("the controller starts")
        try:
            engine = self._engine(state, book)
            # With no run going on, `weft cancel` takes the study up to stop jobs and starts nothing.
            only_cancel = bool(state.key) and self.world.chance(0.2)
            if not only_cancel:
                self._bring_up_to_date(engine)
            engine.drive(submit=not only_cancel)
        except (Crash, FolderError):
            book.power_cut()
            return None
        finally:
            book.close()
        self._compare(journal.replay(self.folder.journal), state)
        return state

    def _engine(self, state: State, book: StormyJournal) -> Engine:
        world = self.world
        engine = self.engine_type(
            self.study,
            self.cases,
            self.folder,
            state,
            book,
            world,
            clock=lambda: world.now,
            sleep=world.sleep,
            unpack_before=lambda job: world.unpacked.add(world.loads[job].revision),
        )
        engine._bundles = Bundles(world, self.study, self.cases, self.folder.jobs)  # type: ignore[assignment]
        return engine

    def _bring_up_to_date(self, engine: Engine) -> None:
        state, now = engine.state, self.world.now
        if not state.key:
            engine.record(journal.opening("weather", "k", "0", now))
        if state.revision != self.revision:
            source = ev.StudyRecorded(at=now, revision=self.revision, source="")
            again = ev.RetryAsked(at=now, id=f"revision-{self.revision}")
            engine.record(source, again)
        engine.record(*extend(state, self.cases, now), run_started("world", self.pilot, now), sync=True)

    # The reckoning

    def _compare(self, replayed: State, live: State) -> None:
        for name, value in vars(live).items():
            if getattr(replayed, name) != value:
                raise Violation(
                    "replay is live", f"{name}: {getattr(replayed, name)!r} by the journal, live {value!r}"
                )

    def check_end(self, state: State) -> None:
        """Hold the books against what really happened."""
        alive = [job.id for job in self.world.jobs.values() if job.lives]
        if alive:
            raise Violation("closed is closed", f"settled while {alive} live")
        for case_id, case in state.present():
            succeeded = bool(self.world.successes.get((case_id, state.revision)))
            status = todo.status_of(self.study, state, case)
            if (status is Status.DONE) != succeeded:
                raise Violation("records are the truth", f"{case_id} is {status.value}, succeeded: {succeeded}")
            if status not in (Status.DONE, Status.FAILED) and state.hold is None:
                raise Violation("settles", f"{case_id} is {status.value} in a settled study")
        if self.study.after is not None and state.hold is None:
            self._check_after()

    def _check_after(self) -> None:
        """The step after saw the complete table."""
        planned, missed = "", 0
        finished = set()
        for event in journal.read(self.folder.journal):
            if isinstance(event, ev.JobPlanned) and event.kind is Kind.AFTER:
                planned, missed = event.job, 0
            elif isinstance(event, ev.CaseEnded) and event.case in self.all_cases:
                missed += 1
            elif isinstance(event, ev.CaseEnded) and event.outcome is Outcome.FINISHED:
                finished.add(event.job)
        if missed or planned not in finished:
            raise Violation("after comes after", f"{missed} records since the last step after, {planned!r}")


def random_limits(rng: random.Random) -> Limits:
    return Limits(
        max_jobs=rng.randint(1, 4),
        max_cases=rng.choice([1, 2, 3, 100]),
        max_minutes=rng.choice([None, None, 10.0]),
        settle=rng.uniform(0.5, 4.0),
        lost_answers=rng.randint(1, 4),
        lost_after=rng.uniform(0.5, 4.0),
        cancel_again=rng.uniform(1.0, 10.0),
        backoff=rng.uniform(0.2, 1.0),
        poll_first=rng.uniform(0.05, 0.5),
        poll_most=rng.uniform(0.5, 2.0),
    )


def random_study(rng: random.Random, folder: str) -> Study:
    step = Step(command="true")
    retried = [(), (Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY), (Outcome.TIMED_OUT, Outcome.FAILED)]
    return Study(
        name="weather",
        folder=folder,
        file="",
        model=Model(command="true"),
        before=step if rng.random() < 0.2 else None,
        after=step if rng.random() < 0.25 else None,
        resources=Resources(
            minutes=rng.choice([None, 0.02, 0.1]), memory_mb=rng.choice([None, 200]), cores=rng.choice([1, 2])
        ),
        retry=Retry(
            attempts=rng.randint(1, 3), on=rng.choice(retried), stop_after=rng.choice([0, 1, 2, 5, 20])
        ),
        settings={"local": {"slots": rng.randint(1, 3)}},
    )


def random_nature(rng: random.Random, resources: Resources) -> Nature:
    kind = rng.choice(["good", "good", "good", "bad", "once", "slow", "fat"])
    limit = 60 * (resources.minutes or 0.05)
    return Nature(
        seconds=limit * rng.choice([1.5, 3.0]) if kind == "slow" else min(rng.uniform(0.1, 3.0), 0.9 * limit),
        fails={"bad": 10**9, "once": 1}.get(kind, 0),
        memory_mb=rng.choice([300, 900]) if kind == "fat" else 100,
    )


def run_trial(seed: int, base: Path, engine: type[Engine] = Engine, happened: Counter[str] | None = None) -> None:
    """One seed from its first to its last second; a broken promise or an error tells its story."""
    trial = Trial(seed, base, engine)
    try:
        state = trial.live()
        trial.check_end(state)
    except Exception as problem:
        story = "\n".join(trial.world.story[-60:])
        problem.add_note(f"seed {seed}; the last of its story:\n{story}\nreplay it with WEFT_SEED={seed}")
        raise
    finally:
        if happened is not None:
            happened.update(trial.world.happened)
        if "WEFT_SEED" not in os.environ:
            shutil.rmtree(trial.folder.base)
