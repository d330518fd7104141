"""The lease: one live holder at a time, whoever dies and however many try."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import count

from weft.errors import Exit, StudyLocked
from weft.schedulers.processes import Process, machine
from weft.store import lease as module
from weft.store.lease import STALE, Lease, held_by

HERE = socket.gethostname()
SOURCE = str(Path(module.__file__).parents[2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lease.json"


def note(path: Path, host: str = HERE, pid: int = os.getpid(), started: str = "", age: float = 0.0) -> None:
    """A lease file as another process would have left it."""
    where = machine() if host == HERE else "another machine"
    path.write_text(json.dumps({"host": host, "pid": pid, "started": started, "machine": where}))
    if age:
        then = time.time() - age
        os.utime(path, (then, then))


def test_a_lease_is_held_until_it_is_released(path: Path) -> None:
    assert held_by(path) is None
    with Lease(path):
        holder = held_by(path)
        assert holder is not None
        assert (holder.host, holder.pid) == (HERE, os.getpid())
    assert held_by(path) is None
    assert list(path.parent.iterdir()) == [], "nothing is left behind"


def test_the_heart_beats_while_the_holder_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.01)
    with Lease(path):
        os.utime(path, (1.0, 1.0))
        end = time.monotonic() + 30
        while path.stat().st_mtime == 1.0:
            assert time.monotonic() < end, "it never beat"
            time.sleep(0.01)
    note(path, host="elsewhere")
    os.utime(path, (1.0, 1.0))
    time.sleep(0.1)
    assert path.stat().st_mtime == 1.0, "what is over beats no more"


def test_a_live_holder_is_respected(path: Path) -> None:
    with Lease(path), pytest.raises(StudyLocked, match=f"process {os.getpid()} on {HERE}") as caught:
        Lease(path).take()
    assert caught.value.exit_code == Exit.LOCKED
    assert "weft status" in caught.value.hint


def test_a_dead_holder_on_this_host_is_replaced_at_once(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = Process.of(child.pid)
    child.wait()
    note(path, pid=child.pid, started=process.started if process else "gone")
    with Lease(path):
        assert held_by(path) is not None
    assert list(path.parent.iterdir()) == []


def test_a_pid_that_is_used_again_is_another_process(path: Path) -> None:
    note(path, pid=os.getpid(), started="1-before")
    assert held_by(path) is None
    with Lease(path):
        pass


def test_a_holder_on_another_host_lives_by_its_heartbeat(path: Path) -> None:
    note(path, host="elsewhere", pid=1, age=STALE / 2)
    with pytest.raises(StudyLocked, match="process 1 on elsewhere"):
        Lease(path).take()
    note(path, host="elsewhere", pid=1, age=STALE * 2)
    with Lease(path):
        holder = held_by(path)
        assert holder is not None
        assert holder.host == HERE


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"{}"])
def test_a_damaged_lease_is_nobodys(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with Lease(path):
        assert held_by(path) is not None


def test_a_heartbeat_renews_the_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lease(path) as lease:
        os.utime(path, (1.0, 1.0))
        lease.beat()
        assert path.stat().st_mtime == 1.0, "not yet due"
        monkeypatch.setattr(module, "BEAT", 0.0)
        lease.beat()
        assert path.stat().st_mtime > 1.0


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_lease_that_was_taken_over_is_noticed_and_not_touched(
    path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT", 0.0)
    lease = Lease(path)
    lease.take()
    path.unlink()
    if how == "replaced":
        note(path, host="elsewhere", pid=1)
    with pytest.raises(StudyLocked, match="took the study over"):
        lease.beat()
    lease.release()
    assert path.exists() == (how == "replaced")


def test_one_who_died_while_clearing_does_not_block_for_ever(path: Path) -> None:
    clearing = path.with_name("lease.json.clearing")
    note(path, started="1-before")
    note(clearing, started="1-before")
    with pytest.raises(StudyLocked, match="just now"):
        Lease(path).take()
    note(clearing, started="1-before", age=STALE * 2)
    with Lease(path):
        assert held_by(path) is not None


RACER = """
import json, os, socket, sys, time
from pathlib import Path
from weft.errors import StudyLocked
from weft.schedulers.processes import machine
from weft.store.lease import Lease
folder, until = Path(sys.argv[1]), time.time() + float(sys.argv[2])
lease, won = Lease(folder / "lease.json"), 0
while time.time() < until:
    try:
        lease.take()
    except StudyLocked:
        continue
    inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)   # fails if another is inside
    won += 1
    os.close(inside)
    os.unlink(folder / "inside")
    if won % 3:
        aside = folder / f"aside{os.getpid()}"       # dies: what is left is the lease of a dead process
        aside.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1-before", "machine": machine()}))
        os.replace(aside, lease.path)
    else:
        lease.release()
print(won)
"""


def test_of_many_who_try_one_holds_it(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), str(count(2, 15))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )
        for _ in range(6)
    ]
    told = [racer.communicate() for racer in racers]
    assert [err for _, err in told] == [""] * len(racers), "two were inside at once"
    won = [int(out) for out, _ in told]
    print(f"taken {sum(won)} times by {len(won)} processes")
    assert sum(won) > 20


def test_a_machine_of_the_same_name_is_judged_by_its_heartbeat(path: Path) -> None:
    """Pods and containers share names, and their pids say nothing here."""
    other = {"host": HERE, "pid": 2**22 + 1, "started": "1-x", "machine": "another boot"}
    path.write_text(json.dumps(other))
    with pytest.raises(StudyLocked):
        Lease(path).take()
    then = time.time() - STALE - 1
    os.utime(path, (then, then))
    with Lease(path):
        pass


def test_a_lost_lease_stays_lost(path: Path) -> None:
    lease = Lease(path)
    lease.take()
    note(path, pid=1, started="0-x")
    lease._beat_at = 0.0
    for _ in range(2):
        with pytest.raises(StudyLocked):
            lease.beat()
