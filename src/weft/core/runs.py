"""Which run of a case counts: events to the one run that tells what the case gave.

Everything about that choice lives here; the results table and the reading of outputs both start from it. A
success that counts (of the present revision, or of one the user kept) wins over whatever was tried later;
else it is the last run. A run that was cut off by its job's end counts as one too, without a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from weft.core import events as ev
from weft.core.books import CaseState
from weft.core.events import AnyEvent
from weft.core.state import State
from weft.model import Outcome


class Run(Struct, frozen=True, gc=False):
    """One run of one case; seconds and bytes, as the node measured them."""

    job: str
    number: int
    """How many runs of the case there were up to this one."""
    outcome: Outcome
    exit: int | None = None
    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    kept: int = 0
    """Files that the runner archived."""
    why: str = ""
    result: bytes = b""
    """JSON object of what the case measured; empty if there is none."""


class Runs:
    """The state, and for each case its parameters and the runs that may count."""

    def __init__(self) -> None:
        self.state = State()
        self.params: dict[str, bytes] = {}
        """The parameters of each case as JSON, also of retired ones."""
        self._last: dict[str, Run] = {}
        self._success: dict[str, Run] = {}
        """The last success, where something else was tried after it."""

    def take_all(self, facts: Iterable[AnyEvent]) -> None:
        """Take in facts in order; IllegalEvent as ``State.apply`` raises it."""
        apply = self.state.apply
        for event in facts:
            take = _TAKES.get(type(event))
            if take is not None:
                take(self, event)  # first: whether it is news is asked of the state before it
            apply(event)

    def last(self, case_id: str) -> Run | None:
        """The case's last run."""
        return self._last.get(case_id)

    def last_job(self, case_id: str) -> str:
        """The job of the case's last run; empty if it never ran."""
        last = self._last.get(case_id)
        return last.job if last is not None else ""

    def count(self, case_id: str) -> int:
        """How often the case has run."""
        last = self._last.get(case_id)
        return last.number if last is not None else 0

    def deciding(self, case_id: str) -> Run | None:
        """The run that counts; None for a case that never ran."""
        case = self.state.cases.get(case_id) or self.state.steps.get(case_id)
        if case is not None and self.state.counts(case) and case_id in self._success:
            return self._success[case_id]
        return self._last.get(case_id)

    def cases(self, *, retired: bool = False) -> Iterator[tuple[str, CaseState]]:
        """The cases that the study has now, or all that it ever had, in the order in which it got them."""
        return iter(self.state.cases.items()) if retired else self.state.present()

    def _cases_added(self, event: ev.CasesAdded) -> None:
        for case_id, params in zip(event.ids, event.params, strict=True):
            self.params[case_id] = bytes(params)

    def _case_ended(self, event: ev.CaseEnded) -> None:
        job = self.state.jobs.get(event.job)
        if job is None or not self.state.is_news(event):
            return
        result = bytes(event.result)
        run = Run(
            job=job.id,  # one string for all cases of the job
            number=self._number(event.case, job.id),
            outcome=event.outcome,
            exit=event.exit,
            wall=event.wall,
            cpu=event.cpu,
            memory=event.memory,
            kept=event.kept,
            why=event.why,
            result=b"" if result == b"{}" else result,
        )
        self._put(event.case, run)

    def _job_ended(self, event: ev.JobEnded) -> None:
        job = self.state.jobs.get(event.job)
        for case_id in [*event.failed, *event.in_flight]:
            if job is not None and self.state.is_open(job, case_id) and self.last_job(case_id) != job.id:
                to_blame = case_id in event.failed
                why = (
                    event.why if to_blame else f"it was running when job {job.id} ended {event.outcome.value}"
                )
                outcome = Outcome.FAILED if to_blame else Outcome.INTERRUPTED
                self._put(case_id, Run(job.id, self._number(case_id, job.id), outcome, why=why))

    def _number(self, case_id: str, job: str) -> int:
        before = self._last.get(case_id)
        if before is None:
            return 1
        return before.number if before.job == job else before.number + 1

    def _put(self, case_id: str, run: Run) -> None:
        before = self._last.get(case_id)
        if run.outcome is Outcome.FINISHED:
            self._success.pop(case_id, None)
        elif before is not None and before.outcome is Outcome.FINISHED:
            self._success[case_id] = before
        self._last[case_id] = run


_TAKES: dict[type, Callable[[Runs, Any], None]] = {
    ev.CaseEnded: Runs._case_ended,
    ev.JobEnded: Runs._job_ended,
    ev.CasesAdded: Runs._cases_added,
}
