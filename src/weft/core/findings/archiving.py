"""Findings about what comes after RUNNING: archiving what jobs left, and collecting it. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.figures import limit
from weft.core.findings.measures import column
from weft.core.findings.remedies import FINISH, KEEP_LESS, SHARED, as_a_study
from weft.core.findings.settings import in_parameters, table, variable
from weft.core.findings.transfers import (
    COPYING_S,
    LARGE_S,
    LEAST_GAIN_S,
    MANY,
    SLOW_BYTES_S,
    SLOW_S,
    SMALL_BYTES,
    WAITED_S,
    ZIPPED,
    around,
    began_late,
    copies_long_by_number,
    large,
    moved,
    saved_by_bundling,
    slow,
    told,
    took,
    usually,
)
from weft.core.quantities import count, duration, share, size

if TYPE_CHECKING:
    import polars as pl

OF_RUNNING = 0.2
"""Archiving is told of if it takes so large a part of RUNNING…"""
ANYWAY_S = 600.0
"""…or so many seconds."""
AGAIN_FILES = 10
"""From so many input files on, or from so many bytes, archiving them again is told of."""
AGAIN_BYTES = 10_000_000
COLLECTING_S = 180.0
"""Collecting for less is not told of: weft looks at a job once a minute, and notices its end no sooner."""
COLLECTED_BYTES = 1_000_000_000
"""From so many archived bytes on, it is their number that collecting takes its time by."""


def _long_for_running() -> pl.Expr:
    archiving = column("archiving_s")
    return (archiving >= OF_RUNNING * column("running_s")) | (archiving >= ANYWAY_S)


def _filtered() -> pl.Expr:
    """Did the service choose file by file what to archive?"""
    return _length("includes") + _length("excludes") > 0


def _length(name: str) -> pl.Expr:
    """How long a list in the table of jobs is; 0 where nobody knows."""
    import polars as pl

    return pl.col(name).list.len().fill_null(0)


def many_small_files_archived(scene: Scene) -> Iterator[Finding]:
    """Many small files on the way out, as one folder."""
    yield from _many(scene, MANY_SMALL, ~_filtered(), _FOLDER)


def archive_filter_file_by_file(scene: Scene) -> Iterator[Finding]:
    """Many small files on the way out, each chosen by a filter."""
    yield from _many(scene, FILTER, _filtered(), _CHOSEN)


_FOLDER = (
    "The service moves every file that a job leaves by itself, and a small one costs as much as a large one."
)
_CHOSEN = (
    "With an archive filter the service lists the folder and makes one transfer for each file that is to go."
)


def _many(scene: Scene, rule: Rule, which: pl.Expr, cause: str) -> Iterator[Finding]:
    when = copies_long_by_number("archive") & _long_for_running() & which
    ran = column("running_s").median()
    for group in alike(scene.jobs, when, took("archive"), ran=ran, **told("archive")):
        saved = saved_by_bundling(scene, group, "archive")
        if saved is None:
            continue
        yield group.finding(
            rule,
            evidence=(
                moved(group),
                around(group),
                _beside_running(group),
                usually(scene, group, "archiving_s"),
            ),
            cause=cause,
            remedies=_bundle_outputs(group),
            gain_s=saved[0],
            basis=saved[1],
        )


def _beside_running(group: Alike) -> str:
    archiving, running = duration(group["phase_s"]), duration(group["ran"])
    return f"ARCHIVING took {archiving}, RUNNING {running}{group.median}"


def _bundle_outputs(group: Alike) -> tuple[Remedy, ...]:
    if group.weft:
        return (KEEP_LESS, FINISH)
    return (as_a_study(group), *_zip_and_filter(group))


def _zip_and_filter(group: Alike) -> tuple[Remedy, ...]:
    zipped = Remedy(
        say="Or let the script end by packing what it leaves, and archive the ZIP alone.",
        setting=in_parameters(
            "archiveFilter", '{"includes": ["**results.zip"], "includeLaunchFiles": false}'
        ),
        command="zip -qr results.zip OUTPUTS",
    )
    if not group.app.startswith("designsafe-agnostic"):
        return (zipped,)
    switch = Remedy(
        say="Or switch on that this app packs its folder into one ZIP when the program has ended.",
        setting=variable("ZIP_OUTPUT_SWITCH", "True"),
    )
    return (switch, zipped)


def large_archive(scene: Scene) -> Iterator[Finding]:
    """Many bytes on the way out."""
    when = large("archive") & _long_for_running()
    for group in alike(scene.jobs, when, took("archive"), **told("archive")):
        yield group.finding(
            LARGE_ARCHIVE,
            evidence=(moved(group), around(group), usually(scene, group, "archive_copying_s")),
            cause="All these bytes pass through the service's own servers before the job is over.",
            remedies=_leave_less(group),
            # What is not a ZIP yet becomes one; of what is, nobody can tell how much is needed.
            gain_s=None if group.weft else group["all_copying_s"] * (1 - ZIPPED),
            basis=f"a ZIP of {share(ZIPPED)} of the bytes, as of two studies of OpenSees",
        )


def archive_slow(scene: Scene) -> Iterator[Finding]:
    """Few bytes a second on the way out."""
    when = slow("archive") & _long_for_running()
    for group in alike(scene.jobs, when, took("archive"), **told("archive")):
        yield group.finding(
            ARCHIVE_SLOW,
            evidence=(moved(group), around(group), usually(scene, group, "archive_copying_s")),
            cause="The archive's storage takes files slowly, or many users shared the service's transfers.",
            remedies=(_near(group), *_leave_less(group)),
        )


def _leave_less(group: Alike) -> tuple[Remedy, ...]:
    if group.weft:
        return (KEEP_LESS, FINISH)
    return (*_zip_and_filter(group), as_a_study(group))


def _near(group: Alike) -> Remedy:
    system = group.system or "SYSTEM"
    say = "Archive to Work of the system that runs the job, which is near it."
    if group.weft:
        return Remedy(say=say, setting=table("tapis", f'storage = "tapis://{system}/PATH/weft"'))
    setting = f'"archiveSystemId": "{system}",\n"archiveSystemDir": "HOST_EVAL($WORK)/archive/${{JobUUID}}"'
    return Remedy(say=say, setting=setting)


def archive_waited(scene: Scene) -> Iterator[Finding]:
    """A transfer that began late."""
    yield from began_late(scene, ARCHIVE_WAITED, "archive")


def inputs_archived_again(scene: Scene) -> Iterator[Finding]:
    """Inputs that no filter keeps out of the archive."""
    files, heavy = column("inputs_files"), column("inputs_bytes")
    enough = (files >= AGAIN_FILES) | (heavy >= AGAIN_BYTES)
    there = (column("archive_files") >= files) & (column("archive_bytes") >= heavy) & (files > 0)
    lost = column("archive_copying_s") * column("inputs_files") / column("archive_files")
    extra = {"in_files": files.median(), "in_bytes": heavy.median()}
    when = enough & there & ~_filtered()
    for group in alike(scene.jobs, when, lost, **extra, **told("archive")):
        ins = f"{count(round(group['in_files']), 'file')}, {size(group['in_bytes'])}"
        outs = f"{count(round(group['files']), 'file')}, {size(group['bytes'])}"
        yield group.finding(
            INPUTS_AGAIN,
            evidence=(f"inputs: {ins}; archived without a filter: {outs}{group.median}",),
            cause="Most apps run in the folder of their inputs, and without a filter all that is in it is archived.",
            remedies=_without_inputs(group),
            gain_s=group["lost"],
            basis=f"the inputs' part of the files that were copied; {group.own}",
        )


def _without_inputs(group: Alike) -> tuple[Remedy, ...]:
    if group.weft:
        return (SHARED,)
    exclude = Remedy(
        say="Or exclude the inputs by patterns that no result has; where more than a few files are left, pack those "
        "into a ZIP first.",
        setting=in_parameters(
            "archiveFilter", '{"excludes": ["inputDirectory/*.AT2"], "includeLaunchFiles": false}'
        ),
    )
    return (as_a_study(group), exclude)


def long_collecting(scene: Scene) -> Iterator[Finding]:
    """What weft itself does after the end of a job."""
    lost = column("collecting_s")
    sums = {"one": lost.median(), "bytes": column("archive_bytes").median()}
    for group in alike(scene.jobs, lost >= COLLECTING_S, lost, **sums):
        heavy = group["bytes"] >= COLLECTED_BYTES
        much = f", {size(group['bytes'])} were archived" if group["bytes"] else ""
        yield group.finding(
            COLLECTING,
            evidence=(f"{duration(group['one'])} from the job's end until all was here{much}{group.median}",),
            cause=_HEAVY if heavy else _NOBODY_LOOKED,
            remedies=(KEEP_LESS, FINISH) if heavy else _watching(scene),
        )


_HEAVY = "The ZIP of what the cases left comes over your line to this machine."
_NOBODY_LOOKED = "Nobody looked: weft was not running when the job ended, or it looked at long intervals."


def _watching(scene: Scene) -> tuple[Remedy, ...]:
    return (
        Remedy(
            say="Let weft watch without you, on a machine that stays on, such as the JupyterHub.",
            command=f"weft run{scene.place} --detach",
        ),
        Remedy(
            say="Leave `poll` of [tapis] at its default of 60 s, or below.",
            setting=table("tapis", "poll = 60"),
        ),
    )


_LONG = f"ARCHIVING took {share(OF_RUNNING)} of RUNNING or more, or {limit(ANYWAY_S)} or more, and "
_LOOSE = (
    f"more than {MANY['archive']} files of less than {SMALL_BYTES / 1e6:g} MB on average were copied for "
    f"{limit(COPYING_S['archive'])} or more"
)
_SAVES = f" and one ZIP of them saves {limit(LEAST_GAIN_S)} in a job."
_IN_ZIP = (
    "Bundle them: a study of weft leaves three files; or let the script pack a ZIP, and archive that alone."
)

MANY_SMALL = Rule(
    id="many-small-files-archived",
    title="Many small files archived",
    severity=Severity.WASTE,
    rule=f"{_LONG}{_LOOSE}, without an archive filter,{_SAVES}",
    remedy=_IN_ZIP,
    saves=(Part.ARCHIVE,),
    find=many_small_files_archived,
)
FILTER = Rule(
    id="archive-filter-moves-file-by-file",
    title="An archive filter that moves file by file",
    severity=Severity.WASTE,
    rule=f"{_LONG}{_LOOSE}, chosen by an archive filter,{_SAVES}",
    remedy=_IN_ZIP,
    saves=(Part.ARCHIVE,),
    find=archive_filter_file_by_file,
)
LARGE_ARCHIVE = Rule(
    id="large-archive",
    title="Large outputs archived",
    severity=Severity.WASTE,
    rule=f"{_LONG}what is not many small files was copied for {limit(LARGE_S)} or more, "
    f"at {size(SLOW_BYTES_S)}/s or faster.",
    remedy="Keep less (`keep` of `[output]`), reduce it on the node (`finish` of `[model]`), pack it.",
    saves=(Part.ARCHIVE,),
    find=large_archive,
)
ARCHIVE_SLOW = Rule(
    id="archive-slow",
    title="The archive takes files slowly",
    severity=Severity.NOTE,
    rule=f"{_LONG}what is not many small files was copied for {limit(SLOW_S)} or more, "
    f"slower than {size(SLOW_BYTES_S)}/s.",
    remedy="Archive to the system that runs the job: `storage` of `[tapis]`.",
    find=archive_slow,
)
ARCHIVE_WAITED = Rule(
    id="archive-waited",
    title="Outputs waited for their transfer",
    severity=Severity.NOTE,
    rule=f"The transfer of what a job left began {limit(WAITED_S)} or more after it was asked for.",
    remedy="Send fewer jobs with more cases each: `jobs` of `[tapis]`.",
    find=archive_waited,
)
INPUTS_AGAIN = Rule(
    id="inputs-archived-again",
    title="Inputs archived again",
    severity=Severity.NOTE,
    rule=f"There is no archive filter, {AGAIN_FILES} input files or {AGAIN_BYTES / 1e6:g} MB of them or more were "
    "staged, and no fewer files and bytes were archived.",
    remedy="Exclude them by patterns that no result has (`archiveFilter`); a study of weft never archives them.",
    saves=(Part.ARCHIVE,),
    find=inputs_archived_again,
)
COLLECTING = Rule(
    id="long-collecting",
    title="Long COLLECTING",
    severity=Severity.NOTE,
    rule=f"{limit(COLLECTING_S)} or more passed from the end of a job until weft had all of it.",
    remedy="`weft run --detach` on a machine that stays on; keep less where much is collected.",
    find=long_collecting,
)

RULES: tuple[Rule, ...] = (
    MANY_SMALL, FILTER, LARGE_ARCHIVE, ARCHIVE_SLOW, ARCHIVE_WAITED, INPUTS_AGAIN, COLLECTING,
)  # fmt: skip
