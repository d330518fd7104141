"""The worker on the real ledger, transfers and processes of this machine."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.service.jobs.execution.workbench import WHOLE_WAY, Bench

from weft.schedulers.processes import Process
from weft.service.faults import Fault
from weft.service.jobs.execution import local, staging
from weft.service.jobs.execution.launch import MARKER
from weft.service.jobs.execution.phases import Phases
from weft.service.jobs.model import Job
from weft.service.jobs.states import Condition, RemoteOutcome, Status
from weft.service.server import Service

Make = Callable[..., Bench]


@pytest.fixture
def make(make_service: Callable[..., Service], tmp_path: Path) -> Make:
    return lambda **settings: Bench(make_service(**settings), tmp_path / "systems")


@pytest.fixture
def bench(make: Make) -> Bench:
    return make()


def running(job: Job) -> bool:
    return job.status is Status.RUNNING


def pid_in(path: Path) -> int:
    """A pid that a job writes there."""
    end = time.monotonic() + 20
    while not (path.is_file() and path.read_text().strip()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return int(path.read_text())


def test_a_job_goes_the_whole_way(bench: Bench) -> None:
    bench.app("say", 'echo "hello $1"; pwd -P')
    job = bench.run("say", parameterSet={"appArgs": [{"arg": "world"}]})
    assert job.status is Status.FINISHED, job.last_message
    assert bench.statuses(job.uuid) == [*WHOLE_WAY, "FINISHED"]
    assert bench.output(job).read_text() == f"hello world\n{bench.exec_dir(job).resolve()}\n"
    assert (job.condition, job.remote_outcome) == (Condition.NORMAL_COMPLETION, RemoteOutcome.FINISHED)
    assert (job.remote_result_info, job.last_message) == ("0", "Setting job status to FINISHED.")
    assert job.remote_submitted and job.remote_started and job.remote_ended and job.ended
    assert job.created < job.remote_submitted < job.remote_started < job.remote_ended < job.ended
    assert job.remote_checks_success > 0
    assert (bench.exec_dir(job) / "tapisjob.pid").read_text().strip() == job.remote_job_id


def test_inputs_and_outputs_are_transferred_and_told_of(bench: Bench) -> None:
    (bench.root / "here" / "data" / "deep").mkdir(parents=True)
    (bench.root / "here" / "data" / "a.txt").write_text("a")
    (bench.root / "here" / "data" / "deep" / "b.txt").write_text("bb")
    bench.system("store")
    bench.app("count", 'find "$_tapisExecSystemInputDir$in" work -type f | sort; echo made > "$PWD/made.txt"')
    job = bench.run(
        "count",
        fileInputs=[
            {"name": "in", "sourceUrl": "tapis://here/data", "targetPath": "folder", "envKey": "in"},
            {"name": "local", "sourceUrl": "tapislocal://exec.tapis/data", "targetPath": "x"},
        ],
        archiveSystemId="store",
        execSystemOutputDir="${JobWorkingDir}/jobs/${JobUUID}",
    )
    assert job.status is Status.FINISHED, job.last_message
    assert (bench.exec_dir(job) / "folder" / "deep" / "b.txt").read_text() == "bb"
    assert not (bench.exec_dir(job) / "x").exists()
    found = {path.relative_to(bench.archived(job)).as_posix() for path in bench.archived(job).rglob("*")}
    assert {"made.txt", "tapisjob.out", "tapisjob.sh", "tapisjob.env", "folder/deep/b.txt"} <= found
    staged = bench.described(job.uuid, "JOB_INPUT_TRANSACTION_ID")
    assert staged["transactionId"] == job.input_transaction_id
    assert staged["transferStatus"] == "COMPLETED"
    assert (
        f"Files service staging transaction {job.input_transaction_id} in state COMPLETED"
        in staged["message"]
    )
    assert staged["summary"]["totalBytesTransferred"] == staged["summary"]["estimatedTotalBytes"] == 3
    assert staged["summary"]["completeTransfers"] == staged["summary"]["totalTransfers"]
    archived = bench.described(job.uuid, "JOB_ARCHIVE_TRANSACTION_ID")
    assert archived["transactionId"] == job.archive_transaction_id == archived["summary"]["uuid"]
    assert job.archive_correlation_id not in (None, job.archive_transaction_id)
    order = [each["event"] for each in bench.entries(job.uuid)]
    assert order.index("JOB_INPUT_TRANSACTION_ID") == 3  # after STAGING_INPUTS, before STAGING_JOB


def test_without_inputs_and_archive_nothing_is_transferred(bench: Bench) -> None:
    bench.app("say", "echo x")
    same = "${JobWorkingDir}/${JobUUID}"
    job = bench.run(
        "say", execSystemExecDir=same, execSystemOutputDir=same, archiveSystemDir="/work/${JobUUID}"
    )
    assert job.status is Status.FINISHED
    assert (job.input_transaction_id, job.archive_transaction_id) == (None, None)
    assert {each["event"] for each in bench.entries(job.uuid)} == {"JOB_NEW_STATUS"}


@pytest.mark.parametrize("source", ["tapis://here/nothing", "tapis://nowhere/x"])
def test_a_missing_input_fails_the_job(bench: Bench, source: str) -> None:
    bench.app("say", "echo x")
    job = bench.run("say", fileInputs=[{"sourceUrl": source, "targetPath": "x"}])
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_TRANSFER_FAILED_OR_CANCELLED)
    assert job.last_message
    assert bench.statuses(job.uuid) == [*WHOLE_WAY[:3], "FAILED"]
    assert bench.described(job.uuid, "JOB_ERROR_MESSAGE")["jobStatus"] == "STAGING_INPUTS"
    assert bench.described(job.uuid, "JOB_INPUT_TRANSACTION_ID")["transferStatus"] == "FAILED"


def test_a_missing_optional_input_does_not(bench: Bench) -> None:
    optional = {"name": "in", "inputMode": "OPTIONAL", "sourceUrl": "tapis://here/nothing", "targetPath": "x"}
    bench.app("say", "echo x", jobAttributes={"fileInputs": [optional]})
    job = bench.run("say")
    assert job.status is Status.FINISHED
    assert bench.described(job.uuid, "JOB_INPUT_TRANSACTION_ID")["transferStatus"] == "COMPLETED"


# ---- how the application ends

ENDS: list[tuple[str, str, str, RemoteOutcome, str]] = [
    ("tapis", "exit 3", "FINISHED", RemoteOutcome.FINISHED, "0"),
    ("tapis", "OUT; echo 3 > $out/tapisjob.exitcode", "FAILED", RemoteOutcome.FAILED, "3"),
    ("tapis", "OUT; echo none > $out/tapisjob.exitcode; exit 3", "FINISHED", RemoteOutcome.FINISHED, "0"),
    ("tapis", "OUT; ln -s /dev/zero $out/tapisjob.exitcode", "FINISHED", RemoteOutcome.FINISHED, "0"),
    ("real", "exit 3", "FAILED", RemoteOutcome.FAILED, "3"),
    ("real", "kill -9 $$", "FAILED", RemoteOutcome.FAILED, "137"),
    ("real", "exit 0", "FINISHED", RemoteOutcome.FINISHED, "0"),
    ("real", "no-such-command", "FAILED", RemoteOutcome.FAILED, "127"),
]


@pytest.mark.parametrize(("rule", "script", "status", "outcome", "info"), ENDS)
def test_the_exit_code_decides(
    make: Make, rule: str, script: str, status: str, outcome: RemoteOutcome, info: str
) -> None:
    bench = make(fork_exit=rule)
    bench.app("end", script.replace("OUT", "out=$_tapisSysRootDir$_tapisExecSystemOutputDir"))
    job = bench.run("end")
    assert (job.status.value, job.remote_outcome, job.remote_result_info) == (status, outcome, info)
    assert bench.statuses(job.uuid) == [*WHOLE_WAY, status]
    if status == "FAILED":
        assert job.condition is Condition.JOB_REMOTE_OUTCOME_ERROR
        assert job.last_message == (
            f'JOBS_USER_APP_FAILURE The user application ({job.remote_job_id}) ended with remote status "FAILED" '
            f"and returned exit code: {info}."
        )


@pytest.mark.parametrize(
    ("code", "mode", "outcome", "archived"),
    [
        (0, "ALWAYS", "FINISHED", True),
        (0, "SKIP_ON_FAIL", "FINISHED", True),
        (0, "NEVER", "FINISHED", False),
        (1, "ALWAYS", "FAILED", True),
        (1, "SKIP_ON_FAIL", "FAILED_SKIP_ARCHIVE", False),
        (1, "NEVER", "FAILED_SKIP_ARCHIVE", False),
    ],
)
def test_what_is_archived_when(make: Make, code: int, mode: str, outcome: str, archived: bool) -> None:
    bench = make(fork_exit="real")
    bench.system("store")
    bench.app("end", f"exit {code}")
    job = bench.run("end", archiveMode=mode, archiveSystemId="store")
    assert job.remote_outcome is not None and job.remote_outcome.value == outcome
    assert (bench.archived(job) / "tapisjob.out").exists() is archived
    assert bench.statuses(job.uuid) == [*WHOLE_WAY, "FAILED" if code else "FINISHED"]


def test_a_script_that_cannot_start_fails_the_job(bench: Bench) -> None:
    bench.app("say", "echo x")
    job = bench.run("say", parameterSet={"appArgs": [{"arg": "'"}]})
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_LAUNCH_FAILURE)
    assert "unexpected EOF" in str(job.last_message)


def test_logs_may_lie_in_folders_of_their_own(bench: Bench) -> None:
    bench.app("app", "echo said; echo complained >&2")
    logs = {"stdoutFilename": "logs/of/out", "stderrFilename": "errors/err"}
    job = bench.run("app", parameterSet={"logConfig": logs})
    assert job.status is Status.FINISHED
    folder = bench.root / "here" / job.exec_system_output_dir.lstrip("/")
    assert (folder / "logs/of/out").read_text() == "said\n"
    assert (folder / "errors/err").read_text() == "complained\n"


def test_a_job_that_kills_its_parent_ends(bench: Bench) -> None:
    bench.app("wild", "kill -9 $PPID; sleep 1000")
    job = bench.run("wild")
    assert job.status is Status.FINISHED  # the file of the exit code is missing: so says the rule


def test_what_a_job_leaves_running_is_killed(bench: Bench) -> None:
    bench.app(
        "wild",
        "(setsid sh -c 'echo $$ > $0; exec sleep 1000' $PWD/pid &) ; while [ ! -s pid ]; do sleep 0.01; done",
    )
    job = bench.run("wild")
    assert job.status is Status.FINISHED
    assert Process.of(int((bench.exec_dir(job) / "pid").read_text())) is None


def test_time_is_limited(bench: Bench) -> None:
    bench.app("long", "sleep 1000 & echo $! > pid; wait")
    uuid = bench.submit("long", maxMinutes=1)
    job = bench.wait(uuid, until=running)
    pid = pid_in(bench.exec_dir(job) / "pid")
    earlier = json.loads(job.launch) | {"begun": time.time() - 61}
    bench.service.ledger.update(uuid, launch=json.dumps(earlier))
    job = bench.wait(uuid)
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_EXECUTION_MONITORING_TIMEOUT)
    assert job.remote_outcome is RemoteOutcome.FAILED_SKIP_ARCHIVE
    assert Process.of(pid) is None


def test_outputs_are_limited(make: Make) -> None:
    bench = make(output_limit=1 << 20)
    bench.app("flood", "while :; do head -c 100000 /dev/zero >> flood.txt; sleep 0.02; done")
    job = bench.run("flood")
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_EXECUTION_MONITORING_ERROR)
    assert "limit of 1048576 bytes" in str(job.last_message)
    assert Process.of(int(str(job.remote_job_id))) is None


# ---- what goes wrong on the way


def test_a_full_disk_while_staging_fails_the_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")

    bench.app("say", "echo x")
    monkeypatch.setattr(staging, "_write", full)
    job = bench.run("say")
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_UNABLE_TO_STAGE_JOB)
    assert job.last_message == "JOB_UNABLE_TO_STAGE_JOB No space left on device: /somewhere"


def test_a_mistake_of_our_own_fails_that_job_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.app("say", "echo x")
    with monkeypatch.context() as broken:
        broken.setattr(staging.Staging, "folders", lambda *_: 1 / 0)
        job = bench.run("say")
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_INTERNAL_ERROR)
    assert job.last_message == "JOBS_INTERNAL_ERROR ZeroDivisionError within the service"
    assert "Traceback" in caplog.text
    assert bench.run("say").status is Status.FINISHED


IMAGES: list[tuple[dict[str, str | bytes], str]] = [
    ({"other.sh": "x"}, "neither tapisjob_app.sh nor a tapisjob.manifest"),
    ({"../out.sh": "x", "tapisjob_app.sh": "x"}, "leads out"),
    ({"tapisjob.manifest": "tapisjob_executable=gone.sh"}, "is not there"),
    ({"tapisjob.manifest": "tapisjob_executable=../../gone.sh"}, ".."),
]


@pytest.mark.parametrize(("files", "why"), IMAGES)
def test_a_bad_image_fails_the_job(bench: Bench, files: dict[str, str | bytes], why: str) -> None:
    bench.app("bad", "", files=files)
    job = bench.run("bad")
    assert (job.status, job.condition) == (Status.FAILED, Condition.JOB_UNABLE_TO_STAGE_JOB)
    assert why in str(job.last_message)


def test_the_manifest_names_the_executable(bench: Bench) -> None:
    files: dict[str, str | bytes] = {
        "tapisjob.manifest": "# x\ntapisjob_executable=bin/run.py\n",
        "bin/run.py": "#!/bin/sh\necho ran $1",
    }
    bench.app("named", "", files=files)
    job = bench.run("named", parameterSet={"appArgs": [{"arg": "it"}]})
    assert bench.output(job).read_text() == "ran it\n"


@pytest.mark.parametrize("keep", [True, False])
def test_an_image_may_come_from_another_system(bench: Bench, keep: bool) -> None:
    bench.app("far", "echo far", containerImage="tapis://here/images/far.zip")
    arguments = [{"name": "z", "arg": "--tapis-zip-save"}] if keep else []
    job = bench.run("far", parameterSet={"containerArgs": arguments})
    assert job.status is Status.FINISHED, job.last_message
    assert job.stage_app_transaction_id
    assert (bench.exec_dir(job) / "far.zip").exists() is keep


# ---- cancelling


def test_a_running_job_is_cancelled_with_all_its_processes(bench: Bench) -> None:
    bench.app("long", "setsid sleep 1000 & echo $! > pid; sleep 1000")
    uuid = bench.submit("long")
    job = bench.wait(uuid, until=running)
    pid = pid_in(bench.exec_dir(job) / "pid")
    assert bench.service.ledger.ask_to_cancel(uuid)
    bench.service.worker.wake(uuid)
    job = bench.wait(uuid)
    assert (job.status, job.condition) == (Status.CANCELLED, Condition.CANCELLED_BY_USER)
    assert bench.statuses(uuid)[-2:] == ["RUNNING", "CANCELLED"]
    assert Process.of(pid) is None and Process.of(int(str(job.remote_job_id))) is None
    assert not bench.archived(job).joinpath("tapisjob.sh").exists()


def test_a_blocked_job_is_cancelled_and_the_next_one_goes_on(bench: Bench) -> None:
    bench.app("long", "while [ ! -e $_tapisSysRootDir/go ]; do sleep 0.05; done", maxJobs=1)
    first = bench.submit("long")
    bench.wait(first, until=running)
    second, third = bench.submit("long"), bench.submit("long")
    bench.wait(second, third, until=lambda job: job.status is Status.BLOCKED)
    bench.service.ledger.ask_to_cancel(second)
    bench.service.worker.wake(second)
    assert bench.wait(second).status is Status.CANCELLED
    (bench.root / "here" / "go").touch()
    assert bench.wait(first, third).status is Status.FINISHED
    assert bench.statuses(third) == ["PENDING", "BLOCKED", *WHOLE_WAY, "FINISHED"]
    assert bench.job(third).blocked_count == 1


# ---- quotas


@pytest.mark.parametrize(
    ("app", "system"),
    [
        ({"maxJobs": 2}, {}),
        ({"maxJobsPerUser": 2}, {}),
        ({}, {"jobMaxJobs": 2}),
        ({"maxJobs": 50}, {"jobMaxJobsPerUser": 2}),
    ],
)
def test_quotas_hold(
    make_service: Callable[..., Service], tmp_path: Path, app: dict[str, int], system: dict[str, int]
) -> None:
    bench = Bench(make_service(), tmp_path, **system)
    bench.app("one", "ls running | wc -l; mkdir -p $0.d", **app)
    script = 'cd "$_tapisSysRootDir/running"; touch $$; ls | wc -l; sleep 0.05; rm $$'
    (bench.root / "here" / "running").mkdir()
    bench.app("busy", script, **app)
    jobs = [bench.submit("busy") for _ in range(12)]
    bench.wait(*jobs)
    seen = [int(bench.output(bench.job(uuid)).read_text()) for uuid in jobs]
    assert max(seen) <= 2
    assert any("BLOCKED" in bench.statuses(uuid) for uuid in jobs)
    assert {bench.job(uuid).status for uuid in jobs} == {Status.FINISHED}


def test_a_job_stays_blocked_while_its_app_is_disabled(bench: Bench) -> None:
    bench.app("long", "while [ ! -e $_tapisSysRootDir/go ]; do sleep 0.05; done", maxJobs=1)
    first = bench.submit("long")
    bench.wait(first, until=running)
    second = bench.submit("long")
    bench.wait(second, until=lambda job: job.status is Status.BLOCKED)
    apps, tenant = bench.service.apps, bench.service.tenant
    apps.switch("ann", tenant, "long", "disable", enabled=False)
    (bench.root / "here" / "go").touch()
    bench.wait(first)
    assert bench.job(second).status is Status.BLOCKED
    apps.switch("ann", tenant, "long", "enable", enabled=True)
    assert bench.wait(second).status is Status.FINISHED


def test_a_system_that_is_down_blocks(bench: Bench) -> None:
    bench.app("say", "echo x")
    bench.service.faults.use([Fault("system", "here", 1)])
    job = bench.run("say")
    assert job.status is Status.FINISHED
    assert bench.statuses(job.uuid)[:3] == ["PENDING", "BLOCKED", "PENDING"]


# ---- what processes find around them


def test_processes_get_nothing_of_the_services_own_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "s3cret")
    bench.app("env", "env")
    job = bench.run("env")
    text = bench.output(job).read_text()
    assert "s3cret" not in text
    assert f"{MARKER}={job.uuid}" in text
    assert f"_tapisExecSystemExecDir={job.exec_system_exec_dir}\n" in text


def test_on_a_stand_in_folders_are_real(make: Make, tmp_path: Path) -> None:
    bench = make(folder=tmp_path / "state")
    bench.system("far", host="far.example.org", rootDir="/", jobWorkingDir="HOST_EVAL($SCRATCH)/x/${JobUUID}")
    bench.app(
        "look",
        "cd $_tapisExecSystemOutputDir && cd $_tapisSysRootDir/$_tapisExecSystemExecDir && pwd -P && "
        "cd $1 && pwd -P && echo $SCRATCH && module load opensees && ibrun -n 1 echo fine",
        containerImage="tapis://here/images/look.zip",
        jobAttributes={"execSystemId": "far", "execSystemExecDir": "${JobWorkingDir}"},
    )
    job = bench.run("look", parameterSet={"appArgs": [{"arg": "${ExecSystemExecDir}"}]})
    assert job.status is Status.FINISHED, job.last_message
    folder = bench.service.folder / "hosts" / "far.example.org"
    out = (folder / job.exec_system_output_dir.lstrip("/") / "tapisjob.out").read_text().splitlines()
    exec_dir = str((folder / job.exec_system_exec_dir.lstrip("/")).resolve())
    assert out[:3] == [exec_dir, exec_dir, str(folder / "scratch/00000/ann")]
    assert out[-1] == "fine"
    assert job.exec_system_exec_dir == f"/scratch/00000/ann/x/{job.uuid}"


# ---- the built-in queue


def test_a_batch_job_goes_through_the_built_in_queue(bench: Bench) -> None:
    bench.batch_system("cluster")
    bench.app(
        "batch",
        "echo $SLURM_JOB_ID $SLURM_NTASKS; exit 5",
        jobType="BATCH",
        containerImage="tapis://here/images/batch.zip",
        jobAttributes={"execSystemId": "cluster", "nodeCount": 2, "coresPerNode": 3},
    )
    job = bench.run("batch")
    assert (job.status, job.remote_result_info) == (Status.FAILED, "5:0")
    assert bench.output(job).read_text() == f"{job.remote_job_id} 6\n"
    assert bench.statuses(job.uuid) == [*WHOLE_WAY, "FAILED"]


def test_the_built_in_queue_does_not_overload_the_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.batch_system("cluster")
    script = 'cd "$_tapisSysRootDir"; touch $$.on; ls *.on | wc -l; sleep 0.1; rm $$.on'
    bench.app(
        "batch",
        script,
        jobType="BATCH",
        containerImage="tapis://here/images/batch.zip",
        jobAttributes={"execSystemId": "cluster"},
    )
    jobs = [bench.submit("batch", coresPerNode=1 + at % 2) for at in range(8)]
    bench.wait(*jobs)
    cores = len(os.sched_getaffinity(0))
    assert max(int(bench.output(bench.job(uuid)).read_text()) for uuid in jobs) <= cores
    assert {bench.job(uuid).status for uuid in jobs} == {Status.FINISHED}


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_batch_job_past_its_time_is_asked_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.3)
    bench.batch_system("cluster")
    trap = "trap '' TERM" if stubborn else "trap 'echo asked; exit 0' TERM"
    bench.app(
        "batch",
        f"{trap}; echo 1 > pid; while :; do sleep 0.05; done",
        jobType="BATCH",
        containerImage="tapis://here/images/batch.zip",
        jobAttributes={"execSystemId": "cluster"},
    )
    uuid = bench.submit("batch")
    job = bench.wait(uuid, until=running)
    pid_in(bench.exec_dir(job) / "pid")
    late = json.loads(job.launch) | {"begun": time.time() - 601}
    bench.service.ledger.update(uuid, launch=json.dumps(late))
    job = bench.wait(uuid)
    assert (job.status, job.condition) == (Status.FAILED, Condition.SCHEDULER_TIMEOUT)
    assert 'remote status "TIMEOUT"' in str(job.last_message)
    assert ("asked" in bench.output(job).read_text()) is not stubborn


def test_a_batch_job_is_cancelled_while_it_waits(bench: Bench) -> None:
    bench.batch_system("cluster")
    bench.app(
        "batch",
        "sleep 1000",
        jobType="BATCH",
        containerImage="tapis://here/images/batch.zip",
        jobAttributes={"execSystemId": "cluster", "coresPerNode": 64},
    )
    first = bench.submit("batch")
    bench.wait(first, until=running)
    second = bench.submit("batch")
    bench.wait(second, until=lambda job: job.status is Status.QUEUED)
    for uuid in (second, first):
        bench.service.ledger.ask_to_cancel(uuid)
        bench.service.worker.wake(uuid)
    assert bench.wait(first, second).status is Status.CANCELLED
    assert bench.statuses(second)[-2:] == ["QUEUED", "CANCELLED"]


# ---- pace


def test_with_the_pace_of_tapis_every_phase_lasts(make: Make) -> None:
    bench = make(pace="tapis", speed=100)
    (bench.root / "here" / "x").write_text("x")
    bench.system("store")
    bench.app("say", "echo x")
    job = bench.run("say", fileInputs=[{"sourceUrl": "tapis://here/x"}], archiveSystemId="store")
    assert job.status is Status.FINISHED, job.last_message
    told = [each for each in bench.entries(job.uuid) if each["event"] == "JOB_NEW_STATUS"]
    times = [datetime.fromisoformat(each["created"].replace("Z", "+00:00")).timestamp() for each in told]
    lasted = dict(zip(WHOLE_WAY, (after - before for before, after in pairwise(times)), strict=True))
    least = {"PENDING": 0.5, "PROCESSING_INPUTS": 0.7, "STAGING_INPUTS": 7, "STAGING_JOB": 14, "ARCHIVING": 7}
    assert all(lasted[phase] >= seconds for phase, seconds in least.items()), lasted


def test_many_jobs_are_carried_at_once(bench: Bench) -> None:
    bench.app("say", "echo x")
    jobs = [bench.submit("say") for _ in range(40)]
    bench.wait(*jobs)
    assert {bench.job(uuid).status for uuid in jobs} == {Status.FINISHED}
    assert all(bench.statuses(uuid) == [*WHOLE_WAY, "FINISHED"] for uuid in jobs)
    end = time.monotonic() + 20
    while list((bench.service.folder / "launches").iterdir()):  # tidied just after the last change of state
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_state_has_its_work(bench: Bench) -> None:
    steps: Any = bench.service.worker._phases._steps
    assert isinstance(bench.service.worker._phases, Phases)
    assert set(steps) == {
        status for status in Status if status.value not in ("FINISHED", "FAILED", "CANCELLED")
    }
