"""What the user's ended jobs teach about the next ones of the same app, system and queue. PURE.

Besides how long phases take (``core/normal.py``) there are figures that only a prediction needs: what of RUNNING is the
runner's, what of a phase with a transfer is not the transfer, and what of COLLECTING is bringing. The rest of these is
waiting for the next look, the service's or weft's, which follows from when they look and need not be learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.jobtable import INTO
from weft.core.lateness import between_looks, lateness, noticed
from weft.core.looking import Looks
from weft.core.normal import AROUND, TO_SD, Baseline, Normal, normal_of
from weft.core.waits import FEW, Key
from weft.model import Limits, Outcome, Phase

if TYPE_CHECKING:
    import polars as pl

ANSWERED = 0.02
"""A look is answered so much later than it was due, as a share of the time since weft last did something."""
LATEST = 100
"""So many of the latest jobs are looked at: what was long ago says little of today."""
SLOWEST = 0.1
"""An account is shrunk until it fits in: the least shrunk in one of ten says how fast the service's clock runs."""
EARLY = 0.95
"""Part of the time until a look within which a phase would not be seen to be over."""


class Experience(Struct, frozen=True, kw_only=True):
    """Baselines of the jobs of one app, system and queue."""

    normal: Normal = Normal()
    """How long phases take; a few jobs are enough."""
    pace: float = 1.0
    """Seconds of ours in one of the service's."""
    prompt: bool = False
    """The service tells at once that something is over (one made for trying out does): it is not looked for."""
    around: Baseline | None = None
    """Seconds in which the runner was at work, and no case."""
    starting: Baseline | None = None
    """Seconds of RUNNING, at least, that neither the cases nor the runner tell of: until that was at work."""
    closing: Mapping[str, Baseline] = {}
    """Seconds of a phase with a transfer before it was asked for and after it was noticed, by what it was for."""
    bringing: Baseline | None = None
    """Seconds from when weft saw that a job was over until its outputs were here."""
    case_s: Mapping[str, Baseline] = {}
    """Mean seconds of a case, over the jobs of a study by its name; of all under the empty name."""
    archive_bytes: float = 0.0
    """For one case."""


def experience(jobs: pl.DataFrame, key: Key, limits: Limits) -> Experience:
    """What these jobs (rows of the history) teach; nothing where they are too few.

    Jobs that weft packed count alone, if there are some: others move their files one by one.
    """
    import polars as pl

    app, system, queue = key
    alike = jobs.filter((pl.col("app") == app) & (pl.col("system") == system) & (pl.col("queue") == queue))
    packed = alike.filter(pl.col("study") != "")
    chosen = (packed if packed.height >= FEW else alike).sort("end").tail(LATEST)
    done = chosen.filter(pl.col("outcome") == Outcome.FINISHED.value)
    rows = done.with_columns(pl.col(pl.Float64).fill_null(0.0)).to_dicts()
    paces = sorted(row["pace"] for row in rows if row["pace"] > 0)
    pace = _quantile(paces, SLOWEST) if paces else 1.0
    counted = [row for row in rows if row["recorded"] and row["cases_s"]]
    prompt = _is_prompt(counted, pace)
    return Experience(
        normal=normal_of(chosen, FEW),
        pace=pace,
        prompt=prompt,
        around=baseline(_around(row) for row in counted),
        starting=baseline(_untold(row, 0.0 if prompt else pace) for row in counted),
        bringing=_bringing(rows, Looks(limits)),
        closing=_closing(rows, prompt=prompt),
        case_s=_case_seconds(counted),
        archive_bytes=_middle([(row["archive_bytes"] or 0) / row["recorded"] for row in counted]),
    )


def _is_prompt(rows: Sequence[Mapping[str, Any]], pace: float) -> bool:
    """Are most jobs seen to be over before the first look after their cases?"""
    early: list[bool] = [
        row["running_s"] < EARLY * noticed(row["backend"], Phase.RUNNING, row["cases_s"] + _around(row), pace)
        for row in rows
    ]
    return sum(early) * 2 > len(early)


def _around(row: Mapping[str, Any]) -> float:
    return sum(float(row[name]) for name in AROUND)


def _untold(row: Mapping[str, Any], pace: float) -> float:
    """What of RUNNING is untold for sure: its process had not ended when it was looked at for the last time but one."""
    running: float = row["running_s"] * (1 - ANSWERED)
    late = lateness(row["backend"], Phase.RUNNING, running / pace) * pace if pace else 0.0
    late = late or between_looks(row["backend"], running)
    told: float = row["cases_s"] + _around(row)
    return max(0.0, running - late - told)


def _closing(rows: Sequence[Mapping[str, Any]], *, prompt: bool) -> dict[str, Baseline]:
    """What of a phase with a transfer is neither waiting for it nor for the service's look."""
    parts = ("before_s", "closing_s", *(["unnoticed_s"] if prompt else ()))
    found = {
        into: baseline(
            sum(row[f"{into}_{part}"] for part in parts) for row in rows if row[f"{into}_transfers"]
        )
        for into in INTO
    }
    return {into: one for into, one in found.items() if one is not None}


def _bringing(rows: Sequence[Mapping[str, Any]], looks: Looks) -> Baseline | None:
    """COLLECTING without the time until weft looked; of jobs alone, since others, too, make it look."""
    together = zip(rows, _alone(rows), strict=True)
    known = [_brought(row, looks) for row, alone in together if alone and row["recorded"]]
    return baseline(seconds for seconds in known if seconds is not None)


def _alone(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Was no other job of its study under way at the same time?"""
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        spans.setdefault(row["study"], []).append((row["start"], row["end"]))
    return [
        sum(start < row["end"] and end > row["start"] for start, end in spans[row["study"]]) == 1
        for row in rows
    ]


def _brought(row: Mapping[str, Any], looks: Looks) -> float | None:
    """How long it took to bring what a job left; None where that cannot be told from waiting."""
    collecting: float = row["collecting_s"]
    over: float = row["end"] - row["start"] - row["planned_s"] - row["uploading_s"] - collecting
    until = looks.next(max(0.0, over)) - over
    if collecting >= until:
        return collecting - until
    # Its end is known from a look of weft's alone: there was no more waiting.
    return collecting if looks.since(over) <= max(0.1, 2 * ANSWERED * over) else None


def _case_seconds(rows: Iterable[Mapping[str, Any]]) -> dict[str, Baseline]:
    means: dict[str, list[float]] = {}
    for row in rows:
        for name in {row["study"], ""}:
            means.setdefault(name, []).append(row["case_s"] / row["recorded"])
    found = {name: baseline(values) for name, values in means.items()}
    return {name: one for name, one in found.items() if one is not None}


def baseline(values: Iterable[float]) -> Baseline | None:
    """The baseline of these values; None of fewer than ``FEW``."""
    given = sorted(values)
    if len(given) < FEW:
        return None
    middle = _middle(given)
    spread = TO_SD * _middle(sorted(abs(value - middle) for value in given))
    return Baseline(
        count=len(given), median=middle, p10=_quantile(given, 0.1), p90=_quantile(given, 0.9), spread=spread
    )


def _middle(values: list[float]) -> float:
    return _quantile(sorted(values), 0.5) if values else 0.0


def _quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
