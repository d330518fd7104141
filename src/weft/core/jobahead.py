"""What one job to come takes, phase by phase: the waits before its cases, the cases, and what follows them. PURE.

A service sees that something is over when it looks, at moments that are known (``core/lateness.py``): cases of 3.1 s
and of 5 s end at the same look. So what is foretold of a phase that it looks at is when all that it waits for will
have come, and the phase ends with the next look.
"""

from __future__ import annotations

from msgspec import Struct

from weft.core import waits
from weft.core.draws import DRAWS, combined, outcomes
from weft.core.events import Allotment
from weft.core.experience import Experience
from weft.core.jobtable import seconds_of
from weft.core.lateness import noticed
from weft.core.looking import Looks
from weft.core.transfers import DURING
from weft.core.waits import Expected, Figure, Into, Key, own, spread_of
from weft.model import Bundle, Kind, Limits, Phase, Study

FILES_IN, FILES_OUT = 2, 3
"""Files that the service moves for a packed job: runner and bundle; records, outputs and the job's own log."""
CLOSING = {
    "inputs": Figure(low=0.2, likely=0.5, high=2.0),
    "archive": Figure(low=2.5, likely=5.0, high=8.0),
}
"""Seconds before a transfer was asked for and after it was noticed (1.3 + 3.6 of ARCHIVING in a recorded job)."""
STARTING = Figure(low=0.05, likely=0.2, high=1.0)
"""Seconds of RUNNING besides what the runner tells of: until it is at work, and from its last word to the end."""
AROUND = Figure(low=0.05, likely=0.1, high=0.5)
"""Seconds in which the runner is at work, and no case: a guess, before any job has shown its own."""
UPLOADING = Figure(low=0.5, likely=2.0, high=8.0)
"""Seconds to put the bundle on the service's storage and to submit."""
BRINGING = Figure(low=0.5, likely=2.0, high=6.0)
"""Seconds to read the records and bring the outputs."""
BRINGING_HERE = Figure(low=0.02, likely=0.1, high=0.5)
"""The same where no service is between: guesses."""
NONE = Figure(low=0.0, likely=0.0, high=0.0)
NOTHING = (0.0,) * DRAWS
USUAL = "what a runner usually needs"

_BEFORE = (
    Phase.PENDING, Phase.PROCESSING_INPUTS, Phase.STAGING_INPUTS, Phase.STAGING_JOB, Phase.SUBMITTING_JOB,
    Phase.QUEUED,
)  # fmt: skip


class JobAhead(Struct, frozen=True, kw_only=True):
    """One job to come: what it waits for, and what its cases take. Outcomes go from least to most."""

    kind: Kind
    looked: str
    """The backend whose looks end RUNNING."""
    pace: float
    uploading: float
    """Likely seconds until it is submitted."""
    before: tuple[float, ...]
    """Outcomes of all that comes from then to RUNNING."""
    around: tuple[float, ...]
    """Of RUNNING without its cases, until its process ends."""
    after: tuple[float, ...]
    """Of all that comes between RUNNING and its end."""
    bringing: float
    """Likely seconds to bring what it leaves."""
    quicker: float
    """So many seconds less may uploading and bringing take."""
    work: float
    """Likely seconds of its cases."""
    parts: dict[str, Expected]
    """How long each of its phases takes; RUNNING with its cases."""

    def over(self, before: int, around: int, after: int, longer: float) -> float:
        """Seconds from its submission to its end, by the outcomes at these places; its cases take so much longer."""
        end = self.around[around] + self.work * longer
        running = noticed(self.looked, Phase.RUNNING, end, self.pace)
        return self.before[before] + running + self.after[after]


class Foreteller:
    """Foretells jobs of one study, app, system and queue; ``bytes_in`` is what a bundle holds."""

    def __init__(
        self, study: Study, limits: Limits, learnt: Experience, given: Allotment, bytes_in: int
    ) -> None:
        self._learnt = learnt
        self._looked = "" if learnt.prompt else study.backend
        """Whose looks end a phase."""
        self._key: Key = (given.app, given.system, given.queue)
        self.moves = bool(given.app)
        """Does a service move files?"""
        self._files_in = FILES_IN + max(0, len(given.inputs) - 1)
        self._bytes_in = bytes_in
        self._looks = Looks(limits)
        self.files = self._files_in + FILES_OUT
        """That it moves for each job."""

    def job(self, bundle: Bundle, work: float) -> JobAhead:
        """A job of this bundle, whose cases take so many seconds."""
        before, waited = self._before() if self.moves else ({}, NOTHING)
        after, archived = self._after(len(bundle.cases)) if self.moves else ({}, NOTHING)
        around = waits.total([self._around(), self._starting()])
        parts = {**before, Phase.RUNNING: self._running(around, work), **after}
        parts[Phase.COLLECTING] = self._collecting(sum(one.likely for one in parts.values()))
        uploading, bringing = self._uploading(), self._bringing()
        found = {Phase.UPLOADING: uploading, **parts} if self.moves else parts
        return JobAhead(
            kind=bundle.kind,
            looked=self._looked,
            pace=self._learnt.pace,
            uploading=uploading.likely,
            before=waited,
            around=tuple(outcomes(around)),
            after=archived,
            bringing=bringing.likely,
            quicker=max(0.0, uploading.likely - uploading.low + bringing.likely - bringing.low),
            work=work,
            parts={phase.value: one for phase, one in found.items()},
        )

    def _uploading(self) -> Expected:
        usual = self._learnt.normal.of(*self._key, "uploading_s") if self.moves else None
        return own(usual, spread_of(UPLOADING)) if usual else _expected(UPLOADING if self.moves else NONE)

    def _before(self) -> tuple[dict[Phase, Expected], tuple[float, ...]]:
        """The phases before RUNNING, and outcomes of all of them together."""
        found = {phase: waits.phase(self._learnt.normal, self._key, phase) for phase in _BEFORE}
        staging, moved = self._moved("inputs", self._files_in, self._bytes_in)
        others = [outcomes(one) for phase, one in found.items() if phase is not Phase.STAGING_INPUTS]
        return {**found, Phase.STAGING_INPUTS: staging}, combined([*others, moved])

    def _after(self, cases: int) -> tuple[dict[Phase, Expected], tuple[float, ...]]:
        size = round(self._learnt.archive_bytes * cases)
        archiving, moved = self._moved("archive", FILES_OUT, size)
        return {Phase.ARCHIVING: archiving}, moved

    def _moved(self, into: Into, files: int, size: int) -> tuple[Expected, tuple[float, ...]]:
        """A phase with a transfer, and its outcomes: until all has arrived and the service looks."""
        learnt, key, during = self._learnt.normal, self._key, DURING[into]
        whole = learnt.of(*key, seconds_of(during.value))
        if whole is not None and whole.median and learnt.of(*key, f"{into}_waiting_s") is None:
            told = waits.phase(learnt, key, during, prior=0.3)  # nobody told of the transfers in it
            return told, tuple(outcomes(told))
        usual = learnt.of(*key, f"{into}_bytes")
        size = size or (round(usual.median) if usual else 0)
        waiting, copying = waits.arrival(learnt, key, into, files, size)
        closing = self._closing(into)

        def seen(parts: list[float]) -> float:
            return noticed(self._looked, during, parts[0] + parts[1], self._learnt.pace) + parts[2]

        found = combined([outcomes(waiting), outcomes(copying), outcomes(closing)], seen)
        likely = seen([waiting.likely, copying.likely, closing.likely])
        return _spread_as(found, likely, waits.total([waiting, copying, closing]).basis), found

    def _closing(self, into: Into) -> Expected:
        learnt, figure = self._learnt.closing.get(into), CLOSING[into]
        return own(learnt, spread_of(figure)) if learnt else _expected(figure)

    def _around(self) -> Expected:
        learnt = self._learnt.around
        return own(learnt, spread_of(AROUND)) if learnt else _expected(AROUND, USUAL)

    def _starting(self) -> Expected:
        """As usual, after what these jobs are known to need at least."""
        learnt = self._learnt.starting
        least = learnt.p90 if learnt else 0.0
        return Expected(
            low=STARTING.low + (learnt.median if learnt else 0.0),
            likely=STARTING.likely + least,
            high=STARTING.high + least,
            basis="",
        )

    def _running(self, around: Expected, work: float) -> Expected:
        low, likely, high = (
            noticed(self._looked, Phase.RUNNING, work + beyond, self._learnt.pace)
            for beyond in (around.low, around.likely, around.high)
        )
        return Expected(low=low, likely=likely, high=high, basis=around.basis)

    def _bringing(self) -> Expected:
        figure, learnt = BRINGING if self.moves else BRINGING_HERE, self._learnt.bringing
        return own(learnt, spread_of(figure)) if learnt else _expected(figure)

    def _collecting(self, over: float) -> Expected:
        """Until weft looks at a job that is over after so many seconds, and has brought what it left."""
        bringing = self._bringing()
        likely = self._looks.next(over) - over + bringing.likely
        return Expected(low=bringing.low, likely=likely, high=likely, basis=bringing.basis)


def _expected(figure: Figure, basis: str = "") -> Expected:
    return Expected(low=figure.low, likely=figure.likely, high=figure.high, basis=basis)


def _spread_as(found: tuple[float, ...], likely: float, basis: str) -> Expected:
    """Eight of ten of these outcomes."""
    low, high = found[len(found) // 10], found[-1 - len(found) // 10]
    return Expected(low=low, likely=min(max(likely, low), high), high=high, basis=basis)
