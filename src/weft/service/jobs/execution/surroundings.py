"""What the processes of a job find around them: environment and the file their script's own words go to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from weft.service.jobs.execution import scripts
from weft.service.jobs.execution.ending import Stop
from weft.service.jobs.execution.launch import MARKER, inherited
from weft.service.jobs.execution.scripts import BadOption, option
from weft.service.jobs.model import Job
from weft.service.jobs.states import Condition
from weft.service.systems.model import System

if TYPE_CHECKING:
    from weft.service.server import Service


def environment(service: Service, commands: Path, job: Job, system: System) -> dict[str, str]:
    """The environment of the job's processes, before its own ``tapisjob.env``: nothing that could be a secret.

    Raises:
        Stop: The owner cannot be a user on the host.
    """
    host = service.systems.host(system)
    try:
        of_host = host.environment(service.systems.login_user(system, job.owner))
    except ValueError as error:
        raise Stop(str(error), Condition.JOB_LAUNCH_FAILURE) from error
    found = {**inherited(), **of_host, MARKER: job.uuid}
    path = found.get("PATH", os.defpath)
    # A stand-in has only the stand-ins of the commands; this machine may have the real ones.
    found["PATH"] = f"{commands}:{path}" if host.stand_in else f"{path}:{commands}"
    return found


def of_batch(job: Job) -> dict[str, str]:
    """What scripts look up of Slurm's own variables, where the built-in queue stands in for it."""
    tasks = job.node_count * job.cores_per_node
    return {
        "SLURM_JOB_ID": str(job.id),
        "SLURM_JOBID": str(job.id),
        "SLURM_JOB_NAME": scripts.SCRIPT,
        "SLURM_JOB_NUM_NODES": str(job.node_count),
        "SLURM_NNODES": str(job.node_count),
        "SLURM_NTASKS": str(tasks),
        "SLURM_NPROCS": str(tasks),
        "SLURM_NTASKS_PER_NODE": str(job.cores_per_node),
        "SLURM_CPUS_ON_NODE": str(job.cores_per_node),
        "SLURM_MEM_PER_NODE": str(job.memory_mb),
        "SLURM_JOB_PARTITION": job.exec_system_logical_queue or "",
    }


def output_of_script(job: Job, exec_dir: Path, output_dir: Path) -> Path:
    """The file that takes what a batch script itself writes: that of ``--output``, as sbatch reads it."""
    given = ""
    for arg in job.parameter_set.scheduler_options:
        try:
            name, value = option(arg.arg)
        except BadOption:
            continue
        given = value if name == "--output" else given
    if not given:
        return output_dir / job.parameter_set.log_config.stdout_filename
    for sign, value in (("%j", str(job.id)), ("%x", scripts.SCRIPT), ("%u", job.owner)):
        given = given.replace(sign, value)
    return exec_dir / given
