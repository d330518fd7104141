"""Events as lines of a story: what happened to one case, one job or the study, in words and in order.

How a moment, a duration and a size look, and where a job's files lie, is for the caller to say (``Words``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from msgspec import Struct

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.runs import Runs
from weft.model import Kind, Outcome, Phase

NAMES_SHOWN = 6


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


class Words(Struct, frozen=True):
    """How the story writes a moment, a duration, a size in bytes, and where a job's files lie."""

    when: Callable[[float], str] = _utc
    lasting: Callable[[float], str] = lambda seconds: f"{seconds:.1f} s"
    size: Callable[[float], str] = lambda count: f"{count / 1e6:.1f} MB"
    place: Callable[[str], str] = lambda job: f"jobs/{job}"


PLAIN = Words()


class Story:
    """Hears every fact, and keeps as lines those about one case, one job, or the study as a whole."""

    def __init__(self, words: Words, *, case_id: str = "", job_id: str = "") -> None:
        self.words, self.case_id = words, case_id
        self.jobs = {job_id} if job_id else set()
        self.of_job = bool(job_id)
        self.outcomes: dict[str, int] = {}
        self._lines: list[tuple[float, str]] = []
        self._revision = ""
        self._phase: dict[str, Phase] = {}

    def hear(self, events: Iterable[AnyEvent]) -> Runs:
        """Take in all facts; returns the state and the runs that follow from them."""
        runs = Runs()
        runs.take_all(self._listening(events))
        return runs

    def told(self) -> list[str]:
        """The story, each line with the time since the first."""
        if not self._lines:
            return []
        start = min(at for at, _ in self._lines)
        lines = ["", f"story, from {self.words.when(start)}"]
        for at, text in sorted(self._lines, key=lambda line: line[0]):
            first, *rest = text.split("\n")
            lines.append(f"  {'+' + self.words.lasting(at - start):>12}  {first}")
            lines += [f"{'':16}{line}" for line in rest]
        return lines

    def _listening(self, events: Iterable[AnyEvent]) -> Iterator[AnyEvent]:
        for event in events:
            tell = _TELLERS.get(type(event))
            text = tell(self, event) if tell is not None else None
            if text:
                self._lines.append((event.at, text))
            yield event

    # Facts about the study

    def added(self, event: ev.CasesAdded) -> str | None:
        if self.case_id:
            return "the study has it from here on" if self.case_id in event.ids else None
        return None if self.of_job else f"{_counted(len(event.ids), 'case')} added"

    def retired(self, event: ev.CasesRetired) -> str | None:
        if self.case_id:
            return "the study file no longer has it" if self.case_id in event.ids else None
        return None if self.of_job else f"{len(event.ids):,} cases are no longer in the study file"

    def recorded(self, event: ev.StudyRecorded) -> str | None:
        before, self._revision = self._revision, event.revision
        if self.of_job or before in ("", event.revision):
            return None
        changed = f"the study changed: revision {event.revision} (it was {before})"
        return (
            f"{changed}; you chose to keep the results of {', '.join(event.kept)}" if event.kept else changed
        )

    def cancel_asked(self, event: ev.CancelAsked) -> str | None:
        if event.everything:
            return "you asked to stop all jobs"
        if self.case_id and self.case_id in event.cases:
            return "you cancelled it"
        hit = sorted(self.jobs.intersection(event.jobs))
        return f"you cancelled job {', '.join(hit)}" if hit else None

    def retry_asked(self, event: ev.RetryAsked) -> str | None:
        if self.of_job or (event.cases and self.case_id not in event.cases):
            return None
        return "`weft retry` asked for: failed cases get a fresh set of attempts"

    def held(self, event: ev.Held) -> str | None:
        return None if self.of_job else f"the study is held: {event.why}"

    def predicted(self, event: ev.Predicted) -> str | None:
        if self.case_id or self.of_job:
            return None
        least, likely, most = (self.words.lasting(seconds) for seconds in event.wall_s)
        cost = f", about {event.su[1]:,.2f} SU" if event.su else ""
        what = f"{_counted(event.jobs, 'job')}, {min(event.at_once, event.jobs):,} at once ({event.choice})"
        return f"foretold: {least} to {most}, most likely {likely}{cost}, with {what}"

    # Facts about jobs

    def planned(self, event: ev.JobPlanned) -> str | None:
        # A step's id is no case's, so this takes steps, too.
        if self.case_id and self.case_id in event.cases:
            self.jobs.add(event.job)
        if event.job not in self.jobs:
            return None
        kind = {Kind.CASES: "", Kind.PILOT: " of a pilot"}.get(
            event.kind, f" for the step {event.kind.value}"
        )
        asks = [f"{event.cores} cores each"] if event.cores > 1 else []
        asks += [f"{event.memory_mb:,} MB each"] if event.memory_mb is not None else []
        asks += [f"{event.minutes:g} min"] if event.minutes is not None else []
        cases = "1 case" if len(event.cases) == 1 else f"{len(event.cases):,} cases"
        what = ", ".join([cases, *asks, f"revision {event.revision}"])
        return f"job {event.job}{kind} planned on {event.backend}: {what}"

    def refused(self, event: ev.JobRefused) -> str | None:
        if event.job not in self.jobs and (self.case_id or self.of_job):
            return None
        return f"job {event.job} refused: {event.why}"

    def seen(self, event: ev.JobSeen) -> str | None:
        if event.job not in self.jobs:
            return None
        before = self._phase.get(event.job)
        self._phase[event.job] = event.phase
        if before is event.phase and not event.orphaned:
            return None
        orphaned = "; its runner is dead, and processes that it started live on" if event.orphaned else ""
        return f"seen {event.phase.value}{_verbatim(event.word)}{orphaned}"

    def job_ended(self, event: ev.JobEnded) -> str | None:
        if event.job not in self.jobs:
            return self._fruitless(event)
        text = f"job {event.job} closed: {event.outcome.value}{_because(event.why)}"
        if self.case_id in event.failed:
            return f"{text}\nthe job is to blame for it: FAILED"
        if self.case_id in event.in_flight:
            return f"{text}\nit was running then, and left no record: INTERRUPTED"
        if self.of_job and event.in_flight:
            return f"{text}\nrunning then, without a record: {_some(event.in_flight)}"
        return text

    def history_read(self, event: ev.HistoryRead) -> str:
        """What was transferred; the phases are the profile's to show."""
        told = [
            f"{one.into}: {one.files:,} files, {self.words.size(one.bytes)}{_because(one.why)}"
            for one in event.transfers
        ]
        return f"the service's history: {len(event.phases)} phases" + "".join(f"; {text}" for text in told)

    def _fruitless(self, event: ev.JobEnded) -> str | None:
        if self.case_id or self.of_job or event.outcome is Outcome.FINISHED:
            return None
        return f"job {event.job} ended {event.outcome.value}{_because(event.why)}"

    def case_ended(self, event: ev.CaseEnded) -> str | None:
        if self.of_job and event.job in self.jobs:
            self.outcomes[event.outcome.value] = self.outcomes.get(event.outcome.value, 0) + 1
        if event.case != self.case_id:
            return None
        how = f", exit {event.exit}" if event.exit else ""
        how += f", signal {event.signal}" if event.signal else ""
        used = f"cpu {self.words.lasting(event.cpu)}"
        if event.memory:  # too short a run is not sampled, and has none
            used += f", peak {self.words.size(event.memory)}"
        wall = self.words.lasting(event.wall)
        lines = [f"ran {wall} in slot {event.slot} of job {event.job}: {event.outcome.value}{how} ({used})"]
        lines += [f"why: {event.why}"] if event.why else []
        return "\n".join(lines + _quoted("its last lines", event.tail))

    # Facts from the node

    def setup_ended(self, event: ev.SetupEnded) -> str | None:
        changed = f"; it changed {_some(sorted(event.changed))}" if event.changed and self.of_job else ""
        loaded = f"; loaded {_some(event.loaded)}" if event.loaded and self.of_job else ""
        text = f"set-up took {self.words.lasting(event.seconds)}, exit {event.exit}{loaded}{changed}"
        return "\n".join([text, *(_quoted("its last lines", event.tail) if event.exit else [])])

    def finish_ended(self, event: ev.FinishEnded) -> str | None:
        text = f"finish took {self.words.lasting(event.seconds)}, exit {event.exit}"
        return "\n".join([text, *(_quoted("its last lines", event.tail) if event.exit else [])])

    def span_ended(self, event: ev.SpanEnded) -> str | None:
        return f"{event.span} took {self.words.lasting(event.at - event.start)}" if self.of_job else None

    def runner_ended(self, event: ev.RunnerEnded) -> str | None:
        slots = f"; slots busy {self.words.lasting(event.busy)}, idle {self.words.lasting(event.idle)}"
        exit_ = f" (exit {event.exit})" if event.exit else ""
        return f"runner ended {event.outcome.value}{exit_}{_because(event.why)}{slots if self.of_job else ''}"


def _of_its_jobs(tell: Callable[[Story, Any], str | None]) -> Callable[[Story, Any], str | None]:
    return lambda story, event: tell(story, event) if event.job in story.jobs else None


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _verbatim(word: str) -> str:
    return f" ({word})" if word else ""


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _quoted(title: str, tail: str) -> list[str]:
    return [f"{title}:", *(f"  | {line}" for line in tail.splitlines())] if tail.strip() else []


_TELLERS: dict[type, Callable[[Story, Any], str | None]] = {
    ev.StudyRecorded: Story.recorded,
    ev.CasesAdded: Story.added,
    ev.CasesRetired: Story.retired,
    ev.CancelAsked: Story.cancel_asked,
    ev.RetryAsked: Story.retry_asked,
    ev.Held: Story.held,
    ev.Predicted: Story.predicted,
    ev.JobPlanned: Story.planned,
    ev.JobRefused: Story.refused,
    ev.JobSeen: Story.seen,
    ev.JobEnded: Story.job_ended,
    ev.CaseEnded: Story.case_ended,
    ev.JobSubmitSent: _of_its_jobs(lambda _, event: "submission sent"),
    ev.JobNotFound: _of_its_jobs(lambda _, event: "the backend, asked for it, knew no such job"),
    ev.JobSubmitted: _of_its_jobs(lambda _, event: f"accepted as {event.native}"),
    ev.JobGone: _of_its_jobs(
        lambda _, event: (
            f"over, says {event.by}: {event.outcome.value}{_verbatim(event.word)}{_because(event.why)}"
        )
    ),
    ev.HistoryRead: _of_its_jobs(Story.history_read),
    ev.CancelSent: _of_its_jobs(lambda _, event: "the backend accepted to stop it"),
    ev.RunnerStarted: _of_its_jobs(
        lambda _, event: (
            f"runner at work on {event.host}: {_counted(event.cores, 'core')}, "
            f"{_counted(event.slots, 'case')} at a time{_verbatim(event.note)}"
        )
    ),
    ev.SetupEnded: _of_its_jobs(Story.setup_ended),
    ev.FinishEnded: _of_its_jobs(Story.finish_ended),
    ev.SpanEnded: _of_its_jobs(Story.span_ended),
    ev.RunnerEnded: _of_its_jobs(Story.runner_ended),
}
