"""State to actions: what to do next.

Everything about retrying, giving up, calling a job lost and holding back lives here. ``plan`` looks at the whole
state each time and remembers nothing, so a controller that crashed plans the same as one that did not. Three rules
keep weft's promise that no job is submitted twice and no case runs while an earlier run of it lives:

* a job whose submission went unanswered is submitted again only when the backend has not known our id for all of
  ``settle``, counted from the first time that it was asked: the submission may have left as late as that;
* absence from answers is not an end: a job is closed as lost only after several answers over enough time, after
  a cancel was accepted and has had time to work, and after its records were looked for;
* a case belongs to at most one live job (``state.py`` refuses a plan that would break this).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from weft.core.books import STEPS, CaseState, JobState
from weft.core.packing import job_minutes, memory_for, minutes_for, pack, spread, usual_seconds, within
from weft.core.state import State
from weft.model import Bundle, Kind, Limits, Outcome, Phase, Resources, Status, Study

REFUSALS = 3
"""Refusals in a row after which the study is held."""
FRUITLESS = 3
"""Jobs in a row that the site ended before any case left a record, after which the study is held."""


class Submit(Struct, frozen=True):
    """Plan a new job for this bundle (``job`` empty), or send one that was planned and is not there yet."""

    bundle: Bundle
    job: str = ""


class Find(Struct, frozen=True):
    """Ask the backend for our id: the submission got no answer."""

    job: str


class Collect(Struct, frozen=True):
    """The job is over: read all that its node recorded, then close it."""

    job: str


class Cancel(Struct, frozen=True):
    """Ask the backend to stop the job."""

    job: str


class CloseAsLost(Struct, frozen=True):
    """Read what records there are and close the job: it is not there any more, and cannot come back."""

    job: str
    outcome: Outcome
    why: str


class Hold(Struct, frozen=True):
    """Stop submitting until the user has looked; ``cancel`` stops what runs, too."""

    why: str
    hint: str
    cancel: bool = False


Action = Submit | Find | Collect | Cancel | CloseAsLost | Hold


def plan(study: Study, state: State, limits: Limits, now: float) -> list[Action]:
    """All that should be done now, in order; empty while there is only waiting to do."""
    actions: list[Action] = []
    limits = within(limits, state.predicted)
    hold = _reason_to_hold(study, state)
    if hold is not None:
        actions.append(hold)
    holding = state.hold is not None or hold is not None
    for job in state.live.values():
        actions += _for_job(job, state, limits, now)
    if not holding and not state.stopping and _may_submit(state, limits, now):
        room = limits.max_jobs - len(state.live)
        actions += [Submit(bundle) for bundle in _new_bundles(study, state, limits, room)]
    return actions


def settled(study: Study, state: State) -> bool:
    """Is there nothing left to do or to wait for (held and stopped studies included)?"""
    if state.live:
        return False
    if state.stopping or state.hold is not None:
        return True
    return _next_work(study, state) is None


def retried(study: Study) -> frozenset[Outcome]:
    """The outcomes after which a case may run again by itself."""
    kept = set(study.retry.on)
    if study.resources.memory_mb is None:
        # Without an enforced limit there is nothing to raise: the case would only meet the same end.
        kept.discard(Outcome.OUT_OF_MEMORY)
    return frozenset(kept)


def status_of(study: Study, state: State, case: CaseState) -> Status:
    """How the case stands under this study's retry rule."""
    return state.status(case, study.retry.attempts, retried(study))


# One live job


def _for_job(job: JobState, state: State, limits: Limits, now: float) -> Iterator[Action]:
    if job.gone is not None:
        yield Collect(job.id)
    elif not job.native:
        yield from _unsubmitted(job, state, limits, now)
    elif job.unseen >= limits.lost_answers and now - job.unseen_since >= limits.lost_after:
        yield from _lost(job, limits, now)
    elif (job.cancel_asked or job.orphaned) and now - job.cancel_sent_at >= limits.cancel_again:
        yield Cancel(job.id)


def _unsubmitted(job: JobState, state: State, limits: Limits, now: float) -> Iterator[Action]:
    """The job is planned and has no native id: never sent, or sent without an answer."""
    outdated = job.revision != state.revision or any(_is_retired(state, case_id) for case_id in job.cases)
    unwanted = outdated or job.cancel_asked or state.stopping or state.hold is not None
    if not job.sent_at:
        if unwanted:
            yield CloseAsLost(job.id, Outcome.CANCELLED, "it was never submitted")
        else:
            yield Submit(_bundle(job), job.id)
    elif not job.not_found_since or job.not_found_at < job.not_found_since + limits.settle:
        yield Find(job.id)
    elif unwanted:
        yield CloseAsLost(job.id, Outcome.CANCELLED, "its submission never arrived")
    else:
        yield Submit(_bundle(job), job.id)


def _is_retired(state: State, case_id: str) -> bool:
    case = state.cases.get(case_id)
    return case is not None and case.retired


def _lost(job: JobState, limits: Limits, now: float) -> Iterator[Action]:
    """Absent for long enough to doubt that it lives: make sure that it does not, then close it."""
    if job.cancel_sent_at < job.unseen_since:
        yield Cancel(job.id)
    elif now - job.cancel_sent_at >= limits.settle:
        outcome = Outcome.CANCELLED if job.cancel_asked else Outcome.LOST
        yield CloseAsLost(job.id, outcome, f"not seen in {job.unseen} answers, and cancelled to be sure")


def _bundle(job: JobState) -> Bundle:
    return Bundle(
        cases=job.cases,
        kind=job.kind,
        cores=job.cores,
        memory_mb=job.memory_mb,
        minutes=job.minutes,
        slots=job.slots,
    )


# Holding


def _reason_to_hold(study: Study, state: State) -> Hold | None:
    if state.hold is not None:
        return None
    stop_after = study.retry.stop_after
    all_failed = state.first_failures >= stop_after and not state.any_success
    if stop_after and all_failed and _work_left(study, state):
        return Hold(
            f"the first {state.first_failures} cases all failed",
            "see `weft results` and `weft explain CASE` for the reason; then `weft retry`, or raise retry.stop_after",
            cancel=True,
        )
    if state.refusals >= REFUSALS:
        return Hold(
            f"the backend refused {state.refusals} jobs in a row: {_last_why(state)}",
            "mend what it complains of, then `weft retry`",
        )
    return _cancelled(state) or _fruitless(study, state) or _failed_step(study, state)


def _cancelled(state: State) -> Hold | None:
    """Who cancels a job by other means than weft does not want it started again at once."""
    if not state.cancelled:
        return None
    return Hold(
        f"job {state.cancelled} was cancelled, and not by weft",
        "`weft retry` goes on with what is left; `weft cancel CASE` gives one up",
    )


def _work_left(study: Study, state: State) -> bool:
    """Is there a case yet to end? If not, holding back would save nothing."""
    return (
        any(job.recorded < len(job.cases) for job in state.live.values())
        or next(waiting(study, state), None) is not None
    )


def _fruitless(study: Study, state: State) -> Hold | None:
    """Jobs that end before a case has run will do so again, unless the site ended them."""
    if not state.fruitless or not _work_left(study, state):
        return None
    last = next(job for job in reversed(state.jobs.values()) if job.outcome is not None)
    if last.outcome in (Outcome.FAILED, Outcome.FINISHED) or state.fruitless >= FRUITLESS:
        ended = f"job {last.id} ended {last.outcome.value if last.outcome else ''} before any case ran"
        return Hold(
            f"{ended}: {last.why}" if last.why else ended, f"see `weft explain {last.id}`; then `weft retry`"
        )
    return None


def _failed_step(study: Study, state: State) -> Hold | None:
    for name, step in (("before", study.before), ("after", study.after)):
        if step is not None and status_of(study, state, state.steps[name]) is Status.FAILED:
            return Hold(
                f"the step {name!r} failed",
                f"see `weft explain {name}` for its last words; mend it, then `weft retry`",
            )
    return None


def _last_why(state: State) -> str:
    return next((job.why for job in reversed(state.jobs.values()) if job.outcome is Outcome.REFUSED), "")


# New work


def _may_submit(state: State, limits: Limits, now: float) -> bool:
    if len(state.live) >= limits.max_jobs:
        return False
    pause = limits.backoff * 2 ** (state.refusals - 1) if state.refusals else 0.0
    return now - state.refused_at >= pause


def _next_work(study: Study, state: State) -> Kind | None:
    """What kind of job is due, supposing that none is live."""
    if step_due(study, state, Kind.BEFORE):
        return Kind.BEFORE
    if next(waiting(study, state), None) is not None:
        return Kind.CASES
    return Kind.AFTER if step_due(study, state, Kind.AFTER) else None


def _new_bundles(study: Study, state: State, limits: Limits, room: int) -> list[Bundle]:
    work = _next_work(study, state)
    if work is Kind.CASES:
        return _case_bundles(study, state, limits, room)
    if work is None or state.live:
        return []  # the step after waits until the last job has ended, the step before is alone by nature
    return [step_bundle(study, work, state, limits)]


def step_due(study: Study, state: State, kind: Kind) -> bool:
    """Is this step to be run, as things stand (the step after: once the cases have ended)?"""
    if kind is Kind.BEFORE:
        return study.before is not None and not state.counts(state.steps["before"])
    return study.after is not None and (state.fresh or not state.counts(state.steps["after"]))


def step_bundle(study: Study, kind: Kind, state: State, limits: Limits) -> Bundle:
    """The one-case bundle of a step."""
    needs, known = job_resources(study, kind), state.steps[STEPS[kind]]
    return Bundle(
        cases=(STEPS[kind],),
        kind=kind,
        cores=needs.cores,
        memory_mb=memory_for(known, needs, limits),
        minutes=job_minutes(1, minutes_for(known, needs, limits) or 0.0, limits),
        slots=1,
    )


def _case_bundles(study: Study, state: State, limits: Limits, room: int) -> list[Bundle]:
    if any(job.kind in (Kind.BEFORE, Kind.PILOT) for job in state.live.values()):
        return []  # what the step before left is yet to be fetched; the rest is packed by what the pilot teaches
    due = list(waiting(study, state))
    needs = study.resources
    if state.pilot and len(due) > state.pilot:
        chosen = set(spread([case_id for case_id, _ in due], state.pilot))
        due = [(case_id, case) for case_id, case in due if case_id in chosen]
        return pack(due, needs, limits, kind=Kind.PILOT)
    # A case that goes on in the next job takes all the time it is given: what its runs lasted foretells nothing.
    seconds = None if study.continues else usual_seconds(case for _, case in state.present())
    return pack(due, needs, limits, jobs=room, seconds=seconds)


def upcoming(study: Study, state: State, limits: Limits) -> list[Bundle]:
    """The jobs that are still to be submitted, steps included, as far as can be told before any of them has run."""
    due = list(waiting(study, state))
    before = [Kind.BEFORE] if step_due(study, state, Kind.BEFORE) else []
    after = [Kind.AFTER] if study.after and (due or before or step_due(study, state, Kind.AFTER)) else []
    return [
        *(step_bundle(study, kind, state, limits) for kind in before),
        *_in_rounds(study, state, limits, due),
        *(step_bundle(study, kind, state, limits) for kind in after),
    ]


def _in_rounds(
    study: Study, state: State, limits: Limits, due: list[tuple[str, CaseState]]
) -> Iterator[Bundle]:
    """What does not fit into the jobs that may be live at once is packed when one of them is over."""
    seconds = None if study.continues else usual_seconds(case for _, case in state.present())
    jobs = max(1, limits.max_jobs)
    while due:
        bundles = pack(due, study.resources, limits, jobs=jobs, seconds=seconds)
        yield from bundles
        packed = {case_id for bundle in bundles for case_id in bundle.cases}
        due = [(case_id, case) for case_id, case in due if case_id not in packed]
        jobs = max(jobs, -(-len(due) // max(len(bundle.cases) for bundle in bundles)))


def waiting(study: Study, state: State) -> Iterator[tuple[str, CaseState]]:
    """The cases that are to run and belong to no job, in order; what one goes on from is brought when its job ends."""
    attempts, outcomes = study.retry.attempts, retried(study)
    for case_id, case in state.present():
        if state.status(case, attempts, outcomes) is Status.WAITING and case.carry not in state.live:
            yield case_id, case


def job_resources(study: Study, kind: Kind) -> Resources:
    """What one case of such a job may use: the study's, or the step's own."""
    if kind is Kind.BEFORE and study.before is not None:
        return study.before.resources
    if kind is Kind.AFTER and study.after is not None:
        return study.after.resources
    return study.resources


def ready_phase(job: JobState) -> bool:
    """May the job be looked at: is it known to exist and not known to be over?"""
    return bool(job.native) and job.gone is None and job.phase is not Phase.ENDED
