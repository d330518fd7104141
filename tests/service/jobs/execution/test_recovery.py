"""The service is killed (SIGKILL) before or after any of its writes: a restart carries the jobs on, none runs twice."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import count
from tests.service.conftest import start
from tests.service.jobs.execution.workbench import WHOLE_WAY, Bench

from weft.service.jobs.states import Status, may_follow
from weft.service.server import Service

JOBS = 3
DYING = """
import os, signal, sys, threading
from contextlib import contextmanager
from pathlib import Path
from weft.service.database import Database
from weft.service.server import Service
from weft.service.settings import Settings

folder, number, after = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"
writes, lock, real = 0, threading.Lock(), Database.writing

def die():
    os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def writing(self):
    global writes
    with real(self) as connection:
        yield connection
        with lock:
            writes += 1
            if writes == number and not after:
                die()  # what was written is not committed
    if writes >= number and after:
        die()

Database.writing = writing
service = Service(Settings(folder=folder, slurm=False))
service.start()
while service.ledger.unfinished():
    threading.Event().wait(0.05)
"""


def prepared(folder: Path, key: Path, systems: Path) -> list[str]:
    """A state folder with jobs that are all still to be done."""
    service = start(folder, key)
    service.worker.stop()
    bench = Bench(service, systems)
    bench.system("store")
    (bench.root / "here" / "in.txt").write_text("in")
    bench.app(
        "once",
        'cat "$_tapisSysRootDir$_tapisExecSystemInputDir/in.txt"; echo $_tapisJobUUID >> "$_tapisSysRootDir/ran"',
        containerImage="tapis://here/images/once.zip",
        maxJobs=2,
    )
    bench.batch_system("cluster")
    shutil.copytree(bench.root / "here" / "images", bench.root / "cluster" / "images")
    uuids = [
        bench.submit(
            "once",
            fileInputs=[{"sourceUrl": "tapis://here/in.txt"}],
            archiveSystemId="store",
            **({"execSystemId": "cluster", "jobType": "BATCH"} if at == 2 else {}),
        )
        for at in range(JOBS)
    ]
    for part in (service.transfers, service.ledger, service.database):
        getattr(part, "stop", getattr(part, "close", None))()
    return uuids


def killed(folder: Path, number: int, when: str) -> bool:
    """Run a service on the folder that kills itself at that write; False if it came to no such write."""
    command = [sys.executable, "-c", DYING, str(folder), str(number), when]
    return subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL


MOMENTS = [(number, when) for number in range(1, 110) for when in ("before", "after")]


@pytest.mark.parametrize(("number", "when"), MOMENTS[:: count(24, 3)])
def test_killed_at_any_write_no_job_is_lost_or_run_twice(
    tmp_path: Path, signing_key: Path, number: int, when: str
) -> None:
    folder = tmp_path / "state"
    uuids = prepared(folder, signing_key, tmp_path / "systems")
    for again in (number, max(1, number // 3)):
        killed(folder, again, when)
    service = start(folder, signing_key)
    try:
        check(service, tmp_path / "systems", uuids)
    finally:
        service.stop()


def check(service: Service, root: Path, uuids: list[str]) -> None:
    bench = Bench.__new__(Bench)
    bench.service, bench.root = service, root
    bench.wait(*uuids)
    ran = [line for name in ("here", "cluster") for line in lines(root / name / "ran")]
    assert sorted(ran) == sorted(uuids)
    for uuid in uuids:
        job, statuses = bench.job(uuid), bench.statuses(uuid)
        assert job.status is Status.FINISHED, job.last_message
        legal(statuses)
        assert [each for each in dict.fromkeys(statuses) if each != "BLOCKED"] == [*WHOLE_WAY, "FINISHED"]
        events = [each["event"] for each in bench.entries(uuid) if each["event"] != "JOB_NEW_STATUS"]
        assert events == ["JOB_INPUT_TRANSACTION_ID", "JOB_ARCHIVE_TRANSACTION_ID"]
        assert (bench.archived(job) / "tapisjob.out").read_text() == "in"
    end = time.monotonic() + 20
    # Tidied just after the last change of state; what was made void stays so for a while.
    while any(not void(path) for path in (service.folder / "launches").iterdir()):
        assert time.monotonic() < end
        time.sleep(0.01)


def void(path: Path) -> bool:
    try:
        return path.read_text() == "void\n"
    except FileNotFoundError:
        return True


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def legal(statuses: list[str]) -> None:
    old = None
    for each in statuses:
        assert may_follow(old, Status(each)), statuses
        old = Status(each)


def test_a_job_that_ends_while_no_service_runs_is_seen(
    make_service: Callable[..., Service], tmp_path: Path, signing_key: Path
) -> None:
    folder, systems = tmp_path / "state", tmp_path / "systems"
    first = start(folder, signing_key, fork_exit="real")
    bench = Bench(first, systems)
    bench.app("slow", "while [ ! -e $_tapisSysRootDir/go ]; do sleep 0.02; done; exit 4")
    uuid = bench.submit("slow")
    bench.wait(uuid, until=bench.state(Status.RUNNING))
    first.stop()
    (systems / "here" / "go").touch()
    bench.service = make_service(folder=folder, fork_exit="real")
    job = bench.wait(uuid)
    assert (job.status, job.remote_result_info) == (Status.FAILED, "4")
    assert bench.statuses(uuid) == [*WHOLE_WAY, "FAILED"]


def test_a_job_that_runs_on_is_still_cancelled_after_a_restart(
    make_service: Callable[..., Service], tmp_path: Path, signing_key: Path
) -> None:
    folder = tmp_path / "state"
    first = start(folder, signing_key)
    bench = Bench(first, tmp_path / "systems")
    bench.app("long", "sleep 1000")
    uuid = bench.submit("long")
    bench.wait(uuid, until=bench.state(Status.RUNNING))
    first.stop()
    bench.service = make_service(folder=folder)
    assert bench.job(uuid).status is Status.RUNNING
    bench.service.ledger.ask_to_cancel(uuid)
    bench.service.worker.wake(uuid)
    assert bench.wait(uuid).status is Status.CANCELLED
