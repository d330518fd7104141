"""The story of one case, job or step, or of a hold, in words: what happened, and what follows from it.

What happened is told by ``story.py``, from the journal alone. What follows (does it run again, and if not,
why) is asked here, of the same state and by the same rules as the plan asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from weft.core.books import STEPS, CaseState, JobState
from weft.core.events import AnyEvent
from weft.core.plan import retried, status_of
from weft.core.runs import Run, Runs
from weft.core.state import INTERRUPTIONS, State
from weft.core.story import PLAIN, Story, Words
from weft.errors import UsageError
from weft.model import RETRY_WORDS, Model, Outcome, Phase, Status, Study

AMBIGUOUS_SHOWN = 8
"""So many of the ids that a prefix fits are listed."""


def match(ids: Iterable[str], prefix: str) -> str:
    """The one id that is, or starts with, this text; the number at the end of a job's id will do, too.

    Raises:
        UsageError: none fits, or several do; they are listed.
    """
    known = list(ids)
    if prefix in known:
        return prefix
    fits = [each for each in known if prefix and each.startswith(prefix)]
    if not fits and prefix.isdigit():
        fits = [each for each in known if each.endswith(f"-{prefix.zfill(4)}")]
    if len(fits) == 1:
        return fits[0]
    if not fits:
        raise UsageError(
            f"there is no {prefix!r} here", hint="`weft results` lists the cases, `weft status` the jobs"
        )
    shown = ", ".join(fits[:AMBIGUOUS_SHOWN]) + (", …" if len(fits) > AMBIGUOUS_SHOWN else "")
    raise UsageError(f"{prefix!r} may mean {len(fits)} things: {shown}", hint="give one more letter of it")


def explain_case(
    events: Iterable[AnyEvent], case_id: str, study: Study | None = None, *, words: Words = PLAIN
) -> list[str]:
    """The whole story of a case, or of the step "before" or "after", as lines of text.

    Without the study, weft's own retry rule is supposed. UsageError if there is no such case.
    """
    story = Story(words, case_id=case_id)
    runs = story.hear(events)
    case = runs.state.cases.get(case_id) or runs.state.steps.get(case_id)
    if case is None:
        raise UsageError(f"there is no case {case_id!r}", hint="`weft results` lists the cases")
    study = study or _nameless(runs.state)
    step = case_id in STEPS.values()
    status = "retired" if case.retired else status_of(study, runs.state, case).value
    lines = [f"{'step' if step else 'case'} {case_id}: {status}"]
    lines += [f"  {_about(case_id, study, runs.params)}"]
    lines += [f"  {line}" for line in _verdict(case_id, case, study, runs)]
    lines += _outputs(case_id, runs.deciding(case_id), words)
    return [*lines, *story.told()]


def explain_job(events: Iterable[AnyEvent], job_id: str, *, words: Words = PLAIN) -> list[str]:
    """The whole story of a job as lines of text. UsageError if there is no such job."""
    story = Story(words, job_id=job_id)
    runs = story.hear(events)
    job = runs.state.jobs.get(job_id)
    if job is None:
        raise UsageError(f"there is no job {job_id!r}", hint="`weft status` lists the jobs")
    lines = [f"job {job_id}: {job.outcome.value if job.outcome else job.phase.value}"]
    lines += [f"  {line}" for line in _job_stands(job, story.outcomes)]
    lines += [f"  files: {words.place(job_id)}"]
    return [*lines, *story.told()]


def explain_study(
    events: Iterable[AnyEvent], study: Study | None = None, *, words: Words = PLAIN
) -> list[str]:
    """Why the study stands as it does: its hold, if it is held, and what led to that."""
    story = Story(words)
    state = story.hear(events).state
    study = study or _nameless(state)
    counts = dict.fromkeys(Status, 0)
    for _, case in state.present():
        counts[status_of(study, state, case)] += 1
    lines = [f"study {state.name}: {', '.join(f'{n:,} {status.value}' for status, n in counts.items() if n)}"]
    lines += [f"  {line}" for line in _hold(state)] or ["  nothing holds it back"]
    return [*lines, *story.told()]


def _nameless(state: State) -> Study:
    return Study(name=state.name, folder="", file="", model=Model(command=""))


# What follows


def _about(case_id: str, study: Study, params: dict[str, bytes]) -> str:
    step = {"before": study.before, "after": study.after}.get(case_id)
    if step is not None:
        return f"$ {step.command}"
    values = msgspec.json.decode(params.get(case_id, b"{}"))
    return "  ".join(f"{name}={value}" for name, value in values.items()) or "(no parameters)"


def _verdict(case_id: str, case: CaseState, study: Study, runs: Runs) -> Iterator[str]:
    """Does it run again, and why?"""
    state = runs.state
    last = runs.last(case_id)
    if case.retired:
        yield "the study file no longer has it; its record stays, and it does not run again"
        return
    status = status_of(study, state, case)
    if status is Status.DONE:
        yield _done(case_id, case, runs)
    elif status is Status.ACTIVE:
        job = state.jobs[case.job]
        yield f"it is in job {job.id}, which is {job.phase.value}"
    elif status is Status.WAITING:
        yield from _hold(state)
        yield _waits(case, study, state)
    else:
        again = (
            "`weft retry` runs it again"
            if case_id in STEPS.values()
            else f"`weft retry {case_id}` runs it again"
        )
        yield f"{_failed(case, study, last)}; {again}"


def _done(case_id: str, case: CaseState, runs: Runs) -> str:
    run = runs.deciding(case_id)
    by = f"job {run.job} finished it" if run else "it finished"
    if case.done == runs.state.revision:
        return f"{by}, for the present revision {case.done}: it does not run again"
    return f"{by}, for the older revision {case.done}, which you chose to keep: it does not run again"


def _waits(case: CaseState, study: Study, state: State) -> str:
    if state.hold is not None:
        return "it waits until the hold is lifted"
    if state.stopping:
        return "it waits, since the study was told to stop; `weft run` goes on with it"
    if case.last is None:
        return "it has not run yet; it goes out with one of the next jobs of `weft run`"
    if case.last is Outcome.FINISHED:
        return f"it runs again: its success is of revision {case.done}, and the study is at {state.revision}"
    if not case.runs:
        if case.interruptions:
            times = f"{case.interruptions} of {INTERRUPTIONS} times"
            return f"it runs again: it was interrupted ({times} that are borne), which spends no attempt"
        return "it runs again: it has a fresh set of attempts"
    more = {Outcome.TIMED_OUT: ", with more time", Outcome.OUT_OF_MEMORY: ", with more memory"}
    spent = f"{case.runs} of {study.retry.attempts} attempts are spent"
    return f"it runs again{more.get(case.last, '')}: {spent}, and {case.last.value} is retried"


def _failed(case: CaseState, study: Study, last: Run | None) -> str:
    if case.given_up:
        return "not run again, since you cancelled it"
    if case.interruptions >= INTERRUPTIONS:
        return f"not run again, since the site interrupted it {case.interruptions} times"
    how = _how(last) if last is not None else "failed"
    if (
        case.last is Outcome.OUT_OF_MEMORY
        and study.resources.memory_mb is None
        and case.last in study.retry.on
    ):
        return f"{how}: not retried, since [resources] memory sets no limit that could be raised"
    its_own = case.last not in (Outcome.INTERRUPTED, Outcome.CANCELLED)
    if case.last is not None and its_own and case.last not in retried(study):
        names = ", ".join(map(_retry_word, study.retry.on)) or "nothing"
        return (
            f"{how}: not retried, since [retry] on does not name {_retry_word(case.last)} (it names {names})"
        )
    return f"{how}: not retried, since {case.runs} of {study.retry.attempts} attempts are spent"


def _retry_word(outcome: Outcome) -> str:
    return next((word for word, meant in RETRY_WORDS.items() if meant is outcome), outcome.value)


def _how(run: Run) -> str:
    if run.outcome is Outcome.FAILED and run.exit:
        return f"failed with exit {run.exit}"
    return {
        Outcome.FAILED: "failed",
        Outcome.TIMED_OUT: "ran out of time",
        Outcome.OUT_OF_MEMORY: "ran out of memory",
        Outcome.INTERRUPTED: "was interrupted",
        Outcome.CANCELLED: "was cancelled",
    }.get(run.outcome, run.outcome.value)


def _hold(state: State) -> list[str]:
    if state.hold is None:
        return []
    return [
        f"the study is held: {state.hold.why}",
        *([f"hint: {state.hold.hint}"] if state.hold.hint else []),
    ]


def _outputs(case_id: str, run: Run | None, words: Words) -> list[str]:
    if run is None:
        return []
    if not run.kept:
        return ["  outputs: none were archived"]
    files = "1 file" if run.kept == 1 else f"{run.kept:,} files"
    return [f"  outputs: {files} in {words.place(run.job)}; `weft fetch {case_id}` takes them out"]


def _job_stands(job: JobState, outcomes: dict[str, int]) -> Iterator[str]:
    recorded = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()) or "none"
    yield f"cases: {len(job.cases):,}; with a record: {recorded}"
    if job.why:
        yield f"why: {job.why}"
    if job.phase is Phase.ENDED:
        return
    if job.cancel_asked:
        yield "it is being stopped"
    elif job.orphaned:
        yield "its runner is dead, but processes that it started live: they are stopped first"
    elif job.unseen:
        yield f"{job.unseen} answers in a row did not have it; that alone is no evidence of an end"
