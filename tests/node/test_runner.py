"""The node runner as a user meets it: a bundle goes in, records and a ZIP come out."""

import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.node.bundles import RUNNER, Job, pythons


def test_cases_end_with_what_they_did(tmp_path: Path) -> None:
    job = Job(tmp_path, "echo out; echo err >&2; echo x > a.out", "exit 3", "true")
    assert job.run() == 0
    assert job.outcomes() == {"c0": "FINISHED", "c1": "FAILED", "c2": "FINISHED"}
    first, failed = job.case("c0"), job.case("c1")
    assert (first["exit"], first["signal"], first["why"], first["tail"]) == (0, None, None, None)
    assert (first["files"], first["kept"], first["result"]) == (1, 2, None)
    assert first["wall"] > 0
    assert first["start"] + first["wall"] == pytest.approx(first["end"], abs=0.5)
    assert (failed["exit"], failed["why"]) == (3, "exit 3")
    assert job.outputs() == {"c0/stdout.txt": b"out\n", "c0/stderr.txt": b"err\n"}


def test_the_records_tell_the_story_of_the_job(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", "true", "true", setup=["A=1"], finish="true")
    assert job.run() == 0
    assert [record["span"] for record in job.of("span")] == ["UNPACK", "SETUP", "CASES", "FINISH", "PACK"]
    assert {record["slot"] for record in job.of("start")} == {0, 1}
    assert sorted(record["case"] for record in job.of("start")) == ["c0", "c1", "c2"]
    [about] = job.of("runner")
    assert (about["job"], about["slots"]) == (job.id, 2)
    end = job.end()
    assert (end["outcome"], end["why"], end["exit"], end["zips"]) == ("FINISHED", None, 0, [])
    assert end["busy"] == pytest.approx(sum(record["wall"] for record in job.of("case")))


@pytest.mark.parametrize("python", [*pythons()[:1], sys.executable], ids=["oldest", "own"])
def test_it_runs_under_the_oldest_python(
    tmp_path: Path, python: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nnode runner under {python}")
    many = [f"echo {n}; cat in.txt t.txt > o.out; echo '{{\"n\": {n}}}' > r.json" for n in range(40)]
    cases: list[Any] = [{"command": c, "rendered": ["t.txt"]} for c in many] + [
        {"command": "sleep 60", "minutes": 0.005},
        {"command": "setsid sleep 60 & sleep 60 & kill -9 $$"},
        {"command": "head -c 100000000 /dev/zero | tail", "memory_mb": 50},
    ]
    job = Job(
        tmp_path, *cases, setup=["export A=1"], inputs={"in.txt": b"in"}, keep=["*.out"], result="r.json",
        expect=["o.out"], rendered={f"c{n}/t.txt": b"t%d" % n for n in range(40)}, finish='echo "$A" > f.out',
        chunk_bytes=3000,
    )  # fmt: skip
    assert job.run(python) == 0
    assert set(list(job.outcomes().values())[:30]) == {"FINISHED"}
    assert job.case("c40")["outcome"] == "TIMED_OUT"
    assert job.case("c41")["signal"] == 9
    assert job.case("c17")["result"] == {"n": 17}
    assert job.outputs()["c17/o.out"] == b"int17"
    assert job.outputs()["c17/stdout.txt"] == b"17\n"
    assert job.outputs()["finish/f.out"] == b"1\n"
    assert len(job.end()["zips"]) > 1


def test_it_is_written_for_the_oldest_python() -> None:
    """Where no such interpreter is at hand: the language and the library say from when on they have what is used."""
    look = [sys.executable, "-c", "import vermin; vermin.main()", "-t=3.6-", "--no-tips", str(RUNNER)]
    done = subprocess.run(look, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bad_results_and_missing_outputs_fail_that_case_alone(tmp_path: Path) -> None:
    broken = ["{", "[1]", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": {"b": 1}}', "\udc80"]
    commands = [f"printf '%s' '{text}' > r.json; echo x > d.out" for text in broken[:-1]]
    commands += [
        "echo x > d.out",
        "echo '{}' > r.json",
        ": > d.out; echo '{}' > r.json",
        "mkfifo r.json; echo x > d.out",
    ]
    commands += ['echo \'{"a": 1.5, "b": null}\' > r.json; echo x > d.out']
    commands += ["echo '{\"a\": 2}' > r.json; exit 1"]
    job = Job(tmp_path, *commands, expect=["d.out"], result="r.json")
    assert job.run() == 0
    whys = {record["case"]: record["why"] for record in job.of("case")}
    assert "not JSON" in whys["c0"]
    assert "not a JSON object" in whys["c1"]
    assert [("'a' is not finite" in whys[f"c{n}"]) for n in (2, 3, 4)] == [True] * 3
    assert "'a' is nested" in whys["c5"]
    assert "r.json is missing" in whys["c6"]
    assert "d.out is missing" in whys["c7"]
    assert "d.out is empty" in whys["c8"]
    assert "r.json is missing" in whys["c9"]
    assert [id for id, outcome in job.outcomes().items() if outcome == "FINISHED"] == ["c10"]
    assert job.case("c10")["result"] == {"a": 1.5, "b": None}
    assert (whys["c11"], job.case("c11")["result"]) == ("exit 1", {"a": 2})


def test_commands_that_cannot_run(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        "no-such-command-here",
        "echo >f; ./f",
        "kill -SEGV $$",
        "x='" + "x" * 3_000_000 + "'",
        "true",
    )
    assert job.run() == 0
    assert (job.case("c0")["exit"], job.case("c0")["why"]) == (127, "exit 127: a command was not found")
    assert "no-such-command-here" in job.case("c0")["tail"]
    assert job.case("c1")["exit"] == 126
    assert (job.case("c2")["exit"], job.case("c2")["signal"]) == (None, 11)
    assert "SIGSEGV" in job.case("c2")["why"]
    assert "could not be started" in job.case("c3")["why"]
    assert job.case("c4")["outcome"] == "FINISHED"


def test_a_case_whose_directory_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    impossible = {"command": "true", "rendered": ["in.txt/x"]}  # a file below a file
    job = Job(
        tmp_path,
        impossible,
        "echo 1",
        "echo 2",
        inputs={"in.txt": b""},
        rendered={"c0/in.txt/x": b""},
        slots=1,
    )
    assert job.run() == 0
    assert job.outcomes() == {"c0": "FAILED", "c1": "FINISHED", "c2": "FINISHED"}
    assert "could not be started" in job.case("c0")["why"]
    assert job.outputs() == {"c1/stdout.txt": b"1\n", "c2/stdout.txt": b"2\n"}


def test_a_case_that_removes_its_directory_harms_only_itself(tmp_path: Path) -> None:
    remove = 'rm -r "$PWD"'
    job = Job(tmp_path, remove, "true", f"sleep 1.2; {remove}", expect=["a"])
    assert job.run() == 0
    assert set(job.outcomes().values()) == {"FAILED"}
    assert "its directory could not be read" in job.case("c0")["note"]


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", inputs={"in.txt": b"content"})
    path = job.folder / "bundle.zip"
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))
    assert job.run() == 64
    assert "damaged" in job.end()["why"]


def test_the_environment_of_a_case(tmp_path: Path) -> None:
    show = 'echo "$A $B $C $WEFT_STUDY $WEFT_JOB $WEFT_CASE $OMP_NUM_THREADS $MKL_NUM_THREADS"; cat'
    job = Job(
        tmp_path, {"command": show, "env": {"C": "case", "B": "case"}}, setup=["export A=setup"], slots=1,
        env={"B": "bundle", "C": "bundle", "MKL_NUM_THREADS": "7"}, cores=2,
    )  # fmt: skip
    assert job.run(OMP_NUM_THREADS="99") == 0
    assert job.outputs()["c0/stdout.txt"].decode() == f"setup case case study {job.id} c0 2 7\n"


def test_inputs_shared_files_and_rendered_files_are_seen_and_not_archived(tmp_path: Path) -> None:
    shared = tmp_path / "big"
    shared.mkdir()
    (shared / "a.AT2").write_text("shared")
    (tmp_path / "one").write_text("single")
    job = Job(
        tmp_path,
        {
            "command": "cat sub/in.txt rec/a.AT2 one t.tcl own.txt params.json; ls",
            "files": ["own.txt"],
            "rendered": ["t.tcl"],
        },
        "cat t.tcl 2>/dev/null; ls; echo new > sub/new; rm sub/in.txt; echo mine > sub/in.txt",
        "cat sub/in.txt; echo changed > t.tcl",
        inputs={"sub/in.txt": b"input ", "own.txt": b" own "},
        rendered={"c0/t.tcl": b" rendered"},
        shared=[
            {"name": "rec", "path": str(shared), "files": [["a.AT2", 6]]},
            {"name": "one", "path": str(tmp_path / "one"), "files": [["", 6]]},
        ],
        params_file=True,
        keep=["**"],
        slots=1,
    )  # fmt: skip
    assert job.run() == 0
    outputs = job.outputs()
    text = outputs.pop("c0/stdout.txt").decode()
    assert text.startswith('input sharedsingle rendered own {"n": 0}')
    assert "own.txt" not in outputs.pop("c1/stdout.txt").decode()
    assert outputs.pop("c2/stdout.txt") == b"input ", "no case may change what the others see"
    assert {name for name in outputs if not name.endswith(("params.json", "c0/t.tcl"))} == {
        "c1/sub/new", "c1/sub/in.txt", "c2/t.tcl",
    }  # fmt: skip
    assert [job.case(f"c{n}")["files"] for n in (0, 2)] == [0, 1]


@pytest.mark.parametrize("files", [[["a", 1]], [["gone", 1]]])
def test_a_missing_or_wrong_shared_input_ends_the_job_before_the_setup(
    tmp_path: Path, files: list[Any]
) -> None:
    (tmp_path / "a").write_text("22")
    entry = {"name": "rec", "path": str(tmp_path), "files": files}
    job = Job(tmp_path, "true", shared=[entry], setup=["touch $WEFT_NODE_DIR/../setup-ran"])
    assert job.run() == 66
    assert str(tmp_path / files[0][0]) in job.end()["why"]
    assert (job.end()["outcome"], job.of("start")) == ("FAILED", [])
    assert not (tmp_path / "setup-ran").exists()


def test_setup_is_recorded_and_inherited(tmp_path: Path) -> None:
    lines = [
        "export LOADED=yes API_TOKEN=secret LONG=$(printf %03000d 1)",
        "echo loaded something",
        "module() { :; }",
    ]
    job = Job(tmp_path, 'test "$LOADED" = yes', setup=lines)
    assert job.run() == 0
    [setup] = job.of("setup")
    assert (setup["exit"], setup["tail"]) == (0, "loaded something")
    assert setup["changed"]["LOADED"] == "yes"
    assert setup["changed"]["API_TOKEN"] == "***"
    assert len(setup["changed"]["LONG"]) == 2000
    assert job.outcomes() == {"c0": "FINISHED"}


def test_a_failed_setup_line_ends_the_job(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", setup=["echo one", "ls /no-such-module", "echo not reached"])
    assert job.run() == 67
    assert job.end()["why"] == "the setup failed at `ls /no-such-module` with exit 2"
    assert "one\n" in job.of("setup")[0]["tail"]
    assert "not reached" not in job.of("setup")[0]["tail"]
    assert job.of("start") == []


def test_a_setup_that_leaves_early_is_a_failure_too(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", setup=["exit 0", "export A=1"])
    assert job.run() == 67
    assert "before its last line" in job.end()["why"]
    assert job.of("start") == []


def test_finish_sees_inputs_and_records_and_its_output_is_kept(tmp_path: Path) -> None:
    job = Job(
        tmp_path, "true", "false", finish='sh count.sh "$WEFT_RESULTS" > sum.txt', keep=["*.txt"],
        inputs={"count.sh": b'grep -c \'"t": "case"\' "$1"'},
    )  # fmt: skip
    assert job.run() == 0
    assert job.outputs() == {"finish/sum.txt": b"2\n"}


SUMMARY = """\
import csv, json, os
rows = []
for line in open(os.environ["WEFT_RESULTS"]):
    record = json.loads(line)
    if record["t"] == "case":
        raw = os.path.join(os.environ["WEFT_CASES"], record["case"], "out/raw.txt")
        numbers = [float(text) for text in open(raw)]
        rows.append([record["case"], record["outcome"], sum(numbers)])
with open("summary.csv", "w") as f:
    csv.writer(f, lineterminator="\\n").writerows(sorted(rows))
"""


def test_finish_sums_up_what_the_cases_left(tmp_path: Path) -> None:
    """The way to keep little: the raw files of all cases are read where they are, and only the sums are kept."""
    model = "mkdir out; for i in 1 2 3; do echo $((i * {})); done > out/raw.txt; exit {}"
    job = Job(
        tmp_path, *(model.format(n, int(n == 3)) for n in range(5)), keep=["summary.csv"],
        finish=f"{shlex.quote(sys.executable)} summary.py && ls $WEFT_CASES", inputs={"summary.py": SUMMARY.encode()},
    )  # fmt: skip
    assert job.run() == 0
    [(name, text)] = job.outputs().items()
    rows = [f"c{n},{'FAILED' if n == 3 else 'FINISHED'},{6.0 * n}" for n in range(5)]
    assert (name, text.decode().splitlines()) == ("finish/summary.csv", rows)
    assert job.of("finish")[0]["tail"].split() == [f"c{n}" for n in range(5)]


def test_finish_finds_a_directory_of_every_case_that_ran(tmp_path: Path) -> None:
    job = Job(
        tmp_path, "true", "sleep 1.2; mkdir d", "sleep 60", {"command": "true", "seconds": 1000},
        {"command": "x='" + "x" * 3_000_000 + "'"}, minutes=0.04, deadline_s=60, finish="cd $WEFT_CASES; echo *"
    )  # fmt: skip
    assert job.run() == 143  # since a case was left out
    assert job.outcomes() == {"c0": "FINISHED", "c1": "FINISHED", "c2": "TIMED_OUT", "c4": "FAILED"}
    assert job.of("finish")[0]["tail"] == "c0 c1 c2"


def test_setup_and_finish_are_recorded_with_their_times(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", setup=["sleep 0.2"], finish="sleep 0.2")
    assert job.run() == 0
    for record in (*job.of("setup"), *job.of("finish")):
        assert record["seconds"] >= 0.2
        assert record["start"] + record["seconds"] == pytest.approx(record["end"], abs=0.5)
        assert record["at"] == record["end"]
    assert [job.of(kind)[0]["start"] > job.of("runner")[0]["start"] for kind in ("setup", "finish")] == [
        True
    ] * 2


def test_a_failed_finish_leaves_the_cases_standing(tmp_path: Path) -> None:
    job = Job(tmp_path, "echo x", finish="echo all; echo wrong >&2; exit 9")
    assert job.run() == 68
    assert (job.outcomes(), job.of("finish")[0]["exit"]) == ({"c0": "FINISHED"}, 9)
    assert job.end()["why"] == "the finish command failed with exit 9"
    assert job.of("finish")[0]["tail"] == "all\nwrong"
    assert job.outputs() == {"c0/stdout.txt": b"x\n"}


def test_a_reason_is_one_line(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", expect=["a\nb"], setup=["true"])
    assert job.run() == 0
    assert job.case()["why"] == "expected output a b is missing"
    job = Job(tmp_path / "2", setup=["if true; then\n false\n fi", "{\necho a\n(exit 3\n)\n}"])
    assert job.run() == 67
    assert "\n" not in job.end()["why"]


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"format": 9}'])
def test_a_bad_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    import zipfile

    job = Job(tmp_path)
    with zipfile.ZipFile(job.folder / "bundle.zip", "w") as z:
        z.writestr("bundle.json", content)
    assert job.run() == 64
    assert "bundle.zip" in job.end()["why"]


@pytest.mark.parametrize(
    "case", [{"id": "../x"}, {"files": ["gone"]}, {"rendered": ["../../x"]}, {"rendered": ["gone"]}]
)
def test_a_case_that_leaves_its_place_is_refused(tmp_path: Path, case: dict[str, Any]) -> None:
    job = Job(tmp_path, {"command": "true", **case})
    assert job.run() == 64
    assert job.of("case") == []


def test_no_job_directory_is_bad_usage() -> None:
    done = subprocess.run([sys.executable, str(RUNNER), "/nowhere"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith("usage:")) == (64, True)


def test_a_study_without_cases_ends(tmp_path: Path) -> None:
    job = Job(tmp_path)
    assert job.run() == 0
    assert job.end()["outcome"] == "FINISHED"


def test_the_longest_cases_come_first(tmp_path: Path) -> None:
    seconds = [None, 1, 3, None, 2]
    job = Job(tmp_path, *({"command": "true", "seconds": s} for s in seconds), slots=1)
    assert job.run() == 0
    assert [record["case"] for record in job.of("start")] == ["c2", "c4", "c1", "c0", "c3"]


@pytest.mark.parametrize("workdir", ["node", "scratch", "job"])
def test_the_work_directory_is_where_it_was_asked_for(tmp_path: Path, workdir: str) -> None:
    scratch = tmp_path / 'it\'s "scratch" é'
    scratch.mkdir()
    job = Job(tmp_path / "a folder 'q' \"d\"", "pwd", workdir=workdir, setup=["true"])
    assert job.run(SCRATCH=str(scratch)) == 0
    parent = {"node": job.node, "scratch": scratch, "job": job.folder}[workdir]
    assert Path(job.outputs()["c0/stdout.txt"].decode().strip()).is_relative_to(parent)
    assert list(scratch.iterdir()) == []
    assert sorted(p.name for p in job.folder.iterdir()) == [
        "bundle.zip",
        "out-000.zip",
        "results.jsonl",
        "runner.pid",
    ]


def test_usage_is_measured(tmp_path: Path) -> None:
    use = "b = b'x' * 80_000_000; open('f', 'wb').write(b[:3_000_000]); open('f').read()"
    job = Job(tmp_path, f'({shlex.quote(sys.executable)} -W ignore -c "{use}")')
    assert job.run() == 0
    record = job.case()
    assert 80_000_000 < record["memory"] < 300_000_000
    assert 3_000_000 <= record["written"] < 4_000_000
    assert record["read"] >= 3_000_000
    assert 0 < record["cpu"] < 60
    assert not any(isinstance(v, float) and not math.isfinite(v) for v in record.values())


def test_the_memory_of_a_case_that_is_less_than_the_runner_s_own_is_unknown(tmp_path: Path) -> None:
    # Its process begins as a copy of the runner, so the kernel's figure is that of the runner.
    job = Job(tmp_path, "true", "sleep 0.8", {"command": "x='" + "x" * 3_000_000 + "'"})
    assert job.run() == 0
    assert [job.case(f"c{n}")["memory"] for n in (0, 2)] == [None, None]
    assert 100_000 < job.case("c1")["memory"] < 8_000_000  # sampled: a shell and a sleep


def test_thousands_of_cases_leave_one_zip_and_one_record_each(tmp_path: Path) -> None:
    commands = ["echo x > a.out; echo y > b.out; echo z"] * 500
    job = Job(tmp_path, *commands, keep=["*.out"])
    assert job.run() == 0
    assert set(job.outcomes().values()) == {"FINISHED"}
    assert len(job.of("case")) == 500
    assert len(job.outputs()) == 1500
    assert len(list(job.folder.iterdir())) == 4


def test_the_pid_file_names_the_runner(tmp_path: Path) -> None:
    job = Job(
        tmp_path, "cat $WEFT_RESULTS/../runner.pid 2>/dev/null || cat $(dirname $WEFT_RESULTS)/runner.pid"
    )
    with job.start() as process:
        process.communicate(timeout=60)
    about = json.loads((job.folder / "runner.pid").read_text())
    assert set(about) == {"pid", "start_ticks", "boot_id", "host"}
    assert (about["pid"], about["host"]) == (process.pid, os.uname().nodename)
    assert json.loads(job.outputs()["c0/stdout.txt"]) == about
