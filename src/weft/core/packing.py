"""Cases to bundles: how many cases, slots and minutes a job gets, and what a case may use on its next run.

Everything about the size of a job lives here. The time model is one line: a job of *n* cases on *s* slots takes
about ``ceil(n / s)`` times a case's usual duration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import structs

from weft.core.books import CaseState
from weft.core.events import Predicted
from weft.model import Bundle, Charge, Kind, Limits, Resources

GROWTH = 2.0
"""A case that ran out of time or memory gets this factor more of it on its next run."""
MARGIN = 1.3
"""Room between the expected wall time of a job and what is asked for."""
ENDS = 3.0
"""Minutes of a job that are not its cases': set-up, and the up to two that the runner keeps to stop and pack in."""


def minutes_for(case: CaseState, resources: Resources, limits: Limits) -> float | None:
    """The wall time limit of this case's next run; grown after time-outs, within what a job may last."""
    if resources.minutes is None:
        return None
    grown = resources.minutes * GROWTH**case.timeouts
    return min(grown, _for_cases(limits.max_minutes)) if limits.max_minutes else grown


def run_minutes(case: CaseState, resources: Resources, limits: Limits, *, continues: bool) -> float | None:
    """The limit that a node keeps: as ``minutes_for``; none for a case that goes on where its job's end cuts it off."""
    wanted, most = resources.minutes, limits.max_minutes
    if continues and wanted is not None and most is not None and wanted > _for_cases(most):
        return None
    return minutes_for(case, resources, limits)


def _for_cases(minutes: float) -> float:
    """What is left for the cases of a job that lasts so long: a longer one would never be started."""
    return max(minutes - ENDS, minutes / 2)


def memory_for(case: CaseState, resources: Resources, limits: Limits) -> int | None:
    """The memory limit (MB) of this case's next run; grown after it ran out, within what the backend has."""
    if resources.memory_mb is None:
        return None
    grown = int(resources.memory_mb * GROWTH**case.ooms)
    return min(grown, limits.memory_mb) if limits.memory_mb else grown


def slots_within(
    resources: Resources, slots: int | None, cores: int | None, memory_mb: int | None
) -> int | None:
    """Cases at a time within these bounds, at least one; None where nothing bounds them."""
    bounds = [
        slots,
        cores // resources.cores if cores else None,
        memory_mb // resources.memory_mb if memory_mb and resources.memory_mb else None,
    ]
    given = [bound for bound in bounds if bound is not None]
    return max(1, min(given)) if given else None


def within(limits: Limits, chosen: Predicted | None) -> Limits:
    """These limits, made narrower by the way of packing that was chosen for this run."""
    if chosen is None:
        return limits
    slots = [bound for bound in (limits.slots, chosen.slots) if bound is not None]
    return structs.replace(
        limits,
        max_jobs=min(limits.max_jobs, chosen.at_once),
        max_cases=min(limits.max_cases, chosen.most_cases),
        slots=min(slots) if slots else None,
    )


def node_hours(minutes: float, charge: Charge) -> float:
    """What a job that runs so long is charged for."""
    return charged_hours(minutes, charge.nodes, charge.least_minutes)


def charged_hours(minutes: float, nodes: int, least_minutes: float) -> float:
    """Node-hours that so many minutes on whole nodes are charged as, with what is charged at least."""
    return nodes * max(minutes, least_minutes) / 60


def at_most(bundles: Sequence[Bundle], charge: Charge | None) -> tuple[float | None, float | None]:
    """Node-hours and SU if every job runs for as long as it asks for; None where nothing is charged."""
    if charge is None:
        return None, None
    hours = sum(node_hours(bundle.minutes or 0.0, charge) for bundle in bundles)
    return hours, hours * charge.rate if charge.rate is not None else None


def usual_seconds(cases: Iterable[CaseState]) -> float | None:
    """The median wall time of the cases that have run; None before the first."""
    walls = [case.wall for case in cases if case.wall > 0]
    return median(walls) if walls else None


def spread(case_ids: Sequence[str], count: int) -> list[str]:
    """So many cases, evenly spaced from the first to the last, for a pilot."""
    if count >= len(case_ids):
        return list(case_ids)
    if count == 1:
        return [case_ids[len(case_ids) // 2]]
    step = (len(case_ids) - 1) / (count - 1)
    return [case_ids[round(place * step)] for place in range(count)]


def pack(
    waiting: Sequence[tuple[str, CaseState]],
    resources: Resources,
    limits: Limits,
    *,
    jobs: int = 1,
    kind: Kind = Kind.CASES,
    seconds: float | None = None,
) -> list[Bundle]:
    """At most ``jobs`` bundles for these cases; what does not fit waits for the next round.

    Cases that need the same memory share a job, since memory decides how many run at a time. Cases are dealt out
    evenly over the jobs that may be live at once, within the backend's limits.
    """
    by_memory: dict[int | None, list[str]] = {}
    for case_id, case in waiting:
        by_memory.setdefault(memory_for(case, resources, limits), []).append(case_id)
    states = dict(waiting)
    bundles: list[Bundle] = []
    for memory_mb, case_ids in by_memory.items():
        free = jobs - len(bundles)
        if free <= 0:
            break
        longest = max((minutes_for(states[i], resources, limits) or 0.0 for i in case_ids), default=0.0)
        size = _job_size(len(case_ids), free, longest, limits, seconds)
        for start in range(0, min(len(case_ids), size * free), size):
            part = tuple(case_ids[start : start + size])
            bundles.append(
                Bundle(
                    cases=part,
                    kind=kind,
                    cores=resources.cores,
                    memory_mb=memory_mb,
                    minutes=job_minutes(len(part), longest, limits, seconds),
                    slots=limits.slots,
                )
            )
    return bundles


def _job_size(cases: int, jobs: int, longest: float, limits: Limits, seconds: float | None) -> int:
    """How many of so many cases one job takes."""
    size = min(limits.max_cases, math.ceil(cases / jobs))
    per_case = seconds / 60 * MARGIN if seconds else longest
    if limits.max_minutes and limits.slots and per_case:
        size = min(size, max(1, int(_for_cases(limits.max_minutes) / per_case)) * limits.slots)
    return max(1, size)


def job_minutes(cases: int, longest: float, limits: Limits, seconds: float | None = None) -> float | None:
    """The wall time to ask for: the expected rounds and never less than one case's own limit, with both ends."""
    if limits.max_minutes is None:
        return None
    per_case = seconds / 60 * MARGIN if seconds else longest
    rounds = math.ceil(cases / (limits.slots or 1))
    return min(limits.max_minutes, max(longest, rounds * per_case) + ENDS) if per_case else limits.max_minutes
