"""What the user's ended jobs teach about the next ones of the same app, system and queue. PURE.

Besides how long phases take (``core/normal.py``) there are figures that only a prediction needs. What RUNNING takes
around the cases (the start of the runner, and until the service looks again) is a share of what it could be at most,
so that jobs of other lengths teach something too. The time until weft looked at a job that was over follows from its
pauses, and is taken out again: of COLLECTING, or, where nobody told when the job was over, of RUNNING and ARCHIVING.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.lateness import lateness
from weft.core.looking import Looks
from weft.core.normal import Baseline, Normal, normal_of
from weft.core.waits import FEW, Key
from weft.model import Limits, Outcome, Phase

if TYPE_CHECKING:
    import polars as pl

SECOND_LOOK = 11.0
"""Seconds after which Tapis looks at a job for the second time: a shorter one is seen to be over then."""
ANSWERED = 0.02
"""A look is answered so much later than it was due, as a share of the time since weft last did something."""
LATEST = 100
"""So many of the latest jobs are looked at: what was long ago says little of today."""
START = 2.0
"""Seconds until a runner is at work, and from its last word to the end of its job, at the most that is usual."""
LEAST_LEFT = 0.2
"""Of what came after the cases at least this part is believed to have been the service's."""


class Experience(Struct, frozen=True, kw_only=True):
    """Baselines of the jobs of one app, system and queue."""

    normal: Normal = Normal()
    """How long phases take; a few jobs are enough."""
    around: Baseline | None = None
    """RUNNING without CASES, as a share of ``around_most``."""
    bringing: Baseline | None = None
    """Seconds from when weft saw that a job was over until its outputs were here."""
    case_s: Mapping[str, Baseline] = {}
    """Mean seconds of a case, over the jobs of a study by its name; of all under the empty name."""
    archive_bytes: float = 0.0
    """For one case."""


def around_most(backend: str, seconds: float) -> float:
    """The longest that RUNNING usually lasts beyond its cases, which take so many seconds."""
    return START + lateness(backend, Phase.RUNNING, max(seconds + START, SECOND_LOOK))


def experience(jobs: pl.DataFrame, key: Key, limits: Limits) -> Experience:
    """What these jobs (rows of the history) teach; nothing where they are too few.

    Jobs that weft packed count alone, if there are some: others move their files one by one.
    """
    import polars as pl

    app, system, queue = key
    alike = jobs.filter((pl.col("app") == app) & (pl.col("system") == system) & (pl.col("queue") == queue))
    packed = alike.filter(pl.col("study") != "")
    chosen = (packed if packed.height >= FEW else alike).sort("end").tail(LATEST)
    chosen = _as_it_was(chosen, Looks(limits))
    wanted = (
        "study",
        "backend",
        "running_s",
        "cases_s",
        "collecting_s",
        "case_s",
        "recorded",
        "archive_bytes",
    )
    done = chosen.filter(pl.col("outcome") == Outcome.FINISHED.value)
    rows = done.select(wanted).to_dicts()
    with_cases = [row for row in rows if row["cases_s"]]
    counted = [row for row in rows if row["recorded"]]
    return Experience(
        normal=normal_of(chosen, FEW),
        around=baseline(_around(row) for row in with_cases),
        bringing=baseline(row["collecting_s"] for row in rows if row["collecting_s"] is not None),
        case_s=_case_seconds(row for row in counted if row["cases_s"]),
        archive_bytes=_middle([(row["archive_bytes"] or 0) / row["recorded"] for row in counted]),
    )


def _as_it_was(jobs: pl.DataFrame, looks: Looks) -> pl.DataFrame:
    """The jobs without the time until weft looked: COLLECTING is then what it took to bring the outputs."""
    import polars as pl

    names = (
        "start",
        "end",
        "planned_s",
        "uploading_s",
        "running_s",
        "cases_s",
        "archiving_s",
        "collecting_s",
    )
    columns: dict[str, list[float | None]] = {"running_s": [], "archiving_s": [], "collecting_s": []}
    rows = jobs.select("study", pl.col(names).fill_null(0.0)).to_dicts()
    for row, alone in zip(rows, _alone(rows), strict=True):
        unnoticed, bringing = _unnoticed(row, looks, alone=alone)
        around = max(0.0, row["running_s"] - row["cases_s"])
        after = around + row["archiving_s"]
        left = max(LEAST_LEFT, 1 - unnoticed / after) if after else 1.0
        columns["running_s"].append(row["running_s"] - around * (1 - left))
        columns["archiving_s"].append(row["archiving_s"] * left)
        columns["collecting_s"].append(bringing)
    return jobs.with_columns(
        **{name: pl.Series(values, dtype=pl.Float64) for name, values in columns.items()}
    )


def _alone(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Was no other job of its study under way at the same time?"""
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        spans.setdefault(row["study"], []).append((row["start"], row["end"]))
    return [
        sum(start < row["end"] and end > row["start"] for start, end in spans[row["study"]]) == 1
        for row in rows
    ]


def _unnoticed(row: Mapping[str, Any], looks: Looks, *, alone: bool) -> tuple[float, float | None]:
    """The time until weft saw that the job was over that is in RUNNING or ARCHIVING, and COLLECTING without any.

    None where other jobs, too, made weft look: nobody knows what of COLLECTING was waiting.
    """
    collecting = float(row["collecting_s"])
    over = row["end"] - row["start"] - row["planned_s"] - row["uploading_s"] - collecting
    until = looks.next(max(0.0, over)) - over
    if alone and collecting >= until:
        return 0.0, collecting - until
    if looks.since(over) <= max(0.1, 2 * ANSWERED * over):
        # Its end is known from a look of weft's alone: on average it was half a pause before.
        return looks.pause_before(over) / 2, collecting if alone else None
    return 0.0, None


def _around(row: Mapping[str, Any]) -> float:
    beyond: float = max(0.0, row["running_s"] - row["cases_s"])
    return beyond / around_most(row["backend"], row["cases_s"])


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
    spread = 1.4826 * _middle(sorted(abs(value - middle) for value in given))
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
