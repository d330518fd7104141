"""Journals of any length for the benchmarks, and the two ways through them that are compared.

The events are weft's own, in the order and mix of a real study: jobs of 100 cases, each planned, looked for,
submitted, seen in its phases, its records read piece by piece, and ended; one case in fifty fails.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Raw

from weft.core import events as ev
from weft.model import Kind, Outcome, Phase
from weft.store import journal

CASES_PER_JOB = 100
EVENTS_PER_JOB = CASES_PER_JOB + CASES_PER_JOB // 20 + 13  # as job_story tells them
SEED = 2


def replay(path: str) -> None:
    """weft's way from a journal to its state: the call that every command begins with."""
    journal.replay(Path(path))


def decode(path: str) -> None:
    """The yardstick: every line through msgspec into weft's event classes, each thrown away at once."""
    decoder = msgspec.json.Decoder(ev.AnyEvent)
    with Path(path).open("rb") as lines:
        for line in lines:
            decoder.decode(line)


def write(path: str, count: str) -> None:
    """Writes a journal of exactly ``count`` events."""
    left = int(count)
    facts = story(left)
    with Path(path).open("wb") as file:
        while left:
            block = list(islice(facts, min(left, 10_000)))
            file.write(ev.encode(block))
            left -= len(block)


def story(count: int) -> Iterator[ev.AnyEvent]:
    """Tells the events of a study that goes on for at least ``count`` of them; one case in fifty fails."""
    yield ev.Opened(at=0.0, format=1, name="bench", key="k3y5", weft="0.1.0")
    yield ev.StudyRecorded(at=0.0, revision="0123456789ab", source='name = "bench"')
    chance = random.Random(SEED)
    jobs = count // EVENTS_PER_JOB + 1
    cases = [f"{number:012x}" for number in chance.sample(range(16**12), jobs * CASES_PER_JOB)]
    for start in range(0, len(cases), 10_000):
        ids = cases[start : start + 10_000]
        params = [Raw(b'{"record":"records/%d.AT2","scale":1.25}' % number) for number in range(len(ids))]
        yield ev.CasesAdded(at=0.0, ids=ids, params=params)
    yield ev.RunStarted(at=0.0, host="login1", pid=4711, backend="local")
    for number, start in enumerate(range(0, len(cases), CASES_PER_JOB), 1):
        yield from job_story(
            f"bench-k3y5-{number:04d}", cases[start : start + CASES_PER_JOB], 10.0 * number, chance
        )


def job_story(job: str, cases: list[str], at: float, chance: random.Random) -> Iterator[ev.AnyEvent]:
    """Tells the life of one job from intention to end."""
    yield ev.JobPlanned(
        at=at,
        job=job,
        kind=Kind.CASES,
        backend="local",
        cases=cases,
        revision="0123456789ab",
        memory_mb=2000,
        minutes=5.0,
    )
    yield ev.JobNotFound(at=at, by="local", job=job)
    yield ev.JobSubmitSent(at=at, job=job)
    yield ev.JobSubmitted(at=at, by="local", job=job, native="4712:1234567")
    for phase in (Phase.QUEUED, Phase.RUNNING):
        yield ev.JobSeen(at=at, by="local", job=job, phase=phase, word="alive")
    yield ev.RunnerStarted(
        at=at, by="node", job=job, host="c101-001", cores=48, memory=2**37, slots=48, python="3.9.7"
    )
    yield ev.SpanEnded(at=at, by="node", job=job, span="UNPACK", start=at)
    yield ev.SetupEnded(
        at=at, by="node", job=job, exit=0, seconds=0.5, changed={"PATH": "/opt/apps/bin:/usr/bin"}
    )
    for number, case in enumerate(cases):
        yield case_story(job, case, at, chance)
        if number % 20 == 19:
            yield ev.RecordsRead(at=at, job=job, offset=400 * (number + 1))
    yield ev.SpanEnded(at=at, by="node", job=job, span="CASES", start=at)
    yield ev.RunnerEnded(
        at=at, by="node", job=job, outcome=Outcome.FINISHED, exit=0, slots=48, busy=90.0, idle=3.0
    )
    yield ev.JobGone(at=at, by="local", job=job, outcome=Outcome.FINISHED, word="exit 0")
    yield ev.JobEnded(at=at, job=job, outcome=Outcome.FINISHED)


def case_story(job: str, case: str, at: float, chance: random.Random) -> ev.AnyEvent:
    """Tells one case's end, with a result or with the reason of its failure."""
    wall = chance.expovariate(1.0)
    failed = chance.random() < 0.02
    return ev.CaseEnded(
        at=at + wall,
        by="node",
        job=job,
        case=case,
        start=at,
        wall=wall,
        cpu=0.9 * wall,
        slot=chance.randrange(48),
        memory=chance.randrange(10**7, 10**9),
        read=chance.randrange(10**6),
        written=chance.randrange(10**6),
        files=3,
        outcome=Outcome.FAILED if failed else Outcome.FINISHED,
        exit=int(failed),
        why="exit code 1" if failed else "",
        tail="analysis did not converge at step 412" if failed else "",
        result=Raw(b"{}") if failed else Raw(b'{"drift":%.6f,"period":%.6f}' % (wall, 1.0 / (1.0 + wall))),
    )
