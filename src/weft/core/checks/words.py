"""The words of a command, and what part each plays. PURE.

This is reading, not judging: what a shell would do with the line is for ``core/shell.py``; here it is enough to see
which words are programs, which are scripts that a program runs, and which name a file that is written.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from weft.core.shell import NAME
from weft.model import Study


class Part(Enum):
    """What a word does in a command."""

    PROGRAM = "program"
    SCRIPT = "script"
    """What an interpreter is given to run."""
    ARGUMENT = "argument"
    READ = "read"
    """After ``<``."""
    WRITTEN = "written"
    """After ``>``."""
    APPENDED = "appended"
    """After ``>>``."""
    SET = "set"
    """``NAME=value`` before a program."""


OUTPUTS = (Part.WRITTEN, Part.APPENDED)


class Word(NamedTuple):
    """One word, without its quotes."""

    text: str
    part: Part

    @property
    def holes(self) -> bool:
        """Does something stand in it that is known only as the case runs?"""
        return bool(_OPEN.search(self.text))

    @property
    def value(self) -> str:
        """What follows the first ``=`` of an option or a variable; else the word."""
        return self.text.partition("=")[2] if _ASSIGNED.match(self.text) else self.text


_OPEN = re.compile(rf"\{{{NAME}\}}|[$*?`~]")
_ASSIGNED = re.compile(r"(--?)?[A-Za-z_][\w-]*=")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_OPERATORS = frozenset("();<>|&\n")
_SHELL = r"(?:ba|da|k|z)?sh"
_INTERPRETER = re.compile(
    rf"(i?python[\d.]*|pypy[\d.]*|{_SHELL}|perl|ruby|lua|Rscript|julia|node|octave|tclsh[\d.]*|opensees\w*|source|\.)",
    re.I,
)
_NO_SCRIPT = re.compile(r"-c|-m|-e|--eval|--version|-V|-h|--help")
_NO_SCRIPT_OF_SHELL = re.compile(r"-[a-z]*c|--version|--help")
"""Options of interpreters after which no script comes; for a shell, `-e` and `-m` are switches."""
_VALUED = frozenset({"-W", "-X", "-o", "-t", "-L"})
"""Options of interpreters whose value is the next word."""
_HEREDOC = re.compile(r"(<<-?[ \t]*(['\"]?)(\w+)\2[^\n]*)\n(?:.*?\n)?[ \t]*\3[ \t]*(?=\n|\Z)", re.DOTALL)
_LEADING = frozenset(
    {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "env", "nohup"}
)


def words(command: str) -> list[Word]:
    """The words of a command; none of one that no shell could read."""
    try:
        text = _HEREDOC.sub(r"\1", command)  # what follows is a text, whatever it looks like
        lexer = shlex.shlex(text.replace("\n", " ; "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        lexer.commenters = ""
        return list(_told([*lexer]))
    except ValueError:
        return []


def _told(tokens: list[str]) -> Iterator[Word]:
    following, runner, value = Part.PROGRAM, "", False
    for token in tokens:
        if token and _OPERATORS.issuperset(token):
            following = _after(token)
            runner = "" if following is Part.PROGRAM else runner
            continue
        part = following
        if part is Part.PROGRAM and token in _LEADING:
            continue
        if part is Part.PROGRAM and _VARIABLE.match(token):
            yield Word(token, Part.SET)
            continue
        following = Part.ARGUMENT
        if part in (Part.READ, *OUTPUTS):
            yield Word(token, part)
        elif not runner and _INTERPRETER.fullmatch(token.rpartition("/")[2] or token):
            runner = token.rpartition("/")[2] or token
            yield Word(token, part)
        elif runner and not token.startswith("-") and part is Part.ARGUMENT and not value:
            runner = ""
            yield Word(token, Part.SCRIPT)
        else:
            runner = "" if runner and _has_no_script(runner, token) else runner
            value = bool(runner) and token in _VALUED
            yield Word(token, part)


def _has_no_script(runner: str, option: str) -> bool:
    options = _NO_SCRIPT_OF_SHELL if re.fullmatch(_SHELL, runner) else _NO_SCRIPT
    return options.fullmatch(option) is not None


def _after(operator: str) -> Part:
    """What the word after an operator is; ``<(`` begins a command, ``((`` a sum."""
    if operator.endswith("(("):
        return Part.ARGUMENT
    if not {"<", ">"}.intersection(operator) or operator.endswith("("):
        return Part.PROGRAM
    if operator.startswith("<<") or operator.endswith("&"):
        return Part.ARGUMENT  # the word of a here-document, or the number of a descriptor
    if operator.startswith("<"):
        return Part.READ
    return Part.APPENDED if ">>" in operator else Part.WRITTEN


def lines(command: str) -> list[list[Word]]:
    """The words of each simple command: a program, and what it is given."""
    found: list[list[Word]] = [[]]
    for word in words(command):
        if word.part is Part.PROGRAM:
            found.append([])
        found[-1].append(word)
    return [line for line in found if line]


def commands(study: Study) -> dict[str, str]:
    """Every command of a study that runs where the files named beside it are, by its key."""
    model = study.model
    found = {"model.command": model.command}
    if model.finish:
        found["model.finish"] = model.finish
    for name, step in (("before", study.before), ("after", study.after)):
        if step is not None:
            found[f"{name}.command"] = step.command
    return found


def paths_in(study: Study) -> frozenset[str]:
    """Every word of the study that may be the path of a file, as a check may want to know whether it is there."""
    texts = [*commands(study).values(), *study.model.setup]
    found = {word.value for text in texts for word in words(text) if not word.holes}
    found |= {value for value in study.model.env.values() if value.startswith("/")}
    for parameter in study.parameters.values():
        if not parameter.is_file:
            found |= {
                value for value in parameter.values[:MOST_VALUES] if isinstance(value, str) and "." in value
            }
    return frozenset(
        word if word.startswith("/") else posixpath.normpath(word) for word in found if _may_be_path(word)
    )


MOST_VALUES = 1000
"""Values of a parameter that are looked at."""


def _may_be_path(word: str) -> bool:
    short = 0 < len(word) <= 1000
    return (
        short
        and word.isprintable()
        and not word.startswith("-")
        and "://" not in word
        and word not in (".", "..", "/")
    )
