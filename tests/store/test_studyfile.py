"""Study files: what they may say, and that whatever is wrong with one is told with file, line, key and a
hint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core.cases import expand
from weft.core.command import render_command
from weft.errors import Exit, NoStudyHere, StudyFileError, WeftError
from weft.model import Continue, Outcome, Resources, Retry, Study
from weft.store.complaints import key_lines
from weft.store.sections import parse_size
from weft.store.studyfile import load, starter_folder, study_from_python

MINIMAL = '[model]\ncommand = "run"\n'
RUN = '[model]\ncommand = "run {a}"\n'
A = "[parameters]\na = [1, 2]\n"


def make(folder: Path, text: str, *names: str, **contents: str) -> Path:
    """A study's folder: empty files by path, and files with content by name (``_`` for the dot)."""
    files = dict.fromkeys(names, "") | {name.replace("_", "."): text for name, text in contents.items()}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


def complaints(folder: Path, text: str) -> list[WeftError]:
    with pytest.raises(StudyFileError) as error:
        load(make(folder, text))
    assert all(one.hint for one in error.value.complaints), str(error.value)
    return list(error.value.complaints)


def complaint(folder: Path, text: str) -> WeftError:
    found = complaints(folder, text)
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


# What a study file says

WHOLE = """
name = "whole"
[model]
command = "python3 m.py --r {record} --s {scale} --b {b} {c} {row} {seed}"
inputs = ["m.py", "lib/"]
shared = ["big/"]
templates = ["model.tcl.in"]
setup = ["module load x"]
env = { A = "1", N = 4, B = "{scale}" }
workdir = "scratch"
expect = ["disp.out"]
result = "result.json"
finish = "python3 sum.py"
[output]
keep = ["*.out"]
chunk = "500 MB"
log = "1 MiB"
[parameters]
record = { files = "records/*.AT2" }
scale = { range = [0.5, 1.5, 0.5], default = 1 }
b = [1, 2]
c = [3, 4]
seed = { repeat = 2, seed = 7 }
fixed = "x y"
[space]
table = "cases.csv"
zip = [["b", "c"]]
where = "scale < 2 and fixed != 'q'"
[before]
command = "make"
inputs = ["Makefile"]
outputs = ["*.bin"]
resources = { minutes = 3 }
[after]
command = "plot"
[resources]
cores = 2
memory = "1.5 GB"
minutes = 0.5
[retry]
attempts = 3
on = ["exit", "memory"]
stop_after = 0
[run]
on = "slurm"
[local]
slots = 3
memory = "8 GB"
[slurm]
queue = "skx"
nodes = 2
"""


def test_a_whole_study(tmp_path: Path) -> None:
    names = ("m.py", "lib/a.py", "lib/b/c.py", "big/x", "Makefile", "records/r10.AT2", "records/r2.AT2")
    make(tmp_path, WHOLE, *names, model_tcl_in="{{ scale }} {{ seed }}", cases_csv="row\n1\n2\n")
    study = load(tmp_path)
    assert (study.name, study.folder) == ("whole", str(tmp_path))
    assert study.model.inputs == ("lib/a.py", "lib/b/c.py", "m.py")
    assert study.model.shared == ("big",)
    assert study.model.templates == ("model.tcl.in",)
    assert study.model.env == {"A": "1", "N": "4", "B": "{scale}"}
    assert study.parameters["record"].values == ("records/r2.AT2", "records/r10.AT2")
    assert study.parameters["record"].is_file
    assert study.parameters["scale"].values == (0.5, 1.0)
    assert (study.parameters["scale"].has_default, study.parameters["scale"].default) == (True, 1)
    assert study.parameters["fixed"].values == ("x y",)
    assert [dict(row) for row in study.space.table] == [{"row": 1}, {"row": 2}]
    assert (study.output.chunk_bytes, study.output.log_bytes) == (500_000_000, 2**20)
    assert study.before is not None
    assert study.before.resources == Resources(minutes=3)
    assert study.after is not None
    assert study.resources == Resources(cores=2, memory_mb=1500, minutes=0.5)
    assert study.retry == Retry(attempts=3, on=(Outcome.FAILED, Outcome.OUT_OF_MEMORY), stop_after=0)
    assert study.backend == "slurm"
    assert study.settings == {"local": {"slots": 3, "memory_mb": 8000}, "slurm": {"queue": "skx", "nodes": 2}}
    assert len(expand(study)) == 2 * 2 * 2 * 2 * 2


def test_the_least_study(tmp_path: Path) -> None:
    study = load(make(tmp_path, MINIMAL))
    assert [dict(case.params) for case in expand(study)] == [{}]
    assert study.retry == Retry()


def test_the_same_study_in_python(tmp_path: Path) -> None:
    text = 'name = "s"\n[model]\ncommand = "run {a} {b}"\n[parameters]\na = [1, 2]\nb = 3\n'
    in_file = load(make(tmp_path, text))
    parameters = {"a": (n for n in (1, 2)), "b": 3}
    in_python = study_from_python(
        name="s", model={"command": "run {a} {b}"}, parameters=parameters, folder=tmp_path
    )
    assert [case.id for case in expand(in_python)] == [case.id for case in expand(in_file)]


def test_a_table_in_python(tmp_path: Path) -> None:
    rows = ({"i": i, "x": i / 2} for i in range(2))
    study = study_from_python(model={"command": "run {i}"}, table=rows, folder=tmp_path)
    assert [dict(case.params) for case in expand(study)] == [{"i": 0, "x": 0.0}, {"i": 1, "x": 0.5}]


def test_numbers_of_numpy_and_frames_are_taken_for_what_they_are(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    study = study_from_python(
        model={"command": "run {a} {i}"},
        parameters={"a": numpy.linspace(0, 1, 3)},
        table=polars.DataFrame({"i": [1, 2]}),
        folder=tmp_path,
    )
    assert study.parameters["a"].values == (0.0, 0.5, 1.0)
    assert {type(value) for value in study.parameters["a"].values} == {float}
    assert len(expand(study)) == 6


def test_complaints_about_python_say_so(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError) as error:
        study_from_python(model={"command": "run", "inptus": []}, folder=tmp_path)
    assert error.value.complaints[0].where == "Study(...): model.inptus"


def test_a_parameter_added_with_a_default_keeps_the_ids(tmp_path: Path) -> None:
    before = expand(load(make(tmp_path, RUN + A)))
    text = '[model]\ncommand = "run {a} -b {b}"\n' + A + "b = { default = 5 }\n"
    assert [case.id for case in expand(load(make(tmp_path, text)))] == [case.id for case in before]


@pytest.mark.parametrize(
    ("folder", "name"), [("a 'b\" c", "a-b-c"), ("ok-1.2", "ok-1.2"), ("ünï", "n"), ("---", "study")]
)
def test_any_folder_gives_a_name(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    assert load(make(tmp_path / folder, MINIMAL)).name == name


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(tmp_path).model.command == "run"


@pytest.mark.parametrize(("name", "cases"), [("python", 12), ("openseespy", 9), ("shell", 6)])
def test_starters_load(name: str, cases: int) -> None:
    assert len(expand(load(starter_folder(name)))) == cases


@pytest.mark.parametrize("name", ["python", "shell"])
def test_a_case_of_a_starter_runs_as_it_is(tmp_path: Path, name: str) -> None:
    shutil.copytree(starter_folder(name), tmp_path / "s")
    study = load(tmp_path / "s")
    case = expand(study)[-1]
    command = render_command(study.model.command, case.params, case.id)
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path / "s", check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "s" / str(study.model.result)).stat().st_size


# What is wrong with it


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (MINIMAL + "[modle]\nx = 1\n", ":3: modle", "unknown key `modle`"),
        (MINIMAL + "inptus = []\n", ":3: model.inptus", "unknown key `inptus`"),
        ("name = 'a b'\n" + MINIMAL, ":1: name", "not a name for a study"),
        ("name = 3\n" + MINIMAL, ":1: name", "a number stands where a string"),
        ("[model]\ninputs = []\n", ":1: model", "`model.command` is missing"),
        ("", ".toml", "`model.command` is missing"),
        ("[model]\ncommand = ''\n", ":2: model.command", "it is empty"),
        ("[model]\ncommand = 'echo \"x'\n", ":2: model.command", "never closed"),
        (MINIMAL + "inputs = 3\n", ":3: model.inputs", "a number stands where a list of strings"),
        (MINIMAL + "inputs = [1]\n", ":3: model.inputs", "a list stands where a list of strings"),
        (MINIMAL + "inputs = ['no.py']\n", ":3: model.inputs", "there is no `no.py`"),
        (MINIMAL + "inputs = ['*.py']\n", ":3: model.inputs", "no file matches"),
        (MINIMAL + "inputs = ['../x']\n", ":3: model.inputs", "leaves the study's folder"),
        (MINIMAL + "inputs = ['a/../../x']\n", ":3: model.inputs", "leaves the study's folder"),
        (MINIMAL + "inputs = ['/etc/passwd']\n", ":3: model.inputs", "not inside the study's folder"),
        (MINIMAL + "inputs = ['~/x']\n", ":3: model.inputs", "not inside the study's folder"),
        (MINIMAL + 'inputs = ["a\\u0007"]\n', ":3: model.inputs", "control characters"),
        (MINIMAL + "shared = ['../x']\n", ":3: model.shared", "leaves the study's folder"),
        (MINIMAL + "shared = ['/no/such']\n", ":3: model.shared", "there is no"),
        (MINIMAL + "shared = ['.']\n", ":3: model.shared", "cannot be shared as a whole"),
        (MINIMAL + "templates = ['no.in']\n", ":3: model.templates", "there is no `no.in`"),
        (MINIMAL + "env = { 'A B' = '1' }\n", ":3: model.env.A B", "not a name for a variable"),
        (MINIMAL + "env = { WEFT_X = '1' }\n", ":3: model.env.WEFT_X", "not a name for a variable"),
        (MINIMAL + "env = { A = [1] }\n", ":3: model.env.A", "a list stands where a string"),
        (MINIMAL + "env = { A = '{b}' }\n", ":3: model.env.A", "there is no parameter `b`"),
        (MINIMAL + "workdir = 'nod'\n", ":3: model.workdir", "not one of the possible words"),
        (MINIMAL + "expect = ['../x']\n", ":3: model.expect", "leaves the case's directory"),
        (MINIMAL + "result = ['x']\n", ":3: model.result", "a list stands where a string"),
        (MINIMAL + "[output]\nkeep = ['/x']\n", ":4: output.keep", "not inside the case's directory"),
        (MINIMAL + "[output]\nchunk = 3\n", ":4: output.chunk", "a number stands where a size"),
        (MINIMAL + "[output]\nchunk = '3 parsec'\n", ":4: output.chunk", "is not a size"),
        (RUN, ":2: model.command", "there is no parameter `a`"),
        (MINIMAL + A, ":4: parameters.a", "the parameter `a` is not used"),
        ("[model]\ncommand = \"run '{a}'\"\n" + A, ":2: model.command", "single quotes"),
        ("[model]\ncommand = 'bash -c \"x {a}\"'\n" + A, ":2: model.command", "-c"),
        (RUN + "finish = 'x {a}'\n" + A, ":3: model.finish", "does not run for each case"),
        (RUN + A + "[before]\ncommand = 'x {a}'\n", ":6: before.command", "does not run for each case"),
        (RUN + "[parameters]\na = []\n", ":4: parameters.a", "empty"),
        (RUN + "[parameters]\na = [1, 1.0]\n", ":4: parameters.a", "twice"),
        (RUN + "[parameters]\na = nan\n", ":4: parameters.a", "not a finite number"),
        (RUN + "[parameters]\na = [inf]\n", ":4: parameters.a", "not a finite number"),
        (RUN + "[parameters]\na = 1979-05-27\n", ":4: parameters.a", "date is not a kind of value"),
        (RUN + "[parameters]\na = [[1]]\n", ":4: parameters.a", "list is not a kind of value"),
        (RUN + "[parameters]\na = { range = [0] }\n", ":4: parameters.a", "`range` is not a list"),
        (RUN + "[parameters]\na = { rnage = [0, 1] }\n", ":4: parameters.a", "unknown key `rnage`"),
        (
            RUN + "[parameters]\na = { range = [0, 1], values = [1] }\n",
            ":4: parameters.a",
            "say the values twice",
        ),
        (RUN + "[parameters]\na = { values = [1], seed = 1 }\n", ":4: parameters.a", "goes with `repeat`"),
        (RUN + "[parameters]\na = {}\n", ":4: parameters.a", "it has no values"),
        (RUN + "[parameters]\na = { normal = [0, 1] }\n", ":4: parameters.a", "not supported yet"),
        (RUN + "[parameters]\na = { files = 'x/*' }\n", ":4: parameters.a", "no file matches"),
        (RUN + "[parameters]\na = { files = '../*' }\n", ":4: parameters.a", "leaves the study's folder"),
        (RUN + "[parameters]\na = { files = 3 }\n", ":4: parameters.a", "a number stands where a pattern"),
        (RUN + A + "'b c' = 1\n", ":5: parameters.b c", "not a name for a parameter"),
        (RUN + A + "case = 1\n", ":5: parameters.case", "a name that weft itself uses"),
        (RUN + A + "weft_x = 1\n", ":5: parameters.weft_x", "a name that weft itself uses"),
        ("parameters = 3\n" + MINIMAL, ":1: parameters", "a number stands where a table"),
        (RUN + A + "[space]\nwhere = 'a >'\n", ":6: space.where", "is not an expression"),
        (RUN + A + "[space]\nwhere = 'b > 1'\n", ":6: space.where", "there is no parameter `b`"),
        (RUN + A + "[space]\nzip = ['a', 'b']\n", ":6: space.zip", "a list stands where a list of lists"),
        (RUN + A + "[space]\nzip = [['a', 'b']]\n", ":6: space.zip", "there is no parameter `b`"),
        (RUN + A + "[space]\nzip = [['a']]\n", ":6: space.zip", "two different parameters"),
        (MINIMAL + "[space]\ntable = 'no.csv'\n", "no.csv", "there is no such table"),
        (MINIMAL + "[space]\ntable = 3\n", ":4: space.table", "not an iterable"),
        (MINIMAL + "[space]\ntable = { fiel = 'x' }\n", ":4: space.table", "unknown key `fiel`"),
        (MINIMAL + "[space]\ntable = { where = 'x' }\n", ":4: space.table", "`file` is missing"),
        (MINIMAL + "[sampling]\nn = 3\n", ":3: sampling", "not supported yet"),
        (MINIMAL + "[resources]\ncores = 0\n", ":4: resources.cores", "out of range"),
        (MINIMAL + "[resources]\ncores = 1.5\n", ":4: resources.cores", "where a whole number"),
        (MINIMAL + "[resources]\nminutes = nan\n", ":4: resources.minutes", "out of range"),
        (MINIMAL + "[resources]\nmemory = '0 GB'\n", ":4: resources.memory", "is not a size"),
        (MINIMAL + "[retry]\non = ['timeout']\n", ":4: retry.on", "not a reason"),
        (MINIMAL + "[retry]\nattempts = 0\n", ":4: retry.attempts", "out of range"),
        (MINIMAL + "[run]\non = 'slrum'\n", ":4: run.on", "not a place to run"),
        (MINIMAL + "[local]\nslot = 3\n", ":4: local.slot", "unknown key `slot`"),
        (MINIMAL + "[slurm]\nx = [3]\n", ":4: slurm.x", "a list stands where"),
        (MINIMAL + "[before]\ninputs = []\n", ":4: before.inputs", "no command"),
        (MINIMAL + "[before]\nstudies = ['no.toml']\n", ":4: before.studies", "there is no study file"),
        (MINIMAL + "[after]\ncommand = 3\n", ":4: after.command", "a number stands where a string"),
        ("[model\n", ":1:7", "not TOML"),
        ("a = 1\na = 2\n", ":2:6", "not TOML"),
        ("name = yes\n", ":1:8", "not TOML"),
        ("a = " + "[" * 5000, ".toml", "not TOML"),
        ("a = " + "9" * 5000 + "\n", ".toml", "not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    found = complaint(tmp_path, text)
    assert found.where.endswith(where)
    assert what in found.what
    assert StudyFileError([found]).exit_code == Exit.USAGE


def test_zipped_parameters_need_the_same_number_of_values(tmp_path: Path) -> None:
    text = "[model]\ncommand = 'run {a} {b}'\n" + A + "b = 3\n[space]\nzip = [['a', 'b']]\n"
    found = complaint(tmp_path, text)
    assert found.where.endswith(":7: space.zip")
    assert "a has 2, b has 1" in found.what


def test_a_section_that_is_no_table_is_told(tmp_path: Path) -> None:
    assert any("where a table is expected" in one.what for one in complaints(tmp_path, "model = 3\n"))


def test_all_complaints_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "nam = 'x'\n[model]\ncommand = 'run {a} {zz}'\ninputs = ['no.py']\n"
    text += "[parameters]\na = []\n[retry]\nattempts = 'x'\n"
    places = [one.where.removeprefix(f"{tmp_path}/study.toml:") for one in complaints(tmp_path, text)]
    assert [int(place.split(":")[0]) for place in places] == [1, 3, 4, 6, 8]


def test_the_nearest_name_is_offered(tmp_path: Path) -> None:
    assert complaint(tmp_path, MINIMAL + "comand = 'x'\n").hint == "did you mean `command`?"


def test_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b"# a\n# caf\xe9\n" + MINIMAL.encode())
    with pytest.raises(StudyFileError) as error:
        load(tmp_path)
    assert error.value.complaints[0].where.endswith("study.toml:2")
    assert "0xe9" in error.value.complaints[0].what


def test_templates_are_checked(tmp_path: Path) -> None:
    text = '[model]\ncommand = "run"\ntemplates = ["a.in", "b.in"]\n' + A
    make(tmp_path, text, a_in="x\n{% if %}\n", b_in="{{ a }} {{ scal }}")
    where = [one.where.rsplit("/", 1)[-1] for one in complaints(tmp_path, text)]
    assert where == ["study.toml:3: model.templates", "a.in:2"]


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + 'templates = ["a.in"]\n' + A,
        MINIMAL + 'templates = ["b.in"]\n' + A,
        MINIMAL + 'env = { A = "{a}" }\n' + A,
        MINIMAL + A + '[space]\nwhere = "a > 1"\n',
        '[model]\ncommand = "run {params}"\n' + A,
    ],
)
def test_there_are_many_ways_to_use_a_parameter(tmp_path: Path, text: str) -> None:
    assert "a" in load(make(tmp_path, text, a_in="{{ a }}", b_in="{{ params }}")).parameters


@pytest.mark.parametrize(
    "model",
    [
        'inputs = ["m.tcl", "m.tcl.in"]\ntemplates = ["m.tcl.in"]',
        'templates = ["m.tcl"]\ninputs = ["m.tcl"]',
        'inputs = ["d/x"]\nshared = ["d"]',
        'templates = ["d/t.in"]\nshared = ["d"]',
        'shared = ["d", "FOLDER/e/d"]',
        'templates = ["t.in", "t.j2"]',
        'templates = ["params.json.in"]',
    ],
)
def test_what_would_hide_another_in_a_cases_directory_is_refused(tmp_path: Path, model: str) -> None:
    text = '[model]\ncommand = "run {params}"\n' + model.replace("FOLDER", str(tmp_path)) + "\n"
    make(tmp_path, text, "m.tcl", "m.tcl.in", "d/x", "d/t.in", "e/d", "t.in", "t.j2", "params.json.in")
    assert "would both be" in complaint(tmp_path, text).what


def test_a_column_and_a_parameter_of_the_same_name_are_refused(tmp_path: Path) -> None:
    text = RUN + A + "[space]\ntable = 'c.csv'\n"
    make(tmp_path, text, c_csv="a\n1\n")
    assert "both a parameter and a column" in complaint(tmp_path, text).what


def test_a_duplicate_row_is_told(tmp_path: Path) -> None:
    text = RUN + "[space]\ntable = 'c.csv'\n"
    make(tmp_path, text, c_csv="a,b\n1,2\n1,2\n")
    assert "rows 1 and 2 of c.csv" in complaint(tmp_path, text).what


def test_a_column_with_a_name_of_wefts_own_must_be_renamed(tmp_path: Path) -> None:
    make(tmp_path, "", r_csv="case,status,a\nc1,done,1\nc2,failed,2\n")
    table = "[space]\ntable = { file = 'r.csv', columns = "
    assert "weft itself uses" in complaint(tmp_path, RUN + table + "['case', 'a'] }\n").what
    study = load(make(tmp_path, RUN + table + "{ parent = 'case', a = 'a' } }\n"))
    assert [dict(row) for row in study.space.table] == [{"parent": "c1", "a": 1}]


# The file itself


def test_no_study_here(tmp_path: Path) -> None:
    (tmp_path / "sub" / "study.toml").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "no.toml", tmp_path / "sub", tmp_path / "pipe", "a\0b", "x" * 5000):
        with pytest.raises(NoStudyHere) as error:
            load(path)
        assert error.value.exit_code == Exit.NO_STUDY
        assert error.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_no_study(tmp_path: Path) -> None:
    make(tmp_path, MINIMAL)
    (tmp_path / "study.toml").chmod(0)
    with pytest.raises(NoStudyHere, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("1.5MB", 1_500_000), ("1 GiB", 2**30), ("7 b", 7), (" 3 kB ", 3000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2", "GB", "-1 GB", "0 MB", "1e3 MB", "2 GBs", "9" * 400 + " GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(WeftError, match="is not a size"):
        parse_size(text)


LINES = '''# [not.a.table]
top = """
[not]
x = 1
"""
[a]
x.y = 1
"q \\" k" = [
  1, # ]
  "]",
]
[a.b.'c d']
s = \'\'\'
z = 3
\'\'\'
t = { u = 1 }
[[list]]
v = 1
'''


def test_the_line_of_every_key_is_found() -> None:
    found = {".".join(key): line for key, line in key_lines(LINES).items()}
    assert found == {
        "top": 2,
        "a": 6,
        "a.x": 7,
        "a.x.y": 7,
        'a.q " k': 8,
        "a.b": 12,
        "a.b.c d": 12,
        "a.b.c d.s": 13,
        "a.b.c d.t": 16,
        "list": 17,
        "list.v": 18,
    }


# Whatever is in it

SAMPLE = (Path(__file__).parents[2] / "examples" / "portal-ida" / "study.toml").read_text()
words = st.sampled_from(
    [
        *(
            "[model]",
            "[parameters]",
            "[space]",
            "a = ",
            "command = ",
            "{ range = [0, 3] }",
            "{ files = '*' }",
        ),
        *(
            "'{a}'",
            "\n",
            "[",
            "]",
            "{",
            "}",
            "=",
            "'",
            '"',
            '"""',
            "1e999",
            "nan",
            "-1",
            "0x7f",
            "1979-05-27",
        ),
        *("true", "table = ", "zip = ", "where = ", "..", "\\", "{ linspace = [0, 1, 9] }", "\0", "env = "),
    ]
)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
sections = st.sampled_from(
    [
        *("name", "model", "output", "parameters", "space", "before", "after", "resources", "retry", "run"),
        *("local", "slurm"),
    ]
)
keys = st.sampled_from(
    [
        *("command", "inputs", "shared", "templates", "env", "setup", "expect", "result", "keep", "chunk"),
        *("table", "zip", "where", "cores", "on", "a", "studies"),
    ]
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answer(folder: Path, data: bytes) -> None:
    (folder / "study.toml").write_bytes(data)
    try:
        study = load(folder)
        assert isinstance(study, Study)
        assert expand(study)
    except WeftError:
        return


@quick
@given(data=st.binary(max_size=200) | st.lists(words, max_size=20).map(lambda parts: "".join(parts).encode()))
def test_any_bytes_are_a_study_or_a_complaint(tmp_path: Path, data: bytes) -> None:
    answer(tmp_path, data)


@quick
@given(data=st.data())
def test_any_change_of_a_study_is_a_study_or_a_complaint(tmp_path: Path, data: st.DataObject) -> None:
    text = SAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 12)))
        text = text[:at] + data.draw(words | st.text(max_size=3)) + text[end:]
    answer(tmp_path, text.encode("utf-8", "surrogatepass"))


@quick
@given(st.dictionaries(sections, anything | st.dictionaries(keys, anything, max_size=4), max_size=5))
def test_any_structure_in_python_is_a_study_or_a_complaint(tmp_path: Path, made: dict[str, Any]) -> None:
    try:
        assert expand(study_from_python(folder=tmp_path, **made))
    except WeftError:
        return


# Through Tapis, and on


TAPIS = """\
[model]
command = "true"
[run]
on = "tapis"
[tapis]
"""


def test_the_table_of_tapis_is_read(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        TAPIS
        + """\
app = "opensees-mp-s3"
queue = "skx-dev"
type = "BATCH"
nodes = 2
memory = "192 GB"
minutes = 120
tags = "mine"
store = "tapis://stampede3/work2/me/weft"
args = { "Main Program" = "OpenSeesMP", "UseMPI" = true }
family = { cannot = ["x"] }
"""
    )
    settings = load(tmp_path).settings["tapis"]
    assert settings["memory_mb"] == 192_000
    assert settings["minutes"] == 120.0
    assert settings["tags"] == ["mine"]
    assert settings["args"] == {"Main Program": "OpenSeesMP", "UseMPI": True}
    assert "allocation" not in settings


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "it is not said which app"),
        ('app = "a"\nappp = "b"', "unknown key `appp`"),
        ('app = "a"\ntype = "fork"', '"fork" is not one of the possible words'),
        ('app = "a"\nstore = "/work2/me"', "is not an address"),
        ('app = "a"\nbase_url = "tapis.io"', "is not the address of a service"),
        ('app = "a"\nargs = { x = [1] }', "the value of `x`"),
        ('app = "a"\nminutes = "two"', "a number is expected"),
    ],
)
def test_what_makes_no_sense_in_the_table_of_tapis_is_told(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "study.toml").write_text(TAPIS + line + "\n")
    with pytest.raises(StudyFileError, match=re.escape(said)):
        load(tmp_path)


def test_how_a_case_goes_on_is_read(tmp_path: Path) -> None:
    head = '[model]\ncommand = "true"\n[continue]\n'
    (tmp_path / "study.toml").write_text(head + 'files = ["state/*"]\nexit = 85\n')
    assert load(tmp_path).continues == Continue(files=("state/*",), exit=85)
    for line, said in (
        ("exit = 85", "which files"),
        ('files = ["a"]\nexit = 200', "no exit code"),
        ('files = ["../a"]', "case's directory"),
    ):
        (tmp_path / "study.toml").write_text(head + line + "\n")
        with pytest.raises(StudyFileError, match=said):
            load(tmp_path)


def test_who_is_told_is_read(tmp_path: Path) -> None:
    head = '[model]\ncommand = "true"\n[notify]\n'
    (tmp_path / "study.toml").write_text(head + 'desktop = true\nmail = "me@example.org"\n')
    assert load(tmp_path).notify == {"desktop": True, "mail": "me@example.org"}
    (tmp_path / "study.toml").write_text(head + "desktop = 1\n")
    with pytest.raises(StudyFileError, match="true or false"):
        load(tmp_path)
