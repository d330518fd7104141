"""A file of facts about many jobs, and the two ways through it that the figure ``profile`` compares."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path

from weft.core import events as ev
from weft.model import Kind, Outcome, Phase

EVENTS_PER_JOB = 10
SEED = 5
_PLACES = (
    ("opensees-mp", "cluster", "normal", 1.0),
    ("opensees-express", "machine", "", None),
    ("python", "cluster", "development", 1.0),
    ("opensees-sp", "other", "normal", 1.5),
)
_PHASES = (
    (Phase.PROCESSING_INPUTS, 2.0),
    (Phase.STAGING_INPUTS, 40.0),
    (Phase.STAGING_JOB, 30.0),
    (Phase.SUBMITTING_JOB, 0.7),
    (Phase.QUEUED, 300.0),
    (Phase.RUNNING, 600.0),
)


def write(path: str, jobs: str) -> None:
    """Writes the facts of so many jobs, ten of each; one in twenty fails, one in five hundred waits for hours."""
    with Path(path).open("wb") as file:
        for facts in _stories(int(jobs)):
            file.write(ev.encode(facts))


def _stories(count: int) -> Iterator[list[ev.AnyEvent]]:
    chance = random.Random(SEED)
    at = 1.75e9
    for number in range(count):
        at += chance.expovariate(1 / 60)
        yield _story(f"job-{number:06d}", at, _PLACES[number % len(_PLACES)], chance)


def _story(
    job: str, at: float, place: tuple[str, str, str, float | None], chance: random.Random
) -> list[ev.AnyEvent]:
    app, system, queue, rate = place
    given = ev.Allotment(
        app=app, system=system, queue=queue, cores=48, memory_mb=192_000, minutes=120.0, rate=rate,
        least_minutes=15.0 if queue else 0.0,
    )  # fmt: skip
    facts: list[ev.AnyEvent] = [
        ev.JobPlanned(
            at=at, by="tapis", job=job, kind=Kind.CASES, backend="tapis", cases=[], revision="", given=given
        ),
        ev.JobSubmitted(at=at, by="tapis", job=job, native=job),
    ]
    late = 30.0 if chance.random() < 0.002 else 1.0
    for phase, usual in _PHASES:
        at += usual * chance.lognormvariate(0, 0.5) * (late if phase is Phase.QUEUED else 1.0)
        facts.append(ev.JobSeen(at=at, by="tapis", job=job, phase=phase, word=phase.value))
    at += 600.0 * chance.lognormvariate(0, 0.5)
    failed = chance.random() < 0.05
    outcome = Outcome.FAILED if failed else Outcome.FINISHED
    word = "FAILED JOB_REMOTE_OUTCOME_ERROR" if failed else "FINISHED"
    why = "the application exited with code 1" if failed else ""
    return [
        *facts,
        ev.JobGone(at=at, by="tapis", job=job, outcome=outcome, word=word, why=why),
        ev.JobEnded(at=at + 5, job=job, outcome=outcome),
    ]


def group_by_polars(path: str) -> None:
    """The yardstick: polars reads the same lines and groups the durations by job and phase, once."""
    import polars as pl

    facts = pl.read_ndjson(path).filter(pl.col("phase").is_not_null()).sort("job", "at")
    lasted = (pl.col("at").shift(-1).over("job") - pl.col("at")).alias("seconds")
    facts.with_columns(lasted).group_by("job", "phase").agg(pl.col("seconds").sum())


def analyse(path: str) -> None:
    """weft's way to the full profile: spans, totals, groups, outliers, drifts and findings."""
    from weft import profiling
    from weft.core.groups import WAYS, groups

    found = profiling.of_files([Path(path)])
    for way in WAYS:
        groups(found.jobs, way)


def peak(path: str) -> None:
    """Prints the peak of this process' memory, in MB, when it has analysed the file."""
    analyse(path)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def report(path: str, to: str) -> None:
    """Writes the HTML report of the same jobs."""
    from weft import profiling
    from weft.render.html import html

    Path(to).write_text(html(profiling.of_files([Path(path)])), encoding="utf-8")
