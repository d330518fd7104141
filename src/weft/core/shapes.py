"""The ways to pack a study into jobs, what each will take and cost, and which of them is taken. PURE.

weft's runner uses one node, so a way is: how many jobs at once, how many cases in one, how many of them at a time.
What a job asks for of each kind (cores, memory, queue) is the study's to say, and the same in all of them.

Which is taken: "cheapest" costs least (where nothing is charged: moves the fewest files), then is the fastest.
"fastest" is most likely over first, then costs least. "balanced" has as many jobs at once as the limits allow, unless
another way is just as fast and costs at least a tenth less, or costs no more (what nobody knows is equal) and takes at
least a tenth less time; where the time of a case is a guess, it never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from weft.core import events as ev
from weft.core.casetimes import CaseTimes, case_times
from weft.core.cost import predict
from weft.core.events import Allotment
from weft.core.experience import Experience
from weft.core.foretold import Forecast
from weft.core.plan import upcoming
from weft.core.state import State
from weft.model import Bundle, Kind, Limits, Outcome, Study

MOST_WAYS = 5
"""Ways that are shown."""
SAVING = 0.9
"""Part of the cost, or of the time, at most, for which "balanced" takes another way that is no worse in the other."""


class Shape(Struct, frozen=True, kw_only=True):
    """One way to pack."""

    at_once: int
    """Jobs that are live at once, at most."""
    most_cases: int
    """Cases that one job may have."""
    cases: int
    """Cases in the largest job."""
    nodes: int
    """Of one job."""
    slots: int | None
    """Cases at a time in one job; None leaves it to the runner."""
    jobs: int
    forecast: Forecast
    bundles: tuple[Bundle, ...]
    """The jobs, with the steps before and after."""

    @property
    def cost(self) -> float:
        """Likely node-hours; 0 where nothing is charged."""
        hours = self.forecast.node_hours
        return hours[1] if hours else 0.0


class Ways(Struct, frozen=True, kw_only=True):
    """The ways to pack, fastest first, and the one that is taken."""

    shapes: tuple[Shape, ...]
    chosen: Shape
    prefer: str
    guessed: bool
    """Nobody knows how long a case takes: what it may take is all there is to go by."""

    @property
    def told(self) -> bool:
        """Is more than a guess known of how long a case takes, or of what a service takes beside it?"""
        return _is_told(self.chosen, guessed=self.guessed)

    @property
    def cheapest(self) -> Shape:
        """The way that costs least."""
        return _cheapest(self.shapes)


def ways(
    study: Study, state: State, limits: Limits, learnt: Experience, given: Allotment, *, bytes_in: int = 0
) -> Ways | None:
    """The ways to pack what is to be run, within the limits; None where there is nothing, or no time to go by."""
    cases = [case for _, case in state.present()]
    present = [case for case in cases if case.wall > 0]
    well = [case.wall for case in present if case.last is Outcome.FINISHED]
    times = (
        None
        if study.continues
        else case_times(study, well or [case.wall for case in present], learnt, cases=len(cases))
    )
    now = upcoming(study, state, limits)
    if times is None or not now:
        return None
    found: dict[tuple[tuple[int, ...], int | None], Shape] = {}
    for narrower in _narrower(limits, given, study, now):
        bundles = upcoming(study, state, narrower)
        alike = (tuple(len(bundle.cases) for bundle in bundles), narrower.slots)
        if alike not in found and len(found) < MOST_WAYS:
            forecast = predict(study, bundles, narrower, learnt, given, times, bytes_in=bytes_in)
            found[alike] = _shape(bundles, narrower, given, forecast)
    usual, *others = found.values()
    told = _is_told(usual, guessed=times.guessed)
    chosen = _CHOICES[study.prefer](usual, others, times) if told else usual
    ordered = sorted(found.values(), key=lambda shape: shape.forecast.wall_s[1])
    return Ways(shapes=tuple(ordered), chosen=chosen, prefer=study.prefer, guessed=times.guessed)


def _is_told(shape: Shape, *, guessed: bool) -> bool:
    return not guessed or shape.forecast.files > 0


def _shape(bundles: list[Bundle], limits: Limits, given: Allotment, forecast: Forecast) -> Shape:
    return Shape(
        at_once=limits.max_jobs,
        most_cases=limits.max_cases,
        cases=max(len(bundle.cases) for bundle in bundles),
        nodes=given.nodes,
        slots=limits.slots,
        jobs=len(bundles),
        forecast=forecast,
        bundles=tuple(bundles),
    )


def _narrower(limits: Limits, given: Allotment, study: Study, now: Sequence[Bundle]) -> Iterator[Limits]:
    """These limits, then others within them: fewer jobs at once, shorter ones, fewer cases at a time."""
    yield limits
    cases = sum(len(bundle.cases) for bundle in now if bundle.kind is Kind.CASES)
    most = min(limits.max_jobs, sum(bundle.kind is Kind.CASES for bundle in now))
    fewer = sorted({max(1, most // part) for part in (2, 4)} | {1}, reverse=True)
    yield from (structs.replace(limits, max_jobs=jobs) for jobs in fewer if jobs < most)
    if given.app and cases > most > 0:
        yield structs.replace(limits, max_jobs=most, max_cases=-(-cases // (2 * most)))
    slots = limits.slots or given.cores // study.resources.cores
    if not given.app and cases > 1:
        yield from (structs.replace(limits, slots=max(1, slots // part)) for part in (2, 4) if slots >= part)


def predicted(found: Ways, at: float) -> ev.Predicted:
    """The fact that this way was taken, and what it is to take."""
    shape, forecast = found.chosen, found.chosen.forecast
    return ev.Predicted(
        at=at,
        choice=found.prefer,
        at_once=shape.at_once,
        most_cases=shape.most_cases,
        slots=shape.slots,
        jobs=forecast.jobs,
        wall_s=forecast.wall_s,
        su=forecast.su,
        files=forecast.files,
        spans=dict(forecast.spans),
        basis=forecast.basis,
    )


# Choosing


def _cheapest(shapes: Sequence[Shape]) -> Shape:
    return min(shapes, key=lambda one: (one.cost, one.forecast.files, one.forecast.wall_s[1]))


def _balanced(usual: Shape, others: Sequence[Shape], times: CaseTimes) -> Shape:
    if times.guessed:
        return usual
    better = [one for one in others if _is_better(one, usual)]
    return min(better, key=lambda one: (one.cost, one.forecast.wall_s[1])) if better else usual


def _is_better(one: Shape, usual: Shape) -> bool:
    """Is it as fast and costs clearly less, or costs as much (or nobody knows what) and is clearly faster?"""
    wall, usually = one.forecast.wall_s[1], usual.forecast.wall_s[1]
    saves = wall <= usually and one.cost <= SAVING * usual.cost < usual.cost
    return saves or (wall <= SAVING * usually and one.cost <= usual.cost)


def _fastest(usual: Shape, others: Sequence[Shape], times: CaseTimes) -> Shape:
    return min([usual, *others], key=lambda one: (one.forecast.wall_s[1], one.cost))


_CHOICES: Mapping[str, Callable[[Shape, Sequence[Shape], CaseTimes], Shape]] = {
    "balanced": _balanced,
    "cheapest": lambda usual, others, times: _cheapest([usual, *others]),
    "fastest": _fastest,
}
