"""What the next study should ask for, by what the cases of this one used. PURE.

Memory and minutes are what 95 of 100 successful cases stayed within, and a margin. A case that ran out of one of them
needs more than it had: it counts as larger than every other, so that limits that were too low do not look right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from weft.core.margins import SMALL_JOB, enough_cores, enough_memory, enough_minutes, in_toml
from weft.core.packing import ENDS, GROWTH
from weft.core.quantities import count, duration, share, size
from weft.model import Outcome, Resources, Study

if TYPE_CHECKING:
    import polars as pl

SHARE = 0.95
"""The share of cases that the suggested limits are made for; the others run again with more."""
LEAST_CASES = 8
"""Successful cases below which nothing is suggested; as many as ``PILOT`` tries."""
LEAST_SECONDS = 1.0
"""Cases shorter than this say nothing of the cores they use."""
PILOT = "weft run --pilot 8"


class Suggestion(Struct, frozen=True, kw_only=True):
    """What the next study should ask for, and why."""

    lines: tuple[str, ...] = ()
    """Of a study file; none where too little is known."""
    evidence: tuple[str, ...]
    cases: int = 0
    """Successful cases that it rests on."""
    jobs: int = 0
    resources: Resources | None = None
    slots: tuple[int, int] | None = None
    """Cases at a time on one node, as it was and as it would be."""
    node_hours: tuple[float, float] | None = None
    """What these jobs were charged, and what they would be, with the same cases."""
    command: str = ""
    """What to do to know more."""


class _Need(Struct, frozen=True, kw_only=True):
    """How much of one thing cases need."""

    enough: float
    """What ``SHARE`` of them stay within; of those that ran out of it, an estimate."""
    most: float
    """The most that a successful one used."""
    count: int
    """Successful cases that tell."""
    within: int
    ran_out: int
    had: float
    """The most that a case had that ran out of it."""


def suggest(study: Study | None, jobs: pl.DataFrame, cases: pl.DataFrame | None) -> Suggestion:
    """The tables for the next study.

    ``jobs`` is the table of jobs (``core/jobtable.py``), ``cases`` the results table of the study, if there is one;
    without it each job counts as one case, by its largest one.
    """
    run = jobs.filter(jobs["kind"].is_in(["cases", "pilot"]) & (jobs["running_s"] > 0))
    used = _of_cases(cases) if cases is not None else _of_jobs(run)
    good = used.filter(outcome=Outcome.FINISHED.value).height
    if good < LEAST_CASES:
        return _too_little(good, study)
    memory = _need(used, "memory", Outcome.OUT_OF_MEMORY)
    wall = _need(used, "wall", Outcome.TIMED_OUT)
    cores, cores_why = _cores(used, study)
    resources = Resources(
        cores=cores,
        memory_mb=enough_memory(_limit(memory, study, Outcome.OUT_OF_MEMORY)) if memory else None,
        minutes=enough_minutes(_limit(wall, study, Outcome.TIMED_OUT)) if wall else None,
    )
    evidence = [*_memory_says(memory), *_wall_says(wall), *cores_why]
    gain = _Gain(run, resources, _settings(study).get("slots") or 0)
    return Suggestion(
        lines=(*_resources_lines(resources), *_job_lines(study, run, resources, gain)),
        evidence=(*evidence, *gain.says()),
        cases=good,
        jobs=run.height,
        resources=resources,
        slots=gain.slots,
        node_hours=gain.node_hours,
    )


def _too_little(good: int, study: Study | None) -> Suggestion:
    few = "no case has ended well" if not good else f"only {count(good, 'case')} ended well"
    command = PILOT if study is not None else ""
    hint = f"; `{command}` tries 8 cases, spread over the whole study" if command else ""
    return Suggestion(
        evidence=(f"too little is known: {few}, and {LEAST_CASES} are needed{hint}",),
        cases=good,
        command=command,
    )


# What cases used


def _of_cases(cases: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return cases.select(
        "outcome",
        wall=pl.col("weft_wall_s"),
        memory=pl.col("weft_memory_mb") * 1e6,
        cores=pl.when(pl.col("weft_wall_s") >= LEAST_SECONDS).then(
            pl.col("weft_cpu_s") / pl.col("weft_wall_s")
        ),
    )


def _of_jobs(jobs: pl.DataFrame) -> pl.DataFrame:
    """Each job as one case: by the largest of its cases, or, of one that has none, by itself."""
    import polars as pl

    many = pl.col("recorded") > 0
    telling = (pl.col("case_s") >= LEAST_SECONDS) & (pl.col("cpu_s") > 0)
    return jobs.select(
        pl.when(pl.col("oom_cases") > 0)
        .then(pl.lit(Outcome.OUT_OF_MEMORY.value))
        .when(pl.col("timed_out_cases") > 0)
        .then(pl.lit(Outcome.TIMED_OUT.value))
        .otherwise("outcome")
        .alias("outcome"),
        wall=pl.when(many).then("longest_case_s").otherwise("running_s"),
        memory=pl.col("peak_memory_bytes").cast(pl.Float64),
        cores=pl.when(telling).then(pl.col("cpu_s") / pl.col("case_s")),
    )


def _need(used: pl.DataFrame, column: str, ran_out: Outcome) -> _Need | None:
    """How much of it cases need; None where nobody measured it."""
    good = used.filter(outcome=Outcome.FINISHED.value)[column].drop_nulls().sort()
    good = good.filter(good > 0)
    short = used.filter(outcome=ran_out.value)[column].drop_nulls()
    if not good.len():
        return None
    place = math.ceil(SHARE * (good.len() + short.len()))
    had = float(short.max() or 0.0)  # type: ignore[arg-type]
    known = place <= good.len()
    enough = float(good[place - 1]) if known else max(GROWTH * had, float(good[-1]))
    return _Need(
        enough=enough,
        most=float(good[-1]),
        count=good.len(),
        within=int((good <= enough).sum()),
        ran_out=short.len(),
        had=had,
    )


def _limit(need: _Need, study: Study | None, ran_out: Outcome) -> float:
    """What the limit must hold: where a case that meets it does not run again, the largest that is known."""
    again = study is None or (study.retry.attempts > 1 and ran_out in study.retry.on)
    return need.enough if again else max(need.enough, need.most, need.had * GROWTH)


def _cores(used: pl.DataFrame, study: Study | None) -> tuple[int, list[str]]:
    busy = used.filter(outcome=Outcome.FINISHED.value)["cores"].drop_nulls()
    busy = busy.filter(busy > 0)
    asked = study.resources.cores if study is not None else 1
    if busy.len() < LEAST_CASES:
        return asked, ["how many cores a case uses is not known: cases were too short, or nobody measured it"]
    typical = float(busy.quantile(SHARE, "lower") or 0.0)
    median = float(busy.median() or 0.0)
    enough = enough_cores(typical)
    says = f"a case kept {median:.1f} cores busy (median), and {share(SHARE)} of cases at most {typical:.1f}"
    return enough, [says if enough == asked or study is None else f"{says}; {asked} were asked for"]


def _memory_says(need: _Need | None) -> list[str]:
    if need is None:
        return ["memory was not measured: cases were too short for it, so there is no line for it"]
    most = size(need.most)
    says = [f"{_so_many(need)} used {size(need.enough)} of memory at most{_largest(need, most)}"]
    if need.ran_out:
        had = f"{count(need.ran_out, 'case')} ran out of memory with {size(need.had)}"
        says.append(f"{had}, and need more than that")
    return says


def _wall_says(need: _Need | None) -> list[str]:
    if need is None:
        return []
    most = duration(need.most)
    says = [f"{_so_many(need)} took {duration(need.enough)} at most{_largest(need, most)}"]
    if need.ran_out:
        had = f"{count(need.ran_out, 'case')} ran out of time after {duration(need.had)}"
        says.append(f"{had}, and need more than that")
    return says


def _so_many(need: _Need) -> str:
    all_of_them = count(need.count, "case")
    return all_of_them if need.within == need.count else f"{need.within:,} of {all_of_them}"


def _largest(need: _Need, most: str) -> str:
    return f", the largest {most}" if need.within < need.count else ""


# What that means for jobs


def _charged(running: str | pl.Expr) -> pl.Expr:
    """Node-hours of jobs that run so many seconds; as ``packing.charged_hours`` has them."""
    import polars as pl

    least = pl.col("least_minutes").fill_null(0.0) * 60
    return pl.max_horizontal(running, least) / 3600 * pl.col("nodes").fill_null(1)


class _Gain:
    """What jobs of the same cases would take with other resources; nothing where a figure is missing."""

    def __init__(self, jobs: pl.DataFrame, resources: Resources, said: int) -> None:
        self.jobs = jobs.filter((jobs["recorded"] > 0) & (jobs["cores"] > 0) & (jobs["slots"] > 0))
        self.resources = resources
        self.said = said
        """Slots that the study asks for; they may be more than the cores, where cases wait."""
        self.slots: tuple[int, int] | None = None
        self.node_hours: tuple[float, float] | None = None
        self.running_s = 0.0
        """Of the longest job, with the slots that it would have."""
        if self.jobs.height:
            self._compute()

    def _compute(self) -> None:
        first = self.jobs.sort("cases", descending=True, maintain_order=True).row(0, named=True)
        fits = max(self.said, int(first["cores"]) // self.resources.cores)
        if first["memory_mb"] and self.resources.memory_mb:
            fits = min(fits, int(first["memory_mb"]) // self.resources.memory_mb)
        self.slots = int(first["slots"]), max(1, fits)
        took = self._took(self.slots[1])
        told = self.jobs.select(
            now=_charged("running_s").sum(),
            then=_charged(took).sum(),
            longest=took.max(),
        ).row(0, named=True)
        self.node_hours = told["now"], told["then"]
        self.running_s = told["longest"]

    @staticmethod
    def _took(slots: int) -> pl.Expr:
        """Seconds that a job would have run with so many slots: its cases never less than the longest of them."""
        import polars as pl

        filled, fillable = pl.min_horizontal("slots", "cases"), pl.min_horizontal(slots, "cases")
        shorter = pl.col("cases_s") * filled / fillable.clip(lower_bound=1)
        return pl.col("running_s") - pl.col("cases_s") + pl.max_horizontal("longest_case_s", shorter)

    def says(self) -> list[str]:
        says = []
        if self.slots and self.slots[0] != self.slots[1]:
            says.append(f"a node would run {self.slots[1]} cases at a time, where it ran {self.slots[0]}")
        if self.node_hours and self.node_hours[0] - self.node_hours[1] >= 0.01:
            now, then = self.node_hours
            says.append(f"the same cases would take {then:.2f} node-hours, where they took {now:.2f}")
        return says


def _resources_lines(resources: Resources) -> list[str]:
    lines = ["[resources]", f"cores = {resources.cores}"]
    if resources.memory_mb:
        lines.append(f"memory = {in_toml(resources.memory_mb)}")
    if resources.minutes:
        lines.append(f"minutes = {resources.minutes:g}")
    return lines


def _job_lines(study: Study | None, jobs: pl.DataFrame, resources: Resources, gain: _Gain) -> list[str]:
    """What in the table of the backend is worth changing; nothing where no job tells."""
    if study is None or gain.slots is None:
        return []
    settings = _settings(study)
    lines = _slots_line(settings, gain.slots[1])
    if study.backend == "tapis":
        lines = [*_room_lines(jobs, resources), *lines, *_minutes_line(settings, resources, gain.running_s)]
        lines += _jobs_line(settings, gain)
    return ["", f"[{study.backend}]", *lines] if lines else []


def _settings(study: Study | None) -> Mapping[str, Any]:
    return study.settings.get(study.backend, {}) if study is not None else {}


def _room_lines(jobs: pl.DataFrame, resources: Resources) -> list[str]:
    """A job is never smaller than one case."""
    cores, memory_mb = (_most(jobs, name) for name in ("cores", "memory_mb"))
    lines = [f"cores = {resources.cores}"] if 0 < cores < resources.cores else []
    if resources.memory_mb and 0 < memory_mb < resources.memory_mb:
        lines.append(f"memory = {in_toml(resources.memory_mb)}")
    return lines


def _most(jobs: pl.DataFrame, column: str) -> int:
    return max(jobs[column].drop_nulls().to_list(), default=0)


def _slots_line(settings: Mapping[str, Any], slots: int) -> list[str]:
    said = settings.get("slots")
    return [f"slots = {slots}"] if said and said != slots else []


def _minutes_line(settings: Mapping[str, Any], resources: Resources, running_s: float) -> list[str]:
    """Minutes of a job, where they are said: long ones wait longer, and one case must fit."""
    said = settings.get("minutes")
    enough = max(enough_minutes(running_s), math.ceil((resources.minutes or 0) + ENDS))
    return [f"minutes = {enough}"] if said and (enough > said or enough * 2 <= said) else []


def _jobs_line(settings: Mapping[str, Any], gain: _Gain) -> list[str]:
    """Fewer jobs at once, where each would hardly run."""
    said = settings.get("jobs")
    if not said or gain.running_s * 2 > SMALL_JOB * 60:
        return []
    enough = max(1, math.ceil(said * gain.running_s / (SMALL_JOB * 60)))
    return [f"jobs = {enough}"] if enough < said else []
