"""Jobs that are alike, and that one remedy helps: what a rule tells one finding of. PURE.

Here jobs are alike if they are of one study, too, since what helps is a line of its file; where time went outside of
the cases is added up over studies (``together.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from weft.core.findings.base import Finding, Remedy, Rule, Scene
from weft.core.findings.together import as_a_study
from weft.model import Study

if TYPE_CHECKING:
    import polars as pl

MOST_NAMED = 20
"""So many jobs are named in a finding."""
KEY = ("study", "app", "system", "queue")
"""What jobs that are alike have in common."""

USUAL_JOBS = 4
"""Jobs at a time, where the study does not say."""

_TEXT = ("job", "backend", "kind", "outcome", "open")
_ASKED = (
    "nodes", "cores", "memory_mb", "slots", "case_cores", "case_memory_mb", "minutes", "rate", "least_minutes",
)  # fmt: skip
_CASES = ("cases", "recorded", "timed_out_cases", "oom_cases")
_TIMES = ("start", "end", "queued_s", "running_s", "archiving_s", "cases_s")
_USE = ("case_s", "cpu_s", "longest_case_s", "busy_s", "idle_s", "tail_s", "su")
_BYTES = (
    "peak_memory_bytes", "read_bytes", "written_bytes", "files_written", "files_kept",
    "archive_bytes", "archive_copying_s",
)  # fmt: skip
COLUMNS = (*KEY, *_TEXT, *_ASKED, *_CASES, *_TIMES, *_USE, *_BYTES)
"""What is kept of a job: rules on the use of what was asked for look at nothing else."""


class Alike(Struct, frozen=True, kw_only=True):
    """Jobs of one study, app, system and queue in which the same was found, those that lost most first."""

    study: str
    """Empty for jobs that weft did not launch."""
    app: str
    system: str
    queue: str
    backend: str
    jobs: pl.DataFrame
    """``COLUMNS``, and ``lost``."""

    @property
    def count(self) -> int:
        return self.jobs.height

    @property
    def where(self) -> str:
        parts = [f"{self.app} on {self.system}" if self.app else self.system]
        parts += [f"queue {self.queue}"] if self.queue else []
        return ", ".join([*filter(None, parts), *([f"study {self.study}"] if self.study else [])])

    @property
    def basis(self) -> str:
        """What gains that are computed from these jobs alone rest on."""
        return "what this job did" if self.count == 1 else f"what these {self.count:,} jobs did"

    def sum(self, what: str | pl.Expr) -> float:
        return self._one(what, "sum")

    def max(self, what: str | pl.Expr) -> float:
        return self._one(what, "max")

    def median(self, what: str | pl.Expr) -> float:
        return self._one(what, "median")

    def _one(self, what: str | pl.Expr, how: str) -> float:
        import polars as pl

        expression = pl.col(what) if isinstance(what, str) else what
        value = self.jobs.select(getattr(expression, how)()).item()
        return float(value) if value is not None else 0.0

    def finding(
        self,
        rule: Rule,
        *,
        evidence: Iterable[str],
        cause: str,
        remedies: Iterable[Remedy],
        gain_s: float | None = None,
        gain_su: float | None = None,
    ) -> Finding:
        """The finding of this rule; a gain of nothing is none."""
        return Finding(
            id=rule.id,
            title=rule.title,
            severity=rule.severity,
            jobs=tuple(self.jobs["job"].head(MOST_NAMED)),
            where=self.where,
            evidence=tuple(evidence),
            cause=cause,
            remedies=tuple(remedies),
            gain_s=gain_s or None,
            gain_su=gain_su or None,
            basis=self.basis if gain_s or gain_su else "",
        )


def alike(
    jobs: pl.DataFrame, found: pl.Expr, lost: str | pl.Expr, more: Sequence[str] = ()
) -> Iterator[Alike]:
    """The jobs in which something was found, those that are alike together; ``more`` are columns besides ``COLUMNS``.

    What a condition needs and is null makes it false.
    """
    import polars as pl

    losing = pl.col(lost) if isinstance(lost, str) else lost
    table = (
        jobs.lazy()
        .select(*COLUMNS, *more)
        .filter(found)
        .with_columns(losing.alias("lost"))
        .sort("lost", descending=True, nulls_last=True, maintain_order=True)
        .collect()
    )
    for (study, app, system, queue), group in table.group_by(*KEY, maintain_order=True):
        yield Alike(
            study=str(study),
            app=str(app),
            system=str(system),
            queue=str(queue),
            backend=group["backend"][0],
            jobs=group,
        )


def study_of(scene: Scene, group: Alike) -> Study | None:
    """The study whose jobs these are, if it is at hand."""
    return scene.study if scene.study is not None and scene.study.name == group.study else None


def as_study(group: Alike, gain: str) -> Remedy:
    """How jobs that weft did not launch become cases of a study."""
    if group.backend == "tapis":
        return as_a_study(group.app, gain)
    return Remedy(say=f"Run them as cases of a study of weft: {gain}.", command="weft init")


def jobs_at_a_time(scene: Scene, group: Alike) -> int:
    """How many jobs at a time the study asks for."""
    study = study_of(scene, group)
    settings = study.settings.get(group.backend, {}) if study is not None else {}
    return int(settings.get("jobs") or USUAL_JOBS)


# What several rules ask of jobs


def of_cases(*, least: int = 1) -> pl.Expr:
    """Is it a job of cases (or a pilot), of which so many left a record?"""
    import polars as pl

    return pl.col("kind").is_in(["cases", "pilot"]) & (pl.col("recorded") >= least)


def cores_used() -> pl.Expr:
    """Cores that a case kept busy, on average over all cases of a job."""
    import polars as pl

    return pl.col("cpu_s") / pl.col("case_s")


def measured(case_s: float) -> pl.Expr:
    """Is the CPU time of its cases known, for so many seconds of cases at least?"""
    import polars as pl

    return (pl.col("case_s") >= case_s) & (pl.col("cpu_s") > 0)


def most_of_all(column: str) -> pl.Expr:
    """The largest of a column over all jobs that are alike, whether something was found in them or not."""
    import polars as pl

    return pl.col(column).max().over(*KEY)


def slots_for(
    case_cores: pl.Expr | int,
    case_memory_mb: pl.Expr | int,
    cores: str = "cores",
    memory_mb: str = "memory_mb",
) -> pl.Expr:
    """Cases at a time on a node that has so much, as ``packing.slots_within`` has it; null if that is not known."""
    import polars as pl

    limit = pl.lit(case_memory_mb) if isinstance(case_memory_mb, int) else case_memory_mb
    by_cores = pl.col(cores) // case_cores
    by_memory = pl.when((limit > 0) & (pl.col(memory_mb) > 0)).then(pl.col(memory_mb) // limit)
    return pl.when(by_cores > 0).then(pl.min_horizontal(by_cores, by_memory).clip(lower_bound=1))


def with_slots(slots: pl.Expr) -> pl.Expr:
    """Seconds that a job's cases would have taken with so many slots: never less than the longest of them."""
    import polars as pl

    usable = pl.max_horizontal(pl.min_horizontal(slots, "cases"), "slots")
    shorter = pl.max_horizontal("longest_case_s", pl.col("cases_s") * pl.col("slots") / usable)
    return pl.when(slots.is_not_null() & (usable > 0)).then(shorter).otherwise("cases_s")


def saved(cases_s: pl.Expr) -> pl.Expr:
    """Seconds saved if a job's cases take only so long."""
    import polars as pl

    return (pl.col("cases_s") - cases_s).clip(lower_bound=0.0)


def saved_su(seconds: pl.Expr) -> pl.Expr:
    """SU saved if a job runs so many seconds less; null where it is not charged."""
    import polars as pl

    least = pl.col("least_minutes").fill_null(0.0) * 60
    now = pl.max_horizontal("running_s", least)
    then = pl.max_horizontal(pl.col("running_s") - seconds, least)
    return (now - then) / 3600 * pl.col("nodes") * pl.col("rate")
