"""A wrapper as the rules see it: its commands, those of the scripts that it takes in, and what holds where. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from weft.tapis.linting.shell import ASSIGNMENT, Command, commands

EXIT_CODE = "tapisjob.exitcode"
Fault = tuple[int, str]
"""A line, and the words that stand there."""

TESTS = frozenset({"[", "[[", "test"})
SAYS = frozenset({"echo", "printf", "date", "true", ":", "logger"})
_TIDIES = """
    . .. alias awk basename break cat cd chgrp chmod chown command continue cp cut declare df dirname du env eval exit
    export find free getopts grep gzip head hostname id kill let ln local ls lscpu mkdir ml module mv nproc popd pushd
    pwd read readonly return rm rmdir rsync sed set shift shopt sleep sort source stat sync tail tar tee touch tr trap
    type ulimit umask uname unalias unset unzip wait wc which whoami zip case for select function
"""
LITTLE = SAYS | TESTS | frozenset(_TIDIES.split())
"""What prepares or tidies up, rather than doing the work of the app."""
_OWN = re.compile(r"(\.|\$\(|`|\$\{|\$[A-Za-z_0-9]|[\w-]+\.sh\Z)")

_HARMLESS = ("tapisjob.env", "/activate", ".bashrc", "profile", "conda.sh")
"""Ends of paths of what is often taken in and does nothing of an app's own."""


class Wrapper(Struct, frozen=True, kw_only=True):
    """A wrapper as the rules see it.

    ``sourced`` are the commands of the scripts that it takes in; ``opaque`` when it takes in one that is not known, or
    another file of the app writes the exit code: what seems to be missing may be there.
    """

    text: str
    job_type: str | None
    executable: bool
    commands: Sequence[Command]
    sourced: Sequence[Command]
    opaque: bool

    @property
    def all(self) -> list[Command]:
        return [*self.sourced, *self.commands]

    def has_exit_trap(self) -> bool:
        return any(
            each.name == "trap" and {"EXIT", "0"} & {word.bare for word in each.words} for each in self.all
        )

    def writes_exit_code(self) -> bool:
        return any(writes_exit_code(each) for each in self.all)

    def errexit(self) -> list[bool]:
        """For each command: does a failure end the script there (``set -e``)?"""
        first = self.text.partition("\n")[0]
        on, states = bool(re.match(r"#!.*\s-\w*e", first)), []
        for command in self.commands:
            if command.name == "set":
                on = switched("e", "errexit", command, on)
            states.append(on)
        return states


def read(
    text: str,
    *,
    job_type: str | None = None,
    executable: bool = True,
    others: Mapping[str, str] | None = None,
) -> Wrapper:
    """Read a wrapper; ``others`` are the other text files of the app, by name."""
    own = commands(text)
    sourced, opaque = _sourced(own, dict(others or {}))
    taken = {name for name in others or {} if any(name in word.text for each in own for word in each.words)}
    written = any(EXIT_CODE in body for name, body in (others or {}).items() if name in taken)
    return Wrapper(
        text=text,
        job_type=job_type,
        executable=executable,
        commands=own,
        sourced=sourced,
        opaque=opaque or (written and not any(writes_exit_code(each) for each in (*own, *sourced))),
    )


def _sourced(own: Sequence[Command], others: dict[str, str]) -> tuple[list[Command], bool]:
    found: list[Command] = []
    opaque = False
    for command in own:
        if command.name not in (".", "source") or len(command.words) < 2:
            continue
        path = command.words[1].bare
        text = others.pop(path.rpartition("/")[2], None)
        if text is not None:
            inner = commands(text)
            more, hidden = _sourced(inner, others)
            found += [*inner, *more]
            opaque |= hidden
        elif _OWN.match(path) and not path.endswith(_HARMLESS):
            opaque = True
    return found, opaque


def writes_exit_code(command: Command) -> bool:
    if any(">" in operator and EXIT_CODE in word.text for operator, word in command.redirects):
        return True
    return command.name in ("tee", "cp", "mv", "trap") and any(
        EXIT_CODE in word.text for word in command.words
    )


def switched(letter: str, name: str, command: Command, before: bool) -> bool:
    words = [word.bare for word in command.words[1:]]
    for number, word in enumerate(words):
        long = word.endswith("o") and words[number + 1 : number + 2] == [name]
        if re.match(r"[-+][a-z]+\Z", word) and (letter in word or long):
            before = word[0] == "-"
    return before


def keeps_code(command: Command) -> bool:
    """Does it use ``$?`` for more than telling it?"""
    if not command.reads("$?"):
        return False
    assigned = any(ASSIGNMENT.match(word.text) and "$?" in word.live for word in command.words)
    return assigned or command.name in (*TESTS, "exit", "return") or writes_exit_code(command)


def works(command: Command) -> bool:
    return bool(command.name) and command.name not in LITTLE


def tells_failure(command: Command) -> bool:
    return command.name in ("exit", "return", "exec") and [word.bare for word in command.words[1:]] not in (
        [],
        ["0"],
    )
