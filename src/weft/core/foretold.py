"""What is foretold of a run before it begins, and what became of it. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median

from msgspec import Struct

from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.jobprofile import Span
from weft.core.jobtable import su_of
from weft.core.profile import Profile


class Forecast(Struct, frozen=True, kw_only=True):
    """What was predicted before anything was sent: a range that eight of ten such runs stay within."""

    wall_s: tuple[float, float, float]
    """Least, likely, most: from the first submission to the end of the last job."""
    su: tuple[float, float, float] | None
    """The same of what is charged; None where nothing is."""
    node_hours: tuple[float, float, float] | None = None
    """The same, whatever one costs."""
    files: int
    """Files that the service moves, in and out."""
    spans: Mapping[str, float]
    """The likely seconds of one job, by phase."""
    jobs: int
    basis: str
    """What it rests on."""


class Actual(Struct, frozen=True, kw_only=True):
    """What became of a forecast: of the jobs that it was of, those of the last run that sent any."""

    forecast: Forecast
    wall_s: float
    su: float | None
    files: int
    spans: Mapping[str, float]
    """The median seconds of one job, by phase."""


def actual(events: Iterable[AnyEvent], profile: Profile) -> Actual | None:
    """The last prediction of these facts against what happened; None without one, or before its jobs are over.

    Of a later run that nothing was foretold of, nothing is said, too. ``profile`` is of the same facts.
    """
    last = _Foretold()
    for event in events:
        last = _Foretold(event) if isinstance(event, ev.Predicted) else last
        last.hear(event)
    said = last.said
    if said is None or not last.jobs or not all(last.jobs.values()) or math.isinf(last.sent):
        return None
    jobs = [job for job in profile.jobs if job.id in last.jobs]
    took = [_seconds_by_phase(job.phases) for job in jobs]
    spans: dict[str, list[float]] = {}
    for one in took:
        for name, seconds in one.items():
            spans.setdefault(name, []).append(seconds)
    charged = (su_of(job.given, each.get("RUNNING", 0.0)) for job, each in zip(jobs, took, strict=True))
    return Actual(
        forecast=forecast_of(said),
        wall_s=last.ended - last.sent,
        su=sum(filter(None, charged)) if said.su else None,
        files=sum(one.files for job in jobs for one in job.transfers),
        spans={name: median(values) for name, values in spans.items()},
    )


def _seconds_by_phase(phases: Iterable[Span]) -> dict[str, float]:
    took: dict[str, float] = {}
    for span in phases:
        took[span.name] = took.get(span.name, 0.0) + span.seconds
    return took


class _Foretold:
    """The last prediction, and the jobs that it is of."""

    def __init__(self, said: ev.Predicted | None = None) -> None:
        self.said = said
        self.jobs: dict[str, bool] = {}
        """By id: is it over?"""
        self.sent, self.ended = math.inf, -math.inf
        self._of_this_run = True

    def hear(self, event: AnyEvent) -> None:
        if isinstance(event, ev.RunStarted):
            self._of_this_run = False
        elif isinstance(event, ev.JobPlanned):
            if not self._of_this_run:  # of its jobs, nothing was foretold
                self.said = None
            self.jobs[event.job] = False
        elif isinstance(event, ev.JobSubmitSent) and event.job in self.jobs:
            self.sent = min(self.sent, event.at)
        elif isinstance(event, (ev.JobEnded, ev.JobRefused)) and event.job in self.jobs:
            self.jobs[event.job], self.ended = True, max(self.ended, event.at)


def forecast_of(said: ev.Predicted) -> Forecast:
    """The prediction that a fact of the journal holds."""
    return Forecast(
        wall_s=said.wall_s, su=said.su, files=said.files, spans=said.spans, jobs=said.jobs, basis=said.basis
    )
