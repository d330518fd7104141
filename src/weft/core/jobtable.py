"""Jobs as a table: one row for each, one column for every figure. PURE.

Totals, baselines, findings, the history of ended jobs, CSV and Parquet: all have these columns. Seconds end in ``_s``,
bytes in ``_bytes``. A figure that nobody measured is null; one that is none is 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft.core.events import Allotment
from weft.core.jobtime import JobProfile
from weft.core.packing import charged_hours
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
INTO = ("inputs", "archive")

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
_MOST = 2**53
"""No count is larger: a figure beyond it was not measured, and does not fit everywhere."""
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


def schema() -> dict[str, Any]:
    """Column by column, with its type."""
    import polars as pl

    text, real, whole = pl.String(), pl.Float64(), pl.Int64()
    names: dict[str, Any] = dict.fromkeys(_TEXT, text)
    names |= {"open": pl.Boolean()}
    names |= dict.fromkeys(_ENDING, text)
    names |= dict.fromkeys(_WHOLE, whole)
    names |= dict.fromkeys(_SECONDS, real)
    names |= dict.fromkeys((seconds_of(phase.value) for phase in PHASES), real)
    names |= dict.fromkeys((uncertain_of(phase) for phase in PHASES), real)
    names |= dict.fromkeys((seconds_of(span) for span in RUNNER_SPANS), real)
    for into in INTO:
        names |= {f"{into}_{what}": real if what.endswith("_s") else whole for what in _TRANSFERS}
    names |= dict.fromkeys(_USE, real)
    names |= dict.fromkeys(_BYTES, whole)
    lists = pl.List(pl.String())
    return {**names, "sources": lists, "includes": lists, "excludes": lists, "signs": lists, "notes": lists}


def table(jobs: Sequence[JobProfile]) -> pl.DataFrame:
    """The table of these jobs.

    ``sources`` are the addresses of inputs, ``signs`` the patterns recognised in what failed cases printed (ids of
    ``core/signs.py``, once for each case), ``notes`` what was wrong with the data.
    """
    import polars as pl

    # Column by column: a hundred thousand rows of a hundred values each would cost many times as much.
    columns = {**_told(jobs), **_spans(jobs), **_moved(jobs)}
    columns["su"] = [_su(job.given, running) for job, running in zip(jobs, columns["running_s"], strict=True)]
    kinds = schema()
    lists = [name for name, kind in kinds.items() if isinstance(kind, pl.List)]
    for name in lists:
        columns[name] = [_BETWEEN.join(each) for each in columns[name]]
        kinds[name] = pl.String()
    found = pl.DataFrame([_column(name, columns[name], kind) for name, kind in kinds.items()])
    return found.with_columns(_split(name) for name in lists)


def _column(name: str, values: Sequence[Any], kind: Any) -> pl.Series:
    """The column; where a whole number does not fit into it, the largest that does."""
    import polars as pl

    try:
        return pl.Series(name, values, dtype=kind)
    except (TypeError, OverflowError):
        if not isinstance(kind, pl.Int64):
            raise
        return pl.Series(name, [each if each is None else _fitting(each) for each in values], dtype=kind)


def _fitting(count: int) -> int:
    return max(-_MOST, min(_MOST, count))


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
                sums[f"{each.into}_{what}"][place] += more if -_MOST < more < _MOST else _fitting(more)
    return {**sums}


def _zeros(code: str, jobs: Sequence[JobProfile]) -> array[Any]:
    return array(code, bytes(8 * len(jobs)))


def _su(given: Allotment, running: float) -> float | None:
    if given.rate is None or not running:
        return None
    return charged_hours(running / 60, _fitting(given.nodes), given.least_minutes) * given.rate
