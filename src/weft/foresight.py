"""Foretelling what a run will take, from the study, its journal and the user's history, before anything is sent."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from weft.backends.base import Backend
from weft.core import events as ev
from weft.core.events import Allotment, AnyEvent
from weft.core.experience import Experience, experience
from weft.core.packing import at_most
from weft.core.plan import Action, Submit, upcoming
from weft.core.shapes import Ways, predicted, ways
from weft.core.state import State
from weft.errors import CheckFailed, WeftError
from weft.model import Bundle, Kind, Limits, Study


class Foresight:
    """Foretells a run once: before its first job, or after its pilot, which tells how long a case takes."""

    def __init__(self, study: Study, backend: Backend, warnings: list[str]) -> None:
        self._study, self._backend, self._warnings = study, backend, warnings
        self._piloted = False
        """Jobs of a pilot have gone ahead."""
        self._told = False

    def __call__(self, state: State, actions: Sequence[Action]) -> AnyEvent | None:
        """The prediction, if jobs are about to be planned and there is one; a guess that a plan does not show is none.

        What may cost too much is held. Where no job is under way, nor a pilot was, it is refused instead: raises
        CheckFailed.
        """
        new = [action.bundle for action in actions if isinstance(action, Submit) and not action.job]
        if self._told or not new:
            return None
        if new[0].kind is Kind.PILOT or (new[0].kind is Kind.BEFORE and state.pilot):
            hold = None if self._piloted else self._too_dear(state, None, new)
            self._piloted = True
            return hold
        self._told = True
        found = foresee(self._study, state, self._backend, self._warnings)
        if hold := self._too_dear(state, found, found.chosen.bundles if found else None):
            return hold
        return predicted(found, time.time()) if found is not None and found.told else None

    def _too_dear(self, state: State, found: Ways | None, bundles: Sequence[Bundle] | None) -> ev.Held | None:
        """A hold, or a refusal, if these may cost too much; None: all that is to come, not only what is sent now."""
        if self._study.max_su is None:
            return None
        limits = self._backend.limits
        try:
            check_cost(self._study, found, bundles or upcoming(self._study, state, limits), limits)
        except CheckFailed as problem:
            if not state.live and not self._piloted:
                raise
            return ev.Held(at=time.time(), why=problem.what, hint=f"{problem.hint}; then `weft retry`")
        return None


def foresee(study: Study, state: State, backend: Backend, warnings: list[str]) -> Ways | None:
    """The ways to run what is left, with what each will take; None where there is nothing to go by.

    To the warnings is added why the user's history could not be read.
    """
    given = backend.given
    limits = backend.limits
    learnt, warning = remembered(given, limits)
    warnings += [warning] if warning else []
    return ways(study, state, limits, learnt, given, bytes_in=_bytes_in(study))


def remembered(given: Allotment, limits: Limits) -> tuple[Experience, str]:
    """What the user's history teaches of such jobs; nothing, and why, where it cannot be read.

    Raises nothing, waits for no more than a moment, and changes nothing.
    """
    from weft.store.history import WHEN_FORETELLING, History, in_short

    app, system, queue = given.app, given.system, given.queue
    so = "so the prediction does without it"
    try:
        with History(patience=WHEN_FORETELLING, mends=False) as history:
            if not history.knows(app=app, system=system, queue=queue):
                return Experience(), ""
            jobs = history.jobs(app=app, system=system, queue=queue)
        return experience(jobs, (app, system, queue), limits), ""
    except WeftError as problem:
        return Experience(), in_short(problem, so)
    except Exception as error:  # a run needs no history: not even a fault of ours in reading it may stop one
        return Experience(), f"the history of jobs cannot be read, {so}: {type(error).__name__}: {error}"


def check_cost(study: Study, found: Ways | None, bundles: Sequence[Bundle], limits: Limits) -> None:
    """Refuse what would cost more than the study allows; raises CheckFailed, which names the cheapest way."""
    if study.max_su is None or limits.charge is None:
        return
    where = f"{study.file or 'Study(...)'}: at most {study.max_su:g} SU"
    if limits.charge.rate is None:
        raise CheckFailed(
            "nobody knows what a node-hour costs in this queue",
            where=where,
            hint="leave out --max-su (and run.max_su)",
        )
    cost = found.chosen.forecast.su if found else None
    most = cost[2] if cost else at_most(bundles, limits.charge)[1] or 0.0
    if most <= study.max_su:
        return
    cheapest = found.cheapest if found else None
    hint = "give fewer cases, or allow more with --max-su"
    if cheapest and found and cheapest.forecast.su:
        jobs = min(cheapest.at_once, cheapest.jobs)
        least = f"the cheapest way ({jobs:,} at once) costs up to {cheapest.forecast.su[2]:,.2f} SU"
        hint = f"{least}: --cheapest takes it" if cheapest is not found.chosen else f"{least}: {hint}"
    raise CheckFailed(f"this run may cost {most:,.2f} SU", where=where, hint=hint)


def without_effect(study: Study, limits: Limits) -> str:
    """What to say of a limit on service units where there are none; empty otherwise."""
    if study.max_su is None or limits.charge is not None:
        return ""
    return f"--max-su has no effect: nothing is charged on {study.backend}"


def _bytes_in(study: Study) -> int:
    """What every bundle holds of the study's own files; a missing one is for others to complain of."""
    total = 0
    for name in (*study.model.inputs, *study.model.templates):
        with contextlib.suppress(OSError):
            total += Path(study.folder, name).stat().st_size
    return total
