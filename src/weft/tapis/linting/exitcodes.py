"""The ways to lose the exit code of the program that does the work. PURE.

Each function finds the lines of one kind of fault; ``wrapper.RULES`` says what each means and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from weft.tapis.linting.reading import (
    EXIT_CODE,
    LITTLE,
    SAYS,
    TESTS,
    Fault,
    Wrapper,
    keeps_code,
    switched,
    tells_failure,
    works,
    writes_exit_code,
)


def never_true(wrapper: Wrapper) -> Iterator[Fault]:
    for command in wrapper.commands:
        if command.name in TESTS:
            words = [word.bare for word in command.words[1:] if word.bare not in ("]", "]]")]
            if words in (["!", "$?"], ["!", "${?}"], ["-z", "$?"]):
                yield command.line, f"[ {' '.join(words)} ]"


def always_true(wrapper: Wrapper) -> Iterator[Fault]:
    for command in wrapper.commands:
        if command.name in TESTS:
            words = [word.bare for word in command.words[1:] if word.bare not in ("]", "]]")]
            if words in (["$?"], ["${?}"], ["-n", "$?"]):
                yield command.line, f"[ {' '.join(words)} ]"


def negated_code(wrapper: Wrapper) -> Iterator[Fault]:
    turned = ""
    for command in wrapper.commands:
        if turned and command.reads("$?"):
            yield command.line, turned
        if "!" in command.lead:
            plain = command.after in (";", "\n") and command.name not in TESTS
            turned = command.name if plain else ""
        elif command.name not in SAYS or command.reads("$?"):
            turned = ""


def code_of_another(wrapper: Wrapper) -> Iterator[Fault]:
    for before, command in zip(wrapper.commands, wrapper.commands[1:], strict=False):
        if not keeps_code(command) or {"else", "elif"} & set(command.lead):
            continue
        if before.after not in (";", "\n", "&&"):
            continue
        judged = "then" in command.lead or before.after == "&&"
        if before.name in SAYS or (before.name in TESTS and judged):
            yield command.line, before.name


def lost_in_pipe(wrapper: Wrapper) -> Iterator[Fault]:
    if any(each.name == "set" and switched(" ", "pipefail", each, False) for each in wrapper.all):
        return
    if any("PIPESTATUS" in word.text for each in wrapper.all for word in each.words):
        return
    for number, command in enumerate(wrapper.commands):
        if command.before != "|" or command.after == "|" or command.name in TESTS:
            continue
        first = number - 1
        while first > 0 and wrapper.commands[first].before == "|":
            first -= 1
        works = wrapper.commands[first].name not in LITTLE
        following = wrapper.commands[number + 1 : number + 2]
        asked = any(keeps_code(each) for each in following)
        if works and (command.name == "tee" or asked or number == len(wrapper.commands) - 1):
            yield command.line, command.name


def no_exit_code(job_type: str | None) -> Callable[[Wrapper], Iterator[Fault]]:
    def look(wrapper: Wrapper) -> Iterator[Fault]:
        if wrapper.job_type == job_type and not wrapper.opaque and not wrapper.writes_exit_code():
            yield 0, ""

    return look


def ends_with_another(wrapper: Wrapper) -> Iterator[Fault]:
    if wrapper.opaque or (wrapper.job_type != "BATCH" and wrapper.writes_exit_code()):
        return
    working = [number for number, each in enumerate(wrapper.commands) if works(each)]
    ends = [number for number, each in enumerate(wrapper.commands) if each.words]
    if not working or wrapper.errexit()[working[-1]]:
        return
    last = wrapper.commands[ends[-1]]
    later = wrapper.commands[working[-1] + 1 :]
    if any(tells_failure(each) for each in later) or last.before in ("&&", "|"):
        return
    if last.name in LITTLE - {"exit", "wait", "eval", "env", "command", "return"}:
        yield last.line, last.name
    elif last.name == "exit" and [word.bare for word in last.words[1:]] == ["0"]:
        yield last.line, "exit 0"


def ends_before_code(wrapper: Wrapper) -> Iterator[Fault]:
    if wrapper.has_exit_trap() or wrapper.opaque:
        return
    guarded = any(each.before == "||" and each.reads("$?") for each in wrapper.commands)
    for command, on in zip(wrapper.commands, wrapper.errexit(), strict=True):
        if on and not guarded and writes_exit_code(command):
            yield command.line, ""


def never_reached(wrapper: Wrapper) -> Iterator[Fault]:
    if wrapper.has_exit_trap():
        return
    states = wrapper.errexit()
    for number, command in enumerate(wrapper.commands[1:], start=1):
        before = wrapper.commands[number - 1]
        plain = before.after in (";", "\n") and not before.asked and before.before not in ("&&", "||")
        if (
            states[number - 1]
            and plain
            and works(before)
            and keeps_code(command)
            and not writes_exit_code(command)
        ):
            yield command.line, before.name


def code_elsewhere(wrapper: Wrapper) -> Iterator[Fault]:
    moves = 0
    for command in wrapper.commands:
        if command.name in ("cd", "pushd") and command.before != "(":
            moves += 1
        for operator, word in command.redirects:
            if moves == 1 and ">" in operator and word.bare.removeprefix("./") == EXIT_CODE:
                yield command.line, ""


def without_root(wrapper: Wrapper) -> Iterator[Fault]:
    if any("_tapisSysRootDir" in word.text for each in wrapper.all for word in each.everything):
        return
    for command in wrapper.commands:
        for operator, word in command.redirects:
            if ">" in operator and "_tapisExecSystemOutputDir" in word.text and EXIT_CODE in word.text:
                yield command.line, ""
