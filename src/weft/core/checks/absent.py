"""Scripts that commands name and that are nowhere: a name mistyped, a file forgotten. PURE.

Whether a file is there when a command needs it can be known only where nothing runs before that might make it. Where
something does, a missing script is a doubt; where a name stands in something that ran before, it is not even that.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from weft.core.checks.base import Answer, Facts, fail, named, warn
from weft.core.checks.reach import among, given, made
from weft.core.checks.words import Part, Word, commands, lines, words
from weft.core.nearest import did_you_mean
from weft.model import Study

SCRIPTS = frozenset(
    (".py", ".sh", ".bash", ".ksh", ".zsh", ".tcl", ".m", ".R", ".r", ".jl", ".pl", ".rb", ".lua", ".js")
)
"""How the names of scripts end."""
_PLAIN = re.compile(r"[\w@%+:,./ -]+")
_MOVES = frozenset({"cd", "pushd", "chdir", "popd"})
"""After these, paths start elsewhere."""
_MOVING = ("-C", "--chdir", "--directory", "--pwd", "--workdir")
"""Options with which a launcher does the same."""
_LAUNCHERS = frozenset(
    (
        *("mpirun", "mpiexec", "mpiexec.hydra", "ibrun", "srun", "timeout", "nice", "stdbuf", "taskset"),
        *("numactl", "setsid", "xvfb-run", "sudo"),
    )
)
"""Programs whose first argument that is a script is what they start."""
_FILING = frozenset(
    (
        *("[", "[[", "test", "cp", "mv", "rm", "ln", "install", "touch", "tee", "tar", "zip", "unzip"),
        *("find", "chmod", "echo", "printf", "curl", "wget", "git", "grep", "docker", "podman"),
        *("export", "sed", "ls"),
    )
)
"""Programs that name files for other ends than to run them here."""
_QUIET = frozenset(
    (
        *("module", "ml", "export", "unset", "set", "ulimit", "umask", "echo", "printf", "date", "sleep"),
        *("true", ":", "test", "[", "[[", "mkdir", "rm", "chmod", "hostname", "source", ".", "trap", "which"),
        *("type", "conda", "for", "done", "fi", "}", "case", "esac", "wait", "pwd", "ls", "cat", "grep"),
        *("head",),
    )
)
"""Programs that leave no script behind."""


class Lost(NamedTuple):
    """A script that is nowhere."""

    path: str
    key: str
    """Which command names it."""
    certain: bool
    """Does nothing run before that could make it?"""


def absent(study: Study, facts: Facts) -> list[Lost]:
    """The scripts that commands name, and that nothing gives or makes."""
    every = commands(study)
    known = {_name(word) for text in every.values() for word in words(text)}
    near = [name for name in _names(facts) if name not in known]
    return [lost for key in every for lost in _absent(study, facts, key, near)]


def told(lost: Sequence[Lost], facts: Facts) -> Answer:
    """What the checklist says of them; of those that are certain alone, if there are any."""
    certain = [each for each in lost if each.certain]
    those = certain or lost
    paths, keys = named(each.path for each in those), named(each.key for each in those)
    meant = next(filter(None, (_meant(each.path, _names(facts)) for each in those)), "")
    remedy = f"correct the name{f' ({meant})' if meant else ''}, or put the file into the study's folder"
    if certain:
        return fail(f"{paths}: named by {keys}, but nowhere there: neither given nor made before", remedy)
    return warn(
        f"{paths}: named by {keys}, but not there, unless something that runs before makes it", remedy
    )


def _absent(study: Study, facts: Facts, key: str, near: Collection[str]) -> Iterator[Lost]:
    command = commands(study)[key]
    there = given(study, facts, key) | made(study, command)
    before: set[str] = set()
    certain = True
    for line in (line for text in study.model.setup for line in lines(text)):
        before |= _mentioned(line)
        certain = certain and _program(line) in _QUIET
    for line in lines(command):
        if _program(line) in _MOVES:
            return
        for word, sure in _scripts(line):
            path = _name(word)
            if (
                facts.paths.get(path) not in ("new", "absent")
                or {path, posixpath.basename(path)} & before
                or among(path, there)
                or _is_left(study, path)
            ):
                continue
            if sure or _meant(path, near):
                yield Lost(path, key, certain and sure)
        before |= _mentioned(line)
        certain = certain and _program(line) in _QUIET


def _program(line: Sequence[Word]) -> str:
    first = line[0]
    return posixpath.basename(first.text) if first.part is Part.PROGRAM else ":"  # variables, redirections


def _scripts(line: Sequence[Word]) -> Iterator[tuple[Word, bool]]:
    """The words that name a script or what a program reads, each with whether that is beyond doubt."""
    program = _program(line)
    launches, searched = program in _LAUNCHERS, program in ("source", ".")
    for word in line:
        if word.text.startswith(_MOVING):
            return
        text = word.value
        ends = posixpath.splitext(text)[1] in SCRIPTS
        if word.holes or not _PLAIN.fullmatch(text) or text.startswith(("/", "..", "-")):
            continue
        if word.part is Part.SCRIPT and ends:
            yield word, "/" in text or not searched
        elif (word.part is Part.PROGRAM and "/" in text and (ends or text.startswith("./"))) or (
            word.part is Part.READ and "." in posixpath.basename(text)
        ):
            yield word, True
        elif word.part is Part.ARGUMENT and ends and program not in _FILING:
            yield word, launches and word.value == word.text
            launches = False


def _name(word: Word) -> str:
    return posixpath.normpath(word.value) if word.value else ""


def _mentioned(line: Sequence[Word]) -> set[str]:
    paths = {_name(word) for word in line}
    return paths | {posixpath.basename(path) for path in paths}


def _is_left(study: Study, path: str) -> bool:
    """Is it among what the step before leaves?"""
    patterns = study.before.outputs if study.before else ()
    return any(fnmatchcase(path, pattern.replace("**/", "*")) for pattern in patterns)


def _names(facts: Facts) -> list[str]:
    """What the study has, which a name may have meant."""
    return sorted({*facts.beside, *(file.path for file in facts.files)})


def _meant(path: str, names: Collection[str]) -> str:
    """The nearest name, as a question; empty where none is near."""
    said = did_you_mean(path, names)
    return said if said.startswith("did you mean") else ""
