"""What is written for a job on its execution system: ``tapisjob.sh`` and ``tapisjob.env``, per runtime.

Everything about the text of these two files lives here, and nothing here touches a file. Arguments stand in the script
verbatim, as users gave them: they quote for themselves. Paths are the service's own and are quoted.

A FORK script starts the application in the background, leaves its pid in ``tapisjob.pid`` and prints it. A BATCH
script begins with directives for Slurm, in alphabetic order, and the lines that load modules.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from weft.service.apps.model import Runtime
from weft.service.jobs.model import Job
from weft.service.jobs.request.limits import OPTION, PROFILE
from weft.service.systems.model import SchedulerProfile

SCRIPT = "tapisjob.sh"
ENVIRONMENT = "tapisjob.env"
PID = "tapisjob.pid"
EXIT_CODE = "tapisjob.exitcode"
SCRIPT_MODE = 0o770
ENVIRONMENT_MODE = 0o660

_QUOTED = frozenset(" &><|;`\n\t'()\"\\{")
"""What has a value quoted in ``tapisjob.env``; the real service leaves the last eight alone, and its script breaks."""
_BEFORE_QUOTE = re.compile(r'(\\*)("|\Z)')
_LONG = {
    "-a": "--array",
    "-A": "--account",
    "-b": "--begin",
    "-B": "--extra-node-info",
    "-C": "--constraint",
    "-d": "--dependency",
    "-D": "--chdir",
    "-e": "--error",
    "-F": "--nodefile",
    "-G": "--gpus",
    "-H": "--hold",
    "-i": "--input",
    "-J": "--job-name",
    "-k": "--no-kill",
    "-L": "--licenses",
    "-m": "--distribution",
    "-M": "--clusters",
    "-o": "--output",
    "-O": "--overcommit",
    "-q": "--qos",
    "-s": "--oversubscribe",
    "-S": "--core-spec",
    "-v": "--verbose",
    "-w": "--nodelist",
    "-W": "--nodelist",
    "-x": "--exclude",
    "-X": "--exclude",
}
_FORK_HEAD = """\
#!/bin/bash
#
# Job {uuid}
# The script of a FORK job: it starts the application in the background, in the job's execution directory,
# leaves its process id in {pid}, and prints it.
#
"""
_BATCH_HEAD = """\
#!/bin/bash
#
# Job {uuid}
# The script of a BATCH job: given to sbatch in the job's execution directory.
#
"""


class Recipe(Struct, frozen=True, kw_only=True):
    """A job with all that its files depend on; folders are real paths on this machine.

    ``executable`` is relative to the execution directory, ``mounts`` are (source, target) of inputs used in place.
    """

    job: Job
    runtime: Runtime
    image: str = ""
    executable: str = ""
    exec_dir: Path
    input_dir: Path
    output_dir: Path
    variables: Sequence[tuple[str, str]] = ()
    partition: str | None = None
    profile: SchedulerProfile | None = None
    mounts: Sequence[tuple[str, str]] = ()
    arguments: str = ""
    singularity: str = "singularity"

    @property
    def stdout(self) -> Path:
        return self.output_dir / self.job.parameter_set.log_config.stdout_filename

    @property
    def stderr(self) -> Path:
        return self.output_dir / self.job.parameter_set.log_config.stderr_filename


class BadOption(ValueError):
    """A scheduler option that cannot stand in the script."""


def script(recipe: Recipe) -> str:
    """The text of ``tapisjob.sh``."""
    if recipe.job.job_type == "BATCH":
        return _batch(recipe)
    head = _FORK_HEAD.format(uuid=recipe.job.uuid, pid=PID)
    if recipe.runtime == "DOCKER":
        return f"{head}\n{_docker(recipe)}\n"
    source = f". ./{ENVIRONMENT}\n\n" if recipe.runtime == "ZIP" else ""
    command = _zip(recipe) if recipe.runtime == "ZIP" else _singularity_fork(recipe)
    return (
        f"{head}\n{source}nohup {command} {_redirected(recipe)} &\npid=$!\necho $pid > ./{PID}\necho $pid\n"
    )


def environment(recipe: Recipe) -> str:
    """The text of ``tapisjob.env``: shell for ZIP and for batch jobs, a plain list where the container reads it."""
    if recipe.runtime == "DOCKER":
        return "".join(f"{key}={value}\n" for key, value in recipe.variables)
    plain = recipe.runtime == "SINGULARITY" and recipe.job.job_type == "FORK"
    export = "" if plain else "export "
    return "".join(f"{export}{key}={_quoted(value)}\n" for key, value in recipe.variables)


def option(arg: str) -> tuple[str, str]:
    """Name and value of a scheduler option or container argument, short names made long.

    Raises:
        BadOption: It is none, or more than one.
    """
    found = OPTION.fullmatch(arg)
    if found is None:
        raise BadOption(f"one option with at most one value is wanted, not {arg!r}")
    name, value = found.groups()
    return _LONG.get(name, name), value


def directives(recipe: Recipe) -> dict[str, str]:
    """The options for sbatch, in the order in which the script has them."""
    job = recipe.job
    given = dict(option(arg.arg) for arg in job.parameter_set.scheduler_options)
    given.pop(PROFILE, None)
    hidden = set(recipe.profile.hidden_options) if recipe.profile else set()
    found = {
        "--nodes": str(job.node_count),
        "--ntasks": str(job.node_count * job.cores_per_node),
        "--time": str(job.max_minutes),
        "--job-name": SCRIPT,
    }
    if "MEM" not in hidden:
        found["--mem"] = str(job.memory_mb)
    if recipe.partition and "PARTITION" not in hidden:
        found["--partition"] = recipe.partition
    if not {"--output", "--array"} & given.keys():
        found["--output"] = str(recipe.stdout)
    if recipe.stderr != recipe.stdout and not {"--error", "--array"} & given.keys():
        found["--error"] = str(recipe.stderr)
    return dict(sorted({**found, **given}.items()))


def _batch(recipe: Recipe) -> str:
    lines = [_BATCH_HEAD.format(uuid=recipe.job.uuid), "# Slurm directives."]
    lines += [f"#SBATCH {name} {value}".rstrip() for name, value in directives(recipe).items()]
    lines += ["", *_module_lines(recipe.profile)]
    if recipe.runtime == "ZIP":
        lines += [f". ./{ENVIRONMENT}", "", f"{_zip(recipe)} {_redirected(recipe)}"]
    else:
        lines += [_singularity_batch(recipe)]
    return "\n".join(lines) + "\n"


def _module_lines(profile: SchedulerProfile | None) -> Iterable[str]:
    if profile is None or not profile.module_loads:
        return []
    return [
        *(
            f"{load.module_load_command} {module}"
            for load in profile.module_loads
            for module in load.modules_to_load
        ),
        "",
    ]


def _zip(recipe: Recipe) -> str:
    return _joined(_prefix(recipe.job), f"./{shlex.quote(recipe.executable)}", recipe.arguments)


def _prefix(job: Job) -> str:
    """What stands before the command: the MPI launcher of an MPI job, else the user's own."""
    return (job.mpi_cmd if job.is_mpi else job.cmd_prefix) or ""


def _redirected(recipe: Recipe) -> str:
    out, err = shlex.quote(str(recipe.stdout)), shlex.quote(str(recipe.stderr))
    return f"> {out} 2>&1" if out == err else f"2> {err} 1> {out}"


def _singularity_fork(recipe: Recipe) -> str:
    file = shlex.quote(str(recipe.exec_dir / ENVIRONMENT))
    return _joined(_prefix(recipe.job), recipe.singularity, "run --env-file", file, _inside(recipe))


def _singularity_batch(recipe: Recipe) -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in recipe.variables)
    env = f"--env {pairs}" if pairs else ""
    return _joined(_prefix(recipe.job), recipe.singularity, "run", env, _inside(recipe))


def _docker(recipe: Recipe) -> str:
    uuid, exec_dir = recipe.job.uuid, recipe.exec_dir
    parts = [
        "docker run -d",
        f"--name {uuid}",
        "--user $(id -u):$(id -g)",
        f"--cidfile {shlex.quote(str(exec_dir / f'{uuid}.cid'))}",
        f"--env-file {shlex.quote(str(exec_dir / ENVIRONMENT))}",
        _container_args(recipe.job),
        _mount(str(recipe.input_dir), "/TapisInput", ",readonly"),
        _mount(str(recipe.output_dir), "/TapisOutput"),
        _mount(str(exec_dir), "/TapisExec"),
        *(_mount(source, target, ",readonly") for source, target in recipe.mounts),
        shlex.quote(recipe.image.removeprefix("docker://")),
        recipe.arguments,
    ]
    return _joined(*parts)


def _mount(source: str, target: str, mode: str = "") -> str:
    return f"--mount {shlex.quote(f'type=bind,source={source},target={target}{mode}')}"


def _inside(recipe: Recipe) -> str:
    """Arguments of the container's program, image, arguments of the app."""
    return _joined(_container_args(recipe.job), shlex.quote(recipe.image), recipe.arguments)


def _container_args(job: Job) -> str:
    return " ".join(arg.arg for arg in job.parameter_set.container_args if not arg.arg.startswith("--tapis-"))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _quoted(value: str) -> str:
    """The value, in double quotes where it must be: variables in it are the shell's to replace."""
    return f'"{_escaped(value)}"' if _QUOTED & set(value) else value


def _escaped(value: str) -> str:
    return _BEFORE_QUOTE.sub(lambda found: found[1] * 2 + ('\\"' if found[2] else ""), value)
