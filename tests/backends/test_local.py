"""The local backend keeps the contract, and what is its own: sessions, pid files, orphans."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest
from tests.backends.contract import BackendContract, Place, started

from weft.backends.local import LocalBackend
from weft.errors import WeftError
from weft.model import Outcome
from weft.store.folder import StudyFolder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    folder = StudyFolder(tmp_path, "contract")
    folder.make()
    return Place(folder, lambda: LocalBackend(folder, {}))


class TestLocal(BackendContract):
    pass


def kill_runner(place: Place, job: str) -> None:
    pid = json.loads(place.folder.runner_pid(job).read_text())["pid"]
    os.kill(pid, signal.SIGKILL)


def test_processes_that_outlive_their_runner_make_an_orphaned_job(place: Place, tmp_path: Path) -> None:
    natives = place.start("j1", f"setsid sleep 60 & touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    kill_runner(place, "j1")
    seen = place.until(natives, lambda seen: seen.orphaned)
    assert seen.outcome is None
    place.backend.cancel(natives)
    assert place.over(natives).outcome is Outcome.INTERRUPTED


def test_the_work_directory_of_a_killed_runner_is_removed(place: Place, tmp_path: Path) -> None:
    natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    (work,) = [Path(r.work) for r in place.records(natives) if r.t == "runner"]
    assert work.is_dir()
    kill_runner(place, "j1")
    place.until(natives, lambda seen: seen.orphaned)
    place.backend.cancel(natives)
    place.over(natives)
    assert not work.exists()


def test_a_job_is_found_before_it_has_written_its_pid_file(place: Place, tmp_path: Path) -> None:
    natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    place.folder.runner_pid("j1").unlink()
    assert place.again().find(["j1"]) == natives
    place.backend.cancel(natives)
    place.over(natives)


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(place: Place, tmp_path: Path) -> None:
    place.pack("j1", "true")
    note = {"pid": os.getpid(), "start_ticks": 1, "boot_id": None, "host": socket.gethostname()}
    place.folder.runner_pid("j1").write_text(json.dumps(note))
    native = place.backend.find(["j1"])
    assert place.backend.look(native)["j1"].outcome is Outcome.INTERRUPTED
    place.backend.cancel(native)  # must not signal this very process


def test_a_job_of_another_host_is_nobody_s_to_judge(place: Place, tmp_path: Path) -> None:
    natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    kept = place.folder.runner_pid("j1").read_text()
    place.folder.runner_pid("j1").write_text(json.dumps({**json.loads(kept), "host": "login2"}))
    with pytest.raises(WeftError, match="login2"):
        place.backend.look(natives)
    place.folder.runner_pid("j1").write_text(kept)
    place.backend.cancel(natives)
    place.over(natives)
    place.folder.runner_pid("j1").write_text(json.dumps({**json.loads(kept), "host": "login2"}))
    assert place.backend.look(natives)["j1"].outcome is not None  # its records say that it is over


def test_of_an_earlier_boot_nothing_is_left(place: Place) -> None:
    place.pack("j1", "true")
    note = {"pid": os.getsid(0), "start_ticks": 1, "boot_id": "an earlier one", "host": socket.gethostname()}
    place.folder.runner_pid("j1").write_text(json.dumps(note))
    native = place.backend.find(["j1"])
    assert place.backend.look(native)["j1"].outcome is Outcome.INTERRUPTED
    place.backend.cancel(native)  # must not signal this very session


def test_only_a_runner_s_own_work_directory_is_removed(place: Place, tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    place.pack("j1", "true")
    place.folder.records("j1").write_text(json.dumps({"v": 1, "t": "runner", "work": str(precious)}) + "\n")
    assert place.backend.look({"j1": "4194305:1-x"})["j1"].outcome is Outcome.INTERRUPTED
    assert precious.is_dir()


def test_a_hung_runner_is_killed_after_patience(place: Place, tmp_path: Path) -> None:
    natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
    started(tmp_path / "up")
    pid = json.loads(place.folder.runner_pid("j1").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    for _ in range(10):
        place.backend.cancel(natives)
    place.over(natives)
