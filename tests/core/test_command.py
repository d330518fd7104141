"""Values reach programs exactly, and never as code: judged by real shells."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.command import (
    placeholders,
    refused,
    render_command,
    render_env,
    render_template,
    rendered_name,
    template_placeholders,
    text_placeholders,
    written,
)
from weft.core.shell import scan
from weft.errors import WeftError

SHELLS = [shell for shell in ("/bin/sh", shutil.which("bash"), shutil.which("dash")) if shell]

hostile = st.text(
    alphabet=st.sampled_from("abAZ019 \t\n'\"\\$`;&|<>(){}[]*?!#~=%@+:,./-_^é€")
    | st.characters(codec="utf-8"),
    max_size=12,
).filter(lambda text: "\0" not in text)

# Between the marks stands what the program must see; the shell's variable x is "X", and $1 is "ONE".
PLACES = [
    ("printf '<%s>' {v}", "<{}>"),
    ("printf '<%s>' \"{v}\"", "<{}>"),
    ("printf '<%s>' a{v}b", "<a{}b>"),
    ("printf '<%s>' {v}{v}", "<{}{}>"),
    ("printf '<%s>' \"{v} {v}\"", "<{} {}>"),
    ("printf '<%s>' \"$x{v}\"", "<X{}>"),
    ("printf '<%s>' $x{v}", "<X{}>"),
    ("printf '<%s>' $x\\\n{v}", "<X{}>"),
    ("printf '<%s>' \"$x\\\n{v}\"", "<X{}>"),
    ("printf '<%s>' \"$1{v}$x\"", "<ONE{}X>"),
    ("printf '<%s>' --b={v}", "<--b={}>"),
    ("printf '<%s>' out/{v}/x", "<out/{}/x>"),
    ("printf '<%s>' \\\\{v}", "<\\{}>"),
    ("printf '<%s>' \"\\\\{v}\\\\\"", "<\\{}\\>"),
    ("y={v}; printf '<%s>' \"$y\"", "<{}>"),
    ('y="{v}"; printf \'<%s>\' "$y"', "<{}>"),
    ("printf '<%s>' {v}>&2", "<{}>"),
    ("printf '<%s>' {v}2>/dev/null >&2", "<{}2>"),
    ("(printf '<%s>' {v})", "<{}>"),
    ("if true; then printf '<%s>' {v};fi", "<{}>"),
    ('sh -c \'printf "<%s>" "$1"\' _ {v}', "<{}>"),
    ("printf '<%s>' {v} # it's a comment with a \" quote", "<{}>"),
    ("printf '<%s>' \"'{v}'\"", "<'{}'>"),
    ("printf '<%s>' '\"'{v}'\"'", '<"{}">'),
    ("case {v} in *) printf '<%s>' {v};; esac", "<{}>"),
    ("for y in {v}; do printf '<%s>' \"$y\"; done", "<{}>"),
    ("printf '<%s>' ${x}{v}", "<X{}>"),
    ("printf '<%s>' \"${x:-no}{v}\"", "<X{}>"),
]
# A substitution takes off the line breaks at its end, so the value is kept from it by a sign of its own.
PLACES += [
    ("printf '<%s>' \"$(printf '%s|' {v})\"", "<{}|>"),
    ("printf '<%s>' \"$(printf '%s|' \"{v}\")\"", "<{}|>"),
    ("printf '<%s>' \"a$(printf '%s|' \"b$(printf '%s.' \"{v}\")c\")\"", "<ab{}.c|>"),
]


def run(shell: str, command: str) -> str:
    done = subprocess.run(
        [shell, "-c", "x=X; set -- ONE; " + command],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd="/",
    )
    return (done.stdout + done.stderr).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "value",
    [
        "$(echo no)",
        "`echo no`",
        "a b",
        "'",
        '"',
        "\\",
        "*",
        "~",
        "-n",
        "",
        "1",
        "if",
        "a=b",
        "x\n\n",
        "{a,b}",
        "#",
        "!",
        "é",
    ],
)
def test_values_arrive_exactly_everywhere(shell: str, value: str) -> None:
    separate = "printf '\\0'; "
    commands = "".join(
        f"{render_command(template, {'v': value}, 'id')}\n{separate}" for template, _ in PLACES
    )
    seen = subprocess.run(
        [shell, "-c", f"x=X; set -- ONE\nexec 2>&1\n{commands}"], capture_output=True, check=False, cwd="/"
    ).stdout.decode()
    assert seen.split("\0")[:-1] == [frame.replace("{}", value) for _, frame in PLACES]


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=40, deadline=None)
@given(values=st.lists(hostile, min_size=30, max_size=30))
def test_hostile_values_arrive_exactly(shell: str, values: list[str]) -> None:
    commands, expected = "", []
    for i, value in enumerate(values):
        template, frame = PLACES[i % len(PLACES)]
        commands += render_command(template, {"v": value}, "id") + "\nprintf '\\0'\n"
        expected.append(frame.replace("{}", value))
    seen = subprocess.run(
        [shell, "-c", f"x=X; set -- ONE\nexec 2>&1\n{commands}"], capture_output=True, check=False, cwd="/"
    )
    assert seen.stdout.decode().split("\0")[:-1] == expected


# Any text around a placeholder: either it is refused, or the value does nothing but stand there. The value, read as
# code in whatever way, would say PWNED.
VALUES = [
    "$(echo PWN''ED)",
    "`echo PWN''ED`",
    "';echo PWN''ED;'",
    "\";echo PWN''ED;\"",
    "\necho PWN''ED\n",
    "a[$(echo PWN''ED>&2)]",
    ";echo PWN''ED #",
]
tokens = st.sampled_from(
    [
        "{v}",
        "{v}",
        "'",
        '"',
        "`",
        "$(",
        ")",
        "$((",
        "))",
        "${x:-",
        "${x}",
        "}",
        "$'",
        '$"',
        "\\",
        "\n",
        " ",
        " ",
        ";",
        "#",
        "x",
        "case x in ",
        "a)",
        ";;",
        "esac",
        "<<E\n",
        "\nE\n",
        "eval ",
        "echo ",
        "echo ",
        "[[ ",
        " ]]",
        "((",
        "$[",
        "]",
        "-c ",
        "bash ",
        "a[",
        "]=1",
        "$x",
        "{{",
        "}}",
        "$",
        "&",
        "|",
        ">",
    ]
)


@settings(max_examples=400, deadline=None)
@given(template=st.lists(tokens, max_size=12).map("".join), value=st.sampled_from(VALUES))
def test_no_template_lets_a_value_become_code(template: str, value: str) -> None:
    try:
        command = render_command(template, {"v": value}, "id")
    except WeftError:
        return
    if "{v}" not in template:
        return  # nothing was filled in
    for shell in SHELLS[:2]:
        done = subprocess.run(
            [shell, "-c", f"cd /nonexistent 2>/dev/null; PATH=/nowhere; {command}"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/proc",
            timeout=20,
        )
        assert b"PWNED" not in done.stdout + done.stderr, (shell, command)


def test_the_test_above_would_see_code() -> None:
    """Were values put in as they are, the marks would come out."""
    for shell in SHELLS[:2]:
        for value in VALUES[:2]:
            assert "PWNED" in run(shell, f'echo "{value}"')
    assert "PWNED" in run(SHELLS[1], f"[[ '{VALUES[5]}' -eq 1 ]]")


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("echo '{v}'", "single quotes"),
        ("echo 'a\n{v}b'", "single quotes"),
        ("echo `cat {v}`", "backticks"),
        ('echo "`cat {v}`"', "backticks"),
        ("echo $'{v}'", "shells"),
        ("echo 1 # {v}", "comment"),
        ("echo ${x:-{v}}", "${...}"),
        ('echo "${x:-{v}}"', "${...}"),
        ("echo $(({v} + 1))", "compute"),
        ('echo "$((1 + {v}))"', "compute"),
        ("cat <<E\n{v}\nE\n", "here-document"),
        ("cat <<{v}\n", "here-document"),
        ("cat <<'E'\nit's {v}\nE\necho {v}", "here-document"),
        ('bash -c "echo {v}"', "-c"),
        ("sh -c {v}", "-c"),
        ('srun -n 1 bash -lc "x {v}"', "-c"),
        ("bash 2>err -ec {v}", "-c"),
        ("$SHELL -c {v}", "-c"),
        ("env A=1 /bin/bash \\\n -lc {v}", "-c"),
        ('own -c "{v}"', "-c"),
        ('python3 -c "print({v})"', "-c"),
        ("su user -c {v}", "-c"),
        ("bash -c -- {v}", "-c"),
        ("sh -c -e {v}", "-c"),
        ("bash -o errexit -c {v}", "-c"),
        ("bash -euo pipefail -xc +e -o posix {v}", "-c"),
        ("bash --rcfile f -c {v}", "-c"),
        ("sh -ce {v}", "-c"),
        ("timeout 5 sh -c {v}", "-c"),
        ("xargs -n 1 sh -c {v}", "-c"),
        ("busybox sh -c {v}", "-c"),
        ('bash -c "$(echo {v})"', "-c"),
        ("su -c {v}", "-c"),
        ('su --command="{v}" user', "-c"),
        ("script -qc {v} log", "-c"),
        ("sudo -u me -s {v}", "-c"),
        ("env -S {v}", "-c"),
        ('env A=1 -S {v}; env -i -S "{v}"', "-c"),
        ("env --split-string={v}", "-c"),
        ("watch {v}", "watch"),
        ("timeout 5 watch -n 1 {v}", "watch"),
        ("/usr/bin/watch {v}", "watch"),
        ("parallel {v}", "parallel"),
        ('eval "$(echo {v})"', "eval"),
        ("bash <<< {v}", "here-string"),
        ('bash <<<"a {v}"', "here-string"),
        ('bash <<< "$(echo {v})"', "here-string"),
        ("bash <(echo {v})", "<(...)"),
        ("echo {v} | sh", "piped"),
        ("echo {v} |\n  bash -s", "piped"),
        ("echo {v} |& bash -es -- a", "piped"),
        ("echo {v} | tee log | /bin/sh - > out && true", "piped"),
        ("echo {v} | timeout 5 sh", "piped"),
        ("echo {v} | (sh)", "piped"),
        ("(echo {v}) | sh", "piped"),
        ("{ a; echo {v}; } 2>&1 | sh", "piped"),
        ("for i in {v}; do echo $i; done | sh", "piped"),
        ('a "$(echo {v} | $SHELL)"', "piped"),
        ("echo {v} | ssh host", "piped"),
        ("echo {v} | xargs -I% sh -c 'echo %'", "piped"),
        ("eval {v}", "eval"),
        ('eval "run {v}"', "eval"),
        ("x=1 eval a {v}", "eval"),
        ("if eval {v}; then :; fi", "eval"),
        ("command eval {v}", "eval"),
        ("\\eval {v}", "eval"),
        ("${x}eval {v}", "eval"),
        ("'ev'al {v}", "eval"),
        ("trap {v} EXIT", "trap"),
        ("ssh host run {v}", "ssh"),
        ("[[ {v} -eq 1 ]]", "[["),
        ("test -v {v}", "test -v"),
        ("a[{v}]=1", "name[...]"),
        ("unset {v}", "unset"),
        ("echo \\{v}", "backslash"),
        ('echo "\\{v}"', "backslash"),
        ("((x={v}))", "(("),
        ("echo $[{v}]", "$["),
        ('echo "$(case a in a) echo {v};; esac)"', "case"),
        ("echo $(: # )\n) {v}", "comment in $(...)"),
        ("echo $'a\\'b' {v}", "$'...'"),
        ('echo ${x:-"}"} {v}', "quotes or braces"),
    ],
)
def test_where_no_value_can_go_it_is_refused_with_a_hint(template: str, word: str) -> None:
    found = refused(template, ["v"])
    assert found
    assert word in found[0].why
    assert found[0].hint
    with pytest.raises(WeftError, match="cannot be filled in"):
        render_command(template, {"v": "x"}, "id")


@pytest.mark.parametrize(
    "template",
    [
        "awk '{print $1}' file",
        "awk '{print}' file",
        "echo ${HOME} ${#x} ${x%.*}",
        "echo {a,b} {1..3} {}",
        "find . -exec rm {} \\;",
        "f() { echo; }; f",
        'echo "{ }" { a }',
        "cat <<E\n'{x}\nE\n",
        "echo $(date) `date` $((1+2))",
        "echo '{x}' # {y}",
        "echo \"${x:-'}'}\"",
        'echo ${x:-"}"} it\\\'s',
        "python3 - <<'E'\nprint('it')\nE",
    ],
)
def test_text_of_the_shell_is_left_alone(template: str) -> None:
    assert placeholders(template) == frozenset()
    assert render_command(template, {"v": 1}, "id") == template


@pytest.mark.parametrize(
    "template",
    [
        "{v}",
        "own -c {v} -x",
        "python3 model.py -c {v}",
        "bash run.sh -inc {v}",
        "grep -c {v} x",
        "echo eval_{v}",
        "echo let {v}",
        "a=[{v}]",
        "./x[1] {v}",
        "awk -v s={v} '{print s}'",
        "env A={v} python3 m.py",
        "env -i A={v} PATH=x python3 m.py -S {v}",
        "timeout 5 python3 m.py {v}",
        "xargs -a list python3 m.py {v}",
        "mpiexec -n 4 python m.py {v}",
        "nice python3 m.py {v}",
        "sudo -u me ./run -s {v}",
        "cd sub && ./run {v} > out.txt",
        "echo {v} | python3 m.py",
        "echo {v} | grep sh",
        "echo {v} | sh run.sh",
        "echo {v} > in; cat run.sh | sh",
        "echo {v} || sh",
        "echo {v} | cat; sh",
        "[ {v} -lt 3 ] && ./run",
        "case {v} in a|sh) ./run;; esac",
        "for i in {v}; do ./run $i; done",
        "sh -c 'echo \"$1\"' _ {v} | tee log",
        "bash -euo pipefail run.sh -c {v}",
        "sh -c ./run > {v}",
        'own "$(date -d {v})" --mode watch {v}',
    ],
)
def test_what_only_looks_dangerous_is_allowed(template: str) -> None:
    assert refused(template, ["v"]) == []


def test_double_braces_are_single_ones() -> None:
    assert render_command("awk '{{v}}' \"{{v}}\" {{v}} {v}", {"v": 1}, "id") == "awk '{v}' \"{v}\" {v} 1"


def test_case_and_params() -> None:
    assert render_command("run {case} {params}", {"v": 1}, "0123456789ab") == "run 0123456789ab params.json"


def test_an_unknown_placeholder_gets_the_nearest_name() -> None:
    with pytest.raises(WeftError, match="did you mean `scale`"):
        render_command("run {scal}", {"scale": 1}, "id")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, ""), (1, "1"), (1.0, "1.0"), (1e-9, "1e-09"), ("x", "x")],
)
def test_values_are_written_as_programs_expect_them(value: Any, text: str) -> None:
    assert written(value) == text


def test_an_empty_value_is_still_an_argument() -> None:
    assert render_command("run {a} {b}", {"a": None, "b": ""}, "id") == "run '' ''"


def test_harmless_values_are_not_quoted() -> None:
    params = {"record": "records/kt-01.AT2", "scale": 0.5}
    assert render_command("p --r {record} --s={scale}", params, "id") == "p --r records/kt-01.AT2 --s=0.5"


@pytest.mark.parametrize(
    "template", ["echo 'a", 'echo "a', "echo `a", "echo $(a", "echo $((1", "a\0b", "$(" * 100]
)
def test_a_command_that_no_shell_could_read_is_an_error(template: str) -> None:
    with pytest.raises(WeftError) as error:
        placeholders(template)
    assert error.value.hint


@pytest.mark.parametrize("place", ["{v}", '"{v}"'])
def test_nul_is_refused(place: str) -> None:
    with pytest.raises(WeftError, match="NUL"):
        render_command(f"echo {place}", {"v": "a\0b"}, "id")


@given(st.lists(tokens, max_size=20).map("".join) | st.text())
def test_the_pieces_of_a_template_are_the_template(template: str) -> None:
    try:
        pieces = scan(template)
    except WeftError:
        return
    assert "".join(piece.text for piece in pieces) == template


# Environment


def test_the_environment_is_not_quoted() -> None:
    env = {"A": "x {v}", "B": "${v} {{v}} {case}", "C": "{ v }"}
    assert render_env(env, {"v": "it's $x"}, "id") == {"A": "x it's $x", "B": "${v} {v} id", "C": "{ v }"}
    assert text_placeholders("{a} {{b}} ${c} {d}") == {"a", "d"}


def test_an_unknown_name_in_the_environment_is_an_error() -> None:
    with pytest.raises(WeftError, match="no parameter `w`"):
        render_env({"A": "{w}"}, {"v": 1}, "id")


# Templates


def test_templates_are_rendered() -> None:
    text = "set k {{ k }}\n{% if on %}on{% endif %} {{ case }} {{ params | tojson }}\n"
    assert render_template(text, {"k": 1.0, "on": True}, "id") == 'set k 1.0\non id {"k": 1.0, "on": true}\n'
    assert template_placeholders(text) == {"k", "on", "case", "params"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a\n{{ kk }}", "m.tcl.in:2"),
        ("a\n\n{% if %}", "m.tcl.in:3"),
        ("{{ 1 / 0 }}", "m.tcl.in:1"),
        ("{{ k.__class__.__mro__ }}", "m.tcl.in:1"),
        ("x\n{{ range(10**12) }}", "m.tcl.in:2"),
        ("{% include 'x' %}", "m.tcl.in"),
    ],
)
def test_problems_of_a_template_name_it_and_the_line(text: str, where: str) -> None:
    with pytest.raises(WeftError) as error:
        render_template(text, {"k": 1}, "id", "m.tcl.in")
    assert error.value.where.startswith(where)
    assert error.value.hint


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/m.tcl.in", "a/m.tcl"),
        ("m.py.j2", "m.py"),
        ("m.tcl", "m.tcl"),
        ("x.tmpl", "x"),
        (".in", ".in"),
        ("a/.in", "a/.in"),
    ],
)
def test_a_template_loses_its_ending(path: str, name: str) -> None:
    assert rendered_name(path) == name
