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
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from msgspec import structs
from tests.conftest import seeds
from tests.journeys.weather import Bundles, Crash, Nature, Sky, StormyJournal, Violation, World

from weft.backends.base import Packed, Refused, Seen
from weft.core import events as ev
from weft.core import plan as todo
from weft.core.books import JobState
from weft.core.forecast import extension
from weft.core.state import State
from weft.engine import Engine
from weft.errors import FolderError
from weft.model import Case, Kind, Limits, Model, Outcome, Phase, Resources, Retry, Status, Step, Study
from weft.store import journal, requests
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
        """One life of the controller: None if it ended in a crash, or if it only stopped jobs."""
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
            book.lose_power()
            return None
        finally:
            book.close()
        self._compare(journal.replay(self.folder.journal), state)
        return None if only_cancel else state

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
            engine.record(source)
        engine.record(
            *extension(state, self.cases, now),
            ev.RunStarted(at=now, host="here", pid=1, backend="world", pilot=self.pilot),
            sync=True,
        )

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
                raise Violation(
                    "records are the truth", f"{case_id} is {status.value}, succeeded: {succeeded}"
                )
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
        batch=rng.choice([1, 1, 3]),
        read_every=rng.choice([0.0, 0.0, 3.0]),
        reads=rng.choice([None, None, 1]),
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


def run_trial(
    seed: int, base: Path, engine: type[Engine] = Engine, happened: Counter[str] | None = None
) -> None:
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
        shutil.rmtree(trial.folder.base)


KINDS = (
    "answer lost, job created at once", "answer lost, job created late", "answer lost, job created never",
    "cases changed", "crash", "disk full", "error", "error after effect", "garbage record", "hidden",
    "late cancel", "late job", "new revision", "node lost", "orphans hang", "power cut", "records late", "refusal",
    "request CancelAsked", "request RetryAsked", "runner lost", "slow answer", "slow call", "torn journal",
    "torn record",
)  # fmt: skip


def test_every_promise_holds_in_any_weather(memory_folder: Path) -> None:
    happened: Counter[str] = Counter()
    chosen = seeds(400, 10_000)
    for seed in chosen:
        run_trial(seed, memory_folder, happened=happened)
    print(f"{len(chosen)} studies, seeds {chosen[0]} to {chosen[-1]}; the weather:")
    for kind, times in sorted(happened.items()):
        print(f"{times:8}  {kind}")
    if len(chosen) > 1:
        assert set(happened) == set(KINDS), "each kind of weather must have happened"


# Planted faults


class NeverLooks(Engine):
    """No find before a submission: believes that a job whose submission went unanswered is not there."""

    def _find(self, jobs: Sequence[JobState]) -> Mapping[str, str]:
        self.record(*(ev.JobNotFound(at=self._clock(), job=job.id) for job in jobs))
        return {}


class ActsFirst(Engine):
    """Acts before it records: the submission leaves before the journal knows that it may have."""

    def _submit(self, actions: Sequence[todo.Submit]) -> None:
        jobs = [self._job(one.job) if one.job else self._planned(one.bundle) for one in actions]
        found = self._find(jobs)
        packed = [
            Packed(job=job.id, folder=self._bundles.write(job, self.state), bundle=one.bundle)
            for job, one in zip(jobs, actions, strict=True)
            if job.id not in found
        ]
        sent = [ev.JobSubmitSent(at=self._clock(), job=one.job) for one in packed]
        answers: Mapping[str, str | Refused] = {}
        try:
            answers = self.backend.submit(packed)
        finally:
            if not isinstance(sys.exc_info()[1], Crash):
                self.record(*sent, sync=True)
        self._answered(answers)


class TakesSilenceForAnEnd(Engine):
    """Calls a job over when one answer does not tell of it."""

    def _note(self, job: JobState, seen: Seen | None) -> None:
        super()._note(job, seen or Seen(phase=Phase.RUNNING, outcome=Outcome.LOST))


def close_without_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the cases of a lost job again without having cancelled it."""

    def lost(job: JobState, limits: Limits, now: float) -> Iterator[todo.Action]:
        yield todo.CloseAsLost(job.id, Outcome.LOST, "not seen")

    monkeypatch.setattr(todo, "_lost", lost)


def submit_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submits again before the unanswered submission has had its time to settle."""
    real = todo._unsubmitted

    def hasty(job: JobState, state: State, limits: Limits, now: float) -> Iterator[todo.Action]:
        return real(job, state, structs.replace(limits, settle=0.0), now)

    monkeypatch.setattr(todo, "_unsubmitted", hasty)


def count_from_the_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts ``settle`` from when the submission was meant to leave, not from when its answer was given up."""
    real = todo._unsubmitted

    def early(job: JobState, state: State, limits: Limits, now: float) -> Iterator[todo.Action]:
        return real(structs.replace(job, not_found_since=job.sent_at), state, limits, now)

    monkeypatch.setattr(todo, "_unsubmitted", early)


def never_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does not wait until the disk has the intention."""
    real = StormyJournal.append
    monkeypatch.setattr(StormyJournal, "append", lambda self, events, sync=False: real(self, events))


def none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is in the engine."""


@pytest.mark.parametrize(
    ("engine", "plant", "promise"),
    [
        pytest.param(NeverLooks, none, "submitted once", id="no find"),
        pytest.param(ActsFirst, none, "submitted once", id="act before record"),
        pytest.param(TakesSilenceForAnEnd, none, "closed is closed", id="ended on first absence"),
        pytest.param(Engine, close_without_cancel, "closed is closed", id="re-run without cancel"),
        pytest.param(Engine, submit_again_at_once, "submitted once", id="resubmit before settle"),
        pytest.param(Engine, count_from_the_sending, "submitted once", id="settle from the sending"),
        pytest.param(Engine, never_sync, "submitted once", id="no sync"),
    ],
)
def test_a_planted_fault_is_noticed(
    engine: type[Engine],
    plant: Callable[[pytest.MonkeyPatch], None],
    promise: str,
    memory_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    for seed in range(1500):
        try:
            run_trial(seed, memory_folder, engine)
        except Violation as violation:
            if violation.promise == promise:
                print(f"noticed with seed {seed}: {violation}")
                return
    pytest.fail("1500 studies did not notice it")
