"""What a run will take and cost, before anything is sent; and what became of the prediction. PURE.

The wall time runs from the first submission to the end of the last job. A job's phases follow each other, each with
its own spread (``core/waits.py``); as many jobs as may be live at once run side by side, and a run is over with the
last. There is no random number here: ``DRAWS`` evenly spread outcomes of every wait are combined in fixed orders, and
the range is what at least eight of ten of them stay within. Retries are not foreseen.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import NormalDist, median

from msgspec import Struct

from weft.core import events as ev
from weft.core.events import Allotment, AnyEvent
from weft.core.experience import ANSWERED, Experience, around_most
from weft.core.foretold import Actual, Forecast
from weft.core.looking import Looks
from weft.core.packing import charged_hours
from weft.core.profile import Profile
from weft.core.waits import EIGHTY, FEW, Expected, Figure, Into, Key, own, phase, spread_of, transfer
from weft.model import Bundle, Charge, Kind, Limits, Phase, Study

DRAWS = 251
"""Outcomes that are looked at; a prime number, so that every step through them meets all."""
HELD, WISHED = 0.8, 0.95
"""Part of the outcomes that a range holds at least, and if it is not wide then."""
TOGETHER = 0.1
"""By how much the waits of all jobs may be longer or shorter together (of the logarithm): a guess."""
WIDE = 2.0
"""A range is wide if its ends differ by more than this factor."""
MOST_WORK = 200_000
"""Jobs times outcomes: with many jobs fewer outcomes will do, since chance evens out among them."""
FILES_IN, FILES_OUT = 2, 3
"""Files that the service moves for a packed job: runner and bundle; records, outputs and the job's own log."""
CLOSING = 5.0
"""Seconds of ARCHIVING before its transfer was asked for and after it was noticed (1.3 + 3.6 in a recorded job)."""
EVENLY = 0.7
"""Cases of a pilot lie evenly spread over the space: their mean is so much surer than that of cases by chance."""
GUESSED = 0.5
"""Part of the time that a case may take that it takes, where nobody knows."""

AROUND = Figure(low=0.1, likely=0.5, high=1.0)
"""Share of ``around_most``, before any job has shown its own."""
AROUND_SPREAD = 0.5
"""Spread of its logarithm that is supposed where a few jobs have."""
UPLOADING = Figure(low=0.5, likely=2.0, high=8.0)
"""Seconds to put the bundle on the service's storage and to submit."""
BRINGING = Figure(low=0.5, likely=2.0, high=6.0)
"""Seconds to read the records and bring the outputs."""
AROUND_HERE = Figure(low=0.05, likely=0.15, high=0.4)
BRINGING_HERE = Figure(low=0.02, likely=0.1, high=0.5)
"""The same where no service is between: guesses."""
NONE = Figure(low=0.0, likely=0.0, high=0.0)

_BEFORE = (
    Phase.PENDING, Phase.PROCESSING_INPUTS, Phase.STAGING_INPUTS, Phase.STAGING_JOB, Phase.SUBMITTING_JOB,
    Phase.QUEUED,
)  # fmt: skip


class CaseTimes(Struct, frozen=True, kw_only=True):
    """How long cases take."""

    walls: tuple[float, ...]
    """Seconds of cases that stand for all."""
    spread: float
    """By how much all may be longer or shorter together: standard deviation of the logarithm."""
    basis: str
    guessed: bool = False
    """Nothing but the limit of a case is known."""

    @property
    def likely(self) -> float:
        return median(self.walls)


def case_times(
    study: Study, walls: Sequence[float], learnt: Experience, *, cases: int = 0
) -> CaseTimes | None:
    """How long this study's cases take: by those that have run, else the user's history, else what they may take.

    ``walls`` are those of the ``cases`` that the study has (0: many) that ran: the fewer, the less sure are all others.
    None where nothing is known: no case has run, no such job is remembered, and no time limit is set.
    """
    if walls:
        mean = sum(walls) / len(walls)
        apart = math.sqrt(sum((wall - mean) ** 2 for wall in walls) / max(1, len(walls) - 1)) / mean or 0.1
        left = math.sqrt(max(0.0, 1 - len(walls) / cases)) if cases else 1.0
        text = f"{len(walls):,} case{'' if len(walls) == 1 else 's'} that ran"
        return CaseTimes(
            walls=tuple(walls), spread=0.03 + EVENLY * left * apart / math.sqrt(len(walls)), basis=text
        )
    limit = 60 * study.resources.minutes if study.resources.minutes else math.inf
    for name, whose in ((study.name, "this study"), ("", "this app")):
        usual = learnt.case_s.get(name)
        if usual is not None and usual.count >= FEW and (name or _has_app(learnt)):
            seen = own(usual, 0.3 if name else 0.7)
            spread = math.log(seen.high / seen.low) / (2 * EIGHTY) if seen.low > 0 else 0.5
            text = f"the cases of your {usual.count:,} ended jobs of {whose}"
            return CaseTimes(walls=(min(usual.median, limit),), spread=spread, basis=text)
    if math.isinf(limit):
        return None
    text = f"a guess from the {study.resources.minutes:g} min that a case may take"
    return CaseTimes(walls=(GUESSED * limit,), spread=0.5, basis=text, guessed=True)


def _has_app(learnt: Experience) -> bool:
    return any(app for app, _, _ in learnt.normal.baselines)


class _Job(Struct, frozen=True, kw_only=True):
    """One job to come: what it waits for, and what its cases take."""

    kind: Kind
    uploading: float
    """Likely seconds until it is submitted."""
    waits: tuple[float, ...]
    """Outcomes of all that comes between that and its end, but for the cases; from least to most."""
    bringing: float
    """Likely seconds to bring what it leaves."""
    work: float
    """Likely seconds of its cases."""


def predict(
    study: Study,
    bundles: Sequence[Bundle],
    limits: Limits,
    learnt: Experience,
    given: Allotment,
    times: CaseTimes,
    *,
    bytes_in: int = 0,
) -> Forecast:
    """What these jobs will take, move and cost; ``bytes_in`` is what a bundle holds."""
    slots = limits.slots or max(1, given.cores // study.resources.cores)
    model = _Model(study, limits, learnt, given, bytes_in)
    kinds: dict[tuple[Kind, int], tuple[_Job, dict[str, Expected]]] = {}
    jobs = []
    for bundle in bundles:
        alike = (bundle.kind, len(bundle.cases))
        if alike not in kinds:
            kinds[alike] = model.job(bundle, _work(study, bundle, times, bundle.slots or slots))
        jobs.append(kinds[alike])
    hours = _node_hours([(job.work, parts["RUNNING"]) for job, parts in jobs], limits.charge, times.spread)
    rate = limits.charge.rate if limits.charge else None
    wall = _wall([job for job, _ in jobs], limits, times.spread)
    usual = max(jobs, key=lambda job: job[0].work)[1] if jobs else {}
    said = dict.fromkeys([times.basis, *(one.basis for one in usual.values() if one.high >= 1 and one.basis)])
    return Forecast(
        wall_s=wall,
        su=(hours[0] * rate, hours[1] * rate, hours[2] * rate) if hours and rate is not None else None,
        node_hours=hours,
        files=len(jobs) * model.files if model.moves else 0,
        spans={name: one.likely for name, one in usual.items()},
        jobs=len(jobs),
        basis="; ".join(said),
    )


class _Model:
    """The waits of jobs of one app, system and queue."""

    def __init__(
        self, study: Study, limits: Limits, learnt: Experience, given: Allotment, bytes_in: int
    ) -> None:
        self._backend, self._limits, self._learnt = study.backend, limits, learnt
        self._key: Key = (given.app, given.system, given.queue)
        self.moves = bool(given.app)
        """Does a service move files?"""
        self._extra = len(given.inputs)
        self._bytes_in = bytes_in
        self._looks = Looks(limits)
        self.files = FILES_IN + FILES_OUT + max(0, self._extra - 1)

    def job(self, bundle: Bundle, work: float) -> tuple[_Job, dict[str, Expected]]:
        """A job of this bundle, and how long each of its phases takes; RUNNING with its cases."""
        before = self._before() if self.moves else {}
        most = around_most(self._backend, work)
        around = self._around(most)
        after = {Phase.ARCHIVING: self._archiving(len(bundle.cases))} if self.moves else {}
        running = Expected(
            low=around.low + work, likely=around.likely + work, high=around.high + work, basis=around.basis
        )
        parts = {**before, Phase.RUNNING: running, **after}
        over = sum(one.likely for one in parts.values())
        bringing = self._bringing()
        likely = self._looks.next(over) - over + bringing.likely
        parts[Phase.COLLECTING] = Expected(low=bringing.low, likely=likely, high=likely, basis=bringing.basis)
        others = [_outcomes(one) for one in (*before.values(), *after.values()) if one.high > 0]
        waits = _sums([*others, [min(one, most) for one in _outcomes(around)]])
        uploading = self._uploading()
        found = {Phase.UPLOADING: uploading, **parts} if self.moves else parts
        job = _Job(
            kind=bundle.kind, uploading=uploading.likely, waits=waits, bringing=bringing.likely, work=work
        )
        return job, {name.value: one for name, one in found.items()}

    def _uploading(self) -> Expected:
        usual = self._learnt.normal.of(*self._key, "uploading_s") if self.moves else None
        return own(usual, spread_of(UPLOADING)) if usual else _expected(UPLOADING if self.moves else NONE, "")

    def _before(self) -> dict[Phase, Expected]:
        learnt, key = self._learnt.normal, self._key
        staging = self._moved(
            "inputs", Phase.STAGING_INPUTS, FILES_IN + max(0, self._extra - 1), self._bytes_in
        )
        waits = {name: phase(learnt, key, name) for name in _BEFORE}
        return {**waits, Phase.STAGING_INPUTS: staging}

    def _archiving(self, cases: int) -> Expected:
        size = round(self._learnt.archive_bytes * cases)
        return self._moved("archive", Phase.ARCHIVING, FILES_OUT, size)

    def _moved(self, into: Into, during: Phase, files: int, size: int) -> Expected:
        """By the user's own such phases, as much longer as there is more to move; else by what was recorded."""
        learnt, key = self._learnt.normal, self._key
        usual = learnt.of(*key, f"{during.value.lower()}_s")
        if usual is None or not usual.median:
            found = transfer(learnt, key, into, files, size)
            more = CLOSING if during is Phase.ARCHIVING else 1.0
            return Expected(
                low=found.low + more / 2,
                likely=found.likely + more,
                high=found.high + 2 * more,
                basis=found.basis,
            )
        seen = phase(learnt, key, during, prior=0.3)
        many, heavy = learnt.of(*key, f"{into}_files"), learnt.of(*key, f"{into}_bytes")
        then = (
            transfer(learnt, key, into, round(many.median), round(heavy.median)) if many and heavy else None
        )
        if then is None or not then.likely:
            return seen
        now = transfer(learnt, key, into, files, size if size else round(heavy.median if heavy else 0))
        factor = min(max(now.likely / then.likely, 0.5), 20.0)
        return Expected(
            low=seen.low * factor, likely=seen.likely * factor, high=seen.high * factor, basis=seen.basis
        )

    def _around(self, most: float) -> Expected:
        """So much of what it could be at most."""
        figure, learnt = AROUND if self.moves else AROUND_HERE, self._learnt.around
        found = own(learnt, AROUND_SPREAD) if learnt else _expected(figure, "what a runner usually needs")
        return Expected(
            low=found.low * most,
            likely=min(1.0, found.likely) * most,
            high=min(1.0, found.high) * most,
            basis=found.basis,
        )

    def _bringing(self) -> Expected:
        figure, learnt = BRINGING if self.moves else BRINGING_HERE, self._learnt.bringing
        return own(learnt, spread_of(figure)) if learnt else _expected(figure, "")


def _expected(figure: Figure, basis: str) -> Expected:
    return Expected(low=figure.low, likely=figure.likely, high=figure.high, basis=basis)


def _work(study: Study, bundle: Bundle, times: CaseTimes, slots: int) -> float:
    """Seconds that the cases of a job take: dealt out to its slots, longest first."""
    if bundle.kind in (Kind.BEFORE, Kind.AFTER):
        step = study.before if bundle.kind is Kind.BEFORE else study.after
        minutes = step.resources.minutes if step else None
        return GUESSED * 60 * minutes if minutes else times.likely
    count = len(bundle.cases)
    ordered = sorted(times.walls)
    # Evenly spread over those that are known, so that a few stand for many.
    walls = [ordered[int((place + 0.5) / count * len(ordered))] for place in range(count)]
    busy = [0.0] * min(slots, count)
    for wall in reversed(walls):
        heapq.heapreplace(busy, busy[0] + wall)
    return max(busy, default=0.0)


# Combining what is uncertain


def _outcomes(one: Expected, count: int = DRAWS) -> list[float]:
    """Evenly likely outcomes, from least to most: the logarithm is normal on either side of what is likely.

    They are moved so that their mean is what is likely: else doubt alone would make a sum of many waits longer.
    """
    found = []
    for place in range(count):
        z = _NORMAL.inv_cdf((place + 0.5) / count) / EIGHTY
        bound = one.high if z > 0 else one.low
        if one.likely > 0 and bound > 0:
            found.append(one.likely * (bound / one.likely) ** abs(z))
        else:
            found.append(max(0.0, one.likely + abs(z) * (bound - one.likely)))
    mean = sum(found) / count
    return [value * one.likely / mean for value in found] if mean and one.likely else found


_NORMAL = NormalDist()


def _place(draw: int, row: int, count: int) -> int:
    """Which outcome of wait number ``row`` this draw takes: each row passes through all, in an order of its own."""
    step = 2 + row * 7919 % (count - 2)
    return (draw * step + row * 104_729) % count


def _sums(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Outcomes of the sum of these, each given by its own, from least to most."""
    sums = [sum(row[_place(draw, number, DRAWS)] for number, row in enumerate(rows)) for draw in range(DRAWS)]
    return tuple(sorted(sums))


def _wall(jobs: Sequence[_Job], limits: Limits, spread: float) -> tuple[float, float, float]:
    """Least, likely and most seconds for all jobs, so many at once; the steps before and after are alone."""
    if not jobs:
        return 0.0, 0.0, 0.0
    looks = Looks(limits)
    draws = max(23, min(DRAWS, MOST_WORK // len(jobs)))
    found = []
    for draw in range(draws):
        longer = math.exp(spread * _NORMAL.inv_cdf((draw + 0.5) / draws))
        drawn = draw * DRAWS // draws
        otherwise = math.exp(TOGETHER * _NORMAL.inv_cdf((_place(draw, 1, draws) + 0.5) / draws))
        took = [
            (job, job.waits[_place(drawn, number, DRAWS)] * otherwise + job.work * longer)
            for number, job in enumerate(jobs)
        ]
        at = 0.0
        for _, group in groupby(took, lambda one: one[0].kind):
            at += _together([*group], limits, looks)
        found.append(at)
    found.sort()
    return _range(found)


def _range(found: Sequence[float]) -> tuple[float, float, float]:
    """A range of these, and their middle: the middle nineteen of twenty.

    Where these are wide apart: the range that holds most of those that are not wide, or, if that is less than eight of
    ten, the narrowest that holds eight. (Since weft looks only from time to time, outcomes come in clusters.)
    """
    count, held, narrow = len(found), math.ceil(HELD * len(found)), WIDE / (1 + ANSWERED)
    first = int((1 - WISHED) / 2 * count)
    last = count - 1 - first
    if found[last] > narrow * found[first]:
        ends = [bisect.bisect_right(found, narrow * least) - 1 for least in found]
        first = max(range(count), key=lambda place: ends[place] - place)
        last = ends[first]
        if last - first + 1 < held:
            first = min(range(count - held + 1), key=lambda place: found[place + held - 1] / found[place])
            last = first + held - 1
    likely = min(max(found[count // 2], found[first]), found[last])
    return found[first], likely, found[last] * (1 + ANSWERED)


def _together(jobs: Sequence[tuple[_Job, float]], limits: Limits, looks: Looks) -> float:
    """Seconds until jobs (each with the time from its submission to its end) are closed, as weft looks at them.

    As many are live at once as may be. Whenever one has ended, the next is submitted, and weft soon looks again.
    """
    waiting = deque(jobs)
    live: list[tuple[float, float]] = []
    at = 0.0
    while waiting or live:
        room = max(1, limits.max_jobs) - len(live)
        new = [waiting.popleft() for _ in range(min(room, len(waiting)))]
        at += max((job.uploading for job, _ in new), default=0.0)
        for job, seconds in new:
            heapq.heappush(live, (at + seconds, job.bringing))
        look = at = at + looks.next(max(0.0, live[0][0] - at))
        while live and live[0][0] <= look:
            at += heapq.heappop(live)[1]
    return at


def _node_hours(
    jobs: Sequence[tuple[float, Expected]], charge: Charge | None, spread: float
) -> tuple[float, float, float] | None:
    """Least, likely and most of jobs, each with the likely seconds of its cases, and of its RUNNING."""
    if charge is None:
        return None
    wide = math.exp(EIGHTY * spread)

    def hours(seconds: Iterable[float]) -> float:
        return sum(charged_hours(one / 60, charge.nodes, charge.least_minutes) for one in seconds)

    return (
        hours(one.low - work + work / wide for work, one in jobs),
        hours(one.likely for _, one in jobs),
        hours(one.high - work + work * wide for work, one in jobs),
    )


# What became of it


def actual(events: Iterable[AnyEvent], profile: Profile) -> Actual | None:
    """The last prediction of these facts against what happened; None without one, or before its jobs are over.

    ``profile`` is of the same facts.
    """
    said: ev.Predicted | None = None
    sent, ended = math.inf, -math.inf
    ours: dict[str, bool] = {}
    for event in events:
        if isinstance(event, ev.Predicted):
            said, sent, ended = event, math.inf, -math.inf
            ours = {}
        elif isinstance(event, ev.JobPlanned):
            ours[event.job] = False
        elif isinstance(event, ev.JobSubmitSent) and event.job in ours:
            sent = min(sent, event.at)
        elif isinstance(event, (ev.JobEnded, ev.JobRefused)) and event.job in ours:
            ours[event.job], ended = True, max(ended, event.at)
    if said is None or not ours or not all(ours.values()) or math.isinf(sent):
        return None
    jobs = [job for job in profile.jobs if job.id in ours]
    spans: dict[str, list[float]] = {}
    su = 0.0
    for job in jobs:
        took: dict[str, float] = {}
        for span in job.phases:
            took[span.name] = took.get(span.name, 0.0) + span.seconds
        for name, seconds in took.items():
            spans.setdefault(name, []).append(seconds)
        hours = charged_hours(took.get("RUNNING", 0.0) / 60, job.given.nodes, job.given.least_minutes)
        su += hours * (job.given.rate or 0.0) if "RUNNING" in took else 0.0
    return Actual(
        forecast=forecast_of(said),
        wall_s=ended - sent,
        su=su if said.su else None,
        files=sum(one.files for job in jobs for one in job.transfers),
        spans={name: median(values) for name, values in spans.items()},
    )


def forecast_of(said: ev.Predicted) -> Forecast:
    """The prediction that a fact of the journal holds."""
    return Forecast(
        wall_s=said.wall_s, su=said.su, files=said.files, spans=said.spans, jobs=said.jobs, basis=said.basis
    )
