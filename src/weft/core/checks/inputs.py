"""What the study gives to its cases: how much, how often the same, and whether it is there. PURE."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import Counter, defaultdict

from weft.core.checks.base import (
    Answer,
    Edit,
    Facts,
    File,
    Fix,
    Item,
    Verdict,
    edits,
    fail,
    is_or_are,
    named,
    passed,
    warn,
)
from weft.core.checks.words import words
from weft.core.quantities import count, size
from weft.model import Study

MANY_FILES = 200
"""Inputs that every job's bundle may hold before they are worth sharing."""
LARGE_BYTES = 50_000_000
"""The same of their size."""
REPEATED_BYTES = 100_000
"""What equal files may come to."""
DIRECTORY_FILES = 5_000
"""Files in one directory: a few hundred are fine, tens of thousands make every file system slow."""
SCRATCH_DAYS = 7.0
"""Days without use after which a file on scratch is close to its removal: sites remove after ten."""
DAY = 86_400.0

_MAY_BE_EMPTY = re.compile(r"(__init__\.py|py\.typed|\.git(keep|ignore)|\.keep|\.nojekyll)")
_ARCHIVE = re.compile(r".+\.(zip|tar|tgz|tbz2?|txz|tar\.\w+|7z)", re.I)
_UNPACKS = frozenset({"unzip", "tar", "bsdtar", "7z", "7za", "gunzip", "bunzip2", "unxz"})
_OF_A_JOB = re.compile(
    r"/\.weft/[^/]+/jobs/|/tapis/[0-9a-f]{8}-[0-9a-f-]{27}-007|/(archive|tapis-jobs-archive)/jobs/"
)


def number_of_inputs(study: Study, facts: Facts) -> Answer:
    """Few enough files in every bundle?"""
    given = facts.of("inputs")
    said = f"{count(len(given), 'file')} in each job's bundle"
    if len(given) <= MANY_FILES:
        return passed(said)
    weights = Counter(file.entry for file in given)
    remedy = "put folders of common files under model.shared: they are stored once"
    return warn(said, remedy, _shared(weights, MANY_FILES))


def size_of_inputs(study: Study, facts: Facts) -> Answer:
    """Small enough a bundle?"""
    given = facts.of("inputs")
    total = sum(file.bytes for file in given)
    if total <= LARGE_BYTES:
        return passed(f"{size(total)} in each job's bundle")
    largest = max(given, key=lambda file: file.bytes)
    said = f"{size(total)} in each job's bundle, the largest `{largest.path}` with {size(largest.bytes)}"
    weights: Counter[str] = Counter()
    for file in given:
        weights[file.entry] += file.bytes
    remedy = "put what is large under model.shared: it is stored once, not in every bundle"
    return warn(said, remedy, _shared(weights, LARGE_BYTES))


def _shared(weights: Counter[str], most: int) -> Fix | None:
    """Entries moved from ``inputs`` to ``shared``, heaviest first, until the rest is small enough."""
    left = sum(weights.values())
    moves: list[Edit] = []
    for entry, weight in weights.most_common():
        if left <= most:
            break
        if posixpath.normpath(entry or ".") == ".":
            return None  # the folder of the study cannot be shared as a whole
        left -= weight
        moves += [
            Edit(key=("model", "inputs"), do="drop", value=entry),
            Edit(key=("model", "shared"), do="add", value=entry),
        ]
    return edits(*moves)


def repeated_inputs(study: Study, facts: Facts) -> Answer:
    """Is no content there twice?"""
    same: dict[str, dict[str, File]] = defaultdict(dict)
    for file in facts.files:
        if file.digest:
            same[file.digest][file.path] = file
    groups = [[*group.values()] for group in same.values() if len(group) > 1]
    wasted = sum(file.bytes for group in groups for file in group[1:])
    if wasted < REPEATED_BYTES:
        return passed(f"{count(len(facts.files), 'file')}, none of note twice" if facts.files else "no files")
    worst = max(groups, key=lambda group: group[0].bytes * len(group))
    said = f"{named(file.path for file in worst)} hold the same; {size(wasted)} are there more than once"
    return warn(said, "keep one of them, and let the model read that one")


def whole_folder(study: Study, facts: Facts) -> Answer:
    """Is the study file itself no input?"""
    own = posixpath.basename(study.file)
    if not own or not any(file.path == own for file in facts.of("inputs", "before", "after")):
        return passed()
    said = f"`{own}` is an input itself: every change of the study makes all results old"
    return warn(said, "name the files that a case needs, instead of the whole folder")


def empty_files(study: Study, facts: Facts) -> Answer:
    """Does every file hold something?"""
    empty = [
        file.path
        for file in facts.files
        if not file.bytes and not file.wrong and not _MAY_BE_EMPTY.fullmatch(posixpath.basename(file.path))
    ]
    if not empty:
        return passed(f"{count(len(facts.files), 'file')}, none is empty" if facts.files else "no files")
    said = f"{named(empty)} {is_or_are(empty)} empty"
    return warn(said, "put back what was in there, or remove the file")


def absent_files(study: Study, facts: Facts) -> Answer:
    """Can every file be read?"""
    wrong = [file for file in facts.files if file.wrong]
    if not wrong:
        return passed(f"{count(len(facts.files), 'file')} can be read" if facts.files else "no files")
    said = f"{named(file.path for file in wrong)}: {wrong[0].wrong}"
    remedy = "put it back, make it readable, or remove it from the folder"
    unsure = all(file.role == "shared" and file.wrong == BROKEN for file in wrong)
    return warn(said, remedy) if unsure else fail(said, remedy)


BROKEN = "a link to nothing"
"""Why a file is wrong that weft leaves out of a shared folder without a word."""


def inputs_of_jobs(study: Study, facts: Facts) -> Answer:
    """Is no input what a job left behind?"""
    tables = study.settings.get(study.backend, {}).get("inputs", {})
    sources = [*study.model.shared, *(str(source) for source in dict(tables).values())]
    found = [source for source in sources if _OF_A_JOB.search(source)]
    if not found:
        return passed()
    said = f"{named(found)}: in the folder of an earlier job"
    return warn(said, "copy it to a place of its own: the folders of jobs are cleared, or purged")


def packed_inputs(study: Study, facts: Facts) -> Answer:
    """Does no case unpack what all of them could share?"""
    archives = {
        posixpath.basename(file.path): file
        for file in facts.of("inputs", "shared")
        if _ARCHIVE.fullmatch(file.path)
    }
    told = {posixpath.basename(word.value) for word in words(study.model.command)}
    unpacked = [archives[name].path for name in archives if name in told]
    if not unpacked or not _UNPACKS & told:
        return passed()
    said = f"each of {count(facts.cases, 'case')} unpacks {named(unpacked)}"
    return warn(said, "unpack it here once, and put the folder under model.shared")


def crowded_folders(study: Study, facts: Facts) -> Answer:
    """Are there not too many files in one directory?"""
    each = Counter(posixpath.dirname(file.path) for file in facts.of("inputs", "shared", "parameters"))
    folder, most = next(iter(each.most_common(1)), ("", 0))
    if most <= DIRECTORY_FILES:
        return passed(f"at most {count(most, 'file')} in one directory" if most else "no files")
    said = f"`{folder or '.'}` holds {count(most, 'file')}"
    return warn(said, "spread them over folders, or put them into one file that the model reads from")


def scratch_age(study: Study, facts: Facts) -> Answer:
    """Is what lies on scratch there for some days still?"""
    store = [each for each in facts.stored if each.idle_days >= min(SCRATCH_DAYS, each.purge_days)]
    if store:
        oldest = max(store, key=lambda each: each.idle_days)
        said = (
            f"{named(each.name for each in store)} in the store: not used for {oldest.idle_days:.0f} days, "
            f"and the site may remove it after {oldest.purge_days:g}"
        )
        command = ("store", "refresh", "--", *(shlex.split(facts.study) or ["."]))
        return warn(said, f"`weft store refresh{facts.study}` puts back what is gone", Fix(command=command))
    scratch = facts.machine.scratch
    old = [
        file
        for file in facts.of("shared")
        if scratch and file.entry.startswith(f"{scratch}/") and 0 < file.used < facts.now - SCRATCH_DAYS * DAY
    ]
    if not old:
        return passed()
    days = (facts.now - min(file.used for file in old)) / DAY
    said = f"{count(len(old), 'file')} of {named(file.entry for file in old)} on scratch: not used for {days:.0f} days"
    return warn(
        said, "keep the originals in Work, or here, and share those: a site clears scratch after ten days"
    )


ITEMS = (
    Item(
        id="many-inputs",
        title="number of input files",
        rule=f"`model.inputs` come to more than {MANY_FILES} files, which are packed into every job.",
        look=number_of_inputs,
        fixes=True,
    ),
    Item(
        id="large-inputs",
        title="size of inputs",
        rule=f"`model.inputs` come to more than {size(LARGE_BYTES)}, which are packed into every job.",
        look=size_of_inputs,
        fixes=True,
    ),
    Item(
        id="repeated-inputs",
        title="repeated inputs",
        rule=f"Files of the same content under several names waste {size(REPEATED_BYTES)} or more.",
        look=repeated_inputs,
    ),
    Item(
        id="study-file-as-input",
        title="the study file is no input",
        rule='The study file is among the inputs, as with `inputs = ["."]`: each change of it is a change of an input.',
        look=whole_folder,
    ),
    Item(
        id="empty-inputs",
        title="empty files",
        rule="A file that the study names is empty (`__init__.py` and the like may be).",
        look=empty_files,
    ),
    Item(
        id="absent-inputs",
        title="files are there",
        rule="A file has gone or cannot be read (FAIL), or a shared folder has a link that leads nowhere (WARN).",
        look=absent_files,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
    Item(
        id="inputs-of-jobs",
        title="inputs of other jobs",
        rule="A shared input, or an input of the app, lies in the folder of an earlier job.",
        look=inputs_of_jobs,
    ),
    Item(
        id="packed-inputs",
        title="archives among inputs",
        rule="The command, which runs for every case, unpacks an archive that is among the inputs.",
        look=packed_inputs,
    ),
    Item(
        id="crowded-folders",
        title="files in one directory",
        rule=f"A folder of the inputs holds more than {DIRECTORY_FILES:,} files.",
        look=crowded_folders,
    ),
    Item(
        id="scratch-age",
        title="age of files on scratch",
        rule=f"Shared inputs in a store that the site purges, or below `$SCRATCH`, were not used for {SCRATCH_DAYS:g} "
        "days.",
        look=scratch_age,
        fixes=True,
    ),
)
