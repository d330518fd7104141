"""What a run would do now: which cases are new, what must be asked first, and the first jobs.

Pure: the study as it stands is compared with the books. A run starts with the same comparison and then acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct, structs

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.packing import at_most
from weft.core.plan import upcoming
from weft.core.shapes import Ways
from weft.core.state import State
from weft.core.summary import summarize
from weft.model import Bundle, Case, Charge, Limits, Study

_CASES_PER_EVENT = 1000


class Question(Struct, frozen=True, kw_only=True):
    """What only the user can decide: older results exist, and the study would now compute something else."""

    changed: tuple[str, ...]
    """What changed: paths of inputs, or "the command, set-up or environment"."""
    results: int
    """Cases whose results are of another revision."""
    choices: tuple[str, ...] = ("rerun", "keep")


class Planned(Struct, frozen=True, kw_only=True):
    """What a run would do now."""

    total: int
    new: tuple[str, ...]
    """Ids of the cases that the books do not have yet."""
    retired: int
    """Cases in the books that the study no longer has."""
    todo: int
    done: int
    failed: int
    revision: str
    question: Question | None
    hold: str
    """Why nothing would be submitted, if the study is held."""
    bundles: tuple[Bundle, ...]
    """The jobs that would be submitted, steps included, as far as can be told before any has run."""
    eta_s: float | None
    node_hours: float | None = None
    su: float | None = None
    """What the site charges at most: if every job runs for as long as it asks for; None where nothing is charged."""
    ways: Ways | None = None
    """The ways to pack, what each would take and cost, and which one is taken; None where nobody can tell."""
    notes: tuple[str, ...] = ()
    """What the backend has to say: what it cannot do, what will soon stand in the way."""


def extension(state: State, cases: Mapping[str, Case], now: float) -> list[AnyEvent]:
    """The facts that bring the books in line with the study's present cases."""
    known = state.cases
    fresh = [case for case_id, case in cases.items() if case_id not in known or known[case_id].retired]
    gone = [case_id for case_id, _ in state.present() if case_id not in cases]
    encode = msgspec.json.Encoder().encode
    facts: list[AnyEvent] = []
    for start in range(0, len(fresh), _CASES_PER_EVENT):
        part = fresh[start : start + _CASES_PER_EVENT]
        params = [msgspec.Raw(encode(case.params)) for case in part]
        facts.append(ev.CasesAdded(at=now, ids=[case.id for case in part], params=params))
    return [*facts, ev.CasesRetired(at=now, ids=gone)] if gone else facts


def question(state: State, now: ev.StudyRecorded) -> Question | None:
    """What must be decided before anything runs, if anything."""
    before = state.recorded
    if before is None or before.revision == now.revision:
        return None
    results = sum(case.done not in ("", now.revision) for _, case in state.present())
    if not results:
        return None
    paths = sorted({*before.digests, *now.digests})
    changed = [path for path in paths if before.digests.get(path) != now.digests.get(path)]
    return Question(changed=tuple(changed or ["the command, set-up or environment"]), results=results)


def forecast(
    study: Study, cases: Mapping[str, Case], state: State, now: ev.StudyRecorded, limits: Limits
) -> Planned:
    """What a run would do; ``state`` is used up by looking ahead in it."""
    new = tuple(case_id for case_id in cases if case_id not in state.cases)
    asked = question(state, now)
    state.apply_all([now, *extension(state, cases, now.at)])
    bundles = upcoming(study, state, limits)
    counts = summarize(study, state, limits)
    hours, su = at_most(bundles, limits.charge)
    return Planned(
        total=len(cases),
        new=new,
        retired=counts.retired,
        todo=counts.waiting + counts.active,
        done=counts.done,
        failed=counts.failed,
        revision=now.revision,
        question=asked,
        hold=counts.hold,
        bundles=tuple(bundles),
        node_hours=hours,
        su=su,
        eta_s=counts.eta_s,
    )


def as_chosen(planned: Planned, ways: Ways | None, charge: Charge | None) -> Planned:
    """The same with the jobs of the way to pack that is taken."""
    if ways is None:
        return planned
    hours, su = at_most(ways.chosen.bundles, charge)
    return structs.replace(planned, ways=ways, bundles=ways.chosen.bundles, node_hours=hours, su=su)
