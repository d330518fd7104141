"""A user's day with the official client and nothing else; every answer is held against the official specification."""

from __future__ import annotations

import io
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tapipy import errors
from tapipy.tapis import Tapis
from tests.service import official
from tests.service.conftest import PASSWORD, Served, start
from tests.slurm import Cluster

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""tapipy's ``upload`` leaves the file open that it sends."""

APP_SCRIPT = """#!/bin/bash
set -u
echo "args: $*"
echo "color: $COLOR"
echo "job: $_tapisJobUUID on $_tapisExecSystemId with $_tapisNodes nodes"
cat inputs/words.txt
mkdir -p made && seq "$1" > made/numbers.txt
if [ "$1" = wait ]; then sleep 60; fi
echo 0 > tapisjob.exitcode
"""


@pytest.fixture(
    scope="module", params=["FORK", "FORK on PostgreSQL", "BATCH in the built-in queue", "BATCH on Slurm"]
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, signing_key: Path
) -> Iterator[tuple[Served, dict[str, Any]]]:
    """A service, and what makes a system of the kind in question."""
    folder = tmp_path_factory.mktemp("service")
    system: dict[str, Any] = {"rootDir": str(folder / "files")}
    if request.param.startswith("FORK"):
        more = (
            {"database": request.getfixturevalue("postgresql_url")} if "PostgreSQL" in request.param else {}
        )
        with Served(start(folder / "state", signing_key, **more)) as served:
            yield served, {**system, "canRunBatch": False}
        return
    queue = {"name": "tapis-normal", "hpcQueueName": "normal", "maxMinutes": 60, "maxNodeCount": 2}
    batch = {
        **system,
        "canRunBatch": True,
        "batchScheduler": "SLURM",
        "batchLogicalQueues": [queue],
        "batchDefaultLogicalQueue": "tapis-normal",
    }
    if request.param == "BATCH in the built-in queue":
        with Served(start(folder / "state", signing_key)) as served:
            yield served, batch
        return
    cluster: Cluster = request.getfixturevalue("slurm_accounting")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        with Served(start(folder / "state", signing_key, slurm=True)) as served:
            yield served, batch


class Day:
    """What the steps of a day share: the client, the names, the job."""

    def __init__(self, served: Served, system: dict[str, Any]) -> None:
        self.served = served
        self.watch = official.Watch()
        self.ann = self.login("ann")
        self.bob = self.login("bob")
        self.batch = system["canRunBatch"]
        self.system = f"ann-cluster-{uuid.uuid4().hex[:6]}"
        self.app = f"words-{uuid.uuid4().hex[:6]}"
        self.definition = system

    def login(self, user: str) -> Any:
        client = Tapis(base_url=self.served.url, username=user, password=PASSWORD)
        official.watch(client, self.watch)
        client.get_tokens()
        return client

    def submit(self, *, arg: str = "3", **more: Any) -> Any:
        return self.ann.jobs.submitJob(
            name="words of ann",
            appId=self.app,
            appVersion="0.1",
            parameterSet={
                "appArgs": [{"name": "count", "arg": arg}],
                "envVariables": [{"key": "COLOR", "value": "light blue"}],
            },
            fileInputs=[{"name": "words", "sourceUrl": f"tapis://{self.system}/data/words.txt"}],
            tags=["day"],
            **more,
        )

    def wait(self, job: str, *until: str) -> str:
        ends = {"FINISHED", "FAILED", "CANCELLED", *until}
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            status = self.ann.jobs.getJobStatus(jobUuid=job).status
            if status in ends:
                return str(status)
            time.sleep(0.1)
        raise AssertionError(f"{job} is still {status}: {self.ann.jobs.getJob(jobUuid=job)}")


def image() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tapisjob_app.sh", APP_SCRIPT)
    return stream.getvalue()


def prepare(day: Day, tmp_path: Path) -> None:
    """Register a system, upload an app and its input, register the app."""
    made = day.ann.systems.createSystem(
        id=day.system,
        systemType="LINUX",
        host="localhost",
        defaultAuthnMethod="PKI_KEYS",
        canExec=True,
        jobRuntimes=[{"runtimeType": "ZIP"}],
        jobWorkingDir="work/${JobUUID}",
        effectiveUserId="${apiUserId}",
        **day.definition,
    )
    assert made.url.endswith(day.system)
    assert day.ann.systems.getSystem(systemId=day.system).owner == "ann"
    assert day.system in [each.id for each in day.ann.systems.getSystems()]
    day.ann.systems.createUserCredential(systemId=day.system, userName="ann", createTmsKeys=True)
    day.ann.systems.checkUserCredential(systemId=day.system, userName="ann")
    (tmp_path / "words 1.txt").write_text("some words\n")
    (tmp_path / "app.zip").write_bytes(image())
    day.ann.files.mkdir(systemId=day.system, path="data")
    day.ann.upload(
        source_file_path=str(tmp_path / "words 1.txt"), system_id=day.system, dest_file_path="data/words.txt"
    )
    day.ann.upload(source_file_path=str(tmp_path / "app.zip"), system_id=day.system, dest_file_path="app.zip")
    listed = {each.name: each.size for each in day.ann.files.listFiles(systemId=day.system, path="data")}
    assert listed == {"words.txt": 11}
    assert day.ann.files.getContents(systemId=day.system, path="data/words.txt") == b"some words\n"
    day.ann.apps.createAppVersion(
        id=day.app,
        version="0.1",
        runtime="ZIP",
        containerImage=f"tapis://{day.system}/app.zip",
        jobType="BATCH" if day.batch else "FORK",
        strictFileInputs=True,
        jobAttributes={
            "execSystemId": day.system,
            "execSystemExecDir": "${JobWorkingDir}",
            "execSystemInputDir": "${JobWorkingDir}/inputs",
            "execSystemOutputDir": "${JobWorkingDir}",
            "archiveSystemId": day.system,
            "archiveSystemDir": "archive/${JobUUID}",
            "memoryMB": 100,
            "parameterSet": {
                "appArgs": [{"name": "count", "arg": "1", "inputMode": "INCLUDE_BY_DEFAULT"}],
                "archiveFilter": {"excludes": ["app.zip"], "includeLaunchFiles": True},
            },
            "fileInputs": [{"name": "words", "targetPath": "*", "inputMode": "REQUIRED"}],
        },
    )
    assert day.ann.apps.getAppLatestVersion(appId=day.app).version == "0.1"
    assert day.ann.apps.getApp(appId=day.app, appVersion="0.1").jobAttributes.execSystemId == day.system
    assert day.app in [each.id for each in day.ann.apps.getApps(search=f"(id.eq.{day.app})")]


def run(day: Day) -> str:
    """Submit, wait, read the history, list and download what came out."""
    job = day.submit()
    assert job.status == "PENDING"
    assert day.wait(job.uuid) == "FINISHED", day.ann.jobs.getJob(jobUuid=job.uuid).lastMessage
    ended = day.ann.jobs.getJob(jobUuid=job.uuid)
    assert (ended.condition, ended.remoteOutcome) == ("NORMAL_COMPLETION", "FINISHED")
    assert ended.remoteResultInfo == ("0:0" if day.batch else "0")
    assert ended.remoteJobId
    assert ended.execSystemLogicalQueue == ("tapis-normal" if day.batch else None)
    history = day.ann.jobs.getJobHistory(jobUuid=job.uuid)
    assert [each.eventDetail for each in history if each.event == "JOB_NEW_STATUS"] == [
        "PENDING",
        "PROCESSING_INPUTS",
        "STAGING_INPUTS",
        "STAGING_JOB",
        "SUBMITTING_JOB",
        "QUEUED",
        "RUNNING",
        "ARCHIVING",
        "FINISHED",
    ]
    staged = next(each for each in history if each.event == "JOB_INPUT_TRANSACTION_ID")
    assert (staged.transferSummary.completeTransfers, staged.transferSummary.totalBytesTransferred) == (1, 11)
    assert [each.created for each in history] == sorted(each.created for each in history)
    names = {each.name for each in day.ann.jobs.getJobOutputList(jobUuid=job.uuid, outputPath="/")}
    assert {"tapisjob.out", "tapisjob.sh", "tapisjob.env", "numbers.txt"} <= names
    assert "app.zip" not in names
    out = day.ann.jobs.getJobOutputDownload(jobUuid=job.uuid, outputPath="tapisjob.out").decode()
    assert "args: 3\ncolor: light blue\n" in out
    assert f"job: {job.uuid} on {day.system} with 1 nodes" in out
    assert "some words" in out
    whole = day.ann.jobs.getJobOutputDownload(jobUuid=job.uuid, outputPath="made")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert any(archive.read(name) == b"1\n2\n3\n" for name in archive.namelist())
    return str(job.uuid)


def search(day: Day, job: str) -> None:
    assert job in [each.uuid for each in day.ann.jobs.getJobList(orderBy="created(desc)", limit=10)]
    by_query = {"appId.eq": day.app, "status.in": "FINISHED,FAILED"}
    found = day.ann.jobs.getJobSearchList(select="uuid,name,status", _tapis_query_parameters=by_query)
    assert [(each.uuid, each.name, each.status) for each in found] == [(job, "words of ann", "FINISHED")]
    words = [f"appId = '{day.app}' AND (status = 'FINISHED' ", "OR name LIKE 'nothing*')"]
    found = day.ann.jobs.getJobSearchListByPostSqlStr(search=words, select="allAttributes")
    assert [each.uuid for each in found] == [job]
    nothing = day.ann.jobs.getJobSearchList(_tapis_query_parameters={"name.like": "nothing*"})
    assert nothing == []


def steer(day: Day, job: str) -> None:
    """Cancel, resubmit, hide, share, notes to the history, subscriptions."""
    long = day.submit(arg="wait")
    assert day.wait(long.uuid, "RUNNING") == "RUNNING"
    day.ann.jobs.sendEvent(jobUuid=long.uuid, eventData="half way", eventDetail="progress")
    day.ann.jobs.cancelJob(jobUuid=long.uuid)
    assert day.wait(long.uuid) == "CANCELLED"
    cancelled = day.ann.jobs.getJob(jobUuid=long.uuid)
    assert cancelled.condition == "CANCELLED_BY_USER"
    assert "JOB_USER_EVENT" in [each.event for each in day.ann.jobs.getJobHistory(jobUuid=long.uuid)]
    with pytest.raises(errors.BaseTapyException):
        day.ann.jobs.cancelJob(jobUuid=long.uuid)
    again = day.ann.jobs.resubmitJob(jobUuid=job)
    assert again.uuid != job
    assert day.wait(again.uuid) == "FINISHED"
    assert day.app in str(day.ann.jobs.getResubmitRequestJson(jobUuid=job))
    day.ann.jobs.hideJob(jobUuid=again.uuid)
    with pytest.raises(errors.NotFoundError):
        day.ann.jobs.getJob(jobUuid=again.uuid)
    assert again.uuid not in [each.uuid for each in day.ann.jobs.getJobList()]
    day.ann.jobs.unhideJob(jobUuid=again.uuid)
    assert day.ann.jobs.getJob(jobUuid=again.uuid).status == "FINISHED"


def share(day: Day, job: str) -> None:
    with pytest.raises((errors.ForbiddenError, errors.NotFoundError)):
        day.bob.jobs.getJobHistory(jobUuid=job)
    resources = ["JOB_HISTORY", "JOB_OUTPUT"]
    day.ann.jobs.shareJob(jobUuid=job, grantee="bob", jobResource=resources, jobPermission="READ")
    assert {each.jobResource for each in day.ann.jobs.getJobShare(jobUuid=job)} == set(resources)
    assert day.bob.jobs.getJobHistory(jobUuid=job)
    assert job in [each.uuid for each in day.bob.jobs.getJobList(listType="SHARED_JOBS")]
    day.ann.jobs.deleteJobShare(jobUuid=job, user="bob")
    with pytest.raises((errors.ForbiddenError, errors.NotFoundError)):
        day.bob.jobs.getJobHistory(jobUuid=job)


def test_a_day(place: tuple[Served, dict[str, Any]], tmp_path: Path) -> None:
    day = Day(*place)
    prepare(day, tmp_path)
    job = run(day)
    search(day, job)
    steer(day, job)
    share(day, job)
    assert day.watch.complaints == []
    assert {"submitJob", "getJobHistory", "getJobOutputDownload", "hideJob"} <= day.watch.succeeded("jobs")


def test_a_client_that_knows_only_the_address_finds_its_tenant(place: tuple[Served, dict[str, Any]]) -> None:
    served, _ = place
    for url in (served.url, served.url.replace("127.0.0.1", "localhost")):
        client = Tapis(base_url=url, username="ann", password=PASSWORD)
        client.get_tokens()
        assert client.tenant_id == "local"
        assert client.authenticator.get_userinfo().username == "ann"
