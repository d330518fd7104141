"""Kill the service whenever you like: no job is lost, none runs twice, every history is legal, and all jobs end.

``weft serve`` runs as a process of its own and takes a load of jobs over HTTP. It is killed with SIGKILL again and
again, at moments spread over the load, and started again on the same folder. Each job writes its name once into a
file that all share.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.conftest import count
from tests.service.conftest import start, token
from tests.service.jobs.execution.workbench import WHOLE_WAY, packed
from tests.slurm import Cluster

from weft.service.jobs.states import Status, may_follow
from weft.service.tokens import _signing_key

JOBS = count(24, 100)
MOMENTS = count(4, 20)
PATIENCE = 180.0
SCRIPT = """#!/bin/bash
echo "$_tapisJobUUID" >> "$_tapisSysRootDir/ran"
sleep 0.0$((RANDOM % 10))
"""
ENDED = ("FINISHED", "FAILED", "CANCELLED")


class Trial:
    """One state folder, and the service that runs from it now."""

    def __init__(self, folder: Path, *, batch: bool, slurm: bool, environment: dict[str, str]) -> None:
        self.folder = folder
        self.slurm = slurm
        self.environment = os.environ | environment
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "key").mkdir()
        _signing_key(folder / "key" / "signing-key.pem")
        first = start(folder / "state", folder / "key" / "signing-key.pem")
        headers = {"X-Tapis-Token": token(first, "ann")}
        first.stop()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20)
        self.child = self.started()
        self._define(batch)

    def started(self) -> subprocess.Popen[bytes]:
        """A service that answers."""
        command = [sys.executable, "-m", "weft", "serve", "--folder", str(self.folder / "state")]
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [*command, "--port", str(self.port), "--slurm" if self.slurm else "--no-slurm"],
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        end = time.monotonic() + PATIENCE
        while True:
            assert self.child.poll() is None, (self.folder / "log").read_text()
            try:
                if self.client.get("/v3/jobs/healthcheck").status_code == 200:
                    return self.child
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, "the service does not come up"
            time.sleep(0.02)

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self) -> None:
        self.child.terminate()
        self.child.wait(30)
        self.client.close()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def post(self, path: str, body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["result"]

    def _define(self, batch: bool) -> None:
        root = self.folder / "files"
        root.mkdir()
        (root / "once.zip").write_bytes(packed({"tapisjob_app.sh": SCRIPT}))
        (root / "in.txt").write_text("in")
        queue = {"name": "q", "hpcQueueName": "normal", "maxMinutes": 60, "maxNodeCount": 2}
        of_batch = {
            "canRunBatch": True,
            "batchScheduler": "SLURM",
            "batchLogicalQueues": [queue],
            "batchDefaultLogicalQueue": "q",
        }
        self.post(
            "/v3/systems",
            {
                "id": "here",
                "systemType": "LINUX",
                "host": "localhost",
                "defaultAuthnMethod": "PKI_KEYS",
                "effectiveUserId": "${apiUserId}",
                "rootDir": str(root),
                "canExec": True,
                "jobRuntimes": [{"runtimeType": "ZIP"}],
                "jobWorkingDir": "/work",
                **(of_batch if batch else {}),
            },
        )
        self.post(
            "/v3/apps",
            {
                "id": "once",
                "version": "1",
                "runtime": "ZIP",
                "containerImage": "/once.zip",
                "jobType": "BATCH" if batch else "FORK",
                "jobAttributes": {
                    "execSystemId": "here",
                    "memoryMB": 10,
                    "archiveSystemDir": "/archive/${JobUUID}",
                    "fileInputs": [{"name": "in", "sourceUrl": "tapis://here/in.txt", "targetPath": "*"}],
                },
            },
        )


class Load:
    """Submits jobs whatever happens to the service, as many as ``more`` allows; knows which were answered."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.answered: list[str] = []
        self.unanswered = 0
        self.refused: list[str] = []
        self.more = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number in range(JOBS):
            self.more.acquire()
            body = {"name": f"job-{number}", "appId": "once", "appVersion": "1"}
            for _ in range(2000):
                try:
                    answer = self._trial.client.post("/v3/jobs/submit", json=body)
                except httpx.ConnectError:
                    time.sleep(0.02)
                    continue
                except httpx.TransportError:
                    self.unanswered += 1  # it may be there or not: a client cannot know
                    break
                if answer.status_code == 200:
                    self.answered.append(answer.json()["result"]["uuid"])
                else:
                    self.refused.append(answer.text)
                break


@pytest.fixture(params=["FORK", "built-in queue", "Slurm"])
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trial]:
    slurm = request.param == "Slurm"
    cluster: Cluster | None = request.getfixturevalue("slurm") if slurm else None
    environment = cluster.environment if cluster else {}
    made = Trial(tmp_path, batch=request.param != "FORK", slurm=slurm, environment=environment)
    yield made
    made.stop()


def test_killed_again_and_again_no_job_is_lost_and_none_runs_twice(trial: Trial) -> None:
    moments = random.Random(4)
    load = Load(trial)
    load.thread.start()
    for _ in range(MOMENTS):
        load.more.release(JOBS // MOMENTS)
        time.sleep(moments.uniform(0.02, 0.6))
        trial.kill()
        trial.started()
    load.thread.join(PATIENCE)
    assert not load.thread.is_alive() and not load.refused
    jobs = all_ended(trial)
    uuids = [job["uuid"] for job in jobs]
    assert set(load.answered) <= set(uuids)
    assert len(load.answered) <= len(uuids) <= len(load.answered) + load.unanswered
    ran = (trial.folder / "files" / "ran").read_text().split()
    assert sorted(ran) == sorted(uuids)
    for job in jobs:
        assert job["status"] == "FINISHED", job
        check_history(trial.get(f"/v3/jobs/{job['uuid']}/history", limit=100))


def all_ended(trial: Trial) -> list[dict[str, Any]]:
    end = time.monotonic() + PATIENCE
    while True:
        jobs: list[dict[str, Any]] = trial.get("/v3/jobs/list", limit=-1)
        if all(job["status"] in ENDED for job in jobs):
            return jobs
        assert time.monotonic() < end, [job for job in jobs if job["status"] not in ENDED]
        time.sleep(0.2)


def check_history(history: list[dict[str, Any]]) -> None:
    moves = [json.loads(each["description"]) for each in history if each["event"] == "JOB_NEW_STATUS"]
    old: Status | None = None
    for move in moves:
        new = Status(move["newJobStatus"])
        assert move["oldJobStatus"] == (old.value if old else None)
        assert may_follow(old, new), moves
        old = new
    assert list(dict.fromkeys(move["newJobStatus"] for move in moves)) == [*WHOLE_WAY, "FINISHED"]
    assert [each["created"] for each in history] == sorted(each["created"] for each in history)
    transfers = [each["event"] for each in history if each["event"] != "JOB_NEW_STATUS"]
    assert transfers == ["JOB_INPUT_TRANSACTION_ID", "JOB_ARCHIVE_TRANSACTION_ID"]
