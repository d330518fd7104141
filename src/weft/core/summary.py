"""How a study stands, in one value: what ``weft status`` and every progress line show."""

from __future__ import annotations

from msgspec import Struct

from weft.core.packing import usual_seconds
from weft.core.plan import status_of
from weft.core.state import State
from weft.model import Kind, Limits, Outcome, Status, Study


class Summary(Struct, frozen=True, kw_only=True):
    """Counts of the present cases by status, the jobs, and what stands in the way."""

    name: str
    backend: str
    revision: str
    waiting: int = 0
    active: int = 0
    done: int = 0
    failed: int = 0
    retired: int = 0
    jobs_live: tuple[str, ...] = ()
    jobs_ended: int = 0
    hold: str = ""
    hold_hint: str = ""
    stopping: bool = False
    running_by: str = ""
    settled: bool = False
    complaints: tuple[str, ...] = ()
    """What went wrong with jobs, apart from their cases: a finish command that failed, and the like."""
    notes: tuple[str, ...] = ()
    """What the backend has to say of itself."""
    warnings: tuple[str, ...] = ()
    """What went wrong beside the study: notices that could not be given, a history that could not be read."""
    eta_s: float | None = None
    """Seconds until the last case ends, supposing that they go on as they did; None before the first has ended."""

    @property
    def total(self) -> int:
        return self.waiting + self.active + self.done + self.failed


def summarize(
    study: Study, state: State, limits: Limits | None = None, *, running_by: str = "", settled: bool = False
) -> Summary:
    """Count the cases; one walk over them."""
    counts = dict.fromkeys(Status, 0)
    for _, case in state.present():
        counts[status_of(study, state, case)] += 1
    left = counts[Status.WAITING] + counts[Status.ACTIVE]
    return Summary(
        name=study.name,
        backend=study.backend,
        revision=state.revision,
        waiting=counts[Status.WAITING],
        active=counts[Status.ACTIVE],
        done=counts[Status.DONE],
        failed=counts[Status.FAILED],
        retired=sum(case.retired for case in state.cases.values()),
        jobs_live=tuple(state.live),
        jobs_ended=len(state.jobs) - len(state.live),
        hold=state.hold.why if state.hold else "",
        hold_hint=state.hold.hint if state.hold else "",
        stopping=state.stopping,
        running_by=running_by,
        settled=settled,
        complaints=tuple(
            f"job {job.id}: {job.why}"
            for job in state.jobs.values()
            if job.outcome in (Outcome.FAILED, Outcome.FINISHED)
            and job.why
            and job.recorded
            and job.kind in (Kind.CASES, Kind.PILOT)
        ),
        eta_s=_eta(state, left, limits),
    )


def _eta(state: State, left: int, limits: Limits | None) -> float | None:
    if not left:
        return 0.0
    usual = usual_seconds(case for _, case in state.present())
    if usual is None:
        return None
    slots = sum(job.slots or 0 for job in state.live.values()) or (limits.slots if limits else None) or 1
    return usual * left / slots
