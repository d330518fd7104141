"""A simulated world with bad weather, for the real controller to live in.

``World`` is a backend whose nodes, service and clock are make-believe: time passes only when the controller sleeps or
waits for an answer. It refuses, delays, loses answers, creates jobs late, hides them, loses nodes, shows records late
and torn, and kills the controller (``Crash``) in the middle of anything. At every instant it holds weft to its
promises, and raises ``Violation`` where one is broken: it knows what really runs, which the controller does not.

What it never does is what no backend may do: create a job later than ``limits.settle`` after its submission was
given up, let a cancelled job live longer than that, deny (to ``find``) a job that exists, call a job over that lives.
"""

from __future__ import annotations

import heapq
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as counting
from pathlib import Path
from typing import Any

from msgspec import Struct

from weft.backends.base import Brought, Collected, Packed, Refused, Seen
from weft.core import events as ev
from weft.core.books import STEPS, JobState
from weft.core.events import AnyEvent, encode
from weft.core.packing import memory_for, minutes_for
from weft.core.records import parse
from weft.core.state import State
from weft.errors import AnswerLost, BackendError, FolderError
from weft.model import Case, Kind, Limits, Node, Outcome, Phase, SharedInput, Study
from weft.store.journal import Journal

START = 1_700_000_000.0
MOST_ROUNDS = 4000
"""Rounds that the controller may take under a clear sky before the study counts as never settling."""


class Crash(BaseException):
    """The controller is killed here."""


class Violation(AssertionError):
    """A promise is broken; ``promise`` names it in a word or two."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise


class Sky(Struct, frozen=True, kw_only=True):
    """How likely each kind of trouble is, per occasion."""

    crash: float
    fail: float
    slow: float
    refuse: float
    lose: float
    hide: float
    node: float
    late: float

    @classmethod
    def of(cls, rng: random.Random) -> Sky:
        """A day's weather: most kinds are absent, some are mild, some are wild."""

        def degree(mild: float, wild: float) -> float:
            return rng.choice([0.0, mild, mild, wild])

        return cls(
            crash=degree(0.01, 0.06),
            fail=degree(0.05, 0.3),
            slow=degree(0.05, 0.2),
            refuse=degree(0.05, 0.3),
            lose=degree(0.15, 0.6),
            hide=degree(0.3, 0.9),
            node=degree(0.15, 0.6),
            late=degree(0.2, 0.8),
        )


class Nature(Struct, frozen=True):
    """What a case is like: it fails so many times, and then runs for ``seconds`` if it gets its time and memory."""

    seconds: float = 1.0
    fails: int = 0
    memory_mb: int = 100


class CaseLoad(Struct, frozen=True):
    """One case in a bundle, with the limits that the node will enforce."""

    id: str
    minutes: float | None
    memory_mb: int | None


class Load(Struct, frozen=True):
    """What a bundle tells the node."""

    kind: Kind
    revision: str
    slots: int
    cases: tuple[CaseLoad, ...]


class Bundles:
    """Stands in for the ZIP writer, which is not under test here: hands the world what the ZIP would say."""

    def __init__(self, world: World, study: Study, cases: Mapping[str, Case], folder: Path) -> None:
        self._world, self._study, self._cases, self._folder = world, study, cases, folder

    def write(self, job: JobState, state: State) -> Path:
        loads = []
        for case_id in job.cases:
            if job.kind in STEPS:
                step = self._study.before if job.kind is Kind.BEFORE else self._study.after
                assert step is not None
                loads.append(CaseLoad(case_id, step.resources.minutes, step.resources.memory_mb))
                continue
            known = state.cases[self._cases[case_id].id]  # the real writer renders it, so it must be present
            minutes = minutes_for(known, self._study.resources, self._world.limits)
            memory = (
                memory_for(known, self._study.resources, self._world.limits) if known.ooms else job.memory_mb
            )
            loads.append(CaseLoad(case_id, minutes, memory))
        self._world.loads[job.id] = Load(job.kind, job.revision, job.slots or 2, tuple(loads))
        return self._folder


@dataclass(eq=False)
class Job:
    """A job as it really is."""

    id: str
    native: str
    load: Load
    waiting: list[CaseLoad]
    hidden: list[tuple[float, float]]
    began: bool = False
    runner_lives: bool = True
    running: dict[str, int] = field(default_factory=dict)
    """Cases whose processes live, each with the number of its run."""
    lines: list[tuple[float, bytes]] = field(default_factory=list)
    """The records, each with the time from which it can be read."""
    outcome: Outcome | None = None

    @property
    def lives(self) -> bool:
        return self.outcome is None

    def is_hidden(self, now: float) -> bool:
        return any(start <= now < end for start, end in self.hidden)


class World:
    """The backend, the nodes behind it, and the clock."""

    name = "world"
    doubt = ""
    node = Node()
    given = ev.Allotment()
    notes: tuple[str, ...] = ()

    def __init__(self, rng: random.Random, limits: Limits, sky: Sky, natures: Mapping[str, Nature]) -> None:
        self.rng = rng
        self.limits = limits
        self.sky = sky
        self.natures = natures
        self.now = START
        self.clears_at = START + rng.choice([5.0, 30.0, 120.0])
        self.happened: Counter[str] = Counter()
        self.story: list[str] = []
        self.loads: dict[str, Load] = {}
        self.jobs: dict[str, Job] = {}
        self.closed: set[str] = set()
        """Jobs that the journal calls ended."""
        self.successes: dict[tuple[str, str], set[str]] = {}
        """Jobs in whose records a success stands, by case and revision."""
        self.needs_unpacking = False
        self.unpacked: set[str] = set()
        """Revisions for which the step before has been unpacked."""
        self._runs: Counter[str] = Counter()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = counting(1)
        self._calm_rounds = 0

    # Time

    @property
    def calm(self) -> bool:
        return self.now >= self.clears_at

    def chance(self, probability: float) -> bool:
        """Does this trouble happen now (never once the weather has cleared)?"""
        return not self.calm and self.rng.random() < probability

    def tell(self, what: str) -> None:
        self.story.append(f"{self.now - START:9.3f}  {what}")

    def note(self, kind: str, what: str = "") -> None:
        """Count a piece of weather."""
        self.happened[kind] += 1
        self.tell(f"* {kind} {what}")

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._number), do))

    def pass_time(self, seconds: float) -> None:
        """Let the world go on."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, do = heapq.heappop(self._due)
            do()
        self.now = end

    def sleep(self, seconds: float) -> None:
        """What the controller does between two rounds."""
        self._calm_rounds = self._calm_rounds + 1 if self.calm else 0
        if self._calm_rounds > MOST_ROUNDS:
            raise Violation("settles", f"not settled {MOST_ROUNDS} rounds after the weather cleared")
        self.pass_time(seconds * self.rng.random())
        self.maybe_crash("sleep")
        self.pass_time(seconds)

    def maybe_crash(self, where: str) -> None:
        if self.chance(self.sky.crash):
            self.note("crash", where)
            raise Crash(where)

    def _arrive(self, verb: str) -> None:
        """A question travels to the backend."""
        self.maybe_crash(f"before {verb}")
        self.pass_time(self.rng.uniform(0.0, 0.02))
        if self.chance(self.sky.slow):
            self.note("slow call", verb)
            self.pass_time(self.rng.uniform(0.0, 3 * self.limits.settle))
        if self.chance(self.sky.fail):
            self.note("error", verb)
            raise BackendError(f"{verb}: no answer")

    def _return(self, verb: str) -> None:
        """The answer travels back."""
        if self.chance(self.sky.slow):
            self.note("slow answer", verb)
            self.pass_time(self.rng.uniform(0.0, 2 * self.limits.settle))
        self.maybe_crash(f"after {verb}")
        if verb != "submit" and self.chance(self.sky.fail / 4):
            self.note("error after effect", verb)
            raise BackendError(f"{verb}: the answer was lost")

    # The backend's verbs

    def submit(self, jobs: Sequence[Packed]) -> dict[str, str | Refused]:
        """See the protocol. A submission whose answer is lost may create its job late, or never."""
        self._arrive("submit")
        answers: dict[str, str | Refused] = {}
        for packed in jobs:
            self.tell(f"submit {packed.job}")
            if self.chance(self.sky.refuse):
                self.note("refusal", packed.job)
                answers[packed.job] = Refused("no room")
            elif self.chance(self.sky.lose):
                self._lose_answer(packed.job)
                if len(jobs) == 1:
                    raise AnswerLost(f"no answer about {packed.job}")
            else:
                answers[packed.job] = self.create(packed.job)
        self._return("submit")
        return answers

    def _lose_answer(self, job: str) -> None:
        """The request arrived (or not) and its answer never will: the controller hears so late, or dies waiting."""
        created = self.rng.choice(["at once", "late", "late", "late", "never"])
        waited = self.rng.choice([0.0, 0.0, self.rng.uniform(0.0, 3 * self.limits.settle)])
        if created == "at once":
            self.create(job)
        self.pass_time(waited)
        if created == "late":
            # Counted from the moment at which the controller stops waiting: the request may have hung until then.
            self.after(self.rng.uniform(0.0, 0.999 * self.limits.settle), lambda: self._create_late(job))
        self.note(f"answer lost, job created {created}", job)
        if self.chance(5 * self.sky.crash):
            self.note("crash", "while waiting for the answer")
            raise Crash("submit")

    def _create_late(self, job: str) -> None:
        self.note("late job", job)
        self.create(job)

    def find(self, jobs: Sequence[str]) -> dict[str, str]:
        self._arrive("find")
        found = {job: self.jobs[job].native for job in jobs if job in self.jobs}
        self._return("find")
        return found

    def look(self, natives: Mapping[str, str]) -> dict[str, Seen]:
        self._arrive("look")
        seen = {}
        for job_id in natives:
            job = self.jobs[job_id]
            if job.is_hidden(self.now):
                self.note("hidden", job_id)
                continue
            seen[job_id] = self._seen(job)
        self._return("look")
        return seen

    def _seen(self, job: Job) -> Seen:
        phase = Phase.RUNNING if job.began else Phase.QUEUED
        return Seen(
            phase=phase,
            orphaned=job.lives and not job.runner_lives,
            outcome=job.outcome,
            word=(job.outcome or phase).value.lower(),
        )

    def collect(self, job: str, native: str, offset: int) -> Collected:
        self._arrive("collect")
        data = self._readable(self.jobs[job])[offset:]
        self._return("collect")
        records, taken = parse(data)
        return Collected(records=records, offset=offset + taken)

    def _readable(self, job: Job) -> bytes:
        """The records as far as they can be read now, perhaps with a piece of the next one."""
        data = b""
        for visible_at, line in job.lines:
            if visible_at > self.now:
                self.note("records late", job.id)
                return data + line[: self.rng.randrange(len(line))]
            data += line
        return data

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def preview(self, jobs: Sequence[Packed]) -> list[dict[str, Any]]:
        return [{} for _ in jobs]

    def share(self, inputs: Sequence[SharedInput]) -> dict[str, dict[str, Any]]:
        return {}

    def bring(self, job: str, native: str) -> Brought:
        self._arrive("bring")
        self._return("bring")
        return Brought()

    def cancel(self, natives: Mapping[str, str]) -> None:
        self._arrive("cancel")
        for job_id in natives:
            delay = self.rng.choice([0.0, self.rng.uniform(0.0, 0.999 * self.limits.settle)])
            if delay and self.jobs[job_id].lives:
                self.note("late cancel", job_id)
            self.after(delay, lambda job=self.jobs[job_id]: self._kill(job))  # type: ignore[misc]
        self._return("cancel")

    # The nodes

    def create(self, job_id: str) -> str:
        """The job comes into being."""
        if job_id in self.jobs:
            raise Violation("submitted once", f"job {job_id} was created twice")
        if job_id in self.closed:
            raise Violation("closed is closed", f"job {job_id} came to life after it was closed")
        load = self.loads[job_id]
        if (
            self.needs_unpacking
            and load.kind in (Kind.CASES, Kind.PILOT)
            and load.revision not in self.unpacked
        ):
            raise Violation("before comes before", f"job {job_id} runs without what the step before left")
        native = f"n{next(self._number)}"
        job = Job(job_id, native, load, list(load.cases), self._hidings())
        self.jobs[job_id] = job
        self.tell(f"created {job_id} {[case.id for case in load.cases]}")
        self.after(self.rng.choice([0.0, 0.5, self.rng.uniform(0.0, 5.0)]), lambda: self._begin(job))
        return native

    def _hidings(self) -> list[tuple[float, float]]:
        windows = []
        while self.chance(self.sky.hide / 2):
            start = self.now + self.rng.choice([0.0, self.rng.uniform(0.0, 10.0)])
            length = self.rng.choice(
                [0.2, 1.0, self.limits.lost_after, 5 * self.limits.lost_after, float("inf")]
            )
            windows.append((start, start + length))
        return windows

    def _begin(self, job: Job) -> None:
        if not job.lives:
            return
        job.began = True
        self._write(job, t="runner", host="node", cores=2, memory=10**9, slots=job.load.slots, start=self.now)
        if self.chance(self.sky.node):
            disaster = self.rng.choice([self._lose_node, self._lose_runner])
            self.after(self.rng.uniform(0.0, 4.0), lambda: disaster(job))
        self._fill(job)

    def _fill(self, job: Job) -> None:
        while job.waiting and len(job.running) < job.load.slots:
            self._start(job, job.waiting.pop(0))
        if not job.running:
            self._write(job, t="end", outcome="FINISHED", exit=0, at=self.now, slots=job.load.slots)
            self._over(job, Outcome.FINISHED)

    def _start(self, job: Job, case: CaseLoad) -> None:
        alive = [other.id for other in self.jobs.values() if case.id in other.running]
        if alive:
            raise Violation("no overlap", f"case {case.id} starts in {job.id} while it runs in {alive}")
        if job.id in self.closed:
            raise Violation("closed is closed", f"case {case.id} starts in {job.id}, which is closed")
        if self.successes.get((case.id, job.load.revision)) and case.id != "after":
            raise Violation("no run after success", f"case {case.id} starts in {job.id} after its success")
        run = job.running[case.id] = next(self._number)
        self._write(job, t="start", case=case.id, slot=0, at=self.now)
        outcome, seconds = self._fate(case)
        began = self.now
        self.after(seconds, lambda: self._end(job, case, run, outcome, began))

    def _fate(self, case: CaseLoad) -> tuple[Outcome, float]:
        """How this run will end if nothing comes between, and when."""
        nature = self.natures[case.id]
        if case.memory_mb is not None and nature.memory_mb > case.memory_mb:
            return Outcome.OUT_OF_MEMORY, nature.seconds / 2
        if case.minutes is not None and nature.seconds > 60 * case.minutes:
            return Outcome.TIMED_OUT, 60 * case.minutes
        self._runs[case.id] += 1
        failed = self._runs[case.id] <= nature.fails
        return Outcome.FAILED if failed else Outcome.FINISHED, nature.seconds

    def _end(self, job: Job, case: CaseLoad, run: int, outcome: Outcome, began: float) -> None:
        if job.running.get(case.id) != run:
            return  # it was killed before
        del job.running[case.id]
        if not job.runner_lives:
            if not job.running:
                self._over(job, Outcome.INTERRUPTED)
            return
        self._record(job, case, outcome, began)
        self._fill(job)

    def _record(self, job: Job, case: CaseLoad, outcome: Outcome, began: float) -> None:
        self._write(
            job,
            t="case",
            case=case.id,
            outcome=outcome.value,
            start=began,
            end=self.now,
            wall=self.now - began,
        )
        if outcome is Outcome.FINISHED:
            self.successes.setdefault((case.id, job.load.revision), set()).add(job.id)

    def _write(self, job: Job, **record: object) -> None:
        line = json.dumps({"v": 1, **record}).encode() + b"\n"
        lag = self.rng.uniform(0.0, 5.0) if self.chance(self.sky.late) else 0.0
        earlier = job.lines[-1][0] if job.lines else 0.0
        job.lines.append((max(earlier, self.now + lag), line))

    def _over(self, job: Job, outcome: Outcome) -> None:
        """Nothing of the job lives any more, and all that it wrote can be read."""
        job.outcome = outcome
        job.runner_lives = False
        job.lines = [(self.now, line) for _, line in job.lines]
        self.tell(f"over {job.id} {outcome.value}")

    def _lose_node(self, job: Job) -> None:
        """The node dies: what was not yet on the file system is gone, and the last of it may be torn or garbage."""
        if not job.lives or not job.runner_lives:
            return
        self.note("node lost", job.id)
        job.running.clear()
        kept = [(at, line) for at, line in job.lines if at <= self.now]
        lost = job.lines[len(kept) :]
        for _, line in lost:
            record = json.loads(line)
            if record["t"] == "case" and record["outcome"] == "FINISHED":
                self.successes[record["case"], job.load.revision].discard(job.id)
        if lost:
            self.note("torn record", job.id)
            torn = lost[0][1]
            kept.append((self.now, torn[: self.rng.randrange(len(torn))]))
        elif self.rng.random() < 0.3:
            self.note("garbage record", job.id)
            garbage = [
                b"\0" * 40,
                b'{"t":"case","case":"\xff\xfe"}',
                b'{"t":"case","case":"c0","outcome":"?"}',
                b"[]",
            ]
            kept.append((self.now, self.rng.choice(garbage) + b"\n"))
        job.lines = kept
        # A service may well call such a job finished: that is not success.
        self._over(job, self.rng.choice([Outcome.INTERRUPTED, Outcome.FAILED, Outcome.FINISHED]))

    def _lose_runner(self, job: Job) -> None:
        """The runner dies alone: its records stand, and what it started lives on."""
        if not job.lives or not job.runner_lives:
            return
        self.note("runner lost", job.id)
        job.runner_lives = False
        job.waiting.clear()
        if not job.running:
            self._over(job, Outcome.INTERRUPTED)
        elif self.rng.random() < 0.5:
            self.note("orphans hang", job.id)
            job.running = dict.fromkeys(job.running, 0)  # no run has this number, so none ends by itself

    def _kill(self, job: Job) -> None:
        """A cancel acts."""
        if not job.lives:
            return
        for case_id in list(job.running):
            if job.runner_lives and self.rng.random() < 0.8:
                self._record(job, CaseLoad(case_id, None, None), Outcome.INTERRUPTED, self.now)
        if job.runner_lives and job.began:
            self._write(job, t="end", outcome="INTERRUPTED", exit=143, at=self.now, slots=job.load.slots)
        job.running.clear()
        self._over(job, Outcome.CANCELLED)

    # What the journal says

    def journaled(self, events: Iterable[AnyEvent]) -> None:
        """Facts have reached the journal: hold them against the truth."""
        for event in events:
            if isinstance(event, (ev.JobEnded, ev.JobRefused)):
                job = self.jobs.get(event.job)
                if job is not None and job.lives:
                    raise Violation("closed is closed", f"job {event.job} was closed while it lives")
                self.closed.add(event.job)
            elif isinstance(event, ev.CaseEnded) and event.outcome is Outcome.FINISHED:
                revision = self.jobs[event.job].load.revision
                if event.job not in self.successes.get((event.case, revision), ()):
                    raise Violation("records are the truth", f"{event.case} has no success in {event.job}")


class StormyJournal(Journal):
    """The real journal on a machine that may die at any time, and lose what was not synced to the disk."""

    def __init__(self, path: Path, world: World) -> None:
        super().__init__(path)
        self._world = world
        self._safe = self.size

    def append(self, events: Sequence[AnyEvent], *, sync: bool = False) -> None:
        self._world.maybe_crash("before the journal")
        if self._world.chance(self._world.sky.crash / 2):
            self._world.note("torn journal")
            data = encode(list(events))
            os.write(self._fd, data[: self._world.rng.randrange(len(data))])
            raise Crash("in the middle of the journal")
        if self._world.chance(self._world.sky.crash / 4):
            self._world.note("disk full")
            raise FolderError("the disk is full")
        super().append(events, sync=sync)
        if sync:
            self._safe = self.size
        self._world.journaled(events)
        self._world.maybe_crash("after the journal")

    def lose_power(self) -> None:
        """Perhaps the whole machine died: then some of what no one waited for is lost."""
        if self._world.rng.random() < 0.3 and self.size > self._safe:
            self._world.note("power cut")
            os.ftruncate(self._fd, self._world.rng.randrange(self._safe, self.size))
