"""The text of tapisjob.sh and tapisjob.env, per runtime; what bash makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.service.jobs.execution.test_quotas import TIME, job

from weft.service.apps.model import LogConfig
from weft.service.jobs.execution.scripts import BadOption, Recipe, directives, environment, option, script
from weft.service.jobs.model import Arg
from weft.service.systems.model import SchedulerProfile


def recipe(
    *,
    options: list[str] | None = None,
    container: list[str] | None = None,
    stderr: str = "tapisjob.out",
    **given: Any,
) -> Recipe:
    of_job = {name: given.pop(name) for name in list(given) if name in msgspec.structs.asdict(job())}
    base = job("7", **of_job)
    parameters = msgspec.structs.replace(
        base.parameter_set,
        scheduler_options=[Arg(arg=text) for text in options or []],
        container_args=[Arg(arg=text) for text in container or []],
        log_config=LogConfig(stdout_filename="tapisjob.out", stderr_filename=stderr),
    )
    base = msgspec.structs.replace(base, parameter_set=parameters)
    return Recipe(
        **{
            "job": base,
            "runtime": "ZIP",
            "image": "docker://debian:12",
            "executable": "tapisjob_app.sh",
            "exec_dir": Path("/e x/run"),
            "input_dir": Path("/e x/in"),
            "output_dir": Path("/e x/out"),
            **given,
        }
    )


def body(text: str) -> list[str]:
    return [
        line for line in text.splitlines() if line and not (line.startswith("#") and "SBATCH" not in line)
    ]


OUT = "'/e x/out/tapisjob.out'"
TAIL = ["pid=$!", "echo $pid > ./tapisjob.pid", "echo $pid"]


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, f"nohup ./tapisjob_app.sh > {OUT} 2>&1 &"),
        ({"arguments": "-x 'a b' $HOME"}, f"nohup ./tapisjob_app.sh -x 'a b' $HOME > {OUT} 2>&1 &"),
        ({"is_mpi": True, "mpi_cmd": "ibrun"}, f"nohup ibrun ./tapisjob_app.sh > {OUT} 2>&1 &"),
        ({"cmd_prefix": "nice -n 5"}, f"nohup nice -n 5 ./tapisjob_app.sh > {OUT} 2>&1 &"),
        ({"stderr": "err"}, f"nohup ./tapisjob_app.sh 2> '/e x/out/err' 1> {OUT} &"),
        ({"executable": "bin/a b.py"}, f"nohup ./'bin/a b.py' > {OUT} 2>&1 &"),
    ],
)
def test_zip_fork(given: dict[str, Any], command: str) -> None:
    assert body(script(recipe(**given))) == [". ./tapisjob.env", command, *TAIL]


def test_singularity_fork() -> None:
    text = script(recipe(runtime="SINGULARITY", container=["--bind /a,/b"], arguments="run it"))
    command = (
        "nohup singularity run --env-file '/e x/run/tapisjob.env' --bind /a,/b docker://debian:12 run it"
    )
    assert body(text) == [f"{command} > {OUT} 2>&1 &", *TAIL]


def test_docker() -> None:
    (line,) = body(
        script(
            recipe(
                runtime="DOCKER",
                container=["--shm-size 1g", "--tapis-zip-save"],
                arguments="run it",
                mounts=[("/data/x", "/TapisInput/x")],
            )
        )
    )
    assert line == (
        "docker run -d --name 7 --user $(id -u):$(id -g) --cidfile '/e x/run/7.cid' "
        "--env-file '/e x/run/tapisjob.env' --shm-size 1g "
        "--mount 'type=bind,source=/e x/in,target=/TapisInput,readonly' "
        "--mount 'type=bind,source=/e x/out,target=/TapisOutput' "
        "--mount 'type=bind,source=/e x/run,target=/TapisExec' "
        "--mount type=bind,source=/data/x,target=/TapisInput/x,readonly debian:12 run it"
    )


BATCH: dict[str, Any] = {
    "job_type": "BATCH",
    "node_count": 2,
    "cores_per_node": 48,
    "memory_mb": 192000,
    "max_minutes": 100,
    "partition": "skx-dev",
}
PROFILE = msgspec.convert(
    {
        "name": "p",
        "tenant": "t",
        "uuid": "u",
        "created": TIME,
        "updated": TIME,
        "moduleLoads": [{"moduleLoadCommand": "module load", "modulesToLoad": ["hdf5", "opensees"]}],
        "hiddenOptions": ["MEM"],
    },
    SchedulerProfile,
)


def test_zip_batch() -> None:
    text = script(recipe(**BATCH, options=["-A DS-HPC1", "--tapis-profile p"], profile=PROFILE))
    assert text.startswith("#!/bin/bash\n#")
    assert "# Slurm directives.\n#SBATCH" in text
    assert body(text) == [
        "#SBATCH --account DS-HPC1",
        "#SBATCH --job-name tapisjob.sh",
        "#SBATCH --nodes 2",
        "#SBATCH --ntasks 96",
        "#SBATCH --output /e x/out/tapisjob.out",
        "#SBATCH --partition skx-dev",
        "#SBATCH --time 100",
        "module load hdf5",
        "module load opensees",
        ". ./tapisjob.env",
        f"./tapisjob_app.sh > {OUT} 2>&1",
    ]


@pytest.mark.parametrize(
    ("given", "there", "absent"),
    [
        ({"options": []}, {"--mem": "192000", "--partition": "skx-dev"}, {"--error"}),
        ({"stderr": "err"}, {"--error": "/e x/out/err"}, set()),
        ({"options": ["--output=my-%j.out"]}, {"--output": "my-%j.out"}, set()),
        ({"options": ["-a 1-3"], "stderr": "err"}, {"--array": "1-3"}, {"--output", "--error"}),
        ({"options": ["--job-name mine", "--exclusive"]}, {"--job-name": "mine", "--exclusive": ""}, set()),
        ({"options": ["-J  mine "]}, {"--job-name": "mine"}, set()),
        ({"profile": PROFILE}, {}, {"--mem"}),
    ],
)
def test_directives(given: dict[str, Any], there: dict[str, str], absent: set[str]) -> None:
    found = directives(recipe(**BATCH, **given))
    assert there.items() <= found.items()
    assert not absent & found.keys()
    assert list(found) == sorted(found)


@pytest.mark.parametrize("arg", ["", "x", "-A a b", "--a=b\n#SBATCH --uid 0", "-A a\n-B b"])
def test_what_is_not_one_option_is_refused(arg: str) -> None:
    with pytest.raises(BadOption):
        option(arg)


def test_singularity_batch() -> None:
    given = {**BATCH, "is_mpi": True, "mpi_cmd": "ibrun"}
    text = script(recipe(**given, runtime="SINGULARITY", variables=[("A", "1"), ("B", 'x "y"')]))
    assert body(text)[-1] == 'ibrun singularity run --env A="1",B="x \\"y\\"" docker://debian:12'
    assert environment(recipe(**given, runtime="SINGULARITY", variables=[("A", "a b")])) == 'export A="a b"\n'


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        ("ZIP", 'export E=\nexport S="a b"\nexport P=$PATH\nexport Q="x;y"\n'),
        ("SINGULARITY", 'E=\nS="a b"\nP=$PATH\nQ="x;y"\n'),
        ("DOCKER", "E=\nS=a b\nP=$PATH\nQ=x;y\n"),
    ],
)
def test_environment(runtime: str, text: str) -> None:
    variables = [("E", ""), ("S", "a b"), ("P", "$PATH"), ("Q", "x;y")]
    assert environment(recipe(runtime=runtime, variables=variables)) == text


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abc \"'\\()<>|&;\t#=*~!{}[]", max_size=12), min_size=1, max_size=8))
def test_bash_reads_back_values_that_hold_no_variables(values: list[str]) -> None:
    """Where quoting is needed for another reason than the shell's own expansions, nothing is lost."""
    quoted = [(f"V{at}", f"x {value}") for at, value in enumerate(values)]
    text = environment(recipe(variables=quoted))
    show = "".join(f'printf "%s\\0" "$V{at}";' for at in range(len(values)))
    done = subprocess.run(["bash", "-c", f"{text}\n{show}"], capture_output=True, check=True)
    expected = [value.replace("\\\\", "\\") for _, value in quoted]
    assert [part.replace("\\\\", "\\") for part in done.stdout.decode().split("\0")[:-1]] == expected


@pytest.mark.parametrize("value", ["\\", 'x"', '\\"', '"x"', "{a,b}", "a\\", "a\\b", "!", "#", "*"])
def test_no_value_takes_the_environment_apart(value: str) -> None:
    text = environment(recipe(variables=[("V", value), ("W", "1")]))
    done = subprocess.run(
        ["bash", "-c", f'{text}\nprintf "%s %s" "$V" "$W"'], capture_output=True, check=True
    )
    assert done.stdout.decode() == f"{value} 1"


def test_what_is_written_is_bash(tmp_path: Path) -> None:
    for kind in ({}, BATCH, {"runtime": "DOCKER"}, {"runtime": "SINGULARITY"}):
        file = tmp_path / "tapisjob.sh"
        file.write_text(script(recipe(**kind, profile=PROFILE)))
        subprocess.run(["bash", "-n", str(file)], check=True)
