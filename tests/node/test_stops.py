"""Ends that come from outside or from a case's misbehaviour: signals, limits, deadlines, full disks."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.node.bundles import Job, is_alive, salvage, wait_until


def test_sigkill_loses_no_record_and_no_output(tmp_path: Path) -> None:
    job = Job(tmp_path, *["echo $WEFT_CASE > a.out; echo log; sleep 0.005"] * 3000, keep=["*.out"])
    process = job.start()
    assert process.stderr
    job.wait_for("case", 50)
    process.kill()
    process.communicate(timeout=60)
    recorded = job.of("case")  # reads every whole line: a half one in the middle would not parse
    assert 50 <= len(recorded) < 3000
    [path] = job.folder.glob("out-*.zip")
    members = salvage(path)
    for record in recorded:
        assert record["kept"] == 2
        assert members[f"{record['case']}/a.out"] == f"{record['case']}\n".encode()
        assert members[f"{record['case']}/stdout.txt"] == b"log\n"
    wait_until(lambda: job.processes() == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_stops_records_and_packs(tmp_path: Path, number: int) -> None:
    job = Job(
        tmp_path,
        "echo a > a.out",
        "echo b > b.out; sleep 60",
        *["sleep 60"] * 3,
        keep=["*.out"],
        finish="true",
    )
    with job.start() as process:
        job.wait_for("start", 3)
        wait_until(lambda: job.outcomes() == {"c0": "FINISHED"})
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert job.outcomes() == {"c0": "FINISHED", "c1": "INTERRUPTED", "c2": "INTERRUPTED"}
    assert (job.end()["outcome"], job.end()["exit"], job.end()["left_out"]) == ("INTERRUPTED", 143, 2)
    assert job.outputs() == {"c0/a.out": b"a\n", "c1/b.out": b"b\n"}
    assert list(job.node.iterdir()) == []
    assert job.of("finish") == []
    assert job.processes() == []


def test_a_job_that_is_asked_by_a_file_ends_in_good_order(tmp_path: Path) -> None:
    job = Job(tmp_path, "echo a > a.out", "echo b > b.out; sleep 60", "sleep 60", keep=["*.out"], slots=1)
    with job.start() as process:
        job.wait_for("start", 2)
        (job.folder / "stop").touch()
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert job.outcomes() == {"c0": "FINISHED", "c1": "INTERRUPTED"}
    assert job.end()["why"].startswith("asked to stop")
    assert job.outputs() == {"c0/a.out": b"a\n", "c1/b.out": b"b\n"}
    assert job.processes() == []


def test_a_job_that_was_asked_before_it_begins_runs_no_case(tmp_path: Path) -> None:
    job = Job(tmp_path, f"touch '{tmp_path}/ran'")
    (job.folder / "stop").touch()
    with job.start() as process:
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert job.end()["why"].startswith("asked to stop")
    assert not (tmp_path / "ran").exists()


def test_a_case_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    ignore = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    job = Job(tmp_path, {"command": ignore, "minutes": 0.005}, ignore, grace_s=0.3)
    with job.start() as process:
        job.wait_for("case")
        process.terminate()
        process.communicate(timeout=60)
    assert job.outcomes() == {"c0": "TIMED_OUT", "c1": "INTERRUPTED"}
    assert [job.case(id)["signal"] for id in ("c0", "c1")] == [9, 9]
    assert job.processes() == []


def test_a_case_may_clean_up_when_its_time_is_over(tmp_path: Path) -> None:
    job = Job(
        tmp_path, "trap 'echo saved > s.out; exit 0' TERM; sleep 60 & wait", minutes=0.005, keep=["*.out"]
    )
    assert job.run() == 0
    assert (job.outcomes(), job.case()["exit"]) == ({"c0": "TIMED_OUT"}, 0)
    assert job.outputs() == {"c0/s.out": b"saved\n"}


@pytest.mark.parametrize("when", ["setup", "finish"])
def test_sigterm_during_setup_or_finish(tmp_path: Path, when: str) -> None:
    slow = f"touch {tmp_path}/here; sleep 60"
    job = Job(
        tmp_path, "true", setup=[slow] if when == "setup" else [], finish=slow if when == "finish" else None
    )
    with job.start() as process:
        wait_until((tmp_path / "here").exists)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert job.end()["outcome"] == "INTERRUPTED"
    assert job.outcomes() == ({} if when == "setup" else {"c0": "FINISHED"})
    assert job.processes() == []


UNTIL = "until test -s $P; do sleep 0.01; done"
LEAVES_BEHIND = {
    "a child": "sleep 300 & echo $! > $P",
    "a session": "setsid sleep 300 & echo $! > $P",
    "a daemon": "(setsid sh -c 'echo $$ > $P; sleep 300' &); " + UNTIL,
    "a nameless daemon": "(P=$P setsid env -i P=$P sh -c 'echo $$ > $P; sleep 300' &); " + UNTIL,
    "a tree": "(setsid sh -c 'sh -c \"sleep 300 & wait\" & echo $! > $P; wait' &); " + UNTIL,
}


@pytest.mark.parametrize("leave", LEAVES_BEHIND)
def test_nothing_of_a_case_outlives_it(tmp_path: Path, leave: str) -> None:
    # The next case in the only slot looks whether the process is still there.
    look = "! kill -0 $(cat $P)"
    job = Job(tmp_path, LEAVES_BEHIND[leave], look, env={"P": str(tmp_path / "pid")}, slots=1)
    assert job.run() == 0
    assert job.outcomes() == {"c0": "FINISHED", "c1": "FINISHED"}
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_leftovers_die_with_their_case_and_not_with_another(tmp_path: Path) -> None:
    # c0 leaves a daemon and ends; c1 starts one, waits until c0 has been recorded, and still needs its own.
    seen = 'grep -q \'"t": "case", "case": "c0"\' $WEFT_RESULTS'
    job = Job(
        tmp_path,
        f"(setsid sleep 300 & echo $! > {tmp_path}/pid0); until test -s {tmp_path}/pid1; do sleep 0.01; done",
        f"(setsid sleep 300 & echo $! > {tmp_path}/pid1); until {seen}; do sleep 0.01; done; "
        f"kill -0 $(cat {tmp_path}/pid1) && ! kill -0 $(cat {tmp_path}/pid0)",
    )
    assert job.run() == 0
    assert job.outcomes() == {"c0": "FINISHED", "c1": "FINISHED"}


def test_memory_beyond_the_limit_is_out_of_memory(tmp_path: Path) -> None:
    hog = f"{shlex.quote(sys.executable)} -c \"b = b'x' * 70_000_000; import time; time.sleep(60)\""
    job = Job(tmp_path, hog, memory_mb=50)
    assert job.run() == 0
    record = job.case()
    assert (record["outcome"], record["signal"]) == ("OUT_OF_MEMORY", 9)
    assert "50 MB" in record["why"]
    assert record["memory"] > 50_000_000


def test_memory_is_summed_over_the_tree_of_processes(tmp_path: Path) -> None:
    (tmp_path / "hog.py").write_text("b = b'x' * 40_000_000\nimport time\ntime.sleep(60)\n")
    hog = f"{shlex.quote(sys.executable)} {tmp_path}/hog.py"
    job = Job(tmp_path, f"setsid {hog} & {hog} & wait", memory_mb=70)
    assert job.run() == 0
    assert job.outcomes() == {"c0": "OUT_OF_MEMORY"}


def test_a_long_log_keeps_its_two_ends(tmp_path: Path) -> None:
    job = Job(tmp_path, "echo first; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last", log_bytes=1000)
    assert job.run() == 0
    text = job.outputs()["c0/stdout.txt"].decode()
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert f"[... {5000012 - 1000} bytes left out ...]" in text
    assert len(text) < 1100
    assert job.case()["printed"] == 5000012


def test_how_much_was_printed_is_recorded(tmp_path: Path) -> None:
    job = Job(tmp_path, "printf four; printf three >&2", "true", slots=1)
    assert job.run() == 0
    assert [job.case(name)["printed"] for name in ("c0", "c1")] == [9, 0]


def test_a_case_that_cannot_start_has_no_words_of_another(tmp_path: Path) -> None:
    job = Job(tmp_path, *["echo mine"] * 3, "true \0", slots=1)
    assert job.run() == 0
    assert job.case("c3")["outcome"] == "FAILED"
    assert (job.case("c3")["printed"], job.case("c3")["tail"]) == (0, None)
    assert sorted(job.outputs()) == ["c0/stdout.txt", "c1/stdout.txt", "c2/stdout.txt"]


def test_a_case_that_writes_without_end_is_stopped(tmp_path: Path) -> None:
    # Were it not stopped, the limit of 2 GB would keep this test from filling the disk, and make it fail.
    job = Job(tmp_path, "ulimit -f 4000000; yes abcdefghijklmnopqrstuvwxyz", "true", log_bytes=1000)
    assert job.run() == 0
    assert job.outcomes() == {"c0": "FAILED", "c1": "FINISHED"}
    assert "more than 256 MB" in job.case()["why"]
    assert len(job.outputs()["c0/stdout.txt"]) < 1100


def test_no_case_starts_that_would_not_end_before_the_deadline(tmp_path: Path) -> None:
    job = Job(
        tmp_path,
        {"command": "true", "seconds": 1000},
        {"command": "true", "minutes": 60},
        {"command": "true", "seconds": 1},
        deadline_s=30,
    )  # fmt: skip
    assert job.run() == 143
    assert job.outcomes() == {"c2": "FINISHED"}
    assert (job.end()["outcome"], job.end()["left_out"]) == ("INTERRUPTED", 2)
    assert "2 cases were not started" in job.end()["why"]


def test_what_runs_at_the_deadline_is_stopped_and_packed(tmp_path: Path) -> None:
    job = Job(
        tmp_path, "echo x > a.out; trap '' TERM; sleep 60; sleep 60", keep=["*.out"], deadline_s=3, grace_s=60
    )
    assert job.run() == 143
    assert job.outcomes() == {"c0": "INTERRUPTED"}
    assert job.outputs() == {"c0/a.out": b"x\n"}
    assert job.end()["at"] - job.of("runner")[0]["start"] < 3


def test_a_second_runner_is_refused_while_the_first_lives_and_after(tmp_path: Path) -> None:
    job = Job(tmp_path, "(setsid sleep 60 &); sleep 60")
    with job.start() as first:
        job.wait_for("start")
        wait_until(lambda: len(job.processes()) >= 2)
        before = {path: path.read_bytes() for path in job.folder.iterdir()}
        with job.start() as second:
            _, said = second.communicate(timeout=60)
        assert (second.returncode, f"pid {first.pid}" in said) == (75, True)
        assert {path: path.read_bytes() for path in job.folder.iterdir()} == before
        first.kill()
        first.communicate(timeout=60)
    [pid] = [record["pid"] for record in job.of("start")]
    with job.start() as second:  # the runner is dead, but a case of it lives
        _, said = second.communicate(timeout=60)
    assert (second.returncode, "are alive" in said) == (75, True)
    os.killpg(pid, signal.SIGKILL)
    wait_until(lambda: len(job.processes()) == 1)
    with job.start() as second:  # not even a process that has left the runner's session is overlooked
        _, said = second.communicate(timeout=60)
    assert (second.returncode, "are alive" in said) == (75, True)
    os.kill(job.processes()[0], signal.SIGKILL)
    wait_until(lambda: job.processes() == [])
    with job.start() as second:
        _, said = second.communicate(timeout=60)
    assert (second.returncode, "a retry is a new job" in said) == (75, True)
    assert job.of("case") == []


def test_a_dead_pid_file_without_records_does_not_block(tmp_path: Path) -> None:
    job = Job(tmp_path, "true")
    mine = {
        "pid": os.getpid(),
        "start_ticks": 1,
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
    }
    (job.folder / "runner.pid").write_text(json.dumps({**mine, "host": os.uname().nodename}))
    assert job.run() == 0


def test_a_work_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    job = Job(tmp_path, "true")
    assert job.run(WEFT_NODE_DIR=str(tmp_path / "file")) == 74
    assert str(tmp_path / "file") in job.end()["why"]


def test_a_job_directory_without_permission(tmp_path: Path) -> None:
    job = Job(tmp_path, "true")
    job.folder.chmod(0o555)
    before: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if not setpriv:
            pytest.skip(
                "running as root, and there is no setpriv to give up root's right to write everywhere"
            )
        before = [setpriv, "--inh-caps=-all", "--bounding-set=-all"]
    code, said = job.run_and_hear(before=before)
    job.folder.chmod(0o755)
    assert code == 74
    assert "Permission denied" in said


def test_a_full_disk_ends_the_job_with_every_record_true(tmp_path: Path) -> None:
    # A limit on the size of files stands for a full disk: the ZIP cannot grow beyond it.
    job = Job(tmp_path, *["head -c 20000 /dev/urandom > a.out"] * 50, keep=["*.out"], slots=1)
    code, said = job.run_and_hear(before=["sh", "-c", 'ulimit -f 200; exec "$@"', "sh"])
    assert code == 74
    assert "out-000.zip" in said
    end = job.end()
    assert (end["outcome"], end["exit"]) == ("FAILED", 74)
    [path] = job.folder.glob("out-*.zip")
    members = salvage(path)
    finished = [record["case"] for record in job.of("case") if record["outcome"] == "FINISHED"]
    assert 1 <= len(finished) < 50
    assert [len(members[f"{id}/a.out"]) for id in finished] == [20000] * len(finished)
    assert set(job.outcomes().values()) == {"FINISHED", "INTERRUPTED"}


SMALL = "echo hello > a.out; echo hi"


@pytest.mark.parametrize("blocks", [0, 1, 8, 64, 600])
@pytest.mark.parametrize("more", [{}, {"setup": ["A=1"], "finish": "true"}], ids=["plain", "all spans"])
def test_a_limit_on_the_size_of_files(tmp_path: Path, blocks: int, more: dict[str, Any]) -> None:
    job = Job(tmp_path, *[SMALL] * 1000, **more)
    code, said = job.run_and_hear(before=["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"])
    assert code == 74
    assert said.startswith("weft runner: cannot write ")
    assert said.count("\n") == 1
    assert set(job.outcomes().values()) <= {"FINISHED"}
    if blocks:  # else not a single byte can be written
        assert (job.end()["outcome"], job.end()["exit"]) == ("FAILED", 74)
    assert {path.name for path in job.folder.iterdir()} <= {
        "bundle.zip", "results.jsonl", "out-000.zip", "runner.pid",
    }  # fmt: skip


def test_a_case_that_did_not_notice_the_full_disk_cannot_be_judged(tmp_path: Path) -> None:
    # The limit stands for a quota, which shows only when something is written.
    job = Job(
        tmp_path, "(head -c 200000 /dev/zero > a.out); : > b.out", *["true"] * 20, expect=["b.out"], slots=1
    )
    assert job.run(before=["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]) == 74
    assert set(job.outcomes().values()) == {"INTERRUPTED"}  # of c0, and of c1, which had been started by then
    assert len(job.outcomes()) <= 2
    assert "File too large" in job.case()["why"]


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of as many bytes as the test's parameter says."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "weft-test", str(small)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize("small_disk", [1 << 20], indirect=True)
def test_a_really_full_disk(small_disk: Path, tmp_path: Path) -> None:
    job = Job(small_disk, *["head -c 20000 /dev/urandom > a.out"] * 100, keep=["*.out"], slots=1)
    assert job.run(WEFT_NODE_DIR=str(tmp_path)) == 74
    assert job.end()["outcome"] == "FAILED"
    finished = [record["case"] for record in job.of("case") if record["outcome"] == "FINISHED"]
    members = salvage(next(job.folder.glob("out-*.zip")))
    assert finished
    assert [len(members[f"{id}/a.out"]) for id in finished] == [20000] * len(finished)


@pytest.mark.parametrize("small_disk", [400_000], indirect=True)
def test_a_full_disk_for_all(small_disk: Path) -> None:
    job = Job(small_disk, *[SMALL] * 2000)
    code, said = job.run_and_hear()
    assert (code, job.end()["exit"], said.count("\n")) == (74, 74, 1)
    assert set(job.outcomes().values()) <= {"FINISHED", "INTERRUPTED"}
    assert len(job.of("case")) > 100


@pytest.mark.parametrize("small_disk", [400_000], indirect=True)
@pytest.mark.parametrize("after", ["exit 1", "exit 0"])
def test_a_case_that_found_the_disk_full_cannot_be_judged(
    small_disk: Path, tmp_path: Path, after: str
) -> None:
    fill = f"head -c 1000000 /dev/zero > a.out; {after}"
    job = Job(tmp_path, "exit 1", fill, *["true"] * 20, slots=1)
    assert job.run(WEFT_NODE_DIR=str(small_disk)) == 74
    assert job.outcomes() == {"c0": "FAILED", "c1": "INTERRUPTED"}
    assert "No space left on device" in job.case("c1")["why"]
    assert job.end()["why"] == job.case("c1")["why"]
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("small_disk", [100_000], indirect=True)
@pytest.mark.parametrize("kind", ["setup", "finish"])
def test_a_setup_or_finish_that_found_the_disk_full(small_disk: Path, tmp_path: Path, kind: str) -> None:
    fill = "head -c 1000000 /dev/zero > a.out"
    job = Job(tmp_path, setup=[fill] if kind == "setup" else [], finish=fill if kind == "finish" else None)
    assert job.run(WEFT_NODE_DIR=str(small_disk)) == 74
    assert job.of(kind)[0]["exit"] == 1
    assert "No space left on device" in job.end()["why"]


@pytest.mark.parametrize("small_disk", [1 << 19], indirect=True)
@pytest.mark.parametrize("free", [0, 1, 2, 17, 20])
def test_a_disk_that_is_full_from_the_start(small_disk: Path, tmp_path: Path, free: int) -> None:
    job = Job(small_disk, *[SMALL] * 1000)
    pages = os.statvfs(small_disk).f_bfree - free
    (small_disk / "other").write_bytes(bytes(4096 * pages))
    code, said = job.run_and_hear(WEFT_NODE_DIR=str(tmp_path))
    assert (code, said.count("\n")) == (74, 1)
    assert [record["exit"] for record in job.of("end")] == [74] * (free > 0)
