"""What cases read, write and leave, and where: logs, outputs, many files, shared disks. PURE.

Bytes read and written are those of all that a case's processes read and write, files or not, cached or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Remedy, Rule, Scene, Severity
from weft.core.findings.measures import most, of_cases, sums
from weft.core.findings.remedies import ON_THE_NODE, study_of
from weft.core.findings.settings import listed, table
from weft.core.findings.staging import UPLOADING_S
from weft.core.findings.starting import UNPACK_S
from weft.core.quantities import count, duration, share, size

if TYPE_CHECKING:
    import polars as pl

LEAST_CASES = 8
"""Cases of a job below which nothing is said of what cases write."""
LARGE_LOG = 10e6
"""Bytes that a case prints, above which it prints a lot."""
MUCH_WRITTEN = 50e6
"""Bytes that a case writes, above which it matters that hardly any of it is kept…"""
LITTLE_KEPT = 0.1
"""…which is so much of its files, or less."""
MUCH_KEPT = 1e9
"""Bytes that a job archives, above which it matters that all is kept…"""
ALL_KEPT = 0.9
"""…which is so much of the files of its cases, or more…"""
LOGS = 2
"""Of a case, which are kept besides its files: standard output and error."""
ARCHIVING_LEAST = 60.0
"""…and takes so many seconds to archive."""
FILES_IN_A_CASE = 1000
"""So many files of one case in its directory are many: a few hundred are fine."""
FILES_IN_A_JOB = 20_000
"""So many files of one job, written to a disk that all users share, are many."""
BUSY_DISK = 50e6
"""Bytes that a job reads from and writes to a shared disk each second: what one job may do without being seen."""
SHARED_LEAST = 10e9
"""Bytes of one job below which that is no matter."""
IMPORT_BYTES = 5e6
"""Bytes that a Python process reads at least when it imports a large package."""
IMPORT_SECONDS = 10.0
"""A case shorter than this does little besides."""
STARTS = 5.0
"""Python processes started each second by one job…"""
STORM = 100
"""…or at once, above which a site's file servers feel it."""
READ_AGAIN = 100e6
"""Bytes that each case reads…"""
READ_IN_ALL = 100e9
"""…and that all cases of a job read, above which a copy on the node's own disk is worth it."""
INPUTS_MOST = "10,000 files and 1 GB"
"""What `model.inputs` take."""


def _each(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column) / pl.col("recorded")


def _on_shared_disk(scene: Scene) -> pl.Expr:
    """Is it a job of the study at hand, whose cases run on a disk that others use, too?"""
    import polars as pl

    study = scene.study
    if study is None or study.model.workdir == "node":
        return pl.lit(False)
    return (pl.col("study") == study.name) & (pl.col("backend") != "local")


def _workdir(scene: Scene) -> str:
    return f'workdir = "{scene.study.model.workdir}"' if scene.study else ""


# Logs and outputs


def large_logs(scene: Scene) -> Iterator[Finding]:
    found = of_cases(least=LEAST_CASES) & (_each("printed_bytes") > LARGE_LOG)
    for group in alike(scene.jobs, found, "printed_bytes", **sums("printed_bytes", "recorded")):
        printed, cases = group["printed_bytes"], group["recorded"]
        yield group.finding(
            LARGE_LOGS,
            evidence=[f"{count(round(cases), 'case')} printed {size(printed)}, {size(printed / cases)} each"],
            cause="Output on the screen is written line by line, which slows a program down; of a long log only "
            "its two ends are kept.",
            remedies=[
                Remedy(say="Print less: every hundredth step, or nothing but problems."),
                Remedy(say="Keep less of each log.", setting=table("output", 'log = "100 kB"')),
            ],
        )


LARGE_LOGS = Rule(
    id="large-logs",
    title="Cases print a lot",
    severity=Severity.NOTE,
    rule=f"At least {LEAST_CASES} cases of a job printed more than {size(LARGE_LOG)} each on average.",
    remedy="A model that prints less; `log` in `[output]`.",
    find=large_logs,
)


def written_and_dropped(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    found = (
        of_cases(least=LEAST_CASES)
        & (pl.col("files_written") > 0)
        & (pl.col("files_kept") <= LITTLE_KEPT * pl.col("files_written"))
        & (_each("written_bytes") > MUCH_WRITTEN)
    )
    figures = sums("written_bytes", "recorded", "files_kept", "files_written")
    for group in alike(scene.jobs, found, "written_bytes", **figures):
        written, cases = group["written_bytes"], group["recorded"]
        yield group.finding(
            DROPPED,
            evidence=[
                f"{count(round(cases), 'case')} wrote {size(written)}, {size(written / cases)} each",
                f"{group['files_kept']:,.0f} of {count(round(group['files_written']), 'file')} were kept",
            ],
            cause="What nobody keeps costs the time to write it all the same.",
            remedies=[Remedy(say="Record less: fewer nodes and elements, or not every step.")],
        )


DROPPED = Rule(
    id="written-and-dropped",
    title="Most of what cases write is dropped",
    severity=Severity.NOTE,
    rule=f"At least {LEAST_CASES} cases of a job wrote more than {size(MUCH_WRITTEN)} each on average, and no "
    f"more than {share(LITTLE_KEPT)} of their files were kept.",
    remedy="A model that records less.",
    find=written_and_dropped,
)


def all_is_kept(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    found = (
        of_cases(least=LEAST_CASES)
        & (pl.col("files_written") > 0)
        & (pl.col("files_kept") - LOGS * pl.col("recorded") >= ALL_KEPT * pl.col("files_written"))
        & (pl.col("archive_bytes") >= MUCH_KEPT)
        & (pl.col("archiving_s") >= ARCHIVING_LEAST)
    )
    figures = sums("archive_bytes", "recorded", "archiving_s", "files_kept", "files_written")
    for group in alike(scene.jobs, found, "archiving_s", **figures):
        kept, cases = group["archive_bytes"], group["recorded"]
        study = study_of(scene, group)
        keep = study.output.keep if study else ()
        says = f"; `output.keep` is {listed(keep)}" if keep else ""
        yield group.finding(
            ALL_KEPT_RULE,
            evidence=[
                (
                    f"{size(kept)} of {count(round(cases), 'case')} were archived, {size(kept / cases)} each, "
                    f"in {duration(group['archiving_s'])}"
                ),
                (
                    f"{count(round(group['files_kept']), 'file')} were kept, logs among them; cases wrote "
                    f"{group['files_written']:,.0f}{says}"
                ),
            ],
            cause="Archiving takes longer the more there is to copy.",
            remedies=[
                Remedy(
                    say="Let each case say its results in `result.json`, which become columns of the table, and keep "
                    "no files but those you will look at.",
                    setting=table("model", 'result = "result.json"'),
                )
            ],
        )


ALL_KEPT_RULE = Rule(
    id="all-is-kept",
    title="All that cases write is archived",
    severity=Severity.NOTE,
    rule=f"At least {share(ALL_KEPT)} of the files of a job's cases were kept, {size(MUCH_KEPT)} or "
    f"more, and archiving took {ARCHIVING_LEAST:g} s or longer.",
    remedy="`result` in `[model]`, and fewer patterns in `output.keep`.",
    find=all_is_kept,
)


# Shared disks


def many_files_on_a_shared_disk(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    many = (_each("files_written") >= FILES_IN_A_CASE) | (pl.col("files_written") >= FILES_IN_A_JOB)
    found = of_cases() & _on_shared_disk(scene) & many
    for group in alike(scene.jobs, found, "files_written", **sums("files_written", "recorded")):
        files, cases = group["files_written"], group["recorded"]
        yield group.finding(
            MANY_FILES,
            evidence=[
                (
                    f"{count(round(cases), 'case')} wrote {count(round(files), 'file')}, {files / cases:,.0f} each, to "
                    f"a disk that all share: {_workdir(scene)}"
                )
            ],
            cause="Every file made or removed there is a request to one server, which all users of the site wait for; "
            "sites ask for a few hundred files in a directory, and not tens of thousands.",
            remedies=[ON_THE_NODE],
        )


MANY_FILES = Rule(
    id="many-files-on-a-shared-disk",
    title="Cases write many files to a disk that all share",
    severity=Severity.NOTE,
    rule=f"With `workdir` other than `node`, cases write {FILES_IN_A_CASE:,} files or more each, or "
    f"{FILES_IN_A_JOB:,} or more in one job.",
    remedy='`workdir = "node"` in `[model]`.',
    find=many_files_on_a_shared_disk,
)


def busy_shared_disk(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    moved = pl.col("read_bytes") + pl.col("written_bytes")
    found = (
        of_cases()
        & _on_shared_disk(scene)
        & (pl.col("cases_s") > 0)
        & (moved >= SHARED_LEAST)
        & (moved >= BUSY_DISK * pl.col("cases_s"))
    )
    figures = sums("read_bytes", "written_bytes", "cases_s")
    for group in alike(scene.jobs, found, moved, **figures):
        speed = group["lost"] / group["cases_s"]
        yield group.finding(
            BUSY_SHARED_DISK,
            evidence=[
                (
                    f"cases read {size(group['read_bytes'])} and wrote "
                    f"{size(group['written_bytes'])} in {duration(group['cases_s'])} of "
                    f"{count(group.count, 'job')}: {size(speed)} a second for each job"
                ),
                f"they ran on a disk that all share: {_workdir(scene)}",
            ],
            cause="A shared disk is slower the more use it; a node's own disk is its own.",
            remedies=[ON_THE_NODE],
        )


BUSY_SHARED_DISK = Rule(
    id="busy-shared-disk",
    title="Cases read and write a lot on a disk that all share",
    severity=Severity.NOTE,
    rule=f"With `workdir` other than `node`, the cases of a job read and write {size(SHARED_LEAST)} or more, "
    f"at {size(BUSY_DISK)} a second or more.",
    remedy='`workdir = "node"` in `[model]`.',
    find=busy_shared_disk,
)


def import_storm(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    if scene.study is None or "python" not in scene.study.model.command:
        return
    found = _starts_many() & (pl.col("study") == scene.study.name)
    each_s = pl.col("recorded") / pl.col("cases_s")
    figures = {**sums("read_bytes", "recorded", "case_s"), **most("slots"), "starts": each_s.max()}
    for group in alike(scene.jobs, found, each_s, **figures):
        yield group.finding(
            IMPORT_STORM,
            evidence=[
                (
                    f"up to {group['starts']:.1f} Python processes began each second, and "
                    f"{group['most_slots']:.0f} at once, in each of {count(group.count, 'job')}"
                ),
                (
                    f"each read {size(group['read_bytes'] / group['recorded'])} and took "
                    f"{duration(group['case_s'] / group['recorded'])}"
                ),
            ],
            cause="To import numpy or pandas, Python looks for thousands of small files; where they lie on a shared "
            "disk, hundreds of processes at once slow it down for all, and sites complain.",
            remedies=[
                Remedy(
                    say="Let one process compute several points: a loop in the model over what now are cases."
                ),
                Remedy(
                    say="Or run fewer cases at a time.",
                    setting=table(group.backend, f"slots = {max(1, int(group['most_slots']) // 2)}"),
                ),
            ],
        )


def _starts_many() -> pl.Expr:
    """Does a job start many processes at once, or one after the other, that read much and do little else?"""
    import polars as pl

    fast = (pl.col("recorded") >= STARTS * pl.col("cases_s")) & (
        pl.col("case_s") < IMPORT_SECONDS * pl.col("recorded")
    )
    return (
        of_cases(least=STORM)
        & (pl.col("backend") != "local")
        & (pl.col("cases_s") > 0)
        & (_each("read_bytes") >= IMPORT_BYTES)
        & (fast | (pl.col("slots") >= STORM))
    )


IMPORT_STORM = Rule(
    id="import-storm",
    title="Very many Python processes start at once",
    severity=Severity.NOTE,
    rule=f"The command of a study is Python, its cases read {size(IMPORT_BYTES)} or more each, and a job of "
    f"{STORM} cases or more has {STORM} slots, or starts {STARTS:g} a second that take less than "
    f"{IMPORT_SECONDS:g} s each.",
    remedy="Several points in one process, or fewer `slots` in `[tapis]`.",
    find=import_storm,
)


def inputs_read_again(scene: Scene) -> Iterator[Finding]:
    import polars as pl

    study = scene.study
    if study is None or not study.model.shared:
        return
    found = (
        of_cases(least=LEAST_CASES)
        & (pl.col("study") == study.name)
        & (pl.col("backend") != "local")
        & (_each("read_bytes") >= READ_AGAIN)
        & (pl.col("read_bytes") >= READ_IN_ALL)
    )
    figures = {**sums("read_bytes", "recorded"), **most("unpack_s", "uploading_s")}
    for group in alike(scene.jobs, found, "read_bytes", **figures):
        read, cases = group["read_bytes"], group["recorded"]
        yield group.finding(
            READ_AGAIN_RULE,
            evidence=[
                f"{count(round(cases), 'case')} read {size(read)}, {size(read / cases)} each",
                f"shared inputs, which are read where they lie: {', '.join(study.model.shared[:3])}"
                + (" and others" if len(study.model.shared) > 3 else ""),
            ],
            cause="Every case reads the same inputs over the network.",
            remedies=_nearer(group),
        )


def _nearer(group: Alike) -> Iterator[Remedy]:
    yield Remedy(
        say="Read only the part that a case needs: the record that is its parameter, not the folder of all records."
    )
    if group["most_unpack_s"] >= UNPACK_S or group["most_uploading_s"] >= UPLOADING_S:
        return  # what goes with every job takes long as it is
    yield Remedy(
        say=f"Or move them from `model.shared` to `model.inputs` (at most {INPUTS_MOST}): they then go with every job, "
        "and lie on the node's own disk."
    )


READ_AGAIN_RULE = Rule(
    id="inputs-read-again",
    title="Every case reads large inputs again",
    severity=Severity.NOTE,
    rule=f"A study has shared inputs, and the cases of a job read {size(READ_AGAIN)} or more each and "
    f"{size(READ_IN_ALL)} or more all together.",
    remedy="Less to read, or `inputs` instead of `shared` in `[model]`.",
    find=inputs_read_again,
)


RULES: tuple[Rule, ...] = (
    LARGE_LOGS,
    DROPPED,
    ALL_KEPT_RULE,
    MANY_FILES,
    BUSY_SHARED_DISK,
    IMPORT_STORM,
    READ_AGAIN_RULE,
)
