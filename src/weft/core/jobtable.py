"""Jobs as a table: one row for each, one column for every figure. PURE.

Totals, baselines, findings, the history of ended jobs, CSV and Parquet: all have these columns. Seconds end in ``_s``,
bytes in ``_bytes``. A figure that nobody measured is null; one that is none is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

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
_SECONDS = ("start", "end", "minutes", "rate", "least_minutes")
_USE = ("case_s", "cpu_s", "longest_case_s", "busy_s", "idle_s", "tail_s", "su")
_BYTES = ("peak_memory_bytes", "read_bytes", "written_bytes", "files_written", "files_kept")
_TRANSFERS = ("transfers", "files", "bytes", "waiting_s", "copying_s", "unnoticed_s")
INTO = ("inputs", "archive")


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


def table(jobs: Iterable[JobProfile]) -> pl.DataFrame:
    """The table of these jobs.

    ``sources`` are the addresses of inputs, ``signs`` the patterns recognised in what failed cases printed (ids of
    ``core/signs.py``, once for each case), ``notes`` what was wrong with the data.
    """
    import polars as pl

    columns: Sequence[str] = (*schema(),)
    rows = [row(job) for job in jobs]
    data = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else {}
    return pl.DataFrame(data, schema=schema())


def row(job: JobProfile) -> tuple[Any, ...]:
    """One job as a row, in the order of the schema."""
    given, start, end = job.given, job.start, job.end
    took = dict.fromkeys(PHASES, 0.0)
    late = dict.fromkeys(PHASES, 0.0)
    blocked = 0
    for span in job.phases:
        phase = Phase(span.name)
        took[phase] += span.end - span.start
        late[phase] += span.uncertain
        blocked += phase is Phase.BLOCKED
    runner = dict.fromkeys(RUNNER_SPANS, 0.0)
    for span in job.runner:
        if span.name in runner:
            runner[span.name] += span.end - span.start
    moved = [_moved(job, into) for into in INTO]
    charged = given.rate is not None and took[Phase.RUNNING] > 0
    su = charged_hours(took[Phase.RUNNING] / 60, given.nodes, given.least_minutes) * (given.rate or 0.0)
    return (
        job.id, job.native, job.name, job.study, job.backend, job.kind.value,
        given.app, given.system, given.queue, job.host,
        job.outcome is None,
        job.outcome.value if job.outcome else "", job.word, job.why, job.tail,
        given.nodes, given.cores or None, given.memory_mb or None, job.slots, job.cores, job.memory_mb,
        job.cases, job.recorded, job.failed, job.timed_out, job.oom, job.in_flight,
        blocked,
        start, end, given.minutes or None, given.rate, given.least_minutes or None,
        *took.values(), *late.values(), *runner.values(), *moved[0], *moved[1],
        job.case_s, job.cpu_s, job.longest_s, job.busy_s, job.idle_s, job.tail_s, su if charged else None,
        job.memory or None, job.read, job.written, job.files, job.kept,
        given.inputs, given.includes, given.excludes, job.signs, job.notes,
    )  # fmt: skip


def _moved(job: JobProfile, into: str) -> tuple[int, int, int, float, float, float]:
    transfers = files = size = 0
    waiting = copying = unnoticed = 0.0
    for each in job.transfers:
        if each.into == into:
            transfers += each.transfers
            files += each.files
            size += each.bytes
            waiting += each.waiting_s
            copying += each.copying_s
            unnoticed += each.unnoticed_s
    return transfers, files, size, waiting, copying, unnoticed
