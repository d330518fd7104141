"""Batch jobs on a real Slurm."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.service.conftest import start
from tests.service.jobs.execution.workbench import WHOLE_WAY, Bench
from tests.slurm import Cluster

from weft.service.jobs.execution import batch
from weft.service.jobs.states import Condition, RemoteOutcome, Status
from weft.service.jobs.tables import jobs
from weft.service.server import Service


@pytest.fixture
def bench(
    make_service: Callable[..., Service], tmp_path: Path, slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    made = Bench(make_service(slurm=True), tmp_path / "systems")
    made.batch_system("cluster", maxNodeCount=2)
    return made


def app(bench: Bench, script: str) -> None:
    bench.app(
        "batch",
        script,
        jobType="BATCH",
        containerImage="tapis://here/images/batch.zip",
        jobAttributes={"execSystemId": "cluster", "memoryMB": 10},
    )


def test_a_job_goes_through_slurm(bench: Bench, slurm: Cluster) -> None:
    app(bench, "echo job $SLURM_JOB_ID of $SLURM_JOB_NUM_NODES nodes")
    job = bench.run("batch", nodeCount=2)
    assert job.status is Status.FINISHED, job.last_message
    assert (job.remote_result_info, job.remote_outcome) == ("0:0", RemoteOutcome.FINISHED)
    assert bench.statuses(job.uuid) == [*WHOLE_WAY, "FINISHED"]
    assert bench.output(job).read_text() == f"job {job.remote_job_id} of 2 nodes\n"
    assert slurm.slurm().look([str(job.remote_job_id)])[str(job.remote_job_id)].state.ended


def test_a_job_that_fails_in_slurm(bench: Bench) -> None:
    app(bench, "exit 3")
    job = bench.run("batch")
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_REMOTE_OUTCOME_ERROR)
    assert job.remote_result_info == "3:0"


def test_a_job_is_cancelled_in_slurm(bench: Bench, slurm: Cluster) -> None:
    app(bench, "sleep 1000")
    uuid = bench.submit("batch")
    number = str(bench.wait(uuid, until=bench.state(Status.RUNNING)).remote_job_id)
    bench.service.ledger.ask_to_cancel(uuid)
    bench.service.worker.wake(uuid)
    assert bench.wait(uuid).status is Status.CANCELLED
    assert slurm.wait([number])[number].native.startswith("CANCELLED")


def test_a_job_that_somebody_cancels_in_slurm_has_failed(bench: Bench, slurm: Cluster) -> None:
    app(bench, "sleep 1000")
    uuid = bench.submit("batch")
    number = str(bench.wait(uuid, until=bench.state(Status.RUNNING)).remote_job_id)
    slurm.slurm().cancel([number])
    job = bench.wait(uuid)
    assert (job.status, job.condition) == (Status.FAILED, Condition.SCHEDULER_CANCELLED)
    assert 'remote status "CANCELLED"' in str(job.last_message)


def test_what_slurm_refuses_fails_at_once(bench: Bench) -> None:
    app(bench, "echo x")
    options = [{"name": "a", "arg": "--reservation nobody-has-this"}]
    job = bench.run("batch", parameterSet={"schedulerOptions": options})
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_LAUNCH_FAILURE)
    assert "reservation" in str(job.last_message)


def test_a_partition_that_slurm_has_not_is_the_built_in_queues(bench: Bench) -> None:
    bench.batch_system("elsewhere", partition="skx")
    app(bench, "echo $SLURM_JOB_PARTITION")
    job = bench.run("batch", execSystemId="elsewhere")
    assert job.status is Status.FINISHED
    assert job.remote_job_id == str(job.id)


def test_a_job_is_not_submitted_again_while_slurm_cannot_be_asked_for_it(
    bench: Bench, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sbatch took the job and its answer was lost; for a while no question is answered, which is no "no"."""
    monkeypatch.setattr(batch, "_SETTLE", 0.5)
    real = {name: shutil.which(name) for name in ("sbatch", "squeue")}
    commands = tmp_path / "commands"
    commands.mkdir()
    bodies = {
        "sbatch": f'{real["sbatch"]} "$@" >/dev/null; touch "{tmp_path}/taken"; echo timed out >&2; exit 1',
        "squeue": f'[ -e "{tmp_path}/answer" ] && exec {real["squeue"]} "$@"\necho timed out >&2; exit 1',
    }
    for name, body in bodies.items():
        (commands / name).write_text(f"#!/bin/sh\n{body}\n")
        (commands / name).chmod(0o755)
    patched = bench.service.worker._batch._slurm
    patched.environment["PATH"] = f"{commands}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", patched.environment["PATH"])
    app(bench, 'echo once >> "$_tapisSysRootDir/ran"')
    uuid = bench.submit("batch")
    bench.wait(uuid, until=lambda _: (tmp_path / "taken").exists())
    time.sleep(3)
    assert bench.service.ledger.get(uuid).status is Status.SUBMITTING_JOB
    (tmp_path / "answer").touch()
    assert bench.wait(uuid).status is Status.FINISHED
    assert (bench.root / "cluster" / "ran").read_text() == "once\n"


def test_a_job_whose_number_was_lost_is_found_by_its_comment(
    bench: Bench, slurm: Cluster, tmp_path: Path, signing_key: Path
) -> None:
    """As if the service and all it had started had been killed right after sbatch reached the controller."""
    app(
        bench,
        'while [ ! -e "$_tapisSysRootDir/go" ]; do sleep 0.1; done; echo once >> "$_tapisSysRootDir/ran"',
    )
    uuid = bench.submit("batch")
    job = bench.wait(uuid, until=bench.state(Status.RUNNING))
    bench.service.stop()
    record = bench.service.folder / "launches" / json.loads(job.launch)["token"]
    record.write_text(f"{record.read_text().splitlines()[0]}\n")
    record.with_name(f"{record.name}.log").unlink()
    with bench.service.database.writing() as connection:
        earlier = update(jobs).where(jobs.c.uuid == uuid)
        connection.execute(earlier.values(status="SUBMITTING_JOB", remote_job_id=None))
    again = start(bench.service.folder, signing_key, slurm=True)
    try:
        bench.service = again
        (bench.root / "cluster" / "go").touch()
        found = bench.wait(uuid)
        assert (found.status, found.remote_job_id) == (Status.FINISHED, job.remote_job_id)
        assert (bench.root / "cluster" / "ran").read_text() == "once\n"
    finally:
        again.stop()
