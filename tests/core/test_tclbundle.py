"""Tcl reads back what was written: judged by a real Tcl interpreter."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.node.tcl import interpreter

from weft.core.command import render_command
from weft.core.tclbundle import Script, render, script_of, word
from weft.errors import WeftError

hostile = st.text(
    alphabet=st.sampled_from("abAZ019 \t\n\r\v\f\\\"'{}[]$;#()<>|&*?!~=%@+:,./-_^é€\u2028😀")
    | st.characters(codec="utf-8"),
    max_size=12,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def tcl() -> Any:
    return interpreter()


def flat(value: Any) -> Any:
    """A value as Tcl has it: everything is a string or a list of such."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "1", False: "0"}[value]
    if isinstance(value, dict):
        return [flat(item) for pair in value.items() for item in pair]
    return [flat(item) for item in value] if isinstance(value, list) else str(value)


def units(text: str) -> list[int]:
    """A string in 16-bit units, of which Tcl 8 may take two for a character."""
    return list(memoryview(text.encode("utf-16-le")).cast("H"))


def code_units(tcl: Any, script: str) -> list[int]:
    """The result of a script, character by character, without going through tkinter's own ideas of strings."""
    joined = tcl.eval(
        f"set codes {{}}; foreach c [split [{script}] {{}}] {{lappend codes [scan $c %c]}}; set codes"
    )
    return list(memoryview("".join(map(chr, map(int, joined.split()))).encode("utf-16-le")).cast("H"))


@settings(max_examples=count(200, 2000), deadline=None)
@given(text=hostile)
def test_any_string_comes_back(tcl: Any, text: str) -> None:
    """As a word of a list, and even where someone evaluates it as code."""
    expected = units(text)
    tcl.call("set", "data", word([text, "after"]))
    assert code_units(tcl, "lindex [lindex $data 0] 0") == expected
    assert tcl.eval("lindex $data 0 1") == "after"
    assert code_units(tcl, f"lindex {word(text)} 0" if not text else f"set it {word(text)}") == expected


@settings(max_examples=count(100, 1000), deadline=None)
@given(value=values)
def test_any_value_comes_back(tcl: Any, value: Any) -> None:
    tcl.call("set", "data", word(value))
    assert word(value).isascii()
    read(tcl, "data", flat(value))


def read(tcl: Any, variable: str, wanted: Any, path: str = "") -> None:
    """Compare a nested word with what it should be."""
    here = f"lindex ${variable} 0{path}"
    if isinstance(wanted, list):
        assert tcl.eval(f"llength [{here}]") == str(len(wanted))
        for at, item in enumerate(wanted):
            read(tcl, variable, item, f"{path} {at}")
    else:
        assert code_units(tcl, here) == units(wanted)


def content(*commands: str, **more: Any) -> dict[str, Any]:
    cases = [{"id": f"c{n}", "command": text, "params": {"a": 1}} for n, text in enumerate(commands)]
    return {"format": 1, "study": "s", "job": "j", "cases": cases} | more


def test_a_bundle_is_one_dictionary(tcl: Any) -> None:
    tcl.call("set", "b", render(content("OpenSees m.tcl 'a b' {x", keep=["*.out"], deadline_s=None)))
    assert tcl.eval("dict get $b format") == "1"
    assert tcl.eval("dict get $b deadline_s") == ""
    assert tcl.eval("lindex [dict get $b keep] 0") == "*.out"
    assert tcl.eval("dict get [lindex [dict get $b cases] 0] script") == "m.tcl"
    assert tcl.eval("lindex [dict get [lindex [dict get $b cases] 0] argv] 0") == "a b"
    assert tcl.eval("lindex [dict get [lindex [dict get $b cases] 0] argv] 1") == "{x"


def test_the_longest_case_comes_first(tcl: Any) -> None:
    told = content(*["OpenSees m.tcl"] * 4)
    for case, seconds in zip(told["cases"], (None, 1.0, 5.0, None), strict=True):
        case["seconds"] = seconds
    tcl.call("set", "b", render(told))
    order = [tcl.eval(f"dict get [lindex [dict get $b cases] {n}] id") for n in range(4)]
    assert order == ["c2", "c1", "c0", "c3"]


def test_params_are_written_as_json_where_the_study_wants_them(tcl: Any) -> None:
    tcl.call("set", "b", render(content("OpenSees m.tcl", params_file=True)))
    assert tcl.eval("dict get [lindex [dict get $b cases] 0] params_json") == '{"a": 1}'
    assert "params_json" not in render(content("OpenSees m.tcl"))


@settings(max_examples=count(100, 1000), deadline=None)
@given(value=hostile.filter(lambda text: "\0" not in text))
def test_the_script_sees_the_value_that_the_shell_would_have_shown(value: str) -> None:
    command = render_command('OpenSees model.tcl {v} "{v}"', {"v": value}, "c0")
    assert script_of(command) == Script("model.tcl", [value, value])


shellish = st.text(alphabet=st.sampled_from("ab=~#1$*?[;&|<>(){}\\\"'` \t\n"), max_size=14)


@settings(max_examples=count(300, 3000), deadline=None)
@given(rest=shellish)
def test_what_is_not_refused_is_read_as_a_shell_reads_it(rest: str) -> None:
    try:
        script = script_of(f"m.tcl {rest}")
    except WeftError:
        return
    said = subprocess.run(
        ["/bin/sh", "-fc", f"printf '%s\\0' m.tcl {rest}"], capture_output=True, check=True, text=True
    ).stdout
    assert said.split("\0")[:-1] == [script.path, *script.argv]


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("OpenSees portal.tcl 1 2", Script("portal.tcl", ["1", "2"])),
        ("portal.tcl", Script("portal.tcl", [])),
        ("python3 -m opensees tcl/portal.tcl -x other.tcl", Script("tcl/portal.tcl", ["-x", "other.tcl"])),
        ("OpenSees 'my model.tcl' \"\"", Script("my model.tcl", [""])),
        ("OpenSees m.tcl '$HOME' 'a > b; c'", Script("m.tcl", ["$HOME", "a > b; c"])),
    ],
)
def test_a_command_is_a_script_and_its_words(command: str, script: Script) -> None:
    assert script_of(command) == script


@pytest.mark.parametrize(
    "command",
    [
        "python3 portal.py 1",
        "",
        "OpenSees m.tcl > out.txt",
        "OpenSees m.tcl; rm x",
        "OpenSees m.tcl\nOpenSees n.tcl",
        "OpenSees m.tcl | tee x",
        "OpenSees m.tcl $HOME",
        'OpenSees m.tcl "$HOME"',
        "OpenSees m.tcl $(hostname)",
        "OpenSees m.tcl `hostname`",
        "A=1 OpenSees m.tcl",
        "OpenSees m.tcl *.out",
        "OpenSees m.tcl ~/x",
        "OpenSees m.tcl # a comment",
        "OpenSees m.tcl 'unfinished",
    ],
)
def test_what_needs_a_shell_or_has_no_script_is_refused(command: str) -> None:
    with pytest.raises(WeftError) as caught:
        script_of(command)
    assert caught.value.hint
