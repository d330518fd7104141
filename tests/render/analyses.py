"""Analyses as they come: a small study on one machine, one of four jobs through Tapis, jobs of months, a great many."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
from msgspec import structs
from tests.core.scenes import jobs as table_of

from weft.core.analysis import Actual, Analysis, Forecast
from weft.core.critical import critical_path
from weft.core.events import Allotment
from weft.core.findings.base import Finding, Remedy, Severity
from weft.core.jobprofile import JobProfile, Span
from weft.core.jobtable import PHASES, schema, seconds_of, table
from weft.core.normal import Baseline, Drift, Outlier
from weft.core.profile import Profile, Totals
from weft.core.transfers import TransferProfile
from weft.model import Kind, Outcome

START = 1_780_300_000.0
MADE = START + 40_000

HOSTILE = "<script>alert('it')</script> & \"so\""
"""What a name may hold."""


def job(
    number: int, spans: dict[str, float], *, start: float, study: str = "portal-ida", **more: Any
) -> JobProfile:
    """A job with these seconds by phase, in this order."""
    at, phases = start, []
    for name, seconds in spans.items():
        late = 20.0 if name in ("STAGING_INPUTS", "ARCHIVING", "QUEUED") and seconds > 60 else 0.0
        phases.append(Span(name=name, start=at, end=at + seconds, uncertain=late))
        at += seconds
    told = {
        "id": f"{study}-k3f9-{number:04d}",
        "kind": Kind.CASES,
        "backend": "tapis",
        "native": f"6f1c{number:04d}-aaaa-4bbb-8ccc-0123456789ab-007",
        "host": "c477-012",
        "slots": 48,
        "cases": 250,
        "recorded": 250,
        "outcome": Outcome.FINISHED,
        "runner": runner(phases),
        "busy_s": 48 * 0.8 * spans.get("RUNNING", 0.0),
        "idle_s": 48 * 0.15 * spans.get("RUNNING", 0.0),
        "tail_s": 48 * 0.1 * spans.get("RUNNING", 0.0),
        "study": study,
    }
    return JobProfile(phases=phases, **(told | more))


def runner(phases: list[Span]) -> list[Span]:
    """The runner's spans within RUNNING."""
    running = next((span for span in phases if span.name == "RUNNING"), None)
    if running is None:
        return []
    found, at = [], running.start
    for name, part in (("UNPACK", 0.03), ("SETUP", 0.02), ("CASES", 0.85), ("FINISH", 0.02), ("PACK", 0.06)):
        found.append(Span(name=name, start=at, end=at + part * running.seconds))
        at += part * running.seconds
    return found


def profile(name: str, found: list[JobProfile]) -> Profile:
    """A profile of these jobs; of the totals what the renderers read."""
    sums: dict[str, float] = {}
    for each in found:
        for span in (*each.phases, *each.runner):
            sums[span.name] = sums.get(span.name, 0.0) + span.seconds
    start, end = min(each.start for each in found), max(each.end for each in found)
    totals = Totals(
        wall_s=end - start, jobs=len(found), runs=sum(each.recorded for each in found), case_s=3.1e5, cpu_s=3e5,
        unsuccessful_s=900.0, median_s=310.0, longest_s=1210.0, memory=900_000_000, slot_s=1e6, parallelism=40.0,
        efficiency=0.4, overhead=1 - sum(each.useful_s for each in found) / sum(each.end - each.start for each in found), idle_s=2e4, tail_s=1e4, spans=sums,
    )  # fmt: skip
    return Profile(name=name, start=start, end=end, open=False, totals=totals, jobs=found, slowest=[])


TAPIS = Allotment(
    app="opensees-mp-s3", system="stampede3", queue="skx", cores=48, memory_mb=192_000, minutes=120, rate=1.0,
    least_minutes=15,
)  # fmt: skip


def moved(into: str, files: int, size: int, waiting: float, copying: float, late: float) -> TransferProfile:
    return TransferProfile(
        into=into, files=files, bytes=size, waiting_s=waiting, copying_s=copying, unnoticed_s=late,
        files_per_s=files / copying,
    )  # fmt: skip


def study(title: str = "portal-ida") -> Analysis:
    """1,000 cases in four jobs through Tapis, with all that can be said of them."""
    found = [
        job(
            number,
            {
                "PLANNED": 2.0, "UPLOADING": 14.0 + number, "PENDING": 3.0, "PROCESSING_INPUTS": 1.2,
                "STAGING_INPUTS": 46.0 + 9 * number, "STAGING_JOB": 42.0, "SUBMITTING_JOB": 2.0,
                "QUEUED": queued, "RUNNING": running, "ARCHIVING": 215.0 + 60 * number, "COLLECTING": 22.0,
            },
            start=START + 6 * number, given=TAPIS, failed=failed, cpu_s=2.2e5,
            outcome=Outcome.TIMED_OUT if number == 3 else Outcome.FINISHED,
            recorded=246 if number == 3 else 250,
            transfers=[moved("inputs", 112, 41_000_000, 15.1, 27.2, 3.9), moved("archive", 5069, 151_000_000, 11.1, 171.7, 27.4)],
            notes=["2 events of its history come twice"] if number == 2 else [],
        )
        for number, queued, running, failed in ((1, 300.0, 2700.0, 0), (2, 310.0, 2815.0, 3), (3, 1900.0, 3600.0, 9), (4, 420.0, 2640.0, 0))
    ]  # fmt: skip
    made = profile(title, found)
    ids = tuple(each.id for each in found)
    return Analysis(
        title=title,
        made=MADE,
        profile=made,
        jobs=table(found),
        waited=critical_path(found),
        findings=findings(ids),
        outliers=[Outlier(job=ids[2], what="queued_s", value=1900.0, normal=usual(310.0))],
        drifts=[drift()],
        actual=actual(),
        cases=cases(),
        parameters={"record": [f"records/RSN{number:04d}_LOMAP.AT2" for number in range(25)], "scale": [0.25 * step for step in range(1, 41)], "damping": [0.05]},
        problems=["0b5c1d2e-007: its history cannot be read: the answer ends in the middle of an event"],
    )  # fmt: skip


def named(text: str) -> Analysis:
    """The study with this in every place where a user or a service may have written."""
    analysis = study(text)
    assert analysis.actual is not None
    few = cases().filter(pl.col("scale") <= 1.0).head(12)
    jobs = [
        structs.replace(job, id=f"{text}{n}", name=f"{text}{n}", notes=[text])
        for n, job in enumerate(analysis.profile.jobs)
    ]
    names = {name: pl.lit(text) for name in ("app", "system", "queue", "study", "word", "why", "tail")}
    numbered = text + pl.int_range(pl.len()).cast(pl.String)
    other = pl.int_range(pl.len()) > 1
    table = analysis.jobs.with_columns(
        numbered.alias("job"),
        numbered.alias("name"),
        pl.lit([text], dtype=pl.List(pl.String)).alias("notes"),
        *(pl.when(other).then(value).otherwise(pl.lit("b")).alias(name) for name, value in names.items()),
    )
    forecast = structs.replace(analysis.actual.forecast, basis=text)
    return structs.replace(
        analysis,
        findings=[
            Finding(
                id="x", title=text, severity=Severity.NOTE, jobs=(text,), where=text, evidence=(text,), cause=text,
                remedies=(Remedy(say=text, setting=text, command=text),), gain_s=1.0, basis=text,
            )
        ],
        jobs=table,
        profile=structs.replace(analysis.profile, jobs=jobs),
        waited=[structs.replace(each, job=text, name=text) for each in analysis.waited],
        actual=structs.replace(analysis.actual, forecast=forecast),
        outliers=[structs.replace(each, job=text, what=text) for each in analysis.outliers],
        drifts=[structs.replace(each, app=text, what=text) for each in analysis.drifts],
        cases=few.with_columns((text + pl.col("record")).alias(text)),
        parameters={
            text: [text + value for value in few["record"].unique(maintain_order=True)],
            "scale": [0.25, 0.5, 0.75, 1.0],
        },
        problems=[text],
    )  # fmt: skip


def usual(median: float) -> Baseline:
    return Baseline(count=40, median=median, p10=0.7 * median, p90=1.6 * median, spread=0.2 * median)


def drift() -> Drift:
    return Drift(
        app="opensees-mp-s3", system="stampede3", queue="skx", what="archiving_s", since=START - 12 * 86_400,
        before=usual(95.0), after=usual(290.0),
    )  # fmt: skip


def actual() -> Actual:
    forecast = Forecast(
        wall_s=(3600.0, 4700.0, 6400.0), su=(2.9, 3.3, 4.0), files=20_000, jobs=4,
        spans={"QUEUED": 240.0, "STAGING_INPUTS": 52.0, "RUNNING": 2750.0, "ARCHIVING": 240.0},
        basis="two studies of 8 jobs of this app on stampede3, queue skx",
    )  # fmt: skip
    spans = {"QUEUED": 365.0, "STAGING_INPUTS": 68.0, "RUNNING": 2757.0, "ARCHIVING": 365.0}
    return Actual(forecast=forecast, wall_s=6120.0, su=4.3, files=20_724, spans=spans)


def findings(ids: tuple[str, ...]) -> list[Finding]:
    """One of each severity."""
    where = "opensees-mp-s3 on stampede3, queue skx"
    return [
        Finding(
            id="job-timed-out", title="A job ran out of time", severity=Severity.FAILURE, jobs=ids[2:3], where=where,
            evidence=("4 of 250 cases had not started when its 60 minutes were over.", "The cases took 17 % longer than in the pilot."),
            cause="The job was given less time than its cases need.",
            remedies=(Remedy(say="Give each case more minutes.", setting="[resources]\nminutes = 8"), Remedy(say="Run what is left.", command="weft retry portal-ida")),
            basis="",
        ),
        Finding(
            id="many-small-files-archived", title="Many small files are archived one by one", severity=Severity.WASTE, jobs=ids, where=where,
            evidence=("20,276 files, 604 MB: 687 s of 1,460 s were copying, 29.5 files/s.", "All but 1,000 of them are smaller than 100 kB."),
            cause="The service copies file by file, and each file costs it about 34 ms whatever its size.",
            remedies=(
                Remedy(say="Keep only what you read afterwards; weft packs it into one ZIP per job.", setting='[output]\nkeep = ["disp.out", "reaction.out"]'),
                Remedy(say="Or let the service archive less.", setting='"archiveFilter": {"includes": ["results.zip"], "excludes": [], "includeLaunchFiles": false}'),
            ),
            gain_s=1_270.0, gain_su=None, basis="figures of a recorded job (May 2025)",
        ),
        Finding(
            id="queue-longer-than-usual", title="One job waited long in the queue", severity=Severity.NOTE, jobs=ids[2:3], where=where,
            evidence=("31 min 40 s; 9 of 10 such jobs waited less than 8 min 16 s.",),
            cause="The queue was fuller than usual.", gain_s=1_590.0, basis="your 40 ended jobs like these",
        ),
    ]  # fmt: skip


def cases() -> pl.DataFrame:
    """25 records at 40 scales; the strongest fail now and then."""
    chance = random.Random(7)
    rows = []
    for record in range(25):
        for step in range(1, 41):
            scale = 0.25 * step
            failed = scale > 6 and chance.random() < 0.06 * (scale - 6) * (record % 5) / 2
            wall = (90 + 12 * record + 60 * scale) * chance.uniform(0.85, 1.2) * (0.4 if failed else 1)
            rows.append({
                "case": f"c{record:02d}{step:02d}", "status": "failed" if failed else "done", "outcome": "FAILED" if failed else "FINISHED",
                "record": f"records/RSN{record:04d}_LOMAP.AT2", "scale": scale, "damping": 0.05, "weft_wall_s": wall,
            })  # fmt: skip
    return pl.DataFrame(rows)


def local() -> Analysis:
    """Twelve cases in one job on this machine."""
    one = job(1, {"PLANNED": 0.02, "UPLOADING": 0.1, "PENDING": 0.05, "RUNNING": 8.2, "COLLECTING": 0.2},
              start=START, study="first-steps", backend="local", slots=2, cases=12, recorded=12)  # fmt: skip
    made = profile("first-steps", [one])
    return Analysis(title="first-steps", made=MADE, profile=made, jobs=table([one]))


def foreign(number: int = 60) -> Analysis:
    """Jobs that weft did not launch, of three apps and eight weeks."""
    chance = random.Random(11)
    apps = [
        ("opensees-mp-s3", "stampede3", "skx"),
        ("openfoam-v11", "ls6", "normal"),
        ("matlab-batch", "vista", "gg"),
    ]
    found = []
    for place in range(number):
        app, system, queue = apps[place % 7 % 3]
        fails = place % 9 == 4
        spans = {
            "PENDING": chance.uniform(1, 6), "PROCESSING_INPUTS": 1.2, "STAGING_INPUTS": chance.lognormvariate(4, 0.8),
            "BLOCKED": 1800.0 if place == 12 else 0.0,
            "STAGING_JOB": chance.uniform(25, 60), "SUBMITTING_JOB": 2.0, "QUEUED": chance.lognormvariate(5.5, 1.4),
            "RUNNING": chance.lognormvariate(6, 1.0), "ARCHIVING": chance.lognormvariate(5, 1.0),
        }  # fmt: skip
        if fails:
            spans = dict(list(spans.items())[:5])
        spans = {name: seconds for name, seconds in spans.items() if seconds}
        found.append(
            job(place, spans, start=START + 86_400 * 0.9 * place, name=f"{app} run {place}", study="", runner=[], slots=1, cases=0,
                recorded=0, outcome=Outcome.FAILED if fails else Outcome.FINISHED,
                given=Allotment(app=app, system=system, queue=queue, nodes=1 + place % 2, rate=1.0, least_minutes=15, minutes=60),
                transfers=[moved("inputs", 100 + place, 10**7 * (1 + place % 5), 12.0, 30.0, 8.0)])
        )  # fmt: skip
    return Analysis(title="60 jobs of wsong", made=MADE, profile=profile("", found), jobs=table(found))


def great(number: int = 100_000) -> Analysis:
    """So many jobs, one row for each and no more."""
    ones = pl.int_range(0, number, eager=True).alias("n")
    base = table_of({}).drop("job", "start", "end")
    lasting = [seconds_of(phase.value) for phase in PHASES]
    wave = (pl.col("n") % 97) / 97
    frame = ones.to_frame().join(base, how="cross").with_columns(
        pl.format("big-k3f9-{}", pl.col("n").cast(pl.String).str.zfill(6)).alias("job"),
        (START + pl.col("n") * 2.0).alias("start"),
        (pl.col("queued_s") * (0.2 + 40 * wave**3)).alias("queued_s"),
        (pl.col("running_s") * (0.5 + ((pl.col("n") * 7919) % 1009) / 1009)).alias("running_s"),
        (pl.col("archiving_s") * (1 + (pl.col("n") % 13))).alias("archiving_s"),
        pl.when(pl.col("n") % 50 == 0).then(pl.lit("FAILED")).otherwise(pl.lit("FINISHED")).alias("outcome"),
    )  # fmt: skip
    ended = frame.with_columns((pl.col("start") + pl.sum_horizontal(lasting)).alias("end"))
    rows = ended.select(pl.col(name).cast(kind) for name, kind in schema().items())
    totals = structs.replace(study().profile.totals, jobs=number)
    return Analysis(
        title="a great many",
        made=MADE,
        profile=Profile(name="big", start=START, end=MADE, open=False, totals=totals, jobs=[], slowest=[]),
        jobs=rows,
    )
