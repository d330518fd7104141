"""Jobs as a table: one row for each, one column for every figure. PURE.

Totals, baselines, findings, the history of ended jobs, CSV and Parquet: all have these columns. Seconds end in ``_s``,
bytes in ``_bytes``. A figure that nobody measured is null; one that is none is 0.

``columns`` has them as plain Python, for who only writes jobs down: polars takes time and memory to load.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.core.events import Allotment
from weft.core.jobprofile import JobProfile
from weft.core.packing import charged_hours
from weft.core.transfers import MOVED_IN
from weft.model import Phase

if TYPE_CHECKING:
    import polars as pl

PHASES: tuple[Phase, ...] = tuple(phase for phase in Phase if phase is not Phase.ENDED)
RUNNER_SPANS = ("UNPACK", "SETUP", "CASES", "FINISH", "PACK")

_TEXT = ("job", "native", "name", "study", "backend", "kind", "app", "system", "queue", "host")
_ENDING = ("outcome", "word", "why", "tail")
"""``outcome`` is empty while a job is under way; ``word`` is the backend's own for how it ended, ``why`` its last
message, ``tail`` the last lines that its set-up, or its first case that failed, left on stderr."""
_WHOLE = (
    "nodes", "cores", "memory_mb", "slots", "case_cores", "case_memory_mb",
    "cases", "recorded", "failed_cases", "timed_out_cases", "oom_cases", "in_flight",
    "visits_blocked",
)  # fmt: skip
"""``cores`` and ``memory_mb`` are a node's, ``case_...`` one case's; null where not known."""
_SECONDS = ("start", "end", "minutes", "rate", "least_minutes", "pace")
_USE = ("case_s", "cpu_s", "longest_case_s", "busy_s", "idle_s", "tail_s", "su")
_BYTES = ("peak_memory_bytes", "read_bytes", "written_bytes", "printed_bytes", "files_written", "files_kept")
_TRANSFERS = (
    "transfers", "files", "bytes",
    "before_s", "waiting_s", "copying_s", "unnoticed_s", "closing_s",
)  # fmt: skip
INTO: tuple[str, ...] = tuple(MOVED_IN.values())

_OF_THE_JOB = {
    **{name: name for name in ("native", "name", "study", "backend", "host", "word", "why", "tail")},
    **{name: name for name in ("slots", "cases", "recorded", "in_flight", "start", "end", "signs", "notes")},
    **{name: name for name in ("case_s", "cpu_s", "busy_s", "idle_s", "tail_s", "pace")},
    "job": "id",
    "case_cores": "cores",
    "case_memory_mb": "memory_mb",
    "failed_cases": "failed",
    "timed_out_cases": "timed_out",
    "oom_cases": "oom",
    "longest_case_s": "longest_s",
    "read_bytes": "read",
    "written_bytes": "written",
    "printed_bytes": "printed",
    "files_written": "files",
    "files_kept": "kept",
}
"""Column, and what it is called in a job's profile."""
MOST = 2**53
"""No figure is larger: one beyond it was not measured, does not fit everywhere, and sums of such are not exact."""
_BETWEEN = "\x1f"
"""The sign that separates units: in no address, pattern or sentence."""
_OF_WHAT_WAS_GIVEN = ("app", "system", "queue", "nodes", "rate", "includes", "excludes")
_UNKNOWN_IF_NONE = ("cores", "memory_mb", "minutes", "least_minutes")


def seconds_of(name: str) -> str:
    """The column with the seconds of a phase, or of a span of the runner."""
    return f"{name.lower()}_s"


def uncertain_of(phase: Phase) -> str:
    """The column with how many of its seconds may belong to what came next."""
    return f"{phase.value.lower()}_uncertain_s"


def _kinds() -> dict[str, type]:
    names: dict[str, type] = dict.fromkeys(_TEXT, str)
    names |= {"open": bool}
    names |= dict.fromkeys(_ENDING, str)
    names |= dict.fromkeys(_WHOLE, int)
    names |= dict.fromkeys(_SECONDS, float)
    names |= dict.fromkeys((seconds_of(phase.value) for phase in PHASES), float)
    names |= dict.fromkeys((uncertain_of(phase) for phase in PHASES), float)
    names |= dict.fromkeys((seconds_of(span) for span in RUNNER_SPANS), float)
    for into in INTO:
        names |= {f"{into}_{what}": float if what.endswith("_s") else int for what in _TRANSFERS}
    names |= dict.fromkeys(_USE, float)
    names |= dict.fromkeys(_BYTES, int)
    return names | dict.fromkeys(("sources", "includes", "excludes", "signs", "notes"), list)


KINDS: Mapping[str, type] = _kinds()
"""Column by column, what it holds; a list is one of texts."""


def schema() -> dict[str, Any]:
    """Column by column, with its type in polars."""
    import polars as pl

    types = {
        str: pl.String(),
        bool: pl.Boolean(),
        int: pl.Int64(),
        float: pl.Float64(),
        list: pl.List(pl.String()),
    }
    return {name: types[kind] for name, kind in KINDS.items()}


def table(jobs: Sequence[JobProfile]) -> pl.DataFrame:
    """The table of these jobs.

    ``sources`` are the addresses of inputs, ``signs`` the patterns recognised in what failed cases printed (ids of
    ``core/signs.py``, once for each case), ``notes`` what was wrong with the data.
    """
    import polars as pl

    told = columns(jobs)
    kinds = schema()
    lists = [name for name, kind in KINDS.items() if kind is list]
    for name in lists:
        told[name] = [_BETWEEN.join(each) for each in told[name]]
        kinds[name] = pl.String()
    found = pl.DataFrame([pl.Series(name, told[name], dtype=kind) for name, kind in kinds.items()])
    return found.with_columns(_split(name) for name in lists)


def columns(jobs: Sequence[JobProfile]) -> dict[str, Sequence[Any]]:
    """The columns of the table of these jobs, each a value for every job."""
    # Column by column: a hundred thousand rows of a hundred values each would cost many times as much.
    told = {**_told(jobs), **_spans(jobs), **_moved(jobs)}
    told["su"] = [su_of(job.given, running) for job, running in zip(jobs, told["running_s"], strict=True)]
    return {name: _all_fitting(told[name]) if kind is int else told[name] for name, kind in KINDS.items()}


def _all_fitting(counts: Sequence[int | None]) -> Sequence[int | None]:
    if all(each is None or -MOST <= each <= MOST for each in counts):
        return counts
    return [each if each is None else _fitting(each) for each in counts]


def _fitting(count: int) -> int:
    return max(-MOST, min(MOST, count))


def _split(name: str) -> pl.Expr:
    """The list that was joined: made here, since polars takes a second for a hundred thousand Python lists."""
    import polars as pl

    none = pl.lit([], dtype=pl.List(pl.String()))
    return pl.when(pl.col(name) == "").then(none).otherwise(pl.col(name).str.split(_BETWEEN)).alias(name)


def _told(jobs: Sequence[JobProfile]) -> dict[str, Sequence[Any]]:
    """What is a job's own word, or its backend's."""
    given = [job.given for job in jobs]
    return {
        **{name: [getattr(job, of) for job in jobs] for name, of in _OF_THE_JOB.items()},
        **{name: [getattr(each, name) for each in given] for name in _OF_WHAT_WAS_GIVEN},
        **{name: [getattr(each, name) or None for each in given] for name in _UNKNOWN_IF_NONE},
        "sources": [each.inputs for each in given],
        "kind": [job.kind.value for job in jobs],
        "open": [job.outcome is None for job in jobs],
        "outcome": [job.outcome.value if job.outcome else "" for job in jobs],
        "peak_memory_bytes": [job.memory or None for job in jobs],
    }


def _spans(jobs: Sequence[JobProfile]) -> dict[str, Sequence[Any]]:
    """Seconds of each phase and of the runner's spans, several visits summed."""
    phases = [phase.value for phase in PHASES]
    took = {name: _zeros("d", jobs) for name in (*phases, *RUNNER_SPANS)}
    late = {name: _zeros("d", jobs) for name in phases}
    blocked = _zeros("q", jobs)
    for place, job in enumerate(jobs):
        for span in job.phases:
            took[span.name][place] += span.end - span.start
            if span.uncertain:
                late[span.name][place] += span.uncertain
            if span.name == Phase.BLOCKED.value:
                blocked[place] += 1
        for span in job.runner:
            if span.name in took:
                took[span.name][place] += span.end - span.start
    return {
        **{seconds_of(name): column for name, column in took.items()},
        **{uncertain_of(Phase(name)): column for name, column in late.items()},
        "visits_blocked": blocked,
    }


def _moved(jobs: Sequence[JobProfile]) -> dict[str, Sequence[Any]]:
    """What the transfers of each job come to."""
    sums = {
        f"{into}_{what}": _zeros("d" if what.endswith("_s") else "q", jobs)
        for into in INTO
        for what in _TRANSFERS
    }
    for place, job in enumerate(jobs):
        for each in job.transfers:
            for what in _TRANSFERS:
                more = getattr(each, what)
                sums[f"{each.into}_{what}"][place] += more if -MOST < more < MOST else _fitting(more)
    return {**sums}


def _zeros(code: str, jobs: Sequence[JobProfile]) -> array[Any]:
    return array(code, bytes(8 * len(jobs)))


def su_of(given: Allotment, running: float) -> float | None:
    """What a job that ran so many seconds was charged for; None where nothing is known to be, or it never ran."""
    if given.rate is None or not running:
        return None
    return charged_hours(running / 60, _fitting(given.nodes), given.least_minutes) * given.rate
