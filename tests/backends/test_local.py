"""The local backend keeps the contract, and what is its own: sessions, pid files, orphans."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.backends.contract import BackendContract, Place, started

from weft.backends.local import LocalBackend
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
    note = {"pid": os.getpid(), "start_ticks": 1, "boot_id": None, "host": "here"}
    place.folder.runner_pid("j1").write_text(json.dumps(note))
    native = place.backend.find(["j1"])
    assert place.backend.look(native)["j1"].outcome is Outcome.INTERRUPTED
    place.backend.cancel(native)  # must not signal this very process
