"""What is found wrong with wrappers and definitions, and what is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.conftest import count

import weft
from weft.tapis.linting import Finding, Level, check_definition, check_system, check_wrapper
from weft.tapis.linting.definition import RESERVED, RESERVED_VERSIONS
from weft.tapis.linting.lines import lines_of
from weft.tapis.linting.shell import commands
from weft.tapis.linting.wrapper import RULES
from weft.tapis.scaffold import DEFINITION, KINDS, WRAPPER, app_files

STARTERS = Path(weft.__file__).parent / "service" / "starters"
OUTPUT = '"${_tapisSysRootDir%/}/${_tapisExecSystemOutputDir#/}/tapisjob.exitcode"'
TRAP = f"trap 'echo $? > {OUTPUT}' EXIT\n"
TOLD = f"code=$?\necho $code > {OUTPUT}\nexit $code\n"


def rules(body: str, job_type: str | None = "FORK", **more: Any) -> list[tuple[str, int]]:
    """The rules that a wrapper breaks and where; the first line is the shebang."""
    found = check_wrapper(f"#!/bin/bash\n{body}", job_type=job_type, **more)
    return [(each.rule, each.line) for each in found]


# Wrappers: faults

NEVER = "ibrun OpenSees model.tcl\nif [ ! $? ]; then\n  echo failed\n  exit 1\nfi\n"
FAULTS = {
    "never true": (NEVER, "BATCH", [("never-true", 3)]),
    "never true, quoted": (NEVER.replace("$?", '"$?"'), "BATCH", [("never-true", 3)]),
    "never true, in double brackets": (NEVER.replace("[ ! $? ]", "[[ ! $? ]]"), "BATCH", [("never-true", 3)]),
    "never true, test": (NEVER.replace("[ ! $? ]", "test ! $?"), "BATCH", [("never-true", 3)]),
    "always true": (NEVER.replace("! ", ""), "BATCH", [("always-true", 3)]),
    "code after !": (
        "if ! pip3 install x; then\n  rc=$?\n  exit $rc\nfi\npython3 x.py\n",
        "BATCH",
        [("negated-code", 3)],
    ),
    "code after ! and a message": (
        "if ! run x; then\n  echo failed\n  exit $?\nfi\nrun y\n",
        "BATCH",
        [("code-of-another", 4), ("negated-code", 4)],
    ),
    "code of the message": (
        "python3 x.py\necho done\nexit $?\n",
        "BATCH",
        [("code-of-another", 4)],
    ),
    "code of the test": (
        "python3 x.py\nif [ $? -ne 0 ]; then\n  exit $?\nfi\nexec true\n",
        "BATCH",
        [("code-of-another", 4)],
    ),
    "code of the test, in one line": ("run x\n[ $? -ne 0 ] && exit $?\nrun y", "BATCH", [("code-of-another", 3)]),
    "lost at the end": ("python3 x.py\necho done\n", "BATCH", [("code-lost", 3)]),
    "lost in tidying up": ("python3 x.py\nzip -r out.zip .\nrm -rf x\n", "BATCH", [("code-lost", 4)]),
    "lost by exit 0": ("python3 x.py\nexit 0\n", "BATCH", [("code-lost", 3)]),
    "lost by ||": ("python3 x.py || echo failed\n", "BATCH", [("code-lost", 2)]),
    "lost in a pipe": ("python3 x.py 2>&1 | tee log\n" + TOLD, "FORK", [("lost-in-pipe", 2)]),
    "lost in a pipe of a group": ("{ python3 x.py; } | tee log\n" + TOLD, "FORK", [("lost-in-pipe", 2)]),
    "lost in a pipe at the end": ("python3 x.py | sort", "BATCH", [("lost-in-pipe", 2)]),
    "no exit code": ("python3 x.py\n", "FORK", [("no-exit-code", 0)]),
    "no exit code but in a comment": ("python3 x.py # > tapisjob.exitcode\n", "FORK", [("no-exit-code", 0)]),
    "killed before the exit code": (f"set -eu\npython3 x.py\n{TOLD}", "FORK", [("ends-before-code", 5), ("never-reached", 4)]),
    "killed before the exit code, long": (
        f"set -o errexit\npython3 x.py\necho 0 > {OUTPUT}\n",
        "FORK",
        [("ends-before-code", 4)],
    ),
    "never reached": ("set -e\nibrun x\nrc=$?\nzip -r o.zip .\nexit $rc\n", "BATCH", [("never-reached", 4)]),
    "exit code elsewhere": (
        "cd in || exit 1\nrun x\necho $? > tapisjob.exitcode\n",
        "FORK",
        [("code-elsewhere", 4)],
    ),
    "exit code without root": (
        "run x\necho $? > ${_tapisExecSystemOutputDir}/tapisjob.exitcode\n",
        "FORK",
        [("without-root", 3)],
    ),
    "loose $1": ("python3 $1\n", "BATCH", [("loose-argument", 2)]),
    "loose $*": ("python3 x.py $*\n", "BATCH", [("loose-argument", 2)]),
    "loose $@": ("python3 x.py $@\n", "BATCH", [("loose-argument", 2)]),
    "loose ${1}": ("python3 ${1%.py}.py\n", "BATCH", [("loose-argument", 2)]),
    "loose, by a variable": ('ARGS="$*"\nSCRIPT=${1}\nNAME=${SCRIPT##*/}\nrun $NAME $ARGS\n', "BATCH", 2 * [("loose-argument", 5)]),
    "loose in a loop": ("for each in $*; do\n  run x\ndone\n", "BATCH", [("loose-argument", 2)]),
    "cd": ("cd inputDirectory\nrun x\n", "BATCH", [("unguarded-cd", 2)]),
    "umask": ("umask 077\nrun x\n", "BATCH", [("private-files", 2)]),
    "umask, in letters": ("umask u=rwx,g=,o=\nrun x\n", "BATCH", [("private-files", 2)]),
    "stdin": ("OpenSees < model.tcl\n", "BATCH", [("fed-by-stdin", 2)]),
    "stdin of a variable": ('ibrun "$BIN" < "$TCLSCRIPT"\n', "BATCH", [("fed-by-stdin", 2)]),
    "windows": ("run x\r\nexit $?\r\n", "BATCH", [("line-ends", 2)]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "job_type", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(body: str, job_type: str, expected: list[tuple[str, int]]) -> None:
    assert sorted(rules(body, job_type)) == sorted(expected)


SOUND = {
    "nothing": "",
    "only words": "echo hello\ndate\n",
    "the code kept": "python3 x.py\n" + TOLD,
    "a trap": TRAP + "set -e\npython3 x.py\necho done\n",
    "a guarded failure": f"set -e\ncode=0\npython3 x.py || code=$?\necho $code > {OUTPUT}\nexit $code\n",
    "a failure that ends it": "run x || exit $?\necho done\n",
    "success that says so": "run x && echo done\n",
    "pipefail": "set -o pipefail\nrun x | tee log\n" + TOLD,
    "pipefail among others": "set -euo pipefail\n" + TRAP + "run x | tee log\n",
    "PIPESTATUS": 'run x | tee log\ncode=${PIPESTATUS[0]}\nexit "$code"\n',
    "a harmless pipe": "env | sort | tee environment\nrun x\n",
    "quoted arguments": 'run "$1" "${2:-}" "$@" "$*"\n',
    "arguments where nothing is taken apart": "x=$1\nlocal y=$2\n[[ -f $1 ]] && case $1 in a) ;; esac\nn=$(($1 + 1))\nrun <<< $1\n",
    "arguments handed on if there are some": 'run ${1+"$@"}\n',
    "dollars in single quotes": "awk '{ print $1, $* }' file\nrun x\n",
    "a comment": "# if [ ! $? ]; cd x; OpenSees < y; umask 077; run $1\nrun x # | tee log $*\n",
    "an apostrophe in a comment": "# don't\nrun \"$1\" # it's $1\nrun x\n",
    "a hash in a word": "run a#b ${#x} $# \"$1\" '#' \n",
    "a here-document": "cat > x <<EOF\nif [ ! $? ]; then\numask 077\nOpenSees < y $*\nEOF\nrun x\n",
    "a here-document for tabs": "cat > x <<-'END OF'\n\tumask 077\n\tEND OF\nrun x\n",
    "two here-documents": "cat <<A - <<\"B\"\numask 077\nA\numask 077\nB\nrun x\n",
    "a here-document in a substitution": "x=$(cat <<EOF\nit's ) umask 077\nEOF\n)\nrun x\n",
    "text over several lines": "say 'first\numask 077\n' \"second\ncd x\n\"\nrun x\n",
    "continued lines": "run \\\n  --a \\\n  \"$1\"\n",
    "cd guarded": "cd a || exit 1\nif ! cd b; then exit 1; fi\ncd c && run x\n(cd d && ls)\ncd ..\n[ -d e ] && cd e || exit 1\nrun x\n",
    "cd after set -e": "set -e\ncd a\nrun x\n",
    "arithmetic": "((x = 1 << 2))\ny=$((1<<3))\nrun x\n",
    "reading a file": "while read -r line; do\n  echo \"$line\"\ndone < cases.txt\nrun < /dev/null\nrun x\n",
    "set +e": "set -e\nset +e\nrun x\ncode=$?\ntar -cf x.tar x\nexit $code\n",
    "data on standard input": 'run "$1" < data.txt\n"$tool" < "$input"\n',
    "umask that shares": "umask 022\numask 002\nrun x\n",
    "a function": 'main() {\n  run "$@"\n}\nmain "$@"\n',
    "a case": 'case $1 in\n  a | b) run x ;;\n  *) echo no; exit 2 ;;\nesac\n',
    "a list": 'args=(-n "$1" # first\n  $2)\nrun "${args[@]}"\n',
}  # fmt: skip


@pytest.mark.parametrize("body", SOUND.values(), ids=SOUND)
def test_what_is_sound_is_left_alone(body: str) -> None:
    assert rules(body, "BATCH") == []


def test_a_missing_exit_code_is_an_error_of_a_fork_job_only() -> None:
    levels = {
        kind: [each.level for each in check_wrapper("#!/bin/bash\nrun x\n", job_type=kind)]
        for kind in ("FORK", "BATCH", None)
    }
    assert levels == {"FORK": [Level.ERROR], "BATCH": [], None: [Level.WARNING]}


def test_what_a_script_takes_in_counts() -> None:
    body = '. "$(dirname -- "$0")/shared.sh"\nrun x\n'
    assert rules(body, others={"shared.sh": f"{TRAP}"}) == []
    assert rules(body, others={"shared.sh": "true\n"}) == [("no-exit-code", 0)]
    assert rules(body) == [], "it cannot be known"
    assert rules("run x\n", others={"shared.sh": TRAP}) == [("no-exit-code", 0)], "it is not taken in"
    assert rules("python3 tell.py\n", others={"tell.py": "open('tapisjob.exitcode', 'w')"}) == []


def test_a_set_up_of_the_shell_hides_nothing() -> None:
    for line in (". $HOME/.bashrc", "source venv/bin/activate", ". /etc/profile", ". ./tapisjob.env"):
        assert rules(f"{line}\nrun x\n") == [("no-exit-code", 0)], line


def test_a_script_needs_a_first_line_and_may_be_executed() -> None:
    assert [each.rule for each in check_wrapper("\n#!/bin/bash\nrun x\n", job_type="BATCH")] == ["no-shebang"]
    assert [each.rule for each in check_wrapper("\ufeff#!/bin/bash\nrun x\n", job_type="BATCH")] == [
        "no-shebang"
    ]
    assert rules("run x\n", "BATCH", executable=False) == [("not-executable", 0)]
    assert [each.rule for each in check_wrapper("#!/bin/bash -e\ncd x\nrun x\n", job_type="BATCH")] == []


def test_every_rule_is_tried_and_explained() -> None:
    tried = {rule for _, _, found in FAULTS.values() for rule, _ in found} | {"no-shebang", "not-executable"}
    assert {rule.name for rule in RULES} == tried
    found = [
        each
        for body, kind, _ in FAULTS.values()
        for each in check_wrapper(f"#!/bin/bash\n{body}", job_type=kind)
    ]
    assert all(
        each.what and each.why and each.remedy and "{it}" not in each.what + each.remedy for each in found
    )


OWN = [path for path in sorted(STARTERS.rglob("*.sh")) if path.name == "tapisjob_app.sh"]
COMMANDS = sorted(path for path in (STARTERS / "commands").iterdir() if path.is_file())


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("job_type", ["FORK", "BATCH", None])
def test_the_wrappers_of_the_service_are_sound(path: Path, job_type: str | None) -> None:
    shared = (STARTERS / "images" / "tapisjob_shared.sh").read_text()
    others = {"tapisjob_shared.sh": shared}
    assert check_wrapper(path.read_text(), job_type=job_type, others=others) == []
    whole = path.read_text().replace('. "$(dirname -- "$0")/tapisjob_shared.sh"', shared)
    assert check_wrapper(whole, job_type=job_type) == []


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_the_commands_of_the_service_are_sound(path: Path) -> None:
    assert check_wrapper(path.read_text(), job_type="BATCH") == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [False, True])
def test_a_new_app_is_sound(kind: str, batch: bool) -> None:
    files = app_files("my-app", kind, batch=batch)
    job_type = "BATCH" if batch else "FORK"
    assert check_wrapper(files[WRAPPER][0], job_type=job_type) == []
    assert check_definition(files[DEFINITION][0], has_wrapper=True) == []


def test_a_script_is_read_as_its_commands() -> None:
    text = """\
prepare() { one "$1"; }
function tidy { two; }
case $1 in
    a | b) three ;;
    (*) x=1 four & ;;
esac
(five) && { six | /usr/bin/seven; } || ! eight <<< word > file 2>&1
while nine
do
    ten
done < list
"""
    found = commands(text)
    names = [command.name for command in found if command.words]
    assert names == [
        *("one", "two", "case", "three", "*", "four"),
        *("five", "six", "seven", "eight", "nine", "ten"),
    ]
    eight = next(command for command in found if command.name == "eight")
    assert (eight.lead, eight.before, eight.line) == (("!",), "||", 7)
    assert [(operator, word.text) for operator, word in eight.redirects] == [
        *(("<<<", "word"), (">", "file"), ("2>&", "1")),
    ]
    ten = next(command for command in found if command.name == "ten")
    assert (ten.lead, ten.line) == (("do",), 10)


# Any text

SHELL = st.lists(
    st.sampled_from(
        [
            "",
            "'",
            '"',
            "`",
            "$",
            "$(",
            "$((",
            "${",
            "}",
            ")",
            "(",
            "((",
            "))",
            "{",
            ";",
            "&",
            "&&",
            "||",
            "|",
            "\\",
            "#",
            "<",
            "<<",
            "<<-",
            "<<<",
            ">",
            ">(",
            "<(",
            "=",
            "=(",
            "\n",
            "\r\n",
            "EOF",
            "$?",
            "$1",
            "$*",
            "!",
            "[",
            "]",
            "[[",
            "]]",
            "if\n",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "then",
            "else",
            "fi",
            "for",
            "in",
            "do",
            "done",
            "case",
            "esac",
            ";;",
            "set",
            "-e",
            "exit",
            "trap",
            "EXIT",
            "cd",
            "tee",
            "tapisjob.exitcode",
            ".",
            "x=",
            "x",
            "é",
            "\x00",
        ]
    ),
    max_size=60,
).map(" ".join)
JSON_LIKE = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ":", ",", '"id"', '"a"', '"jobAttributes"', "null", "1", "\n", '"', "\\", "é"]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=count(300, 5000), deadline=None)
@given(st.text() | SHELL | SHELL.map(lambda text: text.replace(" ", "")))
@example("$(" * 5000)
@example('"${' * 5000 + "$1")
@example("(" * 5000)
@example("<<E <<F\n")
def test_any_text_can_be_checked_as_a_wrapper(text: str) -> None:
    lines = text.count("\n") + 1
    for found in check_wrapper(text, others={"x": text}):
        assert 0 <= found.line <= lines
    words = [word for command in commands(text) for word in command.words]
    assert all(word.text in text and word.text for word in words)
    assert [word.line for word in words] == sorted(word.line for word in words)


@settings(max_examples=count(300, 5000), deadline=None)
@given(st.text() | JSON_LIKE)
@example("[" * 100_000)
@example('{"id": ' * 100_000)
@example("1" * 10_000)
def test_any_text_can_be_checked_as_a_definition(text: str) -> None:
    lines_of(text)
    assert all(found.line <= text.count("\n") + 1 for found in check_definition(text))
    check_system(text, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=count(200, 3000), deadline=None)
@given(st.data())
def test_any_value_may_stand_anywhere_in_a_definition(data: st.DataObject) -> None:
    app = whole()
    spot: Any = app
    while True:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(spot[key], dict | list) and spot[key] and data.draw(st.booleans()):
            spot = spot[key]
        else:
            break
    spot[key] = data.draw(VALUES)
    text = json.dumps(app)
    check_definition(text)
    check_system(text, app if isinstance(app, dict) else {})


# Definitions


def whole() -> dict[str, Any]:
    """A definition in which nothing is wrong."""
    text = app_files("my-app", "python", batch=True)[DEFINITION][0]
    app: dict[str, Any] = json.loads(text)
    app["containerImage"] = "tapis://storage/ann/my-app.zip"
    parameters = app["jobAttributes"]["parameterSet"]
    parameters["envVariables"] = [{"key": "THREADS", "value": "1", "inputMode": "FIXED"}]
    parameters["schedulerOptions"] = [{"name": "profile", "arg": "--tapis-profile x", "inputMode": "FIXED"}]
    return app


def faults(change: Callable[[dict[str, Any]], object], **more: Any) -> list[tuple[str, str]]:
    """The rules that a changed definition breaks, and the text of the lines."""
    app = whole()
    change(app)
    text = json.dumps(app, indent=1)
    lines = text.splitlines()
    return [(each.rule, lines[each.line - 1].strip()) for each in check_definition(text, **more)]


def job(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda app: app["jobAttributes"].update(values)


def put(kind: str, *entries: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda app: app["jobAttributes"]["parameterSet"].update({kind: list(entries)})


def top(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda app: app.update(values)


def both(*changes: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda app: [change(app) for change in changes]


ONE = {"execSystemOutputDir": "${JobWorkingDir}"}
INPUT = {"name": "In", "targetPath": "in"}
DEFINED = {
    "no id": (lambda app: app.pop("id"), "missing-key", "{"),
    "no version": (lambda app: app.pop("version"), "missing-key", "{"),
    "no image": (lambda app: app.pop("containerImage"), "missing-key", "{"),
    "bad id": (top(id="my app"), "wrong-text", '"id": "my app",'),
    "long id": (top(id="a" * 81), "out-of-limits", '"id": "' + "a" * 81 + '",'),
    "reserved id": (top(id="Search"), "reserved", '"id": "Search",'),
    "bad version": (top(version="1/2"), "wrong-text", '"version": "1/2",'),
    "long version": (top(version="1" * 65), "out-of-limits", '"version": "' + "1" * 65 + '",'),
    "reserved version": (top(version="history"), "reserved", '"version": "history",'),
    "unknown key": (top(runTime="ZIP"), "unknown-key", '"runTime": "ZIP"'),
    "unknown key inside": (job(memoryMb=3), "unknown-key", '"memoryMb": 3'),
    "answered key": (top(uuid="x"), "answered-key", '"uuid": "x"'),
    "wrong kind": (job(nodeCount="2"), "wrong-kind", '"nodeCount": "2",'),
    "true is no number": (job(nodeCount=True), "wrong-kind", '"nodeCount": true,'),
    "no runtime": (lambda app: (app.pop("runtime"), app.pop("jobType"), app.update(jobType="FORK")), "runtime", "{"),
    "docker with a zip": (top(runtime="DOCKER"), "runtime", '"runtime": "DOCKER",'),
    "zip with a container": (top(containerImage="docker://debian"), "image", '"containerImage": "docker://debian"'),
    "singularity": (top(runtime="SINGULARITY", containerImage="docker://x"), "runtime", '"runtime": "SINGULARITY",'),
    "docker through a queue": (top(runtime="DOCKER", containerImage="x"), "runtime", '"jobType": "BATCH",'),
    "prefix of an MPI app": (job(isMpi=True, cmdPrefix="time"), "runtime", '"cmdPrefix": "time"'),
    "unknown word": (top(runtime="zip"), "unknown-word", '"runtime": "zip",'),
    "no job type": (lambda app: app.pop("jobType"), "job-type", "{"),
    "no queue": (job(execSystemLogicalQueue=None), "no-queue", '"jobAttributes": {'),
    "mode of an argument": (put("appArgs", {"name": "a", "inputMode": "OPTIONAL"}), "unknown-word", '"inputMode": "OPTIONAL"'),
    "mode of an input": (job(fileInputs=[{**INPUT, "inputMode": "INCLUDE_ON_DEMAND"}]), "unknown-word", '"inputMode": "INCLUDE_ON_DEMAND"'),
    "fixed argument": (put("appArgs", {"name": "a", "inputMode": "FIXED"}), "fixed-without-value", "{"),
    "fixed variable": (put("envVariables", {"key": "a", "inputMode": "FIXED"}), "fixed-without-value", "{"),
    "fixed input": (job(fileInputs=[{**INPUT, "inputMode": "FIXED"}]), "fixed-without-value", "{"),
    "same argument": (put("appArgs", {"name": "a"}, {"name": "a"}), "same-name", '"name": "a"'),
    "same variable": (put("envVariables", {"key": "a"}, {"key": "a"}), "same-name", '"key": "a"'),
    "same input": (job(fileInputs=[INPUT, INPUT]), "same-name", '"name": "In",'),
    "same key": (job(fileInputs=[{**INPUT, "envKey": "THREADS"}]), "same-name", "{"),
    "no name": (put("appArgs", {"arg": "a"}), "missing-key", "{"),
    "envKey": (job(fileInputs=[{**INPUT, "envKey": "in-put"}]), "wrong-text", '"envKey": "in-put"'),
    "envKey of Tapis": (job(fileInputs=[{**INPUT, "envKey": "_tapisX"}]), "wrong-text", '"envKey": "_tapisX"'),
    "variable of Tapis": (put("envVariables", {"key": "_tapisX"}), "wrong-text", '"key": "_tapisX"'),
    "no minutes": (job(maxMinutes=0), "out-of-limits", '"maxMinutes": 0,'),
    "an argument behind one that may be left out": (
        put("appArgs", {"name": "a"}, {"name": "b", "inputMode": "REQUIRED"}),
        "order",
        "{",
    ),
    "no archive": (job(archiveSystemDir=None), "archive-place", '"jobAttributes": {'),
    "archive of the owner": (
        job(archiveSystemDir="ann/archive/${JobUUID}"),
        "archive-place",
        '"archiveSystemDir": "ann/archive/${JobUUID}",',
    ),
    "archive of the effective user": (
        job(archiveSystemDir="${EffectiveUserId}/archive/${JobUUID}"),
        "archive-place",
        '"archiveSystemDir": "${EffectiveUserId}/archive/${JobUUID}",',
    ),
    "logs": (lambda app: app["jobAttributes"]["parameterSet"].update(logConfig={"stdoutFilename": "a"}), "missing-key", '"logConfig": {'),
}  # fmt: skip


@pytest.mark.parametrize(("change", "rule", "line"), DEFINED.values(), ids=DEFINED)
def test_a_fault_of_a_definition_is_found_in_its_line(change: Any, rule: str, line: str) -> None:
    assert (rule, line) in faults(change)
    assert {found for found, _ in faults(change)} == {rule}


def test_a_definition_without_fault() -> None:
    assert faults(lambda app: None) == []
    assert faults(lambda app: app.pop("containerImage"), has_wrapper=True) == []
    nulls = both(top(runtimeVersion=None, tags=[]), job(mpiCmd=None, cmdPrefix=None, fileInputArrays=None))
    assert faults(nulls) == []
    assert faults(job(archiveSystemDir="HOST_EVAL($WORK)/archive/${JobUUID}")) == []
    assert faults(job(archiveSystemDir="/tmp/tapis-${JobOwner}/${JobUUID}")) == []


def test_a_wrapper_needs_the_runtime_zip() -> None:
    app = whole()
    del app["containerImage"], app["runtime"]
    assert "runtime" in {each.rule for each in check_definition(json.dumps(app), has_wrapper=True)}


def archive_filter(**values: Any) -> Callable[[dict[str, Any]], object]:
    return both(job(**ONE), lambda app: app["jobAttributes"]["parameterSet"]["archiveFilter"].update(values))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (job(**ONE), {"inputs-archived", "image-archived"}),
        (archive_filter(excludes=["*.zip"]), {"inputs-archived"}),
        (archive_filter(excludes=["my-app.zip", "inputDirectory/*.txt"]), set()),
        (archive_filter(includes=["results/**", "tapisjob.out"]), set()),
        (archive_filter(includes=["**"]), {"inputs-archived", "image-archived"}),
        (archive_filter(includes=["REGEX:.*[.]txt"]), {"inputs-archived"}),
        (archive_filter(excludes=["REGEX:(", "*.zip"]), {"inputs-archived"}),
        (archive_filter(excludes=["*.zip", "inputDirectory/**"]), {"results-excluded"}),
        (both(job(**ONE, fileInputs=[{**INPUT, "targetPath": "*"}])), {"inputs-archived", "image-archived"}),
        (job(execSystemOutputDir=None), set()),
        (job(execSystemExecDir=None, execSystemInputDir=None, execSystemOutputDir=None), set()),
        (both(job(**ONE), top(containerImage="/opt/app.zip")), {"inputs-archived"}),
    ],
)
def test_what_would_be_archived_again(change: Any, expected: set[str]) -> None:
    assert {rule for rule, _ in faults(change)} == expected


def test_what_is_not_json() -> None:
    def found(text: str) -> list[tuple[str, int]]:
        return [(each.rule, each.line) for each in check_definition(text)]

    assert found('{\n "id": "a",\n}') == [("not-json", 3)]
    assert found("[]") == [("not-json", 1)]
    repeated = json.dumps(whole(), indent=1).replace(
        '"runtime": "ZIP",', '"runtime": "ZIP",\n "runtime": "ZIP",'
    )
    assert [each.rule for each in check_definition(repeated)] == ["repeated-key"]


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    [found] = check_definition(json.dumps({**whole(), "containerimage": "x"}))
    assert "containerImage" in found.remedy


QUEUE = {
    "name": "normal",
    "minNodeCount": 1,
    "maxNodeCount": 4,
    "maxMinutes": 60,
    "maxMemoryMB": 1000,
    "minCoresPerNode": 1,
}
SYSTEM = {"id": "local", "canExec": True, "canRunBatch": True, "batchLogicalQueues": [QUEUE], "batchDefaultLogicalQueue": "normal"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "system", "line"),
    [
        (job(), SYSTEM, ""),
        (job(execSystemLogicalQueue=None), SYSTEM, ""),
        (job(execSystemLogicalQueue="big"), SYSTEM, '"execSystemLogicalQueue": "big",'),
        (job(maxMinutes=61), SYSTEM, '"maxMinutes": 61,'),
        (job(nodeCount=5), SYSTEM, '"nodeCount": 5,'),
        (job(memoryMB=1001), SYSTEM, '"memoryMB": 1001,'),
        (job(), {**SYSTEM, "canRunBatch": False}, '"execSystemId": "local",'),
        (job(), {**SYSTEM, "canExec": False}, '"execSystemId": "local",'),
        (both(job(maxMinutes=61), top(jobType="FORK")), SYSTEM, ""),
        (job(coresPerNode=1), {**SYSTEM, "batchLogicalQueues": [{**QUEUE, "minCoresPerNode": 2}]}, '"coresPerNode": 1,'),
    ],
)  # fmt: skip
def test_the_limits_of_the_system(change: Any, system: dict[str, Any], line: str) -> None:
    app = copy.deepcopy(whole())
    change(app)
    text = json.dumps(app, indent=1)
    found: list[Finding] = check_system(text, system)
    assert [text.splitlines()[each.line - 1].strip() for each in found] == ([line] if line else [])


def test_reserved_words_are_those_of_the_service() -> None:
    from weft.service.apps import register

    assert RESERVED_VERSIONS == register.RESERVED_VERSIONS
    assert register.Apps.words.reserved == RESERVED
