"""The faults of a wrapper, the script ``tapisjob_app.sh`` that Tapis starts. PURE: text in, findings out.

What a job's end is judged by: of a BATCH job the exit code of the wrapper, of a FORK job the number that the wrapper
writes into ``tapisjob.exitcode``, a missing file counting as success. Most faults are ways to lose that number.
Each rule is one function below that finds lines; ``RULES`` says what each means and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from weft.tapis.linting import exitcodes as codes
from weft.tapis.linting.finding import Finding, Level
from weft.tapis.linting.reading import TESTS, Fault, Wrapper
from weft.tapis.linting.shell import ASSIGNMENT, Command

_INTERPRETER = re.compile(r"(OpenSees\w*|tclsh[\d.]*|octave|matlab|R)\Z")
_SCRIPT = re.compile(r"script|\.(tcl|m|R|py|sh)\Z", re.IGNORECASE)
_FROM_ARGUMENT = re.compile(r"[A-Za-z_]\w*\+?=\"?\$\{?([A-Za-z_]\w*|\d+|[@*])")


def findings(wrapper: Wrapper, file: str) -> Iterator[Finding]:
    """All that is wrong with a wrapper, rule by rule."""
    for rule in RULES:
        for line, it in rule.look(wrapper):
            yield Finding(
                file=file,
                line=line,
                level=rule.level,
                rule=rule.name,
                what=rule.what.replace("{it}", it),
                why=rule.why,
                remedy=rule.remedy.replace("{it}", it),
            )


# What else goes wrong


def _loose_arguments(wrapper: Wrapper) -> Iterator[Fault]:
    arguments = _arguments(wrapper.commands)
    for command in wrapper.commands:
        words = (
            [] if command.name in ("[[", "case", "local", "declare", "export", "readonly") else command.words
        )
        if command.name == "for":
            words = command.words[3:]
        for word in words:
            names = [name for name in word.loose if name in arguments]
            if names and not ASSIGNMENT.match(word.text):
                yield command.line, f"${names[0]}"


def _arguments(found: Sequence[Command]) -> set[str]:
    """The variables that hold arguments as they were given."""
    names = {str(number) for number in range(10)} | {"@", "*"}
    for command in found:
        for word in command.words:
            source = _FROM_ARGUMENT.match(word.text)
            if source and source[1] in names:
                names.add(word.text.partition("=")[0].rstrip("+"))
    return names - {"0"}


def _unguarded_cd(wrapper: Wrapper) -> Iterator[Fault]:
    states = wrapper.errexit()
    before: Command | None = None
    for command, on in zip(wrapper.commands, states, strict=True):
        target = [word.bare for word in command.words[1:] if word.bare not in ("--", "-P", "-L")]
        if command.name in ("cd", "pushd") and target and target[0] not in ("..", "-", "/", "~"):
            tested = before and before.name in TESTS and target[0] in [word.bare for word in before.words]
            if not (on or command.asked or tested):
                yield command.line, f"cd {target[0]}"
        before = command


def _private_files(wrapper: Wrapper) -> Iterator[Fault]:
    for command in wrapper.commands:
        if command.name == "umask" and len(command.words) > 1:
            mask = command.words[1].bare
            if re.fullmatch(r"0*[0-7]?[4-7][4-7]", mask) or re.search(r"g=,", f"{mask},"):
                yield command.line, f"umask {mask}"


def _fed_by_stdin(wrapper: Wrapper) -> Iterator[Fault]:
    for command in wrapper.commands:
        for operator, source in command.redirects:
            if operator not in ("<", "0<") or source.bare == "/dev/null":
                continue
            named = any(_INTERPRETER.match(word.bare.rpartition("/")[2]) for word in command.words)
            if named or ("$" in "".join(word.text for word in command.words) and _SCRIPT.search(source.bare)):
                yield command.line, command.name


def _line_ends(wrapper: Wrapper) -> Iterator[Fault]:
    if "\r\n" in wrapper.text:
        yield wrapper.text[: wrapper.text.index("\r\n")].count("\n") + 1, ""


def _no_shebang(wrapper: Wrapper) -> Iterator[Fault]:
    if not wrapper.text.startswith("#!"):
        yield 1, wrapper.text.partition("\n")[0].strip()[:40]


def _not_executable(wrapper: Wrapper) -> Iterator[Fault]:
    if not wrapper.executable:
        yield 0, ""


class Rule(NamedTuple):
    """``what`` and ``remedy`` may use {it}: the words that were found."""

    name: str
    level: Level
    look: Callable[[Wrapper], Iterator[Fault]]
    what: str
    why: str
    remedy: str


_E, _W = Level.ERROR, Level.WARNING
_KEEP = 'keep it in the line after the program: `code=$?`, and end with `exit "$code"`'
_WRITE = (
    "write it with `trap 'echo $? > \"$output/tapisjob.exitcode\"' EXIT`, where output is "
    '"${_tapisSysRootDir%/}/${_tapisExecSystemOutputDir#/}"'
)

RULES = (
    Rule("line-ends", _E, _line_ends, "lines end as on Windows (CRLF)",
         "the interpreter `/bin/bash` with a carriage return behind it does not exist, so the app does not start",
         "sed -i 's/\\r$//' FILE, and have the editor write Unix line ends"),
    Rule("no-shebang", _W, _no_shebang, "the first line does not begin with #!",
         "what runs the script then depends on who starts it: bash, or a shell that knows less",
         "make `#!/bin/bash` the first line, with nothing before it"),
    Rule("not-executable", _W, _not_executable, "it may not be executed",
         "Tapis makes it executable, `weft app deploy` too; a ZIP made by hand and a trial by hand do not",
         "chmod +x FILE"),
    Rule("never-true", _E, codes.never_true, "`{it}` is never true",
         "$? is a number, and a number is a text that is not empty: a crash of the program counts as success",
         "`if [ $? -ne 0 ]`, or better: " + _KEEP),
    Rule("always-true", _E, codes.always_true, "`{it}` is always true",
         "$? is a number, and a number is a text that is not empty: the test tells nothing",
         "`if [ $? -ne 0 ]`, or better: " + _KEEP),
    Rule("negated-code", _E, codes.negated_code, "$? after `! {it}` is not the exit code of {it}",
         "`!` turns the code round: within `if ! ...; then` it is 0, so the failure ends as a success",
         "`{it} ... || { code=$?; ...; }`"),
    Rule("code-of-another", _E, codes.code_of_another, "$? is the exit code of `{it}` here, not of the program",
         "that code is nearly always 0, so a failure ends as a success", _KEEP),
    Rule("lost-in-pipe", _E, codes.lost_in_pipe, "the exit code of the program is lost in the pipe to `{it}`",
         "a pipe ends with the code of its last command, so a crash counts as success",
         "`set -o pipefail` before it (in bash), or `${PIPESTATUS[0]}` after it"),
    Rule("no-exit-code", _E, codes.no_exit_code("FORK"), "nothing writes tapisjob.exitcode",
         "of a FORK job Tapis knows no other exit code, and takes a missing file for success", _WRITE),
    Rule("no-exit-code", _W, codes.no_exit_code(None), "nothing writes tapisjob.exitcode",
         "if this is a FORK job, Tapis knows no other exit code, and takes a missing file for success", _WRITE),
    Rule("code-lost", _E, codes.ends_with_another, "the script ends with the exit code of `{it}`",
         "the code of the program that did the work is lost, so a crash counts as success", _KEEP),
    Rule("ends-before-code", _E, codes.ends_before_code, "`set -e` ends the script before tapisjob.exitcode is written",
         "when the program fails this line is never reached, and Tapis takes a missing file for success", _WRITE),
    Rule("never-reached", _W, codes.never_reached, "`set -e` ends the script when `{it}` fails, before $? is looked at",
         "what follows (messages, tidying up, packing of results) is left out just when something went wrong",
         "`code=0; {it} ... || code=$?`"),
    Rule("code-elsewhere", _W, codes.code_elsewhere, "tapisjob.exitcode is written to another directory, after a `cd`",
         "Tapis looks for it in the job's output directory only, and takes a missing file for success", _WRITE),
    Rule("without-root", _W, codes.without_root, "_tapisExecSystemOutputDir is taken for a path of the machine",
         "it begins at the root directory of the system, which is / on some systems only",
         'put the root before it: "${_tapisSysRootDir%/}/${_tapisExecSystemOutputDir#/}"'),
    Rule("loose-argument", _W, _loose_arguments, "{it} stands without quotes",
         "an argument with blanks or * in it is taken apart, and the program gets something else",
         'put double quotes around it; all arguments, each as it is, are "$@"'),
    Rule("unguarded-cd", _W, _unguarded_cd, "`{it}` may fail, and the script goes on in the wrong directory",
         "the program then runs without its inputs, or over those of another",
         "`{it} || exit 1`"),
    Rule("private-files", _W, _private_files, "`{it}` hides the results from everybody else",
         "in a project's directory the others of the project cannot read them", "leave it out, or `umask 022`"),
    Rule("fed-by-stdin", _W, _fed_by_stdin, "`{it}` gets its script on standard input",
         "an interpreter that is fed goes on after an error, and ends with 0", "name the script as an argument"),
)  # fmt: skip
