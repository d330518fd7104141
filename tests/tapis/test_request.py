"""Requests: for every shape of app the right one, and for every mistake a complaint before anything is sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from msgspec import structs
from tests.tapis.defined import app, definition, system, without_nulls

from weft.errors import StudyFileError
from weft.tapis import login
from weft.tapis.apps import App, Kind, Mode
from weft.tapis.families import family_of
from weft.tapis.request import Size, Wanted, build, folder_of, needs_allocation, usual_size
from weft.tapis.session import Rejected, Session
from weft.tapis.systems import System

PASSWORD = "correct horse"
WANTED = Wanted(
    name="portal-1a2b3c-0001",
    input="tapis://storage/ann/weft/portal-1a2b3c/0001/in",
    script="runner.py",
    archive_system="storage",
    archive_dir="/ann/weft/portal-1a2b3c/0001/out",
    includes=("results.jsonl", "out-*.zip"),
    tags=("weft", "weft-study:portal"),
)
CLUSTER, VM = system("cluster"), system("vm")
GOOD = {
    "mp": CLUSTER,
    "sp": CLUSTER,
    "mp-or-sp": CLUSTER,
    "container": CLUSTER,
    "express": VM,
    "agnostic": CLUSTER,
    "python": CLUSTER,
    "shell": CLUSTER,
}
"""The apps in which a study can run, each with its system."""


def wanted(**other: Any) -> Wanted:
    return structs.replace(WANTED, **other)


def request(of: str, where: System | None = None, told: dict[str, Any] | None = None, **other: Any) -> Any:
    """The request for one of the apps; ``told`` is what the study says of its family."""
    the_app = app(of)
    family = family_of(the_app, told)
    other.setdefault("script", family.runner_file)
    return build(the_app, where or GOOD.get(of, CLUSTER), family, wanted(**other))


def complaints(of: str, where: System | None = None, **other: Any) -> dict[str, str]:
    """What is complained about, by setting."""
    with pytest.raises(StudyFileError) as caught:
        request(of, where, **other)
    return {each.where: f"{each.what} | {each.hint}" for each in caught.value.complaints}


def args(body: Any, kind: str = "appArgs") -> dict[str, str]:
    return {each["name"]: each["arg"] for each in body["parameterSet"].get(kind, ())}


def env(body: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in body["parameterSet"].get("envVariables", ())}


# Every family


def test_the_whole_of_one_request() -> None:
    assert request("mp", allocation="ABC-123", minutes=60) == {
        "name": "portal-1a2b3c-0001",
        "appId": "opensees-mp-s3",
        "appVersion": "latest",
        "tags": ["weft", "weft-study:portal"],
        "jobType": "BATCH",
        "execSystemId": "cluster",
        "execSystemExecDir": "${JobWorkingDir}",
        "execSystemInputDir": "${JobWorkingDir}",
        "execSystemOutputDir": "${JobWorkingDir}",
        "archiveSystemId": "storage",
        "archiveSystemDir": "/ann/weft/portal-1a2b3c/0001/out",
        "archiveOnAppError": True,
        "execSystemLogicalQueue": "wide",
        "nodeCount": 2,
        "coresPerNode": 48,
        "memoryMB": 192_000,
        "maxMinutes": 60,
        "fileInputs": [
            {"name": "Input Directory", "sourceUrl": "tapis://storage/ann/weft/portal-1a2b3c/0001/in"}
        ],
        "parameterSet": {
            "appArgs": [{"name": "Main Script", "arg": "runner.tcl"}],
            "schedulerOptions": [{"name": "TACC Allocation", "arg": "-A ABC-123"}],
            "archiveFilter": {
                "includes": ["inputDirectory/results.jsonl", "inputDirectory/out-*.zip", "tapisjob.out"],
                "includeLaunchFiles": False,
            },
        },
    }


@pytest.mark.parametrize(
    ("name", "arguments", "variables"),
    [
        ("mp", {"Main Script": "runner.tcl"}, {}),
        ("sp", {"Main Script": "runner.tcl"}, {}),
        ("mp-or-sp", {"Main Program": "OpenSeesMP", "Main Script": "runner.tcl"}, {}),
        ("container", {"TCL Script": "runner.tcl"}, {}),
        ("express", {}, {"mainProgram": "OpenSees", "tclScript": "runner.tcl"}),
        ("agnostic", {"Main Program": "python3", "Main Script": "runner.py", "UseMPI": "False"}, {}),
        ("python", {"Input Script": "runner.py"}, {"USE_MPI": "False"}),
        ("shell", {"Shell command": "python3 runner.py"}, {}),
    ],
)
def test_what_starts_the_runner(name: str, arguments: dict[str, str], variables: dict[str, str]) -> None:
    body = request(name)
    assert args(body) == arguments and env(body) == variables
    assert "containerArgs" not in body["parameterSet"] and args(body, "schedulerOptions") == {}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_fixed_and_nothing_null_is_sent(name: str) -> None:
    body = request(name, allocation="ABC-123")
    sent = {*args(body), *args(body, "schedulerOptions"), *args(body, "containerArgs"), *env(body)}
    fixed = {slot.name for slot in app(name).slots if slot.mode is Mode.FIXED}
    assert not sent & fixed and "null" not in json.dumps(body)
    assert {body[f"execSystem{which}Dir"] for which in ("Exec", "Input", "Output")} == {
        body["execSystemExecDir"]
    }
    assert "isMpi" not in body and "mpiCmd" not in body
    values = [*args(body).values(), *env(body).values()]
    assert all(isinstance(value, str) for value in values)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mp", "inputDirectory"), ("container", ""), ("express", "in"), ("everything", "deep/below")],
)
def test_where_the_folder_of_the_job_lies(name: str, folder: str) -> None:
    the_app = app(name)
    assert folder_of(the_app, family_of(the_app), WANTED.input) == folder
    assert folder_of(the_app, family_of(the_app), f"{WANTED.input}/") == folder


def test_what_is_archived_is_named_from_there() -> None:
    assert request("container")["parameterSet"]["archiveFilter"]["includes"] == [
        "results.jsonl",
        "out-*.zip",
        "tapisjob.out",
    ]
    assert request("express")["parameterSet"]["archiveFilter"]["includes"][0] == "in/results.jsonl"


# Directories, type, queue


def test_every_job_has_a_directory_of_its_own() -> None:
    assert (
        request("express")["execSystemOutputDir"] == "${JobWorkingDir}/jobs/${JobUUID}"
    )  # the system has none
    bare = structs.replace(app("shell"), exec_dir="")
    family = family_of(bare)
    assert build(bare, CLUSTER, family, WANTED)["execSystemExecDir"] == "${JobWorkingDir}"
    own = structs.replace(app("shell"), exec_dir="/scratch/${JobUUID}")
    assert build(own, VM, family, wanted(job_type="FORK"))["execSystemInputDir"] == "/scratch/${JobUUID}"


def test_type_and_queue_as_tapis_decides_them() -> None:
    fork = request("python", job_type="FORK")
    assert fork["jobType"] == "FORK" and "execSystemLogicalQueue" not in fork
    assert request("python", queue="wide")["execSystemLogicalQueue"] == "wide"
    other = structs.replace(app("python"), queue="only there")
    assert build(other, CLUSTER, family_of(other), WANTED)["execSystemLogicalQueue"] == "wide"  # the default
    untyped = structs.replace(app("python"), job_type=None)
    assert build(untyped, VM, family_of(untyped), WANTED)["jobType"] == "FORK"


def test_another_system_is_named_and_the_choice_is_not_left_to_tapis() -> None:
    everything = app("everything")
    body = build(everything, VM, family_of(everything), EVERYTHING)
    assert (body["execSystemId"], body["jobType"], body["dynamicExecSystem"]) == ("vm", "FORK", False)


def test_wrong_types_and_queues() -> None:
    assert "no queue `wiede` | did you mean `wide`?" in complaints("mp", queue="wiede")["tapis.queue"]
    assert "FORK job has no queue" in complaints("mp", job_type="FORK", queue="wide")["tapis.queue"]
    assert "runs no batch jobs" in complaints("mp", VM)["tapis.type"]
    assert '"batch" is no type' in complaints("mp", job_type="batch")["tapis.type"]
    nowhere = structs.replace(CLUSTER, default_queue=None)
    queueless = structs.replace(app("mp"), queue=None)
    with pytest.raises(StudyFileError, match="no queue is named"):
        build(queueless, nowhere, family_of(queueless), WANTED)


# Size


@pytest.mark.parametrize(
    ("other", "key", "bound"),
    [
        ({"nodes": 17}, "nodes", "at most 16"),
        ({"cores_per_node": 129}, "cores", "at most 128"),
        ({"memory_mb": 256_001}, "memory", "at most 256,000 MB"),
        ({"minutes": 121}, "minutes", "at most 120"),
        ({"nodes": 3, "queue": "large"}, "nodes", "at least 4"),
        ({"nodes": 4, "minutes": 29, "queue": "large"}, "minutes", "at least 30"),
        ({"nodes": 0}, "nodes", "at least 1"),
    ],
)
def test_the_bounds_of_a_queue(other: dict[str, Any], key: str, bound: str) -> None:
    found = complaints("mp", **{"queue": "short", **other})
    assert list(found) == [f"tapis.{key}"] and bound in found[f"tapis.{key}"]


def test_a_queue_that_would_take_it_is_named() -> None:
    assert "these take it: wide, large" in complaints("mp", queue="short", minutes=500)["tapis.minutes"]


def test_what_the_app_asks_for_is_cut_to_what_the_queue_gives() -> None:
    body = request("mp", queue="large")
    assert (body["nodeCount"], body["coresPerNode"], body["memoryMB"], body["maxMinutes"]) == (
        4,
        16,
        32_000,
        120,
    )


def test_the_usual_size_is_what_is_sent() -> None:
    for name, queue in (("mp", "large"), ("mp", "short"), ("python", "large"), ("express", None)):
        the_app, where = app(name), GOOD[name]
        usual = usual_size(the_app, family_of(the_app), where.queue(queue) if queue else None)
        body = request(name, queue=queue)
        assert usual == Size(
            nodes=body["nodeCount"],
            cores=body["coresPerNode"],
            memory_mb=body["memoryMB"],
            minutes=body["maxMinutes"],
        )


def test_one_runner_needs_one_node() -> None:
    many = structs.replace(app("python"), nodes=4)
    assert build(many, CLUSTER, family_of(many), WANTED)["nodeCount"] == 1
    assert request("python", nodes=3)["nodeCount"] == 3
    assert request("mp")["nodeCount"] == 2


def test_an_app_that_starts_the_runner_many_times_is_refused() -> None:
    mpi = structs.replace(app("python"), is_mpi=True)
    with pytest.raises(StudyFileError, match="starts its script by MPI, 48 times"):
        build(mpi, CLUSTER, family_of(mpi), WANTED)
    build(mpi, CLUSTER, family_of(mpi), wanted(cores_per_node=1))


# Slots


EVERYTHING = wanted(
    args={"Model": "fine"},
    env={"SEED": 7},
    inputs={"Mesh": "tapis://storage/mesh"},
    allocation="ABC-123",
)


def everything(where: System = VM, **other: Any) -> Any:
    the_app = app("everything")
    return build(the_app, where, family_of(the_app), structs.replace(EVERYTHING, **other))


def test_one_slot_of_every_kind() -> None:
    body = everything(CLUSTER)
    assert args(body) == {"Input Script": "runner.py", "Model": "fine"}
    assert env(body) == {"SEED": "7"}
    assert args(body, "schedulerOptions") == {"TACC Allocation": "-A ABC-123"}
    assert [each["name"] for each in body["fileInputs"]] == ["Input Directory", "Mesh"]
    assert body["parameterSet"]["archiveFilter"]["includes"][-1] == "run.log"


def test_all_that_is_missing_is_asked_for_at_once() -> None:
    found = complaints("everything")
    assert set(found) == {
        "tapis.args.Model",
        "tapis.args.TACC Allocation",
        "tapis.env.SEED",
        "tapis.inputs.Mesh",
    }
    assert "Which model; one of fine, coarse" in found["tapis.args.Model"]
    assert "Of all random numbers" in found["tapis.env.SEED"]
    assert "The mesh" in found["tapis.inputs.Mesh"]


def test_what_is_included_by_default_can_be_left_out() -> None:
    body = everything(args={"Model": "fine", "Verbose": False})
    assert {"name": "Verbose", "arg": "--verbose", "include": False} in body["parameterSet"]["appArgs"]
    left = request("agnostic", args={"Modules": False}, env={"COPY_SWITCH": False, "PRE_JOB_SCRIPT": False})
    assert left["parameterSet"]["schedulerOptions"] == [
        {"name": "Modules", "arg": "--tapis-profile no-modules", "include": False}
    ]
    assert left["parameterSet"]["envVariables"] == [{"key": "COPY_SWITCH", "value": "0", "include": False}]


def test_what_is_there_on_demand() -> None:
    assert "Trace" not in args(everything())
    assert args(everything(args={"Model": "fine", "Trace": True}))["Trace"] == "--trace"
    assert args(everything(args={"Model": "fine", "Trace": "--trace=2"}))["Trace"] == "--trace=2"
    assert "Trace" not in args(everything(args={"Model": "fine", "Trace": False}))
    assert env(request("agnostic", env={"PIP_INSTALLS_LIST": "scipy"})) == {"PIP_INSTALLS_LIST": "scipy"}


def test_yes_and_no_are_written_as_the_choices_are() -> None:
    assert env(request("agnostic", env={"ZIP_OUTPUT_SWITCH": True})) == {"ZIP_OUTPUT_SWITCH": "True"}
    assert env(request("agnostic", env={"ZIP_OUTPUT_SWITCH": False})) == {"ZIP_OUTPUT_SWITCH": "False"}
    assert env(request("agnostic", env={"COPY_SWITCH": True})) == {"COPY_SWITCH": "True"}


def test_choices_are_kept_to() -> None:
    found = complaints("agnostic", env={"ZIP_OUTPUT_SWITCH": "Truee"})["tapis.env.ZIP_OUTPUT_SWITCH"]
    assert "did you mean `True`?" in found and '"False"' in found
    assert "fine" in complaints("everything", args={"Model": "medium"})["tapis.args.Model"]


def test_what_is_fixed_stays_fixed() -> None:
    found = complaints("container", args={"Mounts": "--bind /home"}, env={"APPEND_PATH": "/bin"})
    assert "--bind /usr,/opt" in found["tapis.args.Mounts"] and "$PATH" in found["tapis.env.APPEND_PATH"]
    same = request("container", args={"Mounts": "--bind /usr,/opt"}, env={"APPEND_PATH": "$PATH"})
    assert same == request("container")
    licence = {"Mesh": "tapis://storage/mesh", "Licence": "tapis://storage/other"}
    with pytest.raises(StudyFileError, match="fixes this input"):
        everything(inputs=licence)
    everything(inputs={**licence, "Licence": "tapis://storage/licence"})


def test_the_source_of_an_input_is_an_address() -> None:
    found = complaints("everything", inputs={"Mesh": "mesh.msh"})
    assert "is no address" in found["tapis.inputs.Mesh"]


def test_what_weft_sets_itself_is_left_to_it() -> None:
    found = complaints(
        "agnostic", args={"Main Script": "model.py", "UseMPI": True, "CommandLine Arguments": "--x"}
    )
    assert set(found) == {"tapis.args.Main Script", "tapis.args.UseMPI", "tapis.args.CommandLine Arguments"}
    assert (
        'to "False"' in found["tapis.args.UseMPI"]
        and "model.command" in found["tapis.args.CommandLine Arguments"]
    )
    assert request("agnostic", args={"UseMPI": False, "Main Program": "python3"}) == request("agnostic")
    assert "tapis.env.tclScript" in complaints("express", env={"tclScript": "model.tcl"})
    found = complaints("agnostic", inputs={"Input Directory": "tapis://storage/ann/mine"})
    assert "model.inputs" in found["tapis.inputs.Input Directory"]


def test_a_study_can_change_what_weft_sets() -> None:
    told = {
        "runner": "tcl",
        "program_value": "OpenSeesMP",
        "ranks": True,
        "mpi_value": "True",
    }
    assert args(request("agnostic", told=told)) == {
        "Main Program": "OpenSeesMP",
        "Main Script": "runner.tcl",
        "UseMPI": "True",
    }


def test_slips_in_names() -> None:
    assert "did you mean `UseMPI`?" in complaints("agnostic", args={"UseMPi": True})["tapis.args.UseMPi"]
    slip = complaints("agnostic", env={"PIP_INSTALL_LIST": "scipy"})["tapis.env.PIP_INSTALL_LIST"]
    assert "did you mean `PIP_INSTALLS_LIST`?" in slip
    assert (
        "has no input `Meesh` | did you mean `Mesh`?"
        in complaints("everything", inputs={"Meesh": "x"})["tapis.inputs.Meesh"]
    )


def test_further_variables_are_passed_on() -> None:
    body = request("agnostic", env={"OMP_NUM_THREADS": 2, "DEBUG": False, "EMPTY": ""})
    assert env(body) == {"OMP_NUM_THREADS": "2", "DEBUG": "False", "EMPTY": ""}
    found = complaints("agnostic", env={"_tapisX": "1", "A-B": "1", "LINES": "a\nb"})
    assert set(found) == {"tapis.env._tapisX", "tapis.env.A-B", "tapis.env.LINES"}


@pytest.mark.parametrize("sign", ["&", ">", "<", "|", ";", "`", "\n", "\x7f"])
def test_characters_that_tapis_refuses(sign: str) -> None:
    found = complaints("everything", args={"Model": "fine", "Trace": f"a{sign}b"})
    assert "Tapis takes no" in found["tapis.args.Trace"]
    assert "Tapis takes no empty" in complaints("everything", args={"Trace": " "})["tapis.args.Trace"]


@pytest.mark.parametrize("name", ["mp", "agnostic", "python", "express", "container"])
def test_a_directory_before_the_script(name: str) -> None:
    assert "by its name alone" in complaints(name, script="run/runner.py")["tapis.args"]


def test_a_shell_keeps_the_directory_before_the_script() -> None:
    assert args(request("shell", script="run/runner.py")) == {"Shell command": "python3 run/runner.py"}


# Names and money


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
def test_names_of_jobs(name: str) -> None:
    assert "is no name of a job" in complaints("mp", name=name)["tapis"]
    request("mp", name="x" * 64)


def test_tags_and_description() -> None:
    body = request("mp", tags=("a", "b", "a"), description="d" * 3000)
    assert body["tags"] == ["a", "b"] and len(body["description"]) == 2048
    assert "tapis.tags" in complaints("mp", tags=("t" * 129,))


TACC = structs.replace(CLUSTER, host="stampede3.tacc.utexas.edu")


def test_who_must_say_who_pays() -> None:
    mp, express = family_of(app("mp")), family_of(app("express"))
    assert needs_allocation(TACC, mp, "BATCH") and not needs_allocation(TACC, mp, "FORK")
    assert not needs_allocation(CLUSTER, mp, "BATCH") and not needs_allocation(TACC, express, "BATCH")
    assert not needs_allocation(structs.replace(TACC, no_allocation=True), mp, "BATCH")
    assert needs_allocation(CLUSTER, structs.replace(mp, needs_allocation=True), "BATCH")
    assert "must name the allocation" in complaints("mp", TACC)["tapis.allocation"]


def test_allocation_and_reservation() -> None:
    body = request("mp", TACC, allocation="ABC-123", reservation="class_1")
    assert args(body, "schedulerOptions") == {
        "TACC Reservation": "--reservation class_1",
        "TACC Allocation": "-A ABC-123",
    }
    bare = request("shell", allocation="ABC-123", reservation="class_1")  # an app that defines neither
    assert args(bare, "schedulerOptions") == args(body, "schedulerOptions")
    fork = request("shell", job_type="FORK", allocation="ABC-123")
    assert args(fork, "schedulerOptions") == {}  # no scheduler sees it
    assert set(complaints("mp", allocation="-A x", reservation="a b")) == {
        "tapis.allocation",
        "tapis.reservation",
    }


def test_all_complaints_at_once() -> None:
    found = complaints(
        "everything", CLUSTER, name="", nodes=1000, args={"Modell": "x"}, env={"A B": 1}, queue="wide"
    )
    assert {
        "tapis",
        "tapis.nodes",
        "tapis.args.Modell",
        "tapis.args.Model",
        "tapis.env.A B",
        "tapis.env.SEED",
        "tapis.args.TACC Allocation",
        "tapis.inputs.Mesh",
    } == set(found)


def test_every_mode_with_every_value() -> None:
    """The table at the top of ``filling``, row by row."""
    sent: dict[tuple[str, Any, str | None], Any] = {}
    for mode, told, own in product(
        [Mode.REQUIRED, Mode.FIXED, Mode.INCLUDE_BY_DEFAULT, Mode.INCLUDE_ON_DEMAND],
        ["text", True, False, None],
        ["usual", None],
    ):
        base = app("shell")
        slot = structs.replace(base.slots[0], name="Probe", mode=mode, value=own)
        probed = structs.replace(base, slots=(*base.slots, slot))
        try:
            body = build(
                probed, CLUSTER, family_of(probed), wanted(args={} if told is None else {"Probe": told})
            )
            entry = [each for each in body["parameterSet"]["appArgs"] if each["name"] == "Probe"]
            sent[mode.value, told, own] = entry[0]["arg"] if entry else None
            if entry and entry[0].get("include") is False:
                sent[mode.value, told, own] = "left out"
        except StudyFileError:
            sent[mode.value, told, own] = "complaint"
    values = ["text", True, False, None]
    table = {
        (mode, own): [sent[mode, told, own] for told in values]
        for mode, own in product(
            ["REQUIRED", "FIXED", "INCLUDE_BY_DEFAULT", "INCLUDE_ON_DEMAND"], ["usual", None]
        )
    }
    assert table == {
        ("REQUIRED", "usual"): ["text", "usual", "complaint", None],
        ("REQUIRED", None): ["text", "True", "complaint", "complaint"],
        ("FIXED", "usual"): ["complaint", "complaint", "complaint", None],
        ("FIXED", None): ["complaint", "complaint", "complaint", None],
        ("INCLUDE_BY_DEFAULT", "usual"): ["text", "usual", "left out", None],
        ("INCLUDE_BY_DEFAULT", None): ["text", "True", None, None],
        ("INCLUDE_ON_DEMAND", "usual"): ["text", "usual", None, None],
        ("INCLUDE_ON_DEMAND", None): ["text", "True", None, None],
    }


# What the service makes of them


@pytest.fixture(scope="module")
def there(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A service that has all these apps and systems, and a session of their owner."""
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("WEFT_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("SCRATCH", "/scratch/ann")
    login.log_in(served.url, "ann", PASSWORD)
    with login.session(served.url) as session:
        for name in ("with-opensees", "no-modules"):
            session.call(
                "systems.createSchedulerProfile",
                name=name,
                moduleLoads=[{"moduleLoadCommand": "true", "modulesToLoad": ["a"]}],
            )
        for name in ("cluster", "vm"):
            told = without_nulls(definition(f"system-{name}")) | {
                "host": "localhost",
                "rootDir": str(tmp_path_factory.mktemp(name)),
                "defaultAuthnMethod": "PKI_KEYS",
            }
            told.pop("isDynamicEffectiveUser", None)
            told["batchLogicalQueues"] = [
                {"maxNodeCount": 1000, "minCoresPerNode": 1, "minMemoryMB": 1, **queue}
                for queue in told.get("batchLogicalQueues", ())
            ]
            session.call("systems.createSystem", **told)
        yield session
    monkeypatch.undo()


@pytest.mark.parametrize("name", [*GOOD, "everything"])
def test_the_service_takes_it(there: Session, name: str) -> None:
    told = without_nulls(definition(f"app-{name}")) | {"owner": "ann"}
    if told["runtime"] == "SINGULARITY":  # which this machine may not have; the request is the same
        told |= {"runtime": "ZIP", "containerImage": "tapis://storage/apps/some.zip", "runtimeOptions": []}
        told["jobAttributes"]["parameterSet"]["containerArgs"] = []
    if isinstance(told.get("notes"), str):
        told["notes"] = json.loads(told["notes"])
    for arg in told["jobAttributes"]["parameterSet"]["appArgs"]:
        if isinstance(arg.get("notes"), str):
            arg["notes"] = json.loads(arg["notes"])
    there.call("apps.createAppVersion", **told)
    the_app = App.from_definition(there.call("apps.getAppLatestVersion", appId=told["id"]))
    where = System.from_definition(
        there.call("systems.getSystem", systemId="vm" if name == "express" else "cluster")
    )
    family = family_of(the_app)
    needs = EVERYTHING if name == "everything" else wanted(allocation="ABC-123", env={"LEVEL": 3})
    body = build(the_app, where, family, structs.replace(needs, script=family.runner_file))
    job = there.call("jobs.submitJob", **body)
    with contextlib.suppress(
        Rejected
    ):  # it may have ended by itself: neither its image nor its input is there
        there.call("jobs.cancelJob", jobUuid=job["uuid"])
    given = json.loads(job["parameterSet"])
    fixed = [slot.value for slot in the_app.of(Kind.ARG) if slot.mode is Mode.FIXED]
    assert [each["arg"] for each in given["appArgs"] if each["arg"] in fixed] == fixed
    assert family.starting(family.runner_file) in [
        *(each["arg"] for each in given["appArgs"]),
        *(each["value"] for each in given["envVariables"]),
    ]
    assert job["execSystemOutputDir"] == job["execSystemExecDir"] == job["execSystemInputDir"]
    assert job["uuid"] in job["execSystemOutputDir"]
    target = next(each for each in json.loads(job["fileInputs"]) if each["name"] == "Input Directory")[
        "targetPath"
    ]
    assert target.strip("/") in (folder_of(the_app, family, WANTED.input), ".")
    assert (job["archiveSystemId"], job["archiveSystemDir"]) == ("storage", WANTED.archive_dir)
