"""How long a launch is waited for: from when it is made, whatever the job waited for before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.service.jobs.execution.workbench import Bench

from weft.service.jobs.execution import launch, local
from weft.service.jobs.states import Status
from weft.service.server import Service


def test_a_job_that_waited_long_in_the_queue_has_time_to_start(
    make_service: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENCE", 1.5)
    monkeypatch.setattr(launch, "_HOLDER", f"sleep 0.5\n{launch._HOLDER}")
    cores = len(os.sched_getaffinity(0))
    bench = Bench(make_service(), tmp_path / "systems")
    bench.batch_system("queue", partition="one-at-a-time", maxCoresPerNode=cores, maxNodeCount=1)
    bench.app(
        "whole",
        "sleep ${1:-0}; echo 0 > tapisjob.exitcode",
        jobType="BATCH",
        containerImage="tapis://here/images/whole.zip",
        jobAttributes={"execSystemId": "queue", "coresPerNode": cores, "memoryMB": 10},
    )
    first = bench.submit("whole", parameterSet={"appArgs": [{"name": "seconds", "arg": "2"}]})
    second = bench.submit("whole")
    assert bench.wait(first, second).status is Status.FINISHED, bench.job(second).last_message
