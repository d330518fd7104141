"""What a case asks for, held against what there is and what earlier cases took. PURE."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from weft.core.checks.base import Answer, Edit, Facts, Fix, Item, Verdict, edits, fail, named, passed, warn
from weft.core.checks.outputs import LEAST_PAST
from weft.core.checks.words import Part, words
from weft.core.findings.settings import THREADS
from weft.core.margins import as_size, enough_memory, enough_minutes
from weft.core.quantities import count, duration, size
from weft.model import Study

NARROW = 1.1
"""A limit should be this much above what 95 of 100 cases took."""
WIDE = 10.0
WIDE_MINUTES = 30.0
"""A limit that is so many times, and so many minutes, what cases took makes jobs wait longer in a queue."""
WIDE_MEMORY = 8.0
"""The same of memory, where it keeps cases from running side by side."""
_LAUNCHERS = frozenset({"mpirun", "mpiexec", "mpiexec.hydra", "ibrun", "srun", "prun"})
_WHOLE_JOB = frozenset({"ibrun", "srun", "prun"})
"""Those that take all nodes of a job where nothing is said."""
_RANKS = re.compile(r"-n|-np|--np|-ntasks|--ntasks|--n")
_MB = 1_000_000


def wall_time(study: Study, facts: Facts) -> Answer:
    """Is the limit of a case's time above what cases take, and not far above?"""
    minutes, past = study.resources.minutes, facts.past
    known, p95 = past.cases >= LEAST_PAST, past.wall_p95_s / 60
    fix = _minutes(enough_minutes(past.wall_p95_s)) if known else None
    took = f"95 % of {past.cases:,} cases took {duration(past.wall_p95_s)} or less"
    if minutes is None:
        if study.backend == "local" or _setting(study, "minutes"):
            return passed("a case has no limit")
        said = "neither resources.minutes nor tapis.minutes is given: jobs ask for the app's usual time"
        return warn(
            f"{said}; {took}" if known else said, "say how long a case may take: resources.minutes", fix
        )
    said = f"a case may take {minutes:g} min; {took}" if known else f"a case may take {minutes:g} min"
    if known and study.continues is None and minutes < NARROW * p95:
        return warn(said, "raise resources.minutes, or cases are cut off", fix)
    if known and study.backend != "local" and minutes > WIDE * p95 and minutes > p95 + WIDE_MINUTES:
        return warn(said, "lower resources.minutes: jobs that ask for less wait less", fix)
    return passed(said)


def _minutes(value: int) -> Fix | None:
    return edits(Edit(key=("resources", "minutes"), do="set", value=value))


def job_time(study: Study, facts: Facts) -> Answer:
    """Does a job get the time that is asked for?"""
    asked, most = _setting(study, "minutes"), facts.limits.max_minutes if facts.limits else None
    case = study.resources.minutes
    if asked and case and case > asked and study.continues is None:
        said = f"a case may take {case:g} min, and a job has {asked:g}"
        return fail(said, "raise tapis.minutes, lower resources.minutes, or let cases go on: [continue]")
    if asked and most and asked > most:
        said = f"tapis.minutes is {asked:g}, and the queue gives {most:g}: jobs silently get that"
        fix = edits(Edit(key=("tapis", "minutes"), do="set", value=int(most)))
        return warn(said, f"say {most:g}, choose another queue, or let cases go on: [continue]", fix)
    return passed(f"a job has {min(asked or math.inf, most or math.inf):g} min" if asked or most else "")


def memory(study: Study, facts: Facts) -> Answer:
    """Is the limit of a case's memory above what cases use, and within what there is?"""
    limit, past = study.resources.memory_mb, facts.past
    known = past.cases >= LEAST_PAST and past.memory_bytes > 0
    there = _memory_there(study, facts)
    enough = enough_memory(past.memory_bytes)
    fix = edits(Edit(key=("resources", "memory"), do="set", value=as_size(enough))) if known else None
    used = f"{past.cases:,} cases used {size(past.memory_bytes)} at most"
    if limit is None:
        together = past.memory_bytes * _side_by_side(study, facts)
        if not known or not there or together <= there:
            return passed("a case has no limit")
        said = f"a case has no limit; {used}, and those side by side {size(together)} of {size(there)}"
        return warn(said, "say what a case needs: resources.memory bounds how many run at a time", fix)
    if there and limit * _MB > there:
        said = f"a case may use {limit:,} MB, and there are {size(there)}"
        return warn(said, "ask for no more than there is: it is silently cut to that", fix)
    if known and limit * _MB < past.memory_bytes:
        return warn(
            f"a case may use {limit:,} MB; {used}", "raise resources.memory, or cases are killed", fix
        )
    fewer = there and there // (limit * _MB) < _side_by_side(study, facts)
    if known and fewer and limit > enough and limit * _MB > WIDE_MEMORY * past.memory_bytes:
        said = f"a case may use {limit:,} MB, which bounds how many run at a time; {used}"
        return warn(said, "lower resources.memory: more cases run side by side", fix)
    return passed(f"a case may use {limit:,} MB; {used}" if known else f"a case may use {limit:,} MB")


def _memory_there(study: Study, facts: Facts) -> int:
    asked = _setting(study, "memory_mb")
    if facts.limits and facts.limits.memory_mb:
        return facts.limits.memory_mb * _MB
    return int(asked * _MB) if asked else facts.machine.memory_bytes if study.backend == "local" else 0


def _side_by_side(study: Study, facts: Facts) -> int:
    """Cases at a time by cores alone."""
    by_cores = node_cores(study, facts) // study.resources.cores
    return max(1, min(int(_setting(study, "slots") or by_cores), by_cores))


def cores(study: Study, facts: Facts) -> Answer:
    """Has a node the cores that a case asks for?"""
    asked, there = study.resources.cores, node_cores(study, facts)
    if not there or asked <= there:
        return passed(f"{asked} of {there} for each case" if there else f"{asked} for each case")
    said = f"a case asks for {asked} cores, and there are {there}"
    fix = edits(Edit(key=("resources", "cores"), do="set", value=there))
    return warn(said, "ask for no more than there are: the case is slower than it thinks", fix)


def threads(study: Study, facts: Facts) -> Answer:
    """Does a case start no more threads than it has cores?"""
    most = study.resources.cores
    wide = [(where, name, number) for where, name, number in _threads(study) if number > most]
    if not wide:
        return passed(f"{most} for each case")
    where, name, number = wide[0]
    said = f"{name} is {number} in {where}, and a case has {count(most, 'core')}"
    changes = [
        Edit(key=("model", "env", each), do="set", value=str(most))
        for place, each, _ in wide
        if place == "model.env"
    ]
    whole = len(changes) == len(wide)
    return warn(
        said,
        "give a case as many cores, or leave it out: it is then the case's cores",
        edits(*changes) if whole else None,
    )


def _threads(study: Study) -> Iterator[tuple[str, str, int]]:
    env = study.settings.get(study.backend, {}).get("env", {})
    said: list[tuple[str, str, str]] = [("model.env", name, text) for name, text in study.model.env.items()]
    said += [(f"{study.backend}.env", name, str(value)) for name, value in dict(env).items()]
    for where, text in (
        ("model.command", study.model.command),
        *(("model.setup", line) for line in study.model.setup),
    ):
        for word in words(text):
            name, equals, value = word.text.partition("=")
            if equals:
                said.append((where, name, value))
    for where, name, text in said:
        if name in THREADS and text.strip().isdigit():
            yield where, name, int(text)


def ranks(study: Study, facts: Facts) -> Answer:
    """Does a launcher of MPI stay within its case's slot?"""
    known = words(study.model.command)
    for place, word in enumerate(known):
        name = word.text.rpartition("/")[2]
        if word.part not in (Part.PROGRAM, Part.ARGUMENT) or name not in _LAUNCHERS:
            continue
        number = next(
            (
                int(value.text)
                for flag, value in zip(known[place:], known[place + 1 :], strict=False)
                if _RANKS.fullmatch(flag.text) and value.text.isdigit()
            ),
            0,
        )
        if number > study.resources.cores:
            said = f"`{name}` starts {number} ranks, and a case has {count(study.resources.cores, 'core')}"
            fix = edits(Edit(key=("resources", "cores"), do="set", value=number))
            return warn(said, "give a case as many cores as it has ranks", fix)
        if not number and name in _WHOLE_JOB:
            said = f"`{name}` takes all cores of the job, and cases run side by side"
            return warn(said, "say how many ranks a case has (-n), and give it as many cores")
    return passed()


def slots(study: Study, facts: Facts) -> Answer:
    """Do the cases at a time have the cores that they ask for?"""
    asked, there, each = _setting(study, "slots"), node_cores(study, facts), study.resources.cores
    if not asked or not there or asked * each <= there:
        return passed(f"{asked:g} at a time" if asked else "as many at a time as there are cores for")
    said = f"{asked:g} cases at a time with {count(each, 'core')} each, and a node has {there}"
    fix = edits(Edit(key=(study.backend, "slots"), do="remove"))
    return warn(said, f"leave {study.backend}.slots out: it follows from cores and memory", fix)


def node_cores(study: Study, facts: Facts) -> int:
    """Cores of a node that the study may use; 0 where nobody knows."""
    there = facts.machine.cores if study.backend == "local" else facts.cores
    said = int(_setting(study, "cores") or 0)
    return min(said, there) if said and there else said or there


def _setting(study: Study, name: str) -> float:
    """A number in the table of the backend that the study runs on; 0 where it is not given."""
    value: Any = study.settings.get(study.backend, {}).get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


ITEMS = (
    Item(
        id="wall-time",
        title="time of a case",
        rule=f"`resources.minutes` is below {NARROW:g} times what 95 % of {LEAST_PAST} or more earlier cases took; or, "
        f"on Tapis, {WIDE:g} times and {WIDE_MINUTES:g} minutes above that, or absent with no `tapis.minutes`.",
        look=wall_time,
        fixes=True,
    ),
    Item(
        id="job-time",
        title="time of a job",
        rule="`tapis.minutes` is more than the queue gives (WARN), or less than one case may take (FAIL).",
        look=job_time,
        verdicts=(Verdict.WARN, Verdict.FAIL),
        fixes=True,
    ),
    Item(
        id="memory",
        title="memory of a case",
        rule=f"`resources.memory` is below what one of {LEAST_PAST} or more earlier cases used, above what there is, "
        f"or {WIDE_MEMORY:g} times what they used where it bounds the cases at a time; or it is absent, and those "
        "at a time use more than there is.",
        look=memory,
        fixes=True,
    ),
    Item(
        id="cores",
        title="cores of a case",
        rule="`resources.cores` is more than a node has.",
        look=cores,
        fixes=True,
    ),
    Item(
        id="threads",
        title="threads of a case",
        rule=f"A thread count ({named(THREADS)}) is above `resources.cores`.",
        look=threads,
        fixes=True,
    ),
    Item(
        id="ranks",
        title="MPI within a slot",
        rule="The command starts more MPI ranks than a case has cores, or by a launcher that takes the whole job.",
        look=ranks,
        fixes=True,
    ),
    Item(
        id="slots",
        title="cases at a time",
        rule="`slots` cases at a time ask for more cores than a node has.",
        look=slots,
        fixes=True,
    ),
)
