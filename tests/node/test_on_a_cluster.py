"""What a job meets that a scheduler or a service starts: its folder, its twin, its clock, its modules."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.node.bundles import RUNNER, Job, wait_until
from tests.slurm import Cluster

from weft.node import runner

# The job's folder is that of the runner.


def run_without_argument(job: Job, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(path)],
        cwd=cwd,
        env={**os.environ, "WEFT_NODE_DIR": str(job.node)},
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "way", ["inside", "elsewhere", "link to it", "link in the folder", "link to the folder"]
)
def test_without_an_argument_the_job_lies_beside_the_runner(tmp_path: Path, way: str) -> None:
    job = Job(tmp_path, "echo here")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    beside = job.folder / "runner.py"
    if way == "link in the folder":
        beside.symlink_to(shutil.copy(RUNNER, elsewhere))
    else:
        shutil.copy(RUNNER, beside)
    path, cwd = beside, elsewhere
    if way == "inside":
        path, cwd = Path("runner.py"), job.folder
    elif way == "link to it":
        path = elsewhere / "start.py"
        path.symlink_to(beside)
    elif way == "link to the folder":
        (elsewhere / "link").symlink_to(job.folder)
        path = Path("link/runner.py")
    done = run_without_argument(job, path, cwd)
    assert (done.returncode, done.stderr) == (0, "")
    assert job.outputs() == {"c0/stdout.txt": b"here\n"}


def test_without_an_argument_and_a_bundle_nothing_is_touched(tmp_path: Path) -> None:
    job = Job(tmp_path, "true")
    alone = tmp_path / "alone"
    alone.mkdir()
    done = run_without_argument(job, Path(shutil.copy(RUNNER, alone)), job.folder)
    assert (done.returncode, done.stderr.startswith("usage:")) == (64, True)
    assert [path.name for path in alone.iterdir()] == ["runner.py"]


def test_more_than_one_argument_is_bad_usage(tmp_path: Path) -> None:
    job = Job(tmp_path, "true")
    command = [sys.executable, str(RUNNER), str(job.folder), "more"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith("usage:"), job.records()) == (64, True, [])


# A job that was created twice runs once.


def test_of_twins_that_start_at_once_one_runs(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    claim = tmp_path / "store" / "claims" / "job"
    jobs = [Job(tmp_path / str(n), f"echo {n} >> {ran}; sleep 0.3", claim=str(claim)) for n in range(10)]
    processes = [job.start(_tapisJobUUID=f"uuid-{n}") for n, job in enumerate(jobs)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0] + [75] * 9
    winner = codes.index(0)
    assert ran.read_text() == f"{winner}\n"
    owner = json.loads((claim / "runner.json").read_text())
    assert (owner["tapis"], owner["pid"]) == (f"uuid-{winner}", processes[winner].pid)
    assert (owner["job"], owner["host"]) == (jobs[winner].id, os.uname().nodename)
    assert abs(owner["at"] - time.time()) < 60
    assert list(claim.parent.iterdir()) == [claim], "those who lost leave nothing"
    for job, code, words in zip(jobs, codes, said, strict=True):
        if code:
            assert sorted(path.name for path in job.folder.iterdir()) == ["bundle.zip"]
            assert list(job.node.iterdir()) == []
            assert words.startswith(f"weft runner: this job has been started already: {claim} says")
            assert f"uuid-{winner}" in words


@pytest.mark.parametrize("inside", [None, "runner.json"])
def test_a_claim_that_exists_is_another_s(tmp_path: Path, inside: str | None) -> None:
    claim = tmp_path / "claim"
    claim.mkdir()
    if inside:
        (claim / inside).write_text("torn {")
    missing = {"name": "rec", "path": str(tmp_path / "gone"), "files": [["", 1]]}
    job = Job(tmp_path, "true", claim=str(claim), shared=[missing])
    code, _ = job.run_and_hear()
    assert (code, job.records()) == (75, [])
    assert [path.name for path in claim.iterdir()] == ([inside] if inside else [])


def test_a_job_that_ends_at_once_has_been_claimed(tmp_path: Path) -> None:
    missing = {"name": "rec", "path": str(tmp_path / "gone"), "files": [["", 1]]}
    for number, code in ((1, 66), (2, 75)):
        job = Job(tmp_path / str(number), "true", claim=str(tmp_path / "claim"), shared=[missing])
        assert job.run() == code


@pytest.mark.parametrize("claim", ["a file", "a file/below", "/proc/claims/job"])
def test_a_claim_that_cannot_be_made_is_noted(tmp_path: Path, claim: str) -> None:
    (tmp_path / "a file").write_text("")
    place = str(tmp_path / claim)
    job = Job(tmp_path, "true", claim=place)
    assert job.run() == 0
    [about] = job.of("runner")
    assert f"nothing keeps this job from being run twice, as {place} cannot be made: " in about["note"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a file", "job", "node"]


def test_an_answer_that_was_lost_does_not_refuse_the_job_that_got_the_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system repeats a request when its answer is lost, and the second one fails."""
    real = os.rename

    def twice(source: str, target: str) -> None:
        real(source, target)
        real(source, target)

    monkeypatch.setattr(os, "rename", twice)
    assert runner.take_claim(str(tmp_path / "a" / "claim"), "job-1") is None
    with pytest.raises(runner.JobEnd, match="has been started already"):
        runner.take_claim(str(tmp_path / "a" / "claim"), "job-1")


@pytest.mark.parametrize("claim", ["", "/", "relative", "../x", "/a/../b", "/a\0b", 5])
def test_a_claim_that_is_no_absolute_path_is_refused(tmp_path: Path, claim: Any) -> None:
    job = Job(tmp_path, "true", claim=claim)
    assert job.run() == 64
    assert job.of("case") == []


def test_a_bundle_that_cannot_be_read_is_told_in_a_record_all_the_same(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", claim=str(tmp_path / "claim"), workdir="moon")
    assert job.run() == 64
    assert ("moon" in job.end()["why"], (tmp_path / "claim").exists()) == (True, False)


# The job's clock does not begin with the runner.


@pytest.mark.parametrize(
    ("slurm_end", "ages", "killed", "source"),
    [
        ("", [], 4600, "runner"),
        ("", [0.03], 4599.97, "runner"),
        ("", [0.03, 300, 200], 4300, "session"),
        ("", [0.03, 300, 3600, 86400], 4300, "session"),  # the older ones were there before the job
        ("", [-5, 3600], 4600, "runner"),
        ("4000", [300], 4000, "SLURM_JOB_END_TIME"),
        ("4660", [300], 4660, "SLURM_JOB_END_TIME"),
        ("4661", [300], 4300, "session"),  # of a larger allocation: the job has less
        ("1000", [300], 4300, "session"),  # over already: of another job
        ("soon", [300], 4300, "session"),
        ("-1", [], 4600, "runner"),
    ],
)
def test_when_the_job_will_be_killed(slurm_end: str, ages: list[float], killed: float, source: str) -> None:
    at, how = runner.when_killed(3600, 1000.0, slurm_end, ages)
    assert (at, how) == (pytest.approx(killed), source)


def test_no_deadline_is_recorded_where_there_is_none(tmp_path: Path) -> None:
    job = Job(tmp_path, "true")
    assert job.run(SLURM_JOB_END_TIME=str(int(time.time()) + 3)) == 0
    [about] = job.of("runner")
    assert (about["deadline"], about["deadline_from"]) == (None, None)


def test_the_end_that_slurm_tells_is_the_deadline(tmp_path: Path) -> None:
    job = Job(tmp_path, "sleep 60", deadline_s=8)
    end = int(time.time()) + 4
    assert job.run(SLURM_JOB_END_TIME=str(end)) == 143
    [about] = job.of("runner")
    assert (about["deadline"], about["deadline_from"]) == (end, "SLURM_JOB_END_TIME")
    assert job.end()["at"] < end
    assert job.outcomes() == {"c0": "INTERRUPTED"}


@pytest.mark.parametrize("wrapper", ['exec "$@"', 'sh -c \'"$@"; exit $?\' sh "$@"; exit $?'])
def test_what_the_job_did_before_the_runner_began_counts(tmp_path: Path, wrapper: str) -> None:
    job = Job(tmp_path, "sleep 60", deadline_s=5)
    began = time.time()
    assert job.run(before=["sh", "-c", f"sleep 1.5; {wrapper}", "sh"]) == 143
    [about] = job.of("runner")
    assert about["deadline_from"] == "session"
    assert about["deadline"] == pytest.approx(began + 5, abs=1)
    assert about["start"] >= began + 1.5
    assert job.end()["at"] < about["deadline"]


def test_a_process_of_another_session_is_not_the_job_s(tmp_path: Path) -> None:
    job = Job(tmp_path, "true", deadline_s=600)
    assert job.run(before=["sh", "-c", 'sleep 1.2; setsid -w "$@"; exit $?', "sh"]) == 0
    [about] = job.of("runner")
    assert about["deadline_from"] == "runner"
    assert about["deadline"] == pytest.approx(about["start"] + 600, abs=1)


def test_under_slurm(tmp_path: Path, slurm: Cluster) -> None:
    """The job's first process is slurmstepd, whose session's leader is gone; `scancel` tells all processes to stop."""
    save = "trap 'echo 1 > state; exit 0' TERM; echo x > a.out; sleep 60 & wait"
    job = Job(tmp_path, save, deadline_s=120, **{"continue": {"files": ["state"]}})
    words = " ".join(
        map(shlex.quote, [f"WEFT_NODE_DIR={job.node}", sys.executable, str(RUNNER), str(job.folder)])
    )
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ndate +%s > {tmp_path}/began\nsleep 2\nenv {words}\n")
    number = slurm.run("sbatch", "--parsable", "--time=2", f"--output={tmp_path}/log", str(script)).strip()
    wait_until(lambda: list(job.node.glob("*/cases/*/c0/a.out")))
    slurm.run("scancel", number)
    wait_until(lambda: job.of("end"))
    [about] = job.of("runner")
    assert about["deadline_from"] in ("session", "SLURM_JOB_END_TIME")
    assert about["deadline"] == pytest.approx(int((tmp_path / "began").read_text()) + 120, abs=2)
    assert (job.outcomes(), job.case().get("carried")) == ({"c0": "INTERRUPTED"}, 1), job.case()


# What was loaded, what is missing.


def test_the_loaded_modules_are_recorded(tmp_path: Path) -> None:
    for number, (value, loaded) in enumerate(
        [("intel/19.1:opensees/3.6:", ["intel/19.1", "opensees/3.6"]), ("", None)]
    ):
        job = Job(tmp_path / str(number), "true", setup=[f"export LOADEDMODULES={value}"])
        assert job.run() == 0
        assert job.of("setup")[0].get("loaded") == loaded


def test_the_list_of_modules_is_bounded() -> None:
    names = runner.loaded_modules({"LOADEDMODULES": ":".join(["x" * 300] * 300)})
    assert (len(names), {len(name) for name in names}) == (200, {200})
    assert runner.loaded_modules({}) == []


HINT = "put it back with: weft store refresh demo"


@pytest.mark.parametrize("files", [[["a", 1]], [["gone", 1]], [["d" * 200 + "/" + "e" * 250 + "/gone", 1]]])
@pytest.mark.parametrize("hint", [HINT, None])
def test_a_missing_shared_input_says_what_to_do(tmp_path: Path, files: list[Any], hint: str | None) -> None:
    (tmp_path / "a").write_text("22")
    entry = {
        "name": "rec",
        "path": str(tmp_path),
        "files": files,
        "hash": "abc",
        **({"hint": hint} if hint else {}),
    }
    job = Job(tmp_path, "true", shared=[entry], setup=[f"touch {tmp_path}/setup-ran"])
    assert job.run() == 66
    why = job.end()["why"]
    assert why.startswith(f"shared input rec: {tmp_path}/{files[0][0][:200]}")
    assert (why.endswith("; " + HINT), len(why) <= 500) == (bool(hint), True)
    assert not (tmp_path / "setup-ran").exists()
