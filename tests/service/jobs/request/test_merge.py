"""From request, app and system to a job: who goes before whom, defaults, directories, limits, refusals."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from tests.conftest import count
from tests.service.jobs.request.made import UUID, app, environment, merged, replaced, request, system

from weft.service.answers import Problem
from weft.service.asking import checked
from weft.service.jobs.model import Job, SubmitRequest
from weft.service.jobs.tables import shown, stored


def test_the_least_request_gets_all_defaults() -> None:
    job = merged()
    assert (job.name, job.owner, job.tenant, job.uuid) == ("first", "ann", "local", UUID)
    assert (job.description, job.status.value) == ("tool-1.0 submitted by ann@local", "PENDING")
    assert (job.job_type, job.exec_system_logical_queue) == ("FORK", None)
    assert (job.node_count, job.cores_per_node, job.memory_mb, job.max_minutes) == (1, 1, 100, 10)
    assert job.exec_system_exec_dir == f"/work/jobs/{UUID}" == job.exec_system_input_dir
    assert job.exec_system_output_dir == f"/work/jobs/{UUID}/output" == job.archive_system_dir
    assert (job.exec_system_id, job.archive_system_id) == ("exec", "exec")
    assert (job.archive_mode, job.archive_on_app_error) == ("ALWAYS", True)
    assert (job.is_mpi, job.mpi_cmd, job.cmd_prefix) == (False, None, None)
    assert (job.tags, job.notes, job.subscriptions, job.shared_app_ctx) == ([], "{}", [], "")
    assert (job.created, job.last_updated) == ("2026-05-07T22:15:14.785522Z",) * 2


def test_an_archive_elsewhere_has_a_directory_of_its_own() -> None:
    assert merged(archive=system(id="store")).archive_system_dir == f"/jobs/{UUID}/archive"


@pytest.mark.parametrize(
    ("name", "of_app", "asked"),
    [
        ("nodeCount", 2, 3),
        ("coresPerNode", 2, 3),
        ("memoryMB", 200, 300),
        ("maxMinutes", 20, 30),
        ("description", "of app", "asked"),
        ("execSystemExecDir", "/a", "/b"),
        ("execSystemInputDir", "/a", "/b"),
        ("execSystemOutputDir", "/a", "/b"),
        ("archiveSystemDir", "/a", "/b"),
    ],
)
def test_the_request_goes_before_the_app(name: str, of_app: Any, asked: Any) -> None:
    def value(job: Job) -> object:
        return shown(stored((field, getattr(job, field)) for field in Job.__struct_fields__))[name]

    assert value(merged(of_app=app(**{name: of_app}))) == of_app
    assert value(merged(request(**{name: asked}), app(**{name: of_app}))) == asked
    assert value(merged(request(**{name: asked}))) == asked


def test_numbers_below_one_are_none() -> None:
    job = merged(request(nodeCount=0, coresPerNode=-1, memoryMB=0, maxMinutes=-5), app(nodeCount=4))
    assert (job.node_count, job.cores_per_node, job.memory_mb, job.max_minutes) == (1, 1, 100, 10)


# Directories


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("x//y/", "/x/y"),
        ("./x", "/x"),
        ("/", "/"),
        ("${JobWorkingDir}", "/work"),
        ("HOST_EVAL($SCRATCH)/${JobUUID}", f"/scratch/00000/ann/{UUID}"),
        ("HOST_EVAL($NONE, /other)/x", "/other/x"),
        ("/${JobOwner}/${AppId}-${AppVersion}/${JobCreateDate}", "/ann/tool-1.0/2026-05-07Z"),
        ("/${JobName}", "/first"),
        ("${EffectiveUserId}/x", "/ann/x"),
        ("/${SysHost}/${Nodes}x${CoresPerNode}", "/exec.example.org/1x1"),
    ],
)
def test_directories(template: str, path: str) -> None:
    assert merged(request(execSystemExecDir=template)).exec_system_exec_dir == path
    assert merged(of_app=app(archiveSystemDir=template)).archive_system_dir == path


def test_directories_may_speak_of_those_before_them() -> None:
    job = merged(
        request(
            execSystemOutputDir="${ExecSystemExecDir}/out", archiveSystemDir="${ExecSystemOutputDir}/kept"
        ),
        app(execSystemExecDir="HOST_EVAL($WORK)/x"),
    )
    assert job.archive_system_dir == "/work/00000/ann/x/out/kept"
    with pytest.raises(Problem, match="JOBS_UNRESOLVED_MACRO ExecSystemExecDir"):
        merged(request(execSystemExecDir="${ExecSystemOutputDir}"))


@pytest.mark.parametrize(
    "template",
    [
        "../x",
        "/a/../../x",
        "${Nothing}/x",
        "/a\nb",
        "/a/HOST_EVAL($WORK)",
        "HOST_EVAL($NONE)",
        "x" * 300,
        "/a\x7f",
    ],
)
def test_impossible_directories_are_refused(template: str) -> None:
    for name in ("execSystemExecDir", "execSystemInputDir", "execSystemOutputDir", "archiveSystemDir"):
        with pytest.raises(Problem) as caught:
            merged(request(**{name: template}))
        assert caught.value.status == 400 and name[1:] in caught.value.message
    with pytest.raises(Problem, match="JobWorkingDir"):
        merged(on=system(jobWorkingDir=template))


def test_a_name_that_would_lead_elsewhere_is_refused_where_it_matters() -> None:
    assert merged(request(name="../../x")).name == "../../x"
    with pytest.raises(Problem, match="TAPIS_PROHIBITED_DIR_PATTERN ArchiveSystemDir"):
        merged(request(name="../../x", archiveSystemDir="/${JobName}"))


def test_the_name_may_have_macros() -> None:
    assert merged(request(name="${AppId}-${JobCreateDate} ${x}")).name == "tool-2026-05-07Z ${x}"
    with pytest.raises(Problem, match="JOBS_NAME_TOO_LONG"):
        merged(request(name="${SysRootDir}"), on=system(rootDir="/" + "x" * 300))


def test_the_hosts_of_both_systems_are_asked_for_their_own() -> None:
    asked: list[tuple[str, str]] = []

    def host_eval(system_id: str, variable: str) -> str:
        asked.append((system_id, variable))
        return f"/{system_id}"

    job = merged(
        request(execSystemExecDir="HOST_EVAL($A)", archiveSystemDir="HOST_EVAL($B)/x"),
        archive=system(id="store"),
        host_eval=host_eval,
    )
    assert (job.exec_system_exec_dir, job.archive_system_dir) == ("/exec", "/store/x")
    assert asked == [("exec", "A"), ("store", "B")]


def test_transfer_nodes_are_used_where_system_and_job_name_them() -> None:
    on = system(dtnSystemId="dtn")
    job = merged(request(dtnSystemInputDir="/in", dtnSystemOutputDir="!tapis_not_set"), on=on)
    assert (job.dtn_system_id, job.dtn_system_input_dir, job.dtn_system_output_dir) == ("dtn", "/in", None)
    assert environment(job)["_tapisDtnSystemInputDir"] == "/in"
    job = merged(request(dtnSystemInputDir="/in"))
    assert (job.dtn_system_id, job.dtn_system_input_dir) == (None, None)


# What runs it


@pytest.mark.parametrize(
    ("asked", "of_app", "can_batch", "wanted"),
    [
        (None, None, False, "FORK"),
        (None, None, True, "BATCH"),
        (None, "FORK", True, "FORK"),
        (None, "BATCH", True, "BATCH"),
        ("FORK", "BATCH", True, "FORK"),
        ("BATCH", "FORK", True, "BATCH"),
        ("BATCH", None, False, None),
        (None, "BATCH", False, None),
    ],
)
def test_job_types(asked: str | None, of_app: str | None, can_batch: bool, wanted: str | None) -> None:
    given = request(**({"jobType": asked} if asked else {}))
    defined = app(more={"jobType": of_app} if of_app else None)
    if wanted is None:
        with pytest.raises(Problem, match="JOBS_INVALID_JOBTYPE"):
            merged(given, defined, system())
    else:
        assert merged(given, defined, system(canRunBatch=can_batch)).job_type == wanted


QUEUES = [{"name": name, "hpcQueueName": f"hpc-{name}"} for name in ("a", "b", "c")]


def test_queues_of_request_app_and_system() -> None:
    on = system(canRunBatch=True, batchLogicalQueues=QUEUES, batchDefaultLogicalQueue="c")
    assert merged(on=on).exec_system_logical_queue == "c"
    assert merged(of_app=app(execSystemLogicalQueue="b"), on=on).exec_system_logical_queue == "b"
    job = merged(request(execSystemLogicalQueue="a"), app(execSystemLogicalQueue="b"), on)
    assert environment(job)["_tapisExecSystemHPCQueue"] == "hpc-a"
    with pytest.raises(Problem, match=r"JOBS_INVALID_LOGICAL_QUEUE .*a, b, c"):
        merged(request(execSystemLogicalQueue="d"), on=on)
    with pytest.raises(Problem, match="JOBS_NO_LOGICAL_QUEUE"):
        merged(on=system(canRunBatch=True, batchDefaultLogicalQueue=None))
    assert (
        merged(request(jobType="FORK", execSystemLogicalQueue="d"), on=on).exec_system_logical_queue is None
    )


@pytest.mark.parametrize(
    ("limit", "asked", "key"),
    [
        ({"maxNodeCount": 2}, {"nodeCount": 3}, "JOBS_Q_EXCEEDED_MAX_NODES"),
        ({"maxCoresPerNode": 2}, {"coresPerNode": 3}, "JOBS_Q_EXCEEDED_MAX_CORES"),
        ({"maxMemoryMB": 200}, {"memoryMB": 201}, "JOBS_Q_EXCEEDED_MAX_MEM"),
        ({"maxMinutes": 20}, {"maxMinutes": 21}, "JOBS_Q_EXCEEDED_MAX_MINUTES"),
        ({"minNodeCount": 3}, {"nodeCount": 2}, "JOBS_Q_MIN_NODES_ERROR"),
        ({"minCoresPerNode": 3}, {"coresPerNode": 2}, "JOBS_Q_MIN_CORES_ERROR"),
        ({"minMemoryMB": 201}, {"memoryMB": 200}, "JOBS_Q_MIN_MEM_ERROR"),
        ({"minMinutes": 21}, {"maxMinutes": 20}, "JOBS_Q_MIN_MINUTES_ERROR"),
        ({"maxNodeCount": 2, "minNodeCount": 2}, {"nodeCount": 2}, None),
        ({"maxNodeCount": -1}, {"nodeCount": 2000}, None),
    ],
)
def test_queues_have_limits_both_ways(limit: dict[str, int], asked: dict[str, int], key: str | None) -> None:
    on = system(canRunBatch=True, batchLogicalQueues=[{**QUEUES[0], **limit}], batchDefaultLogicalQueue="a")
    if key is None:
        merged(request(**asked), on=on)
    else:
        with pytest.raises(
            Problem, match=f"{key} Job {UUID} requested .* on system exec using queue a. The queue m"
        ):
            merged(request(**asked), on=on)
    merged(request(jobType="FORK", **asked), on=on)  # a process is in no queue


@pytest.mark.parametrize(
    ("asked", "of_app", "on", "wanted"),
    [
        ({"isMpi": True}, {}, {"mpiCmd": "ibrun"}, (True, "ibrun", None)),
        ({"isMpi": True}, {"mpiCmd": "mpirun"}, {"mpiCmd": "ibrun"}, (True, "mpirun", None)),
        ({"isMpi": True, "mpiCmd": " mpiexec -n 4 "}, {"mpiCmd": "mpirun"}, {}, (True, "mpiexec -n 4", None)),
        ({"mpiCmd": None}, {"isMpi": True, "mpiCmd": "mpirun"}, {}, (True, "mpirun", None)),
        ({"isMpi": False}, {"isMpi": True}, {}, (False, None, None)),
        ({"isMpi": True}, {}, {}, "JOBS_MISSING_MPI_CMD"),
        ({"isMpi": True, "mpiCmd": " "}, {}, {}, "JOBS_MISSING_MPI_CMD"),
        ({"isMpi": True, "mpiCmd": "a; b"}, {}, {}, "JOBS_INVALID_INPUT_CHARACTERS"),
        (
            {"isMpi": True, "mpiCmd": "m", "cmdPrefix": "p"},
            {},
            {"enableCmdPrefix": True},
            "JOBS_MPI_CMD_CONFLICT",
        ),
        ({"cmdPrefix": "time"}, {}, {"enableCmdPrefix": True}, (False, None, "time")),
        ({}, {"cmdPrefix": "time"}, {"enableCmdPrefix": True}, (False, None, "time")),
        ({"cmdPrefix": "time"}, {}, {}, "JOBS_CMD_PREFIX_NOT_ENABLED"),
        ({"cmdPrefix": "a\nb"}, {}, {"enableCmdPrefix": True}, "JOBS_CONTROL_CHAR_DETECTED"),
    ],
)
def test_what_stands_before_the_program(
    asked: dict[str, Any], of_app: dict[str, Any], on: dict[str, Any], wanted: tuple[bool, str, str] | str
) -> None:
    if isinstance(wanted, str):
        with pytest.raises(Problem, match=wanted):
            merged(request(**asked), app(**of_app), system(**on))
    else:
        job = merged(request(**asked), app(**of_app), system(**on))
        assert (job.is_mpi, job.mpi_cmd, job.cmd_prefix) == wanted


@pytest.mark.parametrize(
    ("asked", "of_app", "wanted"),
    [
        ({}, {}, "ALWAYS"),
        ({}, {"archiveOnAppError": False}, "SKIP_ON_FAIL"),
        ({}, {"archiveMode": "NEVER"}, "NEVER"),
        ({}, {"archiveMode": "NEVER", "archiveOnAppError": True}, "NEVER"),
        ({"archiveOnAppError": False}, {"archiveMode": "NEVER"}, "SKIP_ON_FAIL"),
        ({"archiveOnAppError": True}, {"archiveOnAppError": False}, "ALWAYS"),
        ({"archiveMode": "SKIP_ON_FAIL"}, {"archiveMode": "NEVER"}, "SKIP_ON_FAIL"),
        ({"archiveMode": "ALWAYS", "archiveOnAppError": False}, {}, "ALWAYS"),
    ],
)
def test_archive_modes(asked: dict[str, Any], of_app: dict[str, Any], wanted: str) -> None:
    job = merged(request(**asked), app(**of_app))
    assert (job.archive_mode, job.archive_on_app_error) == (wanted, wanted == "ALWAYS")
    variables = environment(job)
    assert variables["_tapisArchiveOnAppError"] == str(wanted == "ALWAYS").lower()
    named = asked.get("archiveMode") or ("archiveOnAppError" not in asked and of_app.get("archiveMode"))
    assert variables.get("_tapisArchiveMode") == (wanted if named else None)


@pytest.mark.parametrize(
    ("of_app", "on", "key"),
    [
        ({"enabled": False}, {}, "JOBS_APP_NOT_AVAILABLE"),
        ({"versionEnabled": False}, {}, "JOBS_APP_NOT_AVAILABLE"),
        ({}, {"enabled": False}, "JOBS_SYSTEM_NOT_AVAILABLE"),
        ({}, {"canExec": False}, "JOBS_INVALID_EXEC_SYSTEM"),
        ({}, {"jobWorkingDir": None}, "JOBS_INVALID_EXEC_SYSTEM"),
        ({}, {"jobRuntimes": []}, "JOBS_INVALID_EXEC_SYSTEM"),
        ({"runtime": "DOCKER", "jobType": "BATCH"}, {"canRunBatch": True}, "JOBS_INVALID_JOBTYPE"),
        ({"runtime": "SINGULARITY"}, {}, "TAPIS_SINGULARITY_OPTION_MISSING"),
    ],
)
def test_what_cannot_be_used_is_refused(of_app: dict[str, Any], on: dict[str, Any], key: str) -> None:
    with pytest.raises(Problem, match=key):
        merged(of_app=app(more=of_app), on=system(**on))


def test_a_disabled_archive_is_refused() -> None:
    with pytest.raises(Problem, match="JOBS_SYSTEM_NOT_AVAILABLE system store"):
        merged(archive=system(id="store", enabled=False))


# The rest


def test_tags_and_subscriptions_of_both_are_joined() -> None:
    target = {"deliveryMethod": "WEBHOOK", "deliveryAddress": "http://127.0.0.1/x"}
    asked = request(
        tags=["b", "a"],
        subscriptions=[{"eventCategoryFilter": "ALL", "deliveryTargets": [target], "ttlMinutes": 10**6}],
    )
    of_app = app(
        tags=["c", "a"],
        subscriptions=[{"jobEventCategoryFilter": "JOB_NEW_STATUS", "deliveryTargets": [target]}],
    )
    job = merged(asked, of_app)
    assert job.tags == ["a", "b", "c"]
    assert [(one.event_category_filter, one.ttl_minutes) for one in job.subscriptions] == [
        ("ALL", 40320), ("JOB_NEW_STATUS", 10080)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "address"),
    [("WEBHOOK", "ftp://x"), ("WEBHOOK", "x"), ("EMAIL", "nobody"), ("EMAIL", "a@b\nc")],
)
def test_impossible_targets_are_refused(method: str, address: str) -> None:
    target = {"deliveryMethod": method, "deliveryAddress": address}
    with pytest.raises(Problem) as caught:
        merged(request(subscriptions=[{"eventCategoryFilter": "ALL", "deliveryTargets": [target]}]))
    assert caught.value.status == 400


def test_the_same_tag_twice_is_refused() -> None:
    with pytest.raises(Problem, match="tags"):
        merged(request(tags=["a", "a"]))


def test_notes_of_the_request_go_before_the_apps() -> None:
    of_app = app(more={"notes": {"a": 1}})
    assert merged(of_app=of_app).notes == '{"a":1}'
    assert merged(request(notes={"b": [2]}), of_app).notes == '{"b":[2]}'
    with pytest.raises(Problem, match="JOBS_NOTES_TOO_LONG"):
        merged(request(notes={"n": "x" * 140_000}))


def test_constraints_of_both_are_joined() -> None:
    job = merged(request(execSystemConstraints=["a = 1"]), app(execSystemConstraints=["b = 2"]))
    assert job.exec_system_constraints == ["a = 1", "b = 2"]


def test_the_effective_user_may_be_told() -> None:
    assert environment(merged(effective_user="login"))["_tapisEffectiveUserId"] == "login"
    assert environment(merged(on=system(effectiveUserId="static")))["_tapisEffectiveUserId"] == "static"


# A job of the shape of a recorded one

CLUSTER = {
    "id": "stampede3",
    "host": "stampede3.tacc.utexas.edu",
    "effectiveUserId": "${apiUserId}",
    "canRunBatch": True,
    "jobWorkingDir": "HOST_EVAL($SCRATCH)/tapis/${JobUUID}",
    "jobRuntimes": [{"runtimeType": "SINGULARITY"}],
    "batchLogicalQueues": [
        {"name": name, "hpcQueueName": name, "maxNodeCount": 16, "maxCoresPerNode": 48, "maxMemoryMB": 192000, "maxMinutes": 120}
        for name in ("skx", "skx-dev")
    ],
    "batchDefaultLogicalQueue": "skx",
    "batchSchedulerProfile": "containers",
}  # fmt: skip
SOLVER = {
    "id": "opensees-mp-s3",
    "version": "latest",
    "jobType": "BATCH",
    "strictFileInputs": True,
    "sharedAppCtx": "wma_prtl",
    "notes": {"label": "OpenSeesMP", "isInteractive": False},
}
ATTRIBUTES = {
    "execSystemId": "stampede3",
    "execSystemExecDir": "${JobWorkingDir}",
    "execSystemInputDir": "${JobWorkingDir}",
    "execSystemOutputDir": "${JobWorkingDir}",
    "execSystemLogicalQueue": "skx",
    "archiveSystemId": "stampede3",
    "archiveSystemDir": "HOST_EVAL($WORK)/tapis-jobs-archive/${JobCreateDate}/${JobName}-${JobUUID}",
    "archiveOnAppError": True,
    "isMpi": False,
    "nodeCount": 2,
    "coresPerNode": 48,
    "memoryMB": 192000,
    "maxMinutes": 120,
    "fileInputs": [
        {
            "name": "Input Directory",
            "inputMode": "REQUIRED",
            "targetPath": "inputDirectory",
            "envKey": "inputDirectory",
            "description": "The directory with the scripts",
            "notes": {"selectionMode": "directory"},
        }
    ],
}
PARAMETERS = {
    "appArgs": [
        {"name": "mainProgram", "arg": "OpenSeesMP", "inputMode": "FIXED", "notes": {"isHidden": True}},
        {
            "name": "Main Script",
            "inputMode": "REQUIRED",
            "description": "The script",
            "notes": {"inputType": "fileInput"},
        },
    ],
    "schedulerOptions": [
        {
            "name": "OpenSees TACC Scheduler Profile",
            "description": "The profile",
            "inputMode": "FIXED",
            "arg": "--tapis-profile OpenSees_default",
            "notes": {"isHidden": True},
        },
        {"name": "TACC Reservation", "inputMode": "INCLUDE_ON_DEMAND", "notes": {"isHidden": True}},
    ],
    "archiveFilter": {"includes": [], "excludes": [], "includeLaunchFiles": True},
}
ASKED = {
    "name": "opensees-mp-s3-latest_2025-05-07T22:13:08",
    "appId": "opensees-mp-s3",
    "appVersion": "latest",
    "execSystemLogicalQueue": "skx-dev",
    "archiveSystemId": "designsafe.storage.default",
    "archiveSystemDir": "${EffectiveUserId}/tapis-jobs-archive/${JobCreateDate}/${JobName}-${JobUUID}",
    "maxMinutes": 100,
    "fileInputs": [
        {"name": "Input Directory", "sourceUrl": "tapis://designsafe.storage.default/user1/scripts"}
    ],
    "parameterSet": {
        "appArgs": [{"name": "Main Script", "arg": "Ex1many.tcl"}],
        "schedulerOptions": [{"name": "TACC Allocation", "description": "Who pays", "arg": "-A DS-HPC1"}],
    },
    "tags": ["portalName: DESIGNSAFE"],
    "subscriptions": [
        {
            "description": "Portal job status notification",
            "eventCategoryFilter": "JOB_NEW_STATUS",
            "deliveryTargets": [
                {"deliveryMethod": "WEBHOOK", "deliveryAddress": "https://portal.example.org/jobs/"}
            ],
        }
    ],
}
RECORDED_UUID = "4dfa35e1-15cd-48fd-a090-f348544dee1f-007"
SCRATCH = f"/scratch/00000/user1/tapis/{RECORDED_UUID}"
ARCHIVE = f"/user1/tapis-jobs-archive/2025-05-07Z/{ASKED['name']}-{RECORDED_UUID}"


def recorded() -> dict[str, Any]:
    cluster = system(**CLUSTER)
    job = merged(
        checked(ASKED, SubmitRequest),
        app(PARAMETERS, SOLVER, **ATTRIBUTES),
        cluster,
        system(id="designsafe.storage.default"),
        owner="user1",
        tenant="designsafe",
        uuid=RECORDED_UUID,
        created=datetime(2025, 5, 7, 22, 15, 14, 785522, timezone.utc),
        host_eval=lambda _system, variable: {"SCRATCH": "/scratch/00000/user1"}.get(variable),
        has_profile=lambda name: name == "OpenSees_default",
        tracking_id="portals.1",
    )
    return shown(stored((name, getattr(job, name)) for name in Job.__struct_fields__))


RECORDED = {
    "name": ASKED["name"],
    "owner": "user1",
    "tenant": "designsafe",
    "description": "opensees-mp-s3-latest submitted by user1@designsafe",
    "created": "2025-05-07T22:15:14.785522Z",
    "uuid": RECORDED_UUID,
    "appId": "opensees-mp-s3",
    "appVersion": "latest",
    "archiveOnAppError": True,
    "dynamicExecSystem": False,
    "execSystemId": "stampede3",
    "execSystemExecDir": SCRATCH,
    "execSystemInputDir": SCRATCH,
    "execSystemOutputDir": SCRATCH,
    "execSystemLogicalQueue": "skx-dev",
    "archiveSystemId": "designsafe.storage.default",
    "archiveSystemDir": ARCHIVE,
    "dtnSystemId": None,
    "dtnSystemInputDir": None,
    "dtnSystemOutputDir": None,
    "nodeCount": 2,
    "coresPerNode": 48,
    "memoryMB": 192000,
    "maxMinutes": 100,
    "execSystemConstraints": None,
    "blockedCount": 0,
    "remoteQueue": None,
    "tapisQueue": "tapis.jobq.submit.DefaultQueue",
    "visible": True,
    "createdby": "user1",
    "createdbyTenant": "designsafe",
    "tags": ["portalName: DESIGNSAFE"],
    "jobType": "BATCH",
    "isMpi": False,
    "mpiCmd": None,
    "cmdPrefix": None,
    "sharedAppCtx": "wma_prtl",
    "sharedAppCtxAttribs": [
        "SAC_EXEC_SYSTEM_ID",
        "SAC_EXEC_SYSTEM_INPUT_DIR",
        "SAC_EXEC_SYSTEM_EXEC_DIR",
        "SAC_EXEC_SYSTEM_OUTPUT_DIR",
    ],
    "trackingId": "portals.1",
    "_fileInputsSpec": None,
    "_parameterSetModel": None,
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_shape_comes_out_as_recorded(name: str) -> None:
    assert recorded()[name] == RECORDED[name]


def test_its_inputs_and_subscriptions_come_out_as_recorded() -> None:
    (one,) = json.loads(recorded()["fileInputs"])
    assert {
        name: one[name] for name in ("name", "notes", "envKey", "optional", "sourceUrl", "targetPath")
    } == {
        "name": "Input Directory",
        "notes": '{"selectionMode":"directory"}',
        "envKey": "inputDirectory",
        "optional": False,
        "sourceUrl": "tapis://designsafe.storage.default/user1/scripts",
        "targetPath": "inputDirectory",
    }
    (subscription,) = json.loads(recorded()["subscriptions"])
    assert subscription == {"enabled": True, "ttlMinutes": 10080, **ASKED["subscriptions"][0]}  # type: ignore[index]


def test_its_parameter_set_comes_out_as_recorded() -> None:
    parameters = json.loads(recorded()["parameterSet"])
    assert list(parameters) == [
        "appArgs", "logConfig", "envVariables", "archiveFilter", "containerArgs", "schedulerOptions"
    ]  # fmt: skip
    assert parameters["appArgs"] == [
        {
            "arg": "OpenSeesMP",
            "name": "mainProgram",
            "notes": '{"isHidden":true}',
            "include": None,
            "description": None,
        },
        {
            "arg": "Ex1many.tcl",
            "name": "Main Script",
            "notes": '{"inputType":"fileInput"}',
            "include": None,
            "description": "The script",
        },
    ]
    assert parameters["schedulerOptions"] == [
        {
            "arg": "--tapis-profile OpenSees_default",
            "name": "OpenSees TACC Scheduler Profile",
            "notes": '{"isHidden":true}',
            "include": None,
            "description": "The profile",
        },
        {
            "arg": "-A DS-HPC1",
            "name": "TACC Allocation",
            "notes": None,
            "include": None,
            "description": "Who pays",
        },
    ]
    assert parameters["logConfig"] == {"stdoutFilename": "tapisjob.out", "stderrFilename": "tapisjob.out"}
    assert parameters["archiveFilter"] == {"includes": [], "excludes": [], "includeLaunchFiles": True}
    assert parameters["containerArgs"] == []


def test_its_variables_come_out_as_recorded_and_in_that_order() -> None:
    variables = json.loads(recorded()["parameterSet"])["envVariables"]
    assert variables[0] == {
        "key": "_tapisAppId", "notes": None, "value": "opensees-mp-s3", "include": None, "description": None
    }  # fmt: skip
    assert [(one["key"], one["value"]) for one in variables] == [
        ("_tapisAppId", "opensees-mp-s3"),
        ("_tapisAppVersion", "latest"),
        ("_tapisArchiveOnAppError", "true"),
        ("_tapisArchiveSystemDir", ARCHIVE),
        ("_tapisArchiveSystemId", "designsafe.storage.default"),
        ("_tapisCoresPerNode", "48"),
        ("_tapisDynamicExecSystem", "false"),
        ("_tapisEffectiveUserId", "user1"),
        ("_tapisExecSystemExecDir", SCRATCH),
        ("_tapisExecSystemHPCQueue", "skx-dev"),
        ("_tapisExecSystemId", "stampede3"),
        ("_tapisExecSystemInputDir", SCRATCH),
        ("_tapisExecSystemLogicalQueue", "skx-dev"),
        ("_tapisExecSystemOutputDir", SCRATCH),
        ("_tapisJobCreateDate", "2025-05-07Z"),
        ("_tapisJobCreateTime", "22:15:14.785522177Z"),
        ("_tapisJobCreateTimestamp", "2025-05-07T22:15:14.785522177Z"),
        ("_tapisJobName", ASKED["name"]),
        ("_tapisJobOwner", "user1"),
        ("_tapisJobUUID", RECORDED_UUID),
        ("_tapisJobWorkingDir", SCRATCH),
        ("_tapisMaxMinutes", "100"),
        ("_tapisMemoryMB", "192000"),
        ("_tapisNodes", "2"),
        ("_tapisStderrFilename", "tapisjob.out"),
        ("_tapisStdoutFilename", "tapisjob.out"),
        ("_tapisSysBatchScheduler", "SLURM"),
        ("_tapisSysHost", "stampede3.tacc.utexas.edu"),
        ("_tapisSysRootDir", "/"),
        ("_tapisTenant", "designsafe"),
        ("inputDirectory", "inputDirectory"),
    ]


# Anything

TEXT = st.text(alphabet="${}JobNameUID/..*HOST_EVAL() \n;&-_x1", max_size=30)


@settings(max_examples=count(150, 3000), deadline=None)
@drawn(
    st.fixed_dictionaries(
        {"name": TEXT.filter(str.strip)},
        optional={
            "execSystemExecDir": TEXT.filter(bool),
            "archiveSystemDir": TEXT.filter(bool),
            "description": TEXT.filter(bool),
            "fileInputs": st.lists(st.fixed_dictionaries({"sourceUrl": TEXT}, optional={"targetPath": TEXT.filter(bool)}), max_size=2),
            "mpiCmd": TEXT,
            "nodeCount": st.integers(-(2**31), 2**31 - 1),
            "parameterSet": st.fixed_dictionaries(
                {},
                optional={
                    "appArgs": st.lists(st.fixed_dictionaries({"arg": TEXT}), max_size=2),
                    "envVariables": st.lists(st.fixed_dictionaries({"key": TEXT.filter(bool), "value": TEXT}), max_size=2),
                },
            ),
        },
    )
)  # fmt: skip
def test_any_request_makes_a_job_that_stays_in_its_place_or_is_refused(body: dict[str, Any]) -> None:
    try:
        job = merged(request(**body))
    except Problem as problem:
        assert problem.status == 400
        return
    for path in (job.exec_system_exec_dir, job.archive_system_dir, job.exec_system_output_dir):
        assert path.startswith("/") and ".." not in path.split("/") and "\n" not in path
    assert replaced(job, name="n").name == "n"
