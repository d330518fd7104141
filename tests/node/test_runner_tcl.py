"""The Tcl runner in real Tcl interpreters: one, many, and such as do not know their rank."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.node.bundles import Job, salvage, wait_until
from tests.node.tcl import (
    HAS_OPENSEES,
    HAS_TCL,
    MPIEXEC,
    OPENSEES,
    PLAIN_STDIN,
    RANKS,
    RUNNER,
    SETTLED,
    TclJob,
    interpreter,
)

from weft.core.cases import expand
from weft.core.command import render_command
from weft.core.records import parse, to_events
from weft.node import runner
from weft.store.studyfile import load

pytestmark = pytest.mark.skipif(not HAS_TCL, reason="this Python has no tkinter, hence no Tcl")
needs_opensees = pytest.mark.skipif(
    not HAS_OPENSEES, reason="needs opensees from PyPI, and a Python with tkinter"
)
EXAMPLE = Path(__file__).parents[2] / "examples" / "tcl-portal"


# --- the road of a job -------------------------------------------------------------------------------------


@needs_opensees
def test_fifty_portal_frames_of_which_three_fail(tmp_path: Path) -> None:
    study = load(EXAMPLE)
    cases = expand(study)
    assert len(cases) == 50
    script = (EXAMPLE / "portal.tcl").read_text()
    script = script.replace("1.0e-8", "[expr {$planted eq {diverges} ? 1.0e-300 : 1.0e-8}]")
    planted = (
        "if {$planted eq {error}} {error {planted: no such section}}\nif {$planted eq {exit}} {exit 3}\n"
    )
    script = script.replace("# A strong beam", planted + "# A strong beam")
    failing = {7: "error", 21: "exit", 40: "diverges"}
    listed: list[str | dict[str, Any]] = [
        {
            "id": case.id,
            "command": render_command(study.model.command, case.params, case.id),
            "params": {**case.params, "planted": failing.get(n, "")},
        }
        for n, case in enumerate(cases)
    ]
    job = TclJob(
        tmp_path, "", *listed, inputs={"portal.tcl": script.encode()}, result="result.json", keep=["push.out"]
    )
    assert job.run(OPENSEES) == 0
    wrong = {cases[n].id: what for n, what in failing.items()}
    assert {id for id, outcome in job.outcomes().items() if outcome != "FINISHED"} == set(wrong)
    why = {what: job.case(id)["why"] for id, what in wrong.items()}
    assert why["error"] == "planted: no such section" and why["exit"] == "exit 3"
    assert "no convergence" in why["diverges"] or "its own weight" in why["diverges"]
    assert "planted: no such section" in job.case(cases[7].id)["tail"]
    for case in cases:
        if case.id not in wrong:
            result = job.case(case.id)["result"]
            assert result["shear_at_end"] == pytest.approx(result["shear_of_mechanism"], rel=0.01)
            h, weight = float(case.params["height"]), float(case.params["gravity"])
            assert result["shear_of_mechanism"] == pytest.approx((1200 - weight * 0.04 * h) / h)
    kept = job.outputs()
    assert {f"{case.id}/push.out" for case in cases} - set(kept) <= {f"{id}/push.out" for id in wrong}
    assert job.end()["outcome"] == "FINISHED"


def test_a_job_leaves_records_that_weft_reads(tmp_path: Path) -> None:
    job = TclJob(
        tmp_path, SETTLED, "m.tcl", "m.tcl", inputs={"m.tcl": SETTLED.encode()}, result="result.json"
    )
    assert job.run() == 0
    kinds = [(r["t"], r.get("span")) for r in job.records()]
    assert kinds == [
        ("runner", None),
        ("span", "UNPACK"),
        *[("start", None), ("case", None)] * 2,
        ("span", "CASES"),
        ("span", "PACK"),
        ("end", None),
    ]
    records, taken = parse((job.folder / "results.jsonl").read_bytes())
    assert taken == (job.folder / "results.jsonl").stat().st_size and len(records) == len(kinds)
    events = to_events("job-1", records)
    assert [type(event).__name__ for event in events] == [
        "RunnerStarted", "SpanEnded", "CaseEnded", "CaseEnded", "SpanEnded", "SpanEnded", "RunnerEnded",
    ]  # fmt: skip
    record = job.case("c1")
    assert record["result"] == {"x": 1} and record["exit"] == 0 and record["why"] is None
    assert record["files"] == 1 and record["kept"] == 0 and record["slot"] == 0
    assert 0 <= record["wall"] == pytest.approx(record["end"] - record["start"], abs=1e-5)
    if sys.platform == "linux":
        assert record["memory"] > 10**6 and record["read"] > 0 and record["cpu"] >= 0
    assert job.end()["busy"] <= sum(r["wall"] for r in job.of("case")) + 1e-3


def test_each_kind_of_record_has_what_the_other_runner_writes(tmp_path: Path) -> None:
    ours = TclJob(tmp_path / "tcl", SETTLED, {}, result="result.json")
    theirs = Job(tmp_path / "python", """echo '{"x": 1}' > result.json""", result="result.json")
    assert ours.run() == 0 and theirs.run() == 0
    for kind in ("runner", "span", "start", "case", "end"):
        assert set(theirs.of(kind)[0]) <= set(ours.of(kind)[0]), kind
    assert ours.case()["result"] == theirs.case()["result"]


def test_a_script_on_stdin_is_a_job_too(tmp_path: Path) -> None:
    job = TclJob(tmp_path, "set line [gets stdin]\n" + SETTLED, *[{}] * 3, result="result.json")
    with RUNNER.open() as source:
        ran = subprocess.run(PLAIN_STDIN, cwd=job.folder, stdin=source, env=job.environment(), check=False)
    assert ran.returncode == 0
    assert set(job.outcomes().values()) == {"FINISHED"} and len(job.outcomes()) == 3


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs a tclsh")
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_shell_that_reads_line_by_line_takes_it(from_stdin: bool, tmp_path: Path) -> None:
    """As a solver that reads stdin does, unlike the others here."""
    job = TclJob(tmp_path, "set line [gets stdin]\n" + SETTLED, *[{}] * 3, result="result.json")
    with RUNNER.open() as source:
        command = ["tclsh"] if from_stdin else ["tclsh", "runner.tcl"]
        ran = subprocess.run(command, cwd=job.folder, stdin=source, env=job.environment(), check=False)
    assert ran.returncode == 0
    assert list(job.outcomes().values()) == ["FINISHED"] * 3


@needs_opensees
def test_opensees_takes_the_runner_from_stdin(tmp_path: Path) -> None:
    script = "model basic -ndm 1 -ndf 1\nnode 1 0.0\n" + SETTLED  # a second node 1 would be an error
    job = TclJob(tmp_path, script, *[{}] * 3, result="result.json")
    with RUNNER.open() as source:
        ran = subprocess.run(OPENSEES, cwd=job.folder, stdin=source, env=job.environment(), check=False)
    assert ran.returncode == 0 and set(job.outcomes().values()) == {"FINISHED"}


# --- what a case gets, and what it leaves ------------------------------------------------------------------


def test_parameters_are_variables_and_arguments(tmp_path: Path) -> None:
    values = {
        "a": "é😀 {[x]} $y \\ \"'",
        "b": True,
        "c": None,
        "d": 1.5e-7,
        "e": "",
        "env": "no",
        "argv": "no",
    }
    script = (
        "set f [open seen.txt w]\nfconfigure $f -encoding utf-8\n"
        "foreach name {a b c d e} {puts $f [set $name]}\n"
        "puts $f $argc; puts $f [lindex $argv 0]; puts $f [lindex $argv 1]; puts $f $argv0\n"
        "puts $f $env(WEFT_CASE).$env(WEFT_SLOT).$env(WEFT_STUDY).$env(WEFT_JOB).$env(ALL).$env(OWN)\n"
        "close $f\n"
    )
    command = render_command("OpenSees model.tcl {a} two", values, "c0")
    job = TclJob(
        tmp_path, script, {"command": command, "params": values, "env": {"OWN": "o p"}}, env={"ALL": "x"},
        keep=["*.txt"], params_file=True,
    )  # fmt: skip
    assert job.run() == 0 and job.outcomes() == {"c0": "FINISHED"}, job.records()
    lines = job.outputs()["c0/seen.txt"].decode().split("\n")
    a = values["a"]
    assert lines[:-1] == [a, "1", "", "1.5e-07", "", "2", a, "two", "model.tcl", "c0.0.study.job-1.x.o p"]


def test_names_need_no_locale(tmp_path: Path) -> None:
    job = TclJob(
        tmp_path,
        "set f [open é😀.out w]; puts -nonewline $f [gets [open {ü b.txt}]]",
        {},
        inputs={"ü b.txt": b"1"},
        keep=["*.out"],
        expect=["é😀.out"],
    )
    assert job.run(LC_ALL="C") == 0 and job.outcomes() == {"c0": "FINISHED"}, job.records()
    assert job.outputs() == {"c0/é😀.out": b"1"}


def test_inputs_are_there_as_the_bundle_says(tmp_path: Path) -> None:
    shared = tmp_path / "motions"
    shared.mkdir()
    (shared / "a.at2").write_text("motion")
    script = (
        "set f [open seen.txt w]\n"
        "foreach name [lsort [concat [glob *] [glob motions/* deep/*]]] {puts $f $name}\n"
        "puts $f [gets [open text.in]]; puts $f [gets [open params.json]]\n"
        "puts $f [file attributes [file readlink model.tcl] -permissions]; close $f\n"
    )
    job = TclJob(
        tmp_path, script, {"files": ["own0.txt"], "rendered": ["text.in"]}, {"files": ["own1.txt"], "rendered": ["text.in"]},
        inputs={"own0.txt": b"", "own1.txt": b"", "deep/x": b"", "text.in": b"not rendered"},
        members={f"cases/c{n}/text.in": b"rendered %d\n" % n for n in range(2)},
        shared=[{"name": "motions", "path": str(shared), "files": [["a.at2", 6]]}],
        keep=["seen.txt"], params_file=True,
    )  # fmt: skip
    assert job.run() == 0 and set(job.outcomes().values()) == {"FINISHED"}, job.records()
    for n in range(2):
        assert job.outputs()[f"c{n}/seen.txt"].decode().split() == [
            "deep", "deep/x", "model.tcl", "motions", "motions/a.at2", f"own{n}.txt", "params.json", "seen.txt",
            "text.in", "rendered", str(n), '{"n":', f"{n}}}",
            "00444",
        ]  # fmt: skip
        assert job.case(f"c{n}")["files"] == 1
    assert (shared / "a.at2").read_text() == "motion"


LEAKS = """
if {[info exists leak] || [array exists table] || [llength [info procs helper]]} {error "a variable or proc leaked"}
if {[info exists env(LEAK)] || $env(HOME) ne "/home/of/all"} {error "the environment leaked"}
if {![info exists env(CHANNELS)]} {error "the environment of the job is lost"}
if {[llength [file channels]] > $env(CHANNELS)} {error "a channel leaked: [file channels]"}
if {[llength [after info]]} {error "an event leaked"}
if {[llength [info commands old_puts]] || $tcl_precision_was ne "none"} {error "a command leaked"}
if {[llength [glob -nocomplain *.left]]} {error "a file leaked"}
set leak 1; set table(x) 1; proc helper {} {}; set env(LEAK) 1; set env(HOME) /nowhere
set channel [open a.left w]; puts $channel kept; after 100000 {exit 9}
rename puts old_puts; proc puts {args} {old_puts {*}$args}; rename lsort sorted
proc file {args} {error "a file of one's own"}
proc format {args} {error "a format of one's own"}
set tcl_precision_was some; set argv changed; cd /; encoding system iso8859-1
namespace eval own {proc exit {} {return fine}; if {[exit] ne "fine"} {error "no proc in a namespace"}}
"""


def test_nothing_of_a_case_is_seen_by_the_next(tmp_path: Path) -> None:
    script = (
        "set tcl_precision_was [expr {[info exists tcl_precision_was] ? $tcl_precision_was : {none}}]\n"
        + LEAKS
    )
    job = TclJob(tmp_path, script, *[{}] * 3, keep=["*.left"])
    assert job.run(HOME="/home/of/all", CHANNELS="6") == 0  # of them three are the runner's own, at most
    assert set(job.outcomes().values()) == {"FINISHED"}, [r["why"] for r in job.of("case")]
    assert job.outputs() == {f"c{n}/a.left": b"kept\n" for n in range(3)}


@pytest.mark.parametrize(
    ("script", "outcome", "exit", "why"),
    [
        ("error {it broke\nhere}", "FAILED", 1, "it broke here"),
        ("error {}", "FAILED", 1, "an error without a message"),
        ("no_such_command 1", "FAILED", 1, 'invalid command name "no_such_command"'),
        ("proc f {} {foreach x {1 2} {if 1 {exit 4}}}; proc g {} {f; error no}; g", "FAILED", 4, "exit 4"),
        ("catch {exit 4}; set x 1", "FAILED", 4, "exit 4"),
        ("exit", "FINISHED", 0, None),
        ("exit 0; error no", "FINISHED", 0, None),
        ("exit 256", "FINISHED", 0, None),
        ("exit -1", "FAILED", 255, "exit 255"),
        ("exit soon", "FAILED", 1, 'expected integer but got "soon"'),
        ("return; error no", "FINISHED", 0, None),
        ("break", "FAILED", 1, "the script ended with the return code 3"),
        ("source other.tcl", "FAILED", 1, 'couldn\'t read file "other.tcl": no such file or directory'),
        ("proc exit {args} {}; exit 5", "FINISHED", 0, None),
        ("error \\ud83d", "FAILED", 1, "\ufffd"),
        ("error \"a\\\"b\\\\\\u0001\\u00e9\"", "FAILED", 1, 'a"b\\\x01é'),
    ],
)  # fmt: skip
def test_how_a_script_ends(script: str, outcome: str, exit: int, why: str | None, tmp_path: Path) -> None:
    job = TclJob(tmp_path, "if {$n == 0} {\n" + script + "\n}", *[{}] * 2)
    assert job.run() == 0
    record = job.case()
    assert (record["outcome"], record["exit"], record["why"]) == (outcome, exit, why)
    assert job.outcomes()["c1"] == "FINISHED", "the next case must not notice"


def test_the_tail_of_an_error_is_the_scripts_own(tmp_path: Path) -> None:
    job = TclJob(tmp_path, "proc f {} {error deep}\nf\n", {})
    assert job.run() == 0
    tail = job.case()["tail"]
    assert (
        "deep" in tail
        and 'procedure "f"' in tail
        and 'file "model.tcl" line 2' in tail
        and "uplevel" not in tail
    )


@pytest.mark.parametrize(
    ("settings", "script", "why"),
    [
        ({"expect": ["a.out"]}, "", "expected output a.out is missing"),
        ({"expect": ["*.out"]}, "close [open a.out w]", "expected output *.out is empty"),
        ({"expect": ["model.tcl"]}, "", "expected output model.tcl is missing"),
        ({"result": "r.json"}, "", "the result r.json is missing"),
        ({"result": "r.json"}, "set f [open r.json w]; puts $f \\{x", "r.json is not JSON"),
        ({"result": "r.json"}, "file mkdir r.json", "the result r.json is missing"),
    ],
)
def test_a_case_must_leave_what_is_expected(
    settings: dict[str, Any], script: str, why: str, tmp_path: Path
) -> None:
    job = TclJob(tmp_path, script, {}, **settings)
    assert job.run() == 0
    assert job.case()["outcome"] == "FAILED" and job.case()["why"].startswith(why)


def test_a_case_that_gives_up_may_have_measured_something(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED + "exit 3", {}, result="result.json")
    assert job.run() == 0 and job.case()["outcome"] == "FAILED" and job.case()["result"] == {"x": 1}


@pytest.fixture(scope="module")
def tcl() -> Any:
    """An interpreter that has the runner's procedures, and runs nothing."""
    made = interpreter()
    made.eval(RUNNER.read_text().partition("\n# One command, so that")[0])
    return made


def checked(tcl: Any, text: bytes) -> tuple[Any, str | None]:
    """What the Tcl runner makes of a result: its value, or None and the reason."""
    tcl.call("set", "hex", text.hex())
    tcl.eval("set failed [catch {::weft::flat_json [binary format H* $hex] r.json} said]")
    said = (
        tcl.eval("binary scan $said H* hex; set hex")
        if tcl.eval("set failed") == "0"
        else tcl.eval("set said")
    )
    return (json.loads(bytes.fromhex(said)), None) if tcl.eval("set failed") == "0" else (None, said)


numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**308), 1e308])
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=count(200, 2000), deadline=None)
@given(
    data=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), scalars, max_size=4),
    ascii=st.booleans(),
    indent=st.sampled_from([None, 0, 1]),
)
def test_a_flat_result_is_judged_as_by_the_other_runner(
    tcl: Any, data: dict[str, Any], ascii: bool, indent: int | None
) -> None:
    text = json.dumps(data, ensure_ascii=ascii, indent=indent).encode()
    theirs, bad = runner.read_result(text, "r.json")
    ours, why = checked(tcl, text)
    assert ours == theirs and bool(why) == bool(bad)
    assert not why or why.endswith("is not finite")


pieces = st.sampled_from(
    ['{', '}', '"a"', '"b"', ":", ",", "1", "-0", "01", "1.", ".5", "1e5", "true", "null", "NaN", "-Infinity", "[", "]",
     '"\\u00e9"', '"\\x"', '"\n"', '"\\ud83d\\ude00"', " ", "\n", "\ufeff", '"é"', "{}", "tru"]
)  # fmt: skip


@settings(max_examples=count(300, 5000), deadline=None)
@given(middle=st.lists(pieces, max_size=7), framed=st.booleans())
def test_what_is_no_result_is_none_to_either(tcl: Any, middle: list[str], framed: bool) -> None:
    text = ("{%s}" if framed else "%s") % "".join(middle)
    theirs, bad = runner.read_result(text.encode(), "r.json")
    ours, why = checked(tcl, text.encode())
    assert bool(why) == bool(bad), (text, why, bad)
    assert ours == theirs
    assert why is None or "\n" not in why


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b'{"a": "\xc3"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\ud800x\\udc00"}',
        b"",
        b"\0",
    ],
)
def test_half_a_character_is_no_result(tcl: Any, text: bytes) -> None:
    assert checked(tcl, text)[1] is not None


def test_an_escaped_backslash_is_no_half_character(tcl: Any) -> None:
    assert checked(tcl, rb'{"a": "\\ud800"}') == ({"a": "\\ud800"}, None)


names = st.text(alphabet="ab.*?[]!/-^\\(+é", min_size=1, max_size=8)


@settings(max_examples=count(400, 5000), deadline=None)
@given(pattern=names, rel=st.text(alphabet="ab./-!^[]é\\", min_size=1, max_size=8))
def test_patterns_match_as_in_the_other_runner(tcl: Any, pattern: str, rel: str) -> None:
    try:
        theirs = runner.matches(pattern, rel)
    except Exception:
        theirs = None
    tcl.call("set", "pattern", pattern)
    tcl.call("set", "rel", rel)
    ours = tcl.eval("if {[catch {::weft::matches $pattern $rel} said]} {set said {}}; set said")
    if theirs is not None and ours != "":
        assert ours == str(int(theirs)), (pattern, rel)


def test_kept_outputs_are_where_the_other_runner_puts_them(tmp_path: Path) -> None:
    script = (
        "file mkdir deep/er; file mkdir .hidden\n"
        "foreach name {a.out deep/er/b.out .hidden/c.out .d.out ~e.out {f g.out} no.txt} {\n"
        "    set f [open ./$name w]; puts $f $n; close $f\n}\n"
        "file link -symbolic link.out a.out; file link -symbolic away.out /etc/passwd\n"
    )
    job = TclJob(tmp_path, script, *[{}] * 2, keep=["**/*.out", "away.out"])
    assert job.run() == 0
    names = ["a.out", "deep/er/b.out", ".hidden/c.out", ".d.out", "~e.out", "f g.out", "link.out"]
    assert job.outputs() == {f"c{n}/{name}": b"%d\n" % n for n in range(2) for name in names}
    assert job.case()["kept"] == 7 and job.case()["files"] == 9
    assert "away.out" in job.case()["note"]


@pytest.mark.parametrize("prelude", ["", "rename zlib {}\n"], ids=["Tcl 8.6", "Tcl 8.5"])
def test_large_outputs_fill_several_zips(prelude: str, tmp_path: Path) -> None:
    size = 300_000 if prelude else 18_000_000  # above what is taken at once
    script = f"set f [open a.out w]; puts -nonewline $f [string repeat 0123456789 {size // 10}]; close $f\n"
    job = TclJob(tmp_path, script, *[{}] * 3, keep=["*.out"], chunk_bytes=200_000, prelude=prelude)
    assert job.run() == 0
    assert job.outputs() == {f"c{n}/a.out": b"0123456789" * (size // 10) for n in range(3)}
    zips = sorted(path.name for path in job.folder.glob("out-*.zip"))
    assert (
        zips == (["out-000.zip", "out-001.zip", "out-002.zip"] if prelude else ["out-000.zip"])
        or len(zips) > 1
    )
    assert job.end()["zips"] == [[name, (job.folder / name).stat().st_size] for name in zips]


# --- what ends a job early ---------------------------------------------------------------------------------


def test_a_missing_shared_input_ends_the_job_as_in_the_other_runner(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("four")
    for shared in (
        [
            {
                "name": "records",
                "path": str(tmp_path / "gone"),
                "files": [["x.at2", 3]],
                "hint": "weft store refresh",
            }
        ],
        [{"name": "mesh", "path": str(there), "files": [["", 5]]}],
    ):
        where = tmp_path / shared[0]["name"]
        ours = TclJob(where / "tcl", SETTLED, {}, shared=shared)
        theirs = Job(where / "python", "true", shared=shared)
        assert ours.run() == theirs.run() == 66
        assert ours.end()["why"] == theirs.end()["why"] and ours.end()["outcome"] == "FAILED"
        assert not ours.of("start")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"setup": ["module load x"]}, "set-up lines"),
        ({"finish": "true"}, "a finish command"),
        ({"continue": {"files": ["a"], "exit": None}}, "only be continued if they ask for it"),
        ({"format": 2}, "format 2 instead of 1"),
        ({"keep": ["[z-a]"]}, "not a bundle this runner can read"),
    ],
)
def test_what_it_cannot_do_it_refuses(settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED, {}, **settings)
    assert job.run() == 64
    assert why in job.end()["why"] and not job.of("start")


@pytest.mark.parametrize("damage", ["cut", "bytes", "gone"])
def test_a_damaged_bundle_is_told(damage: str, tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED + "#" + os.urandom(3000).hex(), {})
    bundle = job.folder / "bundle.zip"
    data = bundle.read_bytes()
    if damage == "gone":
        bundle.unlink()
    else:
        at = data.index(b"inputs/model.tcl") + 1000
        bundle.write_bytes(data[:-30] if damage == "cut" else data[:at] + b"\0" * 20 + data[at + 20 :])
    assert job.run() == 64
    assert "bundle.zip" in job.end()["why"] and job.end()["exit"] == 64


def test_a_job_is_run_once(tmp_path: Path) -> None:
    claim = tmp_path / "claims" / "job-1"
    job = TclJob(tmp_path / "first", SETTLED, {}, claim=str(claim))
    twin = TclJob(tmp_path / "twin", SETTLED, {}, claim=str(claim))
    assert job.run() == 0
    before = (job.folder / "results.jsonl").read_bytes()
    code, _, said = job.run_and_hear()
    assert code == 75 and "has been run already" in said
    assert (job.folder / "results.jsonl").read_bytes() == before
    code, _, said = twin.run_and_hear()
    assert code == 75 and "this job has been started already" in said and "job-1" in said
    assert not (twin.folder / "results.jsonl").exists()


def test_all_ranks_of_a_twin_end(tmp_path: Path) -> None:
    claim = str(tmp_path / "claims" / "job-1")
    assert TclJob(tmp_path / "first", SETTLED, {}, claim=claim).run() == 0
    twin = TclJob(tmp_path / "twin", SETTLED, {}, claim=claim, prelude=RANKS)
    assert twin.run_ranks(3) == [75, 0, 0] and not (twin.folder / "results.jsonl").exists()


def test_it_shares_the_claim_with_the_other_runner(tmp_path: Path) -> None:
    claim = str(tmp_path / "claims" / "job-1")
    ours = TclJob(tmp_path / "tcl", SETTLED, {}, claim=claim)
    theirs = Job(tmp_path / "python", "true", claim=claim)
    assert ours.run() == 0 and theirs.run() == 75


def test_a_claim_that_cannot_be_made_keeps_nobody_from_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    job = TclJob(tmp_path, SETTLED, {}, claim=str(tmp_path / "file" / "job-1"))
    assert job.run() == 0 and "cannot be made" in job.of("runner")[0]["note"]


def test_no_case_is_started_that_would_not_end_in_time(tmp_path: Path) -> None:
    cases: list[str | dict[str, Any]] = [{"seconds": 1000.0}, {"seconds": 0.1}, {"seconds": 2000.0}]
    job = TclJob(tmp_path, SETTLED, *cases, deadline_s=500)
    assert job.run() == 143
    assert job.outcomes() == {"c1": "FINISHED"}
    end = job.end()
    assert (
        end["outcome"] == "INTERRUPTED"
        and end["left_out"] == 2
        and end["why"].startswith("2 cases were not started")
    )


def test_slurm_may_know_an_earlier_end(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED, {"seconds": 300.0}, deadline_s=3600)
    at = int(time.time()) + 60
    assert job.run(SLURM_JOB_END_TIME=str(at)) == 143 and job.end()["left_out"] == 1
    assert (job.of("runner")[0]["deadline"], job.of("runner")[0]["deadline_from"]) == (
        at,
        "SLURM_JOB_END_TIME",
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_crash_of_the_interpreter_loses_that_case_only(ranks: int, tmp_path: Path) -> None:
    script = (
        "set f [open a.out w]; puts $f $n; close $f\nif {$n == 2} {after 300; exec kill -9 [pid]}\nafter 20"
    )
    job = TclJob(tmp_path, script, *[{}] * 8, keep=["*.out"], prelude=RANKS)
    codes = job.run_ranks(ranks)
    assert -9 in codes
    started, ended = {r["case"] for r in job.of("start")}, {r["case"] for r in job.of("case")}
    assert started - ended == {"c2"}
    found: dict[str, bytes] = {}
    for path in job.folder.glob("out-*.zip"):
        found.update(salvage(path))
    assert {name for name in found if name != "c2/a.out"} == {f"{id}/a.out" for id in ended}
    if codes == [0, -9] or codes == [71, -9]:  # it was the other rank: rank 0 has gone on, and tells
        assert ended == {f"c{n}" for n in range(8)} - {"c2"}
        assert job.end()["exit"] == 71 and "rank 1 died" in job.end()["why"]


def test_what_a_case_goes_on_from_wins_over_links(tmp_path: Path) -> None:
    shared = tmp_path / "state"
    shared.mkdir()
    (shared / "a").write_text("first")
    job = TclJob(
        tmp_path, "set f [open state/a]; if {[gets $f] ne {carried}} {error no}; close [open state/b w]",
        {"carried": ["state/a"]}, members={"carry/c0/state/a": b"carried"},
        shared=[{"name": "state", "path": str(shared), "files": [["a", 5]]}], keep=["state"],
    )  # fmt: skip
    assert job.run() == 0 and job.outcomes() == {"c0": "FINISHED"}, job.records()
    assert job.outputs() == {"c0/state/a": b"carried", "c0/state/b": b""}
    assert job.case()["files"] == 1 and [path.name for path in shared.iterdir()] == ["a"]


@pytest.mark.parametrize("left", [["a.state"], []])
def test_a_case_may_ask_to_be_continued(left: list[str], tmp_path: Path) -> None:
    script = (
        "set f [open a.state]; set steps [gets $f]; close $f\n"
        'if {$steps ne {1} || $env(WEFT_CONTINUES) != 2} {error "steps: $steps"}\n'
        + "".join(f"set f [open {name} w]; puts $f 2; close $f\n" for name in left)
        + ("" if left else "file delete a.state\n")
        + "exit 85\n"
    )
    job = TclJob(
        tmp_path, script, {"carried": ["a.state"], "continues": 2}, members={"carry/c0/a.state": b"1\n"},
        keep=["*.state"], **{"continue": {"files": ["*.state"], "exit": 85}},
    )  # fmt: skip
    assert job.run() == 0
    record = job.case()
    if left:
        assert (record["outcome"], record["carried"], record["kept"]) == ("INTERRUPTED", 1, 0)
        assert record["why"] == "to be continued: it asked for that (exit 85)"
        assert job.outputs() == {"carry/c0/a.state": b"2\n"}
    else:
        assert record["outcome"] == "FAILED" and "left none of: *.state" in record["why"]
    assert job.end()["outcome"] == "FINISHED"


def test_tcl_without_zlib_lets_others_unpack(tmp_path: Path) -> None:
    job = TclJob(
        tmp_path, SETTLED, *[{}] * 2, result="result.json", keep=["*.json"], prelude="rename zlib {}\n"
    )
    assert job.run() == 0 and set(job.outcomes().values()) == {"FINISHED"}
    assert job.outputs() == {f"c{n}/result.json": b'{"x": 1}\n' for n in range(2)}
    with zipfile.ZipFile(job.folder / "out-000.zip") as z:
        assert {info.compress_type for info in z.infolist()} == {zipfile.ZIP_STORED}


# --- ranks -------------------------------------------------------------------------------------------------


def check_shared_out(job: TclJob, cases: int, ranks: int) -> None:
    """Every case was run once, and everything that it left is in one place."""
    starts = [record["case"] for record in job.of("start")]
    assert sorted(starts) == sorted(f"c{n}" for n in range(cases)), "each case starts once"
    assert set(job.outcomes().values()) == {"FINISHED"} and len(job.of("case")) == cases
    assert job.outputs() == {f"c{n}/a.out": b"%d\n" % n for n in range(cases)}
    assert [path.name for path in job.folder.glob("out-*.zip")] == ["out-000.zip"]
    assert not (job.folder / "runner.ranks").exists() and list(job.node.iterdir()) == []
    end = job.end()
    assert end["slots"] == ranks and end["outcome"] == "FINISHED" and job.records()[-1] == end
    assert end["busy"] == pytest.approx(sum(r["wall"] for r in job.of("case")), rel=0.05, abs=0.05)


SHARED_OUT = "set f [open a.out w]; puts $f $n; close $f; after 30\n"


def test_ranks_share_the_cases(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 20, keep=["a.out"], prelude=RANKS)
    assert job.run_ranks(3) == [0, 0, 0]
    check_shared_out(job, 20, 3)
    assert len({record["slot"] for record in job.of("case")}) > 1


@needs_opensees
@pytest.mark.skipif(MPIEXEC is None, reason="needs `pip install mpich`")
def test_ranks_of_a_real_launcher_share_the_cases(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 12, keep=["a.out"], prelude=RANKS, ranks=3)
    assert job.run([str(MPIEXEC), "-n", "3", *OPENSEES]) == 0
    check_shared_out(job, 12, 3)


def test_hosts_take_turns_at_the_records(tmp_path: Path) -> None:
    hosts = (
        "rename info real_info\nproc info {args} {\n"
        "    if {$args eq {hostname}} {return host$::env(PMI_RANK)}\n    uplevel 1 [list real_info {*}$args]\n}\n"
    )
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 20, keep=["a.out"], prelude=RANKS + hosts, workdir="job")
    assert job.run_ranks(3) == [0, 0, 0]
    check_shared_out(job, 20, 3)


def test_the_records_wait_for_their_lock_but_not_for_the_dead(tcl: Any, tmp_path: Path) -> None:
    records = tmp_path / "results.jsonl"
    records.write_text("")
    (tmp_path / "lock").write_text("1 of a rank that has died")
    for name, value in {"meet": tmp_path, "records_path": records, "hosts": 2, "LOCK_SECONDS": 0.3}.items():
        tcl.call("set", f"::weft::{name}", str(value))
    tcl.eval("::weft::open_records")
    began = time.monotonic()
    tcl.eval('::weft::write_record {"t": "span"}')
    assert time.monotonic() - began > 0.3, "it must have waited"
    tcl.eval('::weft::write_record {"t": "end"}')
    assert [json.loads(line)["t"] for line in records.read_text().splitlines()] == ["span", "end"]
    assert not (tmp_path / "lock").exists() and len(list(tmp_path.glob("broken.*"))) == 1
    tcl.eval("close $::weft::records; set ::weft::hosts 1")


def test_a_rank_that_cannot_do_its_part_is_told_of(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 6, keep=["a.out"], prelude=RANKS + (
        "if {[getPID] == 1} {set env(WEFT_NODE_DIR) /proc/nowhere}\n"
    ))  # fmt: skip
    assert job.run_ranks(2) == [74, 0]
    assert job.end()["why"].startswith("rank 1: ") and len(job.of("case")) == 6


@pytest.mark.parametrize(
    "told", [{"ranks": 3}, {"PMI_SIZE": "3"}, {"OMPI_COMM_WORLD_SIZE": "3"}, {"SLURM_NTASKS": "3"}], ids=str
)
def test_processes_that_all_say_they_are_alone_run_nothing(told: dict[str, Any], tmp_path: Path) -> None:
    environment = {name: value for name, value in told.items() if name.isupper()}
    bundle = {name: value for name, value in told.items() if name.islower()}
    job = TclJob(
        tmp_path,
        SETTLED,
        *[{}] * 3,
        prelude="proc getPID {} {return 0}\nproc getNP {} {return 1}\n",
        **bundle,
    )
    processes = [job.start(**environment) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [69, 69, 69], said
    assert not job.of("start") and len(job.of("runner")) == 1
    assert job.end()["exit"] == 69 and "each says that it is rank 0 of 1" in job.end()["why"]


@needs_opensees
@pytest.mark.skipif(MPIEXEC is None, reason="needs `pip install mpich`")
def test_a_serial_solver_under_a_launcher_runs_nothing(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED, *[{}] * 3)
    code, _, _ = job.run_and_hear([str(MPIEXEC), "-n", "3", *OPENSEES])
    assert code != 0 and not job.of("start")
    assert job.end()["exit"] == 69


def test_one_process_of_a_larger_allocation_is_no_mistake(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SETTLED, *[{}] * 2, ranks=1)
    assert job.run(SLURM_NTASKS="48") == 0 and len(job.outcomes()) == 2


def test_processes_of_which_nothing_tells_how_many_there_are_run_every_case_once(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 6)
    processes = [job.start() for _ in range(3)]
    for process in processes:
        process.communicate(timeout=60)
    assert sorted(process.returncode for process in processes) == [0, 75, 75]
    assert sorted(record["case"] for record in job.of("start")) == [f"c{n}" for n in range(6)]


def test_a_solver_whose_first_rank_alone_runs_scripts_waits_for_nobody(tmp_path: Path) -> None:
    prelude = "proc getPID {} {return 0}\nproc getNP {} {return 48}\n"
    job = TclJob(tmp_path, SETTLED, *[{}] * 2, prelude=prelude, ranks=1)
    assert job.run(PMI_SIZE="48") == 0 and job.end()["slots"] == 1


def test_a_rank_left_over_from_another_launch_runs_nothing(tmp_path: Path) -> None:
    job = TclJob(tmp_path, SHARED_OUT, *[{}] * 4, keep=["a.out"], prelude=RANKS)
    assert job.run_ranks(2) == [0, 0]
    before = (job.folder / "results.jsonl").read_bytes()
    late = job.start(PMI_RANK="1", PMI_SIZE="2")
    assert late.communicate(timeout=60)[1].strip().endswith("nothing to do")
    assert (job.folder / "results.jsonl").read_bytes() == before


def test_other_ranks_end_with_a_job_that_cannot_begin(tmp_path: Path) -> None:
    shared = [{"name": "gone", "path": str(tmp_path / "gone"), "files": [["", 1]]}]
    job = TclJob(tmp_path, SETTLED, *[{}] * 4, shared=shared, prelude=RANKS)
    assert job.run_ranks(2) == [66, 0]


def test_a_rank_stopped_from_outside_leaves_records_that_count(tmp_path: Path) -> None:
    job = TclJob(tmp_path, "if {$n == 1} {after 60000}", *[{}] * 3)
    process = job.start()
    wait_until(lambda: (job.folder / "results.jsonl").exists() and len(job.of("start")) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert job.outcomes() == {"c0": "FINISHED"} and [r["case"] for r in job.of("start")] == ["c0", "c1"]
