"""Findings about what comes before a job is queued: uploading, its inputs, and the app itself. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from weft.core import waits
from weft.core.findings.alike import Alike, alike
from weft.core.findings.base import Finding, Part, Remedy, Rule, Scene, Severity
from weft.core.findings.figures import limit
from weft.core.findings.measures import column
from weft.core.findings.remedies import SHARED, as_a_study
from weft.core.findings.settings import table, variable
from weft.core.findings.transfers import (
    BUNDLED,
    COPYING_S,
    LARGE_S,
    LEAST_GAIN_S,
    MANY,
    SLOW_BYTES_S,
    SLOW_S,
    SMALL_BYTES,
    WAITED_S,
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
from weft.core.quantities import count, duration, size

AGAIN = 3
"""Jobs with the same inputs, from which on it is told."""
AGAIN_S = 60.0
"""Seconds that staging them again must have taken, over all jobs."""
MOVED_BYTES = 100_000
"""Of what a job of a study is sent where its large inputs are shared: bundle and runner."""
UPLOADING_S = 60.0
"""Uploading for less is not told of."""

_LESS_INPUTS = Remedy(say="Leave out of [tapis.inputs] what the cases do not read, or give it as one ZIP.")


def inputs_staged_file_by_file(scene: Scene) -> Iterator[Finding]:
    """Many small files on the way in."""
    for group in alike(scene.jobs, copies_long_by_number("inputs"), took("inputs"), **told("inputs")):
        saved = saved_by_bundling(scene, group, "inputs")
        if saved is None:
            continue
        yield group.finding(
            FILE_BY_FILE,
            evidence=(moved(group), around(group), usually(scene, group, "inputs_copying_s")),
            cause="The service moves each file of a folder by itself, and a small one takes as long as a large one.",
            remedies=_bundle_inputs(group),
            gain_s=saved[0],
            basis=saved[1],
        )


def _bundle_inputs(group: Alike) -> tuple[Remedy, ...]:
    if group.weft:
        return (SHARED, _LESS_INPUTS)
    pack = "mkdir -p inputs && zip -r inputs/inputs.zip FOLDER"
    unpack = Remedy(
        say="Or pack the folder into one ZIP that the script unpacks first, and name the folder with the ZIP as the "
        "input.",
        setting=_input_from(_there(group, "inputs")),
        command=pack,
    )
    if group.app.startswith("designsafe-agnostic"):
        unpack = Remedy(
            say="Or put one ZIP into the input directory; this app unpacks it before it starts the program.",
            setting=variable("UNZIP_FILES_LIST", "inputs.zip"),
            command=pack,
        )
    return (as_a_study(group), unpack)


def _there(group: Alike, folder: str) -> str:
    return f"tapis://{group.system or 'SYSTEM'}/PATH/{folder}"


def _input_from(address: str) -> str:
    return f'"fileInputs": [{{"name": "Input Directory", "sourceUrl": "{address}"}}]'


def _in_place(group: Alike) -> Remedy:
    there = _there(group, "FOLDER")
    if not group.weft:
        return Remedy(
            say="Or keep them in Work of the system that runs the job, and name their place there as the input.",
            setting=_input_from(there),
        )
    return Remedy(
        say="Or keep them in Work of the system that runs the job, and let the cases read them there.",
        setting=table("model", f'shared = ["{there}"]'),
    )


def _keep_on_system(group: Alike) -> tuple[Remedy, ...]:
    if group.weft:
        return (SHARED, _in_place(group))
    return (as_a_study(group), _in_place(group))


def large_inputs(scene: Scene) -> Iterator[Finding]:
    """Many bytes on the way in."""
    for group in alike(scene.jobs, large("inputs"), took("inputs"), **told("inputs")):
        saved, basis = _saved_in_place(scene, group)
        yield group.finding(
            LARGE_INPUTS,
            evidence=(moved(group), around(group), usually(scene, group, "inputs_copying_s")),
            cause="All these bytes pass through the service's own servers, for each job anew.",
            remedies=_keep_on_system(group),
            gain_s=saved,
            basis=basis,
        )


def inputs_from_a_slow_source(scene: Scene) -> Iterator[Finding]:
    """Few bytes a second on the way in."""
    for group in alike(scene.jobs, slow("inputs"), took("inputs"), **told("inputs")):
        saved, basis = _saved_in_place(scene, group)
        yield group.finding(
            SLOW_SOURCE,
            evidence=(
                moved(group),
                usually(scene, group, "inputs_copying_s"),
                f"{size(waits.BYTES_PER_S)}/s were recorded at TACC (May 2025)",
            ),
            cause="The storage that the inputs lie on gives them slowly, or many users shared the service's transfers.",
            remedies=_keep_on_system(group),
            gain_s=saved,
            basis=basis,
        )


def _saved_in_place(scene: Scene, group: Alike) -> tuple[float, str]:
    """Seconds that are saved over all jobs where inputs lie where they are read, and what they rest on."""
    left = waits.transfer(scene.normal, group.key, "inputs", BUNDLED["inputs"], MOVED_BYTES)
    return group["took_s"] - group.count * left.likely, left.basis


def inputs_waited(scene: Scene) -> Iterator[Finding]:
    """A transfer that began late."""
    yield from began_late(scene, INPUTS_WAITED, "inputs")


def same_inputs_again(scene: Scene) -> Iterator[Finding]:
    """Jobs that were staged from the same addresses."""
    import polars as pl

    sources = pl.col("sources").list.join("\n")
    when = (pl.col("sources").list.len() > 0) & (took("inputs") > 0)
    for group in alike(scene.jobs, when, took("inputs"), also=sources, **told("inputs")):
        again = group["took_s"] * (group.count - 1) / group.count
        saved, basis = _saved_in_place(scene, group)
        if group.count < AGAIN or again < AGAIN_S or saved < LEAST_GAIN_S * group.count:
            continue
        first, *rest = group.also.split("\n")
        more = f" and {len(rest):,} more" if rest else ""
        all_s = duration(group["took_s"])
        yield group.finding(
            SAME_INPUTS,
            evidence=(
                f"{count(group.count, 'job')} were staged from {first}{more}, for {all_s} in all",
                moved(group),
            ),
            cause="The service copies the inputs of every job, and does not know that it did so before.",
            remedies=(
                *_keep_on_system(group),
                Remedy(say="See what the store holds.", command="weft store list"),
            ),
            gain_s=saved,
            basis=basis,
        )


def long_uploading(scene: Scene) -> Iterator[Finding]:
    """What weft itself brings to the storage, before it submits."""
    lost = column("uploading_s")
    seconds = {"one": lost.median(), "all": lost.sum()}
    for group in alike(scene.jobs, lost >= UPLOADING_S, lost, **seconds):
        yield group.finding(
            UPLOADING,
            evidence=(f"{duration(group['one'])} of uploading{group.median}",),
            cause="The bundle of each job goes over your line to the storage, with all files of model.inputs in it.",
            remedies=(
                SHARED,
                Remedy(
                    say="Or start it where the files are, as in a terminal of the JupyterHub.",
                    command=f"weft run{scene.place} --detach",
                ),
            ),
        )


_KEEP_THERE = "Keep them on the system that runs the job: `shared` of `[model]`."

FILE_BY_FILE = Rule(
    id="inputs-staged-file-by-file",
    title="Inputs staged file by file",
    severity=Severity.WASTE,
    rule=f"More than {MANY['inputs']} input files of less than {SMALL_BYTES / 1e6:g} MB on average were copied for "
    f"{limit(COPYING_S['inputs'])} or more, and bundling saves {limit(LEAST_GAIN_S)} in a job.",
    remedy="Bundle them: a study of weft sends two files; or pack a ZIP that the script unpacks.",
    saves=(Part.INPUTS,),
    find=inputs_staged_file_by_file,
)
LARGE_INPUTS = Rule(
    id="large-inputs",
    title="Large inputs",
    severity=Severity.WASTE,
    rule=f"Inputs that are not many small files were copied for {limit(LARGE_S)} or more, "
    f"at {size(SLOW_BYTES_S)}/s or faster.",
    remedy=_KEEP_THERE,
    saves=(Part.INPUTS,),
    find=large_inputs,
)
SLOW_SOURCE = Rule(
    id="inputs-from-a-slow-source",
    title="Inputs come slowly",
    severity=Severity.WASTE,
    rule=f"Inputs that are not many small files were copied for {limit(SLOW_S)} or more, "
    f"slower than {size(SLOW_BYTES_S)}/s.",
    remedy=_KEEP_THERE,
    saves=(Part.INPUTS,),
    find=inputs_from_a_slow_source,
)
INPUTS_WAITED = Rule(
    id="inputs-waited",
    title="Inputs waited for their transfer",
    severity=Severity.NOTE,
    rule=f"The transfer of a job's inputs began {limit(WAITED_S)} or more after it was asked for.",
    remedy="Send fewer jobs with more cases each: `jobs` of `[tapis]`.",
    find=inputs_waited,
)
SAME_INPUTS = Rule(
    id="same-inputs-staged-again",
    title="The same inputs staged again",
    severity=Severity.WASTE,
    rule=f"{AGAIN} jobs or more were staged from the same addresses, all but the first took "
    f"{limit(AGAIN_S)} or more together, and keeping them there saves "
    f"{limit(LEAST_GAIN_S)} in a job.",
    remedy=f"{_KEEP_THERE} `weft store list` shows what is there.",
    saves=(Part.INPUTS,),
    find=same_inputs_again,
)
UPLOADING = Rule(
    id="long-uploading",
    title="Long UPLOADING",
    severity=Severity.NOTE,
    rule=f"weft uploaded what a job gets for {limit(UPLOADING_S)} or more.",
    remedy="Name large inputs in `shared` instead of `inputs`, or start where the files are.",
    find=long_uploading,
)

RULES: tuple[Rule, ...] = (FILE_BY_FILE, LARGE_INPUTS, SLOW_SOURCE, INPUTS_WAITED, SAME_INPUTS, UPLOADING)
