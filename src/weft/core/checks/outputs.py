"""What cases leave: whether it is noticed, kept, and not too much. PURE."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatch

from weft.core.checks.base import Answer, Edit, Facts, Item, Verdict, edits, fail, named, passed, warn
from weft.core.checks.words import OUTPUTS, words
from weft.core.quantities import count, size
from weft.model import Output, Study

UNSEEN_CASES = 50
"""Cases that nobody looks at one by one."""
LEAST_PAST = 5
"""Earlier cases that must tell before anything is concluded from them."""
HUGE_BYTES = 50_000_000_000
"""Outputs of all cases together that are worth a word."""
LEAST_CHUNK = 50_000_000
LARGEST_CHUNK = 20_000_000_000
"""Of a ZIP: smaller ones are many files again, larger ones are all lost with one fault of a transfer."""
LARGEST_LOG = 50_000_000
"""Of each log of a case."""
LITTLE_SPACE = 1_000_000_000
NO_SPACE = 50_000_000
"""Free bytes of the study's file system."""
_EVERYTHING = frozenset({"*", "**", "**/*", ".", "*/**", "./*", "./**"})


def expected_outputs(study: Study, facts: Facts) -> Answer:
    """Would a case be noticed that leaves nothing?"""
    model = study.model
    if model.expect or model.result:
        return passed(f"{named([*model.expect, *([model.result] if model.result else [])])} must be there")
    if facts.cases < UNSEEN_CASES:
        return passed("none, and few cases")
    said = f"none of {facts.cases:,} cases has to leave anything: with exit code 0 it counts as done"
    return warn(said, "name what a case must leave: expect = [...], or result = ... under [model]")


def dropped_outputs(study: Study, facts: Facts) -> Answer:
    """Is what the command writes also kept?"""
    model, known = study.model, words(study.model.command)
    goes_on = study.continues.files if study.continues else ()
    kept = [*study.output.keep, *model.expect, *goes_on, *([model.result] if model.result else [])]
    read = [word.text for word in known if word.part not in OUTPUTS]
    dropped = [
        word.text
        for word in known
        if word.part in OUTPUTS
        and not word.holes
        and not word.text.startswith(("/", ".."))
        and word.text not in read
        and not word.text.isdigit()
        and not any(_takes(pattern, posixpath.normpath(word.text)) for pattern in kept)
    ]
    if not dropped or model.finish:
        return passed()
    said = f"the command writes {named(dropped)}, which no pattern of output.keep takes: it is dropped"
    changes = (Edit(key=("output", "keep"), do="add", value=path) for path in dict.fromkeys(dropped))
    return warn(said, "add it to output.keep", edits(*changes))


def _takes(pattern: str, path: str) -> bool:
    return fnmatch(path, pattern) or path.startswith(f"{pattern.rstrip('/')}/")


def keep_everything(study: Study, facts: Facts) -> Answer:
    """Is only what is wanted kept?"""
    wide = [pattern for pattern in study.output.keep if pattern in _EVERYTHING]
    if not wide:
        return passed()
    changes = [Edit(key=("output", "keep"), do="set", value=study.model.expect)] if study.model.expect else []
    said = f"{named(wide)} keeps all that each of {count(facts.cases, 'case')} leaves"
    return warn(said, "name the files that you will look at: keep = [...]", edits(*changes))


def keep_nothing(study: Study, facts: Facts) -> Answer:
    """Do the patterns take anything?"""
    past = facts.past
    if not study.output.keep or past.cases < LEAST_PAST or past.kept:
        return passed()
    said = f"{named(study.output.keep)} took no file of the {past.cases:,} cases that have finished"
    return warn(said, "correct the patterns of output.keep: they start from the case's directory")


def huge_outputs(study: Study, facts: Facts) -> Answer:
    """Do the outputs of all cases stay within reason?"""
    total = facts.past.output_bytes * facts.cases
    if facts.past.cases < LEAST_PAST or not total:
        return passed()
    said = f"{size(facts.past.output_bytes)} for each of {facts.cases:,} cases come to {size(total)}"
    free = facts.machine.free_bytes
    if free and total > free:
        return fail(f"{said}; {size(free)} are free", "make room, or keep less: output.keep, or model.finish")
    if total <= HUGE_BYTES:
        return passed(said)
    return warn(said, "keep less: output.keep, or let model.finish put together what counts")


def chunks(study: Study, facts: Facts) -> Answer:
    """Are the ZIPs neither too many nor too large?"""
    chunk = study.output.chunk_bytes
    if LEAST_CHUNK <= chunk <= LARGEST_CHUNK:
        return passed(f"ZIPs of at most {size(chunk)}")
    why = "many small files again" if chunk < LEAST_CHUNK else "too large to be moved in one go"
    usual = size(Output().chunk_bytes)
    fix = edits(Edit(key=("output", "chunk"), do="remove"))
    return warn(f"output.chunk is {size(chunk)}: {why}", f"leave it out: {usual} is usual", fix)


def logs(study: Study, facts: Facts) -> Answer:
    """Are logs as long as somebody may read?"""
    most, past = study.output.log_bytes, facts.past
    if most > LARGEST_LOG:
        said = f"each case may leave two logs of {size(most)}: up to {size(2 * most * facts.cases)} in all"
        fix = edits(Edit(key=("output", "log"), do="remove"))
        return warn(said, f"leave output.log out: {size(Output().log_bytes)} is usual", fix)
    if past.long_logs:
        said = (
            f"{past.long_logs:,} of {past.cases:,} earlier cases printed more than {size(most)}, up to "
            f"{size(past.printed_bytes)}; of a longer log only its two ends are kept"
        )
        return warn(said, "let the model print less, or write to a file of its own and keep that")
    return passed(f"at most {size(most)} each")


def disk_space(study: Study, facts: Facts) -> Answer:
    """Is there room where the study lies?"""
    free = facts.machine.free_bytes
    if not facts.machine.disk_bytes:
        return passed()
    said = f"{size(free)} are free where the study lies"
    if free >= LITTLE_SPACE:
        return passed(said)
    return (fail if free < NO_SPACE else warn)(said, "make room, or move the study to another disk")


ITEMS = (
    Item(
        id="expected-outputs",
        title="expected outputs",
        rule=f"A study of {UNSEEN_CASES} cases or more has neither `model.expect` nor `model.result`.",
        look=expected_outputs,
    ),
    Item(
        id="dropped-outputs",
        title="outputs that are dropped",
        rule="The command writes to a file (`>`) that nothing keeps, expects or reads.",
        look=dropped_outputs,
        fixes=True,
    ),
    Item(
        id="keep-everything",
        title="keep patterns that take all",
        rule="`output.keep` has `*`, `**` or the like. `--fix` keeps what `model.expect` names, if it names anything.",
        look=keep_everything,
        fixes=True,
    ),
    Item(
        id="keep-nothing",
        title="keep patterns that take nothing",
        rule=f"`output.keep` took no file of {LEAST_PAST} or more earlier cases.",
        look=keep_nothing,
    ),
    Item(
        id="huge-outputs",
        title="size of all outputs",
        rule=f"By {LEAST_PAST} or more earlier cases, those of all come to more than {size(HUGE_BYTES)} (WARN), or to "
        "more than is free (FAIL).",
        look=huge_outputs,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
    Item(
        id="output-chunk",
        title="size of output ZIPs",
        rule=f"`output.chunk` is below {size(LEAST_CHUNK)} or above {size(LARGEST_CHUNK)}.",
        look=chunks,
        fixes=True,
    ),
    Item(
        id="log-size",
        title="size of logs",
        rule=f"`output.log` is above {size(LARGEST_LOG)}, or earlier cases printed more than it keeps.",
        look=logs,
        fixes=True,
    ),
    Item(
        id="disk-space",
        title="room on the disk",
        rule=f"Less than {size(LITTLE_SPACE)} is free where the study lies; FAIL below {size(NO_SPACE)}.",
        look=disk_space,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
)
