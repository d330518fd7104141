"""What a run will take and cost, before anything is sent. PURE.

The wall time runs from the first submission to the end of the last job. A job's phases follow each other, each with
its own spread (``core/jobahead.py``); as many jobs as may be live at once run side by side, and a run is over with the
last. Evenly spread outcomes of every wait are combined (``core/draws.py``), and the range is what at least eight of ten
of them stay within. Retries are not foreseen.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from weft.core.casetimes import CaseTimes, work
from weft.core.draws import DRAWS, normal, place, range_of
from weft.core.events import Allotment
from weft.core.experience import ANSWERED, Experience
from weft.core.foretold import Forecast
from weft.core.jobahead import Foreteller, JobAhead
from weft.core.looking import Looks
from weft.core.packing import charged_hours
from weft.core.waits import EIGHTY
from weft.model import Bundle, Charge, Kind, Limits, Study

MOST_WORK = 100_000
"""Jobs times outcomes: with many jobs fewer outcomes will do, since chance evens out among them."""


def predict(
    study: Study,
    bundles: Sequence[Bundle],
    limits: Limits,
    learnt: Experience,
    given: Allotment,
    times: CaseTimes,
    *,
    bytes_in: int = 0,
) -> Forecast:
    """What these jobs will take, move and cost; ``bytes_in`` is what a bundle holds."""
    foreteller = Foreteller(study, limits, learnt, given, bytes_in)
    slots = limits.slots or max(1, given.cores // study.resources.cores)
    jobs = _jobs_ahead(foreteller, bundles, lambda one: work(study, one, times, one.slots or slots))
    hours = _node_hours(jobs, limits.charge, times.spread)
    rate = limits.charge.rate if limits.charge else None
    usual = max(jobs, key=lambda job: job.work).parts if jobs else {}
    said = dict.fromkeys([times.basis, *(one.basis for one in usual.values() if one.high >= 1 and one.basis)])
    return Forecast(
        wall_s=_wall(jobs, limits, times.spread),
        su=(hours[0] * rate, hours[1] * rate, hours[2] * rate) if hours and rate is not None else None,
        node_hours=hours,
        files=len(jobs) * foreteller.files if foreteller.moves else 0,
        spans={name: one.likely for name, one in usual.items()},
        jobs=len(jobs),
        basis="; ".join(said),
    )


def _jobs_ahead(
    foreteller: Foreteller, bundles: Sequence[Bundle], work_of: Callable[[Bundle], float]
) -> list[JobAhead]:
    """The jobs of these bundles; those of a kind with as many cases are alike."""
    kinds: dict[tuple[Kind, int], JobAhead] = {}
    jobs = []
    for bundle in bundles:
        alike = (bundle.kind, len(bundle.cases))
        if alike not in kinds:
            kinds[alike] = foreteller.job(bundle, work_of(bundle))
        jobs.append(kinds[alike])
    return jobs


def _wall(jobs: Sequence[JobAhead], limits: Limits, spread: float) -> tuple[float, float, float]:
    """Least, likely and most seconds for all jobs, so many at once; the steps before and after are alone."""
    if not jobs:
        return 0.0, 0.0, 0.0
    looks = Looks(limits)
    draws = max(23, min(DRAWS, MOST_WORK // len(jobs)))
    found = []
    for draw in range(draws):
        longer = math.exp(spread * normal(draw, draws))
        drawn = draw * DRAWS // draws
        took = []
        for number, job in enumerate(jobs):
            before, around, after = (place(drawn, 3 * number + wait, DRAWS) for wait in range(3))
            took.append((job, job.over(before, around, after, longer)))
        at = 0.0
        for _, group in groupby(took, lambda one: one[0].kind):
            at += _together([*group], limits, looks)
        found.append(at)
    return range_of(found, min(job.quicker for job in jobs), ANSWERED)


def _together(jobs: Sequence[tuple[JobAhead, float]], limits: Limits, looks: Looks) -> float:
    """Seconds until jobs (each with the time from its submission to its end) are closed, as weft looks at them.

    As many are live at once as may be. Whenever one has ended, the next is submitted, and weft soon looks again.
    """
    waiting = deque(jobs)
    live: list[tuple[float, float]] = []
    at = 0.0
    while waiting or live:
        room = max(1, limits.max_jobs) - len(live)
        new = [waiting.popleft() for _ in range(min(room, len(waiting)))]
        at += max((job.uploading for job, _ in new), default=0.0)
        for job, seconds in new:
            heapq.heappush(live, (at + seconds, job.bringing))
        look = at = at + looks.next(max(0.0, live[0][0] - at))
        while live and live[0][0] <= look:
            at += heapq.heappop(live)[1]
    return at


def _node_hours(
    jobs: Sequence[JobAhead], charge: Charge | None, spread: float
) -> tuple[float, float, float] | None:
    """Least, likely and most of these jobs."""
    if charge is None:
        return None
    wide = math.exp(EIGHTY * spread)

    def hours(seconds: Iterable[float]) -> float:
        return sum(charged_hours(one / 60, charge.nodes, charge.least_minutes) for one in seconds)

    running = [(job.work, job.parts["RUNNING"]) for job in jobs]
    return (
        hours(one.low - work + work / wide for work, one in running),
        hours(one.likely for _, one in running),
        hours(one.high - work + work * wide for work, one in running),
    )
