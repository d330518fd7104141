"""Launching exactly once: holders, their records, and what a service finds after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weft.schedulers.processes import Process
from weft.service.jobs.execution.launch import MARKER, Launches, Record, inherited, new_token
from weft.service.jobs.execution.processes import Watch, sweep


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(tmp_path / "launches")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def around(job: str) -> dict[str, str]:
    return {**inherited(), MARKER: job}


def ran(launches: Launches, work: Path, script: str, *command: str) -> tuple[str, Record]:
    """Launch this script, as FORK scripts are unless a command is given, and wait for its holder."""
    (work / "tapisjob.sh").write_text(f"#!/bin/bash\n{script}\n")
    (work / "tapisjob.sh").chmod(0o700)
    token = new_token()
    with launches.start(token, work, around(token), command) as child:
        assert child.wait(20) in (0, -9)
    record = launches.look(token)
    assert record is not None
    return token, record


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("nohup sh -c 'exit 7' > out 2>&1 &", 7),
        ("nohup sh -c 'kill 0; sleep 5' > out 2>&1 &", 143),
        ("nohup sh -c 'trap \"\" TERM; kill 0; sleep 0.2; exit 9' > out 2>&1 &", 9),
        ("nohup sh -c 'kill -9 $$' > out 2>&1 &", 137),
        ("nohup sh -c 'sleep 0.5; kill -9 $PPID; sleep 0.1' > out 2>&1 &", None),
        ("nohup no-such-program > out 2>&1 &", 127),
        ("no-such-command; false", 1),
        ("nohup sh -c 'kill $PPID; sleep 0.2; exit 8' > out 2>&1 &", 8),
        ("nohup sh -c '(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 6' > out 2>&1 &", 6),
    ],
)
def test_the_record_tells_how_a_process_ended(
    launches: Launches, work: Path, script: str, code: int | None
) -> None:
    _, record = ran(launches, work, script)
    assert record.over and record.code == code
    assert (record.pid is None) is ("&" not in script)


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("true", 0)])
def test_the_record_tells_how_a_command_ended(launches: Launches, work: Path, script: str, code: int) -> None:
    _, record = ran(launches, work, script, "./tapisjob.sh")
    assert record.over and record.code == code


def test_what_the_script_says_is_kept(launches: Launches, work: Path) -> None:
    token, _ = ran(launches, work, "echo no; exit 1", "./tapisjob.sh")
    assert launches.said(token) == "no"
    launches.forget(token)
    assert (launches.said(token), launches.look(token)) == ("", None)


def test_a_launch_that_is_void_never_happens(launches: Launches, work: Path) -> None:
    token = new_token()
    assert launches.void(token)
    assert launches.void(token)
    with launches.start(token, work, around(token), ["touch", "ran"]) as child:
        assert child.wait(20) == 121
    assert not (work / "ran").exists()
    launches.forget(token)
    assert launches.look(token) == Record(void=True)


def test_a_launch_that_was_claimed_cannot_be_made_void(launches: Launches, work: Path) -> None:
    token, record = ran(launches, work, "true", "./tapisjob.sh")
    assert not launches.void(token)
    assert launches.look(token) == record


def test_of_many_that_race_one_wins(launches: Launches, work: Path) -> None:
    token = new_token()
    children = [
        launches.start(token, work, around(token), ["sh", "-c", "echo ran >> ran"]) for _ in range(12)
    ]
    void = launches.void(token)
    for child in children:
        child.wait(20)
    lines = (work / "ran").read_text().splitlines() if (work / "ran").exists() else []
    assert len(lines) == (0 if void else 1)


def test_the_holder_survives_whoever_started_it(launches: Launches, work: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from weft.service.jobs.execution.launch import Launches, inherited\n"
        f"Launches(Path({str(launches.folder)!r})).start('t', Path({str(work)!r}), inherited(),"
        " ['sh', '-c', 'sleep 0.3; exit 5'])\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    until(lambda: (record := launches.look("t")) and record.code == 5)


def test_half_a_line_counts_for_nothing(launches: Launches) -> None:
    (launches.folder / "t").write_text("claimed abcd1234 12 (a b) c) S 1 " + "0 " * 17 + "77 0\nended 1")
    record = launches.look("t")
    assert record is not None and record.holder == Process(12, "77-abcd1234")
    assert (record.code, record.over) == (None, True)
    (launches.folder / "t").write_text("")
    assert launches.look("t") == Record()


def test_only_launches_of_living_jobs_are_kept(launches: Launches) -> None:
    for name in ("a", "a.log", "b", "b.log", "young"):
        (launches.folder / name).touch()
        if name != "young":
            os.utime(launches.folder / name, (1, 1))
    launches.keep_only({"a"})
    assert {path.name for path in launches.folder.iterdir()} == {"a", "a.log", "young"}


def test_of_a_launch_that_is_over_nothing_is_left_behind_however_young(
    launches: Launches, work: Path
) -> None:
    token, child, _ = started(launches, work, "echo said")
    child.wait(20)
    launches.keep_only({token})
    assert launches.said(token) == "said"
    launches.keep_only(set())
    assert list(launches.folder.iterdir()) == []


# ---- the processes of a job


def started(launches: Launches, work: Path, script: str) -> tuple[str, subprocess.Popen[bytes], Process]:
    token = new_token()
    child = launches.start(token, work, around(token), ["bash", "-c", script])
    until(lambda: (record := launches.look(token)) and record.holder)
    record = launches.look(token)
    assert record is not None and record.holder is not None
    return token, child, record.holder


def test_a_sweep_takes_all_of_a_job_and_nobody_else(launches: Launches, work: Path) -> None:
    script = "setsid sh -c 'echo $$ > apart; exec sleep 100' & sleep 100 & echo $! > within; wait"
    token, child, holder = started(launches, work, script)
    apart, other, rest = started(launches, work, "sleep 100")
    files = [work / "within", work / "apart"]
    until(lambda: all(file.exists() and file.read_text() for file in files))
    pids = [int((work / name).read_text()) for name in ("within", "apart")]
    assert all(Process.of(pid) for pid in pids)
    sweep(holder, f"{MARKER}={token}")
    assert child.wait(20) == -9
    assert not any(Process.of(pid) for pid in pids)
    assert other.poll() is None
    sweep(rest, f"{MARKER}={apart}")
    other.wait(20)


def test_a_gentle_sweep_spares_holder_and_script(launches: Launches, work: Path) -> None:
    token, child, holder = started(launches, work, "trap 'exit 66' TERM; sleep 100; touch after; exit 5")
    until(lambda: len(list(Path(f"/proc/{holder.pid}/task/{holder.pid}").glob("children"))) >= 0)
    time.sleep(0.2)
    sweep(holder, f"{MARKER}={token}", signal.SIGTERM)
    child.wait(20)
    record = launches.look(token)
    assert (work / "after").exists() and record is not None and record.code == 5


def test_the_watch_tells_of_children_and_others(launches: Launches, work: Path) -> None:
    told: list[str] = []
    watch = Watch(told.append)
    watch.start()
    try:
        _, child, holder = started(launches, work, "sleep 0.2; exit 4")
        watch.other("other", holder)
        watch.other("other", holder)
        watch.child("child", child)
        until(lambda: sorted(told) == ["child", "other"])
        assert watch.code(child.pid) == 0
        watch.other("late", holder)
        assert told[-1] == "late"
        watch.forget(child.pid)
        assert watch.code(child.pid) is None
    finally:
        watch.stop()


def test_a_watch_that_stops_leaves_its_children_alone(launches: Launches, work: Path) -> None:
    watch = Watch(lambda _name: None)
    watch.start()
    token, child, holder = started(launches, work, "sleep 100")
    watch.child("child", child)
    watch.stop()
    assert holder.alive
    sweep(holder, f"{MARKER}={token}")
    os.waitpid(holder.pid, 0)
