"""The systems that are there from the start: ``storage``, ``local``, and ``slurm`` where Slurm is found."""

from __future__ import annotations

from typing import Any

from weft.schedulers.slurm import Partition
from weft.service.starters.facts import Facts

STORAGE, LOCAL, SLURM = "storage", "local", "slurm"
INTERPRETER = "WEFT_PYTHON"
"""The variable that tells the apps which Python to start."""

_LONGEST = 2880
_DEVELOPMENT = 120
"""Minutes: two days and two hours, as on the clusters that people come from."""
_NO_LIMIT = -1


def systems(facts: Facts) -> list[dict[str, Any]]:
    """Return the definitions, in the order in which they refer to each other."""
    found = [_storage(facts), _local(facts)]
    return [*found, _slurm(facts)] if facts.partitions else found


def _storage(facts: Facts) -> dict[str, Any]:
    return {
        **_linux(facts, STORAGE),
        "description": "Files of users and archives of jobs, in a folder of this service.",
        "canExec": False,
        "notes": {"label": "Storage", "noAllocationRequired": True},
    }


def _local(facts: Facts) -> dict[str, Any]:
    return {
        **_linux(facts, LOCAL),
        **_execution(facts),
        **(_batch(_own_queues(facts), "normal") if facts.built_in_queue else {"canRunBatch": False}),
        "description": "This machine. All jobs run as the operating system user that runs the service.",
        "notes": {"label": "This machine", "noAllocationRequired": True},
    }


def _slurm(facts: Facts) -> dict[str, Any]:
    default = next((part for part in facts.partitions if part.default), facts.partitions[0])
    queues = [_partition(part) for part in facts.partitions]
    return {
        **_linux(facts, SLURM),
        **_execution(facts),
        **_batch(queues, default.name),
        "description": "The Slurm of this machine. All jobs run as the operating system user that runs the service.",
        "notes": {"label": "Slurm", "noAllocationRequired": True},
    }


def _linux(facts: Facts, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "systemType": "LINUX",
        "host": "localhost",
        "owner": facts.owner,
        "effectiveUserId": "${apiUserId}",
        "defaultAuthnMethod": "PKI_KEYS",
        "rootDir": str(facts.folder / name),
        "tags": [],
    }


def _execution(facts: Facts) -> dict[str, Any]:
    return {
        "canExec": True,
        "enableCmdPrefix": True,
        "mpiCmd": "ibrun",
        "jobRuntimes": [{"runtimeType": name} for name in ("ZIP", *facts.containers)],
        "jobWorkingDir": "/jobs/${JobOwner}/${JobUUID}",
        "jobMaxJobs": _NO_LIMIT,
        "jobMaxJobsPerUser": _NO_LIMIT,
        "jobEnvVariables": [
            {
                "key": INTERPRETER,
                "value": facts.python,
                "description": "The Python that the ready apps start; it runs this service, too.",
            }
        ],
    }


def _batch(queues: list[dict[str, Any]], default: str) -> dict[str, Any]:
    return {
        "canRunBatch": True,
        "batchScheduler": "SLURM",
        "batchLogicalQueues": queues,
        "batchDefaultLogicalQueue": default,
    }


def _own_queues(facts: Facts) -> list[dict[str, Any]]:
    whole = {"nodes": 1, "cores": facts.cores, "memory": facts.memory_mb}
    short = "short trials, three at a time for each user"
    queues = [
        _queue("normal", "all of this machine", minutes=_LONGEST, **whole),
        _queue("development", short, minutes=_DEVELOPMENT, per_user=3, **whole),
    ]
    # Not the name of any partition, which would take these jobs to Slurm.
    return [{**queue, "hpcQueueName": f"{LOCAL}-{queue['name']}"} for queue in queues]


def _partition(part: Partition) -> dict[str, Any]:
    return _queue(
        part.name,
        f"partition {part.name}",
        nodes=part.nodes,
        cores=part.cores,
        memory=part.memory_mb,
        minutes=part.minutes or _LONGEST,
    )


def _queue(
    name: str,
    description: str,
    *,
    nodes: int,
    cores: int,
    memory: int,
    minutes: int,
    per_user: int = _NO_LIMIT,
) -> dict[str, Any]:
    return {
        "name": name,
        "hpcQueueName": name,
        "description": f"{name} ({description})",
        "maxJobs": _NO_LIMIT,
        "maxJobsPerUser": per_user,
        "minNodeCount": 1,
        "maxNodeCount": max(nodes, 1),
        "minCoresPerNode": 1,
        "maxCoresPerNode": max(cores, 1),
        "minMemoryMB": 1,
        "maxMemoryMB": max(memory, 1),
        "minMinutes": 1,
        "maxMinutes": max(minutes, 1),
    }
