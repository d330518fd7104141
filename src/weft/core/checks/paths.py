"""What commands name: files that no case would find, places that no node sees, scripts that would not start. PURE."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping

from weft.core.checks.absent import absent, told
from weft.core.checks.base import (
    Answer,
    Edit,
    Facts,
    Fix,
    Item,
    Script,
    Verdict,
    edits,
    fail,
    is_or_are,
    named,
    passed,
    warn,
)
from weft.core.checks.reach import among, given, made
from weft.core.checks.words import MOST_VALUES, OUTPUTS, Part, Word, commands, words
from weft.core.command import placeholders, text_placeholders
from weft.core.quantities import count
from weft.errors import WeftError
from weft.model import Study

_HUB = re.compile(r"/home/jupyter(/|$)")
_HUB_FOLDER = re.compile(r"(?<=/)(?:jupyter/)?(?:MyData|mydata)/")
_LINES = re.compile(r".*(/|^)(ba|da|k|z)?sh|.*/(source|\.)")


def unlisted_files(study: Study, facts: Facts) -> Answer:
    """Does a case find every file that its command names?"""
    lost = absent(study, facts)
    missing = dict(_missing(study, facts))
    if any(each.certain for each in lost) or (lost and not missing):
        return told(lost, facts)
    if not missing:
        return passed()
    keys = {key: (*key.split(".")[:-1], "inputs") for key in missing.values()}
    changes = [Edit(key=keys[key], do="add", value=path) for path, key in missing.items()]
    needed = [path for path, key in missing.items() if _is_program(study, key, path)]
    said = (
        f"{named(missing)}: named by {named(missing.values())}, but in no list of inputs, so no case has it"
    )
    remedy = f"add it to {' and '.join(sorted({'.'.join(key) for key in keys.values()}))}"
    return (fail if needed else warn)(said, remedy, edits(*changes))


def _missing(study: Study, facts: Facts) -> Iterator[tuple[str, str]]:
    """Paths in the study's folder that a command or a parameter names and that are not given, with where."""
    for key, command in commands(study).items():
        there, own = given(study, facts, key), made(study, command)
        for word in words(command):
            path = posixpath.normpath(word.value) if not word.holes else ""
            if word.part in OUTPUTS or word.value.startswith("/") or not _is_there(path, facts):
                continue
            if path not in own and not among(path, there):
                yield path, key
    there = given(study, facts, "model.command")
    for parameter in study.parameters.values():
        values = () if parameter.is_file else parameter.values[:MOST_VALUES]
        for value in values:
            path = posixpath.normpath(value) if isinstance(value, str) and value else ""
            if "." in posixpath.basename(path) and _is_there(path, facts) and not among(path, there):
                yield path, "model.command"


def _is_there(path: str, facts: Facts) -> bool:
    """A file of the study's folder; a folder only where it is written as a path."""
    kind = facts.paths.get(path, "")
    return not path.startswith(("/", "..")) and (kind == "file" or (kind == "folder" and "/" in path))


def _is_program(study: Study, key: str, path: str) -> bool:
    return any(
        word.part in (Part.PROGRAM, Part.SCRIPT, Part.READ) and posixpath.normpath(word.text) == path
        for word in words(commands(study)[key])
    )


def places_on_the_node(study: Study, facts: Facts) -> Answer:
    """Does the node see every path that starts at the root?"""
    found = dict(_absolute(study))
    if study.backend == "local":
        gone = [path for path in found if facts.paths.get(path) == "absent"]
        if not gone:
            return passed()
        needed = any(
            word.part in (Part.PROGRAM, Part.SCRIPT, Part.READ) for word in map(found.__getitem__, gone)
        )
        said = f"{named(gone)} {is_or_are(gone)} not on this machine"
        return (fail if needed else warn)(said, "correct the path")
    own = [path for path in found if _is_own(path, study, facts)]
    if not own:
        return passed()
    hub = any(_HUB.match(path) for path in own)
    said = f"{named(own)}: a path of this machine, which the nodes need not have"
    remedy = "give files by model.inputs or model.shared, and name them relative to the case's directory"
    return (fail if hub else warn)(said, remedy)


def _absolute(study: Study) -> Iterator[tuple[str, Word]]:
    texts = [*commands(study).values(), *study.model.setup]
    for text in texts:
        for word in words(text):
            if word.value.startswith("/") and not word.holes and len(word.value) > 1:
                yield word.value, word


def _is_own(path: str, study: Study, facts: Facts) -> bool:
    if _HUB.match(path) or _below(path, study.folder):
        return True
    home = facts.machine.home
    return bool(home.strip("/")) and _below(path, home)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def hub_folders(study: Study, facts: Facts) -> Answer:
    """Are addresses on Tapis without the folders of a JupyterHub?"""
    found = [
        entry for entry in study.model.shared if entry.startswith("tapis://") and _HUB_FOLDER.search(entry)
    ]
    tables = dict(study.settings.get("tapis", {}).get("inputs", {}))
    asked = {name: str(source) for name, source in tables.items() if _HUB_FOLDER.search(str(source))}
    if not found and not asked:
        return passed()
    changes: list[Edit] = []
    for entry in found:
        changes.append(Edit(key=("model", "shared"), do="drop", value=entry))
        changes.append(Edit(key=("model", "shared"), do="add", value=_HUB_FOLDER.sub("", entry)))
    for name, source in asked.items():
        changes.append(Edit(key=("tapis", "inputs", name), do="set", value=_HUB_FOLDER.sub("", source)))
    said = f"{named([*found, *asked.values()])}: MyData is a folder of the JupyterHub, and Tapis does not know it"
    return fail(said, "write tapis://SYSTEM/USER/... without MyData", edits(*changes))


def shared_writes(study: Study, facts: Facts) -> Answer:
    """Does no case write where all others write?"""
    targets = [
        word.text
        for word in words(study.model.command)
        if word.part is Part.WRITTEN and not word.holes and word.text.startswith(("/", "../"))
    ]
    common = [path for path in targets if not path.startswith("/dev/")]
    if not common or facts.cases < 2:
        return passed()
    said = f"all of {facts.cases:,} cases write {named(common)}"
    return warn(said, "write into the case's directory, and name the file in output.keep")


def names_of_results(study: Study, facts: Facts) -> Answer:
    """Is no result an input under the same name?"""
    given = {file.path for file in facts.of("inputs", "shared", "parameters")}
    result, expected = study.model.result, [name for name in study.model.expect if name in given]
    if result in given:
        said = f"`{result}` is an input, which no case can write: it would be the result of every case"
        return fail(said, "let the model write a file of another name, or take it out of the inputs")
    if expected:
        said = f"{named(expected)}: in model.expect, and an input, so it is there whatever the case does"
        return warn(said, "expect a file that only the case writes")
    return passed()


def same_commands(study: Study, facts: Facts) -> Answer:
    """Does every row of the table of cases make a difference?"""
    rows, used = study.space.table, _used(study, facts)
    if not rows or "params" in used:
        return passed()
    columns = [name for name in rows[0] if name in used]
    different = len({tuple(row[name] for name in columns) for row in rows})
    if different == len(rows):
        return passed(f"{len(rows):,} rows, all different")
    unused = [name for name in rows[0] if name not in used]
    said = (
        f"{len(rows):,} rows of the table make only {count(different, 'command')}: "
        f"{named(unused)} {is_or_are(unused)} used nowhere"
    )
    return warn(said, "use the column in the command, or name the columns that count in space.table")


def _used(study: Study, facts: Facts) -> frozenset[str]:
    """The names that commands, environment and templates ask for."""
    try:
        used = set(placeholders(study.model.command))
    except WeftError:
        return frozenset(["params"])
    for text in study.model.env.values():
        used |= text_placeholders(text)
    return frozenset(used.union(*facts.texts.values()))


def line_ends(study: Study, facts: Facts) -> Answer:
    """Do the lines of scripts end as a shell wants them?"""
    run = _run_by_shell(study) | _called(study)
    broken = [
        each.path
        for each in facts.scripts
        if each.crlf and (each.interpreter.endswith("sh") or each.path in run)
    ]
    if not broken:
        return passed()
    said = (
        f"the lines of {named(broken)} end as Windows writes them, which a shell takes for part of the line"
    )
    remedy = "save it with the line ends of Unix (LF)"
    return fail(said, remedy, Fix(unix_lines=tuple(broken)))


def _run_by_shell(study: Study) -> frozenset[str]:
    """Scripts that a shell runs, as the commands say."""
    found, program = set(), ""
    for text in [*commands(study).values(), *study.model.setup]:
        for word in words(text):
            if word.part is Part.SCRIPT and _LINES.fullmatch(program):
                found.add(posixpath.normpath(word.text))
            elif word.part in (Part.PROGRAM, Part.ARGUMENT) and not word.text.startswith("-"):
                program = word.text
    return frozenset(found)


def _called(study: Study) -> frozenset[str]:
    """Files that commands call as programs."""
    return frozenset(
        posixpath.normpath(word.text)
        for text in commands(study).values()
        for word in words(text)
        if word.part is Part.PROGRAM and "/" in word.text and not word.holes
    )


def programs(study: Study, facts: Facts) -> Answer:
    """Would a script start that is called as a program?"""
    called = _called(study)
    scripts: Mapping[str, Script] = {each.path: each for each in facts.scripts if each.path in called}
    closed = [path for path, each in scripts.items() if not each.executable]
    if closed:
        said = f"{named(closed)} {is_or_are(closed)} called as a program, and may not be executed"
        remedy = shlex.join(("chmod", "--", "+x", *closed))
        return fail(said, remedy, Fix(executable=tuple(closed)))
    lost = [each for each in scripts.values() if each.interpreter and not each.found]
    if lost and study.backend == "local":
        wanted = named(each.interpreter for each in lost)
        said = f"{named(each.path for each in lost)}: the first line asks for {wanted}, which is not here"
        return fail(said, "correct its first line (`#!`), or install it")
    return passed()


ITEMS = (
    Item(
        id="unlisted-files",
        title="files that commands name",
        rule="A command or a value names a file of the study's folder that is in no list of inputs; FAIL where it is "
        "what the command runs or reads. Or a script that a command names is nowhere (FAIL), or nowhere unless "
        "something that runs before makes it (WARN).",
        look=unlisted_files,
        verdicts=(Verdict.WARN, Verdict.FAIL),
        fixes=True,
    ),
    Item(
        id="places-on-the-node",
        title="paths from the root",
        rule="A command has an absolute path that is not there; on Tapis, one below the home folder or the study's. "
        "FAIL where it must be read, or is a folder of a JupyterHub.",
        look=places_on_the_node,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
    Item(
        id="hub-folders",
        title="addresses on Tapis",
        rule="A `tapis://` address has `MyData` in it, as a JupyterHub shows the folder: Tapis has no such folder.",
        look=hub_folders,
        verdicts=(Verdict.FAIL,),
        fixes=True,
    ),
    Item(
        id="shared-writes",
        title="one file for all cases",
        rule="The command writes to a file outside of the case's directory, the same for every case.",
        look=shared_writes,
    ),
    Item(
        id="names-of-results",
        title="names of results",
        rule="An input bears the name of `model.result` (FAIL), or is among `model.expect` (WARN).",
        look=names_of_results,
        verdicts=(Verdict.WARN, Verdict.FAIL),
    ),
    Item(
        id="same-commands",
        title="rows that differ",
        rule="Rows of the table of cases differ only in columns that nothing uses, so that cases repeat each other.",
        look=same_commands,
    ),
    Item(
        id="line-ends",
        title="line ends of scripts",
        rule="A script that a shell runs, or with a `#!` line, has the line ends of Windows.",
        look=line_ends,
        verdicts=(Verdict.FAIL,),
        fixes=True,
    ),
    Item(
        id="programs",
        title="scripts as programs",
        rule="A command calls an input as a program that may not be executed, or whose `#!` names what is not here.",
        look=programs,
        verdicts=(Verdict.FAIL,),
        fixes=True,
    ),
)
